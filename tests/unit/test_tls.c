#include "engine/net/tls.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "tests/support/peer.h"
#include "tests/support/suite.h"

#define FLIGHT_MAX (1024 * 1024)
#define ROUNDS_MAX 12

static uint8_t flight[FLIGHT_MAX];
static uint8_t output[SEND_BUFFER_BYTES];

static const struct tls_config modern = {.min_version = 0x0303, .max_version = 0x0304};
static const struct tls_config legacy = {.min_version = 0x0301, .max_version = 0x0304};

static struct tls_context *context_of(const struct tls_config *config) {
    struct tls_context *context = NULL;
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(tls_context_new(config, &context, &note), ERR_NONE);
    return context;
}

static enum tls_state feed_in_chunks(struct tls *tls, struct span bytes, size_t chunk) {
    while (bytes.len > 0) {
        /* An exact copy, so that the sanitizer sees a read past the end. */
        struct span taken = span_take(&bytes, chunk);
        uint8_t *copy = malloc(taken.len);
        memcpy(copy, taken.data, taken.len);
        tls_feed(tls, span_of(copy, taken.len));
        free(copy);
    }
    return tls->state;
}

/* Runs client and server against each other; the server's bytes come in chunks. */
static enum tls_state converse(struct tls *tls, struct peer *peer, size_t chunk) {
    for (int round = 0; round < ROUNDS_MAX; round++) {
        struct span sent = tls_output(tls);
        size_t len = peer_feed(peer, sent, flight, sizeof flight);
        tls_drained(tls);
        if (len == 0) {
            break;
        }
        feed_in_chunks(tls, span_of(flight, len), chunk);
        if (tls->state != TLS_WANTS_READ) {
            break;
        }
    }
    /* The server sees the rest: Finished and close_notify, or an alert. */
    peer_feed(peer, tls_output(tls), flight, sizeof flight);
    return tls->state;
}

struct run {
    struct tls tls;
    struct peer peer;
    SSL_CTX *server;
    struct tls_context *client;
};

static enum tls_state run_init(struct run *run, const struct tls_config *config, enum key_view view,
                               const struct peer_spec *spec, size_t chunk) {
    run->client = context_of(config);
    run->server = peer_context_new(spec);
    peer_init(&run->peer, run->server);
    CU_ASSERT_TRUE_FATAL(tls_init(&run->tls, run->client, view, "peer.example", output));
    return converse(&run->tls, &run->peer, chunk);
}

static void run_fini(struct run *run) {
    CU_ASSERT_EQUAL(ERR_peek_error(), 0);
    tls_fini(&run->tls);
    tls_fini(&run->tls);
    peer_fini(&run->peer);
    SSL_CTX_free(run->server);
    tls_context_free(run->client);
}

static bool leaf_is(const struct tls *tls, enum mint_key kind) {
    CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
    if (tls_peer_chain(tls, certs) == 0) {
        return false;
    }
    return span_equal(span_of(CRYPTO_BUFFER_data(certs[0]), CRYPTO_BUFFER_len(certs[0])),
                      peer_leaf(kind));
}

static void test_every_key_type(void) {
    static const enum mint_key kinds[] = {MINT_P256,    MINT_P384,    MINT_P521,
                                          MINT_RSA2048, MINT_RSA3072, MINT_ED25519};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        for (uint16_t version = 0x0303; version <= 0x0304; version++) {
            struct run run;
            struct peer_spec spec = {
                .key = kinds[i], .min_version = version, .max_version = version, .extra_certs = 1};
            CU_ASSERT_EQUAL(run_init(&run, &modern, KEY_VIEW_ANY, &spec, 4096), TLS_DONE);
            CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_SUCCESS);
            CU_ASSERT_STRING_EQUAL(run.tls.facts.error, "");
            CU_ASSERT_TRUE(run.peer.done);
            CU_ASSERT_STRING_EQUAL(run.peer.sni, "peer.example");
            CU_ASSERT_EQUAL(run.tls.facts.version, version);
            CU_ASSERT_EQUAL(run.tls.facts.group, 29);
            CU_ASSERT_NOT_EQUAL(run.tls.facts.cipher, 0);
            CU_ASSERT_NOT_EQUAL(run.tls.facts.peer_signature, 0);
            CU_ASSERT_EQUAL(run.tls.facts.alert, -1);
            CU_ASSERT_EQUAL(run.tls.facts.depth, DEPTH_COMPLETE);
            CU_ASSERT_EQUAL(run.tls.facts.proof, PROOF_POSSESSION);
            CU_ASSERT_FALSE(run.tls.facts.client_cert_requested);
            CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
            CU_ASSERT_EQUAL(tls_peer_chain(&run.tls, certs), 2);
            CU_ASSERT_TRUE(leaf_is(&run.tls, kinds[i]));
            /* close_notify has come with Finished: the server reads the end, not an error. */
            uint8_t byte;
            CU_ASSERT_EQUAL(SSL_read(run.peer.ssl, &byte, 1), 0);
            CU_ASSERT_EQUAL(SSL_get_error(run.peer.ssl, 0), SSL_ERROR_ZERO_RETURN);
            /* What follows is ignored. */
            tls_drained(&run.tls);
            CU_ASSERT_EQUAL(tls_feed(&run.tls, span_str("HTTP/1.1 200 OK")), TLS_DONE);
            CU_ASSERT_EQUAL(tls_feed_eof(&run.tls), TLS_DONE);
            CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_SUCCESS);
            run_fini(&run);
        }
    }
}

