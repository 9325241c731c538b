#include "engine/policy/import.h"

#include <stdlib.h>

#include "engine/policy/import_set.h"
#include "engine/policy/policy.h"

const char *const import_format_words[] = {"auto", "native", "android", NULL};

struct format {
    enum err (*run)(struct import *import, struct span bytes);
    const char *what; /* its word for a pin set */
};

static const struct format formats[] = {
    [IMPORT_ANDROID] = {import_android, "pin-set"},
};

/* --- which format it is --- */


/* After a byte order mark and white space. */
static struct span without_blank_front(struct span bytes) {
    if (bytes.len >= 3 && memcmp(bytes.data, "\xEF\xBB\xBF", 3) == 0) {
        span_take(&bytes, 3);
    }
    return span_trim(bytes);
}

/* What is nothing else is native: its reader then says what is wrong. */
static enum import_format recognise(struct span bytes) {
    struct span text = without_blank_front(bytes);
    if (text.len > 0 && text.data[0] == '<') {
        return IMPORT_ANDROID;
    }
    return IMPORT_NATIVE;
}

/* --- files --- */

enum err policy_parse(struct span bytes, const char *name, enum import_format format,
                      struct pin_index *index, struct trust_store *store, struct err_note *note) {
    if (bytes.len > POLICY_BYTES_MAX) {
        return err_note(note, ERR_CONFIG, "%s: longer than %u bytes: split the policy", name,
                        POLICY_BYTES_MAX);
    }
    if (format == IMPORT_AUTO) {
        format = recognise(bytes);
    }
    if (format == IMPORT_NATIVE) {
        return policy_parse_native(bytes, name, index, store, note);
    }
    struct import import;
    import_begin(&import, name, index, note);
    enum err err = formats[format].run(&import, bytes);
    return import_end(&import, err, formats[format].what);
}

enum err policy_load(const char *file, enum import_format format, struct pin_index *index,
                     struct trust_store *store, struct err_note *note) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    enum err err = policy_read_file(file, &bytes, &len, note);
    if (err == ERR_NONE) {
        err = policy_parse(span_of(bytes, len), file, format, index, store, note);
        free(bytes);
    }
    return err;
}
