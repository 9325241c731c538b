/* Android's network security configuration: developer.android.com, "Network security
   configuration", and the platform's android.security.net.config. */
#include "tests/support/import_case.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "engine/codec/text.h"
#include "tests/support/suite.h"

#define DOC(inside) "<network-security-config>\n" inside "\n</network-security-config>\n"
#define CONFIG(inside) DOC("<domain-config>\n" inside "\n</domain-config>")
#define PIN(pin) "<pin digest=\"SHA-256\">" pin "</pin>"
#define SET(pins) "<pin-set>" pins "</pin-set>"
#define DATED(date, pins) "<pin-set expiration=\"" date "\">" pins "</pin-set>"
#define NAME(host) "<domain>" host "</domain>"
#define BELOW(host) "<domain includeSubdomains=\"true\">" host "</domain>"
#define BAD(policy, error)                                                                         \
    { policy, "n.xml:" error }

static const char plain[] = CONFIG(NAME("a.example") SET(PIN("{1}") PIN("{2}")));
static const char below[] = CONFIG(BELOW("a.example") SET(PIN("{1}")));
static const char dated[] = CONFIG(NAME("a.example") DATED("2027-06-01", PIN("{1}")));
/* Three levels; the middle one has no pins, "out" is out alone. */
static const char levels[] =
    DOC("<domain-config>" BELOW("a.example")
            SET(PIN("{1}")) "</domain-config>"
                            "<domain-config>" BELOW("dev.a.example")
                                NAME("out.a.example") "</domain-config>"
                                                      "<domain-config>" BELOW("x.dev.a.example")
                                                          SET(PIN("{2}")) "</domain-config>");
/* One config on both sides of what is taken out. */
static const char around[] =
    DOC("<domain-config>" BELOW("a.example") BELOW("x.dev.a.example")
            SET(PIN("{1}")) "</domain-config>"
                            "<domain-config>" BELOW("dev.a.example") "</domain-config>");
static const char nested[] = CONFIG(BELOW("a.example") "<domain-config>" NAME(
    "heir.a.example") "</domain-config>"
                      "<domain-config>" BELOW("own.a.example") SET(
                          PIN("{2}")) "</domain-config>"
                                      "<domain-config>" NAME("off.a.example") "<pin-set/></"
                                                                              "domain-config>" SET(
                                                                                  PIN("{1}")));
#define ANCHORS(certificates)                                                                      \
    CONFIG("<trust-anchors>" certificates "</trust-anchors>" NAME("a.example") SET(PIN("{1}")))

