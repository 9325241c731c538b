#include "engine/net/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/net/capture.h"
#include "engine/net/conn_internal.h"

/* Connections in flight from which a batch of secrets may wait for company. */
#define HOLD_SECRETS_MIN 64
#define HOLD_STEPS_MAX 4

static uint64_t later(uint64_t from_ns, uint64_t span_ns) {
    return span_ns < UINT64_MAX - from_ns ? from_ns + span_ns : UINT64_MAX;
}

/* --- life of the table --- */

/* A capture sends a ClientHello and nothing else: its buffers lie closer together. */
static uint32_t hello_bytes_of(const struct tls_context *tls) {
    return (uint32_t)((capture_output_max(tls) + 63) / 64 * 64);
}

static size_t buffers_len(const struct conns *conns, uint32_t capacity) {
    return (size_t)capacity * (SEND_BUFFER_BYTES + conns->hello_bytes);
}

enum err conns_new(struct ring *ring, struct timer_wheel *wheel, struct tls_context *tls,
                   const struct clock *clock, uint32_t capacity, struct conns **out,
                   struct err_note *note) {
    CHECK(capacity > 0 && capacity <= ring->direct_count);
    struct conns *conns = calloc(1, sizeof *conns);
    if (conns == NULL) {
        return err_note(note, ERR_RESOURCE, "no memory for connections");
    }
    *conns = (struct conns){.ring = ring,
                            .wheel = wheel,
                            .tls = tls,
                            .clock = clock,
                            .hello_bytes = hello_bytes_of(tls)};
    list_init(&conns->ready);
    list_init(&conns->finished);
    list_init(&conns->starved);
    list_init(&conns->secrets);
    enum err err = pool_init(&conns->pool, sizeof(struct conn), capacity, note);
    if (err != ERR_NONE) {
        free(conns);
        return err;
    }
    void *map = mmap(NULL, buffers_len(conns, capacity), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        err = err_note(note, ERR_RESOURCE,
                       "cannot reserve %zu bytes for %u send buffers; lower --concurrency",
                       buffers_len(conns, capacity), capacity);
        pool_fini(&conns->pool);
        free(conns);
        return err;
    }
    conns->outputs = map;
    conns->hellos = conns->outputs + (size_t)capacity * SEND_BUFFER_BYTES;
    *out = conns;
    return ERR_NONE;
}

void conns_free(struct conns *conns) {
    if (conns == NULL) {
        return;
    }
    CHECK(conns->pool.taken_count == 0);
    munmap(conns->outputs, buffers_len(conns, conns->pool.capacity));
    pool_fini(&conns->pool);
    free(conns);
}

uint32_t conns_in_use(const struct conns *conns) {
    return conns->pool.taken_count;
}

bool conns_hold_secrets(const struct conns *conns) {
    return conns->secret_count > 0;
}

uint32_t conns_available(const struct conns *conns) {
    return conns->pool.capacity - conns->pool.taken_count;
}

void conns_get_stats(const struct conns *conns, struct conns_stats *out) {
    *out = conns->stats;
}

size_t conns_bytes(const struct conns *conns) {
    return sizeof *conns + pool_bytes(&conns->pool) + buffers_len(conns, conns->pool.capacity);
}

/* --- life of one connection --- */

static bool edge_is_legal(enum conn_state from, enum conn_state to) {
    switch (to) {
    case CONN_FREE:
        return false; /* only pool_give does that */
    case CONN_CONNECTING:
        return from == CONN_FREE;
    case CONN_HANDSHAKE:
        return from == CONN_CONNECTING;
    case CONN_CLOSING:
        return from == CONN_CONNECTING || from == CONN_HANDSHAKE;
    case CONN_CLOSED:
        return from == CONN_CLOSING;
    }
    return false;
}

static void move_to(struct conns *conns, struct conn *conn, enum conn_state to) {
    CHECK(edge_is_legal(conn->state, to));
    conn->state = to;
    switch (to) {
    case CONN_FREE:
    case CONN_CLOSED:
        break;
    case CONN_CONNECTING:
        conn->times.opened = clock_mono_ns(conns->clock);
        break;
    case CONN_HANDSHAKE:
        conn->times.connected = clock_mono_ns(conns->clock);
        break;
    case CONN_CLOSING:
        conn->times.finished = clock_mono_ns(conns->clock);
        break;
    }
}

