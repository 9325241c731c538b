/* A keyed permutation of 0..count-1 that needs no memory per element: a Feistel network over the
   next larger power of four, walked until it falls inside (the cycle-walking cipher of Black and
   Rogaway, "Ciphers with Arbitrary Finite Domains"). For spreading load, not for secrets. Constant
   after init. */
#ifndef PINSWEEP_SWEEP_PERMUTATION_H
#define PINSWEEP_SWEEP_PERMUTATION_H

#include <stdint.h>

#define PERMUTATION_ROUNDS 4

struct permutation {
    uint64_t count;
    unsigned half_bits;
    uint64_t keys[PERMUTATION_ROUNDS];
};

/* `count` up to 2^62. */
void permutation_init(struct permutation *permutation, uint64_t count, uint64_t seed);
/* `idx` below count; fewer than four steps on average. */
uint64_t permutation_at(const struct permutation *permutation, uint64_t idx);

/* The finalizer of splitmix64: every bit of the input moves every bit of the output. */
static inline uint64_t permutation_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

#endif
