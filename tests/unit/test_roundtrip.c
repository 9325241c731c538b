/* Out and back: import -> native -> export -> import is the identity for what a format can hold,
   and what an exporter does not tell as lost means the same to the new clients as to the old. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "engine/codec/base64.h"
#include "engine/codec/datetime.h"
#include "engine/policy/export.h"
#include "tests/support/import_case.h"
#include "tests/support/pin_compare.h"
#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WORLDS 1500 /* random policies for each format */

static void drop(void *context, const char *text) {
    (void)context, (void)text;
}

static void print_loss(void *context, const char *text) {
    (void)context;
    printf("  lost: %s\n", text);
}

static enum err write_sets(const struct pin_index *index, enum export_format format,
                           struct export_result *out, struct err_note *note, bool loud) {
    struct export_config config = {.format = format, .loss = loud ? print_loss : drop};
    return export_sets(&config, (const struct pin_set *const *)index->sets, index->set_count, out,
                       note);
}

static struct import_world *read_back(const struct export_result *result, enum export_format format,
                                      const char *name) {
    struct export_text both = {0};
    export_put(&both, result->file.bytes);
    if (result->keys.len > 0) { /* import_world_of() takes a list and its keys apart there */
        export_put(&both, "\f");
        export_put(&both, result->keys.bytes);
    }
    struct import_world *world =
        import_world_of(span_of(both.bytes, both.len), export_importer(format), name);
    export_text_fini(&both);
    return world;
}

/* Through the native policy and the own format; false after saying where it went wrong. */
static bool is_identity(const struct pin_index *index, enum export_format format,
                        const char *name) {
    struct export_result native = {0}, own = {0};
    struct err_note note = {""};
    struct import_world *from_native = NULL, *from_own = NULL;
    const char *difference = "not written";
    if (write_sets(index, EXPORT_NATIVE, &native, &note, true) == ERR_NONE && native.losses == 0) {
        from_native = read_back(&native, EXPORT_NATIVE, "native.yaml");
        difference = from_native->err == ERR_NONE ? pin_compare(index, &from_native->index)
                                                  : from_native->note.text;
    }
    if (difference == NULL) {
        difference = "lossy";
        if (write_sets(&from_native->index, format, &own, &note, true) == ERR_NONE &&
            own.losses == 0) {
            from_own = read_back(&own, format, name);
            difference = from_own->err == ERR_NONE ? pin_compare(index, &from_own->index)
                                                   : from_own->note.text;
        }
    }
    if (difference != NULL) {
        printf("  %s: %s %s\n%s\n%s\n", name, difference, note.text,
               native.file.bytes != NULL ? native.file.bytes : "",
               own.file.bytes != NULL ? own.file.bytes : "");
    }
    if (from_native != NULL) {
        import_world_free(from_native);
    }
    if (from_own != NULL) {
        import_world_free(from_own);
    }
    export_result_fini(&native);
    export_result_fini(&own);
    return difference == NULL;
}

static void test_examples(void) {
    static const struct {
        const char *file;
        enum export_format format;
    } examples[] = {
        {"network_security_config.xml", EXPORT_ANDROID},
        {"Info.plist", EXPORT_APPLE},
        {"Info.binary.plist", EXPORT_APPLE},
        {"trustkit.plist", EXPORT_TRUSTKIT},
        {"okhttp.txt", EXPORT_OKHTTP},
        {"hpkp.txt", EXPORT_HPKP},
        {"curl.txt", EXPORT_CURL},
        {"tlsa.zone", EXPORT_TLSA},
        {"pins.csv", EXPORT_CSV},
        {"envoy.yaml", EXPORT_ENVOY},
        {"chromium.json", EXPORT_CHROMIUM},
        {"../policy.example.yaml", EXPORT_NATIVE},
    };
    for (size_t i = 0; i < COUNT(examples); i++) {
        size_t len = 0;
        char *bytes = import_example(examples[i].file, &len);
        if (examples[i].format == EXPORT_CHROMIUM) { /* see import_world_of() */
            size_t keys_len = 0;
            char *keys = import_example("chromium.pins", &keys_len);
            bytes[len++] = '\f';
            memcpy(bytes + len, keys, keys_len + 1);
            len += keys_len;
            free(keys);
        }
        struct import_world *world =
            import_world_of(span_of(bytes, len), IMPORT_AUTO, examples[i].file);
        if (world->err != ERR_NONE) {
            printf("  %s\n", world->note.text);
        }
        CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
        CU_ASSERT_TRUE(is_identity(&world->index, examples[i].format, examples[i].file));
        import_world_free(world);
        free(bytes);
    }
}

