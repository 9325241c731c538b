/* Bump allocation for things that live and die together (a policy, a trust profile, one target's
   strings). Chunks come from malloc, those of a large arena are mappings of huge pages; arena_reset
   keeps the first chunk. Running out of memory
   aborts: an arena is for set-up and for small per-target data whose sizes are bounded in limits.h.
   Single-threaded. */
#ifndef PINSWEEP_BASE_ARENA_H
#define PINSWEEP_BASE_ARENA_H

#include "engine/base/span.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t chunk_len;           /* bytes of a new chunk; 0 means 64 KB, 2 MB above 8 MB */
    size_t used_bytes;
};

void arena_fini(struct arena *arena);
void arena_reset(struct arena *arena);

/* Zeroed, aligned to 16 bytes, never NULL. */
void *arena_alloc(struct arena *arena, size_t len);
/* The same without alignment: for texts and digests. */
uint8_t *arena_alloc_bytes(struct arena *arena, size_t len);
/* Makes what arena_alloc() gave last longer where it stands; false, and nothing done, if it is not
   the last or its chunk is full. The bytes added are zero. */
bool arena_extend(struct arena *arena, const void *at, size_t len, size_t new_len);
/* A NUL-terminated copy, not aligned. */
char *arena_copy_text(struct arena *arena, struct span text);
struct span arena_copy(struct arena *arena, struct span bytes);

#endif
