/* TLS records in, handshake messages out: what one peer sends up to its Finished, cut and joined in
   any way (RFC 5246 section 6.2, RFC 8446 section 5). Plain first; after records_seal() under one
   traffic key of TLS 1.3. Memory grows with what has come and is not yet taken, which the caller
   bounds by HANDSHAKE_BYTES_MAX. */
#ifndef PINSWEEP_NET_RECORDS_H
#define PINSWEEP_NET_RECORDS_H

#include <openssl/aead.h>

#include "engine/base/limits.h"
#include "engine/base/span.h"

#define RECORDS_IV_LEN 12

enum records_news {
    RECORDS_WAIT,    /* feed more */
    RECORDS_MESSAGE, /* a whole handshake message, header included */
    RECORDS_ALERT,   /* an alert that ends the handshake: see `alert` */
    RECORDS_UNUSUAL, /* anything that a usual server does not send */
    RECORDS_BAD_TAG, /* a record that the key does not open */
};

struct records {
    uint8_t *bytes; /* messages not taken, then records not opened */
    uint32_t capacity;
    uint32_t message_at, message_end;
    uint32_t raw_at, raw_end; /* message_end <= raw_at */
    uint64_t sequence;        /* records opened under the key */
    EVP_AEAD_CTX
        *aead; /* NULL until sealed: it is large, and few of those in flight have come so far */
    uint8_t iv[RECORDS_IV_LEN];
    bool sealed;
    uint8_t passed_over; /* records that say nothing: change_cipher_spec, warnings */
    uint8_t alert;       /* its description */
};

void records_init(struct records *records);
void records_fini(struct records *records);
/* Copies `in`. False if memory is short. */
bool records_feed(struct records *records, struct span in);
/* The next message; it is valid until the next call of any function here. */
enum records_news records_next(struct records *records, struct span *out_message);
/* Whether bytes of a further message are there already: none may be where keys change. */
bool records_has_more(const struct records *records);
/* From here on every record is sealed under this key. False if memory is short. */
bool records_seal(struct records *records, const EVP_AEAD *aead, struct span key,
                  const uint8_t iv[RECORDS_IV_LEN]);

#endif
