/* What changed from one sweep to another. Both are snapshots, whatever they were loaded from.

   An endpoint is host, port and SNI. Where several targets of a sweep are the same endpoint, those
   of the same tag, pin host and address belong together, then those of the same tag and pin host,
   then whatever is left, in order. Certificates are compared per key type over all views of the
   endpoint: another address with a certificate that was there before is no change of certificates,
   and is told separately. A key, issuer, root or path is new if none of the views before had it.

   Time: a hash join and a constant amount of work per endpoint (0.5 us). Memory: 20 bytes an
   endpoint and 56 a change, besides the snapshots. Single-threaded; the snapshots must outlive it.
 */
#ifndef PINSWEEP_HISTORY_DIFF_H
#define PINSWEEP_HISTORY_DIFF_H

#include <stdio.h>

#include "engine/history/snapshot.h"

/* Worst first. `diff_kinds` (diff_kind.c) names and documents them. */
enum diff_kind {
    DIFF_VERDICT_WORSE,
    DIFF_PIN_SET_WORSE,
    DIFF_UNREACHABLE,
    DIFF_ADDRESS_UNREACHABLE,
    DIFF_PKIX_WORSE,
    DIFF_NAME_MISMATCH,
    DIFF_EXPIRY_WINDOW,
    DIFF_GONE,
    DIFF_PIN_SET_GONE,
    DIFF_KEY_TYPE_LOST,
    DIFF_ROOT_CHANGED,
    DIFF_ISSUER_CHANGED,
    DIFF_KEY_ROTATED,
    DIFF_PATH_CHANGED,
    DIFF_CHAIN_CHANGED,
    DIFF_VERDICT_CHANGED,
    DIFF_PIN_SET_CHANGED,
    DIFF_PKIX_CHANGED,
    DIFF_RENEWED,
    DIFF_NEW,
    DIFF_PIN_SET_NEW,
    DIFF_KEY_TYPE_NEW,
    DIFF_VERDICT_BETTER,
    DIFF_PIN_SET_BETTER,
    DIFF_REACHABLE,
    DIFF_PKIX_BETTER,
    DIFF_NAME_MATCH,
    DIFF_ADDRESS_CHANGED,
    DIFF_KIND_COUNT
};

struct diff_kind_info {
    const char *name, *meaning;
    bool regression; /* unless --fail-on says otherwise */
};
extern const struct diff_kind_info diff_kinds[DIFF_KIND_COUNT];
bool diff_kind_from_text(struct span text, enum diff_kind *out);

#define DIFF_WINDOWS_MAX 16
#define DIFF_WINDOW_DAYS_MAX 36500

struct diff_options {
    bool by_tag; /* the tag is part of the endpoint */
    /* Days before an end whose crossing is told; "expired" (0) always is. */
    uint16_t windows_days[DIFF_WINDOWS_MAX];
    uint32_t window_count;
    /* What counts as a regression: bits of enum diff_kind; of enum verdict, where a verdict changed
       to it; of enum pkix, where a result changed to it. */
    uint64_t fail_on_kinds;
    uint32_t fail_on_verdicts, fail_on_pkix;
};
/* 30, 14, 7 and 1 days; the kinds that are regressions. */
void diff_options_init(struct diff_options *options);

/* One side of a change: indices into that side's snapshot, SNAPSHOT_NONE where nothing is meant. */
struct diff_side {
    uint32_t target, view, set, cert;
};

struct diff_change {
    struct diff_side before, after;
    uint32_t order;   /* line of the inventory */
    uint16_t rank;    /* of its kind: 0 is worst */
    uint8_t kind;     /* enum diff_kind */
    uint8_t key_type; /* enum key_view; KEY_VIEW_COUNT: the endpoint as a whole */
    uint8_t trust;    /* profile in `after` (in `before`, should it not be there); UINT8_MAX */
    uint8_t pkix_before, pkix_after; /* enum pkix */
    bool regression;
    int32_t window_days; /* -1 */
};

struct diff {
    const struct snapshot *before, *after;
    struct diff_options options;
    struct diff_change *changes; /* by kind, rank and order */
    uint32_t change_count, change_capacity;
    uint64_t counts[DIFF_KIND_COUNT];
    uint64_t regressions;
    uint64_t matched, unchanged; /* endpoints in both; of these without any change */
    uint64_t
        not_compared; /* not asked by one of the two: blocklisted, cancelled, our own failure */
    bool failed;      /* memory ran out */
};

/* ERR_RESOURCE if memory runs out; diff_fini() either way. */
enum err diff_run(struct diff *diff, const struct snapshot *before, const struct snapshot *after,
                  const struct diff_options *options, struct err_note *note) MUST_USE;
void diff_fini(struct diff *diff);

/* NDJSON (data/diff.schema.json): a line for each change, then the summary. False if writing
   failed. */
bool diff_write(const struct diff *diff, FILE *out);
/* For people: counts, then at most `limit` changes of each kind. */
bool diff_tell(const struct diff *diff, FILE *out, uint64_t limit);
/* "match -> mismatch (no pin on the path)": what a change is, in a few words. */
size_t diff_describe(const struct diff *diff, const struct diff_change *change, char *out,
                     size_t size);

#endif
