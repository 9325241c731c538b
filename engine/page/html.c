#include "engine/page/html.h"

#include <stdarg.h>

#include "engine/codec/datetime.h"

/* The length of the well-formed UTF-8 sequence at the front (RFC 3629: no overlong forms, no
   surrogates), 0 if it is none. */
static size_t sequence_len(struct span text) {
    static const struct {
        uint8_t from, to, len, second_from, second_to;
    } rows[] = {{0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF},
                {0xE1, 0xEC, 3, 0x80, 0xBF}, {0xED, 0xED, 3, 0x80, 0x9F},
                {0xEE, 0xEF, 3, 0x80, 0xBF}, {0xF0, 0xF0, 4, 0x90, 0xBF},
                {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (text.data[0] < rows[i].from || text.data[0] > rows[i].to) {
            continue;
        }
        bool good = text.len >= rows[i].len && text.data[1] >= rows[i].second_from &&
                    text.data[1] <= rows[i].second_to;
        for (size_t at = 2; good && at < rows[i].len; at++) {
            good = (text.data[at] & 0xC0) == 0x80;
        }
        return good ? rows[i].len : 0;
    }
    return 0;
}

/* What reorders or hides the text around it (Unicode, UAX #9): U+200E, U+200F, U+202A to U+202E,
   U+2066 to U+2069, and the C1 controls. */
static bool is_steering(const uint8_t *at, size_t len) {
    return (len == 2 && at[0] == 0xC2 && at[1] < 0xA0) ||
           (len == 3 && at[0] == 0xE2 &&
            ((at[1] == 0x80 &&
              (at[2] == 0x8E || at[2] == 0x8F || (at[2] >= 0xAA && at[2] <= 0xAE))) ||
             (at[1] == 0x81 && at[2] >= 0xA6 && at[2] <= 0xA9)));
}

void html_span(FILE *out, struct span text) {
    while (text.len > 0) {
        uint8_t byte = text.data[0];
        size_t len = byte < 0x80 ? 1 : sequence_len(text);
        const char *entity = byte == '&'    ? "&amp;"
                             : byte == '<'  ? "&lt;"
                             : byte == '>'  ? "&gt;"
                             : byte == '"'  ? "&quot;"
                             : byte == '\'' ? "&#39;"
                                            : NULL;
        bool blank = byte == '\t' || byte == '\n';
        if (entity != NULL) {
            fputs(entity, out);
        } else if (len == 0 || (byte < 0x20 && !blank) || byte == 0x7F ||
                   is_steering(text.data, len)) {
            fputs("\xEF\xBF\xBD", out);
        } else {
            fwrite(text.data, 1, len, out);
        }
        span_take(&text, len > 0 ? len : 1);
    }
}

void html_text(FILE *out, const char *text) {
    html_span(out, span_str(text));
}

void html_format(FILE *out, const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    html_text(out, text);
}

void html_count(FILE *out, uint64_t count) {
    char digits[24], text[32];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count), at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            text[at++] = ',';
        }
        text[at++] = digits[i];
    }
    fwrite(text, 1, (size_t)at, out);
}

void html_date(FILE *out, int64_t unix_s) {
    char text[DATETIME_LEN_MAX];
    if (unix_s == DATETIME_NONE) {
        fputs("&ndash;", out);
    } else {
        fwrite(text, 1, datetime_format_date(text, unix_s), out);
    }
}
