#include "bench/fleet_identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mint.h"
#include "engine/base/attributes.h"

#define DAY_S INT64_C(86400)
#define HOSTS_MAX 64
#define NAME_SUFFIX ".fleet.test"

void fleet_init(struct fleet *fleet, const struct fleet_options *options) {
    *fleet = (struct fleet){.options = options};
    fleet_pki_init(&fleet->pki, options->seed, options->date_s);
    if (options->rsa_percent > 0 || options->dual || options->demo) {
        for (unsigned i = 0; i < FLEET_RSA_KEYS; i++) {
            char label[32];
            snprintf(label, sizeof label, "leaf-rsa-%u", i);
            if (options->fast) {
                fleet->fast_rsa[i] = mint_rsa_new(options->seed, label);
                fleet->rsa_leaf_keys[i] = mint_rsa_key(fleet->fast_rsa[i]);
                EVP_PKEY_up_ref(fleet->rsa_leaf_keys[i]);
            } else {
                fleet->rsa_leaf_keys[i] = mint_key_new(MINT_RSA2048, options->seed, label);
            }
        }
    }
}

void fleet_fini(struct fleet *fleet) {
    for (unsigned i = 0; i < FLEET_RSA_KEYS; i++) {
        EVP_PKEY_free(fleet->rsa_leaf_keys[i]);
        mint_rsa_free(fleet->fast_rsa[i]);
    }
    fleet_pki_fini(&fleet->pki);
}

enum fleet_class fleet_class_of(uint32_t index) {
    switch (index % 50) {
    case 0:
        return FLEET_CLASS_MISMATCH;
    case 1:
        return FLEET_CLASS_BACKUP;
    case 2:
        return FLEET_CLASS_UNPINNED;
    default:
        return FLEET_CLASS_MATCH;
    }
}

enum fleet_ca_id fleet_issuer_of(uint32_t index) {
    return (enum fleet_ca_id)(CA_ISSUING_0 + index % FLEET_ISSUING_COUNT);
}

bool fleet_is_rsa(const struct fleet_options *options, uint32_t index) {
    /* 37 is prime to 100: any hundred identities in a row have exactly so many. */
    return index * 37 % 100 < options->rsa_percent;
}

bool fleet_is_tls12_only(const struct fleet_options *options, uint32_t index) {
    return options->tls == FLEET_TLS_MIXED && index % 3 == 0;
}

void fleet_address_of(uint32_t index, uint8_t out_ipv4[4]) {
    out_ipv4[0] = 127;
    out_ipv4[1] = (uint8_t)(index >> 16);
    out_ipv4[2] = (uint8_t)(index >> 8);
    out_ipv4[3] = (uint8_t)index;
}

uint32_t fleet_index_of_address(const uint8_t ipv4[4], uint32_t identities) {
    uint32_t low = (uint32_t)ipv4[1] << 16 | (uint32_t)ipv4[2] << 8 | ipv4[3];
    return (low + identities - 1) % identities + 1;
}

uint32_t fleet_index_of_name(struct span name, uint32_t identities) {
    size_t suffix_len = sizeof NAME_SUFFIX - 1;
    if (name.len <= suffix_len + 1 || name.len > suffix_len + 7 || name.data[0] != 'h' ||
        memcmp(name.data + name.len - suffix_len, NAME_SUFFIX, suffix_len) != 0) {
        return 0;
    }
    uint32_t index = 0;
    for (size_t i = 1; i < name.len - suffix_len; i++) {
        if (name.data[i] < '0' || name.data[i] > '9' || (i == 1 && name.data[i] == '0')) {
            return 0;
        }
        index = index * 10 + (uint32_t)(name.data[i] - '0');
    }
    return index <= identities ? index : 0;
}

static EVP_PKEY *leaf_key_new(const struct fleet *fleet, const char *name, uint32_t index,
                              bool is_rsa) {
    if (is_rsa) {
        EVP_PKEY *key = fleet->rsa_leaf_keys[index % FLEET_RSA_KEYS];
        CHECK(key != NULL && EVP_PKEY_up_ref(key) == 1);
        return key;
    }
    char label[128];
    snprintf(label, sizeof label, "leaf %s", name);
    return mint_key_new(MINT_P256, fleet->pki.seed, label);
}

