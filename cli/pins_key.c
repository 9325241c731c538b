#include "cli/pins_key.h"

#include <openssl/sha.h>
#include <stdio.h>

#include "engine/base/log.h"
#include "engine/codec/cert.h"
#include "engine/codec/datetime.h"
#include "engine/codec/dname.h"
#include "engine/codec/sha256.h"
#include "engine/codec/text.h"

#define WHAT_MAX (DNAME_TEXT_MAX + 128)

void pins_keys_fini(struct pins_keys *keys) {
    arena_fini(&keys->arena);
    *keys = (struct pins_keys){0};
}

void pins_keys_add(struct pins_keys *keys, struct pins_key key) {
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct pins_key *other = &keys->items[i];
        if (other->is_backup == key.is_backup && span_equal(other->spki, key.spki) &&
            span_equal(other->certificate, key.certificate)) {
            return;
        }
    }
    if (keys->count == keys->capacity) {
        keys->capacity = keys->capacity > 0 ? 2 * keys->capacity : 16;
        struct pins_key *items = arena_alloc(&keys->arena, keys->capacity * sizeof *items);
        if (keys->count > 0) {
            memcpy(items, keys->items, keys->count * sizeof *items);
        }
        keys->items = items;
    }
    keys->items[keys->count++] = key;
}

/* --- what it is --- */

/* Names come from outside: nothing that steers a terminal, and no line break, may pass. */
static const char *clean_copy(struct pins_keys *keys, char *text) {
    log_make_harmless(text);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\n' ? ' ' : *at;
    }
    return arena_copy_text(&keys->arena, span_str(text));
}

static void key_text(char out[24], struct span spki) {
    enum cert_key key = CERT_KEY_OTHER;
    uint16_t bits = 0;
    (void)cert_spki_key(spki, &key, &bits);
    cert_key_text(out, key, bits);
}

const char *pins_key_of_certificate(struct pins_keys *keys, struct span certificate) {
    struct cert_fields fields;
    char text[WHAT_MAX], subject[DNAME_TEXT_MAX], key[24], date[DATETIME_LEN_MAX];
    if (!cert_walk(certificate, &fields)) {
        return "a malformed certificate";
    }
    dname_format(subject, fields.subject);
    cert_key_text(key, fields.key, fields.key_bits);
    datetime_format_date(date, fields.not_after);
    snprintf(text, sizeof text, "%s, %s, until %s", subject[0] != '\0' ? subject : "(no name)", key,
             date);
    return clean_copy(keys, text);
}

static const char *what_of(struct pins_keys *keys, const struct keyfile_item *item) {
    char text[WHAT_MAX], key[24];
    if (item->kind == KEYFILE_CERTIFICATE) {
        snprintf(text, sizeof text, "certificate %s",
                 pins_key_of_certificate(keys, item->certificate));
    } else {
        key_text(key, item->spki);
        snprintf(text, sizeof text, "%s, %s", keyfile_kind_text(item->kind), key);
    }
    return clean_copy(keys, text);
}

static bool is_self_issued(struct span certificate) {
    struct cert_fields fields;
    return cert_walk(certificate, &fields) && span_equal(fields.subject, fields.issuer);
}

/* --- files --- */

enum err pins_keys_load(struct pins_keys *keys, const char *file, bool is_backup,
                        struct err_note *note) {
    struct keyfile read;
    enum err err = keyfile_load(file, &keys->arena, &read, note);
    uint32_t certificates = 0;
    for (uint32_t i = 0; err == ERR_NONE && i < read.count; i++) {
        const struct keyfile_item *item = &read.items[i];
        char origin[300];
        bool is_certificate = item->kind == KEYFILE_CERTIFICATE;
        if (item->line > 0) {
            snprintf(origin, sizeof origin, "%.250s:%u", read.file, item->line);
        } else {
            snprintf(origin, sizeof origin, "%.250s", read.file);
        }
        struct pins_key key = {.spki = item->spki,
                               .certificate = item->certificate,
                               .is_backup = is_backup,
                               .what = what_of(keys, item),
                               .origin = clean_copy(keys, origin)};
        if (is_certificate && certificates++ > 0) {
            key.place = is_self_issued(item->certificate) ? PINS_ROOT : PINS_ISSUER;
        }
        pins_keys_add(keys, key);
    }
    return err;
}

/* --- pins --- */

void pins_key_pin(const struct pins_key *key, enum pin_alg alg, enum pin_of of, struct arena *arena,
                  struct pin *out) {
    uint8_t digest[SHA512_DIGEST_LENGTH];
    struct span object = of == PIN_OF_CERT ? key->certificate : key->spki;
    struct span value = object;
    CHECK(object.len > 0);
    switch (alg) {
    case PIN_SHA256:
        sha256_once(object, digest);
        value = span_of(digest, SHA256_LEN);
        break;
    case PIN_SHA512:
        SHA512(object.data, object.len, digest);
        value = span_of(digest, SHA512_DIGEST_LENGTH);
        break;
    case PIN_SHA1:
        SHA1(object.data, object.len, digest);
        value = span_of(digest, SHA_DIGEST_LENGTH);
        break;
    case PIN_EXACT:
        break;
    }
    size_t prefix_len = strlen(pin_alg_words[alg]) + 1;
    char *text = arena_alloc(arena, prefix_len + BASE64_LEN(value.len) + 1);
    memcpy(text, pin_alg_words[alg], prefix_len - 1);
    text[prefix_len - 1] = '/';
    base64_encode(text + prefix_len, value);
    *out = (struct pin){.alg = alg,
                        .of = of,
                        .role = key->is_backup ? PIN_BACKUP : PIN_ACTIVE,
                        .tlsa_usage = PIN_TLSA_NONE,
                        .value = arena_copy(arena, value),
                        .note = key->what,
                        .text = text};
}
