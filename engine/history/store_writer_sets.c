/* Judgements into the store: one insertion for each, once the pin set, the pin and the reason are
   known there. */
#include "engine/history/store_writer_internal.h"

/* Runs a bound statement and takes the number of its only row; without one *out stays as it is. */
static enum err ask_number(struct store_writer *writer, sqlite3_stmt *statement, bool *out_row,
                           int64_t *out, struct err_note *note) {
    enum err err = store_step(writer->store, statement, out_row, note);
    if (err == ERR_NONE && *out_row) {
        *out = sqlite3_column_int64(statement, 0);
    }
    sqlite3_reset(statement);
    return err;
}

static void bind_whole_text(sqlite3_stmt *statement, int at, const char *text) {
    store_bind_text(statement, at, text, (uint32_t)strlen(text));
}

static void bind_pin_set(sqlite3_stmt *statement, const struct pin_set *set) {
    const char *const texts[] = {set->name, pin_client_text(set->client),
                                 pin_scope_text(set->scope), set->application, set->owner};
    for (int i = 0; i < (int)ARRAY_COUNT(texts); i++) {
        bind_whole_text(statement, i + 1, texts[i]);
    }
    sqlite3_bind_int64(statement, 6, set->expires == DATETIME_NONE ? -1 : set->expires);
}

/* The row of the pin set as it is now, made if there is none. */
static enum err find_pin_set(struct store_writer *writer, uint32_t set_idx, struct err_note *note) {
    const struct pin_set *set = writer->config->pins->sets[set_idx];
    int64_t *out = &writer->pin_sets[set_idx];
    sqlite3_stmt *find = writer->statements[FIND_PIN_SET],
                 *insert = writer->statements[INSERT_PIN_SET];
    bool row;
    bind_pin_set(find, set);
    enum err err = ask_number(writer, find, &row, out, note);
    if (err == ERR_NONE && !row) {
        bind_pin_set(insert, set);
        err = ask_number(writer, insert, &row, out, note);
    }
    return err;
}

/* The row of the pin, made if there is none. */
static enum err find_pin(struct store_writer *writer, const struct pin *pin, int64_t *out_row,
                         struct err_note *note) {
    uint64_t hash = (uint64_t)(uintptr_t)pin * UINT64_C(0x9e3779b97f4a7c15);
    struct store_pin_row *near = &writer->pin_rows[(hash >> 32) % STORE_PINS_NEAR];
    enum err err = ERR_NONE;
    if (near->pin != pin) {
        bool row = false;
        int64_t found = 0;
        for (int i = 0; i < 2 && err == ERR_NONE && !row; i++) {
            sqlite3_stmt *statement = writer->statements[i == 0 ? FIND_PIN : INSERT_PIN];
            bind_whole_text(statement, 1, pin->text);
            bind_whole_text(statement, 2, pin_role_text(pin->role));
            err = ask_number(writer, statement, &row, &found, note);
        }
        if (err == ERR_NONE) {
            *near = (struct store_pin_row){.pin = pin, .row = found};
        }
    }
    *out_row = near->row;
    return err;
}

/* The code of a reason; its text goes into table word when it is met first. */
static enum err find_reason(struct store_writer *writer, const char *text, int64_t *out_code,
                            struct err_note *note) {
    for (uint32_t i = 0; i < writer->reason_count; i++) {
        if (writer->reasons[i].text == text) {
            *out_code = writer->reasons[i].code;
            return ERR_NONE;
        }
    }
    bool row = false;
    enum err err = ERR_NONE;
    for (int i = 0; i < 2 && err == ERR_NONE && !row; i++) {
        sqlite3_stmt *statement = writer->statements[i == 0 ? FIND_REASON : INSERT_REASON];
        bind_whole_text(statement, 1, text);
        err = ask_number(writer, statement, &row, out_code, note);
    }
    if (err == ERR_NONE && writer->reason_count < STORE_REASONS_NEAR) {
        writer->reasons[writer->reason_count].text = text;
        writer->reasons[writer->reason_count++].code = *out_code;
    }
    return err;
}

/* Columns 6 to 11: what decided. */
static enum err bind_evidence(struct store_writer *writer, sqlite3_stmt *statement,
                              const struct keeper_set *row, struct err_note *note) {
    enum err err = ERR_NONE;
    int64_t profile = -1, cert = -1, pin = -1, reason = -1;
    if (row->decided && row->profile_idx >= 0) {
        profile = writer->profiles[row->profile_idx];
    }
    if (row->has_cert) {
        const struct store_digest *known = store_digests_find(&writer->certs, row->cert_sha256);
        CHECK(known != NULL); /* of a chain whose row came before, or an anchor */
        cert = known->row;
    }
    if (row->pin != NULL) {
        err = find_pin(writer, row->pin, &pin, note);
    }
    if (err == ERR_NONE && row->decided && row->reason[0] != '\0') {
        err = find_reason(writer, row->reason, &reason, note);
    }
    store_bind_number(statement, 6, row->decided ? row->view_idx : -1, -1);
    store_bind_number(statement, 7, profile, -1);
    store_bind_number(statement, 8, row->decided ? row->path_idx : -1, -1);
    store_bind_number(statement, 9, cert, -1);
    store_bind_number(statement, 10, pin, -1);
    store_bind_number(statement, 11, reason, -1);
    return err;
}

enum err store_writer_put_set(struct store_writer *writer, const struct keeper_set *row,
                              struct err_note *note) {
    sqlite3_stmt *statement = writer->statements[INSERT_SET];
    enum err err = ERR_NONE;
    if (writer->pin_sets[row->set_idx] == 0) {
        err = find_pin_set(writer, row->set_idx, note);
    }
    if (err == ERR_NONE) {
        err = bind_evidence(writer, statement, row, note);
    }
    if (err != ERR_NONE) {
        return err;
    }
    sqlite3_bind_int64(statement, 1, writer->target << STORE_SET_SHIFT | row->place);
    sqlite3_bind_int64(statement, 2, writer->pin_sets[row->set_idx]);
    store_bind_code(writer, statement, 3, STORE_VERDICT, row->verdict);
    store_bind_code(writer, statement, 4, STORE_VERDICT, row->would_be);
    sqlite3_bind_int(statement, 5, row->durable);
    return store_writer_run(writer, statement, note);
}
