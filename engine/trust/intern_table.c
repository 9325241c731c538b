#include <stdlib.h>
#include <sys/mman.h>

#include "engine/trust/intern_internal.h"

#define HUGE_PAGE (2u << 20)

/* Zeros. A large table lies in huge pages if the kernel gives them: each look-up hits another page.
 */
static struct intern_slot *slots_new(uint32_t count) {
    size_t len = count * sizeof(struct intern_slot);
    if (len < HUGE_PAGE) {
        return calloc(count, sizeof(struct intern_slot));
    }
    void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    madvise(map, len, MADV_HUGEPAGE); /* a wish: works without */
    return map;
}

static void slots_free(struct intern_slot *slots, uint32_t count) {
    size_t len = count * sizeof *slots;
    if (len < HUGE_PAGE) {
        free(slots);
    } else {
        munmap(slots, len);
    }
}

void intern_table_init(struct intern_table *table, uint32_t capacity) {
    CHECK(capacity <= UINT32_C(1) << 30);
    uint32_t slots = 16;
    while (slots < 2 * capacity) {
        slots *= 2;
    }
    table->slots = slots_new(slots);
    CHECK(table->slots != NULL);
    table->mask = slots - 1;
    table->count = 0;
}

void intern_table_fini(struct intern_table *table) {
    if (table->slots != NULL) {
        slots_free(table->slots, table->mask + 1);
    }
    *table = (struct intern_table){0};
}

static void place(struct intern_table *table, uint64_t hash, void *item) {
    uint32_t at = (uint32_t)hash & table->mask;
    while (table->slots[at].item != NULL) {
        at = (at + 1) & table->mask;
    }
    table->slots[at] = (struct intern_slot){.hash = hash, .item = item};
    table->count++;
}

void intern_table_add(struct intern_table *table, uint64_t hash, void *item) {
    if ((table->count + 1) * 2 > table->mask + 1) {
        struct intern_table grown;
        intern_table_init(&grown, table->mask + 1);
        for (uint32_t i = 0; i <= table->mask; i++) {
            if (table->slots[i].item != NULL) {
                place(&grown, table->slots[i].hash, table->slots[i].item);
            }
        }
        slots_free(table->slots, table->mask + 1);
        *table = grown;
    }
    place(table, hash, item);
}

void intern_table_remove(struct intern_table *table, uint64_t hash, const void *item) {
    uint32_t hole = (uint32_t)hash & table->mask;
    while (table->slots[hole].item != item) {
        CHECK(table->slots[hole].item != NULL);
        hole = (hole + 1) & table->mask;
    }
    /* Close the gap: whatever follows in this run and may stand in the hole moves there. It may if
       its home is not between the hole (exclusive) and its place (inclusive), cyclically. */
    for (uint32_t at = (hole + 1) & table->mask; table->slots[at].item != NULL;
         at = (at + 1) & table->mask) {
        uint32_t home = (uint32_t)table->slots[at].hash & table->mask;
        if (((at - home) & table->mask) >= ((at - hole) & table->mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole] = (struct intern_slot){0};
    table->count--;
}
