/* Chromium's static pins: net/http/transport_security_state.cc and its generator. */
#include "tests/support/import_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/codec/datetime.h"
#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEYS "K1\nsha256/{1}\n# a comment\n\nK2\nsha256/{2}\nBad\nsha256/{9}\n"
/* 2027-01-01 and ten weeks: 2027-03-12. */
#define DATED "PinsListTimestamp\n1798761600\n" KEYS
#define LIST(pinsets, entries, keys)                                                               \
    "// a list\n{\"pinsets\": [\n" pinsets "], /* and */\n\"entries\": [\n" entries "]}\n\f" keys
#define P1 "{\"name\": \"p1\", \"static_spki_hashes\": [\"K1\"]}"
#define P2                                                                                         \
    "{\"name\": \"p2\", \"static_spki_hashes\": [\"K1\", \"K2\"], \"bad_static_spki_hashes\": "    \
    "[\"Bad\"]}"
#define ENTRY(name, more) "{\"name\": \"" name "\"" more "}"
#define WITH(pinset) ", \"pins\": \"" pinset "\""
#define BELOW ", \"include_subdomains\": true"
#define BAD(policy, error)                                                                         \
    { policy, error }

static const char plain[] = LIST(P1, ENTRY("a.example", WITH("p1")), KEYS);
static const char below[] = LIST(P1 "," P2,
                                 ENTRY("a.example", WITH("p1") BELOW) ", "   //
                                 ENTRY("x.a.example", WITH("p2") BELOW) ", " //
                                 ENTRY("one.a.example", WITH("p2")) ", "     //
                                 ENTRY("out.a.example", "") ", "             //
                                 ENTRY("in.out.a.example", WITH("p2") BELOW),
                                 KEYS);
static const char bad_keys[] = LIST(P2, ENTRY("a.example", WITH("p2")), KEYS);
static const char dated[] = LIST(P1, ENTRY("a.example", WITH("p1")), DATED);
static const char older_key[] =
    LIST(P1, ENTRY("a.example", WITH("p1") ", \"include_subdomains_for_pinning\": true"), KEYS);

static const struct import_case cases[] = {
    {plain, "a.example", "012", NULL, NULL, "match"},
    {plain, "a.example", "021", NULL, NULL, "match"}, /* the anchor */
    {plain, "a.example", "102", NULL, NULL, "match"}, /* the leaf */
    {plain, "a.example", "023", NULL, NULL, "mismatch"},
    {plain, "a.example", "023", "0231", NULL, "off-path"},
    {plain, "a.example", "", "01", NULL, "no-path"},
    {plain, "x.a.example", "023", NULL, NULL, "unpinned"},
    {plain, "a.example", "023", NULL, "2099-01-01", "mismatch"}, /* no date, no end */
    {below, "y.a.example", "01", NULL, NULL, "match"},
    {below, "y.a.example", "02", NULL, NULL, "mismatch"},
    {below, "z.y.a.example", "02", NULL, NULL, "mismatch"},
    {below, "x.a.example", "02", NULL, NULL, "match"}, /* the most specific */
    {below, "y.x.a.example", "02", NULL, NULL, "match"},
    {below, "one.a.example", "02", NULL, NULL, "match"},
    {below, "y.one.a.example", "03", NULL, NULL, "unpinned"}, /* its entry does not reach it */
    {below, "out.a.example", "03", NULL, NULL, "unpinned"},
    {below, "y.out.a.example", "03", NULL, NULL, "unpinned"},
    {below, "in.out.a.example", "03", NULL, NULL, "mismatch"},
    {below, "y.in.out.a.example", "02", NULL, NULL, "match"},
    {bad_keys, "a.example", "012", NULL, NULL, "match"},
    {bad_keys, "a.example", "0129", NULL, NULL, "mismatch"}, /* a bad key beats all */
    {bad_keys, "a.example", "012", "019", NULL, "match"},    /* off the path */
    {older_key, "x.a.example", "02", NULL, NULL, "mismatch"},
    {dated, "a.example", "023", NULL, "2027-03-11T23:59:59Z", "mismatch"},
    {dated, "a.example", "023", NULL, "2027-03-12", "expired-pinset"}, /* 70 days */
};

