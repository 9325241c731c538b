/* HPKP headers: RFC 7469. */
#include "tests/support/import_case.h"

#include <stdlib.h>

#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TWO "pin-sha256=\"{1}\"; pin-sha256=\"{2}\"; max-age=5184000"

static const char plain[] = "a.example Public-Key-Pins: " TWO "\n";
static const char below[] = "a.example Public-Key-Pins: " TWO "; includeSubDomains\n"
                            "x.a.example public-key-pins: pin-sha256=\"{3}\" ;PIN-SHA256=\"{4}\";"
                            "Max-Age=\"10\"; includesubdomains; other=\"a;b\"\n";

static const char twins[] =
    "a.example Public-Key-Pins: " TWO "; includeSubDomains\n"
    "a.example Public-Key-Pins-Report-Only: pin-sha256=\"{3}\"; pin-sha256=\"{4}\"\n"
    "x.a.example Public-Key-Pins-Report-Only: pin-sha256=\"{3}\"; pin-sha256=\"{4}\"\n";

static const struct import_case cases[] = {
    {plain, "a.example", "012", NULL, NULL, "match"},
    {plain, "a.example", "032", NULL, NULL, "match"},
    {plain, "a.example", "134", NULL, NULL, "match"},
    {plain, "a.example", "034", NULL, NULL, "mismatch"},
    {plain, "a.example", "034", "0341", NULL, "off-path"},
    {plain, "a.example", "034", NULL, "2099-01-01", "mismatch"},
    {plain, "x.a.example", "034", NULL, NULL, "unpinned"},
    {below, "y.a.example", "01", NULL, NULL, "match"},
    {below, "y.a.example", "03", NULL, NULL, "mismatch"},
    {below, "y.x.a.example", "03", NULL, NULL, "match"},
    {below, "y.x.a.example", "01", NULL, NULL, "mismatch"},
    {"a.example Public-Key-Pins-Report-Only: " TWO "\n", "a.example", "03", NULL, NULL,
     "report-only"},
    {"a.example Public-Key-Pins-Report-Only: pin-sha256=\"{1}\"; pin-sha256=\"{2}\"; "
     "report-uri=\"https://r.example/?a;b\"\n",
     "a.example", "03", NULL, NULL, "report-only"},
    /* Both headers of a host: what is enforced decides; neither hides the other. */
    {twins, "a.example", "01", NULL, NULL, "report-only"},
    {twins, "a.example", "03", NULL, NULL, "mismatch"},
    {twins, "x.a.example", "04", NULL, NULL, "mismatch"},
    {twins, "x.a.example", "01", NULL, NULL, "report-only"},
};

static void test_cases(void) {
    import_expect(cases, COUNT(cases), IMPORT_AUTO);
}

static void test_errors(void) {
    static const struct import_bad bad[] = {
        {"", "h:1: there is no header with pins in it, so that nothing would be pinned: add one, "
             "or leave the file out"},
        {"Public-Key-Pins: " TWO "\n", "h:1: the header names no host: write it in front, "
                                       "\"bank.example Public-Key-Pins: ...\""},
        {"a.example Strict-Transport-Security: max-age=1\n",
         "h:1: a.example: \"Strict-Transport-Security\" is no header with pins: write "
         "Public-Key-Pins: or Public-Key-Pins-Report-Only:"},
        {"a.example Public-Key-Pins: pin-sha256=\"{1}\"; pin-sha256=\"{1}\"; max-age=1\n",
         "h:1: a.example: fewer than two different pins: user agents ignore the header (RFC 7469 "
         "section 4.3), add a backup pin"},
        {"a.example Public-Key-Pins: pin-sha256=\"{1}\"; pin-sha256=\"{2}\"\n",
         "h:1: a.example: no max-age: user agents ignore the header, add max-age=5184000"},
        {"a.example Public-Key-Pins: max-age=soon\n",
         "h:1: a.example: max-age=soon is no number of seconds: write max-age=5184000"},
        {"a.example Public-Key-Pins: max-age=0\n",
         "h:1: a.example: max-age=0 takes the pins back, so that nothing is pinned: leave the "
         "line out"},
        {"a.example Public-Key-Pins: " TWO "; max-age=1\n",
         "h:1: a.example: max-age is there twice (RFC 7469 section 2.1): keep one"},
        {"a.example Public-Key-Pins: pin-sha256={1}; max-age=1\n",
         "h:1: a.example: pin-sha256={1} without quotes: write pin-sha256=\"<base64>\""},
        {"a.example Public-Key-Pins: pin-sha256=\"{h1}\"; max-age=1\n",
         "h:1: a.example: the pin \"{h1}\": 20 bytes, but SHA-256 has 32: copy the pin anew"},
        {"a.example Public-Key-Pins: " TWO "\nA.example Public-Key-Pins: " TWO "\n",
         "h:2: a.example: is already there, at line 1, and user agents take the first header "
         "of a kind alone: keep one of them"},
        {"*.example Public-Key-Pins: " TWO "\n",
         "h:1: \"*.example\" is no host: this client has no wildcards, name the host"},
    };
    import_expect_errors(bad, COUNT(bad), IMPORT_HPKP, "h");
}

static void test_example(void) {
    size_t len = 0;
    char *text = import_example("hpkp.txt", &len);
    struct import_world *world = import_world_of(span_of(text, len), IMPORT_AUTO, "hpkp.txt");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->index.set_count, 2);
    CU_ASSERT_STRING_EQUAL(world->index.sets[0]->name, "hpkp:bank.example");
    CU_ASSERT_TRUE(world->index.sets[0]->include_subdomains);
    CU_ASSERT_FALSE(world->index.sets[0]->report_only);
    CU_ASSERT_TRUE(world->index.sets[1]->report_only);
    import_world_free(world);
    CU_ASSERT_TRUE(import_cut_everywhere(span_of(text, len), IMPORT_HPKP, "h") > 1);
    free(text);
}

SUITE_MAIN("import_hpkp", {"cases", test_cases}, {"errors", test_errors}, {"example", test_example})
