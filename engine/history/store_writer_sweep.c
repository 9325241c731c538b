/* The sweep's own row: begun, found again, gone on with. */
#include <cjson/cJSON.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/codec/text.h"
#include "engine/history/store_writer_internal.h"

#define VERIFIER "pinsweep " PINSWEEP_VERSION ", BoringSSL " PINSWEEP_BORINGSSL

static void bind_text(sqlite3_stmt *statement, int at, const char *text) {
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC); /* NULL binds NULL */
}

static const char *text_of(sqlite3_stmt *statement, int column) {
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text != NULL ? text : "";
}

/* --- what is known --- */

static enum err load_digests(struct store_writer *writer, const char *sql,
                             struct store_digests *digests, uint32_t *next_row,
                             struct err_note *note) {
    sqlite3_stmt *statement;
    enum err err = store_prepare(writer->store, sql, &statement, note);
    bool row = err == ERR_NONE;
    *next_row = 1;
    while (row) { /* bounded by the table */
        err = store_step(writer->store, statement, &row, note);
        if (err != ERR_NONE || !row) {
            break;
        }
        int64_t id = sqlite3_column_int64(statement, 0);
        if (id < 1 || id >= UINT32_MAX || sqlite3_column_bytes(statement, 1) != SHA256_LEN ||
            store_digests_find(digests, sqlite3_column_blob(statement, 1)) != NULL) {
            err = err_note(note, ERR_CONFIG, "%s: the store is damaged: row %lld of '%s'",
                           store_file(writer->store), (long long)id, sql);
        } else if (store_digests_add(digests, sqlite3_column_blob(statement, 1), (uint32_t)id) ==
                   NULL) {
            err = err_note(note, ERR_RESOURCE, "not enough memory for the store's known chains");
        } else if ((uint32_t)id >= *next_row) {
            *next_row = (uint32_t)id + 1;
        }
        row = err == ERR_NONE;
    }
    sqlite3_finalize(statement);
    return err;
}

/* --- trust profiles --- */

static enum err find_profile(struct store_writer *writer, const struct trust_profile *profile,
                             const uint8_t digest[SHA256_LEN], int64_t *out_row,
                             struct err_note *note) {
    sqlite3_stmt *statement;
    bool row = false;
    enum err err = store_prepare(
        writer->store,
        "SELECT id FROM profile WHERE name = ?1 AND anchors_sha256 = ?2 AND verifier = ?3",
        &statement, note);
    if (err == ERR_NONE) {
        bind_text(statement, 1, profile->name);
        sqlite3_bind_blob(statement, 2, digest, SHA256_LEN, SQLITE_STATIC);
        bind_text(statement, 3, VERIFIER);
        err = store_step(writer->store, statement, &row, note);
    }
    *out_row = row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return err;
}

static enum err add_profile(struct store_writer *writer, const struct trust_profile *profile,
                            const uint8_t digest[SHA256_LEN], int64_t *out_row,
                            struct err_note *note) {
    sqlite3_stmt *statement;
    enum err err = store_prepare(writer->store,
                                 "INSERT INTO profile (name, anchors_sha256, verifier, anchors, "
                                 "file) VALUES (?1, ?2, ?3, ?4, ?5)",
                                 &statement, note);
    if (err == ERR_NONE) {
        bind_text(statement, 1, profile->name);
        sqlite3_bind_blob(statement, 2, digest, SHA256_LEN, SQLITE_STATIC);
        bind_text(statement, 3, VERIFIER);
        sqlite3_bind_int64(statement, 4, profile->count);
        bind_text(statement, 5, profile->file);
        err = store_writer_run(writer, statement, note);
        *out_row = sqlite3_last_insert_rowid(store_db(writer->store));
    }
    sqlite3_finalize(statement);
    return err;
}

static enum err add_anchors(struct store_writer *writer, const struct trust_profile *profile,
                            int64_t profile_row, uint32_t *rows, struct err_note *note) {
    sqlite3_stmt *statement;
    enum err err =
        store_prepare(writer->store, "INSERT INTO anchor VALUES (?1, ?2, ?3)", &statement, note);
    for (uint32_t i = 0; i < profile->count && err == ERR_NONE; i++) {
        err = store_writer_anchor(writer, &profile->anchors[i], &rows[i], note);
        if (err == ERR_NONE) {
            sqlite3_bind_int64(statement, 1, profile_row);
            sqlite3_bind_int64(statement, 2, i);
            sqlite3_bind_int64(statement, 3, rows[i]);
            err = store_writer_run(writer, statement, note);
        }
    }
    sqlite3_finalize(statement);
    return err;
}

