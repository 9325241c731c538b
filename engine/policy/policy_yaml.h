/* A small YAML document reader for policies: libyaml's events into a tree whose every node keeps
   its line and column, so that a complaint can name the place. One document, UTF-8, no anchors,
   aliases or tags; nesting and size are bounded (POLICY_DEPTH_MAX, POLICY_BYTES_MAX,
   POLICY_NODES_MAX). Keys of a mapping are scalars and differ. The tree lives in the caller's arena
   and borrows nothing. */
#ifndef PINSWEEP_POLICY_POLICY_YAML_H
#define PINSWEEP_POLICY_POLICY_YAML_H

#include "engine/base/arena.h"
#include "engine/base/err.h"

enum policy_node_kind { POLICY_SCALAR, POLICY_LIST, POLICY_MAP };

struct policy_node {
    enum policy_node_kind kind;
    bool plain;                 /* a scalar without quotes */
    uint32_t line, column;      /* from 1; columns count characters */
    struct span text;           /* of a scalar; a NUL follows, none is inside */
    struct policy_node **items; /* of a map: key, value, key, value ... */
    uint32_t count;             /* of items */
};

/* ERR_CONFIG with "name:line:column: ..." on anything but one document. An empty one is an error
   too. */
enum err policy_yaml_read(struct span yaml, const char *name, struct arena *arena,
                          struct policy_node **out, struct err_note *note) MUST_USE;

/* For a document whose root has a list that may be long: its items are handed over one by one, each
   as a tree of its own that is gone when `each` returns, so that no tree of the whole list is ever
   there. In the root that comes out the list then has its count, but no items. */
struct policy_yaml_stream {
    const char *key; /* of the list */
    /* Whether the list, which begins now, is to be streamed; `root` holds the keys before it. If
       not it is part of the tree. */
    enum err (*begin)(void *context, const struct policy_node *root, bool *out_stream);
    enum err (*each)(void *context, const struct policy_node *item);
    void *context;
    struct arena items; /* of the item at hand; for `each` to use as well */
};

/* As policy_yaml_read(). */
enum err policy_yaml_read_stream(struct span yaml, const char *name, struct arena *arena,
                                 struct policy_yaml_stream *stream, struct policy_node **out,
                                 struct err_note *note) MUST_USE;

/* The value of a key of a map, or NULL. */
const struct policy_node *policy_yaml_find(const struct policy_node *map, const char *key);

/* The node as one line of flow YAML that reads back as the same tree. */
const char *policy_yaml_write(const struct policy_node *node, struct arena *arena);

#endif
