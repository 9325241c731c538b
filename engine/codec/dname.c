#include "engine/codec/dname.h"

#include "engine/base/attributes.h"
#include "engine/codec/der.h"
#include "engine/codec/text.h"

/* X.520, RFC 5280 appendix A:
     Name ::= CHOICE { rdnSequence SEQUENCE OF RelativeDistinguishedName }
     RelativeDistinguishedName ::= SET SIZE (1..MAX) OF AttributeTypeAndValue
     AttributeTypeAndValue ::= SEQUENCE { type OBJECT IDENTIFIER, value ANY } */

#define TEXT_ROOM (DNAME_TEXT_MAX - 1) /* without the NUL */
#define ELLIPSIS "..."
#define ELLIPSIS_LEN 3

/* The text needs the last RDNs first. Each takes three characters or more ("L=" and a comma), so
   that this many fill the text whatever came before them. */
#define RDNS_KEPT 256
#define RDN_TEXT_MIN 3
_Static_assert(RDNS_KEPT *RDN_TEXT_MIN > DNAME_TEXT_MAX, "kept RDNs must fill the text");

enum string_kind { KIND_UTF8, KIND_LATIN1, KIND_BMP, KIND_UNIVERSAL, KIND_NONE };

/* Text in the making. It may be cut only between pieces: whole characters and whole escapes. */
struct writer {
    char *text;
    size_t len;
    size_t cut_len; /* the longest that leaves room for the ellipsis */
    bool is_cut;
};

static void cut(struct writer *writer) {
    memcpy(writer->text + writer->cut_len, ELLIPSIS, ELLIPSIS_LEN);
    writer->len = writer->cut_len + ELLIPSIS_LEN;
    writer->is_cut = true;
}

/* One piece: all of it or the cut. */
static void put(struct writer *writer, const char *piece, size_t len) {
    if (writer->is_cut) {
        return;
    }
    if (len > TEXT_ROOM - writer->len) {
        cut(writer);
        return;
    }
    memcpy(writer->text + writer->len, piece, len);
    writer->len += len;
    if (writer->len <= TEXT_ROOM - ELLIPSIS_LEN) {
        writer->cut_len = writer->len;
    }
}

/* Many pieces of one byte each. */
static void put_run(struct writer *writer, const uint8_t *run, size_t len) {
    if (writer->is_cut) {
        return;
    }
    size_t start = writer->len, room = TEXT_ROOM - start;
    size_t fits = len < room ? len : room;
    memcpy(writer->text + writer->len, run, fits);
    writer->len += fits;
    size_t before_ellipsis = TEXT_ROOM - ELLIPSIS_LEN;
    size_t cut_len = writer->len < before_ellipsis ? writer->len : before_ellipsis;
    writer->cut_len = cut_len > start ? cut_len : writer->cut_len; /* anywhere in the run */
    if (fits < len) {
        cut(writer);
    }
}

static void put_text(struct writer *writer, const char *text) {
    put(writer, text, strlen(text));
}

static size_t finish(struct writer *writer) {
    writer->text[writer->len] = '\0';
    return writer->len;
}

/* RFC 4514 2.4: "#" and the hexadecimal form of the encoding. */
static void put_hex(struct writer *writer, struct span bytes) {
    put(writer, "#", 1);
    for (size_t i = 0; i < bytes.len && !writer->is_cut; i++) {
        char pair[2];
        put(writer, pair, hex_encode(pair, span_of(bytes.data + i, 1)));
    }
}

/* One "\XX" for each byte, in one piece. */
static void put_hex_pairs(struct writer *writer, struct span bytes) {
    char piece[4 * 3];
    CHECK(bytes.len <= 4);
    for (size_t i = 0; i < bytes.len; i++) {
        static const char digits[] = "0123456789ABCDEF";
        piece[3 * i] = '\\';
        piece[3 * i + 1] = digits[bytes.data[i] >> 4];
        piece[3 * i + 2] = digits[bytes.data[i] & 15];
    }
    put(writer, piece, 3 * bytes.len);
}

/* --- attribute types --- */

