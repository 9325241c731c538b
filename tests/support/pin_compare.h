/* Whether two policies are the same: field by field, or in what their clients do. */
#ifndef PINSWEEP_TESTS_PIN_COMPARE_H
#define PINSWEEP_TESTS_PIN_COMPARE_H

#include "engine/trust/pin.h"

/* The first difference of two indices in any field that a policy file holds ("set 2: owner"), or
   NULL. Files, lines and columns may differ, and so may how a trust list of one "system" is kept.
 */
const char *pin_compare(const struct pin_index *a, const struct pin_index *b);

struct pin_view {
    bool leaf_only; /* clients that look at the leaf alone: whether they build a path is not said */
    bool trust;     /* the names of trust profiles too */
};

/* What clients do at a host, as text: which keys are accepted in which certificates, from when on
   not. Whole keys count as their digests. Sets that add up are one. To be freed. */
char *pin_describe(const struct pin_index *index, const char *host, uint16_t port,
                   const struct pin_view *view);

#endif
