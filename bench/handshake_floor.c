#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/fleet_listener.h"
#include "bench/handshake.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/net/ring.h"

#define FILES_MAX 65536 /* descriptors of the server that it keeps count for */
#define EVENTS_MAX 512
#define ANSWER_MAX 16384

/* --- the server: no work beyond the bytes --- */

struct floor_server {
    int epoll_fd;
    const struct handshake_sizes *sizes;
    bool listens[FILES_MAX];
    uint32_t received[FILES_MAX];
    uint8_t answer[ANSWER_MAX];
};

static void server_watch(struct floor_server *server, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    CHECK(fd >= 0 && fd < FILES_MAX);
    CHECK(epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void server_accept(struct floor_server *server, int listener) {
    for (int i = 0; i < EVENTS_MAX; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        server_watch(server, fd);
        server->received[fd] = 0;
    }
}

static void server_read(struct floor_server *server, int fd) {
    uint8_t bytes[4096];
    ssize_t len = recv(fd, bytes, sizeof bytes, 0);
    if (len <= 0) {
        if (len == 0 || errno != EAGAIN) {
            close(fd);
        }
        return;
    }
    uint32_t before = server->received[fd];
    server->received[fd] += (uint32_t)len;
    if (before < server->sizes->hello && server->received[fd] >= server->sizes->hello &&
        send(fd, server->answer, server->sizes->flight, MSG_NOSIGNAL) !=
            (ssize_t)server->sizes->flight) {
        close(fd);
    }
}

static _Noreturn void server_run(struct floor_server *server) {
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count = epoll_wait(server->epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (server->listens[fd]) {
                server_accept(server, fd);
            } else {
                server_read(server, fd);
            }
        }
    }
}

static void raise_file_limit(void) {
    struct rlimit files;
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
}

pid_t handshake_floor_serve(const struct handshake_sizes *sizes, int cpu,
                            uint16_t out_ports[HANDSHAKE_PORTS]) {
    struct fleet_options *options = calloc(1, sizeof *options);
    struct fleet_listeners listeners;
    struct err_note note;
    CHECK(options != NULL && sizes->flight <= ANSWER_MAX);
    options->port_count = HANDSHAKE_PORTS;
    CHECK(fleet_listeners_open(&listeners, options, &note) == ERR_NONE);
    for (int i = 0; i < HANDSHAKE_PORTS; i++) {
        out_ports[i] = options->ports[i].number;
    }
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct floor_server *server = calloc(1, sizeof *server);
        CHECK(server != NULL && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        handshake_pin_to(cpu);
        raise_file_limit();
        server->sizes = sizes;
        server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        for (uint32_t i = 0; i < listeners.count; i++) {
            server_watch(server, listeners.items[i].fd);
            server->listens[listeners.items[i].fd] = true;
        }
        server_run(server);
    }
    fleet_listeners_close(&listeners);
    free(options);
    return child;
}

/* --- the client: what a connection of the engine asks of the kernel, and nothing else --- */

struct floor_client {
    struct ring ring;
    const struct handshake_sizes *sizes;
    const uint16_t *ports;
    struct sockaddr_in *addresses; /* of each slot */
    size_t *received;
    uint32_t *free_slots;
    uint32_t free_count, in_flight, opened, done, failed;
    uint8_t bytes[ANSWER_MAX];
};

static struct io_uring_sqe *entry(struct floor_client *client) {
    return ring_sqe(&client->ring);
}

static void mark(struct io_uring_sqe *sqe, enum ring_op op, uint32_t slot, unsigned flags) {
    sqe->flags = (uint8_t)(sqe->flags | flags);
    io_uring_sqe_set_data64(sqe, ring_tag(op, 0, slot));
}

static void client_open(struct floor_client *client) {
    uint32_t slot = client->free_slots[--client->free_count];
    uint32_t nth = client->opened++;
    struct sockaddr_in *address = &client->addresses[slot];
    address->sin_family = AF_INET;
    address->sin_port = htons(client->ports[nth % HANDSHAKE_PORTS]);
    address->sin_addr.s_addr = htonl(0x7F000001u + nth % HANDSHAKE_IDENTITIES);
    client->received[slot] = 0;
    ring_reserve(&client->ring, 2);
    struct io_uring_sqe *sqe = entry(client);
    io_uring_prep_socket_direct(sqe, AF_INET, SOCK_STREAM, IPPROTO_TCP, slot, 0);
    mark(sqe, RING_OP_SOCKET, slot, IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
    sqe = entry(client);
    io_uring_prep_connect(sqe, (int)slot, (struct sockaddr *)address, sizeof *address);
    mark(sqe, RING_OP_CONNECT, slot, IOSQE_FIXED_FILE);
    client->in_flight++;
}

static void client_send(struct floor_client *client, uint32_t slot, size_t len) {
    struct io_uring_sqe *sqe = entry(client);
    io_uring_prep_send(sqe, (int)slot, client->bytes, len, MSG_NOSIGNAL | MSG_WAITALL);
    mark(sqe, RING_OP_SEND, slot, IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
}

static void client_receive(struct floor_client *client, uint32_t slot) {
    struct io_uring_sqe *sqe = entry(client);
    io_uring_prep_recv(sqe, (int)slot, NULL, RECV_BUFFER_BYTES, 0);
    mark(sqe, RING_OP_RECV, slot, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
    sqe->buf_group = RING_BUFFER_GROUP;
}

static void client_close(struct floor_client *client, uint32_t slot) {
    struct io_uring_sqe *sqe = entry(client);
    io_uring_prep_close_direct(sqe, slot);
    mark(sqe, RING_OP_CLOSE, slot, 0);
}

static void client_on_received(struct floor_client *client, uint32_t slot, int len) {
    if (len == -ENOBUFS) {
        client_receive(client, slot);
        return;
    }
    if (len <= 0) {
        client->failed++;
        client_close(client, slot);
        return;
    }
    client->received[slot] += (size_t)len;
    ring_reserve(&client->ring, 2);
    if (client->received[slot] < client->sizes->flight) {
        client_receive(client, slot);
    } else {
        if (client->sizes->last > 0) {
            client_send(client, slot, client->sizes->last);
        }
        client_close(client, slot);
    }
}

static void client_on_completion(struct floor_client *client, const struct io_uring_cqe *cqe) {
    uint32_t slot = ring_tag_idx(cqe->user_data);
    enum ring_op op = ring_tag_op(cqe->user_data);
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        ring_buffer_give(&client->ring, (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
    }
    if (op == RING_OP_CONNECT && cqe->res == 0) {
        ring_reserve(&client->ring, 2);
        client_send(client, slot, client->sizes->hello);
        client_receive(client, slot);
    } else if (op == RING_OP_RECV) {
        client_on_received(client, slot, cqe->res);
    } else if (op == RING_OP_CLOSE) {
        client->free_slots[client->free_count++] = slot;
        client->in_flight--;
        client->done++;
    } else {
        client->failed++;
        client_close(client, slot);
    }
}

static void client_tick(struct floor_client *client, uint32_t count) {
    while (client->free_count > 0 && client->opened < count) {
        client_open(client);
    }
    uint32_t batch = client->in_flight / 4; /* as the engine's worker waits */
    batch = client->in_flight < 32 ? 1 : batch > 128 ? 128 : batch;
    ring_submit_and_wait(&client->ring, batch, NS_PER_MS);
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(&client->ring.uring, head, cqe) {
        seen++;
        client_on_completion(client, cqe);
    }
    io_uring_cq_advance(&client->ring.uring, seen);
}

static void client_init(struct floor_client *client, uint32_t in_flight) {
    struct err_note note;
    struct ring_config config = {.sq_entries = in_flight < 512 ? 1024 : 4096,
                                 .cq_entries = in_flight < 512 ? 4096 : 32768,
                                 .direct_count = in_flight,
                                 .buffer_count = in_flight < 512 ? 128 : 1024};
    CHECK(ring_init(&client->ring, &config, &note) == ERR_NONE);
    client->addresses = calloc(in_flight, sizeof *client->addresses);
    client->received = calloc(in_flight, sizeof *client->received);
    client->free_slots = calloc(in_flight, sizeof *client->free_slots);
    CHECK(client->addresses != NULL && client->received != NULL && client->free_slots != NULL);
    for (uint32_t i = 0; i < in_flight; i++) {
        client->free_slots[client->free_count++] = i;
    }
}

static void client_fini(struct floor_client *client) {
    ring_fini(&client->ring);
    free(client->addresses);
    free(client->received);
    free(client->free_slots);
}

static double timeval_us(struct timeval from, struct timeval to) {
    return (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_usec - from.tv_usec);
}

struct handshake_cost handshake_floor_run(const struct handshake_sizes *sizes,
                                          const uint16_t ports[HANDSHAKE_PORTS], uint32_t in_flight,
                                          uint32_t count) {
    struct floor_client *client = calloc(1, sizeof *client);
    struct rusage before, after;
    CHECK(client != NULL);
    client->sizes = sizes;
    client->ports = ports;
    client_init(client, in_flight);
    CHECK(getrusage(RUSAGE_THREAD, &before) == 0);
    while (client->done < count) {
        client_tick(client, count);
    }
    CHECK(getrusage(RUSAGE_THREAD, &after) == 0);
    CHECK(client->failed == 0);
    client_fini(client);
    free(client);
    return (struct handshake_cost){timeval_us(before.ru_utime, after.ru_utime) / count,
                                   timeval_us(before.ru_stime, after.ru_stime) / count};
}
