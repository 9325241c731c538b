#include "engine/trust/pin.h"

#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/codec/datetime.h"
#include "engine/codec/text.h"

const char *const pin_client_words[] = {"custom",   "android", "apple", "trustkit",
                                        "okhttp",   "hpkp",    "curl",  "envoy",
                                        "chromium", "dane",    NULL};
const char *const pin_scope_words[] = {"path", "leaf", "ca-only", "presented", "leaf-and-ca", NULL};
const char *const pin_role_words[] = {"active", "backup", "bad", NULL};
const char *const pin_alg_words[] = {"sha256", "sha1", "sha512", "exact", NULL};
const char *const pin_of_words[] = {"spki", "cert", NULL};
const char *const pin_list_words[] = {"any", "leaf", "ca", NULL};
const char *const pin_host_rule_words[] = {"exact", "longest", "one-label", "union", NULL};
const char *const pin_on_expiry_words[] = {"fail-open", "fail-closed", "none", NULL};

const char *pin_client_text(enum pin_client client) {
    CHECK((unsigned)client < PIN_CLIENT_COUNT);
    return pin_client_words[client];
}

const char *pin_scope_text(enum pin_scope scope) {
    CHECK((unsigned)scope < ARRAY_COUNT(pin_scope_words) - 1);
    return pin_scope_words[scope];
}

const char *pin_role_text(enum pin_role role) {
    CHECK((unsigned)role < ARRAY_COUNT(pin_role_words) - 1);
    return pin_role_words[role];
}

/* The one place that knows what each client does by itself (README.md, "How clients match"). A
   client without an expiry of its own ignores the date; it then only tells people and lint. */
static const struct pin_client_rules client_rules[PIN_CLIENT_COUNT] = {
    [PIN_CLIENT_CUSTOM] = {PIN_HOST_EXACT, PIN_SCOPE_PATH, PIN_FAIL_OPEN},
    [PIN_CLIENT_ANDROID] = {PIN_HOST_LONGEST, PIN_SCOPE_PATH, PIN_FAIL_OPEN},
    [PIN_CLIENT_APPLE] = {PIN_HOST_ONE_LABEL, PIN_SCOPE_LEAF_AND_CA, PIN_EXPIRY_NONE},
    [PIN_CLIENT_TRUSTKIT] = {PIN_HOST_LONGEST, PIN_SCOPE_PATH, PIN_FAIL_OPEN},
    [PIN_CLIENT_OKHTTP] = {PIN_HOST_UNION, PIN_SCOPE_PATH, PIN_EXPIRY_NONE},
    [PIN_CLIENT_HPKP] = {PIN_HOST_LONGEST, PIN_SCOPE_PATH, PIN_FAIL_OPEN},
    [PIN_CLIENT_CURL] = {PIN_HOST_EXACT, PIN_SCOPE_LEAF, PIN_EXPIRY_NONE},
    [PIN_CLIENT_ENVOY] = {PIN_HOST_EXACT, PIN_SCOPE_LEAF, PIN_EXPIRY_NONE},
    [PIN_CLIENT_CHROMIUM] = {PIN_HOST_LONGEST, PIN_SCOPE_PATH, PIN_FAIL_OPEN},
    [PIN_CLIENT_DANE] = {PIN_HOST_EXACT, PIN_SCOPE_PATH, PIN_EXPIRY_NONE},
};

const struct pin_client_rules *pin_client_rules(enum pin_client client) {
    CHECK((unsigned)client < PIN_CLIENT_COUNT);
    return &client_rules[client];
}

void pin_set_init(struct pin_set *set, enum pin_client client) {
    static const char *default_trust[] = {"system"};
    const struct pin_client_rules *rules = pin_client_rules(client);
    *set = (struct pin_set){
        .name = "",
        .file = "",
        .client = client,
        .host_rule = rules->host_rule,
        .scope = rules->scope,
        .on_expiry = rules->on_expiry,
        .key_types = PIN_KEYS_ANY,
        .trust = default_trust,
        .trust_count = 1,
        .expires = DATETIME_NONE,
        .application = "",
        .platform = "",
        .owner = "",
        .approver = "",
        .rollover = "",
        .update_channel = "",
        .backup_custody = "",
        .lead_time_days = -1,
        .adoption_days = -1,
        .last_rehearsal = DATETIME_NONE,
        .extra = "",
    };
}

