/* SARIF 2.1.0 (OASIS, sections cited below): one run, all rules as the driver's metadata, one
   result a finding. Accepted findings stay, suppressed (3.27.23). */
#include <stdlib.h>

#include "engine/codec/json.h"
#include "engine/codec/sha256.h"
#include "engine/lint/lint_report.h"

#define PIECE_BYTES (64 * 1024)

/* A document written in pieces: the writer's buffer is emptied between results. */
struct sarif {
    struct json json;
    char *buffer;
    FILE *out;
};

static void flush(struct sarif *sarif) {
    CHECK(!sarif->json.overflow); /* a piece is bounded by the messages' and names' lengths */
    bool need_comma = sarif->json.need_comma;
    fwrite(sarif->buffer, 1, (size_t)(sarif->json.at - sarif->buffer), sarif->out);
    json_init(&sarif->json, sarif->buffer, PIECE_BYTES);
    sarif->json.need_comma = need_comma;
}

/* 3.11: a message of plain text. */
static void write_message(struct json *json, const char *key, const char *text) {
    json_key(json, key);
    json_object_begin(json);
    json_key_text(json, "text", text);
    json_object_end(json);
}

/* Texts of a policy may be long: what is cut here is in the file. */
#define TEXT_MAX 1000

static void write_cut(struct json *json, const char *key, const char *text) {
    json_key_string(json, key, span_of(text, strnlen(text, TEXT_MAX)));
}

static const char *level_of(enum lint_severity severity) { /* 3.27.10 */
    switch (severity) {
    case LINT_ERROR:
        return "error";
    case LINT_WARN:
        return "warning";
    case LINT_INFO:
        return "note";
    case LINT_OFF:
        break;
    }
    return "none";
}

/* 3.49: a reportingDescriptor for each rule; results name it by its index. */
static void write_rules(struct sarif *sarif) {
    struct json *json = &sarif->json;
    json_key(json, "rules");
    json_array_begin(json);
    for (int i = 0; i < LINT_RULE_COUNT; i++) {
        const struct lint_rule *rule = &lint_rules[i];
        json_object_begin(json);
        json_key_text(json, "id", rule->id);
        json_key_text(json, "name", rule->name);
        write_message(json, "shortDescription", rule->says);
        write_message(json, "help", rule->help);
        json_key(json, "defaultConfiguration");
        json_object_begin(json);
        json_key_text(json, "level", level_of(rule->severity));
        json_object_end(json);
        json_key(json, "properties");
        json_object_begin(json);
        json_key_text(json, "basis", rule->basis);
        json_object_end(json);
        json_object_end(json);
        flush(sarif);
    }
    json_array_end(json);
}

/* RFC 3986: a relative reference, so that the CI system finds the file in its checkout; of an
   absolute path a file URI (RFC 8089), since a relative one cannot begin with a slash (3.4.4). */
static void write_uri(struct json *json, const char *file) {
    static const char hex[] = "0123456789ABCDEF";
    char uri[4096];
    size_t len = 0;
    while (strncmp(file, "./", 2) == 0) {
        file += 2 + strspn(file + 2, "/");
    }
    if (file[0] == '/') {
        len = (size_t)snprintf(uri, sizeof uri, "file://");
    }
    for (; *file != '\0' && len + 4 < sizeof uri; file++) {
        unsigned char byte = (unsigned char)*file;
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= '0' && byte <= '9') || strchr("-._~/", byte) != NULL;
        if (plain) {
            uri[len++] = (char)byte;
        } else {
            uri[len++] = '%';
            uri[len++] = hex[byte >> 4];
            uri[len++] = hex[byte & 15];
        }
    }
    json_key_string(json, "uri", span_of(uri, len));
}

/* 3.28; `line` 0: the file as a whole. */
static void write_location(struct json *json, const char *file, uint32_t line, uint32_t column,
                           const struct pin_set *set) {
    json_key(json, "locations");
    json_array_begin(json);
    json_object_begin(json);
    json_key(json, "physicalLocation");
    json_object_begin(json);
    json_key(json, "artifactLocation");
    json_object_begin(json);
    write_uri(json, file);
    json_object_end(json);
    if (line != 0) {
        json_key(json, "region");
        json_object_begin(json);
        json_key_i64(json, "startLine", line);
        if (column != 0) {
            json_key_i64(json, "startColumn", column);
        }
        json_object_end(json);
    }
    json_object_end(json);
    if (set != NULL) {
        json_key(json, "logicalLocations");
        json_array_begin(json);
        json_object_begin(json);
        write_cut(json, "name", set->name);
        json_key_text(json, "kind", "pin set");
        json_object_end(json);
        json_array_end(json);
    }
    json_object_end(json);
    json_array_end(json);
}

