#include "engine/net/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/limits.h"
#include "engine/base/rng.h"
#include "tests/support/serve.h"
#include "tests/support/suite.h"

#define SLOTS 64
#define BUFFERS 4 /* fewer than connections: they starve and go on */
#define DRAIN_MAX_NS (30 * NS_PER_S)
#define SHORT_NS (120 * NS_PER_MS)
#define LONG_NS (20 * NS_PER_S)

/* What a finished connection showed, kept after its release. */
struct result {
    enum outcome outcome;
    int error_number;
    struct tls_facts facts;
    struct conn_times times;
    size_t cert_count;
};

struct client {
    struct ring ring;
    struct timer_wheel wheel;
    struct tls_context *tls;
    struct conns *conns;
    unsigned finished;
    unsigned outcomes[OUTCOME_COUNT];
    struct result last;
};

static struct client client;

static bool client_init(void) {
    struct err_note note;
    if (ring_probe(&note) != ERR_NONE) {
        suite_skip(note.text);
        return false;
    }
    struct ring_config ring_config = {
        .sq_entries = 64, .cq_entries = 512, .direct_count = SLOTS, .buffer_count = BUFFERS};
    struct tls_config tls_config = {.min_version = 0x0303, .max_version = 0x0304};
    memset(&client, 0, sizeof client);
    CU_ASSERT_EQUAL_FATAL(ring_init(&client.ring, &ring_config, &note), ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(tls_context_new(&tls_config, &client.tls, &note), ERR_NONE);
    timer_wheel_init(&client.wheel, clock_mono_ns(&clock_system));
    CU_ASSERT_EQUAL_FATAL(conns_new(&client.ring, &client.wheel, client.tls, &clock_system, SLOTS,
                                    &client.conns, &note),
                          ERR_NONE);
    return true;
}

static void keep_result(struct conn *conn) {
    CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
    client.last = (struct result){.outcome = conn->outcome,
                                  .error_number = conn->error_number,
                                  .facts = conn->tls.facts,
                                  .times = conn->times,
                                  .cert_count = tls_peer_chain(&conn->tls, certs)};
    client.outcomes[conn->outcome]++;
    client.finished++;
}

static void client_tick(uint64_t max_wait_ns) {
    uint64_t wait_ns = timer_next_ns(&client.wheel, clock_mono_ns(&clock_system), max_wait_ns);
    ring_submit_and_wait(&client.ring, 1, wait_ns);
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&client.ring.uring, head, cqe) {
        conns_on_completion(client.conns, cqe);
        count++;
    }
    io_uring_cq_advance(&client.ring.uring, count);
    struct list expired;
    list_init(&expired);
    timer_expire(&client.wheel, clock_mono_ns(&clock_system), &expired);
    struct list_node *node;
    while ((node = list_pop_front(&expired)) != NULL) {
        struct timer *timer = CONTAINER_OF(node, struct timer, node);
        CU_ASSERT_TRUE_FATAL(conns_owns_timer(client.conns, timer));
        conns_on_timer(client.conns, timer);
    }
    conns_step(client.conns);
    struct conn *conn;
    while ((conn = conns_next_finished(client.conns)) != NULL) {
        keep_result(conn);
        conn_release(client.conns, conn);
    }
}

/* Until every slot is back. */
static void client_drain(void) {
    uint64_t end_ns = clock_mono_ns(&clock_system) + DRAIN_MAX_NS;
    while (conns_in_use(client.conns) > 0 && clock_mono_ns(&clock_system) < end_ns) {
        client_tick(20 * NS_PER_MS);
    }
    CU_ASSERT_EQUAL(conns_in_use(client.conns), 0);
    CU_ASSERT_EQUAL(conns_available(client.conns), SLOTS);
    CU_ASSERT_EQUAL(client.wheel.armed_count, 0);
}

static void client_fini(void) {
    client_drain();
    conns_free(client.conns);
    tls_context_free(client.tls);
    ring_fini(&client.ring);
}

static struct conn_request request_to(uint16_t port) {
    return (struct conn_request){.address = {.family = 4, .bytes = {127, 0, 0, 1}},
                                 .port = port,
                                 .sni = "peer.example",
                                 .connect_timeout_ns = LONG_NS,
                                 .io_timeout_ns = LONG_NS};
}

