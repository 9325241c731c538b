/* Host look-up among a thousand and a million hosts (every sixteenth a wildcard), beside a binary
   search over the sorted names; the judge on one view; and reading a policy. The hosts asked for
   come in random order: at a million nearly every one misses the caches. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "engine/base/rng.h"
#include "engine/policy/policy.h"
#include "engine/trust/verdict.h"

#define QUERIES 65536 /* a power of two */
#define TURN 256
#define NOW INT64_C(1800000000)
#define X1 "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M="
#define R4 "sha256/mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c="

/* As many hosts as asked for last. */
static struct world {
    int64_t host_count;
    struct pin_index index;
    const char **sorted; /* comparator */
    char (*hits)[48], (*misses)[48];
} world;

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_host(struct rng *rng, int64_t number) {
    static const enum pin_client clients[] = {PIN_CLIENT_ANDROID, PIN_CLIENT_OKHTTP,
                                              PIN_CLIENT_CUSTOM, PIN_CLIENT_APPLE};
    struct arena *arena = &world.index.arena;
    struct pin_set *set = arena_alloc(arena, sizeof *set);
    char text[64];
    pin_set_init(set, clients[rng_below(rng, 4)]);
    snprintf(text, sizeof text, "set-%lld", (long long)number);
    set->name = arena_copy_text(arena, span_str(text));
    set->trust_none = true;
    set->hosts = arena_alloc(arena, sizeof *set->hosts);
    set->host_count = 1;
    bool wildcard = number % 16 == 7;
    int len = wildcard ? 0 : snprintf(text, sizeof text, "host-%lld.", (long long)number);
    snprintf(text + len, sizeof text - (size_t)len, "zone-%lld.bank.example",
             (long long)(number / 16));
    set->hosts[0].name = arena_copy_text(arena, span_str(text));
    set->hosts[0].pattern = wildcard ? PIN_PATTERN_ONE_LABEL : PIN_PATTERN_NAME;
    world.sorted[number] = set->hosts[0].name;
    CHECK(pin_index_add(&world.index, set, NULL) == ERR_NONE);
}

static void make_world(int64_t host_count) {
    if (world.host_count == host_count) {
        return;
    }
    struct rng rng;
    rng_init(&rng, 1);
    pin_index_fini(&world.index);
    pin_index_init(&world.index, 42);
    world.host_count = host_count;
    world.sorted = realloc(world.sorted, (size_t)host_count * sizeof(*world.sorted));
    world.hits = realloc(world.hits, QUERIES * sizeof(*world.hits));
    world.misses = realloc(world.misses, QUERIES * sizeof(*world.misses));
    CHECK(world.sorted != NULL && world.hits != NULL && world.misses != NULL);
    for (int64_t i = 0; i < host_count; i++) {
        add_host(&rng, i);
    }
    struct trust_store *store = calloc(1, sizeof *store);
    CHECK(store != NULL && pin_index_bind(&world.index, store, NULL) == ERR_NONE);
    free(store);
    qsort(world.sorted, (size_t)host_count, sizeof(*world.sorted), compare_names);
    for (uint32_t i = 0; i < QUERIES; i++) {
        uint32_t number = rng_below(&rng, (uint32_t)host_count);
        snprintf(world.hits[i], sizeof world.hits[i], "host-%u.zone-%u.bank.example", number,
                 number / 16);
        snprintf(world.misses[i], sizeof world.misses[i], "host-%u.zone-%u.shop.example", number,
                 number / 16);
    }
}

static void bench_lookup(struct bench *bench) {
    make_world(bench_arg(bench, 0));
    char(*hosts)[48] = bench_arg(bench, 1) != 0 ? world.hits : world.misses;
    const struct pin_set *sets[16];
    uint32_t at = 0;
    size_t applied = 0;
    while (bench_next(bench, TURN)) {
        for (uint32_t i = 0; i < TURN; i++) {
            applied +=
                pin_index_lookup(&world.index, span_str(hosts[at++ % QUERIES]), 443, sets, 16);
            bench_use(sets);
        }
    }
    CHECK((applied > 0) == (bench_arg(bench, 1) != 0));
    bench_set_items(bench, 1);
}

/* The host and its parents, each looked for in the sorted names. */
static void bench_binary_search(struct bench *bench) {
    make_world(bench_arg(bench, 0));
    char(*hosts)[48] = bench_arg(bench, 1) != 0 ? world.hits : world.misses;
    uint32_t at = 0;
    while (bench_next(bench, TURN)) {
        for (uint32_t i = 0; i < TURN; i++) {
            const char *name = hosts[at++ % QUERIES];
            while (name != NULL) {
                bench_use(bsearch(&name, world.sorted, (size_t)world.host_count,
                                  sizeof(*world.sorted), compare_names));
                name = strchr(name, '.');
                name = name != NULL ? name + 1 : NULL;
            }
        }
    }
    bench_set_items(bench, 1);
}

