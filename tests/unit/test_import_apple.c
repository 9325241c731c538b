/* NSPinnedDomains: developer.apple.com, "Identity pinning: how to configure server certificates for
   your app". */
#include "tests/support/import_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DOC(domains)                                                                               \
    "<plist version=\"1.0\"><dict>\n<key>NSAppTransportSecurity</key><dict>"                       \
    "<key>NSPinnedDomains</key>\n<dict>" domains "</dict></dict></dict></plist>\n"
#define HOST(host, inside) "<key>" host "</key>\n<dict>" inside "</dict>"
#define BELOW "<key>NSIncludesSubdomains</key><true/>"
#define ID(pin) "<dict><key>SPKI-SHA256-BASE64</key><string>" pin "</string></dict>"
#define CA(ids) "<key>NSPinnedCAIdentities</key><array>" ids "</array>"
#define LEAF(ids) "<key>NSPinnedLeafIdentities</key><array>" ids "</array>"
#define BAD(policy, error)                                                                         \
    { policy, "Info.plist:" error }

static const char ca[] = DOC(HOST("a.example", CA(ID("{1}") ID("{2}"))));
static const char leaf[] = DOC(HOST("a.example", LEAF(ID("{0}"))));
static const char both[] = DOC(HOST("a.example", CA(ID("{1}")) LEAF(ID("{0}"))));
static const char below[] = DOC(HOST("a.example", BELOW CA(ID("{1}"))));
/* An exact entry and its parent's: what either pins will do. */
static const char unions[] =
    DOC(HOST("a.example", BELOW CA(ID("{1}"))) HOST("x.a.example", CA(ID("{2}"))));
static const char lists[] =
    DOC(HOST("a.example", BELOW CA(ID("{1}"))) HOST("x.a.example", LEAF(ID("{0}"))));

static const struct import_case cases[] = {
    {ca, "a.example", "012", NULL, NULL, "match"},
    {ca, "a.example", "032", NULL, NULL, "match"}, /* the root counts */
    {ca, "a.example", "013", NULL, NULL, "match"},
    {ca, "a.example", "034", NULL, NULL, "mismatch"},
    {ca, "a.example", "134", NULL, NULL, "mismatch"}, /* a CA's pin on the leaf */
    {ca, "a.example", "034", "0341", NULL, "off-path"},
    {ca, "a.example", "", "01", NULL, "no-path"},
    {ca, "a.example", "034", NULL, "2099-01-01", "mismatch"}, /* never expires */
    {ca, "x.a.example", "034", NULL, NULL, "unpinned"},
    {leaf, "a.example", "034", NULL, NULL, "match"},
    {leaf, "a.example", "304", NULL, NULL, "mismatch"}, /* the leaf's pin on a CA */
    {both, "a.example", "012", NULL, NULL, "match"},
    {both, "a.example", "032", NULL, NULL, "mismatch"}, /* one list alone */
    {both, "a.example", "312", NULL, NULL, "mismatch"},
    {below, "a.example", "034", NULL, NULL, "mismatch"},
    {below, "x.a.example", "034", NULL, NULL, "mismatch"},
    {below, "x.a.example", "01", NULL, NULL, "match"},
    {below, "y.x.a.example", "034", NULL, NULL, "unpinned"}, /* exactly one label */
    {below, "xa.example", "034", NULL, NULL, "unpinned"},
    {unions, "x.a.example", "01", NULL, NULL, "match"},
    {unions, "x.a.example", "02", NULL, NULL, "match"},
    {unions, "x.a.example", "03", NULL, NULL, "mismatch"},
    {unions, "a.example", "02", NULL, NULL, "mismatch"},
    {lists, "x.a.example", "01", NULL, NULL, "match"},
    {lists, "x.a.example", "03", NULL, NULL, "mismatch"}, /* the union has both lists */
    {DOC(HOST("A.Example", CA(ID("{1}") ID("{1}")))), "a.example", "01", NULL, NULL, "match"},
    {DOC(HOST("a.example", "<key>NSIncludesSubdomains</key><false/>" CA(ID("{1}")))), "x.a.example",
     "03", NULL, NULL, "unpinned"},
};

static void test_cases(void) {
    CU_ASSERT_TRUE(COUNT(cases) >= 20);
    import_expect(cases, COUNT(cases), IMPORT_AUTO);
}

