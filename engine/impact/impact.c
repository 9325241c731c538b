#include "engine/impact/impact.h"

#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "engine/impact/impact_internal.h"

#define DAY_S INT64_C(86400)

const char *const impact_outcome_words[] = {
    [IMPACT_BREAKS] = "breaks",
    [IMPACT_PATH_DEPENDENT] = "path-dependent",
    [IMPACT_UNKNOWN_FUTURE_KEY] = "unknown-future-key",
    [IMPACT_ALREADY_BROKEN] = "already-broken",
    [IMPACT_SURVIVES_ON_LAST_PIN] = "survives-on-last-pin",
    [IMPACT_UNENFORCED_EXPIRED] = "unenforced-expired",
    [IMPACT_SURVIVES_ON_BACKUP] = "survives-on-backup",
    [IMPACT_SURVIVES_ON_PRIMARY] = "survives-on-primary",
    [IMPACT_REPORT_ONLY] = "report-only",
    [IMPACT_OK] = "ok",
    [IMPACT_UNPINNED] = "unpinned",
    [IMPACT_OUTCOME_COUNT] = NULL,
};

/* --- setting up --- */

enum err impact_run_new(const struct plan *plan, const struct pin_index *index,
                        struct impact_run **out, struct err_note *note) {
    struct impact_run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return err_note(note, ERR_RESOURCE, "no memory for judging the scenario");
    }
    *run = (struct impact_run){.plan = plan, .world = plan->world, .index = index};
    run->sets_before = calloc(3 * (size_t)PIN_SETS_PER_HOST_MAX, sizeof(*run->sets_before));
    run->unit_capacity = VERDICT_UNITS_MAX;
    for (uint32_t i = 0; i < plan->count; i++) {
        run->unit_capacity +=
            plan->steps[i].op->kind == SCENARIO_ADD_CHAIN ? TRUST_PROFILES_MAX : 0;
    }
    run->units_before = calloc(3 * (size_t)run->unit_capacity, sizeof *run->units_before);
    if (run->sets_before == NULL || run->units_before == NULL) {
        impact_run_free(run);
        return err_note(note, ERR_RESOURCE, "no memory for judging the scenario");
    }
    run->sets_after = run->sets_before + PIN_SETS_PER_HOST_MAX;
    run->sets_hopeful = run->sets_after + PIN_SETS_PER_HOST_MAX;
    run->units_after = run->units_before + run->unit_capacity;
    run->units_hopeful = run->units_after + run->unit_capacity;
    for (uint32_t p = 0; p < plan->world->store->count; p++) {
        uint32_t known =
            snapshot_find_profile(plan->world->snapshot, plan->world->store->profiles[p].name);
        run->snapshot_profile[p] = (int16_t)(known == SNAPSHOT_NONE ? -1 : (int)known);
    }
    if (!impact_take_hopes(run)) {
        impact_run_free(run);
        return err_note(note, ERR_RESOURCE, "no memory for the pins of %u sets", plan->set_count);
    }
    *out = run;
    return ERR_NONE;
}

void impact_run_free(struct impact_run *run) {
    if (run == NULL) {
        return;
    }
    impact_free_views(run);
    free(run->sets_before);
    free(run->units_before);
    arena_fini(&run->arena);
    free(run);
}

uint32_t impact_result_count(struct impact_run *run, uint32_t target_idx) {
    const struct snapshot_target *target = &run->world->snapshot->targets[target_idx];
    size_t count = pin_index_lookup(run->index, span_str(target->pin_host), target->port,
                                    run->sets_before, PIN_SETS_PER_HOST_MAX);
    count = count < PIN_SETS_PER_HOST_MAX ? count : PIN_SETS_PER_HOST_MAX;
    return count > 0 ? (uint32_t)count : 1;
}

static bool has_dane_ta(const struct pin_set *set) {
    for (uint32_t p = 0; p < set->pin_count; p++) {
        if (set->pins[p].tlsa_usage == PIN_TLSA_DANE_TA) {
            return true;
        }
    }
    return false;
}

