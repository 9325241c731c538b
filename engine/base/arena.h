/* Bump allocation for things that live and die together (a policy, a trust profile, one target's
   strings). Chunks come from malloc; arena_reset keeps the first chunk. Running out of memory
   aborts: an arena is for set-up and for small per-target data whose sizes are bounded in limits.h.
   Single-threaded. */
#ifndef PINSWEEP_BASE_ARENA_H
#define PINSWEEP_BASE_ARENA_H

#include "engine/base/span.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t chunk_len;           /* bytes of a new chunk; 0 means 64 KB */
    size_t used_bytes;
};

void arena_fini(struct arena *arena);
void arena_reset(struct arena *arena);

/* Zeroed, aligned to 16 bytes, never NULL. */
void *arena_alloc(struct arena *arena, size_t len);
/* A NUL-terminated copy. */
char *arena_copy_text(struct arena *arena, struct span text);
struct span arena_copy(struct arena *arena, struct span bytes);

#endif
