/* Cuts what a read function delivers into lines, with one buffer of CUTTER_BYTES however long the
   input or a line is. Owned by one thread. */
#ifndef PINSWEEP_SWEEP_LINE_CUTTER_H
#define PINSWEEP_SWEEP_LINE_CUTTER_H

#include <sys/types.h>

#include "engine/base/limits.h"
#include "engine/base/span.h"

struct line_cutter {
    /* Up to `capacity` bytes; 0 at the end, negative on failure (which the owner of `self` notes).
     */
    ssize_t (*read)(void *self, uint8_t *to, size_t capacity);
    void *self;
    uint8_t *buffer; /* CUTTER_BYTES, the caller's */
    size_t start, scanned, fill;
    uint64_t dropped; /* bytes of an over-long line already thrown away */
    bool ended;
    uint64_t line_at, next_at; /* input offsets of the line just cut and of the next one */
};

enum line_cut {
    LINE_CUT,      /* a line, without its newline; valid until the next call */
    LINE_TOO_LONG, /* one of more than LINE_BYTES_MAX bytes was skipped */
    LINE_END,
    LINE_FAILED
};

void line_cutter_init(struct line_cutter *cutter, uint8_t *buffer, uint64_t at,
                      ssize_t (*read)(void *self, uint8_t *to, size_t capacity), void *self);
enum line_cut line_cutter_next(struct line_cutter *cutter, struct span *out_line);

#endif