uint32_t impact_target(struct impact_run *run, uint32_t target_idx) {
    const struct snapshot_target *target = &run->world->snapshot->targets[target_idx];
    run->target = target;
    size_t count = pin_index_lookup(run->index, span_str(target->pin_host), target->port,
                                    run->sets_before, PIN_SETS_PER_HOST_MAX);
    run->set_count = (uint32_t)(count < PIN_SETS_PER_HOST_MAX ? count : PIN_SETS_PER_HOST_MAX);
    run->profiles = run->set_count == 0 ? UINT32_MAX : 0;
    for (uint32_t i = 0; i < run->set_count; i++) {
        const struct pin_set *set = run->sets_before[i];
        run->sets_after[i] = run->plan->sets[set->idx];
        run->sets_hopeful[i] = run->hopeful[set->idx];
        for (uint32_t t = 0; t < set->trust_count && !set->trust_none; t++) {
            run->profiles |= 1u << (unsigned)set->trust_profiles[t];
        }
        if (has_dane_ta(set) || has_dane_ta(run->sets_after[i])) {
            run->profiles = UINT32_MAX; /* it looks at every profile's paths */
        }
    }
    impact_take_views(run);
    return run->set_count > 0 ? run->set_count : 1;
}

/* --- PKIX --- */

/* Nothing but TLSA usages 2 and 3. */
static bool is_dane_only(const struct pin_set *set) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        if (set->pins[i].tlsa_usage != PIN_TLSA_DANE_TA &&
            set->pins[i].tlsa_usage != PIN_TLSA_DANE_EE) {
            return false;
        }
    }
    return true;
}

bool impact_asks_no_pkix(const struct pin_set *set) {
    return set->trust_none || is_dane_only(set);
}

enum pkix impact_pkix(const struct impact_side *side, const struct pin_set *set, int profile,
                      int64_t now_unix_s) {
    if (profile >= 0) {
        return path_pkix(&side->paths->profiles[profile], now_unix_s);
    }
    if (impact_asks_no_pkix(set)) {
        return PKIX_NOT_CHECKED;
    }
    for (uint32_t t = 0; t < set->trust_count; t++) {
        enum pkix result = path_pkix(&side->paths->profiles[set->trust_profiles[t]], now_unix_s);
        if (result != PKIX_OK) {
            return result;
        }
    }
    return PKIX_OK;
}

/* What of PKIX decides: clients ask those profiles that let them in before (`before` NULL: all). */
static enum pkix pkix_asked(const struct impact_side *before, int64_t today_unix_s,
                            const struct impact_side *after, int64_t end_unix_s,
                            const struct pin_set *set, int profile) {
    if (profile >= 0 || impact_asks_no_pkix(set)) {
        return impact_pkix(after, set, profile, end_unix_s);
    }
    for (uint32_t t = 0; t < set->trust_count; t++) {
        int asked = set->trust_profiles[t];
        enum pkix result = path_pkix(&after->paths->profiles[asked], end_unix_s);
        if (result != PKIX_OK && (before == NULL || path_pkix(&before->paths->profiles[asked],
                                                              today_unix_s) == PKIX_OK)) {
            return result;
        }
    }
    return PKIX_OK;
}

static const struct path *preferred_path(const struct impact_side *side, const struct pin_set *set,
                                         int profile, int64_t now_unix_s) {
    bool valid;
    if (profile < 0 && (set == NULL || set->trust_none || set->trust_count == 0)) {
        return NULL;
    }
    const struct profile_paths *paths =
        &side->paths->profiles[profile >= 0 ? profile : set->trust_profiles[0]];
    int idx = path_preferred(paths, now_unix_s, &valid);
    return idx >= 0 ? &paths->paths[idx] : NULL;
}

/* --- one unit --- */

enum level { LEVEL_BROKEN, LEVEL_PATH_DEPENDENT, LEVEL_WORKS };

