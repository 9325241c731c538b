/* Private to scenario*.c: one operation out of its YAML node. */
#ifndef PINSWEEP_IMPACT_SCENARIO_INTERNAL_H
#define PINSWEEP_IMPACT_SCENARIO_INTERNAL_H

#include "engine/impact/scenario.h"
#include "engine/policy/policy_field.h"

/* `node` is a mapping of one key, the operation's name. */
enum err scenario_read_op(struct policy_reader *reader, const struct policy_node *node,
                          struct scenario_op *out) MUST_USE;

#endif
