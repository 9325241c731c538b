/* From a host to the pin sets that its clients apply. */
#include "engine/trust/pin_index.h"

/* RFC 1035: every label takes at least two characters of a name, its dot included. */
#define LABELS_MAX (HOST_MAX / 2 + 1)

/* A rule that matched. */
struct candidate {
    const struct pin_set *set;
    uint32_t set_idx;
    uint32_t group;
    uint16_t rank;          /* 0 is the most specific */
    uint16_t excluded_rank; /* of the most specific exclusion that covers the host */
    bool longest, excluded;
    bool any_port_record, port_record; /* DANE's "*._tcp.x", "_443._tcp.x" of x */
};

/* A top-level domain is never a number (RFC 3696 section 2). */
bool pin_is_address(struct span host) {
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
bool pin_pattern_matches(const struct pin_rule *rule, uint32_t depth, uint16_t *out_rank) {
    bool matches = false;
    switch (rule->pattern) {
    case PIN_PATTERN_NAME:
        if (depth == 0) {
            *out_rank = PIN_RANK_EXACT;
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

/* As pin_pattern_matches() ranks: an exclusion is a pattern too. */
static uint16_t exclusion_rank(const char *pattern, struct span host) {
    if (pattern[0] != '*') {
        return PIN_RANK_EXACT;
    }
    bool any_depth = pattern[1] == '*';
    size_t name_len = strlen(pattern) - (any_depth ? 3 : 2);
    uint16_t depth = 0;
    for (size_t i = 0; i < host.len - name_len; i++) {
        depth = (uint16_t)(depth + (host.data[i] == '.'));
    }
    return (uint16_t)(1 + 2 * depth + any_depth);
}

bool pin_exclusion_covers(const char *pattern, struct span host, uint16_t *out_rank) {
    if (!excludes(pattern, host)) {
        return false;
    }
    *out_rank = exclusion_rank(pattern, host);
    return true;
}

static bool set_excludes(const struct pin_set *set, struct span host, uint16_t *out_rank) {
    bool found = false;
    for (uint32_t i = 0; i < set->excluded_count; i++) {
        uint16_t rank = 0;
        if (pin_exclusion_covers(set->excluded[i], host, &rank)) {
            *out_rank = found && *out_rank < rank ? *out_rank : rank;
            found = true;
        }
    }
    return found;
}

/* Keeps the candidates sorted by set, each set once, with its most specific match. */
static size_t keep_candidate(struct candidate *candidates, size_t count, struct candidate next) {
    size_t at = count;
    while (at > 0 && candidates[at - 1].set_idx > next.set_idx) {
        at--;
    }
    if (at > 0 && candidates[at - 1].set_idx == next.set_idx) {
        if (next.rank < candidates[at - 1].rank ||
            (next.rank == candidates[at - 1].rank && next.port_record)) {
            candidates[at - 1] = next;
        }
        return count;
    }
    CHECK(count < PIN_RULES_PER_HOST_MAX);
    memmove(candidates + at + 1, candidates + at, (count - at) * sizeof *candidates);
    candidates[at] = next;
    return count + 1;
}

/* The host and its parent domains, each with its place in the tables. */
struct suffixes {
    uint32_t count;
    uint8_t starts[LABELS_MAX];
    uint64_t hashes[LABELS_MAX];
};

/* Asks for the memory of every suffix before any is looked at: first the slots, then the rules. */
static void find_suffixes(const struct pin_index *index, struct span host, uint32_t count_max,
                          struct suffixes *out) {
    uint32_t count = 0;
    for (size_t start = 0; start < host.len && count < count_max; count++) {
        out->starts[count] = (uint8_t)start;
        out->hashes[count] = hash_name(index, host.data + start, host.len - start);
        __builtin_prefetch(&index->slots[(uint32_t)out->hashes[count] & index->slot_mask]);
        start += span_find(span_of(host.data + start, host.len - start), '.') + 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct pin_slot *slot = &index->slots[(uint32_t)out->hashes[i] & index->slot_mask];
        if (slot->tag == (uint32_t)(out->hashes[i] >> 32) && slot->first != 0) {
            const uint8_t *rule = (const uint8_t *)rule_at(index, slot->first);
            __builtin_prefetch(rule);
            __builtin_prefetch(rule + CACHE_LINE - RULE_ALIGN);
        }
    }
    out->count = count;
}

static size_t gather(const struct pin_index *index, struct span host, uint16_t port,
                     struct candidate *candidates) {
    bool address = pin_is_address(host);
    struct suffixes suffixes;
    find_suffixes(index, host, address ? 1 : LABELS_MAX, &suffixes);
    size_t count = 0;
    for (uint32_t depth = 0; depth < suffixes.count; depth++) {
        size_t start = suffixes.starts[depth];
        uint32_t at = host_slot(index, (const char *)host.data + start, host.len - start,
                                suffixes.hashes[depth])
                          ->first;
        while (at != 0) {
            const struct pin_rule *rule = rule_at(index, at);
            at = rule->next;
            uint16_t rank = 0;
            if ((rule->port != 0 && rule->port != port) ||
                !pin_pattern_matches(rule, depth, &rank) || (address && rank != PIN_RANK_EXACT)) {
                continue;
            }
            struct candidate next = {
                .set = rule->set,
                .set_idx = rule->set_idx,
                .group = rule->group,
                .rank = rank,
                .longest = rule->host_rule == PIN_HOST_LONGEST,
                .any_port_record = rule->is_dane && rule->port == 0 && rank == PIN_RANK_EXACT,
                .port_record = rule->is_dane && rule->port != 0 && rank == PIN_RANK_EXACT,
            };
            next.excluded = rank != PIN_RANK_EXACT && rule->has_excluded &&
                            set_excludes(rule->set, host, &next.excluded_rank);
            count = keep_candidate(candidates, count, next);
        }
    }
    return count;
}

/* Under PIN_HOST_LONGEST: whether another set of the application is more specific, or takes the
   host out of what reaches it from a parent, as TrustKit's exact entry and Android's domain-config
   without pins do: an exclusion is an entry of its own, overruled by more specific ones. */
static bool is_overruled(const struct candidate *candidates, size_t count,
                         const struct candidate *self) {
    for (size_t i = 0; i < count; i++) {
        const struct candidate *other = &candidates[i];
        /* Its own exclusion counts as more specific than a pattern that reaches as far. */
        uint32_t excluded_rank = other->excluded_rank + (uint32_t)(other != self);
        if (other->longest && other->group == self->group &&
            (other->rank < self->rank || (other->excluded && excluded_rank <= self->rank))) {
            return true;
        }
    }
    return false;
}

/* A wildcard in the DNS answers for names that are not there: records of the port itself take its
   place (RFC 4592 section 2.2.1). */
static bool is_shadowed(const struct candidate *candidates, size_t count,
                        const struct candidate *self) {
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].port_record && candidates[i].group == self->group) {
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
        if (candidates[i].longest
                ? is_overruled(candidates, count, &candidates[i])
                : candidates[i].excluded || (candidates[i].any_port_record &&
                                             is_shadowed(candidates, count, &candidates[i]))) {
            continue;
        }
        if (applied < out_capacity) {
            out_sets[applied] = candidates[i].set;
        }
        applied++;
    }
    return applied;
}
