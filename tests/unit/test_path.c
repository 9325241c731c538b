#include "engine/trust/path.h"

#include <stdio.h>

#include "engine/trust/path_internal.h"
#include "tests/support/pki.h"
#include "tests/support/suite.h"

#define DAY INT64_C(86400)

static struct pki pki; /* one per test: set up and torn down by it */

static void ca(const char *subject, const char *issuer) {
    pki_mint(&pki, (struct pki_spec){.subject = subject, .issuer = issuer, .ca = true});
}

static void leaf(const char *subject, const char *issuer) {
    pki_mint(&pki, (struct pki_spec){.subject = subject, .issuer = issuer, .dns = "a.test"});
}

#define EXPECT(tags, expected) CU_ASSERT_TRUE(pki_expect(&pki, tags, 0, expected))
#define EXPECT_IN(profile, tags, expected) CU_ASSERT_TRUE(pki_expect(&pki, tags, profile, expected))

static void test_sent_lists(void) {
    pki_init(&pki);
    ca("R", NULL);
    ca("I", "R");
    ca("J", "I");
    leaf("leaf", "J");
    leaf("direct", "R");
    ca("other", NULL);
    leaf("stranger", "other");
    pki_profile(&pki, "p", "R");
    EXPECT("leaf J I", "leaf>J>I>R");
    EXPECT("leaf J I R", "leaf>J>I>R");
    EXPECT("leaf R I J", "leaf>J>I>R");
    EXPECT("leaf other J stranger I", "leaf>J>I>R");
    EXPECT("leaf leaf J J I I R R", "leaf>J>I>R");
    EXPECT("direct", "direct>R");
    EXPECT("direct R", "direct>R");
    EXPECT("leaf J", "= incomplete-chain");
    EXPECT("leaf I", "= incomplete-chain");
    EXPECT("leaf", "= incomplete-chain");
    EXPECT("stranger other", "= untrusted");
    EXPECT("stranger", "= incomplete-chain");
    EXPECT("other", "= untrusted");
    EXPECT("I R", "I>R:wrong-purpose = wrong-purpose"); /* keyUsage keyCertSign alone */
    CU_ASSERT_PTR_NOT_NULL(strstr(pki_paths(&pki, "leaf J", 0)->detail, "issuer not found: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(pki_paths(&pki, "stranger other", 0)->detail, "self-signed"));
    CU_ASSERT_STRING_EQUAL(pki_paths(&pki, "leaf J I", 0)->detail, "");
    pki_fini(&pki);
}

static void test_cross_signs(void) {
    pki_init(&pki);
    ca("R1", NULL);
    ca("R2", NULL);
    ca("X", NULL); /* a new root, cross-signed by two old ones */
    pki_mint(&pki, (struct pki_spec){.tag = "X1", .subject = "X", .issuer = "R1", .ca = true});
    pki_mint(&pki, (struct pki_spec){.tag = "X2", .subject = "X", .issuer = "R2", .ca = true});
    ca("I", "X");
    leaf("leaf", "I");
    pki_profile(&pki, "old", "R1");
    pki_profile(&pki, "both", "R1 R2");
    pki_profile(&pki, "new", "X");
    pki_profile(&pki, "all", "R2 X R1");
    const char *sent = "leaf I X2 X1";
    EXPECT_IN(0, sent, "leaf>I>X1>R1");
    EXPECT_IN(1, sent, "leaf>I>X2>R2, leaf>I>X1>R1"); /* sent order */
    EXPECT_IN(1, "leaf I X1 X2", "leaf>I>X1>R1, leaf>I>X2>R2");
    EXPECT_IN(2, sent, "leaf>I>X");
    EXPECT_IN(3, sent, "leaf>I>X, leaf>I>X2>R2, leaf>I>X1>R1"); /* the anchor first */
    EXPECT_IN(3, "leaf I X X1", "leaf>I>X, leaf>I>X1>R1");
    EXPECT_IN(0, "leaf I X", "= untrusted");
    EXPECT_IN(0, "leaf I X2", "= incomplete-chain");
    pki_fini(&pki);
}

static void test_same_name_other_key(void) {
    pki_init(&pki);
    pki_mint(&pki, (struct pki_spec){.tag = "Ra", .subject = "R", .key = "ka", .ca = true});
    pki_mint(&pki, (struct pki_spec){.tag = "Rb", .subject = "R", .key = "kb", .ca = true});
    pki_mint(&pki, (struct pki_spec){
                       .tag = "Ib", .subject = "I", .issuer = "R", .issuer_key = "kb", .ca = true});
    leaf("leaf", "I");
    /* Key roll-over: the new key signed with the old one, self-issued. */
    pki_mint(&pki, (struct pki_spec){.tag = "Rba",
                                     .subject = "R",
                                     .key = "kb",
                                     .issuer = "R",
                                     .issuer_key = "ka",
                                     .ca = true});
    pki_profile(&pki, "both", "Ra Rb");
    pki_profile(&pki, "old", "Ra");
    EXPECT_IN(0, "leaf Ib",
              "leaf>Ib>Rb, leaf>Ib>Ra:incomplete-chain"); /* the key identifiers differ */
    EXPECT_IN(1, "leaf Ib", "leaf>Ib>Ra:incomplete-chain = incomplete-chain");
    EXPECT_IN(1, "leaf Ib Rba", "leaf>Ib>Rba>Ra, leaf>Ib>Ra:incomplete-chain");
    EXPECT_IN(1, "leaf Ib Rb", "leaf>Ib>Ra:incomplete-chain = untrusted");
    pki_fini(&pki);
}

static void test_intermediate_as_anchor(void) {
    pki_init(&pki);
    ca("R", NULL);
    ca("I", "R");
    ca("J", "I");
    leaf("leaf", "J");
    pki_profile(&pki, "I alone", "I");
    pki_profile(&pki, "with root", "I R");
    pki_profile(&pki, "all", "J R I");
    EXPECT_IN(0, "leaf J I", "leaf>J>I");
    EXPECT_IN(0, "leaf J", "leaf>J>I");
    EXPECT_IN(0, "leaf J I R", "leaf>J>I");
    EXPECT_IN(1, "leaf J I R", "leaf>J>I, leaf>J>I>R");
    EXPECT_IN(1, "leaf J", "leaf>J>I, leaf>J>I>R");
    EXPECT_IN(2, "leaf", "leaf>J, leaf>J>I, leaf>J>I>R");
    EXPECT_IN(2, "leaf I J", "leaf>J, leaf>J>I, leaf>J>I>R");
    pki_fini(&pki);
}

static void test_leaf_as_anchor(void) {
    pki_init(&pki);
    pki_mint(&pki, (struct pki_spec){.subject = "self", .dns = "a.test"});
    ca("R", NULL);
    leaf("leaf", "R");
    pki_mint(&pki, (struct pki_spec){.subject = "client", .client_only = true});
    pki_profile(&pki, "p", "self client leaf");
    pki_profile(&pki, "q", "leaf R");
    pki_profile(&pki, "r", "R");
    EXPECT_IN(0, "self", "self");
    EXPECT_IN(0, "self R", "self");
    EXPECT_IN(0, "client", "client:wrong-purpose = wrong-purpose");
    EXPECT_IN(0, "leaf R", "leaf");
    EXPECT_IN(1, "leaf", "leaf, leaf>R");
    EXPECT_IN(2, "self", "= untrusted");
    pki_fini(&pki);
}

static void test_time(void) {
    pki_init(&pki);
    int64_t now = PKI_NOW;
    pki_mint(&pki, (struct pki_spec){.subject = "R", .ca = true, .not_after = now + 10 * DAY});
    pki_mint(&pki, (struct pki_spec){
                       .subject = "I", .issuer = "R", .ca = true, .not_before = now - 20 * DAY});
    pki_mint(&pki, (struct pki_spec){.subject = "leaf",
                                     .issuer = "I",
                                     .not_before = now - 30 * DAY,
                                     .not_after = now - DAY});
    pki_mint(&pki, (struct pki_spec){
                       .tag = "I2", .subject = "I", .issuer = "R", .ca = true, .not_after = now});
    pki_mint(&pki, (struct pki_spec){.subject = "fresh",
                                     .issuer = "I",
                                     .not_before = now - 5 * DAY,
                                     .not_after = now + 5 * DAY});
    pki_profile(&pki, "p", "R");
    EXPECT("leaf I", "leaf>I>R"); /* sound, but for time */
    const struct profile_paths *paths = pki_paths(&pki, "leaf I", 0);
    CU_ASSERT_EQUAL(paths->paths[0].not_before, now - 20 * DAY);
    CU_ASSERT_EQUAL(paths->paths[0].not_after, now - DAY);
    CU_ASSERT_EQUAL(path_pkix(paths, now), PKIX_EXPIRED);
    CU_ASSERT_EQUAL(path_pkix(paths, now - DAY), PKIX_OK);
    CU_ASSERT_EQUAL(path_pkix(paths, now - DAY + 1), PKIX_EXPIRED);
    CU_ASSERT_EQUAL(path_pkix(paths, now - 20 * DAY), PKIX_OK);
    CU_ASSERT_EQUAL(path_pkix(paths, now - 20 * DAY - 1), PKIX_NOT_YET_VALID);
    bool valid = true;
    CU_ASSERT_EQUAL(path_preferred(paths, now, &valid), 0);
    CU_ASSERT_FALSE(valid);
    /* The first path is preferred as long as it is valid, then the one that still is. */
    EXPECT("fresh I2 I", "fresh>I2>R, fresh>I>R");
    paths = pki_paths(&pki, "fresh I2 I", 0);
    CU_ASSERT_EQUAL(path_preferred(paths, now, &valid), 0);
    CU_ASSERT_TRUE(valid);
    CU_ASSERT_EQUAL(path_preferred(paths, now + 1, &valid), 1);
    CU_ASSERT_TRUE(valid);
    CU_ASSERT_EQUAL(path_pkix(paths, now + DAY), PKIX_OK);
    CU_ASSERT_EQUAL(path_preferred(paths, now + 6 * DAY, &valid), 0);
    CU_ASSERT_FALSE(valid);
    CU_ASSERT_EQUAL(path_pkix(paths, now + 6 * DAY), PKIX_EXPIRED);
    CU_ASSERT_EQUAL(path_pkix(paths, now - 6 * DAY), PKIX_NOT_YET_VALID);
    /* An expired anchor. */
    leaf("under-R", "R");
    paths = pki_paths(&pki, "under-R", 0);
    CU_ASSERT_EQUAL(path_pkix(paths, now + 10 * DAY), PKIX_OK);
    CU_ASSERT_EQUAL(path_pkix(paths, now + 10 * DAY + 1), PKIX_EXPIRED);
    pki_fini(&pki);
}

static void test_failures(void) {
    pki_init(&pki);
    ca("R", NULL);
    ca("I", "R");
    pki_mint(&pki, (struct pki_spec){.subject = "forged", .issuer = "I", .corrupt = true});
    pki_mint(&pki, (struct pki_spec){
                       .tag = "Ibad", .subject = "I", .issuer = "R", .ca = true, .corrupt = true});
    pki_mint(&pki, (struct pki_spec){.subject = "weak", .issuer = "I", .sha1 = true});
    pki_mint(&pki, (struct pki_spec){
                       .tag = "Iweak", .subject = "I", .issuer = "R", .ca = true, .sha1 = true});
    leaf("leaf", "I");
    pki_mint(&pki, (struct pki_spec){.subject = "client", .issuer = "I", .client_only = true});
    pki_mint(&pki, (struct pki_spec){.subject = "E", .issuer = "R", .no_ku_eku = true});
    leaf("under-E", "E");
    leaf("under-leaf", "leaf");
    pki_mint(&pki, (struct pki_spec){.subject = "P", .issuer = "R", .ca = true, .path_len = 1 + 0});
    leaf("under-P", "P");
    ca("Q", "P");
    leaf("under-Q", "Q");
    pki_mint(&pki, (struct pki_spec){.subject = "S", .ca = true, .sha1 = true});
    leaf("under-S", "S");
    pki_mint(&pki,
             (struct pki_spec){.subject = "V1", .no_basic_constraints = true, .no_ku_eku = true});
    leaf("under-V1", "V1");
    pki_profile(&pki, "p", "R S V1");
    EXPECT("forged I", "forged>I>R:bad-signature = bad-signature");
    EXPECT("leaf Ibad", "leaf>Ibad>R:bad-signature = bad-signature");
    EXPECT("weak I", "weak>I>R:weak-signature = weak-signature");
    EXPECT("leaf Iweak", "leaf>Iweak>R:weak-signature = weak-signature");
    EXPECT("leaf Ibad I", "leaf>I>R, leaf>Ibad>R:bad-signature");
    EXPECT("leaf Iweak Ibad I", "leaf>I>R, leaf>Iweak>R:weak-signature, leaf>Ibad>R:bad-signature");
    EXPECT("client I", "client>I>R:wrong-purpose = wrong-purpose");
    EXPECT("under-E E", "under-E>E>R:invalid-ca = invalid-ca");
    EXPECT("under-leaf leaf I", "under-leaf>leaf>I>R:invalid-ca = invalid-ca");
    EXPECT("under-P P", "under-P>P>R");
    EXPECT("under-Q Q P", "under-Q>Q>P>R:invalid-ca = invalid-ca");
    EXPECT("under-S", "under-S>S"); /* an anchor's own signature is never looked at */
    EXPECT("under-V1", "under-V1>V1");
    CU_ASSERT_PTR_NOT_NULL(strstr(pki_paths(&pki, "forged I", 0)->detail, "signature failure: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(pki_paths(&pki, "weak I", 0)->detail, "MD5 or SHA-1: "));
    CU_ASSERT_EQUAL(path_pkix(pki_paths(&pki, "weak I", 0), PKI_NOW), PKIX_WEAK_SIGNATURE);
    bool valid;
    CU_ASSERT_EQUAL(path_preferred(pki_paths(&pki, "weak I", 0), PKI_NOW, &valid), -1);
    CU_ASSERT_FALSE(valid);
    pki_fini(&pki);
}

/* Anchors are a name and a key (RFC 5280 section 6.1.1 d): what they say of themselves does not
   count at the top, but does where they stand below another; what they signed is verified always.
 */
static void test_unfit_anchor(void) {
    pki_init(&pki);
    pki_mint(&pki, (struct pki_spec){.subject = "E", .no_ku_eku = true});
    leaf("under-E", "E");
    pki_mint(&pki, (struct pki_spec){.subject = "forged", .issuer = "E", .corrupt = true});
    ca("R", NULL);
    pki_mint(&pki,
             (struct pki_spec){.tag = "ER", .subject = "E", .issuer = "R", .no_ku_eku = true});
    pki_profile(&pki, "p", "E");
    pki_profile(&pki, "q", "ER R");
    EXPECT("under-E", "under-E>E");
    EXPECT("forged", "forged>E:bad-signature = bad-signature");
    EXPECT_IN(1, "forged", "forged>ER:bad-signature = bad-signature");
    EXPECT_IN(1, "under-E", "under-E>ER, under-E>ER>R:invalid-ca");
    pki_fini(&pki);
}

static void test_malformed(void) {
    pki_init(&pki);
    ca("R", NULL);
    ca("I", "R");
    leaf("leaf", "I");
    struct span der = pki_der(&pki, "leaf");
    pki_add_der(&pki, "junk", span_str("junk"));
    pki_add_der(&pki, "cut", span_of(der.data, der.len - 1));
    pki_profile(&pki, "p", "R");
    pki_profile(&pki, "q", "R");
    EXPECT("leaf junk I", "leaf>I>R");
    EXPECT("leaf cut I junk", "leaf>I>R");
    EXPECT("leaf junk", "= incomplete-chain");
    EXPECT("junk I", "= malformed");
    EXPECT_IN(1, "cut I R", "= malformed");
    CU_ASSERT_EQUAL(path_pkix(pki_paths(&pki, "cut I R", 0), PKI_NOW), PKIX_MALFORMED);
    pki_fini(&pki);
}

/* A name that BoringSSL refuses is read once, however many steps pass its certificate. */
static void test_refused_name(void) {
    pki_init(&pki);
    ca("R", NULL);
    ca("I", "R");
    leaf("leaf", "I");
    ca("J~~", "R");
    struct span good = pki_der(&pki, "J~~");
    uint8_t bad[2048];
    CU_ASSERT_FATAL(good.len <= sizeof bad);
    memcpy(bad, good.data, good.len);
    for (size_t i = 0; i + 1 < good.len; i++) {
        if (bad[i] == '~' && bad[i + 1] == '~') {
            bad[i] = bad[i + 1] = 0xC3; /* not UTF-8 */
        }
    }
    pki_add_der(&pki, "bad", span_of(bad, good.len));
    pki_profile(&pki, "p", "R");
    EXPECT("leaf bad I", "leaf>I>R");
    struct chain *chain = pki_chain(&pki, "leaf bad I");
    CU_ASSERT_TRUE(chain->certs[1]->strict);
    CU_ASSERT_TRUE(chain->certs[1]->x509_failed);
    EXPECT("bad I", "= malformed");
    pki_fini(&pki);
}

static void test_name_constraints_and_memo(void) {
    pki_init(&pki);
    ca("R", NULL);
    pki_mint(&pki, (struct pki_spec){
                       .subject = "N", .issuer = "R", .ca = true, .permitted_dns = "good.test"});
    ca("I", "N");
    const char *const names[] = {"a.good.test", "a.evil.test", "b.good.test", "b.evil.test"};
    char tags[4][16];
    for (int i = 0; i < 4; i++) {
        snprintf(tags[i], sizeof tags[i], "leaf%d", i);
        pki_mint(&pki, (struct pki_spec){.subject = tags[i], .issuer = "I", .dns = names[i]});
    }
    pki_mint(&pki, (struct pki_spec){.subject = "C", .ca = true, .permitted_dns = "good.test"});
    pki_mint(&pki, (struct pki_spec){.subject = "inC", .issuer = "C", .dns = "x.good.test"});
    pki_mint(&pki, (struct pki_spec){.subject = "outC", .issuer = "C", .dns = "x.evil.test"});
    pki_profile(&pki, "p", "R C");
    EXPECT("leaf0 I N", "leaf0>I>N>R");
    EXPECT("leaf1 I N", "leaf1>I>N>R:name-constraint = name-constraint");
    EXPECT("leaf2 I N", "leaf2>I>N>R");
    EXPECT("leaf3 I N", "leaf3>I>N>R:name-constraint = name-constraint");
    EXPECT("inC", "inC>C"); /* an anchor's constraints count as well */
    EXPECT("outC", "outC>C:name-constraint = name-constraint");
    struct path_stats stats;
    path_get_stats(pki.builder, &stats);
    CU_ASSERT_EQUAL(stats.edges_known, 0);
    CU_ASSERT_EQUAL(stats.full_verifications, 6);
    pki_fini(&pki);
}

static void test_memo_counts(void) {
    pki_init(&pki);
    ca("R", NULL);
    ca("I", "R");
    leaf("a", "I");
    leaf("b", "I");
    leaf("direct", "R");
    pki_mint(&pki, (struct pki_spec){.subject = "forged", .issuer = "I", .corrupt = true});
    pki_mint(&pki, (struct pki_spec){.subject = "client", .issuer = "I", .client_only = true});
    pki_mint(&pki, (struct pki_spec){
                       .tag = "Ibad", .subject = "I", .issuer = "R", .ca = true, .corrupt = true});
    pki_profile(&pki, "p", "R");
    pki_profile(&pki, "q", "R");
    struct path_stats before, after;
    EXPECT("a I", "a>I>R");
    path_get_stats(pki.builder, &before);
    CU_ASSERT_EQUAL(before.x509_parses, 2);
    CU_ASSERT_EQUAL(before.full_verifications, 1);
    CU_ASSERT_EQUAL(before.leaf_verifications, 1); /* by the second profile */
    CU_ASSERT_EQUAL(before.edges_built, 1);
    EXPECT("b I", "b>I>R");
    path_get_stats(pki.builder, &after);
    CU_ASSERT_EQUAL(after.x509_parses - before.x509_parses, 1);
    CU_ASSERT_EQUAL(after.full_verifications, before.full_verifications);
    CU_ASSERT_EQUAL(after.leaf_verifications - before.leaf_verifications, 1);
    CU_ASSERT_EQUAL(after.edges_known - before.edges_known, 2);
    EXPECT("b I", "b>I>R"); /* the chain's own memo */
    EXPECT("forged I", "forged>I>R:bad-signature = bad-signature");
    EXPECT("client I", "client>I>R:wrong-purpose = wrong-purpose");
    EXPECT("direct", "direct>R");
    path_get_stats(pki.builder, &after);
    CU_ASSERT_EQUAL(after.full_verifications, before.full_verifications);
    CU_ASSERT_EQUAL(after.edges_built, 1);
    CU_ASSERT_EQUAL(after.sets_built, 5);
    /* A failure of the upper path is remembered too, and is not the leaf's. */
    EXPECT("client Ibad", "client>Ibad>R:bad-signature = bad-signature");
    path_get_stats(pki.builder, &before);
    EXPECT("a Ibad", "a>Ibad>R:bad-signature = bad-signature");
    path_get_stats(pki.builder, &after);
    CU_ASSERT_EQUAL(after.full_verifications, before.full_verifications);
    CU_ASSERT_EQUAL(after.leaf_verifications, before.leaf_verifications);
    /* Leaves keep no X509, issuers of sound paths do. */
    struct chain *chain = pki_chain(&pki, "a I");
    CU_ASSERT_PTR_NULL(chain->certs[0]->x509);
    CU_ASSERT_PTR_NOT_NULL(chain->certs[1]->x509);
    CU_ASSERT_PTR_NULL(pki_chain(&pki, "a Ibad")->certs[1]->x509);
    pki_fini(&pki);
}

/* The first leaf under an upper path is at fault itself: that must not stick to the path. */
static void test_bad_first_leaf(void) {
    pki_init(&pki);
    ca("R", NULL);
    ca("I", "R");
    pki_mint(&pki, (struct pki_spec){.subject = "client", .issuer = "I", .client_only = true});
    pki_mint(&pki, (struct pki_spec){.subject = "forged", .issuer = "I", .corrupt = true});
    leaf("good", "I");
    pki_mint(&pki, (struct pki_spec){.subject = "wrong-key", .issuer = "I", .issuer_key = "other"});
    pki_profile(&pki, "p", "R");
    EXPECT("wrong-key I", "wrong-key>I>R:incomplete-chain = incomplete-chain");
    EXPECT("client I", "client>I>R:wrong-purpose = wrong-purpose");
    EXPECT("good I", "good>I>R");
    EXPECT("forged I", "forged>I>R:bad-signature = bad-signature");
    EXPECT("wrong-key I R", "wrong-key>I>R:incomplete-chain = incomplete-chain");
    struct path_stats stats;
    path_get_stats(pki.builder, &stats);
    CU_ASSERT_EQUAL(stats.full_verifications, 1);
    pki_fini(&pki);
}

static void test_path_length_and_memo(void) {
    pki_init(&pki);
    ca("R", NULL);
    pki_mint(&pki, (struct pki_spec){.subject = "P", .issuer = "R", .ca = true, .path_len = 1});
    ca("Q", "P");
    leaf("a", "P");
    leaf("b", "Q");
    leaf("c", "Q");
    /* Self-issued, therefore not counted (RFC 5280 section 6.1.4 l). */
    pki_mint(&pki, (struct pki_spec){
                       .tag = "P2", .subject = "P", .key = "P2", .issuer = "P", .ca = true});
    pki_mint(&pki, (struct pki_spec){.subject = "d", .issuer = "P", .issuer_key = "P2"});
    pki_profile(&pki, "p", "R");
    EXPECT("a P", "a>P>R");
    EXPECT("b Q P", "b>Q>P>R:invalid-ca = invalid-ca");
    EXPECT("c Q P", "c>Q>P>R:invalid-ca = invalid-ca");
    EXPECT("d P2 P", "d>P2>P>R, d>P>R:incomplete-chain");
    pki_fini(&pki);
}

static void test_loops_and_bounds(void) {
    pki_init(&pki);
    ca("R", NULL);
    pki_mint(&pki, (struct pki_spec){.tag = "AB", .subject = "A", .issuer = "B", .ca = true});
    pki_mint(&pki, (struct pki_spec){.tag = "BA", .subject = "B", .issuer = "A", .ca = true});
    leaf("leaf", "A");
    char tag[8], above[8], sent[128] = "end";
    for (int i = 0; i < 12; i++) { /* a path of 13 and the root: too long */
        snprintf(tag, sizeof tag, "L%d", i);
        snprintf(above, sizeof above, "L%d", i + 1);
        ca(tag, i == 11 ? "R" : above);
        snprintf(sent + strlen(sent), sizeof sent - strlen(sent), " %s", tag);
    }
    leaf("end", "L0");
    leaf("end2", "L2");
    pki_profile(&pki, "p", "R");
    EXPECT("leaf AB BA", "= incomplete-chain");
    EXPECT("leaf BA AB R", "= incomplete-chain");
    EXPECT(sent, "= incomplete-chain ...");
    EXPECT("end2 L2 L3 L4 L5 L6 L7 L8 L9 L10 L11",
           "end2>L2>L3>L4>L5>L6>L7>L8>L9>L10>L11>R"); /* exactly PATH_CERTS_MAX */
    pki_fini(&pki);
}

static void test_canonical_names(void) {
    pki_init(&pki);
    ca("The Root", NULL);
    pki_mint(&pki, (struct pki_spec){.tag = "I",
                                     .subject = "Some CA",
                                     .key = "ik",
                                     .issuer = "THE  root",
                                     .issuer_key = "The Root",
                                     .ca = true});
    pki_mint(&pki, (struct pki_spec){
                       .tag = "leaf", .subject = "leaf", .issuer = "some ca", .issuer_key = "ik"});
    pki_add_der(&pki, "R", pki_der(&pki, "The Root"));
    pki_profile(&pki, "p", "R");
    char got[256];
    pki_describe(&pki, pki_paths(&pki, "leaf R I", 0), got, sizeof got);
    CU_ASSERT_STRING_EQUAL(got, "leaf>I>The Root");
    pki_fini(&pki);
}

static void test_texts(void) {
    for (int i = 0; i < PKIX_COUNT; i++) {
        enum pkix back = PKIX_COUNT;
        CU_ASSERT_TRUE(pkix_from_text(span_str(pkix_text((enum pkix)i)), &back));
        CU_ASSERT_EQUAL((int)back, i);
    }
    enum pkix untouched = PKIX_EXPIRED;
    CU_ASSERT_FALSE(pkix_from_text(span_str("fine"), &untouched));
    CU_ASSERT_FALSE(pkix_from_text(span_str(""), &untouched));
    CU_ASSERT_EQUAL(untouched, PKIX_EXPIRED);
}

SUITE_MAIN("path", {"lists as sent", test_sent_lists}, {"cross-signs", test_cross_signs},
           {"same name, other key", test_same_name_other_key},
           {"intermediate as anchor", test_intermediate_as_anchor},
           {"leaf as anchor", test_leaf_as_anchor}, {"time", test_time},
           {"failures", test_failures}, {"unfit anchor", test_unfit_anchor},
           {"malformed", test_malformed}, {"refused name", test_refused_name},
           {"name constraints and the memo", test_name_constraints_and_memo},
           {"memo counts", test_memo_counts}, {"bad first leaf", test_bad_first_leaf},
           {"path length and the memo", test_path_length_and_memo},
           {"loops and bounds", test_loops_and_bounds}, {"canonical names", test_canonical_names},
           {"texts", test_texts})