void fleet_host_spki_sha256(const struct fleet *fleet, const struct fleet_host *host, bool is_rsa,
                            uint8_t out[32]) {
    EVP_PKEY *key = leaf_key_new(fleet, host->name, host->last_octet, is_rsa);
    mint_spki_sha256(key, out);
    EVP_PKEY_free(key);
}

/* Mints the leaf and gathers what is sent after it. */
static struct fleet_identity *identity_new(const struct fleet *fleet, const char *cert_name,
                                           const uint8_t ipv4[4], EVP_PKEY *key,
                                           enum fleet_ca_id issuer, int32_t not_after_days,
                                           const enum fleet_ca_id *sent, uint32_t sent_count) {
    struct fleet_identity *identity = calloc(1, sizeof *identity);
    CHECK(identity != NULL && sent_count <= FLEET_SENT_MAX);
    uint8_t addresses[1][4];
    memcpy(addresses[0], ipv4, 4);
    int64_t date_s = fleet->pki.date_s;
    bool is_rsa = EVP_PKEY_id(key) == EVP_PKEY_RSA;
    struct mint_spec spec = {
        .subject_cn = cert_name,
        .issuer_cn = fleet->pki.cas[issuer].common_name,
        .issuer_org = "Pinsweep Fleet",
        .key = key,
        .issuer_key = fleet->pki.cas[issuer].key,
        .serial = (uint64_t)(is_rsa ? 2 : 1) << 32 | (uint64_t)ipv4[1] << 16 |
                  (uint64_t)ipv4[2] << 8 | ipv4[3],
        .not_before = date_s - 30 * DAY_S,
        .not_after = date_s + not_after_days * DAY_S,
        .path_len = -1,
        .dns_names = &cert_name,
        .dns_name_count = 1,
        .ipv4 = (const uint8_t(*)[4])addresses,
        .ipv4_count = 1,
        .padding_len = fleet->options->padding_len,
    };
    size_t der_len;
    uint8_t *der = mint_certificate(&spec, &der_len);
    identity->chain[0] = CRYPTO_BUFFER_new(der, der_len, NULL);
    CHECK(identity->chain[0] != NULL);
    free(der);
    identity->chain_len = 1;
    for (uint32_t i = 0; i < sent_count; i++) {
        CRYPTO_BUFFER *certificate = fleet->pki.cas[sent[i]].certificate;
        CRYPTO_BUFFER_up_ref(certificate);
        identity->chain[identity->chain_len++] = certificate;
    }
    identity->key = key;
    identity->is_rsa = is_rsa;
    return identity;
}

static struct fleet_identity *identity_of_index(const struct fleet *fleet, uint32_t index,
                                                bool is_rsa) {
    char name[32];
    uint8_t ipv4[4];
    snprintf(name, sizeof name, "h%u" NAME_SUFFIX, index);
    fleet_address_of(index, ipv4);
    enum fleet_ca_id sent[FLEET_SENT_MAX];
    uint32_t sent_count = 0;
    enum fleet_ca_id issuer = fleet_issuer_of(index);
    for (enum fleet_ca_id at = issuer; fleet->pki.cas[at].issuer != at && sent_count < 4;
         at = fleet->pki.cas[at].issuer) {
        sent[sent_count++] = at;
    }
    EVP_PKEY *key = leaf_key_new(fleet, name, index, is_rsa);
    struct fleet_identity *identity =
        identity_new(fleet, name, ipv4, key, issuer, 60, sent, sent_count);
    identity->index = index;
    identity->fast_rsa = is_rsa ? fleet->fast_rsa[index % FLEET_RSA_KEYS] : NULL;
    return identity;
}

