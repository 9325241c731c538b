#include "engine/sweep/probe.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/sweep/worker.h"

#define PARK_MIN_NS (2 * NS_PER_MS)
#define PARK_DOUBLINGS_MAX 7          /* 2 ms, 4 ms, ... 256 ms */
#define BACK_OFF_NS (250 * NS_PER_MS) /* before a further round, doubled each time */
#define BACK_OFF_DOUBLINGS_MAX 4

/* Every transition goes through here. */
static void probe_move(struct probe *probe, enum probe_state to) {
    switch (probe->state) {
    case PROBE_NEW:
        CHECK(to == PROBE_WAITING || to == PROBE_DONE);
        break;
    case PROBE_WAITING:
        CHECK(to == PROBE_OPEN || to == PROBE_PARKED || to == PROBE_DONE);
        break;
    case PROBE_PARKED:
        CHECK(to == PROBE_WAITING || to == PROBE_DONE);
        break;
    case PROBE_OPEN:
        CHECK(to == PROBE_WAITING || to == PROBE_PARKED || to == PROBE_DONE);
        break;
    case PROBE_DONE:
        CHECK(to == PROBE_WAITING); /* once, for proof */
        break;
    }
    probe->state = to;
}

/* --- the target's clock --- */

static void clock_run(struct worker *worker, struct target *target) {
    if (target->active_count++ == 0) {
        target->deadline_ns = worker->now_ns + target->remaining_ns;
        timer_arm(&worker->wheel, &target->timer, target->deadline_ns);
    }
}

static void clock_pause(struct worker *worker, struct target *target) {
    CHECK(target->active_count > 0);
    if (--target->active_count == 0) {
        target->remaining_ns =
            target->deadline_ns > worker->now_ns ? target->deadline_ns - worker->now_ns : 0;
        timer_cancel(&worker->wheel, &target->timer);
    }
}

/* --- ends --- */

static void target_to_judging(struct worker *worker, struct target *target) {
    CHECK(target->active_count == 0);
    target->state = TARGET_JUDGING;
    list_push_back(&worker->judging, &target->node);
}

/* A target whose name led nowhere. */
static void target_end(struct worker *worker, struct target *target, enum outcome outcome,
                       const char *error) {
    target->outcome = outcome;
    snprintf(target->error, sizeof target->error, "%s", error);
    target_to_judging(worker, target);
}

/* The back-off is the peer's doing: unlike our own politeness it runs on the target's clock, or
 * many retries would outlast the deadline. */
static void back_off_begin(struct worker *worker, struct probe *probe) {
    clock_run(worker, probe->target);
    probe->backs_off = true;
}

static void back_off_end(struct worker *worker, struct probe *probe) {
    if (probe->backs_off) {
        probe->backs_off = false;
        clock_pause(worker, probe->target);
    }
}

static void probe_done(struct worker *worker, struct probe *probe, enum outcome outcome) {
    struct target *target = probe->target;
    probe_move(probe, PROBE_DONE);
    probe->outcome = outcome;
    back_off_end(worker, probe);
    timer_cancel(&worker->wheel, &probe->timer);
    list_remove(&probe->node);
    if (++target->probes_done == target->probe_count) {
        target_to_judging(worker, target);
    }
}

static void probe_wait(struct worker *worker, struct probe *probe) {
    probe_move(probe, PROBE_WAITING);
    list_push_back(&worker->waiting, &probe->node);
}

static void probe_park(struct worker *worker, struct probe *probe, uint64_t wait_ns) {
    probe_move(probe, PROBE_PARKED);
    timer_arm(&worker->wheel, &probe->timer, worker->now_ns + wait_ns);
}

static uint64_t jittered(struct worker *worker, uint64_t wait_ns) {
    return wait_ns + rng_below(&worker->rng, (uint32_t)(wait_ns / 2 + 1));
}

/* --- addresses --- */

static void drop_chain(struct worker *worker, struct probe *probe) {
    if (probe->chain != NULL) {
        intern_release(worker->intern, probe->chain);
        probe->chain = NULL;
    }
}