/* The anchors of a profile that is there: their digests are the profile's. */
static enum err find_anchors(struct store_writer *writer, const struct trust_profile *profile,
                             uint32_t *rows, struct err_note *note) {
    for (uint32_t i = 0; i < profile->count; i++) {
        const struct store_digest *cert =
            store_digests_find(&writer->certs, profile->anchors[i].cert_sha256);
        if (cert == NULL) {
            return err_note(note, ERR_CONFIG,
                            "%s: the store is damaged: an anchor of profile %s is not there",
                            store_file(writer->store), profile->name);
        }
        rows[i] = cert->row;
    }
    return ERR_NONE;
}

static enum err take_profiles(struct store_writer *writer, struct err_note *note) {
    const struct trust_store *trust = writer->config->trust;
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < trust->count && err == ERR_NONE; i++) {
        const struct trust_profile *profile = &trust->profiles[i];
        uint8_t digest[SHA256_LEN];
        trust_profile_digest(profile, digest);
        writer->anchor_rows[i] = calloc(profile->count + 1, sizeof *writer->anchor_rows[i]);
        if (writer->anchor_rows[i] == NULL) {
            return err_note(note, ERR_RESOURCE, "not enough memory for the store");
        }
        err = find_profile(writer, profile, digest, &writer->profiles[i], note);
        if (err == ERR_NONE && writer->profiles[i] != 0) {
            err = find_anchors(writer, profile, writer->anchor_rows[i], note);
        } else if (err == ERR_NONE) {
            err = add_profile(writer, profile, digest, &writer->profiles[i], note);
            if (err == ERR_NONE) {
                err =
                    add_anchors(writer, profile, writer->profiles[i], writer->anchor_rows[i], note);
            }
        }
    }
    return err;
}

/* --- a new sweep --- */

/* Its key is above those of all rows, also of a sweep whose own row somebody deleted. */
static enum err add_sweep(struct store_writer *writer, const struct keeper_sweep *sweep,
                          struct err_note *note) {
    const struct sweep_config *config = sweep->config;
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)config->inventory.seed);
    sqlite3_stmt *statement;
    enum err err =
        store_prepare(writer->store,
                      "INSERT INTO sweep (id, name, state, runs, version, boringssl, arguments, "
                      "settings, seed, input, input_sha256, judged_at, started_ms, targets, "
                      "output_file, output_len, chains_file, chains_len, metadata) "
                      "VALUES (1 + max(coalesce((SELECT max(id) FROM sweep), 0), "
                      "coalesce((SELECT max(id) FROM target) >> ?14, 0)), "
                      "?1, 'running', 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, 0, ?12, 0, "
                      "?13)",
                      &statement, note);
    if (err == ERR_NONE) {
        bind_text(statement, 1, sweep->name);
        bind_text(statement, 2, PINSWEEP_VERSION);
        bind_text(statement, 3, PINSWEEP_BORINGSSL);
        bind_text(statement, 4, sweep->arguments);
        bind_text(statement, 5, sweep->settings);
        bind_text(statement, 6, seed);
        bind_text(statement, 7, sweep->input);
        if (sweep->input_sha256 != NULL) {
            sqlite3_bind_blob(statement, 8, sweep->input_sha256, SHA256_LEN, SQLITE_STATIC);
        }
        if (config->at_unix_s != DATETIME_NONE) {
            sqlite3_bind_int64(statement, 9, config->at_unix_s);
        }
        sqlite3_bind_int64(statement, 10, sweep->started_ms);
        bind_text(statement, 11, sweep->output_file);
        bind_text(statement, 12, sweep->chains_file);
        bind_text(statement, 13, sweep->metadata);
        sqlite3_bind_int(statement, 14, STORE_SWEEP_SHIFT);
        err = store_writer_run(writer, statement, note);
        writer->sweep = sqlite3_last_insert_rowid(store_db(writer->store));
    }
    sqlite3_finalize(statement);
    if (err == ERR_NONE) {
        err = store_prepare(writer->store, "INSERT INTO sweep_profile VALUES (?1, ?2, ?3)",
                            &statement, note);
        for (uint32_t i = 0; i < config->trust->count && err == ERR_NONE; i++) {
            sqlite3_bind_int64(statement, 1, writer->sweep);
            sqlite3_bind_int64(statement, 2, i);
            sqlite3_bind_int64(statement, 3, writer->profiles[i]);
            err = store_writer_run(writer, statement, note);
        }
        sqlite3_finalize(statement);
    }
    return err;
}

/* --- a resumed sweep --- */

