/* Which identity answers: the mapping from (destination address, SNI) to a leaf with its chain, and
   a bounded cache of those minted.

   Identities are numbered from 1 to N. Identity i is h<i>.fleet.test at 127.x.y.z with
   x.y.z = i as 24 bits (127.0.0.5 is h5, 127.0.1.0 is h256). A ClientHello is answered by, in this
   order: the named host of its SNI (--scenario demo), identity i of an SNI h<i>.fleet.test, the
   named host at the address, the identity of the address: ((low 24 bits - 1) mod N) + 1. ::1 counts
   as 127.0.0.1. Ports do not matter.

   Not thread-safe: one cache for each worker; the fleet itself is shared and constant. */
#ifndef PINSWEEP_BENCH_FLEET_IDENTITY_H
#define PINSWEEP_BENCH_FLEET_IDENTITY_H

#include "bench/fleet_options.h"
#include "bench/fleet_pki.h"
#include "bench/fleet_scenario.h"
#include "bench/mint_rsa.h"

#define FLEET_CHAIN_MAX (1 + FLEET_SENT_MAX)
/* RSA leaf keys are slow to mint: the leaves share a few, the certificates differ. */
#define FLEET_RSA_KEYS 4

struct fleet {
    const struct fleet_options *options;
    struct fleet_pki pki;
    EVP_PKEY *rsa_leaf_keys[FLEET_RSA_KEYS];   /* NULL unless an identity has an RSA leaf */
    struct mint_rsa *fast_rsa[FLEET_RSA_KEYS]; /* the same, with --fast; else NULL */
};

void fleet_init(struct fleet *fleet, const struct fleet_options *options);
void fleet_fini(struct fleet *fleet);

struct fleet_identity {
    uint32_t index;                /* 0: a named host */
    const struct fleet_host *host; /* or NULL */
    bool is_rsa;
    uint32_t chain_len;
    CRYPTO_BUFFER *chain[FLEET_CHAIN_MAX]; /* as sent, leaf first */
    EVP_PKEY *key;
    const struct mint_rsa *fast_rsa; /* the same key, cheap to sign with; or NULL */
};

/* What the written policy makes of an identity: 1 in 50 each is a mismatch (index % 50 == 0), holds
   by its backup pin (1) and is unpinned (2); the others match. */
enum fleet_class {
    FLEET_CLASS_MATCH,
    FLEET_CLASS_BACKUP,
    FLEET_CLASS_MISMATCH,
    FLEET_CLASS_UNPINNED
};
enum fleet_class fleet_class_of(uint32_t index);

/* The issuing CA of an identity: eight in turn (index % 8); 0 to 3 below Root A, 4 and 5 below the
   policy CA below Root A (two intermediates are sent), 6 and 7 below Root B. */
enum fleet_ca_id fleet_issuer_of(uint32_t index);
/* --rsa-percent, spread evenly; with --dual both kinds exist. */
bool fleet_is_rsa(const struct fleet_options *options, uint32_t index);
/* --tls mixed. */
bool fleet_is_tls12_only(const struct fleet_options *options, uint32_t index);

void fleet_address_of(uint32_t index, uint8_t out_ipv4[4]);
uint32_t fleet_index_of_address(const uint8_t ipv4[4], uint32_t identities);
/* 0: not such a name, or beyond N. */
uint32_t fleet_index_of_name(struct span name, uint32_t identities);

/* SPKI digest of a named host's leaf. */
void fleet_host_spki_sha256(const struct fleet *fleet, const struct fleet_host *host, bool is_rsa,
                            uint8_t out[32]);

struct fleet_cache;
struct fleet_cache *fleet_cache_new(const struct fleet *fleet);
void fleet_cache_free(struct fleet_cache *cache);

/* The identity for a destination and an SNI (empty: none sent). `prefers_rsa` chooses where there
   is a choice. Borrowed until the next call. */
const struct fleet_identity *fleet_cache_find(struct fleet_cache *cache, const uint8_t ipv4[4],
                                              struct span sni, bool prefers_rsa);
uint64_t fleet_cache_minted(const struct fleet_cache *cache);

#endif
