#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/codec/text.h"
#include "engine/sweep/sink_internal.h"

/* The last byte of a file that is appended to must end a line, or two records would share one. */
static enum err check_last_line(const struct output *output, off_t size, struct err_note *note) {
    char last = '\n';
    int fd = open(output->file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (size > 0 && pread(fd, &last, 1, size - 1) != 1) {
            last = '\n';
        }
        close(fd);
    }
    if (last != '\n') {
        return err_note(note, ERR_USAGE,
                        "%s: the last line is not whole (a torn file?); mend it before --append",
                        output->file);
    }
    return ERR_NONE;
}

/* Where the line begins that ends just before `end`. */
static off_t last_line(int fd, off_t end) {
    char bytes[4096];
    off_t at = end - 1; /* its own newline */
    while (at > 0) {
        off_t from = at > (off_t)sizeof bytes ? at - (off_t)sizeof bytes : 0;
        ssize_t got = pread(fd, bytes, (size_t)(at - from), from);
        if (got != (ssize_t)(at - from)) {
            return 0;
        }
        const char *newline = memrchr(bytes, '\n', (size_t)got);
        if (newline != NULL) {
            return from + (newline - bytes) + 1;
        }
        at = from;
    }
    return 0;
}

/* Whether the records up to `len` are those of the sweep, and what would be cut off behind is not
   another's: the file may have been replaced, or appended to. Lines begin as report_write() has
   them. */
static bool are_own_records(int fd, off_t len, const struct sink_config *config) {
    static const char any[] = "{\"schema\":1,\"type\":\"verdict\",\"sweep\":\"";
    char head[sizeof any + 80], there[sizeof head];
    int head_len = snprintf(head, sizeof head, "%s%s\"", any, config->sweep_id);
    if (head_len >= (int)sizeof head) {
        return false;
    }
    if (config->has_records &&
        (pread(fd, there, (size_t)head_len, last_line(fd, len)) != head_len ||
         memcmp(there, head, (size_t)head_len) != 0)) {
        return false;
    }
    return pread(fd, there, (size_t)head_len, len) != head_len ||
           memcmp(there, any, sizeof any - 1) != 0 || memcmp(there, head, (size_t)head_len) == 0;
}

/* The file of a resumed sweep: what counts of it is there, and is all that stays. */
static enum err output_resume(struct output *output, uint64_t len, struct err_note *note) {
    struct stat info;
    output->fd = open(output->file, O_RDWR | O_CLOEXEC);
    if (output->fd < 0 || fstat(output->fd, &info) != 0) {
        return err_note(note, ERR_USAGE, "%s: cannot go on with this file: %s", output->file,
                        strerror(errno));
    }
    char last = '\n';
    bool whole = S_ISREG(info.st_mode) && (uint64_t)info.st_size >= len &&
                 (len == 0 || (pread(output->fd, &last, 1, (off_t)len - 1) == 1 && last == '\n'));
    if (!whole) {
        return err_note(
            note, ERR_USAGE,
            "%s: cannot go on with this file: %llu bytes of it are in the store, and it "
            "does not hold them (%lld bytes); nothing was changed",
            output->file, (unsigned long long)len, (long long)info.st_size);
    }
    return ERR_NONE;
}

/* Only once all are found good. */
static enum err output_cut(struct output *output, uint64_t len, struct err_note *note) {
    if (ftruncate(output->fd, (off_t)len) != 0 || lseek(output->fd, 0, SEEK_END) != (off_t)len) {
        return err_note(note, ERR_IO, "%s: cannot cut the file back: %s", output->file,
                        strerror(errno));
    }
    output->regular = true;
    output->whole_len = (off_t)len;
    return ERR_NONE;
}

/* The chains that a resumed file holds are not written again. Lines begin as report_write_chain()
   has them. */
