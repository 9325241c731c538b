#include "engine/sweep/worker.h"

#include <sched.h>
#include <stdlib.h>

#include "engine/sweep/probe.h"
#include "engine/sweep/worker_admit.h"
#include "engine/sweep/worker_judge.h"
#include "engine/sweep/worker_report.h"

#define WAIT_IDLE_NS                                                                               \
    (20 * NS_PER_MS) /* a pipe that has nothing, a writer that is behind, a stop flag */
#define WAIT_BATCH_NS                                                                              \
    (1 * NS_PER_MS)           /* gathering completions: waiting for one alone costs 40 % more CPU */
#define WAIT_BATCH_FROM 32    /* in flight; fewer are waited for one by one */
#define WAIT_BATCH_MAX 128    /* the kernel runs as many in one go: fewer cost 4 % more CPU */
#define OPERATIONS_PER_CONN 4 /* completions that one connection can have open, and some */
#define BATCH_PER_COMPLETION 4 /* connections in flight for each completion waited for */

static enum err worker_init(struct worker *worker) {
    const struct sweep_config *config = worker->config;
    struct err_note *note = &worker->note;
    uint32_t buffers = 64;
    while (buffers < worker->sizes.conns / 2 && buffers < RECV_BUFFERS_MAX) {
        buffers *= 2;
    }
    struct ring_config ring = {
        .sq_entries = worker->sizes.conns < 512 ? 1024 : 4096,
        .cq_entries = worker->sizes.conns < 512 ? 4096 : 32768,
        .direct_count = worker->sizes.conns,
        .buffer_count = buffers,
    };
    struct resolver_config resolver = {.servers = config->dns_servers,
                                       .timeout_ms = 2000,
                                       .tries = 3,
                                       .in_flight_max = RESOLVER_IN_FLIGHT_MAX,
                                       .ipv4 = config->ipv4,
                                       .ipv6 = config->ipv6};
    struct intern_config intern = {.chains_max = config->chains_max,
                                   .seed = random_u64(),
                                   .free_paths = path_set_free,
                                   .free_paths_context = NULL};
    enum err err = ring_init(&worker->ring, &ring, note);
    if (err == ERR_NONE) {
        err = tls_context_new(&config->tls, &worker->tls, note);
    }
    if (err == ERR_NONE) {
        err = conns_new(&worker->ring, &worker->wheel, worker->tls, worker->shared->clock,
                        worker->sizes.conns, &worker->conns, note);
    }
    if (err == ERR_NONE) {
        err =
            resolver_new(&resolver, &worker->ring, worker->shared->clock, &worker->resolver, note);
    }
    if (err == ERR_NONE) {
        err = intern_new(&intern, &worker->intern, note);
    }
    if (err == ERR_NONE) {
        err = judge_init(&worker->judge, config, note);
    }
    if (err == ERR_NONE) {
        err = pool_init(&worker->targets, sizeof(struct target), worker->sizes.targets, note);
    }
    if (err == ERR_NONE) {
        worker->reader = inventory_reader_open(worker->shared->inventory);
        worker->bytes =
            ring_bytes(&worker->ring) + conns_bytes(worker->conns) + pool_bytes(&worker->targets);
    }
    return err;
}

static void worker_fini(struct worker *worker) {
    if (worker->reader != NULL) {
        inventory_reader_close(worker->reader);
    }
    if (worker->resolver != NULL) {
        resolver_free(worker->resolver);
    }
    if (worker->conns != NULL) {
        conns_get_stats(worker->conns, &worker->conns_stats);
        conns_free(worker->conns);
    }
    if (worker->judge.paths != NULL) {
        path_get_stats(worker->judge.paths, &worker->path_stats);
    }
    if (worker->intern != NULL) {
        intern_get_stats(worker->intern, &worker->intern_stats);
        intern_free(worker->intern);
    }
    judge_fini(&worker->judge);
    if (worker->tls != NULL) {
        tls_context_free(worker->tls);
    }
    if (worker->targets.items != NULL) {
        pool_fini(&worker->targets);
    }
    if (worker->ring.buffer_memory != NULL) {
        ring_fini(&worker->ring);
    }
}

/* --- submit and wait --- */

