#include "engine/history/store_writer.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "engine/history/store_writer_internal.h"
#include "engine/sweep/keeper_rows.h"
#include "tests/support/pki.h"
#include "tests/support/suite.h"

static char folder[] = "/tmp/pinsweep-writer-XXXXXX";
static char file[64], wal_file[80], shm_file[80];
static struct err_note note;

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

/* --- a world of a few targets --- */

static struct pki pki;
static struct pin_index pins;
static struct sweep_config config;
static struct store_writer *writer;
static const struct keeper *keeper;
static struct keeper_rows rows;
static struct netaddr address;
static struct pin active = {.text = "sha256/active"}, bad = {.text = "sha256/bad", .role = PIN_BAD};

static void make_world(void) {
    make_names();
    pki_init(&pki);
    pki_mint(&pki, (struct pki_spec){.subject = "R", .ca = true});
    pki_mint(&pki, (struct pki_spec){.subject = "S", .ca = true});
    pki_mint(&pki, (struct pki_spec){.subject = "I", .issuer = "R", .ca = true});
    pki_mint(&pki, (struct pki_spec){.tag = "I2", .subject = "I", .issuer = "S", .ca = true});
    pki_mint(&pki, (struct pki_spec){.subject = "leaf", .issuer = "I", .dns = "a.test"});
    pki_mint(&pki, (struct pki_spec){.subject = "self", .dns = "a.test"});
    pki_profile(&pki, "p", "S R self");
    pki_profile(&pki, "q", "R");
    pin_index_init(&pins, 1);
    for (int i = 0; i < 2; i++) {
        struct pin_set *set = arena_alloc(&pins.arena, sizeof *set);
        pin_set_init(set, PIN_CLIENT_CUSTOM);
        set->name = i == 0 ? "first" : "second";
        set->expires = i == 0 ? DATETIME_NONE : 1900000000;
        CU_ASSERT_EQUAL(pin_index_add(&pins, set, NULL), ERR_NONE);
    }
    config = (struct sweep_config){
        .trust = &pki.store, .pins = &pins, .at_unix_s = DATETIME_NONE, .sweep_id = "one"};
    netaddr_parse(span_str("192.0.2.7"), &address);
}

static void end_world(void) {
    store_writer_close(writer);
    writer = NULL;
    keeper_rows_free(&rows);
    pin_index_fini(&pins);
    pki_fini(&pki);
}

static enum err begin(const char *name, bool resume, struct keeper_resumed *resumed) {
    static const uint8_t digest[SHA256_LEN] = {1, 2, 3};
    struct keeper_sweep sweep = {.config = &config,
                                 .name = name,
                                 .arguments = "[\"pinsweep\"]",
                                 .settings = "{\"depth\":\"complete\"}",
                                 .metadata = "{\"at\":0}",
                                 .input = "inventory",
                                 .input_lines = 1000,
                                 .input_sha256 = digest,
                                 .started_ms = 1800000000123,
                                 .output_file = "/out",
                                 .resume = resume};
    if (store_writer_open(file, &writer, &note) != ERR_NONE) {
        printf("%s\n", note.text);
        return ERR_IO;
    }
    keeper = store_writer_keeper(writer);
    return keeper->begin(keeper->context, &sweep, resumed, &note);
}

