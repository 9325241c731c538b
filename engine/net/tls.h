/* A TLS client without I/O, on BoringSSL's TLS_with_buffers_method: bytes in by tls_feed, bytes out
   by tls_drain. No X509 object is made; certificates are CRYPTO_BUFFERs. The custom verification
   accepts every chain: judging is the sweep's, after the handshake (BoringSSL calls it before
   CertificateVerify, so a chain seen there is not a chain proven). Possession of the leaf's key is
   proven when the peer's handshake signature was checked. Single-threaded: one context per worker.
   Drains libcrypto's error queue. */
#ifndef PINSWEEP_NET_TLS_H
#define PINSWEEP_NET_TLS_H

#include <openssl/base.h>
#include <openssl/ssl.h>

#include "engine/base/err.h"
#include "engine/base/limits.h"
#include "engine/base/span.h"
#include "engine/net/outcome.h"

/* Which kind of certificate the handshake asks for. A server without it answers a restricted view
   with the alert 40 (or 71) that also stands for any other failure: that is not-offered. */
enum key_view {
    KEY_VIEW_ANY, /* the server's choice */
    KEY_VIEW_RSA,
    KEY_VIEW_ECDSA,
    KEY_VIEW_ED25519, /* TLS 1.3 and 1.2 with Ed25519 signatures only */
    KEY_VIEW_COUNT
};
const char *key_view_text(enum key_view view); /* "any", "rsa", ... */
bool key_view_from_text(struct span text, enum key_view *out);

/* COMPLETE: both Finished messages were checked, nothing on the way was changed. PROVE: the leaf's
   key signed this handshake's randoms; up to TLS 1.2 that covers no certificate bytes but the key,
   so that the chain is as good as its own signatures. CAPTURE: certificates only. Meaningful with
   OUTCOME_SUCCESS. */
enum depth { DEPTH_COMPLETE, DEPTH_PROVE, DEPTH_CAPTURE };
enum proof { PROOF_NONE, PROOF_POSSESSION };
const char *depth_text(enum depth depth);
bool depth_from_text(struct span text, enum depth *out);
const char *proof_text(enum proof proof);

struct tls_config {
    uint16_t min_version, max_version; /* 0x0301 .. 0x0304; default 1.2 to 1.3 */
    const char *alpn;   /* "http/1.1", or NULL for none; comma separated list allowed */
    const char *groups; /* "X25519MLKEM768:X25519:P-256"; NULL: X25519 and the NIST curves */
};

struct tls_context; /* SSL_CTX per key view */
struct capture;

enum err tls_context_new(const struct tls_config *config, struct tls_context **out,
                         struct err_note *note) MUST_USE;
void tls_context_free(struct tls_context *context);

enum tls_state {
    TLS_WANTS_READ,   /* feed more */
    TLS_WANTS_SECRET, /* of a capture only: see capture_derive(); feed nothing */
    TLS_DONE,         /* handshake complete (or complete enough: see facts.depth) */
    TLS_FAILED,       /* see outcome */
};

/* What the handshake showed. */
struct tls_facts {
    uint16_t version;        /* 0x0304; 0 if not negotiated */
    uint16_t cipher;         /* IANA suite; 0 */
    uint16_t group;          /* IANA named group; 0 (static RSA, or not known) */
    uint16_t peer_signature; /* IANA SignatureScheme; 0 */
    int16_t alert;           /* description of the alert received, -1 if none */
    bool client_cert_requested;
    enum depth depth;
    enum proof proof;
    char alpn[16];
    char error[96]; /* for people; "" on success */
};

struct tls {
    SSL *ssl;                /* NULL in a capture */
    struct capture *capture; /* the engine of depths below complete (net/capture); else NULL */
    enum tls_state state;
    enum outcome outcome; /* meaningful when state is TLS_DONE or TLS_FAILED */
    bool fallback; /* of a capture, in TLS_FAILED: only depth complete can tell what this is */
    enum key_view key_view;
    struct span input;   /* bytes being fed, during tls_feed only */
    uint8_t *output;     /* caller's buffer, SEND_BUFFER_BYTES */
    uint32_t output_len; /* bytes waiting to be sent */
    uint32_t bytes_in;   /* total, against HANDSHAKE_BYTES_MAX */
    uint8_t head[8];     /* first bytes of the peer, to tell not-tls from protocol-error */
    uint8_t head_len;
    struct tls_facts facts;
    /* private to tls*.c below */
    enum outcome verify_outcome; /* why the chain was refused; OUTCOME_SUCCESS: it was not */
    bool output_overflow;        /* the library had more to send than `output` holds */
};

/* Starts a handshake: after this the ClientHello waits in `output`. `sni` NULL or "" sends none.
   `output` (SEND_BUFFER_BYTES) is borrowed until tls_fini. False (state TLS_FAILED,
   OUTCOME_RESOURCE_ERROR) if memory is short. */
bool tls_init(struct tls *tls, struct tls_context *context, enum key_view view, const char *sni,
              uint8_t *output);
/* Frees the SSL object; safe twice. Certificates that were not referenced are gone. */
void tls_fini(struct tls *tls);

/* Takes all of `in` (bytes after the end of the handshake are ignored) and advances. New output may
   wait in either state: on TLS_DONE it is Finished and close_notify in one piece, on TLS_FAILED an
   alert. */
enum tls_state tls_feed(struct tls *tls, struct span in);
/* The peer closed its side: TLS_FAILED (connection-closed, or not-tls if what it sent was not TLS),
 * unless already done. */
enum tls_state tls_feed_eof(struct tls *tls);
/* The peer reset the connection: the same with connection-reset. */
enum tls_state tls_feed_reset(struct tls *tls);
/* Ends an unfinished handshake for the caller's reason; the facts seen so far stay. */
void tls_give_up(struct tls *tls, enum outcome outcome, const char *why);
/* The bytes to send; after sending, tls_drained(). */
static inline struct span tls_output(const struct tls *tls) {
    return span_of(tls->output, tls->output_len);
}
static inline void tls_drained(struct tls *tls) {
    tls->output_len = 0;
}

/* The peer's certificates as sent, leaf first; borrowed until tls_fini. Returns how many were sent;
   at most CHAIN_CERTS_MAX are written. May be non-zero after a failure too. */
size_t tls_peer_chain(const struct tls *tls, CRYPTO_BUFFER *out_certs[CHAIN_CERTS_MAX]);

/* "TLSv1.3", "TLS_AES_128_GCM_SHA256", "X25519": "" for 0. What has no name here is hexadecimal, in
   a buffer of this thread that the next such call overwrites. */
const char *tls_version_text(uint16_t version);
const char *tls_cipher_text(uint16_t cipher);
const char *tls_group_text(uint16_t group);
const char *
tls_signature_text(uint16_t scheme);       /* IANA SignatureScheme: "ecdsa_secp256r1_sha256" */
const char *tls_alert_text(uint8_t alert); /* "unrecognized_name"; "unknown" */
bool tls_version_from_text(struct span text, uint16_t *out); /* "1.2", "TLSv1.2", "tls1.2" */

#endif
