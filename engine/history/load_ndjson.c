#include "engine/history/load_ndjson.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/limits.h"

PRINTF_LIKE(2, 3)
static enum err broken(struct loader *loader, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return err_note(loader->note, ERR_INPUT, "%s:%" PRIu64 ": %s", loader->file, loader->line,
                    text);
}

/* --- words --- */

static bool outcome_find(struct span text, enum outcome *out) {
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        if (span_equal_str(text, outcome_text((enum outcome)i))) {
            *out = (enum outcome)i;
            return true;
        }
    }
    return false;
}

static void fault_unless(struct loader *loader, bool good, const char *key) {
    if (!good && loader->fault == NULL) {
        loader->fault = key;
    }
}

static enum outcome load_status(struct loader *loader, const cJSON *object) {
    enum outcome status = OUTCOME_SUCCESS;
    fault_unless(loader, outcome_find(load_text(loader, object, "status"), &status), "status");
    return status;
}

static enum verdict load_verdict(struct loader *loader, const cJSON *object, const char *key) {
    enum verdict verdict = VERDICT_UNKNOWN;
    fault_unless(loader, verdict_from_text(load_text(loader, object, key), &verdict), key);
    return verdict;
}

static int64_t load_time_ms(struct loader *loader, const cJSON *object, const char *key) {
    int64_t unix_s = load_time(loader, object, key), ms = 0;
    if (unix_s == DATETIME_NONE) {
        return 0;
    }
    const char *text = cJSON_GetObjectItemCaseSensitive(object, key)->valuestring;
    const char *digit = strchr(text, '.');
    for (int64_t place = 100; digit != NULL && place > 0 && digit[1] >= '0' && digit[1] <= '9';
         place /= 10) {
        ms += (*++digit - '0') * place;
    }
    return unix_s * 1000 + ms;
}

/* --- views --- */

static void load_view_certs(struct loader *loader, const cJSON *items, uint32_t chain_idx) {
    struct snapshot *snapshot = loader->snapshot;
    uint32_t certs[CHAIN_CERTS_MAX], count = 0;
    const cJSON *item;
    if (snapshot->chains[chain_idx].cert_count > 0) {
        return;
    }
    cJSON_ArrayForEach(item, items) {
        uint8_t digest[SHA256_LEN];
        if (count == CHAIN_CERTS_MAX || !load_digest(loader, item, "cert_sha256", digest)) {
            fault_unless(loader, false, "chain");
            return;
        }
        certs[count] = snapshot_cert(snapshot, digest);
        if (certs[count] == SNAPSHOT_NONE) {
            return;
        }
        load_cert_fields(loader, certs[count++], item);
    }
    snapshot_chain_set(snapshot, chain_idx, certs, count);
}

static void load_anchor(struct loader *loader, uint32_t cert_idx, const cJSON *path) {
    struct snapshot_cert *cert = &loader->snapshot->certs[cert_idx];
    if (!cert->known) {
        cert->subject = load_copy(loader, path, "anchor_subject");
        cert->has_spki = load_key(loader, path, "anchor_spki_sha256", cert->spki_sha256);
        cert->is_ca = true;
    }
}

static void load_path(struct loader *loader, const cJSON *item, uint32_t chain_idx) {
    struct snapshot *snapshot = loader->snapshot;
    uint32_t certs[PATH_CERTS_MAX];
    struct snapshot_path path = {
        .profile = snapshot_profile(snapshot, load_text(loader, item, "trust")),
        .preferred = load_bool(loader, item, "preferred"),
        .valid = load_bool(loader, item, "valid"),
        .not_before = DATETIME_NONE,
        .not_after = load_time(loader, item, "not_after"),
    };
    const cJSON *names = load_array(loader, item, "certificates"), *name;
    cJSON_ArrayForEach(name, names) {
        uint8_t digest[SHA256_LEN];
        if (path.cert_count == PATH_CERTS_MAX || !cJSON_IsString(name) ||
            !load_digest_text(loader, "certificates", span_str(name->valuestring), digest)) {
            fault_unless(loader, false, "certificates");
            return;
        }
        uint32_t cert = snapshot_cert(snapshot, digest);
        if (cert == SNAPSHOT_NONE) {
            return;
        }
        snapshot->certs[cert].is_ca = snapshot->certs[cert].is_ca || path.cert_count > 0;
        certs[path.cert_count++] = cert;
    }
    fault_unless(loader, path.cert_count > 0, "certificates");
    fault_unless(loader, path.profile != SNAPSHOT_NONE, "trust");
    if (loader->fault == NULL) {
        load_anchor(loader, certs[path.cert_count - 1], item);
        snapshot_path(snapshot, chain_idx, &path, certs);
    }
}

