#include "engine/net/outcome.h"

#include <string.h>

#include "tests/support/suite.h"

static void test_texts(void) {
    for (int a = 0; a < OUTCOME_COUNT; a++) {
        const char *text = outcome_text((enum outcome)a);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        CU_ASSERT_TRUE(strlen(text) > 3);
        for (int b = 0; b < a; b++) {
            CU_ASSERT_STRING_NOT_EQUAL(text, outcome_text((enum outcome)b));
        }
    }
    CU_ASSERT_STRING_EQUAL(outcome_text(OUTCOME_CONNECTION_REFUSED), "connection-refused");
    CU_ASSERT_STRING_EQUAL(outcome_text(OUTCOME_NOT_TLS), "not-tls");
}

static void test_kinds(void) {
    CU_ASSERT_FALSE(outcome_is_failure(OUTCOME_SUCCESS));
    CU_ASSERT_FALSE(outcome_is_failure(OUTCOME_NOT_OFFERED));
    CU_ASSERT_FALSE(outcome_is_failure(OUTCOME_BLOCKLISTED));
    int failures = 0, retryable = 0;
    for (int a = 0; a < OUTCOME_COUNT; a++) {
        failures += outcome_is_failure((enum outcome)a);
        retryable += outcome_is_retryable((enum outcome)a);
        /* What did not fail needs no further attempt. */
        CU_ASSERT_TRUE(outcome_is_failure((enum outcome)a) ||
                       !outcome_is_retryable((enum outcome)a));
    }
    CU_ASSERT_EQUAL(failures, OUTCOME_COUNT - 3);
    CU_ASSERT_EQUAL(retryable, 6);
    CU_ASSERT_TRUE(outcome_is_retryable(OUTCOME_CONNECTION_RESET));
    CU_ASSERT_TRUE(outcome_is_retryable(OUTCOME_IO_TIMEOUT));
    CU_ASSERT_FALSE(outcome_is_retryable(OUTCOME_TLS_ALERT));
    CU_ASSERT_FALSE(outcome_is_retryable(OUTCOME_TARGET_TIMEOUT));
}

static void test_better(void) {
    for (int a = 0; a < OUTCOME_COUNT; a++) {
        CU_ASSERT_EQUAL(outcome_better(OUTCOME_SUCCESS, (enum outcome)a), OUTCOME_SUCCESS);
        CU_ASSERT_EQUAL(outcome_better((enum outcome)a, OUTCOME_SUCCESS), OUTCOME_SUCCESS);
        CU_ASSERT_EQUAL(outcome_better((enum outcome)a, (enum outcome)a), (enum outcome)a);
    }
    CU_ASSERT_EQUAL(outcome_better(OUTCOME_TLS_ALERT, OUTCOME_NOT_OFFERED), OUTCOME_NOT_OFFERED);
    CU_ASSERT_EQUAL(outcome_better(OUTCOME_BLOCKLISTED, OUTCOME_NOT_OFFERED), OUTCOME_NOT_OFFERED);
    CU_ASSERT_EQUAL(outcome_better(OUTCOME_CONNECTION_REFUSED, OUTCOME_TLS_ALERT),
                    OUTCOME_TLS_ALERT);
    CU_ASSERT_EQUAL(outcome_better(OUTCOME_IO_TIMEOUT, OUTCOME_CONNECTION_TIMEOUT),
                    OUTCOME_IO_TIMEOUT);
    CU_ASSERT_EQUAL(outcome_better(OUTCOME_CANCELLED, OUTCOME_DNS_TIMEOUT), OUTCOME_DNS_TIMEOUT);
    /* Of two that say equally much, the first stays. */
    CU_ASSERT_EQUAL(outcome_better(OUTCOME_CONNECTION_REFUSED, OUTCOME_NETWORK_UNREACHABLE),
                    OUTCOME_CONNECTION_REFUSED);
}

SUITE_MAIN("outcome", {"texts", test_texts}, {"kinds", test_kinds}, {"better", test_better})