static void test_errors(void) {
    static const struct import_bad bad[] = {
        BAD("<plist/>", "1: a property list with pins is a <plist> with one <dict>: give the app's "
                        "Info.plist"),
        BAD("<plist><array/></plist>",
            "1: a property list with pins is a <plist> with one <dict>: give the app's "
            "Info.plist"),
        BAD("<plist><dict/></plist>",
            "1: there is no NSPinnedDomains or TSKPinnedDomains in it, so that nothing would be "
            "pinned: add one, or leave the file out"),
        BAD(DOC(""), "1: there is no NSPinnedDomains or TSKPinnedDomains in it, so that nothing "
                     "would be pinned: add one, or leave the file out"),
        BAD("<plist><dict><key>NSAppTransportSecurity</key><array/></dict></plist>",
            "1: NSAppTransportSecurity wants a <dict>"),
        BAD("<plist><dict>\n<key>a</key></dict></plist>",
            "2: in a <dict> every <key> is followed by its value: put in the value"),
        BAD("<plist><dict>\n<true/></dict></plist>",
            "2: in a <dict> every <key> is followed by its value: put in the key"),
        BAD("<plist><dict>\n<key>a</key><key>b</key></dict></plist>",
            "2: in a <dict> every <key> is followed by its value: put in the value"),
        BAD("<plist><dict><key>a</key><set/></dict></plist>",
            "1: <set> is no value of a property list"),
        BAD(DOC(HOST("a.example", CA(ID("{1}"))) HOST("a.example", CA(ID("{2}")))),
            "5: the key \"a.example\" is already there, at line 4: keep one of them"),
        BAD(DOC(HOST("a.example", CA(ID("{1}"))) HOST("A.example", CA(ID("{2}")))),
            "5: a.example: is already there, at line 4, and the client takes a domain only once: "
            "keep one of them"),
        BAD(DOC(HOST("a.example", "")), "4: a.example: has neither NSPinnedCAIdentities nor "
                                        "NSPinnedLeafIdentities: add one"),
        BAD(DOC(HOST("a.example", CA(""))), "4: a.example: NSPinnedCAIdentities is empty: add an "
                                            "identity, or take the key out"),
        BAD(DOC("<key>a.example</key><true/>"),
            "3: a.example: wants a <dict> with NSPinnedCAIdentities or NSPinnedLeafIdentities"),
        BAD(DOC(HOST("*.a.example", CA(ID("{1}")))),
            "4: \"*.a.example\" is no host: this client has no wildcards, name the host"),
        BAD(DOC(HOST("a.example", CA("<string>{1}</string>"))),
            "4: a.example: NSPinnedCAIdentities holds something else than a <dict> with "
            "SPKI-SHA256-BASE64 and a <string>, Apple drops it: correct it"),
        BAD(DOC(HOST("a.example", "<key>NSPinnedCAIdentities</key><dict/>")),
            "4: a.example: NSPinnedCAIdentities wants a <array>"),
        BAD(DOC(HOST("a.example",
                     "<key>NSIncludesSubdomains</key><string>YES</string>" CA(ID("{1}")))),
            "4: a.example: NSIncludesSubdomains wants a <true/> or <false/>"),
        BAD(DOC(HOST("a.example", CA(ID("{h1}")))),
            "4: a.example: the pin \"{h1}\": 20 bytes, but SHA-256 has 32: copy the pin anew"),
        BAD(DOC(HOST("a.example", CA(ID("sha256/{1}")))),
            "4: a.example: the pin \"sha256/{1}\": not base64 as RFC 4648 has it (padding or "
            "unused bits): a character was lost or changed, copy the pin anew"),
        BAD("<!DOCTYPE plist [<!ENTITY a \"b\">]>" DOC(HOST("&a;", CA(ID("{1}")))),
            "1: XML: a document type with declarations of its own (entities?): take them out, no "
            "client needs them"),
    };
    import_expect_errors(bad, COUNT(bad), IMPORT_PLIST, "Info.plist");
}

static void test_example(void) {
    size_t len = 0;
    char *text = import_example("Info.plist", &len);
    struct import_world *world = import_world_of(span_of(text, len), IMPORT_AUTO, "Info.plist");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->index.set_count, 2);
    const struct pin_set *set = world->index.sets[0];
    CU_ASSERT_STRING_EQUAL(set->name, "Info:apple:bank.example");
    CU_ASSERT_STRING_EQUAL(set->application, "Info");
    CU_ASSERT_TRUE(set->include_subdomains);
    CU_ASSERT_EQUAL(set->scope, PIN_SCOPE_LEAF_AND_CA);
    CU_ASSERT_EQUAL_FATAL(set->pin_count, 2);
    CU_ASSERT_EQUAL(set->pins[0].list, PIN_LIST_CA);
    CU_ASSERT_TRUE(set->pins[0].line > set->line);
    CU_ASSERT_EQUAL(world->index.sets[1]->pins[0].list, PIN_LIST_LEAF);
    import_world_free(world);
    CU_ASSERT_TRUE(import_cut_everywhere(span_of(text, len), IMPORT_PLIST, "Info.plist") <= 1);
    free(text);
}

/* --- binary --- */

