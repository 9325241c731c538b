/* One line to its named fields: CSV (RFC 4180 within a line), zgrab2's CSV, NDJSON, plain. */
#include <cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/text.h"
#include "engine/sweep/inventory_line.h"

const char *const inventory_field_names[FIELD_COUNT] = {
    [FIELD_HOST] = "host",       [FIELD_PORT] = "port",
    [FIELD_SNI] = "sni",         [FIELD_PIN_HOST] = "pin_host",
    [FIELD_CONNECT] = "connect", [FIELD_TAG] = "tag",
    [FIELD_OWNER] = "owner",     [FIELD_APPLICATION] = "application"};

bool inventory_line_is_blank(struct span line) {
    line = span_trim(line);
    return line.len == 0 || line.data[0] == '#';
}

/* --- CSV --- */

struct csv_cell {
    struct span text;
    bool doubled;
};

/* Takes the next cell off `rest`; `*out_more` tells whether a comma followed. */
static bool csv_next(struct span *rest, struct csv_cell *out, bool *out_more,
                     const char **out_why) {
    struct span line = *rest;
    while (line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t')) {
        span_take(&line, 1);
    }
    *out = (struct csv_cell){0};
    if (line.len > 0 && line.data[0] == '"') {
        size_t at = 1;
        while (at < line.len &&
               (line.data[at] != '"' || (at + 1 < line.len && line.data[at + 1] == '"'))) {
            out->doubled = out->doubled || line.data[at] == '"';
            at += line.data[at] == '"' ? 2 : 1;
        }
        if (at >= line.len) {
            *out_why = "a quote is not closed (a field cannot go on in the next line)";
            return false;
        }
        out->text = span_of(line.data + 1, at - 1);
        span_take(&line, at + 1);
        size_t comma = span_find(line, ',');
        if (span_trim(span_of(line.data, comma)).len > 0) {
            *out_why = "text after a closing quote";
            return false;
        }
        *out_more = comma < line.len;
        span_take(&line, comma + 1);
    } else {
        size_t comma = span_find(line, ',');
        *out_more = comma < line.len;
        out->text = span_trim(span_of(line.data, comma));
        if (span_find(out->text, '"') < out->text.len) {
            *out_why = "a quote inside an unquoted field; quote the whole field";
            return false;
        }
        span_take(&line, comma + 1);
    }
    *rest = line;
    return true;
}

static bool split_csv(struct inventory_row *row, const struct inventory_syntax *syntax,
                      struct span line, const char **out_why) {
    bool more = true;
    for (uint32_t column = 0; more; column++) {
        struct csv_cell cell;
        if (!csv_next(&line, &cell, &more, out_why)) {
            return false;
        }
        if (column >= syntax->column_count) {
            if (cell.text.len == 0 && !more) {
                return true; /* a trailing comma */
            }
            *out_why = syntax->format == INVENTORY_ZGRAB2
                           ? "more than the four fields IP,DOMAIN,TAG,PORT"
                           : "more fields than the header has";
            return false;
        }
        uint8_t field = syntax->columns[column];
        if (field < FIELD_COUNT) {
            row->fields[field] = cell.text;
            row->doubled |= cell.doubled ? 1u << field : 0;
        }
    }
    return true;
}

/* --- NDJSON --- */

static bool take_member(struct inventory_row *row, const cJSON *member, enum inventory_field field,
                        const char **out_why) {
    if (cJSON_IsNull(member)) {
        return true;
    }
    if (row->fields[field].data != NULL) {
        *out_why = "a name is given twice";
        return false;
    }
    if (cJSON_IsString(member)) {
        row->fields[field] = span_str(member->valuestring);
        return true;
    }
    if (field == FIELD_PORT && cJSON_IsNumber(member) && member->valuedouble >= 0 &&
        member->valuedouble <= 65535 && member->valuedouble == (double)member->valueint) {
        snprintf(row->port_text, sizeof row->port_text, "%d", member->valueint);
        row->fields[field] = span_str(row->port_text);
        return true;
    }
    *out_why = field == FIELD_PORT ? "\"port\" is not a number from 1 to 65535"
                                   : "a value is not a string";
    return false;
}

/* cJSON ends its strings with a NUL: one inside would silently cut a name. */
static bool has_escaped_nul(struct span line) {
    return memmem(line.data, line.len, "\\u0000", 6) != NULL;
}

static bool split_json(struct inventory_row *row, struct span line, const char **out_why) {
    line = span_trim(line);
    if (line.data[0] != '{') {
        *out_why = "not a JSON object";
        return false;
    }
    if (has_escaped_nul(line)) {
        *out_why = "a NUL character in a JSON string";
        return false;
    }
    const char *end = NULL;
    cJSON *document = cJSON_ParseWithLengthOpts((const char *)line.data, line.len, &end, 0);
    if (document == NULL) {
        *out_why = "not valid JSON";
        return false;
    }
    bool good = end == (const char *)line.data + line.len;
    if (!good) {
        *out_why = "text after the JSON object";
    }
    for (const cJSON *member = document->child; good && member != NULL; member = member->next) {
        for (unsigned field = 0; good && field < FIELD_COUNT; field++) {
            if (strcmp(member->string, inventory_field_names[field]) == 0) {
                good = take_member(row, member, field, out_why);
            }
        }
    }
    if (!good) {
        cJSON_Delete(document);
        return false;
    }
    row->document = document;
    return true;
}

