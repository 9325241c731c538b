#include "engine/codec/cert.h"

#include "engine/base/limits.h"
#include "engine/codec/cert_key.h"
#include "engine/codec/cert_oid.h"
#include "engine/codec/datetime.h"
#include "engine/codec/der.h"

/* TBSCertificate ::= SEQUENCE { version [0] EXPLICIT Version DEFAULT v1, serialNumber INTEGER,
     signature AlgorithmIdentifier, issuer Name, validity Validity, subject Name,
     subjectPublicKeyInfo SubjectPublicKeyInfo, issuerUniqueID [1] OPTIONAL,
     subjectUniqueID [2] OPTIONAL, extensions [3] EXPLICIT Extensions OPTIONAL } */
bool cert_spki(struct span der, struct span *out_spki) {
    struct span certificate, fields;
    struct der tbs, skipped, spki;
    if (UNLIKELY(der.len > CERT_BYTES_MAX) || !der_only(der, DER_SEQUENCE, &certificate) ||
        !der_take(&certificate, DER_SEQUENCE, &tbs)) {
        return false;
    }
    fields = tbs.contents;
    if (LIKELY(der_next_is(fields, DER_CONTEXT_CONSTRUCTED(0))) &&
        !der_take_any(&fields, &skipped)) {
        return false;
    }
    if (!der_take(&fields, DER_INTEGER, &skipped) || !der_take(&fields, DER_SEQUENCE, &skipped) ||
        !der_take(&fields, DER_SEQUENCE, &skipped) || !der_take(&fields, DER_SEQUENCE, &skipped) ||
        !der_take(&fields, DER_SEQUENCE, &skipped) || !der_take(&fields, DER_SEQUENCE, &spki)) {
        return false;
    }
    *out_spki = spki.element;
    return true;
}

static bool walk_algorithm(struct span contents, struct cert_algorithm *out) {
    struct der oid, parameters = {.element = {NULL, 0}};
    if (!der_take(&contents, DER_OID, &oid) || !der_oid_is_valid(oid.contents) ||
        (contents.len > 0 && !der_take_any(&contents, &parameters)) || contents.len > 0) {
        return false;
    }
    out->oid = oid.contents;
    out->parameters = parameters.element;
    return true;
}

/* Version ::= INTEGER { v1(0), v2(1), v3(2) }. An explicit v1 is not DER, but real and harmless. */
static bool walk_version(struct span *fields, struct cert_fields *out) {
    struct der wrapped;
    struct span number;
    out->version = 1;
    if (!der_next_is(*fields, DER_CONTEXT_CONSTRUCTED(0))) {
        return true;
    }
    if (!der_take_any(fields, &wrapped) || !der_only(wrapped.contents, DER_INTEGER, &number) ||
        number.len != 1 || number.data[0] > 2) {
        return false;
    }
    out->version = (uint8_t)(number.data[0] + 1);
    return true;
}

/* Name ::= SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY } (RFC 5280 4.1.2.4) */
static bool walk_name(struct span *fields, struct span *out_name) {
    struct der name, rdn, attribute, type, value;
    if (!der_take(fields, DER_SEQUENCE, &name)) {
        return false;
    }
    struct span rdns = name.contents;
    while (rdns.len > 0) {
        if (!der_take(&rdns, DER_SET, &rdn) || rdn.contents.len == 0) {
            return false;
        }
        struct span attributes = rdn.contents;
        while (attributes.len > 0) {
            if (!der_take(&attributes, DER_SEQUENCE, &attribute) ||
                !der_take(&attribute.contents, DER_OID, &type) ||
                !der_oid_is_valid(type.contents) || !der_take_any(&attribute.contents, &value) ||
                attribute.contents.len > 0) {
                return false;
            }
        }
    }
    *out_name = name.element;
    return true;
}

static bool walk_time(struct span *fields, int64_t *out) {
    struct der element;
    if (!der_take_any(fields, &element)) {
        return false;
    }
    if (element.element.data[0] == DER_UTC_TIME) {
        return datetime_parse_utc_time(element.contents, out);
    }
    return element.element.data[0] == DER_GENERALIZED_TIME &&
           datetime_parse_generalized_time(element.contents, out);
}

/* Validity ::= SEQUENCE { notBefore Time, notAfter Time } */
static bool walk_validity(struct span *fields, struct cert_fields *out) {
    struct der validity;
    return der_take(fields, DER_SEQUENCE, &validity) &&
           walk_time(&validity.contents, &out->not_before) &&
           walk_time(&validity.contents, &out->not_after) && validity.contents.len == 0;
}

