/* Typed values out of a policy's mappings, by tables of fields; every complaint reads
   "file:line:column: key: what is wrong, the fix". Shared by the importers of YAML policies. */
#ifndef PINSWEEP_POLICY_POLICY_FIELD_H
#define PINSWEEP_POLICY_POLICY_FIELD_H

#include "engine/policy/policy_yaml.h"

/* One policy being read. */
struct policy_reader {
    const char *file;      /* lives as long as the arena */
    struct arena *arena;   /* of the pin index: what stays */
    struct arena *scratch; /* gone when the policy is read */
    struct err_note *note;
};

enum policy_field_kind {
    POLICY_FIELD_TEXT,   /* const char *, "" if absent */
    POLICY_FIELD_BOOL,   /* bool */
    POLICY_FIELD_DATE,   /* int64_t, Unix seconds */
    POLICY_FIELD_DAYS,   /* int32_t */
    POLICY_FIELD_WORD,   /* int-sized enum: index into `words` */
    POLICY_FIELD_CUSTOM, /* `read` gets the whole object */
};

struct policy_field {
    const char *key;
    enum policy_field_kind kind;
    size_t offset; /* into the object */
    const char *const *words;
    enum err (*read)(struct policy_reader *reader, const char *key, const struct policy_node *node,
                     void *object);
};

/* Fails at a node. */
enum err policy_fail(struct policy_reader *reader, const struct policy_node *node, const char *key,
                     const char *format, ...) PRINTF_LIKE(4, 5);

/* Every key of the map into `object`. `key` is what holds the map and `what` names it in
   complaints: "a pin set". Unknown keys fail. */
enum err policy_read_map(struct policy_reader *reader, const char *key,
                         const struct policy_node *map, const char *what,
                         const struct policy_field *fields, size_t field_count,
                         void *object) MUST_USE;

enum err policy_read_text(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, const char **out) MUST_USE;
enum err policy_read_word(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, const char *const *words,
                          int *out) MUST_USE;
/* That the node is a list with at least one item; `example` shows one. */
enum err policy_check_list(struct policy_reader *reader, const char *key,
                           const struct policy_node *node, const char *example) MUST_USE;

/* " did you mean \"...\"?" for the nearest of the words, or "" if none is near. */
void policy_suggest(char out[80], const char *word, const char *const *words);

#endif
