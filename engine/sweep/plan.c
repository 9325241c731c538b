#include "engine/sweep/plan.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "engine/base/log.h"
#include "engine/sweep/progress.h"

#define TLS_BYTES 6144   /* one SSL object mid-handshake, measured (bench/bench_tls) */
#define CHAIN_BYTES 4608 /* leaf, chain and paths remembered: a usual leaf of 1.5 KB */
#define CONNECTION_BYTES                                                                           \
    (16 * 1024) /* for choosing: everything that a connection in flight may cost */
#define TARGETS_MIN 1024
#define FILES_SPARE 32     /* descriptors of the whole program: inventory, outputs, store */
#define FILES_PER_WORKER 4 /* a ring, and a socket for each of resolv.conf's name servers */

static uint32_t core_count(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return 1;
    }
    uint32_t count = (uint32_t)CPU_COUNT(&allowed);
    return count < WORKERS_MAX ? count : WORKERS_MAX;
}

static uint64_t memory_available(void) {
    unsigned long long kilobytes = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kilobytes != 0 ? kilobytes * 1024 : UINT64_C(1) << 30;
}

/* What a ring's table of direct descriptors may hold; the rest is for files and the resolver. */
static uint64_t conns_per_ring(uint64_t descriptors) {
    if (descriptors == RLIM_INFINITY || descriptors > CONCURRENCY_MAX) {
        return CONCURRENCY_MAX;
    }
    return descriptors > 2 * FILES_SPARE ? descriptors - FILES_SPARE
           : descriptors > 0             ? descriptors
                                         : 1;
}

/* Direct descriptors are not counted against the limit, but what a worker opens beside them is. */
static uint64_t workers_by_files(uint64_t descriptors) {
    uint64_t left = descriptors > FILES_SPARE ? descriptors - FILES_SPARE : 0;
    uint64_t workers = left / FILES_PER_WORKER;
    return workers < WORKERS_MAX ? workers : WORKERS_MAX;
}

/* One worker a core; a small concurrency needs no more workers than connections, a large one as
   many rings as hold it. */
static uint32_t choose_workers(const struct sweep_config *config, const struct sweep_plan *plan) {
    uint32_t workers = config->workers != 0 ? config->workers : plan->cores;
    if (config->concurrency != 0 && config->concurrency < workers) {
        return config->concurrency;
    }
    uint64_t rings = (config->concurrency + plan->conns_per_ring - 1) / plan->conns_per_ring;
    uint64_t rings_max = workers_by_files(plan->descriptors_hard);
    rings = rings < rings_max ? rings : rings_max;
    return config->workers != 0 || rings <= workers ? workers : (uint32_t)rings;
}

void sweep_plan_make(const struct sweep_config *config, struct sweep_plan *out) {
    struct rlimit files = {.rlim_cur = 1024, .rlim_max = 1024};
    getrlimit(RLIMIT_NOFILE, &files);
    *out = (struct sweep_plan){
        .cores = core_count(),
        .automatic = config->concurrency == 0,
        .descriptors_hard = files.rlim_max,
        .conns_per_ring = conns_per_ring(files.rlim_max),
        .memory_available = memory_available(),
    };
    out->workers = choose_workers(config, out);
    uint64_t want = out->automatic ? CONCURRENCY_AUTO_MAX : config->concurrency;
    out->bound = out->automatic ? "the automatic ceiling" : "--concurrency";
    uint64_t by_files = out->conns_per_ring * out->workers;
    uint64_t by_memory = out->memory_available / 2 / CONNECTION_BYTES;
    if (want > by_files) {
        want = by_files;
        out->bound = "descriptors (ulimit -Hn)";
        out->clamped = !out->automatic;
    }
    if (want > by_memory) {
        want = by_memory > out->workers ? by_memory : out->workers;
        out->bound = "memory";
        out->clamped = !out->automatic;
    }
    out->concurrency = (uint32_t)want;
    out->sizes.conns = (out->concurrency + out->workers - 1) / out->workers;
    uint32_t start = (CONCURRENCY_AUTO_START + out->workers - 1) / out->workers;
    out->sizes.start = out->automatic && start < out->sizes.conns ? start : out->sizes.conns;
    out->sizes.targets = out->sizes.conns * 2 > TARGETS_MIN ? out->sizes.conns * 2 : TARGETS_MIN;
}

