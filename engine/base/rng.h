/* A small seeded generator (splitmix64) for shuffles, jitter and tests: the same seed gives the
   same sequence everywhere. Not for secrets: random_bytes() is the kernel's. */
#ifndef PINSWEEP_BASE_RNG_H
#define PINSWEEP_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline void rng_init(struct rng *rng, uint64_t seed) {
    rng->state = seed;
}

static inline uint64_t rng_next(struct rng *rng) {
    uint64_t z = (rng->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Uniform in [0, bound) without modulo bias worth naming (bound < 2^32); bound > 0. */
static inline uint32_t rng_below(struct rng *rng, uint32_t bound) {
    return (uint32_t)(((rng_next(rng) >> 32) * bound) >> 32);
}

/* From getrandom(2); aborts if the kernel has none. */
void random_bytes(void *out, size_t len);
uint64_t random_u64(void);

#endif
