/* Private to the exporters: what a format can say, a pin set planned in its terms, losses. */
#ifndef PINSWEEP_POLICY_EXPORT_SET_H
#define PINSWEEP_POLICY_EXPORT_SET_H

#include "engine/codec/datetime.h"
#include "engine/policy/export.h"
#include "engine/policy/policy_yaml.h"

/* How far an entry for a name reaches. */
enum export_reach {
    EXPORT_NAME,      /* the name alone */
    EXPORT_PLUS_ONE,  /* and one label below it */
    EXPORT_ONE_LABEL, /* one label below it, not the name */
    EXPORT_ANY_DEPTH, /* the name and everything below it */
};

struct export_host {
    const char *name;
    enum export_reach reach;
    uint16_t port; /* 0: every port */
};

/* Where a client looks for pins. */
enum export_search { EXPORT_PATH, EXPORT_LEAF, EXPORT_LISTS, EXPORT_DANE };

#define EXPORT_BIT(value) (1u << (value))

struct export_traits {
    enum pin_client client;
    const char *name; /* "Android": in sentences */
    enum export_search search;
    uint32_t reaches; /* EXPORT_BIT(enum export_reach) */
    uint32_t excludes;
    uint32_t algs; /* EXPORT_BIT(enum pin_alg) */
    bool certs;    /* pins of certificates */
    bool bad;      /* pins of role bad */
    bool ports, expiry, report_only;
    bool expiry_seconds; /* to the second, else by days */
    bool cuts_below; /* an entry without subdomains takes what is below it out of its parents' */
    bool repeats;    /* a host may be there again: its pins add up */
    uint32_t pins_min;
    bool few_if_unenforced; /* report-only ones may have fewer */
    const char *few;        /* what happens with fewer */
};

struct export_plan {
    const struct pin_set *set;
    struct export_host *hosts;
    uint32_t host_count;
    struct export_host *excluded; /* NAME, ONE_LABEL, ANY_DEPTH */
    uint32_t excluded_count;
    struct pin *pins; /* in the terms of the format */
    uint32_t pin_count;
    int64_t expires;
    bool report_only;
    const struct policy_node *extra; /* what `extra` keeps for this format, or NULL */
};

struct export {
    const struct export_config *config;
    const struct export_traits *traits;
    const struct pin_set *const *sets;
    uint32_t count;
    struct export_plan *plans; /* as many as sets; NULL where sets are written as they are */
    bool prefixed; /* all sets are of one application, and their names begin with "<it>:" */
    struct export_result *out;
    struct arena scratch;
    struct err_note *note;
};

/* Tells a loss. `host` may be NULL: the set's first. */
void export_loss(struct export *export, const struct pin_set *set, const char *host,
                 const char *format, ...) PRINTF_LIKE(4, 5);
/* The result would be no working file. */
enum err export_refuse(struct export *export, const struct pin_set *set, const char *host,
                       const char *format, ...) PRINTF_LIKE(4, 5);
/* "**.bank.example:8883", in scratch memory; brackets around an address with colons and a port. */
const char *export_host_text(struct export *export, const struct pin_host *host);

/* The set's name without its application, if that can be taken off all of them. */
const char *export_short_name(const struct export *export, const struct pin_set *set);
/* Which of a set's hosts were there before, by index. */
bool *export_repeated_hosts(struct export *export, const struct pin_set *set);

/* Plans every set, and tells what becomes of hosts that several of them name. */
enum err export_plan_all(struct export *export) MUST_USE;
enum err export_plan_set(struct export *export, const struct pin_set *set,
                         struct export_plan *out) MUST_USE;
/* The pins of a set, and in which certificates they are looked for. */
enum err export_plan_pins(struct export *export, struct export_plan *plan) MUST_USE;
enum err export_check_overlaps(struct export *export) MUST_USE;
/* The exclusions of all plans, sorted, each once, without those of hosts that the file pins. Tells
   what is lost of the latter. */
struct export_host *export_exclusions(struct export *export, uint32_t *out_count);

/* A text out of `extra`, "" if it is not there or not one line of printable UTF-8. */
const char *export_extra(const struct export_plan *plan, const char *key);
/* What people should know of a set: its name, owner, an expiry that is not enforced. */
const char *export_set_comment(struct export *export, const struct export_plan *plan);
/* "backup, ISRG Root X1" or "". */
const char *export_pin_comment(struct export *export, const struct pin *pin);

/* A property list with one dictionary under way. */
void export_plist_begin(struct export_text *text);
void export_plist_end(struct export_text *text);
void export_xml_comment(struct export_text *text, int indent, const char *words);
/* Comment lines that begin with the format's mark; nothing for "". */
void export_line_comment(struct export_text *text, const char *mark, const char *words);

/* The formats. */
extern const struct export_traits export_android_traits, export_apple_traits,
    export_trustkit_traits, export_okhttp_traits, export_hpkp_traits, export_curl_traits,
    export_tlsa_traits, export_envoy_traits, export_chromium_traits;
enum err export_native(struct export *export) MUST_USE;
enum err export_android(struct export *export) MUST_USE;
enum err export_apple(struct export *export) MUST_USE;
enum err export_trustkit(struct export *export) MUST_USE;
enum err export_okhttp(struct export *export) MUST_USE;
enum err export_hpkp(struct export *export) MUST_USE;
enum err export_curl(struct export *export) MUST_USE;
enum err export_tlsa(struct export *export) MUST_USE;
enum err export_csv(struct export *export) MUST_USE;
enum err export_envoy(struct export *export) MUST_USE;
/* Whether Envoy's listeners ask for the pins, no cluster. */
bool export_is_of_listener(const struct pin_set *set);
enum err export_chromium(struct export *export) MUST_USE;

#endif
