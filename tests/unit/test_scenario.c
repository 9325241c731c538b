/* scenario.h: every operation, and what is said about wrong ones. */
#include "engine/impact/scenario.h"

#include <stdio.h>

#include "engine/codec/datetime.h"
#include "tests/support/suite.h"

#define X1 "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M="
#define OPS(text) "version: 1\noperations:\n  - " text "\n"

static enum err parse(struct scenario *scenario, const char *yaml, struct err_note *note) {
    *note = (struct err_note){""};
    scenario_init(scenario);
    return scenario_parse(scenario, span_str(yaml), "dir/s.yaml", note);
}

static const struct {
    const char *yaml, *error;
} bad[] = {
    {"", "dir/s.yaml:1:1: yaml: the scenario is empty: begin with \"version: 1\" and "
         "\"operations:\""},
    {"version: 2\noperations: []\n",
     "dir/s.yaml:1:10: version: this program reads version 1: write version: 1"},
    {"operations: []\n", "dir/s.yaml:1:1: version: is missing: write version: 1"},
    {"version: 1\n",
     "dir/s.yaml:1:1: operations: is missing: write operations: with at least one operation"},
    {"version: 1\noperations: []\n",
     "dir/s.yaml:2:13: operations: the list is empty: write - advance-clock: {to: 2027-03-15}"},
    {OPS("reissue"), "dir/s.yaml:3:5: operations: an operation is a mapping of one key: write "
                     "advance-clock: {to: 2027-03-15}"},
    {OPS("reissue: {kee: new}"), "dir/s.yaml:3:15: kee: unknown key in reissue, did you mean "
                                 "\"key\"? correct it or take it out"},
    {OPS("reissue: {key: fresh}"),
     "dir/s.yaml:3:20: key: \"fresh\" is no key: write same, new (not "
     "known yet) or sha256/..."},
    {OPS("reissue: [x]"), "dir/s.yaml:3:14: reissue: reissue is a mapping of keys (key: value)"},
    {OPS("distrust: {after: 2027-01-01}"), "dir/s.yaml:3:15: distrust: ca is missing: add it"},
    {OPS("distrust: {ca: {subject: CN=X}, by: sct}"),
     "dir/s.yaml:3:15: distrust: by: sct without after: write the date that the SCT is held "
     "against"},
    {OPS("distrust: {ca: {subject: CN=X}, after: 2027-13-01}"),
     "dir/s.yaml:3:44: after: \"2027-13-01\" is no date: write 2027-06-01 or "
     "2027-06-01T12:00:00Z"},
    {OPS("distrust: {ca: CN=X}"),
     "dir/s.yaml:3:20: ca: names one certificate or key by one key: write {subject: \"CN=...\"}, "
     "{spki: \"sha256/...\"}, {cert: hex} or {file: ca.pem}"},
    {OPS("revoke: {cert: abc}"), "dir/s.yaml:3:20: cert: \"abc\" is no SHA-256 of a certificate: "
                                 "write its 64 hex digits"},
    {OPS("move-ca: {to: unknown}"), "dir/s.yaml:3:14: move-ca: says neither from nor hosts: write "
                                    "the CA to leave, or who moves"},
    {OPS("change-pinset: {pin_set: a}"),
     "dir/s.yaml:3:20: change-pinset: changes nothing: write add, remove or expires"},
    {OPS("advance-clock: {to: soon}"),
     "dir/s.yaml:3:25: to: \"soon\" is no date: write 2027-06-01 or 2027-06-01T12:00:00Z"},
    {OPS("add-chain: {hosts: [a.example]}"),
     "dir/s.yaml:3:16: add-chain: files is missing: add it"},
};

static void test_errors(void) {
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct scenario scenario;
        struct err_note note;
        CU_ASSERT_EQUAL(parse(&scenario, bad[i].yaml, &note), ERR_CONFIG);
        CU_ASSERT_STRING_EQUAL(note.text, bad[i].error);
        if (strcmp(note.text, bad[i].error) != 0) {
            printf("%s\n", note.text);
        }
        scenario_fini(&scenario);
    }
}

