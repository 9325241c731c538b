#include "engine/base/pool.h"

#include "tests/support/suite.h"

static void test_take_and_give(void) {
    struct pool pool;
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(pool_init(&pool, 24, 3, &note), ERR_NONE);
    uint64_t *a = pool_take(&pool), *b = pool_take(&pool), *c = pool_take(&pool);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_PTR_NULL(pool_take(&pool));
    CU_ASSERT_EQUAL(pool.taken_count, 3);
    uint32_t idx = pool_index(&pool, b), generation = pool_generation(&pool, idx);
    CU_ASSERT_PTR_EQUAL(pool_find(&pool, idx, generation), b);
    *b = 7;
    pool_give(&pool, b);
    CU_ASSERT_PTR_NULL(pool_find(&pool, idx, generation));
    uint64_t *again = pool_take(&pool);
    CU_ASSERT_PTR_EQUAL(again, b);
    CU_ASSERT_EQUAL(*again, 0);
    CU_ASSERT_NOT_EQUAL(pool_generation(&pool, idx), generation);
    CU_ASSERT_PTR_NULL(pool_find(&pool, idx, generation));
    CU_ASSERT_PTR_NULL(pool_find(&pool, 99, 1));
    pool_fini(&pool);
}

SUITE_MAIN("pool", {"take and give", test_take_and_give})
