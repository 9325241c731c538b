/* pinsweep diff: what changed from one sweep to another. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/outfile.h"
#include "cli/setup.h"
#include "engine/base/log.h"
#include "engine/codec/text.h"
#include "engine/history/diff.h"
#include "engine/history/load.h"

#define LIMIT_DEFAULT 20

struct diff_setup {
    struct diff_options options;
    const char *chains[2]; /* of the first sweep, of the second */
    struct outfile output;
    bool ndjson;
    uint64_t limit;
};

/* --- options --- */

static bool set_output(void *context, const char *value, const char **out_why) {
    *out_why = "give text or ndjson";
    ((struct diff_setup *)context)->ndjson = strcmp(value, "ndjson") == 0;
    return strcmp(value, "ndjson") == 0 || strcmp(value, "text") == 0;
}

static bool set_output_file(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct diff_setup *)context)->output.file = value;
    return true;
}

static bool set_overwrite(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct diff_setup *)context)->output.overwrite = true;
    return true;
}

static bool set_limit(void *context, const char *value, const char **out_why) {
    *out_why = "give a whole number; 0: counts only";
    return text_parse_u64(span_str(value), UINT64_MAX, &((struct diff_setup *)context)->limit);
}

static bool set_by_tag(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct diff_setup *)context)->options.by_tag = true;
    return true;
}

static bool add_window(void *context, struct span part, const char **out_why) {
    struct diff_options *options = context;
    uint64_t days;
    if (span_equal_str(part, "none")) {
        return true;
    }
    if (part.len > 0 && part.data[part.len - 1] == 'd') {
        part.len--;
    }
    if (!text_parse_u64(part, DIFF_WINDOW_DAYS_MAX, &days) || days == 0 ||
        options->window_count == DIFF_WINDOWS_MAX) {
        *out_why = "give up to 16 numbers of days (30,14,7,1), or none";
        return false;
    }
    options->windows_days[options->window_count++] = (uint16_t)days;
    return true;
}

static bool set_windows(void *context, const char *value, const char **out_why) {
    struct diff_setup *setup = context;
    setup->options.window_count = 0;
    return setup_each_part(value, add_window, &setup->options, out_why);
}

static bool add_fail_on(void *context, struct span part, const char **out_why) {
    struct diff_options *options = context, defaults;
    enum diff_kind kind;
    enum verdict verdict;
    enum pkix pkix;
    diff_options_init(&defaults);
    if (diff_kind_from_text(part, &kind)) {
        options->fail_on_kinds |= UINT64_C(1) << kind;
    } else if (verdict_from_text(part, &verdict)) {
        options->fail_on_verdicts |= 1u << verdict;
    } else if (pkix_from_text(part, &pkix)) {
        options->fail_on_pkix |= 1u << pkix;
    } else if (span_equal_str(part, "regression")) {
        options->fail_on_kinds |= defaults.fail_on_kinds;
    } else if (span_equal_str(part, "any")) {
        options->fail_on_kinds = (UINT64_C(1) << DIFF_KIND_COUNT) - 1;
    } else if (!span_equal_str(part, "none")) {
        *out_why = "give kinds of changes (--help lists them), verdicts or pkix results that "
                   "something changed to,\nregression (the default), any or none";
        return false;
    }
    return true;
}

static bool set_fail_on(void *context, const char *value, const char **out_why) {
    struct diff_options *options = &((struct diff_setup *)context)->options;
    options->fail_on_kinds = 0;
    options->fail_on_verdicts = options->fail_on_pkix = 0;
    return setup_each_part(value, add_fail_on, options, out_why);
}

static bool set_chains_before(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct diff_setup *)context)->chains[0] = value;
    return true;
}

static bool set_chains_after(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct diff_setup *)context)->chains[1] = value;
    return true;
}

