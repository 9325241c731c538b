/* For the tests of the corpus: minted certificates, files, and a run whose output is held. */
#ifndef PINSWEEP_TESTS_CORPUS_SUPPORT_H
#define PINSWEEP_TESTS_CORPUS_SUPPORT_H

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/mint.h"
#include "engine/codec/cert.h"
#include "engine/codec/text.h"
#include "engine/corpus/corpus.h"
#include "tests/support/suite.h"

#define CERTS 6

static struct span certs[CERTS];
static char pins[CERTS][8 + BASE64_SHA256_LEN]; /* "sha256/...\n" and NUL is left out */
#define PIN_LINE (7 + BASE64_SHA256_LEN + 1)

struct text {
    char *bytes;
    size_t len, capacity;
};

static inline void text_add(struct text *text, const void *bytes, size_t len) {
    if (text->capacity <= text->len + len) {
        text->capacity = 2 * (text->len + len) + 256;
        text->bytes = realloc(text->bytes, text->capacity);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text->bytes);
    }
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
    text->bytes[text->len] = '\0';
}

static inline void text_str(struct text *text, const char *string) {
    text_add(text, string, strlen(string));
}

static inline void text_free(struct text *text) {
    free(text->bytes);
    *text = (struct text){NULL, 0, 0};
}

/* What a run told and wrote. */
struct told {
    struct text out, complaints;
    struct corpus_stats stats;
    enum err err;
    struct err_note note;
    uint64_t refuse_after; /* bytes, then the write fails; 0: never */
};

static char folder[] = "/tmp/pinsweep-corpus-XXXXXX";

static inline void make_certs(void) {
    for (unsigned i = 0; i < CERTS; i++) {
        EVP_PKEY *key = mint_key_new(i % 2 == 0 ? MINT_P256 : MINT_ED25519, i, "corpus");
        char name[32];
        snprintf(name, sizeof name, "corpus %u", i);
        struct mint_spec spec = {.subject_cn = name,
                                 .key = key,
                                 .serial = 77 + i,
                                 .not_before = 1700000000,
                                 .not_after = 1800000000,
                                 .path_len = -1,
                                 .padding_len = 150 * i};
        size_t len;
        const uint8_t *der = mint_certificate(&spec, &len);
        struct span spki;
        uint8_t digest[SHA256_LEN];
        certs[i] = span_of(der, len);
        CU_ASSERT_TRUE_FATAL(cert_spki_cbs(certs[i], &spki));
        SHA256(spki.data, spki.len, digest);
        memcpy(pins[i], "sha256/", 7);
        base64_encode(pins[i] + 7, span_of(digest, sizeof digest));
        pins[i][PIN_LINE - 1] = '\n';
        EVP_PKEY_free(key);
    }
}

static inline void begin(void) {
    static bool begun;
    if (!begun) {
        begun = true;
        make_certs();
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    }
}

static inline void remove_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* A file in the folder; the path is valid until the next call but three. */
static inline const char *write_file(const char *name, const struct text *text) {
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(fwrite(text->bytes != NULL ? text->bytes : "", 1, text->len, file),
                          text->len);
    fclose(file);
    return path;
}

static inline bool told_write(void *context, const char *bytes, size_t len) {
    struct told *told = context;
    text_add(&told->out, bytes, len);
    return told->refuse_after == 0 || told->out.len < told->refuse_after;
}

static inline void told_complain(void *context, const char *text) {
    struct told *told = context;
    text_str(&told->complaints, text);
    text_str(&told->complaints, "\n");
}

static inline void told_free(struct told *told) {
    text_free(&told->out);
    text_free(&told->complaints);
}

static inline struct told run_with(struct corpus_config config, const char *const *paths,
                                   size_t count, uint64_t refuse_after) {
    struct told told = {.refuse_after = refuse_after};
    config.inputs = paths;
    config.input_count = count;
    config.unique_max = config.unique_max > 0 ? config.unique_max : 1000;
    config.threads = config.threads > 0 ? config.threads : 2;
    config.write = told_write;
    config.complain = told_complain;
    config.context = &told;
    text_add(&told.out, "", 0);
    text_add(&told.complaints, "", 0);
    told.err = corpus_run(&config, &told.stats, &told.note);
    return told;
}

static inline struct told run_text(const struct text *text, enum corpus_format format) {
    const char *path = write_file("one", text);
    return run_with((struct corpus_config){.format = format}, &path, 1, 0);
}

/* The pins of these certificates, a line each. */
static inline void expect_pins(const struct told *told, const unsigned *which, size_t count) {
    struct text expected = {NULL, 0, 0};
    text_add(&expected, "", 0);
    for (size_t i = 0; i < count; i++) {
        text_add(&expected, pins[which[i]], PIN_LINE);
    }
    CU_ASSERT_EQUAL(told->err, ERR_NONE);
    CU_ASSERT_EQUAL(told->stats.certificates, count);
    CU_ASSERT_STRING_EQUAL(told->out.bytes, expected.bytes);
    if (strcmp(told->out.bytes, expected.bytes) != 0 && told->out.len < 4096) {
        fprintf(stderr, "got:\n%sexpected:\n%s%s", told->out.bytes, expected.bytes,
                told->complaints.bytes);
    }
    text_free(&expected);
}

static inline void add_base64(struct text *text, struct span der, size_t columns, const char *end) {
    char *all = malloc(BASE64_LEN(der.len));
    size_t len = base64_encode(all, der);
    for (size_t at = 0; at < len; at += columns) {
        text_add(text, all + at, len - at < columns ? len - at : columns);
        text_str(text, end);
    }
    free(all);
}

static inline void add_pem(struct text *text, const char *label, struct span der, size_t columns,
                           const char *end) {
    text_str(text, "-----BEGIN ");
    text_str(text, label);
    text_str(text, "-----");
    text_str(text, end);
    add_base64(text, der, columns, end);
    text_str(text, "-----END ");
    text_str(text, label);
    text_str(text, "-----");
    text_str(text, end);
}

static inline void add_prefixed(struct text *text, struct span der, unsigned prefix) {
    for (unsigned i = prefix; i-- > 0;) {
        uint8_t byte = (uint8_t)(der.len >> (8 * i));
        text_add(text, &byte, 1);
    }
    text_add(text, der.data, der.len);
}

#endif
