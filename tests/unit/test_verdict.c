/* The judge on made-up certificates: records with digests, no cryptography. Cases by name first,
   then random worlds against a second judge written from the contract alone. */
#include "engine/trust/verdict.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "engine/codec/datetime.h"
#include "tests/support/suite.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)

#define CERTS 8
#define PROFILES 3
#define PATHS 4
#define VIEWS 3
#define PINS 4
#define SETS 3

/* Certificates are known by number; several may share a key. */
struct world {
    struct cert_record certs[CERTS];
    uint8_t key[CERTS];     /* number of its key */
    uint8_t der[CERTS][8];  /* "cert", number */
    uint8_t spki[CERTS][8]; /* "key", number */
    struct chain *chains[VIEWS];
    struct path_set *path_sets[VIEWS];
    struct path paths[VIEWS][PROFILES][PATHS];
    struct verdict_view views[VIEWS];
    uint32_t view_count;
    struct pin pins[SETS][PINS];
    uint8_t pin_target[SETS][PINS]; /* number of the certificate or key */
    uint8_t pin_values[SETS][PINS][64];
    struct pin_set sets[SETS];
    const struct pin_set *set_list[SETS];
    uint32_t set_count;
};

static void set_cert(struct world *world, uint8_t number, uint8_t key, enum cert_key type) {
    struct cert_record *cert = &world->certs[number];
    world->key[number] = key;
    snprintf((char *)world->der[number], 8, "cert%u", number);
    snprintf((char *)world->spki[number], 8, "key%u", key);
    cert->der = span_of(world->der[number], 8);
    cert->fields.spki = span_of(world->spki[number], 8);
    cert->fields.key = type;
    cert->has_spki = cert->strict = true;
    SHA256(cert->der.data, 8, cert->cert_sha256);
    SHA256(cert->fields.spki.data, 8, cert->spki_sha256);
}

static struct world *world_new(void) {
    struct world *world = calloc(1, sizeof *world);
    for (uint8_t i = 0; i < CERTS; i++) {
        set_cert(world, i, i, CERT_KEY_EC_P256);
    }
    for (uint32_t s = 0; s < SETS; s++) {
        pin_set_init(&world->sets[s], PIN_CLIENT_ANDROID);
        world->sets[s].pins = world->pins[s];
        world->set_list[s] = &world->sets[s];
    }
    world->set_count = 1;
    return world;
}

static void world_free(struct world *world) {
    for (uint32_t v = 0; v < world->view_count; v++) {
        free(world->chains[v]);
        free(world->path_sets[v]);
    }
    free(world);
}

/* A view of the certificates sent, as digits: "01" is the leaf 0 and the intermediate 1. */
static uint32_t add_view(struct world *world, const char *sent) {
    uint32_t v = world->view_count++;
    size_t count = strlen(sent);
    world->chains[v] = calloc(1, sizeof(struct chain) + count * sizeof(struct cert_record *));
    world->chains[v]->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        world->chains[v]->certs[i] = &world->certs[sent[i] - '0'];
    }
    world->path_sets[v] =
        calloc(1, sizeof(struct path_set) + PROFILES * sizeof(struct profile_paths));
    world->path_sets[v]->profile_count = PROFILES;
    for (uint32_t p = 0; p < PROFILES; p++) {
        world->path_sets[v]->profiles[p].paths = world->paths[v][p];
    }
    world->views[v] = (struct verdict_view){
        .view_idx = (uint16_t)(10 + v), .chain = world->chains[v], .paths = world->path_sets[v]};
    return v;
}

static struct path *add_path(struct world *world, uint32_t view, uint32_t profile,
                             const char *certs) {
    struct profile_paths *paths = &world->path_sets[view]->profiles[profile];
    struct path *path = &paths->paths[paths->count++];
    paths->ok_count++;
    *path = (struct path){.count = (uint8_t)strlen(certs),
                          .structural = PKIX_OK,
                          .not_before = NOW - DAY,
                          .not_after = NOW + DAY};
    for (size_t i = 0; i < path->count; i++) {
        path->certs[i] = &world->certs[certs[i] - '0'];
    }
    return path;
}

static struct pin *add_pin(struct world *world, uint32_t s, enum pin_alg alg, enum pin_of of,
                           uint8_t target, enum pin_role role) {
    struct pin_set *set = &world->sets[s];
    uint32_t p = set->pin_count++;
    uint8_t *value = world->pin_values[s][p], object[8] = {0};
    snprintf((char *)object, 8, of == PIN_OF_SPKI ? "key%u" : "cert%u", target);
    size_t len = 8;
    if (alg == PIN_SHA256) {
        SHA256(object, 8, value);
        len = 32;
    } else if (alg == PIN_SHA1) {
        SHA1(object, 8, value);
        len = 20;
    } else if (alg == PIN_SHA512) {
        SHA512(object, 8, value);
        len = 64;
    } else {
        memcpy(value, object, 8);
    }
    world->pin_target[s][p] = target;
    set->pins[p] = (struct pin){.alg = alg,
                                .of = of,
                                .role = role,
                                .tlsa_usage = PIN_TLSA_NONE,
                                .value = span_of(value, len),
                                .note = "",
                                .text = ""};
    return &set->pins[p];
}

static struct pin *pin_key(struct world *world, uint8_t key, enum pin_role role) {
    return add_pin(world, 0, PIN_SHA256, PIN_OF_SPKI, key, role);
}

static struct verdict_unit units[64];
static uint32_t unit_count;

static struct set_verdict judge(struct world *world, uint32_t s) {
    unit_count = 0;
    return verdict_judge_among(world->set_list, world->set_count, s, world->views,
                               world->view_count, NOW, units, 64, &unit_count);
}

static void expect(struct world *world, enum verdict verdict, enum verdict would_be, bool durable) {
    struct set_verdict out = judge(world, 0);
    if (out.verdict != verdict || out.would_be != would_be) {
        fprintf(stderr, "  gives %s, would be %s; expected %s, %s\n", verdict_text(out.verdict),
                verdict_text(out.would_be), verdict_text(verdict), verdict_text(would_be));
    }
    CU_ASSERT_EQUAL(out.verdict, verdict);
    CU_ASSERT_EQUAL(out.would_be, would_be);
    CU_ASSERT_EQUAL(out.durable, durable);
    CU_ASSERT_EQUAL(out.unit_count, unit_count);
    CU_ASSERT_EQUAL(out.judged_count, unit_count);
}

