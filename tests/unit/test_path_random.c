/* Path building on random and on hostile PKIs: with and without the memo it says the same; what it
   calls sound is sound link by link; what BoringSSL's own greedy builder finds, it finds too. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "engine/trust/path_internal.h"
#include "tests/support/pki.h"
#include "tests/support/suite.h"

#define CAS 22
#define LEAVES 10

static struct pki with, without; /* the same PKI; the second builder has no memo */

static bool chance(struct rng *rng, uint32_t one_in) {
    return rng_below(rng, one_in) == 0;
}

/* Few names and keys, so that cross-signs, roll-overs, loops and wrong keys all come up. */
static struct pki_spec random_spec(struct rng *rng, char text[][24], bool is_ca) {
    uint32_t subject = rng_below(rng, 5), issuer = rng_below(rng, 5);
    uint32_t key = chance(rng, 5) ? 1 : 0, issuer_key = chance(rng, 5) ? 1 : 0;
    if (is_ca && chance(rng, 4)) {
        issuer = subject;
        issuer_key = key;
    }
    bool self_issued_leaf = !is_ca && chance(rng, 6);
    snprintf(text[1], 24, "CA%u", subject);
    snprintf(text[2], 24, "CA%u", issuer);
    snprintf(text[3], 24, "k%u-%u", subject, key);
    snprintf(text[4], 24, "k%u-%u", issuer, issuer_key);
    return (struct pki_spec){.tag = text[0],
                             .subject = is_ca              ? text[1]
                                        : self_issued_leaf ? text[2]
                                                           : text[0],
                             .key = is_ca ? text[3] : "leaf key",
                             .issuer = text[2],
                             .issuer_key = text[4],
                             .ca = is_ca ? !chance(rng, 20) : chance(rng, 20),
                             .path_len = chance(rng, 5) ? 1 + (int)rng_below(rng, 2) : 0,
                             .no_ku_eku = chance(rng, 4),
                             .no_key_ids = chance(rng, 3),
                             .client_only = chance(rng, 15),
                             .sha1 = chance(rng, 25),
                             .corrupt = chance(rng, 12),
                             .dns = chance(rng, 2) ? "a.good.test" : "a.evil.test",
                             .permitted_dns = is_ca && chance(rng, 12) ? "good.test" : NULL};
}

static void random_pki(struct rng *rng) {
    pki_init(&with);
    pki_init(&without);
    for (int i = 0; i < CAS + LEAVES; i++) {
        char text[5][24];
        snprintf(text[0], 24, "%s%d", i < CAS ? "c" : "l", i);
        struct pki_spec spec = random_spec(rng, text, i < CAS);
        pki_mint(&with, spec);
        pki_add_der(&without, spec.tag, pki_der(&with, spec.tag));
    }
    for (int p = 0; p < 2; p++) {
        char tags[64] = "", name[4];
        for (uint32_t i = 0, count = 1 + rng_below(rng, 4); i < count; i++) {
            snprintf(tags + strlen(tags), sizeof tags - strlen(tags), "%sc%u", i > 0 ? " " : "",
                     rng_below(rng, CAS));
        }
        snprintf(name, sizeof name, "p%d", p);
        pki_profile(&with, name, tags);
        pki_profile(&without, name, tags);
    }
}

static X509 *parse(struct span der) {
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der.data, der.len, NULL);
    X509 *x509 = X509_parse_from_buffer(buffer);
    CRYPTO_BUFFER_free(buffer);
    return x509;
}

/* Names chain, every signature verifies, nothing twice, and the last is an anchor. */
static void check_sound(const struct trust_profile *profile, const struct path *path) {
    CU_ASSERT_PTR_NOT_NULL(trust_profile_same(profile, path->certs[path->count - 1]));
    for (uint32_t i = 0; i + 1 < path->count; i++) {
        X509 *child = parse(path->certs[i]->der), *issuer = parse(path->certs[i + 1]->der);
        EVP_PKEY *key = X509_get_pubkey(issuer);
        CU_ASSERT_EQUAL(X509_NAME_cmp(X509_get_issuer_name(child), X509_get_subject_name(issuer)),
                        0);
        CU_ASSERT_EQUAL(X509_verify(child, key), 1);
        CU_ASSERT_NOT_EQUAL(path->certs[i]->fields.signature, CERT_SIGNATURE_WEAK);
        for (uint32_t k = i + 1; k < path->count; k++) {
            CU_ASSERT_NOT_EQUAL(
                memcmp(path->certs[i]->cert_sha256, path->certs[k]->cert_sha256, SHA256_LEN), 0);
        }
        EVP_PKEY_free(key);
        X509_free(child);
        X509_free(issuer);
    }
}

