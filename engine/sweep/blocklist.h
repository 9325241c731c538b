/* What must never be touched: addresses, CIDR ranges, names and "*.suffix" patterns, one a line, #
   comments. Applied to targets before resolution and to every address after it. Constant after
   load; shared by all threads. */
#ifndef PINSWEEP_SWEEP_BLOCKLIST_H
#define PINSWEEP_SWEEP_BLOCKLIST_H

#include "engine/base/err.h"
#include "engine/codec/netaddr.h"

struct blocklist;

/* ERR_CONFIG with file:line for the first bad line: a block list is never half applied. */
enum err blocklist_load(const char *file, struct blocklist **out, struct err_note *note) MUST_USE;
void blocklist_free(struct blocklist *list);

/* NULL lists contain nothing. IPv4-mapped addresses are looked up as IPv4. O(log n). */
bool blocklist_has_address(const struct blocklist *list, const struct netaddr *address);
/* `host`: A-label, lower case. */
bool blocklist_has_host(const struct blocklist *list, struct span host);
void blocklist_counts(const struct blocklist *list, uint64_t *out_ranges, uint64_t *out_names);

#endif
