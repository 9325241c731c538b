#include "engine/policy/policy.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/mint.h"
#include "engine/codec/datetime.h"
#include "engine/codec/text.h"
#include "tests/support/suite.h"

#define X1 "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M="
#define R4 "sha256/mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c="

/* A policy with one good pin set, to which lines may be added. */
#define GOOD                                                                                       \
    "version: 1\n"                                                                                 \
    "pin_sets:\n"                                                                                  \
    "  - name: a\n"                                                                                \
    "    hosts: [x.example]\n"                                                                     \
    "    pins: [\"" X1 "\"]\n"
/* One whose pins are still to come, from line 5 on. */
#define PINS                                                                                       \
    "version: 1\n"                                                                                 \
    "pin_sets:\n"                                                                                  \
    "  - name: a\n"                                                                                \
    "    hosts: [x.example]\n"                                                                     \
    "    pins:\n"
#define HOSTS(hosts)                                                                               \
    "version: 1\npin_sets:\n  - name: a\n    hosts: [" hosts "]\n    pins: [\"" X1 "\"]\n"

struct loaded {
    struct pin_index index;
    struct trust_store store;
    struct err_note note;
    enum err err;
};

static struct loaded *load_span(struct span yaml, const char *name) {
    struct loaded *loaded = calloc(1, sizeof *loaded);
    pin_index_init(&loaded->index, 1);
    trust_store_init(&loaded->store);
    loaded->err = policy_parse_native(yaml, name, &loaded->index, &loaded->store, &loaded->note);
    return loaded;
}

static struct loaded *load(const char *yaml) {
    return load_span(span_str(yaml), "p.yaml");
}

static void unload(struct loaded *loaded) {
    pin_index_fini(&loaded->index);
    trust_store_fini(&loaded->store);
    free(loaded);
}

#include "tests/unit/policy_errors.h"

static void test_errors(void) {
    CU_ASSERT_TRUE(sizeof bad_policies / sizeof bad_policies[0] >= 25);
    for (size_t i = 0; i < sizeof bad_policies / sizeof bad_policies[0]; i++) {
        struct loaded *loaded = load(bad_policies[i].yaml);
        if (loaded->err == ERR_NONE || strcmp(loaded->note.text, bad_policies[i].error) != 0) {
            fprintf(stderr, "--- policy %zu\n%s--- says\n%s\n", i, bad_policies[i].yaml,
                    loaded->err == ERR_NONE ? "nothing" : loaded->note.text);
        }
        CU_ASSERT_EQUAL(loaded->err, ERR_CONFIG);
        CU_ASSERT_STRING_EQUAL(loaded->note.text, bad_policies[i].error);
        unload(loaded);
    }
}

/* --- good policies --- */

