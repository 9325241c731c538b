#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/bench.h"
#include "engine/base/clock.h"
#include "engine/codec/sha256.h"
#include "engine/net/x25519.h"
#include "engine/sweep/progress.h"

static void print_machine(const struct bench_result *result) {
    const struct measure_machine *machine = &result->machine;
    time_t seconds = (time_t)(result->started_ms / 1000);
    struct tm utc;
    char when[32];
    gmtime_r(&seconds, &utc);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &utc);
    printf("%s, %u core%s, %.1f GB of memory, %s\n", machine->cpu, machine->cores,
           machine->cores == 1 ? "" : "s", (double)machine->memory_bytes / (1 << 30),
           machine->kernel);
    printf("pinsweep %s, BoringSSL %s (X25519: %s, SHA-256: %s), %s, load average %.2f %.2f %.2f\n",
           PINSWEEP_VERSION, PINSWEEP_BORINGSSL, x25519_kernel(), sha256_kernel(), when,
           result->load[0], result->load[1], result->load[2]);
    printf("The server is fleetsim on this machine, %s: real certificates, encryption and "
           "signatures, but\none key share of its own, whose shared secrets it remembers, and "
           "signing by short cuts.\n",
           result->shares_core ? "on the client's core"
                               : "on cores of its own where there are any");
    printf("Microseconds of the client's CPU, median [lowest, highest] of %u round%s.\n",
           result->options->rounds, result->options->rounds == 1 ? "" : "s");
}

static void print_primitives(const struct bench_result *result) {
    static const char *const words[] = {
        [BENCH_SHA256_BORINGSSL] = "SHA-256 of 91 bytes, BoringSSL",
        [BENCH_SHA256_BATCH] = "the same in batches of 256",
        [BENCH_X25519_BORINGSSL] = "X25519, one secret, BoringSSL",
        [BENCH_X25519_BATCH] = "the same in batches of 8",
        [BENCH_VERIFY_ECDSA] = "ECDSA P-256: key parsed, signature checked",
        [BENCH_VERIFY_RSA] = "RSA-2048 with PSS: the same",
    };
    puts("\nPrimitives");
    for (int i = 0; i < BENCH_PRIMITIVE_COUNT; i++) {
        struct bench_spread spread = bench_series_spread(&result->primitives[i]);
        printf("  %-46s %9.3f us  [%.3f, %.3f]\n", words[i], spread.median, spread.low,
               spread.high);
    }
}

static void print_ratio(const struct bench_series *series) {
    if (series->count > 0) {
        printf(" %8.2f", bench_series_spread(series).median);
    } else {
        printf(" %8s", "-");
    }
}

static void print_floor(const struct bench_floor *floor) {
    struct bench_spread cpu = bench_series_spread(&floor->cpu);
    printf("  %9u %7d  %-12s %8.1f  [%7.1f, %7.1f] %8.1f %8.1f %8s %8s\n", floor->in_flight, 1,
           floor->whole ? "floor: whole" : "floor: flight", cpu.median, cpu.low, cpu.high,
           bench_series_spread(&floor->user).median, bench_series_spread(&floor->system).median,
           "1.00", "-");
}

static void print_cost(const struct bench_cell *cell) {
    struct bench_spread cpu = bench_series_spread(&cell->cpu);
    char minute[COUNT_TEXT_MAX], second[COUNT_TEXT_MAX];
    count_text(minute, cpu.median > 0 ? (uint64_t)(60e6 / cpu.median) : 0);
    count_text(second, (uint64_t)bench_series_spread(&cell->per_second).median);
    printf("  %9u %7u  %-12s %8.1f  [%7.1f, %7.1f] %8.1f %8.1f", cell->in_flight, cell->threads,
           depth_text(cell->depth), cpu.median, cpu.low, cpu.high,
           bench_series_spread(&cell->user).median, bench_series_spread(&cell->system).median);
    print_ratio(&cell->by_floor);
    print_ratio(&cell->by_parts);
    printf(" %11s %9s %6.2f\n", minute, second, bench_series_spread(&cell->busy).median);
}

