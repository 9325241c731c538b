/* PEM (RFC 7468): certificates, OpenSSL's TRUSTED CERTIFICATE, PKCS#7; any text and other blocks
   between are passed over. */
#include "engine/codec/base64.h"
#include "engine/codec/der.h"
#include "engine/corpus/corpus_readers.h"

static const char begin_word[] = "-----BEGIN ", end_word[] = "-----END ", dashes[] = "-----";
#define BEGIN_LEN (sizeof begin_word - 1)
#define END_LEN (sizeof end_word - 1)
#define DASHES_LEN (sizeof dashes - 1)
#define LABEL_LEN_MAX 64 /* "TRUSTED CERTIFICATE"; a longer one is no label of a certificate */

enum pem_kind { PEM_OTHER, PEM_CERTIFICATE, PEM_TRUSTED, PEM_PKCS7 };

static enum pem_kind kind_of(struct span label) {
    static const struct {
        const char *label;
        enum pem_kind kind;
    } kinds[] = {{"CERTIFICATE", PEM_CERTIFICATE},      {"TRUSTED CERTIFICATE", PEM_TRUSTED},
                 {"X509 CERTIFICATE", PEM_CERTIFICATE}, {"PKCS7", PEM_PKCS7},
                 {"PKCS #7 SIGNED DATA", PEM_PKCS7},    {"CMS", PEM_PKCS7}};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (span_equal_str(label, kinds[i].label)) {
            return kinds[i].kind;
        }
    }
    return PEM_OTHER;
}

struct block {
    size_t begin, body, end, next; /* places of BEGIN, of the base64, of its end, of what follows */
    struct span label;
    enum pem_kind kind;
};

static struct span from(struct span text, size_t at) {
    return span_of(text.data + at, text.len - at);
}

static bool starts_with(struct span text, const char *word, size_t len) {
    return text.len >= len && memcmp(text.data, word, len) == 0;
}

/* "label-----" at the front. */
static bool take_label(struct span text, struct span *out_label) {
    struct span head = span_of(text.data, text.len < LABEL_LEN_MAX ? text.len : LABEL_LEN_MAX);
    const uint8_t *end = head.len > 0 ? memmem(head.data, head.len, dashes, DASHES_LEN) : NULL;
    if (end == NULL) {
        return false;
    }
    *out_label = span_of(text.data, (size_t)(end - text.data));
    return span_find(*out_label, '\n') == out_label->len;
}

/* The next BEGIN line at or after `at`. */
static bool find_begin(struct span text, size_t at, struct block *out) {
    static const char usual[] = "-----BEGIN CERTIFICATE-----";
    while (at < text.len) {
        struct span rest = from(text, at);
        if (LIKELY(starts_with(rest, usual, sizeof usual - 1))) {
            out->begin = at;
            out->label = span_of(rest.data + BEGIN_LEN, sizeof "CERTIFICATE" - 1);
            out->body = at + sizeof usual - 1;
            out->kind = PEM_CERTIFICATE;
            return true;
        }
        const uint8_t *begin = memmem(rest.data, rest.len, begin_word, BEGIN_LEN);
        if (begin == NULL) {
            return false;
        }
        out->begin = (size_t)(begin - text.data);
        if (take_label(from(text, out->begin + BEGIN_LEN), &out->label)) {
            out->body = out->begin + BEGIN_LEN + out->label.len + DASHES_LEN;
            out->kind = kind_of(out->label);
            return true;
        }
        at = out->begin + BEGIN_LEN;
    }
    return false;
}

/* Where the base64 ends; NULL if all is well, else what is not. The next block is looked for behind
   what was understood. */
static const char *find_end(struct span text, struct block *block) {
    struct span rest = from(text, block->body), label;
    block->end = block->body + span_find(rest, '-');
    block->next = block->end;
    rest = from(text, block->end);
    if (rest.len == 0) {
        return "the file ends inside this certificate";
    }
    if (starts_with(rest, begin_word, BEGIN_LEN)) {
        return "no END line before the next BEGIN";
    }
    if (!starts_with(rest, end_word, END_LEN) || !take_label(from(rest, END_LEN), &label)) {
        block->next++;
        return "a '-' inside the base64";
    }
    block->next += END_LEN + label.len + DASHES_LEN;
    return span_equal(label, block->label) ? NULL : "END does not match BEGIN";
}

