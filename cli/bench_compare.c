#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "engine/base/log.h"
#include "engine/net/x25519.h"

struct bench_old {
    const char *file;
    cJSON *root;
};

static const char *text_of(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text != NULL ? text : "";
}

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

/* A figure as bench_json.c writes it; false if there is none that can be compared. */
static bool spread_of(const cJSON *object, const char *key, struct bench_spread *out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    *out = (struct bench_spread){number_of(item, "median"), number_of(item, "low"),
                                 number_of(item, "high")};
    return out->median > 0 && out->low > 0 && out->high >= out->low;
}

enum err bench_old_load(const char *file, struct bench_old **out, struct err_note *note) {
    struct bench_old *old = calloc(1, sizeof *old);
    char *text = malloc(BENCH_FILE_BYTES_MAX);
    FILE *in = fopen(file, "re");
    size_t len = in != NULL && text != NULL ? fread(text, 1, BENCH_FILE_BYTES_MAX, in) : 0;
    bool failed = in == NULL || ferror(in) != 0;
    int error = errno;
    if (in != NULL) {
        fclose(in);
    }
    if (old != NULL && len > 0) {
        *old = (struct bench_old){file, cJSON_ParseWithLength(text, len)};
    }
    free(text);
    if (old != NULL && strcmp(text_of(old->root, "type"), "bench") == 0 &&
        cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(old->root, "cells"))) {
        *out = old;
        return ERR_NONE;
    }
    bench_old_free(old);
    return failed ? err_note(note, ERR_INPUT, "--compare %s: cannot be read: %s", file,
                             strerror(error))
                  : err_note(note, ERR_INPUT,
                             "--compare %s: not a result of pinsweep bench; 'pinsweep bench --json "
                             "%s' writes one",
                             file, file);
}

void bench_old_free(struct bench_old *old) {
    if (old != NULL) {
        cJSON_Delete(old->root);
        free(old);
    }
}

/* --- what makes figures of two runs incomparable --- */

static void warn(const char *what, const char *before, const char *now) {
    if (strcmp(before, now) != 0) {
        printf("warning: another %s then: \"%s\", now \"%s\"\n", what, before, now);
    }
}

static void warn_all(const struct bench_result *result, const cJSON *root) {
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(root, "machine");
    char before[32], now[32];
    warn("machine", text_of(machine, "cpu"), result->machine.cpu);
    snprintf(before, sizeof before, "%.0f", number_of(machine, "cores"));
    snprintf(now, sizeof now, "%u", result->machine.cores);
    warn("number of cores", before, now);
    warn("kernel", text_of(machine, "kernel"), result->machine.kernel);
    warn("X25519", text_of(machine, "x25519"), x25519_kernel());
    warn("BoringSSL", text_of(root, "boringssl"), PINSWEEP_BORINGSSL);
    warn("pinsweep", text_of(root, "version"), PINSWEEP_VERSION);
}

/* --- rows --- */

static const cJSON *named(const cJSON *array, const char *name) {
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        if (strcmp(text_of(item, "name"), name) == 0) {
            return item;
        }
    }
    return NULL;
}

/* What overlaps may be chance; of a single round nothing is known. */
static const char *mark_of(const struct bench_spread *before, const struct bench_spread *now,
                           bool single) {
    if (single) {
        return "? one round";
    }
    if (now->low <= before->high && before->low <= now->high) {
        return "~ noise";
    }
    return now->median < before->median ? "less" : "MORE";
}

static void print_row(const cJSON *old, const char *key, const struct bench_series *series,
                      const char *name, bool single) {
    struct bench_spread before, now = bench_series_spread(series);
    if (now.median <= 0) {
        return;
    }
    if (old == NULL || !spread_of(old, key, &before)) {
        printf("  %-58s %9s %9.2f %8s  new\n", name, "-", now.median, "-");
        return;
    }
    printf("  %-58s %9.2f %9.2f %8.3f  %s\n", name, before.median, now.median,
           now.median / before.median, mark_of(&before, &now, single));
}

void bench_compare_print(const struct bench_result *result, const struct bench_old *old) {
    const cJSON *cells = cJSON_GetObjectItemCaseSensitive(old->root, "cells");
    const cJSON *primitives = cJSON_GetObjectItemCaseSensitive(old->root, "primitives");
    bool single = result->options->rounds < 2 || number_of(old->root, "rounds") < 2;
    printf("\nAgainst %s of %s: medians, ~ where the spreads overlap\n", old->file,
           text_of(old->root, "started"));
    warn_all(result, old->root);
    printf("  %-58s %9s %9s %8s\n", "CPU, us", "then", "now", "now/then");
    for (int i = 0; i < BENCH_PRIMITIVE_COUNT; i++) {
        const char *name = bench_primitive_text((enum bench_primitive)i);
        print_row(named(primitives, name), "us", &result->primitives[i], name, single);
    }
    for (uint32_t i = 0; i < result->cell_count; i++) {
        const struct bench_cell *cell = &result->cells[i];
        char name[BENCH_NAME_MAX];
        bench_cell_name(result, cell, name);
        print_row(named(cells, name), "cpu_us", &cell->cpu, name, single);
    }
    printf("  %-58s %9s %9s %8s\n", "CPU / floor of the same round", "then", "now", "now/then");
    for (uint32_t i = 0; i < result->cell_count; i++) {
        const struct bench_cell *cell = &result->cells[i];
        char name[BENCH_NAME_MAX];
        bench_cell_name(result, cell, name);
        print_row(named(cells, name), "by_floor", &cell->by_floor, name, single);
    }
    fflush(stdout);
}
