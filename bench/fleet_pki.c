#include "bench/fleet_pki.h"

#include <openssl/base64.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mint.h"
#include "engine/base/attributes.h"

#define DAY_S INT64_C(86400)

struct ca_plan {
    const char *common_name;
    const char *key_label; /* two certificates of one label share the key */
    enum mint_key kind;
    enum fleet_ca_id issuer;
    bool trusted;
};

static const struct ca_plan plans[CA_COUNT] = {
    [CA_ROOT_A] = {"Fleet Root A", "root-a", MINT_P256, CA_ROOT_A, true},
    [CA_ROOT_B] = {"Fleet Root B", "root-b", MINT_P384, CA_ROOT_B, true},
    [CA_ROOT_R] = {"Fleet Root R", "root-r", MINT_RSA2048, CA_ROOT_R, true},
    [CA_ROOT_UNKNOWN] = {"Unknown Root", "root-unknown", MINT_P256, CA_ROOT_UNKNOWN, false},
    [CA_POLICY] = {"Fleet Policy CA", "policy", MINT_P256, CA_ROOT_A, false},
    [CA_ISSUING_0] = {"Fleet Issuing 0", "issuing-0", MINT_P256, CA_ROOT_A, false},
    [CA_ISSUING_1] = {"Fleet Issuing 1", "issuing-1", MINT_P256, CA_ROOT_A, false},
    [CA_ISSUING_2] = {"Fleet Issuing 2", "issuing-2", MINT_P256, CA_ROOT_A, false},
    [CA_ISSUING_3] = {"Fleet Issuing 3", "issuing-3", MINT_P256, CA_ROOT_A, false},
    [CA_ISSUING_4] = {"Fleet Issuing 4", "issuing-4", MINT_P256, CA_POLICY, false},
    [CA_ISSUING_5] = {"Fleet Issuing 5", "issuing-5", MINT_P256, CA_POLICY, false},
    [CA_ISSUING_6] = {"Fleet Issuing 6", "issuing-6", MINT_P256, CA_ROOT_B, false},
    [CA_ISSUING_7] = {"Fleet Issuing 7", "issuing-7", MINT_P256, CA_ROOT_B, false},
    [CA_DEMO_A] = {"Demo Issuing A", "demo-a", MINT_P256, CA_ROOT_A, false},
    [CA_DEMO_B] = {"Demo Issuing B", "demo-b", MINT_P256, CA_ROOT_A, false},
    [CA_DEMO_ABSENT] = {"Demo Issuing Never Sent", "demo-absent", MINT_P256, CA_ROOT_A, false},
    [CA_CROSS_A] = {"Demo Cross-Signed", "demo-cross", MINT_P256, CA_ROOT_A, false},
    [CA_CROSS_B] = {"Demo Cross-Signed", "demo-cross", MINT_P256, CA_ROOT_B, false},
    [CA_RSA] = {"Demo Issuing R", "demo-r", MINT_RSA2048, CA_ROOT_R, false},
    [CA_UNKNOWN] = {"Unknown Issuing", "unknown", MINT_P256, CA_ROOT_UNKNOWN, false},
};

static void ca_init(struct fleet_pki *pki, enum fleet_ca_id id) {
    const struct ca_plan *plan = &plans[id], *issuer = &plans[plan->issuer];
    struct fleet_ca *ca = &pki->cas[id];
    bool is_root = plan->issuer == id;
    *ca = (struct fleet_ca){.id = id,
                            .issuer = plan->issuer,
                            .trusted = plan->trusted,
                            .common_name = plan->common_name,
                            .key = mint_key_new(plan->kind, pki->seed, plan->key_label)};
    mint_spki_sha256(ca->key, ca->spki_sha256);
    struct mint_spec spec = {
        .subject_cn = plan->common_name,
        .subject_org = "Pinsweep Fleet",
        .issuer_cn = is_root ? NULL : issuer->common_name,
        .issuer_org = "Pinsweep Fleet",
        .key = ca->key,
        .issuer_key = is_root ? NULL : pki->cas[plan->issuer].key,
        .serial = 1000 + (uint64_t)id,
        .not_before = pki->date_s - 3 * 365 * DAY_S,
        .not_after = pki->date_s + (is_root ? 15 : 5) * 365 * DAY_S,
        .is_ca = true,
        .path_len = -1,
    };
    size_t der_len;
    uint8_t *der = mint_certificate(&spec, &der_len);
    ca->certificate = CRYPTO_BUFFER_new(der, der_len, NULL);
    CHECK(ca->certificate != NULL);
    free(der);
}

void fleet_pki_init(struct fleet_pki *pki, uint64_t seed, int64_t date_s) {
    static const char *const spare_labels[SPARE_COUNT] = {
        [SPARE_RETIRED] = "spare-retired", [SPARE_BACKUP] = "spare-backup"};
    *pki = (struct fleet_pki){.seed = seed, .date_s = date_s};
    /* In the order of the enum, an issuer comes before what it issues. */
    for (unsigned id = 0; id < CA_COUNT; id++) {
        ca_init(pki, (enum fleet_ca_id)id);
    }
    for (unsigned i = 0; i < SPARE_COUNT; i++) {
        EVP_PKEY *key = mint_key_new(MINT_P256, seed, spare_labels[i]);
        mint_spki_sha256(key, pki->spare_spki_sha256[i]);
        EVP_PKEY_free(key);
    }
}

void fleet_pki_fini(struct fleet_pki *pki) {
    for (unsigned id = 0; id < CA_COUNT; id++) {
        EVP_PKEY_free(pki->cas[id].key);
        CRYPTO_BUFFER_free(pki->cas[id].certificate);
    }
}

struct fleet_pin_text fleet_pin_text_of(const uint8_t spki_sha256[32]) {
    struct fleet_pin_text pin = {"sha256/"};
    CHECK(EVP_EncodeBlock((uint8_t *)pin.text + 7, spki_sha256, 32) == 44);
    return pin;
}

void fleet_pem_write(FILE *out, const CRYPTO_BUFFER *certificate) {
    const uint8_t *der = CRYPTO_BUFFER_data(certificate);
    size_t left = CRYPTO_BUFFER_len(certificate);
    fprintf(out, "-----BEGIN CERTIFICATE-----\n");
    while (left > 0) {
        uint8_t line[65];
        size_t part = left < 48 ? left : 48;
        EVP_EncodeBlock(line, der, part);
        fprintf(out, "%s\n", (const char *)line);
        der += part;
        left -= part;
    }
    fprintf(out, "-----END CERTIFICATE-----\n");
}
