#include "engine/sweep/plan.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

#define FILES 1000 /* and so many connections for each ring: */
#define PER_RING 968

static struct sweep_plan plan_of(uint32_t workers, uint32_t concurrency) {
    struct sweep_config config = {.workers = workers, .concurrency = concurrency};
    struct sweep_plan plan;
    sweep_plan_make(&config, &plan);
    CU_ASSERT_TRUE(plan.sizes.conns <= PER_RING);
    CU_ASSERT_TRUE((uint64_t)plan.sizes.conns * plan.workers >= plan.concurrency);
    CU_ASSERT_TRUE(plan.sizes.start > 0 && plan.sizes.start <= plan.sizes.conns);
    return plan;
}

static void lower_limit(void) {
    struct rlimit limit = {.rlim_cur = FILES, .rlim_max = FILES};
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static uint32_t cores(void) {
    cpu_set_t allowed;
    CU_ASSERT_EQUAL_FATAL(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    return (uint32_t)CPU_COUNT(&allowed);
}

/* More rings, and so workers, than cores where one ring's table is too small; never fewer. */
static void test_rings(void) {
    lower_limit();
    struct sweep_plan plan = plan_of(0, 20 * PER_RING);
    CU_ASSERT_EQUAL(plan.workers, cores() > 20 ? cores() : 20);
    CU_ASSERT_EQUAL(plan.concurrency, 20 * PER_RING);
    CU_ASSERT_FALSE(plan.clamped);
    CU_ASSERT_EQUAL(plan.sizes.start, plan.sizes.conns);
    plan = plan_of(0, 20 * PER_RING + 1);
    CU_ASSERT_EQUAL(plan.workers, cores() > 21 ? cores() : 21);
    plan = plan_of(0, 500);
    CU_ASSERT_EQUAL(plan.workers, cores());
    /* As many as there may be: then it is bound, and said so. */
    plan = plan_of(0, CONCURRENCY_MAX);
    CU_ASSERT_EQUAL(plan.workers, (FILES - 32) / 4);
    CU_ASSERT_TRUE(plan.clamped);
}

/* Workers that were asked for are not more. */
static void test_workers_asked_for(void) {
    lower_limit();
    struct sweep_plan plan = plan_of(2, 3 * PER_RING);
    CU_ASSERT_EQUAL(plan.workers, 2);
    CU_ASSERT_EQUAL(plan.concurrency, 2 * PER_RING);
    CU_ASSERT_TRUE(plan.clamped);
    CU_ASSERT_EQUAL(plan.bound[0], 'd');
    plan = plan_of(8, 3);
    CU_ASSERT_EQUAL(plan.workers, 3);
    CU_ASSERT_EQUAL(plan.sizes.conns, 1);
}

/* Nothing asked for: few at first. */
static void test_automatic(void) {
    lower_limit();
    struct sweep_plan plan = plan_of(1, 0);
    CU_ASSERT_TRUE(plan.automatic);
    CU_ASSERT_FALSE(plan.clamped);
    CU_ASSERT_EQUAL(plan.concurrency, PER_RING);
    CU_ASSERT_EQUAL(plan.sizes.start, CONCURRENCY_AUTO_START);
    plan = plan_of(5, 0);
    CU_ASSERT_EQUAL(plan.concurrency, CONCURRENCY_AUTO_MAX);
    CU_ASSERT_EQUAL(plan.sizes.start, (CONCURRENCY_AUTO_START + 4) / 5);
    plan = plan_of(200, 0);
    CU_ASSERT_EQUAL(plan.sizes.start, 2);
}

/* Each worker has a ring and sockets of its own: with few descriptors there is none for many. In a
   child, which alone loses its descriptors. */
static bool plans_with(uint32_t files) {
    struct rlimit limit = {.rlim_cur = files, .rlim_max = files};
    struct sweep_config config = {.concurrency = CONCURRENCY_MAX};
    struct sweep_plan plan;
    uint32_t core_count = cores();
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return false;
    }
    sweep_plan_make(&config, &plan);
    bool good = plan.clamped && plan.bound[0] == 'd' && plan.sizes.conns > 0 &&
                plan.sizes.conns <= (files > 0 ? files : 1) &&
                (plan.workers <= core_count || 4 * plan.workers + 32 <= files);
    config.concurrency = 0;
    sweep_plan_make(&config, &plan);
    good = good && plan.workers == core_count && plan.sizes.conns > 0 && plan.sizes.start > 0;
    config.concurrency = 1;
    sweep_plan_make(&config, &plan);
    return good && plan.workers == 1 && plan.sizes.conns == 1;
}

static void test_few_files(void) {
    static const uint32_t files[] = {256, 100, 65, 64, 40, 32, 16, 1, 0};
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        int status = 0;
        pid_t child = fork();
        CU_ASSERT_FATAL(child >= 0);
        if (child == 0) {
            _exit(plans_with(files[i]) ? 0 : 1);
        }
        CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
        CU_ASSERT_EQUAL(status, 0);
    }
}

SUITE_MAIN("plan", {"rings", test_rings}, {"workers asked for", test_workers_asked_for},
           {"automatic", test_automatic}, {"few files", test_few_files})
