/* From a host to the pin sets that its clients apply. One table holds every host pattern under its
   name without the wildcard; a look-up asks it for the host and each of its parent domains. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/trust/anchor.h"
#include "engine/trust/pin.h"

/* RFC 1035: every label takes at least two characters of a name, its dot included. */
#define LABELS_MAX (HOST_MAX / 2 + 1)

struct pin_slot {
    uint32_t tag;   /* high half of the name's hash */
    uint32_t first; /* rule + 1; 0: empty */
};

struct pin_rule {
    const char *name;
    uint32_t next; /* of the same name: rule + 1; 0: none */
    uint32_t set_idx;
    uint32_t group; /* under PIN_HOST_LONGEST: the first set of the same client and application */
    uint16_t port;
    uint8_t name_len;
    unsigned pattern : 2, host_rule : 2, include_subdomains : 1, has_excluded : 1;
};

/* A rule that matched. */
struct candidate {
    uint32_t set_idx;
    uint32_t group;
    uint16_t rank; /* 0 is the most specific */
    bool longest, excluded;
};

#define RANK_EXACT 0

void pin_index_init(struct pin_index *index, uint64_t seed) {
    *index = (struct pin_index){.seed = seed};
}

void pin_index_fini(struct pin_index *index) {
    arena_fini(&index->arena);
    *index = (struct pin_index){0};
}

static uint64_t hash_name(const struct pin_index *index, const void *name, size_t len) {
    return XXH3_64bits_withSeed(name, len, index->seed);
}

/* --- pin sets by name --- */

static uint32_t *name_slot(const struct pin_index *index, const char *name) {
    uint32_t at = (uint32_t)hash_name(index, name, strlen(name)) & index->name_mask;
    while (index->names[at] != 0 && strcmp(index->sets[index->names[at] - 1]->name, name) != 0) {
        at = (at + 1) & index->name_mask;
    }
    return &index->names[at];
}

static void grow_sets(struct pin_index *index) {
    uint32_t capacity = index->set_capacity == 0 ? 64 : index->set_capacity * 2;
    CHECK(capacity > index->set_capacity);
    struct pin_set **sets = arena_alloc(&index->arena, capacity * sizeof(struct pin_set *));
    if (index->set_count > 0) {
        memcpy(sets, index->sets, index->set_count * sizeof(struct pin_set *));
    }
    index->sets = sets;
    index->set_capacity = capacity;
    index->names = arena_alloc(&index->arena, 2 * (size_t)capacity * sizeof(uint32_t));
    index->name_mask = 2 * capacity - 1;
    for (uint32_t i = 0; i < index->set_count; i++) {
        *name_slot(index, index->sets[i]->name) = i + 1;
    }
}

enum err pin_index_add(struct pin_index *index, struct pin_set *set, struct err_note *note) {
    CHECK(!index->bound);
    if (index->set_count == index->set_capacity) {
        grow_sets(index);
    }
    uint32_t *slot = name_slot(index, set->name);
    if (*slot != 0) {
        const struct pin_set *other = index->sets[*slot - 1];
        return err_note(
            note, ERR_CONFIG,
            "%s:%u:%u: name: a pin set \"%s\" is already at %s:%u, give each its own name",
            set->file, set->line, set->column, set->name, other->file, other->line);
    }
    set->idx = index->set_count;
    index->sets[index->set_count++] = set;
    *slot = index->set_count;
    return ERR_NONE;
}

/* --- building --- */

static struct pin_slot *host_slot(const struct pin_index *index, const char *name, size_t len,
                                  uint64_t hash) {
    uint32_t at = (uint32_t)hash & index->slot_mask, tag = (uint32_t)(hash >> 32);
    for (;;) { /* ends: the table is never more than half full */
        struct pin_slot *slot = &index->slots[at];
        if (slot->first == 0) {
            return slot;
        }
        if (slot->tag == tag) {
            const struct pin_rule *rule = &index->rules[slot->first - 1];
            if (rule->name_len == len && memcmp(rule->name, name, len) == 0) {
                return slot;
            }
        }
        at = (at + 1) & index->slot_mask;
    }
}

