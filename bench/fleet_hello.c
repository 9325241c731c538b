#include "bench/fleet_hello.h"

#include <openssl/bytestring.h>
#include <openssl/ssl.h>

#include "engine/base/attributes.h"

static bool find_extension(const SSL_CLIENT_HELLO *hello, uint16_t type, CBS *out) {
    const uint8_t *data;
    size_t len;
    if (SSL_early_callback_ctx_extension_get(hello, type, &data, &len) != 1) {
        return false;
    }
    CBS_init(out, data, len);
    return true;
}

/* RFC 6066, 3: ServerNameList of { NameType host_name(0), opaque HostName<1..2^16-1> }. */
static struct span read_server_name(const SSL_CLIENT_HELLO *hello) {
    CBS extension, list, name;
    uint8_t type;
    if (!find_extension(hello, TLSEXT_TYPE_server_name, &extension) ||
        CBS_get_u16_length_prefixed(&extension, &list) != 1 || CBS_get_u8(&list, &type) != 1 ||
        type != 0 || CBS_get_u16_length_prefixed(&list, &name) != 1) {
        return span_of(NULL, 0);
    }
    return span_of(CBS_data(&name), CBS_len(&name));
}

static bool has_u16(CBS list, uint16_t wanted) {
    uint16_t value;
    while (CBS_get_u16(&list, &value) == 1) {
        if (value == wanted) {
            return true;
        }
    }
    return false;
}

static bool offers_tls13(const SSL_CLIENT_HELLO *hello) {
    CBS extension, list;
    return find_extension(hello, TLSEXT_TYPE_supported_versions, &extension) &&
           CBS_get_u8_length_prefixed(&extension, &list) == 1 && has_u16(list, TLS1_3_VERSION);
}

/* Whoever leaves the extension out takes anything. */
static bool signs(const SSL_CLIENT_HELLO *hello, uint16_t scheme) {
    CBS extension, list;
    return !find_extension(hello, TLSEXT_TYPE_signature_algorithms, &extension) ||
           (CBS_get_u16_length_prefixed(&extension, &list) == 1 && has_u16(list, scheme));
}

/* RFC 8446, 4.2.8: client_shares of { group, key_exchange<1..2^16-1> }. */
static struct span read_x25519_share(const SSL_CLIENT_HELLO *hello) {
    CBS extension, list, key;
    uint16_t group;
    if (find_extension(hello, TLSEXT_TYPE_key_share, &extension) &&
        CBS_get_u16_length_prefixed(&extension, &list) == 1) {
        while (CBS_get_u16(&list, &group) == 1 && CBS_get_u16_length_prefixed(&list, &key) == 1) {
            if (group == SSL_CURVE_X25519 && CBS_len(&key) == 32) {
                return span_of(CBS_data(&key), CBS_len(&key));
            }
        }
    }
    return span_of(NULL, 0);
}

static bool has_cipher(const SSL_CLIENT_HELLO *hello, uint16_t wanted) {
    CBS list;
    CBS_init(&list, hello->cipher_suites, hello->cipher_suites_len);
    return has_u16(list, wanted);
}

static bool ciphers_ecdsa(const SSL_CLIENT_HELLO *hello) {
    /* ECDHE-ECDSA with AES-128-GCM, AES-256-GCM, CHACHA20, AES-128-CBC, AES-256-CBC. */
    static const uint16_t suites[] = {0xC02B, 0xC02C, 0xCCA9, 0xC009, 0xC00A};
    for (unsigned i = 0; i < ARRAY_COUNT(suites); i++) {
        if (has_cipher(hello, suites[i])) {
            return true;
        }
    }
    return false;
}

struct fleet_hello fleet_hello_read(const SSL_CLIENT_HELLO *hello) {
    return (struct fleet_hello){
        .server_name = read_server_name(hello),
        .session_id = span_of(hello->session_id, hello->session_id_len),
        .x25519_share = read_x25519_share(hello),
        .offers_tls13 = offers_tls13(hello),
        .offers_aes128 = has_cipher(hello, 0x1301),
        .signs_ecdsa = signs(hello, SSL_SIGN_ECDSA_SECP256R1_SHA256),
        .signs_rsa = signs(hello, SSL_SIGN_RSA_PSS_RSAE_SHA256),
        .ciphers_ecdsa = ciphers_ecdsa(hello),
    };
}

bool fleet_hello_parse(struct span bytes, struct fleet_hello *out, struct span *out_message) {
    CBS input, record, body, session, ciphers, compression, extensions;
    uint8_t record_type, message_type;
    uint16_t record_version, version;
    CBS random;
    CBS_init(&input, bytes.data, bytes.len);
    if (CBS_get_u8(&input, &record_type) != 1 || record_type != SSL3_RT_HANDSHAKE ||
        CBS_get_u16(&input, &record_version) != 1 ||
        CBS_get_u16_length_prefixed(&input, &record) != 1 || CBS_len(&input) != 0) {
        return false;
    }
    struct span message = span_of(CBS_data(&record), CBS_len(&record));
    if (CBS_get_u8(&record, &message_type) != 1 || message_type != SSL3_MT_CLIENT_HELLO ||
        CBS_get_u24_length_prefixed(&record, &body) != 1 || CBS_len(&record) != 0 ||
        CBS_get_u16(&body, &version) != 1 || CBS_get_bytes(&body, &random, 32) != 1 ||
        CBS_get_u8_length_prefixed(&body, &session) != 1 || CBS_len(&session) > 32 ||
        CBS_get_u16_length_prefixed(&body, &ciphers) != 1 ||
        CBS_get_u8_length_prefixed(&body, &compression) != 1 ||
        CBS_get_u16_length_prefixed(&body, &extensions) != 1 || CBS_len(&body) != 0) {
        return false;
    }
    SSL_CLIENT_HELLO hello = {
        .version = version,
        .session_id = CBS_data(&session),
        .session_id_len = CBS_len(&session),
        .cipher_suites = CBS_data(&ciphers),
        .cipher_suites_len = CBS_len(&ciphers),
        .extensions = CBS_data(&extensions),
        .extensions_len = CBS_len(&extensions),
    };
    *out = fleet_hello_read(&hello);
    *out_message = message;
    return true;
}

bool fleet_hello_prefers_rsa(const struct fleet_hello *hello, bool is_tls13) {
    return !hello->signs_ecdsa || (!is_tls13 && !hello->ciphers_ecdsa);
}
