/* The rules that need nothing but policies, on native YAML, one after the other; then findings as
   text, NDJSON and SARIF. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/lint/lint_report.h"
#include "tests/support/import_case.h"
#include "tests/support/suite.h"

#define NOW "2027-01-01"
/* Governance that nothing is missing from. */
#define GOOD                                                                                       \
    " owner: o, approver: a, rollover: 'https://r', last_rehearsal: 2026-12-01, "                  \
    "backup_custody: safe, "
#define TWO "pins: ['sha256/{1}', {pin: 'sha256/{2}', role: backup}]"

struct lint_world {
    struct import_world *policy, *previous;
    struct lint_config config;
    struct lint lint;
};

static struct lint_world *world_of(const char *policy, enum import_format format,
                                   const char *previous) {
    struct lint_world *world = calloc(1, sizeof *world);
    struct err_note note;
    CU_ASSERT_PTR_NOT_NULL_FATAL(world);
    world->policy = import_world_new(policy, format, "policy.yaml");
    if (world->policy->err != ERR_NONE) {
        printf("%s\n", world->policy->note.text);
    }
    CU_ASSERT_EQUAL_FATAL(world->policy->err, ERR_NONE);
    lint_config_init(&world->config);
    world->config.pins = &world->policy->index;
    world->config.trust = &world->policy->store;
    CU_ASSERT(datetime_parse(span_str(NOW), &world->config.at_unix_s));
    if (previous != NULL) {
        world->previous = import_world_new(previous, IMPORT_NATIVE, "old.yaml");
        CU_ASSERT_EQUAL_FATAL(world->previous->err, ERR_NONE);
        world->config.previous = &world->previous->index;
    }
    CU_ASSERT_EQUAL_FATAL(lint_run(&world->lint, &world->config, &note), ERR_NONE);
    return world;
}

static struct lint_world *world_new(const char *policy, const char *previous) {
    return world_of(policy, IMPORT_NATIVE, previous);
}

static void world_free(struct lint_world *world) {
    lint_fini(&world->lint);
    import_world_free(world->policy);
    if (world->previous != NULL) {
        import_world_free(world->previous);
    }
    free(world);
}

/* "PIN001 PIN022": what was found, each rule once, exceptions in brackets, by number. */
static void describe(const struct lint *lint, char *out, size_t size) {
    size_t len = 0;
    out[0] = '\0';
    for (int rule = 0; rule < LINT_RULE_COUNT; rule++) {
        bool found = false, accepted = true;
        for (uint32_t i = 0; i < lint->count; i++) {
            if (lint->findings[i].rule == (enum lint_rule_id)rule) {
                found = true;
                accepted = accepted && lint->findings[i].exception != NULL;
            }
        }
        if (found) {
            len += (size_t)snprintf(out + len, size - len, accepted ? "%s[%s]" : "%s%s",
                                    len > 0 ? " " : "", lint_rules[rule].id);
        }
    }
}

static void expect(const char *sets, const char *expected) {
    char policy[8192], found[512];
    snprintf(policy, sizeof policy, "version: 1\npin_sets:\n%s\n", sets);
    struct lint_world *world = world_new(policy, NULL);
    describe(&world->lint, found, sizeof found);
    if (strcmp(found, expected) != 0) {
        printf("%s\n  expected %s, found %s\n", sets, expected, found);
        lint_write_text(&world->lint, stdout, false);
    }
    CU_ASSERT_STRING_EQUAL(found, expected);
    world_free(world);
}

static void test_clean(void) {
    expect(" - {name: a, hosts: [a.example]," GOOD TWO "}", "");
    expect(" - {name: a, client: android, expires: 2027-09-01, hosts: [a.example]," GOOD TWO "}",
           "");
}

