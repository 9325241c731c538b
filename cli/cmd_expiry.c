/* pinsweep expiry: what ends when, and until when somebody must have acted. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/outfile.h"
#include "cli/setup.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/codec/text.h"
#include "engine/history/expiry.h"
#include "engine/history/load.h"

#define LIMIT_DEFAULT 50
#define WITHIN_DEFAULT_DAYS 90
#define DAY_S INT64_C(86400)
#define DAYS_MAX 365000

struct expiry_setup {
    struct setup setup; /* first: the shared options set it */
    const char *from, *chains_file;
    struct outfile output;
    int64_t within_s;
    uint64_t limit;
    uint32_t fail_on; /* bits of enum expiry_state */
    bool ndjson, calendar;
};

/* --- options --- */

static bool set_from(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct expiry_setup *)context)->from = value;
    return true;
}

static bool set_chains(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct expiry_setup *)context)->chains_file = value;
    return true;
}

static bool set_within(void *context, const char *value, const char **out_why) {
    struct expiry_setup *setup = context;
    struct span text = span_str(value);
    uint64_t number, unit = 1;
    *out_why = "give days, weeks or years (30d, 6w, 1y), or all";
    if (strcmp(value, "all") == 0) {
        setup->within_s = INT64_MAX;
        return true;
    }
    char last = text.len > 0 ? value[text.len - 1] : '0';
    if (last == 'd' || last == 'w' || last == 'y') {
        unit = last == 'd' ? 1 : last == 'w' ? 7 : 365;
        text.len--;
    }
    if (!text_parse_u64(text, DAYS_MAX / unit, &number)) {
        return false;
    }
    setup->within_s = (int64_t)(number * unit) * DAY_S;
    return true;
}

static bool set_calendar(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct expiry_setup *)context)->calendar = true;
    return true;
}

static bool set_output(void *context, const char *value, const char **out_why) {
    *out_why = "give text or ndjson";
    ((struct expiry_setup *)context)->ndjson = strcmp(value, "ndjson") == 0;
    return strcmp(value, "ndjson") == 0 || strcmp(value, "text") == 0;
}

static bool set_output_file(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct expiry_setup *)context)->output.file = value;
    return true;
}

static bool set_overwrite(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct expiry_setup *)context)->output.overwrite = true;
    return true;
}

static bool set_limit(void *context, const char *value, const char **out_why) {
    *out_why = "give a whole number; 0: counts only";
    return text_parse_u64(span_str(value), UINT64_MAX, &((struct expiry_setup *)context)->limit);
}

static bool add_fail_on(void *context, struct span part, const char **out_why) {
    struct expiry_setup *setup = context;
    enum expiry_state state;
    if (expiry_state_from_text(part, &state) && state != EXPIRY_LATER) {
        setup->fail_on |= 1u << state;
    } else if (!span_equal_str(part, "none")) {
        *out_why = "give expired, too-late, due or none";
        return false;
    }
    return true;
}

static bool set_fail_on(void *context, const char *value, const char **out_why) {
    struct expiry_setup *setup = context;
    setup->fail_on = 0;
    return setup_each_part(value, add_fail_on, setup, out_why);
}

static const struct opt expiry_options[] = {
    OPT_GROUP("What"),
    {0, "from", "SWEEP",
     "certificates of a sweep: records (sweep -o), or a store (its latest that ended\n"
     "by itself; STORE#NAME: that one)",
     set_from},
    {0, "chains", "FILE", "its --chains-out, if its records were written with --chain-detail ids",
     set_chains},
    {0, "within", "TIME",
     "what must be acted on within so many days, weeks or years: 30d, 6w, 1y, all\n(90d); what is "
     "past is always told",
     set_within},
    OPT_END,
};

static const struct opt expiry_output_options[] = {
    OPT_GROUP("Output"),
    {0, "calendar", NULL, "months with their days, instead of a table", set_calendar},
    {0, "output", "FORM", "text, or ndjson: one line an item, then a summary (text)", set_output},
    {0, "limit", "N", "text: items told, with --calendar of each day; 0: counts only (50)",
     set_limit},
    {'o', "output-file", "FILE", "(default: standard output)", set_output_file},
    {0, "overwrite", NULL, "replace an existing output file", set_overwrite},
    OPT_GROUP("Exit code"),
    {0, "fail-on", "LIST",
     "what gives exit code 1: expired, too-late, due or none (expired,too-late)", set_fail_on},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep expiry [--from SWEEP] [--policy POLICY]... [OPTIONS]\n"
         "\n"
         "Tells what ends when: certificates of a sweep (leaves, and the intermediates and anchors "
         "of the paths that\n"
         "clients take), pin sets, pinned anchors and exceptions. What has ended and what is too "
         "late comes first.\n"
         "\n"
         "  pinsweep expiry --from fleet.db --policy policy.yaml --within 30d\n"
         "  pinsweep expiry --policy policy.yaml --calendar --within 1y");
    opt_print(table);
    puts("\n"
         "A pin set must be replaced its lead time before it ends (update.lead_time_days + "
         "adoption_days), and so must\n"
         "a certificate whose key it pins: act by is the end less the longest lead. A certificate "
         "that nobody pins has\n"
         "no lead. too-late: it has not ended, but clients will not have followed by then. Exit "
         "code 1: something has\n"
         "ended or is too late (--fail-on); 2: a file cannot be read.");
}

