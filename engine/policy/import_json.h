/* Private to the importers: JSON with // and block comments (as Chromium writes it) into cJSON's
   tree, whose every item knows its line. Strict where cJSON is not: UTF-8, no NUL and no raw
   control character in a string; bounded nesting (POLICY_DEPTH_MAX) and number of values
   (IMPORT_JSON_VALUES_MAX). */
#ifndef PINSWEEP_POLICY_IMPORT_JSON_H
#define PINSWEEP_POLICY_IMPORT_JSON_H

#include <cJSON.h>

#include "engine/policy/import_set.h"

/* To be given to cJSON_Delete(). The items' numbers are in valuedouble alone. */
enum err import_json_read(struct import *import, struct span text, cJSON **out) MUST_USE;

/* cJSON has no use for valueint but to repeat a number: the line lies there. */
static inline uint32_t import_json_line(const cJSON *item) {
    return (uint32_t)item->valueint;
}

/* The member of an object, NULL in *out if there is none; complains if it is there twice. */
enum err import_json_member(struct import *import, const cJSON *object, const char *key,
                            const cJSON **out) MUST_USE;

#endif
