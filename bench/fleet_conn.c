#include "bench/fleet_conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/fleet_choice.h"
#include "engine/base/clock.h"

enum conn_state {
    CONN_LATE,      /* waits for its moment, then handshakes */
    CONN_HANDSHAKE, /* bytes go to the SSL object */
    CONN_FAST,      /* answered without an SSL object, waits for the client's Finished */
    CONN_ANSWER,    /* the first bytes get a fixed answer */
    CONN_DRAIN,     /* bytes are thrown away until the client closes */
    CONN_DEAF,      /* not even its closing is heeded */
};

enum conn_ending { ENDING_NONE, ENDING_FIN, ENDING_RST };

struct fleet_conn {
    enum fleet_source source;
    enum conn_state state;
    int fd;
    bool handshake_open;     /* counted neither as completed nor as failed yet */
    bool has_sent;           /* the first flight is out */
    enum conn_ending ending; /* once nothing is pending */
    struct fleet_peer peer;  /* whom it serves, and how */
    SSL *ssl;
    uint8_t *pending; /* not sent yet */
    size_t pending_at, pending_len;
    struct list_node age_node, timed_node;
    uint64_t opened_ns, moment_ns;
};

size_t fleet_conn_size(void) {
    return sizeof(struct fleet_conn);
}

static void conn_close(struct fleet_worker *worker, struct fleet_conn *conn, bool reset) {
    if (conn->handshake_open) {
        worker->stats.failed++;
    }
    if (reset) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    close(conn->fd);
    SSL_free(conn->ssl);
    free(conn->pending);
    list_remove(&conn->age_node);
    list_remove(&conn->timed_node);
    pool_give(&worker->conns, conn);
}

static void conn_watch(struct fleet_worker *worker, struct fleet_conn *conn, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = &conn->source};
    CHECK(epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event) == 0);
}

static void conn_wait_until(struct fleet_worker *worker, struct fleet_conn *conn,
                            uint64_t delay_ms) {
    conn->moment_ns = worker->now_ns + delay_ms * NS_PER_MS;
    if (!list_node_is_linked(&conn->timed_node)) {
        list_push_back(&worker->timed, &conn->timed_node);
    }
}

static bool conn_is_mid_drip(const struct fleet_conn *conn) {
    return conn->peer.behaviour->flight == FLIGHT_DRIP && conn->pending_len > conn->pending_at;
}

/* Everything is out: whatever the behaviour wants done then. False if the connection is gone. */
static bool conn_end_flight(struct fleet_worker *worker, struct fleet_conn *conn) {
    enum conn_ending ending = conn->ending;
    conn->ending = ENDING_NONE;
    switch (ending) {
    case ENDING_NONE:
        return true;
    case ENDING_FIN:
        /* Half-closed, then drained: closing with bytes unread would send RST after them. */
        shutdown(conn->fd, SHUT_WR);
        conn->state = CONN_DRAIN;
        return true;
    case ENDING_RST:
        conn_close(worker, conn, true);
        return false;
    }
    return true;
}

/* Sends pending bytes, at most `max` of them. False if the connection is gone. */
static bool conn_send_pending(struct fleet_worker *worker, struct fleet_conn *conn, size_t max) {
    while (conn->pending_at < conn->pending_len && max > 0) {
        size_t len = conn->pending_len - conn->pending_at;
        size_t step = conn->peer.behaviour->flight == FLIGHT_PIECES ? 1 : len;
        step = step < max ? step : max;
        ssize_t sent = send(conn->fd, conn->pending + conn->pending_at, step, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            conn_watch(worker, conn, EPOLLIN | EPOLLOUT);
            return true;
        }
        if (sent < 0) {
            conn_close(worker, conn, false);
            return false;
        }
        conn->pending_at += (size_t)sent;
        max -= (size_t)sent;
        worker->stats.bytes_out += (uint64_t)sent;
    }
    if (conn->pending_at < conn->pending_len) {
        return true;
    }
    free(conn->pending);
    conn->pending = NULL;
    conn->pending_at = conn->pending_len = 0;
    return conn_end_flight(worker, conn);
}

static void conn_keep_pending(struct fleet_conn *conn, const uint8_t *bytes, size_t len) {
    size_t kept = conn->pending_len - conn->pending_at;
    uint8_t *joined = malloc(kept + len);
    CHECK(joined != NULL);
    if (kept > 0) {
        memcpy(joined, conn->pending + conn->pending_at, kept);
    }
    memcpy(joined + kept, bytes, len);
    free(conn->pending);
    conn->pending = joined;
    conn->pending_at = 0;
    conn->pending_len = kept + len;
}

