/* Keys to be pinned, for `pins make`: where each came from and what it is, and pins of them. */
#ifndef PINSWEEP_CLI_PINS_KEY_H
#define PINSWEEP_CLI_PINS_KEY_H

#include "engine/policy/keyfile.h"
#include "engine/trust/pin.h"

enum pins_place { PINS_LEAF, PINS_ISSUER, PINS_ROOT };

struct pins_key {
    struct span spki, certificate; /* certificate: empty if there is none */
    enum pins_place place;         /* keys and requests are leaves: that is what they are for */
    bool is_backup;
    const char *what;   /* "certificate CN=api.bank.example, ecdsa-p256, until 2027-02-01" */
    const char *origin; /* "server.pem:1", "192.0.2.7" */
};

struct pins_keys {
    struct arena arena;
    struct pins_key *items;
    uint32_t count, capacity;
};

void pins_keys_fini(struct pins_keys *keys);
/* Not if the same key, as certificate of the same bytes, is there already in the same role. */
void pins_keys_add(struct pins_keys *keys, struct pins_key key);
/* All that is in a file: the first certificate is a leaf, those behind it are issuers or, where
   they issued themselves, roots. */
enum err pins_keys_load(struct pins_keys *keys, const char *file, bool is_backup,
                        struct err_note *note) MUST_USE;
/* "CN=api.bank.example, ecdsa-p256, until 2027-02-01" */
const char *pins_key_of_certificate(struct pins_keys *keys, struct span certificate);

/* A pin of the key, or of its certificate. */
void pins_key_pin(const struct pins_key *key, enum pin_alg alg, enum pin_of of, struct arena *arena,
                  struct pin *out);

#endif
