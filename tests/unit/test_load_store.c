#include "engine/history/load.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/store_fill.h"
#include "tests/support/suite.h"

#define TARGETS 500
#define CHAINS 70

static char folder[] = "/tmp/pinsweep-load-store-XXXXXX";
static char file[64];
static struct snapshot snapshot;
static struct err_note note;
static const struct store_fill_night nights[] = {
    {.name = "one", .started_ms = INT64_C(1795399200000), .target_count = TARGETS, .silent = 100},
    {.name = "two",
     .started_ms = INT64_C(1795485600000),
     .target_count = TARGETS,
     .renewed = 200,
     .rotated = 200,
     .moved = 100,
     .silent = 100,
     .mismatched = 50},
    {.name = "three", .started_ms = INT64_C(1795572000000), .target_count = 5, .interrupted = true},
};

static void remove_files(void) {
    char name[96];
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
        snprintf(name, sizeof name, "%s%s", file, ends[i]);
        unlink(name);
    }
    rmdir(folder);
}

static void make_store(void) {
    struct store_fill *fill;
    if (file[0] != '\0') {
        return;
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/nights.db", folder);
    atexit(remove_files);
    CU_ASSERT_EQUAL_FATAL(store_fill_new(file, CHAINS, 40, &fill, &note), ERR_NONE);
    for (size_t i = 0; i < ARRAY_COUNT(nights); i++) {
        CU_ASSERT_EQUAL_FATAL(store_fill_add(fill, &nights[i], &note), ERR_NONE);
    }
    store_fill_free(fill);
}

static enum err load(const char *sweep, enum keep_der keep) {
    char name[96];
    struct snapshot_load_options options = {.keep_der = keep};
    snprintf(name, sizeof name, "%s%s%s", file, sweep[0] != '\0' ? "#" : "", sweep);
    note.text[0] = '\0';
    snapshot_init(&snapshot);
    return snapshot_load(name, NULL, &options, &snapshot, &note);
}

/* A match has the pin and the leaf that it equals, a mismatch the reason, silence nothing. */
static void check_evidence(const struct snapshot_set *set, const struct snapshot_view *view,
                           const struct store_fill_night *night, uint32_t target) {
    bool silent = store_fill_is_silent(night, target);
    bool bad = !silent && store_fill_is_mismatched(night, target);
    char pin[32] = "";
    if (!silent && !bad) {
        snprintf(pin, sizeof pin, "sha256/of-set-%u", target % 16 + 1);
        CU_ASSERT_EQUAL(set->cert, snapshot.chain_certs[snapshot.chains[view->chain].first_cert]);
    } else {
        CU_ASSERT_EQUAL(set->cert, SNAPSHOT_NONE);
    }
    CU_ASSERT_STRING_EQUAL(set->pin, pin);
    CU_ASSERT_STRING_EQUAL(set->reason, bad ? "no pin on the path" : "");
}

static void test_evidence(void) {
    unsigned bad = 0;
    make_store();
    CU_ASSERT_EQUAL_FATAL(load("two", KEEP_DER_NONE), ERR_NONE);
    for (uint32_t i = 0; i < TARGETS; i++) {
        const struct snapshot_target *target = &snapshot.targets[i];
        const struct snapshot_set *set = &snapshot.sets[target->first_set];
        check_evidence(set, &snapshot.views[target->first_view], &nights[1], i);
        bad += set->verdict == VERDICT_MISMATCH;
    }
    CU_ASSERT(bad > 0);
    snapshot_fini(&snapshot);
}

static void test_sweep(void) {
    make_store();
    CU_ASSERT_EQUAL_FATAL(load("previous", KEEP_DER_NONE), ERR_NONE);
    CU_ASSERT_STRING_EQUAL(snapshot.meta.sweep, "one");
    CU_ASSERT_EQUAL(snapshot.meta.started_ms, nights[0].started_ms);
    CU_ASSERT(snapshot.meta.whole);
    CU_ASSERT_EQUAL(snapshot.targets_count, TARGETS);
    CU_ASSERT_EQUAL(snapshot.views_count, TARGETS);
    CU_ASSERT_EQUAL(snapshot.sets_count, TARGETS);
    CU_ASSERT_EQUAL(snapshot.chains_count, CHAINS);
    unsigned silent = 0;
    for (uint32_t i = 0; i < TARGETS; i++) {
        const struct snapshot_target *target = &snapshot.targets[i];
        const struct snapshot_view *view = &snapshot.views[target->first_view];
        char host[32];
        snprintf(host, sizeof host, "host-%u.fill.test", i);
        CU_ASSERT_STRING_EQUAL(target->host, host);
        CU_ASSERT_PTR_EQUAL(target->sni, target->host);
        CU_ASSERT_PTR_EQUAL(target->pin_host, target->host);
        CU_ASSERT_EQUAL(target->view_count, 1);
        CU_ASSERT_EQUAL(target->set_count, 1);
        CU_ASSERT_EQUAL(target->line, i + 1);
        snprintf(host, sizeof host, "set-%u", i % 16 + 1);
        CU_ASSERT_STRING_EQUAL(snapshot.sets[target->first_set].name, host);
        CU_ASSERT_EQUAL(view->chain == SNAPSHOT_NONE, store_fill_is_silent(&nights[0], i));
        check_evidence(&snapshot.sets[target->first_set], view, &nights[0], i);
        if (view->chain == SNAPSHOT_NONE) {
            CU_ASSERT_EQUAL(target->verdict, VERDICT_UNKNOWN);
            CU_ASSERT_STRING_EQUAL(view->tls_version, "");
            silent++;
            continue;
        }
        CU_ASSERT_STRING_EQUAL(view->tls_version, "TLSv1.3");
        const struct snapshot_chain *chain = &snapshot.chains[view->chain];
        const struct snapshot_cert *leaf = snapshot_chain_leaf(&snapshot, chain);
        snprintf(host, sizeof host, "CN=host-%u.fill.test", i % CHAINS);
        CU_ASSERT_STRING_EQUAL(leaf->subject, host);
        CU_ASSERT_EQUAL(leaf->der.len, 0);
    }
    CU_ASSERT(silent > 0);
    snapshot_fini(&snapshot);
}

/* What time says: at the sweep's own time, and in a sweep that was judged long after. */
static void test_paths(void) {
    make_store();
    CU_ASSERT_EQUAL_FATAL(load("one", KEEP_DER_ISSUERS), ERR_NONE);
    for (uint32_t i = 0; i < snapshot.chains_count; i++) {
        const struct snapshot_chain *chain = &snapshot.chains[i];
        const struct snapshot_cert *leaf = snapshot_chain_leaf(&snapshot, chain);
        uint32_t idx = snapshot_preferred(&snapshot, chain, 0);
        CU_ASSERT_NOT_EQUAL_FATAL(idx, SNAPSHOT_NONE);
        const struct snapshot_path *path = &snapshot.paths[idx];
        CU_ASSERT_EQUAL_FATAL(path->cert_count, 3);
        const struct snapshot_cert *root =
            &snapshot.certs[snapshot.path_certs[path->first_cert + 2]];
        CU_ASSERT_STRING_EQUAL(root->subject,
                               snapshot.certs[snapshot.path_certs[path->first_cert + 1]].issuer);
        CU_ASSERT_EQUAL(path->not_after, leaf->not_after);
        CU_ASSERT(path->valid);
        CU_ASSERT_EQUAL(snapshot.pkix[chain->first_pkix].result, PKIX_OK);
        CU_ASSERT_EQUAL(leaf->der.len, 0);
        CU_ASSERT_EQUAL(root->der.len, 40);
    }
    snapshot_fini(&snapshot);
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(file, &db), SQLITE_OK);
    sqlite3_exec(db, "UPDATE sweep SET judged_at = 1900000000 WHERE id = 1", NULL, NULL, NULL);
    CU_ASSERT_EQUAL(load("one", KEEP_DER_ALL), ERR_NONE);
    CU_ASSERT_EQUAL(snapshot.pkix[0].result, PKIX_EXPIRED);
    CU_ASSERT(snapshot.paths[0].preferred && !snapshot.paths[0].valid);
    CU_ASSERT_EQUAL(snapshot_chain_leaf(&snapshot, &snapshot.chains[0])->der.len, 40);
    snapshot_fini(&snapshot);
    sqlite3_exec(db, "UPDATE sweep SET judged_at = NULL WHERE id = 1", NULL, NULL, NULL);
    sqlite3_close(db);
}

