/* Loading large policies from a file, to the index bound and ready to be asked: ten pins a pin set,
   all distinct, a host each. Beside it, as the floor under any reader, the same bytes read and cut
   into lines. per_host_bytes is what stays: the index with all that it points to; peak_bytes a host
   is what the process grew by at its peak (of the largest case first run: a peak does not fall).
   With PINSWEEP_BENCH_LARGE in the environment also a million pin sets (1.2 GB of text). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/bench.h"
#include "engine/base/rng.h"
#include "engine/codec/text.h"
#include "engine/policy/import.h"
#include "engine/policy/policy.h"

#define PINS_A_SET 10

enum kind { CSV, NATIVE, OKHTTP };

static const char *const heads[] = {
    [CSV] = "app,owner,client,host,pin,role,expires\n",
    [NATIVE] = "version: 1\npin_sets:\n",
    [OKHTTP] = "",
};

static void write_pin(FILE *file, enum kind kind, int64_t set, int pin, const char *base64) {
    const char *role = pin == 0 ? "backup" : "active";
    switch (kind) {
    case CSV:
        fprintf(file,
                "app-%d,team-%d@bank.example,android,h%lld.z%lld.bank.example,sha256/"
                "%s,%s,2027-06-01\n",
                (int)(set % 1000), (int)(set % 50), (long long)set, (long long)set / 100, base64,
                role);
        break;
    case NATIVE:
        if (pin == 0) {
            fprintf(file,
                    "  - name: set-%lld\n    hosts: [h%lld.z%lld.bank.example]\n    client: "
                    "android\n    owner: team-%d@bank.example\n    pins:\n",
                    (long long)set, (long long)set, (long long)set / 100, (int)(set % 50));
        }
        fprintf(file, "      - {pin: \"sha256/%s\", role: %s}\n", base64, role);
        break;
    case OKHTTP:
        fprintf(file, pin == 0 ? "h%lld.z%lld.bank.example" : "", (long long)set,
                (long long)set / 100);
        fprintf(file, pin == PINS_A_SET - 1 ? " sha256/%s\n" : " sha256/%s", base64);
        break;
    }
}

/* A file that is gone when the descriptor is closed; its path is under /proc. */
static int make_file(enum kind kind, int64_t set_count, char path[64], int64_t *out_len) {
    char name[] = "/tmp/pinsweep-bench-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0 && unlink(name) == 0);
    FILE *file = fdopen(dup(fd), "w");
    struct rng rng;
    rng_init(&rng, 1);
    CHECK(file != NULL);
    fputs(heads[kind], file);
    for (int64_t set = 0; set < set_count; set++) {
        for (int pin = 0; pin < PINS_A_SET; pin++) {
            uint64_t digest[4];
            char base64[BASE64_SHA256_LEN + 1] = "";
            for (int i = 0; i < 4; i++) {
                digest[i] = rng_next(&rng);
            }
            base64_encode(base64, span_of(digest, sizeof digest));
            write_pin(file, kind, set, pin, base64);
        }
    }
    *out_len = ftell(file);
    CHECK(fclose(file) == 0);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static double peak_bytes(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)usage.ru_maxrss * 1024;
}

static void bench_load(struct bench *bench, enum kind kind) {
    int64_t set_count = bench_arg(bench, 0), len = 0;
    char path[64];
    int fd = make_file(kind, set_count, path, &len);
    struct trust_store *store = calloc(1, sizeof *store);
    double held = 0, peak = peak_bytes();
    CHECK(store != NULL);
    trust_store_init(store);
    store->count = 1; /* a profile of that name is all that binding asks for */
    store->profiles[0].name = strdup("system");
    while (bench_next(bench, 1)) {
        struct pin_index index;
        struct err_note note = {""};
        pin_index_init(&index, 1);
        CHECK(policy_load(path, IMPORT_AUTO, &index, store, &note) == ERR_NONE);
        CHECK(pin_index_bind(&index, store, &note) == ERR_NONE);
        CHECK(index.set_count == set_count);
        held = (double)(index.arena.used_bytes + index.pin_lists.used_bytes + index.map_len);
        pin_index_fini(&index);
    }
    bench_set_items(bench, set_count * PINS_A_SET);
    bench_set_bytes(bench, len);
    bench_counter(bench, "per_host_bytes", held / (double)set_count);
    bench_counter(bench, "peak_bytes", (peak_bytes() - peak) / (double)set_count);
    trust_store_fini(store);
    free(store);
    close(fd);
}

static void bench_csv(struct bench *bench) {
    bench_load(bench, CSV);
}

static void bench_native(struct bench *bench) {
    bench_load(bench, NATIVE);
}

static void bench_okhttp(struct bench *bench) {
    bench_load(bench, OKHTTP);
}

/* The floor under bench_csv(). */
static void bench_lines(struct bench *bench) {
    int64_t set_count = bench_arg(bench, 0), len = 0;
    char path[64];
    int fd = make_file(CSV, set_count, path, &len);
    while (bench_next(bench, 1)) {
        uint8_t *bytes = NULL;
        size_t byte_count = 0, lines = 0;
        CHECK(policy_read_file(path, &bytes, &byte_count, NULL) == ERR_NONE);
        for (struct span rest = span_of(bytes, byte_count); rest.len > 0; lines++) {
            span_take(&rest, span_find(rest, '\n') + 1);
        }
        bench_use(&lines);
        free(bytes);
    }
    bench_set_items(bench, set_count * PINS_A_SET);
    bench_set_bytes(bench, len);
    close(fd);
}

int main(int argc, char **argv) {
    static const int64_t counts[] = {10000, 100000, 1000000};
    size_t count = getenv("PINSWEEP_BENCH_LARGE") != NULL ? 3 : 2;
    for (size_t i = 0; i < count; i++) {
        bench_register("csv/pin sets", bench_csv, NULL, &counts[i], 1);
        bench_register("csv as lines/pin sets", bench_lines, NULL, &counts[i], 1);
        bench_register("okhttp/pin sets", bench_okhttp, NULL, &counts[i], 1);
        bench_register("native/pin sets", bench_native, NULL, &counts[i], 1);
    }
    return bench_main(argc, argv);
}