/* The rows of one target. */
static void add_target(uint64_t line, uint64_t place, struct chain *chain, const char *sni,
                       uint32_t sets) {
    struct set_verdict verdicts[2] = {{.set = pins.sets[0],
                                       .verdict = VERDICT_MATCH,
                                       .would_be = VERDICT_MATCH,
                                       .durable = true,
                                       .unit_count = 1},
                                      {.set = pins.sets[1],
                                       .verdict = VERDICT_OFF_PATH,
                                       .would_be = VERDICT_MISMATCH,
                                       .first_unit = 1,
                                       .unit_count = 3}};
    /* The second set matches by one profile; its first failure decides. */
    const struct verdict_unit units[] = {
        {.profile_idx = -1,
         .path_idx = -1,
         .verdict = VERDICT_MATCH,
         .reason = "",
         .pin = &active,
         .cert = chain->certs[0]},
        {.verdict = VERDICT_MATCH_BACKUP, .reason = "", .pin = &active, .cert = chain->certs[0]},
        {.view_idx = 1,
         .profile_idx = 1,
         .verdict = VERDICT_MISMATCH,
         .reason = place == 0 ? "a bad pin matches" : "no pin on the path",
         .pin = place == 0 ? &bad : NULL,
         .cert = place == 0 ? &pki.store.profiles[1].anchors[0] : NULL},
        {.profile_idx = 1,
         .path_idx = -1,
         .verdict = VERDICT_NO_PATH,
         .reason = "no path to an anchor"}};
    struct target target = {.line = line,
                            .place = place,
                            .port = 443,
                            .host = "a.test",
                            .sni = sni,
                            .pin_host = "a.test",
                            .tag = "t\xFFg",
                            .owner = "",
                            .application = "app",
                            .addresses = &address,
                            .address_count = 1};
    struct probe probes[2] = {{.target = &target,
                               .outcome = OUTCOME_SUCCESS,
                               .chain = chain,
                               .attempts = 2,
                               .facts = {.version = 0x0304,
                                         .cipher = 0x1301,
                                         .group = 0x1234,
                                         .depth = DEPTH_PROVE,
                                         .proof = PROOF_POSSESSION,
                                         .alpn = "http/1.1"},
                               .opened_ns = 1000,
                               .connected_ns = 3000,
                               .finished_ns = 9000},
                              {.target = &target,
                               .outcome = OUTCOME_IO_TIMEOUT,
                               .key_view = KEY_VIEW_RSA,
                               .facts = {.error = "nothing came"}}};
    struct judgement judgement = {.target = &target,
                                  .config = &config,
                                  .time_ms = 1800000000456,
                                  .status = OUTCOME_SUCCESS,
                                  .verdict = VERDICT_OFF_PATH,
                                  .views_failed = 1,
                                  .sets = verdicts,
                                  .set_count = sets,
                                  .units = units,
                                  .unit_count = ARRAY_COUNT(units)};
    target.probes = probes;
    target.probe_count = 2;
    keeper_rows_add(&rows, &judgement);
}

static void put(void) {
    CU_ASSERT_FALSE(rows.failed);
    CU_ASSERT_EQUAL(keeper->put(keeper->context, span_of(rows.bytes, rows.len), &note), ERR_NONE);
    rows.len = 0;
}

static void commit(uint64_t output_len) {
    struct keeper_commit facts = {.output_len = output_len, .metadata = "{\"at\":1}"};
    CU_ASSERT_EQUAL(keeper->commit(keeper->context, &facts, &note), ERR_NONE);
}

static void end(enum keeper_state state) {
    struct keeper_commit facts = {.output_len = 77, .metadata = "{\"at\":2}"};
    CU_ASSERT_EQUAL(
        keeper->end(keeper->context, state, &facts, NULL, INT64_C(1800000001000), &note), ERR_NONE);
    store_writer_close(writer);
    writer = NULL;
}

/* All rows of a query: columns by "|", rows by newlines. */
static const char *ask(const char *sql) {
    static char text[65536];
    size_t len = 0;
    sqlite3 *db;
    sqlite3_stmt *statement = NULL;
    text[0] = '\0';
    CU_ASSERT_EQUAL(sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        snprintf(text, sizeof text, "%s", sqlite3_errmsg(db));
    }
    while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const char *value = (const char *)sqlite3_column_text(statement, i);
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s",
                                    i > 0 ? "|" : (len > 0 ? "\n" : ""),
                                    value != NULL ? value : "NULL");
        }
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return text;
}

#define ASK(sql, expected)                                                                         \
    do {                                                                                           \
        const char *got_ = ask(sql);                                                               \
        CU_ASSERT_STRING_EQUAL(got_, expected);                                                    \
        if (strcmp(got_, expected) != 0) {                                                         \
            printf("  %s\n  got:      %s\n  expected: %s\n", sql, got_, expected);                 \
        }                                                                                          \
    } while (0)

