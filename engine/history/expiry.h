/* What ends when, and until when somebody must have acted.

   Items are certificates that clients need (leaves, and all of the preferred paths: intermediates
   and anchors), pin sets, anchors that are pinned, and exceptions. Each has an end, and a lead: the
   time that the clients of the pin sets concerned take to follow (policy: update.lead_time_days
   plus adoption_days; the longest of several). A pin set leads its own end; a certificate is led by
   the pin sets of its endpoints that pin it or its key. What nobody pins has no lead: it only has
   to be renewed. `act_by` is end minus lead.

   Cost: a pass over the targets, with a look-up of pin sets for each; memory 32 bytes a certificate
   and 120 an item. Single-threaded; snapshot and policy must outlive it. */
#ifndef PINSWEEP_HISTORY_EXPIRY_H
#define PINSWEEP_HISTORY_EXPIRY_H

#include <stdio.h>

#include "engine/history/snapshot.h"
#include "engine/trust/anchor.h"
#include "engine/trust/pin.h"

enum expiry_kind {
    EXPIRY_CERTIFICATE,
    EXPIRY_PIN_SET,
    EXPIRY_ANCHOR,
    EXPIRY_EXCEPTION,
    EXPIRY_KINDS
};

/* Worst first. */
enum expiry_state {
    EXPIRY_EXPIRED,
    EXPIRY_TOO_LATE, /* it has not ended, but its lead time has begun */
    EXPIRY_DUE,      /* to be acted on within the window */
    EXPIRY_LATER,
    EXPIRY_STATES
};
const char *expiry_state_text(enum expiry_state state);
bool expiry_state_from_text(struct span text, enum expiry_state *out);
const char *expiry_kind_text(enum expiry_kind kind);

struct expiry_item {
    enum expiry_kind kind;
    enum expiry_state state;
    const char *role; /* of a certificate: "leaf", "intermediate", "anchor"; "" */
    const char *name; /* subject, pin set, or rule of an exception */
    const char *issuer;
    const char *pin_set; /* whose clients lead, or that the exception is of; "" */
    const char *owner, *application, *host; /* of the pin set, else of the first endpoint */
    const char *reason;                     /* of an exception */
    int64_t ends_s, act_by_s;
    int32_t lead_days;
    uint64_t endpoints;                       /* that need it */
    const uint8_t *cert_sha256, *spki_sha256; /* NULL */
};

struct expiry_options {
    int64_t at_s;     /* now */
    int64_t within_s; /* what is to be acted on later is left out; INT64_MAX: nothing is */
};

struct expiry {
    struct expiry_options options;
    struct expiry_item *items; /* by state, act_by, end, kind and name */
    uint32_t item_count, item_capacity;
    uint64_t counts[EXPIRY_STATES]; /* those left out are in EXPIRY_LATER */
    bool failed;                    /* memory ran out */
    struct arena texts;             /* names of anchors */
};

/* `snapshot` and `policy` (with its `trust`) may each be NULL. ERR_RESOURCE if memory runs out;
   expiry_fini() either way. */
enum err expiry_run(struct expiry *expiry, const struct snapshot *snapshot,
                    const struct pin_index *policy, const struct trust_store *trust,
                    const struct expiry_options *options, struct err_note *note) MUST_USE;
void expiry_fini(struct expiry *expiry);

/* NDJSON (data/expiry.schema.json): a line for each item, then the summary. False if writing
   failed. */
bool expiry_write(const struct expiry *expiry, FILE *out);
/* For people: a table of at most `limit` items, or a calendar of the months in which something is
   to be done. */
bool expiry_tell(const struct expiry *expiry, FILE *out, uint64_t limit);
bool expiry_tell_calendar(const struct expiry *expiry, FILE *out, uint64_t limit);

/* Private to expiry*.c: `text` without what a terminal would act on, at most `max` bytes of it. */
const char *expiry_safe(char *out, size_t size, const char *text);

#endif
