#include <ctype.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/net/tls_internal.h"

/* Errors looked at in libcrypto's queue; it holds 16. */
#define ERRORS_MAX 16

struct reason_row {
    int reason;
    enum outcome outcome;
    bool other_kind; /* in a restricted view: the peer has no key of the asked type */
};

/* What BoringSSL's reasons mean; those that are not here break the protocol. */
static const struct reason_row reason_rows[] = {
    {SSL_R_BAD_SIGNATURE, OUTCOME_HANDSHAKE_ERROR, false},
    {SSL_R_DIGEST_CHECK_FAILED, OUTCOME_HANDSHAKE_ERROR, false},
    {SSL_R_KEY_USAGE_BIT_INCORRECT, OUTCOME_HANDSHAKE_ERROR, false},
    {SSL_R_ECC_CERT_NOT_FOR_SIGNING, OUTCOME_HANDSHAKE_ERROR, false},
    {SSL_R_TLS13_DOWNGRADE, OUTCOME_HANDSHAKE_ERROR, false},
    {SSL_R_CERTIFICATE_VERIFY_FAILED, OUTCOME_HANDSHAKE_ERROR, false},
    {SSL_R_WRONG_CERTIFICATE_TYPE, OUTCOME_HANDSHAKE_ERROR, true},
    {SSL_R_UNSUPPORTED_PROTOCOL, OUTCOME_UNSUPPORTED, false},
    {SSL_R_WRONG_SSL_VERSION, OUTCOME_UNSUPPORTED, false},
    {SSL_R_UNKNOWN_PROTOCOL, OUTCOME_UNSUPPORTED, false},
    {SSL_R_UNSUPPORTED_CIPHER, OUTCOME_UNSUPPORTED, false},
    {SSL_R_UNKNOWN_CIPHER_RETURNED, OUTCOME_UNSUPPORTED, true},
    {SSL_R_WRONG_CIPHER_RETURNED, OUTCOME_UNSUPPORTED, true},
    {SSL_R_UNSUPPORTED_ELLIPTIC_CURVE, OUTCOME_UNSUPPORTED, false},
    {SSL_R_WRONG_CURVE, OUTCOME_UNSUPPORTED, false},
    {SSL_R_NO_SHARED_GROUP, OUTCOME_UNSUPPORTED, false},
    {SSL_R_BAD_ECC_CERT, OUTCOME_UNSUPPORTED, false},
    {SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS, OUTCOME_UNSUPPORTED, true},
    {SSL_R_WRONG_SIGNATURE_TYPE, OUTCOME_UNSUPPORTED, true},
    {SSL_R_UNKNOWN_CERTIFICATE_TYPE, OUTCOME_UNSUPPORTED, true},
    {SSL_R_UNKNOWN_KEY_EXCHANGE_TYPE, OUTCOME_UNSUPPORTED, false},
    {SSL_R_UNSUPPORTED_COMPRESSION_ALGORITHM, OUTCOME_UNSUPPORTED, false},
    {SSL_R_NO_CERTIFICATES_RETURNED, OUTCOME_NO_CERTIFICATES, false},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, OUTCOME_NO_CERTIFICATES, false},
    {SSL_R_TLS_PEER_DID_NOT_RESPOND_WITH_CERTIFICATE_LIST, OUTCOME_NO_CERTIFICATES, false},
    {SSL_R_EXCESSIVE_MESSAGE_SIZE, OUTCOME_CHAIN_TOO_LARGE, false},
    {SSL_R_CANNOT_PARSE_LEAF_CERT, OUTCOME_MALFORMED_CERTIFICATE, false},
};

void tls_set_error(struct tls *tls, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(tls->facts.error, sizeof tls->facts.error, format, arguments);
    va_end(arguments);
}

bool tls_head_is_plausible(const uint8_t *head, size_t head_len) {
    /* ContentType change_cipher_spec(20) .. heartbeat(24), then a version 3.0 to 3.4. */
    return (head_len < 1 || (head[0] >= 20 && head[0] <= 24)) && (head_len < 2 || head[1] == 3) &&
           (head_len < 3 || head[2] <= 4);
}

