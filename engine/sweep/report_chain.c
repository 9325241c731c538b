/* The line of a chain in --chains-out. */
#include "engine/codec/dname.h"
#include "engine/codec/json.h"
#include "engine/codec/text.h"
#include "engine/sweep/report.h"

static const char *signature_text(enum cert_signature signature) {
    switch (signature) {
    case CERT_SIGNATURE_STRONG:
        return "strong";
    case CERT_SIGNATURE_WEAK:
        return "weak";
    case CERT_SIGNATURE_OTHER:
        break;
    }
    return "other";
}

static bool write_san(void *context, bool is_dns, struct span value) {
    struct json *json = context;
    if (is_dns) {
        json_string(json, value);
    } else {
        struct netaddr address = {.family = value.len == 4 ? 4 : 6};
        char text[NETADDR_TEXT_MAX];
        if (value.len == 4 || value.len == 16) {
            memcpy(address.bytes, value.data, value.len);
            json_string(json, span_of(text, netaddr_format(text, &address)));
        }
    }
    return true;
}

/* PEM (RFC 7468) goes straight into the string: base64 needs no escape, newlines are written as \n.
 */
static void write_pem(struct json *json, struct span der) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n",
                      end[] = "-----END CERTIFICATE-----\n";
    char text[BASE64_LEN(CERT_BYTES_MAX) + CERT_BYTES_MAX / 48 + 128];
    if (der.len > CERT_BYTES_MAX) {
        json_text(json, "");
        return;
    }
    size_t len = sizeof begin - 1;
    memcpy(text, begin, len);
    while (der.len > 0) {
        len += base64_encode(text + len, span_take(&der, 48));
        text[len++] = '\n';
    }
    memcpy(text + len, end, sizeof end - 1);
    json_string(json, span_of(text, len + sizeof end - 1));
}

static void write_name(struct json *json, const char *key, struct span name_der) {
    char text[DNAME_TEXT_MAX];
    size_t len = name_der.len > 0 ? dname_format(text, name_der) : 0;
    json_key_string(json, key, span_of(text, len));
}

static void write_time(struct json *json, const char *key, const struct cert_record *cert,
                       int64_t unix_s) {
    json_key(json, key);
    if (cert->strict) {
        json_time_s(json, unix_s);
    } else {
        json_null(json);
    }
}

static void write_certificate(struct json *json, const struct cert_record *cert, bool pem) {
    const struct cert_fields *fields = &cert->fields;
    char key[24] = "";
    if (cert->strict) {
        cert_key_text(key, fields->key, fields->key_bits);
    }
    json_object_begin(json);
    json_key(json, "cert_sha256");
    json_hex(json, span_of(cert->cert_sha256, SHA256_LEN));
    json_key(json, "spki_sha256");
    json_base64(json, span_of(cert->spki_sha256, cert->has_spki ? SHA256_LEN : 0));
    write_name(json, "subject", fields->subject);
    write_name(json, "issuer", fields->issuer);
    json_key(json, "serial");
    json_hex(json, fields->serial);
    write_time(json, "not_before", cert, fields->not_before);
    write_time(json, "not_after", cert, fields->not_after);
    json_key_text(json, "key", key);
    json_key_text(json, "signature", signature_text(fields->signature));
    json_key_bool(json, "is_ca", fields->is_ca);
    json_key_bool(json, "strict", cert->strict);
    json_key(json, "sans");
    json_array_begin(json);
    if (cert->strict) {
        cert_each_san(fields, write_san, json);
    }
    json_array_end(json);
    json_key(json, "pem");
    if (pem) {
        write_pem(json, cert->der);
    } else {
        json_text(json, "");
    }
    json_object_end(json);
}

size_t report_write_chain(const struct chain *chain, bool pem, char *buffer, size_t capacity) {
    struct json json;
    json_init(&json, buffer, capacity);
    json_object_begin(&json);
    json_key_i64(&json, "schema", 1);
    json_key_text(&json, "type", "chain");
    json_key(&json, "chain_id");
    json_hex(&json, span_of(chain->id, SHA256_LEN));
    json_key(&json, "certificates");
    json_array_begin(&json);
    for (uint32_t i = 0; i < chain->count; i++) {
        write_certificate(&json, chain->certs[i], pem);
    }
    json_array_end(&json);
    json_object_end(&json);
    return json_finish_line(&json);
}
