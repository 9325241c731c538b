/* A certificate as text in a field of a record. */
#include "engine/codec/base64.h"
#include "engine/corpus/corpus_readers.h"

static bool is_pem_text(struct span text) {
    static const char begin[] = "-----BEGIN ";
    return text.len >= sizeof begin - 1 && memcmp(text.data, begin, sizeof begin - 1) == 0;
}

/* CCADB puts apostrophes around, so that spreadsheets leave it alone. */
static struct span without_apostrophes(struct span text) {
    if (text.len >= 2 && text.data[0] == '\'') {
        span_take(&text, 1);
        text.len -= text.data[text.len - 1] == '\'' ? 1 : 0;
    }
    return span_trim(text);
}

bool corpus_read_field(struct corpus_batch *batch, struct span text, bool is_certain,
                       struct corpus_place place) {
    size_t capacity, len = 0, der_len;
    place.fixed = true;
    text = without_apostrophes(span_trim(text));
    if (is_pem_text(text)) {
        corpus_read_pem(batch, text, place);
        return true;
    }
    /* base64 of a SEQUENCE: 0x30, then a length of more than 127 bytes */
    bool likely = text.len > 2 && text.data[0] == 'M' && text.data[1] == 'I';
    if (!likely && !is_certain) {
        return false;
    }
    capacity = BASE64_BYTES_MAX(text.len);
    uint8_t *room = corpus_batch_room(batch, capacity);
    if (!base64_decode_lines(text, room, capacity, &len)) {
        if (is_certain) {
            corpus_batch_broken(batch, span_of(NULL, 0), place, "not valid base64");
        }
        return is_certain;
    }
    if (!is_certain && (!corpus_der_len(span_of(room, len), &der_len) || der_len != len)) {
        return false;
    }
    corpus_batch_add(batch, corpus_batch_take(batch, len), place);
    return true;
}

/* --- one base64 certificate a line --- */

bool corpus_is_base64(struct span head) {
    struct span line = span_of(head.data, span_find(head, '\n'));
    uint8_t bytes[48];
    size_t len;
    line = span_trim(line);
    return line.len >= 64 && line.data[0] == 'M' && line.data[1] == 'I' &&
           base64_decode(span_of(line.data, 64), bytes, sizeof bytes, &len) &&
           span_find(line, '-') == line.len;
}

void corpus_read_base64(struct corpus_batch *batch, struct span text, struct corpus_place place) {
    size_t at = 0;
    while (at < text.len) {
        struct span rest = span_of(text.data + at, text.len - at);
        struct span line = span_take(&rest, span_find(rest, '\n'));
        size_t line_len = line.len;
        line = span_trim(line);
        if (line.len > 0) {
            corpus_read_field(batch, line, true, corpus_place_at(place, at));
        } else {
            batch->block->stats.empty++;
        }
        at += line_len + 1;
    }
}
