/* What a port (or a demo host) does to those who connect: a plain TLS server, or one of the ways in
   which servers misbehave. A behaviour is a row of constants that fleet_conn reads at three
   moments: when a connection is accepted, when certificates are chosen, and when the flight goes
   out. */
#ifndef PINSWEEP_BENCH_FLEET_BEHAVIOUR_H
#define PINSWEEP_BENCH_FLEET_BEHAVIOUR_H

#include <stdbool.h>
#include <stdint.h>

enum fleet_opening {
    OPENING_TLS,
    OPENING_LATE,   /* nothing for a while, then TLS */
    OPENING_RESET,  /* RST as soon as accepted */
    OPENING_CLOSE,  /* FIN as soon as accepted */
    OPENING_SILENT, /* reads, never says a word */
    OPENING_ANSWER, /* to the first bytes a fixed answer, then FIN */
};

enum fleet_content {
    CONTENT_GOOD,
    CONTENT_HUGE_CHAIN,             /* over CHAIN_BYTES_MAX */
    CONTENT_MANY_CERTIFICATES,      /* over CHAIN_CERTS_MAX */
    CONTENT_MALFORMED_LEAF,         /* DER broken after the key: TLS libraries take it */
    CONTENT_UNPARSABLE_LEAF,        /* DER broken before the key */
    CONTENT_MALFORMED_INTERMEDIATE, /* DER broken */
    CONTENT_BAD_SIGNATURE,          /* CertificateVerify / ServerKeyExchange do not verify */
    CONTENT_CLIENT_CERT_REQUIRED,
    CONTENT_CLIENT_CERT_OPTIONAL,
    CONTENT_OLD_VERSION,   /* TLS 1.0 only */
    CONTENT_SMALL_RECORDS, /* records of at most 512 bytes */
};

enum fleet_flight {
    FLIGHT_WHOLE,
    FLIGHT_DRIP,         /* a byte per --drip-ms */
    FLIGHT_PIECES,       /* one send per byte, without waiting */
    FLIGHT_FIRST_RECORD, /* the ServerHello, then silence */
    FLIGHT_HALF_RESET,   /* half of the first flight, then RST */
    FLIGHT_HALF_CLOSE,   /* half of the first flight, then FIN */
};

struct fleet_behaviour {
    const char *name, *summary;
    enum fleet_opening opening;
    enum fleet_content content;
    enum fleet_flight flight;
    bool ignores_close; /* keeps the connection although the client closed its side */
    const char *answer; /* OPENING_ANSWER */
    uint32_t answer_len;
};

/* The plain TLS server. */
extern const struct fleet_behaviour *const fleet_behaviour_tls;

/* By name, or NULL; by position (0 is the plain one), or NULL past the end. */
const struct fleet_behaviour *fleet_behaviour_find(const char *name);
const struct fleet_behaviour *fleet_behaviour_at(unsigned idx);

#endif
