/* Why the pin sets of a host are those of the host. Shares with pin_lookup.c what matches and how
   specifically; the rest is the same rules without the tables. */
#include "engine/trust/pin_index.h"

struct match {
    struct pin_explanation explanation;
    uint16_t rank, excluded_rank;
    bool port_matches;
};

/* Labels of the host in front of a name that is the host or a parent domain of it. */
static bool depth_under(struct span host, const char *name, uint32_t *out_depth) {
    size_t name_len = strlen(name);
    if (host.len < name_len || memcmp(host.data + host.len - name_len, name, name_len) != 0) {
        return false;
    }
    size_t front = host.len - name_len;
    if (front > 0 && host.data[front - 1] != '.') {
        return false;
    }
    *out_depth = 0;
    for (size_t i = 0; i < front; i++) {
        *out_depth += host.data[i] == '.';
    }
    return true;
}

static bool matches(const struct pin_set *set, const struct pin_host *pattern, struct span host,
                    uint16_t *out_rank) {
    const struct pin_rule rule = {.pattern = (unsigned)pattern->pattern & 3u,
                                  .host_rule = (unsigned)set->host_rule & 3u,
                                  .include_subdomains = set->include_subdomains};
    uint32_t depth = 0;
    return depth_under(host, pattern->name, &depth) &&
           pin_pattern_matches(&rule, depth, out_rank) &&
           (!pin_is_address(host) || *out_rank == PIN_RANK_EXACT);
}

/* One that matches on this port is better than any that does not. */
static bool match_set(const struct pin_set *set, struct span host, uint16_t port,
                      struct match *out) {
    bool found = false;
    for (uint32_t i = 0; i < set->host_count; i++) {
        const struct pin_host *pattern = &set->hosts[i];
        uint16_t rank = 0;
        if (!matches(set, pattern, host, &rank)) {
            continue;
        }
        bool port_matches = pattern->port == 0 || pattern->port == port;
        if (!found || port_matches > out->port_matches ||
            (port_matches == out->port_matches && rank < out->rank) ||
            (port_matches == out->port_matches && rank == out->rank && pattern->port != 0)) {
            *out = (struct match){.explanation = {.set = set, .pattern = pattern},
                                  .rank = rank,
                                  .port_matches = port_matches};
            found = true;
        }
    }
    return found;
}

static void find_exclusion(struct match *match, struct span host) {
    const struct pin_set *set = match->explanation.set;
    for (uint32_t i = 0; i < set->excluded_count && match->rank != PIN_RANK_EXACT; i++) {
        uint16_t rank = 0;
        if (pin_exclusion_covers(set->excluded[i], host, &rank) &&
            (match->explanation.exclusion == NULL || rank < match->excluded_rank)) {
            match->explanation.exclusion = set->excluded[i];
            match->excluded_rank = rank;
        }
    }
}

static void judge_longest(struct match *self, const struct match *matches, size_t count,
                          const char *own_exclusion) {
    for (size_t i = 0; i < count && self->explanation.how == PIN_APPLIES; i++) {
        const struct match *other = &matches[i];
        const struct pin_set *set = other->explanation.set;
        if (!other->port_matches || set->host_rule != PIN_HOST_LONGEST ||
            !pin_same_application(set, self->explanation.set)) {
            continue;
        }
        const char *exclusion = other == self ? own_exclusion : other->explanation.exclusion;
        if (other->rank < self->rank) {
            self->explanation.how = PIN_SHADOWED;
            self->explanation.by = set;
        } else if (exclusion != NULL &&
                   other->excluded_rank + (uint32_t)(other != self) <= self->rank) {
            self->explanation.how = PIN_EXCLUDED;
            self->explanation.by = other != self ? set : NULL;
            self->explanation.exclusion = exclusion;
        }
    }
}

/* TLSA records of every port, beside those of this one. */
static void judge_records(struct match *self, const struct match *matches, size_t count) {
    if (self->explanation.pattern->port != 0 || self->rank != PIN_RANK_EXACT) {
        return;
    }
    for (size_t i = 0; i < count && self->explanation.how == PIN_APPLIES; i++) {
        const struct match *other = &matches[i];
        const struct pin_set *set = other->explanation.set;
        if (other->port_matches && other->explanation.pattern->port != 0 &&
            other->rank == PIN_RANK_EXACT && pin_same_application(set, self->explanation.set)) {
            self->explanation.how = PIN_SHADOWED;
            self->explanation.by = set;
        }
    }
}

static void judge(struct match *self, const struct match *matches, size_t count) {
    const char *exclusion = self->explanation.exclusion;
    if (!self->port_matches) {
        self->explanation.how = PIN_ELSEWHERE;
    } else if (self->explanation.set->host_rule == PIN_HOST_LONGEST) {
        judge_longest(self, matches, count, exclusion);
    } else if (exclusion != NULL) {
        self->explanation.how = PIN_EXCLUDED;
    } else if (self->explanation.set->client == PIN_CLIENT_DANE) {
        judge_records(self, matches, count);
    }
}

size_t pin_explain(const struct pin_set *const *sets, size_t count, struct span host, uint16_t port,
                   struct arena *arena, struct pin_explanation **out) {
    size_t found = 0;
    struct match *all = arena_alloc(arena, (count + 1) * sizeof *all);
    for (size_t i = 0; i < count; i++) {
        if (match_set(sets[i], host, port, &all[found])) {
            find_exclusion(&all[found++], host);
        }
    }
    *out = arena_alloc(arena, (found + 1) * sizeof **out);
    for (size_t i = 0; i < found; i++) {
        struct match self = all[i];
        judge(&all[i], all, found);
        (*out)[i] = all[i].explanation;
        all[i] = self; /* as the others see it */
        if ((*out)[i].how != PIN_EXCLUDED) {
            (*out)[i].exclusion = NULL;
        }
    }
    return found;
}
