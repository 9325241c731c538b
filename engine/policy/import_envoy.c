/* Envoy's verify_certificate_spki and verify_certificate_hash (CertificateValidationContext),
   wherever they stand in a bootstrap, in LDS, CDS and SDS resources or in a context of its own. A
   context names no host: it is its cluster's, by the SNI of the TLS context and the ports of the
   endpoints (the endpoints themselves where there is no SNI), or its filter chain's server_names. A
   listener looks for its pins in the certificates of its clients, which no sweep sees: they are
   report-only. Secrets of the same file are followed by name. Keys may be written as JSON has them
   (verifyCertificateSpki). */
#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/text.h"
#include "engine/policy/import_set.h"
#include "engine/policy/policy_yaml.h"

#define SPKI "verify_certificate_spki"
#define HASH "verify_certificate_hash"
#define HEX_LEN 64
#define COLON_HEX_LEN 95

/* A secret with a validation context. */
struct secret {
    struct span name;
    const struct policy_node *context;
    bool used;
};

struct document {
    struct import *import;
    struct import_sets sets;
    struct secret *secrets;
    uint32_t secret_count, secret_capacity;
};

/* What a context is inside of. */
struct scope {
    const struct policy_node *name; /* of the cluster, listener or filter chain */
    const struct policy_node *sni, *server_names, *endpoints;
    bool downstream; /* a listener's */
    bool sni_of_endpoint;
};

/* --- nodes --- */

/* "verify_certificate_spki" is also "verifyCertificateSpki". */
static bool is_key(struct span text, const char *key) {
    size_t at = 0;
    bool capital = false;
    if (span_equal_str(text, key)) {
        return true;
    }
    for (; *key != '\0'; key++) {
        if (*key == '_') {
            capital = true;
            continue;
        }
        uint8_t wanted = (uint8_t)(capital && *key >= 'a' ? *key - 'a' + 'A' : *key);
        if (at == text.len || text.data[at++] != wanted) {
            return false;
        }
        capital = false;
    }
    return at == text.len;
}

/* The value of a key of a map that has one; NULL. */
static const struct policy_node *get(const struct policy_node *map, const char *key) {
    for (uint32_t i = 0; map != NULL && map->kind == POLICY_MAP && i + 1 < map->count; i += 2) {
        if (is_key(map->items[i]->text, key)) {
            return map->items[i + 1];
        }
    }
    return NULL;
}

static bool is_text(const struct policy_node *node) {
    return node != NULL && node->kind == POLICY_SCALAR && node->text.len > 0;
}

static bool ends_with(const struct policy_node *node, const char *end) {
    size_t len = strlen(end);
    return is_text(node) && node->text.len >= len &&
           memcmp(node->text.data + node->text.len - len, end, len) == 0;
}

static bool has_pins(const struct policy_node *context) {
    return get(context, SPKI) != NULL || get(context, HASH) != NULL;
}

/* --- pins --- */

static enum err read_spki(struct document *document, const struct policy_node *node,
                          struct pin *out) {
    return import_read_pin(document->import, node->line, NULL, PIN_SHA256, node->text, out);
}

/* "df6ff72f..." or "DF:6F:F7:2F:...". */
static enum err read_hash(struct document *document, const struct policy_node *node,
                          struct pin *out) {
    char digits[COLON_HEX_LEN], base64[BASE64_SHA256_LEN];
    uint8_t digest[32];
    size_t len = 0, digest_len = 0;
    bool colons = node->text.len == COLON_HEX_LEN, good = colons || node->text.len == HEX_LEN;
    for (size_t i = 0; i < node->text.len && good; i++) {
        if (colons && i % 3 == 2) {
            good = node->text.data[i] == ':';
        } else {
            digits[len++] = (char)node->text.data[i];
        }
    }
    if (!good || !hex_decode(span_of(digits, len), digest, sizeof digest, &digest_len)) {
        return import_fail(document->import, node->line, NULL,
                           HASH " \"%s\" is not the SHA-256 of a certificate: write 64 hexadecimal "
                                "digits, or 32 pairs with colons (a key's base64 belongs into " SPKI
                                ")",
                           import_quote(document->import, node->text));
    }
    base64_encode(base64, span_of(digest, sizeof digest));
    enum err err = import_read_pin(document->import, node->line, NULL, PIN_SHA256,
                                   span_of(base64, sizeof base64), out);
    out->of = PIN_OF_CERT;
    return err;
}

