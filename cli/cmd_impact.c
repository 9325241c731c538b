/* pinsweep impact: what a scenario does to every pin set of a sweep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/outfile.h"
#include "cli/setup.h"
#include "engine/base/log.h"
#include "engine/codec/datetime.h"
#include "engine/codec/text.h"
#include "engine/history/load.h"
#include "engine/impact/blast.h"
#include "engine/impact/impact_report.h"

#define LIMIT_DEFAULT 20

struct impact_setup {
    struct setup setup; /* first: its options are ours too */
    const char *input, *chains_file;
    struct outfile output;
    struct scenario scenario;
    struct {
        const char *text;
        bool is_file;
    } given[SCENARIO_OPS_MAX]; /* --scenario and --op, in order */
    uint32_t given_count;
    enum impact_form form;
    bool single_failure, list_cas;
    uint64_t limit;
    uint32_t fail_on;
};

/* --- options --- */

static bool set_input(void *context, const char *value, const char **out_why) {
    struct impact_setup *setup = context;
    *out_why = "one sweep at a time";
    if (setup->input != NULL) {
        return false;
    }
    setup->input = value;
    return true;
}

static bool set_chains(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct impact_setup *)context)->chains_file = value;
    return true;
}

static bool give(struct impact_setup *setup, const char *text, bool is_file, const char **out_why) {
    if (setup->given_count == ARRAY_COUNT(setup->given)) {
        *out_why = "too many";
        return false;
    }
    setup->given[setup->given_count].text = text;
    setup->given[setup->given_count++].is_file = is_file;
    return true;
}

static bool set_scenario(void *context, const char *value, const char **out_why) {
    return give(context, value, true, out_why);
}

static bool set_op(void *context, const char *value, const char **out_why) {
    return give(context, value, false, out_why);
}

static bool set_single_failure(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct impact_setup *)context)->single_failure = true;
    return true;
}

static bool set_list_cas(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct impact_setup *)context)->list_cas = true;
    return true;
}

static bool set_output(void *context, const char *value, const char **out_why) {
    static const char *const words[] = {"text", "ndjson", "csv"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(value, words[i]) == 0) {
            ((struct impact_setup *)context)->form = (enum impact_form)i;
            return true;
        }
    }
    *out_why = "give text, ndjson or csv";
    return false;
}

static bool set_output_file(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct impact_setup *)context)->output.file = value;
    return true;
}

static bool set_overwrite(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct impact_setup *)context)->output.overwrite = true;
    return true;
}

static bool set_limit(void *context, const char *value, const char **out_why) {
    *out_why = "give a whole number; 0: counts only";
    return text_parse_u64(span_str(value), UINT64_MAX, &((struct impact_setup *)context)->limit);
}

static bool add_fail_on(void *context, struct span part, const char **out_why) {
    uint32_t *bits = context;
    for (int i = 0; impact_outcome_words[i] != NULL; i++) {
        if (span_equal_str(part, impact_outcome_words[i])) {
            *bits |= 1u << i;
            return true;
        }
    }
    *out_why = "give outcomes (--help lists them), or none";
    return span_equal_str(part, "none");
}

static bool set_fail_on(void *context, const char *value, const char **out_why) {
    uint32_t *bits = &((struct impact_setup *)context)->fail_on;
    *bits = 0;
    return setup_each_part(value, add_fail_on, bits, out_why);
}