/* Waits for the stage's deadline or the target's, whichever comes first. */
static void arm_stage(struct conns *conns, struct conn *conn, uint64_t from_ns,
                      uint64_t timeout_ns) {
    conn->stage_deadline_ns = later(from_ns, timeout_ns);
    uint64_t deadline_ns = conn->stage_deadline_ns;
    if (conn->request.target_deadline_ns < deadline_ns) {
        deadline_ns = conn->request.target_deadline_ns;
    }
    timer_arm(conns->wheel, &conn->timer, deadline_ns);
}

struct conn *conn_open(struct conns *conns, const struct conn_request *request) {
    struct conn *conn = pool_take(&conns->pool);
    if (conn == NULL) {
        return NULL;
    }
    list_node_init(&conn->node);
    timer_init(&conn->timer);
    conn->owner = request->owner;
    conn->request = *request;
    if (conn->request.target_deadline_ns == 0) {
        conn->request.target_deadline_ns = UINT64_MAX;
    }
    conn->tls.facts.alert = -1;
    move_to(conns, conn, CONN_CONNECTING);
    arm_stage(conns, conn, conn->times.opened, request->connect_timeout_ns);
    conn_queue_connect(conns, conn);
    conns->stats.opened++;
    return conn;
}

static void give_back_if_done(struct conns *conns, struct conn *conn) {
    if (conn->state == CONN_CLOSING && conn->pending == 0 && !conn->has_file) {
        timer_cancel(conns->wheel, &conn->timer);
        move_to(conns, conn, CONN_CLOSED);
    }
    if (conn->state == CONN_CLOSED && conn->released) {
        pool_give(&conns->pool, conn);
    }
}

static void drop_news(struct conns *conns, struct conn *conn) {
    if (conn->news == CONN_NEWS_DATA) {
        ring_buffer_give(conns->ring, conn->ready_buffer_id);
    }
    conn->news = CONN_NEWS_NONE;
}

static void begin_close(struct conns *conns, struct conn *conn) {
    timer_cancel(conns->wheel, &conn->timer);
    move_to(conns, conn, CONN_CLOSING);
    if (conn->pending > 0) {
        conn_queue_cancel(conns, conn);
        conn_queue_close(conns, conn);
    } else if (conn->has_file && conn->tls.output_len > 0 && conn->send_error == 0) {
        conn_queue_last_words(conns, conn);
        conn->closes_by_chain = true;
        timer_arm(conns->wheel, &conn->timer, later(conn->times.finished, CLOSE_TIMEOUT_NS));
    } else if (conn->has_file && conn->tls.capture != NULL) {
        conn_queue_reset(conns, conn);
        conn->closes_by_chain = true;
    } else if (conn->has_file) {
        conn_queue_close(conns, conn);
    }
}

static void count_finished(struct conns *conns, const struct conn *conn) {
    conns->stats.fallback += conn->tls.fallback;
    if (conn->outcome != OUTCOME_SUCCESS) {
        return;
    }
    unsigned version = conn->tls.facts.version & 0xFFu;
    conns->stats.by_version[version < 5 ? version : 4]++;
    conns->stats.proven += conn->tls.facts.proof == PROOF_POSSESSION;
    conns->stats.completed += conn->tls.facts.depth == DEPTH_COMPLETE;
    conns->stats.captured += conn->tls.facts.depth == DEPTH_CAPTURE;
}

static void leave_secrets(struct conns *conns, struct conn *conn) {
    conns->secret_count -= conn->waits_secret;
    conn->waits_secret = false;
}

static void finish(struct conns *conns, struct conn *conn, enum outcome outcome, int error_number) {
    DCHECK(!conn->finished);
    conn->finished = true;
    conn->outcome = outcome;
    conn->error_number = error_number;
    drop_news(conns, conn);
    leave_secrets(conns, conn);
    list_remove(&conn->node);
    begin_close(conns, conn);
    count_finished(conns, conn);
    list_push_back(&conns->finished, &conn->node);
    give_back_if_done(conns, conn);
}

/* Ends it for a reason outside TLS; `words` become the record's error. */
static void finish_outside(struct conns *conns, struct conn *conn, enum outcome outcome,
                           int error_number, const char *words) {
    if (conn->tls.ssl != NULL || conn->tls.capture != NULL) {
        tls_give_up(&conn->tls, outcome, words);
    } else {
        snprintf(conn->tls.facts.error, sizeof conn->tls.facts.error, "%s", words);
    }
    finish(conns, conn, outcome, error_number);
}

