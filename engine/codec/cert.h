/* A zero-copy walk over a DER certificate (RFC 5280 section 4.1): every field is a span into the
   input, which must outlive the result. Pure; no allocation; no recursion; bounded by the input's
   length, which is at most CERT_BYTES_MAX: a longer one is refused.

   Certificate ::= SEQUENCE { tbsCertificate TBSCertificate, signatureAlgorithm AlgorithmIdentifier,
                              signatureValue BIT STRING }

   Two implementations of the same rules: cert_walk() is written by hand and fast; cert_walk_cbs()
   uses BoringSSL's CBS and is its oracle: they agree on every input, valid or not (tests,
   fuzz/fuzz_cert.c). */
#ifndef PINSWEEP_CODEC_CERT_H
#define PINSWEEP_CODEC_CERT_H

#include "engine/base/span.h"
#include "engine/codec/netaddr.h"

enum cert_key {
    CERT_KEY_OTHER, /* GOST, DSA, X25519, explicit curves, unknown OIDs, unparsable */
    CERT_KEY_RSA,
    CERT_KEY_RSA_PSS,
    CERT_KEY_EC_P256,
    CERT_KEY_EC_P384,
    CERT_KEY_EC_P521,
    CERT_KEY_EC_OTHER, /* another named curve */
    CERT_KEY_ED25519,
    CERT_KEY_ED448,
};

/* What signed the certificate, as far as a verdict needs it. */
enum cert_signature {
    CERT_SIGNATURE_OTHER,
    CERT_SIGNATURE_WEAK, /* MD2, MD5 or SHA-1 based: refused by all current clients */
    CERT_SIGNATURE_STRONG,
};

struct cert_fields {
    struct span der;    /* the whole Certificate element, trailing bytes excluded (and refused) */
    struct span tbs;    /* TBSCertificate with its header */
    struct span serial; /* INTEGER contents, as encoded */
    struct span signature_alg;     /* AlgorithmIdentifier with header, of the outer Certificate */
    struct span issuer, subject;   /* Name with header: compared byte by byte */
    struct span spki;              /* SubjectPublicKeyInfo with header: what pins hash, raw */
    struct span sans;              /* contents of GeneralNames in subjectAltName; empty if none */
    struct span ski, aki;          /* keyIdentifier bytes; empty if none */
    int64_t not_before, not_after; /* Unix seconds */
    enum cert_key key;
    uint16_t key_bits; /* RSA modulus or curve size; 0 if not known */
    enum cert_signature signature;
    uint8_t version;  /* 1, 2 or 3 */
    bool is_ca;       /* basicConstraints cA TRUE (false for v1) */
    int16_t path_len; /* pathLenConstraint, -1 if none */
    bool has_name_constraints;
    bool has_scts; /* embedded SCT list present (RFC 6962) */
};

/* All fields. False on anything that is not a well-formed certificate: bad tags or lengths,
   non-minimal lengths, trailing bytes, missing fields, unreadable times, extensions outside v3, two
   extensions of one kind among those read here. Accepted because real and harmless: an explicit v1,
   a cA or critical of FALSE spelled out, negative and huge serials, RSA without its NULL, a
   pathLenConstraint without cA (path_len is then set, is_ca false), names that are not UTF-8. */
bool cert_walk(struct span der, struct cert_fields *out);
bool cert_walk_cbs(struct span der, struct cert_fields *out);

/* Only the raw SubjectPublicKeyInfo, by TLV structure alone and therefore also for certificates
   that cert_walk refuses for what is inside their version, serial, names, times, key or extensions,
   or behind the key. DER still: minimal lengths, one element that fills the input. The hot path of
   hashing. */
bool cert_spki(struct span der, struct span *out_spki);
bool cert_spki_cbs(struct span der, struct span *out_spki);

/* The whole input is a SubjectPublicKeyInfo; of which kind its key is. */
bool cert_spki_key(struct span spki, enum cert_key *out_key, uint16_t *out_key_bits);

/* RFC 9525: any dNSName of the certificate matches `host` (ASCII, lower case, no trailing dot). The
   subject's CN is never looked at. At most CERT_SANS_MAX names are. */
bool cert_covers_host(const struct cert_fields *cert, struct span host);
/* Any iPAddress of the certificate equals `address`. */
bool cert_covers_address(const struct cert_fields *cert, const struct netaddr *address);
/* Calls `each` for every dNSName and iPAddress (contents bytes) until it returns false. */
void cert_each_san(const struct cert_fields *cert,
                   bool (*each)(void *context, bool is_dns, struct span value), void *context);

/* "rsa-2048", "rsa-pss-2048", "ecdsa-p256", "ecdsa-other", "ed25519", "ed448", "other"; `out` is
 * NUL-terminated. */
void cert_key_text(char out[24], enum cert_key key, uint16_t key_bits);
/* Its reverse; CERT_KEY_OTHER for a text that it never writes. The size of RSA keys stands in the
   text, that of others (0 if it is not known) follows from their kind. */
enum cert_key cert_key_from_text(const char *text, uint16_t *out_bits);

#endif
