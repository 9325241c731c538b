#include "engine/codec/netaddr.h"

#define GROUPS 8 /* 16-bit groups of an IPv6 address */

/* RFC 6943 section 3.1.1: the "strict" form. Leading zeros are refused because some readers take
   them for octal, so that "010.0.0.1" names two different machines. */
static bool parse_v4(struct span text, uint8_t out[4]) {
    uint8_t bytes[4];
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        if (part > 0) {
            if (at >= text.len || text.data[at] != '.') {
                return false;
            }
            at++;
        }
        unsigned value = 0;
        size_t start = at;
        while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9' && at - start < 3) {
            value = value * 10 + (unsigned)(text.data[at] - '0');
            at++;
        }
        if (at == start || value > 255 || (at - start > 1 && text.data[start] == '0')) {
            return false;
        }
        bytes[part] = (uint8_t)value;
    }
    if (at != text.len) {
        return false;
    }
    memcpy(out, bytes, 4);
    return true;
}

static int hex_value(uint8_t c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One group of one to four hexadecimal digits; 0 on anything else. */
static size_t parse_group(struct span text, uint16_t *out) {
    unsigned value = 0;
    size_t len = 0;
    while (len < text.len && len < 4 && hex_value(text.data[len]) >= 0) {
        value = value << 4 | (unsigned)hex_value(text.data[len]);
        len++;
    }
    *out = (uint16_t)value;
    return len;
}

static void put_groups(const uint16_t *groups, int count, int gap, uint8_t out[16]) {
    memset(out, 0, 16);
    int zeros = GROUPS - count;
    for (int i = 0; i < count; i++) {
        int to = gap >= 0 && i >= gap ? i + zeros : i;
        out[2 * to] = (uint8_t)(groups[i] >> 8);
        out[2 * to + 1] = (uint8_t)groups[i];
    }
}

/* RFC 4291 section 2.2, forms 1 to 3. `gap` is where "::" stood. */
static bool parse_v6(struct span text, uint8_t out[16]) {
    uint16_t groups[GROUPS];
    int count = 0, gap = -1;
    size_t at = 0;
    if (text.len >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        gap = 0;
        at = 2;
    }
    while (at < text.len) {
        struct span rest = span_of(text.data + at, text.len - at);
        uint8_t v4[4];
        if (count <= GROUPS - 2 && (count > 0 || gap == 0) && parse_v4(rest, v4)) {
            groups[count++] = (uint16_t)(v4[0] << 8 | v4[1]);
            groups[count++] = (uint16_t)(v4[2] << 8 | v4[3]);
            at = text.len;
            break;
        }
        if (count == GROUPS) {
            return false;
        }
        size_t len = parse_group(rest, &groups[count]);
        if (len == 0) {
            return false;
        }
        count++;
        at += len;
        if (at == text.len) {
            break;
        }
        if (text.data[at] != ':') {
            return false;
        }
        at++;
        if (at < text.len && text.data[at] == ':') {
            if (gap >= 0) {
                return false;
            }
            gap = count;
            at++;
        } else if (at == text.len) {
            return false;
        }
    }
    /* "::" stands for at least one group. */
    if (gap >= 0 ? count >= GROUPS : count != GROUPS) {
        return false;
    }
    put_groups(groups, count, gap, out);
    return true;
}

bool netaddr_parse(struct span text, struct netaddr *out) {
    struct netaddr parsed = {0};
    if (span_find(text, ':') < text.len) {
        if (!parse_v6(text, parsed.bytes)) {
            return false;
        }
        parsed.family = 6;
    } else {
        if (!parse_v4(text, parsed.bytes)) {
            return false;
        }
        parsed.family = 4;
    }
    *out = parsed;
    return true;
}

static size_t format_u8(char *out, uint8_t value) {
    size_t len = 0;
    if (value >= 100) {
        out[len++] = (char)('0' + value / 100);
    }
    if (value >= 10) {
        out[len++] = (char)('0' + value / 10 % 10);
    }
    out[len++] = (char)('0' + value % 10);
    return len;
}

static size_t format_v4(char *out, const uint8_t bytes[4]) {
    size_t len = 0;
    for (int i = 0; i < 4; i++) {
        if (i > 0) {
            out[len++] = '.';
        }
        len += format_u8(out + len, bytes[i]);
    }
    return len;
}

static size_t format_group(char *out, unsigned value) {
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;
    for (int shift = 12; shift >= 0; shift -= 4) {
        if (len > 0 || shift == 0 || value >> shift != 0) {
            out[len++] = digits[value >> shift & 15];
        }
    }
    return len;
}

/* RFC 5952 section 4.2: the longest run of zero groups, the first of equals, never a single one. */
static int longest_zero_run(const uint16_t groups[GROUPS], int *out_len) {
    int best = -1, best_len = 1, start = -1;
    for (int i = 0; i <= GROUPS; i++) {
        if (i < GROUPS && groups[i] == 0) {
            start = start < 0 ? i : start;
        } else if (start >= 0) {
            if (i - start > best_len) {
                best = start;
                best_len = i - start;
            }
            start = -1;
        }
    }
    *out_len = best >= 0 ? best_len : 0;
    return best;
}

static size_t format_v6(char *out, const uint8_t bytes[16]) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(bytes, mapped, sizeof mapped) == 0) { /* RFC 5952 section 5 */
        memcpy(out, "::ffff:", 7);
        return 7 + format_v4(out + 7, bytes + 12);
    }
    uint16_t groups[GROUPS];
    for (int i = 0; i < GROUPS; i++) {
        groups[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    }
    int run_len;
    int run = longest_zero_run(groups, &run_len);
    size_t len = 0;
    for (int i = 0; i < GROUPS; i++) {
        if (i == run) {
            out[len++] = ':';
            out[len++] = ':';
            i += run_len - 1;
            continue;
        }
        if (len > 0 && out[len - 1] != ':') {
            out[len++] = ':';
        }
        len += format_group(out + len, groups[i]);
    }
    return len;
}