/* --- running --- */

static enum err write_all(struct expiry_setup *setup, const struct expiry *expiry,
                          struct err_note *note) {
    enum err err = outfile_open(&setup->output, note);
    if (err != ERR_NONE) {
        return err;
    }
    FILE *out = setup->output.out;
    bool good = setup->ndjson     ? expiry_write(expiry, out)
                : setup->calendar ? expiry_tell_calendar(expiry, out, setup->limit)
                                  : expiry_tell(expiry, out, setup->limit);
    return outfile_close(&setup->output, good, note);
}

/* Pins by other digests than SHA-256 need the certificates' bytes. */
static enum keep_der der_wanted(const struct pin_index *pins) {
    for (uint32_t i = 0; i < pins->set_count; i++) {
        for (uint32_t j = 0; j < pins->sets[i]->pin_count; j++) {
            if (pins->sets[i]->pins[j].alg != PIN_SHA256) {
                return KEEP_DER_ALL;
            }
        }
    }
    return KEEP_DER_NONE;
}

static enum err load(struct expiry_setup *setup, struct snapshot *snapshot, struct err_note *note) {
    enum err err = setup->setup.policy_count > 0 ? setup_load(&setup->setup, note) : ERR_NONE;
    if (err == ERR_NONE && setup->from != NULL) {
        struct snapshot_load_options options = {.keep_der = der_wanted(&setup->setup.pins)};
        err = snapshot_load(setup->from, setup->chains_file, &options, snapshot, note);
    }
    return err;
}

static int run(struct expiry_setup *setup) {
    struct snapshot snapshot;
    struct expiry expiry = {0};
    struct err_note note;
    struct expiry_options options = {.at_s = setup->setup.config.at_unix_s,
                                     .within_s = setup->within_s};
    if (options.at_s == DATETIME_NONE) {
        options.at_s = clock_wall_ms(&clock_system) / 1000;
    }
    snapshot_init(&snapshot);
    enum err err = load(setup, &snapshot, &note);
    if (err == ERR_NONE) {
        bool policy = setup->setup.policy_count > 0;
        err = expiry_run(&expiry, setup->from != NULL ? &snapshot : NULL,
                         policy ? &setup->setup.pins : NULL, policy ? &setup->setup.store : NULL,
                         &options, &note);
    }
    if (err == ERR_NONE) {
        err = write_all(setup, &expiry, &note);
    }
    int code = err_exit_code(err);
    if (err != ERR_NONE) {
        log_error("%s", note.text);
    }
    for (int i = 0; err == ERR_NONE && i < EXPIRY_STATES; i++) {
        code = (setup->fail_on >> i & 1) != 0 && expiry.counts[i] > 0 ? 1 : code;
    }
    expiry_fini(&expiry);
    snapshot_fini(&snapshot);
    return code;
}

int cmd_expiry(int argc, char **argv) {
    static struct expiry_setup setup;
    const struct opt *const parts[] = {expiry_options, setup_policy_options, expiry_output_options,
                                       NULL};
    struct opt_table table = {.parts = parts, .context = &setup};
    int operand_count, code = 2;
    bool help;
    setup_init(&setup.setup);
    setup.limit = LIMIT_DEFAULT;
    setup.within_s = WITHIN_DEFAULT_DAYS * DAY_S;
    setup.fail_on = 1u << EXPIRY_EXPIRED | 1u << EXPIRY_TOO_LATE;
    if (!opt_parse(&table, "expiry", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (operand_count > 0) {
        log_error("expiry: '%s': sweeps are given with --from, policies with --policy", argv[0]);
    } else if (setup.from == NULL && setup.setup.policy_count == 0) {
        log_error("expiry: give a sweep (--from), a policy (--policy), or both");
    } else if (setup.ndjson && setup.calendar) {
        log_error("expiry: --calendar is for people: without --output ndjson");
    } else {
        code = run(&setup);
    }
    setup_fini(&setup.setup);
    return code;
}
