#include "engine/codec/sha256.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/attributes.h"
#include "engine/base/rng.h"
#include "engine/codec/text.h"
#include "tests/support/suite.h"

/* Runs `check` under every kernel of this CPU, then goes back to the best one. */
static void with_every_kernel(void (*check)(struct rng *rng)) {
    const char *names[4];
    size_t count = sha256_kernels_available(names);
    uint64_t seed = suite_seed();
    CU_ASSERT_FATAL(count >= 1 && count <= 4);
    for (size_t i = 0; i < count; i++) {
        struct rng rng;
        rng_init(&rng, seed);
        CU_ASSERT_TRUE_FATAL(sha256_force_kernel(names[i]));
        CU_ASSERT_STRING_EQUAL(sha256_kernel(), names[i]);
        fprintf(stderr, "  kernel %s\n", names[i]);
        check(&rng);
    }
    CU_ASSERT_TRUE(sha256_force_kernel(names[0]));
}

static void expect_digest(struct span message, const uint8_t digest[SHA256_LEN]) {
    uint8_t expected[SHA256_LEN];
    SHA256(message.data, message.len, expected);
    if (memcmp(digest, expected, SHA256_LEN) != 0) {
        fprintf(stderr, "  %s: wrong digest of %zu bytes\n", sha256_kernel(), message.len);
        CU_FAIL("wrong digest");
    }
}

/* Hashes messages of these lengths as one stream of adds, each in an exact allocation so that the
   sanitizer sees a read past its end, and its digest beside a guard. */
static void check_batch(struct rng *rng, const size_t *lens, size_t count) {
    uint8_t **messages = calloc(count, sizeof *messages);
    uint8_t(*digests)[SHA256_LEN + 1] = calloc(count, sizeof *digests);
    struct sha256_batch *batch = malloc(sizeof *batch);
    sha256_batch_init(batch);
    for (size_t i = 0; i < count; i++) {
        messages[i] = malloc(lens[i] > 0 ? lens[i] : 1);
        for (size_t at = 0; at < lens[i]; at++) {
            messages[i][at] = (uint8_t)rng_next(rng);
        }
        digests[i][SHA256_LEN] = 0xa5;
        sha256_batch_add(batch, span_of(messages[i], lens[i]), digests[i]);
    }
    sha256_batch_flush(batch);
    CU_ASSERT_EQUAL(batch->count, 0);
    for (size_t i = 0; i < count; i++) {
        expect_digest(span_of(messages[i], lens[i]), digests[i]);
        CU_ASSERT_EQUAL(digests[i][SHA256_LEN], 0xa5);
        free(messages[i]);
    }
    free(batch);
    free(digests);
    free(messages);
}

