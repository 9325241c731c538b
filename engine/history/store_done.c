#include <stdlib.h>

#include "engine/history/store_writer_internal.h"

void store_done_fini(struct store_done *done) {
    free(done->lines);
    free(done->places);
    *done = (struct store_done){0};
}

static int compare_places(const void *a, const void *b) {
    const struct store_place *x = a, *y = b;
    if (x->line != y->line) {
        return x->line < y->line ? -1 : 1;
    }
    return x->place < y->place ? -1 : x->place > y->place;
}

/* False without memory. */
static bool add(struct store_done *done, uint64_t line, uint64_t place) {
    if (place == 0) {
        done->lines[line / 8] |= (uint8_t)(1u << line % 8);
        return true;
    }
    if (done->place_count == done->place_capacity) {
        size_t capacity = done->place_capacity < 1024 ? 1024 : done->place_capacity * 2;
        struct store_place *places = realloc(done->places, capacity * sizeof *places);
        if (places == NULL) {
            return false;
        }
        done->places = places;
        done->place_capacity = capacity;
    }
    done->places[done->place_count++] = (struct store_place){.line = line, .place = place};
    return true;
}

static enum err read_targets(struct store *store, struct store_done *done, int64_t sweep,
                             int64_t *out_next, struct err_note *note) {
    sqlite3_stmt *statement;
    enum err err = store_prepare(store,
                                 "SELECT id, line, place FROM target "
                                 "WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
                                 &statement, note);
    if (err == ERR_NONE) {
        sqlite3_bind_int64(statement, 1, sweep << STORE_SWEEP_SHIFT);
        sqlite3_bind_int64(statement, 2, ((sweep + 1) << STORE_SWEEP_SHIFT) - 1);
    }
    bool row = err == ERR_NONE;
    while (row) { /* bounded by the table */
        err = store_step(store, statement, &row, note);
        if (err != ERR_NONE || !row) {
            break;
        }
        int64_t line = sqlite3_column_int64(statement, 1),
                place = sqlite3_column_int64(statement, 2);
        *out_next = sqlite3_column_int64(statement, 0) - (sweep << STORE_SWEEP_SHIFT) + 1;
        if (line < 1 || (uint64_t)line > done->line_count || place < 0) {
            err =
                err_note(note, ERR_CONFIG,
                         "%s: the store is damaged: line %lld of an inventory of %llu lines",
                         store_file(store), (long long)line, (unsigned long long)done->line_count);
            break;
        }
        if (!add(done, (uint64_t)line, (uint64_t)place)) {
            err = err_note(note, ERR_RESOURCE, "not enough memory to resume the sweep");
            break;
        }
    }
    sqlite3_finalize(statement);
    return err;
}

enum err store_done_load(struct store *store, struct store_done *done, int64_t sweep,
                         uint64_t input_lines, int64_t *out_next, struct err_note *note) {
    *out_next = 0;
    done->line_count = input_lines;
    done->lines = calloc(input_lines / 8 + 1, 1);
    if (done->lines == NULL) {
        return err_note(note, ERR_RESOURCE, "not enough memory to resume the sweep");
    }
    enum err err = read_targets(store, done, sweep, out_next, note);
    if (err == ERR_NONE && done->place_count > 0) {
        qsort(done->places, done->place_count, sizeof *done->places, compare_places);
    }
    return err;
}

bool store_done_has(const struct store_done *done, uint64_t line, uint64_t place) {
    if (place == 0) {
        return line <= done->line_count && done->lines != NULL &&
               (done->lines[line / 8] >> line % 8 & 1) != 0;
    }
    struct store_place key = {.line = line, .place = place};
    return done->place_count > 0 && bsearch(&key, done->places, done->place_count,
                                            sizeof *done->places, compare_places) != NULL;
}
