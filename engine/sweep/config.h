/* What a sweep does: filled by the command line, constant once it runs, shared by all threads. */
#ifndef PINSWEEP_SWEEP_CONFIG_H
#define PINSWEEP_SWEEP_CONFIG_H

#include "engine/codec/datetime.h"
#include "engine/net/tls.h"
#include "engine/sweep/blocklist.h"
#include "engine/sweep/inventory.h"
#include "engine/trust/anchor.h"
#include "engine/trust/pin.h"

enum chain_detail { CHAIN_DETAIL_FULL, CHAIN_DETAIL_IDS };

struct judgement;
struct keeper; /* engine/sweep/keeper.h */

/* Who is told about every finished target, on the worker's thread, instead of the NDJSON writer
 * (inspect). */
struct sweep_listener {
    void (*on_target)(void *context, const struct judgement *judgement);
    void *context;
};

struct sweep_config {
    struct inventory_config inventory;

    /* Judging: all constant. `at_unix_s` DATETIME_NONE judges at the time of each target. */
    const struct trust_store *trust;
    const struct pin_index *pins;
    const struct blocklist *blocklist; /* NULL: none */
    int64_t at_unix_s;

    /* Network */
    uint32_t workers;     /* 0: one per core */
    uint32_t concurrency; /* connections in flight of the whole program; 0: automatic */
    double rate;          /* connections a second; 0: no limit */
    double server_rate;   /* per destination address */
    uint32_t server_concurrency;
    uint64_t connect_timeout_ns, io_timeout_ns, target_timeout_ns;
    uint32_t retries; /* further rounds over a target's addresses after a retryable failure */
    bool use_sni;
    const char *sni; /* NULL: each target's own */
    bool all_addresses;
    bool ipv4, ipv6;
    const char *dns_servers; /* NULL: /etc/resolv.conf */
    struct tls_config tls;
    enum key_view key_views[KEY_VIEWS_MAX];
    uint32_t key_view_count;
    enum depth depth;
    bool escalate;       /* at depth capture: see judge_wants_proof() */
    uint32_t chains_max; /* remembered per worker */
    bool pin_cores;

    /* Output */
    const char *output_file; /* NULL: standard output, or nothing with a listener or a keeper; "-":
                                standard output */
    const char *chains_file; /* NULL: none */
    bool chains_pem;
    bool overwrite, append;
    enum chain_detail chain_detail;
    const struct sweep_listener *listener; /* may be NULL */
    const struct keeper *keeper;           /* NULL: the sweep is not stored */
    bool resume;                           /* with a keeper: go on with the sweep of that id */
    uint8_t policy_sha256[SHA256_LEN];     /* over the policy files, for the keeper */
    int argc;                              /* the command line, for the metadata */
    char *const *argv;

    bool quiet;
    const char *sweep_id; /* in every record */
};

#endif
