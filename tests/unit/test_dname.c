#include "engine/codec/dname.h"

#include <openssl/bio.h>
#include <openssl/mem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/attributes.h"
#include "engine/base/rng.h"
#include "engine/codec/text.h"
#include "tests/support/suite.h"

enum { UTF8 = 0x0c, PRINTABLE = 0x13, T61 = 0x14, IA5 = 0x16, UNIVERSAL = 0x1c, BMP = 0x1e };

/* A Name in the making: elements are put in front of what is there, so that lengths are known. */
struct name {
    uint8_t bytes[8192];
    size_t at; /* first byte in use */
};

static void name_init(struct name *name) {
    name->at = sizeof name->bytes;
}

static struct span name_span(const struct name *name) {
    return span_of(name->bytes + name->at, sizeof name->bytes - name->at);
}

static void prepend(struct name *name, const void *bytes, size_t len) {
    CHECK(len <= name->at);
    name->at -= len;
    if (len > 0) {
        memcpy(name->bytes + name->at, bytes, len);
    }
}

/* The header of an element that holds everything from here to `end`. */
static void wrap(struct name *name, uint8_t tag, size_t end) {
    size_t len = end - name->at;
    uint8_t header[4] = {tag, 0x82, (uint8_t)(len >> 8), (uint8_t)len};
    uint8_t middle[3] = {tag, 0x81, (uint8_t)len};
    uint8_t small[2] = {tag, (uint8_t)len};
    if (len >= 0x100) {
        prepend(name, header, sizeof header);
    } else if (len >= 0x80) {
        prepend(name, middle, sizeof middle);
    } else {
        prepend(name, small, sizeof small);
    }
}

static void prepend_attribute(struct name *name, struct span oid, uint8_t tag, struct span value) {
    size_t end = name->at;
    prepend(name, value.data, value.len);
    wrap(name, tag, end);
    size_t oid_end = name->at;
    prepend(name, oid.data, oid.len);
    wrap(name, 0x06, oid_end);
    wrap(name, 0x30, end);
}

/* One RDN of one attribute, before the ones that are there. */
static void prepend_rdn(struct name *name, const char *oid, uint8_t tag, struct span value) {
    size_t end = name->at;
    prepend_attribute(name, span_str(oid), tag, value);
    wrap(name, 0x31, end);
}

static void close_name(struct name *name) {
    wrap(name, 0x30, sizeof name->bytes);
}

#define CN "\x55\x04\x03"
#define C "\x55\x04\x06"
#define L "\x55\x04\x07"
#define O "\x55\x04\x0a"
#define OU "\x55\x04\x0b"
#define DC "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"

static bool common_name_is(uint8_t tag, struct span value, const char *text, const char *plain) {
    struct name name;
    char out[DNAME_TEXT_MAX], expected[DNAME_TEXT_MAX];
    name_init(&name);
    prepend_rdn(&name, CN, tag, value);
    close_name(&name);
    snprintf(expected, sizeof expected, "CN=%s", text);
    size_t len = dname_format(out, name_span(&name));
    bool good = len == strlen(out) && strcmp(out, expected) == 0;
    len = dname_short(out, name_span(&name));
    return good && len == strlen(out) && strcmp(out, plain) == 0;
}

static void test_order_and_names(void) {
    struct name name;
    char out[DNAME_TEXT_MAX];
    name_init(&name);
    prepend_rdn(&name, CN, PRINTABLE, span_str("R11"));
    prepend_rdn(&name, O, PRINTABLE, span_str("Let's Encrypt"));
    prepend_rdn(&name, C, PRINTABLE, span_str("US"));
    close_name(&name);
    dname_format(out, name_span(&name));
    CU_ASSERT_STRING_EQUAL(out, "CN=R11,O=Let's Encrypt,C=US");
    dname_short(out, name_span(&name));
    CU_ASSERT_STRING_EQUAL(out, "R11");
    name_init(&name);
    close_name(&name);
    CU_ASSERT_EQUAL(dname_format(out, name_span(&name)), 0);
    CU_ASSERT_STRING_EQUAL(out, "");
    CU_ASSERT_EQUAL(dname_short(out, name_span(&name)), 0);
}

