#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/fleet_listener.h"
#include "bench/measure/measure.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/net/ring.h"

#define FILES_MAX 65536 /* descriptors of the server that it keeps count for */
#define EVENTS_MAX 512
#define ANSWER_MAX 16384

/* --- the server: no work beyond the bytes --- */

struct floor_server {
    int epoll_fd;
    struct measure_bytes bytes;
    bool listens[FILES_MAX];
    uint32_t received[FILES_MAX];
    uint8_t answer[ANSWER_MAX];
};

/* Descriptors beyond those kept count for are refused. */
static bool server_watch(struct floor_server *server, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return fd >= 0 && fd < FILES_MAX && epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void server_accept(struct floor_server *server, int listener) {
    for (int i = 0; i < EVENTS_MAX; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        if (!server_watch(server, fd)) {
            close(fd);
            continue;
        }
        server->received[fd] = 0;
    }
}

/* The answer that becomes due as what was received grows; 0: none. */
static size_t answer_due(const struct floor_server *server, uint32_t before, uint32_t now) {
    const struct measure_bytes *bytes = &server->bytes;
    size_t first = bytes->out[0], second = first + bytes->out[1];
    size_t due = before < first && now >= first ? bytes->in[0] : 0;
    return due + (before < second && now >= second ? bytes->in[1] : 0);
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
    size_t due = answer_due(server, before, server->received[fd]);
    if (due > 0 && send(fd, server->answer, due, MSG_NOSIGNAL) != (ssize_t)due) {
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

static _Noreturn void server_main(pid_t parent, const struct measure_bytes *bytes,
                                  const cpu_set_t *cores, const struct fleet_listeners *listeners) {
    struct floor_server *server = calloc(1, sizeof *server);
    CHECK(server != NULL);
    measure_child_begin(parent, cores);
    raise_file_limit();
    server->bytes = *bytes;
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i < listeners->count; i++) {
        CHECK(server_watch(server, listeners->items[i].fd));
        server->listens[listeners->items[i].fd] = true;
    }
    server_run(server);
}

enum err measure_floor_serve(const struct measure_bytes *bytes, const cpu_set_t *cores,
                             uint16_t out_ports[MEASURE_PORTS], pid_t *out, struct err_note *note) {
    struct fleet_options *options = calloc(1, sizeof *options);
    struct fleet_listeners listeners;
    CHECK(options != NULL && bytes->in[0] <= ANSWER_MAX && bytes->in[1] <= ANSWER_MAX);
    options->port_count = MEASURE_PORTS;
    enum err err = fleet_listeners_open(&listeners, options, note);
    for (int i = 0; i < MEASURE_PORTS; i++) {
        out_ports[i] = options->ports[i].number;
    }
    pid_t parent = getpid(), child = err == ERR_NONE ? fork() : -1;
    if (child == 0) {
        server_main(parent, bytes, cores, &listeners);
    }
    if (err == ERR_NONE && child < 0) {
        err = err_note(note, ERR_RESOURCE, "cannot start a process: %s", strerror(errno));
    }
    fleet_listeners_close(&listeners);
    free(options);
    *out = child;
    return err;
}

/* --- the client: what a connection of the engine asks of the kernel, and nothing else --- */

struct floor_client {
    struct ring ring;
    struct measure_bytes bytes;
    const uint16_t *ports;
    struct sockaddr_in *addresses; /* of each slot */
    size_t *received;              /* in all turns */
    uint32_t *free_slots;
    uint32_t free_count, in_flight, opened, done, failed;
    uint8_t sent[ANSWER_MAX]; /* what is sent does not matter */
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
    address->sin_port = htons(client->ports[nth % MEASURE_PORTS]);
    address->sin_addr.s_addr = htonl(0x7F000001u + nth % MEASURE_IDENTITIES);
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
    io_uring_prep_send(sqe, (int)slot, client->sent, len, MSG_NOSIGNAL | MSG_WAITALL);
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
    const struct measure_bytes *bytes = &client->bytes;
    size_t before = client->received[slot], now = before + (size_t)len;
    client->received[slot] = now;
    ring_reserve(&client->ring, 3);
    if (before < bytes->in[0] && now >= bytes->in[0] && bytes->out[1] > 0) {
        client_send(client, slot, bytes->out[1]);
    }
    if (now < bytes->in[0] + bytes->in[1]) {
        client_receive(client, slot);
        return;
    }
    if (bytes->out[2] > 0) {
        client_send(client, slot, bytes->out[2]);
    }
    client_close(client, slot);
}

static void client_on_completion(struct floor_client *client, const struct io_uring_cqe *cqe) {
    uint32_t slot = ring_tag_idx(cqe->user_data);
    enum ring_op op = ring_tag_op(cqe->user_data);
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        ring_buffer_give(&client->ring, (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
    }
    if (op == RING_OP_CONNECT && cqe->res == 0) {
        ring_reserve(&client->ring, 2);
        client_send(client, slot, client->bytes.out[0]);
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

static enum err client_init(struct floor_client *client, uint32_t in_flight,
                            struct err_note *note) {
    struct ring_config config = {.sq_entries = in_flight < 512 ? 1024 : 4096,
                                 .cq_entries = in_flight < 512 ? 4096 : 32768,
                                 .direct_count = in_flight,
                                 .buffer_count = in_flight < 512 ? 128 : 1024};
    enum err err = ring_init(&client->ring, &config, note);
    if (err != ERR_NONE) {
        return err;
    }
    client->addresses = calloc(in_flight, sizeof *client->addresses);
    client->received = calloc(in_flight, sizeof *client->received);
    client->free_slots = calloc(in_flight, sizeof *client->free_slots);
    CHECK(client->addresses != NULL && client->received != NULL && client->free_slots != NULL);
    for (uint32_t i = 0; i < in_flight; i++) {
        client->free_slots[client->free_count++] = i;
    }
    return ERR_NONE;
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

/* What the client's process is asked, and what it answers. */
struct floor_task {
    struct measure_bytes bytes;
    uint16_t ports[MEASURE_PORTS];
    uint32_t in_flight, count;
};

struct floor_answer {
    enum err err;
    struct err_note note;
    uint32_t failed;
    struct measure_cost cost;
};

static void client_run(void *out, const void *context) {
    const struct floor_task *task = context;
    struct floor_answer *answer = out;
    struct floor_client *client = calloc(1, sizeof *client);
    struct rusage before, after;
    CHECK(client != NULL);
    client->bytes = task->bytes;
    client->ports = task->ports;
    answer->err = client_init(client, task->in_flight, &answer->note);
    if (answer->err == ERR_NONE) {
        CHECK(getrusage(RUSAGE_THREAD, &before) == 0);
        while (client->done < task->count) {
            client_tick(client, task->count);
        }
        CHECK(getrusage(RUSAGE_THREAD, &after) == 0);
        answer->failed = client->failed;
        answer->cost =
            (struct measure_cost){timeval_us(before.ru_utime, after.ru_utime) / task->count,
                                  timeval_us(before.ru_stime, after.ru_stime) / task->count};
        client_fini(client);
    }
    free(client);
}

enum err measure_floor_run(const struct measure_bytes *bytes, bool whole,
                           const uint16_t ports[MEASURE_PORTS], const cpu_set_t *cores,
                           uint32_t in_flight, uint32_t count, struct measure_cost *out,
                           struct err_note *note) {
    struct floor_task task = {.bytes = *bytes, .in_flight = in_flight, .count = count};
    struct floor_answer answer = {.err = ERR_NONE};
    memcpy(task.ports, ports, sizeof task.ports);
    if (!whole) {
        task.bytes.out[1] = task.bytes.out[2] = task.bytes.in[1] = 0;
    }
    enum err err = measure_in_child(cores, client_run, &task, &answer, sizeof answer, note);
    if (err == ERR_NONE && answer.err != ERR_NONE) {
        *note = answer.note;
        err = answer.err;
    }
    if (err == ERR_NONE && answer.failed > 0) {
        err = err_note(note, ERR_RESOURCE,
                       "the bare exchange lost %u of %u connections: are other programs taking "
                       "this machine's ports or listen queues?",
                       answer.failed, count);
    }
    *out = answer.cost;
    return err;
}
