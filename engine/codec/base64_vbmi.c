/* Base64 with AVX-512 VBMI: one step takes a whole PEM line. */
#if defined(__x86_64__)

#include <immintrin.h>

#include "engine/codec/base64_kernels.h"

/* Values of the ASCII characters; 0x80 marks what is no digit. */
#define NO 0x80
#define NO8 NO, NO, NO, NO, NO, NO, NO, NO
static const uint8_t values[128] __attribute__((aligned(64))) = {
    NO8, NO8, NO8, NO8, NO8, NO, NO, NO, 62, NO, NO, NO, 63, 52, 53, 54, 55, 56, 57,
    58,  59,  60,  61,  NO,  NO, NO, NO, NO, NO, NO, 0,  1,  2,  3,  4,  5,  6,  7,
    8,   9,   10,  11,  12,  13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO,
    NO,  NO,  NO,  NO,  NO,  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
    40,  41,  42,  43,  44,  45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO};

/* Three bytes of each group of four, the highest first. */
static const uint8_t order[64] __attribute__((aligned(64))) = {
    2,  1,  0,  6,  5,  4,  10, 9,  8,  14, 13, 12, 18, 17, 16, 22, 21, 20, 26, 25, 24, 30, 29, 28,
    34, 33, 32, 38, 37, 36, 42, 41, 40, 46, 45, 44, 50, 49, 48, 54, 53, 52, 58, 57, 56, 62, 61, 60};

size_t base64_lines_vbmi(const uint8_t *in, size_t count, struct base64_line_end end,
                         uint8_t *out) {
    const __m512i low = _mm512_load_si512(values), high = _mm512_load_si512(values + 64);
    const __m512i pack = _mm512_load_si512(order);
    const __m512i pairs = _mm512_set1_epi32(0x01400140), quads = _mm512_set1_epi32(0x00011000);
    const __mmask64 bytes48 = (UINT64_C(1) << BASE64_COLUMN_BYTES) - 1;
    size_t done = 0;
    while (done < count) {
        __m512i text = _mm512_loadu_si512(in);
        __m512i six = _mm512_permutex2var_epi8(low, text, high);
        /* the table looks at seven bits: the eighth of the character refuses too */
        if (_mm512_movepi8_mask(_mm512_or_si512(six, text)) != 0 || !base64_line_ends(in, end)) {
            break;
        }
        /* a << 6 | b, then ab << 12 | cd: 24 bits in each word of 32 */
        __m512i words = _mm512_madd_epi16(_mm512_maddubs_epi16(six, pairs), quads);
        _mm512_mask_storeu_epi8(out, bytes48, _mm512_permutexvar_epi8(pack, words));
        in += end.stride;
        out += BASE64_COLUMN_BYTES;
        done++;
    }
    return done;
}

#endif
