#include "engine/sweep/sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/base/rng.h"
#include "engine/base/thread.h"
#include "engine/sweep/keeping.h"
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
    struct keeping keeping;
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
        .done = run->keeping.base.targets,
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

static bool writes_records(const struct sweep_config *config) {
    return config->output_file != NULL || (config->listener == NULL && config->keeper == NULL);
}

/* Records that go to a terminal would be drawn into the progress line, and are progress enough. */
static bool has_progress(const struct sweep_config *config) {
    bool to_standard = writes_records(config) &&
                       (config->output_file == NULL || strcmp(config->output_file, "-") == 0);
    return !config->quiet && config->listener == NULL && !(to_standard && isatty(STDOUT_FILENO));
}

/* The main thread's part: signals, progress, a writer that failed, workers that are done. */
static void watch(struct run *run, const sigset_t *watched) {
    struct progress progress;
    progress_init(&progress, !has_progress(run->shared.config), clock_mono_ns(run->shared.clock));
    progress.last_done = run->keeping.base.targets;
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

static void gather_result(const struct run *run, struct sweep_result *out) {
    for (uint32_t i = 0; i < run->worker_count; i++) {
        struct sweep_counts counts;
        worker_get_counts(&run->workers[i], &counts);
        sweep_result_add(out, &counts);
        out->in_flight_peak += run->workers[i].in_flight_peak;
    }
}

static void gather_input(struct inventory *inventory, struct sweep_result *out) {
    inventory_get_counts(inventory, &out->input);
    out->has_digest = inventory_digest(inventory, out->input_sha256);
    snprintf(out->input_name, sizeof out->input_name, "%s", inventory_name(inventory));
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
    run->shared.writes_records = writes_records(config);
    if (!run->shared.writes_records && config->keeper == NULL) {
        return ERR_NONE;
    }
    const char *records = config->output_file != NULL ? config->output_file : "-";
    struct sink_config sink = {
        .files = {[SINK_RECORDS] = run->shared.writes_records ? records : NULL,
                  [SINK_CHAINS] = config->chains_file},
        .overwrite = config->overwrite,
        .append = config->append,
        .resume = config->resume,
        .sweep_id = config->sweep_id,
        .has_records = run->keeping.has_records,
        .keeper = keeping_sink(&run->keeping),
        .block_count = run->plan.workers * BLOCKS_PER_WORKER};
    memcpy(sink.lens, run->keeping.lens, sizeof sink.lens);
    enum err err = sink_open(&sink, &run->shared.sink, note);
    run->shared.resumable = err == ERR_NONE && config->keeper != NULL &&
                            inventory_is_counted(run->shared.inventory) &&
                            sink_is_resumable(run->shared.sink);
    return err;
}

/* The input is open: what the sweep is can be told to the keeper, and what is done already asked.
 */
static enum err begin_keeping(struct run *run, struct sweep_result *out, struct err_note *note) {
    const struct sweep_config *config = run->shared.config;
    gather_input(run->shared.inventory, out);
    if (config->resume && !inventory_is_counted(run->shared.inventory)) {
        return err_note(note, ERR_USAGE,
                        "--resume: %s is no file, and what was read of it cannot be read again; "
                        "name the inventory with -f",
                        inventory_name(run->shared.inventory));
    }
    enum err err = keeping_begin(&run->keeping, config, out, note);
    if (err == ERR_NONE && config->resume) {
        inventory_set_skip(run->shared.inventory,
                           (struct inventory_skip){.context = config->keeper->context,
                                                   .is_done = config->keeper->is_done});
    }
    return err;
}

static enum err open_run(struct run *run, struct sweep_result *out, struct err_note *note) {
    enum err err = ring_probe(note);
    if (err == ERR_NONE) {
        err = inventory_open(&run->shared.config->inventory, &run->shared.inventory, note);
    }
    if (err == ERR_NONE) {
        err = begin_keeping(run, out, note);
    }
    if (err == ERR_NONE) {
        err = open_limiter(run, note);
    }
    return err == ERR_NONE ? open_sink(run, note) : err;
}

static enum err note_interrupted(const struct run *run, const struct sweep_result *result,
                                 struct err_note *note) {
    return err_note(note, ERR_INTERRUPTED, "interrupted after %" PRIu64 " targets; %s",
                    result->targets,
                    run->shared.resumable ? "the same command with --resume goes on with the rest"
                                          : "what was in flight is written as cancelled");
}

/* All workers have ended. */
static enum err close_run(struct run *run, enum err err, uint64_t started_ns,
                          struct sweep_result *out, struct err_note *note) {
    struct err_note other;
    if (run->shared.sink != NULL) {
        enum err sink_err = sink_close(run->shared.sink, &other);
        err = err_worse(err, note, sink_err, &other);
    }
    free(run->workers);
    if (run->shared.limiter != NULL) {
        limiter_free(run->shared.limiter);
    }
    if (run->shared.inventory != NULL) {
        gather_input(run->shared.inventory, out);
        inventory_close(run->shared.inventory);
    }
    sweep_result_usage(out);
    out->ended_ms = clock_wall_ms(&clock_system);
    out->seconds = (double)(clock_mono_ns(&clock_system) - started_ns) / (double)NS_PER_S;
    if (out->ran) {
        enum err swept = run->interrupted ? ERR_INTERRUPTED : err;
        enum err end_err = keeping_end(&run->keeping, out, swept, &other);
        err = err_worse(err, note, end_err, &other);
    }
    keeping_fini(&run->keeping);
    return err;
}

enum err sweep_run(const struct sweep_config *config, struct sweep_result *out,
                   struct err_note *note) {
    *out = (struct sweep_result){.started_ms = clock_wall_ms(&clock_system), .runs = 1};
    uint64_t started_ns = clock_mono_ns(&clock_system);
    struct run run = {.shared = {.config = config, .clock = &clock_system}};
    sweep_plan_make(config, &run.plan);
    out->plan = run.plan;
    enum err err = open_run(&run, out, note);
    if (err == ERR_NONE) {
        sweep_plan_tell(config, &run.plan);
        out->ran = true;
        err = run_workers(&run, note);
        gather_result(&run, out);
        out->interrupted = run.interrupted;
    }
    if (run.shared.sink != NULL) {
        out->chains_written = sink_chains(run.shared.sink);
    }
    err = close_run(&run, err, started_ns, out, note);
    if (run.interrupted) {
        struct err_note signal_note;
        enum err signal_err = note_interrupted(&run, out, &signal_note);
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
