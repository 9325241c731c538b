#include "engine/trust/pin.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "engine/codec/text.h"
#include "engine/trust/anchor.h"
#include "tests/support/suite.h"

#define X1 "C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M="
#define X1_HEX "0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3"
#define X1_SHA1 "+BZRPP0bRJ8uayihlyIfuB9RTjw="

/* --- pins as text --- */

static void expect_pin(const char *text, enum pin_alg alg, size_t len, const char *canonical) {
    struct arena arena = {0};
    struct pin pin;
    const char *why = NULL;
    CU_ASSERT_TRUE_FATAL(pin_parse(span_str(text), &arena, &pin, &why));
    CU_ASSERT_EQUAL(pin.alg, alg);
    CU_ASSERT_EQUAL(pin.value.len, len);
    CU_ASSERT_STRING_EQUAL(pin.text, canonical);
    CU_ASSERT_EQUAL(pin.of, PIN_OF_SPKI);
    CU_ASSERT_EQUAL(pin.role, PIN_ACTIVE);
    CU_ASSERT_EQUAL(pin.tlsa_usage, PIN_TLSA_NONE);
    arena_fini(&arena);
}

static void test_accepted_forms(void) {
    expect_pin("sha256/" X1, PIN_SHA256, 32, "sha256/" X1);
    expect_pin("sha256//" X1, PIN_SHA256, 32, "sha256/" X1);
    expect_pin("pin-sha256=\"" X1 "\"", PIN_SHA256, 32, "sha256/" X1);
    expect_pin("sha256:" X1_HEX, PIN_SHA256, 32, "sha256/" X1);
    expect_pin("sha1/" X1_SHA1, PIN_SHA1, 20, "sha1/" X1_SHA1);
    expect_pin("exact/MCowBQ==", PIN_EXACT, 4, "exact/MCowBQ==");
    expect_pin("sha512/z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGl"
               "ODJ6+SfaPg==",
               PIN_SHA512, 64,
               "sha512/z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGl"
               "ODJ6+SfaPg==");
    /* A digest may begin with a '/' itself. */
    expect_pin("sha256///5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=", PIN_SHA256, 32,
               "sha256//5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=");
    expect_pin("sha256//5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=", PIN_SHA256, 32,
               "sha256//5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=");
}

static void expect_refused(const char *text, const char *expected) {
    struct arena arena = {0};
    struct pin pin = {.line = 77};
    const char *why = "";
    CU_ASSERT_FALSE(pin_parse(span_str(text), &arena, &pin, &why));
    if (strcmp(why, expected) != 0) {
        fprintf(stderr, "  %s\n  says: %s\n", text, why);
    }
    CU_ASSERT_STRING_EQUAL(why, expected);
    CU_ASSERT_EQUAL(pin.line, 77);
    arena_fini(&arena);
}

static void test_refused_forms(void) {
    expect_refused(X1, "a pin begins with its algorithm: write \"sha256/<base64>\" (or sha1/, "
                       "sha512/, exact/, or \"sha256:<hexadecimal>\")");
    expect_refused("sha256/" X1_HEX, "this is hexadecimal: write \"sha256:<hexadecimal>\", or "
                                     "convert it to base64");
    expect_refused("sha256/C5-lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=",
                   "this is URL-safe base64: write '+' for '-' and '/' for '_'");
    expect_refused("sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M",
                   "the padding is missing: append \"=\"");
    expect_refused("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                   "a placeholder, not a digest: put the real pin here");
    expect_refused("sha256/BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=",
                   "a placeholder, not a digest: put the real pin here");
    expect_refused("sha256:0000000000000000000000000000000000000000000000000000000000000000",
                   "a placeholder, not a digest: put the real pin here");
    expect_refused("sha256/" X1_SHA1, "20 bytes, but SHA-256 has 32: copy the pin anew");
    expect_refused("sha1/" X1, "32 bytes, but SHA-1 has 20: copy the pin anew");
    expect_refused("sha256/", "nothing follows the algorithm: write the digest in base64");
    expect_refused(
        "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQz ejna0wHFr8M=",
        "white space inside the pin: take it out, clients compare the text as it stands");
    expect_refused(
        "sha256/<the pin goes here>",
        "white space inside the pin: take it out, clients compare the text as it stands");
    expect_refused("sha256/<pin>", "a character that base64 does not have: copy the pin anew");
    /* The last two bits are not zero: no encoder writes that. */
    expect_refused(
        "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8N=",
        "not base64 as RFC 4648 has it (padding or unused bits): a character was lost or "
        "changed, copy the pin anew");
    expect_refused("sha256:0b9f",
                   "4 characters follow the algorithm, SHA-256 in hexadecimal has 64: copy the pin "
                   "anew (base64 is written \"sha256/...\")");
    expect_refused("pin-sha256=\"" X1, "the closing quote of pin-sha256=\"...\" is missing");
}

static void test_truncated_text_is_never_a_pin(void) {
    static const char *const texts[] = {"sha256/" X1, "sha256//" X1, "sha256:" X1_HEX,
                                        "pin-sha256=\"" X1 "\"", "sha1/" X1_SHA1};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t len = 0; len < strlen(texts[i]); len++) {
            struct arena arena = {0};
            struct pin pin;
            const char *why = NULL;
            char *exact = malloc(len + 1); /* so that the sanitizer sees a read past the end */
            memcpy(exact, texts[i], len);
            CU_ASSERT_FALSE(pin_parse(span_of(exact, len), &arena, &pin, &why));
            CU_ASSERT_PTR_NOT_NULL(why);
            free(exact);
            arena_fini(&arena);
        }
    }
}

