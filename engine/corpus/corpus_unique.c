#include "engine/corpus/corpus_unique.h"

#include <stdlib.h>

#include "engine/base/attributes.h"

static const uint8_t free_slot[SHA256_LEN];

/* Digests are their own hash. Whoever makes certificates to crowd one place must find keys whose
   digests share many bits: 2^20 tries for a run of two in a table of a million. */
static uint8_t *find_slot(uint8_t (*slots)[SHA256_LEN], size_t slot_count,
                          const uint8_t digest[SHA256_LEN]) {
    uint64_t hash;
    memcpy(&hash, digest + 8, sizeof hash);
    for (size_t at = hash & (slot_count - 1);; at = (at + 1) & (slot_count - 1)) {
        if (memcmp(slots[at], digest, SHA256_LEN) == 0 ||
            memcmp(slots[at], free_slot, SHA256_LEN) == 0) {
            return slots[at];
        }
    }
}

/* False without memory. */
static bool grow(struct corpus_unique *set) {
    size_t slot_count = set->slot_count == 0 ? 1024 : 2 * set->slot_count;
    uint8_t(*slots)[SHA256_LEN] = calloc(slot_count, SHA256_LEN);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < set->slot_count; i++) {
        if (memcmp(set->slots[i], free_slot, SHA256_LEN) != 0) {
            memcpy(find_slot(slots, slot_count, set->slots[i]), set->slots[i], SHA256_LEN);
        }
    }
    free(set->slots);
    set->slots = slots;
    set->slot_count = slot_count;
    return true;
}

enum corpus_unique_result corpus_unique_add(struct corpus_unique *set,
                                            const uint8_t digest[SHA256_LEN]) {
    if (5 * (set->count + 1) > 4 * set->slot_count && !grow(set)) {
        return CORPUS_UNIQUE_FULL;
    }
    uint8_t *slot = find_slot(set->slots, set->slot_count, digest);
    if (memcmp(slot, digest, SHA256_LEN) == 0) {
        return CORPUS_UNIQUE_KNOWN;
    }
    if (set->count >= set->count_max) {
        return CORPUS_UNIQUE_FULL;
    }
    memcpy(slot, digest, SHA256_LEN);
    set->count++;
    return CORPUS_UNIQUE_NEW;
}

void corpus_unique_fini(struct corpus_unique *set) {
    free(set->slots);
    *set = (struct corpus_unique){0};
}
