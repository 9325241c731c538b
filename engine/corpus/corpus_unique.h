/* Private to the corpus: the pins already written (--unique): a growing open-addressing set of
   whole digests, 40 to 80 bytes each. One thread. */
#ifndef PINSWEEP_CORPUS_CORPUS_UNIQUE_H
#define PINSWEEP_CORPUS_CORPUS_UNIQUE_H

#include "engine/codec/sha256.h"

struct corpus_unique {
    uint8_t (*slots)[SHA256_LEN]; /* all zero: free */
    size_t slot_count, count, count_max;
};

enum corpus_unique_result { CORPUS_UNIQUE_NEW, CORPUS_UNIQUE_KNOWN, CORPUS_UNIQUE_FULL };

enum corpus_unique_result corpus_unique_add(struct corpus_unique *set,
                                            const uint8_t digest[SHA256_LEN]);
void corpus_unique_fini(struct corpus_unique *set);

#endif
