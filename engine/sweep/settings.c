#include "engine/sweep/settings.h"

#include "engine/codec/json.h"

static void write_inventory(struct json *json, const struct inventory_config *inventory) {
    static const char *const formats[] = {[INVENTORY_AUTO] = "auto",
                                          [INVENTORY_PLAIN] = "plain",
                                          [INVENTORY_CSV] = "csv",
                                          [INVENTORY_ZGRAB2] = "zgrab2",
                                          [INVENTORY_NDJSON] = "ndjson"};
    json_key_text(json, "format", formats[inventory->format]);
    json_key_u64(json, "port", inventory->default_port);
    json_key_u64(json, "max-range", inventory->range_max);
    json_key_bool(json, "shuffle", inventory->shuffle);
    json_key_u64(json, "shards", inventory->shards);
    json_key_u64(json, "shard", inventory->shard);
}

static void write_network(struct json *json, const struct sweep_config *config) {
    json_key_bool(json, "ipv4", config->ipv4);
    json_key_bool(json, "ipv6", config->ipv6);
    json_key_bool(json, "no-sni", !config->use_sni);
    json_key_text(json, "sni", config->sni);
    json_key_bool(json, "all-addresses", config->all_addresses);
    json_key_text(json, "min-version", tls_version_text(config->tls.min_version));
    json_key_text(json, "max-version", tls_version_text(config->tls.max_version));
    json_key_text(json, "alpn", config->tls.alpn);
    json_key_text(json, "groups", config->tls.groups);
    json_key_text(json, "depth", depth_text(config->depth));
    json_key_bool(json, "no-escalate", !config->escalate);
    json_key(json, "key-types");
    json_array_begin(json);
    for (uint32_t i = 0; i < config->key_view_count; i++) {
        json_text(json, key_view_text(config->key_views[i]));
    }
    json_array_end(json);
}

static void write_judging(struct json *json, const struct sweep_config *config) {
    json_key(json, "policy");
    json_hex(json, span_of(config->policy_sha256, SHA256_LEN));
    json_key(json, "at");
    json_time_s(json, config->at_unix_s);
    json_key(json, "trust");
    json_object_begin(json);
    for (uint32_t i = 0; i < config->trust->count; i++) {
        uint8_t digest[SHA256_LEN];
        trust_profile_digest(&config->trust->profiles[i], digest);
        json_key_span(json, span_str(config->trust->profiles[i].name));
        json_hex(json, span_of(digest, SHA256_LEN));
    }
    json_object_end(json);
}

size_t settings_compose(const struct sweep_config *config, const char *output_file,
                        const char *chains_file, char *buffer, size_t capacity) {
    struct json json;
    json_init(&json, buffer, capacity);
    json_object_begin(&json);
    json_key_text(&json, "output-file", output_file);
    json_key_text(&json, "chains-out", chains_file);
    json_key_bool(&json, "chains-pem", config->chains_pem);
    json_key_text(&json, "chain-detail", config->chain_detail == CHAIN_DETAIL_IDS ? "ids" : "full");
    write_inventory(&json, &config->inventory);
    write_network(&json, config);
    write_judging(&json, config);
    json_object_end(&json);
    size_t len = json_finish_line(&json);
    if (len > 0) {
        buffer[len - 1] = '\0';
    }
    return len;
}
