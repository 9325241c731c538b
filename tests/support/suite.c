#include "tests/support/suite.h"

#include <CUnit/Basic.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"

static const char *skip_reason;

void suite_skip(const char *reason) {
    skip_reason = reason;
}

uint64_t suite_seed(void) {
    const char *given = getenv("PINSWEEP_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : random_u64();
    fprintf(stderr, "  seed: PINSWEEP_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

int suite_main(const char *name, const struct suite_test *tests, unsigned count, int argc,
               char **argv) {
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 2;
    }
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    unsigned passed = 0, failed = 0, skipped = 0;
    for (unsigned i = 0; i < count; i++) {
        if (argc > 1 && strstr(tests[i].name, argv[1]) == NULL) {
            continue;
        }
        CU_pTest test = CU_add_test(suite, tests[i].name, tests[i].run);
        skip_reason = NULL;
        CU_ErrorCode ran = CU_run_test(suite, test);
        if (ran != CUE_SUCCESS || CU_get_number_of_failures() != 0) {
            failed++;
            printf("FAILED  %s: %s\n", name, tests[i].name);
            for (CU_pFailureRecord at = CU_get_failure_list(); at != NULL; at = at->pNext) {
                printf("        %s:%u: %s\n", at->strFileName, at->uiLineNumber, at->strCondition);
            }
        } else if (skip_reason != NULL) {
            skipped++;
            printf("skipped %s: %s (%s)\n", name, tests[i].name, skip_reason);
        } else {
            passed++;
        }
        fflush(stdout);
    }
    printf("unit %s: %u passed, %u failed, %u skipped\n", name, passed, failed, skipped);
    CU_cleanup_registry();
    return failed > 0 || passed + skipped == 0 ? 1 : 0;
}
