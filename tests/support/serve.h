/* Loopback servers with a script, one thread each: what the connection's tests talk to. */
#ifndef PINSWEEP_TESTS_SERVE_H
#define PINSWEEP_TESTS_SERVE_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/peer.h"

enum serve_script {
    SERVE_TLS,          /* handshake, then reads to the end */
    SERVE_SILENT,       /* accepts and waits for the end */
    SERVE_DRIP,         /* a byte of a record every 5 ms, for ever */
    SERVE_BYTES,        /* reads the ClientHello, sends `bytes`, waits for the end */
    SERVE_BYTES_FIRST,  /* sends `bytes` unasked and closes without reading */
    SERVE_CLOSE,        /* accepts and closes */
    SERVE_CLOSE_LATER,  /* reads the ClientHello, then closes */
    SERVE_CLOSE_MIDWAY, /* half of a server flight, then closes */
    SERVE_RESET,        /* the same three with a reset */
    SERVE_RESET_LATER,
    SERVE_RESET_MIDWAY,
};

struct serve {
    enum serve_script script;
    SSL_CTX *context;  /* SERVE_TLS and the midway ones */
    struct span bytes; /* SERVE_BYTES... */
    bool ipv6;
    uint16_t port; /* chosen by serve_start */
    /* what the server saw */
    atomic_uint accepted, handshakes, close_notifies, ends;
    /* private */
    int listener;
    atomic_bool stopping;
    pthread_t thread;
};

/* False if the address cannot be bound (no IPv6 here). */
bool serve_start(struct serve *serve);
void serve_stop(struct serve *serve);

/* A listening socket with a full queue: further connection attempts get no answer. Returns the
   port; close the descriptors afterwards. */
#define BLACKHOLE_FDS 8
uint16_t serve_blackhole(int out_fds[BLACKHOLE_FDS]);
/* A port on 127.0.0.1 where nobody listens. */
uint16_t serve_free_port(void);

#endif
