/* SHA-256 digests to row numbers, growing: what the writer knows of chains and certificates by
   heart. 40 bytes each and 4 to 16 of index. The digests are of bytes that an adversary chose: they
   are compared whole, and their own bits serve as hash. */
#ifndef PINSWEEP_HISTORY_STORE_DIGESTS_H
#define PINSWEEP_HISTORY_STORE_DIGESTS_H

#include "engine/base/err.h"
#include "engine/codec/sha256.h"

struct store_digest {
    uint8_t digest[SHA256_LEN];
    uint32_t row;      /* its number in the store */
    uint32_t profiles; /* of a chain: bits of the sweep's profiles whose paths are stored */
};

struct store_digests {
    struct store_digest *items;
    uint32_t count, capacity;
    uint32_t *slots; /* open addressing, power of two: index + 1 */
    uint32_t mask;
};

void store_digests_fini(struct store_digests *digests);
/* NULL if it is not there. The pointer is valid until the next is added. */
struct store_digest *store_digests_find(const struct store_digests *digests,
                                        const uint8_t digest[SHA256_LEN]);
/* Adds one that is not there; NULL without memory, or beyond STORE_CHAINS_MAX. */
struct store_digest *store_digests_add(struct store_digests *digests,
                                       const uint8_t digest[SHA256_LEN], uint32_t row);

#endif