static void test_cases(void) {
    import_expect(cases, COUNT(cases), IMPORT_AUTO);
}

#define NOTHING                                                                                    \
    "there is no entry with pins in it, so that nothing would be pinned: add one, or leave the "   \
    "file out"

static void test_errors(void) {
    static const struct import_bad bad[] = {
        BAD("{\"pinsets\": []}", "c.json:1: the names in it stand for keys of a .pins file, and "
                                 "there is none: put it beside this file under the same name with "
                                 ".pins at the end, or give it too"),
        BAD(LIST(P1, "", KEYS), "c.json:1: " NOTHING),
        BAD(LIST(P1, ENTRY("a.example", ""), KEYS), "c.json:1: " NOTHING),
        BAD("[]\f" KEYS, "c.json:1: a list of pins is an object with \"pinsets\" and \"entries\""),
        BAD(LIST(P1, ENTRY("a.example", WITH("p3")), KEYS),
            "c.json:5: a.example: there is no pinset \"p3\": add it, or correct the name"),
        BAD(LIST("{\"name\": \"p\",\n\"static_spki_hashes\": [\"K1\",\n\"K3\"]}", "", KEYS),
            "c.json:5: the key \"K3\" is not in keys.pins: add it there, or correct the name"),
        BAD(LIST(P1 ",\n" P1, "", KEYS),
            "c.json:4: the pinset \"p1\" is already there, at line 3: keep one of them"),
        BAD(LIST("{\"name\": \"p\", \"bad_static_spki_hashes\": [\"K1\"]}", "", KEYS),
            "c.json:3: the pinset \"p\" has no static_spki_hashes: add a key, or take the pinset "
            "out"),
        BAD(LIST("{\"static_spki_hashes\": [\"K1\"]}", "", KEYS),
            "c.json:3: a pinset without a name: add \"name\""),
        BAD(LIST("{\"name\": \"p\", \"static_spki_hashes\": \"K1\"}", "", KEYS),
            "c.json:3: \"static_spki_hashes\" wants a list"),
        BAD(LIST("{\"name\": \"p\", \"static_spki_hashes\": [1]}", "", KEYS),
            "c.json:3: \"static_spki_hashes\" wants a list of names, each a string"),
        BAD(LIST("3", "", KEYS), "c.json:3: \"pinsets\" wants a list of objects"),
        BAD(LIST("{\"name\": \"p\", \"name\": \"q\"}", "", KEYS),
            "c.json:3: \"name\" is already there, at line 3: keep one of them"),
        BAD(LIST(P1, "{\"name\": \"a.example\", \"include_subdomains\": 1}", KEYS),
            "c.json:5: \"include_subdomains\" wants true or false"),
        BAD(LIST(P1, "{\"pins\": \"p1\"}", KEYS),
            "c.json:5: an entry without a name: add \"name\""),
        BAD(LIST(P1, ENTRY("*.example", WITH("p1")), KEYS),
            "c.json:5: \"*.example\" is no host: this client has no wildcards, name the host"),
        BAD(LIST(P1, ENTRY("a.example", WITH("p1")) ",\n" ENTRY("A.example", ""), KEYS),
            "c.json:6: a.example: is already there, at line 5, and the client takes a domain only "
            "once: keep one of them"),
        BAD(LIST(P1 ",", "", KEYS),
            "c.json:3: JSON: not JSON from here on: look for a comma, quote or bracket that is "
            "missing or too many"),
        BAD(LIST(P1, "", KEYS) "", "c.json:1: " NOTHING),
        BAD("// only\n{\"pinsets\": []} x\f" KEYS,
            "c.json:2: JSON: text after the end of the document: take it out"),
        BAD("{\n/* no end\n\f" KEYS, "c.json:2: JSON: a comment that is not closed: add */"),
        BAD("{\"a\": \"b\n\"}\f" KEYS, "c.json:1: JSON: a control character in a string, or its "
                                       "closing quote is missing"),
        BAD("{\"a\": \"b\f" KEYS, "c.json:1: JSON: a string that is not closed: add \""),
        BAD("{\"a\": \"b\\u0000\"}\f" KEYS, "c.json:1: JSON: a NUL in a string: take it out"),
        BAD("{\"a\":\n\"\xff\"}\f" KEYS, "c.json:1: JSON: the file is not UTF-8: save it as UTF-8"),
        BAD("\n[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\f" KEYS,
            "c.json:2: JSON: nested deeper than 32 levels: a list of pins needs four"),
        /* the .pins file */
        BAD("{}\fk1\nsha256/{1}\n", "keys.pins:1: \"k1\" is no name: a capital first, then "
                                    "letters, digits and \"_\""),
        BAD("{}\fK1\n", "keys.pins:1: nothing follows the name \"K1\": write sha256/<base64>, or "
                        "a certificate or public key in PEM"),
        BAD("{}\fK1\nsha1/{h1}\n", "keys.pins:2: \"sha1/{h1}\" is no value of \"K1\": write "
                                   "sha256/<base64>, or a certificate or public key in PEM"),
        BAD("{}\fK1\nsha256/{h1}\n",
            "keys.pins:2: the pin \"{h1}\": 20 bytes, but SHA-256 has 32: copy the pin anew"),
        BAD("{}\fK1\nsha256/{1}\nK1\nsha256/{2}\n",
            "keys.pins:3: the name \"K1\" is already there, at line 1: keep one of them"),
        BAD("{}\fK1\r\nsha256/{1}\r\n", "keys.pins:1: lines end in CR LF, Chromium refuses the "
                                        "file: save it with LF alone"),
        BAD("{}\fPinsListTimestamp\nyesterday\n",
            "keys.pins:2: \"yesterday\" is no PinsListTimestamp: write seconds since 1970, as "
            "date +%s gives them"),
        BAD("{}\fPinsListTimestamp\n1\nPinsListTimestamp\n2\n",
            "keys.pins:4: a second PinsListTimestamp: Chromium takes one, drop the other"),
        BAD("{}\fK1\n-----BEGIN PRIVATE KEY-----\n",
            "keys.pins:2: the block is neither a CERTIFICATE nor a PUBLIC KEY: Chromium takes no "
            "other, export one of them"),
        BAD("{}\fK1\n-----BEGIN PUBLIC KEY-----\nMA==\n",
            "keys.pins:3: the file ends inside a block: its END is missing"),
        BAD("{}\fK1\n-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----\n",
            "keys.pins:4: the key that ends here is no SubjectPublicKeyInfo: write it with "
            "openssl pkey -pubout"),
        BAD("{}\fK1\n-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n",
            "keys.pins:4: the certificate that ends here cannot be read: copy it anew"),
        BAD("{}\fK1\n-----BEGIN CERTIFICATE-----\nM!\n-----END CERTIFICATE-----\n",
            "keys.pins:4: the block that ends here is not base64: copy it anew"),
        BAD("{}\fK1\n-----BEGIN CERTIFICATE-----\nMAAA\n-----END PUBLIC KEY-----\n",
            "keys.pins:4: END does not match BEGIN: copy the block anew"),
    };
    import_expect_errors(bad, COUNT(bad), IMPORT_CHROMIUM, "c.json");
}

