/* Eight X25519 ladders side by side on AVX-512 IFMA. A field element (mod p = 2^255 - 19) is five
   limbs of 51 bits, each a vector of eight lanes of 64 bits.

   Bounds. `fe_mul` wants limbs below 2^52 (the instruction reads no more) and leaves limbs below
   2^51 + 2^15; `fe_add` and `fe_sub` take such limbs and leave limbs below 2^51 + 64. So what every
   function here leaves, every other takes.

   The instruction gives the low or the high 52 bits of a product of 52-bit numbers: with 51-bit
   limbs i and j the low half weighs 2^(51(i+j)) and the high half 2 * 2^(51(i+j+1)), so high
   halves count twice. No squaring of its own: its doublings cost what the products save. */
#include "engine/net/x25519_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "engine/base/attributes.h"

#define LIMBS 5
#define LIMB_BITS 51
#define LIMB_MASK ((INT64_C(1) << LIMB_BITS) - 1)
#define A24 121665 /* (486662 - 2) / 4, RFC 7748 section 5 */

/* Unrolled, rows stay in registers; -O2 alone would not. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

struct fe {
    __m512i limb[LIMBS];
};

/* One round of carries, all limbs at once; what leaves the top comes back times 19. */
static ALWAYS_INLINE void fe_carry(struct fe *out, const __m512i in[LIMBS]) {
    const __m512i mask = _mm512_set1_epi64(LIMB_MASK), nineteen = _mm512_set1_epi64(19);
    __m512i carry[LIMBS];
    UNROLL for (int i = 0; i < LIMBS; i++) {
        carry[i] = _mm512_srli_epi64(in[i], LIMB_BITS);
        out->limb[i] = _mm512_and_si512(in[i], mask);
    }
    out->limb[0] = _mm512_madd52lo_epu64(out->limb[0], carry[LIMBS - 1], nineteen);
    UNROLL for (int i = 1; i < LIMBS; i++) {
        out->limb[i] = _mm512_add_epi64(out->limb[i], carry[i - 1]);
    }
}

static ALWAYS_INLINE void fe_add(struct fe *out, const struct fe *a, const struct fe *b) {
    __m512i sum[LIMBS];
    UNROLL for (int i = 0; i < LIMBS; i++) {
        sum[i] = _mm512_add_epi64(a->limb[i], b->limb[i]);
    }
    fe_carry(out, sum);
}

/* a + 2p - b: no limb of it is negative. */
static ALWAYS_INLINE void fe_sub(struct fe *out, const struct fe *a, const struct fe *b) {
    __m512i difference[LIMBS];
    UNROLL for (int i = 0; i < LIMBS; i++) {
        const __m512i twice_p = _mm512_set1_epi64(2 * (i == 0 ? LIMB_MASK - 18 : LIMB_MASK));
        difference[i] = _mm512_sub_epi64(_mm512_add_epi64(a->limb[i], twice_p), b->limb[i]);
    }
    fe_carry(out, difference);
}

static ALWAYS_INLINE __m512i times_19(__m512i a) {
    __m512i times_3 = _mm512_add_epi64(_mm512_slli_epi64(a, 1), a);
    return _mm512_add_epi64(_mm512_slli_epi64(a, 4), times_3);
}

/* Sums of five low and five doubled high halves stay below 2^56, 19 times that below 2^61. */
static ALWAYS_INLINE void fe_mul_inline(struct fe *out, const struct fe *a, const struct fe *b) {
    __m512i low[2 * LIMBS], high[2 * LIMBS], sum[2 * LIMBS];
    UNROLL for (int i = 0; i < 2 * LIMBS; i++) {
        low[i] = high[i] = _mm512_setzero_si512();
    }
    UNROLL for (int i = 0; i < LIMBS; i++) {
        UNROLL for (int j = 0; j < LIMBS; j++) {
            low[i + j] = _mm512_madd52lo_epu64(low[i + j], a->limb[i], b->limb[j]);
            high[i + j + 1] = _mm512_madd52hi_epu64(high[i + j + 1], a->limb[i], b->limb[j]);
        }
    }
    UNROLL for (int i = 0; i < 2 * LIMBS; i++) {
        sum[i] = _mm512_add_epi64(low[i], _mm512_slli_epi64(high[i], 1));
    }
    UNROLL for (int i = 0; i < LIMBS; i++) {
        sum[i] = _mm512_add_epi64(sum[i], times_19(sum[i + LIMBS]));
    }
    fe_carry(out, sum);
}

