/* pinsweep bench: what its parts share. cmd_bench.c reads the command line, bench_plan.c chooses
   what is measured, bench_run.c measures, bench_table.c prints, bench_json.c writes,
   bench_compare.c holds the result against an older one. Everything is measured once in each of
   several rounds, in turn; ratios are of one round, what is told is the median with the lowest and
   the highest. */
#ifndef PINSWEEP_CLI_BENCH_H
#define PINSWEEP_CLI_BENCH_H

#include "bench/measure/measure.h"
#include "engine/base/attributes.h"

#define BENCH_ROUNDS_MAX 31
#define BENCH_LIST_MAX 8   /* numbers in flight, of threads */
#define BENCH_FLEETS_MAX 4 /* a version with a key */
#define BENCH_CELLS_MAX                                                                            \
    512 /* (version, key, number in flight, threads, depth), with room to spare */
#define BENCH_FLOORS_MAX (BENCH_FLEETS_MAX * BENCH_LIST_MAX * 2)
#define BENCH_MEMORIES_MAX (BENCH_FLEETS_MAX * 3)
#define BENCH_NOTES_MAX 16
#define BENCH_NAME_MAX 80
#define BENCH_FILE_BYTES_MAX (1u << 20) /* BENCH_CELLS_MAX cells of a kilobyte fit */

struct bench_options {
    enum depth depths[3];
    uint32_t depth_count;
    uint16_t tls[2];
    uint32_t tls_count;
    enum measure_key keys[MEASURE_KEY_COUNT];
    uint32_t key_count;
    uint32_t in_flight[BENCH_LIST_MAX], in_flight_count; /* ascending */
    uint32_t threads[BENCH_LIST_MAX], thread_count;      /* ascending */
    bool whole_product;     /* every number of threads at every number in flight; else at one */
    uint32_t rounds, count; /* count 0: as many handshakes as the number in flight asks for */
    bool quick, quiet, overwrite;
    const char *json_file, *compare_file;
};

/* One figure in all rounds. */
struct bench_series {
    uint32_t count;
    double values[BENCH_ROUNDS_MAX];
};

struct bench_spread {
    double median, low, high;
};

/* TLS version and key: a fleetsim, a server for the floor, contexts in memory. */
struct bench_fleet {
    uint16_t tls;
    enum measure_key key;
    struct measure_fleet served;
    struct measure_memory *memory;
    struct measure_bytes bytes;
    pid_t floor_server;
    uint16_t floor_ports[MEASURE_PORTS];
    struct bench_series in_memory; /* us a handshake, BoringSSL's client alone */
};

struct bench_floor {
    uint32_t fleet_idx, in_flight;
    bool whole; /* to the last byte; else up to the server's first flight */
    struct bench_series cpu, user, system;
};

struct bench_cell {
    uint32_t fleet_idx, in_flight, threads, count;
    enum depth depth;
    struct bench_series cpu, user, system; /* us a handshake */
    struct bench_series by_floor;          /* cpu against the floor of the same turns */
    struct bench_series by_parts;          /* cpu against what it is made of; empty: not known */
    struct bench_series cpu_by_fewest;  /* cpu against that of the fewest threads; empty: is it */
    struct bench_series wall_by_fewest; /* per_second likewise */
    struct bench_series per_second, busy, max_rss;
    struct measure_counts counts; /* of all rounds */
};

/* User-space memory of one more connection in flight, from two cells. */
struct bench_memory {
    uint32_t fleet_idx, low_in_flight, high_in_flight;
    enum depth depth;
    struct bench_series bytes;
};

enum bench_primitive {
    BENCH_SHA256_BORINGSSL,
    BENCH_SHA256_BATCH,
    BENCH_X25519_BORINGSSL,
    BENCH_X25519_BATCH,
    BENCH_VERIFY_ECDSA,
    BENCH_VERIFY_RSA,
    BENCH_PRIMITIVE_COUNT
};

struct bench_result {
    const struct bench_options *options;
    struct measure_machine machine;
    int64_t started_ms, ended_ms;
    double load[3];   /* at the start; -1: not known */
    bool shares_core; /* the client of one thread has no core of its own */
    struct bench_fleet fleets[BENCH_FLEETS_MAX];
    struct bench_floor floors[BENCH_FLOORS_MAX];
    struct bench_cell cells[BENCH_CELLS_MAX];
    struct bench_memory memories[BENCH_MEMORIES_MAX];
    uint32_t fleet_count, floor_count, cell_count, memory_count, note_count;
    struct bench_series primitives[BENCH_PRIMITIVE_COUNT];
    char notes[BENCH_NOTES_MAX][256]; /* what a reader of the figures should know */
};

/* --- bench_plan.c --- */

/* Whether this machine's limits allow what the options ask for; what bounds the figures becomes a
   note. The machine is known. */
enum err bench_plan_limits(struct bench_result *result, struct err_note *note) MUST_USE;
/* The floors and cells, in the order of measuring and of telling. The fleets are known. */
void bench_plan_cells(struct bench_result *result);
/* Handshakes of one measurement. */
uint32_t bench_plan_count(const struct bench_options *options, enum depth depth, uint32_t in_flight,
                          uint32_t threads);

/* --- bench_run.c --- */

/* Fills the result; what it started is ended whatever happens. ERR_INTERRUPTED after a signal. */
enum err bench_run(const struct bench_options *options, struct bench_result *out,
                   struct err_note *note) MUST_USE;

/* --- bench_series.c --- */

void bench_series_add(struct bench_series *series, double value);
struct bench_spread bench_series_spread(const struct bench_series *series); /* zeros if empty */
/* "tls1.3 ecdsa-p256 capture 256 in flight 1 thread": the same in every run of the same thing. */
void bench_cell_name(const struct bench_result *result, const struct bench_cell *cell,
                     char out[BENCH_NAME_MAX]);
const char *bench_tls_text(uint16_t tls);                         /* "1.3" */
const char *bench_primitive_text(enum bench_primitive primitive); /* "sha256-91-boringssl" */
void bench_note(struct bench_result *result, const char *format, ...) PRINTF_LIKE(2, 3);

/* --- bench_table.c --- */

void bench_table_print(const struct bench_result *result);

/* --- bench_json.c --- */

enum err bench_json_write(const struct bench_result *result, int argc, char *const *argv,
                          struct err_note *note) MUST_USE;

/* --- bench_compare.c --- */

struct bench_old;
/* Reads what bench_json_write() wrote, before anything is measured. */
enum err bench_old_load(const char *file, struct bench_old **out, struct err_note *note) MUST_USE;
void bench_old_free(struct bench_old *old); /* NULL is fine */
void bench_compare_print(const struct bench_result *result, const struct bench_old *old);

#endif
