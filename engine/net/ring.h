/* One io_uring: its submission and completion queues, its table of direct descriptors and its ring
   of provided receive buffers. Created on the worker's own thread (SINGLE_ISSUER, DEFER_TASKRUN);
   features of kernel 6.1 only, later ones probed. Single-threaded.

   user_data of every operation = operation (8 bits) | generation (24 bits) | index (32 bits): a
   completion whose generation is stale is dropped by whoever owns the index. */
#ifndef PINSWEEP_NET_RING_H
#define PINSWEEP_NET_RING_H

#include <liburing.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/span.h"

enum ring_op {
    RING_OP_NONE,   /* nobody waits for it */
    RING_OP_SOCKET, /* conn */
    RING_OP_CONNECT,
    RING_OP_SEND,
    RING_OP_RECV,
    RING_OP_SHUTDOWN,
    RING_OP_CLOSE,
    RING_OP_CANCEL,
    RING_OP_POLL, /* resolver: index = slot of a c-ares socket */
};

static inline uint64_t ring_tag(enum ring_op op, uint32_t generation, uint32_t idx) {
    return (uint64_t)op << 56 | (uint64_t)(generation & 0xFFFFFFu) << 32 | idx;
}
static inline enum ring_op ring_tag_op(uint64_t tag) {
    return (enum ring_op)(tag >> 56);
}
static inline uint32_t ring_tag_generation(uint64_t tag) {
    return (uint32_t)(tag >> 32) & 0xFFFFFFu;
}
static inline uint32_t ring_tag_idx(uint64_t tag) {
    return (uint32_t)tag;
}

struct ring_config {
    uint32_t sq_entries;   /* power of two; 4096 */
    uint32_t cq_entries;   /* power of two; 32768 */
    uint32_t direct_count; /* fixed-file slots: one per connection */
    uint32_t buffer_count; /* provided buffers of RECV_BUFFER_BYTES; power of two, at most 32768 */
};

struct ring {
    struct io_uring uring;
    struct io_uring_buf_ring *buffers;
    uint8_t *buffer_memory;
    uint32_t buffer_count;
    uint32_t direct_count;
    uint32_t
        in_flight; /* submitted or queued, completion not yet seen; owner-maintained statistics */
    uint64_t submit_calls, completions;
    bool is_open; /* private to ring.c */
};

#define RING_BUFFER_GROUP 0

/* The reason why io_uring cannot be used here, or ERR_NONE: kernel without it or too old (names the
   version), forbidden by the sysctl kernel.io_uring_disabled, by seccomp (EPERM in containers), out
   of locked memory. Exit code 4. */
enum err ring_probe(struct err_note *note) MUST_USE;

enum err ring_init(struct ring *ring, const struct ring_config *config,
                   struct err_note *note) MUST_USE;
void ring_fini(struct ring *ring);

/* A free submission entry; submits what is queued when the queue is full. Never NULL. */
struct io_uring_sqe *ring_sqe(struct ring *ring);
/* `count` entries that stay together (for linked operations): submits first if fewer are free. */
void ring_reserve(struct ring *ring, uint32_t count);

/* Submits what is queued, without waiting. */
void ring_submit(struct ring *ring);
/* Submits, then waits until `min_completions` are there or `timeout_ns` passed (0: does not wait).
 */
void ring_submit_and_wait(struct ring *ring, uint32_t min_completions, uint64_t timeout_ns);

/* Submits, then runs whatever completions the kernel holds back for up to `count` operations. A
   kernel with a backlog runs only so many as a caller waits for (20 at least, since 6.13): what it
   has not run is not to be seen in the queue, however long ago it happened. */
void ring_catch_up(struct ring *ring, uint32_t count);

/* Received bytes of a provided buffer, by the buffer id of a completion; give it back when read. */
struct span ring_buffer(const struct ring *ring, uint16_t buffer_id, size_t len);
void ring_buffer_give(struct ring *ring, uint16_t buffer_id);

size_t ring_bytes(const struct ring *ring);

#endif
