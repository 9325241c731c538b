/* SHA-256 of sixteen messages at once: vector t of the message schedule holds word t of every
   message. Blocks are read where they lie (64 bytes are one register); what sticks out of a
   message is never read, and padding and length come from masks, so nothing is copied. */
#include "engine/codec/sha256_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES SHA256_AVX512_LANES

/* Unrolled, rows and columns stay in registers; -O2 alone would not. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

struct lane {
    const uint8_t *data;
    size_t len, full_count; /* bytes; blocks that lie wholly inside the message */
};

struct group {
    struct lane lanes[LANES];
    __m512i block_counts, bits_high, bits_low; /* a lane that is not used has no block */
    size_t full_min, block_max;
};

static void group_init(struct group *group, const struct sha256_message *const *messages,
                       size_t count) {
    _Alignas(64) uint32_t counts[LANES] = {0}, high[LANES] = {0}, low[LANES] = {0};
    group->full_min = count == LANES ? SIZE_MAX : 0;
    group->block_max = 0;
    for (size_t i = 0; i < LANES; i++) {
        struct lane *lane = &group->lanes[i];
        if (i >= count) {
            *lane = (struct lane){NULL, 0, 0};
            continue;
        }
        size_t len = messages[i]->len, blocks = sha256_blocks(len);
        *lane = (struct lane){messages[i]->data, len, len / SHA256_BLOCK};
        counts[i] = (uint32_t)blocks;
        high[i] = (uint32_t)((uint64_t)len >> 29);
        low[i] = (uint32_t)(len << 3);
        group->full_min = lane->full_count < group->full_min ? lane->full_count : group->full_min;
        group->block_max = blocks > group->block_max ? blocks : group->block_max;
    }
    group->block_counts = _mm512_load_si512(counts);
    group->bits_high = _mm512_load_si512(high);
    group->bits_low = _mm512_load_si512(low);
}

/* Block `idx` of a lane, zero where the message has ended, with the 0x80 behind its last byte. */
static inline __m512i load_padded(const struct lane *lane, size_t idx) {
    if (idx < lane->full_count) {
        return _mm512_loadu_si512(lane->data + idx * SHA256_BLOCK);
    }
    if (idx > lane->full_count) {
        return _mm512_setzero_si512();
    }
    size_t rest = lane->len % SHA256_BLOCK;
    __mmask64 end = UINT64_C(1) << rest;
    __m512i block = _mm512_setzero_si512();
    if (rest > 0) {
        block = _mm512_maskz_loadu_epi8(end - 1, lane->data + idx * SHA256_BLOCK);
    }
    return _mm512_mask_blend_epi8(end, block, _mm512_set1_epi8((char)0x80));
}

#define UNPACK_LOW_32(a, b) _mm512_unpacklo_epi32(a, b)
#define UNPACK_HIGH_32(a, b) _mm512_unpackhi_epi32(a, b)
#define UNPACK_LOW_64(a, b) _mm512_unpacklo_epi64(a, b)
#define UNPACK_HIGH_64(a, b) _mm512_unpackhi_epi64(a, b)

/* Sixteen rows of sixteen words become sixteen columns, each word in the machine's byte order. */
static inline void transpose(__m512i w[16]) {
    const __m512i order =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
    __m512i t[16];
    UNROLL
    for (int g = 0; g < 4; g++) { /* t[4 g + q]: words q, 4 + q, 8 + q, 12 + q of four rows */
        __m512i r0 = _mm512_shuffle_epi8(w[4 * g], order);
        __m512i r1 = _mm512_shuffle_epi8(w[4 * g + 1], order);
        __m512i r2 = _mm512_shuffle_epi8(w[4 * g + 2], order);
        __m512i r3 = _mm512_shuffle_epi8(w[4 * g + 3], order);
        __m512i low_a = UNPACK_LOW_32(r0, r1), high_a = UNPACK_HIGH_32(r0, r1);
        __m512i low_b = UNPACK_LOW_32(r2, r3), high_b = UNPACK_HIGH_32(r2, r3);
        t[4 * g] = UNPACK_LOW_64(low_a, low_b);
        t[4 * g + 1] = UNPACK_HIGH_64(low_a, low_b);
        t[4 * g + 2] = UNPACK_LOW_64(high_a, high_b);
        t[4 * g + 3] = UNPACK_HIGH_64(high_a, high_b);
    }
    UNROLL
    for (int q = 0; q < 4; q++) {
        __m512i even_a = _mm512_shuffle_i32x4(t[q], t[4 + q], 0x88);
        __m512i even_b = _mm512_shuffle_i32x4(t[8 + q], t[12 + q], 0x88);
        __m512i odd_a = _mm512_shuffle_i32x4(t[q], t[4 + q], 0xdd);
        __m512i odd_b = _mm512_shuffle_i32x4(t[8 + q], t[12 + q], 0xdd);
        w[q] = _mm512_shuffle_i32x4(even_a, even_b, 0x88);
        w[4 + q] = _mm512_shuffle_i32x4(odd_a, odd_b, 0x88);
        w[8 + q] = _mm512_shuffle_i32x4(even_a, even_b, 0xdd);
        w[12 + q] = _mm512_shuffle_i32x4(odd_a, odd_b, 0xdd);
    }
}

