#include "engine/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"

void check_failed(const char *file, int line, const char *expression) {
    fprintf(stderr, "pinsweep: %s:%d: CHECK failed: %s\n", file, line, expression);
    abort();
}

enum err err_note(struct err_note *note, enum err err, const char *format, ...) {
    if (note != NULL) {
        va_list args;
        va_start(args, format);
        int len = vsnprintf(note->text, sizeof note->text, format, args);
        va_end(args);
        if (len >= (int)sizeof note->text) {
            memcpy(note->text + sizeof note->text - 4, "...", 4);
        }
    }
    return err;
}

enum err err_worse(enum err err, struct err_note *note, enum err other,
                   const struct err_note *other_note) {
    if (other == ERR_NONE) {
        return err;
    }
    if (err == ERR_NONE || err_exit_code(other) > err_exit_code(err)) {
        if (err != ERR_NONE) {
            log_error("%s", note->text);
        }
        *note = *other_note;
        return other;
    }
    log_error("%s", other_note->text);
    return err;
}

int err_exit_code(enum err err) {
    switch (err) {
    case ERR_NONE:
        return 0;
    case ERR_USAGE:
    case ERR_CONFIG:
    case ERR_INPUT:
        return 2;
    case ERR_IO:
    case ERR_RESOURCE:
    case ERR_UNSUPPORTED:
        return 4;
    case ERR_INTERRUPTED:
        return 130;
    }
    return 4;
}
