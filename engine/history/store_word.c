/* The texts of coded columns (table word): each store numbers them as they come, so that a program
   whose enumerations have grown reads and writes old stores. */
#include "engine/history/store_internal.h"

static const char *outcome_word(int value) {
    return outcome_text((enum outcome)value);
}
static const char *verdict_word(int value) {
    return verdict_text((enum verdict)value);
}
static const char *pkix_word(int value) {
    return pkix_text((enum pkix)value);
}
static const char *proof_word(int value) {
    return proof_text((enum proof)value);
}
static const char *depth_word(int value) {
    return depth_text((enum depth)value);
}
static const char *key_type_word(int value) {
    return key_view_text((enum key_view)value);
}

static const struct {
    const char *name;
    int count;
    const char *(*text)(int value);
} kinds[STORE_KIND_COUNT] = {
    [STORE_OUTCOME] = {"outcome", OUTCOME_COUNT, outcome_word},
    [STORE_VERDICT] = {"verdict", VERDICT_COUNT, verdict_word},
    [STORE_PKIX] = {"pkix", PKIX_COUNT, pkix_word},
    [STORE_PROOF] = {"proof", PROOF_POSSESSION + 1, proof_word},
    [STORE_DEPTH] = {"depth", DEPTH_CAPTURE + 1, depth_word},
    [STORE_KEY_TYPE] = {"key-type", KEY_VIEW_COUNT, key_type_word},
};

_Static_assert(OUTCOME_COUNT < STORE_CODES_MAX / 2 && VERDICT_COUNT < STORE_CODES_MAX / 2 &&
                   PKIX_COUNT < STORE_CODES_MAX / 2,
               "room for what other versions know");

int store_value(const struct store *store, enum store_kind kind, int64_t code) {
    return code >= 0 && code < STORE_CODES_MAX ? store->values[kind][code] : -1;
}

int64_t store_code(const struct store *store, enum store_kind kind, int value) {
    CHECK(value >= 0 && value < kinds[kind].count);
    return store->codes[kind][value];
}

static int find_kind(const char *name) {
    for (int kind = 0; name != NULL && kind < STORE_KIND_COUNT; kind++) {
        if (strcmp(kinds[kind].name, name) == 0) {
            return kind;
        }
    }
    return -1;
}

/* One row of the table; words of other kinds and those that this program does not know are passed
   over. */
static void learn(struct store *store, const char *kind_name, int64_t code, const char *text) {
    int kind = find_kind(kind_name);
    if (kind < 0 || text == NULL || code < 0 || code >= STORE_CODES_MAX) {
        return;
    }
    for (int value = 0; value < kinds[kind].count; value++) {
        if (strcmp(kinds[kind].text(value), text) == 0) {
            store->values[kind][code] = (int16_t)value;
            store->codes[kind][value] = (int16_t)code;
        }
    }
}

static enum err read_words(struct store *store, struct err_note *note) {
    sqlite3_stmt *statement;
    enum err err = store_prepare(store, "SELECT kind, code, text FROM word", &statement, note);
    bool row = err == ERR_NONE;
    while (row) {
        err = store_step(store, statement, &row, note);
        if (err != ERR_NONE) {
            break;
        }
        if (row) {
            learn(store, (const char *)sqlite3_column_text(statement, 0),
                  sqlite3_column_int64(statement, 1),
                  (const char *)sqlite3_column_text(statement, 2));
        }
    }
    sqlite3_finalize(statement);
    return err;
}

static enum err add_words(struct store *store, struct err_note *note) {
    sqlite3_stmt *statement;
    enum err err = store_prepare(store,
                                 "INSERT INTO word SELECT ?1, coalesce(max(code), -1) + 1, ?2 "
                                 "FROM word WHERE kind = ?1 RETURNING kind, code, text",
                                 &statement, note);
    for (int kind = 0; kind < STORE_KIND_COUNT && err == ERR_NONE; kind++) {
        for (int value = 0; value < kinds[kind].count && err == ERR_NONE; value++) {
            bool row;
            if (store->codes[kind][value] >= 0) {
                continue;
            }
            sqlite3_bind_text(statement, 1, kinds[kind].name, -1, SQLITE_STATIC);
            sqlite3_bind_text(statement, 2, kinds[kind].text(value), -1, SQLITE_STATIC);
            err = store_step(store, statement, &row, note);
            if (err == ERR_NONE && row) {
                learn(store, kinds[kind].name, sqlite3_column_int64(statement, 1),
                      kinds[kind].text(value));
            }
            sqlite3_reset(statement);
            if (err == ERR_NONE && store->codes[kind][value] < 0) {
                err = err_note(note, ERR_CONFIG, "%s: more than %d words of kind %s", store->file,
                               STORE_CODES_MAX, kinds[kind].name);
            }
        }
    }
    sqlite3_finalize(statement);
    return err;
}

static bool is_complete(const struct store *store) {
    for (int kind = 0; kind < STORE_KIND_COUNT; kind++) {
        for (int value = 0; value < kinds[kind].count; value++) {
            if (store->codes[kind][value] < 0) {
                return false;
            }
        }
    }
    return true;
}

enum err store_words_load(struct store *store, struct err_note *note) {
    memset(store->values, 0xFF, sizeof store->values);
    memset(store->codes, 0xFF, sizeof store->codes);
    enum err err = read_words(store, note);
    if (err != ERR_NONE || store->mode == STORE_READ || is_complete(store)) {
        return err;
    }
    err = store_exec(store, "BEGIN IMMEDIATE", note);
    if (err == ERR_NONE) {
        err = add_words(store, note);
        if (err == ERR_NONE) {
            err = store_exec(store, "COMMIT", note);
        }
        if (err != ERR_NONE) {
            sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        }
    }
    return err;
}
