/* curl's --pinnedpubkey strings, with hosts in front. */
#include "tests/support/import_case.h"

#include <stdlib.h>

#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char two[] = "a.example sha256//{1};sha256//{2}\n";
static const char port[] = "a.example:8443 sha256//{1}\n";

static const struct import_case cases[] = {
    {two, "a.example", "134", NULL, NULL, "match"},
    {two, "a.example", "234", NULL, NULL, "match"},
    {two, "a.example", "012", NULL, NULL, "mismatch"}, /* the leaf alone counts */
    {two, "a.example", "", "1", NULL, "match"},        /* no path is needed */
    {two, "a.example", "", "01", NULL, "mismatch"},
    {two, "x.a.example", "03", NULL, NULL, "unpinned"},
    {two, "a.example:8443", "03", NULL, NULL, "mismatch"},
    {two, "a.example", "03", NULL, "2099-01-01", "mismatch"},
    {port, "a.example:8443", "03", NULL, NULL, "mismatch"},
    {port, "a.example:8443", "13", NULL, NULL, "match"},
    {port, "a.example", "03", NULL, NULL, "unpinned"},
    {"192.0.2.7:443 sha256//{1}\n", "192.0.2.7", "13", NULL, NULL, "match"},
};

static void test_cases(void) {
    import_expect(cases, COUNT(cases), IMPORT_AUTO);
}

static void test_errors(void) {
    static const struct import_bad bad[] = {
        {"", "c.txt:1: there is no host with pins in it, so that nothing would be pinned: add one, "
             "or leave the file out"},
        {"sha256//{1}\n", "c.txt:1: curl's strings name no host: write it in front, "
                          "\"api.bank.example sha256//...\""},
        {"a.example {1}\n", "c.txt:1: a.example: \"{1}\" does not begin with \"sha256//\", so that "
                            "curl takes it for a file: write sha256//<base64>"},
        {"a.example key.pem\n",
         "c.txt:1: a.example: \"key.pem\" does not begin with \"sha256//\", so that curl takes it "
         "for a file: write sha256//<base64>"},
        {"a.example\n", "c.txt:1: a.example: \"\" does not begin with \"sha256//\", so that curl "
                        "takes it for a file: write sha256//<base64>"},
        {"a.example sha256//{1}; sha256//{2}\n",
         "c.txt:1: a.example: \"{1}; sha256//{2}\" is dead text to curl, which splits at "
         "\";sha256//\" alone: write sha256//<base64>;sha256//<base64> without spaces"},
        {"a.example sha256//{1};\n",
         "c.txt:1: a.example: \"{1};\" is dead text to curl, which splits at \";sha256//\" alone: "
         "write sha256//<base64>;sha256//<base64> without spaces"},
        {"a.example sha256//{1};sha256//\n",
         "c.txt:1: a.example: the pin \"\": nothing follows the algorithm: write the digest in "
         "base64"},
        {"a.example sha256//C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M\n",
         "c.txt:1: a.example: the pin \"C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M\": the padding "
         "is missing: append \"=\""},
        {"a.example sha256//{1}\nA.example sha256//{2}\n",
         "c.txt:2: a.example: is already there, at line 1, and one transfer takes one string: "
         "join them with \";\""},
        {"*.example sha256//{1}\n",
         "c.txt:1: \"*.example\" is no host: this client has no wildcards, name the host"},
        {"a.example:0 sha256//{1}\n",
         "c.txt:1: \"a.example:0\" is no host: the port is not a number from 1 to 65535"},
    };
    import_expect_errors(bad, COUNT(bad), IMPORT_CURL, "c.txt");
}

static void test_example(void) {
    size_t len = 0;
    char *text = import_example("curl.txt", &len);
    struct import_world *world = import_world_of(span_of(text, len), IMPORT_AUTO, "curl.txt");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->index.set_count, 2);
    CU_ASSERT_EQUAL(world->index.sets[0]->pin_count, 2);
    CU_ASSERT_EQUAL(world->index.sets[0]->client, PIN_CLIENT_CURL);
    CU_ASSERT_STRING_EQUAL(world->index.sets[1]->name, "curl:mq.bank.example:8883");
    import_world_free(world);
    CU_ASSERT_TRUE(import_cut_everywhere(span_of(text, len), IMPORT_CURL, "c.txt") > 1);
    free(text);
}

SUITE_MAIN("import_curl", {"cases", test_cases}, {"errors", test_errors}, {"example", test_example})
