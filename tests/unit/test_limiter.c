#include "engine/sweep/limiter.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "engine/base/clock.h"
#include "engine/base/rng.h"
#include "tests/support/suite.h"

static struct netaddr address_of(uint32_t number) {
    struct netaddr address = {.family = 4, .bytes = {10, (uint8_t)(number >> 16)}};
    address.bytes[2] = (uint8_t)(number >> 8);
    address.bytes[3] = (uint8_t)number;
    return address;
}

static struct limiter *limiter_of(double rate, double server_rate, uint32_t server_concurrency) {
    struct limiter_config config = {.rate = rate,
                                    .server_rate = server_rate,
                                    .server_concurrency = server_concurrency,
                                    .seed = 42};
    struct limiter *limiter = NULL;
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(limiter_new(&config, &limiter, &note), ERR_NONE);
    return limiter;
}

static void test_no_limit(void) {
    struct limiter *limiter = limiter_of(0, 0, 0);
    struct netaddr address = address_of(1);
    uint64_t wait_ns = 0;
    for (int i = 0; i < 100000; i++) {
        CU_ASSERT_TRUE(limiter_try(limiter, &address, 1, &wait_ns));
    }
    CU_ASSERT_EQUAL(limiter_in_flight(limiter, &address), 0);
    CU_ASSERT(limiter_bytes(limiter) < 4096);
    limiter_done(limiter, &address);
    limiter_free(limiter);
    limiter_free(NULL);
}

/* Goes as fast as allowed for `seconds` of a clock that moves by `step_ns`, obeying the waits. */
static uint64_t count_taken(struct limiter *limiter, double seconds, uint64_t step_ns) {
    uint64_t taken = 0, start = 5 * NS_PER_S, ready = start;
    uint64_t end = start + (uint64_t)(seconds * 1e9);
    for (uint64_t now = start; now < end; now += step_ns) {
        while (now >= ready) {
            struct netaddr address = address_of((uint32_t)taken);
            uint64_t wait_ns = 0;
            if (limiter_try(limiter, &address, now, &wait_ns)) {
                taken++;
            } else {
                CU_ASSERT(wait_ns >= NS_PER_MS);
                ready = now + wait_ns;
            }
        }
    }
    return taken;
}

static void test_rate(void) {
    static const struct {
        double rate, seconds;
    } cases[] = {{5, 20}, {100, 10}, {3000, 2}, {100000, 1}, {0.5, 20}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct limiter *limiter = limiter_of(cases[i].rate, 0, 0);
        double taken = (double)count_taken(limiter, cases[i].seconds, 500000);
        double wanted = cases[i].rate * cases[i].seconds;
        CU_ASSERT(taken >= wanted * 0.98 && taken <= wanted + 1 + cases[i].rate * 0.01);
        if (!(taken >= wanted * 0.98 && taken <= wanted + 1 + cases[i].rate * 0.01)) {
            printf("  rate %g: %g in %g s\n", cases[i].rate, taken, cases[i].seconds);
        }
        limiter_free(limiter);
    }
}

static void test_rate_after_idling(void) {
    struct limiter *limiter = limiter_of(100, 0, 0);
    count_taken(limiter, 0.1, NS_PER_MS);
    struct netaddr address = address_of(1);
    uint64_t wait_ns = 0, now = 3600 * NS_PER_S;
    CU_ASSERT_TRUE(limiter_try(limiter, &address, now, &wait_ns));
    CU_ASSERT_FALSE(limiter_try(limiter, &address, now, &wait_ns)); /* an hour gave no burst */
    CU_ASSERT_EQUAL(wait_ns, 10 * NS_PER_MS);
    CU_ASSERT_FALSE(limiter_try(limiter, &address, now + wait_ns - 1, &wait_ns));
    CU_ASSERT_TRUE(limiter_try(limiter, &address, now + 10 * NS_PER_MS, &wait_ns));
    limiter_free(limiter);
}