#define X520(arc) "\x55\x04" arc                              /* 2.5.4 */
#define PKCS9(arc) "\x2a\x86\x48\x86\xf7\x0d\x01\x09" arc     /* 1.2.840.113549.1.9 */
#define PILOT(arc) "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01" arc /* 0.9.2342.19200300.100.1 */
#define JURISDICTION(arc) "\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01" arc

static const char *type_name(struct span oid) {
    /* Names as in RFC 4514 and, for what it does not name, as OpenSSL prints them. */
    static const struct {
        const char *oid, *name;
    } types[] = {{X520("\x03"), "CN"},
                 {X520("\x0a"), "O"},
                 {X520("\x06"), "C"},
                 {X520("\x0b"), "OU"},
                 {X520("\x07"), "L"},
                 {X520("\x08"), "ST"},
                 {X520("\x09"), "street"},
                 {X520("\x04"), "SN"},
                 {X520("\x05"), "serialNumber"},
                 {X520("\x0c"), "title"},
                 {X520("\x0d"), "description"},
                 {X520("\x0f"), "businessCategory"},
                 {X520("\x11"), "postalCode"},
                 {X520("\x29"), "name"},
                 {X520("\x2a"), "GN"},
                 {X520("\x2b"), "initials"},
                 {X520("\x2c"), "generationQualifier"},
                 {X520("\x2e"), "dnQualifier"},
                 {X520("\x41"), "pseudonym"},
                 {X520("\x61"), "organizationIdentifier"},
                 {PKCS9("\x01"), "emailAddress"},
                 {PKCS9("\x02"), "unstructuredName"},
                 {PILOT("\x01"), "UID"},
                 {PILOT("\x19"), "DC"},
                 {JURISDICTION("\x01"), "jurisdictionL"},
                 {JURISDICTION("\x02"), "jurisdictionST"},
                 {JURISDICTION("\x03"), "jurisdictionC"}};
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (span_equal_str(oid, types[i].oid)) {
            return types[i].name;
        }
    }
    return NULL;
}

/* Well-formed, and no arc above 63 bits. */
static bool oid_is_printable(struct span oid) {
    size_t arc_len = 0;
    for (size_t i = 0; i < oid.len; i++) {
        arc_len++;
        if (arc_len > 9) {
            return false;
        }
        arc_len = (oid.data[i] & 0x80) != 0 ? arc_len : 0;
    }
    return der_oid_is_valid(oid);
}

static void put_arc(struct writer *writer, const char *before, uint64_t arc) {
    char digits[1 + TEXT_U64_LEN_MAX];
    size_t len = strlen(before);
    memcpy(digits, before, len);
    put(writer, digits, len + text_format_u64(digits + len, arc));
}

/* X.690 8.19.4: the first number holds two arcs, 40 * (0, 1 or 2) + the second. */
static void put_oid(struct writer *writer, struct span oid) {
    uint64_t number = 0;
    bool is_first = true;
    for (size_t i = 0; i < oid.len && !writer->is_cut; i++) {
        number = number << 7 | (oid.data[i] & 0x7f);
        if ((oid.data[i] & 0x80) != 0) {
            continue;
        }
        if (is_first) {
            uint64_t top = number < 80 ? number / 40 : 2;
            put_arc(writer, "", top);
            number -= top * 40;
        }
        put_arc(writer, ".", number);
        is_first = false;
        number = 0;
    }
}

/* --- attribute values --- */

static enum string_kind string_kind(uint8_t tag) {
    switch (tag) {
    case 0x0c: /* UTF8String */
        return KIND_UTF8;
    case 0x12: /* NumericString */
    case 0x13: /* PrintableString */
    case 0x14: /* TeletexString (T61): Latin-1 in practice, as all readers take it */
    case 0x16: /* IA5String */
    case 0x1a: /* VisibleString */
        return KIND_LATIN1;
    case 0x1c: /* UniversalString */
        return KIND_UNIVERSAL;
    case 0x1e: /* BMPString */
        return KIND_BMP;
    default:
        return KIND_NONE;
    }
}

static bool is_surrogate(uint32_t c) {
    return c >= 0xD800 && c <= 0xDFFF;
}

