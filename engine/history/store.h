/* The store: sweeps, targets, views, chains, certificates, paths and judgements in one SQLite file
   (WAL mode). data/store.sql is its schema and says what every table, column and key means; it is
   compiled into the program.

   One sweep at a time writes (an flock() on the file keeps others out); any number of readers, also
   while a sweep runs: they see what was committed. A store is trusted as the policy is: paths that
   it remembers are not verified again, so who can write to it can make a sweep call an untrusted
   chain trusted.

   A store belongs to one thread at a time. In one process a file is opened once at a time: closing
   it ends the locks of every other handle (POSIX). What a file is, is read before SQLite touches
   it: a file that is no store of this version, or damaged, is refused and left as it is. */
#ifndef PINSWEEP_HISTORY_STORE_H
#define PINSWEEP_HISTORY_STORE_H

#include "engine/base/err.h"
#include "engine/net/outcome.h"
#include "engine/net/tls.h"
#include "engine/trust/verdict.h"

#define STORE_APPLICATION_ID 0x70696e73 /* "pins" */
#define STORE_VERSION 1                 /* PRAGMA user_version */

/* Keys (data/store.sql): target = sweep << SWEEP | n; view = target << VIEW | place; judgement =
   target << SET | place. */
#define STORE_SWEEP_SHIFT 34
#define STORE_VIEW_SHIFT 7
#define STORE_SET_SHIFT 10
#define STORE_SWEEPS_MAX (1 << 19) /* keys of sweeps are smaller: judgements' keys fit 63 bits */
_Static_assert(VIEWS_MAX <= 1 << STORE_VIEW_SHIFT, "a view's key holds its place");
_Static_assert(PIN_SETS_PER_HOST_MAX <= 1 << STORE_SET_SHIFT, "a judgement's key holds its place");

struct sqlite3;
struct sqlite3_stmt;
struct store;

enum store_mode {
    STORE_READ,  /* the file must be there */
    STORE_WRITE, /* made if it is not there, or empty; ERR_USAGE while another sweep writes */
};

/* Opens a store. ERR_CONFIG: no store, another version, damaged; ERR_USAGE: locked by another
   program; ERR_IO: cannot be opened or made. The file is as it was then. */
enum err store_open(const char *file, enum store_mode mode, struct store **out,
                    struct err_note *note) MUST_USE;
/* NULL is allowed. */
void store_close(struct store *store);

const char *store_file(const struct store *store);
struct sqlite3 *store_db(const struct store *store);

/* What SQLite said last, for people: "FILE: the store is damaged: ...". ERR_CONFIG for damage,
   ERR_USAGE for a lock, ERR_RESOURCE for memory, else ERR_IO. */
enum err store_error(const struct store *store, struct err_note *note);
/* Runs statements that give no rows ("BEGIN", "COMMIT"). A reader that wants one moment of a store
   that is being written reads between BEGIN and COMMIT. */
enum err store_exec(struct store *store, const char *sql, struct err_note *note) MUST_USE;
/* One statement; sqlite3_finalize() it before store_close(). */
enum err store_prepare(struct store *store, const char *sql, struct sqlite3_stmt **out,
                       struct err_note *note) MUST_USE;
/* The next row: *out_row says whether there is one. */
enum err store_step(struct store *store, struct sqlite3_stmt *statement, bool *out_row,
                    struct err_note *note) MUST_USE;

/* The columns marked word(KIND), of the kinds that have an enumeration here. */
enum store_kind {
    STORE_OUTCOME,
    STORE_VERDICT,
    STORE_PKIX,
    STORE_PROOF,
    STORE_DEPTH,
    STORE_KEY_TYPE,
    STORE_KIND_COUNT
};
/* The value of `enum outcome`, `enum verdict`, ... that the code stands for; -1 if this program
   knows none of that text (a later one wrote it). An array look-up. */
int store_value(const struct store *store, enum store_kind kind, int64_t code);
/* The code that the value has in this store; in STORE_WRITE mode all values have one, else -1. */
int64_t store_code(const struct store *store, enum store_kind kind, int value);

/* The sweep of that name, or the only one whose name begins so, whatever its state; "latest" or ""
   the last of those that ended by themselves, "previous" the one before it, "latest~N" the Nth
   before it. ERR_USAGE if there is none or more than one: the message lists candidates. */
enum err store_find_sweep(struct store *store, const char *name, int64_t *out_id,
                          struct err_note *note) MUST_USE;

#endif