static void test_which_sweep(void) {
    static const struct {
        const char *asked, *got;
    } cases[] = {{"", "two"},         {"latest", "two"},  {"previous", "one"}, {"latest~0", "two"},
                 {"latest~1", "one"}, {"latest~2", NULL}, {"three", "three"},  {"thr", "three"},
                 {"t", NULL},         {"four", NULL},     {"latest~x", NULL},  {"one", "one"}};
    make_store();
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        enum err err = load(cases[i].asked, KEEP_DER_NONE);
        CU_ASSERT_EQUAL(err == ERR_NONE, cases[i].got != NULL);
        if (cases[i].got != NULL) {
            CU_ASSERT_STRING_EQUAL(snapshot.meta.sweep, cases[i].got);
        } else {
            CU_ASSERT_PTR_NOT_NULL(strstr(note.text, file));
            CU_ASSERT_EQUAL(err_exit_code(err), 2);
        }
        snapshot_fini(&snapshot);
    }
    CU_ASSERT_EQUAL(load("three", KEEP_DER_NONE), ERR_NONE);
    CU_ASSERT_FALSE(snapshot.meta.whole);
    CU_ASSERT_EQUAL(snapshot.chains_count, 5); /* what this sweep saw, not all of the store */
    snapshot_fini(&snapshot);
}

