#include "engine/trust/anchor.h"

#include <openssl/pool.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/mint.h"
#include "engine/codec/text.h"
#include "tests/support/suite.h"

#define ISRG_ROOT_X1 "C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M="
#define GTS_ROOT_R4 "mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c="

struct text {
    char bytes[64 * 1024];
    size_t len;
};

static void add_text(struct text *text, const char *more) {
    size_t len = strlen(more);
    CU_ASSERT_TRUE_FATAL(text->len + len < sizeof text->bytes);
    memcpy(text->bytes + text->len, more, len + 1);
    text->len += len;
}

static void add_pem(struct text *text, const char *label, struct span der, const char *eol) {
    char base64[16 * 1024], line[80];
    CU_ASSERT_TRUE_FATAL(BASE64_LEN(der.len) < sizeof base64);
    size_t len = base64_encode(base64, der);
    snprintf(line, sizeof line, "-----BEGIN %s-----%s", label, eol);
    add_text(text, line);
    for (size_t i = 0; i < len; i += 64) {
        snprintf(line, sizeof line, "%.*s%s", (int)(len - i < 64 ? len - i : 64), base64 + i, eol);
        add_text(text, line);
    }
    snprintf(line, sizeof line, "-----END %s-----%s", label, eol);
    add_text(text, line);
}

static struct span mint_root(const char *cn, uint64_t serial) {
    EVP_PKEY *key = mint_key_new(MINT_P256, 1, cn);
    struct mint_spec spec = {.subject_cn = cn,
                             .key = key,
                             .serial = serial,
                             .not_before = 1700000000,
                             .not_after = 1900000000,
                             .is_ca = true,
                             .path_len = -1};
    size_t len;
    uint8_t *der = mint_certificate(&spec, &len);
    EVP_PKEY_free(key);
    return span_of(der, len);
}

static void write_file(char path[64], struct span text) {
    strcpy(path, "/tmp/pinsweep-anchor-XXXXXX");
    int fd = mkstemp(path);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(write(fd, text.data, text.len), (ssize_t)text.len);
    close(fd);
}

/* Loads the text as a bundle: the error, and in `note` what was said after the file's name. */
static enum err load(struct trust_store *store, const struct text *text, struct err_note *note) {
    char path[64];
    write_file(path, span_of(text->bytes, text->len));
    note->text[0] = '\0';
    enum err err = trust_store_load(store, "p", path, note);
    unlink(path);
    if (err != ERR_NONE) {
        CU_ASSERT_EQUAL_FATAL(strncmp(note->text, path, strlen(path)), 0);
        memmove(note->text, note->text + strlen(path), strlen(note->text + strlen(path)) + 1);
    }
    return err;
}

static void expect_broken(const char *text, const char *said) {
    struct trust_store store;
    trust_store_init(&store);
    static struct text bundle;
    bundle.len = 0;
    add_text(&bundle, text);
    struct err_note note;
    CU_ASSERT_EQUAL(load(&store, &bundle, &note), ERR_CONFIG);
    if (strncmp(note.text, said, strlen(said)) != 0) {
        fprintf(stderr, "  expected \"%s\", got \"%s\"\n", said, note.text);
        CU_FAIL("message");
    }
    CU_ASSERT_EQUAL(store.count, 0);
    trust_store_fini(&store);
}

static void test_broken_bundles(void) {
    expect_broken("", ": no certificate in it");
    expect_broken("just words\nand more\n", ": no certificate in it");
    expect_broken("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                  ": no certificate in it");
    expect_broken("x\n-----BEGIN CERTIFICATE-----\nAAAA\n", ":3: the file ends inside");
    expect_broken("x\n-----BEGIN CERTIFICATE-----\nAA!A\n-----END CERTIFICATE-----\n",
                  ":2: the certificate that begins here is not valid base64");
    expect_broken("-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN CERTIFICATE-----\n",
                  ":3: BEGIN inside");
    expect_broken("-----BEGIN CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n",
                  ":3: END does not match");
    expect_broken("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                  ": none of its 1 certificates");
    struct trust_store store;
    trust_store_init(&store);
    struct err_note note;
    CU_ASSERT_EQUAL(trust_store_load(&store, "p", "/nonexistent/bundle.pem", &note), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "/nonexistent/bundle.pem: cannot be read"));
    CU_ASSERT_EQUAL(trust_store_load(&store, "p", "/", &note), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "cannot be read"));
    trust_store_fini(&store);
}

