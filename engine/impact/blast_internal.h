/* Private to blast*.c. */
#ifndef PINSWEEP_IMPACT_BLAST_INTERNAL_H
#define PINSWEEP_IMPACT_BLAST_INTERNAL_H

#include "engine/impact/blast.h"

#define BLAST_KEYS_PER_TARGET_MAX 256 /* VIEWS_MAX views share their issuers */

enum blast_role { BLAST_PIN, BLAST_LEAF, BLAST_CA, BLAST_ANCHOR };

struct blast_key {
    uint8_t spki_sha256[SHA256_LEN];
    const char *subject; /* of the first certificate with it; "" if only pinned */
    enum blast_role role;
    uint32_t last_target; /* plus 1 */
    uint64_t targets;     /* whose chains or paths hold it */
    uint64_t breaks, locked;
    uint64_t pin_sets; /* that pin it */
};

/* A pin set on a target, locked for that key. */
struct blast_endpoint {
    uint32_t target, key;
    const struct pin_set *set;
};

struct blast_set {
    uint64_t targets, working, dependent, without_spare;
};

struct blast {
    struct impact_run *run;
    const struct plan *plan;
    int64_t now_unix_s;
    struct blast_key *keys, **ranked;
    uint32_t count, capacity;
    uint32_t *slots, mask; /* open addressing: key + 1 */
    uint64_t seed;
    struct blast_set *sets; /* by set idx */
    struct blast_endpoint *endpoints;
    uint64_t endpoint_count, endpoint_capacity;
    uint32_t target;
    struct verdict_unit *units; /* of the set at hand; unit_capacity */
    uint32_t on_target[BLAST_KEYS_PER_TARGET_MAX], on_target_count;
    bool failed;
};

void blast_write(const struct blast *blast, const struct blast_report *report);

#endif
