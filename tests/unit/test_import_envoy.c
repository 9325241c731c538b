/* Envoy's pins: envoyproxy.io, "common.proto" (CertificateValidationContext), and where a context
   gets its host from. */
#include "tests/support/import_case.h"

#include <stdlib.h>

#include "tests/support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BAD(policy, error)                                                                         \
    { policy, "e.yaml:" error }

/* Of one line each: a context, a TLS context, a cluster. */
#define CA "trusted_ca: {filename: ca.pem}, "
#define SPKI(pins) "{verify_certificate_spki: [" pins "]}"
#define TLS(sni, context) "{" sni "common_tls_context: {validation_context: " context "}}"
#define ADDRESS(address, port)                                                                     \
    "{endpoint: {address: {socket_address: {address: " address ", port_value: " port "}}}}"
#define CLUSTER(name, endpoints, tls)                                                              \
    "  - {name: " name ", load_assignment: {endpoints: [{lb_endpoints: [" endpoints                \
    "]}]}, transport_socket: {typed_config: " tls "}}\n"
#define CLUSTERS "static_resources:\n  clusters:\n"
#define LISTENER(names, context)                                                                   \
    "static_resources:\n  listeners:\n  - {name: in, filter_chains: [{" names                      \
    "transport_socket: {typed_config: " TLS("", context) "}}]}\n"

static const char by_sni[] =
    CLUSTERS CLUSTER("c", ADDRESS("10.0.0.7", "443"), TLS("sni: a.example, ", SPKI("{1}")));
static const char by_address[] = CLUSTERS CLUSTER(
    "c", ADDRESS("a.example", "443") ", " ADDRESS("192.0.2.7", "8443"), TLS("", SPKI("{1}")));
static const char bare[] = "sni: a.example\ncommon_tls_context:\n  validation_context:\n    "
                           "verify_certificate_spki: [{1}, {2}]\n";
static const char of_certs[] =
    "sni: a.example\nvalidation_context:\n  verify_certificate_hash: [\"{X1}\"]\n";
static const char both[] =
    "sni: a.example\ncommon_tls_context:\n  validation_context:\n"
    "    verify_certificate_hash: [\"{X1}\"]\n    verify_certificate_spki: [\"{2}\"]\n";
static const char listener[] = LISTENER("filter_chain_match: {server_names: [a.example, "
                                        "\"*.b.example\"]}, ",
                                        SPKI("{1}"));
static const char secret[] =
    CLUSTERS CLUSTER("c", ADDRESS("10.0.0.7", "443"),
                     "{sni: a.example, common_tls_context: {combined_validation_context: "
                     "{default_validation_context: {verify_certificate_spki: [{1}]}, "
                     "validation_context_sds_secret_config: {name: pins}}}}") //
    "  secrets:\n  - name: pins\n    validation_context: {verify_certificate_spki: [{2}]}\n";
static const char camel[] =
    "{\"sni\": \"a.example\", \"commonTlsContext\": {\"validationContext\": "
    "{\"verifyCertificateSpki\": [\"{1}\"]}}}";
static const char resources[] =
    "resources:\n- \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\n"
    "  name: c\n  transport_socket:\n    typed_config:\n"
    "      \"@type\": x/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n"
    "      sni: a.example\n      common_tls_context:\n        validation_context:\n"
    "          verify_certificate_spki:\n          - {1}\n";
static const char of_hostname[] =
    CLUSTERS "  - name: c\n    load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {hostname: "
             "a.example, "
             "health_check_config: {address: {socket_address: {address: health.example}}}, "
             "address: {socket_address: {address: 10.0.0.7, port_value: 443}}}}]}]}\n"
             "    transport_socket: {typed_config: {auto_host_sni: true, common_tls_context: "
             "{validation_context: {verify_certificate_spki: [{1}]}}}}\n";

