/* pinsweep bench: what a handshake costs on this machine, with everything that it can be held
   against measured in the same run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/bench.h"
#include "cli/command.h"
#include "cli/setup.h"
#include "engine/base/log.h"

#define QUICK_ROUNDS 2
#define DEFAULT_ROUNDS 3

static bool add_depth(void *context, struct span part, const char **out_why) {
    struct bench_options *options = context;
    enum depth depth;
    if (!depth_from_text(part, &depth)) {
        *out_why = "not a depth; a list of complete, prove, capture";
        return false;
    }
    for (uint32_t i = 0; i < options->depth_count; i++) {
        if (options->depths[i] == depth) {
            return true;
        }
    }
    options->depths[options->depth_count++] = depth;
    return true;
}

static bool add_tls(void *context, struct span part, const char **out_why) {
    struct bench_options *options = context;
    uint16_t tls;
    if (!tls_version_from_text(part, &tls) || tls < TLS1_2_VERSION) {
        *out_why = "not a version that is measured; a list of 1.2, 1.3";
        return false;
    }
    if (options->tls_count == 0 || options->tls[0] != tls) {
        options->tls[options->tls_count < 2 ? options->tls_count++ : 1] = tls;
    }
    return true;
}

static bool add_key(void *context, struct span part, const char **out_why) {
    struct bench_options *options = context;
    bool is_rsa = span_equal(part, span_str("rsa"));
    if (!is_rsa && !span_equal(part, span_str("ecdsa"))) {
        *out_why = "not a key that is measured; a list of ecdsa, rsa";
        return false;
    }
    enum measure_key key = is_rsa ? MEASURE_RSA : MEASURE_ECDSA;
    if (options->key_count == 0 || options->keys[0] != key) {
        options->keys[options->key_count < 2 ? options->key_count++ : 1] = key;
    }
    return true;
}

/* Into an ascending list, each number once. */
static bool add_number(uint32_t *list, uint32_t *count, uint32_t max, struct span part,
                       const char **out_why) {
    char text[16];
    uint32_t number, at = 0;
    snprintf(text, sizeof text, "%.*s", (int)(part.len < 15 ? part.len : 15),
             (const char *)part.data);
    if (!setup_parse_u32(text, 1, max, &number, out_why)) {
        return false;
    }
    while (at < *count && list[at] < number) {
        at++;
    }
    if (at < *count && list[at] == number) {
        return true;
    }
    if (*count == BENCH_LIST_MAX) {
        *out_why = "at most 8 numbers";
        return false;
    }
    memmove(list + at + 1, list + at, (*count - at) * sizeof *list);
    list[at] = number;
    (*count)++;
    return true;
}

static bool add_in_flight(void *context, struct span part, const char **out_why) {
    struct bench_options *options = context;
    return add_number(options->in_flight, &options->in_flight_count, 60000, part, out_why);
}

static bool add_threads(void *context, struct span part, const char **out_why) {
    struct bench_options *options = context;
    struct measure_cores cores;
    measure_cores_split(&cores, 1);
    return add_number(options->threads, &options->thread_count, cores.count, part, out_why);
}

#define LIST_SETTER(name, add, counter)                                                            \
    static bool name(void *context, const char *value, const char **out_why) {                     \
        ((struct bench_options *)context)->counter = 0;                                            \
        return setup_each_part(value, add, context, out_why);                                      \
    }
LIST_SETTER(set_depth, add_depth, depth_count)
LIST_SETTER(set_tls, add_tls, tls_count)
LIST_SETTER(set_key, add_key, key_count)
LIST_SETTER(set_in_flight, add_in_flight, in_flight_count)
LIST_SETTER(set_threads, add_threads, thread_count)

static bool set_quick(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct bench_options *)context)->quick = true;
    return true;
}

static bool set_rounds(void *context, const char *value, const char **out_why) {
    return setup_parse_u32(value, 1, BENCH_ROUNDS_MAX, &((struct bench_options *)context)->rounds,
                           out_why);
}

static bool set_count(void *context, const char *value, const char **out_why) {
    return setup_parse_u32(value, 100, 10000000, &((struct bench_options *)context)->count,
                           out_why);
}

static bool set_json(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct bench_options *)context)->json_file = value;
    return true;
}

static bool set_compare(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct bench_options *)context)->compare_file = value;
    return true;
}

static bool set_overwrite(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct bench_options *)context)->overwrite = true;
    return true;
}

static bool set_be_quiet(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct bench_options *)context)->quiet = true;
    return true;
}

