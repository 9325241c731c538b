#include "engine/codec/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/attributes.h"
#include "engine/base/clock.h"
#include "engine/base/rng.h"
#include "tests/support/suite.h"

static bool decodes_to(bool (*decode)(struct span, uint8_t *, size_t, size_t *), const char *text,
                       const void *bytes, size_t len) {
    uint8_t out[64];
    size_t out_len = 77;
    return decode(span_str(text), out, sizeof out, &out_len) &&
           span_equal(span_of(out, out_len), span_of(bytes, len));
}

/* Refused, and neither the buffer nor the length is touched. */
static bool refuses(bool (*decode)(struct span, uint8_t *, size_t, size_t *), struct span text,
                    size_t cap) {
    uint8_t out[64], before[64];
    memset(out, 0xA5, sizeof out);
    memset(before, 0xA5, sizeof before);
    size_t out_len = 77;
    return !decode(text, out, cap, &out_len) && out_len == 77 &&
           memcmp(out, before, sizeof out) == 0;
}

static void test_hex(void) {
    char out[16];
    CU_ASSERT_EQUAL(hex_encode(out, span_of("\x00\x1f\xab\xff", 4)), 8);
    CU_ASSERT(memcmp(out, "001fabff", 8) == 0);
    CU_ASSERT_EQUAL(hex_encode(out, span_of(NULL, 0)), 0);
    CU_ASSERT(decodes_to(hex_decode, "001fabFF", "\x00\x1f\xab\xff", 4));
    CU_ASSERT(decodes_to(hex_decode, "", "", 0));
    const char *bad[] = {"0", "001", "0g", " 00", "0:", "00\xff\xff", "x0", "@0", "0`", "/0"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        CU_ASSERT(refuses(hex_decode, span_str(bad[i]), 64));
    }
    CU_ASSERT(refuses(hex_decode, span_of("00\0\0", 4), 64));
    CU_ASSERT(refuses(hex_decode, span_str("001122"), 2));
}

/* RFC 4648 section 10. */
static void test_base64_vectors(void) {
    const char *vectors[][2] = {{"", ""},
                                {"f", "Zg=="},
                                {"fo", "Zm8="},
                                {"foo", "Zm9v"},
                                {"foob", "Zm9vYg=="},
                                {"fooba", "Zm9vYmE="},
                                {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        char out[16];
        size_t len = base64_encode(out, span_str(vectors[i][0]));
        CU_ASSERT(span_equal_str(span_of(out, len), vectors[i][1]));
        CU_ASSERT_EQUAL(len, BASE64_LEN(strlen(vectors[i][0])));
        CU_ASSERT(decodes_to(base64_decode, vectors[i][1], vectors[i][0], strlen(vectors[i][0])));
    }
    CU_ASSERT_EQUAL(BASE64_LEN(32), BASE64_SHA256_LEN);
    CU_ASSERT(decodes_to(base64_decode, "+/+/", "\xfb\xff\xbf", 3));
    const char *alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[48];
    char out[64];
    size_t len = 0;
    CU_ASSERT_FATAL(base64_decode(span_str(alphabet), bytes, sizeof bytes, &len) && len == 48);
    CU_ASSERT_EQUAL(bytes[0] << 16 | bytes[1] << 8 | bytes[2], 0x001083);
    CU_ASSERT_EQUAL(bytes[45] << 16 | bytes[46] << 8 | bytes[47], 0xF3DFBF);
    CU_ASSERT(span_equal_str(span_of(out, base64_encode(out, span_of(bytes, len))), alphabet));
}

static void test_base64_refuses(void) {
    const char *bad[] = {"Z",        "Zg",       "Zg=",   "Zg===",  "Zh==",
                         "Zm9=",     "Zm9v=",    "====",  "=",      "Z===",
                         "Zg==Zg==", "Zm8 ",     "Zm\n8", "Zm9v\n", "-_-_",
                         "Zm9vY===", "Zm9v====", "Z=g=",  "Zg=A",   "Zm9v\xff\xff\xff\xff"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        CU_ASSERT(refuses(base64_decode, span_str(bad[i]), 64));
    }
    CU_ASSERT(refuses(base64_decode, span_str("Zm9vYmFy"), 5));
    CU_ASSERT(refuses(base64_decode, span_of("Zm9\0", 4), 64));
    struct span pin = span_str("C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=");
    for (size_t cut = 1; cut < pin.len; cut++) {
        uint8_t out[64];
        size_t len = 0;
        /* Cut after a whole group it is good text of another length; anywhere else it is none. */
        bool good = base64_decode(span_of(pin.data, cut), out, sizeof out, &len);
        CU_ASSERT_EQUAL(good, cut % 4 == 0);
        CU_ASSERT_NOT_EQUAL(len, 32);
    }
}

static void test_random_round_trips(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[48], back[48];
        char text[100];
        size_t len = rng_below(&rng, sizeof bytes + 1), back_len = 0;
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)rng_next(&rng);
        }
        size_t text_len = hex_encode(text, span_of(bytes, len));
        CU_ASSERT_FATAL(hex_decode(span_of(text, text_len), back, sizeof back, &back_len));
        CU_ASSERT_FATAL(span_equal(span_of(bytes, len), span_of(back, back_len)));
        text_len = base64_encode(text, span_of(bytes, len));
        CU_ASSERT_FATAL(base64_decode(span_of(text, text_len), back, len, &back_len));
        CU_ASSERT_FATAL(span_equal(span_of(bytes, len), span_of(back, back_len)));
        /* Strict: whatever still decodes after a change of one character is another value's text.
         */
        if (text_len > 0) {
            text[rng_below(&rng, (uint32_t)text_len)] = (char)rng_next(&rng);
            if (base64_decode(span_of(text, text_len), back, sizeof back, &back_len)) {
                char again[100];
                size_t again_len = base64_encode(again, span_of(back, back_len));
                CU_ASSERT_FATAL(span_equal(span_of(text, text_len), span_of(again, again_len)));
            }
        }
    }
}

