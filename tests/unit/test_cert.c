/* cert.h on certificates made piece by piece: the shapes that real tools do not make, or make
   wrong. Real certificates: test_cert_real.c. */
#include "engine/codec/cert.h"

#include <stdlib.h>

#include "bench/mint.h"
#include "engine/base/limits.h"
#include "engine/codec/netaddr.h"
#include "tests/support/cert_agree.h"
#include "tests/support/der_build.h"
#include "tests/support/suite.h"

#define OID_RSA RAW("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")
#define OID_RSA_PSS RAW("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a")
#define OID_SHA256_RSA RAW("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b")
#define DER_NULL_ELEMENT RAW("\x05\x00")

/* The parts of a certificate, as elements; NOTHING leaves a part out. */
struct shape {
    struct span version, serial, inner_alg, issuer, validity, subject, spki, unique_ids, extensions;
    struct span outer_alg, signature;
};

static struct span name_of(const char *cn) {
    return TLV(0x30, TLV(0x31, TLV(0x30, RAW("\x06\x03\x55\x04\x03"), TLV(0x0c, span_str(cn)))));
}

static struct span rsa_key(void) {
    static uint8_t modulus[257] = {0x00, 0xc5, 0x01};
    return TLV(0x03, RAW("\x00"),
               TLV(0x30, TLV(0x02, span_of(modulus, sizeof modulus)), RAW("\x02\x03\x01\x00\x01")));
}

static struct span rsa_spki(struct span parameters) {
    return TLV(0x30, TLV(0x30, OID_RSA, parameters), rsa_key());
}

static struct shape shape_init(void) {
    der_build_reset();
    struct span alg = TLV(0x30, OID_SHA256_RSA, DER_NULL_ELEMENT);
    return (struct shape){
        .version = RAW("\xa0\x03\x02\x01\x02"),
        .serial = RAW("\x02\x02\x12\x34"),
        .inner_alg = alg,
        .issuer = name_of("Issuer"),
        .validity = TLV(0x30, TLV(0x17, RAW("260101000000Z")), TLV(0x18, RAW("20510101000000Z"))),
        .subject = name_of("Subject"),
        .spki = rsa_spki(DER_NULL_ELEMENT),
        .outer_alg = alg,
        .signature = RAW("\x03\x03\x00\xab\xcd"),
    };
}

static struct span shape_der(const struct shape *s) {
    struct span tbs = TLV(0x30, s->version, s->serial, s->inner_alg, s->issuer, s->validity,
                          s->subject, s->spki, s->unique_ids, s->extensions);
    return TLV(0x30, tbs, s->outer_alg, s->signature);
}

/* The walk's answer, after its oracle has agreed, for the bytes in an exact allocation as well. */
static bool walk(struct span der, struct cert_fields *out) {
    CU_ASSERT_PTR_NULL(cert_disagreement(der));
    uint8_t *exact = malloc(der.len + 1);
    memcpy(exact, der.data, der.len);
    CU_ASSERT_PTR_NULL(cert_disagreement(span_of(exact, der.len)));
    free(exact);
    return cert_walk(der, out);
}

static bool walk_shape(const struct shape *shape, struct cert_fields *out) {
    return walk(shape_der(shape), out);
}

static struct span extension(struct span oid, struct span critical, struct span value) {
    return TLV(0x30, oid, critical, TLV(0x04, value));
}

static struct span extensions_of(struct span list) {
    return TLV(0xa3, TLV(0x30, list));
}

#define BASIC_CONSTRAINTS RAW("\x06\x03\x55\x1d\x13")
#define SUBJECT_ALT_NAME RAW("\x06\x03\x55\x1d\x11")
#define KEY_USAGE RAW("\x06\x03\x55\x1d\x0f")

static bool walk_extension(struct span oid, struct span value, struct cert_fields *out) {
    struct shape shape = shape_init();
    shape.extensions = extensions_of(extension(oid, NOTHING, value));
    return walk_shape(&shape, out);
}

