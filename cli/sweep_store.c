#include "cli/sweep_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/log.h"

bool sweep_store_check(const struct setup *setup) {
    const struct sweep_config *config = &setup->config;
    if (!setup->resume) {
        return true;
    }
    if (setup->store_file == NULL) {
        log_error("sweep: --resume needs --store FILE: the store knows what was done");
    } else if (config->overwrite || config->append) {
        log_error("sweep: --resume goes on with the files as they are, without --overwrite or "
                  "--append");
    } else if ((config->output_file != NULL && strcmp(config->output_file, "-") == 0) ||
               (config->chains_file != NULL && strcmp(config->chains_file, "-") == 0)) {
        log_error("sweep: --resume: what went to standard output cannot be taken back; resuming "
                  "needs -o FILE, or no records but the store's");
    } else if (config->inventory.file == NULL) {
        struct stat info;
        if (fstat(STDIN_FILENO, &info) == 0 && S_ISREG(info.st_mode)) {
            return true;
        }
        log_error("sweep: --resume: standard input is no file, and what was read of it cannot be "
                  "read again; name the inventory with -f");
    } else {
        return true;
    }
    return false;
}

enum err sweep_store_open(struct setup *setup, struct store_writer **out, struct err_note *note) {
    struct sweep_config *config = &setup->config;
    *out = NULL;
    if (setup->store_file == NULL) {
        return ERR_NONE;
    }
    if (setup->resume && access(setup->store_file, F_OK) != 0) {
        return err_note(note, ERR_USAGE,
                        "--resume: %s: there is no such store; leave --resume out to begin one",
                        setup->store_file);
    }
    enum err err = setup_hash_policies(setup, config->policy_sha256, note);
    if (err == ERR_NONE) {
        err = store_writer_open(setup->store_file, out, note);
    }
    struct store_resumable resumable;
    if (err == ERR_NONE && setup->resume) {
        err = store_writer_find(*out, config->output_file, &resumable, note);
    }
    if (err == ERR_NONE && setup->resume) {
        if (setup->seed_given && resumable.shuffled && resumable.seed != config->inventory.seed) {
            return err_note(note, ERR_USAGE,
                            "--resume: sweep %s was begun with --seed %" PRIu64
                            "; leave --seed out, it is in the store",
                            resumable.name, resumable.seed);
        }
        snprintf(setup->sweep_id, sizeof setup->sweep_id, "%.*s", (int)sizeof setup->sweep_id - 1,
                 resumable.name);
        config->inventory.seed = resumable.seed;
        config->resume = true;
        log_info("going on with sweep %s", resumable.name);
    }
    if (err == ERR_NONE) {
        config->keeper = store_writer_keeper(*out);
    }
    return err;
}