size_t sweep_plan_items(const struct sweep_config *config, const struct sweep_plan *plan,
                        struct plan_item out[PLAN_ITEMS_MAX]) {
    uint64_t conns = (uint64_t)plan->sizes.conns * plan->workers;
    uint64_t buffers = plan->sizes.conns / 2 + 64;
    buffers = buffers < RECV_BUFFERS_MAX ? buffers : RECV_BUFFERS_MAX;
    const struct plan_item items[] = {
        {"connection slots", conns, sizeof(struct conn)},
        {"send buffers", conns, SEND_BUFFER_BYTES},
        {"TLS objects in flight", conns, TLS_BYTES},
        {"receive buffers", (uint64_t)plan->workers * buffers, RECV_BUFFER_BYTES},
        {"targets taken up", (uint64_t)plan->sizes.targets * plan->workers,
         sizeof(struct target) + 96},
        {"views of these", (uint64_t)plan->sizes.targets * plan->workers * config->key_view_count,
         sizeof(struct probe)},
        {"chains remembered", (uint64_t)config->chains_max * plan->workers, CHAIN_BYTES},
        {"judging", plan->workers,
         VIEWS_MAX * sizeof(struct verdict_view) +
             PIN_SETS_PER_HOST_MAX * sizeof(struct set_verdict) +
             JUDGE_UNITS_MAX * sizeof(struct verdict_unit)},
        {"output blocks", (uint64_t)plan->workers * BLOCKS_PER_WORKER, BLOCK_BYTES},
    };
    memcpy(out, items, sizeof items);
    return ARRAY_COUNT(items);
}

/* What would let more in flight. */
static const char *how_to_raise(const struct sweep_config *config, const struct sweep_plan *plan) {
    switch (plan->bound[0]) {
    case 'd':
        return config->workers != 0 ? "raise the hard limit of open files (ulimit -Hn), or "
                                      "--workers: each has a table "
                                      "of its own"
                                    : "raise the hard limit of open files (ulimit -Hn)";
    case 'm':
        return "give the machine or container more memory";
    default:
        return "--concurrency N fixes another number";
    }
}

void sweep_plan_tell(const struct sweep_config *config, const struct sweep_plan *plan) {
    char conns[COUNT_TEXT_MAX], start[COUNT_TEXT_MAX], files[COUNT_TEXT_MAX],
        memory[COUNT_TEXT_MAX];
    bool grows = plan->sizes.start < plan->sizes.conns;
    count_text(conns, plan->concurrency);
    count_text(start, (uint64_t)plan->sizes.start * plan->workers);
    count_text(files, plan->conns_per_ring);
    count_text(memory, plan->memory_available >> 20);
    log_info("%u worker%s on %u core%s, %s connection%s in flight%s%s (bound: %s)", plan->workers,
             plan->workers == 1 ? "" : "s", plan->cores, plan->cores == 1 ? "" : "s",
             grows ? start : conns, plan->concurrency == 1 ? "" : "s",
             grows ? " at first, more while that slows none down, up to " : "", grows ? conns : "",
             plan->bound);
    log_info("open files (ulimit -Hn) allow %s connections a worker, %s MB of memory are free; to "
             "have more in flight: %s",
             files, memory, how_to_raise(config, plan));
    if (plan->clamped) {
        log_error("--concurrency %u is more than this machine allows: %s bound it to %s; to go "
                  "higher: %s",
                  config->concurrency, plan->bound, conns, how_to_raise(config, plan));
    }
    char server[64] = "no limit", rate[64] = "no limit";
    if (config->server_concurrency != 0) {
        snprintf(server, sizeof server, "%u", config->server_concurrency);
    }
    if (config->server_rate > 0) {
        snprintf(rate, sizeof rate, "%g a second", config->server_rate);
    }
    log_info("per destination address: in flight %s (--server-concurrency), new connections %s "
             "(--server-rate-limit)",
             server, rate);
}
