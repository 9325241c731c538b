#include "bench/mint.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/mint_internal.h"
#include "engine/base/attributes.h"

#define CONTEXT_TAG(n) (CBS_ASN1_CONTEXT_SPECIFIC | (n))
#define CONTEXT_CONSTRUCTED_TAG(n) (CBS_ASN1_CONSTRUCTED | CONTEXT_TAG(n))
/* Under IANA's enterprise number for documentation (RFC 5612). */
#define PADDING_OID "1.3.6.1.4.1.32473.1"

static void add_oid(CBB *into, const char *oid) {
    CBB child;
    CHECK(CBB_add_asn1(into, &child, CBS_ASN1_OBJECT) == 1);
    CHECK(CBB_add_asn1_oid_from_text(&child, oid, strlen(oid)) == 1);
    CHECK(CBB_flush(into) == 1);
}

static void add_seq(CBB *into, CBB *out_child) {
    CHECK(CBB_add_asn1(into, out_child, CBS_ASN1_SEQUENCE) == 1);
}

static void add_string(CBB *into, unsigned tag, const void *bytes, size_t len) {
    CBB child;
    CHECK(CBB_add_asn1(into, &child, tag) == 1 && CBB_add_bytes(&child, bytes, len) == 1);
    CHECK(CBB_flush(into) == 1);
}

/* How a key signs: the algorithm of AlgorithmIdentifier and the hash (NULL: Ed25519 has its own).
 */
struct scheme {
    const char *oid;
    const EVP_MD *md;
    bool null_parameters; /* RFC 4055 wants NULL with RSA; RFC 5758 and 8410 want nothing */
};

static struct scheme scheme_of(EVP_PKEY *key, bool sha1) {
    if (EVP_PKEY_id(key) == EVP_PKEY_ED25519) {
        CHECK(!sha1);
        return (struct scheme){.oid = "1.3.101.112"};
    }
    if (EVP_PKEY_id(key) == EVP_PKEY_RSA) {
        return sha1 ? (struct scheme){"1.2.840.113549.1.1.5", EVP_sha1(), true}
                    : (struct scheme){"1.2.840.113549.1.1.11", EVP_sha256(), true};
    }
    if (sha1) {
        return (struct scheme){"1.2.840.10045.4.1", EVP_sha1(), false};
    }
    switch (EVP_PKEY_bits(key)) {
    case 384:
        return (struct scheme){"1.2.840.10045.4.3.3", EVP_sha384(), false};
    case 521:
        return (struct scheme){"1.2.840.10045.4.3.4", EVP_sha512(), false};
    default:
        return (struct scheme){"1.2.840.10045.4.3.2", EVP_sha256(), false};
    }
}

static void add_algorithm(CBB *into, struct scheme scheme) {
    CBB sequence;
    add_seq(into, &sequence);
    add_oid(&sequence, scheme.oid);
    if (scheme.null_parameters) {
        add_string(&sequence, CBS_ASN1_NULL, "", 0);
    }
    CHECK(CBB_flush(into) == 1);
}

static void add_attribute(CBB *rdn_sequence, const char *oid, const char *value) {
    CBB set, attribute;
    CHECK(CBB_add_asn1(rdn_sequence, &set, CBS_ASN1_SET) == 1);
    add_seq(&set, &attribute);
    add_oid(&attribute, oid);
    add_string(&attribute, CBS_ASN1_UTF8STRING, value, strlen(value));
    CHECK(CBB_flush(rdn_sequence) == 1);
}

static void add_name(CBB *into, const char *org, const char *common_name) {
    CBB sequence;
    add_seq(into, &sequence);
    if (org != NULL) {
        add_attribute(&sequence, "2.5.4.10", org);
    }
    if (common_name != NULL) {
        add_attribute(&sequence, "2.5.4.3", common_name);
    }
    CHECK(CBB_flush(into) == 1);
}

/* RFC 5280, 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 (and before 1950). */
static void add_time(CBB *into, int64_t unix_s) {
    time_t at = (time_t)unix_s;
    struct tm utc;
    CHECK(gmtime_r(&at, &utc) != NULL);
    bool is_short = utc.tm_year >= 50 && utc.tm_year < 150;
    char text[32];
    size_t len = strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &utc);
    CHECK(len == 15);
    add_string(into, is_short ? CBS_ASN1_UTCTIME : CBS_ASN1_GENERALIZEDTIME,
               is_short ? text + 2 : text, is_short ? len - 2 : len);
}

