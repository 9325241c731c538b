/* Pins and pin sets, and the index from a host to the pin sets that its clients apply. Filled by a
   policy importer, then constant and shared by all threads. Client semantics as in README.md, "How
   clients match". */
#ifndef PINSWEEP_TRUST_PIN_H
#define PINSWEEP_TRUST_PIN_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/base/limits.h"
#include "engine/trust/intern.h"

/* Of one byte each: there may be ten million pins. */
enum pin_alg { PIN_SHA256, PIN_SHA1, PIN_SHA512, PIN_EXACT } ONE_BYTE;
enum pin_of { PIN_OF_SPKI, PIN_OF_CERT } ONE_BYTE;
enum pin_role { PIN_ACTIVE, PIN_BACKUP, PIN_BAD } ONE_BYTE; /* a pin without a role is active */
enum pin_list {
    PIN_LIST_ANY,
    PIN_LIST_LEAF,
    PIN_LIST_CA
} ONE_BYTE; /* CA: depth 1 and deeper, anchor included */

/* RFC 6698 section 2.1.1, the certificate usages of a TLSA record. A usage decides alone where its
   pin is looked for, whatever the scope of the pin set. */
enum {
    PIN_TLSA_NONE = -1,   /* not a TLSA record */
    PIN_TLSA_PKIX_TA = 0, /* a CA on the path, anchor included */
    PIN_TLSA_PKIX_EE = 1, /* the leaf of a path */
    PIN_TLSA_DANE_TA = 2, /* a certificate that was sent and issued the leaf, directly or not */
    PIN_TLSA_DANE_EE = 3, /* the leaf, path or not */
};

struct pin {
    struct span value; /* digest, or the exact bytes; in the index's arena */
    const char *note;
    const char *text; /* as clients write it: "sha256/C5+l...=" */
    uint32_t line;    /* in the policy file; 0 if none */
    enum pin_alg alg;
    enum pin_of of;
    enum pin_role role;
    enum pin_list list;
    int8_t tlsa_usage; /* PIN_TLSA_* */
};

enum pin_client {
    PIN_CLIENT_CUSTOM,
    PIN_CLIENT_ANDROID,
    PIN_CLIENT_APPLE,
    PIN_CLIENT_TRUSTKIT,
    PIN_CLIENT_OKHTTP,
    PIN_CLIENT_HPKP,
    PIN_CLIENT_CURL,
    PIN_CLIENT_ENVOY,
    PIN_CLIENT_CHROMIUM,
    PIN_CLIENT_DANE,
    PIN_CLIENT_COUNT
};

/* Which certificates are searched. */
enum pin_scope {
    PIN_SCOPE_PATH,        /* the built path, anchor included */
    PIN_SCOPE_LEAF,        /* the leaf as sent; needs no path */
    PIN_SCOPE_CA_ONLY,     /* the path without its leaf, anchor included */
    PIN_SCOPE_PRESENTED,   /* anything that was sent; needs no path */
    PIN_SCOPE_LEAF_AND_CA, /* path; pins of list leaf match depth 0, pins of list ca deeper; each
                              non-empty list must match */
};

/* How host patterns are matched and combined. In every rule "*.x" stands for exactly one label and
   "**.x" for the apex and any depth; `include_subdomains` extends plain names as the rule says. */
enum pin_host_rule {
    PIN_HOST_EXACT,     /* name or pattern; include_subdomains: any depth */
    PIN_HOST_LONGEST,   /* Android, HPKP, Chromium, TrustKit: of one application's pin sets only the
                           most specific pattern applies (exact first) */
    PIN_HOST_ONE_LABEL, /* Apple: include_subdomains strips exactly one label; all that match apply
                         */
    PIN_HOST_UNION,     /* OkHttp: all matching patterns apply */
};

enum pin_on_expiry { PIN_FAIL_OPEN, PIN_FAIL_CLOSED, PIN_EXPIRY_NONE };

/* Bits of the key types whose views the clients would negotiate. */
enum { PIN_KEYS_ANY = 1, PIN_KEYS_RSA = 2, PIN_KEYS_ECDSA = 4, PIN_KEYS_ED25519 = 8 };

struct pin_host {
    const char *name; /* A-label, lower case, without the wildcard prefix */
    enum {
        PIN_PATTERN_NAME,
        PIN_PATTERN_ONE_LABEL,
        PIN_PATTERN_ANY_DEPTH
    } pattern;     /* x, *.x, **.x */
    uint16_t port; /* 0: every port */
};

struct pin_exception {
    const char *rule, *reason, *approver;
    int64_t until; /* Unix seconds, DATETIME_NONE */
};

struct pin_set {
    const char *name;
    const char *file;
    uint32_t line, column; /* where the set begins in the file; 0 if not known */
    uint32_t idx;          /* position in pin_index.sets */
    struct pin_host *hosts;
    uint32_t host_count;
    /* exclude_subdomains: "x" excludes that name alone (as TrustKit does), "*.x" one label under
       it,
       "**.x" it and all below. Only from wildcards and subdomain matches: a host that is named
       plainly stays. Under PIN_HOST_LONGEST it is excluded from all of the application's sets whose
       pattern is less specific than the exclusion. */
    const char **excluded;
    uint32_t excluded_count;
    bool include_subdomains;
    enum pin_host_rule host_rule;
    enum pin_client client;
    enum pin_scope scope;
    uint8_t key_types;  /* PIN_KEYS_* */
    const char **trust; /* profile names; {"none"}: the client checks no path */
    uint32_t trust_count;
    bool trust_none;
    int16_t trust_profiles[TRUST_PROFILES_MAX]; /* indices into the trust store, set by
                                                   pin_index_bind() */
    struct pin *pins;
    uint32_t pin_count;
    int64_t expires; /* Unix seconds, start of that day UTC; DATETIME_NONE: never */
    enum pin_on_expiry on_expiry;
    bool report_only;
    bool operated_by_third_party;
    /* Governance: for people and lint; never NULL, "" if absent. */
    const char *application, *platform, *owner, *approver, *rollover, *update_channel,
        *backup_custody;
    int32_t lead_time_days, adoption_days; /* -1: not said */
    int64_t last_rehearsal;
    struct pin_exception *exceptions;
    uint32_t exception_count;
    const char *extra; /* the YAML text of `extra`, "" if none */
};