static void print_fleet(const struct bench_result *result, uint32_t idx) {
    const struct bench_fleet *fleet = &result->fleets[idx];
    const struct measure_bytes *bytes = &fleet->bytes;
    struct bench_spread memory = bench_series_spread(&fleet->in_memory);
    printf("\nTLS %s, %s leaf: %zu bytes out, %zu in, %zu out", bench_tls_text(fleet->tls),
           measure_key_text(fleet->key), bytes->out[0], bytes->in[0], bytes->out[1]);
    if (bytes->in[1] > 0) {
        printf(", %zu in, %zu out", bytes->in[1], bytes->out[2]);
    }
    printf("; BoringSSL's client in memory %.1f us [%.1f, %.1f]\n", memory.median, memory.low,
           memory.high);
    printf("  %9s %7s  %-12s %8s  %18s %8s %8s %8s %8s %11s %9s %6s\n", "in flight", "threads",
           "depth", "CPU", "[lowest, highest]", "user", "system", "x floor", "x parts",
           "/minute core", "/s wall", "busy");
    for (uint32_t i = 0; i < result->floor_count; i++) {
        if (result->floors[i].fleet_idx == idx) {
            print_floor(&result->floors[i]);
        }
    }
    for (uint32_t i = 0; i < result->cell_count; i++) {
        if (result->cells[i].fleet_idx == idx) {
            print_cost(&result->cells[i]);
        }
    }
}

static void print_counts(const struct bench_result *result) {
    static const char *const versions[] = {"other", "1.0", "1.1", "1.2", "1.3"};
    puts("\nCounts of all rounds, start-up included");
    printf("  %-56s %9s %9s %9s %9s %9s %9s  %s\n", "", "attempts", "completed", "proven",
           "captured", "fallbacks", "failed", "versions");
    for (uint32_t i = 0; i < result->cell_count; i++) {
        const struct measure_counts *counts = &result->cells[i].counts;
        char name[BENCH_NAME_MAX];
        bench_cell_name(result, &result->cells[i], name);
        printf("  %-56s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64
               " ",
               name, counts->attempts, counts->completed, counts->proven, counts->captured,
               counts->fallbacks, counts->targets - counts->succeeded);
        for (size_t v = 0; v < ARRAY_COUNT(versions); v++) {
            if (counts->versions[v] > 0) {
                printf(" %s:%" PRIu64, versions[v], counts->versions[v]);
            }
        }
        putchar('\n');
    }
}

static void print_memories(const struct bench_result *result) {
    if (result->memory_count > 0) {
        puts("\nUser-space memory of one more connection in flight");
    }
    for (uint32_t i = 0; i < result->memory_count; i++) {
        const struct bench_memory *memory = &result->memories[i];
        const struct bench_fleet *fleet = &result->fleets[memory->fleet_idx];
        struct bench_spread bytes = bench_series_spread(&memory->bytes);
        printf("  TLS %s %-11s %-9s %6.0f bytes  [%.0f, %.0f]  (from %u to %u in flight)\n",
               bench_tls_text(fleet->tls), measure_key_text(fleet->key), depth_text(memory->depth),
               bytes.median, bytes.low, bytes.high, memory->low_in_flight, memory->high_in_flight);
    }
}

static void print_scaling(const struct bench_result *result) {
    bool titled = false;
    for (uint32_t i = 0; i < result->cell_count; i++) {
        const struct bench_cell *cell = &result->cells[i];
        char name[BENCH_NAME_MAX];
        struct bench_spread cpu = bench_series_spread(&cell->cpu_by_fewest),
                            wall = bench_series_spread(&cell->wall_by_fewest);
        if (cell->cpu_by_fewest.count == 0) {
            continue;
        }
        if (!titled) {
            printf("\nAgainst %u thread%s of the same round\n", result->options->threads[0],
                   result->options->threads[0] == 1 ? "" : "s");
            titled = true;
        }
        bench_cell_name(result, cell, name);
        printf("  %-56s CPU x %.2f [%.2f, %.2f]  wall rate x %.2f [%.2f, %.2f]\n", name, cpu.median,
               cpu.low, cpu.high, wall.median, wall.low, wall.high);
    }
}

void bench_table_print(const struct bench_result *result) {
    print_machine(result);
    print_primitives(result);
    for (uint32_t i = 0; i < result->fleet_count; i++) {
        print_fleet(result, i);
    }
    puts("\n  floor: bare connect, send, receive, close of the same bytes on io_uring, as many in "
         "flight\n         (flight: closed after the server's first; the floor of prove and "
         "capture)\n"
         "  x parts: complete / (in memory + floor); prove / (capture + check of the signature)\n"
         "  /minute core: 60 s / CPU    /s wall: by the clock    busy: client's CPU by the clock");
    print_scaling(result);
    print_counts(result);
    print_memories(result);
    for (uint32_t i = 0; i < result->note_count; i++) {
        printf("%snote: %s\n", i == 0 ? "\n" : "", result->notes[i]);
    }
    fflush(stdout);
}
