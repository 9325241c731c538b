/* base64.h: every kernel this CPU has against BoringSSL's decoder, on random bytes and on every
   kind of damage. */
#include "engine/codec/base64.h"

#include <openssl/base64.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "tests/support/suite.h"

#define BYTES_MAX 1024
#define TEXT_MAX 4096

/* An exact allocation, so that the sanitizer sees a read past the end. */
static bool decode(const char *text, size_t len, uint8_t *out, size_t *out_len) {
    char *exact = malloc(len > 0 ? len : 1);
    uint8_t *bytes = malloc(BASE64_BYTES_MAX(len));
    memcpy(exact, text, len);
    size_t bytes_len = 12345;
    bool good = base64_decode_lines(span_of(exact, len), bytes, BASE64_BYTES_MAX(len), &bytes_len);
    if (good) {
        memcpy(out, bytes, bytes_len);
        *out_len = bytes_len;
    } else {
        CU_ASSERT_EQUAL(bytes_len, 12345);
    }
    free(exact);
    free(bytes);
    return good;
}

/* The oracle for one piece: BoringSSL's decoder, and what it decoded must encode to the same text
   (it lets unused bits pass). */
static bool oracle(const char *text, size_t len, uint8_t *out, size_t *out_len) {
    char again[TEXT_MAX + 1];
    size_t capacity = 0;
    if (len == 0) {
        *out_len = 0;
        return true;
    }
    if (!EVP_DecodedLength(&capacity, len) ||
        !EVP_DecodeBase64(out, out_len, capacity, (const uint8_t *)text, len)) {
        return false;
    }
    return EVP_EncodeBlock((uint8_t *)again, out, *out_len) == len && memcmp(again, text, len) == 0;
}

static void expect_as_oracle(const char *text, size_t len) {
    uint8_t ours[TEXT_MAX], theirs[TEXT_MAX], whole[TEXT_MAX];
    size_t ours_len = 0, theirs_len = 0, whole_len = 0;
    bool expected = oracle(text, len, theirs, &theirs_len);
    CU_ASSERT_EQUAL(decode(text, len, ours, &ours_len), expected);
    CU_ASSERT_EQUAL(base64_decode(span_of(text, len), whole, sizeof whole, &whole_len), expected);
    if (expected) {
        CU_ASSERT_TRUE(ours_len == theirs_len && memcmp(ours, theirs, ours_len) == 0);
        CU_ASSERT_TRUE(whole_len == theirs_len && memcmp(whole, theirs, whole_len) == 0);
    }
}

/* Runs a test with each kernel. */
static void with_kernels(void (*run)(struct rng *rng)) {
    const char *names[BASE64_KERNELS_MAX];
    size_t count = base64_kernels_available(names);
    CU_ASSERT_TRUE_FATAL(count >= 1);
    for (size_t i = 0; i < count; i++) {
        struct rng rng;
        rng_init(&rng, suite_seed());
        CU_ASSERT_TRUE(base64_force_kernel(names[i]));
        CU_ASSERT_STRING_EQUAL(base64_kernel(), names[i]);
        run(&rng);
    }
    CU_ASSERT_TRUE(base64_force_kernel(names[0]));
    CU_ASSERT_FALSE(base64_force_kernel("abacus"));
    CU_ASSERT_FALSE(base64_force_kernel(NULL));
}

static size_t random_text(struct rng *rng, size_t bytes_len, uint8_t *bytes, char *text) {
    for (size_t i = 0; i < bytes_len; i++) {
        bytes[i] = (uint8_t)rng_next(rng);
    }
    return base64_encode(text, span_of(bytes, bytes_len));
}

static void check_random(struct rng *rng) {
    uint8_t bytes[BYTES_MAX];
    char text[TEXT_MAX];
    for (size_t len = 0; len < 400; len++) {
        size_t text_len = random_text(rng, len, bytes, text);
        CU_ASSERT_EQUAL(text_len, BASE64_LEN(len));
        expect_as_oracle(text, text_len);
        for (size_t cut = 1; cut < 5 && cut <= text_len; cut++) {
            expect_as_oracle(text, text_len - cut);
        }
    }
}

/* Each byte value at each place of two steps of the widest kernel and a rest. */
static void check_foreign(struct rng *rng) {
    uint8_t bytes[BYTES_MAX];
    char text[TEXT_MAX];
    size_t text_len = random_text(rng, 113, bytes, text);
    for (size_t at = 0; at < text_len; at++) {
        char before = text[at];
        for (unsigned value = 0; value < 256; value++) {
            text[at] = (char)value;
            /* Line ends and blanks at the edges are no damage here. */
            if (value != '\n' && value != '\r' && value != ' ' && value != '\t') {
                expect_as_oracle(text, text_len);
            }
        }
        text[at] = before;
    }
}

