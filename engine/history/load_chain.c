/* The lines of --chains-out: what the records leave out about certificates. */
#include <stdlib.h>

#include "engine/base/limits.h"
#include "engine/codec/base64.h"
#include "engine/history/load_ndjson.h"

void load_der(struct loader *loader, uint32_t cert_idx, struct span der, bool is_issuer) {
    struct snapshot *snapshot = loader->snapshot;
    bool keep =
        loader->keep_der == KEEP_DER_ALL || (loader->keep_der == KEEP_DER_ISSUERS && is_issuer);
    snapshot_cert_fill(snapshot, cert_idx, der, keep);
    struct snapshot_cert *cert = &snapshot->certs[cert_idx];
    if (loader->keep_der == KEEP_DER_ISSUERS && cert->is_ca && cert->der.len == 0) {
        cert->der = arena_copy(&snapshot->texts, der);
    }
}

/* The bytes in PEM (RFC 7468), one block; to be freed. */
static uint8_t *pem_decode(struct span pem, struct span *out_der) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n",
                      end[] = "-----END CERTIFICATE-----";
    const uint8_t *stop = memmem(pem.data, pem.len, end, sizeof end - 1);
    if (pem.len < sizeof begin - 1 || memcmp(pem.data, begin, sizeof begin - 1) != 0 ||
        stop == NULL || (size_t)(stop - pem.data) < sizeof begin - 1) {
        return NULL;
    }
    struct span text =
        span_of(pem.data + sizeof begin - 1, (size_t)(stop - pem.data) - (sizeof begin - 1));
    size_t capacity = BASE64_BYTES_MAX(text.len), len;
    uint8_t *der = malloc(capacity);
    if (der != NULL && base64_decode_lines(text, der, capacity, &len)) {
        *out_der = span_of(der, len);
        return der;
    }
    free(der);
    return NULL;
}

static bool load_pem(struct loader *loader, uint32_t cert, struct span pem, bool is_issuer) {
    struct span bytes;
    uint8_t digest[SHA256_LEN], *der = pem_decode(pem, &bytes);
    bool good = false;
    if (der != NULL) {
        sha256_once(bytes, digest);
        good = memcmp(digest, loader->snapshot->certs[cert].cert_sha256, SHA256_LEN) == 0;
        if (good) {
            load_der(loader, cert, bytes, is_issuer);
        }
    }
    free(der);
    return good;
}

/* Everything that such a record can say is known: an issuer that many chains repeat. */
static bool is_complete(const struct loader *loader, const struct snapshot_cert *cert,
                        struct span pem) {
    return cert->known && cert->key[0] != '\0' &&
           (pem.len == 0 || loader->keep_der == KEEP_DER_NONE || cert->der.len > 0);
}

static bool load_certificate(struct loader *loader, const cJSON *object, uint32_t cert_idx,
                             bool is_issuer) {
    struct span pem = load_text(loader, object, "pem");
    if (is_issuer && is_complete(loader, &loader->snapshot->certs[cert_idx], pem)) {
        return true;
    }
    if (pem.len > 0) {
        return load_pem(loader, cert_idx, pem, is_issuer);
    }
    load_cert_fields(loader, cert_idx, object);
    struct snapshot_cert *cert = &loader->snapshot->certs[cert_idx];
    cert->key = load_copy(loader, object, "key");
    cert->is_ca = load_bool(loader, object, "is_ca");
    return true;
}

static enum err broken(struct loader *loader, const char *what) {
    return err_note(loader->note, ERR_INPUT, "%s:%llu: %s; write it again with --chains-out",
                    loader->file, (unsigned long long)loader->line, what);
}

enum err load_chain(struct loader *loader, const cJSON *record) {
    struct snapshot *snapshot = loader->snapshot;
    uint8_t id[SHA256_LEN], digests[CHAIN_CERTS_MAX][SHA256_LEN], sum[SHA256_LEN];
    uint32_t certs[CHAIN_CERTS_MAX], count = 0;
    const cJSON *items = load_array(loader, record, "certificates"), *item;
    if (!load_digest(loader, record, "chain_id", id) || loader->fault != NULL) {
        return loader->fault != NULL ? ERR_NONE : broken(loader, "a chain without its id");
    }
    cJSON_ArrayForEach(item, items) {
        if (count == CHAIN_CERTS_MAX) {
            return broken(loader, "a chain of more certificates than a sweep takes");
        }
        if (!load_digest(loader, item, "cert_sha256", digests[count])) {
            return loader->fault != NULL ? ERR_NONE
                                         : broken(loader, "a certificate without digest");
        }
        count++;
    }
    sha256_once(span_of(digests, (size_t)count * SHA256_LEN), sum);
    if (count == 0 || memcmp(sum, id, SHA256_LEN) != 0) {
        return broken(loader, "the chain's id is not that of its certificates");
    }
    uint32_t chain = snapshot_find_chain(snapshot, id);
    if (chain == SNAPSHOT_NONE) {
        return ERR_NONE; /* another sweep's */
    }
    count = 0;
    cJSON_ArrayForEach(item, items) {
        certs[count] = snapshot_cert(snapshot, digests[count]);
        if (certs[count] == SNAPSHOT_NONE) {
            return ERR_NONE; /* no memory: snapshot_end() says so */
        }
        if (!load_certificate(loader, item, certs[count], count > 0)) {
            return broken(loader, "a certificate that its digest is not of");
        }
        count++;
    }
    snapshot_chain_set(snapshot, chain, certs, count);
    return ERR_NONE;
}
