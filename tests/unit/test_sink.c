#include "engine/sweep/sink.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "engine/codec/text.h"
#include "tests/support/suite.h"

static char folder[] = "/tmp/pinsweep-sink-XXXXXX";
static char records_file[64], chains_file[64];

static void remove_folder(void) {
    unlink(records_file);
    unlink(chains_file);
    rmdir(folder);
}

static void make_names(void) {
    static bool made;
    if (!made) {
        made = mkdtemp(folder) != NULL;
        atexit(remove_folder);
        snprintf(records_file, sizeof records_file, "%s/records", folder);
        snprintf(chains_file, sizeof chains_file, "%s/chains", folder);
    }
    unlink(records_file);
    unlink(chains_file);
}

static char *read_file(const char *file, size_t *out_len) {
    FILE *in = fopen(file, "rb");
    char *bytes = calloc(1, 64 << 20);
    *out_len = in != NULL ? fread(bytes, 1, (64 << 20) - 1, in) : 0;
    if (in != NULL) {
        fclose(in);
    }
    return bytes;
}

static struct sink_block *take_waiting(struct sink *sink, enum sink_stream stream,
                                       size_t capacity) {
    struct sink_block *block;
    while ((block = sink_take(sink, stream, capacity)) == NULL) {
        usleep(100);
    }
    return block;
}

#define PRODUCERS 4
#define LINES_EACH 20000

struct producer {
    struct sink *sink;
    unsigned idx;
    pthread_t thread;
};

static void *produce(void *context) {
    struct producer *producer = context;
    struct rng rng;
    rng_init(&rng, producer->idx);
    struct sink_block *block = NULL;
    for (unsigned i = 0; i < LINES_EACH; i++) {
        if (block == NULL) {
            block = take_waiting(producer->sink, SINK_RECORDS, BLOCK_BYTES);
        }
        char line[64];
        int len = snprintf(line, sizeof line, "p%u line %u %.*s\n", producer->idx, i,
                           (int)rng_below(&rng, 20), "....................");
        memcpy(block->bytes + block->len, line, (size_t)len);
        block->len += (size_t)len;
        if (rng_below(&rng, 500) == 0) {
            sink_give(producer->sink, block);
            block = NULL;
        }
    }
    if (block != NULL) {
        sink_give(producer->sink, block);
    }
    return NULL;
}

/* Every line of every thread is there exactly once, whole, and in its thread's order. */
static void test_many_producers(void) {
    make_names();
    struct sink_config config = {.files = {records_file, NULL}, .block_count = 3 * PRODUCERS};
    struct err_note note;
    struct sink *sink;
    CU_ASSERT_EQUAL_FATAL(sink_open(&config, &sink, &note), ERR_NONE);
    struct producer producers[PRODUCERS];
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.sink = sink, .idx = i};
        pthread_create(&producers[i].thread, NULL, produce, &producers[i]);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
    }
    CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_NONE);
    size_t len;
    char *bytes = read_file(records_file, &len);
    unsigned next[PRODUCERS] = {0}, lines = 0;
    char *save = NULL;
    for (char *line = strtok_r(bytes, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        unsigned idx = 99, number = 0;
        CU_ASSERT_EQUAL(sscanf(line, "p%u line %u", &idx, &number), 2);
        CU_ASSERT_FATAL(idx < PRODUCERS);
        CU_ASSERT_EQUAL(number, next[idx]);
        next[idx]++;
        lines++;
    }
    CU_ASSERT_EQUAL(lines, PRODUCERS * LINES_EACH);
    free(bytes);
}

static void fill(struct sink_block *block, const char *text) {
    memcpy(block->bytes + block->len, text, strlen(text));
    block->len += strlen(text);
}

static void test_existing_files(void) {
    make_names();
    struct sink_config config = {.files = {records_file, NULL}, .block_count = 2};
    struct err_note note;
    struct sink *sink;
    FILE *file = fopen(records_file, "w");
    fputs("old\n", file);
    fclose(file);
    CU_ASSERT_EQUAL(sink_open(&config, &sink, &note), ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "--overwrite or --append"));

    config.append = true;
    CU_ASSERT_EQUAL_FATAL(sink_open(&config, &sink, &note), ERR_NONE);
    struct sink_block *block = take_waiting(sink, SINK_RECORDS, BLOCK_BYTES);
    fill(block, "new\n");
    sink_give(sink, block);
    CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_NONE);
    size_t len;
    char *bytes = read_file(records_file, &len);
    CU_ASSERT_STRING_EQUAL(bytes, "old\nnew\n");
    free(bytes);

    file = fopen(records_file, "a");
    fputs("torn", file);
    fclose(file);
    CU_ASSERT_EQUAL(sink_open(&config, &sink, &note), ERR_USAGE);

    config.append = false;
    config.overwrite = true;
    CU_ASSERT_EQUAL_FATAL(sink_open(&config, &sink, &note), ERR_NONE);
    CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_NONE);
    bytes = read_file(records_file, &len);
    CU_ASSERT_EQUAL(len, 0);
    free(bytes);
}

