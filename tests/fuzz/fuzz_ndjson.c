/* Properties of the readers of text records (NDJSON, CSV, PEM, base64 lines): nothing is read
   outside, the counts agree with the output; and a corpus read in two parts, cut where the reader
   says, gives what it gives in one. */
#include <stdlib.h>

#include "tests/fuzz/corpus_feed_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parts(enum corpus_format format, struct span bytes,
                        const struct corpus_block *whole) {
    static struct corpus_block *blocks[2];
    bool lost;
    /* the cut is found in a part, as the feeder does */
    size_t cut =
        corpus_cut(whole->pieces[0].file, span_of(bytes.data, bytes.len - bytes.len / 3), &lost);
    struct corpus_block *first = corpus_fresh_block(&blocks[0]);
    struct corpus_block *second = corpus_fresh_block(&blocks[1]);
    corpus_feed_bytes(first, format, span_of(bytes.data, cut), 0);
    corpus_feed_bytes(second, format, span_of(bytes.data + cut, bytes.len - cut), cut);
    CHECK(first->stats.certificates + second->stats.certificates == whole->stats.certificates);
    CHECK(first->stats.broken + second->stats.broken == whole->stats.broken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const enum corpus_format formats[] = {CORPUS_NDJSON, CORPUS_CSV, CORPUS_PEM,
                                                 CORPUS_BASE64};
    static struct corpus_block *whole;
    struct span bytes = span_of(data, size);
    for (size_t i = 0; size > 0 && i < ARRAY_COUNT(formats); i++) {
        struct corpus_block *block = corpus_fresh_block(&whole);
        corpus_feed_bytes(block, formats[i], bytes, 0);
        corpus_check_block(block);
        check_parts(formats[i], bytes, block);
    }
    return 0;
}
