#include "bench/mint.h"

#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/attributes.h"
#include "tests/support/suite.h"

/* What we mint is judged by another implementation: the openssl program. */

#define NOT_BEFORE INT64_C(1764547200) /* 2025-12-01 */
#define NOT_AFTER INT64_C(1798761600)  /* 2027-01-01 */
#define CHECKED_AT "1780000000"        /* 2026-05-28 */

static const enum mint_key all_kinds[] = {MINT_P256,    MINT_P384,    MINT_P521,
                                          MINT_RSA2048, MINT_RSA3072, MINT_ED25519};

struct folder {
    char path[64];
};

static void folder_init(struct folder *folder) {
    snprintf(folder->path, sizeof folder->path, "%s", "/tmp/pinsweep-mint-XXXXXX");
    CHECK(mkdtemp(folder->path) != NULL);
}

static void folder_fini(struct folder *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder->path);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void folder_write(struct folder *folder, const char *name, const uint8_t *der, size_t len) {
    char path[128], command[512];
    snprintf(path, sizeof path, "%s/%s.der", folder->path, name);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(der, 1, len, file) == len && fclose(file) == 0);
    snprintf(command, sizeof command, "openssl x509 -inform DER -in %s -out %s/%s.pem 2>&1", path,
             folder->path, name);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* Runs "cd FOLDER && COMMAND"; its exit status, its output (both streams) in `out`. */
static int folder_run(struct folder *folder, char *out, size_t out_size, const char *command) {
    char line[1024];
    snprintf(line, sizeof line, "cd %s && { %s; } 2>&1", folder->path, command);
    FILE *pipe = popen(line, "r");
    CHECK(pipe != NULL);
    size_t len = fread(out, 1, out_size - 1, pipe);
    out[len] = 0;
    return pclose(pipe);
}

static bool has_openssl(void) {
    if (system("openssl version >/dev/null 2>&1") != 0) {
        suite_skip("the openssl program is not installed");
        return false;
    }
    return true;
}

static struct mint_spec root_spec(EVP_PKEY *key) {
    return (struct mint_spec){.subject_cn = "Mint Root",
                              .subject_org = "Pinsweep Tests",
                              .key = key,
                              .serial = 1,
                              .not_before = NOT_BEFORE,
                              .not_after = NOT_AFTER,
                              .is_ca = true,
                              .path_len = -1};
}

static const char *const leaf_names[] = {"h1.fleet.test", "*.pay.fleet.test"};
static const uint8_t leaf_ipv4[][4] = {{127, 0, 0, 9}};

static struct mint_spec leaf_spec(EVP_PKEY *key, EVP_PKEY *root_key) {
    return (struct mint_spec){.subject_cn = "h1.fleet.test",
                              .issuer_cn = "Mint Root",
                              .issuer_org = "Pinsweep Tests",
                              .key = key,
                              .issuer_key = root_key,
                              .serial = 0xFEDCBA9876543210,
                              .not_before = NOT_BEFORE,
                              .not_after = NOT_AFTER,
                              .path_len = -1,
                              .dns_names = leaf_names,
                              .dns_name_count = 2,
                              .ipv4 = leaf_ipv4,
                              .ipv4_count = 1};
}

static void write_minted(struct folder *folder, const char *name, const struct mint_spec *spec) {
    size_t len;
    uint8_t *der = mint_certificate(spec, &len);
    folder_write(folder, name, der, len);
    free(der);
}

static void test_same_seed_same_key(void) {
    for (size_t i = 0; i < ARRAY_COUNT(all_kinds); i++) {
        uint8_t first[32], again[32], other_seed[32], other_label[32];
        struct {
            uint64_t seed;
            const char *label;
            uint8_t *out;
        } keys[] = {{1, "a", first}, {1, "a", again}, {2, "a", other_seed}, {1, "b", other_label}};
        /* The slow kinds prove the same with two keys. */
        bool is_rsa = all_kinds[i] == MINT_RSA2048 || all_kinds[i] == MINT_RSA3072;
        for (size_t k = 0; k < (is_rsa ? 2 : ARRAY_COUNT(keys)); k++) {
            EVP_PKEY *key = mint_key_new(all_kinds[i], keys[k].seed, keys[k].label);
            mint_spki_sha256(key, keys[k].out);
            EVP_PKEY_free(key);
        }
        CU_ASSERT_EQUAL(memcmp(first, again, 32), 0);
        if (!is_rsa) {
            CU_ASSERT_NOT_EQUAL(memcmp(first, other_seed, 32), 0);
            CU_ASSERT_NOT_EQUAL(memcmp(first, other_label, 32), 0);
        }
    }
}

