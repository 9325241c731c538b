/* XXH3 with AVX2 (the compiler's flags choose the code): the same values in half the time. */
#if defined(__x86_64__)
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/trust/intern_internal.h"

uint64_t intern_hash_avx2(const void *bytes, size_t len, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, len, seed);
}
#else
typedef int intern_hash_avx2_is_empty; /* ISO C wants a declaration */
#endif
