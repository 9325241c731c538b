/* A pin set in the terms of another client: its hosts, its exclusions, its expiry. */
#include <stdlib.h>

#include "engine/codec/netaddr.h"
#include "engine/policy/export_set.h"

/* --- what an exclusion covers --- */

static enum export_reach split_exclusion(const char *pattern, const char **out_name) {
    bool any_depth = strncmp(pattern, "**.", 3) == 0, one_label = strncmp(pattern, "*.", 2) == 0;
    *out_name = pattern + (any_depth ? 3 : one_label ? 2 : 0);
    return any_depth ? EXPORT_ANY_DEPTH : one_label ? EXPORT_ONE_LABEL : EXPORT_NAME;
}

static bool is_below(const char *name, const char *parent) {
    size_t name_len = strlen(name), parent_len = strlen(parent);
    return name_len > parent_len && name[name_len - parent_len - 1] == '.' &&
           strcmp(name + name_len - parent_len, parent) == 0;
}

/* Labels of `name` above which `parent` stands; -1: it is neither a parent nor the same. */
static int labels_below(const char *name, const char *parent) {
    int labels = 0;
    if (strcmp(name, parent) == 0) {
        return 0;
    }
    if (!is_below(name, parent)) {
        return -1;
    }
    for (const char *at = name; at < name + strlen(name) - strlen(parent); at++) {
        labels += *at == '.';
    }
    return labels;
}

/* An exclusion that takes a whole host out, or all that is below it, narrows the host instead. Only
   a name that is written plainly stays in any case. `*out_name_out`: the name is taken out, though
   what is below it stays, which no client but ours can say. False if nothing is left. */
static bool narrow(const struct pin_set *set, const struct pin_host *host, enum export_reach *reach,
                   bool *out_name_out) {
    bool name = *reach != EXPORT_ONE_LABEL, below = *reach != EXPORT_NAME;
    *out_name_out = false;
    if (*reach == EXPORT_NAME) {
        return true;
    }
    for (uint32_t i = 0; i < set->excluded_count; i++) {
        const char *excluded = NULL;
        enum export_reach kind = split_exclusion(set->excluded[i], &excluded);
        int labels = labels_below(host->name, excluded);
        bool wider = labels > 0 || (kind == EXPORT_ANY_DEPTH && *reach == EXPORT_ONE_LABEL);
        if (wider && set->host_rule == PIN_HOST_LONGEST) {
            continue; /* the host is more specific */
        }
        bool takes_name = (kind == EXPORT_NAME && labels == 0) ||
                          (kind == EXPORT_ONE_LABEL && labels == 1) ||
                          (kind == EXPORT_ANY_DEPTH && labels >= 0);
        bool takes_below = (kind == EXPORT_ANY_DEPTH && labels >= 0) ||
                           (kind == EXPORT_ONE_LABEL && labels == 0 && *reach != EXPORT_ANY_DEPTH);
        name = name && !(takes_name && host->pattern != PIN_PATTERN_NAME);
        below = below && !takes_below;
    }
    *out_name_out = !name && below && *reach != EXPORT_ONE_LABEL;
    *reach = below ? *reach : EXPORT_NAME;
    return name || below;
}

/* --- hosts --- */

static enum export_reach reach_of(const struct pin_set *set, const struct pin_host *host) {
    switch (host->pattern) {
    case PIN_PATTERN_ONE_LABEL:
        return EXPORT_ONE_LABEL;
    case PIN_PATTERN_ANY_DEPTH:
        return EXPORT_ANY_DEPTH;
    case PIN_PATTERN_NAME:
        break;
    }
    struct netaddr address; /* which has nothing below it */
    if (!set->include_subdomains || netaddr_parse(span_str(host->name), &address)) {
        return EXPORT_NAME;
    }
    return set->host_rule == PIN_HOST_ONE_LABEL ? EXPORT_PLUS_ONE : EXPORT_ANY_DEPTH;
}

struct substitute {
    enum export_reach wanted, taken;
    const char *loss;
};

/* The first that a format has is taken: wider before narrower. A client that pins too much refuses
   connections, which is seen; one that pins too little says nothing. */
static const struct substitute substitutes[] = {
    {EXPORT_PLUS_ONE, EXPORT_ANY_DEPTH,
     "one label deep is lost: %s clients would also pin names deeper below %s"},
    {EXPORT_PLUS_ONE, EXPORT_NAME,
     "what is below the name is lost: %s clients would not pin names below %s"},
    {EXPORT_ONE_LABEL, EXPORT_PLUS_ONE,
     "\"*.\" without the name itself is lost: %s clients would also pin %s"},
    {EXPORT_ONE_LABEL, EXPORT_ANY_DEPTH,
     "\"*.\" is lost: %s clients would also pin %s itself and names deeper below it"},
    {EXPORT_ANY_DEPTH, EXPORT_PLUS_ONE,
     "any depth is lost: %s clients would not pin names more than one label below %s"},
    {EXPORT_ANY_DEPTH, EXPORT_NAME,
     "what is below the name is lost: %s clients would not pin names below %s"},
};

