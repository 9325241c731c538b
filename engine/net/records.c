#include "engine/net/records.h"

#include <openssl/mem.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "engine/base/attributes.h"

#define HEADER_LEN 5
#define MESSAGE_HEADER_LEN 4
#define PLAIN_MAX 16384
#define SEALED_MAX (PLAIN_MAX + 256)
#define GROWTH 1024        /* a usual flight is 2,000 to 5,000 bytes: rounds up, does not double */
#define PASSED_OVER_MAX 32 /* as BoringSSL: a peer that sends more wants to waste our time */

void records_init(struct records *records) {
    *records = (struct records){0};
}

void records_fini(struct records *records) {
    EVP_AEAD_CTX_free(records->aead);
    records->aead = NULL;
    free(records->bytes);
    records->bytes = NULL;
}

/* Messages to the front, records right behind them. */
static void close_gaps(struct records *records) {
    uint32_t message_len = records->message_end - records->message_at;
    uint32_t raw_len = records->raw_end - records->raw_at;
    if (message_len > 0) {
        memmove(records->bytes, records->bytes + records->message_at, message_len);
    }
    if (raw_len > 0) {
        memmove(records->bytes + message_len, records->bytes + records->raw_at, raw_len);
    }
    records->message_at = 0;
    records->message_end = records->raw_at = message_len;
    records->raw_end = message_len + raw_len;
}

bool records_feed(struct records *records, struct span in) {
    if (in.len == 0) {
        return true;
    }
    if (in.len > records->capacity - records->raw_end) { /* seldom: a byte may come at a time */
        close_gaps(records);
    }
    if (in.len > records->capacity - records->raw_end) {
        size_t capacity = (records->raw_end + in.len + GROWTH - 1) / GROWTH * GROWTH;
        CHECK(capacity <= 2 * HANDSHAKE_BYTES_MAX);
        uint8_t *bytes = realloc(records->bytes, capacity);
        if (bytes == NULL) {
            return false;
        }
        records->bytes = bytes;
        records->capacity = (uint32_t)capacity;
    }
    memcpy(records->bytes + records->raw_end, in.data, in.len);
    records->raw_end += (uint32_t)in.len;
    return true;
}

bool records_has_more(const struct records *records) {
    return records->message_at < records->message_end;
}

bool records_seal(struct records *records, const EVP_AEAD *aead, struct span key,
                  const uint8_t iv[RECORDS_IV_LEN]) {
    memcpy(records->iv, iv, RECORDS_IV_LEN);
    records->sealed = true;
    records->aead = EVP_AEAD_CTX_new(aead, key.data, key.len, EVP_AEAD_DEFAULT_TAG_LENGTH);
    return records->aead != NULL;
}

static enum records_news pass_over(struct records *records) {
    return ++records->passed_over <= PASSED_OVER_MAX ? RECORDS_WAIT : RECORDS_UNUSUAL;
}

/* A warning below TLS 1.3 ends nothing ("unrecognized_name"), but for close_notify. */
static enum records_news take_alert(struct records *records, struct span body) {
    if (body.len != 2) {
        return RECORDS_UNUSUAL;
    }
    records->alert = body.data[1];
    bool ends =
        records->sealed || body.data[0] == SSL3_AL_FATAL || records->alert == SSL3_AD_CLOSE_NOTIFY;
    return ends ? RECORDS_ALERT : pass_over(records);
}

/* Handshake bytes join those that wait for the rest of their message. */
static enum records_news take_handshake(struct records *records, struct span body) {
    if (body.len == 0) {
        return RECORDS_UNUSUAL;
    }
    memmove(records->bytes + records->message_end, body.data, body.len);
    records->message_end += (uint32_t)body.len;
    return RECORDS_WAIT;
}

/* RFC 8446 section 5.3: the sequence number, big-endian, over the end of the IV. */
static void make_nonce(const struct records *records, uint8_t nonce[RECORDS_IV_LEN]) {
    memcpy(nonce, records->iv, RECORDS_IV_LEN);
    for (size_t i = 0; i < 8; i++) {
        nonce[RECORDS_IV_LEN - 1 - i] ^= (uint8_t)(records->sequence >> (8 * i));
    }
}

