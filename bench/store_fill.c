#include "bench/store_fill.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/codec/sha256.h"

#define ISSUERS 100
#define ROOTS 10
#define SETS 16
#define DAY_S INT64_C(86400)

struct store_fill {
    struct store *store;
    sqlite3_stmt *add_cert, *add_der, *add_chain, *add_paths, *add_target, *add_view,
        *add_judgement;
    uint32_t chain_count, der_len;
    uint8_t *der;
    struct {
        uint32_t row;        /* chain.id as of the last night; 0: none yet */
        uint32_t cert;       /* of its leaf */
        uint16_t generation; /* certificates so far */
        uint16_t key;        /* keys so far */
        uint8_t issuer;
    } * chains;
    uint32_t certs, rows; /* last ids given */
    int64_t sweep;
};

/* Spreads numbers that stand side by side (the finalizer of splitmix64). */
static uint32_t spread(uint64_t number, uint64_t salt) {
    uint64_t x = number + salt * UINT64_C(0x9e3779b97f4a7c15) + 1;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(x >> 33);
}

static uint64_t salt_of(const struct store_fill_night *night) {
    return (uint64_t)night->started_ms;
}

enum store_fill_change store_fill_change_of(const struct store_fill_night *night, uint32_t chain) {
    uint32_t at = spread(chain, salt_of(night)) % 1000;
    if (at < night->renewed) {
        return STORE_FILL_RENEWED;
    }
    if (at < night->renewed + night->rotated) {
        return STORE_FILL_ROTATED;
    }
    return at < night->renewed + night->rotated + night->moved ? STORE_FILL_MOVED : STORE_FILL_SAME;
}

bool store_fill_is_silent(const struct store_fill_night *night, uint32_t target) {
    return spread(target, salt_of(night) + 1) % 1000 < night->silent;
}

bool store_fill_is_mismatched(const struct store_fill_night *night, uint32_t target) {
    return spread(target, salt_of(night) + 2) % 1000 < night->mismatched;
}

/* --- statements --- */

