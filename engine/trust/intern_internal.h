/* Private to intern*.c and their tests: the open-addressing table that both the certificates and
   the chains live in, and the insides of struct intern. */
#ifndef PINSWEEP_TRUST_INTERN_INTERNAL_H
#define PINSWEEP_TRUST_INTERN_INTERNAL_H

#include "engine/base/limits.h"
#include "engine/trust/intern.h"

/* XXH3 with a seed: one file each, the same values. */
typedef uint64_t intern_hash(const void *bytes, size_t len, uint64_t seed);
intern_hash intern_hash_any;
#if defined(__x86_64__)
intern_hash intern_hash_avx2; /* needs AVX2 */
#endif
intern_hash *intern_hash_choose(void);

struct intern_slot {
    uint64_t hash;
    void *item; /* NULL: free */
};

/* Linear probing, at most half full, no tombstones: removal shifts the run back. */
struct intern_table {
    struct intern_slot *slots;
    uint32_t mask, count;
};

#define INTERN_PENDING_CHAINS_MAX 128 /* chains whose id waits for the flush; then it flushes */
#define INTERN_HELD_RUN_MAX                                                                        \
    256 /* held chains in a row before the ring grows: no insertion scans 100,000 of them */
#define INTERN_IDS_AT_ONCE 32 /* chain ids hashed in one go; bounds the scratch buffer */

struct intern {
    struct intern_config config;
    intern_hash *hash;
    uint64_t hash_mask; /* all ones; tests clear bits to force collisions */
    uint32_t issuers_max;
    size_t issuer_bytes_max;

    struct intern_table certs;
    struct intern_table chains;
    struct chain **ring; /* the chains, for second-chance eviction */
    uint32_t ring_count, ring_capacity, hand;

    struct sha256_batch batch;
    struct chain *pending[INTERN_PENDING_CHAINS_MAX];
    uint32_t pending_count;
    uint8_t (*id_scratch)[CHAIN_CERTS_MAX * SHA256_LEN];

    size_t issuer_bytes; /* DER of the permanent certificates */
    struct intern_stats stats;
};

/* The table keeps `capacity` items without growing. */
void intern_table_init(struct intern_table *table, uint32_t capacity);
void intern_table_fini(struct intern_table *table);
/* Grows as needed; the item must not be there yet. */
void intern_table_add(struct intern_table *table, uint64_t hash, void *item);
/* CHECKs that the item is there. */
void intern_table_remove(struct intern_table *table, uint64_t hash, const void *item);
static inline size_t intern_table_bytes(const struct intern_table *table) {
    return ((size_t)table->mask + 1) * sizeof *table->slots;
}

/* The record of these bytes, made if need be (with refs == 0). */
struct cert_record *intern_cert(struct intern *intern, CRYPTO_BUFFER *buffer, uint64_t hash);
/* Keeps an issuer for ever while the bounds allow. */
void intern_cert_promote(struct intern *intern, struct cert_record *record);
/* Frees the record if nobody holds it and it is not permanent. */
void intern_cert_drop(struct intern *intern, struct cert_record *record);

#endif