static __attribute__((noinline)) void fe_mul(struct fe *out, const struct fe *a,
                                             const struct fe *b) {
    fe_mul_inline(out, a, b);
}

static void fe_square_times(struct fe *out, const struct fe *a, int times) {
    fe_mul(out, a, a);
    for (int i = 1; i < times; i++) {
        fe_mul(out, out, out);
    }
}

/* a + 121665 b */
static ALWAYS_INLINE void fe_add_a24(struct fe *out, const struct fe *a, const struct fe *b) {
    const __m512i a24 = _mm512_set1_epi64(A24);
    __m512i sum[LIMBS], high[LIMBS];
    UNROLL for (int i = 0; i < LIMBS; i++) {
        sum[i] = _mm512_madd52lo_epu64(a->limb[i], b->limb[i], a24);
        high[i] = _mm512_madd52hi_epu64(_mm512_setzero_si512(), b->limb[i], a24);
        high[i] = _mm512_slli_epi64(high[i], 1);
    }
    sum[0] = _mm512_add_epi64(sum[0], times_19(high[LIMBS - 1]));
    UNROLL for (int i = 1; i < LIMBS; i++) {
        sum[i] = _mm512_add_epi64(sum[i], high[i - 1]);
    }
    fe_carry(out, sum);
}

/* a^(p - 2) */
static void fe_invert(struct fe *out, const struct fe *a) {
    struct fe a2, a9, a11, x5, x10, x20, x50, x100, t; /* xN = a^(2^N - 1) */
    fe_mul(&a2, a, a);
    fe_square_times(&t, &a2, 2);
    fe_mul(&a9, &t, a);
    fe_mul(&a11, &a9, &a2);
    fe_mul(&t, &a11, &a11);
    fe_mul(&x5, &t, &a9);
    fe_square_times(&t, &x5, 5);
    fe_mul(&x10, &t, &x5);
    fe_square_times(&t, &x10, 10);
    fe_mul(&x20, &t, &x10);
    fe_square_times(&t, &x20, 20);
    fe_mul(&t, &t, &x20);
    fe_square_times(&t, &t, 10);
    fe_mul(&x50, &t, &x10);
    fe_square_times(&t, &x50, 50);
    fe_mul(&x100, &t, &x50);
    fe_square_times(&t, &x100, 100);
    fe_mul(&t, &t, &x100);
    fe_square_times(&t, &t, 50);
    fe_mul(&t, &t, &x50);
    fe_square_times(&t, &t, 5);
    fe_mul(out, &t, &a11);
}

/* decodeUCoordinate: little-endian, the top bit ignored, values of p and above accepted. */
static void fe_decode(struct fe *out, const uint8_t points[8][X25519_LEN]) {
    const __m512i mask = _mm512_set1_epi64(LIMB_MASK);
    _Alignas(64) uint64_t words[4][8];
    for (int lane = 0; lane < 8; lane++) {
        for (int i = 0; i < 4; i++) {
            memcpy(&words[i][lane], points[lane] + 8 * i, 8);
        }
    }
    __m512i w[4];
    for (int i = 0; i < 4; i++) {
        w[i] = _mm512_load_si512(words[i]);
    }
    out->limb[0] = _mm512_and_si512(w[0], mask);
    out->limb[1] = _mm512_and_si512(
        _mm512_or_si512(_mm512_srli_epi64(w[0], 51), _mm512_slli_epi64(w[1], 13)), mask);
    out->limb[2] = _mm512_and_si512(
        _mm512_or_si512(_mm512_srli_epi64(w[1], 38), _mm512_slli_epi64(w[2], 26)), mask);
    out->limb[3] = _mm512_and_si512(
        _mm512_or_si512(_mm512_srli_epi64(w[2], 25), _mm512_slli_epi64(w[3], 39)), mask);
    out->limb[4] = _mm512_and_si512(_mm512_srli_epi64(w[3], 12), mask);
}

