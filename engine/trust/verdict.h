/* The judgement: pin sets against views, exactly as README.md, "Verdicts", says. Pure: no clock, no
   I/O, by value.

   For each view (a completed attempt with a chain) that the clients of the pin set would negotiate,
   and each of the pin set's trust profiles, one *unit* is judged: the preferred path, by the
   client's own scope. Leaf and presented scopes, and pin sets with trust none, need no path and
   give one unit per view. Then:

     unit:  match, match-backup   the preferred path holds an active pin / only a backup pin
            path-dependent        it holds none, but another valid path of the same profile does
            no-path               there is no path to an anchor of that profile
            off-path              no pin on any valid path, but a pin equals an extra certificate
   that was sent mismatch              none of these set:   all units match or match-backup: match,
   or match-backup if any is match-backup some match and some are mismatch, off-path or
   path-dependent, none is no-path: path-dependent none matches: the worst of the units a no-path
   unit beside others: the worse of no-path and of what the others alone give then:  expired and
   fail-closed gives mismatch; expired and fail-open gives expired-pinset; report_only gives
            report-only; would_be keeps what it would be if it were enforced. No view to judge:
   unknown, before all else. A bad pin (role bad) on the judged certificates makes the unit fail
   whatever else matches. */
#ifndef PINSWEEP_TRUST_VERDICT_H
#define PINSWEEP_TRUST_VERDICT_H

#include "engine/trust/path.h"
#include "engine/trust/pin.h"

/* Worst first: the order of the contract. */
enum verdict {
    VERDICT_MISMATCH,
    VERDICT_OFF_PATH,
    VERDICT_NO_PATH,
    VERDICT_PATH_DEPENDENT,
    VERDICT_EXPIRED_PINSET,
    VERDICT_UNKNOWN,
    VERDICT_MATCH_BACKUP,
    VERDICT_REPORT_ONLY,
    VERDICT_MATCH,
    VERDICT_UNPINNED,
    VERDICT_COUNT
};

const char *verdict_text(enum verdict verdict);
bool verdict_from_text(struct span text, enum verdict *out);
static inline enum verdict verdict_worse(enum verdict a, enum verdict b) {
    return a < b ? a : b;
}

/* One successful view, as the judge sees it. */
struct verdict_view {
    uint16_t view_idx; /* position in the record's views */
    const struct chain *chain;
    const struct path_set *paths;
};

/* One judged unit, for the record: which view, profile, path, certificate and pin. */
struct verdict_unit {
    uint16_t view_idx;
    int16_t profile_idx;  /* -1: no path was needed */
    int16_t path_idx;     /* in profile_paths; -1: none */
    enum verdict verdict; /* MATCH, MATCH_BACKUP, PATH_DEPENDENT, NO_PATH, OFF_PATH or MISMATCH */
    bool durable;         /* no other valid path of this profile would fail */
    const char *reason;   /* of a failure: "no pin on the path"; "" otherwise */
    const struct pin
        *pin; /* that matched (or the bad pin, or the one found off the path); NULL if none */
    const struct cert_record *cert; /* that it matched; NULL if none */
    int16_t path_depth; /* of that certificate in the path (in the chain, where no path is needed);
                           -1 */
};

#define VERDICT_UNITS_MAX (VIEWS_MAX * TRUST_PROFILES_MAX)

struct set_verdict {
    const struct pin_set *set;
    enum verdict verdict, would_be;
    bool durable;
    uint32_t first_unit, unit_count; /* into the units array given to verdict_judge */
};

/* Judges one pin set. Units are appended to `units` from *unit_count on, at most `unit_capacity` in
   all (then *out_truncated is left to the caller to see from the count; judging itself still covers
   every unit). `now_unix_s` is the date to judge at. */
struct set_verdict verdict_judge(const struct pin_set *set, const struct verdict_view *views,
                                 size_t view_count, int64_t now_unix_s, struct verdict_unit *units,
                                 size_t unit_capacity, uint32_t *unit_count);

#endif
