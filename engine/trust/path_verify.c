#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "engine/trust/path_internal.h"

/* BoringSSL gave the function OpenSSL's name in August 2022. */
#if BORINGSSL_API_VERSION >= 19
#define set_trusted_stack X509_STORE_CTX_set0_trusted_stack
#else
#define set_trusted_stack X509_STORE_CTX_trusted_stack
#endif

/* What the callback saw during one X509_verify_cert(). */
struct errors {
    int upper, upper_depth; /* first error above the leaf; it ends the verification */
    int leaf;               /* first error at the leaf; the certificates above are still looked at,
                               so that their verdict can be remembered */
    bool unlinked;          /* an issuer was not accepted as such: nothing more was checked */
};

static bool is_unlinked(int error) {
    return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

static int on_verify(int ok, X509_STORE_CTX *ctx) {
    int error = X509_STORE_CTX_get_error(ctx);
    if (ok || error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID) {
        return 1; /* time is judged from the path's window */
    }
    struct errors *errors = X509_STORE_CTX_get_app_data(ctx);
    int depth = X509_STORE_CTX_get_error_depth(ctx);
    errors->unlinked = is_unlinked(error);
    if (depth > 0) {
        errors->upper = error;
        errors->upper_depth = depth;
        return 0;
    }
    if (errors->leaf == X509_V_OK) {
        errors->leaf = error;
    }
    return !errors->unlinked;
}

static enum pkix pkix_of(int error) {
    switch (error) {
    case X509_V_OK:
        return PKIX_OK;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return PKIX_INCOMPLETE_CHAIN;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_REJECTED:
        return PKIX_UNTRUSTED;
    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
    case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return PKIX_BAD_SIGNATURE;
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
    case X509_V_ERR_INVALID_NON_CA:
        return PKIX_INVALID_CA;
    case X509_V_ERR_INVALID_PURPOSE:
        return PKIX_WRONG_PURPOSE;
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
    case X509_V_ERR_NAME_CONSTRAINTS_WITHOUT_SANS:
        return PKIX_NAME_CONSTRAINT;
    default: /* unhandled critical or unreadable extensions, policies */
        return PKIX_MALFORMED;
    }
}

/* Of an error at `depth` of the path; an issuer refused by BoringSSL is asked why. */
static struct path_check check_of(const struct cert_record *const path[], uint32_t count, int error,
                                  int depth) {
    if (is_unlinked(error) && (uint32_t)depth + 1 < count) {
        int why = X509_check_issued(path[depth + 1]->x509, path[depth]->x509);
        error = why == X509_V_OK ? error : why;
    }
    struct path_check check = {.pkix = pkix_of(error), .error = (uint8_t)error};
    check.depth = (uint8_t)((uint32_t)depth < count ? depth : 0);
    if (error == X509_V_ERR_AKID_SKID_MISMATCH || error == X509_V_ERR_SUBJECT_ISSUER_MISMATCH ||
        error == X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH) {
        check.pkix = PKIX_INCOMPLETE_CHAIN; /* another certificate of that name is meant */
    }
    return check;
}

/* BoringSSL built the first `count` certificates of the path as we asked. */
static bool built_as_asked(X509_STORE_CTX *ctx, const struct cert_record *const path[],
                           uint32_t count, bool exactly) {
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    size_t built = chain != NULL ? sk_X509_num(chain) : 0;
    if (exactly ? built != count : built < count) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (sk_X509_value(chain, i) != path[i]->x509) {
            return false;
        }
    }
    return true;
}

struct outcome {
    struct path_check upper, leaf;
    bool upper_settled; /* `upper` holds for any leaf under these certificates */
};

/* Signature checks run from the anchor down and stop at the first that fails above the leaf. */
static uint32_t signatures_spent(const struct outcome *out, uint32_t count) {
    switch (out->upper.pkix) {
    case PKIX_OK:
        return out->leaf.pkix == PKIX_INCOMPLETE_CHAIN ? 0 : count - 1;
    case PKIX_BAD_SIGNATURE:
        return count - 1 - out->upper.depth;
    case PKIX_NAME_CONSTRAINT:
        return count - 1;
    case PKIX_EXPIRED:
    case PKIX_NOT_YET_VALID:
    case PKIX_INCOMPLETE_CHAIN:
    case PKIX_UNTRUSTED:
    case PKIX_WEAK_SIGNATURE:
    case PKIX_WRONG_PURPOSE:
    case PKIX_INVALID_CA:
    case PKIX_MALFORMED:
    case PKIX_NOT_CHECKED:
    case PKIX_COUNT:
        break;
    }
    return 0;
}

static struct outcome read_outcome(X509_STORE_CTX *ctx, int verified, const struct errors *errors,
                                   const struct cert_record *const path[], uint32_t count) {
    struct outcome out = {0};
    if (errors->upper != X509_V_OK) {
        out.upper = check_of(path, count, errors->upper, errors->upper_depth);
        out.upper_settled = built_as_asked(
            ctx, path, errors->unlinked ? (uint32_t)out.upper.depth + 1 : count, !errors->unlinked);
        return out;
    }
    if (errors->leaf != X509_V_OK) {
        out.leaf = check_of(path, count, errors->leaf, 0);
    }
    if (!errors->unlinked && !built_as_asked(ctx, path, count, true)) {
        /* Verified or not, it is not this path. */
        out.leaf = check_of(path, count, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0);
        return out;
    }
    if (verified <= 0 && out.leaf.pkix == PKIX_OK) {
        int error = X509_STORE_CTX_get_error(ctx); /* without the callback: unreadable extensions */
        out.leaf = check_of(path, count, error != X509_V_OK ? error : X509_V_ERR_UNSPECIFIED, 0);
        out.leaf.pkix = PKIX_MALFORMED;
        return out;
    }
    out.upper_settled = !errors->unlinked;
    return out;
}

