/* For the fuzzers of the corpus: one piece of bytes through one reader. */
#ifndef PINSWEEP_TESTS_CORPUS_FEED_BYTES_H
#define PINSWEEP_TESTS_CORPUS_FEED_BYTES_H

#include "engine/corpus/corpus_batch.h"
#include "engine/corpus/corpus_readers.h"

/* Reads the bytes in this format into `block`, which must be fresh. */
static inline void corpus_feed_bytes(struct corpus_block *block, enum corpus_format format,
                                     struct span bytes) {
    static const struct corpus_config config = {.output = CORPUS_OUT_NDJSON, .fingerprint = true};
    struct corpus_batch *batch = corpus_batch_new(&config);
    struct corpus_file *file = corpus_file_new("fuzz", false);
    file->format = format;
    file->separator = ',';
    corpus_buffer_append(&block->in, bytes.data, bytes.len);
    block->pieces[0] = (struct corpus_piece){.file = file, .len = bytes.len};
    block->piece_count = 1;
    corpus_batch_run(batch, block);
    corpus_batch_free(batch);
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
