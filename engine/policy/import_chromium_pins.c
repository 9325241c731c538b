/* Chromium's .pins file. What its own reader (ParseCertificatesFile in net/tools/
   transport_security_state_generator) refuses is an error here; it does not ask for the date of the
   list. Its rule that a name resembles the certificate's subject is left to it. */
#include <openssl/sha.h>
#include <stdlib.h>

#include "engine/codec/cert.h"
#include "engine/codec/datetime.h"
#include "engine/codec/der.h"
#include "engine/codec/text.h"
#include "engine/policy/import_chromium.h"

#define TIMESTAMP "PinsListTimestamp"
#define BEGIN "-----BEGIN "
#define END "-----END "

struct reader {
    struct import *import;
    struct span rest;
    uint32_t line; /* of the line read last */
    struct chromium_pins *out;
    uint8_t *base64; /* room for a PEM block */
    size_t base64_capacity;
};

static enum err fail(const struct reader *reader, const char *why) {
    return import_fail(reader->import, reader->line, NULL, "%s", why);
}

static bool begins(struct span text, const char *words) {
    size_t len = strlen(words);
    return text.len >= len && memcmp(text.data, words, len) == 0;
}

/* The next line that is no comment; blank ones too. */
static bool next_line(struct reader *reader, struct span *out) {
    while (reader->rest.len > 0) {
        *out = span_take(&reader->rest, span_find(reader->rest, '\n'));
        span_take(&reader->rest, 1);
        reader->line++;
        if (reader->line == 1 && begins(*out, "\xEF\xBB\xBF")) {
            span_take(out, 3);
        }
        if (out->len == 0 || out->data[0] != '#') {
            return true;
        }
    }
    return false;
}

static bool is_name(struct span text) {
    bool good = text.len > 0 && text.data[0] >= 'A' && text.data[0] <= 'Z';
    for (size_t i = 0; i < text.len && good; i++) {
        uint8_t c = text.data[i];
        good =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    }
    return good;
}

/* --- what a name stands for --- */

static struct chromium_pin *add(struct reader *reader, struct span name) {
    struct chromium_pins *pins = reader->out;
    if (pins->count == pins->capacity) {
        uint32_t capacity = pins->capacity > 0 ? 2 * pins->capacity : 64;
        struct chromium_pin *items =
            arena_alloc(&reader->import->scratch, capacity * sizeof *items);
        if (pins->count > 0) {
            memcpy(items, pins->items, pins->count * sizeof *items);
        }
        pins->items = items;
        pins->capacity = capacity;
    }
    struct chromium_pin *pin = &pins->items[pins->count++];
    *pin = (struct chromium_pin){.name = name, .line = reader->line};
    return pin;
}

static enum err pin_of_key(struct reader *reader, struct span spki, struct chromium_pin *out) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char base64[BASE64_SHA256_LEN];
    SHA256(spki.data, spki.len, digest);
    base64_encode(base64, span_of(digest, sizeof digest));
    return import_read_pin(reader->import, out->line, NULL, PIN_SHA256,
                           span_of(base64, sizeof base64), &out->pin);
}

static void join(struct reader *reader, size_t len, struct span line) {
    if (reader->base64_capacity - len < line.len) {
        size_t capacity = 2 * (reader->base64_capacity + line.len);
        uint8_t *room = arena_alloc(&reader->import->scratch, capacity);
        if (len > 0) {
            memcpy(room, reader->base64, len);
        }
        reader->base64 = room;
        reader->base64_capacity = capacity;
    }
    if (line.len > 0) {
        memcpy(reader->base64 + len, line.data, line.len);
    }
}

/* The lines up to the END of the block whose BEGIN was read. */
static enum err read_block(struct reader *reader, const char *label, struct span *out_der) {
    struct span line;
    size_t len = 0;
    while (next_line(reader, &line)) {
        line = span_trim(line);
        if (begins(line, END)) {
            span_take(&line, strlen(END));
            if (!begins(line, label)) {
                return fail(reader, "END does not match BEGIN: copy the block anew");
            }
            size_t der_len = 0, capacity = BASE64_BYTES_MAX(len);
            uint8_t *der = arena_alloc(&reader->import->scratch, capacity);
            if (!base64_decode(span_of(reader->base64, len), der, capacity, &der_len)) {
                return fail(reader, "the block that ends here is not base64: copy it anew");
            }
            *out_der = span_of(der, der_len);
            return ERR_NONE;
        }
        if (len + line.len > BASE64_LEN(CERT_BYTES_MAX)) {
            return fail(reader, "the block is larger than any certificate: is its END missing?");
        }
        join(reader, len, line);
        len += line.len;
    }
    return fail(reader, "the file ends inside a block: its END is missing");
}