static const struct opt bench_options[] = {
    OPT_GROUP("What is measured"),
    {0, "quick", NULL, "256 in flight on one thread, few handshakes, two rounds: half a minute",
     set_quick},
    {0, "depth", "LIST", "complete,prove,capture (all)", set_depth},
    {0, "tls", "LIST", "versions: 1.2,1.3 (both)", set_tls},
    {0, "key", "LIST", "keys of the leaves: ecdsa (P-256), rsa (2048) (both)", set_key},
    {0, "in-flight", "LIST", "connections at a time (256,2000,10000)", set_in_flight},
    {0, "threads", "LIST",
     "threads of the client (1,2,4 ... all cores: from the second on at 2,000 in\n"
     "flight and in TLS 1.3 alone, unless this option says which)",
     set_threads},
    {0, "rounds", "N", "of which the median is told (3)", set_rounds},
    {0, "count", "N", "handshakes of each measurement (from 6,000, twice as many as are in flight)",
     set_count},
    OPT_GROUP("Result"),
    {0, "json", "FILE", "write it as JSON too (data/bench.schema.json)", set_json},
    {0, "overwrite", NULL, "even if FILE is there", set_overwrite},
    {0, "compare", "FILE", "print ratios to an earlier --json, and which of them are noise",
     set_compare},
    {'q', "quiet", NULL, "no news on standard error", set_be_quiet},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep bench [OPTIONS]\n"
         "\n"
         "Starts a simulated TLS fleet on this machine's loopback and measures the CPU time of a "
         "handshake at\n"
         "every depth, beside what it cannot be less than: the same bytes over bare io_uring "
         "connections, the\n"
         "same handshake in memory, the primitives. Client and server have cores of their own as "
         "far as there\n"
         "are enough. Takes a few minutes.");
    opt_print(table);
}

/* What was not asked for. */
static void complete(struct bench_options *options) {
    static const uint32_t in_flight[] = {256, 2000, 10000};
    struct measure_cores cores;
    measure_cores_split(&cores, 1);
    options->whole_product = options->thread_count > 0;
    if (options->rounds == 0) {
        options->rounds = options->quick ? QUICK_ROUNDS : DEFAULT_ROUNDS;
    }
    for (int i = 0, given = (int)options->depth_count; given == 0 && i < 3; i++) {
        options->depths[options->depth_count++] = (enum depth)i;
    }
    if (options->tls_count == 0) {
        options->tls[options->tls_count++] = TLS1_3_VERSION;
        options->tls[options->tls_count++] = TLS1_2_VERSION;
    }
    for (int i = 0, given = (int)options->key_count; given == 0 && i < MEASURE_KEY_COUNT; i++) {
        options->keys[options->key_count++] = (enum measure_key)i;
    }
    if (options->in_flight_count == 0) {
        options->in_flight_count = options->quick ? 1 : ARRAY_COUNT(in_flight);
        memcpy(options->in_flight, in_flight, sizeof in_flight);
    }
    if (options->thread_count == 0) {
        options->threads[options->thread_count++] = 1;
        for (uint32_t threads = 2;
             threads < cores.count && !options->quick && options->thread_count + 1 < BENCH_LIST_MAX;
             threads *= 2) {
            options->threads[options->thread_count++] = threads;
        }
        if (cores.count > 1 && !options->quick) {
            options->threads[options->thread_count++] = cores.count;
        }
    }
}

static bool check_usage(const struct bench_options *options, int operand_count, char **operands) {
    struct stat info;
    if (operand_count > 0) {
        log_error("bench: '%s': the bench takes options only", operands[0]);
        return false;
    }
    if (options->json_file != NULL && !options->overwrite && stat(options->json_file, &info) == 0 &&
        S_ISREG(info.st_mode) && info.st_size > 0) {
        log_error("%s: the file exists and is not empty; say --overwrite", options->json_file);
        return false;
    }
    return true;
}

/* Before minutes are spent: whether the result can be written. */
static enum err try_json(const struct bench_options *options, struct err_note *note) {
    FILE *out = options->json_file != NULL ? fopen(options->json_file, "ae") : NULL;
    if (options->json_file != NULL && out == NULL) {
        return err_note(note, ERR_IO, "%s: cannot write: %s", options->json_file, strerror(errno));
    }
    if (out != NULL) {
        fclose(out);
    }
    return ERR_NONE;
}

static int run(struct bench_options *options) {
    static struct bench_result result;
    struct bench_old *old = NULL;
    struct err_note note;
    log_set_quiet(options->quiet);
    enum err err = options->compare_file != NULL
                       ? bench_old_load(options->compare_file, &old, &note)
                       : ERR_NONE;
    if (err == ERR_NONE) {
        err = try_json(options, &note);
    }
    if (err == ERR_NONE) {
        err = bench_run(options, &result, &note);
    }
    if (err == ERR_NONE) {
        bench_table_print(&result);
        if (old != NULL) {
            bench_compare_print(&result, old);
        }
        if (options->json_file != NULL) {
            err = bench_json_write(&result, program_argc, program_argv, &note);
        }
    }
    bench_old_free(old);
    if (err != ERR_NONE) {
        log_error("bench: %s", note.text);
    }
    return err_exit_code(err);
}

int cmd_bench(int argc, char **argv) {
    static struct bench_options options;
    const struct opt *const parts[] = {bench_options, NULL};
    struct opt_table table = {.parts = parts, .context = &options};
    int operand_count;
    bool help;
    if (!opt_parse(&table, "bench", argc, argv, &operand_count, &help)) {
        return 2;
    }
    if (help) {
        print_help(&table);
        return 0;
    }
    if (!check_usage(&options, operand_count, argv)) {
        return 2;
    }
    complete(&options);
    return run(&options);
}
