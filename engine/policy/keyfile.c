#include "engine/policy/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/codec/base64.h"
#include "engine/codec/cert.h"
#include "engine/codec/der.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"

const char *keyfile_kind_text(enum keyfile_kind kind) {
    static const char *const words[] = {[KEYFILE_CERTIFICATE] = "certificate",
                                        [KEYFILE_PUBLIC_KEY] = "public key",
                                        [KEYFILE_PRIVATE_KEY] = "private key",
                                        [KEYFILE_REQUEST] = "certification request"};
    return words[kind];
}

/* --- one file --- */

struct reader {
    const char *name;
    struct arena *arena;
    struct keyfile *out;
    struct err_note *note;
    uint32_t capacity;
};

static enum err fail(const struct reader *reader, uint32_t line, const char *why) {
    if (line == 0) {
        return err_note(reader->note, ERR_CONFIG, "%s: %s", reader->name, why);
    }
    return err_note(reader->note, ERR_CONFIG, "%s:%u: %s", reader->name, line, why);
}

static enum err add(struct reader *reader, enum keyfile_kind kind, struct span spki,
                    struct span certificate, uint32_t line) {
    struct keyfile *out = reader->out;
    if (out->count == KEYFILE_ITEMS_MAX) {
        return fail(reader, line, "more keys than a pin set can hold: give fewer");
    }
    if (out->count == reader->capacity) {
        reader->capacity = reader->capacity > 0 ? 2 * reader->capacity : 8;
        struct keyfile_item *items = arena_alloc(reader->arena, reader->capacity * sizeof *items);
        if (out->count > 0) {
            memcpy(items, out->items, out->count * sizeof *items);
        }
        out->items = items;
    }
    out->items[out->count++] =
        (struct keyfile_item){.kind = kind,
                              .spki = arena_copy(reader->arena, spki),
                              .certificate = arena_copy(reader->arena, certificate),
                              .line = line};
    return ERR_NONE;
}

/* --- private keys --- */

#define GIVE_PUBLIC "give its public half: openssl pkey -in FILE -pubout | pinsweep pins make -"

/* SubjectPublicKeyInfo of a parsed key; takes the key over. */
static enum err add_public_half(struct reader *reader, EVP_PKEY *pkey, enum keyfile_kind kind,
                                uint32_t line) {
    CBB cbb;
    uint8_t *spki = NULL;
    size_t len = 0;
    bool good =
        CBB_init(&cbb, 0) && EVP_marshal_public_key(&cbb, pkey) && CBB_finish(&cbb, &spki, &len);
    if (!good) {
        CBB_cleanup(&cbb);
    }
    EVP_PKEY_free(pkey); /* BoringSSL zeroes what it frees */
    ERR_clear_error();
    if (!good) {
        return fail(reader, line, "a key whose public half cannot be written: " GIVE_PUBLIC);
    }
    enum err err = add(reader, kind, span_of(spki, len), span_of(NULL, 0), line);
    OPENSSL_free(spki);
    return err;
}

static enum err fail_private(struct reader *reader, uint32_t line) {
    ERR_clear_error();
    return fail(reader, line,
                "a private key that cannot be read here (broken, or neither RSA, ECDSA P-256, "
                "P-384, P-521 nor Ed25519): " GIVE_PUBLIC);
}

/* PrivateKeyInfo (RFC 5208). */
static enum err read_pkcs8(struct reader *reader, struct span der, uint32_t line) {
    CBS cbs;
    CBS_init(&cbs, der.data, der.len);
    EVP_PKEY *pkey = EVP_parse_private_key(&cbs);
    if (pkey == NULL || CBS_len(&cbs) != 0) {
        EVP_PKEY_free(pkey);
        return fail_private(reader, line);
    }
    return add_public_half(reader, pkey, KEYFILE_PRIVATE_KEY, line);
}

/* RSAPrivateKey, RSAPublicKey (RFC 8017 appendix A.1). */
static enum err read_rsa(struct reader *reader, struct span der, bool is_private, uint32_t line) {
    CBS cbs;
    CBS_init(&cbs, der.data, der.len);
    RSA *rsa = is_private ? RSA_parse_private_key(&cbs) : RSA_parse_public_key(&cbs);
    EVP_PKEY *pkey = rsa != NULL && CBS_len(&cbs) == 0 ? EVP_PKEY_new() : NULL;
    bool good = pkey != NULL && EVP_PKEY_set1_RSA(pkey, rsa);
    RSA_free(rsa);
    if (!good) {
        EVP_PKEY_free(pkey);
        ERR_clear_error();
        return is_private ? fail_private(reader, line)
                          : fail(reader, line, "a broken RSA public key: copy it anew");
    }
    return add_public_half(reader, pkey, is_private ? KEYFILE_PRIVATE_KEY : KEYFILE_PUBLIC_KEY,
                           line);
}