static struct chain *judged_chain(const char *tags) {
    struct chain *chain = pki_chain(&pki, tags);
    path_set_of(pki.builder, chain);
    return chain;
}

static void test_rows(void) {
    make_world();
    struct keeper_resumed resumed;
    CU_ASSERT_EQUAL_FATAL(begin("one", false, &resumed), ERR_NONE);
    struct chain *chain = judged_chain("leaf I2 I");
    add_target(3, 0, chain, "a.test", 2);
    add_target(4, 17, chain, "", 2);
    add_target(5, 0, judged_chain("self"), "b.test", 0);
    put();
    commit(10);
    ASK("SELECT name, state, runs, targets, output_len, output_file, chains_file, metadata, "
        "started_ms, ended_ms, lower(hex(substr(input_sha256, 1, 3))) FROM sweep",
        "one|running|1|3|10|/out|NULL|{\"at\":1}|1800000000123|NULL|010203");
    ASK("SELECT line, place, host, sni, pin_host, tag, owner, application, time, status, verdict, "
        "complete, views_failed, error FROM targets",
        "3|0|a.test|a.test|a.test|t\xEF\xBF\xBDg||app|2027-01-15T08:00:00Z|success|off-path|0|1|\n"
        "4|17|a.test||a.test|t\xEF\xBF\xBDg||app|2027-01-15T08:00:00Z|success|off-path|0|1|\n"
        "5|0|a.test|b.test|a.test|t\xEF\xBF\xBDg||app|2027-01-15T08:00:00Z|success|off-path|0|1|");
    ASK("SELECT target & 3, place, address, key_type, status, error, attempts, depth, proof, "
        "tls_version, cipher, \"group\", alpn, chain, host_match, connect_ms, tls_ms FROM views "
        "WHERE target & 3 < 2",
        "0|0|192.0.2.7|any|success||2|prove|possession|TLSv1.3|TLS_AES_128_GCM_SHA256|0x1234|"
        "http/1.1|1|1|0.002|0.006\n"
        "0|1|192.0.2.7|rsa|io-timeout|nothing came|0||none|||||NULL|0|NULL|NULL\n"
        "1|0|192.0.2.7|any|success||2|prove|possession|TLSv1.3|TLS_AES_128_GCM_SHA256|0x1234|"
        "http/1.1|1|1|0.002|0.006\n"
        "1|1|192.0.2.7|rsa|io-timeout|nothing came|0||none|||||NULL|0|NULL|NULL");
    ASK("SELECT pin_set, verdict, would_be, durable, client, expires FROM judgements",
        "first|match|match|1|custom|\nsecond|off-path|mismatch|0|custom|2030-03-17\n"
        "first|match|match|1|custom|\nsecond|off-path|mismatch|0|custom|2030-03-17");
    ASK("SELECT pin_set, view, trust, path, pin, role, subject, length(certificate), reason "
        "FROM judgements",
        "first|0||NULL|sha256/active|active|CN=leaf|64|\n"
        "second|1|q|0|sha256/bad|bad|CN=R|64|a bad pin matches\n"
        "first|0||NULL|sha256/active|active|CN=leaf|64|\n"
        "second|1|q|0||||0|no pin on the path");
    ASK("SELECT count(*), count(DISTINCT text) FROM pin", "2|2");
    ASK("SELECT code, text FROM word WHERE kind = 'reason'",
        "0|a bad pin matches\n1|no pin on the path");
    ASK("SELECT chain, place, subject, strict FROM chain_certificates",
        "1|0|CN=leaf|1\n1|1|CN=I|1\n1|2|CN=I|1\n2|0|CN=self|1");
    ASK("SELECT chain, trust, place, anchor FROM paths",
        "1|p|0|CN=S\n1|p|1|CN=R\n1|q|0|CN=R\n2|p|0|CN=self");
    ASK("SELECT chain, profile, paths, text, truncated FROM chain_paths JOIN word ON kind = 'pkix' "
        "AND code = failure WHERE chain = 2",
        "2|1|[[3]]|ok|0\n2|2|[]|untrusted|0");
    ASK("SELECT name, place, subject FROM anchor JOIN profile ON profile.id = profile "
        "JOIN certificate ON certificate.id = certificate",
        "p|0|CN=S\np|1|CN=R\np|2|CN=self\nq|0|CN=R");
    ASK("SELECT count(*), count(DISTINCT cert_sha256), count(der) FROM certificate JOIN "
        "certificate_der ON certificate = id",
        "6|6|6");
    end(KEEPER_DONE);
    ASK("SELECT state, ended_ms, output_len, metadata FROM sweep",
        "done|1800000001000|77|{\"at\":2}");
    ASK("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
        "certificate_digest\nchain_digest");
    ASK("PRAGMA foreign_key_check", "");
    end_world();
}

