/* The walk over a certificate, beside its CBS oracle and BoringSSL's X509 parser, hot: the same 64
   minted leaves again and again. */
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/mint.h"
#include "engine/base/attributes.h"
#include "engine/codec/cert.h"

#define CERTS 64

static struct span certs[CERTS];

static void mint_leaves(void) {
    static const char *const names[] = {"www.example.com", "example.com", "*.cdn.example.com",
                                        "api.example.com"};
    EVP_PKEY *ca = mint_key_new(MINT_P256, 1, "ca");
    for (uint64_t i = 0; i < CERTS; i++) {
        EVP_PKEY *key = mint_key_new(MINT_P256, 2 + i, "leaf");
        struct mint_spec spec = {.subject_cn = "www.example.com",
                                 .issuer_cn = "Bench Intermediate 1",
                                 .issuer_org = "Bench",
                                 .key = key,
                                 .issuer_key = ca,
                                 .serial = UINT64_C(0x4000000000000000) + i,
                                 .not_before = 1700000000,
                                 .not_after = 1800000000,
                                 .path_len = -1,
                                 .dns_names = names,
                                 .dns_name_count = ARRAY_COUNT(names),
                                 .padding_len = 300 + (uint32_t)i};
        size_t len;
        const uint8_t *der = mint_certificate(&spec, &len);
        certs[i] = span_of(der, len);
        EVP_PKEY_free(key);
    }
    EVP_PKEY_free(ca);
}

static void bench_spki(struct bench *bench) {
    bool (*find)(struct span, struct span *) =
        *(bool (**)(struct span, struct span *))bench_context(bench);
    while (bench_next(bench, CERTS)) {
        for (size_t i = 0; i < CERTS; i++) {
            struct span spki;
            CHECK(find(certs[i], &spki));
            bench_use(&spki);
        }
    }
    bench_set_items(bench, 1);
}

static void bench_walk(struct bench *bench) {
    bool (*walk)(struct span, struct cert_fields *) =
        *(bool (**)(struct span, struct cert_fields *))bench_context(bench);
    while (bench_next(bench, CERTS)) {
        for (size_t i = 0; i < CERTS; i++) {
            struct cert_fields fields;
            CHECK(walk(certs[i], &fields));
            bench_use(&fields);
        }
    }
    bench_set_items(bench, 1);
}

static void bench_x509(struct bench *bench) {
    while (bench_next(bench, CERTS)) {
        for (size_t i = 0; i < CERTS; i++) {
            CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(certs[i].data, certs[i].len, NULL);
            X509 *x509 = X509_parse_from_buffer(buffer);
            CHECK(x509 != NULL);
            bench_use(x509);
            X509_free(x509);
            CRYPTO_BUFFER_free(buffer);
        }
    }
    bench_set_items(bench, 1);
}

int main(int argc, char **argv) {
    static bool (*spki[2])(struct span, struct span *) = {cert_spki, cert_spki_cbs};
    static bool (*walk[2])(struct span, struct cert_fields *) = {cert_walk, cert_walk_cbs};
    mint_leaves();
    bench_register("spki/hand", bench_spki, &spki[0], NULL, 0);
    bench_register("spki/cbs", bench_spki, &spki[1], NULL, 0);
    bench_register("walk/hand", bench_walk, &walk[0], NULL, 0);
    bench_register("walk/cbs", bench_walk, &walk[1], NULL, 0);
    bench_register("x509/boringssl", bench_x509, NULL, NULL, 0);
    return bench_main(argc, argv);
}
