/* All results of a scenario, worst first, and their sums: as NDJSON (data/impact.schema.json), CSV,
   or text for a change board. Two passes over the targets: one that sums, one that writes in order;
   9 bytes a result are kept between them. */
#ifndef PINSWEEP_IMPACT_IMPACT_REPORT_H
#define PINSWEEP_IMPACT_IMPACT_REPORT_H

#include <stdio.h>

#include "engine/impact/rollup.h"

enum impact_form { IMPACT_TEXT, IMPACT_NDJSON, IMPACT_CSV };

struct impact_report {
    struct impact_run *run;
    const struct plan *plan;
    const char *scenario; /* its name */
    enum impact_form form;
    uint64_t limit;   /* of text: results told of each outcome */
    uint32_t fail_on; /* bits of enum impact_outcome */
    FILE *out;
    /* What came out. */
    uint64_t targets, results, outcomes[IMPACT_OUTCOME_COUNT];
    uint64_t findings; /* results of an outcome in fail_on; path-dependent ones only if they were
                          not before */
    struct rollup rollup;
};

/* ERR_RESOURCE if memory ran out. Whether `out` took all is told by its error indicator (ferror()),
   once it is flushed. */
enum err impact_report_write(struct impact_report *report, struct err_note *note) MUST_USE;

#endif
