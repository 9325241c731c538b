/* The metadata document of a sweep (README.md, "Output"; data/metadata.schema.json): one JSON line
   that says what was run, on what, and counts that sum to the inputs. */
#ifndef PINSWEEP_SWEEP_METADATA_H
#define PINSWEEP_SWEEP_METADATA_H

#include "engine/sweep/sweep.h"

/* Writes `file` anew (atomically: a temporary beside it, then rename); "-" is refused. `argv` as
 * the program got it. */
enum err metadata_write(const char *file, const struct sweep_config *config,
                        const struct sweep_result *result, int argc, char *const *argv,
                        struct err_note *note) MUST_USE;

#endif
