/* The views of one target, before and after: chains and path sets as verdict.h takes them. */
#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "engine/impact/impact_internal.h"

/* With room for every path; aborts without memory: a target has few views. */
static struct path_set *new_paths(uint32_t profiles) {
    struct path_set *set = calloc(1, sizeof *set + profiles * sizeof(struct profile_paths));
    CHECK(set != NULL);
    set->profile_count = profiles;
    for (uint32_t p = 0; p < profiles; p++) {
        set->profiles[p].paths = calloc(PATHS_MAX, sizeof(struct path));
        CHECK(set->profiles[p].paths != NULL);
    }
    return set;
}

static void side_init(struct impact_side *side, uint32_t profiles) {
    side->paths = new_paths(profiles);
    side->chain =
        calloc(1, sizeof *side->chain + (1 + ENDPOINT_SENT_MAX) * sizeof(struct cert_record *));
    CHECK(side->chain != NULL);
}

void impact_free_views(struct impact_run *run) {
    for (uint32_t i = 0; i < run->view_capacity; i++) {
        struct impact_view *view = run->views[i];
        path_set_free(NULL, view->before.paths);
        path_set_free(NULL, view->after.paths);
        path_set_free(NULL, view->without);
        free(view->before.chain);
        free(view->after.chain);
        free(view);
    }
    free(run->views);
    free(run->judge_before);
    free(run->judge_after);
    free(run->judge_without);
}

/* The next unused view; views are kept from target to target. */
static struct impact_view *next_view(struct impact_run *run) {
    if (run->view_count == run->view_capacity) {
        uint32_t count = run->view_capacity + 1, profiles = run->world->store->count;
        run->views = realloc(run->views, count * sizeof(*run->views));
        run->judge_before = realloc(run->judge_before, count * sizeof *run->judge_before);
        run->judge_after = realloc(run->judge_after, count * sizeof *run->judge_after);
        run->judge_without = realloc(run->judge_without, count * sizeof *run->judge_without);
        struct impact_view *view = calloc(1, sizeof *view);
        CHECK(run->views != NULL && run->judge_before != NULL && run->judge_after != NULL &&
              run->judge_without != NULL && view != NULL);
        side_init(&view->before, profiles);
        side_init(&view->after, profiles);
        view->without = new_paths(profiles);
        run->views[run->view_capacity++] = view;
    }
    return run->views[run->view_count++];
}

static void fill_chain(struct impact_side *side) {
    struct endpoint *endpoint = &side->endpoint;
    side->chain->certs[0] = &endpoint->leaf.record;
    side->chain->count = 1 + endpoint->sent_count;
    for (uint32_t i = 0; i < endpoint->sent_count; i++) {
        side->chain->certs[1 + i] = (struct cert_record *)(uintptr_t)&endpoint->sent[i]->record;
    }
}

/* --- before: what the sweep recorded --- */

/* The certificate at a place of a recorded path; NULL if the world has none of that name (a store
   or records that somebody changed: only the chain's own leaf is no certificate of the world). */
static const struct world_cert *recorded_cert(const struct impact_run *run,
                                              const struct impact_side *side, uint32_t idx,
                                              bool is_leaf) {
    if (is_leaf) {
        return &side->endpoint.leaf;
    }
    uint32_t known = run->world->of_snapshot[idx];
    return known != WORLD_NONE ? run->world->certs[known] : NULL;
}

