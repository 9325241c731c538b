/* Minting of keys and certificates from a seed, for fleetsim, tests and benches: the same seed and
   spec give the same key and, at the same dates, the same certificate, on every machine. Never for
   production: the keys are predictable. Built on BoringSSL alone. */
#ifndef PINSWEEP_BENCH_MINT_H
#define PINSWEEP_BENCH_MINT_H

#include <openssl/base.h>
#include <openssl/evp.h>

#include "engine/base/span.h"

enum mint_key { MINT_P256, MINT_P384, MINT_P521, MINT_RSA2048, MINT_RSA3072, MINT_ED25519 };

/* A key derived from (kind, seed, label). RSA primes are searched deterministically from the seed
   (about 50 to 200 ms: keep few). The caller owns the result (EVP_PKEY_free). */
EVP_PKEY *mint_key_new(enum mint_key kind, uint64_t seed, const char *label);

struct mint_spec {
    const char *subject_cn;  /* NULL: an empty subject */
    const char *subject_org; /* NULL: none */
    const char *issuer_cn,
        *issuer_org;      /* names of the issuer; NULL issuer_cn: self-issued (same as subject) */
    EVP_PKEY *key;        /* the subject's */
    EVP_PKEY *issuer_key; /* signs; NULL: `key` (self-signed) */
    uint64_t serial;
    int64_t not_before, not_after; /* Unix seconds */
    bool is_ca;
    int path_len;                 /* -1: none */
    bool no_basic_constraints;    /* leave the extension out (v1-like CAs, sloppy leaves) */
    bool no_ku_eku;               /* leave keyUsage and extKeyUsage out */
    bool no_key_ids;              /* leave the key identifiers out, as old CAs do */
    bool eku_client_only;         /* extKeyUsage clientAuth: wrong purpose for a server */
    const char *const *dns_names; /* subjectAltName; count entries */
    uint32_t dns_name_count;
    const uint8_t (*ipv4)[4];
    uint32_t ipv4_count;
    const char *permitted_dns; /* nameConstraints permittedSubtrees dNSName; NULL: none */
    bool sha1;                 /* sign with SHA-1 (weak) */
    uint32_t padding_len; /* bytes of an unknown non-critical extension, to make big certificates */
};

/* DER in malloc'd memory (caller frees with free()); *out_len bytes. Aborts on impossible specs. */
uint8_t *mint_certificate(const struct mint_spec *spec, size_t *out_len);

/* SHA-256 of the key's SubjectPublicKeyInfo. */
void mint_spki_sha256(EVP_PKEY *key, uint8_t out[32]);

#endif
