#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/fleet_identity.h"
#include "bench/measure/measure.h"

#define SERVERS 8 /* identities in turn: one for each issuer of the fleet */
#define FLIGHT_MAX 8192
#define TURNS_MAX 3 /* of the client: TLS 1.2 takes three, 1.3 two */

/* One client that stands half-way, its server, and what they said last. */
struct half {
    SSL *ssl;       /* of BoringSSL in the plain way */
    struct tls tls; /* of ours */
    SSL *server;
    uint8_t output[SEND_BUFFER_BYTES], flight[FLIGHT_MAX];
    size_t output_len, flight_len;
};

struct measure_memory {
    SSL_CTX *servers[SERVERS], *buffers, *x509;
    char names[SERVERS][32];
    struct tls_context *ours;
    uint16_t tls;
};

/* --- identities --- */

const char *measure_key_text(enum measure_key key) {
    return key == MEASURE_RSA ? "rsa-2048" : "ecdsa-p256";
}

struct identities {
    struct fleet fleet; /* first: what callers hold */
    struct fleet_options options;
};

struct fleet *measure_identities_new(void) {
    struct identities *identities = calloc(1, sizeof *identities);
    CHECK(identities != NULL);
    /* The seed, the day, the leaves of fleetsim as measure_fleet_start() has it. */
    identities->options = (struct fleet_options){.seed = 1,
                                                 .date_s = time(NULL) / 86400 * 86400,
                                                 .identities = MEASURE_IDENTITIES,
                                                 .cache_slots = 4 * MEASURE_IDENTITIES,
                                                 .padding_len = 600,
                                                 .fast = true,
                                                 .dual = true};
    fleet_init(&identities->fleet, &identities->options);
    return &identities->fleet;
}

void measure_identities_free(struct fleet *fleet) {
    if (fleet != NULL) {
        fleet_fini(fleet);
        free(fleet);
    }
}

/* --- contexts --- */

static enum ssl_verify_result_t accept_all(SSL *ssl, uint8_t *out_alert) {
    (void)ssl;
    (void)out_alert;
    return ssl_verify_ok;
}

