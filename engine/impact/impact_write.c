#include "engine/impact/impact_write.h"

#include <inttypes.h>

#include "engine/codec/datetime.h"
#include "engine/codec/json.h"

/* Texts of a policy may be of any length: each is cut here, so that a record always fits. */
#define TEXT_BYTES_MAX (16u << 10)
#define LINE_BYTES_LIMIT (16 * 6 * TEXT_BYTES_MAX)

static void put_text_cut(struct json *json, const char *name, const char *text) {
    json_key(json, name);
    json_string(json, span_of(text, strnlen(text, TEXT_BYTES_MAX)));
}

/* --- NDJSON --- */

static void put_date(struct json *json, const char *name, int64_t unix_s) {
    char text[DATETIME_LEN_MAX];
    json_key(json, name);
    if (unix_s == DATETIME_NONE) {
        json_null(json);
    } else {
        json_string(json, span_of(text, datetime_format_date(text, unix_s)));
    }
}

static void put_path(struct json *json, const char *name, const struct path *path) {
    json_key(json, name);
    json_array_begin(json);
    for (uint32_t i = 0; path != NULL && i < path->count; i++) {
        if (world_cert_of(path->certs[i])->symbolic) {
            json_text(json, "");
        } else {
            json_hex(json, span_of(path->certs[i]->cert_sha256, SHA256_LEN));
        }
    }
    json_array_end(json);
}

static const char *pin_of(const struct verdict_unit *unit) {
    return unit->pin != NULL && unit->pin->role != PIN_BAD ? unit->pin->text : "";
}

static const char *trust_of(const struct impact_report *report, const struct impact *impact) {
    return impact->view != NULL && impact->profile >= 0
               ? report->plan->world->store->profiles[impact->profile].name
               : "";
}

static void put_view(struct json *json, const struct impact_report *report,
                     const struct impact *impact) {
    const struct impact_view *view = impact->view;
    json_key_i64(json, "view", view != NULL ? view->idx : -1);
    put_text_cut(json, "address", view != NULL ? view->address : "");
    json_key_text(json, "key_type", view != NULL ? key_view_text(view->key_type) : "");
    put_text_cut(json, "trust", trust_of(report, impact));
    put_path(json, "path_before", impact->path_before);
    put_path(json, "path_after", impact->path_after);
    put_text_cut(json, "pin_before", impact->has_before ? pin_of(&impact->unit_before) : "");
    put_text_cut(json, "pin_after", pin_of(&impact->unit_after));
    const struct cert_record *cert = impact->unit_after.cert;
    json_key(json, "certificate");
    if (cert == NULL || world_cert_of(cert)->symbolic) {
        json_text(json, "");
    } else {
        json_hex(json, span_of(cert->cert_sha256, SHA256_LEN));
    }
    json_key_text(json, "pkix_before", pkix_text(impact->pkix_before));
    json_key_text(json, "pkix_after", pkix_text(impact->pkix_after));
}

static void write_json(const struct impact_report *report, const struct impact *impact,
                       const char *reason) {
    static _Thread_local char line[LINE_BYTES_LIMIT];
    struct json json;
    json_init(&json, line, sizeof line);
    json_object_begin(&json);
    json_key_i64(&json, "schema", 1);
    json_key_text(&json, "type", "impact");
    put_text_cut(&json, "scenario", report->scenario);
    put_text_cut(&json, "host", impact->target->host);
    json_key_u64(&json, "port", impact->target->port);
    put_text_cut(&json, "pin_set", impact->set != NULL ? impact->set->name : "");
    put_text_cut(&json, "application", rollup_application(impact));
    put_text_cut(&json, "platform", rollup_platform(impact));
    put_text_cut(&json, "owner", rollup_owner(impact));
    put_text_cut(&json, "ca", rollup_ca(impact));
    json_key_text(&json, "before", verdict_text(impact->before));
    json_key_text(&json, "outcome", impact_outcome_words[impact->outcome]);
    put_view(&json, report, impact);
    json_key_u64(&json, "spare_pins", impact->spare_pins);
    put_date(&json, "earliest_safe", impact->earliest_safe);
    json_key_text(&json, "reason", reason);
    json_object_end(&json);
    size_t len = json_finish_line(&json);
    CHECK(len > 0);
    fwrite(line, 1, len, report->out);
}

