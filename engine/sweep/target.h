/* One target in flight and its probes. A target is one record to be; a probe is one address and key
   type of it: the view to be. Both belong to one worker and are never seen by another thread. */
#ifndef PINSWEEP_SWEEP_TARGET_H
#define PINSWEEP_SWEEP_TARGET_H

#include "engine/net/conn.h"
#include "engine/net/resolver.h"
#include "engine/sweep/inventory.h"
#include "engine/trust/intern.h"

enum probe_state {
    PROBE_NEW,
    PROBE_WAITING, /* in the worker's FIFO for a connection slot */
    PROBE_PARKED,  /* politeness or back-off: waits for its timer */
    PROBE_OPEN,    /* a connection is in flight */
    PROBE_DONE,    /* outcome is final */
};

struct target;

struct probe {
    struct list_node node; /* in the waiting FIFO */
    struct timer timer;    /* while parked */
    struct target *target;
    enum probe_state state;
    enum key_view key_view;
    enum depth depth;       /* of the next attempt */
    uint16_t address_idx;   /* into the target's addresses: where it is, or was last */
    uint16_t address_count; /* how many it may fall back to, from the first */
    uint16_t first_address_idx;
    uint16_t round;    /* of retries */
    uint16_t attempts; /* connections opened */
    uint16_t parks;    /* in a row, for the back-off */
    bool limiter_held;
    bool backs_off;    /* parked after a failure: the target's clock runs */
    struct conn *conn; /* while open */

    /* Evidence, final when done. */
    enum outcome outcome;
    struct chain *chain; /* held; NULL if none was seen */
    struct tls_facts facts;
    uint64_t opened_ns, connected_ns, finished_ns; /* of the last attempt */
};

enum target_state {
    TARGET_RESOLVING, /* waits for the resolver */
    TARGET_PROBING,   /* waits for its probes */
    TARGET_JUDGING,   /* in the worker's FIFO for judge and report */
};

struct target {
    struct list_node node;
    struct timer timer; /* the one deadline; runs only while something of it is in flight */
    enum target_state state;
    uint64_t line, place; /* of the inventory; of the address within the line's range */
    uint16_t port;
    /* NUL-terminated, in one malloc'd block that `host` begins. */
    const char *host, *sni, *pin_host, *tag, *owner, *application;
    bool host_is_address;

    uint64_t deadline_ns;  /* while the clock runs */
    uint64_t remaining_ns; /* while it is stopped: our own politeness is not the peer's time */
    uint32_t active_count; /* look-ups and connections in flight */
    bool timed_out;

    struct resolution *resolution; /* malloc'd while resolving */
    uint64_t dns_ns;               /* what resolving took */
    enum outcome outcome;          /* of the name, when there are no probes */
    char error[96];
    bool addresses_missing;    /* all were asked for, and not all are known: `error` says why */
    struct netaddr *addresses; /* malloc'd */
    uint32_t address_count;
    struct probe *probes; /* malloc'd */
    uint32_t probe_count, probes_done;
};

/* Copies the texts of an inventory entry. False if memory is short. */
bool target_init(struct target *target, const struct inventory_target *entry,
                 const char *sni_override, bool use_sni);
/* Frees what it owns; chains must have been released. */
void target_fini(struct target *target);

/* The probes of a target whose addresses are known: one per key type, or per address and key type.
 */
bool target_make_probes(struct target *target, const enum key_view *key_views,
                        uint32_t key_view_count, bool all_addresses);

/* The status of the record: its best view's, or the name's. */
enum outcome target_outcome(const struct target *target);

#endif
