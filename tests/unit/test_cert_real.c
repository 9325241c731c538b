/* cert.h on real certificates: against `openssl x509`, against BoringSSL's X509, and the walk
   against its oracle on whole, cut and damaged ones. */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "engine/codec/text.h"
#include "tests/support/cert_agree.h"
#include "tests/support/real_certs.h"
#include "tests/support/suite.h"

static void expect_agreement(struct span der) {
    const char *why = cert_disagreement(der);
    if (why != NULL) {
        char hex[2 * 4096];
        struct span shown = span_of(der.data, der.len < 4096 ? der.len : 4096);
        size_t len = hex_encode(hex, shown);
        fprintf(stderr, "%s: %.*s\n", why, (int)len, hex);
    }
    CU_ASSERT_PTR_NULL(why);
}

/* --- against the openssl program --- */

struct program_run {
    char folder[64];
    bool is_missing;
};

static void compare_with_program(void *context, struct span der) {
    struct program_run *run = context;
    char path[128], command[512];
    snprintf(path, sizeof path, "%s/cert.der", run->folder);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_FATAL(file != NULL && fwrite(der.data, 1, der.len, file) == der.len);
    fclose(file);
    snprintf(command, sizeof command, "openssl x509 -inform DER -in %s -noout -pubkey 2>%s/err",
             path, run->folder);
    FILE *pipe = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
    char pem[16384];
    size_t len = fread(pem, 1, sizeof pem, pipe);
    if (pclose(pipe) != 0) {
        run->is_missing = true;
        return;
    }
    BIO *memory = BIO_new_mem_buf(pem, (int)len);
    char *name = NULL, *header = NULL;
    unsigned char *key = NULL;
    long key_len = 0;
    struct span spki;
    CU_ASSERT_EQUAL_FATAL(PEM_read_bio(memory, &name, &header, &key, &key_len), 1);
    CU_ASSERT_TRUE(cert_spki(der, &spki));
    uint8_t ours[32], theirs[32];
    SHA256(spki.data, spki.len, ours);
    SHA256(key, (size_t)key_len, theirs);
    CU_ASSERT_EQUAL(memcmp(ours, theirs, sizeof ours), 0);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(key);
    BIO_free(memory);
}

