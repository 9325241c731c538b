#include "engine/history/store_writer.h"

#include <stdlib.h>

#include "engine/history/store_writer_internal.h"

/* Dirty pages of a transaction stay in memory (64 MB); a checkpoint copies the log (32 MB and more)
   into the file: so each page is written about twice, however often it changed. */
#define CACHE_PRAGMA "PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 8192"

/* While a sweep runs every failure is one of a local resource: exit code 4. */
static enum err while_running(enum err err) {
    return err == ERR_CONFIG || err == ERR_USAGE ? ERR_IO : err;
}

static enum err open_transaction(struct store_writer *writer, struct err_note *note) {
    if (writer->in_transaction) {
        return ERR_NONE;
    }
    enum err err = store_exec(writer->store, "BEGIN IMMEDIATE", note);
    writer->in_transaction = err == ERR_NONE;
    return err;
}

/* What a failed statement began is undone: nothing half done is ever committed. */
static void give_up(struct store_writer *writer) {
    writer->failed = true;
    if (writer->in_transaction) {
        sqlite3_exec(store_db(writer->store), "ROLLBACK", NULL, NULL, NULL);
        writer->in_transaction = false;
    }
}

static enum err begin(void *context, const struct keeper_sweep *sweep, struct keeper_resumed *out,
                      struct err_note *note) {
    struct store_writer *writer = context;
    writer->config = sweep->config;
    writer->pin_sets = calloc(sweep->config->pins->set_count + 1, sizeof *writer->pin_sets);
    writer->seen_words = calloc(STORE_TLS_KINDS, 1 << 13);
    writer->pin_rows = calloc(STORE_PINS_NEAR, sizeof *writer->pin_rows);
    if (writer->pin_sets == NULL || writer->seen_words == NULL || writer->pin_rows == NULL) {
        return err_note(note, ERR_RESOURCE, "not enough memory for the store");
    }
    enum err err = store_writer_prepare_rows(writer, note);
    if (err == ERR_NONE) {
        err = store_prepare(writer->store,
                            "UPDATE sweep SET targets = ?2, output_len = ?3, chains_len = ?4, "
                            "metadata = ?5, state = ?6, ended_ms = ?7, "
                            "input_sha256 = coalesce(?8, input_sha256) WHERE id = ?1",
                            &writer->update_sweep, note);
    }
    if (err == ERR_NONE) {
        err = open_transaction(writer, note);
    }
    if (err == ERR_NONE) {
        err = store_writer_begin_sweep(writer, sweep, out, note);
    }
    if (err != ERR_NONE) {
        give_up(writer);
    }
    sqlite3_busy_timeout(store_db(writer->store), STORE_BUSY_MS);
    return err;
}

static bool is_done(void *context, uint64_t line, uint64_t place) {
    return store_done_has(&((const struct store_writer *)context)->done, line, place);
}

static enum err put(void *context, struct span rows, struct err_note *note) {
    struct store_writer *writer = context;
    enum err err = open_transaction(writer, note);
    if (err == ERR_NONE) {
        err = store_writer_put(writer, rows, note);
    }
    if (err != ERR_NONE) {
        give_up(writer);
    }
    return while_running(err);
}

/* The sweep's row as of now, with all that was put. */
static enum err commit_as(struct store_writer *writer, const char *state,
                          const struct keeper_commit *commit, const uint8_t *input_sha256,
                          int64_t ended_ms, struct err_note *note) {
    sqlite3_stmt *statement = writer->update_sweep;
    enum err err = open_transaction(writer, note);
    if (err == ERR_NONE) {
        sqlite3_clear_bindings(statement);
        sqlite3_bind_int64(statement, 1, writer->sweep);
        sqlite3_bind_int64(statement, 2, writer->next_target);
        sqlite3_bind_int64(statement, 3, (int64_t)commit->output_len);
        sqlite3_bind_int64(statement, 4, (int64_t)commit->chains_len);
        sqlite3_bind_text(statement, 5, commit->metadata, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 6, state, -1, SQLITE_STATIC);
        if (ended_ms != 0) {
            sqlite3_bind_int64(statement, 7, ended_ms);
        }
        if (input_sha256 != NULL) {
            sqlite3_bind_blob(statement, 8, input_sha256, SHA256_LEN, SQLITE_STATIC);
        }
        err = store_writer_run(writer, statement, note);
    }
    if (err == ERR_NONE) {
        err = store_exec(writer->store, "COMMIT", note);
        writer->in_transaction = err != ERR_NONE;
    }
    if (err != ERR_NONE) {
        give_up(writer);
    }
    return while_running(err);
}

static enum err commit(void *context, const struct keeper_commit *facts, struct err_note *note) {
    return commit_as(context, "running", facts, NULL, 0, note);
}

/* After the first sweep; from then on they are kept up to date. */
static enum err make_indexes(struct store_writer *writer, struct err_note *note) {
    return store_exec(writer->store,
                      "CREATE UNIQUE INDEX IF NOT EXISTS certificate_digest "
                      "ON certificate (cert_sha256);"
                      "CREATE UNIQUE INDEX IF NOT EXISTS chain_digest ON chain (chain_sha256)",
                      note);
}

static enum err end(void *context, enum keeper_state state, const struct keeper_commit *facts,
                    const uint8_t *input_sha256, int64_t ended_ms, struct err_note *note) {
    struct store_writer *writer = context;
    if (writer->failed) {
        return ERR_NONE; /* told before; the last commit stands */
    }
    enum err err = commit_as(writer, state == KEEPER_DONE ? "done" : "interrupted", facts,
                             input_sha256, ended_ms, note);
    return err == ERR_NONE && state == KEEPER_DONE ? while_running(make_indexes(writer, note))
                                                   : err;
}

enum err store_writer_open(const char *file, struct store_writer **out, struct err_note *note) {
    struct store_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return err_note(note, ERR_RESOURCE, "%s: not enough memory to open the store", file);
    }
    enum err err = store_open(file, STORE_WRITE, &writer->store, note);
    if (err == ERR_NONE) {
        err = store_exec(writer->store, CACHE_PRAGMA, note);
    }
    if (err != ERR_NONE) {
        store_writer_close(writer);
        return err;
    }
    writer->keeper = (struct keeper){.context = writer,
                                     .begin = begin,
                                     .is_done = is_done,
                                     .put = put,
                                     .commit = commit,
                                     .end = end,
                                     .memory = {.context = writer, .recall = store_recall_find}};
    *out = writer;
    return ERR_NONE;
}

void store_writer_close(struct store_writer *writer) {
    if (writer == NULL) {
        return;
    }
    for (int i = 0; i < INSERT_COUNT; i++) {
        sqlite3_finalize(writer->statements[i]);
    }
    sqlite3_finalize(writer->update_sweep);
    store_close(writer->store);
    store_digests_fini(&writer->chains);
    store_digests_fini(&writer->certs);
    store_recall_fini(&writer->recall);
    store_done_fini(&writer->done);
    for (size_t i = 0; i < ARRAY_COUNT(writer->anchor_rows); i++) {
        free(writer->anchor_rows[i]);
    }
    free(writer->pin_sets);
    free(writer->seen_words);
    free(writer->pin_rows);
    free(writer->metadata);
    free(writer);
}

const struct keeper *store_writer_keeper(const struct store_writer *writer) {
    return &writer->keeper;
}
