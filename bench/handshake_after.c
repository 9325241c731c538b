#include <openssl/pool.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/handshake.h"
#include "engine/base/rng.h"
#include "engine/policy/policy.h"
#include "engine/sweep/judge.h"
#include "engine/sweep/report.h"

#define BATCH 32 /* targets of one tick of the worker */
#define RECORD_CAPACITY (64 * 1024)

/* What the stages behind the handshake work with, set up as the command line does. */
struct after {
    struct trust_store store;
    struct pin_index pins;
    struct sweep_config config;
    struct judge judge;
    struct intern *intern;
    struct fleet_cache *cache;
    struct target targets[BATCH];
    char *record;
    bool is_rsa;
};

static void after_init(struct after *after, const struct measure_fleet *served,
                       const struct fleet *fleet) {
    struct err_note note;
    char policy[MEASURE_PATH_MAX];
    struct intern_config intern = {.chains_max = CHAIN_TABLE_DEFAULT,
                                   .seed = random_u64(),
                                   .free_paths = path_set_free,
                                   .free_paths_context = NULL};
    measure_fleet_path(served, "policy.yaml", policy);
    trust_store_init(&after->store);
    pin_index_init(&after->pins, random_u64());
    CHECK(policy_load_native(policy, &after->pins, &after->store, &note) == ERR_NONE);
    CHECK(pin_index_bind(&after->pins, &after->store, &note) == ERR_NONE);
    after->config = (struct sweep_config){.trust = &after->store,
                                          .pins = &after->pins,
                                          .at_unix_s = DATETIME_NONE,
                                          .use_sni = true,
                                          .key_views = {KEY_VIEW_ANY},
                                          .key_view_count = 1,
                                          .sweep_id = "20260101T000000Z-00000000"};
    CHECK(judge_init(&after->judge, &after->config, &note) == ERR_NONE);
    CHECK(intern_new(&intern, &after->intern, &note) == ERR_NONE);
    after->cache = fleet_cache_new(fleet);
    after->record = malloc(RECORD_CAPACITY);
    CHECK(after->cache != NULL && after->record != NULL);
}

static void after_fini(struct after *after) {
    intern_free(after->intern);
    judge_fini(&after->judge);
    pin_index_fini(&after->pins);
    trust_store_fini(&after->store);
    fleet_cache_free(after->cache);
    free(after->record);
}

static void target_make(struct after *after, struct target *target, uint32_t index) {
    static struct inventory_target entry;
    char name[32];
    snprintf(name, sizeof name, "h%u.fleet.test", index);
    entry = (struct inventory_target){.line = index,
                                      .host = name,
                                      .sni = name,
                                      .pin_host = name,
                                      .tag = "",
                                      .owner = "",
                                      .application = "",
                                      .has_connect = true,
                                      .connect.family = 4,
                                      .port = 443};
    fleet_address_of(index, entry.connect.bytes);
    *target = (struct target){0};
    CHECK(target_init(target, &entry, NULL, true));
    CHECK(target_make_probes(target, after->config.key_views, 1, false));
    target->state = TARGET_PROBING;
}

/* As the worker's collect, judge and report. */
static void batch_collect(struct after *after, CRYPTO_BUFFER *const chains[BATCH][FLEET_CHAIN_MAX],
                          const size_t counts[BATCH]) {
    static const struct tls_facts facts = {.version = 0x0304,
                                           .cipher = 0x1301,
                                           .group = 29,
                                           .peer_signature = 0x0403,
                                           .alert = -1,
                                           .depth = DEPTH_COMPLETE,
                                           .proof = PROOF_POSSESSION};
    for (uint32_t i = 0; i < BATCH; i++) {
        struct probe *probe = after->targets[i].probes;
        probe->facts = facts;
        probe->chain = intern_chain(after->intern, chains[i], counts[i]);
        probe->outcome = OUTCOME_SUCCESS;
        probe->state = PROBE_DONE;
        probe->attempts = 1;
        probe->opened_ns = 1000;
        probe->connected_ns = 2000;
        probe->finished_ns = 300000;
        after->targets[i].probes_done = 1;
        after->targets[i].state = TARGET_JUDGING;
    }
}

static void batch_judge(struct after *after) {
    intern_flush(after->intern);
    int64_t wall_ms = clock_wall_ms(&clock_system);
    for (uint32_t i = 0; i < BATCH; i++) {
        struct target *target = &after->targets[i];
        struct judgement judgement;
        judge_target(&after->judge, target, wall_ms, &judgement);
        CHECK(judgement.status == OUTCOME_SUCCESS);
        CHECK(report_write(&judgement, REPORT_FULL, after->record, RECORD_CAPACITY) > 0);
        intern_release(after->intern, target->probes[0].chain);
        target_fini(target);
    }
}

/* CPU of one batch; the chains are copies, as a handshake would have brought them. */
static uint64_t batch_run(struct after *after, uint32_t first) {
    CRYPTO_BUFFER *chains[BATCH][FLEET_CHAIN_MAX];
    size_t counts[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        uint32_t index = (first + i) % MEASURE_IDENTITIES + 1;
        uint8_t ipv4[4];
        fleet_address_of(index, ipv4);
        const struct fleet_identity *identity =
            fleet_cache_find(after->cache, ipv4, span_of(NULL, 0), after->is_rsa);
        counts[i] = identity->chain_len;
        for (size_t c = 0; c < counts[i]; c++) {
            chains[i][c] = CRYPTO_BUFFER_new(CRYPTO_BUFFER_data(identity->chain[c]),
                                             CRYPTO_BUFFER_len(identity->chain[c]), NULL);
            CHECK(chains[i][c] != NULL);
        }
        target_make(after, &after->targets[i], index);
    }
    uint64_t start_ns = measure_thread_cpu_ns();
    batch_collect(after, chains, counts);
    batch_judge(after);
    uint64_t spent_ns = measure_thread_cpu_ns() - start_ns;
    for (uint32_t i = 0; i < BATCH; i++) {
        for (size_t c = 0; c < counts[i]; c++) {
            CRYPTO_BUFFER_free(chains[i][c]);
        }
    }
    return spent_ns;
}

double handshake_after_us(const struct measure_fleet *served, const struct fleet *fleet,
                          bool is_rsa, uint32_t count) {
    struct after *after = calloc(1, sizeof *after);
    uint64_t spent_ns = 0, done = 0;
    CHECK(after != NULL);
    after_init(after, served, fleet);
    after->is_rsa = is_rsa;
    for (uint32_t learned = 0; learned < MEASURE_IDENTITIES; learned += BATCH) {
        batch_run(after, learned);
    }
    while (done < count) {
        spent_ns += batch_run(after, (uint32_t)done);
        done += BATCH;
    }
    after_fini(after);
    free(after);
    return (double)spent_ns / (double)done / 1000.0;
}
