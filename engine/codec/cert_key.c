#include "engine/codec/cert_key.h"

#include <stdio.h>

#include "engine/codec/cert_oid.h"
#include "engine/codec/der.h"
#include "engine/codec/text.h"

/* RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } (RFC 8017 A.1.1): the size
   of the modulus in bits, 0 if it is not one. */
static uint16_t rsa_bits(struct span key) {
    struct span fields;
    struct der modulus, exponent;
    if (!der_only(key, DER_SEQUENCE, &fields) || !der_take(&fields, DER_INTEGER, &modulus) ||
        !der_take(&fields, DER_INTEGER, &exponent) || fields.len > 0 ||
        !der_integer_is_valid(modulus.contents) || !der_integer_is_valid(exponent.contents) ||
        ((modulus.contents.data[0] | exponent.contents.data[0]) & 0x80) != 0) {
        return 0;
    }
    struct span digits = modulus.contents;
    if (digits.data[0] == 0) {
        span_take(&digits, 1);
    }
    if (digits.len == 0) {
        return 0;
    }
    size_t bits = digits.len * 8 - (size_t)(__builtin_clz(digits.data[0]) - 24);
    return bits < UINT16_MAX ? (uint16_t)bits : UINT16_MAX;
}

static void classify_rsa(struct span key, enum cert_key kind, struct cert_fields *out) {
    out->key_bits = rsa_bits(key);
    out->key = out->key_bits > 0 ? kind : CERT_KEY_OTHER;
}

/* ECParameters (RFC 5480 2.1.1): only a named curve counts; explicit ones are OTHER. */
static void classify_ec(struct span parameters, struct span point, struct cert_fields *out) {
    struct span oid;
    if (!der_only(parameters, DER_OID, &oid) || !der_oid_is_valid(oid)) {
        return;
    }
    struct cert_curve curve = cert_oid_curve(oid);
    if (curve.bits > 0 && !cert_point_fits(point, curve.bits)) {
        return;
    }
    out->key = curve.key;
    out->key_bits = curve.bits;
}

void cert_classify_key(const struct cert_algorithm *algorithm, struct span bit_string,
                       struct cert_fields *out) {
    struct span nothing, key = bit_string;
    out->key = CERT_KEY_OTHER;
    out->key_bits = 0;
    if (span_take(&key, 1).data[0] != 0) {
        return; /* keys are whole bytes */
    }
    switch (cert_oid_key(algorithm->oid)) {
    case CERT_KEY_OID_RSA:
        /* Parameters must be NULL (RFC 3279 2.3.1); real certificates leave them out. */
        if (algorithm->parameters.len == 0 ||
            (der_only(algorithm->parameters, DER_NULL, &nothing) && nothing.len == 0)) {
            classify_rsa(key, CERT_KEY_RSA, out);
        }
        return;
    case CERT_KEY_OID_RSA_PSS:
        classify_rsa(key, CERT_KEY_RSA_PSS, out);
        return;
    case CERT_KEY_OID_EC:
        classify_ec(algorithm->parameters, key, out);
        return;
    case CERT_KEY_OID_ED25519:
        if (algorithm->parameters.len == 0 && key.len == 32) {
            out->key = CERT_KEY_ED25519;
            out->key_bits = 256;
        }
        return;
    case CERT_KEY_OID_ED448:
        if (algorithm->parameters.len == 0 && key.len == 57) {
            out->key = CERT_KEY_ED448;
            out->key_bits = 456;
        }
        return;
    case CERT_KEY_OID_OTHER:
        return;
    }
}

/* RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] AlgorithmIdentifier DEFAULT sha1, ... }
   (RFC 4055 3.1) */
static enum cert_signature classify_pss(struct span parameters) {
    struct span fields, hash;
    struct der wrapped, oid;
    if (!der_only(parameters, DER_SEQUENCE, &fields)) {
        return CERT_SIGNATURE_OTHER;
    }
    if (!der_next_is(fields, DER_CONTEXT_CONSTRUCTED(0))) {
        return CERT_SIGNATURE_WEAK;
    }
    if (!der_take_any(&fields, &wrapped) || !der_only(wrapped.contents, DER_SEQUENCE, &hash) ||
        !der_take(&hash, DER_OID, &oid)) {
        return CERT_SIGNATURE_OTHER;
    }
    return cert_oid_hash(oid.contents);
}

enum cert_signature cert_classify_signature(const struct cert_algorithm *algorithm) {
    if (cert_oid_key(algorithm->oid) == CERT_KEY_OID_RSA_PSS) {
        return classify_pss(algorithm->parameters);
    }
    return cert_oid_signature(algorithm->oid);
}

void cert_key_text(char out[24], enum cert_key key, uint16_t key_bits) {
    const char *name = "other";
    switch (key) {
    case CERT_KEY_RSA:
    case CERT_KEY_RSA_PSS:
        snprintf(out, 24, key == CERT_KEY_RSA ? "rsa-%u" : "rsa-pss-%u", (unsigned)key_bits);
        return;
    case CERT_KEY_EC_P256:
        name = "ecdsa-p256";
        break;
    case CERT_KEY_EC_P384:
        name = "ecdsa-p384";
        break;
    case CERT_KEY_EC_P521:
        name = "ecdsa-p521";
        break;
    case CERT_KEY_EC_OTHER:
        name = "ecdsa-other";
        break;
    case CERT_KEY_ED25519:
        name = "ed25519";
        break;
    case CERT_KEY_ED448:
        name = "ed448";
        break;
    case CERT_KEY_OTHER:
        break;
    }
    snprintf(out, 24, "%s", name);
}

enum cert_key cert_key_from_text(const char *text, uint16_t *out_bits) {
    static const uint16_t sizes[] = {[CERT_KEY_EC_P256] = 256,
                                     [CERT_KEY_EC_P384] = 384,
                                     [CERT_KEY_EC_P521] = 521,
                                     [CERT_KEY_ED25519] = 256,
                                     [CERT_KEY_ED448] = 456};
    *out_bits = 0;
    for (int key = CERT_KEY_RSA; key <= CERT_KEY_ED448; key++) {
        char name[24];
        cert_key_text(name, (enum cert_key)key, 0);
        size_t len = strlen(name);
        bool sized = key == CERT_KEY_RSA || key == CERT_KEY_RSA_PSS;
        uint64_t bits = 0;
        if (sized ? strncmp(text, name, len - 1) == 0 &&
                        text_parse_u64(span_str(text + len - 1), UINT16_MAX, &bits)
                  : strcmp(text, name) == 0) {
            *out_bits = sized ? (uint16_t)bits : sizes[key];
            return (enum cert_key)key;
        }
    }
    return CERT_KEY_OTHER;
}
