/* What a resumed sweep must have in common with the one it goes on with, as a JSON object whose
   keys are the options: which targets there are, what is asked of them, and how they are judged and
   written. Not so the pace (workers, concurrency, rates, time-outs), nor names of metadata. */
#ifndef PINSWEEP_SWEEP_SETTINGS_H
#define PINSWEEP_SWEEP_SETTINGS_H

#include "engine/sweep/config.h"

#define SETTINGS_BYTES_MAX (64u << 10)

/* `output_file` and `chains_file`: absolute, "" for none, "-" for what cannot be cut back. Returns
   the length (NUL-terminated), 0 if it does not fit. */
size_t settings_compose(const struct sweep_config *config, const char *output_file,
                        const char *chains_file, char *buffer, size_t capacity);

#endif
