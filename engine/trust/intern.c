#include "engine/trust/intern.h"

#include <openssl/pool.h>
#include <stdlib.h>

#include "engine/trust/intern_internal.h"

#define CERTS_INITIAL 1024 /* certificate slots at the start; the table grows */
#define PREFETCH_MAX 512   /* of a certificate's bytes; the processor goes on by itself */

enum err intern_new(const struct intern_config *config, struct intern **out,
                    struct err_note *note) {
    if (config->chains_max == 0 || config->chains_max > UINT32_C(1) << 24) {
        return err_note(note, ERR_USAGE, "the chain table cannot hold %u chains: give 1 to %u",
                        config->chains_max, UINT32_C(1) << 24);
    }
    struct intern *intern = calloc(1, sizeof *intern);
    struct chain **ring = calloc(config->chains_max, sizeof(struct chain *));
    uint8_t(*scratch)[CHAIN_CERTS_MAX * SHA256_LEN] = calloc(INTERN_IDS_AT_ONCE, sizeof *scratch);
    if (intern == NULL || ring == NULL || scratch == NULL) {
        free(intern);
        free(ring);
        free(scratch);
        return err_note(note, ERR_RESOURCE, "no memory for a table of %u chains",
                        config->chains_max);
    }
    intern->config = *config;
    intern->hash = intern_hash_choose();
    intern->hash_mask = UINT64_MAX;
    intern->issuers_max = ISSUERS_PERMANENT_MAX;
    intern->issuer_bytes_max = ISSUERS_PERMANENT_BYTES_MAX;
    intern->ring = ring;
    intern->ring_capacity = config->chains_max;
    intern->id_scratch = scratch;
    intern_table_init(&intern->certs, CERTS_INITIAL);
    intern_table_init(&intern->chains, config->chains_max);
    sha256_batch_init(&intern->batch);
    *out = intern;
    return ERR_NONE;
}

static size_t chain_bytes(const struct chain *chain) {
    return sizeof *chain + chain->count * sizeof chain->certs[0];
}

static void chain_free(struct intern *intern, struct chain *chain) {
    if (chain->paths != NULL && intern->config.free_paths != NULL) {
        intern->config.free_paths(intern->config.free_paths_context, chain->paths);
    }
    intern_table_remove(&intern->chains, chain->hash, chain);
    intern->stats.chains_live--;
    intern->stats.chain_bytes -= chain_bytes(chain);
    for (uint32_t i = 0; i < chain->count; i++) {
        chain->certs[i]->refs--;
    }
    for (uint32_t i = 0; i < chain->count; i++) {
        bool again = false; /* the same certificate twice in a chain is dropped once */
        for (uint32_t j = 0; j < i; j++) {
            again = again || chain->certs[j] == chain->certs[i];
        }
        if (!again) {
            intern_cert_drop(intern, chain->certs[i]);
        }
    }
    free(chain);
}

void intern_free(struct intern *intern) {
    if (intern == NULL) {
        return;
    }
    for (uint32_t i = 0; i < intern->ring_count; i++) {
        chain_free(intern, intern->ring[i]);
    }
    for (uint32_t i = 0; i <= intern->certs.mask; i++) {
        struct cert_record *record = intern->certs.slots[i].item;
        if (record != NULL) {
            intern_record_fini(record);
            free(record);
        }
    }
    intern_table_fini(&intern->certs);
    intern_table_fini(&intern->chains);
    free(intern->ring);
    free(intern->id_scratch);
    free(intern);
}

static uint64_t hash_of(const struct intern *intern, const void *bytes, size_t len) {
    return intern->hash(bytes, len, intern->config.seed) & intern->hash_mask;
}

static struct chain *chain_find(const struct intern *intern, uint64_t hash,
                                struct cert_record *const records[], size_t count) {
    const struct intern_table *table = &intern->chains;
    for (uint32_t at = (uint32_t)hash & table->mask; table->slots[at].item != NULL;
         at = (at + 1) & table->mask) {
        struct chain *chain = table->slots[at].item;
        if (table->slots[at].hash == hash && chain->count == count &&
            memcmp(chain->certs, records, count * sizeof(records[0])) == 0) {
            return chain;
        }
    }
    return NULL;
}

/* A chain that nobody holds, freed, and its place in the ring; NULL if all are held, or so many in
   a row that the search is given up. Second chance: two rounds find a victim if there is any. */