size_t netaddr_format(char out[NETADDR_TEXT_MAX], const struct netaddr *address) {
    size_t len = 0;
    if (address->family == 4) {
        len = format_v4(out, address->bytes);
    } else if (address->family == 6) {
        len = format_v6(out, address->bytes);
    }
    out[len] = '\0';
    return len;
}

bool netaddr_equal(const struct netaddr *a, const struct netaddr *b) {
    size_t len = a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
    return a->family == b->family && memcmp(a->bytes, b->bytes, len) == 0;
}

void netaddr_unmap(struct netaddr *address) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (address->family == 6 && memcmp(address->bytes, mapped, sizeof mapped) == 0) {
        struct netaddr v4 = {.family = 4};
        memcpy(v4.bytes, address->bytes + 12, 4);
        *address = v4;
    }
}

static unsigned family_bits(uint8_t family) {
    return family == 4 ? 32 : 128;
}

/* Clears the bits after `prefix`; true if one was set. */
static bool clear_host_bits(struct netaddr *address, unsigned prefix) {
    bool found = false;
    for (unsigned i = 0; i < family_bits(address->family) / 8; i++) {
        unsigned kept = prefix >= 8 * (i + 1) ? 8 : prefix > 8 * i ? prefix - 8 * i : 0;
        uint8_t mask = (uint8_t)(0xff00u >> kept);
        found = found || (address->bytes[i] & ~mask & 0xff) != 0;
        address->bytes[i] &= mask;
    }
    return found;
}

static bool parse_decimal(struct span text, unsigned max, size_t digits_max, unsigned *out) {
    unsigned value = 0;
    if (text.len == 0 || text.len > digits_max) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    if (value > max) {
        return false;
    }
    *out = value;
    return true;
}

bool netrange_parse(struct span text, struct netrange *out, const char **out_why) {
    size_t slash = span_find(text, '/');
    struct netrange range = {0};
    if (slash == text.len) {
        *out_why = "no prefix length; write ADDRESS/BITS";
        return false;
    }
    if (!netaddr_parse(span_of(text.data, slash), &range.base)) {
        *out_why = "not a valid address before the \"/\"";
        return false;
    }
    struct span digits = span_of(text.data + slash + 1, text.len - slash - 1);
    unsigned prefix;
    if (!parse_decimal(digits, family_bits(range.base.family), 3, &prefix)) {
        *out_why = range.base.family == 4 ? "not a prefix length from 0 to 32 after the \"/\""
                                          : "not a prefix length from 0 to 128 after the \"/\"";
        return false;
    }
    range.prefix = (uint8_t)prefix;
    if (clear_host_bits(&range.base, prefix)) {
        *out_why = "bits are set after the prefix; write the first address of the range";
        return false;
    }
    *out = range;
    return true;
}

bool netrange_contains(const struct netrange *range, const struct netaddr *address) {
    if (range->base.family != address->family) {
        return false;
    }
    struct netaddr masked = *address;
    clear_host_bits(&masked, range->prefix);
    return netaddr_equal(&masked, &range->base);
}

