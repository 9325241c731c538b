#include "tests/support/dns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/attributes.h"

#define DNSMASQ_ARGS_MAX 200
#define HEADER_LEN 12
#define TYPE_A 1
#define TYPE_AAAA 28

static int udp_open(uint16_t *out_port) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        return -1;
    }
    *out_port = ntohs(address.sin_port);
    return fd;
}

/* --- dnsmasq --- */

#define DNSMASQ_ATTEMPTS 5

static void dnsmasq_exec(uint16_t port, const char *const *args) {
    static char port_arg[32], user_arg[64];
    const struct passwd *user = getpwuid(getuid());
    const char *argv[DNSMASQ_ARGS_MAX + 16] = {
        "dnsmasq",    "--no-daemon",           "--no-resolv",
        "--no-hosts", "--conf-file=/dev/null", "--listen-address=127.0.0.1",
        "--pid-file", "--bind-interfaces",     "--cache-size=0"};
    uint32_t count = 9;
    snprintf(port_arg, sizeof port_arg, "--port=%u", port);
    argv[count++] = port_arg;
    if (user != NULL) {
        snprintf(user_arg, sizeof user_arg, "--user=%s", user->pw_name);
        argv[count++] = user_arg;
    }
    for (uint32_t i = 0; args[i] != NULL && i < DNSMASQ_ARGS_MAX; i++) {
        argv[count++] = args[i];
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (freopen("/dev/null", "w", stderr) == NULL) {
        _exit(126);
    }
    execvp("dnsmasq", (char *const *)(uintptr_t)argv);
    execv("/usr/sbin/dnsmasq", (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Sends "version.bind CH TXT" until a reply comes; false once the child is gone. */
static bool dnsmasq_wait(const struct dnsmasq *server) {
    static const uint8_t question[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                      "\x07version\x04"
                                      "bind\x00\x00\x10\x00\x03";
    uint16_t own_port;
    int fd = udp_open(&own_port);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(server->port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    bool up = false;
    for (int i = 0; i < 250 && !up && waitpid(server->pid, NULL, WNOHANG) == 0; i++) {
        sendto(fd, question, sizeof question - 1, 0, (struct sockaddr *)&address, sizeof address);
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        uint8_t reply[512];
        up = poll(&wait, 1, 20) == 1 && recv(fd, reply, sizeof reply, MSG_DONTWAIT) > 0;
    }
    close(fd);
    return up;
}

bool dnsmasq_start(struct dnsmasq *server, const char *const *args, const char **out_why) {
    if (system("PATH=$PATH:/usr/sbin command -v dnsmasq >/dev/null") != 0) {
        *out_why = "dnsmasq is not installed (package dnsmasq-base)";
        return false;
    }
    /* a port that was free may be another test's by the time that dnsmasq asks for it */
    for (int attempt = 0; attempt < DNSMASQ_ATTEMPTS; attempt++) {
        int fd = udp_open(&server->port);
        close(fd);
        server->pid = fork();
        if (server->pid == 0) {
            dnsmasq_exec(server->port, args);
        }
        if (server->pid > 0 && dnsmasq_wait(server)) {
            return true;
        }
        if (server->pid > 0 && waitpid(server->pid, NULL, WNOHANG) == 0) {
            dnsmasq_stop(server); /* neither ended nor answered */
        }
    }
    *out_why = "dnsmasq did not come up";
    return false;
}

void dnsmasq_stop(struct dnsmasq *server) {
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
}

/* --- scripted --- */

bool scripted_dns_open(struct scripted_dns *server) {
    *server = (struct scripted_dns){0};
    server->fd = udp_open(&server->port);
    return server->fd >= 0;
}

void scripted_dns_close(struct scripted_dns *server) {
    close(server->fd);
}

static size_t put(uint8_t *out, size_t at, const void *bytes, size_t len) {
    memcpy(out + at, bytes, len);
    return at + len;
}

/* "loop.a.test" is an alias of "x.<name>", which is an alias of it: RFC 1035, 4.1.3 and 4.1.4. */
static size_t put_loop(uint8_t *reply, size_t at) {
    at = put(reply, at, "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x01x\xc0\x0c", 16);
    return put(reply, at, "\x01x\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x0c", 16);
}

static size_t put_address(uint8_t *reply, size_t at, uint16_t type) {
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    if (type == TYPE_A) {
        return put(reply, at, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01",
                   16);
    }
    at = put(reply, at, "\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10", 12);
    return put(reply, at, v6, sizeof v6);
}

static bool says(const char *label, const char *what, const char *family, bool is_family) {
    return strcmp(label, what) == 0 ||
           (is_family && strncmp(label, family, 2) == 0 && strcmp(label + 2, what) == 0);
}

/* Turns the question (already in `reply`, `len` bytes with the question section) into the reply;
   returns its length, 0 for silence. */
static size_t script(struct scripted_dns *server, const char *label, uint16_t type, uint8_t *reply,
                     size_t len) {
    static const struct {
        const char *label;
        uint8_t code;
    } codes[] = {{"nodata", 0},   {"formerr", 1}, {"servfail", 2},
                 {"nxdomain", 3}, {"notimp", 4},  {"refused", 5}};
    bool v4 = type == TYPE_A;
    const char *family = v4 ? "v4" : "v6";
    reply[2] = 0x81; /* QR, RD */
    reply[3] = 0x80; /* RA */
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        if (says(label, codes[i].label, family, true)) {
            reply[3] = (uint8_t)(0x80 | codes[i].code);
            return len;
        }
    }
    if (says(label, "silent", family, true) ||
        (strcmp(label, "late") == 0 && server->late_seen[v4]++ == 0)) {
        return 0;
    }
    if (strcmp(label, "cut") == 0) {
        return len - 3;
    }
    if (strcmp(label, "truncated") == 0) {
        reply[2] |= 0x02;
        return len;
    }
    if (strcmp(label, "loop") == 0) {
        reply[7] = 2;
        return put_loop(reply, len);
    }
    reply[7] = 1;
    return put_address(reply, len, type);
}

void scripted_dns_serve(struct scripted_dns *server) {
    uint8_t bytes[1024];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    for (;;) {
        ssize_t got =
            recvfrom(server->fd, bytes, 512, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
        if (got < HEADER_LEN + 6) {
            return;
        }
        server->questions++;
        char label[64];
        size_t label_len = bytes[HEADER_LEN];
        memcpy(label, bytes + HEADER_LEN + 1, label_len);
        label[label_len] = '\0';
        size_t end = HEADER_LEN;
        while (bytes[end] != 0 && end < (size_t)got) {
            end += bytes[end] + 1u;
        }
        uint16_t type = (uint16_t)(bytes[end + 1] << 8 | bytes[end + 2]);
        const char *what = server->always != NULL ? server->always : label;
        size_t len = script(server, what, type, bytes, end + 5);
        if (len > 0) {
            sendto(server->fd, bytes, len, 0, (struct sockaddr *)&from, from_len);
        }
    }
}
