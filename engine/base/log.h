/* Words for people, on standard error, one whole line each ("pinsweep: ..."). Cold path only: never
   a line per endpoint. Thread-safe. A progress line that stands on a terminal is erased before and
   is redrawn by its owner afterwards. */
#ifndef PINSWEEP_BASE_LOG_H
#define PINSWEEP_BASE_LOG_H

#include <stdbool.h>

#include "engine/base/attributes.h"

/* Errors and warnings: always shown. */
void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
/* A complaint that already begins with "file:line:": printed as it is, without the program's name.
 */
void log_complaint(const char *format, ...) PRINTF_LIKE(1, 2);
/* News about the run (limits, defaults, summary): not shown when quiet. */
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_set_quiet(bool quiet);

/* Puts "?" in the place of what steers a terminal: control characters but newline (DEL and U+0080
   to U+009F, which some terminals obey, among them) and the marks that turn the direction of text.
   Every line above goes through it: file names, policies and what a peer sent may be in it. */
void log_make_harmless(char *text);

/* Draws `text` (ASCII, no newline) over the progress line of a terminal, cut to its width; NULL
   erases it. */
void log_progress(const char *text);

#endif