static void make_probes(struct worker *worker, struct target *target) {
    const struct sweep_config *config = worker->config;
    if (!target_make_probes(target, config->key_views, config->key_view_count,
                            config->all_addresses)) {
        target_end(worker, target, OUTCOME_RESOURCE_ERROR, "not enough memory");
        return;
    }
    target->state = TARGET_PROBING;
    for (uint32_t i = 0; i < target->probe_count; i++) {
        struct probe *probe = &target->probes[i];
        probe->depth = config->depth;
        const struct netaddr *address = &target->addresses[probe->first_address_idx];
        if (config->all_addresses && blocklist_has_address(config->blocklist, address)) {
            probe_done(worker, probe, OUTCOME_BLOCKLISTED);
        } else {
            probe_wait(worker, probe);
        }
    }
}

/* Without --all-addresses a blocked address is none to fall back to; with it, it is a view of its
 * own. */
static void drop_blocked_addresses(const struct sweep_config *config, struct target *target) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < target->address_count; i++) {
        if (!blocklist_has_address(config->blocklist, &target->addresses[i])) {
            target->addresses[kept++] = target->addresses[i];
        }
    }
    if (kept == 0 || !config->all_addresses) {
        target->address_count = kept;
    }
}

/* Blocked views need their addresses in the record, so a list with all addresses blocked ends the
 * target. */
static void start_addresses(struct worker *worker, struct target *target) {
    const struct sweep_config *config = worker->config;
    bool any_allowed = false;
    for (uint32_t i = 0; i < target->address_count && !any_allowed; i++) {
        any_allowed = !blocklist_has_address(config->blocklist, &target->addresses[i]);
    }
    if (!any_allowed) {
        target_end(worker, target, OUTCOME_BLOCKLISTED, "every address is on the block list");
        return;
    }
    if (!config->all_addresses) {
        drop_blocked_addresses(config, target);
    }
    make_probes(worker, target);
}

void probe_start_target(struct worker *worker, struct target *target) {
    const struct sweep_config *config = worker->config;
    if (blocklist_has_host(config->blocklist, span_str(target->host)) ||
        (target->sni[0] != '\0' && blocklist_has_host(config->blocklist, span_str(target->sni)))) {
        target_end(worker, target, OUTCOME_BLOCKLISTED, "the name is on the block list");
        return;
    }
    if (target->address_count > 0) {
        start_addresses(worker, target);
        return;
    }
    target->resolution = calloc(1, sizeof *target->resolution);
    if (target->resolution == NULL) {
        target_end(worker, target, OUTCOME_RESOURCE_ERROR, "not enough memory");
        return;
    }
    target->resolution->owner = target;
    target->state = TARGET_RESOLVING;
    clock_run(worker, target);
    resolver_start(worker->resolver, target->resolution, target->host);
}

/* With --all-addresses a view that nobody knows of is missing all the same. */
static void note_missing_addresses(const struct worker *worker, struct target *target,
                                   const struct resolution *resolution) {
    target->addresses_missing =
        worker->config->all_addresses && (resolution->truncated || resolution->missing != NULL);
    if (target->addresses_missing && resolution->truncated) {
        snprintf(target->error, sizeof target->error,
                 "the name has more addresses than the %d taken up", ADDRESSES_MAX);
    } else if (target->addresses_missing) {
        snprintf(target->error, sizeof target->error, "not every address is known: %s",
                 resolution->missing);
    }
}

void probe_on_resolved(struct worker *worker, struct target *target) {
    struct resolution *resolution = target->resolution;
    target->resolution = NULL;
    clock_pause(worker, target);
    target->dns_ns = resolution->finished_ns - resolution->started_ns;
    if (resolution->outcome != OUTCOME_SUCCESS) {
        target_end(worker, target, resolution->outcome, resolution->error);
        free(resolution);
        return;
    }
    size_t len = resolution->address_count * sizeof *target->addresses;
    target->addresses = malloc(len);
    if (target->addresses == NULL) {
        target_end(worker, target, OUTCOME_RESOURCE_ERROR, "not enough memory");
    } else {
        memcpy(target->addresses, resolution->addresses, len);
        target->address_count = resolution->address_count;
        note_missing_addresses(worker, target, resolution);
        start_addresses(worker, target);
    }
    free(resolution);
}

