/* TLSA records: RFC 6698 and 7671 for what they mean, RFC 1035 section 5 and RFC 3597 for how zones
   write them. */
#include "tests/support/import_case.h"

#include <stdlib.h>

#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define A "_443._tcp.a.example. IN TLSA "

static const struct import_case cases[] = {
    /* PKIX-TA: a CA on the path, sent or not, never the leaf. */
    {A "0 1 1 {x1}", "a.example", "012", NULL, NULL, "match"},
    {A "0 1 1 {x2}", "a.example", "012", NULL, NULL, "match"},
    {A "0 1 1 {x0}", "a.example", "012", NULL, NULL, "mismatch"},
    {A "0 0 1 {X1}", "a.example", "012", NULL, NULL, "match"},
    {A "0 1 1 {x1}", "a.example", "", "01", NULL, "no-path"},
    /* PKIX-EE: the leaf of a path. */
    {A "1 1 1 {x0}", "a.example", "012", NULL, NULL, "match"},
    {A "1 1 1 {x1}", "a.example", "012", NULL, NULL, "mismatch"},
    {A "1 1 1 {x0}", "a.example", "", "01", NULL, "no-path"},
    /* DANE-TA: an issuer that was sent. */
    {A "2 1 1 {x1}", "a.example", "012", NULL, NULL, "match"},
    {A "2 1 1 {x2}", "a.example", "012", NULL, NULL, "mismatch"}, /* the anchor is not sent */
    {A "2 1 1 {x2}", "a.example", "012", "012", NULL, "match"},
    {A "2 1 1 {x0}", "a.example", "012", NULL, NULL, "mismatch"},
    {A "2 0 2 {S1}", "a.example", "012", NULL, NULL, "match"},
    /* DANE-EE: the leaf, path or not. */
    {A "3 1 1 {x0}", "a.example", "012", NULL, NULL, "match"},
    {A "3 1 1 {x0}", "a.example", "", "0", NULL, "match"},
    {A "3 1 1 {x1}", "a.example", "012", NULL, NULL, "mismatch"},
    {A "3 0 1 {X0}", "a.example", "", "0", NULL, "match"},
    {A "3 0 1 {x0}", "a.example", "", "0", NULL, "mismatch"}, /* a key's where a certificate's is */
    {A "3 1 2 {s0}", "a.example", "", "0", NULL, "match"},
    {A "3 1 2 {s1}", "a.example", "", "0", NULL, "mismatch"},
    {A "3 0 2 {S0}", "a.example", "", "0", NULL, "match"},
    {A "3 1 0 {f0}", "a.example", "", "0", NULL, "match"},
    {A "3 0 0 {F0}", "a.example", "", "0", NULL, "match"},
    {A "3 0 0 {F1}", "a.example", "", "0", NULL, "mismatch"},
    /* Any record of an owner will do. */
    {A "3 1 1 {x1}\n" A "3 1 1 {x0}\n", "a.example", "", "0", NULL, "match"},
    {A "3 1 1 {x1}\n" A "2 1 1 {x1}\n", "a.example", "012", NULL, NULL, "match"},
    {A "3 1 1 {x1}\n" A "3 1 1 {x1}\n", "a.example", "", "1", NULL, "match"}, /* the same twice */
    /* Owners and ports. */
    {A "3 1 1 {x1}", "a.example:8443", "", "0", NULL, "unpinned"},
    {A "3 1 1 {x1}", "b.a.example", "", "0", NULL, "unpinned"},
    {"_8443._tcp.a.example. TLSA 3 1 1 {x1}", "a.example:8443", "", "0", NULL, "mismatch"},
    {"_08443._TCP.A.Example. tlsa 3 1 1 {x1}", "a.example:8443", "", "0", NULL, "mismatch"},
    {"*._tcp.a.example. TLSA 3 1 1 {x1}", "a.example:25", "", "0", NULL, "mismatch"},
    /* A wildcard answers only where the port has no records of its own. */
    {"*._tcp.a.example. TLSA 3 1 1 {x1}\n_443._tcp.a.example. TLSA 3 1 1 {x0}", "a.example", "",
     "0", NULL, "match"},
    {"*._tcp.a.example. TLSA 3 1 1 {x0}\n_443._tcp.a.example. TLSA 3 1 1 {x1}", "a.example", "",
     "0", NULL, "mismatch"},
    {"*._tcp.a.example. TLSA 3 1 1 {x0}\n_443._tcp.a.example. TLSA 3 1 1 {x1}", "a.example:25", "",
     "0", NULL, "match"},
    {"$ORIGIN a.example.\n*._tcp TLSA 3 1 1 {x0}\n_443._tcp.b TLSA 3 1 1 {x1}", "a.example", "",
     "0", NULL, "match"},
    {"_443._udp.a.example. TLSA 3 1 1 {x1}\n_1._tcp.a.example. TLSA 3 1 1 {x1}", "a.example", "",
     "0", NULL, "unpinned"},
    {"$ORIGIN a.example.\n_443._tcp TLSA 3 1 1 {x1}", "a.example", "", "0", NULL, "mismatch"},
    {"$ORIGIN example.\n$ORIGIN a\n_443._tcp.b TLSA 3 1 1 {x1}", "b.a.example", "", "0", NULL,
     "mismatch"},
    {"$ORIGIN _443._tcp.a.example.\n@ TLSA 3 1 1 {x1}", "a.example", "", "0", NULL, "mismatch"},
    {"_443._tcp.a.example. TLSA 3 1 1 {x1}\n\t TLSA 3 1 1 {x0}", "a.example", "", "0", NULL,
     "match"},
    /* How zones write them. */
    {"_443._tcp.a.example. 3600 IN TLSA 3 1 1 {x0}", "a.example", "", "0", NULL, "match"},
    {"_443._tcp.a.example. IN 1h30m TLSA 3 1 1 {x0}", "a.example", "", "0", NULL, "match"},
    {A "( 3 1\n1 ; a comment (\n {x0} )\n", "a.example", "", "0", NULL, "match"},
    {"_443._tcp.a.example. TYPE52 \\# 35 030101{x0}", "a.example", "", "0", NULL, "match"},
    {A "\\# 35 03 01 01 {x0}", "a.example", "", "0", NULL, "match"},
    {"; zone\n$TTL 1d\na.example. SOA ns.a.example. x.a.example. (1 2 3\n4 5)\n"
     "a.example. TXT \"( ; not a comment\" \"\\\"\"\n" A "3 1 1 {x0}",
     "a.example", "", "0", NULL, "match"},
};

