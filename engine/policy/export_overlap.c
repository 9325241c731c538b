/* Hosts that several pin sets of a new file reach. In one file they are one application, and its
   client combines them by its own rule, which need not be what their clients do today. */
#include <stdlib.h>

#include "engine/policy/export_set.h"

/* How a host that several sets reach is judged. */
enum combination {
    COMBINE_EACH,    /* by each set on its own: all must match */
    COMBINE_LONGEST, /* by the most specific alone */
    COMBINE_UNION,   /* pins add up: one of any set is enough */
};

struct entry {
    const char *name;
    enum export_reach reach;
    uint16_t port;
    uint32_t set_idx, host_idx;
};

static int compare_entries(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    if (order == 0) {
        order = (a->port > b->port) - (a->port < b->port);
    }
    if (order == 0) {
        order = (a->set_idx > b->set_idx) - (a->set_idx < b->set_idx);
    }
    return order != 0 ? order : (a->host_idx > b->host_idx) - (a->host_idx < b->host_idx);
}

static bool unions(enum pin_host_rule rule) {
    return rule == PIN_HOST_UNION || rule == PIN_HOST_ONE_LABEL;
}

/* `tie`: both name the host as specifically. */
static enum combination combined_today(const struct pin_set *a, const struct pin_set *b, bool tie) {
    if (!pin_same_application(a, b) || a->host_rule != b->host_rule) {
        return COMBINE_EACH;
    }
    return a->host_rule == PIN_HOST_LONGEST ? (tie ? COMBINE_EACH : COMBINE_LONGEST)
           : unions(a->host_rule)           ? COMBINE_UNION
                                            : COMBINE_EACH;
}

static enum combination combined_then(const struct export *export) {
    enum pin_host_rule rule = pin_client_rules(export->traits->client)->host_rule;
    /* Records of one owner are alternatives. */
    return export->traits->search == EXPORT_DANE || unions(rule) ? COMBINE_UNION
           : rule == PIN_HOST_LONGEST                            ? COMBINE_LONGEST
                                                                 : COMBINE_EACH;
}

/* HPKP's report-only header is one of its own: neither kind hides the other. */
static bool stand_apart(const struct export *export, const struct entry *a, const struct entry *b) {
    return export->traits->client == PIN_CLIENT_HPKP &&
           export->plans[a->set_idx].report_only != export->plans[b->set_idx].report_only;
}

static const char *entry_text(struct export *export, const struct entry *entry) {
    struct pin_host host = {.name = entry->name,
                            .pattern = entry->reach == EXPORT_ANY_DEPTH   ? PIN_PATTERN_ANY_DEPTH
                                       : entry->reach == EXPORT_ONE_LABEL ? PIN_PATTERN_ONE_LABEL
                                                                          : PIN_PATTERN_NAME,
                            .port = entry->port};
    return export_host_text(export, &host);
}

static bool has_pin(const struct export_plan *plan, const struct pin *pin) {
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        const struct pin *other = &plan->pins[i];
        if (other->alg == pin->alg && other->of == pin->of && other->list == pin->list &&
            other->tlsa_usage == pin->tlsa_usage &&
            (other->role == PIN_BAD) == (pin->role == PIN_BAD) &&
            span_equal(other->value, pin->value)) {
            return true;
        }
    }
    return false;
}

/* Plans that ask the same: then it does not matter how they are combined. */
static bool asks_the_same(const struct export_plan *a, const struct export_plan *b) {
    bool same = a->pin_count == b->pin_count && a->expires == b->expires &&
                a->report_only == b->report_only;
    for (uint32_t i = 0; i < a->pin_count && same; i++) {
        same = has_pin(b, &a->pins[i]); /* each pin is there once */
    }
    return same;
}

