#include "engine/net/timer.h"

#include <stdlib.h>

#include "engine/base/rng.h"
#include "tests/support/suite.h"

#define START_NS UINT64_C(1000000007)

static struct timer_wheel wheel;

static unsigned expire_count(uint64_t now_ns) {
    struct list expired;
    list_init(&expired);
    timer_expire(&wheel, now_ns, &expired);
    unsigned count = 0;
    while (list_pop_front(&expired) != NULL) {
        count++;
    }
    return count;
}

static void test_never_early(void) {
    struct timer timer;
    timer_wheel_init(&wheel, START_NS);
    timer_init(&timer);
    uint64_t delays[] = {0, 1, TIMER_TICK_NS, TIMER_TICK_NS * TIMER_SLOTS,
                         TIMER_TICK_NS * TIMER_SLOTS * 3 + 5};
    uint64_t now = START_NS;
    for (size_t i = 0; i < ARRAY_COUNT(delays); i++) {
        uint64_t deadline = now + delays[i];
        timer_arm(&wheel, &timer, deadline);
        CU_ASSERT_EQUAL(wheel.armed_count, 1);
        if (delays[i] > 0) {
            CU_ASSERT_EQUAL(expire_count(deadline - 1), 0);
        }
        CU_ASSERT_EQUAL(expire_count(deadline), 1);
        CU_ASSERT_EQUAL(wheel.armed_count, 0);
        CU_ASSERT_EQUAL(timer.deadline_ns, 0);
        now = deadline;
    }
    /* Long passed, and even 0: fires at the next look, without the clock having moved. */
    timer_arm(&wheel, &timer, 0);
    CU_ASSERT_EQUAL(expire_count(now), 1);
}

static void test_cancel(void) {
    struct timer a, b;
    timer_wheel_init(&wheel, START_NS);
    timer_init(&a);
    timer_init(&b);
    timer_cancel(&wheel, &a);
    timer_arm(&wheel, &a, START_NS + 100);
    timer_arm(&wheel, &b, START_NS + 100);
    timer_cancel(&wheel, &a);
    timer_cancel(&wheel, &a);
    CU_ASSERT_EQUAL(wheel.armed_count, 1);
    struct list expired;
    list_init(&expired);
    timer_expire(&wheel, START_NS + 200, &expired);
    CU_ASSERT_PTR_EQUAL(list_first(&expired), &b.node);
    /* One that has expired and waits for its owner may be cancelled or armed again. */
    timer_cancel(&wheel, &b);
    CU_ASSERT_TRUE(list_is_empty(&expired));
    CU_ASSERT_EQUAL(wheel.armed_count, 0);
    timer_arm(&wheel, &b, START_NS + 50 * NS_PER_MS);
    timer_arm(&wheel, &b, START_NS + 10 * NS_PER_MS);
    CU_ASSERT_EQUAL(wheel.armed_count, 1);
    CU_ASSERT_EQUAL(expire_count(START_NS + 10 * NS_PER_MS), 1);
}

static void test_next(void) {
    struct timer timers[64];
    timer_wheel_init(&wheel, START_NS);
    CU_ASSERT_EQUAL(timer_next_ns(&wheel, START_NS, NS_PER_MS), NS_PER_MS);
    timer_init(&timers[0]);
    timer_arm(&wheel, &timers[0], START_NS + 3 * NS_PER_MS + 1);
    CU_ASSERT_EQUAL(timer_next_ns(&wheel, START_NS, NS_PER_MS), NS_PER_MS);
    CU_ASSERT_EQUAL(timer_next_ns(&wheel, START_NS, NS_PER_S), 3 * NS_PER_MS + 1);
    CU_ASSERT_EQUAL(timer_next_ns(&wheel, START_NS + 9 * NS_PER_MS, NS_PER_S), 0);
    /* Of a later round in the same slot: not due, and no reason to spin. */
    timer_arm(&wheel, &timers[0], START_NS + TIMER_SLOTS * TIMER_TICK_NS);
    CU_ASSERT_EQUAL(timer_next_ns(&wheel, START_NS, NS_PER_S), NS_PER_S);
    timer_cancel(&wheel, &timers[0]);
    /* A crowd in one slot: the answer may be late by the slot's length, never later. */
    for (size_t i = 0; i < ARRAY_COUNT(timers); i++) {
        timer_init(&timers[i]);
        timer_arm(&wheel, &timers[i], START_NS + 8 * NS_PER_MS + i);
    }
    uint64_t next = timer_next_ns(&wheel, START_NS, NS_PER_S);
    CU_ASSERT_TRUE(next >= 8 * NS_PER_MS && next <= 8 * NS_PER_MS + TIMER_TICK_NS);
}