/* What no other key holds. */
static void test_extra(void) {
    static const struct {
        const char *policy, *extra;
        enum export_format format;
    } cases[] = {
        {"a.example Public-Key-Pins: pin-sha256=\"{1}\"; pin-sha256=\"{2}\"; max-age=77; "
         "report-uri=\"https://r.example/?a;b\"\n",
         "{hpkp: {max_age: 77, report_uri: \"https://r.example/?a;b\"}}", EXPORT_HPKP},
        {"_443._tcp.a.example. 1h30m IN TLSA 3 1 1 {x1}\n", "{dane: {ttl: 1h30m}}", EXPORT_TLSA},
        {"$TTL 300\n_443._tcp.a.example. TLSA 2 0 2 {S1}\n", "{dane: {ttl: 300}}", EXPORT_TLSA},
        {"<network-security-config><domain-config cleartextTrafficPermitted=\"false\">"
         "<domain>a.example</domain><pin-set><pin digest=\"SHA-256\">{1}</pin></pin-set>"
         "<trust-anchors><certificates src=\"system\" overridePins=\"true\"/>"
         "<certificates src=\"user\" overridePins=\"true\"/></trust-anchors>"
         "</domain-config></network-security-config>",
         "{android: {cleartext: false, user_anchors: override}}", EXPORT_ANDROID},
        {"<network-security-config><domain-config><domain>a.example</domain><pin-set><pin "
         "digest=\"SHA-256\">{1}</pin></pin-set><trust-anchors><certificates src=\"@raw/own\" "
         "overridePins=\"true\"/><certificates src=\"system\"/></trust-anchors>"
         "</domain-config></network-security-config>",
         "{android: {override_anchors: [own]}}", EXPORT_ANDROID},
        {"<plist><dict><key>TSKPinnedDomains</key><dict><key>a.example</key><dict>"
         "<key>TSKDisableDefaultReportUri</key><true/><key>TSKReportUris</key><array>"
         "<string>https://r.example/?a&amp;b=\"</string><string>https://s.example/</string></array>"
         "<key>TSKPublicKeyHashes</key><array><string>{1}</string><string>{2}</string></array>"
         "</dict></dict></dict></plist>",
         "{trustkit: {disable_default_report_uri: true, report_uris: "
         "[\"https://r.example/?a&b=\\\"\", \"https://s.example/\"]}}",
         EXPORT_TRUSTKIT},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct import_world *world = import_world_new(cases[i].policy, IMPORT_AUTO, "app.conf");
        CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
        CU_ASSERT_STRING_EQUAL(world->index.sets[0]->extra, cases[i].extra);
        CU_ASSERT_TRUE(is_identity(&world->index, cases[i].format, "app.conf"));
        import_world_free(world);
    }
}

/* --- random policies --- */

static const char *const names[] = {"x.example", "y.x.example", "z.y.x.example", "w.y.x.example",
                                    "v.example", "u.v.example", "192.0.2.7",     "2001:db8::7"};

static uint32_t pick(struct rng *rng, uint32_t count) {
    return rng_below(rng, count);
}

