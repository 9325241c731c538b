#include "engine/codec/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/attributes.h"
#include "engine/base/rng.h"
#include "engine/codec/datetime.h"
#include "tests/support/strict_json.h"
#include "tests/support/suite.h"

#define REPLACEMENT "\xEF\xBF\xBD"

/* The line of one string in an array. */
static struct span string_line(char *buffer, size_t capacity, struct span text) {
    struct json json;
    json_init(&json, buffer, capacity);
    json_array_begin(&json);
    json_string(&json, text);
    json_array_end(&json);
    return span_of(buffer, json_finish_line(&json));
}

static bool string_is(struct span text, const char *expected) {
    char buffer[256], line[256];
    snprintf(line, sizeof line, "[\"%s\"]\n", expected);
    return span_equal_str(string_line(buffer, sizeof buffer, text), line);
}

static void test_strings(void) {
    CU_ASSERT(string_is(span_str(""), ""));
    CU_ASSERT(string_is(span_of(NULL, 0), ""));
    CU_ASSERT(
        string_is(span_str("plain text of more than eight"), "plain text of more than eight"));
    CU_ASSERT(string_is(span_str("a\"b\\c/d"), "a\\\"b\\\\c/d"));
    CU_ASSERT(string_is(span_str("\b\t\n\f\r"), "\\b\\t\\n\\f\\r"));
    CU_ASSERT(string_is(span_of("\0\x01\x1f\x7f", 4), "\\u0000\\u0001\\u001f\x7f"));
    /* C1: a terminal may take U+009B for ESC [ */
    CU_ASSERT(string_is(span_str("a\xC2\x80\xC2\x9B"
                                 "31m\xC2\x9F\xC2\xA0"),
                        "a\\u0080\\u009b31m\\u009f\xC2\xA0"));
    CU_ASSERT(string_is(span_str("caf\xC3\xA9 \xF0\x9F\x94\x91"), "caf\xC3\xA9 \xF0\x9F\x94\x91"));
}

