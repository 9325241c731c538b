#include "engine/policy/policy_yaml.h"

#include <inttypes.h>
#include <stdlib.h>
#include <yaml.h>

#include "engine/base/limits.h"
#include "engine/codec/text.h"

struct reader {
    yaml_parser_t parser;
    struct span yaml;
    const char *name;
    struct arena *arena;
    struct policy_yaml_stream *stream; /* NULL: none, or no longer */
    bool streams;                      /* there is or was one */
    uint32_t nodes;                    /* of the tree at hand */
    struct err_note *note;
};

#define QUOTE_HINT "a host pattern is quoted: \"*.bank.example\""

static enum err fail_at(const struct reader *reader, yaml_mark_t mark, const char *what) {
    return err_note(reader->note, ERR_CONFIG, "%s:%zu:%zu: yaml: %s", reader->name, mark.line + 1,
                    mark.column + 1, what);
}

/* Where a byte stands; all of it before that byte is UTF-8. */
static void place_of(struct span yaml, size_t offset, uint32_t *out_line, uint32_t *out_column) {
    *out_line = *out_column = 1;
    for (size_t i = 0; i < offset && i < yaml.len; i++) {
        if (yaml.data[i] == '\n') {
            (*out_line)++;
            *out_column = 1;
        } else {
            *out_column += (yaml.data[i] & 0xc0) != 0x80;
        }
    }
}

/* libyaml's reader stands ahead of the parser: it knows only the byte. */
static enum err fail_of_reader(const struct reader *reader) {
    uint32_t line = 0, column = 0;
    place_of(reader->yaml, reader->parser.problem_offset, &line, &column);
    return err_note(reader->note, ERR_CONFIG, "%s:%u:%u: yaml: %s: take it out", reader->name, line,
                    column, reader->parser.problem);
}

static enum err fail_of_parser(const struct reader *reader) {
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR) {
        return err_note(reader->note, ERR_RESOURCE, "%s: out of memory", reader->name);
    }
    if (parser->error == YAML_READER_ERROR) {
        return fail_of_reader(reader);
    }
    yaml_mark_t mark = parser->problem_mark;
    const char *context = parser->context != NULL ? parser->context : "";
    char what[300];
    if (strcmp(context, "while scanning an alias") == 0) {
        snprintf(what, sizeof what,
                 "'*' begins an alias here, which has no place in a policy: " QUOTE_HINT);
    } else if (context[0] != '\0') {
        snprintf(what, sizeof what, "%s %s that began at line %zu: check indentation and quotes",
                 parser->problem, context, parser->context_mark.line + 1);
    } else {
        snprintf(what, sizeof what, "%s: check indentation and quotes",
                 parser->problem != NULL ? parser->problem : "cannot be read");
    }
    return fail_at(reader, mark, what);
}

/* The next event; to be deleted by the caller. */
static enum err next_event(struct reader *reader, yaml_event_t *out) {
    return yaml_parser_parse(&reader->parser, out) ? ERR_NONE : fail_of_parser(reader);
}

static struct policy_node *new_node(struct reader *reader, enum policy_node_kind kind,
                                    const yaml_event_t *event) {
    struct policy_node *node = arena_alloc(reader->arena, sizeof *node);
    reader->nodes++;
    node->kind = kind;
    node->line = (uint32_t)event->start_mark.line + 1;
    node->column = (uint32_t)event->start_mark.column + 1;
    return node;
}

static void add_item(const struct reader *reader, struct policy_node *node,
                     struct policy_node *item) {
    /* Powers of two: the array is full exactly when the count is one. */
    if ((node->count & (node->count - 1)) == 0) {
        uint32_t capacity = node->count == 0 ? 1 : node->count * 2;
        struct policy_node **items = arena_alloc(reader->arena, capacity * sizeof(*items));
        if (node->count > 0) {
            memcpy(items, node->items, node->count * sizeof(*items));
        }
        node->items = items;
    }
    node->items[node->count++] = item;
}

static int compare_keys(const void *a, const void *b) {
    const struct policy_node *left = *(struct policy_node *const *)a;
    const struct policy_node *right = *(struct policy_node *const *)b;
    int order = strcmp((const char *)left->text.data, (const char *)right->text.data);
    return order != 0                  ? order
           : left->line != right->line ? (left->line < right->line ? -1 : 1)
                                       : (left->column < right->column ? -1 : 1);
}

