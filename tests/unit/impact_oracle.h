/* Private to test_impact_oracle.c: what a scenario does, by definition and by brute force.
   Everything is small, explicit and replayed step by step: no moments, no memo, no shared code with
   the engine. Names and keys are numbers; a key that is not known yet is UNKNOWN_KEY or more. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/impact/impact.h"

#define CAS_MAX 400
#define SENT_MAX 48
#define PATHS_LIMIT 16
#define LONGEST 10
#define PROFILES 2
#define VIEWS_LIMIT 12
#define PINS_LIMIT 8
#define UNKNOWN_KEY 1000
#define NEVER INT64_MAX
#define NO_DATE INT64_MIN

struct o_cert {
    int name, key, signer_name, signer_key;
    int64_t not_before, not_after, sct; /* NO_DATE: not known */
    bool symbolic, is_leaf;
    int id; /* for digests: of real ones */
};

struct o_pin {
    bool of_cert;
    int what; /* key, or certificate id */
    enum pin_role role;
    enum pin_list list;
};

struct o_set {
    enum pin_scope scope;
    bool trust_none, report_only;
    int trust[PROFILES], trust_count;
    struct o_pin pins[PINS_LIMIT];
    int pin_count;
    int64_t expires; /* NO_DATE: never */
    enum pin_on_expiry on_expiry;
    int host; /* of target number; -1: all */
};

struct o_view {
    int target;
    struct o_cert leaf;
    int sent[SENT_MAX], sent_count; /* numbers of cas */
    bool added;
};

struct o_state {
    struct o_cert cas[CAS_MAX];
    int ca_count;
    int anchors[CAS_MAX], anchor_profiles[CAS_MAX], anchor_count;
    bool anchor_truncates[CAS_MAX];
    struct {
        int name, key;
        unsigned profiles;
        int64_t after;
        bool by_sct;
    } distrusts[16];
    int distrust_count;
    int dead[16], dead_count;
    int64_t clock;
    struct o_view views[VIEWS_LIMIT];
    int view_count;
    struct o_set sets[4];
    int set_count;
    int next_unknown;
};

struct o_path {
    struct o_cert certs[LONGEST];
    int rank[LONGEST];
    int count;
};
struct o_paths {
    struct o_path paths[64];
    int count;
};

static bool o_same_ca(const struct o_cert *a, int name, int key) {
    return !a->is_leaf && a->name == name && a->key == key;
}

static bool o_self_signed(const struct o_cert *cert) {
    return !cert->is_leaf && cert->name == cert->signer_name && cert->key == cert->signer_key;
}

/* Place of the anchor among the profile's, or -1. */
static int o_anchor(const struct o_state *state, int ca, int profile) {
    for (int i = 0; i < state->anchor_count; i++) {
        if (state->anchors[i] == ca && state->anchor_profiles[i] == profile) {
            return i;
        }
    }
    return -1;
}

static int o_sent(const struct o_view *view, int ca) {
    for (int i = 0; i < view->sent_count; i++) {
        if (view->sent[i] == ca) {
            return i;
        }
    }
    return -1;
}

/* Nothing holds against the path. */
static bool o_allowed(const struct o_state *state, const struct o_path *path, int profile) {
    const struct o_cert *leaf = &path->certs[0];
    for (int i = 0; i < path->count; i++) {
        for (int d = 0; d < state->dead_count; d++) {
            if (path->certs[i].key == state->dead[d]) {
                return false;
            }
        }
        for (int d = 0; d < state->distrust_count; d++) {
            int64_t issued =
                state->distrusts[d].by_sct && leaf->sct != NO_DATE ? leaf->sct : leaf->not_before;
            bool late = state->distrusts[d].after == NO_DATE ||
                        (issued != NO_DATE && issued > state->distrusts[d].after);
            if ((state->distrusts[d].profiles & 1u << profile) != 0 && late &&
                o_same_ca(&path->certs[i], state->distrusts[d].name, state->distrusts[d].key)) {
                return false;
            }
        }
    }
    return true;
}

static void o_keep(struct o_paths *out, const struct o_path *path) {
    CHECK(out->count < 64);
    out->paths[out->count++] = *path;
}

static void o_extend(const struct o_state *state, const struct o_view *view, int profile,
                     struct o_path *path, struct o_paths *out, bool filter) {
    const struct o_cert top = path->certs[path->count - 1];
    if (o_self_signed(&top) || path->count == LONGEST) {
        return;
    }
    for (int c = 0; c < state->ca_count; c++) {
        const struct o_cert *cert = &state->cas[c];
        int anchor = o_anchor(state, c, profile), sent = o_sent(view, c);
        bool again = false;
        for (int i = 0; i < path->count; i++) {
            again = again || o_same_ca(&path->certs[i], cert->name, cert->key);
        }
        if (again || !o_same_ca(cert, top.signer_name, top.signer_key) ||
            (anchor < 0 && sent < 0)) {
            continue;
        }
        path->certs[path->count] = *cert;
        path->count++;
        if (anchor >= 0) {
            path->rank[path->count - 1] = anchor;
            if (!filter || o_allowed(state, path, profile)) {
                o_keep(out, path);
            }
        }
        path->rank[path->count - 1] = anchor >= 0 ? 1000 + anchor : 2000 + sent;
        if (anchor < 0 || !state->anchor_truncates[anchor]) {
            o_extend(state, view, profile, path, out, filter);
        }
        path->count--;
    }
}

