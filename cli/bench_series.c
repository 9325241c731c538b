#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"

void bench_series_add(struct bench_series *series, double value) {
    CHECK(series->count < BENCH_ROUNDS_MAX);
    series->values[series->count++] = value;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct bench_spread bench_series_spread(const struct bench_series *series) {
    double sorted[BENCH_ROUNDS_MAX];
    uint32_t count = series->count;
    if (count == 0) {
        return (struct bench_spread){0};
    }
    memcpy(sorted, series->values, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], compare);
    double median =
        count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
    return (struct bench_spread){median, sorted[0], sorted[count - 1]};
}

const char *bench_tls_text(uint16_t tls) {
    return tls == TLS1_3_VERSION ? "1.3" : "1.2";
}

const char *bench_primitive_text(enum bench_primitive primitive) {
    switch (primitive) {
    case BENCH_SHA256_BORINGSSL:
        return "sha256-91-bytes-boringssl";
    case BENCH_SHA256_BATCH:
        return "sha256-91-bytes-batch";
    case BENCH_X25519_BORINGSSL:
        return "x25519-secret-boringssl";
    case BENCH_X25519_BATCH:
        return "x25519-secret-batch";
    case BENCH_VERIFY_ECDSA:
        return "verify-ecdsa-p256";
    case BENCH_VERIFY_RSA:
        return "verify-rsa-2048-pss";
    case BENCH_PRIMITIVE_COUNT:
        break;
    }
    return "";
}

void bench_cell_name(const struct bench_result *result, const struct bench_cell *cell,
                     char out[BENCH_NAME_MAX]) {
    const struct bench_fleet *fleet = &result->fleets[cell->fleet_idx];
    snprintf(out, BENCH_NAME_MAX, "tls%s %s %s %u in flight %u thread%s",
             bench_tls_text(fleet->tls), measure_key_text(fleet->key), depth_text(cell->depth),
             cell->in_flight, cell->threads, cell->threads == 1 ? "" : "s");
}

void bench_note(struct bench_result *result, const char *format, ...) {
    if (result->note_count < BENCH_NOTES_MAX) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(result->notes[result->note_count++], sizeof result->notes[0], format, arguments);
        va_end(arguments);
    }
}
