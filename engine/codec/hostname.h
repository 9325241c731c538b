/* DNS names as people write them and as certificates and policies match them. */
#ifndef PINSWEEP_CODEC_HOSTNAME_H
#define PINSWEEP_CODEC_HOSTNAME_H

#include "engine/base/limits.h"
#include "engine/base/span.h"

/* Lower case, one trailing dot dropped, U-labels to A-labels (IDNA2008 non-transitional, UTS 46
   mapping, by libidn2). Accepts letters, digits, hyphens, underscores; labels 1 to 63, at most
   HOST_MAX. False with a reason ("label longer than 63 characters") that a person can act on. ASCII
   names never reach libidn2. `out` is NUL-terminated on success. */
bool hostname_to_ascii(struct span text, char out[HOST_MAX + 1], size_t *out_len,
                       const char **out_why);

/* Whether the last label of an ASCII name is a number: no top-level domain is (RFC 3696 section 2),
   and such a host would be looked up as an address. */
bool hostname_ends_in_number(struct span name);

/* RFC 9525 matching of one certificate dNSName against a host, both ASCII: case-insensitive, "*"
   only as the whole leftmost label, standing for exactly one label. */
bool hostname_matches(struct span pattern, struct span host);

#endif