static struct chain **ring_evict(struct intern *intern) {
    uint32_t held_run = 0;
    for (uint32_t step = 0; step < 2 * intern->ring_count && held_run < INTERN_HELD_RUN_MAX;
         step++) {
        struct chain **place = &intern->ring[intern->hand];
        intern->hand = (intern->hand + 1) % intern->ring_count;
        struct chain *victim = *place;
        if (victim->refs > 0) {
            held_run++;
            continue;
        }
        held_run = 0;
        if (victim->referenced) {
            victim->referenced = false;
            continue;
        }
        if (!victim->id_ready) {
            intern_flush(intern); /* the batch still points into it */
        }
        chain_free(intern, victim);
        intern->stats.evictions++;
        return place;
    }
    return NULL;
}

/* The place for one more chain: a fresh one below chains_max, else a victim's, else (nearly all are
   held, by more views in flight than the table was made for) the ring grows. */
static struct chain **ring_place(struct intern *intern) {
    if (intern->ring_count >= intern->config.chains_max) {
        struct chain **place = ring_evict(intern);
        if (place != NULL) {
            return place;
        }
    }
    if (intern->ring_count == intern->ring_capacity) {
        uint32_t capacity = intern->ring_capacity * 2;
        struct chain **ring = realloc(intern->ring, capacity * sizeof(struct chain *));
        CHECK(ring != NULL);
        intern->ring = ring;
        intern->ring_capacity = capacity;
    }
    return &intern->ring[intern->ring_count++];
}

static struct chain *chain_add(struct intern *intern, uint64_t hash,
                               struct cert_record *const records[], size_t count) {
    for (size_t i = 0; i < count; i++) {
        records[i]->refs++; /* before the eviction, which may drop the last other holder */
    }
    struct chain **place = ring_place(intern);
    struct chain *chain = calloc(1, sizeof *chain + count * sizeof chain->certs[0]);
    CHECK(chain != NULL);
    *place = chain;
    chain->count = (uint32_t)count;
    chain->hash = hash;
    for (size_t i = 0; i < count; i++) {
        chain->certs[i] = records[i];
        chain->malformed = chain->malformed || !records[i]->strict;
        if (i > 0 && records[i] != records[0]) {
            intern_cert_promote(intern, records[i]);
        }
    }
    intern_table_add(&intern->chains, hash, chain);
    intern->stats.chains_live++;
    intern->stats.chain_bytes += chain_bytes(chain);
    if (intern->pending_count == INTERN_PENDING_CHAINS_MAX) {
        intern_flush(intern);
    }
    intern->pending[intern->pending_count++] = chain;
    return chain;
}

/* The hashes of a chain's certificates are known. */
static struct chain *intern_hashed(struct intern *intern, CRYPTO_BUFFER *const certs[],
                                   const uint64_t hashes[], size_t count) {
    struct cert_record *records[CHAIN_CERTS_MAX];
    for (size_t i = 0; i < count; i++) {
        records[i] = intern_cert(intern, certs[i], hashes[i]);
    }
    uint64_t hash = hash_of(intern, records, count * sizeof records[0]);
    struct chain *chain = chain_find(intern, hash, records, count);
    if (LIKELY(chain != NULL)) {
        intern->stats.chain_hits++;
        chain->referenced = true; /* only when seen again: a sweep sees most chains once */
    } else {
        chain = chain_add(intern, hash, records, count);
        intern->stats.chain_misses++;
    }
    chain->refs++;
    return chain;
}

/* --- batches --- */

/* What is known of a query before its look-up: guesses, by hash alone. They serve to ask for
   memory; the look-up decides. */
struct guess {
    uint64_t hashes[CHAIN_CERTS_MAX];
    const struct cert_record *records[CHAIN_CERTS_MAX];
    uint64_t chain_hash;
};

static const void *first_item(const struct intern_table *table, uint64_t hash) {
    uint32_t at = (uint32_t)hash & table->mask;
    while (table->slots[at].item != NULL && table->slots[at].hash != hash) {
        at = (at + 1) & table->mask;
    }
    return table->slots[at].item;
}

/* GCC 12 drops the call of a function that does nothing but prefetch: to the compiler this one does
   something. */
static void prefetch_bytes(const void *bytes, size_t len) {
    __asm__ volatile("" : : "r"(bytes));
    for (size_t at = 0; at < len; at += CACHE_LINE) {
        __builtin_prefetch((const char *)bytes + at);
    }
}

/* The steps of a batch: each touches what the one before has asked for. */
static void guess_hashes(const struct intern *intern, const struct intern_query *query,
                         struct guess *guess) {
    for (size_t i = 0; i < query->count; i++) {
        const CRYPTO_BUFFER *cert = query->certs[i];
        guess->hashes[i] = hash_of(intern, CRYPTO_BUFFER_data(cert), CRYPTO_BUFFER_len(cert));
        __builtin_prefetch(&intern->certs.slots[(uint32_t)guess->hashes[i] & intern->certs.mask]);
    }
}

