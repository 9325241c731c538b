/* The pipeline: order, block borders, folders, bounds, failures. */
#include <fcntl.h>
#include <pthread.h>
#include <time.h>

#include "engine/base/rng.h"
#include "tests/unit/corpus_support.h"

/* A corpus of several blocks in this format; the certificates in random order. */
static struct text make_corpus(struct rng *rng, unsigned count, enum corpus_format format,
                               unsigned *which) {
    struct text text = {NULL, 0, 0};
    for (unsigned i = 0; i < count; i++) {
        which[i] = rng_below(rng, CERTS);
        struct span der = certs[which[i]];
        if (format == CORPUS_PEM) {
            for (uint32_t n = rng_below(rng, 40); n > 0; n--) {
                text_str(&text, rng_below(rng, 5) == 0 ? "some-text\n" : "-");
            }
            text_str(&text, "\n");
            add_pem(&text, "CERTIFICATE", der, rng_below(rng, 4) == 0 ? 76 : 64, "\n");
        } else if (format == CORPUS_CSV) {
            if (i == 0) {
                text_str(&text, "name,pem\n");
            }
            text_str(&text, rng_below(rng, 2) == 0 ? "\"a\n\"\"b\"\"\n\"," : "plain,");
            text_str(&text, "\"");
            add_pem(&text, "CERTIFICATE", der, 64, "\n");
            text_str(&text, "\"\n");
        } else if (format == CORPUS_NDJSON) {
            text_str(&text, "{\"pem\":\"");
            add_base64(&text, der, 64, "\\n");
            text_str(&text, "\"}\n");
        } else {
            add_prefixed(&text, der, format == CORPUS_DER ? 0 : 4);
        }
    }
    return text;
}

/* Long enough that every kind of record meets block borders, with any number of threads. */
static void test_order(void) {
    static const enum corpus_format formats[] = {CORPUS_PEM, CORPUS_DER, CORPUS_DER4, CORPUS_NDJSON,
                                                 CORPUS_CSV};
    static const uint32_t threads[] = {1, 2, 7};
    enum { COUNT = 4000 };
    static unsigned which[COUNT];
    struct rng rng;
    begin();
    rng_init(&rng, suite_seed());
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        struct text text = make_corpus(&rng, COUNT, formats[f], which);
        const char *path = write_file("large", &text);
        for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
            struct told told = run_with((struct corpus_config){.threads = threads[t]}, &path, 1, 0);
            expect_pins(&told, which, COUNT);
            CU_ASSERT_EQUAL(told.stats.broken, 0);
            CU_ASSERT_EQUAL(told.stats.bytes, text.len);
            told_free(&told);
        }
        text_free(&text);
    }
}

/* Offsets told are those in the file, far behind the first block. */
static void test_offsets(void) {
    struct text text = {NULL, 0, 0};
    begin();
    for (unsigned i = 0; i < 2000; i++) {
        add_pem(&text, "CERTIFICATE", certs[i % CERTS], 64, "\n");
        if (i % 500 == 499) {
            text_str(&text, "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n");
        }
    }
    const char *path = write_file("offsets", &text);
    struct told told = run_with((struct corpus_config){.output = CORPUS_OUT_NDJSON}, &path, 1, 0);
    CU_ASSERT_EQUAL(told.stats.certificates, 2000);
    CU_ASSERT_EQUAL(told.stats.broken, 4);
    const char *at = text.bytes, *line = told.complaints.bytes;
    for (unsigned i = 0; i < 4; i++) {
        char expected[200];
        at = strstr(at, "-----BEGIN CERTIFICATE-----\n?");
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        snprintf(expected, sizeof expected, "%s: byte %zu: not valid base64\n", path,
                 (size_t)(at - text.bytes));
        CU_ASSERT_EQUAL(strncmp(line, expected, strlen(expected)), 0);
        line += strlen(expected);
        at++;
    }
    size_t lines = 0;
    at = text.bytes;
    for (line = told.out.bytes; (line = strstr(line, "\"offset\":")) != NULL; line++, lines++) {
        do { /* the next good one */
            at = strstr(at, "-----BEGIN CERTIFICATE-----\n") + 1;
        } while (at[27] == '?');
        CU_ASSERT_EQUAL((size_t)(at - 1 - text.bytes), strtoull(line + 9, NULL, 10));
    }
    CU_ASSERT_EQUAL(lines, 2000);
    told_free(&told);
    text_free(&text);
}

