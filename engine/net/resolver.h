/* Names to addresses: one c-ares channel of one worker, driven by the worker's ring (never c-ares'
   own thread). Asks DNS only (no /etc/hosts), does not sort, does not search. Results are queued
   and taken by the worker: no callback runs another stage. Single-threaded. */
#ifndef PINSWEEP_NET_RESOLVER_H
#define PINSWEEP_NET_RESOLVER_H

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/list.h"
#include "engine/codec/netaddr.h"
#include "engine/net/outcome.h"
#include "engine/net/ring.h"

struct resolver_config {
    const char *servers;    /* "127.0.0.1:5353,[::1]:53", NULL: /etc/resolv.conf */
    uint32_t timeout_ms;    /* of the first try; 2000 */
    uint32_t tries;         /* 3 */
    uint32_t in_flight_max; /* RESOLVER_IN_FLIGHT_MAX */
    bool ipv4, ipv6;        /* families asked for */
};

/* One look-up, embedded in the target. */
struct resolution {
    struct list_node node; /* private */
    void *owner;
    enum outcome outcome; /* OUTCOME_SUCCESS or a dns-* outcome */
    char error[64];       /* c-ares' words; "" on success */
    uint32_t address_count;
    struct netaddr addresses[ADDRESSES_MAX]; /* all A in answer order, then all AAAA */
    bool truncated;                          /* the name has more than ADDRESSES_MAX */
    uint64_t started_ns, finished_ns;
    /* private to resolver.c */
    struct resolver *resolver;
    uint8_t pending;
    enum outcome worst;
};

struct resolver;

enum err resolver_new(const struct resolver_config *config, struct ring *ring,
                      const struct clock *clock, struct resolver **out,
                      struct err_note *note) MUST_USE;
/* Cancels what is in flight; its resolutions are not delivered. */
void resolver_free(struct resolver *resolver);

/* Whether another look-up may start now. */
bool resolver_has_room(const struct resolver *resolver);
/* Starts a look-up of an A-label name. The resolution must stay where it is until delivered or
 * cancelled. */
void resolver_start(struct resolver *resolver, struct resolution *resolution, const char *name);
/* Forgets the owner: it will not be delivered, and its memory may go away at once. */
void resolver_cancel(struct resolver *resolver, struct resolution *resolution);

/* Reap: a completion with RING_OP_POLL. */
void resolver_on_completion(struct resolver *resolver, const struct io_uring_cqe *cqe);
/* Once per tick: retransmissions and time-outs. */
void resolver_step(struct resolver *resolver);
/* Nanoseconds until resolver_step must run again, at most max_ns. */
uint64_t resolver_next_ns(const struct resolver *resolver, uint64_t max_ns);
/* The next finished look-up, or NULL. */
struct resolution *resolver_next_finished(struct resolver *resolver);
uint32_t resolver_in_flight(const struct resolver *resolver);

#endif