/* How much of the first flight goes out, and what happens after it. */
static size_t conn_cut_flight(struct fleet_worker *worker, struct fleet_conn *conn) {
    size_t len = worker->out_len;
    switch (conn->peer.behaviour->flight) {
    case FLIGHT_FIRST_RECORD:
        conn->state = CONN_DRAIN;
        if (len >= 5) {
            size_t record_len = 5 + ((size_t)worker->out[3] << 8 | worker->out[4]);
            return record_len < len ? record_len : len;
        }
        return len;
    case FLIGHT_HALF_RESET:
        conn->ending = ENDING_RST;
        return len / 2;
    case FLIGHT_HALF_CLOSE:
        conn->ending = ENDING_FIN;
        return len / 2;
    case FLIGHT_WHOLE:
    case FLIGHT_DRIP:
    case FLIGHT_PIECES:
        break;
    }
    return len;
}

/* Sends what the step wrote. False if the connection is gone. */
static bool conn_flush(struct fleet_worker *worker, struct fleet_conn *conn) {
    size_t len = worker->out_len, sent_len = 0;
    if (len == 0) {
        return conn->pending_len > conn->pending_at ? true : conn_end_flight(worker, conn);
    }
    if (!conn->has_sent) {
        conn->has_sent = true;
        len = conn_cut_flight(worker, conn);
    }
    bool at_once = conn->peer.behaviour->flight != FLIGHT_DRIP &&
                   conn->peer.behaviour->flight != FLIGHT_PIECES && conn->pending == NULL;
    if (at_once) {
        ssize_t sent = send(conn->fd, worker->out, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            conn_close(worker, conn, false);
            return false;
        }
        sent_len = sent > 0 ? (size_t)sent : 0;
        worker->stats.bytes_out += sent_len;
        if (sent_len == len) {
            return conn_end_flight(worker, conn);
        }
    }
    conn_keep_pending(conn, worker->out + sent_len, len - sent_len);
    if (conn->peer.behaviour->flight == FLIGHT_DRIP) {
        conn_wait_until(worker, conn, worker->options->drip_ms);
        return true;
    }
    return conn_send_pending(worker, conn, SIZE_MAX);
}

static SSL *conn_ssl_new(struct fleet_worker *worker, struct fleet_conn *conn) {
    SSL *ssl = SSL_new(worker->ssl_ctx);
    CHECK(ssl != NULL);
    SSL_set_app_data(ssl, &conn->peer);
    BIO_up_ref(worker->bio);
    SSL_set_bio(ssl, worker->bio, worker->bio);
    SSL_set_accept_state(ssl);
    if (conn->peer.behaviour->content == CONTENT_OLD_VERSION) {
        CHECK(SSL_set_min_proto_version(ssl, TLS1_VERSION) == 1);
        CHECK(SSL_set_max_proto_version(ssl, TLS1_VERSION) == 1);
    }
    return ssl;
}

static void conn_complete(struct fleet_worker *worker, struct fleet_conn *conn) {
    worker->stats.handshakes++;
    conn->handshake_open = false;
    conn->state = CONN_DRAIN;
}

/* Gives the bytes to the SSL object. False if the connection is gone. */
static bool conn_handshake(struct fleet_worker *worker, struct fleet_conn *conn,
                           struct span bytes) {
    if (conn->ssl == NULL && fleet_choice_answer_fast(&conn->peer, bytes)) {
        conn->state = CONN_FAST;
        return conn_flush(worker, conn);
    }
    if (conn->ssl == NULL) {
        conn->ssl = conn_ssl_new(worker, conn);
    }
    worker->in = bytes;
    worker->out_len = 0;
    int result = SSL_do_handshake(conn->ssl);
    if (result == 1) {
        conn_complete(worker, conn);
        SSL_free(conn->ssl);
        conn->ssl = NULL;
    } else if (SSL_get_error(conn->ssl, result) != SSL_ERROR_WANT_READ) {
        ERR_clear_error();
        conn->ending = ENDING_FIN; /* after the alert */
    }
    return conn_flush(worker, conn);
}

static bool conn_on_bytes(struct fleet_worker *worker, struct fleet_conn *conn, struct span bytes) {
    bool is_failed;
    switch (conn->state) {
    case CONN_HANDSHAKE:
        return conn_handshake(worker, conn, bytes);
    case CONN_FAST:
        if (fleet_fast_is_finished(bytes, &is_failed)) {
            conn_complete(worker, conn);
        } else if (is_failed) {
            conn->state = CONN_DRAIN;
        }
        return true;
    case CONN_ANSWER:
        worker->out_len = conn->peer.behaviour->answer_len;
        CHECK(worker->out_len <= worker->out_capacity);
        memcpy(worker->out, conn->peer.behaviour->answer, worker->out_len);
        conn->ending = ENDING_FIN;
        conn->state = CONN_DRAIN;
        return conn_flush(worker, conn);
    case CONN_LATE:
    case CONN_DRAIN:
    case CONN_DEAF:
        return true;
    }
    return true;
}

