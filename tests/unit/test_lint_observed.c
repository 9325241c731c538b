/* The rules that look at chains, on snapshots made up from numbers: certificate i has key i; the
   marks of tests/support/import_case.h name the same keys in policies. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/lint/lint_report.h"
#include "tests/support/import_case.h"
#include "tests/support/suite.h"

#define NOW "2027-01-01"
#define GOOD                                                                                       \
    " owner: o, approver: a, rollover: 'https://r', last_rehearsal: 2026-12-01, "                  \
    "backup_custody: safe, "

/* One view: what was sent, and the preferred path, as digits; "" : no path. `address` tells views
   of one target apart. `other` is another valid path. */
struct seen {
    const char *host, *address, *sent, *path, *other;
};

static bool without_issuer_keys;
static bool extra_is_cross; /* certificate 9 is another of key 5, which expires first */

static void add_cert(struct snapshot *snapshot, uint32_t number, uint32_t *out) {
    uint8_t digest[SHA256_LEN];
    import_sha256(true, (uint8_t)number, digest);
    *out = snapshot_cert(snapshot, digest);
    struct snapshot_cert *added = &snapshot->certs[*out];
    bool is_cross = extra_is_cross && number == 9;
    import_sha256(false, is_cross ? 5 : (uint8_t)number, added->spki_sha256);
    static const char *const subjects[] = {"CN=leaf 0", "CN=R11,O=Let's Encrypt,C=US",
                                           "CN=Root 2", "CN=leaf 3",
                                           "CN=CA 4",   "CN=Root 5",
                                           "CN=leaf 6", "CN=CA 7",
                                           "CN=Root 8", "CN=extra 9"};
    static const char *const keys[] = {"ecdsa-p256", "rsa-2048",   "rsa-4096", "rsa-3072",
                                       "ecdsa-p256", "ecdsa-p384", "ed25519",  "ecdsa-p256",
                                       "ecdsa-p256", "ecdsa-p256"};
    added->has_spki = added->known = added->strict = true;
    added->subject = subjects[number];
    bool is_leaf = number == 0 || number == 3 || number == 6;
    added->key = without_issuer_keys && !is_leaf ? "" : keys[number];
    CU_ASSERT(datetime_parse(span_str("2020-01-01"), &added->not_before));
    CU_ASSERT(datetime_parse(span_str(number == 3 || is_cross ? "2027-01-20" : "2030-01-01"),
                             &added->not_after));
}

static uint32_t add_list(struct snapshot *snapshot, const char *digits, uint32_t *out) {
    uint32_t count = (uint32_t)strlen(digits);
    for (uint32_t i = 0; i < count; i++) {
        add_cert(snapshot, (uint32_t)(digits[i] - '0'), &out[i]);
    }
    return count;
}

static void add_chain(struct snapshot *snapshot, const struct seen *seen,
                      struct snapshot_view *view, uint32_t number) {
    uint32_t certs[16];
    uint8_t id[SHA256_LEN];
    sha256_once(span_of(&number, sizeof number), id);
    uint32_t view_idx = (uint32_t)(view - snapshot->views);
    uint32_t chain = snapshot_chain(snapshot, id);
    uint32_t count = add_list(snapshot, seen->sent, certs);
    snapshot_chain_set(snapshot, chain, certs, count);
    uint32_t system = snapshot_profile(snapshot, span_str("system"));
    snapshot_chain_judge(snapshot, chain);
    const char *const paths[] = {seen->path, seen->other};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        if (paths[i] != NULL && paths[i][0] != '\0') {
            struct snapshot_path path = {.profile = system,
                                         .preferred = i == 0,
                                         .valid = true,
                                         .not_before = DATETIME_NONE,
                                         .not_after = DATETIME_NONE};
            path.cert_count = add_list(snapshot, paths[i], certs);
            snapshot_path(snapshot, chain, &path, certs);
        }
    }
    snapshot->views[view_idx].chain = chain;
}

static void fill(struct snapshot *snapshot, const struct seen *seen, size_t count) {
    snapshot_init(snapshot);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(seen[i].host, seen[i - 1].host) != 0) {
            struct snapshot_target *target = snapshot_target(snapshot);
            target->host = target->pin_host = seen[i].host;
            target->port = 443;
        }
        struct snapshot_view *view = snapshot_view(snapshot);
        view->address = seen[i].address;
        view->status = OUTCOME_SUCCESS;
        add_chain(snapshot, &seen[i], view, (uint32_t)i);
    }
}

static void describe(const struct lint *lint, char *out, size_t size) {
    size_t len = 0;
    out[0] = '\0';
    for (int rule = 0; rule < LINT_RULE_COUNT; rule++) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < lint->count; i++) {
            found += lint->findings[i].rule == (enum lint_rule_id)rule;
        }
        if (found > 0) {
            len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? " " : "",
                                    lint_rules[rule].id);
        }
    }
}

