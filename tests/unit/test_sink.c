#include "engine/sweep/sink.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/rng.h"
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

SUITE_MAIN("sink", {"many producers", test_many_producers}, {"existing files", test_existing_files},
           {"chains once", test_chains_once}, {"full disk", test_full_disk},
           {"full disk, appended to", test_full_disk_appended_to},
           {"non-blocking pipe", test_non_blocking}, {"closed device", test_closed_device},
           {"back-pressure", test_back_pressure})