static void test_chunks(void) {
    static const size_t chunks[] = {1, 2, 3, 4, 5, 6, 7, 11, 64, 255, 1000, 100000};
    for (size_t i = 0; i < ARRAY_COUNT(chunks); i++) {
        for (uint16_t version = 0x0303; version <= 0x0304; version++) {
            struct run run;
            struct peer_spec spec = {
                .key = MINT_P256, .min_version = version, .max_version = version};
            CU_ASSERT_EQUAL(run_init(&run, &modern, KEY_VIEW_ANY, &spec, chunks[i]), TLS_DONE);
            CU_ASSERT_TRUE(leaf_is(&run.tls, MINT_P256));
            run_fini(&run);
        }
    }
}

static void test_old_versions(void) {
    for (uint16_t version = 0x0301; version <= 0x0302; version++) {
        struct peer_spec spec = {
            .key = MINT_RSA2048, .min_version = version, .max_version = version};
        struct run run;
        CU_ASSERT_EQUAL(run_init(&run, &legacy, KEY_VIEW_ANY, &spec, 4096), TLS_DONE);
        CU_ASSERT_EQUAL(run.tls.facts.version, version);
        CU_ASSERT_EQUAL(run.tls.facts.peer_signature, 0);
        CU_ASSERT_EQUAL(run.tls.facts.proof, PROOF_POSSESSION);
        run_fini(&run);
        /* Not asked for: the server's alert says so. */
        CU_ASSERT_EQUAL(run_init(&run, &modern, KEY_VIEW_ANY, &spec, 4096), TLS_FAILED);
        CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_TLS_ALERT);
        CU_ASSERT_EQUAL(run.tls.facts.alert, 70);
        CU_ASSERT_STRING_EQUAL(run.tls.facts.error, "alert 70 protocol_version");
        run_fini(&run);
    }
}

/* SHA-1 in TLS 1.2 is offered only together with the versions of its time. */
static void test_sha1(void) {
    struct peer_spec spec = {.key = MINT_RSA2048,
                             .max_version = 0x0303,
                             .ciphers = "ECDHE-RSA-AES128-SHA", /* static RSA signs nothing */
                             .signature = SSL_SIGN_RSA_PKCS1_SHA1};
    struct run run;
    CU_ASSERT_EQUAL(run_init(&run, &legacy, KEY_VIEW_RSA, &spec, 4096), TLS_DONE);
    CU_ASSERT_EQUAL(run.tls.facts.peer_signature, SSL_SIGN_RSA_PKCS1_SHA1);
    run_fini(&run);
    CU_ASSERT_EQUAL(run_init(&run, &modern, KEY_VIEW_ANY, &spec, 4096), TLS_FAILED);
    CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_TLS_ALERT);
    run_fini(&run);
}

static void test_static_rsa(void) {
    struct peer_spec spec = {
        .key = MINT_RSA2048, .max_version = 0x0303, .ciphers = "AES128-GCM-SHA256"};
    struct run run;
    CU_ASSERT_EQUAL(run_init(&run, &modern, KEY_VIEW_ANY, &spec, 4096), TLS_DONE);
    CU_ASSERT_EQUAL(run.tls.facts.group, 0);
    CU_ASSERT_EQUAL(run.tls.facts.peer_signature, 0);
    CU_ASSERT_EQUAL(run.tls.facts.proof, PROOF_POSSESSION);
    CU_ASSERT_STRING_EQUAL(tls_cipher_text(run.tls.facts.cipher),
                           "TLS_RSA_WITH_AES_128_GCM_SHA256");
    run_fini(&run);
    CU_ASSERT_EQUAL(run_init(&run, &modern, KEY_VIEW_RSA, &spec, 4096), TLS_DONE);
    run_fini(&run);
}

