#include "engine/history/expiry.h"

#include <stdlib.h>

#include "engine/codec/cert.h"
#include "engine/codec/dname.h"

#define DAY_S INT64_C(86400)

static const char *const state_texts[EXPIRY_STATES] = {
    [EXPIRY_EXPIRED] = "expired",
    [EXPIRY_TOO_LATE] = "too-late",
    [EXPIRY_DUE] = "due",
    [EXPIRY_LATER] = "later",
};

static const char *const kind_texts[EXPIRY_KINDS] = {
    [EXPIRY_CERTIFICATE] = "certificate",
    [EXPIRY_PIN_SET] = "pin-set",
    [EXPIRY_ANCHOR] = "anchor",
    [EXPIRY_EXCEPTION] = "exception",
};

const char *expiry_state_text(enum expiry_state state) {
    return state_texts[state];
}

const char *expiry_kind_text(enum expiry_kind kind) {
    return kind_texts[kind];
}

bool expiry_state_from_text(struct span text, enum expiry_state *out) {
    for (int i = 0; i < EXPIRY_STATES; i++) {
        if (span_equal_str(text, state_texts[i])) {
            *out = (enum expiry_state)i;
            return true;
        }
    }
    return false;
}

/* What a certificate is to the endpoints. */
struct use {
    uint64_t endpoints;
    uint32_t first_target, last_target; /* SNAPSHOT_NONE; last: counted already */
    const struct pin_set *led_by;       /* NULL: nobody pins it */
    uint8_t role;                       /* ROLE_* bits */
};

enum { ROLE_LEAF = 1, ROLE_INTERMEDIATE = 2, ROLE_ANCHOR = 4 };

struct work {
    struct expiry *expiry;
    const struct snapshot *snapshot;
    const struct pin_index *policy;
    const struct trust_store *trust;
    struct use *uses;            /* by certificate */
    uint64_t *set_endpoints;     /* by pin set of the policy */
    const struct pin_set **sets; /* of one host */
};

/* --- items --- */

static int32_t lead_of(const struct pin_set *set) {
    int64_t days = (set->lead_time_days > 0 ? set->lead_time_days : 0) +
                   (int64_t)(set->adoption_days > 0 ? set->adoption_days : 0);
    return days < 100000 ? (int32_t)days : 100000;
}

static enum expiry_state state_of(const struct expiry_options *options, int64_t ends_s,
                                  int64_t act_by_s) {
    if (ends_s < options->at_s) {
        return EXPIRY_EXPIRED;
    }
    if (act_by_s < options->at_s) {
        return EXPIRY_TOO_LATE;
    }
    return options->within_s == INT64_MAX || act_by_s - options->at_s <= options->within_s
               ? EXPIRY_DUE
               : EXPIRY_LATER;
}

/* A new item, which ends then; NULL if it is left out, or memory ran out. */
static struct expiry_item *add(struct expiry *expiry, enum expiry_kind kind, int64_t ends_s,
                               int32_t lead_days) {
    int64_t act_by_s = ends_s - lead_days * DAY_S;
    enum expiry_state state = state_of(&expiry->options, ends_s, act_by_s);
    expiry->counts[state]++;
    if (state == EXPIRY_LATER) {
        return NULL;
    }
    if (expiry->item_count == expiry->item_capacity) {
        uint32_t wanted = expiry->item_capacity + expiry->item_capacity / 2 + 64;
        struct expiry_item *larger =
            wanted < UINT32_MAX / 2 ? realloc(expiry->items, wanted * sizeof *larger) : NULL;
        if (larger == NULL) {
            expiry->failed = true;
            return NULL;
        }
        expiry->items = larger;
        expiry->item_capacity = wanted;
    }
    struct expiry_item *item = &expiry->items[expiry->item_count++];
    *item = (struct expiry_item){.kind = kind,
                                 .state = state,
                                 .role = "",
                                 .name = "",
                                 .issuer = "",
                                 .pin_set = "",
                                 .owner = "",
                                 .application = "",
                                 .host = "",
                                 .reason = "",
                                 .ends_s = ends_s,
                                 .act_by_s = act_by_s,
                                 .lead_days = lead_days};
    return item;
}

