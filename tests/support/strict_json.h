/* A strict reader of RFC 8259 JSON, written only to judge our writer: no leniency whatever, UTF-8
   included (cJSON accepts raw control characters and broken UTF-8 in strings). Recursive, up to 64
   deep. */
#ifndef PINSWEEP_TESTS_STRICT_JSON_H
#define PINSWEEP_TESTS_STRICT_JSON_H

#include "engine/base/span.h"
#include "engine/codec/text.h"

static inline bool strict_json_value(struct span *from, int depth);

static inline bool strict_json_byte(struct span *from, char wanted) {
    if (from->len == 0 || from->data[0] != (uint8_t)wanted) {
        return false;
    }
    span_take(from, 1);
    return true;
}

static inline bool strict_json_digits(struct span *from) {
    size_t count = 0;
    while (from->len > 0 && from->data[0] >= '0' && from->data[0] <= '9') {
        span_take(from, 1);
        count++;
    }
    return count > 0;
}

static inline bool strict_json_number(struct span *from) {
    strict_json_byte(from, '-');
    if (!strict_json_byte(from, '0') && !strict_json_digits(from)) {
        return false;
    }
    if (strict_json_byte(from, '.') && !strict_json_digits(from)) {
        return false;
    }
    if (strict_json_byte(from, 'e') || strict_json_byte(from, 'E')) {
        if (!strict_json_byte(from, '+')) {
            strict_json_byte(from, '-');
        }
        return strict_json_digits(from);
    }
    return true;
}

static inline bool strict_json_string(struct span *from) {
    if (!strict_json_byte(from, '"')) {
        return false;
    }
    while (from->len > 0) {
        uint8_t c = span_take(from, 1).data[0];
        if (c == '"') {
            return true;
        }
        if (c < 0x20) {
            return false;
        }
        if (c != '\\') {
            continue;
        }
        uint8_t letter = from->len > 0 ? span_take(from, 1).data[0] : 0;
        uint8_t unit[2];
        size_t unit_len = 0;
        if (letter == 'u') {
            /* Our writer never needs a surrogate pair: any is a fault. */
            if (from->len < 4 || !hex_decode(span_take(from, 4), unit, 2, &unit_len) ||
                (unit[0] & 0xF8) == 0xD8) {
                return false;
            }
        } else if (letter == 0 || strchr("\"\\/bfnrt", letter) == NULL) {
            return false;
        }
    }
    return false;
}

static inline bool strict_json_members(struct span *from, char close, int depth) {
    if (strict_json_byte(from, close)) {
        return true;
    }
    do {
        if (close == '}' && (!strict_json_string(from) || !strict_json_byte(from, ':'))) {
            return false;
        }
        if (!strict_json_value(from, depth - 1)) {
            return false;
        }
    } while (strict_json_byte(from, ','));
    return strict_json_byte(from, close);
}

static inline bool strict_json_word(struct span *from, const char *word) {
    return span_equal_str(span_take(from, strlen(word)), word);
}

static inline bool strict_json_value(struct span *from, int depth) {
    if (from->len == 0 || depth == 0) {
        return false;
    }
    switch (from->data[0]) {
    case '{':
        span_take(from, 1);
        return strict_json_members(from, '}', depth);
    case '[':
        span_take(from, 1);
        return strict_json_members(from, ']', depth);
    case '"':
        return strict_json_string(from);
    case 't':
        return strict_json_word(from, "true");
    case 'f':
        return strict_json_word(from, "false");
    case 'n':
        return strict_json_word(from, "null");
    default:
        return strict_json_number(from);
    }
}

/* One value without any white space, then one newline, all of it well-formed UTF-8. */
static inline bool strict_json_line(struct span line) {
    struct span rest = line;
    return text_is_utf8(line) && strict_json_value(&rest, 64) && span_equal_str(rest, "\n");
}

#endif
