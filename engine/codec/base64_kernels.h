/* Private to base64*.c: one kernel a file, each compiled for its own instruction set. */
#ifndef PINSWEEP_CODEC_BASE64_KERNELS_H
#define PINSWEEP_CODEC_BASE64_KERNELS_H

#include "engine/base/span.h"

#define BASE64_COLUMNS 64      /* characters of a full line (RFC 7468 section 2) */
#define BASE64_COLUMN_BYTES 48 /* and the bytes they stand for */
#define BASE64_READ_AHEAD 66   /* bytes that a kernel may read from a line's start */

/* What ends a line: its first `stride - 64` bytes, in memory order from the low byte. */
struct base64_line_end {
    size_t stride; /* from line to line: 64 (nothing between), 65 or 66 */
    uint16_t bytes, mask;
};

/* Decodes up to `count` lines of exactly 64 digits, each followed by the line end; stops at the
   first that is not so. Reads BASE64_READ_AHEAD bytes of every line, writes exactly 48 bytes for
   each. Returns how many were decoded. */
typedef size_t (*base64_lines)(const uint8_t *in, size_t count, struct base64_line_end end,
                               uint8_t *out);

size_t base64_lines_scalar(const uint8_t *in, size_t count, struct base64_line_end end,
                           uint8_t *out);
#if defined(__x86_64__)
size_t base64_lines_avx2(const uint8_t *in, size_t count, struct base64_line_end end, uint8_t *out);
size_t base64_lines_vbmi(const uint8_t *in, size_t count, struct base64_line_end end, uint8_t *out);
#endif

static inline bool base64_line_ends(const uint8_t *in, struct base64_line_end end) {
    uint16_t bytes;
    memcpy(&bytes, in + BASE64_COLUMNS, sizeof bytes);
    return (bytes & end.mask) == end.bytes;
}

#endif
