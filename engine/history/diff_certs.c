/* The certificates of one endpoint and key type in two sweeps. */
#include "engine/base/limits.h"
#include "engine/history/diff_internal.h"

/* The views of one key type that showed a chain, each chain once. */
struct views {
    const struct snapshot *snapshot;
    uint32_t count, asked, not_offered; /* asked: views of the key type, whatever came */
    uint32_t views[VIEWS_MAX];
};

static void views_of(struct views *out, const struct snapshot *snapshot,
                     const struct snapshot_target *target, enum key_view key_type) {
    out->snapshot = snapshot;
    out->count = out->asked = out->not_offered = 0;
    for (uint32_t i = target->first_view; i < target->first_view + target->view_count; i++) {
        const struct snapshot_view *view = &snapshot->views[i];
        if (view->key_type != key_type) {
            continue;
        }
        out->asked++;
        out->not_offered += view->status == OUTCOME_NOT_OFFERED;
        bool is_new = view->status == OUTCOME_SUCCESS && view->chain != SNAPSHOT_NONE &&
                      snapshot->chains[view->chain].cert_count > 0 && out->count < VIEWS_MAX;
        for (uint32_t j = 0; is_new && j < out->count; j++) {
            is_new = snapshot->views[out->views[j]].chain != view->chain;
        }
        if (is_new) {
            out->views[out->count++] = i;
        }
    }
}

static const struct snapshot_chain *chain_at(const struct views *views, uint32_t i) {
    return &views->snapshot->chains[views->snapshot->views[views->views[i]].chain];
}

static const struct snapshot_cert *leaf_at(const struct views *views, uint32_t i) {
    return snapshot_chain_leaf(views->snapshot, chain_at(views, i));
}

static uint32_t leaf_idx(const struct views *views, uint32_t i) {
    return views->snapshot->chain_certs[chain_at(views, i)->first_cert];
}

static bool same_digest(const uint8_t *a, const uint8_t *b) {
    return memcmp(a, b, SHA256_LEN) == 0;
}

/* A change of certificates: `b` and `a` are places in the views. */
static struct diff_change *add_views(const struct pair *pair, enum diff_kind kind,
                                     enum key_view key_type, const struct views *before, uint32_t b,
                                     const struct views *after, uint32_t a) {
    struct diff_change *change = diff_add_pair(pair, kind);
    if (change != NULL) {
        change->key_type = (uint8_t)key_type;
        if (b < before->count) {
            change->before.view = before->views[b];
            change->before.cert = leaf_idx(before, b);
        }
        if (a < after->count) {
            change->after.view = after->views[a];
            change->after.cert = leaf_idx(after, a);
        }
    }
    return change;
}

/* --- certificates of one key type --- */

/* The first of `before` that `same` says to be like number `a` of `after`; before->count if none
 * is. */
typedef bool (*same_fn)(const struct views *before, uint32_t b, const struct views *after,
                        uint32_t a, uint32_t profile);

static uint32_t find(same_fn same, const struct views *before, const struct views *after,
                     uint32_t a, uint32_t profile) {
    uint32_t b = 0;
    while (b < before->count && !same(before, b, after, a, profile)) {
        b++;
    }
    return b;
}

static bool same_leaf(const struct views *before, uint32_t b, const struct views *after, uint32_t a,
                      uint32_t profile) {
    (void)profile;
    return same_digest(leaf_at(before, b)->cert_sha256, leaf_at(after, a)->cert_sha256);
}

static bool same_key(const struct views *before, uint32_t b, const struct views *after, uint32_t a,
                     uint32_t profile) {
    const struct snapshot_cert *x = leaf_at(before, b), *y = leaf_at(after, a);
    (void)profile;
    return x->has_spki && y->has_spki && same_digest(x->spki_sha256, y->spki_sha256);
}

static bool same_chain(const struct views *before, uint32_t b, const struct views *after,
                       uint32_t a, uint32_t profile) {
    (void)profile;
    return same_digest(chain_at(before, b)->id, chain_at(after, a)->id);
}

/* The issuer on a preferred path, in any profile; NULL if there is none. */
static const struct snapshot_cert *issuer_at(const struct views *views, uint32_t i) {
    const struct snapshot *snapshot = views->snapshot;
    const struct snapshot_chain *chain = chain_at(views, i);
    for (uint32_t p = chain->first_path; p < chain->first_path + chain->path_count; p++) {
        if (snapshot->paths[p].preferred && snapshot->paths[p].cert_count > 1) {
            return &snapshot->certs[snapshot->path_certs[snapshot->paths[p].first_cert + 1]];
        }
    }
    return NULL;
}

