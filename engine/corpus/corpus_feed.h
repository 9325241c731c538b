/* Private to the corpus: files into blocks. One thread at a time. */
#ifndef PINSWEEP_CORPUS_CORPUS_FEED_H
#define PINSWEEP_CORPUS_CORPUS_FEED_H

#include "engine/corpus/corpus_block.h"
#include "engine/corpus/corpus_walk.h"

struct corpus_feeder {
    const struct corpus_config *config;
    struct corpus_walk walk;
    struct corpus_file *file; /* open, or NULL */
    int fd;
    bool is_stream, is_fresh, is_lost; /* fresh: format not known yet */
    uint64_t offset;                   /* in the file, of the first byte of `carry` */
    struct corpus_buffer carry;        /* read, but of the next block */
    uint64_t next_seq;
};

void corpus_feeder_init(struct corpus_feeder *feeder, const struct corpus_config *config);
void corpus_feeder_fini(struct corpus_feeder *feeder);

/* Fills an empty block: pieces, complaints and counts of reading. False at the end of the input, or
   when told to stop. */
bool corpus_feed(struct corpus_feeder *feeder, struct corpus_block *block);

#endif