static bool one_in(struct rng *rng, uint32_t count) {
    return rng_below(rng, count) == 0;
}

/* `wild`: anything a native policy may hold; else what is usual. */
static void random_pin(struct rng *rng, struct pin_index *index, const struct pin_set *set,
                       bool wild, struct pin *out) {
    static const size_t lens[] = {
        [PIN_SHA256] = 32, [PIN_SHA1] = 20, [PIN_SHA512] = 64, [PIN_EXACT] = 44};
    uint8_t value[64];
    char text[200];
    const char *why = NULL;
    bool dane = set->client == PIN_CLIENT_DANE;
    enum pin_alg alg = PIN_SHA256;
    if (wild && one_in(rng, 4)) {
        alg = (enum pin_alg)pick(rng, 4);
        alg = dane && alg == PIN_SHA1 ? PIN_SHA512 : alg;
    }
    memset(value, (int)pick(rng, 5) + 'A', sizeof value);
    value[5] = 1; /* no placeholder */
    if (alg == PIN_EXACT) {
        value[0] = 0x30; /* DER */
    }
    int prefix = snprintf(text, sizeof text, "%s/", pin_alg_words[alg]);
    text[(size_t)prefix + base64_encode(text + prefix, span_of(value, lens[alg]))] = '\0';
    CHECK(pin_parse(span_str(text), &index->arena, out, &why));
    out->tlsa_usage = dane ? (int8_t)pick(rng, 4) : PIN_TLSA_NONE;
    out->of = (dane || wild) && one_in(rng, 5) ? PIN_OF_CERT : PIN_OF_SPKI;
    out->role = wild && one_in(rng, 4) ? (enum pin_role)(1 + pick(rng, 2)) : PIN_ACTIVE;
    out->note = one_in(rng, 3) ? "a --> note, \"quoted\" & <tagged>" : "";
    if (set->scope == PIN_SCOPE_LEAF_AND_CA || (wild && one_in(rng, 8))) {
        out->list = one_in(rng, 2) ? PIN_LIST_LEAF : PIN_LIST_CA;
    }
}

static bool is_there(const struct pin_set *set, const struct pin *pin) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *other = &set->pins[i];
        if (other->alg == pin->alg && other->of == pin->of && other->list == pin->list &&
            other->tlsa_usage == pin->tlsa_usage && span_equal(other->value, pin->value)) {
            return true;
        }
    }
    return false;
}

static void random_pins(struct rng *rng, struct pin_index *index, struct pin_set *set, bool wild) {
    uint32_t count = (wild ? 1 : 2) + pick(rng, 3);
    set->pins = arena_alloc(&index->arena, (count + 1) * sizeof *set->pins);
    for (uint32_t tries = 0; tries < 50 && set->pin_count < count; tries++) {
        struct pin pin;
        random_pin(rng, index, set, wild, &pin);
        if (!is_there(set, &pin)) {
            set->pins[set->pin_count++] = pin;
        }
    }
    set->pins[0].role = set->pins[0].role == PIN_BAD ? PIN_ACTIVE : set->pins[0].role;
}

static void random_hosts(struct rng *rng, struct pin_index *index, struct pin_set *set, bool wild) {
    uint32_t count = 1 + pick(rng, 3);
    set->hosts = arena_alloc(&index->arena, count * sizeof *set->hosts);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t name = pick(rng, COUNT(names));
        struct pin_host *host = &set->hosts[set->host_count++];
        host->name = names[name];
        if (name < 6 && one_in(rng, 2)) {
            host->pattern = one_in(rng, 2) ? PIN_PATTERN_ONE_LABEL : PIN_PATTERN_ANY_DEPTH;
        }
        host->port = one_in(rng, wild ? 4 : 9) ? 8883 : 0;
    }
    set->include_subdomains = one_in(rng, 3);
    if (one_in(rng, 5)) {
        static const char *excluded[] = {"y.x.example", "**.y.x.example", "*.v.example"};
        set->excluded = &excluded[pick(rng, 3)];
        set->excluded_count = 1;
    }
}