/* BoringSSL's own verdict over all that was sent and all anchors. */
static bool greedy_finds(const struct trust_profile *profile, const struct chain *chain) {
    X509_STORE *store = X509_STORE_new();
    for (uint32_t i = 0; i < profile->count; i++) {
        CU_ASSERT_TRUE(X509_STORE_add_cert(store, profile->anchors[i].x509));
    }
    STACK_OF(X509) *sent = sk_X509_new_null();
    for (uint32_t i = 1; i < chain->count; i++) {
        CU_ASSERT_TRUE(sk_X509_push(sent, parse(chain->certs[i]->der)) > 0);
    }
    X509 *leaf = parse(chain->certs[0]->der);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    CU_ASSERT_TRUE_FATAL(X509_STORE_CTX_init(ctx, store, leaf, sent));
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_time(param, (time_t)PKI_NOW);
    bool ok = X509_verify_cert(ctx) == 1;
    const STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(ctx);
    for (size_t i = 0; ok && i + 1 < sk_X509_num(built); i++) {
        struct cert_record record; /* BoringSSL itself takes SHA-1; we do not */
        uint8_t *der = NULL;
        int len = i2d_X509(sk_X509_value(built, i), &der);
        CU_ASSERT_TRUE_FATAL(len > 0 && intern_record_init(&record, span_of(der, (size_t)len)));
        ok = record.fields.signature != CERT_SIGNATURE_WEAK;
        intern_record_fini(&record);
        OPENSSL_free(der);
    }
    X509_STORE_CTX_free(ctx);
    X509_free(leaf);
    sk_X509_pop_free(sent, X509_free);
    X509_STORE_free(store);
    ERR_clear_error();
    return ok;
}

static unsigned sound, unsound, greedy;

static void one_chain(struct rng *rng) {
    char sent[128];
    snprintf(sent, sizeof sent, "l%u", CAS + rng_below(rng, LEAVES));
    for (uint32_t i = 0, count = rng_below(rng, 9); i < count; i++) {
        snprintf(sent + strlen(sent), sizeof sent - strlen(sent), " c%u", rng_below(rng, CAS));
    }
    for (uint32_t p = 0; p < 2; p++) {
        char expected[4096];
        struct chain *chain = pki_chain(&without, sent);
        without.builder->memo_off = true;
        const struct profile_paths *paths = pki_paths(&without, sent, p);
        if (paths->truncated) {
            continue; /* the memo saves signatures and so sees further */
        }
        pki_describe(&without, paths, expected, sizeof expected);
        CU_ASSERT_TRUE(pki_expect(&with, sent, p, expected));
        for (uint32_t i = 0; i < paths->ok_count; i++) {
            check_sound(&without.store.profiles[p], &paths->paths[i]);
        }
        paths->ok_count > 0 ? sound++ : unsound++;
        if (greedy_finds(&without.store.profiles[p], chain)) {
            greedy++;
            CU_ASSERT_EQUAL(path_pkix(paths, PKI_NOW), PKIX_OK);
        }
    }
}

static void test_random(void) {
    uint64_t seed = suite_seed();
    struct rng rng;
    rng_init(&rng, seed);
    sound = unsound = greedy = 0;
    uint64_t known = 0;
    for (int round = 0; round < 12; round++) {
        random_pki(&rng);
        for (int i = 0; i < 60; i++) {
            one_chain(&rng);
        }
        struct path_stats stats;
        path_get_stats(with.builder, &stats);
        known += stats.edges_known;
        path_get_stats(without.builder, &stats);
        CU_ASSERT_EQUAL(stats.edges_known + stats.edges_built, 0);
        pki_fini(&with);
        pki_fini(&without);
        if (CU_get_number_of_failures() > 5) {
            break;
        }
    }
    fprintf(stderr, "  %u sound, %u not, %u found greedily; %llu upper paths known\n", sound,
            unsound, greedy, (unsigned long long)known);
    CU_ASSERT_TRUE(sound > 50 && unsound > 50 && greedy > 25 && known > 10);
}