/* Each of these takes something away that another row needs. */
static void test_damaged(void) {
    static const char *const damages[] = {
        "DELETE FROM chain WHERE id = 3",
        "DELETE FROM certificate WHERE id = 1",
        "UPDATE chain SET certificates = '[1,2' WHERE id = 3",
        "UPDATE chain SET certificates = '[1,99999]' WHERE id = 3",
        "UPDATE chain SET certificates = '[1 ,2]' WHERE id = 3",
        "UPDATE chain SET chain_sha256 = x'00' WHERE id = 3",
        "UPDATE chain_paths SET paths = '[[]]' WHERE chain = 3",
        "UPDATE chain_paths SET paths = '[[1,2],3]' WHERE chain = 3",
        "UPDATE chain_paths SET paths = '' WHERE chain = 3",
        "UPDATE certificate SET cert_sha256 = x'0001' WHERE id = 20",
        "UPDATE target SET verdict = 77",
        "UPDATE view SET status = 77",
        "UPDATE view SET chain = 1000000",
        "UPDATE view SET chain = -1",
        "DELETE FROM target WHERE id = (1 << 34) + 3",
        "DELETE FROM pin_set WHERE id = 3",
        "UPDATE judgement SET would_be = -1",
        "DELETE FROM pin WHERE id = 3",
        "UPDATE judgement SET pin = -1",
        "UPDATE judgement SET pin = 1 << 40",
        "UPDATE judgement SET certificate = -1",
        "UPDATE judgement SET certificate = 1 << 40",
        "UPDATE judgement SET reason = 1",
        "UPDATE judgement SET reason = -1",
        "UPDATE judgement SET reason = 1 << 40",
        "INSERT INTO word VALUES ('reason', -1, 'x')",
        "UPDATE chain_paths SET failure = 99",
        "UPDATE sweep SET metadata = '{\"schema\":1,\"ty'",
    };
    make_store();
    for (size_t i = 0; i < ARRAY_COUNT(damages); i++) {
        char command[256], copy[96], good[sizeof file];
        snprintf(copy, sizeof copy, "%s/copy.db", folder);
        snprintf(command, sizeof command, "cp %s %s", file, copy);
        CU_ASSERT_EQUAL_FATAL(system(command), 0);
        sqlite3 *db;
        CU_ASSERT_EQUAL_FATAL(sqlite3_open(copy, &db), SQLITE_OK);
        CU_ASSERT_EQUAL(sqlite3_exec(db, damages[i], NULL, NULL, NULL), SQLITE_OK);
        CU_ASSERT(sqlite3_changes(db) > 0);
        sqlite3_close(db);
        memcpy(good, file, sizeof good);
        snprintf(file, sizeof file, "%s/copy.db", folder);
        enum err err = load("one", KEEP_DER_NONE);
        if (err_exit_code(err) != 2) {
            printf("%s: loaded\n", damages[i]);
        }
        CU_ASSERT_EQUAL(err_exit_code(err), 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "copy.db"));
        snapshot_fini(&snapshot);
        memcpy(file, good, sizeof good);
        unlink(copy);
    }
}

static void test_files_beside(void) {
    make_store();
    struct snapshot_load_options options = {.metadata_file = "m"};
    snapshot_init(&snapshot);
    CU_ASSERT_EQUAL(snapshot_load(file, NULL, &options, &snapshot, &note), ERR_USAGE);
    snapshot_fini(&snapshot);
}

SUITE_MAIN("load_store", {"a sweep", test_sweep}, {"paths and time", test_paths},
           {"evidence", test_evidence}, {"which sweep", test_which_sweep},
           {"a damaged store", test_damaged}, {"files beside a store", test_files_beside})