static enum key_view view_of(enum mint_key kind) {
    switch (kind) {
    case MINT_P256:
    case MINT_P384:
    case MINT_P521:
        return KEY_VIEW_ECDSA;
    case MINT_RSA2048:
    case MINT_RSA3072:
        return KEY_VIEW_RSA;
    case MINT_ED25519:
        return KEY_VIEW_ED25519;
    }
    return KEY_VIEW_ANY;
}

static void test_key_views(void) {
    static const enum mint_key kinds[] = {MINT_P256, MINT_P384, MINT_P521, MINT_RSA2048,
                                          MINT_ED25519};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        for (uint16_t version = 0x0303; version <= 0x0304; version++) {
            for (int view = KEY_VIEW_RSA; view < KEY_VIEW_COUNT; view++) {
                struct run run;
                struct peer_spec spec = {
                    .key = kinds[i], .min_version = version, .max_version = version};
                bool has_it = view_of(kinds[i]) == (enum key_view)view;
                CU_ASSERT_EQUAL(run_init(&run, &modern, (enum key_view)view, &spec, 4096),
                                has_it ? TLS_DONE : TLS_FAILED);
                CU_ASSERT_EQUAL(run.tls.outcome, has_it ? OUTCOME_SUCCESS : OUTCOME_NOT_OFFERED);
                if (run.tls.outcome != (has_it ? OUTCOME_SUCCESS : OUTCOME_NOT_OFFERED)) {
                    printf("        key %u version %x view %d: %s (%s)\n", kinds[i], version, view,
                           outcome_text(run.tls.outcome), run.tls.facts.error);
                }
                CU_ASSERT_TRUE(!has_it || leaf_is(&run.tls, kinds[i]));
                run_fini(&run);
            }
        }
    }
}

static void test_client_certificate(void) {
    struct peer_spec spec = {.key = MINT_P256, .needs_client_certificate = true};
    struct run run;
    spec.min_version = spec.max_version = 0x0304;
    CU_ASSERT_EQUAL(run_init(&run, &modern, KEY_VIEW_ANY, &spec, 4096), TLS_DONE);
    CU_ASSERT_TRUE(run.tls.facts.client_cert_requested);
    CU_ASSERT_EQUAL(run.tls.facts.depth, DEPTH_COMPLETE);
    CU_ASSERT_STRING_EQUAL(run.tls.facts.error, "");
    CU_ASSERT_FALSE(run.peer.done);
    run_fini(&run);
    spec.min_version = spec.max_version = 0x0303;
    CU_ASSERT_EQUAL(run_init(&run, &modern, KEY_VIEW_ANY, &spec, 4096), TLS_DONE);
    CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_SUCCESS);
    CU_ASSERT_TRUE(run.tls.facts.client_cert_requested);
    CU_ASSERT_EQUAL(run.tls.facts.depth, DEPTH_PROVE);
    CU_ASSERT_EQUAL(run.tls.facts.proof, PROOF_POSSESSION);
    CU_ASSERT_EQUAL(run.tls.facts.version, 0x0303);
    CU_ASSERT_PTR_NOT_NULL(strstr(run.tls.facts.error, "client certificate"));
    CU_ASSERT_TRUE(leaf_is(&run.tls, MINT_P256));
    run_fini(&run);
    /* The same by a bare close or reset instead of an alert. */
    for (int reset = 0; reset < 2; reset++) {
        run.client = context_of(&modern);
        run.server = peer_context_new(&spec);
        peer_init(&run.peer, run.server);
        CU_ASSERT_TRUE_FATAL(tls_init(&run.tls, run.client, KEY_VIEW_ANY, NULL, output));
        size_t len = peer_feed(&run.peer, tls_output(&run.tls), flight, sizeof flight);
        tls_drained(&run.tls);
        CU_ASSERT_EQUAL(tls_feed(&run.tls, span_of(flight, len)), TLS_WANTS_READ);
        CU_ASSERT_EQUAL(reset ? tls_feed_reset(&run.tls) : tls_feed_eof(&run.tls), TLS_DONE);
        CU_ASSERT_EQUAL(run.tls.facts.depth, DEPTH_PROVE);
        run_fini(&run);
    }
    /* With static RSA nothing was signed: the refusal is a failure. */
    struct peer_spec unsigned_spec = {.key = MINT_RSA2048,
                                      .max_version = 0x0303,
                                      .ciphers = "AES128-GCM-SHA256",
                                      .needs_client_certificate = true};
    CU_ASSERT_EQUAL(run_init(&run, &modern, KEY_VIEW_ANY, &unsigned_spec, 4096), TLS_FAILED);
    CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_TLS_ALERT);
    CU_ASSERT_EQUAL(run.tls.facts.proof, PROOF_NONE);
    CU_ASSERT_TRUE(leaf_is(&run.tls, MINT_RSA2048));
    run_fini(&run);
}

