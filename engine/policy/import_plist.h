/* Private to the importers: a property list as a tree whose values know where they stand, and the
   two clients that keep pins in one. */
#ifndef PINSWEEP_POLICY_IMPORT_PLIST_H
#define PINSWEEP_POLICY_IMPORT_PLIST_H

#include "engine/policy/import_set.h"

enum plist_kind { PLIST_DICT, PLIST_ARRAY, PLIST_STRING, PLIST_BOOL, PLIST_DATE, PLIST_OTHER };

struct plist_entry {
    const char *key; /* NULL in an array */
    struct plist_value *value;
};

struct plist_value {
    enum plist_kind kind;
    uint32_t line;
    struct span text; /* of a string */
    bool truth;
    int64_t date;
    struct plist_entry *entries; /* of a dictionary (keys differ) or an array */
    uint32_t count;
};

/* The root of a binary property list; its values' lines are numbers of import->places. */
enum err plist_read_binary(struct import *import, struct span bytes,
                           struct plist_value **out) MUST_USE;
/* Refuses a key that is there twice: readers differ in which of the two they take. */
enum err plist_check_keys(struct import *import, const struct plist_value *dict) MUST_USE;

/* NULL if the dictionary has no such key. */
const struct plist_value *plist_get(const struct plist_value *dict, const char *key);
/* Complains if there is a value of another kind; `word` is Apple's for the kind. NULL in *out if
   the key is absent. */
enum err plist_expect(struct import *import, const struct plist_value *dict, const char *key,
                      const char *host, enum plist_kind kind,
                      const struct plist_value **out) MUST_USE;
enum err plist_read_bool(struct import *import, const struct plist_value *dict, const char *key,
                         const char *host, bool *out) MUST_USE;

/* NSPinnedDomains and TSKPinnedDomains. */
enum err import_apple(struct import *import, const struct plist_value *domains) MUST_USE;
enum err import_trustkit(struct import *import, const struct plist_value *domains) MUST_USE;
/* "<stem>:<client>:<host>": one plist may hold both. */
const char *plist_set_name(struct import *import, enum pin_client client, const char *host);

#endif
