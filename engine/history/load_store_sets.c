/* Judgements: the pin sets, pins and reasons that they name by key, then row by row. */
#include <stdlib.h>

#include "engine/history/load_store_internal.h"

static enum err load_pin_sets(struct store_loader *load) {
    sqlite3_stmt *statement;
    bool row = true;
    uint32_t capacity = 0;
    enum err err = load_prepare(
        load, "SELECT id, name, application, owner, expires FROM pin_set ORDER BY id", &statement);
    while (err == ERR_NONE && (err = load_step(load, statement, &row)) == ERR_NONE && row) {
        int64_t key = sqlite3_column_int64(statement, 0), expires;
        if (key < 0 || key >= STORE_KEYS_MAX) {
            err = store_damaged(load, "pin set", key);
            break;
        }
        if (key >= capacity) {
            uint32_t wanted = (uint32_t)key + (uint32_t)key / 2 + 64;
            struct set_row *larger = realloc(load->sets, wanted * sizeof *larger);
            if (larger == NULL) {
                err = store_no_memory(load);
                break;
            }
            memset(larger + capacity, 0, (wanted - capacity) * sizeof *larger);
            load->sets = larger;
            capacity = wanted;
        }
        expires = sqlite3_column_int64(statement, 4);
        load->sets[key] = (struct set_row){.name = column_text(load, statement, 1),
                                           .application = column_text(load, statement, 2),
                                           .owner = column_text(load, statement, 3),
                                           .expires = expires == -1 ? DATETIME_NONE : expires};
        load->set_count = (uint32_t)key + 1;
    }
    sqlite3_finalize(statement);
    return err;
}

static enum err load_pins(struct store_loader *load) {
    sqlite3_stmt *statement;
    bool row = true;
    uint32_t capacity = 0;
    enum err err = load_prepare(load, "SELECT id, text FROM pin ORDER BY id", &statement);
    while (err == ERR_NONE && (err = load_step(load, statement, &row)) == ERR_NONE && row) {
        int64_t key = sqlite3_column_int64(statement, 0);
        if (key < 0 || key >= STORE_KEYS_MAX) {
            err = store_damaged(load, "pin", key);
            break;
        }
        if (key >= capacity) {
            uint32_t wanted = (uint32_t)key + (uint32_t)key / 2 + 64;
            const char **larger = realloc((void *)load->pins, wanted * sizeof *larger);
            if (larger == NULL) {
                err = store_no_memory(load);
                break;
            }
            memset((void *)(larger + capacity), 0, (wanted - capacity) * sizeof *larger);
            load->pins = larger;
            capacity = wanted;
        }
        load->pins[key] = column_text(load, statement, 1);
        load->pin_count = (uint32_t)key + 1;
    }
    sqlite3_finalize(statement);
    return err;
}

static enum err load_reasons(struct store_loader *load) {
    sqlite3_stmt *statement;
    bool row = true;
    enum err err =
        load_prepare(load, "SELECT code, text FROM word WHERE kind = 'reason'", &statement);
    while (err == ERR_NONE && (err = load_step(load, statement, &row)) == ERR_NONE && row) {
        int64_t code = sqlite3_column_int64(statement, 0);
        if (code < 0 || code >= STORE_REASONS_MAX) {
            err = store_damaged(load, "the word of code", code);
        } else {
            load->reasons[code] = column_text(load, statement, 1);
        }
    }
    sqlite3_finalize(statement);
    return err;
}

enum err load_sets_begin(struct store_loader *load) {
    enum err err = load_pin_sets(load);
    if (err == ERR_NONE) {
        err = load_pins(load);
    }
    return err == ERR_NONE ? load_reasons(load) : err;
}

void load_sets_fini(struct store_loader *load) {
    free(load->sets);
    free((void *)load->pins);
}

/* What decided: columns 5 to 7. */
static enum err load_evidence(struct store_loader *load, sqlite3_stmt *row,
                              struct snapshot_set *set) {
    enum err err = ERR_NONE;
    if (sqlite3_column_type(row, 5) != SQLITE_NULL) {
        int64_t cert = sqlite3_column_int64(row, 5);
        err = load_need_cert(load, cert);
        set->cert = (uint32_t)cert;
    }
    if (err == ERR_NONE && sqlite3_column_type(row, 6) != SQLITE_NULL) {
        int64_t pin = sqlite3_column_int64(row, 6);
        if (pin < 0 || pin >= load->pin_count || load->pins[pin] == NULL) {
            return store_damaged(load, "pin", pin);
        }
        set->pin = load->pins[pin];
    }
    if (err == ERR_NONE && sqlite3_column_type(row, 7) != SQLITE_NULL) {
        int64_t reason = sqlite3_column_int64(row, 7);
        if (reason < 0 || reason >= STORE_REASONS_MAX || load->reasons[reason] == NULL) {
            return store_damaged(load, "the word of code", reason);
        }
        set->reason = load->reasons[reason];
    }
    return err;
}

enum err load_set_row(struct store_loader *load, sqlite3_stmt *row) {
    int64_t key = sqlite3_column_int64(row, 1);
    int verdict, would_be;
    if (key < 0 || key >= load->set_count || load->sets[key].name == NULL) {
        return store_damaged(load, "pin set", key);
    }
    enum err err = column_word(load, row, 2, STORE_VERDICT, &verdict);
    if (err == ERR_NONE) {
        err = column_word(load, row, 3, STORE_VERDICT, &would_be);
    }
    struct snapshot_set *set = err == ERR_NONE ? snapshot_set(load->snapshot) : NULL;
    if (set == NULL) {
        return err != ERR_NONE ? err : store_no_memory(load);
    }
    set->name = load->sets[key].name;
    set->application = load->sets[key].application;
    set->owner = load->sets[key].owner;
    set->expires = load->sets[key].expires;
    set->verdict = (enum verdict)verdict;
    set->would_be = (enum verdict)would_be;
    set->durable = sqlite3_column_int(row, 4) != 0;
    return load_evidence(load, row, set);
}
