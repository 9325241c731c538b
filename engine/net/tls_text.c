#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "engine/net/tls_internal.h"

static const char *const view_texts[KEY_VIEW_COUNT] = {
    [KEY_VIEW_ANY] = "any",
    [KEY_VIEW_RSA] = "rsa",
    [KEY_VIEW_ECDSA] = "ecdsa",
    [KEY_VIEW_ED25519] = "ed25519",
};

const char *key_view_text(enum key_view view) {
    CHECK((unsigned)view < KEY_VIEW_COUNT);
    return view_texts[view];
}

bool key_view_from_text(struct span text, enum key_view *out) {
    for (unsigned i = 0; i < KEY_VIEW_COUNT; i++) {
        if (span_equal_str(text, view_texts[i])) {
            *out = (enum key_view)i;
            return true;
        }
    }
    return false;
}

const char *depth_text(enum depth depth) {
    static const char *const texts[] = {
        [DEPTH_COMPLETE] = "complete", [DEPTH_PROVE] = "prove", [DEPTH_CAPTURE] = "capture"};
    CHECK((unsigned)depth < ARRAY_COUNT(texts));
    return texts[depth];
}

bool depth_from_text(struct span text, enum depth *out) {
    static const enum depth depths[] = {DEPTH_COMPLETE, DEPTH_PROVE, DEPTH_CAPTURE};
    for (size_t i = 0; i < ARRAY_COUNT(depths); i++) {
        if (span_equal_str(text, depth_text(depths[i]))) {
            *out = depths[i];
            return true;
        }
    }
    return false;
}

const char *proof_text(enum proof proof) {
    static const char *const texts[] = {[PROOF_NONE] = "none", [PROOF_POSSESSION] = "possession"};
    CHECK((unsigned)proof < ARRAY_COUNT(texts));
    return texts[proof];
}

static const char *hex_text(uint16_t value) {
    static _Thread_local char text[8];
    snprintf(text, sizeof text, "0x%04X", value);
    return text;
}

const char *tls_version_text(uint16_t version) {
    switch (version) {
    case 0:
        return "";
    case 0x0300:
        return "SSLv3";
    case 0x0301:
        return "TLSv1.0";
    case 0x0302:
        return "TLSv1.1";
    case 0x0303:
        return "TLSv1.2";
    case 0x0304:
        return "TLSv1.3";
    default:
        return hex_text(version);
    }
}

const char *tls_cipher_text(uint16_t cipher) {
    if (cipher == 0) {
        return "";
    }
    const SSL_CIPHER *known = SSL_get_cipher_by_value(cipher);
    return known != NULL ? SSL_CIPHER_standard_name(known) : hex_text(cipher);
}

/* The names of the IANA registry "TLS Supported Groups", with the library's spelling where people
   know that better. */
const char *tls_group_text(uint16_t group) {
    switch (group) {
    case 0:
        return "";
    case 21:
        return "P-224";
    case 23:
        return "P-256";
    case 24:
        return "P-384";
    case 25:
        return "P-521";
    case 29:
        return "X25519";
    case 30:
        return "X448";
    case 0x11EC:
        return "X25519MLKEM768";
    default:
        return hex_text(group);
    }
}

const char *tls_signature_text(uint16_t scheme) {
    if (scheme == 0) {
        return "";
    }
    const char *name = SSL_get_signature_algorithm_name(scheme, 1);
    return name != NULL ? name : hex_text(scheme);
}

/* IANA registry "TLS Alerts" (RFC 8446 section 6 and older). */
static const struct {
    uint8_t alert;
    const char *text;
} alert_rows[] = {
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {21, "decryption_failed"},
    {22, "record_overflow"},
    {30, "decompression_failure"},
    {40, "handshake_failure"},
    {41, "no_certificate"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {52, "too_many_cids_requested"},
    {60, "export_restriction"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {100, "no_renegotiation"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {111, "certificate_unobtainable"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {114, "bad_certificate_hash_value"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {117, "general_error"},
    {120, "no_application_protocol"},
    {121, "ech_required"},
};

const char *tls_alert_text(uint8_t alert) {
    for (size_t i = 0; i < ARRAY_COUNT(alert_rows); i++) {
        if (alert_rows[i].alert == alert) {
            return alert_rows[i].text;
        }
    }
    return "unknown";
}

bool tls_version_from_text(struct span text, uint16_t *out) {
    static const char *const prefixes[] = {"tlsv", "tls"};
    struct span rest = text;
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        size_t len = strlen(prefixes[i]);
        if (rest.len > len && strncasecmp((const char *)rest.data, prefixes[i], len) == 0) {
            span_take(&rest, len);
            break;
        }
    }
    if (span_equal_str(rest, "1")) { /* OpenSSL's word for 1.0 */
        *out = 0x0301;
        return true;
    }
    if (rest.len != 3 || rest.data[0] != '1' || rest.data[1] != '.' || rest.data[2] < '0' ||
        rest.data[2] > '3') {
        return false;
    }
    *out = (uint16_t)(0x0301 + (rest.data[2] - '0'));
    return true;
}
