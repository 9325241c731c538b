#include "engine/sweep/sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/base/rng.h"
#include "engine/base/thread.h"
#include "engine/sweep/progress.h"

#define WATCH_NS (100 * NS_PER_MS)

void sweep_make_id(char out[32], int64_t wall_ms) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(out, 32, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(out + len, 32 - len, "-%08" PRIx32, (uint32_t)random_u64());
}

struct run {
    struct worker_shared shared;
    struct worker *workers;
    uint32_t worker_count;
    struct sweep_plan plan;
    bool interrupted;
};

/* What was ignored at the start (nohup, a script's background job) stays ignored: a blocked signal
 * would be queued nevertheless. */
static void block_signals(sigset_t *watched, sigset_t *previous) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    sigemptyset(watched);
    for (size_t i = 0; i < ARRAY_COUNT(signals); i++) {
        struct sigaction action;
        if (sigaction(signals[i], NULL, &action) != 0 || action.sa_handler != SIG_IGN) {
            sigaddset(watched, signals[i]);
        }
    }
    sigset_t blocked = *watched;
    sigaddset(&blocked, SIGPIPE); /* a closed pipe is EPIPE, a failed sink */
    pthread_sigmask(SIG_BLOCK, &blocked, previous);
}

static void gather_progress(const struct run *run, struct progress_facts *facts) {
    struct inventory_counts counts;
    inventory_get_counts(run->shared.inventory, &counts);
    *facts = (struct progress_facts){
        .total = inventory_is_counted(run->shared.inventory) ? counts.targets : 0,
    };
    for (uint32_t i = 0; i < run->worker_count; i++) {
        const struct worker_stats *stats = &run->workers[i].stats;
        facts->done += stats_get(&stats->targets);
        facts->in_flight += stats_get(&stats->in_flight);
        facts->matches += stats_get(&stats->verdicts[VERDICT_MATCH]) +
                          stats_get(&stats->verdicts[VERDICT_MATCH_BACKUP]);
        facts->mismatches += stats_get(&stats->verdicts[VERDICT_MISMATCH]);
        for (int s = 0; s < OUTCOME_COUNT; s++) {
            facts->errors +=
                outcome_is_failure((enum outcome)s) ? stats_get(&stats->statuses[s]) : 0;
        }
    }
}

/* All workers have ended and what they wrote is out: a reader may be slow to the last line, and
 * until then a signal must not lose what it has yet to read. */
static bool is_over(struct run *run, uint32_t *joined) {
    while (*joined < run->worker_count &&
           pthread_tryjoin_np(run->workers[*joined].thread, NULL) == 0) {
        (*joined)++;
    }
    return *joined == run->worker_count &&
           (run->shared.sink == NULL || sink_is_drained(run->shared.sink));
}

/* Records that go to a terminal would be drawn into the progress line, and are progress enough. */
static bool has_progress(const struct sweep_config *config) {
    bool to_standard = config->output_file == NULL || strcmp(config->output_file, "-") == 0;
    return !config->quiet && config->listener == NULL && !(to_standard && isatty(STDOUT_FILENO));
}

/* The main thread's part: signals, progress, a writer that failed, workers that are done. */
static void watch(struct run *run, const sigset_t *watched) {
    struct progress progress;
    progress_init(&progress, !has_progress(run->shared.config), clock_mono_ns(run->shared.clock));
    uint32_t joined = 0;
    while (!is_over(run, &joined)) {
        struct timespec wait = {.tv_nsec = (long)WATCH_NS};
        /* The first worker's last steps are usually quick: do not sleep through a short sweep. */
        if (clock_mono_ns(run->shared.clock) - progress.started_ns < NS_PER_S) {
            wait.tv_nsec = (long)(2 * NS_PER_MS);
        }
        int signal = sigtimedwait(watched, NULL, &wait);
        if (signal > 0 && run->interrupted) {
            progress_end(&progress);
            _exit(130);
        }
        if (signal > 0) {
            run->interrupted = true;
            log_error("interrupted: finishing what is in flight; once more ends at once");
        }
        if (run->interrupted || (run->shared.sink != NULL && sink_failed(run->shared.sink))) {
            atomic_store(&run->shared.stop, true);
        }
        struct progress_facts facts;
        gather_progress(run, &facts);
        progress_update(&progress, &facts, clock_mono_ns(run->shared.clock));
    }
    progress_end(&progress);
}

