#include "engine/page/tally.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/base/attributes.h"

void tally_init(struct tally *tally) {
    *tally = (struct tally){0};
}

void tally_fini(struct tally *tally) {
    for (uint32_t i = 0; i < tally->count; i++) {
        free(tally->rows[i].key);
    }
    free(tally->rows);
    free(tally->slots);
    *tally = (struct tally){0};
}

static uint32_t hash_of(const char *key) {
    return (uint32_t)XXH3_64bits(key, strlen(key));
}

static bool reserve(struct tally *tally) {
    if (tally->count < tally->capacity) {
        return true;
    }
    uint32_t capacity = tally->capacity == 0 ? 64 : tally->capacity * 2;
    struct tally_row *rows = realloc(tally->rows, capacity * sizeof *rows);
    if (rows != NULL) {
        tally->rows = rows;
    }
    uint32_t *slots = rows != NULL ? calloc((size_t)capacity * 2, sizeof *slots) : NULL;
    if (slots == NULL) {
        return false;
    }
    uint32_t mask = capacity * 2 - 1;
    for (uint32_t i = 0; i < tally->count; i++) {
        uint32_t at = hash_of(rows[i].key) & mask;
        while (slots[at] != 0) {
            at = (at + 1) & mask;
        }
        slots[at] = i + 1;
    }
    free(tally->slots);
    tally->slots = slots;
    tally->mask = mask;
    tally->capacity = capacity;
    return true;
}

static struct tally_row *row_of(struct tally *tally, const char *key) {
    uint32_t hash = hash_of(key), at = hash & tally->mask;
    for (; tally->slots != NULL && tally->slots[at] != 0; at = (at + 1) & tally->mask) {
        struct tally_row *row = &tally->rows[tally->slots[at] - 1];
        if (strcmp(row->key, key) == 0) {
            return row;
        }
    }
    char *copy = tally->count < TALLY_KEYS_MAX && reserve(tally) ? strdup(key) : NULL;
    if (copy == NULL) {
        return &tally->others;
    }
    at = hash & tally->mask;
    while (tally->slots[at] != 0) {
        at = (at + 1) & tally->mask;
    }
    tally->slots[at] = ++tally->count;
    tally->rows[tally->count - 1] = (struct tally_row){.key = copy};
    return &tally->rows[tally->count - 1];
}

void tally_add(struct tally *tally, const char *key, uint32_t category, uint64_t count) {
    CHECK(category < TALLY_CATEGORIES_MAX);
    struct tally_row *row = row_of(tally, key);
    row->counts[category] += count;
    row->total += count;
}

static int compare(const void *left, const void *right, void *context) {
    const struct tally_row *a = left, *b = right;
    uint32_t worst = *(const uint32_t *)context;
    for (uint32_t i = 0; i < worst; i++) {
        if (a->counts[i] != b->counts[i]) {
            return a->counts[i] > b->counts[i] ? -1 : 1;
        }
    }
    if (a->total != b->total) {
        return a->total > b->total ? -1 : 1;
    }
    return strcmp(a->key, b->key);
}

void tally_fold(struct tally *tally, uint32_t worst, uint32_t keep) {
    CHECK(worst <= TALLY_CATEGORIES_MAX);
    if (tally->count > 0) {
        qsort_r(tally->rows, tally->count, sizeof *tally->rows, compare, &worst);
    }
    while (tally->count > keep) {
        struct tally_row *row = &tally->rows[--tally->count];
        for (uint32_t i = 0; i < TALLY_CATEGORIES_MAX; i++) {
            tally->others.counts[i] += row->counts[i];
        }
        tally->others.total += row->total;
        tally->others_count++;
        free(row->key);
    }
    free(tally->slots); /* the rows moved */
    tally->slots = NULL;
    tally->mask = 0;
    tally->capacity = tally->count;
}
