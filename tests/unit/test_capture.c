#include "engine/net/capture.h"

#include <openssl/err.h>
#include <openssl/hkdf.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "engine/net/capture_internal.h"
#include "engine/net/tls_internal.h"
#include "tests/support/peer.h"
#include "tests/support/suite.h"

#define FLIGHT_MAX (1024 * 1024)
#define NOW_NS UINT64_C(5000000000)

static uint8_t flight[FLIGHT_MAX];
static uint8_t output[SEND_BUFFER_BYTES];

static const struct tls_config modern = {.min_version = 0x0303, .max_version = 0x0304};
static const struct tls_config legacy = {.min_version = 0x0301, .max_version = 0x0304};
static const enum depth depths[] = {DEPTH_CAPTURE, DEPTH_PROVE};

/* X25519MLKEM768 and X25519 with a share each, where the library has both. */
static const struct tls_config hybrid = {
    .min_version = 0x0303, .max_version = 0x0304, .groups = "X25519MLKEM768:X25519:P-256:P-384"};

static bool has_hybrid(void) {
    struct tls_context *context = NULL;
    struct err_note note;
    enum err err = tls_context_new(&hybrid, &context, &note);
    tls_context_free(context);
    return err == ERR_NONE;
}

static struct tls_context *context_of(const struct tls_config *config) {
    struct tls_context *context = NULL;
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(tls_context_new(config, &context, &note), ERR_NONE);
    return context;
}

static void derive_if_wanted(struct tls *tls) {
    if (tls->state == TLS_WANTS_SECRET) {
        capture_derive((struct tls *const[]){tls}, 1);
    }
}

static enum tls_state feed_in_chunks(struct tls *tls, struct span bytes, size_t chunk) {
    while (bytes.len > 0) {
        /* An exact copy, so that the sanitizer sees a read past the end. */
        struct span taken = span_take(&bytes, chunk);
        uint8_t *copy = malloc(taken.len);
        memcpy(copy, taken.data, taken.len);
        tls_feed(tls, span_of(copy, taken.len));
        free(copy);
        derive_if_wanted(tls);
    }
    return tls->state;
}

struct run {
    struct tls tls;
    struct tls_context *client;
    SSL_CTX *server;
    struct peer peer;
    size_t flight_len; /* what the server answered, in `flight` */
};

static void run_start(struct run *run, const struct tls_config *config, enum key_view view,
                      enum depth depth, const struct peer_spec *spec) {
    *run = (struct run){.client = context_of(config), .server = peer_context_new(spec)};
    CU_ASSERT_TRUE_FATAL(capture_can(run->client, view));
    CU_ASSERT_TRUE_FATAL(
        capture_init(&run->tls, run->client, view, "peer.example", depth, output, NOW_NS));
}

/* The server's answer to the ClientHello. */
static void run_exchange(struct run *run) {
    peer_init(&run->peer, run->server);
    run->flight_len = peer_feed(&run->peer, tls_output(&run->tls), flight, sizeof flight);
    tls_drained(&run->tls);
}

static enum tls_state run_init(struct run *run, const struct tls_config *config, enum key_view view,
                               enum depth depth, const struct peer_spec *spec, size_t chunk) {
    run_start(run, config, view, depth, spec);
    run_exchange(run);
    return feed_in_chunks(&run->tls, span_of(flight, run->flight_len), chunk);
}

static void run_fini(struct run *run) {
    CU_ASSERT_EQUAL(ERR_peek_error(), 0);
    CU_ASSERT_EQUAL(run->tls.output_len, 0);
    tls_fini(&run->tls);
    tls_fini(&run->tls);
    peer_fini(&run->peer);
    SSL_CTX_free(run->server);
    tls_context_free(run->client);
}

/* --- the ClientHello --- */

static void blank(struct hello *hello, uint8_t *record) {
    memset(record + 5 + 6, 0, HELLO_RANDOM_LEN);
    if (record[5 + hello->session_id_at] != 0) {
        memset(record + 5 + hello->session_id_at + 1, 0, 32);
    }
}

static void blank_share(struct hello *hello, uint8_t *record, size_t len) {
    /* Found by the entry before it: group 29 and the length. */
    for (size_t i = 0; hello->share_at != 0 && i + 4 + 32 <= len; i++) {
        if (memcmp(record + i, "\x00\x1d\x00\x20", 4) == 0) {
            memset(record + i + 4, 0, 32);
        }
    }
    for (size_t i = 0; hello->mlkem_at != 0 && i + 4 + 1216 <= len; i++) {
        if (memcmp(record + i, "\x11\xec\x04\xc0", 4) == 0) {
            memset(record + i + 4, 0, 1216);
        }
    }
}

/* Ours and the SSL object's, byte by byte, but for randoms. */
static void test_hello_is_the_librarys(void) {
    const struct tls_config configs[] = {
        {.min_version = 0x0303, .max_version = 0x0304},
        {.min_version = 0x0303, .max_version = 0x0303},
        {.min_version = 0x0304, .max_version = 0x0304},
        {.min_version = 0x0301, .max_version = 0x0304, .alpn = "h2,http/1.1"},
        {.min_version = 0x0303, .max_version = 0x0304, .groups = "X25519"},
        hybrid,
    };
    size_t count = ARRAY_COUNT(configs) - !has_hybrid();
    for (size_t c = 0; c < count; c++) {
        struct tls_context *context = context_of(&configs[c]);
        for (size_t view = 0; view < KEY_VIEW_COUNT; view++) {
            for (size_t len = 0; len <= 255; len++) {
                char sni[256];
                uint8_t theirs[SEND_BUFFER_BYTES];
                struct tls tls;
                struct hello *hello = &context->capture->hellos[view];
                memset(sni, 'a', len);
                sni[len] = '\0';
                CU_ASSERT_TRUE_FATAL(tls_init(&tls, context, (enum key_view)view, sni, theirs));
                size_t theirs_len = tls.output_len;
                tls_fini(&tls);
                CU_ASSERT_TRUE_FATAL(capture_init(&tls, context, (enum key_view)view, sni,
                                                  DEPTH_CAPTURE, output, NOW_NS));
                CU_ASSERT_EQUAL_FATAL(tls.output_len, theirs_len);
                blank(hello, theirs);
                blank(hello, output);
                blank_share(hello, theirs, theirs_len);
                blank_share(hello, output, theirs_len);
                CU_ASSERT_EQUAL(memcmp(theirs, output, theirs_len), 0);
                tls_fini(&tls);
            }
        }
        tls_context_free(context);
    }
}

