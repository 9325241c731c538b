/* PKCS#7 and CMS bundles (".p7b", ".p7c"): the certificates of a SignedData.

   ContentInfo ::= SEQUENCE { contentType OBJECT IDENTIFIER, content [0] EXPLICIT ANY }
   SignedData ::= SEQUENCE { version INTEGER, digestAlgorithms SET, contentInfo SEQUENCE,
     certificates [0] IMPLICIT SET OF CertificateChoices OPTIONAL, ... }
   (RFC 2315 sections 7 and 9.1, RFC 5652 sections 3 and 5.1) */
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/pkcs7.h>
#include <openssl/pool.h>
#include <openssl/stack.h>

#include "engine/codec/der.h"
#include "engine/corpus/corpus_readers.h"

/* 1.2.840.113549.1.7.2, with header */
static const uint8_t signed_data[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                      0xf7, 0x0d, 0x01, 0x07, 0x02};

bool corpus_is_pkcs7(struct span head) {
    if (head.len < 2 || head.data[0] != DER_SEQUENCE) {
        return false;
    }
    size_t header = 2 + (head.data[1] > 0x80 ? head.data[1] & 0x7fu : 0);
    return header <= 6 && head.len >= header + sizeof signed_data &&
           memcmp(head.data + header, signed_data, sizeof signed_data) == 0;
}

/* The contents of `certificates`, empty if it is absent. */
static bool find_certificates(struct span bytes, CBS *out) {
    CBS all, info, content, data, type, skipped;
    int present = 0;
    CBS_init(&all, bytes.data, bytes.len);
    CBS_init(out, NULL, 0);
    return CBS_get_asn1(&all, &info, CBS_ASN1_SEQUENCE) && CBS_len(&all) == 0 &&
           CBS_get_asn1_element(&info, &type, CBS_ASN1_OBJECT) &&
           CBS_mem_equal(&type, signed_data, sizeof signed_data) &&
           CBS_get_asn1(&info, &content, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) &&
           CBS_len(&info) == 0 && CBS_get_asn1(&content, &data, CBS_ASN1_SEQUENCE) &&
           CBS_len(&content) == 0 && CBS_get_asn1(&data, &skipped, CBS_ASN1_INTEGER) &&
           CBS_get_asn1(&data, &skipped, CBS_ASN1_SET) &&
           CBS_get_asn1(&data, &skipped, CBS_ASN1_SEQUENCE) &&
           CBS_get_optional_asn1(&data, out, &present,
                                 CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0);
}

/* CertificateChoices: a Certificate, or attribute certificates and others under tags of their own,
   which have no key to pin. */
static void add_certificates(struct corpus_batch *batch, struct span bytes, CBS certificates,
                             struct corpus_place place) {
    CBS element;
    unsigned tag;
    size_t header_len;
    while (CBS_len(&certificates) > 0) {
        size_t at = (size_t)(CBS_data(&certificates) - bytes.data);
        struct span rest = span_of(CBS_data(&certificates), CBS_len(&certificates));
        if (!CBS_get_any_asn1_element(&certificates, &element, &tag, &header_len)) {
            corpus_batch_broken(batch, rest, corpus_place_at(place, at),
                                "not a certificate in DER; the rest of this PKCS#7 is passed over");
            return;
        }
        if (tag == CBS_ASN1_SEQUENCE) {
            corpus_batch_add(batch, span_of(CBS_data(&element), CBS_len(&element)),
                             corpus_place_at(place, at));
        }
    }
}

/* BER (indefinite lengths, as Windows writes them): BoringSSL turns it into DER first, so that all
   certificates are told under the place of the whole. */
static bool add_from_ber(struct corpus_batch *batch, struct span bytes, struct corpus_place place) {
    STACK_OF(CRYPTO_BUFFER) *buffers = sk_CRYPTO_BUFFER_new_null();
    CBS all;
    CBS_init(&all, bytes.data, bytes.len);
    bool good = buffers != NULL && PKCS7_get_raw_certificates(buffers, &all, NULL) == 1 &&
                CBS_len(&all) == 0;
    for (size_t i = 0; good && i < sk_CRYPTO_BUFFER_num(buffers); i++) {
        const CRYPTO_BUFFER *buffer = sk_CRYPTO_BUFFER_value(buffers, i);
        size_t len = CRYPTO_BUFFER_len(buffer);
        memcpy(corpus_batch_room(batch, len), CRYPTO_BUFFER_data(buffer), len);
        corpus_batch_add(batch, corpus_batch_take(batch, len), place);
    }
    sk_CRYPTO_BUFFER_pop_free(buffers, CRYPTO_BUFFER_free);
    return good;
}

void corpus_read_pkcs7(struct corpus_batch *batch, struct span bytes, struct corpus_place place) {
    CBS certificates;
    if (find_certificates(bytes, &certificates)) {
        add_certificates(batch, bytes, certificates, place);
        return;
    }
    /* The room that holds `bytes`, if any, is not given anew before BoringSSL has its own copy. */
    place.fixed = true;
    if (!add_from_ber(batch, bytes, place)) {
        corpus_batch_broken(batch, span_of(NULL, 0), place, "not a PKCS#7 bundle of certificates");
    }
}