static void test_alpn_and_sni(void) {
    struct tls_config config = modern;
    config.alpn = "h2,http/1.1";
    struct peer_spec spec = {.key = MINT_P256, .alpn = "http/1.1"};
    struct run run;
    CU_ASSERT_EQUAL(run_init(&run, &config, KEY_VIEW_ANY, &spec, 4096), TLS_DONE);
    CU_ASSERT_STRING_EQUAL(run.tls.facts.alpn, "http/1.1");
    run_fini(&run);
    /* Without SNI, the shortest and the longest name. */
    struct tls_context *client = context_of(&config);
    SSL_CTX *server = peer_context_new(&spec);
    char longest[HOST_MAX + 1];
    memset(longest, 'a', HOST_MAX);
    longest[HOST_MAX] = '\0';
    const char *names[] = {NULL, "", "a", longest};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct tls tls;
        struct peer peer;
        peer_init(&peer, server);
        CU_ASSERT_TRUE_FATAL(tls_init(&tls, client, KEY_VIEW_ANY, names[i], output));
        CU_ASSERT_EQUAL(converse(&tls, &peer, 4096), TLS_DONE);
        CU_ASSERT_STRING_EQUAL(peer.sni, names[i] != NULL ? names[i] : "");
        tls_fini(&tls);
        peer_fini(&peer);
    }
    char too_long[400];
    memset(too_long, 'a', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    struct tls tls;
    CU_ASSERT_FALSE(tls_init(&tls, client, KEY_VIEW_ANY, too_long, output));
    CU_ASSERT_EQUAL(tls.state, TLS_FAILED);
    CU_ASSERT_EQUAL(tls.outcome, OUTCOME_RESOURCE_ERROR);
    tls_fini(&tls);
    SSL_CTX_free(server);
    tls_context_free(client);
    static const char *const bad[] = {"", ",", "h2,", ",h2", "h2,,h3"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct err_note note;
        config.alpn = bad[i];
        CU_ASSERT_EQUAL(tls_context_new(&config, &client, &note), ERR_USAGE);
    }
}

/* A fresh pair whose server has answered the ClientHello; returns the length of that flight. */
static size_t first_flight(struct run *run) {
    peer_init(&run->peer, run->server);
    CU_ASSERT_TRUE_FATAL(tls_init(&run->tls, run->client, KEY_VIEW_ANY, "peer.example", output));
    size_t len = peer_feed(&run->peer, tls_output(&run->tls), flight, sizeof flight);
    tls_drained(&run->tls);
    return len;
}

static void flight_run_init(struct run *run, uint16_t version, enum mint_key key) {
    struct peer_spec spec = {.key = key, .min_version = version, .max_version = version};
    run->client = context_of(&modern);
    run->server = peer_context_new(&spec);
}

static void test_truncation(void) {
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        struct run run;
        flight_run_init(&run, version, MINT_P256);
        /* The flight's length varies by what the signature's DER needs. */
        size_t len = 1;
        for (size_t cut = 0; cut < len; cut++) {
            len = first_flight(&run);
            if (cut < len) {
                CU_ASSERT_EQUAL(tls_feed(&run.tls, span_of(flight, cut)), TLS_WANTS_READ);
                CU_ASSERT_EQUAL(tls_feed_eof(&run.tls), TLS_FAILED);
                CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_CONNECTION_CLOSED);
                CU_ASSERT_EQUAL(run.tls.facts.proof, PROOF_NONE);
                CU_ASSERT_NOT_EQUAL(run.tls.facts.error[0], '\0');
            }
            tls_fini(&run.tls);
            peer_fini(&run.peer);
        }
        SSL_CTX_free(run.server);
        tls_context_free(run.client);
    }
}

static void flip_one(struct run *run, size_t at, uint8_t bits, enum mint_key key,
                     unsigned outcomes[OUTCOME_COUNT]) {
    size_t len = first_flight(run);
    flight[at % len] ^= bits;
    tls_feed(&run->tls, span_of(flight, len));
    CU_ASSERT_TRUE(run->tls.output_len <= SEND_BUFFER_BYTES);
    if (run->tls.state == TLS_WANTS_READ) {
        converse(&run->tls, &run->peer, 4096);
    }
    if (run->tls.state == TLS_WANTS_READ) {
        tls_feed_eof(&run->tls);
    }
    if (run->tls.state == TLS_DONE) {
        CU_ASSERT_TRUE(leaf_is(&run->tls, key));
        CU_ASSERT_EQUAL(run->tls.facts.depth, DEPTH_COMPLETE);
    } else {
        CU_ASSERT_NOT_EQUAL(run->tls.outcome, OUTCOME_SUCCESS);
        CU_ASSERT_NOT_EQUAL(run->tls.outcome, OUTCOME_RESOURCE_ERROR);
        CU_ASSERT_EQUAL(run->tls.facts.proof, PROOF_NONE);
        CU_ASSERT_NOT_EQUAL(run->tls.facts.error[0], '\0');
    }
    outcomes[run->tls.outcome]++;
    CU_ASSERT_EQUAL(ERR_peek_error(), 0);
    tls_fini(&run->tls);
    peer_fini(&run->peer);
}