static void test_hello_bounds(void) {
    struct tls_context *context = context_of(&modern);
    struct tls tls;
    char sni[300];
    memset(sni, 'a', sizeof sni);
    sni[256] = '\0';
    CU_ASSERT_FALSE(capture_init(&tls, context, KEY_VIEW_ANY, sni, DEPTH_CAPTURE, output, NOW_NS));
    CU_ASSERT_EQUAL(tls.state, TLS_FAILED);
    CU_ASSERT_EQUAL(tls.outcome, OUTCOME_RESOURCE_ERROR);
    CU_ASSERT_FALSE(tls.fallback);
    /* Truncated at every byte, and with one more, nothing is learnt. */
    CU_ASSERT_TRUE_FATAL(tls_init(&tls, context, KEY_VIEW_ANY, NULL, output));
    size_t len = tls.output_len;
    tls_fini(&tls);
    for (size_t cut = 0; cut <= len + 1; cut++) {
        struct hello *hello = malloc(sizeof *hello);
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, output, cut);
        CU_ASSERT_EQUAL(hello_learn(hello, span_of(copy, cut)), cut == len);
        free(copy);
        free(hello);
    }
    tls_context_free(context);
    /* What only the SSL object can do. */
    static const struct tls_config old = {.min_version = 0x0301, .max_version = 0x0302};
    context = context_of(&old);
    CU_ASSERT_FALSE(capture_can(context, KEY_VIEW_ANY));
    tls_context_free(context);
}

/* --- what usual servers do --- */

/* The chain and the facts of depth complete on the same server. */
static void check_against_complete(const struct run *run) {
    uint8_t buffer[SEND_BUFFER_BYTES];
    static uint8_t answer[FLIGHT_MAX];
    struct peer peer;
    struct tls tls;
    peer_init(&peer, run->server);
    CU_ASSERT_TRUE_FATAL(tls_init(&tls, run->client, run->tls.key_view, "peer.example", buffer));
    for (int round = 0; round < 8 && tls.state == TLS_WANTS_READ; round++) {
        size_t len = peer_feed(&peer, tls_output(&tls), answer, sizeof answer);
        tls_drained(&tls);
        tls_feed(&tls, span_of(answer, len));
    }
    CU_ASSERT_EQUAL_FATAL(tls.state, TLS_DONE);
    CRYPTO_BUFFER *theirs[CHAIN_CERTS_MAX], *ours[CHAIN_CERTS_MAX];
    size_t count = tls_peer_chain(&tls, theirs);
    CU_ASSERT_EQUAL_FATAL(tls_peer_chain(&run->tls, ours), count);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_TRUE(
            span_equal(span_of(CRYPTO_BUFFER_data(theirs[i]), CRYPTO_BUFFER_len(theirs[i])),
                       span_of(CRYPTO_BUFFER_data(ours[i]), CRYPTO_BUFFER_len(ours[i]))));
    }
    const struct tls_facts *expected = &tls.facts, *got = &run->tls.facts;
    CU_ASSERT_EQUAL(got->version, expected->version);
    CU_ASSERT_EQUAL(got->cipher, expected->cipher);
    CU_ASSERT_STRING_EQUAL(got->alpn, expected->alpn);
    CU_ASSERT_STRING_EQUAL(got->error, "");
    CU_ASSERT_EQUAL(got->alert, -1);
    if (got->version == 0x0304 || got->depth == DEPTH_PROVE) {
        CU_ASSERT_EQUAL(got->group, expected->group);
        CU_ASSERT_EQUAL(got->client_cert_requested, expected->client_cert_requested);
    }
    CU_ASSERT_EQUAL(got->peer_signature, got->depth == DEPTH_PROVE ? expected->peer_signature : 0);
    tls_fini(&tls);
    peer_fini(&peer);
}

static void check_success(const struct run *run, enum depth depth) {
    CU_ASSERT_EQUAL_FATAL(run->tls.state, TLS_DONE);
    CU_ASSERT_EQUAL(run->tls.outcome, OUTCOME_SUCCESS);
    CU_ASSERT_FALSE(run->tls.fallback);
    CU_ASSERT_EQUAL(run->tls.facts.depth, depth);
    CU_ASSERT_EQUAL(run->tls.facts.proof, depth == DEPTH_PROVE ? PROOF_POSSESSION : PROOF_NONE);
    CU_ASSERT_EQUAL(run->tls.output_len, 0);
    check_against_complete(run);
}

static void test_every_key_type(void) {
    static const enum mint_key kinds[] = {MINT_P256,    MINT_P384,    MINT_P521,
                                          MINT_RSA2048, MINT_RSA3072, MINT_ED25519};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        for (uint16_t version = 0x0303; version <= 0x0304; version++) {
            for (size_t d = 0; d < ARRAY_COUNT(depths); d++) {
                struct run run;
                struct peer_spec spec = {.key = kinds[i],
                                         .min_version = version,
                                         .max_version = version,
                                         .extra_certs = 1};
                run_init(&run, &modern, KEY_VIEW_ANY, depths[d], &spec, SIZE_MAX);
                check_success(&run, depths[d]);
                CU_ASSERT_STRING_EQUAL(run.peer.sni, "peer.example");
                /* What follows is ignored. */
                CU_ASSERT_EQUAL(tls_feed(&run.tls, span_str("more")), TLS_DONE);
                CU_ASSERT_EQUAL(tls_feed_eof(&run.tls), TLS_DONE);
                run_fini(&run);
            }
        }
    }
}

/* The one suite or signature scheme that the template offers. */
static void offer_only(struct hello *hello, size_t list_at, uint16_t value) {
    size_t len = (size_t)hello->bytes[list_at] << 8 | hello->bytes[list_at + 1];
    for (size_t i = 0; i < len; i += 2) {
        hello->bytes[list_at + 2 + i] = (uint8_t)(value >> 8);
        hello->bytes[list_at + 3 + i] = (uint8_t)value;
    }
}

static void test_every_suite_of_13(void) {
    for (uint16_t suite = 0x1301; suite <= 0x1303; suite++) {
        for (size_t d = 0; d < ARRAY_COUNT(depths); d++) {
            for (size_t chunk = 1; chunk < 10000; chunk *= 7) {
                struct run run;
                struct peer_spec spec = {.key = MINT_P256, .extra_certs = 1};
                run =
                    (struct run){.client = context_of(&modern), .server = peer_context_new(&spec)};
                struct hello *hello = &run.client->capture->hellos[KEY_VIEW_ANY];
                offer_only(hello, hello->ciphers_at, suite);
                CU_ASSERT_TRUE_FATAL(capture_init(&run.tls, run.client, KEY_VIEW_ANY,
                                                  "peer.example", depths[d], output, NOW_NS));
                run_exchange(&run);
                CU_ASSERT_EQUAL(feed_in_chunks(&run.tls, span_of(flight, run.flight_len), chunk),
                                TLS_DONE);
                CU_ASSERT_EQUAL(run.tls.facts.cipher, suite);
                CU_ASSERT_FALSE(run.tls.fallback);
                run_fini(&run);
            }
        }
    }
}

