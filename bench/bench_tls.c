/* The client's side of a TLS handshake in memory: CPU time of the client's calls alone (counter
   "client_us"; the time column has the server's too), for our client and, as comparator, for
   BoringSSL used in the plain way (TLS_method with X509 objects, memory BIOs, no verification).
   Leaf and intermediate are minted, 1,200 bytes each; the server is BoringSSL. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/mint.h"
#include "engine/net/tls.h"

#define FLIGHT_MAX 16384
#define ROUNDS_MAX 6

struct setup {
    const char *name;
    enum mint_key key;
    uint16_t version;
    SSL_CTX *server, *plain_client;
    struct tls_context *client;
};

static struct setup setups[] = {
    {"tls1.3/ecdsa-p256", MINT_P256, TLS1_3_VERSION, NULL, NULL, NULL},
    {"tls1.3/rsa-2048", MINT_RSA2048, TLS1_3_VERSION, NULL, NULL, NULL},
    {"tls1.2/ecdsa-p256", MINT_P256, TLS1_2_VERSION, NULL, NULL, NULL},
    {"tls1.2/rsa-2048", MINT_RSA2048, TLS1_2_VERSION, NULL, NULL, NULL},
};

static uint64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static CRYPTO_BUFFER *mint(EVP_PKEY *key, EVP_PKEY *issuer_key, const char *issuer_cn, bool is_ca) {
    static const char *const names[] = {"www.example.com", "example.com"};
    struct mint_spec spec = {.subject_cn = is_ca ? "Bench Intermediate" : "www.example.com",
                             .issuer_cn = issuer_cn,
                             .key = key,
                             .issuer_key = issuer_key,
                             .serial = 99,
                             .not_before = 1700000000,
                             .not_after = 1900000000,
                             .is_ca = is_ca,
                             .path_len = -1,
                             .dns_names = names,
                             .dns_name_count = is_ca ? 0 : ARRAY_COUNT(names),
                             .padding_len = 600};
    size_t len;
    uint8_t *der = mint_certificate(&spec, &len);
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der, len, NULL);
    free(der);
    CHECK(buffer != NULL);
    return buffer;
}

static SSL_CTX *server_new(enum mint_key kind) {
    EVP_PKEY *ca = mint_key_new(MINT_P256, 1, "ca"), *leaf = mint_key_new(kind, 2, "leaf");
    CRYPTO_BUFFER *chain[] = {mint(leaf, ca, "Bench Intermediate", false),
                              mint(ca, ca, "Bench Root", true)};
    SSL_CTX *server = SSL_CTX_new(TLS_with_buffers_method());
    CHECK(server != NULL && SSL_CTX_set_chain_and_key(server, chain, 2, leaf, NULL));
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    CRYPTO_BUFFER_free(chain[0]);
    CRYPTO_BUFFER_free(chain[1]);
    EVP_PKEY_free(leaf);
    EVP_PKEY_free(ca);
    return server;
}

static SSL_CTX *plain_client_new(uint16_t version) {
    SSL_CTX *client = SSL_CTX_new(TLS_method());
    CHECK(client != NULL && SSL_CTX_set_min_proto_version(client, version) &&
          SSL_CTX_set_max_proto_version(client, version));
    SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
    return client;
}

static void prepare(struct setup *setup) {
    if (setup->server == NULL) {
        struct tls_config config = {.min_version = setup->version, .max_version = setup->version};
        setup->server = server_new(setup->key);
        setup->plain_client = plain_client_new(setup->version);
        CHECK(tls_context_new(&config, &setup->client, NULL) == ERR_NONE);
    }
}

static SSL *memory_ssl(SSL_CTX *context, bool is_server) {
    SSL *ssl = SSL_new(context);
    CHECK(ssl != NULL);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (is_server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
        SSL_set_tlsext_host_name(ssl, "www.example.com");
    }
    return ssl;
}

/* Bytes in, the handshake's next step, bytes out. */
static size_t memory_step(SSL *ssl, struct span in, uint8_t out[FLIGHT_MAX]) {
    if (in.len > 0) {
        BIO_write(SSL_get_rbio(ssl), in.data, (int)in.len);
    }
    SSL_do_handshake(ssl);
    ERR_clear_error();
    int len = BIO_read(SSL_get_wbio(ssl), out, FLIGHT_MAX);
    return len > 0 ? (size_t)len : 0;
}

static uint64_t handshake_ours(struct setup *setup) {
    static uint8_t flight[FLIGHT_MAX], output[SEND_BUFFER_BYTES];
    SSL *server = memory_ssl(setup->server, true);
    struct tls tls;
    uint64_t spent = 0, start = cpu_ns();
    CHECK(tls_init(&tls, setup->client, KEY_VIEW_ANY, "www.example.com", output));
    spent += cpu_ns() - start;
    for (int round = 0; round < ROUNDS_MAX && tls.state == TLS_WANTS_READ; round++) {
        size_t len = memory_step(server, tls_output(&tls), flight);
        tls_drained(&tls);
        start = cpu_ns();
        tls_feed(&tls, span_of(flight, len));
        spent += cpu_ns() - start;
    }
    CHECK(tls.state == TLS_DONE && tls.outcome == OUTCOME_SUCCESS);
    start = cpu_ns();
    tls_fini(&tls);
    spent += cpu_ns() - start;
    SSL_free(server);
    return spent;
}

static uint64_t handshake_plain(struct setup *setup) {
    static uint8_t from_server[FLIGHT_MAX], from_client[FLIGHT_MAX];
    SSL *server = memory_ssl(setup->server, true);
    uint64_t spent = 0, start = cpu_ns();
    SSL *client = memory_ssl(setup->plain_client, false);
    size_t len = memory_step(client, span_of(NULL, 0), from_client);
    spent += cpu_ns() - start;
    for (int round = 0; round < ROUNDS_MAX && SSL_in_init(client); round++) {
        size_t answer_len = memory_step(server, span_of(from_client, len), from_server);
        start = cpu_ns();
        len = memory_step(client, span_of(from_server, answer_len), from_client);
        spent += cpu_ns() - start;
    }
    CHECK(!SSL_in_init(client));
    start = cpu_ns();
    SSL_free(client);
    spent += cpu_ns() - start;
    SSL_free(server);
    return spent;
}

static void run(struct bench *bench, uint64_t (*handshake)(struct setup *)) {
    struct setup *setup = bench_context(bench);
    prepare(setup);
    uint64_t spent_ns = 0, count = 0;
    while (bench_next(bench, 1)) {
        spent_ns += handshake(setup);
        count++;
    }
    bench_set_items(bench, 1);
    bench_counter(bench, "client_us", count > 0 ? (double)spent_ns / (double)count / 1000.0 : 0);
}

static void bench_ours(struct bench *bench) {
    run(bench, handshake_ours);
}

static void bench_plain(struct bench *bench) {
    run(bench, handshake_plain);
}

int main(int argc, char **argv) {
    static char names[2 * ARRAY_COUNT(setups)][64];
    for (size_t i = 0; i < ARRAY_COUNT(setups); i++) {
        snprintf(names[2 * i], sizeof names[0], "%s/complete", setups[i].name);
        snprintf(names[2 * i + 1], sizeof names[0], "%s/boringssl-x509", setups[i].name);
        bench_register(names[2 * i], bench_ours, &setups[i], NULL, 0);
        bench_register(names[2 * i + 1], bench_plain, &setups[i], NULL, 0);
    }
    return bench_main(argc, argv);
}
