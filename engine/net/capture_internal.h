/* Private to capture.c, flight.c and tls*.c. */
#ifndef PINSWEEP_NET_CAPTURE_INTERNAL_H
#define PINSWEEP_NET_CAPTURE_INTERNAL_H

#include "engine/net/capture.h"
#include "engine/net/hello.h"
#include "engine/net/keyschedule.h"
#include "engine/net/records.h"

/* A key share and who still needs its private half. */
struct capture_share {
    uint8_t private_key[X25519_LEN], public_key[X25519_LEN]; /* alone and in the hybrid share */
    struct mlkem *mlkem; /* NULL: X25519MLKEM768 is not offered */
    uint64_t born_ns;
    uint32_t uses, holders;
};

/* What struct tls_context holds for captures. */
struct capture_context {
    struct hello hellos[KEY_VIEW_COUNT];
    bool usable[KEY_VIEW_COUNT];
    bool offers_mlkem;
    struct capture_share *share; /* of the next handshake; a holder */
};

/* Which message is awaited. */
enum flight_state {
    FLIGHT_SERVER_HELLO,
    FLIGHT_SECRET, /* none: the shared secret */
    FLIGHT_ENCRYPTED_EXTENSIONS,
    FLIGHT_CERTIFICATE_13, /* or CertificateRequest before it */
    FLIGHT_CERTIFICATE_VERIFY,
    FLIGHT_FINISHED,
    FLIGHT_CERTIFICATE_12,
    FLIGHT_SERVER_KEY_EXCHANGE,
    FLIGHT_SERVER_HELLO_DONE, /* or CertificateRequest before it */
    FLIGHT_OVER,
};

struct capture {
    enum depth depth;
    enum flight_state state;
    const struct hello *hello;
    struct capture_share *share;
    uint32_t hello_len; /* the record that was sent, at the start of tls->output */
    struct records records;
    struct keyschedule schedule;
    bool ecdsa_suite, static_rsa; /* up to TLS 1.2 */
    uint8_t server_random[HELLO_RANDOM_LEN];
    bool is_hybrid; /* the server chose X25519MLKEM768 */
    uint8_t mlkem_secret[MLKEM_SECRET_LEN];
    uint8_t peer_point[X25519_LEN];
    size_t cert_count; /* as sent */
    CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
};

/* capture.c. False if memory is short; views that cannot be captured are no failure. */
bool capture_context_init(struct tls_context *context);
void capture_context_fini(struct tls_context *context);
/* Feeds tls->input and advances. */
enum tls_state capture_advance(struct tls *tls);
void capture_free(struct capture *capture);

/* flight.c. How a message changed things. */
enum flight_step {
    FLIGHT_ON,      /* the next message */
    FLIGHT_END,     /* all that the depth wants was seen */
    FLIGHT_UNUSUAL, /* for the SSL object */
    FLIGHT_BAD,     /* final: see *out_outcome */
};
enum flight_step flight_take(struct tls *tls, struct span message, enum outcome *out_outcome);
/* The secret is there: X25519's output. */
enum flight_step flight_take_secret(struct capture *capture, const uint8_t secret[X25519_LEN]);

#endif
