#include "engine/codec/netaddr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/attributes.h"
#include "engine/base/rng.h"
#include "tests/support/suite.h"

static bool parses(const char *text) {
    struct netaddr address;
    return netaddr_parse(span_str(text), &address);
}

static struct netaddr address_of(const char *text) {
    struct netaddr address = {0};
    CU_ASSERT_TRUE(netaddr_parse(span_str(text), &address));
    return address;
}

static void test_parse_v4(void) {
    struct netaddr address = address_of("192.0.2.7");
    CU_ASSERT_EQUAL(address.family, 4);
    CU_ASSERT_EQUAL(memcmp(address.bytes, "\xc0\x00\x02\x07\0\0\0\0\0\0\0\0\0\0\0\0", 16), 0);
    static const char *const bad[] = {
        "",         "1",         "1.2.3",      "1.2.3.4.5",  "1.2.3.",     ".1.2.3",
        "1..2.3",   "256.1.1.1", "1.2.3.04",   "010.0.0.1",  "0x7f.0.0.1", "1.2.3.4 ",
        " 1.2.3.4", "1.2.3.-4",  "1.2.3.1000", "2130706433", "127.1"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        CU_ASSERT_FALSE(parses(bad[i]));
    }
    struct netaddr kept = {.family = 9};
    CU_ASSERT_FALSE(netaddr_parse(span_str("1.2.3"), &kept));
    CU_ASSERT_EQUAL(kept.family, 9);
}

static void test_parse_v6(void) {
    static const char *const bad[] = {":",
                                      ":::",
                                      "1",
                                      "1:2:3:4:5:6:7",
                                      "1:2:3:4:5:6:7:8:9",
                                      "1::2::3",
                                      "12345::",
                                      "1:2:3:4:5:6:7:8::",
                                      "::1:2:3:4:5:6:7:8",
                                      ":1::2",
                                      "1::2:",
                                      "fe80::1%lo",
                                      "[::1]",
                                      "::1.2.3",
                                      "::1.2.3.4:5",
                                      "1:2:3:4:5:6:7:1.2.3.4",
                                      "1.2.3.4::",
                                      "::g",
                                      "1:2:3:4:5:6:7:",
                                      "::01.2.3.4"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        CU_ASSERT_FALSE(parses(bad[i]));
    }
    CU_ASSERT_TRUE(parses("::"));
    CU_ASSERT_TRUE(parses("1:2:3:4:5:6:7::"));
    CU_ASSERT_TRUE(parses("::2:3:4:5:6:7:8"));
    CU_ASSERT_TRUE(parses("1:2:3:4:5:6:1.2.3.4"));
    struct netaddr address = address_of("2001:DB8::ff00:42:8329");
    CU_ASSERT_EQUAL(address.family, 6);
    CU_ASSERT_EQUAL(memcmp(address.bytes, "\x20\x01\x0d\xb8\0\0\0\0\0\0\xff\0\0\x42\x83\x29", 16),
                    0);
}

static void check_against_libc(const char *text, size_t len) {
    uint8_t expected[16] = {0};
    struct netaddr address;
    bool v6 = memchr(text, ':', len) != NULL;
    bool libc = strlen(text) == len && inet_pton(v6 ? AF_INET6 : AF_INET, text, expected) == 1;
    bool ours = netaddr_parse(span_of(text, len), &address);
    if (libc != ours || (ours && memcmp(expected, address.bytes, v6 ? 16 : 4) != 0)) {
        printf("  differs from inet_pton: \"%s\"\n", text);
        CU_FAIL("differs from inet_pton");
    }
}

static void test_parse_random(void) {
    static const char alphabet[] = "0123456789:::::....abcdefF0125%x";
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (int round = 0; round < 300000; round++) {
        char text[64];
        size_t len = rng_below(&rng, 24);
        for (size_t i = 0; i < len; i++) {
            text[i] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
        }
        text[len] = '\0';
        check_against_libc(text, len);
    }
    for (int round = 0; round < 300000; round++) { /* near misses of valid texts */
        uint8_t bytes[16] = {0};
        for (int i = 0; i < 16; i += 2) {
            if (rng_below(&rng, 3) > 0) {
                bytes[i] = (uint8_t)(rng_next(&rng) >> rng_below(&rng, 60));
                bytes[i + 1] = (uint8_t)rng_next(&rng);
            }
        }
        char text[64];
        inet_ntop(rng_below(&rng, 2) ? AF_INET6 : AF_INET, bytes, text, sizeof text);
        size_t len = strlen(text);
        if (rng_below(&rng, 4) > 0) {
            text[rng_below(&rng, (uint32_t)len)] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
        }
        check_against_libc(text, len);
    }
}

