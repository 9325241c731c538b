#include "engine/codec/cert_sct.h"

#include <openssl/bytestring.h>

#include "engine/codec/cert_oid.h"

#define CONTEXT(number) (CBS_ASN1_CONTEXT_SPECIFIC | (number))
#define CONTEXT_CONSTRUCTED(number) (CONTEXT(number) | CBS_ASN1_CONSTRUCTED)
#define SCT_LOG_ID_LEN 32
#define SCT_TIME_MAX_S UINT64_C(253402300799) /* the end of the year 9999 */

static bool skip(CBS *from, unsigned tag) {
    return CBS_get_asn1(from, NULL, tag) == 1;
}

/* The Extensions of a TBSCertificate; false if it has none. */
static bool read_extensions(struct span tbs_element, CBS *out) {
    CBS input, tbs, wrapped;
    CBS_init(&input, tbs_element.data, tbs_element.len);
    return CBS_get_asn1(&input, &tbs, CBS_ASN1_SEQUENCE) == 1 &&
           CBS_get_optional_asn1(&tbs, NULL, NULL, CONTEXT_CONSTRUCTED(0)) == 1 &&
           skip(&tbs, CBS_ASN1_INTEGER) &&  /* serialNumber */
           skip(&tbs, CBS_ASN1_SEQUENCE) && /* signature */
           skip(&tbs, CBS_ASN1_SEQUENCE) && /* issuer */
           skip(&tbs, CBS_ASN1_SEQUENCE) && /* validity */
           skip(&tbs, CBS_ASN1_SEQUENCE) && /* subject */
           skip(&tbs, CBS_ASN1_SEQUENCE) && /* subjectPublicKeyInfo */
           CBS_get_optional_asn1(&tbs, NULL, NULL, CONTEXT(1)) == 1 &&
           CBS_get_optional_asn1(&tbs, NULL, NULL, CONTEXT(2)) == 1 &&
           CBS_get_asn1(&tbs, &wrapped, CONTEXT_CONSTRUCTED(3)) == 1 &&
           CBS_get_asn1(&wrapped, out, CBS_ASN1_SEQUENCE) == 1;
}

/* The SignedCertificateTimestampList in the extension's value. */
static bool read_list(CBS *extensions, CBS *out) {
    while (CBS_len(extensions) > 0) {
        CBS extension, oid, value, inner;
        if (CBS_get_asn1(extensions, &extension, CBS_ASN1_SEQUENCE) != 1 ||
            CBS_get_asn1(&extension, &oid, CBS_ASN1_OBJECT) != 1) {
            return false;
        }
        if (cert_oid_extension(span_of(CBS_data(&oid), CBS_len(&oid))) == CERT_EXTENSION_SCTS) {
            return CBS_get_optional_asn1(&extension, NULL, NULL, CBS_ASN1_BOOLEAN) == 1 &&
                   CBS_get_asn1(&extension, &value, CBS_ASN1_OCTETSTRING) == 1 &&
                   CBS_get_asn1(&value, &inner, CBS_ASN1_OCTETSTRING) == 1 &&
                   CBS_len(&value) == 0 && CBS_get_u16_length_prefixed(&inner, out) == 1 &&
                   CBS_len(&inner) == 0;
        }
    }
    return false;
}

/* One SerializedSCT. `*out_known` is false where its version is not 1 (RFC 9162 has others). */
static bool read_sct(CBS *sct, uint64_t *out_ms, bool *out_known) {
    uint8_t version;
    CBS extensions, signature;
    uint16_t algorithms;
    if (CBS_get_u8(sct, &version) != 1) {
        return false;
    }
    *out_known = version == 0;
    return version != 0 || (CBS_skip(sct, SCT_LOG_ID_LEN) == 1 && CBS_get_u64(sct, out_ms) == 1 &&
                            CBS_get_u16_length_prefixed(sct, &extensions) == 1 &&
                            CBS_get_u16(sct, &algorithms) == 1 &&
                            CBS_get_u16_length_prefixed(sct, &signature) == 1 && CBS_len(sct) == 0);
}

bool cert_sct_first(const struct cert_fields *cert, int64_t *out_unix_s) {
    CBS extensions, list, sct;
    uint64_t first_s = SCT_TIME_MAX_S + 1;
    if (!cert->has_scts || !read_extensions(cert->tbs, &extensions) ||
        !read_list(&extensions, &list)) {
        return false;
    }
    while (CBS_len(&list) > 0) {
        uint64_t ms = 0;
        bool known;
        if (CBS_get_u16_length_prefixed(&list, &sct) != 1 || !read_sct(&sct, &ms, &known)) {
            return false;
        }
        if (known && ms / 1000 < first_s) {
            first_s = ms / 1000;
        }
    }
    if (first_s > SCT_TIME_MAX_S) {
        return false;
    }
    *out_unix_s = (int64_t)first_s;
    return true;
}
