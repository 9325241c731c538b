/* What a scenario does to one pin set on one target. Definitions (README.md, "Impact", has them for
   people):

   A *unit* is a view with one trust profile of the pin set (or a view alone, where no path is
   needed), as in verdict.h; the clients' semantics are verdict.c's, judged before the first
   operation and after the last. A unit *works* if its pins hold (a match by an active or a backup
   pin; whatever the pins say if they are not enforced) and PKIX succeeds. PKIX of a unit without a
   profile is that of the pin set's profiles, of which those decide that succeeded before (those
   that did not, its clients evidently do not ask); of DANE-EE and DANE-TA alone it never does.

     breaks               worked, and works no more on any path
     path-dependent       the preferred path fails, another valid one would hold
     unknown-future-key   fails only if the key that is not known yet equals no pin of the set
     already-broken       did not work before either (`before` says how; also without any view)
     survives-on-last-pin works, on the set's last pin: none is spare any more (or the unit changed,
                          and none was)
     unenforced-expired   the pin set has expired by then and fails open: nothing is enforced
     survives-on-backup   works by a backup pin, and by an active one before or on another path
     survives-on-primary  works by an active pin, but what it matches on changed
     report-only          not enforced
     ok                   works as before: same path, same pin
     unpinned             no pin set names the host

   In this order, worst first. The worst unit decides. A pin is *spare* if the unit would work
   without it and its key is alive. A key that is not known yet may be
   any that a good pin names and that nothing the sweep saw or a trust profile holds has, and that
   is not dead: a key in reserve. Digests of certificates that do not exist yet match nothing. */
#ifndef PINSWEEP_IMPACT_IMPACT_H
#define PINSWEEP_IMPACT_IMPACT_H

#include "engine/impact/plan.h"
#include "engine/trust/verdict.h"

enum impact_outcome {
    IMPACT_BREAKS,
    IMPACT_PATH_DEPENDENT,
    IMPACT_UNKNOWN_FUTURE_KEY,
    IMPACT_ALREADY_BROKEN,
    IMPACT_SURVIVES_ON_LAST_PIN,
    IMPACT_UNENFORCED_EXPIRED,
    IMPACT_SURVIVES_ON_BACKUP,
    IMPACT_SURVIVES_ON_PRIMARY,
    IMPACT_REPORT_ONLY,
    IMPACT_OK,
    IMPACT_UNPINNED,
    IMPACT_OUTCOME_COUNT
};
extern const char *const impact_outcome_words[]; /* ends with NULL */

/* One view of the target at hand, before and after. */
struct impact_side {
    struct endpoint endpoint;
    struct chain *chain;    /* as the judge sees it */
    struct path_set *paths; /* by profile of the trust store */
    struct endpoint_losses losses[TRUST_PROFILES_MAX];
};
struct impact_view {
    uint16_t idx; /* among the record's views; those that operations add come after them */
    const char *address;
    enum key_view key_type;
    bool added;       /* `before` is empty */
    bool has_unknown; /* a key of the chain or a path after is not known yet */
    struct impact_side before, after;
    struct path_set *without; /* of impact_works_without() */
};

struct impact {
    enum impact_outcome outcome;
    const struct snapshot_target *target;
    const struct pin_set *set;      /* as it is after; NULL: unpinned */
    enum verdict before;            /* the pin set's, over all views */
    const struct impact_view *view; /* that decides; NULL: there was none to judge */
    int profile;                    /* of the store; -1: no path was needed */
    bool has_before;
    struct verdict_unit unit_before, unit_after;
    const struct path *path_before, *path_after; /* preferred; NULL: none */
    enum pkix pkix_before, pkix_after;
    bool pins_hold, pkix_holds; /* after */
    uint32_t spare_pins;
    int64_t earliest_safe; /* Unix seconds; DATETIME_NONE if nothing breaks, or nobody said */
};

struct impact_run;

/* The plan's world, the index (bound) and the plan must outlive the run. */
enum err impact_run_new(const struct plan *plan, const struct pin_index *index,
                        struct impact_run **out, struct err_note *note) MUST_USE;
void impact_run_free(struct impact_run *run);

/* Makes a target ready: its views before and after, its pin sets. Returns how many results it has:
   one for each pin set, or one if it is unpinned. What belonged to the target before is gone. About
   1 us. */
uint32_t impact_target(struct impact_run *run, uint32_t target_idx);
/* Only how many it has. */
uint32_t impact_result_count(struct impact_run *run, uint32_t target_idx);
/* The result number `idx` of that target; valid until the next target. About 1 us. */
void impact_judge(struct impact_run *run, uint32_t idx, struct impact *out);
/* Why, in one sentence for people. */
#define IMPACT_REASON_MAX 512
void impact_explain(const struct impact_run *run, const struct impact *impact,
                    char out[IMPACT_REASON_MAX]);

/* Of the target at hand, for --single-failure. */
uint32_t impact_view_count(const struct impact_run *run);
const struct impact_view *impact_view_at(const struct impact_run *run, uint32_t idx);
uint32_t impact_set_count(const struct impact_run *run);
const struct pin_set *impact_set_at(const struct impact_run *run, uint32_t idx);
/* The pin set works on every unit after the operations: if every path and every leaf with that key
   were gone; NULL: as it is. */
bool impact_works_without(struct impact_run *run, uint32_t set_idx, const uint8_t *spki_sha256);

#endif