/* --- attempts --- */

void probe_open(struct worker *worker, struct probe *probe) {
    const struct sweep_config *config = worker->config;
    struct target *target = probe->target;
    const struct netaddr *address = &target->addresses[probe->address_idx];
    uint64_t wait_ns;
    if (target->active_count == 0 && target->remaining_ns == 0) {
        /* It ran out while this probe waited: nobody is dialled after the deadline. */
        probe_done(worker, probe, probe->attempts > 0 ? probe->outcome : OUTCOME_TARGET_TIMEOUT);
        return;
    }
    if (!limiter_try(worker->shared->limiter, address, worker->now_ns, &wait_ns)) {
        uint64_t floor_ns =
            PARK_MIN_NS << (probe->parks < PARK_DOUBLINGS_MAX ? probe->parks : PARK_DOUBLINGS_MAX);
        probe->parks++;
        probe_park(worker, probe, jittered(worker, wait_ns > floor_ns ? wait_ns : floor_ns));
        return;
    }
    clock_run(worker, target);
    struct conn_request request = {
        .address = *address,
        .port = target->port,
        .key_view = probe->key_view,
        .depth = probe->depth,
        .sni = target->sni[0] != '\0' ? target->sni : NULL,
        .connect_timeout_ns = config->connect_timeout_ns,
        .io_timeout_ns = config->io_timeout_ns,
        .target_deadline_ns = target->deadline_ns,
        .owner = probe,
    };
    probe->conn = conn_open(worker->conns, &request);
    CHECK(probe->conn != NULL); /* the caller saw a free slot */
    probe->limiter_held = true;
    probe->parks = 0;
    probe->attempts++;
    probe_move(probe, PROBE_OPEN);
}

/* Copies what the attempt showed. */
static enum outcome keep_evidence(struct worker *worker, struct probe *probe, struct chain *chain) {
    const struct conn *conn = probe->conn;
    enum outcome outcome = conn->outcome;
    probe->facts = conn->tls.facts;
    probe->opened_ns = conn->times.opened;
    probe->connected_ns = conn->times.connected;
    probe->finished_ns = conn->times.finished;
    drop_chain(worker, probe);
    probe->chain = chain;
    CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
    if (chain == NULL && tls_peer_chain(&conn->tls, certs) > CHAIN_CERTS_MAX) {
        return outcome == OUTCOME_SUCCESS ? OUTCOME_CHAIN_TOO_LARGE : outcome;
    }
    if (outcome != OUTCOME_SUCCESS) {
        return outcome;
    }
    if (probe->chain == NULL) {
        return OUTCOME_NO_CERTIFICATES;
    }
    if (!probe->chain->certs[0]->strict) {
        snprintf(probe->facts.error, sizeof probe->facts.error,
                 "the leaf certificate is malformed%s",
                 probe->chain->certs[0]->has_spki ? " (its key could still be hashed)" : "");
        return OUTCOME_MALFORMED_CERTIFICATE;
    }
    return OUTCOME_SUCCESS;
}

/* Only the SSL object can tell what this server does: a new connection, not a retry. */
static void fall_back(struct worker *worker, struct probe *probe, bool has_time) {
    probe->depth = DEPTH_COMPLETE;
    /* Unless that attempt is made, nothing is known but that there was no time for it. */
    probe->outcome = worker->aborting ? OUTCOME_CANCELLED : OUTCOME_TARGET_TIMEOUT;
    snprintf(probe->facts.error, sizeof probe->facts.error,
             "no time was left to complete the handshake");
    drop_chain(worker, probe);
    if (has_time) {
        probe_wait(worker, probe);
    } else {
        probe_done(worker, probe, probe->outcome);
    }
}

