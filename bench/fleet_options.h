/* The command line of fleetsim. Constant after fleet_options_parse; texts borrow argv. */
#ifndef PINSWEEP_BENCH_FLEET_OPTIONS_H
#define PINSWEEP_BENCH_FLEET_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/fleet_behaviour.h"
#include "engine/base/err.h"

#define FLEET_PORTS_MAX 64
#define FLEET_ADDRESSES_MAX 64
#define FLEET_WORKERS_MAX 64
#define FLEET_IDENTITIES_MAX 500000
#define FLEET_PADDING_MAX 40000 /* such a certificate stays below CERT_BYTES_MAX */

enum fleet_tls {
    FLEET_TLS_BOTH,
    FLEET_TLS_12,
    FLEET_TLS_13,
    FLEET_TLS_MIXED, /* every third identity speaks 1.2 only */
};

enum fleet_format {
    FLEET_FORMAT_DEFAULT,
    FLEET_FORMAT_PLAIN,
    FLEET_FORMAT_ZGRAB2,
    FLEET_FORMAT_CSV
};

struct fleet_port {
    uint16_t number; /* 0: the kernel chooses; filled in by fleet_server_open */
    const struct fleet_behaviour *behaviour;
};

struct fleet_options {
    struct fleet_port ports[FLEET_PORTS_MAX];
    uint32_t port_count;
    const char *addresses[FLEET_ADDRESSES_MAX]; /* when SO_BINDTODEVICE is not permitted */
    uint32_t address_count;
    uint32_t workers;
    bool ipv6, exit_with_parent, stats, no_serve, fast, prewarm;

    uint64_t seed;
    int64_t date_s;
    uint32_t identities, rsa_percent, padding_len, cache_slots;
    enum fleet_tls tls;
    bool dual, demo;
    uint32_t drip_ms, slow_ms, idle_ms;

    bool describe, print_root, print_pins;
    const char *trust_path, *inventory_path, *policy_path;
    uint32_t inventory_count; /* 0: every identity */
    enum fleet_format format;
    bool policy_per_host;
    int ready_fd; /* -1: standard output */
    const char *ready_path;
};

/* ERR_INTERRUPTED after --help, which has been answered. */
enum err fleet_options_parse(struct fleet_options *options, int argc, char **argv,
                             struct err_note *note) MUST_USE;

/* The port of an identity: the plain TLS ports in turn. */
uint16_t fleet_options_port(const struct fleet_options *options, uint32_t index);

#endif