static void test_u64(void) {
    uint64_t value = 5;
    CU_ASSERT(text_parse_u64(span_str("0"), 10, &value));
    CU_ASSERT_EQUAL(value, 0);
    CU_ASSERT(text_parse_u64(span_str("65535"), 65535, &value));
    CU_ASSERT_EQUAL(value, 65535);
    CU_ASSERT(text_parse_u64(span_str("18446744073709551615"), UINT64_MAX, &value));
    CU_ASSERT_EQUAL(value, UINT64_MAX);
    CU_ASSERT(text_parse_u64(span_str("00000000000000000000000007"), UINT64_MAX, &value));
    CU_ASSERT_EQUAL(value, 7);
    const char *bad[] = {"", "-1", "+1", " 1", "1 ", "1a", "0x1", "18446744073709551616", "1.0"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        CU_ASSERT_FALSE(text_parse_u64(span_str(bad[i]), UINT64_MAX, &value));
    }
    CU_ASSERT_FALSE(text_parse_u64(span_str("65536"), 65535, &value));
    CU_ASSERT_EQUAL(value, 7);
}

static void test_format_u64(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (int round = 0; round < 20000; round++) {
        uint64_t value = rng_next(&rng) >> rng_below(&rng, 64);
        char out[TEXT_U64_LEN_MAX], expected[32];
        size_t len = text_format_u64(out, value);
        snprintf(expected, sizeof expected, "%" PRIu64, value);
        CU_ASSERT_FATAL(span_equal_str(span_of(out, len), expected));
    }
    char out[TEXT_U64_LEN_MAX];
    CU_ASSERT_EQUAL(text_format_u64(out, UINT64_MAX), 20);
    CU_ASSERT_EQUAL(text_format_u64(out, 0), 1);
    CU_ASSERT_EQUAL(out[0], '0');
}

