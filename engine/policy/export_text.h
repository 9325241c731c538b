/* Text under way to a file: grows, and escapes for each kind of place. Memory is the caller's to
   release with export_text_fini(); running out of it aborts, as an arena does. */
#ifndef PINSWEEP_POLICY_EXPORT_TEXT_H
#define PINSWEEP_POLICY_EXPORT_TEXT_H

#include "engine/base/attributes.h"
#include "engine/base/span.h"

struct export_text {
    char *bytes; /* a NUL follows; NULL as long as nothing was put */
    size_t len, capacity;
};

void export_text_fini(struct export_text *text);

void export_put(struct export_text *text, const char *words);
void export_put_span(struct export_text *text, struct span bytes);
void export_putf(struct export_text *text, const char *format, ...) PRINTF_LIKE(2, 3);
void export_put_base64(struct export_text *text, struct span bytes);
void export_put_hex(struct export_text *text, struct span bytes);

/* XML character data: markup becomes references; what XML 1.0 forbids (control characters, bytes
   that are not UTF-8) becomes U+FFFD. */
void export_put_xml(struct export_text *text, const char *words);
/* A quoted JSON string (RFC 8259). */
void export_put_json(struct export_text *text, const char *words);
/* For comments of any format: one line, no control characters, valid UTF-8, and nothing that ends
   a comment ("--" of XML becomes "- -"). */
void export_put_comment(struct export_text *text, const char *words);

#endif