static enum err read_list(struct document *document, const struct policy_node *context,
                          const char *key, bool downstream, struct import_set *set) {
    const struct policy_node *list = get(context, key);
    bool of_certs = strcmp(key, HASH) == 0;
    if (list == NULL) {
        return ERR_NONE;
    }
    if (list->kind != POLICY_LIST || list->count == 0) {
        return import_fail(
            document->import, list->line, NULL,
            "%s wants a list with a pin in it: write [\"<%s>\"], or take the key out", key,
            of_certs ? "64 hexadecimal digits" : "base64");
    }
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < list->count && err == ERR_NONE; i++) {
        const struct policy_node *node = list->items[i];
        struct pin pin;
        if (node->kind != POLICY_SCALAR) {
            return import_fail(document->import, node->line, NULL, "%s wants texts in its list",
                               key);
        }
        err = of_certs ? read_hash(document, node, &pin) : read_spki(document, node, &pin);
        if (err == ERR_NONE) {
            pin.note = downstream ? "of client certificates" : "";
            import_set_add_pin(document->import, set, &pin);
        }
    }
    return err;
}

/* --- hosts --- */

static enum err read_port(struct document *document, const struct policy_node *address,
                          uint16_t *out) {
    const struct policy_node *port = get(address, "port_value");
    uint64_t number = 0;
    if (port == NULL) {
        return ERR_NONE; /* a named port, or none: every port */
    }
    if (port->kind != POLICY_SCALAR || !text_parse_u64(port->text, 65535, &number)) {
        return import_fail(document->import, port->line, NULL,
                           "port_value is no number up to 65535: correct it");
    }
    *out = (uint16_t)number;
    return ERR_NONE;
}

/* The host of an endpoint's address, or the SNI at its port. */
static enum err add_endpoint(struct document *document, const struct scope *scope,
                             const struct policy_node *endpoint, const struct policy_node *address,
                             struct import_set *set) {
    const struct policy_node *name = get(address, "address"), *hostname = get(endpoint, "hostname");
    name = scope->sni_of_endpoint && is_text(hostname) ? hostname : name;
    name = scope->sni != NULL ? scope->sni : name;
    struct pin_host host;
    if (!is_text(name)) {
        return ERR_NONE;
    }
    enum err err = import_read_host(document->import, name->line, name->text, false, &host);
    if (err == ERR_NONE) {
        err = read_port(document, address, &host.port);
    }
    const struct pin_host *last = set->host_count > 0 ? &set->hosts[set->host_count - 1] : NULL;
    if (err == ERR_NONE &&
        (last == NULL || last->port != host.port || strcmp(last->name, host.name) != 0)) {
        import_set_add_host(document->import, set, host);
    }
    return err;
}

/* Every socket_address under a cluster's load_assignment (or version 2's hosts), but for those of
   health checks. */
static enum err add_endpoints(struct document *document, const struct scope *scope,
                              const struct policy_node *endpoint, const struct policy_node *node,
                              struct import_set *set) {
    enum err err = ERR_NONE;
    if (node->kind == POLICY_LIST) {
        for (uint32_t i = 0; i < node->count && err == ERR_NONE; i++) {
            err = add_endpoints(document, scope, endpoint, node->items[i], set);
        }
    }
    for (uint32_t i = 0; node->kind == POLICY_MAP && i < node->count && err == ERR_NONE; i += 2) {
        const struct span key = node->items[i]->text;
        const struct policy_node *value = node->items[i + 1];
        if (is_key(key, "socket_address")) {
            err = add_endpoint(document, scope, endpoint, value, set);
        } else if (!is_key(key, "health_check_config")) {
            err = add_endpoints(document, scope, is_key(key, "endpoint") ? value : endpoint, value,
                                set);
        }
    }
    return err;
}