static uint32_t error_count = UINT32_MAX; /* expected; UINT32_MAX: any */
static bool twice;                        /* two sweeps show the same: each finding is told once */

static void expect_of(const char *sets, const struct seen *seen, size_t count,
                      const char *expected) {
    char policy[4096], found[512];
    struct snapshot snapshot;
    struct lint_config config;
    struct lint lint;
    struct err_note note;
    snprintf(policy, sizeof policy, "version: 1\npin_sets:\n%s\n", sets);
    struct import_world *world = import_world_new(policy, IMPORT_NATIVE, "policy.yaml");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    fill(&snapshot, seen, count);
    lint_config_init(&config);
    config.pins = &world->index;
    config.trust = &world->store;
    config.observed[0] = &snapshot;
    config.observed[1] = &snapshot;
    config.observed_count = twice ? 2 : 1;
    CU_ASSERT(datetime_parse(span_str(NOW), &config.at_unix_s));
    CU_ASSERT_EQUAL_FATAL(lint_run(&lint, &config, &note), ERR_NONE);
    describe(&lint, found, sizeof found);
    CU_ASSERT(error_count == UINT32_MAX || lint.counts[LINT_ERROR] == error_count);
    for (uint32_t i = 1; i < lint.count; i++) {
        CU_ASSERT(lint.findings[i].rule != lint.findings[i - 1].rule ||
                  strcmp(lint.findings[i].message, lint.findings[i - 1].message) != 0);
    }
    if (strcmp(found, expected) != 0) {
        printf("%s\n  expected %s, found %s\n", sets, expected, found);
        lint_write_text(&lint, stdout, false);
    }
    CU_ASSERT_STRING_EQUAL(found, expected);
    lint_fini(&lint);
    snapshot_fini(&snapshot);
    import_world_free(world);
}

#define SET(more, pins) " - {name: s, hosts: ['**.a.example'], " more GOOD "pins: [" pins "]}"
#define P(n) "'sha256/{" #n "}'"

static const struct seen one[] = {{"h.a.example", "127.0.0.1", "34", "345", NULL}};

static void expect(const char *sets, const char *expected) {
    expect_of(sets, one, 1, expected);
}

static void test_match(void) {
    expect(SET("", P(5) ", " P(8)), "");
    expect(SET("", P(4) ", " P(8)), ""); /* a private intermediate may be pinned */
}

static void test_broken(void) {
    expect(SET("", P(7) ", " P(8)), "PIN003");
    twice = true;
    expect(SET("", P(7) ", " P(8)), "PIN003");
    twice = false;
    expect(" - {name: s, hosts: [other.example]," GOOD "pins: [" P(5) ", " P(8) "]}", "PIN038");
}

static void test_not_independent(void) {
    expect(SET("", P(4) ", " P(5)), "PIN002");
    expect(SET("", P(4) ", " P(5) ", " P(8)), "");
}

static void test_leaf_only(void) {
    /* certificate 3 expires within the 30 days that a release takes */
    expect(SET("", P(3) ", " P(8)), "PIN006 PIN023");
    expect(SET("client: curl, ", P(3) ", " P(8)), "PIN023");
    expect(SET("client: curl, ", P(5) ", " P(8)), "PIN003 PIN008");
}

static void test_wrong_object(void) {
    expect(SET("", "'sha256/{c5}', " P(8)), "PIN003 PIN009");
    expect(SET("", "'sha256/{c5}', " P(5)), "PIN009");
    expect(SET("", "{pin: 'sha256/{5}', of: cert}, " P(8)), "PIN003 PIN009");
    expect(SET("", "{pin: 'sha256/{c5}', of: cert}, " P(8)), "");
}

static void test_off_path(void) {
    const struct seen extra[] = {{"h.a.example", "127.0.0.1", "349", "345", NULL}};
    expect_of(SET("", P(9) ", " P(8)), extra, 1, "PIN005");
}

static void test_paths(void) {
    const struct seen cross[] = {{"h.a.example", "127.0.0.1", "34", "345", "348"}};
    expect_of(SET("", P(5) ", " P(7)), cross, 1, "PIN004");
    expect_of(SET("", P(5) ", " P(8)), cross, 1, ""); /* both roots: durable */
    const struct seen providers[] = {{"h.a.example", "127.0.0.1", "34", "345", NULL},
                                     {"h.a.example", "127.0.0.2", "07", "078", NULL}};
    expect_of(SET("", P(5) ", " P(9)), providers, 2, "PIN036");
    expect_of(SET("", P(5) ", " P(8)), providers, 2, "");
    /* one CA, and a renewal that has not come to every address: not several providers */
    const struct seen renewal[] = {{"h.a.example", "127.0.0.1", "64", "645", NULL},
                                   {"h.a.example", "127.0.0.2", "04", "045", NULL}};
    expect_of(SET("client: curl, ", P(6) ", " P(8)), renewal, 2, "PIN004");
}

