/* What happened to a target or view on the network: the closed list of the records' "status".
   Remote behaviour is data, never an error. */
#ifndef PINSWEEP_NET_OUTCOME_H
#define PINSWEEP_NET_OUTCOME_H

#include <stdbool.h>

enum outcome {
    OUTCOME_SUCCESS,
    OUTCOME_DNS_NXDOMAIN,
    OUTCOME_DNS_SERVFAIL,
    OUTCOME_DNS_TIMEOUT,
    OUTCOME_DNS_NO_ADDRESS, /* the name exists, without an address of the asked family; CNAME loops
                               too */
    OUTCOME_DNS_ERROR,
    OUTCOME_BLOCKLISTED,
    OUTCOME_CONNECTION_REFUSED,
    OUTCOME_CONNECTION_RESET,  /* RST after the connection stood */
    OUTCOME_CONNECTION_CLOSED, /* FIN before the handshake was done */
    OUTCOME_CONNECTION_TIMEOUT,
    OUTCOME_NETWORK_UNREACHABLE,
    OUTCOME_IO_TIMEOUT,     /* connected, but the handshake was not done within --io-timeout */
    OUTCOME_TARGET_TIMEOUT, /* the target's one deadline */
    OUTCOME_NOT_TLS,        /* the first bytes are not a TLS record */
    OUTCOME_TLS_ALERT,
    OUTCOME_PROTOCOL_ERROR,  /* TLS framing or message that breaks the protocol */
    OUTCOME_HANDSHAKE_ERROR, /* well-formed, but refused: bad signature, bad Finished, key usage */
    OUTCOME_UNSUPPORTED,     /* version, cipher, curve or key type that the library cannot do */
    OUTCOME_NOT_OFFERED,     /* no certificate of the asked key type: not a failure */
    OUTCOME_NO_CERTIFICATES,
    OUTCOME_CHAIN_TOO_LARGE,
    OUTCOME_MALFORMED_CERTIFICATE,
    OUTCOME_RESOURCE_ERROR, /* this machine: ports, descriptors, memory */
    OUTCOME_CANCELLED,      /* the sweep was interrupted */
    OUTCOME_COUNT
};

/* "connection-refused"; never NULL. */
const char *outcome_text(enum outcome outcome);
/* Whether another attempt or another address may go better (time-outs, refusals, resets, closes,
 * unreachable). */
bool outcome_is_retryable(enum outcome outcome);
/* A failure for views_failed and exit code 3: all but success, not-offered and blocklisted. */
bool outcome_is_failure(enum outcome outcome);
/* For the target's status: the best of several views (success, not-offered, blocklisted, then the
 * latest stage reached). */
enum outcome outcome_better(enum outcome a, enum outcome b);

#endif