static enum err start_workers(struct run *run, struct err_note *note) {
    run->workers = calloc(run->plan.workers, sizeof *run->workers);
    if (run->workers == NULL) {
        return err_note(note, ERR_RESOURCE, "not enough memory for %u workers", run->plan.workers);
    }
    for (uint32_t i = 0; i < run->plan.workers; i++) {
        struct worker *worker = &run->workers[i];
        worker->shared = &run->shared;
        worker->config = run->shared.config;
        worker->sizes = run->plan.sizes;
        worker->idx = i;
        int error = thread_start(&worker->thread, worker_main, worker);
        if (error != 0) {
            atomic_store(&run->shared.stop, true);
            return err_note(note, ERR_RESOURCE, "cannot start worker %u: %s; lower --workers", i,
                            strerror(error));
        }
        run->worker_count++;
    }
    return ERR_NONE;
}

static void add_conns(struct conns_stats *sum, const struct conns_stats *one) {
    sum->opened += one->opened;
    sum->connected += one->connected;
    sum->completed += one->completed;
    sum->captured += one->captured;
    sum->proven += one->proven;
    sum->fallback += one->fallback;
    sum->bytes_in += one->bytes_in;
    sum->bytes_out += one->bytes_out;
    for (size_t i = 0; i < ARRAY_COUNT(sum->by_version); i++) {
        sum->by_version[i] += one->by_version[i];
    }
}

static void add_tables(struct sweep_result *out, const struct worker *worker) {
    out->intern.cert_hits += worker->intern_stats.cert_hits;
    out->intern.cert_misses += worker->intern_stats.cert_misses;
    out->intern.chain_hits += worker->intern_stats.chain_hits;
    out->intern.chain_misses += worker->intern_stats.chain_misses;
    out->intern.evictions += worker->intern_stats.evictions;
    out->intern.bytes += worker->intern_stats.bytes;
    out->path.sets_built += worker->path_stats.sets_built;
    out->path.edges_known += worker->path_stats.edges_known;
    out->path.edges_built += worker->path_stats.edges_built;
    out->path.full_verifications += worker->path_stats.full_verifications;
    out->path.x509_parses += worker->path_stats.x509_parses;
}

static void gather_result(const struct run *run, struct sweep_result *out) {
    for (uint32_t i = 0; i < run->worker_count; i++) {
        const struct worker *worker = &run->workers[i];
        out->targets += stats_get(&worker->stats.targets);
        out->unknown += stats_get(&worker->stats.unknown);
        for (int s = 0; s < OUTCOME_COUNT; s++) {
            out->statuses[s] += stats_get(&worker->stats.statuses[s]);
        }
        for (int v = 0; v < VERDICT_COUNT; v++) {
            out->verdicts[v] += stats_get(&worker->stats.verdicts[v]);
        }
        for (int p = 0; p < PKIX_COUNT; p++) {
            out->pkix[p] += stats_get(&worker->stats.pkix[p]);
        }
        add_conns(&out->conns, &worker->conns_stats);
        add_tables(out, worker);
        out->in_flight_peak += worker->in_flight_peak;
    }
}

static void gather_input(struct inventory *inventory, struct sweep_result *out) {
    inventory_get_counts(inventory, &out->input);
    out->has_digest = inventory_digest(inventory, out->input_sha256);
    snprintf(out->input_name, sizeof out->input_name, "%s", inventory_name(inventory));
}

static void gather_usage(struct sweep_result *out) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    out->cpu_user_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    out->cpu_system_s = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    out->max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

/* The error that explains the end of the workers: one's own, or the input's. */
static enum err first_error(const struct run *run, enum err start_err, struct err_note *note) {
    if (start_err != ERR_NONE) {
        return start_err;
    }
    for (uint32_t i = 0; i < run->worker_count; i++) {
        if (run->workers[i].err != ERR_NONE) {
            if (note != NULL) {
                *note = run->workers[i].note;
            }
            return run->workers[i].err;
        }
    }
    return inventory_failure(run->shared.inventory, note);
}

static enum err run_workers(struct run *run, struct err_note *note) {
    sigset_t watched, previous;
    block_signals(&watched, &previous);
    enum err err = start_workers(run, note);
    watch(run, &watched);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    return first_error(run, err, note);
}

