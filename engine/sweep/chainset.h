/* The chain ids already written to --chains-out: a growing open-addressing set of SHA-256 digests,
   32 to 64 bytes each. Owned by the writer thread. Keys are digests, but of bytes that an adversary
   chose: the full digest is compared. Empty until first used. */
#ifndef PINSWEEP_SWEEP_CHAINSET_H
#define PINSWEEP_SWEEP_CHAINSET_H

#include "engine/codec/sha256.h"

struct chainset {
    uint8_t (*slots)[SHA256_LEN]; /* all zero: free */
    size_t mask, count;
};

/* True if it was not there before. */
bool chainset_add(struct chainset *set, const uint8_t id[SHA256_LEN]);
void chainset_fini(struct chainset *set);

#endif
