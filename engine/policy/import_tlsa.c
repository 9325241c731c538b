/* TLSA records (RFC 6698, 7671) of a master file (RFC 1035 section 5): parentheses, $ORIGIN,
   relative owners, hexadecimal in pieces, and the generic form "\# 35 030101..." (RFC 3597). Other
   records are passed over, and so are owners under another protocol than _tcp. */
#include "engine/codec/text.h"
#include "engine/policy/import_set.h"

#define RECORD_WORDS_MAX 131072 /* 65,535 bytes of data, a digit a word */

struct token {
    struct span text;
    uint32_t line;
};

struct zone {
    struct import *import;
    struct import_sets sets;
    struct span rest;
    uint32_t line; /* of the byte at rest.data */
    struct token *tokens;
    uint32_t token_count, token_capacity;
    bool inherits_owner; /* the record begins with white space */
    const char *origin;  /* without the trailing dot; NULL: none yet */
    struct token owner;  /* as written; empty: none yet */
    const char *owner_origin;
    struct span ttl, default_ttl; /* as written: of the record, of $TTL; empty: none */
};

/* --- records as tokens --- */

static void push_token(struct zone *zone, struct span text) {
    if (zone->token_count == zone->token_capacity) {
        uint32_t capacity = zone->token_capacity > 0 ? 2 * zone->token_capacity : 32;
        struct token *tokens = arena_alloc(&zone->import->scratch, capacity * sizeof *tokens);
        if (zone->token_count > 0) {
            memcpy(tokens, zone->tokens, zone->token_count * sizeof *tokens);
        }
        zone->tokens = tokens;
        zone->token_capacity = capacity;
    }
    zone->tokens[zone->token_count++] = (struct token){.text = text, .line = zone->line};
}

static size_t word_len(struct span rest) {
    size_t len = 0;
    while (len < rest.len && strchr(" \t\r\n();\"", rest.data[len]) == NULL) {
        len += rest.data[len] == '\\' && len + 1 < rest.len && rest.data[len + 1] != '\n' ? 2 : 1;
    }
    return len;
}

static enum err take_quoted(struct zone *zone) {
    size_t len = 1;
    while (len < zone->rest.len && zone->rest.data[len] != '"' && zone->rest.data[len] != '\n') {
        len += zone->rest.data[len] == '\\' && len + 1 < zone->rest.len &&
                       zone->rest.data[len + 1] != '\n'
                   ? 2
                   : 1;
    }
    if (len >= zone->rest.len || zone->rest.data[len] != '"') {
        return import_fail(zone->import, zone->line, NULL, "a quote is not closed: add \"");
    }
    push_token(zone, span_take(&zone->rest, len + 1));
    return ERR_NONE;
}

/* One record's tokens; none at the end of the file, or for an empty line. */
static enum err next_record(struct zone *zone) {
    uint32_t open_line = 0;
    zone->token_count = 0;
    zone->inherits_owner =
        zone->rest.len > 0 && (zone->rest.data[0] == ' ' || zone->rest.data[0] == '\t');
    while (zone->rest.len > 0) {
        uint8_t byte = zone->rest.data[0];
        enum err err = ERR_NONE;
        if (byte == '\n') {
            span_take(&zone->rest, 1);
            zone->line++;
            if (open_line == 0) {
                return ERR_NONE;
            }
        } else if (byte == ';') {
            span_take(&zone->rest, span_find(zone->rest, '\n'));
        } else if (byte == '"') {
            err = take_quoted(zone);
        } else if (byte == '(' || byte == ')') {
            if ((byte == '(') == (open_line != 0)) {
                return import_fail(zone->import, zone->line, NULL, "\"%c\" %s", byte,
                                   byte == '(' ? "inside parentheses: they do not nest"
                                               : "closes nothing: take it out");
            }
            open_line = byte == '(' ? zone->line : 0;
            span_take(&zone->rest, 1);
        } else if (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\0') {
            span_take(&zone->rest, 1);
        } else {
            push_token(zone, span_take(&zone->rest, word_len(zone->rest)));
        }
        if (err == ERR_NONE && zone->token_count > RECORD_WORDS_MAX) {
            return import_fail(zone->import, open_line > 0 ? open_line : zone->line, NULL,
                               "a record of more words than it may have bytes: is its \")\" "
                               "missing?");
        }
        if (err != ERR_NONE) {
            return err;
        }
    }
    if (open_line != 0) {
        return import_fail(zone->import, open_line, NULL, "\"(\" is never closed: add \")\"");
    }
    return ERR_NONE;
}

/* --- names --- */