/* Opens Extension ::= SEQUENCE { extnID, critical, extnValue }; the caller writes the value into
   `value` and flushes `extensions`. */
struct extension {
    CBB sequence, value;
};

static void extension_open(struct extension *extension, CBB *extensions, const char *oid,
                           bool critical) {
    add_seq(extensions, &extension->sequence);
    add_oid(&extension->sequence, oid);
    if (critical) {
        CHECK(CBB_add_asn1_bool(&extension->sequence, 1) == 1);
    }
    CHECK(CBB_add_asn1(&extension->sequence, &extension->value, CBS_ASN1_OCTETSTRING) == 1);
}

/* BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL } */
static void add_basic_constraints(CBB *extensions, const struct mint_spec *spec) {
    struct extension extension;
    CBB sequence;
    extension_open(&extension, extensions, "2.5.29.19", true);
    add_seq(&extension.value, &sequence);
    if (spec->is_ca) {
        CHECK(CBB_add_asn1_bool(&sequence, 1) == 1);
        if (spec->path_len >= 0) {
            CHECK(CBB_add_asn1_uint64(&sequence, (uint64_t)spec->path_len) == 1);
        }
    }
    CHECK(CBB_flush(extensions) == 1);
}

/* KeyUsage ::= BIT STRING, bit 0 first: digitalSignature(0), keyEncipherment(2), keyCertSign(5),
   cRLSign(6). */
static void add_key_usage(CBB *extensions, const struct mint_spec *spec) {
    bool is_rsa = EVP_PKEY_id(spec->key) == EVP_PKEY_RSA;
    uint8_t ca_bits[2] = {1, 0x06}, rsa_bits[2] = {5, 0xA0}, other_bits[2] = {7, 0x80};
    struct extension extension;
    extension_open(&extension, extensions, "2.5.29.15", true);
    add_string(&extension.value, CBS_ASN1_BITSTRING,
               spec->is_ca ? ca_bits
               : is_rsa    ? rsa_bits
                           : other_bits,
               2);
    CHECK(CBB_flush(extensions) == 1);
}

static void add_ext_key_usage(CBB *extensions, bool client_only) {
    struct extension extension;
    CBB sequence;
    extension_open(&extension, extensions, "2.5.29.37", false);
    add_seq(&extension.value, &sequence);
    add_oid(&sequence, client_only ? "1.3.6.1.5.5.7.3.2" : "1.3.6.1.5.5.7.3.1");
    CHECK(CBB_flush(extensions) == 1);
}

/* RFC 5280, 4.2.1.2, method 1: SHA-1 of the bits of subjectPublicKey. */
static void key_identifier(EVP_PKEY *key, uint8_t out[SHA_DIGEST_LENGTH]) {
    CBB cbb;
    uint8_t *der;
    size_t der_len;
    CHECK(CBB_init(&cbb, 512) == 1 && EVP_marshal_public_key(&cbb, key) == 1);
    CHECK(CBB_finish(&cbb, &der, &der_len) == 1);
    CBS input, spki, bits;
    CBS_init(&input, der, der_len);
    CHECK(CBS_get_asn1(&input, &spki, CBS_ASN1_SEQUENCE) == 1);
    CHECK(CBS_get_asn1(&spki, NULL, CBS_ASN1_SEQUENCE) == 1);
    CHECK(CBS_get_asn1(&spki, &bits, CBS_ASN1_BITSTRING) == 1 && CBS_skip(&bits, 1) == 1);
    SHA1(CBS_data(&bits), CBS_len(&bits), out);
    OPENSSL_free(der);
}

static void add_key_identifiers(CBB *extensions, const struct mint_spec *spec) {
    uint8_t identifier[SHA_DIGEST_LENGTH];
    struct extension extension;
    key_identifier(spec->key, identifier);
    extension_open(&extension, extensions, "2.5.29.14", false);
    add_string(&extension.value, CBS_ASN1_OCTETSTRING, identifier, sizeof identifier);
    CHECK(CBB_flush(extensions) == 1);
    if (spec->issuer_key == NULL) {
        return;
    }
    CBB sequence;
    key_identifier(spec->issuer_key, identifier);
    extension_open(&extension, extensions, "2.5.29.35", false);
    add_seq(&extension.value, &sequence);
    add_string(&sequence, CONTEXT_TAG(0), identifier, sizeof identifier);
    CHECK(CBB_flush(extensions) == 1);
}