static void test_keys_stay_what_they_were(void) {
    /* Pins in examples and policies are written down: a change of derivation must not go unseen. */
    static const struct {
        enum mint_key kind;
        uint8_t head[4];
    } known[] = {
        {MINT_P256, {0x80, 0x31, 0x37, 0x87}},    {MINT_P384, {0x82, 0x07, 0x65, 0xf2}},
        {MINT_P521, {0xeb, 0x1f, 0xff, 0xca}},    {MINT_RSA2048, {0x4e, 0xfe, 0x4a, 0xcb}},
        {MINT_RSA3072, {0xd0, 0x07, 0xea, 0x57}}, {MINT_ED25519, {0x29, 0x3b, 0x5e, 0x87}}};
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        uint8_t digest[32];
        EVP_PKEY *key = mint_key_new(known[i].kind, 1, "known");
        mint_spki_sha256(key, digest);
        EVP_PKEY_free(key);
        CU_ASSERT_EQUAL(memcmp(digest, known[i].head, 4), 0);
        if (memcmp(digest, known[i].head, 4) != 0) {
            printf("        kind %d: %02x %02x %02x %02x\n", (int)known[i].kind, digest[0],
                   digest[1], digest[2], digest[3]);
        }
    }
}

static void test_rsa_keys_are_sound(void) {
    EVP_PKEY *key = mint_key_new(MINT_RSA2048, 7, "sound");
    CU_ASSERT_EQUAL(EVP_PKEY_bits(key), 2048);
    CU_ASSERT_EQUAL(RSA_check_key(EVP_PKEY_get0_RSA(key)), 1);
    EVP_PKEY_free(key);
    key = mint_key_new(MINT_RSA3072, 7, "sound");
    CU_ASSERT_EQUAL(EVP_PKEY_bits(key), 3072);
    CU_ASSERT_EQUAL(RSA_check_key(EVP_PKEY_get0_RSA(key)), 1);
    EVP_PKEY_free(key);
}

static void test_same_spec_same_bytes(void) {
    for (size_t i = 0; i < ARRAY_COUNT(all_kinds); i++) {
        EVP_PKEY *key = mint_key_new(all_kinds[i], 3, "root");
        struct mint_spec spec = root_spec(key);
        size_t len, again_len;
        uint8_t *der = mint_certificate(&spec, &len), *again = mint_certificate(&spec, &again_len);
        CU_ASSERT_EQUAL(len, again_len);
        CU_ASSERT_EQUAL(memcmp(der, again, len), 0);
        spec.serial = 2;
        free(again);
        again = mint_certificate(&spec, &again_len);
        CU_ASSERT(len != again_len || memcmp(der, again, len) != 0);
        free(der);
        free(again);
        EVP_PKEY_free(key);
    }
}

static void test_spki_digest_is_of_the_certificate(void) {
    EVP_PKEY *key = mint_key_new(MINT_P256, 4, "root");
    struct mint_spec spec = root_spec(key);
    uint8_t *spki = NULL, digest[32], expected[32];
    size_t spki_len = 0, der_len;
    CBB cbb;
    CU_ASSERT_FATAL(CBB_init(&cbb, 128) && EVP_marshal_public_key(&cbb, key) &&
                    CBB_finish(&cbb, &spki, &spki_len));
    SHA256(spki, spki_len, expected);
    mint_spki_sha256(key, digest);
    CU_ASSERT_EQUAL(memcmp(digest, expected, 32), 0);
    uint8_t *der = mint_certificate(&spec, &der_len);
    CU_ASSERT_PTR_NOT_NULL(memmem(der, der_len, spki, spki_len));
    OPENSSL_free(spki);
    free(der);
    EVP_PKEY_free(key);
}

