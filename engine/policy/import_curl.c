/* curl --pinnedpubkey (CURLOPT_PINNEDPUBLICKEY). Its strings name no host, so that here a line is
     host[:port] sha256//<base64>;sha256//<base64>
   curl compares base64 as text with its own, always padded: what is not exactly that never matches.
   It splits at ";sha256//" alone. A path to a key file is not a pin: `pins make` computes it. */
#include "engine/codec/netaddr.h"
#include "engine/policy/import_set.h"

#define PREFIX "sha256//"

/* curl takes the next digest up to the next ";sha256//", whatever is in it. */
static struct span take_digest(struct span *rest) {
    const uint8_t *next = memmem(rest->data, rest->len, ";" PREFIX, strlen(";" PREFIX));
    struct span digest = span_take(rest, next != NULL ? (size_t)(next - rest->data) : rest->len);
    span_take(rest, 1);
    return digest;
}

static enum err read_pins(struct import *import, uint32_t line, const char *host, struct span text,
                          struct import_set *set) {
    enum err err = ERR_NONE;
    while (text.len > 0 && err == ERR_NONE) { /* ends: every turn takes a digest */
        span_take(&text, strlen(PREFIX));
        struct span digest = take_digest(&text);
        struct pin pin;
        if (span_find(digest, ' ') < digest.len || span_find(digest, '\t') < digest.len ||
            span_find(digest, ';') < digest.len) {
            return import_fail(import, line, host,
                               "\"%s\" is dead text to curl, which splits at \";sha256//\" alone: "
                               "write sha256//<base64>;sha256//<base64> without spaces",
                               import_quote(import, digest));
        }
        err = import_read_pin(import, line, host, PIN_SHA256, digest, &pin);
        if (err == ERR_NONE) {
            import_set_add_pin(import, set, &pin);
        }
    }
    return err;
}

static enum err read_line(struct import *import, struct import_sets *sets, uint32_t line,
                          struct span text) {
    struct pin_host host;
    struct span written = import_next_word(&text), name;
    uint16_t port = 0;
    const char *why = NULL;
    bool is_new = false;
    if (written.len >= strlen(PREFIX) && memcmp(written.data, PREFIX, strlen(PREFIX)) == 0) {
        return import_fail(import, line, NULL,
                           "curl's strings name no host: write it in front, \"api.bank.example "
                           "sha256//...\"");
    }
    if (!hostport_split(written, &name, &port, &why)) {
        return import_fail(import, line, NULL, "\"%s\" is no host: %s",
                           import_quote(import, written), why);
    }
    enum err err = import_read_host(import, line, name, false, &host);
    if (err != ERR_NONE) {
        return err;
    }
    host.port = port;
    const char *host_text = import_host_text(import, &host);
    text = span_trim(text);
    if (text.len < strlen(PREFIX) || memcmp(text.data, PREFIX, strlen(PREFIX)) != 0) {
        return import_fail(import, line, host_text,
                           "\"%s\" does not begin with \"sha256//\", so that curl takes it for a "
                           "file: write sha256//<base64>",
                           import_quote(import, text));
    }
    struct import_set *set =
        import_sets_get(import, sets, host_text, PIN_CLIENT_CURL, line, &is_new);
    if (!is_new) {
        return import_fail(import, line, host_text,
                           "is already there, at line %u, and one transfer takes one string: join "
                           "them with \";\"",
                           set->set->line);
    }
    import_set_add_host(import, set, host);
    return read_pins(import, line, host_text, text, set);
}

enum err import_curl(struct import *import, struct span text) {
    struct import_sets sets = {0};
    struct span line_text;
    uint32_t line = 0;
    enum err err = ERR_NONE;
    while (err == ERR_NONE && import_next_line(&text, &line, &line_text)) {
        err = read_line(import, &sets, line, line_text);
    }
    return err == ERR_NONE ? import_sets_end(import, &sets) : err;
}