static void write_json_row(const struct impact_report *report, const struct rollup_row *row) {
    static _Thread_local char line[LINE_BYTES_LIMIT];
    struct json json;
    json_init(&json, line, sizeof line);
    json_object_begin(&json);
    json_key_i64(&json, "schema", 1);
    json_key_text(&json, "type", "impact-summary");
    put_text_cut(&json, "scenario", report->scenario);
    json_key_text(&json, "by", rollup_by_words[row->by]);
    put_text_cut(&json, "key", row->key);
    json_key_u64(&json, "targets", row->targets);
    json_key(&json, "outcomes");
    json_object_begin(&json);
    for (int i = 0; i < IMPACT_OUTCOME_COUNT; i++) {
        if (row->outcomes[i] > 0) {
            json_key_u64(&json, impact_outcome_words[i], row->outcomes[i]);
        }
    }
    json_object_end(&json);
    put_date(&json, "earliest_safe", row->earliest_safe);
    json_object_end(&json);
    size_t len = json_finish_line(&json);
    CHECK(len > 0);
    fwrite(line, 1, len, report->out);
}

/* --- CSV (RFC 4180); what a spreadsheet would take for a formula gets an apostrophe --- */

static void put_csv(FILE *out, const char *text, bool last) {
    bool formula = strchr("=+-@\t\r", text[0]) != NULL && text[0] != '\0';
    bool quoted = formula || strpbrk(text, ",\"\r\n") != NULL;
    if (quoted) {
        fputs(formula ? "\"'" : "\"", out);
        for (; *text != '\0'; text++) {
            if (*text == '"') {
                fputc('"', out);
            }
            fputc(*text, out);
        }
        fputc('"', out);
    } else {
        fputs(text, out);
    }
    fputs(last ? "\r\n" : ",", out);
}

static void write_csv(const struct impact_report *report, const struct impact *impact,
                      const char *reason) {
    FILE *out = report->out;
    char port[8], spare[16], date[DATETIME_LEN_MAX] = "";
    snprintf(port, sizeof port, "%u", impact->target->port);
    snprintf(spare, sizeof spare, "%" PRIu32, impact->spare_pins);
    if (impact->earliest_safe != DATETIME_NONE) {
        datetime_format_date(date, impact->earliest_safe);
    }
    const char *const cells[] = {
        impact_outcome_words[impact->outcome],
        impact->target->host,
        port,
        impact->set != NULL ? impact->set->name : "",
        rollup_application(impact),
        rollup_platform(impact),
        rollup_owner(impact),
        rollup_ca(impact),
        verdict_text(impact->before),
        impact->view != NULL ? impact->view->address : "",
        trust_of(report, impact),
        impact->has_before ? pin_of(&impact->unit_before) : "",
        pin_of(&impact->unit_after),
        pkix_text(impact->pkix_before),
        pkix_text(impact->pkix_after),
        spare,
        date,
        reason,
    };
    for (size_t i = 0; i < ARRAY_COUNT(cells); i++) {
        put_csv(out, cells[i], i + 1 == ARRAY_COUNT(cells));
    }
}

/* --- text --- */

static const char *const meanings[IMPACT_OUTCOME_COUNT] = {
    [IMPACT_BREAKS] = "worked, will work no more",
    [IMPACT_PATH_DEPENDENT] = "the path that clients prefer fails, another would hold",
    [IMPACT_UNKNOWN_FUTURE_KEY] = "holds only if the new key is a pinned one",
    [IMPACT_ALREADY_BROKEN] = "does not work today either",
    [IMPACT_SURVIVES_ON_LAST_PIN] = "holds, without any pin in reserve",
    [IMPACT_UNENFORCED_EXPIRED] = "the pin set will have expired: nothing is enforced",
    [IMPACT_SURVIVES_ON_BACKUP] = "holds by a backup pin",
    [IMPACT_SURVIVES_ON_PRIMARY] = "holds by an active pin, on another path or certificate",
    [IMPACT_REPORT_ONLY] = "not enforced",
    [IMPACT_OK] = "nothing changes",
    [IMPACT_UNPINNED] = "no pin set",
};

/* Names come from policies and certificates: what steers a terminal is taken out. */
static void put_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
    }
}

