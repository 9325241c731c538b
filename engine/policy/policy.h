/* The native policy (YAML) of README.md, "Policy", into a pin index and trust profiles. One
   importer a file; this is the native one. Errors name file, line, column and key, and the fix;
   unknown keys, bad pins, duplicate names and an empty file are errors: never a silently empty
   policy. */
#ifndef PINSWEEP_POLICY_POLICY_H
#define PINSWEEP_POLICY_POLICY_H

#include "engine/trust/anchor.h"
#include "engine/trust/pin.h"

/* Adds the pin sets of `file` to the index and loads its trust profiles into the store (a profile
   already there, from the command line, wins; files are relative to the policy's folder). On error
   nothing is usable and the program ends with exit 2. */
enum err policy_load_native(const char *file, struct pin_index *index, struct trust_store *store,
                            struct err_note *note) MUST_USE;
/* The same from memory; `name` stands for the file in messages and relative paths. */
enum err policy_parse_native(struct span yaml, const char *name, struct pin_index *index,
                             struct trust_store *store, struct err_note *note) MUST_USE;

/* All of a file or pipe, to be freed; at most one byte above POLICY_BYTES_MAX, so that whoever
   parses it can tell. */
enum err policy_read_file(const char *file, uint8_t **out, size_t *out_len,
                          struct err_note *note) MUST_USE;

#endif
