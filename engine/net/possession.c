#include "engine/net/possession.h"

#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include "engine/codec/cert.h"

/* The curve of a TLS 1.3 ECDSA scheme: there, unlike in 1.2, it belongs to the scheme (RFC 8446
   section 4.2.3). */
static int scheme_curve(uint16_t scheme) {
    switch (scheme) {
    case SSL_SIGN_ECDSA_SECP256R1_SHA256:
        return NID_X9_62_prime256v1;
    case SSL_SIGN_ECDSA_SECP384R1_SHA384:
        return NID_secp384r1;
    case SSL_SIGN_ECDSA_SECP521R1_SHA512:
        return NID_secp521r1;
    default:
        return NID_undef;
    }
}

static bool curve_fits(const EVP_PKEY *key, uint16_t scheme) {
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    int curve = scheme_curve(scheme);
    return ec != NULL && curve != NID_undef &&
           EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) == curve;
}

/* SHA-1 (RFC 9155) and MD5 collide: alone they prove nothing. In a whole handshake the Finished
   messages stand beside them. */
static bool is_weak(uint16_t scheme) {
    return scheme == SSL_SIGN_RSA_PKCS1_SHA1 || scheme == SSL_SIGN_ECDSA_SHA1 ||
           scheme == SSL_SIGN_RSA_PKCS1_MD5_SHA1;
}

/* RFC 8446 section 4.4.3: no PKCS#1 signature; the curve is the scheme's. RFC 5246 section 7.4.3:
   the key is of the suite's kind. */
static bool scheme_fits(const EVP_PKEY *key, uint16_t version, bool ecdsa_suite, uint16_t scheme) {
    int type = EVP_PKEY_id(key);
    if (SSL_get_signature_algorithm_key_type(scheme) != type || is_weak(scheme)) {
        return false;
    }
    if (version >= TLS1_3_VERSION) {
        return type == EVP_PKEY_RSA  ? SSL_is_signature_algorithm_rsa_pss(scheme) == 1
               : type == EVP_PKEY_EC ? curve_fits(key, scheme)
                                     : type == EVP_PKEY_ED25519;
    }
    return ecdsa_suite ? type == EVP_PKEY_EC || type == EVP_PKEY_ED25519 : type == EVP_PKEY_RSA;
}

static enum possession verify(EVP_PKEY *key, uint16_t scheme, struct span content,
                              struct span signature) {
    EVP_MD_CTX context;
    EVP_MD_CTX_init(&context);
    EVP_PKEY_CTX *key_context;
    enum possession result = POSSESSION_UNUSUAL;
    if (EVP_DigestVerifyInit(&context, &key_context, SSL_get_signature_algorithm_digest(scheme),
                             NULL, key) &&
        (!SSL_is_signature_algorithm_rsa_pss(scheme) ||
         (EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) &&
          EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, -1 /* as long as the hash */)))) {
        result = EVP_DigestVerify(&context, signature.data, signature.len, content.data,
                                  content.len) == 1
                     ? POSSESSION_PROVEN
                     : POSSESSION_REFUSED;
    }
    EVP_MD_CTX_cleanup(&context);
    return result;
}

enum possession possession_check(struct span leaf, uint16_t version, bool ecdsa_suite,
                                 uint16_t scheme, struct span content, struct span signature) {
    struct span spki;
    if (!cert_spki(leaf, &spki)) {
        return POSSESSION_UNUSUAL;
    }
    CBS cbs;
    CBS_init(&cbs, spki.data, spki.len);
    EVP_PKEY *key = EVP_parse_public_key(&cbs);
    enum possession result = POSSESSION_UNUSUAL;
    if (key != NULL && CBS_len(&cbs) == 0 && scheme_fits(key, version, ecdsa_suite, scheme)) {
        result = verify(key, scheme, content, signature);
    }
    EVP_PKEY_free(key);
    ERR_clear_error();
    return result;
}

/* Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE,
                            extnValue OCTET STRING }
   KeyUsage ::= BIT STRING { digitalSignature (0), ... } */
static bool extension_may_sign(CBS extension) {
    static const uint8_t key_usage[] = {0x55, 0x1d, 0x0f};
    CBS oid, value, bits;
    if (!CBS_get_asn1(&extension, &oid, CBS_ASN1_OBJECT)) {
        return false;
    }
    if (!CBS_mem_equal(&oid, key_usage, sizeof key_usage)) {
        return true;
    }
    return CBS_get_optional_asn1(&extension, NULL, NULL, CBS_ASN1_BOOLEAN) &&
           CBS_get_asn1(&extension, &value, CBS_ASN1_OCTETSTRING) &&
           CBS_get_asn1(&value, &bits, CBS_ASN1_BITSTRING) && CBS_asn1_bitstring_has_bit(&bits, 0);
}

bool possession_may_sign(struct span leaf) {
    CBS cbs, cert, tbs, wrapper, extensions, extension;
    int has_extensions;
    CBS_init(&cbs, leaf.data, leaf.len);
    if (!CBS_get_asn1(&cbs, &cert, CBS_ASN1_SEQUENCE) || CBS_len(&cbs) != 0 ||
        !CBS_get_asn1(&cert, &tbs, CBS_ASN1_SEQUENCE) ||
        !CBS_get_optional_asn1(&tbs, NULL, NULL,
                               CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) ||
        !CBS_get_asn1(&tbs, NULL, CBS_ASN1_INTEGER) ||  /* serialNumber */
        !CBS_get_asn1(&tbs, NULL, CBS_ASN1_SEQUENCE) || /* signature */
        !CBS_get_asn1(&tbs, NULL, CBS_ASN1_SEQUENCE) || /* issuer */
        !CBS_get_asn1(&tbs, NULL, CBS_ASN1_SEQUENCE) || /* validity */
        !CBS_get_asn1(&tbs, NULL, CBS_ASN1_SEQUENCE) || /* subject */
        !CBS_get_asn1(&tbs, NULL, CBS_ASN1_SEQUENCE) || /* subjectPublicKeyInfo */
        !CBS_get_optional_asn1(&tbs, NULL, NULL, CBS_ASN1_CONTEXT_SPECIFIC | 1) ||
        !CBS_get_optional_asn1(&tbs, NULL, NULL, CBS_ASN1_CONTEXT_SPECIFIC | 2) ||
        !CBS_get_optional_asn1(&tbs, &wrapper, &has_extensions,
                               CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3)) {
        return false;
    }
    if (!has_extensions) {
        return true;
    }
    if (!CBS_get_asn1(&wrapper, &extensions, CBS_ASN1_SEQUENCE)) {
        return false;
    }
    while (CBS_len(&extensions) > 0) { /* every turn takes two bytes or more */
        if (!CBS_get_asn1(&extensions, &extension, CBS_ASN1_SEQUENCE) ||
            !extension_may_sign(extension)) {
            return false;
        }
    }
    return true;
}