/* One connection from open to the slot's return. */
static const struct result *attempt(const struct conn_request *request) {
    unsigned before = client.finished;
    CU_ASSERT_PTR_NOT_NULL_FATAL(conn_open(client.conns, request));
    client_drain();
    CU_ASSERT_EQUAL(client.finished, before + 1);
    return &client.last;
}

static const struct result *attempt_script(struct serve *serve) {
    CU_ASSERT_TRUE_FATAL(serve_start(serve));
    struct conn_request request = request_to(serve->port);
    const struct result *result = attempt(&request);
    serve_stop(serve);
    return result;
}

static void test_success(void) {
    if (!client_init()) {
        return;
    }
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        struct peer_spec spec = {.key = MINT_P256,
                                 .min_version = version,
                                 .max_version = version,
                                 .extra_certs = 3,
                                 .padding_len = 3000};
        struct serve serve = {.script = SERVE_TLS, .context = peer_context_new(&spec)};
        const struct result *result = attempt_script(&serve);
        CU_ASSERT_EQUAL(result->outcome, OUTCOME_SUCCESS);
        CU_ASSERT_EQUAL(result->error_number, 0);
        CU_ASSERT_EQUAL(result->facts.version, version);
        CU_ASSERT_EQUAL(result->facts.proof, PROOF_POSSESSION);
        CU_ASSERT_EQUAL(result->cert_count, 4);
        CU_ASSERT_TRUE(result->times.opened > 0 &&
                       result->times.opened <= result->times.connected &&
                       result->times.connected <= result->times.finished);
        CU_ASSERT_EQUAL(atomic_load(&serve.handshakes), 1);
        CU_ASSERT_EQUAL(atomic_load(&serve.close_notifies), 1);
        SSL_CTX_free(serve.context);
    }
    struct conns_stats stats;
    conns_get_stats(client.conns, &stats);
    CU_ASSERT_EQUAL(stats.opened, 2);
    CU_ASSERT_EQUAL(stats.connected, 2);
    CU_ASSERT_EQUAL(stats.completed, 2);
    CU_ASSERT_EQUAL(stats.proven, 2);
    CU_ASSERT_EQUAL(stats.by_version[3], 1);
    CU_ASSERT_EQUAL(stats.by_version[4], 1);
    CU_ASSERT_TRUE(stats.bytes_in > 18000 && stats.bytes_out > 400);
    CU_ASSERT_TRUE(conns_bytes(client.conns) > SLOTS * SEND_BUFFER_BYTES);
    client_fini();
}

/* The depths without an SSL object; the peer sees no answer to its flight, and a reset. */
static void test_depths(void) {
    static const enum depth depths[] = {DEPTH_PROVE, DEPTH_CAPTURE};
    if (!client_init()) {
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(depths); i++) {
        for (uint16_t version = 0x0303; version <= 0x0304; version++) {
            struct peer_spec spec = {.key = MINT_P256,
                                     .min_version = version,
                                     .max_version = version,
                                     .extra_certs = 3,
                                     .padding_len = 3000};
            struct serve serve = {.script = SERVE_TLS, .context = peer_context_new(&spec)};
            CU_ASSERT_TRUE_FATAL(serve_start(&serve));
            struct conn_request request = request_to(serve.port);
            request.depth = depths[i];
            const struct result *result = attempt(&request);
            CU_ASSERT_EQUAL(result->outcome, OUTCOME_SUCCESS);
            CU_ASSERT_EQUAL(result->facts.version, version);
            CU_ASSERT_EQUAL(result->facts.depth, depths[i]);
            CU_ASSERT_EQUAL(result->facts.proof,
                            depths[i] == DEPTH_PROVE ? PROOF_POSSESSION : PROOF_NONE);
            CU_ASSERT_EQUAL(result->cert_count, 4);
            serve_stop(&serve);
            CU_ASSERT_EQUAL(atomic_load(&serve.handshakes), 0);
            SSL_CTX_free(serve.context);
        }
    }
    struct conns_stats stats;
    conns_get_stats(client.conns, &stats);
    CU_ASSERT_EQUAL(stats.completed, 0);
    CU_ASSERT_EQUAL(stats.captured, 2);
    CU_ASSERT_EQUAL(stats.proven, 2);
    CU_ASSERT_EQUAL(stats.fallback, 0);
    CU_ASSERT_EQUAL(stats.by_version[3], 2);
    CU_ASSERT_EQUAL(stats.by_version[4], 2);
    client_fini();
}