static void test_duration(void) {
    const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"10", 10 * NS_PER_S},
                {"1.5", 1500 * NS_PER_MS},
                {"200ms", 200 * NS_PER_MS},
                {"2m", 120 * NS_PER_S},
                {"1h", 3600 * NS_PER_S},
                {"1.5h", 5400 * NS_PER_S},
                {"2d", 172800 * NS_PER_S},
                {"0", 0},
                {"0.000000001s", 1},
                {"0.5ms", 500000},
                {"9223372036", 9223372036 * NS_PER_S}};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        uint64_t ns = 1;
        CU_ASSERT(text_parse_duration(span_str(good[i].text), &ns));
        CU_ASSERT_EQUAL(ns, good[i].ns);
    }
    const char *bad[] = {
        "",    "s",          ".5",           "1.",           "1.s",  "-1",
        "+1",  "1 s",        "1S",           "1us",          "1w",   "1.5.5",
        "1e3", "9223372037", "99999999999d", "0.0000000001", "1ms ", "18446744073709551616"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        uint64_t ns = 42;
        CU_ASSERT_FALSE(text_parse_duration(span_str(bad[i]), &ns));
        CU_ASSERT_EQUAL(ns, 42);
    }
}

static void test_ignore_case(void) {
    CU_ASSERT(text_equal_ignore_case(span_str("API.Bank.example"), span_str("api.bank.EXAMPLE")));
    CU_ASSERT(text_equal_ignore_case(span_str(""), span_of(NULL, 0)));
    CU_ASSERT_FALSE(text_equal_ignore_case(span_str("a"), span_str("ab")));
    /* Pairs that differ by 0x20 without being letters. */
    CU_ASSERT_FALSE(text_equal_ignore_case(span_str("@["), span_str("`{")));
    CU_ASSERT_FALSE(text_equal_ignore_case(span_str("\xC1"), span_str("\xE1")));
}

static void test_utf8(void) {
    const char *good[] = {"", "plain ASCII that is longer than eight bytes", "\xC2\x80 \xDF\xBF",
                          "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF",
                          "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        CU_ASSERT(text_is_utf8(span_str(good[i])));
    }
    const char *bad[] = {"\x80",         "\xC0\x80",         "\xC1\xBF",         "\xC2",
                         "\xE0\x9F\xBF", "\xED\xA0\x80",     "\xEF\xBF",         "\xF0\x8F\xBF\xBF",
                         "\xF5",         "\xF4\x90\x80\x80", "\xF0\x90\x80",     "\xFF",
                         "\xC2\x41",     "1234567\xE2\x82",  "12345678\xE2\x82", "\xFE\xFE"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        CU_ASSERT_FALSE(text_is_utf8(span_str(bad[i])));
    }
}

/* Every scalar value encodes to one well-formed sequence; the example of Unicode 3.9, table 3-11.
 */
static void test_utf8_steps(void) {
    for (uint32_t c = 0; c <= 0x110000; c++) {
        char out[4];
        size_t len = text_utf8_encode(out, c);
        bool well_formed = false;
        CU_ASSERT_FATAL(text_utf8_step(span_of(out, len), &well_formed) == len && well_formed);
        bool scalar = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        CU_ASSERT_FATAL(scalar || (len == 3 && memcmp(out, "\xEF\xBF\xBD", 3) == 0));
    }
    struct span rest = span_str("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64");
    const struct {
        size_t len;
        bool well_formed;
    } steps[] = {{1, true},  {3, false}, {2, false}, {1, false}, {1, true},
                 {1, false}, {1, true},  {1, false}, {1, false}, {1, true}};
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        bool well_formed = !steps[i].well_formed;
        CU_ASSERT_FATAL(rest.len > 0);
        size_t len = text_utf8_step(rest, &well_formed);
        CU_ASSERT_EQUAL(len, steps[i].len);
        CU_ASSERT_EQUAL(well_formed, steps[i].well_formed);
        span_take(&rest, len);
    }
    CU_ASSERT_EQUAL(rest.len, 0);
}

SUITE_MAIN("text", {"hex", test_hex}, {"base64 vectors", test_base64_vectors},
           {"base64 refuses", test_base64_refuses}, {"random round trips", test_random_round_trips},
           {"unsigned numbers", test_u64}, {"format numbers", test_format_u64},
           {"durations", test_duration}, {"ignore case", test_ignore_case}, {"utf-8", test_utf8},
           {"utf-8 steps", test_utf8_steps})