static void test_flipped_bytes(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        struct run run;
        unsigned outcomes[OUTCOME_COUNT] = {0};
        flight_run_init(&run, version, MINT_P256);
        size_t len = first_flight(&run);
        tls_fini(&run.tls);
        peer_fini(&run.peer);
        for (size_t at = 0; at < len; at++) {
            uint8_t bits = (uint8_t)(1 + rng_below(&rng, 255));
            flip_one(&run, at, bits, MINT_P256, outcomes);
        }
        CU_ASSERT_TRUE(outcomes[OUTCOME_NOT_TLS] > 0);
        CU_ASSERT_TRUE(outcomes[OUTCOME_PROTOCOL_ERROR] > 0);
        if (version == 0x0303) {
            /* In the clear: a bad signature, a leaf that cannot be read. */
            CU_ASSERT_TRUE(outcomes[OUTCOME_HANDSHAKE_ERROR] > 0);
            CU_ASSERT_TRUE(outcomes[OUTCOME_MALFORMED_CERTIFICATE] > 0);
        }
        SSL_CTX_free(run.server);
        tls_context_free(run.client);
    }
}

static void test_not_tls(void) {
    static const struct {
        const char *bytes;
        const char *error;
    } rows[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "not TLS: plain HTTP"},
        {"SSH-2.0-OpenSSH_9.2\r\n", "not TLS: an SSH banner"},
        {"220 mail.example ESMTP\r\n", "not TLS: an SMTP or FTP greeting"},
        {"X", "not TLS: the first bytes are 58"},
        {"\x16\x02", "not TLS: the first bytes are 1602"},
        {"\x16\x03\x09garbage", "not TLS: the first bytes are 1603096761726261"},
    };
    struct tls_context *client = context_of(&modern);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (size_t chunk = 1; chunk <= 32; chunk += 31) {
            struct tls tls;
            CU_ASSERT_TRUE_FATAL(tls_init(&tls, client, KEY_VIEW_ANY, NULL, output));
            tls_drained(&tls);
            feed_in_chunks(&tls, span_str(rows[i].bytes), chunk);
            CU_ASSERT_EQUAL(tls.state, TLS_FAILED);
            CU_ASSERT_EQUAL(tls.outcome, OUTCOME_NOT_TLS);
            if (chunk > 8) {
                CU_ASSERT_STRING_EQUAL(tls.facts.error, rows[i].error);
            }
            CU_ASSERT_EQUAL(tls.output_len, 0);
            CU_ASSERT_EQUAL(tls.facts.version, 0);
            tls_fini(&tls);
        }
    }
    tls_context_free(client);
}

/* What the client makes of bytes that a peer sends after the ClientHello. */
static void feed_raw(struct tls_context *client, enum key_view view, const void *bytes, size_t len,
                     struct tls *out) {
    CU_ASSERT_TRUE_FATAL(tls_init(out, client, view, NULL, output));
    tls_drained(out);
    feed_in_chunks(out, span_of(bytes, len), len);
}

static void test_alerts(void) {
    struct tls_context *client = context_of(&modern);
    struct tls tls;
    for (int alert = 1; alert < 256; alert++) {
        for (int view = 0; view < KEY_VIEW_COUNT; view++) {
            uint8_t record[] = {21, 3, 3, 0, 2, 2, (uint8_t)alert};
            feed_raw(client, (enum key_view)view, record, sizeof record, &tls);
            CU_ASSERT_EQUAL(tls.state, TLS_FAILED);
            bool not_offered = view != KEY_VIEW_ANY && (alert == 40 || alert == 71);
            CU_ASSERT_EQUAL(tls.outcome, not_offered ? OUTCOME_NOT_OFFERED : OUTCOME_TLS_ALERT);
            CU_ASSERT_EQUAL(tls.facts.alert, alert);
            tls_fini(&tls);
        }
    }
    uint8_t name_record[] = {21, 3, 1, 0, 2, 2, 112};
    feed_raw(client, KEY_VIEW_ANY, name_record, sizeof name_record, &tls);
    CU_ASSERT_STRING_EQUAL(tls.facts.error, "alert 112 unrecognized_name");
    tls_fini(&tls);
    uint8_t close_notify[] = {21, 3, 3, 0, 2, 1, 0};
    feed_raw(client, KEY_VIEW_ANY, close_notify, sizeof close_notify, &tls);
    CU_ASSERT_EQUAL(tls.state, TLS_FAILED);
    CU_ASSERT_EQUAL(tls.outcome, OUTCOME_TLS_ALERT);
    CU_ASSERT_EQUAL(tls.facts.alert, 0);
    tls_fini(&tls);
    /* A warning goes by; a hundred of them do not. */
    uint8_t warning[] = {21, 3, 3, 0, 2, 1, 112};
    feed_raw(client, KEY_VIEW_ANY, warning, sizeof warning, &tls);
    CU_ASSERT_EQUAL(tls.state, TLS_WANTS_READ);
    for (int i = 0; i < 100; i++) {
        tls_feed(&tls, span_of(warning, sizeof warning));
    }
    CU_ASSERT_EQUAL(tls.state, TLS_FAILED);
    CU_ASSERT_EQUAL(tls.outcome, OUTCOME_PROTOCOL_ERROR);
    tls_fini(&tls);
    tls_context_free(client);
}