static void test_format(void) {
    static const char *const canonical[] = {"0.0.0.0",
                                            "255.255.255.255",
                                            "10.20.30.4",
                                            "::",
                                            "::1",
                                            "1::",
                                            "2001:db8::1",
                                            "2001:db8:0:1:1:1:1:1",
                                            "2001:0:0:1::1" /* the longer run wins */,
                                            "1::2:0:0:3:4",
                                            "::ffff:192.0.2.1",
                                            "64:ff9b::c000:221",
                                            "1:2:3:4:5:6:7:8"};
    char text[NETADDR_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_COUNT(canonical); i++) {
        struct netaddr address = address_of(canonical[i]);
        CU_ASSERT_EQUAL(netaddr_format(text, &address), strlen(canonical[i]));
        CU_ASSERT_STRING_EQUAL(text, canonical[i]);
    }
    /* a single group is never shortened */
    struct netaddr address = address_of("::2:3:4:5:6:7:8");
    netaddr_format(text, &address);
    CU_ASSERT_STRING_EQUAL(text, "0:2:3:4:5:6:7:8");
    address = address_of("2001:db8:0:0:1:0:0:1"); /* equal runs: the first */
    netaddr_format(text, &address);
    CU_ASSERT_STRING_EQUAL(text, "2001:db8::1:0:0:1");
    address = (struct netaddr){0};
    CU_ASSERT_EQUAL(netaddr_format(text, &address), 0);
}

static void test_format_random(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (int round = 0; round < 200000; round++) {
        struct netaddr address = {.family = round & 1 ? 6 : 4};
        for (int i = 0; i < (address.family == 4 ? 4 : 16); i++) {
            address.bytes[i] = rng_below(&rng, 3) ? 0 : (uint8_t)rng_next(&rng);
        }
        char text[NETADDR_TEXT_MAX], libc[64];
        size_t len = netaddr_format(text, &address);
        CU_ASSERT_EQUAL(len, strlen(text));
        inet_ntop(address.family == 4 ? AF_INET : AF_INET6, address.bytes, libc, sizeof libc);
        if (address.family == 4 || strchr(libc, '.') == NULL || strchr(text, '.') != NULL) {
            /* glibc also writes "::1.2.3.4", which RFC 5952 does not ask for */
            CU_ASSERT_STRING_EQUAL(text, libc);
        }
        struct netaddr again;
        CU_ASSERT_TRUE(netaddr_parse(span_of(text, len), &again));
        CU_ASSERT_TRUE(netaddr_equal(&address, &again));
    }
}

static void test_unmap(void) {
    struct netaddr address = address_of("::ffff:10.1.2.3"), plain = address_of("10.1.2.3");
    CU_ASSERT_FALSE(netaddr_equal(&address, &plain));
    netaddr_unmap(&address);
    CU_ASSERT_TRUE(netaddr_equal(&address, &plain));
    address = address_of("::fffe:10.1.2.3");
    netaddr_unmap(&address);
    CU_ASSERT_EQUAL(address.family, 6);
}

static void test_range(void) {
    struct netrange range;
    const char *why = NULL;
    static const char *const bad[] = {"10.0.0.0",    "10.0.0.0/", "10.0.0.0/33",    "10.0.0.1/8",
                                      "10.0.0.0/-1", "10.0.0/8",  "2001:db8::/129", "/8",
                                      "10.0.0.0/8 ", "a.b/8",     "0.0.0.0/0000"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        why = NULL;
        CU_ASSERT_FALSE(netrange_parse(span_str(bad[i]), &range, &why));
        CU_ASSERT_PTR_NOT_NULL(why);
    }
    CU_ASSERT_TRUE(netrange_parse(span_str("10.16.0.0/12"), &range, &why));
    CU_ASSERT_EQUAL(netrange_count(&range), 1u << 20);
    struct netaddr last = netrange_at(&range, (1u << 20) - 1),
                   expected = address_of("10.31.255.255");
    CU_ASSERT_TRUE(netaddr_equal(&last, &expected));
    CU_ASSERT_TRUE(netrange_contains(&range, &last));
    struct netaddr after = address_of("10.32.0.0"), v6 = address_of("::ffff:10.16.0.1");
    CU_ASSERT_FALSE(netrange_contains(&range, &after));
    CU_ASSERT_FALSE(netrange_contains(&range, &v6));
    CU_ASSERT_TRUE(netrange_parse(span_str("::/0"), &range, &why));
    CU_ASSERT_EQUAL(netrange_count(&range), UINT64_MAX);
    CU_ASSERT_TRUE(netrange_parse(span_str("2001:db8::/64"), &range, &why));
    CU_ASSERT_EQUAL(netrange_count(&range), UINT64_MAX);
    CU_ASSERT_TRUE(netrange_parse(span_str("2001:db8::/65"), &range, &why));
    CU_ASSERT_EQUAL(netrange_count(&range), UINT64_C(1) << 63);
    last = netrange_at(&range, (UINT64_C(1) << 63) - 1);
    expected = address_of("2001:db8::7fff:ffff:ffff:ffff");
    CU_ASSERT_TRUE(netaddr_equal(&last, &expected));
    CU_ASSERT_TRUE(netrange_parse(span_str("1.2.3.4/32"), &range, &why));
    CU_ASSERT_EQUAL(netrange_count(&range), 1);
}

