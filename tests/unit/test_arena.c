#include "engine/base/arena.h"

#include "engine/base/rng.h"
#include "tests/support/suite.h"

static bool is_zero(const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Blocks of random sizes keep what is written to them: none overlaps another. */
static void test_alloc(void) {
    enum { COUNT = 400 };
    struct arena arena = {.chunk_len = 4096};
    struct rng rng;
    uint8_t *blocks[COUNT];
    size_t lens[COUNT];
    rng_init(&rng, suite_seed());
    for (size_t i = 0; i < COUNT; i++) {
        lens[i] = rng_below(&rng, i % 50 == 0 ? 9000 : 100); /* some beyond a chunk */
        blocks[i] = arena_alloc(&arena, lens[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[i]);
        CU_ASSERT_EQUAL((uintptr_t)blocks[i] % 16, 0);
        CU_ASSERT(is_zero(blocks[i], lens[i]));
        memset(blocks[i], (int)(i % 255) + 1, lens[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t at = 0; at < lens[i]; at++) {
            CU_ASSERT_EQUAL_FATAL(blocks[i][at], i % 255 + 1);
        }
    }
    arena_fini(&arena);
    CU_ASSERT_PTR_NULL(arena.chunks);
    CU_ASSERT_EQUAL(arena.used_bytes, 0);
}

static void test_reset(void) {
    struct arena arena = {0};
    uint8_t *first = arena_alloc(&arena, 100);
    memset(first, 0xFF, 100);
    for (int i = 0; i < 40; i++) {
        memset(arena_alloc(&arena, 8000), 0xFF, 8000);
    }
    CU_ASSERT(arena.used_bytes >= 40 * 8000 + 100);
    arena_reset(&arena);
    CU_ASSERT_EQUAL(arena.used_bytes, 0);
    /* The first chunk is used again from its start, zeroed again. */
    uint8_t *again = arena_alloc(&arena, 100);
    CU_ASSERT_PTR_EQUAL(again, first);
    CU_ASSERT(is_zero(again, 100));
    arena_fini(&arena);
    arena_fini(&arena);
}

static void test_copies(void) {
    struct arena arena = {0};
    char text[] = "api.bank.example";
    char *copy = arena_copy_text(&arena, span_of(text, 3));
    struct span bytes = arena_copy(&arena, span_of("a\0b", 3));
    memset(text, 'x', sizeof text);
    CU_ASSERT_STRING_EQUAL(copy, "api");
    CU_ASSERT(span_equal(bytes, span_of("a\0b", 3)));
    CU_ASSERT_STRING_EQUAL(arena_copy_text(&arena, span_of(NULL, 0)), "");
    CU_ASSERT_EQUAL(arena_copy(&arena, span_of(NULL, 0)).len, 0);
    arena_fini(&arena);
}

/* Large enough for mappings: zeroed at first and again after a reset; a block beyond a chunk leaves
   the front chunk in use. */
static void test_large(void) {
    struct arena arena = {0};
    for (int i = 0; i < 400; i++) {
        size_t len = i % 40 == 3 ? 3000000 : 50000;
        uint8_t *block = arena_alloc(&arena, len);
        CU_ASSERT_EQUAL((uintptr_t)block % 16, 0);
        CU_ASSERT_FATAL(is_zero(block, len));
        memset(block, 0xFF, len);
        uint8_t *odd = arena_alloc_bytes(&arena, 7);
        CU_ASSERT_FATAL(is_zero(odd, 7));
        memset(odd, 0xFF, 7);
    }
    CU_ASSERT(arena.used_bytes >= 390 * 50000 + 10 * 3000000 + 400 * 7);
    arena_fini(&arena);
    memset(arena_alloc(&arena, 5000000), 0xFF, 5000000);
    arena_reset(&arena);
    CU_ASSERT(is_zero(arena_alloc(&arena, 5000000), 5000000));
    arena_fini(&arena);
}

static void test_extend(void) {
    struct arena arena = {.chunk_len = 4096};
    uint8_t *block = arena_alloc(&arena, 20);
    memset(block, 0xFF, 20);
    CU_ASSERT_TRUE(arena_extend(&arena, block, 20, 30)); /* within its last 16 bytes */
    CU_ASSERT_TRUE(arena_extend(&arena, block, 30, 1000));
    CU_ASSERT_TRUE(is_zero(block + 20, 980));
    uint8_t *next = arena_alloc(&arena, 16);
    CU_ASSERT_PTR_EQUAL(next, block + 1008);
    CU_ASSERT_FALSE(arena_extend(&arena, block, 1000, 1100)); /* no longer the last */
    CU_ASSERT_FALSE(arena_extend(&arena, next, 16, 4096));    /* the chunk ends */
    CU_ASSERT_TRUE(arena_extend(&arena, next, 16, 3000));
    arena_alloc_bytes(&arena, 3);
    CU_ASSERT_FALSE(arena_extend(&arena, next, 3000, 3001 + 16));
    CU_ASSERT_EQUAL((uintptr_t)arena_alloc(&arena, 1) % 16, 0);
    arena_fini(&arena);
}

SUITE_MAIN("arena", {"alloc", test_alloc}, {"reset", test_reset}, {"copies", test_copies},
           {"large", test_large}, {"extend", test_extend})
