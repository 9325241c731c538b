/* What goes with a fleet, so that it can be swept: its roots, its inventory, a policy, its pins and
   a description. */
#ifndef PINSWEEP_BENCH_FLEET_FILES_H
#define PINSWEEP_BENCH_FLEET_FILES_H

#include "bench/fleet_identity.h"

/* `refused_port`: where the demo host that refuses is dialled. */
enum err fleet_files_write(const struct fleet *fleet, uint16_t refused_port,
                           struct err_note *note) MUST_USE;

void fleet_roots_print(const struct fleet *fleet, FILE *out);
/* "sha256/BASE64 <tab> what <tab> name", one line each. */
void fleet_pins_print(const struct fleet *fleet, FILE *out);
void fleet_describe(const struct fleet *fleet, uint16_t refused_port, FILE *out);

/* fleet_policy.c */
void fleet_policy_print(const struct fleet *fleet, FILE *out);

#endif