/* Their secrets are computed together; more of them than receive buffers. */
static void test_many_captures(void) {
    if (!client_init()) {
        return;
    }
    struct peer_spec spec = {.key = MINT_P256, .min_version = 0x0304, .extra_certs = 1};
    struct serve serve = {.script = SERVE_TLS, .context = peer_context_new(&spec)};
    CU_ASSERT_TRUE_FATAL(serve_start(&serve));
    struct conn_request request = request_to(serve.port);
    request.depth = DEPTH_PROVE;
    for (unsigned i = 0; i < SLOTS; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(conn_open(client.conns, &request));
    }
    client_drain();
    CU_ASSERT_EQUAL(client.outcomes[OUTCOME_SUCCESS], SLOTS);
    serve_stop(&serve);
    SSL_CTX_free(serve.context);
    client_fini();
}

/* The ServerHello came in time: that the secret waits for company is not the server's fault. */
static void test_deadline_of_a_held_secret(void) {
    if (!client_init()) {
        return;
    }
    struct peer_spec spec = {.key = MINT_P256, .min_version = 0x0304};
    struct serve serve = {.script = SERVE_TLS, .context = peer_context_new(&spec)};
    struct serve silent = {.script = SERVE_SILENT};
    CU_ASSERT_TRUE_FATAL(serve_start(&serve) && serve_start(&silent));
    struct conn_request request = request_to(silent.port);
    for (unsigned i = 0; i + 1 < SLOTS; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(conn_open(client.conns, &request));
    }
    request = request_to(serve.port);
    request.depth = DEPTH_CAPTURE;
    struct conn *conn = conn_open(client.conns, &request);
    CU_ASSERT_PTR_NOT_NULL_FATAL(conn);
    for (int i = 0; i < 1000 && client.finished == 0 && !conn->waits_secret; i++) {
        client_tick(20 * NS_PER_MS);
    }
    CU_ASSERT_TRUE_FATAL(client.finished == 0 && conn->waits_secret);
    conns_on_timer(client.conns, &conn->timer);
    for (int i = 0; i < 16 && client.finished == 0; i++) {
        client_tick(20 * NS_PER_MS);
    }
    CU_ASSERT_EQUAL(client.outcomes[OUTCOME_SUCCESS], 1);
    conns_abort(client.conns);
    client_drain();
    serve_stop(&serve);
    serve_stop(&silent);
    SSL_CTX_free(serve.context);
    client_fini();
}

static void test_capture_failures(void) {
    if (!client_init()) {
        return;
    }
    /* HelloRetryRequest: for the SSL object. */
    struct peer_spec spec = {.key = MINT_P256, .min_version = 0x0304, .groups = "P-384"};
    struct serve retry = {.script = SERVE_TLS, .context = peer_context_new(&spec)};
    CU_ASSERT_TRUE_FATAL(serve_start(&retry));
    struct conn_request request = request_to(retry.port);
    request.depth = DEPTH_CAPTURE;
    CU_ASSERT_EQUAL(attempt(&request)->outcome, OUTCOME_UNSUPPORTED);
    struct conns_stats stats;
    conns_get_stats(client.conns, &stats);
    CU_ASSERT_EQUAL(stats.fallback, 1);
    serve_stop(&retry);
    SSL_CTX_free(retry.context);
    /* The same words as of an SSL object. */
    struct serve silent = {.script = SERVE_SILENT};
    CU_ASSERT_TRUE_FATAL(serve_start(&silent));
    request.port = silent.port;
    request.io_timeout_ns = SHORT_NS;
    const struct result *result = attempt(&request);
    CU_ASSERT_EQUAL(result->outcome, OUTCOME_IO_TIMEOUT);
    CU_ASSERT_STRING_EQUAL(result->facts.error, "the handshake was not done within 120 ms");
    serve_stop(&silent);
    struct serve http = {.script = SERVE_BYTES, .bytes = span_str("HTTP/1.1 400 Bad Request")};
    CU_ASSERT_TRUE_FATAL(serve_start(&http));
    request.port = http.port;
    request.io_timeout_ns = LONG_NS;
    CU_ASSERT_EQUAL(attempt(&request)->outcome, OUTCOME_NOT_TLS);
    serve_stop(&http);
    client_fini();
}