static void test_cases(void) {
    CU_ASSERT_TRUE(COUNT(cases) >= 20);
    import_expect(cases, COUNT(cases), IMPORT_AUTO);
}

static void test_errors(void) {
    static const struct import_bad bad[] = {
        {"", "z:1: there is no TLSA record of a _port._tcp owner in it, so that nothing would be "
             "pinned: add one, or leave the file out"},
        {"a.example. A 192.0.2.1\n",
         "z:1: there is no TLSA record of a _port._tcp owner in it, so that nothing would be "
         "pinned: add one, or leave the file out"},
        {"_443._udp.a.example. TLSA 3 1 1 {x1}\n",
         "z:1: there is no TLSA record of a _port._tcp owner in it, so that nothing would be "
         "pinned: add one, or leave the file out"},
        {A "3 1 1\n", "z:1: a.example:443: 0 bytes, but matching type 1 has 32: copy the record "
                      "anew"},
        {A "3 1 1 {x1}00\n", "z:1: a.example:443: 33 bytes, but matching type 1 has 32: copy the "
                             "record anew"},
        {A "3 1 2 {x1}\n", "z:1: a.example:443: 32 bytes, but matching type 2 has 64: copy the "
                           "record anew"},
        {A "3 1 1 {x1}0\n", "z:1: a.example:443: an odd number of hexadecimal digits (65): one was "
                            "lost, copy the record anew"},
        {A "3 1 1 (\n{1} )\n", "z:2: a.example:443: \"{1}\" is not hexadecimal: TLSA data is "
                               "(base64 is for other formats)"},
        {A "4 1 1 {x1}\n", "z:1: a.example:443: TLSA 4 1 1 is unusable, clients pass over it: "
                           "usage is 0 to 3, selector 0 or 1, matching type 0 to 2"},
        {A "3 2 1 {x1}\n", "z:1: a.example:443: TLSA 3 2 1 is unusable, clients pass over it: "
                           "usage is 0 to 3, selector 0 or 1, matching type 0 to 2"},
        {A "3 1 3 {x1}\n", "z:1: a.example:443: TLSA 3 1 3 is unusable, clients pass over it: "
                           "usage is 0 to 3, selector 0 or 1, matching type 0 to 2"},
        {A "3 1 0 {x1}\n", "z:1: a.example:443: matching type 0 holds a whole key in DER, which "
                           "begins with 30: copy the record anew"},
        {A "DANE-EE 1 1 {x1}\n", "z:1: a.example:443: usage, selector and matching type are three "
                                 "numbers: write TLSA 3 1 1 and the digest"},
        {A "\\#\n", "z:1: a.example:443: \"\\#\" without a length: write \\# 35 and 70 hexadecimal "
                    "digits"},
        {A "\\# 36 030101{x1}\n", "z:1: a.example:443: \"\\# 36\" and 35 bytes: they must agree, "
                                  "and a TLSA record has at least 4"},
        {A "3 1 1 0000000000000000000000000000000000000000000000000000000000000000\n",
         "z:1: a.example:443: the pin \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\": a "
         "placeholder, not a digest: put the real pin here"},
        {"_443._tcp.a TLSA 3 1 1 {x1}\n",
         "z:1: \"_443._tcp.a\" is relative, and no $ORIGIN stands before it: add a dot at its "
         "end, or $ORIGIN bank.example."},
        {"a.example. TLSA 3 1 1 {x1}\n",
         "z:1: \"a.example\" is no owner of a TLSA record for a server: write "
         "_443._tcp.mail.bank.example. (what only CNAMEs point to is not followed)"},
        {"_65536._tcp.a.example. TLSA 3 1 1 {x1}\n",
         "z:1: \"_65536._tcp.a.example\" is no owner of a TLSA record for a server: write "
         "_443._tcp.mail.bank.example. (what only CNAMEs point to is not followed)"},
        {"_443._tcp.*.example. TLSA 3 1 1 {x1}\n",
         "z:1: \"*.example\" is no host: this client has no wildcards, name the host"},
        {"_443._tcp.a\\046example. TLSA 3 1 1 {x1}\n",
         "z:1: \"_443._tcp.a\\046example.\": escapes have no place in a name with TLSA records: "
         "write it plainly"},
        {" TLSA 3 1 1 {x1}\n", "z:1: the line begins with white space, but no owner stands before "
                               "it: write _443._tcp.mail.bank.example. in front"},
        {"_443._tcp.a.example. TSLA 3 1 1 {x1}\n",
         "z:1: \"TSLA\" is no record type: was TLSA meant?"},
        {"_443._tcp.a.example. 3600 IN\n",
         "z:1: a record without a type: write owner IN TLSA 3 1 1 <digest>"},
        {"$INCLUDE other.zone\n", "z:1: $INCLUDE is not read here: write the records out, with "
                                  "$ORIGIN bank.example. and $TTL alone"},
        {A "( 3 1 1\n{x1}\n", "z:1: \"(\" is never closed: add \")\""},
        {A "3 1 1 {x1} )\n", "z:1: \")\" closes nothing: take it out"},
        {A "( ( 3 1 1 {x1} ) )\n", "z:1: \"(\" inside parentheses: they do not nest"},
        {"a.example. TXT \"x\n\"\n", "z:1: a quote is not closed: add \""},
    };
    import_expect_errors(bad, COUNT(bad), IMPORT_TLSA, "z");
}

