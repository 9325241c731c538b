#include "tests/support/der_build.h"

static uint8_t buffer[1 << 20];
static size_t used;

void der_build_reset(void) {
    used = 0;
}

struct span der_build(uint8_t tag, const struct span *parts, size_t count) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += parts[i].len;
    }
    CHECK(len < (1u << 24) && used + len + 5 <= sizeof buffer);
    uint8_t *start = buffer + used, *at = start;
    *at++ = tag;
    if (len < 0x80) {
        *at++ = (uint8_t)len;
    } else {
        int bytes = len < 0x100 ? 1 : len < 0x10000 ? 2 : 3;
        *at++ = (uint8_t)(0x80 | bytes);
        for (int i = bytes - 1; i >= 0; i--) {
            *at++ = (uint8_t)(len >> (8 * i));
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0) {
            memcpy(at, parts[i].data, parts[i].len);
            at += parts[i].len;
        }
    }
    used += (size_t)(at - start);
    return span_of(start, (size_t)(at - start));
}