static void test_openssl_verifies_every_kind(void) {
    if (!has_openssl()) {
        return;
    }
    uint64_t seed = suite_seed();
    struct folder folder;
    folder_init(&folder);
    char out[4096];
    EVP_PKEY *leaf_key = mint_key_new(MINT_P256, seed, "leaf");
    for (size_t i = 0; i < ARRAY_COUNT(all_kinds); i++) {
        EVP_PKEY *root_key = mint_key_new(all_kinds[i], seed, "root");
        struct mint_spec root = root_spec(root_key), leaf = leaf_spec(leaf_key, root_key);
        write_minted(&folder, "root", &root);
        write_minted(&folder, "leaf", &leaf);
        CU_ASSERT_EQUAL(folder_run(&folder, out, sizeof out,
                                   "openssl verify -x509_strict -check_ss_sig -attime " CHECKED_AT
                                   " -CAfile root.pem -purpose sslserver -verify_hostname "
                                   "a.pay.fleet.test leaf.pem"),
                        0);
        CU_ASSERT_EQUAL(folder_run(&folder, out, sizeof out,
                                   "openssl verify -attime " CHECKED_AT
                                   " -CAfile root.pem -verify_ip 127.0.0.9 leaf.pem"),
                        0);
        CU_ASSERT_NOT_EQUAL(folder_run(&folder, out, sizeof out,
                                       "openssl verify -attime " CHECKED_AT
                                       " -CAfile root.pem -verify_hostname other.test leaf.pem"),
                            0);
        EVP_PKEY_free(root_key);
    }
    EVP_PKEY_free(leaf_key);
    folder_fini(&folder);
}

/* One leaf with every plain field, read back as text. */
static void test_fields_read_back(void) {
    if (!has_openssl()) {
        return;
    }
    struct folder folder;
    folder_init(&folder);
    char out[16384];
    EVP_PKEY *root_key = mint_key_new(MINT_P384, 5, "root"),
             *leaf_key = mint_key_new(MINT_RSA2048, 5, "leaf");
    struct mint_spec leaf = leaf_spec(leaf_key, root_key);
    leaf.padding_len = 3000;
    write_minted(&folder, "leaf", &leaf);
    CU_ASSERT_EQUAL(folder_run(&folder, out, sizeof out,
                               "openssl x509 -in leaf.pem -noout -text -certopt no_sigdump | "
                               "grep -v '5A:5A\\|ZZZZ'"),
                    0);
    static const char *const wanted[] = {
        "Version: 3 (0x2)",
        "fe:dc:ba:98:76:54:32:10",
        "Issuer: O = Pinsweep Tests, CN = Mint Root",
        "Subject: CN = h1.fleet.test",
        "Not Before: Dec  1 00:00:00 2025 GMT",
        "Not After : Jan  1 00:00:00 2027 GMT",
        "Signature Algorithm: ecdsa-with-SHA384",
        "DNS:h1.fleet.test, DNS:*.pay.fleet.test, IP Address:127.0.0.9",
        "CA:FALSE",
        "Digital Signature, Key Encipherment",
        "TLS Web Server Authentication",
        "1.3.6.1.4.1.32473.1",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
    };
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
        CU_ASSERT_PTR_NOT_NULL(strstr(out, wanted[i]));
        if (strstr(out, wanted[i]) == NULL) {
            printf("        not in the text: %s\n", wanted[i]);
        }
    }
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(leaf_key);
    folder_fini(&folder);
}

