/* The workers of fleetsim: opened on the main thread (so that "ready" is true), run on their own.
 */
#ifndef PINSWEEP_BENCH_FLEET_SERVER_H
#define PINSWEEP_BENCH_FLEET_SERVER_H

#include "bench/fleet_worker.h"

struct fleet_server {
    struct fleet_worker *workers;
    uint32_t count;
};

/* Fills in the ports that were 0. On failure nothing is left open. */
enum err fleet_server_open(struct fleet_server *server, const struct fleet *fleet,
                           struct fleet_options *options, struct err_note *note) MUST_USE;
/* Blocks SIGTERM and SIGINT in every thread; call before anything that starts one. */
void fleet_server_block_signals(void);
/* Serves until SIGTERM or SIGINT. */
void fleet_server_run(struct fleet_server *server);
struct fleet_stats fleet_server_stats(const struct fleet_server *server);
void fleet_server_close(struct fleet_server *server);

#endif
