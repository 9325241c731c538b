/* pinsweep sweep: the whole fleet. */
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/setup.h"
#include "cli/sweep_store.h"
#include "engine/base/log.h"
#include "engine/codec/text.h"
#include "engine/sweep/metadata.h"
#include "engine/sweep/progress.h"
#include "engine/sweep/prometheus.h"

/* --- options --- */

static bool set_input(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct setup *)context)->config.inventory.file = value;
    return true;
}

static bool set_format(void *context, const char *value, const char **out_why) {
    *out_why = "give auto, plain, csv, zgrab2 or ndjson";
    return inventory_format_from_text(value, &((struct setup *)context)->config.inventory.format);
}

static bool set_strict(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.inventory.strict = true;
    return true;
}

static bool set_max_range(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    if (!text_parse_u64(span_str(value), UINT32_MAX, &setup->config.inventory.range_max) ||
        setup->config.inventory.range_max == 0) {
        *out_why = "give the largest number of addresses that one line may stand for";
        return false;
    }
    return true;
}

static bool set_shuffle(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.inventory.shuffle = true;
    return true;
}

static bool set_seed(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    *out_why = "give a whole number";
    setup->seed_given = true;
    return text_parse_u64(span_str(value), UINT64_MAX, &setup->config.inventory.seed);
}

static bool set_shards(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return setup_parse_u32(value, 1, 1000000, &setup->config.inventory.shards, out_why);
}

static bool set_shard(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return setup_parse_u32(value, 0, 999999, &setup->config.inventory.shard, out_why);
}

static bool set_pin_cores(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.pin_cores = true;
    return true;
}

static bool set_output(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct setup *)context)->config.output_file = value;
    return true;
}

static bool set_overwrite(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.overwrite = true;
    return true;
}

static bool set_append(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.append = true;
    return true;
}

static bool set_chains_out(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct setup *)context)->config.chains_file = value;
    return true;
}

static bool set_chains_pem(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.chains_pem = true;
    return true;
}

static bool set_chain_detail(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    *out_why = "give full or ids";
    setup->config.chain_detail = strcmp(value, "ids") == 0 ? CHAIN_DETAIL_IDS : CHAIN_DETAIL_FULL;
    return strcmp(value, "ids") == 0 || strcmp(value, "full") == 0;
}

static bool set_metadata(void *context, const char *value, const char **out_why) {
    *out_why = "give a file of its own";
    ((struct setup *)context)->metadata_file = value;
    return strcmp(value, "-") != 0;
}

static bool set_store(void *context, const char *value, const char **out_why) {
    *out_why = "give a file of its own";
    ((struct setup *)context)->store_file = value;
    return strcmp(value, "-") != 0;
}

static bool set_resume(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->resume = true;
    return true;
}

static bool set_prometheus(void *context, const char *value, const char **out_why) {
    *out_why = "give a file of its own";
    ((struct setup *)context)->prometheus_file = value;
    return strcmp(value, "-") != 0;
}

static bool set_quiet(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.quiet = true;
    return true;
}

static bool add_fail_on(void *context, struct span part, const char **out_why) {
    struct setup *setup = context;
    enum verdict verdict;
    enum pkix pkix;
    if (verdict_from_text(part, &verdict)) {
        setup->fail_on_verdicts |= 1u << verdict;
    } else if (pkix_from_text(part, &pkix)) {
        setup->fail_on_pkix |= 1u << pkix;
    } else if (!span_equal_str(part, "none")) {
        *out_why = "give verdicts (mismatch, off-path, no-path, path-dependent, expired-pinset, "
                   "unknown, match-backup, ...),\n"
                   "pkix results (expired, untrusted, incomplete-chain, ...) or none";
        return false;
    }
    return true;
}

static bool set_fail_on(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    setup->fail_on_verdicts = 0;
    setup->fail_on_pkix = 0;
    return setup_each_part(value, add_fail_on, setup, out_why);
}