static void test_multi_valued(void) {
    struct name name;
    char out[DNAME_TEXT_MAX];
    name_init(&name);
    prepend_attribute(&name, span_str(CN), UTF8, span_str("a+b"));
    prepend_attribute(&name, span_str(OU), UTF8, span_str("x"));
    wrap(&name, 0x31, sizeof name.bytes);
    prepend_rdn(&name, DC, IA5, span_str("example"));
    close_name(&name);
    dname_format(out, name_span(&name));
    CU_ASSERT_STRING_EQUAL(out, "OU=x+CN=a\\+b,DC=example");
    dname_short(out, name_span(&name));
    CU_ASSERT_STRING_EQUAL(out, "a+b");
}

static void test_unknown_types_and_values(void) {
    struct name name;
    char out[DNAME_TEXT_MAX];
    name_init(&name);
    prepend_rdn(&name, "\x2b\x06\x01\x04\x01\x82\x37\x14", UTF8, span_str("hi"));
    prepend_rdn(&name, "\x88\x37\x03", PRINTABLE, span_str("x")); /* 2.999.3 */
    prepend_rdn(&name, O, 0x02, span_of("\x05", 1));              /* an INTEGER */
    close_name(&name);
    dname_format(out, name_span(&name));
    CU_ASSERT_STRING_EQUAL(out, "1.3.6.1.4.1.311.20=#0c026869,2.999.3=#130178,O=#020105");
    dname_short(out, name_span(&name));
    CU_ASSERT_STRING_EQUAL(out, "#020105");
}

static void test_short(void) {
    struct name name;
    char out[DNAME_TEXT_MAX];
    name_init(&name);
    prepend_rdn(&name, L, UTF8, span_str("Town"));
    prepend_rdn(&name, OU, UTF8, span_str("Unit, of"));
    prepend_rdn(&name, O, UTF8, span_str("Org"));
    close_name(&name);
    dname_short(out, name_span(&name));
    CU_ASSERT_STRING_EQUAL(out, "Unit, of");
    name_init(&name);
    prepend_rdn(&name, O, UTF8, span_str("Org"));
    prepend_rdn(&name, CN, UTF8, span_str("last"));
    prepend_rdn(&name, CN, UTF8, span_str("first"));
    close_name(&name);
    dname_short(out, name_span(&name));
    CU_ASSERT_STRING_EQUAL(out, "last");
}

static void test_escapes(void) {
    CU_ASSERT(common_name_is(UTF8, span_str("a,b;c\"d\\e<f>g+h=i#j"),
                             "a\\,b\\;c\\\"d\\\\e\\<f\\>g\\+h=i#j", "a,b;c\"d\\e<f>g+h=i#j"));
    CU_ASSERT(common_name_is(UTF8, span_str(" a b "), "\\ a b\\ ", " a b "));
    CU_ASSERT(common_name_is(UTF8, span_str("  "), "\\ \\ ", "  "));
    CU_ASSERT(common_name_is(UTF8, span_str(" "), "\\ ", " "));
    CU_ASSERT(common_name_is(UTF8, span_str("#a#"), "\\#a#", "#a#"));
    CU_ASSERT(common_name_is(UTF8, span_str(""), "", ""));
    CU_ASSERT(common_name_is(BMP, span_of("\0#\0 ", 4), "\\#\\ ", "# "));
}

