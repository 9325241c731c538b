/* Private to diff*.c. diff.c says which endpoint is which; diff_compare.c compares one in two
   sweeps, diff_certs.c its certificates. */
#ifndef PINSWEEP_HISTORY_DIFF_INTERNAL_H
#define PINSWEEP_HISTORY_DIFF_INTERNAL_H

#include "engine/history/diff.h"

/* Two targets that are one endpoint. */
struct pair {
    struct diff *diff;
    uint32_t before_idx, after_idx;
    const struct snapshot_target *before, *after;
    uint32_t change_count; /* of the diff when this pair began */
};

/* A new change with everything unset; NULL when memory ran out. */
struct diff_change *diff_add(struct diff *diff, enum diff_kind kind, uint32_t before,
                             uint32_t after);
static inline struct diff_change *diff_add_pair(const struct pair *pair, enum diff_kind kind) {
    return diff_add(pair->diff, kind, pair->before_idx, pair->after_idx);
}
void diff_compare(struct diff *diff, uint32_t before, uint32_t after);
/* What the views of that key type show: leaves, issuers, paths, pkix results, names. */
void diff_compare_certs(const struct pair *pair, enum key_view key_type);

#endif
