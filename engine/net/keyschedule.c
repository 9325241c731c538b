#include "engine/net/keyschedule.h"

#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>

#include "engine/base/attributes.h"

/* Derive-Secret(HKDF-Extract(0, 0), "derived", "") for SHA-256 and SHA-384: without a pre-shared
   key it is the same in every handshake. A wrong one would open no record. */
static const uint8_t derived_sha256[32] = {
    0x6f, 0x26, 0x15, 0xa1, 0x08, 0xc7, 0x02, 0xc5, 0x67, 0x8f, 0x54, 0xfc, 0x9d, 0xba, 0xb6, 0x97,
    0x16, 0xc0, 0x76, 0x18, 0x9c, 0x48, 0x25, 0x0c, 0xeb, 0xea, 0xc3, 0x57, 0x6c, 0x36, 0x11, 0xba};
static const uint8_t derived_sha384[48] = {
    0x15, 0x91, 0xda, 0xc5, 0xcb, 0xbf, 0x03, 0x30, 0xa4, 0xa8, 0x4d, 0xe9, 0xc7, 0x53, 0x33, 0x0e,
    0x92, 0xd0, 0x1f, 0x0a, 0x88, 0x21, 0x4b, 0x44, 0x64, 0x97, 0x2f, 0xd6, 0x68, 0x04, 0x9e, 0x93,
    0xe5, 0x2f, 0x2b, 0x16, 0xfa, 0xd9, 0x22, 0xfd, 0xc0, 0x58, 0x44, 0x78, 0x42, 0x8f, 0x28, 0x2b};

bool keyschedule_init(struct keyschedule *schedule, uint16_t cipher) {
    *schedule = (struct keyschedule){.md = EVP_sha256(), .hash_len = 32};
    switch (cipher) {
    case 0x1301:
        schedule->aead = EVP_aead_aes_128_gcm();
        break;
    case 0x1302:
        schedule->aead = EVP_aead_aes_256_gcm();
        schedule->md = EVP_sha384();
        schedule->hash_len = 48;
        break;
    case 0x1303:
        schedule->aead = EVP_aead_chacha20_poly1305();
        break;
    default:
        return false;
    }
    if (schedule->hash_len == 32) {
        SHA256_Init(&schedule->transcript.sha256);
    } else {
        SHA384_Init(&schedule->transcript.sha384);
    }
    return true;
}

void keyschedule_add(struct keyschedule *schedule, struct span message) {
    if (schedule->hash_len == 32) {
        SHA256_Update(&schedule->transcript.sha256, message.data, message.len);
    } else {
        SHA384_Update(&schedule->transcript.sha384, message.data, message.len);
    }
}

void keyschedule_transcript(const struct keyschedule *schedule, uint8_t out[KEYSCHEDULE_HASH_MAX]) {
    if (schedule->hash_len == 32) {
        SHA256_CTX copy = schedule->transcript.sha256;
        SHA256_Final(out, &copy);
    } else {
        SHA512_CTX copy = schedule->transcript.sha384;
        SHA384_Final(out, &copy);
    }
}

/* HKDF-Expand-Label: HkdfLabel is length, "tls13 " label, context. */
static bool expand_label(const struct keyschedule *schedule, const uint8_t *secret,
                         const char *label, struct span context, uint8_t *out, size_t out_len) {
    uint8_t info[2 + 1 + 6 + 12 + 1 + KEYSCHEDULE_HASH_MAX];
    size_t label_len = strlen(label);
    DCHECK(label_len <= 12 && context.len <= KEYSCHEDULE_HASH_MAX);
    info[0] = (uint8_t)(out_len >> 8);
    info[1] = (uint8_t)out_len;
    info[2] = (uint8_t)(6 + label_len);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, label_len);
    info[9 + label_len] = (uint8_t)context.len;
    if (context.len > 0) {
        memcpy(info + 10 + label_len, context.data, context.len);
    }
    return HKDF_expand(out, out_len, schedule->md, secret, schedule->hash_len, info,
                       10 + label_len + context.len) == 1;
}

bool keyschedule_derive(struct keyschedule *schedule, struct span shared,
                        uint8_t out_key[KEYSCHEDULE_KEY_MAX], size_t *out_key_len,
                        uint8_t out_iv[RECORDS_IV_LEN]) {
    uint8_t transcript[KEYSCHEDULE_HASH_MAX], handshake_secret[KEYSCHEDULE_HASH_MAX];
    const uint8_t *salt = schedule->hash_len == 32 ? derived_sha256 : derived_sha384;
    size_t len;
    keyschedule_transcript(schedule, transcript);
    *out_key_len = EVP_AEAD_key_length(schedule->aead);
    return HKDF_extract(handshake_secret, &len, schedule->md, shared.data, shared.len, salt,
                        schedule->hash_len) == 1 &&
           expand_label(schedule, handshake_secret, "s hs traffic",
                        span_of(transcript, schedule->hash_len), schedule->server_secret,
                        schedule->hash_len) &&
           expand_label(schedule, schedule->server_secret, "key", span_of(NULL, 0), out_key,
                        *out_key_len) &&
           expand_label(schedule, schedule->server_secret, "iv", span_of(NULL, 0), out_iv,
                        RECORDS_IV_LEN);
}

bool keyschedule_finished(const struct keyschedule *schedule, struct span verify_data) {
    uint8_t key[KEYSCHEDULE_HASH_MAX], transcript[KEYSCHEDULE_HASH_MAX];
    uint8_t expected[EVP_MAX_MD_SIZE];
    unsigned expected_len;
    keyschedule_transcript(schedule, transcript);
    return expand_label(schedule, schedule->server_secret, "finished", span_of(NULL, 0), key,
                        schedule->hash_len) &&
           HMAC(schedule->md, key, schedule->hash_len, transcript, schedule->hash_len, expected,
                &expected_len) != NULL &&
           verify_data.len == expected_len &&
           CRYPTO_memcmp(verify_data.data, expected, expected_len) == 0;
}