static void worker_wait(struct worker *worker) {
    uint32_t in_flight = conns_in_use(worker->conns);
    bool work_waits =
        !list_is_empty(&worker->judging) || (!list_is_empty(&worker->waiting) && in_flight == 0);
    bool more_input = !worker->input_ended && !worker->input_waits && !worker->aborting &&
                      worker->targets.taken_count < worker->targets.capacity &&
                      !worker->entry_pending;
    if (more_input && in_flight < worker->pace.window) {
        ring_submit_and_wait(&worker->ring, 0, 0);
        return;
    }
    uint64_t limit_ns = worker->input_waits || work_waits ? WAIT_IDLE_NS : 100 * NS_PER_MS;
    /* After a wait in vain for a batch there is none to be gathered. */
    bool is_quiet = worker->ring.completions == worker->completions_before;
    worker->completions_before = worker->ring.completions;
    uint32_t batch = in_flight < WAIT_BATCH_FROM || is_quiet ? 1 : in_flight / BATCH_PER_COMPLETION;
    batch = batch > WAIT_BATCH_MAX ? WAIT_BATCH_MAX : batch;
    if (batch > 1 || conns_hold_secrets(worker->conns)) {
        limit_ns = WAIT_BATCH_NS;
    } else {
        limit_ns = timer_next_ns(&worker->wheel, worker->now_ns, limit_ns);
        limit_ns = resolver_next_ns(worker->resolver, limit_ns);
    }
    ring_submit_and_wait(&worker->ring, batch, limit_ns);
}

/* --- reap --- */

static void worker_reap(struct worker *worker) {
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&worker->ring.uring, head, cqe) {
        count++;
        enum ring_op op = ring_tag_op(cqe->user_data);
        if (op == RING_OP_POLL) {
            resolver_on_completion(worker->resolver, cqe);
        } else if (op != RING_OP_NONE) {
            conns_on_completion(worker->conns, cqe);
        }
    }
    io_uring_cq_advance(&worker->ring.uring, count);
    worker->ring.completions += count;
}

static bool is_target_timer(const struct worker *worker, const struct timer *timer) {
    const uint8_t *at = (const uint8_t *)timer;
    return at >= worker->targets.items && at < worker->targets.items + worker->targets.map_len;
}

/* --- step, expire --- */

static void worker_step(struct worker *worker) {
    conns_step(worker->conns);
    resolver_step(worker->resolver);
}

static void collect_names(struct worker *worker) {
    struct resolution *resolution;
    while ((resolution = resolver_next_finished(worker->resolver)) != NULL) {
        probe_on_resolved(worker, resolution->owner);
    }
}

static void worker_expire(struct worker *worker) {
    struct list expired;
    list_init(&expired);
    timer_expire(&worker->wheel, worker->now_ns, &expired);
    if (list_is_empty(&expired)) {
        return;
    }
    /* A worker that is behind has not seen all that happened in time. */
    ring_catch_up(&worker->ring, worker->sizes.conns * OPERATIONS_PER_CONN);
    worker_reap(worker);
    resolver_step(worker->resolver);
    collect_names(worker);
    struct list_node *node;
    while ((node = list_pop_front(&expired)) != NULL) {
        struct timer *timer = CONTAINER_OF(node, struct timer, node);
        if (conns_owns_timer(worker->conns, timer)) {
            conns_on_timer(worker->conns, timer);
        } else if (is_target_timer(worker, timer)) {
            probe_on_target_timer(worker, CONTAINER_OF(timer, struct target, timer));
        } else {
            probe_on_park_timer(worker, CONTAINER_OF(timer, struct probe, timer));
        }
    }
    worker_step(worker);
}

/* --- collect --- */

/* Interns the chains of finished connections side by side, while their SSL objects still hold them.
   NULL where there is none, or one that is too large. */
static void intern_finished(struct worker *worker, struct conn *const conns[], size_t conn_count,
                            struct chain *out_chains[]) {
    CRYPTO_BUFFER *certs[INTERN_QUERIES_MAX][CHAIN_CERTS_MAX];
    struct intern_query queries[INTERN_QUERIES_MAX];
    size_t of_conn[INTERN_QUERIES_MAX], query_count = 0;
    for (size_t i = 0; i < conn_count; i++) {
        size_t count = tls_peer_chain(&conns[i]->tls, certs[i]);
        out_chains[i] = NULL;
        if (count > 0 && count <= CHAIN_CERTS_MAX) {
            of_conn[query_count] = i;
            queries[query_count++] = (struct intern_query){.certs = certs[i], .count = count};
        }
    }
    intern_chains(worker->intern, queries, query_count);
    for (size_t i = 0; i < query_count; i++) {
        out_chains[of_conn[i]] = queries[i].chain;
    }
}

