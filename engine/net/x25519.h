/* X25519 (RFC 7748 section 5) of one private scalar with many peer points: what the fast flight
   needs when the answers of several servers to one key share are in. With AVX-512 IFMA eight points
   go through one Montgomery ladder side by side; elsewhere, and for one point alone, it is
   BoringSSL's X25519().

   Why hand-written arithmetic is safe here, and only here. The key share of a capture protects
   nothing: we send no byte under the keys that follow from it, we keep none, and what it hides is a
   certificate that the server shows to everybody who asks. The arithmetic therefore need not be
   constant-time (its memory accesses follow the scalar's bits). A wrong result cannot go unseen:
   the first record's tag fails, and the attempt is repeated with BoringSSL's SSL object. It decides
   no proof: signatures are BoringSSL's alone. It would not be safe for a connection that carries
   data, for a long-lived private key, or for anything where both sides of a comparison come from
   this code.

   Stateless but for the kernel, which is chosen once at run time. */
#ifndef PINSWEEP_NET_X25519_H
#define PINSWEEP_NET_X25519_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X25519_LEN 32
#define X25519_BATCH_MAX 8 /* points of one call */

/* out[i] = X25519(scalar, points[i]) for 1 <= count <= X25519_BATCH_MAX; `out` may be `points`. Bit
   i of the result: out[i] is usable, that is, not all zero (RFC 7748 section 6.1: a point of low
   order). */
uint32_t x25519_batch(const uint8_t scalar[X25519_LEN], const uint8_t points[][X25519_LEN],
                      size_t count, uint8_t out[][X25519_LEN]);

/* "ifma" or "scalar". */
const char *x25519_kernel(void);
/* Forces a kernel for all later batches, whatever their size (tests, benches; also
   PINSWEEP_X25519=name in the environment, read at first use); false if this CPU lacks it. NULL:
   the usual choice again. */
bool x25519_force_kernel(const char *name);

#endif
