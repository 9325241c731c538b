/* The feeder by hand: ranges of a large file, claimed, then read in any order, cut in theirs. */
#include "engine/corpus/corpus_feed.h"

#include <errno.h>

#include "engine/base/rng.h"
#include "tests/unit/corpus_support.h"

#define BLOCKS_MAX 256
#define PREFIXED_LEN(cert) (4 + certs[cert].len)

struct pieces {
    struct text bytes, complaints; /* of all blocks, one behind the other */
    size_t piece_count;
    struct corpus_stats stats;
};

/* Every piece begins in the file where the one before has ended. */
static void take(struct pieces *pieces, struct corpus_block *block) {
    for (uint32_t i = 0; i < block->piece_count; i++) {
        const struct corpus_piece *piece = &block->pieces[i];
        CU_ASSERT_EQUAL(piece->offset, pieces->bytes.len);
        text_add(&pieces->bytes, block->in.bytes + piece->start, piece->len);
        pieces->piece_count++;
    }
    if (block->complaints.len > 0) {
        text_str(&pieces->complaints, block->complaints.bytes);
    }
    pieces->stats.bytes += block->stats.bytes;
    pieces->stats.files += block->stats.files;
    pieces->stats.files_failed += block->stats.files_failed;
    pieces->stats.broken += block->stats.broken;
    corpus_block_free(block);
}

static void pieces_free(struct pieces *pieces) {
    text_free(&pieces->bytes);
    text_free(&pieces->complaints);
}

struct feeding {
    struct corpus_config config;
    const char *path;
    struct corpus_feeder feeder;
    struct corpus_block *claimed[BLOCKS_MAX];
    size_t claimed_count;
    struct pieces pieces;
};

/* The first block is fed, all ranges behind it are claimed, none is read yet. */
static void feeding_begin(struct feeding *feeding, const struct text *text) {
    *feeding = (struct feeding){.path = write_file("ranges", text)};
    feeding->config = (struct corpus_config){.inputs = &feeding->path, .input_count = 1};
    corpus_feeder_init(&feeding->feeder, &feeding->config);
    struct corpus_block *block = corpus_block_new();
    CU_ASSERT_FALSE(corpus_feed_claim(&feeding->feeder, block));
    CU_ASSERT_TRUE_FATAL(corpus_feed(&feeding->feeder, block));
    take(&feeding->pieces, block);
    block = corpus_block_new();
    while (corpus_feed_claim(&feeding->feeder, block)) {
        CU_ASSERT_FATAL(feeding->claimed_count < BLOCKS_MAX);
        feeding->claimed[feeding->claimed_count++] = block;
        block = corpus_block_new();
    }
    corpus_block_free(block);
    CU_ASSERT_FATAL(feeding->claimed_count > 2);
}

static void feeding_read(struct feeding *feeding, struct rng *rng) {
    struct corpus_block *order[BLOCKS_MAX];
    memcpy(order, feeding->claimed, sizeof order);
    for (size_t left = feeding->claimed_count; left > 0; left--) {
        size_t at = rng_below(rng, (uint32_t)left);
        corpus_feed_read(order[at]);
        order[at] = order[left - 1];
    }
}

static void feeding_end(struct feeding *feeding) {
    for (size_t i = 0; i < feeding->claimed_count; i++) {
        corpus_feed_cut(&feeding->feeder, feeding->claimed[i]);
        take(&feeding->pieces, feeding->claimed[i]);
    }
    for (unsigned turns = 0;; turns++) {
        struct corpus_block *block = corpus_block_new();
        CU_ASSERT_FATAL(turns < BLOCKS_MAX);
        if (corpus_feed_claim(&feeding->feeder, block)) {
            corpus_feed_read(block);
            corpus_feed_cut(&feeding->feeder, block);
        } else if (!corpus_feed(&feeding->feeder, block)) {
            corpus_block_free(block);
            break;
        }
        take(&feeding->pieces, block);
    }
    corpus_feeder_fini(&feeding->feeder);
}

static struct text prefixed_corpus(size_t len_min) {
    struct text text = {NULL, 0, 0};
    for (unsigned i = 0; text.len < len_min; i++) {
        add_prefixed(&text, certs[i % CERTS], 4);
    }
    return text;
}

static void expect_same(const struct pieces *pieces, const char *bytes, size_t len) {
    CU_ASSERT_EQUAL(pieces->bytes.len, len);
    CU_ASSERT_TRUE(pieces->bytes.len == len && memcmp(pieces->bytes.bytes, bytes, len) == 0);
}

static void test_any_order(void) {
    struct rng rng;
    struct feeding feeding;
    begin();
    rng_init(&rng, suite_seed());
    struct text text = prefixed_corpus(3 << 20);
    for (unsigned round = 0; round < 5; round++) {
        feeding_begin(&feeding, &text);
        feeding_read(&feeding, &rng);
        feeding_end(&feeding);
        expect_same(&feeding.pieces, text.bytes, text.len);
        CU_ASSERT_EQUAL(feeding.pieces.stats.bytes, text.len);
        CU_ASSERT_EQUAL(feeding.pieces.stats.files, 1);
        CU_ASSERT_PTR_NULL(feeding.pieces.complaints.bytes);
        pieces_free(&feeding.pieces);
    }
    text_free(&text);
}

