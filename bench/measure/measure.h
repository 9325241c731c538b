/* What a handshake costs the client, measured in ways that compare: BoringSSL alone in memory, the
   network alone (a bare io_uring exchange of the same bytes with as many connections in flight),
   the primitives, and the real sweep against fleetsim. For `pinsweep bench` and for
   bench/bench_handshake: the one part of bench/ that cli may include.

   Costs are CPU time of the client per handshake. Client and server are put on cores of their own
   as far as there are enough. What a user can mend is an error with its sentence; a failed promise
   of our own or of BoringSSL aborts. Call from one thread, before any other is started: the parts
   fork. */
#ifndef PINSWEEP_BENCH_MEASURE_H
#define PINSWEEP_BENCH_MEASURE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/base/err.h"
#include "engine/net/tls.h"

#define MEASURE_IDENTITIES 1000 /* fewer than the chain table holds: every chain is known */
#define MEASURE_PORTS                                                                              \
    4 /* listen queues: one holds somaxconn, often 4,096, and 10,000 come at once */
#define MEASURE_PATH_MAX 512

enum measure_key { MEASURE_ECDSA, MEASURE_RSA, MEASURE_KEY_COUNT };
const char *measure_key_text(enum measure_key key); /* "ecdsa-p256", "rsa-2048" */

/* CPU of the client for one handshake. */
struct measure_cost {
    double user_us, system_us;
};
static inline double measure_cost_us(struct measure_cost cost) {
    return cost.user_us + cost.system_us;
}

/* What goes over the wire, in turns: out[0], in[0], out[1], in[1], out[2]; 0: that turn is left
   out. TLS 1.3: ClientHello; the server's flight; Finished and close_notify. TLS 1.2: the client's
   second flight; the server's; close_notify. */
struct measure_bytes {
    size_t out[3], in[2];
};

/* --- measure_process.c --- */

uint64_t measure_thread_cpu_ns(void);

/* The first `threads` cores that this process may use are the client's; the others the server's, or
   all if there are none left. */
struct measure_cores {
    cpu_set_t client, server;
    uint32_t count; /* that this process may use */
    bool shared;    /* client and server have cores in common */
};
void measure_cores_split(struct measure_cores *out, uint32_t threads);
/* Every thread of a process (0: this one). */
void measure_cores_keep(pid_t process, const cpu_set_t *cores);

/* In a fresh child of `parent`: signals end it again, it dies with its parent, and runs on the
   given cores. */
void measure_child_begin(pid_t parent, const cpu_set_t *cores);

/* Runs `body` in a child process on the given cores and brings back `len` bytes of what it left in
   `out`: its memory, limits and CPU time are its own. */
enum err measure_in_child(const cpu_set_t *cores, void (*body)(void *out, const void *context),
                          const void *context, void *out, size_t len,
                          struct err_note *note) MUST_USE;

/* Starts a program with descriptor `kept_fd` open (-1: none), to be ended when this process ends.
 */
enum err measure_spawn(const char *const arguments[], const cpu_set_t *cores, int kept_fd,
                       pid_t *out, struct err_note *note) MUST_USE;

/* --- measure_machine.c --- */

struct measure_machine {
    char cpu[128], kernel[200];
    uint32_t cores;
    uint64_t memory_bytes;
    uint64_t descriptors_hard; /* RLIMIT_NOFILE */
    uint32_t somaxconn, ports; /* listen queue; ephemeral ports of one address */
};
void measure_machine_read(struct measure_machine *out);
void measure_load_average(double out[3]);

/* --- measure_memory.c --- */

enum measure_client {
    MEASURE_BORINGSSL,      /* TLS_with_buffers_method, memory BIOs, every chain accepted */
    MEASURE_BORINGSSL_X509, /* TLS_method, which makes an X509 of each certificate */
    MEASURE_OURS,           /* engine/net/tls */
};

struct fleet;
struct measure_memory;
/* `tls` 0x0303 or 0x0304. The fleet has leaves of both keys (options dual). */
struct measure_memory *measure_memory_new(const struct fleet *fleet, uint16_t tls,
                                          enum measure_key key);
