/* Connections of one worker: socket life cycle on the ring around a sans-I/O TLS client:
   BoringSSL's SSL object for depth complete, net/capture for the depths below it. A connection is
   one attempt at (address, port, key type); retries and several addresses are the probe's affair.

   States, one enum, every transition through one function that asserts the legal edge:
     CONNECTING  socket and connect are linked submissions on fixed file = pool index
     HANDSHAKE   send and receive are linked (provided buffer, goes back after feed)
     CLOSING     output and close are linked; or cancel, then close
     CLOSED      all completions are in: the slot may go back
   (A protocol spoken before TLS would stand between CONNECTING and HANDSHAKE.) The SSL object is
   made after connect: dead hosts cost nothing. Deadlines: connect, handshake (io), target; the one
   that fires names the outcome. A finished connection is handed to the owner (conns_next_finished)
   as soon as its outcome is known, while the close runs on in the background; its certificates may
   be read until conn_release. Single-threaded. */
#ifndef PINSWEEP_NET_CONN_H
#define PINSWEEP_NET_CONN_H

#include "engine/base/pool.h"
#include "engine/codec/netaddr.h"
#include "engine/net/ring.h"
#include "engine/net/timer.h"
#include "engine/net/tls.h"

enum conn_state { CONN_FREE, CONN_CONNECTING, CONN_HANDSHAKE, CONN_CLOSING, CONN_CLOSED };

struct conn_request {
    struct netaddr address;
    uint16_t port;
    enum key_view key_view;
    enum depth depth; /* a view that cannot be captured is completed */
    const char *sni;  /* borrowed until conn_release; NULL: none */
    uint64_t connect_timeout_ns;
    uint64_t io_timeout_ns;      /* from connected to handshake done */
    uint64_t target_deadline_ns; /* absolute; 0: none */
    void *owner;                 /* the probe */
};

struct conn_times { /* monotonic ns; 0: not reached */
    uint64_t opened, connected, finished;
};

/* What a connection's completion brought, until the step stage looks at it. */
enum conn_news {
    CONN_NEWS_NONE,
    CONN_NEWS_CONNECTED,
    CONN_NEWS_CONNECT_FAILED,
    CONN_NEWS_SEND_FAILED,
    CONN_NEWS_DATA,
    CONN_NEWS_EOF,
    CONN_NEWS_RECV_FAILED,
    CONN_NEWS_STARVED, /* every receive buffer was in use */
};

struct conn {
    struct list_node node; /* in the ready or finished FIFO */
    void *owner;
    enum conn_state state;
    enum outcome outcome; /* valid once finished; facts.error of tls has the words */
    int error_number;     /* errno of the failing operation, 0 if none */
    struct tls tls;       /* facts, certificates; tls.ssl NULL if the handshake never began */
    struct conn_times times;
    /* private to conn*.c below */
    struct conn_request request;
    struct timer timer;
    uint64_t stage_deadline_ns;
    uint32_t pending; /* completions still to come */
    enum conn_news news;
    int news_error;           /* errno */
    int send_error;           /* errno of a send that failed while the peer's words are awaited */
    bool finished, released;  /* outcome known; owner done */
    bool expired;             /* the deadline passed while news waited for the step stage */
    bool has_file, has_sends; /* a direct descriptor may stand; the exchange began with a send */
    bool waits_secret;        /* in the list of those whose secret is to be computed */
    bool closes_by_chain;     /* close hangs behind the last send */
    uint16_t ready_buffer_id; /* bytes received, to be fed in the step stage */
    uint32_t ready_len;
    uint8_t *output; /* of the slot, once the handshake begins */
    struct {
        _Alignas(8) uint8_t bytes[28];
        uint32_t len;
    } sockaddr;
};

struct conns;

struct conns_stats {
    uint64_t opened, connected, bytes_in, bytes_out;
    uint64_t completed, captured; /* successes at depths complete and capture */
    uint64_t proven;              /* successes with proof of possession, whatever the depth */
    uint64_t fallback;            /* asked for below depth complete, but only that could tell */
    uint64_t by_version[5];       /* successes: SSL3-, 1.0, 1.1, 1.2, 1.3 */
};

/* The ring must outlive the conns. `capacity` connections at most (= ring_config.direct_count). */
enum err conns_new(struct ring *ring, struct timer_wheel *wheel, struct tls_context *tls,
                   const struct clock *clock, uint32_t capacity, struct conns **out,
                   struct err_note *note) MUST_USE;
/* All connections must be released and their completions reaped (conns_abort, then ticks until
 * conns_in_use() is 0). */
void conns_free(struct conns *conns);

/* Starts an attempt; NULL when every slot is taken (back-pressure). */
struct conn *conn_open(struct conns *conns, const struct conn_request *request);

/* Reap: takes one completion whose operation is RING_OP_SOCKET .. RING_OP_CANCEL. Only notes what
 * happened. */
void conns_on_completion(struct conns *conns, const struct io_uring_cqe *cqe);
/* Expire: one timer of the wheel that belongs to a connection (see conns_owns_timer). */
void conns_on_timer(struct conns *conns, struct timer *timer);
/* Whether this expired timer is a connection's (else the worker's own). */
bool conns_owns_timer(const struct conns *conns, const struct timer *timer);
/* Step: runs the handshakes that have news, computes the secrets that captures wait for, together,
 * and queues sends. */
void conns_step(struct conns *conns);
/* The next finished connection, or NULL. */
struct conn *conns_next_finished(struct conns *conns);
/* The owner is done with it, finished or not: frees the SSL object; the slot goes back once its
   completions are in. */
void conn_release(struct conns *conns, struct conn *conn);
/* Makes every unfinished connection finish with OUTCOME_CANCELLED. */
void conns_abort(struct conns *conns);

uint32_t conns_in_use(const struct conns *conns);
/* Whether captures wait for company before their secrets are computed: step again soon. */
bool conns_hold_secrets(const struct conns *conns);
uint32_t conns_available(const struct conns *conns);
void conns_get_stats(const struct conns *conns, struct conns_stats *out);
size_t conns_bytes(const struct conns *conns);

#endif
