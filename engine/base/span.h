/* A borrowed run of bytes. Never owns, never NUL-terminated; an empty span may have a NULL pointer.
 */
#ifndef PINSWEEP_BASE_SPAN_H
#define PINSWEEP_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *data;
    size_t len; /* bytes */
};

static inline struct span span_of(const void *data, size_t len) {
    return (struct span){.data = (const uint8_t *)data, .len = len};
}

static inline struct span span_str(const char *text) {
    return span_of(text, strlen(text));
}

static inline bool span_equal(struct span a, struct span b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool span_equal_str(struct span a, const char *text) {
    return span_equal(a, span_str(text));
}

/* The first `len` bytes taken off the front; all of it if there are fewer. */
static inline struct span span_take(struct span *from, size_t len) {
    struct span taken = span_of(from->data, len < from->len ? len : from->len);
    if (taken.len > 0) {
        from->data += taken.len;
        from->len -= taken.len;
    }
    return taken;
}

/* Index of the first `byte`, or `s.len` if there is none. */
static inline size_t span_find(struct span s, uint8_t byte) {
    const uint8_t *at = s.len > 0 ? (const uint8_t *)memchr(s.data, byte, s.len) : NULL;
    return at != NULL ? (size_t)(at - s.data) : s.len;
}

/* Without leading and trailing space, tab, CR and LF. */
static inline struct span span_trim(struct span s) {
    while (s.len > 0 &&
           (s.data[0] == ' ' || s.data[0] == '\t' || s.data[0] == '\r' || s.data[0] == '\n')) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t' ||
                         s.data[s.len - 1] == '\r' || s.data[s.len - 1] == '\n')) {
        s.len--;
    }
    return s;
}

#endif