#define ADD(a, b) _mm512_add_epi32(a, b)
#define XOR3(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0x96)
#define CHOOSE(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0xca)
#define MAJORITY(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0xe8)
#define ROTATE(a, n) _mm512_ror_epi32(a, n)
#define BIG_SIGMA_0(a) XOR3(ROTATE(a, 2), ROTATE(a, 13), ROTATE(a, 22))
#define BIG_SIGMA_1(a) XOR3(ROTATE(a, 6), ROTATE(a, 11), ROTATE(a, 25))
#define SIGMA_0(a) XOR3(ROTATE(a, 7), ROTATE(a, 18), _mm512_srli_epi32(a, 3))
#define SIGMA_1(a) XOR3(ROTATE(a, 17), ROTATE(a, 19), _mm512_srli_epi32(a, 10))

/* Keeps the compiler from adding in another order: integer sums may be regrouped, and were, with
   the late terms first. */
#define IN_THIS_ORDER(x) __asm__("" : "+v"(x))

/* FIPS 180-4 6.2.2 step 3, the names turning instead of the values. What does not depend on the
   round before is added first: the way from one e to the next is four instructions. */
#define ROUND(a, b, c, d, e, f, g, h, w, i)                                                        \
    do {                                                                                           \
        h = ADD(h, ADD(w, _mm512_set1_epi32((int)k[i])));                                          \
        IN_THIS_ORDER(h);                                                                          \
        h = ADD(h, CHOOSE(e, f, g));                                                               \
        IN_THIS_ORDER(h);                                                                          \
        h = ADD(h, BIG_SIGMA_1(e));                                                                \
        IN_THIS_ORDER(h);                                                                          \
        d = ADD(d, h);                                                                             \
        h = ADD(h, ADD(BIG_SIGMA_0(a), MAJORITY(a, b, c)));                                        \
    } while (0)
/* A word of the next sixteen takes the place of the one that has been used (step 1). */
#define SCHEDULE(w0, w1, w9, w14) w0 = ADD(ADD(w0, SIGMA_0(w1)), ADD(w9, SIGMA_1(w14)))
#define NO_SCHEDULE(w0, w1, w9, w14) (void)0
#define SIXTEEN_ROUNDS(NEXT)                                                                       \
    do {                                                                                           \
        ROUND(a, b, c, d, e, f, g, h, w0, 0);                                                      \
        NEXT(w0, w1, w9, w14);                                                                     \
        ROUND(h, a, b, c, d, e, f, g, w1, 1);                                                      \
        NEXT(w1, w2, w10, w15);                                                                    \
        ROUND(g, h, a, b, c, d, e, f, w2, 2);                                                      \
        NEXT(w2, w3, w11, w0);                                                                     \
        ROUND(f, g, h, a, b, c, d, e, w3, 3);                                                      \
        NEXT(w3, w4, w12, w1);                                                                     \
        ROUND(e, f, g, h, a, b, c, d, w4, 4);                                                      \
        NEXT(w4, w5, w13, w2);                                                                     \
        ROUND(d, e, f, g, h, a, b, c, w5, 5);                                                      \
        NEXT(w5, w6, w14, w3);                                                                     \
        ROUND(c, d, e, f, g, h, a, b, w6, 6);                                                      \
        NEXT(w6, w7, w15, w4);                                                                     \
        ROUND(b, c, d, e, f, g, h, a, w7, 7);                                                      \
        NEXT(w7, w8, w0, w5);                                                                      \
        ROUND(a, b, c, d, e, f, g, h, w8, 8);                                                      \
        NEXT(w8, w9, w1, w6);                                                                      \
        ROUND(h, a, b, c, d, e, f, g, w9, 9);                                                      \
        NEXT(w9, w10, w2, w7);                                                                     \
        ROUND(g, h, a, b, c, d, e, f, w10, 10);                                                    \
        NEXT(w10, w11, w3, w8);                                                                    \
        ROUND(f, g, h, a, b, c, d, e, w11, 11);                                                    \
        NEXT(w11, w12, w4, w9);                                                                    \
        ROUND(e, f, g, h, a, b, c, d, w12, 12);                                                    \
        NEXT(w12, w13, w5, w10);                                                                   \
        ROUND(d, e, f, g, h, a, b, c, w13, 13);                                                    \
        NEXT(w13, w14, w6, w11);                                                                   \
        ROUND(c, d, e, f, g, h, a, b, w14, 14);                                                    \
        NEXT(w14, w15, w7, w12);                                                                   \
        ROUND(b, c, d, e, f, g, h, a, w15, 15);                                                    \
        NEXT(w15, w0, w8, w13);                                                                    \
    } while (0)

