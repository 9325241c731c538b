#include "engine/base/arena.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "engine/base/attributes.h"

#define CHUNK_LEN ((size_t)64 * 1024)
#define HUGE_PAGE ((size_t)2 << 20)
#define ALIGN 16

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, capacity; /* of `bytes` */
    size_t map_len;        /* 0: from malloc */
    _Alignas(ALIGN) uint8_t bytes[];
};

static void free_chunk(struct arena_chunk *chunk) {
    if (chunk->map_len > 0) {
        CHECK(munmap(chunk, chunk->map_len) == 0);
    } else {
        free(chunk);
    }
}

void arena_fini(struct arena *arena) {
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free_chunk(chunk);
        chunk = next;
    }
    arena->chunks = NULL;
    arena->used_bytes = 0;
}

void arena_reset(struct arena *arena) {
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL && chunk->next != NULL) {
        struct arena_chunk *next = chunk->next;
        free_chunk(chunk);
        chunk = next;
    }
    if (chunk != NULL) {
        if (chunk->map_len > 0) {
            memset(chunk->bytes, 0, chunk->used);
        }
        chunk->used = 0;
    }
    arena->chunks = chunk;
    arena->used_bytes = 0;
}

/* A mapping that begins at a multiple of huge pages, and is made of them where the kernel has some:
   a page of 4 KB costs as much to be given as to be filled. Zeroed. */
static struct arena_chunk *map_chunk(size_t len) {
    size_t map_len = (len + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    uint8_t *map =
        mmap(NULL, map_len + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    size_t before = (HUGE_PAGE - (uintptr_t)map % HUGE_PAGE) % HUGE_PAGE;
    CHECK(before == 0 || munmap(map, before) == 0);
    CHECK(munmap(map + before + map_len, HUGE_PAGE - before) == 0);
    (void)madvise(map + before, map_len, MADV_HUGEPAGE); /* only ever faster */
    struct arena_chunk *chunk = (struct arena_chunk *)(void *)(map + before);
    chunk->map_len = map_len;
    chunk->capacity = map_len - sizeof *chunk;
    return chunk;
}

/* Chunks grow with the arena: a large one is made of huge pages. */
static size_t next_capacity(const struct arena *arena, size_t len) {
    size_t capacity = arena->chunk_len;
    if (capacity == 0) {
        capacity =
            arena->used_bytes >= 4 * HUGE_PAGE ? HUGE_PAGE - sizeof(struct arena_chunk) : CHUNK_LEN;
    }
    return capacity > len ? capacity : len;
}

/* With room for `len` bytes, at the front of the list; one that is filled at once stands behind the
   front, which has room yet. */
static struct arena_chunk *add_chunk(struct arena *arena, size_t len) {
    size_t capacity = next_capacity(arena, len);
    struct arena_chunk *chunk = NULL;
    if (sizeof *chunk + capacity >= HUGE_PAGE) {
        chunk = map_chunk(sizeof *chunk + capacity);
    } else {
        chunk = malloc(sizeof *chunk + capacity);
        CHECK(chunk != NULL);
        chunk->map_len = 0;
        chunk->capacity = capacity;
    }
    chunk->used = 0;
    struct arena_chunk *front = arena->chunks;
    bool behind = front != NULL && chunk->capacity - len < front->capacity - front->used;
    chunk->next = behind ? front->next : front;
    *(behind ? &front->next : &arena->chunks) = chunk;
    return chunk;
}

/* The contents of a mapping are zero already. */
static uint8_t *take(struct arena *arena, struct arena_chunk *chunk, size_t len) {
    uint8_t *at = chunk->bytes + chunk->used;
    chunk->used += len;
    arena->used_bytes += len;
    if (chunk->map_len == 0 && len > 0) {
        memset(at, 0, len);
    }
    return at;
}

void *arena_alloc(struct arena *arena, size_t len) {
    size_t rounded = (len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    CHECK(rounded >= len);
    struct arena_chunk *chunk = arena->chunks;
    if (chunk != NULL) {
        size_t start = (chunk->used + ALIGN - 1) & ~(size_t)(ALIGN - 1);
        if (start <= chunk->capacity && rounded <= chunk->capacity - start) {
            chunk->used = start;
            return take(arena, chunk, rounded);
        }
    }
    return take(arena, add_chunk(arena, rounded), rounded);
}

uint8_t *arena_alloc_bytes(struct arena *arena, size_t len) {
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || len > chunk->capacity - chunk->used) {
        chunk = add_chunk(arena, len);
    }
    return take(arena, chunk, len);
}

bool arena_extend(struct arena *arena, const void *at, size_t len, size_t new_len) {
    struct arena_chunk *chunk = arena->chunks;
    size_t rounded = (len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    size_t more = ((new_len + ALIGN - 1) & ~(size_t)(ALIGN - 1)) - rounded;
    if (chunk == NULL || (const uint8_t *)at + rounded != chunk->bytes + chunk->used ||
        more > chunk->capacity - chunk->used) {
        return false;
    }
    take(arena, chunk, more);
    return true;
}

struct span arena_copy(struct arena *arena, struct span bytes) {
    return span_of(arena_copy_text(arena, bytes), bytes.len);
}

char *arena_copy_text(struct arena *arena, struct span text) {
    char *copy = (char *)arena_alloc_bytes(arena, text.len + 1);
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}
