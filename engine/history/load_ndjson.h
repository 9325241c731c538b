/* Private to load*.c and their tests: the lines of a sweep, one by one, and what is derived when
   all are there. */
#ifndef PINSWEEP_HISTORY_LOAD_NDJSON_H
#define PINSWEEP_HISTORY_LOAD_NDJSON_H

#include <cjson/cJSON.h>

#include "engine/history/load.h"

struct loader {
    struct snapshot *snapshot;
    const char *file; /* for messages */
    uint64_t line;
    const char *sweep; /* the one that is wanted; "": the only one; "all" */
    const char *seen;  /* the sweep of the first record */
    enum keep_der keep_der;
    struct err_note *note;
    const char *fault; /* the first field of a record that is missing or of another type */
    bool has_metadata;
};

/* One line: a verdict, chain or metadata record, or nothing but blanks. */
enum err load_line(struct loader *loader, struct span line) MUST_USE;
/* All lines of a file that is open, to its end. */
enum err load_lines(struct loader *loader, int fd) MUST_USE;
/* After the last line: times of paths and of anchors that follow from each other. */
void load_derive(struct snapshot *snapshot);

/* A certificate of a --chains-out record (load_chain.c). */
enum err load_chain(struct loader *loader, const cJSON *record) MUST_USE;
/* What a certificate's DER says, its bytes kept as the loader was told. */
void load_der(struct loader *loader, uint32_t cert, struct span der, bool is_issuer);

/* Fields of a record. A missing one, or one of another type, is remembered as the loader's fault
   and reads as "", 0, false or DATETIME_NONE. The texts live as long as the record. */
struct span load_text(struct loader *loader, const cJSON *object, const char *key);
const char *load_copy(struct loader *loader, const cJSON *object, const char *key);
uint64_t load_number(struct loader *loader, const cJSON *object, const char *key, uint64_t max);
bool load_bool(struct loader *loader, const cJSON *object, const char *key);
int64_t load_time(struct loader *loader, const cJSON *object, const char *key); /* null: none */
const cJSON *load_array(struct loader *loader, const cJSON *object, const char *key);
bool load_has(const cJSON *object, const char *key);
/* 64 hexadecimal digits; false (and no fault) for "". */
bool load_digest(struct loader *loader, const cJSON *object, const char *key,
                 uint8_t out[SHA256_LEN]);
bool load_digest_text(struct loader *loader, const char *key, struct span text,
                      uint8_t out[SHA256_LEN]);
/* 44 characters of base64; false (and no fault) for "". */
bool load_key(struct loader *loader, const cJSON *object, const char *key, uint8_t out[SHA256_LEN]);
/* Subject, issuer, serial and validity, where the record has them. */
void load_cert_fields(struct loader *loader, uint32_t cert, const cJSON *object);

#endif
