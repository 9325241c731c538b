#include "engine/trust/path.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "engine/trust/path_internal.h"

static const char *const pkix_texts[PKIX_COUNT] = {
    [PKIX_OK] = "ok",
    [PKIX_EXPIRED] = "expired",
    [PKIX_NOT_YET_VALID] = "not-yet-valid",
    [PKIX_INCOMPLETE_CHAIN] = "incomplete-chain",
    [PKIX_UNTRUSTED] = "untrusted",
    [PKIX_BAD_SIGNATURE] = "bad-signature",
    [PKIX_WEAK_SIGNATURE] = "weak-signature",
    [PKIX_WRONG_PURPOSE] = "wrong-purpose",
    [PKIX_NAME_CONSTRAINT] = "name-constraint",
    [PKIX_INVALID_CA] = "invalid-ca",
    [PKIX_MALFORMED] = "malformed",
    [PKIX_NOT_CHECKED] = "not-checked",
};

const char *pkix_text(enum pkix result) {
    CHECK((unsigned)result < PKIX_COUNT);
    return pkix_texts[result];
}

bool pkix_from_text(struct span text, enum pkix *out) {
    for (unsigned i = 0; i < PKIX_COUNT; i++) {
        if (span_equal_str(text, pkix_texts[i])) {
            *out = (enum pkix)i;
            return true;
        }
    }
    return false;
}

enum err path_builder_new(const struct trust_store *store, struct path_builder **out,
                          struct err_note *note) {
    struct path_builder *builder = calloc(1, sizeof *builder);
    X509_STORE *no_store = X509_STORE_new();
    STACK_OF(X509) *trusted = sk_X509_new_null(), *untrusted = sk_X509_new_null();
    if (builder == NULL || no_store == NULL || trusted == NULL || untrusted == NULL) {
        free(builder);
        X509_STORE_free(no_store);
        sk_X509_free(trusted);
        sk_X509_free(untrusted);
        return err_note(note, ERR_RESOURCE, "no memory for building certification paths");
    }
    builder->store = store;
    builder->no_store = no_store;
    builder->trusted = trusted;
    builder->untrusted = untrusted;
    path_edges_init(&builder->edges);
    *out = builder;
    return ERR_NONE;
}

void path_builder_free(struct path_builder *builder) {
    if (builder == NULL) {
        return;
    }
    path_edges_fini(&builder->edges);
    sk_X509_free(builder->trusted);
    sk_X509_free(builder->untrusted);
    X509_STORE_free(builder->no_store);
    free(builder);
}

void path_set_free(void *context, struct path_set *paths) {
    (void)context;
    if (paths == NULL) {
        return;
    }
    for (uint32_t i = 0; i < paths->profile_count; i++) {
        free(paths->profiles[i].paths);
    }
    free(paths);
}

void path_get_stats(const struct path_builder *builder, struct path_stats *out) {
    *out = builder->stats;
}

bool path_x509(struct path_builder *builder, struct cert_record *record) {
    if (record->x509 == NULL && !record->x509_failed) {
        record->x509 = X509_parse_from_buffer(record->buffer);
        record->x509_failed = record->x509 == NULL;
        builder->stats.x509_parses++;
        if (record->x509_failed) {
            ERR_clear_error();
        }
    }
    return record->x509 != NULL;
}

/* The certificates sent that may stand above the leaf, each once, in sent order. */
static void take_chain(struct path_search *search, struct chain *chain) {
    search->leaf = chain->certs[0];
    search->extra_count = 0;
    search->leaf_edge_count = 0;
    for (uint32_t i = 1; i < chain->count; i++) {
        struct cert_record *cert = chain->certs[i];
        bool again = cert == search->leaf;
        for (uint32_t k = 0; k < search->extra_count; k++) {
            again = again || search->extras[k] == cert;
        }
        if (!again && cert->strict && !cert->x509_failed) {
            search->had_x509[search->extra_count] = cert->x509 != NULL;
            search->extras[search->extra_count++] = cert;
        }
    }
}

