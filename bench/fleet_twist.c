#include "bench/fleet_twist.h"

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mint.h"
#include "engine/base/limits.h"

/* Bytes of one padded certificate: six of them pass CHAIN_BYTES_MAX. */
#define PADDED_CERT_BYTES (50 * 1024)
#define PADDED_CERT_COUNT 6
#define MANY_CERT_COUNT (CHAIN_CERTS_MAX + 8)
/* Longest chain that is bent; fleet_identity sends at most six certificates. */
#define TWIST_CHAIN_MAX 64
#define TWIST_CERT_BYTES 65536

_Static_assert(PADDED_CERT_BYTES *PADDED_CERT_COUNT > CHAIN_BYTES_MAX, "huge enough");
_Static_assert(MANY_CERT_COUNT + 8 <= TWIST_CHAIN_MAX, "fits");

struct fleet_twist {
    CRYPTO_BUFFER *padded; /* minted when first needed */
    CRYPTO_BUFFER *victim; /* shows `bytes`, which are broken once the library has looked */
    const SSL *victim_ssl; /* whose certificate is still to be broken; never followed */
    size_t broken_at;
    uint8_t bytes[TWIST_CERT_BYTES];
    EVP_PKEY *wrong_key;
};

void fleet_twist_free(struct fleet_twist *twist) {
    CRYPTO_BUFFER_free(twist->padded);
    CRYPTO_BUFFER_free(twist->victim);
    EVP_PKEY_free(twist->wrong_key);
    free(twist);
}

static CRYPTO_BUFFER *padded_certificate(struct fleet_twist *twist) {
    if (twist->padded == NULL) {
        EVP_PKEY *key = mint_key_new(MINT_P256, 0, "padded");
        struct mint_spec spec = {.subject_cn = "Padded",
                                 .key = key,
                                 .serial = 1,
                                 .not_after = INT64_C(4102444800),
                                 .is_ca = true,
                                 .path_len = -1,
                                 .padding_len = PADDED_CERT_BYTES};
        size_t der_len;
        uint8_t *der = mint_certificate(&spec, &der_len);
        twist->padded = CRYPTO_BUFFER_new(der, der_len, NULL);
        CHECK(twist->padded != NULL);
        free(der);
        EVP_PKEY_free(key);
    }
    return twist->padded;
}

/* Offset of the byte to break: the tag of tbsCertificate (before the key), or that of the
   Extensions inside [3] (after it). */
static size_t breaking_point(const CRYPTO_BUFFER *certificate, bool after_key) {
    CBS outer, inner, tbs, last;
    CBS_init(&outer, CRYPTO_BUFFER_data(certificate), CRYPTO_BUFFER_len(certificate));
    CHECK(CBS_get_asn1(&outer, &inner, CBS_ASN1_SEQUENCE) == 1);
    const uint8_t *at = CBS_data(&inner);
    if (after_key) {
        size_t header_len = 0;
        CHECK(CBS_get_asn1(&inner, &tbs, CBS_ASN1_SEQUENCE) == 1 && CBS_len(&tbs) > 0);
        while (CBS_len(&tbs) > 0) {
            CHECK(CBS_get_any_asn1_element(&tbs, &last, NULL, &header_len) == 1);
        }
        at = CBS_data(&last) + header_len;
    }
    return (size_t)(at - CRYPTO_BUFFER_data(certificate));
}

/* Sends chain[at] with one byte broken. */
static bool apply_broken(struct fleet_twist *twist, SSL *ssl, CRYPTO_BUFFER **chain,
                         uint32_t chain_len, EVP_PKEY *key, uint32_t at, bool after_key) {
    CHECK(at < chain_len && CRYPTO_BUFFER_len(chain[at]) <= sizeof twist->bytes);
    size_t len = CRYPTO_BUFFER_len(chain[at]);
    memcpy(twist->bytes, CRYPTO_BUFFER_data(chain[at]), len);
    CRYPTO_BUFFER_free(twist->victim);
    twist->victim = CRYPTO_BUFFER_new_from_static_data_unsafe(twist->bytes, len, NULL);
    twist->victim_ssl = ssl;
    twist->broken_at = breaking_point(chain[at], after_key);
    chain[at] = twist->victim;
    return SSL_set_chain_and_key(ssl, chain, chain_len, key, NULL) == 1;
}

/* The library reads the leaf when it is set and once more when the certificate is selected; after
   that it only copies the bytes into its flight. All of it happens in one SSL_do_handshake. */
