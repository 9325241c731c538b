/* HTTP Public Key Pinning (RFC 7469 section 2.1). The header names no host, so that here a line is
     host Public-Key-Pins: pin-sha256="..."; pin-sha256="..."; max-age=5184000; includeSubDomains
   (or Public-Key-Pins-Report-Only). A user agent ignores a header with fewer than two pins, or
   without max-age; max-age counts from when it was last seen, so that it is no expiry of ours. A
   host may have both headers: they are two sets, and what one pins hides nothing from the other. */
#include <stdio.h>

#include "engine/codec/text.h"
#include "engine/policy/import_set.h"

#define HEADER "Public-Key-Pins"
#define REPORT_ONLY HEADER "-Report-Only"
#define PINS_MIN 2

struct header {
    struct import *import;
    struct import_set *set;
    const char *host;
    uint32_t line;
    bool max_age, subdomains, report_uri;
};

static bool equals(struct span text, const char *word) {
    return text_equal_ignore_case(text, span_str(word));
}

/* Up to the next ";" that is not quoted. */
static struct span take_directive(struct span *rest) {
    size_t len = 0;
    bool quoted = false;
    while (len < rest->len && (quoted || rest->data[len] != ';')) {
        quoted = quoted != (rest->data[len++] == '"');
    }
    struct span directive = span_take(rest, len);
    span_take(rest, 1);
    return span_trim(directive);
}

static enum err once(struct header *header, bool *seen, const char *name) {
    if (*seen) {
        return import_fail(header->import, header->line, header->host,
                           "%s is there twice (RFC 7469 section 2.1): keep one", name);
    }
    *seen = true;
    return ERR_NONE;
}

static enum err read_pin(struct header *header, struct span value) {
    struct pin pin;
    if (value.len < 2 || value.data[0] != '"' || value.data[value.len - 1] != '"') {
        return import_fail(header->import, header->line, header->host,
                           "pin-sha256=%s without quotes: write pin-sha256=\"<base64>\"",
                           import_quote(header->import, value));
    }
    enum err err = import_read_pin(header->import, header->line, header->host, PIN_SHA256,
                                   span_of(value.data + 1, value.len - 2), &pin);
    if (err == ERR_NONE) {
        import_set_add_pin(header->import, header->set, &pin);
    }
    return err;
}

static enum err read_max_age(struct header *header, struct span value) {
    uint64_t seconds = 0;
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"') {
        value = span_of(value.data + 1, value.len - 2);
    }
    if (!text_parse_u64(value, UINT64_MAX, &seconds)) {
        return import_fail(header->import, header->line, header->host,
                           "max-age=%s is no number of seconds: write max-age=5184000",
                           import_quote(header->import, value));
    }
    if (seconds == 0) {
        return import_fail(header->import, header->line, header->host,
                           "max-age=0 takes the pins back, so that nothing is pinned: leave the "
                           "line out");
    }
    enum err err = once(header, &header->max_age, "max-age");
    if (err == ERR_NONE) {
        import_extra_text(header->import, header->set, "max_age", value);
    }
    return err;
}

static enum err read_report_uri(struct header *header, struct span value) {
    enum err err = once(header, &header->report_uri, "report-uri");
    if (err == ERR_NONE && value.len >= 2 && value.data[0] == '"' &&
        value.data[value.len - 1] == '"') {
        import_extra_text(header->import, header->set, "report_uri",
                          span_of(value.data + 1, value.len - 2));
    }
    return err;
}

/* Directives that are not known are passed over, as the RFC says. */
static enum err read_directive(struct header *header, struct span directive) {
    struct span value = directive;
    struct span name = span_trim(span_take(&value, span_find(directive, '=')));
    span_take(&value, 1);
    value = span_trim(value);
    if (equals(name, "pin-sha256")) {
        return read_pin(header, value);
    }
    if (equals(name, "max-age")) {
        return read_max_age(header, value);
    }
    if (equals(name, "includeSubDomains")) {
        return once(header, &header->subdomains, "includeSubDomains");
    }
    return equals(name, "report-uri") ? read_report_uri(header, value) : ERR_NONE;
}