static void test_suites_and_schemes_of_12(void) {
    static const struct {
        enum mint_key key;
        const char *ciphers;
        uint16_t signature;
    } rows[] = {
        {MINT_P256, "ECDHE-ECDSA-AES128-GCM-SHA256", 0},
        {MINT_P256, "ECDHE-ECDSA-AES256-GCM-SHA384", SSL_SIGN_ECDSA_SECP384R1_SHA384},
        {MINT_P384, "ECDHE-ECDSA-CHACHA20-POLY1305", SSL_SIGN_ECDSA_SECP256R1_SHA256},
        {MINT_P521, "ECDHE-ECDSA-AES128-SHA", SSL_SIGN_ECDSA_SECP521R1_SHA512},
        {MINT_ED25519, "ECDHE-ECDSA-AES256-SHA", 0},
        {MINT_RSA2048, "ECDHE-RSA-AES128-GCM-SHA256", SSL_SIGN_RSA_PKCS1_SHA256},
        {MINT_RSA2048, "ECDHE-RSA-AES256-GCM-SHA384", SSL_SIGN_RSA_PKCS1_SHA512},
        {MINT_RSA2048, "ECDHE-RSA-CHACHA20-POLY1305", SSL_SIGN_RSA_PSS_RSAE_SHA256},
        {MINT_RSA3072, "ECDHE-RSA-AES128-SHA", SSL_SIGN_RSA_PSS_RSAE_SHA512},
        {MINT_RSA3072, "ECDHE-RSA-AES256-SHA", SSL_SIGN_RSA_PKCS1_SHA384},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct run run;
        struct peer_spec spec = {.key = rows[i].key,
                                 .max_version = 0x0303,
                                 .ciphers = rows[i].ciphers,
                                 .signature = rows[i].signature};
        for (size_t d = 0; d < ARRAY_COUNT(depths); d++) {
            run_init(&run, &modern, KEY_VIEW_ANY, depths[d], &spec, SIZE_MAX);
            /* The peer's own version range ends at 1.2, so it does not claim a downgrade. */
            check_success(&run, depths[d]);
            run_fini(&run);
        }
    }
}

static void test_groups_of_12(void) {
    static const char *const groups[] = {"X25519", "P-256", "P-384", "P-521"};
    static const uint16_t ids[] = {29, 23, 24, 25};
    for (size_t i = 0; i < ARRAY_COUNT(groups); i++) {
        struct run run;
        struct peer_spec spec = {.key = MINT_P256, .max_version = 0x0303, .groups = groups[i]};
        run_init(&run, &modern, KEY_VIEW_ANY, DEPTH_PROVE, &spec, SIZE_MAX);
        if (i > 0 || run.tls.state == TLS_DONE) { /* P-256 must be there for the leaf */
            check_success(&run, DEPTH_PROVE);
            CU_ASSERT_EQUAL(run.tls.facts.group, ids[i]);
        }
        run_fini(&run);
    }
}

static void test_schemes_of_13(void) {
    static const uint16_t schemes[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384,
                                       SSL_SIGN_RSA_PSS_RSAE_SHA512};
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        struct run run;
        struct peer_spec spec = {.key = MINT_RSA2048, .signature = schemes[i]};
        run_init(&run, &modern, KEY_VIEW_RSA, DEPTH_PROVE, &spec, SIZE_MAX);
        check_success(&run, DEPTH_PROVE);
        CU_ASSERT_EQUAL(run.tls.facts.peer_signature, schemes[i]);
        run_fini(&run);
    }
}

static void test_chunks(void) {
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        for (size_t chunk = 1; chunk < 5000; chunk += chunk < 12 ? 1 : chunk / 3) {
            struct run run;
            struct peer_spec spec = {.key = MINT_RSA2048,
                                     .min_version = version,
                                     .max_version = version,
                                     .extra_certs = 3,
                                     .padding_len = 7000};
            run_init(&run, &modern, KEY_VIEW_ANY, DEPTH_PROVE, &spec, chunk);
            CU_ASSERT_EQUAL(run.tls.state, TLS_DONE);
            CU_ASSERT_EQUAL(run.tls.facts.proof, PROOF_POSSESSION);
            run_fini(&run);
        }
    }
}

/* Every message in records of a few bytes, and all in one where the version allows it. */
static size_t cut_records(const uint8_t *in, size_t len, size_t piece, uint8_t *out) {
    size_t out_len = 0;
    for (size_t at = 0; at < len;) {
        size_t body_len = (size_t)in[at + 3] << 8 | in[at + 4];
        for (size_t done = 0; done < body_len; done += piece) {
            size_t part = body_len - done < piece ? body_len - done : piece;
            memcpy(out + out_len, in + at, 3);
            out[out_len + 3] = (uint8_t)(part >> 8);
            out[out_len + 4] = (uint8_t)part;
            memcpy(out + out_len + 5, in + at + 5 + done, part);
            out_len += 5 + part;
        }
        at += 5 + body_len;
    }
    return out_len;
}

static void test_records_of_any_size(void) {
    static uint8_t cut[FLIGHT_MAX];
    for (size_t piece = 1; piece < 3000; piece = piece * 2 + 1) {
        struct run run;
        struct peer_spec spec = {.key = MINT_P256, .max_version = 0x0303, .extra_certs = 1};
        run_start(&run, &modern, KEY_VIEW_ANY, DEPTH_PROVE, &spec);
        run_exchange(&run);
        size_t len = cut_records(flight, run.flight_len, piece, cut);
        CU_ASSERT_EQUAL(feed_in_chunks(&run.tls, span_of(cut, len), 1000), TLS_DONE);
        run_fini(&run);
    }
}

static void test_client_certificate_and_alpn(void) {
    static const struct tls_config config = {
        .min_version = 0x0303, .max_version = 0x0304, .alpn = "h2,http/1.1"};
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        struct run run;
        struct peer_spec spec = {.key = MINT_P256,
                                 .min_version = version,
                                 .max_version = version,
                                 .alpn = "http/1.1",
                                 .needs_client_certificate = true};
        run_init(&run, &config, KEY_VIEW_ANY, DEPTH_PROVE, &spec, SIZE_MAX);
        CU_ASSERT_EQUAL(run.tls.state, TLS_DONE);
        CU_ASSERT_TRUE(run.tls.facts.client_cert_requested);
        CU_ASSERT_STRING_EQUAL(run.tls.facts.alpn, "http/1.1");
        run_fini(&run);
    }
}

/* --- many together --- */

#define MANY 21

