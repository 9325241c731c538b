#include "engine/codec/hostname.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/attributes.h"
#include "engine/base/rng.h"
#include "tests/support/suite.h"

static void check_name(const char *text, const char *expected) {
    char out[HOST_MAX + 1] = "";
    size_t len = 0;
    const char *why = "";
    bool good = hostname_to_ascii(span_str(text), out, &len, &why);
    if (!good || strcmp(out, expected) != 0 || len != strlen(expected)) {
        printf("  \"%s\" -> \"%s\" (%s), expected \"%s\"\n", text, out, why, expected);
        CU_FAIL("name");
    }
}

static void check_bad(struct span text, const char *reason) {
    char out[HOST_MAX + 1] = "kept";
    size_t len = 99;
    const char *why = "";
    bool good = hostname_to_ascii(text, out, &len, &why);
    if (good || strstr(why, reason) == NULL || strcmp(out, "kept") != 0 || len != 99) {
        printf("  \"%.*s\": %s, expected \"%s\"\n", (int)text.len, (const char *)text.data,
               good ? "accepted" : why, reason);
        CU_FAIL("bad name");
    }
}

static void test_ascii(void) {
    check_name("Api.Bank.EXAMPLE", "api.bank.example");
    check_name("api.bank.example.", "api.bank.example");
    check_name("_dmarc.x-1.example", "_dmarc.x-1.example");
    check_name("localhost", "localhost");
    check_name("r3---sn-xyz.example", "r3---sn-xyz.example");
    check_name("XN--Bcher-kva.example", "xn--bcher-kva.example");
    check_name("1.2.3.4", "1.2.3.4");
    check_name("1password.example", "1password.example");
}

static void test_unicode(void) {
    check_name("bücher.example", "xn--bcher-kva.example");
    check_name("BÜCHER.example", "xn--bcher-kva.example");
    check_name("bu\xcc\x88"
               "cher.example",
               "xn--bcher-kva.example");
    check_name("straße.example", "xn--strae-oqa.example"); /* non-transitional: not "strasse" */
    check_name("例え。テスト", "xn--r8jz45g.xn--zckzah");
    check_name("ａｂｃ.example", "abc.example");
}

static void test_bad(void) {
    check_bad(span_str(""), "empty host name");
    check_bad(span_str("."), "empty host name");
    check_bad(span_str("a..b"), "empty label");
    check_bad(span_str(".a"), "empty label");
    check_bad(span_str("a.."), "empty label");
    check_bad(span_str("a b"), "white space");
    check_bad(span_str("*.a"), "wildcard");
    check_bad(span_str("a/b"), "\"/\"");
    check_bad(span_str("a:b"), "\":\"");
    check_bad(span_str("a@b"), "\"@\"");
    check_bad(span_str("a$b"), "no host name has");
    check_bad(span_of("a\0b", 3), "NUL");
    check_bad(span_of("\xc3\xbc\0b", 4), "NUL");
    check_bad(span_str("1.2.3"), "not a valid IPv4 address");
    check_bad(span_str("300.1.1.1"), "not a valid IPv4 address");
    check_bad(span_str("010.0.0.1"), "not a valid IPv4 address");
    check_bad(span_str("2130706433"), "not a valid IPv4 address");
    check_bad(span_str("\xff\xfe.example"), "UTF-8");
    check_bad(span_str("a／b.example"), "");
    check_bad(span_str("ü..example"), "");
}

static void test_lengths(void) {
    char text[1200];
    memset(text, 'a', sizeof text);
    check_bad(span_of(text, 64), "63");
    char out[HOST_MAX + 1];
    size_t len;
    const char *why;
    CU_ASSERT_TRUE(hostname_to_ascii(span_of(text, 63), out, &len, &why));
    CU_ASSERT_EQUAL(len, 63);
    for (size_t i = 49; i < sizeof text; i += 50) {
        text[i] = '.';
    }
    CU_ASSERT_TRUE(hostname_to_ascii(span_of(text, 253), out, &len, &why));
    CU_ASSERT_EQUAL(len, 253);
    check_bad(span_of(text, 254), "253");
    text[253] = '.';
    CU_ASSERT_TRUE(hostname_to_ascii(span_of(text, 254), out, &len, &why));
    text[0] = (char)0xc3;
    text[1] = (char)0xbc;
    check_bad(span_of(text, 1200), "253");
    check_bad(span_of(text, 300), "");
}

static bool matches(const char *pattern, const char *host) {
    return hostname_matches(span_str(pattern), span_str(host));
}

static void test_matches(void) {
    CU_ASSERT_TRUE(matches("API.bank.example", "api.Bank.example"));
    CU_ASSERT_TRUE(matches("*.bank.example", "api.bank.example"));
    CU_ASSERT_TRUE(matches("*.bank.example", "xn--bcher-kva.bank.example"));
    CU_ASSERT_FALSE(matches("*.bank.example", "bank.example"));
    CU_ASSERT_FALSE(matches("*.bank.example", ".bank.example"));
    CU_ASSERT_FALSE(matches("*.bank.example", "a.b.bank.example"));
    CU_ASSERT_FALSE(matches("a*.bank.example", "api.bank.example"));
    CU_ASSERT_FALSE(matches("api.*.example", "api.bank.example"));
    CU_ASSERT_FALSE(matches("*.*.example", "api.bank.example"));
    CU_ASSERT_FALSE(matches("*", "localhost"));
    CU_ASSERT_FALSE(matches("*.", "localhost."));
    CU_ASSERT_FALSE(matches("", ""));
    CU_ASSERT_FALSE(matches("*.0.2.1", "192.0.2.1"));
    CU_ASSERT_FALSE(matches("192.0.2.1", "192.0.2.1"));
    CU_ASSERT_FALSE(hostname_matches(span_of("a\0.b", 4), span_of("a\0.b", 4)));
    CU_ASSERT_FALSE(hostname_matches(span_of("bank.example\0.evil", 18), span_str("bank.example")));
}

/* Whatever goes in, what comes out is a canonical name that maps to itself. */
static void test_random(void) {
    static const char *const pieces[] = {"a",    "Z", "-",    ".", "_",  "1", "\xc3\xbc",    "。",
                                         "xn--", "ß", "\xff", " ", "例", "٠", "\xe2\x80\x8d"};
    struct rng rng;
    rng_init(&rng, suite_seed());
    unsigned accepted = 0;
    for (int round = 0; round < 50000; round++) {
        char text[256] = "";
        for (uint32_t i = rng_below(&rng, 12); i > 0; i--) {
            strcat(text, pieces[rng_below(&rng, ARRAY_COUNT(pieces))]);
        }
        size_t len = strlen(text);
        char *copy = malloc(len > 0 ? len : 1);
        memcpy(copy, text, len);
        char out[HOST_MAX + 1], again[HOST_MAX + 1];
        size_t out_len, again_len;
        const char *why = NULL;
        if (hostname_to_ascii(span_of(copy, len), out, &out_len, &why)) {
            accepted++;
            CU_ASSERT_TRUE_FATAL(hostname_to_ascii(span_str(out), again, &again_len, &why));
            CU_ASSERT_STRING_EQUAL(out, again);
            CU_ASSERT_EQUAL(out_len, strlen(out));
        } else {
            CU_ASSERT_PTR_NOT_NULL(why);
        }
        free(copy);
    }
    CU_ASSERT(accepted > 1000);
}

SUITE_MAIN("hostname", {"ASCII", test_ascii}, {"Unicode", test_unicode}, {"bad names", test_bad},
           {"lengths", test_lengths}, {"matches", test_matches}, {"random", test_random})