/* One block of every lane; only the lanes in `active` take the result. Named words, not an array:
   24 registers hold everything. */
static inline void compress(__m512i state[8], const __m512i w[16], __mmask16 active) {
    __m512i a = state[0], b = state[1], c = state[2], d = state[3];
    __m512i e = state[4], f = state[5], g = state[6], h = state[7];
    __m512i w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4], w5 = w[5], w6 = w[6], w7 = w[7];
    __m512i w8 = w[8], w9 = w[9], w10 = w[10], w11 = w[11];
    __m512i w12 = w[12], w13 = w[13], w14 = w[14], w15 = w[15];
    const uint32_t *k = sha256_k;
    for (; k < sha256_k + 48; k += 16) {
        SIXTEEN_ROUNDS(SCHEDULE);
    }
    SIXTEEN_ROUNDS(NO_SCHEDULE);
    state[0] = _mm512_mask_add_epi32(state[0], active, state[0], a);
    state[1] = _mm512_mask_add_epi32(state[1], active, state[1], b);
    state[2] = _mm512_mask_add_epi32(state[2], active, state[2], c);
    state[3] = _mm512_mask_add_epi32(state[3], active, state[3], d);
    state[4] = _mm512_mask_add_epi32(state[4], active, state[4], e);
    state[5] = _mm512_mask_add_epi32(state[5], active, state[5], f);
    state[6] = _mm512_mask_add_epi32(state[6], active, state[6], g);
    state[7] = _mm512_mask_add_epi32(state[7], active, state[7], h);
}

static inline void load_blocks(const struct group *group, size_t idx, __m512i w[16]) {
    if (idx < group->full_min) {
        UNROLL
        for (int i = 0; i < LANES; i++) {
            w[i] = _mm512_loadu_si512(group->lanes[i].data + idx * SHA256_BLOCK);
        }
        transpose(w);
        return;
    }
    for (int i = 0; i < LANES; i++) {
        w[i] = load_padded(&group->lanes[i], idx);
    }
    transpose(w);
    __mmask16 last =
        _mm512_cmpeq_epi32_mask(group->block_counts, _mm512_set1_epi32((int)(idx + 1)));
    w[14] = _mm512_mask_mov_epi32(w[14], last, group->bits_high);
    w[15] = _mm512_mask_mov_epi32(w[15], last, group->bits_low);
}

static void store_digests(const __m512i state[8], const struct sha256_message *const *messages,
                          size_t count) {
    const __m512i order =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
    _Alignas(64) uint8_t halves[2][4][64]; /* [half][message % 4], 16 bytes for each message / 4 */
    for (int half = 0; half < 2; half++) {
        const __m512i *s = state + (size_t)(4 * half);
        __m512i low_a = UNPACK_LOW_32(s[0], s[1]), high_a = UNPACK_HIGH_32(s[0], s[1]);
        __m512i low_b = UNPACK_LOW_32(s[2], s[3]), high_b = UNPACK_HIGH_32(s[2], s[3]);
        const __m512i quads[4] = {UNPACK_LOW_64(low_a, low_b), UNPACK_HIGH_64(low_a, low_b),
                                  UNPACK_LOW_64(high_a, high_b), UNPACK_HIGH_64(high_a, high_b)};
        for (int q = 0; q < 4; q++) {
            _mm512_store_si512(halves[half][q], _mm512_shuffle_epi8(quads[q], order));
        }
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(messages[i]->out, &halves[0][i % 4][i / 4 * 16], 16);
        memcpy(messages[i]->out + 16, &halves[1][i % 4][i / 4 * 16], 16);
    }
}

void sha256_avx512_x16(const struct sha256_message *const *messages, size_t count) {
    struct group group;
    __m512i state[8], w[16];
    group_init(&group, messages, count);
    for (int i = 0; i < 8; i++) {
        state[i] = _mm512_set1_epi32((int)sha256_initial[i]);
    }
    for (size_t idx = 0; idx < group.block_max; idx++) {
        load_blocks(&group, idx, w);
        compress(state, w,
                 _mm512_cmpgt_epu32_mask(group.block_counts, _mm512_set1_epi32((int)idx)));
    }
    store_digests(state, messages, count);
}
#else
typedef int sha256_avx512_is_empty; /* ISO C wants a declaration */
#endif