/* A big-endian unit of `len` bytes off the front; false if fewer are left. */
static bool take_unit(struct span *from, size_t len, uint32_t *out) {
    if (from->len < len) {
        return false;
    }
    uint32_t unit = 0;
    for (size_t i = 0; i < len; i++) {
        unit = unit << 8 | from->data[i];
    }
    span_take(from, len);
    *out = unit;
    return true;
}

/* The next character off the front of a non-empty text of a kind other than UTF-8; false if it is
   none. BMPString is UCS-2, but issuers write UTF-16 into it. */
static bool take_character(enum string_kind kind, struct span *from, uint32_t *out) {
    uint32_t high = 0, low = 0;
    size_t unit_len = kind == KIND_LATIN1 ? 1 : kind == KIND_BMP ? 2 : 4;
    if (!take_unit(from, unit_len, &high)) {
        return false;
    }
    if (kind == KIND_BMP && high >= 0xD800 && high <= 0xDBFF) {
        if (!take_unit(from, 2, &low) || low < 0xDC00 || low > 0xDFFF) {
            return false;
        }
        high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    }
    *out = high;
    return high <= 0x10FFFF && !is_surrogate(high);
}

static bool is_convertible(enum string_kind kind, struct span text) {
    bool convertible = kind != KIND_NONE;
    uint32_t c;
    while (convertible && kind != KIND_UTF8 && text.len > 0) {
        convertible = take_character(kind, &text, &c);
    }
    return convertible;
}

/* What would move the cursor, end the line or turn the direction of what a person reads: C0, DEL,
   C1, line and paragraph separators, and bidirectional controls (CVE-2021-42574). */
