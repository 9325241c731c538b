#include "engine/sweep/report.h"

#include "engine/codec/dname.h"
#include "engine/codec/json.h"

static const char *const detail_texts[REPORT_DETAIL_COUNT] = {
    [REPORT_FULL] = "full", [REPORT_IDS] = "ids",           [REPORT_PREFERRED] = "preferred",
    [REPORT_NONE] = "none", [REPORT_VERDICTS] = "verdicts",
};

static void write_time(struct json *json, const char *key, int64_t unix_s) {
    json_key(json, key);
    if (unix_s == DATETIME_NONE) {
        json_null(json);
    } else {
        json_time_s(json, unix_s);
    }
}

/* As people write a date: "2027-06-01"; null if there is none. */
static void write_date(struct json *json, const char *key, int64_t unix_s) {
    char text[DATETIME_LEN_MAX];
    json_key(json, key);
    if (unix_s == DATETIME_NONE) {
        json_null(json);
    } else {
        json_string(json, span_of(text, datetime_format_date(text, unix_s)));
    }
}

static void write_name(struct json *json, const char *key, struct span name_der) {
    char text[DNAME_TEXT_MAX];
    size_t len = name_der.len > 0 ? dname_format(text, name_der) : 0;
    json_key_string(json, key, span_of(text, len));
}

static void write_digest_hex(struct json *json, const uint8_t digest[SHA256_LEN]) {
    json_hex(json, span_of(digest, SHA256_LEN));
}

static void write_cert_hex(struct json *json, const char *key, const struct cert_record *cert) {
    json_key(json, key);
    if (cert == NULL) {
        json_text(json, "");
    } else {
        write_digest_hex(json, cert->cert_sha256);
    }
}

static void write_pin(struct json *json, const char *key, const struct pin *pin) {
    json_key_text(json, key, pin != NULL ? pin->text : "");
}

