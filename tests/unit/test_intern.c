#include "engine/trust/intern.h"

#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/mint.h"
#include "engine/base/rng.h"
#include "engine/trust/intern_internal.h"
#include "tests/support/suite.h"

#define SERIAL UINT64_C(0x7152637485960718) /* found again in the DER and replaced */

/* A real certificate whose serial is replaced: as many distinct ones as wanted, in no time. */
struct template {
    uint8_t *der;
    size_t len, serial_at;
};

static struct template template_new(const char *cn, bool is_ca) {
    EVP_PKEY *key = mint_key_new(MINT_P256, 7, cn);
    struct mint_spec spec = {.subject_cn = cn,
                             .key = key,
                             .serial = SERIAL,
                             .not_before = 1700000000,
                             .not_after = 1900000000,
                             .is_ca = is_ca,
                             .path_len = -1};
    struct template made = {0};
    made.der = mint_certificate(&spec, &made.len);
    EVP_PKEY_free(key);
    for (size_t i = 0; i + 8 <= made.len; i++) {
        uint64_t value = 0;
        for (size_t k = 0; k < 8; k++) {
            value = value << 8 | made.der[i + k];
        }
        if (value == SERIAL) {
            made.serial_at = i;
        }
    }
    CU_ASSERT_NOT_EQUAL_FATAL(made.serial_at, 0);
    return made;
}

static CRYPTO_BUFFER *template_buffer(struct template *template, uint64_t serial) {
    serial |= UINT64_C(1) << 62; /* stays positive and minimal */
    serial &= ~(UINT64_C(1) << 63);
    for (size_t k = 0; k < 8; k++) {
        template->der[template->serial_at + k] = (uint8_t)(serial >> (56 - 8 * k));
    }
    return CRYPTO_BUFFER_new(template->der, template->len, NULL);
}

static struct intern *table(uint32_t chains_max) {
    struct intern *intern = NULL;
    struct err_note note;
    struct intern_config config = {.chains_max = chains_max, .seed = 42};
    CU_ASSERT_EQUAL_FATAL(intern_new(&config, &intern, &note), ERR_NONE);
    return intern;
}