static void finish_failed(struct conns *conns, struct conn *conn, const char *operation,
                          enum outcome outcome, int error) {
    char words[sizeof conn->tls.facts.error];
    const char *meaning = strerrordesc_np(error);
    snprintf(words, sizeof words, "%s: %s", operation, meaning != NULL ? meaning : "unknown error");
    finish_outside(conns, conn, outcome, error, words);
}

static void finish_timeout(struct conns *conns, struct conn *conn) {
    bool connecting = conn->state == CONN_CONNECTING;
    char words[sizeof conn->tls.facts.error];
    if (conn->request.target_deadline_ns <= conn->stage_deadline_ns) {
        snprintf(words, sizeof words, "the target's deadline passed while %s",
                 connecting ? "connecting" : "in the handshake");
        finish_outside(conns, conn, OUTCOME_TARGET_TIMEOUT, 0, words);
        return;
    }
    uint64_t timeout_ns =
        connecting ? conn->request.connect_timeout_ns : conn->request.io_timeout_ns;
    snprintf(words, sizeof words, "%s within %llu ms",
             connecting ? "no connection" : "the handshake was not done",
             (unsigned long long)(timeout_ns / NS_PER_MS));
    finish_outside(conns, conn, connecting ? OUTCOME_CONNECTION_TIMEOUT : OUTCOME_IO_TIMEOUT, 0,
                   words);
}

void conn_release(struct conns *conns, struct conn *conn) {
    CHECK(!conn->released);
    if (!conn->finished) {
        finish_outside(conns, conn, OUTCOME_CANCELLED, 0, "released");
    }
    list_remove(&conn->node);
    tls_fini(&conn->tls);
    conn->released = true;
    give_back_if_done(conns, conn);
}

void conns_abort(struct conns *conns) {
    for (uint32_t slot = 0; slot < conns->pool.fresh_idx; slot++) {
        uint32_t generation = pool_generation(&conns->pool, slot);
        struct conn *conn = pool_find(&conns->pool, slot, generation);
        if (conn != NULL && !conn->finished) {
            finish_outside(conns, conn, OUTCOME_CANCELLED, 0, "the sweep was interrupted");
        }
    }
}

struct conn *conns_next_finished(struct conns *conns) {
    struct list_node *node = list_pop_front(&conns->finished);
    return node != NULL ? CONTAINER_OF(node, struct conn, node) : NULL;
}

/* --- reap --- */

static void note_news(struct conns *conns, struct conn *conn, enum conn_news news, int error) {
    DCHECK(conn->news == CONN_NEWS_NONE && !conn->finished);
    conn->news = news;
    conn->news_error = error;
    list_push_back(&conns->ready, &conn->node);
}

