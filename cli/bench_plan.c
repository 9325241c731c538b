#include "cli/bench.h"

#define FILES_SPARE 600 /* descriptors of fleetsim beside its connections, and of a sweep */

static uint32_t most(const uint32_t *values, uint32_t count) {
    uint32_t out = 0;
    for (uint32_t i = 0; i < count; i++) {
        out = values[i] > out ? values[i] : out;
    }
    return out;
}

enum err bench_plan_limits(struct bench_result *result, struct err_note *note) {
    const struct bench_options *options = result->options;
    const struct measure_machine *machine = &result->machine;
    struct measure_cores cores;
    uint32_t in_flight = most(options->in_flight, options->in_flight_count);
    uint64_t files = machine->descriptors_hard;
    if (in_flight + FILES_SPARE > files) {
        return err_note(note, ERR_CONFIG,
                        "%u in flight need %u descriptors in fleetsim, and the hard limit is %llu: "
                        "raise it (as root: ulimit -Hn 65536) or say --in-flight %llu",
                        in_flight, in_flight + FILES_SPARE, (unsigned long long)files,
                        (unsigned long long)(files > FILES_SPARE ? files - FILES_SPARE : 1));
    }
    if (in_flight > MEASURE_PORTS * machine->somaxconn) {
        bench_note(result,
                   "%u in flight do not fit into %d listen queues of %u (net.core.somaxconn): some "
                   "connections wait a second for their next try; sysctl net.core.somaxconn=4096 "
                   "mends it",
                   in_flight, MEASURE_PORTS, machine->somaxconn);
    }
    measure_cores_split(&cores, 1);
    result->shares_core = cores.shared;
    if (cores.shared) {
        bench_note(result, "client and server share the one core there is");
    }
    measure_cores_split(&cores, most(options->threads, options->thread_count));
    if (cores.shared && !result->shares_core) {
        bench_note(result,
                   "with %u threads client and server share cores: their wall rates are "
                   "those of both together",
                   most(options->threads, options->thread_count));
    }
    if (result->load[0] > 0.5) {
        bench_note(result,
                   "the load average was %.1f at the start: other programs ran, so that "
                   "ratios hold and absolute times are upper bounds",
                   result->load[0]);
    }
#ifndef NDEBUG
    bench_note(result, "this program is a debug build: only its counts mean anything");
#endif
    return ERR_NONE;
}

/* Unless asked for, threads are compared at one number in flight (the second) and in TLS 1.3. */
static bool is_wanted(const struct bench_options *options, const struct bench_fleet *fleet,
                      uint32_t in_flight_idx, uint32_t threads) {
    if (options->whole_product || threads == options->threads[0]) {
        return true;
    }
    uint32_t at = options->in_flight_count > 1 ? 1 : 0;
    return in_flight_idx == at && (fleet->tls == TLS1_3_VERSION || options->tls_count == 1);
}

uint32_t bench_plan_count(const struct bench_options *options, enum depth depth, uint32_t in_flight,
                          uint32_t threads) {
    uint32_t count = options->quick ? 1500 : 6000;
    count *= depth == DEPTH_COMPLETE ? threads : 2 * threads;
    count = count > 2 * in_flight ? count : 2 * in_flight;
    return options->count != 0 ? options->count : count;
}

static void plan_group(struct bench_result *result, uint32_t fleet_idx, uint32_t in_flight,
                       uint32_t threads) {
    for (uint32_t d = 0; d < result->options->depth_count; d++) {
        CHECK(result->cell_count < BENCH_CELLS_MAX);
        enum depth depth = result->options->depths[d];
        result->cells[result->cell_count++] = (struct bench_cell){
            .fleet_idx = fleet_idx,
            .in_flight = in_flight,
            .threads = threads,
            .count = bench_plan_count(result->options, depth, in_flight, threads),
            .depth = depth};
    }
}

/* Only the floors that a depth is held against. */
static void plan_floor(struct bench_result *result, uint32_t fleet_idx, uint32_t in_flight,
                       bool whole) {
    for (uint32_t d = 0; d < result->options->depth_count; d++) {
        if ((result->options->depths[d] == DEPTH_COMPLETE) == whole) {
            result->floors[result->floor_count++] = (struct bench_floor){
                .fleet_idx = fleet_idx, .in_flight = in_flight, .whole = whole};
            return;
        }
    }
}

void bench_plan_cells(struct bench_result *result) {
    const struct bench_options *options = result->options;
    for (uint32_t f = 0; f < result->fleet_count; f++) {
        for (uint32_t i = 0; i < options->in_flight_count; i++) {
            plan_floor(result, f, options->in_flight[i], true);
            plan_floor(result, f, options->in_flight[i], false);
            for (uint32_t t = 0; t < options->thread_count; t++) {
                if (is_wanted(options, &result->fleets[f], i, options->threads[t])) {
                    plan_group(result, f, options->in_flight[i], options->threads[t]);
                }
            }
        }
    }
}
