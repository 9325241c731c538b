#include "engine/codec/cert_oid.h"

#include "engine/base/attributes.h"

struct oid_entry {
    const char *oid;
    uint8_t len;
    uint8_t value;
    uint16_t bits;
};
#define OID(bytes, value)                                                                          \
    { bytes, sizeof(bytes) - 1, value, 0 }
#define CURVE(bytes, key, bits)                                                                    \
    { bytes, sizeof(bytes) - 1, key, bits }

#define PKCS1 "\x2a\x86\x48\x86\xf7\x0d\x01\x01"           /* 1.2.840.113549.1.1, RFC 8017 */
#define X962_SIGNATURES "\x2a\x86\x48\xce\x3d\x04"         /* 1.2.840.10045.4, RFC 5758 */
#define NIST_SIGNATURES "\x60\x86\x48\x01\x65\x03\x04\x03" /* 2.16.840.1.101.3.4.3 */
#define NIST_HASHES "\x60\x86\x48\x01\x65\x03\x04\x02"     /* 2.16.840.1.101.3.4.2 */
#define OIW "\x2b\x0e\x03\x02"                             /* 1.3.14.3.2, before PKCS#1 had SHA-1 */
#define BRAINPOOL "\x2b\x24\x03\x03\x02\x08\x01\x01"       /* 1.3.36.3.3.2.8.1.1, RFC 5639 */

static const struct oid_entry keys[] = {
    OID(PKCS1 "\x01", CERT_KEY_OID_RSA),
    OID("\x2a\x86\x48\xce\x3d\x02\x01", CERT_KEY_OID_EC), /* 1.2.840.10045.2.1, RFC 5480 */
    OID("\x2b\x65\x70", CERT_KEY_OID_ED25519),            /* 1.3.101.112, RFC 8410 */
    OID("\x2b\x65\x71", CERT_KEY_OID_ED448),              /* 1.3.101.113 */
    OID(PKCS1 "\x0a", CERT_KEY_OID_RSA_PSS),
};

static const struct oid_entry curves[] = {
    CURVE("\x2a\x86\x48\xce\x3d\x03\x01\x07", CERT_KEY_EC_P256, 256),
    CURVE("\x2b\x81\x04\x00\x22", CERT_KEY_EC_P384, 384),
    CURVE("\x2b\x81\x04\x00\x23", CERT_KEY_EC_P521, 521),
    CURVE("\x2b\x81\x04\x00\x21", CERT_KEY_EC_OTHER, 224),             /* P-224 */
    CURVE("\x2a\x86\x48\xce\x3d\x03\x01\x01", CERT_KEY_EC_OTHER, 192), /* P-192 */
    CURVE("\x2b\x81\x04\x00\x0a", CERT_KEY_EC_OTHER, 256),             /* secp256k1 */
    CURVE(BRAINPOOL "\x07", CERT_KEY_EC_OTHER, 256),
    CURVE(BRAINPOOL "\x0b", CERT_KEY_EC_OTHER, 384),
    CURVE(BRAINPOOL "\x0d", CERT_KEY_EC_OTHER, 512),
};

