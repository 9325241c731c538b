#include "engine/net/hello.h"

#include <openssl/bytestring.h>
#include <openssl/ssl.h>

#define RECORD_HEADER_LEN 5
#define MESSAGE_HEADER_LEN 4
#define RANDOM_AT (MESSAGE_HEADER_LEN + 2) /* behind legacy_version */
#define EXTENSION_PADDING 21               /* RFC 7685 */
#define PADDING_MAX (0x200 - 0x100)
#define SNI_EXTENSION_LEN 9 /* around the name: RFC 6066 section 3 */
#define SNI_MAX 255         /* as BoringSSL has it */

static void put_u16(uint8_t *at, size_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static size_t get_u16(const uint8_t *at) {
    return (size_t)at[0] << 8 | at[1];
}

static uint16_t offset_in(const struct hello *hello, const uint8_t *at) {
    return (uint16_t)(at - hello->bytes);
}

/* KeyShareClientHello (RFC 8446 section 4.2.8): where the shares are. One that cannot be made anew
   would go out with every connection, and nobody could read the answer. */
static bool learn_share(struct hello *hello, CBS body) {
    CBS list, key;
    uint16_t group;
    if (!CBS_get_u16_length_prefixed(&body, &list)) {
        return false;
    }
    while (CBS_len(&list) > 0) { /* every turn takes four bytes or more */
        if (!CBS_get_u16(&list, &group) || !CBS_get_u16_length_prefixed(&list, &key)) {
            return false;
        }
        if (group == SSL_CURVE_X25519 && CBS_len(&key) == HELLO_SHARE_LEN) {
            hello->share_at = offset_in(hello, CBS_data(&key));
        } else if (group == MLKEM_GROUP && CBS_len(&key) == MLKEM_PUBLIC_LEN + HELLO_SHARE_LEN) {
            hello->mlkem_at = offset_in(hello, CBS_data(&key));
        } else {
            return false;
        }
    }
    return true;
}

static bool learn_versions(struct hello *hello, CBS body) {
    CBS list;
    uint16_t version;
    hello->offers_12 = false;
    if (!CBS_get_u8_length_prefixed(&body, &list)) {
        return false;
    }
    while (CBS_len(&list) > 0) { /* every turn takes two bytes */
        if (!CBS_get_u16(&list, &version)) {
            return false;
        }
        hello->offers_12 |= version == TLS1_2_VERSION;
        hello->offers_13 |= version == TLS1_3_VERSION;
    }
    return true;
}

/* Copies the extensions behind what is there and notes where the ones of interest are. */
static bool learn_extensions(struct hello *hello, CBS extensions) {
    while (CBS_len(&extensions) > 0) { /* every turn takes four bytes or more */
        uint16_t type;
        CBS body;
        if (!CBS_get_u16(&extensions, &type) || !CBS_get_u16_length_prefixed(&extensions, &body) ||
            type == TLSEXT_TYPE_server_name ||
            CBS_len(&body) + 4 > sizeof hello->bytes - hello->len) {
            return false;
        }
        if (type == EXTENSION_PADDING) {
            continue;
        }
        uint8_t *at = hello->bytes + hello->len;
        put_u16(at, type);
        put_u16(at + 2, CBS_len(&body));
        memcpy(at + 4, CBS_data(&body), CBS_len(&body));
        hello->len = (uint16_t)(hello->len + 4 + CBS_len(&body));
        CBS copy;
        CBS_init(&copy, at + 4, CBS_len(&body));
        if ((type == TLSEXT_TYPE_key_share && !learn_share(hello, copy)) ||
            (type == TLSEXT_TYPE_supported_versions && !learn_versions(hello, copy))) {
            return false;
        }
        if (type == TLSEXT_TYPE_signature_algorithms) {
            hello->signatures_at = offset_in(hello, at + 4);
        } else if (type == TLSEXT_TYPE_supported_groups) {
            hello->groups_at = offset_in(hello, at + 4);
        }
    }
    return true;
}

bool hello_learn(struct hello *hello, struct span record) {
    CBS in, body, message, session_id, ciphers, compressions, extensions;
    uint8_t type;
    uint16_t version;
    CBS_init(&in, record.data, record.len);
    *hello = (struct hello){0};
    if (!CBS_get_u8(&in, &type) || type != SSL3_RT_HANDSHAKE || !CBS_get_u16(&in, &version) ||
        !CBS_get_u16_length_prefixed(&in, &body) || CBS_len(&in) != 0 ||
        CBS_len(&body) > sizeof hello->bytes) {
        return false;
    }
    const uint8_t *start = CBS_data(&body);
    if (!CBS_get_u8(&body, &type) || type != SSL3_MT_CLIENT_HELLO ||
        !CBS_get_u24_length_prefixed(&body, &message) || CBS_len(&body) != 0 ||
        !CBS_get_u16(&message, &version) || !CBS_skip(&message, HELLO_RANDOM_LEN) ||
        !CBS_get_u8_length_prefixed(&message, &session_id) ||
        !CBS_get_u16_length_prefixed(&message, &ciphers) ||
        !CBS_get_u8_length_prefixed(&message, &compressions) ||
        !CBS_get_u16_length_prefixed(&message, &extensions) || CBS_len(&message) != 0) {
        return false;
    }
    hello->session_id_at = (uint16_t)(CBS_data(&session_id) - start - 1);
    hello->ciphers_at = (uint16_t)(CBS_data(&ciphers) - start - 2);
    hello->extensions_at = (uint16_t)(CBS_data(&extensions) - start - 2);
    hello->len = (uint16_t)(hello->extensions_at + 2);
    hello->offers_12 = version == TLS1_2_VERSION; /* unless supported_versions says more */
    memcpy(hello->bytes, start, hello->len);
    return learn_extensions(hello, extensions) && (hello->offers_12 || hello->offers_13) &&
           (!hello->offers_13 || hello->share_at != 0 || hello->mlkem_at != 0) &&
           (CBS_len(&session_id) == 0 || CBS_len(&session_id) == 32);
}

size_t hello_padding_name_len(const struct hello *hello) {
    return hello->len <= 0xff ? 0x100u - hello->len : 0;
}

void hello_learn_padding(struct hello *hello, struct span record) {
    size_t name_len = hello_padding_name_len(hello);
    size_t bare_len = RECORD_HEADER_LEN + hello->len + (name_len > 0 ? SNI_EXTENSION_LEN : 0u);
    hello->pads = record.len > bare_len + name_len;
}

static size_t write_sni(uint8_t *at, const char *sni, size_t name_len) {
    put_u16(at, TLSEXT_TYPE_server_name);
    put_u16(at + 2, name_len + 5);
    put_u16(at + 4, name_len + 3);
    at[6] = TLSEXT_NAMETYPE_host_name;
    put_u16(at + 7, name_len);
    memcpy(at + SNI_EXTENSION_LEN, sni, name_len);
    return SNI_EXTENSION_LEN + name_len;
}

/* RFC 7685: a ClientHello of 256 to 511 bytes makes old load balancers hang. The same lengths as
   BoringSSL's, if the library at hand still pads. */
static size_t write_padding(const struct hello *hello, uint8_t *at, size_t message_len) {
    if (!hello->pads || message_len <= 0xff || message_len >= 0x200) {
        return 0;
    }
    size_t missing = 0x200 - message_len;
    size_t len = missing >= 5 ? missing - 4 : 1;
    put_u16(at, EXTENSION_PADDING);
    put_u16(at + 2, len);
    memset(at + 4, 0, len);
    return len + 4;
}

size_t hello_write(const struct hello *hello, const struct hello_values *values,
                   uint8_t out[SEND_BUFFER_BYTES]) {
    size_t name_len = strlen(values->sni);
    size_t bare_len = (size_t)hello->len + SNI_EXTENSION_LEN + name_len;
    if (name_len > SNI_MAX ||
        RECORD_HEADER_LEN + bare_len + (bare_len < 0x200 ? PADDING_MAX : 0) > SEND_BUFFER_BYTES) {
        return 0;
    }
    uint8_t *message = out + RECORD_HEADER_LEN;
    size_t head_len = hello->extensions_at + 2u;
    memcpy(message, hello->bytes, head_len);
    memcpy(message + RANDOM_AT, values->random, HELLO_RANDOM_LEN);
    if (message[hello->session_id_at] != 0) {
        memcpy(message + hello->session_id_at + 1, values->session_id, sizeof values->session_id);
    }
    size_t len = head_len;
    len += name_len > 0 ? write_sni(message + len, values->sni, name_len) : 0;
    size_t shift = len - head_len;
    memcpy(message + len, hello->bytes + head_len, hello->len - head_len);
    len += hello->len - head_len;
    if (hello->share_at != 0) {
        memcpy(message + hello->share_at + shift, values->share, HELLO_SHARE_LEN);
    }
    if (hello->mlkem_at != 0) {
        uint8_t *at = message + hello->mlkem_at + shift;
        memcpy(at, values->mlkem, MLKEM_PUBLIC_LEN);
        memcpy(at + MLKEM_PUBLIC_LEN, values->share, HELLO_SHARE_LEN);
    }
    len += write_padding(hello, message + len, len);
    put_u16(message + hello->extensions_at, len - head_len);
    put_u16(message + 2, len - MESSAGE_HEADER_LEN); /* below 64 KB: the first length byte is 0 */
    out[0] = SSL3_RT_HANDSHAKE;
    put_u16(out + 1, TLS1_VERSION);
    put_u16(out + 3, len);
    return RECORD_HEADER_LEN + len;
}

size_t hello_len_max(const struct hello *hello) {
    size_t bare_len = (size_t)hello->len + SNI_EXTENSION_LEN + SNI_MAX;
    size_t padded_len = 0x200 + 4; /* at most, of a shorter one: see write_padding() */
    size_t len = RECORD_HEADER_LEN + (bare_len > padded_len ? bare_len : padded_len);
    return len < SEND_BUFFER_BYTES ? len : SEND_BUFFER_BYTES;
}

/* A list of 16-bit values behind its length, both as BoringSSL wrote them. */
static bool list_has(const uint8_t *length_at, uint16_t value) {
    size_t len = get_u16(length_at);
    for (size_t i = 0; i + 1 < len; i += 2) {
        if (get_u16(length_at + 2 + i) == value) {
            return true;
        }
    }
    return false;
}

bool hello_offers_cipher(const struct hello *hello, uint16_t cipher) {
    return list_has(hello->bytes + hello->ciphers_at, cipher);
}

bool hello_offers_signature(const struct hello *hello, uint16_t scheme) {
    return hello->signatures_at != 0 && list_has(hello->bytes + hello->signatures_at, scheme);
}

bool hello_offers_group(const struct hello *hello, uint16_t group) {
    return hello->groups_at != 0 && list_has(hello->bytes + hello->groups_at, group);
}

bool hello_offers_extension(const struct hello *hello, uint16_t type) {
    if (type == TLSEXT_TYPE_server_name) {
        return true;
    }
    size_t at = hello->extensions_at + 2u;
    while (at < hello->len) { /* hello_learn wrote whole extensions */
        if (get_u16(hello->bytes + at) == type) {
            return true;
        }
        at += 4 + get_u16(hello->bytes + at + 2);
    }
    return false;
}
