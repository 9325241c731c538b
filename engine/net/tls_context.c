#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/net/capture_internal.h"
#include "engine/net/tls_internal.h"

/* Bytes of the ALPN list in the ClientHello; more would not leave room in SEND_BUFFER_BYTES. */
#define ALPN_WIRE_MAX 256u

/* X25519 first: its share is the only one sent. The others are there because TLS 1.2 refuses an
   ECDSA leaf whose curve is not in the list (RFC 8422 section 5.3). */
static const char default_groups[] = "X25519:P-256:P-384:P-521";

#define RSA_PSS                                                                                    \
    SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA512
#define RSA_PKCS1 SSL_SIGN_RSA_PKCS1_SHA256, SSL_SIGN_RSA_PKCS1_SHA384, SSL_SIGN_RSA_PKCS1_SHA512
#define ECDSA                                                                                      \
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ECDSA_SECP384R1_SHA384,                              \
        SSL_SIGN_ECDSA_SECP521R1_SHA512
#define SHA1_COUNT 2
#define SHA1 SSL_SIGN_ECDSA_SHA1, SSL_SIGN_RSA_PKCS1_SHA1

/* What a view offers. The SHA-1 schemes stand at the end and are offered only when a version below
   1.2 was asked for: such servers often speak 1.2 with SHA-1 only. */
struct view_row {
    const char *ciphers; /* of TLS 1.2 and below; those of 1.3 are fixed */
    const uint16_t *signatures;
    size_t signature_count; /* with the SHA-1 ones */
};

static const uint16_t any_signatures[] = {ECDSA, RSA_PSS, RSA_PKCS1, SSL_SIGN_ED25519, SHA1};
static const uint16_t rsa_signatures[] = {RSA_PSS, RSA_PKCS1, SHA1};
/* The PKCS#1 schemes cannot sign a TLS 1.3 handshake, and the suites keep RSA leaves out of 1.2.
   They are there for the chain: some servers do not show an ECDSA leaf that an RSA issuer signed to
   a client without them. */
static const uint16_t ecdsa_signatures[] = {ECDSA, RSA_PKCS1, SHA1};
static const uint16_t ed25519_signatures[] = {SSL_SIGN_ED25519, RSA_PKCS1, SHA1};

static const struct view_row view_rows[KEY_VIEW_COUNT] = {
    [KEY_VIEW_ANY] = {"ALL:!aPSK", any_signatures, ARRAY_COUNT(any_signatures)},
    [KEY_VIEW_RSA] = {"aRSA", rsa_signatures, ARRAY_COUNT(rsa_signatures)},
    [KEY_VIEW_ECDSA] = {"aECDSA", ecdsa_signatures, ARRAY_COUNT(ecdsa_signatures)},
    [KEY_VIEW_ED25519] = {"aECDSA", ed25519_signatures, ARRAY_COUNT(ed25519_signatures)},
};

/* The ALPN wire format (RFC 7301 section 3.1) of a comma separated list; false if it has none. */
static bool alpn_encode(const char *list, uint8_t out[ALPN_WIRE_MAX], size_t *out_len) {
    struct span rest = span_str(list);
    size_t len = 0;
    while (rest.len > 0) { /* every turn takes one name: bounded by the list's length */
        size_t name_len = span_find(rest, ',');
        if (name_len == 0 || name_len > 255 || len + 1 + name_len > ALPN_WIRE_MAX) {
            return false;
        }
        out[len++] = (uint8_t)name_len;
        memcpy(out + len, rest.data, name_len);
        len += name_len;
        bool has_comma = name_len < rest.len;
        span_take(&rest, name_len + 1);
        if (has_comma && rest.len == 0) {
            return false;
        }
    }
    *out_len = len;
    return len > 0;
}

/* Our wish for a client certificate is noted, never granted. */
static int on_certificate_request(SSL *ssl, void *argument) {
    (void)argument;
    struct tls *tls = SSL_get_app_data(ssl);
    tls->facts.client_cert_requested = true;
    return 1;
}

static void view_set_behaviour(SSL_CTX *ctx) {
    SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, tls_verify_chain);
    SSL_CTX_set_cert_cb(ctx, on_certificate_request, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES_MAX);
    SSL_CTX_set_grease_enabled(ctx, 0); /* the same bytes every time: a view is repeatable */
}

static bool view_set_preferences(SSL_CTX *ctx, const struct tls_config *config,
                                 const struct view_row *row) {
    size_t signature_count = row->signature_count;
    if (config->min_version >= TLS1_2_VERSION) {
        signature_count -= SHA1_COUNT;
    }
    return SSL_CTX_set_cipher_list(ctx, row->ciphers) &&
           SSL_CTX_set_verify_algorithm_prefs(ctx, row->signatures, signature_count);
}

