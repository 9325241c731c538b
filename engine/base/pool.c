#include "engine/base/pool.h"

#include <string.h>
#include <sys/mman.h>

#define GENERATION_MASK 0xFFFFFFu

enum err pool_init(struct pool *pool, size_t item_size, uint32_t capacity, struct err_note *note) {
    *pool = (struct pool){.capacity = capacity, .item_size = (item_size + 15) & ~(size_t)15};
    CHECK(capacity > 0 && item_size > 0);
    size_t items_len = pool->item_size * capacity;
    items_len = (items_len + 63) & ~(size_t)63;
    pool->map_len = items_len + 2 * sizeof(uint32_t) * (size_t)capacity;
    void *map = mmap(NULL, pool->map_len, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        *pool = (struct pool){0};
        return err_note(note, ERR_RESOURCE,
                        "cannot reserve %zu bytes of memory for %u items; lower --concurrency",
                        items_len, capacity);
    }
    pool->items = map;
    pool->generations = (uint32_t *)(void *)(pool->items + items_len);
    pool->free_stack = pool->generations + capacity;
    return ERR_NONE;
}

void pool_fini(struct pool *pool) {
    if (pool->items != NULL) {
        munmap(pool->items, pool->map_len);
    }
    *pool = (struct pool){0};
}

void *pool_take(struct pool *pool) {
    uint32_t idx;
    if (pool->free_count > 0) {
        idx = pool->free_stack[--pool->free_count];
    } else if (pool->fresh_idx < pool->capacity) {
        idx = pool->fresh_idx++;
    } else {
        return NULL;
    }
    pool->generations[idx]++;
    DCHECK(pool->generations[idx] & 1);
    pool->taken_count++;
    void *item = pool->items + pool->item_size * idx;
    memset(item, 0, pool->item_size);
    return item;
}

void pool_give(struct pool *pool, void *item) {
    uint32_t idx = pool_index(pool, item);
    CHECK(pool->generations[idx] & 1);
    pool->generations[idx]++;
    pool->taken_count--;
    pool->free_stack[pool->free_count++] = idx;
}

uint32_t pool_index(const struct pool *pool, const void *item) {
    size_t offset = (size_t)((const uint8_t *)item - pool->items);
    DCHECK(offset % pool->item_size == 0 && offset / pool->item_size < pool->capacity);
    return (uint32_t)(offset / pool->item_size);
}

uint32_t pool_generation(const struct pool *pool, uint32_t idx) {
    DCHECK(idx < pool->capacity);
    return pool->generations[idx] & GENERATION_MASK;
}

void *pool_find(const struct pool *pool, uint32_t idx, uint32_t generation) {
    if (idx >= pool->capacity || !(pool->generations[idx] & 1) ||
        (pool->generations[idx] & GENERATION_MASK) != generation) {
        return NULL;
    }
    return pool->items + pool->item_size * idx;
}

void *pool_at(const struct pool *pool, uint32_t idx) {
    DCHECK(idx < pool->capacity);
    return pool->items + pool->item_size * idx;
}

size_t pool_bytes(const struct pool *pool) {
    return pool->map_len;
}