/* `specific` lies within what `wide` reaches. */
static void tell_overlap(struct export *export, const struct entry *wide,
                         const struct entry *specific) {
    const struct pin_set *a = export->sets[wide->set_idx], *b = export->sets[specific->set_idx];
    bool tie = strcmp(wide->name, specific->name) == 0 && wide->reach == specific->reach;
    enum combination today = combined_today(a, b, tie);
    enum combination then =
        stand_apart(export, wide, specific) ? COMBINE_EACH : combined_then(export);
    if (a == b || today == then ||
        asks_the_same(&export->plans[wide->set_idx], &export->plans[specific->set_idx])) {
        return;
    }
    const char *host = entry_text(export, specific), *name = export->traits->name;
    if (then == COMBINE_UNION) {
        export_loss(export, b, host,
                    "%s is lost: %s clients would take the pins of \"%.100s\" as well",
                    today == COMBINE_EACH ? "that each pin set must match"
                                          : "that the most specific host alone counts",
                    name, a->name);
    } else if (then == COMBINE_LONGEST) {
        export_loss(export, b, host,
                    "%s is lost: %s clients would look at this pin set alone, no longer at "
                    "\"%.100s\"",
                    today == COMBINE_EACH ? "that each pin set must match"
                                          : "that the pins of several add up",
                    name, a->name);
    } else {
        export_loss(export, b, host, "%s clients would want a match in \"%.100s\" too", name,
                    a->name);
    }
}

/* Entries of one name and port. */
static enum err check_same(struct export *export, const struct entry *first,
                           const struct entry *again) {
    const struct pin_set *a = export->sets[first->set_idx], *b = export->sets[again->set_idx];
    if (a == b) {
        return ERR_NONE; /* merged when it was planned */
    }
    if (!export->traits->repeats && !stand_apart(export, first, again)) {
        return export_refuse(export, b, entry_text(export, again),
                             "the pin set \"%.100s\" names it as well, and %s takes a host only "
                             "once: choose with --client, --application or --pin-set",
                             a->name, export->traits->name);
    }
    bool apart = (first->reach == EXPORT_NAME && again->reach == EXPORT_ONE_LABEL) ||
                 (first->reach == EXPORT_ONE_LABEL && again->reach == EXPORT_NAME);
    if (!apart) {
        tell_overlap(export, first, again);
    }
    return ERR_NONE;
}

/* Entries of one name, one of them for every port and one for a port. */
static void check_ports(struct export *export, const struct entry *every,
                        const struct entry *port) {
    const struct pin_set *a = export->sets[every->set_idx], *b = export->sets[port->set_idx];
    if (export->traits->search != EXPORT_DANE) {
        tell_overlap(export, every, port);
        return;
    }
    bool of_dane = a->client == PIN_CLIENT_DANE && pin_same_application(a, b);
    if (a != b && !of_dane &&
        !asks_the_same(&export->plans[every->set_idx], &export->plans[port->set_idx])) {
        export_loss(export, b, entry_text(export, port),
                    "that the pins of \"%.100s\" count as well is lost: records of a port take "
                    "the place of those of every port",
                    a->name);
    }
}

static bool reaches(const struct entry *wide, uint32_t labels, uint16_t port) {
    if (wide->port != 0 && wide->port != port) {
        return false;
    }
    return wide->reach == EXPORT_ANY_DEPTH || (wide->reach != EXPORT_NAME && labels == 1);
}