static const struct oid_entry signatures[] = {
    OID(PKCS1 "\x0b", CERT_SIGNATURE_STRONG),                 /* sha256WithRSAEncryption */
    OID(X962_SIGNATURES "\x03\x02", CERT_SIGNATURE_STRONG),   /* ecdsa-with-SHA256 */
    OID(X962_SIGNATURES "\x03\x03", CERT_SIGNATURE_STRONG),   /* -SHA384 */
    OID(PKCS1 "\x0c", CERT_SIGNATURE_STRONG),                 /* sha384 */
    OID(PKCS1 "\x0d", CERT_SIGNATURE_STRONG),                 /* sha512 */
    OID(PKCS1 "\x05", CERT_SIGNATURE_WEAK),                   /* sha1 */
    OID(X962_SIGNATURES "\x03\x04", CERT_SIGNATURE_STRONG),   /* -SHA512 */
    OID(X962_SIGNATURES "\x03\x01", CERT_SIGNATURE_STRONG),   /* -SHA224 */
    OID("\x2b\x65\x70", CERT_SIGNATURE_STRONG),               /* Ed25519 */
    OID("\x2b\x65\x71", CERT_SIGNATURE_STRONG),               /* Ed448 */
    OID(PKCS1 "\x0e", CERT_SIGNATURE_STRONG),                 /* sha224 */
    OID(PKCS1 "\x0f", CERT_SIGNATURE_STRONG),                 /* sha512-224 */
    OID(PKCS1 "\x10", CERT_SIGNATURE_STRONG),                 /* sha512-256 */
    OID(X962_SIGNATURES "\x01", CERT_SIGNATURE_WEAK),         /* ecdsa-with-SHA1 */
    OID(PKCS1 "\x02", CERT_SIGNATURE_WEAK),                   /* md2 */
    OID(PKCS1 "\x03", CERT_SIGNATURE_WEAK),                   /* md4 */
    OID(PKCS1 "\x04", CERT_SIGNATURE_WEAK),                   /* md5 */
    OID(OIW "\x02", CERT_SIGNATURE_WEAK),                     /* md4WithRSA */
    OID(OIW "\x03", CERT_SIGNATURE_WEAK),                     /* md5WithRSA */
    OID(OIW "\x04", CERT_SIGNATURE_WEAK),                     /* md4WithRSAEncryption */
    OID(OIW "\x0d", CERT_SIGNATURE_WEAK),                     /* dsaWithSHA */
    OID(OIW "\x0f", CERT_SIGNATURE_WEAK),                     /* shaWithRSASignature */
    OID(OIW "\x1b", CERT_SIGNATURE_WEAK),                     /* dsaWithSHA1 */
    OID(OIW "\x1d", CERT_SIGNATURE_WEAK),                     /* sha1WithRSASignature */
    OID("\x2a\x86\x48\xce\x38\x04\x03", CERT_SIGNATURE_WEAK), /* dsa-with-sha1 */
    OID(NIST_SIGNATURES "\x01", CERT_SIGNATURE_STRONG),       /* dsa-with-sha224 */
    OID(NIST_SIGNATURES "\x02", CERT_SIGNATURE_STRONG),       /* dsa-with-sha256 */
    OID(NIST_SIGNATURES "\x03", CERT_SIGNATURE_STRONG),       /* -sha384 */
    OID(NIST_SIGNATURES "\x04", CERT_SIGNATURE_STRONG),       /* -sha512 */
    OID(NIST_SIGNATURES "\x09", CERT_SIGNATURE_STRONG),       /* ecdsa-with-sha3-224 */
    OID(NIST_SIGNATURES "\x0a", CERT_SIGNATURE_STRONG),       /* -256 */
    OID(NIST_SIGNATURES "\x0b", CERT_SIGNATURE_STRONG),       /* -384 */
    OID(NIST_SIGNATURES "\x0c", CERT_SIGNATURE_STRONG),       /* -512 */
    OID(NIST_SIGNATURES "\x0d", CERT_SIGNATURE_STRONG),       /* rsa-with-sha3-224 */
    OID(NIST_SIGNATURES "\x0e", CERT_SIGNATURE_STRONG),       /* -256 */
    OID(NIST_SIGNATURES "\x0f", CERT_SIGNATURE_STRONG),       /* -384 */
    OID(NIST_SIGNATURES "\x10", CERT_SIGNATURE_STRONG),       /* -512 */
    OID(NIST_SIGNATURES "\x11", CERT_SIGNATURE_STRONG),       /* ML-DSA-44, FIPS 204 */
    OID(NIST_SIGNATURES "\x12", CERT_SIGNATURE_STRONG),       /* ML-DSA-65 */
    OID(NIST_SIGNATURES "\x13", CERT_SIGNATURE_STRONG),       /* ML-DSA-87 */
};