/* --- the judge --- */

/* A leaf, an intermediate and an anchor; `path_count` valid paths; an active pin on the anchor and
   a backup that matches nothing. */
static void bench_judge(struct bench *bench) {
    static struct cert_record certs[20];
    static struct path paths[PATHS_MAX];
    uint16_t path_count = (uint16_t)bench_arg(bench, 0);
    CHECK(path_count <= PATHS_MAX);
    for (size_t i = 0; i < 20; i++) {
        certs[i].has_spki = true;
        memset(certs[i].spki_sha256, (int)i + 1, SHA256_LEN);
        memset(certs[i].cert_sha256, (int)i + 1, SHA256_LEN);
    }
    for (uint16_t i = 0; i < path_count; i++) {
        paths[i] = (struct path){.count = 3,
                                 .not_before = NOW - 1,
                                 .not_after = NOW + 1,
                                 .certs = {&certs[0], &certs[i + 2], &certs[1]}};
    }
    struct chain *chain = calloc(1, sizeof *chain + 2 * sizeof(struct cert_record *));
    struct path_set *set = calloc(1, sizeof *set + sizeof(struct profile_paths));
    CHECK(chain != NULL && set != NULL);
    chain->count = 2;
    chain->certs[0] = &certs[0];
    chain->certs[1] = &certs[2];
    set->profile_count = 1;
    set->profiles[0] =
        (struct profile_paths){.count = path_count, .ok_count = path_count, .paths = paths};
    uint8_t backup[SHA256_LEN] = {0xff};
    struct pin pins[] = {
        {.tlsa_usage = PIN_TLSA_NONE, .value = span_of(certs[1].spki_sha256, SHA256_LEN)},
        {.tlsa_usage = PIN_TLSA_NONE, .value = span_of(backup, SHA256_LEN), .role = PIN_BACKUP}};
    struct pin_set pin_set;
    pin_set_init(&pin_set, PIN_CLIENT_ANDROID);
    pin_set.pins = pins;
    pin_set.pin_count = 2;
    struct verdict_view view = {.chain = chain, .paths = set};
    struct verdict_unit units[4];
    while (bench_next(bench, TURN)) {
        for (uint32_t i = 0; i < TURN; i++) {
            uint32_t unit_count = 0;
            struct set_verdict verdict =
                verdict_judge(&pin_set, &view, 1, NOW, units, 4, &unit_count);
            CHECK(verdict.verdict == VERDICT_MATCH);
            bench_use(units);
        }
    }
    bench_set_items(bench, 1);
    free(chain);
    free(set);
}

/* --- policies --- */

static void bench_policy(struct bench *bench) {
    size_t set_count = (size_t)bench_arg(bench, 0), len = 0, capacity = 64 + set_count * 400;
    char *yaml = malloc(capacity);
    CHECK(yaml != NULL);
    len += (size_t)snprintf(yaml, capacity, "version: 1\npin_sets:\n");
    for (size_t i = 0; i < set_count; i++) {
        len += (size_t)snprintf(yaml + len, capacity - len,
                                "  - name: set-%zu\n    hosts: [h%zu.bank.example]\n"
                                "    client: android\n    pins:\n"
                                "      - {pin: \"" X1 "\", note: X1}\n"
                                "      - {pin: \"" R4 "\", role: backup}\n"
                                "    expires: 2027-06-01\n    owner: team@bank.example\n",
                                i, i);
    }
    struct trust_store *store = calloc(1, sizeof *store);
    CHECK(store != NULL);
    while (bench_next(bench, 1)) {
        struct pin_index index;
        pin_index_init(&index, 1);
        CHECK(policy_parse_native(span_of(yaml, len), "bench", &index, store, NULL) == ERR_NONE);
        pin_index_fini(&index);
    }
    bench_set_items(bench, (int64_t)set_count);
    bench_set_bytes(bench, (int64_t)len);
    free(store);
    free(yaml);
}

int main(int argc, char **argv) {
    static const int64_t counts[] = {1000, 1000000};
    for (size_t c = 0; c < ARRAY_COUNT(counts); c++) {
        for (int64_t hit = 1; hit >= 0; hit--) {
            const int64_t args[] = {counts[c], hit};
            bench_register("lookup/hosts/hit", bench_lookup, NULL, args, 2);
            bench_register("binary search/hosts/hit", bench_binary_search, NULL, args, 2);
        }
    }
    bench_register("judge/paths", bench_judge, NULL, (const int64_t[]){1}, 1);
    bench_register("judge/paths", bench_judge, NULL, (const int64_t[]){16}, 1);
    bench_register("policy/pin sets", bench_policy, NULL, (const int64_t[]){1000}, 1);
    return bench_main(argc, argv);
}