static void guess_records(const struct intern *intern, const struct intern_query *query,
                          struct guess *guess) {
    bool all_known = true;
    for (size_t i = 0; i < query->count; i++) {
        guess->records[i] = first_item(&intern->certs, guess->hashes[i]);
        all_known = all_known && guess->records[i] != NULL;
        __builtin_prefetch(guess->records[i]); /* NULL does no harm */
    }
    guess->chain_hash = 0;
    if (all_known) {
        guess->chain_hash =
            hash_of(intern, guess->records, query->count * sizeof guess->records[0]);
        __builtin_prefetch(
            &intern->chains.slots[(uint32_t)guess->chain_hash & intern->chains.mask]);
    }
}

/* Issuers are in the caches, their bytes too; of a leaf all bytes are compared. */
static void guess_bytes(const struct intern *intern, const struct intern_query *query,
                        const struct guess *guess) {
    const struct cert_record *leaf = guess->records[0];
    if (leaf != NULL && leaf->der.len == CRYPTO_BUFFER_len(query->certs[0])) {
        prefetch_bytes(leaf->der.data, leaf->der.len < PREFETCH_MAX ? leaf->der.len : PREFETCH_MAX);
    }
    const struct chain *chain = first_item(&intern->chains, guess->chain_hash);
    if (chain != NULL) {
        prefetch_bytes(chain, sizeof *chain + sizeof chain->certs[0]);
    }
}

void intern_chains(struct intern *intern, struct intern_query queries[], size_t query_count) {
    struct guess guesses[INTERN_QUERIES_MAX];
    CHECK(query_count <= INTERN_QUERIES_MAX);
    for (size_t q = 0; q < query_count; q++) {
        CHECK(queries[q].count > 0 && queries[q].count <= CHAIN_CERTS_MAX);
        guess_hashes(intern, &queries[q], &guesses[q]);
    }
    for (size_t q = 0; query_count > 1 && q < query_count; q++) {
        guess_records(intern, &queries[q], &guesses[q]);
    }
    for (size_t q = 0; query_count > 1 && q < query_count; q++) {
        guess_bytes(intern, &queries[q], &guesses[q]);
    }
    for (size_t q = 0; q < query_count; q++) { /* from here on the tables change */
        queries[q].chain =
            intern_hashed(intern, queries[q].certs, guesses[q].hashes, queries[q].count);
    }
}

struct chain *intern_chain(struct intern *intern, CRYPTO_BUFFER *const certs[], size_t count) {
    struct intern_query query = {.certs = certs, .count = count};
    intern_chains(intern, &query, 1);
    return query.chain;
}

void intern_flush(struct intern *intern) {
    sha256_batch_flush(&intern->batch);
    for (uint32_t from = 0; from < intern->pending_count; from += INTERN_IDS_AT_ONCE) {
        uint32_t count = intern->pending_count - from;
        count = count < INTERN_IDS_AT_ONCE ? count : INTERN_IDS_AT_ONCE;
        for (uint32_t i = 0; i < count; i++) {
            struct chain *chain = intern->pending[from + i];
            uint8_t *digests = intern->id_scratch[i];
            for (uint32_t k = 0; k < chain->count; k++) {
                memcpy(digests + (size_t)k * SHA256_LEN, chain->certs[k]->cert_sha256, SHA256_LEN);
            }
            sha256_batch_add(&intern->batch, span_of(digests, (size_t)chain->count * SHA256_LEN),
                             chain->id);
            chain->id_ready = true;
        }
        sha256_batch_flush(&intern->batch);
    }
    intern->pending_count = 0;
}

void intern_hold(struct chain *chain) {
    CHECK(chain->refs > 0);
    chain->refs++;
}

void intern_release(struct intern *intern, struct chain *chain) {
    CHECK(intern != NULL && chain->refs > 0);
    chain->refs--;
}

void intern_get_stats(const struct intern *intern, struct intern_stats *out) {
    *out = intern->stats;
    out->table_bytes = sizeof *intern + intern_table_bytes(&intern->certs) +
                       intern_table_bytes(&intern->chains) +
                       intern->ring_capacity * sizeof intern->ring[0] +
                       INTERN_IDS_AT_ONCE * sizeof intern->id_scratch[0];
    out->bytes = out->table_bytes + out->record_bytes + out->der_bytes + out->chain_bytes;
}
