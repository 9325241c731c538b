/* The judgement: pin sets against views, exactly as README.md, "Verdicts", says. Pure: no clock, no
   I/O, by value, nothing allocated.

   For each view (a completed attempt with a chain) that the clients of the pin set would negotiate
   (its leaf's key is of the set's key_types), and each of the pin set's trust profiles, one *unit*
   is judged: the preferred path, by the client's own scope. Leaf and presented scopes, TLSA usages
   2 and 3, and pin sets with trust none, need no path and give one unit per view (with trust none
   the certificates sent stand for the path). Then:

   unit:
     match, match-backup   the preferred path holds an active pin / only a backup pin
     path-dependent        it fails, but another valid path of the same profile would not
     no-path               there is no path to an anchor of that profile
     off-path              no pin on the preferred or any valid path, but a pin equals an extra
                           certificate that was sent (one that lies on none of these paths)
     mismatch              none of these
     A bad pin (role bad) on the judged certificates makes a path fail whatever else matches, and
   the unit mismatch unless another valid path saves it. set: all units match or match-backup:
   match, or match-backup if any is match-backup some match and some are mismatch, off-path or
   path-dependent, none is no-path: path-dependent none matches: the worst of the units a no-path
   unit beside others: the worse of no-path and of what the others alone give then: expired (now >
   expires) and fail-closed gives mismatch; expired and fail-open gives expired-pinset; else
   report_only gives report-only. would_be keeps what it would be if it were enforced. No view to
   judge: unknown, before all else.

   What clients cannot read: TrustKit (scope path) goes from the anchor down to the leaf and fails
   at a key that is neither RSA of 2048 or 4096 bits nor P-256 or P-384 before it has met a pin;
   OkHttp fails on a path with more than nine signers. Such a path matches nothing.

   Scope leaf-and-ca: every list (leaf, ca, any) that has a pin must match at its depth.

   TLSA usage 2 (DANE-TA, RFC 7671 section 5.2): the pinned issuer must have been sent, at depth 1
   or deeper, and must stand on a path of verified issuers. Such paths are known only to the anchors
   of the loaded trust profiles (any of them, whatever the pin set's own): a private DANE-TA issuer
   matches only if its root is loaded as some profile. The time window of the part above the pinned
   issuer does not count. */
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

static inline bool verdict_is_match(enum verdict verdict) {
    return verdict == VERDICT_MATCH || verdict == VERDICT_MATCH_BACKUP;
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
    const char *reason;   /* of a failure: "no pin on the path"; "" otherwise; a constant */
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
    bool durable; /* would_be is match or match-backup, and so is every unit by every valid path */
    uint32_t first_unit, unit_count; /* into the units array given to verdict_judge */
    uint32_t judged_count; /* units judged; more than unit_count when the array was full */
};

/* Judges one pin set. Units are appended to `units` from *unit_count on; *unit_count never exceeds
   `unit_capacity`, and judging covers every unit even when the array is full. `now_unix_s` is the
   date to judge at. */
struct set_verdict verdict_judge(const struct pin_set *set, const struct verdict_view *views,
                                 size_t view_count, int64_t now_unix_s, struct verdict_unit *units,
                                 size_t unit_capacity, uint32_t *unit_count);

/* The same for sets[set_idx] in the company of all the sets that apply to the host, as
   pin_index_lookup() gives them: clients that union all matching entries (PIN_HOST_UNION and
   PIN_HOST_ONE_LABEL: OkHttp, Apple) accept a pin of any of them, so the pins of the same client's
   and application's sets count as this set's own, but for those of sets that are report-only or
   expired, which are not enforced and so not among them. A sweep judges with this one. */
struct set_verdict verdict_judge_among(const struct pin_set *const sets[], size_t set_count,
                                       size_t set_idx, const struct verdict_view *views,
                                       size_t view_count, int64_t now_unix_s,
                                       struct verdict_unit *units, size_t unit_capacity,
                                       uint32_t *unit_count);

/* Whether the pins of `other`, which applies to the same host, count as those of `self` too: they
   are the same, or the clients union them (as above). */
bool verdict_joins(const struct pin_set *self, const struct pin_set *other, int64_t now_unix_s);

#endif
