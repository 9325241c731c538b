#include "engine/base/list.h"

#include "engine/base/rng.h"
#include "tests/support/suite.h"

struct item {
    int value;
    struct list_node node;
};

static struct item *item_of(struct list_node *node) {
    return node != NULL ? CONTAINER_OF(node, struct item, node) : NULL;
}

static void test_fifo(void) {
    struct list list;
    struct item items[3];
    list_init(&list);
    CU_ASSERT(list_is_empty(&list));
    CU_ASSERT_PTR_NULL(list_first(&list));
    CU_ASSERT_PTR_NULL(list_pop_front(&list));
    for (int i = 0; i < 3; i++) {
        list_node_init(&items[i].node);
        CU_ASSERT_FALSE(list_node_is_linked(&items[i].node));
        list_push_back(&list, &items[i].node);
        CU_ASSERT(list_node_is_linked(&items[i].node));
    }
    CU_ASSERT_PTR_EQUAL(item_of(list_first(&list)), &items[0]);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_PTR_EQUAL(item_of(list_pop_front(&list)), &items[i]);
        CU_ASSERT_FALSE(list_node_is_linked(&items[i].node));
    }
    CU_ASSERT(list_is_empty(&list));
}

static void test_remove(void) {
    struct list list;
    struct item items[3];
    list_init(&list);
    for (int i = 0; i < 3; i++) {
        list_node_init(&items[i].node);
        list_push_back(&list, &items[i].node);
    }
    list_remove(&items[1].node);
    list_remove(&items[1].node); /* unlinked already: nothing happens */
    list_push_back(&list, &items[1].node);
    CU_ASSERT_PTR_EQUAL(item_of(list_pop_front(&list)), &items[0]);
    CU_ASSERT_PTR_EQUAL(item_of(list_pop_front(&list)), &items[2]);
    CU_ASSERT_PTR_EQUAL(item_of(list_pop_front(&list)), &items[1]);
    CU_ASSERT(list_is_empty(&list));
}

/* Random pushes, pops and removals against an array that holds the same order. */
static void test_random(void) {
    enum { COUNT = 32 };
    struct list list;
    struct item items[COUNT];
    int order[COUNT], length = 0;
    struct rng rng;
    rng_init(&rng, suite_seed());
    list_init(&list);
    for (int i = 0; i < COUNT; i++) {
        items[i].value = i;
        list_node_init(&items[i].node);
    }
    for (int round = 0; round < 20000; round++) {
        int pick = (int)rng_below(&rng, COUNT), at = 0;
        while (at < length && order[at] != pick) {
            at++;
        }
        if (rng_below(&rng, 4) == 0 && length > 0) {
            CU_ASSERT_EQUAL_FATAL(item_of(list_pop_front(&list))->value, order[0]);
            at = 0;
        } else if (at < length) {
            list_remove(&items[pick].node);
        } else {
            list_push_back(&list, &items[pick].node);
            order[length++] = pick;
            continue;
        }
        length--;
        for (int i = at; i < length; i++) {
            order[i] = order[i + 1];
        }
    }
    for (int i = 0; i < length; i++) {
        CU_ASSERT_EQUAL_FATAL(item_of(list_pop_front(&list))->value, order[i]);
    }
    CU_ASSERT(list_is_empty(&list));
}

SUITE_MAIN("list", {"fifo", test_fifo}, {"remove", test_remove}, {"random", test_random})