static void test_pins(void) {
    expect(" - {name: a, hosts: [a.example]," GOOD "pins: ['sha256/{1}']}", "PIN001");
    /* the same key twice is no backup, and a bad pin is none */
    expect(" - {name: a, hosts: [a.example]," GOOD
           "pins: ['sha256/{1}', {pin: 'sha256/{2}', role: bad}]}",
           "PIN001");
    /* of Apple's two lists each needs its own */
    expect(" - {name: a, client: apple, update: {channel: remote}, hosts: [a.example]," GOOD
           "pins: [{pin: 'sha256/{1}', list: ca}, {pin: 'sha256/{2}', list: leaf}]}",
           "PIN001");
    expect(" - {name: a, client: apple, update: {channel: remote}, hosts: [a.example]," GOOD
           "pins: [{pin: 'sha256/{1}', list: ca}, {pin: 'sha256/{2}', list: ca}]}",
           "");
    /* TLSA records are published before their keys are used */
    expect(" - {name: a, client: dane, hosts: ['a.example:25']," GOOD
           "pins: [{pin: 'sha256/{1}', tlsa: {usage: 3, selector: 1, matching: 1}}]}",
           "");
    expect(" - {name: a, hosts: [a.example]," GOOD
           "pins: ['sha256/{1}', 'sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']}",
           "PIN010");
    expect(" - {name: a, hosts: [a.example]," GOOD
           "pins: ['sha256/{1}', 'sha256/7HIpactkIAq2Y49orFOOQKurWxmmSFZhBCoQYcRhJ3Y=']}",
           "PIN010");
    /* "0123456789abcdef0123456789abcdef" in base64: hexadecimal taken for bytes */
    expect(" - {name: a, hosts: [a.example]," GOOD
           "pins: ['sha256/{1}', 'sha256/MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=']}",
           "PIN010");
    expect(" - {name: a, hosts: [a.example]," GOOD "pins: ['sha256/{1}', 'sha1/{h2}']}", "PIN011");
}

static void test_expiry(void) {
    expect(" - {name: a, expires: 2026-12-31, hosts: [a.example]," GOOD TWO "}", "PIN020");
    /* to the start of its day it holds */
    expect(" - {name: a, expires: 2027-01-01, hosts: [a.example]," GOOD TWO "}", "PIN021");
    expect(" - {name: a, expires: 2027-01-30, hosts: [a.example]," GOOD TWO "}", "PIN021");
    expect(" - {name: a, expires: 2027-01-31, hosts: [a.example]," GOOD TWO "}", "");
    expect(" - {name: a, expires: 2027-01-30, update: {lead_time_days: 5, adoption_days: 10}, "
           "hosts: [a.example]," GOOD TWO "}",
           "");
    expect(" - {name: a, expires: 2027-04-10, update: {lead_time_days: 45, adoption_days: 60}, "
           "hosts: [a.example]," GOOD TWO "}",
           "PIN021");
    expect(" - {name: a, client: android, hosts: [a.example]," GOOD TWO "}", "PIN022");
    /* OkHttp does not look at a date, so that one does not help */
    expect(" - {name: a, client: okhttp, expires: 2028-01-01, hosts: [a.example]," GOOD TWO "}",
           "PIN022");
    expect(" - {name: a, client: okhttp, update: {channel: remote-config}, hosts: [a.example]," GOOD
               TWO "}",
           "");
    expect(" - {name: a, platform: kiosk, hosts: [a.example]," GOOD TWO "}", "PIN022");
    expect(" - {name: a, platform: iOS, hosts: [a.example]," GOOD TWO "}", "PIN022");
    expect(" - {name: a, platform: iOS, update: {channel: MDM}, hosts: [a.example]," GOOD TWO "}",
           "");
    expect(" - {name: a, platform: server, hosts: [a.example]," GOOD TWO "}", "");
}

