#include "engine/sweep/inventory_line.h"

#include <stdlib.h>

#include "engine/codec/hostname.h"
#include "engine/codec/text.h"

#define TEXT_MAX 255 /* bytes of a tag, owner or application */

/* The buffer of a target: three host names, three texts, and a NUL for all that are absent. */
#define SLOT_HOST 0
#define SLOT_SNI (HOST_MAX + 1)
#define SLOT_PIN_HOST (2 * (HOST_MAX + 1))
#define SLOT_NOTHING (3 * (HOST_MAX + 1))
#define SLOT_TEXTS (4 * (HOST_MAX + 1))

static bool family_wanted(const struct inventory_syntax *syntax, const struct netaddr *address) {
    struct netaddr plain = *address;
    netaddr_unmap(&plain);
    return plain.family == 4 ? syntax->ipv4 : syntax->ipv6;
}

/* A range is told from a URL by an address in front of the slash. */
static bool is_range(struct span text) {
    struct netaddr address;
    size_t slash = span_find(text, '/');
    return slash < text.len && netaddr_parse(span_of(text.data, slash), &address);
}

static bool parse_range(const struct inventory_syntax *syntax, struct span text,
                        struct inventory_extent *out, const char **out_why) {
    if (!netrange_parse(text, &out->range, out_why)) {
        return false;
    }
    out->range_count = netrange_count(&out->range);
    if (out->range_count > syntax->range_max) {
        *out_why = "the range has more addresses than --max-range allows";
        return false;
    }
    return true;
}

static void set_host_address(struct inventory_target *out, const struct netaddr *address) {
    out->connect = *address;
    netaddr_unmap(&out->connect);
    netaddr_format(out->text + SLOT_HOST, &out->connect);
    out->host_is_address = true;
    out->has_connect = true;
}

static bool parse_host_name(struct span host, struct inventory_target *out, const char **out_why) {
    size_t len;
    struct netaddr address;
    if (netaddr_parse(host, &address)) {
        set_host_address(out, &address);
        return true;
    }
    if (!hostname_to_ascii(host, out->text + SLOT_HOST, &len, out_why)) {
        return false;
    }
    uint8_t last = (uint8_t)out->text[SLOT_HOST + len - 1];
    /* "192.0.2.7." and full-width digits only turn out to be an address now. */
    if (last >= '0' && last <= '9' &&
        netaddr_parse(span_of(out->text + SLOT_HOST, len), &address)) {
        set_host_address(out, &address);
    }
    return true;
}

/* The host with its port or range, and the address to dial. */
static bool parse_endpoint(const struct inventory_syntax *syntax, const struct inventory_row *row,
                           struct inventory_target *out, struct inventory_extent *out_extent,
                           const char **out_why) {
    struct span host = row->fields[FIELD_HOST], dial = row->fields[FIELD_CONNECT];
    if (host.len == 0) {
        host = dial;
        dial = (struct span){0};
    }
    if (host.len == 0) {
        *out_why = "no host";
        return false;
    }
    if (is_range(host)) {
        if (dial.len > 0) {
            *out_why = "a range as host and an address to connect to exclude each other";
            return false;
        }
        if (!parse_range(syntax, host, out_extent, out_why)) {
            return false;
        }
        out_extent->is_host = true;
        set_host_address(out, &out_extent->range.base);
        return true;
    }
    if (!hostport_split(host, &host, &out->port, out_why) || !parse_host_name(host, out, out_why)) {
        return false;
    }
    if (dial.len == 0) {
        return true;
    }
    if (out->host_is_address && syntax->format == INVENTORY_ZGRAB2) {
        *out_why = "the second field is an address; in IP,DOMAIN,TAG,PORT it is a name";
        return false;
    }
    if (is_range(dial)) {
        if (!parse_range(syntax, dial, out_extent, out_why)) {
            return false;
        }
        out->connect = out_extent->range.base;
    } else if (!netaddr_parse(dial, &out->connect)) {
        *out_why = syntax->format == INVENTORY_ZGRAB2
                       ? "the first field is no IP address (the fields are IP,DOMAIN,TAG,PORT)"
                       : "\"connect\" is not an IP address";
        return false;
    }
    netaddr_unmap(&out->connect);
    out->has_connect = true;
    return true;
}

static bool parse_port(const struct inventory_syntax *syntax, struct span text,
                       struct inventory_target *out, const char **out_why) {
    uint64_t port = 0;
    if (text.len > 0 && (!text_parse_u64(text, 65535, &port) || port == 0)) {
        *out_why = "the port is not a number from 1 to 65535";
        return false;
    }
    if (port != 0 && out->port != 0 && port != out->port) {
        *out_why = "the host has another port than the port field";
        return false;
    }
    out->port = port != 0 ? (uint16_t)port : out->port != 0 ? out->port : syntax->default_port;
    return true;
}

