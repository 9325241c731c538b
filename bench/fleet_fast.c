#include "bench/fleet_fast.h"

#include <openssl/aead.h>
#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "bench/fleet_sign.h"
#include "engine/base/attributes.h"

#define SECRET_LEN 32
#define KEY_LEN 16
#define IV_LEN 12
#define TAG_LEN 16
#define RECORD_PLAIN_MAX 16384
#define FLIGHT_MAX 65536
/* Clients that keep one share each are a worker or a process each: few. */
#define SHARE_SLOTS 256

enum message_type {
    MESSAGE_SERVER_HELLO = 2,
    MESSAGE_ENCRYPTED_EXTENSIONS = 8,
    MESSAGE_CERTIFICATE = 11,
    MESSAGE_CERTIFICATE_VERIFY = 15,
    MESSAGE_FINISHED = 20,
};

enum record_type { RECORD_CCS = 20, RECORD_HANDSHAKE = 22, RECORD_APPLICATION = 23 };

struct share_slot {
    bool is_used;
    uint8_t share[32], secret[32];
};

struct fleet_fast {
    struct fleet_signer signer;
    uint8_t private_key[32], public_key[32];
    uint8_t derived[SECRET_LEN]; /* Derive-Secret(Early Secret, "derived", "") without a PSK */
    struct share_slot slots[SHARE_SLOTS];
    uint64_t counter; /* makes ServerHello.random differ */
    uint8_t plain[FLIGHT_MAX];
};

/* RFC 8446, 7.1: HKDF-Expand-Label(secret, label, context, len). */
static void expand_label(uint8_t *out, size_t len, const uint8_t secret[SECRET_LEN],
                         const char *label, const uint8_t *context, size_t context_len) {
    uint8_t info[64];
    size_t label_len = strlen(label), info_len = 0;
    CHECK(label_len + context_len + 10 <= sizeof info);
    info[info_len++] = (uint8_t)(len >> 8);
    info[info_len++] = (uint8_t)len;
    info[info_len++] = (uint8_t)(6 + label_len);
    memcpy(info + info_len, "tls13 ", 6);
    memcpy(info + info_len + 6, label, label_len);
    info_len += 6 + label_len;
    info[info_len++] = (uint8_t)context_len;
    if (context_len > 0) {
        memcpy(info + info_len, context, context_len);
    }
    info_len += context_len;
    CHECK(HKDF_expand(out, len, EVP_sha256(), secret, SECRET_LEN, info, info_len) == 1);
}

struct fleet_fast *fleet_fast_new(void) {
    struct fleet_fast *fast = calloc(1, sizeof *fast);
    CHECK(fast != NULL);
    fleet_signer_init(&fast->signer);
    X25519_keypair(fast->public_key, fast->private_key);
    uint8_t early[SECRET_LEN], zeros[SECRET_LEN] = {0}, empty_hash[SECRET_LEN];
    size_t len;
    CHECK(HKDF_extract(early, &len, EVP_sha256(), zeros, sizeof zeros, zeros, sizeof zeros) == 1);
    SHA256(zeros, 0, empty_hash);
    expand_label(fast->derived, SECRET_LEN, early, "derived", empty_hash, SECRET_LEN);
    return fast;
}

void fleet_fast_free(struct fleet_fast *fast) {
    fleet_signer_fini(&fast->signer);
    free(fast);
}

bool fleet_fast_takes(const struct fleet_hello *hello, const struct fleet_identity *identity) {
    bool can_sign =
        identity->is_rsa ? hello->signs_rsa && identity->fast_rsa != NULL : hello->signs_ecdsa;
    return hello->offers_tls13 && hello->offers_aes128 && can_sign && hello->x25519_share.len == 32;
}

static bool shared_secret(struct fleet_fast *fast, struct span share, const uint8_t **out) {
    uint32_t slot_idx = ((uint32_t)share.data[0] << 8 | share.data[1]) % SHARE_SLOTS;
    struct share_slot *slot = &fast->slots[slot_idx];
    if (!slot->is_used || memcmp(slot->share, share.data, 32) != 0) {
        slot->is_used = X25519(slot->secret, fast->private_key, share.data) == 1;
        memcpy(slot->share, share.data, 32);
    }
    *out = slot->secret;
    return slot->is_used;
}

