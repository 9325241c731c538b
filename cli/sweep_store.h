/* --store and --resume of pinsweep sweep: what they can go with, and the store that a sweep is kept
   in. */
#ifndef PINSWEEP_CLI_SWEEP_STORE_H
#define PINSWEEP_CLI_SWEEP_STORE_H

#include "cli/setup.h"
#include "engine/history/store_writer.h"

/* Whether --resume goes with the other options; says why not. What can be cut back to where the
   store is can be resumed: files, and records that only the store has. */
bool sweep_store_check(const struct setup *setup);
/* Opens the store (*out NULL: none is wanted) and has the sweep kept in it; with --resume finds the
   sweep that is gone on with, whose id and seed become the configuration's. */
enum err sweep_store_open(struct setup *setup, struct store_writer **out,
                          struct err_note *note) MUST_USE;

#endif
