#include "engine/codec/text.h"

#include "engine/base/attributes.h"
#include "engine/base/clock.h"

static const char hex_digits[16] = {'0', '1', '2', '3', '4', '5', '6', '7',
                                    '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};

/* The value of a character plus VALID; 0 for foreign ones, so that validity of a run is one AND. */
#define VALID 0x40
#define V(n) (VALID | (n))
static const uint8_t hex_values[256] = {
    ['0'] = V(0),  ['1'] = V(1),  ['2'] = V(2),  ['3'] = V(3),  ['4'] = V(4),  ['5'] = V(5),
    ['6'] = V(6),  ['7'] = V(7),  ['8'] = V(8),  ['9'] = V(9),  ['a'] = V(10), ['b'] = V(11),
    ['c'] = V(12), ['d'] = V(13), ['e'] = V(14), ['f'] = V(15), ['A'] = V(10), ['B'] = V(11),
    ['C'] = V(12), ['D'] = V(13), ['E'] = V(14), ['F'] = V(15)};
#undef V

const char text_digit_pairs[200] = {
    '0', '0', '0', '1', '0', '2', '0', '3', '0', '4', '0', '5', '0', '6', '0', '7', '0', '8', '0',
    '9', '1', '0', '1', '1', '1', '2', '1', '3', '1', '4', '1', '5', '1', '6', '1', '7', '1', '8',
    '1', '9', '2', '0', '2', '1', '2', '2', '2', '3', '2', '4', '2', '5', '2', '6', '2', '7', '2',
    '8', '2', '9', '3', '0', '3', '1', '3', '2', '3', '3', '3', '4', '3', '5', '3', '6', '3', '7',
    '3', '8', '3', '9', '4', '0', '4', '1', '4', '2', '4', '3', '4', '4', '4', '5', '4', '6', '4',
    '7', '4', '8', '4', '9', '5', '0', '5', '1', '5', '2', '5', '3', '5', '4', '5', '5', '5', '6',
    '5', '7', '5', '8', '5', '9', '6', '0', '6', '1', '6', '2', '6', '3', '6', '4', '6', '5', '6',
    '6', '6', '7', '6', '8', '6', '9', '7', '0', '7', '1', '7', '2', '7', '3', '7', '4', '7', '5',
    '7', '6', '7', '7', '7', '8', '7', '9', '8', '0', '8', '1', '8', '2', '8', '3', '8', '4', '8',
    '5', '8', '6', '8', '7', '8', '8', '8', '9', '9', '0', '9', '1', '9', '2', '9', '3', '9', '4',
    '9', '5', '9', '6', '9', '7', '9', '8', '9', '9',
};

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* Sixteen nibbles to digits: a true comparison is 0xFF in that byte. */
static bytes16 hex_digits16(bytes16 nibbles) {
    return nibbles + '0' + ((bytes16)(nibbles > 9) & (uint8_t)('a' - '0' - 10));
}

size_t hex_encode(char *out, struct span in) {
    size_t i = 0;
    bytes16 bytes;
    for (; i + sizeof bytes <= in.len; i += sizeof bytes) {
        memcpy(&bytes, in.data + i, sizeof bytes);
        bytes16 high = hex_digits16(bytes >> 4), low = hex_digits16(bytes & 15);
        bytes16 front = __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                                6, 22, 7, 23);
        bytes16 back = __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                               29, 14, 30, 15, 31);
        memcpy(out + 2 * i, &front, sizeof front);
        memcpy(out + 2 * i + sizeof front, &back, sizeof back);
    }
    for (; i < in.len; i++) {
        out[2 * i] = hex_digits[in.data[i] >> 4];
        out[2 * i + 1] = hex_digits[in.data[i] & 15];
    }
    return 2 * in.len;
}

/* Every byte has its VALID bit in `values`. */
static bool text_is_all(const uint8_t values[256], const uint8_t *at, size_t len) {
    unsigned all = VALID;
    for (size_t i = 0; i < len; i++) {
        all &= values[at[i]];
    }
    return all == VALID;
}

bool hex_decode(struct span text, uint8_t *out, size_t out_cap, size_t *out_len) {
    if (text.len % 2 != 0 || text.len / 2 > out_cap ||
        !text_is_all(hex_values, text.data, text.len)) {
        return false;
    }
    for (size_t i = 0; i < text.len / 2; i++) {
        unsigned high = hex_values[text.data[2 * i]] & 15u;
        unsigned low = hex_values[text.data[2 * i + 1]] & 15u;
        out[i] = (uint8_t)(high << 4 | low);
    }
    *out_len = text.len / 2;
    return true;
}

