#include <stdio.h>

#include "engine/trust/path_internal.h"
#include "tests/support/pki.h"
#include "tests/support/suite.h"

static struct pki pki;

/* A memory of one chain: what a first search found, or what a test makes of it. */
static struct {
    uint8_t chain_id[SHA256_LEN];
    struct path_recall recall[2];
    uint16_t refs[2][PATHS_MAX * (1 + PATH_CERTS_MAX)];
    char detail[2][96];
    bool has[2];
} remembered;

static bool recall(void *context, const uint8_t chain_id[SHA256_LEN], uint32_t profile_idx,
                   struct path_recall *out) {
    (void)context;
    if (memcmp(chain_id, remembered.chain_id, SHA256_LEN) != 0 || !remembered.has[profile_idx]) {
        return false;
    }
    *out = remembered.recall[profile_idx];
    return true;
}

static const struct path_memory memory = {.recall = recall};

static void remember(const struct chain *chain) {
    memcpy(remembered.chain_id, chain->id, SHA256_LEN);
    for (uint32_t p = 0; p < 2; p++) {
        const struct profile_paths *paths = &chain->paths->profiles[p];
        uint16_t *refs = remembered.refs[p];
        for (uint32_t i = 0; i < paths->ok_count; i++) {
            *refs++ = paths->paths[i].count;
            for (uint32_t k = 0; k < paths->paths[i].count; k++) {
                *refs++ = path_ref(chain, &pki.store.profiles[p], paths->paths[i].certs[k]);
            }
        }
        remembered.has[p] = true;
        memcpy(remembered.detail[p], paths->detail, sizeof remembered.detail[p]);
        remembered.recall[p] =
            (struct path_recall){.path_count = paths->ok_count,
                                 .refs = remembered.refs[p],
                                 .ref_count = (size_t)(refs - remembered.refs[p]),
                                 .failure = paths->failure,
                                 .truncated = paths->truncated,
                                 .detail = remembered.detail[p]};
    }
}

/* As if the chain were met the first time. */
static const struct path_set *build_again(struct chain *chain) {
    path_set_free(NULL, chain->paths);
    chain->paths = NULL;
    return path_set_of(pki.builder, chain);
}

static void make_world(void) {
    pki_init(&pki);
    pki_mint(&pki, (struct pki_spec){.subject = "R", .ca = true});
    pki_mint(&pki, (struct pki_spec){.subject = "S", .ca = true});
    pki_mint(&pki, (struct pki_spec){.subject = "I", .issuer = "R", .ca = true});
    pki_mint(
        &pki,
        (struct pki_spec){
            .tag = "I2", .subject = "I", .issuer = "S", .ca = true, .not_after = PKI_NOW + 86400});
    pki_mint(&pki, (struct pki_spec){.subject = "leaf", .issuer = "I", .dns = "a.test"});
    pki_profile(&pki, "p", "S R");
    pki_mint(&pki, (struct pki_spec){.subject = "self", .dns = "a.test"});
    pki_profile(&pki, "q", "self"); /* no path for the leaf */
}

static void test_as_verified(void) {
    make_world();
    struct chain *chain = pki_chain(&pki, "leaf I2 I");
    char before[2][512], after[2][512];
    const struct path_set *set = path_set_of(pki.builder, chain);
    CU_ASSERT_FALSE(set->known);
    struct path first = set->profiles[0].paths[0], second = set->profiles[0].paths[1];
    for (uint32_t p = 0; p < 2; p++) {
        pki_describe(&pki, &set->profiles[p], before[p], sizeof before[p]);
    }
    CU_ASSERT_STRING_EQUAL(before[0], "leaf>I2>S, leaf>I>R");
    CU_ASSERT_PTR_NOT_NULL(strstr(before[1], "= "));
    remember(chain);
    struct path_stats stats_before, stats_after;
    path_get_stats(pki.builder, &stats_before);
    path_builder_remember(pki.builder, &memory);
    set = build_again(chain);
    path_get_stats(pki.builder, &stats_after);
    CU_ASSERT_TRUE(set->known);
    CU_ASSERT_EQUAL(stats_after.sets_known, 1);
    CU_ASSERT_EQUAL(stats_after.sets_built, stats_before.sets_built);
    CU_ASSERT_EQUAL(stats_after.full_verifications, stats_before.full_verifications);
    CU_ASSERT_EQUAL(stats_after.leaf_verifications, stats_before.leaf_verifications);
    CU_ASSERT_EQUAL(stats_after.x509_parses, stats_before.x509_parses);
    for (uint32_t p = 0; p < 2; p++) {
        pki_describe(&pki, &set->profiles[p], after[p], sizeof after[p]);
        CU_ASSERT_STRING_EQUAL(after[p], before[p]);
    }
    CU_ASSERT_STRING_EQUAL(set->profiles[1].detail, remembered.detail[1]);
    CU_ASSERT_NOT_EQUAL(strlen(remembered.detail[1]), 0);
    CU_ASSERT_EQUAL(memcmp(&set->profiles[0].paths[0], &first, sizeof first), 0);
    CU_ASSERT_EQUAL(memcmp(&set->profiles[0].paths[1], &second, sizeof second), 0);
    /* One profile that is not remembered is verified, the other is not. */
    remembered.has[1] = false;
    set = build_again(chain);
    CU_ASSERT_FALSE(set->known);
    pki_describe(&pki, &set->profiles[1], after[1], sizeof after[1]);
    CU_ASSERT_STRING_EQUAL(after[1], before[1]);
    CU_ASSERT_EQUAL(memcmp(&set->profiles[0].paths[0], &first, sizeof first), 0);
    /* Another chain is not this one. */
    CU_ASSERT_FALSE(path_set_of(pki.builder, pki_chain(&pki, "leaf I"))->known);
    pki_fini(&pki);
}