static void test_ipv6(void) {
    if (!client_init()) {
        return;
    }
    struct peer_spec spec = {.key = MINT_P256};
    struct serve serve = {.script = SERVE_TLS, .context = peer_context_new(&spec), .ipv6 = true};
    if (!serve_start(&serve)) {
        suite_skip("no IPv6 here");
    } else {
        struct conn_request request = request_to(serve.port);
        request.address = (struct netaddr){.family = 6, .bytes = {[15] = 1}};
        CU_ASSERT_EQUAL(attempt(&request)->outcome, OUTCOME_SUCCESS);
        serve_stop(&serve);
    }
    SSL_CTX_free(serve.context);
    client_fini();
}

static void test_client_certificate(void) {
    if (!client_init()) {
        return;
    }
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        struct peer_spec spec = {.key = MINT_P256,
                                 .min_version = version,
                                 .max_version = version,
                                 .needs_client_certificate = true};
        struct serve serve = {.script = SERVE_TLS, .context = peer_context_new(&spec)};
        const struct result *result = attempt_script(&serve);
        CU_ASSERT_EQUAL(result->outcome, OUTCOME_SUCCESS);
        CU_ASSERT_TRUE(result->facts.client_cert_requested);
        CU_ASSERT_EQUAL(result->facts.depth, version == 0x0303 ? DEPTH_PROVE : DEPTH_COMPLETE);
        CU_ASSERT_EQUAL(result->cert_count, 1);
        SSL_CTX_free(serve.context);
    }
    client_fini();
}

static void test_refused_and_unreachable(void) {
    if (!client_init()) {
        return;
    }
    struct conn_request request = request_to(serve_free_port());
    const struct result *result = attempt(&request);
    CU_ASSERT_EQUAL(result->outcome, OUTCOME_CONNECTION_REFUSED);
    CU_ASSERT_EQUAL(result->error_number, ECONNREFUSED);
    CU_ASSERT_STRING_EQUAL(result->facts.error, "connect: Connection refused");
    CU_ASSERT_EQUAL(result->facts.alert, -1);
    CU_ASSERT_EQUAL(result->times.connected, 0);
    CU_ASSERT_EQUAL(result->cert_count, 0);
    /* Class E: the kernel has no way there. */
    request.address = (struct netaddr){.family = 4, .bytes = {255, 255, 255, 255}};
    CU_ASSERT_EQUAL(attempt(&request)->outcome, OUTCOME_NETWORK_UNREACHABLE);
    client_fini();
}

static void test_scripts(void) {
    if (!client_init()) {
        return;
    }
    struct peer_spec spec = {.key = MINT_P256, .max_version = 0x0303};
    SSL_CTX *context = peer_context_new(&spec);
    /* No text: an alert; sent first, a message out of turn, whose answer meets a reset. */
    static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 112};
    static const uint8_t hello_done[] = {22, 3, 3, 0, 4, 14, 0, 0, 0};
    static const struct {
        enum serve_script script;
        const char *text;
        enum outcome outcome, other; /* either may come first on loopback */
    } rows[] = {
        {SERVE_BYTES, "HTTP/1.1 400 Bad Request\r\n\r\n", OUTCOME_NOT_TLS, OUTCOME_NOT_TLS},
        {SERVE_BYTES_FIRST, "SSH-2.0-OpenSSH\r\n", OUTCOME_NOT_TLS, OUTCOME_NOT_TLS},
        {SERVE_BYTES, "garbage", OUTCOME_NOT_TLS, OUTCOME_NOT_TLS},
        {SERVE_BYTES, NULL, OUTCOME_TLS_ALERT, OUTCOME_TLS_ALERT},
        {SERVE_BYTES_FIRST, NULL, OUTCOME_PROTOCOL_ERROR, OUTCOME_PROTOCOL_ERROR},
        {SERVE_CLOSE, "", OUTCOME_CONNECTION_CLOSED, OUTCOME_CONNECTION_RESET},
        {SERVE_CLOSE_LATER, "", OUTCOME_CONNECTION_CLOSED, OUTCOME_CONNECTION_CLOSED},
        {SERVE_CLOSE_MIDWAY, "", OUTCOME_CONNECTION_CLOSED, OUTCOME_CONNECTION_CLOSED},
        {SERVE_RESET, "", OUTCOME_CONNECTION_RESET, OUTCOME_CONNECTION_RESET},
        {SERVE_RESET_LATER, "", OUTCOME_CONNECTION_RESET, OUTCOME_CONNECTION_RESET},
        {SERVE_RESET_MIDWAY, "", OUTCOME_CONNECTION_RESET, OUTCOME_CONNECTION_RESET},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (int times = 0; times < 5; times++) {
            struct serve serve = {.script = rows[i].script, .context = context};
            bool is_alert = rows[i].text == NULL && rows[i].script == SERVE_BYTES;
            serve.bytes = rows[i].text != NULL ? span_str(rows[i].text)
                          : is_alert           ? span_of(alert, sizeof alert)
                                               : span_of(hello_done, sizeof hello_done);
            const struct result *result = attempt_script(&serve);
            bool as_expected =
                result->outcome == rows[i].outcome || result->outcome == rows[i].other;
            CU_ASSERT_TRUE(as_expected);
            if (!as_expected) {
                printf("        row %zu: %s (%s)\n", i, outcome_text(result->outcome),
                       result->facts.error);
            }
            CU_ASSERT_NOT_EQUAL(result->facts.error[0], '\0');
            CU_ASSERT_EQUAL(result->error_number != 0, result->outcome == OUTCOME_CONNECTION_RESET);
            CU_ASSERT_EQUAL(result->facts.alert, is_alert ? 112 : -1);
        }
    }
    SSL_CTX_free(context);
    client_fini();
}

