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

static bool signs_ecdsa(const SSL_CLIENT_HELLO *hello) {
    CBS extension, list;
    return !find_extension(hello, TLSEXT_TYPE_signature_algorithms, &extension) ||
           (CBS_get_u16_length_prefixed(&extension, &list) == 1 &&
            has_u16(list, SSL_SIGN_ECDSA_SECP256R1_SHA256));
}

static bool ciphers_ecdsa(const SSL_CLIENT_HELLO *hello) {
    /* ECDHE-ECDSA with AES-128-GCM, AES-256-GCM, CHACHA20, AES-128-CBC, AES-256-CBC. */
    static const uint16_t suites[] = {0xC02B, 0xC02C, 0xCCA9, 0xC009, 0xC00A};
    CBS list;
    CBS_init(&list, hello->cipher_suites, hello->cipher_suites_len);
    for (unsigned i = 0; i < ARRAY_COUNT(suites); i++) {
        if (has_u16(list, suites[i])) {
            return true;
        }
    }
    return false;
}

struct fleet_hello fleet_hello_read(const SSL_CLIENT_HELLO *hello) {
    return (struct fleet_hello){
        .server_name = read_server_name(hello),
        .offers_tls13 = offers_tls13(hello),
        .signs_ecdsa = signs_ecdsa(hello),
        .ciphers_ecdsa = ciphers_ecdsa(hello),
    };
}

bool fleet_hello_prefers_rsa(const struct fleet_hello *hello, bool is_tls13) {
    return !hello->signs_ecdsa || (!is_tls13 && !hello->ciphers_ecdsa);
}
