/* The server's flight, message by message: TLS 1.3 (RFC 8446 section 4) and TLS 1.2 (RFC 5246
   section 7.4, RFC 8422 section 5.4). Each handler takes one whole message, changes the state, and
   says whether to go on. */
#include <openssl/bytestring.h>
#include <openssl/nid.h>
#include <openssl/ssl.h>

#include "engine/codec/cert.h"
#include "engine/net/capture_internal.h"
#include "engine/net/possession.h"
#include "engine/net/tls_internal.h"

#define EXTENSION_ALPN 16
#define CURVE_TYPE_NAMED 3
#define COMPRESSED_CERTIFICATE 25 /* RFC 8879; not offered, so never to come */

struct server_hello {
    uint16_t version, cipher;
    CBS random, session_id;
    uint16_t group; /* of TLS 1.3, and the share: an X25519 point, behind a ciphertext if hybrid */
    CBS share;
    CBS alpn;
};

/* SHA-256 of "HelloRetryRequest": the random that says that a ServerHello is one (RFC 8446 section
   4.1.3). */
static const uint8_t retry_random[HELLO_RANDOM_LEN] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x67, 0xab, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

/* --- extensions --- */

static bool take_share(const struct capture *capture, CBS body, struct server_hello *out) {
    if (!CBS_get_u16(&body, &out->group) || !CBS_get_u16_length_prefixed(&body, &out->share) ||
        CBS_len(&body) != 0) {
        return false;
    }
    size_t len = CBS_len(&out->share);
    return out->group == SSL_CURVE_X25519
               ? capture->hello->share_at != 0 && len == X25519_LEN
               : out->group == MLKEM_GROUP && capture->hello->mlkem_at != 0 &&
                     len == MLKEM_CIPHERTEXT_LEN + X25519_LEN;
}

/* ProtocolNameList with the one name that was chosen (RFC 7301 section 3.1). */
static bool take_alpn(CBS body, CBS *out_name) {
    CBS list;
    return CBS_get_u16_length_prefixed(&body, &list) && CBS_len(&body) == 0 &&
           CBS_get_u8_length_prefixed(&list, out_name) && CBS_len(out_name) > 0 &&
           CBS_len(&list) == 0;
}

#define EXTENSIONS_MAX 32 /* more than are ever offered */

/* Notes the type; false if it was there before: an extension comes once (RFC 8446 section 4.2). */
static bool is_first(uint16_t seen[EXTENSIONS_MAX], size_t *seen_count, uint16_t type) {
    for (size_t i = 0; i < *seen_count; i++) {
        if (seen[i] == type) {
            return false;
        }
    }
    if (*seen_count == EXTENSIONS_MAX) {
        return false;
    }
    seen[(*seen_count)++] = type;
    return true;
}