static void check_split(const char *text, const char *host, uint16_t port) {
    struct span out = {0};
    uint16_t out_port = 1;
    const char *why = "";
    bool good = hostport_split(span_str(text), &out, &out_port, &why);
    if (!good || !span_equal_str(out, host) || out_port != port) {
        printf("  split \"%s\": %.*s %u %s\n", text, (int)out.len, (const char *)out.data, out_port,
               why);
        CU_FAIL("split");
    }
}

static void test_split(void) {
    check_split("a.example", "a.example", 0);
    check_split("a.example:8443", "a.example", 8443);
    check_split("[2001:db8::1]:993", "2001:db8::1", 993);
    check_split("[::1]", "::1", 0);
    check_split("2001:db8::1:443", "2001:db8::1:443", 0);
    check_split("10.0.0.1:1", "10.0.0.1", 1);
    check_split("https://a.example", "a.example", 0);
    check_split("HTTPS://A.example:65535/x?y=http://z#f", "A.example", 65535);
    check_split("https://[::1]:1/", "::1", 1);
    check_split("https://a.example?x/y@z", "a.example", 0);
    static const char *const bad[] = {"",
                                      ":443",
                                      "a:",
                                      "a:0",
                                      "a:65536",
                                      "a:1x",
                                      "a:-1",
                                      "a:1:2",
                                      "[::1",
                                      "[::1]x",
                                      "[::1]:",
                                      "[1.2.3.4]:5",
                                      "[fe80::1%eth0]:1",
                                      "http://a/",
                                      "ftp://a",
                                      "https://",
                                      "https:///x",
                                      "https://u@a/",
                                      "a/b",
                                      "/a",
                                      "//a/b",
                                      "a:/b",
                                      "https://[::1/",
                                      "fe80::1%eth0",
                                      "[]",
                                      "a:000443"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct span host = {0};
        uint16_t port = 7;
        const char *why = NULL;
        CU_ASSERT_FALSE(hostport_split(span_str(bad[i]), &host, &port, &why));
        CU_ASSERT_PTR_NOT_NULL(why);
        CU_ASSERT_EQUAL(port, 7);
        CU_ASSERT_PTR_NULL(host.data);
    }
}

/* Every prefix of each text, in an exact allocation, so that the sanitizer sees a read past it. */
static void test_truncated(void) {
    static const char *const texts[] = {"255.255.255.255/32", "2001:db8:1:2:3:4:192.0.2.1/128",
                                        "https://[2001:db8::1]:65535/path", "a.example:443"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        for (size_t len = 0; len <= strlen(texts[i]); len++) {
            char *copy = malloc(len > 0 ? len : 1);
            memcpy(copy, texts[i], len);
            struct netaddr address;
            struct netrange range;
            struct span host;
            uint16_t port;
            const char *why = NULL;
            netaddr_parse(span_of(copy, len), &address);
            bool ranged = netrange_parse(span_of(copy, len), &range, &why);
            CU_ASSERT_TRUE(ranged || why != NULL);
            why = NULL;
            bool split = hostport_split(span_of(copy, len), &host, &port, &why);
            CU_ASSERT_TRUE(split || why != NULL);
            free(copy);
        }
    }
}

SUITE_MAIN("netaddr", {"parse IPv4", test_parse_v4}, {"parse IPv6", test_parse_v6},
           {"parse like inet_pton", test_parse_random}, {"format", test_format},
           {"format like inet_ntop", test_format_random}, {"unmap", test_unmap},
           {"range", test_range}, {"split host and port", test_split},
           {"truncated", test_truncated})