static void test_equals(void) {
    static const uint8_t der[] = "the certificate", spki[] = "its key";
    struct cert_record cert = {
        .der = span_str((const char *)der), .has_spki = true, .strict = true};
    cert.fields.spki = span_str((const char *)spki);
    SHA256(cert.der.data, cert.der.len, cert.cert_sha256);
    SHA256(spki, cert.fields.spki.len, cert.spki_sha256);
    for (int of = PIN_OF_SPKI; of <= PIN_OF_CERT; of++) {
        struct span object = of == PIN_OF_SPKI ? cert.fields.spki : cert.der;
        for (int alg = PIN_SHA256; alg <= PIN_EXACT; alg++) {
            uint8_t value[64];
            size_t len = alg == PIN_SHA256 ? 32u : alg == PIN_SHA1 ? 20u : 64u;
            if (alg == PIN_SHA256) {
                SHA256(object.data, object.len, value);
            } else if (alg == PIN_SHA1) {
                SHA1(object.data, object.len, value);
            } else if (alg == PIN_SHA512) {
                SHA512(object.data, object.len, value);
            } else {
                memcpy(value, object.data, object.len);
                len = object.len;
            }
            struct pin pin = {
                .alg = (enum pin_alg)alg, .of = (enum pin_of)of, .value = span_of(value, len)};
            CU_ASSERT_TRUE(pin_equals(&pin, &cert));
            pin.of = of == PIN_OF_SPKI ? PIN_OF_CERT : PIN_OF_SPKI;
            CU_ASSERT_FALSE(pin_equals(&pin, &cert));
            pin.of = (enum pin_of)of;
            value[len - 1] ^= 1;
            CU_ASSERT_FALSE(pin_equals(&pin, &cert));
            value[len - 1] ^= 1;
            cert.has_spki = false;
            CU_ASSERT_EQUAL(pin_equals(&pin, &cert), of == PIN_OF_CERT);
            cert.has_spki = true;
        }
    }
}

/* --- the index --- */

static struct trust_store *one_profile_store(void) {
    struct trust_store *store = calloc(1, sizeof *store);
    static char name[] = "system";
    store->profiles[0].name = name;
    store->count = 1;
    return store;
}

/* A pin set with the hosts of one text: "api.x *.y **.z:8883". */
static struct pin_set *add_set(struct pin_index *index, const char *name, enum pin_client client,
                               const char *hosts) {
    struct pin_set *set = arena_alloc(&index->arena, sizeof *set);
    pin_set_init(set, client);
    set->name = arena_copy_text(&index->arena, span_str(name));
    set->hosts = arena_alloc(&index->arena, 8 * sizeof *set->hosts);
    char *rest = arena_copy_text(&index->arena, span_str(hosts)), *word;
    while ((word = strsep(&rest, " ")) != NULL) {
        struct pin_host *host = &set->hosts[set->host_count++];
        host->pattern = strncmp(word, "**.", 3) == 0  ? PIN_PATTERN_ANY_DEPTH
                        : strncmp(word, "*.", 2) == 0 ? PIN_PATTERN_ONE_LABEL
                                                      : PIN_PATTERN_NAME;
        word += host->pattern == PIN_PATTERN_NAME        ? 0
                : host->pattern == PIN_PATTERN_ONE_LABEL ? 2
                                                         : 3;
        char *port = strchr(word, ':') == strrchr(word, ':') ? strchr(word, ':') : NULL;
        if (port != NULL) {
            *port = '\0';
            host->port = (uint16_t)atoi(port + 1);
        }
        host->name = word;
    }
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(pin_index_add(index, set, &note), ERR_NONE);
    return set;
}

