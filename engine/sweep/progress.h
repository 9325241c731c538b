/* The progress line (on a terminal) or lines (elsewhere, every 10 seconds), and numbers as people
 * read them. */
#ifndef PINSWEEP_SWEEP_PROGRESS_H
#define PINSWEEP_SWEEP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT_TEXT_MAX 32

/* "1,234,567" */
const char *count_text(char out[COUNT_TEXT_MAX], uint64_t value);
/* "4.2 s", "1:05", "2:03:00" */
const char *duration_text(char out[COUNT_TEXT_MAX], double seconds);

struct progress_facts {
    uint64_t done, total; /* total 0: not known (a pipe) */
    uint64_t in_flight, matches, mismatches, errors;
};

struct progress {
    bool terminal, quiet;
    uint64_t started_ns, last_ns, last_done, shown_ns;
    double rate; /* targets a second, smoothed */
};

void progress_init(struct progress *progress, bool quiet, uint64_t now_ns);
/* Call a few times a second; shows something when it is due. */
void progress_update(struct progress *progress, const struct progress_facts *facts,
                     uint64_t now_ns);
void progress_end(struct progress *progress);

#endif
