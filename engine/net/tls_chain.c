#include "engine/codec/cert.h"
#include "engine/net/capture_internal.h"
#include "engine/net/tls_internal.h"

static size_t captured_chain(const struct capture *capture,
                             CRYPTO_BUFFER *out_certs[CHAIN_CERTS_MAX]) {
    for (size_t i = 0; i < capture->cert_count && i < CHAIN_CERTS_MAX; i++) {
        out_certs[i] = capture->certs[i];
    }
    return capture->cert_count;
}

size_t tls_peer_chain(const struct tls *tls, CRYPTO_BUFFER *out_certs[CHAIN_CERTS_MAX]) {
    if (tls->capture != NULL) {
        return captured_chain(tls->capture, out_certs);
    }
    if (tls->ssl == NULL) {
        return 0;
    }
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(tls->ssl);
    size_t count = chain != NULL ? sk_CRYPTO_BUFFER_num(chain) : 0;
    for (size_t i = 0; i < count && i < CHAIN_CERTS_MAX; i++) {
        out_certs[i] = sk_CRYPTO_BUFFER_value(chain, i);
    }
    return count;
}

bool tls_awaits_chain(const struct tls *tls) {
    CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
    bool has_hello =
        tls->capture != NULL ? tls->facts.version != 0 : SSL_get_pending_cipher(tls->ssl) != NULL;
    return has_hello && tls_peer_chain(tls, certs) == 0;
}

static bool view_has_key(enum key_view view, enum cert_key key) {
    switch (key) {
    case CERT_KEY_OTHER: /* cannot tell: let the handshake decide */
        return true;
    case CERT_KEY_RSA:
    case CERT_KEY_RSA_PSS:
        return view == KEY_VIEW_RSA;
    case CERT_KEY_EC_P256:
    case CERT_KEY_EC_P384:
    case CERT_KEY_EC_P521:
    case CERT_KEY_EC_OTHER:
        return view == KEY_VIEW_ECDSA;
    case CERT_KEY_ED25519:
        return view == KEY_VIEW_ED25519;
    case CERT_KEY_ED448:
        return false;
    }
    return true;
}

bool tls_leaf_is_of_other_kind(const struct tls *tls) {
    CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
    if (tls->key_view == KEY_VIEW_ANY || tls_peer_chain(tls, certs) == 0) {
        return false;
    }
    struct cert_fields leaf;
    struct span der = span_of(CRYPTO_BUFFER_data(certs[0]), CRYPTO_BUFFER_len(certs[0]));
    return cert_walk(der, &leaf) && !view_has_key(tls->key_view, leaf.key);
}

enum outcome tls_check_chain(struct tls *tls) {
    CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
    size_t count = tls_peer_chain(tls, certs);
    if (count > CHAIN_CERTS_MAX) {
        tls_set_error(tls, "the peer sent %zu certificates; %d is the limit", count,
                      CHAIN_CERTS_MAX);
        return OUTCOME_CHAIN_TOO_LARGE;
    }
    for (size_t i = 0; i < count; i++) {
        if (CRYPTO_BUFFER_len(certs[i]) > CERT_BYTES_MAX) {
            tls_set_error(tls, "certificate %zu has %zu bytes; %d is the limit", i,
                          CRYPTO_BUFFER_len(certs[i]), CERT_BYTES_MAX);
            return OUTCOME_CHAIN_TOO_LARGE;
        }
    }
    if (tls_leaf_is_of_other_kind(tls)) {
        tls_set_error(tls, "the peer answered with a key of another type");
        return OUTCOME_NOT_OFFERED;
    }
    return OUTCOME_SUCCESS;
}

enum ssl_verify_result_t tls_verify_chain(SSL *ssl, uint8_t *out_alert) {
    struct tls *tls = SSL_get_app_data(ssl);
    tls->verify_outcome = tls_check_chain(tls);
    if (tls->verify_outcome == OUTCOME_SUCCESS) {
        return ssl_verify_ok;
    }
    *out_alert = SSL_AD_UNSUPPORTED_CERTIFICATE;
    return ssl_verify_invalid;
}
