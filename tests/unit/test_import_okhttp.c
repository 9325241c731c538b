/* OkHttp's CertificatePinner, by its documentation: patterns, their union, the two algorithms. */
#include "tests/support/import_case.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/base64.h"
#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char plain[] = "a.example sha256/{1} sha256/{2}\n";
static const char one_label[] = "*.a.example sha256/{1}\n";
static const char any_depth[] = "**.a.example sha256/{1}\n";
/* Both match x.a.example. */
static const char overlap[] =
    "a.example sha256/{4}\nx.a.example sha256/{1}\n**.a.example sha256/{2}\n";
static const char twice[] = "a.example sha256/{1}\nb.example sha256/{3}\na.example sha256/{2}\n";

static const struct import_case cases[] = {
    {plain, "a.example", "012", NULL, NULL, "match"},
    {plain, "a.example", "032", NULL, NULL, "match"}, /* the root, which is not sent */
    {plain, "a.example", "134", NULL, NULL, "match"}, /* the leaf */
    {plain, "a.example", "034", NULL, NULL, "mismatch"},
    {plain, "a.example", "034", "031", NULL, "off-path"},
    {plain, "a.example", "", "01", NULL, "no-path"},
    {plain, "a.example:8443", "034", NULL, NULL, "mismatch"}, /* no ports in patterns */
    {plain, "x.a.example", "034", NULL, NULL, "unpinned"},
    {one_label, "x.a.example", "01", NULL, NULL, "match"},
    {one_label, "x.a.example", "02", NULL, NULL, "mismatch"},
    {one_label, "a.example", "02", NULL, NULL, "unpinned"},
    {one_label, "y.x.a.example", "02", NULL, NULL, "unpinned"},
    {any_depth, "a.example", "02", NULL, NULL, "mismatch"},
    {any_depth, "x.a.example", "02", NULL, NULL, "mismatch"},
    {any_depth, "y.x.a.example", "02", NULL, NULL, "mismatch"},
    {any_depth, "y.x.a.example", "01", NULL, NULL, "match"},
    {any_depth, "xa.example", "02", NULL, NULL, "unpinned"},
    {overlap, "x.a.example", "01", NULL, NULL, "match"},
    {overlap, "x.a.example", "02", NULL, NULL, "match"},
    {overlap, "x.a.example", "04", NULL, NULL, "mismatch"}, /* a.example's alone */
    {overlap, "a.example", "04", NULL, NULL, "match"},
    {overlap, "a.example", "02", NULL, NULL, "match"},
    {overlap, "a.example", "01", NULL, NULL, "mismatch"},
    {twice, "a.example", "01", NULL, NULL, "match"},
    {twice, "a.example", "02", NULL, NULL, "match"},
    {twice, "a.example", "03", NULL, NULL, "mismatch"},
    /* At most nine signers. */
    {plain, "a.example", "0134567892", NULL, NULL, "match"},
    {plain, "a.example", "013456789:2", NULL, NULL, "mismatch"},
    {plain, "a.example", "0e1q2e", NULL, NULL, "match"}, /* any key is hashed */
    {"a.example sha1/{h1}\n", "a.example", "01", NULL, NULL, "match"},
    {"a.example sha1/{h1}\n", "a.example", "02", NULL, NULL, "mismatch"},
    {plain, "a.example", "034", NULL, "2099-01-01", "mismatch"}, /* never expires */
    {"# pins\n\n \tA.Example\t sha256/{1}  sha256/{1} \r\n", "a.example", "01", NULL, NULL,
     "match"},
    {"a.example sha256/{c1}\n", "a.example", "01", NULL, NULL, "mismatch"}, /* a certificate's */
};

static void test_cases(void) {
    CU_ASSERT_TRUE(COUNT(cases) >= 20);
    import_expect(cases, COUNT(cases), IMPORT_AUTO);
}

/* A digest may begin with a slash: what looks like curl's "sha256//" is not, and the other way. */
static void test_slash(void) {
    static const struct {
        const char *text;
        enum pin_client client;
    } lines[] = {
        {"a.example sha256//Zx9tWtgRk6T6NvZEIr5btJK+AuFeu4kuZ8Z2zunxbc=\n", PIN_CLIENT_OKHTTP},
        {"a.example\tsha256//Zx9tWtgRk6T6NvZEIr5btJK+AuFeu4kuZ8Z2zunxbc= "
         "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=\r\n",
         PIN_CLIENT_OKHTTP},
        {"a.example sha256//C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=\n", PIN_CLIENT_CURL},
        {"a.example sha256///Zx9tWtgRk6T6NvZEIr5btJK+AuFeu4kuZ8Z2zunxbc=\n", PIN_CLIENT_CURL},
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct import_world *world =
            import_world_of(span_str(lines[i].text), IMPORT_AUTO, "pins.txt");
        CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
        CU_ASSERT_EQUAL(world->index.sets[0]->client, lines[i].client);
        import_world_free(world);
    }
}