static void item_of_set(struct expiry_item *item, const struct pin_set *set) {
    item->pin_set = set->name;
    item->owner = set->owner;
    item->application = set->application;
}

/* --- certificates --- */

/* A certificate of the snapshot as pins see it: without its bytes, pins of SHA-256 alone match. */
static bool is_pinned(const struct pin_set *set, const struct snapshot_cert *cert) {
    struct cert_record record = {
        .der = cert->der, .strict = cert->strict, .has_spki = cert->has_spki};
    memcpy(record.cert_sha256, cert->cert_sha256, SHA256_LEN);
    memcpy(record.spki_sha256, cert->spki_sha256, SHA256_LEN);
    if (cert->der.len > 0 && !cert_spki(cert->der, &record.fields.spki)) {
        record.fields.spki = span_of(NULL, 0);
    }
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *pin = &set->pins[i];
        bool can_tell = pin->alg == PIN_SHA256 || cert->der.len > 0;
        if (pin->role != PIN_BAD && can_tell && (pin->of == PIN_OF_CERT || cert->has_spki) &&
            pin_equals(pin, &record)) {
            return true;
        }
    }
    return false;
}

static void use_cert(struct work *work, uint32_t cert_idx, uint32_t target, uint8_t role,
                     size_t set_count) {
    struct use *use = &work->uses[cert_idx];
    use->role |= role;
    if (use->last_target == target) {
        return;
    }
    use->last_target = target;
    use->first_target = use->first_target == SNAPSHOT_NONE ? target : use->first_target;
    use->endpoints++;
    for (size_t i = 0; i < set_count; i++) {
        const struct pin_set *set = work->sets[i];
        if ((use->led_by == NULL || lead_of(set) > lead_of(use->led_by)) &&
            is_pinned(set, &work->snapshot->certs[cert_idx])) {
            use->led_by = set;
        }
    }
}

static void use_view(struct work *work, const struct snapshot_view *view, uint32_t target,
                     size_t set_count) {
    const struct snapshot *snapshot = work->snapshot;
    if (view->status != OUTCOME_SUCCESS || view->chain == SNAPSHOT_NONE ||
        snapshot->chains[view->chain].cert_count == 0) {
        return;
    }
    const struct snapshot_chain *chain = &snapshot->chains[view->chain];
    use_cert(work, snapshot->chain_certs[chain->first_cert], target, ROLE_LEAF, set_count);
    for (uint32_t p = chain->first_path; p < chain->first_path + chain->path_count; p++) {
        const struct snapshot_path *path = &snapshot->paths[p];
        for (uint32_t depth = 1; path->preferred && depth < path->cert_count; depth++) {
            use_cert(work, snapshot->path_certs[path->first_cert + depth], target,
                     depth + 1 == path->cert_count ? ROLE_ANCHOR : ROLE_INTERMEDIATE, set_count);
        }
    }
}

static void use_targets(struct work *work) {
    const struct snapshot *snapshot = work->snapshot;
    for (uint32_t i = 0; i < snapshot->targets_count; i++) {
        const struct snapshot_target *target = &snapshot->targets[i];
        size_t count = 0;
        if (work->policy != NULL) {
            count = pin_index_lookup(work->policy, span_str(target->pin_host), target->port,
                                     work->sets, PIN_SETS_PER_HOST_MAX);
            count = count < PIN_SETS_PER_HOST_MAX ? count : PIN_SETS_PER_HOST_MAX;
        }
        for (size_t s = 0; s < count; s++) {
            work->set_endpoints[work->sets[s]->idx]++;
        }
        for (uint32_t v = 0; v < target->view_count; v++) {
            use_view(work, &snapshot->views[target->first_view + v], i, count);
        }
    }
}