static enum err fail_of_keys(const struct reader *reader, const struct policy_node *first,
                             const struct policy_node *again) {
    return err_note(reader->note, ERR_CONFIG,
                    "%s:%u:%u: %s: the key is already at line %u, keep one of them", reader->name,
                    again->line, again->column, (const char *)again->text.data, first->line);
}

#define KEYS_COMPARED_MAX 12 /* more keys are sorted instead */

static enum err check_keys(const struct reader *reader, const struct policy_node *map) {
    uint32_t count = map->count / 2;
    if (count <= KEYS_COMPARED_MAX) {
        for (uint32_t i = 2; i < map->count; i += 2) {
            for (uint32_t j = 0; j < i; j += 2) {
                if (span_equal(map->items[j]->text, map->items[i]->text)) {
                    return fail_of_keys(reader, map->items[j], map->items[i]);
                }
            }
        }
        return ERR_NONE;
    }
    struct policy_node **keys = arena_alloc(reader->arena, count * sizeof(*keys));
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = map->items[2 * (size_t)i];
    }
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (uint32_t i = 1; i < count; i++) {
        if (span_equal(keys[i - 1]->text, keys[i]->text)) {
            return fail_of_keys(reader, keys[i - 1], keys[i]);
        }
    }
    return ERR_NONE;
}

static enum err read_scalar(struct reader *reader, const yaml_event_t *event,
                            struct policy_node **out) {
    struct policy_node *node = new_node(reader, POLICY_SCALAR, event);
    struct span text = span_of(event->data.scalar.value, event->data.scalar.length);
    if (span_find(text, '\0') < text.len) {
        return fail_at(reader, event->start_mark, "a NUL character inside a text: take it out");
    }
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = arena_copy(reader->arena, text);
    *out = node;
    return ERR_NONE;
}

/* What stands in front of a node and is refused: &anchor, !tag. */
static enum err check_properties(const struct reader *reader, const yaml_event_t *event,
                                 const yaml_char_t *anchor, const yaml_char_t *tag) {
    if (anchor != NULL) {
        return fail_at(reader, event->start_mark,
                       "anchors (&name) have no place in a policy: write the value out");
    }
    if (tag != NULL) {
        return fail_at(reader, event->start_mark,
                       "tags (!name) have no place in a policy: leave the tag out");
    }
    return ERR_NONE;
}

static enum err read_node(struct reader *reader, const yaml_event_t *event, uint32_t depth,
                          struct policy_node **out);

/* --- lists item by item --- */

/* Whether the value that begins with this event is the root's list to be streamed. */
static enum err wants_stream(struct reader *reader, const struct policy_node *map,
                             const yaml_event_t *event, uint32_t depth, bool *out) {
    struct policy_yaml_stream *stream = reader->stream;
    *out = false;
    if (stream == NULL || depth != 1 || map->kind != POLICY_MAP || map->count % 2 == 0 ||
        event->type != YAML_SEQUENCE_START_EVENT ||
        !span_equal_str(map->items[map->count - 1]->text, stream->key)) {
        return ERR_NONE;
    }
    return stream->begin(stream->context, map, out);
}

/* One item into the stream's arena, and over to whoever takes them. */
static enum err stream_item(struct reader *reader, const yaml_event_t *event, uint32_t depth) {
    struct policy_yaml_stream *stream = reader->stream;
    struct policy_node *item = NULL;
    struct arena *outer = reader->arena;
    uint32_t nodes = reader->nodes;
    reader->arena = &stream->items;
    reader->stream = NULL;
    reader->nodes = 0;
    enum err err = read_node(reader, event, depth, &item);
    reader->arena = outer;
    reader->stream = stream;
    reader->nodes = nodes;
    if (err == ERR_NONE) {
        err = stream->each(stream->context, item);
    }
    arena_reset(&stream->items);
    return err;
}

static enum err stream_list(struct reader *reader, const yaml_event_t *start, uint32_t depth,
                            struct policy_node **out) {
    enum err err = check_properties(reader, start, start->data.sequence_start.anchor,
                                    start->data.sequence_start.tag);
    *out = new_node(reader, POLICY_LIST, start);
    while (err == ERR_NONE) { /* ends with the file, whose size is bounded */
        yaml_event_t event;
        err = next_event(reader, &event);
        if (err != ERR_NONE) {
            return err;
        }
        bool is_end = event.type == YAML_SEQUENCE_END_EVENT;
        if (!is_end) {
            err = stream_item(reader, &event, depth + 1);
            (*out)->count++;
        }
        yaml_event_delete(&event);
        if (is_end) {
            return ERR_NONE;
        }
    }
    return err;
}

