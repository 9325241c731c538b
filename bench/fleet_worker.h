/* One thread of the server: an epoll loop over listeners and connections, with its own SSL_CTX,
   identity cache and buffers. Shared between fleet_worker.c (the loop) and fleet_conn.c (what
   happens on a connection); nobody else looks inside. */
#ifndef PINSWEEP_BENCH_FLEET_WORKER_H
#define PINSWEEP_BENCH_FLEET_WORKER_H

#include <openssl/base.h>

#include "bench/fleet_fast.h"
#include "bench/fleet_identity.h"
#include "bench/fleet_listener.h"
#include "bench/fleet_twist.h"
#include "engine/base/list.h"
#include "engine/base/pool.h"

/* A ClientHello and a client's second flight each fit. */
#define FLEET_IN_BYTES 16384

struct fleet_stats {
    uint64_t accepted, handshakes, failed, dropped, bytes_out, minted;
};

/* What an epoll event points at: first member of whatever it is. */
enum fleet_source { SOURCE_STOP, SOURCE_LISTENER, SOURCE_CONN };

struct fleet_worker {
    const struct fleet *fleet;
    const struct fleet_options *options;
    struct fleet_listeners listeners;
    int epoll_fd, stop_fd;
    SSL_CTX *ssl_ctx;
    BIO *bio; /* one for all connections: it reads `in` and writes `out` of the step at hand */
    struct fleet_cache *cache;
    struct fleet_twist *twist;
    struct fleet_fast *fast; /* NULL unless --fast */
    struct pool conns;
    struct list by_age; /* all connections, oldest first */
    struct list timed;  /* those that wait for a moment: drip, slow-accept */
    uint64_t now_ns;
    struct span in;
    uint8_t *out;
    size_t out_len, out_capacity;
    uint8_t in_bytes[FLEET_IN_BYTES];
    struct fleet_stats stats;
};

enum err fleet_worker_init(struct fleet_worker *worker, const struct fleet *fleet,
                           struct fleet_options *options, struct err_note *note) MUST_USE;
void fleet_worker_fini(struct fleet_worker *worker);
/* Serves until fleet_worker_stop, which any thread may call. */
void fleet_worker_run(struct fleet_worker *worker);
void fleet_worker_stop(struct fleet_worker *worker);

#endif
