#include <openssl/pool.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "engine/trust/intern_internal.h"

/* Everything about the bytes but their digests. */
static void record_read(struct cert_record *record, CRYPTO_BUFFER *buffer) {
    *record = (struct cert_record){
        .buffer = buffer,
        .der = span_of(CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer)),
    };
    record->strict = cert_walk(record->der, &record->fields);
    record->has_spki = record->strict;
    if (!record->strict) {
        record->fields = (struct cert_fields){0};
        record->has_spki = cert_spki(record->der, &record->fields.spki);
    }
}

bool intern_record_init(struct cert_record *record, struct span der) {
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der.data, der.len, NULL);
    CHECK(buffer != NULL);
    record_read(record, buffer);
    if (!record->has_spki) {
        intern_record_fini(record);
        return false;
    }
    sha256_once(record->der, record->cert_sha256);
    sha256_once(record->fields.spki, record->spki_sha256);
    return true;
}

void intern_record_fini(struct cert_record *record) {
    X509_free(record->x509);
    CRYPTO_BUFFER_free(record->buffer);
    *record = (struct cert_record){0};
}

static struct cert_record *find(const struct intern *intern, struct span der, uint64_t hash) {
    const struct intern_table *table = &intern->certs;
    for (uint32_t at = (uint32_t)hash & table->mask; table->slots[at].item != NULL;
         at = (at + 1) & table->mask) {
        struct cert_record *record = table->slots[at].item;
        if (table->slots[at].hash == hash && span_equal(record->der, der)) {
            return record;
        }
    }
    return NULL;
}

struct cert_record *intern_cert(struct intern *intern, CRYPTO_BUFFER *buffer, uint64_t hash) {
    struct span der = span_of(CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer));
    struct cert_record *record = find(intern, der, hash);
    if (LIKELY(record != NULL)) {
        intern->stats.cert_hits++;
        return record;
    }
    record = malloc(sizeof *record);
    CHECK(record != NULL);
    CRYPTO_BUFFER_up_ref(buffer);
    record_read(record, buffer);
    record->hash = hash;
    sha256_batch_add(&intern->batch, record->der, record->cert_sha256);
    if (record->has_spki) {
        sha256_batch_add(&intern->batch, record->fields.spki, record->spki_sha256);
    }
    intern_table_add(&intern->certs, hash, record);
    intern->stats.cert_misses++;
    intern->stats.certs_live++;
    intern->stats.record_bytes += sizeof *record;
    intern->stats.der_bytes += record->der.len;
    return record;
}

void intern_cert_promote(struct intern *intern, struct cert_record *record) {
    if (record->permanent || intern->stats.issuers_permanent >= intern->issuers_max ||
        intern->issuer_bytes + record->der.len > intern->issuer_bytes_max) {
        return;
    }
    record->permanent = true;
    intern->stats.issuers_permanent++;
    intern->issuer_bytes += record->der.len;
}

void intern_cert_drop(struct intern *intern, struct cert_record *record) {
    if (record->refs > 0 || record->permanent) {
        return;
    }
    intern_table_remove(&intern->certs, record->hash, record);
    intern->stats.certs_live--;
    intern->stats.record_bytes -= sizeof *record;
    intern->stats.der_bytes -= record->der.len;
    intern_record_fini(record);
    free(record);
}
