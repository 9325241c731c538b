#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <string.h>

#include "bench/measure/measure.h"
#include "bench/mint.h"
#include "engine/base/attributes.h"
#include "engine/codec/sha256.h"
#include "engine/net/x25519.h"

#define SPKI_LEN 91     /* of a P-256 key */
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

double measure_verify_us(enum measure_key kind, uint32_t count) {
    EVP_PKEY *key = mint_key_new(kind == MEASURE_RSA ? MINT_RSA2048 : MINT_P256, 1, "verify");
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
    uint64_t start_ns = measure_thread_cpu_ns();
    for (uint32_t i = 0; i < count; i++) {
        verify(spki, spki_len, signature, signature_len, content);
    }
    uint64_t spent_ns = measure_thread_cpu_ns() - start_ns;
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
    return (double)spent_ns / 1000.0 / (count > 0 ? count : 1);
}

static double each_us(uint64_t start_ns, uint32_t count) {
    return (double)(measure_thread_cpu_ns() - start_ns) / 1000.0 / (count > 0 ? count : 1);
}

static void hash(struct measure_primitives *out, uint32_t count) {
    uint8_t messages[SHA256_BATCH_MAX][SPKI_LEN], digests[SHA256_BATCH_MAX][SHA256_LEN];
    struct sha256_batch batch;
    memset(messages, 0x5A, sizeof messages);
    uint64_t start_ns = measure_thread_cpu_ns();
    for (uint32_t i = 0; i < count; i++) {
        SHA256(messages[i % SHA256_BATCH_MAX], SPKI_LEN, digests[i % SHA256_BATCH_MAX]);
    }
    out->sha256_boringssl = each_us(start_ns, count);
    start_ns = measure_thread_cpu_ns();
    sha256_batch_init(&batch);
    for (uint32_t i = 0; i < count; i++) {
        sha256_batch_add(&batch, span_of(messages[i % SHA256_BATCH_MAX], SPKI_LEN),
                         digests[i % SHA256_BATCH_MAX]);
    }
    sha256_batch_flush(&batch);
    out->sha256_batch = each_us(start_ns, count);
}

static void derive(struct measure_primitives *out, uint32_t count) {
    uint8_t scalar[X25519_LEN], points[X25519_BATCH_MAX][X25519_LEN],
        secrets[X25519_BATCH_MAX][X25519_LEN];
    memset(scalar, 0x35, sizeof scalar);
    for (size_t i = 0; i < X25519_BATCH_MAX; i++) {
        memset(points[i], (int)(i + 9), X25519_LEN);
    }
    uint64_t start_ns = measure_thread_cpu_ns();
    for (uint32_t i = 0; i < count; i++) {
        X25519(secrets[0], scalar, points[i % X25519_BATCH_MAX]);
    }
    out->x25519_boringssl = each_us(start_ns, count);
    start_ns = measure_thread_cpu_ns();
    for (uint32_t i = 0; i < count; i += X25519_BATCH_MAX) {
        x25519_batch(scalar, (const uint8_t(*)[X25519_LEN])points, X25519_BATCH_MAX, secrets);
    }
    out->x25519_batch = each_us(start_ns, count);
}

void measure_primitives(struct measure_primitives *out, uint32_t count) {
    count = (count + X25519_BATCH_MAX - 1) / X25519_BATCH_MAX * X25519_BATCH_MAX;
    hash(out, count * 64);
    derive(out, count);
    for (int i = 0; i < MEASURE_KEY_COUNT; i++) {
        out->verify[i] = measure_verify_us((enum measure_key)i, count);
    }
}
