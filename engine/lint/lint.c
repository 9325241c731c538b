#include "engine/lint/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/lint/catalogue.h"
#include "engine/lint/lint_internal.h"

void lint_config_init(struct lint_config *config) {
    *config = (struct lint_config){
        .approval = "", .at_unix_s = DATETIME_NONE, .rehearsal_days = 365, .lead_days = 30};
    for (int i = 0; i < LINT_RULE_COUNT; i++) {
        config->severities[i] = lint_rules[i].severity;
    }
}

/* --- findings --- */

bool lint_exception_holds(const struct lint *lint, const struct pin_exception *exception) {
    return exception->until == DATETIME_NONE ||
           lint->config->at_unix_s < exception->until + LINT_DAY_S;
}

static const struct pin_exception *
find_exception(const struct lint *lint, const struct pin_set *set, enum lint_rule_id rule) {
    for (uint32_t i = 0; set != NULL && i < set->exception_count; i++) {
        const struct pin_exception *exception = &set->exceptions[i];
        if (lint_rule_find(span_str(exception->rule)) == rule &&
            lint_exception_holds(lint, exception)) {
            return exception;
        }
    }
    return NULL;
}

static struct lint_finding *append(struct lint *lint) {
    if (lint->count == lint->capacity) {
        uint32_t capacity = lint->capacity < 64 ? 64 : lint->capacity * 2;
        struct lint_finding *findings =
            arena_alloc(&lint->arena, capacity * sizeof *findings); /* halves at worst are lost */
        if (lint->count > 0) {
            memcpy(findings, lint->findings, lint->count * sizeof *findings);
        }
        lint->findings = findings;
        lint->capacity = capacity;
    }
    return &lint->findings[lint->count++];
}

struct lint_finding *lint_find(struct lint *lint, enum lint_rule_id rule, const struct pin_set *set,
                               const struct pin *pin, const char *host, const char *format, ...) {
    enum lint_severity severity = lint->config->severities[rule];
    if (severity == LINT_OFF) {
        return NULL;
    }
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct lint_finding *finding = append(lint);
    bool has_line = pin != NULL && pin->line != 0;
    *finding = (struct lint_finding){
        .rule = rule,
        .severity = severity,
        .set = set,
        .pin = pin,
        .host = host != NULL ? host : "",
        .file = set != NULL ? set->file : "",
        .line = has_line      ? pin->line
                : set != NULL ? set->line
                              : 0,
        .column = !has_line && set != NULL ? set->column : 0,
        .message = arena_copy_text(&lint->arena, span_str(message)),
        /* an exception cannot except itself from being complete */
        .exception = rule == PIN034 ? NULL : find_exception(lint, set, rule),
    };
    return finding;
}

void lint_names_add(struct lint_names *names, const char *name) {
    if (names->last != NULL && strcmp(names->last, name) == 0) {
        return;
    }
    if (names->count < LINT_NAMED_MAX) {
        names->names[names->count] = name;
    }
    names->last = name;
    names->count++;
}

const char *lint_names_text(struct lint *lint, const struct lint_names *names) {
    char text[LINT_NAMED_MAX * (HOST_MAX + 16) + 64] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < names->count && i < LINT_NAMED_MAX; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s", i > 0 ? ", " : "",
                                HOST_MAX + 8, names->names[i]);
    }
    if (names->count > LINT_NAMED_MAX) {
        len += (size_t)snprintf(text + len, sizeof text - len, " and %u more",
                                names->count - LINT_NAMED_MAX);
    }
    return arena_copy_text(&lint->arena, span_of(text, len));
}

const char *lint_date(struct lint *lint, int64_t unix_s) {
    char text[DATETIME_LEN_MAX];
    return arena_copy_text(&lint->arena, span_of(text, datetime_format_date(text, unix_s)));
}

const char *lint_host_text(struct lint *lint, const struct pin_host *host) {
    static const char *const prefixes[] = {
        [PIN_PATTERN_NAME] = "", [PIN_PATTERN_ONE_LABEL] = "*.", [PIN_PATTERN_ANY_DEPTH] = "**."};
    char text[HOST_MAX + 16];
    int len = host->port != 0 ? snprintf(text, sizeof text, "%s%.*s:%u", prefixes[host->pattern],
                                         HOST_MAX, host->name, host->port)
                              : snprintf(text, sizeof text, "%s%.*s", prefixes[host->pattern],
                                         HOST_MAX, host->name);
    return arena_copy_text(&lint->arena, span_of(text, (size_t)len));
}

int64_t lint_lead_days(const struct lint *lint, const struct pin_set *set) {
    if (set->lead_time_days < 0 && set->adoption_days < 0) {
        return lint->config->lead_days;
    }
    return (set->lead_time_days > 0 ? set->lead_time_days : 0) +
           (set->adoption_days > 0 ? set->adoption_days : 0);
}