static void break_when_selected(const SSL *ssl, int type, int value) {
    (void)value;
    struct fleet_twist *twist = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (type != SSL_CB_ACCEPT_LOOP || twist->victim_ssl != ssl) {
        return;
    }
    const char *state = SSL_state_string_long(ssl);
    if (strstr(state, "client_hello") == NULL && strstr(state, "select_certificate") == NULL) {
        twist->bytes[twist->broken_at] ^= 0x1F; /* no tag of the grammar */
        twist->victim_ssl = NULL;
    }
}

struct fleet_twist *fleet_twist_new(SSL_CTX *ctx) {
    struct fleet_twist *twist = calloc(1, sizeof *twist);
    CHECK(twist != NULL);
    twist->wrong_key = mint_key_new(MINT_P256, 0, "wrong");
    SSL_CTX_set_app_data(ctx, twist);
    SSL_CTX_set_info_callback(ctx, break_when_selected);
    return twist;
}

/* Signs with a key that is not the certificate's: well-formed, and no proof of anything. */
static enum ssl_private_key_result_t sign_wrongly(SSL *ssl, uint8_t *out, size_t *out_len,
                                                  size_t max_out, uint16_t algorithm,
                                                  const uint8_t *in, size_t in_len) {
    (void)algorithm;
    const struct fleet_twist *twist = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    EVP_MD_CTX context;
    EVP_MD_CTX_init(&context);
    *out_len = max_out;
    bool is_signed =
        EVP_DigestSignInit(&context, NULL, EVP_sha256(), NULL, twist->wrong_key) == 1 &&
        EVP_DigestSign(&context, out, out_len, in, in_len) == 1;
    EVP_MD_CTX_cleanup(&context);
    return is_signed ? ssl_private_key_success : ssl_private_key_failure;
}

static enum ssl_private_key_result_t never_complete(SSL *ssl, uint8_t *out, size_t *out_len,
                                                    size_t max_out) {
    (void)ssl;
    (void)out;
    (void)out_len;
    (void)max_out;
    return ssl_private_key_failure;
}

static enum ssl_private_key_result_t never_decrypt(SSL *ssl, uint8_t *out, size_t *out_len,
                                                   size_t max_out, const uint8_t *in,
                                                   size_t in_len) {
    (void)in;
    (void)in_len;
    return never_complete(ssl, out, out_len, max_out);
}

static const SSL_PRIVATE_KEY_METHOD wrong_method = {sign_wrongly, never_decrypt, never_complete};

static enum ssl_verify_result_t accept_any_client(SSL *ssl, uint8_t *out_alert) {
    (void)ssl;
    (void)out_alert;
    return ssl_verify_ok;
}

bool fleet_twist_apply(struct fleet_twist *twist, enum fleet_content content, SSL *ssl,
                       CRYPTO_BUFFER *const *chain, uint32_t chain_len, EVP_PKEY *key) {
    CRYPTO_BUFFER *bent[TWIST_CHAIN_MAX];
    CHECK(chain_len >= 1 && chain_len <= 8);
    memcpy(bent, chain, chain_len * sizeof *bent);
    switch (content) {
    case CONTENT_HUGE_CHAIN:
        for (uint32_t i = 0; i < PADDED_CERT_COUNT; i++) {
            bent[chain_len++] = padded_certificate(twist);
        }
        break;
    case CONTENT_MANY_CERTIFICATES:
        while (chain_len < MANY_CERT_COUNT) {
            bent[chain_len++] = chain[0];
        }
        break;
    case CONTENT_MALFORMED_LEAF:
        return apply_broken(twist, ssl, bent, chain_len, key, 0, true);
    case CONTENT_UNPARSABLE_LEAF:
        return apply_broken(twist, ssl, bent, chain_len, key, 0, false);
    case CONTENT_MALFORMED_INTERMEDIATE:
        return apply_broken(twist, ssl, bent, chain_len, key, chain_len > 1 ? 1 : 0, false);
    case CONTENT_BAD_SIGNATURE:
        return SSL_set_chain_and_key(ssl, bent, chain_len, NULL, &wrong_method) == 1;
    case CONTENT_CLIENT_CERT_REQUIRED:
        SSL_set_custom_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                              accept_any_client);
        break;
    case CONTENT_CLIENT_CERT_OPTIONAL:
        SSL_set_custom_verify(ssl, SSL_VERIFY_PEER, accept_any_client);
        break;
    case CONTENT_SMALL_RECORDS:
        SSL_set_max_send_fragment(ssl, 512);
        break;
    case CONTENT_GOOD:
    case CONTENT_OLD_VERSION: /* a matter of the SSL's versions: fleet_conn sets them */
        break;
    }
    return SSL_set_chain_and_key(ssl, bent, chain_len, key, NULL) == 1;
}
