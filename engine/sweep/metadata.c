#include "engine/sweep/metadata.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/replace.h"
#include "engine/codec/json.h"

const char *const metadata_versions[METADATA_VERSIONS] = {"other", "TLSv1", "TLSv1.1", "TLSv1.2",
                                                          "TLSv1.3"};

static void write_counts(struct json *json, const struct sweep_result *result) {
    json_key(json, "statuses");
    json_object_begin(json);
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        json_key_u64(json, outcome_text((enum outcome)i), result->statuses[i]);
    }
    json_object_end(json);
    json_key(json, "verdicts");
    json_object_begin(json);
    for (int i = 0; i < VERDICT_COUNT; i++) {
        json_key_u64(json, verdict_text((enum verdict)i), result->verdicts[i]);
    }
    json_object_end(json);
    json_key(json, "pkix");
    json_object_begin(json);
    for (int i = 0; i < PKIX_COUNT; i++) {
        json_key_u64(json, pkix_text((enum pkix)i), result->pkix[i]);
    }
    json_object_end(json);
}

static void write_handshakes(struct json *json, const struct conns_stats *conns) {
    json_key(json, "handshakes");
    json_object_begin(json);
    json_key_u64(json, "attempted", conns->opened);
    json_key_u64(json, "connected", conns->connected);
    json_key_u64(json, "completed", conns->completed);
    json_key_u64(json, "proven", conns->proven);
    json_key_u64(json, "captured", conns->captured);
    json_key_u64(json, "fallback", conns->fallback);
    json_key(json, "by_version");
    json_object_begin(json);
    for (size_t i = 0; i < METADATA_VERSIONS; i++) {
        if (conns->by_version[i] > 0) {
            json_key_u64(json, metadata_versions[i], conns->by_version[i]);
        }
    }
    json_object_end(json);
    json_key_u64(json, "bytes_in", conns->bytes_in);
    json_key_u64(json, "bytes_out", conns->bytes_out);
    json_object_end(json);
}

static void write_tables(struct json *json, const struct sweep_result *result) {
    json_key(json, "chains");
    json_object_begin(json);
    json_key_u64(json, "known", result->intern.chain_hits);
    json_key_u64(json, "new", result->intern.chain_misses);
    json_key_u64(json, "evicted", result->intern.evictions);
    json_key_u64(json, "written", result->chains_written);
    json_key_u64(json, "path_sets_built", result->path.sets_built);
    json_key_u64(json, "path_sets_known", result->path.sets_known);
    json_key_u64(json, "paths_verified", result->path.full_verifications);
    json_key_u64(json, "leaves_verified", result->path.leaf_verifications);
    json_key_u64(json, "issuer_edges_known", result->path.edges_known);
    json_key_u64(json, "issuer_edges_built", result->path.edges_built);
    json_object_end(json);
}

size_t metadata_compose(const struct sweep_config *config, const struct sweep_result *result,
                        char *buffer, size_t capacity) {
    struct json json;
    json_init(&json, buffer, capacity - 1);
    json_object_begin(&json);
    json_key_i64(&json, "schema", 1);
    json_key_text(&json, "type", "metadata");
    json_key_text(&json, "sweep", config->sweep_id);
    json_key_text(&json, "version", PINSWEEP_VERSION);
    json_key_text(&json, "boringssl", PINSWEEP_BORINGSSL);
    json_key(&json, "arguments");
    json_array_begin(&json);
    for (int i = 0; i < config->argc; i++) {
        json_text(&json, config->argv[i]);
    }
    json_array_end(&json);
    json_key_u64(&json, "seed", config->inventory.seed);
    json_key_text(&json, "input", result->input_name);
    json_key(&json, "input_sha256");
    json_hex(&json, span_of(result->input_sha256, result->has_digest ? SHA256_LEN : 0));
    json_key_u64(&json, "input_lines", result->input.lines);
    json_key_u64(&json, "accepted", result->input.accepted);
    json_key_u64(&json, "rejected", result->input.rejected);
    json_key_u64(&json, "skipped", result->input.skipped);
    json_key_u64(&json, "targets", result->targets);
    json_key(&json, "started");
    json_time_ms(&json, result->started_ms);
    json_key(&json, "ended");
    json_time_ms(&json, result->ended_ms);
    json_key_bool(&json, "interrupted", result->interrupted);
    json_key(&json, "first_expiry");
    json_time_s(&json,
                result->first_expiry_s > 0 ? (int64_t)result->first_expiry_s : DATETIME_NONE);
    json_key_u64(&json, "runs", result->runs);
    json_key(&json, "seconds");
    json_milli(&json, (int64_t)(result->seconds * 1000));
    json_key_u64(&json, "unknown", result->unknown);
    write_counts(&json, result);
    json_key_text(&json, "depth", depth_text(config->depth));
    json_key_text(&json, "depth_warning",
                  config->depth == DEPTH_COMPLETE
                      ? ""
                      : "handshakes were left unfinished: servers and their monitoring may have "
                        "logged that");
    json_key_bool(&json, "escalate", config->escalate);
    write_handshakes(&json, &result->conns);
    write_tables(&json, result);
    json_key_u64(&json, "workers", result->plan.workers);
    json_key_u64(&json, "concurrency", result->plan.concurrency);
    json_key_u64(&json, "in_flight_peak", result->in_flight_peak);
    json_key(&json, "cpu_seconds");
    json_object_begin(&json);
    json_key(&json, "user");
    json_milli(&json, (int64_t)(result->cpu_user_s * 1000));
    json_key(&json, "system");
    json_milli(&json, (int64_t)(result->cpu_system_s * 1000));
    json_object_end(&json);
    json_key_u64(&json, "max_rss_bytes", result->max_rss_bytes);
    json_object_end(&json);
    size_t len = json_finish_line(&json);
    buffer[len] = '\0';
    return len;
}

enum err metadata_write(const char *file, const struct sweep_config *config,
                        const struct sweep_result *result, struct err_note *note) {
    char *buffer = malloc(METADATA_BYTES_MAX);
    if (buffer == NULL) {
        return err_note(note, ERR_RESOURCE, "%s: no memory for the metadata", file);
    }
    size_t len = metadata_compose(config, result, buffer, METADATA_BYTES_MAX);
    enum err err = ERR_NONE;
    if (len == 0) {
        err = err_note(note, ERR_RESOURCE, "%s: the metadata have more than %u bytes", file,
                       METADATA_BYTES_MAX);
    } else if (!replace_file(file, span_of(buffer, len))) {
        err = err_note(note, ERR_IO, "%s: cannot write the metadata: %s", file, strerror(errno));
    }
    free(buffer);
    return err;
}
