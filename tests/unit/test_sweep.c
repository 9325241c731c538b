/* The whole engine in one process, mostly for TSan: several workers, the writer, the inventory's
   thread, the listener; to the end, interrupted, and failing in each of these places. */
#include "engine/sweep/sweep.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/codec/base64.h"
#include "engine/policy/policy.h"
#include "tests/support/serve.h"
#include "tests/support/suite.h"

#define LINES 500
#define SERVERS 4

/* --- servers --- */

struct fleet {
    SSL_CTX *context;
    struct serve tls[SERVERS], silent;
    uint16_t refused;
};

/* Signals are for sweep_run(): no other thread of this program may be given one. */
static void block_signals(void) {
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
}

static void fleet_start(struct fleet *fleet) {
    block_signals();
    fleet->context = peer_context_new(&(struct peer_spec){.key = MINT_P256});
    for (int i = 0; i < SERVERS; i++) {
        fleet->tls[i] = (struct serve){.script = SERVE_TLS, .context = fleet->context};
        CU_ASSERT_FATAL(serve_start(&fleet->tls[i]));
    }
    fleet->silent = (struct serve){.script = SERVE_SILENT};
    CU_ASSERT_FATAL(serve_start(&fleet->silent));
    fleet->refused = serve_free_port();
}

static void fleet_stop(struct fleet *fleet) {
    for (int i = 0; i < SERVERS; i++) {
        serve_stop(&fleet->tls[i]);
    }
    serve_stop(&fleet->silent);
    SSL_CTX_free(fleet->context);
}

/* --- what a sweep needs --- */

struct bed {
    struct fleet fleet;
    char folder[64], inventory[96], records[96], chains[96];
    struct trust_store store;
    struct pin_index pins;
    struct sweep_config config;
    struct sweep_result result;
    struct err_note note;
    /* what the listener was told */
    atomic_uint told[LINES + 2];
    atomic_uint told_sum, wrong;
    unsigned interrupt_after; /* 0: never */
};

static void on_target(void *context, const struct judgement *judgement) {
    struct bed *bed = context;
    uint64_t line = judgement->target->line;
    if (line < ARRAY_COUNT(bed->told)) {
        atomic_fetch_add(&bed->told[line], 1);
    }
    bool matches = judgement->verdict == VERDICT_MATCH;
    if (matches != (judgement->status == OUTCOME_SUCCESS)) {
        atomic_fetch_add(&bed->wrong, 1);
    }
    if (atomic_fetch_add(&bed->told_sum, 1) + 1 == bed->interrupt_after) {
        kill(getpid(), SIGINT);
    }
}

static const struct sweep_listener listener_template = {.on_target = on_target};

