#include "engine/page/ndjson.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ndjson_begin(struct ndjson *ndjson, FILE *in, const char *file) {
    *ndjson = (struct ndjson){.in = in, .file = file};
}

void ndjson_end(struct ndjson *ndjson) {
    cJSON_Delete(ndjson->object);
    free(ndjson->buffer);
    *ndjson = (struct ndjson){0};
}

enum err ndjson_fail(const struct ndjson *ndjson, struct err_note *note, const char *what) {
    return err_note(note, ERR_INPUT, "%s:%llu: %s", ndjson->file, (unsigned long long)ndjson->line,
                    what);
}

/* Like getline(), but bounded: a line that never ends must not eat the memory. */
static enum err read_line(struct ndjson *ndjson, size_t *out_len, struct err_note *note) {
    size_t len = 0;
    for (;;) {
        if (ndjson->capacity - len < 2) {
            size_t wanted = ndjson->capacity < 4096 ? 4096 : ndjson->capacity * 2;
            char *larger = wanted <= NDJSON_LINE_MAX ? realloc(ndjson->buffer, wanted) : NULL;
            if (larger == NULL) {
                return wanted > NDJSON_LINE_MAX
                           ? ndjson_fail(ndjson, note, "the line is too long")
                           : err_note(note, ERR_RESOURCE, "%s: not enough memory", ndjson->file);
            }
            ndjson->buffer = larger;
            ndjson->capacity = wanted;
        }
        ndjson->buffer[len] = '\0';
        if (fgets(ndjson->buffer + len, (int)(ndjson->capacity - len), ndjson->in) == NULL) {
            break;
        }
        size_t got = strlen(ndjson->buffer + len);
        len += got;
        if (got == 0) {
            return ndjson_fail(ndjson, note, "the line holds a NUL byte");
        }
        if (ndjson->buffer[len - 1] == '\n') {
            break;
        }
    }
    *out_len = len;
    return ferror(ndjson->in)
               ? err_note(note, ERR_IO, "%s: cannot read: %s", ndjson->file, strerror(errno))
               : ERR_NONE;
}

const cJSON *ndjson_next(struct ndjson *ndjson, enum err *out_err, struct err_note *note) {
    size_t len = 0;
    cJSON_Delete(ndjson->object);
    ndjson->object = NULL;
    ndjson->line++;
    *out_err = read_line(ndjson, &len, note);
    if (*out_err != ERR_NONE || len == 0) {
        return NULL;
    }
    if (ndjson->buffer[len - 1] != '\n') {
        *out_err = ndjson_fail(ndjson, note, "the last line is torn: it has no end");
        return NULL;
    }
    ndjson->object = cJSON_ParseWithLength(ndjson->buffer, len);
    if (!cJSON_IsObject(ndjson->object) || ndjson_number(ndjson->object, "schema") != 1) {
        *out_err = ndjson_fail(ndjson, note, "not a record of pinsweep, schema 1");
        return NULL;
    }
    return ndjson->object;
}

const char *ndjson_text(const cJSON *object, const char *name) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(member) ? member->valuestring : "";
}

double ndjson_number(const cJSON *object, const char *name) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(member) ? member->valuedouble : 0;
}

uint64_t ndjson_count(const cJSON *number) {
    double value = cJSON_IsNumber(number) ? number->valuedouble : 0;
    return value >= 1 ? (value < NDJSON_COUNT_MAX ? (uint64_t)value : NDJSON_COUNT_MAX) : 0;
}

uint64_t ndjson_count_of(const cJSON *object, const char *name) {
    return ndjson_count(cJSON_GetObjectItemCaseSensitive(object, name));
}

uint16_t ndjson_port(const cJSON *object) {
    uint64_t port = ndjson_count_of(object, "port");
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}
