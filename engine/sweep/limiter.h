/* Politeness, shared by all workers: new connections per second in all, and per destination address
   connections in flight and per second (thousands of names often share one load balancer).
   Lock-free: atomics in a fixed table keyed by a seeded hash of the address. Two addresses that
   fall on one entry share its caps: stricter, never laxer. (IPv6 is keyed by its whole address.) */
#ifndef PINSWEEP_SWEEP_LIMITER_H
#define PINSWEEP_SWEEP_LIMITER_H

#include "engine/base/err.h"
#include "engine/codec/netaddr.h"

struct limiter_config {
    double rate;                 /* connections per second of the whole sweep; 0: no limit */
    double server_rate;          /* per destination address and second; 0: no limit */
    uint32_t server_concurrency; /* in flight per destination address; 0: no limit */
    uint64_t seed;
};

struct limiter;

enum err limiter_new(const struct limiter_config *config, struct limiter **out,
                     struct err_note *note) MUST_USE;
void limiter_free(struct limiter *limiter);

/* True: go, and the caller must limiter_done() when the connection is over. False: not now;
   *out_wait_ns says when to ask again (at least 1 ms; a guess where it depends on others
   finishing). Nothing is taken on false. */
bool limiter_try(struct limiter *limiter, const struct netaddr *address, uint64_t now_ns,
                 uint64_t *out_wait_ns);
void limiter_done(struct limiter *limiter, const struct netaddr *address);
/* Connections now in flight to that address's entry (tests); 0 when no per-server limit is set. */
uint32_t limiter_in_flight(const struct limiter *limiter, const struct netaddr *address);
size_t limiter_bytes(const struct limiter *limiter);

#endif