/* Paths and results of a chain, unless an earlier view gave as many. A view that was not judged
   (its handshake failed) says not-checked everywhere. */
static void load_judgement(struct loader *loader, const cJSON *view, uint32_t chain_idx,
                           bool has_paths) {
    struct snapshot *snapshot = loader->snapshot;
    const cJSON *paths = load_array(loader, view, "paths"),
                *results = load_array(loader, view, "pkix"), *item;
    const struct snapshot_chain *chain = &snapshot->chains[chain_idx];
    bool was_judged = false;
    cJSON_ArrayForEach(item, results) {
        was_judged = was_judged || !span_equal_str(load_text(loader, item, "result"),
                                                   pkix_text(PKIX_NOT_CHECKED));
    }
    if (!was_judged || !has_paths ||
        (chain->judged && (int)chain->path_count >= cJSON_GetArraySize(paths))) {
        return;
    }
    snapshot_chain_judge(snapshot, chain_idx);
    cJSON_ArrayForEach(item, paths) {
        load_path(loader, item, chain_idx);
    }
    cJSON_ArrayForEach(item, results) {
        enum pkix result = PKIX_NOT_CHECKED;
        uint32_t profile = snapshot_profile(snapshot, load_text(loader, item, "trust"));
        fault_unless(loader, pkix_from_text(load_text(loader, item, "result"), &result), "result");
        fault_unless(loader, profile != SNAPSHOT_NONE, "trust");
        if (loader->fault == NULL) {
            snapshot_pkix(snapshot, chain_idx, profile, result);
        }
    }
}

static void load_leaf_key(struct loader *loader, const cJSON *view, uint32_t chain_idx) {
    struct snapshot *snapshot = loader->snapshot;
    const struct snapshot_chain *chain = &snapshot->chains[chain_idx];
    if (chain->cert_count > 0 && load_has(view, "leaf_key")) {
        struct snapshot_cert *leaf = &snapshot->certs[snapshot->chain_certs[chain->first_cert]];
        if (leaf->key[0] == '\0') {
            leaf->key = load_copy(loader, view, "leaf_key");
        }
    }
}

static void load_view(struct loader *loader, const cJSON *object, bool has_paths) {
    struct snapshot *snapshot = loader->snapshot;
    struct snapshot_view *view = snapshot_view(snapshot);
    uint8_t id[SHA256_LEN];
    if (view == NULL) {
        return;
    }
    view->address = load_copy(loader, object, "address");
    view->status = load_status(loader, object);
    view->tls_version = load_copy(loader, object, "tls_version");
    view->host_match = load_bool(loader, object, "host_match");
    view->proof = span_equal_str(load_text(loader, object, "proof"), proof_text(PROOF_POSSESSION))
                      ? PROOF_POSSESSION
                      : PROOF_NONE;
    fault_unless(loader, key_view_from_text(load_text(loader, object, "key_type"), &view->key_type),
                 "key_type");
    struct span depth = load_text(loader, object, "depth");
    fault_unless(loader, depth.len == 0 || depth_from_text(depth, &view->depth), "depth");
    if (load_digest(loader, object, "chain_id", id)) {
        view->chain = snapshot_chain(snapshot, id);
    }
    if (view->chain != SNAPSHOT_NONE) {
        uint32_t chain = view->chain;
        load_view_certs(loader, load_array(loader, object, "chain"), chain);
        load_leaf_key(loader, object, chain);
        load_judgement(loader, object, chain, has_paths);
    }
}

/* --- pin sets --- */

/* What decided: the first match of a set that matches, the first failure of another. */
static void load_evidence(struct loader *loader, const cJSON *object, struct snapshot_set *set) {
    bool matches = verdict_is_match(set->would_be);
    const cJSON *unit =
        cJSON_GetArrayItem(load_array(loader, object, matches ? "matches" : "failed"), 0);
    uint8_t digest[SHA256_LEN];
    if (unit == NULL) {
        return; /* left out of a record that was too long, or no view to judge */
    }
    set->pin = load_copy(loader, unit, "pin");
    if (!matches) {
        set->reason = load_copy(loader, unit, "reason");
    }
    if (load_digest(loader, unit, "certificate", digest)) {
        set->cert = snapshot_cert(loader->snapshot, digest);
    }
}

static void load_set(struct loader *loader, const cJSON *object) {
    struct snapshot_set *set = snapshot_set(loader->snapshot);
    if (set == NULL) {
        return;
    }
    set->name = load_copy(loader, object, "name");
    set->application = load_copy(loader, object, "application");
    set->owner = load_copy(loader, object, "owner");
    set->verdict = load_verdict(loader, object, "verdict");
    set->would_be = load_verdict(loader, object, "would_be");
    set->durable = load_bool(loader, object, "durable");
    set->expires = load_time(loader, object, "expires");
    load_evidence(loader, object, set);
}

