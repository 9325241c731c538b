/* Envoy: a cluster for each pin set, with the TLS context that holds its pins
   (CertificateValidation- Context's verify_certificate_spki and verify_certificate_hash), as
   import_envoy.c reads it. A fragment of a bootstrap: what a cluster is besides is its owner's. */
#include <stdio.h>

#include "engine/codec/netaddr.h"
#include "engine/policy/export_yaml.h"

const struct export_traits export_envoy_traits = {
    .client = PIN_CLIENT_ENVOY,
    .name = "Envoy",
    .search = EXPORT_LEAF,
    .reaches = EXPORT_BIT(EXPORT_NAME),
    .algs = EXPORT_BIT(PIN_SHA256),
    .certs = true,
    .ports = true,
    .repeats = true,
};

#define UPSTREAM_TYPE                                                                              \
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
#define HTTPS_PORT 443

/* Hosts of one cluster: of one name on several ports, or endpoints without SNI. */
struct cluster {
    const struct export_plan *plan;
    const char *name;
    const char *sni; /* NULL: none */
    uint32_t first, count;
};

static bool is_address(const char *name) {
    struct netaddr address;
    return netaddr_parse(span_str(name), &address);
}

/* --- names --- */

/* import_envoy.c names a set "<application>:<cluster>:<host>". */
static const char *cluster_name(struct export *export, const struct pin_set *set,
                                const char *host) {
    const char *name = export_short_name(export, set);
    size_t host_len = strlen(host);
    size_t len = strlen(name);
    if (len > host_len + 1 && name[len - host_len - 1] == ':' &&
        strcmp(name + len - host_len, host) == 0) {
        len -= host_len + 1;
    }
    return arena_copy_text(&export->scratch, span_of(name, len));
}

/* --- one cluster --- */

static void put_trust(struct export_yaml *yaml, const struct pin_set *set) {
    struct export *export = yaml->export;
    const struct trust_store *store = export->config->store;
    if (set->trust_none) {
        return; /* the pins alone decide */
    }
    const char *file = TRUST_SYSTEM_BUNDLE;
    bool system = strcmp(set->trust[0], "system") == 0;
    int profile = !system && store != NULL ? trust_store_find(store, set->trust[0]) : -1;
    if (profile >= 0 && store->profiles[profile].file != NULL) {
        file = store->profiles[profile].file;
    }
    if (set->trust_count > 1 || (!system && profile < 0)) {
        export_loss(export, set, NULL,
                    "trust profile %.64s is lost, a context has one file of anchors that must be "
                    "known: Envoy would build paths to those of %s",
                    set->trust[set->trust_count - 1], file);
    }
    export_yaml_word(yaml, "trusted_ca");
    export_yaml_begin_map(yaml, true);
    export_yaml_key_text(yaml, "filename", file);
    export_yaml_end_map(yaml);
}

static void put_list(struct export_yaml *yaml, const struct export_plan *plan, enum pin_of of) {
    bool begun = false;
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        struct export_text text = {0};
        if (plan->pins[i].of != of) {
            continue;
        }
        if (!begun) {
            export_yaml_word(yaml, of == PIN_OF_SPKI ? "verify_certificate_spki"
                                                     : "verify_certificate_hash");
            export_yaml_begin_list(yaml, false);
            begun = true;
        }
        if (of == PIN_OF_SPKI) {
            export_put_base64(&text, plan->pins[i].value);
        } else {
            export_put_hex(&text, plan->pins[i].value);
        }
        export_yaml_text(yaml, text.bytes);
        export_text_fini(&text);
    }
    if (begun) {
        export_yaml_end_list(yaml);
    }
}

static void put_context(struct export_yaml *yaml, const struct cluster *cluster) {
    export_yaml_word(yaml, "transport_socket");
    export_yaml_begin_map(yaml, false);
    export_yaml_key_text(yaml, "name", "envoy.transport_sockets.tls");
    export_yaml_word(yaml, "typed_config");
    export_yaml_begin_map(yaml, false);
    export_yaml_text(yaml, "@type");
    export_yaml_text(yaml, UPSTREAM_TYPE);
    if (cluster->sni != NULL) {
        export_yaml_key_text(yaml, "sni", cluster->sni);
    }
    export_yaml_word(yaml, "common_tls_context");
    export_yaml_begin_map(yaml, false);
    export_yaml_word(yaml, "validation_context");
    export_yaml_begin_map(yaml, false);
    put_trust(yaml, cluster->plan->set);
    put_list(yaml, cluster->plan, PIN_OF_SPKI);
    put_list(yaml, cluster->plan, PIN_OF_CERT);
    for (int depth = 0; depth < 4; depth++) {
        export_yaml_end_map(yaml);
    }
}