/* By key; by name where the keys are not known. A same name is no identity. */
static bool same_issuer(const struct views *before, uint32_t b, const struct views *after,
                        uint32_t a, uint32_t profile) {
    const struct snapshot_cert *x = issuer_at(before, b), *y = issuer_at(after, a);
    (void)profile;
    if (x != NULL && y != NULL && x->has_spki && y->has_spki) {
        return same_digest(x->spki_sha256, y->spki_sha256);
    }
    const struct snapshot_cert *x_leaf = leaf_at(before, b), *y_leaf = leaf_at(after, a);
    return !x_leaf->known || !y_leaf->known || strcmp(x_leaf->issuer, y_leaf->issuer) == 0;
}

/* The preferred path in a profile of `after`; NULL if there is none. */
static const struct snapshot_path *path_at(const struct views *views, uint32_t i,
                                           const char *profile) {
    uint32_t profile_idx = snapshot_find_profile(views->snapshot, profile);
    uint32_t idx = profile_idx == SNAPSHOT_NONE
                       ? SNAPSHOT_NONE
                       : snapshot_preferred(views->snapshot, chain_at(views, i), profile_idx);
    return idx == SNAPSHOT_NONE ? NULL : &views->snapshot->paths[idx];
}

static const struct snapshot_cert *path_cert(const struct views *views,
                                             const struct snapshot_path *path, uint32_t depth) {
    return &views->snapshot->certs[views->snapshot->path_certs[path->first_cert + depth]];
}

static bool same_root(const struct views *before, uint32_t b, const struct views *after, uint32_t a,
                      uint32_t profile) {
    const char *name = after->snapshot->profiles[profile];
    const struct snapshot_path *x = path_at(before, b, name), *y = path_at(after, a, name);
    if (x == NULL || y == NULL) {
        return false;
    }
    const struct snapshot_cert *x_root = path_cert(before, x, x->cert_count - 1),
                               *y_root = path_cert(after, y, y->cert_count - 1);
    return x_root->has_spki && y_root->has_spki
               ? same_digest(x_root->spki_sha256, y_root->spki_sha256)
               : same_digest(x_root->cert_sha256, y_root->cert_sha256);
}

/* All above the leaf. */
static bool same_path(const struct views *before, uint32_t b, const struct views *after, uint32_t a,
                      uint32_t profile) {
    const char *name = after->snapshot->profiles[profile];
    const struct snapshot_path *x = path_at(before, b, name), *y = path_at(after, a, name);
    bool same = x != NULL && y != NULL && x->cert_count == y->cert_count;
    for (uint32_t depth = 1; same && depth < y->cert_count; depth++) {
        same = same_digest(path_cert(before, x, depth)->cert_sha256,
                           path_cert(after, y, depth)->cert_sha256);
    }
    return same;
}

static bool has_path(const struct views *views, const char *profile) {
    for (uint32_t i = 0; i < views->count; i++) {
        if (path_at(views, i, profile) != NULL) {
            return true;
        }
    }
    return false;
}

/* One of `before` that is gone now, to stand for what a new one of `after` replaces. */
static uint32_t replaced(const struct views *before, const struct views *after) {
    for (uint32_t b = 0; b < before->count; b++) {
        if (find(same_key, after, before, b, 0) == after->count) {
            return b;
        }
    }
    return 0;
}

/* One renewal and one rotation of a key type are told, however many addresses show them. */
static void compare_leaves(const struct pair *pair, enum key_view key_type,
                           const struct views *before, const struct views *after) {
    bool renewed = false, rotated = false;
    for (uint32_t a = 0; a < after->count; a++) {
        if (find(same_leaf, before, after, a, 0) < before->count || !leaf_at(after, a)->has_spki) {
            continue;
        }
        uint32_t b = find(same_key, before, after, a, 0);
        if (b < before->count && !renewed) {
            add_views(pair, DIFF_RENEWED, key_type, before, b, after, a);
            renewed = true;
        } else if (b == before->count && !rotated) {
            add_views(pair, DIFF_KEY_ROTATED, key_type, before, replaced(before, after), after, a);
            rotated = true;
        }
    }
}

/* The first of `after` that has no like in `before` is told; whether there is one. */
static bool compare_by(const struct pair *pair, enum diff_kind kind, same_fn same,
                       enum key_view key_type, uint32_t profile, const struct views *before,
                       const struct views *after) {
    for (uint32_t a = 0; a < after->count; a++) {
        bool judged =
            profile == UINT8_MAX || path_at(after, a, after->snapshot->profiles[profile]) != NULL;
        if (judged && find(same, before, after, a, profile) == before->count) {
            uint32_t b = replaced(before, after);
            struct diff_change *change = add_views(pair, kind, key_type, before, b, after, a);
            if (change != NULL) {
                change->trust = (uint8_t)profile;
            }
            return true;
        }
    }
    return false;
}

