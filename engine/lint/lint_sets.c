/* What pin sets say about one another: PIN037 (one host, different pins) and PIN040 (an entry that
   its neighbours show to be a mistake). */
#include <stdlib.h>

#include "engine/lint/lint_internal.h"

/* One host entry of one pin set. */
struct entry {
    const struct pin_host *host;
    const struct pin_set *set;
};

static int compare_entries(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    int names = strcmp(a->host->name, b->host->name);
    if (names != 0) {
        return names;
    }
    return a->set->idx != b->set->idx ? (a->set->idx < b->set->idx ? -1 : 1) : 0;
}

/* A hash of the pins that does not depend on their order, so that equal lists are told apart from
   different ones without comparing all with all. */
static uint64_t pins_hash(const struct pin_set *set) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *pin = &set->pins[i];
        uint64_t hash = UINT64_C(14695981039346656037) ^ (uint64_t)pin->of ^
                        ((uint64_t)pin->alg << 8); /* FNV-1a */
        for (size_t b = 0; b < pin->value.len; b++) {
            hash = (hash ^ pin->value.data[b]) * UINT64_C(1099511628211);
        }
        sum += pin->role == PIN_BAD ? 0 : hash;
    }
    return sum;
}

static bool ports_meet(const struct pin_host *a, const struct pin_host *b) {
    return a->port == 0 || b->port == 0 || a->port == b->port;
}

/* Clients that compare different things cannot share a list: a leaf's pin and a root's. */
static bool is_comparable(const struct pin_set *a, const struct pin_set *b) {
    return (a->scope == PIN_SCOPE_LEAF) == (b->scope == PIN_SCOPE_LEAF) &&
           (a->client == PIN_CLIENT_DANE) == (b->client == PIN_CLIENT_DANE);
}

static const char *label_of(const struct pin_set *set) {
    return set->platform[0] != '\0'      ? set->platform
           : set->application[0] != '\0' ? set->application
                                         : set->name;
}

#define COMPARED_MAX 16 /* entries of one name that each of the others is held against */

static bool differ(const struct entry *a, const struct entry *b, const uint64_t *hashes) {
    return a->set != b->set && !pin_same_application(a->set, b->set) &&
           is_comparable(a->set, b->set) && a->host->pattern == b->host->pattern &&
           ports_meet(a->host, b->host) && hashes[a->set->idx] != hashes[b->set->idx];
}

/* Entries of one name: each against those before it, of which the first may be another kind. */
static void check_differing(struct lint *lint, const struct entry *entries, size_t count,
                            const uint64_t *hashes) {
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i && j < COMPARED_MAX; j++) {
            const struct pin_set *a = entries[j].set, *b = entries[i].set;
            if (differ(&entries[j], &entries[i], hashes)) {
                lint_find(lint, PIN037, b, NULL, entries[0].host->name,
                          "%s has other pins here (%s) than in %s (%s)",
                          lint_host_text(lint, entries[i].host), label_of(b), a->name, label_of(a));
                return; /* one finding a name: they are brought together at once */
            }
        }
    }
}

/* OkHttp's "*.x" leaves x out: a mistake where nothing of the application pins x, be it by a
   pattern above it. */
static void check_apex(struct lint *lint, const struct entry *entry,
                       const struct pin_set **scratch) {
    const struct pin_set *set = entry->set;
    const char *apex = entry->host->name;
    if (set->host_rule != PIN_HOST_UNION || entry->host->pattern != PIN_PATTERN_ONE_LABEL) {
        return;
    }
    uint16_t port = entry->host->port != 0 ? entry->host->port : 443;
    size_t count =
        pin_index_lookup(lint->config->pins, span_str(apex), port, scratch, PIN_SETS_PER_HOST_MAX);
    bool used = count > 0;
    for (size_t i = 0; i < count && i < PIN_SETS_PER_HOST_MAX; i++) {
        if (pin_same_application(scratch[i], set)) {
            return;
        }
    }
    struct lint_finding *finding =
        lint_find(lint, PIN040, set, NULL, apex,
                  "*.%s does not match %s itself%s: write **.%s, or an entry of its own", apex,
                  apex, used ? ", which other clients pin" : "", apex);
    if (finding != NULL && !used && finding->severity > LINT_WARN) {
        finding->severity = LINT_WARN; /* the apex may not be there at all */
    }
}

enum err lint_sets(struct lint *lint, struct err_note *note) {
    const struct pin_index *pins = lint->config->pins;
    size_t total = 0, count = 0;
    for (uint32_t i = 0; i < pins->set_count; i++) {
        total += pins->sets[i]->host_count;
    }
    struct entry *entries = malloc((total + 1) * sizeof *entries);
    uint64_t *hashes = malloc(((size_t)pins->set_count + 1) * sizeof *hashes);
    const struct pin_set **scratch = malloc(PIN_SETS_PER_HOST_MAX * sizeof *scratch);
    if (entries == NULL || hashes == NULL || scratch == NULL) {
        free(entries);
        free(hashes);
        free(scratch);
        return err_note(note, ERR_RESOURCE, "not enough memory to compare %zu hosts", total);
    }
    for (uint32_t i = 0; i < pins->set_count; i++) {
        const struct pin_set *set = pins->sets[i];
        hashes[set->idx] = pins_hash(set);
        for (uint32_t h = 0; h < set->host_count; h++) {
            entries[count++] = (struct entry){.host = &set->hosts[h], .set = set};
        }
    }
    if (count > 0) {
        qsort(entries, count, sizeof *entries, compare_entries);
    }
    size_t end;
    for (size_t first = 0; first < count; first = end) {
        end = first + 1;
        while (end < count && strcmp(entries[end].host->name, entries[first].host->name) == 0) {
            end++;
        }
        check_differing(lint, &entries[first], end - first, hashes);
        for (size_t i = first; i < end; i++) {
            check_apex(lint, &entries[i], scratch);
        }
    }
    free(entries);
    free(hashes);
    free(scratch);
    return ERR_NONE;
}