static void add_chain(struct sink_block *block, uint8_t id, const char *line) {
    block->chain_offset[block->chain_count] = (uint32_t)block->len;
    memset(block->chain_id[block->chain_count++], id, SHA256_LEN);
    fill(block, line);
}

/* Repeats of a chain, within a block and across blocks, are written once. */
static void test_chains_once(void) {
    make_names();
    struct sink_config config = {.files = {records_file, chains_file}, .block_count = 4};
    struct err_note note;
    struct sink *sink;
    CU_ASSERT_EQUAL_FATAL(sink_open(&config, &sink, &note), ERR_NONE);
    struct sink_block *block = take_waiting(sink, SINK_CHAINS, BLOCK_BYTES);
    add_chain(block, 1, "one\n");
    add_chain(block, 2, "two\n");
    add_chain(block, 1, "one\n");
    add_chain(block, 3, "three\n");
    sink_give(sink, block);
    block = take_waiting(sink, SINK_CHAINS, BLOCK_BYTES);
    add_chain(block, 3, "three\n");
    add_chain(block, 4, "four\n");
    add_chain(block, 5, "five\n");
    sink_give(sink, block);
    CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_NONE);
    size_t len;
    char *bytes = read_file(chains_file, &len);
    CU_ASSERT_STRING_EQUAL(bytes, "one\ntwo\nthree\nfour\nfive\n");
    free(bytes);
}

/* A full disk (here: a file size limit) leaves whole lines only, fails with the file's name, and
 * gives blocks back. */
static void test_full_disk(void) {
    make_names();
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 10007, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    struct sink_config config = {.files = {records_file, NULL}, .block_count = 2};
    struct err_note note;
    struct sink *sink;
    CU_ASSERT_EQUAL_FATAL(sink_open(&config, &sink, &note), ERR_NONE);
    for (int i = 0; i < 20; i++) {
        struct sink_block *block = take_waiting(sink, SINK_RECORDS, BLOCK_BYTES);
        for (int j = 0; j < 100; j++) {
            fill(block, "twelve bytes\n");
        }
        sink_give(sink, block);
    }
    CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, records_file));
    setrlimit(RLIMIT_FSIZE, &old);
    size_t len;
    char *bytes = read_file(records_file, &len);
    CU_ASSERT_EQUAL(len % 13, 0);
    CU_ASSERT(len > 9000 && len <= 10007);
    free(bytes);
}

/* Standard output opened with ">>": the disk fills up, what stood in the file before stays. The
 * offset of such a descriptor is 0 until something is written. */
static void test_full_disk_appended_to(void) {
    make_names();
    FILE *old_file = fopen(records_file, "we");
    for (int i = 0; i < 100; i++) {
        fputs("an earlier line\n", old_file);
    }
    fclose(old_file);
    int saved = dup(STDOUT_FILENO), appending = open(records_file, O_WRONLY | O_APPEND);
    dup2(appending, STDOUT_FILENO);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 10007, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    struct sink_config config = {.files = {"-", NULL}, .block_count = 2};
    struct err_note note;
    struct sink *sink;
    enum err opened = sink_open(&config, &sink, &note);
    struct sink_block *block = take_waiting(sink, SINK_RECORDS, BLOCK_BYTES);
    for (int j = 0; j < 1000; j++) {
        fill(block, "twelve bytes\n");
    }
    sink_give(sink, block);
    enum err closed = sink_close(sink, &note);
    setrlimit(RLIMIT_FSIZE, &old);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(appending);
    CU_ASSERT_EQUAL(opened, ERR_NONE);
    CU_ASSERT_EQUAL(closed, ERR_IO);
    size_t len;
    char *bytes = read_file(records_file, &len);
    CU_ASSERT(len >= 1600 && memcmp(bytes, "an earlier line\n", 16) == 0);
    CU_ASSERT((len - 1600) % 13 == 0 && len > 9000);
    free(bytes);
}

