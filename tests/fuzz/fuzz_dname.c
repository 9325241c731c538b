/* Whatever the Name: a NUL-terminated text of the length returned, UTF-8, without control
   characters, and never a byte past the end. */
#include <stdlib.h>

#include "engine/base/attributes.h"
#include "engine/codec/dname.h"
#include "engine/codec/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t len) {
    CHECK(len < DNAME_TEXT_MAX && strlen(text) == len);
    CHECK(text_is_utf8(span_of(text, len)));
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];
        uint8_t next = (uint8_t)text[i + 1];
        CHECK(c >= 0x20 && c != 0x7F);
        CHECK(c != 0xC2 || next >= 0xA0); /* C1 */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(DNAME_TEXT_MAX);
    CHECK(text != NULL);
    size_t len = dname_format(text, span_of(data, size));
    check_text(text, len);
    CHECK(size == 0 || data[0] == 0x30 || text[0] == '#');
    check_text(text, dname_short(text, span_of(data, size)));
    free(text);
    return 0;
}