/* Opens a handshake message: its type, and its u24 length to come. */
static void open_message(CBB *into, enum message_type type, CBB *out_body) {
    CHECK(CBB_add_u8(into, (uint8_t)type) == 1 && CBB_add_u24_length_prefixed(into, out_body) == 1);
}

/* RFC 8446, 4.1.3. */
static void add_server_hello(struct fleet_fast *fast, CBB *into, const struct fleet_hello *hello) {
    CBB body, session, extensions, extension, share;
    uint8_t random[32] = "fleetsim fast";
    fast->counter++;
    memcpy(random + 16, &fast->counter, sizeof fast->counter);
    open_message(into, MESSAGE_SERVER_HELLO, &body);
    CHECK(CBB_add_u16(&body, TLS1_2_VERSION) == 1 && CBB_add_bytes(&body, random, 32) == 1);
    CHECK(CBB_add_u8_length_prefixed(&body, &session) == 1);
    CHECK(CBB_add_bytes(&session, hello->session_id.data, hello->session_id.len) == 1);
    CHECK(CBB_add_u16(&body, 0x1301) == 1 && CBB_add_u8(&body, 0) == 1);
    CHECK(CBB_add_u16_length_prefixed(&body, &extensions) == 1);
    CHECK(CBB_add_u16(&extensions, TLSEXT_TYPE_supported_versions) == 1);
    CHECK(CBB_add_u16_length_prefixed(&extensions, &extension) == 1);
    CHECK(CBB_add_u16(&extension, TLS1_3_VERSION) == 1);
    CHECK(CBB_add_u16(&extensions, TLSEXT_TYPE_key_share) == 1);
    CHECK(CBB_add_u16_length_prefixed(&extensions, &extension) == 1);
    CHECK(CBB_add_u16(&extension, SSL_CURVE_X25519) == 1);
    CHECK(CBB_add_u16_length_prefixed(&extension, &share) == 1);
    CHECK(CBB_add_bytes(&share, fast->public_key, 32) == 1);
    CHECK(CBB_flush(into) == 1);
}

/* RFC 8446, 4.4.2; false if it does not fit. */
static bool add_certificate(CBB *into, const struct fleet_identity *identity) {
    CBB body, list, certificate;
    if (CBB_add_u8(into, MESSAGE_CERTIFICATE) != 1 ||
        CBB_add_u24_length_prefixed(into, &body) != 1 || CBB_add_u8(&body, 0) != 1 ||
        CBB_add_u24_length_prefixed(&body, &list) != 1) {
        return false;
    }
    for (uint32_t i = 0; i < identity->chain_len; i++) {
        const CRYPTO_BUFFER *buffer = identity->chain[i];
        if (CBB_add_u24_length_prefixed(&list, &certificate) != 1 ||
            CBB_add_bytes(&certificate, CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer)) !=
                1 ||
            CBB_add_u16(&list, 0) != 1) {
            return false;
        }
    }
    return CBB_flush(into) == 1;
}

/* RFC 8446, 4.4.3: the signature covers 64 spaces, a text with its zero, and the transcript. */
static void add_certificate_verify(struct fleet_fast *fast, CBB *into,
                                   const uint8_t transcript[SECRET_LEN],
                                   const struct fleet_identity *identity) {
    static const char text[] = "TLS 1.3, server CertificateVerify";
    uint8_t content[64 + sizeof text + SECRET_LEN], signature[MINT_RSA_BYTES];
    uint16_t scheme =
        identity->is_rsa ? SSL_SIGN_RSA_PSS_RSAE_SHA256 : SSL_SIGN_ECDSA_SECP256R1_SHA256;
    memset(content, ' ', 64);
    memcpy(content + 64, text, sizeof text);
    memcpy(content + 64 + sizeof text, transcript, SECRET_LEN);
    size_t signature_len = fleet_fast_sign(fast, identity, scheme, span_of(content, sizeof content),
                                           signature, sizeof signature);
    CHECK(signature_len > 0);
    CBB body, bytes;
    open_message(into, MESSAGE_CERTIFICATE_VERIFY, &body);
    CHECK(CBB_add_u16(&body, scheme) == 1);
    CHECK(CBB_add_u16_length_prefixed(&body, &bytes) == 1);
    CHECK(CBB_add_bytes(&bytes, signature, signature_len) == 1);
    CHECK(CBB_flush(into) == 1);
}

