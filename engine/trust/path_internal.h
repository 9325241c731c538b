/* Private to path*.c and their tests. path.c makes path sets; path_candidates.c enumerates the
   candidates of one chain and profile; path_verify.c has BoringSSL verify one candidate;
   path_edges.c remembers verified upper paths. */
#ifndef PINSWEEP_TRUST_PATH_INTERNAL_H
#define PINSWEEP_TRUST_PATH_INTERNAL_H

#include <openssl/x509.h>

#include "engine/trust/path.h"

/* What BoringSSL said about a candidate, or about a part of it. */
struct path_check {
    enum pkix pkix;
    uint8_t error; /* X509_V_ERR_*, 0 if none: for the detail */
    uint8_t depth; /* of the certificate that is at fault, 0 = the leaf */
};

/* --- path_edges.c --- */

#define PATH_EDGE_WAYS 4

struct path_edge {
    uint8_t key[SHA256_LEN]; /* of the digests from the issuer up to the anchor */
    struct path_check check;
    bool used;
};

struct path_edges {
    struct path_edge *edges; /* PATH_EDGES_MAX, in sets of PATH_EDGE_WAYS */
    uint32_t turn;           /* which way of a full set gives way next */
};

void path_edges_init(struct path_edges *memo);
void path_edges_fini(struct path_edges *memo);
void path_edges_key(const struct cert_record *const upper[], uint32_t count,
                    uint8_t out_key[SHA256_LEN]);
/* NULL if unknown. */
const struct path_check *path_edges_find(const struct path_edges *memo,
                                         const uint8_t key[SHA256_LEN]);
void path_edges_put(struct path_edges *memo, const uint8_t key[SHA256_LEN],
                    struct path_check check);

/* --- one chain and profile --- */

/* A leaf under an issuer, verified alone: the same answer in every path and profile. */
struct path_leaf_edge {
    const struct cert_record *issuer;
    struct path_check check;
};

struct path_bad_edge {
    const struct cert_record *child, *issuer;
};

struct path_search {
    const struct trust_profile *profile;
    /* Of the chain. */
    struct cert_record *leaf; /* x509 set */
    struct cert_record *extras[CHAIN_CERTS_MAX];
    bool had_x509[CHAIN_CERTS_MAX]; /* of the extras, before this chain */
    uint32_t extra_count;
    struct path_leaf_edge leaf_edges[PATHS_MAX];
    uint32_t leaf_edge_count;
    /* Of the profile. */
    const struct cert_record *path[PATH_CERTS_MAX];
    uint32_t depth; /* certificates in `path` */
    uint32_t steps, signatures;
    struct path_bad_edge bad_edges[PATH_SIGNATURES_MAX];
    uint32_t bad_edge_count;
    struct path ok[PATHS_MAX], failed[PATHS_MAX];
    uint32_t ok_count, failed_count;
    bool truncated, done;
    uint32_t failure_rank; /* 0: nothing has failed yet */
    enum pkix failure;
    char detail[96];
};

struct path_builder {
    const struct trust_store *store;
    const struct path_memory *memory; /* NULL: none */
    X509_STORE *no_store;             /* empty: every verification names its own certificates */
    STACK_OF(X509) * trusted, *untrusted;
    struct path_edges edges;
    bool memo_off; /* tests: every path whole */
    struct path_stats stats;
    struct path_search search; /* scratch */
};

/* The record's X509, made on first use; false if BoringSSL refuses it. */
bool path_x509(struct path_builder *builder, struct cert_record *record);

/* --- path_recall.c --- */

/* The remembered paths of the chain in that profile; false (*out untouched) if there are none, or
   if anything about them does not fit: then they are verified anew. */
bool path_recall_paths(const struct path_builder *builder, const struct chain *chain,
                       uint32_t profile_idx, struct profile_paths *out);

/* --- path_candidates.c --- */

/* All paths of builder->search's leaf in its profile: fills ok, failed and the failure. */
void path_candidates_search(struct path_builder *builder);

/* --- path_verify.c --- */

/* Judges builder->search's path of `count` certificates (all with x509), time left out. Counts the
   signatures that it cost. */
struct path_check path_verify(struct path_builder *builder, uint32_t count);

#endif