static void check_damage(struct rng *rng) {
    uint8_t bytes[BYTES_MAX];
    char text[TEXT_MAX];
    for (unsigned round = 0; round < 3000; round++) {
        size_t len = random_text(rng, 1 + rng_below(rng, 300), bytes, text);
        size_t at = rng_below(rng, (uint32_t)len);
        switch (rng_below(rng, 4)) {
        case 0:
            text[at] = "=-_*A/+\x80"[rng_below(rng, 8)];
            break;
        case 1:
            memmove(text + at, text + at + 1, --len - at);
            break;
        case 2:
            memmove(text + at + 1, text + at, len++ - at);
            break;
        default:
            text[len++] = "=A"[rng_below(rng, 2)];
            break;
        }
        expect_as_oracle(text, len);
    }
}

/* Text in lines of `columns`, each ended by `end`, with blanks around when `blanks`. */
static size_t in_lines(const char *text, size_t len, size_t columns, const char *end, bool blanks,
                       char *out) {
    size_t out_len = 0;
    for (size_t at = 0; at < len; at += columns) {
        size_t line = len - at < columns ? len - at : columns;
        out_len += (size_t)sprintf(out + out_len, "%s%.*s%s%s", blanks ? " \t" : "", (int)line,
                                   text + at, blanks ? "  " : "", end);
    }
    return out_len;
}

static void check_lines(struct rng *rng) {
    static const size_t columns[] = {1, 3, 19, 63, 64, 65, 66, 76, 128, 1000};
    static const char *const ends[] = {"\n", "\r\n", "\n\n", " \n"};
    uint8_t bytes[BYTES_MAX], back[4 * TEXT_MAX];
    char text[TEXT_MAX], broken[8 * TEXT_MAX];
    for (size_t len = 0; len < 300; len += 1 + rng_below(rng, 3)) {
        size_t text_len = random_text(rng, len, bytes, text);
        for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
            for (size_t e = 0; e < 8; e++) {
                size_t back_len = 0;
                size_t broken_len =
                    in_lines(text, text_len, columns[c], ends[e % 4], e >= 4, broken);
                CU_ASSERT_TRUE(decode(broken, broken_len, back, &back_len));
                CU_ASSERT_TRUE(back_len == len && memcmp(back, bytes, len) == 0);
                if (text_len > 0 && broken_len > 0 && broken[broken_len - 1] == '\n') {
                    CU_ASSERT_TRUE(decode(broken, broken_len - 1, back, &back_len));
                    CU_ASSERT_EQUAL(back_len, len);
                }
            }
        }
    }
}

/* In lines of 64 columns every damaged place is seen, line ends too. */
static void check_lines_damage(struct rng *rng) {
    uint8_t bytes[BYTES_MAX], back[TEXT_MAX];
    char text[TEXT_MAX], lines[2 * TEXT_MAX];
    size_t back_len = 0, text_len = random_text(rng, 48 * 4 + 20, bytes, text);
    for (unsigned crlf = 0; crlf < 2; crlf++) {
        size_t len = in_lines(text, text_len, 64, crlf == 1 ? "\r\n" : "\n", false, lines);
        for (size_t at = 0; at + 2 < len; at++) {
            char before = lines[at];
            lines[at] = '*';
            CU_ASSERT_FALSE(decode(lines, len, back, &back_len));
            lines[at] = '=';
            CU_ASSERT_FALSE(before != '=' && lines[at + 1] != '=' &&
                            decode(lines, len, back, &back_len));
            lines[at] = before;
        }
        memmove(lines + 11, lines + 10, len - 10); /* a blank inside a line */
        lines[10] = ' ';
        CU_ASSERT_FALSE(decode(lines, len + 1, back, &back_len));
    }
}

static void test_random(void) {
    with_kernels(check_random);
}
static void test_foreign(void) {
    with_kernels(check_foreign);
}
static void test_damage(void) {
    with_kernels(check_damage);
}
static void test_lines(void) {
    with_kernels(check_lines);
}
static void test_lines_damage(void) {
    with_kernels(check_lines_damage);
}

static void test_strict(void) {
    static const char *const bad[] = {"A",     "AA",   "AAA",  "AA=",        "A===",      "====",
                                      "=",     "AB==", "AAB=", "AA=A",       "AA==AA==",  "AA==A",
                                      "AA=\n", "A A=", "AA-=", "AA==\nAA==", "\xff\xff=="};
    static const char *const good[] = {
        "", "\n", "AA==", "AAA=", "AAAA", " AAAA \r\n\r\n", "AA\n==", "AA=\n=\n", "A\nA\nA\nA\n"};
    uint8_t out[64];
    size_t len = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_FALSE(decode(bad[i], strlen(bad[i]), out, &len));
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CU_ASSERT_TRUE(decode(good[i], strlen(good[i]), out, &len));
    }
    CU_ASSERT_FALSE(base64_decode_lines(span_str("AAAA"), out, 5, &len));
    CU_ASSERT_TRUE(base64_decode_lines(span_str("AAAA"), out, 6, &len));
}

SUITE_MAIN("base64", {"random bytes as BoringSSL", test_random},
           {"every byte at every place", test_foreign}, {"damage as BoringSSL", test_damage},
           {"lines of any length", test_lines}, {"damaged lines", test_lines_damage},
           {"strict", test_strict})
