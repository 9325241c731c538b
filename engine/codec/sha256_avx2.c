/* SHA-256 of eight messages at once, for machines with neither SHA extensions nor AVX-512: vector t
   of the message schedule holds word t of every message. */
#include "engine/codec/sha256_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES SHA256_AVX2_LANES

struct lane {
    const uint8_t *data;
    size_t full_count; /* blocks inside the message; the others are in `tail` */
    size_t block_count;
    uint8_t tail[2 * SHA256_BLOCK];
};

/* Block `idx` of a lane; any block once the message has ended (the result is not taken). */
static inline const uint8_t *lane_block(const struct lane *lane, size_t idx) {
    if (idx < lane->full_count) {
        return lane->data + idx * SHA256_BLOCK;
    }
    size_t tail_idx = idx < lane->block_count ? idx - lane->full_count : 0;
    return lane->tail + tail_idx * SHA256_BLOCK;
}

/* Eight rows of eight words become eight columns, each word in the machine's byte order. */
static inline void transpose(__m256i w[8]) {
    const __m256i order =
        _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
    __m256i t[8];
    for (int g = 0; g < 2; g++) { /* t[4 g + q]: words q and 4 + q of four rows */
        __m256i r0 = _mm256_shuffle_epi8(w[4 * g], order);
        __m256i r1 = _mm256_shuffle_epi8(w[4 * g + 1], order);
        __m256i r2 = _mm256_shuffle_epi8(w[4 * g + 2], order);
        __m256i r3 = _mm256_shuffle_epi8(w[4 * g + 3], order);
        __m256i low_a = _mm256_unpacklo_epi32(r0, r1), high_a = _mm256_unpackhi_epi32(r0, r1);
        __m256i low_b = _mm256_unpacklo_epi32(r2, r3), high_b = _mm256_unpackhi_epi32(r2, r3);
        t[4 * g] = _mm256_unpacklo_epi64(low_a, low_b);
        t[4 * g + 1] = _mm256_unpackhi_epi64(low_a, low_b);
        t[4 * g + 2] = _mm256_unpacklo_epi64(high_a, high_b);
        t[4 * g + 3] = _mm256_unpackhi_epi64(high_a, high_b);
    }
    for (int q = 0; q < 4; q++) {
        w[q] = _mm256_permute2x128_si256(t[q], t[4 + q], 0x20);
        w[4 + q] = _mm256_permute2x128_si256(t[q], t[4 + q], 0x31);
    }
}

#define ADD(a, b) _mm256_add_epi32(a, b)
#define XOR(a, b) _mm256_xor_si256(a, b)
#define SHIFT(a, n) _mm256_srli_epi32(a, n)
#define ROTATE(a, n) _mm256_or_si256(_mm256_srli_epi32(a, n), _mm256_slli_epi32(a, 32 - (n)))
#define CHOOSE(a, b, c) XOR(c, _mm256_and_si256(a, XOR(b, c)))
#define MAJORITY(a, b, c)                                                                          \
    _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
#define BIG_SIGMA_0(a) XOR(XOR(ROTATE(a, 2), ROTATE(a, 13)), ROTATE(a, 22))
#define BIG_SIGMA_1(a) XOR(XOR(ROTATE(a, 6), ROTATE(a, 11)), ROTATE(a, 25))
#define SIGMA_0(a) XOR(XOR(ROTATE(a, 7), ROTATE(a, 18)), SHIFT(a, 3))
#define SIGMA_1(a) XOR(XOR(ROTATE(a, 17), ROTATE(a, 19)), SHIFT(a, 10))

/* FIPS 180-4 6.2.2 step 3, the names turning instead of the values. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                           \
    do {                                                                                           \
        __m256i t1 = ADD(ADD(h, ADD(w[i], _mm256_set1_epi32((int)k[i]))),                          \
                         ADD(BIG_SIGMA_1(e), CHOOSE(e, f, g)));                                    \
        d = ADD(d, t1);                                                                            \
        h = ADD(t1, ADD(BIG_SIGMA_0(a), MAJORITY(a, b, c)));                                       \
    } while (0)
#define EIGHT_ROUNDS(i)                                                                            \
    do {                                                                                           \
        ROUND(a, b, c, d, e, f, g, h, (i));                                                        \
        ROUND(h, a, b, c, d, e, f, g, (i) + 1);                                                    \
        ROUND(g, h, a, b, c, d, e, f, (i) + 2);                                                    \
        ROUND(f, g, h, a, b, c, d, e, (i) + 3);                                                    \
        ROUND(e, f, g, h, a, b, c, d, (i) + 4);                                                    \
        ROUND(d, e, f, g, h, a, b, c, (i) + 5);                                                    \
        ROUND(c, d, e, f, g, h, a, b, (i) + 6);                                                    \
        ROUND(b, c, d, e, f, g, h, a, (i) + 7);                                                    \
    } while (0)

/* The next sixteen words in place of the last (step 1). */
static inline void schedule(__m256i w[16]) {
    for (int i = 0; i < 16; i++) {
        w[i] = ADD(ADD(w[i], SIGMA_0(w[(i + 1) & 15])),
                   ADD(w[(i + 9) & 15], SIGMA_1(w[(i + 14) & 15])));
    }
}

/* One block of every lane; lanes whose `active` word is zero keep their state. */
static inline void compress(__m256i state[8], __m256i w[16], __m256i active) {
    __m256i a = state[0], b = state[1], c = state[2], d = state[3];
    __m256i e = state[4], f = state[5], g = state[6], h = state[7];
    for (const uint32_t *k = sha256_k; k < sha256_k + 64; k += 16) {
        if (k > sha256_k) {
            schedule(w);
        }
        EIGHT_ROUNDS(0);
        EIGHT_ROUNDS(8);
    }
    const __m256i results[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) {
        state[i] = ADD(state[i], _mm256_and_si256(active, results[i]));
    }
}

static inline __m256i load(const uint8_t *from) {
    return _mm256_loadu_si256((const __m256i *)from);
}

void sha256_avx2_x8(const struct sha256_message *const *messages, size_t count) {
    struct lane lanes[LANES];
    __m256i state[8], w[16];
    uint32_t counts[LANES] = {0};
    size_t block_max = 0;
    for (size_t i = 0; i < LANES; i++) { /* lanes that are not used repeat the first message */
        const struct sha256_message *message = messages[i < count ? i : 0];
        lanes[i].data = message->data;
        lanes[i].full_count = message->len / SHA256_BLOCK;
        lanes[i].block_count = lanes[i].full_count + sha256_tail(message, lanes[i].tail);
        counts[i] = (uint32_t)lanes[i].block_count;
        block_max = lanes[i].block_count > block_max ? lanes[i].block_count : block_max;
    }
    const __m256i block_counts = _mm256_loadu_si256((const __m256i *)counts);
    for (int i = 0; i < 8; i++) {
        state[i] = _mm256_set1_epi32((int)sha256_initial[i]);
    }
    for (size_t idx = 0; idx < block_max; idx++) {
        for (size_t i = 0; i < LANES; i++) {
            const uint8_t *block = lane_block(&lanes[i], idx);
            w[i] = load(block);
            w[8 + i] = load(block + 32);
        }
        transpose(w);
        transpose(w + 8);
        compress(state, w, _mm256_cmpgt_epi32(block_counts, _mm256_set1_epi32((int)idx)));
    }
    transpose(state);
    for (size_t i = 0; i < count; i++) {
        _mm256_storeu_si256((__m256i *)messages[i]->out, state[i]);
    }
}
#else
typedef int sha256_avx2_is_empty; /* ISO C wants a declaration */
#endif
