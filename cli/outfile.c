#include "cli/outfile.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum err outfile_open(struct outfile *outfile, struct err_note *note) {
    struct stat info;
    const char *file = outfile->file;
    outfile->out = stdout;
    if (file == NULL || strcmp(file, "-") == 0) {
        return ERR_NONE;
    }
    if (!outfile->overwrite && stat(file, &info) == 0 && S_ISREG(info.st_mode) &&
        info.st_size > 0) {
        return err_note(note, ERR_USAGE, "%s: the file exists and is not empty; say --overwrite",
                        file);
    }
    outfile->out = fopen(file, "we");
    return outfile->out != NULL
               ? ERR_NONE
               : err_note(note, ERR_IO, "%s: cannot be written: %s", file, strerror(errno));
}

enum err outfile_close(struct outfile *outfile, bool good, struct err_note *note) {
    int error = errno;
    bool standard = outfile->out == stdout;
    if ((standard ? fflush(outfile->out) : fclose(outfile->out)) != 0 && good) {
        good = false;
        error = errno;
    }
    outfile->out = NULL;
    return good ? ERR_NONE
                : err_note(note, ERR_IO, "%s: cannot be written: %s",
                           standard ? "standard output" : outfile->file, strerror(error));
}