/* SubjectPublicKeyInfo ::= SEQUENCE { algorithm AlgorithmIdentifier, subjectPublicKey BIT STRING }
 */
static bool walk_spki(struct span *fields, struct cert_fields *out) {
    struct der spki, algorithm_der, key;
    struct cert_algorithm algorithm;
    if (!der_take(fields, DER_SEQUENCE, &spki) ||
        !der_take(&spki.contents, DER_SEQUENCE, &algorithm_der) ||
        !walk_algorithm(algorithm_der.contents, &algorithm) ||
        !der_take(&spki.contents, DER_BIT_STRING, &key) || spki.contents.len > 0 ||
        !der_bit_string_is_valid(key.contents)) {
        return false;
    }
    out->spki = spki.element;
    cert_classify_key(&algorithm, key.contents, out);
    return true;
}

bool cert_spki_key(struct span spki, enum cert_key *out_key, uint16_t *out_key_bits) {
    struct cert_fields fields = {0};
    if (!walk_spki(&spki, &fields) || spki.len > 0) {
        return false;
    }
    *out_key = fields.key;
    *out_key_bits = fields.key_bits;
    return true;
}

/* issuerUniqueID and subjectUniqueID: [1] and [2] IMPLICIT BIT STRING, not in v1. */
static bool walk_unique_id(struct span *fields, uint8_t tag, uint8_t version) {
    struct der id;
    if (!der_next_is(*fields, tag)) {
        return true;
    }
    return version >= 2 && der_take_any(fields, &id) && der_bit_string_is_valid(id.contents);
}

/* SubjectAltName ::= GeneralNames; GeneralName ::= CHOICE { otherName [0], rfc822Name [1],
     dNSName [2], x400Address [3], directoryName [4], ediPartyName [5], uniformResourceIdentifier
     [6], iPAddress [7], registeredID [8] } (RFC 5280 4.2.1.6) */
static bool walk_sans(struct span value, struct cert_fields *out) {
    static const uint8_t tags[] = {0xa0, 0x81, 0x82, 0xa3, 0xa4, 0xa5, 0x86, 0x87, 0x88};
    struct span names;
    struct der name;
    if (!der_only(value, DER_SEQUENCE, &names)) {
        return false;
    }
    for (struct span rest = names; rest.len > 0;) {
        size_t number = rest.data[0] & 0x1f;
        if (number >= ARRAY_COUNT(tags) || !der_take(&rest, tags[number], &name)) {
            return false;
        }
    }
    out->sans = names;
    return true;
}

/* AuthorityKeyIdentifier ::= SEQUENCE { keyIdentifier [0] OPTIONAL, authorityCertIssuer [1]
     OPTIONAL, authorityCertSerialNumber [2] OPTIONAL } (RFC 5280 4.2.1.1) */
static bool walk_aki(struct span value, struct cert_fields *out) {
    struct span fields;
    struct der key_id = {.contents = {NULL, 0}}, skipped;
    if (!der_only(value, DER_SEQUENCE, &fields) ||
        (der_next_is(fields, DER_CONTEXT(0)) && !der_take_any(&fields, &key_id)) ||
        (der_next_is(fields, DER_CONTEXT_CONSTRUCTED(1)) && !der_take_any(&fields, &skipped)) ||
        (der_next_is(fields, DER_CONTEXT(2)) && !der_take_any(&fields, &skipped)) ||
        fields.len > 0) {
        return false;
    }
    out->aki = key_id.contents;
    return true;
}

/* A pathLenConstraint, INTEGER (0..MAX): a longer one than any path counts as the longest. */
static bool path_len_of(struct span contents, int16_t *out) {
    if (!der_integer_is_valid(contents) || (contents.data[0] & 0x80) != 0) {
        return false;
    }
    if (contents.len > 2) {
        *out = INT16_MAX;
    } else {
        *out = (int16_t)(contents.len == 1 ? contents.data[0]
                                           : contents.data[0] << 8 | contents.data[1]);
    }
    return true;
}

/* BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }
   (RFC 5280 4.2.1.9). A cA of FALSE that is spelled out is not DER, but common. */
static bool walk_basic_constraints(struct span value, struct cert_fields *out) {
    struct span fields;
    struct der element;
    bool is_ca = false;
    int16_t path_len = -1;
    if (!der_only(value, DER_SEQUENCE, &fields)) {
        return false;
    }
    if (der_next_is(fields, DER_BOOLEAN) &&
        (!der_take_any(&fields, &element) || !der_boolean(element.contents, &is_ca))) {
        return false;
    }
    if (der_next_is(fields, DER_INTEGER) &&
        (!der_take_any(&fields, &element) || !path_len_of(element.contents, &path_len))) {
        return false;
    }
    out->is_ca = is_ca;
    out->path_len = path_len;
    return fields.len == 0;
}

