/* What a chain costs after the handshake: known ones (intern and memo), and new leaves under a
   known issuer, against the least that any verifier must do for them: one parse and one signature.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/mint.h"
#include "engine/base/attributes.h"
#include "engine/base/rng.h"
#include "engine/trust/path.h"

#define NEW_LEAVES 256 /* in turn: none is the one just seen */
#define PADDING 700    /* bytes, to make certificates of about 1,200 as the web's */
#define SERIAL UINT64_C(0x7152637485960718)

static CRYPTO_BUFFER *mint(enum mint_key kind, const char *subject, const char *issuer,
                           uint64_t serial, bool is_ca, bool leaf_key_p256) {
    EVP_PKEY *key = mint_key_new(leaf_key_p256 ? MINT_P256 : kind, 3, subject);
    EVP_PKEY *issuer_key = mint_key_new(kind, 3, issuer);
    const char *const names[] = {"www.bench.test", "bench.test"};
    struct mint_spec spec = {.subject_cn = subject,
                             .issuer_cn = issuer,
                             .key = key,
                             .issuer_key = issuer_key,
                             .serial = serial,
                             .not_before = 1700000000,
                             .not_after = 1900000000,
                             .is_ca = is_ca,
                             .path_len = -1,
                             .dns_names = names,
                             .dns_name_count = is_ca ? 0 : 2,
                             .padding_len = is_ca ? 0 : PADDING};
    size_t len;
    uint8_t *der = mint_certificate(&spec, &len);
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der, len, NULL);
    free(der);
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer_key);
    return buffer;
}

/* One issuer, a root as anchor, and leaves that differ in serial (and so in signature). */
struct world {
    enum mint_key kind;
    bool ready;
    struct trust_store store;
    struct intern *intern;
    struct path_builder *builder;
    CRYPTO_BUFFER *issuer, *leaves[NEW_LEAVES];
    struct chain *chains[NEW_LEAVES];
};

static struct intern *table(uint32_t chains_max) {
    struct intern_config config = {
        .chains_max = chains_max, .seed = 11, .free_paths = path_set_free};
    struct intern *intern = NULL;
    CHECK(intern_new(&config, &intern, NULL) == ERR_NONE);
    return intern;
}

static struct world *world_of(struct bench *bench) {
    struct world *world = bench_context(bench);
    if (world->ready) {
        return world;
    }
    CRYPTO_BUFFER *root = mint(world->kind, "Root", "Root", 1, true, false);
    world->issuer = mint(world->kind, "Issuer", "Root", 2, true, false);
    struct span root_der = span_of(CRYPTO_BUFFER_data(root), CRYPTO_BUFFER_len(root));
    CHECK(trust_store_add(&world->store, "p", &root_der, 1, NULL) == ERR_NONE);
    CRYPTO_BUFFER_free(root);
    world->intern = table(NEW_LEAVES);
    CHECK(path_builder_new(&world->store, &world->builder, NULL) == ERR_NONE);
    for (uint64_t i = 0; i < NEW_LEAVES; i++) {
        world->leaves[i] = mint(world->kind, "leaf", "Issuer", 100 + i, false, true);
        CRYPTO_BUFFER *certs[2] = {world->leaves[i], world->issuer};
        world->chains[i] = intern_chain(world->intern, certs, 2);
    }
    intern_flush(world->intern);
    const struct profile_paths *paths = path_set_of(world->builder, world->chains[0])->profiles;
    CHECK(paths->ok_count == 1 && paths->paths[0].count == 3);
    world->ready = true;
    return world;
}

/* A leaf never judged before, under an issuer whose own path is known. */
static void new_leaf(struct bench *bench) {
    struct world *world = world_of(bench);
    size_t at = 0;
    while (bench_next(bench, 1)) {
        struct chain *chain = world->chains[at++ % NEW_LEAVES];
        path_set_free(NULL, chain->paths);
        chain->paths = NULL;
        bench_use(path_set_of(world->builder, chain));
    }
    bench_set_items(bench, 1);
}

/* The comparator: parse the leaf, verify its signature with the issuer's key, nothing else. */
static void parse_and_signature(struct bench *bench) {
    struct world *world = world_of(bench);
    X509 *issuer = X509_parse_from_buffer(world->issuer);
    EVP_PKEY *key = X509_get_pubkey(issuer);
    size_t at = 0;
    while (bench_next(bench, 1)) {
        X509 *leaf = X509_parse_from_buffer(world->leaves[at++ % NEW_LEAVES]);
        CHECK(X509_verify(leaf, key) == 1);
        X509_free(leaf);
    }
    bench_set_items(bench, 1);
    EVP_PKEY_free(key);
    X509_free(issuer);
}

