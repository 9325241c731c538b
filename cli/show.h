/* A judgement as a person reads it on a terminal: the whole of one endpoint (inspect), or one line
 * (demo). */
#ifndef PINSWEEP_CLI_SHOW_H
#define PINSWEEP_CLI_SHOW_H

#include <stdio.h>

#include "engine/sweep/judge.h"

/* Whether standard output takes colours: a terminal, and NO_COLOR is not set. */
bool show_has_colours(void);

void show_judgement(FILE *out, const struct judgement *judgement, bool colours);
/* "mismatch        api.demo.test:443     why" */
void show_line(FILE *out, const struct judgement *judgement, bool colours);

#endif
