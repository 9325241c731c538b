#include "engine/base/arena.h"

#include <stdlib.h>

#include "engine/base/attributes.h"

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, capacity;
    _Alignas(16) uint8_t bytes[];
};

void arena_fini(struct arena *arena) {
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    arena->chunks = NULL;
    arena->used_bytes = 0;
}

void arena_reset(struct arena *arena) {
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL && chunk->next != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    if (chunk != NULL) {
        chunk->used = 0;
    }
    arena->chunks = chunk;
    arena->used_bytes = 0;
}

void *arena_alloc(struct arena *arena, size_t len) {
    size_t rounded = (len + 15) & ~(size_t)15;
    CHECK(rounded >= len);
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->capacity - chunk->used < rounded) {
        size_t capacity = arena->chunk_len != 0 ? arena->chunk_len : (size_t)64 * 1024;
        if (capacity < rounded) {
            capacity = rounded;
        }
        chunk = malloc(sizeof *chunk + capacity);
        CHECK(chunk != NULL);
        chunk->next = arena->chunks;
        chunk->used = 0;
        chunk->capacity = capacity;
        arena->chunks = chunk;
    }
    void *at = chunk->bytes + chunk->used;
    chunk->used += rounded;
    arena->used_bytes += rounded;
    if (rounded > 0) {
        memset(at, 0, rounded);
    }
    return at;
}

struct span arena_copy(struct arena *arena, struct span bytes) {
    return span_of(arena_copy_text(arena, bytes), bytes.len);
}

char *arena_copy_text(struct arena *arena, struct span text) {
    char *copy = arena_alloc(arena, text.len + 1);
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    return copy;
}
