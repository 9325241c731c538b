#include "bench/fleet_sign.h"

#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <string.h>

#include "bench/mint.h"
#include "engine/base/attributes.h"

void fleet_signer_init(struct fleet_signer *signer) {
    uint8_t digest[32] = {1}, nonce[32];
    memset(nonce, 0x2B, sizeof nonce); /* any number below the order */
    EVP_PKEY *key = mint_key_new(MINT_P256, 0, "signer");
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    ECDSA_SIG *signature = ECDSA_sign_with_nonce_and_leak_private_key_for_testing(
        digest, sizeof digest, ec, nonce, sizeof nonce);
    CHECK(signature != NULL);
    *signer = (struct fleet_signer){
        .order = BN_dup(EC_GROUP_get0_order(EC_KEY_get0_group(ec))),
        .r = BN_dup(ECDSA_SIG_get0_r(signature)),
        .nonce_inverse = BN_bin2bn(nonce, sizeof nonce, NULL),
        .e = BN_new(),
        .s = BN_new(),
        .bn_ctx = BN_CTX_new(),
    };
    CHECK(BN_mod_inverse(signer->nonce_inverse, signer->nonce_inverse, signer->order,
                         signer->bn_ctx) != NULL);
    ECDSA_SIG_free(signature);
    EVP_PKEY_free(key);
}

void fleet_signer_fini(struct fleet_signer *signer) {
    BN_free(signer->order);
    BN_free(signer->r);
    BN_free(signer->nonce_inverse);
    BN_free(signer->e);
    BN_free(signer->s);
    BN_CTX_free(signer->bn_ctx);
}

size_t fleet_sign(struct fleet_signer *signer, const EVP_PKEY *key, const uint8_t digest[32],
                  uint8_t out[FLEET_SIGNATURE_MAX]) {
    const BIGNUM *d = EC_KEY_get0_private_key(EVP_PKEY_get0_EC_KEY(key));
    CBB cbb, sequence;
    size_t len;
    /* SEC 1, 4.1.3: s = k^-1 (e + r d) mod n. */
    CHECK(BN_bin2bn(digest, 32, signer->e) != NULL);
    CHECK(BN_mod_mul(signer->s, signer->r, d, signer->order, signer->bn_ctx) == 1);
    CHECK(BN_mod_add(signer->s, signer->s, signer->e, signer->order, signer->bn_ctx) == 1);
    CHECK(BN_mod_mul(signer->s, signer->s, signer->nonce_inverse, signer->order, signer->bn_ctx) ==
          1);
    CHECK(CBB_init_fixed(&cbb, out, FLEET_SIGNATURE_MAX) == 1);
    CHECK(CBB_add_asn1(&cbb, &sequence, CBS_ASN1_SEQUENCE) == 1);
    CHECK(BN_marshal_asn1(&sequence, signer->r) == 1);
    CHECK(BN_marshal_asn1(&sequence, signer->s) == 1);
    CHECK(CBB_finish(&cbb, NULL, &len) == 1);
    return len;
}