static void add_certs(struct work *work) {
    const struct snapshot *snapshot = work->snapshot;
    for (uint32_t i = 0; i < snapshot->certs_count && !work->expiry->failed; i++) {
        const struct snapshot_cert *cert = &snapshot->certs[i];
        const struct use *use = &work->uses[i];
        if (use->endpoints == 0 || cert->not_after == DATETIME_NONE) {
            continue;
        }
        struct expiry_item *item = add(work->expiry, EXPIRY_CERTIFICATE, cert->not_after,
                                       use->led_by != NULL ? lead_of(use->led_by) : 0);
        if (item == NULL) {
            continue;
        }
        const struct snapshot_target *target = &snapshot->targets[use->first_target];
        item->role = (use->role & ROLE_ANCHOR) != 0         ? "anchor"
                     : (use->role & ROLE_INTERMEDIATE) != 0 ? "intermediate"
                                                            : "leaf";
        item->name = cert->subject;
        item->issuer = cert->issuer;
        item->owner = target->owner;
        item->application = target->application;
        item->host = target->host;
        item->endpoints = use->endpoints;
        item->cert_sha256 = cert->cert_sha256;
        item->spki_sha256 = cert->has_spki ? cert->spki_sha256 : NULL;
        if (use->led_by != NULL) {
            item_of_set(item, use->led_by);
        }
    }
}

/* --- pin sets --- */

static void add_policy_sets(struct work *work) {
    for (uint32_t i = 0; i < work->policy->set_count; i++) {
        const struct pin_set *set = work->policy->sets[i];
        struct expiry_item *item = set->expires == DATETIME_NONE ? NULL
                                                                 : add(work->expiry, EXPIRY_PIN_SET,
                                                                       set->expires, lead_of(set));
        if (item != NULL) {
            item_of_set(item, set);
            item->name = set->name;
            item->endpoints = work->set_endpoints[i];
        }
        for (uint32_t e = 0; e < set->exception_count; e++) {
            const struct pin_exception *exception = &set->exceptions[e];
            item = exception->until == DATETIME_NONE
                       ? NULL
                       : add(work->expiry, EXPIRY_EXCEPTION, exception->until, 0);
            if (item != NULL) {
                item_of_set(item, set);
                item->name = exception->rule;
                item->reason = exception->reason;
                item->endpoints = work->set_endpoints[i];
            }
        }
    }
}

static int compare_sets(const void *a, const void *b) {
    const struct snapshot_set *x = *(const struct snapshot_set *const *)a,
                              *y = *(const struct snapshot_set *const *)b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->expires > y->expires) - (x->expires < y->expires);
}

