/* The oracle of cert.c: the same rules, told again with BoringSSL's CBS. Clarity over speed; only
   the tables of object identifiers and the readers of times are shared. */
#include <openssl/bytestring.h>

#include "engine/base/limits.h"
#include "engine/codec/cert.h"
#include "engine/codec/cert_oid.h"
#include "engine/codec/datetime.h"

#define CONTEXT(number) (CBS_ASN1_CONTEXT_SPECIFIC | (number))
#define CONTEXT_CONSTRUCTED(number) (CONTEXT(number) | CBS_ASN1_CONSTRUCTED)

static struct span span_cbs(const CBS *cbs) {
    return span_of(CBS_data(cbs), CBS_len(cbs));
}

static bool get(CBS *from, CBS *out, unsigned tag) {
    return CBS_get_asn1(from, out, tag) == 1;
}

/* BoringSSL's versions differ in what they say to [UNIVERSAL 0] and to long tags: refused here. */
static bool get_any(CBS *from, CBS *out_element, unsigned *out_tag) {
    CBS element;
    size_t header_len;
    uint8_t first = CBS_len(from) > 0 ? CBS_data(from)[0] : 0;
    if (first == 0x00 || first == 0x20 || (first & 0x1f) == 0x1f ||
        CBS_get_any_asn1_element(from, &element, out_tag, &header_len) != 1) {
        return false;
    }
    *out_element = element;
    return true;
}

/* `out` is the contents, `*out_present` whether there was one. */
static bool get_optional(CBS *from, CBS *out, bool *out_present, unsigned tag) {
    *out_present = CBS_peek_asn1_tag(from, tag) == 1;
    return !*out_present || get(from, out, tag);
}

static bool integer_is_valid(const CBS *contents) {
    int is_negative;
    return CBS_is_valid_asn1_integer(contents, &is_negative) == 1;
}

static bool oid_is_valid(const CBS *contents) {
    CBS rest = *contents;
    if (CBS_len(&rest) == 0) {
        return false;
    }
    while (CBS_len(&rest) > 0) { /* one base-128 number per turn */
        uint8_t digit;
        if (CBS_get_u8(&rest, &digit) != 1 || digit == 0x80) {
            return false;
        }
        while ((digit & 0x80) != 0) {
            if (CBS_get_u8(&rest, &digit) != 1) {
                return false;
            }
        }
    }
    return true;
}

bool cert_spki_cbs(struct span der, struct span *out_spki) {
    CBS input, certificate, tbs, spki;
    if (der.len > CERT_BYTES_MAX) {
        return false;
    }
    CBS_init(&input, der.data, der.len);
    if (!get(&input, &certificate, CBS_ASN1_SEQUENCE) || CBS_len(&input) != 0 ||
        !get(&certificate, &tbs, CBS_ASN1_SEQUENCE) ||
        CBS_get_optional_asn1(&tbs, NULL, NULL, CONTEXT_CONSTRUCTED(0)) != 1 ||
        !get(&tbs, NULL, CBS_ASN1_INTEGER) ||  /* serialNumber */
        !get(&tbs, NULL, CBS_ASN1_SEQUENCE) || /* signature */
        !get(&tbs, NULL, CBS_ASN1_SEQUENCE) || /* issuer */
        !get(&tbs, NULL, CBS_ASN1_SEQUENCE) || /* validity */
        !get(&tbs, NULL, CBS_ASN1_SEQUENCE) || /* subject */
        CBS_get_asn1_element(&tbs, &spki, CBS_ASN1_SEQUENCE) != 1) {
        return false;
    }
    *out_spki = span_cbs(&spki);
    return true;
}

struct algorithm {
    CBS oid;
    bool has_parameters;
    CBS parameters; /* the element */
};

static bool read_algorithm(CBS *from, struct algorithm *out) {
    CBS fields;
    unsigned tag;
    if (!get(from, &fields, CBS_ASN1_SEQUENCE) || !get(&fields, &out->oid, CBS_ASN1_OBJECT) ||
        !oid_is_valid(&out->oid)) {
        return false;
    }
    out->has_parameters = CBS_len(&fields) > 0;
    CBS_init(&out->parameters, NULL, 0);
    return !out->has_parameters ||
           (get_any(&fields, &out->parameters, &tag) && CBS_len(&fields) == 0);
}

static bool read_version(CBS *tbs, struct cert_fields *out) {
    CBS wrapped, number;
    bool present;
    uint8_t value = 0;
    if (!get_optional(tbs, &wrapped, &present, CONTEXT_CONSTRUCTED(0))) {
        return false;
    }
    if (present && (!get(&wrapped, &number, CBS_ASN1_INTEGER) || CBS_len(&wrapped) != 0 ||
                    CBS_len(&number) != 1 || CBS_get_u8(&number, &value) != 1 || value > 2)) {
        return false;
    }
    out->version = (uint8_t)(value + 1);
    return true;
}

