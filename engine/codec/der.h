/* The hand-written DER cursor (X.690) under cert.c: elements are taken off the front of a span.
   Lengths must be definite and minimal, tags of one byte. Inline: the walk to a key is hot. A
   function that returns false has changed neither `from` nor its outputs. */
#ifndef PINSWEEP_CODEC_DER_H
#define PINSWEEP_CODEC_DER_H

#include "engine/base/attributes.h"
#include "engine/base/span.h"

#define DER_BOOLEAN 0x01
#define DER_INTEGER 0x02
#define DER_BIT_STRING 0x03
#define DER_OCTET_STRING 0x04
#define DER_NULL 0x05
#define DER_OID 0x06
#define DER_UTC_TIME 0x17
#define DER_GENERALIZED_TIME 0x18
#define DER_SEQUENCE 0x30
#define DER_SET 0x31
#define DER_CONTEXT(number) (0x80 | (number))             /* [number] IMPLICIT, primitive */
#define DER_CONTEXT_CONSTRUCTED(number) (0xa0 | (number)) /* [number] EXPLICIT or constructed */

struct der {
    struct span element;  /* with its header */
    struct span contents; /* without */
};

/* Length octets of the long form with three or four bytes; also what says no to all others. */
bool der_long_header(struct span from, size_t *out_header_len, size_t *out_contents_len);

/* The next element, whatever its tag (which is at out->element.data[0]). No [UNIVERSAL 0] and no
   tag number above 30: nothing in a certificate has one. */
static inline bool der_take_any(struct span *from, struct der *out) {
    size_t header_len = 2, contents_len;
    if (UNLIKELY(from->len < 2 || (from->data[0] & 0x1f) == 0x1f || (from->data[0] & ~0x20) == 0)) {
        return false;
    }
    uint8_t first = from->data[1];
    if (first < 0x80) {
        contents_len = first;
    } else if (first == 0x82 && from->len >= 4) {
        header_len = 4;
        contents_len = (size_t)from->data[2] << 8 | from->data[3];
        if (UNLIKELY(contents_len < 0x100)) {
            return false;
        }
    } else if (first == 0x81 && from->len >= 3) {
        header_len = 3;
        contents_len = from->data[2];
        if (UNLIKELY(contents_len < 0x80)) {
            return false;
        }
    } else if (!der_long_header(*from, &header_len, &contents_len)) {
        return false;
    }
    if (UNLIKELY(contents_len > from->len - header_len)) {
        return false;
    }
    out->contents = span_of(from->data + header_len, contents_len);
    out->element = span_of(from->data, header_len + contents_len);
    from->data += header_len + contents_len;
    from->len -= header_len + contents_len;
    return true;
}

static inline bool der_next_is(struct span from, uint8_t tag) {
    return from.len > 0 && from.data[0] == tag;
}

/* The next element, which must have this tag. */
static inline bool der_take(struct span *from, uint8_t tag, struct der *out) {
    return LIKELY(der_next_is(*from, tag)) && der_take_any(from, out);
}

/* The contents of the one element that fills `whole`. */
static inline bool der_only(struct span whole, uint8_t tag, struct span *out_contents) {
    struct der element;
    if (!der_take(&whole, tag, &element) || whole.len > 0) {
        return false;
    }
    *out_contents = element.contents;
    return true;
}

/* Contents of an INTEGER: at least one byte, no redundant leading one (X.690 8.3.2). */
static inline bool der_integer_is_valid(struct span contents) {
    if (contents.len < 2) {
        return contents.len == 1;
    }
    uint8_t first = contents.data[0], top = contents.data[1] & 0x80;
    return !(first == 0x00 && top == 0) && !(first == 0xff && top != 0);
}

/* Contents of a BIT STRING: the count of unused bits, which must be zero (X.690 11.2.1). */
static inline bool der_bit_string_is_valid(struct span contents) {
    if (contents.len == 0 || contents.data[0] > 7) {
        return false;
    }
    uint8_t unused = contents.data[0];
    return unused == 0 ||
           (contents.len > 1 && (contents.data[contents.len - 1] & ((1u << unused) - 1)) == 0);
}

/* Contents of an OBJECT IDENTIFIER: whole, minimal base-128 numbers (X.690 8.19.2). */
static inline bool der_oid_is_valid(struct span contents) {
    uint8_t before = 0;
    for (size_t i = 0; i < contents.len; i++) {
        if (contents.data[i] == 0x80 && (before & 0x80) == 0) {
            return false;
        }
        before = contents.data[i];
    }
    return contents.len > 0 && (before & 0x80) == 0;
}

/* Contents of a BOOLEAN in DER: 0x00 or 0xff. */
static inline bool der_boolean(struct span contents, bool *out) {
    if (contents.len != 1 || (contents.data[0] != 0x00 && contents.data[0] != 0xff)) {
        return false;
    }
    *out = contents.data[0] != 0;
    return true;
}

#endif
