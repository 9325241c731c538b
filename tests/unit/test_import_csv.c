#include "tests/support/import_case.h"

#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD "host,pin,role,client,scope,app,expires,include_subdomains,owner\n"

static const struct import_case cases[] = {
    {"host,pin\na.example,sha256/{1}\n", "a.example", "012", NULL, NULL, "match"},
    {"host,pin\na.example,sha256/{1}\n", "a.example", "032", NULL, NULL, "mismatch"},
    {"host,pin\na.example:8443,sha256/{1}\n", "a.example", "032", NULL, NULL, "unpinned"},
    {"host,pin\n**.a.example,sha256/{1}\n", "x.a.example", "032", NULL, NULL, "mismatch"},
    {"Host,PIN,alg\na.example,{h1},SHA1\n", "a.example", "012", NULL, NULL, "match"},
    {"host,pin\na.example,sha256:{x1}\n", "a.example", "012", NULL, NULL, "match"},
    {"host,pin\na.example,sha256/{1}\na.example,sha256/{3}\n", "a.example", "03", NULL, NULL,
     "match"},
    {HEAD "a.example,sha256/{1},active,,,,,,\na.example,sha256/{3},backup,,,,,,\n", "a.example",
     "03", NULL, NULL, "match-backup"},
    {HEAD "a.example,sha256/{1},bad,,,,,,\na.example,sha256/{0},,,,,,,\n", "a.example", "01", NULL,
     NULL, "mismatch"},
    {HEAD "a.example,sha256/{1},,custom,leaf,,,,\n", "a.example", "01", NULL, NULL, "mismatch"},
    {HEAD "a.example,sha256/{1},,curl,,,,,\n", "a.example", "10", NULL, NULL, "match"},
    {HEAD "a.example,sha256/{1},,android,,,2026-12-01,,\n", "a.example", "03", NULL, NULL,
     "expired-pinset"},
    {HEAD "a.example,sha256/{1},,android,,,,true,\n", "x.a.example", "03", NULL, NULL, "mismatch"},
    {HEAD "a.example,sha256/{1},,android,,,,FALSE,\n", "x.a.example", "03", NULL, NULL, "unpinned"},
    /* Apple: both lists. */
    {HEAD "a.example,sha256/{0},,apple,leaf,,,,\na.example,sha256/{1},,apple,ca-only,,,,\n",
     "a.example", "01", NULL, NULL, "match"},
    {HEAD "a.example,sha256/{0},,apple,leaf,,,,\na.example,sha256/{1},,apple,ca-only,,,,\n",
     "a.example", "02", NULL, NULL, "mismatch"},
    /* Two applications: each by itself, the worse one counts. */
    {HEAD "a.example,sha256/{1},,,,one,,,\na.example,sha256/{2},,,,two,,,\n", "a.example", "01",
     NULL, NULL, "mismatch"},
    {HEAD "\"a.example\",\"sha256/{1}\",,,,\"x, \"\"y\"\"\",,,\n", "a.example", "01", NULL, NULL,
     "match"},
    {"\"host\",\"pin\"\n\"a.example\",\"sha256/{1}\"\n", "a.example", "012", NULL, NULL, "match"},
};

static void test_cases(void) {
    import_expect(cases, COUNT(cases), IMPORT_AUTO);
}

