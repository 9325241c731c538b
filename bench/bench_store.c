/* What a store costs a sweep for each target whose chain is known: gathering the rows (the worker's
   part), inserting and committing them (the writer thread's, checkpoints of the log included), both
   together; beside it what writing the record as NDJSON costs. Arguments: pin sets that apply to a
   target. The store is a file in $TMPDIR. */
#include <openssl/evp.h>
#include <openssl/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/mint.h"
#include "engine/base/rng.h"
#include "engine/history/store_writer.h"
#include "engine/sweep/keeper_rows.h"
#include "engine/sweep/report.h"

#define CHAINS 512
#define TARGETS 4096 /* in turn */
#define SETS_MAX 4
#define COMMIT_EVERY 8192 /* targets: a quarter of a second of a fast sweep */

struct world {
    struct trust_store trust;
    struct pin_index pins;
    struct sweep_config config;
    struct intern *intern;
    struct path_builder *builder;
    struct judgement judgements[TARGETS];
    struct target targets[TARGETS];
    struct probe probes[TARGETS];
    struct netaddr address;
    struct set_verdict sets[SETS_MAX];
    struct verdict_unit units[CHAINS][SETS_MAX]; /* what decided, by chain */
    struct pin pin_texts[SETS_MAX];
    char texts[TARGETS][32];
    struct store_writer *writer;
    char folder[64], file[80];
};

static struct span mint(const char *subject, const char *issuer, uint64_t serial, bool is_ca) {
    EVP_PKEY *key = mint_key_new(MINT_P256, 3, subject);
    EVP_PKEY *issuer_key = mint_key_new(MINT_P256, 3, issuer);
    const char *const names[] = {"www.bench.test"};
    struct mint_spec spec = {.subject_cn = subject,
                             .issuer_cn = issuer,
                             .key = key,
                             .issuer_key = issuer_key,
                             .serial = serial,
                             .not_before = 1700000000,
                             .not_after = 1900000000,
                             .is_ca = is_ca,
                             .path_len = -1,
                             .dns_names = names,
                             .dns_name_count = is_ca ? 0 : 1,
                             .padding_len = is_ca ? 0 : 700};
    size_t len;
    uint8_t *der = mint_certificate(&spec, &len);
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer_key);
    return span_of(der, len);
}

static struct chain *make_chain(struct world *world, CRYPTO_BUFFER *issuer, uint64_t serial) {
    struct span der = mint("leaf", "Issuer", serial, false);
    CRYPTO_BUFFER *certs[2] = {CRYPTO_BUFFER_new(der.data, der.len, NULL), issuer};
    free((void *)(uintptr_t)der.data);
    struct chain *chain = intern_chain(world->intern, certs, 2);
    CRYPTO_BUFFER_free(certs[0]);
    intern_flush(world->intern);
    path_set_of(world->builder, chain);
    return chain;
}

