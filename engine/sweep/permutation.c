#include "engine/sweep/permutation.h"

#include "engine/base/attributes.h"
#include "engine/base/rng.h"

void permutation_init(struct permutation *permutation, uint64_t count, uint64_t seed) {
    CHECK(count <= UINT64_C(1) << 62);
    struct rng rng;
    rng_init(&rng, seed);
    *permutation = (struct permutation){.count = count, .half_bits = 1};
    while (UINT64_C(1) << (2 * permutation->half_bits) < count) {
        permutation->half_bits++;
    }
    for (int i = 0; i < PERMUTATION_ROUNDS; i++) {
        permutation->keys[i] = rng_next(&rng);
    }
}

static uint64_t encrypt(const struct permutation *permutation, uint64_t value) {
    unsigned bits = permutation->half_bits;
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    uint64_t left = value >> bits, right = value & mask;
    for (int i = 0; i < PERMUTATION_ROUNDS; i++) {
        uint64_t next = left ^ (permutation_mix(right + permutation->keys[i]) & mask);
        left = right;
        right = next;
    }
    return left << bits | right;
}

uint64_t permutation_at(const struct permutation *permutation, uint64_t idx) {
    DCHECK(idx < permutation->count);
    /* Ends: the walk follows a cycle that leads back to idx, which is inside. */
    do {
        idx = encrypt(permutation, idx);
    } while (idx >= permutation->count);
    return idx;
}
