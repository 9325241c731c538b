#include "cli/pins_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/opt.h"
#include "engine/base/log.h"
#include "engine/base/rng.h"
#include "engine/policy/import.h"

bool pins_target_set_format(struct pins_target *target, const char *value, const char **out_why) {
    static char why[200];
    target->has_format = export_format_find(value, &target->format);
    const char *near = opt_nearest(value, export_format_words);
    snprintf(why, sizeof why, "%s%s%sgive one of " EXPORT_FORMATS_TEXT,
             near != NULL ? "did you mean '" : "", near != NULL ? near : "",
             near != NULL ? "'? " : "");
    *out_why = why;
    return target->has_format;
}

static void tell_loss(void *context, const char *text) {
    (void)context;
    log_complaint("%s", text);
}

static void tell_news(void *context, const char *text) {
    (void)context;
    log_info("%s", text);
}

/* --- reading back --- */

/* What its reader would refuse is no working file, whatever let it through. */
static enum err read_back(const struct pins_target *target, const struct export_result *result,
                          struct err_note *note) {
    struct pin_index index;
    struct trust_store store;
    struct err_note inner = {""};
    const char *name = target->file != NULL ? target->file : "standard output";
    pin_index_init(&index, random_u64());
    trust_store_init(&store);
    struct policy_companion keys = {.file = "the .pins file",
                                    .bytes = span_of(result->keys.bytes, result->keys.len)};
    enum err err = policy_parse_with(span_of(result->file.bytes, result->file.len), name,
                                     export_importer(target->format),
                                     result->keys.len > 0 ? &keys : NULL, &index, &store, &inner);
    trust_store_fini(&store);
    pin_index_fini(&index);
    if (err != ERR_NONE) {
        return err_note(note, ERR_CONFIG, "the result would be no working file: %s", inner.text);
    }
    return ERR_NONE;
}

/* --- files --- */

static enum err write_all(int fd, const char *file, const struct export_text *text,
                          struct err_note *note) {
    for (size_t done = 0; done < text->len;) {
        ssize_t wrote = write(fd, text->bytes + done, text->len - done);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote < 0) {
            return err_note(note, ERR_IO, "%s: cannot be written: %s", file, strerror(errno));
        }
        done += (size_t)wrote;
    }
    return ERR_NONE;
}

/* link() refuses an existing file, rename() replaces it; not every file system has links. */
static bool put_in_place(const char *beside, const char *file, bool overwrite) {
    if (overwrite) {
        return rename(beside, file) == 0;
    }
    if (link(beside, file) == 0) {
        return true;
    }
    if (errno == EEXIST || access(file, F_OK) == 0) {
        errno = EEXIST;
        return false;
    }
    return rename(beside, file) == 0;
}

/* A file appears whole or not at all: written beside it, then renamed. */
static enum err write_file(const char *file, bool overwrite, const struct export_text *text,
                           struct err_note *note) {
    size_t capacity = strlen(file) + 32;
    char *beside = malloc(capacity);
    CHECK(beside != NULL);
    snprintf(beside, capacity, "%s.%d.new", file, (int)getpid());
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    enum err err = ERR_NONE;
    if (fd < 0) {
        err = err_note(note, ERR_IO, "%s: cannot be written: %s", file, strerror(errno));
    } else {
        err = write_all(fd, file, text, note);
        if (close(fd) != 0 && err == ERR_NONE) {
            err = err_note(note, ERR_IO, "%s: cannot be written: %s", file, strerror(errno));
        }
        if (err == ERR_NONE && !put_in_place(beside, file, overwrite)) {
            err = errno == EEXIST
                      ? err_note(note, ERR_CONFIG,
                                 "%s: is already there: choose another name, or --overwrite", file)
                      : err_note(note, ERR_IO, "%s: cannot be written: %s", file, strerror(errno));
        }
        (void)unlink(beside);
    }
    free(beside);
    return err;
}

/* "list.json" and its "list.pins". */
static enum err write_list(const struct pins_target *target, const struct export_result *result,
                           struct err_note *note) {
    const char *slash = strrchr(target->file, '/'), *dot = strrchr(target->file, '.');
    size_t len = dot != NULL && (slash == NULL || dot > slash + 1) && dot > target->file
                     ? (size_t)(dot - target->file)
                     : strlen(target->file);
    char *keys = malloc(len + sizeof ".pins");
    CHECK(keys != NULL);
    memcpy(keys, target->file, len);
    memcpy(keys + len, ".pins", sizeof ".pins");
    enum err err = ERR_NONE;
    if (strcmp(keys, target->file) == 0) {
        err = err_note(note, ERR_USAGE,
                       "%s: that is the name of the second file, with the keys: give the list one "
                       "that ends in .json",
                       target->file);
    }
    if (err == ERR_NONE) {
        err = write_file(keys, target->overwrite, &result->keys, note);
    }
    if (err == ERR_NONE) {
        err = write_file(target->file, target->overwrite, &result->file, note);
    }
    free(keys);
    return err;
}

static enum err put_out(const struct pins_target *target, const struct export_result *result,
                        struct err_note *note) {
    bool to_file = target->file != NULL && strcmp(target->file, "-") != 0;
    if (result->keys.len > 0 && !to_file) {
        return err_note(note, ERR_USAGE,
                        "a list of Chromium's is two files: give -o list.json, the keys then go "
                        "into list.pins");
    }
    if (result->keys.len > 0) {
        return write_list(target, result, note);
    }
    if (!to_file) {
        return write_all(STDOUT_FILENO, "standard output", &result->file, note);
    }
    return write_file(target->file, target->overwrite, &result->file, note);
}

int pins_write(const struct pins_target *target, const struct pin_set *const *sets,
               uint32_t count) {
    struct export_result result;
    struct err_note note = {""};
    char *folder = NULL;
    const char *slash = target->file != NULL ? strrchr(target->file, '/') : NULL;
    if (slash != NULL) {
        folder = strndup(target->file, (size_t)(slash - target->file));
        CHECK(folder != NULL);
    }
    struct export_config config = {.format = target->format,
                                   .loss = tell_loss,
                                   .news = tell_news,
                                   .store = target->store,
                                   .folder = folder};
    enum err err = export_sets(&config, sets, count, &result, &note);
    if (err == ERR_NONE) {
        err = read_back(target, &result, &note);
    }
    if (err == ERR_NONE) {
        err = put_out(target, &result, &note);
    }
    int code = err_exit_code(err);
    if (err != ERR_NONE) {
        log_error("%s", note.text);
    } else if (result.losses > 0) {
        log_info("%s: %u loss%s: the file was written, but its clients would not do the same%s",
                 target->command, result.losses, result.losses == 1 ? "" : "es",
                 target->lossy ? "" : " (--lossy accepts that)");
        code = target->lossy ? 0 : 1;
    }
    export_result_fini(&result);
    free(folder);
    return code;
}
