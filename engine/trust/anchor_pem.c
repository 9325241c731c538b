#include "engine/trust/anchor_pem.h"

#include <openssl/bytestring.h>

#include "engine/codec/text.h"

static const char *const labels[] = {"CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"};

void pem_reader_init(struct pem_reader *reader, struct span text) {
    static const uint8_t byte_order_mark[] = {0xEF, 0xBB, 0xBF};
    if (text.len >= 3 && memcmp(text.data, byte_order_mark, 3) == 0) {
        span_take(&text, 3);
    }
    reader->rest = text;
    reader->line = 1;
    reader->text_len = 0;
}

/* The next line without its end and outer blanks; false at the end of the text. */
static bool next_line(struct pem_reader *reader, struct span *out_line) {
    if (reader->rest.len == 0) {
        return false;
    }
    struct span line = span_take(&reader->rest, span_find(reader->rest, '\n'));
    span_take(&reader->rest, 1);
    reader->line++;
    *out_line = span_trim(line);
    return true;
}

/* The label of "-----BEGIN label-----" (RFC 7468 section 3); false if the line is none. */
static bool boundary(struct span line, const char *word, struct span *out_label) {
    size_t word_len = strlen(word);
    if (line.len < word_len + 5 || memcmp(line.data, word, word_len) != 0 ||
        memcmp(line.data + line.len - 5, "-----", 5) != 0) {
        return false;
    }
    *out_label = span_of(line.data + word_len, line.len - word_len - 5);
    return true;
}

static bool is_certificate(struct span label) {
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        if (span_equal_str(label, labels[i])) {
            return true;
        }
    }
    return false;
}

/* Joins the lines of a block up to its END; NULL if all is well, else what is not. */
static const char *read_block(struct pem_reader *reader, struct span label) {
    reader->text_len = 0;
    struct span line, end;
    while (next_line(reader, &line)) {
        if (boundary(line, "-----END ", &end)) {
            return span_equal(end, label) ? NULL : "END does not match BEGIN";
        }
        if (boundary(line, "-----BEGIN ", &end)) {
            return "BEGIN inside a certificate: an END line is missing before it";
        }
        if (line.len > sizeof reader->text - reader->text_len) {
            return "certificate too large";
        }
        if (line.len > 0) {
            memcpy(reader->text + reader->text_len, line.data, line.len);
            reader->text_len += line.len;
        }
    }
    return "the file ends inside a certificate";
}

/* Only the certificate of a TRUSTED block: OpenSSL's settings follow it as a second element. */
static struct span first_element(struct span der) {
    CBS cbs, element;
    CBS_init(&cbs, der.data, der.len);
    if (!CBS_get_any_asn1_element(&cbs, &element, NULL, NULL)) {
        return der;
    }
    return span_of(CBS_data(&element), CBS_len(&element));
}

enum pem_result pem_reader_next(struct pem_reader *reader, struct span *out_der, uint32_t *out_line,
                                const char **out_why) {
    struct span line, label;
    do {
        if (!next_line(reader, &line)) {
            return PEM_END;
        }
    } while (!boundary(line, "-----BEGIN ", &label) || !is_certificate(label));
    uint32_t begin_line = reader->line - 1;
    const char *why = read_block(reader, label);
    if (why != NULL) {
        *out_line = reader->line - 1;
        *out_why = why;
        return PEM_BROKEN;
    }
    *out_line = begin_line;
    size_t der_len = 0;
    if (!base64_decode(span_of(reader->text, reader->text_len), reader->der, sizeof reader->der,
                       &der_len)) {
        *out_why = "the certificate that begins here is not valid base64";
        return PEM_BROKEN;
    }
    *out_der = span_of(reader->der, der_len);
    if (span_equal_str(label, labels[1])) {
        *out_der = first_element(*out_der);
    }
    return PEM_CERTIFICATE;
}