/* RFC 8446, 4.4.4. */
static void add_finished(CBB *into, const uint8_t secret[SECRET_LEN],
                         const uint8_t transcript[SECRET_LEN]) {
    uint8_t finished_key[SECRET_LEN], mac[SECRET_LEN];
    unsigned mac_len;
    expand_label(finished_key, SECRET_LEN, secret, "finished", NULL, 0);
    CHECK(HMAC(EVP_sha256(), finished_key, SECRET_LEN, transcript, SECRET_LEN, mac, &mac_len) !=
          NULL);
    CBB body;
    open_message(into, MESSAGE_FINISHED, &body);
    CHECK(CBB_add_bytes(&body, mac, mac_len) == 1 && CBB_flush(into) == 1);
}

static void digest_so_far(const SHA256_CTX *transcript, uint8_t out[SECRET_LEN]) {
    SHA256_CTX copy = *transcript;
    SHA256_Final(out, &copy);
}

/* TLSInnerPlaintext in records of at most 2^14 bytes (RFC 8446, 5.2); 0 if they do not fit. */
static size_t seal_records(const uint8_t secret[SECRET_LEN], uint8_t *plain, size_t plain_len,
                           uint8_t *out, size_t capacity) {
    uint8_t key[KEY_LEN], iv[IV_LEN];
    expand_label(key, KEY_LEN, secret, "key", NULL, 0);
    expand_label(iv, IV_LEN, secret, "iv", NULL, 0);
    EVP_AEAD_CTX aead;
    CHECK(EVP_AEAD_CTX_init(&aead, EVP_aead_aes_128_gcm(), key, KEY_LEN, TAG_LEN, NULL) == 1);
    size_t out_len = 0;
    bool fits = true;
    for (uint8_t sequence = 0; plain_len > 0 && fits; sequence++) {
        size_t part = plain_len < RECORD_PLAIN_MAX ? plain_len : RECORD_PLAIN_MAX;
        size_t sealed_len = part + 1 + TAG_LEN;
        uint8_t nonce[IV_LEN], after = plain[part];
        fits = out_len + 5 + sealed_len <= capacity;
        if (!fits) {
            break;
        }
        uint8_t header[5] = {RECORD_APPLICATION, 3, 3, (uint8_t)(sealed_len >> 8),
                             (uint8_t)sealed_len};
        memcpy(nonce, iv, IV_LEN);
        nonce[IV_LEN - 1] ^= sequence;
        plain[part] = RECORD_HANDSHAKE; /* the content type follows the content */
        memcpy(out + out_len, header, sizeof header);
        CHECK(EVP_AEAD_CTX_seal(&aead, out + out_len + 5, &sealed_len, sealed_len, nonce, IV_LEN,
                                plain, part + 1, header, sizeof header) == 1);
        plain[part] = after;
        out_len += 5 + sealed_len;
        plain += part;
        plain_len -= part;
    }
    EVP_AEAD_CTX_cleanup(&aead);
    return fits ? out_len : 0;
}

/* The encrypted messages into fast->plain; their length, or 0 if they do not fit. */
static size_t write_encrypted(struct fleet_fast *fast, SHA256_CTX *transcript,
                              const uint8_t secret[SECRET_LEN],
                              const struct fleet_identity *identity) {
    uint8_t hash[SECRET_LEN];
    size_t len, hashed_len;
    CBB cbb, body;
    CHECK(CBB_init_fixed(&cbb, fast->plain, FLIGHT_MAX - 512) == 1);
    open_message(&cbb, MESSAGE_ENCRYPTED_EXTENSIONS, &body);
    CHECK(CBB_add_u16(&body, 0) == 1 && CBB_flush(&cbb) == 1);
    if (!add_certificate(&cbb, identity)) {
        CBB_cleanup(&cbb);
        return 0;
    }
    CHECK(CBB_finish(&cbb, NULL, &len) == 1);
    SHA256_Update(transcript, fast->plain, len);
    digest_so_far(transcript, hash);
    CHECK(CBB_init_fixed(&cbb, fast->plain + len, FLIGHT_MAX - 1 - len) == 1);
    add_certificate_verify(fast, &cbb, hash, identity);
    hashed_len = CBB_len(&cbb);
    SHA256_Update(transcript, fast->plain + len, hashed_len);
    digest_so_far(transcript, hash);
    add_finished(&cbb, secret, hash);
    CHECK(CBB_finish(&cbb, NULL, &hashed_len) == 1);
    return len + hashed_len;
}

