#include "engine/sweep/prometheus.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/suite.h"

static char text[PROMETHEUS_BYTES_MAX];
static struct pin_index pins;
static struct pin_set sets[3];

static size_t compose(const struct sweep_result *result, size_t capacity) {
    struct sweep_config config = {.pins = &pins};
    return prometheus_compose(&config, result, text, capacity);
}

static void add_sets(int64_t first, int64_t second, int64_t third) {
    const int64_t rehearsals[] = {first, second, third};
    pin_index_init(&pins, 1);
    for (size_t i = 0; i < ARRAY_COUNT(sets); i++) {
        static const char *const names[] = {"a", "b", "c"};
        pin_set_init(&sets[i], PIN_CLIENT_CUSTOM);
        sets[i].name = names[i];
        sets[i].last_rehearsal = rehearsals[i];
        CU_ASSERT_EQUAL_FATAL(pin_index_add(&pins, &sets[i], NULL), ERR_NONE);
    }
}

static void check_line(const char *line) {
    char whole[256];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, whole));
    if (strstr(text, whole) == NULL) {
        printf("no line '%s'\n", line);
    }
}

static void test_figures(void) {
    struct sweep_result result = {.targets = 12,
                                  .unknown = 1,
                                  .seconds = 2.5,
                                  .ended_ms = INT64_C(1795485600500),
                                  .first_expiry_s = 1795485700,
                                  .cpu_user_s = 0.25,
                                  .max_rss_bytes = 4096};
    result.verdicts[VERDICT_MISMATCH] = 3;
    result.statuses[OUTCOME_TLS_ALERT] = 2;
    result.pkix[PKIX_EXPIRED] = 4;
    result.conns.opened = 20;
    result.conns.by_version[4] = 9;
    result.conns.by_version[3] = 1;
    add_sets(INT64_C(1700000000), DATETIME_NONE, INT64_C(1600000000));
    size_t len = compose(&result, sizeof text);
    CU_ASSERT(len > 0 && len == strlen(text));
    check_line("pinsweep_targets 12");
    check_line("pinsweep_unknown_targets 1");
    check_line("pinsweep_verdict_targets{verdict=\"mismatch\"} 3");
    check_line("pinsweep_verdict_targets{verdict=\"off-path\"} 0");
    check_line("pinsweep_status_targets{status=\"tls-alert\"} 2");
    check_line("pinsweep_pkix_targets{result=\"expired\"} 4");
    check_line("pinsweep_handshakes{state=\"attempted\"} 20");
    check_line("pinsweep_handshakes{state=\"succeeded\"} 10");
    check_line("pinsweep_handshakes_per_second 4.000");
    check_line("pinsweep_sweep_duration_seconds 2.500");
    check_line("pinsweep_last_success_timestamp_seconds 1795485600.500");
    check_line("pinsweep_first_expiry_timestamp_seconds 1795485700");
    check_line("pinsweep_first_expiry_seconds 99.500");
    check_line("pinsweep_pin_sets 3");
    check_line("pinsweep_pin_sets_never_rehearsed 1");
    check_line("pinsweep_oldest_rehearsal_timestamp_seconds 1600000000");
    pin_index_fini(&pins);
}

/* A time that is not known has no series: 0 would be one. */
static void test_nothing_known(void) {
    struct sweep_result result = {.ended_ms = 1000};
    pin_index_init(&pins, 1);
    CU_ASSERT(compose(&result, sizeof text) > 0);
    CU_ASSERT_PTR_NULL(strstr(text, "first_expiry"));
    CU_ASSERT_PTR_NULL(strstr(text, "oldest_rehearsal"));
    CU_ASSERT_PTR_NULL(strstr(text, "nan"));
    check_line("pinsweep_handshakes_per_second 0.000");
    pin_index_fini(&pins);
}

static void test_no_room(void) {
    struct sweep_result result = {.ended_ms = 1000};
    pin_index_init(&pins, 1);
    size_t len = compose(&result, sizeof text);
    for (size_t capacity = 1; capacity <= len; capacity++) {
        CU_ASSERT_EQUAL(compose(&result, capacity), 0);
    }
    CU_ASSERT_EQUAL(compose(&result, len + 1), len);
    pin_index_fini(&pins);
}

SUITE_MAIN("prometheus", {"figures", test_figures}, {"what is not known", test_nothing_known},
           {"no room", test_no_room})