static enum err learn_chains(const struct output *output, struct chainset *chains,
                             struct err_note *note) {
    static const char head[] = "{\"schema\":1,\"type\":\"chain\",\"chain_id\":\"";
    FILE *file = fopen(output->file, "rbe");
    char *line = NULL;
    size_t capacity = 0;
    bool good = file != NULL;
    while (good && getline(&line, &capacity, file) > 0) {
        uint8_t id[SHA256_LEN];
        size_t len = strlen(line);
        size_t id_len;
        good = len > sizeof head + 2 * sizeof id && memcmp(line, head, sizeof head - 1) == 0 &&
               hex_decode(span_of(line + sizeof head - 1, 2 * sizeof id), id, sizeof id, &id_len);
        if (good) {
            chainset_add(chains, id);
        }
    }
    good = good && feof(file);
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return good ? ERR_NONE
                : err_note(note, ERR_USAGE,
                           "%s: cannot go on with this file: it holds more than chains",
                           output->file);
}

enum err output_resume_all(struct output outputs[SINK_STREAM_COUNT],
                           const struct sink_config *config, struct chainset *chains,
                           struct err_note *note) {
    enum err err = ERR_NONE;
    for (int i = 0; i < SINK_STREAM_COUNT && err == ERR_NONE; i++) {
        outputs[i].file = config->files[i];
        if (config->files[i] != NULL) {
            err = output_resume(&outputs[i], config->lens[i], note);
        }
        if (err == ERR_NONE && config->files[i] != NULL && i == SINK_RECORDS &&
            config->sweep_id != NULL &&
            !are_own_records(outputs[i].fd, (off_t)config->lens[i], config)) {
            err = err_note(note, ERR_USAGE,
                           "%s: cannot go on with this file: it holds records of another sweep "
                           "where those of %s should be; nothing was changed",
                           outputs[i].file, config->sweep_id);
        }
    }
    for (int i = 0; i < SINK_STREAM_COUNT && err == ERR_NONE; i++) {
        if (config->files[i] != NULL) {
            err = output_cut(&outputs[i], config->lens[i], note);
        }
    }
    return err == ERR_NONE && config->files[SINK_CHAINS] != NULL
               ? learn_chains(&outputs[SINK_CHAINS], chains, note)
               : err;
}

enum err output_open(struct output *output, const char *file, const struct sink_config *config,
                     struct err_note *note) {
    output->file = file;
    output->fd = -1;
    if (file == NULL) {
        return ERR_NONE;
    }
    struct stat info;
    if (strcmp(file, "-") == 0) {
        output->file = "standard output";
        output->fd = dup(STDOUT_FILENO);
        if (output->fd < 0 || fstat(output->fd, &info) != 0) {
            return err_note(note, ERR_IO, "standard output is not open: %s", strerror(errno));
        }
        output->regular = S_ISREG(info.st_mode);
        /* ">>" writes at the end wherever the offset is; what stood there is never cut off. */
        bool at_end = (fcntl(output->fd, F_GETFL) & O_APPEND) != 0;
        output->whole_len = !output->regular ? 0
                            : at_end         ? info.st_size
                                             : lseek(output->fd, 0, SEEK_CUR);
        return ERR_NONE;
    }
    if (stat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
        if (!config->overwrite && !config->append) {
            return err_note(note, ERR_USAGE,
                            "%s: the file exists and is not empty; say --overwrite or --append",
                            file);
        }
        if (config->append) {
            enum err err = check_last_line(output, info.st_size, note);
            if (err != ERR_NONE) {
                return err;
            }
        }
    }
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (config->append ? O_APPEND : O_TRUNC);
    output->fd = open(file, flags, 0666);
    if (output->fd < 0 || fstat(output->fd, &info) != 0) {
        return err_note(note, ERR_IO, "%s: cannot open for writing: %s", file, strerror(errno));
    }
    output->regular = S_ISREG(info.st_mode);
    output->whole_len = output->regular ? info.st_size : 0;
    return ERR_NONE;
}
