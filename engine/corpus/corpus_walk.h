/* Private to the corpus: the files that a list of files and folders means, one after the other.
   Folders are walked in byte order of their names; links to files are followed, links to folders
   are not (they may lead round in circles); what is neither file nor folder in a folder is passed
   over. Memory: the names of the folders that are open. */
#ifndef PINSWEEP_CORPUS_CORPUS_WALK_H
#define PINSWEEP_CORPUS_CORPUS_WALK_H

#include <limits.h>
#include <stdbool.h>

#include "engine/base/err.h"
#include "engine/base/limits.h"

struct corpus_folder {
    char **names;
    size_t count, next;
    size_t path_len; /* of the folder's path, with its slash */
};

struct corpus_walk {
    const char *const *inputs;
    size_t input_count, next_input;
    size_t depth;
    struct corpus_folder folders[CORPUS_DEPTH_MAX];
    char path[PATH_MAX];
};

enum corpus_step {
    CORPUS_STEP_FILE,
    CORPUS_STEP_FAILED, /* this one cannot be read: see the note; go on */
    CORPUS_STEP_END
};

void corpus_walk_init(struct corpus_walk *walk, const char *const *inputs, size_t count);
void corpus_walk_fini(struct corpus_walk *walk);
/* `*out_path` is valid until the next call; "-" is standard input. */
enum corpus_step corpus_walk_next(struct corpus_walk *walk, const char **out_path,
                                  bool *out_from_folder, struct err_note *note);

#endif
