#include "engine/net/timer.h"

/* Timers looked at in one slot before timer_next_ns settles for the slot's own end. */
#define NEXT_LOOK_MAX 16

static uint64_t tick_of(uint64_t ns) {
    return ns / TIMER_TICK_NS;
}

static struct timer *timer_of(struct list_node *node) {
    return CONTAINER_OF(node, struct timer, node);
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ns) {
    for (size_t i = 0; i < TIMER_SLOTS; i++) {
        list_init(&wheel->slots[i]);
    }
    wheel->tick = tick_of(now_ns);
    wheel->armed_count = 0;
}

void timer_init(struct timer *timer) {
    list_node_init(&timer->node);
    timer->deadline_ns = 0;
}

void timer_arm(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns) {
    timer_cancel(wheel, timer);
    /* A deadline that has passed goes where the next expire begins to look. */
    uint64_t tick = tick_of(deadline_ns);
    if (tick < wheel->tick) {
        tick = wheel->tick;
    }
    timer->deadline_ns = deadline_ns > 0 ? deadline_ns : 1;
    list_push_back(&wheel->slots[tick % TIMER_SLOTS], &timer->node);
    wheel->armed_count++;
}

void timer_cancel(struct timer_wheel *wheel, struct timer *timer) {
    list_remove(&timer->node);
    if (timer->deadline_ns != 0) {
        timer->deadline_ns = 0;
        wheel->armed_count--;
    }
}

static void slot_expire(struct timer_wheel *wheel, struct list *slot, uint64_t now_ns,
                        struct list *expired) {
    struct list_node *node = slot->head.next;
    while (node != &slot->head) {
        struct list_node *next = node->next;
        struct timer *timer = timer_of(node);
        if (timer->deadline_ns <= now_ns) { /* else of a later round of the wheel */
            list_remove(node);
            timer->deadline_ns = 0;
            wheel->armed_count--;
            list_push_back(expired, node);
        }
        node = next;
    }
}

void timer_expire(struct timer_wheel *wheel, uint64_t now_ns, struct list *expired) {
    uint64_t now_tick = tick_of(now_ns);
    if (now_tick < wheel->tick) {
        return;
    }
    /* The current slot is looked at again next time: its later part has not passed yet. */
    uint64_t count = now_tick - wheel->tick + 1;
    if (count > TIMER_SLOTS) {
        count = TIMER_SLOTS;
    }
    for (uint64_t i = 0; i < count && wheel->armed_count > 0; i++) {
        slot_expire(wheel, &wheel->slots[(wheel->tick + i) % TIMER_SLOTS], now_ns, expired);
    }
    wheel->tick = now_tick;
}

/* The earliest deadline of a slot that passes in this round, or 0 if it has none. */
static uint64_t slot_earliest(const struct list *slot, uint64_t slot_end_ns) {
    uint64_t earliest = 0;
    unsigned looked = 0;
    for (struct list_node *node = slot->head.next; node != &slot->head; node = node->next) {
        if (++looked > NEXT_LOOK_MAX) {
            return earliest != 0 ? earliest : slot_end_ns;
        }
        uint64_t deadline_ns = timer_of(node)->deadline_ns;
        if (deadline_ns <= slot_end_ns && (earliest == 0 || deadline_ns < earliest)) {
            earliest = deadline_ns;
        }
    }
    return earliest;
}

uint64_t timer_next_ns(const struct timer_wheel *wheel, uint64_t now_ns, uint64_t max_ns) {
    if (wheel->armed_count == 0) {
        return max_ns;
    }
    uint64_t last_ns = max_ns < UINT64_MAX - now_ns ? now_ns + max_ns : UINT64_MAX;
    uint64_t last_tick = tick_of(last_ns);
    for (uint64_t i = 0; i < TIMER_SLOTS && wheel->tick + i <= last_tick; i++) {
        uint64_t tick = wheel->tick + i;
        uint64_t slot_end_ns = (tick + 1) * TIMER_TICK_NS;
        uint64_t deadline_ns = slot_earliest(&wheel->slots[tick % TIMER_SLOTS], slot_end_ns);
        if (deadline_ns != 0) {
            uint64_t wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
            return wait_ns < max_ns ? wait_ns : max_ns;
        }
    }
    /* Nothing within one turn of the wheel: look again after it at the latest. */
    uint64_t turn_ns = TIMER_SLOTS * TIMER_TICK_NS;
    return max_ns < turn_ns ? max_ns : turn_ns;
}