/* Carries one after the other, from `first` added to limb 0; returns what leaves the top. */
static __m512i fe_ripple(struct fe *a, __m512i first) {
    const __m512i mask = _mm512_set1_epi64(LIMB_MASK);
    __m512i carry = first;
    for (int i = 0; i < LIMBS; i++) {
        __m512i sum = _mm512_add_epi64(a->limb[i], carry);
        a->limb[i] = _mm512_and_si512(sum, mask);
        carry = _mm512_srli_epi64(sum, LIMB_BITS);
    }
    return carry;
}

/* The one value below p. After two rounds the value is below 2^255 + 19, so that at most one p is
   left to take off: adding 19 shows at the top whether it is. */
static void fe_reduce(struct fe *a) {
    const __m512i nineteen = _mm512_set1_epi64(19);
    for (int round = 0; round < 2; round++) {
        __m512i top = fe_ripple(a, _mm512_setzero_si512());
        a->limb[0] = _mm512_madd52lo_epu64(a->limb[0], top, nineteen);
    }
    struct fe trial = *a;
    __m512i too_large = fe_ripple(&trial, nineteen);
    fe_ripple(a, _mm512_madd52lo_epu64(_mm512_setzero_si512(), too_large, nineteen));
}

static void fe_encode(uint8_t out[8][X25519_LEN], const struct fe *a) {
    struct fe t = *a;
    fe_reduce(&t);
    const __m512i words[4] = {
        _mm512_or_si512(t.limb[0], _mm512_slli_epi64(t.limb[1], 51)),
        _mm512_or_si512(_mm512_srli_epi64(t.limb[1], 13), _mm512_slli_epi64(t.limb[2], 38)),
        _mm512_or_si512(_mm512_srli_epi64(t.limb[2], 26), _mm512_slli_epi64(t.limb[3], 25)),
        _mm512_or_si512(_mm512_srli_epi64(t.limb[3], 39), _mm512_slli_epi64(t.limb[4], 12)),
    };
    _Alignas(64) uint64_t lanes[8];
    for (int i = 0; i < 4; i++) {
        _mm512_store_si512(lanes, words[i]);
        for (int lane = 0; lane < 8; lane++) {
            memcpy(out[lane] + 8 * i, &lanes[lane], 8);
        }
    }
}

struct xz { /* a point's u coordinate is x / z */
    struct fe x, z;
};

/* RFC 7748 section 5: doubled = 2 doubled; other = doubled + other, whose difference is x1. */
static void ladder_step(struct xz *doubled, struct xz *other, const struct fe *x1) {
    struct fe a, b, c, d, aa, bb, e, da, cb;
    fe_add(&a, &doubled->x, &doubled->z);
    fe_sub(&b, &doubled->x, &doubled->z);
    fe_add(&c, &other->x, &other->z);
    fe_sub(&d, &other->x, &other->z);
    fe_mul(&aa, &a, &a);
    fe_mul(&bb, &b, &b);
    fe_mul(&da, &d, &a);
    fe_mul(&cb, &c, &b);
    fe_sub(&e, &aa, &bb);
    fe_mul(&doubled->x, &aa, &bb);
    fe_add_a24(&aa, &aa, &e);
    fe_mul(&doubled->z, &e, &aa);
    fe_add(&a, &da, &cb);
    fe_sub(&b, &da, &cb);
    fe_mul(&other->x, &a, &a);
    fe_mul(&b, &b, &b);
    fe_mul(&other->z, &b, x1);
}

void x25519_ifma_x8(const uint8_t scalar[X25519_LEN], const uint8_t points[8][X25519_LEN],
                    uint8_t out[8][X25519_LEN]) {
    /* decodeScalar25519 */
    uint8_t k[X25519_LEN];
    memcpy(k, scalar, X25519_LEN);
    k[0] &= 248;
    k[31] = (uint8_t)((k[31] & 127) | 64);

    struct fe x1;
    fe_decode(&x1, points);
    struct xz r[2]; /* r[1] - r[0] is the point, always */
    memset(r, 0, sizeof r);
    r[0].x.limb[0] = r[1].z.limb[0] = _mm512_set1_epi64(1);
    r[1].x = x1;
    for (int i = 254; i >= 0; i--) {
        int bit = k[i / 8] >> (i % 8) & 1;
        ladder_step(&r[bit], &r[1 - bit], &x1);
    }
    struct fe inverse;
    fe_invert(&inverse, &r[0].z);
    fe_mul(&inverse, &inverse, &r[0].x);
    fe_encode(out, &inverse);
}
#endif
