/* Certificates, keys and requests out of PEM and DER; the pins themselves are held against openssl
   in tests/integration/pins.py. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/cert.h"
#include "engine/codec/text.h"
#include "engine/policy/keyfile.h"
#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Made by openssl: an Ed25519 key (PKCS#8), its public half and a request for it. */
static const char private_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----\n";
/* RFC 8032's arithmetic on that seed, by openssl. */
static const char public_hex[] =
    "302a300506032b657003210003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";

struct world {
    struct arena arena;
    struct keyfile file;
    struct err_note note;
    enum err err;
};

/* From a copy of the exact size, so that the sanitizer sees a read past its end. */
static struct world parse(struct span bytes) {
    struct world world = {.note = {""}};
    uint8_t *copy = malloc(bytes.len + (bytes.len == 0));
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    if (bytes.len > 0) {
        memcpy(copy, bytes.data, bytes.len);
    }
    world.err =
        keyfile_parse(span_of(copy, bytes.len), "k", &world.arena, &world.file, &world.note);
    free(copy);
    return world;
}

static void expect_public(struct world *world, enum keyfile_kind kind, uint32_t line) {
    uint8_t spki[64];
    size_t len = 0;
    CU_ASSERT_TRUE_FATAL(hex_decode(span_str(public_hex), spki, sizeof spki, &len));
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->file.count, 1);
    CU_ASSERT_EQUAL(world->file.items[0].kind, kind);
    CU_ASSERT_EQUAL(world->file.items[0].line, line);
    CU_ASSERT_TRUE(span_equal(world->file.items[0].spki, span_of(spki, len)));
    arena_fini(&world->arena);
}

static void test_private(void) {
    struct world pem = parse(span_str(private_pem));
    expect_public(&pem, KEYFILE_PRIVATE_KEY, 1);
    char text[400];
    snprintf(text, sizeof text, "some words\n\n%s", private_pem);
    struct world later = parse(span_str(text));
    expect_public(&later, KEYFILE_PRIVATE_KEY, 3);
    static const uint8_t der[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b,
                                  0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0,    1,    2,    3,
                                  4,    5,    6,    7,    8,    9,    10,   11,   12,   13,
                                  14,   15,   16,   17,   18,   19,   20,   21,   22,   23,
                                  24,   25,   26,   27,   28,   29,   30,   31};
    struct world raw = parse(span_of(der, sizeof der));
    expect_public(&raw, KEYFILE_PRIVATE_KEY, 0);
    for (size_t cut = 0; cut < sizeof der; cut++) { /* no half of a key is one */
        struct world broken = parse(span_of(der, cut));
        CU_ASSERT_EQUAL(broken.err, ERR_CONFIG);
        CU_ASSERT_TRUE(strncmp(broken.note.text, "k: ", 3) == 0);
        arena_fini(&broken.arena);
    }
    uint8_t longer[sizeof der + 1] = {0};
    memcpy(longer, der, sizeof der);
    struct world trailing = parse(span_of(longer, sizeof longer));
    CU_ASSERT_EQUAL(trailing.err, ERR_CONFIG);
    arena_fini(&trailing.arena);
}

static void test_public(void) {
    uint8_t spki[64];
    size_t len = 0;
    CU_ASSERT_TRUE_FATAL(hex_decode(span_str(public_hex), spki, sizeof spki, &len));
    struct world world = parse(span_of(spki, len));
    expect_public(&world, KEYFILE_PUBLIC_KEY, 0);
    enum cert_key key = CERT_KEY_OTHER;
    uint16_t bits = 0;
    CU_ASSERT_TRUE(cert_spki_key(span_of(spki, len), &key, &bits));
    CU_ASSERT_EQUAL(key, CERT_KEY_ED25519);
    CU_ASSERT_FALSE(cert_spki_key(span_of(spki, len - 1), &key, &bits));
    for (size_t cut = 1; cut < len; cut++) {
        struct world broken = parse(span_of(spki, cut));
        CU_ASSERT_EQUAL(broken.err, ERR_CONFIG);
        arena_fini(&broken.arena);
    }
}

/* Cut anywhere: all of it, or a complaint with the place. */
static void test_cut_pem(void) {
    size_t whole = 0;
    for (size_t cut = 0; cut <= strlen(private_pem); cut++) {
        struct world world = parse(span_of(private_pem, cut));
        CU_ASSERT_TRUE(world.err == ERR_CONFIG ? strncmp(world.note.text, "k", 1) == 0
                                               : world.file.count == 1);
        whole += world.err == ERR_NONE;
        arena_fini(&world.arena);
    }
    CU_ASSERT_EQUAL(whole, 2); /* with and without the last newline */
}

static void test_errors(void) {
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "k: is empty: give a certificate, key or certification request"},
        {"hello", "k: neither PEM nor DER of a certificate, key or certification request: give one "
                  "of them (certificates in other dumps: pinsweep hash)"},
        {"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
         "k: none of its PEM blocks is a certificate, key or certification request: give one of "
         "them"},
        {"\n-----BEGIN PRIVATE KEY-----\nMC4C\n",
         "k:2: the file ends inside this block: its END is missing"},
        {"-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PUBLIC KEY-----\n",
         "k:3: END does not match BEGIN: copy the block anew"},
        {"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
         "k:1: this block is not base64: copy it anew"},
        {"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
         "k:1: a certificate in which no key can be found: copy it anew"},
        {"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
         "k:1: a public key that is no SubjectPublicKeyInfo: write it with openssl pkey -pubout"},
        {"-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n",
         "k:1: a certification request in which no key can be found: copy it anew"},
        {"-----BEGIN RSA PUBLIC KEY-----\nMAA=\n-----END RSA PUBLIC KEY-----\n",
         "k:1: a broken RSA public key: copy it anew"},
        {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
         "k:1: the key is encrypted, and no passphrase is asked for here: give its public half: "
         "openssl pkey -in FILE -pubout | pinsweep pins make -"},
        {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nMAA=\n"
         "-----END RSA PRIVATE KEY-----\n",
         "k:1: the key is encrypted, and no passphrase is asked for here: give its public half: "
         "openssl pkey -in FILE -pubout | pinsweep pins make -"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\nMAA=\n-----END OPENSSH PRIVATE KEY-----\n",
         "k:1: a key in OpenSSH's own format: give its public half, ssh-keygen -e -m PKCS8 -f FILE "
         "| pinsweep pins make -"},
        {"-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n",
         "k:1: a private key that cannot be read here (broken, or neither RSA, ECDSA P-256, P-384, "
         "P-521 nor Ed25519): give its public half: openssl pkey -in FILE -pubout | pinsweep pins "
         "make -"},
        {"0\x03\x02\x01\x01", "k: DER, but of no certificate, key or certification request: give "
                              "one of them (PKCS#7: pinsweep hash; PKCS#12: openssl pkcs12 "
                              "-nokeys)"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = parse(span_str(cases[i].text));
        CU_ASSERT_EQUAL(world.err, ERR_CONFIG);
        CU_ASSERT_STRING_EQUAL(world.note.text, cases[i].error);
        if (strcmp(world.note.text, cases[i].error) != 0) {
            printf("  %s\n", world.note.text);
        }
        arena_fini(&world.arena);
    }
}

SUITE_MAIN("keyfile", {"private", test_private}, {"public", test_public}, {"cut", test_cut_pem},
           {"errors", test_errors})