/* "*.bank.example" reaches any depth below bank.example, not itself. */
static enum err add_server_name(struct document *document, const struct policy_node *node,
                                struct import_set *set) {
    struct pin_host host;
    if (!is_text(node)) {
        return import_fail(document->import, node->line, NULL,
                           "server_names wants names: write [api.bank.example]");
    }
    enum err err = import_read_host(document->import, node->line, node->text, true, &host);
    if (err == ERR_NONE && host.pattern == PIN_PATTERN_ONE_LABEL) {
        host.pattern = PIN_PATTERN_ANY_DEPTH;
        import_set_exclude(document->import, set, host.name);
    }
    if (err == ERR_NONE) {
        import_set_add_host(document->import, set, host);
    }
    return err;
}

static enum err add_hosts(struct document *document, const struct scope *scope,
                          struct import_set *set) {
    enum err err = ERR_NONE;
    if (scope->downstream) {
        const struct policy_node *names = scope->server_names;
        for (uint32_t i = 0; names != NULL && i < names->count && err == ERR_NONE; i++) {
            err = add_server_name(document, names->items[i], set);
        }
        return err;
    }
    if (scope->endpoints != NULL) {
        err = add_endpoints(document, scope, NULL, scope->endpoints, set);
    }
    if (err == ERR_NONE && set->host_count == 0 && scope->sni != NULL) {
        struct pin_host host;
        err = import_read_host(document->import, scope->sni->line, scope->sni->text, false, &host);
        if (err == ERR_NONE) {
            import_set_add_host(document->import, set, host);
        }
    }
    return err;
}

/* --- contexts --- */

static enum err fail_without_host(struct document *document, const struct policy_node *context,
                                  const struct scope *scope) {
    return import_fail(
        document->import, context->line, NULL, "no host goes with these pins: %s",
        scope->downstream
            ? "add filter_chain_match: {server_names: [api.bank.example]} to the filter chain"
            : "write sni: api.bank.example beside common_tls_context (or beside a context that "
              "stands alone), or give the cluster's load_assignment with its endpoints");
}

/* "<stem>:<cluster>:<host>", with "#<line>" where that is taken already (line 0: it is not). */
static const char *set_name(struct document *document, const struct scope *scope,
                            const struct import_set *set, uint32_t line) {
    struct import *import = document->import;
    char at_line[16] = "";
    if (line > 0) {
        snprintf(at_line, sizeof at_line, "#%u", line);
    }
    struct span resource = scope->name != NULL ? scope->name->text : span_of("", 0);
    struct span parts[] = {span_str(import->prefix),
                           span_of(":", 1),
                           resource,
                           span_of(":", resource.len > 0 ? 1 : 0),
                           span_str(import_host_text(import, &set->hosts[0])),
                           span_str(at_line)};
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        len += parts[i].len;
    }
    char *name = arena_alloc(&import->index->arena, len + 1);
    len = 0;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (parts[i].len > 0) {
            memcpy(name + len, parts[i].data, parts[i].len);
            len += parts[i].len;
        }
    }
    return name;
}

