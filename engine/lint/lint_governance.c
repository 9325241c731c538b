/* PIN03x: what a policy says about the people and the plan behind its pins. A file in which no pin
   set says it gets one finding, not one for each. Most client formats have no place for it: there a
   pin set of the same client and hosts in another file speaks for it, the native policy beside it.
 */
#include <stdio.h>

#include "engine/lint/lint_internal.h"

struct question {
    enum lint_rule_id rule;
    /* NULL: answered; else what is missing, for one set and for all of a file. */
    const char *(*missing)(const struct lint *lint, const struct pin_set *set);
};

static const char *missing_rollover(const struct lint *lint, const struct pin_set *set) {
    (void)lint;
    return set->rollover[0] == '\0' ? "names no rollover document" : NULL;
}

static const char *missing_owner(const struct lint *lint, const struct pin_set *set) {
    (void)lint;
    return set->owner[0] == '\0' && set->approver[0] == '\0' ? "names neither owner nor approver"
           : set->owner[0] == '\0'                           ? "names no owner"
           : set->approver[0] == '\0'                        ? "names no approver"
                                                             : NULL;
}

static const char *missing_rehearsal(const struct lint *lint, const struct pin_set *set) {
    int64_t oldest = lint->config->at_unix_s - (int64_t)lint->config->rehearsal_days * LINT_DAY_S;
    return set->last_rehearsal == DATETIME_NONE ? "names no rehearsal of an emergency rotation"
           : set->last_rehearsal < oldest       ? "was last rehearsed too long ago"
                                                : NULL;
}

static const char *missing_custody(const struct lint *lint, const struct pin_set *set) {
    (void)lint;
    bool has_backup = lint_distinct_pins(set, -1) > 1;
    return has_backup && set->backup_custody[0] == '\0'
               ? "does not say where its backup key is kept"
               : NULL;
}

static const struct question questions[] = {{PIN030, missing_rollover},
                                            {PIN031, missing_owner},
                                            {PIN032, missing_rehearsal},
                                            {PIN033, missing_custody}};

static bool is_excepted(const struct lint *lint, const struct pin_set *set,
                        enum lint_rule_id rule) {
    for (uint32_t i = 0; i < set->exception_count; i++) {
        if (lint_rule_find(span_str(set->exceptions[i].rule)) == rule &&
            lint_exception_holds(lint, &set->exceptions[i])) {
            return true;
        }
    }
    return false;
}

/* "bank.example" for itself, any name below it for what a pattern brings there. */
static size_t write_example(const struct pin_host *host, char out[HOST_MAX + 3]) {
    return (size_t)snprintf(out, HOST_MAX + 3, "%s%.*s",
                            host->pattern == PIN_PATTERN_NAME ? "" : "x.", HOST_MAX, host->name);
}

/* Whether other files say it of every host of this set, for the same client. */
static bool is_answered_beside(const struct lint *lint, const struct question *question,
                               const struct pin_set *set) {
    const struct pin_set *found[PIN_SETS_PER_HOST_MAX];
    for (uint32_t h = 0; h < set->host_count; h++) {
        char name[HOST_MAX + 3];
        size_t len = write_example(&set->hosts[h], name);
        size_t count = pin_index_lookup(lint->config->pins, span_of(name, len),
                                        set->hosts[h].port != 0 ? set->hosts[h].port : 443, found,
                                        PIN_SETS_PER_HOST_MAX);
        bool answered = false;
        for (size_t i = 0; i < count && i < PIN_SETS_PER_HOST_MAX && !answered; i++) {
            answered = found[i]->client == set->client && strcmp(found[i]->file, set->file) != 0 &&
                       question->missing(lint, found[i]) == NULL;
        }
        if (!answered) {
            return false;
        }
    }
    return set->host_count > 0;
}

/* What is missing; NULL: nothing. */
static const char *why_missing(const struct lint *lint, const struct question *question,
                               const struct pin_set *set) {
    const char *why = question->missing(lint, set);
    return why != NULL && lint->has_files && is_answered_beside(lint, question, set) ? NULL : why;
}

static void tell(struct lint *lint, const struct pin_set *set, enum lint_rule_id rule,
                 const char *missing) {
    if (rule == PIN032 && set->last_rehearsal != DATETIME_NONE) {
        lint_find(lint, rule, set, NULL, NULL, "was last rehearsed on %s, more than %u days ago",
                  lint_date(lint, set->last_rehearsal), lint->config->rehearsal_days);
    } else {
        lint_find(lint, rule, set, NULL, NULL, "%s", missing);
    }
}

/* The pin sets from `first` to before `end` are of one file. */
static void ask(struct lint *lint, const struct question *question, uint32_t first, uint32_t end) {
    struct pin_set *const *sets = lint->config->pins->sets;
    const char *what = NULL;
    uint32_t missing = 0;
    bool same = true;
    for (uint32_t i = first; i < end; i++) {
        const char *why = is_excepted(lint, sets[i], question->rule)
                              ? NULL
                              : why_missing(lint, question, sets[i]);
        same = same && (what == NULL || why == what);
        what = why != NULL ? why : what;
        missing += why != NULL;
    }
    if (same && missing == end - first && missing > 1) {
        struct lint_finding *finding =
            lint_find(lint, question->rule, NULL, NULL, NULL,
                      "each of the %u pin sets of this file %s", missing, what);
        if (finding != NULL) {
            finding->file = sets[first]->file;
        }
        return;
    }
    for (uint32_t i = first; i < end; i++) {
        const char *why = why_missing(lint, question, sets[i]);
        if (why != NULL) {
            tell(lint, sets[i], question->rule, why);
        }
    }
}

void lint_governance(struct lint *lint) {
    const struct pin_index *pins = lint->config->pins;
    uint32_t end;
    for (uint32_t i = 1; i < pins->set_count && !lint->has_files; i++) {
        lint->has_files = strcmp(pins->sets[i]->file, pins->sets[0]->file) != 0;
    }
    for (uint32_t first = 0; first < pins->set_count; first = end) {
        end = first + 1;
        while (end < pins->set_count &&
               strcmp(pins->sets[end]->file, pins->sets[first]->file) == 0) {
            end++;
        }
        for (size_t q = 0; q < sizeof questions / sizeof *questions; q++) {
            ask(lint, &questions[q], first, end);
        }
    }
}
