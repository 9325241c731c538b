#include "bench/mint_rsa.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <string.h>

#include "engine/base/attributes.h"
#include "engine/base/rng.h"
#include "tests/support/suite.h"

/* BoringSSL is the oracle: its own private operation with the same key, its verification. */

static struct mint_rsa *rsa;

static void raise_both(const uint8_t encoded[MINT_RSA_BYTES]) {
    uint8_t ours[MINT_RSA_BYTES], theirs[MINT_RSA_BYTES];
    size_t len;
    mint_rsa_raise(rsa, encoded, ours);
    CU_ASSERT(RSA_sign_raw(EVP_PKEY_get0_RSA(mint_rsa_key(rsa)), &len, theirs, sizeof theirs,
                           encoded, MINT_RSA_BYTES, RSA_NO_PADDING) == 1);
    CU_ASSERT_EQUAL(memcmp(ours, theirs, sizeof ours), 0);
}

static void test_edges(void) {
    uint8_t encoded[MINT_RSA_BYTES] = {0};
    raise_both(encoded);
    encoded[MINT_RSA_BYTES - 1] = 1;
    raise_both(encoded);
    /* The modulus less one. */
    BIGNUM *number = BN_dup(RSA_get0_n(EVP_PKEY_get0_RSA(mint_rsa_key(rsa))));
    CHECK(BN_sub_word(number, 1) == 1 && BN_bn2bin_padded(encoded, sizeof encoded, number) == 1);
    raise_both(encoded);
    BN_free(number);
    memset(encoded, 0xFF, sizeof encoded);
    encoded[0] = 0;
    raise_both(encoded);
}

static void test_random(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (int i = 0; i < 200; i++) {
        uint8_t encoded[MINT_RSA_BYTES];
        for (size_t at = 0; at < sizeof encoded; at += 8) {
            uint64_t bits = rng_next(&rng);
            memcpy(encoded + at, &bits, 8);
        }
        encoded[0] &= 0x7F;
        raise_both(encoded);
    }
}

static bool verifies(uint16_t scheme, const uint8_t *text, size_t len, const uint8_t *signature) {
    EVP_MD_CTX context;
    EVP_PKEY_CTX *key_context;
    EVP_MD_CTX_init(&context);
    bool good =
        EVP_DigestVerifyInit(&context, &key_context, SSL_get_signature_algorithm_digest(scheme),
                             NULL, mint_rsa_key(rsa)) == 1;
    if (good && SSL_is_signature_algorithm_rsa_pss(scheme)) {
        good = EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, -1) == 1;
    }
    good = good && EVP_DigestVerify(&context, signature, MINT_RSA_BYTES, text, len) == 1;
    EVP_MD_CTX_cleanup(&context);
    return good;
}

static void test_schemes(void) {
    static const uint16_t schemes[] = {0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601};
    static const uint8_t text[] = "what is signed";
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        uint8_t digest[EVP_MAX_MD_SIZE], signature[MINT_RSA_BYTES];
        unsigned len;
        CHECK(EVP_Digest(text, sizeof text, digest, &len,
                         SSL_get_signature_algorithm_digest(schemes[i]), NULL) == 1);
        CU_ASSERT(mint_rsa_sign(rsa, schemes[i], digest, len, signature));
        CU_ASSERT(verifies(schemes[i], text, sizeof text, signature));
        CU_ASSERT_FALSE(verifies(schemes[i], text, sizeof text - 1, signature));
    }
    uint8_t digest[32] = {0}, signature[MINT_RSA_BYTES];
    CU_ASSERT_FALSE(mint_rsa_sign(rsa, 0x0403, digest, sizeof digest, signature));
    CU_ASSERT_FALSE(mint_rsa_sign(rsa, 0x0805, digest, sizeof digest, signature));
}

static void test_key(void) {
    struct mint_rsa *same = mint_rsa_new(7, "leaf"), *other = mint_rsa_new(8, "leaf");
    CU_ASSERT_EQUAL(EVP_PKEY_cmp(mint_rsa_key(rsa), mint_rsa_key(same)), 1);
    CU_ASSERT_NOT_EQUAL(EVP_PKEY_cmp(mint_rsa_key(rsa), mint_rsa_key(other)), 1);
    CU_ASSERT_EQUAL(EVP_PKEY_bits(mint_rsa_key(rsa)), 2048);
    CU_ASSERT_EQUAL(EVP_PKEY_bits(mint_rsa_key(other)), 2048);
    mint_rsa_free(same);
    mint_rsa_free(other);
    mint_rsa_free(NULL);
}

int main(int argc, char **argv) {
    static const struct suite_test tests[] = {{"edges", test_edges},
                                              {"random", test_random},
                                              {"schemes", test_schemes},
                                              {"key", test_key}};
    rsa = mint_rsa_new(7, "leaf");
    int code = suite_main("mint_rsa", tests, ARRAY_COUNT(tests), argc, argv);
    mint_rsa_free(rsa);
    return code;
}