/* 3.27.17: the same finding has the same print when lines move. */
static void write_fingerprint(struct json *json, const struct lint_finding *finding) {
    struct sha256_stream stream;
    uint8_t digest[SHA256_LEN];
    bool several = finding->rule == PIN034 || finding->rule == PIN044; /* of one set or file */
    const char *parts[] = {lint_rules[finding->rule].id,
                           finding->set != NULL ? finding->set->name : finding->file,
                           finding->pin != NULL ? finding->pin->text : "", finding->host,
                           several ? finding->message : ""};
    sha256_stream_init(&stream);
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        sha256_stream_add(&stream, span_of(parts[i], strlen(parts[i]) + 1));
    }
    sha256_stream_finish(&stream, digest);
    json_key(json, "partialFingerprints");
    json_object_begin(json);
    json_key(json, "pinsweep/v1");
    json_hex(json, span_of(digest, 16));
    json_object_end(json);
}

static void write_suppression(struct json *json, const struct pin_exception *exception) {
    json_key(json, "suppressions");
    json_array_begin(json);
    if (exception != NULL) {
        json_object_begin(json);
        json_key_text(json, "kind", "external");
        write_cut(json, "justification", exception->reason);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_result(struct json *json, const struct lint_finding *finding) {
    char text[1400];
    snprintf(text, sizeof text, "%.300s%s%s", finding->set != NULL ? finding->set->name : "",
             finding->set != NULL ? ": " : "", finding->message);
    json_object_begin(json);
    json_key_text(json, "ruleId", lint_rules[finding->rule].id);
    json_key_i64(json, "ruleIndex", finding->rule);
    json_key_text(json, "level", level_of(finding->severity));
    write_message(json, "message", text);
    if (finding->file[0] != '\0') {
        write_location(json, finding->file, finding->line, finding->column, finding->set);
    }
    write_fingerprint(json, finding);
    write_suppression(json, finding->exception);
    json_object_end(json);
}

/* "file:line: what is wrong": 3.58, a notification with its place. */
static void write_failure(struct json *json, const char *failure) {
    const char *colon = strchr(failure, ':');
    char file[1024] = "";
    unsigned long line = 0;
    if (colon != NULL) {
        line = strtoul(colon + 1, NULL, 10);
        snprintf(file, sizeof file, "%.*s", (int)(colon - failure), failure);
    }
    json_key(json, "toolExecutionNotifications");
    json_array_begin(json);
    json_object_begin(json);
    json_key_text(json, "level", "error");
    write_message(json, "message", failure);
    if (line > 0 && line < UINT32_MAX) {
        write_location(json, file, (uint32_t)line, 0, NULL);
    }
    json_object_end(json);
    json_array_end(json);
}

void lint_write_sarif(const struct lint *lint, const char *failure, FILE *out) {
    struct sarif sarif = {.out = out, .buffer = malloc(PIECE_BYTES)};
    struct json *json = &sarif.json;
    CHECK(sarif.buffer != NULL);
    json_init(json, sarif.buffer, PIECE_BYTES);
    json_object_begin(json);
    json_key_text(json, "$schema",
                  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
                  "sarif-schema-2.1.0.json");
    json_key_text(json, "version", "2.1.0");
    json_key(json, "runs");
    json_array_begin(json);
    json_object_begin(json);
    json_key(json, "tool");
    json_object_begin(json);
    json_key(json, "driver");
    json_object_begin(json);
    json_key_text(json, "name", "pinsweep");
    json_key_text(json, "version", PINSWEEP_VERSION);
    write_rules(&sarif);
    json_object_end(json);
    json_object_end(json);
    json_key_text(json, "columnKind", "unicodeCodePoints"); /* 3.14.17: as libyaml counts */
    json_key(json, "invocations");
    json_array_begin(json);
    json_object_begin(json);
    json_key_bool(json, "executionSuccessful", failure == NULL);
    if (failure != NULL) {
        write_failure(json, failure);
    }
    json_object_end(json);
    json_array_end(json);
    json_key(json, "results");
    json_array_begin(json);
    for (uint32_t i = 0; failure == NULL && i < lint->count; i++) {
        write_result(json, &lint->findings[i]);
        flush(&sarif);
    }
    json_array_end(json);
    json_object_end(json);
    json_array_end(json);
    json_object_end(json);
    json->need_comma = false;
    flush(&sarif);
    fputc('\n', out);
    free(sarif.buffer);
}
