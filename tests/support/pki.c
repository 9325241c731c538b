#include "tests/support/pki.h"

#include <openssl/pool.h>
#include <stdio.h>
#include <stdlib.h>

void pki_init(struct pki *pki) {
    *pki = (struct pki){0};
    trust_store_init(&pki->store);
}

void pki_fini(struct pki *pki) {
    intern_free(pki->intern);
    path_builder_free(pki->builder);
    trust_store_fini(&pki->store);
    for (uint32_t i = 0; i < pki->cert_count; i++) {
        free((void *)(uintptr_t)pki->certs[i].der.data);
    }
    for (uint32_t i = 0; i < pki->key_count; i++) {
        EVP_PKEY_free(pki->keys[i].key);
    }
}

static EVP_PKEY *key_of(struct pki *pki, const char *label) {
    for (uint32_t i = 0; i < pki->key_count; i++) {
        if (strcmp(pki->keys[i].label, label) == 0) {
            return pki->keys[i].key;
        }
    }
    CHECK(pki->key_count < PKI_KEYS_MAX);
    uint32_t idx = pki->key_count++;
    snprintf(pki->keys[idx].label, sizeof pki->keys[idx].label, "%s", label);
    pki->keys[idx].key = mint_key_new(MINT_P256, 99, label);
    return pki->keys[idx].key;
}

static void own_der(struct pki *pki, const char *tag, uint8_t *der, size_t len) {
    CHECK(pki->cert_count < PKI_CERTS_MAX);
    struct pki_cert *cert = &pki->certs[pki->cert_count++];
    snprintf(cert->tag, sizeof cert->tag, "%s", tag);
    cert->der = span_of(der, len);
    sha256_once(cert->der, cert->sha256);
}

void pki_add_der(struct pki *pki, const char *tag, struct span der) {
    uint8_t *copy = malloc(der.len + 1);
    CHECK(copy != NULL);
    memcpy(copy, der.data, der.len);
    own_der(pki, tag, copy, der.len);
}

void pki_mint(struct pki *pki, struct pki_spec spec) {
    const char *issuer = spec.issuer != NULL ? spec.issuer : spec.subject;
    struct mint_spec mint = {
        .subject_cn = spec.subject,
        .issuer_cn = issuer,
        .key = key_of(pki, spec.key != NULL ? spec.key : spec.subject),
        .issuer_key = key_of(pki, spec.issuer_key != NULL                   ? spec.issuer_key
                                  : spec.issuer == NULL && spec.key != NULL ? spec.key
                                                                            : issuer),
        .serial = 1000 + pki->cert_count,
        .not_before = spec.not_before != 0 ? spec.not_before : PKI_NOW - 100000000,
        .not_after = spec.not_after != 0 ? spec.not_after : PKI_NOW + 100000000,
        .is_ca = spec.ca,
        .path_len = spec.path_len - 1,
        .no_basic_constraints = spec.no_basic_constraints,
        .no_ku_eku = spec.no_ku_eku,
        .no_key_ids = spec.no_key_ids,
        .eku_client_only = spec.client_only,
        .dns_names = &spec.dns,
        .dns_name_count = spec.dns != NULL,
        .permitted_dns = spec.permitted_dns,
        .sha1 = spec.sha1,
    };
    size_t len;
    uint8_t *der = mint_certificate(&mint, &len);
    if (spec.corrupt) {
        der[len - 1] ^= 1; /* the last byte of s in the signature */
    }
    own_der(pki, spec.tag != NULL ? spec.tag : spec.subject, der, len);
}

struct span pki_der(const struct pki *pki, const char *tag) {
    for (uint32_t i = 0; i < pki->cert_count; i++) {
        if (strcmp(pki->certs[i].tag, tag) == 0) {
            return pki->certs[i].der;
        }
    }
    fprintf(stderr, "no certificate \"%s\"\n", tag);
    abort();
}