static enum err check(struct header *header) {
    if (header->set->pin_count < PINS_MIN) {
        return import_fail(header->import, header->line, header->host,
                           "fewer than two different pins: user agents ignore the header (RFC 7469 "
                           "section 4.3), add a backup pin");
    }
    if (!header->max_age && !header->set->set->report_only) {
        return import_fail(header->import, header->line, header->host,
                           "no max-age: user agents ignore the header, add max-age=5184000");
    }
    return ERR_NONE;
}

static enum err read_value(struct header *header, struct span value) {
    enum err err = ERR_NONE;
    while (value.len > 0 && err == ERR_NONE) {
        err = read_directive(header, take_directive(&value));
    }
    header->set->set->include_subdomains = header->subdomains;
    return err == ERR_NONE ? check(header) : err;
}

/* No host has a space in its name. */
static const char *report_only_key(struct import *import, const char *host) {
    char key[HOST_MAX + 16];
    int len = snprintf(key, sizeof key, "%s report-only", host);
    return arena_copy_text(&import->scratch, span_of(key, (size_t)len));
}

/* "<stem>:report-only:<host>": a host may have both headers. */
static const char *report_only_name(struct import *import, const char *host) {
    static const char middle[] = ":report-only:";
    size_t prefix_len = strlen(import->prefix), host_len = strlen(host);
    char *name =
        (char *)arena_alloc_bytes(&import->index->arena, prefix_len + sizeof middle + host_len);
    memcpy(name, import->prefix, prefix_len);
    memcpy(name + prefix_len, middle, sizeof middle - 1);
    memcpy(name + prefix_len + sizeof middle - 1, host, host_len + 1);
    return name;
}

static enum err read_line(struct import *import, struct import_sets *sets, uint32_t line,
                          struct span text) {
    struct pin_host host;
    struct span written = import_next_word(&text);
    struct span name = span_trim(span_take(&text, span_find(text, ':')));
    bool report_only = equals(name, REPORT_ONLY), is_new = false;
    span_take(&text, 1);
    if (written.len > 0 && written.data[written.len - 1] == ':') {
        return import_fail(import, line, NULL,
                           "the header names no host: write it in front, \"bank.example " HEADER
                           ": ...\"");
    }
    enum err err = import_read_host(import, line, written, false, &host);
    if (err != ERR_NONE) {
        return err;
    }
    if (!report_only && !equals(name, HEADER)) {
        return import_fail(import, line, host.name,
                           "\"%s\" is no header with pins: write " HEADER ": or " REPORT_ONLY ":",
                           import_quote(import, name));
    }
    const char *key = report_only ? report_only_key(import, host.name) : host.name;
    struct import_set *set = import_sets_get(import, sets, key, PIN_CLIENT_HPKP, line, &is_new);
    if (!is_new) {
        return import_fail(import, line, host.name,
                           "is already there, at line %u, and user agents take the first header "
                           "of a kind alone: keep one of them",
                           set->set->line);
    }
    if (report_only) {
        set->set->name = report_only_name(import, host.name);
    }
    import_set_add_host(import, set, host);
    set->set->report_only = report_only;
    struct header header = {.import = import, .set = set, .host = host.name, .line = line};
    return read_value(&header, text);
}

enum err import_hpkp(struct import *import, struct span text) {
    struct import_sets sets = {0};
    struct span line_text;
    uint32_t line = 0;
    enum err err = ERR_NONE;
    while (err == ERR_NONE && import_next_line(&text, &line, &line_text)) {
        err = read_line(import, &sets, line, line_text);
    }
    return err == ERR_NONE ? import_sets_end(import, &sets) : err;
}
