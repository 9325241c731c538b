/* The -o FILE of commands that write at their end: an existing file that holds something is
   replaced only on --overwrite; without a file, or with "-", standard output. */
#ifndef PINSWEEP_CLI_OUTFILE_H
#define PINSWEEP_CLI_OUTFILE_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/base/err.h"

struct outfile {
    const char *file; /* NULL: standard output */
    bool overwrite;
    FILE *out; /* between open and close */
};

enum err outfile_open(struct outfile *outfile, struct err_note *note) MUST_USE;
/* `good`: all that was written so far was taken; else errno says why not. ERR_IO if it, or what was
   still buffered, was not. */
enum err outfile_close(struct outfile *outfile, bool good, struct err_note *note) MUST_USE;

#endif
