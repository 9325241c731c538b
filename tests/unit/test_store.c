#include "engine/history/store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/codec/sha256.h"
#include "tests/support/suite.h"

static char folder[] = "/tmp/pinsweep-store-XXXXXX";
static char file[64], wal_file[80], shm_file[80];

static void remove_files(void) {
    unlink(file);
    unlink(wal_file);
    unlink(shm_file);
}

static void remove_folder(void) {
    remove_files();
    rmdir(folder);
}

static void make_names(void) {
    static bool made;
    if (!made) {
        made = mkdtemp(folder) != NULL;
        atexit(remove_folder);
        snprintf(file, sizeof file, "%s/store.db", folder);
        snprintf(wal_file, sizeof wal_file, "%s-wal", file);
        snprintf(shm_file, sizeof shm_file, "%s-shm", file);
    }
    remove_files();
}

static void write_file(const void *bytes, size_t len) {
    FILE *out = fopen(file, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, len, out), len);
    fclose(out);
}

static void digest_file(uint8_t out[SHA256_LEN]) {
    static uint8_t bytes[1 << 20];
    FILE *in = fopen(file, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    size_t len = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    sha256_once(span_of(bytes, len), out);
}

/* Both modes refuse it with these words, and it is as it was. */
static void check_refused(enum err err, const char *words) {
    uint8_t before[SHA256_LEN], after[SHA256_LEN];
    digest_file(before);
    for (int mode = STORE_READ; mode <= STORE_WRITE; mode++) {
        struct store *store = NULL;
        struct err_note note = {""};
        CU_ASSERT_EQUAL(store_open(file, (enum store_mode)mode, &store, &note), err);
        CU_ASSERT_PTR_NOT_NULL(strstr(note.text, words));
        CU_ASSERT_PTR_NOT_NULL(strstr(note.text, file));
        if (strstr(note.text, words) == NULL) {
            printf("said: %s\n", note.text);
        }
    }
    digest_file(after);
    CU_ASSERT_EQUAL(memcmp(before, after, SHA256_LEN), 0);
    CU_ASSERT_NOT_EQUAL(access(wal_file, F_OK), 0);
}

static struct store *open_store(enum store_mode mode) {
    struct store *store = NULL;
    struct err_note note = {""};
    CU_ASSERT_EQUAL_FATAL(store_open(file, mode, &store, &note), ERR_NONE);
    return store;
}

static void run_sql(const char *sql) {
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(file, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_made_and_opened_again(void) {
    make_names();
    for (int i = 0; i < 3; i++) {
        struct store *store = open_store(STORE_WRITE);
        for (int value = 0; value < OUTCOME_COUNT; value++) {
            int64_t code = store_code(store, STORE_OUTCOME, value);
            CU_ASSERT(code >= 0);
            CU_ASSERT_EQUAL(store_value(store, STORE_OUTCOME, code), value);
        }
        store_close(store);
        CU_ASSERT_NOT_EQUAL(access(wal_file, F_OK), 0);
    }
    write_file("", 0);
    store_close(open_store(STORE_WRITE)); /* an empty file is a new store */
    struct store *store = open_store(STORE_READ);
    CU_ASSERT(store_code(store, STORE_VERDICT, VERDICT_MISMATCH) >= 0);
    CU_ASSERT_EQUAL(store_value(store, STORE_VERDICT, -1), -1);
    CU_ASSERT_EQUAL(store_value(store, STORE_VERDICT, 255), -1);
    CU_ASSERT_EQUAL(store_value(store, STORE_VERDICT, INT64_MAX), -1);
    store_close(store);
}

static void test_words_of_others(void) {
    make_names();
    store_close(open_store(STORE_WRITE));
    run_sql("UPDATE word SET code = code + 100 WHERE kind = 'outcome';"
            "DELETE FROM word WHERE text = 'mismatch';"
            "INSERT INTO word VALUES ('verdict', 77, 'of-tomorrow')");
    struct store *store = open_store(STORE_READ);
    CU_ASSERT_EQUAL(store_code(store, STORE_OUTCOME, OUTCOME_SUCCESS), 100 + OUTCOME_SUCCESS);
    CU_ASSERT_EQUAL(store_value(store, STORE_OUTCOME, 100), 0);
    CU_ASSERT_EQUAL(store_value(store, STORE_VERDICT, 77), -1);
    CU_ASSERT_EQUAL(store_code(store, STORE_VERDICT, VERDICT_MISMATCH), -1);
    store_close(store);
    store = open_store(STORE_WRITE);
    int64_t code = store_code(store, STORE_VERDICT, VERDICT_MISMATCH);
    CU_ASSERT_EQUAL(code, 78);
    CU_ASSERT_EQUAL(store_value(store, STORE_VERDICT, code), VERDICT_MISMATCH);
    store_close(store);
}

static void test_no_store(void) {
    make_names();
    struct store *store = NULL;
    struct err_note note;
    CU_ASSERT_EQUAL(store_open(file, STORE_READ, &store, &note), ERR_CONFIG);
    CU_ASSERT_NOT_EQUAL(access(file, F_OK), 0);
    CU_ASSERT_EQUAL(store_open(folder, STORE_WRITE, &store, &note), ERR_CONFIG);
    CU_ASSERT_EQUAL(store_open("/dev/null", STORE_WRITE, &store, &note), ERR_CONFIG);
    write_file("precious\n", 9);
    check_refused(ERR_CONFIG, "not even an SQLite file");
    remove_files();
    run_sql("PRAGMA journal_mode = WAL; CREATE TABLE precious (id)");
    check_refused(ERR_CONFIG, "no store of pinsweep");
    remove_files();
    store_close(open_store(STORE_WRITE));
    run_sql("PRAGMA user_version = 7");
    check_refused(ERR_CONFIG, "version 7");
}

/* Who removes a store that was killed, and not its log, is told so; nothing is left behind. */
static void test_left_over_log(void) {
    make_names();
    int fd = open(wal_file, O_WRONLY | O_CREAT, 0600);
    CU_ASSERT_EQUAL(write(fd, "log", 3), 3);
    close(fd);
    struct store *store = NULL;
    struct err_note note = {""};
    CU_ASSERT_EQUAL(store_open(file, STORE_WRITE, &store, &note), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "-wal is there"));
    CU_ASSERT_NOT_EQUAL(access(file, F_OK), 0);
    CU_ASSERT_EQUAL(access(wal_file, F_OK), 0);
    write_file("", 0);
    CU_ASSERT_EQUAL(store_open(file, STORE_WRITE, &store, &note), ERR_CONFIG);
    CU_ASSERT_EQUAL(store_open(file, STORE_READ, &store, &note), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "-wal is there"));
    CU_ASSERT_EQUAL(access(file, F_OK), 0);
    CU_ASSERT_EQUAL(access(wal_file, F_OK), 0);
}

/* Its log is beside the file, not beside the link: with it, a file that is still short is good. */
static void test_linked(void) {
    make_names();
    store_close(open_store(STORE_WRITE));
    char link[80];
    snprintf(link, sizeof link, "%s/link.db", folder);
    CU_ASSERT_EQUAL(symlink(file, link), 0);
    struct store *store = open_store(STORE_WRITE), *linked = NULL;
    struct err_note note = {""};
    CU_ASSERT_EQUAL(store_exec(store, "CREATE TABLE more (id)", &note), ERR_NONE);
    struct stat info;
    CU_ASSERT_TRUE(stat(wal_file, &info) == 0 && info.st_size > 0);
    CU_ASSERT_TRUE(stat(file, &info) == 0 && truncate(file, info.st_size - 4096) == 0);
    pid_t child = fork(); /* one handle of a file in a process */
    if (child == 0) {
        bool opened = store_open(link, STORE_READ, &linked, &note) == ERR_NONE;
        _exit(opened || strstr(note.text, "bytes of") == NULL ? 0 : 1);
    }
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
    store_close(store);
    unlink(link);
}

static void test_damaged(void) {
    make_names();
    store_close(open_store(STORE_WRITE));
    struct stat info;
    CU_ASSERT_EQUAL(stat(file, &info), 0);
    CU_ASSERT_EQUAL(truncate(file, info.st_size - 1), 0);
    check_refused(ERR_CONFIG, "damaged");
    CU_ASSERT_EQUAL(truncate(file, 50), 0);
    check_refused(ERR_CONFIG, "not even an SQLite file");
    remove_files();
    store_close(open_store(STORE_WRITE));
    int fd = open(file, O_WRONLY);
    char noise[3000];
    memset(noise, 0xA5, sizeof noise);
    CU_ASSERT_EQUAL(pwrite(fd, noise, sizeof noise, 100), (ssize_t)sizeof noise);
    close(fd);
    check_refused(ERR_CONFIG, "damaged");
    remove_files();
    store_close(open_store(STORE_WRITE));
    run_sql("DROP TABLE word");
    check_refused(ERR_CONFIG, "damaged");
}

static void test_locked(void) {
    make_names();
    struct store *store = open_store(STORE_WRITE), *second = NULL;
    struct err_note note = {""};
    pid_t child = fork(); /* closing a second handle would end the locks of the first */
    if (child == 0) {
        bool refused = store_open(file, STORE_WRITE, &second, &note) == ERR_USAGE &&
                       strstr(note.text, "another sweep") != NULL;
        bool readable = store_open(file, STORE_READ, &second, &note) == ERR_NONE;
        _exit(refused && readable ? 0 : 1);
    }
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
    store_close(store);
}

static void test_find(void) {
    make_names();
    struct store *store = open_store(STORE_WRITE);
    struct err_note note;
    int64_t id = 0;
    CU_ASSERT_EQUAL(store_find_sweep(store, "", &id, &note), ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "holds no sweep"));
    /* What was interrupted, or runs, has a name, but is no latest. */
    static const char *const names[] = {"20261124T01",  "20261124T02", "20261125T01",
                                        "20261125T011", "cut-off",     "now"};
    static const char *const states[] = {"done", "done",        "interrupted",
                                         "done", "interrupted", "running"};
    for (int i = 0; i < 6; i++) {
        char sql[512];
        snprintf(sql, sizeof sql,
                 "INSERT INTO sweep VALUES (%d, '%s', '%s', 1, '', '', '[]', '{}', '0', '', NULL, "
                 "NULL, 0, NULL, 0, NULL, 0, NULL, 0, '{}')",
                 i + 1, names[i], states[i]);
        CU_ASSERT_EQUAL(store_exec(store, sql, &note), ERR_NONE);
    }
    static const struct {
        const char *name;
        int64_t id; /* 0: refused */
    } cases[] = {{"", 4},          {"latest", 4},      {"latest~0", 4},     {"latest~2", 1},
                 {"latest~1", 2},  {"previous", 2},    {"cut", 5},          {"now", 6},
                 {"latest~3", 0},  {"latest~x", 0},    {"20261124T01", 1},  {"20261124T02", 2},
                 {"20261124", 0},  {"20261125T01", 3}, {"20261125T011", 4}, {"2027", 0},
                 {"20261125T0", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        id = 0;
        enum err err = store_find_sweep(store, cases[i].name, &id, &note);
        CU_ASSERT_EQUAL(err, cases[i].id != 0 ? ERR_NONE : ERR_USAGE);
        CU_ASSERT(cases[i].id == 0 || id == cases[i].id);
    }
    CU_ASSERT_EQUAL(store_find_sweep(store, "20261124", &id, &note), ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "20261124T02, 20261124T01"));
    CU_ASSERT_EQUAL(store_exec(store, "UPDATE sweep SET state = 'interrupted'", &note), ERR_NONE);
    CU_ASSERT_EQUAL(store_find_sweep(store, "latest", &id, &note), ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "holds no sweep that ended by itself"));
    CU_ASSERT_EQUAL(store_find_sweep(store, "now", &id, &note), ERR_NONE);
    store_close(store);
}

SUITE_MAIN("store", {"made, and opened again", test_made_and_opened_again},
           {"words of other programs", test_words_of_others}, {"what is no store", test_no_store},
           {"a log without its store", test_left_over_log}, {"by a link", test_linked},
           {"what is damaged", test_damaged}, {"one sweep at a time", test_locked},
           {"finding a sweep", test_find})
