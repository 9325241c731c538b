#include "bench/fleet_listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 65535 /* cut by net.core.somaxconn */

static enum err socket_new(int family, int *out_fd, struct err_note *note) {
    int one = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_note(note, ERR_RESOURCE, "socket: %s", strerror(errno));
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
        close(fd);
        return err_note(note, ERR_RESOURCE, "setsockopt: %s", strerror(errno));
    }
    *out_fd = fd;
    return ERR_NONE;
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage local;
    socklen_t len = sizeof local;
    CHECK(getsockname(fd, (struct sockaddr *)&local, &len) == 0);
    return ntohs(local.ss_family == AF_INET ? ((struct sockaddr_in *)&local)->sin_port
                                            : ((struct sockaddr_in6 *)&local)->sin6_port);
}

static enum err listen_on(struct fleet_listeners *listeners, int fd, const struct sockaddr *address,
                          socklen_t address_len, struct fleet_port *port, uint32_t port_idx,
                          struct err_note *note) {
    if (bind(fd, address, address_len) != 0 || listen(fd, BACKLOG) != 0) {
        enum err err = err_note(note, ERR_IO, "port %u: %s; choose another with --port",
                                port->number, strerror(errno));
        close(fd);
        return err;
    }
    port->number = port_of(fd);
    CHECK(listeners->count < listeners->capacity);
    listeners->items[listeners->count++] = (struct fleet_listener){.fd = fd, .port_idx = port_idx};
    return ERR_NONE;
}

static enum err open_single(struct fleet_listeners *listeners, struct fleet_port *port,
                            uint32_t port_idx, const char *text, struct err_note *note) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port->number)};
    int fd;
    if (inet_pton(AF_INET, text, &address.sin_addr) != 1 ||
        ntohl(address.sin_addr.s_addr) >> 24 != 127) {
        return err_note(note, ERR_USAGE, "--address %s: only addresses of 127.0.0.0/8", text);
    }
    enum err err = socket_new(AF_INET, &fd, note);
    return err != ERR_NONE ? err
                           : listen_on(listeners, fd, (const struct sockaddr *)&address,
                                       sizeof address, port, port_idx, note);
}

static enum err open_ipv4(struct fleet_listeners *listeners, struct fleet_options *options,
                          uint32_t port_idx, struct err_note *note) {
    struct fleet_port *port = &options->ports[port_idx];
    int fd;
    enum err err = socket_new(AF_INET, &fd, note);
    if (err != ERR_NONE) {
        return err;
    }
    if (options->address_count == 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0) {
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port->number)};
        return listen_on(listeners, fd, (const struct sockaddr *)&any, sizeof any, port, port_idx,
                         note);
    }
    close(fd);
    if (options->address_count == 0) {
        return open_single(listeners, port, port_idx, "127.0.0.1", note);
    }
    for (uint32_t i = 0; i < options->address_count && err == ERR_NONE; i++) {
        err = open_single(listeners, port, port_idx, options->addresses[i], note);
    }
    return err;
}

static enum err open_ipv6(struct fleet_listeners *listeners, struct fleet_options *options,
                          uint32_t port_idx, struct err_note *note) {
    struct fleet_port *port = &options->ports[port_idx];
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_port = htons(port->number),
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd, one = 1;
    enum err err = socket_new(AF_INET6, &fd, note);
    if (err != ERR_NONE) {
        return err;
    }
    CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0);
    return listen_on(listeners, fd, (const struct sockaddr *)&address, sizeof address, port,
                     port_idx, note);
}

enum err fleet_listeners_open(struct fleet_listeners *listeners, struct fleet_options *options,
                              struct err_note *note) {
    *listeners = (struct fleet_listeners){.capacity = FLEET_LISTENERS_MAX};
    listeners->items = calloc(listeners->capacity, sizeof *listeners->items);
    CHECK(listeners->items != NULL);
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < options->port_count && err == ERR_NONE; i++) {
        err = open_ipv4(listeners, options, i, note);
        if (err == ERR_NONE && options->ipv6) {
            err = open_ipv6(listeners, options, i, note);
        }
    }
    return err;
}

void fleet_listeners_close(struct fleet_listeners *listeners) {
    for (uint32_t i = 0; i < listeners->count; i++) {
        close(listeners->items[i].fd);
    }
    free(listeners->items);
    *listeners = (struct fleet_listeners){0};
}

int fleet_refused_port_reserve(const uint8_t ipv4[4], uint16_t wanted, uint16_t *out_port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(wanted)};
    memcpy(&address.sin_addr, ipv4, 4);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        address.sin_port = 0;
        if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
            close(fd);
            return -1;
        }
    }
    *out_port = port_of(fd);
    return fd;
}
