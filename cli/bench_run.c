#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/net/ring.h"

#define MEMORY_IN_FLIGHT 32   /* handshakes in memory that stand half-way at a time */
#define SERVER_WORKERS_MAX 16 /* of fleetsim */

struct run {
    const struct bench_options *options;
    struct bench_result *result;
    struct fleet *identities;
    char pinsweep[PATH_MAX], fleetsim[PATH_MAX];
    uint32_t round;
};

/* --- signals: what was started is ended, what was made is removed --- */

static volatile sig_atomic_t was_interrupted;

static void on_signal(int number) {
    (void)number;
    was_interrupted = 1;
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* --- set-up --- */

static enum err find_programs(struct run *run, struct err_note *note) {
    char folder[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", run->pinsweep, sizeof run->pinsweep - 1);
    if (len <= 0) {
        return err_note(note, ERR_RESOURCE, "cannot find this program's own path: %s",
                        strerror(errno));
    }
    run->pinsweep[len] = '\0';
    memcpy(folder, run->pinsweep, sizeof folder);
    if ((size_t)snprintf(run->fleetsim, sizeof run->fleetsim, "%s/fleetsim", dirname(folder)) >=
        sizeof run->fleetsim) {
        return err_note(note, ERR_RESOURCE, "the path of this program is too long");
    }
    if (access(run->fleetsim, X_OK) != 0) {
        return err_note(note, ERR_CONFIG, "%s: the simulated fleet is not built; cli/run builds it",
                        run->fleetsim);
    }
    return ERR_NONE;
}

static enum err open_fleet(struct run *run, struct bench_fleet *fleet, struct err_note *note) {
    struct measure_cores cores;
    measure_cores_split(&cores, 1);
    uint32_t workers = (uint32_t)CPU_COUNT(&cores.server);
    struct measure_fleet_config config = {
        .fleetsim = run->fleetsim,
        .tls = fleet->tls,
        .key = fleet->key,
        .workers = workers < SERVER_WORKERS_MAX ? workers : SERVER_WORKERS_MAX};
    fleet->memory = measure_memory_new(run->identities, fleet->tls, fleet->key);
    fleet->bytes = measure_memory_bytes(fleet->memory);
    enum err err = measure_fleet_start(&fleet->served, &config, note);
    if (err == ERR_NONE) {
        err = measure_floor_serve(&fleet->bytes, &cores.server, fleet->floor_ports,
                                  &fleet->floor_server, note);
    }
    if (err == ERR_NONE && !fleet->served.has_addresses && run->result->fleet_count == 1) {
        bench_note(run->result,
                   "fleetsim may not listen on all of 127.0.0.0/8 (SO_BINDTODEVICE): connections "
                   "share the %u ports of one address",
                   run->result->machine.ports);
    }
    return err;
}

static enum err open_fleets(struct run *run, struct err_note *note) {
    struct bench_result *result = run->result;
    enum err err = ERR_NONE;
    run->identities = measure_identities_new();
    for (uint32_t t = 0; t < run->options->tls_count; t++) {
        for (uint32_t k = 0; k < run->options->key_count && err == ERR_NONE; k++) {
            struct bench_fleet *fleet = &result->fleets[result->fleet_count++];
            fleet->tls = run->options->tls[t];
            fleet->key = run->options->keys[k];
            err = open_fleet(run, fleet, note);
        }
    }
    return err;
}

static void close_fleets(struct run *run) {
    for (uint32_t i = 0; i < run->result->fleet_count; i++) {
        struct bench_fleet *fleet = &run->result->fleets[i];
        measure_stop(fleet->floor_server);
        measure_fleet_stop(&fleet->served);
        measure_memory_free(fleet->memory);
        fleet->memory = NULL;
    }
    measure_identities_free(run->identities);
}

/* --- rounds --- */

static double newest(const struct bench_series *series, uint32_t round) {
    return series->count > round ? series->values[round] : 0;
}

static struct bench_floor *floor_of(struct bench_result *result, uint32_t fleet_idx,
                                    uint32_t in_flight, bool whole) {
    for (uint32_t i = 0; i < result->floor_count; i++) {
        struct bench_floor *floor = &result->floors[i];
        if (floor->fleet_idx == fleet_idx && floor->in_flight == in_flight &&
            floor->whole == whole) {
            return floor;
        }
    }
    check_failed(__FILE__, __LINE__, "a floor for each number in flight");
}

static const struct bench_cell *sibling(const struct bench_result *result,
                                        const struct bench_cell *cell, enum depth depth,
                                        uint32_t threads) {
    for (uint32_t i = 0; i < result->cell_count; i++) {
        const struct bench_cell *other = &result->cells[i];
        if (other->fleet_idx == cell->fleet_idx && other->in_flight == cell->in_flight &&
            other->threads == threads && other->depth == depth) {
            return other;
        }
    }
    return NULL;
}

static void primitives_body(void *out, const void *context) {
    measure_primitives(out, *(const uint32_t *)context);
}

static enum err measure_all_primitives(struct run *run, struct err_note *note) {
    struct measure_primitives one = {0};
    struct bench_series *series = run->result->primitives;
    struct measure_cores cores;
    uint32_t count = run->options->quick ? 400 : 2000;
    measure_cores_split(&cores, 1);
    enum err err = measure_in_child(&cores.client, primitives_body, &count, &one, sizeof one, note);
    if (err == ERR_NONE) {
        bench_series_add(&series[BENCH_SHA256_BORINGSSL], one.sha256_boringssl);
        bench_series_add(&series[BENCH_SHA256_BATCH], one.sha256_batch);
        bench_series_add(&series[BENCH_X25519_BORINGSSL], one.x25519_boringssl);
        bench_series_add(&series[BENCH_X25519_BATCH], one.x25519_batch);
        bench_series_add(&series[BENCH_VERIFY_ECDSA], one.verify[MEASURE_ECDSA]);
        bench_series_add(&series[BENCH_VERIFY_RSA], one.verify[MEASURE_RSA]);
    }
    return err;
}

struct memory_task {
    struct measure_memory *memory;
    uint32_t count;
};

static void memory_body(void *out, const void *context) {
    const struct memory_task *task = context;
    *(double *)out =
        measure_memory_us(task->memory, MEASURE_BORINGSSL, MEMORY_IN_FLIGHT, task->count);
}

static enum err measure_in_memory(struct run *run, struct bench_fleet *fleet,
                                  struct err_note *note) {
    struct memory_task task = {fleet->memory, run->options->quick ? 256 : 1024};
    struct measure_cores cores;
    double us = 0;
    measure_cores_split(&cores, 1);
    enum err err = measure_in_child(&cores.client, memory_body, &task, &us, sizeof us, note);
    if (err == ERR_NONE) {
        bench_series_add(&fleet->in_memory, us);
    }
    return err;
}

static enum err measure_floor(struct run *run, struct bench_floor *floor, struct err_note *note) {
    const struct bench_fleet *fleet = &run->result->fleets[floor->fleet_idx];
    struct measure_cores cores;
    struct measure_cost cost;
    measure_cores_split(&cores, 1);
    uint32_t count = bench_plan_count(run->options, DEPTH_CAPTURE, floor->in_flight, 1);
    enum err err = measure_floor_run(&fleet->bytes, floor->whole, fleet->floor_ports, &cores.client,
                                     floor->in_flight, count, &cost, note);
    if (err == ERR_NONE) {
        bench_series_add(&floor->cpu, measure_cost_us(cost));
        bench_series_add(&floor->user, cost.user_us);
        bench_series_add(&floor->system, cost.system_us);
    }
    return err;
}

/* What the handshake is made of: in memory and on the wire (complete); the capture and the check of
   the signature (prove). 0: not measured. */
static double parts_of(const struct run *run, const struct bench_cell *cell, double floor_us) {
    const struct bench_result *result = run->result;
    const struct bench_fleet *fleet = &result->fleets[cell->fleet_idx];
    const struct bench_cell *capture = sibling(result, cell, DEPTH_CAPTURE, cell->threads);
    switch (cell->depth) {
    case DEPTH_COMPLETE:
        return newest(&fleet->in_memory, run->round) + floor_us;
    case DEPTH_PROVE:
        return capture == NULL || newest(&capture->cpu, run->round) <= 0
                   ? 0
                   : newest(&capture->cpu, run->round) +
                         newest(&result->primitives[fleet->key == MEASURE_RSA ? BENCH_VERIFY_RSA
                                                                              : BENCH_VERIFY_ECDSA],
                                run->round);
    case DEPTH_CAPTURE:
        return 0;
    }
    return 0;
}

/* Against the fewest threads, which were measured before in this round. */
static void add_scaling(const struct run *run, struct bench_cell *cell) {
    const struct bench_cell *fewest =
        sibling(run->result, cell, cell->depth, run->options->threads[0]);
    if (fewest == NULL || fewest == cell) {
        return;
    }
    double cpu = newest(&fewest->cpu, run->round), wall = newest(&fewest->per_second, run->round);
    if (cpu > 0 && wall > 0) {
        bench_series_add(&cell->cpu_by_fewest, newest(&cell->cpu, run->round) / cpu);
        bench_series_add(&cell->wall_by_fewest, newest(&cell->per_second, run->round) / wall);
    }
}

static enum err measure_cell(struct run *run, struct bench_cell *cell, struct err_note *note) {
    struct bench_result *result = run->result;
    struct measure_cores cores;
    struct measure_swept swept;
    struct measure_sweep sweep = {.pinsweep = run->pinsweep,
                                  .fleet = &result->fleets[cell->fleet_idx].served,
                                  .cores = &cores,
                                  .depth = cell->depth,
                                  .in_flight = cell->in_flight,
                                  .threads = cell->threads,
                                  .count = cell->count};
    measure_cores_split(&cores, cell->threads);
    enum err err = measure_sweep_run(&sweep, &swept, note);
    if (err != ERR_NONE) {
        return err;
    }
    double us = measure_cost_us(swept.cost);
    double floor_us = newest(
        &floor_of(result, cell->fleet_idx, cell->in_flight, cell->depth == DEPTH_COMPLETE)->cpu,
        run->round);
    double parts_us = parts_of(run, cell, floor_us);
    bench_series_add(&cell->cpu, us);
    bench_series_add(&cell->user, swept.cost.user_us);
    bench_series_add(&cell->system, swept.cost.system_us);
    bench_series_add(&cell->by_floor, floor_us > 0 ? us / floor_us : 0);
    if (parts_us > 0) {
        bench_series_add(&cell->by_parts, us / parts_us);
    }
    bench_series_add(&cell->per_second, swept.per_second);
    add_scaling(run, cell);
    bench_series_add(&cell->busy, swept.busy);
    bench_series_add(&cell->max_rss, (double)swept.max_rss_bytes);
    measure_counts_add(&cell->counts, &swept.counts);
    return ERR_NONE;
}

static enum err go_on(enum err err, struct err_note *note) {
    return was_interrupted ? err_note(note, ERR_INTERRUPTED, "interrupted: nothing is written")
                           : err;
}

/* Captures before the proofs that are held against them: a sibling's figure of this round. */
static enum err measure_group(struct run *run, uint32_t first, uint32_t last,
                              struct err_note *note) {
    static const enum depth order[] = {DEPTH_COMPLETE, DEPTH_CAPTURE, DEPTH_PROVE};
    enum err err = ERR_NONE;
    for (size_t o = 0; o < ARRAY_COUNT(order); o++) {
        for (uint32_t i = first; i < last && err == ERR_NONE; i++) {
            if (run->result->cells[i].depth == order[o]) {
                err = go_on(measure_cell(run, &run->result->cells[i], note), note);
            }
        }
    }
    return err;
}

static enum err measure_fleet(struct run *run, uint32_t fleet_idx, struct err_note *note) {
    struct bench_result *result = run->result;
    struct bench_fleet *fleet = &result->fleets[fleet_idx];
    enum err err = go_on(measure_in_memory(run, fleet, note), note);
    for (uint32_t i = 0; i < result->floor_count && err == ERR_NONE; i++) {
        if (result->floors[i].fleet_idx == fleet_idx) {
            err = go_on(measure_floor(run, &result->floors[i], note), note);
        }
    }
    for (uint32_t first = 0, last; first < result->cell_count && err == ERR_NONE; first = last) {
        const struct bench_cell *cell = &result->cells[first];
        last = first + run->options->depth_count;
        if (cell->fleet_idx == fleet_idx) {
            log_info("bench: round %u of %u: TLS %s, %s, %u in flight, %u thread%s", run->round + 1,
                     run->options->rounds, bench_tls_text(fleet->tls), measure_key_text(fleet->key),
                     cell->in_flight, cell->threads, cell->threads == 1 ? "" : "s");
            err = measure_group(run, first, last, note);
        }
    }
    return err;
}

static enum err measure_rounds(struct run *run, struct err_note *note) {
    enum err err = ERR_NONE;
    for (run->round = 0; run->round < run->options->rounds && err == ERR_NONE; run->round++) {
        err = go_on(measure_all_primitives(run, note), note);
        for (uint32_t f = 0; f < run->result->fleet_count && err == ERR_NONE; f++) {
            err = measure_fleet(run, f, note);
        }
    }
    return err;
}

/* --- conclusions --- */

/* From the fewest and the most in flight of a version, key and depth on the fewest threads. */
static void conclude_memory(struct bench_result *result, uint32_t fleet_idx, enum depth depth) {
    const struct bench_options *options = result->options;
    const struct bench_cell *low = NULL, *high = NULL;
    for (uint32_t i = 0; i < result->cell_count; i++) {
        const struct bench_cell *cell = &result->cells[i];
        if (cell->fleet_idx == fleet_idx && cell->depth == depth &&
            cell->threads == options->threads[0]) {
            low = low == NULL || cell->in_flight < low->in_flight ? cell : low;
            high = high == NULL || cell->in_flight > high->in_flight ? cell : high;
        }
    }
    if (low == NULL || high == NULL || high->in_flight - low->in_flight < 1000) {
        return;
    }
    struct bench_memory *memory = &result->memories[result->memory_count++];
    *memory = (struct bench_memory){.fleet_idx = fleet_idx,
                                    .low_in_flight = low->in_flight,
                                    .high_in_flight = high->in_flight,
                                    .depth = depth};
    for (uint32_t i = 0; i < low->max_rss.count; i++) {
        bench_series_add(&memory->bytes, (high->max_rss.values[i] - low->max_rss.values[i]) /
                                             (high->in_flight - low->in_flight));
    }
}

static void conclude(struct bench_result *result) {
    uint64_t failed = 0, fallbacks = 0;
    uint32_t idle = 0;
    for (uint32_t f = 0; f < result->fleet_count; f++) {
        for (uint32_t d = 0; d < result->options->depth_count; d++) {
            conclude_memory(result, f, result->options->depths[d]);
        }
    }
    for (uint32_t i = 0; i < result->cell_count; i++) {
        const struct bench_cell *cell = &result->cells[i];
        failed += cell->counts.targets - cell->counts.succeeded;
        fallbacks += cell->counts.fallbacks;
        idle += bench_series_spread(&cell->busy).median < 0.9 * cell->threads;
    }
    if (failed > 0) {
        bench_note(result, "%llu handshakes failed: CPU is told per handshake that succeeded",
                   (unsigned long long)failed);
    }
    if (fallbacks > 0) {
        bench_note(result, "%llu handshakes fell back to the SSL object on a second connection",
                   (unsigned long long)fallbacks);
    }
    if (idle > 0) {
        bench_note(result,
                   "in %u of %u rows the client did not run all the time (busy < 0.9 of its "
                   "threads): it waited for the server, or others had its core; its batches were "
                   "smaller than they could be, its CPU is an upper bound",
                   idle, result->cell_count);
    }
}

enum err bench_run(const struct bench_options *options, struct bench_result *out,
                   struct err_note *note) {
    static struct run run;
    run = (struct run){.options = options, .result = out};
    *out = (struct bench_result){.options = options, .started_ms = clock_wall_ms(&clock_system)};
    measure_machine_read(&out->machine);
    measure_load_average(out->load);
    catch_signals();
    enum err err = ring_probe(note);
    if (err == ERR_NONE) {
        err = find_programs(&run, note);
    }
    if (err == ERR_NONE) {
        err = bench_plan_limits(out, note);
    }
    if (err == ERR_NONE) {
        log_info("bench: starting the simulated fleet");
        err = open_fleets(&run, note);
        if (err == ERR_NONE) {
            bench_plan_cells(out);
            err = measure_rounds(&run, note);
        }
        close_fleets(&run);
    }
    if (err == ERR_NONE) {
        conclude(out);
    }
    out->ended_ms = clock_wall_ms(&clock_system);
    return err;
}