static void test_broken_records(void) {
    struct tls_context *client = context_of(&modern);
    struct tls tls;
    uint8_t too_long[5] = {22, 3, 3, 0xFF, 0xFF};
    feed_raw(client, KEY_VIEW_ANY, too_long, sizeof too_long, &tls);
    CU_ASSERT_EQUAL(tls.outcome, OUTCOME_PROTOCOL_ERROR);
    tls_fini(&tls);
    uint8_t data[] = {23, 3, 3, 0, 1, 0};
    feed_raw(client, KEY_VIEW_ANY, data, sizeof data, &tls);
    CU_ASSERT_EQUAL(tls.outcome, OUTCOME_PROTOCOL_ERROR);
    tls_fini(&tls);
    uint8_t wrong_message[] = {22, 3, 3, 0, 4, 14, 0, 0, 0};
    feed_raw(client, KEY_VIEW_ANY, wrong_message, sizeof wrong_message, &tls);
    CU_ASSERT_EQUAL(tls.outcome, OUTCOME_PROTOCOL_ERROR);
    CU_ASSERT_TRUE(tls.output_len > 0); /* our alert */
    tls_fini(&tls);
    /* A ServerHello of 16 MB that never ends. */
    uint8_t endless[] = {22, 3, 3, 0, 4, 2, 0xFF, 0xFF, 0xFF};
    feed_raw(client, KEY_VIEW_ANY, endless, sizeof endless, &tls);
    CU_ASSERT_EQUAL(tls.outcome, OUTCOME_PROTOCOL_ERROR);
    tls_fini(&tls);
    tls_context_free(client);
}

static void test_unsupported(void) {
    struct run run;
    /* A server that speaks what it was not offered: SSL 3 and below. */
    uint8_t hello[] = {22, 3,  0,  0,  42, 2,  0,  0,  38, 3,  0,  1,  2,  3,  4,  5,
                       6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                       22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 0,  0,  47, 0};
    run.client = context_of(&modern);
    feed_raw(run.client, KEY_VIEW_ANY, hello, sizeof hello, &run.tls);
    CU_ASSERT_EQUAL(run.tls.state, TLS_FAILED);
    CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_UNSUPPORTED);
    tls_fini(&run.tls);
    tls_context_free(run.client);
    /* No common group: the server says so by an alert. */
    static const struct tls_config p256 = {
        .min_version = 0x0303, .max_version = 0x0304, .groups = "P-256"};
    struct peer_spec spec = {.key = MINT_RSA2048, .groups = "P-384", .min_version = 0x0304};
    CU_ASSERT_EQUAL(run_init(&run, &p256, KEY_VIEW_ANY, &spec, 4096), TLS_FAILED);
    CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_TLS_ALERT);
    run_fini(&run);
}

/* The share is X25519's; a server that wants P-384 asks again. */
static void test_hello_retry(void) {
    struct run run;
    struct peer_spec spec = {.key = MINT_P256, .groups = "P-384", .min_version = 0x0304};
    CU_ASSERT_EQUAL(run_init(&run, &modern, KEY_VIEW_ANY, &spec, 4096), TLS_DONE);
    CU_ASSERT_STRING_EQUAL(tls_group_text(run.tls.facts.group), "P-384");
    run_fini(&run);
}

