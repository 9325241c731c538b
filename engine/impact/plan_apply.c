/* What the operations do to one endpoint. */
#include "engine/impact/plan.h"

static bool concerns_host(const struct scenario_op *op, struct span host, uint16_t port) {
    for (uint32_t i = 0; i < op->host_count; i++) {
        if (scenario_host_matches(&op->hosts[i], host, port)) {
            return true;
        }
    }
    return op->host_count == 0;
}

/* A new certificate for the leaf, signed by `signer` at that time. */
static void reissue(struct endpoint *endpoint, const struct world *world, uint32_t signer,
                    enum scenario_key key, const uint8_t key_sha256[SHA256_LEN], int64_t clock) {
    struct world_cert *leaf = &endpoint->leaf;
    struct span key_bytes = leaf->record.fields.spki;
    leaf->signer = signer;
    leaf->issuer = signer != WORLD_NONE ? world->authorities[signer].name : "";
    leaf->symbolic = true;
    leaf->idx = leaf->authority = WORLD_NONE;
    leaf->not_before = leaf->first_sct_s = clock;
    leaf->not_after = DATETIME_NONE;
    leaf->record.cert_sha256[0]++; /* nobody's: it is not known yet */
    leaf->record.der = span_of(NULL, 0);
    if (key != SCENARIO_KEY_SAME) {
        key_bytes = span_of(NULL, 0);
        leaf->unknown_key = key == SCENARIO_KEY_NEW;
        leaf->record.has_spki = true;
        memcpy(leaf->record.spki_sha256,
               key == SCENARIO_KEY_NEW ? world->unknown_sha256 : key_sha256, SHA256_LEN);
    }
    leaf->record.fields.spki = key_bytes;
    endpoint->changed = true;
}

static const struct plan_swap *find_swap(const struct plan_step *step, uint32_t cert) {
    uint32_t first = 0, end = step->swap_count;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        if (step->swaps[middle].old_cert < cert) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first < step->swap_count && step->swaps[first].old_cert == cert ? &step->swaps[first]
                                                                           : NULL;
}

static bool sends_authority(const struct endpoint *endpoint, uint32_t authority) {
    for (uint32_t i = 0; i < endpoint->sent_count; i++) {
        if (endpoint->sent[i]->authority == authority) {
            return true;
        }
    }
    return false;
}

/* Another CA, or another certificate of it, takes the place of `from`. */
static void replace(const struct plan *plan, const struct plan_step *step,
                    struct endpoint *endpoint) {
    const struct world *world = plan->world;
    bool swapped = false;
    uint32_t count = endpoint->sent_count;
    const struct world_cert *sent[ENDPOINT_SENT_MAX];
    memcpy(sent, endpoint->sent, count * sizeof(*sent));
    endpoint->sent_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_swap *swap = find_swap(step, sent[i]->idx);
        swapped = swapped || swap != NULL;
        endpoint_send(endpoint, swap != NULL ? world->certs[swap->new_cert] : sent[i]);
    }
    endpoint->changed = endpoint->changed || swapped;
    if (endpoint->leaf.signer == step->from && step->from != step->to) {
        reissue(endpoint, world, step->to, SCENARIO_KEY_SAME, NULL, step->clock);
        swapped = true;
    }
    for (uint32_t i = 0; i < step->cert_count && swapped; i++) {
        if (!world_is_self_signed(step->certs[i])) {
            endpoint_send(endpoint, step->certs[i]);
        }
    }
    /* A new intermediate is sent even where the old one was not (clients had it as an anchor). */
    if (step->sends != NULL && endpoint->leaf.signer == step->to &&
        !sends_authority(endpoint, step->to)) {
        endpoint_send(endpoint, step->sends);
    }
}

static void move(const struct plan *plan, const struct plan_step *step, uint32_t moment,
                 struct endpoint *endpoint) {
    if (step->from != WORLD_NONE &&
        !endpoint_involves(endpoint, plan->world, step->from, moment - 1)) {
        return;
    }
    reissue(endpoint, plan->world, step->to, step->op->key, step->op->key_sha256, step->clock);
    endpoint->sent_count = 0;
    for (uint32_t i = 0; i < step->cert_count; i++) {
        if (!world_is_self_signed(step->certs[i])) {
            endpoint_send(endpoint, step->certs[i]);
        }
    }
}

