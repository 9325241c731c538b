/* One CUnit suite per unit program. A test file reads:

     static void test_something(void) { CU_ASSERT_EQUAL(...); }
     SUITE_MAIN("pool", {"take and give", test_something}, ...)

   With an argument only the tests whose name contains it run. The last line is "unit NAME: N
   passed, N failed[, N skipped]" (tests, not assertions), which tests/run adds up; exit 1 if any
   failed. Random tests print their seed (suite_seed(): PINSWEEP_TEST_SEED, else from the kernel).
 */
#ifndef PINSWEEP_TESTS_SUITE_H
#define PINSWEEP_TESTS_SUITE_H

#include <CUnit/CUnit.h>
#include <stdint.h>

struct suite_test {
    const char *name;
    void (*run)(void);
};

int suite_main(const char *name, const struct suite_test *tests, unsigned count, int argc,
               char **argv);
uint64_t suite_seed(void);
/* Marks the running test as skipped, with the reason; return from it right after. */
void suite_skip(const char *reason);

#define SUITE_MAIN(name, ...)                                                                      \
    int main(int argc, char **argv) {                                                              \
        static const struct suite_test tests[] = {__VA_ARGS__};                                    \
        return suite_main(name, tests, (unsigned)(sizeof tests / sizeof tests[0]), argc, argv);    \
    }

#endif
