#include "engine/codec/base64.h"

#include <endian.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/base/attributes.h"
#include "engine/codec/base64_kernels.h"

static const char base64_digits[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
    'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
    'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/'};

/* The value of a character plus VALID; 0 for foreign ones, so that validity of a run is one AND. */
#define VALID 0x40
#define V(n) (VALID | (n))
static const uint8_t base64_values[256] = {
    ['A'] = V(0),  ['B'] = V(1),  ['C'] = V(2),  ['D'] = V(3),  ['E'] = V(4),  ['F'] = V(5),
    ['G'] = V(6),  ['H'] = V(7),  ['I'] = V(8),  ['J'] = V(9),  ['K'] = V(10), ['L'] = V(11),
    ['M'] = V(12), ['N'] = V(13), ['O'] = V(14), ['P'] = V(15), ['Q'] = V(16), ['R'] = V(17),
    ['S'] = V(18), ['T'] = V(19), ['U'] = V(20), ['V'] = V(21), ['W'] = V(22), ['X'] = V(23),
    ['Y'] = V(24), ['Z'] = V(25), ['a'] = V(26), ['b'] = V(27), ['c'] = V(28), ['d'] = V(29),
    ['e'] = V(30), ['f'] = V(31), ['g'] = V(32), ['h'] = V(33), ['i'] = V(34), ['j'] = V(35),
    ['k'] = V(36), ['l'] = V(37), ['m'] = V(38), ['n'] = V(39), ['o'] = V(40), ['p'] = V(41),
    ['q'] = V(42), ['r'] = V(43), ['s'] = V(44), ['t'] = V(45), ['u'] = V(46), ['v'] = V(47),
    ['w'] = V(48), ['x'] = V(49), ['y'] = V(50), ['z'] = V(51), ['0'] = V(52), ['1'] = V(53),
    ['2'] = V(54), ['3'] = V(55), ['4'] = V(56), ['5'] = V(57), ['6'] = V(58), ['7'] = V(59),
    ['8'] = V(60), ['9'] = V(61), ['+'] = V(62), ['/'] = V(63)};
#undef V

/* --- encoding --- */

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef int8_t signed16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digits leave a word lowest byte first");

/* Twice six bytes to sixteen digits. In each word the 48 bits are halved three times, the front
   half going down, until a byte holds six of them; then a digit moves by the distance between the
   ranges of the alphabet (A-Z, a-z, 0-9, +, /) for each range that it is past. */
static bytes16 base64_digits16(words2 bits) {
    words2 v = (bits >> 24 & 0xFFFFFF) | (bits & 0xFFFFFF) << 32;
    v = (v >> 12 & 0x00000FFF00000FFF) | (v & 0x00000FFF00000FFF) << 16;
    v = (v >> 6 & 0x003F003F003F003F) | (v & 0x003F003F003F003F) << 8;
    signed16 six = (signed16)v;
    return (bytes16)(six + 'A' + ((six > 25) & ('a' - 'Z' - 1)) - ((six > 51) & ('z' + 1 - '0')) -
                     ((six > 61) & ('9' + 1 - '+')) + ((six > 62) & ('/' - '+' - 1)));
}

static uint64_t base64_six_bytes(const uint8_t *at) {
    uint64_t eight;
    memcpy(&eight, at, sizeof eight);
    return be64toh(eight) >> 16;
}

size_t base64_encode(char *out, struct span in) {
    char *to = out;
    size_t i = 0;
    for (; i + 6 + sizeof(uint64_t) <= in.len; i += 12, to += 16) {
        words2 bits = {base64_six_bytes(in.data + i), base64_six_bytes(in.data + i + 6)};
        bytes16 digits = base64_digits16(bits);
        memcpy(to, &digits, sizeof digits);
    }
    for (; i + 3 <= in.len; i += 3, to += 4) {
        uint32_t bits =
            (uint32_t)in.data[i] << 16 | (uint32_t)in.data[i + 1] << 8 | (uint32_t)in.data[i + 2];
        to[0] = base64_digits[bits >> 18];
        to[1] = base64_digits[bits >> 12 & 63];
        to[2] = base64_digits[bits >> 6 & 63];
        to[3] = base64_digits[bits & 63];
    }
    if (i < in.len) {
        bool two = in.len - i == 2;
        uint32_t bits = (uint32_t)in.data[i] << 16 | (two ? (uint32_t)in.data[i + 1] << 8 : 0);
        to[0] = base64_digits[bits >> 18];
        to[1] = base64_digits[bits >> 12 & 63];
        to[2] = two ? base64_digits[bits >> 6 & 63] : '=';
        to[3] = '=';
        to += 4;
    }
    return (size_t)(to - out);
}

