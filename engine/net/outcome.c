#include "engine/net/outcome.h"

#include "engine/base/attributes.h"

/* One row per outcome. `stage` orders failures by how far the target was reached; a target's status
   is the one that says most about it. */
struct outcome_row {
    const char *text;
    unsigned char stage;
    bool retryable, failure;
};

enum {
    STAGE_STOPPED = 1,
    STAGE_NAME,
    STAGE_LOCAL,
    STAGE_CONNECT,
    STAGE_DEADLINE,
    STAGE_CONNECTED,
    STAGE_BYTES,
    STAGE_TLS,
    STAGE_CERTIFICATE,
    STAGE_BLOCKLISTED,
    STAGE_NOT_OFFERED,
    STAGE_SUCCESS,
};

static const struct outcome_row rows[OUTCOME_COUNT] = {
    [OUTCOME_SUCCESS] = {"success", STAGE_SUCCESS, false, false},
    [OUTCOME_DNS_NXDOMAIN] = {"dns-nxdomain", STAGE_NAME, false, true},
    [OUTCOME_DNS_SERVFAIL] = {"dns-servfail", STAGE_NAME, false, true},
    [OUTCOME_DNS_TIMEOUT] = {"dns-timeout", STAGE_NAME, false, true},
    [OUTCOME_DNS_NO_ADDRESS] = {"dns-no-address", STAGE_NAME, false, true},
    [OUTCOME_DNS_ERROR] = {"dns-error", STAGE_NAME, false, true},
    [OUTCOME_BLOCKLISTED] = {"blocklisted", STAGE_BLOCKLISTED, false, false},
    [OUTCOME_CONNECTION_REFUSED] = {"connection-refused", STAGE_CONNECT, true, true},
    [OUTCOME_CONNECTION_RESET] = {"connection-reset", STAGE_CONNECTED, true, true},
    [OUTCOME_CONNECTION_CLOSED] = {"connection-closed", STAGE_CONNECTED, true, true},
    [OUTCOME_CONNECTION_TIMEOUT] = {"connection-timeout", STAGE_CONNECT, true, true},
    [OUTCOME_NETWORK_UNREACHABLE] = {"network-unreachable", STAGE_CONNECT, true, true},
    [OUTCOME_IO_TIMEOUT] = {"io-timeout", STAGE_CONNECTED, true, true},
    /* The target's one deadline has passed: there is no time left for another attempt. */
    [OUTCOME_TARGET_TIMEOUT] = {"target-timeout", STAGE_DEADLINE, false, true},
    [OUTCOME_NOT_TLS] = {"not-tls", STAGE_BYTES, false, true},
    [OUTCOME_TLS_ALERT] = {"tls-alert", STAGE_TLS, false, true},
    [OUTCOME_PROTOCOL_ERROR] = {"protocol-error", STAGE_TLS, false, true},
    [OUTCOME_HANDSHAKE_ERROR] = {"handshake-error", STAGE_CERTIFICATE, false, true},
    [OUTCOME_UNSUPPORTED] = {"unsupported", STAGE_TLS, false, true},
    [OUTCOME_NOT_OFFERED] = {"not-offered", STAGE_NOT_OFFERED, false, false},
    [OUTCOME_NO_CERTIFICATES] = {"no-certificates", STAGE_CERTIFICATE, false, true},
    [OUTCOME_CHAIN_TOO_LARGE] = {"chain-too-large", STAGE_CERTIFICATE, false, true},
    [OUTCOME_MALFORMED_CERTIFICATE] = {"malformed-certificate", STAGE_CERTIFICATE, false, true},
    [OUTCOME_RESOURCE_ERROR] = {"resource-error", STAGE_LOCAL, false, true},
    [OUTCOME_CANCELLED] = {"cancelled", STAGE_STOPPED, false, true},
};

static const struct outcome_row *outcome_row(enum outcome outcome) {
    CHECK((unsigned)outcome < OUTCOME_COUNT);
    return &rows[outcome];
}

const char *outcome_text(enum outcome outcome) {
    return outcome_row(outcome)->text;
}

bool outcome_is_retryable(enum outcome outcome) {
    return outcome_row(outcome)->retryable;
}

bool outcome_is_failure(enum outcome outcome) {
    return outcome_row(outcome)->failure;
}

enum outcome outcome_better(enum outcome a, enum outcome b) {
    return outcome_row(b)->stage > outcome_row(a)->stage ? b : a;
}