static void test_governance(void) {
    expect(" - {name: a, hosts: [a.example], " TWO "}", "PIN030 PIN031 PIN032 PIN033");
    expect(" - {name: a, hosts: [a.example], pins: ['sha256/{1}'], owner: o, approver: a, "
           "rollover: r, last_rehearsal: 2026-12-01}",
           "PIN001"); /* nothing to keep in custody */
    expect(" - {name: a, hosts: [a.example], owner: o, approver: a, rollover: r, "
           "last_rehearsal: 2025-12-31, backup_custody: s, " TWO "}",
           "PIN032");
    expect(" - {name: a, hosts: [a.example], owner: o, rollover: r, "
           "last_rehearsal: 2026-01-01, backup_custody: s, " TWO "}",
           "PIN031");
    expect(" - {name: a, operated_by: third-party, hosts: [a.example]," GOOD TWO "}", "PIN035");
}

static void test_one_finding_for_a_file(void) {
    struct lint_world *world = world_new("version: 1\npin_sets:\n"
                                         " - {name: a, hosts: [a.example], " TWO "}\n"
                                         " - {name: b, hosts: [b.example], " TWO "}\n"
                                         " - {name: c, hosts: [c.example], " TWO "}\n",
                                         NULL);
    uint32_t owners = 0;
    for (uint32_t i = 0; i < world->lint.count; i++) {
        const struct lint_finding *finding = &world->lint.findings[i];
        if (finding->rule == PIN031) {
            owners++;
            CU_ASSERT_PTR_NULL(finding->set);
            CU_ASSERT_STRING_EQUAL(finding->file, "policy.yaml");
            CU_ASSERT_PTR_NOT_NULL(strstr(finding->message, "3 pin sets"));
        }
    }
    CU_ASSERT_EQUAL(owners, 1);
    world_free(world);
}

static void test_exceptions(void) {
    expect(" - {name: a, hosts: [a.example], exceptions: [{rule: PIN001, reason: r, approver: a, "
           "until: 2027-02-01}]," GOOD "pins: ['sha256/{1}']}",
           "[PIN001]");
    /* its last day counts */
    expect(" - {name: a, hosts: [a.example], exceptions: [{rule: PIN001, reason: r, approver: a, "
           "until: 2027-01-01}]," GOOD "pins: ['sha256/{1}']}",
           "[PIN001]");
    expect(" - {name: a, hosts: [a.example], exceptions: [{rule: PIN001, reason: r, approver: a, "
           "until: 2026-12-31}]," GOOD "pins: ['sha256/{1}']}",
           "PIN001 PIN034");
    expect(" - {name: a, hosts: [a.example], exceptions: [{rule: PIN001, reason: r, "
           "until: 2027-02-01}]," GOOD "pins: ['sha256/{1}']}",
           "[PIN001] PIN034");
    expect(" - {name: a, hosts: [a.example], exceptions: [{rule: PIN099, reason: r, approver: a, "
           "until: 2027-02-01}]," GOOD TWO "}",
           "PIN034");
    /* an exception is one pin set's own */
    expect(" - {name: a, hosts: [a.example], exceptions: [{rule: PIN001, reason: r, approver: a, "
           "until: 2027-02-01}]," GOOD "pins: ['sha256/{1}']}\n"
           " - {name: b, hosts: [b.example]," GOOD "pins: ['sha256/{1}']}",
           "PIN001");
}