static void test_plain(void) {
    struct shape shape = shape_init();
    struct cert_fields fields;
    CU_ASSERT_TRUE_FATAL(walk_shape(&shape, &fields));
    CU_ASSERT_EQUAL(fields.version, 3);
    CU_ASSERT_TRUE(span_equal(fields.serial, RAW("\x12\x34")));
    CU_ASSERT_TRUE(span_equal(fields.issuer, shape.issuer));
    CU_ASSERT_TRUE(span_equal(fields.subject, shape.subject));
    CU_ASSERT_TRUE(span_equal(fields.spki, shape.spki));
    CU_ASSERT_TRUE(span_equal(fields.signature_alg, shape.outer_alg));
    CU_ASSERT_EQUAL(fields.not_before, 1767225600);
    CU_ASSERT_EQUAL(fields.not_after, 2556144000);
    CU_ASSERT_EQUAL(fields.key, CERT_KEY_RSA);
    CU_ASSERT_EQUAL(fields.key_bits, 2048);
    CU_ASSERT_EQUAL(fields.signature, CERT_SIGNATURE_STRONG);
    CU_ASSERT_EQUAL(fields.path_len, -1);
    CU_ASSERT_FALSE(fields.is_ca || fields.has_scts || fields.has_name_constraints);
    CU_ASSERT_EQUAL(fields.sans.len + fields.ski.len + fields.aki.len, 0);
}

static void test_versions(void) {
    struct shape shape = shape_init();
    struct cert_fields fields;
    shape.version = NOTHING;
    CU_ASSERT_TRUE(walk_shape(&shape, &fields));
    CU_ASSERT_EQUAL(fields.version, 1);
    shape.version = RAW("\xa0\x03\x02\x01\x00"); /* v1, spelled out */
    CU_ASSERT_TRUE(walk_shape(&shape, &fields));
    CU_ASSERT_EQUAL(fields.version, 1);
    shape.unique_ids = RAW("\x81\x02\x00\x01");
    CU_ASSERT_FALSE(walk_shape(&shape, &fields)); /* not in v1 */
    shape.version = RAW("\xa0\x03\x02\x01\x01");
    CU_ASSERT_TRUE(walk_shape(&shape, &fields));
    CU_ASSERT_EQUAL(fields.version, 2);
    shape.unique_ids = RAW("\x81\x02\x00\x01\x82\x02\x00\x02");
    CU_ASSERT_TRUE(walk_shape(&shape, &fields));
    shape.unique_ids = RAW("\x82\x02\x00\x02\x81\x02\x00\x01"); /* wrong order */
    CU_ASSERT_FALSE(walk_shape(&shape, &fields));
    shape.unique_ids = NOTHING;
    shape.extensions = extensions_of(extension(KEY_USAGE, NOTHING, RAW("\x03\x02\x05\xa0")));
    CU_ASSERT_FALSE(walk_shape(&shape, &fields)); /* extensions in v2 */
    shape.version = RAW("\xa0\x03\x02\x01\x03");
    CU_ASSERT_FALSE(walk_shape(&shape, &fields)); /* v4 */
    shape.version = RAW("\xa0\x04\x02\x02\x00\x02");
    CU_ASSERT_FALSE(walk_shape(&shape, &fields));
    struct span spki;
    CU_ASSERT_TRUE(cert_spki(shape_der(&shape), &spki)); /* but its key can be hashed */
    CU_ASSERT_TRUE(span_equal(spki, shape.spki));
}

static void test_serials(void) {
    static uint8_t huge[300] = {0x7f, 1, 2, 3};
    struct cert_fields fields;
    struct shape shape = shape_init();
    const struct span good[] = {RAW("\x00"), RAW("\xff"), RAW("\x80\x01"),
                                span_of(huge, sizeof huge)};
    const struct span bad[] = {NOTHING, RAW("\x00\x01"), RAW("\xff\xff")};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        shape.serial = TLV(0x02, good[i]);
        CU_ASSERT_TRUE(walk_shape(&shape, &fields));
        CU_ASSERT_TRUE(span_equal(fields.serial, good[i]));
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct span spki;
        shape.serial = TLV(0x02, bad[i]);
        CU_ASSERT_FALSE(walk_shape(&shape, &fields));
        CU_ASSERT_TRUE(cert_spki(shape_der(&shape), &spki));
    }
}

