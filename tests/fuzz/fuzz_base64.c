/* Properties: all kernels agree with each other and, on text without white space, with the decoder
   for short texts; what decodes encodes to the same digits. */
#include <stdlib.h>

#include "engine/base/attributes.h"
#include "engine/codec/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_white_space(struct span text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == ' ' || text.data[i] == '\t' || text.data[i] == '\r' ||
            text.data[i] == '\n') {
            return true;
        }
    }
    return false;
}

static void check_round_trip(struct span text, struct span bytes) {
    char *again = malloc(BASE64_LEN(bytes.len) + 1);
    size_t len = base64_encode(again, bytes), at = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!has_white_space(span_of(text.data + i, 1))) {
            CHECK(at < len && (uint8_t)again[at] == text.data[i]);
            at++;
        }
    }
    CHECK(at == len);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *names[BASE64_KERNELS_MAX];
    size_t count = base64_kernels_available(names), capacity = BASE64_BYTES_MAX(size);
    struct span text = span_of(data, size);
    uint8_t *first = malloc(capacity), *other = malloc(capacity);
    size_t first_len = 0, other_len = 0;
    CHECK(base64_force_kernel(names[0]));
    bool good = base64_decode_lines(text, first, capacity, &first_len);
    for (size_t i = 1; i < count; i++) {
        CHECK(base64_force_kernel(names[i]));
        CHECK(base64_decode_lines(text, other, capacity, &other_len) == good);
        CHECK(!good || span_equal(span_of(first, first_len), span_of(other, other_len)));
    }
    if (!has_white_space(text)) {
        CHECK(base64_decode(text, other, capacity, &other_len) == good);
        CHECK(!good || span_equal(span_of(first, first_len), span_of(other, other_len)));
    }
    if (good) {
        check_round_trip(text, span_of(first, first_len));
    }
    free(first);
    free(other);
    return 0;
}
