/* A scenario: what is going to happen, as a list of operations in order (contracts: README.md,
   "Impact"). Read from YAML, a file or single operations of the command line; nothing is looked up
   here: CAs and keys stay references until a world (world.h) resolves them. Complaints read
   "file:line:column: key: what is wrong; the fix". Memory belongs to the scenario until
   scenario_fini(). */
#ifndef PINSWEEP_IMPACT_SCENARIO_H
#define PINSWEEP_IMPACT_SCENARIO_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/net/tls.h"
#include "engine/trust/pin.h"

#define SCENARIO_OPS_MAX 1000 /* operations; a year of daily ones fits */
#define SCENARIO_BYTES_MAX (1u << 20)
#define SCENARIO_FILES_MAX 16 /* files of one `to` or `files`: a chain */

enum scenario_kind {
    SCENARIO_REISSUE,
    SCENARIO_REPLACE_INTERMEDIATE,
    SCENARIO_REKEY_CA,
    SCENARIO_RENEW_CA,
    SCENARIO_REPLACE_ROOT,
    SCENARIO_ADD_CROSS_SIGN,
    SCENARIO_REMOVE_CROSS_SIGN,
    SCENARIO_DISTRUST,
    SCENARIO_REMOVE_ANCHOR,
    SCENARIO_PROMOTE_ANCHOR,
    SCENARIO_REVOKE,
    SCENARIO_COMPROMISE,
    SCENARIO_MOVE_CA,
    SCENARIO_ADD_CHAIN,
    SCENARIO_ADVANCE_CLOCK,
    SCENARIO_SEND_ROOT,
    SCENARIO_STOP_SENDING_ROOT,
    SCENARIO_CHANGE_PINSET,
    SCENARIO_KIND_COUNT
};
extern const char *const scenario_kind_words[]; /* "reissue", ...; ends with NULL */

/* Where something stands, for complaints. */
struct scenario_place {
    const char *file;
    uint32_t line, column;
};

/* How a certificate or key is named. */
enum scenario_by {
    SCENARIO_BY_NOTHING,
    SCENARIO_BY_SPKI,
    SCENARIO_BY_CERT,
    SCENARIO_BY_FILE,
    SCENARIO_BY_SUBJECT
};
struct scenario_ref {
    enum scenario_by by;
    const char *text;           /* as written; of a file: its path from here */
    uint8_t digest[SHA256_LEN]; /* of BY_SPKI and BY_CERT */
    struct scenario_place place;
};

/* Of a leaf or CA that gets a new certificate. */
enum scenario_key {
    SCENARIO_KEY_NEW, /* not known yet: pins can neither match nor be excluded */
    SCENARIO_KEY_SAME,
    SCENARIO_KEY_GIVEN
};

/* Only what the kind takes is set. */
struct scenario_op {
    enum scenario_kind kind;
    struct scenario_place place;
    struct pin_host *hosts; /* none: every host that the operation may concern */
    uint32_t host_count;
    struct scenario_ref ca;  /* `ca`, `from`, or the certificate or key itself */
    struct scenario_ref *to; /* `to` or `files` */
    uint32_t to_count;
    bool to_unknown;
    enum scenario_key key;
    uint8_t key_sha256[SHA256_LEN]; /* of SCENARIO_KEY_GIVEN */
    const char **trust;             /* names; none: every profile */
    uint32_t trust_count;
    int64_t date; /* `after` or the clock's `to`, Unix seconds; DATETIME_NONE */
    enum scenario_gate { SCENARIO_BY_NOT_BEFORE, SCENARIO_BY_SCT } gate;
    enum key_view key_type;
    const char *pin_set;
    struct pin *add, *remove;
    uint32_t add_count, remove_count;
    bool has_expires; /* `expires` was said; DATETIME_NONE: never */
    int64_t expires;
};

struct scenario {
    struct arena arena;
    const char *name; /* "" if it has none */
    struct scenario_op *ops;
    uint32_t count, capacity;
};

void scenario_init(struct scenario *scenario);
void scenario_fini(struct scenario *scenario);

/* Adds the operations of a YAML file; the name is the file's own or its stem. Files in it are
   relative to its folder. ERR_CONFIG. */
enum err scenario_load(struct scenario *scenario, const char *file, struct err_note *note) MUST_USE;
/* The same from memory; `name` stands for the file. */
enum err scenario_parse(struct scenario *scenario, struct span yaml, const char *name,
                        struct err_note *note) MUST_USE;
/* Adds one operation, "distrust={ca: {subject: CN=X}}" or the same with ": " (--op). Files are
   relative to the working folder. */
enum err scenario_add(struct scenario *scenario, const char *text, struct err_note *note) MUST_USE;

/* Complains at a place; returns ERR_CONFIG. */
enum err scenario_fail(const struct scenario_place *place, const char *key, struct err_note *note,
                       const char *format, ...) PRINTF_LIKE(4, 5);

/* A pattern of hosts matches: "*." one label, "**." the name itself and any depth below it, port 0
   every port. */
bool scenario_host_matches(const struct pin_host *pattern, struct span host, uint16_t port);

#endif