static void put_endpoint(struct export_yaml *yaml, const struct export_host *host) {
    char port[8];
    export_yaml_begin_map(yaml, false);
    export_yaml_word(yaml, "endpoint");
    export_yaml_begin_map(yaml, false);
    export_yaml_word(yaml, "address");
    export_yaml_begin_map(yaml, false);
    export_yaml_word(yaml, "socket_address");
    export_yaml_begin_map(yaml, true);
    export_yaml_key_text(yaml, "address", host->name);
    snprintf(port, sizeof port, "%u", host->port != 0 ? host->port : HTTPS_PORT);
    export_yaml_key_word(yaml, "port_value", port);
    for (int depth = 0; depth < 4; depth++) {
        export_yaml_end_map(yaml);
    }
}

static void put_endpoints(struct export_yaml *yaml, const struct cluster *cluster) {
    const struct export_host *hosts = &cluster->plan->hosts[cluster->first];
    if (cluster->count == 1 && hosts[0].port == 0 && cluster->sni != NULL) {
        return; /* the SNI on every port */
    }
    export_yaml_word(yaml, "load_assignment");
    export_yaml_begin_map(yaml, false);
    export_yaml_key_text(yaml, "cluster_name", cluster->name);
    export_yaml_word(yaml, "endpoints");
    export_yaml_begin_list(yaml, false);
    export_yaml_begin_map(yaml, false);
    export_yaml_word(yaml, "lb_endpoints");
    export_yaml_begin_list(yaml, false);
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (hosts[i].port == 0) {
            export_loss(yaml->export, cluster->plan->set, hosts[i].name,
                        "every port is lost, an endpoint has one: Envoy would pin port %d alone",
                        HTTPS_PORT);
        }
        put_endpoint(yaml, &hosts[i]);
    }
    export_yaml_end_list(yaml);
    export_yaml_end_map(yaml);
    export_yaml_end_list(yaml);
    export_yaml_end_map(yaml);
}

static void put_cluster(struct export_yaml *yaml, const struct cluster *cluster) {
    export_yaml_begin_map(yaml, false);
    export_yaml_word(yaml, "name");
    export_yaml_text(yaml, cluster->name);
    put_endpoints(yaml, cluster);
    put_context(yaml, cluster);
    export_yaml_end_map(yaml);
}

/* --- one pin set --- */

/* All hosts are endpoints of one cluster if an endpoint can be each of them. */
static bool are_endpoints(const struct export_plan *plan) {
    bool several = false;
    for (uint32_t i = 0; i < plan->host_count; i++) {
        several = several || strcmp(plan->hosts[i].name, plan->hosts[0].name) != 0;
        if (plan->hosts[i].port == 0) {
            return false;
        }
    }
    return several;
}

static const char *host_text(struct export *export, const struct export_host *host) {
    struct pin_host written = {.name = host->name, .port = host->port};
    return export_host_text(export, &written);
}

/* A name's ports may stand together only if each is one. */
static uint32_t cluster_len(const struct export_plan *plan, uint32_t first) {
    uint32_t count = 1;
    while (first + count < plan->host_count && plan->hosts[first].port != 0 &&
           plan->hosts[first + count].port != 0 &&
           strcmp(plan->hosts[first + count].name, plan->hosts[first].name) == 0) {
        count++;
    }
    return count;
}

static void put_plan(struct export_yaml *yaml, const struct export_plan *plan) {
    struct export *export = yaml->export;
    struct cluster cluster = {.plan = plan, .count = plan->host_count};
    const char *name = cluster_name(export, plan->set, host_text(export, &plan->hosts[0]));
    if (are_endpoints(plan)) {
        cluster.name = name;
        put_cluster(yaml, &cluster);
        return;
    }
    for (; cluster.first < plan->host_count; cluster.first += cluster.count) {
        const struct export_host *host = &plan->hosts[cluster.first];
        const char *text = host_text(export, host);
        cluster.count = cluster_len(plan, cluster.first);
        cluster.sni = is_address(host->name) ? NULL : host->name;
        cluster.name = name;
        if (cluster.first > 0) { /* names of clusters differ */
            size_t len = strlen(name) + 1 + strlen(text);
            char *longer = arena_alloc(&export->scratch, len + 1);
            snprintf(longer, len + 1, "%s %s", name, text);
            cluster.name = longer;
        }
        put_cluster(yaml, &cluster);
    }
}

/* A listener looks for these in its clients' certificates: no cluster does. */
bool export_is_of_listener(const struct pin_set *set) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        if (strcmp(set->pins[i].note, "of client certificates") != 0) {
            return false;
        }
    }
    return set->client == PIN_CLIENT_ENVOY && set->report_only;
}

enum err export_envoy(struct export *export) {
    struct export_yaml yaml;
    enum err err = export_yaml_begin(&yaml, export);
    if (err != ERR_NONE) {
        return err;
    }
    export_yaml_begin_map(&yaml, false);
    export_yaml_word(&yaml, "static_resources");
    export_yaml_begin_map(&yaml, false);
    export_yaml_word(&yaml, "clusters");
    export_yaml_begin_list(&yaml, false);
    for (uint32_t i = 0; i < export->count; i++) {
        put_plan(&yaml, &export->plans[i]);
    }
    export_yaml_end_list(&yaml);
    export_yaml_end_map(&yaml);
    export_yaml_end_map(&yaml);
    return export_yaml_end(&yaml);
}