/* What the library at hand has; what it does not know it refuses. */
static enum err explain_groups(SSL_CTX *ctx, const char *groups, struct err_note *note) {
    static const char *const names[] = {"X25519MLKEM768", "X25519", "P-256", "P-384", "P-521"};
    char known[96] = "";
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (SSL_CTX_set1_curves_list(ctx, names[i])) {
            size_t len = strlen(known);
            snprintf(known + len, sizeof known - len, "%s%s", len > 0 ? ":" : "", names[i]);
        }
    }
    ERR_clear_error();
    return err_note(note, ERR_USAGE,
                    "--groups \"%s\": this BoringSSL (%s) cannot offer that; give some of "
                    "%s, the most wanted first, each once",
                    groups, PINSWEEP_BORINGSSL, known);
}

static enum err view_new(const struct tls_config *config, const struct view_row *row,
                         const uint8_t *alpn, size_t alpn_len, SSL_CTX **out,
                         struct err_note *note) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_with_buffers_method());
    if (ctx == NULL) {
        return err_note(note, ERR_RESOURCE, "no memory for a TLS context");
    }
    *out = ctx;
    view_set_behaviour(ctx);
    if (!SSL_CTX_set_min_proto_version(ctx, config->min_version) ||
        !SSL_CTX_set_max_proto_version(ctx, config->max_version)) {
        ERR_clear_error();
        return err_note(
            note, ERR_UNSUPPORTED, "this BoringSSL cannot speak %s to %s; ask for TLS 1.2 or 1.3",
            tls_version_text(config->min_version), tls_version_text(config->max_version));
    }
    const char *groups = config->groups != NULL ? config->groups : default_groups;
    if (!SSL_CTX_set1_curves_list(ctx, groups)) {
        return explain_groups(ctx, groups, note);
    }
    /* SSL_CTX_set_alpn_protos returns 0 on success, as OpenSSL's does. */
    if (!view_set_preferences(ctx, config, row) ||
        (alpn_len > 0 && SSL_CTX_set_alpn_protos(ctx, alpn, (unsigned)alpn_len) != 0)) {
        ERR_clear_error();
        return err_note(note, ERR_RESOURCE, "the TLS library refuses our preferences");
    }
    return ERR_NONE;
}

/* A name of the greatest length must go out with every view; KEY_VIEW_ANY's hello is the longest.
 */
static bool longest_hello_fits(struct tls_context *context) {
    uint8_t output[SEND_BUFFER_BYTES];
    char name[HOST_MAX + 1];
    struct tls tls;
    memset(name, 'a', HOST_MAX);
    name[HOST_MAX] = '\0';
    bool fits = tls_init(&tls, context, KEY_VIEW_ANY, name, output);
    tls_fini(&tls);
    return fits;
}

enum err tls_context_new(const struct tls_config *config, struct tls_context **out,
                         struct err_note *note) {
    uint8_t alpn[ALPN_WIRE_MAX];
    size_t alpn_len = 0;
    if (config->alpn != NULL && !alpn_encode(config->alpn, alpn, &alpn_len)) {
        return err_note(note, ERR_USAGE,
                        "\"%s\" is no list of ALPN protocols: names of 1 to 255 bytes, separated "
                        "by commas, %u bytes at most",
                        config->alpn, ALPN_WIRE_MAX);
    }
    if (config->min_version < TLS1_VERSION || config->max_version > TLS1_3_VERSION ||
        config->min_version > config->max_version) {
        return err_note(note, ERR_USAGE,
                        "the TLS versions 0x%04x to 0x%04x are no range within 1.0 to 1.3",
                        config->min_version, config->max_version);
    }
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL) {
        return err_note(note, ERR_RESOURCE, "no memory for a TLS context");
    }
    enum err err = ERR_NONE;
    context->bio_method = tls_bio_method_new();
    if (context->bio_method == NULL) {
        err = err_note(note, ERR_RESOURCE, "no memory for a TLS context");
    }
    for (size_t i = 0; i < KEY_VIEW_COUNT && err == ERR_NONE; i++) {
        err = view_new(config, &view_rows[i], alpn, alpn_len, &context->views[i], note);
    }
    if (err == ERR_NONE && !longest_hello_fits(context)) {
        err = err_note(note, ERR_USAGE,
                       "the ClientHello would have more than %d bytes with the longest name; offer "
                       "fewer ALPN protocols or groups",
                       SEND_BUFFER_BYTES);
    }
    if (err == ERR_NONE && !capture_context_init(context)) {
        err = err_note(note, ERR_RESOURCE, "no memory for a TLS context");
    }
    if (err != ERR_NONE) {
        tls_context_free(context);
        return err;
    }
    *out = context;
    return ERR_NONE;
}

void tls_context_free(struct tls_context *context) {
    if (context == NULL) {
        return;
    }
    for (size_t i = 0; i < KEY_VIEW_COUNT; i++) {
        SSL_CTX_free(context->views[i]);
    }
    BIO_meth_free(context->bio_method);
    capture_context_fini(context);
    free(context);
}
