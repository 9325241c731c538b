/* Pin sets into a file of some client's format, for `pins convert` and `pins make`: written, read
   back by that format's importer, losses told. */
#ifndef PINSWEEP_CLI_PINS_WRITE_H
#define PINSWEEP_CLI_PINS_WRITE_H

#include "engine/policy/export.h"

struct pins_target {
    const char *command; /* "pins convert", for messages */
    enum export_format format;
    bool has_format;
    const char *file; /* NULL: standard output */
    bool overwrite, lossy;
    const struct trust_store *store;
};

bool pins_target_set_format(struct pins_target *target, const char *value, const char **out_why);

/* Returns the exit code: 0; 1 with losses unless `lossy`; 2 if the result would be no working
   file; 4. */
int pins_write(const struct pins_target *target, const struct pin_set *const *sets, uint32_t count);

#endif