static bool set_max_unknown(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    struct span text = span_str(value);
    uint64_t number;
    setup->max_unknown_percent = text.len > 0 && text.data[text.len - 1] == '%';
    text.len -= setup->max_unknown_percent ? 1 : 0;
    if (!text_parse_u64(text, setup->max_unknown_percent ? 100 : UINT32_MAX, &number)) {
        *out_why = "give a number of targets, or a whole percentage: 10, 2%";
        return false;
    }
    setup->max_unknown = (double)number;
    return true;
}

static bool set_dry_run(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->dry_run = true;
    return true;
}

static const struct opt sweep_options[] = {
    OPT_GROUP("Input"),
    {'f', "input-file", "FILE", "inventory (default: standard input); README.md shows the formats",
     set_input},
    {0, "format", "NAME", "auto, plain, csv, zgrab2 or ndjson (auto)", set_format},
    {0, "strict", NULL, "the first bad line ends the sweep (default: told, counted, passed over)",
     set_strict},
    {0, "max-range", "N", "addresses that one CIDR line may stand for (65536)", set_max_range},
    {0, "shuffle", NULL, "in random order: a whole file, or 65,536 lines at a time of a pipe",
     set_shuffle},
    {0, "seed", "N", "for the same order again (random; in the metadata)", set_seed},
    {0, "shards", "N", "split the inventory over N runs ...", set_shards},
    {0, "shard", "I", "... of which this is number I, from 0", set_shard},
    OPT_END,
};

static const struct opt sweep_output_options[] = {
    OPT_GROUP("Output"),
    {'o', "output-file", "FILE", "records, NDJSON (default: standard output; none with --store)",
     set_output},
    {0, "overwrite", NULL, "replace existing output files", set_overwrite},
    {0, "append", NULL, "append to them", set_append},
    {0, "chain-detail", "D", "full, or ids: only digests of each certificate in the records (full)",
     set_chain_detail},
    {0, "chains-out", "FILE", "every distinct chain once, NDJSON", set_chains_out},
    {0, "chains-pem", NULL, "with the certificates as PEM", set_chains_pem},
    {0, "metadata-file", "FILE", "what was run, on what, and counts (JSON), at the end",
     set_metadata},
    {0, "prometheus", "FILE",
     "metrics for Prometheus' textfile collector (FILE.prom), replaced when\na sweep has ended by "
     "itself",
     set_prometheus},
    OPT_GROUP("Store"),
    {0, "store", "FILE",
     "keep the sweep in this SQLite file (made if need be; data/store.sql documents it):\n"
     "for diff, expiry and impact, and so that the next sweep verifies only new chains",
     set_store},
    {0, "resume", NULL,
     "go on with the interrupted sweep that the store holds for this -o FILE: the same\n"
     "inventory and options; every target is once in store and file",
     set_resume},
    OPT_GROUP("Telling"),
    {'q', "quiet", NULL, "no news, progress or summary; errors and bad lines only", set_quiet},
    OPT_GROUP("Exit code"),
    {0, "fail-on", "LIST",
     "verdicts and pkix results that give exit code 1, or "
     "none\n(mismatch,off-path,no-path,path-dependent)",
     set_fail_on},
    {0, "max-unknown", "N", "unknown targets beyond which the exit code is 3: N or N% (0)",
     set_max_unknown},
    OPT_GROUP("Other"),
    {0, "dry-run", NULL, "read and count everything, say what would be done, connect to nothing",
     set_dry_run},
    {0, "pin-cores", NULL, "fix each worker to a core", set_pin_cores},
    OPT_END,
};

/* --- what the person sees --- */

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep sweep [-f INVENTORY] [--policy POLICY.yaml]... [OPTIONS]\n"
         "\n"
         "Makes one TLS handshake for each view of each target, builds its certification "
         "paths, judges the\n"
         "pin sets of its host, and writes one JSON line a target.\n"
         "\n"
         "  pinsweep sweep -f inventory.txt --policy policy.yaml -o tonight.ndjson\n"
         "  pinsweep sweep -f inventory.txt --policy policy.yaml --store fleet.db\n"
         "  echo example.org | pinsweep sweep --all-addresses --key-types any,rsa,ecdsa");
    opt_print(table);
}

