/* The first stages of a worker: inventory entries become targets, their probes connections. All
   that bounds what is in flight stands here: the connections free, the pace, the pool of targets,
   the look-ups that the resolver takes. Of one worker. */
#ifndef PINSWEEP_SWEEP_WORKER_ADMIT_H
#define PINSWEEP_SWEEP_WORKER_ADMIT_H

#include "engine/sweep/worker.h"

/* Takes up entries while there is room; notes when the input has none at hand, or is at its end. */
void worker_admit(struct worker *worker);
/* Opens connections for the probes that wait, first come first served, as many as the pace lets. */
void worker_open(struct worker *worker);

#endif