static void keep_paths(const struct path_search *search, struct profile_paths *out) {
    uint32_t failed_count = search->failed_count;
    if (failed_count > PATHS_MAX - search->ok_count) {
        failed_count = PATHS_MAX - search->ok_count;
    }
    out->ok_count = (uint16_t)search->ok_count;
    out->count = (uint16_t)(search->ok_count + failed_count);
    out->truncated = search->truncated;
    out->failure = search->ok_count > 0 ? PKIX_OK : search->failure;
    if (search->ok_count == 0) {
        memcpy(out->detail, search->detail, sizeof out->detail);
    }
    if (out->count == 0) {
        return;
    }
    out->paths = malloc(out->count * sizeof *out->paths);
    CHECK(out->paths != NULL);
    memcpy(out->paths, search->ok, search->ok_count * sizeof *out->paths);
    memcpy(out->paths + search->ok_count, search->failed, failed_count * sizeof *out->paths);
}

static bool is_on_sound_path(const struct path_set *set, const struct cert_record *cert) {
    for (uint32_t p = 0; p < set->profile_count; p++) {
        const struct profile_paths *paths = &set->profiles[p];
        for (uint32_t i = 0; i < paths->ok_count; i++) {
            for (uint32_t k = 1; k < paths->paths[i].count; k++) {
                if (paths->paths[i].certs[k] == cert) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* X509 objects are ten times as large as certificates: only issuers that once proved useful keep
   theirs. */
static void drop_x509(const struct path_search *search, const struct path_set *set) {
    X509_free(search->leaf->x509);
    search->leaf->x509 = NULL;
    for (uint32_t i = 0; i < search->extra_count; i++) {
        struct cert_record *cert = search->extras[i];
        if (cert->x509 != NULL && !search->had_x509[i] && !is_on_sound_path(set, cert)) {
            X509_free(cert->x509);
            cert->x509 = NULL;
        }
    }
}

void path_builder_remember(struct path_builder *builder, const struct path_memory *memory) {
    builder->memory = memory;
}

/* Verifies the paths of those profiles whose bit is set. */
static void search_profiles(struct path_builder *builder, struct chain *chain, struct path_set *set,
                            uint32_t wanted) {
    struct path_search *search = &builder->search;
    take_chain(search, chain);
    bool readable = search->leaf->strict && path_x509(builder, search->leaf);
    for (uint32_t i = 0; i < set->profile_count; i++) {
        if ((wanted & 1u << i) == 0) {
            continue;
        }
        if (!readable) {
            set->profiles[i].failure = PKIX_MALFORMED;
            strcpy(set->profiles[i].detail, "the leaf is not a well-formed certificate");
            continue;
        }
        search->profile = &builder->store->profiles[i];
        path_candidates_search(builder);
        keep_paths(search, &set->profiles[i]);
    }
    drop_x509(search, set);
}

const struct path_set *path_set_of(struct path_builder *builder, struct chain *chain) {
    if (LIKELY(chain->paths != NULL)) {
        return chain->paths;
    }
    CHECK(chain->id_ready);
    uint32_t profile_count = builder->store->count, wanted = 0;
    _Static_assert(TRUST_PROFILES_MAX < 32, "a bit for each profile");
    struct path_set *set = calloc(1, sizeof *set + profile_count * sizeof set->profiles[0]);
    CHECK(set != NULL);
    set->profile_count = profile_count;
    for (uint32_t i = 0; i < profile_count; i++) {
        if (!path_recall_paths(builder, chain, i, &set->profiles[i])) {
            wanted |= 1u << i;
        }
    }
    set->known = wanted == 0;
    if (wanted != 0) {
        search_profiles(builder, chain, set, wanted);
        builder->stats.sets_built++;
    } else {
        builder->stats.sets_known++;
    }
    chain->paths = set;
    return set;
}

int path_preferred(const struct profile_paths *paths, int64_t now_unix_s, bool *out_valid) {
    for (int i = 0; i < paths->ok_count; i++) {
        if (path_valid_at(&paths->paths[i], now_unix_s)) {
            *out_valid = true;
            return i;
        }
    }
    *out_valid = false;
    return paths->ok_count > 0 ? 0 : -1;
}

enum pkix path_pkix(const struct profile_paths *paths, int64_t now_unix_s) {
    bool valid;
    int idx = path_preferred(paths, now_unix_s, &valid);
    if (idx < 0) {
        return paths->failure;
    }
    if (valid) {
        return PKIX_OK;
    }
    return now_unix_s > paths->paths[idx].not_after ? PKIX_EXPIRED : PKIX_NOT_YET_VALID;
}
