#include "engine/sweep/pace.h"

#include "engine/base/attributes.h"

void pace_init(struct pace *pace, uint32_t start, uint32_t ceiling, uint64_t now_ns) {
    CHECK(start > 0 && start <= ceiling);
    *pace = (struct pace){
        .window = start, .floor = start, .ceiling = ceiling, .round_began_ns = now_ns};
}

void pace_note_finished(struct pace *pace, uint64_t took_ns) {
    pace->finished++;
    if (took_ns != 0) {
        pace->samples++;
        pace->sum_ns += took_ns;
    }
}

static uint32_t grown(const struct pace *pace) {
    uint32_t more = pace->window / 2 + 1;
    return more < pace->ceiling - pace->window ? pace->window + more : pace->ceiling;
}

static uint32_t shrunk(const struct pace *pace) {
    uint32_t less = pace->window - pace->window / 4;
    return less > pace->floor ? less : pace->floor;
}

/* Whether handshakes take much longer than with fewer in flight. */
static bool is_slow(struct pace *pace) {
    if (pace->samples < PACE_SAMPLES_MIN) {
        return false;
    }
    uint64_t mean_ns = pace->sum_ns / pace->samples;
    if (pace->window == pace->floor || pace->best_ns == 0 || mean_ns < pace->best_ns) {
        pace->best_ns = mean_ns;
    }
    pace->samples = 0;
    pace->sum_ns = 0;
    return mean_ns > 2 * pace->best_ns + PACE_SLACK_NS;
}

void pace_tick(struct pace *pace, uint64_t now_ns) {
    if (pace->floor == pace->ceiling ||
        (pace->finished < pace->window && now_ns - pace->round_began_ns < PACE_ROUND_NS)) {
        return;
    }
    if (is_slow(pace)) {
        pace->window = shrunk(pace);
    } else if (pace->was_full) {
        pace->window = grown(pace);
    }
    pace->round_began_ns = now_ns;
    pace->finished = 0;
    pace->was_full = false;
}
