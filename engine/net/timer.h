/* A deadline wheel: many timers, most of them cancelled before they fire. Insert and cancel are
   O(1); firing is O(timers of the passed slots). Resolution 4 ms; a timer never fires early.
   Intrusive and single-threaded. */
#ifndef PINSWEEP_NET_TIMER_H
#define PINSWEEP_NET_TIMER_H

#include "engine/base/clock.h"
#include "engine/base/list.h"

#define TIMER_SLOTS 4096
#define TIMER_TICK_NS (4 * NS_PER_MS)

struct timer {
    struct list_node node;
    uint64_t deadline_ns; /* 0: not armed */
};

struct timer_wheel {
    struct list slots[TIMER_SLOTS];
    uint64_t tick; /* slots up to this tick have been expired */
    uint32_t armed_count;
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ns);
void timer_init(struct timer *timer);
/* Arms, or moves an armed timer. A deadline that has passed fires at the next expire. */
void timer_arm(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns);
void timer_cancel(struct timer_wheel *wheel, struct timer *timer);
/* Moves every timer whose deadline has passed, unarmed, to the back of `expired` (linked by
 * timer.node). */
void timer_expire(struct timer_wheel *wheel, uint64_t now_ns, struct list *expired);
/* Nanoseconds until the earliest deadline may pass, at most `max_ns`; looks at a bounded number of
 * slots. */
uint64_t timer_next_ns(const struct timer_wheel *wheel, uint64_t now_ns, uint64_t max_ns);

#endif