static void test_hits_and_digests(void) {
    struct template leaf = template_new("leaf.test", false), ca = template_new("CA", true);
    struct intern *intern = table(8);
    CRYPTO_BUFFER *certs[3] = {template_buffer(&leaf, 1), template_buffer(&ca, 2),
                               template_buffer(&ca, 3)};
    CRYPTO_BUFFER *copies[3] = {template_buffer(&leaf, 1), template_buffer(&ca, 2),
                                template_buffer(&ca, 3)};
    struct chain *chain = intern_chain(intern, certs, 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(chain);
    CU_ASSERT_PTR_EQUAL(intern_chain(intern, copies, 3), chain);
    CU_ASSERT_EQUAL(chain->refs, 2);
    CU_ASSERT_EQUAL(chain->count, 3);
    CU_ASSERT_FALSE(chain->malformed);
    struct chain *shorter = intern_chain(intern, copies, 2);
    CRYPTO_BUFFER *swapped[3] = {certs[0], certs[2], certs[1]};
    struct chain *other_order = intern_chain(intern, swapped, 3);
    CU_ASSERT_PTR_NOT_EQUAL(shorter, chain);
    CU_ASSERT_PTR_NOT_EQUAL(other_order, chain);
    CU_ASSERT_PTR_EQUAL(other_order->certs[1], chain->certs[2]);

    intern_flush(intern);
    uint8_t all[3 * SHA256_LEN], id[SHA256_LEN];
    for (size_t i = 0; i < 3; i++) {
        const struct cert_record *record = chain->certs[i];
        SHA256(record->der.data, record->der.len, all + i * SHA256_LEN);
        CU_ASSERT_TRUE(record->strict && record->has_spki);
        CU_ASSERT_EQUAL(memcmp(record->cert_sha256, all + i * SHA256_LEN, SHA256_LEN), 0);
        uint8_t spki[SHA256_LEN];
        SHA256(record->fields.spki.data, record->fields.spki.len, spki);
        CU_ASSERT_EQUAL(memcmp(record->spki_sha256, spki, SHA256_LEN), 0);
        CU_ASSERT_EQUAL(record->permanent, i > 0);
    }
    SHA256(all, sizeof all, id);
    CU_ASSERT_TRUE(chain->id_ready);
    CU_ASSERT_EQUAL(memcmp(chain->id, id, SHA256_LEN), 0);
    EVP_PKEY *key = mint_key_new(MINT_P256, 7, "leaf.test");
    mint_spki_sha256(key, id);
    EVP_PKEY_free(key);
    CU_ASSERT_EQUAL(memcmp(chain->certs[0]->spki_sha256, id, SHA256_LEN), 0);

    struct intern_stats stats;
    intern_get_stats(intern, &stats);
    CU_ASSERT_EQUAL(stats.chain_hits, 1);
    CU_ASSERT_EQUAL(stats.chain_misses, 3);
    CU_ASSERT_EQUAL(stats.cert_misses, 3);
    CU_ASSERT_EQUAL(stats.cert_hits, 8);
    CU_ASSERT_EQUAL(stats.issuers_permanent, 2);
    intern_hold(chain);
    CU_ASSERT_EQUAL(chain->refs, 3);
    for (int i = 0; i < 3; i++) {
        intern_release(intern, chain);
        CRYPTO_BUFFER_free(certs[i]);
        CRYPTO_BUFFER_free(copies[i]);
    }
    CU_ASSERT_EQUAL(chain->refs, 0);
    intern_free(intern);
    free(leaf.der);
    free(ca.der);
}

static void test_malformed(void) {
    struct template leaf = template_new("leaf.test", false);
    struct intern *intern = table(4);
    CRYPTO_BUFFER *good = template_buffer(&leaf, 1);
    CRYPTO_BUFFER *junk = CRYPTO_BUFFER_new((const uint8_t *)"no certificate", 14, NULL);
    CRYPTO_BUFFER *empty = CRYPTO_BUFFER_new(NULL, 0, NULL);
    CRYPTO_BUFFER *certs[3] = {good, junk, empty};
    struct chain *chain = intern_chain(intern, certs, 3);
    intern_flush(intern);
    CU_ASSERT_TRUE(chain->malformed);
    CU_ASSERT_TRUE(chain->certs[0]->strict);
    CU_ASSERT_FALSE(chain->certs[1]->strict || chain->certs[1]->has_spki);
    uint8_t digest[SHA256_LEN];
    SHA256((const uint8_t *)"no certificate", 14, digest);
    CU_ASSERT_EQUAL(memcmp(chain->certs[1]->cert_sha256, digest, SHA256_LEN), 0);
    SHA256((const uint8_t *)"", 0, digest);
    CU_ASSERT_EQUAL(memcmp(chain->certs[2]->cert_sha256, digest, SHA256_LEN), 0);

    struct cert_record record;
    CU_ASSERT_FALSE(intern_record_init(&record, span_str("no certificate")));
    CU_ASSERT_TRUE(intern_record_init(&record, chain->certs[0]->der));
    CU_ASSERT_EQUAL(memcmp(record.cert_sha256, chain->certs[0]->cert_sha256, SHA256_LEN), 0);
    CU_ASSERT_EQUAL(memcmp(record.spki_sha256, chain->certs[0]->spki_sha256, SHA256_LEN), 0);
    CU_ASSERT_PTR_NOT_EQUAL(record.der.data, chain->certs[0]->der.data);
    intern_record_fini(&record);
    CRYPTO_BUFFER_free(good);
    CRYPTO_BUFFER_free(junk);
    CRYPTO_BUFFER_free(empty);
    intern_free(intern);
    free(leaf.der);
}

static unsigned freed_paths;
static void count_free(void *context, struct path_set *paths) {
    CU_ASSERT_PTR_EQUAL(context, &freed_paths);
    free(paths);
    freed_paths++;
}

static void test_eviction_spares_the_held(void) {
    struct template leaf = template_new("leaf.test", false);
    struct intern *intern = NULL;
    struct intern_config config = {
        .chains_max = 2, .seed = 1, .free_paths = count_free, .free_paths_context = &freed_paths};
    freed_paths = 0;
    CU_ASSERT_EQUAL_FATAL(intern_new(&config, &intern, NULL), ERR_NONE);
    CRYPTO_BUFFER *certs[6];
    for (uint64_t i = 0; i < 6; i++) {
        certs[i] = template_buffer(&leaf, i);
    }
    struct chain *held = intern_chain(intern, &certs[0], 1);
    struct cert_record *held_leaf = held->certs[0];
    for (int i = 1; i < 5; i++) { /* each evicts the one before it, also with digests pending */
        struct chain *chain = intern_chain(intern, &certs[i], 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(chain);
        chain->paths = malloc(16);
        intern_release(intern, chain);
    }
    CU_ASSERT_EQUAL(freed_paths, 3);
    CU_ASSERT_PTR_EQUAL(held->certs[0], held_leaf);
    struct chain *again = intern_chain(intern, &certs[0], 1);
    CU_ASSERT_PTR_EQUAL(again, held);
    intern_release(intern, again);
    struct chain *second = intern_chain(intern, &certs[4], 1);
    struct intern_stats before, after;
    intern_get_stats(intern, &before);
    CU_ASSERT_EQUAL(before.evictions, 3);
    CU_ASSERT_EQUAL(before.certs_live, 2);
    /* All held: the table grows rather than lose one, and evicts again once it can. */
    CRYPTO_BUFFER *twice[2] = {certs[5], certs[5]};
    struct chain *third = intern_chain(intern, twice, 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(third);
    intern_get_stats(intern, &after);
    CU_ASSERT_EQUAL(after.chains_live, 3);
    CU_ASSERT_EQUAL(after.evictions, before.evictions);
    intern_release(intern, second);
    CU_ASSERT_PTR_NOT_NULL(intern_chain(intern, &certs[5], 1));
    intern_get_stats(intern, &after);
    CU_ASSERT_EQUAL(after.chains_live, 3);
    CU_ASSERT_EQUAL(after.evictions, before.evictions + 1);
    intern_flush(intern);
    CU_ASSERT_EQUAL(freed_paths, 4);
    for (int i = 0; i < 6; i++) {
        CRYPTO_BUFFER_free(certs[i]);
    }
    intern_free(intern);
    free(leaf.der);
}

/* Far more held than the table was made for, and released in order: it grows to about that many and
   no further, although no search goes through them all. */
static void test_growth_is_bounded(void) {
    enum { HELD = 2000, ROUNDS = 8 };
    struct template leaf = template_new("leaf.test", false);
    struct intern *intern = table(4);
    struct chain **held = calloc(HELD, sizeof *held);
    CU_ASSERT_PTR_NOT_NULL_FATAL(held);
    for (uint64_t i = 0; i < HELD * ROUNDS; i++) {
        CRYPTO_BUFFER *buffer = template_buffer(&leaf, i);
        struct chain *chain = intern_chain(intern, &buffer, 1);
        CRYPTO_BUFFER_free(buffer);
        if (held[i % HELD] != NULL) {
            intern_release(intern, held[i % HELD]);
        }
        held[i % HELD] = chain;
    }
    struct intern_stats stats;
    intern_get_stats(intern, &stats);
    CU_ASSERT_TRUE(stats.chains_live >= HELD && stats.chains_live < HELD + HELD / 20);
    free(held);
    intern_free(intern);
    free(leaf.der);
}

static void test_second_chance(void) {
    struct template leaf = template_new("leaf.test", false);
    struct intern *intern = table(4);
    CRYPTO_BUFFER *popular = template_buffer(&leaf, 1000);
    struct chain *chain = intern_chain(intern, &popular, 1);
    intern_release(intern, chain);
    for (uint64_t i = 0; i < 100; i++) { /* asked again after every other newcomer */
        CRYPTO_BUFFER *other = template_buffer(&leaf, i);
        intern_release(intern, intern_chain(intern, &other, 1));
        CRYPTO_BUFFER_free(other);
        if (i % 2 == 1) {
            CU_ASSERT_PTR_EQUAL_FATAL(intern_chain(intern, &popular, 1), chain);
            intern_release(intern, chain);
        }
    }
    struct intern_stats stats;
    intern_get_stats(intern, &stats);
    CU_ASSERT_EQUAL(stats.chain_hits, 50);
    CRYPTO_BUFFER_free(popular);
    intern_free(intern);
    free(leaf.der);
}

static void test_permanent_bound(void) {
    struct template leaf = template_new("leaf.test", false), ca = template_new("CA", true);
    struct intern *intern = table(1);
    intern->issuers_max = 3;
    for (uint64_t i = 0; i < 5; i++) {
        CRYPTO_BUFFER *certs[2] = {template_buffer(&leaf, i), template_buffer(&ca, i)};
        struct chain *chain = intern_chain(intern, certs, 2);
        CU_ASSERT_EQUAL(chain->certs[1]->permanent, i < 3);
        CU_ASSERT_FALSE(chain->certs[0]->permanent);
        intern_release(intern, chain);
        CRYPTO_BUFFER_free(certs[0]);
        CRYPTO_BUFFER_free(certs[1]);
    }
    struct intern_stats stats;
    intern_get_stats(intern, &stats);
    CU_ASSERT_EQUAL(stats.issuers_permanent, 3);
    CU_ASSERT_EQUAL(stats.certs_live, 5); /* three issuers and the chain that is left */
    /* The permanent one is found again; a leaf that is a CA, or sent twice, stays mortal. */
    CRYPTO_BUFFER *first = template_buffer(&ca, 0);
    intern_release(intern, intern_chain(intern, &first, 1));
    struct intern_stats after;
    intern_get_stats(intern, &after);
    CU_ASSERT_EQUAL(after.cert_misses, stats.cert_misses);
    intern->issuers_max = 100;
    CRYPTO_BUFFER *own = template_buffer(&ca, 77), *twice[2] = {own, own};
    struct chain *chain = intern_chain(intern, twice, 2);
    CU_ASSERT_FALSE(chain->certs[0]->permanent);
    CU_ASSERT_EQUAL(chain->certs[0]->refs, 2);
    intern_release(intern, chain);
    intern->issuer_bytes_max = intern->issuer_bytes + ca.len - 1;
    CRYPTO_BUFFER *heavy[2] = {first, own};
    chain = intern_chain(intern, heavy, 2);
    CU_ASSERT_FALSE(chain->certs[1]->permanent);
    CRYPTO_BUFFER_free(first);
    CRYPTO_BUFFER_free(own);
    intern_free(intern);
    free(leaf.der);
    free(ca.der);
}

#define MODEL_CERTS 24
#define MODEL_CHAINS 12
#define MODEL_HOLDS 9

struct model_chain {
    struct chain *chain; /* held */
    size_t count;
    int certs[4];
};

static void model_check(const struct model_chain *held, CRYPTO_BUFFER *const buffers[],
                        const uint8_t digests[][SHA256_LEN]) {
    uint8_t all[4 * SHA256_LEN], id[SHA256_LEN];
    CU_ASSERT_EQUAL_FATAL(held->chain->count, held->count);
    for (size_t i = 0; i < held->count; i++) {
        const struct cert_record *record = held->chain->certs[i];
        const CRYPTO_BUFFER *buffer = buffers[held->certs[i]];
        CU_ASSERT_TRUE_FATAL(span_equal(
            record->der, span_of(CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer))));
        CU_ASSERT_EQUAL(memcmp(record->cert_sha256, digests[held->certs[i]], SHA256_LEN), 0);
        memcpy(all + i * SHA256_LEN, digests[held->certs[i]], SHA256_LEN);
    }
    SHA256(all, held->count * SHA256_LEN, id);
    CU_ASSERT_EQUAL(memcmp(held->chain->id, id, SHA256_LEN), 0);
}

/* Random holds and releases against a naive list: equal chains are one chain as long as they are
   held, different ones never, whatever collides; contents and digests are right. */
static void model_run(uint64_t seed, uint64_t hash_mask, uint32_t issuers_max) {
    struct rng rng;
    rng_init(&rng, seed);
    struct template leaf = template_new("leaf.test", false);
    CRYPTO_BUFFER *buffers[MODEL_CERTS];
    uint8_t digests[MODEL_CERTS][SHA256_LEN];
    for (int i = 0; i < MODEL_CERTS; i++) {
        buffers[i] = template_buffer(&leaf, (uint64_t)i);
        SHA256(CRYPTO_BUFFER_data(buffers[i]), CRYPTO_BUFFER_len(buffers[i]), digests[i]);
    }
    struct intern *intern = table(MODEL_CHAINS);
    intern->hash_mask = hash_mask;
    intern->issuers_max = issuers_max;
    struct model_chain held[MODEL_HOLDS] = {0};
    for (int step = 0; step < 4000; step++) {
        struct model_chain *at = &held[rng_below(&rng, MODEL_HOLDS)];
        if (at->chain != NULL) {
            intern_flush(intern);
            model_check(at, buffers, digests);
            intern_release(intern, at->chain);
            at->chain = NULL;
            continue;
        }
        CRYPTO_BUFFER *certs[4];
        at->count = 1 + rng_below(&rng, 4);
        for (size_t i = 0; i < at->count; i++) {
            at->certs[i] = (int)rng_below(&rng, i == 0 ? MODEL_CERTS : 3);
            certs[i] = buffers[at->certs[i]];
        }
        at->chain = intern_chain(intern, certs, at->count);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at->chain);
        for (int i = 0; i < MODEL_HOLDS; i++) {
            const struct model_chain *other = &held[i];
            if (other == at || other->chain == NULL) {
                continue;
            }
            bool equal = other->count == at->count &&
                         memcmp(other->certs, at->certs, at->count * sizeof at->certs[0]) == 0;
            CU_ASSERT_EQUAL(other->chain == at->chain, equal);
        }
        struct intern_stats stats;
        intern_get_stats(intern, &stats);
        CU_ASSERT_TRUE(stats.chains_live <= MODEL_CHAINS);
        CU_ASSERT_TRUE(stats.certs_live <= MODEL_CERTS);
        CU_ASSERT_TRUE(stats.issuers_permanent <= issuers_max);
    }
    intern_free(intern);
    for (int i = 0; i < MODEL_CERTS; i++) {
        CRYPTO_BUFFER_free(buffers[i]);
    }
    free(leaf.der);
}

static void test_model(void) {
    uint64_t seed = suite_seed();
    model_run(seed, UINT64_MAX, 2);
    model_run(seed + 1, 3, 0);               /* four hashes for everything */
    model_run(seed + 2, 0, 1000);            /* one */
    model_run(seed + 3, UINT64_MAX << 4, 1); /* all start at few places, wrapping round the end */
}

static void test_table_alone(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    struct intern_table set;
    intern_table_init(&set, 4);
    enum { ITEMS = 512 };
    static char items[ITEMS];
    bool in[ITEMS] = {false};
    uint64_t hashes[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        hashes[i] = rng_next(&rng) & 63; /* runs that touch one another */
    }
    for (int step = 0; step < 20000; step++) {
        uint32_t i = rng_below(&rng, step < 10000 ? ITEMS : 40);
        if (in[i]) {
            intern_table_remove(&set, hashes[i], &items[i]);
        } else {
            intern_table_add(&set, hashes[i], &items[i]);
        }
        in[i] = !in[i];
        uint32_t count = 0;
        uint32_t probe = rng_below(&rng, ITEMS);
        bool found = false;
        for (uint32_t at = (uint32_t)hashes[probe] & set.mask; set.slots[at].item != NULL;
             at = (at + 1) & set.mask) {
            found = found || set.slots[at].item == &items[probe];
        }
        CU_ASSERT_EQUAL_FATAL(found, in[probe]);
        for (int k = 0; step % 100 == 0 && k < ITEMS; k++) {
            count += in[k];
        }
        CU_ASSERT_TRUE(step % 100 != 0 || count == set.count);
    }
    intern_table_fini(&set);
}

static void test_memory_is_constant(void) {
    struct template leaf = template_new("leaf.test", false), ca = template_new("CA", true);
    struct intern *intern = table(256);
    CRYPTO_BUFFER *issuer = template_buffer(&ca, 1);
    struct intern_stats stats;
    size_t bytes = 0;
    for (uint64_t i = 0; i < 500000; i++) {
        CRYPTO_BUFFER *certs[2] = {template_buffer(&leaf, i), issuer};
        struct chain *chain = intern_chain(intern, certs, 2);
        CU_ASSERT_PTR_NOT_NULL_FATAL(chain);
        CRYPTO_BUFFER_free(certs[0]);
        if (i % 64 == 0) {
            intern_flush(intern);
        }
        intern_release(intern, chain);
        if (i == 1000) {
            intern_get_stats(intern, &stats);
            bytes = stats.bytes;
        }
    }
    intern_get_stats(intern, &stats);
    CU_ASSERT_EQUAL(stats.bytes, bytes);
    CU_ASSERT_EQUAL(stats.certs_live, 257);
    CU_ASSERT_EQUAL(stats.cert_misses, 500001);
    CU_ASSERT_TRUE(stats.bytes < 2 << 20);
    CRYPTO_BUFFER_free(issuer);
    intern_free(intern);
    free(leaf.der);
    free(ca.der);
}

static void test_bad_configuration(void) {
    struct intern *intern = NULL;
    struct err_note note;
    struct intern_config config = {.chains_max = 0};
    CU_ASSERT_EQUAL(intern_new(&config, &intern, &note), ERR_USAGE);
    CU_ASSERT_PTR_NULL(intern);
    intern_free(NULL);
}

/* The hash chosen for this processor gives the values of the plain one. */
static void test_hash(void) {
    enum { LEN_MAX = 5000 };
    static uint8_t bytes[LEN_MAX + 64];
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)rng_next(&rng);
    }
    intern_hash *chosen = intern_hash_choose();
    for (size_t len = 0; len < LEN_MAX; len++) {
        uint64_t seed = rng_next(&rng);
        const uint8_t *at = bytes + rng_below(&rng, 64);
        CU_ASSERT_EQUAL(chosen(at, len, seed), intern_hash_any(at, len, seed));
        CU_ASSERT_NOT_EQUAL(chosen(at, len, seed), chosen(at, len, seed + 1));
    }
}

