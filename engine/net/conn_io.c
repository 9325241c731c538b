#include <netinet/in.h>
#include <sys/socket.h>

#include "engine/net/conn_internal.h"

static uint32_t slot_of(const struct conns *conns, const struct conn *conn) {
    return pool_index(&conns->pool, conn);
}

static uint64_t tag_of(const struct conns *conns, const struct conn *conn, enum ring_op op) {
    uint32_t slot = slot_of(conns, conn);
    return ring_tag(op, pool_generation(&conns->pool, slot), slot);
}

static void finish_entry(struct conns *conns, struct conn *conn, struct io_uring_sqe *sqe,
                         enum ring_op op, unsigned flags) {
    sqe->flags = (uint8_t)(sqe->flags | flags);
    io_uring_sqe_set_data64(sqe, tag_of(conns, conn, op));
}

static void sockaddr_set(struct conn *conn) {
    const struct netaddr *address = &conn->request.address;
    if (address->family == 4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(conn->request.port)};
        memcpy(&in.sin_addr, address->bytes, 4);
        memcpy(conn->sockaddr.bytes, &in, sizeof in);
        conn->sockaddr.len = sizeof in;
    } else {
        struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(conn->request.port)};
        memcpy(&in.sin6_addr, address->bytes, 16);
        memcpy(conn->sockaddr.bytes, &in, sizeof in);
        conn->sockaddr.len = sizeof in;
    }
}

void conn_queue_connect(struct conns *conns, struct conn *conn) {
    sockaddr_set(conn);
    int domain = conn->request.address.family == 4 ? AF_INET : AF_INET6;
    uint32_t slot = slot_of(conns, conn);
    ring_reserve(conns->ring, 2);
    struct io_uring_sqe *sqe = ring_sqe(conns->ring);
    io_uring_prep_socket_direct(sqe, domain, SOCK_STREAM, IPPROTO_TCP, slot, 0);
    finish_entry(conns, conn, sqe, RING_OP_SOCKET, IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
    sqe = ring_sqe(conns->ring);
    io_uring_prep_connect(sqe, (int)slot, (struct sockaddr *)(void *)conn->sockaddr.bytes,
                          conn->sockaddr.len);
    finish_entry(conns, conn, sqe, RING_OP_CONNECT, IOSQE_FIXED_FILE);
    conn->has_file = true;
    conn->pending++;
}

/* The output may count as drained at once: nothing is written to it before the completion behind
   the send is in. MSG_WAITALL: a short send breaks the chain instead of passing for a whole one. */
static void queue_send(struct conns *conns, struct conn *conn) {
    struct span output = tls_output(&conn->tls);
    struct io_uring_sqe *sqe = ring_sqe(conns->ring);
    io_uring_prep_send(sqe, (int)slot_of(conns, conn), output.data, output.len,
                       MSG_NOSIGNAL | MSG_WAITALL);
    finish_entry(conns, conn, sqe, RING_OP_SEND,
                 IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
    conns->stats.bytes_out += output.len;
    tls_drained(&conn->tls);
}

void conn_queue_exchange(struct conns *conns, struct conn *conn) {
    ring_reserve(conns->ring, 2);
    conn->has_sends = conn->tls.output_len > 0;
    if (conn->has_sends) {
        queue_send(conns, conn);
    }
    struct io_uring_sqe *sqe = ring_sqe(conns->ring);
    io_uring_prep_recv(sqe, (int)slot_of(conns, conn), NULL, RECV_BUFFER_BYTES, 0);
    finish_entry(conns, conn, sqe, RING_OP_RECV, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
    sqe->buf_group = RING_BUFFER_GROUP;
    conn->pending++;
}

static void queue_close(struct conns *conns, struct conn *conn) {
    struct io_uring_sqe *sqe = ring_sqe(conns->ring);
    io_uring_prep_close_direct(sqe, slot_of(conns, conn));
    finish_entry(conns, conn, sqe, RING_OP_CLOSE, 0);
    conn->pending++;
}

/* No shutdown in between: io_uring hands that to a helper thread, and a close right behind the send
   puts the same FIN on the wire. */
void conn_queue_last_words(struct conns *conns, struct conn *conn) {
    ring_reserve(conns->ring, 2);
    queue_send(conns, conn);
    conn->has_sends = true;
    queue_close(conns, conn);
}

/* connect() to no address dissolves the association: TCP sends RST (tcp(7)). A capture ends in the
   middle of a handshake; with FIN each would leave 60 s of TIME_WAIT behind, and connect() gets
   slow at some 14,000 of them for one destination. */
void conn_queue_reset(struct conns *conns, struct conn *conn) {
    static struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    ring_reserve(conns->ring, 2);
    struct io_uring_sqe *sqe = ring_sqe(conns->ring);
    io_uring_prep_connect(sqe, (int)slot_of(conns, conn), &nowhere, sizeof nowhere);
    finish_entry(conns, conn, sqe, RING_OP_CONNECT,
                 IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
    queue_close(conns, conn);
}

void conn_queue_close(struct conns *conns, struct conn *conn) {
    queue_close(conns, conn);
}

static void queue_cancel_of(struct conns *conns, struct conn *conn, enum ring_op op) {
    struct io_uring_sqe *sqe = ring_sqe(conns->ring);
    io_uring_prep_cancel64(sqe, tag_of(conns, conn, op), 0);
    finish_entry(conns, conn, sqe, RING_OP_CANCEL, 0);
    conn->pending++;
}

/* By user_data, which the kernel finds in a hash table; by descriptor it would walk everything in
   flight. Of a chain only the member that runs can be found, so each is named. */
void conn_queue_cancel(struct conns *conns, struct conn *conn) {
    if (conn->times.connected == 0) {
        queue_cancel_of(conns, conn, RING_OP_CONNECT);
        return;
    }
    if (conn->has_sends) {
        queue_cancel_of(conns, conn, RING_OP_SEND);
    }
    queue_cancel_of(conns, conn, RING_OP_RECV);
}
