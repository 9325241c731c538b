#include "engine/codec/sha256.h"

#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "engine/base/attributes.h"
#include "engine/codec/sha256_kernels.h"

const uint32_t sha256_k[64] ALIGN_CACHE = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

const uint32_t sha256_initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* --- the table of kernels --- */

struct kernel {
    const char *name;
    unsigned needs; /* CPU_ bits */
    size_t lanes;   /* of `wide`; 0 if there is none */
    /* Messages that `wide` must have in work, on average over its steps, to beat `two`; its start
       and end cost about half a step. */
    size_t break_even;
    void (*wide)(const struct sha256_message *const *messages, size_t count);
    void (*two)(const struct sha256_message *a, const struct sha256_message *b);
    void (*one)(const struct sha256_message *message);
};

enum { CPU_AVX512 = 1, CPU_SHANI = 2, CPU_AVX2 = 4 };

static void scalar_one(const struct sha256_message *message) {
    SHA256(message->data, message->len, message->out);
}

static void scalar_two(const struct sha256_message *a, const struct sha256_message *b) {
    scalar_one(a);
    scalar_one(b);
}

/* Best first. */
static const struct kernel kernels[] = {
#if defined(__x86_64__)
    {"avx512", CPU_AVX512 | CPU_SHANI, SHA256_AVX512_LANES, 8, sha256_avx512_x16, sha256_shani_x2,
     sha256_shani_x1},
    {"avx512", CPU_AVX512, SHA256_AVX512_LANES, 4, sha256_avx512_x16, scalar_two, scalar_one},
    {"shani", CPU_SHANI, 0, 0, NULL, sha256_shani_x2, sha256_shani_x1},
    {"avx2", CPU_AVX2, SHA256_AVX2_LANES, 3, sha256_avx2_x8, scalar_two, scalar_one},
#endif
    {"scalar", 0, 0, 0, NULL, scalar_two, scalar_one},
};

static unsigned cpu_features(void) {
    unsigned features = 0;
#if defined(__x86_64__)
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl")) {
        features |= CPU_AVX512;
    }
    if (__builtin_cpu_supports("avx2")) {
        features |= CPU_AVX2;
    }
    /* CPUID.7.0:EBX bit 29; compilers of 2022 have no name for it */
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & (1u << 29)) != 0 &&
        __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3")) {
        features |= CPU_SHANI;
    }
#endif
    return features;
}

/* The best kernel of this name, or of all if it is NULL; NULL if the CPU has none. */
static const struct kernel *kernel_find(const char *name) {
    unsigned features = cpu_features();
    for (size_t i = 0; i < ARRAY_COUNT(kernels); i++) {
        if ((kernels[i].needs & ~features) == 0 &&
            (name == NULL || strcmp(kernels[i].name, name) == 0)) {
            return &kernels[i];
        }
    }
    return NULL;
}

/* Set once; threads that race for the first use find the same. */
static _Atomic(const struct kernel *) chosen;

static const struct kernel *kernel_choose(void) {
    const struct kernel *kernel = kernel_find(getenv("PINSWEEP_SHA256"));
    if (kernel == NULL) { /* a name that this CPU has not: as if none were given */
        kernel = kernel_find(NULL);
    }
    atomic_store_explicit(&chosen, kernel, memory_order_relaxed);
    return kernel;
}

static inline const struct kernel *kernel_in_use(void) {
    const struct kernel *kernel = atomic_load_explicit(&chosen, memory_order_relaxed);
    return LIKELY(kernel != NULL) ? kernel : kernel_choose();
}

const char *sha256_kernel(void) {
    return kernel_in_use()->name;
}

size_t sha256_kernels_available(const char *out_names[4]) {
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(kernels); i++) {
        if (kernel_find(kernels[i].name) == &kernels[i]) {
            out_names[count++] = kernels[i].name;
        }
    }
    return count;
}

bool sha256_force_kernel(const char *name) {
    const struct kernel *kernel = name != NULL ? kernel_find(name) : NULL;
    if (kernel == NULL) {
        return false;
    }
    atomic_store_explicit(&chosen, kernel, memory_order_relaxed);
    return true;
}

/* --- batches --- */