static void test_server_concurrency(void) {
    struct limiter *limiter = limiter_of(0, 0, 3);
    struct netaddr a = address_of(1), b = address_of(2);
    struct netaddr mapped = {.family = 6, .bytes = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}};
    uint64_t wait_ns = 0;
    CU_ASSERT_TRUE(limiter_try(limiter, &a, 1, &wait_ns));
    CU_ASSERT_TRUE(limiter_try(limiter, &mapped, 1, &wait_ns)); /* the same address */
    CU_ASSERT_TRUE(limiter_try(limiter, &a, 1, &wait_ns));
    CU_ASSERT_FALSE(limiter_try(limiter, &a, 1, &wait_ns));
    CU_ASSERT(wait_ns >= NS_PER_MS);
    CU_ASSERT_EQUAL(limiter_in_flight(limiter, &a), 3);
    CU_ASSERT_TRUE(limiter_try(limiter, &b, 1, &wait_ns));
    CU_ASSERT_EQUAL(limiter_in_flight(limiter, &b), 1);
    limiter_done(limiter, &mapped);
    CU_ASSERT_TRUE(limiter_try(limiter, &a, 1, &wait_ns));
    CU_ASSERT_FALSE(limiter_try(limiter, &a, 1, &wait_ns));
    limiter_free(limiter);
}

static void test_nothing_taken_on_false(void) {
    struct limiter *limiter = limiter_of(1, 1, 100);
    struct netaddr a = address_of(1), b = address_of(2);
    uint64_t wait_ns = 0, now = NS_PER_S;
    CU_ASSERT_TRUE(limiter_try(limiter, &a, now, &wait_ns));
    for (int i = 0; i < 10; i++) { /* the sweep's rate refuses: b's own must stay whole */
        CU_ASSERT_FALSE(limiter_try(limiter, &b, now, &wait_ns));
        CU_ASSERT_EQUAL(wait_ns, NS_PER_S);
        CU_ASSERT_EQUAL(limiter_in_flight(limiter, &b), 0);
    }
    now += NS_PER_S;
    CU_ASSERT_TRUE(limiter_try(limiter, &b, now, &wait_ns));
    CU_ASSERT_FALSE(limiter_try(limiter, &b, now + NS_PER_MS, &wait_ns)); /* b's own rate */
    CU_ASSERT_EQUAL(limiter_in_flight(limiter, &b), 1);
    now += NS_PER_S; /* what b was refused did not use up the sweep's rate */
    CU_ASSERT_TRUE(limiter_try(limiter, &a, now, &wait_ns));
    limiter_free(limiter);
}

static void test_bad_config(void) {
    static const double bad[] = {-1, NAN, INFINITY};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct limiter_config config = {.rate = bad[i]};
        struct limiter *limiter = NULL;
        struct err_note note;
        CU_ASSERT_EQUAL(limiter_new(&config, &limiter, &note), ERR_USAGE);
        CU_ASSERT_PTR_NULL(limiter);
    }
}

#define THREADS 4
#define SERVERS 3
#define CAP 2

struct crowd {
    struct limiter *limiter;
    _Atomic int inside[SERVERS];
    _Atomic uint64_t now_ns, taken;
    _Atomic bool over;
};

static void *crowd_run(void *argument) {
    struct crowd *crowd = argument;
    struct rng rng;
    rng_init(&rng, (uint64_t)(uintptr_t)&rng);
    for (int i = 0; i < 50000; i++) {
        uint32_t server = rng_below(&rng, SERVERS);
        struct netaddr address = address_of(server);
        uint64_t wait_ns;
        uint64_t now = atomic_fetch_add(&crowd->now_ns, 10000);
        if (limiter_try(crowd->limiter, &address, now, &wait_ns)) {
            if (atomic_fetch_add(&crowd->inside[server], 1) >= CAP) {
                atomic_store(&crowd->over, true);
            }
            atomic_fetch_add(&crowd->taken, 1);
            atomic_fetch_sub(&crowd->inside[server], 1);
            limiter_done(crowd->limiter, &address);
        }
    }
    return NULL;
}

/* 200,000 tries over two seconds of clock: the cap holds at every moment, the rate in sum. */
static void test_threads(void) {
    struct crowd crowd = {.limiter = limiter_of(20000, 0, CAP)};
    crowd.now_ns = NS_PER_S;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, crowd_run, &crowd), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CU_ASSERT_FALSE(crowd.over);
    CU_ASSERT(crowd.taken > 1000 && crowd.taken <= 40000 + 200 + THREADS);
    for (uint32_t i = 0; i < SERVERS; i++) {
        struct netaddr address = address_of(i);
        CU_ASSERT_EQUAL(limiter_in_flight(crowd.limiter, &address), 0);
    }
    limiter_free(crowd.limiter);
}

SUITE_MAIN("limiter", {"no limit", test_no_limit}, {"rate", test_rate},
           {"rate after idling", test_rate_after_idling},
           {"server concurrency", test_server_concurrency},
           {"nothing taken on false", test_nothing_taken_on_false}, {"bad config", test_bad_config},
           {"threads", test_threads})