/* ECPrivateKey (RFC 5915), with its curve inside. */
static enum err read_sec1(struct reader *reader, struct span der, uint32_t line) {
    CBS cbs;
    CBS_init(&cbs, der.data, der.len);
    EC_KEY *ec = EC_KEY_parse_private_key(&cbs, NULL);
    EVP_PKEY *pkey = ec != NULL && CBS_len(&cbs) == 0 ? EVP_PKEY_new() : NULL;
    bool good = pkey != NULL && EVP_PKEY_set1_EC_KEY(pkey, ec);
    EC_KEY_free(ec);
    if (!good) {
        EVP_PKEY_free(pkey);
        return fail_private(reader, line);
    }
    return add_public_half(reader, pkey, KEYFILE_PRIVATE_KEY, line);
}

static enum err fail_encrypted(const struct reader *reader, uint32_t line) {
    return fail(reader, line,
                "the key is encrypted, and no passphrase is asked for here: " GIVE_PUBLIC);
}

/* --- public objects --- */

static bool is_spki(struct span der) {
    enum cert_key key;
    uint16_t bits;
    return cert_spki_key(der, &key, &bits);
}

static enum err read_certificate(struct reader *reader, struct span der, uint32_t line) {
    struct span rest = der, spki;
    struct der whole;
    /* A TRUSTED CERTIFICATE has OpenSSL's settings behind it. */
    if (!der_take(&rest, DER_SEQUENCE, &whole) || !cert_spki(whole.element, &spki)) {
        return fail(reader, line, "a certificate in which no key can be found: copy it anew");
    }
    return add(reader, KEYFILE_CERTIFICATE, spki, whole.element, line);
}

static enum err read_public(struct reader *reader, struct span der, uint32_t line) {
    if (!is_spki(der)) {
        return fail(reader, line,
                    "a public key that is no SubjectPublicKeyInfo: write it with openssl pkey "
                    "-pubout");
    }
    return add(reader, KEYFILE_PUBLIC_KEY, der, span_of(NULL, 0), line);
}

/* CertificationRequest ::= SEQUENCE { certificationRequestInfo SEQUENCE { version INTEGER, subject
   Name, subjectPKInfo SubjectPublicKeyInfo, attributes [0] }, signatureAlgorithm, signature }
   (RFC 2986 section 4) */
static bool request_spki(struct span der, struct span *out) {
    struct span contents;
    struct der info, field, spki;
    return der_only(der, DER_SEQUENCE, &contents) && der_take(&contents, DER_SEQUENCE, &info) &&
           der_take(&contents, DER_SEQUENCE, &field) &&
           der_take(&contents, DER_BIT_STRING, &field) && contents.len == 0 &&
           der_take(&info.contents, DER_INTEGER, &field) &&
           der_take(&info.contents, DER_SEQUENCE, &field) &&
           der_take(&info.contents, DER_SEQUENCE, &spki) && is_spki(spki.element) &&
           (info.contents.len == 0 || der_next_is(info.contents, DER_CONTEXT_CONSTRUCTED(0))) &&
           (*out = spki.element, true);
}

static enum err read_request(struct reader *reader, struct span der, uint32_t line) {
    struct span spki;
    if (!request_spki(der, &spki)) {
        return fail(reader, line,
                    "a certification request in which no key can be found: copy it anew");
    }
    return add(reader, KEYFILE_REQUEST, spki, span_of(NULL, 0), line);
}

/* --- DER, by what it looks like --- */

/* The tags of the first elements of the outer SEQUENCE, 0 where there is none. */
static bool peek(struct span der, uint8_t tags[3], struct span *out_first) {
    struct span contents;
    struct der element;
    if (!der_only(der, DER_SEQUENCE, &contents)) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        tags[i] = contents.len > 0 ? contents.data[0] : 0;
        if (contents.len > 0 && !der_take_any(&contents, &element)) {
            return false;
        }
        *out_first = i == 0 && tags[0] != 0 ? element.contents : *out_first;
    }
    return true;
}