static int o_compare(const void *left, const void *right) {
    const struct o_path *a = left, *b = right;
    for (int i = 1; i < a->count && i < b->count; i++) {
        if (a->rank[i] != b->rank[i]) {
            return a->rank[i] - b->rank[i];
        }
    }
    return a->count - b->count;
}

/* Every path of the view, in the order in which clients try them. */
static void o_find(const struct o_state *state, const struct o_view *view, int profile,
                   struct o_paths *out, bool filter) {
    struct o_path path = {.count = 1};
    path.certs[0] = view->leaf;
    out->count = 0;
    for (int c = 0; c < state->ca_count; c++) {
        if (!view->leaf.is_leaf && !view->leaf.symbolic && state->cas[c].id == view->leaf.id &&
            !state->cas[c].symbolic && o_anchor(state, c, profile) >= 0 &&
            (!filter || o_allowed(state, &path, profile))) {
            o_keep(out, &path);
        }
    }
    o_extend(state, view, profile, &path, out, filter);
    qsort(out->paths, (size_t)out->count, sizeof *out->paths, o_compare);
}

static bool o_valid(const struct o_path *path, int64_t now) {
    for (int i = 0; i < path->count; i++) {
        const struct o_cert *cert = &path->certs[i];
        if ((cert->not_after != NO_DATE && now > cert->not_after) ||
            (cert->not_before != NO_DATE && now < cert->not_before)) {
            return false;
        }
    }
    return true;
}

static int o_preferred(const struct o_paths *paths, int64_t now) {
    for (int i = 0; i < paths->count; i++) {
        if (o_valid(&paths->paths[i], now)) {
            return i;
        }
    }
    return paths->count > 0 ? 0 : -1;
}

static bool o_pkix(const struct o_paths *paths, int64_t now) {
    int idx = o_preferred(paths, now);
    return idx >= 0 && o_valid(&paths->paths[idx], now);
}

/* --- pins --- */

/* Keys that somebody has. */
static bool o_key_in_use(const struct o_state *state, const bool *leaf_keys, int key) {
    for (int c = 0; c < state->ca_count; c++) {
        if (state->cas[c].key == key) {
            return true;
        }
    }
    for (int d = 0; d < state->dead_count; d++) {
        if (state->dead[d] == key) {
            return true; /* nobody takes it any more */
        }
    }
    return leaf_keys[key];
}

static bool o_equals(const struct o_state *state, const bool *leaf_keys, const struct o_pin *pin,
                     const struct o_cert *cert, bool hope) {
    if (pin->of_cert) {
        return !cert->symbolic && cert->id == pin->what;
    }
    if (cert->key >= UNKNOWN_KEY) {
        return hope && pin->role != PIN_BAD && !o_key_in_use(state, leaf_keys, pin->what);
    }
    return cert->key == pin->what;
}

static bool o_looks_at(const struct o_set *set, const struct o_pin *pin, int depth) {
    if ((pin->list == PIN_LIST_LEAF && depth > 0) || (pin->list == PIN_LIST_CA && depth == 0)) {
        return false;
    }
    return set->scope == PIN_SCOPE_LEAF      ? depth == 0
           : set->scope == PIN_SCOPE_CA_ONLY ? depth > 0
                                             : true;
}

enum o_hold { O_FAILS, O_BY_BACKUP, O_BY_ACTIVE };