/* Messages of more blocks share the last bin: their order among themselves is lost, which costs
   time, never a digest. */
#define SORT_BINS 64

/* Counting sort by block count, longest first. */
static void batch_sort(const struct sha256_batch *batch,
                       const struct sha256_message *sorted[SHA256_BATCH_MAX]) {
    uint16_t starts[SORT_BINS + 1] = {0};
    uint8_t bins[SHA256_BATCH_MAX];
    size_t first = SORT_BINS, last = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        size_t blocks = sha256_blocks(batch->messages[i].len);
        size_t bin = SORT_BINS - (blocks < SORT_BINS ? blocks : SORT_BINS);
        bins[i] = (uint8_t)bin;
        starts[bin + 1]++;
        first = bin < first ? bin : first;
        last = bin > last ? bin : last;
    }
    for (size_t bin = first + 1; bin <= last; bin++) {
        starts[bin] = (uint16_t)(starts[bin] + starts[bin - 1]);
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        sorted[starts[bins[i]]++] = &batch->messages[i];
    }
}

/* A wide kernel takes as long as its longest message whatever the others are. */
static bool wide_pays(const struct kernel *kernel, const struct sha256_message *const *messages,
                      size_t count) {
    size_t max = sha256_blocks(messages[0]->len), min = sha256_blocks(messages[count - 1]->len);
    if (max < SORT_BINS && 2 * count * min >= kernel->break_even * (2 * max + 1)) {
        return true; /* the usual case: sorted, and nearly equal */
    }
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        size_t blocks = sha256_blocks(messages[i]->len);
        sum += blocks;
        max = blocks > max ? blocks : max;
    }
    return 2 * sum >= kernel->break_even * (2 * max + 1);
}

static void run_sorted(const struct kernel *kernel, const struct sha256_message *const *messages,
                       size_t count) {
    for (size_t at = 0; at < count;) {
        size_t left = count - at, window = left < kernel->lanes ? left : kernel->lanes;
        if (window >= 2 && wide_pays(kernel, messages + at, window)) {
            kernel->wide(messages + at, window);
            at += window;
        } else if (left >= 2) {
            kernel->two(messages[at], messages[at + 1]);
            at += 2;
        } else {
            kernel->one(messages[at]);
            at++;
        }
    }
}

void sha256_batch_init(struct sha256_batch *batch) {
    batch->count = 0;
}

void sha256_batch_add(struct sha256_batch *batch, struct span message, uint8_t out[SHA256_LEN]) {
    DCHECK(batch->count < SHA256_BATCH_MAX);
    batch->messages[batch->count++] = (struct sha256_message){message.data, message.len, out};
    if (batch->count == SHA256_BATCH_MAX) {
        sha256_batch_flush(batch);
    }
}

void sha256_batch_flush(struct sha256_batch *batch) {
    const struct kernel *kernel = kernel_in_use();
    if (batch->count == 1) {
        kernel->one(&batch->messages[0]);
    } else if (batch->count == 2) {
        kernel->two(&batch->messages[0], &batch->messages[1]);
    } else if (batch->count > 2) {
        const struct sha256_message *sorted[SHA256_BATCH_MAX];
        batch_sort(batch, sorted);
        run_sorted(kernel, sorted, batch->count);
    }
    batch->count = 0;
}

void sha256_once(struct span message, uint8_t out[SHA256_LEN]) {
    const struct sha256_message one = {message.data, message.len, out};
    kernel_in_use()->one(&one);
}

/* --- incremental --- */

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((struct sha256_stream *)0)->opaque),
               "sha256_stream holds a SHA256_CTX");

static SHA256_CTX *stream_context(struct sha256_stream *stream) {
    return (SHA256_CTX *)(void *)stream->opaque;
}

void sha256_stream_init(struct sha256_stream *stream) {
    SHA256_Init(stream_context(stream));
}

void sha256_stream_add(struct sha256_stream *stream, struct span bytes) {
    if (bytes.len > 0) {
        SHA256_Update(stream_context(stream), bytes.data, bytes.len);
    }
}

void sha256_stream_finish(struct sha256_stream *stream, uint8_t out[SHA256_LEN]) {
    SHA256_Final(out, stream_context(stream));
}
