/* The table of formats: recognising, cutting, reading. */
#include "engine/corpus/corpus_readers.h"

const char *const corpus_format_words[] = {"auto",  "pem",    "der", "der4",   "der3", "der2",
                                           "pkcs7", "ndjson", "csv", "base64", NULL};

static struct span without_mark(struct span head) {
    static const uint8_t byte_order_mark[] = {0xEF, 0xBB, 0xBF};
    if (head.len >= 3 && memcmp(head.data, byte_order_mark, 3) == 0) {
        span_take(&head, 3);
    }
    return head;
}

/* From the surest sign to the least. */
static enum corpus_format guess(struct span head, struct corpus_file *file) {
    const char *ignored;
    struct span text = without_mark(head);
    if (corpus_is_pkcs7(head)) {
        return CORPUS_PKCS7;
    }
    enum corpus_format der = corpus_der_format(head);
    if (der != CORPUS_AUTO) {
        return der;
    }
    if (corpus_is_ndjson(text)) {
        return CORPUS_NDJSON;
    }
    if (corpus_has_pem_line(text)) { /* in CSV a quote stands before */
        return CORPUS_PEM;
    }
    if (corpus_csv_header(text, NULL, file, &ignored)) {
        return CORPUS_CSV;
    }
    if (corpus_is_base64(text)) {
        return CORPUS_BASE64;
    }
    return corpus_is_pem(text) ? CORPUS_PEM : CORPUS_AUTO;
}

bool corpus_recognise(struct span head, enum corpus_format forced, const char *column,
                      struct corpus_file *out, const char **out_why) {
    if (forced == CORPUS_CSV || (forced == CORPUS_AUTO && column != NULL)) {
        out->format = CORPUS_CSV;
        return corpus_csv_header(without_mark(head), column, out, out_why);
    }
    out->format = forced != CORPUS_AUTO ? forced : guess(head, out);
    if (out->format == CORPUS_AUTO) {
        *out_why = "no certificates are recognised in it; --format says what it is";
        return false;
    }
    return true;
}

static size_t cut_lines(struct span text) {
    const uint8_t *last = memrchr(text.data, '\n', text.len);
    return last != NULL ? (size_t)(last - text.data) + 1 : 0;
}

size_t corpus_cut(const struct corpus_file *file, struct span text, bool *out_is_lost) {
    *out_is_lost = false;
    switch (file->format) {
    case CORPUS_PEM:
        return corpus_cut_pem(text);
    case CORPUS_DER:
    case CORPUS_DER4:
    case CORPUS_DER3:
    case CORPUS_DER2:
        return corpus_cut_der(text, file->format, out_is_lost);
    case CORPUS_CSV:
        return corpus_cut_csv(text, file->separator);
    case CORPUS_NDJSON:
    case CORPUS_BASE64:
        return cut_lines(text);
    case CORPUS_PKCS7: /* all of the file */
    case CORPUS_AUTO:
    case CORPUS_FORMAT_COUNT:
        break;
    }
    return 0;
}

void corpus_read_piece(struct corpus_batch *batch, const struct corpus_piece *piece,
                       struct span bytes) {
    struct corpus_place place = {.piece = piece, .offset = piece->offset};
    switch (piece->file->format) {
    case CORPUS_PEM:
        corpus_read_pem(batch, bytes, place);
        break;
    case CORPUS_DER:
    case CORPUS_DER4:
    case CORPUS_DER3:
    case CORPUS_DER2:
        corpus_read_der(batch, bytes, piece->file->format, place);
        break;
    case CORPUS_PKCS7:
        corpus_read_pkcs7(batch, bytes, place);
        break;
    case CORPUS_NDJSON:
        corpus_read_ndjson(batch, bytes, place);
        break;
    case CORPUS_CSV:
        corpus_read_csv(batch, bytes, piece, place);
        break;
    case CORPUS_BASE64:
        corpus_read_base64(batch, bytes, place);
        break;
    case CORPUS_AUTO:
    case CORPUS_FORMAT_COUNT:
        break;
    }
}
