#include "engine/sweep/line_cutter.h"

#include "engine/base/attributes.h"

_Static_assert(CUTTER_BYTES > LINE_BYTES_MAX + 1, "the longest line and its newline must fit");

void line_cutter_init(struct line_cutter *cutter, uint8_t *buffer, uint64_t at,
                      ssize_t (*read)(void *self, uint8_t *to, size_t capacity), void *self) {
    *cutter = (struct line_cutter){
        .read = read, .self = self, .buffer = buffer, .line_at = at, .next_at = at};
}

/* Makes room and reads on; false on failure. */
static bool refill(struct line_cutter *cutter) {
    size_t kept = cutter->fill - cutter->start;
    if (kept > LINE_BYTES_MAX) {
        cutter->dropped += kept;
        kept = 0;
    } else if (kept > 0 && cutter->start > 0) {
        memmove(cutter->buffer, cutter->buffer + cutter->start, kept);
    }
    cutter->start = 0;
    cutter->scanned = cutter->fill = kept;
    ssize_t got = cutter->read(cutter->self, cutter->buffer + kept, CUTTER_BYTES - kept);
    if (got < 0) {
        return false;
    }
    DCHECK((size_t)got <= CUTTER_BYTES - kept);
    cutter->ended = got == 0;
    cutter->fill += (size_t)got;
    return true;
}

static enum line_cut finish_line(struct line_cutter *cutter, size_t len, size_t newline_len,
                                 struct span *out_line) {
    uint64_t whole = cutter->dropped + len;
    *out_line = span_of(cutter->buffer + cutter->start, len);
    cutter->start += len + newline_len;
    cutter->scanned = cutter->start;
    cutter->dropped = 0;
    cutter->line_at = cutter->next_at;
    cutter->next_at += whole + newline_len;
    return whole > LINE_BYTES_MAX ? LINE_TOO_LONG : LINE_CUT;
}

enum line_cut line_cutter_next(struct line_cutter *cutter, struct span *out_line) {
    for (;;) { /* bounded by the input: each round reads on */
        const uint8_t *from = cutter->buffer + cutter->scanned;
        const uint8_t *newline = memchr(from, '\n', cutter->fill - cutter->scanned);
        if (newline != NULL) {
            size_t len = (size_t)(newline - (cutter->buffer + cutter->start));
            return finish_line(cutter, len, 1, out_line);
        }
        if (cutter->ended) {
            size_t len = cutter->fill - cutter->start;
            return len > 0 || cutter->dropped > 0 ? finish_line(cutter, len, 0, out_line)
                                                  : LINE_END;
        }
        if (!refill(cutter)) {
            return LINE_FAILED;
        }
    }
}