static bool is_match(const struct verdict_unit *unit) {
    return unit->verdict == VERDICT_MATCH || unit->verdict == VERDICT_MATCH_BACKUP;
}

static bool has_expired(const struct pin_set *set, int64_t now_unix_s) {
    return set->expires != DATETIME_NONE && set->on_expiry != PIN_EXPIRY_NONE &&
           now_unix_s > set->expires;
}

bool impact_is_enforced(const struct pin_set *set, int64_t now_unix_s) {
    return !set->report_only && !(has_expired(set, now_unix_s) && set->on_expiry == PIN_FAIL_OPEN);
}

static enum level pin_level(const struct pin_set *set, const struct verdict_unit *unit,
                            int64_t now_unix_s) {
    if (!impact_is_enforced(set, now_unix_s)) {
        return LEVEL_WORKS;
    }
    if (has_expired(set, now_unix_s) && set->on_expiry == PIN_FAIL_CLOSED) {
        return LEVEL_BROKEN;
    }
    return is_match(unit)                            ? LEVEL_WORKS
           : unit->verdict == VERDICT_PATH_DEPENDENT ? LEVEL_PATH_DEPENDENT
                                                     : LEVEL_BROKEN;
}

static bool pkix_holds(enum pkix result) {
    return result == PKIX_OK || result == PKIX_NOT_CHECKED;
}

/* The unit of the same view and profile, or NULL. */
static const struct verdict_unit *find_unit(const struct verdict_unit *units, uint32_t count,
                                            const struct verdict_unit *like) {
    for (uint32_t i = 0; i < count; i++) {
        if (units[i].view_idx == like->view_idx && units[i].profile_idx == like->profile_idx) {
            return &units[i];
        }
    }
    return NULL;
}

const struct impact_view *impact_find_view(const struct impact_run *run, uint16_t view_idx) {
    for (uint32_t i = 0; i < run->view_count; i++) {
        if (run->views[i]->idx == view_idx) {
            return run->views[i];
        }
    }
    CHECK(false);
}

/* The set alone on that view and profile, among the host's other sets: NULL stands for itself. */
static struct verdict_unit judge_alone(const struct impact_run *run,
                                       const struct pin_set *const *among, uint32_t idx,
                                       const struct pin_set *instead,
                                       const struct impact_view *view, int profile, bool after) {
    const struct pin_set *sets[PIN_SETS_PER_HOST_MAX];
    struct pin_set one = instead != NULL ? *instead : *among[idx];
    struct verdict_unit unit = {.verdict = VERDICT_MISMATCH};
    const struct verdict_view seen = {view->idx, after ? view->after.chain : view->before.chain,
                                      after ? view->after.paths : view->before.paths};
    uint32_t count = 0;
    memcpy(sets, among, run->set_count * sizeof(*sets));
    if (profile >= 0) {
        one.trust_profiles[0] = (int16_t)profile;
        one.trust_count = 1;
    }
    sets[idx] = &one;
    (void)verdict_judge_among(sets, run->set_count, idx, &seen, 1,
                              after ? run->plan->end : run->plan->today, &unit, 1, &count);
    return unit;
}

/* A pin of a key that is dead at the end is none in reserve. */
static bool is_dead_pin(const struct impact_run *run, const struct pin *pin, bool after) {
    const struct world *world = run->world;
    for (uint32_t i = 0; i < world->dead_count && after; i++) {
        if (pin->of == PIN_OF_SPKI && pin->alg == PIN_SHA256 &&
            memcmp(pin->value.data, world->dead[i].spki_sha256, SHA256_LEN) == 0) {
            return true;
        }
    }
    return false;
}

