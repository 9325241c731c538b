/* Private to the corpus: files into blocks. What a regular file holds behind its first block is
   read in ranges that threads claim in turn and read side by side; where the records end is then
   found in the order of the file, which is quick. All else (beginnings, ends, pipes, small files)
   is read and cut in one go. */
#ifndef PINSWEEP_CORPUS_CORPUS_FEED_H
#define PINSWEEP_CORPUS_CORPUS_FEED_H

#include "engine/corpus/corpus_block.h"
#include "engine/corpus/corpus_walk.h"

struct corpus_feeder {
    const struct corpus_config *config;
    struct corpus_walk walk;
    struct corpus_file *file; /* open, or NULL */
    int fd;
    bool is_stream, is_fresh;   /* fresh: format not known yet */
    bool is_done;               /* nothing more is wanted of the file */
    bool has_failed;            /* or was not recognised: told */
    off_t read_at;              /* place of the next read, if it is no stream */
    uint64_t offset;            /* in the input, of the first byte of `carry` */
    struct corpus_buffer carry; /* read, but of the next block */
    size_t cut_from;            /* no record ends before that many bytes: not to be looked for */

    off_t range_next, range_end; /* to be claimed */
    atomic_bool ranges_void;     /* what is claimed beyond `read_at` is not wanted */
};

void corpus_feeder_init(struct corpus_feeder *feeder, const struct corpus_config *config);
void corpus_feeder_fini(struct corpus_feeder *feeder);

/* Gives the block the next range of the open file; false if there is none. One thread at a time,
   and none in corpus_feed() meanwhile. */
bool corpus_feed_claim(struct corpus_feeder *feeder, struct corpus_block *block);
/* Reads it. Touches nothing but the block. */
void corpus_feed_read(struct corpus_block *block);
/* Finds the records in it: pieces, complaints and counts. One thread at a time, in the order of the
   claims; claims may go on meanwhile. */
void corpus_feed_cut(struct corpus_feeder *feeder, struct corpus_block *block);

/* Fills an empty block when there is nothing to claim, and all that was claimed is cut. False at
   the end of the input, or when told to stop. */
bool corpus_feed(struct corpus_feeder *feeder, struct corpus_block *block);

#endif
