/* The sweep: the engine's public API. Inventory in, verdicts out, as the configuration says.

     struct sweep_result result;
     enum err err = sweep_run(&config, &result, &note);   blocks until done; call from the main
   thread

   SIGINT and SIGTERM stop the admission, end what is in flight as cancelled, write it, and return
   ERR_INTERRUPTED; a second one ends the process at once. Where the sweep can be resumed
   (config.keeper, a file as input, files as outputs) what was in flight is not written but left for
   that. */
#ifndef PINSWEEP_SWEEP_SWEEP_H
#define PINSWEEP_SWEEP_SWEEP_H

#include "engine/sweep/plan.h"

struct sweep_result {
    struct inventory_counts input;
    bool has_digest;
    uint8_t input_sha256[SHA256_LEN];
    char input_name[256];
    uint64_t targets; /* records written */
    uint64_t statuses[OUTCOME_COUNT];
    uint64_t verdicts[VERDICT_COUNT];
    uint64_t pkix[PKIX_COUNT];
    uint64_t first_expiry_s; /* Unix seconds: the first end that is ahead; 0: none seen */
    uint64_t unknown;        /* as counted against --max-unknown */
    struct conns_stats conns;
    struct intern_stats intern;
    struct path_stats path;
    uint64_t chains_written;
    int64_t started_ms, ended_ms;
    double seconds, cpu_user_s, cpu_system_s;
    uint64_t max_rss_bytes;
    uint64_t in_flight_peak; /* the sum of the workers' */
    uint32_t runs;           /* 1, and one more for each resume */
    bool ran;                /* it came to starting the workers */
    bool interrupted;
    struct sweep_plan plan;
};

/* Runs the sweep. The result is filled as far as it went, also on error. */
enum err sweep_run(const struct sweep_config *config, struct sweep_result *out,
                   struct err_note *note) MUST_USE;

/* Counts the input and says what a sweep would do, without touching the network. */
enum err sweep_dry_run(const struct sweep_config *config, struct sweep_result *out,
                       struct err_note *note) MUST_USE;

/* Adds counts to the result's; and the process's usage so far. */
void sweep_result_add(struct sweep_result *out, const struct sweep_counts *counts);
void sweep_result_usage(struct sweep_result *out);

/* A fresh sweep id: "20261124T021109Z-1a2b3c4d". */
void sweep_make_id(char out[32], int64_t wall_ms);

#endif
