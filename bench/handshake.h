/* What a completed handshake costs the client, measured in three ways that compare: BoringSSL alone
   in memory, the network alone (a bare io_uring exchange of the same bytes with as many connections
   in flight), and the real sweep. Parts of bench_handshake; each measures one round. */
#ifndef PINSWEEP_BENCH_HANDSHAKE_H
#define PINSWEEP_BENCH_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/fleet_identity.h"
#include "engine/net/tls.h"

#define HANDSHAKE_IDENTITIES 1000 /* fewer than the chain table holds: every chain is known */
#define HANDSHAKE_IDENTITIES_TEXT "1000"
#define HANDSHAKE_PORTS 4 /* listen queues: one holds somaxconn, 4,096, and 10,000 come at once */

/* CPU of the client for one handshake. */
struct handshake_cost {
    double user_us, system_us;
};
static inline double handshake_cost_us(struct handshake_cost cost) {
    return cost.user_us + cost.system_us;
}

/* What goes over the wire: ClientHello; the server's flight; Finished and close_notify. */
struct handshake_sizes {
    size_t hello, flight, last;
};

/* --- handshake_memory.c --- */

enum handshake_client {
    HANDSHAKE_BORINGSSL,      /* TLS_with_buffers_method, memory BIOs, every chain accepted */
    HANDSHAKE_BORINGSSL_X509, /* TLS_method, which makes an X509 of each certificate */
    HANDSHAKE_OURS,           /* engine/net/tls */
};

struct handshake_memory;
struct handshake_memory *handshake_memory_new(const struct fleet *fleet);
void handshake_memory_free(struct handshake_memory *memory);
struct handshake_sizes handshake_memory_sizes(struct handshake_memory *memory);
/* CPU of the client's calls alone; `in_flight` clients stand half-way at a time. */
double handshake_memory_us(struct handshake_memory *memory, enum handshake_client client,
                           uint32_t in_flight, uint32_t count);

/* --- handshake_floor.c --- */

/* A server process that answers a hello's length of any bytes by a flight's; its ports into
   `out_ports`. */
pid_t handshake_floor_serve(const struct handshake_sizes *sizes, int cpu,
                            uint16_t out_ports[HANDSHAKE_PORTS]);
struct handshake_cost handshake_floor_run(const struct handshake_sizes *sizes,
                                          const uint16_t ports[HANDSHAKE_PORTS], uint32_t in_flight,
                                          uint32_t count);

/* --- handshake_sweep.c --- */

struct handshake_sweep {
    const char *pinsweep, *fleetsim; /* programs */
    char folder[64];                 /* of this run, removed at its end */
    uint16_t ports[HANDSHAKE_PORTS];
    pid_t server;
};

/* Starts fleetsim on the core `cpu` (-1: any) and writes what a sweep of it needs. */
void handshake_sweep_open(struct handshake_sweep *sweep, bool is_rsa, int cpu);
void handshake_sweep_close(struct handshake_sweep *sweep);
/* The pinsweep program over `count` lines, less what it costs to start and to learn the chains. */
struct handshake_cost handshake_sweep_run(const struct handshake_sweep *sweep, enum depth depth,
                                          int cpu, uint32_t in_flight, uint32_t count);

/* --- handshake_verify.c --- */

/* BoringSSL's own check of a TLS 1.3 CertificateVerify with a leaf's key, the key parsed anew each
   time: ECDSA P-256 or RSA-2048 with PSS. */
double handshake_verify_us(bool is_rsa, uint32_t count);

/* --- handshake_after.c --- */

/* All that a sweep does with a finished handshake whose chain is known: intern, judge, report. */
double handshake_after_us(const struct handshake_sweep *sweep, const struct fleet *fleet,
                          uint32_t count);

/* --- bench_handshake.c --- */

uint64_t handshake_thread_cpu_ns(void);
void handshake_pin_to(int cpu); /* -1: does nothing */

#endif
