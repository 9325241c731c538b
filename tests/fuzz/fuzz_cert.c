/* Property: the walk over a certificate and its CBS oracle agree on every input, and what they find
   lies inside it. The names found can be matched, an SCT's time is a time. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/cert_sct.h"
#include "tests/support/cert_agree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct span der = span_of(data, size);
    const char *why = cert_disagreement(der);
    if (why != NULL) {
        fprintf(stderr, "%s\n", why);
        abort();
    }
    struct cert_fields fields;
    if (cert_walk(der, &fields)) {
        char text[24];
        struct netaddr address = {.family = 6};
        cert_key_text(text, fields.key, fields.key_bits);
        cert_covers_host(&fields, span_str("www.example.com"));
        cert_covers_address(&fields, &address);
        int64_t first_s = -1;
        if (cert_sct_first(&fields, &first_s) ? first_s < 0 || !fields.has_scts : first_s != -1) {
            fprintf(stderr, "an SCT's time is none\n");
            abort();
        }
    }
    return 0;
}