static enum err run(struct store_fill *fill, sqlite3_stmt *statement, struct err_note *note) {
    bool row;
    enum err err = store_step(fill->store, statement, &row, note);
    sqlite3_reset(statement);
    return err;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text) {
    sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_digest(sqlite3_stmt *statement, int at, const char *text,
                        uint8_t digest[SHA256_LEN]) {
    sha256_once(span_str(text), digest);
    sqlite3_bind_blob(statement, at, digest, SHA256_LEN, SQLITE_TRANSIENT);
}

struct made_cert {
    const char *subject, *issuer, *key; /* what its digests are of */
    uint32_t serial;
    int64_t not_before, not_after;
    bool is_ca;
};

static enum err add_cert(struct store_fill *fill, const struct made_cert *cert,
                         uint8_t digest[SHA256_LEN], struct err_note *note) {
    char text[256], serial[16];
    uint8_t key[SHA256_LEN];
    snprintf(text, sizeof text, "%s %s %s %u", cert->subject, cert->issuer, cert->key,
             cert->serial);
    snprintf(serial, sizeof serial, "%08x", cert->serial);
    sqlite3_bind_int64(fill->add_cert, 1, ++fill->certs);
    bind_digest(fill->add_cert, 2, text, digest);
    bind_digest(fill->add_cert, 3, cert->key, key);
    bind_text(fill->add_cert, 4, cert->subject);
    bind_text(fill->add_cert, 5, cert->issuer);
    bind_text(fill->add_cert, 6, serial);
    sqlite3_bind_int64(fill->add_cert, 7, cert->not_before);
    sqlite3_bind_int64(fill->add_cert, 8, cert->not_after);
    sqlite3_bind_int(fill->add_cert, 9, cert->is_ca);
    sqlite3_bind_int64(fill->add_der, 1, fill->certs);
    sqlite3_bind_blob(fill->add_der, 2, fill->der, (int)fill->der_len, SQLITE_STATIC);
    enum err err = run(fill, fill->add_cert, note);
    return err == ERR_NONE ? run(fill, fill->add_der, note) : err;
}

static enum err prepare_all(struct store_fill *fill, struct err_note *note) {
    const struct {
        sqlite3_stmt **out;
        const char *sql;
    } all[] = {
        {&fill->add_cert, "INSERT INTO certificate VALUES "
                          "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'ecdsa-p256', ?9, 1, NULL)"},
        {&fill->add_der, "INSERT INTO certificate_der VALUES (?1, ?2)"},
        {&fill->add_chain, "INSERT INTO chain VALUES (?1, ?2, ?3)"},
        {&fill->add_paths, "INSERT INTO chain_paths VALUES (?1, 1, ?2, ?3, NULL, 0)"},
        {&fill->add_target, "INSERT INTO target (id, line, place, host, port, time_ms, status, "
                            "verdict, complete, views_failed) "
                            "VALUES (?1, ?2, 0, ?3, 443, ?4, ?5, ?6, 1, 0)"},
        {&fill->add_view,
         "INSERT INTO view (id, address, key_type, status, attempts, depth, proof, version, "
         "cipher, \"group\", signature, client_cert_requested, chain, host_match) "
         "VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, 4865, 29, 1027, 0, ?8, ?9)"},
        {&fill->add_judgement,
         "INSERT INTO judgement VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"},
    };
    enum err err = ERR_NONE;
    for (size_t i = 0; i < ARRAY_COUNT(all) && err == ERR_NONE; i++) {
        err = store_prepare(fill->store, all[i].sql, all[i].out, note);
    }
    return err;
}

/* Roots 1 .. ROOTS, then the issuers; issuer i is under root i % ROOTS. */
static enum err add_issuers(struct store_fill *fill, struct err_note *note) {
    enum err err = ERR_NONE;
    uint8_t digest[SHA256_LEN];
    for (uint32_t i = 0; i < ROOTS + ISSUERS && err == ERR_NONE; i++) {
        char subject[32], issuer[32];
        bool root = i < ROOTS;
        snprintf(subject, sizeof subject, "CN=%s %u", root ? "Root" : "Issuer",
                 root ? i : i - ROOTS);
        snprintf(issuer, sizeof issuer, "CN=Root %u", root ? i : (i - ROOTS) % ROOTS);
        err = add_cert(fill,
                       &(struct made_cert){.subject = subject,
                                           .issuer = issuer,
                                           .key = subject,
                                           .serial = i + 1,
                                           .not_before = INT64_C(1500000000),
                                           .not_after = INT64_C(2500000000) + i,
                                           .is_ca = true},
                       digest, note);
    }
    return err;
}

static enum err add_sets(struct store_fill *fill, struct err_note *note) {
    return store_exec(
        fill->store,
        "INSERT INTO profile VALUES (1, 'system', x'00', 'fill', 10, 'fill.pem');"
        "INSERT INTO pin_set SELECT value, 'set-' || value, 'android', 'path', "
        "'app-' || (value % 4), 'owner-' || (value % 4) || '@fill.test', -1 FROM "
        "(WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 16) "
        "SELECT value FROM n);"
        "INSERT INTO pin SELECT id, 'sha256/of-' || name, 'active' FROM pin_set;"
        "INSERT INTO word VALUES ('reason', 0, 'no pin on the path')",
        note);
}

enum err store_fill_new(const char *file, uint32_t chains, uint32_t der_len,
                        struct store_fill **out, struct err_note *note) {
    struct store_fill *fill = calloc(1, sizeof *fill);
    CHECK(fill != NULL);
    fill->chain_count = chains;
    fill->der_len = der_len;
    fill->chains = calloc(chains, sizeof *fill->chains);
    fill->der = calloc(1, der_len + 1);
    CHECK(fill->chains != NULL && fill->der != NULL);
    enum err err = store_open(file, STORE_WRITE, &fill->store, note);
    if (err == ERR_NONE) {
        /* a copy of everything in a WAL, and waiting for the disk, is what takes long */
        err = store_exec(fill->store,
                         "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; "
                         "PRAGMA cache_size = -65536; BEGIN",
                         note);
    }
    if (err == ERR_NONE) {
        err = prepare_all(fill, note);
    }
    if (err == ERR_NONE) {
        err = add_issuers(fill, note);
    }
    if (err == ERR_NONE) {
        err = add_sets(fill, note);
    }
    if (err == ERR_NONE) {
        err = store_exec(fill->store, "COMMIT", note);
    }
    if (err != ERR_NONE) {
        store_fill_free(fill);
        return err;
    }
    *out = fill;
    return ERR_NONE;
}

void store_fill_free(struct store_fill *fill) {
    if (fill == NULL) {
        return;
    }
    sqlite3_finalize(fill->add_cert);
    sqlite3_finalize(fill->add_der);
    sqlite3_finalize(fill->add_chain);
    sqlite3_finalize(fill->add_paths);
    sqlite3_finalize(fill->add_target);
    sqlite3_finalize(fill->add_view);
    sqlite3_finalize(fill->add_judgement);
    if (fill->store != NULL) {
        sqlite3_exec(store_db(fill->store), "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    }
    store_close(fill->store);
    free(fill->chains);
    free(fill->der);
    free(fill);
}

/* --- a night --- */

/* A new certificate for the chain, and the chain. */
static enum err add_chain(struct store_fill *fill, uint32_t number, int64_t now_s,
                          struct err_note *note) {
    char subject[48], issuer[32], key[48], text[96];
    uint8_t digests[2 * SHA256_LEN], id[SHA256_LEN];
    uint32_t at = fill->chains[number].issuer, issuer_row = ROOTS + 1 + at;
    uint32_t generation = fill->chains[number].generation;
    int64_t not_before = now_s - (int64_t)(spread(number, generation) % 60) * DAY_S;
    snprintf(subject, sizeof subject, "CN=host-%u.fill.test", number);
    snprintf(issuer, sizeof issuer, "CN=Issuer %u", at);
    snprintf(key, sizeof key, "key %u %u", number, fill->chains[number].key);
    enum err err = add_cert(fill,
                            &(struct made_cert){.subject = subject,
                                                .issuer = issuer,
                                                .key = key,
                                                .serial = number * 64 + generation + 1000,
                                                .not_before = not_before,
                                                .not_after = not_before + 90 * DAY_S},
                            digests, note);
    snprintf(text, sizeof text, "%s CN=Root %u %s %u", issuer, at % ROOTS, issuer, ROOTS + at + 1);
    sha256_once(span_str(text), digests + SHA256_LEN);
    sha256_once(span_of(digests, sizeof digests), id);
    uint32_t row = fill->chains[number].row = ++fill->rows;
    fill->chains[number].cert = fill->certs;
    if (err == ERR_NONE) {
        snprintf(text, sizeof text, "[%u,%u]", fill->certs, issuer_row);
        sqlite3_bind_int64(fill->add_chain, 1, row);
        sqlite3_bind_blob(fill->add_chain, 2, id, SHA256_LEN, SQLITE_TRANSIENT);
        bind_text(fill->add_chain, 3, text);
        err = run(fill, fill->add_chain, note);
    }
    if (err == ERR_NONE) {
        snprintf(text, sizeof text, "[[%u,%u,%u]]", fill->certs, issuer_row, at % ROOTS + 1);
        sqlite3_bind_int64(fill->add_paths, 1, row);
        bind_text(fill->add_paths, 2, text);
        sqlite3_bind_int64(fill->add_paths, 3, store_code(fill->store, STORE_PKIX, PKIX_OK));
        err = run(fill, fill->add_paths, note);
    }
    return err;
}

static enum err change_chains(struct store_fill *fill, const struct store_fill_night *night,
                              struct err_note *note) {
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < fill->chain_count && err == ERR_NONE; i++) {
        enum store_fill_change change = store_fill_change_of(night, i);
        bool first = fill->chains[i].row == 0;
        if (first) {
            fill->chains[i].issuer = (uint8_t)(i % ISSUERS);
        } else if (change == STORE_FILL_SAME) {
            continue;
        } else {
            fill->chains[i].generation++;
            fill->chains[i].key = (uint16_t)(fill->chains[i].key + (change != STORE_FILL_RENEWED));
            fill->chains[i].issuer =
                (uint8_t)((fill->chains[i].issuer + (change == STORE_FILL_MOVED)) % ISSUERS);
        }
        err = add_chain(fill, i, night->started_ms / 1000, note);
    }
    return err;
}

static enum err add_target(struct store_fill *fill, const struct store_fill_night *night,
                           uint32_t number, int64_t id, struct err_note *note) {
    char text[48];
    bool silent = store_fill_is_silent(night, number);
    bool bad = !silent && store_fill_is_mismatched(night, number);
    enum outcome status = silent ? OUTCOME_CONNECTION_TIMEOUT : OUTCOME_SUCCESS;
    enum verdict verdict = silent ? VERDICT_UNKNOWN : bad ? VERDICT_MISMATCH : VERDICT_MATCH;
    const struct store *store = fill->store;
    sqlite3_stmt *row = fill->add_target;
    snprintf(text, sizeof text, "host-%u.fill.test", number);
    sqlite3_bind_int64(row, 1, id);
    sqlite3_bind_int64(row, 2, number + 1);
    bind_text(row, 3, text);
    sqlite3_bind_int64(row, 4, night->started_ms + number / 100);
    sqlite3_bind_int64(row, 5, store_code(store, STORE_OUTCOME, (int)status));
    sqlite3_bind_int64(row, 6, store_code(store, STORE_VERDICT, (int)verdict));
    enum err err = run(fill, row, note);
    row = fill->add_view;
    snprintf(text, sizeof text, "10.%u.%u.%u", number >> 16 & 255, number >> 8 & 255, number & 255);
    sqlite3_bind_int64(row, 1, id << STORE_VIEW_SHIFT);
    bind_text(row, 2, text);
    sqlite3_bind_int64(row, 3, store_code(store, STORE_KEY_TYPE, KEY_VIEW_ANY));
    sqlite3_bind_int64(row, 4, store_code(store, STORE_OUTCOME, (int)status));
    sqlite3_bind_int64(row, 6,
                       store_code(store, STORE_PROOF, silent ? PROOF_NONE : PROOF_POSSESSION));
    sqlite3_bind_int(row, 9, !silent);
    if (silent) {
        sqlite3_bind_null(row, 5);
        sqlite3_bind_int(row, 7, 0);
        sqlite3_bind_null(row, 8);
    } else {
        sqlite3_bind_int64(row, 5, store_code(store, STORE_DEPTH, DEPTH_COMPLETE));
        sqlite3_bind_int(row, 7, 0x0304);
        sqlite3_bind_int64(row, 8, fill->chains[number % fill->chain_count].row);
    }
    err = err == ERR_NONE ? run(fill, row, note) : err;
    row = fill->add_judgement;
    sqlite3_bind_int64(row, 1, id << STORE_SET_SHIFT);
    sqlite3_bind_int64(row, 2, number % SETS + 1);
    sqlite3_bind_int64(row, 3, store_code(store, STORE_VERDICT, (int)verdict));
    sqlite3_bind_int(row, 4, verdict == VERDICT_MATCH);
    for (int column = 5; column <= 10; column++) {
        sqlite3_bind_null(row, column);
    }
    if (!silent) {
        sqlite3_bind_int(row, 5, 0); /* view, profile, path */
        sqlite3_bind_int(row, 6, 1);
        sqlite3_bind_int(row, 7, 0);
    }
    if (bad) {
        sqlite3_bind_int(row, 10, 0);
    } else if (!silent) {
        sqlite3_bind_int64(row, 8, fill->chains[number % fill->chain_count].cert);
        sqlite3_bind_int64(row, 9, number % SETS + 1);
    }
    return err == ERR_NONE ? run(fill, row, note) : err;
}

static enum err add_sweep(struct store_fill *fill, const struct store_fill_night *night,
                          struct err_note *note) {
    char sql[1024];
    snprintf(sql, sizeof sql,
             "INSERT INTO sweep VALUES (%lld, '%s', '%s', 1, 'fill', 'fill', '[]', '{}', '1', "
             "'fill', NULL, NULL, %lld, %lld, %u, NULL, 0, NULL, 0, '');"
             "INSERT INTO sweep_profile VALUES (%lld, 0, 1)",
             (long long)fill->sweep, night->name, night->interrupted ? "interrupted" : "done",
             (long long)night->started_ms, (long long)night->started_ms + 60000,
             night->target_count, (long long)fill->sweep);
    return store_exec(fill->store, sql, note);
}

enum err store_fill_add(struct store_fill *fill, const struct store_fill_night *night,
                        struct err_note *note) {
    fill->sweep++;
    enum err err = store_exec(fill->store, "BEGIN", note);
    if (err == ERR_NONE) {
        err = add_sweep(fill, night, note);
    }
    if (err == ERR_NONE) {
        err = change_chains(fill, night, note);
    }
    for (uint32_t i = 0; i < night->target_count && err == ERR_NONE; i++) {
        err = add_target(fill, night, night->first_target + i,
                         (fill->sweep << STORE_SWEEP_SHIFT) + i, note);
    }
    return err == ERR_NONE ? store_exec(fill->store, "COMMIT", note) : err;
}
