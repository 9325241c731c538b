#include "engine/sweep/worker_admit.h"

#include "engine/sweep/probe.h"

#define ADMIT_PER_TICK 512 /* then the ring gets its turn */
#define ADMIT_AHEAD                                                                                \
    SLICE_LINES /* while every connection is taken: names get resolved, and no more */

/* Takes up one inventory entry. False if there is no room for it now. */
static bool admit_entry(struct worker *worker, const struct inventory_target *entry) {
    bool needs_name = !entry->has_connect;
    if (needs_name && !resolver_has_room(worker->resolver)) {
        return false;
    }
    struct target *target = pool_take(&worker->targets);
    if (target == NULL) {
        return false;
    }
    if (!target_init(target, entry, worker->config->sni, worker->config->use_sni)) {
        target_fini(target);
        pool_give(&worker->targets, target);
        return false;
    }
    target->remaining_ns = worker->config->target_timeout_ns;
    probe_start_target(worker, target);
    return true;
}

/* How many entries may be taken up now: as many as find a connection free. A worker that took more
   would keep them from others that have some. */
static uint32_t admissible(const struct worker *worker) {
    if (!list_is_empty(&worker->waiting)) {
        return 0;
    }
    uint32_t in_use = conns_in_use(worker->conns), window = worker->pace.window;
    uint32_t room = window > in_use ? window - in_use : ADMIT_AHEAD;
    return room < ADMIT_PER_TICK ? room : ADMIT_PER_TICK;
}

void worker_admit(struct worker *worker) {
    worker->input_waits = false;
    uint32_t count = admissible(worker);
    for (uint32_t i = 0; i < count && !worker->input_ended && !worker->aborting; i++) {
        if (worker->targets.taken_count == worker->targets.capacity) {
            return;
        }
        if (!worker->entry_pending) {
            switch (inventory_reader_next(worker->reader, &worker->entry)) {
            case INVENTORY_TARGET:
                worker->entry_pending = true;
                break;
            case INVENTORY_WAIT:
                worker->input_waits = true;
                return;
            case INVENTORY_END:
                worker->input_ended = true;
                return;
            case INVENTORY_FAILED:
                worker->input_ended = true;
                atomic_store(&worker->shared->stop, true);
                return;
            }
        }
        if (!admit_entry(worker, &worker->entry)) {
            return;
        }
        worker->entry_pending = false;
    }
}

void worker_open(struct worker *worker) {
    while (!list_is_empty(&worker->waiting) && conns_available(worker->conns) > 0) {
        if (conns_in_use(worker->conns) >= worker->pace.window) {
            pace_note_full(&worker->pace);
            return;
        }
        struct probe *probe = CONTAINER_OF(list_pop_front(&worker->waiting), struct probe, node);
        probe_open(worker, probe);
    }
}
