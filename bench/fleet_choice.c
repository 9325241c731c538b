#include "bench/fleet_choice.h"

#include <openssl/ssl.h>

#include "bench/fleet_hello.h"

static enum ssl_private_key_result_t sign_cheaply(SSL *ssl, uint8_t *out, size_t *out_len,
                                                  size_t max_out, uint16_t algorithm,
                                                  const uint8_t *in, size_t in_len) {
    const struct fleet_peer *peer = SSL_get_app_data(ssl);
    *out_len = fleet_fast_sign(peer->worker->fast, peer->signs, algorithm, span_of(in, in_len), out,
                               max_out);
    return *out_len > 0 ? ssl_private_key_success : ssl_private_key_failure;
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

static const SSL_PRIVATE_KEY_METHOD cheap_method = {sign_cheaply, never_decrypt, never_complete};

/* The behaviour of a named host goes with its name, too. */
static enum fleet_content content_for(const struct fleet_peer *peer,
                                      const struct fleet_identity *identity) {
    enum fleet_content content = peer->behaviour->content;
    if (content == CONTENT_GOOD && identity->host != NULL && identity->host->behaviour != NULL) {
        content = fleet_behaviour_find(identity->host->behaviour)->content;
    }
    return content;
}

static bool is_tls12_only(const struct fleet_worker *worker,
                          const struct fleet_identity *identity) {
    return worker->options->tls == FLEET_TLS_12 ||
           (identity->index > 0 && fleet_is_tls12_only(worker->options, identity->index));
}

static enum ssl_select_cert_result_t choose(const SSL_CLIENT_HELLO *hello) {
    struct fleet_peer *peer = SSL_get_app_data(hello->ssl);
    struct fleet_worker *worker = peer->worker;
    struct fleet_hello read = fleet_hello_read(hello);
    bool can_13 = worker->options->tls != FLEET_TLS_12 && read.offers_tls13;
    const struct fleet_identity *identity = fleet_cache_find(
        worker->cache, peer->ipv4, read.server_name, fleet_hello_prefers_rsa(&read, can_13));
    enum fleet_content content = content_for(peer, identity);
    if (is_tls12_only(worker, identity) &&
        SSL_set_max_proto_version(hello->ssl, TLS1_2_VERSION) != 1) {
        return ssl_select_cert_error;
    }
    bool is_set;
    if (worker->fast != NULL && content == CONTENT_GOOD &&
        (!identity->is_rsa || identity->fast_rsa != NULL)) {
        peer->signs = identity;
        is_set = SSL_set_chain_and_key(hello->ssl, identity->chain, identity->chain_len, NULL,
                                       &cheap_method) == 1;
    } else {
        is_set = fleet_twist_apply(worker->twist, content, hello->ssl, identity->chain,
                                   identity->chain_len, identity->key);
    }
    return is_set ? ssl_select_cert_success : ssl_select_cert_error;
}

void fleet_choice_prepare(SSL_CTX *ctx) {
    SSL_CTX_set_select_certificate_cb(ctx, choose);
}

bool fleet_choice_answer_fast(const struct fleet_peer *peer, struct span bytes) {
    struct fleet_worker *worker = peer->worker;
    struct fleet_hello hello;
    struct span message;
    if (worker->fast == NULL || !fleet_hello_parse(bytes, &hello, &message)) {
        return false;
    }
    const struct fleet_identity *identity = fleet_cache_find(
        worker->cache, peer->ipv4, hello.server_name, fleet_hello_prefers_rsa(&hello, true));
    if (content_for(peer, identity) != CONTENT_GOOD || is_tls12_only(worker, identity) ||
        !fleet_fast_takes(&hello, identity)) {
        return false;
    }
    worker->out_len = fleet_fast_answer(worker->fast, &hello, message, identity, worker->out,
                                        worker->out_capacity);
    return worker->out_len > 0;
}
