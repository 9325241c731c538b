/* pinsweep hash: certificates in files to pins. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/opt.h"
#include "cli/setup.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/codec/text.h"
#include "engine/corpus/corpus.h"
#include "engine/policy/import.h"
#include "engine/sweep/progress.h"
#include "engine/sweep/sink.h"

#define TERMINAL_NS (200 * NS_PER_MS)
#define WRITER_BEHIND_NS                                                                           \
    200000L /* how long a worker waits for the writer before it looks again                        \
             */

/* What --fail-on may name. */
enum { FAIL_MATCHED = 1, FAIL_UNMATCHED = 2, FAIL_BROKEN = 4, FAIL_NOT_STRICT = 8 };

struct hash {
    struct corpus_config config;
    const char *policies[SETUP_POLICIES_MAX];
    uint32_t policy_count;
    const char *output_file;
    bool overwrite, append, quiet, terminal;
    uint32_t fail_on;

    struct pin_index index;
    struct trust_store store;
    struct pin_table table;
    struct sink *sink;
    pthread_mutex_t held_lock;
    struct sink_block *held; /* lines for the writer, not held longer than till the next progress */
    uint64_t started_ns, shown_ns;
};

/* --- options --- */

static bool word_at(const char *value, const char *const *words, int *out) {
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], value) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool set_format(void *context, const char *value, const char **out_why) {
    int word;
    *out_why = "give auto, pem, der, der4, der3, der2, pkcs7, ndjson, csv or base64";
    if (!word_at(value, corpus_format_words, &word)) {
        return false;
    }
    ((struct hash *)context)->config.format = (enum corpus_format)word;
    return true;
}

static bool set_column(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct hash *)context)->config.column = value;
    return true;
}

static bool set_output(void *context, const char *value, const char **out_why) {
    int word;
    *out_why = "give text, ndjson, csv or curl";
    if (!word_at(value, corpus_output_words, &word)) {
        return false;
    }
    ((struct hash *)context)->config.output = (enum corpus_output)word;
    return true;
}

static bool set_fingerprint(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct hash *)context)->config.fingerprint = true;
    return true;
}

static bool set_unique(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct hash *)context)->config.unique = true;
    return true;
}

static bool set_unique_max(void *context, const char *value, const char **out_why) {
    struct hash *hash = context;
    *out_why = "give the number of pins to remember";
    hash->config.unique = true;
    return text_parse_u64(span_str(value), UINT64_C(1) << 40, &hash->config.unique_max) &&
           hash->config.unique_max > 0;
}

static bool add_policy(void *context, const char *value, const char **out_why) {
    struct hash *hash = context;
    *out_why = "too many policies";
    if (hash->policy_count == SETUP_POLICIES_MAX) {
        return false;
    }
    hash->policies[hash->policy_count++] = value;
    return true;
}

static bool set_output_file(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct hash *)context)->output_file = value;
    return true;
}

static bool set_overwrite(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct hash *)context)->overwrite = true;
    return true;
}

static bool set_append(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct hash *)context)->append = true;
    return true;
}

static bool set_threads(void *context, const char *value, const char **out_why) {
    return setup_parse_u32(value, 1, CORPUS_THREADS_MAX, &((struct hash *)context)->config.threads,
                           out_why);
}

static bool set_quiet(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct hash *)context)->quiet = true;
    return true;
}

static bool add_fail_on(void *context, struct span part, const char **out_why) {
    static const char *const words[] = {"matched", "unmatched", "broken", "not-strict", "none"};
    static const uint32_t bits[] = {FAIL_MATCHED, FAIL_UNMATCHED, FAIL_BROKEN, FAIL_NOT_STRICT, 0};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (span_equal_str(part, words[i])) {
            ((struct hash *)context)->fail_on |= bits[i];
            return true;
        }
    }
    *out_why = "give matched, unmatched (with --match), broken, not-strict (ndjson and csv) or "
               "none";
    return false;
}

static bool set_fail_on(void *context, const char *value, const char **out_why) {
    struct hash *hash = context;
    hash->fail_on = 0;
    return setup_each_part(value, add_fail_on, hash, out_why);
}

