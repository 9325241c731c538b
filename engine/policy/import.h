/* Pins in the formats that their clients read: recognises the format of a policy from its bytes and
   hands it to that format's importer (import_X.c, one each). Every importer gives pin sets with its
   client's own defaults, one for each host pattern or group of hosts, named "<file stem>:<host>";
   the application is the file's stem, so that two files are two applications. Complaints read
   "file:line: host: what is wrong, the fix"; a policy without any pin set is one. */
#ifndef PINSWEEP_POLICY_IMPORT_H
#define PINSWEEP_POLICY_IMPORT_H

#include "engine/trust/anchor.h"
#include "engine/trust/pin.h"

enum import_format {
    IMPORT_AUTO, /* from the bytes */
    IMPORT_NATIVE,
    IMPORT_ANDROID,  /* network_security_config.xml */
    IMPORT_OKHTTP,   /* "**.bank.example sha256/..." */
    IMPORT_CURL,     /* "api.bank.example sha256//...;sha256//..." */
    IMPORT_TLSA,     /* a zone's TLSA records */
    IMPORT_CSV,      /* one pin a row under a header */
    IMPORT_PLIST,    /* NSPinnedDomains and TrustKit's TSKPinnedDomains */
    IMPORT_HPKP,     /* "bank.example Public-Key-Pins: ..." */
    IMPORT_ENVOY,    /* verify_certificate_spki and _hash in YAML */
    IMPORT_CHROMIUM, /* transport_security_state_static.json and its .pins */
};

#define IMPORT_FORMATS_TEXT                                                                        \
    "native, android, okhttp, curl, tlsa, csv, plist, hpkp,\nenvoy, chromium" /* for help */

/* By format, "auto" first; ends with NULL. */
extern const char *const import_format_words[];

/* Adds the pin sets of the files to the index, in their order; a native policy also loads its trust
   profiles into the store. A file named "x.pins" is no policy of its own: it goes with a Chromium
   list among the others. On error nothing is usable and the program ends with exit 2. */
enum err policy_load_all(const char *const files[], size_t count, enum import_format format,
                         struct pin_index *index, struct trust_store *store,
                         struct err_note *note) MUST_USE;
/* Of one file. That of a Chromium list's keys is looked for beside it: "x.pins" of "x.json". */
enum err policy_load(const char *file, enum import_format format, struct pin_index *index,
                     struct trust_store *store, struct err_note *note) MUST_USE;
/* The same from memory; `name` stands for the file. */
enum err policy_parse(struct span bytes, const char *name, enum import_format format,
                      struct pin_index *index, struct trust_store *store,
                      struct err_note *note) MUST_USE;

struct policy_companion {
    const char *file;
    struct span bytes;
};

/* The same with a Chromium list's keys (NULL: none). */
enum err policy_parse_with(struct span bytes, const char *name, enum import_format format,
                           const struct policy_companion *companion, struct pin_index *index,
                           struct trust_store *store, struct err_note *note) MUST_USE;

#endif