/* Pins without which the unit would still match. */
static uint32_t count_spares(const struct impact_run *run, const struct pin_set *const *among,
                             uint32_t idx, const struct impact_view *view, int profile,
                             bool after) {
    const struct pin_set *set = among[idx];
    struct pin_set without = *set;
    struct pin room[64];
    uint32_t spares = 0;
    if (set->pin_count > ARRAY_COUNT(room)) {
        without.pins = malloc(set->pin_count * sizeof *without.pins);
        CHECK(without.pins != NULL);
    } else {
        without.pins = room;
    }
    without.pin_count = set->pin_count - 1;
    for (uint32_t i = 0; i < set->pin_count; i++) {
        if (set->pins[i].role == PIN_BAD || is_dead_pin(run, &set->pins[i], after)) {
            continue;
        }
        memcpy(without.pins, set->pins, i * sizeof *without.pins);
        memcpy(without.pins + i, set->pins + i + 1,
               (set->pin_count - i - 1) * sizeof *without.pins);
        struct verdict_unit unit = judge_alone(run, among, idx, &without, view, profile, after);
        spares += is_match(&unit);
    }
    if (without.pins != room) {
        free(without.pins);
    }
    return spares;
}

static bool same_path(const struct path *a, const struct path *b) {
    if (a == NULL || b == NULL) {
        return a == b;
    }
    if (a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (memcmp(a->certs[i]->cert_sha256, b->certs[i]->cert_sha256, SHA256_LEN) != 0) {
            return false;
        }
    }
    return true;
}

static bool same_pin(const struct pin *a, const struct pin *b) {
    return a == b || (a != NULL && b != NULL && a->alg == b->alg && a->of == b->of &&
                      a->role == b->role && span_equal(a->value, b->value));
}

/* The unit works: on what? */
static enum impact_outcome survive(const struct impact_run *run, uint32_t idx,
                                   const struct impact *unit, enum level before) {
    bool changed = before != LEVEL_WORKS || !unit->has_before ||
                   !same_path(unit->path_before, unit->path_after) ||
                   !same_pin(unit->unit_before.pin, unit->unit_after.pin) ||
                   memcmp(unit->view->before.endpoint.leaf.record.cert_sha256,
                          unit->view->after.endpoint.leaf.record.cert_sha256, SHA256_LEN) != 0;
    if (unit->spare_pins == 0 && (changed || count_spares(run, run->sets_before, idx, unit->view,
                                                          unit->profile, false) > 0)) {
        return IMPACT_SURVIVES_ON_LAST_PIN;
    }
    if (unit->unit_after.verdict == VERDICT_MATCH_BACKUP) {
        return changed ? IMPACT_SURVIVES_ON_BACKUP : IMPACT_OK;
    }
    return changed ? IMPACT_SURVIVES_ON_PRIMARY : IMPACT_OK;
}

/* It would work if the key that is not known yet were a pinned one. */
static bool is_hope(const struct impact_run *run, uint32_t idx, const struct impact *unit) {
    if (!unit->view->has_unknown || !unit->pkix_holds) {
        return false;
    }
    struct verdict_unit hopeful =
        judge_alone(run, run->sets_hopeful, idx, NULL, unit->view, unit->profile, true);
    return pin_level(unit->set, &hopeful, run->plan->end) == LEVEL_WORKS;
}