static void test_batches(void) {
    struct peer_spec spec = {.key = MINT_P256, .extra_certs = 1};
    struct tls_context *client = context_of(&modern);
    SSL_CTX *server = peer_context_new(&spec);
    static uint8_t outputs[MANY][SEND_BUFFER_BYTES];
    static struct tls all[MANY];
    struct tls *waiting[MANY];
    struct peer peers[MANY];
    for (size_t count = 1; count <= MANY; count++) {
        for (size_t i = 0; i < count; i++) {
            if (i == count / 2 &&
                client->capture->share != NULL) { /* another share in the middle of the batch */
                client->capture->share->uses = CAPTURE_SHARE_USES_MAX;
            }
            peer_init(&peers[i], server);
            waiting[i] = &all[i];
            CU_ASSERT_TRUE_FATAL(
                capture_init(&all[i], client, KEY_VIEW_ANY, NULL, DEPTH_PROVE, outputs[i], NOW_NS));
            size_t len = peer_feed(&peers[i], tls_output(&all[i]), flight, sizeof flight);
            CU_ASSERT_EQUAL(tls_feed(&all[i], span_of(flight, len)), TLS_WANTS_SECRET);
            CU_ASSERT_EQUAL(tls_feed(&all[i], span_str("ignored")), TLS_WANTS_SECRET);
        }
        capture_derive(waiting, count);
        for (size_t i = 0; i < count; i++) {
            CU_ASSERT_EQUAL(all[i].state, TLS_DONE);
            CU_ASSERT_EQUAL(all[i].outcome, OUTCOME_SUCCESS);
            tls_fini(&all[i]);
            peer_fini(&peers[i]);
        }
    }
    SSL_CTX_free(server);
    tls_context_free(client);
}

/* Connections reserve no more than this for each. */
static void test_output_max(void) {
    struct tls_context *client = context_of(&modern);
    size_t max = capture_output_max(client), longest = 0;
    CU_ASSERT_TRUE(max > 0 && max < SEND_BUFFER_BYTES / 2);
    for (int view = 0; view < KEY_VIEW_COUNT; view++) {
        for (size_t len = 0; len <= 255; len++) {
            char name[256];
            struct tls tls;
            memset(name, 'n', len);
            name[len] = '\0';
            CU_ASSERT_TRUE_FATAL(capture_init(&tls, client, (enum key_view)view, name,
                                              DEPTH_CAPTURE, output, NOW_NS));
            longest = tls.output_len > longest ? tls.output_len : longest;
            tls_fini(&tls);
        }
    }
    CU_ASSERT_TRUE(longest <= max);
    CU_ASSERT_TRUE(max - longest < 16);
    tls_context_free(client);
}

static void test_shares_are_renewed(void) {
    struct tls_context *client = context_of(&modern);
    struct tls first, other;
    uint8_t mine[SEND_BUFFER_BYTES];
    CU_ASSERT_TRUE(capture_init(&first, client, KEY_VIEW_ANY, NULL, DEPTH_PROVE, output, NOW_NS));
    CU_ASSERT_TRUE(capture_init(&other, client, KEY_VIEW_RSA, NULL, DEPTH_PROVE, mine,
                                NOW_NS + CAPTURE_SHARE_NS - 1));
    CU_ASSERT_PTR_EQUAL(first.capture->share, other.capture->share);
    CU_ASSERT_NOT_EQUAL(memcmp(output + 11, mine + 11, HELLO_RANDOM_LEN), 0);
    tls_fini(&other);
    CU_ASSERT_TRUE(capture_init(&other, client, KEY_VIEW_RSA, NULL, DEPTH_PROVE, mine,
                                NOW_NS + CAPTURE_SHARE_NS));
    CU_ASSERT_PTR_NOT_EQUAL(first.capture->share, other.capture->share);
    CU_ASSERT_NOT_EQUAL(
        memcmp(first.capture->share->public_key, other.capture->share->public_key, 32), 0);
    tls_fini(&first);
    tls_fini(&other);
    tls_context_free(client);
}

/* --- groups --- */

static void check_hybrid(enum depth depth) {
    static const struct {
        const char *groups;
        uint16_t chosen; /* 0: none that the fast flight can do */
    } rows[] = {{"X25519MLKEM768", 0x11EC}, {"X25519", 29}, {"P-384", 0}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct run run;
        struct peer_spec spec = {.key = MINT_P256, .min_version = 0x0304, .groups = rows[i].groups};
        run_init(&run, &hybrid, KEY_VIEW_ANY, depth, &spec, 1000);
        if (rows[i].chosen != 0) {
            check_success(&run, depth);
            CU_ASSERT_EQUAL(run.tls.facts.group, rows[i].chosen);
        } else {
            CU_ASSERT_TRUE(run.tls.fallback);
        }
        run_fini(&run);
    }
}

/* A changed ciphertext opens to another secret, which opens no record. */
static void check_hybrid_tampered(void) {
    struct run run;
    struct peer_spec spec = {.key = MINT_P256, .min_version = 0x0304, .groups = "X25519MLKEM768"};
    run_start(&run, &hybrid, KEY_VIEW_ANY, DEPTH_PROVE, &spec);
    run_exchange(&run);
    size_t at = 0;
    while (at + 4 < run.flight_len && memcmp(flight + at, "\x11\xec\x04\x60", 4) != 0) {
        at++;
    }
    CU_ASSERT_TRUE_FATAL(at + 4 + 1120 < run.flight_len);
    flight[at + 4 + 17] ^= 1;
    feed_in_chunks(&run.tls, span_of(flight, run.flight_len), SIZE_MAX);
    CU_ASSERT_EQUAL(run.tls.state, TLS_FAILED);
    CU_ASSERT_TRUE(run.tls.fallback);
    run_fini(&run);
}

static void test_hybrid_share(void) {
    if (!has_hybrid()) {
        suite_skip("this BoringSSL has no X25519MLKEM768");
        return;
    }
    check_hybrid(DEPTH_CAPTURE);
    check_hybrid(DEPTH_PROVE);
    check_hybrid_tampered();
    /* Both halves are made anew with the share. */
    struct tls_context *client = context_of(&hybrid);
    uint8_t first[MLKEM_PUBLIC_LEN] = {0};
    struct tls tls;
    for (int turn = 0; turn < 2; turn++) {
        CU_ASSERT_TRUE_FATAL(capture_init(&tls, client, KEY_VIEW_ANY, NULL, DEPTH_PROVE, output,
                                          NOW_NS + (uint64_t)turn * CAPTURE_SHARE_NS));
        const uint8_t *sent = output + 5 + tls.capture->hello->mlkem_at;
        CU_ASSERT_EQUAL(memcmp(sent, mlkem_public(tls.capture->share->mlkem), sizeof first), 0);
        CU_ASSERT_EQUAL(memcmp(sent + MLKEM_PUBLIC_LEN, tls.capture->share->public_key, 32), 0);
        CU_ASSERT_EQUAL(memcmp(sent, first, sizeof first) == 0, false);
        memcpy(first, sent, sizeof first);
        tls_fini(&tls);
    }
    tls_context_free(client);
}