/* The entries of a name, from the first one on. */
static uint32_t find(const struct entry *entries, uint32_t count, const char *name) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(entries[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_excluded(const struct export_plan *plan, const char *name) {
    for (uint32_t i = 0; i < plan->excluded_count; i++) {
        if (plan->excluded[i].reach == EXPORT_ANY_DEPTH &&
            strcmp(plan->excluded[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* An entry for a name alone also takes what is below it away from the entry above. */
static void tell_cut(struct export *export, const struct entry *wide,
                     const struct entry *specific) {
    if (export->traits->cuts_below && !stand_apart(export, wide, specific) &&
        specific->reach == EXPORT_NAME && wide->reach == EXPORT_ANY_DEPTH &&
        !is_excluded(&export->plans[wide->set_idx], specific->name)) {
        export_loss(export, export->sets[wide->set_idx], entry_text(export, wide),
                    "names below %s are lost: %s clients would not pin them, since that name has "
                    "an entry of its own",
                    specific->name, export->traits->name);
    }
}

/* Parents of a name, label by label. */
static void check_parents(struct export *export, const struct entry *entries, uint32_t count,
                          const struct entry *entry) {
    uint32_t labels = 0;
    bool cut = false; /* from the nearest parent alone: it overrules the others */
    for (const char *dot = strchr(entry->name, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        labels++;
        for (uint32_t i = find(entries, count, dot + 1);
             i < count && strcmp(entries[i].name, dot + 1) == 0; i++) {
            if (reaches(&entries[i], labels, entry->port)) {
                tell_overlap(export, &entries[i], entry);
                if (!cut) {
                    tell_cut(export, &entries[i], entry);
                }
                cut = cut || entries[i].reach == EXPORT_ANY_DEPTH;
            }
        }
    }
}

static struct entry *gather(struct export *export, uint32_t *out_count) {
    uint32_t count = 0;
    size_t total = 0;
    for (uint32_t i = 0; i < export->count; i++) {
        total += export->plans[i].host_count;
    }
    CHECK(total < UINT32_MAX);
    struct entry *entries = arena_alloc(&export->scratch, (total + 1) * sizeof *entries);
    for (uint32_t i = 0; i < export->count; i++) {
        for (uint32_t j = 0; j < export->plans[i].host_count; j++) {
            const struct export_host *host = &export->plans[i].hosts[j];
            entries[count++] = (struct entry){host->name, host->reach, host->port, i, j};
        }
    }
    if (count > 0) {
        qsort(entries, count, sizeof *entries, compare_entries);
    }
    *out_count = count;
    return entries;
}

enum err export_check_overlaps(struct export *export) {
    uint32_t count = 0;
    const struct entry *entries = gather(export, &count);
    for (uint32_t i = 0; i < count; i++) {
        const struct entry *first = &entries[i];
        for (uint32_t j = i + 1; j < count && strcmp(first->name, entries[j].name) == 0; j++) {
            enum err err = ERR_NONE;
            if (first->port == entries[j].port) {
                err = check_same(export, first, &entries[j]);
            } else if (first->port == 0) { /* sorts first */
                check_ports(export, first, &entries[j]);
            }
            if (err != ERR_NONE) {
                return err;
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        check_parents(export, entries, count, &entries[i]);
    }
    return ERR_NONE;
}

/* --- exclusions --- */

static int compare_hosts(const void *left, const void *right) {
    const struct export_host *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : (a->reach < b->reach) - (a->reach > b->reach); /* wider first */
}

/* Whether the file pins that very name. An entry of its own overrules an exclusion that is no more
   specific; otherwise something is lost. */
static bool is_pinned(struct export *export, const struct entry *entries, uint32_t count,
                      const struct export_host *excluded) {
    uint32_t at = find(entries, count, excluded->name);
    if (at == count || strcmp(entries[at].name, excluded->name) != 0) {
        return false;
    }
    bool cut = export->traits->cuts_below && entries[at].reach == EXPORT_NAME;
    if (entries[at].reach != excluded->reach && !cut) {
        export_loss(export, export->sets[entries[at].set_idx], entry_text(export, &entries[at]),
                    "the exclusion %s%s is lost, %s takes a host only once: its clients would pin "
                    "what it takes out",
                    excluded->reach == EXPORT_ANY_DEPTH ? "**." : "", excluded->name,
                    export->traits->name);
    }
    return true;
}

struct export_host *export_exclusions(struct export *export, uint32_t *out_count) {
    uint32_t entry_count = 0, count = 0;
    size_t total = 0;
    const struct entry *entries = gather(export, &entry_count);
    for (uint32_t i = 0; i < export->count; i++) {
        total += export->plans[i].excluded_count;
    }
    struct export_host *all = arena_alloc(&export->scratch, (total + 1) * sizeof *all);
    for (uint32_t i = 0; i < export->count; i++) {
        for (uint32_t j = 0; j < export->plans[i].excluded_count; j++) {
            all[count++] = export->plans[i].excluded[j];
        }
    }
    if (count > 0) {
        qsort(all, count, sizeof *all, compare_hosts);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool again = kept > 0 && strcmp(all[kept - 1].name, all[i].name) == 0;
        if (!again && !is_pinned(export, entries, entry_count, &all[i])) {
            all[kept++] = all[i];
        }
    }
    *out_count = kept;
    return all;
}
