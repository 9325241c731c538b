/* What a worker counts: written by its thread alone, read by the main thread for the progress line
   (relaxed) and, after the join, for the summary and the metadata. */
#ifndef PINSWEEP_SWEEP_STATS_H
#define PINSWEEP_SWEEP_STATS_H

#include <stdatomic.h>

#include "engine/net/conn.h"
#include "engine/trust/path.h"
#include "engine/trust/verdict.h"

struct worker_stats {
    _Atomic uint64_t targets; /* records written */
    _Atomic uint64_t statuses[OUTCOME_COUNT];
    _Atomic uint64_t verdicts[VERDICT_COUNT];
    _Atomic uint64_t pkix[PKIX_COUNT]; /* targets with this result in any view and profile */
    /* Unix seconds: what ends first of what clients need and has not ended; 0: nothing seen */
    _Atomic uint64_t first_expiry_s;
    _Atomic uint64_t unknown;   /* verdict unknown, but neither blocklisted nor not-offered */
    _Atomic uint64_t in_flight; /* connections, a gauge */
    _Atomic uint64_t waiting;   /* targets taken up, a gauge */
};

/* What a worker, or all of them, counted up to a moment. */
struct sweep_counts {
    uint64_t targets, unknown;
    uint64_t first_expiry_s; /* the earliest; 0: none */
    uint64_t statuses[OUTCOME_COUNT];
    uint64_t verdicts[VERDICT_COUNT];
    uint64_t pkix[PKIX_COUNT];
    struct conns_stats conns;
    struct intern_stats intern;
    struct path_stats path;
};

static inline void stats_add(_Atomic uint64_t *counter, uint64_t amount) {
    /* one writer: no need for a locked add */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}
static inline void stats_set(_Atomic uint64_t *gauge, uint64_t value) {
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}
static inline uint64_t stats_get(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