/* FIPS 180-4's own examples (NIST CSRC example values). */
static void check_vectors(struct rng *rng) {
    static const struct {
        const char *message, *digest;
    } vectors[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    static uint8_t million[1000000];
    uint8_t digest[SHA256_LEN], expected[SHA256_LEN];
    size_t len;
    (void)rng;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        CU_ASSERT_TRUE(hex_decode(span_str(vectors[i].digest), expected, sizeof expected, &len));
        sha256_once(span_str(vectors[i].message), digest);
        CU_ASSERT_EQUAL(memcmp(digest, expected, SHA256_LEN), 0);
    }
    sha256_once(span_of(NULL, 0), digest);
    CU_ASSERT_TRUE(hex_decode(span_str(vectors[0].digest), expected, sizeof expected, &len));
    CU_ASSERT_EQUAL(memcmp(digest, expected, SHA256_LEN), 0);
    memset(million, 'a', sizeof million);
    sha256_once(span_of(million, sizeof million), digest);
    CU_ASSERT_TRUE(
        hex_decode(span_str("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
                   expected, sizeof expected, &len));
    CU_ASSERT_EQUAL(memcmp(digest, expected, SHA256_LEN), 0);
}

static void test_vectors(void) {
    with_every_kernel(check_vectors);
}

/* Every length over all padding boundaries, alone, in pairs, and filling the wide kernel. */
static void check_lengths(struct rng *rng) {
    size_t lens[SHA256_BATCH_MAX];
    for (size_t len = 0; len <= 260; len++) {
        for (size_t i = 0; i < 16; i++) {
            lens[i] = len;
        }
        check_batch(rng, lens, 1);
        check_batch(rng, lens, 2);
        check_batch(rng, lens, 16);
    }
    for (size_t i = 0; i < SHA256_BATCH_MAX; i++) {
        lens[i] = i;
    }
    check_batch(rng, lens, SHA256_BATCH_MAX);
}

static void test_lengths(void) {
    with_every_kernel(check_lengths);
}

static size_t random_len(struct rng *rng) {
    static const uint16_t usual[] = {44, 91, 120, 158, 294, 550, 1200};
    switch (rng_below(rng, 4)) {
    case 0:
        return usual[rng_below(rng, ARRAY_COUNT(usual))];
    case 1: /* near a block's end */
        return rng_below(rng, 5) * 64 + 48 + rng_below(rng, 24);
    case 2:
        return rng_below(rng, 2000);
    default:
        return rng_below(rng, 257);
    }
}

static void check_random(struct rng *rng) {
    size_t lens[600];
    for (unsigned round = 0; round < 150; round++) {
        size_t count = 1 + rng_below(rng, round % 10 == 0 ? 600 : 40);
        size_t same = random_len(rng);
        bool is_mixed = rng_below(rng, 3) > 0;
        for (size_t i = 0; i < count; i++) {
            lens[i] = is_mixed ? random_len(rng) : same;
        }
        check_batch(rng, lens, count);
    }
}

static void test_random(void) {
    with_every_kernel(check_random);
}

/* Long messages share a sorting bin and fall out of step with each other. */
static void check_long(struct rng *rng) {
    size_t lens[40];
    for (size_t i = 0; i < ARRAY_COUNT(lens); i++) {
        lens[i] = i % 4 == 0 ? 64 * 1024 - i : 4000 + rng_below(rng, 200) * 64;
    }
    check_batch(rng, lens, ARRAY_COUNT(lens));
    lens[0] = 64 * 1024;
    check_batch(rng, lens, 1);
    for (size_t i = 1; i < 16; i++) {
        lens[i] = i;
    }
    check_batch(rng, lens, 16);
}

static void test_long(void) {
    with_every_kernel(check_long);
}

/* A full batch flushes by itself; what is flushed is not computed again. */
static void test_contract(void) {
    static uint8_t digests[SHA256_BATCH_MAX + 1][SHA256_LEN];
    static const uint8_t zero[SHA256_LEN];
    struct sha256_batch *batch = malloc(sizeof *batch);
    sha256_batch_init(batch);
    sha256_batch_flush(batch);
    for (unsigned i = 0; i < SHA256_BATCH_MAX; i++) {
        CU_ASSERT_EQUAL(batch->count, i);
        sha256_batch_add(batch, span_str("abc"), digests[i]);
    }
    CU_ASSERT_EQUAL(batch->count, 0);
    expect_digest(span_str("abc"), digests[0]);
    expect_digest(span_str("abc"), digests[SHA256_BATCH_MAX - 1]);
    sha256_batch_add(batch, span_str("abd"), digests[SHA256_BATCH_MAX]);
    CU_ASSERT_EQUAL(memcmp(digests[SHA256_BATCH_MAX], zero, SHA256_LEN), 0);
    memset(digests[0], 0, SHA256_LEN);
    sha256_batch_flush(batch);
    expect_digest(span_str("abd"), digests[SHA256_BATCH_MAX]);
    CU_ASSERT_EQUAL(memcmp(digests[0], zero, SHA256_LEN), 0);
    free(batch);
}

static void test_kernel_names(void) {
    const char *names[4];
    size_t count = sha256_kernels_available(names);
    CU_ASSERT_FATAL(count >= 1);
    CU_ASSERT_STRING_EQUAL(names[count - 1], "scalar");
    const char *before = sha256_kernel();
    CU_ASSERT_FALSE(sha256_force_kernel("quantum"));
    CU_ASSERT_FALSE(sha256_force_kernel(NULL));
    CU_ASSERT_PTR_EQUAL(sha256_kernel(), before);
}

static void test_stream(void) {
    uint8_t bytes[5000], digest[SHA256_LEN];
    struct rng rng;
    rng_init(&rng, suite_seed());
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)rng_next(&rng);
    }
    struct sha256_stream stream;
    sha256_stream_init(&stream);
    for (struct span rest = span_of(bytes, sizeof bytes); rest.len > 0;) {
        sha256_stream_add(&stream, span_take(&rest, rng_below(&rng, 300)));
    }
    sha256_stream_add(&stream, span_of(NULL, 0));
    sha256_stream_finish(&stream, digest);
    expect_digest(span_of(bytes, sizeof bytes), digest);
}

SUITE_MAIN("sha256", {"FIPS vectors", test_vectors}, {"lengths", test_lengths},
           {"random batches", test_random}, {"long messages", test_long},
           {"batch contract", test_contract}, {"kernel names", test_kernel_names},
           {"stream", test_stream})