static bool is_control(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0x061C ||
           c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* RFC 4514 2.4: what is escaped wherever it stands. */
static bool is_special(uint32_t c) {
    return c == '"' || c == '+' || c == ',' || c == ';' || c == '<' || c == '>' || c == '\\';
}

static void put_character(struct writer *writer, uint32_t c, bool escaped) {
    char piece[5];
    piece[0] = '\\';
    size_t len = text_utf8_encode(piece + 1, c);
    if (is_control(c)) {
        put_hex_pairs(writer, span_of(piece + 1, len));
    } else if (escaped) {
        put(writer, piece, len + 1);
    } else {
        put(writer, piece + 1, len);
    }
}

static uint32_t utf8_value(struct span sequence) {
    static const uint8_t first_bits[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t c = sequence.data[0] & first_bits[sequence.len];
    for (size_t i = 1; i < sequence.len; i++) {
        c = c << 6 | (sequence.data[i] & 0x3F);
    }
    return c;
}

/* Bytes at the front that are themselves in any kind of one byte or of UTF-8, and never escaped. */
static size_t plain_run(struct span text) {
    size_t len = 0;
    while (len < text.len && text.data[len] > ' ' && text.data[len] < 0x7F &&
           !is_special(text.data[len])) {
        len++;
    }
    return len;
}

/* Text of a convertible kind. With `escape` as RFC 4514 2.4 wants it; without, as it is but for
   what no line may hold. */
static void put_string(struct writer *writer, enum string_kind kind, struct span text,
                       bool escape) {
    struct span rest = text;
    while (rest.len > 0 && !writer->is_cut) {
        bool is_first = rest.len == text.len;
        bool is_hash = is_first && escape && rest.data[0] == '#';
        size_t plain = (kind == KIND_UTF8 || kind == KIND_LATIN1) && !is_hash ? plain_run(rest) : 0;
        if (plain > 0) {
            put_run(writer, span_take(&rest, plain).data, plain);
            continue;
        }
        uint32_t c = 0;
        if (kind == KIND_UTF8) {
            bool well_formed;
            struct span sequence = span_take(&rest, text_utf8_step(rest, &well_formed));
            if (!well_formed) {
                put_hex_pairs(writer, sequence);
                continue;
            }
            c = utf8_value(sequence);
        } else {
            CHECK(take_character(kind, &rest, &c));
        }
        bool is_edge_space = c == ' ' && (is_first || rest.len == 0);
        put_character(writer, c,
                      escape && (is_special(c) || is_edge_space || (c == '#' && is_first)));
    }
}

/* --- names --- */

/* AttributeTypeAndValue */
static bool take_attribute(struct span *from, struct span *out_oid, struct der *out_value) {
    struct der attribute, oid, value;
    if (!der_take(from, DER_SEQUENCE, &attribute) ||
        !der_take(&attribute.contents, DER_OID, &oid) || !oid_is_printable(oid.contents) ||
        !der_take_any(&attribute.contents, &value) || attribute.contents.len > 0) {
        return false;
    }
    *out_oid = oid.contents;
    *out_value = value;
    return true;
}

static bool rdn_is_valid(struct span contents) {
    struct span oid;
    struct der value;
    size_t count = 0;
    while (contents.len > 0) {
        if (!take_attribute(&contents, &oid, &value)) {
            return false;
        }
        count++;
    }
    return count > 0;
}

/* The contents of the last RDNs in a ring: RDN number i is at i % RDNS_KEPT. */
struct rdns {
    struct span kept[RDNS_KEPT];
    size_t count;
};

static bool read_rdns(struct span name_der, struct rdns *rdns) {
    struct span sequence;
    struct der rdn;
    rdns->count = 0;
    if (!der_only(name_der, DER_SEQUENCE, &sequence)) {
        return false;
    }
    while (sequence.len > 0) {
        if (!der_take(&sequence, DER_SET, &rdn) || !rdn_is_valid(rdn.contents)) {
            return false;
        }
        rdns->kept[rdns->count++ % RDNS_KEPT] = rdn.contents;
    }
    return true;
}

static void put_value(struct writer *writer, const struct der *value, bool escape) {
    enum string_kind kind = string_kind(value->element.data[0]);
    if (is_convertible(kind, value->contents)) {
        put_string(writer, kind, value->contents, escape);
    } else {
        put_hex(writer, value->element);
    }
}

/* RFC 4514 2.3: a type without a name takes its value as #hex. */
static void put_attribute(struct writer *writer, struct span oid, const struct der *value) {
    const char *name = type_name(oid);
    if (name != NULL) {
        put_text(writer, name);
        put(writer, "=", 1);
        put_value(writer, value, true);
    } else {
        put_oid(writer, oid);
        put(writer, "=", 1);
        put_hex(writer, value->element);
    }
}

static void put_rdn(struct writer *writer, struct span contents) {
    struct span oid;
    struct der value;
    const char *before = "";
    while (contents.len > 0 && !writer->is_cut && take_attribute(&contents, &oid, &value)) {
        put_text(writer, before);
        put_attribute(writer, oid, &value);
        before = "+";
    }
}

size_t dname_format(char out[DNAME_TEXT_MAX], struct span name_der) {
    struct writer writer = {.text = out};
    struct rdns rdns;
    if (!read_rdns(name_der, &rdns)) {
        put_hex(&writer, name_der);
        return finish(&writer);
    }
    size_t oldest = rdns.count > RDNS_KEPT ? rdns.count - RDNS_KEPT : 0;
    for (size_t i = rdns.count; i > oldest && !writer.is_cut; i--) {
        if (i < rdns.count) {
            put(&writer, ",", 1);
        }
        put_rdn(&writer, rdns.kept[(i - 1) % RDNS_KEPT]);
    }
    return finish(&writer);
}

size_t dname_short(char out[DNAME_TEXT_MAX], struct span name_der) {
    struct writer writer = {.text = out};
    struct span sequence, oid;
    struct der rdn, value, best;
    bool has_common_name = false, has_any = false;
    bool good = der_only(name_der, DER_SEQUENCE, &sequence);
    while (good && sequence.len > 0) {
        good = der_take(&sequence, DER_SET, &rdn) && rdn_is_valid(rdn.contents);
        while (good && rdn.contents.len > 0 && take_attribute(&rdn.contents, &oid, &value)) {
            bool is_common_name = span_equal_str(oid, X520("\x03"));
            bool is_organisation =
                span_equal_str(oid, X520("\x0a")) || span_equal_str(oid, X520("\x0b"));
            if (is_common_name || (is_organisation && !has_common_name)) {
                best = value;
                has_any = true;
                has_common_name |= is_common_name;
            }
        }
    }
    if (good && has_any) {
        put_value(&writer, &best, false);
    }
    return finish(&writer);
}
