/* The part of TLS 1.3's key schedule (RFC 8446 section 7.1) that opens the server's flight: from
   the shared secret and the transcript to the server's handshake traffic key and Finished. HKDF,
   HMAC and the hashes are BoringSSL's. */
#ifndef PINSWEEP_NET_KEYSCHEDULE_H
#define PINSWEEP_NET_KEYSCHEDULE_H

#include <openssl/aead.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "engine/base/span.h"
#include "engine/net/records.h"

#define KEYSCHEDULE_HASH_MAX 48
#define KEYSCHEDULE_KEY_MAX 32

struct keyschedule {
    const EVP_MD *md;
    const EVP_AEAD *aead;
    uint32_t hash_len;
    union {
        SHA256_CTX sha256;
        SHA512_CTX sha384;
    } transcript;
    uint8_t server_secret[KEYSCHEDULE_HASH_MAX];
};

/* The hash and the AEAD of a TLS 1.3 suite (0x1301 .. 0x1303); false for any other. */
bool keyschedule_init(struct keyschedule *schedule, uint16_t cipher);
/* Handshake messages with their headers, in order. */
void keyschedule_add(struct keyschedule *schedule, struct span message);
/* The hash of what was added so far. */
void keyschedule_transcript(const struct keyschedule *schedule, uint8_t out[KEYSCHEDULE_HASH_MAX]);
/* Right after the ServerHello was added: the key that opens the server's records. */
bool keyschedule_derive(struct keyschedule *schedule, struct span shared,
                        uint8_t out_key[KEYSCHEDULE_KEY_MAX], size_t *out_key_len,
                        uint8_t out_iv[RECORDS_IV_LEN]);
/* Whether `verify_data` is the server's Finished over the transcript so far. */
bool keyschedule_finished(const struct keyschedule *schedule, struct span verify_data);

#endif
