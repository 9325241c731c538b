/* XXH3 as compiled for any processor, and the choice between it and the faster one. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/trust/intern_internal.h"

uint64_t intern_hash_any(const void *bytes, size_t len, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, len, seed);
}

intern_hash *intern_hash_choose(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) {
        return intern_hash_avx2;
    }
#endif
    return intern_hash_any;
}
