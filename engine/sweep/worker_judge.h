/* The judging stage of a worker: targets all of whose probes are done get their verdicts, are
   escalated, or are reported, counted and let go. Of one worker. */
#ifndef PINSWEEP_SWEEP_WORKER_JUDGE_H
#define PINSWEEP_SWEEP_WORKER_JUDGE_H

#include "engine/sweep/worker.h"

/* Judges what is done, in its order, until the writer is behind; the rest stays in line. */
void worker_judge(struct worker *worker);

#endif