static bool read_name(CBS *tbs, struct span *out) {
    CBS element, name, rdn, attribute, type, value;
    unsigned tag;
    if (CBS_get_asn1_element(tbs, &element, CBS_ASN1_SEQUENCE) != 1) {
        return false;
    }
    *out = span_cbs(&element);
    if (!get(&element, &name, CBS_ASN1_SEQUENCE)) {
        return false;
    }
    while (CBS_len(&name) > 0) {
        if (!get(&name, &rdn, CBS_ASN1_SET) || CBS_len(&rdn) == 0) {
            return false;
        }
        while (CBS_len(&rdn) > 0) {
            if (!get(&rdn, &attribute, CBS_ASN1_SEQUENCE) ||
                !get(&attribute, &type, CBS_ASN1_OBJECT) || !oid_is_valid(&type) ||
                !get_any(&attribute, &value, &tag) || CBS_len(&attribute) != 0) {
                return false;
            }
        }
    }
    return true;
}

static bool read_time(CBS *validity, int64_t *out) {
    CBS contents;
    if (CBS_peek_asn1_tag(validity, CBS_ASN1_UTCTIME) == 1) {
        return get(validity, &contents, CBS_ASN1_UTCTIME) &&
               datetime_parse_utc_time(span_cbs(&contents), out);
    }
    return get(validity, &contents, CBS_ASN1_GENERALIZEDTIME) &&
           datetime_parse_generalized_time(span_cbs(&contents), out);
}

/* The modulus' size in bits, 0 if this is no RSA key. */
static uint16_t rsa_modulus_bits(CBS key) {
    CBS fields, modulus, exponent;
    if (!get(&key, &fields, CBS_ASN1_SEQUENCE) || CBS_len(&key) != 0 ||
        !get(&fields, &modulus, CBS_ASN1_INTEGER) || !get(&fields, &exponent, CBS_ASN1_INTEGER) ||
        CBS_len(&fields) != 0 || CBS_is_unsigned_asn1_integer(&modulus) != 1 ||
        CBS_is_unsigned_asn1_integer(&exponent) != 1) {
        return 0;
    }
    uint8_t byte = 0;
    while (byte == 0) {
        if (CBS_get_u8(&modulus, &byte) != 1) {
            return 0;
        }
    }
    size_t bits = 8 * CBS_len(&modulus);
    for (; byte != 0; byte >>= 1) {
        bits++;
    }
    return bits > UINT16_MAX ? UINT16_MAX : (uint16_t)bits;
}

static void set_key(struct cert_fields *out, enum cert_key key, uint16_t bits) {
    out->key = key;
    out->key_bits = bits;
}

static void read_rsa(struct cert_fields *out, enum cert_key kind, CBS key) {
    uint16_t bits = rsa_modulus_bits(key);
    set_key(out, bits == 0 ? CERT_KEY_OTHER : kind, bits);
}

static void read_ec(struct cert_fields *out, CBS parameters, CBS point) {
    CBS oid;
    if (!get(&parameters, &oid, CBS_ASN1_OBJECT) || CBS_len(&parameters) != 0 ||
        !oid_is_valid(&oid)) {
        return;
    }
    struct cert_curve curve = cert_oid_curve(span_cbs(&oid));
    if (curve.bits == 0 || cert_point_fits(span_cbs(&point), curve.bits)) {
        set_key(out, curve.key, curve.bits);
    }
}

static void read_key(const struct algorithm *algorithm, CBS key, struct cert_fields *out) {
    uint8_t unused_bits;
    CBS parameters = algorithm->parameters, null;
    set_key(out, CERT_KEY_OTHER, 0);
    if (CBS_get_u8(&key, &unused_bits) != 1 || unused_bits != 0) {
        return;
    }
    switch (cert_oid_key(span_cbs(&algorithm->oid))) {
    case CERT_KEY_OID_RSA:
        if (!algorithm->has_parameters || (get(&parameters, &null, CBS_ASN1_NULL) &&
                                           CBS_len(&null) == 0 && CBS_len(&parameters) == 0)) {
            read_rsa(out, CERT_KEY_RSA, key);
        }
        return;
    case CERT_KEY_OID_RSA_PSS:
        read_rsa(out, CERT_KEY_RSA_PSS, key);
        return;
    case CERT_KEY_OID_EC:
        read_ec(out, parameters, key);
        return;
    case CERT_KEY_OID_ED25519:
        if (!algorithm->has_parameters && CBS_len(&key) == 32) {
            set_key(out, CERT_KEY_ED25519, 256);
        }
        return;
    case CERT_KEY_OID_ED448:
        if (!algorithm->has_parameters && CBS_len(&key) == 57) {
            set_key(out, CERT_KEY_ED448, 456);
        }
        return;
    case CERT_KEY_OID_OTHER:
        return;
    }
}