static enum err read_der(struct reader *reader, struct span der) {
    uint8_t tags[3] = {0};
    struct span first = {0}, spki;
    if (!peek(der, tags, &first)) {
        return fail(reader, 0,
                    "neither PEM nor DER of a certificate, key or certification request: give one "
                    "of them (certificates in other dumps: pinsweep hash)");
    }
    if (cert_spki(der, &spki)) {
        return read_certificate(reader, der, 0);
    }
    if (request_spki(der, &spki)) {
        return read_request(reader, der, 0);
    }
    if (is_spki(der)) {
        return read_public(reader, der, 0);
    }
    if (tags[0] == DER_SEQUENCE && tags[1] == DER_OCTET_STRING && tags[2] == 0) {
        return fail_encrypted(reader, 0); /* EncryptedPrivateKeyInfo */
    }
    if (tags[0] == DER_INTEGER && tags[1] == DER_SEQUENCE) {
        return read_pkcs8(reader, der, 0);
    }
    if (tags[0] == DER_INTEGER && tags[1] == DER_OCTET_STRING) {
        return read_sec1(reader, der, 0);
    }
    if (tags[0] == DER_INTEGER && tags[1] == DER_INTEGER) {
        return read_rsa(reader, der, tags[2] == DER_INTEGER, 0);
    }
    return fail(reader, 0,
                "DER, but of no certificate, key or certification request: give one of them "
                "(PKCS#7: pinsweep hash; PKCS#12: openssl pkcs12 -nokeys)");
}

/* --- PEM (RFC 7468) --- */

struct block {
    struct span label, body;
    uint32_t line; /* of its BEGIN */
};

static struct span take_line(struct span *rest) {
    struct span line = span_take(rest, span_find(*rest, '\n'));
    span_take(rest, 1);
    return span_trim(line);
}

static bool begins(struct span text, const char *words) {
    size_t len = strlen(words);
    return text.len >= len && memcmp(text.data, words, len) == 0;
}

/* "-----BEGIN X-----" to X. */
static bool read_label(struct span line, const char *words, struct span *out) {
    size_t front = strlen(words), end = strlen(DASHES);
    if (!begins(line, words) || line.len < front + end ||
        memcmp(line.data + line.len - end, DASHES, end) != 0) {
        return false;
    }
    *out = span_of(line.data + front, line.len - front - end);
    return true;
}

/* The next block; false at the end of the file, or *out_err. */
static bool next_block(struct reader *reader, struct span *rest, uint32_t *line, struct block *out,
                       enum err *out_err) {
    *out_err = ERR_NONE;
    while (rest->len > 0) {
        struct span text = take_line(rest), label;
        ++*line;
        if (!read_label(text, BEGIN, &out->label)) {
            continue;
        }
        out->line = *line;
        const uint8_t *start = rest->data;
        while (rest->len > 0) {
            const uint8_t *at = rest->data;
            text = take_line(rest);
            ++*line;
            if (read_label(text, END, &label)) {
                out->body = span_of(start, (size_t)(at - start));
                if (!span_equal(label, out->label)) {
                    *out_err = fail(reader, *line, "END does not match BEGIN: copy the block anew");
                }
                return *out_err == ERR_NONE;
            }
        }
        *out_err = fail(reader, out->line, "the file ends inside this block: its END is missing");
        return false;
    }
    return false;
}

static bool holds(struct span text, const char *words) {
    return memmem(text.data, text.len, words, strlen(words)) != NULL;
}

/* `der` has room for all of it. */
static bool decode_body(struct span body, uint8_t *text, uint8_t *der, size_t der_capacity,
                        size_t *out_len) {
    size_t len = 0;
    for (size_t i = 0; i < body.len; i++) {
        if (memchr(" \t\r\n", body.data[i], 4) == NULL) {
            text[len++] = body.data[i];
        }
    }
    return len > 0 && base64_decode(span_of(text, len), der, der_capacity, out_len);
}

struct label {
    const char *words;
    enum err (*read)(struct reader *reader, struct span der, uint32_t line);
};

static enum err read_rsa_private(struct reader *reader, struct span der, uint32_t line) {
    return read_rsa(reader, der, true, line);
}

static enum err read_rsa_public(struct reader *reader, struct span der, uint32_t line) {
    return read_rsa(reader, der, false, line);
}

static const struct label labels[] = {
    {"CERTIFICATE", read_certificate},         {"X509 CERTIFICATE", read_certificate},
    {"TRUSTED CERTIFICATE", read_certificate}, {"PUBLIC KEY", read_public},
    {"RSA PUBLIC KEY", read_rsa_public},       {"PRIVATE KEY", read_pkcs8},
    {"RSA PRIVATE KEY", read_rsa_private},     {"EC PRIVATE KEY", read_sec1},
    {"CERTIFICATE REQUEST", read_request},     {"NEW CERTIFICATE REQUEST", read_request},
};