/* Every one of six CAs signed by every other: thousands of paths. */
static void maze(bool corrupt_top) {
    pki_init(&with);
    pki_mint(&with, (struct pki_spec){.subject = "R", .ca = true});
    char sent[512] = "leaf";
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < 6; k++) {
            char tag[8], subject[8], issuer[8];
            if (i == k && (i != 5 || !corrupt_top)) {
                continue;
            }
            snprintf(tag, sizeof tag, "%d%d", i, k);
            snprintf(subject, sizeof subject, "M%d", i);
            snprintf(issuer, sizeof issuer, "M%d", k);
            bool top = i == k;
            pki_mint(&with, (struct pki_spec){.tag = tag,
                                              .subject = subject,
                                              .issuer = top ? "R" : issuer,
                                              .ca = true,
                                              .corrupt = top});
            snprintf(sent + strlen(sent), sizeof sent - strlen(sent), " %s", tag);
        }
    }
    pki_mint(&with, (struct pki_spec){.subject = "leaf", .issuer = "M0"});
    pki_mint(&with, (struct pki_spec){.subject = "other", .issuer = "M1"});
    pki_profile(&with, "p", "R");
    const struct profile_paths *paths = pki_paths(&with, sent, 0);
    CU_ASSERT_EQUAL(paths->ok_count, 0);
    CU_ASSERT_TRUE(paths->truncated);
    CU_ASSERT_EQUAL(with.builder->search.steps, PATH_STEPS_MAX);
    CU_ASSERT_EQUAL(paths->failure, corrupt_top ? PKIX_BAD_SIGNATURE : PKIX_INCOMPLETE_CHAIN);
    /* A link known to be bad is not verified again. */
    CU_ASSERT_EQUAL(with.builder->search.signatures, corrupt_top ? 1 : 0);
    pki_fini(&with);
}

static void test_maze(void) {
    maze(false);
    maze(true);
}

/* A maze whose paths are all sound: PATHS_MAX are kept, in order; and one whose leaf is forged
   under many issuers: signatures are bounded. */
static void test_many_paths(void) {
    pki_init(&with);
    pki_mint(&with, (struct pki_spec){.subject = "R", .ca = true});
    char sent[256] = "leaf", fakes[256] = "victim";
    for (int i = 0; i < 20; i++) { /* twenty certificates of one CA */
        char tag[8];
        snprintf(tag, sizeof tag, "I%d", i);
        pki_mint(&with, (struct pki_spec){.tag = tag, .subject = "I", .issuer = "R", .ca = true});
        snprintf(sent + strlen(sent), sizeof sent - strlen(sent), " %s", tag);
        snprintf(tag, sizeof tag, "F%d", i);
        pki_mint(&with,
                 (struct pki_spec){
                     .tag = tag, .subject = "F", .issuer = "R", .ca = true, .corrupt = true});
        snprintf(fakes + strlen(fakes), sizeof fakes - strlen(fakes), " %s", tag);
    }
    pki_mint(&with, (struct pki_spec){.subject = "leaf", .issuer = "I"});
    pki_mint(&with, (struct pki_spec){.subject = "victim", .issuer = "F"});
    pki_mint(&with, (struct pki_spec){.subject = "N", .ca = true, .permitted_dns = "x.test"});
    pki_profile(&with, "p", "R");
    const struct profile_paths *paths = pki_paths(&with, sent, 0);
    CU_ASSERT_EQUAL(paths->ok_count, PATHS_MAX);
    CU_ASSERT_TRUE(paths->truncated);
    struct chain *chain = pki_chain(&with, sent);
    for (uint32_t i = 0; i < paths->ok_count; i++) {
        CU_ASSERT_PTR_EQUAL(paths->paths[i].certs[1], chain->certs[i + 1]);
    }
    paths = pki_paths(&with, fakes, 0);
    CU_ASSERT_EQUAL(paths->ok_count, 0);
    CU_ASSERT_EQUAL(paths->count, PATHS_MAX);
    CU_ASSERT_EQUAL(paths->failure, PKIX_BAD_SIGNATURE);
    CU_ASSERT_EQUAL(with.builder->search.signatures, 20);
    pki_fini(&with);
}