/* --- the tree --- */

static enum err read_items(struct reader *reader, struct policy_node *node, yaml_event_type_t end,
                           uint32_t depth) {
    for (;;) { /* ends with the file, whose size is bounded */
        yaml_event_t event;
        enum err err = next_event(reader, &event);
        if (err != ERR_NONE) {
            return err;
        }
        bool is_end = event.type == end;
        bool streams = false;
        struct policy_node *item = NULL;
        if (!is_end) {
            err = wants_stream(reader, node, &event, depth, &streams);
        }
        if (!is_end && err == ERR_NONE) {
            err = streams ? stream_list(reader, &event, depth, &item)
                          : read_node(reader, &event, depth, &item);
        }
        if (err == ERR_NONE && !is_end && node->kind == POLICY_MAP && node->count % 2 == 0 &&
            item->kind != POLICY_SCALAR) {
            err = fail_at(reader, event.start_mark,
                          "a key must be a plain word, not a list or a "
                          "mapping");
        }
        yaml_event_delete(&event);
        if (err != ERR_NONE) {
            return err;
        }
        if (is_end) {
            return node->kind == POLICY_MAP ? check_keys(reader, node) : ERR_NONE;
        }
        add_item(reader, node, item);
    }
}

static enum err read_node(struct reader *reader, const yaml_event_t *event, uint32_t depth,
                          struct policy_node **out) {
    enum err err = ERR_NONE;
    if (depth >= POLICY_DEPTH_MAX) {
        char what[80];
        snprintf(what, sizeof what, "nested deeper than %d levels: a policy needs six",
                 POLICY_DEPTH_MAX);
        return fail_at(reader, event->start_mark, what);
    }
    if (reader->nodes >= POLICY_NODES_MAX) {
        return fail_at(reader, event->start_mark,
                       reader->streams ? "more keys and values than can be held at once: split the "
                                         "policy (with version: before pin_sets: the pin sets are "
                                         "read one by one)"
                                       : "more keys and values than can be held at once: split the "
                                         "file");
    }
    if (event->type == YAML_ALIAS_EVENT) {
        return fail_at(reader, event->start_mark,
                       "aliases (*name) have no place in a policy: "
                       "write the value out; " QUOTE_HINT);
    }
    if (event->type == YAML_SCALAR_EVENT) {
        err = check_properties(reader, event, event->data.scalar.anchor, event->data.scalar.tag);
        return err != ERR_NONE ? err : read_scalar(reader, event, out);
    }
    bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
    CHECK(is_list || event->type == YAML_MAPPING_START_EVENT);
    err = is_list ? check_properties(reader, event, event->data.sequence_start.anchor,
                                     event->data.sequence_start.tag)
                  : check_properties(reader, event, event->data.mapping_start.anchor,
                                     event->data.mapping_start.tag);
    if (err != ERR_NONE) {
        return err;
    }
    *out = new_node(reader, is_list ? POLICY_LIST : POLICY_MAP, event);
    return read_items(reader, *out, is_list ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT,
                      depth + 1);
}

static enum err fail_empty(const struct reader *reader) {
    return err_note(
        reader->note, ERR_CONFIG,
        "%s:1:1: yaml: the policy is empty: begin with \"version: 1\" and \"pin_sets:\"",
        reader->name);
}

/* From the start of the stream to its end. */
static enum err read_stream(struct reader *reader, struct policy_node **out) {
    struct policy_node *root = NULL;
    for (;;) { /* ends with the file */
        yaml_event_t event;
        enum err err = next_event(reader, &event);
        if (err != ERR_NONE) {
            return err;
        }
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && root != NULL) {
            err = fail_at(reader, event.start_mark,
                          "a second document (---): give each policy its own file");
        } else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
                   type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT) {
            err = read_node(reader, &event, 0, &root);
        }
        yaml_event_delete(&event);
        if (err != ERR_NONE) {
            return err;
        }
        if (type == YAML_STREAM_END_EVENT) {
            break;
        }
    }
    if (root == NULL || (root->kind == POLICY_SCALAR && root->text.len == 0)) {
        return fail_empty(reader);
    }
    *out = root;
    return ERR_NONE;
}