static const struct pin *pin_of(const struct pin_set *set, const char *note) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        if (strcmp(set->pins[i].note, note) == 0) {
            return &set->pins[i];
        }
    }
    return NULL;
}

static void check_example(const struct pin_index *index) {
    const struct pin_set *set = index->sets[0];
    CU_ASSERT_EQUAL_FATAL(index->set_count, 1);
    CU_ASSERT_STRING_EQUAL(set->name, "chromium:bank");
    CU_ASSERT_EQUAL(set->client, PIN_CLIENT_CHROMIUM);
    CU_ASSERT_EQUAL(set->expires, INT64_C(1793000000) + 70 * 86400 - 1);
    CU_ASSERT_EQUAL(set->excluded_count, 1);
    CU_ASSERT_STRING_EQUAL(set->excluded[0], "**.dev.bank.example");
    CU_ASSERT_EQUAL_FATAL(set->pin_count, 3);
    CU_ASSERT_STRING_EQUAL(pin_of(set, "IsrgRootX1")->text,
                           "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=");
    CU_ASSERT_STRING_EQUAL(pin_of(set, "GtsRootR4")->text, /* from its public key */
                           "sha256/mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c=");
    CU_ASSERT_EQUAL(pin_of(set, "LostKey")->role, PIN_BAD);
}

