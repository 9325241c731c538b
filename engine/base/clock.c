#include "engine/base/clock.h"

#include <time.h>

static uint64_t system_mono_ns(void *self) {
    (void)self;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int64_t system_wall_ms(void *self) {
    (void)self;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const struct clock clock_system = {
    .mono_ns = system_mono_ns, .wall_ms = system_wall_ms, .self = NULL};
