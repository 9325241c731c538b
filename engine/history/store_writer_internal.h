/* Private to store_writer*.c and store_recall.c. store_writer.c is the keeper: transactions, begin
   and end; store_writer_rows.c inserts what comes in blocks, store_writer_sets.c the judgements
   among it; store_writer_sweep.c finds, begins and resumes the sweep's own row; store_recall.c
   loads what is remembered; store_done.c the targets that a resumed sweep has. */
#ifndef PINSWEEP_HISTORY_STORE_WRITER_INTERNAL_H
#define PINSWEEP_HISTORY_STORE_WRITER_INTERNAL_H

#include <sqlite3.h>

#include "engine/base/arena.h"
#include "engine/history/store.h"
#include "engine/history/store_digests.h"
#include "engine/history/store_writer.h"
#include "engine/sweep/keeper_rows.h"

/* --- store_done.c --- */

struct store_place {
    uint64_t line, place;
};

/* Targets of a resumed sweep, constant once loaded: a bit for each line, and the further addresses
   of ranges in order. */
struct store_done {
    uint8_t *lines; /* a bit for each line's address 0 */
    uint64_t line_count;
    struct store_place *places; /* sorted */
    size_t place_count, place_capacity;
};

void store_done_fini(struct store_done *done);
/* Reads the sweep's targets; *out_next is the ordinal of the next row. */
enum err store_done_load(struct store *store, struct store_done *done, int64_t sweep,
                         uint64_t input_lines, int64_t *out_next, struct err_note *note) MUST_USE;
bool store_done_has(const struct store_done *done, uint64_t line, uint64_t place);

/* --- store_recall.c --- */

struct store_path_set;

/* Paths by chain: constant once loaded, and therefore with digests of its own. */
struct store_recall {
    struct store_digests chains; /* `row` is the index into the sets */
    const struct store_path_set **sets[TRUST_PROFILES_MAX];
    uint32_t set_capacity;
    struct arena arena;
};

void store_recall_fini(struct store_recall *recall);
/* Loads the paths of known chains in the sweep's profiles, and notes in the digests of chains which
   are there. */
enum err store_recall_load(struct store_writer *writer, struct err_note *note) MUST_USE;
bool store_recall_find(void *context, const uint8_t chain_id[SHA256_LEN], uint32_t profile_idx,
                       struct path_recall *out);

/* --- the writer --- */

#define STORE_TLS_KINDS 4 /* version, cipher, group, signature */

enum {
    INSERT_CERTIFICATE,
    INSERT_DER,
    INSERT_CHAIN,
    INSERT_PATHS,
    INSERT_TARGET,
    INSERT_VIEW,
    INSERT_SET,
    INSERT_WORD,
    FIND_PIN_SET,
    INSERT_PIN_SET,
    FIND_PIN,
    INSERT_PIN,
    FIND_REASON,
    INSERT_REASON,
    INSERT_COUNT
};

#define STORE_PINS_NEAR 65536 /* pins whose rows are at hand: of more, some are asked for again */
#define STORE_REASONS_NEAR 64 /* the judge knows some ten */

struct store_writer {
    struct store *store;
    struct keeper keeper;
    const struct sweep_config *config; /* from begin on */
    int64_t sweep;                     /* its row */
    int64_t next_target;               /* ordinal of the next target */
    bool in_transaction, failed;

    struct store_digests chains, certs;
    uint32_t next_chain, next_cert; /* rows */
    struct store_recall recall;
    struct store_done done;
    int64_t profiles[TRUST_PROFILES_MAX];      /* rows */
    uint32_t *anchor_rows[TRUST_PROFILES_MAX]; /* certificates, by place */
    int64_t *pin_sets;                         /* rows by index; 0: not asked for yet */
    /* Rows of pins, by a hash of where the policy has them; codes of reasons, by their text. */
    struct store_pin_row {
        const struct pin *pin;
        int64_t row;
    } * pin_rows;
    struct {
        const char *text;
        int64_t code;
    } reasons[STORE_REASONS_NEAR];
    uint32_t reason_count;
    uint8_t *seen_words; /* bits of TLS numbers whose words are there: 4 kinds of 65536 */
    char *metadata;      /* of a resumed sweep */

    sqlite3_stmt *statements[INSERT_COUNT];
    sqlite3_stmt *update_sweep;
    /* The target being inserted. */
    int64_t target;
    /* The chain being inserted. */
    uint32_t chain_certs[CHAIN_CERTS_MAX], chain_cert_count;
    uint32_t chain_idx; /* in `chains` */
};

/* Texts are borrowed: they outlive the step. */
static inline void store_bind_text(sqlite3_stmt *statement, int at, const char *text,
                                   uint32_t len) {
    sqlite3_bind_text(statement, at, text, (int)len, SQLITE_STATIC);
}
/* `none` is how the row says that there is no such number. */
static inline void store_bind_number(sqlite3_stmt *statement, int at, int64_t value, int64_t none) {
    if (value == none) {
        sqlite3_bind_null(statement, at);
    } else {
        sqlite3_bind_int64(statement, at, value);
    }
}
static inline void store_bind_code(const struct store_writer *writer, sqlite3_stmt *statement,
                                   int at, enum store_kind kind, int value) {
    sqlite3_bind_int64(statement, at, store_code(writer->store, kind, value));
}
/* Runs a bound statement that gives no rows, and resets it. */
enum err store_writer_run(struct store_writer *writer, sqlite3_stmt *statement,
                          struct err_note *note) MUST_USE;
enum err store_writer_prepare_rows(struct store_writer *writer, struct err_note *note) MUST_USE;
enum err store_writer_put(struct store_writer *writer, struct span rows,
                          struct err_note *note) MUST_USE;
enum err store_writer_put_set(struct store_writer *writer, const struct keeper_set *row,
                              struct err_note *note) MUST_USE;
/* A certificate that is no row of a block: an anchor. *out_row is its number. */
enum err store_writer_anchor(struct store_writer *writer, const struct cert_record *cert,
                             uint32_t *out_row, struct err_note *note) MUST_USE;

enum err store_writer_begin_sweep(struct store_writer *writer, const struct keeper_sweep *sweep,
                                  struct keeper_resumed *out, struct err_note *note) MUST_USE;

#endif
