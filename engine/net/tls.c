#include "engine/net/tls.h"

#include <openssl/err.h>

#include "engine/net/capture_internal.h"
#include "engine/net/tls_internal.h"

static void note_cipher_and_version(struct tls *tls) {
    const SSL_CIPHER *cipher = SSL_get_pending_cipher(tls->ssl);
    if (cipher == NULL) {
        cipher = SSL_get_current_cipher(tls->ssl);
    }
    if (cipher != NULL) {
        tls->facts.cipher = SSL_CIPHER_get_protocol_id(cipher);
        tls->facts.version = (uint16_t)SSL_version(tls->ssl);
    }
}

/* What the handshake showed so far; some of it only after its end. A capture notes it by itself. */
static void note_facts(struct tls *tls) {
    if (tls->ssl == NULL) {
        return;
    }
    note_cipher_and_version(tls);
    if (tls->facts.version == 0) {
        return;
    }
    tls->facts.group = SSL_get_curve_id(tls->ssl);
    uint16_t signature = SSL_get_peer_signature_algorithm(tls->ssl);
    /* BoringSSL's own number for the MD5-SHA1 pair of TLS 1.0 and 1.1 is in no registry. */
    tls->facts.peer_signature = signature != SSL_SIGN_RSA_PKCS1_MD5_SHA1 ? signature : 0;
    const uint8_t *alpn;
    unsigned alpn_len;
    SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_len);
    if (alpn_len > 0 && alpn_len < sizeof tls->facts.alpn) {
        memcpy(tls->facts.alpn, alpn, alpn_len);
        tls->facts.alpn[alpn_len] = '\0';
    }
}

enum tls_state tls_finish(struct tls *tls, enum tls_state state, enum outcome outcome) {
    note_facts(tls);
    tls->state = state;
    tls->outcome = outcome;
    tls->input = span_of(NULL, 0);
    ERR_clear_error();
    return state;
}

static enum tls_state finish_complete(struct tls *tls) {
    /* Completing proves possession in every suite we offer: by a signature, or with static RSA by
       having decrypted the premaster secret. */
    tls->facts.depth = DEPTH_COMPLETE;
    tls->facts.proof = PROOF_POSSESSION;
    SSL_shutdown(tls->ssl); /* close_notify, right behind Finished; what fails here harms nobody */
    return tls_finish(tls, TLS_DONE, OUTCOME_SUCCESS);
}

/* Up to TLS 1.2 a server that insists on a client certificate fails the handshake after it has
   shown and signed everything. The request comes after the ServerKeyExchange (RFC 5246 section
   7.3), so when BoringSSL asked us for a certificate it had checked that signature. */
static bool refused_for_client_certificate(const struct tls *tls) {
    return tls->ssl != NULL && tls->facts.client_cert_requested &&
           SSL_version(tls->ssl) <= TLS1_2_VERSION &&
           SSL_get_peer_signature_algorithm(tls->ssl) != 0;
}

static enum tls_state finish_refused(struct tls *tls) {
    tls->facts.depth = DEPTH_PROVE;
    tls->facts.proof = PROOF_POSSESSION;
    char why[40];
    memcpy(why, tls->facts.error, sizeof why - 1);
    why[sizeof why - 1] = '\0';
    tls_set_error(tls, "the server refused us without a client certificate (%s)", why);
    return tls_finish(tls, TLS_DONE, OUTCOME_SUCCESS);
}

static enum tls_state fail(struct tls *tls) {
    if (tls->output_overflow) {
        tls_set_error(tls, "the peer asks for an answer of more than %d bytes", SEND_BUFFER_BYTES);
        return tls_finish(tls, TLS_FAILED, OUTCOME_UNSUPPORTED);
    }
    if (tls->verify_outcome != OUTCOME_SUCCESS) {
        return tls_finish(tls, TLS_FAILED, tls->verify_outcome);
    }
    enum outcome outcome = tls_classify_errors(tls);
    if (tls->facts.alert >= 0 && refused_for_client_certificate(tls)) {
        return finish_refused(tls);
    }
    return tls_finish(tls, TLS_FAILED, outcome);
}

static enum tls_state fail_not_tls(struct tls *tls) {
    tls_describe_head(tls);
    return tls_finish(tls, TLS_FAILED, OUTCOME_NOT_TLS);
}

