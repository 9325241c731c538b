#include "engine/policy/import_json.h"

#include <stdlib.h>

#include "engine/codec/text.h"

/* The text once over: comments become blanks, so that lines stay, and the line of every value is
   taken down in the order in which cJSON's tree has them. What is no JSON is for cJSON to say. */
struct scan {
    struct import *import;
    struct span text;
    size_t at;
    uint32_t line;
    uint8_t *plain; /* the text without comments */
    uint32_t *lines;
    uint32_t count, capacity;
    uint32_t depth;
    bool in_object[POLICY_DEPTH_MAX];
    bool wants_key;
};

static enum err fail(const struct scan *scan, const char *why) {
    return import_fail(scan->import, scan->line, NULL, "JSON: %s", why);
}

static bool is_at(const struct scan *scan, const char *two) {
    return scan->text.len - scan->at >= 2 && memcmp(scan->text.data + scan->at, two, 2) == 0;
}

static enum err skip_line_comment(struct scan *scan) {
    struct span rest = span_of(scan->text.data + scan->at, scan->text.len - scan->at);
    size_t len = span_find(rest, '\n');
    memset(scan->plain + scan->at, ' ', len);
    scan->at += len;
    return ERR_NONE;
}

static enum err skip_block_comment(struct scan *scan) {
    uint32_t first_line = scan->line;
    for (size_t start = scan->at; scan->at < scan->text.len; scan->at++) {
        bool ends = scan->at >= start + 2 && is_at(scan, "*/");
        scan->line += scan->text.data[scan->at] == '\n';
        if (scan->text.data[scan->at] != '\n') {
            scan->plain[scan->at] = ' ';
        }
        if (ends) {
            scan->plain[scan->at + 1] = ' ';
            scan->at += 2;
            return ERR_NONE;
        }
    }
    scan->line = first_line;
    return fail(scan, "a comment that is not closed: add */");
}

static enum err skip_string(struct scan *scan) {
    for (scan->at++; scan->at < scan->text.len; scan->at++) {
        uint8_t byte = scan->text.data[scan->at];
        if (byte == '"') {
            scan->at++;
            return ERR_NONE;
        }
        if (byte < 0x20) {
            return fail(scan, "a control character in a string, or its closing quote is missing");
        }
        if (byte == '\\') {
            if (scan->text.len - scan->at >= 6 &&
                memcmp(scan->text.data + scan->at, "\\u0000", 6) == 0) {
                return fail(scan, "a NUL in a string: take it out");
            }
            scan->at++;
        }
    }
    return fail(scan, "a string that is not closed: add \"");
}

static enum err take_value(struct scan *scan) {
    if (scan->count == IMPORT_JSON_VALUES_MAX) {
        return fail(scan, "more values than any list of pins: split the file");
    }
    if (scan->count == scan->capacity) {
        uint32_t capacity = scan->capacity > 0 ? 2 * scan->capacity : 1024;
        uint32_t *lines = realloc(scan->lines, capacity * sizeof *lines);
        CHECK(lines != NULL);
        scan->lines = lines;
        scan->capacity = capacity;
    }
    scan->lines[scan->count++] = scan->line;
    return ERR_NONE;
}

static enum err open_container(struct scan *scan, bool is_object) {
    if (scan->depth == POLICY_DEPTH_MAX) {
        return fail(scan, "nested deeper than 32 levels: a list of pins needs four");
    }
    scan->in_object[scan->depth++] = scan->wants_key = is_object;
    scan->at++;
    return take_value(scan);
}

static bool ends_word(uint8_t byte) {
    return byte <= ' ' || strchr("{}[],:\"/", byte) != NULL;
}

/* Numbers, true, false, null, and what is none of them. */
static enum err skip_word(struct scan *scan) {
    do {
        scan->at++;
    } while (scan->at < scan->text.len && !ends_word(scan->text.data[scan->at]));
    return take_value(scan);
}

static enum err scan_token(struct scan *scan) {
    uint8_t byte = scan->text.data[scan->at];
    enum err err = ERR_NONE;
    switch (byte) {
    case '"':
        err = scan->wants_key ? ERR_NONE : take_value(scan);
        return err == ERR_NONE ? skip_string(scan) : err;
    case '{':
    case '[':
        return open_container(scan, byte == '{');
    case '}':
    case ']':
        scan->depth -= scan->depth > 0;
        break;
    case ':':
        scan->wants_key = false;
        break;
    case ',':
        scan->wants_key = scan->depth > 0 && scan->in_object[scan->depth - 1];
        break;
    default:
        if (byte > ' ') {
            return skip_word(scan);
        }
        scan->line += byte == '\n';
    }
    scan->at++;
    return ERR_NONE;
}

static enum err scan_text(struct scan *scan) {
    enum err err = ERR_NONE;
    while (err == ERR_NONE && scan->at < scan->text.len) { /* ends: every turn takes a byte */
        err = is_at(scan, "//")   ? skip_line_comment(scan)
              : is_at(scan, "/*") ? skip_block_comment(scan)
                                  : scan_token(scan);
    }
    return err;
}

static uint32_t line_at(struct span text, const char *end) {
    uint32_t line = 1;
    for (const uint8_t *at = text.data; at < (const uint8_t *)end && at < text.data + text.len;
         at++) {
        line += *at == '\n';
    }
    return line;
}

/* In document order; no deeper than POLICY_DEPTH_MAX. */
static void number_items(cJSON *item, const struct scan *scan, uint32_t *next) {
    for (; item != NULL; item = item->next) {
        CHECK(*next < scan->count);
        item->valueint = (int)scan->lines[(*next)++];
        number_items(item->child, scan, next);
    }
}

static enum err parse(struct scan *scan, cJSON **out) {
    struct span plain = span_of(scan->plain, scan->text.len);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts((const char *)plain.data, plain.len, &end, 0);
    scan->line = line_at(plain, end != NULL ? end : (const char *)plain.data);
    if (root == NULL) {
        return fail(scan, "not JSON from here on: look for a comma, quote or bracket that is "
                          "missing or too many");
    }
    struct span rest = span_of(end, (size_t)((const char *)plain.data + plain.len - end));
    if (span_trim(rest).len > 0) {
        cJSON_Delete(root);
        return fail(scan, "text after the end of the document: take it out");
    }
    uint32_t next = 0;
    number_items(root, scan, &next);
    *out = root;
    return ERR_NONE;
}

enum err import_json_read(struct import *import, struct span text, cJSON **out) {
    struct scan scan = {.import = import, .text = text, .line = 1};
    if (text.len >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0) {
        span_take(&scan.text, 3);
    }
    if (!text_is_utf8(scan.text)) {
        return fail(&scan, "the file is not UTF-8: save it as UTF-8");
    }
    scan.plain = malloc(scan.text.len + 1);
    CHECK(scan.plain != NULL);
    if (scan.text.len > 0) {
        memcpy(scan.plain, scan.text.data, scan.text.len);
    }
    enum err err = scan_text(&scan);
    if (err == ERR_NONE) {
        err = parse(&scan, out);
    }
    free(scan.plain);
    free(scan.lines);
    return err;
}

enum err import_json_member(struct import *import, const cJSON *object, const char *key,
                            const cJSON **out) {
    const cJSON *found = NULL;
    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        if (strcmp(member->string, key) != 0) {
            continue;
        }
        if (found != NULL) {
            return import_fail(import, import_json_line(member), NULL,
                               "\"%s\" is already there, at line %u: keep one of them", key,
                               import_json_line(found));
        }
        found = member;
    }
    *out = found;
    return ERR_NONE;
}
