/* Pin sets as `pins show` prints them: for people, or as NDJSON (data/pins.schema.json). */
#ifndef PINSWEEP_CLI_PINS_SHOW_H
#define PINSWEEP_CLI_PINS_SHOW_H

#include <stdio.h>

#include "engine/trust/pin.h"

struct pins_show {
    FILE *out;
    bool colours;
    int64_t now_s; /* that dates are held against */
    struct arena scratch;
    const char *host; /* of --host; NULL: all sets are shown */
    uint16_t port;
};

/* `why` is NULL without --host. */
void pins_show_text(struct pins_show *show, const struct pin_set *set,
                    const struct pin_explanation *why);
void pins_show_ndjson(struct pins_show *show, const struct pin_set *set,
                      const struct pin_explanation *why);
/* "applies: its pattern **.bank.example is the most specific" and the like, in the arena. */
const char *pins_show_reason(struct pins_show *show, const struct pin_explanation *why);

#endif
