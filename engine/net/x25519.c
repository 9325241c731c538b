#include "engine/net/x25519.h"

#include <openssl/curve25519.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "engine/base/attributes.h"
#include "engine/net/x25519_kernels.h"

enum kernel {
    KERNEL_UNKNOWN,
    KERNEL_SCALAR,
    KERNEL_IFMA,      /* for what it is faster at */
    KERNEL_IFMA_ONLY, /* forced: for one point too */
};

/* Points from which one call of the kernel costs less than as many of BoringSSL
   (bench/bench_x25519). */
#define IFMA_BREAK_EVEN 2

static bool cpu_has_ifma(void) {
#if defined(__x86_64__)
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    __builtin_cpu_init();
    /* CPUID.7.0:EBX bit 21. What the system saves of the registers is asked for by "avx512f". */
    return __builtin_cpu_supports("avx512f") &&
           __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & (1u << 21)) != 0;
#else
    return false;
#endif
}

/* Set once; threads that race for the first use find the same. */
static _Atomic(enum kernel) chosen;

static enum kernel kernel_choose(void) {
    const char *wish = getenv("PINSWEEP_X25519");
    bool scalar = wish != NULL && strcmp(wish, "scalar") == 0;
    enum kernel kernel = !scalar && cpu_has_ifma() ? KERNEL_IFMA : KERNEL_SCALAR;
    atomic_store_explicit(&chosen, kernel, memory_order_relaxed);
    return kernel;
}

static enum kernel kernel_in_use(void) {
    enum kernel kernel = atomic_load_explicit(&chosen, memory_order_relaxed);
    return kernel != KERNEL_UNKNOWN ? kernel : kernel_choose();
}

const char *x25519_kernel(void) {
    return kernel_in_use() == KERNEL_SCALAR ? "scalar" : "ifma";
}

bool x25519_force_kernel(const char *name) {
    enum kernel kernel = KERNEL_UNKNOWN;
    if (name != NULL && strcmp(name, "scalar") == 0) {
        kernel = KERNEL_SCALAR;
    } else if (name != NULL && strcmp(name, "ifma") == 0 && cpu_has_ifma()) {
        kernel = KERNEL_IFMA_ONLY;
    } else if (name != NULL) {
        return false;
    }
    atomic_store_explicit(&chosen, kernel, memory_order_relaxed);
    return true;
}

static bool is_zero(const uint8_t bytes[X25519_LEN]) {
    static const uint8_t zero[X25519_LEN];
    return memcmp(bytes, zero, X25519_LEN) == 0;
}

static bool use_ifma(size_t count) {
    switch (kernel_in_use()) {
    case KERNEL_UNKNOWN:
    case KERNEL_SCALAR:
        return false;
    case KERNEL_IFMA:
        return count >= IFMA_BREAK_EVEN;
    case KERNEL_IFMA_ONLY:
        return true;
    }
    return false;
}

static void batch_scalar(const uint8_t scalar[X25519_LEN], const uint8_t points[][X25519_LEN],
                         size_t count, uint8_t out[][X25519_LEN]) {
    for (size_t i = 0; i < count; i++) {
        uint8_t point[X25519_LEN];
        memcpy(point, points[i], X25519_LEN);
        X25519(out[i], scalar, point); /* what it refuses it leaves all zero */
    }
}

static void batch_ifma(const uint8_t scalar[X25519_LEN], const uint8_t points[][X25519_LEN],
                       size_t count, uint8_t out[][X25519_LEN]) {
#if defined(__x86_64__)
    uint8_t lanes[X25519_BATCH_MAX][X25519_LEN] = {{0}};
    memcpy(lanes, points, count * X25519_LEN);
    x25519_ifma_x8(scalar, (const uint8_t(*)[X25519_LEN])lanes, lanes);
    memcpy(out, lanes, count * X25519_LEN);
#else
    batch_scalar(scalar, points, count, out);
#endif
}

uint32_t x25519_batch(const uint8_t scalar[X25519_LEN], const uint8_t points[][X25519_LEN],
                      size_t count, uint8_t out[][X25519_LEN]) {
    CHECK(count >= 1 && count <= X25519_BATCH_MAX);
    if (use_ifma(count)) {
        batch_ifma(scalar, points, count, out);
    } else {
        batch_scalar(scalar, points, count, out);
    }
    uint32_t usable = 0;
    for (size_t i = 0; i < count; i++) {
        usable |= is_zero(out[i]) ? 0 : UINT32_C(1) << i;
    }
    return usable;
}
