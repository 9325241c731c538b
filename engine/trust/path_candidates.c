#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "engine/codec/dname.h"
#include "engine/trust/path_internal.h"

/* How much a failure tells, when no path is sound: the candidate that came furthest explains. A
   signature that fails just below the anchor tells less than a complete chain to a foreign root:
   anyone may carry an anchor's name. */
static uint32_t failure_rank(enum pkix pkix, bool at_anchor) {
    switch (pkix) {
    case PKIX_INCOMPLETE_CHAIN:
        return 1;
    case PKIX_BAD_SIGNATURE:
        return at_anchor ? 2 : 5;
    case PKIX_UNTRUSTED:
        return 3;
    case PKIX_MALFORMED:
        return 4;
    case PKIX_INVALID_CA:
        return 6;
    case PKIX_WEAK_SIGNATURE:
        return 7;
    case PKIX_NAME_CONSTRAINT:
        return 8;
    case PKIX_WRONG_PURPOSE:
        return 9;
    case PKIX_OK:
    case PKIX_EXPIRED:
    case PKIX_NOT_YET_VALID:
    case PKIX_NOT_CHECKED:
    case PKIX_COUNT:
        break;
    }
    CHECK(false);
}

/* Cuts at a character of UTF-8, not inside one. */
static void cut_text(char *text, size_t text_size) {
    size_t len = strnlen(text, text_size - 1);
    size_t start = len;
    while (start > 0 && ((uint8_t)text[start - 1] & 0xC0) == 0x80 && len - start < 3) {
        start--;
    }
    if (start > 0 && (uint8_t)text[start - 1] >= 0xC0) {
        uint8_t lead = (uint8_t)text[start - 1];
        size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (len - (start - 1) < need) {
            text[start - 1] = '\0';
        }
    }
}

static void note_failure(struct path_search *search, enum pkix pkix, bool at_anchor,
                         const char *what, struct span name) {
    uint32_t rank = failure_rank(pkix, at_anchor);
    if (rank <= search->failure_rank) {
        return;
    }
    search->failure_rank = rank;
    search->failure = pkix;
    char text[DNAME_TEXT_MAX];
    dname_format(text, name);
    int len = snprintf(search->detail, sizeof search->detail, "%s: %s", what, text);
    if (len >= (int)sizeof search->detail) {
        cut_text(search->detail, sizeof search->detail);
    }
}

static bool hash_subject(struct cert_record *record) {
    if (record->subject_hashed || record->x509_failed) {
        return record->subject_hashed;
    }
    const uint8_t *der = record->fields.subject.data;
    X509_NAME *subject = d2i_X509_NAME(NULL, &der, (long)record->fields.subject.len);
    if (subject != NULL) {
        record->subject_hash = (uint32_t)X509_NAME_hash(subject);
        record->subject_hashed = true;
    } else {
        record->x509_failed = true; /* what holds the name is refused as well: not asked again */
    }
    X509_NAME_free(subject);
    ERR_clear_error();
    return record->subject_hashed;
}

/* A certificate with an X509, and BoringSSL's hash of its issuer name once that was needed. */
struct child {
    const struct cert_record *cert;
    bool issuer_hashed;
    uint32_t issuer_hash;
};

static uint32_t hash_issuer(struct child *child) {
    if (!child->issuer_hashed) {
        child->issuer_hash = (uint32_t)X509_NAME_hash(X509_get_issuer_name(child->cert->x509));
        child->issuer_hashed = true;
    }
    return child->issuer_hash;
}

/* The subject of `issuer` is the issuer name of `child`; on true `issuer` has an X509 as well. Most
   certificates sent are told apart without making one. */
static bool names_link(struct path_builder *builder, struct child *child,
                       struct cert_record *issuer) {
    if (!span_equal(child->cert->fields.issuer, issuer->fields.subject) &&
        (!hash_subject(issuer) || issuer->subject_hash != hash_issuer(child))) {
        return false;
    }
    return path_x509(builder, issuer) &&
           X509_NAME_cmp(X509_get_subject_name(issuer->x509),
                         X509_get_issuer_name(child->cert->x509)) == 0;
}

static bool self_issued(const struct cert_record *cert) {
    return X509_NAME_cmp(X509_get_subject_name(cert->x509), X509_get_issuer_name(cert->x509)) == 0;
}

/* One more edge is tried; false once the bound is reached. */
static bool step(struct path_search *search) {
    if (search->done || search->steps == PATH_STEPS_MAX) {
        search->truncated = true;
        search->done = true;
        return false;
    }
    search->steps++;
    return true;
}

/* May stand on top of the path: not there yet, neither the certificate nor its name with its key,
   and not already known not to have signed what is below it. */
static bool fits(struct path_search *search, const struct cert_record *cert) {
    if (search->depth == PATH_CERTS_MAX) {
        search->truncated = true;
        return false;
    }
    for (uint32_t i = 0; i < search->depth; i++) {
        const struct cert_record *below = search->path[i];
        if (memcmp(below->spki_sha256, cert->spki_sha256, SHA256_LEN) == 0 &&
            X509_NAME_cmp(X509_get_subject_name(below->x509), X509_get_subject_name(cert->x509)) ==
                0) {
            return false;
        }
    }
    for (uint32_t i = 0; i < search->bad_edge_count; i++) {
        if (search->bad_edges[i].child == search->path[search->depth - 1] &&
            search->bad_edges[i].issuer == cert) {
            return false;
        }
    }
    return true;
}

/* MD5 or SHA-1 below the anchor: refused whatever else holds, and BoringSSL may not even know the
   digest, so that its "bad signature" is not one. */
