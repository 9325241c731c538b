#include "engine/codec/hostname.h"

#include <idn2.h>

#include "engine/codec/netaddr.h"

#define LABEL_MAX 63 /* RFC 1035 section 2.3.4 */
/* A U-label is at most LABEL_MAX characters of up to 4 bytes, and its A-label is longer than the
   character count; a text above this cannot come out within HOST_MAX. */
#define UTF8_BYTES_MAX (4 * HOST_MAX)

/* What a byte becomes in a canonical name; 0 if it may not stand in one. */
static const uint8_t folded[256] = {
    ['-'] = '-', ['.'] = '.', ['_'] = '_', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3',
    ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a',
    ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h',
    ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o',
    ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v',
    ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c',
    ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j',
    ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q',
    ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x',
    ['Y'] = 'y', ['Z'] = 'z',
};

static const char *explain_byte(uint8_t byte) {
    switch (byte) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return "white space inside a host name";
    case '\0':
        return "a NUL byte inside a host name";
    case '*':
        return "a wildcard cannot be connected to; name the hosts";
    case '/':
        return "\"/\" inside a host name";
    case ':':
        return "\":\" inside a host name";
    case ',':
    case ';':
        return "a comma or semicolon inside a host name";
    case '@':
        return "\"@\" inside a host name";
    default:
        return "a character that no host name has (letters, digits, \"-\", \"_\" and \".\" are "
               "allowed)";
    }
}

/* ASCII in, canonical name out (not NUL-terminated). */
static bool fold_ascii(struct span text, char out[HOST_MAX + 1], size_t *out_len,
                       const char **out_why) {
    if (text.len > 0 && text.data[text.len - 1] == '.') {
        text.len--;
    }
    if (text.len == 0) {
        *out_why = "an empty host name";
        return false;
    }
    if (text.len > HOST_MAX) {
        *out_why = "host name longer than 253 characters";
        return false;
    }
    bool numeric = true;
    size_t label = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = folded[text.data[i]];
        out[i] = (char)c;
        if (c == '.') {
            if (i == label) {
                *out_why = "an empty label (two dots, or a dot in front)";
                return false;
            }
            label = i + 1;
        } else if (c == 0) {
            *out_why = explain_byte(text.data[i]);
            return false;
        } else if (i - label == LABEL_MAX) {
            *out_why = "label longer than 63 characters";
            return false;
        } else if (c < '0' || c > '9') {
            numeric = false;
        }
    }
    if (label == text.len) {
        *out_why = "an empty label (two dots, or a dot in front)";
        return false;
    }
    struct netaddr address;
    if (numeric && !netaddr_parse(span_of(out, text.len), &address)) {
        /* inet_aton would take "10.1" or "2130706433" for addresses; nobody means them as names. */
        *out_why = "not a valid IPv4 address";
        return false;
    }
    *out_len = text.len;
    return true;
}

static const char *explain_idn2(int result) {
    switch (result) {
    case IDN2_ENCODING_ERROR:
        return "not valid UTF-8";
    case IDN2_TOO_BIG_DOMAIN:
        return "host name longer than 253 characters";
    case IDN2_TOO_BIG_LABEL:
        return "label longer than 63 characters";
    case IDN2_DISALLOWED:
    case IDN2_CONTEXTJ:
    case IDN2_CONTEXTO:
    case IDN2_UNASSIGNED:
    case IDN2_BIDI:
        return "a character that IDNA2008 does not allow there";
    default:
        return idn2_strerror(result);
    }
}

static bool convert_utf8(struct span text, char out[HOST_MAX + 1], size_t *out_len,
                         const char **out_why) {
    uint8_t name[UTF8_BYTES_MAX + 1];
    if (text.len > UTF8_BYTES_MAX) {
        *out_why = "host name longer than 253 characters";
        return false;
    }
    if (span_find(text, 0) < text.len) {
        *out_why = explain_byte(0);
        return false;
    }
    memcpy(name, text.data, text.len);
    name[text.len] = 0;
    uint8_t *ascii = NULL;
    int result = idn2_lookup_u8(name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (result != IDN2_OK) {
        *out_why = explain_idn2(result);
        return false;
    }
    /* The mapping may bring forth any ASCII character: the result is judged like one written so. */
    bool good = fold_ascii(span_str((char *)ascii), out, out_len, out_why);
    idn2_free(ascii);
    return good;
}

bool hostname_to_ascii(struct span text, char out[HOST_MAX + 1], size_t *out_len,
                       const char **out_why) {
    char name[HOST_MAX + 1];
    size_t len;
    uint8_t high = 0;
    for (size_t i = 0; i < text.len; i++) {
        high |= text.data[i];
    }
    if (high & 0x80 ? !convert_utf8(text, name, &len, out_why)
                    : !fold_ascii(text, name, &len, out_why)) {
        return false;
    }
    memcpy(out, name, len);
    out[len] = '\0';
    *out_len = len;
    return true;
}

static bool equal_folded(struct span a, struct span b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        uint8_t x = folded[a.data[i]], y = folded[b.data[i]];
        if (x != y || x == 0) {
            return false;
        }
    }
    return true;
}

/* RFC 9525 section 6.3 compares names only; an address, whose last label is a number (no top-level
   domain is), is compared with iPAddress entries and never with these. */
static bool ends_in_number(struct span host) {
    size_t at = host.len;
    while (at > 0 && host.data[at - 1] >= '0' && host.data[at - 1] <= '9') {
        at--;
    }
    return at < host.len && (at == 0 || host.data[at - 1] == '.');
}

bool hostname_matches(struct span pattern, struct span host) {
    if (host.len == 0 || ends_in_number(host)) {
        return false;
    }
    if (pattern.len > 2 && pattern.data[0] == '*' && pattern.data[1] == '.') {
        size_t dot = span_find(host, '.');
        return dot > 0 && dot < host.len &&
               equal_folded(span_of(pattern.data + 1, pattern.len - 1),
                            span_of(host.data + dot, host.len - dot));
    }
    return equal_folded(pattern, host);
}

bool hostname_ends_in_number(struct span name) {
    size_t at = name.len;
    while (at > 0 && name.data[at - 1] >= '0' && name.data[at - 1] <= '9') {
        at--;
    }
    return at == 0 || name.data[at - 1] == '.';
}
