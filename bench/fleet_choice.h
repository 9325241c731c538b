/* Choosing what a client gets, from its ClientHello, its destination and the port's behaviour: by
   BoringSSL's callback, or before there is an SSL object (--fast). */
#ifndef PINSWEEP_BENCH_FLEET_CHOICE_H
#define PINSWEEP_BENCH_FLEET_CHOICE_H

#include "bench/fleet_worker.h"

/* The app data of every SSL object: part of its connection. */
struct fleet_peer {
    struct fleet_worker *worker;
    const struct fleet_behaviour *behaviour;
    const struct fleet_identity
        *signs;      /* this flight (--fast); borrowed for one SSL_do_handshake */
    uint8_t ipv4[4]; /* that was dialled */
};

void fleet_choice_prepare(SSL_CTX *ctx);

/* Writes the answer to `bytes` into the worker's `out`; false if they are not a ClientHello that
   the fast path takes, or there is no fast path. */
bool fleet_choice_answer_fast(const struct fleet_peer *peer, struct span bytes);

#endif