/* A naive list beside the wheel: after every step both agree on which timers are armed. */
#define MODEL_TIMERS 300
static struct model_timer {
    struct timer timer;
    uint64_t deadline_ns; /* 0: not armed */
} model[MODEL_TIMERS];

static void model_expire(uint64_t now_ns) {
    struct list expired;
    list_init(&expired);
    timer_expire(&wheel, now_ns, &expired);
    struct list_node *node;
    while ((node = list_pop_front(&expired)) != NULL) {
        struct model_timer *fired = CONTAINER_OF(node, struct model_timer, timer.node);
        CU_ASSERT_NOT_EQUAL_FATAL(fired->deadline_ns, 0);
        CU_ASSERT_TRUE_FATAL(fired->deadline_ns <= now_ns);
        fired->deadline_ns = 0;
    }
    uint32_t armed = 0;
    uint64_t earliest = UINT64_MAX;
    for (size_t i = 0; i < MODEL_TIMERS; i++) {
        if (model[i].deadline_ns != 0) {
            CU_ASSERT_TRUE_FATAL(model[i].deadline_ns > now_ns);
            earliest = model[i].deadline_ns < earliest ? model[i].deadline_ns : earliest;
            armed++;
        }
    }
    CU_ASSERT_EQUAL_FATAL(armed, wheel.armed_count);
    uint64_t max_ns = 20 * NS_PER_MS, next = timer_next_ns(&wheel, now_ns, max_ns);
    CU_ASSERT_TRUE_FATAL(next <= max_ns);
    CU_ASSERT_TRUE_FATAL(now_ns + next <= earliest || now_ns + next - earliest <= TIMER_TICK_NS);
}

static uint64_t random_span_ns(struct rng *rng) {
    switch (rng_below(rng, 4)) {
    case 0:
        return rng_below(rng, 3) * TIMER_TICK_NS;
    case 1:
        return rng_below(rng, 1000 * 1000 * 10);
    case 2:
        return (uint64_t)rng_below(rng, 6000) * NS_PER_MS;
    default:
        return (uint64_t)rng_below(rng, 60) * NS_PER_S;
    }
}

static void test_model(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    uint64_t now = START_NS;
    timer_wheel_init(&wheel, now);
    for (size_t i = 0; i < MODEL_TIMERS; i++) {
        timer_init(&model[i].timer);
        model[i].deadline_ns = 0;
    }
    for (int step = 0; step < 60000; step++) {
        struct model_timer *at = &model[rng_below(&rng, MODEL_TIMERS)];
        uint32_t dice = rng_below(&rng, 10);
        if (dice < 6) {
            uint64_t deadline = now + random_span_ns(&rng);
            if (dice == 0) {
                deadline = now - rng_below(&rng, 1000000);
            }
            timer_arm(&wheel, &at->timer, deadline);
            at->deadline_ns = deadline;
        } else if (dice < 8) {
            timer_cancel(&wheel, &at->timer);
            at->deadline_ns = 0;
        } else {
            now += rng_below(&rng, 40) == 0 ? random_span_ns(&rng) : rng_below(&rng, 3000000);
            model_expire(now);
        }
    }
    now += 200 * NS_PER_S;
    model_expire(now);
    CU_ASSERT_EQUAL(wheel.armed_count, 0);
}

SUITE_MAIN("timer", {"never early", test_never_early}, {"cancel", test_cancel}, {"next", test_next},
           {"model", test_model})
