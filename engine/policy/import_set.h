/* Private to the importers: one file being imported, its complaints, and pin sets under way. */
#ifndef PINSWEEP_POLICY_IMPORT_SET_H
#define PINSWEEP_POLICY_IMPORT_SET_H

#include "engine/policy/import.h"

struct import {
    const char *file;   /* lives as long as the index */
    const char *prefix; /* of pin set names, and the application: the file's stem */
    struct pin_index *index;
    struct arena scratch; /* gone when the file is imported */
    struct err_note *note;
    uint32_t added;
    /* Of a file without lines: "line" numbers one of these, and pins and sets get line 0. */
    const char **places;
    struct span bytes; /* of the file, if they may be given back before its end; else empty */
    size_t given_back; /* of them */
    const struct policy_companion *companion; /* a file that goes with this one; NULL: none */
};

void import_begin(struct import *import, const char *file, struct pin_index *index,
                  struct err_note *note);
/* ERR_CONFIG if nothing was added; `what` is the format's word for a pin set. */
enum err import_end(struct import *import, enum err err, const char *what) MUST_USE;

/* "file:line: host: ..."; `host` may be NULL or "". Control characters do not pass. */
enum err import_fail(struct import *import, uint32_t line, const char *host, const char *format,
                     ...) PRINTF_LIKE(4, 5);

/* "line 4", or the place. */
const char *import_where(struct import *import, uint32_t line);

/* A NUL-terminated copy that lives as long as the file is imported, for complaints: without control
   characters, cut at 100 bytes. */
const char *import_quote(struct import *import, struct span text);

/* A host pattern: a name, U-labels allowed, or an address; "*." and "**." if `wildcards`. */
enum err import_read_host(struct import *import, uint32_t line, struct span text, bool wildcards,
                          struct pin_host *out) MUST_USE;
/* "*.pay.bank.example:8883", in the index's arena. */
const char *import_host_text(struct import *import, const struct pin_host *host);

/* The next line that says something: trimmed, no blank lines, none that begin with "#". `*line` is
   the number of the line before, 0 at first. */
bool import_next_line(struct span *rest, uint32_t *line, struct span *out);
/* The next word of a line, empty at its end. */
struct span import_next_word(struct span *rest);

/* A large file's bytes before `rest` are not needed any more: what is read of them now is zeros. */
void import_give_back(struct import *import, struct span rest);

/* Pin sets by name, for formats that spread one over several lines. */
struct import_sets {
    struct import_set **items; /* in order of first appearance */
    uint32_t count, capacity;
    uint32_t *slots; /* open addressing, power of two: item index + 1, hashed by its text */
    const char **texts;
    uint32_t mask;
};

/* The set of that text, made with `*out_new` true if there is none: then it has neither hosts nor
   pins. */
struct import_set *import_sets_get(struct import *import, struct import_sets *sets,
                                   const char *text, enum pin_client client, uint32_t line,
                                   bool *out_new);
enum err import_sets_end(struct import *import, struct import_sets *sets) MUST_USE;

/* A bare digest, base64 as its client writes it (no prefix): SHA-256 of the key unless `alg` says
   otherwise. */
enum err import_read_pin(struct import *import, uint32_t line, const char *host, enum pin_alg alg,
                         struct span text, struct pin *out) MUST_USE;

struct policy_node;

/* A pin set under way: its lists grow in the index's memory, mostly where they stand. */
struct import_set {
    struct pin_set *set;
    struct pin_host *hosts;
    struct pin *pins;
    uint32_t host_count, host_capacity, pin_count, pin_capacity;
    const char **excluded;
    uint32_t excluded_count, excluded_capacity;
    uint32_t *slots; /* of many pins: open addressing on their values, pin index + 1 */
    uint32_t slot_mask;
    bool too_many;             /* more than IMPORT_PINS_MAX pins */
    struct policy_node *extra; /* NULL: nothing */
};

void import_set_begin(struct import *import, struct import_set *out, enum pin_client client,
                      uint32_t line);
void import_set_add_host(struct import *import, struct import_set *set, struct pin_host host);
/* False, and nothing added, if the set has the same pin already, or too many of them (which
   import_set_end() tells). */
bool import_set_add_pin(struct import *import, struct import_set *set, const struct pin *pin);
/* Gives the set another's pins, which must not change any more. */
void import_set_share_pins(struct import_set *set, const struct import_set *of);
/* Takes "x", "*.x" or "**.x" (which lives as long as the index) out of what the set's patterns
   reach. */
void import_set_exclude(struct import *import, struct import_set *set, const char *pattern);
/* Whether it has that pin, in whatever role. */
bool import_set_has_pin(const struct import *import, const struct import_set *set,
                        const struct pin *pin);
/* Names the set after its first host, unless it has a name, and adds it to the index. */
enum err import_set_end(struct import *import, struct import_set *set) MUST_USE;

/* What no key of the native policy holds; kept in pin_set.extra. Not UTF-8 or with a NUL: not kept.
 */
void import_extra_text(struct import *import, struct import_set *set, const char *key,
                       struct span value);
void import_extra_list(struct import *import, struct import_set *set, const char *key,
                       const struct span *values, uint32_t count);
void import_extra_end(struct import *import, struct import_set *set); /* by import_set_end() */

/* For clients that take the most specific entry of a host: an entry without pins takes its hosts
   out of what reaches them from a parent with pins. */
struct import_domain {
    const char *name; /* A-label */
    bool subdomains;
    bool cuts_below; /* a parent does not reach past this entry, though it has no subdomains itself
                      */
    uint32_t line;
    struct import_set *set; /* NULL: not pinned */
};

/* Refuses duplicates and writes the exclusions into the sets that are still under way. Sorts. */
enum err import_domains_settle(struct import *import, struct import_domain *domains,
                               size_t count) MUST_USE;

/* The importers. */
enum err import_android(struct import *import, struct span xml) MUST_USE;
enum err import_okhttp(struct import *import, struct span text) MUST_USE;
enum err import_curl(struct import *import, struct span text) MUST_USE;
enum err import_tlsa(struct import *import, struct span text) MUST_USE;
enum err import_csv(struct import *import, struct span text) MUST_USE;
enum err import_hpkp(struct import *import, struct span text) MUST_USE;
enum err import_plist(struct import *import, struct span xml) MUST_USE;
enum err import_envoy(struct import *import, struct span yaml) MUST_USE;
/* With the .pins file as companion. */
enum err import_chromium(struct import *import, struct span json) MUST_USE;

#endif