static void test_too_large_block(void) {
    size_t len = CERT_BYTES_MAX * 2;
    char *huge = malloc(len + 100);
    strcpy(huge, "-----BEGIN CERTIFICATE-----\n");
    size_t at = strlen(huge);
    for (size_t i = 0; i < len; i++) {
        huge[at++] = i % 65 == 64 ? '\n' : 'A';
    }
    char path[64];
    write_file(path, span_of(huge, at));
    struct trust_store store;
    trust_store_init(&store);
    struct err_note note;
    CU_ASSERT_EQUAL(trust_store_load(&store, "p", path, &note), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "too large"));
    unlink(path);
    free(huge);
    trust_store_fini(&store);
}

static void test_bundle_shapes(void) {
    struct span a = mint_root("Root A", 1), b = mint_root("Root B", 2), c = mint_root("Root C", 3);
    static struct text text;
    text.len = 0;
    add_text(&text, "\xEF\xBB\xBF");
    add_pem(&text, "CERTIFICATE", a, "\r\n");
    add_text(&text, "# a comment\n\nSubject: CN=whatever\n");
    add_pem(&text, "CERTIFICATE", a, "\n"); /* again */
    add_pem(&text, "EC PARAMETERS", b, "\n");
    uint8_t trusted[4096]; /* a TRUSTED block: settings follow the certificate */
    memcpy(trusted, b.data, b.len);
    memcpy(trusted + b.len, "\x30\x03\x0c\x01x", 5);
    add_pem(&text, "TRUSTED CERTIFICATE", span_of(trusted, b.len + 5), "  \n");
    add_pem(&text, "X509 CERTIFICATE", c, "\n");
    add_pem(&text, "CERTIFICATE", span_of(trusted, b.len + 5), "\n"); /* trailing bytes */
    add_text(&text,
             "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"); /* no newline */
    struct trust_store store;
    trust_store_init(&store);
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(load(&store, &text, &note), ERR_NONE);
    const struct trust_profile *profile = &store.profiles[0];
    CU_ASSERT_EQUAL(store.count, 1);
    CU_ASSERT_STRING_EQUAL(profile->name, "p");
    CU_ASSERT_EQUAL(profile->count, 3);
    CU_ASSERT_EQUAL(profile->skipped, 2);
    CU_ASSERT_TRUE(span_equal(profile->anchors[0].der, a));
    CU_ASSERT_TRUE(span_equal(profile->anchors[1].der, b));
    CU_ASSERT_TRUE(span_equal(profile->anchors[2].der, c));
    /* The name is taken: kept as it is, and the file is not even opened. */
    CU_ASSERT_EQUAL(trust_store_load(&store, "p", "/nonexistent", &note), ERR_NONE);
    CU_ASSERT_EQUAL(trust_store_add(&store, "p", &a, 1, &note), ERR_NONE);
    CU_ASSERT_EQUAL(store.count, 1);
    CU_ASSERT_EQUAL(store.profiles[0].count, 3);
    CU_ASSERT_EQUAL(trust_store_find(&store, "p"), 0);
    CU_ASSERT_EQUAL(trust_store_find(&store, "q"), -1);
    char name[8];
    for (int i = 1; i < TRUST_PROFILES_MAX; i++) {
        snprintf(name, sizeof name, "p%d", i);
        CU_ASSERT_EQUAL(trust_store_add(&store, name, &b, 1, &note), ERR_NONE);
    }
    CU_ASSERT_EQUAL(trust_store_find(&store, "p15"), 15);
    CU_ASSERT_EQUAL(trust_store_add(&store, "more", &b, 1, &note), ERR_CONFIG);
    trust_store_fini(&store);
    free((void *)(uintptr_t)a.data);
    free((void *)(uintptr_t)b.data);
    free((void *)(uintptr_t)c.data);
}

static bool finds(const struct trust_profile *profile, const struct cert_record *anchor) {
    /* Roots are self-issued: looked up by their own issuer they are found, once. */
    const struct cert_record *found;
    uint32_t cursor = 0, times = 0, all = 0;
    while ((found = trust_profile_next(profile, anchor->x509, &cursor)) != NULL && all++ < 100) {
        times += found == anchor;
    }
    return times == 1;
}

