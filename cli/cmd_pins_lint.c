/* pinsweep pins lint: what is wrong with a policy before the night it matters. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/outfile.h"
#include "cli/setup.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/rng.h"
#include "engine/history/load.h"
#include "engine/lint/lint_report.h"

enum lint_output { LINT_OUT_TEXT, LINT_OUT_NDJSON, LINT_OUT_SARIF };

struct lint_command {
    struct setup setup; /* first: the shared options set it */
    struct lint_config config;
    const char *observed[LINT_SNAPSHOTS_MAX];
    const char *chains_file, *previous_file;
    struct outfile output_file;
    enum lint_output output;
    enum lint_severity fail_on; /* LINT_OFF: nothing fails */
    bool explain, list_rules;

    struct snapshot snapshots[LINT_SNAPSHOTS_MAX];
    uint32_t snapshot_count;
    struct pin_index previous;
    struct trust_store previous_trust;
};

/* --- options --- */

static bool set_observed(void *context, const char *value, const char **out_why) {
    struct lint_command *command = context;
    if (command->config.observed_count == LINT_SNAPSHOTS_MAX) {
        *out_why = "too many sweeps";
        return false;
    }
    command->observed[command->config.observed_count++] = value;
    return true;
}

static bool set_chains(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct lint_command *)context)->chains_file = value;
    return true;
}

static bool set_previous(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct lint_command *)context)->previous_file = value;
    return true;
}

static bool set_approval(void *context, const char *value, const char **out_why) {
    *out_why = "give the approval's id";
    ((struct lint_command *)context)->config.approval = value;
    return value[0] != '\0';
}

static bool set_rehearsal_days(void *context, const char *value, const char **out_why) {
    struct lint_command *command = context;
    return setup_parse_u32(value, 1, 36500, &command->config.rehearsal_days, out_why);
}

static bool set_lead_days(void *context, const char *value, const char **out_why) {
    struct lint_command *command = context;
    return setup_parse_u32(value, 0, 36500, &command->config.lead_days, out_why);
}

static bool add_severity(void *context, struct span part, const char **out_why) {
    struct lint_command *command = context;
    struct span name = span_take(&part, span_find(part, '='));
    span_take(&part, 1);
    enum lint_rule_id rule = lint_rule_find(name);
    enum lint_severity severity;
    bool all = span_equal_str(name, "all");
    if ((rule == LINT_RULE_COUNT && !all) || !lint_severity_from_text(part, &severity)) {
        *out_why = "give RULE=off, info, warn or error, comma-separated (PIN022=off,PIN038=warn); "
                   "--list-rules names the rules, all=LEVEL means every one";
        return false;
    }
    for (int i = 0; i < LINT_RULE_COUNT; i++) {
        if (all || i == (int)rule) {
            command->config.severities[i] = severity;
        }
    }
    return true;
}

static bool set_severity(void *context, const char *value, const char **out_why) {
    return setup_each_part(value, add_severity, context, out_why);
}

static bool set_fail_on(void *context, const char *value, const char **out_why) {
    struct lint_command *command = context;
    *out_why = "give error, warn, info or none";
    if (strcmp(value, "none") == 0) {
        command->fail_on = LINT_OFF;
        return true;
    }
    return lint_severity_from_text(span_str(value), &command->fail_on) &&
           command->fail_on != LINT_OFF;
}

static bool set_output(void *context, const char *value, const char **out_why) {
    static const char *const words[] = {"text", "ndjson", "sarif"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], value) == 0) {
            ((struct lint_command *)context)->output = (enum lint_output)i;
            return true;
        }
    }
    *out_why = "give text, ndjson or sarif";
    return false;
}

static bool set_output_file(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct lint_command *)context)->output_file.file = value;
    return true;
}

static bool set_overwrite(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct lint_command *)context)->output_file.overwrite = true;
    return true;
}

static bool set_explain(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct lint_command *)context)->explain = true;
    return true;
}

static bool set_list_rules(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct lint_command *)context)->list_rules = true;
    return true;
}

