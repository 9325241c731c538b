/* The metadata document: one JSON object about a whole sweep, as in the contract
   (data/metadata.schema.json). Reading it back is for sweeps that go on where they were
   interrupted. */
#ifndef PINSWEEP_SWEEP_METADATA_H
#define PINSWEEP_SWEEP_METADATA_H

#include "engine/sweep/sweep.h"

#define METADATA_BYTES_MAX (4u << 20) /* an argument list may hold 2 MB */
#define METADATA_VERSIONS 5

extern const char *const metadata_versions[METADATA_VERSIONS]; /* keys of "by_version" */

/* The document as one line, newline and NUL behind it; its length, or 0 if it does not fit. */
size_t metadata_compose(const struct sweep_config *config, const struct sweep_result *result,
                        char *buffer, size_t capacity);
/* Writes it whole or not at all: into FILE.new, which then takes the file's place. */
enum err metadata_write(const char *file, const struct sweep_config *config,
                        const struct sweep_result *result, struct err_note *note) MUST_USE;
/* The counts, times and usage of a document; false if it is none. */
bool metadata_read(const char *text, struct sweep_result *out);

#endif
