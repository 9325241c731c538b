/* Private to the Chromium importer: the .pins file that goes with a list in JSON (Chromium's
   transport_security_state_static.pins): names, each followed by a certificate or a public key in
   PEM or by "sha256/...", and the date of the list. */
#ifndef PINSWEEP_POLICY_IMPORT_CHROMIUM_H
#define PINSWEEP_POLICY_IMPORT_CHROMIUM_H

#include "engine/policy/import_set.h"

struct chromium_pin {
    struct span name;
    uint32_t line;
    struct pin pin;
};

struct chromium_pins {
    const char *file;
    struct chromium_pin *items; /* by name */
    uint32_t count, capacity;
    int64_t time_unix_s; /* of the list; DATETIME_NONE: not said */
};

/* Pins lie in the index's arena, all else in the scratch memory; names borrow `text`. */
enum err chromium_pins_read(struct import *import, const char *file, struct span text,
                            struct chromium_pins *out) MUST_USE;
/* NULL if there is none of that name. */
const struct chromium_pin *chromium_pins_find(const struct chromium_pins *pins, struct span name);

#endif