static void test_openssl_program(void) {
    struct program_run run = {.folder = "/tmp/pinsweep-cert-XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(run.folder));
    unsigned count = real_certs_each(REAL_STORE, compare_with_program, &run);
    char path[128];
    snprintf(path, sizeof path, "%s/cert.der", run.folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/err", run.folder);
    unlink(path);
    rmdir(run.folder);
    if (count == 0 || run.is_missing) {
        suite_skip(count == 0 ? "no " REAL_STORE : "no openssl program, or it refused a root");
    }
}

/* --- against BoringSSL's X509 --- */

static int64_t seconds_of(const ASN1_TIME *time) {
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    CU_ASSERT_EQUAL(ASN1_TIME_diff(&days, &seconds, epoch, time), 1);
    ASN1_TIME_free(epoch);
    return (int64_t)days * 86400 + seconds;
}

static struct span name_of(X509_NAME *name, unsigned char **out_der) {
    int len = i2d_X509_NAME(name, out_der);
    return span_of(*out_der, len > 0 ? (size_t)len : 0);
}

static void compare_names(X509 *x509, const struct cert_fields *fields) {
    unsigned char *issuer = NULL, *subject = NULL, *spki = NULL;
    CU_ASSERT_TRUE(span_equal(fields->issuer, name_of(X509_get_issuer_name(x509), &issuer)));
    CU_ASSERT_TRUE(span_equal(fields->subject, name_of(X509_get_subject_name(x509), &subject)));
    int spki_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
    CU_ASSERT_TRUE(spki_len > 0 && span_equal(fields->spki, span_of(spki, (size_t)spki_len)));
    OPENSSL_free(issuer);
    OPENSSL_free(subject);
    OPENSSL_free(spki);
}

static void compare_key(X509 *x509, const struct cert_fields *fields) {
    EVP_PKEY *key = X509_get_pubkey(x509);
    if (key == NULL) {
        return;
    }
    if (EVP_PKEY_id(key) == EVP_PKEY_RSA) {
        CU_ASSERT_EQUAL(fields->key, CERT_KEY_RSA);
        CU_ASSERT_EQUAL(fields->key_bits, EVP_PKEY_bits(key));
    } else if (EVP_PKEY_id(key) == EVP_PKEY_EC) {
        enum cert_key expected = EVP_PKEY_bits(key) == 256   ? CERT_KEY_EC_P256
                                 : EVP_PKEY_bits(key) == 384 ? CERT_KEY_EC_P384
                                                             : CERT_KEY_EC_P521;
        CU_ASSERT_EQUAL(fields->key, expected);
        CU_ASSERT_EQUAL(fields->key_bits, EVP_PKEY_bits(key));
    }
    EVP_PKEY_free(key);
}

static bool count_name(void *context, bool is_dns, struct span value) {
    (void)value;
    ((unsigned *)context)[is_dns ? 0 : 1]++;
    return true;
}

static void compare_sans(X509 *x509, const struct cert_fields *fields) {
    unsigned ours[2] = {0, 0}, theirs[2] = {0, 0};
    cert_each_san(fields, count_name, ours);
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        theirs[0] += name->type == GEN_DNS;
        theirs[1] += name->type == GEN_IPADD;
        if (name->type == GEN_DNS) {
            const ASN1_STRING *text = name->d.dNSName;
            char host[256];
            snprintf(host, sizeof host, "%.*s", ASN1_STRING_length(text),
                     (const char *)ASN1_STRING_get0_data(text));
            if (host[0] == '*') {
                host[0] = 'x';
            }
            CU_ASSERT_TRUE(cert_covers_host(fields, span_str(host)));
        }
    }
    CU_ASSERT_EQUAL(ours[0], theirs[0]);
    CU_ASSERT_EQUAL(ours[1], theirs[1]);
    static const char *const hosts[] = {"example.com", "www.google.com",     "www.apple.com",
                                        "amazon.com",  "a.b.c.facebook.com", "com"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        int covered = X509_check_host(x509, hosts[i], strlen(hosts[i]),
                                      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);
        CU_ASSERT_EQUAL(cert_covers_host(fields, span_str(hosts[i])), covered == 1);
    }
    GENERAL_NAMES_free(names);
}

static void compare_with_x509(void *context, struct span der) {
    (void)context;
    const uint8_t *at = der.data;
    X509 *x509 = d2i_X509(NULL, &at, (long)der.len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x509);
    struct cert_fields fields;
    CU_ASSERT_TRUE_FATAL(cert_walk(der, &fields));
    CU_ASSERT_EQUAL(fields.version, X509_get_version(x509) + 1);
    CU_ASSERT_EQUAL(fields.not_before, seconds_of(X509_get0_notBefore(x509)));
    CU_ASSERT_EQUAL(fields.not_after, seconds_of(X509_get0_notAfter(x509)));
    CU_ASSERT_EQUAL(fields.is_ca, fields.version == 3 && X509_check_ca(x509) == 1);
    CU_ASSERT_EQUAL(fields.path_len, X509_get_pathlen(x509));
    CU_ASSERT_EQUAL(fields.has_name_constraints,
                    X509_get_ext_by_NID(x509, NID_name_constraints, -1) >= 0);
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(x509);
    CU_ASSERT_TRUE(ski == NULL ? fields.ski.len == 0
                               : span_equal(fields.ski, span_of(ASN1_STRING_get0_data(ski),
                                                                (size_t)ASN1_STRING_length(ski))));
    const ASN1_OCTET_STRING *aki = X509_get0_authority_key_id(x509);
    CU_ASSERT_TRUE(aki == NULL ? fields.aki.len == 0
                               : span_equal(fields.aki, span_of(ASN1_STRING_get0_data(aki),
                                                                (size_t)ASN1_STRING_length(aki))));
    int digest_nid = NID_undef;
    OBJ_find_sigid_algs(X509_get_signature_nid(x509), &digest_nid, NULL);
    if (digest_nid == NID_sha1 || digest_nid == NID_md5) {
        CU_ASSERT_EQUAL(fields.signature, CERT_SIGNATURE_WEAK);
    } else if (digest_nid != NID_undef) {
        CU_ASSERT_EQUAL(fields.signature, CERT_SIGNATURE_STRONG);
    }
    compare_names(x509, &fields);
    compare_key(x509, &fields);
    compare_sans(x509, &fields);
    X509_free(x509);
}

static void test_x509_store(void) {
    if (real_certs_each(REAL_STORE, compare_with_x509, NULL) == 0) {
        suite_skip("no " REAL_STORE);
    }
}

static void test_x509_chains(void) {
    const char *path = real_chains_path();
    if (path == NULL || real_certs_each(path, compare_with_x509, NULL) == 0) {
        suite_skip("no folder of real chains");
    }
}

/* --- reference vectors: SPKI SHA-256 as published --- */

struct vectors {
    const char *const *pins;
    unsigned found; /* one bit each */
};

static void look_for_vector(void *context, struct span der) {
    struct vectors *vectors = context;
    struct span spki;
    uint8_t digest[32];
    char text[BASE64_SHA256_LEN];
    CU_ASSERT_TRUE_FATAL(cert_spki(der, &spki));
    SHA256(spki.data, spki.len, digest);
    base64_encode(text, span_of(digest, sizeof digest));
    for (unsigned i = 0; vectors->pins[i] != NULL; i++) {
        if (memcmp(text, vectors->pins[i], sizeof text) == 0) {
            vectors->found |= 1u << i;
        }
    }
}

static void test_vectors(void) {
    static const char *const pins[] = {
        "C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=", /* ISRG Root X1 */
        "mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c=", /* GTS Root R4 */
        "i7WTqTvh0OioIruIfFR4kMPnBqrS2rdiVPl/s2uC/CY=", /* DigiCert Global Root G2 */
        "++MBgDH5WGvL9Bcn5Be30cRcL0f5O+NyoXuWtQdX1aI=", /* Amazon Root CA 1 */
        NULL,
    };
    struct vectors vectors = {.pins = pins};
    if (real_certs_each(REAL_STORE, look_for_vector, &vectors) == 0) {
        suite_skip("no " REAL_STORE);
        return;
    }
    CU_ASSERT_EQUAL(vectors.found, 0xf);
}

/* --- the walk against its oracle --- */

static void expect_agreement_exact(const uint8_t *bytes, size_t len) {
    uint8_t *exact = malloc(len > 0 ? len : 1); /* so that the sanitizer sees a read past the end */
    if (len > 0) {
        memcpy(exact, bytes, len);
    }
    expect_agreement(span_of(exact, len));
    free(exact);
}

static void cut(struct span der) {
    for (size_t len = 0; len < der.len; len++) {
        struct cert_fields fields;
        struct span spki;
        uint8_t *exact = malloc(len > 0 ? len : 1);
        memcpy(exact, der.data, len);
        struct span shorter = span_of(exact, len);
        expect_agreement(shorter);
        CU_ASSERT_FALSE(cert_walk(shorter, &fields));
        CU_ASSERT_FALSE(cert_spki(shorter, &spki));
        free(exact);
    }
}

static void extend(struct span der) {
    uint8_t longer[64 * 1024];
    struct cert_fields fields;
    CU_ASSERT_FATAL(der.len + 2 <= sizeof longer);
    memset(longer, 0, sizeof longer);
    memcpy(longer, der.data, der.len);
    for (size_t more = 1; more <= 2; more++) {
        expect_agreement_exact(longer, der.len + more);
        CU_ASSERT_FALSE(cert_walk(span_of(longer, der.len + more), &fields));
    }
}

/* Flips, changes, inserts or deletes a byte or so. */
static void damage(struct rng *rng, struct span der, unsigned count) {
    uint8_t bytes[64 * 1024];
    CU_ASSERT_FATAL(der.len + 8 <= sizeof bytes);
    for (unsigned i = 0; i < count; i++) {
        size_t len = der.len, at = rng_below(rng, (uint32_t)der.len);
        memcpy(bytes, der.data, len);
        switch (rng_below(rng, 4)) {
        case 0:
            bytes[at] = (uint8_t)(bytes[at] ^ (1u << rng_below(rng, 8)));
            break;
        case 1:
            bytes[at] = (uint8_t)rng_next(rng);
            break;
        case 2:
            memmove(bytes + at, bytes + at + 1, --len - at);
            break;
        default:
            memmove(bytes + at + 1, bytes + at, len++ - at);
            break;
        }
        expect_agreement_exact(bytes, len);
    }
}

static void flip_every_bit(struct span der) {
    uint8_t bytes[64 * 1024];
    memcpy(bytes, der.data, der.len);
    for (size_t bit = 0; bit < 8 * der.len; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << (bit % 8)));
        expect_agreement(span_of(bytes, der.len));
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << (bit % 8)));
    }
}

struct agreement {
    struct rng rng;
    unsigned seen;
};

static void agree_on(void *context, struct span der) {
    struct agreement *agreement = context;
    struct cert_fields fields;
    expect_agreement(der);
    CU_ASSERT_TRUE(cert_walk(der, &fields));
    extend(der);
    damage(&agreement->rng, der, 200);
    if (agreement->seen++ % 8 == 0) {
        cut(der);
    }
    if (agreement->seen % 64 == 1) {
        flip_every_bit(der);
    }
}

static void test_agreement(void) {
    struct agreement agreement = {.seen = 0};
    rng_init(&agreement.rng, suite_seed());
    const char *chains = real_chains_path();
    unsigned count = real_certs_each(REAL_STORE, agree_on, &agreement);
    if (chains != NULL) {
        count += real_certs_each(chains, agree_on, &agreement);
    }
    if (count == 0) {
        suite_skip("no real certificates on this machine");
    }
}

SUITE_MAIN("cert_real", {"openssl x509", test_openssl_program}, {"X509, roots", test_x509_store},
           {"X509, real chains", test_x509_chains}, {"reference vectors", test_vectors},
           {"walk and oracle agree", test_agreement})
