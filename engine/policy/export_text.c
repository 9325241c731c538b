#include "engine/policy/export_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/json.h"
#include "engine/codec/text.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define JSON_GROWTH 6 /* "\u0001", or three bytes of U+FFFD for one */

void export_text_fini(struct export_text *text) {
    free(text->bytes);
    *text = (struct export_text){0};
}

/* Room for `len` bytes and a NUL. */
static char *room(struct export_text *text, size_t len) {
    if (text->capacity - text->len <= len) {
        size_t capacity = text->capacity > 0 ? text->capacity : 4096;
        while (capacity - text->len <= len) {
            CHECK(capacity <= SIZE_MAX / 2);
            capacity *= 2;
        }
        text->bytes = realloc(text->bytes, capacity);
        CHECK(text->bytes != NULL);
        text->capacity = capacity;
    }
    return text->bytes + text->len;
}

void export_put_span(struct export_text *text, struct span bytes) {
    char *at = room(text, bytes.len);
    if (bytes.len > 0) {
        memcpy(at, bytes.data, bytes.len);
    }
    at[bytes.len] = '\0';
    text->len += bytes.len;
}

void export_put(struct export_text *text, const char *words) {
    export_put_span(text, span_str(words));
}

void export_putf(struct export_text *text, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    CHECK(len >= 0);
    vsnprintf(room(text, (size_t)len), (size_t)len + 1, format, again);
    text->len += (size_t)len;
    va_end(again);
    va_end(args);
}

void export_put_base64(struct export_text *text, struct span bytes) {
    char *at = room(text, BASE64_LEN(bytes.len));
    size_t len = base64_encode(at, bytes);
    at[len] = '\0';
    text->len += len;
}

void export_put_hex(struct export_text *text, struct span bytes) {
    char *at = room(text, 2 * bytes.len);
    size_t len = hex_encode(at, bytes);
    at[len] = '\0';
    text->len += len;
}

/* Control characters but tab, DEL and C1, U+FFFE and U+FFFF, marks that turn the direction. */
static bool is_unprintable(struct span character) {
    const uint8_t *c = character.data;
    if (character.len == 1) {
        return c[0] < 0x20 || c[0] == 0x7f;
    }
    if (character.len == 2) {
        return c[0] == 0xc2 && c[1] < 0xa0;
    }
    bool direction =
        c[0] == 0xe2 && ((c[1] == 0x80 && ((c[2] >= 0xaa && c[2] <= 0xae) || c[2] == 0x8e ||
                                           c[2] == 0x8f || c[2] == 0xa8 || c[2] == 0xa9)) ||
                         (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
    return character.len == 3 && (direction || (c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe));
}

/* The next character; what is no UTF-8, or forbidden in XML 1.0, as U+FFFD. */
static struct span take_character(struct span *rest) {
    bool good = false;
    struct span character = span_take(rest, text_utf8_step(*rest, &good));
    uint8_t first = character.data[0];
    bool allowed = first >= 0x20 || first == '\t' || first == '\n';
    bool noncharacter = character.len == 3 && first == 0xef && character.data[1] == 0xbf &&
                        character.data[2] >= 0xbe;
    return good && allowed && !noncharacter ? character : span_str(REPLACEMENT);
}

void export_put_xml(struct export_text *text, const char *words) {
    for (struct span rest = span_str(words); rest.len > 0;) {
        struct span character = take_character(&rest);
        switch (character.data[0]) {
        case '&':
            export_put(text, "&amp;");
            break;
        case '<':
            export_put(text, "&lt;");
            break;
        case '>':
            export_put(text, "&gt;");
            break;
        case '"':
            export_put(text, "&quot;");
            break;
        case '\'':
            export_put(text, "&apos;");
            break;
        default:
            export_put_span(text, character);
        }
    }
}

void export_put_json(struct export_text *text, const char *words) {
    struct json json;
    size_t capacity = JSON_GROWTH * strlen(words) + 8;
    char *at = room(text, capacity);
    json_init(&json, at, capacity);
    json_text(&json, words);
    size_t len = json_finish_line(&json);
    CHECK(len > 0);
    at[len - 1] = '\0'; /* the newline */
    text->len += len - 1;
}

void export_put_comment(struct export_text *text, const char *words) {
    char last = '\0';
    for (struct span rest = span_str(words); rest.len > 0;) {
        struct span character = take_character(&rest);
        if (is_unprintable(character)) {
            character = span_str(" ");
        }
        if (character.data[0] == '-' && last == '-') {
            export_put(text, " ");
        }
        last = (char)character.data[0];
        export_put_span(text, character);
    }
    if (last == '-') {
        export_put(text, " ");
    }
}