/* The next sweep finds the pins and reasons that the one before left; where nothing decided there
   is no evidence. */
static void test_evidence(void) {
    make_world();
    struct keeper_resumed resumed;
    for (int night = 0; night < 2; night++) {
        CU_ASSERT_EQUAL_FATAL(begin(night == 0 ? "one" : "two", false, &resumed), ERR_NONE);
        struct chain *chain = judged_chain("leaf I2 I");
        add_target(1, 0, chain, "", 2);
        add_target(2, (uint64_t)night, chain, "", 2);
        struct set_verdict unknown = {
            .set = pins.sets[0], .verdict = VERDICT_UNKNOWN, .would_be = VERDICT_UNKNOWN};
        struct target target = {.line = 3,
                                .host = "c.test",
                                .sni = "",
                                .pin_host = "",
                                .tag = "",
                                .owner = "",
                                .application = ""};
        struct judgement judgement = {
            .target = &target, .config = &config, .sets = &unknown, .set_count = 1};
        keeper_rows_add(&rows, &judgement);
        put();
        end(KEEPER_DONE);
    }
    ASK("SELECT sweep, pin_set, pin, reason FROM judgements WHERE pin_set = 'second'",
        "one|second|sha256/bad|a bad pin matches\none|second|sha256/bad|a bad pin matches\n"
        "two|second|sha256/bad|a bad pin matches\ntwo|second||no pin on the path");
    ASK("SELECT text, role FROM pin", "sha256/active|active\nsha256/bad|bad");
    ASK("SELECT text FROM word WHERE kind = 'reason'", "a bad pin matches\nno pin on the path");
    ASK("SELECT view, profile, path, certificate, pin, reason FROM judgement JOIN word ON "
        "kind = 'verdict' AND code = verdict WHERE word.text = 'unknown'",
        "NULL|NULL|NULL|NULL|NULL|NULL\nNULL|NULL|NULL|NULL|NULL|NULL");
    end_world();
}

/* What was not committed is gone, what was stays; and nothing is begun for nothing. */
static void test_undone(void) {
    make_world();
    struct keeper_resumed resumed;
    CU_ASSERT_EQUAL_FATAL(begin("one", false, &resumed), ERR_NONE);
    store_writer_close(writer);
    ASK("SELECT count(*) FROM sweep", "0");
    CU_ASSERT_EQUAL_FATAL(begin("one", false, &resumed), ERR_NONE);
    struct chain *chain = judged_chain("leaf I");
    add_target(1, 0, chain, "", 0);
    put();
    commit(5);
    add_target(2, 0, chain, "", 0);
    put();
    store_writer_close(writer);
    ASK("SELECT state, targets, output_len FROM sweep", "running|1|5");
    ASK("SELECT line FROM target", "1");
    CU_ASSERT_EQUAL_FATAL(begin("two", false, &resumed), ERR_NONE); /* who ran was killed */
    commit(0);
    ASK("SELECT name, state FROM sweep", "one|interrupted\ntwo|running");
    end_world();
}