static void test_folders(void) {
    struct text pem = {NULL, 0, 0}, der = {NULL, 0, 0}, other = {NULL, 0, 0};
    char path[256];
    begin();
    add_pem(&pem, "CERTIFICATE", certs[2], 64, "\n");
    add_prefixed(&der, certs[0], 0);
    text_str(&other, "a text without any\n");
    snprintf(path, sizeof path, "%s/tree", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/tree/b", folder);
    mkdir(path, 0700);
    write_file("tree/a.der", &der);
    write_file("tree/b/c.pem", &pem);
    write_file("tree/b/readme", &other);
    write_file("tree/c.der", &der);
    snprintf(path, sizeof path, "%s/tree/d.link", folder);
    CU_ASSERT_EQUAL(symlink("b/c.pem", path), 0);
    snprintf(path, sizeof path, "%s/tree/e.loop", folder);
    CU_ASSERT_EQUAL(symlink(".", path), 0);
    snprintf(path, sizeof path, "%s/tree", folder);
    const char *paths[] = {path, "/nonexistent/file", path};
    struct told told = run_with((struct corpus_config){.threads = 1}, paths, 1, 0);
    expect_pins(&told, (const unsigned[]){0, 2, 0, 2}, 4);
    CU_ASSERT_EQUAL(told.stats.files, 4);
    CU_ASSERT_EQUAL(told.stats.files_passed, 1);
    told_free(&told);
    told = run_with((struct corpus_config){.threads = 3}, paths, 3, 0);
    expect_pins(&told, (const unsigned[]){0, 2, 0, 2, 0, 2, 0, 2}, 8);
    CU_ASSERT_EQUAL(told.stats.files_failed, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(told.complaints.bytes, "/nonexistent/file: cannot open"));
    told_free(&told);
    /* given by name, what is not recognised is an error */
    const char *unknown = write_file("readme", &other);
    told = run_with((struct corpus_config){0}, &unknown, 1, 0);
    CU_ASSERT_EQUAL(told.stats.files_failed, 1);
    told_free(&told);
    text_free(&pem);
    text_free(&der);
    text_free(&other);
}

/* More files than a block has places for, of all sizes. */
static void test_many_files(void) {
    enum { FILES = 300 };
    static unsigned which[FILES];
    char path[128], name[64];
    begin();
    snprintf(path, sizeof path, "%s/many", folder);
    mkdir(path, 0700);
    for (unsigned i = 0; i < FILES; i++) {
        struct text text = {NULL, 0, 0};
        which[i] = i % CERTS;
        snprintf(name, sizeof name, "many/%03u", i);
        if (i % 50 == 7) { /* beyond a block */
            for (unsigned n = 0; n < 40000; n++) {
                text_str(&text, "some text\n");
            }
        }
        add_pem(&text, "CERTIFICATE", certs[which[i]], 64, "\n");
        write_file(name, &text);
        text_free(&text);
    }
    const char *paths[] = {path};
    struct told told = run_with((struct corpus_config){.threads = 3}, paths, 1, 0);
    expect_pins(&told, which, FILES);
    CU_ASSERT_EQUAL(told.stats.files, FILES);
    told_free(&told);
}

static void test_unique(void) {
    struct text text = {NULL, 0, 0};
    begin();
    for (unsigned i = 0; i < 1500; i++) {
        add_pem(&text, "CERTIFICATE", certs[i % 3 == 0 ? (i / 500) % CERTS : 3 + i % 3], 64, "\n");
    }
    const char *path = write_file("unique", &text);
    struct told told = run_with((struct corpus_config){.unique = true}, &path, 1, 0);
    CU_ASSERT_EQUAL(told.err, ERR_NONE);
    CU_ASSERT_EQUAL(told.stats.certificates, 1500);
    CU_ASSERT_EQUAL(told.out.len, 5 * PIN_LINE);
    CU_ASSERT_EQUAL(told.stats.duplicates, 1495);
    static const unsigned order[] = {0, 4, 5, 1, 2};
    for (unsigned i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(memcmp(told.out.bytes + i * PIN_LINE, pins[order[i]], PIN_LINE), 0);
    }
    told_free(&told);
    told = run_with((struct corpus_config){.unique = true, .unique_max = 3}, &path, 1, 0);
    CU_ASSERT_EQUAL(told.err, ERR_RESOURCE);
    CU_ASSERT_EQUAL(told.out.len, 3 * PIN_LINE);
    told_free(&told);
    text_free(&text);
}

static void test_outputs(void) {
    struct text text = {NULL, 0, 0};
    char expected[512];
    begin();
    add_pem(&text, "CERTIFICATE", certs[0], 64, "\n");
    add_pem(&text, "CERTIFICATE", certs[1], 64, "\n");
    const char *path = write_file("out, \"puts\"", &text);
    struct told told = run_with((struct corpus_config){.output = CORPUS_OUT_CURL}, &path, 1, 0);
    snprintf(expected, sizeof expected, "sha256//%.44s;sha256//%.44s\n", pins[0] + 7, pins[1] + 7);
    CU_ASSERT_STRING_EQUAL(told.out.bytes, expected);
    told_free(&told);
    told = run_with((struct corpus_config){.fingerprint = true}, &path, 1, 0);
    uint8_t digest[SHA256_LEN];
    char hex[2 * SHA256_LEN];
    SHA256(certs[1].data, certs[1].len, digest);
    hex_encode(hex, span_of(digest, sizeof digest));
    snprintf(expected, sizeof expected, "%.51s\t%.64s\n", pins[1], hex);
    CU_ASSERT_STRING_EQUAL(strchr(told.out.bytes, '\n') + 1, expected);
    told_free(&told);
    told = run_with((struct corpus_config){.output = CORPUS_OUT_CSV, .fingerprint = true}, &path, 1,
                    0);
    snprintf(expected, sizeof expected, "\"%s/out, \"\"puts\"\"\",0,%.51s,", folder, pins[0]);
    CU_ASSERT_EQUAL(strncmp(strchr(told.out.bytes, '\n') + 1, expected, strlen(expected)), 0);
    told_free(&told);
    text_free(&text);
}

static void test_match(void) {
    struct pin_index index;
    struct pin_table table;
    struct text text = {NULL, 0, 0};
    begin();
    pin_index_init(&index, 1);
    for (unsigned s = 0; s < 2; s++) { /* one: the keys 0 and 1; two: the key 1 and certificate 3 */
        struct pin_set *set = arena_alloc(&index.arena, sizeof *set);
        pin_set_init(set, PIN_CLIENT_CUSTOM);
        set->name = s == 0 ? "one" : "two";
        set->pin_count = 2;
        set->pins = arena_alloc(&index.arena, 2 * sizeof *set->pins);
        for (unsigned p = 0; p < 2; p++) {
            const char *why;
            unsigned cert = s == 0 ? p : p == 0 ? 1 : 3;
            CU_ASSERT_TRUE_FATAL(
                pin_parse(span_of(pins[cert], PIN_LINE - 1), &index.arena, &set->pins[p], &why));
            if (cert == 3) {
                uint8_t digest[SHA256_LEN];
                SHA256(certs[3].data, certs[3].len, digest);
                set->pins[p].of = PIN_OF_CERT;
                set->pins[p].value = arena_copy(&index.arena, span_of(digest, sizeof digest));
            }
        }
        CU_ASSERT_EQUAL_FATAL(pin_index_add(&index, set, NULL), ERR_NONE);
    }
    CU_ASSERT_EQUAL_FATAL(pin_table_init(&table, &index, NULL), ERR_NONE);
    for (unsigned i = 0; i < 4; i++) {
        add_pem(&text, "CERTIFICATE", certs[i], 64, "\n");
    }
    const char *path = write_file("match", &text);
    struct told told = run_with((struct corpus_config){.pins = &table}, &path, 1, 0);
    char expected[512];
    snprintf(expected, sizeof expected, "%.51s\tone\n%.51s\tone,two\n%.51s\t\n%.51s\ttwo\n",
             pins[0], pins[1], pins[2], pins[3]);
    CU_ASSERT_STRING_EQUAL(told.out.bytes, expected);
    CU_ASSERT_EQUAL(told.stats.matched, 3);
    told_free(&told);
    told =
        run_with((struct corpus_config){.pins = &table, .output = CORPUS_OUT_NDJSON}, &path, 1, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(told.out.bytes, "\"pin_sets\":[\"one\",\"two\"],"));
    told_free(&told);
    text_free(&text);
    pin_table_fini(&table);
    pin_index_fini(&index);
}

/* A key that more pin sets pin than a line names: it says so. */
static void test_many_matches(void) {
    enum { SETS = PIN_SETS_PER_HOST_MAX + 1 };
    static const struct {
        enum corpus_output output;
        const char *end_all, *end_some;
    } cases[] = {{CORPUS_OUT_TEXT, ",set1023\n", ",set1023,...\n"},
                 {CORPUS_OUT_CSV, ";set1023\n", ";set1023;...\n"},
                 {CORPUS_OUT_NDJSON, "\"],\"pin_sets_complete\":true}\n",
                  "\"],\"pin_sets_complete\":false}\n"}};
    struct text text = {NULL, 0, 0};
    begin();
    add_pem(&text, "CERTIFICATE", certs[0], 64, "\n");
    const char *path = write_file("many-matches", &text);
    for (unsigned count = SETS - 1; count <= SETS; count++) {
        struct pin_index index;
        struct pin_table table;
        pin_index_init(&index, 1);
        for (unsigned s = 0; s < count; s++) {
            struct pin_set *set = arena_alloc(&index.arena, sizeof *set);
            const char *why;
            pin_set_init(set, PIN_CLIENT_CUSTOM);
            char name[16];
            snprintf(name, sizeof name, "set%04u", s);
            set->name = arena_copy_text(&index.arena, span_str(name));
            set->pin_count = 1;
            set->pins = arena_alloc(&index.arena, sizeof *set->pins);
            CU_ASSERT_TRUE_FATAL(
                pin_parse(span_of(pins[0], PIN_LINE - 1), &index.arena, &set->pins[0], &why));
            CU_ASSERT_EQUAL_FATAL(pin_index_add(&index, set, NULL), ERR_NONE);
        }
        CU_ASSERT_EQUAL_FATAL(pin_table_init(&table, &index, NULL), ERR_NONE);
        for (unsigned c = 0; c < 3; c++) {
            struct told told = run_with(
                (struct corpus_config){.pins = &table, .output = cases[c].output}, &path, 1, 0);
            const char *end = count < SETS ? cases[c].end_all : cases[c].end_some;
            CU_ASSERT_FATAL(told.out.len > strlen(end));
            CU_ASSERT_STRING_EQUAL(told.out.bytes + told.out.len - strlen(end), end);
            told_free(&told);
        }
        pin_table_fini(&table);
        pin_index_fini(&index);
    }
    text_free(&text);
}

static void test_failures(void) {
    static unsigned which[4000];
    struct rng rng;
    begin();
    rng_init(&rng, suite_seed());
    struct text text = make_corpus(&rng, 4000, CORPUS_PEM, which);
    const char *path = write_file("large", &text);
    struct told told = run_with((struct corpus_config){.threads = 3}, &path, 1, 30000);
    CU_ASSERT_EQUAL(told.err, ERR_IO);
    CU_ASSERT_TRUE(told.out.len < 100000);
    told_free(&told);
    atomic_bool stop = true;
    told = run_with((struct corpus_config){.stop = &stop}, &path, 1, 0);
    CU_ASSERT_EQUAL(told.err, ERR_INTERRUPTED);
    CU_ASSERT_EQUAL(told.out.len, 0);
    told_free(&told);
    const char *paths[] = {"/proc/self/mem", path};
    told = run_with((struct corpus_config){0}, paths, 2, 0);
    expect_pins(&told, which, 4000);
    CU_ASSERT_EQUAL(told.stats.files_failed, 1);
    told_free(&told);
    text_free(&text);
}

/* A pipe whose writer is slow: in pieces of `piece` bytes from `slow_from` on. */
struct slow_writer {
    const char *path;
    struct span bytes;
    size_t slow_from, piece;
};

static void *write_slowly(void *context) {
    const struct slow_writer *writer = context;
    struct span rest = writer->bytes;
    size_t piece_len = writer->slow_from;
    int fd = open(writer->path, O_WRONLY | O_CLOEXEC);
    while (fd >= 0 && rest.len > 0) {
        struct span piece = span_take(&rest, piece_len);
        if (write(fd, piece.data, piece.len) != (ssize_t)piece.len) {
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        piece_len = writer->piece;
    }
    close(fd);
    return NULL;
}

static struct told run_slowly(const struct text *text, size_t slow_from, size_t piece) {
    struct slow_writer writer = {
        .bytes = span_of(text->bytes, text->len), .slow_from = slow_from, .piece = piece};
    char path[64];
    pthread_t thread;
    snprintf(path, sizeof path, "%s/pipe", folder);
    writer.path = path;
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, write_slowly, &writer), 0);
    struct told told = run_with((struct corpus_config){0}, &writer.path, 1, 0);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(unlink(path), 0);
    return told;
}

