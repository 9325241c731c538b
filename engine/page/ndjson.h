/* NDJSON of pinsweep's own commands, a line at a time, for the parts of a page that are made from
   records: `diff` and `impact`. Lines are bounded (NDJSON_LINE_MAX); what is no JSON object of
   schema 1 ends the reading with file and line. */
#ifndef PINSWEEP_PAGE_NDJSON_H
#define PINSWEEP_PAGE_NDJSON_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/err.h"

#define NDJSON_LINE_MAX (16u << 20)
/* Sums of as many as there can be lines stay exact. */
#define NDJSON_COUNT_MAX (UINT64_C(1) << 48)

struct ndjson {
    FILE *in;
    const char *file;
    uint64_t line;
    char *buffer;
    size_t capacity;
    cJSON *object; /* the line's; until the next */
};

void ndjson_begin(struct ndjson *ndjson, FILE *in, const char *file);
/* The next object, NULL at the end or on an error (then *out_err says so). */
const cJSON *ndjson_next(struct ndjson *ndjson, enum err *out_err, struct err_note *note);
void ndjson_end(struct ndjson *ndjson);

/* The member, "" or 0 where it is absent or of another type. */
const char *ndjson_text(const cJSON *object, const char *name);
double ndjson_number(const cJSON *object, const char *name);
/* What counts something: 0 for what is no number, is negative or none at all; at most
   NDJSON_COUNT_MAX. */
uint64_t ndjson_count(const cJSON *number);
uint64_t ndjson_count_of(const cJSON *object, const char *name);
/* The member "port", 0 for what is no port. */
uint16_t ndjson_port(const cJSON *object);
/* ERR_INPUT: "file:line: ...". */
enum err ndjson_fail(const struct ndjson *ndjson, struct err_note *note, const char *what);

#endif
