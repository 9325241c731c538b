/* Property: any bytes as a file of keys give a complaint that begins with the name, or items whose
   keys are whole SubjectPublicKeyInfos or lie in their certificates. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/cert.h"
#include "engine/policy/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_item(const struct keyfile_item *item) {
    enum cert_key key;
    uint16_t bits;
    struct span spki;
    bool good = item->kind == KEYFILE_CERTIFICATE
                    ? cert_spki(item->certificate, &spki) && span_equal(spki, item->spki)
                    : cert_spki_key(item->spki, &key, &bits);
    if (!good) {
        fprintf(stderr, "an item without a key of its own\n");
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena = {0};
    struct keyfile file;
    struct err_note note = {""};
    enum err err = keyfile_parse(span_of(data, size), "k", &arena, &file, &note);
    if (err == ERR_NONE ? file.count == 0 : note.text[0] != 'k') {
        fprintf(stderr, "neither items nor a complaint\n");
        abort();
    }
    for (uint32_t i = 0; err == ERR_NONE && i < file.count; i++) {
        check_item(&file.items[i]);
    }
    arena_fini(&arena);
    return 0;
}