static void bind_index(struct pin_index *index) {
    struct trust_store *store = one_profile_store();
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(pin_index_bind(index, store, &note), ERR_NONE);
    free(store);
}

/* The names of the sets that apply, joined with spaces. */
static void expect_sets(const struct pin_index *index, const char *host, uint16_t port,
                        const char *expected) {
    const struct pin_set *sets[8];
    char found[256] = "";
    size_t count = pin_index_lookup(index, span_str(host), port, sets, 8);
    for (size_t i = 0; i < count && i < 8; i++) {
        strcat(found, i > 0 ? " " : "");
        strcat(found, sets[i]->name);
    }
    if (strcmp(found, expected) != 0) {
        fprintf(stderr, "  %s:%u gives \"%s\", expected \"%s\"\n", host, port, found, expected);
    }
    CU_ASSERT_STRING_EQUAL(found, expected);
}

static void test_patterns(void) {
    struct pin_index index;
    pin_index_init(&index, 1);
    add_set(&index, "plain", PIN_CLIENT_CUSTOM, "bank.example");
    add_set(&index, "subs", PIN_CLIENT_CUSTOM, "sub.example")->include_subdomains = true;
    add_set(&index, "one", PIN_CLIENT_CUSTOM, "*.bank.example");
    add_set(&index, "any", PIN_CLIENT_CUSTOM, "**.bank.example");
    add_set(&index, "port", PIN_CLIENT_CUSTOM, "mq.bank.example:8883");
    add_set(&index, "v4", PIN_CLIENT_CUSTOM, "192.0.2.7")->include_subdomains = true;
    add_set(&index, "v6", PIN_CLIENT_CUSTOM, "2001:db8::7");
    add_set(&index, "odd", PIN_CLIENT_CUSTOM, "**.2.7");
    bind_index(&index);
    expect_sets(&index, "bank.example", 443, "plain any");
    expect_sets(&index, "a.bank.example", 443, "one any");
    expect_sets(&index, "b.a.bank.example", 443, "any");
    expect_sets(&index, "mq.bank.example", 8883, "one any port");
    expect_sets(&index, "mq.bank.example", 443, "one any");
    expect_sets(&index, "sub.example", 443, "subs");
    expect_sets(&index, "a.b.c.sub.example", 443, "subs");
    expect_sets(&index, "xsub.example", 443, "");
    expect_sets(&index, "xbank.example", 443, "");
    expect_sets(&index, "example", 443, "");
    expect_sets(&index, "192.0.2.7", 443, "v4");
    expect_sets(&index, "1.192.0.2.7", 443, "");
    expect_sets(&index, "2001:db8::7", 443, "v6");
    expect_sets(&index, "", 443, "");
    char long_host[300];
    memset(long_host, 'a', sizeof long_host);
    CU_ASSERT_EQUAL(pin_index_lookup(&index, span_of(long_host, sizeof long_host), 1, NULL, 0), 0);
    memset(long_host, '.', sizeof long_host);
    CU_ASSERT_EQUAL(pin_index_lookup(&index, span_of(long_host, HOST_MAX), 1, NULL, 0), 0);
    pin_index_fini(&index);
}

/* Where no application is named, a policy file is one: what two teams keep in two files must not
   hide each other's pins. */
