#include "engine/sweep/metadata.h"

#include <stdlib.h>

#include "engine/sweep/settings.h"
#include "tests/support/suite.h"

static struct trust_store trust;

static struct sweep_config config_of(void) {
    static char *argv[] = {"pinsweep", "sweep", "--rate", "\"1\""};
    trust_store_init(&trust);
    return (struct sweep_config){.trust = &trust,
                                 .at_unix_s = DATETIME_NONE,
                                 .key_view_count = 1,
                                 .tls = {.min_version = 0x0303, .max_version = 0x0304},
                                 .sweep_id = "id",
                                 .argc = 4,
                                 .argv = argv};
}

/* Every count is another number. */
static void fill(struct sweep_result *result) {
    *result = (struct sweep_result){.targets = 1001,
                                    .unknown = 1002,
                                    .runs = 3,
                                    .in_flight_peak = 1003,
                                    .max_rss_bytes = 1004,
                                    .started_ms = INT64_C(1800000000000),
                                    .ended_ms = INT64_C(1800000001000),
                                    .seconds = 12.5,
                                    .cpu_user_s = 1.25,
                                    .cpu_system_s = 0.75};
    uint64_t n = 1;
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        result->statuses[i] = n++;
    }
    for (int i = 0; i < VERDICT_COUNT; i++) {
        result->verdicts[i] = n++;
    }
    for (int i = 0; i < PKIX_COUNT; i++) {
        result->pkix[i] = n++;
    }
    for (size_t i = 0; i < METADATA_VERSIONS; i++) {
        result->conns.by_version[i] = n++;
    }
    struct conns_stats *conns = &result->conns;
    uint64_t *counts[] = {&conns->opened,
                          &conns->connected,
                          &conns->completed,
                          &conns->captured,
                          &conns->proven,
                          &conns->fallback,
                          &conns->bytes_in,
                          &conns->bytes_out,
                          &result->intern.chain_hits,
                          &result->intern.chain_misses,
                          &result->intern.evictions,
                          &result->path.sets_built,
                          &result->path.sets_known,
                          &result->path.edges_known,
                          &result->path.edges_built,
                          &result->path.full_verifications,
                          &result->path.leaf_verifications};
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        *counts[i] = n++;
    }
}

static void test_read_back(void) {
    struct sweep_config config = config_of();
    struct sweep_result result, back;
    char *text = malloc(METADATA_BYTES_MAX), *again = malloc(METADATA_BYTES_MAX);
    fill(&result);
    size_t len = metadata_compose(&config, &result, text, METADATA_BYTES_MAX);
    CU_ASSERT_FATAL(len > 0 && text[len] == '\0' && strlen(text) == len);
    CU_ASSERT_TRUE_FATAL(metadata_read(text, &back));
    CU_ASSERT_EQUAL(back.runs, 3);
    CU_ASSERT_EQUAL(back.unknown, 1002);
    CU_ASSERT_EQUAL(back.seconds, 12.5);
    /* What is not read is not a count. */
    back.ended_ms = result.ended_ms;
    CU_ASSERT_EQUAL(metadata_compose(&config, &back, again, METADATA_BYTES_MAX), len);
    CU_ASSERT_STRING_EQUAL(again, text);
    for (size_t i = 0; i < len - 2; i++) { /* cut anywhere it is no document */
        char kept = text[i];
        text[i] = '\0';
        CU_ASSERT_FALSE(metadata_read(text, &back));
        text[i] = kept;
    }
    CU_ASSERT_FALSE(metadata_read("", &back));
    CU_ASSERT_FALSE(metadata_read("[]", &back));
    CU_ASSERT_FALSE(metadata_read("{\"started\":7}", &back));
    for (size_t capacity = 1; capacity < len + 1; capacity += 97) {
        CU_ASSERT_EQUAL(metadata_compose(&config, &result, again, capacity), 0);
    }
    free(text);
    free(again);
}

static void test_settings(void) {
    struct sweep_config config = config_of();
    char one[4096], two[4096];
    CU_ASSERT(settings_compose(&config, "/out", "", one, sizeof one) > 0);
    config.workers = 7; /* the pace is free */
    config.rate = 5;
    config.retries = 9;
    CU_ASSERT(settings_compose(&config, "/out", "", two, sizeof two) > 0);
    CU_ASSERT_STRING_EQUAL(one, two);
    static const char *const words[] = {"\"output-file\":\"/out\"", "\"policy\":\"", "\"at\":null",
                                        "\"shuffle\":false", "\"key-types\":[\"any\"]"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        CU_ASSERT_PTR_NOT_NULL(strstr(one, words[i]));
    }
    struct sweep_config changed[] = {config, config, config, config, config, config};
    changed[0].inventory.shuffle = true;
    changed[1].depth = DEPTH_CAPTURE;
    changed[2].policy_sha256[0] = 1;
    changed[3].at_unix_s = 0;
    changed[4].inventory.shards = 4;
    changed[5].tls.groups = "X25519";
    for (size_t i = 0; i < ARRAY_COUNT(changed); i++) {
        CU_ASSERT(settings_compose(&changed[i], "/out", "", two, sizeof two) > 0);
        CU_ASSERT_STRING_NOT_EQUAL(one, two);
    }
    CU_ASSERT_EQUAL(settings_compose(&config, "/out", "", two, 100), 0);
}

SUITE_MAIN("metadata", {"what was written is read back", test_read_back},
           {"settings", test_settings})