static void test_resumed(void) {
    make_world();
    struct keeper_resumed resumed;
    struct store_resumable found;
    CU_ASSERT_EQUAL_FATAL(begin("one", false, &resumed), ERR_NONE);
    struct chain *chain = judged_chain("leaf I");
    add_target(1, 0, chain, "", 0);
    add_target(7, 3, chain, "", 0);
    add_target(7, 65535, chain, "", 0);
    add_target(1000, 0, chain, "", 0);
    put();
    end(KEEPER_INTERRUPTED);
    CU_ASSERT_EQUAL_FATAL(store_writer_open(file, &writer, &note), ERR_NONE);
    CU_ASSERT_EQUAL(store_writer_find(writer, NULL, &found, &note), ERR_USAGE);
    CU_ASSERT_EQUAL(store_writer_find(writer, "/elsewhere", &found, &note), ERR_USAGE);
    CU_ASSERT_EQUAL(store_writer_find(writer, "/out", &found, &note), ERR_NONE);
    CU_ASSERT_STRING_EQUAL(found.name, "one");
    store_writer_close(writer);
    CU_ASSERT_EQUAL_FATAL(begin("one", true, &resumed), ERR_NONE);
    CU_ASSERT_EQUAL(resumed.output_len, 77);
    CU_ASSERT_EQUAL(resumed.started_ms, INT64_C(1800000000123));
    CU_ASSERT_STRING_EQUAL(resumed.metadata, "{\"at\":2}");
    uint64_t count = 0;
    for (uint64_t line = 0; line <= 1010; line++) {
        for (uint64_t place = 0; place < 5; place++) {
            count += keeper->is_done(keeper->context, line, place);
        }
    }
    CU_ASSERT_EQUAL(count, 3);
    CU_ASSERT_TRUE(keeper->is_done(keeper->context, 1, 0));
    CU_ASSERT_TRUE(keeper->is_done(keeper->context, 7, 3));
    CU_ASSERT_TRUE(keeper->is_done(keeper->context, 7, 65535));
    CU_ASSERT_TRUE(keeper->is_done(keeper->context, 1000, 0));
    CU_ASSERT_FALSE(keeper->is_done(keeper->context, UINT64_MAX, 0));
    add_target(2, 0, chain, "", 0);
    put();
    end(KEEPER_DONE);
    ASK("SELECT line, place FROM target", "1|0\n7|3\n7|65535\n1000|0\n2|0");
    ASK("SELECT state, runs, targets FROM sweep", "done|2|5");
    CU_ASSERT_EQUAL(begin("one", true, &resumed), ERR_USAGE); /* it ended by itself */
    end_world();
}

static enum err find(const char *output_file, struct store_resumable *out) {
    CU_ASSERT_EQUAL_FATAL(store_writer_open(file, &writer, &note), ERR_NONE);
    enum err err = store_writer_find(writer, output_file, out, &note);
    store_writer_close(writer);
    writer = NULL;
    return err;
}

/* A later sweep wrote to the file (--append, --overwrite): an older one is not cut back into it. */
static void test_not_behind_another(void) {
    make_world();
    struct keeper_resumed resumed;
    struct store_resumable found;
    CU_ASSERT_EQUAL_FATAL(begin("one", false, &resumed), ERR_NONE);
    end(KEEPER_INTERRUPTED);
    CU_ASSERT_EQUAL(find("/out", &found), ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(begin("two", false, &resumed), ERR_NONE);
    end(KEEPER_INTERRUPTED);
    CU_ASSERT_EQUAL(find("/out", &found), ERR_NONE);
    CU_ASSERT_STRING_EQUAL(found.name, "two");
    CU_ASSERT_EQUAL_FATAL(begin("two", true, &resumed), ERR_NONE);
    end(KEEPER_DONE);
    CU_ASSERT_EQUAL(find("/out", &found), ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "(the last one, two, ended by itself)"));
    /* what wrote elsewhere is not in the way */
    ask("UPDATE sweep SET output_file = '/elsewhere' WHERE name = 'two'");
    CU_ASSERT_EQUAL(find("/out", &found), ERR_NONE);
    CU_ASSERT_STRING_EQUAL(found.name, "one");
    end_world();
}