static enum err read_pem(struct reader *reader, struct span begin, struct chromium_pin *out) {
    static const char certificate[] = "CERTIFICATE", key[] = "PUBLIC KEY";
    struct span label = begin, der = {0}, spki = {0};
    span_take(&label, strlen(BEGIN));
    bool is_certificate = begins(label, certificate);
    if (!is_certificate && !begins(label, key)) {
        return fail(reader, "the block is neither a CERTIFICATE nor a PUBLIC KEY: Chromium takes "
                            "no other, export one of them");
    }
    enum err err = read_block(reader, is_certificate ? certificate : key, &der);
    if (err == ERR_NONE && is_certificate && !cert_spki(der, &spki)) {
        return fail(reader, "the certificate that ends here cannot be read: copy it anew");
    }
    struct span contents;
    if (err == ERR_NONE && !is_certificate) {
        if (!der_only(der, DER_SEQUENCE, &contents)) {
            return fail(reader, "the key that ends here is no SubjectPublicKeyInfo: write it with "
                                "openssl pkey -pubout");
        }
        spki = der;
    }
    return err == ERR_NONE ? pin_of_key(reader, spki, out) : err;
}

static enum err read_value(struct reader *reader, struct span name, struct chromium_pin *out) {
    struct span line;
    if (!next_line(reader, &line)) {
        return import_fail(reader->import, out->line, NULL,
                           "nothing follows the name \"%s\": write sha256/<base64>, or a "
                           "certificate or public key in PEM",
                           import_quote(reader->import, name));
    }
    if (begins(line, "sha256/")) {
        span_take(&line, strlen("sha256/"));
        return import_read_pin(reader->import, reader->line, NULL, PIN_SHA256, line, &out->pin);
    }
    if (begins(line, BEGIN)) {
        return read_pem(reader, line, out);
    }
    return import_fail(reader->import, reader->line, NULL,
                       "\"%s\" is no value of \"%s\": write sha256/<base64>, or a certificate or "
                       "public key in PEM",
                       import_quote(reader->import, line), import_quote(reader->import, name));
}

static enum err read_time(struct reader *reader) {
    struct span line = {0};
    uint64_t seconds = 0;
    if (!next_line(reader, &line) || !text_parse_u64(line, UINT32_MAX, &seconds)) {
        return import_fail(reader->import, reader->line, NULL,
                           "\"%s\" is no " TIMESTAMP ": write seconds since 1970, as date +%%s "
                           "gives them",
                           import_quote(reader->import, line));
    }
    if (reader->out->time_unix_s != DATETIME_NONE) {
        return fail(reader, "a second " TIMESTAMP ": Chromium takes one, drop the other");
    }
    reader->out->time_unix_s = (int64_t)seconds;
    return ERR_NONE;
}

static enum err read_entry(struct reader *reader, struct span line) {
    if (span_equal_str(line, TIMESTAMP)) {
        return read_time(reader);
    }
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        return fail(reader, "lines end in CR LF, Chromium refuses the file: save it with LF alone");
    }
    if (!is_name(line)) {
        return import_fail(reader->import, reader->line, NULL,
                           "\"%s\" is no name: a capital first, then letters, digits and \"_\"",
                           import_quote(reader->import, line));
    }
    struct chromium_pin *pin = add(reader, line);
    return read_value(reader, line, pin);
}

/* --- by name --- */

static int compare_names(struct span a, struct span b) {
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_pins(const void *left, const void *right) {
    const struct chromium_pin *a = left, *b = right;
    int order = compare_names(a->name, b->name);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static enum err sort(struct reader *reader) {
    struct chromium_pins *pins = reader->out;
    if (pins->count > 0) {
        qsort(pins->items, pins->count, sizeof *pins->items, compare_pins);
    }
    for (uint32_t i = 1; i < pins->count; i++) {
        const struct chromium_pin *first = &pins->items[i - 1], *again = &pins->items[i];
        if (span_equal(first->name, again->name)) {
            return import_fail(reader->import, again->line, NULL,
                               "the name \"%s\" is already there, at line %u: keep one of them",
                               import_quote(reader->import, again->name), first->line);
        }
    }
    return ERR_NONE;
}

const struct chromium_pin *chromium_pins_find(const struct chromium_pins *pins, struct span name) {
    uint32_t low = 0, high = pins->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_names(pins->items[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < pins->count && span_equal(pins->items[low].name, name) ? &pins->items[low] : NULL;
}

enum err chromium_pins_read(struct import *import, const char *file, struct span text,
                            struct chromium_pins *out) {
    struct reader reader = {.import = import, .rest = text, .out = out};
    struct span line;
    *out = (struct chromium_pins){.file = file, .time_unix_s = DATETIME_NONE};
    const char *json = import->file; /* complaints are about this file meanwhile */
    import->file = file;
    enum err err = ERR_NONE;
    while (err == ERR_NONE && next_line(&reader, &line)) {
        err = line.len > 0 ? read_entry(&reader, line) : ERR_NONE;
    }
    if (err == ERR_NONE) {
        err = sort(&reader);
    }
    import->file = json;
    return err;
}
