/* What a pin set means, in sentences: its clients' semantics for people. Texts are static or live
   in the arena. */
#ifndef PINSWEEP_CLI_PINS_WORDS_H
#define PINSWEEP_CLI_PINS_WORDS_H

#include "engine/trust/pin.h"

/* "**.cdn.bank.example:8883"; brackets around an address with colons and a port. */
const char *pins_host_text(struct arena *arena, const struct pin_host *host);
/* "cdn.bank.example and everything below it, on port 8883 alone" */
const char *pins_words_host(struct arena *arena, const struct pin_set *set,
                            const struct pin_host *host);
/* What becomes of a host that several pin sets of the application name. */
const char *pins_words_rule(const struct pin_set *set);
/* In which certificates the pins are looked for, and what is enough. */
const char *pins_words_search(const struct pin_set *set);
/* What happens from the expiry on; NULL: there is no date. */
const char *pins_words_expiry(const struct pin_set *set);
/* A TLSA record's fields, "3 1 1"; "" for other pins. */
const char *pins_words_tlsa(struct arena *arena, const struct pin *pin);

#endif