bool pin_equals(const struct pin *pin, const struct cert_record *cert) {
    bool of_spki = pin->of == PIN_OF_SPKI;
    if (of_spki && !cert->has_spki) {
        return false;
    }
    struct span object = of_spki ? cert->fields.spki : cert->der;
    uint8_t digest[SHA512_DIGEST_LENGTH];
    switch (pin->alg) {
    case PIN_SHA256:
        return span_equal(pin->value,
                          span_of(of_spki ? cert->spki_sha256 : cert->cert_sha256, SHA256_LEN));
    case PIN_SHA1:
        SHA1(object.data, object.len, digest);
        return span_equal(pin->value, span_of(digest, SHA_DIGEST_LENGTH));
    case PIN_SHA512:
        SHA512(object.data, object.len, digest);
        return span_equal(pin->value, span_of(digest, SHA512_DIGEST_LENGTH));
    case PIN_EXACT:
        return span_equal(pin->value, object);
    }
    return false;
}

/* --- pins as text --- */

struct pin_alg_facts {
    const char *label;
    size_t len; /* bytes; 0: any */
};

static const struct pin_alg_facts alg_facts[] = {
    [PIN_SHA256] = {"SHA-256", SHA256_DIGEST_LENGTH},
    [PIN_SHA1] = {"SHA-1", SHA_DIGEST_LENGTH},
    [PIN_SHA512] = {"SHA-512", SHA512_DIGEST_LENGTH},
    [PIN_EXACT] = {"exact", 0},
};

static bool take_prefix(struct span *text, const char *prefix) {
    size_t len = strlen(prefix);
    if (text->len < len || memcmp(text->data, prefix, len) != 0) {
        return false;
    }
    span_take(text, len);
    return true;
}

/* Takes the algorithm off the front. `*out_hex` when hexadecimal follows. */
static bool take_alg(struct span *text, enum pin_alg *out, bool *out_hex, const char **out_why) {
    *out_hex = false;
    if (take_prefix(text, "pin-sha256=\"")) {
        *out = PIN_SHA256;
        if (text->len == 0 || text->data[text->len - 1] != '"') {
            *out_why = "the closing quote of pin-sha256=\"...\" is missing";
            return false;
        }
        text->len--;
        return true;
    }
    if (take_prefix(text, "sha256:")) {
        *out = PIN_SHA256;
        *out_hex = true;
        return true;
    }
    for (int alg = 0; pin_alg_words[alg] != NULL; alg++) {
        struct span rest = *text;
        if (take_prefix(&rest, pin_alg_words[alg]) && take_prefix(&rest, "/")) {
            /* curl writes two slashes, but a digest may begin with one itself: it is curl's unless
               the length is right with it. */
            size_t len = alg_facts[alg].len;
            if (len > 0 ? rest.len != BASE64_LEN(len) : rest.len % 4 != 0) {
                take_prefix(&rest, "/");
            }
            *out = (enum pin_alg)alg;
            *text = rest;
            return true;
        }
    }
    *out_why = "a pin begins with its algorithm: write \"sha256/<base64>\" (or sha1/, sha512/, "
               "exact/, or \"sha256:<hexadecimal>\")";
    return false;
}

