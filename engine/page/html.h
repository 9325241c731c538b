/* HTML text to a stream (WHATWG HTML, "Writing HTML documents"). Everything that comes from outside
   is escaped here and nowhere else: certificates, host names and policies are not markup. Bytes
   that are not UTF-8 and control characters become U+FFFD. The caller looks for the stream's errors
   when it closes it. */
#ifndef PINSWEEP_PAGE_HTML_H
#define PINSWEEP_PAGE_HTML_H

#include <stdio.h>

#include "engine/base/attributes.h"
#include "engine/base/span.h"

/* Markup of ours, as it is. */
static inline void html_raw(FILE *out, const char *markup) {
    fputs(markup, out);
}
/* Escaped, for text and for attribute values in double quotes. */
void html_span(FILE *out, struct span text);
void html_text(FILE *out, const char *text);
/* printf, escaped as a whole; cut at 2 KB. */
void html_format(FILE *out, const char *format, ...) PRINTF_LIKE(2, 3);
/* "1,234,567" */
void html_count(FILE *out, uint64_t count);
/* "2027-06-01", or an en dash for DATETIME_NONE. */
void html_date(FILE *out, int64_t unix_s);

#endif