static const struct opt impact_options[] = {
    OPT_GROUP("What happened, what will"),
    {0, "store", "FILE",
     "the sweep: a store (its latest that ended by itself; FILE#NAME: that one), or\n"
     "records (sweep -o); the same as the operand",
     set_input},
    {0, "chains", "FILE", "--chains-out of that sweep, if its records lack details", set_chains},
    {0, "scenario", "FILE", "operations in YAML (data/scenarios has examples); repeatable",
     set_scenario},
    {0, "op", "OPERATION", "one operation, after those so far: 'distrust={ca: {subject: CN=X}}'",
     set_op},
    {0, "single-failure", NULL,
     "instead: for every key of the sweep and the policy, what breaks\nif it dies tonight",
     set_single_failure},
    {0, "list-cas", NULL, "instead: the CAs that a scenario can name", set_list_cas},
    OPT_GROUP("Output"),
    {0, "output", "FORM", "text, ndjson or csv (text)", set_output},
    {0, "limit", "N", "text: results told of each outcome; 0: counts only (20)", set_limit},
    {'o', "output-file", "FILE", "(default: standard output)", set_output_file},
    {0, "overwrite", NULL, "replace an existing output file", set_overwrite},
    OPT_GROUP("Exit code"),
    {0, "fail-on", "LIST",
     "outcomes that give exit code 1, or none (breaks,path-dependent;\npath-dependent only where "
     "it was not so before)",
     set_fail_on},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep impact SWEEP --policy FILE... [--scenario FILE]... [--op OPERATION]... "
         "[OPTIONS]\n"
         "       pinsweep impact SWEEP --policy FILE... --single-failure\n"
         "\n"
         "What will break if the CA, the root store or the operator does this: the operations are "
         "done, one after another,\n"
         "to what a sweep saw, and every pin set is judged before and after. --at is today.\n"
         "\n"
         "  pinsweep impact --store fleet.db --policy pins.yaml --scenario leave-ca-a.yaml\n"
         "  pinsweep impact tonight.ndjson --policy pins.yaml --op 'distrust={ca: {subject: "
         "\"CN=GTS Root R1\"}}'\n"
         "  pinsweep impact tonight.ndjson --policy pins.yaml --op 'reissue={key: new}' --op "
         "'advance-clock={to: 2027-03-15}'\n"
         "  pinsweep impact tonight.ndjson --policy pins.yaml --single-failure");
    opt_print(table);
    puts(
        "\nOperations, and what they take\n"
        "  reissue               hosts, key             replace-intermediate  from, to, hosts\n"
        "  rekey-ca              ca, key                renew-ca              ca\n"
        "  replace-root          from, to               move-ca               from or hosts, to, "
        "key\n"
        "  add-cross-sign        file or cert           remove-cross-sign     file or cert\n"
        "  distrust              ca, trust, after, by   advance-clock         to\n"
        "  remove-anchor         ca, trust              promote-anchor        ca, trust\n"
        "  revoke, compromise    a key or certificate   add-chain             hosts, files, "
        "key_type\n"
        "  send-root             hosts                  stop-sending-root     hosts\n"
        "  change-pinset         pin_set, add, remove, expires\n"
        "\n"
        "  A CA, key or certificate: {subject: \"CN=...\"}, {spki: \"sha256/...\"}, {cert: HEX} or "
        "{file: ca.pem}.\n"
        "  key: new (not known yet, the default), same, or sha256/...; to: files, such references, "
        "or unknown.\n"
        "\n"
        "Outcomes, worst first: breaks, path-dependent, unknown-future-key, already-broken, "
        "survives-on-last-pin,\n"
        "unenforced-expired, survives-on-backup, survives-on-primary, report-only, ok, unpinned.\n"
        "Exit code 1: something breaks; 2: a scenario, policy or sweep is wrong.");
}

/* --- running --- */

static void list_cas(const struct world *world, FILE *out) {
    for (uint32_t i = 0; i < world->authority_count; i++) {
        const struct world_authority *authority = &world->authorities[i];
        char pin[BASE64_SHA256_LEN + 1];
        uint32_t count = 0;
        for (uint32_t c = authority->first_cert; c != WORLD_NONE; c = world->certs[c]->next) {
            count++;
        }
        pin[base64_encode(pin, span_of(authority->spki_sha256, SHA256_LEN))] = '\0';
        fprintf(out, "sha256/%s  %s%s%s\n", pin, authority->name,
                authority->first_anchor != WORLD_NONE ? "  (anchor)" : "",
                count > 1 ? "  (several certificates)" : "");
    }
}

static enum err write_results(struct impact_setup *setup, const struct plan *plan,
                              struct impact_run *run, FILE *out, bool *out_found,
                              struct err_note *note) {
    if (setup->list_cas) {
        list_cas(plan->world, out);
        return ERR_NONE;
    }
    if (setup->single_failure) {
        struct blast_report blast = {
            .run = run, .plan = plan, .form = setup->form, .limit = setup->limit, .out = out};
        enum err err = blast_report_write(&blast, note);
        *out_found =
            blast.endpoints_without_spare > 0 && (setup->fail_on & 1u << IMPACT_BREAKS) != 0;
        return err;
    }
    struct impact_report report = {
        .run = run,
        .plan = plan,
        .scenario = setup->scenario.name[0] != '\0' ? setup->scenario.name : "command line",
        .form = setup->form,
        .limit = setup->limit,
        .fail_on = setup->fail_on,
        .out = out};
    enum err err = impact_report_write(&report, note);
    *out_found = report.findings > 0;
    rollup_fini(&report.rollup);
    return err;
}