static bool is_hex(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_base64(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '/';
}

static const char *why_in_arena(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

static const char *why_in_arena(struct arena *arena, const char *format, ...) {
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return arena_copy_text(arena, span_str(text));
}

/* The same character all along: "AAAA...=", "0000...". */
static bool is_placeholder(struct span text) {
    size_t len = text.len;
    while (len > 0 && text.data[len - 1] == '=') {
        len--;
    }
    if (len < 4) {
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (text.data[i] != text.data[0]) {
            return false;
        }
    }
    return true;
}

/* Why this is not the base64 of a digest of `facts->len` bytes; NULL if the alphabet, the length
   and the padding are right. */
static const char *base64_complaint(struct span text, const struct pin_alg_facts *facts) {
    size_t hex = 0, foreign = 0, url_safe = 0, pads = 0, spaces = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        hex += is_hex(c);
        url_safe += c == '-' || c == '_';
        spaces += c == ' ' || c == '\t' || c == '\r' || c == '\n';
        pads += c == '=';
        foreign += !is_base64(c) && c != '=';
    }
    if (text.len == 0) {
        return "nothing follows the algorithm: write the digest in base64";
    }
    if (spaces > 0) {
        return "white space inside the pin: take it out, clients compare the text as it stands";
    }
    if (facts->len > 0 && hex == text.len && text.len == 2 * facts->len) {
        return "this is hexadecimal: write \"sha256:<hexadecimal>\", or convert it to base64";
    }
    if (url_safe > 0 && url_safe == foreign) {
        return "this is URL-safe base64: write '+' for '-' and '/' for '_'";
    }
    if (foreign > 0) {
        return "a character that base64 does not have: copy the pin anew";
    }
    if (pads == 0 && text.len % 4 == 3) {
        return "the padding is missing: append \"=\"";
    }
    if (pads == 0 && text.len % 4 == 2) {
        return "the padding is missing: append \"==\"";
    }
    return NULL;
}

static bool parse_hex_value(struct span text, struct arena *arena,
                            uint8_t digest[SHA512_DIGEST_LENGTH], const char **out_why) {
    size_t len = 0;
    if (text.len != (size_t)2 * SHA256_DIGEST_LENGTH) {
        *out_why =
            why_in_arena(arena,
                         "%zu characters follow the algorithm, SHA-256 in hexadecimal has %d: "
                         "copy the pin anew (base64 is written \"sha256/...\")",
                         text.len, 2 * SHA256_DIGEST_LENGTH);
        return false;
    }
    if (!hex_decode(text, digest, SHA256_DIGEST_LENGTH, &len)) {
        *out_why = "a character that hexadecimal does not have: base64 is written \"sha256/...\"";
        return false;
    }
    return true;
}

/* What can be said about a digest that is none; true, and *out, for bytes of any length. */
static bool parse_base64_value(struct span text, enum pin_alg alg, struct arena *arena,
                               struct span *out, const char **out_why) {
    const struct pin_alg_facts *facts = &alg_facts[alg];
    *out_why = base64_complaint(text, facts);
    if (*out_why != NULL) {
        return false;
    }
    size_t capacity = text.len / 4 * 3 + 3, len = 0;
    uint8_t *value = arena_alloc_bytes(arena, capacity);
    if (!base64_decode(text, value, capacity, &len)) {
        *out_why =
            "not base64 as RFC 4648 has it (padding or unused bits): a character was lost or "
            "changed, copy the pin anew";
        return false;
    }
    if (facts->len > 0) {
        *out_why = why_in_arena(arena, "%zu bytes, but %s has %zu: copy the pin anew", len,
                                facts->label, facts->len);
        return false;
    }
    *out = span_of(value, len);
    return true;
}

/* As clients write it: "sha256/<base64>". */
static size_t write_text(char *out, enum pin_alg alg, struct span value) {
    size_t len = strlen(pin_alg_words[alg]);
    memcpy(out, pin_alg_words[alg], len);
    out[len++] = '/';
    len += base64_encode(out + len, value);
    out[len] = '\0';
    return len;
}

/* Value and text in one piece. */
static void set_digest(struct pin *pin, enum pin_alg alg, const uint8_t *digest,
                       struct arena *arena) {
    char text[16 + BASE64_LEN(SHA512_DIGEST_LENGTH) + 1];
    size_t len = alg_facts[alg].len, text_len = write_text(text, alg, span_of(digest, len));
    uint8_t *block = arena_alloc_bytes(arena, len + text_len + 1);
    memcpy(block, digest, len);
    memcpy(block + len, text, text_len + 1);
    pin->value = span_of(block, len);
    pin->text = (const char *)block + len;
}

static bool parse_value(struct span text, enum pin_alg alg, bool hex, struct arena *arena,
                        struct pin *out, const char **out_why) {
    uint8_t digest[SHA512_DIGEST_LENGTH];
    size_t wanted = alg_facts[alg].len, len = 0;
    if (hex ? parse_hex_value(text, arena, digest, out_why)
            : wanted > 0 && text.len == BASE64_LEN(wanted) &&
                  base64_decode(text, digest, sizeof digest, &len) && len == wanted) {
        set_digest(out, alg, digest, arena);
        return true;
    }
    if (hex || !parse_base64_value(text, alg, arena, &out->value, out_why)) {
        return false;
    }
    char *whole = (char *)arena_alloc_bytes(arena, strlen(pin_alg_words[alg]) +
                                                       BASE64_LEN(out->value.len) + 2);
    write_text(whole, alg, out->value);
    out->text = whole;
    return true;
}

bool pin_parse(struct span text, struct arena *arena, struct pin *out, const char **out_why) {
    struct pin pin = {.of = PIN_OF_SPKI,
                      .role = PIN_ACTIVE,
                      .list = PIN_LIST_ANY,
                      .tlsa_usage = PIN_TLSA_NONE,
                      .note = ""};
    bool hex = false;
    if (!take_alg(&text, &pin.alg, &hex, out_why)) {
        return false;
    }
    if (is_placeholder(text)) {
        *out_why = "a placeholder, not a digest: put the real pin here";
        return false;
    }
    if (!parse_value(text, pin.alg, hex, arena, &pin, out_why)) {
        return false;
    }
    *out = pin;
    return true;
}

bool pin_same_application(const struct pin_set *a, const struct pin_set *b) {
    if (a->client != b->client || strcmp(a->application, b->application) != 0 ||
        (a->client == PIN_CLIENT_HPKP && a->report_only != b->report_only)) {
        return false;
    }
    const char *file_a = a->file != NULL ? a->file : "", *file_b = b->file != NULL ? b->file : "";
    return a->application[0] != '\0' || strcmp(file_a, file_b) == 0;
}
