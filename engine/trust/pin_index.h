/* Private to pin_index.c (which fills the tables) and pin_lookup.c (which reads them). One table
   holds every host pattern under its name without the wildcard; a look-up asks it for the host and
   each of its parent domains. */
#ifndef PINSWEEP_TRUST_PIN_INDEX_H
#define PINSWEEP_TRUST_PIN_INDEX_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/trust/pin.h"

struct pin_slot {
    uint32_t tag;   /* high half of the name's hash */
    uint32_t first; /* place of its first rule; 0: empty */
};

/* Records stand one after another, so that a hit costs one miss: name and all. A place counts
   RULE_ALIGN bytes from index->rules; the first is left free. */
struct pin_rule {
    struct pin_set *set;
    uint32_t set_idx;
    uint32_t next;  /* place of the next rule of the same name; 0: none */
    uint32_t group; /* the first set of the same client and application */
    uint16_t port;
    uint8_t name_len;
    unsigned pattern : 2, host_rule : 2, include_subdomains : 1, has_excluded : 1, is_dane : 1;
    char name[];
};

#define RULE_ALIGN 16

static inline uint64_t hash_name(const struct pin_index *index, const void *name, size_t len) {
    return XXH3_64bits_withSeed(name, len, index->seed);
}

static inline struct pin_rule *rule_at(const struct pin_index *index, uint32_t place) {
    return (struct pin_rule *)(void *)(index->rules + (size_t)place * RULE_ALIGN);
}

/* Whether a pattern matches a host `depth` labels under its name (the rule's pattern, host rule and
   include_subdomains are looked at), and how specifically: PIN_RANK_EXACT is the name itself. */
bool pin_pattern_matches(const struct pin_rule *rule, uint32_t depth, uint16_t *out_rank);
/* Whether an exclusion, "x", "*.x" or "**.x", covers the host, and how specifically. */
bool pin_exclusion_covers(const char *pattern, struct span host, uint16_t *out_rank);
/* Addresses have no parent domains. */
bool pin_is_address(struct span host);
#define PIN_RANK_EXACT 0

static inline bool is_named(const struct pin_rule *rule, const char *name, size_t len) {
    return rule->name_len == len && memcmp(rule->name, name, len) == 0;
}

/* The slot of a name: with its rules, or empty. */
static inline struct pin_slot *host_slot(const struct pin_index *index, const char *name,
                                         size_t len, uint64_t hash) {
    uint32_t at = (uint32_t)hash & index->slot_mask, tag = (uint32_t)(hash >> 32);
    for (;;) { /* ends: the table is never more than half full */
        struct pin_slot *slot = &index->slots[at];
        if (slot->first == 0 ||
            (slot->tag == tag && is_named(rule_at(index, slot->first), name, len))) {
            return slot;
        }
        at = (at + 1) & index->slot_mask;
    }
}

#endif