/* Whether the certificates hold pins enough; the number of the pin that decides, or -1. */
static enum o_hold o_judge(const struct o_state *state, const bool *leaf_keys,
                           const struct o_set *set, const struct o_cert *certs, int count,
                           bool hope, int *out_pin) {
    int active[3] = {-1, -1, -1}, backup[3] = {-1, -1, -1};
    bool wanted[3] = {false, false, false};
    *out_pin = -1;
    for (int p = 0; p < set->pin_count; p++) {
        wanted[set->pins[p].list] |= set->pins[p].role != PIN_BAD;
    }
    for (int d = 0; d < count; d++) {
        for (int p = 0; p < set->pin_count; p++) {
            const struct o_pin *pin = &set->pins[p];
            if (!o_looks_at(set, pin, d) || !o_equals(state, leaf_keys, pin, &certs[d], hope)) {
                continue;
            }
            if (pin->role == PIN_BAD) {
                return O_FAILS;
            }
            int *slot = pin->role == PIN_ACTIVE ? &active[pin->list] : &backup[pin->list];
            *slot = *slot < 0 ? p : *slot;
        }
    }
    bool all = set->scope == PIN_SCOPE_LEAF_AND_CA;
    int first_active = -1, first_backup = -1;
    for (int list = 0; list < 3; list++) {
        if (active[list] >= 0) {
            first_active = first_active < 0 ? active[list] : first_active;
        } else if (backup[list] >= 0) {
            first_backup = first_backup < 0 ? backup[list] : first_backup;
        } else if (all && wanted[list]) {
            return O_FAILS;
        }
    }
    if (first_active >= 0 && (!all || first_backup < 0)) {
        *out_pin = first_active;
        return O_BY_ACTIVE;
    }
    *out_pin = first_backup;
    return first_backup >= 0 ? O_BY_BACKUP : O_FAILS;
}

enum o_level { O_BROKEN, O_PATH_DEPENDENT, O_WORKS };

/* A view with a profile (or -1), at one time. */
struct o_unit {
    enum o_level pins; /* as if enforced */
    enum o_hold hold;
    struct o_pin pin;
    bool has_pin, pkix, has_path;
    unsigned pkix_of;   /* bits of the set's profiles, where none is needed */
    struct o_path path; /* preferred; of the first profile where none is needed */
};

static bool o_needs_path(const struct o_set *set) {
    return !set->trust_none && set->pin_count > 0 && set->scope != PIN_SCOPE_LEAF &&
           set->scope != PIN_SCOPE_PRESENTED;
}

static void o_unit(const struct o_state *state, const bool *leaf_keys, const struct o_set *set,
                   const struct o_view *view, int profile, bool hope, struct o_unit *out) {
    static struct o_paths paths;
    int pin = -1;
    *out = (struct o_unit){.pkix = true};
    if (profile < 0) {
        struct o_cert shown[SENT_MAX + 1];
        shown[0] = view->leaf;
        for (int i = 0; i < view->sent_count; i++) {
            shown[1 + i] = state->cas[view->sent[i]];
        }
        out->hold = o_judge(state, leaf_keys, set, shown, 1 + view->sent_count, hope, &pin);
        out->pins = out->hold != O_FAILS ? O_WORKS : O_BROKEN;
        for (int t = 0; t < set->trust_count && !set->trust_none; t++) {
            o_find(state, view, set->trust[t], &paths, true);
            bool ok = o_pkix(&paths, state->clock);
            out->pkix = out->pkix && ok;
            out->pkix_of |= ok ? 1u << t : 0;
            int idx = o_preferred(&paths, state->clock);
            if (t == 0 && idx >= 0) {
                out->has_path = true;
                out->path = paths.paths[idx];
            }
        }
    } else {
        o_find(state, view, profile, &paths, true);
        out->pkix = o_pkix(&paths, state->clock);
        int idx = o_preferred(&paths, state->clock);
        if (idx >= 0) {
            out->has_path = true;
            out->path = paths.paths[idx];
            out->hold =
                o_judge(state, leaf_keys, set, out->path.certs, out->path.count, hope, &pin);
        }
        out->pins = out->hold != O_FAILS ? O_WORKS : O_BROKEN;
        for (int i = 0; i < paths.count && out->hold == O_FAILS; i++) {
            int ignored;
            if (i != idx && o_valid(&paths.paths[i], state->clock) &&
                o_judge(state, leaf_keys, set, paths.paths[i].certs, paths.paths[i].count, hope,
                        &ignored) != O_FAILS) {
                out->pins = O_PATH_DEPENDENT;
            }
        }
    }
    out->has_pin = pin >= 0;
    if (out->has_pin) {
        out->pin = set->pins[pin];
    }
}

static bool o_expired(const struct o_set *set, int64_t now) {
    return set->expires != NO_DATE && set->on_expiry != PIN_EXPIRY_NONE && now > set->expires;
}

static bool o_enforced(const struct o_set *set, int64_t now) {
    return !set->report_only && !(o_expired(set, now) && set->on_expiry == PIN_FAIL_OPEN);
}

static enum o_level o_pin_level(const struct o_set *set, const struct o_unit *unit, int64_t now) {
    return !o_enforced(set, now) ? O_WORKS
           : o_expired(set, now) ? O_BROKEN /* it fails closed */
                                 : unit->pins;
}