/* --- any --- */

bool inventory_row_parse(struct inventory_row *row, const struct inventory_syntax *syntax,
                         struct span line, const char **out_why) {
    memset(row->fields, 0, sizeof row->fields);
    row->doubled = 0;
    row->document = NULL;
    if (span_find(line, 0) < line.len) {
        *out_why = "a NUL byte; an inventory is text in UTF-8 (UTF-16 files must be converted)";
        return false;
    }
    switch (syntax->format) {
    case INVENTORY_CSV:
    case INVENTORY_ZGRAB2:
        return split_csv(row, syntax, line, out_why);
    case INVENTORY_NDJSON:
        return split_json(row, line, out_why);
    case INVENTORY_AUTO:
    case INVENTORY_PLAIN:
        break;
    }
    /* "host  # why": a "#" after white space begins a comment; one inside a URL does not. */
    for (size_t at = span_find(line, '#'); at < line.len; at++) {
        if (at > 0 && line.data[at] == '#' &&
            (line.data[at - 1] == ' ' || line.data[at - 1] == '\t')) {
            line.len = at;
        }
    }
    row->fields[FIELD_HOST] = span_trim(line);
    return true;
}

void inventory_row_fini(struct inventory_row *row) {
    cJSON_Delete(row->document);
    row->document = NULL;
}

/* --- the format --- */

static enum inventory_field field_of(struct span name) {
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (text_equal_ignore_case(name, span_str(inventory_field_names[field]))) {
            return field;
        }
    }
    return FIELD_COUNT;
}

static void note_unknown(char out[256], struct span name) {
    size_t len = strlen(out);
    if (len + 2 + name.len + 1 > 256) {
        return;
    }
    if (len > 0) {
        out[len++] = ',';
        out[len++] = ' ';
    }
    for (size_t i = 0; i < name.len; i++) { /* goes to a terminal */
        out[len++] = name.data[i] < ' ' || name.data[i] == 0x7f ? '?' : (char)name.data[i];
    }
    out[len] = '\0';
}

/* Reads a header into the columns; false with a reason if it has no host or is broken. */
static bool learn_header(struct inventory_syntax *syntax, struct span line, char out_unknown[256],
                         const char **out_why) {
    uint32_t seen = 0;
    bool more = true;
    syntax->column_count = 0;
    while (more) {
        struct csv_cell cell;
        if (!csv_next(&line, &cell, &more, out_why)) {
            return false;
        }
        if (syntax->column_count == CSV_COLUMNS_MAX) {
            *out_why = "the header has more than 256 columns";
            return false;
        }
        enum inventory_field field = field_of(cell.text);
        if (field < FIELD_COUNT && (seen & 1u << field)) {
            *out_why = "the header names a column twice";
            return false;
        }
        if (field < FIELD_COUNT) {
            seen |= 1u << field;
        } else if (cell.text.len > 0) {
            note_unknown(out_unknown, cell.text);
        }
        syntax->columns[syntax->column_count++] = (uint8_t)field;
    }
    if (!(seen & (1u << FIELD_HOST | 1u << FIELD_CONNECT))) {
        *out_why = "the CSV header names neither host nor connect; known columns "
                   "are " INVENTORY_FIELDS_TEXT;
        return false;
    }
    return true;
}

static void learn_zgrab2(struct inventory_syntax *syntax) {
    static const uint8_t columns[] = {FIELD_CONNECT, FIELD_HOST, FIELD_TAG, FIELD_PORT};
    memcpy(syntax->columns, columns, sizeof columns);
    syntax->column_count = sizeof columns;
}

/* A header says "host" or "connect" where an inventory line would have a host or address. */
static bool looks_like_header(struct span line) {
    bool more = true;
    for (int column = 0; more && column < CSV_COLUMNS_MAX; column++) {
        struct csv_cell cell;
        const char *why;
        if (!csv_next(&line, &cell, &more, &why)) {
            return false;
        }
        enum inventory_field field = field_of(cell.text);
        if (field == FIELD_HOST || field == FIELD_CONNECT) {
            return true;
        }
    }
    return false;
}

bool inventory_syntax_learn(struct inventory_syntax *syntax, struct span line, uint64_t number,
                            char out_unknown[256], const char **out_why) {
    out_unknown[0] = '\0';
    if (syntax->learned || inventory_line_is_blank(line)) {
        return true;
    }
    line = span_trim(line);
    if (syntax->format == INVENTORY_AUTO) {
        bool url = memmem(line.data, line.len, "://", 3) != NULL; /* may have commas in its path */
        syntax->format = line.data[0] == '{'                       ? INVENTORY_NDJSON
                         : looks_like_header(line)                 ? INVENTORY_CSV
                         : !url && span_find(line, ',') < line.len ? INVENTORY_ZGRAB2
                                                                   : INVENTORY_PLAIN;
    }
    if (syntax->format == INVENTORY_CSV) {
        if (!learn_header(syntax, line, out_unknown, out_why)) {
            return false;
        }
        syntax->header_line = number;
    } else if (syntax->format == INVENTORY_ZGRAB2) {
        learn_zgrab2(syntax);
    }
    syntax->learned = true;
    return true;
}
