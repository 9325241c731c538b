/* A slab of equal items with generations. Memory is reserved once (mmap) and becomes resident as
   items are first used, lowest index first; nothing is allocated afterwards. An index plus a
   generation names one use of an item: after pool_give() the generation moves on and stale names
   are rejected. Single-threaded. */
#ifndef PINSWEEP_BASE_POOL_H
#define PINSWEEP_BASE_POOL_H

#include <stdint.h>

#include "engine/base/err.h"

struct pool {
    uint8_t *items;
    uint32_t *generations; /* odd: taken; even: free. 24 bits are significant to callers */
    uint32_t *free_stack;
    uint32_t free_count, fresh_idx, capacity, taken_count;
    size_t item_size; /* bytes, rounded up to a multiple of 16 */
    size_t map_len;
};

enum err pool_init(struct pool *pool, size_t item_size, uint32_t capacity,
                   struct err_note *note) MUST_USE;
void pool_fini(struct pool *pool);

/* A zeroed item, or NULL when all are taken (the caller's back-pressure). */
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *item);

uint32_t pool_index(const struct pool *pool, const void *item);
/* The generation of a taken item, 24 bits. */
uint32_t pool_generation(const struct pool *pool, uint32_t idx);
/* The taken item of that index and generation, or NULL if it was given back since. */
void *pool_find(const struct pool *pool, uint32_t idx, uint32_t generation);
/* The item at an index below capacity, taken or not. */
void *pool_at(const struct pool *pool, uint32_t idx);
/* Bytes reserved, for the itemised memory sum. */
size_t pool_bytes(const struct pool *pool);

#endif