static void conn_on_readable(struct fleet_worker *worker, struct fleet_conn *conn) {
    ssize_t len = recv(conn->fd, worker->in_bytes, sizeof worker->in_bytes, 0);
    if (len > 0) {
        conn_on_bytes(worker, conn, span_of(worker->in_bytes, (size_t)len));
        return;
    }
    if (len < 0 && errno == EAGAIN) {
        return;
    }
    if (len == 0 && conn->peer.behaviour->ignores_close) {
        conn->state = CONN_DEAF;
        conn_watch(worker, conn, 0);
        return;
    }
    conn_close(worker, conn, false);
}

void fleet_conn_open(struct fleet_worker *worker, int fd, const uint8_t ipv4[4],
                     const struct fleet_behaviour *behaviour) {
    static const enum conn_state first_states[] = {
        [OPENING_TLS] = CONN_HANDSHAKE, [OPENING_LATE] = CONN_LATE,
        [OPENING_RESET] = CONN_DRAIN,   [OPENING_CLOSE] = CONN_DRAIN,
        [OPENING_SILENT] = CONN_DRAIN,  [OPENING_ANSWER] = CONN_ANSWER,
    };
    struct fleet_conn *conn = pool_take(&worker->conns);
    if (conn == NULL) {
        worker->stats.dropped++;
        close(fd);
        return;
    }
    conn->source = SOURCE_CONN;
    conn->fd = fd;
    conn->peer = (struct fleet_peer){.worker = worker, .behaviour = behaviour};
    conn->state = first_states[behaviour->opening];
    conn->handshake_open = true;
    conn->opened_ns = worker->now_ns;
    memcpy(conn->peer.ipv4, ipv4, 4);
    list_node_init(&conn->age_node);
    list_node_init(&conn->timed_node);
    list_push_back(&worker->by_age, &conn->age_node);
    worker->stats.accepted++;
    if (behaviour->opening == OPENING_RESET) {
        conn_close(worker, conn, true);
        return;
    }
    bool is_late = behaviour->opening == OPENING_LATE;
    struct epoll_event event = {.events = is_late ? 0 : EPOLLIN, .data.ptr = &conn->source};
    CHECK(epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
    if (is_late) {
        conn_wait_until(worker, conn, worker->options->slow_ms);
    } else if (behaviour->opening == OPENING_CLOSE) {
        shutdown(fd, SHUT_WR);
    }
}

void fleet_conn_on_event(struct fleet_worker *worker, enum fleet_source *source, uint32_t events) {
    struct fleet_conn *conn = CONTAINER_OF(source, struct fleet_conn, source);
    if ((events & EPOLLOUT) != 0) {
        conn_watch(worker, conn, EPOLLIN);
        if (!conn_send_pending(worker, conn, SIZE_MAX)) {
            return;
        }
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
        if (conn->state == CONN_DEAF || conn->state == CONN_LATE) {
            conn_close(worker, conn, false); /* EPOLLERR or EPOLLHUP: reset by the client */
            return;
        }
        conn_on_readable(worker, conn);
    }
}

static void conn_on_moment(struct fleet_worker *worker, struct fleet_conn *conn) {
    list_remove(&conn->timed_node);
    if (conn->state == CONN_LATE) {
        conn->state = CONN_HANDSHAKE;
        conn_watch(worker, conn, EPOLLIN);
        return;
    }
    if (conn_send_pending(worker, conn, 1) && conn_is_mid_drip(conn)) {
        conn_wait_until(worker, conn, worker->options->drip_ms);
    }
}

void fleet_conn_tick(struct fleet_worker *worker) {
    struct list due;
    list_init(&due);
    for (struct list_node *at = list_first(&worker->timed), *next; at != NULL; at = next) {
        next = at->next == &worker->timed.head ? NULL : at->next;
        struct fleet_conn *conn = CONTAINER_OF(at, struct fleet_conn, timed_node);
        if (conn->moment_ns <= worker->now_ns) {
            list_remove(at);
            list_push_back(&due, at);
        }
    }
    struct list_node *node;
    while ((node = list_pop_front(&due)) != NULL) {
        conn_on_moment(worker, CONTAINER_OF(node, struct fleet_conn, timed_node));
    }
    uint64_t idle_ns = (uint64_t)worker->options->idle_ms * NS_PER_MS;
    while ((node = list_first(&worker->by_age)) != NULL) {
        struct fleet_conn *conn = CONTAINER_OF(node, struct fleet_conn, age_node);
        if (conn->opened_ns + idle_ns > worker->now_ns) {
            break;
        }
        conn_close(worker, conn, false);
    }
}

void fleet_conn_close_all(struct fleet_worker *worker) {
    struct list_node *node;
    while ((node = list_first(&worker->by_age)) != NULL) {
        conn_close(worker, CONTAINER_OF(node, struct fleet_conn, age_node), false);
    }
}
