/* How large a sweep is on this machine: workers, connections, memory; chosen once before anything
   starts, and told. Everything is sized from here. */
#ifndef PINSWEEP_SWEEP_PLAN_H
#define PINSWEEP_SWEEP_PLAN_H

#include "engine/sweep/worker.h"

struct sweep_plan {
    uint32_t workers; /* one a core, or more: a worker has one ring, whose table of direct
                         descriptors may not exceed RLIMIT_NOFILE */
    uint32_t cores;
    uint32_t concurrency; /* of the whole program */
    struct worker_sizes sizes;
    bool automatic;            /* the concurrency was not asked for */
    bool clamped;              /* more was asked for than the limits allow */
    uint64_t descriptors_hard; /* RLIMIT_NOFILE */
    uint64_t conns_per_ring;   /* what it allows */
    uint64_t memory_available; /* bytes */
    const char *bound;         /* what bounds it: "the automatic ceiling", "descriptors", "memory",
                                  "--concurrency" */
};

#define PLAN_ITEMS_MAX 12

struct plan_item {
    const char *name;
    uint64_t count, each_bytes;
};

void sweep_plan_make(const struct sweep_config *config, struct sweep_plan *out);
/* The itemised sum of user-space memory at full load, all workers; returns how many items. */
size_t sweep_plan_items(const struct sweep_config *config, const struct sweep_plan *plan,
                        struct plan_item out[PLAN_ITEMS_MAX]);
/* Says on standard error what was chosen, what bounds it and how to raise it. */
void sweep_plan_tell(const struct sweep_config *config, const struct sweep_plan *plan);

#endif
