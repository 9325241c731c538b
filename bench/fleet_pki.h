/* The certificate authorities of the simulated fleet, minted from the seed at start: a few roots,
   the issuing CAs below them, and the keys that policies pin and nobody uses (retired, backup).
   Constant after fleet_pki_init; shared by all workers. */
#ifndef PINSWEEP_BENCH_FLEET_PKI_H
#define PINSWEEP_BENCH_FLEET_PKI_H

#include <openssl/base.h>
#include <openssl/evp.h>
#include <openssl/pool.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A CA certificate; CA_CROSS_B certifies the key of CA_CROSS_A under another root. */
enum fleet_ca_id {
    CA_ROOT_A,
    CA_ROOT_B,
    CA_ROOT_R,
    CA_ROOT_UNKNOWN,
    CA_POLICY,
    CA_ISSUING_0,
    CA_ISSUING_1,
    CA_ISSUING_2,
    CA_ISSUING_3,
    CA_ISSUING_4,
    CA_ISSUING_5,
    CA_ISSUING_6,
    CA_ISSUING_7,
    CA_DEMO_A,
    CA_DEMO_B,
    CA_DEMO_ABSENT,
    CA_CROSS_A,
    CA_CROSS_B,
    CA_RSA,
    CA_UNKNOWN,
    CA_COUNT,
    CA_NONE = CA_COUNT,
};

#define FLEET_ISSUING_COUNT 8

/* Keys that are pinned but certify nothing. */
enum fleet_spare_id { SPARE_RETIRED, SPARE_BACKUP, SPARE_COUNT };

struct fleet_ca {
    enum fleet_ca_id id, issuer; /* issuer == id: a root */
    bool trusted;                /* a root that clients know */
    const char *common_name;
    EVP_PKEY *key;
    CRYPTO_BUFFER *certificate;
    uint8_t spki_sha256[32];
};

struct fleet_pki {
    struct fleet_ca cas[CA_COUNT];
    uint8_t spare_spki_sha256[SPARE_COUNT][32];
    uint64_t seed;
    int64_t date_s; /* midnight UTC of the day that all validities are counted from */
};

/* About half a second: three RSA keys are searched. Aborts when out of memory. */
void fleet_pki_init(struct fleet_pki *pki, uint64_t seed, int64_t date_s);
void fleet_pki_fini(struct fleet_pki *pki);

/* "sha256/BASE64" of a SubjectPublicKeyInfo digest, as pins are written. */
struct fleet_pin_text {
    char text[64];
};
struct fleet_pin_text fleet_pin_text_of(const uint8_t spki_sha256[32]);

void fleet_pem_write(FILE *out, const CRYPTO_BUFFER *certificate);

#endif
