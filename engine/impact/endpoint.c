#include "engine/impact/endpoint.h"

void endpoint_init(struct endpoint *endpoint, const struct world *world,
                   const struct snapshot_chain *chain) {
    CHECK(chain->cert_count > 0);
    world_leaf(world, chain, &endpoint->leaf);
    endpoint->sent_count = 0;
    endpoint->changed = false;
    const uint32_t *certs = &world->snapshot->chain_certs[chain->first_cert];
    for (uint32_t i = 1; i < chain->cert_count; i++) {
        uint32_t idx = world->of_snapshot[certs[i]];
        if (certs[i] != certs[0] && idx != WORLD_NONE) {
            endpoint_send(endpoint, world->certs[idx]);
        }
    }
}

bool endpoint_sends(const struct endpoint *endpoint, const struct world_cert *cert) {
    for (uint32_t i = 0; i < endpoint->sent_count; i++) {
        if (endpoint->sent[i] == cert) {
            return true;
        }
    }
    return false;
}

void endpoint_send(struct endpoint *endpoint, const struct world_cert *cert) {
    if (endpoint->sent_count < ENDPOINT_SENT_MAX && !endpoint_sends(endpoint, cert)) {
        endpoint->sent[endpoint->sent_count++] = cert;
    }
}

/* --- who stands above --- */

#define ABOVE_MAX 64

struct above {
    uint32_t authorities[ABOVE_MAX];
    uint32_t count;
};

static void add_above(struct above *above, uint32_t authority) {
    for (uint32_t i = 0; i < above->count; i++) {
        if (above->authorities[i] == authority) {
            return;
        }
    }
    if (authority != WORLD_NONE && above->count < ABOVE_MAX) {
        above->authorities[above->count++] = authority;
    }
}

bool endpoint_involves(const struct endpoint *endpoint, const struct world *world,
                       uint32_t authority, uint32_t moment) {
    struct above above = {.count = 0};
    add_above(&above, endpoint->leaf.signer);
    for (uint32_t i = 0; i < above.count; i++) {
        uint32_t at = above.authorities[i];
        if (at == authority) {
            return true;
        }
        for (uint32_t k = 0; k < endpoint->sent_count; k++) {
            if (endpoint->sent[k]->authority == at) {
                add_above(&above, endpoint->sent[k]->signer);
            }
        }
        for (uint32_t k = world->authorities[at].first_anchor; k != WORLD_NONE;
             k = world->anchors[k].next) {
            const struct world_anchor *anchor = &world->anchors[k];
            if (anchor->from <= moment && moment < anchor->until) {
                add_above(&above, world->certs[anchor->cert]->signer);
            }
        }
    }
    return false;
}

/* --- paths --- */

struct search {
    const struct endpoint *endpoint;
    const struct world *world;
    uint32_t profile, moment;
    const struct world_cert *path[PATH_CERTS_MAX];
    uint32_t depth, steps;
    bool done, reached; /* reached: a path was complete, whatever became of it */
    const struct world_cert *dead_end;
    struct profile_paths *out;
    struct endpoint_losses *losses;
};

static bool step(struct search *search) {
    if (search->done || search->steps == PATH_STEPS_MAX) {
        search->done = search->out->truncated = true;
        return false;
    }
    search->steps++;
    return true;
}

static bool fits(struct search *search, const struct world_cert *cert) {
    if (search->depth == PATH_CERTS_MAX) {
        search->out->truncated = true;
        return false;
    }
    for (uint32_t i = 0; i < search->depth; i++) {
        if (search->path[i] == cert || search->path[i]->authority == cert->authority) {
            return false;
        }
    }
    return true;
}

static bool is_late(const struct world_distrust *distrust, const struct world_cert *leaf) {
    if (distrust->after == DATETIME_NONE) {
        return true;
    }
    int64_t issued = distrust->gate == SCENARIO_BY_SCT && leaf->first_sct_s != DATETIME_NONE
                         ? leaf->first_sct_s
                         : leaf->not_before;
    return issued != DATETIME_NONE && issued > distrust->after;
}

/* What clients hold against the certificate on this path. */
static enum endpoint_loss loss_of(const struct search *search, uint32_t depth) {
    const struct world *world = search->world;
    const struct world_cert *cert = search->path[depth];
    const struct world_dead_key *dead = world_dead_key(world, &cert->record, search->moment);
    if (dead != NULL) {
        return dead->compromised ? LOSS_COMPROMISED : LOSS_REVOKED;
    }
    for (uint32_t i = 0; i < world->distrust_count; i++) {
        const struct world_distrust *distrust = &world->distrusts[i];
        if (distrust->authority == cert->authority && distrust->from <= search->moment &&
            (distrust->profiles & 1u << search->profile) != 0 &&
            is_late(distrust, search->path[0])) {
            return LOSS_DISTRUSTED;
        }
    }
    return LOSS_NONE;
}

