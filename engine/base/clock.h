/* Time, injected so that tests can hold it still. All deadlines are monotonic nanoseconds; what is
   written or judged is wall time. Thread-safe: the system clock has no state. */
#ifndef PINSWEEP_BASE_CLOCK_H
#define PINSWEEP_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

struct clock {
    uint64_t (*mono_ns)(void *self); /* monotonic, nanoseconds, never 0 */
    int64_t (*wall_ms)(void *self);  /* milliseconds since 1970-01-01 UTC */
    void *self;
};

extern const struct clock clock_system;

static inline uint64_t clock_mono_ns(const struct clock *clock) {
    return clock->mono_ns(clock->self);
}

static inline int64_t clock_wall_ms(const struct clock *clock) {
    return clock->wall_ms(clock->self);
}

#endif