static void test_neighbours(void) {
    expect(" - {name: a, application: x, hosts: [a.example]," GOOD TWO "}\n"
           " - {name: b, application: y, hosts: [a.example]," GOOD
           "pins: ['sha256/{1}', {pin: 'sha256/{3}', role: backup}]}",
           "PIN037");
    /* the same pins in another order are the same */
    expect(" - {name: a, application: x, hosts: [a.example]," GOOD TWO "}\n"
           " - {name: b, application: y, hosts: [a.example]," GOOD
           "pins: [{pin: 'sha256/{2}', role: backup}, 'sha256/{1}']}",
           "");
    /* the first of them is of another kind: those after it are compared all the same */
    expect(" - {name: a, client: curl, application: x, hosts: [a.example]," GOOD TWO "}\n"
           " - {name: b, application: y, hosts: [a.example]," GOOD TWO "}\n"
           " - {name: c, application: z, hosts: [a.example]," GOOD
           "pins: ['sha256/{1}', 'sha256/{3}']}",
           "PIN037");
    expect(" - {name: a, application: x, hosts: ['a.example:443']," GOOD TWO "}\n"
           " - {name: b, application: y, hosts: ['a.example:8443']," GOOD
           "pins: ['sha256/{1}', 'sha256/{3}']}",
           "");
    expect(" - {name: a, client: okhttp, update: {channel: ota}, hosts: ['*.a.example']," GOOD TWO
           "}",
           "PIN040");
    expect(" - {name: a, client: okhttp, update: {channel: ota}, hosts: ['*.a.example', "
           "a.example]," GOOD TWO "}",
           "");
    expect(" - {name: a, client: okhttp, update: {channel: ota}, hosts: ['*.b.a.example', "
           "'**.a.example']," GOOD TWO "}",
           "");
    expect(" - {name: a, client: trustkit, expires: 2028-01-01, hosts: [com], "
           "include_subdomains: true," GOOD TWO "}",
           "PIN040");
}

static void test_previous(void) {
    const char *before = "version: 1\npin_sets:\n"
                         " - {name: a, hosts: [a.example]," GOOD TWO "}\n";
    const struct {
        const char *after;
        const char *approval;
        uint32_t found;
    } cases[] = {
        {" - {name: a, hosts: [a.example]," GOOD TWO "}\n", "", 0},
        {" - {name: a, hosts: [a.example]," GOOD "pins: ['sha256/{1}', 'sha256/{3}']}\n", "", 1},
        {" - {name: a, hosts: [a.example]," GOOD "pins: ['sha256/{1}', 'sha256/{3}']}\n", "CHG-7",
         0},
        {" - {name: a, hosts: [a.example], extra: {approval: CHG-7}," GOOD
         "pins: ['sha256/{1}', 'sha256/{3}']}\n",
         "", 0},
        {" - {name: b, hosts: [a.example]," GOOD TWO "}\n", "", 2}, /* one new, one removed */
        {" - {name: b, hosts: [b.example]," GOOD TWO "}\n"
         " - {name: 0, hosts: [c.example]," GOOD TWO "}\n"
         " - {name: a, hosts: [a.example]," GOOD TWO "}\n",
         "", 2}, /* it moved, two are new */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char policy[2048];
        snprintf(policy, sizeof policy, "version: 1\npin_sets:\n%s", cases[i].after);
        struct lint_world *world = world_new(policy, before);
        lint_fini(&world->lint);
        world->config.approval = cases[i].approval;
        struct err_note note;
        CU_ASSERT_EQUAL_FATAL(lint_run(&world->lint, &world->config, &note), ERR_NONE);
        uint32_t found = 0;
        for (uint32_t f = 0; f < world->lint.count; f++) {
            found += world->lint.findings[f].rule == PIN044;
        }
        CU_ASSERT_EQUAL(found, cases[i].found);
        world_free(world);
    }
}