uint64_t netrange_count(const struct netrange *range) {
    unsigned host_bits = family_bits(range->base.family) - range->prefix;
    return host_bits >= 64 ? UINT64_MAX : UINT64_C(1) << host_bits;
}

struct netaddr netrange_at(const struct netrange *range, uint64_t offset) {
    struct netaddr address = range->base;
    /* The host bits of the base are zero, so the offset is put in by OR, without carry. */
    for (unsigned i = family_bits(address.family) / 8; i-- > 0 && offset != 0; offset >>= 8) {
        address.bytes[i] |= (uint8_t)offset;
    }
    return address;
}

static bool parse_port(struct span text, uint16_t *out, const char **out_why) {
    unsigned port;
    if (text.len == 0) {
        *out_why = "no port after the \":\"";
        return false;
    }
    if (!parse_decimal(text, 65535, 5, &port) || port == 0) {
        *out_why = "the port is not a number from 1 to 65535";
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

/* Takes the scheme and everything after the authority (RFC 3986 section 3) away. */
static bool strip_url(struct span *text, const char **out_why) {
    static const char scheme[] = "https://";
    const size_t scheme_len = sizeof scheme - 1;
    size_t slash = span_find(*text, '/');
    if (slash == text->len) {
        return true;
    }
    if (slash == 0 || slash + 1 >= text->len || text->data[slash - 1] != ':' ||
        text->data[slash + 1] != '/') {
        *out_why = "a path is only taken in a URL: write https://HOST/..., or an address range as "
                   "ADDRESS/BITS";
        return false;
    }
    bool https = slash + 2 == scheme_len;
    for (size_t i = 0; https && i < scheme_len; i++) {
        uint8_t c = text->data[i];
        https = (c >= 'A' && c <= 'Z' ? c + 32 : c) == scheme[i];
    }
    if (!https) {
        *out_why = "only https:// URLs are taken; for another TLS service write HOST:PORT";
        return false;
    }
    text->data += scheme_len;
    text->len -= scheme_len;
    size_t end = 0;
    while (end < text->len && text->data[end] != '/' && text->data[end] != '?' &&
           text->data[end] != '#') {
        end++;
    }
    text->len = end;
    if (span_find(*text, '@') < text->len) {
        *out_why = "a user name in a URL is not taken; write https://HOST/...";
        return false;
    }
    return true;
}

static bool split_bracketed(struct span text, struct span *out_host, uint16_t *out_port,
                            const char **out_why) {
    size_t close = span_find(text, ']');
    struct netaddr address;
    uint16_t port = 0;
    if (close == text.len) {
        *out_why = "\"[\" without \"]\"";
        return false;
    }
    struct span host = span_of(text.data + 1, close - 1);
    if (!netaddr_parse(host, &address) || address.family != 6) {
        *out_why = span_find(host, '%') < host.len
                       ? "addresses with a zone (%...) are not taken"
                       : "not a valid IPv6 address between \"[\" and \"]\"";
        return false;
    }
    struct span rest = span_of(text.data + close + 1, text.len - close - 1);
    if (rest.len > 0 && rest.data[0] != ':') {
        *out_why = "only \":PORT\" may follow \"]\"";
        return false;
    }
    if (rest.len > 0 && !parse_port(span_of(rest.data + 1, rest.len - 1), &port, out_why)) {
        return false;
    }
    *out_host = host;
    *out_port = port;
    return true;
}

bool hostport_split(struct span text, struct span *out_host, uint16_t *out_port,
                    const char **out_why) {
    struct netaddr address;
    uint16_t port = 0;
    if (!strip_url(&text, out_why)) {
        return false;
    }
    if (text.len == 0) {
        *out_why = "no host";
        return false;
    }
    if (text.data[0] == '[') {
        return split_bracketed(text, out_host, out_port, out_why);
    }
    size_t colon = span_find(text, ':');
    if (colon < text.len && span_find(span_of(text.data + colon + 1, text.len - colon - 1), ':') <
                                text.len - colon - 1) {
        if (!netaddr_parse(text, &address)) {
            *out_why = span_find(text, '%') < text.len
                           ? "addresses with a zone (%...) are not taken"
                           : "not a valid IPv6 address; with a port write [ADDRESS]:PORT";
            return false;
        }
        colon = text.len;
    }
    if (colon < text.len &&
        !parse_port(span_of(text.data + colon + 1, text.len - colon - 1), &port, out_why)) {
        return false;
    }
    if (colon == 0) {
        *out_why = "no host before the \":\"";
        return false;
    }
    *out_host = span_of(text.data, colon);
    *out_port = port;
    return true;
}