static void random_governance(struct rng *rng, struct pin_set *set) {
    static struct pin_exception exceptions[] = {
        {"PIN022", "a kiosk: \"fleet\"", "ciso@bank.example", 1800000000},
        {"PIN033", "", "", DATETIME_NONE}};
    set->owner = one_in(rng, 2) ? "it's, \"me\"" : "";
    set->approver = one_in(rng, 2) ? "board: #1" : "";
    set->rollover = one_in(rng, 3) ? "https://wiki.example/?a=b&c#d" : "";
    set->update_channel = one_in(rng, 3) ? "app-store" : "";
    set->lead_time_days = one_in(rng, 3) ? (int32_t)pick(rng, 99) : -1;
    set->adoption_days = one_in(rng, 3) ? (int32_t)pick(rng, 99) : -1;
    set->last_rehearsal = one_in(rng, 3) ? 1700000000 - 1700000000 % 86400 : DATETIME_NONE;
    set->backup_custody = one_in(rng, 3) ? "true" : "";
    set->operated_by_third_party = one_in(rng, 4);
    set->key_types = one_in(rng, 4) ? PIN_KEYS_RSA | PIN_KEYS_ECDSA : PIN_KEYS_ANY;
    set->exceptions = exceptions;
    set->exception_count = pick(rng, 3);
    set->extra = one_in(rng, 4) ? "{other: {a: [1, \"2\", {b: null}], \"c d\": \"\"}}" : "";
}

static void random_set(struct rng *rng, struct pin_index *index, bool wild, uint32_t number) {
    static const char *const applications[] = {"", "one", "two: \"quoted\""};
    struct pin_set *set = arena_alloc(&index->arena, sizeof *set);
    char name[32];
    pin_set_init(set, (enum pin_client)pick(rng, PIN_CLIENT_COUNT));
    snprintf(name, sizeof name, "set <%u>", number);
    set->name = arena_copy_text(&index->arena, span_str(name));
    set->file = "random.yaml";
    set->application = applications[pick(rng, 3)];
    if (wild && one_in(rng, 3) && set->client != PIN_CLIENT_DANE) {
        set->scope = (enum pin_scope)pick(rng, 5);
    }
    if (wild && one_in(rng, 4)) {
        set->host_rule = (enum pin_host_rule)pick(rng, 4);
    }
    if (one_in(rng, 3)) {
        set->expires = INT64_C(1800000000) - 1800000000 % 86400 + (one_in(rng, 3) ? 5000 : 0);
    }
    if (wild && one_in(rng, 4)) {
        set->on_expiry = (enum pin_on_expiry)pick(rng, 3);
    }
    set->report_only = one_in(rng, 6);
    random_hosts(rng, index, set, wild);
    random_pins(rng, index, set, wild);
    random_governance(rng, set);
    struct err_note note;
    CHECK(pin_index_add(index, set, &note) == ERR_NONE);
}

struct world {
    struct pin_index index;
    struct trust_store store;
};

static void world_init(struct world *world, struct rng *rng, bool wild) {
    struct err_note note;
    uint32_t count = 1 + pick(rng, 4);
    pin_index_init(&world->index, 1);
    trust_store_init(&world->store);
    for (uint32_t i = 0; i < count; i++) {
        random_set(rng, &world->index, wild, i);
    }
    world->store.count = 1;
    world->store.profiles[0].name = strdup("system");
    CHECK(pin_index_bind(&world->index, &world->store, &note) == ERR_NONE);
}

static void world_fini(struct world *world) {
    pin_index_fini(&world->index);
    trust_store_fini(&world->store);
}

