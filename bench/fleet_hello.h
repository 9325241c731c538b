/* What fleetsim wants to know of a ClientHello before the library has looked at it. */
#ifndef PINSWEEP_BENCH_FLEET_HELLO_H
#define PINSWEEP_BENCH_FLEET_HELLO_H

#include <openssl/base.h>
#include <stdbool.h>

#include "engine/base/span.h"

struct fleet_hello {
    struct span server_name;              /* empty: none; borrowed from the ClientHello */
    struct span session_id, x25519_share; /* empty: none; borrowed */
    bool offers_tls13;
    bool offers_aes128; /* TLS_AES_128_GCM_SHA256 */
    bool signs_ecdsa;   /* signature_algorithms has ecdsa_secp256r1_sha256, or is absent */
    bool signs_rsa;     /* it has rsa_pss_rsae_sha256 */
    bool ciphers_ecdsa; /* TLS 1.2 cipher suites authenticated by ECDSA */
};

struct fleet_hello fleet_hello_read(const SSL_CLIENT_HELLO *hello);

/* Parses bytes that are exactly one record with exactly one ClientHello (RFC 8446, 4.1.2);
   `out_message` is the message with its header. False for everything else. */
bool fleet_hello_parse(struct span bytes, struct fleet_hello *out, struct span *out_message);

/* Whether a server with both kinds of key takes the RSA one: it prefers ECDSA where the client can
   take that (TLS 1.3: by signature algorithms alone; 1.2: by cipher suites as well). */
bool fleet_hello_prefers_rsa(const struct fleet_hello *hello, bool is_tls13);

#endif
