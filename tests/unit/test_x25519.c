#include "engine/net/x25519.h"

#include <openssl/curve25519.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/attributes.h"
#include "engine/base/clock.h"
#include "engine/base/rng.h"
#include "engine/base/thread.h"
#include "tests/support/suite.h"

typedef uint8_t point[X25519_LEN];

static uint8_t hex_digit(char c) {
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void from_hex(point out, const char *hex) {
    for (size_t i = 0; i < X25519_LEN; i++) {
        out[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    }
}

static bool force(const char *kernel) {
    if (!x25519_force_kernel(kernel)) {
        suite_skip("this CPU has no AVX-512 IFMA");
        return false;
    }
    CU_ASSERT_STRING_EQUAL(x25519_kernel(), kernel);
    return true;
}

/* RFC 7748 sections 5.2 and 6.1. */
static const struct {
    const char *scalar, *u, *out;
} vectors[] = {
    {"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
     "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
     "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
    {"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
     "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
     "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
    /* Alice's private and Bob's public key */
    {"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
     "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
};

static void run_vectors(void) {
    for (size_t v = 0; v < ARRAY_COUNT(vectors); v++) {
        point scalar, expected, points[X25519_BATCH_MAX];
        from_hex(scalar, vectors[v].scalar);
        from_hex(expected, vectors[v].out);
        for (size_t count = 1; count <= X25519_BATCH_MAX; count++) {
            for (size_t i = 0; i < count; i++) {
                from_hex(points[i], vectors[v].u);
            }
            uint32_t usable =
                x25519_batch(scalar, (const uint8_t(*)[X25519_LEN])points, count, points);
            CU_ASSERT_EQUAL(usable, (1u << count) - 1);
            for (size_t i = 0; i < count; i++) {
                CU_ASSERT_EQUAL(memcmp(points[i], expected, X25519_LEN), 0);
            }
        }
    }
}

/* RFC 7748 section 5.2: k, u = X25519(k, u), k; a thousand times. */
static void run_iterations(void) {
    point k = {9}, u = {9}, once, thousand;
    from_hex(once, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    from_hex(thousand, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
    for (int i = 0; i < 1000; i++) {
        point result;
        CU_ASSERT_EQUAL(x25519_batch(k, (const uint8_t(*)[X25519_LEN]) & u, 1, &result), 1);
        memcpy(u, k, X25519_LEN);
        memcpy(k, result, X25519_LEN);
        if (i == 0) {
            CU_ASSERT_EQUAL(memcmp(k, once, X25519_LEN), 0);
        }
    }
    CU_ASSERT_EQUAL(memcmp(k, thousand, X25519_LEN), 0);
}

/* Every result of a batch against BoringSSL; false, with a message, at the first that differs. */
static bool is_right(const point scalar, point points[], size_t count, point ours[]) {
    for (size_t i = 0; i < count; i++) {
        point expected;
        X25519(expected, scalar, points[i]); /* what it refuses it leaves all zero */
        if (memcmp(ours[i], expected, X25519_LEN) != 0) {
            printf("lane %zu of %zu differs; point ", i, count);
            for (size_t b = 0; b < X25519_LEN; b++) {
                printf("%02x", points[i][b]);
            }
            printf("\n");
            return false;
        }
    }
    return true;
}

/* The same of x25519_batch(), and which results it calls usable. */
static bool agrees(const point scalar, point points[], size_t count) {
    static const point zero;
    point ours[X25519_BATCH_MAX];
    uint32_t usable = x25519_batch(scalar, (const uint8_t(*)[X25519_LEN])points, count, ours);
    for (size_t i = 0; i < count; i++) {
        if ((memcmp(ours[i], zero, sizeof zero) == 0) == ((usable >> i & 1) != 0)) {
            printf("lane %zu of %zu is wrongly called usable, or not\n", i, count);
            return false;
        }
    }
    return is_right(scalar, points, count, ours);
}

static void random_point(struct rng *rng, point out) {
    for (size_t i = 0; i < X25519_LEN; i += 8) {
        uint64_t word = rng_next(rng);
        memcpy(out + i, &word, 8);
    }
}

static void random_batch(struct rng *rng, point scalar, point points[X25519_BATCH_MAX]) {
    random_point(rng, scalar);
    for (size_t i = 0; i < X25519_BATCH_MAX; i++) {
        random_point(rng, points[i]);
    }
}

#define RANDOM_CHECKED 8192 /* with the kernel as it is built here, sanitized or not */

static void run_random(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (int round = 0; round < RANDOM_CHECKED / X25519_BATCH_MAX; round++) {
        point scalar, points[X25519_BATCH_MAX];
        random_batch(&rng, scalar, points);
        if (!agrees(scalar, points, X25519_BATCH_MAX)) {
            CU_FAIL("a random batch differs");
            return;
        }
    }
}

/* --- a million, with the kernel as it is released (CMakeLists.txt) --- */

#if defined(__x86_64__)
void x25519_released_x8(const uint8_t scalar[X25519_LEN], const uint8_t points[8][X25519_LEN],
                        uint8_t out[8][X25519_LEN]);

#define RANDOM_POINTS 1000000 /* 50 s of CPU time, most of it BoringSSL's */
#define RANDOM_THREADS 2
#define RANDOM_MIN 100000 /* so many however busy the machine is; else it ends after: */
#define RANDOM_NS (UINT64_C(100) * NS_PER_S)

struct random_share {
    pthread_t thread;
    uint64_t seed, until_ns;
    unsigned long done;
    bool differs;
};

static void *compare_share(void *context) {
    struct random_share *share = context;
    struct rng rng;
    rng_init(&rng, share->seed);
    while (!share->differs && share->done < RANDOM_POINTS / RANDOM_THREADS &&
           (share->done < RANDOM_MIN / RANDOM_THREADS ||
            clock_mono_ns(&clock_system) < share->until_ns)) {
        point scalar, points[X25519_BATCH_MAX], ours[X25519_BATCH_MAX];
        random_batch(&rng, scalar, points);
        x25519_released_x8(scalar, (const uint8_t(*)[X25519_LEN])points, ours);
        share->differs = !is_right(scalar, points, X25519_BATCH_MAX, ours);
        share->done += X25519_BATCH_MAX;
    }
    return NULL;
}

static void run_million(void) {
    struct random_share shares[RANDOM_THREADS];
    uint64_t seed = suite_seed(), until_ns = clock_mono_ns(&clock_system) + RANDOM_NS;
    unsigned long done = 0;
    for (size_t i = 0; i < RANDOM_THREADS; i++) {
        shares[i] = (struct random_share){.seed = seed + i, .until_ns = until_ns};
        CU_ASSERT_EQUAL_FATAL(thread_start(&shares[i].thread, compare_share, &shares[i]), 0);
    }
    for (size_t i = 0; i < RANDOM_THREADS; i++) {
        pthread_join(shares[i].thread, NULL);
        CU_ASSERT_FALSE(shares[i].differs);
        done += shares[i].done;
    }
    printf("  %lu random points compared\n", done);
    CU_ASSERT_TRUE(done >= RANDOM_MIN);
}
#else
static void run_million(void) {
}
#endif

/* Little-endian. The points of order 1, 2, 4 and 8 on the curve and its twist (0, 1, p - 1 and two
   more), p and what is above it (not canonical), and limbs full of ones. */
static const char *const edges[] = {
    "0000000000000000000000000000000000000000000000000000000000000000", /* 0 */
    "0100000000000000000000000000000000000000000000000000000000000000", /* 1 */
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p - 1 */
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p */
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p + 1 */
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", /* order 8 */
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", /* order 8 */
    "0000000000000000000000000000000000000000000000000000000000000080", /* 0, top bit */
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", /* 2^255 - 1, top bit */
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* 2^255 - 1 */
    "0200000000000000000000000000000000000000000000000000000000000000",
    "0900000000000000000000000000000000000000000000000000000000000000",
    "ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p - 2 */
    "efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p + 2 */
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000800000000000000000000000000000000000000000000000000", /* 2^51 */
    "ffffffffffff0700000000000000000000000000000000000000000000000000", /* 2^51 - 1 */
    "000000000000f8ffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000040",
};
#define LOW_ORDER_COUNT 12 /* the first ones */

static void run_edges(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (size_t e = 0; e < ARRAY_COUNT(edges); e++) {
        for (size_t lane = 0; lane < X25519_BATCH_MAX; lane++) {
            point scalar, points[X25519_BATCH_MAX], out[X25519_BATCH_MAX];
            random_point(&rng, scalar);
            for (size_t i = 0; i < X25519_BATCH_MAX; i++) {
                random_point(&rng, points[i]);
            }
            from_hex(points[lane], edges[e]);
            CU_ASSERT_TRUE(agrees(scalar, points, X25519_BATCH_MAX));
            uint32_t usable =
                x25519_batch(scalar, (const uint8_t(*)[X25519_LEN])points, X25519_BATCH_MAX, out);
            uint32_t all = (1u << X25519_BATCH_MAX) - 1;
            CU_ASSERT_EQUAL(usable, e < LOW_ORDER_COUNT ? all & ~(1u << lane) : all);
        }
    }
    /* Edges beside each other, and scalars at their own edges. */
    static const uint8_t fills[] = {0x00, 0xff, 0x01, 0x80, 0x55};
    for (size_t s = 0; s < ARRAY_COUNT(fills); s++) {
        point scalar, points[X25519_BATCH_MAX];
        memset(scalar, fills[s], sizeof scalar);
        for (size_t e = 0; e < ARRAY_COUNT(edges); e++) {
            for (size_t i = 0; i < X25519_BATCH_MAX; i++) {
                from_hex(points[i], edges[(e + i) % ARRAY_COUNT(edges)]);
            }
            CU_ASSERT_TRUE(agrees(scalar, points, 1 + e % X25519_BATCH_MAX));
        }
    }
}

static void test_scalar_vectors(void) {
    if (force("scalar")) {
        run_vectors();
    }
}
static void test_scalar_iterations(void) {
    if (force("scalar")) {
        run_iterations();
    }
}
static void test_scalar_edges(void) {
    if (force("scalar")) {
        run_edges();
    }
}
static void test_ifma_vectors(void) {
    if (force("ifma")) {
        run_vectors();
    }
}
static void test_ifma_iterations(void) {
    if (force("ifma")) {
        run_iterations();
    }
}
static void test_ifma_edges(void) {
    if (force("ifma")) {
        run_edges();
    }
}
static void test_ifma_random(void) {
    if (force("ifma")) {
        run_random();
    }
}

static void test_ifma_million(void) {
    if (force("ifma")) {
        run_million();
    }
}

static void test_choice(void) {
    CU_ASSERT_FALSE(x25519_force_kernel("quantum"));
    CU_ASSERT_TRUE(x25519_force_kernel(NULL));
    CU_ASSERT_TRUE(strcmp(x25519_kernel(), "ifma") == 0 || strcmp(x25519_kernel(), "scalar") == 0);
    run_vectors();
    run_edges();
}

SUITE_MAIN("x25519", {"scalar: RFC 7748 vectors", test_scalar_vectors},
           {"scalar: a thousand iterations", test_scalar_iterations},
           {"scalar: edge points in every lane", test_scalar_edges},
           {"ifma: RFC 7748 vectors", test_ifma_vectors},
           {"ifma: a thousand iterations", test_ifma_iterations},
           {"ifma: edge points in every lane", test_ifma_edges},
           {"ifma: random points", test_ifma_random},
           {"ifma as released: a million random points", test_ifma_million},
           {"choice at run time", test_choice})