/* Absolute, without the trailing dot. */
static enum err read_name(struct zone *zone, const struct token *token, const char *origin,
                          const char **out) {
    struct arena *scratch = &zone->import->scratch;
    struct span text = token->text;
    if (span_find(text, '\\') < text.len || text.data[0] == '"') {
        return import_fail(zone->import, token->line, NULL,
                           "\"%s\": escapes have no place in a name with TLSA records: write it "
                           "plainly",
                           import_quote(zone->import, text));
    }
    if (text.data[text.len - 1] == '.') {
        *out = arena_copy_text(scratch, span_of(text.data, text.len - 1));
        return ERR_NONE;
    }
    if (origin == NULL) {
        return import_fail(zone->import, token->line, NULL,
                           "\"%s\" is relative, and no $ORIGIN stands before it: add a dot at its "
                           "end, or $ORIGIN bank.example.",
                           import_quote(zone->import, text));
    }
    if (span_equal_str(text, "@")) {
        *out = origin;
        return ERR_NONE;
    }
    if (text.len > HOST_MAX) {
        return import_fail(zone->import, token->line, NULL, "a name of more than %d characters",
                           HOST_MAX);
    }
    size_t origin_len = strlen(origin);
    char *name = arena_alloc(scratch, text.len + 1 + origin_len + 1);
    memcpy(name, text.data, text.len);
    name[text.len] = '.';
    memcpy(name + text.len + 1, origin, origin_len + 1);
    *out = name;
    return ERR_NONE;
}

/* "_443._tcp.mail.example", or "*._tcp." for every port. `*out_skip` under another protocol. */
static enum err read_owner(struct zone *zone, uint32_t line, struct pin_host *out, bool *out_skip) {
    const char *owner = NULL;
    enum err err = read_name(zone, &zone->owner, zone->owner_origin, &owner);
    if (err != ERR_NONE) {
        return err;
    }
    struct span name = span_str(owner);
    struct span port_label = span_take(&name, span_find(name, '.'));
    span_take(&name, 1);
    struct span protocol = span_take(&name, span_find(name, '.'));
    span_take(&name, 1);
    uint64_t port = 0;
    bool any_port = span_equal_str(port_label, "*");
    bool is_port = port_label.len > 1 && port_label.data[0] == '_' &&
                   text_parse_u64(span_of(port_label.data + 1, port_label.len - 1), 65535, &port) &&
                   port > 0;
    if ((!any_port && !is_port) || protocol.len < 2 || protocol.data[0] != '_' || name.len == 0) {
        return import_fail(zone->import, line, NULL,
                           "\"%s\" is no owner of a TLSA record for a server: write "
                           "_443._tcp.mail.bank.example. (what only CNAMEs point to is not "
                           "followed)",
                           import_quote(zone->import, span_str(owner)));
    }
    *out_skip = !text_equal_ignore_case(protocol, span_of("_tcp", 4));
    err = *out_skip ? ERR_NONE : import_read_host(zone->import, line, name, false, out);
    out->port = (uint16_t)port;
    return err;
}

/* --- TLSA data --- */

struct tlsa {
    uint8_t usage, selector, matching;
    struct span data;
};

static bool equals(const struct token *token, const char *word) {
    return text_equal_ignore_case(token->text, span_str(word));
}

/* All tokens from `at` on as one run of hexadecimal. */
static enum err read_hex(struct zone *zone, uint32_t at, const char *host, struct span *out) {
    size_t capacity = 0, len = 0;
    for (uint32_t i = at; i < zone->token_count; i++) {
        capacity += zone->tokens[i].text.len;
    }
    uint8_t *digits = arena_alloc(&zone->import->scratch, capacity + 1);
    for (uint32_t i = at; i < zone->token_count; i++) {
        struct span text = zone->tokens[i].text;
        for (size_t j = 0; j < text.len; j++) {
            if (strchr("0123456789abcdefABCDEF", text.data[j]) == NULL || text.data[j] == '\0') {
                return import_fail(zone->import, zone->tokens[i].line, host,
                                   "\"%s\" is not hexadecimal: TLSA data is (base64 is for other "
                                   "formats)",
                                   import_quote(zone->import, text));
            }
        }
        memcpy(digits + len, text.data, text.len);
        len += text.len;
    }
    uint8_t *bytes = arena_alloc(&zone->import->scratch, len / 2 + 1);
    size_t byte_len = 0;
    if (!hex_decode(span_of(digits, len), bytes, len / 2 + 1, &byte_len)) {
        return import_fail(zone->import, zone->tokens[0].line, host,
                           "an odd number of hexadecimal digits (%zu): one was lost, copy the "
                           "record anew",
                           len);
    }
    *out = span_of(bytes, byte_len);
    return ERR_NONE;
}

