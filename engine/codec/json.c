#include "engine/codec/json.h"

#include "engine/base/attributes.h"
#include "engine/codec/datetime.h"

#define ESCAPE_LEN_MAX 6 /* \u001f: the most characters that one byte becomes */

void json_init(struct json *json, char *buffer, size_t capacity) {
    *json = (struct json){.start = buffer, .at = buffer, .end = buffer + capacity};
}

size_t json_finish_line(struct json *json) {
    if (json->at < json->end) {
        *json->at++ = '\n';
    } else {
        json->overflow = true;
    }
    json->need_comma = false;
    return json->overflow ? 0 : (size_t)(json->at - json->start);
}

/* After the first refusal nothing is written any more. */
bool json_refuse(struct json *json) {
    json->overflow = true;
    json->end = json->at;
    return false;
}

static bool json_room(struct json *json, size_t len) {
    return LIKELY((size_t)(json->end - json->at) >= len) || json_refuse(json);
}

static void json_put(struct json *json, const char *text, size_t len) {
    memcpy(json->at, text, len);
    json->at += len;
}

static void json_begin(struct json *json, char bracket) {
    if (json_value(json, 1)) {
        *json->at++ = bracket;
        json->need_comma = false;
    }
}

static void json_end(struct json *json, char bracket) {
    if (json_room(json, 1)) {
        *json->at++ = bracket;
        json->need_comma = true;
    }
}

void json_object_begin(struct json *json) {
    json_begin(json, '{');
}

void json_object_end(struct json *json) {
    json_end(json, '}');
}

void json_array_begin(struct json *json) {
    json_begin(json, '[');
}

void json_array_end(struct json *json) {
    json_end(json, ']');
}

static bool is_clean(uint8_t c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* No byte of the word is a control character, a quote, a backslash or 0x80 and above: a subtraction
   leaves its sign bit in a byte that is too small, and borrows only out of such a byte. */
static ALWAYS_INLINE bool is_clean_word(uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t small = word - ones * 0x20;
    uint64_t quote = (word ^ ones * '"') - ones;
    uint64_t backslash = (word ^ ones * '\\') - ones;
    return ((word | small | quote | backslash) & ones * 0x80) == 0;
}

/* Copies a text of at least 8 bytes by words, the last one overlapping; stops before the first word
   that is not clean. */
static ALWAYS_INLINE size_t copy_clean_words(char *to, const uint8_t *from, size_t len) {
    size_t i = 0;
    uint64_t word;
    for (; len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, from + i, sizeof word);
        if (UNLIKELY(!is_clean_word(word))) {
            return i;
        }
        memcpy(to + i, &word, sizeof word);
    }
    memcpy(&word, from + len - sizeof word, sizeof word);
    if (UNLIKELY(!is_clean_word(word))) {
        return i;
    }
    memcpy(to + len - sizeof word, &word, sizeof word);
    return len;
}

/* The same for 4 to 7 bytes, as two overlapping halves: all or nothing. */
static ALWAYS_INLINE size_t copy_clean_halves(char *to, const uint8_t *from, size_t len) {
    uint32_t head, tail;
    memcpy(&head, from, sizeof head);
    memcpy(&tail, from + len - sizeof tail, sizeof tail);
    if (UNLIKELY(!is_clean_word((uint64_t)head << 32 | tail))) {
        return 0;
    }
    memcpy(to, &head, sizeof head);
    memcpy(to + len - sizeof tail, &tail, sizeof tail);
    return len;
}

/* Copies bytes that need no escape and returns how many; `to` has room for all of `len`. */
static ALWAYS_INLINE size_t copy_clean(char *to, const uint8_t *from, size_t len) {
    size_t i = len >= sizeof(uint64_t)   ? copy_clean_words(to, from, len)
               : len >= sizeof(uint32_t) ? copy_clean_halves(to, from, len)
                                         : 0;
    for (; i < len && is_clean(from[i]); i++) {
        to[i] = (char)from[i];
    }
    return i;
}

/* One character below 0x20 or of U+0080 to U+009F, quote or backslash; `to` has room for
 * ESCAPE_LEN_MAX. */