/* The first `count` certificates are a path. */
static void found(struct search *search, uint32_t count) {
    struct profile_paths *out = search->out;
    struct path path = {.count = (uint8_t)count,
                        .structural = PKIX_OK,
                        .not_before = INT64_MIN,
                        .not_after = INT64_MAX};
    int32_t between = 0; /* intermediates so far that count for a path length (RFC 5280 4.2.1.9) */
    search->reached = true;
    for (uint32_t i = 0; i < count; i++) {
        const struct world_cert *cert = search->path[i];
        enum endpoint_loss loss = loss_of(search, i);
        if (loss != LOSS_NONE) {
            if (search->losses->loss == LOSS_NONE) {
                *search->losses = (struct endpoint_losses){loss, cert};
            }
            return;
        }
        int16_t limit = cert->record.fields.path_len;
        if (i > 0 && limit >= 0 && between > limit) {
            return;
        }
        between += i > 0 && strcmp(cert->subject, cert->issuer) != 0;
        path.certs[i] = &cert->record;
        if (cert->not_before != DATETIME_NONE && cert->not_before > path.not_before) {
            path.not_before = cert->not_before;
        }
        if (cert->not_after != DATETIME_NONE && cert->not_after < path.not_after) {
            path.not_after = cert->not_after;
        }
    }
    out->paths[out->count++] = path;
    out->ok_count = out->count;
    if (out->count == PATHS_MAX) {
        search->done = out->truncated = true;
    }
}

static void extend(struct search *search);

static void extend_with(struct search *search, const struct world_cert *cert) {
    search->path[search->depth++] = cert;
    extend(search);
    search->depth--;
}

static void extend_to_anchors(struct search *search, uint32_t signer, bool above) {
    const struct world *world = search->world;
    for (uint32_t i = world->authorities[signer].first_anchor; i != WORLD_NONE;
         i = world->anchors[i].next) {
        const struct world_anchor *anchor = &world->anchors[i];
        const struct world_cert *cert = world->certs[anchor->cert];
        if (anchor->profile != search->profile || search->moment < anchor->from ||
            search->moment >= anchor->until ||
            (above && (anchor->truncates || world_is_self_signed(cert)))) {
            continue;
        }
        if (!step(search)) {
            return;
        }
        if (!fits(search, cert)) {
            continue;
        }
        if (above) {
            extend_with(search, cert);
        } else {
            search->path[search->depth] = cert;
            found(search, search->depth + 1);
        }
    }
}

/* Recursion: at most PATH_CERTS_MAX deep. */
static void extend(struct search *search) {
    const struct endpoint *endpoint = search->endpoint;
    const struct world_cert *top = search->path[search->depth - 1];
    search->dead_end = top;
    if (top->signer == WORLD_NONE || world_is_self_signed(top)) {
        return;
    }
    extend_to_anchors(search, top->signer, false);
    extend_to_anchors(search, top->signer, true);
    for (uint32_t i = 0; i < endpoint->sent_count && !search->done; i++) {
        const struct world_cert *cert = endpoint->sent[i];
        if (cert->authority != top->signer ||
            world_is_anchor(search->world, cert, search->profile, search->moment)) {
            continue;
        }
        if (!step(search)) {
            return;
        }
        if (fits(search, cert)) {
            extend_with(search, cert);
        }
    }
}

void endpoint_find_paths(const struct endpoint *endpoint, const struct world *world,
                         uint32_t profile, uint32_t moment, struct profile_paths *out,
                         struct endpoint_losses *out_losses) {
    struct search search = {.endpoint = endpoint,
                            .world = world,
                            .profile = profile,
                            .moment = moment,
                            .out = out,
                            .losses = out_losses};
    out->count = out->ok_count = 0;
    out->truncated = false;
    out->failure = PKIX_OK;
    out->detail[0] = '\0';
    *out_losses = (struct endpoint_losses){LOSS_NONE, NULL};
    search.path[0] = &endpoint->leaf;
    if (world_is_anchor(world, &endpoint->leaf, profile, moment)) {
        found(&search, 1);
    }
    search.depth = 1;
    extend(&search);
    if (out->count == 0) {
        bool whole =
            search.reached || (search.dead_end != NULL && world_is_self_signed(search.dead_end));
        out->failure = whole ? PKIX_UNTRUSTED : PKIX_INCOMPLETE_CHAIN;
    }
}
