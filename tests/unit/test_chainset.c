#include "engine/sweep/chainset.h"

#include "engine/base/rng.h"
#include "tests/support/suite.h"

static void test_grows(void) {
    struct chainset set = {0};
    struct rng rng;
    uint64_t seed = suite_seed();
    for (int pass = 0; pass < 2; pass++) {
        rng_init(&rng, seed);
        for (int i = 0; i < 50000; i++) {
            uint8_t id[SHA256_LEN];
            for (size_t at = 0; at < sizeof id; at += 8) {
                uint64_t value = rng_next(&rng);
                memcpy(id + at, &value, 8);
            }
            CU_ASSERT_EQUAL(chainset_add(&set, id), pass == 0);
        }
    }
    CU_ASSERT_EQUAL(set.count, 50000);
    chainset_fini(&set);
}

/* Ids that fall on one slot: an adversary may choose certificates so. */
static void test_collisions(void) {
    struct chainset set = {0};
    for (int i = 1; i <= 200; i++) {
        uint8_t id[SHA256_LEN] = {(uint8_t)i};
        CU_ASSERT_TRUE(chainset_add(&set, id));
        CU_ASSERT_FALSE(chainset_add(&set, id));
    }
    chainset_fini(&set);
}

SUITE_MAIN("chainset", {"grows", test_grows}, {"collisions", test_collisions})