/* A listener's pins are not the server's; others that only report do not lock anybody out. */
static void test_report_only(void) {
    expect(SET("client: envoy, report_only: true, ", P(6) ", " P(7)), "");
    expect(SET("client: envoy, ", P(6) ", " P(7)), "PIN003");
    error_count = 1;
    expect(SET("client: hpkp, ", P(6) ", " P(7)), "PIN003");
    error_count = 0;
    expect(SET("client: hpkp, report_only: true, ", P(6) ", " P(7)), "PIN003");
    error_count = UINT32_MAX;
}

/* The pin is of a key that two certificates have: what counts is the one on the path. */
static void test_expiry_of_the_match(void) {
    const struct seen sent[] = {{"h.a.example", "127.0.0.1", "049", "045", NULL}};
    extra_is_cross = true;
    expect_of(SET("", P(5) ", " P(8)), sent, 1, "");
    extra_is_cross = false;
}

static void test_key_types(void) {
    const struct seen dual[] = {{"h.a.example", "127.0.0.1", "34", "345", NULL},
                                {"h.a.example", "127.0.0.1", "07", "078", NULL}};
    expect_of(SET("", P(5) ", " P(9)), dual, 2, "PIN004");
    expect_of(SET("key_types: [rsa], ", P(5) ", " P(9)), dual, 2, "");
    expect_of(SET("key_types: [ecdsa], ", P(5) ", " P(9)), dual, 2, "PIN003");
}

static void test_rotating(void) {
    const struct seen public_ca[] = {{"h.a.example", "127.0.0.1", "01", "012", NULL}};
    expect_of(SET("", P(1) ", " P(8)), public_ca, 1, "PIN007");
    expect_of(SET("", P(1) ", " P(2) ", " P(8)), public_ca, 1, "");
}

static void test_trustkit(void) {
    /* from the anchor down: it matches before the RSA-3072 leaf 3 is met */
    expect(SET("client: trustkit, expires: 2028-01-01, ", P(5) ", " P(8)), "");
    /* even where the leaf itself is pinned it is blocked */
    expect(SET("client: trustkit, expires: 2028-01-01, ", P(3) ", " P(8)), "PIN003 PIN041");
    const struct seen good[] = {{"h.a.example", "127.0.0.1", "07", "078", NULL}};
    expect_of(SET("client: trustkit, expires: 2028-01-01, ", P(8) ", " P(5)), good, 1, "");
}

/* Records name the leaf's key alone. */
static void test_unknown_keys(void) {
    const struct seen plain[] = {{"h.a.example", "127.0.0.1", "07", "078", NULL}};
    without_issuer_keys = true;
    expect_of(SET("client: trustkit, expires: 2028-01-01, ", P(7) ", " P(5)), plain, 1, "");
    without_issuer_keys = false;
}

static void test_dane(void) {
#define TLSA(n, u) "{pin: 'sha256/{" #n "}', tlsa: {usage: " #u ", selector: 1, matching: 1}}"
    expect(SET("client: dane, ", TLSA(5, 2)), "PIN003 PIN043");
    expect(SET("client: dane, ", TLSA(4, 2)), "");
    expect(SET("client: dane, ", TLSA(3, 3)), "PIN023");
    expect(SET("client: dane, ", TLSA(3, 3) ", " TLSA(4, 2)),
           "PIN023"); /* one chain: as it is run */
}

static void test_apple_depth(void) {
    const struct seen deep[] = {{"x.y.a.example", "127.0.0.1", "34", "345", NULL}};
    expect_of(" - {name: s, client: apple, update: {channel: remote}, hosts: [a.example], "
              "include_subdomains: true," GOOD
              "pins: [{pin: 'sha256/{5}', list: ca}, {pin: 'sha256/{8}', list: ca}]}",
              deep, 1, "PIN038 PIN040");
}

static void test_unknown_profile(void) {
    /* a sweep without the set's profile says nothing about it */
    struct snapshot snapshot;
    snapshot_init(&snapshot);
    struct err_note note;
    CU_ASSERT_EQUAL(snapshot_end(&snapshot, &note), ERR_NONE);
    snapshot_fini(&snapshot);
    const struct seen none[] = {{"h.a.example", "127.0.0.1", "34", "", NULL}};
    expect_of(SET("", P(5) ", " P(8)), none, 1, "PIN003");
}

SUITE_MAIN("lint_observed", {"a match", test_match}, {"broken", test_broken},
           {"pins of one chain", test_not_independent}, {"leaf alone", test_leaf_only},
           {"the wrong object's hash", test_wrong_object}, {"off the path", test_off_path},
           {"several paths and addresses", test_paths}, {"report-only", test_report_only},
           {"what expires is what matched", test_expiry_of_the_match},
           {"key types", test_key_types}, {"a rotating intermediate", test_rotating},
           {"TrustKit's keys", test_trustkit}, {"keys that are not known", test_unknown_keys},
           {"DANE", test_dane}, {"Apple's one label", test_apple_depth},
           {"no path", test_unknown_profile})