/* --- records --- */

/* Which sweep a record is of: the wanted one, or all must be of one. */
static enum err check_sweep(struct loader *loader, struct span sweep, bool *out_wanted) {
    *out_wanted = true;
    if (strcmp(loader->sweep, "all") == 0) {
        return ERR_NONE;
    }
    if (loader->sweep[0] != '\0') {
        *out_wanted = span_equal_str(sweep, loader->sweep);
        return ERR_NONE;
    }
    if (loader->seen[0] != '\0' && !span_equal_str(sweep, loader->seen)) {
        char other[64];
        snprintf(other, sizeof other, "%.*s", (int)(sweep.len < 63 ? sweep.len : 63),
                 (const char *)sweep.data);
        return err_note(loader->note, ERR_INPUT,
                        "%s:%" PRIu64 ": after sweep %s here begins another one, %s; say which: "
                        "%s#%s, or %s#all for the shards of one inventory",
                        loader->file, loader->line, loader->seen, other, loader->file, other,
                        loader->file);
    }
    return ERR_NONE;
}

static void load_target_fields(struct loader *loader, const cJSON *record,
                               struct snapshot_target *target) {
    target->line = load_number(loader, record, "line", UINT64_C(1) << 53);
    target->host = load_copy(loader, record, "host");
    target->port = (uint16_t)load_number(loader, record, "port", UINT16_MAX);
    target->sni = load_copy(loader, record, "sni");
    target->pin_host = load_copy(loader, record, "pin_host");
    target->tag = load_copy(loader, record, "tag");
    target->owner = load_copy(loader, record, "owner");
    target->application = load_copy(loader, record, "application");
    target->time_ms = load_time_ms(loader, record, "time");
    target->status = load_status(loader, record);
    target->verdict = load_verdict(loader, record, "verdict");
    target->complete = load_bool(loader, record, "complete");
}

static enum err load_verdict_record(struct loader *loader, const cJSON *record) {
    struct span sweep = load_text(loader, record, "sweep");
    bool wanted;
    enum err err = check_sweep(loader, sweep, &wanted);
    if (err != ERR_NONE || !wanted) {
        return err;
    }
    if (loader->seen[0] == '\0') {
        loader->seen = snapshot_text(loader->snapshot, sweep);
    }
    struct snapshot_target *target = snapshot_target(loader->snapshot);
    if (target == NULL) {
        return snapshot_end(loader->snapshot, loader->note);
    }
    load_target_fields(loader, record, target);
    struct span detail =
        load_has(record, "detail") ? load_text(loader, record, "detail") : span_str("full");
    bool has_paths = !span_equal_str(detail, "none") && !span_equal_str(detail, "verdicts");
    const cJSON *items = load_array(loader, record, "views"), *item;
    cJSON_ArrayForEach(item, items) {
        load_view(loader, item, has_paths);
    }
    items = load_array(loader, record, "pin_sets");
    cJSON_ArrayForEach(item, items) {
        load_set(loader, item);
    }
    return snapshot_end(loader->snapshot, loader->note);
}

static enum err load_metadata(struct loader *loader, const cJSON *record, struct span line) {
    struct snapshot_meta *meta = &loader->snapshot->meta;
    struct span sweep = load_text(loader, record, "sweep");
    bool wanted;
    enum err err = check_sweep(loader, sweep, &wanted);
    if (err != ERR_NONE || !wanted) {
        return err;
    }
    meta->metadata = arena_copy_text(&loader->snapshot->texts, span_trim(line));
    meta->started_ms = load_time_ms(loader, record, "started");
    meta->ended_ms = load_time_ms(loader, record, "ended");
    meta->whole = !(load_has(record, "interrupted") && load_bool(loader, record, "interrupted"));
    const cJSON *handshakes = cJSON_GetObjectItemCaseSensitive(record, "handshakes");
    if (cJSON_IsObject(handshakes)) {
        meta->handshakes = load_number(loader, handshakes, "completed", UINT64_C(1) << 53);
    }
    loader->has_metadata = true;
    return ERR_NONE;
}

