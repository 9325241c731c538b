/* SHA-256 of batches of equal and of mixed messages, each kernel of this CPU beside BoringSSL's
   SHA256(). Sizes: SubjectPublicKeyInfo of P-256 (91), P-384 (120), RSA-2048 (294), RSA-4096 (550),
   whole certificates (1000 to 1800). "each" is the time of one message. */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "engine/base/attributes.h"
#include "engine/base/rng.h"
#include "engine/codec/sha256.h"

#define SLOT 3072 /* bytes around each message */
#define MIXED 0   /* in place of a size: the keys of a sweep */

static const int64_t sizes[] = {91, 120, 294, 550, 1000, 1200, 1800, MIXED};
static const int64_t batches[] = {1, 2, 4, 7, 8, 12, 16, 31, 32, 64, 256, 1024};

struct work {
    size_t count, bytes;
    uint8_t *data;
    struct span *messages;
    uint8_t (*digests)[SHA256_LEN];
};

static size_t message_len(int64_t size, struct rng *rng) {
    static const uint16_t keys[] = {91, 91, 91, 294, 294, 120, 550};
    return size != MIXED ? (size_t)size : keys[rng_below(rng, ARRAY_COUNT(keys))];
}

static struct work work_new(struct bench *bench) {
    struct rng rng;
    rng_init(&rng, 1);
    struct work work = {.count = (size_t)bench_arg(bench, 1)};
    size_t room = work.count * SLOT;
    work.data = malloc(room);
    work.messages = calloc(work.count, sizeof *work.messages);
    work.digests = calloc(work.count, sizeof *work.digests);
    for (size_t i = 0; i < room; i++) {
        work.data[i] = (uint8_t)rng_next(&rng);
    }
    for (size_t i = 0; i < work.count; i++) {
        size_t len = message_len(bench_arg(bench, 0), &rng);
        /* inside a certificate, at no address in particular: no cache set is favoured */
        work.messages[i] = span_of(work.data + i * SLOT + rng_below(&rng, SLOT - 1800), len);
        work.bytes += len;
    }
    return work;
}

static void work_free(struct bench *bench, struct work *work) {
    bench_set_items(bench, (int64_t)work->count);
    bench_set_bytes(bench, (int64_t)work->bytes);
    bench_time_each(bench, "each", (int64_t)work->count);
    free(work->data);
    free(work->messages);
    free(work->digests);
}

static void bench_batch(struct bench *bench) {
    static struct sha256_batch batch;
    CHECK(sha256_force_kernel(bench_context(bench)));
    struct work work = work_new(bench);
    sha256_batch_init(&batch);
    while (bench_next(bench, 1)) {
        for (size_t i = 0; i < work.count; i++) {
            sha256_batch_add(&batch, work.messages[i], work.digests[i]);
        }
        sha256_batch_flush(&batch);
        bench_use(work.digests);
    }
    work_free(bench, &work);
}

static void bench_one_shot(struct bench *bench) {
    struct work work = work_new(bench);
    while (bench_next(bench, 1)) {
        for (size_t i = 0; i < work.count; i++) {
            SHA256(work.messages[i].data, work.messages[i].len, work.digests[i]);
        }
        bench_use(work.digests);
    }
    work_free(bench, &work);
}

int main(int argc, char **argv) {
    static char titles[4][32];
    const char *names[4];
    size_t count = sha256_kernels_available(names);
    for (size_t s = 0; s < ARRAY_COUNT(sizes); s++) {
        for (size_t b = 0; b < ARRAY_COUNT(batches); b++) {
            const int64_t args[] = {sizes[s], batches[b]};
            bench_register("boringssl", bench_one_shot, NULL, args, 2);
            for (size_t k = 0; k < count; k++) {
                snprintf(titles[k], sizeof titles[k], "batch_%s", names[k]);
                bench_register(titles[k], bench_batch, (void *)(uintptr_t)names[k], args, 2);
            }
        }
    }
    return bench_main(argc, argv);
}
