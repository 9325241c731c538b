/* Private to impact_report.c: one result, or the sums, in each form. */
#ifndef PINSWEEP_IMPACT_IMPACT_WRITE_H
#define PINSWEEP_IMPACT_IMPACT_WRITE_H

#include "engine/impact/impact_report.h"

void impact_write_head(const struct impact_report *report);
/* `first`: of its outcome. */
void impact_write_result(const struct impact_report *report, const struct impact *impact,
                         bool first);
void impact_write_sums(const struct impact_report *report);

#endif
