#include "engine/impact/rollup.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/codec/datetime.h"

const char *const rollup_by_words[] = {"owner", "application", "platform", "ca", NULL};

void rollup_init(struct rollup *rollup) {
    *rollup = (struct rollup){0};
}

void rollup_fini(struct rollup *rollup) {
    free(rollup->rows);
    free(rollup->slots);
    *rollup = (struct rollup){0};
}

const char *rollup_owner(const struct impact *impact) {
    return impact->set != NULL && impact->set->owner[0] != '\0' ? impact->set->owner
                                                                : impact->target->owner;
}

const char *rollup_application(const struct impact *impact) {
    return impact->set != NULL && impact->set->application[0] != '\0' ? impact->set->application
                                                                      : impact->target->application;
}

const char *rollup_platform(const struct impact *impact) {
    return impact->set != NULL ? impact->set->platform : "";
}

const char *rollup_ca(const struct impact *impact) {
    return impact->view == NULL  ? ""
           : impact->view->added ? impact->view->after.endpoint.leaf.issuer
                                 : impact->view->before.endpoint.leaf.issuer;
}

static uint64_t hash_row(enum rollup_by by, const char *key) {
    return XXH3_64bits_withSeed(key, strlen(key), by);
}

static void reserve(struct rollup *rollup) {
    uint32_t size = rollup->slots == NULL ? 0 : rollup->mask + 1;
    if (rollup->count == rollup->capacity) {
        rollup->capacity = rollup->capacity == 0 ? 64 : rollup->capacity * 2;
        rollup->rows = realloc(rollup->rows, rollup->capacity * sizeof *rollup->rows);
        CHECK(rollup->rows != NULL);
    }
    if (rollup->count < size / 2) {
        return;
    }
    size = size == 0 ? 256 : size * 2;
    free(rollup->slots);
    rollup->slots = calloc(size, sizeof *rollup->slots);
    CHECK(rollup->slots != NULL);
    rollup->mask = size - 1;
    for (uint32_t i = 0; i < rollup->count; i++) {
        uint32_t at = (uint32_t)hash_row(rollup->rows[i].by, rollup->rows[i].key) & rollup->mask;
        while (rollup->slots[at] != 0) {
            at = (at + 1) & rollup->mask;
        }
        rollup->slots[at] = i + 1;
    }
}

static struct rollup_row *find_row(struct rollup *rollup, enum rollup_by by, const char *key) {
    reserve(rollup);
    uint32_t at = (uint32_t)hash_row(by, key) & rollup->mask;
    for (; rollup->slots[at] != 0; at = (at + 1) & rollup->mask) {
        struct rollup_row *row = &rollup->rows[rollup->slots[at] - 1];
        if (row->by == by && strcmp(row->key, key) == 0) {
            return row;
        }
    }
    rollup->rows[rollup->count] =
        (struct rollup_row){.by = by, .key = key, .earliest_safe = DATETIME_NONE};
    rollup->slots[at] = ++rollup->count;
    return &rollup->rows[rollup->count - 1];
}

void rollup_add(struct rollup *rollup, const struct impact *impact, uint32_t target_idx) {
    const char *const keys[ROLLUP_BY_COUNT] = {
        [ROLLUP_OWNER] = rollup_owner(impact),
        [ROLLUP_APPLICATION] = rollup_application(impact),
        [ROLLUP_PLATFORM] = rollup_platform(impact),
        [ROLLUP_CA] = rollup_ca(impact),
    };
    for (int by = 0; by < ROLLUP_BY_COUNT; by++) {
        struct rollup_row *row = find_row(rollup, (enum rollup_by)by, keys[by]);
        if (row->last_target != target_idx + 1) {
            row->last_target = target_idx + 1;
            row->targets++;
            row->worst = impact->outcome;
            row->outcomes[impact->outcome]++;
        } else if (impact->outcome < row->worst) {
            row->outcomes[row->worst]--;
            row->worst = impact->outcome;
            row->outcomes[impact->outcome]++;
        }
        if (impact->earliest_safe > row->earliest_safe) {
            row->earliest_safe = impact->earliest_safe;
        }
    }
}

static int compare_rows(const void *left, const void *right) {
    const struct rollup_row *a = left, *b = right;
    if (a->by != b->by) {
        return a->by < b->by ? -1 : 1;
    }
    for (int i = 0; i < IMPACT_OUTCOME_COUNT; i++) {
        if (a->outcomes[i] != b->outcomes[i]) {
            return a->outcomes[i] > b->outcomes[i] ? -1 : 1;
        }
    }
    return strcmp(a->key, b->key);
}

void rollup_end(struct rollup *rollup) {
    if (rollup->count > 0) {
        qsort(rollup->rows, rollup->count, sizeof *rollup->rows, compare_rows);
    }
    free(rollup->slots);
    rollup->slots = NULL;
}
