/* TrustKit's TSKPinnedDomains: its documentation, "Getting started" and TSKTrustKitConfig.h. */
#include "tests/support/import_case.h"

#include <stdlib.h>

#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DOC(domains)                                                                               \
    "<plist><dict>\n<key>TSKConfiguration</key><dict><key>TSKPinnedDomains</key>\n<dict>" domains  \
    "</dict></dict></dict></plist>\n"
#define HOST(host, inside) "<key>" host "</key>\n<dict>" inside "</dict>"
#define BELOW "<key>TSKIncludeSubdomains</key><true/>"
#define OUT "<key>TSKExcludeSubdomainFromParentPolicy</key><true/>"
#define TRY "<key>TSKEnforcePinning</key><false/>"
#define PIN(pin) "<string>" pin "</string>"
#define PINS(a, b) "<key>TSKPublicKeyHashes</key><array>" PIN(a) PIN(b) "</array>"
#define UNTIL(date) "<key>TSKExpirationDate</key><string>" date "</string>"
#define BAD(policy, error)                                                                         \
    { policy, "t.plist:" error }

static const char plain[] = DOC(HOST("a.example", PINS("{1}", "{2}")));
static const char below[] = DOC(HOST("a.example", BELOW PINS("{1}", "{2}")));
static const char levels[] = DOC(HOST("a.example", BELOW PINS("{1}", "{9}")) HOST(
    "out.a.example", OUT) HOST("x.a.example", BELOW PINS("{2}", "{9}")));
static const char dated[] = DOC(HOST("a.example", UNTIL("2027-06-01") PINS("{1}", "{2}")));
static const char try[] = DOC(HOST("a.example", TRY PINS("{1}", "{2}")));

static const struct import_case cases[] = {
    {plain, "a.example", "012", NULL, NULL, "match"},
    {plain, "a.example", "032", NULL, NULL, "match"}, /* the anchor */
    {plain, "a.example", "134", NULL, NULL, "match"}, /* the leaf */
    {plain, "a.example", "034", NULL, NULL, "mismatch"},
    {plain, "a.example", "034", "0341", NULL, "off-path"},
    {plain, "a.example", "", "01", NULL, "no-path"},
    {plain, "x.a.example", "034", NULL, NULL, "unpinned"},
    {plain, "a.example", "034", NULL, "2099-01-01", "mismatch"},
    {below, "a.example", "034", NULL, NULL, "mismatch"},
    {below, "x.a.example", "034", NULL, NULL, "mismatch"},
    {below, "y.x.a.example", "034", NULL, NULL, "mismatch"}, /* any depth */
    {below, "y.x.a.example", "01", NULL, NULL, "match"},
    {below, "xa.example", "034", NULL, NULL, "unpinned"},
    {levels, "y.a.example", "01", NULL, NULL, "match"},
    {levels, "y.a.example", "02", NULL, NULL, "mismatch"},
    {levels, "out.a.example", "03", NULL, NULL, "unpinned"},
    {levels, "y.out.a.example", "03", NULL, NULL, "mismatch"}, /* that name alone is out */
    {levels, "x.a.example", "02", NULL, NULL, "match"},
    {levels, "y.x.a.example", "02", NULL, NULL, "match"},
    {levels, "y.x.a.example", "01", NULL, NULL, "mismatch"}, /* the longest alone */
    {dated, "a.example", "034", NULL, "2027-06-01", "mismatch"},
    {dated, "a.example", "034", NULL, "2027-06-02", "expired-pinset"},
    /* From the anchor down, until a key that TrustKit cannot hash. */
    {plain, "a.example", "01r2R", NULL, NULL, "match"},
    {plain, "a.example", "0p1p2p", NULL, NULL, "match"},
    {plain, "a.example", "0e12", NULL, NULL, "match"},     /* met after the match */
    {plain, "a.example", "01m2", NULL, NULL, "match"},     /* 2 is pinned too */
    {plain, "a.example", "01m3", NULL, NULL, "mismatch"},  /* RSA of 3,072 bits */
    {plain, "a.example", "013e", NULL, NULL, "mismatch"},  /* before the pinned 1 */
    {plain, "a.example", "013q4", NULL, NULL, "mismatch"}, /* P-521 */
    {plain, "a.example", "0e34", NULL, NULL, "mismatch"},
    {plain, "a.example", "01e", "01e", NULL, "mismatch"},
    {try, "a.example", "01m3", NULL, NULL, "report-only"},
    {try, "a.example", "034", NULL, NULL, "report-only"},
    {try, "a.example", "012", NULL, NULL, "report-only"},
    {DOC(HOST("a.example", TRY "<key>TSKPublicKeyHashes</key><array>" PIN("{1}") "</array>")),
     "a.example", "034", NULL, NULL, "report-only"},
    {"<plist><dict><key>TSKPinnedDomains</key><dict>" HOST("a.example", PINS("{1}", "{2}")) //
     "</dict></dict></plist>",
     "a.example", "034", NULL, NULL, "mismatch"},
    {DOC(HOST("A.example",
              "<key>TSKExpirationDate</key><date>2027-06-01T00:00:00Z</date>" PINS("{1}", "{2}"))),
     "a.example", "034", NULL, "2027-06-02", "expired-pinset"},
};