static void tell_counts(const char *title, const uint64_t *counts, int count,
                        const char *(*text)(int)) {
    char line[1024];
    size_t len = 0;
    line[0] = '\0';
    for (int i = 0; i < count && len < sizeof line - 64; i++) {
        if (counts[i] > 0) {
            char number[COUNT_TEXT_MAX];
            len += (size_t)snprintf(line + len, sizeof line - len, "%s%s %s", len > 0 ? ", " : "",
                                    text(i), count_text(number, counts[i]));
        }
    }
    log_info("%s: %s", title, len > 0 ? line : "none");
}

static const char *verdict_name(int i) {
    return verdict_text((enum verdict)i);
}
static const char *outcome_name(int i) {
    return outcome_text((enum outcome)i);
}
static const char *pkix_name(int i) {
    return pkix_text((enum pkix)i);
}

static uint64_t successes_of(const struct conns_stats *conns) {
    uint64_t sum = 0;
    for (size_t i = 0; i < ARRAY_COUNT(conns->by_version); i++) {
        sum += conns->by_version[i];
    }
    return sum;
}

static void tell_summary(const struct sweep_result *result) {
    char targets[COUNT_TEXT_MAX], seconds[COUNT_TEXT_MAX], rate[COUNT_TEXT_MAX],
        completed[COUNT_TEXT_MAX], succeeded[COUNT_TEXT_MAX], proven[COUNT_TEXT_MAX],
        attempted[COUNT_TEXT_MAX], rejected[COUNT_TEXT_MAX], rss[COUNT_TEXT_MAX];
    double wall = result->seconds > 0 ? result->seconds : 1e-9;
    log_info("%s targets in %s (%s a second)", count_text(targets, result->targets),
             duration_text(seconds, wall),
             count_text(rate, (uint64_t)((double)result->targets / wall)));
    tell_counts("verdicts", result->verdicts, VERDICT_COUNT, verdict_name);
    tell_counts("statuses", result->statuses, OUTCOME_COUNT, outcome_name);
    tell_counts("pkix", result->pkix, PKIX_COUNT, pkix_name);
    double cpu = result->cpu_user_s + result->cpu_system_s;
    uint64_t successes = successes_of(&result->conns);
    log_info("handshakes: %s attempted, %s succeeded, %s proven; CPU %.2f s user, %.2f s system "
             "(%.0f us a handshake); %s MB of memory at most",
             count_text(attempted, result->conns.opened), count_text(succeeded, successes),
             count_text(proven, result->conns.proven), result->cpu_user_s, result->cpu_system_s,
             successes > 0 ? cpu * 1e6 / (double)successes : 0.0,
             count_text(rss, result->max_rss_bytes >> 20));
    if (result->conns.fallback > 0) {
        log_info("%s servers needed the complete handshake in spite of --depth",
                 count_text(completed, result->conns.fallback));
    }
    if (result->input.rejected > 0) {
        log_info("%s lines of the input were bad and passed over",
                 count_text(rejected, result->input.rejected));
    }
}

static void tell_dry_run(const struct setup *setup, const struct sweep_result *result) {
    char lines[COUNT_TEXT_MAX], accepted[COUNT_TEXT_MAX], rejected[COUNT_TEXT_MAX],
        skipped[COUNT_TEXT_MAX], targets[COUNT_TEXT_MAX], bytes[COUNT_TEXT_MAX];
    printf("input     %s: %s lines: %s accepted, %s rejected, %s skipped; %s targets\n",
           result->input_name, count_text(lines, result->input.lines),
           count_text(accepted, result->input.accepted),
           count_text(rejected, result->input.rejected), count_text(skipped, result->input.skipped),
           count_text(targets, result->input.targets));
    for (uint32_t i = 0; i < setup->store.count; i++) {
        printf("trust     %s: %u anchors from %s\n", setup->store.profiles[i].name,
               setup->store.profiles[i].count, setup->store.profiles[i].file);
    }
    printf("policy    %u pin sets\n", setup->pins.set_count);
    printf("workers   %u, with %u connections in flight each", result->plan.workers,
           result->plan.sizes.start);
    if (result->plan.sizes.start < result->plan.sizes.conns) {
        printf(" at first, up to %u", result->plan.sizes.conns);
    }
    printf(" (%s)\n", result->plan.bound);
    struct plan_item items[PLAN_ITEMS_MAX];
    size_t count = sweep_plan_items(&setup->config, &result->plan, items);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        char each[COUNT_TEXT_MAX], many[COUNT_TEXT_MAX];
        printf("%s%-22s %12s x %10s bytes\n", i == 0 ? "memory    " : "          ", items[i].name,
               count_text(many, items[i].count), count_text(each, items[i].each_bytes));
        sum += items[i].count * items[i].each_bytes;
    }
    printf("          %-22s %12s MB at full load, besides policy and trust\n", "sum",
           count_text(bytes, sum >> 20));
    puts("nothing was connected to (--dry-run)");
}

