/* The last stage of a worker: judgements into the blocks that the writer gets, as NDJSON lines, as
   rows for the keeper, or as both. Of one worker. */
#ifndef PINSWEEP_SWEEP_WORKER_REPORT_H
#define PINSWEEP_SWEEP_WORKER_REPORT_H

#include "engine/sweep/worker.h"

/* Writes the target's record, its rows, and before them the chains that this worker has not written
   yet. False if the writer is behind: try again later, nothing is doubled then. */
bool worker_write(struct worker *worker, const struct judgement *judgement);
/* Hands over what has waited long enough, or all. */
void worker_flush(struct worker *worker, bool all);

#endif
