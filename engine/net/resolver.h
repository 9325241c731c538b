/* Names to addresses: c-ares of one worker, driven by the worker's ring (never c-ares' own thread).
   Asks DNS only (no /etc/hosts), does not sort, does not search. Results are queued and taken by
   the worker: no callback runs another stage. Single-threaded.

   A and AAAA are asked at once. One family's failure does not hide the other's addresses; if there
   are none at all, the outcome is the family's that another attempt may change most (time-out,
   SERVFAIL, other errors, no address, NXDOMAIN). A lost answer is asked for `tries` times, each
   time of the next server if there are several; a server that refuses or fails (SERVFAIL, REFUSED,
   NOTIMP, FORMERR, unreachable) hands over to one that was not asked yet. Every look-up ends within
   timeout_ms * tries. Truncated answers are asked for again over TCP. No EDNS: c-ares 1.18 switches
   it off for the whole channel at the first SERVFAIL and then takes FORMERR for an answer; a few
   more TCP queries are cheaper than that. Time comes from the clock and, inside c-ares, from the
   kernel: a clock that is held still only delays the overall bound. */
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
    uint32_t timeout_ms;    /* of each try; 2000 */
    uint32_t tries;         /* for each family; 3 */
    uint32_t in_flight_max; /* RESOLVER_IN_FLIGHT_MAX */
    bool ipv4, ipv6;        /* families asked for */
};

struct resolver;
struct resolver_lookup;

/* One look-up, embedded in the target. */
struct resolution {
    struct list_node node; /* private */
    void *owner;
    enum outcome outcome; /* OUTCOME_SUCCESS or a dns-* outcome */
    char error[64];       /* c-ares' words; "" on success */
    uint32_t address_count;
    struct netaddr addresses[ADDRESSES_MAX]; /* all A in answer order, then all AAAA */
    bool truncated;                          /* the name has more than ADDRESSES_MAX */
    const char *missing; /* with addresses: why one family's are not known; NULL: they are */
    uint64_t started_ns, finished_ns;
    /* private to resolver.c */
    struct resolver_lookup *lookup; /* NULL once finished */
};

/* ERR_USAGE names the entry of `servers` that is wrong (resolver_servers.h checks it alone). The
 * ring must outlive the resolver. */
enum err resolver_new(const struct resolver_config *config, struct ring *ring,
                      const struct clock *clock, struct resolver **out,
                      struct err_note *note) MUST_USE;
/* Cancels what is in flight; its resolutions are not delivered. Completions with RING_OP_POLL may
 * still come afterwards: drop them. NULL is allowed. */
void resolver_free(struct resolver *resolver);

/* Whether another look-up may start now. Cancelled ones take room until the servers have answered
 * or timed out: c-ares cannot take back one query. */
bool resolver_has_room(const struct resolver *resolver);
/* Starts a look-up of an A-label name (copied); only when resolver_has_room(). The resolution must
 * stay where it is until delivered or cancelled; only its owner is kept, the rest is set here. */
void resolver_start(struct resolver *resolver, struct resolution *resolution, const char *name);
/* Forgets the owner: it will not be delivered, and its memory may go away at once. Also allowed
 * between finished and delivered. */
void resolver_cancel(struct resolver *resolver, struct resolution *resolution);

/* Reap: a completion with RING_OP_POLL. Only notes it; resolver_step runs c-ares. */
void resolver_on_completion(struct resolver *resolver, const struct io_uring_cqe *cqe);
/* Once per tick, after the reap: reads answers, asks again, times out. */
void resolver_step(struct resolver *resolver);
/* Nanoseconds until resolver_step must run again, at most max_ns. */
uint64_t resolver_next_ns(const struct resolver *resolver, uint64_t max_ns);
/* The next finished look-up, or NULL. */
struct resolution *resolver_next_finished(struct resolver *resolver);
/* Started, neither finished nor cancelled. */
uint32_t resolver_in_flight(const struct resolver *resolver);

#endif