static bool takes(const struct export *export, enum export_reach reach) {
    return (export->traits->reaches & EXPORT_BIT(reach)) != 0;
}

static void add_host(struct export_plan *plan, struct export_host host) {
    plan->hosts[plan->host_count++] = host;
}

static int compare_hosts(const void *left, const void *right) {
    const struct export_host *a = *(struct export_host *const *)left,
                             *b = *(struct export_host *const *)right;
    int order = strcmp(a->name, b->name);
    if (order == 0) {
        order = (a->port > b->port) - (a->port < b->port);
    }
    return order != 0 ? order : (a > b) - (a < b);
}

/* One name and port is one entry, which reaches as far as all of them; where a name and what is one
   label below it stand apart, only what is there twice goes. */
static void merge_hosts(struct export *export, struct export_plan *plan) {
    uint32_t count = plan->host_count, kept = 0;
    bool both_apart = takes(export, EXPORT_ONE_LABEL);
    struct export_host **sorted = arena_alloc(&export->scratch, (count + 1) * sizeof(*sorted));
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = &plan->hosts[i];
    }
    if (count > 0) {
        qsort(sorted, count, sizeof(*sorted), compare_hosts);
    }
    for (uint32_t i = 0; i < count;) {
        struct export_host *first = sorted[i];
        uint32_t reaches = 0; /* of those that are kept, where they stand apart */
        for (; i < count && strcmp(sorted[i]->name, first->name) == 0 &&
               sorted[i]->port == first->port;
             i++) {
            struct export_host *host = sorted[i];
            bool again = both_apart ? (reaches & EXPORT_BIT(host->reach)) != 0 : host != first;
            reaches |= EXPORT_BIT(host->reach);
            if (again) {
                first->reach =
                    !both_apart && host->reach > first->reach ? host->reach : first->reach;
                host->name = NULL;
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (plan->hosts[i].name != NULL) {
            plan->hosts[kept++] = plan->hosts[i];
        }
    }
    plan->host_count = kept;
}

static void plan_port(struct export *export, const struct pin_set *set, const char *text,
                      struct export_host *host) {
    if (host->port != 0 && !export->traits->ports) {
        export_loss(export, set, text,
                    "port %u is lost: %s pins a name on all ports, its clients would look for "
                    "these pins on every one",
                    host->port, export->traits->name);
        host->port = 0;
    }
}

static void plan_host(struct export *export, struct export_plan *plan,
                      const struct pin_host *from) {
    const struct pin_set *set = plan->set;
    const char *text = export_host_text(export, from);
    struct export_host host = {from->name, reach_of(set, from), from->port};
    bool name_out = false;
    if (!narrow(set, from, &host.reach, &name_out)) {
        return;
    }
    if (name_out) {
        export_loss(export, set, text,
                    "the exclusion of the name itself is lost: %s clients would pin %s",
                    export->traits->name, host.name);
    }
    plan_port(export, set, text, &host);
    if (takes(export, host.reach)) {
        add_host(plan, host);
        return;
    }
    if (host.reach == EXPORT_PLUS_ONE && takes(export, EXPORT_NAME) &&
        takes(export, EXPORT_ONE_LABEL)) { /* two patterns say the same */
        add_host(plan, (struct export_host){host.name, EXPORT_NAME, host.port});
        add_host(plan, (struct export_host){host.name, EXPORT_ONE_LABEL, host.port});
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(substitutes); i++) {
        if (substitutes[i].wanted == host.reach && takes(export, substitutes[i].taken)) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* of the table above */
            export_loss(export, set, text, substitutes[i].loss, export->traits->name, host.name);
#pragma GCC diagnostic pop
            host.reach = substitutes[i].taken;
            add_host(plan, host);
            return;
        }
    }
    export_loss(export, set, text,
                "is left out, %s has no wildcards: its clients would not pin names below %s",
                export->traits->name, host.name);
}

static enum err plan_hosts(struct export *export, struct export_plan *plan) {
    const struct pin_set *set = plan->set;
    plan->hosts = arena_alloc(&export->scratch, 2 * (size_t)set->host_count * sizeof *plan->hosts);
    for (uint32_t i = 0; i < set->host_count; i++) {
        struct netaddr address;
        if (export->traits->search == EXPORT_DANE &&
            netaddr_parse(span_str(set->hosts[i].name), &address)) {
            export_loss(export, set, export_host_text(export, &set->hosts[i]),
                        "is left out, an address owns no TLSA records: clients that dial it would "
                        "not pin it");
            continue;
        }
        plan_host(export, plan, &set->hosts[i]);
    }
    merge_hosts(export, plan);
    if (plan->host_count == 0) {
        return export_refuse(export, set, NULL,
                             "%s has no place for any host of this pin set: name hosts without "
                             "wildcards that are not excluded, or leave the set out (--pin-set, "
                             "--client)",
                             export->traits->name);
    }
    return ERR_NONE;
}

/* --- exclusions --- */

