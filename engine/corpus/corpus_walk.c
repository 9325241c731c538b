#include "engine/corpus/corpus_walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void corpus_walk_init(struct corpus_walk *walk, const char *const *inputs, size_t count) {
    *walk = (struct corpus_walk){.inputs = inputs, .input_count = count};
}

static void leave(struct corpus_walk *walk) {
    struct corpus_folder *folder = &walk->folders[--walk->depth];
    for (size_t i = 0; i < folder->count; i++) {
        free(folder->names[i]);
    }
    free(folder->names);
}

void corpus_walk_fini(struct corpus_walk *walk) {
    while (walk->depth > 0) {
        leave(walk);
    }
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_name(struct corpus_folder *folder, size_t *capacity, const char *name) {
    if (folder->count == *capacity) {
        *capacity = *capacity * 2 + 16;
        folder->names = realloc(folder->names, *capacity * sizeof *folder->names);
        CHECK(folder->names != NULL);
    }
    folder->names[folder->count] = strdup(name);
    CHECK(folder->names[folder->count] != NULL);
    folder->count++;
}

/* Opens the folder walk->path. */
static bool enter(struct corpus_walk *walk, struct err_note *note) {
    size_t len = strlen(walk->path), capacity = 0;
    if (walk->depth == CORPUS_DEPTH_MAX || len + 2 > sizeof walk->path) {
        err_note(note, ERR_INPUT, "%s: folders in folders, more than %d deep", walk->path,
                 CORPUS_DEPTH_MAX);
        return false;
    }
    DIR *open_folder = opendir(walk->path);
    if (open_folder == NULL) {
        err_note(note, ERR_INPUT, "%s: cannot read: %s", walk->path, strerror(errno));
        return false;
    }
    struct corpus_folder *folder = &walk->folders[walk->depth++];
    *folder = (struct corpus_folder){0};
    for (struct dirent *entry = readdir(open_folder); entry != NULL; entry = readdir(open_folder)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            add_name(folder, &capacity, entry->d_name);
        }
    }
    closedir(open_folder);
    if (folder->count > 0) {
        qsort(folder->names, folder->count, sizeof *folder->names, compare_names);
    }
    if (walk->path[len - 1] != '/') {
        walk->path[len++] = '/';
        walk->path[len] = '\0';
    }
    folder->path_len = len;
    return true;
}

/* The next name of the innermost folder. */
static enum corpus_step step_in_folder(struct corpus_walk *walk, bool *out_again,
                                       struct err_note *note) {
    struct corpus_folder *folder = &walk->folders[walk->depth - 1];
    struct stat info;
    *out_again = true;
    if (folder->next == folder->count) {
        leave(walk);
        return CORPUS_STEP_END;
    }
    const char *name = folder->names[folder->next++];
    if (folder->path_len + strlen(name) >= sizeof walk->path) {
        *out_again = false;
        walk->path[folder->path_len] = '\0';
        err_note(note, ERR_INPUT, "%s: a path in it is too long", walk->path);
        return CORPUS_STEP_FAILED;
    }
    strcpy(walk->path + folder->path_len, name);
    if (lstat(walk->path, &info) != 0) {
        if (errno == ENOENT) {
            return CORPUS_STEP_END; /* gone meanwhile */
        }
        *out_again = false;
        err_note(note, ERR_INPUT, "%s: cannot read: %s", walk->path, strerror(errno));
        return CORPUS_STEP_FAILED;
    }
    if (S_ISDIR(info.st_mode)) {
        *out_again = enter(walk, note);
        return *out_again ? CORPUS_STEP_END : CORPUS_STEP_FAILED;
    }
    if (S_ISLNK(info.st_mode) && stat(walk->path, &info) != 0) {
        return CORPUS_STEP_END; /* leads nowhere */
    }
    *out_again = !S_ISREG(info.st_mode);
    return CORPUS_STEP_FILE;
}

enum corpus_step corpus_walk_next(struct corpus_walk *walk, const char **out_path,
                                  bool *out_from_folder, struct err_note *note) {
    struct stat info;
    *out_path = walk->path;
    for (;;) {
        while (walk->depth > 0) {
            bool again;
            enum corpus_step step = step_in_folder(walk, &again, note);
            if (!again) {
                *out_from_folder = true;
                return step;
            }
        }
        if (walk->next_input == walk->input_count) {
            return CORPUS_STEP_END;
        }
        const char *input = walk->inputs[walk->next_input++];
        size_t len = strlen(input);
        if (len == 0 || len >= sizeof walk->path) {
            err_note(note, ERR_INPUT, "'%.100s': no such file", input);
            return CORPUS_STEP_FAILED;
        }
        memcpy(walk->path, input, len + 1);
        *out_from_folder = false;
        if (strcmp(input, "-") == 0 || stat(input, &info) != 0 || !S_ISDIR(info.st_mode)) {
            return CORPUS_STEP_FILE; /* opening it tells what is wrong, if anything is */
        }
        if (!enter(walk, note)) {
            return CORPUS_STEP_FAILED;
        }
    }
}