static void make_sets(struct world *world) {
    static char names[SETS_MAX][16];
    pin_index_init(&world->pins, 1);
    for (int i = 0; i < SETS_MAX; i++) {
        struct pin_set *set = arena_alloc(&world->pins.arena, sizeof *set);
        pin_set_init(set, 0);
        snprintf(names[i], sizeof names[i], "set %d", i);
        set->name = names[i];
        CHECK(pin_index_add(&world->pins, set, NULL) == ERR_NONE);
        world->pin_texts[i] =
            (struct pin){.text = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="};
        world->sets[i] = (struct set_verdict){.set = set,
                                              .verdict = VERDICT_MATCH,
                                              .would_be = VERDICT_MATCH,
                                              .first_unit = (uint32_t)i,
                                              .unit_count = 1};
    }
}

static void make_target(struct world *world, uint32_t i, struct chain *chain) {
    struct target *target = &world->targets[i];
    struct probe *probe = &world->probes[i];
    snprintf(world->texts[i], sizeof world->texts[i], "host%u.bench.example", i);
    *target = (struct target){.line = i + 1,
                              .port = 443,
                              .host = world->texts[i],
                              .sni = world->texts[i],
                              .pin_host = world->texts[i],
                              .tag = "",
                              .owner = "team-17@bench.example",
                              .application = "banking",
                              .addresses = &world->address,
                              .address_count = 1,
                              .probes = probe,
                              .probe_count = 1,
                              .dns_ns = 400000};
    *probe = (struct probe){.target = target,
                            .outcome = OUTCOME_SUCCESS,
                            .chain = chain,
                            .attempts = 1,
                            .facts = {.version = 0x0304,
                                      .cipher = 0x1301,
                                      .group = 29,
                                      .peer_signature = 0x0403,
                                      .alert = -1,
                                      .proof = PROOF_POSSESSION,
                                      .alpn = "http/1.1"},
                            .opened_ns = 1000000000,
                            .connected_ns = 1000100000,
                            .finished_ns = 1002000000};
    world->judgements[i] = (struct judgement){.target = target,
                                              .config = &world->config,
                                              .time_ms = INT64_C(1800000000000) + i,
                                              .judged_at_s = 1800000000,
                                              .status = OUTCOME_SUCCESS,
                                              .verdict = VERDICT_MATCH,
                                              .complete = true,
                                              .sets = world->sets,
                                              .units = world->units[i % CHAINS],
                                              .unit_count = SETS_MAX};
}

static void begin_sweep(struct world *world) {
    struct keeper_sweep sweep = {.config = &world->config,
                                 .name = "bench",
                                 .arguments = "[]",
                                 .settings = "{}",
                                 .metadata = "{}",
                                 .input = "bench"};
    struct keeper_resumed resumed;
    struct err_note note;
    const char *folder = getenv("TMPDIR");
    snprintf(world->folder, sizeof world->folder, "%.40s/pinsweep-XXXXXX",
             folder != NULL ? folder : "/tmp");
    CHECK(mkdtemp(world->folder) != NULL);
    snprintf(world->file, sizeof world->file, "%s/store.db", world->folder);
    CHECK(store_writer_open(world->file, &world->writer, &note) == ERR_NONE);
    const struct keeper *keeper = store_writer_keeper(world->writer);
    CHECK(keeper->begin(keeper->context, &sweep, &resumed, &note) == ERR_NONE);
}

static struct world *the_world(void) {
    static struct world *world;
    if (world != NULL) {
        return world;
    }
    world = calloc(1, sizeof *world);
    CHECK(world != NULL);
    struct span root = mint("Root", "Root", 1, true), issuer = mint("Issuer", "Root", 2, true);
    struct intern_config intern = {.chains_max = CHAINS, .seed = 11, .free_paths = path_set_free};
    trust_store_init(&world->trust);
    CHECK(trust_store_add(&world->trust, "system", &root, 1, NULL) == ERR_NONE);
    CHECK(intern_new(&intern, &world->intern, NULL) == ERR_NONE);
    CHECK(path_builder_new(&world->trust, &world->builder, NULL) == ERR_NONE);
    make_sets(world);
    world->config = (struct sweep_config){
        .trust = &world->trust, .pins = &world->pins, .at_unix_s = DATETIME_NONE};
    CHECK(netaddr_parse(span_str("192.0.2.7"), &world->address));
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(issuer.data, issuer.len, NULL);
    struct chain *chains[CHAINS];
    for (uint32_t i = 0; i < CHAINS; i++) {
        chains[i] = make_chain(world, buffer, 100 + i);
        for (int k = 0; k < SETS_MAX; k++) {
            world->units[i][k] = (struct verdict_unit){.verdict = VERDICT_MATCH,
                                                       .reason = "",
                                                       .pin = &world->pin_texts[k],
                                                       .cert = chains[i]->certs[k % 2]};
        }
    }
    for (uint32_t i = 0; i < TARGETS; i++) {
        make_target(world, i, chains[i % CHAINS]);
    }
    begin_sweep(world);
    return world;
}

static struct judgement *judgement_of(struct world *world, uint64_t n, int64_t sets) {
    struct judgement *judgement = &world->judgements[n % TARGETS];
    judgement->set_count = (size_t)sets;
    return judgement;
}

static void give(struct world *world, struct keeper_rows *rows) {
    const struct keeper *keeper = store_writer_keeper(world->writer);
    struct err_note note;
    CHECK(keeper->put(keeper->context, span_of(rows->bytes, rows->len), &note) == ERR_NONE);
    rows->len = 0;
}

static void commit(struct world *world) {
    const struct keeper *keeper = store_writer_keeper(world->writer);
    struct keeper_commit facts = {.metadata = "{}"};
    struct err_note note;
    CHECK(keeper->commit(keeper->context, &facts, &note) == ERR_NONE);
}

/* All chains are in the store before anything is measured. */
static void warm(struct world *world, struct keeper_rows *rows) {
    for (uint64_t i = 0; i < TARGETS; i++) {
        keeper_rows_add(rows, judgement_of(world, i, SETS_MAX));
    }
    give(world, rows);
    commit(world);
}

static void bench_rows(struct bench *bench) {
    struct world *world = the_world();
    struct keeper_rows rows = {0};
    uint64_t n = 0;
    warm(world, &rows);
    while (bench_next(bench, TARGETS)) {
        for (int i = 0; i < TARGETS; i++) {
            keeper_rows_add(&rows, judgement_of(world, n++, bench_arg(bench, 0)));
        }
        rows.len = 0;
    }
    keeper_rows_free(&rows);
    bench_time_each(bench, "target", 1);
}

static void bench_store(struct bench *bench) {
    struct world *world = the_world();
    struct keeper_rows rows = {0};
    uint64_t n = 0;
    warm(world, &rows);
    while (bench_next(bench, COMMIT_EVERY)) {
        for (int i = 0; i < COMMIT_EVERY; i++) {
            keeper_rows_add(&rows, judgement_of(world, n++, bench_arg(bench, 0)));
            if (rows.len >= BLOCK_BYTES) {
                give(world, &rows);
            }
        }
        give(world, &rows);
        commit(world);
    }
    keeper_rows_free(&rows);
    bench_time_each(bench, "target", 1);
}

static void bench_record(struct bench *bench) {
    struct world *world = the_world();
    static char line[RECORD_BYTES_MAX];
    uint64_t n = 0;
    while (bench_next(bench, TARGETS)) {
        for (int i = 0; i < TARGETS; i++) {
            CHECK(report_write(judgement_of(world, n++, bench_arg(bench, 0)), REPORT_FULL, line,
                               sizeof line) > 0);
            bench_use(line);
        }
    }
    bench_time_each(bench, "target", 1);
}

int main(int argc, char **argv) {
    static const int64_t sets[] = {0, 1, 4};
    for (size_t i = 0; i < ARRAY_COUNT(sets); i++) {
        bench_register("store/rows", bench_rows, NULL, &sets[i], 1);
        bench_register("store/rows_insert_commit", bench_store, NULL, &sets[i], 1);
        bench_register("store/ndjson_record", bench_record, NULL, &sets[i], 1);
    }
    int result = bench_main(argc, argv);
    struct world *world = the_world();
    char command[128];
    store_writer_close(world->writer);
    for (int i = 0; i < 3; i++) {
        static const char *const ends[] = {"", "-wal", "-shm"};
        snprintf(command, sizeof command, "%s%s", world->file, ends[i]);
        unlink(command);
    }
    rmdir(world->folder);
    return result;
}