/* Nothing that a peer does moves a deadline. */
static void test_deadlines(void) {
    if (!client_init()) {
        return;
    }
    int fds[BLACKHOLE_FDS];
    uint16_t blackhole = serve_blackhole(fds);
    static const enum serve_script scripts[] = {SERVE_SILENT, SERVE_DRIP};
    for (size_t i = 0; i < 3; i++) {
        for (int by_target = 0; by_target < 2; by_target++) {
            struct serve serve = {0};
            struct conn_request request = request_to(blackhole);
            if (i < 2) {
                serve.script = scripts[i];
                CU_ASSERT_TRUE_FATAL(serve_start(&serve));
                request.port = serve.port;
            }
            uint64_t now = clock_mono_ns(&clock_system);
            if (by_target) {
                request.target_deadline_ns = now + SHORT_NS;
            } else if (i == 2) {
                request.connect_timeout_ns = SHORT_NS;
            } else {
                request.io_timeout_ns = SHORT_NS;
            }
            const struct result *result = attempt(&request);
            enum outcome wanted = by_target ? OUTCOME_TARGET_TIMEOUT
                                  : i == 2  ? OUTCOME_CONNECTION_TIMEOUT
                                            : OUTCOME_IO_TIMEOUT;
            CU_ASSERT_EQUAL(result->outcome, wanted);
            uint64_t took = result->times.finished - result->times.opened;
            CU_ASSERT_TRUE(took >= SHORT_NS - NS_PER_MS && took < SHORT_NS + NS_PER_S);
            CU_ASSERT_NOT_EQUAL(result->facts.error[0], '\0');
            if (i < 2) {
                serve_stop(&serve);
            }
        }
    }
    for (int i = 0; i < BLACKHOLE_FDS; i++) {
        close(fds[i]);
    }
    client_fini();
}

/* Far more than the handshake's bound in one go: the first wrong record ends it, the rest is never
   read. */
static void test_flood(void) {
    if (!client_init()) {
        return;
    }
    static uint8_t flood[2 * HANDSHAKE_BYTES_MAX];
    for (size_t at = 0; at + 5 + 16384 <= sizeof flood; at += 5 + 16384) {
        uint8_t head[] = {22, 3, 3, 0x40, 0};
        memcpy(flood + at, head, sizeof head);
    }
    struct serve serve = {.script = SERVE_BYTES, .bytes = span_of(flood, sizeof flood)};
    const struct result *result = attempt_script(&serve);
    CU_ASSERT_EQUAL(result->outcome, OUTCOME_PROTOCOL_ERROR);
    struct conns_stats stats;
    conns_get_stats(client.conns, &stats);
    CU_ASSERT_TRUE(stats.bytes_in <= HANDSHAKE_BYTES_MAX);
    client_fini();
}

