#include "engine/codec/datetime.h"

#include <stdio.h>
#include <time.h>

#include "engine/base/attributes.h"
#include "engine/base/rng.h"
#include "tests/support/suite.h"

static void test_every_day(void) {
    int64_t day = datetime_days(0, 1, 1);
    CU_ASSERT_EQUAL(day, -719528);
    for (; day <= datetime_days(9999, 12, 31); day++) {
        time_t at = day * 86400 + 86399;
        struct tm tm;
        gmtime_r(&at, &tm);
        char out[DATETIME_LEN_MAX], expected[96];
        size_t len = datetime_format(out, at);
        if (day % 97 == 0) { /* snprintf is slow under the sanitizers */
            snprintf(expected, sizeof expected, "%04d-%02d-%02dT23:59:59Z", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday);
            CU_ASSERT_FATAL(len == 20 && strcmp(out, expected) == 0);
        }
        CU_ASSERT_FATAL(datetime_days(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday) == day);
        int64_t back = 0;
        CU_ASSERT_FATAL(datetime_parse(span_of(out, len), &back) && back == at);
    }
}

static void test_random_seconds(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (int round = 0; round < 50000; round++) {
        int64_t ms = (int64_t)(rng_next(&rng) % UINT64_C(315569520000000)) - 62167219200000;
        char out[DATETIME_LEN_MAX];
        int64_t back = 0;
        size_t len = datetime_format_ms(out, ms);
        CU_ASSERT_FATAL(len == 24 && out[23] == 'Z');
        CU_ASSERT_FATAL(datetime_parse(span_of(out, len), &back));
        int64_t thousandths = (out[20] - '0') * 100 + (out[21] - '0') * 10 + (out[22] - '0');
        CU_ASSERT_EQUAL_FATAL(back * 1000 + thousandths, ms);
    }
}

static bool parses_to(const char *text, int64_t expected) {
    int64_t got = -1;
    return datetime_parse(span_str(text), &got) && got == expected;
}

static void test_rfc_3339(void) {
    CU_ASSERT(parses_to("1970-01-01", 0));
    CU_ASSERT(parses_to("2027-06-01", 1811808000));
    CU_ASSERT(parses_to("2027-06-01T12:00:00Z", 1811851200));
    CU_ASSERT(parses_to("2027-06-01t12:00:00z", 1811851200));
    CU_ASSERT(parses_to("2027-06-01T14:00:00+02:00", 1811851200));
    CU_ASSERT(parses_to("2027-06-01T00:30:00-11:30", 1811851200));
    CU_ASSERT(parses_to("2027-06-01T12:00:00-00:00", 1811851200));
    CU_ASSERT(parses_to("2027-06-01T12:00:00.999999999999Z", 1811851200));
    CU_ASSERT(parses_to("1969-12-31T23:59:59.5Z", -1));
    CU_ASSERT(parses_to("2016-12-31T23:59:60Z", 1483228800));
    CU_ASSERT(parses_to("2017-01-01T00:59:60+01:00", 1483228800));
    CU_ASSERT(parses_to("2024-02-29", 1709164800));
    CU_ASSERT(parses_to("0000-01-01", -62167219200));
    CU_ASSERT(parses_to("9999-12-31T23:59:59Z", 253402300799));
}

static void test_refuses(void) {
    const char *bad[] = {"",
                         "2027",
                         "2027-6-1",
                         "2027-13-01",
                         "2027-00-01",
                         "2027-02-29",
                         "1900-02-29",
                         "2027-04-31",
                         "2027-01-00",
                         "2027-06-01 12:00:00Z",
                         "2027-06-01T12:00:00",
                         "2027-06-01T12:00Z",
                         "2027-06-01T24:00:00Z",
                         "2027-06-01T12:60:00Z",
                         "2027-06-01T12:00:60Z",
                         "2027-06-01T12:59:60Z",
                         "2027-06-01T12:00:00.Z",
                         "2027-06-01T12:00:00+0200",
                         "2027-06-01T12:00:00+24:00",
                         "2027-06-01T12:00:00+02:60",
                         "2027-06-01T12:00:00Z ",
                         "+027-06-01",
                         "2027-06-01Z",
                         "0000-01-01T00:00:00+00:01",
                         "9999-12-31T23:59:59-00:01"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        int64_t at = 42;
        CU_ASSERT_FALSE(datetime_parse(span_str(bad[i]), &at));
        CU_ASSERT_EQUAL(at, 42);
    }
    /* Cut anywhere but after the date, it is refused. */
    struct span whole = span_str("2027-06-01T12:00:00.5+02:00");
    for (size_t cut = 0; cut < whole.len; cut++) {
        int64_t at = 0;
        CU_ASSERT_EQUAL(datetime_parse(span_of(whole.data, cut), &at), cut == 10);
    }
}