static enum err open_limiter(struct run *run, struct err_note *note) {
    const struct sweep_config *config = run->shared.config;
    struct limiter_config limiter = {.rate = config->rate,
                                     .server_rate = config->server_rate,
                                     .server_concurrency = config->server_concurrency,
                                     .seed = random_u64()};
    return limiter_new(&limiter, &run->shared.limiter, note);
}

static enum err open_sink(struct run *run, struct err_note *note) {
    const struct sweep_config *config = run->shared.config;
    if (config->listener != NULL && config->output_file == NULL) {
        return ERR_NONE;
    }
    struct sink_config sink = {
        .files = {[SINK_RECORDS] = config->output_file != NULL ? config->output_file : "-",
                  [SINK_CHAINS] = config->chains_file},
        .overwrite = config->overwrite,
        .append = config->append,
        .block_count = run->plan.workers * BLOCKS_PER_WORKER};
    return sink_open(&sink, &run->shared.sink, note);
}

enum err sweep_run(const struct sweep_config *config, struct sweep_result *out,
                   struct err_note *note) {
    *out = (struct sweep_result){.started_ms = clock_wall_ms(&clock_system)};
    uint64_t started_ns = clock_mono_ns(&clock_system);
    struct run run = {.shared = {.config = config, .clock = &clock_system}};
    sweep_plan_make(config, &run.plan);
    out->plan = run.plan;
    enum err err = ring_probe(note);
    if (err == ERR_NONE) {
        err = inventory_open(&config->inventory, &run.shared.inventory, note);
    }
    if (err == ERR_NONE) {
        err = open_limiter(&run, note);
    }
    if (err == ERR_NONE) {
        err = open_sink(&run, note);
    }
    if (err == ERR_NONE) {
        sweep_plan_tell(config, &run.plan);
        out->ran = true;
        err = run_workers(&run, note);
        gather_result(&run, out);
        out->interrupted = run.interrupted;
    }
    if (run.shared.sink != NULL) {
        out->chains_written = sink_chains(run.shared.sink);
        struct err_note sink_note;
        enum err sink_err = sink_close(run.shared.sink, &sink_note);
        err = err_worse(err, note, sink_err, &sink_note);
    }
    free(run.workers);
    if (run.shared.limiter != NULL) {
        limiter_free(run.shared.limiter);
    }
    if (run.shared.inventory != NULL) {
        gather_input(run.shared.inventory, out);
        inventory_close(run.shared.inventory);
    }
    gather_usage(out);
    out->ended_ms = clock_wall_ms(&clock_system);
    out->seconds = (double)(clock_mono_ns(&clock_system) - started_ns) / (double)NS_PER_S;
    if (run.interrupted) {
        struct err_note signal_note;
        enum err signal_err = err_note(&signal_note, ERR_INTERRUPTED,
                                       "interrupted after %" PRIu64
                                       " targets; what was in flight is written as cancelled",
                                       out->targets);
        err = err_worse(err, note, signal_err, &signal_note);
    }
    return err;
}

/* A pipe is read to its end to be counted; a file was counted when it was opened. */
static void drain_pipe(struct inventory *inventory) {
    struct inventory_target entry;
    struct inventory_reader *reader = inventory_reader_open(inventory);
    for (;;) {
        enum inventory_result result = inventory_reader_next(reader, &entry);
        if (result == INVENTORY_WAIT) {
            struct timespec wait = {.tv_nsec = (long)(5 * NS_PER_MS)};
            nanosleep(&wait, NULL);
        } else if (result != INVENTORY_TARGET) {
            break;
        }
    }
    inventory_reader_close(reader);
}

enum err sweep_dry_run(const struct sweep_config *config, struct sweep_result *out,
                       struct err_note *note) {
    *out = (struct sweep_result){.started_ms = clock_wall_ms(&clock_system)};
    sweep_plan_make(config, &out->plan);
    struct inventory *inventory = NULL;
    enum err err = inventory_open(&config->inventory, &inventory, note);
    if (err != ERR_NONE) {
        return err;
    }
    if (!inventory_is_counted(inventory)) {
        drain_pipe(inventory);
    }
    err = inventory_failure(inventory, note);
    gather_input(inventory, out);
    inventory_close(inventory);
    out->ended_ms = clock_wall_ms(&clock_system);
    return err;
}
