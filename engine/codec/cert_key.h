/* Private to cert: what a well-formed AlgorithmIdentifier and key say. Nothing here fails: what
   cannot be read is OTHER. */
#ifndef PINSWEEP_CODEC_CERT_KEY_H
#define PINSWEEP_CODEC_CERT_KEY_H

#include "engine/codec/cert.h"

/* AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL } */
struct cert_algorithm {
    struct span oid;        /* contents */
    struct span parameters; /* with header; empty if absent */
};

void cert_classify_key(const struct cert_algorithm *algorithm, struct span bit_string,
                       struct cert_fields *out);
enum cert_signature cert_classify_signature(const struct cert_algorithm *algorithm);

#endif