/* Exactly these certificates, the last one trusted and nothing else. */
static struct outcome run(struct path_builder *builder, const struct cert_record *const path[],
                          uint32_t count) {
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    CHECK(ctx != NULL);
    sk_X509_zero(builder->trusted);
    sk_X509_zero(builder->untrusted);
    CHECK(sk_X509_push(builder->trusted, path[count - 1]->x509));
    for (uint32_t i = 1; i + 1 < count; i++) {
        CHECK(sk_X509_push(builder->untrusted, path[i]->x509));
    }
    CHECK(X509_STORE_CTX_init(ctx, builder->no_store, path[0]->x509, builder->untrusted));
    set_trusted_stack(ctx, builder->trusted);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    /* The path is given: look for no other. */
    X509_VERIFY_PARAM_clear_flags(param, X509_V_FLAG_TRUSTED_FIRST);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_ALT_CHAINS);
    CHECK(X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER));
    CHECK(X509_VERIFY_PARAM_set_trust(param, X509_TRUST_SSL_SERVER));
    struct errors errors = {0};
    CHECK(X509_STORE_CTX_set_app_data(ctx, &errors));
    X509_STORE_CTX_set_verify_cb(ctx, on_verify);
    int verified = X509_verify_cert(ctx);
    struct outcome out = read_outcome(ctx, verified, &errors, path, count);
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    builder->search.signatures += signatures_spent(&out, count);
    return out;
}

static struct path_check whole(struct path_builder *builder, uint32_t count,
                               struct outcome *out_outcome) {
    *out_outcome = run(builder, builder->search.path, count);
    builder->stats.full_verifications++;
    return out_outcome->upper.pkix != PKIX_OK ? out_outcome->upper : out_outcome->leaf;
}

/* The certificates above the leaf cannot be judged without it: name constraints, and policies where
   BoringSSL checks them (newer ones do if requireExplicitPolicy is set). */
static bool depends_on_leaf(const struct cert_record *const path[], uint32_t count) {
    /* A self-issued leaf counts differently against path lengths (RFC 5280 6.1.4 l). */
    if (span_equal(path[0]->fields.issuer, path[0]->fields.subject) ||
        X509_NAME_cmp(X509_get_issuer_name(path[0]->x509), X509_get_subject_name(path[0]->x509)) ==
            0) {
        return true;
    }
    for (uint32_t i = 1; i < count; i++) {
        if (path[i]->fields.has_name_constraints ||
            X509_get_ext_by_NID(path[i]->x509, NID_policy_constraints, -1) >= 0) {
            return true;
        }
    }
    return false;
}

static struct path_check leaf_edge(struct path_builder *builder) {
    struct path_search *search = &builder->search;
    const struct cert_record *issuer = search->path[1];
    for (uint32_t i = 0; i < search->leaf_edge_count; i++) {
        if (memcmp(search->leaf_edges[i].issuer->cert_sha256, issuer->cert_sha256, SHA256_LEN) ==
            0) {
            return search->leaf_edges[i].check;
        }
    }
    struct outcome out = run(builder, search->path, 2);
    /* A fault of the issuer ends the verification before the leaf's signature. */
    struct path_check check = out.upper.pkix != PKIX_OK ? out.upper : out.leaf;
    builder->stats.leaf_verifications++;
    if (search->leaf_edge_count < PATHS_MAX) {
        search->leaf_edges[search->leaf_edge_count++] =
            (struct path_leaf_edge){.issuer = issuer, .check = check};
    }
    return check;
}

/* An anchor that serves as the leaf: nothing to verify but that it may be a server. */
static struct path_check lone_anchor(const struct cert_record *anchor) {
    bool fit = X509_check_purpose(anchor->x509, X509_PURPOSE_SSL_SERVER, 0) == 1;
    ERR_clear_error();
    return (struct path_check){.pkix = fit ? PKIX_OK : PKIX_WRONG_PURPOSE,
                               .error = fit ? X509_V_OK : X509_V_ERR_INVALID_PURPOSE};
}

struct path_check path_verify(struct path_builder *builder, uint32_t count) {
    const struct cert_record *const *path = builder->search.path;
    if (count == 1) {
        return lone_anchor(path[0]);
    }
    /* An issuer that BoringSSL would not take for one costs no signature, and gives the same answer
       whatever is known of the certificates above it. */
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (X509_check_issued(path[i + 1]->x509, path[i]->x509) != X509_V_OK) {
            return check_of(path, count, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, (int)i);
        }
    }
    struct outcome out;
    if (builder->memo_off || depends_on_leaf(path, count)) {
        return whole(builder, count, &out);
    }
    if (count == 2) {
        return leaf_edge(builder); /* an anchor needs no verdict of its own */
    }
    uint8_t key[SHA256_LEN];
    path_edges_key(path + 1, count - 1, key);
    const struct path_check *known = path_edges_find(&builder->edges, key);
    if (known != NULL) {
        builder->stats.edges_known++;
        return known->pkix != PKIX_OK ? *known : leaf_edge(builder);
    }
    struct path_check check = whole(builder, count, &out);
    if (out.upper_settled) {
        path_edges_put(&builder->edges, key, out.upper);
        builder->stats.edges_built++;
    }
    return check;
}