static enum tls_state advance(struct tls *tls) {
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        return finish_complete(tls);
    }
    int error = SSL_get_error(tls->ssl, result);
    if (error == SSL_ERROR_WANT_READ && !tls->output_overflow) {
        return TLS_WANTS_READ;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        /* A close_notify in the middle of the handshake: an alert like any other. */
        tls->facts.alert = SSL_AD_CLOSE_NOTIFY;
        tls_set_error(tls, "alert 0 close_notify");
        if (refused_for_client_certificate(tls)) {
            return finish_refused(tls);
        }
        return tls_finish(tls, TLS_FAILED, OUTCOME_TLS_ALERT);
    }
    return fail(tls);
}

static bool fail_init(struct tls *tls, const char *why) {
    tls_set_error(tls, "%s", why);
    tls_fini(tls);
    tls->state = TLS_FAILED;
    tls->outcome = OUTCOME_RESOURCE_ERROR;
    return false;
}

bool tls_init(struct tls *tls, struct tls_context *context, enum key_view view, const char *sni,
              uint8_t *output) {
    CHECK((unsigned)view < KEY_VIEW_COUNT);
    *tls = (struct tls){.key_view = view, .output = output, .facts = {.alert = -1}};
    tls->ssl = SSL_new(context->views[view]);
    BIO *bio = tls->ssl != NULL ? BIO_new(context->bio_method) : NULL;
    if (bio == NULL) {
        return fail_init(tls, "no memory for a TLS connection");
    }
    BIO_set_data(bio, tls);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_connect_state(tls->ssl);
    if (sni != NULL && sni[0] != '\0' && !SSL_set_tlsext_host_name(tls->ssl, sni)) {
        return fail_init(tls, "the name does not fit into SNI");
    }
    if (advance(tls) != TLS_WANTS_READ) {
        return fail_init(tls, "the ClientHello cannot be made");
    }
    return true;
}

void tls_fini(struct tls *tls) {
    SSL_free(tls->ssl);
    tls->ssl = NULL;
    capture_free(tls->capture);
    tls->capture = NULL;
    tls->output_len = 0;
    ERR_clear_error();
}

static void note_head(struct tls *tls, struct span in) {
    size_t wanted = sizeof tls->head - tls->head_len;
    struct span taken = span_take(&in, wanted);
    if (taken.len > 0) {
        memcpy(tls->head + tls->head_len, taken.data, taken.len);
        tls->head_len = (uint8_t)(tls->head_len + taken.len);
    }
}

static enum tls_state fail_too_many_bytes(struct tls *tls) {
    tls_set_error(tls, "the peer sent more than %d bytes before the handshake was done",
                  HANDSHAKE_BYTES_MAX);
    return tls_finish(tls, TLS_FAILED,
                      tls_awaits_chain(tls) ? OUTCOME_CHAIN_TOO_LARGE : OUTCOME_PROTOCOL_ERROR);
}

enum tls_state tls_feed(struct tls *tls, struct span in) {
    if (tls->state != TLS_WANTS_READ) {
        return tls->state;
    }
    note_head(tls, in);
    if (!tls_head_is_plausible(tls->head, tls->head_len)) {
        return fail_not_tls(tls);
    }
    if (in.len > HANDSHAKE_BYTES_MAX - tls->bytes_in) {
        return fail_too_many_bytes(tls);
    }
    tls->bytes_in += (uint32_t)in.len;
    tls->input = in;
    enum tls_state state = tls->capture != NULL ? capture_advance(tls) : advance(tls);
    CHECK(state != TLS_WANTS_READ || tls->input.len == 0);
    return state;
}

static enum tls_state cut(struct tls *tls, enum outcome outcome, const char *how) {
    if (tls->state != TLS_WANTS_READ) {
        return tls->state;
    }
    tls_set_error(tls, "the peer %s the connection after %u bytes", how, tls->bytes_in);
    if (refused_for_client_certificate(tls)) {
        tls_set_error(tls, "%s", how);
        return finish_refused(tls);
    }
    return tls_finish(tls, TLS_FAILED, outcome);
}

enum tls_state tls_feed_eof(struct tls *tls) {
    return cut(tls, OUTCOME_CONNECTION_CLOSED, "closed");
}

enum tls_state tls_feed_reset(struct tls *tls) {
    return cut(tls, OUTCOME_CONNECTION_RESET, "reset");
}

void tls_give_up(struct tls *tls, enum outcome outcome, const char *why) {
    if (tls->state == TLS_WANTS_READ || tls->state == TLS_WANTS_SECRET) {
        tls_set_error(tls, "%s", why);
        tls_finish(tls, TLS_FAILED, outcome);
    }
}