static const struct opt hash_options[] = {
    OPT_GROUP("Input"),
    {0, "format", "NAME",
     "auto: guessed for each file from its bytes; pem (bundles, any text between, PKCS#7 blocks),\n"
     "der (one, or one behind the other), der4, der3, der2 (each behind its length in 4, 3 or 2\n"
     "bytes, big-endian), pkcs7, ndjson (zgrab2, tlsx -cert, CertStream, our own --chains-out),\n"
     "csv (PEM or base64 in one column), base64 (one DER a line)",
     set_format},
    {0, "column", "NAME", "of csv: the column with the certificate, or its number from 1",
     set_column},
    OPT_GROUP("Output"),
    {0, "output", "NAME",
     "text: sha256/..., a line each; ndjson (data/hash.schema.json) and csv: with file, offset, "
     "names\nand dates; curl: one line, the value of --pinnedpubkey (text)",
     set_output},
    {0, "fingerprint", NULL, "the certificate's own SHA-256 too (text: behind a tab)",
     set_fingerprint},
    {0, "unique", NULL, "each pin once: of the first certificate that has it", set_unique},
    {0, "unique-max", "N", "pins that --unique remembers, up to 80 bytes each (16777216)",
     set_unique_max},
    {0, "match", "POLICY",
     "name the pin sets of this policy that pin each certificate (text: behind a tab; 1,024 at "
     "most,\n"
     "then \"...\"); repeatable",
     add_policy},
    {'o', "output-file", "FILE", "(default: standard output)", set_output_file},
    {0, "overwrite", NULL, "replace an existing output file", set_overwrite},
    {0, "append", NULL, "append to it", set_append},
    {'q', "quiet", NULL, "no news, progress or summary; errors and broken certificates only",
     set_quiet},
    OPT_GROUP("Exit code"),
    {0, "fail-on", "LIST",
     "what gives exit code 1: matched, unmatched, broken, not-strict, or none (none)", set_fail_on},
    OPT_GROUP("Other"),
    {0, "threads", "N", "worker threads (as many as this process may use)", set_threads},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep hash [FILE|FOLDER|-]... [OPTIONS]\n"
         "\n"
         "Writes the pin (SHA-256 of the raw SubjectPublicKeyInfo) of every certificate in the "
         "files, in their order;\n"
         "folders are walked, files in them that hold no certificates are passed over. Without "
         "FILE: standard input.\n"
         "\n"
         "  pinsweep hash /etc/ssl/certs/ca-certificates.crt\n"
         "  pinsweep hash corpus/ --unique -o pins.txt\n"
         "  pinsweep hash chains.ndjson --match policy.yaml --output ndjson\n"
         "  curl --pinnedpubkey \"$(pinsweep hash server.pem --output curl)\" https://...");
    opt_print(table);
    puts("\n"
         "A certificate in which no key can be found is told with file and offset, counted and "
         "passed over. One that is\n"
         "malformed elsewhere is written: its key is what clients hash (ndjson and csv say "
         "strict: false).\n"
         "Exit code 2: a file could not be read to its end, or no certificate was found at all; 1: "
         "--fail-on; "
         "else 0.");
}

/* --- what the pipeline calls --- */

static void give_lines(struct hash *hash) {
    if (hash->held != NULL) {
        sink_give(hash->sink, hash->held);
        hash->held = NULL;
    }
}

/* Gathered: to wake the writer for each block of input would cost more than its lines. They come
   whole, and stay together. */
static bool write_lines(void *context, const char *bytes, size_t len) {
    struct hash *hash = context;
    bool good;
    pthread_mutex_lock(&hash->held_lock);
    while ((good = !sink_failed(hash->sink)) && len > 0) {
        struct sink_block *block = hash->held;
        if (block != NULL && block->capacity - block->len >= len) {
            memcpy(block->bytes + block->len, bytes, len);
            block->len += len;
            break;
        }
        give_lines(hash);
        hash->held = sink_take(hash->sink, SINK_RECORDS, len < BLOCK_BYTES ? BLOCK_BYTES : len);
        if (hash->held == NULL) {
            nanosleep(&(struct timespec){.tv_nsec = WRITER_BEHIND_NS}, NULL);
        }
    }
    pthread_mutex_unlock(&hash->held_lock);
    return good;
}

static void tell_complaint(void *context, const char *text) {
    (void)context;
    log_complaint("%s", text);
}

