#include "engine/sweep/progress.h"

#include "tests/support/suite.h"

static void test_counts(void) {
    char text[COUNT_TEXT_MAX];
    CU_ASSERT_STRING_EQUAL(count_text(text, 0), "0");
    CU_ASSERT_STRING_EQUAL(count_text(text, 999), "999");
    CU_ASSERT_STRING_EQUAL(count_text(text, 1000), "1,000");
    CU_ASSERT_STRING_EQUAL(count_text(text, 1234567), "1,234,567");
    CU_ASSERT_STRING_EQUAL(count_text(text, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void test_durations(void) {
    char text[COUNT_TEXT_MAX];
    CU_ASSERT_STRING_EQUAL(duration_text(text, 4.25), "4.2 s");
    CU_ASSERT_STRING_EQUAL(duration_text(text, 65), "1:05");
    CU_ASSERT_STRING_EQUAL(duration_text(text, 7380), "2:03:00");
}

SUITE_MAIN("progress", {"counts", test_counts}, {"durations", test_durations})
