/* How many connections a worker keeps in flight when nobody said: few at first, more as long as
   that does not make handshakes slower. Pure arithmetic on what the worker tells; single-threaded.

   Time is cut into rounds: as many finished connections as the window holds, or PACE_ROUND_NS.
   After a round in which the window was the limit it grows by half, unless the mean handshake took
   more than twice (and PACE_SLACK_NS) what it took at best: then something is saturated (our own
   cores, the line, a router on the way), more in flight would only wait longer, and the window
   shrinks by a quarter, at the least to where it started. There what handshakes take is measured
   anew, so that slower servers later in the inventory are no saturation for good. Connections that
   fail say nothing of the time: where nobody answers the window grows to its ceiling. */
#ifndef PINSWEEP_SWEEP_PACE_H
#define PINSWEEP_SWEEP_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_ROUND_NS UINT64_C(200000000)
#define PACE_SLACK_NS UINT64_C(5000000) /* a worker's own batches take some milliseconds */
#define PACE_SAMPLES_MIN 16             /* handshakes whose mean is believed */

struct pace {
    uint32_t window; /* connections that may be in flight now */
    /* private */
    uint32_t floor, ceiling; /* the same: the window stays as it is */
    uint32_t finished, samples;
    uint64_t sum_ns, best_ns; /* best_ns 0: nothing measured */
    uint64_t round_began_ns;
    bool was_full;
};

void pace_init(struct pace *pace, uint32_t start, uint32_t ceiling, uint64_t now_ns);
/* A connection was wanted and the window was full. */
static inline void pace_note_full(struct pace *pace) {
    pace->was_full = true;
}
/* A connection ended, with a handshake that took so long; 0: with none. */
void pace_note_finished(struct pace *pace, uint64_t took_ns);
/* Ends the round if it is over; the window may be another afterwards, also below what is in flight.
 */
void pace_tick(struct pace *pace, uint64_t now_ns);

#endif
