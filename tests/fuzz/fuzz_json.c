/* Whatever the bytes: strict JSON and UTF-8 if the line fits, nothing at all if it does not, and
   never a byte past the end. The first byte takes room away from the buffer. */
#include <stdlib.h>

#include "engine/base/attributes.h"
#include "engine/codec/json.h"
#include "tests/support/strict_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct span text = span_of(data, size);
    size_t taken = size > 0 ? span_take(&text, 1).data[0] : 0;
    struct span key = span_take(&text, text.len / 3);
    size_t needed = 6 * size + 128;
    size_t capacity = taken < needed ? needed - taken : 0;
    char *buffer = malloc(capacity + 1); /* one more only because malloc(0) may be NULL */
    CHECK(buffer != NULL);
    struct json json;
    json_init(&json, buffer, capacity);
    json_object_begin(&json);
    json_key_span(&json, key);
    json_string(&json, text);
    json_key(&json, "list");
    json_array_begin(&json);
    json_u64(&json, size);
    json_milli(&json, (int64_t)size - 100);
    json_hex(&json, span_of(data, size < 16 ? size : 16));
    json_base64(&json, span_of(data, size < 16 ? size : 16));
    json_array_end(&json);
    json_object_end(&json);
    size_t len = json_finish_line(&json);
    CHECK(len <= capacity);
    CHECK(len > 0 || taken > 0);
    CHECK(len == 0 || strict_json_line(span_of(buffer, len)));
    free(buffer);
    return 0;
}