/* --- decoding in one piece --- */

static bool digits_are_valid(const uint8_t *at, size_t len) {
    unsigned all = VALID;
    for (size_t i = 0; i < len; i++) {
        all &= base64_values[at[i]];
    }
    return all == VALID;
}

static uint32_t base64_group(const uint8_t *at, size_t count) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        bits = bits << 6 | (i < count ? base64_values[at[i]] & 63u : 0);
    }
    return bits;
}

/* Nothing is written before the whole text is known to be good. */
bool base64_decode(struct span text, uint8_t *out, size_t out_cap, size_t *out_len) {
    if (text.len % 4 != 0) {
        return false;
    }
    size_t digits = text.len;
    while (digits > 0 && text.len - digits < 2 && text.data[digits - 1] == '=') {
        digits--;
    }
    size_t rest = digits % 4; /* 0, 2 or 3 digits in the padded last group */
    size_t len = digits / 4 * 3 + (rest > 0 ? rest - 1 : 0);
    if (len > out_cap || !digits_are_valid(text.data, digits)) {
        return false;
    }
    uint32_t last = rest > 0 ? base64_group(text.data + digits - rest, rest) : 0;
    if ((last & (rest == 2 ? 0xFFFFu : 0xFFu)) != 0) {
        return false;
    }
    size_t to = 0;
    for (size_t i = 0; i + 4 <= digits; i += 4) {
        uint32_t bits = base64_group(text.data + i, 4);
        out[to++] = (uint8_t)(bits >> 16);
        out[to++] = (uint8_t)(bits >> 8);
        out[to++] = (uint8_t)bits;
    }
    if (rest > 0) {
        out[to++] = (uint8_t)(last >> 16);
    }
    if (rest == 3) {
        out[to++] = (uint8_t)(last >> 8);
    }
    *out_len = to;
    return true;
}

/* --- the table of kernels --- */

/* Four digits to 24 bits; false if one is none. */
static inline bool group_bits(const uint8_t *at, uint32_t *out) {
    unsigned a = base64_values[at[0]], b = base64_values[at[1]], c = base64_values[at[2]],
             d = base64_values[at[3]];
    *out = (uint32_t)((a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63));
    return (a & b & c & d & VALID) != 0;
}

static inline void put_group(uint8_t *out, uint32_t bits) {
    out[0] = (uint8_t)(bits >> 16);
    out[1] = (uint8_t)(bits >> 8);
    out[2] = (uint8_t)bits;
}

size_t base64_lines_scalar(const uint8_t *in, size_t count, struct base64_line_end end,
                           uint8_t *out) {
    size_t done = 0;
    while (done < count && base64_line_ends(in, end)) {
        for (size_t group = 0; group < BASE64_COLUMNS / 4; group++) {
            uint32_t bits;
            if (!group_bits(in + 4 * group, &bits)) {
                return done;
            }
            put_group(out + 3 * group, bits);
        }
        in += end.stride;
        out += BASE64_COLUMN_BYTES;
        done++;
    }
    return done;
}

struct kernel {
    const char *name;
    bool (*is_available)(void);
    base64_lines lines;
};

#if defined(__x86_64__)
static bool cpu_has_vbmi(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi");
}

static bool cpu_has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}
#endif

static bool cpu_is_any(void) {
    return true;
}

/* Best first. */
static const struct kernel kernels[] = {
#if defined(__x86_64__)
    {"vbmi", cpu_has_vbmi, base64_lines_vbmi},
    {"avx2", cpu_has_avx2, base64_lines_avx2},
#endif
    {"scalar", cpu_is_any, base64_lines_scalar},
};

/* The best kernel of this name, or of all if it is NULL; NULL if the CPU has none. */
static const struct kernel *kernel_find(const char *name) {
    for (size_t i = 0; i < ARRAY_COUNT(kernels); i++) {
        if (kernels[i].is_available() && (name == NULL || strcmp(kernels[i].name, name) == 0)) {
            return &kernels[i];
        }
    }
    return NULL;
}

/* Set once; threads that race for the first use find the same. */
static _Atomic(const struct kernel *) chosen;

static const struct kernel *kernel_in_use(void) {
    const struct kernel *kernel = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (UNLIKELY(kernel == NULL)) {
        kernel = kernel_find(getenv("PINSWEEP_BASE64"));
        if (kernel == NULL) { /* a name that this CPU has not: as if none were given */
            kernel = kernel_find(NULL);
        }
        atomic_store_explicit(&chosen, kernel, memory_order_relaxed);
    }
    return kernel;
}

const char *base64_kernel(void) {
    return kernel_in_use()->name;
}

