/* A bounded JSON writer (RFC 8259) for the hot path. Writes into the caller's buffer, never
   allocates and never writes past the end: an overflow is remembered and json_finish() then returns
   0. Commas are placed by the writer. Every string is escaped, and bytes that are not UTF-8 are
   replaced by U+FFFD, so that each line is valid JSON and valid UTF-8 whatever the wire or the
   input held. */
#ifndef PINSWEEP_CODEC_JSON_H
#define PINSWEEP_CODEC_JSON_H

#include "engine/base/attributes.h"
#include "engine/base/span.h"
#include "engine/codec/text.h"

struct json {
    char *start, *at, *end;
    bool overflow;
    bool need_comma;
};

void json_init(struct json *json, char *buffer, size_t capacity);
/* Appends '\n' and returns the bytes written since json_init, newline included; 0 if anything did
 * not fit. */
size_t json_finish_line(struct json *json);

void json_object_begin(struct json *json);
void json_object_end(struct json *json);
void json_array_begin(struct json *json);
void json_array_end(struct json *json);

/* For the inline functions: there is no room; false. */
bool json_refuse(struct json *json);

/* Room for a value of `len` characters, after the comma that it may need. */
static inline bool json_value(struct json *json, size_t len) {
    if (UNLIKELY((size_t)(json->end - json->at) <= len)) {
        return json_refuse(json);
    }
    *json->at = ','; /* overwritten by the value where none is due */
    json->at += json->need_comma ? 1 : 0;
    json->need_comma = true;
    return true;
}

/* `name` is a literal of ours: plain ASCII without quotes and backslashes, written unescaped. In
   line, so that the compiler counts and copies it by moves: keys are half of a record. */
static inline void json_key(struct json *json, const char *name) {
    size_t len = strlen(name);
    if (json_value(json, len + 3)) {
        char *at = json->at;
        *at = '"';
        memcpy(at + 1, name, len);
        memcpy(at + 1 + len, "\":", 2);
        json->at = at + len + 3;
        json->need_comma = false;
    }
}

/* A key that comes from outside: escaped. */
void json_key_span(struct json *json, struct span name);

void json_string(struct json *json, struct span text);
/* NULL is written as "". */
static inline void json_text(struct json *json, const char *text) {
    json_string(json, text != NULL ? span_str(text) : span_of(NULL, 0));
}
void json_i64(struct json *json, int64_t value);
void json_u64(struct json *json, uint64_t value);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);
/* Thousandths: 1900 is written 1.9, 100 is 0.1, -1000 is -1. */
void json_milli(struct json *json, int64_t thousandths);
void json_hex(struct json *json, struct span bytes);    /* "0a1b..." */
void json_base64(struct json *json, struct span bytes); /* "C5+l...=" */
/* "sha256/C5+l...=": `prefix` is plain ASCII, best a literal. */
static inline void json_prefixed_base64(struct json *json, const char *prefix, struct span bytes) {
    size_t prefix_len = strlen(prefix);
    if (json_value(json, 2 + prefix_len + BASE64_LEN(bytes.len))) {
        char *at = json->at;
        *at = '"';
        memcpy(at + 1, prefix, prefix_len);
        at += 1 + prefix_len;
        at += base64_encode(at, bytes);
        *at = '"';
        json->at = at + 1;
    }
}
/* RFC 3339 UTC, seconds or milliseconds: "2026-11-24T02:11:09Z", "2026-11-24T02:11:09.123Z";
 * DATETIME_NONE is written null. */
void json_time_s(struct json *json, int64_t unix_s);
void json_time_ms(struct json *json, int64_t unix_ms);

/* Key and value in one call. */
static inline void json_key_text(struct json *json, const char *name, const char *value) {
    json_key(json, name);
    json_text(json, value);
}

static inline void json_key_string(struct json *json, const char *name, struct span value) {
    json_key(json, name);
    json_string(json, value);
}

static inline void json_key_i64(struct json *json, const char *name, int64_t value) {
    json_key(json, name);
    json_i64(json, value);
}

static inline void json_key_u64(struct json *json, const char *name, uint64_t value) {
    json_key(json, name);
    json_u64(json, value);
}

static inline void json_key_bool(struct json *json, const char *name, bool value) {
    json_key(json, name);
    json_bool(json, value);
}

#endif