static const struct import_case cases[] = {
    {plain, "a.example", "012", NULL, NULL, "match"},
    {plain, "a.example", "032", NULL, NULL, "match"}, /* the anchor alone */
    {plain, "a.example", "104", NULL, NULL, "match"}, /* the leaf */
    {plain, "a.example", "034", NULL, NULL, "mismatch"},
    {plain, "a.example", "034", "0312", NULL, "off-path"}, /* CVE-2016-2402 */
    {plain, "a.example", "", "01", NULL, "no-path"},
    {plain, "b.a.example", "034", NULL, NULL, "unpinned"},
    {plain, "example", "034", NULL, NULL, "unpinned"},
    {below, "a.example", "012", NULL, NULL, "match"},
    {below, "a.example", "034", NULL, NULL, "mismatch"},
    {below, "b.a.example", "034", NULL, NULL, "mismatch"},
    {below, "c.b.a.example", "034", NULL, NULL, "mismatch"},
    {below, "ba.example", "034", NULL, NULL, "unpinned"},
    {dated, "a.example", "034", NULL, "2027-05-31", "mismatch"},
    {dated, "a.example", "034", NULL, "2027-06-01", "mismatch"}, /* not after, but at it */
    {dated, "a.example", "034", NULL, "2027-06-02", "expired-pinset"},
    {dated, "a.example", "012", NULL, "2027-06-02", "expired-pinset"},
    {CONFIG(NAME("a.example") DATED("2027-6-1", PIN("{1}"))), "a.example", "034", NULL,
     "2027-06-02", "expired-pinset"},
    {levels, "b.a.example", "01", NULL, NULL, "match"},
    {levels, "b.a.example", "02", NULL, NULL, "mismatch"},
    {levels, "dev.a.example", "03", NULL, NULL, "unpinned"},
    {levels, "y.dev.a.example", "03", NULL, NULL, "unpinned"},
    {levels, "x.dev.a.example", "02", NULL, NULL, "match"},
    {levels, "z.x.dev.a.example", "02", NULL, NULL, "match"},
    {levels, "z.x.dev.a.example", "01", NULL, NULL, "mismatch"}, /* the longest alone */
    {levels, "out.a.example", "03", NULL, NULL, "unpinned"},
    {levels, "b.out.a.example", "03", NULL, NULL, "mismatch"},
    {around, "y.dev.a.example", "03", NULL, NULL, "unpinned"},
    {around, "x.dev.a.example", "03", NULL, NULL, "mismatch"},
    {around, "z.x.dev.a.example", "01", NULL, NULL, "match"},
    {around, "z.x.dev.a.example", "03", NULL, NULL, "mismatch"},
    {nested, "heir.a.example", "01", NULL, NULL, "match"},
    {nested, "heir.a.example", "02", NULL, NULL, "mismatch"},
    {nested, "x.heir.a.example", "01", NULL, NULL, "match"}, /* a.example's */
    {nested, "x.own.a.example", "02", NULL, NULL, "match"},
    {nested, "x.own.a.example", "01", NULL, NULL, "mismatch"},
    {nested, "off.a.example", "03", NULL, NULL, "unpinned"},
    {ANCHORS("<certificates src=\"system\" overridePins=\"true\"/>"), "a.example", "03", NULL, NULL,
     "report-only"},
    {ANCHORS("<certificates src=\"user\" overridePins=\"true\"/><certificates src=\"system\"/>"),
     "a.example", "03", NULL, NULL, "mismatch"},
    {ANCHORS("<certificates src=\"@raw/own\" overridePins=\"true\"/><certificates "
             "src=\"system\"/>"),
     "a.example", "03", NULL, NULL, "mismatch"}, /* own's paths are free, the system's are not */
    {ANCHORS("<certificates src=\"@raw/own\" overridePins=\"true\"/><certificates "
             "src=\"system\"/>"),
     "a.example", "01", NULL, NULL, "match"},
    {DOC("<base-config><trust-anchors><certificates src=\"system\" overridePins=\"1\"/>"
         "</trust-anchors></base-config><domain-config>" NAME("a.example")
             SET(PIN("{1}")) "</domain-config>"),
     "a.example", "03", NULL, NULL, "report-only"},
    {CONFIG(NAME(" A.Example\n") SET("<pin digest=\"sha-256\">\n {1}\n</pin>")), "a.example", "01",
     NULL, NULL, "match"},
    {CONFIG("<new><pin-set/></new>" NAME("a.example") SET("<new/>" PIN("{1}") PIN("{1}"))),
     "a.example", "01", NULL, NULL, "match"},
    {CONFIG(NAME("b\xC3\xBC"
                 "cher.example") SET(PIN("{1}"))),
     "xn--bcher-kva.example", "01", NULL, NULL, "match"},
};

static void test_cases(void) {
    CU_ASSERT_TRUE(sizeof cases / sizeof cases[0] >= 20);
    import_expect(cases, sizeof cases / sizeof cases[0], IMPORT_AUTO);
}