void measure_memory_free(struct measure_memory *memory);
struct measure_bytes measure_memory_bytes(struct measure_memory *memory);
/* CPU of the client's calls alone; `in_flight` clients stand half-way at a time. */
double measure_memory_us(struct measure_memory *memory, enum measure_client client,
                         uint32_t in_flight, uint32_t count);

/* A fleet as measure_fleet_start()'s programs have it, in this process; about half a second. */
struct fleet *measure_identities_new(void);
void measure_identities_free(struct fleet *fleet);

/* --- measure_floor.c --- */

/* A server process that answers as many bytes of any kind as the turns say; its ports into
   `out_ports`. End it with measure_stop(). */
enum err measure_floor_serve(const struct measure_bytes *bytes, const cpu_set_t *cores,
                             uint16_t out_ports[MEASURE_PORTS], pid_t *out,
                             struct err_note *note) MUST_USE;
/* Runs in a child of its own. `whole`: all turns; else it closes after the server's first. */
enum err measure_floor_run(const struct measure_bytes *bytes, bool whole,
                           const uint16_t ports[MEASURE_PORTS], const cpu_set_t *cores,
                           uint32_t in_flight, uint32_t count, struct measure_cost *out,
                           struct err_note *note) MUST_USE;
void measure_stop(pid_t process);

/* --- measure_fleet.c --- */

struct measure_fleet {
    char folder[128]; /* of this run, removed at its end */
    uint16_t ports[MEASURE_PORTS];
    pid_t server;
    bool has_addresses; /* all of 127.0.0.0/8; else 127.0.0.1 alone answers */
};

struct measure_fleet_config {
    const char *fleetsim; /* the program */
    uint16_t tls;
    enum measure_key key;
    uint32_t workers;
};

/* Starts fleetsim --fast and writes what a sweep of it needs. */
enum err measure_fleet_start(struct measure_fleet *fleet, const struct measure_fleet_config *config,
                             struct err_note *note) MUST_USE;
void measure_fleet_stop(struct measure_fleet *fleet);
void measure_fleet_path(const struct measure_fleet *fleet, const char *name,
                        char out[MEASURE_PATH_MAX]);
/* `count` lines of zgrab2's format as inventory.csv. */
enum err measure_fleet_write_inventory(const struct measure_fleet *fleet, uint32_t count,
                                       struct err_note *note) MUST_USE;

/* --- measure_sweep.c --- */

struct measure_sweep {
    const char *pinsweep; /* the program */
    const struct measure_fleet *fleet;
    const struct measure_cores *cores;
    enum depth depth;
    uint32_t in_flight, threads, count; /* handshakes */
};

/* Sums of one or more runs. */
struct measure_counts {
    uint64_t targets, succeeded;                     /* lines; those whose view was a success */
    uint64_t attempts, connected;                    /* connections */
    uint64_t completed, proven, captured, fallbacks; /* as in the metadata of a sweep */
    uint64_t versions[5];                            /* other, 1.0, 1.1, 1.2, 1.3 */
};
void measure_counts_add(struct measure_counts *sum, const struct measure_counts *one);

struct measure_swept {
    struct measure_cost cost; /* a handshake, start-up and the learning of chains taken off */
    double per_second;        /* handshakes, by the clock */
    double busy;              /* CPU time of the client by the clock's: 1 is one core */
    uint64_t max_rss_bytes;
    struct measure_counts counts; /* of all that was swept, start-up included */
};

/* Runs the pinsweep program twice: over the fleet (several times if there are several threads),
   then over that and `count` more lines; the difference is what they cost. An attempt that fails is
   counted, not an error; a program that fails is. */
enum err measure_sweep_run(const struct measure_sweep *sweep, struct measure_swept *out,
                           struct err_note *note) MUST_USE;

/* --- measure_primitives.c --- */

/* BoringSSL's own check of a TLS 1.3 CertificateVerify with a leaf's key, the key parsed anew each
   time: ECDSA P-256 or RSA-2048 with PSS. */
double measure_verify_us(enum measure_key key, uint32_t count);

struct measure_primitives {                /* microseconds each */
    double sha256_boringssl, sha256_batch; /* 91 bytes: the SPKI of a P-256 key */
    double x25519_boringssl, x25519_batch; /* one secret; of eight with the kernel in use */
    double verify[MEASURE_KEY_COUNT];
};
void measure_primitives(struct measure_primitives *out, uint32_t count);

#endif
