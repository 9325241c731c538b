#include "bench/fleet_worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/fleet_choice.h"
#include "bench/fleet_conn.h"
#include "engine/base/clock.h"

#define CONNS_MAX 65536
/* Descriptors left for listeners, files and the other workers' odds and ends. */
#define SPARE_FDS 512
#define EVENTS_MAX 256
/* Connections accepted before the others get their turn. */
#define ACCEPTS_MAX 64
/* The fast path writes its flight in one go. */
#define OUT_FIRST_BYTES 65536
/* How often timed connections are looked at, and old ones when there is nothing timed. */
#define TIMED_TICK_MS 10
#define IDLE_TICK_MS 1000

struct listener_source {
    enum fleet_source source;
    struct fleet_listener *listener;
};

/* --- the BIO of all connections --- */

static int bio_read(BIO *bio, char *out, int len) {
    struct fleet_worker *worker = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (worker->in.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    struct span part = span_take(&worker->in, (size_t)len);
    memcpy(out, part.data, part.len);
    return (int)part.len;
}

static int bio_write(BIO *bio, const char *bytes, int len) {
    struct fleet_worker *worker = BIO_get_data(bio);
    size_t needed = worker->out_len + (size_t)len;
    if (needed > worker->out_capacity) {
        size_t capacity = needed > 2 * worker->out_capacity ? needed : 2 * worker->out_capacity;
        worker->out = realloc(worker->out, capacity);
        CHECK(worker->out != NULL);
        worker->out_capacity = capacity;
    }
    memcpy(worker->out + worker->out_len, bytes, (size_t)len);
    worker->out_len = needed;
    return len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO *worker_bio_new(struct fleet_worker *worker) {
    static BIO_METHOD *method; /* made by the first worker, before any thread starts */
    if (method == NULL) {
        method = BIO_meth_new(0, "fleet");
        CHECK(method != NULL && BIO_meth_set_read(method, bio_read) == 1 &&
              BIO_meth_set_write(method, bio_write) == 1 &&
              BIO_meth_set_ctrl(method, bio_ctrl) == 1);
    }
    BIO *bio = BIO_new(method);
    CHECK(bio != NULL);
    BIO_set_data(bio, worker);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- set-up --- */

static int choose_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                       unsigned in_len, void *self) {
    static const uint8_t spoken[] = "\x02h2\x08http/1.1";
    (void)ssl;
    (void)self;
    uint8_t *chosen;
    if (SSL_select_next_proto(&chosen, out_len, spoken, sizeof spoken - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *worker_ssl_ctx_new(const struct fleet_options *options) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_with_buffers_method());
    CHECK(ctx != NULL);
    uint16_t min = options->tls == FLEET_TLS_13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    uint16_t max = options->tls == FLEET_TLS_12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    CHECK(SSL_CTX_set_min_proto_version(ctx, min) == 1);
    CHECK(SSL_CTX_set_max_proto_version(ctx, max) == 1);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    return ctx;
}

static uint32_t conn_capacity(const struct fleet_options *options) {
    struct rlimit files;
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    uint64_t usable = files.rlim_cur > SPARE_FDS ? files.rlim_cur - SPARE_FDS : 64;
    uint64_t share = usable / options->workers;
    return share > CONNS_MAX ? CONNS_MAX : share > 16 ? (uint32_t)share : 16;
}

static void prewarm(struct fleet_worker *worker) {
    const struct fleet_options *options = worker->options;
    for (uint32_t i = 1; i <= options->identities && i <= options->cache_slots; i++) {
        uint8_t ipv4[4];
        fleet_address_of(i, ipv4);
        fleet_cache_find(worker->cache, ipv4, span_of(NULL, 0), false);
        if (options->dual) {
            fleet_cache_find(worker->cache, ipv4, span_of(NULL, 0), true);
        }
    }
}

enum err fleet_worker_init(struct fleet_worker *worker, const struct fleet *fleet,
                           struct fleet_options *options, struct err_note *note) {
    memset(worker, 0, sizeof *worker);
    worker->fleet = fleet;
    worker->options = options;
    list_init(&worker->by_age);
    list_init(&worker->timed);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->epoll_fd < 0 || worker->stop_fd < 0) {
        return err_note(note, ERR_RESOURCE, "epoll: %s", strerror(errno));
    }
    enum err err = fleet_listeners_open(&worker->listeners, options, note);
    if (err == ERR_NONE) {
        err = pool_init(&worker->conns, fleet_conn_size(), conn_capacity(options), note);
    }
    if (err != ERR_NONE) {
        return err;
    }
    worker->out_capacity = OUT_FIRST_BYTES;
    worker->out = malloc(worker->out_capacity);
    CHECK(worker->out != NULL);
    worker->ssl_ctx = worker_ssl_ctx_new(options);
    worker->bio = worker_bio_new(worker);
    worker->cache = fleet_cache_new(fleet);
    worker->twist = fleet_twist_new(worker->ssl_ctx);
    worker->fast = options->fast ? fleet_fast_new() : NULL;
    fleet_choice_prepare(worker->ssl_ctx);
    if (options->prewarm) {
        prewarm(worker);
    }
    return ERR_NONE;
}

void fleet_worker_fini(struct fleet_worker *worker) {
    fleet_conn_close_all(worker);
    fleet_listeners_close(&worker->listeners);
    close(worker->epoll_fd);
    close(worker->stop_fd);
    SSL_CTX_free(worker->ssl_ctx);
    BIO_free(worker->bio);
    fleet_cache_free(worker->cache);
    fleet_twist_free(worker->twist);
    if (worker->fast != NULL) {
        fleet_fast_free(worker->fast);
    }
    pool_fini(&worker->conns);
    free(worker->out);
}

/* --- the loop --- */

/* The IPv4 address that was dialled; false unless it is loopback. */
static bool dialled_address(int fd, uint8_t out_ipv4[4]) {
    struct sockaddr_storage local;
    socklen_t len = sizeof local;
    if (getsockname(fd, (struct sockaddr *)&local, &len) != 0) {
        return false;
    }
    if (local.ss_family == AF_INET6) {
        fleet_address_of(1, out_ipv4);
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&local)->sin6_addr) != 0;
    }
    memcpy(out_ipv4, &((struct sockaddr_in *)&local)->sin_addr, 4);
    return out_ipv4[0] == 127;
}