static void *read_slowly(void *context) {
    const int *fd = context;
    static char bytes[4096];
    size_t total = 0;
    usleep(50000);
    for (ssize_t got; (got = read(*fd, bytes, sizeof bytes)) > 0;) {
        total += (size_t)got;
    }
    return (void *)(uintptr_t)total;
}

/* A pipe that somebody made non-blocking is waited for when it is full. */
static void test_non_blocking(void) {
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    int saved = dup(STDOUT_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    pthread_t reader;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&reader, NULL, read_slowly, &ends[0]), 0);
    struct sink_config config = {.files = {"-", NULL}, .block_count = 2};
    struct err_note note;
    struct sink *sink;
    enum err opened = sink_open(&config, &sink, &note);
    struct sink_block *block = take_waiting(sink, SINK_RECORDS, BLOCK_BYTES);
    for (int j = 0; j < 15000; j++) {
        fill(block, "twelve bytes\n");
    }
    sink_give(sink, block);
    enum err closed = sink_close(sink, &note);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    void *total;
    pthread_join(reader, &total);
    close(ends[0]);
    CU_ASSERT_EQUAL(opened, ERR_NONE);
    CU_ASSERT_EQUAL(closed, ERR_NONE);
    CU_ASSERT_EQUAL((uintptr_t)total, 15000 * 13);
}

static void test_closed_device(void) {
    struct sink_config config = {.files = {"/dev/full", NULL}, .block_count = 2};
    struct err_note note;
    struct sink *sink;
    CU_ASSERT_EQUAL_FATAL(sink_open(&config, &sink, &note), ERR_NONE);
    struct sink_block *block = take_waiting(sink, SINK_RECORDS, BLOCK_BYTES);
    fill(block, "x\n");
    sink_give(sink, block);
    while (!sink_failed(sink)) {
        usleep(100);
    }
    CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "No space left"));
}

static void test_back_pressure(void) {
    make_names();
    struct sink_config config = {.files = {records_file, NULL}, .block_count = 2};
    struct err_note note;
    struct sink *sink;
    CU_ASSERT_EQUAL_FATAL(sink_open(&config, &sink, &note), ERR_NONE);
    struct sink_block *a = sink_take(sink, SINK_RECORDS, BLOCK_BYTES),
                      *b = sink_take(sink, SINK_RECORDS, BLOCK_BYTES);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_PTR_NULL(sink_take(sink, SINK_RECORDS, BLOCK_BYTES));
    sink_give(sink, a); /* empty: it comes straight back */
    a = sink_take(sink, SINK_RECORDS, RECORD_BYTES_MAX);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    CU_ASSERT(a->capacity >= RECORD_BYTES_MAX);
    sink_give(sink, a);
    sink_give(sink, b);
    CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_NONE);
}

/* --- a keeper --- */

static struct {
    unsigned puts;
    atomic_uint commits;              /* looked at while the writer is at work; all else after it */
    uint64_t rows_len;                /* put */
    uint64_t committed_len, file_len; /* of the records: as told at a commit, as it was then */
    bool behind;                      /* a commit told of bytes that were not in the file */
    enum err put_err, commit_err;
} kept;

static enum err keep_put(void *context, const struct sink_block *block, struct err_note *note) {
    (void)context;
    kept.puts++;
    kept.rows_len += block->rows.len;
    return kept.put_err == ERR_NONE ? ERR_NONE : err_note(note, kept.put_err, "the keeper failed");
}

static enum err keep_commit(void *context, const struct sink_state *state, struct err_note *note) {
    (void)context;
    struct stat info = {0};
    stat(records_file, &info);
    kept.commits++;
    kept.committed_len = state->lens[SINK_RECORDS];
    kept.file_len = (uint64_t)info.st_size;
    kept.behind = kept.behind || kept.committed_len > kept.file_len;
    return kept.commit_err == ERR_NONE ? ERR_NONE : err_note(note, kept.commit_err, "full");
}

static const struct sink_keeper keeper = {.put = keep_put, .commit = keep_commit};

static void add_row(struct sink_block *block, size_t len) {
    block->rows.bytes = realloc(block->rows.bytes, block->rows.len + len);
    block->rows.len += len;
    block->rows.capacity = block->rows.len;
    memset(block->rows.bytes, 0, block->rows.len);
}