#if BORINGSSL_API_VERSION >= 19
#define set_trusted_stack X509_STORE_CTX_set0_trusted_stack
#else
#define set_trusted_stack X509_STORE_CTX_trusted_stack
#endif

/* The second: parse the leaf and have X509_verify_cert() take it under the issuer. It reads all
   extensions, which the bare signature does not. */
static void parse_and_verify_edge(struct bench *bench) {
    struct world *world = world_of(bench);
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *trusted = sk_X509_new_null();
    X509 *issuer = X509_parse_from_buffer(world->issuer);
    CHECK(sk_X509_push(trusted, issuer));
    size_t at = 0;
    while (bench_next(bench, 1)) {
        X509 *leaf = X509_parse_from_buffer(world->leaves[at++ % NEW_LEAVES]);
        X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        CHECK(X509_STORE_CTX_init(ctx, store, leaf, NULL));
        set_trusted_stack(ctx, trusted);
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
        X509_VERIFY_PARAM_set_time(param, 1800000000);
        CHECK(X509_verify_cert(ctx) == 1);
        X509_STORE_CTX_free(ctx);
        X509_free(leaf);
    }
    bench_set_items(bench, 1);
    X509_free(issuer);
    sk_X509_free(trusted);
    X509_STORE_free(store);
}

/* The third: what a verifier without memo does, BoringSSL's own. */
static void verify_cert(struct bench *bench) {
    struct world *world = world_of(bench);
    X509_STORE *store = X509_STORE_new();
    CHECK(X509_STORE_add_cert(store, world->store.profiles[0].anchors[0].x509));
    STACK_OF(X509) *sent = sk_X509_new_null();
    X509 *issuer = X509_parse_from_buffer(world->issuer);
    CHECK(sk_X509_push(sent, issuer));
    size_t at = 0;
    while (bench_next(bench, 1)) {
        X509 *leaf = X509_parse_from_buffer(world->leaves[at++ % NEW_LEAVES]);
        X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        CHECK(X509_STORE_CTX_init(ctx, store, leaf, sent));
        X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), 1800000000);
        CHECK(X509_verify_cert(ctx) == 1);
        X509_STORE_CTX_free(ctx);
        X509_free(leaf);
    }
    bench_set_items(bench, 1);
    X509_free(issuer);
    sk_X509_free(sent);
    X509_STORE_free(store);
}

/* Everything that a new leaf costs after the handshake: intern, digests, paths, and the eviction of
   the leaf before it. */
static void new_chain(struct bench *bench) {
    struct world *world = world_of(bench);
    struct intern *intern = table(16);
    size_t at = 0;
    while (bench_next(bench, 1)) {
        CRYPTO_BUFFER *certs[2] = {world->leaves[at++ % NEW_LEAVES], world->issuer};
        struct chain *chain = intern_chain(intern, certs, 2);
        intern_flush(intern);
        bench_use(path_set_of(world->builder, chain));
        intern_release(intern, chain);
    }
    bench_set_items(bench, 1);
    intern_free(intern);
}

/* A chain seen before: two certificates found, the chain found, its paths at hand. */
static void known_chain(struct bench *bench) {
    struct world *world = world_of(bench);
    size_t at = 0;
    while (bench_next(bench, 1)) {
        CRYPTO_BUFFER *certs[2] = {world->leaves[at++ % NEW_LEAVES], world->issuer};
        struct chain *chain = intern_chain(world->intern, certs, 2);
        bench_use(path_set_of(world->builder, chain));
        intern_release(world->intern, chain);
    }
    bench_set_items(bench, 1);
}

/* Certificates one by one or sixteen at a time, each as a chain, in random order among so many that
   nothing of the table stays in the caches. What is asked with has just come from the wire: buffers
   written anew. */
struct wire {
    CRYPTO_BUFFER *buffer;
    uint8_t *serial; /* four bytes of it */
};

static struct wire wire_new(void) {
    struct wire wire = {.buffer = mint(MINT_P256, "leaf", "Issuer", SERIAL, false, true)};
    size_t len = CRYPTO_BUFFER_len(wire.buffer);
    uint8_t *der = (uint8_t *)(uintptr_t)CRYPTO_BUFFER_data(wire.buffer);
    for (size_t i = 0; i + 8 <= len; i++) {
        uint64_t value = 0;
        for (size_t k = 0; k < 8; k++) {
            value = value << 8 | der[i + k];
        }
        wire.serial = value == SERIAL ? der + i + 4 : wire.serial;
    }
    CHECK(wire.serial != NULL);
    return wire;
}

