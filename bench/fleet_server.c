#include "bench/fleet_server.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static sigset_t stop_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

void fleet_server_block_signals(void) {
    sigset_t set = stop_signals();
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
}

enum err fleet_server_open(struct fleet_server *server, const struct fleet *fleet,
                           struct fleet_options *options, struct err_note *note) {
    server->workers = calloc(options->workers, sizeof *server->workers);
    CHECK(server->workers != NULL);
    server->count = 0;
    for (uint32_t i = 0; i < options->workers; i++) {
        enum err err = fleet_worker_init(&server->workers[i], fleet, options, note);
        if (err != ERR_NONE) {
            fleet_server_close(server);
            return err;
        }
        server->count++;
    }
    return ERR_NONE;
}

static void *run_worker(void *worker) {
    fleet_worker_run(worker);
    return NULL;
}

void fleet_server_run(struct fleet_server *server) {
    pthread_t *threads = calloc(server->count, sizeof *threads);
    CHECK(threads != NULL);
    for (uint32_t i = 0; i < server->count; i++) {
        CHECK(pthread_create(&threads[i], NULL, run_worker, &server->workers[i]) == 0);
    }
    sigset_t set = stop_signals();
    int number;
    CHECK(sigwait(&set, &number) == 0);
    for (uint32_t i = 0; i < server->count; i++) {
        fleet_worker_stop(&server->workers[i]);
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    free(threads);
}

struct fleet_stats fleet_server_stats(const struct fleet_server *server) {
    struct fleet_stats sum = {0};
    for (uint32_t i = 0; i < server->count; i++) {
        const struct fleet_stats *stats = &server->workers[i].stats;
        sum.accepted += stats->accepted;
        sum.handshakes += stats->handshakes;
        sum.failed += stats->failed;
        sum.dropped += stats->dropped;
        sum.bytes_out += stats->bytes_out;
        sum.minted += stats->minted;
    }
    return sum;
}

void fleet_server_close(struct fleet_server *server) {
    for (uint32_t i = 0; i < server->count; i++) {
        fleet_worker_fini(&server->workers[i]);
    }
    free(server->workers);
}