static const struct import_case cases[] = {
    {by_sni, "a.example", "12", NULL, NULL, "match"},
    {by_sni, "a.example", "01", NULL, NULL, "mismatch"}, /* only the leaf */
    {by_sni, "a.example", "", "12", NULL, "match"},      /* without a path */
    {by_sni, "a.example:8443", "02", NULL, NULL, "unpinned"},
    {by_sni, "b.a.example", "02", NULL, NULL, "unpinned"},
    {by_sni, "10.0.0.7", "02", NULL, NULL, "unpinned"}, /* the SNI is the pin host */
    {by_sni, "a.example", "12", NULL, "2099-01-01", "match"},
    {by_address, "a.example", "12", NULL, NULL, "match"},
    {by_address, "192.0.2.7:8443", "12", NULL, NULL, "match"},
    {by_address, "192.0.2.7:8443", "32", NULL, NULL, "mismatch"},
    {by_address, "192.0.2.7", "32", NULL, NULL, "unpinned"},
    {bare, "a.example", "23", NULL, NULL, "match"},
    {bare, "a.example:8443", "32", NULL, NULL, "mismatch"}, /* every port */
    {of_certs, "a.example", "12", NULL, NULL, "match"},
    {of_certs, "a.example", "21", NULL, NULL, "mismatch"},
    {both, "a.example", "13", NULL, NULL, "match"}, /* any of the two lists */
    {both, "a.example", "23", NULL, NULL, "match"},
    {both, "a.example", "31", NULL, NULL, "mismatch"},
    {"sni: a.example\na: {name: s, validation_context: {verify_certificate_spki: [{1}]}, b: {name: "
     "t, "
     "validation_context: {verify_certificate_spki: [{1}]}}}\n",
     "a.example", "31", NULL, NULL, "mismatch"},              /* secrets within secrets */
    {listener, "a.example", "02", NULL, NULL, "report-only"}, /* its clients' certificates */
    {listener, "x.b.example", "02", NULL, NULL, "report-only"},
    {listener, "y.x.b.example", "02", NULL, NULL, "report-only"},
    {listener, "b.example", "02", NULL, NULL, "unpinned"},
    {secret, "a.example", "13", NULL, NULL, "match"}, /* merged */
    {secret, "a.example", "23", NULL, NULL, "match"},
    {secret, "a.example", "31", NULL, NULL, "mismatch"},
    {camel, "a.example", "12", NULL, NULL, "match"},
    {camel, "a.example", "31", NULL, NULL, "mismatch"},
    {resources, "a.example", "31", NULL, NULL, "mismatch"},
    {of_hostname, "a.example", "31", NULL, NULL, "mismatch"},
    {of_hostname, "10.0.0.7", "31", NULL, NULL, "unpinned"},
    {of_hostname, "health.example", "31", NULL, NULL, "unpinned"},
};

static void test_cases(void) {
    import_expect(cases, COUNT(cases), IMPORT_AUTO);
}

static void test_colons(void) {
    char *hex = import_expand("{X1}"), policy[300];
    int len = snprintf(policy, sizeof policy, "sni: a.example\nverify_certificate_hash:\n- \"");
    for (int i = 0; i < 64; i += 2) {
        len += snprintf(policy + len, sizeof policy - (size_t)len, "%s%.2s", i > 0 ? ":" : "",
                        hex + i);
    }
    snprintf(policy + len, sizeof policy - (size_t)len, "\"\n");
    struct import_case one = {policy, "a.example", "12", NULL, NULL, "match"};
    import_expect(&one, 1, IMPORT_AUTO);
    free(hex);
}