static const struct oid_entry hashes[] = {
    OID(NIST_HASHES "\x01", CERT_SIGNATURE_STRONG),               /* SHA-256 */
    OID(NIST_HASHES "\x02", CERT_SIGNATURE_STRONG),               /* SHA-384 */
    OID(NIST_HASHES "\x03", CERT_SIGNATURE_STRONG),               /* SHA-512 */
    OID(NIST_HASHES "\x04", CERT_SIGNATURE_STRONG),               /* SHA-224 */
    OID(NIST_HASHES "\x05", CERT_SIGNATURE_STRONG),               /* SHA-512/224 */
    OID(NIST_HASHES "\x06", CERT_SIGNATURE_STRONG),               /* SHA-512/256 */
    OID(NIST_HASHES "\x07", CERT_SIGNATURE_STRONG),               /* SHA3-224 */
    OID(NIST_HASHES "\x08", CERT_SIGNATURE_STRONG),               /* SHA3-256 */
    OID(NIST_HASHES "\x09", CERT_SIGNATURE_STRONG),               /* SHA3-384 */
    OID(NIST_HASHES "\x0a", CERT_SIGNATURE_STRONG),               /* SHA3-512 */
    OID(OIW "\x1a", CERT_SIGNATURE_WEAK),                         /* SHA-1 */
    OID("\x2a\x86\x48\x86\xf7\x0d\x02\x02", CERT_SIGNATURE_WEAK), /* MD2, RFC 1319 */
    OID("\x2a\x86\x48\x86\xf7\x0d\x02\x05", CERT_SIGNATURE_WEAK), /* MD5, RFC 1321 */
};

static const struct oid_entry extensions[] = {
    OID("\x55\x1d\x11", CERT_EXTENSION_SAN),               /* 2.5.29.17, RFC 5280 4.2.1.6 */
    OID("\x55\x1d\x0e", CERT_EXTENSION_SKI),               /* 2.5.29.14, 4.2.1.2 */
    OID("\x55\x1d\x23", CERT_EXTENSION_AKI),               /* 2.5.29.35, 4.2.1.1 */
    OID("\x55\x1d\x13", CERT_EXTENSION_BASIC_CONSTRAINTS), /* 2.5.29.19, 4.2.1.9 */
    OID("\x55\x1d\x1e", CERT_EXTENSION_NAME_CONSTRAINTS),  /* 2.5.29.30, 4.2.1.10 */
    OID("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02", CERT_EXTENSION_SCTS), /* RFC 6962 3.3 */
};

static const struct oid_entry *oid_find(const struct oid_entry *table, size_t count,
                                        struct span oid) {
    for (size_t i = 0; i < count; i++) {
        if (table[i].len == oid.len && memcmp(table[i].oid, oid.data, oid.len) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

enum cert_key_oid cert_oid_key(struct span oid) {
    const struct oid_entry *entry = oid_find(keys, ARRAY_COUNT(keys), oid);
    return entry != NULL ? (enum cert_key_oid)entry->value : CERT_KEY_OID_OTHER;
}

enum cert_extension cert_oid_extension(struct span oid) {
    const struct oid_entry *entry = oid_find(extensions, ARRAY_COUNT(extensions), oid);
    return entry != NULL ? (enum cert_extension)entry->value : CERT_EXTENSION_OTHER;
}

struct cert_curve cert_oid_curve(struct span oid) {
    const struct oid_entry *entry = oid_find(curves, ARRAY_COUNT(curves), oid);
    if (entry == NULL) {
        return (struct cert_curve){.key = CERT_KEY_EC_OTHER, .bits = 0};
    }
    return (struct cert_curve){.key = (enum cert_key)entry->value, .bits = entry->bits};
}

enum cert_signature cert_oid_signature(struct span oid) {
    const struct oid_entry *entry = oid_find(signatures, ARRAY_COUNT(signatures), oid);
    return entry != NULL ? (enum cert_signature)entry->value : CERT_SIGNATURE_OTHER;
}

enum cert_signature cert_oid_hash(struct span oid) {
    const struct oid_entry *entry = oid_find(hashes, ARRAY_COUNT(hashes), oid);
    return entry != NULL ? (enum cert_signature)entry->value : CERT_SIGNATURE_OTHER;
}
