#include "bench/mint.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <string.h>

#include "bench/mint_internal.h"
#include "engine/base/attributes.h"

/* Odd numbers tried from one starting point: a 1536-bit prime comes after about 530 on average, so
   this bound is a bug detector. */
#define PRIME_STEPS_MAX 65536

static const char *const kind_names[] = {
    [MINT_P256] = "p256",       [MINT_P384] = "p384",       [MINT_P521] = "p521",
    [MINT_RSA2048] = "rsa2048", [MINT_RSA3072] = "rsa3072", [MINT_ED25519] = "ed25519",
};

static void be64(uint8_t out[8], uint64_t value) {
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (56 - 8 * i));
    }
}

void mint_stream_init(struct mint_stream *stream, const char *kind, uint64_t seed,
                      const void *label, size_t label_len) {
    uint8_t seed_bytes[8];
    be64(seed_bytes, seed);
    SHA256_CTX sha;
    SHA256_Init(&sha);
    SHA256_Update(&sha, kind, strlen(kind) + 1);
    SHA256_Update(&sha, seed_bytes, sizeof seed_bytes);
    SHA256_Update(&sha, label, label_len);
    SHA256_Final(stream->root, &sha);
    stream->counter = 0;
    stream->left_len = 0;
}

void mint_stream_read(struct mint_stream *stream, uint8_t *out, size_t len) {
    while (len > 0) {
        if (stream->left_len == 0) {
            uint8_t input[40];
            memcpy(input, stream->root, 32);
            be64(input + 32, stream->counter++);
            SHA256(input, sizeof input, stream->block);
            stream->left_len = sizeof stream->block;
        }
        size_t part = len < stream->left_len ? len : stream->left_len;
        memcpy(out, stream->block + sizeof stream->block - stream->left_len, part);
        stream->left_len -= part;
        out += part;
        len -= part;
    }
}

static EVP_PKEY *ec_key_new(int nid, struct mint_stream *stream) {
    uint8_t secret[32];
    mint_stream_read(stream, secret, sizeof secret);
    const EC_GROUP *group = EC_GROUP_new_by_curve_name(nid);
    EC_KEY *ec = EC_KEY_derive_from_secret(group, secret, sizeof secret);
    EVP_PKEY *key = EVP_PKEY_new();
    CHECK(ec != NULL && key != NULL && EVP_PKEY_assign_EC_KEY(key, ec) == 1);
    return key;
}

BIGNUM *mint_prime_new(struct mint_stream *stream, unsigned bits, uint8_t top, BN_ULONG e,
                       BN_CTX *ctx) {
    uint8_t bytes[256];
    size_t len = bits / 8;
    CHECK(len <= sizeof bytes);
    mint_stream_read(stream, bytes, len);
    bytes[0] |= top;
    bytes[len - 1] |= 1;
    BIGNUM *candidate = BN_bin2bn(bytes, len, NULL);
    CHECK(candidate != NULL);
    for (unsigned step = 0; step < PRIME_STEPS_MAX; step++) {
        int is_prime = 0;
        /* Few rounds: the candidates are not an adversary's, and the keys protect nothing. */
        CHECK(BN_primality_test(&is_prime, candidate, 5, ctx, 1, NULL) == 1);
        if (is_prime && BN_mod_word(candidate, e) != 1) {
            return candidate;
        }
        CHECK(BN_add_word(candidate, 2) == 1 && BN_num_bits(candidate) == bits);
    }
    check_failed(__FILE__, __LINE__, "a prime within PRIME_STEPS_MAX");
}

static EVP_PKEY *rsa_key_new(unsigned bits, struct mint_stream *stream) {
    static const BN_ULONG public_exponent = 65537;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *p = mint_prime_new(stream, bits / 2, 0xC0, public_exponent, ctx);
    BIGNUM *q = mint_prime_new(stream, bits / 2, 0xC0, public_exponent, ctx);
    CHECK(BN_cmp(p, q) != 0);
    if (BN_cmp(p, q) < 0) {
        BIGNUM *larger = q;
        q = p;
        p = larger;
    }
    BIGNUM *n = BN_new(), *e = BN_new(), *d = BN_new(), *dmp1 = BN_new(), *dmq1 = BN_new();
    BIGNUM *p1 = BN_dup(p), *q1 = BN_dup(q), *phi = BN_new(), *iqmp = BN_new();
    CHECK(BN_mul(n, p, q, ctx) == 1 && BN_set_word(e, public_exponent) == 1);
    CHECK(BN_sub_word(p1, 1) == 1 && BN_sub_word(q1, 1) == 1);
    CHECK(BN_mul(phi, p1, q1, ctx) == 1);
    CHECK(BN_mod_inverse(d, e, phi, ctx) != NULL);
    CHECK(BN_mod(dmp1, d, p1, ctx) == 1 && BN_mod(dmq1, d, q1, ctx) == 1);
    CHECK(BN_mod_inverse(iqmp, q, p, ctx) != NULL);
    RSA *rsa = RSA_new();
    CHECK(RSA_set0_key(rsa, n, e, d) == 1 && RSA_set0_factors(rsa, p, q) == 1);
    CHECK(RSA_set0_crt_params(rsa, dmp1, dmq1, iqmp) == 1);
    EVP_PKEY *key = EVP_PKEY_new();
    CHECK(key != NULL && EVP_PKEY_assign_RSA(key, rsa) == 1);
    BN_free(p1);
    BN_free(q1);
    BN_free(phi);
    BN_CTX_free(ctx);
    return key;
}

static EVP_PKEY *ed25519_key_new(struct mint_stream *stream) {
    uint8_t secret[32];
    mint_stream_read(stream, secret, sizeof secret);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof secret);
    CHECK(key != NULL);
    return key;
}

EVP_PKEY *mint_key_new(enum mint_key kind, uint64_t seed, const char *label) {
    CHECK((size_t)kind < ARRAY_COUNT(kind_names));
    struct mint_stream stream;
    mint_stream_init(&stream, kind_names[kind], seed, label, strlen(label));
    switch (kind) {
    case MINT_P256:
        return ec_key_new(NID_X9_62_prime256v1, &stream);
    case MINT_P384:
        return ec_key_new(NID_secp384r1, &stream);
    case MINT_P521:
        return ec_key_new(NID_secp521r1, &stream);
    case MINT_RSA2048:
        return rsa_key_new(2048, &stream);
    case MINT_RSA3072:
        return rsa_key_new(3072, &stream);
    case MINT_ED25519:
        return ed25519_key_new(&stream);
    }
    check_failed(__FILE__, __LINE__, "a kind of key");
}

void mint_spki_sha256(EVP_PKEY *key, uint8_t out[32]) {
    CBB cbb;
    uint8_t *spki;
    size_t spki_len;
    CHECK(CBB_init(&cbb, 512) == 1 && EVP_marshal_public_key(&cbb, key) == 1);
    CHECK(CBB_finish(&cbb, &spki, &spki_len) == 1);
    SHA256(spki, spki_len, out);
    OPENSSL_free(spki);
}
