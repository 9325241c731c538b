#include <stdlib.h>

#include "engine/trust/path_internal.h"

uint16_t path_ref(const struct chain *chain, const struct trust_profile *profile,
                  const struct cert_record *cert) {
    for (uint32_t i = 0; i < chain->count; i++) {
        if (chain->certs[i] == cert) {
            return (uint16_t)i;
        }
    }
    CHECK(cert >= profile->anchors && cert < profile->anchors + profile->count);
    return (uint16_t)(PATH_REF_ANCHOR + (uint32_t)(cert - profile->anchors));
}

static const struct cert_record *resolve(const struct chain *chain,
                                         const struct trust_profile *profile, uint16_t ref) {
    if ((ref & PATH_REF_ANCHOR) != 0) {
        uint32_t idx = ref & ~PATH_REF_ANCHOR;
        return idx < profile->count ? &profile->anchors[idx] : NULL;
    }
    return ref < chain->count && chain->certs[ref]->strict ? chain->certs[ref] : NULL;
}

/* Where a path begins: at the leaf, or at the anchor that the leaf itself is. */
static bool begins_at_leaf(const struct chain *chain, const struct trust_profile *profile,
                           const uint16_t *refs, uint32_t count) {
    if (count > 1) {
        return refs[0] == 0;
    }
    const struct cert_record *anchor = resolve(chain, profile, refs[0]);
    return anchor != NULL &&
           memcmp(anchor->cert_sha256, chain->certs[0]->cert_sha256, SHA256_LEN) == 0;
}

/* No certificate twice, and each named as the issuer of the one below. Names that are equal only by
   RFC 5280 section 7.1 (case, spaces) do not fit here: such paths are verified each time. */
static bool may_follow(const struct path *path, uint32_t count, const struct cert_record *cert) {
    for (uint32_t i = 0; i < count; i++) {
        if (memcmp(path->certs[i]->cert_sha256, cert->cert_sha256, SHA256_LEN) == 0) {
            return false;
        }
    }
    return span_equal(path->certs[count - 1]->fields.issuer, cert->fields.subject);
}

/* One path from its references: from the leaf to an anchor, each certificate in its place. */
static bool fill_path(const struct chain *chain, const struct trust_profile *profile,
                      const uint16_t *refs, uint32_t count, struct path *out) {
    if (count == 0 || count > PATH_CERTS_MAX || (refs[count - 1] & PATH_REF_ANCHOR) == 0 ||
        !begins_at_leaf(chain, profile, refs, count)) {
        return false;
    }
    *out = (struct path){.count = (uint8_t)count,
                         .structural = PKIX_OK,
                         .not_before = INT64_MIN,
                         .not_after = INT64_MAX};
    for (uint32_t i = 0; i < count; i++) {
        const struct cert_record *cert = resolve(chain, profile, refs[i]);
        if (cert == NULL) {
            return false;
        }
        const struct cert_fields *fields = &cert->fields;
        if (i > 0 && !may_follow(out, i, cert)) {
            return false;
        }
        out->certs[i] = cert;
        out->not_before =
            out->not_before > fields->not_before ? out->not_before : fields->not_before;
        out->not_after = out->not_after < fields->not_after ? out->not_after : fields->not_after;
    }
    return true;
}

/* Fills `paths`, which has room for all of them. */
static bool fill_paths(const struct chain *chain, const struct trust_profile *profile,
                       const struct path_recall *recall, struct path *paths) {
    size_t at = 0;
    for (uint32_t i = 0; i < recall->path_count; i++) {
        if (at == recall->ref_count) {
            return false;
        }
        uint32_t count = recall->refs[at++];
        if (count > recall->ref_count - at ||
            !fill_path(chain, profile, recall->refs + at, count, &paths[i])) {
            return false;
        }
        at += count;
    }
    return at == recall->ref_count;
}

bool path_recall_paths(const struct path_builder *builder, const struct chain *chain,
                       uint32_t profile_idx, struct profile_paths *out) {
    struct path_recall recall;
    if (builder->memory == NULL ||
        !builder->memory->recall(builder->memory->context, chain->id, profile_idx, &recall) ||
        recall.path_count > PATHS_MAX || (recall.path_count > 0) != (recall.failure == PKIX_OK)) {
        return false;
    }
    struct path *paths = NULL;
    if (recall.path_count > 0) {
        paths = malloc(recall.path_count * sizeof *paths);
        CHECK(paths != NULL);
        if (!fill_paths(chain, &builder->store->profiles[profile_idx], &recall, paths)) {
            free(paths);
            return false;
        }
    }
    *out = (struct profile_paths){.count = (uint16_t)recall.path_count,
                                  .ok_count = (uint16_t)recall.path_count,
                                  .truncated = recall.truncated,
                                  .failure = recall.failure,
                                  .paths = paths};
    if (recall.path_count == 0) {
        strncpy(out->detail, recall.detail, sizeof out->detail - 1);
    }
    return true;
}
