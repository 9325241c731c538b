/* DER: one certificate behind the other, bare or each behind its length (2, 3 or 4 bytes,
   big-endian: as TLS vectors and dumps of CT logs have them). */
#include "engine/codec/der.h"
#include "engine/corpus/corpus_readers.h"

static size_t prefix_len(enum corpus_format format) {
    return format == CORPUS_DER4 ? 4 : format == CORPUS_DER3 ? 3 : format == CORPUS_DER2 ? 2 : 0;
}

bool corpus_der_len(struct span bytes, size_t *out_len) {
    size_t len = 0;
    if (bytes.len < 2 || bytes.data[0] != DER_SEQUENCE) {
        return false;
    }
    if (bytes.data[1] < 0x80) {
        *out_len = 2 + (size_t)bytes.data[1];
        return true;
    }
    size_t count = bytes.data[1] & 0x7f;
    if (count < 1 || count > 4 || bytes.len < 2 + count) {
        return false; /* indefinite, or longer than anything we hold */
    }
    for (size_t i = 0; i < count; i++) {
        len = len << 8 | bytes.data[2 + i];
    }
    *out_len = 2 + count + len;
    return true;
}

/* The record at the front: its length with the prefix. False if there is no telling; `*out_len` may
   be more than there is. */
static bool record_len(struct span bytes, enum corpus_format format, size_t *out_len) {
    size_t prefix = prefix_len(format), len = 0;
    if (prefix == 0) {
        return corpus_der_len(bytes, out_len);
    }
    if (bytes.len < prefix) {
        *out_len = prefix;
        return true;
    }
    for (size_t i = 0; i < prefix; i++) {
        len = len << 8 | bytes.data[i];
    }
    *out_len = prefix + len;
    return len <= CORPUS_RECORD_BYTES_MAX;
}

/* A header that could be the start of one, were there more bytes. */
static bool may_go_on(struct span bytes) {
    return bytes.len < 6 && bytes.len > 0 && bytes.data[0] == DER_SEQUENCE;
}

size_t corpus_cut_der(struct span bytes, enum corpus_format format, bool *out_is_lost) {
    struct span rest = bytes;
    size_t len;
    while (rest.len > 0) {
        bool known = record_len(rest, format, &len);
        if (known && len <= CORPUS_RECORD_BYTES_MAX && len <= rest.len) {
            span_take(&rest, len);
            continue;
        }
        if ((known && len <= CORPUS_RECORD_BYTES_MAX) || (!known && may_go_on(rest))) {
            break;
        }
        *out_is_lost = true; /* the reader will come to this place and say so */
        return bytes.len;
    }
    return bytes.len - rest.len;
}

static void read_element(struct corpus_batch *batch, struct span der, struct corpus_place place) {
    if (UNLIKELY(corpus_is_pkcs7(der))) {
        corpus_read_pkcs7(batch, der, place);
    } else {
        corpus_batch_add(batch, der, place);
    }
}

/* Where the rest of a file is lost that was a row of records, the file has not been read to its
   end; one certificate with something behind it is no such row. */
static void lose_rest(struct corpus_batch *batch, enum corpus_format format, uint64_t records,
                      struct corpus_place here) {
    if (prefix_len(format) > 0 || records > 1 || here.piece->offset > 0) {
        batch->block->stats.files_failed++;
    }
}

/* A prefix that contradicts the header behind it: it is not the file that ends too early. */
static bool contradicts(struct span record, size_t prefix, size_t len) {
    size_t inner;
    return prefix > 0 && record.len > prefix &&
           (!corpus_der_len(span_of(record.data + prefix, record.len - prefix), &inner) ||
            prefix + inner != len);
}

void corpus_read_der(struct corpus_batch *batch, struct span bytes, enum corpus_format format,
                     struct corpus_place place) {
    size_t at = 0, prefix = prefix_len(format), len;
    uint64_t records = 0;
    while (at < bytes.len) {
        struct span rest = span_of(bytes.data + at, bytes.len - at);
        struct corpus_place here = corpus_place_at(place, at);
        bool known = record_len(rest, format, &len);
        if (!known || (len > rest.len && contradicts(rest, prefix, len))) {
            corpus_batch_broken(batch, rest, here,
                                "no certificate begins here, and where the next one does cannot be "
                                "told: the rest of the file is passed over");
            lose_rest(batch, format, records, here);
            return;
        }
        if (len > rest.len) {
            span_take(&rest, prefix);
            corpus_batch_broken(batch, rest, here, "the file ends inside this certificate");
            return;
        }
        struct span record = span_take(&rest, len);
        span_take(&record, prefix);
        if (record.len == 0) {
            corpus_batch_broken(batch, record, here, "a record of no bytes");
        } else {
            read_element(batch, record, corpus_place_at(here, prefix));
        }
        at += len;
        records++;
    }
}

/* The prefix and the DER behind it agree on the length: no accident. */
static bool looks_prefixed(struct span head, enum corpus_format format) {
    size_t prefix = prefix_len(format), len, inner;
    return head.len > prefix && record_len(head, format, &len) &&
           corpus_der_len(span_of(head.data + prefix, head.len - prefix), &inner) &&
           prefix + inner == len;
}

enum corpus_format corpus_der_format(struct span head) {
    static const enum corpus_format prefixed[] = {CORPUS_DER4, CORPUS_DER3, CORPUS_DER2};
    size_t len;
    /* A Certificate begins with its TBSCertificate; keys, PKCS#12 and texts that begin with '0' do
     * not.
     */
    if (corpus_der_len(head, &len) && len > 4 && head.len > 4 &&
        (len <= head.len || head.data[1] > 0x80)) {
        size_t header = head.data[1] < 0x80 ? 2 : 2 + (head.data[1] & 0x7fu);
        uint8_t inner = header < head.len ? head.data[header] : 0;
        if (inner == DER_SEQUENCE) {
            return CORPUS_DER;
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(prefixed); i++) {
        if (looks_prefixed(head, prefixed[i])) {
            return prefixed[i];
        }
    }
    return CORPUS_AUTO;
}
