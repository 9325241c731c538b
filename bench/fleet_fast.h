/* The server's side of a TLS 1.3 handshake without a TLS library, at a tenth of its cost, so that a
   bench measures the client: real certificates, encryption and signatures, but one key share for
   ever (its shared secrets are remembered by the client's share), signatures by short cuts
   (fleet_sign.h, mint_rsa.h), and a client's Finished that is counted without being verified.

   Takes TLS_AES_128_GCM_SHA256 with X25519 (RFC 8446, 4.1 to 4.4); everything else is left to
   BoringSSL. Not thread-safe: one for each worker. */
#ifndef PINSWEEP_BENCH_FLEET_FAST_H
#define PINSWEEP_BENCH_FLEET_FAST_H

#include "bench/fleet_hello.h"
#include "bench/fleet_identity.h"

struct fleet_fast;
struct fleet_fast *fleet_fast_new(void);
void fleet_fast_free(struct fleet_fast *fast);

/* Whether fleet_fast_answer would answer this ClientHello. */
bool fleet_fast_takes(const struct fleet_hello *hello, const struct fleet_identity *identity);

/* Writes the whole flight (ServerHello to Finished) into `out`; its length, or 0 if `capacity` is
   too small. `message` is the ClientHello with its handshake header. */
size_t fleet_fast_answer(struct fleet_fast *fast, const struct fleet_hello *hello,
                         struct span message, const struct fleet_identity *identity, uint8_t *out,
                         size_t capacity);

/* The cheap signature for what is left to BoringSSL: `in` hashed as `algorithm` says. 0: not an
   algorithm that the key signs with here. */
size_t fleet_fast_sign(struct fleet_fast *fast, const struct fleet_identity *identity,
                       uint16_t algorithm, struct span in, uint8_t *out, size_t capacity);

/* Whether the client's bytes have its Finished, going by the records' types and lengths;
   `out_failed` if they have something else instead. */
bool fleet_fast_is_finished(struct span bytes, bool *out_failed);

#endif
