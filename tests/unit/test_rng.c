#include "engine/base/rng.h"

#include <stdbool.h>
#include <string.h>

#include "tests/support/suite.h"

/* The published first outputs of splitmix64 for the seed 1234567. */
static void test_reference(void) {
    static const uint64_t expected[] = {
        UINT64_C(6457827717110365317), UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431), UINT64_C(16408922859458223821)};
    struct rng rng;
    rng_init(&rng, 1234567);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        CU_ASSERT_EQUAL(rng_next(&rng), expected[i]);
    }
}

static void test_same_seed_same_sequence(void) {
    struct rng a, b, c;
    uint64_t seed = suite_seed();
    rng_init(&a, seed);
    rng_init(&b, seed);
    rng_init(&c, seed + 1);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        uint64_t value = rng_next(&a);
        CU_ASSERT_EQUAL(value, rng_next(&b));
        differs |= value != rng_next(&c);
    }
    CU_ASSERT(differs);
}

/* 100,000 draws of 10 values: each within 7 % of its share (7 standard deviations). */
static void test_below(void) {
    struct rng rng;
    unsigned counts[10] = {0};
    rng_init(&rng, suite_seed());
    for (int i = 0; i < 100000; i++) {
        uint32_t value = rng_below(&rng, 10);
        CU_ASSERT_FATAL(value < 10);
        counts[value]++;
    }
    for (int i = 0; i < 10; i++) {
        CU_ASSERT(counts[i] > 9300 && counts[i] < 10700);
    }
    CU_ASSERT_EQUAL(rng_below(&rng, 1), 0);
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_FATAL(rng_below(&rng, UINT32_MAX) < UINT32_MAX);
    }
}

static void test_random_bytes(void) {
    unsigned char bytes[300], zero[300] = {0};
    memset(bytes, 0, sizeof bytes);
    random_bytes(bytes, 200);
    CU_ASSERT(memcmp(bytes, zero, 200) != 0);
    CU_ASSERT(memcmp(bytes + 200, zero, 100) == 0);
    random_bytes(bytes, 0);
    CU_ASSERT_NOT_EQUAL(random_u64(), random_u64());
}

SUITE_MAIN("rng", {"reference", test_reference}, {"same seed", test_same_seed_same_sequence},
           {"below", test_below}, {"random bytes", test_random_bytes})