/* The contexts that Envoy merges into one: a certificate needs to be in any of their lists. */
static enum err take(struct document *document, const struct policy_node *const contexts[],
                     size_t count, const struct scope *scope) {
    static const char *none[] = {"none"};
    struct import *import = document->import;
    struct import_set read = {0};
    bool has_ca = false;
    enum err err = ERR_NONE;
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        has_ca = has_ca || get(contexts[i], "trusted_ca") != NULL;
        err = read_list(document, contexts[i], SPKI, scope->downstream, &read);
        if (err == ERR_NONE) {
            err = read_list(document, contexts[i], HASH, scope->downstream, &read);
        }
    }
    if (err == ERR_NONE && read.pin_count > 0) {
        err = add_hosts(document, scope, &read);
    }
    if (err != ERR_NONE || read.pin_count == 0) {
        return err;
    }
    if (read.host_count == 0) {
        return fail_without_host(document, contexts[0], scope);
    }
    uint32_t line = contexts[0]->line;
    bool is_new = false;
    const char *name = set_name(document, scope, &read, 0);
    struct import_set *set =
        import_sets_get(import, &document->sets, name, PIN_CLIENT_ENVOY, line, &is_new);
    if (!is_new) {
        name = set_name(document, scope, &read, line);
        set = import_sets_get(import, &document->sets, name, PIN_CLIENT_ENVOY, line, &is_new);
    }
    if (!is_new) {
        return import_fail(import, line, import_host_text(import, &read.hosts[0]),
                           "two contexts of one line are for the same host: write each on lines of "
                           "its own, or give their clusters names");
    }
    read.set = set->set;
    *set = read;
    set->set->name = name;
    set->set->report_only = scope->downstream;
    if (!has_ca) { /* the pins alone decide */
        set->set->trust = none;
        set->set->trust_none = true;
    }
    return ERR_NONE;
}

static int compare_secrets(const void *left, const void *right) {
    const struct secret *a = left, *b = right;
    return strcmp((const char *)a->name.data, (const char *)b->name.data);
}

/* By the name in a map; NULL. */
static struct secret *find_secret(const struct document *document, const struct policy_node *map) {
    const struct policy_node *name = get(map, "name");
    if (!is_text(name) || document->secret_count == 0) {
        return NULL;
    }
    struct secret key = {.name = name->text};
    return bsearch(&key, document->secrets, document->secret_count, sizeof key, compare_secrets);
}

/* What a TLS context says of its peer: its own context, one of a secret, or both. */
static enum err take_tls_context(struct document *document, const struct policy_node *tls,
                                 const struct scope *scope) {
    const struct policy_node *combined = get(tls, "combined_validation_context");
    const struct policy_node *own[] = {get(tls, "validation_context"),
                                       get(combined, "default_validation_context")};
    const struct policy_node *sds[] = {get(tls, "validation_context_sds_secret_config"),
                                       get(combined, "validation_context_sds_secret_config")};
    const struct policy_node *contexts[4];
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        struct secret *secret = find_secret(document, sds[i]);
        if (has_pins(own[i])) {
            contexts[count++] = own[i];
        }
        if (secret != NULL) {
            contexts[count++] = secret->context;
            secret->used = true;
        }
    }
    return count > 0 ? take(document, contexts, count, scope) : ERR_NONE;
}

/* --- the tree --- */

static bool is_secret(const struct policy_node *map) {
    return is_text(get(map, "name")) && has_pins(get(map, "validation_context"));
}

static void find_secrets(struct document *document, const struct policy_node *node) {
    if (node->kind == POLICY_MAP && is_secret(node)) {
        if (document->secret_count == document->secret_capacity) {
            uint32_t capacity = document->secret_capacity > 0 ? 2 * document->secret_capacity : 8;
            struct secret *secrets =
                arena_alloc(&document->import->scratch, capacity * sizeof *secrets);
            if (document->secret_count > 0) {
                memcpy(secrets, document->secrets, document->secret_count * sizeof *secrets);
            }
            document->secrets = secrets;
            document->secret_capacity = capacity;
        }
        document->secrets[document->secret_count++] =
            (struct secret){get(node, "name")->text, get(node, "validation_context"), false};
    }
    for (uint32_t i = 0; i < node->count; i++) {
        find_secrets(document, node->items[i]);
    }
}

