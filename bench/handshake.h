/* A part of bench_handshake; the others are in bench/measure. */
#ifndef PINSWEEP_BENCH_HANDSHAKE_H
#define PINSWEEP_BENCH_HANDSHAKE_H

#include "bench/fleet_identity.h"
#include "bench/measure/measure.h"

/* All that a sweep does with a finished handshake whose chain is known: intern, judge, report. The
   fleet's identities are those of `served`. */
double handshake_after_us(const struct measure_fleet *served, const struct fleet *fleet,
                          bool is_rsa, uint32_t count);

#endif