static enum err load_record(struct loader *loader, const cJSON *record, struct span line) {
    loader->fault = NULL;
    uint64_t schema = load_number(loader, record, "schema", UINT32_MAX);
    struct span type = load_text(loader, record, "type");
    enum err err = ERR_NONE;
    if (loader->fault != NULL) {
        return broken(loader,
                      "no record of a sweep (it has no %s); give what sweep -o wrote, or a "
                      "store",
                      loader->fault);
    }
    if (schema != 1) {
        return broken(loader, "%s",
                      "the record is of another schema version than 1; use the "
                      "pinsweep that wrote it, or a newer one");
    }
    if (span_equal_str(type, "verdict")) {
        err = load_verdict_record(loader, record);
    } else if (span_equal_str(type, "chain")) {
        err = load_chain(loader, record);
    } else if (span_equal_str(type, "metadata")) {
        err = load_metadata(loader, record, line);
    } else {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(type.len < 63 ? type.len : 63),
                 (const char *)type.data);
        return broken(loader, "a record of type '%s'; give what sweep -o wrote, or a store", name);
    }
    if (err == ERR_NONE && loader->fault != NULL) {
        return broken(loader, "the record's field %s is missing, or is not what the schema says",
                      loader->fault);
    }
    return err;
}

enum err load_line(struct loader *loader, struct span line) {
    struct span text = span_trim(line);
    if (text.len == 0) {
        return ERR_NONE;
    }
    const char *end = NULL;
    cJSON *record = cJSON_ParseWithLengthOpts((const char *)text.data, text.len, &end, 0);
    if (!cJSON_IsObject(record) || end != (const char *)text.data + text.len) {
        bool is_json = text.data[0] == '{';
        cJSON_Delete(record);
        return broken(loader, "%s",
                      is_json ? "the record is broken or cut off; if the sweep was interrupted, "
                                "take the line away"
                              : "no JSON record; give what sweep -o wrote, or a store");
    }
    enum err err = load_record(loader, record, text);
    cJSON_Delete(record);
    return err;
}

/* --- the file --- */

/* What is whole in the buffer, line by line; what is left moves to its front. */
static enum err load_buffer(struct loader *loader, uint8_t *buffer, size_t *len, bool at_end) {
    struct span rest = span_of(buffer, *len);
    enum err err = ERR_NONE;
    while (err == ERR_NONE && rest.len > 0) {
        size_t line_len = span_find(rest, '\n');
        if (line_len == rest.len && !at_end) {
            break;
        }
        loader->line++;
        err = load_line(loader, span_take(&rest, line_len));
        span_take(&rest, 1);
    }
    memmove(buffer, rest.data, rest.len);
    *len = rest.len;
    return err;
}

static enum err load_all(struct loader *loader, int fd, uint8_t *buffer) {
    size_t len = 0;
    for (bool at_end = false; !at_end;) {
        ssize_t got = read(fd, buffer + len, LOAD_LINE_BYTES_MAX - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_note(loader->note, ERR_IO, "%s: cannot be read: %s", loader->file,
                            strerror(errno));
        }
        len += (size_t)got;
        at_end = got == 0;
        enum err err = load_buffer(loader, buffer, &len, at_end);
        if (err != ERR_NONE) {
            return err;
        }
        if (len == LOAD_LINE_BYTES_MAX) {
            loader->line++;
            return broken(loader, "%s", "the line is longer than any record of a sweep");
        }
    }
    return ERR_NONE;
}

enum err load_lines(struct loader *loader, int fd) {
    uint8_t *buffer = malloc(LOAD_LINE_BYTES_MAX);
    if (buffer == NULL) {
        return err_note(loader->note, ERR_RESOURCE, "%s: not enough memory for a line",
                        loader->file);
    }
    enum err err = load_all(loader, fd, buffer);
    free(buffer);
    return err;
}

/* --- what follows from what --- */

static void derive_path(struct snapshot *snapshot, struct snapshot_path *path) {
    int64_t not_before = INT64_MIN, not_after = INT64_MAX;
    uint32_t unknown = SNAPSHOT_NONE, unknown_count = 0;
    for (uint32_t i = path->first_cert; i < path->first_cert + path->cert_count; i++) {
        const struct snapshot_cert *cert = &snapshot->certs[snapshot->path_certs[i]];
        if (cert->not_after == DATETIME_NONE) {
            unknown = snapshot->path_certs[i];
            unknown_count++;
        } else {
            not_before = cert->not_before > not_before ? cert->not_before : not_before;
            not_after = cert->not_after < not_after ? cert->not_after : not_after;
        }
    }
    if (unknown_count == 0) {
        path->not_before = path->not_before == DATETIME_NONE ? not_before : path->not_before;
        path->not_after = path->not_after == DATETIME_NONE ? not_after : path->not_after;
    } else if (unknown_count == 1 && path->not_after < not_after) {
        snapshot->certs[unknown].not_after = path->not_after; /* it is the one that ends first */
    }
}

void load_derive(struct snapshot *snapshot) {
    for (uint32_t i = 0; i < snapshot->paths_count; i++) {
        derive_path(snapshot, &snapshot->paths[i]);
    }
}
