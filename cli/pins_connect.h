/* The keys of a live endpoint, for `pins make --connect`: the sweep's own engine, as inspect uses
   it. */
#ifndef PINSWEEP_CLI_PINS_CONNECT_H
#define PINSWEEP_CLI_PINS_CONNECT_H

#include "cli/pins_key.h"
#include "cli/setup.h"

/* Adds what the endpoint sends (every address and key type) and the anchors of the preferred paths.
   `out_host` is its pin host. `*out_seen` false, and the network's words in the note, if no
   certificate was seen. */
enum err pins_connect(struct setup *setup, const char *endpoint, struct pins_keys *keys,
                      struct pin_host *out_host, bool *out_seen, struct err_note *note) MUST_USE;

#endif
