/* Private to load_store*.c. load_store.c reads the sweep's own rows, load_store_sets.c the
   judgements among them; load_store_chains.c what they refer to. */
#ifndef PINSWEEP_HISTORY_LOAD_STORE_INTERNAL_H
#define PINSWEEP_HISTORY_LOAD_STORE_INTERNAL_H

#include <sqlite3.h>

#include "engine/history/load_store.h"
#include "engine/history/store.h"

/* Keys of one table: which are needed, and what they became. */
struct key_map {
    const char *what;
    uint8_t *needed;   /* by key */
    uint32_t *indices; /* by key: into the snapshot, plus 1 */
    uint32_t count;    /* keys 0 .. count - 1 */
};

struct set_row {
    const char *name, *application, *owner;
    int64_t expires;
};

#define STORE_REASONS_MAX 4096 /* words of kind reason: far more than a program ever knew */

struct store_loader {
    struct loader *loader;
    struct store *store;
    struct snapshot *snapshot;
    int64_t sweep, judged_at_s;
    struct key_map chains, certs;
    struct set_row *sets; /* by key */
    uint32_t set_count;
    const char **pins; /* texts by key; NULL: not there */
    uint32_t pin_count;
    const char *reasons[STORE_REASONS_MAX]; /* by code; NULL: not there */
    int64_t profile_keys[TRUST_PROFILES_MAX];
    uint32_t profile_count;
};

#define STORE_KEYS_MAX (UINT32_C(1) << 30) /* keys that a map is made for: 5 bytes each */
enum { NEEDED = 1, NEEDED_AS_ISSUER = 2 };

enum err store_damaged(struct store_loader *load, const char *what, int64_t key);
enum err store_no_memory(struct store_loader *load);
enum err load_prepare(struct store_loader *load, const char *sql, sqlite3_stmt **out) MUST_USE;
enum err load_step(struct store_loader *load, sqlite3_stmt *statement, bool *out_row) MUST_USE;
struct span column_span(sqlite3_stmt *statement, int column); /* of a text too */
const char *column_text(struct store_loader *load, sqlite3_stmt *statement, int column);
int64_t column_time(sqlite3_stmt *statement, int column);
/* The value of a coded column. */
enum err column_word(struct store_loader *load, sqlite3_stmt *statement, int column,
                     enum store_kind kind, int *out) MUST_USE;

/* The pin sets, pins and reasons that judgements name. */
enum err load_sets_begin(struct store_loader *load) MUST_USE;
void load_sets_fini(struct store_loader *load);
#define LOAD_SET_ROW_SQL                                                                           \
    "SELECT id, pin_set, verdict, would_be, durable, certificate, pin, reason FROM judgement "     \
    "WHERE id BETWEEN ?1 AND ?2 ORDER BY id"
enum err load_set_row(struct store_loader *load, sqlite3_stmt *row) MUST_USE;

/* Both maps, for all keys that the tables have. */
enum err load_maps_init(struct store_loader *load) MUST_USE;
void load_maps_fini(struct store_loader *load);
enum err load_need_chain(struct store_loader *load, int64_t key) MUST_USE;
enum err load_need_cert(struct store_loader *load, int64_t key) MUST_USE;
/* After the targets: the chains and certificates that are needed; keys become indices. */
enum err load_chains(struct store_loader *load) MUST_USE;
/* What depends on the time: which paths are valid and preferred, and the pkix results. */
void load_judge_at(struct snapshot *snapshot, int64_t at_s);

#endif