static void test_errors(void) {
    static const struct import_bad bad[] = {
        {"", "o.txt:1: there is no pattern with pins in it, so that nothing would be pinned: add "
             "one, or leave the file out"},
        {"# only a comment\n",
         "o.txt:1: there is no pattern with pins in it, so that nothing would be pinned: add one, "
         "or leave the file out"},
        {"a.example\n", "o.txt:1: a.example: no pin follows: write a.example sha256/<base64>"},
        {"#\na.example {1}\n",
         "o.txt:2: a.example: the pin \"{1}\" begins with neither \"sha256/\" nor \"sha1/\", "
         "OkHttp throws: write sha256/<base64>"},
        {"a.example sha512/{1}\n",
         "o.txt:1: a.example: the pin \"sha512/{1}\" begins with neither \"sha256/\" nor "
         "\"sha1/\", OkHttp throws: write sha256/<base64>"},
        {"a.example sha256/{h1}\n", "o.txt:1: a.example: the pin \"{h1}\": 20 bytes, but SHA-256 "
                                    "has 32: copy the pin anew"},
        {"a.example sha256/{x1}\n",
         "o.txt:1: a.example: the pin \"{x1}\": this is hexadecimal: write "
         "\"sha256:<hexadecimal>\", or convert it to base64"},
        {"a.example sha256/C5-lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=\n",
         "o.txt:1: a.example: the pin \"C5-lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=\": this is "
         "URL-safe base64: write '+' for '-' and '/' for '_'"},
        {"a.example sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M\n",
         "o.txt:1: a.example: the pin \"C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M\": the padding "
         "is missing: append \"=\""},
        {"a.example sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
         "o.txt:1: a.example: the pin \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\": a "
         "placeholder, not a digest: put the real pin here"},
        {"x.*.example sha256/{1}\n",
         "o.txt:1: \"x.*.example\" is no host: a wildcard is \"*.\" "
         "(one label) or \"**.\" (any depth, itself included) in front"},
        {"**.a.8883 sha256/{1}\n",
         "o.txt:1: \"**.a.8883\" is no host: its last label is a number, and no top-level domain "
         "is: write a name, or an address without wildcard"},
        {"a..example sha256/{1}\n",
         "o.txt:1: \"a..example\" is no host: an empty label (two dots, or a dot in front)"},
    };
    import_expect_errors(bad, COUNT(bad), IMPORT_OKHTTP, "o.txt");
}

static void test_too_many(void) {
    size_t capacity = 1 << 20, len = 0;
    char *text = malloc(capacity);
    for (unsigned i = 0; i <= IMPORT_PINS_MAX; i++) {
        uint8_t digest[32] = {1, 2, 3, (uint8_t)i, (uint8_t)(i >> 8)};
        char base64[BASE64_SHA256_LEN + 1] = "";
        base64_encode(base64, span_of(digest, sizeof digest));
        len += (size_t)snprintf(text + len, capacity - len, "a.example sha256/%s\n", base64);
    }
    struct import_world *world = import_world_of(span_of(text, len), IMPORT_AUTO, "o.txt");
    CU_ASSERT_EQUAL(world->err, ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(world->note.text,
                           "o.txt:1: a.example: more than 4096 pins for one host: split the set");
    import_world_free(world);
    free(text);
}

static void test_example(void) {
    size_t len = 0;
    char *text = import_example("okhttp.txt", &len);
    struct import_world *world = import_world_of(span_of(text, len), IMPORT_AUTO, "okhttp.txt");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->index.set_count, 2);
    const struct pin_set *set = world->index.sets[0];
    CU_ASSERT_STRING_EQUAL(set->name, "okhttp:**.bank.example");
    CU_ASSERT_EQUAL(set->line, 2);
    CU_ASSERT_EQUAL(set->client, PIN_CLIENT_OKHTTP);
    CU_ASSERT_EQUAL_FATAL(set->pin_count, 2);
    CU_ASSERT_EQUAL(set->pins[1].line, 3);
    CU_ASSERT_STRING_EQUAL(world->index.sets[1]->name, "okhttp:*.pay.bank.example");
    import_world_free(world);
    CU_ASSERT_TRUE(import_cut_everywhere(span_of(text, len), IMPORT_OKHTTP, "o.txt") > 2);
    free(text);
}

SUITE_MAIN("import_okhttp", {"a digest that begins with a slash", test_slash},
           {"cases", test_cases}, {"errors", test_errors}, {"too many pins", test_too_many},
           {"example", test_example})