static void worker_collect(struct worker *worker) {
    collect_names(worker);
    struct conn *conns[INTERN_QUERIES_MAX];
    struct chain *chains[INTERN_QUERIES_MAX];
    size_t count;
    do {
        count = 0;
        while (count < INTERN_QUERIES_MAX &&
               (conns[count] = conns_next_finished(worker->conns)) != NULL) {
            count++;
        }
        intern_finished(worker, conns, count, chains);
        for (size_t i = 0; i < count; i++) {
            const struct conn *conn = conns[i];
            pace_note_finished(&worker->pace, conn->outcome == OUTCOME_SUCCESS
                                                  ? conn->times.finished - conn->times.opened
                                                  : 0);
            probe_on_finished(worker, conn->owner, chains[i]);
        }
    } while (count == INTERN_QUERIES_MAX);
    pace_tick(&worker->pace, worker->now_ns);
}

/* --- the tick --- */

static void worker_tick(struct worker *worker) {
    worker_admit(worker);
    worker_open(worker);
    worker_wait(worker);
    worker->now_ns = clock_mono_ns(worker->shared->clock);
    worker_reap(worker);
    worker_step(worker);
    worker_expire(worker);
    worker_collect(worker);
    worker_open(worker);
    ring_submit(&worker->ring);
    worker_judge(worker);
    worker_flush(worker, false);
    uint32_t in_flight = conns_in_use(worker->conns);
    worker->in_flight_peak =
        in_flight > worker->in_flight_peak ? in_flight : worker->in_flight_peak;
    stats_set(&worker->stats.in_flight, in_flight);
    stats_set(&worker->stats.waiting, worker->targets.taken_count);
}

/* A signal or a failure elsewhere: what is in flight ends as cancelled, and is still reported if it
 * can be. */
static void worker_check_stop(struct worker *worker) {
    if (!worker->aborting && atomic_load_explicit(&worker->shared->stop, memory_order_relaxed)) {
        worker->aborting = true;
        probe_cancel_all(worker);
    }
}

static bool worker_is_done(const struct worker *worker) {
    bool input_over = worker->aborting || (worker->input_ended && !worker->entry_pending);
    bool sink_dead =
        worker->aborting && worker->shared->sink != NULL && sink_failed(worker->shared->sink);
    return input_over && conns_in_use(worker->conns) == 0 &&
           (sink_dead || worker->targets.taken_count == 0);
}

static void worker_pin_core(const struct worker *worker) {
    cpu_set_t allowed, one;
    if (!worker->config->pin_cores || sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return;
    }
    uint32_t nth = worker->idx % (uint32_t)CPU_COUNT(&allowed);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && nth-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
    }
}

/* After an abort with a dead sink targets may be left over: their chains and blocks still have to
 * go. */
static void worker_drop_leftovers(struct worker *worker) {
    struct list_node *node;
    while ((node = list_pop_front(&worker->judging)) != NULL) {
        probe_release_target(worker, CONTAINER_OF(node, struct target, node));
    }
}

void *worker_main(void *context) {
    struct worker *worker = context;
    worker_pin_core(worker);
    worker->now_ns = clock_mono_ns(worker->shared->clock);
    timer_wheel_init(&worker->wheel, worker->now_ns);
    list_init(&worker->waiting);
    list_init(&worker->judging);
    rng_init(&worker->rng, random_u64());
    pace_init(&worker->pace, worker->sizes.start, worker->sizes.conns, worker->now_ns);
    worker->err = worker_init(worker);
    if (worker->err != ERR_NONE) {
        atomic_store(&worker->shared->stop, true);
    } else {
        while (!worker_is_done(worker)) {
            worker_tick(worker);
            worker_check_stop(worker);
        }
        worker_drop_leftovers(worker);
    }
    if (worker->shared->sink != NULL) {
        worker_flush(worker, true);
    }
    worker_fini(worker);
    return NULL;
}
