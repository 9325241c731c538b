/* The certificate and chain tables of one worker. A certificate is stored once and named by its
   record's address; a chain is the sequence of its certificates. Look-ups use seeded XXH3 and
   confirm every hit with memcmp: the bytes come from adversaries.

   Ownership: a record keeps one reference on its CRYPTO_BUFFER. Certificates that act as issuers
   (sent at depth 1 or deeper, and not the leaf again) are permanent up to ISSUERS_PERMANENT_MAX and
   ISSUERS_PERMANENT_BYTES_MAX; all others live as long as a chain holds them. A CA certificate that
   only serves as a leaf is none of them: self-signed appliances would fill that bound. Chains live
   in a bounded table: a chain that nobody holds may be evicted (second-chance) when the table is
   full. Digests of new certificates are computed in batches: they are valid after intern_flush().
   Single-threaded: one table per worker. Costs about 400 ns per known certificate in a table of a
   million if asked for in batches; nothing is allocated then. */
#ifndef PINSWEEP_TRUST_INTERN_H
#define PINSWEEP_TRUST_INTERN_H

#include <openssl/base.h>

#include "engine/base/err.h"
#include "engine/base/span.h"
#include "engine/codec/cert.h"
#include "engine/codec/sha256.h"

struct cert_record {
    struct span der; /* bytes of `buffer` */
    CRYPTO_BUFFER *buffer;
    struct cert_fields fields; /* spans into `der`; only `spki` is set when !strict */
    uint8_t cert_sha256[SHA256_LEN];
    uint8_t spki_sha256[SHA256_LEN]; /* of the raw SubjectPublicKeyInfo */
    uint64_t hash;
    uint32_t refs; /* chains that hold it; permanent records are never freed */
    bool permanent;
    bool kept;           /* set by the worker once it handed the certificate to the keeper */
    bool strict;         /* cert_walk() accepted it */
    bool has_spki;       /* cert_spki() found a key to hash */
    bool subject_hashed; /* by path: BoringSSL's hash of the canonical subject */
    uint32_t subject_hash;
    X509 *x509;       /* made by path on first use as an issuer or anchor; owned by this record */
    bool x509_failed; /* BoringSSL refuses to parse it */
};

struct path_set; /* engine/trust/path.h */

struct chain {
    uint8_t id[SHA256_LEN]; /* SHA-256 over the concatenated cert_sha256, wire order; after
                               intern_flush() */
    uint32_t count;
    bool malformed; /* a certificate is not strict */
    bool written;   /* set by the worker once the chain went to --chains-out */
    uint8_t kept;   /* the same for the keeper: how much of it (engine/sweep/keeper_rows.c) */
    bool id_ready, referenced;
    uint32_t refs; /* views that hold it */
    uint64_t hash;
    struct path_set
        *paths; /* memo of path, NULL until asked; freed through intern_config.free_paths */
    struct cert_record *certs[]; /* wire order, leaf first */
};

struct intern_config {
    uint32_t chains_max; /* CHAIN_TABLE_DEFAULT */
    uint64_t seed;       /* random_u64() in production */
    void (*free_paths)(void *context,
                       struct path_set *paths); /* called when a chain is evicted; may be NULL */
    void *free_paths_context;
};

struct intern_stats {
    uint64_t cert_hits, cert_misses, chain_hits, chain_misses, evictions;
    uint32_t certs_live, issuers_permanent, chains_live;
    size_t bytes; /* the sum of: */
    size_t table_bytes, record_bytes, der_bytes, chain_bytes;
};

struct intern;

enum err intern_new(const struct intern_config *config, struct intern **out,
                    struct err_note *note) MUST_USE;
void intern_free(struct intern *intern);

/* The chain of these certificates (leaf first, 1 to CHAIN_CERTS_MAX), with one reference for the
   caller. Buffers are borrowed for the call: a new certificate takes a reference of its own. Never
   NULL: where every chain of the table is held, it grows beyond chains_max (the views in flight
   bound that). */
struct chain *intern_chain(struct intern *intern, CRYPTO_BUFFER *const certs[], size_t count);
/* The same for several chains, which takes a fraction of the time where the tables are larger than
   the caches: what their look-ups will need is asked for side by side. */
struct intern_query {
    CRYPTO_BUFFER *const *certs; /* leaf first */
    size_t count;                /* 1 to CHAIN_CERTS_MAX */
    struct chain *chain;         /* answer, with a reference */
};
#define INTERN_QUERIES_MAX 16
void intern_chains(struct intern *intern, struct intern_query queries[], size_t query_count);
/* Computes the digests and ids still pending. Call at the end of a tick, before judging. */
void intern_flush(struct intern *intern);
void intern_hold(struct chain *chain);
void intern_release(struct intern *intern, struct chain *chain);

void intern_get_stats(const struct intern *intern, struct intern_stats *out);

/* One record outside any table (trust anchors), digests computed at once. False if even the key
 * cannot be found. */
bool intern_record_init(struct cert_record *record, struct span der);
void intern_record_fini(struct cert_record *record);

#endif
