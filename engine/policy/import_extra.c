/* What a format holds and no key of the native policy does: kept as `extra: {client: {key: value}}`
   for the way back (export_X.c). */
#include "engine/codec/text.h"
#include "engine/policy/import_set.h"
#include "engine/policy/policy_yaml.h"

#define EXTRA_ITEMS_MAX 16 /* keys and values; importers know of five keys at most */

static struct policy_node *new_node(struct import *import, enum policy_node_kind kind,
                                    uint32_t capacity) {
    struct policy_node *node = arena_alloc(&import->scratch, sizeof *node);
    *node = (struct policy_node){
        .kind = kind,
        .plain = true,
        .items = arena_alloc(&import->scratch, (capacity + 1) * sizeof(*node->items))};
    return node;
}

static struct policy_node *new_scalar(struct import *import, struct span text) {
    struct policy_node *node = new_node(import, POLICY_SCALAR, 0);
    node->text = span_of(arena_copy_text(&import->scratch, text), text.len);
    node->plain = text.len > 0; /* a plain nothing is null */
    return node;
}

static void add(struct import *import, struct import_set *set, const char *key,
                struct policy_node *value) {
    if (set->extra == NULL) {
        set->extra = new_node(import, POLICY_MAP, EXTRA_ITEMS_MAX);
    }
    CHECK(set->extra->count + 2 <= EXTRA_ITEMS_MAX);
    set->extra->items[set->extra->count++] = new_scalar(import, span_str(key));
    set->extra->items[set->extra->count++] = value;
}

/* YAML holds neither. */
static bool is_text(struct span text) {
    return text_is_utf8(text) && span_find(text, '\0') == text.len;
}

void import_extra_text(struct import *import, struct import_set *set, const char *key,
                       struct span value) {
    if (is_text(value)) {
        add(import, set, key, new_scalar(import, value));
    }
}

void import_extra_list(struct import *import, struct import_set *set, const char *key,
                       const struct span *values, uint32_t count) {
    struct policy_node *list = new_node(import, POLICY_LIST, count);
    for (uint32_t i = 0; i < count; i++) {
        if (is_text(values[i])) {
            list->items[list->count++] = new_scalar(import, values[i]);
        }
    }
    add(import, set, key, list);
}

void import_extra_end(struct import *import, struct import_set *set) {
    if (set->extra == NULL) {
        return;
    }
    struct policy_node *root = new_node(import, POLICY_MAP, 2);
    root->items[root->count++] = new_scalar(import, span_str(pin_client_text(set->set->client)));
    root->items[root->count++] = set->extra;
    set->set->extra = policy_yaml_write(root, &import->index->arena);
}
