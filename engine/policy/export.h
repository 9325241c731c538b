/* Pin sets in the formats that clients read: the way back from import.h. A set is first planned:
   what its clients do today is put into the terms of the new client, and whatever these cannot say
   is told as a loss, with what the new clients would do instead. Then it is written, everything
   escaped. What only people read (owner, notes, roles) goes into comments where the format has
   them.

   Caller's thread, cold path: memory grows with the policy, a few times its size. */
#ifndef PINSWEEP_POLICY_EXPORT_H
#define PINSWEEP_POLICY_EXPORT_H

#include "engine/policy/export_text.h"
#include "engine/policy/import.h"
#include "engine/trust/anchor.h"
#include "engine/trust/pin.h"

enum export_format {
    EXPORT_NATIVE, /* lossless */
    EXPORT_ANDROID,
    EXPORT_APPLE, /* NSPinnedDomains */
    EXPORT_TRUSTKIT,
    EXPORT_OKHTTP,
    EXPORT_HPKP,
    EXPORT_CURL,
    EXPORT_TLSA,
    EXPORT_CSV,
    EXPORT_ENVOY,    /* clusters of a bootstrap */
    EXPORT_CHROMIUM, /* a list in JSON, and its .pins file */
    EXPORT_FORMAT_COUNT
};

#define EXPORT_FORMATS_TEXT                                                                        \
    "native, android, apple, trustkit, okhttp, hpkp, curl, tlsa, csv,\nenvoy, chromium" /* for     \
                                                                                           help */

/* By format; ends with NULL. */
extern const char *const export_format_words[];
/* Also "ios" for apple, "dane" for tlsa, "yaml" for native. */
bool export_format_find(const char *word, enum export_format *out);
/* The client whose files are written; `custom` for native and csv, which name a client in each set.
 */
enum pin_client export_client(enum export_format format);
/* The importer that reads the format back. */
enum import_format export_importer(enum export_format format);

struct export_config {
    enum export_format format;
    /* One thing that cannot be expressed: "file:line: set: host: what is lost; what the clients
       would do instead". */
    void (*loss)(void *context, const char *text);
    /* What changes for people alone, once a file. */
    void (*news)(void *context, const char *text);
    void *context;
    const struct trust_store *store; /* native: whose profiles are named; NULL: none are */
    const char *folder;              /* native: of the new file; NULL: the current one */
};

struct export_result {
    struct export_text file;
    struct export_text keys; /* chromium: the .pins file; else empty */
    uint32_t losses;
};

/* Writes the sets in their order. ERR_CONFIG, with what to do, if the result would be no working
   file: nothing is in `out` then. `out` is released by export_result_fini() in any case. */
enum err export_sets(const struct export_config *config, const struct pin_set *const *sets,
                     uint32_t count, struct export_result *out, struct err_note *note) MUST_USE;
void export_result_fini(struct export_result *result);

#endif