/* Lines longer than the room before a range, than a range, and than several. */
static void test_long_records(void) {
    static const size_t lens[] = {40000, 300000, 1000, 3000000, 262144, 10, 70000, 900000};
    struct rng rng;
    struct feeding feeding;
    begin();
    rng_init(&rng, suite_seed());
    for (unsigned round = 0; round < 6; round++) {
        struct text text = {NULL, 0, 0};
        while (text.len < CORPUS_BLOCK_BYTES) { /* what is fed before the ranges */
            text_str(&text, "{\"x\":\"short\"}\n");
        }
        for (unsigned i = 0; i < 8; i++) {
            size_t len = lens[(i + round) % 8] + rng_below(&rng, 5000);
            char *filler = malloc(len);
            memset(filler, 'a' + (int)i, len);
            text_str(&text, "{\"x\":\"");
            text_add(&text, filler, len);
            text_str(&text, i == 7 ? "\"}" : "\"}\n");
            free(filler);
        }
        feeding_begin(&feeding, &text);
        feeding_read(&feeding, &rng);
        feeding_end(&feeding);
        expect_same(&feeding.pieces, text.bytes, text.len);
        CU_ASSERT_TRUE(feeding.pieces.piece_count >= 4);
        pieces_free(&feeding.pieces);
        text_free(&text);
    }
}

/* The file loses its end after it was claimed: what is left of it is read to the end, once. */
static void test_shrinks(void) {
    struct rng rng;
    struct feeding feeding;
    begin();
    rng_init(&rng, suite_seed());
    struct text text = prefixed_corpus(2 << 20);
    for (unsigned round = 0; round < 10; round++) {
        size_t len = round == 0 ? 4 * (size_t)CORPUS_BLOCK_BYTES
                                : CORPUS_BLOCK_BYTES + rng_below(&rng, 1 << 20);
        feeding_begin(&feeding, &text);
        CU_ASSERT_EQUAL_FATAL(truncate(feeding.path, (off_t)len), 0);
        feeding_read(&feeding, &rng);
        feeding_end(&feeding);
        expect_same(&feeding.pieces, text.bytes, len);
        CU_ASSERT_EQUAL(feeding.pieces.stats.bytes, len);
        CU_ASSERT_EQUAL(feeding.pieces.stats.files, 1);
        pieces_free(&feeding.pieces);
    }
    text_free(&text);
}

/* An error in the third range: what came before is kept, what was read behind it is not taken. */
static void test_read_error(void) {
    struct rng rng;
    struct feeding feeding;
    begin();
    rng_init(&rng, suite_seed());
    struct text text = prefixed_corpus(2 << 20);
    feeding_begin(&feeding, &text);
    feeding_read(&feeding, &rng);
    feeding.claimed[2]->range.error = EIO;
    feeding.claimed[2]->range.got = 100;
    feeding.claimed[2]->in.len -= feeding.claimed[2]->range.len - 100;
    size_t len = (size_t)feeding.claimed[2]->range.at + 100;
    feeding_end(&feeding);
    expect_same(&feeding.pieces, text.bytes, len);
    CU_ASSERT_EQUAL(feeding.pieces.stats.files, 0);
    CU_ASSERT_EQUAL(feeding.pieces.stats.files_failed, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(feeding.pieces.complaints.bytes);
    CU_ASSERT_PTR_NOT_NULL(strstr(feeding.pieces.complaints.bytes, "cannot read: Input/output"));
    pieces_free(&feeding.pieces);
    text_free(&text);
}

/* Where the records cannot be parted any more the rest of that block is the last there is. */
static void test_lost(void) {
    struct rng rng;
    struct feeding feeding;
    begin();
    rng_init(&rng, suite_seed());
    struct text text = prefixed_corpus(2 << 20);
    size_t at = 0;
    for (unsigned i = 0; at < (1 << 20); i++) {
        at += PREFIXED_LEN(i % CERTS);
    }
    memset(text.bytes + at, 0xff, 4);
    feeding_begin(&feeding, &text);
    feeding_read(&feeding, &rng);
    feeding_end(&feeding);
    CU_ASSERT_TRUE(feeding.pieces.bytes.len > at &&
                   feeding.pieces.bytes.len <= at + CORPUS_BLOCK_BYTES);
    expect_same(&feeding.pieces, text.bytes, feeding.pieces.bytes.len);
    pieces_free(&feeding.pieces);
    text_free(&text);
}

static void test_stop(void) {
    struct feeding feeding;
    atomic_bool stop = false;
    begin();
    struct text text = prefixed_corpus(2 << 20);
    feeding_begin(&feeding, &text);
    feeding.config.stop = &stop;
    struct corpus_block *block = corpus_block_new();
    stop = true;
    CU_ASSERT_FALSE(corpus_feed_claim(&feeding.feeder, block));
    CU_ASSERT_FALSE(corpus_feed(&feeding.feeder, block));
    corpus_block_free(block);
    for (size_t i = 0; i < feeding.claimed_count; i++) {
        corpus_block_free(feeding.claimed[i]);
    }
    corpus_feeder_fini(&feeding.feeder);
    pieces_free(&feeding.pieces);
    text_free(&text);
    remove_folder();
}

SUITE_MAIN("corpus_feed", {"read in any order", test_any_order},
           {"long records", test_long_records}, {"a file that shrinks", test_shrinks},
           {"a read that fails", test_read_error}, {"framing lost", test_lost},
           {"told to stop", test_stop})
