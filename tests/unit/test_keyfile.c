/* Certificates, keys and requests out of PEM and DER; the pins themselves are held against openssl
   in tests/integration/pins.py. */
#include <fcntl.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "engine/codec/base64.h"
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

/* --- nothing is left --- */

#define SEED_LEN 32
#define MASK 0xa5 /* so that what is looked for is not in memory for looking for it */
#define MAPPING_MAX (256u << 20) /* larger ones are the sanitizer's own tables */
#define CHUNK ((size_t)1 << 20)

/* Occurrences of 16 masked bytes in this process' writable memory, freed or not: a sanitizer keeps
   what is freed as it was. `room` holds a chunk and what the last one ended with. */
static uint32_t count_in_memory(const uint8_t masked[16], uint8_t *room) {
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    CU_ASSERT_TRUE_FATAL(maps != NULL && memory >= 0);
    char line[512];
    uint32_t found = 0;
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long start = 0, end = 0;
        char rights[8] = "";
        if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) != 3 || rights[1] != 'w' ||
            end - start > MAPPING_MAX) {
            continue;
        }
        size_t kept = 0;
        for (unsigned long at = start; at < end; at += CHUNK) {
            size_t wanted = end - at < CHUNK ? end - at : CHUNK;
            bool is_room = (uint8_t *)at <= room + CHUNK + 16 && room < (uint8_t *)at + wanted;
            ssize_t got = is_room ? 0 : pread(memory, room + kept, wanted, (off_t)at);
            size_t len = got > 0 ? kept + (size_t)got : 0;
            const uint8_t *next = room;
            for (size_t i = 0; len >= 16 && i <= len - 16; i = (size_t)(next - room) + 1) {
                next = memchr(room + i, masked[0] ^ MASK, len - 15 - i);
                if (next == NULL) {
                    break;
                }
                size_t same = 1;
                while (same < 16 && (next[same] ^ MASK) == masked[same]) {
                    same++;
                }
                found += same == 16;
            }
            kept = len >= 15 ? 15 : 0;
            memmove(room, room + len - kept, kept);
        }
    }
    fclose(maps);
    close(memory);
    return found;
}

/* A file with a random Ed25519 key, and 16 bytes of the key and of its base64, masked. */
static void write_secret(const char *file, bool pem, uint8_t masked_key[16],
                         uint8_t masked_text[16]) {
    static const uint8_t front[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                    0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
    uint8_t der[sizeof front + SEED_LEN];
    char text[200];
    memcpy(der, front, sizeof front);
    random_bytes(der + sizeof front, SEED_LEN);
    size_t len = (size_t)snprintf(text, sizeof text, "-----BEGIN PRIVATE KEY-----\n");
    size_t body = len;
    len += base64_encode(text + len, span_of(der, sizeof der));
    for (size_t i = 0; i < 16; i++) {
        masked_key[i] = der[sizeof front + 8 + i] ^ MASK;
        masked_text[i] = (uint8_t)text[body + 32 + i] ^ MASK;
    }
    len += (size_t)snprintf(text + len, sizeof text - len, "\n-----END PRIVATE KEY-----\n");
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t wrote = pem ? write(fd, text, len) : write(fd, der, sizeof der);
    CU_ASSERT_EQUAL_FATAL(wrote, (ssize_t)(pem ? len : sizeof der));
    close(fd);
    OPENSSL_cleanse(der, sizeof der);
    OPENSSL_cleanse(text, sizeof text);
}

static void test_nothing_left(void) {
    char file[] = "/tmp/pinsweep-keyfile-XXXXXX";
    int fd = mkstemp(file);
    uint8_t *room = malloc(CHUNK + 16);
    CU_ASSERT_TRUE_FATAL(fd >= 0 && room != NULL);
    close(fd);
    for (int pem = 0; pem < 2; pem++) {
        uint8_t key[16], text[16];
        struct arena arena = {0};
        struct keyfile read;
        struct err_note note;
        write_secret(file, pem == 1, key, text);
        CU_ASSERT_EQUAL(keyfile_load(file, &arena, &read, &note), ERR_NONE);
        CU_ASSERT_EQUAL(count_in_memory(key, room), 0);
        CU_ASSERT_EQUAL(count_in_memory(text, room), 0);
        /* The search finds what is there. */
        uint8_t *there = malloc(16);
        CU_ASSERT_PTR_NOT_NULL_FATAL(there);
        for (size_t i = 0; i < 16; i++) {
            there[i] = key[i] ^ MASK;
        }
        CU_ASSERT_TRUE(count_in_memory(key, room) > 0);
        free(there);
        arena_fini(&arena);
    }
    free(room);
    unlink(file);
}

SUITE_MAIN("keyfile", {"private", test_private}, {"public", test_public}, {"cut", test_cut_pem},
           {"errors", test_errors}, {"nothing left", test_nothing_left})
