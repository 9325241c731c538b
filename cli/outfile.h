/* The -o FILE of commands that write at their end: an existing file that holds something is
   replaced only on --overwrite; without a file, or with "-", standard output. A plain file appears
   whole or not at all: it is written beside its place (FILE.PID.new) and renamed, so that a full
   disk leaves the one that was there. What is there and no plain file (a device, a pipe, a link) is
   written as it is. */
#ifndef PINSWEEP_CLI_OUTFILE_H
#define PINSWEEP_CLI_OUTFILE_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/base/err.h"

struct outfile {
    const char *file; /* NULL: standard output */
    bool overwrite;
    FILE *out;    /* between open and close */
    char *beside; /* private; NULL: written as it is */
};

/* ERR_USAGE: the file is there and not empty; ERR_IO: it cannot be written. */
enum err outfile_open(struct outfile *outfile, struct err_note *note) MUST_USE;
/* `good`: all that was written so far was taken; else errno says why not. ERR_IO if it, or what was
   still buffered, was not: then the file is as it was. */
enum err outfile_close(struct outfile *outfile, bool good, struct err_note *note) MUST_USE;
/* Instead of closing, when there is nothing to be kept: the file is as it was. */
void outfile_drop(struct outfile *outfile);
bool outfile_is_standard(const struct outfile *outfile);

#endif
