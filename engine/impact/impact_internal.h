/* Private to impact*.c. */
#ifndef PINSWEEP_IMPACT_IMPACT_INTERNAL_H
#define PINSWEEP_IMPACT_IMPACT_INTERNAL_H

#include "engine/impact/impact.h"

/* Those of the sweep, and one for each operation that adds a chain. */
#define IMPACT_VIEWS_MAX (VIEWS_MAX + SCENARIO_OPS_MAX)

struct impact_run {
    const struct plan *plan;
    const struct world *world;
    const struct pin_index *index;
    int16_t snapshot_profile[TRUST_PROFILES_MAX]; /* of a profile of the store; -1 */
    const struct pin_set **hopeful; /* the sets after, where unknown keys match; by set idx */
    struct arena arena;             /* of `hopeful` */
    /* The target at hand. */
    const struct snapshot_target *target;
    const struct pin_set **sets_before, **sets_after, **sets_hopeful; /* PIN_SETS_PER_HOST_MAX */
    uint32_t set_count;
    uint32_t profiles; /* bits: those that its pin sets ask for */
    struct impact_view **views;
    uint32_t view_count, view_capacity;
    struct verdict_view *judge_before, *judge_after, *judge_without;
    uint32_t before_count; /* views that were there before */
    struct verdict_unit *units_before, *units_after, *units_hopeful; /* unit_capacity */
    uint32_t unit_capacity;
    uint32_t without_count; /* of units_after: those of impact_works_without() */
};

/* impact_hope.c: fills run->hopeful; false without memory. */
bool impact_take_hopes(struct impact_run *run) MUST_USE;

/* impact_views.c: the target's views into run->views. */
void impact_take_views(struct impact_run *run);
void impact_free_views(struct impact_run *run);

/* The leaf or a path's certificate has that key. */
bool impact_path_has_key(const struct path *path, const uint8_t spki_sha256[SHA256_LEN]);

/* By then the pins of the set decide whether its clients connect. */
bool impact_is_enforced(const struct pin_set *set, int64_t now_unix_s);

/* Whatever the paths are, its clients do not ask: trust none, or DANE-EE and DANE-TA alone. */
bool impact_asks_no_pkix(const struct pin_set *set);
const struct impact_view *impact_find_view(const struct impact_run *run, uint16_t view_idx);

/* PKIX of a unit of that side: of its profile, or of the set's where it has none. */
enum pkix impact_pkix(const struct impact_side *side, const struct pin_set *set, int profile,
                      int64_t now_unix_s);

#endif