/* The bytes as they are, also where OpenSSL would hash others: RSA without its NULL. */
static void test_rsa_keys(void) {
    struct cert_fields fields;
    struct shape shape = shape_init();
    shape.spki = rsa_spki(NOTHING);
    CU_ASSERT_TRUE(walk_shape(&shape, &fields));
    CU_ASSERT_TRUE(span_equal(fields.spki, shape.spki));
    CU_ASSERT_EQUAL(fields.key, CERT_KEY_RSA);
    CU_ASSERT_EQUAL(fields.key_bits, 2048);
    shape.spki = rsa_spki(RAW("\x04\x00")); /* parameters that no RSA key has */
    CU_ASSERT_TRUE(walk_shape(&shape, &fields));
    CU_ASSERT_EQUAL(fields.key, CERT_KEY_OTHER);
    shape.spki = TLV(0x30, TLV(0x30, OID_RSA_PSS), rsa_key());
    CU_ASSERT_TRUE(walk_shape(&shape, &fields));
    CU_ASSERT_EQUAL(fields.key, CERT_KEY_RSA_PSS);
    const struct {
        struct span key;
        uint16_t bits;
    } keys[] = {
        {RAW("\x00\x30\x06\x02\x01\x01\x02\x01\x03"), 1},
        {RAW("\x00\x30\x07\x02\x02\x00\x80\x02\x01\x03"), 8},
        {RAW("\x00\x30\x06\x02\x01\x00\x02\x01\x03"), 0},     /* modulus 0 */
        {RAW("\x00\x30\x06\x02\x01\x81\x02\x01\x03"), 0},     /* negative */
        {RAW("\x00\x30\x07\x02\x02\x00\x01\x02\x01\x03"), 0}, /* not minimal */
        {RAW("\x00\x30\x06\x02\x01\x01\x02\x01\x03\x00"), 0}, /* trailing byte */
        {RAW("\x00\x30\x03\x02\x01\x01"), 0},                 /* no exponent */
        {RAW("\x00"), 0},
        {RAW("\x01\x30\x06\x02\x01\x01\x02\x01\x02"), 0}, /* not whole bytes */
    };
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        shape.spki = TLV(0x30, TLV(0x30, OID_RSA, DER_NULL_ELEMENT), TLV(0x03, keys[i].key));
        CU_ASSERT_TRUE(walk_shape(&shape, &fields));
        CU_ASSERT_EQUAL(fields.key, keys[i].bits > 0 ? CERT_KEY_RSA : CERT_KEY_OTHER);
        CU_ASSERT_EQUAL(fields.key_bits, keys[i].bits);
    }
}

static void expect_key(struct span algorithm, size_t key_len, uint8_t first, enum cert_key key,
                       uint16_t bits) {
    static uint8_t bytes[256];
    struct cert_fields fields;
    struct shape shape = shape_init();
    bytes[0] = first;
    struct span oid_and_parameters = algorithm;
    shape.spki =
        TLV(0x30, TLV(0x30, oid_and_parameters), TLV(0x03, RAW("\x00"), span_of(bytes, key_len)));
    CU_ASSERT_TRUE(walk_shape(&shape, &fields));
    CU_ASSERT_EQUAL(fields.key, key);
    CU_ASSERT_EQUAL(fields.key_bits, bits);
}

static void test_other_keys(void) {
#define EC "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    struct span p256 = RAW(EC "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
    expect_key(p256, 65, 4, CERT_KEY_EC_P256, 256);
    expect_key(p256, 33, 3, CERT_KEY_EC_P256, 256);
    expect_key(p256, 64, 4, CERT_KEY_OTHER, 0);
    expect_key(p256, 65, 6, CERT_KEY_OTHER, 0);
    expect_key(p256, 0, 4, CERT_KEY_OTHER, 0);
    expect_key(RAW(EC "\x06\x05\x2b\x81\x04\x00\x22"), 97, 4, CERT_KEY_EC_P384, 384);
    expect_key(RAW(EC "\x06\x05\x2b\x81\x04\x00\x23"), 133, 4, CERT_KEY_EC_P521, 521);
    expect_key(RAW(EC "\x06\x05\x2b\x81\x04\x00\x0a"), 65, 4, CERT_KEY_EC_OTHER, 256);
    expect_key(RAW(EC "\x06\x03\x2a\x03\x04"), 7, 4, CERT_KEY_EC_OTHER, 0); /* unknown curve */
    expect_key(RAW(EC "\x30\x03\x02\x01\x01"), 65, 4, CERT_KEY_OTHER, 0);   /* explicit curve */
    expect_key(RAW(EC), 65, 4, CERT_KEY_OTHER, 0);
    expect_key(RAW(EC "\x06\x00"), 65, 4, CERT_KEY_OTHER, 0);
    expect_key(RAW("\x06\x03\x2b\x65\x70"), 32, 4, CERT_KEY_ED25519, 256);
    expect_key(RAW("\x06\x03\x2b\x65\x70"), 31, 4, CERT_KEY_OTHER, 0);
    expect_key(RAW("\x06\x03\x2b\x65\x70\x05\x00"), 32, 4, CERT_KEY_OTHER, 0);
    expect_key(RAW("\x06\x03\x2b\x65\x71"), 57, 4, CERT_KEY_ED448, 456);
    /* GOST R 34.10-2012, 256 bits */
    expect_key(RAW("\x06\x08\x2a\x85\x03\x07\x01\x01\x01\x01\x30\x00"), 66, 4, CERT_KEY_OTHER, 0);
#undef EC
}

