#include "engine/policy/import.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/codec/text.h"
#include "engine/policy/import_set.h"
#include "engine/policy/policy.h"

const char *const import_format_words[] = {"auto", "native", "android",  "okhttp",
                                           "curl", "tlsa",   "csv",      "plist",
                                           "hpkp", "envoy",  "chromium", NULL};

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
    [IMPORT_ENVOY] = {import_envoy, "verify_certificate_spki or verify_certificate_hash"},
    [IMPORT_CHROMIUM] = {import_chromium, "entry with pins"},
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

/* "sha256//<43 digits>=" is OkHttp's of a digest that begins with a slash, one in 64; curl has 44
   characters behind both slashes. */
static bool is_okhttp_pin(struct span text) {
    static const char prefix[] = "sha256/";
    size_t end = 0;
    while (end < text.len && strchr(" \t\r;", text.data[end]) == NULL) {
        end++;
    }
    return begins(text, prefix) && end == strlen(prefix) + BASE64_SHA256_LEN &&
           text.data[end - 1] == '=';
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
    if (is_okhttp_pin(second)) {
        return IMPORT_OKHTTP;
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

static bool holds(struct span text, const char *words) {
    return memmem(text.data, text.len, words, strlen(words)) != NULL;
}

/* YAML and JSON, by words that the others do not have. */
static enum import_format recognise_tree(struct span text) {
    if (holds(text, "pin_sets")) {
        return IMPORT_NATIVE;
    }
    if (holds(text, "\"pinsets\"") || holds(text, "spki_hashes\"")) {
        return IMPORT_CHROMIUM;
    }
    static const char *const words[] = {"verify_certificate_", "verifyCertificate",
                                        "validation_context",  "static_resources",
                                        "dynamic_resources",   "envoy.config."};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (holds(text, words[i])) {
            return IMPORT_ENVOY;
        }
    }
    return IMPORT_NATIVE;
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
    if (begins(text, "{") || begins(text, "//") || begins(text, "/*")) {
        return recognise_tree(text);
    }
    enum import_format format = recognise_line(text);
    return format == IMPORT_NATIVE ? recognise_tree(text) : format;
}

static enum err parse(struct span bytes, bool owned, const char *name, enum import_format format,
                      const struct policy_companion *companion, struct pin_index *index,
                      struct trust_store *store, struct err_note *note) {
    if (bytes.len > POLICY_BYTES_MAX) {
        return err_note(note, ERR_CONFIG, "%s:1: longer than %zu bytes: split the policy", name,
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
    import.companion = companion;
    import.bytes = owned ? bytes : span_of(NULL, 0);
    enum err err = formats[format].run(&import, bytes);
    return import_end(&import, err, formats[format].what);
}

enum err policy_parse_with(struct span bytes, const char *name, enum import_format format,
                           const struct policy_companion *companion, struct pin_index *index,
                           struct trust_store *store, struct err_note *note) {
    return parse(bytes, false, name, format, companion, index, store, note);
}

enum err policy_parse(struct span bytes, const char *name, enum import_format format,
                      struct pin_index *index, struct trust_store *store, struct err_note *note) {
    return policy_parse_with(bytes, name, format, NULL, index, store, note);
}

/* --- files --- */

#define PINS_END ".pins"

/* A .pins file among the policies. */
struct pins_file {
    struct policy_companion companion;
    uint8_t *bytes;
    bool used;
};

/* Of a path, without what follows the last dot of its name. */
static size_t stem_len(const char *file) {
    const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
    const char *dot = strrchr(name, '.');
    return dot != NULL && dot > name ? (size_t)(dot - file) : strlen(file);
}

static bool is_pins_file(const char *file) {
    size_t len = strlen(file), end_len = strlen(PINS_END);
    return len > end_len && strcmp(file + len - end_len, PINS_END) == 0;
}

static enum err read_pins_file(const char *file, struct pins_file *out, struct err_note *note) {
    size_t len = 0;
    *out = (struct pins_file){0};
    enum err err = policy_read_file(file, &out->bytes, &len, note);
    out->companion = (struct policy_companion){.file = file, .bytes = span_of(out->bytes, len)};
    return err;
}

/* Of the files given the one of the list's name, or the only one. */
static struct pins_file *choose_pins_file(const char *file, struct pins_file *given, size_t count) {
    size_t len = stem_len(file);
    for (size_t i = 0; i < count; i++) {
        const char *pins = given[i].companion.file;
        if (stem_len(pins) == len && strncmp(pins, file, len) == 0) {
            return &given[i];
        }
    }
    return count == 1 ? &given[0] : NULL;
}

static enum err load_chromium(struct span bytes, const char *file, struct pins_file *given,
                              size_t count, struct pin_index *index, struct trust_store *store,
                              struct err_note *note) {
    struct pins_file *chosen = choose_pins_file(file, given, count), beside = {0};
    char path[PATH_MAX];
    if (chosen == NULL &&
        snprintf(path, sizeof path, "%.*s" PINS_END, (int)stem_len(file), file) < PATH_MAX &&
        access(path, R_OK) == 0) {
        enum err err = read_pins_file(path, &beside, note);
        if (err != ERR_NONE) {
            return err;
        }
        beside.companion.file = arena_copy_text(&index->arena, span_str(path));
        chosen = &beside;
    }
    if (chosen != NULL) {
        chosen->used = true;
    }
    enum err err =
        policy_parse_with(bytes, file, IMPORT_CHROMIUM, chosen != NULL ? &chosen->companion : NULL,
                          index, store, note);
    free(beside.bytes);
    return err;
}

static enum err load_one(const char *file, enum import_format format, struct pins_file *given,
                         size_t given_count, struct pin_index *index, struct trust_store *store,
                         struct err_note *note) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    enum err err = policy_read_file(file, &bytes, &len, note);
    if (err != ERR_NONE) {
        return err;
    }
    struct span text = span_of(bytes, len);
    if (format == IMPORT_AUTO && len <= POLICY_BYTES_MAX) {
        format = recognise(text);
    }
    err = format == IMPORT_CHROMIUM
              ? load_chromium(text, file, given, given_count, index, store, note)
              : parse(text, true, file, format, NULL, index, store, note);
    free(bytes);
    return err;
}

static enum err check_used(const struct pins_file *given, size_t count, struct err_note *note) {
    for (size_t i = 0; i < count; i++) {
        if (!given[i].used) {
            return err_note(note, ERR_CONFIG,
                            "%s:1: no Chromium list among the policies uses these keys: give its "
                            "JSON too, as the same name with .json at the end",
                            given[i].companion.file);
        }
    }
    return ERR_NONE;
}

enum err policy_load_all(const char *const files[], size_t count, enum import_format format,
                         struct pin_index *index, struct trust_store *store,
                         struct err_note *note) {
    struct pins_file *given = calloc(count + 1, sizeof *given);
    size_t given_count = 0;
    enum err err = ERR_NONE;
    CHECK(given != NULL);
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        if (is_pins_file(files[i])) {
            err = read_pins_file(files[i], &given[given_count++], note);
        }
    }
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        if (!is_pins_file(files[i])) {
            err = load_one(files[i], format, given, given_count, index, store, note);
        }
    }
    if (err == ERR_NONE) {
        err = check_used(given, given_count, note);
    }
    for (size_t i = 0; i < given_count; i++) {
        free(given[i].bytes);
    }
    free(given);
    return err;
}

enum err policy_load(const char *file, enum import_format format, struct pin_index *index,
                     struct trust_store *store, struct err_note *note) {
    return policy_load_all(&file, 1, format, index, store, note);
}
