#include "engine/sweep/blocklist.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "tests/support/suite.h"

static char file_name[64];

static enum err load(struct span text, struct blocklist **out, struct err_note *note) {
    strcpy(file_name, "/tmp/pinsweep-blocklist-XXXXXX");
    int fd = mkstemp(file_name);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(write(fd, text.data, text.len), (ssize_t)text.len);
    close(fd);
    enum err err = blocklist_load(file_name, out, note);
    unlink(file_name);
    return err;
}

static struct blocklist *list_of(const char *text) {
    struct blocklist *list = NULL;
    struct err_note note = {""};
    enum err err = load(span_str(text), &list, &note);
    if (err != ERR_NONE) {
        printf("  %s\n", note.text);
    }
    CU_ASSERT_EQUAL_FATAL(err, ERR_NONE);
    return list;
}

static bool has_address(const struct blocklist *list, const char *text) {
    struct netaddr address;
    CU_ASSERT_TRUE_FATAL(netaddr_parse(span_str(text), &address));
    return blocklist_has_address(list, &address);
}

static bool has_host(const struct blocklist *list, const char *text) {
    return blocklist_has_host(list, span_str(text));
}

static void test_addresses(void) {
    struct blocklist *list = list_of("\xef\xbb\xbf# comment\r\n10.0.0.0/8\r\n\r\n192.0.2.7 # one\n"
                                     "2001:db8::/32\n::ffff:198.51.100.0/120\n::ffff:203.0.113.9\n"
                                     "10.1.0.0/16");
    CU_ASSERT_TRUE(has_address(list, "10.0.0.0"));
    CU_ASSERT_TRUE(has_address(list, "10.255.255.255"));
    CU_ASSERT_FALSE(has_address(list, "11.0.0.0"));
    CU_ASSERT_FALSE(has_address(list, "9.255.255.255"));
    CU_ASSERT_TRUE(has_address(list, "192.0.2.7"));
    CU_ASSERT_FALSE(has_address(list, "192.0.2.8"));
    CU_ASSERT_TRUE(has_address(list, "::ffff:10.2.3.4"));
    CU_ASSERT_TRUE(has_address(list, "198.51.100.255"));
    CU_ASSERT_FALSE(has_address(list, "198.51.101.0"));
    CU_ASSERT_TRUE(has_address(list, "203.0.113.9"));
    CU_ASSERT_TRUE(has_address(list, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    CU_ASSERT_FALSE(has_address(list, "2001:db9::"));
    CU_ASSERT_TRUE(has_host(list, "10.9.9.9"));
    CU_ASSERT_FALSE(has_host(list, "a.example"));
    uint64_t ranges, names;
    blocklist_counts(list, &ranges, &names);
    CU_ASSERT_EQUAL(ranges, 6);
    CU_ASSERT_EQUAL(names, 0);
    blocklist_free(list);
}

static void test_everything(void) {
    struct blocklist *list = list_of("0.0.0.0/0");
    CU_ASSERT_TRUE(has_address(list, "0.0.0.0"));
    CU_ASSERT_TRUE(has_address(list, "255.255.255.255"));
    CU_ASSERT_FALSE(has_address(list, "::1"));
    blocklist_free(list);
    list = list_of("::/0");
    CU_ASSERT_TRUE(has_address(list, "::"));
    CU_ASSERT_TRUE(has_address(list, "ffff::1"));
    CU_ASSERT_FALSE(has_address(list, "1.2.3.4"));
    CU_ASSERT_FALSE(has_address(list, "::ffff:1.2.3.4")); /* looked up as IPv4 */
    blocklist_free(list);
}

static void test_names(void) {
    struct blocklist *list = list_of("Secret.Bank.example\n*.lab.example\nbücher.example.\n");
    CU_ASSERT_TRUE(has_host(list, "secret.bank.example"));
    CU_ASSERT_FALSE(has_host(list, "x.secret.bank.example"));
    CU_ASSERT_FALSE(has_host(list, "bank.example"));
    CU_ASSERT_TRUE(has_host(list, "a.lab.example"));
    CU_ASSERT_TRUE(has_host(list, "b.a.lab.example"));
    CU_ASSERT_FALSE(has_host(list, "lab.example"));
    CU_ASSERT_FALSE(has_host(list, "xlab.example"));
    CU_ASSERT_TRUE(has_host(list, "xn--bcher-kva.example"));
    CU_ASSERT_FALSE(has_host(list, ""));
    CU_ASSERT_FALSE(has_host(list, "..."));
    struct netaddr address = {.family = 4};
    CU_ASSERT_FALSE(blocklist_has_address(list, &address));
    uint64_t ranges, names;
    blocklist_counts(list, &ranges, &names);
    CU_ASSERT_EQUAL(ranges, 0);
    CU_ASSERT_EQUAL(names, 3);
    blocklist_free(list);
}

static void test_empty(void) {
    struct blocklist *list = list_of("");
    CU_ASSERT_FALSE(has_address(list, "1.2.3.4"));
    CU_ASSERT_FALSE(has_host(list, "a.example"));
    blocklist_free(list);
    CU_ASSERT_FALSE(has_address(NULL, "1.2.3.4"));
    CU_ASSERT_FALSE(has_host(NULL, "a.example"));
    blocklist_free(NULL);
}

static void test_bad(void) {
    static const struct {
        const char *text, *expected;
    } cases[] = {{"1.2.3.4\n10.0.0.1/8\n", ":2: bits are set"},
                 {"10.0.0.0/33", ":1: not a prefix length"},
                 {"\n\na b", ":3: white space"},
                 {"1.2.3", ":1: not a valid IPv4 address"},
                 {"*.10.0.0.1", ":1: \"*.\" before an address"},
                 {"a.*.b", ":1: a wildcard"},
                 {"a.example:443", ":1: \":\""},
                 {"*", ":1: a wildcard"},
                 {"*.", ":1: a wildcard"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct blocklist *list = NULL;
        struct err_note note = {""};
        CU_ASSERT_EQUAL(load(span_str(cases[i].text), &list, &note), ERR_CONFIG);
        CU_ASSERT_PTR_NULL(list);
        CU_ASSERT_PTR_NOT_NULL(strstr(note.text, file_name));
        if (strstr(note.text, cases[i].expected) == NULL) {
            printf("  \"%s\": %s\n", cases[i].text, note.text);
            CU_FAIL("reason");
        }
    }
    struct blocklist *list = NULL;
    struct err_note note = {""};
    CU_ASSERT_EQUAL(load(span_of("a\0b\n", 4), &list, &note), ERR_CONFIG);
    CU_ASSERT_EQUAL(blocklist_load("/nonexistent/list", &list, &note), ERR_CONFIG);
    CU_ASSERT_EQUAL(blocklist_load("/", &list, &note), ERR_CONFIG);
    CU_ASSERT_PTR_NULL(list);
}

/* Random ranges in a small part of the address space, held against looking at each in turn. */
static void test_oracle(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (int round = 0; round < 60; round++) {
        struct netrange ranges[24];
        char text[4096] = "";
        uint32_t count = 1 + rng_below(&rng, ARRAY_COUNT(ranges));
        for (uint32_t i = 0; i < count; i++) {
            bool v6 = rng_below(&rng, 2);
            struct netaddr base = {.family = v6 ? 6 : 4};
            uint32_t bits = 16 - rng_below(&rng, 10), value = rng_below(&rng, 1u << 16);
            value &= ~0u << (16 - bits) & 0xffff;
            base.bytes[v6 ? 14 : 2] = (uint8_t)(value >> 8);
            base.bytes[v6 ? 15 : 3] = (uint8_t)value;
            ranges[i] =
                (struct netrange){.base = base, .prefix = (uint8_t)((v6 ? 112 : 16) + bits)};
            char line[NETADDR_TEXT_MAX];
            netaddr_format(line, &base);
            sprintf(text + strlen(text), "%s/%u\n", line, ranges[i].prefix);
        }
        struct blocklist *list = list_of(text);
        for (uint32_t number = 0; number < 1u << 17; number++) {
            bool v6 = number >> 16;
            struct netaddr address = {.family = v6 ? 6 : 4};
            address.bytes[v6 ? 14 : 2] = (uint8_t)(number >> 8);
            address.bytes[v6 ? 15 : 3] = (uint8_t)number;
            bool expected = false;
            for (uint32_t i = 0; i < count && !expected; i++) {
                expected = netrange_contains(&ranges[i], &address);
            }
            if (blocklist_has_address(list, &address) != expected) {
                CU_FAIL_FATAL("differs from the oracle");
            }
        }
        blocklist_free(list);
    }
}

SUITE_MAIN("blocklist", {"addresses", test_addresses}, {"everything", test_everything},
           {"names", test_names}, {"empty", test_empty}, {"bad lines", test_bad},
           {"oracle", test_oracle})
