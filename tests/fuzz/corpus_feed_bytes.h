/* For the fuzzers of the corpus: one piece of bytes through one reader. */
#ifndef PINSWEEP_TESTS_CORPUS_FEED_BYTES_H
#define PINSWEEP_TESTS_CORPUS_FEED_BYTES_H

#include "engine/corpus/corpus_batch.h"
#include "engine/corpus/corpus_readers.h"

/* Emptied, or made on first use: a block is too large to be allocated for every input. */
static inline struct corpus_block *corpus_fresh_block(struct corpus_block **block) {
    if (*block == NULL) {
        *block = corpus_block_new();
    }
    corpus_block_reset(*block);
    return *block;
}

/* Reads the bytes, which begin at `offset` of their file, in this format into `block`, which must
   be fresh. */
static inline void corpus_feed_bytes(struct corpus_block *block, enum corpus_format format,
                                     struct span bytes, uint64_t offset) {
    static struct corpus_batch *batch;
    static const struct corpus_config config = {.output = CORPUS_OUT_NDJSON, .fingerprint = true};
    if (batch == NULL) {
        batch = corpus_batch_new(&config);
    }
    struct corpus_file *file = corpus_file_new("fuzz", false);
    file->format = format;
    file->separator = ',';
    corpus_buffer_append(&block->in, bytes.data, bytes.len);
    block->pieces[0] = (struct corpus_piece){.file = file, .len = bytes.len, .offset = offset};
    block->piece_count = 1;
    corpus_batch_run(batch, block);
}

/* As many lines as certificates, as many complaints as broken ones, a key in every line. */
static inline void corpus_check_block(const struct corpus_block *block) {
    uint64_t lines = 0, complaints = 0;
    for (size_t i = 0; i < block->out.len; i++) {
        lines += block->out.bytes[i] == '\n';
    }
    for (size_t i = 0; i < block->complaints.len; i++) {
        complaints += block->complaints.bytes[i] == '\0';
    }
    CHECK(lines == block->stats.certificates);
    CHECK(complaints == block->stats.broken);
    CHECK(block->stats.salvaged <= block->stats.broken);
}

#endif