static void test_path_len_and_name_constraints(void) {
    if (!has_openssl()) {
        return;
    }
    struct folder folder;
    folder_init(&folder);
    char out[4096];
    EVP_PKEY *root_key = mint_key_new(MINT_P256, 6, "root"),
             *inter_key = mint_key_new(MINT_P256, 6, "inter"),
             *leaf_key = mint_key_new(MINT_ED25519, 6, "leaf");
    struct mint_spec root = root_spec(root_key), inter = root_spec(inter_key);
    root.path_len = 0;
    inter.subject_cn = "Mint Inter";
    inter.issuer_cn = root.subject_cn;
    inter.issuer_org = root.subject_org;
    inter.issuer_key = root_key;
    struct mint_spec leaf = leaf_spec(leaf_key, inter_key);
    leaf.issuer_cn = inter.subject_cn;
    static const char *const verify =
        "openssl verify -attime " CHECKED_AT " -CAfile root.pem -untrusted inter.pem leaf.pem";

    write_minted(&folder, "root", &root);
    write_minted(&folder, "inter", &inter);
    write_minted(&folder, "leaf", &leaf);
    CU_ASSERT_NOT_EQUAL(folder_run(&folder, out, sizeof out, verify), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "path length"));

    root.path_len = 1;
    write_minted(&folder, "root", &root);
    CU_ASSERT_EQUAL(folder_run(&folder, out, sizeof out, verify), 0);

    inter.permitted_dns = "elsewhere.test";
    write_minted(&folder, "inter", &inter);
    CU_ASSERT_NOT_EQUAL(folder_run(&folder, out, sizeof out, verify), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "permitted subtree"));

    leaf.ipv4_count = 0;
    inter.permitted_dns = "fleet.test";
    write_minted(&folder, "inter", &inter);
    write_minted(&folder, "leaf", &leaf);
    CU_ASSERT_EQUAL(folder_run(&folder, out, sizeof out, verify), 0);

    inter.no_basic_constraints = true;
    write_minted(&folder, "inter", &inter);
    CU_ASSERT_NOT_EQUAL(folder_run(&folder, out, sizeof out, verify), 0);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(inter_key);
    EVP_PKEY_free(leaf_key);
    folder_fini(&folder);
}

static void test_odd_certificates(void) {
    if (!has_openssl()) {
        return;
    }
    struct folder folder;
    folder_init(&folder);
    char out[16384];
    EVP_PKEY *root_key = mint_key_new(MINT_P256, 8, "root"),
             *rsa_key = mint_key_new(MINT_RSA2048, 8, "rsa"),
             *leaf_key = mint_key_new(MINT_P521, 8, "leaf");
    static const char *const text = "openssl x509 -in leaf.pem -noout -text";

    struct mint_spec leaf = leaf_spec(leaf_key, root_key);
    leaf.subject_cn = NULL;
    leaf.eku_client_only = true;
    leaf.sha1 = true;
    leaf.not_after = INT64_C(4102444800); /* 2100: GeneralizedTime */
    leaf.not_before = INT64_C(-31536000); /* 1969 */
    write_minted(&folder, "leaf", &leaf);
    CU_ASSERT_EQUAL(folder_run(&folder, out, sizeof out, text), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "Alternative Name: critical"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "Client Authentication"));
    CU_ASSERT_PTR_NULL(strstr(out, "Server Authentication"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "ecdsa-with-SHA1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "Jan  1 00:00:00 2100 GMT"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "Jan  1 00:00:00 1969 GMT"));

    leaf = leaf_spec(leaf_key, rsa_key);
    leaf.no_ku_eku = true;
    leaf.no_basic_constraints = true;
    leaf.sha1 = true;
    write_minted(&folder, "leaf", &leaf);
    CU_ASSERT_EQUAL(folder_run(&folder, out, sizeof out, text), 0);
    CU_ASSERT_PTR_NULL(strstr(out, "Key Usage"));
    CU_ASSERT_PTR_NULL(strstr(out, "Basic Constraints"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "sha1WithRSAEncryption"));
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(rsa_key);
    EVP_PKEY_free(leaf_key);
    folder_fini(&folder);
}

SUITE_MAIN("mint", {"same seed same key", test_same_seed_same_key},
           {"keys stay what they were", test_keys_stay_what_they_were},
           {"rsa keys are sound", test_rsa_keys_are_sound},
           {"same spec same bytes", test_same_spec_same_bytes},
           {"spki digest is of the certificate", test_spki_digest_is_of_the_certificate},
           {"openssl verifies every kind", test_openssl_verifies_every_kind},
           {"fields read back", test_fields_read_back},
           {"path length and name constraints", test_path_len_and_name_constraints},
           {"odd certificates", test_odd_certificates})
