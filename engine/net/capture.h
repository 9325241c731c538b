/* TLS handshakes without an SSL object, for the depths `capture` and `prove`: our own ClientHello
   (net/hello), the server's flight up to its Certificate (capture) or to its last message (prove),
   and not one byte of ours after that. An alternative engine behind struct tls: after
   capture_init() the functions of tls.h do their work as for an SSL object, with one state more.
   In TLS 1.3 the flight is sealed under a key that needs X25519: the handshake then stands in
   TLS_WANTS_SECRET until capture_derive() has computed the secrets of up to eight connections
   together (net/x25519, which says why that may be hand-written). TLS 1.2 needs no secret.

   What is checked. capture: the tags of the records that hold the certificates; nothing says that
   the peer holds the leaf's key (PROOF_NONE). prove: the signature of CertificateVerify and the
   server's Finished (1.3), the signature of ServerKeyExchange (1.2), all by BoringSSL.

   One key share serves many handshakes of a worker (CAPTURE_SHARE_USES_MAX, CAPTURE_SHARE_NS).
   RFC 8446 section 4.2.8 leaves that to the client; what it gives up is forward secrecy, and no
   secret of ours goes under these keys.

   Whatever a usual server does not do (HelloRetryRequest, versions below 1.2, a suite that was not
   offered, a resumed session, a key of a kind that TLS has no signature for, static RSA in prove)
   ends in TLS_FAILED with tls->fallback: only the SSL object can tell what it is; the caller tries
   again, on a new connection, at depth complete. A wrong signature, Finished or tag is final,
   except that of the first sealed record: that may be our own arithmetic.

   The peer sees an unfinished handshake, which servers and their monitoring may log. */
#ifndef PINSWEEP_NET_CAPTURE_H
#define PINSWEEP_NET_CAPTURE_H

#include "engine/net/tls.h"
#include "engine/net/x25519.h"

/* Whether the view can be captured at all: else only the SSL object offers what was asked for (no
   version above TLS 1.1). */
bool capture_can(const struct tls_context *context, enum key_view view);

/* Bytes of `output` that captures of any view and name use: often far fewer than
   SEND_BUFFER_BYTES. 0: no view can be captured. */
size_t capture_output_max(const struct tls_context *context);

/* As tls_init(), at depth `capture` or `prove`; capture_can() holds. `output` must stay untouched
   by others until tls_fini(): the transcript begins with it. `now_ns`, monotonic, ages the key
   share. */
bool capture_init(struct tls *tls, struct tls_context *context, enum key_view view, const char *sni,
                  enum depth depth, uint8_t *output, uint64_t now_ns);

/* Computes the secrets of handshakes in TLS_WANTS_SECRET and goes on with each: their states change
   as by tls_feed(). */
void capture_derive(struct tls *const waiting[], size_t count);

#endif
