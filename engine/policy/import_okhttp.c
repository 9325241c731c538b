/* OkHttp's CertificatePinner, one pattern and its pins a line, as in
     CertificatePinner.Builder().add("**.bank.example", "sha256/...", "sha256/...")
   without the punctuation. Lines of one pattern add up, and a host unions all patterns that match
   it. */
#include "engine/policy/import_set.h"

static enum err read_pin(struct import *import, uint32_t line, const char *host, struct span word,
                         struct pin *out) {
    static const enum pin_alg algs[] = {PIN_SHA256, PIN_SHA1};
    for (size_t i = 0; i < ARRAY_COUNT(algs); i++) {
        size_t len = strlen(pin_alg_words[algs[i]]);
        if (word.len > len && memcmp(word.data, pin_alg_words[algs[i]], len) == 0 &&
            word.data[len] == '/') {
            struct span digest = word;
            span_take(&digest, len + 1);
            return import_read_pin(import, line, host, algs[i], digest, out);
        }
    }
    return import_fail(import, line, host,
                       "the pin \"%s\" begins with neither \"sha256/\" nor \"sha1/\", OkHttp "
                       "throws: write sha256/<base64>",
                       import_quote(import, word));
}

static enum err read_line(struct import *import, struct import_sets *sets, uint32_t line,
                          struct span text) {
    struct pin_host host;
    enum err err = import_read_host(import, line, import_next_word(&text), true, &host);
    if (err != ERR_NONE) {
        return err;
    }
    const char *pattern = import_host_text(import, &host);
    struct span word = import_next_word(&text);
    if (word.len == 0) {
        return import_fail(import, line, pattern, "no pin follows: write %s sha256/<base64>",
                           pattern);
    }
    bool is_new = false;
    struct import_set *set =
        import_sets_get(import, sets, pattern, PIN_CLIENT_OKHTTP, line, &is_new);
    if (is_new) {
        import_set_add_host(import, set, host);
    }
    for (; word.len > 0 && err == ERR_NONE; word = import_next_word(&text)) {
        struct pin pin;
        err = read_pin(import, line, pattern, word, &pin);
        if (err == ERR_NONE) {
            import_set_add_pin(import, set, &pin);
        }
    }
    return err;
}

enum err import_okhttp(struct import *import, struct span text) {
    struct import_sets sets = {0};
    struct span line_text;
    uint32_t line = 0;
    enum err err = ERR_NONE;
    while (err == ERR_NONE && import_next_line(&text, &line, &line_text)) {
        err = read_line(import, &sets, line, line_text);
    }
    return err == ERR_NONE ? import_sets_end(import, &sets) : err;
}
