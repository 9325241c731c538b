/* Private to conn*.c: the table of connections and its submissions. */
#ifndef PINSWEEP_NET_CONN_INTERNAL_H
#define PINSWEEP_NET_CONN_INTERNAL_H

#include "engine/net/conn.h"

struct conns {
    struct ring *ring;
    struct timer_wheel *wheel;
    struct tls_context *tls;
    const struct clock *clock;
    struct pool pool;
    uint8_t *outputs; /* SEND_BUFFER_BYTES per slot, resident as used: by SSL objects */
    uint8_t *hellos;  /* hello_bytes per slot, behind the outputs: all that a capture sends */
    uint32_t hello_bytes;
    struct list ready, finished, starved, secrets;
    uint32_t secret_count;
    uint32_t held_steps; /* in a row that left some for a fuller batch */
    struct conns_stats stats;
};

/* conn_io.c. Each queues submissions and counts the completions they will bring. A chain whose
   members but the last skip their success brings exactly one: the last one's, or that of the member
   that failed (the kernel then skips those of the members behind it too). */
void conn_queue_connect(struct conns *conns, struct conn *conn);
/* What waits in the output, then a receive. */
void conn_queue_exchange(struct conns *conns, struct conn *conn);
/* What waits in the output, then close. */
void conn_queue_last_words(struct conns *conns, struct conn *conn);
/* A reset, then close: no FIN, and no TIME_WAIT on our side. */
void conn_queue_reset(struct conns *conns, struct conn *conn);
void conn_queue_cancel(struct conns *conns, struct conn *conn);
void conn_queue_close(struct conns *conns, struct conn *conn);

/* conn_errno.c. What a failed operation means. */
enum outcome conn_connect_outcome(int error);
enum outcome conn_exchange_outcome(int error);

#endif