/* Batches of known and new chains, some twice in one batch, against one at a time: same chains,
   same counts, while the small table evicts under them. */
static void test_batches(void) {
    enum { LEAVES = 40, ISSUERS = 3, ROUNDS = 400 };
    struct template leaf = template_new("leaf.test", false), ca = template_new("CA", true);
    struct rng rng;
    rng_init(&rng, suite_seed());
    CRYPTO_BUFFER *leaves[LEAVES], *issuers[ISSUERS];
    for (unsigned i = 0; i < LEAVES; i++) {
        leaves[i] = template_buffer(&leaf, i);
    }
    for (unsigned i = 0; i < ISSUERS; i++) {
        issuers[i] = template_buffer(&ca, 1000 + i);
    }
    struct intern *batched = table(8), *single = table(8);
    batched->hash_mask = single->hash_mask = 0x7; /* crowded: guesses are often wrong */
    for (unsigned round = 0; round < ROUNDS; round++) {
        CRYPTO_BUFFER *certs[INTERN_QUERIES_MAX][3];
        struct intern_query queries[INTERN_QUERIES_MAX];
        size_t count = rng_below(&rng, INTERN_QUERIES_MAX + 1);
        for (size_t q = 0; q < count; q++) {
            certs[q][0] = leaves[rng_below(&rng, LEAVES)];
            certs[q][1] = issuers[rng_below(&rng, ISSUERS)];
            certs[q][2] = issuers[rng_below(&rng, ISSUERS)];
            queries[q] = (struct intern_query){.certs = certs[q], .count = 1 + rng_below(&rng, 3)};
        }
        intern_chains(batched, queries, count);
        for (size_t q = 0; q < count; q++) {
            struct chain *one = intern_chain(single, certs[q], queries[q].count);
            const struct chain *chain = queries[q].chain;
            CU_ASSERT_EQUAL_FATAL(chain->count, queries[q].count);
            for (uint32_t i = 0; i < chain->count; i++) {
                struct span sent =
                    span_of(CRYPTO_BUFFER_data(certs[q][i]), CRYPTO_BUFFER_len(certs[q][i]));
                CU_ASSERT_TRUE(span_equal(chain->certs[i]->der, sent));
                CU_ASSERT_TRUE(span_equal(one->certs[i]->der, sent));
            }
        }
        for (size_t q = 0; q < count; q++) {
            CU_ASSERT_TRUE(queries[q].chain->refs > 0);
            intern_release(batched, queries[q].chain);
        }
        for (uint32_t i = 0; i < single->ring_count; i++) {
            single->ring[i]->refs = 0; /* all were for this round */
        }
    }
    struct intern_stats of_batched, of_single;
    intern_get_stats(batched, &of_batched);
    intern_get_stats(single, &of_single);
    CU_ASSERT_EQUAL(of_batched.chain_hits, of_single.chain_hits);
    CU_ASSERT_EQUAL(of_batched.chain_misses, of_single.chain_misses);
    CU_ASSERT_EQUAL(of_batched.cert_hits, of_single.cert_hits);
    CU_ASSERT_EQUAL(of_batched.evictions, of_single.evictions);
    CU_ASSERT_TRUE(of_batched.chain_hits > 0 && of_batched.evictions > 0);
    CU_ASSERT_EQUAL(of_batched.bytes, of_batched.table_bytes + of_batched.record_bytes +
                                          of_batched.der_bytes + of_batched.chain_bytes);
    intern_free(batched);
    intern_free(single);
    for (unsigned i = 0; i < LEAVES; i++) {
        CRYPTO_BUFFER_free(leaves[i]);
    }
    for (unsigned i = 0; i < ISSUERS; i++) {
        CRYPTO_BUFFER_free(issuers[i]);
    }
    free(leaf.der);
    free(ca.der);
}

