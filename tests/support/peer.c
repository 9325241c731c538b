#include "tests/support/peer.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/attributes.h"

#define KINDS 6
#define EXTRA_CERTS_MAX 64
#define SEED 4711

EVP_PKEY *peer_key(enum mint_key kind) {
    static EVP_PKEY *keys[KINDS];
    CHECK(kind < KINDS);
    if (keys[kind] == NULL) {
        keys[kind] = mint_key_new(kind, SEED, "peer");
    }
    return keys[kind];
}

static uint8_t *mint_cert(enum mint_key kind, uint64_t serial, uint32_t padding_len,
                          size_t *out_len) {
    static const char *const names[] = {"peer.example"};
    struct mint_spec spec = {.subject_cn = "peer.example",
                             .key = peer_key(kind),
                             .serial = serial,
                             .not_before = 1700000000,
                             .not_after = 1900000000,
                             .path_len = -1,
                             .dns_names = names,
                             .dns_name_count = 1,
                             .padding_len = padding_len};
    return mint_certificate(&spec, out_len);
}

struct span peer_leaf(enum mint_key kind) {
    static struct span leaves[KINDS];
    CHECK(kind < KINDS);
    if (leaves[kind].data == NULL) {
        leaves[kind].data = mint_cert(kind, 1, 0, &leaves[kind].len);
    }
    return leaves[kind];
}

static int choose_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                       unsigned in_len, void *argument) {
    (void)ssl;
    const char *wanted = argument;
    size_t wanted_len = strlen(wanted);
    for (unsigned at = 0; at < in_len; at += 1u + in[at]) {
        if (in[at] == wanted_len && memcmp(in + at + 1, wanted, wanted_len) == 0) {
            *out = in + at + 1;
            *out_len = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static enum ssl_verify_result_t refuse_client(SSL *ssl, uint8_t *out_alert) {
    (void)ssl;
    *out_alert = SSL_AD_CERTIFICATE_UNKNOWN;
    return ssl_verify_invalid;
}

static void set_chain(SSL_CTX *context, const struct peer_spec *spec) {
    CRYPTO_BUFFER *certs[1 + EXTRA_CERTS_MAX];
    CHECK(spec->extra_certs <= EXTRA_CERTS_MAX);
    struct span leaf = peer_leaf(spec->key);
    certs[0] = CRYPTO_BUFFER_new(leaf.data, leaf.len, NULL);
    for (uint32_t i = 1; i <= spec->extra_certs; i++) {
        size_t len;
        uint8_t *der = mint_cert(MINT_P256, 1000 + i, spec->padding_len, &len);
        certs[i] = CRYPTO_BUFFER_new(der, len, NULL);
        free(der);
    }
    CHECK(SSL_CTX_set_chain_and_key(context, certs, 1 + spec->extra_certs, peer_key(spec->key),
                                    NULL));
    for (uint32_t i = 0; i <= spec->extra_certs; i++) {
        CRYPTO_BUFFER_free(certs[i]);
    }
}

SSL_CTX *peer_context_new(const struct peer_spec *spec) {
    SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
    CHECK(context != NULL);
    set_chain(context, spec);
    uint16_t min_version = spec->min_version != 0 ? spec->min_version : TLS1_2_VERSION;
    uint16_t max_version = spec->max_version != 0 ? spec->max_version : TLS1_3_VERSION;
    CHECK(SSL_CTX_set_min_proto_version(context, min_version));
    CHECK(SSL_CTX_set_max_proto_version(context, max_version));
    if (spec->ciphers != NULL) {
        CHECK(SSL_CTX_set_cipher_list(context, spec->ciphers));
    }
    CHECK(SSL_CTX_set1_curves_list(context, spec->groups != NULL ? spec->groups
                                                                 : "X25519:P-256:P-384:P-521"));
    uint16_t signature = spec->signature;
    if (signature == 0 && spec->key == MINT_ED25519) { /* not among the library's own */
        signature = SSL_SIGN_ED25519;
    }
    if (signature != 0) {
        CHECK(SSL_CTX_set_signing_algorithm_prefs(context, &signature, 1));
    }
    if (spec->needs_client_certificate) {
        SSL_CTX_set_custom_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                                  refuse_client);
    }
    if (spec->alpn != NULL) {
        SSL_CTX_set_alpn_select_cb(context, choose_alpn, (void *)(uintptr_t)spec->alpn);
    }
    return context;
}

void peer_init(struct peer *peer, SSL_CTX *context) {
    *peer = (struct peer){.ssl = SSL_new(context)};
    CHECK(peer->ssl != NULL);
    SSL_set_bio(peer->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(peer->ssl);
}

void peer_fini(struct peer *peer) {
    SSL_free(peer->ssl);
    *peer = (struct peer){0};
    ERR_clear_error();
}

size_t peer_feed(struct peer *peer, struct span in, uint8_t *out, size_t out_max) {
    if (in.len > 0) {
        CHECK(BIO_write(SSL_get_rbio(peer->ssl), in.data, (int)in.len) == (int)in.len);
    }
    if (!peer->done && !peer->failed) {
        int result = SSL_do_handshake(peer->ssl);
        peer->done = result == 1;
        peer->failed = result != 1 && SSL_get_error(peer->ssl, result) != SSL_ERROR_WANT_READ;
    }
    const char *sni = SSL_get_servername(peer->ssl, TLSEXT_NAMETYPE_host_name);
    if (sni != NULL) {
        snprintf(peer->sni, sizeof peer->sni, "%s", sni);
    }
    ERR_clear_error();
    BIO *wbio = SSL_get_wbio(peer->ssl);
    size_t len = BIO_pending(wbio);
    CHECK(len <= out_max);
    return len > 0 ? (size_t)BIO_read(wbio, out, (int)len) : 0;
}