static size_t split(const struct pki *pki, const char *tags, struct span *out, size_t capacity) {
    size_t count = 0;
    char tag[24];
    while (*tags != '\0') {
        size_t len = strcspn(tags, " ");
        CHECK(len < sizeof tag && count < capacity);
        memcpy(tag, tags, len);
        tag[len] = '\0';
        out[count++] = pki_der(pki, tag);
        tags += len + strspn(tags + len, " ");
    }
    return count;
}

void pki_profile(struct pki *pki, const char *name, const char *anchor_tags) {
    struct span ders[PKI_CERTS_MAX];
    size_t count = split(pki, anchor_tags, ders, PKI_CERTS_MAX);
    struct err_note note;
    if (trust_store_add(&pki->store, name, ders, count, &note) != ERR_NONE) {
        fprintf(stderr, "%s\n", note.text);
        abort();
    }
}

struct chain *pki_chain(struct pki *pki, const char *tags) {
    if (pki->intern == NULL) {
        struct intern_config config = {.chains_max = 512, .seed = 5, .free_paths = path_set_free};
        CHECK(intern_new(&config, &pki->intern, NULL) == ERR_NONE);
        CHECK(path_builder_new(&pki->store, &pki->builder, NULL) == ERR_NONE);
    }
    struct span ders[CHAIN_CERTS_MAX];
    CRYPTO_BUFFER *buffers[CHAIN_CERTS_MAX];
    size_t count = split(pki, tags, ders, CHAIN_CERTS_MAX);
    for (size_t i = 0; i < count; i++) {
        buffers[i] = CRYPTO_BUFFER_new(ders[i].data, ders[i].len, NULL);
    }
    struct chain *chain = intern_chain(pki->intern, buffers, count);
    for (size_t i = 0; i < count; i++) {
        CRYPTO_BUFFER_free(buffers[i]);
    }
    intern_flush(pki->intern);
    CHECK(chain != NULL);
    return chain;
}

const struct profile_paths *pki_paths(struct pki *pki, const char *chain_tags, uint32_t profile) {
    struct chain *chain = pki_chain(pki, chain_tags);
    const struct path_set *set = path_set_of(pki->builder, chain);
    CHECK(set == path_set_of(pki->builder, chain) && set->profile_count == pki->store.count);
    CHECK(profile < set->profile_count);
    return &set->profiles[profile];
}

static const char *tag_of(const struct pki *pki, const struct cert_record *record) {
    for (uint32_t i = 0; i < pki->cert_count; i++) {
        if (memcmp(pki->certs[i].sha256, record->cert_sha256, SHA256_LEN) == 0) {
            return pki->certs[i].tag;
        }
    }
    return "?";
}

void pki_describe(const struct pki *pki, const struct profile_paths *paths, char *out,
                  size_t size) {
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < paths->count; i++) {
        const struct path *path = &paths->paths[i];
        CHECK((i < paths->ok_count) == (path->structural == PKIX_OK));
        for (uint32_t k = 0; k < path->count; k++) {
            len += (size_t)snprintf(out + len, size - len, "%s%s",
                                    k > 0   ? ">"
                                    : i > 0 ? ", "
                                            : "",
                                    tag_of(pki, path->certs[k]));
            CHECK(len < size);
        }
        if (path->structural != PKIX_OK) {
            len += (size_t)snprintf(out + len, size - len, ":%s", pkix_text(path->structural));
            CHECK(len < size);
        }
    }
    if (paths->ok_count == 0) {
        len += (size_t)snprintf(out + len, size - len, "%s= %s", len > 0 ? " " : "",
                                pkix_text(paths->failure));
    }
    CHECK(len < size);
    snprintf(out + len, size - len, "%s", paths->truncated ? " ..." : "");
}

bool pki_expect(struct pki *pki, const char *chain_tags, uint32_t profile, const char *expected) {
    char got[4096];
    const struct profile_paths *paths = pki_paths(pki, chain_tags, profile);
    pki_describe(pki, paths, got, sizeof got);
    if (strcmp(got, expected) != 0) {
        fprintf(stderr, "  chain [%s], profile %u\n    expected %s\n    got      %s  (%s)\n",
                chain_tags, profile, expected, got, paths->detail);
        return false;
    }
    return true;
}