/* What this map says about the contexts inside of it. */
static struct scope enter(const struct scope *outer, const struct policy_node *map) {
    struct scope scope = *outer;
    const struct policy_node *match = get(map, "filter_chain_match"), *type = get(map, "@type"),
                             *sni = get(map, "sni"), *name = get(map, "name"),
                             *assignment = get(map, "load_assignment");
    assignment = assignment != NULL ? assignment : get(map, "hosts");
    if (is_text(name) && (assignment != NULL || get(map, "transport_socket") != NULL ||
                          get(map, "transport_socket_matches") != NULL ||
                          get(map, "tls_context") != NULL || get(map, "filter_chains") != NULL)) {
        scope.name = name;
    }
    if (get(map, "filter_chains") != NULL || get(map, "default_filter_chain") != NULL ||
        match != NULL) {
        const struct policy_node *names = get(match, "server_names");
        scope = (struct scope){.name = scope.name,
                               .server_names =
                                   names != NULL && names->kind == POLICY_LIST ? names : NULL,
                               .downstream = true};
    }
    if (assignment != NULL) {
        scope = (struct scope){.name = scope.name, .endpoints = assignment};
    }
    const struct policy_node *automatic = get(map, "auto_host_sni");
    if (ends_with(type, "UpstreamTlsContext") || is_text(sni) || automatic != NULL) {
        scope.downstream = false;
        scope.sni = is_text(sni) ? sni : NULL;
        scope.sni_of_endpoint = is_text(automatic) && span_equal_str(automatic->text, "true");
    } else if (ends_with(type, "DownstreamTlsContext")) {
        scope.downstream = true;
    }
    return scope;
}

static enum err visit(struct document *document, const struct policy_node *node,
                      const struct scope *outer) {
    enum err err = ERR_NONE;
    if (node->kind != POLICY_MAP) {
        for (uint32_t i = 0; i < node->count && err == ERR_NONE; i++) {
            err = visit(document, node->items[i], outer);
        }
        return err;
    }
    struct scope scope = enter(outer, node);
    if (has_pins(node)) {
        const struct policy_node *context[] = {node};
        return take(document, context, 1, &scope);
    }
    bool hosted = scope.sni != NULL || scope.endpoints != NULL || scope.server_names != NULL;
    if (is_secret(node) && !hosted) {
        return ERR_NONE; /* of whoever asks for it by name */
    }
    err = take_tls_context(document, node, &scope);
    struct secret *secret = is_secret(node) ? find_secret(document, node) : NULL;
    if (secret != NULL) {
        secret->used = true;
    }
    for (uint32_t i = 0; i < node->count && err == ERR_NONE; i += 2) {
        struct span key = node->items[i]->text;
        if (!is_key(key, "validation_context") && !is_key(key, "combined_validation_context")) {
            err = visit(document, node->items[i + 1], &scope);
        }
    }
    return err;
}

static enum err check_secrets(struct document *document) {
    for (uint32_t i = 0; i < document->secret_count; i++) {
        const struct secret *secret = &document->secrets[i];
        if (!secret->used) {
            return import_fail(document->import, secret->context->line, NULL,
                               "no host goes with these pins, since nothing in this file uses the "
                               "secret \"%s\": put its clusters into the same file, or write sni: "
                               "api.bank.example beside validation_context",
                               import_quote(document->import, secret->name));
        }
    }
    return ERR_NONE;
}

enum err import_envoy(struct import *import, struct span yaml) {
    struct document document = {.import = import};
    struct scope scope = {0};
    struct policy_node *root = NULL;
    enum err err = policy_yaml_read(yaml, import->file, &import->scratch, &root, import->note);
    if (err == ERR_NONE) {
        find_secrets(&document, root);
        if (document.secret_count > 0) {
            qsort(document.secrets, document.secret_count, sizeof *document.secrets,
                  compare_secrets);
        }
        err = visit(&document, root, &scope);
    }
    if (err == ERR_NONE) {
        err = check_secrets(&document);
    }
    return err == ERR_NONE ? import_sets_end(import, &document.sets) : err;
}