/* A share of a group that we cannot answer for would be the template's for ever. */
static void test_other_first_group(void) {
    static const struct tls_config config = {
        .min_version = 0x0303, .max_version = 0x0304, .groups = "P-256:X25519"};
    static const struct tls_config old = {
        .min_version = 0x0303, .max_version = 0x0303, .groups = "P-256:X25519"};
    struct tls_context *client = context_of(&config);
    CU_ASSERT_FALSE(capture_can(client, KEY_VIEW_ANY));
    tls_context_free(client);
    client = context_of(&old); /* TLS 1.2 sends no share */
    CU_ASSERT_TRUE(capture_can(client, KEY_VIEW_ANY));
    tls_context_free(client);
}

/* --- what is unusual --- */

static void test_fallbacks(void) {
    static const struct {
        const char *what;
        struct peer_spec spec;
        bool capture, prove; /* falls back */
    } rows[] = {
        {"HelloRetryRequest",
         {.key = MINT_P256, .groups = "P-256", .min_version = 0x0304},
         true,
         true},
        {"TLS 1.0",
         {.key = MINT_RSA2048, .min_version = 0x0301, .max_version = 0x0301},
         true,
         true},
        {"TLS 1.1",
         {.key = MINT_RSA2048, .min_version = 0x0302, .max_version = 0x0302},
         true,
         true},
        {"static RSA",
         {.key = MINT_RSA2048, .max_version = 0x0303, .ciphers = "AES128-SHA"},
         false,
         true},
        {"RSA with SHA-1",
         {.key = MINT_RSA2048,
          .max_version = 0x0303,
          .ciphers = "ECDHE-RSA-AES128-SHA",
          .signature = SSL_SIGN_RSA_PKCS1_SHA1},
         false,
         true},
        {"ECDSA with SHA-1",
         {.key = MINT_P256,
          .max_version = 0x0303,
          .ciphers = "ECDHE-ECDSA-AES128-SHA",
          .signature = SSL_SIGN_ECDSA_SHA1},
         false,
         true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (size_t d = 0; d < ARRAY_COUNT(depths); d++) {
            struct run run;
            bool falls_back = depths[d] == DEPTH_PROVE ? rows[i].prove : rows[i].capture;
            run_init(&run, &legacy, KEY_VIEW_ANY, depths[d], &rows[i].spec, SIZE_MAX);
            CU_ASSERT_EQUAL(run.tls.fallback, falls_back);
            CU_ASSERT_EQUAL(run.tls.state, falls_back ? TLS_FAILED : TLS_DONE);
            run_fini(&run);
        }
    }
}

static void test_outcomes_as_ever(void) {
    struct run run;
    /* No certificate of the asked type: an alert. */
    struct peer_spec rsa = {.key = MINT_RSA2048, .max_version = 0x0303};
    run_init(&run, &modern, KEY_VIEW_ECDSA, DEPTH_CAPTURE, &rsa, SIZE_MAX);
    CU_ASSERT_EQUAL(run.tls.state, TLS_FAILED);
    CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_NOT_OFFERED);
    CU_ASSERT_FALSE(run.tls.fallback);
    CU_ASSERT_EQUAL(run.tls.facts.alert, 40);
    run_fini(&run);
    /* More certificates than we take. */
    struct peer_spec many = {.key = MINT_P256, .extra_certs = CHAIN_CERTS_MAX};
    run_init(&run, &modern, KEY_VIEW_ANY, DEPTH_CAPTURE, &many, SIZE_MAX);
    CU_ASSERT_EQUAL(run.tls.outcome, OUTCOME_CHAIN_TOO_LARGE);
    CU_ASSERT_FALSE(run.tls.fallback);
    run_fini(&run);
    struct {
        const char *bytes;
        size_t len;
        enum outcome outcome;
        bool fallback;
    } rows[] = {
        {"HTTP/1.1 400 Bad Request", 24, OUTCOME_NOT_TLS, false},
        {"\x15\x03\x03\x00\x02\x02\x28", 7, OUTCOME_TLS_ALERT, false},
        {"\x15\x03\x03\x00\x02\x01\x00", 7, OUTCOME_TLS_ALERT, false},
        {"\x15\x03\x03\x00\x02\x01\x70", 7, OUTCOME_CONNECTION_CLOSED, false},
        {"\x15\x03\x03\x00\x03\x02\x28\x28", 8, OUTCOME_UNSUPPORTED, true},
        {"\x16\x03\x03\x00\x00", 5, OUTCOME_UNSUPPORTED, true},
        {"\x14\x03\x03\x00\x01\x01", 6, OUTCOME_UNSUPPORTED, true},
        {"\x17\x03\x03\x00\x01\x01", 6, OUTCOME_UNSUPPORTED, true},
        {"\x16\x03\x03\xff\xff", 5, OUTCOME_UNSUPPORTED, true},
        {"\x16\x03\x03\x00\x04\x02\xff\xff\xff", 9, OUTCOME_UNSUPPORTED, true},
        {"\x16\x03\x03\x00\x04\x0b\x00\x00\x00", 9, OUTCOME_UNSUPPORTED, true},
        {"\x16\x03", 2, OUTCOME_CONNECTION_CLOSED, false},
        {"", 0, OUTCOME_CONNECTION_CLOSED, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct tls_context *client = context_of(&modern);
        struct tls tls;
        CU_ASSERT_TRUE(capture_init(&tls, client, KEY_VIEW_ANY, NULL, DEPTH_PROVE, output, NOW_NS));
        feed_in_chunks(&tls, span_of(rows[i].bytes, rows[i].len), 3);
        tls_feed_eof(&tls);
        CU_ASSERT_EQUAL(tls.state, TLS_FAILED);
        CU_ASSERT_EQUAL(tls.outcome, rows[i].outcome);
        CU_ASSERT_EQUAL(tls.fallback, rows[i].fallback);
        CU_ASSERT_NOT_EQUAL(tls.facts.error[0], '\0');
        tls_fini(&tls);
        tls_context_free(client);
    }
}

/* --- tampering --- */

/* A run whose ClientHello and flight stay, so that any number of captures can be fed variants. */
struct tamper {
    struct run run;
    enum depth depth;
    uint8_t hello[SEND_BUFFER_BYTES];
};

static void tamper_init(struct tamper *tamper, enum mint_key key, uint16_t version,
                        enum depth depth) {
    struct peer_spec spec = {
        .key = key, .min_version = version, .max_version = version, .extra_certs = 1};
    tamper->depth = depth;
    run_start(&tamper->run, &modern, KEY_VIEW_ANY, depth, &spec);
    memcpy(tamper->hello, output, sizeof output);
    run_exchange(&tamper->run);
}

/* Feeds the bytes to a fresh capture that has sent the same ClientHello. */
static void tamper_feed(struct tamper *tamper, struct span bytes) {
    struct tls *tls = &tamper->run.tls;
    tls_fini(tls);
    CU_ASSERT_TRUE_FATAL(capture_init(tls, tamper->run.client, KEY_VIEW_ANY, "peer.example",
                                      tamper->depth, output, NOW_NS));
    memcpy(output, tamper->hello, sizeof output);
    tls_drained(tls);
    tls_feed(tls, bytes);
    derive_if_wanted(tls);
}

/* Where the header of a record that no key protects holds the minor version, which nobody checks
   or covers. */
static bool is_minor_version(size_t wanted, size_t flight_len) {
    for (size_t at = 0; at + 5 <= flight_len;) {
        size_t len = (size_t)flight[at + 3] << 8 | flight[at + 4];
        if (at + 2 == wanted && flight[at] != 0x17) {
            return true;
        }
        at += 5 + len;
    }
    return false;
}

static void test_every_byte_of_a_sealed_flight(void) {
    static const enum mint_key kinds[] = {MINT_P256, MINT_RSA2048};
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
        struct tamper tamper;
        tamper_init(&tamper, kinds[k], 0x0304, DEPTH_PROVE);
        size_t len = tamper.run.flight_len;
        tamper_feed(&tamper, span_of(flight, len));
        CU_ASSERT_EQUAL_FATAL(tamper.run.tls.state, TLS_DONE);
        for (size_t i = 0; i < len; i++) {
            flight[i] ^= 1;
            tamper_feed(&tamper, span_of(flight, len));
            CU_ASSERT_TRUE(tamper.run.tls.state != TLS_DONE || is_minor_version(i, len));
            CU_ASSERT_TRUE(tamper.run.tls.facts.proof == PROOF_NONE || is_minor_version(i, len));
            flight[i] ^= 1;
        }
        for (size_t cut = 0; cut < len; cut++) {
            tamper_feed(&tamper, span_of(flight, cut));
            CU_ASSERT_TRUE(tamper.run.tls.state == TLS_WANTS_READ);
        }
        tls_drained(&tamper.run.tls);
        run_fini(&tamper.run);
    }
}

