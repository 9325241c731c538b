/* IP addresses, ranges and host:port text. */
#ifndef PINSWEEP_CODEC_NETADDR_H
#define PINSWEEP_CODEC_NETADDR_H

#include "engine/base/span.h"

#define NETADDR_TEXT_MAX 46

struct netaddr {
    uint8_t family;    /* 4, 6, or 0 for none */
    uint8_t bytes[16]; /* network order; IPv4 in the first four, the rest zero */
};

struct netrange {
    struct netaddr base; /* host bits zero */
    uint8_t prefix;      /* 0..32 or 0..128 */
};

/* Dotted quad (four decimal parts, no leading zeros) or RFC 4291 IPv6 without zone; no brackets. */
bool netaddr_parse(struct span text, struct netaddr *out);
/* RFC 5952 for IPv6; returns the length without the NUL. */
size_t netaddr_format(char out[NETADDR_TEXT_MAX], const struct netaddr *address);
bool netaddr_equal(const struct netaddr *a, const struct netaddr *b);
/* IPv4-mapped IPv6 (::ffff:a.b.c.d) becomes IPv4, so that block lists and caps see one address. */
void netaddr_unmap(struct netaddr *address);

/* "10.0.0.0/8", "2001:db8::/32"; false (with a reason) on a bad prefix or when host bits are set.
 */
bool netrange_parse(struct span text, struct netrange *out, const char **out_why);
bool netrange_contains(const struct netrange *range, const struct netaddr *address);
/* Addresses in the range; UINT64_MAX when it does not fit. */
uint64_t netrange_count(const struct netrange *range);
/* The address at `offset` from the base; offset < netrange_count(). */
struct netaddr netrange_at(const struct netrange *range, uint64_t offset);

/* Splits "host", "host:port", "[v6]:port", "[v6]", "v6" and "https://host[:port]/...". The host
   part is returned as written (no brackets); `*out_port` is 0 if none was given. False with a
   reason otherwise. The scheme, if any, must be https. */
bool hostport_split(struct span text, struct span *out_host, uint16_t *out_port,
                    const char **out_why);

#endif