/* Keys that somebody's hand left: no row of another sweep is taken for the new one's, and none
   overflows. */
static void test_keys(void) {
    make_world();
    struct keeper_resumed resumed;
    CU_ASSERT_EQUAL_FATAL(begin("one", false, &resumed), ERR_NONE);
    add_target(1, 0, judged_chain("leaf I"), "", 0);
    put();
    end(KEEPER_DONE);
    ask("DELETE FROM sweep_profile");
    ask("DELETE FROM sweep");
    CU_ASSERT_EQUAL_FATAL(begin("two", false, &resumed), ERR_NONE);
    add_target(1, 0, judged_chain("leaf I"), "", 0);
    put();
    end(KEEPER_INTERRUPTED);
    ASK("SELECT id FROM sweep", "2");
    ASK("SELECT id >> 34 FROM target", "1\n2");
    sqlite3 *db;
    CU_ASSERT_EQUAL(sqlite3_open(file, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db,
                                 "PRAGMA ignore_check_constraints = 1;"
                                 "UPDATE sweep SET id = 1 << 40",
                                 NULL, NULL, NULL),
                    SQLITE_OK);
    sqlite3_close(db);
    CU_ASSERT_EQUAL(begin("two", true, &resumed), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "has the key"));
    end_world();
}

/* Chains of the night before: nothing is verified, as long as anchors and program are the same. */
static void test_remembered(void) {
    make_world();
    struct keeper_resumed resumed;
    CU_ASSERT_EQUAL_FATAL(begin("one", false, &resumed), ERR_NONE);
    static const char *const chains[] = {"leaf I2 I", "leaf I", "leaf",         "self",
                                         "self R",    "R",      "leaf I I2 R S"};
    char before[ARRAY_COUNT(chains)][2][512], after[512];
    for (size_t i = 0; i < ARRAY_COUNT(chains); i++) {
        struct chain *chain = judged_chain(chains[i]);
        add_target(i + 1, 0, chain, "", 0);
        for (uint32_t p = 0; p < 2; p++) {
            pki_describe(&pki, &chain->paths->profiles[p], before[i][p], sizeof before[i][p]);
        }
    }
    put();
    end(KEEPER_DONE);
    static const struct {
        const char *change;
        bool known;
    } cases[] = {{"SELECT 1", true},
                 {"UPDATE profile SET verifier = 'another' WHERE name = 'q'", false},
                 {"SELECT 1", true}, /* verified anew, and remembered */
                 {"UPDATE chain_paths SET paths = '[[1,2,3]'", false},
                 {"SELECT 1", true}, /* written over */
                 {"UPDATE chain_paths SET failure = 99", false},
                 {"UPDATE chain_paths SET detail = printf('%.100000c', 'x')", true}};
    for (size_t c = 0; c < ARRAY_COUNT(cases); c++) {
        ask(cases[c].change);
        CU_ASSERT_EQUAL_FATAL(begin(c % 2 == 0 ? "two" : "three", false, &resumed), ERR_NONE);
        path_builder_remember(pki.builder, &keeper->memory);
        for (size_t i = 0; i < ARRAY_COUNT(chains); i++) {
            struct chain *chain = pki_chain(&pki, chains[i]);
            path_set_free(NULL, chain->paths);
            chain->paths = NULL;
            chain->kept = 0;
            const struct path_set *set = path_set_of(pki.builder, chain);
            CU_ASSERT_EQUAL(set->known, cases[c].known);
            for (uint32_t p = 0; p < 2; p++) {
                pki_describe(&pki, &set->profiles[p], after, sizeof after);
                /* failed candidates are not remembered: only paths and the failure count */
                const char *words = strstr(before[i][p], "= ");
                CU_ASSERT_PTR_NOT_NULL(strstr(after, words != NULL ? words : before[i][p]));
            }
            add_target(i + 1, 0, chain, "", 0);
        }
        put();
        end(KEEPER_DONE);
        path_builder_remember(pki.builder, NULL);
        ask("UPDATE sweep SET name = name || id");
    }
    ASK("SELECT count(*) FROM chain", "7");
    ASK("SELECT count(*) FROM certificate", "6");
    ASK("SELECT count(*) FROM profile", "3");
    end_world();
}