static void test_cases(void) {
    CU_ASSERT_TRUE(COUNT(cases) >= 20);
    import_expect(cases, COUNT(cases), IMPORT_AUTO);
}

static void test_errors(void) {
    static const struct import_bad bad[] = {
        BAD(DOC(""), "1: there is no NSPinnedDomains or TSKPinnedDomains in it, so that nothing "
                     "would be pinned: add one, or leave the file out"),
        BAD(DOC(HOST("a.example", OUT)),
            "1: there is no NSPinnedDomains or TSKPinnedDomains in it, so that nothing would be "
            "pinned: add one, or leave the file out"),
        BAD(DOC(HOST("a.example", "")),
            "4: a.example: has no TSKPublicKeyHashes: TrustKit throws, add two pins"),
        BAD(DOC(HOST("a.example", PINS("{1}", "{1}"))),
            "4: a.example: fewer than two different pins are enforced: TrustKit throws, add a "
            "backup pin"),
        BAD(DOC(HOST("a.example", "<key>TSKPublicKeyHashes</key><array><true/></array>")),
            "4: a.example: TSKPublicKeyHashes wants each a <string>"),
        BAD(DOC(HOST("a.example", OUT BELOW)),
            "4: a.example: TSKExcludeSubdomainFromParentPolicy stands alone: TrustKit throws, "
            "take the other keys out"),
        BAD(DOC(HOST("a.example", UNTIL("1 June") PINS("{1}", "{2}"))),
            "4: a.example: TSKExpirationDate \"1 June\" is no date: write yyyy-MM-dd"),
        BAD(DOC(HOST("a.example", UNTIL("2027-02-30") PINS("{1}", "{2}"))),
            "4: a.example: TSKExpirationDate \"2027-02-30\" is no date: write yyyy-MM-dd"),
        BAD(DOC(HOST("example", BELOW PINS("{1}", "{2}"))),
            "4: example: TSKIncludeSubdomains of a public suffix: TrustKit throws, name a domain "
            "below it"),
        BAD(DOC("<key>a.example</key><array/>"),
            "3: a.example: wants a <dict> with TSKPublicKeyHashes"),
        BAD(DOC(HOST("a.example", PINS("{h1}", "{2}"))),
            "4: a.example: the pin \"{h1}\": 20 bytes, but SHA-256 has 32: copy the pin anew"),
        BAD(DOC(HOST("a.example", "<key>TSKEnforcePinning</key><string>NO</string>")),
            "4: a.example: TSKEnforcePinning wants a <true/> or <false/>"),
    };
    import_expect_errors(bad, COUNT(bad), IMPORT_PLIST, "t.plist");
}

static void test_example(void) {
    size_t len = 0;
    char *text = import_example("trustkit.plist", &len);
    struct import_world *world = import_world_of(span_of(text, len), IMPORT_AUTO, "trustkit.plist");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->index.set_count, 1);
    const struct pin_set *set = world->index.sets[0];
    CU_ASSERT_STRING_EQUAL(set->name, "trustkit:trustkit:bank.example");
    CU_ASSERT_TRUE(set->include_subdomains);
    CU_ASSERT_EQUAL(set->client, PIN_CLIENT_TRUSTKIT);
    CU_ASSERT_EQUAL(set->excluded_count, 1);
    CU_ASSERT_STRING_EQUAL(set->excluded[0], "dev.bank.example");
    import_world_free(world);
    CU_ASSERT_TRUE(import_cut_everywhere(span_of(text, len), IMPORT_PLIST, "t.plist") <= 1);
    free(text);
}

SUITE_MAIN("import_trustkit", {"cases", test_cases}, {"errors", test_errors},
           {"example", test_example})