/* The first setting that differs, as its option. */
static enum err compare_settings(const char *sweep_name, const char *before, const char *now,
                                 struct err_note *note) {
    cJSON *old = cJSON_Parse(before), *new = cJSON_Parse(now);
    const cJSON *item;
    enum err err = ERR_NONE;
    if (old == NULL || new == NULL) {
        err = err_note(note, ERR_CONFIG, "the store's settings of sweep %s cannot be read",
                       sweep_name);
    }
    cJSON_ArrayForEach(item, new) {
        const cJSON *other = cJSON_GetObjectItemCaseSensitive(old, item->string);
        if (err != ERR_NONE || cJSON_Compare(item, other, true)) {
            continue;
        }
        char *is = cJSON_PrintUnformatted(item), *was = cJSON_PrintUnformatted(other);
        bool is_digest = strcmp(item->string, "policy") == 0 || strcmp(item->string, "trust") == 0;
        err = is_digest
                  ? err_note(note, ERR_USAGE,
                             "--resume: sweep %s was begun with another --%s, and one sweep is "
                             "judged by one; give that one, or sweep anew",
                             sweep_name, item->string)
                  : err_note(note, ERR_USAGE,
                             "--resume: sweep %s was begun with --%s %s, not %s; give the same, or "
                             "sweep anew",
                             sweep_name, item->string, was != NULL ? was : "none",
                             is != NULL ? is : "none");
        cJSON_free(is);
        cJSON_free(was);
    }
    cJSON_Delete(old);
    cJSON_Delete(new);
    return err;
}

/* id, state, settings, input_sha256, output_len, chains_len, started_ms, metadata */
static enum err take_row(struct store_writer *writer, sqlite3_stmt *statement,
                         const struct keeper_sweep *sweep, struct keeper_resumed *out,
                         struct err_note *note) {
    if (strcmp(text_of(statement, 1), "done") == 0) {
        return err_note(note, ERR_USAGE, "--resume: sweep %s ended by itself", sweep->name);
    }
    enum err err = compare_settings(sweep->name, text_of(statement, 2), sweep->settings, note);
    if (err != ERR_NONE) {
        return err;
    }
    if (sweep->input_sha256 == NULL || sqlite3_column_bytes(statement, 3) != SHA256_LEN ||
        memcmp(sqlite3_column_blob(statement, 3), sweep->input_sha256, SHA256_LEN) != 0) {
        return err_note(note, ERR_USAGE,
                        "--resume: %s is not the inventory that sweep %s was begun with (its "
                        "bytes differ); give that one, or sweep anew",
                        sweep->input, sweep->name);
    }
    writer->sweep = sqlite3_column_int64(statement, 0);
    if (writer->sweep < 1 || writer->sweep >= STORE_SWEEPS_MAX) {
        return err_note(note, ERR_CONFIG, "%s: the store is damaged: sweep %s has the key %lld",
                        store_file(writer->store), sweep->name, (long long)writer->sweep);
    }
    writer->metadata = strdup(text_of(statement, 7));
    if (writer->metadata == NULL) {
        return err_note(note, ERR_RESOURCE, "not enough memory to resume the sweep");
    }
    *out = (struct keeper_resumed){.output_len = (uint64_t)sqlite3_column_int64(statement, 4),
                                   .chains_len = (uint64_t)sqlite3_column_int64(statement, 5),
                                   .started_ms = sqlite3_column_int64(statement, 6),
                                   .metadata = writer->metadata};
    return ERR_NONE;
}

static enum err resume_sweep(struct store_writer *writer, const struct keeper_sweep *sweep,
                             struct keeper_resumed *out, struct err_note *note) {
    sqlite3_stmt *statement;
    bool row = false;
    enum err err = store_prepare(writer->store,
                                 "SELECT id, state, settings, input_sha256, output_len, "
                                 "chains_len, started_ms, metadata FROM sweep WHERE name = ?1",
                                 &statement, note);
    if (err == ERR_NONE) {
        bind_text(statement, 1, sweep->name);
        err = store_step(writer->store, statement, &row, note);
    }
    if (err == ERR_NONE) {
        err = row ? take_row(writer, statement, sweep, out, note)
                  : err_note(note, ERR_USAGE, "--resume: there is no sweep %s in the store",
                             sweep->name);
    }
    sqlite3_finalize(statement);
    if (err == ERR_NONE) {
        err = store_done_load(writer->store, &writer->done, writer->sweep, sweep->input_lines,
                              &writer->next_target, note);
        out->targets = (uint64_t)writer->next_target;
    }
    if (err == ERR_NONE) {
        err = store_prepare(writer->store,
                            "UPDATE sweep SET state = 'running', runs = runs + 1, arguments = ?2, "
                            "ended_ms = NULL WHERE id = ?1",
                            &statement, note);
        if (err == ERR_NONE) {
            sqlite3_bind_int64(statement, 1, writer->sweep);
            bind_text(statement, 2, sweep->arguments);
            err = store_writer_run(writer, statement, note);
        }
        sqlite3_finalize(statement);
    }
    return err;
}

