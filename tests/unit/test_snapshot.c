#include "engine/history/snapshot.h"

#include "tests/support/suite.h"

static void digest(uint8_t out[SHA256_LEN], uint32_t n) {
    sha256_once(span_of(&n, sizeof n), out);
}

static void test_each_once(void) {
    struct snapshot snapshot;
    snapshot_init(&snapshot);
    const char *first = snapshot_text(&snapshot, span_str("CN=a"));
    for (uint32_t i = 0; i < 5000; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "text %u", i);
        const char *copy = snapshot_text(&snapshot, span_of(text, (size_t)len));
        CU_ASSERT_STRING_EQUAL(copy, text);
        CU_ASSERT_PTR_EQUAL(snapshot_text(&snapshot, span_of(text, (size_t)len)), copy);
        uint8_t id[SHA256_LEN];
        digest(id, i);
        CU_ASSERT_EQUAL(snapshot_find_cert(&snapshot, id), SNAPSHOT_NONE);
        CU_ASSERT_EQUAL(snapshot_cert(&snapshot, id), i);
        CU_ASSERT_EQUAL(snapshot_chain(&snapshot, id), i);
    }
    CU_ASSERT_PTR_EQUAL(snapshot_text(&snapshot, span_str("CN=a")), first);
    CU_ASSERT_PTR_NOT_EQUAL(snapshot_text(&snapshot, span_str("CN=ab")), first);
    CU_ASSERT_STRING_EQUAL(snapshot_text(&snapshot, span_str("")), "");
    for (uint32_t i = 0; i < 5000; i++) {
        uint8_t id[SHA256_LEN];
        digest(id, i);
        CU_ASSERT_EQUAL(snapshot_cert(&snapshot, id), i);
        CU_ASSERT_EQUAL(snapshot_chain(&snapshot, id), i);
    }
    CU_ASSERT_EQUAL(snapshot.certs_count, 5000);
    struct err_note note;
    CU_ASSERT_EQUAL(snapshot_end(&snapshot, &note), ERR_NONE);
    CU_ASSERT(snapshot_bytes(&snapshot) > 5000 * sizeof(struct snapshot_cert));
    snapshot_fini(&snapshot);
}

static void test_chain_and_paths(void) {
    struct snapshot snapshot;
    snapshot_init(&snapshot);
    uint8_t id[SHA256_LEN];
    uint32_t certs[3];
    for (uint32_t i = 0; i < 3; i++) {
        digest(id, i);
        certs[i] = snapshot_cert(&snapshot, id);
    }
    uint32_t chain = snapshot_chain(&snapshot, id);
    snapshot_chain_set(&snapshot, chain, certs, 2);
    snapshot_chain_set(&snapshot, chain, certs, 3); /* it has them */
    CU_ASSERT_EQUAL(snapshot.chains[chain].cert_count, 2);
    CU_ASSERT_PTR_EQUAL(snapshot_chain_leaf(&snapshot, &snapshot.chains[chain]),
                        &snapshot.certs[certs[0]]);
    uint32_t system = snapshot_profile(&snapshot, span_str("system"));
    uint32_t other = snapshot_profile(&snapshot, span_str("other"));
    CU_ASSERT_EQUAL(snapshot_profile(&snapshot, span_str("system")), system);
    snapshot_chain_judge(&snapshot, chain);
    struct snapshot_path path = {.profile = system, .cert_count = 3, .preferred = true};
    snapshot_path(&snapshot, chain, &path, certs);
    snapshot_pkix(&snapshot, chain, system, PKIX_OK);
    snapshot_pkix(&snapshot, chain, other, PKIX_UNTRUSTED);
    uint32_t preferred = snapshot_preferred(&snapshot, &snapshot.chains[chain], system);
    CU_ASSERT_NOT_EQUAL_FATAL(preferred, SNAPSHOT_NONE);
    CU_ASSERT_EQUAL(snapshot.path_certs[snapshot.paths[preferred].first_cert + 2], certs[2]);
    CU_ASSERT_EQUAL(snapshot_preferred(&snapshot, &snapshot.chains[chain], other), SNAPSHOT_NONE);
    CU_ASSERT_EQUAL(snapshot.chains[chain].pkix_count, 2);
    snapshot_fini(&snapshot);
}

static void test_targets(void) {
    struct snapshot snapshot;
    snapshot_init(&snapshot);
    for (uint32_t i = 0; i < 1000; i++) {
        struct snapshot_target *target = snapshot_target(&snapshot);
        CU_ASSERT_PTR_NOT_NULL_FATAL(target);
        target->line = i;
        for (uint32_t v = 0; v < i % 3; v++) {
            CU_ASSERT_EQUAL(snapshot_view(&snapshot)->chain, SNAPSHOT_NONE);
        }
        for (uint32_t s = 0; s < i % 2; s++) {
            snapshot_set(&snapshot)->verdict = VERDICT_MATCH;
        }
    }
    uint32_t views = 0, sets = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        const struct snapshot_target *target = &snapshot.targets[i];
        CU_ASSERT_EQUAL(target->first_view, views);
        CU_ASSERT_EQUAL(target->first_set, sets);
        CU_ASSERT_EQUAL(target->view_count, i % 3);
        CU_ASSERT_EQUAL(target->set_count, i % 2);
        views += i % 3;
        sets += i % 2;
    }
    snapshot_fini(&snapshot);
}

static void test_malformed_certificate(void) {
    struct snapshot snapshot;
    snapshot_init(&snapshot);
    uint8_t id[SHA256_LEN] = {1};
    uint32_t cert = snapshot_cert(&snapshot, id);
    CU_ASSERT_FALSE(snapshot_cert_fill(&snapshot, cert, span_str("no DER"), true));
    CU_ASSERT_FALSE(snapshot.certs[cert].strict);
    CU_ASSERT_FALSE(snapshot.certs[cert].known);
    CU_ASSERT_EQUAL(snapshot.certs[cert].der.len, 6);
    snapshot_fini(&snapshot);
}

SUITE_MAIN("snapshot", {"each text, certificate and chain once", test_each_once},
           {"a chain, its paths and results", test_chain_and_paths},
           {"targets own what follows them", test_targets},
           {"a malformed certificate", test_malformed_certificate})