static uint32_t chain_len(const struct pin_index *index, uint32_t first) {
    uint32_t len = 0;
    for (uint32_t at = first; at != 0; at = index->rules[at - 1].next) {
        len++;
    }
    return len;
}

static enum err too_many(const char *host, struct err_note *note) {
    return err_note(note, ERR_CONFIG,
                    "more than %d host patterns apply to %s: merge some of its pin sets",
                    PIN_RULES_PER_HOST_MAX, host);
}

static enum err add_rule(struct pin_index *index, const struct pin_set *set,
                         const struct pin_host *host, uint32_t group, struct err_note *note) {
    size_t len = strlen(host->name);
    CHECK(len > 0 && len <= HOST_MAX);
    uint64_t hash = hash_name(index, host->name, len);
    struct pin_slot *slot = host_slot(index, host->name, len, hash);
    uint32_t chained = 0;
    for (uint32_t at = slot->first; at != 0; at = index->rules[at - 1].next) {
        const struct pin_rule *rule = &index->rules[at - 1];
        if (rule->set_idx == set->idx && rule->port == host->port &&
            rule->pattern == (unsigned)host->pattern) {
            return ERR_NONE;
        }
        if (++chained >= PIN_RULES_PER_HOST_MAX) {
            return too_many(host->name, note);
        }
    }
    index->rules[index->rule_count] = (struct pin_rule){
        .name = host->name,
        .next = slot->first,
        .set_idx = set->idx,
        .group = group,
        .port = host->port,
        .name_len = (uint8_t)len,
        .pattern = (unsigned)host->pattern & 3u,
        .host_rule = (unsigned)set->host_rule & 3u,
        .include_subdomains = set->include_subdomains,
        .has_excluded = set->excluded_count > 0,
    };
    *slot = (struct pin_slot){.tag = (uint32_t)(hash >> 32), .first = ++index->rule_count};
    return ERR_NONE;
}

/* The first set of the same client and application, by a table of set indices + 1. */
static uint32_t group_of(const struct pin_index *index, const struct pin_set *set, uint32_t *groups,
                         uint32_t mask) {
    uint32_t at =
        ((uint32_t)hash_name(index, set->application, strlen(set->application)) + set->client) &
        mask;
    while (groups[at] != 0) {
        const struct pin_set *first = index->sets[groups[at] - 1];
        if (first->client == set->client && strcmp(first->application, set->application) == 0) {
            return first->idx;
        }
        at = (at + 1) & mask;
    }
    groups[at] = set->idx + 1;
    return set->idx;
}

/* The rules of a name and of its parents meet in one host: no host meets more than some name does.
 */
static enum err check_rules_per_host(const struct pin_index *index, struct err_note *note) {
    for (uint32_t i = 0; i <= index->slot_mask; i++) {
        if (index->slots[i].first == 0) {
            continue;
        }
        const struct pin_rule *rule = &index->rules[index->slots[i].first - 1];
        const char *name = rule->name;
        uint32_t met = 0;
        for (size_t labels = 0; name != NULL && labels < LABELS_MAX; labels++) {
            size_t len = strlen(name);
            met +=
                chain_len(index, host_slot(index, name, len, hash_name(index, name, len))->first);
            const char *dot = strchr(name, '.');
            name = dot != NULL && dot[1] != '\0' ? dot + 1 : NULL;
        }
        if (met > PIN_RULES_PER_HOST_MAX) {
            return too_many(rule->name, note);
        }
    }
    return ERR_NONE;
}

static uint32_t mask_for(size_t count) {
    uint32_t size = 16;
    while (size < 2 * count) {
        CHECK(size < (1u << 31));
        size *= 2;
    }
    return size - 1;
}