/* The flight opened with the client's own key, changed inside, and sealed again: what a peer could
   do that knows the traffic key but not the leaf's. */
struct opened {
    EVP_AEAD_CTX aead;
    uint8_t iv[RECORDS_IV_LEN];
    size_t sealed_at;     /* offset of the first sealed record in `flight` */
    uint8_t plain[65536]; /* handshake messages of all sealed records */
    size_t plain_len;
};

static void nonce_of(const struct opened *opened, uint64_t sequence, uint8_t nonce[12]) {
    memcpy(nonce, opened->iv, 12);
    for (size_t i = 0; i < 8; i++) {
        nonce[11 - i] ^= (uint8_t)(sequence >> (8 * i));
    }
}

static void open_flight(struct tamper *tamper, struct opened *opened) {
    struct capture *capture;
    uint8_t secret[X25519_LEN], key[KEYSCHEDULE_KEY_MAX], nonce[12];
    size_t key_len, len, at = 0;
    uint64_t sequence = 0;
    /* As far as the secret. */
    struct tls *tls = &tamper->run.tls;
    tls_fini(tls);
    CU_ASSERT_TRUE_FATAL(capture_init(tls, tamper->run.client, KEY_VIEW_ANY, "peer.example",
                                      DEPTH_PROVE, output, NOW_NS));
    memcpy(output, tamper->hello, sizeof output);
    CU_ASSERT_EQUAL_FATAL(tls_feed(tls, span_of(flight, tamper->run.flight_len)), TLS_WANTS_SECRET);
    capture = tls->capture;
    CU_ASSERT_EQUAL(x25519_batch(capture->share->private_key,
                                 (const uint8_t(*)[X25519_LEN]) & capture->peer_point, 1, &secret),
                    1);
    CU_ASSERT_TRUE(keyschedule_derive(&capture->schedule, span_of(secret, sizeof secret), key,
                                      &key_len, opened->iv));
    CU_ASSERT_TRUE(EVP_AEAD_CTX_init(&opened->aead, capture->schedule.aead, key, key_len, 0, NULL));
    opened->plain_len = opened->sealed_at = 0;
    while (at < tamper->run.flight_len) {
        size_t body_len = (size_t)flight[at + 3] << 8 | flight[at + 4];
        if (flight[at] == 0x17) {
            opened->sealed_at = opened->sealed_at != 0 ? opened->sealed_at : at;
            nonce_of(opened, sequence++, nonce);
            CU_ASSERT_TRUE_FATAL(EVP_AEAD_CTX_open(&opened->aead, opened->plain + opened->plain_len,
                                                   &len, sizeof opened->plain - opened->plain_len,
                                                   nonce, 12, flight + at + 5, body_len,
                                                   flight + at, 5));
            CU_ASSERT_EQUAL(opened->plain[opened->plain_len + len - 1], 22);
            opened->plain_len += len - 1;
        }
        at += 5 + body_len;
    }
}

/* One record for each `piece` bytes of the messages; returns the flight's length. */
static size_t seal_flight(const struct opened *opened, size_t piece, size_t padding, uint8_t type,
                          uint8_t *out) {
    size_t out_len = opened->sealed_at, len;
    uint64_t sequence = 0;
    memcpy(out, flight, out_len);
    for (size_t at = 0; at < opened->plain_len; at += piece) {
        uint8_t inner[17000] = {0}, nonce[12];
        size_t part = opened->plain_len - at < piece ? opened->plain_len - at : piece;
        memcpy(inner, opened->plain + at, part);
        inner[part] = type;
        size_t body_len = part + 1 + padding + 16;
        uint8_t header[5] = {0x17, 3, 3, (uint8_t)(body_len >> 8), (uint8_t)body_len};
        memcpy(out + out_len, header, 5);
        nonce_of(opened, sequence++, nonce);
        CU_ASSERT_TRUE_FATAL(EVP_AEAD_CTX_seal(&opened->aead, out + out_len + 5, &len, 17000, nonce,
                                               12, inner, part + 1 + padding, header, 5));
        out_len += 5 + len;
    }
    return out_len;
}

