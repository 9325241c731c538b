#include "cli/pins_input.h"

#include <stdio.h>
#include <string.h>

#include "cli/setup.h"
#include "engine/base/rng.h"

static bool add(const char **list, uint32_t *count, uint32_t capacity, const char *value,
                const char **out_why) {
    *out_why = "too many of them";
    if (*count == capacity) {
        return false;
    }
    list[(*count)++] = value;
    return true;
}

static bool set_policy(void *context, const char *value, const char **out_why) {
    struct pins_input *input = context;
    value = strcmp(value, "-") == 0 ? "/dev/stdin" : value;
    return add(input->policies, &input->policy_count, PINS_POLICIES_MAX, value, out_why);
}

static bool set_format(void *context, const char *value, const char **out_why) {
    struct pins_input *input = context;
    for (int i = 0; import_format_words[i] != NULL; i++) {
        if (strcmp(import_format_words[i], value) == 0) {
            input->format = (enum import_format)i;
            return true;
        }
    }
    *out_why = "give auto, " IMPORT_FORMATS_TEXT;
    return false;
}

static bool set_name(void *context, const char *value, const char **out_why) {
    struct pins_input *input = context;
    return add(input->names, &input->name_count, PINS_CHOICES_MAX, value, out_why);
}

static bool set_application(void *context, const char *value, const char **out_why) {
    struct pins_input *input = context;
    return add(input->applications, &input->application_count, PINS_CHOICES_MAX, value, out_why);
}

static bool add_client(void *context, struct span part, const char **out_why) {
    struct pins_input *input = context;
    for (int i = 0; pin_client_words[i] != NULL; i++) {
        if (span_equal_str(part, pin_client_words[i])) {
            input->clients |= 1u << i;
            return true;
        }
    }
    *out_why = "give a comma-separated list of custom, android, apple, trustkit, okhttp, hpkp, "
               "curl, envoy, chromium, dane";
    return false;
}

static bool set_client(void *context, const char *value, const char **out_why) {
    return setup_each_part(value, add_client, context, out_why);
}

const struct opt pins_input_options[] = {
    OPT_GROUP("Input"),
    {'p', "policy", "FILE", "a policy in any client's format, - for standard input; repeatable",
     set_policy},
    {0, "policy-format", "FORMAT", "of every policy (auto: from the bytes):\n" IMPORT_FORMATS_TEXT,
     set_format},
    {0, "client", "LIST", "only pin sets of these clients", set_client},
    {0, "application", "NAME", "only pin sets of this application; repeatable", set_application},
    {0, "pin-set", "NAME", "only the pin set of this name; repeatable", set_name},
    OPT_END,
};

void pins_input_init(struct pins_input *input) {
    *input = (struct pins_input){0};
    pin_index_init(&input->index, random_u64());
    trust_store_init(&input->store);
}

void pins_input_fini(struct pins_input *input) {
    pin_index_fini(&input->index);
    trust_store_fini(&input->store);
}

static bool is_among(const char *const *list, uint32_t count, const char *text) {
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(list[i], text) == 0) {
            return true;
        }
    }
    return count == 0;
}

static bool is_meant(const struct pins_input *input, const struct pin_set *set) {
    return is_among(input->names, input->name_count, set->name) &&
           is_among(input->applications, input->application_count, set->application) &&
           (input->clients == 0 || (input->clients & 1u << set->client) != 0);
}

/* A name that is no pin set's is a slip. */
static enum err check_names(const struct pins_input *input, struct err_note *note) {
    for (uint32_t i = 0; i < input->name_count; i++) {
        const char *near = NULL;
        bool found = false;
        for (uint32_t j = 0; j < input->index.set_count && !found; j++) {
            const char *name = input->index.sets[j]->name;
            const char *const one[] = {name, NULL};
            found = strcmp(name, input->names[i]) == 0;
            near = near == NULL ? opt_nearest(input->names[i], one) : near;
        }
        if (!found) {
            return err_note(note, ERR_CONFIG,
                            "--pin-set %.200s: there is no such pin set%s%.200s%s", input->names[i],
                            near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                            near != NULL ? "'?" : "");
        }
    }
    return ERR_NONE;
}

enum err pins_input_load(struct pins_input *input, struct err_note *note) {
    enum err err = policy_load_all(input->policies, input->policy_count, input->format,
                                   &input->index, &input->store, note);
    if (err == ERR_NONE) {
        err = check_names(input, note);
    }
    if (err != ERR_NONE) {
        return err;
    }
    input->sets = arena_alloc(&input->index.arena,
                              ((size_t)input->index.set_count + 1) * sizeof(*input->sets));
    for (uint32_t i = 0; i < input->index.set_count; i++) {
        if (is_meant(input, input->index.sets[i])) {
            input->sets[input->count++] = input->index.sets[i];
        }
    }
    if (input->count == 0) {
        return err_note(note, ERR_CONFIG,
                        "none of the %u pin sets is of that --client, --application and --pin-set",
                        input->index.set_count);
    }
    return ERR_NONE;
}
