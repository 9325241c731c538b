/* A store of made-up nights, for benches and tests: fills millions of rows in seconds, with the
   tables and keys of data/store.sql, without a sweep. Everything follows from the numbers below:
   target t is "host-<t>.fill.test:443" with one view of chain t % chains, judged by the pin set
   t % 16; chain c is a leaf, one of 100 issuers and (on its path) one of 10 roots.

   From night to night some change, each a share in thousandths, chosen by number: chains that are
   renewed on the same key, renewed on a new key, or moved to another issuer and root; targets that
   do not answer, and that mismatch. */
#ifndef PINSWEEP_BENCH_STORE_FILL_H
#define PINSWEEP_BENCH_STORE_FILL_H

#include "engine/history/store.h"

struct store_fill_night {
    const char *name;
    int64_t started_ms;
    uint32_t first_target, target_count;
    uint32_t renewed, rotated, moved; /* of 1,000 chains */
    uint32_t silent, mismatched;      /* of 1,000 targets */
    bool interrupted;                 /* the sweep's state */
};

struct store_fill;

/* Makes a store with `chains` chains of certificates of `der_len` bytes each (made up: not DER). */
enum err store_fill_new(const char *file, uint32_t chains, uint32_t der_len,
                        struct store_fill **out, struct err_note *note) MUST_USE;
enum err store_fill_add(struct store_fill *fill, const struct store_fill_night *night,
                        struct err_note *note) MUST_USE;
/* NULL is allowed. */
void store_fill_free(struct store_fill *fill);

/* Whether the night changes it so (the shares in their order exclude each other). */
enum store_fill_change {
    STORE_FILL_SAME,
    STORE_FILL_RENEWED,
    STORE_FILL_ROTATED,
    STORE_FILL_MOVED
};
enum store_fill_change store_fill_change_of(const struct store_fill_night *night, uint32_t chain);
bool store_fill_is_silent(const struct store_fill_night *night, uint32_t target);
bool store_fill_is_mismatched(const struct store_fill_night *night, uint32_t target);

#endif