static void expect_same(struct world *world, enum verdict verdict, bool durable) {
    expect(world, verdict, verdict, durable);
}

/* One view: leaf 0, intermediate 1 sent, root 2 the anchor. */
static struct world *usual_world(void) {
    struct world *world = world_new();
    add_path(world, add_view(world, "01"), 0, "012");
    return world;
}

static void test_words(void) {
    for (int i = 0; i < VERDICT_COUNT; i++) {
        enum verdict back = VERDICT_COUNT;
        CU_ASSERT_TRUE(verdict_from_text(span_str(verdict_text((enum verdict)i)), &back));
        CU_ASSERT_EQUAL((int)back, i);
    }
    enum verdict untouched = VERDICT_MATCH;
    CU_ASSERT_FALSE(verdict_from_text(span_str("matches"), &untouched));
    CU_ASSERT_EQUAL(untouched, VERDICT_MATCH);
    CU_ASSERT_EQUAL(verdict_worse(VERDICT_MATCH, VERDICT_NO_PATH), VERDICT_NO_PATH);
}

static void test_match_by_each_certificate(void) {
    for (uint8_t key = 0; key < 3; key++) {
        struct world *world = usual_world();
        struct pin *pin = pin_key(world, key, PIN_ACTIVE);
        expect_same(world, VERDICT_MATCH, true);
        CU_ASSERT_EQUAL(units[0].view_idx, 10);
        CU_ASSERT_EQUAL(units[0].profile_idx, 0);
        CU_ASSERT_EQUAL(units[0].path_idx, 0);
        CU_ASSERT_EQUAL(units[0].path_depth, key);
        CU_ASSERT_PTR_EQUAL(units[0].pin, pin);
        CU_ASSERT_PTR_EQUAL(units[0].cert, &world->certs[key]);
        CU_ASSERT_STRING_EQUAL(units[0].reason, "");
        world_free(world);
    }
}

static void test_match_backup(void) {
    struct world *world = usual_world();
    pin_key(world, 7, PIN_ACTIVE);
    pin_key(world, 2, PIN_BACKUP);
    expect_same(world, VERDICT_MATCH_BACKUP, true);
    pin_key(world, 1, PIN_ACTIVE);
    expect_same(world, VERDICT_MATCH, true);
    world_free(world);
}

static void test_mismatch(void) {
    struct world *world = usual_world();
    pin_key(world, 7, PIN_ACTIVE);
    expect_same(world, VERDICT_MISMATCH, false);
    CU_ASSERT_STRING_EQUAL(units[0].reason, "no pin on the path");
    CU_ASSERT_PTR_NULL(units[0].pin);
    CU_ASSERT_EQUAL(units[0].path_depth, -1);
    world_free(world);
}

static void test_no_path(void) {
    struct world *world = world_new();
    add_view(world, "01");
    pin_key(world, 1, PIN_ACTIVE);
    expect_same(world, VERDICT_NO_PATH, false);
    CU_ASSERT_EQUAL(units[0].path_idx, -1);
    /* Beside a view that matches, and beside one that does not. */
    uint32_t second = add_view(world, "31");
    struct path *path = add_path(world, second, 0, "312");
    expect_same(world, VERDICT_NO_PATH, false);
    path->certs[1] = &world->certs[4];
    expect_same(world, VERDICT_OFF_PATH, false); /* worse than no-path */
    world->chains[1]->certs[1] = &world->certs[4];
    expect_same(world, VERDICT_MISMATCH, false);
    world_free(world);
}

static void test_off_path(void) {
    struct world *world = world_new();
    uint32_t view = add_view(world, "013");
    add_path(world, view, 0, "012");
    struct pin *pin = pin_key(world, 3, PIN_ACTIVE);
    expect_same(world, VERDICT_OFF_PATH, false);
    CU_ASSERT_PTR_EQUAL(units[0].pin, pin);
    CU_ASSERT_PTR_EQUAL(units[0].cert, &world->certs[3]);
    CU_ASSERT_EQUAL(units[0].path_depth, -1);
    /* On another valid path it is no longer off. */
    struct path *other = add_path(world, view, 0, "0132");
    expect_same(world, VERDICT_PATH_DEPENDENT, false);
    other->not_after = NOW - 1;
    expect_same(world, VERDICT_OFF_PATH, false);
    world_free(world);
}

static void test_path_dependent(void) {
    struct world *world = usual_world();
    pin_key(world, 2, PIN_ACTIVE);
    /* Another valid path that would fail: a match that is not durable. */
    struct path *other = add_path(world, 0, 0, "014");
    expect_same(world, VERDICT_MATCH, false);
    other->not_before = NOW + 1;
    expect_same(world, VERDICT_MATCH, true);
    /* The preferred one fails, the other matches. */
    other->not_before = NOW - 1;
    world->pin_target[0][0] = 4;
    SHA256((const uint8_t *)"key4\0\0\0", 8, world->pin_values[0][0]);
    expect_same(world, VERDICT_PATH_DEPENDENT, false);
    CU_ASSERT_STRING_EQUAL(units[0].reason,
                           "no pin on the preferred path, but on another valid one");
    world_free(world);
}

static void test_views_and_profiles_disagree(void) {
    struct world *world = usual_world();
    pin_key(world, 1, PIN_ACTIVE);
    uint32_t second = add_view(world, "34");
    add_path(world, second, 0, "342");
    expect_same(world, VERDICT_PATH_DEPENDENT, false);
    CU_ASSERT_EQUAL(unit_count, 2);
    pin_key(world, 4, PIN_BACKUP);
    expect_same(world, VERDICT_MATCH_BACKUP, true);
    /* A second profile, in which the second view ends elsewhere. */
    world->sets[0].trust_count = 2;
    world->sets[0].trust_profiles[1] = 2;
    add_path(world, 0, 2, "012");
    add_path(world, second, 2, "35");
    expect_same(world, VERDICT_PATH_DEPENDENT, false);
    CU_ASSERT_EQUAL(unit_count, 4);
    CU_ASSERT_EQUAL(units[3].profile_idx, 2);
    CU_ASSERT_EQUAL(units[3].verdict, VERDICT_OFF_PATH);
    world_free(world);
}