enum err store_writer_begin_sweep(struct store_writer *writer, const struct keeper_sweep *sweep,
                                  struct keeper_resumed *out, struct err_note *note) {
    /* Nobody else writes: what says that it runs was killed. */
    enum err err = store_exec(
        writer->store, "UPDATE sweep SET state = 'interrupted' WHERE state = 'running'", note);
    if (err == ERR_NONE) {
        err = load_digests(writer, "SELECT id, chain_sha256 FROM chain", &writer->chains,
                           &writer->next_chain, note);
    }
    if (err == ERR_NONE) {
        err = load_digests(writer, "SELECT id, cert_sha256 FROM certificate", &writer->certs,
                           &writer->next_cert, note);
    }
    if (err == ERR_NONE) {
        err = take_profiles(writer, note);
    }
    if (err == ERR_NONE) {
        err =
            sweep->resume ? resume_sweep(writer, sweep, out, note) : add_sweep(writer, sweep, note);
    }
    return err == ERR_NONE ? store_recall_load(writer, note) : err;
}

/* --- finding what can be resumed --- */

/* Whether a name leads to the absolute name that the store has, even if no file is there any more.
 */
static bool is_same_place(const char *stored, const char *name) {
    char copy[PATH_MAX], folder[PATH_MAX], place[2 * PATH_MAX];
    const char *slash = strrchr(name, '/');
    if ((size_t)snprintf(copy, sizeof copy, "%s", name) >= sizeof copy ||
        realpath(dirname(copy), folder) == NULL) {
        return false;
    }
    snprintf(place, sizeof place, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder,
             slash != NULL ? slash + 1 : name);
    return strcmp(stored, place) == 0;
}

/* NULL: none. By another name too. */
static bool is_same_file(const char *stored, const char *name) {
    struct stat x, y;
    if (stored == NULL || name == NULL) {
        return stored == name;
    }
    return is_same_place(stored, name) || (stat(stored, &x) == 0 && stat(name, &y) == 0 &&
                                           x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* Why none of them fits; `last` is the sweep begun last, "" if there is none. */
static enum err note_none(const struct store_writer *writer, const char *output_file,
                          const char *last, bool last_done, struct err_note *note) {
    const char *store = store_file(writer->store), *into = output_file != NULL ? " into " : "",
               *file = output_file != NULL ? output_file : " without -o";
    if (last[0] == '\0') {
        return err_note(note, ERR_USAGE,
                        "--resume: %s holds no sweep; leave --resume out to begin one", store);
    }
    return err_note(note, ERR_USAGE,
                    "--resume: %s holds no interrupted sweep%s%s (the last one, %s, %s); leave "
                    "--resume out to begin one",
                    store, into, file, last,
                    last_done ? "ended by itself" : "was interrupted, but wrote elsewhere");
}

enum err store_writer_find(struct store_writer *writer, const char *output_file,
                           struct store_resumable *out, struct err_note *note) {
    sqlite3_stmt *statement;
    enum err err = store_prepare(writer->store,
                                 "SELECT name, state, seed, output_file, settings FROM sweep "
                                 "ORDER BY id DESC",
                                 &statement, note);
    char last[sizeof out->name] = "";
    bool row = err == ERR_NONE, found = false, last_done = false;
    while (row && !found) { /* bounded by the table */
        err = store_step(writer->store, statement, &row, note);
        if (err != ERR_NONE || !row) {
            break;
        }
        bool done = strcmp(text_of(statement, 1), "done") == 0;
        if (last[0] == '\0') {
            snprintf(last, sizeof last, "%s", text_of(statement, 0));
            last_done = done;
        }
        bool same = is_same_file((const char *)sqlite3_column_text(statement, 3), output_file);
        if (same && done && output_file != NULL) {
            /* It wrote to the file after all that are older: to cut the file back to one of these
               would take its records away. */
            snprintf(last, sizeof last, "%s", text_of(statement, 0));
            last_done = true;
            break;
        }
        found = !done && same &&
                text_parse_u64(span_str(text_of(statement, 2)), UINT64_MAX, &out->seed);
        if (found) {
            snprintf(out->name, sizeof out->name, "%s", text_of(statement, 0));
            out->shuffled = strstr(text_of(statement, 4), "\"shuffle\":true") != NULL;
        }
    }
    sqlite3_finalize(statement);
    return err == ERR_NONE && !found ? note_none(writer, output_file, last, last_done, note) : err;
}