static void test_applications_without_a_name(void) {
    struct pin_index index;
    pin_index_init(&index, 3);
    add_set(&index, "team-a", PIN_CLIENT_ANDROID, "*.bank.example")->file = "a.yaml";
    add_set(&index, "team-b", PIN_CLIENT_ANDROID, "api.bank.example")->file = "b.yaml";
    add_set(&index, "team-b-all", PIN_CLIENT_ANDROID, "**.bank.example")->file = "b.yaml";
    bind_index(&index);
    expect_sets(&index, "api.bank.example", 443, "team-a team-b");
    expect_sets(&index, "www.bank.example", 443, "team-a team-b-all");
    pin_index_fini(&index);
}

static void test_client_rules(void) {
    struct pin_index index;
    pin_index_init(&index, 2);
    /* Android: of one application only the most specific applies; other applications have their
       own. */
    add_set(&index, "android-all", PIN_CLIENT_ANDROID, "bank.example")->include_subdomains = true;
    add_set(&index, "android-pay", PIN_CLIENT_ANDROID, "pay.bank.example")->include_subdomains =
        true;
    add_set(&index, "android-api", PIN_CLIENT_ANDROID, "api.pay.bank.example");
    struct pin_set *other = add_set(&index, "kiosk", PIN_CLIENT_ANDROID, "bank.example");
    other->include_subdomains = true;
    other->application = "kiosk";
    /* Apple: exactly one label; parent and exact entries union. */
    add_set(&index, "apple-all", PIN_CLIENT_APPLE, "bank.example")->include_subdomains = true;
    add_set(&index, "apple-pay", PIN_CLIENT_APPLE, "pay.bank.example");
    /* OkHttp: all patterns that match. */
    add_set(&index, "ok-any", PIN_CLIENT_OKHTTP, "**.bank.example");
    add_set(&index, "ok-one", PIN_CLIENT_OKHTTP, "*.bank.example");
    bind_index(&index);
    expect_sets(&index, "bank.example", 443, "android-all kiosk apple-all ok-any");
    expect_sets(&index, "www.bank.example", 443, "android-all kiosk apple-all ok-any ok-one");
    expect_sets(&index, "pay.bank.example", 443,
                "android-pay kiosk apple-all apple-pay ok-any ok-one");
    expect_sets(&index, "api.pay.bank.example", 443, "android-api kiosk ok-any");
    expect_sets(&index, "x.api.pay.bank.example", 443, "android-pay kiosk ok-any");
    pin_index_fini(&index);
}

static void test_exclusion(void) {
    struct pin_index index;
    pin_index_init(&index, 3);
    struct pin_set *set =
        add_set(&index, "trustkit", PIN_CLIENT_TRUSTKIT, "bank.example own.bank.example");
    static const char *excluded[] = {"dev.bank.example", "**.lab.bank.example",
                                     "*.one.bank.example", "own.bank.example"};
    set->include_subdomains = true;
    set->excluded = excluded;
    set->excluded_count = 4;
    struct pin_set *parent = add_set(&index, "parent", PIN_CLIENT_TRUSTKIT, "example");
    parent->include_subdomains = true;
    add_set(&index, "custom", PIN_CLIENT_CUSTOM, "bank.example")->include_subdomains = true;
    bind_index(&index);
    expect_sets(&index, "dev.bank.example", 443, "custom");
    expect_sets(&index, "a.dev.bank.example", 443, "trustkit custom");
    expect_sets(&index, "lab.bank.example", 443, "custom");
    expect_sets(&index, "a.b.lab.bank.example", 443, "custom");
    expect_sets(&index, "xlab.bank.example", 443, "trustkit custom");
    expect_sets(&index, "one.bank.example", 443, "trustkit custom");
    expect_sets(&index, "a.one.bank.example", 443, "custom");
    expect_sets(&index, "b.a.one.bank.example", 443, "trustkit custom");
    expect_sets(&index, "own.bank.example", 443, "trustkit custom");
    expect_sets(&index, "other.example", 443, "parent");
    pin_index_fini(&index);
}

