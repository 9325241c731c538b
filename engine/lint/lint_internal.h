/* Private to the lint: how rules tell what they found. */
#ifndef PINSWEEP_LINT_LINT_INTERNAL_H
#define PINSWEEP_LINT_LINT_INTERNAL_H

#include "engine/lint/lint.h"
#include "engine/policy/policy_yaml.h"

/* Adds a finding; `set`, `pin` and `host` may be NULL. It stands at the pin's line, else the set's.
 * Returns it, to be changed until the next one; NULL where the rule is off. */
struct lint_finding *lint_find(struct lint *lint, enum lint_rule_id rule, const struct pin_set *set,
                               const struct pin *pin, const char *host, const char *format, ...)
    PRINTF_LIKE(6, 7);

#define LINT_DAY_S 86400
/* To the end of its last day. */
bool lint_exception_holds(const struct lint *lint, const struct pin_exception *exception);

/* "a, b, c and 12 more", in the lint's arena. */
#define LINT_NAMED_MAX 3
struct lint_names {
    const char *names[LINT_NAMED_MAX];
    uint32_t count; /* of all that were added, each once in a row */
    const char *last;
};
void lint_names_add(struct lint_names *names, const char *name);
const char *lint_names_text(struct lint *lint, const struct lint_names *names);

/* "2027-06-01", in the lint's arena. */
const char *lint_date(struct lint *lint, int64_t unix_s);
/* "api.bank.example", "*.bank.example:8443", in the lint's arena. */
const char *lint_host_text(struct lint *lint, const struct pin_host *host);
/* Lead time and adoption in days, as the set says or the default. */
int64_t lint_lead_days(const struct lint *lint, const struct pin_set *set);
/* Of the pins of a set (of that list; -1: of all) that may match, bad ones left out: none, one, or
   two for more than one. */
uint32_t lint_distinct_pins(const struct pin_set *set, int list);
bool lint_same_pin(const struct pin *a, const struct pin *b);

/* The set's `extra` as a mapping, in the lint's arena; NULL if there is none. */
const struct policy_node *lint_extra(struct lint *lint, const struct pin_set *set);

/* The groups of rules, one file each. */
void lint_set(struct lint *lint, const struct pin_set *set);      /* lint_set.c: one set alone */
void lint_governance(struct lint *lint);                          /* lint_governance.c: PIN03x */
enum err lint_sets(struct lint *lint, struct err_note *note);     /* lint_sets.c: set by set */
enum err lint_previous(struct lint *lint, struct err_note *note); /* lint_previous.c: PIN044 */
enum err lint_observed(struct lint *lint, struct err_note *note); /* lint_observed.c: chains */

#endif