/* Opens in place; TLSInnerPlaintext is content, its type, zeros (RFC 8446 section 5.4). */
static enum records_news open_sealed(struct records *records, const uint8_t header[HEADER_LEN],
                                     uint8_t *body, size_t body_len) {
    uint8_t nonce[RECORDS_IV_LEN];
    size_t len;
    make_nonce(records, nonce);
    if (!EVP_AEAD_CTX_open(records->aead, body, &len, body_len, nonce, sizeof nonce, body, body_len,
                           header, HEADER_LEN)) {
        return RECORDS_BAD_TAG;
    }
    records->sequence++;
    while (len > 0 && body[len - 1] == 0) { /* bounded by the record */
        len--;
    }
    if (len == 0 || len - 1 > PLAIN_MAX) {
        return RECORDS_UNUSUAL;
    }
    uint8_t type = body[--len];
    if (type == SSL3_RT_HANDSHAKE) {
        return take_handshake(records, span_of(body, len));
    }
    return type == SSL3_RT_ALERT ? take_alert(records, span_of(body, len)) : RECORDS_UNUSUAL;
}

static enum records_news open_record(struct records *records, const uint8_t *header, uint8_t *body,
                                     size_t body_len) {
    struct span content = span_of(body, body_len);
    switch (header[0]) {
    case SSL3_RT_HANDSHAKE:
        return records->sealed ? RECORDS_UNUSUAL : take_handshake(records, content);
    case SSL3_RT_ALERT:
        return records->sealed ? RECORDS_UNUSUAL : take_alert(records, content);
    case SSL3_RT_APPLICATION_DATA:
        return records->sealed ? open_sealed(records, header, body, body_len) : RECORDS_UNUSUAL;
    case SSL3_RT_CHANGE_CIPHER_SPEC: /* RFC 8446 appendix D.4: a dummy for middleboxes */
        return records->sealed && span_equal(content, span_of("\x01", 1)) ? pass_over(records)
                                                                          : RECORDS_UNUSUAL;
    default:
        return RECORDS_UNUSUAL;
    }
}

/* Takes the next record apart. RECORDS_WAIT with *out_taken false: it is not whole yet. */
static enum records_news take_record(struct records *records, bool *out_taken) {
    uint32_t have = records->raw_end - records->raw_at;
    uint8_t *header = records->bytes + records->raw_at;
    *out_taken = false;
    if (have < HEADER_LEN) {
        return RECORDS_WAIT;
    }
    size_t len = (size_t)header[3] << 8 | header[4];
    if (header[1] != SSL3_VERSION_MAJOR || len > (records->sealed ? SEALED_MAX : PLAIN_MAX)) {
        return RECORDS_UNUSUAL;
    }
    if (have - HEADER_LEN < len) {
        return RECORDS_WAIT;
    }
    *out_taken = true;
    records->raw_at += HEADER_LEN + (uint32_t)len;
    return open_record(records, header, header + HEADER_LEN, len);
}

/* The next message if it is whole. A length beyond every certificate list is unusual. */
static enum records_news take_message(struct records *records, struct span *out_message) {
    uint32_t have = records->message_end - records->message_at;
    const uint8_t *message = records->bytes + records->message_at;
    if (have < MESSAGE_HEADER_LEN) {
        return RECORDS_WAIT;
    }
    size_t len = (size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3];
    if (len > CHAIN_BYTES_MAX) {
        return RECORDS_UNUSUAL;
    }
    if (have - MESSAGE_HEADER_LEN < len) {
        return RECORDS_WAIT;
    }
    *out_message = span_of(message, MESSAGE_HEADER_LEN + len);
    records->message_at += MESSAGE_HEADER_LEN + (uint32_t)len;
    return RECORDS_MESSAGE;
}

enum records_news records_next(struct records *records, struct span *out_message) {
    if (records->bytes == NULL) {
        return RECORDS_WAIT; /* nothing came yet */
    }
    for (;;) { /* every turn takes a message or a record, or ends */
        enum records_news news = take_message(records, out_message);
        if (news != RECORDS_WAIT) {
            return news;
        }
        bool taken;
        news = take_record(records, &taken);
        if (news != RECORDS_WAIT || !taken) {
            return news;
        }
    }
}
