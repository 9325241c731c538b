/* Findings for people (one line each, as compilers write them), for tools (NDJSON, as
   data/lint.schema.json says) and for CI systems that annotate a pull request (SARIF 2.1.0, OASIS).
   Write to a stream; the caller looks for its errors when it closes it. */
#ifndef PINSWEEP_LINT_LINT_REPORT_H
#define PINSWEEP_LINT_LINT_REPORT_H

#include <stdio.h>

#include "engine/lint/lint.h"

/* "file:line:column: error: pin set: message [PIN001]"; `explain` adds what to do and the basis. */
void lint_write_text(const struct lint *lint, FILE *out, bool explain);
/* The last line: "2 errors, 1 warning, no notes; 3 accepted by exceptions". */
void lint_write_summary(const struct lint *lint, FILE *out);
void lint_write_ndjson(const struct lint *lint, FILE *out);
/* `failure` NULL, or why the policy could not be read ("file:line: ..."): then `lint` may be NULL
   and the document says that the run failed, and where. */
void lint_write_sarif(const struct lint *lint, const char *failure, FILE *out);

#endif
