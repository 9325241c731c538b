/* The sweep's rows stand together in order of their keys (data/store.sql): targets, views and
   judgements are three scans side by side. Chains and certificates are named by their keys in the
   store while rows come in, and translated once they are there. */
#include "engine/history/load_store.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/history/load_store_internal.h"

enum err store_damaged(struct store_loader *load, const char *what, int64_t key) {
    return err_note(load->loader->note, ERR_INPUT,
                    "%s: the store is damaged: %s %" PRId64 " is not there, or not what it must be",
                    load->loader->file, what, key);
}

enum err store_no_memory(struct store_loader *load) {
    return err_note(load->loader->note, ERR_RESOURCE, "%s: not enough memory for the sweep",
                    load->loader->file);
}

enum err load_prepare(struct store_loader *load, const char *sql, sqlite3_stmt **out) {
    return store_prepare(load->store, sql, out, load->loader->note);
}

enum err load_step(struct store_loader *load, sqlite3_stmt *statement, bool *out_row) {
    return store_step(load->store, statement, out_row, load->loader->note);
}

struct span column_span(sqlite3_stmt *statement, int column) {
    const void *bytes = sqlite3_column_blob(statement, column); /* a text's bytes as well */
    return span_of(bytes, (size_t)sqlite3_column_bytes(statement, column));
}

const char *column_text(struct store_loader *load, sqlite3_stmt *statement, int column) {
    return snapshot_text(load->snapshot, column_span(statement, column));
}

int64_t column_time(sqlite3_stmt *statement, int column) {
    return sqlite3_column_type(statement, column) == SQLITE_NULL
               ? DATETIME_NONE
               : sqlite3_column_int64(statement, column);
}

enum err column_word(struct store_loader *load, sqlite3_stmt *statement, int column,
                     enum store_kind kind, int *out) {
    int64_t code = sqlite3_column_int64(statement, column);
    *out = store_value(load->store, kind, code);
    return *out >= 0 ? ERR_NONE : store_damaged(load, "the word of code", code);
}

/* --- the sweep --- */

static enum err load_sweep_row(struct store_loader *load) {
    struct snapshot_meta *meta = &load->snapshot->meta;
    sqlite3_stmt *statement;
    bool row = false;
    enum err err =
        load_prepare(load,
                     "SELECT name, metadata, started_ms, ended_ms, judged_at, state = 'done' "
                     "FROM sweep WHERE id = ?1",
                     &statement);
    if (err == ERR_NONE) {
        sqlite3_bind_int64(statement, 1, load->sweep);
        err = load_step(load, statement, &row);
    }
    if (err == ERR_NONE && row) {
        struct span metadata = column_span(statement, 1);
        meta->sweep = load->loader->seen = column_text(load, statement, 0);
        load->loader->sweep = "all";
        err = metadata.len > 2 ? load_line(load->loader, metadata) : ERR_NONE;
        meta->started_ms = sqlite3_column_int64(statement, 2);
        meta->ended_ms = sqlite3_column_int64(statement, 3);
        meta->whole = sqlite3_column_int(statement, 5) != 0;
        load->judged_at_s = column_time(statement, 4);
        if (load->judged_at_s == DATETIME_NONE) {
            load->judged_at_s = meta->started_ms / 1000;
        }
    }
    sqlite3_finalize(statement);
    return err;
}

static enum err load_profiles(struct store_loader *load) {
    sqlite3_stmt *statement;
    bool row = true;
    enum err err = load_prepare(load,
                                "SELECT profile.id, profile.name FROM sweep_profile "
                                "JOIN profile ON profile.id = sweep_profile.profile "
                                "WHERE sweep_profile.sweep = ?1 ORDER BY place",
                                &statement);
    if (err == ERR_NONE) {
        sqlite3_bind_int64(statement, 1, load->sweep);
    }
    while (err == ERR_NONE && (err = load_step(load, statement, &row)) == ERR_NONE && row) {
        uint32_t idx = snapshot_profile(load->snapshot, column_span(statement, 1));
        if (idx != load->profile_count) {
            err = store_damaged(load, "the list of trust profiles of sweep", load->sweep);
        } else {
            load->profile_keys[load->profile_count++] = sqlite3_column_int64(statement, 0);
        }
    }
    sqlite3_finalize(statement);
    return err;
}

/* --- targets --- */

static enum err load_target_row(struct store_loader *load, sqlite3_stmt *row) {
    struct snapshot_target *target = snapshot_target(load->snapshot);
    int status, verdict;
    if (target == NULL) {
        return store_no_memory(load);
    }
    enum err err = column_word(load, row, 10, STORE_OUTCOME, &status);
    if (err == ERR_NONE) {
        err = column_word(load, row, 11, STORE_VERDICT, &verdict);
    }
    if (err != ERR_NONE) {
        return err;
    }
    target->line = (uint64_t)sqlite3_column_int64(row, 1);
    target->host = column_text(load, row, 2);
    target->port = (uint16_t)sqlite3_column_int(row, 3);
    target->sni =
        sqlite3_column_type(row, 4) == SQLITE_NULL ? target->host : column_text(load, row, 4);
    target->pin_host = sqlite3_column_type(row, 5) != SQLITE_NULL ? column_text(load, row, 5)
                       : target->sni[0] != '\0'                   ? target->sni
                                                                  : target->host;
    target->tag = column_text(load, row, 6);
    target->owner = column_text(load, row, 7);
    target->application = column_text(load, row, 8);
    target->time_ms = sqlite3_column_int64(row, 9);
    target->status = (enum outcome)status;
    target->verdict = (enum verdict)verdict;
    target->complete = sqlite3_column_int(row, 12) != 0;
    return ERR_NONE;
}

