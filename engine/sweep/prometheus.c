#include "engine/sweep/prometheus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/replace.h"

struct text {
    char *start, *at, *end;
    bool overflow;
};

PRINTF_LIKE(2, 3)
static void put(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text->at, (size_t)(text->end - text->at), format, arguments);
    va_end(arguments);
    text->overflow = text->overflow || len < 0 || len >= text->end - text->at;
    text->at += text->overflow ? 0 : len;
}

static void put_head(struct text *text, const char *name, const char *help) {
    put(text, "# HELP pinsweep_%s %s\n# TYPE pinsweep_%s gauge\n", name, help, name);
}

static void put_number(struct text *text, const char *name, const char *help, uint64_t value) {
    put_head(text, name, help);
    put(text, "pinsweep_%s %" PRIu64 "\n", name, value);
}

static void put_real(struct text *text, const char *name, const char *help, double value) {
    put_head(text, name, help);
    put(text, "pinsweep_%s %.3f\n", name, value);
}

static void put_part(struct text *text, const char *name, const char *label, const char *word,
                     uint64_t value) {
    put(text, "pinsweep_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, word, value);
}

/* All words are there, also with none: an alert must not depend on a series that comes and goes. */
static void put_counts(struct text *text, const struct sweep_result *result) {
    put_number(text, "targets", "Records of the last sweep.", result->targets);
    put_number(text, "unknown_targets", "Targets of which nothing is known (--max-unknown).",
               result->unknown);
    put_head(text, "verdict_targets", "Targets by pin verdict.");
    for (int i = 0; i < VERDICT_COUNT; i++) {
        put_part(text, "verdict_targets", "verdict", verdict_text((enum verdict)i),
                 result->verdicts[i]);
    }
    put_head(text, "status_targets", "Targets by status of their best view.");
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        put_part(text, "status_targets", "status", outcome_text((enum outcome)i),
                 result->statuses[i]);
    }
    put_head(text, "pkix_targets", "Targets with this PKIX result in any view and trust profile.");
    for (int i = 0; i < PKIX_COUNT; i++) {
        put_part(text, "pkix_targets", "result", pkix_text((enum pkix)i), result->pkix[i]);
    }
    put_head(text, "input_lines", "Lines of the inventory.");
    put_part(text, "input_lines", "state", "accepted", result->input.accepted);
    put_part(text, "input_lines", "state", "rejected", result->input.rejected);
    put_part(text, "input_lines", "state", "skipped", result->input.skipped);
}

static void put_work(struct text *text, const struct sweep_result *result) {
    const struct conns_stats *conns = &result->conns;
    uint64_t succeeded = 0;
    for (size_t i = 0; i < ARRAY_COUNT(conns->by_version); i++) {
        succeeded += conns->by_version[i];
    }
    put_head(text, "handshakes", "Handshakes of the last sweep, by how far they came.");
    put_part(text, "handshakes", "state", "attempted", conns->opened);
    put_part(text, "handshakes", "state", "succeeded", succeeded);
    put_part(text, "handshakes", "state", "completed", conns->completed);
    put_part(text, "handshakes", "state", "proven", conns->proven);
    put_part(text, "handshakes", "state", "captured", conns->captured);
    put_part(text, "handshakes", "state", "fallback", conns->fallback);
    put_real(text, "handshakes_per_second", "Successful handshakes a second, all of the sweep.",
             result->seconds > 0 ? (double)succeeded / result->seconds : 0);
    put_real(text, "sweep_duration_seconds", "What the last sweep took.", result->seconds);
    put_head(text, "sweep_cpu_seconds", "CPU time of the last sweep.");
    put(text, "pinsweep_sweep_cpu_seconds{mode=\"user\"} %.3f\n", result->cpu_user_s);
    put(text, "pinsweep_sweep_cpu_seconds{mode=\"system\"} %.3f\n", result->cpu_system_s);
    put_number(text, "sweep_max_rss_bytes", "Memory of the last sweep at most.",
               result->max_rss_bytes);
    put_real(text, "last_success_timestamp_seconds",
             "When a sweep ended by itself last (Unix time).", (double)result->ended_ms / 1000);
}

/* What is not known has no series: 0 would be a time. */
static void put_times(struct text *text, const struct sweep_config *config,
                      const struct sweep_result *result) {
    int64_t oldest_s = DATETIME_NONE;
    uint64_t never = 0;
    for (uint32_t i = 0; i < config->pins->set_count; i++) {
        int64_t at_s = config->pins->sets[i]->last_rehearsal;
        never += at_s == DATETIME_NONE;
        oldest_s = at_s != DATETIME_NONE && (oldest_s == DATETIME_NONE || at_s < oldest_s)
                       ? at_s
                       : oldest_s;
    }
    if (result->first_expiry_s > 0) {
        put_number(text, "first_expiry_timestamp_seconds",
                   "When the first of all preferred paths ends (Unix time).",
                   result->first_expiry_s);
        put_real(text, "first_expiry_seconds",
                 "Seconds from the end of the sweep to the first end of a preferred path.",
                 (double)result->first_expiry_s - (double)result->ended_ms / 1000);
    }
    put_number(text, "pin_sets", "Pin sets of the policies.", config->pins->set_count);
    put_number(text, "pin_sets_never_rehearsed",
               "Pin sets without an emergency-rotation rehearsal.", never);
    if (oldest_s != DATETIME_NONE) {
        put_head(text, "oldest_rehearsal_timestamp_seconds",
                 "The last rehearsal of the pin set whose last one is the oldest (Unix time).");
        put(text, "pinsweep_oldest_rehearsal_timestamp_seconds %" PRId64 "\n", oldest_s);
    }
    put_head(text, "build_info", "The program that swept; always 1.");
    put(text, "pinsweep_build_info{version=\"%s\",boringssl=\"%s\"} 1\n", PINSWEEP_VERSION,
        PINSWEEP_BORINGSSL);
}

size_t prometheus_compose(const struct sweep_config *config, const struct sweep_result *result,
                          char *buffer, size_t capacity) {
    struct text text = {.start = buffer, .at = buffer, .end = buffer + capacity};
    put_counts(&text, result);
    put_work(&text, result);
    put_times(&text, config, result);
    return text.overflow ? 0 : (size_t)(text.at - text.start);
}

enum err prometheus_write(const char *file, const struct sweep_config *config,
                          const struct sweep_result *result, struct err_note *note) {
    char *buffer = malloc(PROMETHEUS_BYTES_MAX);
    if (buffer == NULL) {
        return err_note(note, ERR_RESOURCE, "%s: no memory for the metrics", file);
    }
    size_t len = prometheus_compose(config, result, buffer, PROMETHEUS_BYTES_MAX);
    enum err err = ERR_NONE;
    CHECK(len > 0); /* every word in it is ours */
    if (!replace_file(file, span_of(buffer, len))) {
        err = err_note(note, ERR_IO, "%s: cannot write the metrics: %s", file, strerror(errno));
    }
    free(buffer);
    return err;
}
