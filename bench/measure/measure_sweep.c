#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure/measure.h"
#include "engine/base/attributes.h"
#include "engine/base/clock.h"

#define ARGUMENTS_MAX 40
#define METADATA_BYTES 65536

/* One run of the program. */
struct run {
    double user_s, system_s, seconds;
    uint64_t max_rss_bytes;
    struct measure_counts counts;
};

void measure_counts_add(struct measure_counts *sum, const struct measure_counts *one) {
    sum->targets += one->targets;
    sum->succeeded += one->succeeded;
    sum->attempts += one->attempts;
    sum->connected += one->connected;
    sum->completed += one->completed;
    sum->proven += one->proven;
    sum->captured += one->captured;
    sum->fallbacks += one->fallbacks;
    for (size_t i = 0; i < ARRAY_COUNT(sum->versions); i++) {
        sum->versions[i] += one->versions[i];
    }
}

static uint64_t number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint64_t)item->valuedouble : 0;
}

static void take_counts(const cJSON *root, struct run *out) {
    static const char *const versions[] = {"other", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    const cJSON *shakes = cJSON_GetObjectItemCaseSensitive(root, "handshakes");
    const cJSON *by_version = cJSON_GetObjectItemCaseSensitive(shakes, "by_version");
    out->max_rss_bytes = number_of(root, "max_rss_bytes");
    out->counts = (struct measure_counts){
        .targets = number_of(root, "targets"),
        .succeeded = number_of(cJSON_GetObjectItemCaseSensitive(root, "statuses"), "success"),
        .attempts = number_of(shakes, "attempted"),
        .connected = number_of(shakes, "connected"),
        .completed = number_of(shakes, "completed"),
        .proven = number_of(shakes, "proven"),
        .captured = number_of(shakes, "captured"),
        .fallbacks = number_of(shakes, "fallback"),
    };
    for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
        out->counts.versions[i] = number_of(by_version, versions[i]);
    }
}

static enum err read_metadata(const char *path, struct run *out, struct err_note *note) {
    char *text = malloc(METADATA_BYTES);
    FILE *in = fopen(path, "re");
    cJSON *root = NULL;
    if (text != NULL && in != NULL) {
        root = cJSON_ParseWithLength(text, fread(text, 1, METADATA_BYTES, in));
    }
    if (in != NULL) {
        fclose(in);
    }
    if (root != NULL) {
        take_counts(root, out);
    }
    cJSON_Delete(root);
    free(text);
    return root != NULL ? ERR_NONE : err_note(note, ERR_IO, "%s: cannot be read", path);
}

static double seconds_of(struct timeval value) {
    return (double)value.tv_sec + (double)value.tv_usec / 1e6;
}

static enum err spawn(const struct measure_sweep *sweep, const char *metadata, pid_t *out,
                      struct err_note *note) {
    char concurrency[16], workers[16], policy[MEASURE_PATH_MAX], inventory[MEASURE_PATH_MAX];
    snprintf(concurrency, sizeof concurrency, "%u", sweep->in_flight);
    snprintf(workers, sizeof workers, "%u", sweep->threads);
    measure_fleet_path(sweep->fleet, "policy.yaml", policy);
    measure_fleet_path(sweep->fleet, "inventory.csv", inventory);
    const char *arguments[ARGUMENTS_MAX] = {
        sweep->pinsweep,
        "sweep",
        "--quiet",
        "--overwrite",
        "--fail-on",
        "none",
        "--max-unknown",
        "100%",
        "--no-escalate",
        "--retries",
        "0",
        "--workers",
        workers,
        "--concurrency",
        concurrency,
        "--server-rate-limit",
        "0",
        "--server-concurrency",
        "0",
        "--depth",
        depth_text(sweep->depth),
        "-f",
        inventory,
        "--policy",
        policy,
        "--metadata-file",
        metadata,
        "-o",
        "/dev/null",
    };
    return measure_spawn(arguments, &sweep->cores->client, -1, out, note);
}

static enum err run_once(const struct measure_sweep *sweep, uint32_t count, struct run *out,
                         struct err_note *note) {
    char metadata[MEASURE_PATH_MAX];
    struct rusage usage;
    pid_t child;
    int status;
    measure_fleet_path(sweep->fleet, "metadata.json", metadata);
    unlink(metadata);
    enum err err = measure_fleet_write_inventory(sweep->fleet, count, note);
    uint64_t started_ns = clock_mono_ns(&clock_system);
    if (err == ERR_NONE) {
        err = spawn(sweep, metadata, &child, note);
    }
    if (err != ERR_NONE) {
        return err;
    }
    CHECK(wait4(child, &status, 0, &usage) == child);
    *out = (struct run){.user_s = seconds_of(usage.ru_utime),
                        .system_s = seconds_of(usage.ru_stime),
                        .seconds = (double)(clock_mono_ns(&clock_system) - started_ns) / NS_PER_S};
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return err_note(note, ERR_RESOURCE, "%s sweep, %u in flight: it ended with %s %d",
                        sweep->pinsweep, sweep->in_flight,
                        WIFEXITED(status) ? "exit code" : "signal",
                        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    return read_metadata(metadata, out, note);
}

/* Each worker learns the chains for itself: so many lines that all have met nearly all. */
static uint32_t start_up_lines(uint32_t threads) {
    return MEASURE_IDENTITIES * (threads == 1 ? 1 : 4 * threads);
}

enum err measure_sweep_run(const struct measure_sweep *sweep, struct measure_swept *out,
                           struct err_note *note) {
    struct run start_up, whole;
    *out = (struct measure_swept){.cost = {0}};
    measure_cores_keep(sweep->fleet->server, &sweep->cores->server);
    uint32_t lines = start_up_lines(sweep->threads);
    enum err err = run_once(sweep, lines, &start_up, note);
    if (err == ERR_NONE) {
        err = run_once(sweep, lines + sweep->count, &whole, note);
    }
    if (err != ERR_NONE) {
        return err;
    }
    uint64_t more = whole.counts.succeeded - start_up.counts.succeeded;
    if (whole.counts.succeeded <= start_up.counts.succeeded) {
        return err_note(note, ERR_RESOURCE,
                        "%u in flight: of %u handshakes only %llu succeeded; is something else "
                        "using all of this machine?",
                        sweep->in_flight, lines + sweep->count,
                        (unsigned long long)whole.counts.succeeded);
    }
    double user_s = whole.user_s - start_up.user_s, system_s = whole.system_s - start_up.system_s;
    double seconds = whole.seconds - start_up.seconds;
    out->cost = (struct measure_cost){user_s * 1e6 / (double)more, system_s * 1e6 / (double)more};
    out->per_second = seconds > 0 ? (double)more / seconds : 0;
    out->busy = seconds > 0 ? (user_s + system_s) / seconds : 0;
    out->max_rss_bytes = whole.max_rss_bytes;
    out->counts = start_up.counts;
    measure_counts_add(&out->counts, &whole.counts);
    return ERR_NONE;
}