static void test_time_failed_path_is_judged(void) {
    struct world *world = usual_world();
    world->paths[0][0][0].not_after = NOW - 1;
    pin_key(world, 2, PIN_ACTIVE);
    expect_same(world, VERDICT_MATCH, true);
    world->sets[0].pins[0].of = PIN_OF_CERT;
    expect_same(world, VERDICT_MISMATCH, false);
    world_free(world);
}

static void test_scopes(void) {
    struct world *world = world_new();
    uint32_t view = add_view(world, "013");
    add_path(world, view, 0, "012");
    struct pin_set *set = &world->sets[0];
    static const struct {
        enum pin_scope scope;
        uint8_t key;
        enum verdict verdict;
    } cases[] = {
        {PIN_SCOPE_LEAF, 0, VERDICT_MATCH},       {PIN_SCOPE_LEAF, 1, VERDICT_MISMATCH},
        {PIN_SCOPE_LEAF, 2, VERDICT_MISMATCH},    {PIN_SCOPE_CA_ONLY, 0, VERDICT_MISMATCH},
        {PIN_SCOPE_CA_ONLY, 1, VERDICT_MATCH},    {PIN_SCOPE_CA_ONLY, 2, VERDICT_MATCH},
        {PIN_SCOPE_CA_ONLY, 3, VERDICT_OFF_PATH}, {PIN_SCOPE_PRESENTED, 0, VERDICT_MATCH},
        {PIN_SCOPE_PRESENTED, 3, VERDICT_MATCH},  {PIN_SCOPE_PRESENTED, 2, VERDICT_MISMATCH},
        {PIN_SCOPE_PATH, 0, VERDICT_MATCH},       {PIN_SCOPE_PATH, 3, VERDICT_OFF_PATH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set->scope = cases[i].scope;
        set->pin_count = 0;
        pin_key(world, cases[i].key, PIN_ACTIVE);
        expect_same(world, cases[i].verdict, cases[i].verdict == VERDICT_MATCH);
    }
    /* Without a path: leaf and presented scopes do not need one. */
    world->path_sets[0]->profiles[0].ok_count = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool needs = cases[i].scope == PIN_SCOPE_PATH || cases[i].scope == PIN_SCOPE_CA_ONLY;
        set->scope = cases[i].scope;
        set->pin_count = 0;
        pin_key(world, cases[i].key, PIN_ACTIVE);
        expect_same(world, needs ? VERDICT_NO_PATH : cases[i].verdict,
                    !needs && cases[i].verdict == VERDICT_MATCH);
    }
    /* Trust none: what was sent stands for the path. */
    set->trust_none = true;
    set->scope = PIN_SCOPE_PATH;
    set->pin_count = 0;
    pin_key(world, 3, PIN_ACTIVE);
    expect_same(world, VERDICT_MATCH, true);
    CU_ASSERT_EQUAL(units[0].profile_idx, -1);
    CU_ASSERT_EQUAL(units[0].path_depth, 2);
    world_free(world);
}

static void test_leaf_and_ca(void) {
    struct world *world = usual_world();
    world->sets[0].scope = PIN_SCOPE_LEAF_AND_CA;
    pin_key(world, 0, PIN_ACTIVE)->list = PIN_LIST_LEAF;
    expect_same(world, VERDICT_MATCH, true); /* one list alone */
    struct pin *ca = pin_key(world, 7, PIN_ACTIVE);
    ca->list = PIN_LIST_CA;
    expect_same(world, VERDICT_MISMATCH, false);
    CU_ASSERT_STRING_EQUAL(units[0].reason, "no CA pin matches");
    struct pin *root = pin_key(world, 2, PIN_BACKUP);
    root->list = PIN_LIST_CA;
    expect_same(world, VERDICT_MATCH_BACKUP, true);
    CU_ASSERT_PTR_EQUAL(units[0].pin, root);
    root->role = PIN_ACTIVE;
    expect_same(world, VERDICT_MATCH, true);
    root->list = PIN_LIST_LEAF; /* the root's key is no leaf */
    expect_same(world, VERDICT_MISMATCH, false);
    world_free(world);
}

static void test_lists_in_other_scopes(void) {
    struct world *world = usual_world();
    struct pin *pin = pin_key(world, 1, PIN_ACTIVE);
    pin->list = PIN_LIST_LEAF;
    expect_same(world, VERDICT_MISMATCH, false);
    pin->list = PIN_LIST_CA;
    expect_same(world, VERDICT_MATCH, true);
    world_free(world);
}

static void test_bad_pin(void) {
    struct world *world = usual_world();
    pin_key(world, 1, PIN_ACTIVE);
    struct pin *bad = pin_key(world, 2, PIN_BAD);
    expect_same(world, VERDICT_MISMATCH, false);
    CU_ASSERT_PTR_EQUAL(units[0].pin, bad);
    CU_ASSERT_STRING_EQUAL(units[0].reason, "a bad pin matches");
    add_path(world, 0, 0, "014"); /* another path avoids it */
    expect_same(world, VERDICT_PATH_DEPENDENT, false);
    world->sets[0].pin_count = 1;
    pin_key(world, 4, PIN_BAD); /* on the other path only: the match is not durable */
    expect_same(world, VERDICT_MATCH, false);
    world_free(world);
}