/* GeneralName ::= CHOICE { dNSName [2] IA5String, iPAddress [7] OCTET STRING, ... }. Critical when
   the subject is empty (RFC 5280, 4.2.1.6). */
static void add_alt_names(CBB *extensions, const struct mint_spec *spec) {
    struct extension extension;
    CBB sequence;
    bool has_subject = spec->subject_cn != NULL || spec->subject_org != NULL;
    extension_open(&extension, extensions, "2.5.29.17", !has_subject);
    add_seq(&extension.value, &sequence);
    for (uint32_t i = 0; i < spec->dns_name_count; i++) {
        add_string(&sequence, CONTEXT_TAG(2), spec->dns_names[i], strlen(spec->dns_names[i]));
    }
    for (uint32_t i = 0; i < spec->ipv4_count; i++) {
        add_string(&sequence, CONTEXT_TAG(7), spec->ipv4[i], 4);
    }
    CHECK(CBB_flush(extensions) == 1);
}

/* NameConstraints ::= SEQUENCE { permittedSubtrees [0] SEQUENCE OF GeneralSubtree OPTIONAL, ... },
   GeneralSubtree ::= SEQUENCE { base GeneralName, ... } */
static void add_name_constraints(CBB *extensions, const char *permitted_dns) {
    struct extension extension;
    CBB sequence, permitted, subtree;
    extension_open(&extension, extensions, "2.5.29.30", true);
    add_seq(&extension.value, &sequence);
    CHECK(CBB_add_asn1(&sequence, &permitted, CONTEXT_CONSTRUCTED_TAG(0)) == 1);
    add_seq(&permitted, &subtree);
    add_string(&subtree, CONTEXT_TAG(2), permitted_dns, strlen(permitted_dns));
    CHECK(CBB_flush(extensions) == 1);
}

static void add_padding(CBB *extensions, uint32_t padding_len) {
    struct extension extension;
    uint8_t *space;
    extension_open(&extension, extensions, PADDING_OID, false);
    CHECK(CBB_add_space(&extension.value, &space, padding_len) == 1);
    memset(space, 0x5A, padding_len);
    CHECK(CBB_flush(extensions) == 1);
}

static void add_extensions(CBB *tbs, const struct mint_spec *spec) {
    CBB outer, extensions;
    CHECK(CBB_add_asn1(tbs, &outer, CONTEXT_CONSTRUCTED_TAG(3)) == 1);
    add_seq(&outer, &extensions);
    if (!spec->no_basic_constraints) {
        add_basic_constraints(&extensions, spec);
    }
    if (!spec->no_ku_eku) {
        add_key_usage(&extensions, spec);
        if (!spec->is_ca || spec->eku_client_only) {
            add_ext_key_usage(&extensions, spec->eku_client_only);
        }
    }
    if (!spec->no_key_ids) {
        add_key_identifiers(&extensions, spec);
    }
    if (spec->dns_name_count + spec->ipv4_count > 0) {
        add_alt_names(&extensions, spec);
    }
    if (spec->permitted_dns != NULL) {
        add_name_constraints(&extensions, spec->permitted_dns);
    }
    if (spec->padding_len > 0) {
        add_padding(&extensions, spec->padding_len);
    }
    CHECK(CBB_flush(tbs) == 1);
}

/* RFC 5280, 4.1: TBSCertificate, version 3. */
static void add_tbs(CBB *into, const struct mint_spec *spec, struct scheme scheme) {
    CBB tbs, version, validity;
    add_seq(into, &tbs);
    CHECK(CBB_add_asn1(&tbs, &version, CONTEXT_CONSTRUCTED_TAG(0)) == 1);
    CHECK(CBB_add_asn1_uint64(&version, 2) == 1);
    CHECK(CBB_add_asn1_uint64(&tbs, spec->serial) == 1);
    add_algorithm(&tbs, scheme);
    bool self_issued = spec->issuer_cn == NULL;
    add_name(&tbs, self_issued ? spec->subject_org : spec->issuer_org,
             self_issued ? spec->subject_cn : spec->issuer_cn);
    add_seq(&tbs, &validity);
    add_time(&validity, spec->not_before);
    add_time(&validity, spec->not_after);
    add_name(&tbs, spec->subject_org, spec->subject_cn);
    CHECK(EVP_marshal_public_key(&tbs, spec->key) == 1);
    add_extensions(&tbs, spec);
    CHECK(CBB_flush(into) == 1);
}

