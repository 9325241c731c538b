/* CSV (RFC 4180) with a certificate in one column: PEM (in quotes, with its line ends) or base64.
 */
#include "engine/codec/text.h"
#include "engine/corpus/corpus_readers.h"

/* Without case, blanks, '_', '-' and '.'. */
static const char *const known_names[] = {"certificate",
                                          "cert",
                                          "pem",
                                          "der",
                                          "certpem",
                                          "certificatepem",
                                          "pemcert",
                                          "x509",
                                          "derbase64",
                                          "certder",
                                          "certificateder",
                                          "pemcertificate",
                                          "raw",
                                          "rawcert",
                                          "certb64",
                                          "certbase64",
                                          "certificatebase64",
                                          "x509certificate",
                                          "base64",
                                          "peminfo",
                                          "pemdata",
                                          "certificatedata",
                                          "leafcert"};

static const char separators[] = ",;\t|";

static bool is_known_name(struct span name) {
    char plain[32];
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        uint8_t lower = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
        if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9')) {
            if (len == sizeof plain) {
                return false;
            }
            plain[len++] = (char)lower;
        } else if (strchr(" _-.", c) == NULL || c == '\0') {
            return false; /* "Certificate:" begins the text that openssl prints */
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(known_names); i++) {
        if (span_equal_str(span_of(plain, len), known_names[i])) {
            return true;
        }
    }
    return false;
}

/* What comes behind a field. */
enum field_end { FIELD_MORE, FIELD_ROW_ENDS, FIELD_TEXT_ENDS, FIELD_QUOTE_OPEN };

/* Where the quoted contents at the front end: at the closing quote, or with the text. */
static size_t quoted_len(struct span text) {
    size_t end = 0;
    while ((end += span_find(span_of(text.data + end, text.len - end), '"')) + 1 < text.len &&
           text.data[end + 1] == '"') {
        end += 2;
    }
    return end;
}

/* A field off the front of the row, without its quotes (doubled ones inside stay doubled: neither
   PEM nor base64 has any). Only a field that begins with a quote is quoted (RFC 4180 section 2.5):
   one inside, as inches have it, is a character like others. */
static struct span take_field(struct span *text, char separator, enum field_end *out_end) {
    struct span field = {NULL, 0};
    size_t end = 0;
    while (end < text->len && text->data[end] == ' ') {
        end++;
    }
    bool quoted = end < text->len && text->data[end] == '"', closed = true;
    if (quoted) {
        struct span rest = span_of(text->data + end + 1, text->len - end - 1);
        field = span_of(rest.data, quoted_len(rest));
        closed = field.len < rest.len;
        end += 1 + field.len + (closed ? 1 : 0);
    }
    while (end < text->len && text->data[end] != (uint8_t)separator && text->data[end] != '\n') {
        end++;
    }
    if (!quoted) {
        field = span_of(text->data, end);
    }
    *out_end = !closed                   ? FIELD_QUOTE_OPEN
               : end >= text->len        ? FIELD_TEXT_ENDS
               : text->data[end] == '\n' ? FIELD_ROW_ENDS
                                         : FIELD_MORE;
    span_take(text, end + 1);
    return span_trim(field);
}

static bool find_column(struct span head, char separator, const char *wanted, uint32_t *out) {
    enum field_end end = FIELD_MORE;
    for (uint32_t column = 0; end == FIELD_MORE && column < CSV_COLUMNS_MAX; column++) {
        struct span name = take_field(&head, separator, &end);
        if (wanted != NULL ? text_equal_ignore_case(name, span_str(wanted)) : is_known_name(name)) {
            *out = column;
            return true;
        }
    }
    return false;
}

/* The separator of the header line: the one that it has most of. */
static char separator_of(struct span line) {
    size_t best_count = 0;
    char best = ',';
    for (size_t i = 0; i < sizeof separators - 1; i++) {
        size_t count = 0;
        for (size_t at = 0; at < line.len; at++) {
            count += line.data[at] == (uint8_t)separators[i];
        }
        if (count > best_count) {
            best_count = count;
            best = separators[i];
        }
    }
    return best;
}

bool corpus_csv_header(struct span head, const char *column, struct corpus_file *out,
                       const char **out_why) {
    struct span line = span_of(head.data, span_find(head, '\n'));
    uint64_t number;
    if (line.len > CORPUS_HEADER_BYTES_MAX) {
        *out_why = "the header line is too long";
        return false;
    }
    out->separator = separator_of(line);
    if (column != NULL && text_parse_u64(span_str(column), CSV_COLUMNS_MAX, &number) &&
        number > 0) {
        out->column = (uint32_t)number - 1;
        return true;
    }
    if (!find_column(line, out->separator, column, &out->column)) {
        *out_why = column != NULL ? "no column of the name that --column gives"
                                  : "no column is named like a certificate; --column says which";
        return false;
    }
    return true;
}

/* Behind the last line end that is outside of quotes. Whether a quote opens or closes is known from
   the start on only: a piece begins outside. */
size_t corpus_cut_csv(struct span text, char separator) {
    struct span rest = text;
    size_t cut = 0;
    if (text.len > 0 && span_find(text, '"') == text.len) {
        const uint8_t *last = memrchr(text.data, '\n', text.len);
        return last != NULL ? (size_t)(last - text.data) + 1 : 0;
    }
    while (rest.len > 0) {
        enum field_end end;
        take_field(&rest, separator, &end);
        if (end == FIELD_ROW_ENDS) {
            cut = text.len - rest.len;
        }
    }
    return cut;
}

/* What no header has: the file is one without, and --column gave a number. */
static bool is_data(struct span field) {
    return field.len >= 64 && (memcmp(field.data, "MI", 2) == 0 || field.data[0] == '-');
}

void corpus_read_csv(struct corpus_batch *batch, struct span text, const struct corpus_piece *piece,
                     struct corpus_place place) {
    struct span rest = text;
    bool is_header = piece->has_header;
    while (rest.len > 0) {
        struct corpus_place here = corpus_place_at(place, (size_t)(rest.data - text.data));
        struct span found = {NULL, 0};
        enum field_end end = FIELD_MORE;
        for (uint32_t column = 0; end == FIELD_MORE; column++) {
            struct span field = take_field(&rest, piece->file->separator, &end);
            if (column == piece->file->column) {
                found = field;
            }
        }
        bool skipped = is_header && !is_data(found);
        is_header = false;
        if (end == FIELD_QUOTE_OPEN) {
            corpus_batch_broken(
                batch, span_of(NULL, 0), here,
                "a quote is opened in this row that nothing closes: the rest of the "
                "file is passed over");
            batch->block->stats.files_failed++;
            return;
        }
        if (skipped) {
            continue;
        }
        if (found.len == 0) {
            batch->block->stats.empty++;
        } else {
            corpus_read_field(batch, found, true, here);
        }
    }
}