static void compare_paths(const struct pair *pair, enum key_view key_type,
                          const struct views *before, const struct views *after) {
    bool told =
        compare_by(pair, DIFF_ISSUER_CHANGED, same_issuer, key_type, UINT8_MAX, before, after);
    for (uint32_t p = 0; p < after->snapshot->profile_count; p++) {
        if (has_path(before, after->snapshot->profiles[p])) {
            bool root = compare_by(pair, DIFF_ROOT_CHANGED, same_root, key_type, p, before, after);
            told = root ||
                   (!told &&
                    compare_by(pair, DIFF_PATH_CHANGED, same_path, key_type, p, before, after)) ||
                   told;
        }
    }
    for (uint32_t a = 0; a < after->count && !told; a++) {
        uint32_t b = find(same_leaf, before, after, a, 0);
        if (b < before->count && find(same_chain, before, after, a, 0) == before->count) {
            add_views(pair, DIFF_CHAIN_CHANGED, key_type, before, b, after, a);
            told = true;
        }
    }
}

/* --- pkix and names --- */

/* Of all views, the result in a profile: what is not ok wins; not-checked if nothing is known. */
static enum pkix pkix_of(const struct views *views, const char *profile, uint32_t *out_view) {
    const struct snapshot *snapshot = views->snapshot;
    uint32_t profile_idx = snapshot_find_profile(snapshot, profile);
    enum pkix result = PKIX_NOT_CHECKED;
    *out_view = views->count;
    for (uint32_t i = 0; i < views->count; i++) {
        const struct snapshot_chain *chain = chain_at(views, i);
        for (uint32_t j = chain->first_pkix; j < chain->first_pkix + chain->pkix_count; j++) {
            const struct snapshot_pkix *pkix = &snapshot->pkix[j];
            if (pkix->profile == profile_idx && pkix->result != PKIX_NOT_CHECKED &&
                (result == PKIX_NOT_CHECKED || (result == PKIX_OK && pkix->result != PKIX_OK))) {
                result = pkix->result;
                *out_view = i;
            }
        }
    }
    return result;
}

static void compare_pkix(const struct pair *pair, enum key_view key_type,
                         const struct views *before, const struct views *after) {
    for (uint32_t p = 0; p < after->snapshot->profile_count; p++) {
        uint32_t a, b;
        const char *profile = after->snapshot->profiles[p];
        enum pkix was = pkix_of(before, profile, &b), is = pkix_of(after, profile, &a);
        if (was == is || was == PKIX_NOT_CHECKED || is == PKIX_NOT_CHECKED) {
            continue;
        }
        struct diff_change *change = add_views(pair,
                                               was == PKIX_OK  ? DIFF_PKIX_WORSE
                                               : is == PKIX_OK ? DIFF_PKIX_BETTER
                                                               : DIFF_PKIX_CHANGED,
                                               key_type, before, b, after, a);
        if (change != NULL) {
            change->trust = (uint8_t)p;
            change->pkix_before = (uint8_t)was;
            change->pkix_after = (uint8_t)is;
        }
    }
}

/* The first view whose certificate does not name the host; views->count if all do. */
static uint32_t find_misnamed(const struct views *views) {
    uint32_t i = 0;
    while (i < views->count && views->snapshot->views[views->views[i]].host_match) {
        i++;
    }
    return i;
}

static void compare_names(const struct pair *pair, enum key_view key_type,
                          const struct views *before, const struct views *after) {
    uint32_t b = find_misnamed(before), a = find_misnamed(after);
    bool was = b == before->count, is = a == after->count;
    if (was != is) {
        add_views(pair, is ? DIFF_NAME_MATCH : DIFF_NAME_MISMATCH, key_type, before, was ? 0 : b,
                  after, is ? 0 : a);
    }
}

void diff_compare_certs(const struct pair *pair, enum key_view key_type) {
    struct views before, after;
    views_of(&before, pair->diff->before, pair->before, key_type);
    views_of(&after, pair->diff->after, pair->after, key_type);
    if (before.count > 0 && after.count > 0) {
        compare_leaves(pair, key_type, &before, &after);
        compare_paths(pair, key_type, &before, &after);
        compare_pkix(pair, key_type, &before, &after);
        compare_names(pair, key_type, &before, &after);
    } else if (before.count > 0 && after.not_offered > 0) {
        add_views(pair, DIFF_KEY_TYPE_LOST, key_type, &before, 0, &after, 0);
    } else if (after.count > 0 && before.not_offered > 0) {
        add_views(pair, DIFF_KEY_TYPE_NEW, key_type, &before, 0, &after, 0);
    }
}
