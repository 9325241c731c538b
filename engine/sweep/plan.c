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

void sweep_plan_make(const struct sweep_config *config, struct sweep_plan *out) {
    struct rlimit files = {.rlim_cur = 1024, .rlim_max = 1024};
    getrlimit(RLIMIT_NOFILE, &files);
    *out = (struct sweep_plan){
        .workers = config->workers != 0 ? config->workers : core_count(),
        .automatic = config->concurrency == 0,
        .descriptors_hard = files.rlim_max,
        .memory_available = memory_available(),
    };
    /* One target needs one worker; a small concurrency needs no more workers than connections. */
    if (config->concurrency != 0 && config->concurrency < out->workers) {
        out->workers = config->concurrency;
    }
    uint64_t want = out->automatic ? CONCURRENCY_AUTO_MAX : config->concurrency;
    out->bound = out->automatic ? "the automatic ceiling" : "--concurrency";
    uint64_t by_files =
        out->descriptors_hard == RLIM_INFINITY ? CONCURRENCY_MAX : out->descriptors_hard;
    by_files = by_files > 64 ? by_files - 32 : by_files;
    by_files *= out->workers;
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

void sweep_plan_tell(const struct sweep_config *config, const struct sweep_plan *plan) {
    char conns[COUNT_TEXT_MAX], files[COUNT_TEXT_MAX], memory[COUNT_TEXT_MAX];
    count_text(conns, plan->concurrency);
    count_text(files, plan->descriptors_hard);
    count_text(memory, plan->memory_available >> 20);
    log_info("%u worker%s, %s connections in flight (%s; descriptors allow %s a worker, %s MB of "
             "memory are free)%s",
             plan->workers, plan->workers == 1 ? "" : "s", conns, plan->bound, files, memory,
             plan->automatic ? "; --concurrency N changes it" : "");
    if (plan->clamped) {
        log_error("--concurrency %u is more than this machine allows: %s bound it to %s%s",
                  config->concurrency, plan->bound, conns,
                  plan->bound[0] == 'd' ? "; raise the hard limit (ulimit -Hn) to go higher" : "");
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