/* A table that has grown into pages of its own, and is left again. */
static void test_large_table(void) {
    enum { ITEMS = 200000 };
    static uint8_t items[ITEMS];
    struct intern_table large;
    intern_table_init(&large, 16);
    for (uint32_t i = 0; i < ITEMS; i++) {
        intern_table_add(&large, i * UINT64_C(0x9E3779B97F4A7C15), &items[i]);
    }
    CU_ASSERT_EQUAL(large.count, ITEMS);
    for (uint32_t i = 0; i < ITEMS; i++) {
        intern_table_remove(&large, i * UINT64_C(0x9E3779B97F4A7C15), &items[i]);
    }
    CU_ASSERT_EQUAL(large.count, 0);
    intern_table_fini(&large);
}

SUITE_MAIN("intern", {"hits and digests", test_hits_and_digests}, {"malformed", test_malformed},
           {"eviction spares the held", test_eviction_spares_the_held},
           {"growth is bounded", test_growth_is_bounded}, {"second chance", test_second_chance},
           {"permanent bound", test_permanent_bound}, {"random model", test_model},
           {"table alone", test_table_alone}, {"memory is constant", test_memory_is_constant},
           {"bad configuration", test_bad_configuration}, {"hash", test_hash},
           {"batches", test_batches}, {"a large table", test_large_table})