static void test_hostile_values(void) {
    CU_ASSERT(common_name_is(UTF8, span_of("a\0b\n\x1b[2J\x7f", 9), "a\\00b\\0A\\1B[2J\\7F",
                             "a\\00b\\0A\\1B[2J\\7F"));
    CU_ASSERT(common_name_is(UTF8, span_str("\xFF\xC3"), "\\FF\\C3", "\\FF\\C3"));
    CU_ASSERT(common_name_is(UTF8, span_str("\xE2\x80"), "\\E2\\80", "\\E2\\80"));
    CU_ASSERT(common_name_is(UTF8, span_str("\xC2\x9B!"), "\\C2\\9B!", "\\C2\\9B!"));
    CU_ASSERT(common_name_is(IA5, span_str("\x9B!"), "\\C2\\9B!", "\\C2\\9B!"));
    /* right-to-left override, line separator */
    CU_ASSERT(common_name_is(UTF8, span_str("\xE2\x80\xAEx"), "\\E2\\80\\AEx", "\\E2\\80\\AEx"));
    CU_ASSERT(common_name_is(BMP, span_of("\x20\x28", 2), "\\E2\\80\\A8", "\\E2\\80\\A8"));
}

static void test_string_types(void) {
    CU_ASSERT(common_name_is(UTF8, span_str("M\xC3\xBCller"), "M\xC3\xBCller", "M\xC3\xBCller"));
    CU_ASSERT(common_name_is(T61, span_str("M\xFCller"), "M\xC3\xBCller", "M\xC3\xBCller"));
    CU_ASSERT(common_name_is(PRINTABLE, span_str("\xE9"), "\xC3\xA9", "\xC3\xA9"));
    CU_ASSERT(common_name_is(BMP, span_of("\0M\0\xFC\x20\xAC", 6), "M\xC3\xBC\xE2\x82\xAC",
                             "M\xC3\xBC\xE2\x82\xAC"));
    CU_ASSERT(common_name_is(BMP, span_of("\xD8\x3D\xDD\x11", 4), "\xF0\x9F\x94\x91",
                             "\xF0\x9F\x94\x91"));
    CU_ASSERT(common_name_is(UNIVERSAL, span_of("\0\1\xF5\x11\0\0\0,", 8), "\xF0\x9F\x94\x91\\,",
                             "\xF0\x9F\x94\x91,"));
    /* What cannot be converted: odd lengths, lone surrogates, past U+10FFFF. */
    CU_ASSERT(common_name_is(BMP, span_of("\0M\0", 3), "#1e03004d00", "#1e03004d00"));
    CU_ASSERT(common_name_is(BMP, span_of("\xD8\x3D\0M", 4), "#1e04d83d004d", "#1e04d83d004d"));
    CU_ASSERT(common_name_is(BMP, span_of("\xDD\x11", 2), "#1e02dd11", "#1e02dd11"));
    CU_ASSERT(
        common_name_is(UNIVERSAL, span_of("\0\x11\0\0", 4), "#1c0400110000", "#1c0400110000"));
    CU_ASSERT(common_name_is(UNIVERSAL, span_of("\0\0M", 3), "#1c0300004d", "#1c0300004d"));
}

/* What holds for any input: length, end, UTF-8, no control characters. */
static bool is_safe(const char *out, size_t len) {
    bool safe = len < DNAME_TEXT_MAX && strlen(out) == len && text_is_utf8(span_of(out, len));
    for (size_t i = 0; safe && i < len; i++) {
        safe = (uint8_t)out[i] >= 0x20 && out[i] != 0x7F;
    }
    return safe;
}