static void test_example(void) {
    size_t len = 0;
    char *text = import_example("tlsa.zone", &len);
    struct import_world *world = import_world_of(span_of(text, len), IMPORT_AUTO, "tlsa.zone");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->index.set_count, 3);
    const struct pin_set *set = world->index.sets[1];
    CU_ASSERT_STRING_EQUAL(set->name, "tlsa:mail.bank.example:25");
    CU_ASSERT_EQUAL(set->line, 5);
    CU_ASSERT_EQUAL(set->client, PIN_CLIENT_DANE);
    CU_ASSERT_EQUAL_FATAL(set->pin_count, 2);
    CU_ASSERT_EQUAL(set->pins[0].tlsa_usage, PIN_TLSA_DANE_EE);
    CU_ASSERT_EQUAL(set->pins[1].line, 8);
    CU_ASSERT_STRING_EQUAL(set->pins[0].text,
                           "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=");
    CU_ASSERT_TRUE(pin_index_lookup(&world->index, span_str("api.bank.example"), 8443, NULL, 0) ==
                   1);
    import_world_free(world);
    CU_ASSERT_TRUE(import_cut_everywhere(span_of(text, len), IMPORT_TLSA, "z") > 3);
    free(text);
}

SUITE_MAIN("import_tlsa", {"cases", test_cases}, {"errors", test_errors}, {"example", test_example})
