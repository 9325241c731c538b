#include "engine/sweep/keeping.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "engine/codec/json.h"
#include "engine/sweep/metadata.h"
#include "engine/sweep/settings.h"

/* --- counts --- */

static void add_conns(struct conns_stats *sum, const struct conns_stats *one) {
    sum->opened += one->opened;
    sum->connected += one->connected;
    sum->completed += one->completed;
    sum->captured += one->captured;
    sum->proven += one->proven;
    sum->fallback += one->fallback;
    sum->bytes_in += one->bytes_in;
    sum->bytes_out += one->bytes_out;
    for (size_t i = 0; i < ARRAY_COUNT(sum->by_version); i++) {
        sum->by_version[i] += one->by_version[i];
    }
}

static void add_tables(struct sweep_result *out, const struct intern_stats *intern,
                       const struct path_stats *path) {
    out->intern.cert_hits += intern->cert_hits;
    out->intern.cert_misses += intern->cert_misses;
    out->intern.chain_hits += intern->chain_hits;
    out->intern.chain_misses += intern->chain_misses;
    out->intern.evictions += intern->evictions;
    out->intern.bytes += intern->bytes;
    out->intern.table_bytes += intern->table_bytes;
    out->intern.record_bytes += intern->record_bytes;
    out->intern.der_bytes += intern->der_bytes;
    out->intern.chain_bytes += intern->chain_bytes;
    out->path.sets_built += path->sets_built;
    out->path.sets_known += path->sets_known;
    out->path.edges_known += path->edges_known;
    out->path.edges_built += path->edges_built;
    out->path.full_verifications += path->full_verifications;
    out->path.leaf_verifications += path->leaf_verifications;
    out->path.x509_parses += path->x509_parses;
}

void sweep_result_add(struct sweep_result *out, const struct sweep_counts *counts) {
    out->targets += counts->targets;
    out->unknown += counts->unknown;
    if (counts->first_expiry_s != 0 &&
        (out->first_expiry_s == 0 || counts->first_expiry_s < out->first_expiry_s)) {
        out->first_expiry_s = counts->first_expiry_s;
    }
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        out->statuses[i] += counts->statuses[i];
    }
    for (int i = 0; i < VERDICT_COUNT; i++) {
        out->verdicts[i] += counts->verdicts[i];
    }
    for (int i = 0; i < PKIX_COUNT; i++) {
        out->pkix[i] += counts->pkix[i];
    }
    add_conns(&out->conns, &counts->conns);
    add_tables(out, &counts->intern, &counts->path);
}

void sweep_result_usage(struct sweep_result *out) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    out->cpu_user_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    out->cpu_system_s = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    out->max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

/* The runs before, as if they were one with this. */
static void add_base(struct sweep_result *out, const struct sweep_result *base) {
    struct sweep_counts counts = {.targets = base->targets,
                                  .unknown = base->unknown,
                                  .first_expiry_s = base->first_expiry_s,
                                  .conns = base->conns,
                                  .intern = base->intern,
                                  .path = base->path};
    memcpy(counts.statuses, base->statuses, sizeof counts.statuses);
    memcpy(counts.verdicts, base->verdicts, sizeof counts.verdicts);
    memcpy(counts.pkix, base->pkix, sizeof counts.pkix);
    sweep_result_add(out, &counts);
    out->runs = base->runs + 1;
    out->started_ms = base->runs > 0 ? base->started_ms : out->started_ms;
    out->seconds += base->seconds;
    out->cpu_user_s += base->cpu_user_s;
    out->cpu_system_s += base->cpu_system_s;
    if (out->in_flight_peak < base->in_flight_peak) {
        out->in_flight_peak = base->in_flight_peak;
    }
    out->max_rss_bytes =
        out->max_rss_bytes > base->max_rss_bytes ? out->max_rss_bytes : base->max_rss_bytes;
}

/* --- the beginning --- */

/* "" for none, "-" for what cannot be cut back, else the absolute name, whether or not the file is
   there yet. */