/* Whether an exclusion takes anything out of what is written. */
static bool is_reached(const struct export_plan *plan, const char *name, enum export_reach reach) {
    for (uint32_t i = 0; i < plan->host_count; i++) {
        const struct export_host *host = &plan->hosts[i];
        if (host->reach == EXPORT_NAME) {
            continue;
        }
        if (is_below(name, host->name) || (reach != EXPORT_NAME && strcmp(name, host->name) == 0)) {
            return true;
        }
    }
    return false;
}

static void plan_exclusion(struct export *export, struct export_plan *plan, const char *pattern) {
    const char *name = NULL;
    enum export_reach reach = split_exclusion(pattern, &name);
    const struct export_traits *traits = export->traits;
    if (!is_reached(plan, name, reach)) {
        return;
    }
    if (reach == EXPORT_ANY_DEPTH && (traits->excludes & EXPORT_BIT(reach)) == 0 &&
        (traits->excludes & EXPORT_BIT(EXPORT_NAME)) != 0) {
        export_loss(export, plan->set, pattern,
                    "%s excludes names one at a time: its clients would pin names below %s",
                    traits->name, name);
        reach = EXPORT_NAME;
    }
    if ((traits->excludes & EXPORT_BIT(reach)) == 0) {
        export_loss(export, plan->set, pattern,
                    "the exclusion is lost, %s has none of that kind: its clients would pin what "
                    "it takes out",
                    traits->name);
        return;
    }
    plan->excluded[plan->excluded_count++] = (struct export_host){name, reach, 0};
}

static void plan_exclusions(struct export *export, struct export_plan *plan) {
    const struct pin_set *set = plan->set;
    plan->excluded =
        arena_alloc(&export->scratch, (size_t)set->excluded_count * sizeof *plan->excluded + 1);
    for (uint32_t i = 0; i < set->excluded_count; i++) {
        plan_exclusion(export, plan, set->excluded[i]);
    }
}

/* --- expiry, enforcement --- */

#define DAY_S 86400

static void plan_expiry(struct export *export, struct export_plan *plan) {
    const struct pin_set *set = plan->set;
    const char *name = export->traits->name;
    char date[DATETIME_LEN_MAX];
    plan->expires = DATETIME_NONE;
    if (set->expires == DATETIME_NONE || set->on_expiry == PIN_EXPIRY_NONE) {
        return; /* the clients go on pinning, as any does without a date */
    }
    datetime_format_date(date, set->expires);
    if (set->on_expiry == PIN_FAIL_CLOSED) {
        export_loss(export, set, NULL,
                    "failing closed from %s is lost: %s clients would go on pinning after it and "
                    "accept what matches",
                    date, name);
        return;
    }
    if (!export->traits->expiry) {
        export_loss(export, set, NULL,
                    "expiry %s is lost, %s has none: its clients would go on pinning after it",
                    date, name);
        return;
    }
    plan->expires = set->expires;
    int64_t past_midnight = ((set->expires % DAY_S) + DAY_S) % DAY_S;
    if (past_midnight != 0 && !export->traits->expiry_seconds) {
        plan->expires -= past_midnight;
        export_loss(export, set, NULL,
                    "the time of day of the expiry is lost, %s has dates alone: its clients would "
                    "stop pinning %d minutes earlier",
                    name, (int)((past_midnight + 59) / 60));
    }
}

static void plan_enforcement(struct export *export, struct export_plan *plan) {
    plan->report_only = plan->set->report_only && export->traits->report_only;
    if (plan->set->report_only && !export->traits->report_only) {
        export_loss(export, plan->set, NULL,
                    "report-only is lost, %s always enforces: its clients would refuse what "
                    "matches no pin",
                    export->traits->name);
    }
}

/* --- the whole --- */

/* What `extra` holds under the format's name. */
static void plan_extra(struct export *export, struct export_plan *plan) {
    struct policy_node *root = NULL;
    if (plan->set->extra[0] != '\0' &&
        policy_yaml_read(span_str(plan->set->extra), "extra", &export->scratch, &root, NULL) ==
            ERR_NONE) {
        plan->extra = policy_yaml_find(root, pin_client_text(export->traits->client));
    }
}

enum err export_plan_set(struct export *export, const struct pin_set *set,
                         struct export_plan *out) {
    *out = (struct export_plan){.set = set};
    enum err err = plan_hosts(export, out);
    if (err == ERR_NONE) {
        err = export_plan_pins(export, out);
    }
    if (err != ERR_NONE) {
        return err;
    }
    plan_exclusions(export, out);
    plan_expiry(export, out);
    plan_enforcement(export, out);
    plan_extra(export, out);
    return ERR_NONE;
}

enum err export_plan_all(struct export *export) {
    export->plans = arena_alloc(&export->scratch, (size_t) export->count * sizeof *export->plans);
    for (uint32_t i = 0; i < export->count; i++) {
        enum err err = export_plan_set(export, export->sets[i], &export->plans[i]);
        if (err != ERR_NONE) {
            return err;
        }
    }
    return export_check_overlaps(export);
}
