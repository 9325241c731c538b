/* The way out: workers fill blocks of whole lines, one writer thread writes them. The queue of
   blocks is one of the few things that threads share. Two streams: records, and chains (written
   once each: the writer keeps the set of ids already written). Blocks are whole lines always, so
   that whatever happens (signal, full disk) the files end with a whole line: a failed write is cut
   back to the last line that was written whole where the output is a file.

   With a keeper (keeper.h) the blocks of the records carry rows too: they are put when the bytes
   are written, and committed with the lengths of the files a few times a second and at the end. The
   files are on the disk before that (fdatasync), so that they never hold less than was committed.

   Back-pressure: sink_take returns NULL while all blocks are with the writer. A failed sink
   stays failed: sink_failed() tells the workers to stop. */
#ifndef PINSWEEP_SWEEP_SINK_H
#define PINSWEEP_SWEEP_SINK_H

#include "engine/base/err.h"
#include "engine/base/limits.h"
#include "engine/codec/sha256.h"
#include "engine/sweep/keeper_rows.h"
#include "engine/sweep/stats.h"

enum sink_stream { SINK_RECORDS, SINK_CHAINS, SINK_STREAM_COUNT };

#define SINK_CHAINS_PER_BLOCK 256

struct sink_block {
    struct sink_block *next;
    enum sink_stream stream;
    size_t len, capacity;
    /* chains only: where each line begins and what it is about */
    uint32_t chain_count;
    uint32_t chain_offset[SINK_CHAINS_PER_BLOCK];
    uint8_t chain_id[SINK_CHAINS_PER_BLOCK][SHA256_LEN];
    char *bytes;
    /* records with a keeper only: the rows of these lines; who gives the block, and all that he
       counted up to here */
    struct keeper_rows rows;
    uint32_t giver;
    struct sweep_counts counts;
};

struct sink_state {
    uint64_t lens[SINK_STREAM_COUNT]; /* whole lines in the files; 0 for what is no file */
    uint64_t chains_written;
};

/* Called by the writer thread; commit also once by sink_open(), in the caller's. */
struct sink_keeper {
    void *context; /* NULL functions: there is no keeper */
    enum err (*put)(void *context, const struct sink_block *block, struct err_note *note);
    enum err (*commit)(void *context, const struct sink_state *state, struct err_note *note);
};

struct sink_config {
    const char *files[SINK_STREAM_COUNT]; /* NULL: stream not wanted; "-": standard output */
    bool overwrite, append;
    bool resume; /* go on with files of which so many bytes count; the rest is cut off */
    uint64_t lens[SINK_STREAM_COUNT];
    const char *sweep_id; /* whose the records of a resumed file must be; NULL: whosever */
    bool has_records;     /* some of them are within its length */
    struct sink_keeper keeper;
    uint32_t block_count;
};

struct sink;

/* Opens the outputs. An existing non-empty file is refused (ERR_USAGE) unless overwrite or append
   is said; with append a file whose last line is not whole is refused, with resume one that holds
   less than it should. Starts the writer thread. */
enum err sink_open(const struct sink_config *config, struct sink **out,
                   struct err_note *note) MUST_USE;
/* Waits until all is written and on its way, ends the thread. The first failure, if any. */
enum err sink_close(struct sink *sink, struct err_note *note) MUST_USE;

/* An empty block of at least `capacity` bytes (BLOCK_BYTES usually), or NULL if the writer is
 * behind. Thread-safe. */
struct sink_block *sink_take(struct sink *sink, enum sink_stream stream, size_t capacity);
/* Hands it to the writer, or back if it is empty. */
void sink_give(struct sink *sink, struct sink_block *block);
bool sink_failed(struct sink *sink);
/* Whether every output is a file that can be cut back. */
bool sink_is_resumable(const struct sink *sink);
/* Whether every block that was taken is back: given, and written. */
bool sink_is_drained(struct sink *sink);
/* Lines of the records stream written so far. */
uint64_t sink_bytes(struct sink *sink, enum sink_stream stream);
uint64_t sink_chains(struct sink *sink);

#endif