/* SNI and pin host: given, or following from the host. They may share the host's text. */
static bool parse_names(const struct inventory_row *row, struct inventory_target *out,
                        const char **out_why) {
    struct span sni = row->fields[FIELD_SNI], pin_host = row->fields[FIELD_PIN_HOST];
    struct netaddr address;
    size_t len;
    out->host = out->text + SLOT_HOST;
    out->sni = out->host_is_address ? out->text + SLOT_NOTHING : out->host;
    if (sni.len > 0) {
        char *slot = out->text + SLOT_SNI;
        if (!hostname_to_ascii(sni, slot, &len, out_why)) {
            /* also an IPv6 address: its colons are refused */
            return false;
        }
        if (netaddr_parse(span_of(slot, len), &address)) {
            *out_why = "an SNI is a name, never an address (RFC 6066 section 3)";
            return false;
        }
        out->sni = slot;
    }
    out->pin_host = out->sni[0] != '\0' ? out->sni : out->host;
    if (pin_host.len > 0) {
        char *slot = out->text + SLOT_PIN_HOST;
        if (netaddr_parse(pin_host, &address)) {
            netaddr_unmap(&address);
            netaddr_format(slot, &address);
        } else if (!hostname_to_ascii(pin_host, slot, &len, out_why)) {
            return false;
        }
        out->pin_host = slot;
    }
    return true;
}

static bool copy_text(const struct inventory_row *row, enum inventory_field field, char *slot,
                      const char **out, const char **out_why) {
    struct span text = row->fields[field];
    if (text.len == 0) {
        return true;
    }
    bool doubled = row->doubled & 1u << field;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (len == TEXT_MAX) {
            *out_why = "a tag, owner or application of more than 255 bytes";
            return false;
        }
        slot[len++] = (char)text.data[i];
        i += doubled && text.data[i] == '"'; /* the second of a pair */
    }
    slot[len] = '\0';
    *out = slot;
    return true;
}

static bool parse_texts(const struct inventory_row *row, struct inventory_target *out,
                        const char **out_why) {
    char *slots = out->text + SLOT_TEXTS;
    out->tag = out->owner = out->application = out->text + SLOT_NOTHING;
    return copy_text(row, FIELD_TAG, slots, &out->tag, out_why) &&
           copy_text(row, FIELD_OWNER, slots + (TEXT_MAX + 1), &out->owner, out_why) &&
           copy_text(row, FIELD_APPLICATION, slots + 2 * (TEXT_MAX + 1), &out->application,
                     out_why);
}

static bool parse_row(const struct inventory_syntax *syntax, const struct inventory_row *row,
                      struct inventory_target *out, struct inventory_extent *out_extent,
                      const char **out_why) {
    out->text[SLOT_NOTHING] = '\0';
    out->connect = (struct netaddr){0};
    out->host_is_address = out->has_connect = false;
    out->port = 0;
    *out_extent = (struct inventory_extent){.range_count = 1};
    return parse_endpoint(syntax, row, out, out_extent, out_why) &&
           parse_port(syntax, row->fields[FIELD_PORT], out, out_why) &&
           parse_names(row, out, out_why) && parse_texts(row, out, out_why);
}

enum inventory_line_kind inventory_line_parse(const struct inventory_syntax *syntax,
                                              struct span line, uint64_t number,
                                              struct inventory_target *out,
                                              struct inventory_extent *out_extent,
                                              const char **out_why) {
    struct inventory_row row;
    if (number == syntax->header_line || inventory_line_is_blank(line)) {
        return INVENTORY_LINE_SKIPPED;
    }
    if (!inventory_row_parse(&row, syntax, line, out_why)) {
        return INVENTORY_LINE_BAD;
    }
    bool good = parse_row(syntax, &row, out, out_extent, out_why);
    inventory_row_fini(&row);
    if (!good) {
        return INVENTORY_LINE_BAD;
    }
    out->line = number;
    return out->has_connect && !family_wanted(syntax, &out->connect) ? INVENTORY_LINE_SKIPPED
                                                                     : INVENTORY_LINE_GOOD;
}

void inventory_line_move(struct inventory_target *target, const struct inventory_extent *extent,
                         uint64_t offset) {
    struct netaddr address = netrange_at(&extent->range, offset);
    if (extent->is_host) {
        set_host_address(target, &address); /* names that follow the host share its text */
    } else {
        netaddr_unmap(&address);
        target->connect = address;
    }
}

static const char *rebase(struct inventory_target *to, const struct inventory_target *from,
                          const char *text) {
    return to->text + (text - from->text);
}

void inventory_target_copy(struct inventory_target *to, const struct inventory_target *from) {
    *to = *from;
    to->host = rebase(to, from, from->host);
    to->sni = rebase(to, from, from->sni);
    to->pin_host = rebase(to, from, from->pin_host);
    to->tag = rebase(to, from, from->tag);
    to->owner = rebase(to, from, from->owner);
    to->application = rebase(to, from, from->application);
}

bool inventory_parse_plain(struct span line, uint16_t default_port, struct inventory_target *out,
                           uint64_t *out_range_count, const char **out_why) {
    struct inventory_syntax syntax = {.format = INVENTORY_PLAIN,
                                      .default_port = default_port,
                                      .ipv4 = true,
                                      .ipv6 = true,
                                      .range_max = UINT64_MAX};
    struct inventory_extent extent;
    struct inventory_target parsed;
    switch (inventory_line_parse(&syntax, line, 1, &parsed, &extent, out_why)) {
    case INVENTORY_LINE_GOOD:
        break;
    case INVENTORY_LINE_SKIPPED:
        *out_why = "no host";
        return false;
    case INVENTORY_LINE_BAD:
        return false;
    }
    inventory_target_copy(out, &parsed);
    *out_range_count = extent.range_count;
    return true;
}