static void test_good(void) {
    struct scenario scenario;
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(
        parse(&scenario,
              "version: 1\nname: leave\noperations:\n"
              "  - reissue:\n"
              "  - move-ca: {hosts: [\"*.a.example:8443\"], to: [b.pem, /c.pem], key: \"" X1 "\"}\n"
              "  - distrust: {ca: {subject: \"CN=X\"}, trust: [p, q], after: 2027-01-01, by: sct}\n"
              "  - change-pinset: {pin_set: s, add: [\"" X1 "\"], expires: never}\n"
              "  - replace-intermediate: {from: {spki: \"" X1 "\"}, to: unknown}\n",
              &note),
        ERR_NONE);
    const struct scenario_op *ops = scenario.ops;
    CU_ASSERT_EQUAL_FATAL(scenario.count, 5);
    CU_ASSERT_STRING_EQUAL(scenario.name, "leave");
    CU_ASSERT_EQUAL(ops[0].key, SCENARIO_KEY_NEW);
    CU_ASSERT_EQUAL(ops[0].host_count, 0);
    CU_ASSERT_EQUAL(ops[1].host_count, 1);
    CU_ASSERT_EQUAL(ops[1].hosts[0].port, 8443);
    CU_ASSERT_EQUAL(ops[1].key, SCENARIO_KEY_GIVEN);
    CU_ASSERT_EQUAL(ops[1].key_sha256[0], 0x0b);
    CU_ASSERT_STRING_EQUAL(ops[1].to[0].text, "dir/b.pem");
    CU_ASSERT_STRING_EQUAL(ops[1].to[1].text, "/c.pem");
    CU_ASSERT_EQUAL(ops[2].trust_count, 2);
    CU_ASSERT_EQUAL(ops[2].gate, SCENARIO_BY_SCT);
    CU_ASSERT_EQUAL(ops[2].place.line, 6);
    CU_ASSERT(ops[3].has_expires && ops[3].expires == DATETIME_NONE);
    CU_ASSERT_EQUAL(ops[3].add_count, 1);
    CU_ASSERT(ops[4].to_unknown && ops[4].ca.by == SCENARIO_BY_SPKI);
    scenario_fini(&scenario);
}

/* Cut anywhere: an error, or operations, never a crash. */
static void test_truncated(void) {
    const char *yaml = OPS("move-ca: {from: {subject: \"CN=X, Y\"}, to: [b.pem], key: same}");
    for (size_t len = 0; len <= strlen(yaml); len++) {
        struct scenario scenario;
        struct err_note note = {""};
        scenario_init(&scenario);
        enum err err = scenario_parse(&scenario, span_of(yaml, len), "s.yaml", &note);
        CU_ASSERT_EQUAL(err == ERR_NONE, len >= strlen(yaml) - 1);
        CU_ASSERT_EQUAL(err == ERR_NONE, note.text[0] == '\0');
        scenario_fini(&scenario);
    }
}

static void test_command_line(void) {
    struct scenario scenario;
    struct err_note note = {""};
    scenario_init(&scenario);
    CU_ASSERT_EQUAL(scenario_add(&scenario, "distrust={ca: {subject: \"CN=A=B: C\"}}", &note),
                    ERR_NONE);
    CU_ASSERT_EQUAL(scenario_add(&scenario, "advance-clock: {to: 2030-01-01}", &note), ERR_NONE);
    CU_ASSERT_EQUAL(scenario_add(&scenario, "send-root", &note), ERR_NONE);
    CU_ASSERT_EQUAL(scenario_add(&scenario, "", &note), ERR_CONFIG);
    CU_ASSERT_EQUAL(scenario_add(&scenario, "nonsense={}", &note), ERR_CONFIG);
    CU_ASSERT_EQUAL(strncmp(note.text, "--op:1:1: operations: unknown value", 35), 0);
    CU_ASSERT_EQUAL_FATAL(scenario.count, 3);
    CU_ASSERT_STRING_EQUAL(scenario.ops[0].ca.text, "CN=A=B: C");
    scenario_fini(&scenario);
}

static bool matches(const char *name, int pattern, uint16_t pattern_port, const char *host,
                    uint16_t port) {
    struct pin_host rule = {.name = name, .port = pattern_port};
    rule.pattern = pattern == 0   ? PIN_PATTERN_NAME
                   : pattern == 1 ? PIN_PATTERN_ONE_LABEL
                                  : PIN_PATTERN_ANY_DEPTH;
    return scenario_host_matches(&rule, span_str(host), port);
}

static void test_hosts(void) {
    CU_ASSERT(matches("a.example", 0, 0, "a.example", 443));
    CU_ASSERT(!matches("a.example", 0, 8443, "a.example", 443));
    CU_ASSERT(!matches("a.example", 0, 0, "x.a.example", 443));
    CU_ASSERT(matches("a.example", 1, 443, "x.a.example", 443));
    CU_ASSERT(!matches("a.example", 1, 0, "a.example", 443));
    CU_ASSERT(!matches("a.example", 1, 0, "y.x.a.example", 443));
    CU_ASSERT(!matches("a.example", 1, 0, "xa.example", 443));
    CU_ASSERT(matches("a.example", 2, 0, "a.example", 443));
    CU_ASSERT(matches("a.example", 2, 0, "y.x.a.example", 443));
    CU_ASSERT(!matches("a.example", 2, 0, "ba.example", 443));
}

SUITE_MAIN("scenario", {"errors", test_errors}, {"good", test_good}, {"truncated", test_truncated},
           {"command line", test_command_line}, {"hosts", test_hosts})