static bool read_spki(CBS *tbs, struct cert_fields *out) {
    CBS element, spki, key;
    struct algorithm algorithm;
    if (CBS_get_asn1_element(tbs, &element, CBS_ASN1_SEQUENCE) != 1) {
        return false;
    }
    out->spki = span_cbs(&element);
    if (!get(&element, &spki, CBS_ASN1_SEQUENCE) || !read_algorithm(&spki, &algorithm) ||
        !get(&spki, &key, CBS_ASN1_BITSTRING) || CBS_len(&spki) != 0 ||
        CBS_is_valid_asn1_bitstring(&key) != 1) {
        return false;
    }
    read_key(&algorithm, key, out);
    return true;
}

static bool read_unique_ids(CBS *tbs, const struct cert_fields *found) {
    for (unsigned number = 1; number <= 2; number++) {
        CBS id;
        bool present;
        if (!get_optional(tbs, &id, &present, CONTEXT(number)) ||
            (present && (found->version == 1 || CBS_is_valid_asn1_bitstring(&id) != 1))) {
            return false;
        }
    }
    return true;
}

static bool read_sans(CBS value, struct cert_fields *out) {
    CBS names, name;
    if (!get(&value, &names, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0) {
        return false;
    }
    out->sans = span_cbs(&names);
    while (CBS_len(&names) > 0) {
        bool found = false;
        for (unsigned number = 0; number <= 8 && !found; number++) {
            /* otherName, x400Address, directoryName and ediPartyName hold further elements */
            bool constructed = number == 0 || (number >= 3 && number <= 5);
            unsigned tag = constructed ? CONTEXT_CONSTRUCTED(number) : CONTEXT(number);
            if (!get_optional(&names, &name, &found, tag)) {
                return false;
            }
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool read_aki(CBS value, struct cert_fields *out) {
    CBS fields, key_id, skipped;
    bool present;
    CBS_init(&key_id, NULL, 0);
    if (!get(&value, &fields, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0 ||
        !get_optional(&fields, &key_id, &present, CONTEXT(0)) ||
        !get_optional(&fields, &skipped, &present, CONTEXT_CONSTRUCTED(1)) ||
        !get_optional(&fields, &skipped, &present, CONTEXT(2)) || CBS_len(&fields) != 0) {
        return false;
    }
    out->aki = span_cbs(&key_id);
    return true;
}

static bool read_basic_constraints(CBS value, struct cert_fields *out) {
    CBS fields;
    if (!get(&value, &fields, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0) {
        return false;
    }
    if (CBS_peek_asn1_tag(&fields, CBS_ASN1_BOOLEAN) == 1) {
        int is_ca;
        if (CBS_get_asn1_bool(&fields, &is_ca) != 1) {
            return false;
        }
        out->is_ca = is_ca != 0;
    }
    if (CBS_peek_asn1_tag(&fields, CBS_ASN1_INTEGER) == 1) {
        CBS number;
        uint64_t path_len;
        if (!get(&fields, &number, CBS_ASN1_INTEGER) ||
            CBS_is_unsigned_asn1_integer(&number) != 1) {
            return false;
        }
        for (path_len = 0; CBS_len(&number) > 0 && path_len <= INT16_MAX;) {
            uint8_t digit = 0;
            CBS_get_u8(&number, &digit);
            path_len = path_len << 8 | digit;
        }
        out->path_len = path_len > INT16_MAX ? INT16_MAX : (int16_t)path_len;
    }
    return CBS_len(&fields) == 0;
}

static bool read_extension(CBS *extensions, bool seen[], struct cert_fields *out) {
    CBS extension, oid, value, inner;
    int critical;
    if (!get(extensions, &extension, CBS_ASN1_SEQUENCE) ||
        !get(&extension, &oid, CBS_ASN1_OBJECT) || !oid_is_valid(&oid) ||
        (CBS_peek_asn1_tag(&extension, CBS_ASN1_BOOLEAN) == 1 &&
         CBS_get_asn1_bool(&extension, &critical) != 1) ||
        !get(&extension, &value, CBS_ASN1_OCTETSTRING) || CBS_len(&extension) != 0) {
        return false;
    }
    enum cert_extension which = cert_oid_extension(span_cbs(&oid));
    if (which == CERT_EXTENSION_OTHER) {
        return true;
    }
    bool is_first = !seen[which];
    seen[which] = true;
    switch (which) {
    case CERT_EXTENSION_SAN:
        return is_first && read_sans(value, out);
    case CERT_EXTENSION_SKI:
        if (!is_first || !get(&value, &inner, CBS_ASN1_OCTETSTRING) || CBS_len(&value) != 0) {
            return false;
        }
        out->ski = span_cbs(&inner);
        return true;
    case CERT_EXTENSION_AKI:
        return is_first && read_aki(value, out);
    case CERT_EXTENSION_BASIC_CONSTRAINTS:
        return is_first && read_basic_constraints(value, out);
    case CERT_EXTENSION_NAME_CONSTRAINTS:
        out->has_name_constraints = true;
        return is_first;
    case CERT_EXTENSION_SCTS:
        out->has_scts = true;
        return is_first;
    case CERT_EXTENSION_OTHER:
        break;
    }
    return true;
}

static bool read_extensions(CBS *tbs, struct cert_fields *out) {
    CBS wrapped, extensions;
    bool present, seen[CERT_EXTENSION_SCTS + 1] = {false};
    if (!get_optional(tbs, &wrapped, &present, CONTEXT_CONSTRUCTED(3)) || CBS_len(tbs) != 0) {
        return false;
    }
    if (!present) {
        return true;
    }
    if (out->version != 3 || !get(&wrapped, &extensions, CBS_ASN1_SEQUENCE) ||
        CBS_len(&wrapped) != 0) {
        return false;
    }
    while (CBS_len(&extensions) > 0) {
        if (!read_extension(&extensions, seen, out)) {
            return false;
        }
    }
    return true;
}

static enum cert_signature signature_of(const struct algorithm *algorithm) {
    CBS parameters = algorithm->parameters, fields, wrapped, hash, oid;
    bool present;
    if (cert_oid_key(span_cbs(&algorithm->oid)) != CERT_KEY_OID_RSA_PSS) {
        return cert_oid_signature(span_cbs(&algorithm->oid));
    }
    if (!get(&parameters, &fields, CBS_ASN1_SEQUENCE) || CBS_len(&parameters) != 0 ||
        !get_optional(&fields, &wrapped, &present, CONTEXT_CONSTRUCTED(0))) {
        return CERT_SIGNATURE_OTHER;
    }
    if (!present) {
        return CERT_SIGNATURE_WEAK; /* DEFAULT sha1 */
    }
    if (!get(&wrapped, &hash, CBS_ASN1_SEQUENCE) || CBS_len(&wrapped) != 0 ||
        !get(&hash, &oid, CBS_ASN1_OBJECT)) {
        return CERT_SIGNATURE_OTHER;
    }
    return cert_oid_hash(span_cbs(&oid));
}

static bool read_tbs(CBS tbs, struct cert_fields *out) {
    CBS serial, validity;
    struct algorithm inner;
    if (!read_version(&tbs, out) || !get(&tbs, &serial, CBS_ASN1_INTEGER) ||
        !integer_is_valid(&serial) || !read_algorithm(&tbs, &inner) ||
        !read_name(&tbs, &out->issuer) || !get(&tbs, &validity, CBS_ASN1_SEQUENCE) ||
        !read_time(&validity, &out->not_before) || !read_time(&validity, &out->not_after) ||
        CBS_len(&validity) != 0 || !read_name(&tbs, &out->subject) || !read_spki(&tbs, out) ||
        !read_unique_ids(&tbs, out) || !read_extensions(&tbs, out)) {
        return false;
    }
    out->serial = span_cbs(&serial);
    return true;
}

bool cert_walk_cbs(struct span der, struct cert_fields *out) {
    CBS input, certificate, tbs_element, tbs, algorithm_element, signature;
    struct algorithm algorithm;
    struct cert_fields found = {.der = der, .path_len = -1};
    if (der.len > CERT_BYTES_MAX) {
        return false;
    }
    CBS_init(&input, der.data, der.len);
    if (!get(&input, &certificate, CBS_ASN1_SEQUENCE) || CBS_len(&input) != 0 ||
        CBS_get_asn1_element(&certificate, &tbs_element, CBS_ASN1_SEQUENCE) != 1 ||
        CBS_get_asn1_element(&certificate, &algorithm_element, CBS_ASN1_SEQUENCE) != 1 ||
        !get(&certificate, &signature, CBS_ASN1_BITSTRING) || CBS_len(&certificate) != 0 ||
        CBS_is_valid_asn1_bitstring(&signature) != 1) {
        return false;
    }
    found.tbs = span_cbs(&tbs_element);
    found.signature_alg = span_cbs(&algorithm_element);
    if (!get(&tbs_element, &tbs, CBS_ASN1_SEQUENCE) ||
        !read_algorithm(&algorithm_element, &algorithm) || !read_tbs(tbs, &found)) {
        return false;
    }
    found.signature = signature_of(&algorithm);
    *out = found;
    return true;
}