static size_t put_escape(char *to, uint8_t c) {
    static const char letters[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char letter = c < sizeof letters ? letters[c] : c < 0x80 ? (char)c : '\0';
    to[0] = '\\';
    if (letter != '\0') {
        to[1] = letter;
        return 2;
    }
    memcpy(to + 1, "u00", 3);
    hex_encode(to + 4, span_of(&c, 1));
    return ESCAPE_LEN_MAX;
}

/* The front of `text`, which is not clean, and what was taken of it. */
static size_t put_special(char *to, struct span *text) {
    if (text->data[0] < 0x80) {
        return put_escape(to, span_take(text, 1).data[0]);
    }
    bool well_formed;
    size_t len = text_utf8_step(*text, &well_formed);
    struct span sequence = span_take(text, len);
    if (!well_formed) {
        return text_utf8_encode(to, 0xFFFD);
    }
    if (len == 2 && sequence.data[0] == 0xC2 && sequence.data[1] < 0xA0) {
        return put_escape(to, sequence.data[1]); /* C1: a terminal may obey U+009B as ESC [ */
    }
    memcpy(to, sequence.data, len);
    return len;
}

/* Text that is not clean at its front; without quotes. */
static void json_put_escaped(struct json *json, struct span text) {
    struct span rest = text;
    while (rest.len > 0 && json_room(json, ESCAPE_LEN_MAX)) {
        json->at += put_special(json->at, &rest);
        size_t room = (size_t)(json->end - json->at);
        size_t copied = copy_clean(json->at, rest.data, rest.len < room ? rest.len : room);
        json->at += copied;
        span_take(&rest, copied);
    }
}

void json_string(struct json *json, struct span text) {
    if (UNLIKELY(!json_value(json, text.len + 2))) { /* enough for all but what is escaped */
        return;
    }
    char *to = json->at;
    *to++ = '"';
    size_t copied = copy_clean(to, text.data, text.len);
    to += copied;
    if (UNLIKELY(copied < text.len)) {
        json->at = to;
        json_put_escaped(json, span_of(text.data + copied, text.len - copied));
        if (!json_room(json, 1)) {
            return;
        }
        to = json->at;
    }
    *to = '"';
    json->at = to + 1;
}

void json_key_span(struct json *json, struct span name) {
    json_string(json, name);
    if (json_room(json, 1)) {
        *json->at++ = ':';
        json->need_comma = false;
    }
}

void json_u64(struct json *json, uint64_t value) {
    if (json_value(json, TEXT_U64_LEN_MAX)) {
        json->at += text_format_u64(json->at, value);
    }
}

/* The magnitude of any int64_t, INT64_MIN included. */
static uint64_t magnitude(int64_t value) {
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

void json_i64(struct json *json, int64_t value) {
    if (json_value(json, 1 + TEXT_U64_LEN_MAX)) {
        *json->at = '-';
        json->at += value < 0 ? 1 : 0;
        json->at += text_format_u64(json->at, magnitude(value));
    }
}

void json_milli(struct json *json, int64_t thousandths) {
    if (!json_value(json, 1 + TEXT_U64_LEN_MAX + 4)) {
        return;
    }
    uint64_t value = magnitude(thousandths);
    *json->at = '-';
    json->at += thousandths < 0 ? 1 : 0;
    json->at += text_format_u64(json->at, value / 1000);
    unsigned fraction = (unsigned)(value % 1000);
    if (fraction != 0) {
        *json->at++ = '.';
        for (unsigned scale = 100; fraction != 0; fraction %= scale, scale /= 10) {
            *json->at++ = (char)('0' + fraction / scale);
        }
    }
}

void json_bool(struct json *json, bool value) {
    if (json_value(json, 5)) {
        json_put(json, value ? "true" : "false", value ? 4 : 5);
    }
}

void json_null(struct json *json) {
    if (json_value(json, 4)) {
        json_put(json, "null", 4);
    }
}

void json_hex(struct json *json, struct span bytes) {
    if (json_value(json, 2 + 2 * bytes.len)) {
        *json->at++ = '"';
        json->at += hex_encode(json->at, bytes);
        *json->at++ = '"';
    }
}

void json_base64(struct json *json, struct span bytes) {
    json_prefixed_base64(json, "", bytes);
}

/* Formats in place: `format` writes at most DATETIME_LEN_MAX characters. */
static void json_time(struct json *json, int64_t time,
                      size_t (*format)(char out[DATETIME_LEN_MAX], int64_t time)) {
    if (time == DATETIME_NONE) {
        json_null(json);
    } else if (json_value(json, 2 + DATETIME_LEN_MAX)) {
        char *at = json->at;
        *at = '"';
        size_t len = format(at + 1, time);
        at[1 + len] = '"';
        json->at = at + len + 2;
    }
}

void json_time_s(struct json *json, int64_t unix_s) {
    json_time(json, unix_s, datetime_format);
}

void json_time_ms(struct json *json, int64_t unix_ms) {
    json_time(json, unix_ms, datetime_format_ms);
}