/* What was asked for is what goes out, the first with its share. */
static void test_groups(void) {
    static const char *const refused[] = {"", "P-255", "X25519::P-256", "X25519,P-256"};
    struct tls_config config = modern;
    struct run run;
    struct peer_spec spec = {.key = MINT_P256, .min_version = 0x0304};
    config.groups = "P-384:X25519";
    CU_ASSERT_EQUAL(run_init(&run, &config, KEY_VIEW_ANY, &spec, 4096), TLS_DONE);
    CU_ASSERT_STRING_EQUAL(tls_group_text(run.tls.facts.group), "P-384");
    run_fini(&run);
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        struct tls_context *context = NULL;
        struct err_note note = {0};
        config.groups = refused[i];
        CU_ASSERT_EQUAL(tls_context_new(&config, &context, &note), ERR_USAGE);
        CU_ASSERT_PTR_NULL(context);
        CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "X25519:P-256:P-384:P-521"));
    }
}

/* A HelloRetryRequest whose cookie must be echoed but does not fit (RFC 8446 section 4.2.2). */
static void test_output_overflow(void) {
    enum {
        COOKIE = 4000,
        EXTENSIONS = 6 + 4 + 2 + COOKIE,
        BODY = 2 + 32 + 1 + 2 + 1 + 2 + EXTENSIONS
    };
    static const uint8_t retry_random[32] = {0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11,
                                             0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
                                             0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E,
                                             0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C};
    struct tls_context *client = context_of(&modern);
    struct tls tls;
    CU_ASSERT_TRUE_FATAL(tls_init(&tls, client, KEY_VIEW_ANY, NULL, output));
    /* The session id of our ClientHello stands behind record, message, version and random. */
    uint8_t session_id[32];
    uint8_t session_id_len = output[5 + 4 + 2 + 32];
    CU_ASSERT_TRUE_FATAL(session_id_len <= sizeof session_id);
    memcpy(session_id, output + 5 + 4 + 2 + 32 + 1, session_id_len);
    tls_drained(&tls);
    size_t body_len = BODY + session_id_len, at = 0;
    uint8_t *hello = calloc(1, 9 + body_len);
    uint8_t head[] = {22,
                      3,
                      3,
                      (uint8_t)((body_len + 4) >> 8),
                      (uint8_t)(body_len + 4),
                      2,
                      0,
                      (uint8_t)(body_len >> 8),
                      (uint8_t)body_len,
                      3,
                      3};
    memcpy(hello, head, sizeof head);
    at = sizeof head;
    memcpy(hello + at, retry_random, 32);
    at += 32;
    hello[at++] = session_id_len;
    memcpy(hello + at, session_id, session_id_len);
    at += session_id_len;
    uint8_t tail[] = {0x13,
                      0x01,
                      0,
                      EXTENSIONS >> 8,
                      (uint8_t)EXTENSIONS,
                      0,
                      43,
                      0,
                      2,
                      3,
                      4,
                      0,
                      44,
                      (COOKIE + 2) >> 8,
                      (uint8_t)(COOKIE + 2),
                      COOKIE >> 8,
                      (uint8_t)COOKIE};
    memcpy(hello + at, tail, sizeof tail);
    at += sizeof tail + COOKIE;
    CU_ASSERT_EQUAL(at, 9 + body_len);
    feed_in_chunks(&tls, span_of(hello, 9 + body_len), 4096);
    CU_ASSERT_EQUAL(tls.state, TLS_FAILED);
    CU_ASSERT_EQUAL(tls.outcome, OUTCOME_UNSUPPORTED);
    CU_ASSERT_TRUE(tls.output_len <= SEND_BUFFER_BYTES);
    CU_ASSERT_PTR_NOT_NULL(strstr(tls.facts.error, "2048"));
    tls_fini(&tls);
    free(hello);
    tls_context_free(client);
}