static bool walk_extension_value(enum cert_extension which, struct span value,
                                 struct cert_fields *out) {
    switch (which) {
    case CERT_EXTENSION_SAN:
        return walk_sans(value, out);
    case CERT_EXTENSION_SKI:
        return der_only(value, DER_OCTET_STRING, &out->ski);
    case CERT_EXTENSION_AKI:
        return walk_aki(value, out);
    case CERT_EXTENSION_BASIC_CONSTRAINTS:
        return walk_basic_constraints(value, out);
    case CERT_EXTENSION_NAME_CONSTRAINTS:
        out->has_name_constraints = true;
        return true;
    case CERT_EXTENSION_SCTS:
        out->has_scts = true;
        return true;
    case CERT_EXTENSION_OTHER:
        return true;
    }
    return true;
}

/* Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue
     OCTET STRING } (RFC 5280 4.1.2.9). At most one of each kind that is read here. */
static bool walk_extension(struct span contents, unsigned *seen, struct cert_fields *out) {
    struct der oid, critical, value;
    bool is_critical;
    if (!der_take(&contents, DER_OID, &oid) || !der_oid_is_valid(oid.contents)) {
        return false;
    }
    if (der_next_is(contents, DER_BOOLEAN) &&
        (!der_take_any(&contents, &critical) || !der_boolean(critical.contents, &is_critical))) {
        return false;
    }
    if (!der_take(&contents, DER_OCTET_STRING, &value) || contents.len > 0) {
        return false;
    }
    enum cert_extension which = cert_oid_extension(oid.contents);
    if (which != CERT_EXTENSION_OTHER && (*seen & (1u << which)) != 0) {
        return false;
    }
    *seen |= 1u << which;
    return walk_extension_value(which, value.contents, out);
}

/* extensions [3] EXPLICIT SEQUENCE OF Extension, in v3 only, and last. */
static bool walk_extensions(struct span *fields, struct cert_fields *out) {
    struct der wrapped, extension;
    struct span extensions;
    unsigned seen = 0;
    if (fields->len == 0) {
        return true;
    }
    if (out->version != 3 || !der_take(fields, DER_CONTEXT_CONSTRUCTED(3), &wrapped) ||
        !der_only(wrapped.contents, DER_SEQUENCE, &extensions)) {
        return false;
    }
    while (extensions.len > 0) {
        if (!der_take(&extensions, DER_SEQUENCE, &extension) ||
            !walk_extension(extension.contents, &seen, out)) {
            return false;
        }
    }
    return fields->len == 0;
}

static bool walk_tbs(struct span fields, struct cert_fields *out) {
    struct der serial, inner_algorithm;
    struct cert_algorithm ignored;
    if (!walk_version(&fields, out) || !der_take(&fields, DER_INTEGER, &serial) ||
        !der_integer_is_valid(serial.contents) ||
        !der_take(&fields, DER_SEQUENCE, &inner_algorithm) ||
        !walk_algorithm(inner_algorithm.contents, &ignored)) {
        return false;
    }
    out->serial = serial.contents;
    return walk_name(&fields, &out->issuer) && walk_validity(&fields, out) &&
           walk_name(&fields, &out->subject) && walk_spki(&fields, out) &&
           walk_unique_id(&fields, DER_CONTEXT(1), out->version) &&
           walk_unique_id(&fields, DER_CONTEXT(2), out->version) && walk_extensions(&fields, out);
}

bool cert_walk(struct span der, struct cert_fields *out) {
    struct span fields;
    struct der tbs, algorithm_der, signature;
    struct cert_algorithm algorithm;
    struct cert_fields found = {.der = der, .path_len = -1};
    if (der.len > CERT_BYTES_MAX || !der_only(der, DER_SEQUENCE, &fields) ||
        !der_take(&fields, DER_SEQUENCE, &tbs) ||
        !der_take(&fields, DER_SEQUENCE, &algorithm_der) ||
        !walk_algorithm(algorithm_der.contents, &algorithm) ||
        !der_take(&fields, DER_BIT_STRING, &signature) || fields.len > 0 ||
        !der_bit_string_is_valid(signature.contents) || !walk_tbs(tbs.contents, &found)) {
        return false;
    }
    found.tbs = tbs.element;
    found.signature_alg = algorithm_der.element;
    found.signature = cert_classify_signature(&algorithm);
    *out = found;
    return true;
}