/* The extensions of ServerHello and EncryptedExtensions; none that was not asked for. */
static bool take_extensions(const struct capture *capture, CBS *in, struct server_hello *out) {
    CBS list;
    if (CBS_len(in) == 0) {
        return true; /* up to TLS 1.2 there need not be any */
    }
    if (!CBS_get_u16_length_prefixed(in, &list) || CBS_len(in) != 0) {
        return false;
    }
    uint16_t seen[EXTENSIONS_MAX];
    size_t seen_count = 0;
    while (CBS_len(&list) > 0) { /* every turn takes four bytes or more */
        uint16_t type;
        CBS body;
        if (!CBS_get_u16(&list, &type) || !CBS_get_u16_length_prefixed(&list, &body) ||
            !hello_offers_extension(capture->hello, type) || !is_first(seen, &seen_count, type)) {
            return false;
        }
        bool good = true;
        if (type == TLSEXT_TYPE_supported_versions) {
            good = CBS_get_u16(&body, &out->version) && CBS_len(&body) == 0 &&
                   out->version == TLS1_3_VERSION;
        } else if (type == TLSEXT_TYPE_key_share) {
            good = take_share(capture, body, out);
        } else if (type == EXTENSION_ALPN) {
            good = take_alpn(body, &out->alpn);
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

static void note_alpn(struct tls *tls, const CBS *name) {
    size_t len = CBS_len(name);
    if (len > 0 && len < sizeof tls->facts.alpn) {
        memcpy(tls->facts.alpn, CBS_data(name), len);
        tls->facts.alpn[len] = '\0';
    }
}

/* --- ServerHello --- */

static bool parse_server_hello(const struct capture *capture, CBS body, struct server_hello *out) {
    uint8_t compression;
    *out = (struct server_hello){0};
    return CBS_get_u16(&body, &out->version) && out->version == TLS1_2_VERSION &&
           CBS_get_bytes(&body, &out->random, HELLO_RANDOM_LEN) &&
           CBS_get_u8_length_prefixed(&body, &out->session_id) && CBS_len(&out->session_id) <= 32 &&
           CBS_get_u16(&body, &out->cipher) && CBS_get_u8(&body, &compression) &&
           compression == 0 && take_extensions(capture, &body, out) &&
           !CBS_mem_equal(&out->random, retry_random, sizeof retry_random) &&
           hello_offers_cipher(capture->hello, out->cipher);
}

/* Where the session id stands in what was sent: its length is in the template. */
static struct span sent_session_id(const struct tls *tls) {
    const struct capture *capture = tls->capture;
    const uint8_t *at = tls->output + 5 + capture->hello->session_id_at;
    return span_of(at + 1, at[0]);
}

static enum flight_step begin_13(struct tls *tls, const struct server_hello *hello) {
    struct capture *capture = tls->capture;
    struct span session_id = sent_session_id(tls);
    if (!capture->hello->offers_13 || CBS_len(&hello->share) == 0 || CBS_len(&hello->alpn) != 0 ||
        !CBS_mem_equal(&hello->session_id, session_id.data, session_id.len) ||
        !keyschedule_init(&capture->schedule, hello->cipher) ||
        records_has_more(&capture->records)) {
        return FLIGHT_UNUSUAL;
    }
    const uint8_t *share = CBS_data(&hello->share);
    capture->is_hybrid = hello->group == MLKEM_GROUP;
    if (capture->is_hybrid) {
        if (!mlkem_open(capture->share->mlkem, share, capture->mlkem_secret)) {
            return FLIGHT_UNUSUAL;
        }
        share += MLKEM_CIPHERTEXT_LEN;
    }
    memcpy(capture->peer_point, share, X25519_LEN);
    tls->facts.group = hello->group;
    capture->state = FLIGHT_SECRET;
    return FLIGHT_ON;
}

/* A server that speaks 1.3 says so in its random when it falls to 1.2 (RFC 8446 section 4.1.3): a
   downgrade. */
static bool is_downgrade(const struct capture *capture, const CBS *random) {
    return capture->hello->offers_13 &&
           memcmp(CBS_data(random) + HELLO_RANDOM_LEN - 8, "DOWNGRD", 7) == 0;
}

static enum flight_step begin_12(struct tls *tls, const struct server_hello *hello) {
    struct capture *capture = tls->capture;
    const SSL_CIPHER *cipher = SSL_get_cipher_by_value(hello->cipher);
    struct span session_id = sent_session_id(tls);
    bool resumed = CBS_len(&hello->session_id) > 0 &&
                   CBS_mem_equal(&hello->session_id, session_id.data, session_id.len);
    if (!capture->hello->offers_12 || cipher == NULL || resumed || CBS_len(&hello->share) != 0 ||
        SSL_CIPHER_get_min_version(cipher) > TLS1_2_VERSION ||
        is_downgrade(capture, &hello->random)) {
        return FLIGHT_UNUSUAL;
    }
    capture->static_rsa = SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa;
    capture->ecdsa_suite = SSL_CIPHER_get_auth_nid(cipher) == NID_auth_ecdsa;
    if (SSL_CIPHER_get_kx_nid(cipher) != NID_kx_ecdhe &&
        !(capture->static_rsa && capture->depth == DEPTH_CAPTURE)) {
        return FLIGHT_UNUSUAL;
    }
    note_alpn(tls, &hello->alpn);
    capture->state = FLIGHT_CERTIFICATE_12;
    return FLIGHT_ON;
}

static enum flight_step take_server_hello(struct tls *tls, CBS body) {
    struct capture *capture = tls->capture;
    struct server_hello hello;
    if (!parse_server_hello(capture, body, &hello)) {
        return FLIGHT_UNUSUAL;
    }
    memcpy(capture->server_random, CBS_data(&hello.random), HELLO_RANDOM_LEN);
    enum flight_step step =
        hello.version == TLS1_3_VERSION ? begin_13(tls, &hello) : begin_12(tls, &hello);
    if (step == FLIGHT_ON) {
        tls->facts.version = hello.version;
        tls->facts.cipher = hello.cipher;
    }
    return step;
}

enum flight_step flight_take_secret(struct capture *capture, const uint8_t secret[X25519_LEN]) {
    uint8_t key[KEYSCHEDULE_KEY_MAX], iv[RECORDS_IV_LEN], shared[MLKEM_SECRET_LEN + X25519_LEN];
    size_t key_len, shared_len = 0;
    CHECK(capture->state == FLIGHT_SECRET);
    if (capture->is_hybrid) { /* ML-KEM's secret goes first */
        memcpy(shared, capture->mlkem_secret, MLKEM_SECRET_LEN);
        shared_len = MLKEM_SECRET_LEN;
    }
    memcpy(shared + shared_len, secret, X25519_LEN);
    shared_len += X25519_LEN;
    if (!keyschedule_derive(&capture->schedule, span_of(shared, shared_len), key, &key_len, iv) ||
        !records_seal(&capture->records, capture->schedule.aead, span_of(key, key_len), iv)) {
        return FLIGHT_UNUSUAL;
    }
    capture->state = FLIGHT_ENCRYPTED_EXTENSIONS;
    return FLIGHT_ON;
}

static enum flight_step take_encrypted_extensions(struct tls *tls, CBS body) {
    struct server_hello extensions = {0};
    if (CBS_len(&body) == 0 || !take_extensions(tls->capture, &body, &extensions) ||
        extensions.version != 0 || CBS_len(&extensions.share) != 0) {
        return FLIGHT_UNUSUAL;
    }
    note_alpn(tls, &extensions.alpn);
    tls->capture->state = FLIGHT_CERTIFICATE_13;
    return FLIGHT_ON;
}

/* --- Certificate --- */

static bool add_cert(struct capture *capture, const CBS *der) {
    if (CBS_len(der) == 0) {
        return false;
    }
    if (capture->cert_count < CHAIN_CERTS_MAX) {
        CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(CBS_data(der), CBS_len(der), NULL);
        if (buffer == NULL) {
            return false;
        }
        capture->certs[capture->cert_count] = buffer;
    }
    capture->cert_count++; /* those beyond the bound are counted */
    return true;
}

/* opaque certificate_request_context<0..2^8-1>; CertificateEntry certificate_list<0..2^24-1> with
   extensions in 1.3; the list alone in 1.2. */
static bool parse_certificates(struct capture *capture, CBS body, bool is_13) {
    CBS context, list, der, extensions;
    if ((is_13 && (!CBS_get_u8_length_prefixed(&body, &context) || CBS_len(&context) != 0)) ||
        !CBS_get_u24_length_prefixed(&body, &list) || CBS_len(&body) != 0 || CBS_len(&list) == 0) {
        return false;
    }
    while (CBS_len(&list) > 0) { /* every turn takes three bytes or more */
        if (!CBS_get_u24_length_prefixed(&list, &der) ||
            (is_13 &&
             (!CBS_get_u16_length_prefixed(&list, &extensions) || CBS_len(&extensions) != 0)) ||
            !add_cert(capture, &der)) {
            return false;
        }
    }
    return true;
}

static struct span leaf_of(const struct capture *capture) {
    return span_of(CRYPTO_BUFFER_data(capture->certs[0]), CRYPTO_BUFFER_len(capture->certs[0]));
}

/* What BoringSSL looks at before it goes on: a leaf that it can read, that may sign where it has
   to, and that is of the suite's kind. (Up to TLS 1.2 it lets RSA leaves sign whatever their
   KeyUsage says, but newer ones do not: the library at hand decides.) */
static bool leaf_is_usual(const struct capture *capture, bool is_13) {
    struct cert_fields leaf;
    if (!cert_walk(leaf_of(capture), &leaf)) {
        return false;
    }
    bool is_ec = leaf.key == CERT_KEY_EC_P256 || leaf.key == CERT_KEY_EC_P384 ||
                 leaf.key == CERT_KEY_EC_P521;
    bool is_known = is_ec || leaf.key == CERT_KEY_RSA || leaf.key == CERT_KEY_ED25519;
    bool fits_suite = is_13 || capture->ecdsa_suite == (leaf.key != CERT_KEY_RSA);
    return is_known && fits_suite && (capture->static_rsa || possession_may_sign(leaf_of(capture)));
}

static enum flight_step take_certificate(struct tls *tls, CBS body, bool is_13,
                                         enum outcome *out_outcome) {
    struct capture *capture = tls->capture;
    if (!parse_certificates(capture, body, is_13)) {
        return FLIGHT_UNUSUAL;
    }
    *out_outcome = tls_check_chain(tls);
    if (*out_outcome != OUTCOME_SUCCESS) {
        return FLIGHT_BAD;
    }
    if (!leaf_is_usual(capture, is_13)) {
        return FLIGHT_UNUSUAL;
    }
    if (capture->depth == DEPTH_CAPTURE) {
        return FLIGHT_END;
    }
    capture->state = is_13 ? FLIGHT_CERTIFICATE_VERIFY : FLIGHT_SERVER_KEY_EXCHANGE;
    return FLIGHT_ON;
}

/* --- proof --- */

static enum flight_step judge_signature(struct tls *tls, uint16_t scheme, struct span content,
                                        const CBS *signature, enum outcome *out_outcome) {
    struct capture *capture = tls->capture;
    if (!hello_offers_signature(capture->hello, scheme)) {
        return FLIGHT_UNUSUAL;
    }
    enum possession possession =
        possession_check(leaf_of(capture), tls->facts.version, capture->ecdsa_suite, scheme,
                         content, span_of(CBS_data(signature), CBS_len(signature)));
    switch (possession) {
    case POSSESSION_PROVEN:
        tls->facts.peer_signature = scheme;
        return FLIGHT_ON;
    case POSSESSION_REFUSED:
        tls_set_error(tls, "bad signature");
        *out_outcome = OUTCOME_HANDSHAKE_ERROR;
        return FLIGHT_BAD;
    case POSSESSION_UNUSUAL:
        break;
    }
    return FLIGHT_UNUSUAL;
}

/* RFC 8446 section 4.4.3: 64 spaces, a context string, a zero, the transcript's hash. */
static enum flight_step take_certificate_verify(struct tls *tls, CBS body,
                                                enum outcome *out_outcome) {
    static const char context[] = "TLS 1.3, server CertificateVerify"; /* its NUL is part of it */
    struct capture *capture = tls->capture;
    uint8_t content[64 + sizeof context + KEYSCHEDULE_HASH_MAX];
    uint16_t scheme;
    CBS signature;
    if (!CBS_get_u16(&body, &scheme) || !CBS_get_u16_length_prefixed(&body, &signature) ||
        CBS_len(&body) != 0) {
        return FLIGHT_UNUSUAL;
    }
    memset(content, ' ', 64);
    memcpy(content + 64, context, sizeof context);
    keyschedule_transcript(&capture->schedule, content + 64 + sizeof context);
    capture->state = FLIGHT_FINISHED;
    return judge_signature(tls, scheme,
                           span_of(content, 64 + sizeof context + capture->schedule.hash_len),
                           &signature, out_outcome);
}

static enum flight_step take_finished(struct tls *tls, CBS body, enum outcome *out_outcome) {
    struct capture *capture = tls->capture;
    if (!keyschedule_finished(&capture->schedule, span_of(CBS_data(&body), CBS_len(&body)))) {
        tls_set_error(tls, "digest check failed");
        *out_outcome = OUTCOME_HANDSHAKE_ERROR;
        return FLIGHT_BAD;
    }
    return records_has_more(&capture->records) ? FLIGHT_UNUSUAL : FLIGHT_END;
}

/* ServerECDHParams, then the signature over both randoms and them (RFC 8422 section 5.4). */
static enum flight_step take_server_key_exchange(struct tls *tls, CBS body,
                                                 enum outcome *out_outcome) {
    struct capture *capture = tls->capture;
    uint8_t content[2 * HELLO_RANDOM_LEN + 4 + 255];
    const uint8_t *params = CBS_data(&body);
    uint8_t curve_type;
    uint16_t group, scheme;
    CBS point, signature;
    if (!CBS_get_u8(&body, &curve_type) || curve_type != CURVE_TYPE_NAMED ||
        !CBS_get_u16(&body, &group) || !hello_offers_group(capture->hello, group) ||
        !CBS_get_u8_length_prefixed(&body, &point) || CBS_len(&point) == 0) {
        return FLIGHT_UNUSUAL;
    }
    size_t params_len = 4 + CBS_len(&point);
    if (!CBS_get_u16(&body, &scheme) || !CBS_get_u16_length_prefixed(&body, &signature) ||
        CBS_len(&body) != 0) {
        return FLIGHT_UNUSUAL;
    }
    memcpy(content, tls->output + 5 + 6, HELLO_RANDOM_LEN);
    memcpy(content + HELLO_RANDOM_LEN, capture->server_random, HELLO_RANDOM_LEN);
    memcpy(content + 2 * HELLO_RANDOM_LEN, params, params_len);
    tls->facts.group = group;
    capture->state = FLIGHT_SERVER_HELLO_DONE;
    return judge_signature(tls, scheme, span_of(content, 2 * HELLO_RANDOM_LEN + params_len),
                           &signature, out_outcome);
}

/* --- the table --- */

static enum flight_step take_request(struct tls *tls) {
    if (tls->facts.client_cert_requested) {
        return FLIGHT_UNUSUAL; /* one is enough */
    }
    tls->facts.client_cert_requested = true;
    return FLIGHT_ON;
}

static enum flight_step dispatch(struct tls *tls, uint8_t type, CBS body,
                                 enum outcome *out_outcome) {
    switch (tls->capture->state) {
    case FLIGHT_SERVER_HELLO:
        return type == SSL3_MT_SERVER_HELLO ? take_server_hello(tls, body) : FLIGHT_UNUSUAL;
    case FLIGHT_ENCRYPTED_EXTENSIONS:
        return type == SSL3_MT_ENCRYPTED_EXTENSIONS ? take_encrypted_extensions(tls, body)
                                                    : FLIGHT_UNUSUAL;
    case FLIGHT_CERTIFICATE_13:
        return type == SSL3_MT_CERTIFICATE ? take_certificate(tls, body, true, out_outcome)
               : type == SSL3_MT_CERTIFICATE_REQUEST ? take_request(tls)
                                                     : FLIGHT_UNUSUAL;
    case FLIGHT_CERTIFICATE_VERIFY:
        return type == SSL3_MT_CERTIFICATE_VERIFY ? take_certificate_verify(tls, body, out_outcome)
                                                  : FLIGHT_UNUSUAL;
    case FLIGHT_FINISHED:
        return type == SSL3_MT_FINISHED ? take_finished(tls, body, out_outcome) : FLIGHT_UNUSUAL;
    case FLIGHT_CERTIFICATE_12:
        return type == SSL3_MT_CERTIFICATE ? take_certificate(tls, body, false, out_outcome)
                                           : FLIGHT_UNUSUAL;
    case FLIGHT_SERVER_KEY_EXCHANGE:
        return type == SSL3_MT_SERVER_KEY_EXCHANGE
                   ? take_server_key_exchange(tls, body, out_outcome)
                   : FLIGHT_UNUSUAL;
    case FLIGHT_SERVER_HELLO_DONE:
        return type == SSL3_MT_SERVER_HELLO_DONE
                   ? (CBS_len(&body) == 0 ? FLIGHT_END : FLIGHT_UNUSUAL)
               : type == SSL3_MT_CERTIFICATE_REQUEST ? take_request(tls)
                                                     : FLIGHT_UNUSUAL;
    case FLIGHT_SECRET:
    case FLIGHT_OVER:
        break;
    }
    return FLIGHT_UNUSUAL;
}

enum flight_step flight_take(struct tls *tls, struct span message, enum outcome *out_outcome) {
    struct capture *capture = tls->capture;
    CBS body;
    CBS_init(&body, message.data, message.len);
    CBS_skip(&body, 4); /* records_next gives whole messages */
    bool was_hello = capture->state == FLIGHT_SERVER_HELLO;
    enum flight_step step = dispatch(tls, message.data[0], body, out_outcome);
    if (tls->facts.version == TLS1_3_VERSION && step == FLIGHT_ON) {
        /* Each message after those that follow were told apart by its hash; the ClientHello goes
           before the first. */
        if (was_hello) {
            keyschedule_add(&capture->schedule, span_of(tls->output + 5, capture->hello_len - 5));
        }
        if (was_hello || capture->depth == DEPTH_PROVE) {
            keyschedule_add(&capture->schedule, message);
        }
    }
    return step;
}
