/* The rows of a judgement, for a keeper (keeper.h), gathered beside the record in the same block.
   Pure but for memory. */
#ifndef PINSWEEP_SWEEP_KEEPER_ROWS_H
#define PINSWEEP_SWEEP_KEEPER_ROWS_H

#include "engine/sweep/judge.h"
#include "engine/sweep/keeper.h"

struct keeper_rows {
    uint8_t *bytes;
    size_t len, capacity; /* grows; a target's rows take at most VIEWS_MAX times CHAIN_BYTES_MAX and
                             some, and BLOCK_BYTES are the aim */
    bool failed;          /* memory ran out: rows are missing */
};

void keeper_rows_free(struct keeper_rows *rows);

/* Appends the target, its views and sets, and before it what of its chains this worker has not
   handed over yet. */
void keeper_rows_add(struct keeper_rows *rows, const struct judgement *judgement);

/* A certificate alone (an anchor). */
void keeper_rows_add_cert(struct keeper_rows *rows, const struct cert_record *cert);

#endif