static const struct opt diff_opts[] = {
    OPT_GROUP("Comparing"),
    {0, "windows", "DAYS", "ends whose coming nearer than so many days is told (30,14,7,1)",
     set_windows},
    {0, "by-tag", NULL, "the tag too says which endpoint is which (default: host, port, SNI)",
     set_by_tag},
    {0, "chains-before", "FILE",
     "--chains-out of the first sweep, if its records were written\nwith --chain-detail ids",
     set_chains_before},
    {0, "chains-after", "FILE", "the same of the second", set_chains_after},
    OPT_GROUP("Output"),
    {0, "output", "FORM", "text, or ndjson: one line a change, then a summary (text)", set_output},
    {0, "limit", "N", "text: changes told of each kind; 0: counts only (20)", set_limit},
    {'o', "output-file", "FILE", "(default: standard output)", set_output_file},
    {0, "overwrite", NULL, "replace an existing output file", set_overwrite},
    OPT_GROUP("Exit code"),
    {0, "fail-on", "LIST",
     "what gives exit code 1: kinds of changes, verdicts or pkix results\nthat something changed "
     "to, regression, any or none (regression)",
     set_fail_on},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep diff BEFORE AFTER [OPTIONS]\n"
         "\n"
         "Compares two sweeps: files of records (sweep -o), or sweeps of a store (sweep --store): "
         "STORE (the latest\n"
         "that ended by itself), STORE#previous, STORE#latest~2, STORE#NAME. '-' is records on "
         "standard input.\n"
         "\n"
         "  pinsweep diff fleet.db#previous fleet.db\n"
         "  pinsweep diff monday.ndjson tuesday.ndjson --output ndjson | jq -r .detail");
    opt_print(table);
    puts("\nKinds of changes, worst first; '!' marks regressions");
    for (int i = 0; i < DIFF_KIND_COUNT; i++) {
        printf("  %c %-22s%s\n", diff_kinds[i].regression ? '!' : ' ', diff_kinds[i].name,
               diff_kinds[i].meaning);
    }
    puts("\n"
         "Certificates are compared per key type over all addresses: a key, issuer or path is new "
         "if no address had it\n"
         "before, and another address alone is no regression. Exit code 1: there are regressions; "
         "2: a file cannot be read.");
}

/* --- running --- */

static int fail(enum err err, const struct err_note *note) {
    log_error("%s", note->text);
    return err_exit_code(err);
}

static enum err write_all(struct diff_setup *setup, const struct diff *diff,
                          struct err_note *note) {
    enum err err = outfile_open(&setup->output, note);
    if (err != ERR_NONE) {
        return err;
    }
    bool good = setup->ndjson ? diff_write(diff, setup->output.out)
                              : diff_tell(diff, setup->output.out, setup->limit);
    return outfile_close(&setup->output, good, note);
}

static int run(struct diff_setup *setup, char **files) {
    struct snapshot snapshots[2];
    struct err_note note;
    enum err err = ERR_NONE;
    struct diff diff = {0};
    for (int i = 0; i < 2; i++) {
        snapshot_init(&snapshots[i]);
    }
    for (int i = 0; i < 2 && err == ERR_NONE; i++) {
        struct snapshot_load_options options = {.keep_der = KEEP_DER_NONE};
        err = snapshot_load(files[i], setup->chains[i], &options, &snapshots[i], &note);
    }
    if (err == ERR_NONE) {
        err = diff_run(&diff, &snapshots[0], &snapshots[1], &setup->options, &note);
    }
    if (err == ERR_NONE) {
        err = write_all(setup, &diff, &note);
    }
    int code = err != ERR_NONE ? fail(err, &note) : diff.regressions > 0 ? 1 : 0;
    diff_fini(&diff);
    for (int i = 0; i < 2; i++) {
        snapshot_fini(&snapshots[i]);
    }
    return code;
}

int cmd_diff(int argc, char **argv) {
    struct diff_setup setup = {.limit = LIMIT_DEFAULT};
    const struct opt *const parts[] = {diff_opts, NULL};
    struct opt_table table = {.parts = parts, .context = &setup};
    int operand_count;
    bool help;
    diff_options_init(&setup.options);
    if (!opt_parse(&table, "diff", argc, argv, &operand_count, &help)) {
        return 2;
    }
    if (help) {
        print_help(&table);
        return 0;
    }
    if (operand_count != 2) {
        log_error("diff: give two sweeps, the earlier one first: pinsweep diff STORE#previous "
                  "STORE, or two files of records");
        return 2;
    }
    return run(&setup, argv);
}