static void note_recv(struct conns *conns, struct conn *conn, const struct io_uring_cqe *cqe) {
    if (cqe->res > 0) {
        CHECK(cqe->flags & IORING_CQE_F_BUFFER);
        conn->ready_buffer_id = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        conn->ready_len = (uint32_t)cqe->res;
        note_news(conns, conn, CONN_NEWS_DATA, 0);
        return;
    }
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        ring_buffer_give(conns->ring, (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
    }
    if (cqe->res == 0) {
        note_news(conns, conn, CONN_NEWS_EOF, 0);
    } else if (cqe->res == -ENOBUFS || cqe->res == -EINTR || cqe->res == -EAGAIN) {
        note_news(conns, conn, CONN_NEWS_STARVED, 0);
    } else {
        note_news(conns, conn, CONN_NEWS_RECV_FAILED, -cqe->res);
    }
}

static void note_open(struct conns *conns, struct conn *conn, const struct io_uring_cqe *cqe) {
    switch (ring_tag_op(cqe->user_data)) {
    case RING_OP_SOCKET: /* success is skipped */
        conn->has_file = false;
        note_news(conns, conn, CONN_NEWS_CONNECT_FAILED, -cqe->res);
        break;
    case RING_OP_CONNECT:
        note_news(conns, conn, cqe->res == 0 ? CONN_NEWS_CONNECTED : CONN_NEWS_CONNECT_FAILED,
                  -cqe->res);
        break;
    case RING_OP_SEND: /* success is skipped; a short send comes here with its length */
        note_news(conns, conn, CONN_NEWS_SEND_FAILED, cqe->res < 0 ? -cqe->res : EPIPE);
        break;
    case RING_OP_RECV:
        note_recv(conns, conn, cqe);
        break;
    case RING_OP_NONE:
    case RING_OP_SHUTDOWN:
    case RING_OP_CLOSE:
    case RING_OP_CANCEL:
    case RING_OP_POLL:
        CHECK(false);
    }
}

/* Of a finished connection: only the descriptor and the buffers matter. */
static void note_closing(struct conns *conns, struct conn *conn, const struct io_uring_cqe *cqe) {
    enum ring_op op = ring_tag_op(cqe->user_data);
    if (op == RING_OP_CLOSE || op == RING_OP_SOCKET) {
        conn->has_file = false; /* EBADF: it never stood */
    } else if (cqe->flags & IORING_CQE_F_BUFFER) {
        ring_buffer_give(conns->ring, (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
    } else if ((op == RING_OP_SEND || op == RING_OP_CONNECT) && conn->closes_by_chain) {
        /* The last words, or the reset, failed and took the close behind them along. */
        conn->closes_by_chain = false;
        conn_queue_close(conns, conn);
    }
    give_back_if_done(conns, conn);
}

void conns_on_completion(struct conns *conns, const struct io_uring_cqe *cqe) {
    uint64_t tag = cqe->user_data;
    struct conn *conn = pool_find(&conns->pool, ring_tag_idx(tag), ring_tag_generation(tag));
    if (conn == NULL) { /* of an earlier use of the slot */
        if (cqe->flags & IORING_CQE_F_BUFFER) {
            ring_buffer_give(conns->ring, (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
        }
        return;
    }
    CHECK(conn->pending > 0);
    conn->pending--;
    if (conn->finished) {
        note_closing(conns, conn, cqe);
    } else {
        note_open(conns, conn, cqe);
    }
}

/* --- expire --- */

bool conns_owns_timer(const struct conns *conns, const struct timer *timer) {
    const uint8_t *at = (const uint8_t *)timer;
    size_t items_len = conns->pool.item_size * conns->pool.capacity;
    return at >= conns->pool.items && at < conns->pool.items + items_len;
}

void conns_on_timer(struct conns *conns, struct timer *timer) {
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    if (conn->finished) {
        conn_queue_cancel(conns, conn); /* the peer does not take our last words */
    } else if (conn->news != CONN_NEWS_NONE || conn->waits_secret) {
        conn->expired = true; /* it came in time: the step stage looks at it first */
    } else {
        finish_timeout(conns, conn);
    }
}

/* --- step --- */

static bool begin_handshake(struct conns *conns, struct conn *conn) {
    const struct conn_request *request = &conn->request;
    size_t slot = pool_index(&conns->pool, conn);
    if (request->depth != DEPTH_COMPLETE && capture_can(conns->tls, request->key_view)) {
        conn->output = conns->hellos + slot * conns->hello_bytes;
        return capture_init(&conn->tls, conns->tls, request->key_view, request->sni, request->depth,
                            conn->output, conn->times.connected);
    }
    conns->stats.fallback += request->depth != DEPTH_COMPLETE;
    conn->output = conns->outputs + slot * SEND_BUFFER_BYTES;
    return tls_init(&conn->tls, conns->tls, request->key_view, request->sni, conn->output);
}

static void step_connected(struct conns *conns, struct conn *conn) {
    move_to(conns, conn, CONN_HANDSHAKE);
    conns->stats.connected++;
    conn->expired = false;
    arm_stage(conns, conn, conn->times.connected, conn->request.io_timeout_ns);
    if (!begin_handshake(conns, conn)) {
        finish(conns, conn, conn->tls.outcome, 0);
        return;
    }
    conn_queue_exchange(conns, conn);
}

/* The flight so far was looked at: the end, or more is awaited. */
static void go_on(struct conns *conns, struct conn *conn) {
    if (conn->tls.state != TLS_WANTS_READ) {
        finish(conns, conn, conn->tls.outcome, 0);
    } else if (conn->expired) {
        finish_timeout(conns, conn);
    } else {
        if (conn->send_error != 0) {
            tls_drained(&conn->tls); /* nobody takes it any more */
        }
        conn_queue_exchange(conns, conn);
    }
}

static void step_data(struct conns *conns, struct conn *conn) {
    struct span bytes = ring_buffer(conns->ring, conn->ready_buffer_id, conn->ready_len);
    conns->stats.bytes_in += bytes.len;
    enum tls_state state = tls_feed(&conn->tls, bytes);
    ring_buffer_give(conns->ring, conn->ready_buffer_id);
    if (state == TLS_WANTS_SECRET) {
        list_push_back(&conns->secrets, &conn->node);
        conn->waits_secret = true;
        conns->secret_count++;
    } else {
        go_on(conns, conn);
    }
}

/* The captures whose ServerHello came, eight at a time. A batch that is not full costs as much as a
   full one, so what is left over waits for company, HOLD_STEPS_MAX steps at most; and only where so
   many are in flight that a step comes within the millisecond that a worker gathers completions. A
   server that answers slowly would else cost 40 us a secret. */
static void step_secrets(struct conns *conns) {
    bool may_hold = conns->held_steps < HOLD_STEPS_MAX && conns_in_use(conns) >= HOLD_SECRETS_MIN;
    uint32_t leave = may_hold ? X25519_BATCH_MAX - 1 : 0;
    bool took = conns->secret_count > leave; /* the oldest: what is left came in this step */
    while (conns->secret_count > leave) {    /* every turn takes some */
        struct conn *batch[X25519_BATCH_MAX];
        struct tls *waiting[X25519_BATCH_MAX];
        size_t count = 0;
        while (count < X25519_BATCH_MAX && !list_is_empty(&conns->secrets)) {
            batch[count] = CONTAINER_OF(list_pop_front(&conns->secrets), struct conn, node);
            waiting[count] = &batch[count]->tls;
            leave_secrets(conns, batch[count]);
            count++;
        }
        capture_derive(waiting, count);
        for (size_t i = 0; i < count; i++) {
            go_on(conns, batch[i]);
        }
    }
    conns->held_steps = conns->secret_count > 0 && !took ? conns->held_steps + 1 : 0;
}

/* The peer reset the connection, as told by a send or a receive. */
static void step_cut(struct conns *conns, struct conn *conn, const char *operation, int error) {
    enum outcome outcome = conn_exchange_outcome(error);
    if (outcome == OUTCOME_CONNECTION_RESET) {
        tls_feed_reset(&conn->tls);
        finish(conns, conn, conn->tls.outcome, error);
    } else {
        finish_failed(conns, conn, operation, outcome, error);
    }
}

static void step_eof(struct conns *conns, struct conn *conn) {
    if (conn->send_error != 0) {
        step_cut(conns, conn, "send", conn->send_error);
        return;
    }
    tls_feed_eof(&conn->tls);
    finish(conns, conn, conn->tls.outcome, 0);
}

static void step_send_failed(struct conns *conns, struct conn *conn, int error) {
    if (conn_exchange_outcome(error) != OUTCOME_CONNECTION_RESET) {
        finish_failed(conns, conn, "send", conn_exchange_outcome(error), error);
    } else if (conn->expired) {
        finish_timeout(conns, conn);
    } else {
        /* What the peer said before it hung up (an alert, plain HTTP) may still be read. */
        conn->send_error = error;
        conn_queue_exchange(conns, conn);
    }
}

static void step(struct conns *conns, struct conn *conn) {
    enum conn_news news = conn->news;
    conn->news = CONN_NEWS_NONE;
    switch (news) {
    case CONN_NEWS_NONE:
        CHECK(false);
    case CONN_NEWS_CONNECTED:
        step_connected(conns, conn);
        break;
    case CONN_NEWS_CONNECT_FAILED:
        finish_failed(conns, conn, "connect", conn_connect_outcome(conn->news_error),
                      conn->news_error);
        break;
    case CONN_NEWS_SEND_FAILED:
        step_send_failed(conns, conn, conn->news_error);
        break;
    case CONN_NEWS_DATA:
        step_data(conns, conn);
        break;
    case CONN_NEWS_EOF:
        step_eof(conns, conn);
        break;
    case CONN_NEWS_RECV_FAILED:
        step_cut(conns, conn, "receive",
                 conn->send_error != 0 ? conn->send_error : conn->news_error);
        break;
    case CONN_NEWS_STARVED:
        if (conn->expired) {
            finish_timeout(conns, conn);
        } else {
            conn->news = CONN_NEWS_STARVED;
            list_push_back(&conns->starved, &conn->node);
        }
        break;
    }
}

void conns_step(struct conns *conns) {
    struct list_node *node;
    while ((node = list_pop_front(&conns->ready)) != NULL) {
        step(conns, CONTAINER_OF(node, struct conn, node));
    }
    step_secrets(conns);
    /* By now every buffer is back. */
    while ((node = list_pop_front(&conns->starved)) != NULL) {
        struct conn *conn = CONTAINER_OF(node, struct conn, node);
        conn->news = CONN_NEWS_NONE;
        conn_queue_exchange(conns, conn);
    }
}