static enum err name_output(const char *file, char out[PATH_MAX], struct err_note *note) {
    struct stat info;
    char copy[PATH_MAX], folder[PATH_MAX];
    strcpy(out, file == NULL ? "" : "-");
    if (file == NULL || strcmp(file, "-") == 0) {
        return ERR_NONE;
    }
    if (stat(file, &info) == 0 && !S_ISREG(info.st_mode)) {
        return ERR_NONE;
    }
    const char *slash = strrchr(file, '/'), *last = slash != NULL ? slash + 1 : file;
    bool good = (size_t)snprintf(copy, sizeof copy, "%s", file) < sizeof copy &&
                realpath(dirname(copy), folder) != NULL;
    if (good) {
        int len = snprintf(out, PATH_MAX, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, last);
        good = len > 0 && len < PATH_MAX;
    }
    return good ? ERR_NONE
                : err_note(note, ERR_IO, "%s: cannot open for writing: %s", file, strerror(errno));
}

static const char *file_or_null(const char *name) {
    return name[0] == '\0' || strcmp(name, "-") == 0 ? NULL : name;
}

/* A document for the moment: what is counted here and was before. */
static enum err compose(struct keeping *keeping, const struct sweep_result *now,
                        struct err_note *note) {
    return metadata_compose(keeping->config, now, keeping->metadata, METADATA_BYTES_MAX) > 0
               ? ERR_NONE
               : err_note(note, ERR_RESOURCE, "the metadata have more than %u bytes",
                          METADATA_BYTES_MAX);
}

static size_t compose_arguments(const struct sweep_config *config, char *buffer, size_t capacity) {
    struct json json;
    json_init(&json, buffer, capacity);
    json_array_begin(&json);
    for (int i = 0; i < config->argc; i++) {
        json_text(&json, config->argv[i]);
    }
    json_array_end(&json);
    size_t len = json_finish_line(&json);
    if (len > 0) {
        buffer[len - 1] = '\0';
    }
    return len;
}

/* Tells the keeper; `arguments` and `settings` are composed. */
static enum err tell_keeper(struct keeping *keeping, const char *arguments, const char *settings,
                            struct err_note *note) {
    const struct sweep_result *now = &keeping->now;
    struct keeper_sweep sweep = {.config = keeping->config,
                                 .name = keeping->config->sweep_id,
                                 .arguments = arguments,
                                 .settings = settings,
                                 .metadata = keeping->metadata,
                                 .input = now->input_name,
                                 .input_lines = now->has_digest ? now->input.lines : 0,
                                 .input_sha256 = now->has_digest ? now->input_sha256 : NULL,
                                 .started_ms = now->started_ms,
                                 .output_file = file_or_null(keeping->output_file),
                                 .chains_file = file_or_null(keeping->chains_file),
                                 .resume = keeping->config->resume};
    struct keeper_resumed resumed = {0};
    enum err err = keeping->keeper->begin(keeping->keeper->context, &sweep, &resumed, note);
    if (err != ERR_NONE || !sweep.resume) {
        return err;
    }
    if (!metadata_read(resumed.metadata, &keeping->base)) {
        return err_note(note, ERR_CONFIG, "the store's metadata of sweep %s cannot be read",
                        sweep.name);
    }
    keeping->base.started_ms = resumed.started_ms;
    keeping->has_records = resumed.targets > 0;
    keeping->lens[SINK_RECORDS] = resumed.output_len;
    keeping->lens[SINK_CHAINS] = resumed.chains_len;
    return ERR_NONE;
}