static void test_errors(void) {
    static const struct import_bad bad[] = {
        BAD("static_resources: {clusters: [{name: c}]}\n",
            "1: there is no verify_certificate_spki or verify_certificate_hash in it, so that "
            "nothing would be pinned: add one, or leave the file out"),
        BAD("a: 1\nvalidation_context:\n  verify_certificate_spki: [{1}]\n",
            "3: no host goes with these pins: write sni: api.bank.example beside "
            "common_tls_context (or beside a context that stands alone), or give the cluster's "
            "load_assignment with its endpoints"),
        BAD("verify_certificate_spki: [{1}]\n",
            "1: no host goes with these pins: write sni: api.bank.example beside "
            "common_tls_context (or beside a context that stands alone), or give the cluster's "
            "load_assignment with its endpoints"),
        BAD(LISTENER("", SPKI("{1}")),
            "3: no host goes with these pins: add filter_chain_match: {server_names: "
            "[api.bank.example]} to the filter chain"),
        BAD("secrets:\n- name: s\n  validation_context: {verify_certificate_spki: [{1}]}\n",
            "3: no host goes with these pins, since nothing in this file uses the secret \"s\": "
            "put its clusters into the same file, or write sni: api.bank.example beside "
            "validation_context"),
        BAD("a: {name: s, validation_context: {verify_certificate_spki: [{1}]}, b: {name: t,\n"
            "validation_context: {verify_certificate_spki: [{1}]}}}\n",
            "1: no host goes with these pins, since nothing in this file uses the secret \"s\": "
            "put its clusters into the same file, or write sni: api.bank.example beside "
            "validation_context"),
        BAD("sni: a.example\nverify_certificate_spki: {1}\n",
            "2: verify_certificate_spki wants a list with a pin in it: write [\"<base64>\"], or "
            "take the key out"),
        BAD("sni: a.example\nverify_certificate_spki: []\n",
            "2: verify_certificate_spki wants a list with a pin in it: write [\"<base64>\"], or "
            "take the key out"),
        BAD("sni: a.example\nverify_certificate_hash:\n- \"{1}\"\n",
            "3: verify_certificate_hash \"{1}\" is not the SHA-256 of a certificate: write 64 "
            "hexadecimal digits, or 32 pairs with colons (a key's base64 belongs into "
            "verify_certificate_spki)"),
        BAD("sni: a.example\nverify_certificate_spki:\n- \"{x1}\"\n",
            "3: the pin \"{x1}\": this is hexadecimal: write \"sha256:<hexadecimal>\", or convert "
            "it to base64"),
        BAD("sni: a.example\nverify_certificate_spki:\n- [{1}]\n",
            "3: verify_certificate_spki wants texts in its list"),
        BAD(CLUSTERS CLUSTER("c", ADDRESS("a.example", "70000"), TLS("", SPKI("{1}"))),
            "3: port_value is no number up to 65535: correct it"),
        BAD("sni: \"*.example\"\nverify_certificate_spki: [{1}]\n",
            "1: \"*.example\" is no host: this client has no wildcards, name the host"),
        BAD("sni: &a a.example\nverify_certificate_spki: [{1}]\n",
            "1:6: yaml: anchors (&name) have no place in a policy: write the value out"),
    };
    import_expect_errors(bad, COUNT(bad), IMPORT_ENVOY, "e.yaml");
}

/* Two clusters of one name and host: both are there. */
static void test_names(void) {
    struct import_world *world =
        import_world_new(CLUSTERS CLUSTER("c", ADDRESS("a.example", "443"), TLS("", SPKI("{1}")))
                             CLUSTER("c", ADDRESS("a.example", "443"), TLS("", SPKI("{2}")))
                                 CLUSTER("d", ADDRESS("a.example", "443"),
                                         TLS("", "{" CA "verify_certificate_spki: "
                                                 "[{2}]}")),
                         IMPORT_AUTO, "e.yaml");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->index.set_count, 3);
    CU_ASSERT_STRING_EQUAL(world->index.sets[0]->name, "e:c:a.example:443");
    CU_ASSERT_STRING_EQUAL(world->index.sets[1]->name, "e:c:a.example:443#4");
    CU_ASSERT_STRING_EQUAL(world->index.sets[2]->name, "e:d:a.example:443");
    CU_ASSERT_TRUE(world->index.sets[0]->trust_none); /* no trusted_ca: the pins alone decide */
    CU_ASSERT_FALSE(world->index.sets[2]->trust_none);
    CU_ASSERT_EQUAL(world->index.sets[0]->scope, PIN_SCOPE_LEAF);
    import_world_free(world);
}

static void test_example(void) {
    size_t len = 0;
    char *text = import_example("envoy.yaml", &len);
    struct import_world *world = import_world_of(span_of(text, len), IMPORT_AUTO, "envoy.yaml");
    CU_ASSERT_EQUAL_FATAL(world->err, ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(world->index.set_count, 2);
    CU_ASSERT_STRING_EQUAL(world->index.sets[0]->name, "envoy:payments:pay.bank.example:8443");
    CU_ASSERT_STRING_EQUAL(world->index.sets[1]->name, "envoy:ledger:ledger.bank.example:443");
    CU_ASSERT_EQUAL(world->index.sets[1]->pins[1].of, PIN_OF_CERT);
    CU_ASSERT_EQUAL(world->index.sets[1]->client, PIN_CLIENT_ENVOY);
    import_world_free(world);
    import_cut_everywhere(span_of(text, len), IMPORT_ENVOY, "envoy.yaml");
    free(text);
}

SUITE_MAIN("import_envoy", {"cases", test_cases}, {"colons", test_colons}, {"errors", test_errors},
           {"names", test_names}, {"example", test_example})