static void test_overrides(void) {
    static const struct {
        const char *anchors;
        uint32_t found;
    } cases[] = {
        {"<certificates src='system'/>", 0},
        {"<certificates src='system' overridePins='true'/>", 1},
        {"<certificates src='system'/><certificates src='user'/>", 0},
        {"<certificates src='system'/><certificates src='user' overridePins='true'/>", 1},
        {"<certificates src='system' overridePins='true'/><certificates src='system'/>", 1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char xml[1024];
        snprintf(xml, sizeof xml,
                 "<network-security-config><domain-config><domain>a.example</domain><pin-set>"
                 "<pin digest='SHA-256'>{1}</pin><pin digest='SHA-256'>{2}</pin></pin-set>"
                 "<trust-anchors>%s</trust-anchors></domain-config></network-security-config>",
                 cases[i].anchors);
        struct lint_world *world = world_of(xml, IMPORT_ANDROID, NULL);
        uint32_t found = 0;
        for (uint32_t f = 0; f < world->lint.count; f++) {
            found += world->lint.findings[f].rule == PIN042;
        }
        CU_ASSERT_EQUAL(found, cases[i].found);
        world_free(world);
    }
}

static void test_severities(void) {
    struct lint_world *world = world_new(
        "version: 1\npin_sets:\n - {name: a, hosts: [a.example]," GOOD "pins: ['sha256/{1}']}\n",
        NULL);
    struct err_note note;
    CU_ASSERT_EQUAL(world->lint.counts[LINT_ERROR], 1);
    lint_fini(&world->lint);
    world->config.severities[PIN001] = LINT_INFO;
    CU_ASSERT_EQUAL_FATAL(lint_run(&world->lint, &world->config, &note), ERR_NONE);
    CU_ASSERT_EQUAL(world->lint.counts[LINT_ERROR], 0);
    CU_ASSERT_EQUAL(world->lint.counts[LINT_INFO], 1);
    lint_fini(&world->lint);
    world->config.severities[PIN001] = LINT_OFF;
    CU_ASSERT_EQUAL_FATAL(lint_run(&world->lint, &world->config, &note), ERR_NONE);
    CU_ASSERT_EQUAL(world->lint.count, 0);
    world_free(world);
    CU_ASSERT_EQUAL(lint_rule_find(span_str("pin031")), PIN031);
    CU_ASSERT_EQUAL(lint_rule_find(span_str("no-owner")), PIN031);
    CU_ASSERT_EQUAL(lint_rule_find(span_str("PIN03")), LINT_RULE_COUNT);
}

static char *written(const struct lint *lint, int how, size_t *out_len) {
    char *text = NULL;
    FILE *out = open_memstream(&text, out_len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    if (how == 0) {
        lint_write_text(lint, out, true);
    } else if (how == 1) {
        lint_write_ndjson(lint, out);
    } else {
        lint_write_sarif(lint, NULL, out);
    }
    fclose(out);
    return text;
}

static void test_reports(void) {
    struct lint_world *world =
        world_new("version: 1\npin_sets:\n"
                  " - {name: a, hosts: [a.example]," GOOD "pins: ['sha256/{1}']}\n",
                  NULL);
    size_t len;
    char *text = written(&world->lint, 0, &len);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "policy.yaml:3:4: error: a: holds one pin"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "[PIN001]\n    what to do: "));
    free(text);
    text = written(&world->lint, 1, &len);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"rule\":\"PIN001\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"type\":\"lint-summary\""));
    free(text);
    text = written(&world->lint, 2, &len);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"version\":\"2.1.0\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"startLine\":3"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"uri\":\"policy.yaml\""));
    free(text);
    struct pin_exception exception = {.rule = "PIN001", .reason = "r\nx:1: error: forged", ""};
    world->lint.findings[0].exception = &exception;
    text = written(&world->lint, 0, &len);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "    accepted: r x:1: error: forged\n"));
    free(text);
    world->lint.findings[0].exception = NULL;
    static const char *const uris[][2] = {{"/a b/p#1.yaml", "\"file:///a%20b/p%231.yaml\""},
                                          {".//./p.yaml", "\"p.yaml\""},
                                          {"c:p.yaml", "\"c%3Ap.yaml\""}};
    for (size_t i = 0; i < ARRAY_COUNT(uris); i++) {
        world->lint.findings[0].file = uris[i][0];
        text = written(&world->lint, 2, &len);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, uris[i][1]));
        free(text);
    }
    world_free(world);
}

SUITE_MAIN("lint", {"nothing wrong", test_clean}, {"pins", test_pins}, {"expiry", test_expiry},
           {"governance", test_governance},
           {"what no set of a file says is said once", test_one_finding_for_a_file},
           {"exceptions", test_exceptions}, {"neighbours", test_neighbours},
           {"the policy before", test_previous}, {"overridden pins", test_overrides},
           {"severities", test_severities}, {"text, NDJSON, SARIF", test_reports})
