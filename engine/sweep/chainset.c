#include "engine/sweep/chainset.h"

#include <stdlib.h>

#include "engine/base/attributes.h"

static const uint8_t free_slot[SHA256_LEN];

static uint8_t *find_slot(uint8_t (*slots)[SHA256_LEN], size_t mask, const uint8_t id[SHA256_LEN]) {
    uint64_t hash;
    memcpy(&hash, id + 8, sizeof hash);
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        if (memcmp(slots[at], id, SHA256_LEN) == 0 ||
            memcmp(slots[at], free_slot, SHA256_LEN) == 0) {
            return slots[at];
        }
    }
}

static void grow(struct chainset *set) {
    size_t new_mask = set->slots == NULL ? 1023 : set->mask * 2 + 1;
    uint8_t(*slots)[SHA256_LEN] = calloc(new_mask + 1, SHA256_LEN);
    CHECK(slots != NULL);
    for (size_t i = 0; set->slots != NULL && i <= set->mask; i++) {
        if (memcmp(set->slots[i], free_slot, SHA256_LEN) != 0) {
            memcpy(find_slot(slots, new_mask, set->slots[i]), set->slots[i], SHA256_LEN);
        }
    }
    free(set->slots);
    set->slots = slots;
    set->mask = new_mask;
}

bool chainset_add(struct chainset *set, const uint8_t id[SHA256_LEN]) {
    if (set->slots == NULL || set->count * 2 > set->mask) {
        grow(set);
    }
    uint8_t *slot = find_slot(set->slots, set->mask, id);
    if (memcmp(slot, id, SHA256_LEN) == 0) {
        return false;
    }
    memcpy(slot, id, SHA256_LEN);
    set->count++;
    return true;
}

void chainset_fini(struct chainset *set) {
    free(set->slots);
    *set = (struct chainset){0};
}