/* Made once for all turns of a size. */
static struct full {
    size_t count;
    struct intern *intern;
    struct wire wires[INTERN_QUERIES_MAX];
} full;

static void full_table(size_t count) {
    if (full.count == count) {
        return;
    }
    intern_free(full.intern);
    full.count = count;
    full.intern = table((uint32_t)count);
    for (size_t i = 0; i < INTERN_QUERIES_MAX && full.wires[i].buffer == NULL; i++) {
        full.wires[i] = wire_new();
    }
    struct wire *wire = &full.wires[0];
    for (uint32_t i = 0; i < count; i++) {
        memcpy(wire->serial, &i, sizeof i);
        CRYPTO_BUFFER *once = CRYPTO_BUFFER_new(CRYPTO_BUFFER_data(wire->buffer),
                                                CRYPTO_BUFFER_len(wire->buffer), NULL);
        intern_release(full.intern, intern_chain(full.intern, &once, 1));
        CRYPTO_BUFFER_free(once);
    }
    intern_flush(full.intern);
}

#define INTERN_BYTES_EACH 2500 /* of memory for the bench, all told */

static void intern_hits(struct bench *bench) {
    size_t count = (size_t)bench_arg(bench, 0), at_once = (size_t)bench_arg(bench, 1);
    size_t have = (size_t)sysconf(_SC_AVPHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    if (count != full.count && count * INTERN_BYTES_EACH > have) {
        bench_skip(bench, "not enough free memory on this machine");
        return;
    }
    full_table(count);
    struct intern_query queries[INTERN_QUERIES_MAX];
    for (size_t i = 0; i < INTERN_QUERIES_MAX; i++) {
        queries[i] = (struct intern_query){.certs = &full.wires[i].buffer, .count = 1};
    }
    struct rng rng;
    rng_init(&rng, 17);
    while (bench_next(bench, (int64_t)at_once)) {
        for (size_t i = 0; i < at_once; i++) {
            uint32_t which = rng_below(&rng, (uint32_t)count);
            memcpy(full.wires[i].serial, &which, sizeof which);
        }
        intern_chains(full.intern, queries, at_once);
        for (size_t i = 0; i < at_once; i++) {
            intern_release(full.intern, queries[i].chain);
        }
    }
    bench_set_items(bench, 1);
    struct intern_stats stats;
    intern_get_stats(full.intern, &stats);
    CHECK(stats.cert_misses == count && stats.evictions == 0);
    bench_counter(bench, "bytes_tables", (double)stats.table_bytes / (double)count);
    bench_counter(bench, "bytes_records", (double)stats.record_bytes / (double)count);
    bench_counter(bench, "bytes_der", (double)stats.der_bytes / (double)count);
    bench_counter(bench, "bytes_chains", (double)stats.chain_bytes / (double)count);
}

int main(int argc, char **argv) {
    static struct world p256 = {.kind = MINT_P256}, rsa = {.kind = MINT_RSA2048};
    static const int64_t hits[][2] = {{1000, 1},    {1000, 16},   {200000, 1},
                                      {200000, 16}, {1000000, 1}, {1000000, 16}};
    for (size_t i = 0; i < ARRAY_COUNT(hits); i++) {
        bench_register("intern_hit", intern_hits, NULL, hits[i], 2);
    }
    bench_register("known_chain", known_chain, &p256, NULL, 0);
    bench_register("new_leaf/p256", new_leaf, &p256, NULL, 0);
    bench_register("parse_and_signature/p256", parse_and_signature, &p256, NULL, 0);
    bench_register("parse_and_verify_edge/p256", parse_and_verify_edge, &p256, NULL, 0);
    bench_register("verify_cert/p256", verify_cert, &p256, NULL, 0);
    bench_register("new_chain/p256", new_chain, &p256, NULL, 0);
    bench_register("new_leaf/rsa2048", new_leaf, &rsa, NULL, 0);
    bench_register("parse_and_signature/rsa2048", parse_and_signature, &rsa, NULL, 0);
    bench_register("parse_and_verify_edge/rsa2048", parse_and_verify_edge, &rsa, NULL, 0);
    bench_register("verify_cert/rsa2048", verify_cert, &rsa, NULL, 0);
    bench_register("new_chain/rsa2048", new_chain, &rsa, NULL, 0);
    return bench_main(argc, argv);
}
