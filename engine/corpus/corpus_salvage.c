#include "engine/corpus/corpus_salvage.h"

#include "engine/codec/der.h"

/* Off the front: the header of a SEQUENCE, whatever length it claims (long or indefinite forms
   too). */
static bool take_sequence_header(struct span *from) {
    if (from->len < 2 || from->data[0] != DER_SEQUENCE) {
        return false;
    }
    size_t more = from->data[1] > 0x80 ? from->data[1] & 0x7fu : 0;
    if (more > 4 || from->len < 2 + more) {
        return false;
    }
    span_take(from, 2 + more);
    return true;
}

bool corpus_salvage_spki(struct span der, struct span *out_spki) {
    struct der skipped, spki, algorithm, key;
    if (!take_sequence_header(&der) || !take_sequence_header(&der)) {
        return false;
    }
    if (der_next_is(der, DER_CONTEXT_CONSTRUCTED(0)) && !der_take_any(&der, &skipped)) {
        return false;
    }
    if (!der_take(&der, DER_INTEGER, &skipped) || !der_take(&der, DER_SEQUENCE, &skipped) ||
        !der_take(&der, DER_SEQUENCE, &skipped) || !der_take(&der, DER_SEQUENCE, &skipped) ||
        !der_take(&der, DER_SEQUENCE, &skipped) || !der_take(&der, DER_SEQUENCE, &spki)) {
        return false;
    }
    /* Here nothing else vouches for it: it must look like a key. */
    struct span contents = spki.contents;
    if (!der_take(&contents, DER_SEQUENCE, &algorithm) ||
        !der_next_is(algorithm.contents, DER_OID) || !der_take(&contents, DER_BIT_STRING, &key) ||
        contents.len > 0) {
        return false;
    }
    *out_spki = spki.element;
    return true;
}
