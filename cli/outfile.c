#include "cli/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err note_unwritten(const struct outfile *outfile, int error, struct err_note *note) {
    return err_note(note, ERR_IO, "%s: cannot be written: %s",
                    outfile_is_standard(outfile) ? "standard output" : outfile->file,
                    strerror(error));
}

bool outfile_is_standard(const struct outfile *outfile) {
    return outfile->file == NULL || strcmp(outfile->file, "-") == 0;
}

/* A file that is replaced keeps its permissions. */
static FILE *open_beside(struct outfile *outfile, const struct stat *replaced) {
    size_t size = strlen(outfile->file) + 32;
    outfile->beside = malloc(size);
    if (outfile->beside == NULL) {
        return NULL;
    }
    snprintf(outfile->beside, size, "%s.%ld.new", outfile->file, (long)getpid());
    (void)unlink(outfile->beside); /* of a run that was killed: now the number is ours */
    FILE *out = fopen(outfile->beside, "wxe");
    if (out != NULL && replaced != NULL) {
        (void)fchmod(fileno(out), replaced->st_mode & 0777);
    }
    return out;
}

enum err outfile_open(struct outfile *outfile, struct err_note *note) {
    struct stat info, target;
    outfile->out = stdout;
    outfile->beside = NULL;
    if (outfile_is_standard(outfile)) {
        return ERR_NONE;
    }
    if (!outfile->overwrite && stat(outfile->file, &target) == 0 && S_ISREG(target.st_mode) &&
        target.st_size > 0) {
        return err_note(note, ERR_USAGE, "%s: the file exists and is not empty; say --overwrite",
                        outfile->file);
    }
    bool is_there = lstat(outfile->file, &info) == 0;
    outfile->out = is_there && !S_ISREG(info.st_mode)
                       ? fopen(outfile->file, "we")
                       : open_beside(outfile, is_there ? &info : NULL);
    if (outfile->out == NULL) {
        int error = errno;
        free(outfile->beside);
        outfile->beside = NULL;
        return note_unwritten(outfile, error, note);
    }
    return ERR_NONE;
}

static void forget_beside(struct outfile *outfile, bool keep) {
    if (outfile->beside != NULL && !keep) {
        (void)unlink(outfile->beside);
    }
    free(outfile->beside);
    outfile->beside = NULL;
}

enum err outfile_close(struct outfile *outfile, bool good, struct err_note *note) {
    int error = errno;
    good = good && ferror(outfile->out) == 0;
    if ((outfile->out == stdout ? fflush(outfile->out) : fclose(outfile->out)) != 0 && good) {
        good = false;
        error = errno;
    }
    outfile->out = NULL;
    if (good && outfile->beside != NULL && rename(outfile->beside, outfile->file) != 0) {
        good = false;
        error = errno;
    }
    forget_beside(outfile, good);
    return good ? ERR_NONE : note_unwritten(outfile, error, note);
}

void outfile_drop(struct outfile *outfile) {
    if (outfile->out != NULL && outfile->out != stdout) {
        (void)fclose(outfile->out);
    }
    outfile->out = NULL;
    forget_beside(outfile, false);
}
