/* A TLS server in memory, on BoringSSL, with a minted certificate: what the client's tests talk to.
   Also gives its SSL_CTX to tests that serve sockets. */
#ifndef PINSWEEP_TESTS_PEER_H
#define PINSWEEP_TESTS_PEER_H

#include <openssl/ssl.h>

#include "bench/mint.h"
#include "engine/base/span.h"

struct peer_spec {
    enum mint_key key;
    uint16_t min_version, max_version; /* 0: 1.2 to 1.3 */
    bool needs_client_certificate;
    const char *ciphers;  /* of TLS 1.2; NULL: the library's */
    const char *groups;   /* NULL: the library's */
    const char *alpn;     /* the one protocol it speaks; NULL: none */
    uint16_t signature;   /* the one scheme it signs with; 0: the library's choice */
    uint32_t extra_certs; /* behind the leaf */
    uint32_t padding_len; /* in each extra certificate */
};

/* Aborts when the library refuses the spec. */
SSL_CTX *peer_context_new(const struct peer_spec *spec);
/* The key of a kind; minted once per process, never freed. */
EVP_PKEY *peer_key(enum mint_key kind);
/* The leaf certificate that such peers show: the same bytes each time. */
struct span peer_leaf(enum mint_key kind);

struct peer {
    SSL *ssl;
    bool done, failed;
    char sni[256];
};

void peer_init(struct peer *peer, SSL_CTX *context);
void peer_fini(struct peer *peer);
/* Takes bytes of the client and advances; the answer is appended to `out`, its length returned. */
size_t peer_feed(struct peer *peer, struct span in, uint8_t *out, size_t out_max);

#endif