static struct fleet_identity *identity_of_host(const struct fleet *fleet,
                                               const struct fleet_host *host, bool is_rsa) {
    uint8_t ipv4[4] = {127, 0, 1, host->last_octet};
    EVP_PKEY *key = leaf_key_new(fleet, host->name, host->last_octet, is_rsa);
    struct fleet_identity *identity =
        identity_new(fleet, host->cert_name != NULL ? host->cert_name : host->name, ipv4, key,
                     is_rsa ? host->rsa_issuer : host->issuer,
                     host->not_after_days != 0 ? host->not_after_days : 60,
                     is_rsa ? &host->rsa_issuer : host->sent, is_rsa ? 1 : host->sent_count);
    identity->host = host;
    return identity;
}

static void identity_free(struct fleet_identity *identity) {
    if (identity == NULL) {
        return;
    }
    for (uint32_t i = 0; i < identity->chain_len; i++) {
        CRYPTO_BUFFER_free(identity->chain[i]);
    }
    EVP_PKEY_free(identity->key);
    free(identity);
}

struct fleet_cache {
    const struct fleet *fleet;
    struct fleet_identity *hosts[HOSTS_MAX][2]; /* by is_rsa */
    struct fleet_identity **slots;              /* direct-mapped by index and is_rsa */
    uint32_t slot_count;
    uint64_t minted;
};

struct fleet_cache *fleet_cache_new(const struct fleet *fleet) {
    struct fleet_cache *cache = calloc(1, sizeof *cache);
    CHECK(cache != NULL);
    cache->fleet = fleet;
    cache->slot_count = fleet->options->cache_slots;
    cache->slots = calloc(cache->slot_count, sizeof(struct fleet_identity *));
    CHECK(cache->slots != NULL);
    return cache;
}

void fleet_cache_free(struct fleet_cache *cache) {
    for (uint32_t i = 0; i < HOSTS_MAX; i++) {
        identity_free(cache->hosts[i][0]);
        identity_free(cache->hosts[i][1]);
    }
    for (uint32_t i = 0; i < cache->slot_count; i++) {
        identity_free(cache->slots[i]);
    }
    free(cache->slots);
    free(cache);
}

static const struct fleet_identity *find_host(struct fleet_cache *cache, uint32_t host_idx,
                                              bool prefers_rsa) {
    const struct fleet_host *host = fleet_scenario_at(host_idx);
    CHECK(host_idx < HOSTS_MAX);
    bool is_rsa = host->has_rsa && prefers_rsa;
    struct fleet_identity **slot = &cache->hosts[host_idx][is_rsa];
    if (*slot == NULL) {
        *slot = identity_of_host(cache->fleet, host, is_rsa);
        cache->minted++;
    }
    return *slot;
}

const struct fleet_identity *fleet_cache_find(struct fleet_cache *cache, const uint8_t ipv4[4],
                                              struct span sni, bool prefers_rsa) {
    const struct fleet_options *options = cache->fleet->options;
    int host_idx = options->demo ? fleet_scenario_find_name(sni) : -1;
    if (host_idx >= 0) {
        return find_host(cache, (uint32_t)host_idx, prefers_rsa);
    }
    uint32_t index = fleet_index_of_name(sni, options->identities);
    if (index == 0 && options->demo && (host_idx = fleet_scenario_find_address(ipv4)) >= 0) {
        return find_host(cache, (uint32_t)host_idx, prefers_rsa);
    }
    if (index == 0) {
        index = fleet_index_of_address(ipv4, options->identities);
    }
    bool is_rsa = options->dual ? prefers_rsa : fleet_is_rsa(options, index);
    uint32_t slot_idx = (index + (is_rsa ? cache->slot_count / 2 : 0)) % cache->slot_count;
    struct fleet_identity **slot = &cache->slots[slot_idx];
    if (*slot == NULL || (*slot)->index != index || (*slot)->is_rsa != is_rsa) {
        identity_free(*slot);
        *slot = identity_of_index(cache->fleet, index, is_rsa);
        cache->minted++;
    }
    return *slot;
}

uint64_t fleet_cache_minted(const struct fleet_cache *cache) {
    return cache->minted;
}
