/* The changes as NDJSON: data/diff.schema.json. */
#include <stdlib.h>

#include "engine/codec/json.h"
#include "engine/history/diff.h"

#define LINE_BYTES (1u << 20) /* both sides with all texts at their bound fit */
#define TEXT_BYTES_MAX 4096   /* of a text that was read from a file: longer ones are cut */
#define ADDRESSES_TOLD_MAX 32

static void write_text(struct json *json, const char *key, const char *text) {
    json_key_string(json, key, span_of(text, strnlen(text, TEXT_BYTES_MAX)));
}

static void write_digest(struct json *json, const char *key, const uint8_t *digest) {
    json_key(json, key);
    json_hex(json, span_of(digest, digest != NULL ? SHA256_LEN : 0));
}

static void write_key(struct json *json, const char *key, const struct snapshot_cert *cert) {
    json_key(json, key);
    json_base64(json, span_of(cert != NULL ? cert->spki_sha256 : NULL,
                              cert != NULL && cert->has_spki ? SHA256_LEN : 0));
}

static void write_time(struct json *json, const char *key, int64_t unix_s) {
    json_key(json, key);
    if (unix_s == DATETIME_NONE) {
        json_null(json);
    } else {
        json_time_s(json, unix_s);
    }
}

static void write_cert(struct json *json, const struct snapshot_cert *cert) {
    write_digest(json, "certificate", cert != NULL ? cert->cert_sha256 : NULL);
    write_key(json, "spki_sha256", cert);
    write_text(json, "subject", cert != NULL ? cert->subject : "");
    write_text(json, "issuer", cert != NULL ? cert->issuer : "");
    write_time(json, "not_before", cert != NULL ? cert->not_before : DATETIME_NONE);
    write_time(json, "not_after", cert != NULL ? cert->not_after : DATETIME_NONE);
}

/* The preferred path of the side's chain in the change's profile, else in the first that has one.
 */
static const struct snapshot_path *path_of(const struct snapshot *snapshot,
                                           const struct diff_side *side, const char *trust) {
    if (side->view == SNAPSHOT_NONE || snapshot->views[side->view].chain == SNAPSHOT_NONE) {
        return NULL;
    }
    const struct snapshot_chain *chain = &snapshot->chains[snapshot->views[side->view].chain];
    uint32_t profile = snapshot_find_profile(snapshot, trust);
    for (uint32_t p = chain->first_path; p < chain->first_path + chain->path_count; p++) {
        const struct snapshot_path *path = &snapshot->paths[p];
        if (path->preferred && (trust[0] == '\0' || path->profile == profile)) {
            return path;
        }
    }
    return NULL;
}

static void write_path(struct json *json, const struct snapshot *snapshot,
                       const struct snapshot_path *path) {
    uint32_t count = path != NULL ? path->cert_count : 0;
    const struct snapshot_cert *anchor = NULL;
    json_key(json, "path");
    json_array_begin(json);
    for (uint32_t i = 0; i < count; i++) {
        anchor = &snapshot->certs[snapshot->path_certs[path->first_cert + i]];
        json_hex(json, span_of(anchor->cert_sha256, SHA256_LEN));
    }
    json_array_end(json);
    write_text(json, "anchor_subject", anchor != NULL ? anchor->subject : "");
    write_key(json, "anchor_spki_sha256", anchor);
}

static void write_addresses(struct json *json, const struct snapshot *snapshot,
                            const struct snapshot_target *target) {
    json_key(json, "addresses");
    json_array_begin(json);
    for (uint32_t i = 0; i < target->view_count && i < ADDRESSES_TOLD_MAX; i++) {
        const char *address = snapshot->views[target->first_view + i].address;
        bool seen = address[0] == '\0';
        for (uint32_t j = 0; j < i && !seen; j++) {
            seen = strcmp(snapshot->views[target->first_view + j].address, address) == 0;
        }
        if (!seen) {
            json_string(json, span_of(address, strnlen(address, 64)));
        }
    }
    json_array_end(json);
}

/* A change of the endpoint as a whole has its first certificate as evidence. */
static struct diff_side with_view(const struct snapshot *snapshot, struct diff_side side) {
    const struct snapshot_target *target = &snapshot->targets[side.target];
    for (uint32_t i = target->first_view;
         side.view == SNAPSHOT_NONE && i < target->first_view + target->view_count; i++) {
        const struct snapshot_view *view = &snapshot->views[i];
        if (view->status == OUTCOME_SUCCESS && view->chain != SNAPSHOT_NONE &&
            snapshot->chains[view->chain].cert_count > 0) {
            side.view = i;
        }
    }
    if (side.cert == SNAPSHOT_NONE && side.set == SNAPSHOT_NONE && side.view != SNAPSHOT_NONE &&
        snapshot->views[side.view].chain != SNAPSHOT_NONE) {
        const struct snapshot_chain *chain = &snapshot->chains[snapshot->views[side.view].chain];
        side.cert =
            chain->cert_count > 0 ? snapshot->chain_certs[chain->first_cert] : SNAPSHOT_NONE;
    }
    return side;
}