/* Takes every receive buffer out of the group, as a crowd of connections would. */
static void hold_all_buffers(int fd, int other_fd, uint16_t out_ids[BUFFERS]) {
    for (int i = 0; i < BUFFERS; i++) {
        CU_ASSERT_EQUAL_FATAL(write(other_fd, "x", 1), 1);
        struct io_uring_sqe *sqe = ring_sqe(&client.ring);
        io_uring_prep_recv(sqe, fd, NULL, 1, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = RING_BUFFER_GROUP;
        io_uring_sqe_set_data64(sqe, ring_tag(RING_OP_NONE, 0, 0));
    }
    ring_submit_and_wait(&client.ring, BUFFERS, NS_PER_S);
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&client.ring.uring, head, cqe) {
        CU_ASSERT_TRUE_FATAL(count < BUFFERS && (cqe->flags & IORING_CQE_F_BUFFER));
        out_ids[count++] = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    }
    io_uring_cq_advance(&client.ring.uring, count);
    CU_ASSERT_EQUAL_FATAL(count, BUFFERS);
}

static void test_starved_of_buffers(void) {
    if (!client_init()) {
        return;
    }
    int ends[2];
    uint16_t ids[BUFFERS];
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct peer_spec spec = {.key = MINT_P256};
    struct serve serve = {.script = SERVE_TLS, .context = peer_context_new(&spec)};
    CU_ASSERT_TRUE_FATAL(serve_start(&serve));
    for (int in_time = 0; in_time < 2; in_time++) {
        hold_all_buffers(ends[0], ends[1], ids);
        struct conn_request request = request_to(serve.port);
        request.io_timeout_ns = in_time ? LONG_NS : SHORT_NS;
        CU_ASSERT_PTR_NOT_NULL_FATAL(conn_open(client.conns, &request));
        for (int i = 0; i < 30; i++) {
            client_tick(NS_PER_MS);
        }
        CU_ASSERT_EQUAL(conns_in_use(client.conns), 1);
        if (!in_time) {
            client_drain(); /* the deadline holds here too */
            CU_ASSERT_EQUAL(client.last.outcome, OUTCOME_IO_TIMEOUT);
        }
        for (int i = 0; i < BUFFERS; i++) {
            ring_buffer_give(&client.ring, ids[i]);
        }
    }
    client_drain();
    CU_ASSERT_EQUAL(client.last.outcome, OUTCOME_SUCCESS);
    serve_stop(&serve);
    SSL_CTX_free(serve.context);
    close(ends[0]);
    close(ends[1]);
    client_fini();
}

static void test_thousand_through_64_slots(void) {
    if (!client_init()) {
        return;
    }
    struct peer_spec spec = {.key = MINT_P256, .extra_certs = 1, .padding_len = 6000};
    SSL_CTX *context = peer_context_new(&spec);
    struct serve serves[2] = {{.script = SERVE_TLS, .context = context},
                              {.script = SERVE_TLS, .context = context}};
    CU_ASSERT_TRUE_FATAL(serve_start(&serves[0]) && serve_start(&serves[1]));
    unsigned opened = 0;
    for (int i = 0; i < 100000 && client.finished < 1000; i++) {
        while (opened < 1000) {
            struct conn_request request = request_to(serves[opened % 2].port);
            if (conn_open(client.conns, &request) == NULL) {
                CU_ASSERT_EQUAL(conns_available(client.conns), 0);
                break;
            }
            opened++;
        }
        client_tick(20 * NS_PER_MS);
    }
    CU_ASSERT_EQUAL(client.outcomes[OUTCOME_SUCCESS], 1000);
    client_drain();
    for (int i = 0; i < 2; i++) {
        for (int wait = 0; wait < 200 && atomic_load(&serves[i].ends) < 500; wait++) {
            usleep(10000);
        }
        CU_ASSERT_EQUAL(atomic_load(&serves[i].handshakes), 500);
        CU_ASSERT_EQUAL(atomic_load(&serves[i].close_notifies), 500);
        serve_stop(&serves[i]);
    }
    SSL_CTX_free(context);
    client_fini();
}

