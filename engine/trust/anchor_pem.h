/* Private to anchor*.c and their tests: the certificates of a PEM bundle (RFC 7468), with the line
   each stands on, since a message without one is no help in a file of 150. */
#ifndef PINSWEEP_TRUST_ANCHOR_PEM_H
#define PINSWEEP_TRUST_ANCHOR_PEM_H

#include "engine/base/limits.h"
#include "engine/base/span.h"

struct pem_reader {
    struct span rest;
    uint32_t line; /* of the first line of `rest`, from 1 */
    size_t text_len;
    uint8_t text[(CERT_BYTES_MAX + 4096) / 3 * 4]; /* base64 of one block, lines joined */
    uint8_t der[CERT_BYTES_MAX + 4096];            /* 4096: settings after a TRUSTED certificate */
};

enum pem_result { PEM_CERTIFICATE, PEM_END, PEM_BROKEN };

void pem_reader_init(struct pem_reader *reader, struct span text);
/* The next certificate as DER, valid until the next call. `*out_line` is where its BEGIN stands, or
   the broken line; `*out_why` says what is wrong with it. Text and other blocks are passed over. */
enum pem_result pem_reader_next(struct pem_reader *reader, struct span *out_der, uint32_t *out_line,
                                const char **out_why);

#endif