static void take_recorded(const struct impact_run *run, struct impact_side *side,
                          const struct snapshot_chain *chain, uint32_t profile, int from) {
    const struct snapshot *snapshot = run->world->snapshot;
    struct profile_paths *out = &side->paths->profiles[profile];
    uint32_t leaf = snapshot->chain_certs[chain->first_cert];
    out->count = 0;
    for (uint32_t i = 0; i < chain->path_count && out->count < PATHS_MAX; i++) {
        const struct snapshot_path *recorded = &snapshot->paths[chain->first_path + i];
        if ((int)recorded->profile != from || recorded->cert_count == 0 ||
            recorded->cert_count > PATH_CERTS_MAX) {
            continue;
        }
        struct path *path = &out->paths[out->count++];
        *path = (struct path){.count = (uint8_t)recorded->cert_count,
                              .structural = PKIX_OK,
                              .not_before = INT64_MIN,
                              .not_after = INT64_MAX};
        bool whole = true;
        for (uint32_t k = 0; k < recorded->cert_count; k++) {
            uint32_t idx = snapshot->path_certs[recorded->first_cert + k];
            const struct world_cert *cert = recorded_cert(run, side, idx, k == 0 && idx == leaf);
            if (cert == NULL) {
                whole = false;
                break;
            }
            path->certs[k] = &cert->record;
            if (cert->not_before != DATETIME_NONE && cert->not_before > path->not_before) {
                path->not_before = cert->not_before;
            }
            if (cert->not_after != DATETIME_NONE && cert->not_after < path->not_after) {
                path->not_after = cert->not_after;
            }
        }
        if (recorded->not_after != DATETIME_NONE && recorded->not_after < path->not_after) {
            path->not_after = recorded->not_after;
        }
        out->count = (uint16_t)(out->count - !whole);
    }
    out->ok_count = out->count;
    out->failure = PKIX_OK;
    for (uint32_t i = 0; out->count == 0 && i < chain->pkix_count; i++) {
        const struct snapshot_pkix *pkix = &snapshot->pkix[chain->first_pkix + i];
        out->failure = (int)pkix->profile == from ? pkix->result : out->failure;
    }
    if (out->count == 0 && out->failure == PKIX_OK) {
        out->failure = PKIX_INCOMPLETE_CHAIN; /* the record holds no reason */
    }
}

/* Above the leaf the same certificates. */
static bool same_above(const struct path *a, const struct path *b) {
    return a->count == b->count &&
           memcmp(a->certs + 1, b->certs + 1, (a->count - 1u) * sizeof(*a->certs)) == 0;
}

static int find_same(const struct profile_paths *paths, const struct path *path) {
    for (int i = 0; i < paths->count; i++) {
        if (same_above(&paths->paths[i], path)) {
            return i;
        }
    }
    return -1;
}

/* Leaves out of `after` what was there before and what BoringSSL refused then (a name constraint, a
   purpose); paths that did not change keep the window that the sweep saw. */
static void hold_against_sweep(const struct impact_side *before, const struct profile_paths *known,
                               const struct endpoint *endpoint, uint32_t profile,
                               struct profile_paths *after) {
    const struct profile_paths *recorded = &before->paths->profiles[profile];
    uint16_t kept = 0;
    for (int i = 0; i < after->count; i++) {
        int same = find_same(recorded, &after->paths[i]);
        if (same < 0 && find_same(known, &after->paths[i]) >= 0) {
            continue;
        }
        struct path path = after->paths[i];
        if (same >= 0 && !endpoint->leaf.symbolic) {
            path.not_before = recorded->paths[same].not_before;
            path.not_after = recorded->paths[same].not_after;
        }
        after->paths[kept++] = path;
    }
    if (kept == 0 && (after->count > 0 || known->count > 0 || !endpoint->changed) &&
        recorded->count == 0) {
        after->failure = recorded->failure;
    } else if (kept == 0 && after->count > 0) {
        after->failure = PKIX_UNTRUSTED;
    }
    after->count = after->ok_count = kept;
}

static void find_after(const struct impact_run *run, struct impact_view *view, uint32_t profile,
                       bool is_recorded) {
    struct path room[PATHS_MAX];
    struct profile_paths known = {.paths = room};
    struct endpoint_losses unused;
    struct profile_paths *after = &view->after.paths->profiles[profile];
    endpoint_find_paths(&view->after.endpoint, run->world, profile, run->plan->count, after,
                        &view->after.losses[profile]);
    if (is_recorded) {
        endpoint_find_paths(&view->before.endpoint, run->world, profile, 0, &known, &unused);
        hold_against_sweep(&view->before, &known, &view->after.endpoint, profile, after);
    }
}