static void test_cut(void) {
    const char *units[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x94\x91", ",", "\n", "\xFF"};
    const char *texts[] = {"x",   "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x94\x91",
                           "\\,", "\\0A",     "\\FF"};
    for (size_t u = 0; u < ARRAY_COUNT(units); u++) {
        for (size_t count = 120; count < 600; count++) {
            struct name name;
            char value[2500] = "", whole[2500], out[DNAME_TEXT_MAX];
            size_t value_len = 0, whole_len = 3;
            memcpy(whole, "CN=", 3);
            for (size_t i = 0; i < count; i++) {
                memcpy(value + value_len, units[u], strlen(units[u]));
                value_len += strlen(units[u]);
                memcpy(whole + whole_len, texts[u], strlen(texts[u]));
                whole_len += strlen(texts[u]);
            }
            name_init(&name);
            prepend_rdn(&name, CN, UTF8, span_of(value, value_len));
            close_name(&name);
            size_t len = dname_format(out, name_span(&name));
            CU_ASSERT_FATAL(is_safe(out, len));
            if (whole_len < DNAME_TEXT_MAX) {
                CU_ASSERT_FATAL(span_equal(span_of(out, len), span_of(whole, whole_len)));
                continue;
            }
            /* As many whole units as leave room for the dots. */
            size_t kept = (DNAME_TEXT_MAX - 1 - 3 - 3) / strlen(texts[u]) * strlen(texts[u]) + 3;
            CU_ASSERT_EQUAL_FATAL(len, kept + 3);
            CU_ASSERT_FATAL(memcmp(out, whole, kept) == 0 && strcmp(out + kept, "...") == 0);
        }
    }
}

static void test_many_rdns(void) {
    struct name name;
    char out[DNAME_TEXT_MAX];
    name_init(&name);
    for (int i = 0; i < 600; i++) {
        prepend_rdn(&name, L, UTF8, span_str(i == 0 ? "last" : ""));
    }
    close_name(&name);
    size_t len = dname_format(out, name_span(&name));
    CU_ASSERT(is_safe(out, len));
    CU_ASSERT(strncmp(out, "L=last,L=,L=,", 13) == 0);
    CU_ASSERT_STRING_EQUAL(out + len - 3, "...");
    CU_ASSERT(len > DNAME_TEXT_MAX - 8);
}

static void test_malformed(void) {
    struct name name;
    char out[DNAME_TEXT_MAX], expected[DNAME_TEXT_MAX] = "#";
    name_init(&name);
    prepend_rdn(&name, CN, UTF8, span_str("R11"));
    prepend_rdn(&name, C, PRINTABLE, span_str("US"));
    close_name(&name);
    struct span whole = name_span(&name);
    for (size_t cut = 0; cut < whole.len; cut++) {
        uint8_t *copy = malloc(cut > 0 ? cut : 1);
        memcpy(copy, whole.data, cut);
        size_t len = dname_format(out, span_of(copy, cut));
        expected[1 + hex_encode(expected + 1, span_of(copy, cut))] = '\0';
        CU_ASSERT(len == strlen(out) && strcmp(out, expected) == 0);
        CU_ASSERT_EQUAL(dname_short(out, span_of(copy, cut)), 0);
        free(copy);
    }
    uint8_t trailing[64];
    memcpy(trailing, whole.data, whole.len);
    trailing[whole.len] = 0;
    dname_format(out, span_of(trailing, whole.len + 1));
    CU_ASSERT_EQUAL(out[0], '#');
    const struct {
        const char *der;
        size_t len;
    } bad[] = {{"\x30\x02\x31\x00", 4},                              /* an empty RDN */
               {"\x30\x81\x02\x31\x00", 5},                          /* length not minimal */
               {"\x30\x80\x00\x00", 4},                              /* indefinite */
               {"\x30\x08\x31\x06\x30\x04\x06\x00\x0c\x00", 10},     /* an empty OID */
               {"\x30\x09\x31\x07\x30\x05\x06\x01\x80\x0c\x00", 11}, /* an OID cut short */
               {"\x30\x0b\x31\x09\x30\x07\x06\x01\x55\x0c\x00\x05\x00", 13}, /* a third element */
               {"\x30\x07\x31\x05\x30\x03\x06\x01\x55", 9}};                 /* no value */
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        dname_format(out, span_of(bad[i].der, bad[i].len));
        CU_ASSERT_EQUAL(out[0], '#');
    }
    uint8_t large[2000];
    memset(large, 0xAB, sizeof large);
    size_t len = dname_format(out, span_of(large, sizeof large));
    CU_ASSERT(is_safe(out, len));
    CU_ASSERT_STRING_EQUAL(out + len - 5, "ab...");
}