static bool in_policy(const struct work *work, const char *name) {
    for (uint32_t i = 0; work->policy != NULL && i < work->policy->set_count; i++) {
        if (strcmp(work->policy->sets[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Pin sets that only the sweep knows: each once, without a lead. */
static void add_swept_sets(struct work *work) {
    const struct snapshot *snapshot = work->snapshot;
    const struct snapshot_set **sets = malloc(((size_t)snapshot->sets_count + 1) * sizeof *sets);
    uint32_t count = 0;
    if (sets == NULL) {
        work->expiry->failed = true;
        return;
    }
    for (uint32_t i = 0; i < snapshot->sets_count; i++) {
        if (snapshot->sets[i].expires != DATETIME_NONE) {
            sets[count++] = &snapshot->sets[i];
        }
    }
    qsort(sets, count, sizeof *sets, compare_sets);
    for (uint32_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && compare_sets(&sets[i], &sets[next]) == 0; next++) {
        }
        struct expiry_item *item = in_policy(work, sets[i]->name)
                                       ? NULL
                                       : add(work->expiry, EXPIRY_PIN_SET, sets[i]->expires, 0);
        if (item != NULL) {
            item->name = item->pin_set = sets[i]->name;
            item->owner = sets[i]->owner;
            item->application = sets[i]->application;
            item->endpoints = next - i;
        }
    }
    free(sets);
}

/* --- anchors that are pinned --- */

static void add_anchor(struct work *work, const struct pin_set *set,
                       const struct cert_record *anchor) {
    if (work->snapshot != NULL) {
        uint32_t idx = snapshot_find_cert(work->snapshot, anchor->cert_sha256);
        if (idx != SNAPSHOT_NONE && work->uses[idx].endpoints > 0) {
            return; /* it stands on a path, and was told as that */
        }
    }
    struct expiry_item *item =
        add(work->expiry, EXPIRY_ANCHOR, anchor->fields.not_after, lead_of(set));
    if (item != NULL) {
        item_of_set(item, set);
        char name[DNAME_TEXT_MAX];
        size_t len = dname_format(name, anchor->fields.subject);
        item->name = arena_copy_text(&work->expiry->texts, span_of(name, len));
        item->role = "anchor";
        item->cert_sha256 = anchor->cert_sha256;
        item->spki_sha256 = anchor->spki_sha256;
        item->endpoints = work->set_endpoints[set->idx];
    }
}

static void add_anchors(struct work *work) {
    for (uint32_t s = 0; s < work->policy->set_count; s++) {
        const struct pin_set *set = work->policy->sets[s];
        for (uint32_t t = 0; t < set->trust_count && !set->trust_none; t++) {
            int profile = trust_store_find(work->trust, set->trust[t]);
            for (uint32_t a = 0; profile >= 0 && a < work->trust->profiles[profile].count; a++) {
                const struct cert_record *anchor = &work->trust->profiles[profile].anchors[a];
                bool pinned = false;
                for (uint32_t p = 0; p < set->pin_count && !pinned; p++) {
                    pinned = set->pins[p].role != PIN_BAD && pin_equals(&set->pins[p], anchor);
                }
                if (pinned) {
                    add_anchor(work, set, anchor);
                }
            }
        }
    }
}

/* --- all --- */

static int compare_items(const void *a, const void *b) {
    const struct expiry_item *x = a, *y = b;
    if (x->state != y->state) {
        return x->state < y->state ? -1 : 1;
    }
    if (x->act_by_s != y->act_by_s) {
        return x->act_by_s < y->act_by_s ? -1 : 1;
    }
    if (x->ends_s != y->ends_s) {
        return x->ends_s < y->ends_s ? -1 : 1;
    }
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    int order = strcmp(x->name, y->name);
    order = order != 0 ? order : strcmp(x->pin_set, y->pin_set);
    return order != 0 || x->cert_sha256 == NULL || y->cert_sha256 == NULL
               ? order
               : memcmp(x->cert_sha256, y->cert_sha256, SHA256_LEN);
}

static bool work_init(struct work *work) {
    uint32_t certs = work->snapshot != NULL ? work->snapshot->certs_count : 0,
             sets = work->policy != NULL ? work->policy->set_count : 0;
    work->uses = calloc((size_t)certs + 1, sizeof *work->uses);
    work->set_endpoints = calloc((size_t)sets + 1, sizeof *work->set_endpoints);
    work->sets = calloc(PIN_SETS_PER_HOST_MAX, sizeof *work->sets);
    for (uint32_t i = 0; work->uses != NULL && i < certs; i++) {
        work->uses[i].first_target = work->uses[i].last_target = SNAPSHOT_NONE;
    }
    return work->uses != NULL && work->set_endpoints != NULL && work->sets != NULL;
}

enum err expiry_run(struct expiry *expiry, const struct snapshot *snapshot,
                    const struct pin_index *policy, const struct trust_store *trust,
                    const struct expiry_options *options, struct err_note *note) {
    struct work work = {.expiry = expiry, .snapshot = snapshot, .policy = policy, .trust = trust};
    *expiry = (struct expiry){.options = *options};
    if (!work_init(&work)) {
        expiry->failed = true;
    }
    if (!expiry->failed && snapshot != NULL) {
        use_targets(&work);
        add_certs(&work);
        add_swept_sets(&work);
    }
    if (!expiry->failed && policy != NULL) {
        add_policy_sets(&work);
        add_anchors(&work);
    }
    free(work.uses);
    free(work.set_endpoints);
    free(work.sets);
    if (expiry->failed) {
        return err_note(note, ERR_RESOURCE, "not enough memory for what ends when");
    }
    if (expiry->item_count > 0) {
        qsort(expiry->items, expiry->item_count, sizeof *expiry->items, compare_items);
    }
    return ERR_NONE;
}

void expiry_fini(struct expiry *expiry) {
    free(expiry->items);
    arena_fini(&expiry->texts);
    *expiry = (struct expiry){0};
}
