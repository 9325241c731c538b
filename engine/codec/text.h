/* Hexadecimal, decimal numbers and UTF-8 (base64: base64.h). Pure: bytes in, bytes out; strict;
 * outputs untouched on false. */
#ifndef PINSWEEP_CODEC_TEXT_H
#define PINSWEEP_CODEC_TEXT_H

#include "engine/base/span.h"
#include "engine/codec/base64.h"

/* Lower-case digits, no NUL; writes exactly 2 * in.len characters and returns that count. */
size_t hex_encode(char *out, struct span in);
/* Either case; false on an odd length, a foreign character or more than `out_cap` bytes. */
bool hex_decode(struct span text, uint8_t *out, size_t out_cap, size_t *out_len);

/* Decimal digits only; false on empty, sign, overflow or a value above `max`. */
bool text_parse_u64(struct span text, uint64_t max, uint64_t *out);
/* Seconds with optional fraction (up to 9 digits) and unit (ms, s, m, h, d; none means s) to
 * nanoseconds: "1.5", "200ms", "2m". At most INT64_MAX, so that a deadline made of it cannot wrap.
 */
bool text_parse_duration(struct span text, uint64_t *out_ns);

/* `text` is `pattern` by ASCII case-insensitive comparison. */
bool text_equal_ignore_case(struct span a, struct span b);
/* True if the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool text_is_utf8(struct span text);
/* Bytes of the well-formed sequence at the front of a non-empty `text` (*out_well_formed true), or
   of the maximal ill-formed subpart there, which one U+FFFD replaces (Unicode 3.9, "U+FFFD
   Substitution of Maximal Subparts"). */
size_t text_utf8_step(struct span text, bool *out_well_formed);
/* UTF-8 of a scalar value, 1 to 4 bytes, no NUL; surrogates and values past U+10FFFF become U+FFFD.
 */
size_t text_utf8_encode(char out[4], uint32_t code_point);

/* "00" to "99", two characters each. */
extern const char text_digit_pairs[200];
#define TEXT_U64_LEN_MAX 20
/* Decimal, no NUL; returns the length. */
size_t text_format_u64(char out[TEXT_U64_LEN_MAX], uint64_t value);

#endif
