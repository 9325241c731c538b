/* Private to the inventory: where lines come from. A file (inventory_file.c) is scanned once and
   then read at any place by every worker on its own; a pipe (inventory_pipe.c) is read by a thread
   that hands out slices. Both give each line to exactly one reader. */
#ifndef PINSWEEP_SWEEP_INVENTORY_SOURCE_H
#define PINSWEEP_SWEEP_INVENTORY_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/sweep/inventory_line.h"
#include "engine/sweep/line_cutter.h"
#include "engine/sweep/permutation.h"

struct inventory_file {
    uint64_t start, end; /* file offsets: first byte, behind the last */
    uint64_t *index;     /* offset of each `stride`-th line */
    size_t index_count, index_capacity;
    uint64_t stride; /* a power of two */
    uint64_t line_count;
    struct permutation order;
    ALIGN_CACHE _Atomic uint64_t next; /* index entry, or with shuffle ordinal, not yet taken */
};

struct pipe_line {
    uint32_t offset, len; /* bytes */
    uint32_t line_delta;  /* line number minus the block's first_line */
};

struct pipe_block {
    uint8_t *bytes;
    struct pipe_line *lines;
    size_t used;
    uint32_t count, taken;
    uint64_t first_line;
};

/* All but the reader thread's own are guarded by the inventory's mutex. */
struct inventory_pipe {
    pthread_t thread;
    bool started, closing, ended;
    int wake_fd; /* eventfd: ends the thread's poll */
    pthread_cond_t freed;
    struct pipe_block *blocks; /* a ring: `published` full ones from `head` on, then the one that
                                  the thread fills */
    uint32_t block_count, block_lines, head, published;
    size_t block_bytes;
};

struct inventory {
    struct inventory_config config;
    struct inventory_skip skip; /* no function: nothing is skipped */
    char *name;
    int fd;
    bool is_file;
    struct inventory_file file;
    struct inventory_pipe pipe;

    pthread_mutex_t mutex;          /* guards what follows, and the pipe */
    struct inventory_syntax syntax; /* constant before the first line reaches a reader */
    struct inventory_counts counts;
    uint64_t complaint_count;
    enum err failure;
    struct err_note failure_note;
    bool digest_known;
    uint8_t digest[SHA256_LEN];
    _Atomic bool failed;
};

/* A reader's place in the source. */
struct inventory_cursor {
    struct line_cutter cutter;
    uint8_t *buffer; /* CUTTER_BYTES */
    int fd;
    uint64_t read_at, read_end; /* stretch of the file for the cutter */
    uint64_t line;              /* number of the next line */
    uint64_t left;              /* lines, or with shuffle ordinals, or slice lines, still to give */
    uint64_t ordinal;
    struct pipe_line slice[SLICE_LINES]; /* offsets into buffer */
    uint64_t slice_first_line;
    uint32_t slice_count;
};

enum inventory_fetch { FETCH_LINE, FETCH_WAIT, FETCH_END, FETCH_FAILED };

enum err inventory_file_scan(struct inventory *inventory, struct err_note *note) MUST_USE;
void inventory_file_fini(struct inventory_file *file);
enum inventory_fetch inventory_file_next(struct inventory *inventory,
                                         struct inventory_cursor *cursor, struct span *out_line,
                                         uint64_t *out_number);

enum err inventory_pipe_start(struct inventory *inventory, struct err_note *note) MUST_USE;
void inventory_pipe_fini(struct inventory *inventory);
/* `counts` is added to the inventory's and cleared whenever the lock is taken anyway. */
enum inventory_fetch inventory_pipe_next(struct inventory *inventory,
                                         struct inventory_cursor *cursor,
                                         struct inventory_counts *counts, struct span *out_line,
                                         uint64_t *out_number);

/* --- shared by both and the readers (inventory.c) --- */

/* The first failure stays. Thread-safe. */
void inventory_fail(struct inventory *inventory, enum err err, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Tells a bad line, the first COMPLAINTS_MAX of them. Thread-safe. */
void inventory_complain(struct inventory *inventory, uint64_t number, const char *why);
void inventory_add_counts(struct inventory_counts *to, struct inventory_counts *from);
/* Learns the syntax from a line; ERR_INPUT if it cannot be. Mutex held or no other thread yet. */
enum err inventory_learn(struct inventory *inventory, struct span line, uint64_t number,
                         struct err_note *note);
/* At the end of an input that had nothing to learn from. */
static inline void inventory_learn_nothing(struct inventory *inventory) {
    if (inventory->syntax.format == INVENTORY_AUTO) {
        inventory->syntax.format = INVENTORY_PLAIN;
    }
}
/* Which addresses of a line are of this shard: every shards-th from *out_first on. */
uint64_t inventory_shard_count(const struct inventory_config *config, uint64_t line,
                               uint64_t range_count, uint64_t *out_first);

/* A byte order mark is no part of the first line. */
static inline struct span inventory_without_bom(struct span line, uint64_t number) {
    if (number == 1 && line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0) {
        span_take(&line, 3);
    }
    return line;
}

extern const char inventory_too_long[];

#endif
