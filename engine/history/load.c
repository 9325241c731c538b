#include "engine/history/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/history/load_store.h"

static const char store_magic[16] = "SQLite format 3";

/* Opens a file; with `split`, "FILE#ID" is split unless a file has that whole name. */
static enum err open_file(const char *file, bool split, char *name, size_t name_size,
                          const char **out_sweep, int *out_fd, struct err_note *note) {
    *out_sweep = "";
    if ((size_t)snprintf(name, name_size, "%s", file) >= name_size) {
        return err_note(note, ERR_INPUT, "%.64s...: the name is too long", file);
    }
    if (strcmp(file, "-") == 0) {
        *out_fd = dup(STDIN_FILENO);
        snprintf(name, name_size, "standard input");
    } else {
        *out_fd = open(file, O_RDONLY | O_CLOEXEC);
        char *mark = split ? strrchr(name, '#') : NULL;
        if (*out_fd < 0 && errno == ENOENT && mark != NULL && mark != name) {
            *mark = '\0';
            *out_sweep = mark + 1;
            *out_fd = open(name, O_RDONLY | O_CLOEXEC);
        }
    }
    if (*out_fd < 0) {
        return err_note(note, ERR_INPUT, "%s: cannot be opened: %s", name, strerror(errno));
    }
    return ERR_NONE;
}

/* A store is a regular file: its first bytes can be looked at in place. */
static bool is_store(int fd) {
    char first[sizeof store_magic];
    return pread(fd, first, sizeof first, 0) == (ssize_t)sizeof first &&
           memcmp(first, store_magic, sizeof first) == 0;
}

static enum err load_beside(struct loader *loader, const char *file) {
    char name[4096];
    const char *sweep;
    int fd;
    enum err err = open_file(file, false, name, sizeof name, &sweep, &fd, loader->note);
    if (err != ERR_NONE) {
        return err;
    }
    const char *main_file = loader->file;
    loader->file = name;
    loader->line = 0;
    err = load_lines(loader, fd);
    loader->file = main_file;
    close(fd);
    return err;
}

/* Without metadata: from the first record's time to the last one's. */
static void derive_meta(struct loader *loader) {
    struct snapshot *snapshot = loader->snapshot;
    struct snapshot_meta *meta = &snapshot->meta;
    meta->sweep = loader->seen;
    for (uint32_t i = 0; !loader->has_metadata && i < snapshot->targets_count; i++) {
        int64_t at = snapshot->targets[i].time_ms;
        meta->started_ms = i == 0 || at < meta->started_ms ? at : meta->started_ms;
        meta->ended_ms = at > meta->ended_ms ? at : meta->ended_ms;
    }
}

static enum err load_records(struct loader *loader, int fd, const char *chains_file,
                             const char *metadata_file) {
    struct snapshot *snapshot = loader->snapshot;
    snapshot->meta.whole = true;
    enum err err = load_lines(loader, fd);
    if (err == ERR_NONE && snapshot->targets_count == 0) {
        return err_note(loader->note, ERR_INPUT, "%s: no record of %s%s is in it", loader->file,
                        loader->sweep[0] != '\0' ? "sweep " : "a sweep", loader->sweep);
    }
    if (err == ERR_NONE && metadata_file != NULL) {
        err = load_beside(loader, metadata_file);
    }
    if (err == ERR_NONE && chains_file != NULL) {
        err = load_beside(loader, chains_file);
    }
    if (err == ERR_NONE) {
        derive_meta(loader);
        load_derive(snapshot);
        err = snapshot_end(snapshot, loader->note);
    }
    return err;
}

enum err snapshot_load(const char *file, const char *chains_file,
                       const struct snapshot_load_options *options, struct snapshot *snapshot,
                       struct err_note *note) {
    char name[4096];
    const char *sweep;
    int fd;
    enum err err = open_file(file, true, name, sizeof name, &sweep, &fd, note);
    if (err != ERR_NONE) {
        return err;
    }
    snapshot->meta.source = snapshot_text(snapshot, span_str(file));
    struct loader loader = {.snapshot = snapshot,
                            .file = name,
                            .sweep = sweep,
                            .seen = "",
                            .keep_der = options->keep_der,
                            .note = note};
    if (!is_store(fd)) {
        err = load_records(&loader, fd, chains_file, options->metadata_file);
        close(fd);
        return err;
    }
    close(fd); /* before SQLite has locks on the file: this would end them */
    if (chains_file != NULL || options->metadata_file != NULL) {
        return err_note(note, ERR_USAGE,
                        "%s: a store holds its chains and metadata; files of them go with records",
                        name);
    }
    return load_store(&loader);
}