static enum err load_view_row(struct store_loader *load, sqlite3_stmt *row) {
    struct snapshot_view *view = snapshot_view(load->snapshot);
    int key_type, status, proof, depth = DEPTH_COMPLETE;
    if (view == NULL) {
        return store_no_memory(load);
    }
    enum err err = column_word(load, row, 2, STORE_KEY_TYPE, &key_type);
    if (err == ERR_NONE) {
        err = column_word(load, row, 3, STORE_OUTCOME, &status);
    }
    if (err == ERR_NONE) {
        err = column_word(load, row, 4, STORE_PROOF, &proof);
    }
    if (err == ERR_NONE && sqlite3_column_type(row, 5) != SQLITE_NULL) {
        err = column_word(load, row, 5, STORE_DEPTH, &depth);
    }
    if (err != ERR_NONE) {
        return err;
    }
    int version = sqlite3_column_int(row, 6);
    view->address = column_text(load, row, 1);
    view->key_type = (enum key_view)key_type;
    view->status = (enum outcome)status;
    view->proof = (enum proof)proof;
    view->depth = (enum depth)depth;
    view->tls_version = snapshot_text(
        load->snapshot,
        span_str(version > 0 && version <= UINT16_MAX ? tls_version_text((uint16_t)version) : ""));
    view->host_match = sqlite3_column_int(row, 8) != 0;
    if (sqlite3_column_type(row, 7) != SQLITE_NULL) {
        int64_t chain = sqlite3_column_int64(row, 7);
        err = load_need_chain(load, chain);
        view->chain = (uint32_t)chain;
    }
    return err;
}

/* A scan that stands beside that of the targets. */
struct scan {
    sqlite3_stmt *statement;
    int shift; /* of a target's key in the row's */
    enum err (*take)(struct store_loader *load, sqlite3_stmt *row);
    bool row; /* it stands on one */
};

static enum err scan_begin(struct store_loader *load, struct scan *scan, const char *sql) {
    enum err err = load_prepare(load, sql, &scan->statement);
    if (err == ERR_NONE) {
        int shift = STORE_SWEEP_SHIFT + scan->shift;
        sqlite3_bind_int64(scan->statement, 1, load->sweep << shift);
        sqlite3_bind_int64(scan->statement, 2, ((load->sweep + 1) << shift) - 1);
        err = load_step(load, scan->statement, &scan->row);
    }
    return err;
}

static enum err scan_next(struct store_loader *load, struct scan *scan) {
    enum err err = scan->take(load, scan->statement);
    return err == ERR_NONE ? load_step(load, scan->statement, &scan->row) : err;
}

/* All rows that belong to the target; none may belong to an earlier one. */
static enum err scan_target(struct store_loader *load, struct scan *scan, int64_t target) {
    enum err err = ERR_NONE;
    while (err == ERR_NONE && scan->row) {
        int64_t owner = sqlite3_column_int64(scan->statement, 0) >> scan->shift;
        if (owner > target) {
            break;
        }
        err = owner < target ? store_damaged(load, "target", owner) : scan_next(load, scan);
    }
    return err;
}

static enum err load_targets(struct store_loader *load) {
    struct scan targets = {.take = load_target_row},
                views = {.shift = STORE_VIEW_SHIFT, .take = load_view_row},
                sets = {.shift = STORE_SET_SHIFT, .take = load_set_row};
    enum err err = scan_begin(load, &targets,
                              "SELECT id, line, host, port, sni, pin_host, tag, owner, "
                              "application, time_ms, status, verdict, complete "
                              "FROM target WHERE id BETWEEN ?1 AND ?2 ORDER BY id");
    if (err == ERR_NONE) {
        err = scan_begin(load, &views,
                         "SELECT id, address, key_type, status, proof, depth, version, chain, "
                         "host_match FROM view WHERE id BETWEEN ?1 AND ?2 ORDER BY id");
    }
    if (err == ERR_NONE) {
        err = scan_begin(load, &sets, LOAD_SET_ROW_SQL);
    }
    while (err == ERR_NONE && targets.row) {
        int64_t target = sqlite3_column_int64(targets.statement, 0);
        err = scan_next(load, &targets);
        if (err == ERR_NONE) {
            err = scan_target(load, &views, target);
        }
        if (err == ERR_NONE) {
            err = scan_target(load, &sets, target);
        }
    }
    sqlite3_finalize(targets.statement);
    sqlite3_finalize(views.statement);
    sqlite3_finalize(sets.statement);
    return err;
}

/* --- all --- */

static enum err load_all(struct store_loader *load) {
    enum err err =
        store_find_sweep(load->store, load->loader->sweep, &load->sweep, load->loader->note);
    if (err == ERR_NONE) {
        err = load_sweep_row(load);
    }
    if (err == ERR_NONE) {
        err = load_profiles(load);
    }
    if (err == ERR_NONE) {
        err = load_sets_begin(load);
    }
    if (err == ERR_NONE) {
        err = load_maps_init(load);
    }
    if (err == ERR_NONE) {
        err = load_targets(load);
    }
    return err == ERR_NONE ? load_chains(load) : err;
}

enum err load_store(struct loader *loader) {
    struct store_loader load = {.loader = loader, .snapshot = loader->snapshot};
    enum err err = store_open(loader->file, STORE_READ, &load.store, loader->note);
    if (err == ERR_NONE) {
        err = store_exec(load.store, "BEGIN", loader->note); /* one moment of it */
    }
    if (err == ERR_NONE) {
        err = load_all(&load);
    }
    store_close(load.store);
    load_maps_fini(&load);
    load_sets_fini(&load);
    if (err == ERR_NONE) {
        load_derive(loader->snapshot);
        load_judge_at(loader->snapshot, load.judged_at_s);
        err = snapshot_end(loader->snapshot, loader->note);
    }
    return err;
}
