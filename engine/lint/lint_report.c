#include "engine/lint/lint_report.h"

#include <stdlib.h>

#include "engine/base/log.h"
#include "engine/codec/json.h"

/* On one line: a reason of two lines must not look like a finding. */
static void put(FILE *out, const char *text) {
    char harmless[2048];
    snprintf(harmless, sizeof harmless, "%s", text);
    log_make_harmless(harmless);
    for (char *at = harmless; *at != '\0'; at++) {
        *at = *at == '\n' || *at == '\t' ? ' ' : *at;
    }
    fputs(harmless, out);
}

static void write_place(const struct lint_finding *finding, FILE *out) {
    if (finding->file[0] != '\0') {
        put(out, finding->file);
        if (finding->line != 0) {
            fprintf(out, ":%u", finding->line);
        }
        if (finding->line != 0 && finding->column != 0) {
            fprintf(out, ":%u", finding->column);
        }
        fputs(": ", out);
    }
}

void lint_write_text(const struct lint *lint, FILE *out, bool explain) {
    for (uint32_t i = 0; i < lint->count; i++) {
        const struct lint_finding *finding = &lint->findings[i];
        const struct lint_rule *rule = &lint_rules[finding->rule];
        write_place(finding, out);
        fprintf(out, "%s: ",
                finding->exception != NULL ? "accepted" : lint_severity_words[finding->severity]);
        if (finding->set != NULL) {
            put(out, finding->set->name);
            fputs(": ", out);
        }
        put(out, finding->message);
        fprintf(out, " [%s]\n", rule->id);
        if (finding->exception != NULL) {
            fputs("    accepted: ", out);
            put(out, finding->exception->reason);
            fputs("\n", out);
        }
        if (explain) {
            fprintf(out, "    what to do: %s\n    basis: %s\n", rule->help, rule->basis);
        }
    }
}

static void write_count(FILE *out, uint32_t count, const char *noun, const char *after) {
    if (count == 0) {
        fprintf(out, "no %ss%s", noun, after);
    } else {
        fprintf(out, "%u %s%s%s", count, noun, count == 1 ? "" : "s", after);
    }
}

void lint_write_summary(const struct lint *lint, FILE *out) {
    write_count(out, lint->counts[LINT_ERROR], "error", ", ");
    write_count(out, lint->counts[LINT_WARN], "warning", ", ");
    write_count(out, lint->counts[LINT_INFO], "note", "");
    if (lint->excepted_count > 0) {
        fprintf(out, "; %u accepted by exceptions", lint->excepted_count);
    }
    fputs("; ", out);
    write_count(out, lint->config->pins->set_count, "pin set", "");
    if (lint->config->observed_count > 0) {
        fputs(", ", out);
        write_count(out, lint->judged_targets, "observed target", " with pins");
    } else {
        fputs(" (no chains: --observed adds what was seen)", out);
    }
    fputs("\n", out);
}

/* --- NDJSON --- */

#define LINE_BYTES (64 * 1024)

/* Texts of a policy may be long: what is cut here is in the file. */
#define TEXT_MAX 1000

static void write_cut(struct json *json, const char *key, const char *text) {
    json_key_string(json, key, span_of(text, strnlen(text, TEXT_MAX)));
}

static void write_exception(struct json *json, const struct pin_exception *exception) {
    json_key(json, "exception");
    if (exception == NULL) {
        json_null(json);
        return;
    }
    json_object_begin(json);
    write_cut(json, "reason", exception->reason);
    write_cut(json, "approver", exception->approver);
    char until[DATETIME_LEN_MAX];
    json_key(json, "until");
    if (exception->until == DATETIME_NONE) {
        json_null(json);
    } else {
        json_string(json, span_of(until, datetime_format_date(until, exception->until)));
    }
    json_object_end(json);
}

static void write_finding(struct json *json, const struct lint_finding *finding) {
    const struct lint_rule *rule = &lint_rules[finding->rule];
    const struct pin_set *set = finding->set;
    json_object_begin(json);
    json_key_i64(json, "schema", 1);
    json_key_text(json, "type", "finding");
    json_key_text(json, "rule", rule->id);
    json_key_text(json, "name", rule->name);
    json_key_text(json, "severity", lint_severity_words[finding->severity]);
    write_cut(json, "file", finding->file);
    json_key_i64(json, "line", finding->line);
    json_key_i64(json, "column", finding->column);
    write_cut(json, "pin_set", set != NULL ? set->name : "");
    json_key_text(json, "client", set != NULL ? pin_client_text(set->client) : "");
    write_cut(json, "application", set != NULL ? set->application : "");
    write_cut(json, "owner", set != NULL ? set->owner : "");
    write_cut(json, "host", finding->host);
    write_cut(json, "pin", finding->pin != NULL ? finding->pin->text : "");
    write_cut(json, "message", finding->message);
    json_key_text(json, "help", rule->help);
    json_key_text(json, "basis", rule->basis);
    write_exception(json, finding->exception);
    json_object_end(json);
}

void lint_write_ndjson(const struct lint *lint, FILE *out) {
    char *buffer = malloc(LINE_BYTES);
    CHECK(buffer != NULL);
    struct json json;
    for (uint32_t i = 0; i < lint->count; i++) {
        json_init(&json, buffer, LINE_BYTES);
        write_finding(&json, &lint->findings[i]);
        fwrite(buffer, 1, json_finish_line(&json), out);
    }
    json_init(&json, buffer, LINE_BYTES);
    json_object_begin(&json);
    json_key_i64(&json, "schema", 1);
    json_key_text(&json, "type", "lint-summary");
    json_key(&json, "at");
    json_time_s(&json, lint->config->at_unix_s);
    json_key_i64(&json, "errors", lint->counts[LINT_ERROR]);
    json_key_i64(&json, "warnings", lint->counts[LINT_WARN]);
    json_key_i64(&json, "notes", lint->counts[LINT_INFO]);
    json_key_i64(&json, "accepted", lint->excepted_count);
    json_key_i64(&json, "pin_sets", lint->config->pins->set_count);
    json_key_i64(&json, "observed_targets", lint->judged_targets);
    json_object_end(&json);
    fwrite(buffer, 1, json_finish_line(&json), out);
    free(buffer);
}