static SSL_CTX *server_new(const struct fleet_identity *identity, uint16_t tls) {
    SSL_CTX *server = SSL_CTX_new(TLS_with_buffers_method());
    CHECK(server != NULL && SSL_CTX_set_chain_and_key(server, identity->chain, identity->chain_len,
                                                      identity->key, NULL));
    CHECK(SSL_CTX_set_min_proto_version(server, tls) && SSL_CTX_set_max_proto_version(server, tls));
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
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

struct measure_memory *measure_memory_new(const struct fleet *fleet, uint16_t tls,
                                          enum measure_key key) {
    struct measure_memory *memory = calloc(1, sizeof *memory);
    struct fleet_cache *cache = fleet_cache_new(fleet);
    struct tls_config config = {
        .min_version = TLS1_2_VERSION, .max_version = TLS1_3_VERSION, .alpn = "http/1.1"};
    CHECK(memory != NULL && cache != NULL);
    memory->tls = tls;
    for (uint32_t i = 0; i < SERVERS; i++) {
        uint8_t ipv4[4];
        fleet_address_of(i + 1, ipv4);
        snprintf(memory->names[i], sizeof memory->names[i], "h%u.fleet.test", i + 1);
        memory->servers[i] = server_new(
            fleet_cache_find(cache, ipv4, span_str(memory->names[i]), key == MEASURE_RSA), tls);
    }
    memory->buffers = client_new(false);
    memory->x509 = client_new(true);
    CHECK(tls_context_new(&config, &memory->ours, NULL) == ERR_NONE);
    fleet_cache_free(cache);
    return memory;
}

void measure_memory_free(struct measure_memory *memory) {
    if (memory == NULL) {
        return;
    }
    for (uint32_t i = 0; i < SERVERS; i++) {
        SSL_CTX_free(memory->servers[i]);
    }
    SSL_CTX_free(memory->buffers);
    SSL_CTX_free(memory->x509);
    tls_context_free(memory->ours);
    free(memory);
}

/* --- handshakes --- */

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

static void half_start(struct measure_memory *memory, enum measure_client client, uint32_t idx,
                       struct half *half) {
    const char *name = memory->names[idx % SERVERS];
    if (client == MEASURE_OURS) {
        CHECK(tls_init(&half->tls, memory->ours, KEY_VIEW_ANY, name, half->output));
        half->output_len = half->tls.output_len;
        tls_drained(&half->tls);
        return;
    }
    half->ssl = memory_ssl(client == MEASURE_BORINGSSL ? memory->buffers : memory->x509);
    SSL_set_connect_state(half->ssl);
    SSL_set_tlsext_host_name(half->ssl, name);
    half->output_len = memory_step(half->ssl, span_of(NULL, 0), half->output, sizeof half->output);
}

static void half_answer(struct measure_memory *memory, uint32_t idx, struct half *half) {
    if (half->server == NULL) {
        half->server = memory_ssl(memory->servers[idx % SERVERS]);
        SSL_set_accept_state(half->server);
    }
    half->flight_len = memory_step(half->server, span_of(half->output, half->output_len),
                                   half->flight, sizeof half->flight);
    CHECK(half->flight_len > 0);
    if (memory->tls == TLS1_3_VERSION) { /* nobody waits for more of it */
        SSL_free(half->server);
        half->server = NULL;
    }
}

/* The client's next turn; whether it was the last. */
static bool half_go_on(struct measure_memory *memory, enum measure_client client,
                       struct half *half) {
    struct span flight = span_of(half->flight, half->flight_len);
    if (client == MEASURE_OURS) {
        enum tls_state state = tls_feed(&half->tls, flight);
        CHECK(state == TLS_DONE || state == TLS_WANTS_READ);
        half->output_len = half->tls.output_len;
        tls_drained(&half->tls);
        if (state == TLS_DONE) {
            tls_fini(&half->tls);
        }
        return state == TLS_DONE;
    }
    half->output_len = memory_step(half->ssl, flight, half->output, sizeof half->output);
    if (SSL_in_init(half->ssl)) {
        return false;
    }
    CHECK(SSL_version(half->ssl) == memory->tls);
    SSL_free(half->ssl);
    half->ssl = NULL;
    return true;
}

static void half_end(struct half *half) {
    SSL_free(half->server);
    half->server = NULL;
}

struct measure_bytes measure_memory_bytes(struct measure_memory *memory) {
    struct half *half = calloc(1, sizeof *half);
    struct measure_bytes bytes = {0};
    bool is_over = false;
    CHECK(half != NULL);
    half_start(memory, MEASURE_OURS, 0, half);
    bytes.out[0] = half->output_len;
    for (size_t turn = 0; turn + 1 < TURNS_MAX && !is_over; turn++) {
        half_answer(memory, 0, half);
        bytes.in[turn] = half->flight_len;
        is_over = half_go_on(memory, MEASURE_OURS, half);
        bytes.out[turn + 1] = half->output_len;
    }
    CHECK(is_over);
    half_end(half);
    free(half);
    return bytes;
}

double measure_memory_us(struct measure_memory *memory, enum measure_client client,
                         uint32_t in_flight, uint32_t count) {
    struct half *halves = calloc(in_flight, sizeof *halves);
    uint64_t spent_ns = 0, done = 0;
    CHECK(halves != NULL);
    while (done < count) {
        uint64_t start_ns = measure_thread_cpu_ns();
        for (uint32_t i = 0; i < in_flight; i++) {
            half_start(memory, client, i, &halves[i]);
        }
        spent_ns += measure_thread_cpu_ns() - start_ns;
        uint32_t over = 0;
        for (int turn = 1; turn < TURNS_MAX && over == 0; turn++) {
            for (uint32_t i = 0; i < in_flight; i++) {
                half_answer(memory, i, &halves[i]);
            }
            start_ns = measure_thread_cpu_ns();
            for (uint32_t i = 0; i < in_flight; i++) {
                over += half_go_on(memory, client, &halves[i]);
            }
            spent_ns += measure_thread_cpu_ns() - start_ns;
        }
        CHECK(over == in_flight);
        for (uint32_t i = 0; i < in_flight; i++) {
            half_end(&halves[i]);
        }
        done += in_flight;
    }
    free(halves);
    return (double)spent_ns / (double)done / 1000.0;
}