static void judge_unit(const struct impact_run *run, uint32_t idx, uint32_t before_count,
                       const struct verdict_unit *after, struct impact *out) {
    const struct pin_set *set = run->sets_after[idx], *old = run->sets_before[idx];
    const struct verdict_unit *before = find_unit(run->units_before, before_count, after);
    int64_t today = run->plan->today, end = run->plan->end;
    out->set = set;
    out->view = impact_find_view(run, after->view_idx);
    out->profile = after->profile_idx;
    out->unit_after = *after;
    out->has_before = before != NULL && !out->view->added;
    out->pkix_before = PKIX_NOT_CHECKED;
    out->path_before = NULL;
    enum level level_before = LEVEL_BROKEN;
    if (out->has_before) {
        out->unit_before = *before;
        out->pkix_before = impact_pkix(&out->view->before, old, out->profile, today);
        out->path_before = preferred_path(&out->view->before, old, out->profile, today);
        level_before = pin_level(old, before, today);
        if (out->profile >= 0 && !pkix_holds(out->pkix_before)) {
            level_before = LEVEL_BROKEN;
        }
    }
    out->pkix_after = impact_pkix(&out->view->after, set, out->profile, end);
    out->path_after = preferred_path(&out->view->after, set, out->profile, end);
    enum pkix asked = pkix_asked(out->has_before ? &out->view->before : NULL, today,
                                 &out->view->after, end, set, out->profile);
    enum level pins = pin_level(set, after, end);
    out->pins_hold = pins == LEVEL_WORKS;
    out->pkix_holds = pkix_holds(asked);
    out->pkix_after = out->pkix_holds ? out->pkix_after : asked;
    enum level level = out->pkix_holds ? pins : LEVEL_BROKEN;
    out->spare_pins = 0;
    if (level == LEVEL_WORKS && !impact_is_enforced(set, end)) {
        out->outcome = has_expired(set, end) && set->on_expiry == PIN_FAIL_OPEN
                           ? IMPACT_UNENFORCED_EXPIRED
                           : IMPACT_REPORT_ONLY;
    } else if (level == LEVEL_WORKS) {
        out->spare_pins = count_spares(run, run->sets_after, idx, out->view, out->profile, true);
        out->outcome = survive(run, idx, out, level_before);
    } else if (is_hope(run, idx, out)) {
        out->outcome = IMPACT_UNKNOWN_FUTURE_KEY;
    } else if (level == LEVEL_PATH_DEPENDENT) {
        out->outcome = IMPACT_PATH_DEPENDENT;
    } else {
        out->outcome =
            out->has_before && level_before == LEVEL_BROKEN ? IMPACT_ALREADY_BROKEN : IMPACT_BREAKS;
    }
}

/* --- one pin set, or none --- */

static int64_t safe_date(const struct impact_run *run, const struct pin_set *set) {
    if (set->lead_time_days < 0 && set->adoption_days < 0) {
        return DATETIME_NONE;
    }
    int64_t days = (set->lead_time_days > 0 ? set->lead_time_days : 0) +
                   (set->adoption_days > 0 ? set->adoption_days : 0);
    return run->plan->today + days * DAY_S;
}

/* What clients without pins would see: the first profile whose PKIX changes, else the first. */
static void judge_unpinned(const struct impact_run *run, struct impact *out) {
    out->outcome = IMPACT_UNPINNED;
    out->before = VERDICT_UNPINNED;
    for (uint32_t v = 0; v < run->view_count; v++) {
        const struct impact_view *view = run->views[v];
        for (uint32_t p = 0; p < run->world->store->count; p++) {
            enum pkix before = view->added
                                   ? PKIX_NOT_CHECKED
                                   : impact_pkix(&view->before, NULL, (int)p, run->plan->today);
            enum pkix after = impact_pkix(&view->after, NULL, (int)p, run->plan->end);
            if (out->view != NULL && (pkix_holds(after) || !pkix_holds(before))) {
                continue;
            }
            out->view = view;
            out->profile = (int)p;
            out->has_before = !view->added;
            out->pkix_before = before;
            out->pkix_after = after;
            out->pkix_holds = pkix_holds(after);
            out->path_before =
                view->added ? NULL : preferred_path(&view->before, NULL, (int)p, run->plan->today);
            out->path_after = preferred_path(&view->after, NULL, (int)p, run->plan->end);
            if (pkix_holds(before) && !pkix_holds(after)) {
                return;
            }
        }
    }
}