/* Everything is written and read back as it was. */
static void test_native(void) {
    uint64_t seed = suite_seed();
    struct rng rng;
    rng_init(&rng, seed);
    for (uint32_t i = 0; i < WORLDS; i++) {
        struct world world;
        world_init(&world, &rng, true);
        bool same = is_identity(&world.index, EXPORT_NATIVE, "native.yaml");
        world_fini(&world);
        CU_ASSERT_TRUE_FATAL(same);
    }
}

/* The first host at which the two policies mean something else; NULL if there is none. */
static const char *find_difference(const struct pin_index *a, const struct pin_index *b,
                                   const struct pin_view *view) {
    static const char *const below[] = {"", "q.", "q.r."};
    static char host[64];
    for (size_t i = 0; i < COUNT(names) * COUNT(below) * 2; i++) {
        uint16_t port = i % 2 == 0 ? 443 : 8883;
        snprintf(host, sizeof host, "%s%s", below[i / 2 % COUNT(below)],
                 names[i / 2 / COUNT(below)]);
        char *left = pin_describe(a, host, port, view), *right = pin_describe(b, host, port, view);
        bool same = strcmp(left, right) == 0;
        if (!same) {
            printf("  %s:%u:\n%s---\n%s", host, port, left, right);
        }
        free(left);
        free(right);
        if (!same) {
            return host;
        }
    }
    return NULL;
}

struct tally {
    uint32_t refused, lossy, lossless;
};

/* One random policy in one format. */
static bool holds(struct world *world, enum export_format format, struct tally *tally) {
    struct export_result first = {0};
    struct err_note note = {""};
    if (write_sets(&world->index, format, &first, &note, false) != ERR_NONE) {
        CU_ASSERT_TRUE(note.text[0] != '\0' && first.file.bytes == NULL);
        tally->refused++;
        return true;
    }
    struct import_world *back = read_back(&first, format, "app.conf");
    bool good = back->err == ERR_NONE;
    if (!good) {
        printf("  not readable: %s\n", back->note.text);
    }
    if (good && first.losses == 0) {
        struct pin_view view = {.leaf_only = format == EXPORT_CURL || format == EXPORT_ENVOY,
                                .trust = format == EXPORT_ANDROID};
        good = find_difference(&world->index, &back->index, &view) == NULL;
        tally->lossless++;
    }
    if (good) {
        tally->lossy += first.losses > 0;
        good = is_identity(&back->index, format, "app.conf");
    }
    if (!good) {
        printf("%s\n", first.file.bytes);
    }
    import_world_free(back);
    export_result_fini(&first);
    return good;
}

static void test_random(void) {
    uint64_t seed = suite_seed();
    struct tally tallies[EXPORT_FORMAT_COUNT] = {0};
    for (int format = EXPORT_NATIVE + 1; format < EXPORT_FORMAT_COUNT; format++) {
        struct rng rng;
        rng_init(&rng, seed);
        for (uint32_t i = 0; i < WORLDS; i++) {
            struct world world;
            world_init(&world, &rng, i % 2 == 0);
            bool good = holds(&world, (enum export_format)format, &tallies[format]);
            if (!good) {
                struct export_result yaml = {0};
                struct err_note note;
                CHECK(write_sets(&world.index, EXPORT_NATIVE, &yaml, &note, true) == ERR_NONE);
                printf("  %s, seed %llu, policy %u:\n%s\n", export_format_words[format],
                       (unsigned long long)seed, i, yaml.file.bytes);
                export_result_fini(&yaml);
            }
            world_fini(&world);
            CU_ASSERT_TRUE_FATAL(good);
        }
        /* The three ways are all taken, or the test tests nothing. */
        CU_ASSERT_TRUE(tallies[format].refused > 0);
        CU_ASSERT_TRUE(tallies[format].lossy > 0);
        CU_ASSERT_TRUE(tallies[format].lossless > 0);
    }
}

SUITE_MAIN("roundtrip", {"examples", test_examples}, {"extra", test_extra}, {"native", test_native},
           {"random", test_random})
