/* The writing half of the store: what keeps a sweep (engine/sweep/keeper.h) in it, lets it go on
   after an interruption, and remembers the paths of known chains for the next.

   A sweep's rows are inserted in the order in which they come, by prepared statements, in one
   transaction each quarter of a second or so; of a known chain or certificate only the digest is
   looked up, in memory (about 90 bytes a chain and its certificates). The first commit holds the
   sweep's own row: however the process ends, the store says what was done.

   What is remembered: of every chain in the store the paths in those profiles whose anchors, in
   their order, are the same, verified by the same version of this program (40 to 80 bytes a chain).
   See store.h about trust. */
#ifndef PINSWEEP_HISTORY_STORE_WRITER_H
#define PINSWEEP_HISTORY_STORE_WRITER_H

#include "engine/sweep/keeper.h"

struct store_writer;

/* Opens the store for one sweep (STORE_WRITE). */
enum err store_writer_open(const char *file, struct store_writer **out,
                           struct err_note *note) MUST_USE;
/* Rolls back what was not committed. NULL is allowed. */
void store_writer_close(struct store_writer *writer);

struct store_resumable {
    char name[64]; /* of the sweep */
    uint64_t seed;
    bool shuffled;
};
/* The sweep that a resume into this output file goes on with: the one begun last of those that
   were interrupted and wrote to that file (NULL: to none). ERR_USAGE if there is none, with the
   reason. */
enum err store_writer_find(struct store_writer *writer, const char *output_file,
                           struct store_resumable *out, struct err_note *note) MUST_USE;

/* For sweep_config.keeper; lives as long as the writer. */
const struct keeper *store_writer_keeper(const struct store_writer *writer);

#endif