size_t base64_kernels_available(const char *out_names[BASE64_KERNELS_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(kernels); i++) {
        if (kernels[i].is_available()) {
            out_names[count++] = kernels[i].name;
        }
    }
    return count;
}

bool base64_force_kernel(const char *name) {
    const struct kernel *kernel = name != NULL ? kernel_find(name) : NULL;
    if (kernel == NULL) {
        return false;
    }
    atomic_store_explicit(&chosen, kernel, memory_order_relaxed);
    return true;
}

/* --- decoding in lines --- */

struct lines {
    base64_lines kernel;
    uint8_t *to;
    uint8_t held[4]; /* digits of a group that a line's end has split */
    size_t held_count, pad_count;
    bool ended; /* the padded group has come */
};

/* Whole lines of 64 columns off the front of the text; false if the next one is not such. */
static bool take_full_lines(struct lines *lines, struct span *text) {
    struct base64_line_end end = {.stride = 65, .bytes = 0x0a, .mask = 0xff};
    if (text->len < BASE64_READ_AHEAD || lines->held_count > 0 || lines->ended) {
        return false;
    }
    if (text->data[BASE64_COLUMNS] == '\r') {
        end = (struct base64_line_end){.stride = 66, .bytes = 0x0a0d, .mask = 0xffff};
    }
    size_t count = (text->len - BASE64_READ_AHEAD) / end.stride + 1;
    size_t done = lines->kernel(text->data, count, end, lines->to);
    lines->to += done * BASE64_COLUMN_BYTES;
    span_take(text, done * end.stride);
    return done > 0;
}

/* Full groups off the front of a line. */
static void take_groups(struct lines *lines, struct span *line) {
    static const struct base64_line_end no_end = {.stride = BASE64_COLUMNS};
    if (line->len >= BASE64_READ_AHEAD) {
        size_t count = (line->len - BASE64_READ_AHEAD) / BASE64_COLUMNS + 1;
        size_t done = lines->kernel(line->data, count, no_end, lines->to);
        lines->to += done * BASE64_COLUMN_BYTES;
        span_take(line, done * BASE64_COLUMNS);
    }
    uint32_t bits;
    while (line->len >= 4 && group_bits(line->data, &bits)) {
        put_group(lines->to, bits);
        lines->to += 3;
        span_take(line, 4);
    }
}

/* The last group: two or three digits, and zeros in the bits that no byte takes. */
static bool end_group(struct lines *lines) {
    uint32_t bits = base64_group(lines->held, lines->held_count);
    if ((bits & (lines->held_count == 2 ? 0xFFFFu : 0xFFu)) != 0) {
        return false;
    }
    *lines->to++ = (uint8_t)(bits >> 16);
    if (lines->held_count == 3) {
        *lines->to++ = (uint8_t)(bits >> 8);
    }
    lines->held_count = 0;
    lines->ended = true;
    return true;
}

static bool take_character(struct lines *lines, uint8_t c) {
    if (c == '=') {
        if (lines->held_count < 2) {
            return false;
        }
        lines->pad_count++;
        return lines->held_count + lines->pad_count < 4 || end_group(lines);
    }
    if (base64_values[c] == 0 || lines->pad_count > 0) {
        return false;
    }
    lines->held[lines->held_count++] = c;
    if (lines->held_count == 4) {
        put_group(lines->to, base64_group(lines->held, 4));
        lines->to += 3;
        lines->held_count = 0;
    }
    return true;
}

static bool take_line(struct lines *lines, struct span line) {
    if (lines->ended) {
        return line.len == 0;
    }
    for (size_t i = 0; i < line.len; i++) {
        if (lines->held_count == 0 && lines->pad_count == 0 && line.len - i >= 4) {
            struct span rest = span_of(line.data + i, line.len - i);
            take_groups(lines, &rest);
            i = line.len - rest.len;
            if (rest.len == 0) {
                return true;
            }
        }
        if (lines->ended || !take_character(lines, line.data[i])) {
            return false;
        }
    }
    return true;
}

bool base64_decode_lines(struct span text, uint8_t *out, size_t out_cap, size_t *out_len) {
    struct lines lines = {.kernel = kernel_in_use()->lines, .to = out};
    if (out_cap < BASE64_BYTES_MAX(text.len)) {
        return false;
    }
    while (text.len > 0) {
        if (take_full_lines(&lines, &text)) {
            continue;
        }
        struct span line = span_take(&text, span_find(text, '\n'));
        span_take(&text, 1);
        if (!take_line(&lines, span_trim(line))) {
            return false;
        }
    }
    if (lines.held_count > 0) {
        return false;
    }
    *out_len = (size_t)(lines.to - out);
    return true;
}
