/* A sweep's dealings with its keeper (keeper.h): what is told at the beginning, how rows and counts
   of blocks become commits, and what a resumed sweep adds its own counts to. The state that is
   committed is the metadata document itself: a resumed sweep reads it back and counts on.

   Begun and ended by the main thread; put and commit are called by the sink's writer thread, while
   the main thread leaves it alone. */
#ifndef PINSWEEP_SWEEP_KEEPING_H
#define PINSWEEP_SWEEP_KEEPING_H

#include <limits.h>

#include "engine/sweep/keeper.h"
#include "engine/sweep/sink.h"
#include "engine/sweep/sweep.h"

struct keeping {
    const struct sweep_config *config;
    const struct keeper *keeper; /* NULL: there is none, and the rest is unused */
    struct sweep_counts *latest; /* of each worker, as its last block said */
    uint32_t worker_count;
    struct sweep_result base; /* of the runs before this one */
    struct sweep_result now;  /* this run's facts, and all counts up to the last commit */
    uint64_t started_ns;
    char *metadata;                   /* METADATA_BYTES_MAX */
    uint64_t lens[SINK_STREAM_COUNT]; /* committed */
    char output_file[PATH_MAX], chains_file[PATH_MAX];
    bool has_records; /* of the runs before this one */
    bool begun;
};

/* Begins the sweep in the store, or goes on with it: then keeping->lens say how much of the files
   counts. `result` has what is known of the input, the plan and the start. */
enum err keeping_begin(struct keeping *keeping, const struct sweep_config *config,
                       const struct sweep_result *result, struct err_note *note) MUST_USE;
/* For sink_config; no functions without a keeper. */
struct sink_keeper keeping_sink(struct keeping *keeping);
/* The sink is closed. `result` is this run's alone; the runs before are added to it. */
enum err keeping_end(struct keeping *keeping, struct sweep_result *result, enum err swept,
                     struct err_note *note) MUST_USE;
void keeping_fini(struct keeping *keeping);

#endif
