#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "bench/handshake.h"
#include "bench/mint.h"
#include "engine/base/attributes.h"

#define CONTENT_LEN 130 /* of a CertificateVerify with SHA-256 (RFC 8446 section 4.4.3) */

static void init(EVP_MD_CTX *context, EVP_PKEY *key, bool signs) {
    EVP_PKEY_CTX *key_context;
    EVP_MD_CTX_init(context);
    CHECK((signs ? EVP_DigestSignInit : EVP_DigestVerifyInit)(context, &key_context, EVP_sha256(),
                                                              NULL, key));
    if (EVP_PKEY_id(key) == EVP_PKEY_RSA) {
        CHECK(EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) &&
              EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, -1));
    }
}

static void verify(const uint8_t *spki, size_t spki_len, const uint8_t *signature,
                   size_t signature_len, const uint8_t content[CONTENT_LEN]) {
    CBS cbs;
    EVP_MD_CTX context;
    CBS_init(&cbs, spki, spki_len);
    EVP_PKEY *key = EVP_parse_public_key(&cbs);
    CHECK(key != NULL);
    init(&context, key, false);
    CHECK(EVP_DigestVerify(&context, signature, signature_len, content, CONTENT_LEN) == 1);
    EVP_MD_CTX_cleanup(&context);
    EVP_PKEY_free(key);
}

double handshake_verify_us(bool is_rsa, uint32_t count) {
    EVP_PKEY *key = mint_key_new(is_rsa ? MINT_RSA2048 : MINT_P256, 1, "verify");
    uint8_t content[CONTENT_LEN], signature[512], *spki;
    size_t signature_len = sizeof signature, spki_len;
    EVP_MD_CTX context;
    CBB cbb;
    memset(content, ' ', sizeof content);
    init(&context, key, true);
    CHECK(EVP_DigestSign(&context, signature, &signature_len, content, sizeof content));
    EVP_MD_CTX_cleanup(&context);
    CHECK(CBB_init(&cbb, 512) && EVP_marshal_public_key(&cbb, key) &&
          CBB_finish(&cbb, &spki, &spki_len));
    uint64_t start_ns = handshake_thread_cpu_ns();
    for (uint32_t i = 0; i < count; i++) {
        verify(spki, spki_len, signature, signature_len, content);
    }
    uint64_t spent_ns = handshake_thread_cpu_ns() - start_ns;
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
    return (double)spent_ns / 1000.0 / (count > 0 ? count : 1);
}