void probe_on_finished(struct worker *worker, struct probe *probe, struct chain *chain) {
    struct target *target = probe->target;
    enum outcome outcome = keep_evidence(worker, probe, chain);
    bool fallback = probe->conn->tls.fallback;
    probe->outcome = outcome;
    conn_release(worker->conns, probe->conn);
    probe->conn = NULL;
    limiter_done(worker->shared->limiter, &target->addresses[probe->address_idx]);
    probe->limiter_held = false;
    clock_pause(worker, target);
    bool has_time = !target->timed_out && target->remaining_ns > 0 && !worker->aborting;
    bool again = has_time && outcome_is_retryable(outcome);
    if (fallback) {
        fall_back(worker, probe, has_time);
    } else if (again && probe->address_idx + 1 < probe->first_address_idx + probe->address_count) {
        probe->address_idx++;
        probe_wait(worker, probe);
    } else if (again && probe->round < worker->config->retries) {
        uint32_t doublings =
            probe->round < BACK_OFF_DOUBLINGS_MAX ? probe->round : BACK_OFF_DOUBLINGS_MAX;
        probe->round++;
        probe->address_idx = probe->first_address_idx;
        probe_park(worker, probe, jittered(worker, BACK_OFF_NS << doublings));
        back_off_begin(worker, probe);
    } else {
        probe_done(worker, probe, outcome);
    }
}

void probe_on_park_timer(struct worker *worker, struct probe *probe) {
    back_off_end(worker, probe);
    probe_wait(worker, probe);
}

void probe_escalate(struct worker *worker, struct target *target) {
    CHECK(target->state == TARGET_JUDGING);
    list_remove(&target->node);
    target->state = TARGET_PROBING;
    for (uint32_t i = 0; i < target->probe_count; i++) {
        struct probe *probe = &target->probes[i];
        if (judge_is_unproven(probe)) {
            probe->depth = DEPTH_PROVE;
            probe->round = 0; /* what the capture needed is not taken from the proof */
            target->probes_done--;
            probe_wait(worker, probe);
        }
    }
}

/* --- ends from outside --- */

/* Ends what is not in flight; connections in flight have the same deadline, or are aborted, and end
 * by themselves. */
static void end_idle_probes(struct worker *worker, struct target *target, enum outcome outcome) {
    /* The last one done hands the target on: nothing may touch it afterwards. */
    uint32_t left = target->probe_count - target->probes_done;
    for (uint32_t i = 0; i < target->probe_count && left > 0; i++) {
        struct probe *probe = &target->probes[i];
        if (probe->state == PROBE_WAITING || probe->state == PROBE_PARKED ||
            probe->state == PROBE_NEW) {
            left--;
            probe_done(worker, probe, probe->attempts > 0 ? probe->outcome : outcome);
        }
    }
}

void probe_on_target_timer(struct worker *worker, struct target *target) {
    target->timed_out = true;
    if (target->state == TARGET_RESOLVING) {
        resolver_cancel(worker->resolver, target->resolution);
        free(target->resolution);
        target->resolution = NULL;
        clock_pause(worker, target);
        target_end(worker, target, OUTCOME_TARGET_TIMEOUT,
                   "resolving the name took longer than --target-timeout");
        return;
    }
    end_idle_probes(worker, target, OUTCOME_TARGET_TIMEOUT);
}

void probe_cancel_all(struct worker *worker) {
    conns_abort(worker->conns);
    for (uint32_t i = 0; i < worker->targets.fresh_idx; i++) {
        if (!(worker->targets.generations[i] & 1)) {
            continue;
        }
        struct target *target = pool_at(&worker->targets, i);
        switch (target->state) {
        case TARGET_RESOLVING:
            resolver_cancel(worker->resolver, target->resolution);
            free(target->resolution);
            target->resolution = NULL;
            clock_pause(worker, target);
            target_end(worker, target, OUTCOME_CANCELLED, "interrupted");
            break;
        case TARGET_PROBING:
            end_idle_probes(worker, target, OUTCOME_CANCELLED);
            break;
        case TARGET_JUDGING:
            break;
        }
    }
}

void probe_release_target(struct worker *worker, struct target *target) {
    for (uint32_t i = 0; i < target->probe_count; i++) {
        CHECK(target->probes[i].state == PROBE_DONE);
        drop_chain(worker, &target->probes[i]);
    }
    timer_cancel(&worker->wheel, &target->timer);
    target_fini(target);
    pool_give(&worker->targets, target);
}
