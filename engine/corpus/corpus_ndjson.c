/* NDJSON of other scanners and of our own --chains-out: the strings of the fields below, wherever
   in the record they stand. Only strings are told apart from the rest of JSON: that is enough to
   find a field, and a line whose strings do not end is refused. */
#include "engine/codec/text.h"
#include "engine/corpus/corpus_readers.h"

/* Where a certificate is, PEM or base64: its name says so, or it might be something else. */
static const struct {
    const char *name;
    bool is_certain;
} fields[] = {
    {"pem", true},             /* pinsweep sweep --chains-out --chains-pem */
    {"certificate", true},     /* tlsx -cert; zgrab2 has an object of this name */
    {"raw", false},            /* zgrab2, zcrypto, Censys: of signatures and hellos too */
    {"as_der", true},          /* CertStream, axeman */
    {"leaf_cert", false},      /* CT dumps; CertStream has an object of this name */
    {"cert", false},           /* hand-made */
    {"der", false},            /* hand-made */
    {"certificate_pem", true}, /* hand-made */
    {"x5c", true},             /* JWK, RFC 7517 section 4.7: an array */
    {"chain", false},          /* an array of strings, or of objects */
    {"certificates", false},   /* the same */
};

static bool find_field(struct span key, bool *out_is_certain) {
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        if (span_equal_str(key, fields[i].name)) {
            *out_is_certain = fields[i].is_certain;
            return true;
        }
    }
    return false;
}

static size_t skip_blanks(struct span line, size_t at) {
    while (at < line.len && (line.data[at] == ' ' || line.data[at] == '\t')) {
        at++;
    }
    return at;
}

/* The contents of the string whose opening quote is at `at`; `*out_next` is behind the closing one.
   False if it does not end. */
static bool string_at(struct span line, size_t at, struct span *out, size_t *out_next) {
    size_t start = at + 1, from = start;
    while (from < line.len) {
        size_t quote = from + span_find(span_of(line.data + from, line.len - from), '"');
        size_t slashes = 0;
        while (quote - slashes > start && line.data[quote - slashes - 1] == '\\') {
            slashes++;
        }
        if (quote == line.len) {
            return false;
        }
        if (slashes % 2 == 0) {
            *out = span_of(line.data + start, quote - start);
            *out_next = quote + 1;
            return true;
        }
        from = quote + 1;
    }
    return false;
}

/* RFC 8259 section 7; what is no certificate's (a surrogate, an unknown escape) stays as it is and
   will fail as base64. */
static size_t unescape_one(struct span at, char **to) {
    static const char names[] = "nrt\"\\/bf", values[] = "\n\r\t\"\\/\b\f";
    const char *name = at.len >= 2 ? memchr(names, at.data[1], sizeof names - 1) : NULL;
    uint8_t code[2];
    size_t code_len;
    if (name != NULL) {
        *(*to)++ = values[name - names];
        return 2;
    }
    if (at.len >= 6 && at.data[1] == 'u' &&
        hex_decode(span_of(at.data + 2, 4), code, sizeof code, &code_len) && code[0] == 0 &&
        code[1] < 0x80) {
        *(*to)++ = (char)code[1];
        return 6;
    }
    *(*to)++ = '\\';
    return 1;
}

static struct span unescape(struct corpus_batch *batch, struct span string) {
    size_t slash = span_find(string, '\\');
    if (slash == string.len) {
        return string;
    }
    batch->text.len = 0;
    char *start = corpus_buffer_room(&batch->text, string.len), *to = start;
    while (string.len > 0) {
        struct span plain = span_take(&string, slash);
        if (plain.len > 0) {
            memcpy(to, plain.data, plain.len);
            to += plain.len;
        }
        if (string.len > 0) {
            span_take(&string, unescape_one(string, &to));
        }
        slash = span_find(string, '\\');
    }
    return span_of(start, (size_t)(to - start));
}

/* The value of a field: a string, or an array of strings. Returns how many certificates it was, and
   where to go on; an object is entered like everything else. False if a string does not end. */
static bool read_value(struct corpus_batch *batch, struct span line, bool is_certain, size_t *at,
                       struct corpus_place place, uint32_t *found) {
    struct span string;
    size_t next = skip_blanks(line, *at);
    bool is_array = next < line.len && line.data[next] == '[';
    next = is_array ? skip_blanks(line, next + 1) : next;
    while (next < line.len && line.data[next] == '"') {
        if (!string_at(line, next, &string, at)) {
            return false;
        }
        if (string.len > 0 &&
            corpus_read_field(batch, unescape(batch, string), is_certain, place)) {
            (*found)++;
        }
        next = skip_blanks(line, *at);
        if (!is_array || next >= line.len || line.data[next] != ',') {
            break;
        }
        next = skip_blanks(line, next + 1);
    }
    return true;
}

static bool read_line(struct corpus_batch *batch, struct span line, struct corpus_place place,
                      uint32_t *found) {
    size_t at = 0;
    if (line.data[0] != '{' || line.data[line.len - 1] != '}') {
        return false;
    }
    while (at < line.len) {
        struct span string;
        bool is_certain;
        at += span_find(span_of(line.data + at, line.len - at), '"');
        if (at == line.len) {
            break;
        }
        if (!string_at(line, at, &string, &at)) {
            return false;
        }
        size_t colon = skip_blanks(line, at);
        if (colon < line.len && line.data[colon] == ':' && find_field(string, &is_certain)) {
            at = colon + 1;
            if (!read_value(batch, line, is_certain, &at, place, found)) {
                return false;
            }
        }
    }
    return true;
}

void corpus_read_ndjson(struct corpus_batch *batch, struct span text, struct corpus_place place) {
    static const uint8_t byte_order_mark[] = {0xEF, 0xBB, 0xBF};
    bool is_start = place.offset == 0;
    size_t at = is_start && text.len >= 3 && memcmp(text.data, byte_order_mark, 3) == 0 ? 3 : 0;
    while (at < text.len) {
        struct span rest = span_of(text.data + at, text.len - at);
        struct span line = span_take(&rest, span_find(rest, '\n'));
        struct corpus_place here = corpus_place_at(place, at);
        uint32_t found = 0;
        at += line.len + 1;
        line = span_trim(line);
        here.fixed = true;
        if (line.len == 0) {
            continue;
        }
        if (!read_line(batch, line, here, &found)) {
            corpus_batch_broken(batch, span_of(NULL, 0), here, "not a whole JSON object");
        } else if (found == 0) {
            batch->block->stats.empty++;
        }
    }
}

bool corpus_is_ndjson(struct span head) {
    struct span text = span_trim(head);
    if (text.len < 2 || text.data[0] != '{') {
        return false;
    }
    size_t next = 1;
    while (next < text.len && (text.data[next] == ' ' || text.data[next] == '\t')) {
        next++;
    }
    return next < text.len && (text.data[next] == '"' || text.data[next] == '}');
}