size_t fleet_fast_answer(struct fleet_fast *fast, const struct fleet_hello *hello,
                         struct span message, const struct fleet_identity *identity, uint8_t *out,
                         size_t capacity) {
    const uint8_t *shared;
    if (capacity < 512 || !shared_secret(fast, hello->x25519_share, &shared)) {
        return 0;
    }
    uint8_t *server_hello = out + 5;
    size_t len, extract_len;
    CBB cbb;
    CHECK(CBB_init_fixed(&cbb, server_hello, 256) == 1);
    add_server_hello(fast, &cbb, hello);
    CHECK(CBB_finish(&cbb, NULL, &len) == 1);
    uint8_t header[5] = {RECORD_HANDSHAKE, 3, 3, (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(out, header, sizeof header);

    SHA256_CTX transcript;
    uint8_t handshake[SECRET_LEN], secret[SECRET_LEN], hash[SECRET_LEN];
    SHA256_Init(&transcript);
    SHA256_Update(&transcript, message.data, message.len);
    SHA256_Update(&transcript, server_hello, len);
    digest_so_far(&transcript, hash);
    CHECK(HKDF_extract(handshake, &extract_len, EVP_sha256(), shared, 32, fast->derived,
                       SECRET_LEN) == 1);
    expand_label(secret, SECRET_LEN, handshake, "s hs traffic", hash, SECRET_LEN);
    len += 5;
    if (hello->session_id.len > 0) {
        /* RFC 8446, D.4: middlebox compatibility. */
        static const uint8_t ccs[] = {RECORD_CCS, 3, 3, 0, 1, 1};
        memcpy(out + len, ccs, sizeof ccs);
        len += sizeof ccs;
    }
    size_t plain_len = write_encrypted(fast, &transcript, secret, identity);
    size_t sealed_len =
        plain_len > 0 ? seal_records(secret, fast->plain, plain_len, out + len, capacity - len) : 0;
    return sealed_len > 0 ? len + sealed_len : 0;
}

size_t fleet_fast_sign(struct fleet_fast *fast, const struct fleet_identity *identity,
                       uint16_t algorithm, struct span in, uint8_t *out, size_t capacity) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    const EVP_MD *md = SSL_get_signature_algorithm_digest(algorithm);
    if (md == NULL || EVP_Digest(in.data, in.len, digest, &digest_len, md, NULL) != 1) {
        return 0;
    }
    if (identity->fast_rsa != NULL) {
        return capacity >= MINT_RSA_BYTES &&
                       mint_rsa_sign(identity->fast_rsa, algorithm, digest, digest_len, out)
                   ? MINT_RSA_BYTES
                   : 0;
    }
    /* Of a longer digest ECDSA takes the leftmost 256 bits. */
    return capacity >= FLEET_SIGNATURE_MAX && digest_len >= 32
               ? fleet_sign(&fast->signer, identity->key, digest, out)
               : 0;
}

bool fleet_fast_is_finished(struct span bytes, bool *out_failed) {
    /* Finished (4 + 32), its content type and tag: a record of 53 bytes. */
    size_t at = bytes.len >= 6 && bytes.data[0] == RECORD_CCS ? 6 : 0;
    *out_failed = false;
    if (at == bytes.len) {
        return false;
    }
    bool is_finished = bytes.len >= at + 5 && bytes.data[at] == RECORD_APPLICATION &&
                       bytes.data[at + 3] == 0 && bytes.data[at + 4] == 53;
    *out_failed = !is_finished;
    return is_finished;
}