static const void *find_pin(const struct told *told, unsigned which) {
    return memmem(told->out.bytes, told->out.len, pins[which], PIN_LINE);
}

/* A BEGIN that comes byte by byte is not cut in two; text of openssl x509 -text is no CSV, not even
   where its certificate comes later than what a pipe gives at once. */
static void test_pipes(void) {
    struct text text = {NULL, 0, 0};
    begin();
    for (unsigned i = 0; text.len < 8192; i++) {
        add_pem(&text, "CERTIFICATE", certs[0], 64, "\n");
        CU_ASSERT_FATAL(i < 100);
    }
    size_t many = text.len;
    add_pem(&text, "CERTIFICATE", certs[1], 64, "\n");
    struct told told = run_slowly(&text, many, 1);
    CU_ASSERT_PTR_NOT_NULL(find_pin(&told, 1));
    CU_ASSERT_EQUAL(told.stats.broken, 0);
    told_free(&told);
    text_free(&text);
    text_str(&text, "Certificate:\n    Data:\n        Version: 3 (0x2)\n");
    while (text.len < 6000) {
        text_str(&text, "                    8f:e6:8a:79:ac\n");
    }
    add_pem(&text, "CERTIFICATE", certs[2], 64, "\n");
    told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, (const unsigned[]){2}, 1);
    CU_ASSERT_EQUAL(told.stats.broken, 0);
    told_free(&told);
    told = run_slowly(&text, 5000, text.len);
    expect_pins(&told, (const unsigned[]){2}, 1);
    told_free(&told);
    text_free(&text);
    text_str(&text, "name,pem\na,\""); /* a chain in one cell: its second BEGIN begins a line */
    add_pem(&text, "CERTIFICATE", certs[2], 64, "\n");
    add_pem(&text, "CERTIFICATE", certs[3], 64, "\n");
    text_str(&text, "\"\nb,\n");
    told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, (const unsigned[]){2, 3}, 2);
    CU_ASSERT_EQUAL(told.stats.empty, 1);
    told_free(&told);
    text_free(&text);
}

