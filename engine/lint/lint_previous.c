/* PIN044: the same policy before the change and after it. */
#include "engine/lint/lint_internal.h"

/* The scalar under `approval` in a pin set's `extra`; empty if there is none. */
static struct span approval_of(struct lint *lint, const struct pin_set *set) {
    const struct policy_node *extra = lint_extra(lint, set);
    const struct policy_node *approval = extra != NULL ? policy_yaml_find(extra, "approval") : NULL;
    return approval != NULL && approval->kind == POLICY_SCALAR ? approval->text : span_of(NULL, 0);
}

static bool holds(const struct pin_set *set, const struct pin *pin) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        if (lint_same_pin(&set->pins[i], pin) && set->pins[i].role == pin->role &&
            set->pins[i].list == pin->list && set->pins[i].tlsa_usage == pin->tlsa_usage) {
            return true;
        }
    }
    return false;
}

static uint32_t count_absent(const struct pin_set *from, const struct pin_set *in,
                             const char **out_first) {
    uint32_t absent = 0;
    for (uint32_t i = 0; i < from->pin_count; i++) {
        if (!holds(in, &from->pins[i])) {
            *out_first = absent == 0 ? from->pins[i].text : *out_first;
            absent++;
        }
    }
    return absent;
}

/* A set's name without the file stem that importers put before it: the old version of a file often
   has another name. */
static const char *plain_name(const struct pin_set *set) {
    const char *slash = strrchr(set->file, '/');
    const char *stem = slash != NULL ? slash + 1 : set->file;
    const char *dot = strrchr(stem, '.');
    size_t len = dot != NULL && dot != stem ? (size_t)(dot - stem) : strlen(stem);
    bool prefixed = strncmp(set->name, stem, len) == 0 && set->name[len] == ':';
    return prefixed ? set->name + len + 1 : set->name;
}

static const struct pin_set *find_set(const struct pin_index *index, const char *name,
                                      uint32_t near) {
    for (uint32_t i = 0; i < index->set_count; i++) {
        /* policies change little: look first where it stood */
        const struct pin_set *set = index->sets[(near + i) % index->set_count];
        if (strcmp(plain_name(set), name) == 0) {
            return set;
        }
    }
    return NULL;
}

static void compare_sets(struct lint *lint, const struct pin_set *before,
                         const struct pin_set *after) {
    const char *first_added = "", *first_removed = "";
    uint32_t added = count_absent(after, before, &first_added);
    uint32_t removed = count_absent(before, after, &first_removed);
    struct span approval = approval_of(lint, after);
    bool approved = approval.len > 0 && !span_equal(approval, approval_of(lint, before));
    if (added + removed > 0 && !approved) {
        lint_find(lint, PIN044, after, NULL, NULL, "%u added%s%s, %u removed%s%s", added,
                  added > 0 ? ": " : "", first_added, removed, removed > 0 ? ": " : "",
                  first_removed);
    }
}

void lint_previous(struct lint *lint) {
    const struct pin_index *before = lint->config->previous, *after = lint->config->pins;
    if (lint->config->approval[0] != '\0') {
        return; /* whoever runs this names the approval of the whole change */
    }
    for (uint32_t i = 0; i < after->set_count; i++) {
        const struct pin_set *old = find_set(before, plain_name(after->sets[i]), i);
        if (old != NULL) {
            compare_sets(lint, old, after->sets[i]);
        } else {
            lint_find(lint, PIN044, after->sets[i], NULL, NULL, "the pin set is new");
        }
    }
    for (uint32_t i = 0; i < before->set_count; i++) {
        if (find_set(after, plain_name(before->sets[i]), i) == NULL) {
            struct lint_finding *finding =
                lint_find(lint, PIN044, NULL, NULL, NULL, "the pin set %s was removed",
                          before->sets[i]->name);
            if (finding != NULL) {
                finding->file = after->set_count > 0 ? after->sets[0]->file : "";
            }
        }
    }
}
