/* Why a pin set applies to a host, or does not: cases, and the same answer as the look-up. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "tests/support/import_case.h"
#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ROUNDS 3000

static const char policy[] =
    "version: 1\n"
    "pin_sets:\n"
    "  - {name: all, client: android, application: a, hosts: [\"**.a.example\"],\n"
    "     exclude_subdomains: [\"**.dev.a.example\"], pins: [\"sha256/{1}\"]}\n"
    "  - {name: pay, client: android, application: a, hosts: [pay.a.example], pins: "
    "[\"sha256/{2}\"]}\n"
    "  - {name: other, client: android, application: b, hosts: [pay.a.example],\n"
    "     pins: [\"sha256/{2}\"]}\n"
    "  - {name: mail, client: custom, hosts: [\"**.a.example:25\"],\n"
    "     exclude_subdomains: [x.a.example], pins: [\"sha256/{3}\"]}\n"
    "  - {name: address, client: curl, hosts: [192.0.2.7], include_subdomains: true,\n"
    "     pins: [\"sha256/{3}\"]}\n";

static size_t explain(const struct import_world *world, const char *host, uint16_t port,
                      struct arena *arena, struct pin_explanation **out) {
    return pin_explain((const struct pin_set *const *)world->index.sets, world->index.set_count,
                       span_str(host), port, arena, out);
}

static void test_cases(void) {
    static const struct {
        const char *host;
        uint16_t port;
        const char *expected;
    } cases[] = {
        {"b.example", 443, ""},
        {"a.example", 443, "all applies **.; mail elsewhere **.; "},
        {"y.a.example", 25, "all applies **.; mail applies **.; "},
        {"x.a.example", 25, "all applies **.; mail excluded **. x.a.example; "},
        {"pay.a.example", 443,
         "all shadowed **. by pay; pay applies ; other applies ; mail elsewhere **.; "},
        {"z.dev.a.example", 443, "all excluded **. **.dev.a.example; mail elsewhere **.; "},
        {"192.0.2.7", 443, "address applies ; "},
        {"1.192.0.2.7", 443, ""},
        {"xa.example", 443, ""},
    };
    static const char *const words[] = {[PIN_APPLIES] = "applies",
                                        [PIN_SHADOWED] = "shadowed",
                                        [PIN_EXCLUDED] = "excluded",
                                        [PIN_ELSEWHERE] = "elsewhere"};
    static const char *const prefixes[] = {"", "*.", "**."};
    struct import_world *world = import_world_new(policy, IMPORT_NATIVE, "p.yaml");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena = {0};
        struct pin_explanation *why = NULL;
        char text[500] = "";
        size_t len = 0, count = explain(world, cases[i].host, cases[i].port, &arena, &why);
        for (size_t j = 0; j < count; j++) {
            len += (size_t)snprintf(
                text + len, sizeof text - len, "%s %s %s%s%s%s%s; ", why[j].set->name,
                words[why[j].how], prefixes[why[j].pattern->pattern],
                why[j].by != NULL ? " by " : "", why[j].by != NULL ? why[j].by->name : "",
                why[j].exclusion != NULL ? " " : "",
                why[j].exclusion != NULL ? why[j].exclusion : "");
        }
        CU_ASSERT_STRING_EQUAL(text, cases[i].expected);
        if (strcmp(text, cases[i].expected) != 0) {
            printf("  %s: %s\n", cases[i].host, text);
        }
        arena_fini(&arena);
    }
    import_world_free(world);
}

/* --- random policies --- */

static const char *const names[] = {"a", "b.a", "c.b.a", "d.c.b.a", "e.b.a", "192.0.2.7"};

static uint32_t pick(struct rng *rng, size_t count) {
    return rng_below(rng, (uint32_t)count);
}

static void add_set(struct rng *rng, struct import_world *world, uint32_t number) {
    static const char *const applications[] = {"one", "two"};
    static const char *exclusions[] = {"b.a", "**.b.a", "*.b.a", "**.c.b.a", "d.c.b.a"};
    struct arena *arena = &world->index.arena;
    struct pin_set *set = arena_alloc(arena, sizeof *set);
    char name[16];
    pin_set_init(set, (enum pin_client)pick(rng, 3));
    snprintf(name, sizeof name, "%u", number);
    set->name = arena_copy_text(arena, span_str(name));
    set->application = applications[pick(rng, COUNT(applications))];
    set->include_subdomains = pick(rng, 2) == 0;
    set->host_count = 1 + pick(rng, 3);
    set->hosts = arena_alloc(arena, set->host_count * sizeof *set->hosts);
    for (uint32_t i = 0; i < set->host_count; i++) {
        uint32_t at = pick(rng, COUNT(names));
        set->hosts[i].name = names[at];
        if (at < 5) {
            set->hosts[i].pattern = pick(rng, 3);
        }
        set->hosts[i].port = pick(rng, 4) == 0 ? 25 : 0;
    }
    set->excluded_count = pick(rng, 3);
    set->excluded = &exclusions[pick(rng, 4)];
    CHECK(pin_index_add(&world->index, set, &world->note) == ERR_NONE);
}

static bool agrees(const struct import_world *world, const char *host, uint16_t port) {
    const struct pin_set *applied[32];
    struct arena arena = {0};
    struct pin_explanation *why = NULL;
    size_t count = pin_index_lookup(&world->index, span_str(host), port, applied, 32), at = 0;
    size_t explained = explain(world, host, port, &arena, &why);
    bool same = true;
    for (size_t i = 0; i < explained; i++) {
        if (why[i].how == PIN_APPLIES) {
            same = same && at < count && applied[at] == why[i].set;
            at++;
        } else {
            same = same && (why[i].how != PIN_SHADOWED || why[i].by != NULL) &&
                   (why[i].how != PIN_EXCLUDED || why[i].exclusion != NULL);
        }
    }
    arena_fini(&arena);
    return same && at == count;
}

static void test_as_looked_up(void) {
    static const char *const front[] = {"", "x.", "x.y."};
    uint64_t seed = suite_seed();
    struct rng rng;
    rng_init(&rng, seed);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct import_world *world = calloc(1, sizeof *world);
        CHECK(world != NULL);
        pin_index_init(&world->index, round);
        trust_store_init(&world->store);
        for (uint32_t i = 0; i < 4; i++) {
            add_set(&rng, world, i);
        }
        world->store.count = 1;
        world->store.profiles[0].name = strdup("system");
        CHECK(pin_index_bind(&world->index, &world->store, &world->note) == ERR_NONE);
        bool good = true;
        for (size_t i = 0; i < COUNT(names) * COUNT(front) * 2 && good; i++) {
            char host[32];
            snprintf(host, sizeof host, "%s%s", front[i / 2 % 3], names[i / 6]);
            good = agrees(world, host, i % 2 == 0 ? 25 : 443);
            if (!good) {
                printf("  round %u: %s\n", round, host);
            }
        }
        import_world_free(world);
        CU_ASSERT_TRUE_FATAL(good);
    }
}

SUITE_MAIN("pin_explain", {"cases", test_cases}, {"as looked up", test_as_looked_up})