static void judge_weak(const struct cert_record *const path[], uint32_t count,
                       struct path_check *check) {
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (path[i]->fields.signature == CERT_SIGNATURE_WEAK &&
            (check->pkix == PKIX_OK || (check->pkix == PKIX_BAD_SIGNATURE && check->depth == i))) {
            *check = (struct path_check){.pkix = PKIX_WEAK_SIGNATURE, .depth = (uint8_t)i};
            return;
        }
    }
}

static void note_check(struct path_search *search, uint32_t count, struct path_check check) {
    const char *what = check.pkix == PKIX_WEAK_SIGNATURE
                           ? "signed with MD5 or SHA-1"
                           : X509_verify_cert_error_string(check.error);
    const struct cert_record *culprit = search->path[check.depth];
    note_failure(search, check.pkix, check.depth + 2u == count && count > 2, what,
                 culprit->fields.subject);
    if (check.pkix == PKIX_BAD_SIGNATURE && check.depth + 1u < count &&
        search->bad_edge_count < PATH_SIGNATURES_MAX) {
        search->bad_edges[search->bad_edge_count++] =
            (struct path_bad_edge){.child = culprit, .issuer = search->path[check.depth + 1]};
    }
}

/* A candidate is complete: its first `count` certificates end at an anchor. */
static void found(struct path_builder *builder, uint32_t count) {
    struct path_search *search = &builder->search;
    if (search->signatures >= PATH_SIGNATURES_MAX) {
        search->truncated = true;
        search->done = true;
        return;
    }
    struct path_check check = path_verify(builder, count);
    judge_weak(search->path, count, &check);
    struct path path = {.count = (uint8_t)count,
                        .structural = check.pkix,
                        .not_before = INT64_MIN,
                        .not_after = INT64_MAX};
    for (uint32_t i = 0; i < count; i++) {
        const struct cert_fields *fields = &search->path[i]->fields;
        path.certs[i] = search->path[i];
        path.not_before =
            path.not_before > fields->not_before ? path.not_before : fields->not_before;
        path.not_after = path.not_after < fields->not_after ? path.not_after : fields->not_after;
    }
    if (check.pkix != PKIX_OK) {
        note_check(search, count, check);
        if (search->failed_count < PATHS_MAX) {
            search->failed[search->failed_count++] = path;
        }
        return;
    }
    search->ok[search->ok_count++] = path;
    if (search->ok_count == PATHS_MAX) {
        search->truncated = true;
        search->done = true;
    }
}

static void extend(struct path_builder *builder);

static void extend_with(struct path_builder *builder, const struct cert_record *cert) {
    struct path_search *search = &builder->search;
    search->path[search->depth++] = cert;
    extend(builder);
    search->depth--;
}

/* Nothing stands above the top of the path. */
static void dead_end(struct path_search *search) {
    const struct cert_record *top = search->path[search->depth - 1];
    if (self_issued(top)) {
        note_failure(search, PKIX_UNTRUSTED, false, "self-signed and not an anchor",
                     top->fields.subject);
    } else {
        note_failure(search, PKIX_INCOMPLETE_CHAIN, false, "issuer not found", top->fields.issuer);
    }
}

/* Anchors: first the paths that end at one, then, since an anchor may be an intermediate, what
   stands above it. Returns how many fitted. */
static uint32_t extend_to_anchors(struct path_builder *builder, bool above) {
    struct path_search *search = &builder->search;
    X509 *top = search->path[search->depth - 1]->x509;
    const struct cert_record *anchor;
    uint32_t cursor = 0, fitted = 0;
    while ((anchor = trust_profile_next(search->profile, top, &cursor)) != NULL) {
        if (above && self_issued(anchor)) {
            continue;
        }
        if (!step(search)) {
            break;
        }
        if (!fits(search, anchor)) {
            continue;
        }
        fitted++;
        if (above) {
            extend_with(builder, anchor);
        } else {
            search->path[search->depth] = anchor;
            found(builder, search->depth + 1);
        }
    }
    return fitted;
}

/* Recursion: at most PATH_CERTS_MAX deep. */
static void extend(struct path_builder *builder) {
    struct path_search *search = &builder->search;
    const struct cert_record *top = search->path[search->depth - 1];
    struct child child = {.cert = top};
    if ((X509_get_extension_flags(top->x509) & EXFLAG_SS) != 0) {
        dead_end(search); /* an anchor of that name with another key did not sign it */
        return;
    }
    uint32_t fitted = extend_to_anchors(builder, false);
    extend_to_anchors(builder, true);
    for (uint32_t i = 0; i < search->extra_count && !search->done; i++) {
        struct cert_record *extra = search->extras[i];
        if (trust_profile_same(search->profile, extra) != NULL ||
            !names_link(builder, &child, extra)) {
            continue; /* an anchor that was sent has been met above */
        }
        if (!step(search)) {
            return;
        }
        if (fits(search, extra)) {
            fitted++;
            extend_with(builder, extra);
        }
    }
    if (fitted == 0 && !search->done) {
        dead_end(search);
    }
}

void path_candidates_search(struct path_builder *builder) {
    struct path_search *search = &builder->search;
    search->steps = search->signatures = 0;
    search->bad_edge_count = 0;
    search->ok_count = search->failed_count = 0;
    search->truncated = search->done = false;
    search->failure_rank = 0;
    search->failure = PKIX_OK;
    search->detail[0] = '\0';
    const struct cert_record *anchor = trust_profile_same(search->profile, search->leaf);
    if (anchor != NULL) {
        search->path[0] = anchor;
        found(builder, 1);
    }
    search->path[0] = search->leaf;
    search->depth = 1;
    extend(builder);
    if (search->failure_rank == 0 && search->ok_count == 0) {
        CHECK(search->truncated);
        note_failure(search, PKIX_INCOMPLETE_CHAIN, false, "too many certificates to search",
                     search->leaf->fields.issuer);
    }
}