/* The plan is made before the output file is touched. */
static enum err model(struct impact_setup *setup, const struct snapshot *snapshot, bool *out_found,
                      struct err_note *note) {
    struct world world;
    struct plan plan = {0};
    struct impact_run *run = NULL;
    const struct pin_index *pins = &setup->setup.pins;
    int64_t today = setup->setup.config.at_unix_s != DATETIME_NONE
                        ? setup->setup.config.at_unix_s
                        : clock_wall_ms(&clock_system) / 1000;
    enum err err = world_init(&world, snapshot, &setup->setup.store, note);
    if (err == ERR_NONE) {
        err = plan_init(&plan, &world, &setup->scenario, pins, today, note);
    }
    if (err == ERR_NONE) {
        err = impact_run_new(&plan, pins, &run, note);
    }
    if (err == ERR_NONE) {
        err = outfile_open(&setup->output, note);
    }
    if (err == ERR_NONE) {
        err = write_results(setup, &plan, run, setup->output.out, out_found, note);
        if (err == ERR_NONE) {
            err = outfile_close(&setup->output, true, note);
        } else {
            outfile_drop(&setup->output);
        }
    }
    impact_run_free(run);
    plan_fini(&plan);
    world_fini(&world);
    return err;
}

/* Pins by other algorithms than SHA-256 need the certificates themselves. */
static bool needs_der(const struct pin_index *pins) {
    for (uint32_t i = 0; i < pins->set_count; i++) {
        for (uint32_t p = 0; p < pins->sets[i]->pin_count; p++) {
            if (pins->sets[i]->pins[p].alg != PIN_SHA256) {
                return true;
            }
        }
    }
    return false;
}

static enum err read_scenarios(struct impact_setup *setup, struct err_note *note) {
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < setup->given_count && err == ERR_NONE; i++) {
        const char *text = setup->given[i].text;
        err = setup->given[i].is_file ? scenario_load(&setup->scenario, text, note)
                                      : scenario_add(&setup->scenario, text, note);
    }
    return err;
}

static void warn_of_missing_bytes(const struct snapshot *snapshot, const struct pin_index *pins) {
    bool any = !needs_der(pins);
    for (uint32_t i = 0; i < snapshot->certs_count && !any; i++) {
        any = snapshot->certs[i].der.len > 0;
    }
    if (!any) {
        log_error("impact: the sweep holds no certificate bytes: pins that are not SHA-256 match "
                  "nothing (--chains gives them, from sweep --chains-out with --chains-pem)");
    }
}

static int run(struct impact_setup *setup) {
    struct err_note note = {""};
    struct snapshot snapshot;
    bool found = false;
    snapshot_init(&snapshot);
    enum err err = read_scenarios(setup, &note);
    if (err == ERR_NONE) {
        err = setup_load(&setup->setup, &note);
    }
    if (err == ERR_NONE) {
        struct snapshot_load_options options = {
            .keep_der = needs_der(&setup->setup.pins) ? KEEP_DER_ALL : KEEP_DER_ISSUERS};
        err = snapshot_load(setup->input, setup->chains_file, &options, &snapshot, &note);
    }
    if (err == ERR_NONE) {
        warn_of_missing_bytes(&snapshot, &setup->setup.pins);
        err = model(setup, &snapshot, &found, &note);
    }
    snapshot_fini(&snapshot);
    if (err != ERR_NONE) {
        /* Of a scenario it begins with file and line. */
        log_error("%s", note.text);
        return err_exit_code(err);
    }
    return found ? 1 : 0;
}

static const char *what_is_missing(const struct impact_setup *setup) {
    bool asks = setup->single_failure || setup->list_cas;
    if (setup->input == NULL) {
        return "give a sweep: pinsweep impact SWEEP --policy FILE --scenario FILE";
    }
    if (setup->single_failure && setup->given_count > 0) {
        return "--single-failure takes no operations: it tries every key of today";
    }
    if (setup->setup.policy_count == 0 && !setup->list_cas) {
        return "give the pins: --policy FILE";
    }
    if (setup->given_count == 0 && !asks) {
        return "give what happens: --scenario FILE, --op OPERATION or --single-failure";
    }
    return NULL;
}

int cmd_impact(int argc, char **argv) {
    static struct impact_setup setup;
    setup.limit = LIMIT_DEFAULT;
    setup.fail_on = 1u << IMPACT_BREAKS | 1u << IMPACT_PATH_DEPENDENT;
    setup_init(&setup.setup);
    scenario_init(&setup.scenario);
    log_set_quiet(true);
    const struct opt *const parts[] = {impact_options, setup_policy_options, NULL};
    struct opt_table table = {.parts = parts, .context = &setup};
    int operand_count, code;
    bool help;
    if (!opt_parse(&table, "impact", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (operand_count > 1 || (operand_count == 1 && setup.input != NULL)) {
        log_error("impact: one sweep at a time");
        code = 2;
    } else {
        setup.input = operand_count == 1 ? argv[0] : setup.input;
        const char *missing = what_is_missing(&setup);
        if (missing != NULL) {
            log_error("impact: %s", missing);
        }
        code = missing != NULL ? 2 : run(&setup);
    }
    scenario_fini(&setup.scenario);
    setup_fini(&setup.setup);
    return code;
}
