/* Small public-key infrastructures for tests: certificates by name, trust profiles, chains, and the
   paths that were built, as one line of text. Everything lives until pki_fini(). */
#ifndef PINSWEEP_TESTS_PKI_H
#define PINSWEEP_TESTS_PKI_H

#include "bench/mint.h"
#include "engine/trust/path.h"

#define PKI_CERTS_MAX 2048
#define PKI_KEYS_MAX 64
#define PKI_NOW INT64_C(1800000000) /* inside the default validity */

struct pki_cert {
    char tag[24]; /* how tests and pki_describe() call it */
    struct span der;
    uint8_t sha256[SHA256_LEN];
};

struct pki {
    struct pki_cert certs[PKI_CERTS_MAX];
    uint32_t cert_count;
    struct {
        char label[24];
        EVP_PKEY *key;
    } keys[PKI_KEYS_MAX];
    uint32_t key_count;
    struct trust_store store;
    struct intern *intern;
    struct path_builder *builder;
};

/* What differs from a plain certificate; names are the subject and issuer CN, and by default also
   the labels of the keys. */
struct pki_spec {
    const char *tag; /* default: the subject */
    const char *subject, *issuer;
    const char *key, *issuer_key;
    bool ca;
    int path_len; /* plus 1: 0 means none, 1 means pathLenConstraint 0 */
    bool no_ku_eku, no_key_ids, no_basic_constraints, client_only, sha1, corrupt;
    const char *dns, *permitted_dns;
    int64_t not_before, not_after; /* 0: long before and long after PKI_NOW */
};

void pki_init(struct pki *pki);
void pki_fini(struct pki *pki);

void pki_mint(struct pki *pki, struct pki_spec spec);
void pki_add_der(struct pki *pki, const char *tag, struct span der); /* copies */
struct span pki_der(const struct pki *pki, const char *tag);
/* Tags are separated by blanks. Profiles come before the first chain. */
void pki_profile(struct pki *pki, const char *name, const char *anchor_tags);
/* Interned and flushed, with one reference. */
struct chain *pki_chain(struct pki *pki, const char *tags);
const struct profile_paths *pki_paths(struct pki *pki, const char *chain_tags, uint32_t profile);
/* "leaf>I>R, leaf>J>S:bad-signature = untrusted ...": paths in order, why they are not sound, the
   failure if none is, and "..." if a bound was hit. */
void pki_describe(const struct pki *pki, const struct profile_paths *paths, char *out, size_t size);
/* Both at once, with the failing texts printed. */
bool pki_expect(struct pki *pki, const char *chain_tags, uint32_t profile, const char *expected);

#endif
