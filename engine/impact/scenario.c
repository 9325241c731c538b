#include "engine/impact/scenario.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/impact/scenario_internal.h"
#include "engine/policy/policy.h"

void scenario_init(struct scenario *scenario) {
    *scenario = (struct scenario){.name = ""};
}

void scenario_fini(struct scenario *scenario) {
    free(scenario->ops);
    arena_fini(&scenario->arena);
    *scenario = (struct scenario){.name = ""};
}

enum err scenario_fail(const struct scenario_place *place, const char *key, struct err_note *note,
                       const char *format, ...) {
    char what[ERR_NOTE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return err_note(note, ERR_CONFIG, "%s:%u:%u: %s: %s", place->file, place->line, place->column,
                    key, what);
}

/* --- the document --- */

static enum err append(struct policy_reader *reader, struct scenario *scenario,
                       const struct policy_node *node) {
    if (scenario->count == SCENARIO_OPS_MAX) {
        return policy_fail(reader, node, "operations", "more than %d: split the scenario",
                           SCENARIO_OPS_MAX);
    }
    if (scenario->count == scenario->capacity) {
        uint32_t capacity = scenario->capacity == 0 ? 8 : scenario->capacity * 2;
        scenario->ops = realloc(scenario->ops, capacity * sizeof *scenario->ops);
        CHECK(scenario->ops != NULL);
        scenario->capacity = capacity;
    }
    struct scenario_op *op = &scenario->ops[scenario->count];
    enum err err = scenario_read_op(reader, node, op);
    scenario->count += err == ERR_NONE;
    return err;
}

struct document {
    struct scenario *scenario;
    const char *name;
};

static enum err read_version(struct policy_reader *reader, const char *key,
                             const struct policy_node *node, void *object) {
    (void)object;
    if (node->kind != POLICY_SCALAR || !node->plain || !span_equal_str(node->text, "1")) {
        return policy_fail(reader, node, key, "this program reads version 1: write version: 1");
    }
    return ERR_NONE;
}

static enum err read_operations(struct policy_reader *reader, const char *key,
                                const struct policy_node *node, void *object) {
    struct document *document = object;
    enum err err = policy_check_list(reader, key, node, "- advance-clock: {to: 2027-03-15}");
    for (uint32_t i = 0; err == ERR_NONE && i < node->count; i++) {
        err = append(reader, document->scenario, node->items[i]);
    }
    return err;
}

static enum err read_root(struct policy_reader *reader, const struct policy_node *root,
                          struct document *document) {
    static const struct policy_field fields[] = {
        {"version", POLICY_FIELD_CUSTOM, 0, NULL, read_version},
        {"name", POLICY_FIELD_TEXT, offsetof(struct document, name), NULL, NULL},
        {"operations", POLICY_FIELD_CUSTOM, 0, NULL, read_operations},
    };
    const struct policy_node *version = policy_yaml_find(root, "version");
    if (root->kind == POLICY_MAP && version == NULL) {
        return policy_fail(reader, root, "version", "is missing: write version: 1");
    }
    enum err err = version != NULL ? read_version(reader, "version", version, NULL) : ERR_NONE;
    if (err == ERR_NONE) {
        err = policy_read_map(reader, "yaml", root, "a scenario", fields, ARRAY_COUNT(fields),
                              document);
    }
    if (err == ERR_NONE && policy_yaml_find(root, "operations") == NULL) {
        return policy_fail(reader, root, "operations",
                           "is missing: write operations: with at least one operation");
    }
    return err;
}

/* "leave-ca-a" of "scenarios/leave-ca-a.yaml". */
static const char *stem_of(struct arena *arena, const char *file) {
    const char *slash = strrchr(file, '/');
    const char *stem = slash != NULL ? slash + 1 : file;
    const char *dot = strrchr(stem, '.');
    size_t len = dot != NULL && dot != stem ? (size_t)(dot - stem) : strlen(stem);
    return arena_copy_text(arena, span_of(stem, len));
}

enum err scenario_parse(struct scenario *scenario, struct span yaml, const char *name,
                        struct err_note *note) {
    struct arena scratch = {0};
    struct policy_reader reader = {.file = arena_copy_text(&scenario->arena, span_str(name)),
                                   .arena = &scenario->arena,
                                   .scratch = &scratch,
                                   .note = note};
    struct document document = {.scenario = scenario, .name = ""};
    struct policy_node *root = NULL;
    enum err err = yaml.len > SCENARIO_BYTES_MAX
                       ? err_note(note, ERR_CONFIG, "%s: longer than %u bytes: this is no scenario",
                                  name, SCENARIO_BYTES_MAX)
                       : policy_yaml_read(yaml, name, &scratch, &root, note);
    if (err == ERR_NONE) {
        err = read_root(&reader, root, &document);
    } else if (note != NULL && strstr(note->text, "the policy is empty") != NULL) {
        err = err_note(note, err,
                       "%s:1:1: yaml: the scenario is empty: begin with \"version: 1\" and "
                       "\"operations:\"",
                       name);
    }
    if (err == ERR_NONE && scenario->name[0] == '\0') {
        scenario->name = document.name[0] != '\0' ? document.name : stem_of(&scenario->arena, name);
    }
    arena_fini(&scratch);
    return err;
}

enum err scenario_load(struct scenario *scenario, const char *file, struct err_note *note) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    enum err err = policy_read_file(file, &bytes, &len, note);
    if (err == ERR_NONE) {
        err = scenario_parse(scenario, span_of(bytes, len), file, note);
        free(bytes);
    }
    return err;
}

enum err scenario_add(struct scenario *scenario, const char *text, struct err_note *note) {
    if (strlen(text) > SCENARIO_BYTES_MAX) {
        return err_note(note, ERR_CONFIG, "--op: longer than %u bytes", SCENARIO_BYTES_MAX);
    }
    struct arena scratch = {0};
    struct policy_reader reader = {
        .file = "--op", .arena = &scenario->arena, .scratch = &scratch, .note = note};
    /* "distrust={...}" becomes "distrust: {...}". */
    size_t word = strcspn(text, "=:"), size = strlen(text) + 3;
    char *yaml = arena_alloc(&scratch, size);
    snprintf(yaml, size, "%.*s: %s", (int)word, text, text[word] != '\0' ? text + word + 1 : "");
    struct policy_node *root = NULL;
    enum err err = policy_yaml_read(span_str(yaml), "--op", &scratch, &root, note);
    if (err == ERR_NONE) {
        err = append(&reader, scenario, root);
    }
    arena_fini(&scratch);
    return err;
}

/* --- hosts --- */

bool scenario_host_matches(const struct pin_host *pattern, struct span host, uint16_t port) {
    if (pattern->port != 0 && pattern->port != port) {
        return false;
    }
    struct span name = span_str(pattern->name);
    if (host.len == name.len || pattern->pattern == PIN_PATTERN_NAME) {
        return span_equal(host, name) && pattern->pattern != PIN_PATTERN_ONE_LABEL;
    }
    if (host.len <= name.len + 1) {
        return false;
    }
    size_t head = host.len - name.len - 1;
    return host.data[head] == '.' && memcmp(host.data + head + 1, name.data, name.len) == 0 &&
           (pattern->pattern == PIN_PATTERN_ANY_DEPTH ||
            span_find(span_of(host.data, head), '.') == head);
}