static enum err build_rules(struct pin_index *index, struct err_note *note) {
    size_t host_count = 0;
    for (uint32_t i = 0; i < index->set_count; i++) {
        host_count += index->sets[i]->host_count;
    }
    index->slot_mask = mask_for(host_count);
    index->slots =
        arena_alloc(&index->arena, ((size_t)index->slot_mask + 1) * sizeof(*index->slots));
    index->rules = arena_alloc(&index->arena, host_count * sizeof(*index->rules));
    uint32_t group_mask = mask_for(index->set_count);
    uint32_t *groups = arena_alloc(&index->arena, ((size_t)group_mask + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < index->set_count; i++) {
        const struct pin_set *set = index->sets[i];
        uint32_t group = group_of(index, set, groups, group_mask);
        for (uint32_t j = 0; j < set->host_count; j++) {
            enum err err = add_rule(index, set, &set->hosts[j], group, note);
            if (err != ERR_NONE) {
                return err;
            }
        }
    }
    return check_rules_per_host(index, note);
}

static enum err bind_profiles(struct pin_set *set, const struct trust_store *store,
                              struct err_note *note) {
    CHECK(set->trust_none || (set->trust_count > 0 && set->trust_count <= TRUST_PROFILES_MAX));
    for (uint32_t i = 0; i < set->trust_count && !set->trust_none; i++) {
        int profile = trust_store_find(store, set->trust[i]);
        if (profile < 0) {
            return err_note(
                note, ERR_CONFIG,
                "%s:%u:%u: trust: pin set \"%s\" names the trust profile \"%s\", which is "
                "not known: add it under \"trust:\", or give --trust %s=FILE",
                set->file, set->line, set->column, set->name, set->trust[i], set->trust[i]);
        }
        set->trust_profiles[i] = (int16_t)profile;
    }
    return ERR_NONE;
}

enum err pin_index_bind(struct pin_index *index, const struct trust_store *store,
                        struct err_note *note) {
    CHECK(!index->bound);
    for (uint32_t i = 0; i < index->set_count; i++) {
        enum err err = bind_profiles(index->sets[i], store, note);
        if (err != ERR_NONE) {
            return err;
        }
    }
    enum err err = build_rules(index, note);
    index->bound = err == ERR_NONE;
    return err;
}

/* --- look-up --- */

/* Addresses have no parent domains. A top-level domain is never a number (RFC 3696 section 2). */
static bool is_address(struct span host) {
    if (span_find(host, ':') < host.len) {
        return true;
    }
    size_t at = host.len;
    while (at > 0 && host.data[at - 1] >= '0' && host.data[at - 1] <= '9') {
        at--;
    }
    return at < host.len && (at == 0 || host.data[at - 1] == '.');
}

/* Whether a pattern of that name matches a host `depth` labels under it, and how specifically: the
   exact name first, then the longest suffix, and there "*." before what reaches any depth. */
static bool pattern_matches(const struct pin_rule *rule, uint32_t depth, uint16_t *out_rank) {
    bool matches = false;
    switch (rule->pattern) {
    case PIN_PATTERN_NAME:
        if (depth == 0) {
            *out_rank = RANK_EXACT;
            return true;
        }
        matches = rule->include_subdomains && (rule->host_rule != PIN_HOST_ONE_LABEL || depth == 1);
        break;
    case PIN_PATTERN_ONE_LABEL:
        matches = depth == 1;
        break;
    case PIN_PATTERN_ANY_DEPTH:
        matches = true;
        break;
    default:
        CHECK(false);
    }
    *out_rank = (uint16_t)(1 + 2 * depth + (rule->pattern != PIN_PATTERN_ONE_LABEL));
    return matches;
}

/* `pattern` is "x", "*.x" or "**.x". */
static bool excludes(const char *pattern, struct span host) {
    bool any_depth = strncmp(pattern, "**.", 3) == 0, one_label = strncmp(pattern, "*.", 2) == 0;
    struct span name = span_str(pattern + (any_depth ? 3 : one_label ? 2 : 0));
    if (span_equal(name, host)) {
        return !one_label;
    }
    if ((!any_depth && !one_label) || host.len <= name.len + 1) {
        return false;
    }
    struct span label = span_take(&host, host.len - name.len);
    return span_equal(name, host) && label.data[label.len - 1] == '.' &&
           (any_depth || span_find(label, '.') == label.len - 1);
}

static bool set_excludes(const struct pin_set *set, struct span host) {
    for (uint32_t i = 0; i < set->excluded_count; i++) {
        if (excludes(set->excluded[i], host)) {
            return true;
        }
    }
    return false;
}

/* Keeps the candidates sorted by set, each set once, with its most specific match. */
static size_t keep_candidate(struct candidate *candidates, size_t count, struct candidate next) {
    size_t at = count;
    while (at > 0 && candidates[at - 1].set_idx > next.set_idx) {
        at--;
    }
    if (at > 0 && candidates[at - 1].set_idx == next.set_idx) {
        if (next.rank < candidates[at - 1].rank) {
            candidates[at - 1] = next;
        }
        return count;
    }
    CHECK(count < PIN_RULES_PER_HOST_MAX);
    memmove(candidates + at + 1, candidates + at, (count - at) * sizeof *candidates);
    candidates[at] = next;
    return count + 1;
}

static size_t gather(const struct pin_index *index, struct span host, uint16_t port,
                     struct candidate *candidates) {
    uint64_t hashes[LABELS_MAX];
    uint8_t starts[LABELS_MAX];
    uint32_t suffixes = 0, suffixes_max = is_address(host) ? 1 : LABELS_MAX;
    for (size_t start = 0; start < host.len && suffixes < suffixes_max; suffixes++) {
        starts[suffixes] = (uint8_t)start;
        hashes[suffixes] = hash_name(index, host.data + start, host.len - start);
        __builtin_prefetch(&index->slots[(uint32_t)hashes[suffixes] & index->slot_mask]);
        start += span_find(span_of(host.data + start, host.len - start), '.') + 1;
    }
    size_t count = 0;
    for (uint32_t depth = 0; depth < suffixes; depth++) {
        const char *name = (const char *)host.data + starts[depth];
        uint32_t at = host_slot(index, name, host.len - starts[depth], hashes[depth])->first;
        while (at != 0) {
            const struct pin_rule *rule = &index->rules[at - 1];
            at = rule->next;
            uint16_t rank = 0;
            if ((rule->port != 0 && rule->port != port) || !pattern_matches(rule, depth, &rank) ||
                (suffixes_max == 1 && rank != RANK_EXACT)) {
                continue;
            }
            struct candidate next = {
                .set_idx = rule->set_idx,
                .group = rule->group,
                .rank = rank,
                .longest = rule->host_rule == PIN_HOST_LONGEST,
                .excluded = rank != RANK_EXACT && rule->has_excluded &&
                            set_excludes(index->sets[rule->set_idx], host),
            };
            count = keep_candidate(candidates, count, next);
        }
    }
    return count;
}

/* Under PIN_HOST_LONGEST: whether another set of the application is more specific, or (as
   TrustKit's exact entry does) takes the host out of what reaches it from a parent. */
static bool is_overruled(const struct candidate *candidates, size_t count,
                         const struct candidate *self) {
    for (size_t i = 0; i < count; i++) {
        const struct candidate *other = &candidates[i];
        if (other->longest && other->group == self->group &&
            (other->rank < self->rank || (other->excluded && self->rank != RANK_EXACT))) {
            return true;
        }
    }
    return false;
}

size_t pin_index_lookup(const struct pin_index *index, struct span host, uint16_t port,
                        const struct pin_set *out_sets[], size_t out_capacity) {
    CHECK(index->bound);
    struct candidate candidates[PIN_RULES_PER_HOST_MAX];
    size_t applied = 0;
    if (host.len == 0 || host.len > HOST_MAX) {
        return 0;
    }
    size_t count = gather(index, host, port, candidates);
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].excluded ||
            (candidates[i].longest && is_overruled(candidates, count, &candidates[i]))) {
            continue;
        }
        if (applied < out_capacity) {
            out_sets[applied] = index->sets[candidates[i].set_idx];
        }
        applied++;
    }
    return applied;
}
