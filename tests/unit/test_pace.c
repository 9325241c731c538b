#include "engine/sweep/pace.h"

#include "engine/base/clock.h"
#include "tests/support/suite.h"

#define START 256
#define CEILING 4096

/* A world that answers `window` connections, each after `took_ns`. */
static void play_round(struct pace *pace, uint64_t *now_ns, uint64_t took_ns) {
    uint32_t count = pace->window;
    pace_note_full(pace);
    for (uint32_t i = 0; i < count; i++) {
        pace_note_finished(pace, took_ns);
    }
    *now_ns += took_ns;
    pace_tick(pace, *now_ns);
}

/* Far servers: nothing of ours makes them slower. */
static void test_steady_latency(void) {
    struct pace pace;
    uint64_t now_ns = 0;
    pace_init(&pace, START, CEILING, now_ns);
    CU_ASSERT_EQUAL(pace.window, START);
    for (int round = 0; round < 7; round++) {
        uint32_t before = pace.window;
        play_round(&pace, &now_ns, 80 * NS_PER_MS);
        CU_ASSERT_TRUE(pace.window > before || before == CEILING);
    }
    CU_ASSERT_EQUAL(pace.window, CEILING);
    play_round(&pace, &now_ns, 80 * NS_PER_MS);
    CU_ASSERT_EQUAL(pace.window, CEILING);
}

/* A saturated core: each connection waits for all others. More in flight bring nothing. */
static void test_saturated(void) {
    struct pace pace;
    uint64_t now_ns = 0;
    uint32_t most = 0;
    pace_init(&pace, START, CEILING, now_ns);
    for (int round = 0; round < 500; round++) {
        play_round(&pace, &now_ns, pace.window * UINT64_C(100000));
        most = pace.window > most ? pace.window : most;
        CU_ASSERT_TRUE(pace.window >= START);
    }
    CU_ASSERT_TRUE(most > START);
    CU_ASSERT_TRUE(most < 4 * START);
}

/* Servers that are slower in themselves are no saturation for good. */
static void test_slower_servers(void) {
    struct pace pace;
    uint64_t now_ns = 0;
    pace_init(&pace, START, CEILING, now_ns);
    for (int round = 0; round < 10; round++) {
        play_round(&pace, &now_ns, 10 * NS_PER_MS);
    }
    CU_ASSERT_EQUAL(pace.window, CEILING);
    uint32_t least = CEILING;
    for (int round = 0; round < 30; round++) {
        play_round(&pace, &now_ns, 300 * NS_PER_MS);
        least = pace.window < least ? pace.window : least;
    }
    CU_ASSERT_EQUAL(least, START);
    CU_ASSERT_EQUAL(pace.window, CEILING);
}

/* A range where nobody answers: no completions at all but time-outs, much later. */
static void test_silence(void) {
    struct pace pace;
    uint64_t now_ns = NS_PER_S;
    pace_init(&pace, START, CEILING, now_ns);
    for (int i = 0; i < 8 * 20; i++) {
        now_ns += PACE_ROUND_NS / 20;
        pace_note_full(&pace);
        pace_tick(&pace, now_ns);
    }
    CU_ASSERT_EQUAL(pace.window, CEILING);
    /* A handful of answers are not believed, failures are not counted. */
    for (uint32_t i = 0; i < 8 * CEILING; i++) {
        pace_note_finished(&pace, i % CEILING == 0 ? 60 * NS_PER_S : 0);
        pace_tick(&pace, now_ns);
    }
    CU_ASSERT_EQUAL(pace.window, CEILING);
}

/* Nothing grows that was not full, and nothing moves that was asked for. */
static void test_no_need(void) {
    struct pace pace;
    uint64_t now_ns = 0;
    pace_init(&pace, START, CEILING, now_ns);
    for (int i = 0; i < 100; i++) {
        pace_note_finished(&pace, NS_PER_MS);
        now_ns += PACE_ROUND_NS;
        pace_tick(&pace, now_ns);
    }
    CU_ASSERT_EQUAL(pace.window, START);
    pace_init(&pace, 3000, 3000, now_ns);
    for (int round = 1; round < 50; round++) {
        play_round(&pace, &now_ns, (uint64_t)round * NS_PER_S);
        CU_ASSERT_EQUAL(pace.window, 3000);
    }
    pace_init(&pace, 1, 2, now_ns);
    play_round(&pace, &now_ns, NS_PER_MS);
    CU_ASSERT_EQUAL(pace.window, 2);
}

SUITE_MAIN("pace", {"steady latency", test_steady_latency}, {"saturated", test_saturated},
           {"slower servers", test_slower_servers}, {"silence", test_silence},
           {"no need", test_no_need})