/* ECDSA with a nonce drawn from the private key and the digest, so that the same certificate comes
   out byte for byte on every machine. BoringSSL's name for it is the warning: these keys are public
   knowledge anyway. */
static void sign_ecdsa(CBB *out, EVP_PKEY *key, const EVP_MD *md, const uint8_t *tbs, size_t len) {
    uint8_t digest[EVP_MAX_MD_SIZE], seed[128], nonce[66];
    unsigned digest_len;
    CHECK(EVP_Digest(tbs, len, digest, &digest_len, md, NULL) == 1);
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    size_t order_len = BN_num_bytes(EC_GROUP_get0_order(EC_KEY_get0_group(ec)));
    CHECK(order_len <= sizeof nonce);
    memset(seed, 0, sizeof seed);
    CHECK(BN_bn2bin_padded(seed, 66, EC_KEY_get0_private_key(ec)) == 1);
    memcpy(seed + 66, digest, digest_len < 62 ? digest_len : 62);
    struct mint_stream stream;
    mint_stream_init(&stream, "nonce", 0, seed, sizeof seed);
    mint_stream_read(&stream, nonce, order_len);
    nonce[0] = 0; /* below the order of every curve here */
    ECDSA_SIG *signature = ECDSA_sign_with_nonce_and_leak_private_key_for_testing(
        digest, digest_len, ec, nonce, order_len);
    CHECK(signature != NULL && ECDSA_SIG_marshal(out, signature) == 1);
    ECDSA_SIG_free(signature);
}

static void sign_other(CBB *out, EVP_PKEY *key, const EVP_MD *md, const uint8_t *tbs, size_t len) {
    EVP_MD_CTX context;
    EVP_MD_CTX_init(&context);
    CHECK(EVP_DigestSignInit(&context, NULL, md, NULL, key) == 1);
    size_t signature_len = (size_t)EVP_PKEY_size(key);
    uint8_t *signature;
    CHECK(CBB_reserve(out, &signature, signature_len) == 1);
    CHECK(EVP_DigestSign(&context, signature, &signature_len, tbs, len) == 1);
    CHECK(CBB_did_write(out, signature_len) == 1);
    EVP_MD_CTX_cleanup(&context);
}

/* Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING } */
uint8_t *mint_certificate(const struct mint_spec *spec, size_t *out_len) {
    CHECK(spec->key != NULL);
    EVP_PKEY *signer = spec->issuer_key != NULL ? spec->issuer_key : spec->key;
    struct scheme scheme = scheme_of(signer, spec->sha1);
    CBB cbb, tbs_cbb, certificate, bits;
    uint8_t *tbs, *der;
    size_t tbs_len, der_len;
    CHECK(CBB_init(&tbs_cbb, 1024) == 1);
    add_tbs(&tbs_cbb, spec, scheme);
    CHECK(CBB_finish(&tbs_cbb, &tbs, &tbs_len) == 1);
    CHECK(CBB_init(&cbb, tbs_len + 512) == 1);
    add_seq(&cbb, &certificate);
    CHECK(CBB_add_bytes(&certificate, tbs, tbs_len) == 1);
    add_algorithm(&certificate, scheme);
    CHECK(CBB_add_asn1(&certificate, &bits, CBS_ASN1_BITSTRING) == 1 && CBB_add_u8(&bits, 0) == 1);
    if (EVP_PKEY_id(signer) == EVP_PKEY_EC) {
        sign_ecdsa(&bits, signer, scheme.md, tbs, tbs_len);
    } else {
        sign_other(&bits, signer, scheme.md, tbs, tbs_len);
    }
    CHECK(CBB_finish(&cbb, &der, &der_len) == 1);
    OPENSSL_free(tbs);
    /* OPENSSL_free() and free() are not the same in BoringSSL. */
    uint8_t *copy = malloc(der_len);
    CHECK(copy != NULL);
    memcpy(copy, der, der_len);
    OPENSSL_free(der);
    *out_len = der_len;
    return copy;
}
