/* What sweep, inspect and demo have in common: the options about judging and the network, their
   defaults, and turning files into trust profiles, pin sets and a block list. */
#ifndef PINSWEEP_CLI_SETUP_H
#define PINSWEEP_CLI_SETUP_H

#include "cli/opt.h"
#include "engine/policy/import.h"
#include "engine/sweep/sweep.h"

#define SETUP_POLICIES_MAX 256

struct setup_trust {
    const char *name, *file;
};

struct setup {
    struct sweep_config config;
    const char *policies[SETUP_POLICIES_MAX];
    uint32_t policy_count;
    enum import_format policy_format;
    struct setup_trust trust[TRUST_PROFILES_MAX];
    uint32_t trust_count;
    const char *blocklist_file;

    /* sweep's own */
    const char *metadata_file;
    const char *prometheus_file;
    const char *store_file;
    bool resume, seed_given;
    bool dry_run;
    uint32_t fail_on_verdicts; /* bits of enum verdict */
    uint32_t fail_on_pkix;     /* bits of enum pkix */
    double max_unknown;        /* targets, or percent */
    bool max_unknown_percent;

    /* what the files became */
    struct trust_store store;
    struct pin_index pins;
    struct blocklist *blocklist;
    char sweep_id[32];
    char *owned[TRUST_PROFILES_MAX]; /* names cut out of --trust NAME=FILE */
    uint32_t owned_count;
};

extern const struct opt setup_policy_options[];
extern const struct opt setup_network_options[];

void setup_init(struct setup *setup);
void setup_fini(struct setup *setup);
/* Loads trust profiles (the command line first: it wins), policies, the block list; binds the pin
 * sets. */
enum err setup_load(struct setup *setup, struct err_note *note) MUST_USE;

/* SHA-256 over the bytes of the policies, one after another: whether two sweeps judge alike. */
enum err setup_hash_policies(const struct setup *setup, uint8_t out[SHA256_LEN],
                             struct err_note *note) MUST_USE;

/* Setters shared by option tables. */
bool setup_parse_u32(const char *value, uint32_t min, uint32_t max, uint32_t *out,
                     const char **out_why);
/* Splits at commas and calls `each` with every part; false as soon as it is. */
bool setup_each_part(const char *value,
                     bool (*each)(void *context, struct span part, const char **out_why),
                     void *context, const char **out_why);

#endif
