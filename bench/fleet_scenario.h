/* The named hosts of --scenario demo: one for each thing that a sweep can find. The table is
   constant; fleet_identity mints what it says, fleet_files writes the policy and the inventory that
   go with it. */
#ifndef PINSWEEP_BENCH_FLEET_SCENARIO_H
#define PINSWEEP_BENCH_FLEET_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/fleet_pki.h"
#include "engine/base/span.h"

#define FLEET_SENT_MAX 4

enum fleet_pin_of { PIN_OF_NOTHING, PIN_OF_CA, PIN_OF_SPARE, PIN_OF_OWN_LEAF };

struct fleet_pin {
    enum fleet_pin_of of;
    uint32_t id; /* enum fleet_ca_id or enum fleet_spare_id */
};

struct fleet_host {
    const char *name;
    uint8_t last_octet;    /* of 127.0.1.x */
    const char *cert_name; /* NULL: its own name */
    enum fleet_ca_id issuer;
    enum fleet_ca_id sent[FLEET_SENT_MAX]; /* what follows the leaf */
    uint32_t sent_count;
    enum fleet_ca_id rsa_issuer; /* the RSA leaf's, which is sent alone; unless has_rsa: unused */
    bool has_rsa;
    int32_t not_after_days;          /* of the leaf, from the date; 0: 60 */
    const char *behaviour;           /* NULL: a plain TLS server */
    bool refused;                    /* dialled at a port where nobody listens */
    struct fleet_pin active, backup; /* active PIN_OF_NOTHING: unpinned */
    const char *scope;               /* NULL: path */
    const char *key_types;           /* NULL: any */
    int32_t expires_days;            /* of the pin set, from the date; 0: 300 */
    bool report_only;
    const char *verdict; /* what a sweep says */
    const char *shows;
};

/* The host at a position, or NULL past the end. */
const struct fleet_host *fleet_scenario_at(uint32_t idx);
/* By name (any case), and by IPv4 address; -1 if there is none. */
int fleet_scenario_find_name(struct span name);
int fleet_scenario_find_address(const uint8_t address[4]);

#endif
