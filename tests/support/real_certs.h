/* Real certificates of this machine, for tests: the trust store of Debian and the chains in
   ../shared/data/real-chains beside the source tree (PINSWEEP_REAL_CHAINS overrides). */
#ifndef PINSWEEP_TESTS_REAL_CERTS_H
#define PINSWEEP_TESTS_REAL_CERTS_H

#include "engine/base/span.h"

#define REAL_STORE "/etc/ssl/certs/ca-certificates.crt"

/* Calls `each` with every certificate of a PEM file, or of every *.pem below a folder; returns how
   many there were (0 if the path is missing). The bytes are an exact allocation. */
unsigned real_certs_each(const char *path, void (*each)(void *context, struct span der),
                         void *context);
/* The folder of real chains, or NULL. */
const char *real_chains_path(void);

#endif
