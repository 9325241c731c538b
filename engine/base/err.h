/* Errors of set-up and local resources (the third of four kinds; see README.md, "Errors"). What a
   remote peer does is never one of these: it is an `enum outcome` in the record. */
#ifndef PINSWEEP_BASE_ERR_H
#define PINSWEEP_BASE_ERR_H

#include "engine/base/attributes.h"

enum err {
    ERR_NONE = 0,
    ERR_USAGE,       /* the command line is wrong: exit 2 */
    ERR_CONFIG,      /* a policy, bundle or list is wrong: exit 2 */
    ERR_INPUT,       /* the inventory is wrong or unreadable: exit 2 */
    ERR_IO,          /* a local file or descriptor failed: exit 4 */
    ERR_RESOURCE,    /* memory, descriptors, rings: exit 4 */
    ERR_UNSUPPORTED, /* this kernel or machine lacks what is needed: exit 4 */
    ERR_INTERRUPTED, /* a signal asked to stop: exit 130 */
};

#define ERR_NOTE_MAX 1024

/* What to tell the person: one sentence with the file, the line and the fix. Filled by the function
   that fails, never by its callers; cut (with "...") when longer than the buffer. */
struct err_note {
    char text[ERR_NOTE_MAX];
};

/* Formats into `note` (NULL is allowed and ignored) and returns `err`, so that a failing function
   reads `return err_note(note, ERR_CONFIG, "%s:%d: ...", file, line);`. */
enum err err_note(struct err_note *note, enum err err, const char *format, ...) PRINTF_LIKE(3, 4);

/* The process exit code for an error, as in the contract: 2, 4 or 130; 0 for ERR_NONE. */
/* Of two errors (ERR_NONE: none) the one with the higher exit code; its note is in *note then, and
   the other's was told on standard error. */
enum err err_worse(enum err err, struct err_note *note, enum err other,
                   const struct err_note *other_note);
int err_exit_code(enum err err);

#endif