static void give(struct sink *sink, const char *text, size_t rows_len) {
    struct sink_block *block = take_waiting(sink, SINK_RECORDS, BLOCK_BYTES);
    fill(block, text);
    add_row(block, rows_len);
    sink_give(sink, block);
}

static void test_kept(void) {
    make_names();
    memset(&kept, 0, sizeof kept);
    struct sink_config config = {.files = {records_file, NULL}, .keeper = keeper, .block_count = 8};
    struct err_note note;
    struct sink *sink;
    CU_ASSERT_EQUAL_FATAL(sink_open(&config, &sink, &note), ERR_NONE);
    CU_ASSERT_TRUE(sink_is_resumable(sink));
    CU_ASSERT_EQUAL(kept.commits, 1); /* the beginning */
    for (int i = 0; i < 40; i++) {
        give(sink, "a line\n", 64);
    }
    for (int i = 0; i < 10000 && kept.commits < 2; i++) {
        usleep(3000);
    }
    CU_ASSERT(kept.commits >= 2); /* without a further block */
    give(sink, "a line\n", 64);
    CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_NONE);
    CU_ASSERT_EQUAL(kept.puts, 41);
    CU_ASSERT_EQUAL(kept.rows_len, 41 * 64);
    CU_ASSERT_EQUAL(kept.committed_len, 41 * 7);
    CU_ASSERT_FALSE(kept.behind);
    /* Without records there are rows all the same. */
    memset(&kept, 0, sizeof kept);
    config.files[SINK_RECORDS] = NULL;
    CU_ASSERT_EQUAL_FATAL(sink_open(&config, &sink, &note), ERR_NONE);
    give(sink, "", 8);
    give(sink, "", 8);
    CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_NONE);
    CU_ASSERT_EQUAL(kept.rows_len, 16);
    CU_ASSERT_EQUAL(kept.commits, 2);
}

static void test_keeper_fails(void) {
    struct sink_config config = {.files = {records_file, NULL}, .keeper = keeper, .block_count = 8};
    struct err_note note;
    struct sink *sink;
    for (int what = 0; what < 3; what++) {
        make_names();
        memset(&kept, 0, sizeof kept);
        kept.commit_err = what == 2 ? ERR_IO : ERR_NONE;
        if (what == 2) { /* nothing is begun */
            CU_ASSERT_EQUAL(sink_open(&config, &sink, &note), ERR_IO);
            CU_ASSERT_STRING_EQUAL(note.text, "full");
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(sink_open(&config, &sink, &note), ERR_NONE);
        kept.put_err = what == 0 ? ERR_IO : ERR_NONE;
        kept.commit_err = what == 1 ? ERR_IO : ERR_NONE;
        give(sink, "first\n", 8);
        while (!sink_failed(sink)) {
            usleep(1000);
        }
        unsigned commits = kept.commits, puts = kept.puts;
        give(sink, "second\n", 8);
        CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_IO);
        CU_ASSERT_STRING_EQUAL(note.text, what == 0 ? "the keeper failed" : "full");
        CU_ASSERT_EQUAL(kept.commits, commits); /* none after a failure */
        CU_ASSERT_EQUAL(kept.puts, puts);
        size_t len;
        char *bytes = read_file(records_file, &len);
        CU_ASSERT_STRING_EQUAL(bytes, "first\n");
        free(bytes);
    }
}