/* The anchor that the first path of the first profile that has one ends at. */
static void send_root(const struct plan *plan, uint32_t moment, struct endpoint *endpoint) {
    struct path room[PATHS_MAX];
    for (uint32_t p = 0; p < plan->world->store->count; p++) {
        struct profile_paths paths = {.paths = room};
        struct endpoint_losses losses;
        endpoint_find_paths(endpoint, plan->world, p, moment - 1, &paths, &losses);
        if (paths.count > 0 && room[0].count > 1) {
            const struct world_cert *root = world_cert_of(room[0].certs[room[0].count - 1]);
            endpoint->changed = endpoint->changed || !endpoint_sends(endpoint, root);
            endpoint_send(endpoint, root);
            return;
        }
    }
}

/* Leaves out what `drops` says. */
static void drop(struct endpoint *endpoint, const struct world_cert *cert) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < endpoint->sent_count; i++) {
        bool drops =
            cert != NULL ? endpoint->sent[i] == cert : world_is_self_signed(endpoint->sent[i]);
        endpoint->changed = endpoint->changed || drops;
        if (!drops) {
            endpoint->sent[kept++] = endpoint->sent[i];
        }
    }
    endpoint->sent_count = kept;
}

static void apply_step(const struct plan *plan, uint32_t idx, struct endpoint *endpoint) {
    const struct plan_step *step = &plan->steps[idx];
    uint32_t moment = idx + 1;
    switch (step->op->kind) {
    case SCENARIO_REISSUE:
        reissue(endpoint, plan->world, endpoint->leaf.signer, step->op->key, step->op->key_sha256,
                step->clock);
        return;
    case SCENARIO_REPLACE_INTERMEDIATE:
    case SCENARIO_REPLACE_ROOT:
    case SCENARIO_REKEY_CA:
    case SCENARIO_RENEW_CA:
        replace(plan, step, endpoint);
        return;
    case SCENARIO_ADD_CROSS_SIGN:
        if (endpoint_involves(endpoint, plan->world, step->to, moment - 1) &&
            !endpoint_sends(endpoint, step->certs[0])) {
            endpoint_send(endpoint, step->certs[0]);
            endpoint->changed = true;
        }
        return;
    case SCENARIO_REMOVE_CROSS_SIGN:
        drop(endpoint, step->certs[0]);
        return;
    case SCENARIO_MOVE_CA:
        move(plan, step, moment, endpoint);
        return;
    case SCENARIO_SEND_ROOT:
        send_root(plan, moment, endpoint);
        return;
    case SCENARIO_STOP_SENDING_ROOT:
        drop(endpoint, NULL);
        return;
    case SCENARIO_DISTRUST:
    case SCENARIO_REMOVE_ANCHOR:
    case SCENARIO_PROMOTE_ANCHOR:
    case SCENARIO_REVOKE:
    case SCENARIO_COMPROMISE:
    case SCENARIO_ADD_CHAIN:
    case SCENARIO_ADVANCE_CLOCK:
    case SCENARIO_CHANGE_PINSET:
    case SCENARIO_KIND_COUNT:
        return;
    }
}

static void apply_from(const struct plan *plan, uint32_t first, struct span host, uint16_t port,
                       struct endpoint *endpoint) {
    for (uint32_t i = first; i < plan->count; i++) {
        if (concerns_host(plan->steps[i].op, host, port)) {
            apply_step(plan, i, endpoint);
        }
    }
}

void plan_apply(const struct plan *plan, struct span host, uint16_t port,
                struct endpoint *endpoint) {
    apply_from(plan, 0, host, port, endpoint);
}

bool plan_next_added(const struct plan *plan, struct span host, uint16_t port, uint32_t *cursor,
                     struct endpoint *out, enum key_view *out_key_type) {
    while (*cursor < plan->count) {
        uint32_t idx = (*cursor)++;
        const struct plan_step *step = &plan->steps[idx];
        if (step->op->kind != SCENARIO_ADD_CHAIN || !concerns_host(step->op, host, port)) {
            continue;
        }
        out->leaf = *step->certs[0];
        out->sent_count = 0;
        out->changed = true;
        for (uint32_t i = 1; i < step->cert_count; i++) {
            endpoint_send(out, step->certs[i]);
        }
        *out_key_type = step->op->key_type;
        apply_from(plan, idx + 1, host, port, out);
        return true;
    }
    return false;
}