static void write_side(struct json *json, const char *key, const struct snapshot *snapshot,
                       const struct diff_side *given, const char *trust, enum pkix pkix) {
    json_key(json, key);
    if (given->target == SNAPSHOT_NONE) {
        json_null(json);
        return;
    }
    const struct diff_side filled = with_view(snapshot, *given), *side = &filled;
    const struct snapshot_target *target = &snapshot->targets[side->target];
    const struct snapshot_view *view =
        side->view == SNAPSHOT_NONE ? NULL : &snapshot->views[side->view];
    const struct snapshot_set *set = side->set == SNAPSHOT_NONE ? NULL : &snapshot->sets[side->set];
    json_object_begin(json);
    json_key(json, "time");
    json_time_ms(json, target->time_ms);
    json_key_text(json, "status",
                  outcome_text(given->view != SNAPSHOT_NONE ? view->status : target->status));
    json_key_text(json, "verdict", verdict_text(set != NULL ? set->verdict : target->verdict));
    json_key_text(json, "would_be", set != NULL ? verdict_text(set->would_be) : "");
    write_text(json, "pin", set != NULL ? set->pin : "");
    write_text(json, "reason", set != NULL ? set->reason : "");
    write_time(json, "expires", set != NULL ? set->expires : DATETIME_NONE);
    write_text(json, "address", view != NULL ? view->address : "");
    write_digest(json, "chain_id",
                 view != NULL && view->chain != SNAPSHOT_NONE ? snapshot->chains[view->chain].id
                                                              : NULL);
    write_cert(json, side->cert == SNAPSHOT_NONE ? NULL : &snapshot->certs[side->cert]);
    write_path(json, snapshot, path_of(snapshot, side, trust));
    json_key_text(json, "pkix", pkix == PKIX_NOT_CHECKED ? "" : pkix_text(pkix));
    write_addresses(json, snapshot, target);
    json_object_end(json);
}

static const char *trust_of(const struct diff *diff, const struct diff_change *change) {
    return change->trust == UINT8_MAX ? "" : diff->after->profiles[change->trust];
}

static const char *set_of(const struct diff *diff, const struct diff_change *change) {
    return change->after.set != SNAPSHOT_NONE    ? diff->after->sets[change->after.set].name
           : change->before.set != SNAPSHOT_NONE ? diff->before->sets[change->before.set].name
                                                 : "";
}

static void write_change(struct json *json, const struct diff *diff,
                         const struct diff_change *change) {
    const struct snapshot_target *target = change->after.target != SNAPSHOT_NONE
                                               ? &diff->after->targets[change->after.target]
                                               : &diff->before->targets[change->before.target];
    char detail[512];
    size_t len = diff_describe(diff, change, detail, sizeof detail);
    json_object_begin(json);
    json_key_i64(json, "schema", 1);
    json_key_text(json, "type", "change");
    json_key_text(json, "change", diff_kinds[change->kind].name);
    json_key_bool(json, "regression", change->regression);
    write_text(json, "host", target->host);
    json_key_i64(json, "port", target->port);
    write_text(json, "sni", target->sni);
    write_text(json, "pin_host", target->pin_host);
    write_text(json, "tag", target->tag);
    write_text(json, "owner", target->owner);
    write_text(json, "application", target->application);
    json_key_text(json, "key_type",
                  change->key_type < KEY_VIEW_COUNT ? key_view_text((enum key_view)change->key_type)
                                                    : "");
    write_text(json, "trust", trust_of(diff, change));
    write_text(json, "pin_set", set_of(diff, change));
    json_key_i64(json, "window_days", change->window_days);
    json_key_string(json, "detail", span_of(detail, len));
    write_side(json, "before", diff->before, &change->before, trust_of(diff, change),
               (enum pkix)change->pkix_before);
    write_side(json, "after", diff->after, &change->after, trust_of(diff, change),
               (enum pkix)change->pkix_after);
    json_object_end(json);
}

static void write_sweep(struct json *json, const char *key, const struct snapshot *snapshot) {
    json_key(json, key);
    json_object_begin(json);
    write_text(json, "source", snapshot->meta.source);
    write_text(json, "sweep", snapshot->meta.sweep);
    json_key(json, "started");
    json_time_ms(json, snapshot->meta.started_ms);
    json_key_bool(json, "whole", snapshot->meta.whole);
    json_key_u64(json, "targets", snapshot->targets_count);
    json_object_end(json);
}

static void write_summary(struct json *json, const struct diff *diff) {
    json_object_begin(json);
    json_key_i64(json, "schema", 1);
    json_key_text(json, "type", "diff-summary");
    write_sweep(json, "before", diff->before);
    write_sweep(json, "after", diff->after);
    json_key_u64(json, "matched", diff->matched);
    json_key_u64(json, "unchanged", diff->unchanged);
    json_key_u64(json, "not_compared", diff->not_compared);
    json_key_u64(json, "regressions", diff->regressions);
    json_key(json, "windows_days");
    json_array_begin(json);
    for (uint32_t i = 0; i < diff->options.window_count; i++) {
        json_i64(json, diff->options.windows_days[i]);
    }
    json_array_end(json);
    json_key(json, "changes");
    json_object_begin(json);
    for (int i = 0; i < DIFF_KIND_COUNT; i++) {
        json_key_u64(json, diff_kinds[i].name, diff->counts[i]);
    }
    json_object_end(json);
    json_object_end(json);
}

bool diff_write(const struct diff *diff, FILE *out) {
    struct json json;
    char *line = malloc(LINE_BYTES);
    bool good = line != NULL;
    for (uint32_t i = 0; good && i <= diff->change_count; i++) {
        json_init(&json, line, LINE_BYTES);
        if (i < diff->change_count) {
            write_change(&json, diff, &diff->changes[i]);
        } else {
            write_summary(&json, diff);
        }
        size_t len = json_finish_line(&json);
        CHECK(len > 0);
        good = fwrite(line, 1, len, out) == len;
    }
    free(line);
    return good && fflush(out) == 0;
}