/* Heirs do not read what they inherit again: a hundred thousand of them take no time. */
static void test_many_heirs(void) {
    enum { HEIRS = 100000 };
    char *text = malloc((size_t)HEIRS * 80 + 100000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    char *at = text;
    at +=
        sprintf(at, "<network-security-config><domain-config><domain>a.example</domain><pin-set>");
    for (int i = 0; i < 500; i++) {
        uint8_t digest[32] = {(uint8_t)i, (uint8_t)(i / 256), 1};
        char base64[BASE64_SHA256_LEN + 1] = "";
        base64_encode(base64, span_of(digest, sizeof digest));
        at += sprintf(at, "<pin digest=\"SHA-256\">%s</pin>", base64);
    }
    at += sprintf(at, "</pin-set>");
    for (int i = 0; i < HEIRS; i++) {
        at += sprintf(at, "<domain-config><domain>h%d.a.example</domain></domain-config>", i);
    }
    at += sprintf(at, "</domain-config></network-security-config>");
    struct import_world *world =
        import_world_of(span_of(text, (size_t)(at - text)), IMPORT_ANDROID, "n.xml");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL(world->index.set_count, HEIRS + 1);
    CU_ASSERT_EQUAL(world->index.sets[HEIRS]->pin_count, 500);
    CU_ASSERT_PTR_EQUAL(world->index.sets[HEIRS]->pins, world->index.sets[0]->pins);
    import_world_free(world);
    free(text);
}

static const struct import_bad bad[] = {
    BAD("<network-security-config>",
        "1: XML: no element found: correct the file there, or a little before"),
    BAD("", "1: XML: no element found: correct the file there, or a little before"),
    BAD("<x/>", "1: <x> is not <network-security-config>: give Android's network security "
                "configuration"),
    BAD("<network-security-config/>",
        "1: there is no pin-set in it, so that nothing would be pinned: add one, or leave the "
        "file out"),
    BAD(CONFIG(NAME("a.example")),
        "1: there is no pin-set in it, so that nothing would be pinned: add one, or leave the "
        "file out"),
    BAD(DOC("<domain-config/>"), "2: a <domain-config> without <domain>, Android refuses the "
                                 "file: name its domains"),
    BAD(CONFIG(NAME("a.example") SET(PIN("{1}")) "\n" SET(PIN("{2}"))),
        "4: a second <pin-set> (the first is at line 3), Android refuses the file: make them "
        "one"),
    BAD(CONFIG(NAME("a.example") "\n" NAME("A.example") SET(PIN("{1}"))),
        "4: a.example: is already there, at line 3, and the client takes a domain only once: "
        "keep one of them"),
    BAD(DOC("<base-config>\n<pin-set/></base-config>"),
        "3: <pin-set> is not allowed in <base-config>, Android refuses the file: move it into "
        "a <domain-config>"),
    BAD(DOC("<debug-overrides><pin-set/></debug-overrides>"),
        "2: <pin-set> is not allowed in <debug-overrides>, Android refuses the file: move it "
        "into a <domain-config>"),
    BAD(DOC("<base-config/>\n<base-config/>"),
        "3: a second <base-config> (the first is at line 2), Android refuses the file: make "
        "them one"),
    BAD(CONFIG(NAME("a.example") DATED("2027-02-30", PIN("{1}"))),
        "3: expiration=\"2027-02-30\" is no date, Android refuses the file: write yyyy-MM-dd"),
    BAD(CONFIG(NAME("a.example") DATED("1 June", PIN("{1}"))),
        "3: expiration=\"1 June\" is no date, Android refuses the file: write yyyy-MM-dd"),
    BAD(CONFIG(NAME("a.example") "\n" SET("\n" PIN("{h1}"))),
        "5: a.example: the pin \"{h1}\": 20 bytes, but SHA-256 has 32: "
        "copy the pin anew"),
    BAD(CONFIG(NAME("a.example") SET(PIN("{x1}"))),
        "3: a.example: the pin \"{x1}\": this is hexadecimal: write \"sha256:<hexadecimal>\", or "
        "convert it to base64"),
    BAD(CONFIG(NAME("a.example") SET(PIN("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))),
        "3: a.example: the pin \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\": a placeholder, "
        "not a digest: put the real pin here"),
    BAD(CONFIG(NAME("a.example") SET(PIN(""))),
        "3: a.example: the pin \"\": nothing follows the algorithm: write the digest in base64"),
    BAD(CONFIG(NAME("a.example") SET("<pin digest=\"SHA-1\">{h1}</pin>")),
        "3: a.example: digest=\"SHA-1\" is not known to Android, which refuses the file: write "
        "digest=\"SHA-256\""),
    BAD(CONFIG(NAME("a.example") SET("<pin>{1}</pin>")),
        "3: a.example: digest=\"\" is not known to Android, which refuses the file: write "
        "digest=\"SHA-256\""),
    BAD(CONFIG(NAME("a.example") SET("<pin digest=\"SHA-256\">{1}<b/></pin>")),
        "3: a.example: <b> inside a <pin>, Android refuses the file: take it out"),
    BAD(CONFIG(NAME("*.a.example") SET(PIN("{1}"))),
        "3: \"*.a.example\" never matches on Android: write the name without \"*.\" or a "
        "trailing dot (includeSubdomains=\"true\" reaches what is below)"),
    BAD(CONFIG(NAME("a.example.") SET(PIN("{1}"))),
        "3: \"a.example.\" never matches on Android: write the name without \"*.\" or a "
        "trailing dot (includeSubdomains=\"true\" reaches what is below)"),
    BAD(CONFIG(NAME("") SET(PIN("{1}"))),
        "3: a <domain> holds a name and nothing else, Android refuses the file: write "
        "<domain>api.bank.example</domain>"),
    BAD(CONFIG("<domain includeSubdomains=\"yes\">a.example</domain>" SET(PIN("{1}"))),
        "3: includeSubdomains=\"yes\" is read as false by Android: write true or false"),
    BAD(ANCHORS("<certificates/>"),
        "3: <certificates> without src, Android refuses the file: write src=\"system\""),
    BAD("<!DOCTYPE a [<!ENTITY b \"c\">]>\n" CONFIG(NAME("&b;") SET(PIN("{1}"))),
        "1: XML: a document type with declarations of its own (entities?): take them out, no "
        "client needs them"),
    BAD("<!DOCTYPE a SYSTEM \"file:///etc/passwd\">\n" CONFIG(NAME("&b;") SET(PIN("{1}"))),
        "4: XML: an entity that is not one of XML's five: write its text"),
    BAD(CONFIG(NAME("&b;") SET(PIN("{1}"))),
        "3: XML: undefined entity: correct the file there, or a little before"),
    BAD(DOC("<domain-config></pin-set>"),
        "2: XML: mismatched tag: correct the file there, or a little before"),
};

static void test_errors(void) {
    import_expect_errors(bad, sizeof bad / sizeof bad[0], IMPORT_ANDROID, "n.xml");
}

static void test_nesting(void) {
    char *text = calloc(1, 1 << 20), *at = text;
    at += sprintf(at, "<network-security-config>");
    for (int i = 0; i < 10000; i++) {
        at += sprintf(at, "<domain-config>");
    }
    struct import_world *world = import_world_of(span_str(text), IMPORT_AUTO, "n.xml");
    CU_ASSERT_EQUAL(world->err, ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(world->note.text, "n.xml:1: XML: elements nested too deeply: no policy "
                                             "needs more than 32 levels");
    import_world_free(world);
    free(text);
}

static void test_own_anchors(void) {
    struct import_world *world =
        import_world_new(ANCHORS("<certificates src=\"@raw/my_ca\"/>"), IMPORT_AUTO, "n.xml");
    CU_ASSERT_EQUAL(world->err, ERR_CONFIG); /* nobody said --trust my_ca=FILE */
    CU_ASSERT_PTR_NOT_NULL(strstr(world->note.text, "my_ca"));
    CU_ASSERT_STRING_EQUAL(world->index.sets[0]->trust[0], "my_ca");
    import_world_free(world);
}

static void test_example(void) {
    size_t len = 0;
    char *text = import_example("network_security_config.xml", &len);
    struct import_world *world =
        import_world_of(span_of(text, len), IMPORT_AUTO, "app/network_security_config.xml");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->index.set_count, 2);
    const struct pin_set *set = world->index.sets[0];
    CU_ASSERT_STRING_EQUAL(set->name, "network_security_config:**.bank.example");
    CU_ASSERT_STRING_EQUAL(set->application, "network_security_config");
    CU_ASSERT_STRING_EQUAL(set->file, "app/network_security_config.xml");
    CU_ASSERT_EQUAL(set->line, 3);
    CU_ASSERT_EQUAL(set->client, PIN_CLIENT_ANDROID);
    CU_ASSERT_EQUAL(set->pin_count, 2);
    CU_ASSERT_EQUAL(set->pins[0].line, 7);
    CU_ASSERT_EQUAL(set->pins[0].role, PIN_ACTIVE);
    CU_ASSERT_STRING_EQUAL(set->pins[0].text,
                           "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=");
    CU_ASSERT_EQUAL(set->expires, datetime_days(2027, 6, 1) * 86400);
    CU_ASSERT_EQUAL(set->excluded_count, 1);
    CU_ASSERT_STRING_EQUAL(set->excluded[0], "**.dev.bank.example");
    CU_ASSERT_STRING_EQUAL(world->index.sets[1]->name, "network_security_config:pay.bank.example");
    /* A file of the same name in another folder is another application. */
    struct pin_index index;
    struct err_note note = {""};
    pin_index_init(&index, 1);
    struct trust_store *store = calloc(1, sizeof *store);
    for (int i = 0; i < 3; i++) {
        enum err err = policy_parse(span_of(text, len), i == 0 ? "a/n.xml" : "b/n.xml", IMPORT_AUTO,
                                    &index, store, &note);
        CU_ASSERT_EQUAL(err, i < 2 ? ERR_NONE : ERR_CONFIG); /* the same file twice */
    }
    CU_ASSERT_STRING_EQUAL(index.sets[2]->name, "b/n.xml:**.bank.example");
    pin_index_fini(&index);
    free(store);
    import_world_free(world);
    CU_ASSERT_TRUE(import_cut_everywhere(span_of(text, len), IMPORT_ANDROID, "n.xml") <= 1);
    free(text);
}

SUITE_MAIN("import_android", {"cases", test_cases}, {"many_heirs", test_many_heirs},
           {"errors", test_errors}, {"nesting", test_nesting},
           {"anchors of its own", test_own_anchors}, {"example", test_example})