static enum err read_block(struct reader *reader, const struct block *block) {
    const struct label *known = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(labels) && known == NULL; i++) {
        known = span_equal_str(block->label, labels[i].words) ? &labels[i] : NULL;
    }
    if (span_equal_str(block->label, "ENCRYPTED PRIVATE KEY") ||
        (known != NULL && holds(block->body, "ENCRYPTED"))) {
        return fail_encrypted(reader, block->line);
    }
    if (span_equal_str(block->label, "OPENSSH PRIVATE KEY")) {
        return fail(reader, block->line,
                    "a key in OpenSSH's own format: give its public half, ssh-keygen -e -m PKCS8 "
                    "-f FILE | pinsweep pins make -");
    }
    if (known == NULL) {
        return ERR_NONE; /* parameters, revocation lists and the like */
    }
    size_t capacity = BASE64_BYTES_MAX(block->body.len) + 1, len = 0;
    uint8_t *text = OPENSSL_malloc(block->body.len + 1); /* zeroed when freed */
    uint8_t *der = OPENSSL_malloc(capacity);
    CHECK(text != NULL && der != NULL);
    enum err err = ERR_NONE;
    if (!decode_body(block->body, text, der, capacity, &len)) {
        err = fail(reader, block->line, "this block is not base64: copy it anew");
    } else {
        err = known->read(reader, span_of(der, len), block->line);
    }
    OPENSSL_cleanse(text, block->body.len + 1);
    OPENSSL_cleanse(der, capacity);
    OPENSSL_free(text);
    OPENSSL_free(der);
    return err;
}

static enum err read_pem(struct reader *reader, struct span bytes) {
    struct block block;
    uint32_t line = 0;
    enum err err = ERR_NONE;
    while (err == ERR_NONE && next_block(reader, &bytes, &line, &block, &err)) {
        err = read_block(reader, &block);
    }
    if (err == ERR_NONE && reader->out->count == 0) {
        return fail(reader, 0,
                    "none of its PEM blocks is a certificate, key or certification request: give "
                    "one of them");
    }
    return err;
}

/* --- the whole --- */

enum err keyfile_parse(struct span bytes, const char *name, struct arena *arena,
                       struct keyfile *out, struct err_note *note) {
    *out = (struct keyfile){.file = arena_copy_text(arena, span_str(name))};
    struct reader reader = {.name = name, .arena = arena, .out = out, .note = note};
    if (bytes.len == 0) {
        return fail(&reader, 0, "is empty: give a certificate, key or certification request");
    }
    return holds(bytes, BEGIN) ? read_pem(&reader, bytes) : read_der(&reader, bytes);
}

/* What was in a smaller buffer is zeroed before that is freed. */
static enum err read_all(int fd, const char *name, uint8_t **out, size_t *out_len,
                         struct err_note *note) {
    size_t capacity = 64 * 1024, len = 0;
    uint8_t *bytes = OPENSSL_malloc(capacity);
    CHECK(bytes != NULL);
    enum err err = ERR_NONE;
    for (;;) {
        if (len == capacity) {
            uint8_t *larger = OPENSSL_malloc(2 * capacity);
            CHECK(larger != NULL);
            memcpy(larger, bytes, len);
            OPENSSL_cleanse(bytes, capacity);
            OPENSSL_free(bytes);
            bytes = larger;
            capacity *= 2;
        }
        ssize_t got = read(fd, bytes + len, capacity - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            err = err_note(note, ERR_CONFIG, "%s: cannot be read: %s", name, strerror(errno));
        }
        if (got <= 0) {
            break;
        }
        len += (size_t)got;
        if (len > KEYFILE_BYTES_MAX) {
            err = err_note(note, ERR_CONFIG,
                           "%s: longer than %u bytes: that is no file of keys (dumps of "
                           "certificates: pinsweep hash)",
                           name, KEYFILE_BYTES_MAX);
            break;
        }
    }
    *out = bytes;
    *out_len = len;
    return err;
}

enum err keyfile_load(const char *file, struct arena *arena, struct keyfile *out,
                      struct err_note *note) {
    bool is_input = strcmp(file, "-") == 0;
    const char *name = is_input ? "standard input" : file;
    int fd = is_input ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (fd < 0) {
        return err_note(note, ERR_CONFIG, "%s: cannot be read: %s", name, strerror(errno));
    }
    enum err err = read_all(fd, name, &bytes, &len, note);
    if (err == ERR_NONE) {
        err = keyfile_parse(span_of(bytes, len), name, arena, out, note);
    }
    OPENSSL_cleanse(bytes, len);
    OPENSSL_free(bytes);
    if (!is_input) {
        close(fd);
    }
    return err;
}