/* One byte of the example changed, or a text in it. */
static void expect_binary(const char *from, const char *to, const char *error) {
    size_t len = 0, from_len = strlen(from);
    char *bytes = import_example("Info.binary.plist", &len);
    char *at = memmem(bytes, len, from, from_len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    memcpy(at, to, from_len);
    struct import_world *world = import_world_of(span_of(bytes, len), IMPORT_AUTO, "b.plist");
    if (strcmp(world->note.text, error) != 0) {
        fprintf(stderr, "  %s for %s says\n    %s\n", to, from, world->note.text);
    }
    CU_ASSERT_EQUAL(world->err, ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(world->note.text, error);
    import_world_free(world);
    free(bytes);
}

static void test_binary_errors(void) {
    expect_binary("bplist00", "bplist01",
                  "b.plist:byte 0: binary property list: it is cut off, or of another version than "
                  "00: make the file anew");
    expect_binary(
        "C5+lpZ7tc", "C5 lpZ7tc",
        "b.plist:/NSAppTransportSecurity/NSPinnedDomains/bank.example/"
        "NSPinnedCAIdentities/0/SPKI-SHA256-BASE64: bank.example: the pin \"C5 "
        "lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=\": white space inside the pin: take it "
        "out, clients compare the text as it stands");
    expect_binary("NSPinnedCAIdentities", "NSPinnedCAidentities",
                  "b.plist:/NSAppTransportSecurity/NSPinnedDomains/bank.example: bank.example: "
                  "has neither NSPinnedCAIdentities nor NSPinnedLeafIdentities: add one");
    expect_binary("NSPinnedDomains", "NSPinnedDomainz",
                  "b.plist:1: there is no NSPinnedDomains or TSKPinnedDomains in it, so that "
                  "nothing would be pinned: add one, or leave the file out");
}

/* Each array holds the next one twice: 2^24 values from 300 bytes. And one that holds itself. */
static void test_binary_sharing(void) {
    for (int loops = 0; loops < 2; loops++) {
        uint8_t bytes[512] = "bplist00";
        size_t len = 8, offsets[32], count = 25;
        for (size_t i = 0; i < count; i++) {
            uint8_t next = loops == 1 ? (uint8_t)i : (uint8_t)(i + 1);
            offsets[i] = len;
            bytes[len++] = i + 1 < count ? 0xA2 : 0x09;
            if (i + 1 < count) {
                bytes[len++] = next;
                bytes[len++] = next;
            }
        }
        size_t table = len;
        for (size_t i = 0; i < count; i++) {
            bytes[len++] = (uint8_t)offsets[i];
        }
        bytes[len + 6] = bytes[len + 7] = 1;
        bytes[len + 15] = (uint8_t)count;
        bytes[len + 31] = (uint8_t)table;
        len += 32;
        struct import_world *world = import_world_of(span_of(bytes, len), IMPORT_AUTO, "b.plist");
        CU_ASSERT_EQUAL(world->err, ERR_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(world->note.text, "binary property list: objects"));
        import_world_free(world);
    }
}

static void test_binary_example(void) {
    size_t len = 0, binary_len = 0;
    char *text = import_example("Info.plist", &len);
    char *binary = import_example("Info.binary.plist", &binary_len);
    struct import_world *a = import_world_of(span_of(text, len), IMPORT_AUTO, "Info.plist");
    struct import_world *b =
        import_world_of(span_of(binary, binary_len), IMPORT_AUTO, "Info.plist");
    CU_ASSERT_EQUAL_FATAL(b->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(a->index.set_count, b->index.set_count);
    for (uint32_t i = 0; i < a->index.set_count; i++) {
        const struct pin_set *left = a->index.sets[i], *right = b->index.sets[i];
        CU_ASSERT_STRING_EQUAL(left->name, right->name);
        CU_ASSERT_EQUAL(left->include_subdomains, right->include_subdomains);
        CU_ASSERT_EQUAL(right->line, 0);
        CU_ASSERT_EQUAL_FATAL(left->pin_count, right->pin_count);
        for (uint32_t j = 0; j < left->pin_count; j++) {
            CU_ASSERT_STRING_EQUAL(left->pins[j].text, right->pins[j].text);
            CU_ASSERT_EQUAL(left->pins[j].list, right->pins[j].list);
            CU_ASSERT_EQUAL(right->pins[j].line, 0);
        }
    }
    import_world_free(a);
    import_world_free(b);
    CU_ASSERT_EQUAL(import_cut_everywhere(span_of(binary, binary_len), IMPORT_PLIST, "b.plist"), 0);
    free(text);
    free(binary);
}

SUITE_MAIN("import_apple", {"binary errors", test_binary_errors},
           {"binary sharing", test_binary_sharing}, {"binary example", test_binary_example},
           {"cases", test_cases}, {"errors", test_errors}, {"example", test_example})