/* --- the exit code --- */

static bool has_findings(const struct setup *setup, const struct sweep_result *result) {
    for (int i = 0; i < VERDICT_COUNT; i++) {
        if ((setup->fail_on_verdicts & 1u << i) != 0 && result->verdicts[i] > 0) {
            return true;
        }
    }
    for (int i = 0; i < PKIX_COUNT; i++) {
        if ((setup->fail_on_pkix & 1u << i) != 0 && result->pkix[i] > 0) {
            return true;
        }
    }
    return false;
}

static bool is_incomplete(const struct setup *setup, const struct sweep_result *result) {
    double allowed = setup->max_unknown_percent ? setup->max_unknown / 100 * (double)result->targets
                                                : setup->max_unknown;
    return (double)result->unknown > allowed;
}

/* The input's own error (strict, unreadable) is a bad input file; findings come before
 * incompleteness. */
static int exit_code(const struct setup *setup, const struct sweep_result *result) {
    if (has_findings(setup, result)) {
        return 1;
    }
    return is_incomplete(setup, result) ? 3 : 0;
}

static int fail(enum err err, const struct err_note *note) {
    log_error("%s", note->text);
    return err_exit_code(err);
}

static bool file_status(const char *file, int standard_fd, struct stat *out) {
    return (strcmp(file, "-") == 0 ? fstat(standard_fd, out) : stat(file, out)) == 0;
}

static const char *last_part(const char *file) {
    const char *slash = strrchr(file, '/');
    return slash != NULL ? slash + 1 : file;
}

