#include "engine/sweep/permutation.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/attributes.h"
#include "tests/support/suite.h"

static void test_every_element_once(void) {
    static const uint64_t counts[] = {1, 2, 3, 4, 5, 16, 17, 64, 65, 1000, 65536, 65537};
    static uint8_t seen[65537];
    uint64_t seed = suite_seed();
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        struct permutation permutation;
        permutation_init(&permutation, counts[i], seed + i);
        memset(seen, 0, sizeof seen);
        for (uint64_t idx = 0; idx < counts[i]; idx++) {
            uint64_t to = permutation_at(&permutation, idx);
            CU_ASSERT_FATAL(to < counts[i]);
            CU_ASSERT_EQUAL_FATAL(seen[to], 0);
            seen[to] = 1;
        }
    }
}

static void test_seeds(void) {
    struct permutation a, b, again;
    permutation_init(&a, 1000000, 1);
    permutation_init(&b, 1000000, 2);
    permutation_init(&again, 1000000, 1);
    unsigned same = 0, near = 0;
    for (uint64_t idx = 0; idx < 10000; idx++) {
        uint64_t to = permutation_at(&a, idx);
        CU_ASSERT_EQUAL(to, permutation_at(&again, idx));
        same += to == permutation_at(&b, idx);
        near += idx > 0 && llabs((long long)(to - permutation_at(&a, idx - 1))) < 100;
    }
    CU_ASSERT(same < 10);
    CU_ASSERT(near < 20); /* neighbours are torn apart: 2 expected */
}

static void test_large(void) {
    struct permutation permutation;
    permutation_init(&permutation, UINT64_C(1) << 62, 7);
    CU_ASSERT(permutation_at(&permutation, (UINT64_C(1) << 62) - 1) < UINT64_C(1) << 62);
    permutation_init(&permutation, (UINT64_C(1) << 61) + 1, 7);
    for (uint64_t idx = 0; idx < 1000; idx++) {
        CU_ASSERT(permutation_at(&permutation, idx) < (UINT64_C(1) << 61) + 1);
    }
}

SUITE_MAIN("permutation", {"every element once", test_every_element_once}, {"seeds", test_seeds},
           {"large", test_large})
