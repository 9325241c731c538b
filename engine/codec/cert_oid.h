/* Private to cert: the object identifiers that a certificate's facts hang on, as data for both the
   walk and its oracle. */
#ifndef PINSWEEP_CODEC_CERT_OID_H
#define PINSWEEP_CODEC_CERT_OID_H

#include "engine/codec/cert.h"

enum cert_key_oid {
    CERT_KEY_OID_OTHER,
    CERT_KEY_OID_RSA,
    CERT_KEY_OID_RSA_PSS,
    CERT_KEY_OID_EC,
    CERT_KEY_OID_ED25519,
    CERT_KEY_OID_ED448,
};

enum cert_extension {
    CERT_EXTENSION_OTHER,
    CERT_EXTENSION_SAN,
    CERT_EXTENSION_SKI,
    CERT_EXTENSION_AKI,
    CERT_EXTENSION_BASIC_CONSTRAINTS,
    CERT_EXTENSION_NAME_CONSTRAINTS,
    CERT_EXTENSION_SCTS,
};

struct cert_curve {
    enum cert_key key;
    uint16_t bits;
};

enum cert_key_oid cert_oid_key(struct span oid);
enum cert_extension cert_oid_extension(struct span oid);
/* CERT_KEY_EC_OTHER with 0 bits for a curve that is not in the table. */
struct cert_curve cert_oid_curve(struct span oid);
/* Of a signature algorithm other than RSASSA-PSS, which depends on its parameters. */
enum cert_signature cert_oid_signature(struct span oid);
/* What a signature over this hash is worth. */
enum cert_signature cert_oid_hash(struct span oid);

/* A named curve's point: uncompressed or compressed, of the curve's size (SEC 1 section 2.3.3). */
static inline bool cert_point_fits(struct span point, uint16_t bits) {
    size_t len = ((size_t)bits + 7) / 8;
    return (point.len == 2 * len + 1 && point.data[0] == 0x04) ||
           (point.len == len + 1 && (point.data[0] == 0x02 || point.data[0] == 0x03));
}

#endif
