/* One accepted connection: what its behaviour does with the bytes that come and go. Belongs to one
   worker; sits in the worker's pool and frees itself. */
#ifndef PINSWEEP_BENCH_FLEET_CONN_H
#define PINSWEEP_BENCH_FLEET_CONN_H

#include "bench/fleet_worker.h"

struct fleet_conn;

size_t fleet_conn_size(void);

/* Takes over an accepted socket. */
void fleet_conn_open(struct fleet_worker *worker, int fd, const uint8_t ipv4[4],
                     const struct fleet_behaviour *behaviour);
/* `source` is what epoll gave back for it. */
void fleet_conn_on_event(struct fleet_worker *worker, enum fleet_source *source, uint32_t events);
/* Closes those that are too old, moves on those whose moment has come. */
void fleet_conn_tick(struct fleet_worker *worker);
void fleet_conn_close_all(struct fleet_worker *worker);

#endif
