/* One worker: one thread, one ring, one resolver channel, one set of tables; shared-nothing but for
   what struct worker_shared holds. There are more workers than cores where one ring's table of
   files is too small for the connections asked for. worker_tick() reads top to bottom and is the
   tour of the engine:

     admit -> open -> submit and wait -> reap -> expire -> step -> collect -> open -> submit ->
   judge -> report

   The second submit sends handshake bytes before CPU-heavy judging. Probes and targets move between
   stages on intrusive FIFOs; no callback runs another stage, and no stage calls an earlier one, but
   for expire: before it calls anything late it reaps what a busy worker has not looked at. A full
   pool is back-pressure; admission is the only throttle. */
#ifndef PINSWEEP_SWEEP_WORKER_H
#define PINSWEEP_SWEEP_WORKER_H

#include <pthread.h>

#include "engine/base/clock.h"
#include "engine/base/rng.h"
#include "engine/sweep/config.h"
#include "engine/sweep/judge.h"
#include "engine/sweep/limiter.h"
#include "engine/sweep/pace.h"
#include "engine/sweep/report.h"
#include "engine/sweep/sink.h"
#include "engine/sweep/stats.h"

/* What workers share. Only the inventory's cursor, the limiter's buckets and the sink's queue are
 * mutable. */
struct worker_shared {
    const struct sweep_config *config;
    const struct clock *clock;
    struct inventory *inventory;
    struct limiter *limiter;
    struct sink *sink;   /* NULL when nothing is to be written */
    bool writes_records; /* NDJSON; else only rows for the keeper */
    bool resumable;      /* what is in flight at an abort is left for a later run */
    atomic_bool stop;    /* a signal, a failed sink or a failed worker: abort and drain */
};

struct worker_sizes {
    uint32_t conns;   /* connections in flight at most */
    uint32_t start;   /* as many at first (engine/sweep/pace.h); the same: always */
    uint32_t targets; /* taken up: resolving, waiting, parked, in flight, to be judged */
};

struct worker {
    struct worker_shared *shared;
    const struct sweep_config *config;
    struct worker_sizes sizes;
    uint32_t idx;
    pthread_t thread;
    enum err err; /* why the worker ended, with its note */
    struct err_note note;
    struct worker_stats stats;
    struct conns_stats conns_stats;   /* final */
    struct intern_stats intern_stats; /* final */
    struct path_stats path_stats;     /* final */
    size_t bytes;                     /* reserved by pools and rings */
    uint32_t in_flight_peak;          /* final */

    /* The thread's own. */
    struct ring ring;
    struct timer_wheel wheel;
    struct tls_context *tls;
    struct conns *conns;
    struct resolver *resolver;
    struct intern *intern;
    struct judge judge;
    struct inventory_reader *reader;
    struct pool targets;
    struct rng rng;
    struct pace pace;
    struct list waiting; /* probes that want a connection */
    struct list judging; /* targets all of whose probes are done */
    struct inventory_target entry;
    bool entry_pending; /* read, but there was no room to start it */
    bool input_ended, input_waits, aborting;
    uint64_t now_ns;
    uint64_t completions_before; /* the last wait */
    struct sink_block *blocks[SINK_STREAM_COUNT];
    uint64_t block_since_ns[SINK_STREAM_COUNT];
};

/* All that it has counted; its own thread, or any after the thread's end. */
void worker_get_counts(const struct worker *worker, struct sweep_counts *out);

/* Runs until the input is at its end and everything was reported, or until stop. The body of a
   thread; `context` is the worker. On a set-up failure it sets shared->stop. */
void *worker_main(void *context);

#endif