static void test_every_byte_inside(void) {
    static const enum mint_key kinds[] = {MINT_P256, MINT_RSA2048, MINT_ED25519};
    static uint8_t sealed[FLIGHT_MAX];
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
        struct tamper tamper;
        static struct opened opened;
        tamper_init(&tamper, kinds[k], 0x0304, DEPTH_PROVE);
        open_flight(&tamper, &opened);
        /* Split and joined in any way it is the same flight. */
        for (size_t piece = 1; piece <= 16384; piece = piece * 3 + 1) {
            size_t len = seal_flight(&opened, piece, piece % 5, 22, sealed);
            tamper_feed(&tamper, span_of(sealed, len));
            CU_ASSERT_EQUAL(tamper.run.tls.state, TLS_DONE);
        }
        size_t signature_errors = 0, finished_errors = 0;
        for (size_t i = 0; i < opened.plain_len; i++) {
            opened.plain[i] ^= 1;
            size_t len = seal_flight(&opened, 16384, 0, 22, sealed);
            tamper_feed(&tamper, span_of(sealed, len));
            const struct tls *tls = &tamper.run.tls;
            CU_ASSERT_NOT_EQUAL(tls->state, TLS_DONE);
            CU_ASSERT_EQUAL(tls->facts.proof, PROOF_NONE);
            signature_errors += strcmp(tls->facts.error, "bad signature") == 0;
            finished_errors += strcmp(tls->facts.error, "digest check failed") == 0;
            CU_ASSERT_TRUE(tls->state != TLS_FAILED || tls->fallback ||
                           tls->outcome == OUTCOME_HANDSHAKE_ERROR);
            opened.plain[i] ^= 1;
        }
        CU_ASSERT_TRUE(signature_errors > 200); /* certificates and signature */
        CU_ASSERT_EQUAL(finished_errors, 32);
        /* A record of another type inside; an alert. */
        size_t len = seal_flight(&opened, 16384, 0, 23, sealed);
        tamper_feed(&tamper, span_of(sealed, len));
        CU_ASSERT_TRUE(tamper.run.tls.fallback);
        opened.plain[0] = 2;
        opened.plain[1] = 80;
        opened.plain_len = 2;
        len = seal_flight(&opened, 2, 3, 21, sealed);
        tamper_feed(&tamper, span_of(sealed, len));
        CU_ASSERT_EQUAL(tamper.run.tls.outcome, OUTCOME_TLS_ALERT);
        CU_ASSERT_EQUAL(tamper.run.tls.facts.alert, 80);
        EVP_AEAD_CTX_cleanup(&opened.aead);
        tls_drained(&tamper.run.tls);
        run_fini(&tamper.run);
    }
}

/* --- order --- */

#define PARTS_MAX 4
#define ORDER_MAX 5

/* Whole handshake messages one behind the other; returns how many. */
static size_t cut_messages(struct span messages, struct span out[PARTS_MAX]) {
    size_t count = 0;
    while (messages.len >= 4 && count < PARTS_MAX) {
        size_t len = (size_t)messages.data[1] << 16 | (size_t)messages.data[2] << 8;
        out[count++] = span_take(&messages, 4 + (len | messages.data[3]));
    }
    CU_ASSERT_EQUAL_FATAL(messages.len, 0);
    return count;
}

/* The Finished that belongs behind what the schedule has: the peer knows the traffic secret. */
static void make_finished(const struct keyschedule *schedule, uint8_t message[4 + 32]) {
    static const uint8_t info[] = "\0\x20\x0etls13 finished"; /* its NUL: no context */
    uint8_t key[32], transcript[KEYSCHEDULE_HASH_MAX];
    CU_ASSERT_EQUAL_FATAL(schedule->hash_len, 32);
    CU_ASSERT_TRUE(
        HKDF_expand(key, 32, schedule->md, schedule->server_secret, 32, info, sizeof info));
    keyschedule_transcript(schedule, transcript);
    memcpy(message, "\x14\0\0\x20", 4);
    CU_ASSERT_PTR_NOT_NULL(HMAC(schedule->md, key, 32, transcript, 32, message + 4, NULL));
    CU_ASSERT_TRUE(keyschedule_finished(schedule, span_of(message + 4, 32)));
}

/* The messages in the order that `number`'s digits, base 4, say; a Finished fits what stands before
   it if there is a schedule. Returns whether it is the right order: 0, 1, 2, 3 and what follows. */
static bool arrange(const struct span parts[PARTS_MAX], size_t number, size_t count,
                    const struct keyschedule *schedule, uint8_t *out, size_t *out_len) {
    struct keyschedule copy = schedule != NULL ? *schedule : (struct keyschedule){0};
    size_t right = 0;
    *out_len = 0;
    for (size_t i = 0; i < count; i++, number /= 4) {
        size_t which = number % 4, len = parts[which].len;
        right += i < 4 && which == i;
        memcpy(out + *out_len, parts[which].data, len);
        if (schedule != NULL && which == 3) {
            make_finished(&copy, out + *out_len);
        }
        if (schedule != NULL) {
            keyschedule_add(&copy, span_of(out + *out_len, len));
        }
        *out_len += len;
    }
    return right == 4;
}

/* EncryptedExtensions, Certificate, CertificateVerify, Finished: missing, twice, in any order, with
   a Finished that fits: no other order proves anything. */
static void test_order_of_13(void) {
    static uint8_t sealed[FLIGHT_MAX], messages[65536];
    static struct opened opened;
    struct tamper tamper;
    struct span parts[PARTS_MAX];
    tamper_init(&tamper, MINT_P256, 0x0304, DEPTH_PROVE);
    open_flight(&tamper, &opened);
    struct keyschedule schedule = tamper.run.tls.capture->schedule;
    memcpy(messages, opened.plain, opened.plain_len);
    CU_ASSERT_EQUAL_FATAL(cut_messages(span_of(messages, opened.plain_len), parts), 4);
    size_t done = 0, orders = 4;
    for (size_t count = 1; count <= ORDER_MAX; count++, orders *= 4) {
        for (size_t number = 0; number < orders; number++) {
            bool right = arrange(parts, number, count, &schedule, opened.plain, &opened.plain_len);
            size_t len = seal_flight(&opened, 16384, 0, 22, sealed);
            tamper_feed(&tamper, span_of(sealed, len));
            bool proven = tamper.run.tls.facts.proof == PROOF_POSSESSION;
            CU_ASSERT_EQUAL(proven, right && count == 4);
            CU_ASSERT_EQUAL(proven, tamper.run.tls.state == TLS_DONE);
            done += proven;
        }
    }
    CU_ASSERT_EQUAL(done, 1);
    EVP_AEAD_CTX_cleanup(&opened.aead);
    tls_drained(&tamper.run.tls);
    run_fini(&tamper.run);
}

/* ServerHello, Certificate, ServerKeyExchange, ServerHelloDone. */
static void test_order_of_12(void) {
    static uint8_t messages[65536], variant[65536];
    struct tamper tamper;
    struct span parts[PARTS_MAX];
    size_t messages_len = 0, len;
    tamper_init(&tamper, MINT_RSA2048, 0x0303, DEPTH_PROVE);
    for (size_t at = 0; at < tamper.run.flight_len;) {
        size_t body_len = (size_t)flight[at + 3] << 8 | flight[at + 4];
        memcpy(messages + messages_len, flight + at + 5, body_len);
        messages_len += body_len;
        at += 5 + body_len;
    }
    CU_ASSERT_EQUAL_FATAL(cut_messages(span_of(messages, messages_len), parts), 4);
    size_t orders = 4;
    for (size_t count = 1; count <= ORDER_MAX; count++, orders *= 4) {
        for (size_t number = 0; number < orders; number++) {
            bool right = arrange(parts, number, count, NULL, variant + 5, &len);
            CU_ASSERT_TRUE_FATAL(len <= 16384);
            memcpy(variant, "\x16\x03\x03", 3);
            variant[3] = (uint8_t)(len >> 8);
            variant[4] = (uint8_t)len;
            tamper_feed(&tamper, span_of(variant, 5 + len));
            bool proven = tamper.run.tls.facts.proof == PROOF_POSSESSION;
            CU_ASSERT_EQUAL(proven, right); /* ServerHelloDone ends it, whatever follows */
            CU_ASSERT_EQUAL(proven, tamper.run.tls.state == TLS_DONE);
        }
    }
    tls_drained(&tamper.run.tls);
    run_fini(&tamper.run);
}