static void test_signature_bound(void) {
    /* Name constraints at the root: no memo, every candidate whole. 6 * 6 sound upper paths over a
       leaf that none of them may sign for. */
    pki_init(&with);
    pki_mint(&with, (struct pki_spec){.subject = "R", .ca = true, .permitted_dns = "good.test"});
    char sent[256] = "leaf";
    for (int i = 0; i < 6; i++) {
        char tag[8];
        snprintf(tag, sizeof tag, "A%d", i);
        pki_mint(&with, (struct pki_spec){.tag = tag, .subject = "A", .issuer = "B", .ca = true});
        snprintf(sent + strlen(sent), sizeof sent - strlen(sent), " %s", tag);
        snprintf(tag, sizeof tag, "B%d", i);
        pki_mint(&with, (struct pki_spec){.tag = tag, .subject = "B", .issuer = "R", .ca = true});
        snprintf(sent + strlen(sent), sizeof sent - strlen(sent), " %s", tag);
    }
    pki_mint(&with, (struct pki_spec){.subject = "leaf", .issuer = "A", .dns = "a.evil.test"});
    pki_profile(&with, "p", "R");
    const struct profile_paths *paths = pki_paths(&with, sent, 0);
    CU_ASSERT_EQUAL(paths->ok_count, 0);
    CU_ASSERT_TRUE(paths->truncated);
    CU_ASSERT_EQUAL(paths->failure, PKIX_NAME_CONSTRAINT);
    CU_ASSERT_TRUE(with.builder->search.signatures >= PATH_SIGNATURES_MAX &&
                   with.builder->search.signatures < PATH_SIGNATURES_MAX + PATH_CERTS_MAX);
    pki_fini(&with);
}

/* The memo is bounded: it forgets, and asks again. */
static void test_memo_table(void) {
    struct path_edges memo;
    path_edges_init(&memo);
    struct rng rng;
    rng_init(&rng, suite_seed());
    uint64_t first = rng.state;
    enum { KEYS = 3 * PATH_EDGES_MAX };
    for (int i = 0; i < KEYS; i++) {
        uint64_t key[4] = {rng_next(&rng), 1, 2, 3};
        CU_ASSERT_PTR_NULL(path_edges_find(&memo, (uint8_t *)key));
        path_edges_put(&memo, (uint8_t *)key,
                       (struct path_check){.pkix = PKIX_INVALID_CA, .depth = (uint8_t)key[0]});
        const struct path_check *found = path_edges_find(&memo, (uint8_t *)key);
        CU_ASSERT_TRUE_FATAL(found != NULL && found->depth == (uint8_t)key[0]);
        key[3] = 4;
        CU_ASSERT_PTR_NULL(path_edges_find(&memo, (uint8_t *)key));
    }
    rng_init(&rng, first);
    unsigned kept = 0;
    for (int i = 0; i < KEYS; i++) {
        uint64_t key[4] = {rng_next(&rng), 1, 2, 3};
        const struct path_check *found = path_edges_find(&memo, (uint8_t *)key);
        kept += found != NULL;
        CU_ASSERT_TRUE(found == NULL || found->depth == (uint8_t)key[0]);
    }
    CU_ASSERT_TRUE(kept > PATH_EDGES_MAX * 9 / 10 && kept <= PATH_EDGES_MAX);
    path_edges_fini(&memo);
}

SUITE_MAIN("path_random", {"random, with and without the memo", test_random}, {"maze", test_maze},
           {"many paths", test_many_paths}, {"signature bound", test_signature_bound},
           {"memo table", test_memo_table})