static void test_signatures(void) {
#define PSS "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
    const struct {
        struct span algorithm;
        enum cert_signature expected;
    } cases[] = {
        {RAW("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00"), CERT_SIGNATURE_WEAK},
        {RAW("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04\x05\x00"), CERT_SIGNATURE_WEAK},
        {RAW("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02"), CERT_SIGNATURE_WEAK},
        {RAW("\x06\x05\x2b\x0e\x03\x02\x1d"), CERT_SIGNATURE_WEAK},
        {RAW("\x06\x07\x2a\x86\x48\xce\x3d\x04\x01"), CERT_SIGNATURE_WEAK},
        {RAW("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"), CERT_SIGNATURE_STRONG},
        {RAW("\x06\x03\x2b\x65\x70"), CERT_SIGNATURE_STRONG},
        {RAW("\x06\x08\x2a\x85\x03\x07\x01\x01\x03\x02"), CERT_SIGNATURE_OTHER}, /* GOST */
        {RAW(PSS), CERT_SIGNATURE_OTHER},
        {RAW(PSS "\x30\x00"), CERT_SIGNATURE_WEAK}, /* DEFAULT sha1 */
        {RAW(PSS "\x30\x0b\xa0\x09\x30\x07\x06\x05\x2b\x0e\x03\x02\x1a"), CERT_SIGNATURE_WEAK},
        {RAW(PSS "\x30\x0f\xa0\x0d\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"),
         CERT_SIGNATURE_STRONG},
        {RAW(PSS "\x30\x05\xa0\x03\x30\x01\x06"), CERT_SIGNATURE_OTHER},
        {RAW(PSS "\x05\x00"), CERT_SIGNATURE_OTHER},
    };
#undef PSS
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct cert_fields fields;
        struct shape shape = shape_init();
        shape.outer_alg = TLV(0x30, cases[i].algorithm);
        CU_ASSERT_TRUE(walk_shape(&shape, &fields));
        CU_ASSERT_EQUAL(fields.signature, cases[i].expected);
    }
}

/* What is refused, and whether the key can still be hashed. */
static void test_refused(void) {
    struct cert_fields fields;
    struct span spki;
    const struct {
        size_t part; /* offset in struct shape */
        struct span element;
        bool key_found;
    } cases[] = {
#define PART(name) offsetof(struct shape, name)
        {PART(signature), NOTHING, true},
        {PART(signature), RAW("\x03\x00"), true},
        {PART(signature), RAW("\x03\x02\x01\x01"), true}, /* unused bits not zero */
        {PART(outer_alg), RAW("\x30\x00"), true},
        {PART(outer_alg), RAW("\x30\x03\x06\x01\x80"), true},                 /* cut OID */
        {PART(outer_alg), RAW("\x30\x07\x06\x01\x2a\x05\x00\x05\x00"), true}, /* two parameters */
        {PART(serial), NOTHING, false},
        {PART(inner_alg), RAW("\x31\x00"), false},
        {PART(issuer), RAW("\x30\x02\x31\x00"), true},          /* empty RDN */
        {PART(issuer), RAW("\x30\x81\x02\x31\x00"), false},     /* length not minimal */
        {PART(issuer), RAW("\x30\x82\x00\x02\x31\x00"), false}, /* length not minimal */
        {PART(issuer), RAW("\x30\x83\x00\x00\x02\x31\x00"), false},
        {PART(issuer), RAW("\x30\x80\x00\x00"), false}, /* indefinite */
        {PART(issuer), RAW("\x30\xff"), false},
        {PART(issuer), RAW("\x30\x84\xff\xff\xff\xff"), false},
        {PART(subject), RAW("\x30\x09\x31\x07\x30\x05\x06\x01\x2a\x1f\x01"), true},
        {PART(validity), RAW("\x30\x00"), true},
        {PART(validity), RAW("\x30\x04\x17\x00\x17\x00"), true},
        {PART(spki), RAW("\x30\x00"), true},
        {PART(spki), NOTHING, false},
        {PART(extensions), RAW("\xa3\x00"), true},
        {PART(extensions), RAW("\xa3\x04\x30\x00\x30\x00"), true},
        {PART(extensions), RAW("\xa4\x02\x30\x00"), true},
        {PART(extensions), RAW("\x05\x00"), true},
#undef PART
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct shape shape = shape_init();
        memcpy((char *)&shape + cases[i].part, &cases[i].element, sizeof(struct span));
        struct span der = shape_der(&shape);
        CU_ASSERT_FALSE(walk(der, &fields));
        CU_ASSERT_EQUAL(cert_spki(der, &spki), cases[i].key_found);
    }
    CU_ASSERT_FALSE(walk(RAW(""), &fields));
    CU_ASSERT_FALSE(cert_spki(NOTHING, &spki));
}