/* Two that are not there yet: the same name in the same folder. */
static bool is_same_new_file(const char *a, const char *b) {
    char a_copy[PATH_MAX], b_copy[PATH_MAX];
    struct stat x, y;
    if ((size_t)snprintf(a_copy, sizeof a_copy, "%s", a) >= sizeof a_copy ||
        (size_t)snprintf(b_copy, sizeof b_copy, "%s", b) >= sizeof b_copy ||
        strcmp(last_part(a), last_part(b)) != 0) {
        return false;
    }
    return stat(dirname(a_copy), &x) == 0 && stat(dirname(b_copy), &y) == 0 &&
           x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* By another name too ("x" and "./x"); devices may be shared. */
static bool is_same_file(const char *a, const char *b, int b_standard_fd) {
    struct stat x, y;
    bool a_is = file_status(a, STDOUT_FILENO, &x), b_is = file_status(b, b_standard_fd, &y);
    if (!a_is && !b_is) {
        return is_same_new_file(a, b);
    }
    return a_is && b_is && S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool outputs_clash(const struct setup *setup) {
    const struct sweep_config *config = &setup->config;
    bool to_standard = config->output_file == NULL && setup->store_file == NULL;
    const char *files[] = {to_standard ? "-" : config->output_file, config->chains_file,
                           setup->metadata_file, setup->store_file, setup->prometheus_file};
    const char *input = config->inventory.file != NULL ? config->inventory.file : "-";
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        for (size_t j = i + 1; files[i] != NULL && j < ARRAY_COUNT(files); j++) {
            if (files[j] != NULL && (strcmp(files[i], files[j]) == 0 ||
                                     is_same_file(files[i], files[j], STDOUT_FILENO))) {
                log_error(
                    "sweep: records, chains, metadata, metrics and store need files of their own");
                return true;
            }
        }
        if (files[i] != NULL && is_same_file(files[i], input, STDIN_FILENO)) {
            log_error("sweep: %s: an output would take the place of the inventory",
                      strcmp(files[i], "-") == 0 ? "standard output" : files[i]);
            return true;
        }
    }
    return false;
}

/* As the sink refuses it for the other outputs. */
static bool metadata_would_be_lost(const struct setup *setup) {
    struct stat info;
    return setup->metadata_file != NULL && !setup->config.overwrite && !setup->config.append &&
           !setup->resume && stat(setup->metadata_file, &info) == 0 && S_ISREG(info.st_mode) &&
           info.st_size > 0;
}

static bool check_usage(const struct setup *setup, int operand_count, char **operands) {
    const struct sweep_config *config = &setup->config;
    if (operand_count > 0) {
        log_error("sweep: '%s': targets come from a file or standard input: -f FILE, or echo %s | "
                  "pinsweep sweep",
                  operands[0], operands[0]);
        return false;
    }
    if (config->overwrite && config->append) {
        log_error("sweep: --overwrite and --append exclude each other");
        return false;
    }
    if (config->inventory.shard >= config->inventory.shards) {
        log_error("sweep: --shard %u: with --shards %u the last one is %u", config->inventory.shard,
                  config->inventory.shards, config->inventory.shards - 1);
        return false;
    }
    if (!sweep_store_check(setup) || outputs_clash(setup)) {
        return false;
    }
    if (metadata_would_be_lost(setup)) {
        log_error("%s: the file exists and is not empty; say --overwrite (with --append too it is "
                  "replaced)",
                  setup->metadata_file);
        return false;
    }
    if (config->inventory.file == NULL && isatty(STDIN_FILENO)) {
        log_error("sweep: reading the inventory from this terminal, one target a line, Ctrl-D ends "
                  "it (-f FILE reads a file)");
    }
    return true;
}

static enum err sweep(struct setup *setup, struct sweep_result *result, struct err_note *note) {
    struct store_writer *writer;
    result->ran = false;
    enum err err = sweep_store_open(setup, &writer, note);
    if (err == ERR_NONE) {
        err = sweep_run(&setup->config, result, note);
    }
    store_writer_close(writer);
    if (setup->metadata_file != NULL && result->ran) {
        struct err_note metadata_note;
        enum err metadata_err =
            metadata_write(setup->metadata_file, &setup->config, result, &metadata_note);
        err = err_worse(err, note, metadata_err, &metadata_note);
    }
    if (setup->prometheus_file != NULL && err == ERR_NONE) {
        err = prometheus_write(setup->prometheus_file, &setup->config, result, note);
    }
    return err;
}

static int run(struct setup *setup) {
    struct sweep_result result;
    struct err_note note;
    log_set_quiet(setup->config.quiet);
    enum err err = setup_load(setup, &note);
    if (err != ERR_NONE) {
        return fail(err, &note);
    }
    if (setup->dry_run) {
        err = sweep_dry_run(&setup->config, &result, &note);
        if (err != ERR_NONE) {
            return fail(err, &note);
        }
        tell_dry_run(setup, &result);
        return 0;
    }
    err = sweep(setup, &result, &note);
    if (err == ERR_NONE || err == ERR_INTERRUPTED) {
        tell_summary(&result);
    }
    if (err != ERR_NONE) {
        return fail(err, &note);
    }
    return exit_code(setup, &result);
}

int cmd_sweep(int argc, char **argv) {
    static struct setup setup;
    setup_init(&setup);
    const struct opt *const parts[] = {sweep_options, setup_policy_options, setup_network_options,
                                       sweep_output_options, NULL};
    struct opt_table table = {.parts = parts, .context = &setup};
    int operand_count, code;
    bool help;
    if (!opt_parse(&table, "sweep", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (!check_usage(&setup, operand_count, argv)) {
        code = 2;
    } else {
        code = run(&setup);
    }
    setup_fini(&setup);
    return code;
}