static void test_expiry_and_report_only(void) {
    static const struct {
        int64_t expires;
        enum pin_on_expiry on_expiry;
        bool report_only, matches;
        enum verdict verdict, would_be;
    } cases[] = {
        {NOW, PIN_FAIL_OPEN, false, true, VERDICT_MATCH, VERDICT_MATCH}, /* now > expires only */
        {NOW - 1, PIN_FAIL_OPEN, false, true, VERDICT_EXPIRED_PINSET, VERDICT_MATCH},
        {NOW - 1, PIN_FAIL_OPEN, false, false, VERDICT_EXPIRED_PINSET, VERDICT_MISMATCH},
        {NOW - 1, PIN_FAIL_CLOSED, false, true, VERDICT_MISMATCH, VERDICT_MISMATCH},
        {NOW - 1, PIN_EXPIRY_NONE, false, true, VERDICT_MATCH, VERDICT_MATCH},
        {DATETIME_NONE, PIN_FAIL_OPEN, false, true, VERDICT_MATCH, VERDICT_MATCH},
        {DATETIME_NONE, PIN_FAIL_OPEN, true, true, VERDICT_REPORT_ONLY, VERDICT_MATCH},
        {DATETIME_NONE, PIN_FAIL_OPEN, true, false, VERDICT_REPORT_ONLY, VERDICT_MISMATCH},
        {NOW - 1, PIN_FAIL_OPEN, true, true, VERDICT_EXPIRED_PINSET, VERDICT_MATCH},
        {NOW - 1, PIN_FAIL_CLOSED, true, true, VERDICT_REPORT_ONLY, VERDICT_MISMATCH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world *world = usual_world();
        pin_key(world, cases[i].matches ? 1 : 7, PIN_ACTIVE);
        world->sets[0].expires = cases[i].expires;
        world->sets[0].on_expiry = cases[i].on_expiry;
        world->sets[0].report_only = cases[i].report_only;
        expect(world, cases[i].verdict, cases[i].would_be, cases[i].would_be == VERDICT_MATCH);
        world_free(world);
    }
}

static void test_unknown(void) {
    struct world *world = world_new();
    pin_key(world, 0, PIN_ACTIVE);
    world->sets[0].expires = NOW - 1;
    world->sets[0].report_only = true;
    expect_same(world, VERDICT_UNKNOWN, false); /* before expiry and report-only */
    world_free(world);
}

static void test_key_types(void) {
    static const struct {
        enum cert_key key;
        uint8_t types;
        bool judged;
    } cases[] = {
        {CERT_KEY_RSA, PIN_KEYS_RSA, true},
        {CERT_KEY_RSA_PSS, PIN_KEYS_RSA, true},
        {CERT_KEY_RSA, PIN_KEYS_ECDSA, false},
        {CERT_KEY_EC_P384, PIN_KEYS_ECDSA, true},
        {CERT_KEY_EC_OTHER, PIN_KEYS_ECDSA, true},
        {CERT_KEY_ED25519, PIN_KEYS_ED25519, true},
        {CERT_KEY_ED25519, PIN_KEYS_ECDSA, false},
        {CERT_KEY_OTHER, PIN_KEYS_RSA, false},
        {CERT_KEY_OTHER, PIN_KEYS_ANY, true},
        {CERT_KEY_ED448, PIN_KEYS_ANY, true},
        {CERT_KEY_EC_P256, PIN_KEYS_RSA | PIN_KEYS_ECDSA, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world *world = usual_world();
        pin_key(world, 1, PIN_ACTIVE);
        set_cert(world, 0, 0, cases[i].key);
        world->sets[0].key_types = cases[i].types;
        expect_same(world, cases[i].judged ? VERDICT_MATCH : VERDICT_UNKNOWN, cases[i].judged);
        world_free(world);
    }
}

static void test_tlsa_usages(void) {
    struct world *world = world_new();
    uint32_t view = add_view(world, "015");
    add_path(world, view, 0, "012");
    static const struct {
        int8_t usage;
        uint8_t key;
        enum verdict with_path, without;
    } cases[] = {
        {0, 0, VERDICT_MISMATCH, VERDICT_NO_PATH},
        {0, 1, VERDICT_MATCH, VERDICT_NO_PATH},
        {0, 2, VERDICT_MATCH, VERDICT_NO_PATH},
        {0, 5, VERDICT_OFF_PATH, VERDICT_NO_PATH},
        {1, 0, VERDICT_MATCH, VERDICT_NO_PATH},
        {1, 1, VERDICT_MISMATCH, VERDICT_NO_PATH},
        {2, 0, VERDICT_MISMATCH, VERDICT_MISMATCH}, /* the leaf issues nothing */
        {2, 1, VERDICT_MATCH, VERDICT_MISMATCH},
        {2, 2, VERDICT_MISMATCH, VERDICT_MISMATCH}, /* the anchor was not sent */
        {2, 5, VERDICT_MISMATCH, VERDICT_MISMATCH}, /* sent, on no verified path */
        {3, 0, VERDICT_MATCH, VERDICT_MATCH},
        {3, 1, VERDICT_MISMATCH, VERDICT_MISMATCH},
    };
    for (int with_path = 1; with_path >= 0; with_path--) {
        world->path_sets[0]->profiles[0].ok_count = (uint16_t)with_path;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            enum verdict verdict = with_path ? cases[i].with_path : cases[i].without;
            world->sets[0].pin_count = 0;
            pin_key(world, cases[i].key, PIN_ACTIVE)->tlsa_usage = cases[i].usage;
            expect_same(world, verdict, verdict == VERDICT_MATCH);
        }
    }
    /* A usage-3 record beside a usage-0 one needs no path either. */
    world->sets[0].pin_count = 0;
    pin_key(world, 2, PIN_ACTIVE)->tlsa_usage = 0;
    pin_key(world, 0, PIN_BACKUP)->tlsa_usage = 3;
    expect_same(world, VERDICT_MATCH_BACKUP, true);
    world_free(world);
}

static void test_other_algorithms(void) {
    for (int alg = PIN_SHA256; alg <= PIN_EXACT; alg++) {
        for (int of = PIN_OF_SPKI; of <= PIN_OF_CERT; of++) {
            struct world *world = usual_world();
            set_cert(world, 2, 6, CERT_KEY_RSA);
            add_pin(world, 0, (enum pin_alg)alg, (enum pin_of)of, of == PIN_OF_SPKI ? 6 : 2,
                    PIN_ACTIVE);
            expect_same(world, VERDICT_MATCH, true);
            world_free(world);
        }
    }
}

static void test_union_of_matching_sets(void) {
    struct world *world = usual_world();
    pin_key(world, 7, PIN_ACTIVE);
    add_pin(world, 1, PIN_SHA256, PIN_OF_SPKI, 1, PIN_ACTIVE);
    world->set_count = 2;
    expect_same(world, VERDICT_MISMATCH, false); /* Android sets stand alone */
    for (uint32_t s = 0; s < 2; s++) {
        world->sets[s].client = PIN_CLIENT_OKHTTP;
        world->sets[s].host_rule = PIN_HOST_UNION;
    }
    expect_same(world, VERDICT_MATCH, true);
    CU_ASSERT_PTR_EQUAL(units[0].pin, &world->pins[1][0]);
    world->sets[1].application = "another";
    expect_same(world, VERDICT_MISMATCH, false);
    world->sets[1].application = "";
    /* What is not enforced has no pins to give. */
    world->sets[1].report_only = true;
    expect_same(world, VERDICT_MISMATCH, false);
    world->sets[1].report_only = false;
    world->sets[1].expires = NOW - 1;
    world->sets[1].on_expiry = PIN_EXPIRY_NONE; /* OkHttp's own: it knows no dates */
    expect_same(world, VERDICT_MATCH, true);
    world->sets[1].on_expiry = PIN_FAIL_OPEN;
    expect_same(world, VERDICT_MISMATCH, false);
    world->sets[1].on_expiry = PIN_FAIL_CLOSED;
    expect_same(world, VERDICT_MISMATCH, false);
    world->sets[1].expires = NOW;
    expect_same(world, VERDICT_MATCH, true);
    world_free(world);
}

/* The one that is not enforced is judged by all that are: would_be. */
static void test_report_only_in_a_union(void) {
    struct world *world = usual_world();
    pin_key(world, 7, PIN_ACTIVE);
    add_pin(world, 1, PIN_SHA256, PIN_OF_SPKI, 1, PIN_ACTIVE);
    world->set_count = 2;
    for (uint32_t s = 0; s < 2; s++) {
        world->sets[s].client = PIN_CLIENT_APPLE;
        world->sets[s].host_rule = PIN_HOST_ONE_LABEL;
        world->sets[s].scope = PIN_SCOPE_PATH;
    }
    world->sets[0].report_only = true;
    expect(world, VERDICT_REPORT_ONLY, VERDICT_MATCH, true);
    world->sets[1].report_only = true;
    expect(world, VERDICT_REPORT_ONLY, VERDICT_MISMATCH, false);
    world_free(world);
}

static void set_key(struct world *world, uint8_t number, enum cert_key key, uint16_t bits) {
    world->certs[number].fields.key = key;
    world->certs[number].fields.key_bits = bits;
}

/* From the anchor down, up to a key that TrustKit cannot hash. */
static void test_trustkit_keys(void) {
    struct world *world = usual_world();
    world->sets[0].client = PIN_CLIENT_TRUSTKIT;
    pin_key(world, 1, PIN_ACTIVE);
    expect_same(world, VERDICT_MATCH, true);
    set_key(world, 0, CERT_KEY_ED25519, 0); /* after the match */
    expect_same(world, VERDICT_MATCH, true);
    set_key(world, 1, CERT_KEY_RSA, 3072); /* the pinned key itself */
    expect_same(world, VERDICT_MISMATCH, false);
    CU_ASSERT_STRING_EQUAL(units[0].reason, "a key that TrustKit cannot hash comes before any pin");
    set_key(world, 1, CERT_KEY_RSA, 4096);
    set_key(world, 2, CERT_KEY_EC_P521, 521); /* before it */
    expect_same(world, VERDICT_MISMATCH, false);
    pin_key(world, 2, PIN_BACKUP); /* it cannot be hashed, so no pin on it matches */
    expect_same(world, VERDICT_MISMATCH, false);
    set_key(world, 2, CERT_KEY_EC_P384, 384);
    expect_same(world, VERDICT_MATCH, true);
    /* Another valid path saves it as far as anything does. */
    set_key(world, 2, CERT_KEY_OTHER, 0);
    add_path(world, 0, 0, "013");
    expect_same(world, VERDICT_PATH_DEPENDENT, false);
    CU_ASSERT_STRING_EQUAL(units[0].reason,
                           "the client refuses the preferred path, another valid one holds a pin");
    world->sets[0].client = PIN_CLIENT_ANDROID; /* which hashes what stands there */
    expect_same(world, VERDICT_MATCH, true);
    world_free(world);
}

static void test_okhttp_signers(void) {
    struct world *world = world_new();
    add_view(world, "01");
    struct path *path = add_path(world, 0, 0, "01");
    for (uint8_t i = 2; i < 10; i++) {
        path->certs[i] = &world->certs[2];
    }
    world->sets[0].client = PIN_CLIENT_OKHTTP;
    pin_key(world, 1, PIN_ACTIVE);
    path->count = 10; /* nine signers */
    expect_same(world, VERDICT_MATCH, true);
    path->certs[10] = &world->certs[2];
    path->count = 11;
    expect_same(world, VERDICT_MISMATCH, false);
    CU_ASSERT_STRING_EQUAL(units[0].reason, "more than nine signers, OkHttp refuses the path");
    world->sets[0].client = PIN_CLIENT_ANDROID;
    expect_same(world, VERDICT_MATCH, true);
    /* An anchor that did not sign itself costs a turn more. */
    world->sets[0].client = PIN_CLIENT_OKHTTP;
    path->count = 10;
    world->certs[3].fields.issuer = span_of("0", 1);
    path->certs[9] = &world->certs[3];
    expect_same(world, VERDICT_MISMATCH, false);
    path->certs[8] = &world->certs[3];
    path->count = 9;
    expect_same(world, VERDICT_MATCH, true);
    world_free(world);
}

static void test_full_unit_array(void) {
    struct world *world = usual_world();
    pin_key(world, 1, PIN_ACTIVE);
    add_path(world, add_view(world, "31"), 0, "312");
    add_path(world, add_view(world, "45"), 0, "452");
    struct verdict_unit few[2];
    uint32_t count = 1;
    struct set_verdict out =
        verdict_judge(&world->sets[0], world->views, world->view_count, NOW, few, 2, &count);
    CU_ASSERT_EQUAL(count, 2);
    CU_ASSERT_EQUAL(out.first_unit, 1);
    CU_ASSERT_EQUAL(out.unit_count, 1);
    CU_ASSERT_EQUAL(out.judged_count, 3);
    CU_ASSERT_EQUAL(out.verdict, VERDICT_PATH_DEPENDENT); /* by the third, which had no room */
    world_free(world);
}

/* --- random worlds --- */

static void random_digits(struct rng *rng, char *out, uint32_t first, uint32_t count) {
    out[0] = (char)('0' + first);
    size_t len = 1;
    for (uint32_t tries = 0; tries < 20 && len < count; tries++) {
        char digit = (char)('0' + 1 + rng_below(rng, CERTS - 1));
        if (memchr(out, digit, len) == NULL) {
            out[len++] = digit;
        }
    }
    out[len] = '\0';
}

static void random_views(struct rng *rng, struct world *world) {
    static const enum cert_key types[] = {CERT_KEY_RSA,     CERT_KEY_EC_P256, CERT_KEY_EC_P256,
                                          CERT_KEY_EC_P256, CERT_KEY_RSA,     CERT_KEY_RSA,
                                          CERT_KEY_ED25519, CERT_KEY_OTHER};
    static const uint16_t bits[] = {2048, 3072, 4096, 2048};
    for (uint8_t i = 0; i < CERTS; i++) {
        set_cert(world, i, (uint8_t)rng_below(rng, 5), types[rng_below(rng, 8)]);
        world->certs[i].fields.key_bits = bits[rng_below(rng, 4)];
        world->certs[i].has_spki = rng_below(rng, 10) != 0;
    }
    for (uint32_t n = rng_below(rng, 10) == 0 ? 0 : 1 + rng_below(rng, VIEWS); n > 0; n--) {
        char digits[CERTS + 1];
        uint32_t leaf = rng_below(rng, 2);
        random_digits(rng, digits, leaf, 1 + rng_below(rng, 4));
        uint32_t view = add_view(world, digits);
        for (uint32_t profile = 0; profile < PROFILES; profile++) {
            uint32_t kept = rng_below(rng, PATHS + 1), ok = rng_below(rng, kept + 1);
            for (uint32_t p = 0; p < kept; p++) {
                random_digits(rng, digits, leaf, 1 + rng_below(rng, 4));
                struct path *path = add_path(world, view, profile, digits);
                path->not_before = NOW - DAY + (int64_t)rng_below(rng, 4) / 3 * 2 * DAY;
                path->not_after = NOW + DAY - (int64_t)rng_below(rng, 4) / 3 * 2 * DAY;
                path->structural = p < ok ? PKIX_OK : PKIX_BAD_SIGNATURE;
            }
            world->path_sets[view]->profiles[profile].ok_count = (uint16_t)ok;
        }
    }
}

static void random_set(struct rng *rng, struct world *world, uint32_t s) {
    static const enum pin_client clients[] = {PIN_CLIENT_ANDROID, PIN_CLIENT_OKHTTP,
                                              PIN_CLIENT_APPLE, PIN_CLIENT_TRUSTKIT};
    static const char *const applications[] = {"", "", "other"};
    struct pin_set *set = &world->sets[s];
    set->client = clients[rng_below(rng, 4)];
    set->host_rule = pin_client_rules(set->client)->host_rule;
    set->application = applications[rng_below(rng, 3)];
    set->scope = (enum pin_scope)rng_below(rng, 5);
    set->key_types = rng_below(rng, 4) != 0 ? PIN_KEYS_ANY : (uint8_t)(rng_below(rng, 8) << 1);
    set->trust_none = rng_below(rng, 8) == 0;
    set->trust_count = 1 + rng_below(rng, 2);
    for (uint32_t t = 0; t < set->trust_count; t++) {
        set->trust_profiles[t] = (int16_t)((rng_below(rng, 2) + t) % PROFILES);
    }
    set->expires = rng_below(rng, 3) == 0 ? NOW - 1 + rng_below(rng, 3) : DATETIME_NONE;
    set->on_expiry = (enum pin_on_expiry)rng_below(rng, 3);
    set->report_only = rng_below(rng, 6) == 0;
    for (uint32_t p = rng_below(rng, PINS + 1); p > 0; p--) {
        static const enum pin_role roles[] = {PIN_ACTIVE, PIN_ACTIVE, PIN_ACTIVE,
                                              PIN_BACKUP, PIN_BACKUP, PIN_BAD};
        struct pin *pin =
            add_pin(world, s, (enum pin_alg)rng_below(rng, 4), (enum pin_of)rng_below(rng, 2),
                    (uint8_t)rng_below(rng, CERTS), roles[rng_below(rng, 6)]);
        pin->list = (enum pin_list)rng_below(rng, 3);
        if (rng_below(rng, 4) == 0) {
            pin->tlsa_usage = (int8_t)rng_below(rng, 4);
        }
    }
}

/* The oracle: from the words of the contract, on numbers instead of digests, each question asked
   anew for each pin. `world` is only read. */

static int number_of(const struct world *world, const struct cert_record *cert) {
    return (int)(cert - world->certs);
}

static bool oracle_equals(const struct world *world, uint32_t s, uint32_t p, int number) {
    const struct pin *pin = &world->sets[s].pins[p];
    if (pin->of == PIN_OF_CERT) {
        return world->pin_target[s][p] == number;
    }
    return world->certs[number].has_spki && world->pin_target[s][p] == world->key[number];
}

static bool oracle_joins(const struct world *world, uint32_t self, uint32_t s) {
    const struct pin_set *a = &world->sets[self], *b = &world->sets[s];
    if (self == s) {
        return true;
    }
    bool over = b->expires != DATETIME_NONE && NOW > b->expires && b->on_expiry != PIN_EXPIRY_NONE;
    return (a->client == PIN_CLIENT_OKHTTP || a->client == PIN_CLIENT_APPLE) &&
           a->client == b->client && strcmp(a->application, b->application) == 0 && !over &&
           !b->report_only;
}

/* Whether TrustKit, which comes from the end of the list, gets to see certificate d of it. */
static bool oracle_sees(const struct pin_set *set, const struct cert_record *const *certs,
                        uint32_t count, uint32_t d) {
    bool sees = true;
    for (uint32_t i = d; i < count; i++) {
        enum cert_key key = certs[i]->fields.key;
        uint16_t bits = certs[i]->fields.key_bits;
        sees &= key == CERT_KEY_EC_P256 || (key == CERT_KEY_RSA && (bits == 2048 || bits == 4096));
    }
    return sees || set->client != PIN_CLIENT_TRUSTKIT || set->scope != PIN_SCOPE_PATH;
}

/* Does pin p of set s match these certificates, in the eyes of set `self`? */
static bool oracle_pin_matches(const struct world *world, uint32_t self, uint32_t s, uint32_t p,
                               const struct verdict_view *view,
                               const struct cert_record *const *certs, uint32_t count) {
    const struct pin *pin = &world->sets[s].pins[p];
    enum pin_scope scope = world->sets[self].scope;
    if (pin->tlsa_usage == 3) {
        return oracle_equals(world, s, p, number_of(world, view->chain->certs[0]));
    }
    if (pin->tlsa_usage == 2) {
        for (uint32_t profile = 0; profile < PROFILES; profile++) {
            const struct profile_paths *paths = &view->paths->profiles[profile];
            for (uint32_t i = 0; i < paths->count; i++) {
                for (uint32_t d = 1; d < paths->paths[i].count; d++) {
                    bool sent = false;
                    for (uint32_t c = 1; c < view->chain->count; c++) {
                        sent |= view->chain->certs[c] == paths->paths[i].certs[d];
                    }
                    if (sent && paths->paths[i].structural == PKIX_OK &&
                        oracle_equals(world, s, p, number_of(world, paths->paths[i].certs[d]))) {
                        return true;
                    }
                }
            }
        }
        return false;
    }
    for (uint32_t d = 0; d < count; d++) {
        bool leaf_only = pin->tlsa_usage == 1, ca_only = pin->tlsa_usage == 0;
        if (pin->tlsa_usage < 0) {
            leaf_only = scope == PIN_SCOPE_LEAF || pin->list == PIN_LIST_LEAF;
            ca_only = scope == PIN_SCOPE_CA_ONLY || pin->list == PIN_LIST_CA;
        }
        if (!(leaf_only && d > 0) && !(ca_only && d == 0) &&
            oracle_sees(&world->sets[self], certs, count, d) &&
            oracle_equals(world, s, p, number_of(world, certs[d]))) {
            return true;
        }
    }
    return false;
}

/* MATCH, MATCH_BACKUP or MISMATCH; also whether any good pin, and any bad one, was met. */
static enum verdict oracle_certs(const struct world *world, uint32_t self,
                                 const struct verdict_view *view,
                                 const struct cert_record *const *certs, uint32_t count,
                                 bool *out_good, bool *out_bad) {
    bool wanted[3] = {0}, active[3] = {0}, backup[3] = {0};
    *out_good = *out_bad = false;
    for (uint32_t s = 0; s < world->set_count; s++) {
        for (uint32_t p = 0; oracle_joins(world, self, s) && p < world->sets[s].pin_count; p++) {
            const struct pin *pin = &world->sets[s].pins[p];
            bool met = oracle_pin_matches(world, self, s, p, view, certs, count);
            wanted[pin->list] |= pin->role != PIN_BAD;
            active[pin->list] |= met && pin->role == PIN_ACTIVE;
            backup[pin->list] |= met && pin->role == PIN_BACKUP;
            *out_bad |= met && pin->role == PIN_BAD;
            *out_good |= met && pin->role != PIN_BAD;
        }
    }
    if (*out_bad || !*out_good) {
        return VERDICT_MISMATCH;
    }
    if (world->sets[self].scope != PIN_SCOPE_LEAF_AND_CA) {
        return active[0] || active[1] || active[2] ? VERDICT_MATCH : VERDICT_MATCH_BACKUP;
    }
    enum verdict verdict = VERDICT_MATCH;
    for (int list = 0; list < 3; list++) {
        if (wanted[list] && !active[list]) {
            verdict =
                verdict_worse(verdict, backup[list] ? VERDICT_MATCH_BACKUP : VERDICT_MISMATCH);
        }
    }
    return verdict;
}

static bool oracle_extra_equals(const struct world *world, uint32_t self,
                                const struct verdict_view *view, const struct profile_paths *paths,
                                int preferred) {
    for (uint32_t c = 1; c < view->chain->count; c++) {
        bool on_path = false;
        for (int i = 0; i < paths->count; i++) {
            const struct path *path = &paths->paths[i];
            bool counts = i == preferred || (path->structural == PKIX_OK &&
                                             path->not_before <= NOW && NOW <= path->not_after);
            for (uint32_t d = 0; d < path->count; d++) {
                on_path |= counts && path->certs[d] == view->chain->certs[c];
            }
        }
        for (uint32_t s = 0; s < world->set_count && !on_path; s++) {
            for (uint32_t p = 0; oracle_joins(world, self, s) && p < world->sets[s].pin_count;
                 p++) {
                if (world->sets[s].pins[p].role != PIN_BAD &&
                    oracle_equals(world, s, p, number_of(world, view->chain->certs[c]))) {
                    return true;
                }
            }
        }
    }
    return false;
}

static enum verdict oracle_profile(const struct world *world, uint32_t self,
                                   const struct verdict_view *view, int16_t profile,
                                   bool *out_durable) {
    const struct profile_paths *paths = &view->paths->profiles[profile];
    int preferred = -1;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < paths->count && preferred < 0; i++) {
            const struct path *path = &paths->paths[i];
            bool in_time = path->not_before <= NOW && NOW <= path->not_after;
            preferred = path->structural == PKIX_OK && (pass == 1 || in_time) ? i : -1;
        }
    }
    bool good, bad;
    *out_durable = false;
    if (preferred < 0) {
        enum verdict verdict = oracle_certs(world, self, view, NULL, 0, &good, &bad);
        *out_durable = verdict != VERDICT_MISMATCH;
        return verdict == VERDICT_MISMATCH && !bad ? VERDICT_NO_PATH : verdict;
    }
    const struct path *path = &paths->paths[preferred];
    enum verdict verdict = oracle_certs(world, self, view, path->certs, path->count, &good, &bad);
    bool other_good = false, other_matches = false, other_fails = false;
    for (int i = 0; i < paths->count; i++) {
        const struct path *other = &paths->paths[i];
        if (i != preferred && path_valid_at(other, NOW)) {
            bool its_good, its_bad;
            bool fails = oracle_certs(world, self, view, other->certs, other->count, &its_good,
                                      &its_bad) == VERDICT_MISMATCH;
            other_good |= its_good;
            other_fails |= fails;
            other_matches |= !fails;
        }
    }
    if (verdict != VERDICT_MISMATCH) {
        *out_durable = !other_fails;
        return verdict;
    }
    if (other_matches) {
        return VERDICT_PATH_DEPENDENT;
    }
    if (!bad && !good && !other_good && oracle_extra_equals(world, self, view, paths, preferred)) {
        return VERDICT_OFF_PATH;
    }
    return VERDICT_MISMATCH;
}