static const struct opt lint_options[] = {
    OPT_GROUP("What was seen"),
    {0, "observed", "FILE",
     "a sweep: its NDJSON, or a store (its latest that ended by itself; FILE#NAME:\n"
     "that one); repeatable. Adds the rules about chains",
     set_observed},
    {0, "chains", "FILE", "the sweep's --chains-out, where its records leave chains out",
     set_chains},
    OPT_GROUP("What was before"),
    {0, "previous", "FILE", "the policy before the change: tells what changed unapproved",
     set_previous},
    {0, "approval", "ID", "the approval of this change, as your change management names it",
     set_approval},
    OPT_GROUP("Rules"),
    {0, "severity", "RULE=LEVEL", "off, info, warn or error; comma-separated, repeatable",
     set_severity},
    {0, "rehearsal-days", "N", "PIN032: a rehearsal is good for so long (365)", set_rehearsal_days},
    {0, "lead-days", "N", "PIN021, PIN023: release time of pin sets that name none (30)",
     set_lead_days},
    {0, "list-rules", NULL, "print the rules, with severity and basis", set_list_rules},
    OPT_GROUP("Output"),
    {0, "output", "FORMAT", "text; ndjson (data/lint.schema.json); sarif (2.1.0, for CI systems)",
     set_output},
    {0, "explain", NULL, "of text: what to do about each finding, and its basis", set_explain},
    {'o', "output-file", "FILE", "(default: standard output)", set_output_file},
    {0, "overwrite", NULL, "replace an existing output file", set_overwrite},
    OPT_GROUP("Exit code"),
    {0, "fail-on", "LEVEL", "exit 1 from that severity on: error, warn, info or none (error)",
     set_fail_on},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep pins lint POLICY... [OPTIONS]\n"
         "\n"
         "What is wrong with pin policies, in any format: what cannot work, what will stop "
         "working,\n"
         "and who answers for it. With --observed also against the chains that were seen.\n"
         "\n"
         "  pinsweep pins lint network_security_config.xml\n"
         "  pinsweep pins lint policy.yaml --observed last-night.ndjson --explain\n"
         "  pinsweep pins lint policy.yaml --previous main/policy.yaml --output sarif -o "
         "lint.sarif");
    opt_print(table);
    puts(
        "\n"
        "A pin set's `exceptions` accept findings until their date; such are told as accepted and\n"
        "do not count. Exit code 1: a finding of that severity; 2: an input cannot be read.");
}

static void print_rules(void) {
    for (int i = 0; i < LINT_RULE_COUNT; i++) {
        const struct lint_rule *rule = &lint_rules[i];
        printf("%s  %-5s  %-24s %s\n%38s%s\n", rule->id, lint_severity_words[rule->severity],
               rule->name, rule->says, "", rule->basis);
    }
}

/* --- inputs --- */

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

static enum err load_observed(struct lint_command *command, struct err_note *note) {
    struct snapshot_load_options options = {
        .keep_der = needs_der(&command->setup.pins) ? KEEP_DER_ALL : KEEP_DER_NONE};
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < command->config.observed_count && err == ERR_NONE; i++) {
        struct snapshot *snapshot = &command->snapshots[command->snapshot_count++];
        snapshot_init(snapshot);
        err = snapshot_load(command->observed[i], command->chains_file, &options, snapshot, note);
        command->config.observed[i] = snapshot;
    }
    return err;
}

static enum err load_previous(struct lint_command *command, struct err_note *note) {
    pin_index_init(&command->previous, random_u64());
    trust_store_init(&command->previous_trust);
    if (command->previous_file == NULL) {
        return ERR_NONE;
    }
    command->config.previous = &command->previous;
    return policy_load(command->previous_file, command->setup.policy_format, &command->previous,
                       &command->previous_trust, note);
}

static enum err load(struct lint_command *command, struct err_note *note) {
    enum err err = setup_load(&command->setup, note);
    command->config.pins = &command->setup.pins;
    command->config.trust = &command->setup.store;
    int64_t at = command->setup.config.at_unix_s;
    command->config.at_unix_s = at != DATETIME_NONE ? at : clock_wall_ms(&clock_system) / 1000;
    if (err == ERR_NONE) {
        err = load_observed(command, note);
    }
    return err;
}

