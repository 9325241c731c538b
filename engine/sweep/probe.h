/* The state machine of a probe (one address and key type) and of its target's clock: which address
   next, when to try again, when it is done. Called by the worker's stages; runs no stage itself.

     NEW -> WAITING -> OPEN -> DONE            the usual way
                       OPEN -> WAITING          only the SSL object can tell: depth complete
                                DONE -> WAITING a verdict that wants proof: depth prove
            WAITING -> PARKED -> WAITING        our own politeness says not now
                       OPEN -> WAITING          the next address of the name
                       OPEN -> PARKED           another round after a back-off
   A target's clock runs only while a look-up or connection of it is in flight: waiting for our own
   limits is not the peer's time, and nothing that a peer does can extend it. */
#ifndef PINSWEEP_SWEEP_PROBE_H
#define PINSWEEP_SWEEP_PROBE_H

#include "engine/sweep/target.h"

struct worker;

/* A new target: block list, then resolve or make its probes. */
void probe_start_target(struct worker *worker, struct target *target);
/* The name is resolved (or is not): target->resolution tells. */
void probe_on_resolved(struct worker *worker, struct target *target);
/* A connection slot is free: opens the probe's next attempt, or parks it. */
void probe_open(struct worker *worker, struct probe *probe);
/* The attempt ended: keeps the evidence, then next address, another round, or done. Takes over the
   reference on the chain that the peer sent; NULL: none, or one that is too large. */
void probe_on_finished(struct worker *worker, struct probe *probe, struct chain *chain);
void probe_on_park_timer(struct worker *worker, struct probe *probe);
void probe_on_target_timer(struct worker *worker, struct target *target);
/* Every target ends now; what is not known is cancelled. */
void probe_cancel_all(struct worker *worker);
/* The verdict wants proof: every view that was only captured is probed again at depth prove. */
void probe_escalate(struct worker *worker, struct target *target);
/* After the report: releases chains and memory, the target's slot goes back. */
void probe_release_target(struct worker *worker, struct target *target);

#endif
