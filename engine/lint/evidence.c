#include "engine/lint/evidence.h"

#include <stdlib.h>

#include "engine/codec/cert.h"

enum err evidence_init(struct evidence *evidence, const struct snapshot *snapshot,
                       const struct trust_store *trust, struct err_note *note) {
    *evidence = (struct evidence){.snapshot = snapshot, .trust = trust};
    evidence->records = calloc((size_t)snapshot->certs_count + 1, sizeof(struct cert_record *));
    evidence->chains = calloc((size_t)snapshot->chains_count + 1, sizeof(struct chain *));
    if (evidence->records == NULL || evidence->chains == NULL) {
        evidence_fini(evidence);
        return err_note(note, ERR_RESOURCE, "%s: not enough memory to judge %u certificates",
                        snapshot->meta.source, snapshot->certs_count);
    }
    for (uint32_t p = 0; p < trust->count; p++) {
        evidence->profile_of[p] = snapshot_find_profile(snapshot, trust->profiles[p].name);
    }
    return ERR_NONE;
}

void evidence_fini(struct evidence *evidence) {
    free(evidence->records);
    free(evidence->chains);
    arena_fini(&evidence->arena);
    *evidence = (struct evidence){0};
}

static struct cert_record *record_of(struct evidence *evidence, uint32_t cert_idx) {
    struct cert_record **slot = &evidence->records[cert_idx];
    if (*slot != NULL) {
        return *slot;
    }
    const struct snapshot_cert *cert = &evidence->snapshot->certs[cert_idx];
    struct cert_record *record = arena_alloc(&evidence->arena, sizeof *record);
    memcpy(record->cert_sha256, cert->cert_sha256, SHA256_LEN);
    memcpy(record->spki_sha256, cert->spki_sha256, SHA256_LEN);
    record->has_spki = cert->has_spki;
    record->der = cert->der;
    record->strict = cert->strict && (cert->der.len == 0 || cert_walk(cert->der, &record->fields));
    if (!record->strict && cert->der.len > 0) {
        cert_spki(cert->der, &record->fields.spki);
    }
    if (cert->der.len == 0) {
        /* records name the leaf's key alone: of an issuer's nothing is held against it (TrustKit)
         */
        const char *key = cert->key[0] != '\0' ? cert->key : "ecdsa-p256";
        record->fields.key = cert_key_from_text(key, &record->fields.key_bits);
        record->fields.not_before = cert->not_before;
        record->fields.not_after = cert->not_after;
    }
    record->refs = cert_idx; /* its way back: evidence_cert() */
    *slot = record;
    return record;
}

const struct snapshot_cert *evidence_cert(const struct evidence *evidence,
                                          const struct cert_record *record) {
    return &evidence->snapshot->certs[record->refs];
}

static void fill_path(struct evidence *evidence, const struct snapshot_path *from,
                      struct path *out) {
    const struct snapshot *snapshot = evidence->snapshot;
    *out = (struct path){.structural = PKIX_OK,
                         .count = (uint8_t)from->cert_count,
                         .not_before = INT64_MIN,
                         .not_after = INT64_MAX};
    for (uint32_t i = 0; i < from->cert_count; i++) {
        uint32_t idx = snapshot->path_certs[from->first_cert + i];
        const struct snapshot_cert *cert = &snapshot->certs[idx];
        out->certs[i] = record_of(evidence, idx);
        if (cert->not_before != DATETIME_NONE && cert->not_before > out->not_before) {
            out->not_before = cert->not_before;
        }
        if (cert->not_after != DATETIME_NONE && cert->not_after < out->not_after) {
            out->not_after = cert->not_after;
        }
    }
    if (from->not_after != DATETIME_NONE && from->not_after < out->not_after) {
        out->not_after = from->not_after;
    }
}

/* At most: a fleet of a million chains has one path each, mostly. */
static size_t count_paths(const struct evidence *evidence, const struct snapshot_chain *chain,
                          uint32_t profile) {
    size_t count = 0;
    for (uint32_t i = 0; i < chain->path_count && count < PATHS_MAX; i++) {
        count += evidence->snapshot->paths[chain->first_path + i].profile ==
                 evidence->profile_of[profile];
    }
    return count;
}

static struct path_set *paths_of(struct evidence *evidence, const struct snapshot_chain *chain) {
    const struct snapshot *snapshot = evidence->snapshot;
    uint32_t profiles = evidence->trust->count;
    struct path_set *set =
        arena_alloc(&evidence->arena, sizeof *set + profiles * sizeof *set->profiles);
    set->profile_count = profiles;
    for (uint32_t p = 0; p < profiles; p++) {
        struct profile_paths *paths = &set->profiles[p];
        paths->failure = PKIX_NOT_CHECKED;
        paths->paths =
            arena_alloc(&evidence->arena, count_paths(evidence, chain, p) * sizeof *paths->paths);
        for (uint32_t i = chain->first_path; i < chain->first_path + chain->path_count; i++) {
            const struct snapshot_path *path = &snapshot->paths[i];
            if (path->profile == evidence->profile_of[p] && paths->count < PATHS_MAX &&
                path->cert_count > 0 && path->cert_count <= PATH_CERTS_MAX) {
                fill_path(evidence, path, &paths->paths[paths->count++]);
                paths->ok_count = paths->count;
            }
        }
    }
    return set;
}

const struct chain *evidence_chain(struct evidence *evidence, uint32_t chain_idx) {
    if (evidence->chains[chain_idx] != NULL) {
        return evidence->chains[chain_idx];
    }
    const struct snapshot *snapshot = evidence->snapshot;
    const struct snapshot_chain *from = &snapshot->chains[chain_idx];
    if (from->cert_count == 0 || !from->judged) {
        return NULL;
    }
    struct chain *chain =
        arena_alloc(&evidence->arena, sizeof *chain + from->cert_count * sizeof *chain->certs);
    memcpy(chain->id, from->id, SHA256_LEN);
    chain->count = from->cert_count;
    for (uint32_t i = 0; i < from->cert_count; i++) {
        chain->certs[i] = record_of(evidence, snapshot->chain_certs[from->first_cert + i]);
    }
    chain->paths = paths_of(evidence, from);
    evidence->chains[chain_idx] = chain;
    return chain;
}

size_t evidence_views(struct evidence *evidence, const struct snapshot_target *target,
                      struct verdict_view out_views[VIEWS_MAX]) {
    size_t count = 0;
    for (uint32_t i = 0; i < target->view_count && count < VIEWS_MAX; i++) {
        const struct snapshot_view *view = &evidence->snapshot->views[target->first_view + i];
        if (view->status != OUTCOME_SUCCESS || view->chain == SNAPSHOT_NONE) {
            continue;
        }
        const struct chain *chain = evidence_chain(evidence, view->chain);
        if (chain != NULL) {
            out_views[count++] = (struct verdict_view){
                .view_idx = (uint16_t)i, .chain = chain, .paths = chain->paths};
        }
    }
    return count;
}

bool evidence_covers(const struct evidence *evidence, const struct pin_set *set) {
    for (uint32_t i = 0; i < set->trust_count && !set->trust_none; i++) {
        if (evidence->profile_of[set->trust_profiles[i]] == SNAPSHOT_NONE) {
            return false;
        }
    }
    return true;
}