/* What a client does unless its policy says otherwise. */
struct pin_client_rules {
    enum pin_host_rule host_rule;
    enum pin_scope scope;
    enum pin_on_expiry on_expiry;
};

struct pin_index {
    struct arena arena;     /* owns the sets and all they point to */
    struct arena pin_lists; /* but for lists of pins that grew: nothing else lies here, so that most
                               grow in place */
    struct pin_set **sets;
    uint32_t set_count, set_capacity;
    /* Private to pin_index.c. */
    uint32_t *names; /* open addressing on the set's name: set index + 1 */
    uint32_t name_mask;
    struct pin_slot *slots; /* open addressing on the host name: place of the first rule */
    uint32_t slot_mask;
    uint8_t *rules; /* records of varying length; slots and rules are one mapping of their own */
    size_t rules_len, map_len;
    uint64_t seed;
    bool bound;
};

void pin_index_init(struct pin_index *index, uint64_t seed);
void pin_index_fini(struct pin_index *index);

/* Adds a pin set whose memory comes from index->arena. ERR_CONFIG if another set has that name. */
enum err pin_index_add(struct pin_index *index, struct pin_set *set,
                       struct err_note *note) MUST_USE;
/* Resolves profile names, builds the host tables and freezes the index: call it once, after the
   last pin_index_add() and before the first pin_index_lookup(). ERR_CONFIG naming the pin set whose
   profile is unknown, or the host that more than PIN_RULES_PER_HOST_MAX rules apply to. */
struct trust_store;
enum err pin_index_bind(struct pin_index *index, const struct trust_store *store,
                        struct err_note *note) MUST_USE;

/* The pin sets that apply to a host (A-label, lower case, or an address in text form) and port, in
   policy order, after the client's own host rules (for DANE a name with the port takes the place
   of the same name for every port). At most `out_capacity` are written; returns how
   many apply. An address matches only a host given as the same text. Allocates nothing; the misses
   of all labels overlap, so that it costs about two in a row. */
size_t pin_index_lookup(const struct pin_index *index, struct span host, uint16_t port,
                        const struct pin_set *out_sets[], size_t out_capacity);

/* Why a pin set is, or is not, among those of a host that one of its patterns matches. */
enum pin_applies {
    PIN_APPLIES,
    PIN_SHADOWED,  /* `by` is more specific, and its client takes the most specific alone */
    PIN_EXCLUDED,  /* by an exclusion (of `by`, if that is not NULL) */
    PIN_ELSEWHERE, /* on another port */
};

struct pin_explanation {
    const struct pin_set *set;
    const struct pin_host *pattern; /* the most specific that matches */
    enum pin_applies how;
    const struct pin_set *by;
    const char *exclusion;
};

/* For people: the same answer as pin_index_lookup(), with reasons. Walks through all sets; needs no
   binding. The explanations lie in the arena. */
size_t pin_explain(const struct pin_set *const *sets, size_t count, struct span host, uint16_t port,
                   struct arena *arena, struct pin_explanation **out);

/* True if the pin equals this certificate or key (by its algorithm and object). */
bool pin_equals(const struct pin *pin, const struct cert_record *cert);

/* Reads "sha256/<base64>", "sha1/<base64>", "sha512/<base64>", "exact/<base64>", also
   "sha256//<base64>" (curl) and "pin-sha256=\"...\"" ; hexadecimal of the right length is accepted
   after "sha256:" only. Checks length, alphabet, padding and placeholders. False with what is wrong
   and the fix. `value` and `text` go to the arena (so does `*out_why`, if it holds figures). The
   other fields get what a bare pin means: active, of the SPKI, in any list, no TLSA record. */
bool pin_parse(struct span text, struct arena *arena, struct pin *out, const char **out_why);

/* A pin set with all of its client's defaults and nothing else: no hosts, no pins, the profile
   "system", governance fields empty. For every importer. */
void pin_set_init(struct pin_set *set, enum pin_client client);
const struct pin_client_rules *pin_client_rules(enum pin_client client);

/* The words of the contract, by enum value; each list ends with NULL. */
extern const char *const pin_client_words[];
extern const char *const pin_scope_words[];
extern const char *const pin_role_words[];
extern const char *const pin_alg_words[];
extern const char *const pin_of_words[];
extern const char *const pin_list_words[];
extern const char *const pin_host_rule_words[];
extern const char *const pin_on_expiry_words[];

/* Whether two sets belong to one client application, whose host rules combine them: the same client
   and application, or, where no application is named, the same client and policy file (unrelated
   applications must not hide each other's pins). HPKP's report-only headers are an application of
   their own beside its others (RFC 7469 section 2.3.2). */
bool pin_same_application(const struct pin_set *a, const struct pin_set *b);

const char *pin_client_text(enum pin_client client);
const char *pin_scope_text(enum pin_scope scope);
const char *pin_role_text(enum pin_role role);

#endif
