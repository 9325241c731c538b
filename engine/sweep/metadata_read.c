/* The counts of a metadata document, for a sweep that goes on. */
#include <cjson/cJSON.h>

#include "engine/codec/datetime.h"
#include "engine/sweep/metadata.h"

static uint64_t number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    /* doubles count exactly to 2^53; what is more (or NaN) was never counted */
    return cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble <= 0x1p53
               ? (uint64_t)item->valuedouble
               : 0;
}

static double real_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static uint64_t time_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    int64_t unix_s;
    return cJSON_IsString(item) && datetime_parse(span_str(item->valuestring), &unix_s) &&
                   unix_s > 0
               ? (uint64_t)unix_s
               : 0;
}

static void read_counts(const cJSON *document, struct sweep_result *out) {
    const cJSON *statuses = cJSON_GetObjectItemCaseSensitive(document, "statuses");
    const cJSON *verdicts = cJSON_GetObjectItemCaseSensitive(document, "verdicts");
    const cJSON *pkix = cJSON_GetObjectItemCaseSensitive(document, "pkix");
    out->targets = number_of(document, "targets");
    out->unknown = number_of(document, "unknown");
    out->first_expiry_s = time_of(document, "first_expiry");
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        out->statuses[i] = number_of(statuses, outcome_text((enum outcome)i));
    }
    for (int i = 0; i < VERDICT_COUNT; i++) {
        out->verdicts[i] = number_of(verdicts, verdict_text((enum verdict)i));
    }
    for (int i = 0; i < PKIX_COUNT; i++) {
        out->pkix[i] = number_of(pkix, pkix_text((enum pkix)i));
    }
}

static void read_handshakes(const cJSON *handshakes, struct conns_stats *out) {
    const cJSON *versions = cJSON_GetObjectItemCaseSensitive(handshakes, "by_version");
    out->opened = number_of(handshakes, "attempted");
    out->connected = number_of(handshakes, "connected");
    out->completed = number_of(handshakes, "completed");
    out->proven = number_of(handshakes, "proven");
    out->captured = number_of(handshakes, "captured");
    out->fallback = number_of(handshakes, "fallback");
    out->bytes_in = number_of(handshakes, "bytes_in");
    out->bytes_out = number_of(handshakes, "bytes_out");
    for (size_t i = 0; i < METADATA_VERSIONS; i++) {
        out->by_version[i] = number_of(versions, metadata_versions[i]);
    }
}

static void read_tables(const cJSON *chains, struct sweep_result *out) {
    out->intern.chain_hits = number_of(chains, "known");
    out->intern.chain_misses = number_of(chains, "new");
    out->intern.evictions = number_of(chains, "evicted");
    out->path.sets_built = number_of(chains, "path_sets_built");
    out->path.sets_known = number_of(chains, "path_sets_known");
    out->path.edges_known = number_of(chains, "issuer_edges_known");
    out->path.edges_built = number_of(chains, "issuer_edges_built");
    out->path.full_verifications = number_of(chains, "paths_verified");
    out->path.leaf_verifications = number_of(chains, "leaves_verified");
}

bool metadata_read(const char *text, struct sweep_result *out) {
    cJSON *document = cJSON_Parse(text);
    const cJSON *started = cJSON_GetObjectItemCaseSensitive(document, "started");
    const cJSON *cpu = cJSON_GetObjectItemCaseSensitive(document, "cpu_seconds");
    int64_t started_s;
    if (!cJSON_IsString(started) || !datetime_parse(span_str(started->valuestring), &started_s)) {
        cJSON_Delete(document);
        return false;
    }
    *out = (struct sweep_result){.started_ms = started_s * 1000,
                                 .runs = (uint32_t)number_of(document, "runs"),
                                 .seconds = real_of(document, "seconds"),
                                 .cpu_user_s = real_of(cpu, "user"),
                                 .cpu_system_s = real_of(cpu, "system"),
                                 .max_rss_bytes = number_of(document, "max_rss_bytes"),
                                 .in_flight_peak = number_of(document, "in_flight_peak")};
    read_counts(document, out);
    read_handshakes(cJSON_GetObjectItemCaseSensitive(document, "handshakes"), &out->conns);
    read_tables(cJSON_GetObjectItemCaseSensitive(document, "chains"), out);
    cJSON_Delete(document);
    return true;
}