bool text_parse_u64(struct span text, uint64_t max, uint64_t *out) {
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    if (text.len == 0 || value > max) {
        return false;
    }
    *out = value;
    return true;
}

static bool text_parse_unit(struct span unit, uint64_t *out_ns) {
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"", NS_PER_S},       {"s", NS_PER_S},        {"ms", NS_PER_MS},
                 {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {"d", 86400 * NS_PER_S}};
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (span_equal_str(unit, units[i].name)) {
            *out_ns = units[i].ns;
            return true;
        }
    }
    return false;
}

static struct span text_take_digits(struct span *from) {
    size_t len = 0;
    while (len < from->len && from->data[len] >= '0' && from->data[len] <= '9') {
        len++;
    }
    return span_take(from, len);
}

bool text_parse_duration(struct span text, uint64_t *out_ns) {
    struct span rest = text;
    uint64_t whole = 0, fraction = 0, scale = 1, unit_ns = 0;
    if (!text_parse_u64(text_take_digits(&rest), UINT64_MAX, &whole)) {
        return false;
    }
    if (rest.len > 0 && rest.data[0] == '.') {
        span_take(&rest, 1);
        struct span digits = text_take_digits(&rest);
        if (digits.len > 9 || !text_parse_u64(digits, UINT64_MAX, &fraction)) {
            return false;
        }
        for (size_t i = 0; i < digits.len; i++) {
            scale *= 10;
        }
    }
    if (!text_parse_unit(rest, &unit_ns)) {
        return false;
    }
    unsigned __int128 ns =
        (unsigned __int128)whole * unit_ns + (unsigned __int128)fraction * unit_ns / scale;
    if (ns > INT64_MAX) {
        return false;
    }
    *out_ns = (uint64_t)ns;
    return true;
}

static uint8_t ascii_lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool text_equal_ignore_case(struct span a, struct span b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

/* Unicode 3.9, table 3-7: only the second byte of a sequence has a range that depends on the first.
 */
size_t text_utf8_step(struct span text, bool *out_well_formed) {
    uint8_t first = text.data[0];
    uint8_t low = 0x80, high = 0xBF;
    size_t len = 1;
    if (first < 0x80) {
        *out_well_formed = true;
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        len = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        len = 3;
        low = first == 0xE0 ? 0xA0 : 0x80;
        high = first == 0xED ? 0x9F : 0xBF;
    } else if (first >= 0xF0 && first <= 0xF4) {
        len = 4;
        low = first == 0xF0 ? 0x90 : 0x80;
        high = first == 0xF4 ? 0x8F : 0xBF;
    }
    size_t good = 1;
    while (good < len && good < text.len && text.data[good] >= low && text.data[good] <= high) {
        good++;
        low = 0x80;
        high = 0xBF;
    }
    *out_well_formed = len > 1 && good == len;
    return good;
}

bool text_is_utf8(struct span text) {
    size_t at = 0;
    while (at < text.len) {
        uint64_t eight;
        if (text.len - at >= sizeof eight) {
            memcpy(&eight, text.data + at, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        bool well_formed;
        at += text_utf8_step(span_of(text.data + at, text.len - at), &well_formed);
        if (!well_formed) {
            return false;
        }
    }
    return true;
}

size_t text_utf8_encode(char out[4], uint32_t code_point) {
    uint32_t c = code_point;
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
        c = 0xFFFD;
    }
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)((0xF00 >> len & 0xFF) | c);
    return len;
}

static size_t digit_count(uint64_t value) {
    size_t count = 1;
    for (uint64_t rest = value; rest >= 10; rest /= 10000, count += 4) {
        if (rest < 10000) {
            return count + (rest >= 1000 ? 3 : rest >= 100 ? 2 : 1);
        }
    }
    return count;
}

size_t text_format_u64(char out[TEXT_U64_LEN_MAX], uint64_t value) {
    size_t len = digit_count(value);
    char *at = out + len;
    uint64_t rest = value;
    for (; rest >= 100; rest /= 100) {
        at -= 2;
        memcpy(at, text_digit_pairs + rest % 100 * 2, 2);
    }
    if (rest >= 10) {
        memcpy(at - 2, text_digit_pairs + rest * 2, 2);
    } else {
        at[-1] = (char)('0' + rest);
    }
    return len;
}
