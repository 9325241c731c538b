/* RSA-2048 signatures for a tenth of what they cost a real server. The modulus is the product of
   sixteen primes of 128 bits: who knows them signs by sixteen short exponentiations and the Chinese
   remainder theorem; who verifies sees a usual public key (2048 bits, e = 65537) and pays the usual
   price. As secure as a number of sixteen small factors is: not at all, which nobody needs, since
   everything follows from the seed. For fleetsim's --fast alone. Constant once made. */
#ifndef PINSWEEP_BENCH_MINT_RSA_H
#define PINSWEEP_BENCH_MINT_RSA_H

#include <openssl/base.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MINT_RSA_BYTES 256 /* modulus and signature */

struct mint_rsa;

struct mint_rsa *mint_rsa_new(uint64_t seed, const char *label);
void mint_rsa_free(struct mint_rsa *rsa); /* NULL is fine */

/* The same key for BoringSSL, with a private part that it can use, in its own time. Borrowed. */
EVP_PKEY *mint_rsa_key(const struct mint_rsa *rsa);

/* RSASP1 (RFC 8017 section 5.2.1): `encoded` (big endian, below the modulus) to the power of d. */
void mint_rsa_raise(const struct mint_rsa *rsa, const uint8_t encoded[MINT_RSA_BYTES],
                    uint8_t out[MINT_RSA_BYTES]);

/* Signs a digest as a TLS SignatureScheme says: PSS with a salt as long as the digest (RFC 8446
   section 4.2.3), or PKCS #1 v1.5. False if the scheme is not an RSA one. */
bool mint_rsa_sign(const struct mint_rsa *rsa, uint16_t scheme, const uint8_t *digest,
                   size_t digest_len, uint8_t out[MINT_RSA_BYTES]);

#endif
