#include "engine/policy/policy_field.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/codec/datetime.h"
#include "engine/codec/text.h"

#define DAYS_MAX 36500 /* a century: longer is a slip of the keyboard */

enum err policy_fail(struct policy_reader *reader, const struct policy_node *node, const char *key,
                     const char *format, ...) {
    char what[ERR_NOTE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return err_note(reader->note, ERR_CONFIG, "%s:%u:%u: %s: %s", reader->file, node->line,
                    node->column, key, what);
}

/* --- suggestions --- */

#define SUGGEST_LEN_MAX 32

/* Edits (insert, delete, change, swap of neighbours) from a to b; 99 for words too long to be keys.
 */
static size_t edit_distance(const char *a, const char *b) {
    size_t a_len = strlen(a), b_len = strlen(b);
    size_t row[3][SUGGEST_LEN_MAX + 1];
    if (a_len > SUGGEST_LEN_MAX || b_len > SUGGEST_LEN_MAX) {
        return 99;
    }
    for (size_t j = 0; j <= b_len; j++) {
        row[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);
            best = up[j] + 1 < best ? up[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                up2[j - 2] + 1 < best) {
                best = up2[j - 2] + 1;
            }
            now[j] = best;
        }
    }
    return row[a_len % 3][b_len];
}

void policy_suggest(char out[80], const char *word, const char *const *words) {
    size_t nearest = 3;
    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL; i++) {
        size_t distance = edit_distance(word, words[i]);
        if (distance < nearest && distance < strlen(words[i])) {
            nearest = distance;
            snprintf(out, 80, " did you mean \"%s\"?", words[i]);
        }
    }
}

static void list_words(char out[300], const char *const *words) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL && len < 280; i++) {
        len += (size_t)snprintf(out + len, 300 - len, "%s%s", i > 0 ? ", " : "", words[i]);
    }
}

/* --- single values --- */

static const char *kind_text(const struct policy_node *node) {
    return node->kind == POLICY_LIST ? "a list" : "a mapping";
}

/* Plain scalars that YAML reads as "nothing". */
static bool is_null(const struct policy_node *node) {
    return node->plain && (node->text.len == 0 || span_equal_str(node->text, "~") ||
                           span_equal_str(node->text, "null"));
}

static enum err check_scalar(struct policy_reader *reader, const char *key,
                             const struct policy_node *node, const char *wanted) {
    if (node->kind != POLICY_SCALAR) {
        return policy_fail(reader, node, key, "wants %s, not %s", wanted, kind_text(node));
    }
    if (is_null(node)) {
        return policy_fail(reader, node, key, "has no value: write %s, or leave the key out",
                           wanted);
    }
    return ERR_NONE;
}

enum err policy_read_text(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, const char **out) {
    enum err err = check_scalar(reader, key, node, "a text");
    if (err == ERR_NONE) {
        *out = arena_copy_text(reader->arena, node->text);
    }
    return err;
}

enum err policy_read_word(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, const char *const *words, int *out) {
    enum err err = check_scalar(reader, key, node, "a word");
    if (err != ERR_NONE) {
        return err;
    }
    for (int i = 0; words[i] != NULL; i++) {
        if (span_equal_str(node->text, words[i])) {
            *out = i;
            return ERR_NONE;
        }
    }
    char suggestion[80], allowed[300];
    policy_suggest(suggestion, (const char *)node->text.data, words);
    list_words(allowed, words);
    return policy_fail(reader, node, key, "unknown value \"%.100s\",%s allowed: %s",
                       (const char *)node->text.data, suggestion, allowed);
}

static enum err read_bool(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, bool *out) {
    enum err err = check_scalar(reader, key, node, "true or false");
    if (err != ERR_NONE) {
        return err;
    }
    bool is_true = span_equal_str(node->text, "true");
    if (!node->plain || (!is_true && !span_equal_str(node->text, "false"))) {
        return policy_fail(reader, node, key,
                           "\"%.100s\" is neither true nor false: write one of them, "
                           "without quotes",
                           (const char *)node->text.data);
    }
    *out = is_true;
    return ERR_NONE;
}