bool report_on_path(const struct path_set *paths, const struct cert_record *cert) {
    for (uint32_t p = 0; p < paths->profile_count; p++) {
        const struct profile_paths *profile = &paths->profiles[p];
        for (uint16_t i = 0; i < profile->ok_count; i++) {
            for (uint8_t depth = 0; depth < profile->paths[i].count; depth++) {
                const struct cert_record *other = profile->paths[i].certs[depth];
                if (other == cert ||
                    memcmp(other->cert_sha256, cert->cert_sha256, SHA256_LEN) == 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

bool report_has_depth(const struct probe *probe) {
    return probe->outcome == OUTCOME_SUCCESS || probe->facts.proof == PROOF_POSSESSION;
}

const char *report_view_error(const struct probe *probe) {
    if (probe->facts.error[0] != '\0') {
        return probe->facts.error;
    }
    if (probe->outcome == OUTCOME_SUCCESS && probe->chain != NULL && probe->chain->malformed) {
        return "an extra certificate of the chain is malformed";
    }
    return "";
}

static void write_cert_fields(struct json *json, const struct cert_record *cert) {
    const struct cert_fields *fields = &cert->fields;
    write_name(json, "subject", fields->subject);
    write_name(json, "issuer", fields->issuer);
    json_key(json, "serial");
    json_hex(json, fields->serial);
    write_time(json, "not_before", cert->strict ? fields->not_before : DATETIME_NONE);
    write_time(json, "not_after", cert->strict ? fields->not_after : DATETIME_NONE);
}

static void write_chain(struct json *json, const struct chain *chain, const struct path_set *paths,
                        enum report_detail detail) {
    json_key(json, "chain");
    json_array_begin(json);
    for (uint32_t i = 0; chain != NULL && detail <= REPORT_IDS && i < chain->count; i++) {
        const struct cert_record *cert = chain->certs[i];
        json_object_begin(json);
        write_cert_hex(json, "cert_sha256", cert);
        json_key(json, "spki_sha256");
        if (cert->has_spki) {
            json_base64(json, span_of(cert->spki_sha256, SHA256_LEN));
        } else {
            json_text(json, "");
        }
        if (detail == REPORT_FULL) {
            write_cert_fields(json, cert);
        }
        json_key_bool(json, "on_path", paths != NULL && report_on_path(paths, cert));
        json_key_bool(json, "strict", cert->strict);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_path(struct json *json, const char *trust, const struct path *path,
                       bool preferred, bool valid) {
    const struct cert_record *anchor = path->certs[path->count - 1];
    json_object_begin(json);
    json_key_text(json, "trust", trust);
    json_key_bool(json, "preferred", preferred);
    json_key_bool(json, "valid", valid);
    json_key(json, "certificates");
    json_array_begin(json);
    for (uint8_t depth = 0; depth < path->count; depth++) {
        write_digest_hex(json, path->certs[depth]->cert_sha256);
    }
    json_array_end(json);
    write_name(json, "anchor_subject", anchor->fields.subject);
    json_key(json, "anchor_spki_sha256");
    json_base64(json, span_of(anchor->spki_sha256, SHA256_LEN));
    write_time(json, "not_after", path->not_after);
    json_object_end(json);
}

static void write_paths(struct json *json, const struct judgement *judgement,
                        const struct path_set *paths, enum report_detail detail) {
    const struct trust_store *trust = judgement->config->trust;
    json_key(json, "paths");
    json_array_begin(json);
    for (uint32_t p = 0; paths != NULL && detail <= REPORT_PREFERRED && p < paths->profile_count;
         p++) {
        const struct profile_paths *profile = &paths->profiles[p];
        bool valid;
        int preferred = path_preferred(profile, judgement->judged_at_s, &valid);
        for (uint16_t i = 0; i < profile->ok_count; i++) {
            if (detail < REPORT_PREFERRED || i == preferred) {
                write_path(json, trust->profiles[p].name, &profile->paths[i], i == preferred,
                           path_valid_at(&profile->paths[i], judgement->judged_at_s));
            }
        }
    }
    json_array_end(json);
}

static void write_pkix(struct json *json, const struct judgement *judgement,
                       const struct path_set *paths, enum report_detail detail) {
    const struct trust_store *trust = judgement->config->trust;
    json_key(json, "pkix");
    json_array_begin(json);
    for (uint32_t p = 0; p < trust->count; p++) {
        enum pkix result = paths != NULL ? path_pkix(&paths->profiles[p], judgement->judged_at_s)
                                         : PKIX_NOT_CHECKED;
        json_object_begin(json);
        json_key_text(json, "trust", trust->profiles[p].name);
        json_key_text(json, "result", pkix_text(result));
        json_key_text(json, "detail",
                      paths != NULL && result != PKIX_OK && detail < REPORT_VERDICTS
                          ? paths->profiles[p].detail
                          : "");
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_duration(struct json *json, const char *key, uint64_t from_ns, uint64_t to_ns) {
    json_key(json, key);
    json_milli(json,
               from_ns != 0 && to_ns >= from_ns ? (int64_t)((to_ns - from_ns) / 1000) : -1000);
}

static void write_timing(struct json *json, const struct target *target,
                         const struct probe *probe) {
    json_key(json, "timing_ms");
    json_object_begin(json);
    json_key(json, "dns");
    json_milli(json, target->dns_ns != 0 ? (int64_t)(target->dns_ns / 1000) : -1000);
    write_duration(json, "connect", probe->opened_ns, probe->connected_ns);
    write_duration(json, "tls", probe->connected_ns, probe->finished_ns);
    json_object_end(json);
}

static void write_view(struct json *json, const struct judgement *judgement,
                       const struct probe *probe, enum report_detail detail) {
    const struct target *target = judgement->target;
    const struct tls_facts *facts = &probe->facts;
    const struct chain *chain = probe->chain;
    const struct path_set *paths = judge_view_counts(probe) ? chain->paths : NULL;
    char address[NETADDR_TEXT_MAX], leaf_key[24] = "";
    netaddr_format(address, &target->addresses[probe->address_idx]);
    if (chain != NULL && chain->certs[0]->strict) {
        cert_key_text(leaf_key, chain->certs[0]->fields.key, chain->certs[0]->fields.key_bits);
    }
    json_object_begin(json);
    json_key_text(json, "address", address);
    json_key_text(json, "key_type", key_view_text(probe->key_view));
    json_key_text(json, "status", outcome_text(probe->outcome));
    json_key_text(json, "error", report_view_error(probe));
    json_key_i64(json, "attempts", probe->attempts);
    json_key_text(json, "depth", report_has_depth(probe) ? depth_text(facts->depth) : "");
    json_key_text(json, "proof", proof_text(facts->proof));
    json_key_text(json, "tls_version", tls_version_text(facts->version));
    json_key_text(json, "cipher", tls_cipher_text(facts->cipher));
    json_key_text(json, "group", tls_group_text(facts->group));
    json_key_text(json, "alpn", facts->alpn);
    json_key_bool(json, "client_cert_requested", facts->client_cert_requested);
    json_key_text(json, "leaf_key", leaf_key);
    json_key_text(json, "signature_scheme", tls_signature_text(facts->peer_signature));
    json_key(json, "chain_id");
    if (chain != NULL) {
        write_digest_hex(json, chain->id);
    } else {
        json_text(json, "");
    }
    write_chain(json, chain, paths, detail);
    write_paths(json, judgement, paths, detail);
    write_pkix(json, judgement, paths, detail);
    json_key_bool(json, "host_match", judge_host_match(target, probe));
    write_timing(json, target, probe);
    json_object_end(json);
}

static const char *unit_trust(const struct judgement *judgement, const struct verdict_unit *unit) {
    return unit->profile_idx >= 0 ? judgement->config->trust->profiles[unit->profile_idx].name : "";
}

static void write_unit(struct json *json, const struct judgement *judgement,
                       const struct verdict_unit *unit) {
    json_object_begin(json);
    json_key_i64(json, "view", unit->view_idx);
    json_key_text(json, "trust", unit_trust(judgement, unit));
    json_key_i64(json, "path", unit->path_idx);
    if (verdict_is_match(unit->verdict)) {
        json_key_i64(json, "path_depth", unit->path_depth);
        write_pin(json, "pin", unit->pin);
        json_key_text(json, "role", pin_role_text(unit->pin->role));
        write_cert_hex(json, "certificate", unit->cert);
        json_key_bool(json, "durable", unit->durable);
    } else {
        json_key_text(json, "reason", unit->reason);
        json_key_text(json, "verdict", verdict_text(unit->verdict));
        write_pin(json, "pin", unit->pin);
        write_cert_hex(json, "certificate", unit->cert);
    }
    json_object_end(json);
}

static void write_units(struct json *json, const char *key, const struct judgement *judgement,
                        const struct set_verdict *set, enum report_detail detail, bool matching) {
    json_key(json, key);
    json_array_begin(json);
    for (uint32_t i = set->first_unit;
         detail < REPORT_VERDICTS && i < set->first_unit + set->unit_count &&
         i < judgement->unit_count;
         i++) {
        if (verdict_is_match(judgement->units[i].verdict) == matching) {
            write_unit(json, judgement, &judgement->units[i]);
        }
    }
    json_array_end(json);
}

static void write_set(struct json *json, const struct judgement *judgement,
                      const struct set_verdict *verdict, enum report_detail detail) {
    const struct pin_set *set = verdict->set;
    json_object_begin(json);
    json_key_text(json, "name", set->name);
    json_key_text(json, "verdict", verdict_text(verdict->verdict));
    json_key_text(json, "would_be", verdict_text(verdict->would_be));
    json_key_bool(json, "durable", verdict->durable);
    json_key_text(json, "client", pin_client_text(set->client));
    json_key_text(json, "scope", pin_scope_text(set->scope));
    json_key_text(json, "application", set->application);
    json_key_text(json, "owner", set->owner);
    write_date(json, "expires", set->expires);
    write_units(json, "matches", judgement, verdict, detail, true);
    write_units(json, "failed", judgement, verdict, detail, false);
    json_object_end(json);
}

/* All pin sets as they apply, or only `limit` of them, the worst first. */
static void write_sets(struct json *json, const struct judgement *judgement,
                       enum report_detail detail, size_t limit) {
    bool all = limit >= judgement->set_count;
    json_key(json, "pin_sets");
    json_array_begin(json);
    for (size_t i = 0; all && i < judgement->set_count; i++) {
        write_set(json, judgement, &judgement->sets[i], detail);
    }
    size_t written = 0;
    for (int verdict = 0; !all && verdict < VERDICT_COUNT; verdict++) {
        for (size_t i = 0; i < judgement->set_count && written < limit; i++) {
            if (judgement->sets[i].verdict == (enum verdict)verdict) {
                write_set(json, judgement, &judgement->sets[i], detail);
                written++;
            }
        }
    }
    json_array_end(json);
    json_key_u64(json, "pin_sets_omitted", all ? 0 : judgement->set_count - written);
}

const char *report_target_error(const struct judgement *judgement) {
    const struct target *target = judgement->target;
    for (uint32_t i = 0; judgement->status != OUTCOME_SUCCESS && i < target->probe_count; i++) {
        if (target->probes[i].outcome == judgement->status) {
            return report_view_error(&target->probes[i]);
        }
    }
    return target->error;
}

static size_t write_record(const struct judgement *judgement, enum report_detail detail,
                           size_t set_limit, char *buffer, size_t capacity) {
    const struct target *target = judgement->target;
    struct json json;
    json_init(&json, buffer, capacity);
    json_object_begin(&json);
    json_key_i64(&json, "schema", 1);
    json_key_text(&json, "type", "verdict");
    json_key_text(&json, "sweep", judgement->config->sweep_id);
    json_key_u64(&json, "line", target->line);
    json_key_text(&json, "host", target->host);
    json_key_i64(&json, "port", target->port);
    json_key_text(&json, "sni", target->sni);
    json_key_text(&json, "pin_host", target->pin_host);
    json_key_text(&json, "tag", target->tag);
    json_key_text(&json, "owner", target->owner);
    json_key_text(&json, "application", target->application);
    json_key(&json, "time");
    json_time_ms(&json, judgement->time_ms);
    json_key_text(&json, "status", outcome_text(judgement->status));
    json_key_text(&json, "error", report_target_error(judgement));
    json_key_text(&json, "verdict", verdict_text(judgement->verdict));
    json_key_bool(&json, "complete", judgement->complete);
    json_key_i64(&json, "views_failed", judgement->views_failed);
    json_key_text(&json, "proof", proof_text(judge_proof(judgement)));
    write_sets(&json, judgement, detail, set_limit);
    json_key(&json, "views");
    json_array_begin(&json);
    for (uint32_t i = 0; i < target->probe_count; i++) {
        write_view(&json, judgement, &target->probes[i], detail);
    }
    json_array_end(&json);
    json_key_text(&json, "detail", detail_texts[detail]);
    json_object_end(&json);
    return json_finish_line(&json);
}

size_t report_write(const struct judgement *judgement, enum report_detail detail, char *buffer,
                    size_t capacity) {
    return write_record(judgement, detail, SIZE_MAX, buffer, capacity);
}

size_t report_write_fitting(const struct judgement *judgement, enum report_detail most,
                            char *buffer, size_t capacity) {
    size_t len = 0;
    for (enum report_detail detail = most; len == 0 && detail < REPORT_DETAIL_COUNT; detail++) {
        len = report_write(judgement, detail, buffer, capacity);
    }
    for (size_t limit = judgement->set_count; len == 0 && limit > 0;) {
        limit /= 2;
        len = write_record(judgement, REPORT_VERDICTS, limit, buffer, capacity);
    }
    return len;
}
