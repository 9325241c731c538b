/* Base64 with AVX2: a PEM line in two steps. */
#if defined(__x86_64__)

#include <immintrin.h>

#include "engine/codec/base64_kernels.h"

typedef int8_t signed32 __attribute__((vector_size(32)));

/* The digit's value is the character moved by the distance of its range; false if a character is in
   none. Bytes of 0x80 and above are negative, below all ranges. */
static inline bool values32(const uint8_t *in, __m256i *out) {
    signed32 c;
    memcpy(&c, in, sizeof c);
    signed32 upper = (c >= 'A') & (c <= 'Z'), lower = (c >= 'a') & (c <= 'z');
    signed32 digit = (c >= '0') & (c <= '9'), plus = c == '+', slash = c == '/';
    signed32 any = upper | lower | digit | plus | slash;
    if (_mm256_movemask_epi8((__m256i)any) != -1) {
        return false;
    }
    *out = (__m256i)(c - (upper & 'A') - (lower & ('a' - 26)) + (digit & (52 - '0')) +
                     (plus & (62 - '+')) + (slash & (63 - '/')));
    return true;
}

/* 24 bytes, twelve in each half. */
static inline void store24(uint8_t *out, __m256i six) {
    const __m256i order = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1,
                                           2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    __m256i words = _mm256_madd_epi16(_mm256_maddubs_epi16(six, _mm256_set1_epi32(0x01400140)),
                                      _mm256_set1_epi32(0x00011000));
    __m256i packed = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(words, order),
                                                 _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
    _mm_storeu_si128((__m128i *)(void *)out, _mm256_castsi256_si128(packed));
    _mm_storel_epi64((__m128i *)(void *)(out + 16), _mm256_extracti128_si256(packed, 1));
}

size_t base64_lines_avx2(const uint8_t *in, size_t count, struct base64_line_end end,
                         uint8_t *out) {
    size_t done = 0;
    __m256i front, back;
    while (done < count && values32(in, &front) && values32(in + 32, &back) &&
           base64_line_ends(in, end)) {
        store24(out, front);
        store24(out + 24, back);
        in += end.stride;
        out += BASE64_COLUMN_BYTES;
        done++;
    }
    return done;
}

#endif
