#include "engine/codec/text.h"
#include "engine/history/store_internal.h"

#include <stdio.h>

/* The nth before the last of the sweeps that ended by themselves. */
static enum err find_done(struct store *store, uint64_t before, int64_t *out_id,
                          struct err_note *note) {
    sqlite3_stmt *statement;
    bool row = false;
    enum err err = store_prepare(store,
                                 "SELECT id FROM sweep WHERE state = 'done' ORDER BY id DESC "
                                 "LIMIT 1 OFFSET ?1",
                                 &statement, note);
    if (err == ERR_NONE) {
        sqlite3_bind_int64(statement, 1, (int64_t)before);
        err = store_step(store, statement, &row, note);
    }
    if (err == ERR_NONE && row) {
        *out_id = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    if (err == ERR_NONE && !row) {
        err = err_note(note, ERR_USAGE,
                       "%s: the store holds %s sweep that ended by itself; '%s#NAME' names one "
                       "that was interrupted, or still runs",
                       store->file, before == 0 ? "no" : "no earlier", store->file);
    }
    return err;
}

/* "latest~2"; false if it is no such thing. */
static bool parse_latest(const char *name, uint64_t *out_before) {
    static const char latest[] = "latest";
    *out_before = strcmp(name, "previous") == 0;
    if (name[0] == '\0' || strcmp(name, latest) == 0 || *out_before == 1) {
        return true;
    }
    size_t len = sizeof latest - 1;
    return strncmp(name, latest, len) == 0 && name[len] == '~' &&
           text_parse_u64(span_str(name + len + 1), 1u << 20, out_before);
}

/* Appends "NAME, NAME, ..." of sweeps to a message. */
static void list_sweep(char *text, size_t text_size, const char *name) {
    size_t len = strlen(text);
    snprintf(text + len, text_size - len, "%s%s", len > 0 ? ", " : "", name);
}

enum err store_find_sweep(struct store *store, const char *name, int64_t *out_id,
                          struct err_note *note) {
    uint64_t before;
    if (parse_latest(name, &before)) {
        return find_done(store, before, out_id, note);
    }
    sqlite3_stmt *statement;
    enum err err = store_prepare(store,
                                 "SELECT id, name, name = ?1, substr(name, 1, length(?1)) = ?1 "
                                 "FROM sweep ORDER BY id DESC",
                                 &statement, note);
    if (err == ERR_NONE) {
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    }
    char fitting[512] = "", all[512] = "";
    uint32_t fitting_count = 0;
    bool row = err == ERR_NONE, exact = false;
    while (row && !exact) {
        err = store_step(store, statement, &row, note);
        if (err != ERR_NONE || !row) {
            break;
        }
        const char *text = (const char *)sqlite3_column_text(statement, 1);
        exact = sqlite3_column_int(statement, 2) != 0;
        list_sweep(all, sizeof all, text);
        if (sqlite3_column_int(statement, 3) != 0) {
            list_sweep(fitting, sizeof fitting, text);
            fitting_count = exact ? 1 : fitting_count + 1;
            *out_id = sqlite3_column_int64(statement, 0);
        }
    }
    sqlite3_finalize(statement);
    if (err == ERR_NONE && fitting_count == 0) {
        err = err_note(note, ERR_USAGE, "%s: no sweep '%s' in the store; it holds %s", store->file,
                       name, all[0] != '\0' ? all : "none");
    } else if (err == ERR_NONE && fitting_count > 1) {
        err = err_note(note, ERR_USAGE, "%s: '%s' may be one of %s: say more of its name",
                       store->file, name, fitting);
    }
    return err;
}