static const struct pin_set *only_set(const struct loaded *loaded) {
    if (loaded->err != ERR_NONE) {
        fprintf(stderr, "  %s\n", loaded->note.text);
    }
    CU_ASSERT_EQUAL_FATAL(loaded->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(loaded->index.set_count, 1);
    return loaded->index.sets[0];
}

static void test_every_key(void) {
    struct loaded *loaded =
        load("version: 1\n"
             "pin_sets:\n"
             "  - name: mobile\n"
             "    hosts: [API.bank.example., \"*.pay.bank.example\", \"**.b\xc3\xbc"
             "cher.example:8883\","
             " 192.0.2.7, \"[2001:DB8:0::7]:8443\", \"2001:db8::8\"]\n"
             "    include_subdomains: true\n"
             "    exclude_subdomains: [Dev.bank.example, \"**.lab.bank.example\"]\n"
             "    host_rule: union\n"
             "    client: android\n"
             "    scope: ca-only\n"
             "    key_types: [rsa, ed25519]\n"
             "    trust: [system, other]\n"
             "    pins:\n"
             "      - {pin: \"" X1 "\", role: backup, note: \"ISRG: X1\", list: ca, of: cert}\n"
             "      - {pin: C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=, alg: sha256}\n"
             "      - {pin: +BZRPP0bRJ8uayihlyIfuB9RTjw=, alg: sha1, role: bad}\n"
             "      - sha256//mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c=\n"
             "    expires: 2027-06-01\n"
             "    on_expiry: fail-closed\n"
             "    report_only: true\n"
             "    application: banking\n"
             "    platform: android\n"
             "    owner: mobile@bank.example\n"
             "    approver: \"\"\n"
             "    rollover: https://wiki.bank.example/pin-rollover\n"
             "    update: {channel: app-store, lead_time_days: 45, adoption_days: 60}\n"
             "    last_rehearsal: 2026-09-30\n"
             "    backup_custody: HSM B, safe 12\n"
             "    operated_by: third-party\n"
             "    exceptions:\n"
             "      - {rule: PIN022, reason: kiosks, approver: ciso, until: 2027-01-31}\n"
             "      - {rule: PIN031}\n"
             "    extra: {tag: [1, \"1\", a b, \"\\\"\\\\\\n\"], empty: , deep: {x: true}}\n");
    const struct pin_set *set = only_set(loaded);
    CU_ASSERT_STRING_EQUAL(set->name, "mobile");
    CU_ASSERT_STRING_EQUAL(set->file, "p.yaml");
    CU_ASSERT_EQUAL(set->line, 3);
    CU_ASSERT_EQUAL(set->column, 5);
    static const struct pin_host hosts[] = {
        {"api.bank.example", PIN_PATTERN_NAME, 0},
        {"pay.bank.example", PIN_PATTERN_ONE_LABEL, 0},
        {"xn--bcher-kva.example", PIN_PATTERN_ANY_DEPTH, 8883},
        {"192.0.2.7", PIN_PATTERN_NAME, 0},
        {"2001:db8::7", PIN_PATTERN_NAME, 8443},
        {"2001:db8::8", PIN_PATTERN_NAME, 0},
    };
    CU_ASSERT_EQUAL_FATAL(set->host_count, 6);
    for (size_t i = 0; i < 6; i++) {
        CU_ASSERT_STRING_EQUAL(set->hosts[i].name, hosts[i].name);
        CU_ASSERT_EQUAL(set->hosts[i].pattern, hosts[i].pattern);
        CU_ASSERT_EQUAL(set->hosts[i].port, hosts[i].port);
    }
    CU_ASSERT_TRUE(set->include_subdomains);
    CU_ASSERT_EQUAL_FATAL(set->excluded_count, 2);
    CU_ASSERT_STRING_EQUAL(set->excluded[0], "dev.bank.example");
    CU_ASSERT_STRING_EQUAL(set->excluded[1], "**.lab.bank.example");
    CU_ASSERT_EQUAL(set->host_rule, PIN_HOST_UNION);
    CU_ASSERT_EQUAL(set->client, PIN_CLIENT_ANDROID);
    CU_ASSERT_EQUAL(set->scope, PIN_SCOPE_CA_ONLY);
    CU_ASSERT_EQUAL(set->key_types, PIN_KEYS_RSA | PIN_KEYS_ED25519);
    CU_ASSERT_EQUAL_FATAL(set->trust_count, 2);
    CU_ASSERT_STRING_EQUAL(set->trust[1], "other");
    CU_ASSERT_FALSE(set->trust_none);
    CU_ASSERT_EQUAL_FATAL(set->pin_count, 4);
    CU_ASSERT_STRING_EQUAL(set->pins[0].text, X1);
    CU_ASSERT_STRING_EQUAL(set->pins[0].note, "ISRG: X1");
    CU_ASSERT_EQUAL(set->pins[0].role, PIN_BACKUP);
    CU_ASSERT_EQUAL(set->pins[0].list, PIN_LIST_CA);
    CU_ASSERT_EQUAL(set->pins[0].of, PIN_OF_CERT);
    CU_ASSERT_EQUAL(set->pins[0].line, 13);
    CU_ASSERT_STRING_EQUAL(set->pins[1].text, X1);
    CU_ASSERT_EQUAL(set->pins[1].of, PIN_OF_SPKI);
    CU_ASSERT_EQUAL(set->pins[2].alg, PIN_SHA1);
    CU_ASSERT_EQUAL(set->pins[2].role, PIN_BAD);
    CU_ASSERT_STRING_EQUAL(set->pins[3].text, R4);
    CU_ASSERT_EQUAL(set->pins[3].tlsa_usage, PIN_TLSA_NONE);
    CU_ASSERT_EQUAL(set->expires, INT64_C(1811808000));
    CU_ASSERT_EQUAL(set->on_expiry, PIN_FAIL_CLOSED);
    CU_ASSERT_TRUE(set->report_only);
    CU_ASSERT_TRUE(set->operated_by_third_party);
    CU_ASSERT_STRING_EQUAL(set->application, "banking");
    CU_ASSERT_STRING_EQUAL(set->approver, "");
    CU_ASSERT_STRING_EQUAL(set->update_channel, "app-store");
    CU_ASSERT_EQUAL(set->lead_time_days, 45);
    CU_ASSERT_EQUAL(set->adoption_days, 60);
    CU_ASSERT_EQUAL(set->last_rehearsal, INT64_C(1790726400));
    CU_ASSERT_EQUAL_FATAL(set->exception_count, 2);
    CU_ASSERT_STRING_EQUAL(set->exceptions[0].approver, "ciso");
    CU_ASSERT_EQUAL(set->exceptions[0].until, INT64_C(1801353600));
    CU_ASSERT_STRING_EQUAL(set->exceptions[1].reason, "");
    CU_ASSERT_EQUAL(set->exceptions[1].until, DATETIME_NONE);
    CU_ASSERT_STRING_EQUAL(set->extra, "{tag: [1, \"1\", \"a b\", \"\\\"\\\\\\x0a\"], empty: null, "
                                       "deep: {x: true}}");
    unload(loaded);
}

/* What was written of `extra` reads back as the same text. */
/* A digest whose base64 begins like the name of an algorithm. */
static void test_alg_beside_pin(void) {
    struct loaded *loaded =
        load(PINS "      [{pin: sha2AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0=, alg: sha256}]\n");
    CU_ASSERT_STRING_EQUAL(only_set(loaded)->pins[0].text,
                           "sha256/sha2AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0=");
    unload(loaded);
}

static void test_extra_round_trip(void) {
    static const char *const texts[] = {"{}", "{a: \"x: y\", \"b c\": [[], {}, \"\"], d: \"- e\"}",
                                        "{n: \"null\", m: null, t: \"#\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char yaml[1024];
        snprintf(yaml, sizeof yaml, "%s    extra: %s\n", GOOD, texts[i]);
        struct loaded *loaded = load(yaml);
        CU_ASSERT_STRING_EQUAL(only_set(loaded)->extra, texts[i]);
        unload(loaded);
    }
    struct loaded *block =
        load(GOOD "    extra:\n      # told apart\n      a:\n        - x\n        - |\n"
                  "          two\n          lines\n    owner: me\n");
    CU_ASSERT_STRING_EQUAL(only_set(block)->extra, "{a: [x, \"two\\x0alines\\x0a\"]}");
    CU_ASSERT_STRING_EQUAL(only_set(block)->owner, "me");
    unload(block);
}

static void test_defaults_by_client(void) {
    static const struct {
        const char *client;
        enum pin_host_rule host_rule;
        enum pin_scope scope;
        enum pin_on_expiry on_expiry;
    } cases[] = {
        {"custom", PIN_HOST_EXACT, PIN_SCOPE_PATH, PIN_FAIL_OPEN},
        {"android", PIN_HOST_LONGEST, PIN_SCOPE_PATH, PIN_FAIL_OPEN},
        {"apple", PIN_HOST_ONE_LABEL, PIN_SCOPE_LEAF_AND_CA, PIN_EXPIRY_NONE},
        {"trustkit", PIN_HOST_LONGEST, PIN_SCOPE_PATH, PIN_FAIL_OPEN},
        {"okhttp", PIN_HOST_UNION, PIN_SCOPE_PATH, PIN_EXPIRY_NONE},
        {"hpkp", PIN_HOST_LONGEST, PIN_SCOPE_PATH, PIN_FAIL_OPEN},
        {"curl", PIN_HOST_EXACT, PIN_SCOPE_LEAF, PIN_EXPIRY_NONE},
        {"envoy", PIN_HOST_EXACT, PIN_SCOPE_LEAF, PIN_EXPIRY_NONE},
        {"chromium", PIN_HOST_LONGEST, PIN_SCOPE_PATH, PIN_FAIL_OPEN},
        {"dane", PIN_HOST_EXACT, PIN_SCOPE_PATH, PIN_EXPIRY_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char yaml[1024];
        const char *pin = strcmp(cases[i].client, "dane") == 0
                              ? "tlsa: {usage: 3, selector: 0, matching: 1}"
                              : "list: ca";
        snprintf(yaml, sizeof yaml, "%s      - {pin: \"%s\", %s}\n    client: %s\n", PINS, X1, pin,
                 cases[i].client);
        struct loaded *loaded = load(yaml);
        const struct pin_set *set = only_set(loaded);
        CU_ASSERT_STRING_EQUAL(pin_client_text(set->client), cases[i].client);
        CU_ASSERT_EQUAL(set->host_rule, cases[i].host_rule);
        CU_ASSERT_EQUAL(set->scope, cases[i].scope);
        CU_ASSERT_EQUAL(set->on_expiry, cases[i].on_expiry);
        CU_ASSERT_EQUAL(set->key_types, PIN_KEYS_ANY);
        CU_ASSERT_STRING_EQUAL(set->trust[0], "system");
        CU_ASSERT_EQUAL(set->expires, DATETIME_NONE);
        CU_ASSERT_EQUAL(set->lead_time_days, -1);
        CU_ASSERT_STRING_EQUAL(set->owner, "");
        CU_ASSERT_STRING_EQUAL(set->extra, "");
        if (set->client == PIN_CLIENT_DANE) {
            CU_ASSERT_EQUAL(set->pins[0].tlsa_usage, PIN_TLSA_DANE_EE);
            CU_ASSERT_EQUAL(set->pins[0].of, PIN_OF_CERT);
        }
        unload(loaded);
    }
}

static void test_several_policies(void) {
    struct loaded *loaded = load("\xef\xbb\xbf" GOOD); /* with a byte order mark */
    CU_ASSERT_EQUAL(only_set(loaded)->line, 3);
    enum err err = policy_parse_native(
        span_str("version: 1\npin_sets: [{name: b, hosts: [x.example], pins: [" X1 "]}]\n"),
        "q.yaml", &loaded->index, &loaded->store, &loaded->note);
    CU_ASSERT_EQUAL(err, ERR_NONE);
    CU_ASSERT_EQUAL(loaded->index.set_count, 2);
    err = policy_parse_native(span_str(GOOD), "r.yaml", &loaded->index, &loaded->store,
                              &loaded->note);
    CU_ASSERT_EQUAL(err, ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(loaded->note.text, "r.yaml:3:5: name: a pin set \"a\" is already at "
                                              "p.yaml:3, give each its own name");
    unload(loaded);
}

/* --- files --- */

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

/* One root as PEM. */
static void write_root(const char *path) {
    EVP_PKEY *key = mint_key_new(MINT_P256, 7, "root");
    struct mint_spec spec = {.subject_cn = "Root",
                             .key = key,
                             .serial = 1,
                             .not_before = 1600000000,
                             .not_after = 2600000000,
                             .is_ca = true,
                             .path_len = -1};
    size_t len = 0;
    uint8_t *der = mint_certificate(&spec, &len);
    char *base64 = malloc(BASE64_LEN(len) + 1), *pem = malloc(BASE64_LEN(len) * 2 + 100);
    base64_encode(base64, span_of(der, len));
    size_t at = (size_t)sprintf(pem, "-----BEGIN CERTIFICATE-----\n");
    for (size_t i = 0; i < BASE64_LEN(len); i += 64) {
        size_t left = BASE64_LEN(len) - i;
        at += (size_t)sprintf(pem + at, "%.*s\n", (int)(left < 64 ? left : 64), base64 + i);
    }
    sprintf(pem + at, "-----END CERTIFICATE-----\n");
    write_file(path, pem);
    free(pem);
    free(base64);
    free(der);
    EVP_PKEY_free(key);
}

static void test_trust_profiles(void) {
    char folder[] = "/tmp/pinsweep-policy-XXXXXX", path[64], pem[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/p.yaml", folder);
    snprintf(pem, sizeof pem, "%s/t.pem", folder);
    write_root(pem);
    write_file(path, GOOD "    trust: [t]\ntrust: [{name: t, file: t.pem}]\n");
    for (int round = 0; round < 2; round++) {
        struct loaded *loaded = calloc(1, sizeof *loaded);
        pin_index_init(&loaded->index, 1);
        trust_store_init(&loaded->store);
        if (round == 1) { /* the command line came first: its profile stays, the file is not read */
            CU_ASSERT_EQUAL(trust_store_load(&loaded->store, "t", pem, &loaded->note), ERR_NONE);
            write_file(path, GOOD "    trust: [t]\ntrust: [{name: t, file: absent.pem}]\n");
        }
        loaded->err = policy_load_native(path, &loaded->index, &loaded->store, &loaded->note);
        const struct pin_set *set = only_set(loaded);
        CU_ASSERT_EQUAL(loaded->store.count, 1);
        CU_ASSERT_EQUAL(pin_index_bind(&loaded->index, &loaded->store, &loaded->note), ERR_NONE);
        CU_ASSERT_EQUAL(set->trust_profiles[0], 0);
        unload(loaded);
    }
    struct loaded *loaded = load(""); /* empty-handed */
    loaded->err = policy_load_native(path, &loaded->index, &loaded->store, &loaded->note);
    CU_ASSERT_EQUAL(loaded->err, ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(loaded->note.text, "p.yaml:7:25: file: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(loaded->note.text, "/absent.pem"));
    unload(loaded);
    remove(pem);
    remove(path);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void test_unreadable_file(void) {
    struct loaded *loaded = load(GOOD);
    CU_ASSERT_EQUAL(
        policy_load_native("/nonexistent/p.yaml", &loaded->index, &loaded->store, &loaded->note),
        ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(loaded->note.text,
                           "/nonexistent/p.yaml: cannot be read: No such file or directory");
    CU_ASSERT_EQUAL(policy_load_native("/", &loaded->index, &loaded->store, &loaded->note),
                    ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(loaded->note.text, "/: cannot be read: Is a directory");
    unload(loaded);
}

/* --- the example --- */

static char *read_example(size_t *out_len) {
    char path[4096];
    snprintf(path, sizeof path, "%s", __FILE__);
    char *tests = strstr(path, "tests/unit/");
    CU_ASSERT_PTR_NOT_NULL_FATAL(tests);
    strcpy(tests, "data/policy.example.yaml");
    FILE *file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char *text = calloc(1, 65536);
    *out_len = fread(text, 1, 65535, file);
    fclose(file);
    return text;
}

static void test_example(void) {
    size_t len = 0;
    char *text = read_example(&len);
    struct loaded *loaded = load_span(span_of(text, len), "data/policy.example.yaml");
    CU_ASSERT_STRING_EQUAL(loaded->note.text, "");
    CU_ASSERT_EQUAL_FATAL(loaded->err, ERR_NONE);
    CU_ASSERT_EQUAL(loaded->index.set_count, 6);
    /* Every key of a pin set is shown. */
    static const char *const keys[] = {"name",
                                       "hosts",
                                       "include_subdomains",
                                       "exclude_subdomains",
                                       "host_rule",
                                       "client",
                                       "scope",
                                       "key_types",
                                       "trust",
                                       "pins",
                                       "expires",
                                       "on_expiry",
                                       "report_only",
                                       "application",
                                       "platform",
                                       "owner",
                                       "approver",
                                       "rollover",
                                       "update",
                                       "last_rehearsal",
                                       "backup_custody",
                                       "operated_by",
                                       "exceptions",
                                       "extra"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "\n    %s:", keys[i]);
        CU_ASSERT_TRUE(strstr(text, line) != NULL || strcmp(keys[i], "name") == 0);
    }
    unload(loaded);
    free(text);
}

/* Cut anywhere: an error that names the place, or a policy with pins; never silence. */
static void test_example_cut_at_every_byte(void) {
    size_t len = 0;
    char *text = read_example(&len);
    uint32_t whole = 0;
    for (size_t cut = 0; cut < len; cut++) {
        char *exact = malloc(cut + 1); /* so that the sanitizer sees a read past the end */
        memcpy(exact, text, cut);
        struct loaded *loaded = load_span(span_of(exact, cut), "p.yaml");
        if (loaded->err == ERR_NONE) {
            bool full = loaded->index.set_count > 0;
            for (uint32_t i = 0; i < loaded->index.set_count; i++) {
                full = full && loaded->index.sets[i]->pin_count > 0 &&
                       loaded->index.sets[i]->host_count > 0;
            }
            CU_ASSERT_TRUE(full);
            whole++;
        } else {
            CU_ASSERT_EQUAL(strncmp(loaded->note.text, "p.yaml:", 7), 0);
        }
        unload(loaded);
        free(exact);
    }
    CU_ASSERT_TRUE(whole > 100 && whole < len);
    free(text);
}

SUITE_MAIN("policy", {"errors", test_errors}, {"every key", test_every_key},
           {"alg beside the pin", test_alg_beside_pin}, {"extra round trip", test_extra_round_trip},
           {"defaults by client", test_defaults_by_client},
           {"several policies", test_several_policies}, {"trust profiles", test_trust_profiles},
           {"unreadable file", test_unreadable_file}, {"example", test_example},
           {"example cut at every byte", test_example_cut_at_every_byte})