/* Cut off after a random number of ticks, by abort or by an early release; all slots come back. */
static void test_abort(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    if (!client_init()) {
        return;
    }
    int fds[BLACKHOLE_FDS];
    uint16_t blackhole = serve_blackhole(fds);
    struct peer_spec spec = {.key = MINT_P256};
    SSL_CTX *context = peer_context_new(&spec);
    struct serve serves[] = {{.script = SERVE_TLS, .context = context},
                             {.script = SERVE_SILENT},
                             {.script = SERVE_DRIP},
                             {.script = SERVE_RESET_LATER}};
    uint16_t ports[6] = {blackhole, serve_free_port()};
    for (size_t i = 0; i < ARRAY_COUNT(serves); i++) {
        CU_ASSERT_TRUE_FATAL(serve_start(&serves[i]));
        ports[2 + i] = serves[i].port;
    }
    for (int round = 0; round < 60; round++) {
        unsigned before = client.finished, opened = 0, released = 0;
        uint32_t wanted = 1 + rng_below(&rng, SLOTS);
        for (; opened < wanted; opened++) {
            struct conn_request request = request_to(ports[rng_below(&rng, ARRAY_COUNT(ports))]);
            struct conn *conn = conn_open(client.conns, &request);
            CU_ASSERT_PTR_NOT_NULL_FATAL(conn);
            if (rng_below(&rng, 10) == 0) {
                conn_release(client.conns, conn);
                released++;
            }
        }
        for (uint32_t ticks = rng_below(&rng, 6); ticks > 0; ticks--) {
            client_tick(NS_PER_MS);
        }
        conns_abort(client.conns);
        conns_abort(client.conns);
        client_drain();
        CU_ASSERT_EQUAL(client.finished - before, opened - released);
    }
    CU_ASSERT_TRUE(client.outcomes[OUTCOME_CANCELLED] > 0);
    for (size_t i = 0; i < ARRAY_COUNT(serves); i++) {
        serve_stop(&serves[i]);
    }
    for (int i = 0; i < BLACKHOLE_FDS; i++) {
        close(fds[i]);
    }
    SSL_CTX_free(context);
    client_fini();
}

static void test_stale_completions(void) {
    if (!client_init()) {
        return;
    }
    struct serve serve = {.script = SERVE_SILENT};
    CU_ASSERT_TRUE_FATAL(serve_start(&serve));
    struct conn_request request = request_to(serve.port);
    struct conn *conn = conn_open(client.conns, &request);
    CU_ASSERT_PTR_NOT_NULL_FATAL(conn);
    CU_ASSERT_EQUAL(conn->state, CONN_CONNECTING);
    for (int i = 0; i < 100 && conn->state != CONN_HANDSHAKE; i++) {
        client_tick(5 * NS_PER_MS);
    }
    CU_ASSERT_EQUAL(conn->state, CONN_HANDSHAKE);
    uint32_t pending = conn->pending;
    /* The same slot, an older or a younger generation; a slot that is free; one that is none. */
    uint64_t tags[] = {ring_tag(RING_OP_RECV, 0xFFFFFF, 0), ring_tag(RING_OP_CLOSE, 3, 0),
                       ring_tag(RING_OP_RECV, 1, 5), ring_tag(RING_OP_CONNECT, 1, 1u << 30)};
    for (size_t i = 0; i < ARRAY_COUNT(tags); i++) {
        struct io_uring_cqe cqe = {.user_data = tags[i], .res = -ECONNRESET};
        conns_on_completion(client.conns, &cqe);
        CU_ASSERT_EQUAL(conn->pending, pending);
        CU_ASSERT_EQUAL(conn->news, CONN_NEWS_NONE);
    }
    struct timer foreign;
    CU_ASSERT_FALSE(conns_owns_timer(client.conns, &foreign));
    CU_ASSERT_TRUE(conns_owns_timer(client.conns, &conn->timer));
    conn_release(client.conns, conn);
    client_drain();
    serve_stop(&serve);
    client_fini();
}

/* --- openssl s_server, another implementation --- */

