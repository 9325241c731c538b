/* Intrusive doubly linked list, used as FIFO between the stages of a worker. A node is in at most
   one list; an unlinked node points at itself. Single-threaded. */
#ifndef PINSWEEP_BASE_LIST_H
#define PINSWEEP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/attributes.h"

struct list_node {
    struct list_node *prev, *next;
};

struct list {
    struct list_node head; /* head.next is the first node, head.prev the last */
};

static inline void list_node_init(struct list_node *node) {
    node->prev = node->next = node;
}

static inline void list_init(struct list *list) {
    list_node_init(&list->head);
}

static inline bool list_is_empty(const struct list *list) {
    return list->head.next == &list->head;
}

static inline bool list_node_is_linked(const struct list_node *node) {
    return node->next != node;
}

static inline void list_push_back(struct list *list, struct list_node *node) {
    DCHECK(!list_node_is_linked(node));
    node->prev = list->head.prev;
    node->next = &list->head;
    list->head.prev->next = node;
    list->head.prev = node;
}

/* Unlinks; a no-op on an unlinked node. */
static inline void list_remove(struct list_node *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_node_init(node);
}

static inline struct list_node *list_first(const struct list *list) {
    return list_is_empty(list) ? NULL : list->head.next;
}

/* Unlinks and returns the first node; NULL if the list is empty. */
static inline struct list_node *list_pop_front(struct list *list) {
    struct list_node *node = list_first(list);
    if (node != NULL) {
        list_remove(node);
    }
    return node;
}

#endif