static void test_basic_constraints(void) {
    struct cert_fields fields;
    const struct {
        struct span value;
        bool ok, is_ca;
        int16_t path_len;
    } cases[] = {
        {RAW("\x30\x00"), true, false, -1},
        {RAW("\x30\x03\x01\x01\xff"), true, true, -1},
        {RAW("\x30\x03\x01\x01\x00"), true, false, -1},
        {RAW("\x30\x06\x01\x01\xff\x02\x01\x00"), true, true, 0},
        {RAW("\x30\x07\x01\x01\xff\x02\x02\x00\x80"), true, true, 128},
        {RAW("\x30\x07\x01\x01\xff\x02\x02\x7f\xff"), true, true, INT16_MAX},
        {RAW("\x30\x08\x01\x01\xff\x02\x03\x01\x00\x00"), true, true, INT16_MAX},
        {RAW("\x30\x03\x02\x01\x03"), true, false, 3},
        {RAW("\x30\x06\x01\x01\xff\x02\x01\xff"), false, false, 0},
        {RAW("\x30\x07\x01\x01\xff\x02\x02\x00\x01"), false, false, 0},
        {RAW("\x30\x03\x01\x01\x01"), false, false, 0},
        {RAW("\x30\x06\x02\x01\x00\x01\x01\xff"), false, false, 0},
        {RAW("\x30\x00\x00"), false, false, 0},
        {NOTHING, false, false, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        bool ok = walk_extension(BASIC_CONSTRAINTS, cases[i].value, &fields);
        CU_ASSERT_EQUAL(ok, cases[i].ok);
        if (ok) {
            CU_ASSERT_EQUAL(fields.is_ca, cases[i].is_ca);
            CU_ASSERT_EQUAL(fields.path_len, cases[i].path_len);
        }
    }
}

static void test_extensions(void) {
    struct cert_fields fields;
    struct shape shape = shape_init();
    struct span unknown = extension(RAW("\x06\x02\x2a\x03"), RAW("\x01\x01\xff"), RAW("junk"));
    struct span ca = extension(BASIC_CONSTRAINTS, RAW("\x01\x01\xff"), RAW("\x30\x03\x01\x01\xff"));
    shape.extensions = TLV(0xa3, TLV(0x30, unknown, ca, unknown)); /* nobody reads it: no harm */
    CU_ASSERT_TRUE(walk_shape(&shape, &fields));
    CU_ASSERT_TRUE(fields.is_ca);
    shape.extensions = TLV(0xa3, TLV(0x30, ca, unknown, ca));
    CU_ASSERT_FALSE(walk_shape(&shape, &fields));
    shape.extensions = extensions_of(extension(KEY_USAGE, RAW("\x01\x01\x00"), NOTHING));
    CU_ASSERT_TRUE(walk_shape(&shape, &fields)); /* critical FALSE, spelled out */
    shape.extensions = extensions_of(extension(KEY_USAGE, RAW("\x01\x01\x02"), NOTHING));
    CU_ASSERT_FALSE(walk_shape(&shape, &fields));
    shape.extensions = extensions_of(extension(KEY_USAGE, RAW("\x01\x00"), NOTHING));
    CU_ASSERT_FALSE(walk_shape(&shape, &fields));
    shape.extensions = extensions_of(TLV(0x30, KEY_USAGE));
    CU_ASSERT_FALSE(walk_shape(&shape, &fields));

    CU_ASSERT_TRUE(walk_extension(RAW("\x06\x03\x55\x1d\x0e"), RAW("\x04\x02\x0a\x0b"), &fields));
    CU_ASSERT_TRUE(span_equal(fields.ski, RAW("\x0a\x0b")));
    struct span aki_oid = RAW("\x06\x03\x55\x1d\x23");
    CU_ASSERT_TRUE(walk_extension(aki_oid, RAW("\x30\x04\x80\x02\x0a\x0b"), &fields));
    CU_ASSERT_TRUE(span_equal(fields.aki, RAW("\x0a\x0b")));
    CU_ASSERT_TRUE(walk_extension(aki_oid, RAW("\x30\x05\xa1\x00\x82\x01\x07"), &fields));
    CU_ASSERT_EQUAL(fields.aki.len, 0);
    CU_ASSERT_FALSE(walk_extension(aki_oid, RAW("\x30\x06\x82\x01\x07\x80\x01\x07"), &fields));
    CU_ASSERT_TRUE(walk_extension(RAW("\x06\x03\x55\x1d\x1e"), RAW("\x30\x00"), &fields));
    CU_ASSERT_TRUE(fields.has_name_constraints);
    CU_ASSERT_TRUE(walk_extension(RAW("\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02"),
                                  RAW("\x04\x00"), &fields));
    CU_ASSERT_TRUE(fields.has_scts);
}

static void test_names(void) {
    struct cert_fields fields;
    struct netaddr address;
    struct span sans =
        TLV(0x30, TLV(0x82, RAW("www.example.com")), TLV(0x82, RAW("*.example.org")),
            TLV(0x81, RAW("mail@example.net")), TLV(0x87, RAW("\x7f\x00\x00\x01")),
            TLV(0x86, RAW("https://example.net/")), TLV(0x82, RAW("nul.example.com\0.evil.org")),
            TLV(0x87, RAW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1")), TLV(0xa4, name_of("example.net")));
    uint8_t kept[512];
    CU_ASSERT_FATAL(sans.len <= sizeof kept);
    memcpy(kept, sans.data, sans.len); /* the shape resets the buffer */
    CU_ASSERT_TRUE_FATAL(walk_extension(SUBJECT_ALT_NAME, span_of(kept, sans.len), &fields));
    CU_ASSERT_TRUE(cert_covers_host(&fields, RAW("www.example.com")));
    CU_ASSERT_TRUE(cert_covers_host(&fields, RAW("a.example.org")));
    CU_ASSERT_FALSE(cert_covers_host(&fields, RAW("a.b.example.org")));
    CU_ASSERT_FALSE(cert_covers_host(&fields, RAW("example.org")));
    CU_ASSERT_FALSE(cert_covers_host(&fields, RAW("example.net")));
    CU_ASSERT_FALSE(cert_covers_host(&fields, RAW("nul.example.com")));
    CU_ASSERT_FALSE(cert_covers_host(&fields, RAW("subject"))); /* the CN is never looked at */
    CU_ASSERT_TRUE(netaddr_parse(RAW("127.0.0.1"), &address));
    CU_ASSERT_TRUE(cert_covers_address(&fields, &address));
    CU_ASSERT_TRUE(netaddr_parse(RAW("::1"), &address));
    CU_ASSERT_TRUE(cert_covers_address(&fields, &address));
    CU_ASSERT_TRUE(netaddr_parse(RAW("127.0.0.2"), &address));
    CU_ASSERT_FALSE(cert_covers_address(&fields, &address));
    address.family = 0;
    CU_ASSERT_FALSE(cert_covers_address(&fields, &address));
    CU_ASSERT_FALSE(walk_extension(SUBJECT_ALT_NAME, RAW("\x30\x02\xa2\x00"), &fields));
    CU_ASSERT_FALSE(walk_extension(SUBJECT_ALT_NAME, RAW("\x30\x02\x89\x00"), &fields));
    CU_ASSERT_FALSE(walk_extension(SUBJECT_ALT_NAME, RAW("\x30\x02\x82\x01"), &fields));
    CU_ASSERT_TRUE(walk_extension(SUBJECT_ALT_NAME, RAW("\x30\x00"), &fields));
    CU_ASSERT_FALSE(cert_covers_host(&fields, RAW("www.example.com")));
}

/* A name behind CERT_SANS_MAX others is not looked at; a certificate may not be that long anyway
   when its names are real ones, so they are empty here. */
static void test_names_bounded(void) {
    static uint8_t many[2 * CERT_SANS_MAX + 4] = {0};
    for (size_t i = 0; i < sizeof many; i += 2) {
        many[i] = 0x82;
    }
    many[sizeof many - 4] = 0x82;
    many[sizeof many - 3] = 2;
    many[sizeof many - 2] = 'a';
    many[sizeof many - 1] = 'b';
    struct cert_fields fields = {.sans = span_of(many, sizeof many)};
    CU_ASSERT_FALSE(cert_covers_host(&fields, RAW("ab")));
    fields.sans = span_of(many + 2, sizeof many - 2);
    CU_ASSERT_TRUE(cert_covers_host(&fields, RAW("ab")));
}

static void test_bounded(void) {
    static uint8_t padding[CERT_BYTES_MAX];
    struct cert_fields fields;
    struct shape shape = shape_init();
    size_t frame = shape_der(&shape).len + 64;
    for (int over = 0; over <= 1; over++) {
        shape = shape_init();
        struct span junk = span_of(padding, sizeof padding - (over ? 0 : frame));
        shape.extensions = extensions_of(extension(RAW("\x06\x02\x2a\x03"), NOTHING, junk));
        CU_ASSERT_EQUAL(walk_shape(&shape, &fields), over == 0);
    }
}

static void test_minted(void) {
    static const char *const names[] = {"one.example.com", "*.two.example.com"};
    struct cert_fields fields;
    EVP_PKEY *key = mint_key_new(MINT_P256, 1, "leaf");
    struct mint_spec spec = {.subject_cn = "leaf",
                             .issuer_cn = "ca",
                             .key = key,
                             .serial = 7,
                             .not_before = 1700000000,
                             .not_after = 1800000000,
                             .path_len = -1,
                             .dns_names = names,
                             .dns_name_count = 2};
    size_t len;
    uint8_t *der = mint_certificate(&spec, &len);
    CU_ASSERT_TRUE_FATAL(walk(span_of(der, len), &fields));
    CU_ASSERT_EQUAL(fields.key, CERT_KEY_EC_P256);
    CU_ASSERT_EQUAL(fields.not_before, 1700000000);
    CU_ASSERT_EQUAL(fields.not_after, 1800000000);
    CU_ASSERT_TRUE(cert_covers_host(&fields, RAW("x.two.example.com")));
    free(der);
    EVP_PKEY_free(key);
}

static void test_key_text(void) {
    const struct {
        enum cert_key key;
        uint16_t bits;
        const char *text;
    } cases[] = {
        {CERT_KEY_RSA, 2048, "rsa-2048"},      {CERT_KEY_RSA_PSS, 65535, "rsa-pss-65535"},
        {CERT_KEY_EC_P256, 256, "ecdsa-p256"}, {CERT_KEY_EC_P384, 384, "ecdsa-p384"},
        {CERT_KEY_EC_P521, 521, "ecdsa-p521"}, {CERT_KEY_EC_OTHER, 0, "ecdsa-other"},
        {CERT_KEY_ED25519, 256, "ed25519"},    {CERT_KEY_ED448, 456, "ed448"},
        {CERT_KEY_OTHER, 0, "other"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[24];
        cert_key_text(text, cases[i].key, cases[i].bits);
        uint16_t bits;
        CU_ASSERT_EQUAL(cert_key_from_text(text, &bits), cases[i].key);
        CU_ASSERT_EQUAL(bits, cases[i].bits);
        CU_ASSERT_STRING_EQUAL(text, cases[i].text);
    }
}

SUITE_MAIN("cert", {"plain", test_plain}, {"versions", test_versions}, {"serials", test_serials},
           {"RSA keys", test_rsa_keys}, {"other keys", test_other_keys},
           {"signature algorithms", test_signatures}, {"refused", test_refused},
           {"basic constraints", test_basic_constraints}, {"extensions", test_extensions},
           {"names", test_names}, {"names, bounded", test_names_bounded}, {"bounded", test_bounded},
           {"minted", test_minted}, {"key text", test_key_text})