static pid_t run_quietly(char *const arguments[]) {
    pid_t child = fork();
    if (child == 0) {
        int null_fd = open("/dev/null", O_RDWR);
        dup2(null_fd, 0);
        dup2(null_fd, 1);
        dup2(null_fd, 2);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    return child;
}

/* Files of the test, made by `openssl req`: an RSA and an ECDSA certificate with keys. */
struct pem_files {
    char folder[32];
    char cert[2][64], key[2][64];
};

static bool pem_files_make(struct pem_files *files) {
    static char *const kinds[2][2] = {{"rsa:2048", "rsa_keygen_bits:2048"},
                                      {"ec", "ec_paramgen_curve:P-256"}};
    strcpy(files->folder, "/tmp/pinsweep-conn-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(files->folder));
    bool made = true;
    for (int i = 0; i < 2; i++) {
        snprintf(files->cert[i], sizeof files->cert[i], "%s/cert%d.pem", files->folder, i);
        snprintf(files->key[i], sizeof files->key[i], "%s/key%d.pem", files->folder, i);
        char *const mint[] = {
            "openssl",  "req",          "-x509",  "-newkey",          kinds[i][0],
            "-pkeyopt", kinds[i][1],    "-nodes", "-keyout",          files->key[i],
            "-out",     files->cert[i], "-subj",  "/CN=peer.example", NULL};
        int status = 0;
        waitpid(run_quietly(mint), &status, 0);
        made = made && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return made;
}

static void pem_files_remove(const struct pem_files *files) {
    for (int i = 0; i < 2; i++) {
        unlink(files->cert[i]);
        unlink(files->key[i]);
    }
    rmdir(files->folder);
}

/* The server needs a moment until it listens. */
static const struct result *attempt_until_listening(const struct conn_request *request) {
    const struct result *result = &client.last;
    for (int i = 0; i < 500; i++) {
        result = attempt(request);
        if (result->outcome != OUTCOME_CONNECTION_REFUSED) {
            break;
        }
        usleep(20000);
    }
    return result;
}

/* A server with both kinds of certificate shows each view the one that it asks for. */
static void s_server_views(struct pem_files *files, char *version_option, uint16_t version) {
    static const struct {
        enum key_view view;
        enum outcome outcome;
        uint16_t signature, signature_1_2; /* either */
    } rows[] = {
        {KEY_VIEW_RSA, OUTCOME_SUCCESS, SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PKCS1_SHA256},
        {KEY_VIEW_ECDSA, OUTCOME_SUCCESS, SSL_SIGN_ECDSA_SECP256R1_SHA256,
         SSL_SIGN_ECDSA_SECP256R1_SHA256},
        {KEY_VIEW_ED25519, OUTCOME_NOT_OFFERED, 0, 0},
    };
    char port_text[8];
    uint16_t port = serve_free_port();
    snprintf(port_text, sizeof port_text, "%u", port);
    char *const server[] = {"openssl", "s_server",     "-accept", port_text,
                            "-cert",   files->cert[0], "-key",    files->key[0],
                            "-dcert",  files->cert[1], "-dkey",   files->key[1],
                            "-www",    version_option, NULL};
    pid_t child = run_quietly(server);
    struct conn_request request = request_to(port);
    const struct result *result = attempt_until_listening(&request);
    CU_ASSERT_EQUAL(result->outcome, OUTCOME_SUCCESS);
    CU_ASSERT_EQUAL(result->facts.version, version);
    CU_ASSERT_EQUAL(result->cert_count, 1);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        request.key_view = rows[i].view;
        result = attempt(&request);
        CU_ASSERT_EQUAL(result->outcome, rows[i].outcome);
        CU_ASSERT_TRUE(rows[i].outcome != OUTCOME_SUCCESS ||
                       result->facts.peer_signature == rows[i].signature ||
                       result->facts.peer_signature == rows[i].signature_1_2);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void test_openssl(void) {
    struct pem_files files;
    if (!pem_files_make(&files)) {
        suite_skip("no openssl command here");
    } else if (client_init()) {
        s_server_views(&files, "-tls1_2", 0x0303);
        s_server_views(&files, "-tls1_3", 0x0304);
        client_fini();
    }
    pem_files_remove(&files);
}

SUITE_MAIN("conn", {"depths without an SSL object", test_depths},
           {"many captures", test_many_captures},
           {"the deadline of a held secret", test_deadline_of_a_held_secret},
           {"captures that fail", test_capture_failures}, {"success", test_success},
           {"IPv6", test_ipv6}, {"client certificate", test_client_certificate},
           {"refused and unreachable", test_refused_and_unreachable}, {"scripts", test_scripts},
           {"deadlines", test_deadlines}, {"flood", test_flood},
           {"starved of buffers", test_starved_of_buffers},
           {"thousand through 64 slots", test_thousand_through_64_slots}, {"abort", test_abort},
           {"stale completions", test_stale_completions}, {"openssl", test_openssl})
