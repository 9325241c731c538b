/* pin_table.h against pin_equals() over all pins. */
#include "engine/trust/pin_table.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "tests/support/suite.h"

#define OBJECTS 300
#define OBJECT_BYTES 64

static uint8_t objects[OBJECTS][OBJECT_BYTES];

/* A record whose certificate is one object and whose key is another. */
static struct cert_record record_of(unsigned der, unsigned spki, bool has_spki) {
    struct cert_record record = {.der = span_of(objects[der], OBJECT_BYTES), .has_spki = has_spki};
    record.fields.spki = span_of(objects[spki], OBJECT_BYTES);
    SHA256(objects[der], OBJECT_BYTES, record.cert_sha256);
    SHA256(objects[spki], OBJECT_BYTES, record.spki_sha256);
    return record;
}

static struct pin random_pin(struct rng *rng, struct arena *arena) {
    const uint8_t *object = objects[rng_below(rng, OBJECTS)];
    struct pin pin = {.alg = (enum pin_alg)rng_below(rng, 4), .of = (enum pin_of)rng_below(rng, 2)};
    uint8_t digest[64];
    switch (pin.alg) {
    case PIN_SHA256:
        SHA256(object, OBJECT_BYTES, digest);
        pin.value = arena_copy(arena, span_of(digest, 32));
        break;
    case PIN_SHA1:
        SHA1(object, OBJECT_BYTES, digest);
        pin.value = arena_copy(arena, span_of(digest, 20));
        break;
    case PIN_SHA512:
        SHA512(object, OBJECT_BYTES, digest);
        pin.value = arena_copy(arena, span_of(digest, 64));
        break;
    case PIN_EXACT:
        pin.value = arena_copy(arena, span_of(object, OBJECT_BYTES));
        break;
    }
    return pin;
}

static void add_set(struct pin_index *index, struct rng *rng, unsigned number, uint32_t pin_count) {
    struct pin_set *set = arena_alloc(&index->arena, sizeof *set);
    char name[16] = {(char)('a' + number % 26), (char)('a' + number / 26 % 26),
                     (char)('a' + number / 676), 0};
    pin_set_init(set, PIN_CLIENT_CUSTOM);
    set->name = arena_copy_text(&index->arena, span_str(name));
    set->pin_count = pin_count;
    set->pins = arena_alloc(&index->arena, (pin_count + 1) * sizeof *set->pins);
    for (uint32_t i = 0; i < pin_count; i++) {
        set->pins[i] = random_pin(rng, &index->arena);
    }
    CU_ASSERT_EQUAL_FATAL(pin_index_add(index, set, NULL), ERR_NONE);
}

struct matches {
    const struct pin *pins[4096];
    size_t count;
};

static void collect(void *context, const struct pin_set *set, const struct pin *pin) {
    struct matches *matches = context;
    CU_ASSERT_TRUE(pin >= set->pins && pin < set->pins + set->pin_count);
    CU_ASSERT_FATAL(matches->count < 4096);
    matches->pins[matches->count++] = pin;
}

static bool holds(const struct matches *matches, const struct pin *pin) {
    for (size_t i = 0; i < matches->count; i++) {
        if (matches->pins[i] == pin) {
            return true;
        }
    }
    return false;
}

static void check_record(const struct pin_table *table, const struct cert_record *record) {
    static struct matches matches;
    size_t expected = 0;
    matches.count = 0;
    pin_table_match(table, record, collect, &matches);
    for (uint32_t s = 0; s < table->index->set_count; s++) {
        const struct pin_set *set = table->index->sets[s];
        for (uint32_t p = 0; p < set->pin_count; p++) {
            bool equal = pin_equals(&set->pins[p], record);
            CU_ASSERT_EQUAL(holds(&matches, &set->pins[p]), equal);
            expected += equal;
        }
    }
    CU_ASSERT_EQUAL(matches.count, expected);
}

static void test_against_all(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (unsigned i = 0; i < OBJECTS; i++) {
        for (unsigned j = 0; j < OBJECT_BYTES; j++) {
            objects[i][j] = (uint8_t)rng_next(&rng);
        }
    }
    for (unsigned round = 0; round < 8; round++) {
        struct pin_index index;
        struct pin_table table;
        pin_index_init(&index, 1);
        for (unsigned set = 0; set < round * 20; set++) {
            add_set(&index, &rng, set, rng_below(&rng, 8));
        }
        CU_ASSERT_EQUAL_FATAL(pin_table_init(&table, &index, NULL), ERR_NONE);
        for (unsigned i = 0; i < 200; i++) {
            struct cert_record record = record_of(rng_below(&rng, OBJECTS),
                                                  rng_below(&rng, OBJECTS), rng_below(&rng, 4) > 0);
            check_record(&table, &record);
        }
        pin_table_fini(&table);
        pin_index_fini(&index);
    }
}

/* One pin in several sets comes in policy order; digests that share bucket and tag stay apart. */
static void test_order_and_crowding(void) {
    struct pin_index index;
    struct pin_table table;
    enum { CROWD = 100 };
    pin_index_init(&index, 1);
    for (unsigned s = 0; s < 3; s++) {
        struct pin_set *set = arena_alloc(&index.arena, sizeof *set);
        pin_set_init(set, PIN_CLIENT_CUSTOM);
        set->name = (const char *[]){"one", "two", "three"}[s];
        set->pin_count = CROWD;
        set->pins = arena_alloc(&index.arena, CROWD * sizeof *set->pins);
        for (unsigned p = 0; p < CROWD; p++) {
            uint8_t digest[SHA256_LEN] = {0};
            digest[31] = (uint8_t)p;
            set->pins[p].value = arena_copy(&index.arena, span_of(digest, sizeof digest));
        }
        CU_ASSERT_EQUAL_FATAL(pin_index_add(&index, set, NULL), ERR_NONE);
    }
    CU_ASSERT_EQUAL_FATAL(pin_table_init(&table, &index, NULL), ERR_NONE);
    CU_ASSERT_EQUAL(table.digest_count, CROWD);
    uint8_t all[256][SHA256_LEN] = {{0}};
    const struct pin_ref *refs[256];
    for (unsigned p = 0; p < 256; p++) {
        all[p][31] = (uint8_t)p;
    }
    pin_table_find_batch(&table, all[0], SHA256_LEN, 256, refs);
    for (unsigned p = 0; p < 256; p++) {
        uint8_t digest[SHA256_LEN] = {0};
        digest[31] = (uint8_t)p;
        CU_ASSERT_PTR_EQUAL(refs[p], pin_table_find(&table, digest));
        const struct pin_ref *ref = pin_table_find(&table, digest);
        CU_ASSERT_EQUAL(ref != NULL, p < CROWD);
        for (uint32_t s = 0; p < CROWD && s < 3; s++, ref = pin_table_next(&table, ref)) {
            CU_ASSERT_PTR_NOT_NULL_FATAL(ref);
            CU_ASSERT_TRUE(ref->set_idx == s && ref->pin_idx == p);
        }
        CU_ASSERT_PTR_NULL(ref);
    }
    pin_table_fini(&table);
    pin_index_fini(&index);
}

SUITE_MAIN("pin_table", {"against every pin", test_against_all},
           {"order and crowding", test_order_and_crowding})
