/* Private to the native policy: its parts, each reading one node into a pin set. */
#ifndef PINSWEEP_POLICY_POLICY_PINSET_H
#define PINSWEEP_POLICY_POLICY_PINSET_H

#include "engine/policy/policy_field.h"
#include "engine/trust/pin.h"

/* One entry of `pin_sets`, checked as a whole; memory from the reader's arena. */
enum err policy_read_pin_set(struct policy_reader *reader, const struct policy_node *node,
                             struct pin_set **out) MUST_USE;

/* `pins` into set->pins; the set's client and scope may come later. */
enum err policy_read_pins(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, void *set) MUST_USE;
/* What can only be said once client, scope and trust are known; `pins` is the node read before. */
enum err policy_check_pins(struct policy_reader *reader, const struct policy_node *pins,
                           const struct pin_set *set) MUST_USE;

/* `hosts` into set->hosts and `exclude_subdomains` into set->excluded. */
enum err policy_read_hosts(struct policy_reader *reader, const char *key,
                           const struct policy_node *node, void *set) MUST_USE;
enum err policy_read_excluded(struct policy_reader *reader, const char *key,
                              const struct policy_node *node, void *set) MUST_USE;

#endif