/* A long record that comes in small pieces, then a short one. */
static void test_slow_long_record(void) {
    struct text text = {NULL, 0, 0};
    begin();
    text_str(&text, "{\"x\":\"");
    for (unsigned i = 0; i < 50000; i++) {
        text_str(&text, "filler, filler, ");
    }
    text_str(&text, "\",\"pem\":\"");
    add_base64(&text, certs[1], 64, "\\n");
    text_str(&text, "\"}\n{\"pem\":\"");
    add_base64(&text, certs[2], 64, "\\n");
    text_str(&text, "\"}\n");
    struct told told = run_slowly(&text, 4096, 8192);
    expect_pins(&told, (const unsigned[]){1, 2}, 2);
    CU_ASSERT_EQUAL(told.stats.broken, 0);
    told_free(&told);
    text_free(&text);
}

/* A record that never ends is dropped in bounded memory, and what follows is found again. */
static void test_endless_record(void) {
    struct text text = {NULL, 0, 0};
    begin();
    add_pem(&text, "CERTIFICATE", certs[0], 64, "\n");
    text_str(&text, "-----BEGIN CERTIFICATE-----\n");
    char *filler = malloc(CORPUS_RECORD_BYTES_MAX + (1 << 20));
    memset(filler, 'A', CORPUS_RECORD_BYTES_MAX + (1 << 20));
    text_add(&text, filler, CORPUS_RECORD_BYTES_MAX + (1 << 20));
    free(filler);
    text_str(&text, "\n");
    add_pem(&text, "CERTIFICATE", certs[1], 64, "\n");
    struct told told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, (const unsigned[]){0, 1}, 2);
    CU_ASSERT_EQUAL(told.stats.broken, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(told.complaints.bytes, "no record ends within 16 MB"));
    told_free(&told);
    text_free(&text);
    remove_folder();
}

SUITE_MAIN("corpus", {"order and block borders", test_order}, {"offsets", test_offsets},
           {"folders", test_folders}, {"many files", test_many_files}, {"unique", test_unique},
           {"outputs", test_outputs}, {"match", test_match},
           {"more matches than have a place", test_many_matches}, {"failures", test_failures},
           {"pipes", test_pipes}, {"a long record, slowly", test_slow_long_record},
           {"endless record", test_endless_record})
