/* ECDSA P-256 signatures for next to nothing: the nonce never changes, so that r and the nonce's
   inverse are computed once and a signature is two multiplications. It gives the private key away,
   which nobody needs to steal: it follows from the seed. For fleetsim alone. */
#ifndef PINSWEEP_BENCH_FLEET_SIGN_H
#define PINSWEEP_BENCH_FLEET_SIGN_H

#include <openssl/base.h>
#include <openssl/bn.h>
#include <stddef.h>
#include <stdint.h>

#define FLEET_SIGNATURE_MAX 72 /* SEQUENCE of two INTEGERs of up to 33 bytes */

struct fleet_signer {
    BIGNUM *order, *r, *nonce_inverse, *e, *s;
    BN_CTX *bn_ctx;
};

void fleet_signer_init(struct fleet_signer *signer);
void fleet_signer_fini(struct fleet_signer *signer);

/* Signs a SHA-256 digest with a P-256 key: Ecdsa-Sig-Value in DER; returns its length. */
size_t fleet_sign(struct fleet_signer *signer, const EVP_PKEY *key, const uint8_t digest[32],
                  uint8_t out[FLEET_SIGNATURE_MAX]);

#endif
