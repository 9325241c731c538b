/* X25519 shared secrets: eight points at once with AVX-512 IFMA beside BoringSSL's X25519(), and
   batches that are not full. "each" is the time of one secret. */
#include <openssl/curve25519.h>

#include "bench/bench.h"
#include "engine/base/rng.h"
#include "engine/net/x25519.h"

static uint8_t scalar[X25519_LEN], points[X25519_BATCH_MAX][X25519_LEN];

static void bench_batch(struct bench *bench) {
    const char *kernel = bench_context(bench);
    size_t count = (size_t)bench_arg(bench, 0);
    uint8_t out[X25519_BATCH_MAX][X25519_LEN];
    if (!x25519_force_kernel(kernel)) {
        bench_skip(bench, "this CPU has no AVX-512 IFMA");
        return;
    }
    while (bench_next(bench, 1)) {
        x25519_batch(scalar, (const uint8_t(*)[X25519_LEN])points, count, out);
        bench_use(out);
    }
    bench_set_items(bench, (int64_t)count);
    bench_time_each(bench, "each", (int64_t)count);
}

static void bench_boringssl(struct bench *bench) {
    uint8_t out[X25519_LEN];
    while (bench_next(bench, 1)) {
        X25519(out, scalar, points[0]);
        bench_use(out);
    }
    bench_set_items(bench, 1);
    bench_time_each(bench, "each", 1);
}

int main(int argc, char **argv) {
    random_bytes(scalar, sizeof scalar);
    random_bytes(points, sizeof points);
    bench_register("boringssl", bench_boringssl, NULL, NULL, 0);
    for (int64_t count = 1; count <= X25519_BATCH_MAX; count *= 2) {
        bench_register("ifma", bench_batch, (void *)(uintptr_t) "ifma", &count, 1);
    }
    return bench_main(argc, argv);
}