static void on_progress(void *context, const struct corpus_stats *stats) {
    struct hash *hash = context;
    uint64_t now_ns = clock_mono_ns(&clock_system);
    if (pthread_mutex_trylock(&hash->held_lock) == 0) { /* busy: lines are on their way */
        give_lines(hash);
        pthread_mutex_unlock(&hash->held_lock);
    }
    if (!hash->terminal || hash->quiet || now_ns - hash->shown_ns < TERMINAL_NS) {
        return;
    }
    char line[200], certificates[COUNT_TEXT_MAX], rate[COUNT_TEXT_MAX], megabytes[COUNT_TEXT_MAX],
        broken[COUNT_TEXT_MAX];
    double seconds = (double)(now_ns - hash->started_ns) / (double)NS_PER_S;
    hash->shown_ns = now_ns;
    snprintf(line, sizeof line, "%s certificates  %s MB  %s/s  broken %s",
             count_text(certificates, stats->certificates),
             count_text(megabytes, stats->bytes >> 20),
             count_text(rate, (uint64_t)((double)stats->certificates / seconds)),
             count_text(broken, stats->broken));
    log_progress(line);
}

static atomic_bool interrupted;

static void on_signal(int number) {
    if (atomic_exchange(&interrupted, true)) {
        _exit(128 + number);
    }
}

/* A signal that was ignored when the program began (nohup) stays so. */
static void catch_signals(void) {
    static const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        struct sigaction action = {.sa_handler = on_signal}, before;
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            sigaction(numbers[i], &action, NULL);
        }
    }
}

/* --- summary and exit code --- */

static void tell_summary(const struct hash *hash, const struct corpus_stats *stats) {
    char certificates[COUNT_TEXT_MAX], files[COUNT_TEXT_MAX], seconds[COUNT_TEXT_MAX],
        rate[COUNT_TEXT_MAX], number[COUNT_TEXT_MAX], other[COUNT_TEXT_MAX];
    double wall = (double)(clock_mono_ns(&clock_system) - hash->started_ns) / (double)NS_PER_S;
    log_info("%s certificates of %s files in %s (%s a second)",
             count_text(certificates, stats->certificates), count_text(files, stats->files),
             duration_text(seconds, wall),
             count_text(rate, (uint64_t)((double)stats->certificates / (wall > 0 ? wall : 1e-9))));
    if (stats->broken > 0) {
        log_info("%s broken ones passed over (%s of them hold a raw key)",
                 count_text(number, stats->broken), count_text(other, stats->salvaged));
    }
    if (stats->not_strict > 0) {
        log_info("%s are malformed outside of their key (strict: false)",
                 count_text(number, stats->not_strict));
    }
    if (hash->config.unique) {
        log_info("%s repeated pins left out", count_text(number, stats->duplicates));
    }
    if (hash->config.pins != NULL) {
        log_info("%s carry a pin of the policy", count_text(number, stats->matched));
    }
    if (stats->empty > 0) {
        log_info("%s records without a certificate", count_text(number, stats->empty));
    }
    if (stats->files_passed > 0) {
        log_info("%s files of folders passed over: no certificates recognised",
                 count_text(number, stats->files_passed));
    }
    if (stats->files_failed > 0) {
        log_info("%s files could not be read", count_text(number, stats->files_failed));
    }
}

static int exit_code(const struct hash *hash, const struct corpus_stats *stats) {
    if (stats->files_failed > 0) {
        return 2;
    }
    if (stats->certificates == 0) {
        log_error("hash: no certificate found");
        return 2;
    }
    uint32_t findings = (stats->matched > 0 ? FAIL_MATCHED : 0u) |
                        (stats->matched < stats->certificates ? FAIL_UNMATCHED : 0u) |
                        (stats->broken > 0 ? FAIL_BROKEN : 0u) |
                        (stats->not_strict > 0 ? FAIL_NOT_STRICT : 0u);
    return (findings & hash->fail_on) != 0 ? 1 : 0;
}

/* --- the run --- */