/* Whatever does not fit is verified anew. */
static void test_does_not_fit(void) {
    make_world();
    struct chain *chain = pki_chain(&pki, "leaf I2 I");
    path_set_of(pki.builder, chain);
    remember(chain);
    path_builder_remember(pki.builder, &memory);
    CU_ASSERT_TRUE(build_again(chain)->known);
    char text[512];
    const struct path_recall good = remembered.recall[0];
    uint16_t refs[sizeof remembered.refs[0] / sizeof(uint16_t)];
    memcpy(refs, remembered.refs[0], sizeof refs);
    struct {
        size_t at;
        uint16_t value;
    } changes[] = {{0, 0},      {0, 1},      {0, 2},      {0, 4}, {0, PATH_CERTS_MAX + 1},
                   {0, 0xFFFF}, {1, 1},      {1, 0x8000}, {2, 3}, {2, 0x7FFF},
                   {2, 0x8002}, {3, 0x8002}, {3, 0xFFFF}, {3, 2}, {4, 4}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        memcpy(remembered.refs[0], refs, sizeof refs);
        remembered.refs[0][changes[i].at] = changes[i].value;
        const struct path_set *set = build_again(chain);
        CU_ASSERT_FALSE(set->known);
        pki_describe(&pki, &set->profiles[0], text, sizeof text);
        CU_ASSERT_STRING_EQUAL(text, "leaf>I2>S, leaf>I>R");
    }
    /* right in shape, but loops, or anchors that did not issue what is below */
    static const uint16_t shapes[][5] = {{3, 0, 1, 0x8001, 0},
                                         {4, 0, 1, 1, 0x8000},
                                         {4, 0, 1, 2, 0x8000},
                                         {4, 0, 0, 1, 0x8000},
                                         {2, 0, 0x8000, 0, 0}};
    for (size_t i = 0; i < ARRAY_COUNT(shapes); i++) {
        memcpy(remembered.refs[0], shapes[i], sizeof shapes[i]);
        remembered.recall[0].path_count = 1;
        remembered.recall[0].ref_count = shapes[i][0] + 1u;
        const struct path_set *set = build_again(chain);
        CU_ASSERT_FALSE(set->known);
        pki_describe(&pki, &set->profiles[0], text, sizeof text);
        CU_ASSERT_STRING_EQUAL(text, "leaf>I2>S, leaf>I>R");
    }
    remembered.recall[0] = good;
    memcpy(remembered.refs[0], refs, sizeof refs);
    for (size_t len = 0; len < good.ref_count; len++) {
        remembered.recall[0].ref_count = len;
        CU_ASSERT_FALSE(build_again(chain)->known);
    }
    remembered.recall[0] = good;
    remembered.recall[0].path_count = 3;
    CU_ASSERT_FALSE(build_again(chain)->known);
    remembered.recall[0].path_count = 0; /* and no failure */
    CU_ASSERT_FALSE(build_again(chain)->known);
    remembered.recall[0] = good;
    remembered.recall[0].failure = PKIX_UNTRUSTED;
    CU_ASSERT_FALSE(build_again(chain)->known);
    remembered.recall[0] = good;
    CU_ASSERT_TRUE(build_again(chain)->known);
    pki_fini(&pki);
}

/* A leaf that is an anchor itself: a path of one certificate. */
static void test_leaf_as_anchor(void) {
    make_world();
    struct chain *chain = pki_chain(&pki, "self");
    path_set_of(pki.builder, chain);
    remember(chain);
    path_builder_remember(pki.builder, &memory);
    const struct path_set *set = build_again(chain);
    char text[512];
    CU_ASSERT_TRUE(set->known);
    pki_describe(&pki, &set->profiles[1], text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, "self");
    memcpy(remembered.chain_id, pki_chain(&pki, "leaf")->id, SHA256_LEN);
    set = path_set_of(pki.builder, pki_chain(&pki, "leaf")); /* "self" is no anchor of its own */
    pki_describe(&pki, &set->profiles[1], text, sizeof text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "= incomplete-chain"));
    pki_fini(&pki);
}

SUITE_MAIN("path_recall", {"remembered paths are as verified ones", test_as_verified},
           {"what does not fit is verified", test_does_not_fit},
           {"a leaf that is an anchor", test_leaf_as_anchor})
