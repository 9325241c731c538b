/* What `pins show` and `pins convert` have in common: policies in any format, and which of their
   pin sets are meant. Trust profiles need not be there: nothing is judged. */
#ifndef PINSWEEP_CLI_PINS_INPUT_H
#define PINSWEEP_CLI_PINS_INPUT_H

#include "cli/opt.h"
#include "engine/policy/import.h"

#define PINS_POLICIES_MAX 256
#define PINS_CHOICES_MAX 256 /* --pin-set and --application, each */

struct pins_input {
    const char *policies[PINS_POLICIES_MAX];
    uint32_t policy_count;
    enum import_format format;
    const char *names[PINS_CHOICES_MAX], *applications[PINS_CHOICES_MAX];
    uint32_t name_count, application_count;
    uint32_t clients; /* bits of enum pin_client; 0: all */

    struct pin_index index;
    struct trust_store store;
    const struct pin_set **sets; /* those that are meant, in policy order; in the index's arena */
    uint32_t count;
};

/* Rows of an option table; its context begins with a struct pins_input. */
extern const struct opt pins_input_options[];

void pins_input_init(struct pins_input *input);
void pins_input_fini(struct pins_input *input);
/* ERR_CONFIG also when no pin set is meant. */
enum err pins_input_load(struct pins_input *input, struct err_note *note) MUST_USE;

#endif