/* --- output --- */

static int fail(const struct err_note *note, enum err err) {
    log_error("%s", note->text);
    return err_exit_code(err);
}

static int write_findings(struct lint_command *command, const struct lint *lint) {
    struct err_note note;
    enum err err = outfile_open(&command->output_file, &note);
    if (err != ERR_NONE) {
        return fail(&note, err);
    }
    FILE *out = command->output_file.out;
    switch (command->output) {
    case LINT_OUT_TEXT:
        lint_write_text(lint, out, command->explain);
        lint_write_summary(lint, out);
        break;
    case LINT_OUT_NDJSON:
        lint_write_ndjson(lint, out);
        break;
    case LINT_OUT_SARIF:
        lint_write_sarif(lint, NULL, out);
        break;
    }
    err = outfile_close(&command->output_file, true, &note);
    if (err != ERR_NONE) {
        return fail(&note, err);
    }
    for (int severity = LINT_INFO; severity <= LINT_ERROR; severity++) {
        if (command->fail_on != LINT_OFF && severity >= (int)command->fail_on &&
            lint->counts[severity] > 0) {
            return 1;
        }
    }
    return 0;
}

/* A policy that cannot be read annotates the pull request too. */
static int fail_to_load(struct lint_command *command, enum err err, const struct err_note *note) {
    if (command->output == LINT_OUT_SARIF && (err == ERR_CONFIG || err == ERR_INPUT)) {
        struct err_note output_note;
        enum err output_err = outfile_open(&command->output_file, &output_note);
        if (output_err == ERR_NONE) {
            lint_write_sarif(NULL, note->text, command->output_file.out);
            output_err = outfile_close(&command->output_file, true, &output_note);
        }
        if (output_err != ERR_NONE) {
            log_error("%s", output_note.text);
        }
    }
    return fail(note, err);
}

static int run(struct lint_command *command) {
    struct err_note note;
    struct lint lint;
    enum err err = load(command, &note);
    err = err == ERR_NONE ? load_previous(command, &note) : err;
    if (err != ERR_NONE) {
        return fail_to_load(command, err, &note);
    }
    err = lint_run(&lint, &command->config, &note);
    int code = err != ERR_NONE ? fail(&note, err) : write_findings(command, &lint);
    lint_fini(&lint);
    return code;
}

/* Policies may be given as operands too: a linter's inputs usually are. */
static bool take_operands(struct lint_command *command, int count, char **operands) {
    for (int i = 0; i < count; i++) {
        if (command->setup.policy_count == SETUP_POLICIES_MAX) {
            log_error("pins lint: more than %d policies", SETUP_POLICIES_MAX);
            return false;
        }
        command->setup.policies[command->setup.policy_count++] = operands[i];
    }
    if (command->setup.policy_count == 0) {
        log_error("pins lint: give a policy: pinsweep pins lint policy.yaml");
        return false;
    }
    if (command->config.approval[0] != '\0' && command->previous_file == NULL) {
        log_error("pins lint: --approval is about --previous");
        return false;
    }
    if (command->chains_file != NULL && command->config.observed_count != 1) {
        log_error("pins lint: --chains belongs to one --observed");
        return false;
    }
    return true;
}

int cmd_pins_lint(int argc, char **argv) {
    static struct lint_command command;
    setup_init(&command.setup);
    lint_config_init(&command.config);
    command.fail_on = LINT_ERROR;
    const struct opt *const parts[] = {setup_policy_options, lint_options, NULL};
    struct opt_table table = {.parts = parts, .context = &command};
    int operand_count, code = 2;
    bool help;
    if (!opt_parse(&table, "pins lint", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (command.list_rules) {
        print_rules();
        code = 0;
    } else if (take_operands(&command, operand_count, argv)) {
        code = run(&command);
    }
    for (uint32_t i = 0; i < command.snapshot_count; i++) {
        snapshot_fini(&command.snapshots[i]);
    }
    pin_index_fini(&command.previous);
    trust_store_fini(&command.previous_trust);
    setup_fini(&command.setup);
    return code;
}