/* Whatever stands in the columns: the paths that come of it have the right shape, or are verified.
 */
static void test_damaged_memory(void) {
    make_world();
    struct keeper_resumed resumed;
    struct rng rng;
    rng_init(&rng, suite_seed());
    CU_ASSERT_EQUAL_FATAL(begin("one", false, &resumed), ERR_NONE);
    struct chain *chain = judged_chain("leaf I2 I");
    add_target(1, 0, chain, "", 0);
    put();
    end(KEEPER_DONE);
    static const char letters[] = "0123456789[],[] x-";
    for (int turn = 0; turn < 60; turn++) {
        char text[64], sql[256];
        size_t len = rng_below(&rng, 24);
        if (turn % 3 == 0) {
            snprintf(text, sizeof text, "[[4,5,1],[4,6,2]]");
            text[rng_below(&rng, 17)] = letters[rng_below(&rng, sizeof letters - 1)];
        } else {
            for (size_t i = 0; i < len; i++) {
                text[i] = letters[rng_below(&rng, sizeof letters - 1)];
            }
            text[len] = '\0';
        }
        snprintf(sql, sizeof sql, "UPDATE %s = '%s'",
                 turn % 2 == 0 ? "chain_paths SET paths" : "chain SET certificates", text);
        ask(sql);
        if (begin("two", false, &resumed) == ERR_NONE) {
            path_builder_remember(pki.builder, &keeper->memory);
            path_set_free(NULL, chain->paths);
            chain->paths = NULL;
            const struct path_set *set = path_set_of(pki.builder, chain);
            for (uint16_t i = 0; i < set->profiles[0].ok_count; i++) {
                const struct path *path = &set->profiles[0].paths[i];
                CU_ASSERT_PTR_EQUAL(path->certs[0], chain->certs[0]);
                CU_ASSERT_PTR_NOT_NULL(
                    trust_profile_same(&pki.store.profiles[0], path->certs[path->count - 1]));
            }
            path_builder_remember(pki.builder, NULL);
        }
        store_writer_close(writer);
        writer = NULL;
    }
    end_world();
}

static void test_digests(void) {
    struct store_digests digests = {0};
    uint8_t digest[SHA256_LEN];
    CU_ASSERT_PTR_NULL(store_digests_find(&digests, (const uint8_t[SHA256_LEN]){0}));
    for (uint32_t i = 0; i < 20000; i++) {
        sha256_once(span_of(&i, sizeof i), digest);
        CU_ASSERT_PTR_NULL(store_digests_find(&digests, digest));
        CU_ASSERT_PTR_NOT_NULL(store_digests_add(&digests, digest, i + 7));
    }
    for (uint32_t i = 0; i < 20000; i++) {
        sha256_once(span_of(&i, sizeof i), digest);
        const struct store_digest *found = store_digests_find(&digests, digest);
        CU_ASSERT(found != NULL && found->row == i + 7 && found->profiles == 0);
        digest[31] ^= 1; /* the same hash, another digest */
        CU_ASSERT_PTR_NULL(store_digests_find(&digests, digest));
    }
    store_digests_fini(&digests);
}

SUITE_MAIN("store_writer", {"rows of every kind", test_rows}, {"what decided", test_evidence},
           {"what was not committed", test_undone}, {"a resumed sweep", test_resumed},
           {"not behind another", test_not_behind_another}, {"keys", test_keys},
           {"remembered paths", test_remembered}, {"a damaged memory", test_damaged_memory},
           {"digests", test_digests})
