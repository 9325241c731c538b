/* What fleetsim wants to know of a ClientHello before the library has looked at it. */
#ifndef PINSWEEP_BENCH_FLEET_HELLO_H
#define PINSWEEP_BENCH_FLEET_HELLO_H

#include <openssl/base.h>
#include <stdbool.h>

#include "engine/base/span.h"

struct fleet_hello {
    struct span server_name; /* empty: none; borrowed from the ClientHello */
    bool offers_tls13;
    bool signs_ecdsa;   /* signature_algorithms has ecdsa_secp256r1_sha256, or is absent */
    bool ciphers_ecdsa; /* TLS 1.2 cipher suites authenticated by ECDSA */
};

struct fleet_hello fleet_hello_read(const SSL_CLIENT_HELLO *hello);

/* Whether a server with both kinds of key takes the RSA one: it prefers ECDSA where the client can
   take that (TLS 1.3: by signature algorithms alone; 1.2: by cipher suites as well). */
bool fleet_hello_prefers_rsa(const struct fleet_hello *hello, bool is_tls13);

#endif
