#include "engine/sweep/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"

#define PLAIN_LINE_NS (10 * NS_PER_S)
#define TERMINAL_NS (200 * NS_PER_MS)

const char *count_text(char out[COUNT_TEXT_MAX], uint64_t value) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, value);
    char *at = out;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}

const char *duration_text(char out[COUNT_TEXT_MAX], double seconds) {
    uint64_t whole = (uint64_t)seconds;
    if (seconds < 60) {
        snprintf(out, COUNT_TEXT_MAX, "%.1f s", seconds);
    } else if (whole < 3600) {
        snprintf(out, COUNT_TEXT_MAX, "%" PRIu64 ":%02" PRIu64, whole / 60, whole % 60);
    } else {
        snprintf(out, COUNT_TEXT_MAX, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, whole / 3600,
                 whole / 60 % 60, whole % 60);
    }
    return out;
}

void progress_init(struct progress *progress, bool quiet, uint64_t now_ns) {
    *progress = (struct progress){
        .quiet = quiet,
        .terminal = isatty(STDERR_FILENO) != 0,
        .started_ns = now_ns,
        .last_ns = now_ns,
        .shown_ns = now_ns,
    };
}

static void show(struct progress *progress, const struct progress_facts *facts) {
    char done[COUNT_TEXT_MAX], total[COUNT_TEXT_MAX] = "?", rate[COUNT_TEXT_MAX],
                               in_flight[COUNT_TEXT_MAX], matches[COUNT_TEXT_MAX],
                               mismatches[COUNT_TEXT_MAX], errors[COUNT_TEXT_MAX],
                               left[COUNT_TEXT_MAX + 16] = "";
    if (facts->total > 0) {
        count_text(total, facts->total);
        if (progress->rate > 0 && facts->total > facts->done) {
            char time[COUNT_TEXT_MAX];
            duration_text(time, (double)(facts->total - facts->done) / progress->rate);
            snprintf(left, sizeof left, ", %s left", time);
        }
    }
    char line[256];
    snprintf(line, sizeof line, "%s/%s  %s/s  %s in flight  match %s  mismatch %s  errors %s%s",
             count_text(done, facts->done), total,
             count_text(rate, (uint64_t)(progress->rate + 0.5)),
             count_text(in_flight, facts->in_flight), count_text(matches, facts->matches),
             count_text(mismatches, facts->mismatches), count_text(errors, facts->errors), left);
    if (progress->terminal) {
        log_progress(line);
    } else {
        log_info("%s", line);
    }
}

void progress_update(struct progress *progress, const struct progress_facts *facts,
                     uint64_t now_ns) {
    uint64_t since_ns = now_ns - progress->last_ns;
    if (since_ns >= NS_PER_S || (progress->rate <= 0 && since_ns >= 200 * NS_PER_MS)) {
        double rate =
            (double)(facts->done - progress->last_done) * (double)NS_PER_S / (double)since_ns;
        progress->rate = progress->rate <= 0 ? rate : 0.7 * progress->rate + 0.3 * rate;
        progress->last_ns = now_ns;
        progress->last_done = facts->done;
    }
    if (!progress->quiet &&
        now_ns - progress->shown_ns >= (progress->terminal ? TERMINAL_NS : PLAIN_LINE_NS)) {
        progress->shown_ns = now_ns;
        show(progress, facts);
    }
}

void progress_end(struct progress *progress) {
    if (progress->terminal && !progress->quiet) {
        log_progress(NULL);
    }
}