static bool check_usage(const struct hash *hash) {
    bool plain = hash->config.output == CORPUS_OUT_CURL;
    bool looks = hash->config.output == CORPUS_OUT_NDJSON || hash->config.output == CORPUS_OUT_CSV;
    if (hash->overwrite && hash->append) {
        log_error("hash: --overwrite and --append exclude each other");
        return false;
    }
    if (plain && (hash->config.fingerprint || hash->policy_count > 0)) {
        log_error("hash: curl's format has no place for --fingerprint and --match");
        return false;
    }
    if (hash->policy_count == 0 && (hash->fail_on & (FAIL_MATCHED | FAIL_UNMATCHED)) != 0) {
        log_error("hash: --fail-on matched and unmatched need --match POLICY");
        return false;
    }
    if (!looks && (hash->fail_on & FAIL_NOT_STRICT) != 0) {
        log_error("hash: --fail-on not-strict needs --output ndjson or csv: text looks at keys "
                  "only");
        return false;
    }
    if (hash->config.column != NULL && hash->config.format != CORPUS_AUTO &&
        hash->config.format != CORPUS_CSV) {
        log_error("hash: --column is about --format csv");
        return false;
    }
    return true;
}

static enum err load_policies(struct hash *hash, struct err_note *note) {
    enum err err = policy_load_all(hash->policies, hash->policy_count, IMPORT_AUTO, &hash->index,
                                   &hash->store, note);
    if (err == ERR_NONE && hash->policy_count > 0) {
        err = pin_table_init(&hash->table, &hash->index, note);
        hash->config.pins = &hash->table;
    }
    return err;
}

static int fail(enum err err, const struct err_note *note) {
    log_error("%s", note->text);
    return err_exit_code(err);
}

static int run(struct hash *hash) {
    struct corpus_stats stats;
    struct err_note note, sink_note;
    struct sink_config output = {
        .overwrite = hash->overwrite, .append = hash->append, .block_count = BLOCKS_PER_WORKER};
    output.files[SINK_RECORDS] = hash->output_file != NULL ? hash->output_file : "-";
    struct stat info;
    hash->config.headless = hash->append && hash->output_file != NULL &&
                            stat(hash->output_file, &info) == 0 && info.st_size > 0;
    log_set_quiet(hash->quiet);
    enum err err = load_policies(hash, &note);
    if (err == ERR_NONE) {
        err = sink_open(&output, &hash->sink, &note);
    }
    if (err != ERR_NONE) {
        return fail(err, &note);
    }
    catch_signals();
    hash->started_ns = clock_mono_ns(&clock_system);
    err = corpus_run(&hash->config, &stats, &note);
    if (hash->terminal && !hash->quiet) {
        log_progress(NULL);
    }
    give_lines(hash);
    enum err sink_err = sink_close(hash->sink, &sink_note);
    if (sink_err != ERR_NONE && err != ERR_INTERRUPTED) {
        return fail(sink_err, &sink_note); /* says why, where the pipeline only knows that */
    }
    tell_summary(hash, &stats);
    return err != ERR_NONE ? fail(err, &note) : exit_code(hash, &stats);
}

int cmd_hash(int argc, char **argv) {
    static struct hash hash;
    static const char *const standard_input[] = {"-"};
    const struct opt *const parts[] = {hash_options, NULL};
    struct opt_table table = {.parts = parts, .context = &hash};
    int operand_count, code = 2;
    bool help;
    hash.config = (struct corpus_config){.unique_max = CORPUS_UNIQUE_DEFAULT,
                                         .stop = &interrupted,
                                         .write = write_lines,
                                         .complain = tell_complaint,
                                         .progress = on_progress,
                                         .context = &hash};
    pthread_mutex_init(&hash.held_lock, NULL);
    hash.terminal = isatty(STDERR_FILENO) != 0;
    pin_index_init(&hash.index, 1);
    trust_store_init(&hash.store);
    if (!opt_parse(&table, "hash", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (check_usage(&hash)) {
        hash.config.inputs = operand_count > 0 ? (const char *const *)argv : standard_input;
        hash.config.input_count = operand_count > 0 ? (size_t)operand_count : 1;
        if (operand_count == 0 && isatty(STDIN_FILENO)) {
            log_error("hash: reading certificates from this terminal, Ctrl-D ends them");
        }
        code = run(&hash);
    }
    pin_table_fini(&hash.table);
    pin_index_fini(&hash.index);
    trust_store_fini(&hash.store);
    return code;
}