enum err keeping_begin(struct keeping *keeping, const struct sweep_config *config,
                       const struct sweep_result *result, struct err_note *note) {
    *keeping = (struct keeping){.config = config,
                                .keeper = config->keeper,
                                .now = *result,
                                .worker_count = result->plan.workers,
                                .started_ns = clock_mono_ns(&clock_system)};
    keeping->now.runs = 1;
    if (keeping->keeper == NULL) {
        return ERR_NONE;
    }
    keeping->latest = calloc(keeping->worker_count, sizeof *keeping->latest);
    keeping->metadata = malloc(METADATA_BYTES_MAX);
    char *arguments = malloc(METADATA_BYTES_MAX), *settings = malloc(SETTINGS_BYTES_MAX);
    enum err err = ERR_NONE;
    if (keeping->latest == NULL || keeping->metadata == NULL || arguments == NULL ||
        settings == NULL || compose_arguments(config, arguments, METADATA_BYTES_MAX) == 0) {
        err = err_note(note, ERR_RESOURCE, "not enough memory to store the sweep");
    }
    if (err == ERR_NONE) {
        err = name_output(config->output_file, keeping->output_file, note);
    }
    if (err == ERR_NONE) {
        err = name_output(config->chains_file, keeping->chains_file, note);
    }
    if (err == ERR_NONE && settings_compose(config, keeping->output_file, keeping->chains_file,
                                            settings, SETTINGS_BYTES_MAX) == 0) {
        err = err_note(note, ERR_RESOURCE, "the sweep's settings have more than %u bytes",
                       SETTINGS_BYTES_MAX);
    }
    if (err == ERR_NONE) {
        err = compose(keeping, &keeping->now, note);
    }
    if (err == ERR_NONE) {
        err = tell_keeper(keeping, arguments, settings, note);
    }
    free(arguments);
    free(settings);
    keeping->begun = err == ERR_NONE;
    return err;
}

/* --- commits --- */

static enum err put(void *context, const struct sink_block *block, struct err_note *note) {
    struct keeping *keeping = context;
    CHECK(block->giver < keeping->worker_count);
    keeping->latest[block->giver] = block->counts;
    return keeping->keeper->put(keeping->keeper->context,
                                span_of(block->rows.bytes, block->rows.len), note);
}

/* Everything up to here. Until the sweep ends by itself its metadata say "interrupted". */
static void gather(const struct keeping *keeping, struct sweep_result *out) {
    *out = keeping->now;
    out->interrupted = true;
    out->ended_ms = clock_wall_ms(&clock_system);
    out->seconds = (double)(clock_mono_ns(&clock_system) - keeping->started_ns) / (double)NS_PER_S;
    sweep_result_usage(out);
    for (uint32_t i = 0; i < keeping->worker_count; i++) {
        sweep_result_add(out, &keeping->latest[i]);
    }
    add_base(out, &keeping->base);
}

static enum err commit(void *context, const struct sink_state *state, struct err_note *note) {
    struct keeping *keeping = context;
    struct sweep_result now;
    memcpy(keeping->lens, state->lens, sizeof keeping->lens);
    gather(keeping, &now);
    now.chains_written = state->chains_written;
    enum err err = compose(keeping, &now, note);
    struct keeper_commit facts = {.output_len = state->lens[SINK_RECORDS],
                                  .chains_len = state->lens[SINK_CHAINS],
                                  .metadata = keeping->metadata};
    return err == ERR_NONE ? keeping->keeper->commit(keeping->keeper->context, &facts, note) : err;
}

struct sink_keeper keeping_sink(struct keeping *keeping) {
    return keeping->keeper == NULL
               ? (struct sink_keeper){0}
               : (struct sink_keeper){.context = keeping, .put = put, .commit = commit};
}

/* --- the end --- */

enum err keeping_end(struct keeping *keeping, struct sweep_result *result, enum err swept,
                     struct err_note *note) {
    if (!keeping->begun) {
        return ERR_NONE;
    }
    add_base(result, &keeping->base);
    /* What did not reach the store is not in its metadata. */
    struct sweep_result kept = *result;
    if (swept != ERR_NONE) {
        gather(keeping, &kept);
        kept.input = result->input;
    }
    kept.chains_written = result->chains_written;
    enum err err = compose(keeping, &kept, note);
    struct keeper_commit facts = {.output_len = keeping->lens[SINK_RECORDS],
                                  .chains_len = keeping->lens[SINK_CHAINS],
                                  .metadata = keeping->metadata};
    return err != ERR_NONE
               ? err
               : keeping->keeper->end(keeping->keeper->context,
                                      swept == ERR_NONE ? KEEPER_DONE : KEEPER_INTERRUPTED, &facts,
                                      result->has_digest ? result->input_sha256 : NULL,
                                      result->ended_ms, note);
}

void keeping_fini(struct keeping *keeping) {
    free(keeping->latest);
    free(keeping->metadata);
    *keeping = (struct keeping){0};
}