static enum err fail_utf8(struct span yaml, const char *name, struct err_note *note) {
    struct span rest = yaml;
    for (size_t len = 1; len <= 4 && len <= rest.len;) { /* one character a round */
        if (!text_is_utf8(span_of(rest.data, len))) {
            len++;
            continue;
        }
        span_take(&rest, len);
        len = 1;
    }
    uint32_t line = 0, column = 0;
    place_of(yaml, yaml.len - rest.len, &line, &column);
    return err_note(note, ERR_CONFIG, "%s:%u:%u: yaml: not UTF-8: save the policy as UTF-8", name,
                    line, column);
}

enum err policy_yaml_read(struct span yaml, const char *name, struct arena *arena,
                          struct policy_node **out, struct err_note *note) {
    return policy_yaml_read_stream(yaml, name, arena, NULL, out, note);
}

enum err policy_yaml_read_stream(struct span yaml, const char *name, struct arena *arena,
                                 struct policy_yaml_stream *stream, struct policy_node **out,
                                 struct err_note *note) {
    if (yaml.len > POLICY_BYTES_MAX) {
        return err_note(note, ERR_CONFIG, "%s:1: larger than %zu bytes: split the policy", name,
                        POLICY_BYTES_MAX);
    }
    if (!text_is_utf8(yaml)) {
        return fail_utf8(yaml, name, note);
    }
    if (yaml.len >= 3 && memcmp(yaml.data, "\xef\xbb\xbf", 3) == 0) {
        span_take(&yaml, 3);
    }
    struct reader reader = {.yaml = yaml,
                            .name = name,
                            .arena = arena,
                            .stream = stream,
                            .streams = stream != NULL,
                            .note = note};
    if (!yaml_parser_initialize(&reader.parser)) {
        return err_note(note, ERR_RESOURCE, "%s: out of memory", name);
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, yaml.data, yaml.len);
    enum err err = read_stream(&reader, out);
    yaml_parser_delete(&reader.parser);
    return err;
}

const struct policy_node *policy_yaml_find(const struct policy_node *map, const char *key) {
    for (uint32_t i = 0; map->kind == POLICY_MAP && i + 1 < map->count; i += 2) {
        if (span_equal_str(map->items[i]->text, key)) {
            return map->items[i + 1];
        }
    }
    return NULL;
}

/* --- writing --- */

struct writer {
    char *out; /* NULL: only measure */
    size_t len;
};

static void put(struct writer *writer, const char *text, size_t len) {
    if (writer->out != NULL) {
        memcpy(writer->out + writer->len, text, len);
    }
    writer->len += len;
}

/* Characters that mean the same inside and outside of flow lists and mappings. */
static bool is_safe_plain(struct span text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && c != '_' && c != '.' && (i == 0 || (c != '-' && c != '+' && c != '/'))) {
            return false;
        }
    }
    return text.len > 0;
}

static void put_quoted(struct writer *writer, struct span text) {
    put(writer, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\') {
            put(writer, "\\", 1);
            put(writer, (const char *)&text.data[i], 1);
        } else if (c < 0x20 || c == 0x7f) {
            char escape[8];
            int len = snprintf(escape, sizeof escape, "\\x%02x", c);
            put(writer, escape, (size_t)len);
        } else {
            put(writer, (const char *)&text.data[i], 1);
        }
    }
    put(writer, "\"", 1);
}

static void put_node(struct writer *writer, const struct policy_node *node) {
    if (node->kind == POLICY_SCALAR) {
        if (node->plain && node->text.len == 0) {
            put(writer, "null", 4);
        } else if (node->plain && (is_safe_plain(node->text))) {
            put(writer, (const char *)node->text.data, node->text.len);
        } else {
            put_quoted(writer, node->text);
        }
        return;
    }
    bool is_map = node->kind == POLICY_MAP;
    put(writer, is_map ? "{" : "[", 1);
    for (uint32_t i = 0; i < node->count; i++) {
        bool is_value = is_map && i % 2 == 1;
        put(writer, is_value ? ": " : ", ", i == 0 ? 0 : 2);
        put_node(writer, node->items[i]);
    }
    put(writer, is_map ? "}" : "]", 1);
}

const char *policy_yaml_write(const struct policy_node *node, struct arena *arena) {
    struct writer writer = {0};
    put_node(&writer, node);
    writer = (struct writer){.out = arena_alloc(arena, writer.len + 1)};
    put_node(&writer, node);
    return writer.out;
}