static const struct fleet_behaviour *behaviour_for(const struct fleet_worker *worker,
                                                   uint32_t port_idx, const uint8_t ipv4[4]) {
    const struct fleet_behaviour *behaviour = worker->options->ports[port_idx].behaviour;
    if (!worker->options->demo || behaviour != fleet_behaviour_tls) {
        return behaviour;
    }
    int host_idx = fleet_scenario_find_address(ipv4);
    const char *name = host_idx >= 0 ? fleet_scenario_at((uint32_t)host_idx)->behaviour : NULL;
    return name != NULL ? fleet_behaviour_find(name) : behaviour;
}

static void worker_accept(struct fleet_worker *worker, const struct fleet_listener *listener) {
    for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
        uint8_t ipv4[4];
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        if (!dialled_address(fd, ipv4)) {
            worker->stats.dropped++;
            close(fd);
            continue;
        }
        fleet_conn_open(worker, fd, ipv4, behaviour_for(worker, listener->port_idx, ipv4));
    }
}

static void worker_watch(struct fleet_worker *worker, int fd, enum fleet_source *source) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    CHECK(epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

void fleet_worker_run(struct fleet_worker *worker) {
    struct listener_source *sources = calloc(worker->listeners.count, sizeof *sources);
    struct epoll_event *events = calloc(EVENTS_MAX, sizeof *events);
    enum fleet_source stop = SOURCE_STOP;
    bool is_stopped = false;
    CHECK(sources != NULL && events != NULL);
    for (uint32_t i = 0; i < worker->listeners.count; i++) {
        sources[i] = (struct listener_source){SOURCE_LISTENER, &worker->listeners.items[i]};
        worker_watch(worker, worker->listeners.items[i].fd, &sources[i].source);
    }
    worker_watch(worker, worker->stop_fd, &stop);
    while (!is_stopped) {
        int wait_ms = list_is_empty(&worker->timed) ? IDLE_TICK_MS : TIMED_TICK_MS;
        int count = epoll_wait(worker->epoll_fd, events, EVENTS_MAX, wait_ms);
        worker->now_ns = clock_mono_ns(&clock_system);
        for (int i = 0; i < count; i++) {
            enum fleet_source *source = events[i].data.ptr;
            switch (*source) {
            case SOURCE_STOP:
                is_stopped = true;
                break;
            case SOURCE_LISTENER:
                worker_accept(worker,
                              CONTAINER_OF(source, struct listener_source, source)->listener);
                break;
            case SOURCE_CONN:
                fleet_conn_on_event(worker, source, events[i].events);
                break;
            }
        }
        fleet_conn_tick(worker);
    }
    worker->stats.minted = fleet_cache_minted(worker->cache);
    free(sources);
    free(events);
}

void fleet_worker_stop(struct fleet_worker *worker) {
    uint64_t one = 1;
    CHECK(write(worker->stop_fd, &one, sizeof one) == (ssize_t)sizeof one);
}