void tls_describe_head(struct tls *tls) {
    static const struct {
        const char *start, *meaning;
    } greetings[] = {
        {"HTTP/", "plain HTTP"},
        {"SSH-", "an SSH banner"},
        {"220", "an SMTP or FTP greeting"},
        {"* OK", "an IMAP greeting"},
        {"+OK", "a POP3 greeting"},
        {"RFB ", "a VNC banner"},
        {"<!DOCTYP", "an HTML page"},
        {"<html", "an HTML page"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(greetings); i++) {
        size_t len = strlen(greetings[i].start);
        if (tls->head_len >= len && memcmp(tls->head, greetings[i].start, len) == 0) {
            tls_set_error(tls, "not TLS: %s", greetings[i].meaning);
            return;
        }
    }
    char hex[2 * sizeof tls->head + 1] = "";
    for (size_t i = 0; i < tls->head_len; i++) {
        snprintf(hex + 2 * i, sizeof hex - 2 * i, "%02x", tls->head[i]);
    }
    tls_set_error(tls, "not TLS: the first bytes are %s", hex);
}

/* "BAD_SIGNATURE" reads "bad signature". */
static void describe_reason(struct tls *tls, uint32_t error) {
    const char *name = ERR_reason_error_string(error);
    if (name == NULL) {
        tls_set_error(tls, "library error %08x", error);
        return;
    }
    char text[sizeof tls->facts.error];
    size_t len = 0;
    for (; name[len] != '\0' && len + 1 < sizeof text; len++) {
        text[len] = name[len] == '_' ? ' ' : (char)tolower((unsigned char)name[len]);
    }
    text[len] = '\0';
    tls_set_error(tls, "%s", text);
}

static const struct reason_row *find_reason(uint32_t error) {
    for (size_t i = 0; ERR_GET_LIB(error) == ERR_LIB_SSL && i < ARRAY_COUNT(reason_rows); i++) {
        if (reason_rows[i].reason == ERR_GET_REASON(error)) {
            return &reason_rows[i];
        }
    }
    return NULL;
}

/* In a restricted view, whether the peer's refusal only says that it has no such key. */
static bool is_not_offered(const struct tls *tls, bool other_kind) {
    if (tls->key_view == KEY_VIEW_ANY) {
        return false;
    }
    CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
    if (tls_peer_chain(tls, certs) > 0) {
        return tls_leaf_is_of_other_kind(tls);
    }
    return other_kind;
}

enum outcome tls_take_alert(struct tls *tls, uint8_t alert) {
    tls->facts.alert = alert;
    tls_set_error(tls, "alert %u %s", alert, tls_alert_text(alert));
    bool refused = alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_INSUFFICIENT_SECURITY;
    return is_not_offered(tls, refused) ? OUTCOME_NOT_OFFERED : OUTCOME_TLS_ALERT;
}

/* Errors below the SSL layer, when it has none of its own that says more: the leaf's key. */
static enum outcome classify_key_error(uint32_t error) {
    int reason = ERR_GET_REASON(error);
    if (reason == ERR_R_MALLOC_FAILURE) {
        return OUTCOME_RESOURCE_ERROR;
    }
    switch (ERR_GET_LIB(error)) {
    case ERR_LIB_EVP:
        return reason == EVP_R_UNSUPPORTED_ALGORITHM ? OUTCOME_UNSUPPORTED
                                                     : OUTCOME_MALFORMED_CERTIFICATE;
    case ERR_LIB_EC:
        return reason == EC_R_UNKNOWN_GROUP ? OUTCOME_UNSUPPORTED : OUTCOME_MALFORMED_CERTIFICATE;
    case ERR_LIB_RSA:
    case ERR_LIB_BN:
    case ERR_LIB_DSA:
    case ERR_LIB_ASN1:
    case ERR_LIB_X509:
        return OUTCOME_MALFORMED_CERTIFICATE;
    default:
        return OUTCOME_PROTOCOL_ERROR;
    }
}

static size_t drain_errors(uint32_t errors[ERRORS_MAX]) {
    size_t count = 0;
    while (count < ERRORS_MAX) {
        uint32_t error = ERR_get_error();
        if (error == 0) {
            break;
        }
        errors[count++] = error;
    }
    ERR_clear_error();
    return count;
}

enum outcome tls_classify_errors(struct tls *tls) {
    uint32_t errors[ERRORS_MAX];
    size_t count = drain_errors(errors);
    for (size_t i = 0; i < count; i++) {
        int reason = ERR_GET_REASON(errors[i]);
        if (ERR_GET_LIB(errors[i]) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET &&
            reason < SSL_AD_REASON_OFFSET + 256) {
            return tls_take_alert(tls, (uint8_t)(reason - SSL_AD_REASON_OFFSET));
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct reason_row *row = find_reason(errors[i]);
        if (row != NULL) {
            describe_reason(tls, errors[i]);
            if (row->outcome == OUTCOME_CHAIN_TOO_LARGE && !tls_awaits_chain(tls)) {
                return OUTCOME_PROTOCOL_ERROR; /* some other message of absurd length */
            }
            return is_not_offered(tls, row->other_kind) ? OUTCOME_NOT_OFFERED : row->outcome;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (ERR_GET_LIB(errors[i]) != ERR_LIB_SSL ||
            ERR_GET_REASON(errors[i]) == ERR_R_MALLOC_FAILURE) {
            describe_reason(tls, errors[i]);
            return classify_key_error(errors[i]);
        }
    }
    if (count > 0) {
        describe_reason(tls, errors[0]);
    } else {
        tls_set_error(tls, "the handshake ended without a reason");
    }
    return OUTCOME_PROTOCOL_ERROR;
}
