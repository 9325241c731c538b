#include "engine/history/store_digests.h"

#include <stdlib.h>

#include "engine/base/limits.h"

void store_digests_fini(struct store_digests *digests) {
    free(digests->items);
    free(digests->slots);
    *digests = (struct store_digests){0};
}

static uint32_t hash_of(const uint8_t digest[SHA256_LEN]) {
    uint32_t hash;
    memcpy(&hash, digest + 4, sizeof hash);
    return hash;
}

struct store_digest *store_digests_find(const struct store_digests *digests,
                                        const uint8_t digest[SHA256_LEN]) {
    if (digests->slots == NULL) {
        return NULL;
    }
    for (uint32_t at = hash_of(digest) & digests->mask; digests->slots[at] != 0;
         at = (at + 1) & digests->mask) {
        struct store_digest *item = &digests->items[digests->slots[at] - 1];
        if (memcmp(item->digest, digest, SHA256_LEN) == 0) {
            return item;
        }
    }
    return NULL;
}

static void place(uint32_t *slots, uint32_t mask, const uint8_t digest[SHA256_LEN], uint32_t idx) {
    uint32_t at = hash_of(digest) & mask;
    while (slots[at] != 0) {
        at = (at + 1) & mask;
    }
    slots[at] = idx + 1;
}

/* Room for one more: the index stays at most three quarters full. */
static bool reserve(struct store_digests *digests) {
    if (digests->count == digests->capacity) {
        uint32_t capacity = digests->capacity < 1024 ? 1024 : digests->capacity / 2 * 3;
        struct store_digest *items =
            digests->count < STORE_CHAINS_MAX
                ? realloc(digests->items, capacity * sizeof *digests->items)
                : NULL;
        if (items == NULL) {
            return false;
        }
        digests->items = items;
        digests->capacity = capacity;
    }
    uint32_t size = digests->slots == NULL ? 0 : digests->mask + 1;
    if (digests->count < size / 4 * 3) {
        return true;
    }
    uint32_t wanted = size == 0 ? 2048 : size * 2;
    uint32_t *slots = calloc(wanted, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < digests->count; i++) {
        place(slots, wanted - 1, digests->items[i].digest, i);
    }
    free(digests->slots);
    digests->slots = slots;
    digests->mask = wanted - 1;
    return true;
}

struct store_digest *store_digests_add(struct store_digests *digests,
                                       const uint8_t digest[SHA256_LEN], uint32_t row) {
    if (!reserve(digests)) {
        return NULL;
    }
    struct store_digest *item = &digests->items[digests->count];
    *item = (struct store_digest){.row = row};
    memcpy(item->digest, digest, SHA256_LEN);
    place(digests->slots, digests->mask, digest, digests->count++);
    return item;
}
