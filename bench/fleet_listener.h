/* Listening sockets, on loopback only: 0.0.0.0 bound to the device lo, so that every address of
   127.0.0.0/8 answers; where that is not permitted, single addresses of it. */
#ifndef PINSWEEP_BENCH_FLEET_LISTENER_H
#define PINSWEEP_BENCH_FLEET_LISTENER_H

#include "bench/fleet_options.h"

#define FLEET_LISTENERS_MAX (FLEET_PORTS_MAX * (FLEET_ADDRESSES_MAX + 1))

struct fleet_listener {
    int fd;
    uint32_t port_idx; /* in the options */
};

struct fleet_listeners {
    struct fleet_listener *items;
    uint32_t count, capacity;
};

/* One set of listeners for one worker. Port 0 becomes a real one in `options`. */
enum err fleet_listeners_open(struct fleet_listeners *listeners, struct fleet_options *options,
                              struct err_note *note) MUST_USE;
void fleet_listeners_close(struct fleet_listeners *listeners);

/* Takes a port of 127.0.1.x without listening on it, so that connecting is refused and nobody else
   comes to listen there: `wanted`, or any other if that is taken. -1 if there is none. */
int fleet_refused_port_reserve(const uint8_t ipv4[4], uint16_t wanted, uint16_t *out_port);

#endif
