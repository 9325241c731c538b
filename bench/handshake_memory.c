#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/handshake.h"
#include "engine/net/tls.h"

#define SERVERS 8 /* identities in turn: one for each issuer of the fleet */
#define FLIGHT_MAX 8192

/* One client that stands half-way, and what its server answered. */
struct half {
    SSL *ssl;       /* of BoringSSL in the plain way */
    struct tls tls; /* of ours */
    uint32_t server_idx;
    uint8_t output[SEND_BUFFER_BYTES], flight[FLIGHT_MAX];
    size_t output_len, flight_len;
};

struct handshake_memory {
    SSL_CTX *servers[SERVERS], *buffers, *x509;
    char names[SERVERS][32];
    struct tls_context *ours;
};

static enum ssl_verify_result_t accept_all(SSL *ssl, uint8_t *out_alert) {
    (void)ssl;
    (void)out_alert;
    return ssl_verify_ok;
}

static SSL_CTX *server_new(const struct fleet_identity *identity) {
    SSL_CTX *server = SSL_CTX_new(TLS_with_buffers_method());
    CHECK(server != NULL && SSL_CTX_set_chain_and_key(server, identity->chain, identity->chain_len,
                                                      identity->key, NULL));
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    return server;
}

/* With the preferences that every client of ours has, so that the same bytes are made. */
static SSL_CTX *client_new(bool makes_x509) {
    static const uint8_t alpn[] = "\x08http/1.1";
    SSL_CTX *client = SSL_CTX_new(makes_x509 ? TLS_method() : TLS_with_buffers_method());
    CHECK(client != NULL && SSL_CTX_set_min_proto_version(client, TLS1_2_VERSION) &&
          SSL_CTX_set_max_proto_version(client, TLS1_3_VERSION) &&
          SSL_CTX_set_alpn_protos(client, alpn, sizeof alpn - 1) == 0);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(client, SSL_OP_NO_TICKET);
    if (makes_x509) {
        SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
    } else {
        SSL_CTX_set_custom_verify(client, SSL_VERIFY_PEER, accept_all);
    }
    return client;
}

struct handshake_memory *handshake_memory_new(const struct fleet *fleet) {
    struct handshake_memory *memory = calloc(1, sizeof *memory);
    struct fleet_cache *cache = fleet_cache_new(fleet);
    struct tls_config config = {
        .min_version = TLS1_2_VERSION, .max_version = TLS1_3_VERSION, .alpn = "http/1.1"};
    CHECK(memory != NULL && cache != NULL);
    for (uint32_t i = 0; i < SERVERS; i++) {
        uint8_t ipv4[4];
        fleet_address_of(i + 1, ipv4);
        snprintf(memory->names[i], sizeof memory->names[i], "h%u.fleet.test", i + 1);
        memory->servers[i] = server_new(fleet_cache_find(cache, ipv4, span_str(memory->names[i]),
                                                         fleet_is_rsa(fleet->options, i + 1)));
    }
    memory->buffers = client_new(false);
    memory->x509 = client_new(true);
    CHECK(tls_context_new(&config, &memory->ours, NULL) == ERR_NONE);
    fleet_cache_free(cache);
    return memory;
}

void handshake_memory_free(struct handshake_memory *memory) {
    for (uint32_t i = 0; i < SERVERS; i++) {
        SSL_CTX_free(memory->servers[i]);
    }
    SSL_CTX_free(memory->buffers);
    SSL_CTX_free(memory->x509);
    tls_context_free(memory->ours);
    free(memory);
}

static SSL *memory_ssl(SSL_CTX *context) {
    SSL *ssl = SSL_new(context);
    CHECK(ssl != NULL);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    return ssl;
}

/* Bytes in, the handshake's next step, bytes out. */
static size_t memory_step(SSL *ssl, struct span in, uint8_t *out, int capacity) {
    if (in.len > 0) {
        BIO_write(SSL_get_rbio(ssl), in.data, (int)in.len);
    }
    SSL_do_handshake(ssl);
    ERR_clear_error();
    int len = BIO_read(SSL_get_wbio(ssl), out, capacity);
    return len > 0 ? (size_t)len : 0;
}

static void half_start(struct handshake_memory *memory, enum handshake_client client,
                       struct half *half) {
    const char *name = memory->names[half->server_idx];
    if (client == HANDSHAKE_OURS) {
        CHECK(tls_init(&half->tls, memory->ours, KEY_VIEW_ANY, name, half->output));
        half->output_len = half->tls.output_len;
        tls_drained(&half->tls);
        return;
    }
    half->ssl = memory_ssl(client == HANDSHAKE_BORINGSSL ? memory->buffers : memory->x509);
    SSL_set_connect_state(half->ssl);
    SSL_set_tlsext_host_name(half->ssl, name);
    half->output_len = memory_step(half->ssl, span_of(NULL, 0), half->output, sizeof half->output);
}

static void half_answer(struct handshake_memory *memory, struct half *half) {
    SSL *server = memory_ssl(memory->servers[half->server_idx]);
    SSL_set_accept_state(server);
    half->flight_len = memory_step(server, span_of(half->output, half->output_len), half->flight,
                                   sizeof half->flight);
    CHECK(half->flight_len > 0);
    SSL_free(server);
}

static void half_end(enum handshake_client client, struct half *half) {
    struct span flight = span_of(half->flight, half->flight_len);
    if (client == HANDSHAKE_OURS) {
        CHECK(tls_feed(&half->tls, flight) == TLS_DONE);
        half->output_len = half->tls.output_len;
        tls_fini(&half->tls);
        return;
    }
    half->output_len = memory_step(half->ssl, flight, half->output, sizeof half->output);
    CHECK(!SSL_in_init(half->ssl) && SSL_version(half->ssl) == TLS1_3_VERSION);
    SSL_free(half->ssl);
}

struct handshake_sizes handshake_memory_sizes(struct handshake_memory *memory) {
    struct half *half = calloc(1, sizeof *half);
    CHECK(half != NULL);
    half_start(memory, HANDSHAKE_OURS, half);
    struct handshake_sizes sizes = {.hello = half->output_len};
    half_answer(memory, half);
    sizes.flight = half->flight_len;
    half_end(HANDSHAKE_OURS, half);
    sizes.last = half->output_len;
    free(half);
    return sizes;
}

double handshake_memory_us(struct handshake_memory *memory, enum handshake_client client,
                           uint32_t in_flight, uint32_t count) {
    struct half *halves = calloc(in_flight, sizeof *halves);
    uint64_t spent_ns = 0, done = 0;
    CHECK(halves != NULL);
    while (done < count) {
        uint64_t start_ns = handshake_thread_cpu_ns();
        for (uint32_t i = 0; i < in_flight; i++) {
            halves[i].server_idx = i % SERVERS;
            half_start(memory, client, &halves[i]);
        }
        spent_ns += handshake_thread_cpu_ns() - start_ns;
        for (uint32_t i = 0; i < in_flight; i++) {
            half_answer(memory, &halves[i]);
        }
        start_ns = handshake_thread_cpu_ns();
        for (uint32_t i = 0; i < in_flight; i++) {
            half_end(client, &halves[i]);
        }
        spent_ns += handshake_thread_cpu_ns() - start_ns;
        done += in_flight;
    }
    free(halves);
    return (double)spent_ns / (double)done / 1000.0;
}