static void note_unknown(struct impact_view *view, uint32_t profiles) {
    const struct impact_side *side = &view->after;
    view->has_unknown = side->endpoint.leaf.unknown_key;
    for (uint32_t i = 0; i < side->endpoint.sent_count; i++) {
        view->has_unknown = view->has_unknown || side->endpoint.sent[i]->unknown_key;
    }
    for (uint32_t p = 0; p < side->paths->profile_count; p++) {
        const struct profile_paths *paths = &side->paths->profiles[p];
        for (uint32_t i = 0; (profiles & 1u << p) != 0 && i < paths->count; i++) {
            const struct path *path = &paths->paths[i];
            for (uint32_t d = 1; d < path->count && !view->has_unknown; d++) {
                view->has_unknown = world_cert_of(path->certs[d])->unknown_key;
            }
        }
    }
}

static void fill_paths(const struct impact_run *run, struct impact_view *view,
                       const struct snapshot_chain *chain) {
    for (uint32_t p = 0; p < run->world->store->count; p++) {
        struct profile_paths *before = &view->before.paths->profiles[p];
        struct profile_paths *after = &view->after.paths->profiles[p];
        before->count = before->ok_count = after->count = after->ok_count = 0;
        before->failure = after->failure = PKIX_NOT_CHECKED;
        view->before.losses[p] = view->after.losses[p] = (struct endpoint_losses){LOSS_NONE, NULL};
        if ((run->profiles & 1u << p) == 0) {
            continue;
        }
        bool is_recorded = chain != NULL && chain->judged && run->snapshot_profile[p] >= 0;
        if (is_recorded) {
            take_recorded(run, &view->before, chain, p, run->snapshot_profile[p]);
        } else if (chain != NULL) {
            endpoint_find_paths(&view->before.endpoint, run->world, p, 0, before,
                                &view->before.losses[p]);
        }
        find_after(run, view, p, is_recorded);
    }
    note_unknown(view, run->profiles);
}

static void add_view(struct impact_run *run, const struct snapshot_view *seen, uint16_t idx) {
    const struct snapshot_chain *chain = &run->world->snapshot->chains[seen->chain];
    const struct snapshot_target *target = run->target;
    struct impact_view *view = next_view(run);
    view->idx = idx;
    view->address = seen->address;
    view->key_type = seen->key_type;
    view->added = false;
    endpoint_init(&view->before.endpoint, run->world, chain);
    if (view->before.endpoint.leaf.signer == WORLD_NONE) {
        world_find_signer(run->world, &view->before.endpoint.leaf);
    }
    view->after.endpoint = view->before.endpoint;
    plan_apply(run->plan, span_str(target->pin_host), target->port, &view->after.endpoint);
    fill_chain(&view->before);
    fill_chain(&view->after);
    fill_paths(run, view, chain);
}

static void add_added(struct impact_run *run) {
    const struct snapshot_target *target = run->target;
    uint32_t cursor = 0, idx = target->view_count;
    struct endpoint endpoint;
    enum key_view key_type;
    while (run->view_count < IMPACT_VIEWS_MAX &&
           plan_next_added(run->plan, span_str(target->pin_host), target->port, &cursor, &endpoint,
                           &key_type)) {
        struct impact_view *view = next_view(run);
        view->idx = (uint16_t)idx++;
        view->address = "";
        view->key_type = key_type;
        view->added = true;
        view->after.endpoint = endpoint;
        fill_chain(&view->after);
        fill_paths(run, view, NULL);
    }
}

void impact_take_views(struct impact_run *run) {
    const struct snapshot *snapshot = run->world->snapshot;
    const struct snapshot_target *target = run->target;
    run->view_count = 0;
    for (uint32_t i = 0; i < target->view_count && run->view_count < VIEWS_MAX; i++) {
        const struct snapshot_view *view = &snapshot->views[target->first_view + i];
        if (view->status == OUTCOME_SUCCESS && view->chain != SNAPSHOT_NONE &&
            snapshot->chains[view->chain].cert_count > 0) {
            add_view(run, view, (uint16_t)i);
        }
    }
    run->before_count = run->view_count;
    if (run->plan->count > 0) {
        add_added(run);
    }
    for (uint32_t i = 0; i < run->view_count; i++) {
        const struct impact_view *view = run->views[i];
        run->judge_before[i] =
            (struct verdict_view){view->idx, view->before.chain, view->before.paths};
        run->judge_after[i] =
            (struct verdict_view){view->idx, view->after.chain, view->after.paths};
        run->judge_without[i] = (struct verdict_view){view->idx, view->after.chain, view->without};
    }
}