/* Only a file that holds this sweep's records up to there, and no other's behind, is cut back. */
static void test_resume_own(void) {
#define RECORD(sweep) "{\"schema\":1,\"type\":\"verdict\",\"sweep\":\"" sweep "\",\"line\":1}\n"
    static char long_line[20000];
    int long_len =
        snprintf(long_line, sizeof long_line,
                 "%s{\"schema\":1,\"type\":\"verdict\",\"sweep\":\"us\",\"x\":\"%015000d\"}\n",
                 RECORD("them"), 0);
    size_t one = strlen(RECORD("us"));
    const struct {
        const char *records;
        size_t len;
        bool has_records, good;
    } cases[] = {{RECORD("us"), one, true, true},
                 {RECORD("us") RECORD("us"), one, true, true},
                 {RECORD("us") "{\"schema\":1,\"ty", one, true, true},
                 {RECORD("us") RECORD("them"), one, true, false},
                 {RECORD("it"), one, true, false},
                 {RECORD("us2"), one + 1, true, false},
                 {RECORD("it") RECORD("us"), one, false, true},
                 {RECORD("it") RECORD("it"), one, false, false},
                 {RECORD("it") RECORD("us"), 2 * one, true, true},
                 {RECORD("us") RECORD("it"), 2 * one, true, false},
                 {RECORD("it"), 0, false, false},
                 {"", 0, false, true},
                 {long_line, (size_t)long_len, true, true}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        make_names();
        FILE *file = fopen(records_file, "w");
        fputs(cases[i].records, file);
        fclose(file);
        struct sink_config config = {.files = {records_file, NULL},
                                     .resume = true,
                                     .lens = {cases[i].len, 0},
                                     .sweep_id = "us",
                                     .has_records = cases[i].has_records,
                                     .block_count = 8};
        struct err_note note;
        struct sink *sink;
        enum err err = sink_open(&config, &sink, &note);
        CU_ASSERT_EQUAL(err, cases[i].good ? ERR_NONE : ERR_USAGE);
        if (err == ERR_NONE) {
            CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_NONE);
        } else {
            CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "records of another sweep"));
        }
        size_t len;
        free(read_file(records_file, &len));
        CU_ASSERT_EQUAL(len, cases[i].good ? cases[i].len : strlen(cases[i].records));
    }
}

/* What is behind the committed length is cut off, and what is not there refused. */
static void test_resume(void) {
    make_names();
    struct sink_config config = {.files = {records_file, chains_file},
                                 .resume = true,
                                 .lens = {6, 0},
                                 .keeper = keeper,
                                 .block_count = 8};
    struct err_note note;
    struct sink *sink;
    memset(&kept, 0, sizeof kept);
    char chain[200];
    int chain_len = snprintf(chain, sizeof chain,
                             "{\"schema\":1,\"type\":\"chain\",\"chain_id\":\"%064d\"}\n", 7);
    config.lens[SINK_CHAINS] = (uint64_t)chain_len;
    static const struct {
        const char *records;
        bool has_chain, good;
    } cases[] = {{NULL, true, false},      {"first", true, false},
                 {"first!!", true, false}, {"first\n", false, false},
                 {"first\n", true, true},  {"first\nsecond\nth", true, true}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        make_names();
        FILE *file = cases[i].records != NULL ? fopen(records_file, "w") : NULL;
        if (file != NULL) {
            fputs(cases[i].records, file);
            fclose(file);
        }
        file = fopen(chains_file, "w");
        fputs(cases[i].has_chain ? chain : "", file);
        fputs(cases[i].has_chain ? "torn" : "", file);
        fclose(file);
        enum err err = sink_open(&config, &sink, &note);
        CU_ASSERT_EQUAL(err, cases[i].good ? ERR_NONE : ERR_USAGE);
        size_t len;
        if (err == ERR_NONE) {
            CU_ASSERT_EQUAL(sink_chains(sink), 1);
            give(sink, "next\n", 8);
            struct sink_block *block = take_waiting(sink, SINK_CHAINS, BLOCK_BYTES);
            hex_decode(span_of(chain + chain_len - 3 - 64, 64), block->chain_id[0], SHA256_LEN,
                       &len);
            fill(block, "it is there\n");
            block->chain_count = 1;
            sink_give(sink, block);
            CU_ASSERT_EQUAL(sink_close(sink, &note), ERR_NONE);
        }
        char *bytes = read_file(records_file, &len);
        CU_ASSERT_STRING_EQUAL(bytes, cases[i].good
                                          ? "first\nnext\n"
                                          : (cases[i].records != NULL ? cases[i].records : ""));
        free(bytes);
        bytes = read_file(chains_file, &len);
        CU_ASSERT_EQUAL(len, cases[i].good        ? (size_t)chain_len
                             : cases[i].has_chain ? (size_t)chain_len + 4
                                                  : 0);
        free(bytes);
    }
}

SUITE_MAIN("sink", {"many producers", test_many_producers}, {"existing files", test_existing_files},
           {"chains once", test_chains_once}, {"full disk", test_full_disk},
           {"full disk, appended to", test_full_disk_appended_to},
           {"non-blocking pipe", test_non_blocking}, {"closed device", test_closed_device},
           {"back-pressure", test_back_pressure}, {"a keeper", test_kept},
           {"a keeper that fails", test_keeper_fails}, {"files of a resumed sweep", test_resume},
           {"whose records", test_resume_own})