static void test_errors(void) {
    static const struct import_bad bad[] = {
        {"", "p.csv:1: there is no row with a pin in it, so that nothing would be pinned: add one, "
             "or leave the file out"},
        {"host,pin\n", "p.csv:1: there is no row with a pin in it, so that nothing would be "
                       "pinned: add one, or leave the file out"},
        {"host,pins\n", "p.csv:1: the column \"pins\" is not known: the header names any of app, "
                        "owner, approver, client, scope, host, include_subdomains, alg, pin, role, "
                        "expires, rollover_url"},
        {"host,host\n", "p.csv:1: the column \"host\" is there twice: the header names any of app, "
                        "owner, approver, client, scope, host, include_subdomains, alg, pin, role, "
                        "expires, rollover_url"},
        {"host,pin,app,client\na.example,sha256/{1},x,curl\na.example,sha256/{2},x:curl,\n",
         "p.csv:3: a.example: app and client read together as those of line 2 do, though they are "
         "others: give the app another name"},
        {"host,app\n", "p.csv:1: the header has no column \"pin\": add it"},
        {"host,pin\na.example\n", "p.csv:2: 1 cells, but the header names 2: make them agree"},
        {"host,pin\na.example,sha256/{1},\n",
         "p.csv:2: more than 2 cells: quote a cell that has a comma"},
        {"host,pin\n\"a.example,sha256/{1}\n",
         "p.csv:2: a quote that is not closed, or text after it: write \"...\" with \"\" for a "
         "quote inside, all in one line"},
        {"host,pin\na.example,sha256/{1}\n# no row\n#b.example,sha256/{1}\n",
         "p.csv:4: a row or a comment? A cell that begins with # is quoted, \"#...\"; else take "
         "the "
         "line out"},
        {"host,pin,owner\na.example,sha256/{1},the \"team\"\n",
         "p.csv:2: a quote inside the cell the \"team\" that does not begin with one: write "
         "\"...\" "
         "around the whole cell, with \"\" for a quote inside"},
        {"host,pin,owner\na.example,sha256/{1}, \"a, b\"\n",
         "p.csv:2: a quote inside the cell \"a that does not begin with one: write \"...\" around "
         "the "
         "whole cell, with \"\" for a quote inside"},
        {"host,pin\na.example,{1}\n",
         "p.csv:2: a.example: the pin \"{1}\": a pin begins with its algorithm: write "
         "\"sha256/<base64>\" (or sha1/, sha512/, exact/, or \"sha256:<hexadecimal>\")"},
        {"host,pin\na.example,\n",
         "p.csv:2: a.example: the pin \"\": a pin begins with its algorithm: write "
         "\"sha256/<base64>\" (or sha1/, sha512/, exact/, or \"sha256:<hexadecimal>\")"},
        {"host,pin,alg\na.example,sha1/{h1},sha256\n",
         "p.csv:2: a.example: alg is sha256, but the pin says sha1: make them agree"},
        {"host,pin,alg\na.example,{1},md5\n", "p.csv:2: a.example: alg \"md5\" is not known: write "
                                              "one of sha256, sha1, sha512, exact"},
        {"host,pin\na..example,sha256/{1}\n", "p.csv:2: \"a..example\" is no host: an empty label "
                                              "(two dots, or a dot in front)"},
        {"host,pin\na.example,sha256/{1}\na.example,sha256/{1}\n",
         "p.csv:3: a.example: sha256/{1} is already in this pin set: keep one of the rows"},
        {HEAD "a.example,sha256/{1},,,,,2027-02-30,,\n",
         "p.csv:2: a.example: expires \"2027-02-30\" is no date: write 2027-06-01"},
        {HEAD "a.example,sha256/{1},,,,,,,x\na.example,sha256/{2},,,,,,,y\n",
         "p.csv:3: a.example: owner \"y\" is another than in line 2, but both rows are of one pin "
         "set: make them agree"},
        {HEAD "a.example,sha256/{1},,,leaf,,,,\na.example,sha256/{2},,,path,,,,\n",
         "p.csv:3: a.example: scope \"path\" is another than in line 2, but both rows are of one "
         "pin set: make them agree"},
        {HEAD "a.example,sha256/{1},,apple,,,,,\n",
         "p.csv:2: a.example: client apple has two lists of pins: write scope leaf "
         "(NSPinnedLeafIdentities) or ca-only (NSPinnedCAIdentities)"},
        {HEAD "a.example,sha256/{1},,dane,,,,,\n",
         "p.csv:2: a.example: TLSA records do not fit in these columns: give the zone's lines "
         "(--policy-format tlsa)"},
    };
    import_expect_errors(bad, COUNT(bad), IMPORT_CSV, "p.csv");
}

static void test_example(void) {
    size_t len = 0;
    char *text = import_example("pins.csv", &len);
    struct import_world *world = import_world_of(span_of(text, len), IMPORT_AUTO, "pins.csv");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->index.set_count, 3);
    const struct pin_set *set = world->index.sets[0];
    CU_ASSERT_STRING_EQUAL(set->name, "pins:banking:android:api.bank.example");
    CU_ASSERT_STRING_EQUAL(set->application, "banking");
    CU_ASSERT_STRING_EQUAL(set->owner, "mobile@bank.example");
    CU_ASSERT_STRING_EQUAL(set->approver, "crypto-board@bank.example");
    CU_ASSERT_STRING_EQUAL(set->rollover, "https://wiki.bank.example/pins");
    CU_ASSERT_EQUAL(set->expires, datetime_days(2027, 6, 1) * 86400);
    CU_ASSERT_EQUAL_FATAL(set->pin_count, 2);
    CU_ASSERT_EQUAL(set->pins[1].role, PIN_BACKUP);
    CU_ASSERT_EQUAL(set->pins[1].line, 3);
    CU_ASSERT_STRING_EQUAL(world->index.sets[2]->name, "pins:custom:mq.bank.example:8883");
    CU_ASSERT_STRING_EQUAL(world->index.sets[2]->application, "pins");
    CU_ASSERT_STRING_EQUAL(world->index.sets[2]->owner, "Payments, EU");
    import_world_free(world);
    CU_ASSERT_TRUE(import_cut_everywhere(span_of(text, len), IMPORT_CSV, "p.csv") > 1);
    free(text);
}

SUITE_MAIN("import_csv", {"cases", test_cases}, {"errors", test_errors}, {"example", test_example})
