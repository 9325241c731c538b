/* PIN044: the same policy before the change and after it. */
#include <stdlib.h>

#include "engine/lint/lint_internal.h"

/* The scalar under `approval` in a pin set's `extra`; empty if there is none. */
static struct span approval_of(struct lint *lint, const struct pin_set *set) {
    const struct policy_node *extra = lint_extra(lint, set);
    const struct policy_node *approval = extra != NULL ? policy_yaml_find(extra, "approval") : NULL;
    return approval != NULL && approval->kind == POLICY_SCALAR ? approval->text : span_of(NULL, 0);
}

/* `place`: where it stands in the other set, and most often here. */
static bool holds(const struct pin_set *set, const struct pin *pin, uint32_t place) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *other = &set->pins[((uint64_t)place + i) % set->pin_count];
        if (lint_same_pin(other, pin) && other->role == pin->role && other->list == pin->list &&
            other->tlsa_usage == pin->tlsa_usage) {
            return true;
        }
    }
    return false;
}

static uint32_t count_absent(const struct pin_set *from, const struct pin_set *in,
                             const char **out_first) {
    uint32_t absent = 0;
    for (uint32_t i = 0; i < from->pin_count; i++) {
        if (!holds(in, &from->pins[i], i)) {
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

/* The sets of one policy by plain name, and by their place where files share one. */
struct named {
    const char *name;
    const struct pin_set *set;
};

struct names {
    struct named *sorted;
    uint32_t count;
};

static int compare_named(const void *left, const void *right) {
    const struct named *a = left, *b = right;
    int names = strcmp(a->name, b->name);
    return names != 0 ? names : (a->set->idx > b->set->idx) - (a->set->idx < b->set->idx);
}

static bool names_init(struct names *names, const struct pin_index *index) {
    *names = (struct names){.sorted = malloc(((size_t)index->set_count + 1) * sizeof(struct named)),
                            .count = index->set_count};
    if (names->sorted == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < index->set_count; i++) {
        names->sorted[i] = (struct named){plain_name(index->sets[i]), index->sets[i]};
    }
    if (names->count > 0) {
        qsort(names->sorted, names->count, sizeof *names->sorted, compare_named);
    }
    return true;
}

/* The first that is not before that name and place; `count` if there is none. */
static uint32_t lower_bound(const struct names *names, const char *name, uint32_t place) {
    uint32_t from = 0, to = names->count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        int order = strcmp(names->sorted[middle].name, name);
        if (order < 0 || (order == 0 && names->sorted[middle].set->idx < place)) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* Of several sets with that name the one at that place or the next after it, as policies change
   little; else the first. */
static const struct pin_set *find_set(const struct names *names, const char *name, uint32_t place) {
    const uint32_t tries[] = {lower_bound(names, name, place), lower_bound(names, name, 0)};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        if (tries[i] < names->count && strcmp(names->sorted[tries[i]].name, name) == 0) {
            return names->sorted[tries[i]].set;
        }
    }
    return NULL;
}

static void compare_sets(struct lint *lint, const struct pin_set *before,
                         const struct pin_set *after) {
    const char *first_added = "", *first_removed = "";
    uint32_t added = count_absent(after, before, &first_added);
    uint32_t removed = count_absent(before, after, &first_removed);
    if (added + removed == 0) {
        return;
    }
    struct span approval = approval_of(lint, after);
    if (approval.len == 0 || span_equal(approval, approval_of(lint, before))) {
        lint_find(lint, PIN044, after, NULL, NULL, "%u added%s%s, %u removed%s%s", added,
                  added > 0 ? ": " : "", first_added, removed, removed > 0 ? ": " : "",
                  first_removed);
    }
}

static void compare_policies(struct lint *lint, const struct names *before,
                             const struct names *after) {
    const struct pin_index *old_pins = lint->config->previous, *pins = lint->config->pins;
    for (uint32_t i = 0; i < pins->set_count; i++) {
        const struct pin_set *old = find_set(before, plain_name(pins->sets[i]), i);
        if (old != NULL) {
            compare_sets(lint, old, pins->sets[i]);
        } else {
            lint_find(lint, PIN044, pins->sets[i], NULL, NULL, "the pin set is new");
        }
    }
    for (uint32_t i = 0; i < old_pins->set_count; i++) {
        if (find_set(after, plain_name(old_pins->sets[i]), i) == NULL) {
            struct lint_finding *finding =
                lint_find(lint, PIN044, NULL, NULL, NULL, "the pin set %s was removed",
                          old_pins->sets[i]->name);
            if (finding != NULL) {
                finding->file = pins->set_count > 0 ? pins->sets[0]->file : "";
            }
        }
    }
}

enum err lint_previous(struct lint *lint, struct err_note *note) {
    if (lint->config->approval[0] != '\0') {
        return ERR_NONE; /* whoever runs this names the approval of the whole change */
    }
    struct names before, after = {0};
    enum err err = ERR_NONE;
    if (names_init(&before, lint->config->previous) && names_init(&after, lint->config->pins)) {
        compare_policies(lint, &before, &after);
    } else {
        err = err_note(note, ERR_RESOURCE, "not enough memory to compare %u pin sets",
                       lint->config->pins->set_count);
    }
    free(before.sorted);
    free(after.sorted);
    return err;
}