static void test_large_chains(void) {
    static const struct {
        uint32_t extra_certs, padding_len;
        bool fits;
    } rows[] = {
        {CHAIN_CERTS_MAX - 1, 0, true}, {CHAIN_CERTS_MAX, 0, false}, {3, 62 * 1024, true},
        {1, CERT_BYTES_MAX, false},     {5, 60 * 1024, false},       {12, 60 * 1024, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (uint16_t version = 0x0303; version <= 0x0304; version++) {
            struct run run;
            struct peer_spec spec = {.key = MINT_P256,
                                     .min_version = version,
                                     .max_version = version,
                                     .extra_certs = rows[i].extra_certs,
                                     .padding_len = rows[i].padding_len};
            enum tls_state state = run_init(&run, &modern, KEY_VIEW_ANY, &spec, 4096);
            CU_ASSERT_EQUAL(state, rows[i].fits ? TLS_DONE : TLS_FAILED);
            CU_ASSERT_EQUAL(run.tls.outcome,
                            rows[i].fits ? OUTCOME_SUCCESS : OUTCOME_CHAIN_TOO_LARGE);
            if (rows[i].fits) {
                CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
                CU_ASSERT_EQUAL(tls_peer_chain(&run.tls, certs), 1 + rows[i].extra_certs);
            }
            run_fini(&run);
        }
    }
}

/* Well-formed records for ever: the bound on bytes ends it. */
static void test_too_many_bytes(void) {
    struct tls_context *client = context_of(&modern);
    struct tls tls;
    CU_ASSERT_TRUE_FATAL(tls_init(&tls, client, KEY_VIEW_ANY, NULL, output));
    tls_drained(&tls);
    tls.bytes_in = HANDSHAKE_BYTES_MAX - 3;
    CU_ASSERT_EQUAL(tls_feed(&tls, span_of("\x16\x03\x03", 3)), TLS_WANTS_READ);
    CU_ASSERT_EQUAL(tls_feed(&tls, span_of("\x00", 1)), TLS_FAILED);
    CU_ASSERT_EQUAL(tls.outcome, OUTCOME_PROTOCOL_ERROR);
    tls_fini(&tls);
    tls_context_free(client);
}

static void test_texts(void) {
    uint16_t version = 0;
    static const struct {
        const char *text;
        uint16_t version;
    } rows[] = {{"1.2", 0x0303},
                {"TLSv1.3", 0x0304},
                {"tls1.0", 0x0301},
                {"TLSv1", 0x0301},
                {"1.1", 0x0302}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        CU_ASSERT_TRUE(tls_version_from_text(span_str(rows[i].text), &version));
        CU_ASSERT_EQUAL(version, rows[i].version);
        CU_ASSERT_TRUE(
            tls_version_from_text(span_str(tls_version_text(rows[i].version)), &version));
        CU_ASSERT_EQUAL(version, rows[i].version);
    }
    version = 7;
    static const char *const bad[] = {"", "1.4", "2", "tls", "1.2 ", "ssl3", "11", "1.22", "tlsv"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        CU_ASSERT_FALSE(tls_version_from_text(span_str(bad[i]), &version));
        CU_ASSERT_EQUAL(version, 7);
    }
    for (int i = 0; i < KEY_VIEW_COUNT; i++) {
        enum key_view view = KEY_VIEW_COUNT;
        CU_ASSERT_TRUE(key_view_from_text(span_str(key_view_text((enum key_view)i)), &view));
        CU_ASSERT_EQUAL(view, (enum key_view)i);
    }
    enum key_view view;
    CU_ASSERT_FALSE(key_view_from_text(span_str("RSA"), &view));
    CU_ASSERT_STRING_EQUAL(tls_version_text(0), "");
    CU_ASSERT_STRING_EQUAL(tls_cipher_text(0), "");
    CU_ASSERT_STRING_EQUAL(tls_group_text(0), "");
    CU_ASSERT_STRING_EQUAL(tls_cipher_text(0x1301), "TLS_AES_128_GCM_SHA256");
    CU_ASSERT_STRING_EQUAL(tls_cipher_text(0xABCD), "0xABCD");
    CU_ASSERT_STRING_EQUAL(tls_group_text(29), "X25519");
    CU_ASSERT_STRING_EQUAL(tls_group_text(0x1234), "0x1234");
    CU_ASSERT_STRING_EQUAL(tls_alert_text(112), "unrecognized_name");
    CU_ASSERT_STRING_EQUAL(tls_alert_text(200), "unknown");
    CU_ASSERT_STRING_EQUAL(depth_text(DEPTH_PROVE), "prove");
    CU_ASSERT_STRING_EQUAL(proof_text(PROOF_POSSESSION), "possession");
}

static void test_versions_refused(void) {
    struct tls_context *context;
    struct err_note note;
    struct tls_config upside_down = {.min_version = 0x0304, .max_version = 0x0303};
    CU_ASSERT_EQUAL(tls_context_new(&upside_down, &context, &note), ERR_USAGE);
    struct tls_config too_old = {.min_version = 0x0300, .max_version = 0x0303};
    CU_ASSERT_EQUAL(tls_context_new(&too_old, &context, &note), ERR_USAGE);
}

SUITE_MAIN("tls", {"every key type", test_every_key_type}, {"chunks", test_chunks},
           {"old versions", test_old_versions}, {"SHA-1", test_sha1},
           {"static RSA", test_static_rsa}, {"key views", test_key_views},
           {"client certificate", test_client_certificate}, {"ALPN and SNI", test_alpn_and_sni},
           {"truncation", test_truncation}, {"flipped bytes", test_flipped_bytes},
           {"not TLS", test_not_tls}, {"alerts", test_alerts},
           {"broken records", test_broken_records}, {"unsupported", test_unsupported},
           {"hello retry", test_hello_retry}, {"groups", test_groups},
           {"output overflow", test_output_overflow}, {"large chains", test_large_chains},
           {"too many bytes", test_too_many_bytes}, {"texts", test_texts},
           {"versions refused", test_versions_refused})