static void test_lookup(void) {
    struct span certs[40];
    char name[16];
    for (int i = 0; i < 40; i++) { /* eight names, five certificates each */
        snprintf(name, sizeof name, "Root %d", i % 8);
        certs[i] = mint_root(name, (uint64_t)i + 1);
    }
    struct trust_store store;
    trust_store_init(&store);
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(trust_store_add(&store, "p", certs, 39, &note), ERR_NONE);
    const struct trust_profile *profile = &store.profiles[0];
    for (uint32_t i = 0; i < profile->count; i++) {
        CU_ASSERT_TRUE(finds(profile, &profile->anchors[i]));
        CU_ASSERT_PTR_EQUAL(trust_profile_same(profile, &profile->anchors[i]),
                            &profile->anchors[i]);
    }
    struct cert_record other;
    CU_ASSERT_TRUE_FATAL(intern_record_init(&other, certs[39]));
    CU_ASSERT_PTR_NULL(trust_profile_same(profile, &other));
    X509 *x509 = X509_parse_from_buffer(other.buffer);
    uint32_t cursor = 0, count = 0;
    while (trust_profile_next(profile, x509, &cursor) != NULL) {
        count++;
    }
    CU_ASSERT_EQUAL(count, 4);
    X509_free(x509);
    intern_record_fini(&other);
    /* Other case and spacing: the same name (RFC 5280 section 7.1); another: none. */
    const struct {
        const char *cn;
        uint32_t count;
    } cases[] = {{"ROOT  1", 5}, {" root 1 ", 5}, {"root1", 0}, {"Root 9", 0}};
    for (size_t i = 0; i < 4; i++) {
        struct span der = mint_root(cases[i].cn, 1);
        CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der.data, der.len, NULL);
        x509 = X509_parse_from_buffer(buffer);
        cursor = count = 0;
        while (trust_profile_next(profile, x509, &cursor) != NULL) {
            count++;
        }
        CU_ASSERT_EQUAL(count, cases[i].count);
        X509_free(x509);
        CRYPTO_BUFFER_free(buffer);
        free((void *)(uintptr_t)der.data);
    }
    trust_store_fini(&store);
    for (int i = 0; i < 40; i++) {
        free((void *)(uintptr_t)certs[i].data);
    }
}

static bool has_pin(const struct trust_profile *profile, const char *pin) {
    for (uint32_t i = 0; i < profile->count; i++) {
        char text[BASE64_SHA256_LEN];
        base64_encode(text, span_of(profile->anchors[i].spki_sha256, SHA256_LEN));
        if (memcmp(text, pin, BASE64_SHA256_LEN) == 0) {
            return true;
        }
    }
    return false;
}

static void test_system_bundle(void) {
    FILE *file = fopen(TRUST_SYSTEM_BUNDLE, "r");
    if (file == NULL) {
        suite_skip("no " TRUST_SYSTEM_BUNDLE);
        return;
    }
    char line[256];
    uint32_t begins = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        begins += strncmp(line, "-----BEGIN CERTIFICATE-----", 27) == 0;
    }
    fclose(file);
    struct trust_store store;
    trust_store_init(&store);
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(trust_store_load(&store, "system", TRUST_SYSTEM_BUNDLE, &note), ERR_NONE);
    const struct trust_profile *profile = &store.profiles[0];
    CU_ASSERT_TRUE(begins > 50);
    CU_ASSERT_EQUAL(profile->count, begins);
    CU_ASSERT_EQUAL(profile->skipped, 0);
    CU_ASSERT_TRUE(has_pin(profile, ISRG_ROOT_X1));
    CU_ASSERT_TRUE(has_pin(profile, GTS_ROOT_R4));
    CU_ASSERT_FALSE(has_pin(profile, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    for (uint32_t i = 0; i < profile->count; i++) {
        CU_ASSERT_PTR_NOT_NULL(profile->anchors[i].x509);
        CU_ASSERT_TRUE(profile->anchors[i].strict);
        CU_ASSERT_PTR_EQUAL(trust_profile_same(profile, &profile->anchors[i]),
                            &profile->anchors[i]);
    }
    trust_store_fini(&store);
}

SUITE_MAIN("anchor", {"broken bundles", test_broken_bundles},
           {"too large a block", test_too_large_block}, {"shapes of bundles", test_bundle_shapes},
           {"look-up", test_lookup}, {"system bundle", test_system_bundle})