static bool oracle_needs_path(const struct world *world, uint32_t self) {
    const struct pin_set *set = &world->sets[self];
    bool needs = false;
    for (uint32_t s = 0; s < world->set_count; s++) {
        for (uint32_t p = 0; oracle_joins(world, self, s) && p < world->sets[s].pin_count; p++) {
            int8_t usage = world->sets[s].pins[p].tlsa_usage;
            needs |=
                usage == 0 || usage == 1 ||
                (usage < 0 && set->scope != PIN_SCOPE_LEAF && set->scope != PIN_SCOPE_PRESENTED);
        }
    }
    return needs && !set->trust_none;
}

static bool oracle_negotiates(const struct pin_set *set, enum cert_key key) {
    return (set->key_types & PIN_KEYS_ANY) ||
           (key == CERT_KEY_RSA && (set->key_types & PIN_KEYS_RSA)) ||
           (key == CERT_KEY_EC_P256 && (set->key_types & PIN_KEYS_ECDSA)) ||
           (key == CERT_KEY_ED25519 && (set->key_types & PIN_KEYS_ED25519));
}

static struct set_verdict oracle(const struct world *world, uint32_t self) {
    const struct pin_set *set = &world->sets[self];
    enum verdict all[VIEWS * PROFILES], beside_no_path = VERDICT_UNPINNED;
    uint32_t count = 0, no_paths = 0, matches = 0, backups = 0;
    bool durable = true;
    for (uint32_t v = 0; v < world->view_count; v++) {
        const struct verdict_view *view = &world->views[v];
        if (!oracle_negotiates(set, view->chain->certs[0]->fields.key)) {
            continue;
        }
        bool needs_path = oracle_needs_path(world, self);
        for (uint32_t t = 0; t < (needs_path ? set->trust_count : 1); t++) {
            bool unit_durable, good, bad;
            if (needs_path) {
                all[count] =
                    oracle_profile(world, self, view, set->trust_profiles[t], &unit_durable);
            } else {
                all[count] = oracle_certs(world, self, view,
                                          (const struct cert_record *const *)view->chain->certs,
                                          view->chain->count, &good, &bad);
                unit_durable = all[count] != VERDICT_MISMATCH;
            }
            durable &= unit_durable;
            count++;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        no_paths += all[i] == VERDICT_NO_PATH;
        matches += all[i] == VERDICT_MATCH || all[i] == VERDICT_MATCH_BACKUP;
        backups += all[i] == VERDICT_MATCH_BACKUP;
        beside_no_path =
            all[i] == VERDICT_NO_PATH ? beside_no_path : verdict_worse(beside_no_path, all[i]);
    }
    if (count == 0) {
        return (struct set_verdict){.verdict = VERDICT_UNKNOWN, .would_be = VERDICT_UNKNOWN};
    }
    enum verdict would_be = beside_no_path;
    if (matches > 0 && matches == count - no_paths) {
        would_be = backups > 0 ? VERDICT_MATCH_BACKUP : VERDICT_MATCH;
    } else if (matches > 0) {
        would_be = VERDICT_PATH_DEPENDENT;
    }
    would_be = no_paths > 0 ? verdict_worse(would_be, VERDICT_NO_PATH) : would_be;
    bool expired = set->expires != DATETIME_NONE && set->expires < NOW;
    would_be = expired && set->on_expiry == PIN_FAIL_CLOSED ? VERDICT_MISMATCH : would_be;
    enum verdict verdict = set->report_only ? VERDICT_REPORT_ONLY : would_be;
    verdict = expired && set->on_expiry == PIN_FAIL_OPEN ? VERDICT_EXPIRED_PINSET : verdict;
    durable &= would_be == VERDICT_MATCH || would_be == VERDICT_MATCH_BACKUP;
    return (struct set_verdict){
        .verdict = verdict, .would_be = would_be, .durable = durable, .judged_count = count};
}

static void test_random_worlds_against_the_oracle(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    uint32_t seen[VERDICT_COUNT] = {0}, fragile = 0;
    for (int round = 0; round < 75000; round++) {
        struct world *world = world_new();
        random_views(&rng, world);
        world->set_count = 1 + rng_below(&rng, SETS);
        for (uint32_t s = 0; s < world->set_count; s++) {
            random_set(&rng, world, s);
        }
        for (uint32_t s = 0; s < world->set_count; s++) {
            struct set_verdict got = judge(world, s), want = oracle(world, s);
            bool same = got.verdict == want.verdict && got.would_be == want.would_be &&
                        got.durable == want.durable && got.judged_count == want.judged_count;
            if (!same) {
                fprintf(stderr, "  round %d, set %u: %s/%s/%d, the oracle says %s/%s/%d\n", round,
                        s, verdict_text(got.verdict), verdict_text(got.would_be), got.durable,
                        verdict_text(want.verdict), verdict_text(want.would_be), want.durable);
            }
            CU_ASSERT_TRUE(same);
            seen[got.verdict]++;
            fragile += (got.would_be == VERDICT_MATCH) && !got.durable;
        }
        world_free(world);
    }
    for (int i = 0; i < VERDICT_UNPINNED; i++) {
        CU_ASSERT_TRUE(seen[i] > 100);
    }
    CU_ASSERT_TRUE(fragile > 50); /* about 132 on the average, 11 more or less */
}

SUITE_MAIN("verdict", {"words", test_words},
           {"match by each certificate", test_match_by_each_certificate},
           {"match-backup", test_match_backup}, {"mismatch", test_mismatch},
           {"no-path", test_no_path}, {"off-path", test_off_path},
           {"path-dependent", test_path_dependent},
           {"views and profiles disagree", test_views_and_profiles_disagree},
           {"time-failed path is judged", test_time_failed_path_is_judged}, {"scopes", test_scopes},
           {"leaf-and-ca", test_leaf_and_ca}, {"lists in other scopes", test_lists_in_other_scopes},
           {"bad pin", test_bad_pin}, {"expiry and report-only", test_expiry_and_report_only},
           {"unknown", test_unknown}, {"key types", test_key_types},
           {"TLSA usages", test_tlsa_usages}, {"other algorithms", test_other_algorithms},
           {"union of matching sets", test_union_of_matching_sets},
           {"report-only in a union", test_report_only_in_a_union},
           {"TrustKit's keys", test_trustkit_keys}, {"OkHttp's signers", test_okhttp_signers},
           {"full unit array", test_full_unit_array},
           {"random worlds against the oracle", test_random_worlds_against_the_oracle})