static enum err load(const char *const files[], size_t count, struct pin_index *index,
                     struct err_note *note) {
    struct trust_store *store = calloc(1, sizeof *store);
    CHECK(store != NULL);
    trust_store_init(store);
    pin_index_init(index, 1);
    enum err err = policy_load_all(files, count, IMPORT_AUTO, index, store, note);
    trust_store_fini(store);
    free(store);
    return err;
}

#define DATA PINSWEEP_SOURCE_DIR "/data/pins/"

/* The keys beside the list, given too, or under another name. */
static void test_files(void) {
    static const char *const given[][2] = {{DATA "chromium.json", NULL},
                                           {DATA "chromium.json", DATA "chromium.pins"},
                                           {DATA "chromium.pins", DATA "chromium.json"}};
    struct err_note note = {""};
    struct pin_index index;
    for (size_t i = 0; i < COUNT(given); i++) {
        CU_ASSERT_EQUAL_FATAL(load(given[i], given[i][1] != NULL ? 2 : 1, &index, &note), ERR_NONE);
        check_example(&index);
        pin_index_fini(&index);
    }
    CU_ASSERT_EQUAL(load((const char *const[]){DATA "chromium.pins"}, 1, &index, &note),
                    ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(note.text,
                           DATA "chromium.pins:1: no Chromium list among the policies uses these "
                                "keys: give its JSON too, as the same name with .json at the end");
    pin_index_fini(&index);
    CU_ASSERT_EQUAL(
        load((const char *const[]){DATA "chromium.pins", DATA "okhttp.txt"}, 2, &index, &note),
        ERR_CONFIG);
    pin_index_fini(&index);
}

/* A real certificate's key. */
static void test_certificate(void) {
    FILE *file = fopen("/etc/ssl/certs/ISRG_Root_X1.pem", "rb");
    char policy[8192];
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    int len = snprintf(policy, sizeof policy, "%s",
                       LIST("{\"name\": \"p\", \"static_spki_hashes\": [\"X1\"]}",
                            ENTRY("a.example", WITH("p")), "X1\n"));
    size_t pem_len = fread(policy + len, 1, sizeof policy - (size_t)len - 1, file);
    fclose(file);
    struct import_world *world =
        import_world_of(span_of(policy, (size_t)len + pem_len), IMPORT_AUTO, "c.json");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_STRING_EQUAL(world->index.sets[0]->pins[0].text,
                           "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=");
    import_world_free(world);
    CU_ASSERT_TRUE(import_cut_everywhere(span_of(policy, (size_t)len + pem_len), IMPORT_CHROMIUM,
                                         "c.json") <= 40);
}

static void test_example(void) {
    size_t json_len = 0, pins_len = 0;
    char *json = import_example("chromium.json", &json_len);
    char *pins = import_example("chromium.pins", &pins_len);
    char *both = malloc(json_len + 1 + pins_len);
    CHECK(both != NULL);
    memcpy(both, json, json_len);
    both[json_len] = '\f';
    memcpy(both + json_len + 1, pins, pins_len);
    struct span whole = span_of(both, json_len + 1 + pins_len);
    struct import_world *world = import_world_of(whole, IMPORT_AUTO, "chromium.json");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    check_example(&world->index);
    import_world_free(world);
    free(both);
    free(pins);
    free(json);
}

SUITE_MAIN("import_chromium", {"cases", test_cases}, {"errors", test_errors}, {"files", test_files},
           {"certificate", test_certificate}, {"example", test_example})