static void test_broken_utf8(void) {
    CU_ASSERT(string_is(span_str("\xFF"), REPLACEMENT));
    CU_ASSERT(string_is(span_str("a\xC3"), "a" REPLACEMENT));
    CU_ASSERT(string_is(span_str("\xC3\"x"), REPLACEMENT "\\\"x"));
    CU_ASSERT(string_is(span_str("\xED\xA0\x80"), REPLACEMENT REPLACEMENT REPLACEMENT));
    CU_ASSERT(string_is(span_str("\xC0\x80"), REPLACEMENT REPLACEMENT));
    CU_ASSERT(string_is(span_str("\xF0\x9F\x94!"), REPLACEMENT "!"));
    /* Unicode 3.9, table 3-11 */
    CU_ASSERT(string_is(span_str("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
                        "a" REPLACEMENT REPLACEMENT REPLACEMENT "b" REPLACEMENT
                        "c" REPLACEMENT REPLACEMENT "d"));
}

/* Each byte value at each place of texts of each length around the word sizes. */
static void test_every_byte_at_every_place(void) {
    for (size_t len = 1; len <= 27; len++) {
        for (size_t at = 0; at < len; at++) {
            for (unsigned c = 0; c < 256; c++) {
                char text[32], buffer[64], expected[64], escape[8];
                memset(text, 'x', sizeof text);
                text[at] = (char)c;
                if (c == '"' || c == '\\') {
                    snprintf(escape, sizeof escape, "\\%c", (char)c);
                } else if (c >= 0x80) {
                    snprintf(escape, sizeof escape, REPLACEMENT);
                } else if (c < 0x20 && strchr("\b\t\n\f\r", (int)c) != NULL && c != 0) {
                    snprintf(escape, sizeof escape, "\\%c", "btn?fr"[c - 8]);
                } else if (c < 0x20) {
                    snprintf(escape, sizeof escape, "\\u%04x", c);
                } else {
                    snprintf(escape, sizeof escape, "%c", (char)c);
                }
                int expected_len =
                    snprintf(expected, sizeof expected, "[\"%.*s%s%.*s\"]\n", (int)at, text, escape,
                             (int)(len - at - 1), text + at + 1);
                struct span line = string_line(buffer, sizeof buffer, span_of(text, len));
                CU_ASSERT_FATAL(span_equal(line, span_of(expected, (size_t)expected_len)));
            }
        }
    }
}

static void write_everything(struct json *json) {
    json_object_begin(json);
    json_key_u64(json, "schema", 1);
    json_key_text(json, "none", NULL);
    json_key_text(json, "text", "a \"quoted\" text");
    json_key_string(json, "span", span_str("tab\there"));
    json_key_span(json, span_str("key\n\"of\" theirs"));
    json_null(json);
    json_key(json, "numbers");
    json_array_begin(json);
    json_i64(json, INT64_MIN);
    json_i64(json, INT64_MAX);
    json_i64(json, -1);
    json_u64(json, UINT64_MAX);
    json_array_end(json);
    json_key(json, "milli");
    json_array_begin(json);
    const int64_t milli[] = {0, 1900, 100, -1000, 1, -1, 10, 12345, -500, 1000000, 1050};
    for (size_t i = 0; i < ARRAY_COUNT(milli); i++) {
        json_milli(json, milli[i]);
    }
    json_array_end(json);
    json_key(json, "empty");
    json_array_begin(json);
    json_object_begin(json);
    json_object_end(json);
    json_array_begin(json);
    json_array_end(json);
    json_array_end(json);
    json_key_bool(json, "yes", true);
    json_key_bool(json, "no", false);
    json_key_i64(json, "signed", -42);
    json_key(json, "hex");
    json_hex(json, span_of("\x00\x9a\xff\x10\x01", 5));
    json_key(json, "base64");
    json_base64(json, span_str("foob"));
    json_key(json, "pin");
    json_prefixed_base64(json, "sha256/", span_str("fooba"));
    json_key(json, "times");
    json_array_begin(json);
    json_time_s(json, 1811851200);
    json_time_ms(json, 1811851200123);
    json_time_s(json, DATETIME_NONE);
    json_array_end(json);
    json_object_end(json);
}

static const char everything[] =
    "{\"schema\":1,\"none\":\"\",\"text\":\"a \\\"quoted\\\" text\",\"span\":\"tab\\there\","
    "\"key\\n\\\"of\\\" theirs\":null,\"numbers\":[-9223372036854775808,9223372036854775807,-1,"
    "18446744073709551615],\"milli\":[0,1.9,0.1,-1,0.001,-0.001,0.01,12.345,-0.5,1000,1.05],"
    "\"empty\":[{},[]],\"yes\":true,\"no\":false,\"signed\":-42,\"hex\":\"009aff1001\","
    "\"base64\":\"Zm9vYg==\",\"pin\":\"sha256/Zm9vYmE=\","
    "\"times\":[\"2027-06-01T12:00:00Z\",\"2027-06-01T12:00:00.123Z\",null]}\n";

static void test_everything(void) {
    char buffer[1024];
    struct json json;
    json_init(&json, buffer, sizeof buffer);
    write_everything(&json);
    struct span line = span_of(buffer, json_finish_line(&json));
    CU_ASSERT(span_equal_str(line, everything));
    CU_ASSERT(strict_json_line(line));
}

/* An exact allocation of every size: the sanitizer sees a byte past the end, and a line is whole or
   refused. */
static void test_overflow(void) {
    size_t len = sizeof everything - 1;
    for (size_t capacity = 0; capacity <= len + 32; capacity++) {
        char *buffer = malloc(capacity + 1);
        memset(buffer, 0x5A, capacity + 1);
        struct json json;
        json_init(&json, buffer, capacity);
        write_everything(&json);
        size_t written = json_finish_line(&json);
        CU_ASSERT(written == 0 || written == len);
        CU_ASSERT(written == 0 || memcmp(buffer, everything, len) == 0);
        CU_ASSERT(capacity < len + 32 || written == len);
        CU_ASSERT(capacity >= len || written == 0);
        CU_ASSERT_EQUAL(buffer[capacity], 0x5A);
        free(buffer);
    }
}

static void test_overflow_in_strings(void) {
    struct span text = span_str("abcdefgh\"\x01\xFFijklmnopqrstuvwxyz\xC3\xA9 0123456789");
    char whole[128];
    size_t len = string_line(whole, sizeof whole, text).len;
    CU_ASSERT_NOT_EQUAL_FATAL(len, 0);
    for (size_t capacity = 0; capacity < len + 8; capacity++) {
        char *buffer = malloc(capacity + 1);
        struct span line = string_line(buffer, capacity, text);
        CU_ASSERT(line.len == 0 || span_equal(line, span_of(whole, len)));
        CU_ASSERT(capacity >= len || line.len == 0);
        free(buffer);
    }
    CU_ASSERT_EQUAL(string_line(whole, len + 32, text).len, len);
}

/* Random bytes give strict JSON; what was UTF-8 comes back from cJSON as it was. */
static void test_random_strings(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (int round = 0; round < 20000; round++) {
        uint8_t text[64];
        char buffer[512];
        size_t len = rng_below(&rng, sizeof text);
        bool ascii = rng_below(&rng, 2) == 0;
        for (size_t i = 0; i < len; i++) {
            text[i] = (uint8_t)(ascii ? 1 + rng_below(&rng, 127) : rng_next(&rng));
        }
        struct span line = string_line(buffer, sizeof buffer, span_of(text, len));
        CU_ASSERT_FATAL(strict_json_line(line));
        if (ascii) {
            cJSON *parsed = cJSON_ParseWithLength(buffer, line.len);
            const char *back = cJSON_GetStringValue(cJSON_GetArrayItem(parsed, 0));
            CU_ASSERT_PTR_NOT_NULL_FATAL(back);
            CU_ASSERT_FATAL(span_equal(span_str(back), span_of(text, len)));
            cJSON_Delete(parsed);
        }
    }
}

static void test_judge_is_strict(void) {
    const char *bad[] = {"",          "{}",       "{}\n\n", "{} \n",           "[1,]\n",
                         "{\"a\"}\n", "[01]\n",   "[1.]\n", "[\"\t\"]\n",      "[\"\\x\"]\n",
                         "[\"a]\n",   "[tru]\n",  "[-]\n",  "[\"\\ud800\"]\n", "[\"\xFF\"]\n",
                         "{,}\n",     "[1 ,2]\n", "[\"\\\n"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        CU_ASSERT_FALSE(strict_json_line(span_str(bad[i])));
    }
    CU_ASSERT(strict_json_line(span_str("{\"a\":[1,-0.5e+3,true,null,\"\\u001f\"],\"b\":{}}\n")));
}

SUITE_MAIN("json", {"strings", test_strings}, {"broken utf-8", test_broken_utf8},
           {"every byte at every place", test_every_byte_at_every_place},
           {"everything", test_everything}, {"overflow", test_overflow},
           {"overflow in strings", test_overflow_in_strings},
           {"random strings", test_random_strings}, {"judge is strict", test_judge_is_strict})