/* BoringSSL's RFC 2253 printing, UTF-8 left as it is: the same text wherever both have one opinion.
 */
static bool boringssl_format(struct span der, char out[4096]) {
    const uint8_t *at = der.data;
    X509_NAME *name = d2i_X509_NAME(NULL, &at, (long)der.len);
    if (name == NULL) {
        return false;
    }
    BIO *bio = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    const uint8_t *text;
    size_t len;
    BIO_mem_contents(bio, &text, &len);
    CHECK(len < 4096);
    memcpy(out, text, len);
    out[len] = '\0';
    BIO_free(bio);
    X509_NAME_free(name);
    return true;
}

static struct span random_value(struct rng *rng, uint8_t tag, uint8_t out[64]) {
    static const char alphabet[] = "abcXYZ019 ,+\"\\<>;#=.-'/*@";
    size_t len = 0, count = rng_below(rng, 9);
    for (size_t i = 0; i < count; i++) {
        bool wide = rng_below(rng, 4) == 0;
        uint32_t c = wide ? 0xA1 + rng_below(rng, tag == UTF8 || tag == BMP ? 0x1E00 : 0x5E)
                          : (uint8_t)alphabet[rng_below(rng, sizeof alphabet - 1)];
        c = c == 0x061C ? 'x' : c; /* a bidirectional control: escaped by us alone */
        if (tag == UTF8) {
            len += text_utf8_encode((char *)out + len, c);
        } else if (tag == BMP) {
            out[len++] = (uint8_t)(c >> 8);
            out[len++] = (uint8_t)c;
        } else {
            out[len++] = (uint8_t)(tag == T61 || c < 0x80 ? c : 'y');
        }
    }
    /* BoringSSL forgets to escape a '#' that is the only character; RFC 4514 2.4 wants it. */
    bool lone_hash = count == 1 && out[len - 1] == '#';
    return span_of(out, lone_hash ? 0 : len);
}

static void test_against_boringssl(void) {
    static const char *oids[] = {
        CN, C, L, O, OU, DC, "\x55\x04\x08", "\x55\x04\x05", "\x2a\x03\x04"};
    static const uint8_t tags[] = {UTF8, PRINTABLE, T61, IA5, BMP};
    struct rng rng;
    unsigned compared = 0;
    rng_init(&rng, suite_seed());
    for (int round = 0; round < 10000; round++) {
        struct name name;
        char out[DNAME_TEXT_MAX], expected[4096];
        name_init(&name);
        for (uint32_t i = 1 + rng_below(&rng, 5); i > 0; i--) {
            uint8_t tag = tags[rng_below(&rng, ARRAY_COUNT(tags))], value[64];
            struct span text = random_value(&rng, tag, value);
            prepend_rdn(&name, oids[rng_below(&rng, ARRAY_COUNT(oids))], tag, text);
        }
        close_name(&name);
        if (boringssl_format(name_span(&name), expected)) {
            /* BoringSSL writes #hex in upper case. */
            dname_format(out, name_span(&name));
            if (!text_equal_ignore_case(span_str(out), span_str(expected))) {
                fprintf(stderr, "  ours:      %s\n  BoringSSL: %s\n", out, expected);
                CU_FAIL_FATAL("BoringSSL prints another text");
            }
            compared++;
        }
    }
    CU_ASSERT(compared > 5000);
}

SUITE_MAIN("dname", {"order and names", test_order_and_names}, {"multi-valued", test_multi_valued},
           {"unknown types and values", test_unknown_types_and_values}, {"short", test_short},
           {"escapes", test_escapes}, {"hostile values", test_hostile_values},
           {"string types", test_string_types}, {"cut", test_cut}, {"many rdns", test_many_rdns},
           {"malformed", test_malformed}, {"against boringssl", test_against_boringssl})
