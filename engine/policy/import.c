#include "engine/policy/import.h"

#include <stdlib.h>

#include "engine/codec/text.h"
#include "engine/policy/import_set.h"
#include "engine/policy/policy.h"

const char *const import_format_words[] = {"auto", "native", "android", "okhttp", "curl",
                                           "tlsa", "csv",    "plist",   "hpkp",   NULL};

#define XML_HEAD_BYTES 4096

struct format {
    enum err (*run)(struct import *import, struct span bytes);
    const char *what; /* its word for a pin set */
};

static const struct format formats[] = {
    [IMPORT_ANDROID] = {import_android, "pin-set"},
    [IMPORT_OKHTTP] = {import_okhttp, "pattern with pins"},
    [IMPORT_CURL] = {import_curl, "host with pins"},
    [IMPORT_PLIST] = {import_plist, "NSPinnedDomains or TSKPinnedDomains"},
    [IMPORT_HPKP] = {import_hpkp, "header with pins"},
    [IMPORT_CSV] = {import_csv, "row with a pin"},
    [IMPORT_TLSA] = {import_tlsa, "TLSA record of a _port._tcp owner"},
};

/* --- which format it is --- */

/* After a byte order mark and white space. */
static struct span without_blank_front(struct span bytes) {
    if (bytes.len >= 3 && memcmp(bytes.data, "\xEF\xBB\xBF", 3) == 0) {
        span_take(&bytes, 3);
    }
    return span_trim(bytes);
}

static bool begins(struct span text, const char *words) {
    size_t len = strlen(words);
    return text.len >= len && memcmp(text.data, words, len) == 0;
}

static bool is_csv_header(struct span text) {
    bool host = false, pin = false;
    uint32_t cells = 0;
    for (; text.len > 0; cells++) {
        struct span cell = span_trim(span_take(&text, span_find(text, ',')));
        span_take(&text, 1);
        if (cell.len >= 2 && cell.data[0] == '"' && cell.data[cell.len - 1] == '"') {
            cell = span_of(cell.data + 1, cell.len - 2);
        }
        host = host || text_equal_ignore_case(cell, span_of("host", 4));
        pin = pin || text_equal_ignore_case(cell, span_of("pin", 3));
    }
    return cells >= 2 && (host || pin);
}

/* A directive, a comment, or owner, TTL, class and type in any of their orders. */
static bool is_zone_line(struct span text) {
    if (text.data[0] == ';' || begins(text, "$ORIGIN") || begins(text, "$TTL")) {
        return true;
    }
    static const char *const words[] = {"IN", "TLSA", "TYPE52"};
    import_next_word(&text);
    for (int i = 0; i < 3; i++) {
        struct span word = import_next_word(&text);
        for (size_t j = 0; j < ARRAY_COUNT(words); j++) {
            if (text_equal_ignore_case(word, span_str(words[j]))) {
                return true;
            }
        }
    }
    return false;
}

/* By the first line that says something. */
static enum import_format recognise_line(struct span text) {
    struct span line_text = {0};
    uint32_t line = 0;
    if (!import_next_line(&text, &line, &line_text)) {
        return IMPORT_NATIVE;
    }
    struct span rest = line_text, first = import_next_word(&rest), second = span_trim(rest);
    static const char hpkp[] = "Public-Key-Pins";
    if (text_equal_ignore_case(span_of(second.data, second.len < 15 ? second.len : 15),
                               span_str(hpkp)) ||
        text_equal_ignore_case(span_of(first.data, first.len < 15 ? first.len : 15),
                               span_str(hpkp))) {
        return IMPORT_HPKP;
    }
    if (begins(second, "sha256//") || begins(first, "sha256//")) {
        return IMPORT_CURL;
    }
    if (begins(second, "sha256/") || begins(second, "sha1/")) {
        return IMPORT_OKHTTP;
    }
    if (is_csv_header(line_text)) {
        return IMPORT_CSV;
    }
    return is_zone_line(line_text) ? IMPORT_TLSA : IMPORT_NATIVE;
}

/* What is nothing else is native: its reader then says what is wrong. */
static enum import_format recognise(struct span bytes) {
    struct span text = without_blank_front(bytes);
    if (begins(text, "bplist")) {
        return IMPORT_PLIST;
    }
    if (text.len > 0 && text.data[0] == '<') {
        /* Real ones say it within the first lines, comments included. */
        struct span head = span_take(&text, XML_HEAD_BYTES);
        return memmem(head.data, head.len, "<plist", 6) != NULL ? IMPORT_PLIST : IMPORT_ANDROID;
    }
    return recognise_line(text);
}

/* --- files --- */

enum err policy_parse(struct span bytes, const char *name, enum import_format format,
                      struct pin_index *index, struct trust_store *store, struct err_note *note) {
    if (bytes.len > POLICY_BYTES_MAX) {
        return err_note(note, ERR_CONFIG, "%s: longer than %u bytes: split the policy", name,
                        POLICY_BYTES_MAX);
    }
    if (format == IMPORT_AUTO) {
        format = recognise(bytes);
    }
    if (format == IMPORT_NATIVE) {
        return policy_parse_native(bytes, name, index, store, note);
    }
    struct import import;
    import_begin(&import, name, index, note);
    enum err err = formats[format].run(&import, bytes);
    return import_end(&import, err, formats[format].what);
}

enum err policy_load(const char *file, enum import_format format, struct pin_index *index,
                     struct trust_store *store, struct err_note *note) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    enum err err = policy_read_file(file, &bytes, &len, note);
    if (err == ERR_NONE) {
        err = policy_parse(span_of(bytes, len), file, format, index, store, note);
        free(bytes);
    }
    return err;
}
