/* Certification paths: every chain of verified issuers from the leaf to an anchor, per trust
   profile (RFC 5280 section 6, RFC 4158), bounded by PATHS_MAX, PATH_CERTS_MAX and PATH_STEPS_MAX.

   Candidates are enumerated here; each one alone is verified by BoringSSL (X509_verify_cert with
   exactly that path; purpose TLS server). Enumeration order is the preference of a client: at each
   certificate first the anchors of the profile, then the certificates sent, in sent order; no
   certificate, and no (subject, key) pair, twice in a path. The preferred path is the first that is
   valid, else the first that fails only by time. A path that ends at an intermediate which is an
   anchor is followed, as an alternative, to the anchors above it.

   Time is not part of the memo: a path stores the window in which all of its certificates are
   valid, and the caller asks with a date. Memo per chain (chain->paths), and per issuer edge: the
   upper part of a path is verified once per profile, so that a new leaf under a known issuer costs
   one parse and one signature (not so where a CA of the path has name constraints: such paths are
   verified whole for each leaf). Signatures are bounded by PATH_SIGNATURES_MAX. BoringSSL holds
   issuer and key identifiers against each other: a candidate whose identifiers differ does not
   verify. Single-threaded: one per worker. Drains libcrypto's error queue.
 */
#ifndef PINSWEEP_TRUST_PATH_H
#define PINSWEEP_TRUST_PATH_H

#include "engine/trust/anchor.h"
#include "engine/trust/intern.h"

/* Closed list, as in the records ("pkix"). */
enum pkix {
    PKIX_OK,
    PKIX_EXPIRED,
    PKIX_NOT_YET_VALID,
    PKIX_INCOMPLETE_CHAIN, /* an issuer is missing */
    PKIX_UNTRUSTED,        /* complete, but ends at a self-signed certificate that is no anchor */
    PKIX_BAD_SIGNATURE,
    PKIX_WEAK_SIGNATURE, /* MD5 or SHA-1 under the anchor */
    PKIX_WRONG_PURPOSE,
    PKIX_NAME_CONSTRAINT,
    PKIX_INVALID_CA, /* not a CA, path length, key usage */
    PKIX_MALFORMED,
    PKIX_NOT_CHECKED,
    PKIX_COUNT
};

const char *pkix_text(enum pkix result);
bool pkix_from_text(struct span text, enum pkix *out);

struct path {
    uint8_t count;                 /* certificates, leaf first, anchor last */
    enum pkix structural;          /* PKIX_OK when only time can make it fail */
    int64_t not_before, not_after; /* the window common to all its certificates (anchor included) */
    const struct cert_record *certs[PATH_CERTS_MAX];
};

struct profile_paths {
    uint16_t
        count; /* paths kept; those with structural == PKIX_OK come first, in preference order */
    uint16_t ok_count; /* how many of them are PKIX_OK structurally */
    bool truncated;    /* a bound was hit: there may be more */
    enum pkix failure; /* when ok_count == 0: why */
    char detail[96];   /* for people: "issuer not found: CN=..." ; "" if none */
    struct path *paths;
};

struct path_set {
    uint32_t profile_count; /* as in the trust store, same order */
    bool known;             /* all of it was remembered (struct path_memory), nothing verified */
    struct profile_paths profiles[];
};

/* Paths that were verified before (a store of earlier sweeps): a chain that is remembered costs a
   look-up instead of its signatures. What the memory says is believed as far as it can be: that
   the signatures were good, in the order of preference. Certificates are named by references: the
   place in the chain, or PATH_REF_ANCHOR plus the place among the profile's anchors. The memory
   must be of the same anchors in the same order, and of the same version of this program. */
#define PATH_REF_ANCHOR 0x8000u
_Static_assert(ANCHORS_MAX <= PATH_REF_ANCHOR, "an anchor's place fits a reference");

struct path_recall {
    uint32_t path_count;
    const uint16_t *refs; /* of each path: how many, then so many references, leaf first */
    size_t ref_count;     /* in all */
    enum pkix failure;    /* where there is no path: why */
    bool truncated;
    const char *detail; /* of a failure */
};

struct path_memory {
    void *context;
    /* Whether the paths of that chain in that profile are remembered. Called by all workers at
       once; what *out points to lives until the sweep ends. */
    bool (*recall)(void *context, const uint8_t chain_id[SHA256_LEN], uint32_t profile_idx,
                   struct path_recall *out);
};

/* The reference of a certificate on a path of this chain in this profile. */
uint16_t path_ref(const struct chain *chain, const struct trust_profile *profile,
                  const struct cert_record *cert);

struct path_builder;

enum err path_builder_new(const struct trust_store *store, struct path_builder **out,
                          struct err_note *note) MUST_USE;
void path_builder_free(struct path_builder *builder);
/* From now on asks `memory` (borrowed; NULL: nothing) before anything is verified. */
void path_builder_remember(struct path_builder *builder, const struct path_memory *memory);

/* The path set of the chain; built on first use and kept in chain->paths. Digests must be ready
   (intern_flush). A malformed leaf gives PKIX_MALFORMED in every profile; malformed extras are left
   out of the search. Never NULL. */
const struct path_set *path_set_of(struct path_builder *builder, struct chain *chain);
/* For intern_config.free_paths; context is the builder (or NULL). */
void path_set_free(void *context, struct path_set *paths);

/* Index of the preferred path at that time: the first structurally sound and in its window, else
   the first structurally sound; -1 if there is none. `*out_valid` says which. */
int path_preferred(const struct profile_paths *paths, int64_t now_unix_s, bool *out_valid);
/* The pkix result of the profile at that time. */
enum pkix path_pkix(const struct profile_paths *paths, int64_t now_unix_s);
static inline bool path_valid_at(const struct path *path, int64_t now_unix_s) {
    return path->structural == PKIX_OK && path->not_before <= now_unix_s &&
           now_unix_s <= path->not_after;
}

struct path_stats {
    uint64_t sets_built, sets_known; /* verified in part or whole; taken from the memory whole */
    uint64_t edges_known, edges_built, full_verifications, x509_parses;
    uint64_t leaf_verifications; /* of a leaf under an upper path already known */
};
void path_get_stats(const struct path_builder *builder, struct path_stats *out);

#endif