static int o_spares(const struct o_state *state, const bool *leaf_keys, const struct o_set *set,
                    const struct o_view *view, int profile, bool after) {
    int spares = 0;
    for (int p = 0; p < set->pin_count; p++) {
        struct o_set without = *set;
        struct o_unit unit;
        bool dead = false;
        for (int d = 0; d < state->dead_count && after && !set->pins[p].of_cert; d++) {
            dead = dead || state->dead[d] == set->pins[p].what;
        }
        if (set->pins[p].role == PIN_BAD || dead) {
            continue;
        }
        memmove(&without.pins[p], &without.pins[p + 1],
                (size_t)(set->pin_count - p - 1) * sizeof *without.pins);
        without.pin_count--;
        o_unit(state, leaf_keys, &without, view, without.pin_count > 0 ? profile : -1, false,
               &unit);
        spares += unit.hold != O_FAILS;
    }
    return spares;
}

static bool o_same_path(const struct o_unit *a, const struct o_unit *b) {
    if (!a->has_path || !b->has_path || a->path.count != b->path.count) {
        return a->has_path == b->has_path && !a->has_path;
    }
    for (int i = 0; i < a->path.count; i++) {
        if (a->path.certs[i].symbolic || b->path.certs[i].symbolic ||
            a->path.certs[i].id != b->path.certs[i].id) {
            return false;
        }
    }
    return true;
}

static bool o_same_pin(const struct o_unit *a, const struct o_unit *b) {
    return a->has_pin == b->has_pin &&
           (!a->has_pin || (a->pin.of_cert == b->pin.of_cert && a->pin.what == b->pin.what &&
                            a->pin.role == b->pin.role));
}

static enum impact_outcome o_outcome(const struct o_state *before, const struct o_state *after,
                                     const bool *leaf_keys, int set_idx, int view_idx, int profile,
                                     int *out_spares) {
    const struct o_set *old = &before->sets[set_idx], *set = &after->sets[set_idx];
    const struct o_view *view = &after->views[view_idx];
    bool has_before = !view->added;
    struct o_unit was = {.pkix = false}, is, may;
    enum o_level level_before = O_BROKEN;
    *out_spares = 0;
    if (has_before) {
        o_unit(before, leaf_keys, old, &before->views[view_idx], profile, false, &was);
        level_before = o_pin_level(old, &was, before->clock);
        level_before = profile >= 0 && !was.pkix ? O_BROKEN : level_before;
    }
    o_unit(after, leaf_keys, set, view, profile, false, &is);
    bool pkix = profile >= 0 || !has_before ? is.pkix : (was.pkix_of & ~is.pkix_of) == 0;
    enum o_level level = pkix ? o_pin_level(set, &is, after->clock) : O_BROKEN;
    if (level == O_WORKS && !o_enforced(set, after->clock)) {
        return o_expired(set, after->clock) && set->on_expiry == PIN_FAIL_OPEN
                   ? IMPACT_UNENFORCED_EXPIRED
                   : IMPACT_REPORT_ONLY;
    }
    if (level == O_WORKS) {
        bool same_leaf = has_before && !view->leaf.symbolic;
        bool changed = level_before != O_WORKS || !has_before || !o_same_path(&was, &is) ||
                       !o_same_pin(&was, &is) || !same_leaf;
        *out_spares = o_spares(after, leaf_keys, set, view, profile, true);
        if (*out_spares == 0 &&
            (changed ||
             o_spares(before, leaf_keys, old, &before->views[view_idx], profile, false) > 0)) {
            return IMPACT_SURVIVES_ON_LAST_PIN;
        }
        return !changed                 ? IMPACT_OK
               : is.hold == O_BY_BACKUP ? IMPACT_SURVIVES_ON_BACKUP
                                        : IMPACT_SURVIVES_ON_PRIMARY;
    }
    o_unit(after, leaf_keys, set, view, profile, true, &may);
    if (pkix && o_pin_level(set, &may, after->clock) == O_WORKS) {
        return IMPACT_UNKNOWN_FUTURE_KEY;
    }
    if (level == O_PATH_DEPENDENT) {
        return IMPACT_PATH_DEPENDENT;
    }
    return has_before && level_before == O_BROKEN ? IMPACT_ALREADY_BROKEN : IMPACT_BREAKS;
}

/* The worst over views and profiles. */
static enum impact_outcome o_result(const struct o_state *before, const struct o_state *after,
                                    const bool *leaf_keys, int target, int set_idx,
                                    int *out_spares) {
    const struct o_set *set = &after->sets[set_idx];
    enum impact_outcome worst = IMPACT_OUTCOME_COUNT;
    *out_spares = 0;
    for (int v = 0; v < after->view_count; v++) {
        int profiles = o_needs_path(set) ? set->trust_count : 1;
        for (int t = 0; t < profiles && after->views[v].target == target; t++) {
            int spares;
            enum impact_outcome outcome =
                o_outcome(before, after, leaf_keys, set_idx, v,
                          o_needs_path(set) ? set->trust[t] : -1, &spares);
            if (outcome < worst) {
                worst = outcome;
                *out_spares = spares;
            }
        }
    }
    return worst;
}
