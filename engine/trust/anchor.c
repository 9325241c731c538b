#include "engine/trust/anchor.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/trust/anchor_pem.h"

void trust_store_init(struct trust_store *store) {
    *store = (struct trust_store){0};
}

static void profile_fini(struct trust_profile *profile) {
    for (uint32_t i = 0; i < profile->count; i++) {
        intern_record_fini(&profile->anchors[i]);
    }
    free(profile->anchors);
    free(profile->by_subject);
    free(profile->by_digest);
    free(profile->name);
    free(profile->file);
    *profile = (struct trust_profile){0};
}

void trust_store_fini(struct trust_store *store) {
    for (uint32_t i = 0; i < store->count; i++) {
        profile_fini(&store->profiles[i]);
    }
    store->count = 0;
}

int trust_store_find(const struct trust_store *store, const char *name) {
    for (uint32_t i = 0; i < store->count; i++) {
        if (strcmp(store->profiles[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static enum err profile_init(const struct trust_store *store, struct trust_profile *profile,
                             const char *name, const char *file, struct err_note *note) {
    if (store->count == TRUST_PROFILES_MAX) {
        return err_note(note, ERR_CONFIG, "trust profile \"%s\" (%s) is one too many: at most %d",
                        name, file, TRUST_PROFILES_MAX);
    }
    size_t name_len = strlen(name);
    for (size_t i = 0; i < name_len; i++) {
        if (name_len > TRUST_NAME_MAX || (unsigned char)name[i] < ' ') {
            return err_note(note, ERR_CONFIG,
                            "%s: a trust profile's name is of at most %d printable bytes", file,
                            TRUST_NAME_MAX);
        }
    }
    *profile = (struct trust_profile){.name = strdup(name), .file = strdup(file)};
    CHECK(profile->name != NULL && profile->file != NULL);
    return ERR_NONE;
}

static bool profile_holds(const struct trust_profile *profile, const struct cert_record *record) {
    for (uint32_t i = 0; i < profile->count; i++) {
        if (memcmp(profile->anchors[i].cert_sha256, record->cert_sha256, SHA256_LEN) == 0) {
            return true;
        }
    }
    return false;
}

/* Fills what BoringSSL computes on first use, so that the threads that share the anchor later only
   read. */
static void warm(X509 *x509) {
    X509_check_purpose(x509, -1, 0);
    EVP_PKEY_free(X509_get_pubkey(x509));
    ERR_clear_error();
}

/* False if there is no room for one more. */
static bool profile_add(struct trust_profile *profile, struct span der) {
    struct cert_record record;
    if (!intern_record_init(&record, der)) {
        profile->skipped++;
        return true;
    }
    record.x509 = record.strict ? X509_parse_from_buffer(record.buffer) : NULL;
    if (record.x509 == NULL) {
        ERR_clear_error();
        profile->skipped++;
        intern_record_fini(&record);
        return true;
    }
    if (profile_holds(profile, &record)) {
        intern_record_fini(&record);
        return true;
    }
    if (profile->count == ANCHORS_MAX) {
        intern_record_fini(&record);
        return false;
    }
    if ((profile->count & (profile->count - 1)) == 0) { /* full: 0, 1, 2, 4, 8 ... */
        size_t capacity = profile->count == 0 ? 1 : 2 * (size_t)profile->count;
        profile->anchors = realloc(profile->anchors, capacity * sizeof *profile->anchors);
        CHECK(profile->anchors != NULL);
    }
    warm(record.x509);
    record.permanent = true;
    profile->anchors[profile->count++] = record;
    return true;
}

static uint32_t subject_hash(X509_NAME *name) {
    return (uint32_t)X509_NAME_hash(name) * UINT32_C(0x9E3779B1) >> 7;
}

static uint32_t digest_hash(const struct cert_record *record) {
    uint32_t hash;
    memcpy(&hash, record->cert_sha256, sizeof hash);
    return hash;
}

static void put(uint32_t *slots, uint32_t mask, uint32_t hash, uint32_t anchor_idx) {
    uint32_t at = hash & mask;
    while (slots[at] != 0) {
        at = (at + 1) & mask;
    }
    slots[at] = anchor_idx + 1;
}

/* Takes the finished profile into the store, or frees it with the reason. */
static enum err profile_finish(struct trust_store *store, struct trust_profile *profile,
                               struct err_note *note) {
    if (profile->count == 0) {
        enum err err =
            profile->skipped == 0
                ? err_note(note, ERR_CONFIG,
                           "%s: no certificate in it: give a PEM file with the anchors of trust "
                           "profile \"%s\"",
                           profile->file, profile->name)
                : err_note(note, ERR_CONFIG,
                           "%s: none of its %u certificates can be used as an anchor of trust "
                           "profile \"%s\"",
                           profile->file, profile->skipped, profile->name);
        profile_fini(profile);
        return err;
    }
    uint32_t slots = 4;
    while (slots < 2 * profile->count) {
        slots *= 2;
    }
    profile->by_subject_mask = slots - 1;
    profile->by_subject = calloc(slots, sizeof *profile->by_subject);
    profile->by_digest = calloc(slots, sizeof *profile->by_digest);
    CHECK(profile->by_subject != NULL && profile->by_digest != NULL);
    for (uint32_t i = 0; i < profile->count; i++) {
        const struct cert_record *anchor = &profile->anchors[i];
        put(profile->by_subject, slots - 1, subject_hash(X509_get_subject_name(anchor->x509)), i);
        put(profile->by_digest, slots - 1, digest_hash(anchor), i);
    }
    store->profiles[store->count++] = *profile;
    return ERR_NONE;
}

static enum err read_file(const char *file, uint8_t **out_bytes, size_t *out_len,
                          struct err_note *note) {
    FILE *stream = fopen(file, "rbe");
    if (stream == NULL) {
        return err_note(note, ERR_CONFIG, "%s: cannot be read: %s", file, strerror(errno));
    }
    size_t len = 0, capacity = 1 << 18;
    uint8_t *bytes = malloc(capacity);
    CHECK(bytes != NULL);
    for (;;) {
        size_t got = fread(bytes + len, 1, capacity - len, stream);
        len += got;
        if (got == 0 || len > TRUST_BUNDLE_BYTES_MAX) {
            break;
        }
        if (len == capacity) {
            capacity *= 2;
            bytes = realloc(bytes, capacity);
            CHECK(bytes != NULL);
        }
    }
    int error = ferror(stream) ? errno : 0;
    fclose(stream);
    if (error != 0 || len > TRUST_BUNDLE_BYTES_MAX) {
        free(bytes);
        return error != 0
                   ? err_note(note, ERR_CONFIG, "%s: cannot be read: %s", file, strerror(error))
                   : err_note(note, ERR_CONFIG, "%s: larger than %u bytes: no bundle is", file,
                              TRUST_BUNDLE_BYTES_MAX);
    }
    *out_bytes = bytes;
    *out_len = len;
    return ERR_NONE;
}

static enum err profile_read_pem(struct trust_profile *profile, struct span text,
                                 struct err_note *note) {
    struct pem_reader *reader = malloc(sizeof *reader);
    CHECK(reader != NULL);
    pem_reader_init(reader, text);
    enum err err = ERR_NONE;
    while (err == ERR_NONE) {
        struct span der;
        uint32_t line = 0;
        const char *why = "";
        enum pem_result result = pem_reader_next(reader, &der, &line, &why);
        if (result == PEM_END) {
            break;
        }
        if (result == PEM_BROKEN) {
            err = err_note(note, ERR_CONFIG, "%s:%u: %s", profile->file, line, why);
        } else if (!profile_add(profile, der)) {
            err = err_note(note, ERR_CONFIG, "%s:%u: more than %d anchors in one bundle",
                           profile->file, line, ANCHORS_MAX);
        }
    }
    free(reader);
    return err;
}

enum err trust_store_load(struct trust_store *store, const char *name, const char *file,
                          struct err_note *note) {
    if (trust_store_find(store, name) >= 0) {
        return ERR_NONE;
    }
    struct trust_profile profile;
    enum err err = profile_init(store, &profile, name, file, note);
    if (err != ERR_NONE) {
        return err;
    }
    uint8_t *bytes = NULL;
    size_t len = 0;
    err = read_file(file, &bytes, &len, note);
    if (err == ERR_NONE) {
        err = profile_read_pem(&profile, span_of(bytes, len), note);
    }
    free(bytes);
    if (err != ERR_NONE) {
        profile_fini(&profile);
        return err;
    }
    return profile_finish(store, &profile, note);
}

enum err trust_store_add(struct trust_store *store, const char *name, const struct span *certs,
                         size_t count, struct err_note *note) {
    if (trust_store_find(store, name) >= 0) {
        return ERR_NONE;
    }
    struct trust_profile profile;
    enum err err = profile_init(store, &profile, name, "(memory)", note);
    if (err != ERR_NONE) {
        return err;
    }
    for (size_t i = 0; i < count; i++) {
        if (!profile_add(&profile, certs[i])) {
            err = err_note(note, ERR_CONFIG, "more than %d anchors in trust profile \"%s\"",
                           ANCHORS_MAX, name);
            profile_fini(&profile);
            return err;
        }
    }
    return profile_finish(store, &profile, note);
}

const struct cert_record *trust_profile_next(const struct trust_profile *profile, X509 *child,
                                             uint32_t *cursor) {
    X509_NAME *issuer = X509_get_issuer_name(child);
    uint32_t mask = profile->by_subject_mask;
    /* The cursor is the slot after the last answer, plus one: 0 has not begun. */
    uint32_t at = *cursor == 0 ? subject_hash(issuer) & mask : *cursor - 1;
    for (; profile->by_subject[at] != 0; at = (at + 1) & mask) {
        const struct cert_record *anchor = &profile->anchors[profile->by_subject[at] - 1];
        if (X509_NAME_cmp(X509_get_subject_name(anchor->x509), issuer) == 0) {
            *cursor = ((at + 1) & mask) + 1;
            return anchor;
        }
    }
    *cursor = at + 1;
    return NULL;
}

const struct cert_record *trust_profile_same(const struct trust_profile *profile,
                                             const struct cert_record *cert) {
    uint32_t mask = profile->by_subject_mask;
    for (uint32_t at = digest_hash(cert) & mask; profile->by_digest[at] != 0;
         at = (at + 1) & mask) {
        const struct cert_record *anchor = &profile->anchors[profile->by_digest[at] - 1];
        if (memcmp(anchor->cert_sha256, cert->cert_sha256, SHA256_LEN) == 0) {
            return anchor;
        }
    }
    return NULL;
}

void trust_profile_digest(const struct trust_profile *profile, uint8_t out[SHA256_LEN]) {
    struct sha256_stream stream;
    sha256_stream_init(&stream);
    for (uint32_t i = 0; i < profile->count; i++) {
        sha256_stream_add(&stream, span_of(profile->anchors[i].cert_sha256, SHA256_LEN));
    }
    sha256_stream_finish(&stream, out);
}