static enum err read_date(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, int64_t *out) {
    enum err err = check_scalar(reader, key, node, "a date");
    if (err == ERR_NONE && !datetime_parse(node->text, out)) {
        return policy_fail(reader, node, key,
                           "\"%.100s\" is no date: write 2027-06-01 or 2027-06-01T12:00:00Z",
                           (const char *)node->text.data);
    }
    return err;
}

static enum err read_days(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, int32_t *out) {
    uint64_t days = 0;
    enum err err = check_scalar(reader, key, node, "a number of days");
    if (err == ERR_NONE && !text_parse_u64(node->text, DAYS_MAX, &days)) {
        return policy_fail(reader, node, key, "\"%.100s\" is no number of days from 0 to %d",
                           (const char *)node->text.data, DAYS_MAX);
    }
    if (err == ERR_NONE) {
        *out = (int32_t)days;
    }
    return err;
}

/* --- mappings and lists --- */

static enum err read_field(struct policy_reader *reader, const struct policy_field *field,
                           const struct policy_node *node, void *object) {
    uint8_t *at = (uint8_t *)object + field->offset;
    enum err err = ERR_NONE;
    int word = 0;
    switch (field->kind) {
    case POLICY_FIELD_TEXT:
        return policy_read_text(reader, field->key, node, (const char **)(void *)at);
    case POLICY_FIELD_BOOL:
        return read_bool(reader, field->key, node, (bool *)at);
    case POLICY_FIELD_DATE:
        return read_date(reader, field->key, node, (int64_t *)(void *)at);
    case POLICY_FIELD_DAYS:
        return read_days(reader, field->key, node, (int32_t *)(void *)at);
    case POLICY_FIELD_WORD:
        err = policy_read_word(reader, field->key, node, field->words, &word);
        if (err == ERR_NONE) {
            memcpy(at, &word, sizeof word);
        }
        return err;
    case POLICY_FIELD_CUSTOM:
        return field->read(reader, field->key, node, object);
    }
    return err;
}

#define FIELDS_MAX 40

static enum err fail_unknown(struct policy_reader *reader, const struct policy_node *key,
                             const char *what, const struct policy_field *fields,
                             size_t field_count) {
    const char *words[FIELDS_MAX + 1] = {0};
    CHECK(field_count <= FIELDS_MAX);
    for (size_t i = 0; i < field_count; i++) {
        words[i] = fields[i].key;
    }
    char suggestion[80], allowed[300];
    policy_suggest(suggestion, (const char *)key->text.data, words);
    list_words(allowed, words);
    char name[64];
    snprintf(name, sizeof name, "%.60s", (const char *)key->text.data);
    return policy_fail(reader, key, name, "unknown key in %s,%s %s%s", what, suggestion,
                       suggestion[0] != '\0' ? "" : "allowed: ",
                       suggestion[0] != '\0' ? "correct it or take it out" : allowed);
}

enum err policy_read_map(struct policy_reader *reader, const char *key,
                         const struct policy_node *map, const char *what,
                         const struct policy_field *fields, size_t field_count, void *object) {
    if (map->kind != POLICY_MAP) {
        return policy_fail(reader, map, key, "%s is a mapping of keys (key: value)", what);
    }
    for (uint32_t i = 0; i < map->count; i += 2) {
        const struct policy_field *field = NULL;
        for (size_t f = 0; f < field_count && field == NULL; f++) {
            field = span_equal_str(map->items[i]->text, fields[f].key) ? &fields[f] : NULL;
        }
        if (field == NULL) {
            return fail_unknown(reader, map->items[i], what, fields, field_count);
        }
        enum err err = read_field(reader, field, map->items[i + 1], object);
        if (err != ERR_NONE) {
            return err;
        }
    }
    return ERR_NONE;
}

enum err policy_check_list(struct policy_reader *reader, const char *key,
                           const struct policy_node *node, const char *example) {
    if (node->kind != POLICY_LIST) {
        return policy_fail(reader, node, key, "wants a list: write %s", example);
    }
    if (node->count == 0) {
        return policy_fail(reader, node, key, "the list is empty: write %s", example);
    }
    return ERR_NONE;
}
