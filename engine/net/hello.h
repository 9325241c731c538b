/* A ClientHello as a template: learnt once from what BoringSSL's SSL object sends in a view, then
   written for each connection with its own random, session id, key share and server name. The fast
   flight thus offers exactly what the SSL object offers, and a server answers both alike. Pure;
   nothing is allocated. */
#ifndef PINSWEEP_NET_HELLO_H
#define PINSWEEP_NET_HELLO_H

#include "engine/base/limits.h"
#include "engine/base/span.h"
#include "engine/net/mlkem.h"

#define HELLO_RANDOM_LEN 32
#define HELLO_SHARE_LEN 32 /* X25519 */
/* Without server name. An X25519MLKEM768 share takes 1,216 bytes of it. */
#define HELLO_TEMPLATE_MAX SEND_BUFFER_BYTES

/* What changes from connection to connection. */
struct hello_values {
    uint8_t random[HELLO_RANDOM_LEN];
    uint8_t session_id[32];
    uint8_t share[HELLO_SHARE_LEN]; /* not used by a template without 1.3 */
    const uint8_t *mlkem;           /* MLKEM_PUBLIC_LEN; NULL: no such share is in the template */
    const char *sni;                /* "": none */
};

/* Offsets into `bytes`, which holds the handshake message from its header on, without server name
   and padding. */
struct hello {
    uint8_t bytes[HELLO_TEMPLATE_MAX];
    uint16_t len;
    uint16_t session_id_at, ciphers_at, extensions_at; /* each at its length */
    uint16_t share_at;                                 /* 0: no X25519 share is offered */
    uint16_t mlkem_at;                                 /* 0: no X25519MLKEM768 share is offered */
    uint16_t signatures_at; /* the schemes' length; 0: the extension is not sent */
    uint16_t groups_at;     /* the same of supported_groups */
    bool offers_12, offers_13;
    bool pads; /* as BoringSSL did until 2024: see hello_write */
};

/* Learns from the record that holds a ClientHello without server name. False if it is not one that
   can be written again: an unknown form, no TLS 1.2 or 1.3 in it, 1.3 without a share, a share
   of a group that cannot be made anew. */
bool hello_learn(struct hello *hello, struct span record);
/* Whether the library pads (older ones do) is seen in a ClientHello with a name of this length, or
   without one if that is 0: the second record to learn from. */
size_t hello_padding_name_len(const struct hello *hello);
void hello_learn_padding(struct hello *hello, struct span record);
/* Writes the record that sends the ClientHello; returns its length. 0: the name is longer than
   SNI or `out` can hold. */
size_t hello_write(const struct hello *hello, const struct hello_values *values,
                   uint8_t out[SEND_BUFFER_BYTES]);

/* The longest record that hello_write() makes, with whatever name. */
size_t hello_len_max(const struct hello *hello);

bool hello_offers_cipher(const struct hello *hello, uint16_t cipher);
bool hello_offers_signature(const struct hello *hello, uint16_t scheme);
bool hello_offers_group(const struct hello *hello, uint16_t group);
bool hello_offers_extension(const struct hello *hello, uint16_t type); /* server_name: always */

#endif