/* TLS 1.2 signs both randoms and the key exchange, nothing else (tls.h says so): any change there,
   or of the key, is refused. */
static void test_every_byte_that_12_signs(void) {
    static const enum mint_key kinds[] = {MINT_P256, MINT_RSA2048};
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
        struct tamper tamper;
        tamper_init(&tamper, kinds[k], 0x0303, DEPTH_PROVE);
        size_t len = tamper.run.flight_len, refused = 0;
        tamper_feed(&tamper, span_of(flight, len));
        CU_ASSERT_EQUAL_FATAL(tamper.run.tls.state, TLS_DONE);
        /* The ServerHello's random; ServerKeyExchange to before ServerHelloDone (9 bytes in a
           record of its own, or 4 in a common one). */
        for (size_t at = 0; at + 5 <= len;) {
            size_t record_len = (size_t)flight[at + 3] << 8 | flight[at + 4];
            size_t from = flight[at + 5] == 2 ? at + 11 : flight[at + 5] == 12 ? at + 9 : len;
            size_t to = flight[at + 5] == 2 ? at + 43 : at + 5 + record_len;
            for (size_t i = from; i < to && i < len; i++) {
                flight[i] ^= 1;
                tamper_feed(&tamper, span_of(flight, len));
                CU_ASSERT_NOT_EQUAL(tamper.run.tls.state, TLS_DONE);
                refused += tamper.run.tls.outcome == OUTCOME_HANDSHAKE_ERROR;
                flight[i] ^= 1;
            }
            at += 5 + record_len;
        }
        CU_ASSERT_TRUE(refused > 32 + 64);
        tls_drained(&tamper.run.tls);
        run_fini(&tamper.run);
    }
}

static void add_to_u16(uint8_t *at, size_t more) {
    size_t value = ((size_t)at[0] << 8 | at[1]) + more;
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* An extension that comes twice: the library's affair, as all that no usual server does. */
static void test_extension_twice(void) {
    struct tamper tamper;
    tamper_init(&tamper, MINT_P256, 0x0303, DEPTH_CAPTURE);
    size_t len = tamper.run.flight_len;
    tamper_feed(&tamper, span_of(flight, len));
    CU_ASSERT_EQUAL_FATAL(tamper.run.tls.state, TLS_DONE);
    /* Record, message, version and random, session id, suite and compression; then their length. */
    size_t list_at = 5 + 4 + 2 + 32 + 1 + flight[43] + 3, first_at = list_at + 2;
    size_t first_len = 4 + ((size_t)flight[first_at + 2] << 8 | flight[first_at + 3]);
    CU_ASSERT_TRUE_FATAL(len + first_len <= FLIGHT_MAX && flight[5] == 2);
    memmove(flight + first_at + first_len, flight + first_at, len - first_at);
    add_to_u16(flight + 3, first_len);
    add_to_u16(flight + 7, first_len);
    add_to_u16(flight + list_at, first_len);
    tamper_feed(&tamper, span_of(flight, len + first_len));
    CU_ASSERT_EQUAL(tamper.run.tls.state, TLS_FAILED);
    CU_ASSERT_TRUE(tamper.run.tls.fallback);
    tls_drained(&tamper.run.tls);
    run_fini(&tamper.run);
}

/* A share of low order is refused whoever computes it. */
static void test_low_order_share(void) {
    static const char *const kernels[] = {"scalar", "ifma"};
    for (size_t i = 0; i < ARRAY_COUNT(kernels); i++) {
        if (!x25519_force_kernel(kernels[i])) {
            continue;
        }
        struct tamper tamper;
        tamper_init(&tamper, MINT_P256, 0x0304, DEPTH_CAPTURE);
        size_t at = 0;
        while (memcmp(flight + at, "\x00\x33\x00\x24\x00\x1d\x00\x20", 8) != 0) {
            at++;
        }
        memset(flight + at + 8, 0, X25519_LEN);
        tamper_feed(&tamper, span_of(flight, tamper.run.flight_len));
        CU_ASSERT_EQUAL(tamper.run.tls.state, TLS_FAILED);
        CU_ASSERT_TRUE(tamper.run.tls.fallback);
        tls_drained(&tamper.run.tls);
        run_fini(&tamper.run);
    }
    x25519_force_kernel(NULL);
}

/* The tag of a later record is final; that of the first may be our arithmetic. */
static void test_tags(void) {
    struct tamper tamper;
    tamper_init(&tamper, MINT_P256, 0x0304, DEPTH_PROVE);
    size_t len = tamper.run.flight_len;
    flight[len - 1] ^= 1; /* the last record's */
    tamper_feed(&tamper, span_of(flight, len));
    CU_ASSERT_EQUAL(tamper.run.tls.state, TLS_FAILED);
    CU_ASSERT_EQUAL(tamper.run.tls.fallback, tamper.run.tls.capture->records.sequence == 0);
    tls_drained(&tamper.run.tls);
    run_fini(&tamper.run);
}

SUITE_MAIN("capture", {"the ClientHello is the library's", test_hello_is_the_librarys},
           {"bounds of the ClientHello", test_hello_bounds},
           {"every key type, version and depth", test_every_key_type},
           {"every suite of TLS 1.3", test_every_suite_of_13},
           {"suites and schemes of TLS 1.2", test_suites_and_schemes_of_12},
           {"groups of TLS 1.2", test_groups_of_12}, {"X25519MLKEM768", test_hybrid_share},
           {"another group first", test_other_first_group},
           {"schemes of TLS 1.3", test_schemes_of_13}, {"flights in any chunks", test_chunks},
           {"records of any size", test_records_of_any_size},
           {"client certificate asked for; ALPN", test_client_certificate_and_alpn},
           {"batches, and two shares in one", test_batches}, {"output max", test_output_max},
           {"shares are renewed", test_shares_are_renewed},
           {"unusual servers fall back", test_fallbacks},
           {"outcomes as with the SSL object", test_outcomes_as_ever},
           {"tampering: every byte of a sealed flight", test_every_byte_of_a_sealed_flight},
           {"tampering: every byte inside", test_every_byte_inside},
           {"tampering: every byte that TLS 1.2 signs", test_every_byte_that_12_signs},
           {"order of messages: TLS 1.3", test_order_of_13},
           {"order of messages: TLS 1.2", test_order_of_12},
           {"an extension twice", test_extension_twice},
           {"a share of low order", test_low_order_share}, {"tags", test_tags})