static void read_block(struct corpus_batch *batch, struct span text, const struct block *block,
                       struct corpus_place place) {
    struct span body = span_of(text.data + block->body, block->end - block->body);
    size_t capacity = BASE64_BYTES_MAX(body.len), len = 0;
    uint8_t *room = corpus_batch_room(batch, capacity);
    if (UNLIKELY(!base64_decode_lines(body, room, capacity, &len))) {
        corpus_batch_broken(batch, span_of(NULL, 0), place, "not valid base64");
        return;
    }
    struct span der = corpus_batch_take(batch, len);
    struct der element;
    if (block->kind == PEM_PKCS7) {
        place.fixed = true;
        corpus_read_pkcs7(batch, der, place);
        return;
    }
    if (block->kind == PEM_TRUSTED) { /* OpenSSL's settings follow as a second element */
        struct span rest = der;
        der = der_take_any(&rest, &element) ? element.element : der;
    }
    corpus_batch_add(batch, der, place);
}

void corpus_read_pem(struct corpus_batch *batch, struct span text, struct corpus_place place) {
    struct block block;
    size_t at = 0;
    while (find_begin(text, at, &block)) {
        if (block.kind == PEM_OTHER) {
            at = block.begin + BEGIN_LEN;
            continue;
        }
        struct corpus_place here = corpus_place_at(place, block.begin);
        const char *why = find_end(text, &block);
        if (UNLIKELY(why != NULL)) {
            corpus_batch_broken(batch, span_of(NULL, 0), here, why);
        } else {
            read_block(batch, text, &block, here);
        }
        at = block.next;
        if (at < text.len && text.data[at] == '\n') {
            at++;
        }
    }
}

/* The start of the line that has a BEGIN there, blanks before it allowed; false if it has more. */
static bool line_start(struct span text, size_t begin, size_t *out) {
    while (begin > 0 && (text.data[begin - 1] == ' ' || text.data[begin - 1] == '\t')) {
        begin--;
    }
    *out = begin;
    return begin == 0 || text.data[begin - 1] == '\n';
}

/* The last BEGIN of the text, or only the last that begins a line. */
static bool last_begin(struct span text, bool any, size_t *out) {
    struct span before = text;
    const uint8_t *dash;
    while ((dash = before.len > 0 ? memrchr(before.data, '-', before.len) : NULL) != NULL) {
        size_t at = (size_t)(dash - text.data);
        if (at + 1 >= DASHES_LEN) {
            size_t begin = at + 1 - DASHES_LEN, start;
            if (starts_with(from(text, begin), begin_word, BEGIN_LEN) &&
                (line_start(text, begin, &start) || any)) {
                *out = any ? begin : start;
                return true;
            }
        }
        before.len = at;
    }
    return false;
}

/* Before the last line that is a BEGIN: whatever came before, reading starts anew there. If nothing
   comes before it: behind its END, if it is there. Text without any BEGIN may be dropped but for
   what could be the start of one. A BEGIN behind other text in its line is cut at only in a long
   text: the two parts may then differ from the whole in what they complain of. */
size_t corpus_cut_pem(struct span text) {
    struct block block;
    size_t start;
    if (last_begin(text, false, &start)) {
        if (start > 0) {
            return start;
        }
        return find_begin(text, 0, &block) && find_end(text, &block) == NULL ? block.next : 0;
    }
    if (last_begin(text, true, &start)) {
        return text.len >= CORPUS_BLOCK_BYTES ? start : 0;
    }
    const uint8_t *line = text.len > 0 ? memrchr(text.data, '\n', text.len) : NULL;
    if (line != NULL) {
        return (size_t)(line - text.data) + 1;
    }
    return text.len < 2 * BEGIN_LEN ? 0 : text.len - text.len / 2;
}

bool corpus_has_pem_line(struct span head) {
    const uint8_t *begin = head.len > 0 ? memmem(head.data, head.len, begin_word, BEGIN_LEN) : NULL;
    return begin != NULL && (begin == head.data || begin[-1] == '\n');
}

/* A long text may have its first certificate behind what has been read: it is looked through. */
bool corpus_is_pem(struct span head) {
    return head.len > 0 && (memmem(head.data, head.len, begin_word, BEGIN_LEN) != NULL ||
                            (head.len >= CORPUS_GUESS_BYTES && span_find(head, '\0') == head.len));
}
