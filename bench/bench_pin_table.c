/* From a digest to its pins among one and ten million, in random order (nearly every look-up misses
   the caches at ten million), beside a binary search over the sorted digests. */
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"
#include "engine/base/rng.h"
#include "engine/trust/pin_table.h"

#define QUERIES (1u << 20)
#define TURN 4096

static struct world {
    int64_t pin_count;
    struct pin_index index;
    struct pin_table table;
    uint8_t (*sorted)[SHA256_LEN];
    uint8_t (*hits)[SHA256_LEN], (*misses)[SHA256_LEN];
} world;

static void random_digest(struct rng *rng, uint8_t out[SHA256_LEN]) {
    for (size_t i = 0; i < SHA256_LEN; i += sizeof(uint64_t)) {
        uint64_t bits = rng_next(rng);
        memcpy(out + i, &bits, sizeof bits);
    }
}

static int compare_digests(const void *a, const void *b) {
    return memcmp(a, b, SHA256_LEN);
}

static void make_world(int64_t pin_count) {
    if (world.pin_count == pin_count) {
        return;
    }
    if (world.pin_count != 0) {
        pin_table_fini(&world.table);
        pin_index_fini(&world.index);
        free(world.sorted);
        free(world.hits);
        free(world.misses);
    }
    struct rng rng;
    rng_init(&rng, 7);
    size_t count = (size_t)pin_count;
    world.pin_count = pin_count;
    world.sorted = malloc(count * SHA256_LEN);
    world.hits = malloc(QUERIES * SHA256_LEN);
    world.misses = malloc(QUERIES * SHA256_LEN);
    CHECK(world.sorted != NULL && world.hits != NULL && world.misses != NULL);
    pin_index_init(&world.index, 1);
    struct pin_set *set = arena_alloc(&world.index.arena, sizeof *set);
    pin_set_init(set, PIN_CLIENT_CUSTOM);
    set->name = "bench";
    set->pin_count = (uint32_t)count;
    set->pins = arena_alloc(&world.index.arena, count * sizeof *set->pins);
    for (size_t i = 0; i < count; i++) {
        random_digest(&rng, world.sorted[i]);
        set->pins[i].value = span_of(world.sorted[i], SHA256_LEN);
    }
    CHECK(pin_index_add(&world.index, set, NULL) == ERR_NONE);
    CHECK(pin_table_init(&world.table, &world.index, NULL) == ERR_NONE);
    for (size_t i = 0; i < QUERIES; i++) {
        memcpy(world.hits[i], world.sorted[rng_below(&rng, (uint32_t)count)], SHA256_LEN);
        random_digest(&rng, world.misses[i]);
    }
    /* From here on the pins' values are in another order: the table has digests of its own. */
    qsort(world.sorted, count, SHA256_LEN, compare_digests);
}

static bool enter_world(struct bench *bench) {
    size_t need = (size_t)bench_arg(bench, 0) * 300;
    size_t have = (size_t)sysconf(_SC_AVPHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    if (need > have && world.pin_count != bench_arg(bench, 0)) {
        bench_skip(bench, "not enough free memory on this machine");
        return false;
    }
    make_world(bench_arg(bench, 0));
    return true;
}

static void bench_table(struct bench *bench) {
    size_t at = 0, found = 0;
    if (!enter_world(bench)) {
        return;
    }
    uint8_t(*queries)[SHA256_LEN] = bench_context(bench) != NULL ? world.hits : world.misses;
    while (bench_next(bench, TURN)) {
        for (size_t i = 0; i < TURN; i++) {
            const struct pin_ref *ref = pin_table_find(&world.table, queries[at + i]);
            found += ref != NULL;
            bench_use(ref);
        }
        at = (at + TURN) % QUERIES;
    }
    bench_set_items(bench, 1);
    CHECK(found == 0 || bench_context(bench) != NULL);
    bench_counter(bench, "table_mb", (double)world.table.map_len / 1e6);
}

/* As many at a time as the pipeline has. */
static void bench_batch(struct bench *bench) {
    const struct pin_ref *refs[TURN];
    size_t at = 0;
    if (!enter_world(bench)) {
        return;
    }
    uint8_t(*queries)[SHA256_LEN] = bench_context(bench) != NULL ? world.hits : world.misses;
    while (bench_next(bench, TURN)) {
        for (size_t i = 0; i < TURN; i += 256) {
            pin_table_find_batch(&world.table, queries[at + i], SHA256_LEN, 256, refs + i);
        }
        bench_use(refs);
        at = (at + TURN) % QUERIES;
    }
    bench_set_items(bench, 1);
}

static void bench_search(struct bench *bench) {
    size_t at = 0;
    if (!enter_world(bench)) {
        return;
    }
    while (bench_next(bench, TURN)) {
        for (size_t i = 0; i < TURN; i++) {
            bench_use(bsearch(world.hits[at + i], world.sorted, (size_t)world.pin_count, SHA256_LEN,
                              compare_digests));
        }
        at = (at + TURN) % QUERIES;
    }
    bench_set_items(bench, 1);
}

int main(int argc, char **argv) {
    static const int64_t counts[] = {1000000, 10000000};
    static char hit[] = "hit";
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        bench_register("pin/table-hit", bench_table, hit, &counts[i], 1);
        bench_register("pin/table-miss", bench_table, NULL, &counts[i], 1);
        bench_register("pin/table-hit-batch", bench_batch, hit, &counts[i], 1);
        bench_register("pin/table-miss-batch", bench_batch, NULL, &counts[i], 1);
        bench_register("pin/binary-search-hit", bench_search, NULL, &counts[i], 1);
    }
    return bench_main(argc, argv);
}