void impact_judge(struct impact_run *run, uint32_t idx, struct impact *out) {
    *out = (struct impact){.target = run->target,
                           .before = VERDICT_UNKNOWN,
                           .outcome = IMPACT_UNPINNED,
                           .profile = -1,
                           .pkix_before = PKIX_NOT_CHECKED,
                           .pkix_after = PKIX_NOT_CHECKED,
                           .earliest_safe = DATETIME_NONE};
    if (run->set_count == 0) {
        judge_unpinned(run, out);
        return;
    }
    uint32_t before_count = 0, after_count = 0;
    struct set_verdict before = verdict_judge_among(
        run->sets_before, run->set_count, idx, run->judge_before, run->before_count,
        run->plan->today, run->units_before, run->unit_capacity, &before_count);
    (void)verdict_judge_among(run->sets_after, run->set_count, idx, run->judge_after,
                              run->view_count, run->plan->end, run->units_after, run->unit_capacity,
                              &after_count);
    out->set = run->sets_after[idx];
    out->before = before.verdict;
    for (uint32_t i = 0; i < after_count; i++) {
        struct impact unit = *out;
        judge_unit(run, idx, before_count, &run->units_after[i], &unit);
        if (out->view == NULL || unit.outcome < out->outcome) {
            *out = unit;
        }
    }
    if (out->view == NULL) {
        out->outcome = IMPACT_ALREADY_BROKEN;
    }
    if (out->outcome <= IMPACT_UNKNOWN_FUTURE_KEY) {
        out->earliest_safe = safe_date(run, out->set);
    }
}

/* --- one key less --- */

uint32_t impact_view_count(const struct impact_run *run) {
    return run->view_count;
}

const struct impact_view *impact_view_at(const struct impact_run *run, uint32_t idx) {
    return run->views[idx];
}

uint32_t impact_set_count(const struct impact_run *run) {
    return run->set_count;
}

const struct pin_set *impact_set_at(const struct impact_run *run, uint32_t idx) {
    return run->sets_after[idx];
}

static bool has_key(const struct cert_record *record, const uint8_t spki_sha256[SHA256_LEN]) {
    return record->has_spki && memcmp(record->spki_sha256, spki_sha256, SHA256_LEN) == 0;
}

bool impact_path_has_key(const struct path *path, const uint8_t spki_sha256[SHA256_LEN]) {
    for (uint32_t i = 0; i < path->count; i++) {
        if (has_key(path->certs[i], spki_sha256)) {
            return true;
        }
    }
    return false;
}

/* The paths after, those with the key left out, in the same order. */
static void leave_out(struct impact_view *view, const uint8_t *spki_sha256) {
    for (uint32_t p = 0; p < view->without->profile_count; p++) {
        const struct profile_paths *from = &view->after.paths->profiles[p];
        struct profile_paths *out = &view->without->profiles[p];
        out->count = 0;
        out->failure = from->count > 0 ? PKIX_UNTRUSTED : from->failure;
        for (uint32_t i = 0; i < from->count; i++) {
            if (spki_sha256 == NULL || !impact_path_has_key(&from->paths[i], spki_sha256)) {
                out->paths[out->count++] = from->paths[i];
            }
        }
        out->ok_count = out->count;
    }
}

bool impact_works_without(struct impact_run *run, uint32_t set_idx, const uint8_t *spki_sha256) {
    const struct pin_set *set = run->sets_after[set_idx];
    int64_t end = run->plan->end;
    uint32_t count = 0;
    run->without_count = 0;
    for (uint32_t v = 0; v < run->view_count; v++) {
        leave_out(run->views[v], spki_sha256);
    }
    (void)verdict_judge_among(run->sets_after, run->set_count, set_idx, run->judge_without,
                              run->view_count, end, run->units_after, run->unit_capacity, &count);
    run->without_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct verdict_unit *unit = &run->units_after[i];
        const struct impact_view *view = impact_find_view(run, unit->view_idx);
        struct impact_side side = {.paths = view->without};
        if ((spki_sha256 != NULL && has_key(&view->after.endpoint.leaf.record, spki_sha256)) ||
            pin_level(set, unit, end) != LEVEL_WORKS ||
            !pkix_holds(pkix_asked(&view->after, end, &side, end, set, unit->profile_idx))) {
            return false;
        }
    }
    return count > 0;
}