static void write_text(const struct impact_report *report, const struct impact *impact,
                       const char *reason, bool first) {
    FILE *out = report->out;
    char date[DATETIME_LEN_MAX];
    if (first) {
        fprintf(out, "\n%s (%" PRIu64 "): %s\n", impact_outcome_words[impact->outcome],
                report->outcomes[impact->outcome], meanings[impact->outcome]);
    }
    fputs("  ", out);
    put_text(out, impact->target->host);
    fprintf(out, ":%u", impact->target->port);
    if (impact->set != NULL) {
        fputs("  ", out);
        put_text(out, impact->set->name);
    }
    if (rollup_owner(impact)[0] != '\0') {
        fputs("  owner ", out);
        put_text(out, rollup_owner(impact));
    }
    fputs("\n      ", out);
    put_text(out, reason);
    fputc('\n', out);
    if (impact->earliest_safe != DATETIME_NONE) {
        datetime_format_date(date, impact->earliest_safe);
        fprintf(out, "      safe from %s on, if the release starts today\n", date);
    }
}

static void write_text_head(const struct impact_report *report) {
    char today[DATETIME_LEN_MAX], end[DATETIME_LEN_MAX];
    FILE *out = report->out;
    datetime_format_date(today, report->plan->today);
    datetime_format_date(end, report->plan->end);
    fputs("Scenario ", out);
    put_text(out, report->scenario);
    fprintf(out, ": %" PRIu32 " operation%s, judged on %s", report->plan->count,
            report->plan->count == 1 ? "" : "s", today);
    if (report->plan->end != report->plan->today) {
        fprintf(out, " and on %s", end);
    }
    fprintf(out, "\n%" PRIu64 " targets, %" PRIu64 " results:", report->targets, report->results);
    bool any = false;
    for (int i = 0; i < IMPACT_OUTCOME_COUNT; i++) {
        if (report->outcomes[i] > 0) {
            fprintf(out, "%s %" PRIu64 " %s", any ? "," : "", report->outcomes[i],
                    impact_outcome_words[i]);
            any = true;
        }
    }
    fputc('\n', out);
}

static void write_text_row(FILE *out, const struct rollup_row *row) {
    char date[DATETIME_LEN_MAX];
    fputs("  ", out);
    put_text(out, row->key[0] != '\0' ? row->key : "(not said)");
    fprintf(out, ": %" PRIu64 " target%s;", row->targets, row->targets == 1 ? "" : "s");
    bool any = false;
    for (int i = 0; i < IMPACT_OUTCOME_COUNT; i++) {
        if (row->outcomes[i] > 0) {
            fprintf(out, "%s %" PRIu64 " %s", any ? "," : "", row->outcomes[i],
                    impact_outcome_words[i]);
            any = true;
        }
    }
    if (row->earliest_safe != DATETIME_NONE) {
        datetime_format_date(date, row->earliest_safe);
        fprintf(out, "; safe from %s on", date);
    }
    fputc('\n', out);
}

static void write_text_sums(const struct impact_report *report) {
    uint64_t told = 0;
    for (uint32_t i = 0; report->limit > 0 && i < report->rollup.count; i++) {
        const struct rollup_row *row = &report->rollup.rows[i];
        bool first = i == 0 || report->rollup.rows[i - 1].by != row->by;
        if (first) {
            fprintf(report->out, "\nBy %s\n", rollup_by_words[row->by]);
            told = 0;
        }
        if (told++ < report->limit) {
            write_text_row(report->out, row);
        } else if (told == report->limit + 1) {
            fputs("  ... and more (--limit)\n", report->out);
        }
    }
}

/* --- by form --- */

void impact_write_head(const struct impact_report *report) {
    if (report->form == IMPACT_TEXT) {
        write_text_head(report);
    } else if (report->form == IMPACT_CSV) {
        fputs("outcome,host,port,pin_set,application,platform,owner,ca,before,address,trust,"
              "pin_before,pin_after,pkix_before,pkix_after,spare_pins,earliest_safe,reason\r\n",
              report->out);
    }
}

void impact_write_result(const struct impact_report *report, const struct impact *impact,
                         bool first) {
    char reason[IMPACT_REASON_MAX];
    impact_explain(report->run, impact, reason);
    switch (report->form) {
    case IMPACT_TEXT:
        write_text(report, impact, reason, first);
        return;
    case IMPACT_NDJSON:
        write_json(report, impact, reason);
        return;
    case IMPACT_CSV:
        write_csv(report, impact, reason);
        return;
    }
}

void impact_write_sums(const struct impact_report *report) {
    if (report->form == IMPACT_TEXT) {
        write_text_sums(report);
    }
    for (uint32_t i = 0; report->form == IMPACT_NDJSON && i < report->rollup.count; i++) {
        write_json_row(report, &report->rollup.rows[i]);
    }
}