/* One pin set, the leaf's key by its SPKI, so that every success is a match. */
static void load_policy(struct bed *bed) {
    uint8_t digest[SHA256_LEN];
    char pin[64], yaml[512];
    mint_spki_sha256(peer_key(MINT_P256), digest);
    pin[base64_encode(pin, span_of(digest, sizeof digest))] = '\0';
    int len = snprintf(yaml, sizeof yaml,
                       "version: 1\npin_sets:\n  - name: peers\n    hosts: [peer.example]\n"
                       "    scope: leaf\n    trust: [none]\n    pins: [\"sha256/%s\"]\n",
                       pin);
    struct span leaf = peer_leaf(MINT_P256);
    trust_store_init(&bed->store);
    pin_index_init(&bed->pins, suite_seed());
    CU_ASSERT_EQUAL_FATAL(trust_store_add(&bed->store, "system", &leaf, 1, &bed->note), ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(policy_parse_native(span_of((const uint8_t *)yaml, (size_t)len),
                                              "policy.yaml", &bed->pins, &bed->store, &bed->note),
                          ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(pin_index_bind(&bed->pins, &bed->store, &bed->note), ERR_NONE);
}

static struct bed *bed_new(struct sweep_listener *listener) {
    struct bed *bed = calloc(1, sizeof *bed);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bed);
    log_set_quiet(true);
    strcpy(bed->folder, "/tmp/pinsweep-sweep-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(bed->folder));
    snprintf(bed->inventory, sizeof bed->inventory, "%s/inventory", bed->folder);
    snprintf(bed->records, sizeof bed->records, "%s/records", bed->folder);
    snprintf(bed->chains, sizeof bed->chains, "%s/chains", bed->folder);
    fleet_start(&bed->fleet);
    load_policy(bed);
    *listener = listener_template;
    listener->context = bed;
    bed->config = (struct sweep_config){
        .inventory = {.file = bed->inventory, .default_port = 443, .seed = 1, .shards = 1},
        .trust = &bed->store,
        .pins = &bed->pins,
        .at_unix_s = 1800000000,
        .workers = 4,
        .concurrency = 64,
        .connect_timeout_ns = 60 * NS_PER_S,
        .io_timeout_ns = 60 * NS_PER_S,
        .target_timeout_ns = 120 * NS_PER_S,
        .use_sni = true,
        .ipv4 = true,
        .ipv6 = true,
        .tls = {.min_version = 0x0303, .max_version = 0x0304},
        .key_views = {KEY_VIEW_ANY},
        .key_view_count = 1,
        .chains_max = 64,
        .output_file = bed->records,
        .chains_file = bed->chains,
        .listener = listener,
        .quiet = true,
        .sweep_id = "test",
    };
    return bed;
}

static void bed_free(struct bed *bed) {
    fleet_stop(&bed->fleet);
    trust_store_fini(&bed->store);
    pin_index_fini(&bed->pins);
    unlink(bed->inventory);
    unlink(bed->records);
    unlink(bed->chains);
    rmdir(bed->folder);
    free(bed);
}

/* LINES lines, spread over the servers; every `silent_every`th one is silent, every tenth refused.
   Each line has its number in it, for nothing else does. */
static void write_inventory(struct bed *bed, unsigned silent_every) {
    FILE *file = fopen(bed->inventory, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    for (unsigned line = 1; line <= LINES; line++) {
        unsigned port = bed->fleet.tls[line % SERVERS].port;
        if (silent_every != 0 && line % silent_every == 0) {
            port = bed->fleet.silent.port;
        } else if (line % 10 == 0) {
            port = bed->fleet.refused;
        }
        fprintf(file, "127.0.0.1,peer.example,line%u,%u\n", line, port);
    }
    CU_ASSERT_EQUAL(fclose(file), 0);
}

/* Lines of a file; all of them whole, or 0. */
static unsigned count_lines(const char *name) {
    unsigned lines = 0;
    int last = '\n', byte;
    FILE *file = fopen(name, "r");
    while (file != NULL && (byte = fgetc(file)) != EOF) {
        lines += byte == '\n';
        last = byte;
    }
    if (file != NULL) {
        fclose(file);
    }
    return last == '\n' ? lines : 0;
}

static enum err run(struct bed *bed) {
    return sweep_run(&bed->config, &bed->result, &bed->note);
}

static uint64_t sum(const uint64_t *counts, size_t count) {
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        all += counts[i];
    }
    return all;
}

/* The listener, the file and the counts tell of the same targets, each at most once. */
static void check_agreement(const struct bed *bed) {
    unsigned twice = 0;
    for (size_t line = 0; line < ARRAY_COUNT(bed->told); line++) {
        twice += bed->told[line] > 1;
    }
    CU_ASSERT_EQUAL(twice, 0);
    CU_ASSERT_EQUAL(bed->wrong, 0);
    CU_ASSERT_EQUAL(bed->told_sum, bed->result.targets);
    CU_ASSERT_EQUAL(count_lines(bed->records), bed->result.targets);
    CU_ASSERT_EQUAL(sum(bed->result.statuses, OUTCOME_COUNT), bed->result.targets);
    CU_ASSERT_EQUAL(sum(bed->result.verdicts, VERDICT_COUNT), bed->result.targets);
}

/* --- tests --- */

static void check_whole(struct bed *bed) {
    CU_ASSERT_EQUAL(bed->result.targets, LINES);
    CU_ASSERT_EQUAL(bed->result.statuses[OUTCOME_SUCCESS], LINES - LINES / 10);
    CU_ASSERT_EQUAL(bed->result.statuses[OUTCOME_CONNECTION_REFUSED], LINES / 10);
    CU_ASSERT_EQUAL(count_lines(bed->chains), 1);
    check_agreement(bed);
}

static void test_file(void) {
    struct sweep_listener listener;
    struct bed *bed = bed_new(&listener);
    write_inventory(bed, 0);
    CU_ASSERT_EQUAL(run(bed), ERR_NONE);
    check_whole(bed);
    bed_free(bed);
}

struct feeder {
    const char *from;
    int to;
};

/* In pieces that are no lines, with pauses: the inventory's thread waits, and so do the workers. */
static void *feed(void *context) {
    struct feeder *feeder = context;
    int from = open(feeder->from, O_RDONLY | O_CLOEXEC);
    char piece[1000];
    ssize_t len;
    while ((len = read(from, piece, sizeof piece)) > 0) {
        (void)!write(feeder->to, piece, (size_t)len);
        usleep(2000);
    }
    close(from);
    close(feeder->to);
    return NULL;
}

static void test_pipe(void) {
    struct sweep_listener listener;
    struct bed *bed = bed_new(&listener);
    write_inventory(bed, 0);
    int fds[2];
    char name[32];
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    struct feeder feeder = {.from = bed->inventory, .to = fds[1]};
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, feed, &feeder), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", fds[0]);
    bed->config.inventory.file = name;
    CU_ASSERT_EQUAL(run(bed), ERR_NONE);
    pthread_join(thread, NULL);
    close(fds[0]);
    check_whole(bed);
    bed_free(bed);
}

static void test_interrupted(void) {
    struct sweep_listener listener;
    struct bed *bed = bed_new(&listener);
    write_inventory(bed, 25);
    bed->interrupt_after = 100;
    CU_ASSERT_EQUAL(run(bed), ERR_INTERRUPTED);
    CU_ASSERT(bed->result.interrupted);
    CU_ASSERT(bed->result.targets >= 100);
    CU_ASSERT(bed->result.statuses[OUTCOME_CANCELLED] > 0);
    check_agreement(bed);
    bed_free(bed);
}

static void test_output_fails(void) {
    struct sweep_listener listener;
    struct bed *bed = bed_new(&listener);
    write_inventory(bed, 0);
    bed->config.output_file = "/dev/full";
    CU_ASSERT_EQUAL(run(bed), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(bed->note.text, "/dev/full"));
    bed_free(bed);
}

static void test_workers_fail(void) {
    struct sweep_listener listener;
    struct bed *bed = bed_new(&listener);
    write_inventory(bed, 0);
    bed->config.dns_servers = "no address";
    CU_ASSERT_NOT_EQUAL(run(bed), ERR_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(bed->note.text, "no address"));
    CU_ASSERT_EQUAL(bed->result.targets, 0);
    check_agreement(bed);
    bed_free(bed);
}

static void test_bad_line_of_pipe(void) {
    struct sweep_listener listener;
    struct bed *bed = bed_new(&listener);
    write_inventory(bed, 0);
    FILE *file = fopen(bed->inventory, "a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs("127.0.0.1,bad name,,443\n", file);
    fclose(file);
    int fds[2];
    char name[32];
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    struct feeder feeder = {.from = bed->inventory, .to = fds[1]};
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, feed, &feeder), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", fds[0]);
    bed->config.inventory.file = name;
    bed->config.inventory.strict = true;
    CU_ASSERT_EQUAL(run(bed), ERR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(bed->note.text, ":501:"));
    pthread_join(thread, NULL);
    close(fds[0]);
    check_agreement(bed);
    bed_free(bed);
}

SUITE_MAIN("sweep", {"a file", test_file}, {"a pipe", test_pipe}, {"interrupted", test_interrupted},
           {"the output fails", test_output_fails}, {"the workers fail", test_workers_fail},
           {"a bad line of a pipe", test_bad_line_of_pipe})