static void test_asn1(void) {
    int64_t at = 42;
    CU_ASSERT(datetime_parse_utc_time(span_str("500101000000Z"), &at));
    CU_ASSERT_EQUAL(at, -631152000);
    CU_ASSERT(datetime_parse_utc_time(span_str("491231235959Z"), &at));
    CU_ASSERT_EQUAL(at, 2524607999);
    CU_ASSERT(datetime_parse_utc_time(span_str("270601120000Z"), &at));
    CU_ASSERT_EQUAL(at, 1811851200);
    CU_ASSERT(datetime_parse_generalized_time(span_str("20500101000000Z"), &at));
    CU_ASSERT_EQUAL(at, 2524608000);
    CU_ASSERT(datetime_parse_generalized_time(span_str("99991231235959Z"), &at));
    CU_ASSERT_EQUAL(at, 253402300799);
    const char *bad[] = {"",
                         "2706011200Z",
                         "270601120000",
                         "270601120000Z0",
                         "270601120000+0000",
                         "271301120000Z",
                         "270229120000Z",
                         "270601240000Z",
                         "270601126000Z",
                         "270601120060Z",
                         "27060112000aZ",
                         "270601120000z"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        char generalized[32];
        snprintf(generalized, sizeof generalized, "20%s", bad[i]);
        at = 42;
        CU_ASSERT_FALSE(datetime_parse_utc_time(span_str(bad[i]), &at));
        CU_ASSERT_FALSE(datetime_parse_generalized_time(span_str(generalized), &at));
        CU_ASSERT_EQUAL(at, 42);
    }
    CU_ASSERT_FALSE(datetime_parse_generalized_time(span_str("20270601120000.5Z"), &at));
}

static void test_format_edges(void) {
    char out[DATETIME_LEN_MAX];
    CU_ASSERT_EQUAL(datetime_format(out, DATETIME_NONE), 0);
    CU_ASSERT_STRING_EQUAL(out, "");
    CU_ASSERT_EQUAL(datetime_format_ms(out, DATETIME_NONE), 0);
    CU_ASSERT_EQUAL(datetime_format_date(out, DATETIME_NONE), 0);
    CU_ASSERT_EQUAL(datetime_format_date(out, 1811851200), 10);
    CU_ASSERT_STRING_EQUAL(out, "2027-06-01");
    datetime_format_ms(out, -1);
    CU_ASSERT_STRING_EQUAL(out, "1969-12-31T23:59:59.999Z");
    datetime_format(out, INT64_MAX);
    CU_ASSERT_STRING_EQUAL(out, "9999-12-31T23:59:59Z");
    datetime_format(out, INT64_MIN + 1);
    CU_ASSERT_STRING_EQUAL(out, "0000-01-01T00:00:00Z");
    datetime_format_ms(out, INT64_MAX);
    CU_ASSERT_STRING_EQUAL(out, "9999-12-31T23:59:59.999Z");
    datetime_format_ms(out, INT64_MIN + 1);
    CU_ASSERT_STRING_EQUAL(out, "0000-01-01T00:00:00.000Z");
}

SUITE_MAIN("datetime", {"every day", test_every_day}, {"random seconds", test_random_seconds},
           {"rfc 3339", test_rfc_3339}, {"refuses", test_refuses}, {"asn.1 times", test_asn1},
           {"format edges", test_format_edges})
