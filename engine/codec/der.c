#include "engine/codec/der.h"

bool der_long_header(struct span from, size_t *out_header_len, size_t *out_contents_len) {
    size_t count = from.data[1] & 0x7f;
    if (from.data[1] < 0x80 || count < 3 || count > 4 || from.len < 2 + count) {
        return false; /* indefinite, cut, or longer than anything we hold */
    }
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len = len << 8 | from.data[2 + i];
    }
    if (from.data[2] == 0) {
        return false; /* not minimal */
    }
    *out_header_len = 2 + count;
    *out_contents_len = len;
    return true;
}
