#include "engine/codec/cert_sct.h"

#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "tests/support/der_build.h"
#include "tests/support/real_certs.h"
#include "tests/support/suite.h"

#define OID_SCTS RAW("\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02")
#define OID_SKI RAW("\x06\x03\x55\x1d\x0e")

/* A certificate with these extensions, walked; the bytes are an exact allocation to be freed. */
static uint8_t *certificate(struct span extensions, struct cert_fields *out) {
    struct span alg = TLV(0x30, RAW("\x06\x03\x2b\x65\x70"));
    struct span name =
        TLV(0x30, TLV(0x31, TLV(0x30, RAW("\x06\x03\x55\x04\x03"), TLV(0x0c, RAW("log")))));
    static const uint8_t key[33];
    struct span tbs =
        TLV(0x30, RAW("\xa0\x03\x02\x01\x02"), RAW("\x02\x01\x07"), alg, name,
            TLV(0x30, TLV(0x17, RAW("260101000000Z")), TLV(0x17, RAW("270101000000Z"))), name,
            TLV(0x30, alg, TLV(0x03, span_of(key, sizeof key))), TLV(0xa3, TLV(0x30, extensions)));
    struct span der = TLV(0x30, tbs, alg, RAW("\x03\x02\x00\xab"));
    uint8_t *copy = malloc(der.len);
    memcpy(copy, der.data, der.len);
    CU_ASSERT_FATAL(cert_walk(span_of(copy, der.len), out));
    return copy;
}

/* A SerializedSCT with its length in front; returns what it took. */
static size_t put_sct(uint8_t *out, uint8_t version, uint64_t ms, uint8_t extension_len) {
    size_t len = 1 + 32 + 8 + 2 + extension_len + 2 + 2 + 4;
    memset(out, 0x5a, 2 + len);
    out[0] = (uint8_t)(len >> 8);
    out[1] = (uint8_t)len;
    out[2] = version;
    for (int i = 0; i < 8; i++) {
        out[35 + i] = (uint8_t)(ms >> (56 - 8 * i));
    }
    out[43] = 0;
    out[44] = extension_len;
    out[45 + extension_len + 2] = 0;
    out[45 + extension_len + 3] = 4;
    return 2 + len;
}

static struct span list_of(uint8_t *bytes, size_t len) {
    bytes[0] = (uint8_t)(len >> 8);
    bytes[1] = (uint8_t)len;
    return span_of(bytes, 2 + len);
}

static struct span scts_extension(struct span list) {
    return TLV(0x30, OID_SCTS, TLV(0x04, TLV(0x04, list)));
}

static bool first_of(struct span extensions, int64_t *out) {
    struct cert_fields cert;
    uint8_t *der = certificate(extensions, &cert);
    bool good = cert_sct_first(&cert, out);
    free(der);
    return good;
}

static void test_earliest(void) {
    uint8_t bytes[1024];
    size_t len = put_sct(bytes + 2, 0, UINT64_C(1700000000999), 0);
    len += put_sct(bytes + 2 + len, 0, UINT64_C(1699999999001), 8);
    len += put_sct(bytes + 2 + len, 1, UINT64_C(1600000000000), 0); /* another version */
    len += put_sct(bytes + 2 + len, 0, UINT64_MAX, 0);
    int64_t first = 5;
    der_build_reset();
    struct span ski = TLV(0x30, OID_SKI, TLV(0x04, TLV(0x04, RAW("key"))));
    struct span extensions[] = {ski, scts_extension(list_of(bytes, len))};
    struct span both = der_build(0x30, extensions, 2); /* joined; its header is taken off */
    CU_ASSERT(first_of(span_of(both.data + 4, both.len - 4), &first));
    CU_ASSERT_EQUAL(first, 1699999999);
}

static void test_none(void) {
    uint8_t bytes[256];
    int64_t first = 5;
    der_build_reset();
    CU_ASSERT_FALSE(first_of(TLV(0x30, OID_SKI, TLV(0x04, TLV(0x04, RAW("key")))), &first));
    size_t len = put_sct(bytes + 2, 7, 1000, 0);
    CU_ASSERT_FALSE(first_of(scts_extension(list_of(bytes, len)), &first));
    len = put_sct(bytes + 2, 0, UINT64_MAX, 0);
    CU_ASSERT_FALSE(first_of(scts_extension(list_of(bytes, len)), &first));
    CU_ASSERT_FALSE(first_of(scts_extension(RAW("")), &first));
    CU_ASSERT_EQUAL(first, 5);
}

/* A list cut at every byte with its lengths as they were, and one with bytes behind it. */
static void test_broken(void) {
    uint8_t bytes[512];
    size_t first_len = put_sct(bytes + 2, 0, 1000, 3), len = first_len;
    len += put_sct(bytes + 2 + len, 0, 2000, 0);
    struct span list = list_of(bytes, len);
    int64_t first = 5;
    for (size_t cut = 0; cut < list.len; cut++) {
        der_build_reset();
        CU_ASSERT_FALSE(first_of(scts_extension(span_of(list.data, cut)), &first));
        /* the list's length is right, an SCT's is not */
        uint8_t shorter[512];
        memcpy(shorter, bytes, sizeof shorter);
        if (cut >= 3) {
            struct span inner = list_of(shorter, cut - 2);
            bool whole = cut - 2 == first_len;
            int64_t cut_first = 5;
            CU_ASSERT_EQUAL(first_of(scts_extension(inner), &cut_first), whole);
        }
    }
    der_build_reset();
    bytes[list.len] = 0;
    CU_ASSERT_FALSE(first_of(scts_extension(span_of(list.data, list.len + 1)), &first));
    CU_ASSERT_FALSE(
        first_of(TLV(0x30, OID_SCTS, TLV(0x04, TLV(0x04, list), RAW("\x05\x00"))), &first));
    CU_ASSERT_EQUAL(first, 5);
    CU_ASSERT(first_of(scts_extension(list), &first));
    CU_ASSERT_EQUAL(first, 1);
}

struct seen {
    unsigned with, near;
};

/* A public certificate is logged while it is made: an hour or so after its notBefore, which CAs
 * set back. */
static void look(void *context, struct span der) {
    struct seen *seen = context;
    struct cert_fields cert;
    int64_t first;
    if (cert_walk(der, &cert) && cert_sct_first(&cert, &first)) {
        seen->with++;
        seen->near += first >= cert.not_before - 60 && first <= cert.not_before + 3 * 86400;
    }
}

static void test_real(void) {
    const char *path = real_chains_path();
    struct seen seen = {0};
    if (path == NULL) {
        suite_skip("no folder of real chains");
        return;
    }
    real_certs_each(path, look, &seen);
    CU_ASSERT(seen.with > 20);
    CU_ASSERT_EQUAL(seen.near, seen.with);
    printf("[%u with SCTs, %u near their notBefore] ", seen.with, seen.near);
}

SUITE_MAIN("cert_sct", {"the earliest of several", test_earliest}, {"none", test_none},
           {"broken lists", test_broken}, {"real certificates", test_real})