static void test_errors_of_the_index(void) {
    struct pin_index index;
    struct err_note note;
    pin_index_init(&index, 4);
    struct pin_set *first = add_set(&index, "a", PIN_CLIENT_CUSTOM, "x.example");
    first->file = "p.yaml";
    first->line = 3;
    first->column = 7;
    struct pin_set again;
    pin_set_init(&again, PIN_CLIENT_CUSTOM);
    again.name = "a";
    again.file = "q.yaml";
    again.line = 9;
    again.column = 5;
    CU_ASSERT_EQUAL(pin_index_add(&index, &again, &note), ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(note.text,
                           "q.yaml:9:5: name: a pin set \"a\" is already at p.yaml:3, give "
                           "each its own name");
    static const char *unknown[] = {"android-14"};
    first->trust = unknown;
    struct trust_store *store = one_profile_store();
    CU_ASSERT_EQUAL(pin_index_bind(&index, store, &note), ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(
        note.text, "p.yaml:3:7: trust: pin set \"a\" names the trust profile \"android-14\", "
                   "which is not known: add it under \"trust:\", or give --trust "
                   "android-14=FILE");
    free(store);
    pin_index_fini(&index);
}

/* A small alphabet of labels, so that patterns and hosts meet often. */
static void random_name(struct rng *rng, char *out, uint32_t labels_max) {
    static const char *const labels[] = {"a", "b", "aa", "x"};
    out[0] = '\0';
    for (uint32_t i = 1 + rng_below(rng, labels_max); i > 0; i--) {
        strcat(out, labels[rng_below(rng, 4)]);
        strcat(out, i > 1 ? "." : "");
    }
}

/* The rules told once more, slowly: how specifically a set matches; -1 if it does not. Lower is
   more specific. */
static int plain_rank(const struct pin_set *set, const char *host, uint16_t port,
                      bool *out_excluded) {
    int best = -1;
    *out_excluded = false;
    for (uint32_t i = 0; i < set->host_count; i++) {
        const struct pin_host *pattern = &set->hosts[i];
        size_t host_len = strlen(host), name_len = strlen(pattern->name);
        int under = -1; /* labels of the host in front of the name */
        if (strcmp(host, pattern->name) == 0) {
            under = 0;
        } else if (host_len > name_len && host[host_len - name_len - 1] == '.' &&
                   strcmp(host + host_len - name_len, pattern->name) == 0) {
            under = 0;
            for (size_t c = 0; c < host_len - name_len; c++) {
                under += host[c] == '.';
            }
        }
        bool matches = false;
        if (pattern->pattern == PIN_PATTERN_NAME) {
            matches = under == 0 || (under > 0 && set->include_subdomains &&
                                     (set->host_rule != PIN_HOST_ONE_LABEL || under == 1));
        } else {
            matches = pattern->pattern == PIN_PATTERN_ONE_LABEL ? under == 1 : under >= 0;
        }
        if (!matches || (pattern->port != 0 && pattern->port != port)) {
            continue;
        }
        int rank = pattern->pattern == PIN_PATTERN_NAME && under == 0
                       ? 0
                       : 10 * (under + 1) + (pattern->pattern != PIN_PATTERN_ONE_LABEL);
        best = best < 0 || rank < best ? rank : best;
    }
    for (uint32_t i = 0; best > 0 && i < set->excluded_count; i++) {
        *out_excluded = *out_excluded || strcmp(set->excluded[i], host) == 0;
    }
    return best;
}

/* Whether a set has TLSA records for that very port of that very name. */
static bool plain_has_record(const struct pin_set *set, const char *host, uint16_t port) {
    bool has = false;
    for (uint32_t i = 0; i < set->host_count; i++) {
        has = has ||
              (set->client == PIN_CLIENT_DANE && set->hosts[i].port == port &&
               set->hosts[i].pattern == PIN_PATTERN_NAME && strcmp(set->hosts[i].name, host) == 0);
    }
    return has;
}

static bool plain_applies(const struct pin_index *index, uint32_t idx, const char *host,
                          uint16_t port) {
    const struct pin_set *set = index->sets[idx];
    bool excluded;
    int rank = plain_rank(set, host, port, &excluded);
    if (rank < 0 || excluded) {
        return false;
    }
    bool any_port = plain_has_record(set, host, 0) && !plain_has_record(set, host, port);
    for (uint32_t i = 0; any_port && i < index->set_count; i++) {
        if (strcmp(index->sets[i]->application, set->application) == 0 &&
            plain_has_record(index->sets[i], host, port)) {
            return false;
        }
    }
    for (uint32_t i = 0; set->host_rule == PIN_HOST_LONGEST && i < index->set_count; i++) {
        const struct pin_set *other = index->sets[i];
        int other_rank = plain_rank(other, host, port, &excluded);
        if (other->host_rule == PIN_HOST_LONGEST && other->client == set->client &&
            strcmp(other->application, set->application) == 0 && other_rank >= 0 &&
            (other_rank < rank || (excluded && rank > 0))) {
            return false;
        }
    }
    return true;
}

static void test_random_against_a_plain_search(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    static const char *const applications[] = {"", "one", "two"};
    uint32_t hits = 0;
    for (int round = 0; round < 400; round++) {
        struct pin_index index;
        pin_index_init(&index, rng_next(&rng));
        for (uint32_t i = 1 + rng_below(&rng, 12); i > 0; i--) {
            char hosts[200] = "", name[16], one[64];
            for (uint32_t j = 1 + rng_below(&rng, 3); j > 0; j--) {
                static const char *const prefixes[] = {"", "", "*.", "**."};
                random_name(&rng, one, 4);
                strcat(hosts, prefixes[rng_below(&rng, 4)]);
                strcat(hosts, one);
                strcat(hosts, rng_below(&rng, 4) == 0 ? ":8883" : "");
                strcat(hosts, j > 1 ? " " : "");
            }
            snprintf(name, sizeof name, "s%u", i);
            struct pin_set *set =
                add_set(&index, name, (enum pin_client)rng_below(&rng, PIN_CLIENT_COUNT), hosts);
            set->include_subdomains = rng_below(&rng, 2) == 0;
            set->application = applications[rng_below(&rng, 3)];
            if (rng_below(&rng, 4) == 0) {
                random_name(&rng, one, 4);
                set->excluded = arena_alloc(&index.arena, sizeof(char *));
                set->excluded[0] = arena_copy_text(&index.arena, span_str(one));
                set->excluded_count = 1;
            }
        }
        bind_index(&index);
        for (int query = 0; query < 60; query++) {
            char host[64];
            random_name(&rng, host, 5);
            uint16_t port = rng_below(&rng, 2) == 0 ? 443 : 8883;
            const struct pin_set *sets[16];
            size_t count = pin_index_lookup(&index, span_str(host), port, sets, 16), at = 0;
            bool same = true;
            for (uint32_t i = 0; i < index.set_count; i++) {
                bool applies = plain_applies(&index, i, host, port);
                bool found = at < count && sets[at]->idx == i;
                same = same && applies == found;
                at += found;
            }
            CU_ASSERT_TRUE(same && at == count);
            hits += (uint32_t)count;
        }
        pin_index_fini(&index);
    }
    CU_ASSERT_TRUE(hits > 10000);
}

static void test_bounds(void) {
    struct pin_index index;
    struct err_note note;
    pin_index_init(&index, 5);
    for (uint32_t i = 0; i < PIN_RULES_PER_HOST_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%u", i);
        struct pin_set *set =
            add_set(&index, name, PIN_CLIENT_ANDROID, i % 2 == 0 ? "b.example" : "**.example");
        set->application = set->name;
    }
    bind_index(&index);
    const struct pin_set *sets[4];
    CU_ASSERT_EQUAL(pin_index_lookup(&index, span_str("b.example"), 1, sets, 4),
                    PIN_RULES_PER_HOST_MAX);
    CU_ASSERT_STRING_EQUAL(sets[3]->name, "s3");
    CU_ASSERT_EQUAL(pin_index_lookup(&index, span_str("c.example"), 1, sets, 4),
                    PIN_RULES_PER_HOST_MAX / 2);
    index.bound = false;
    add_set(&index, "one more", PIN_CLIENT_ANDROID, "**.example");
    struct trust_store *store = one_profile_store();
    CU_ASSERT_EQUAL(pin_index_bind(&index, store, &note), ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(
        note.text, "more than 1024 host patterns apply to b.example: merge some of its pin sets");
    free(store);
    pin_index_fini(&index);
}

SUITE_MAIN("pin", {"accepted forms", test_accepted_forms}, {"refused forms", test_refused_forms},
           {"truncated text is never a pin", test_truncated_text_is_never_a_pin},
           {"equals", test_equals}, {"patterns", test_patterns},
           {"client rules", test_client_rules},
           {"applications without a name", test_applications_without_a_name},
           {"exclusion", test_exclusion}, {"errors of the index", test_errors_of_the_index},
           {"random against a plain search", test_random_against_a_plain_search},
           {"bounds", test_bounds})