/* RFC 3597 section 5. */
static enum err read_generic(struct zone *zone, uint32_t at, const char *host, struct tlsa *out) {
    uint64_t len = 0;
    struct span data = {0};
    uint32_t line = zone->tokens[0].line;
    if (at + 1 >= zone->token_count || !text_parse_u64(zone->tokens[at + 1].text, 65535, &len)) {
        return import_fail(zone->import, line, host,
                           "\"\\#\" without a length: write \\# 35 and 70 hexadecimal digits");
    }
    enum err err = read_hex(zone, at + 2, host, &data);
    if (err == ERR_NONE && (data.len != len || len < 4)) {
        return import_fail(zone->import, line, host,
                           "\"\\# %u\" and %zu bytes: they must agree, and a TLSA record has at "
                           "least 4",
                           (unsigned)len, data.len);
    }
    if (err == ERR_NONE) {
        *out = (struct tlsa){data.data[0], data.data[1], data.data[2],
                             span_of(data.data + 3, data.len - 3)};
    }
    return err;
}

static enum err read_data(struct zone *zone, uint32_t at, const char *host, struct tlsa *out) {
    uint64_t numbers[3];
    if (at < zone->token_count && equals(&zone->tokens[at], "\\#")) {
        return read_generic(zone, at, host, out);
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (at + i >= zone->token_count ||
            !text_parse_u64(zone->tokens[at + i].text, 255, &numbers[i])) {
            return import_fail(zone->import, zone->tokens[0].line, host,
                               "usage, selector and matching type are three numbers: write TLSA 3 "
                               "1 1 and the digest");
        }
    }
    *out = (struct tlsa){(uint8_t)numbers[0], (uint8_t)numbers[1], (uint8_t)numbers[2], {0}};
    return read_hex(zone, at + 3, host, &out->data);
}

static enum err check_tlsa(struct zone *zone, uint32_t line, const char *host,
                           const struct tlsa *tlsa) {
    static const size_t lens[] = {0, 32, 64};
    if (tlsa->usage > 3 || tlsa->selector > 1 || tlsa->matching > 2) {
        return import_fail(zone->import, line, host,
                           "TLSA %u %u %u is unusable, clients pass over it: usage is 0 to 3, "
                           "selector 0 or 1, matching type 0 to 2",
                           tlsa->usage, tlsa->selector, tlsa->matching);
    }
    if (tlsa->matching > 0 && tlsa->data.len != lens[tlsa->matching]) {
        return import_fail(zone->import, line, host,
                           "%zu bytes, but matching type %u has %zu: copy the record anew",
                           tlsa->data.len, tlsa->matching, lens[tlsa->matching]);
    }
    if (tlsa->matching == 0 && (tlsa->data.len < 4 || tlsa->data.data[0] != 0x30)) {
        return import_fail(zone->import, line, host,
                           "matching type 0 holds a whole %s in DER, which begins with 30: copy "
                           "the record anew",
                           tlsa->selector == 0 ? "certificate" : "key");
    }
    return ERR_NONE;
}

static enum err make_pin(struct zone *zone, uint32_t line, const char *host,
                         const struct tlsa *tlsa, struct pin *out) {
    static const enum pin_alg algs[] = {PIN_EXACT, PIN_SHA256, PIN_SHA512};
    enum err err = check_tlsa(zone, line, host, tlsa);
    if (err != ERR_NONE) {
        return err;
    }
    char *base64 = arena_alloc(&zone->import->scratch, BASE64_LEN(tlsa->data.len) + 1);
    size_t len = base64_encode(base64, tlsa->data);
    err =
        import_read_pin(zone->import, line, host, algs[tlsa->matching], span_of(base64, len), out);
    if (err == ERR_NONE) {
        out->of = tlsa->selector == 0 ? PIN_OF_CERT : PIN_OF_SPKI;
        out->tlsa_usage = (int8_t)tlsa->usage;
    }
    return err;
}

/* --- records --- */

static enum err add_record(struct zone *zone, uint32_t at) {
    struct pin_host host = {0};
    struct tlsa tlsa = {0};
    struct pin pin;
    uint32_t line = zone->tokens[0].line;
    bool skip = false, is_new = false;
    enum err err = read_owner(zone, line, &host, &skip);
    if (err != ERR_NONE || skip) {
        return err;
    }
    const char *text = import_host_text(zone->import, &host);
    err = read_data(zone, at, text, &tlsa);
    if (err == ERR_NONE) {
        err = make_pin(zone, line, text, &tlsa, &pin);
    }
    if (err != ERR_NONE) {
        return err;
    }
    struct import_set *set =
        import_sets_get(zone->import, &zone->sets, text, PIN_CLIENT_DANE, line, &is_new);
    if (is_new) {
        struct span ttl = zone->ttl.len > 0 ? zone->ttl : zone->default_ttl;
        import_set_add_host(zone->import, set, host);
        if (ttl.len > 0) {
            import_extra_text(zone->import, set, "ttl", ttl); /* one owner's records share it */
        }
    }
    import_set_add_pin(zone->import, set, &pin);
    return ERR_NONE;
}

