/* From evidence to judgement: the paths of each view's chain, the verdict of each pin set, the host
   check of each view. Where trust meets net. One judge per worker. */
#ifndef PINSWEEP_SWEEP_JUDGE_H
#define PINSWEEP_SWEEP_JUDGE_H

#include "engine/sweep/config.h"
#include "engine/sweep/target.h"
#include "engine/trust/verdict.h"

struct judgement {
    const struct target *target;
    const struct sweep_config *config;
    int64_t time_ms;     /* when the target was finished, wall clock */
    int64_t judged_at_s; /* the date that validity and expiry were judged at */
    enum outcome status;
    enum verdict verdict; /* the target's: the worst of its pin sets */
    bool complete;
    uint32_t views_failed;
    const struct set_verdict *sets;
    size_t set_count;
    bool sets_truncated; /* more than PIN_SETS_PER_HOST_MAX apply */
    const struct verdict_unit *units;
    uint32_t unit_count;
};

struct judge {
    const struct sweep_config *config;
    struct path_builder *paths;
    /* scratch of one target, reused */
    struct verdict_view *views;
    const struct pin_set **applicable;
    struct set_verdict *sets;
    struct verdict_unit *units;
};

enum err judge_init(struct judge *judge, const struct sweep_config *config,
                    struct err_note *note) MUST_USE;
void judge_fini(struct judge *judge);

/* Judges a target all of whose probes are done (digests flushed). The result points into the
   judge's scratch and is valid until the next call. */
void judge_target(struct judge *judge, struct target *target, int64_t now_ms,
                  struct judgement *out);

/* The unit that decided a set's verdict: of a set that matches (or would, were it enforced) its
   first match, of another its first failure; NULL if no view was judged. */
const struct verdict_unit *judge_deciding(const struct judgement *judgement,
                                          const struct set_verdict *set);
/* What every judged view has: possession, if there is one and all of them were proven. */
enum proof judge_proof(const struct judgement *judgement);
/* Whether the verdict rests on a chain that was only captured and is one that somebody may act on:
   neither match nor unpinned. */
bool judge_wants_proof(const struct judgement *judgement);
/* Whether the view is a chain that was only captured, and no deeper attempt was made yet. */
bool judge_is_unproven(const struct probe *probe);
/* Whether the view is judged: it succeeded and its leaf is well-formed. */
bool judge_view_counts(const struct probe *probe);
/* RFC 9525: the leaf covers the name (the SNI, else the host) or address that was asked for. */
bool judge_host_match(const struct target *target, const struct probe *probe);

#endif
