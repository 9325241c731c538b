/* Private to the tls*.c files. */
#ifndef PINSWEEP_NET_TLS_INTERNAL_H
#define PINSWEEP_NET_TLS_INTERNAL_H

#include "engine/net/tls.h"

struct tls_context {
    SSL_CTX *views[KEY_VIEW_COUNT];
    BIO_METHOD *bio_method; /* BIO_get_data is the struct tls */
    struct capture_context *capture;
};

/* tls.c: ends the handshake in this state; the input is forgotten, the facts are complete. */
enum tls_state tls_finish(struct tls *tls, enum tls_state state, enum outcome outcome);

/* tls_bio.c: reads from tls->input, writes to tls->output. NULL if memory is short. */
BIO_METHOD *tls_bio_method_new(void);

/* tls_error.c: whether `head` may begin a TLS record (RFC 8446 section 5.1). */
bool tls_head_is_plausible(const uint8_t *head, size_t head_len);
/* Says in facts.error what a peer that does not speak TLS said first. */
void tls_describe_head(struct tls *tls);
/* What the failure of a handshake step means, from libcrypto's error queue, which it drains. Sets
   facts.alert and facts.error. */
enum outcome tls_classify_errors(struct tls *tls);
/* Notes an alert of the peer; returns what it means. */
enum outcome tls_take_alert(struct tls *tls, uint8_t alert);
void tls_set_error(struct tls *tls, const char *format, ...) PRINTF_LIKE(2, 3);

/* tls_chain.c: BoringSSL's custom verification. Accepts every chain that is within our bounds and
   has a leaf of the asked key type. */
enum ssl_verify_result_t tls_verify_chain(SSL *ssl, uint8_t *out_alert);
/* The same check of the chain that the peer sent; OUTCOME_SUCCESS, or why it is refused. */
enum outcome tls_check_chain(struct tls *tls);
/* Whether the ServerHello is in and the certificates are not. */
bool tls_awaits_chain(const struct tls *tls);
/* Whether the peer showed a certificate whose key is not of the kind the view asks for. */
bool tls_leaf_is_of_other_kind(const struct tls *tls);

#endif
