#include "tests/support/serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/attributes.h"

#define DRIP_BYTES_MAX 100000

static int listen_on(bool ipv6, int backlog, uint16_t *out_port) {
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage address = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
    socklen_t len;
    if (ipv6) {
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
        len = sizeof *in6;
    } else {
        *in =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        len = sizeof *in;
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, backlog) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *out_port = ntohs(ipv6 ? in6->sin6_port : in->sin_port);
    return fd;
}

uint16_t serve_free_port(void) {
    uint16_t port = 0;
    int fd = listen_on(false, 1, &port);
    CHECK(fd >= 0);
    close(fd);
    return port;
}

uint16_t serve_blackhole(int out_fds[BLACKHOLE_FDS]) {
    uint16_t port = 0;
    out_fds[0] = listen_on(false, 0, &port);
    CHECK(out_fds[0] >= 0);
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 1; i < BLACKHOLE_FDS; i++) {
        out_fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        CHECK(connect(out_fds[i], (struct sockaddr *)&in, sizeof in) == 0 || errno == EINPROGRESS);
    }
    return port;
}

static void end_with_reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Until the client's end, an error or the stop. */
static void read_to_end(struct serve *serve, int fd) {
    uint8_t bytes[4096];
    while (!atomic_load(&serve->stopping)) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 20) <= 0) {
            continue;
        }
        if (read(fd, bytes, sizeof bytes) <= 0) {
            atomic_fetch_add(&serve->ends, 1);
            return;
        }
    }
}

static size_t read_hello(int fd, uint8_t *out, size_t out_max) {
    ssize_t len = read(fd, out, out_max);
    return len > 0 ? (size_t)len : 0;
}

static void write_all(int fd, struct span bytes) {
    while (bytes.len > 0) {
        ssize_t len = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (len <= 0) {
            return;
        }
        span_take(&bytes, (size_t)len);
    }
}

static void run_tls(struct serve *serve, int fd) {
    SSL *ssl = SSL_new(serve->context);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        atomic_fetch_add(&serve->handshakes, 1);
        uint8_t byte;
        int result = SSL_read(ssl, &byte, 1);
        if (result == 0 && SSL_get_error(ssl, result) == SSL_ERROR_ZERO_RETURN) {
            atomic_fetch_add(&serve->close_notifies, 1);
        }
    }
    ERR_clear_error();
    SSL_free(ssl);
    atomic_fetch_add(&serve->ends, 1);
}

static void run_drip(struct serve *serve, int fd) {
    static const uint8_t start[] = {22, 3, 3, 0x3F, 0xFF, 2, 0, 0x3F, 0xF0, 3, 3};
    for (size_t i = 0; i < DRIP_BYTES_MAX && !atomic_load(&serve->stopping); i++) {
        uint8_t byte = i < sizeof start ? start[i] : 0;
        if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1) {
            break;
        }
        poll(NULL, 0, 5);
    }
    atomic_fetch_add(&serve->ends, 1);
}

static void run_midway(struct serve *serve, int fd) {
    uint8_t hello[4096];
    static _Thread_local uint8_t flight[65536];
    struct peer peer;
    peer_init(&peer, serve->context);
    size_t hello_len = read_hello(fd, hello, sizeof hello);
    size_t len = peer_feed(&peer, span_of(hello, hello_len), flight, sizeof flight);
    write_all(fd, span_of(flight, len / 2));
    peer_fini(&peer);
    poll(NULL, 0, 10); /* the half is read before the reset overtakes it */
}

static void run_script(struct serve *serve, int fd) {
    uint8_t hello[4096];
    switch (serve->script) {
    case SERVE_TLS:
        run_tls(serve, fd);
        break;
    case SERVE_SILENT:
        read_to_end(serve, fd);
        break;
    case SERVE_DRIP:
        run_drip(serve, fd);
        break;
    case SERVE_BYTES:
        read_hello(fd, hello, sizeof hello);
        write_all(fd, serve->bytes);
        read_to_end(serve, fd);
        break;
    case SERVE_BYTES_FIRST:
        write_all(fd, serve->bytes);
        break;
    case SERVE_CLOSE:
        break;
    case SERVE_CLOSE_LATER:
        read_hello(fd, hello, sizeof hello);
        break;
    case SERVE_CLOSE_MIDWAY:
        run_midway(serve, fd);
        break;
    case SERVE_RESET:
        end_with_reset(fd);
        break;
    case SERVE_RESET_LATER:
        read_hello(fd, hello, sizeof hello);
        end_with_reset(fd);
        break;
    case SERVE_RESET_MIDWAY:
        run_midway(serve, fd);
        end_with_reset(fd);
        break;
    }
}

static void *serve_main(void *argument) {
    struct serve *serve = argument;
    while (!atomic_load(&serve->stopping)) {
        struct pollfd poll_fd = {.fd = serve->listener, .events = POLLIN};
        if (poll(&poll_fd, 1, 20) <= 0) {
            continue;
        }
        int fd = accept4(serve->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        atomic_fetch_add(&serve->accepted, 1);
        run_script(serve, fd);
        close(fd);
    }
    ERR_clear_error();
    return NULL;
}

bool serve_start(struct serve *serve) {
    serve->listener = listen_on(serve->ipv6, 1024, &serve->port);
    if (serve->listener < 0) {
        return false;
    }
    CHECK(pthread_create(&serve->thread, NULL, serve_main, serve) == 0);
    return true;
}

void serve_stop(struct serve *serve) {
    atomic_store(&serve->stopping, true);
    CHECK(pthread_join(serve->thread, NULL) == 0);
    close(serve->listener);
}