bool lint_same_pin(const struct pin *a, const struct pin *b) {
    return a->alg == b->alg && a->of == b->of && span_equal(a->value, b->value);
}

uint32_t lint_distinct_pins(const struct pin_set *set, int list) {
    const struct pin *first = NULL;
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *pin = &set->pins[i];
        if (pin->role == PIN_BAD || (list >= 0 && pin->list != (enum pin_list)list)) {
            continue;
        }
        if (first != NULL && !lint_same_pin(first, pin)) {
            return 2; /* nobody asks for more */
        }
        first = first != NULL ? first : pin;
    }
    return first != NULL;
}

const struct policy_node *lint_extra(struct lint *lint, const struct pin_set *set) {
    struct policy_node *root = NULL;
    if (set->extra[0] == '\0' ||
        policy_yaml_read(span_str(set->extra), "extra", &lint->arena, &root, NULL) != ERR_NONE) {
        return NULL;
    }
    return root != NULL && root->kind == POLICY_MAP ? root : NULL;
}

/* --- the run --- */

/* Each anchor once, though profiles share most of theirs. */
static void collect_distrusted(struct lint *lint) {
    const struct trust_store *trust = lint->config->trust;
    for (uint32_t p = 0; p < trust->count; p++) {
        for (uint32_t a = 0; a < trust->profiles[p].count; a++) {
            const struct cert_record *anchor = &trust->profiles[p].anchors[a];
            const struct catalogue_entry *entry = catalogue_distrust(anchor);
            bool known = entry == NULL || lint->distrusted_count == LINT_DISTRUSTED_MAX;
            for (uint32_t d = 0; d < lint->distrusted_count && !known; d++) {
                known = memcmp(lint->distrusted[d].anchor->cert_sha256, anchor->cert_sha256,
                               SHA256_LEN) == 0;
            }
            if (!known) {
                lint->distrusted[lint->distrusted_count].anchor = anchor;
                lint->distrusted[lint->distrusted_count++].entry = entry;
            }
        }
    }
}

/* Worst first; then as one reads the files. */
static int compare(const void *left, const void *right) {
    const struct lint_finding *a = left, *b = right;
    if ((a->exception != NULL) != (b->exception != NULL)) {
        return a->exception != NULL ? 1 : -1;
    }
    if (a->severity != b->severity) {
        return a->severity > b->severity ? -1 : 1;
    }
    int files = strcmp(a->file, b->file);
    if (files != 0) {
        return files;
    }
    if (a->line != b->line) {
        return a->line < b->line ? -1 : 1;
    }
    if (a->rule != b->rule) {
        return a->rule < b->rule ? -1 : 1;
    }
    int hosts = strcmp(a->host, b->host);
    int messages = hosts != 0 ? hosts : strcmp(a->message, b->message);
    if (messages != 0 || a->set == b->set || a->set == NULL || b->set == NULL) {
        return messages;
    }
    return a->set->idx < b->set->idx ? -1 : 1;
}

/* Two sweeps of one fleet show the same mistakes: each is told once. */
static void drop_repeated(struct lint *lint) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < lint->count; i++) {
        const struct lint_finding *last = kept > 0 ? &lint->findings[kept - 1] : NULL;
        const struct lint_finding *finding = &lint->findings[i];
        if (last == NULL || compare(last, finding) != 0 || last->set != finding->set ||
            last->pin != finding->pin) {
            lint->findings[kept++] = *finding;
        }
    }
    lint->count = kept;
}

enum err lint_run(struct lint *lint, const struct lint_config *config, struct err_note *note) {
    *lint = (struct lint){.config = config};
    CHECK(config->at_unix_s != DATETIME_NONE && config->pins->bound);
    collect_distrusted(lint);
    for (uint32_t i = 0; i < config->pins->set_count; i++) {
        lint_set(lint, config->pins->sets[i]);
    }
    lint_governance(lint);
    enum err err = lint_sets(lint, note);
    if (err == ERR_NONE && config->observed_count > 0) {
        err = lint_observed(lint, note);
    }
    if (err == ERR_NONE && config->previous != NULL) {
        err = lint_previous(lint, note);
    }
    if (lint->count > 0) {
        qsort(lint->findings, lint->count, sizeof *lint->findings, compare);
        drop_repeated(lint);
    }
    for (uint32_t i = 0; i < lint->count; i++) {
        if (lint->findings[i].exception != NULL) {
            lint->excepted_count++;
        } else {
            lint->counts[lint->findings[i].severity]++;
        }
    }
    return err;
}

void lint_fini(struct lint *lint) {
    arena_fini(&lint->arena);
    *lint = (struct lint){0};
}