/* "3600", "1h30m" */
static bool is_ttl(struct span text) {
    bool digit = text.len > 0 && text.data[0] >= '0' && text.data[0] <= '9';
    for (size_t i = 0; i < text.len && digit; i++) {
        digit = (text.data[i] >= '0' && text.data[i] <= '9') ||
                strchr("smhdwSMHDW", text.data[i]) != NULL;
    }
    return digit;
}

/* A slip like "TSLA" must not be passed over in silence. */
static bool is_known_type(const struct token *token) {
    static const char *const types[] = {
        "A",     "AAAA",   "NS",    "SOA",        "MX",       "TXT",   "CNAME",  "PTR",
        "SRV",   "CAA",    "DS",    "DNSKEY",     "RRSIG",    "NSEC",  "NSEC3",  "NSEC3PARAM",
        "SSHFP", "NAPTR",  "HINFO", "LOC",        "DNAME",    "SVCB",  "HTTPS",  "CDS",
        "URI",   "SMIMEA", "SPF",   "OPENPGPKEY", "CDNSKEY",  "RP",    "CERT",   "ZONEMD",
        "CSYNC", "EUI48",  "EUI64", "DHCID",      "IPSECKEY", "AFSDB", "DNSSEC", "APL"};
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (equals(token, types[i])) {
            return true;
        }
    }
    return token->text.len > 4 &&
           text_equal_ignore_case(span_of(token->text.data, 4), span_of("TYPE", 4));
}

static enum err read_directive(struct zone *zone) {
    const struct token *token = &zone->tokens[0];
    if (equals(token, "$TTL")) {
        bool good = zone->token_count >= 2 && is_ttl(zone->tokens[1].text);
        zone->default_ttl = good ? zone->tokens[1].text : (struct span){0};
        return ERR_NONE;
    }
    if (equals(token, "$ORIGIN") && zone->token_count >= 2) {
        return read_name(zone, &zone->tokens[1], zone->origin, &zone->origin);
    }
    return import_fail(zone->import, token->line, NULL,
                       "%s is not read here: write the records out, with $ORIGIN bank.example. "
                       "and $TTL alone",
                       import_quote(zone->import, token->text));
}

static enum err read_record(struct zone *zone) {
    uint32_t at = 0;
    if (zone->tokens[0].text.data[0] == '$') {
        return read_directive(zone);
    }
    if (!zone->inherits_owner) {
        zone->owner = zone->tokens[at++];
        zone->owner_origin = zone->origin;
    }
    zone->ttl = (struct span){0};
    while (at < zone->token_count &&
           (is_ttl(zone->tokens[at].text) || equals(&zone->tokens[at], "IN"))) {
        zone->ttl = is_ttl(zone->tokens[at].text) ? zone->tokens[at].text : zone->ttl;
        at++;
    }
    uint32_t line = zone->tokens[0].line;
    if (at == zone->token_count) {
        return import_fail(zone->import, line, NULL,
                           "a record without a type: write owner IN TLSA 3 1 1 <digest>");
    }
    bool is_tlsa = equals(&zone->tokens[at], "TLSA") || equals(&zone->tokens[at], "TYPE52");
    if (!is_tlsa && !is_known_type(&zone->tokens[at])) {
        return import_fail(zone->import, line, NULL, "\"%s\" is no record type: was TLSA meant?",
                           import_quote(zone->import, zone->tokens[at].text));
    }
    if (!is_tlsa) {
        return ERR_NONE;
    }
    if (zone->owner.text.len == 0) {
        return import_fail(zone->import, line, NULL,
                           "the line begins with white space, but no owner stands before it: "
                           "write _443._tcp.mail.bank.example. in front");
    }
    return add_record(zone, at + 1);
}

enum err import_tlsa(struct import *import, struct span text) {
    struct zone zone = {.import = import, .rest = text, .line = 1};
    enum err err = ERR_NONE;
    if (text.len >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0) {
        span_take(&zone.rest, 3);
    }
    while (err == ERR_NONE && zone.rest.len > 0) {
        err = next_record(&zone);
        if (err == ERR_NONE && zone.token_count > 0) {
            err = read_record(&zone);
        }
    }
    return err == ERR_NONE ? import_sets_end(import, &zone.sets) : err;
}
