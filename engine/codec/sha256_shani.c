/* SHA-256 by the SHA extensions: one stream waits for its own latency most of the time, so two
   messages go through side by side. */
#include "engine/codec/sha256_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* The state as the instructions want it: ABEF and CDGH, A and C on top. */
struct stream {
    __m128i abef, cdgh;
    const uint8_t *data;
    size_t full_count, block_count; /* blocks inside the message; with those in `tail` */
    uint8_t tail[2 * SHA256_BLOCK];
};

static inline __m128i load(const void *from) {
    return _mm_loadu_si128((const __m128i *)from);
}

static inline void stream_init(struct stream *stream, const struct sha256_message *message) {
    const uint32_t *h = sha256_initial;
    stream->abef = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4], (int)h[5]);
    stream->cdgh = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6], (int)h[7]);
    stream->data = message->data;
    stream->full_count = message->len / SHA256_BLOCK;
    stream->block_count = stream->full_count + sha256_tail(message, stream->tail);
}

static inline const uint8_t *stream_block(const struct stream *stream, size_t idx) {
    return idx < stream->full_count ? stream->data + idx * SHA256_BLOCK
                                    : stream->tail + (idx - stream->full_count) * SHA256_BLOCK;
}

static inline __m128i byte_order(void) {
    return _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
}

static inline void stream_finish(const struct stream *stream, uint8_t *out) {
    __m128i first = _mm_unpackhi_epi64(stream->abef, stream->cdgh);  /* B A D C */
    __m128i second = _mm_unpacklo_epi64(stream->abef, stream->cdgh); /* F E H G */
    first = _mm_shuffle_epi8(_mm_shuffle_epi32(first, 0xb1), byte_order());
    second = _mm_shuffle_epi8(_mm_shuffle_epi32(second, 0xb1), byte_order());
    _mm_storeu_si128((__m128i *)out, first);
    _mm_storeu_si128((__m128i *)(out + 16), second);
}

#define LOAD_WORDS(w, from) _mm_shuffle_epi8(load((from) + 16 * (w)), byte_order())

/* The four words after w3 (FIPS 180-4 6.2.2 step 1). */
static inline __m128i schedule(__m128i w0, __m128i w1, __m128i w2, __m128i w3) {
    return _mm_sha256msg2_epu32(
        _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4)), w3);
}

/* Four rounds. */
#define ROUNDS(abef, cdgh, words, k)                                                               \
    do {                                                                                           \
        __m128i sum = _mm_add_epi32(words, load(k));                                               \
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);                                             \
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));                    \
    } while (0)

static inline void compress_one(struct stream *s, const uint8_t *block) {
    __m128i abef = s->abef, cdgh = s->cdgh;
    __m128i w0 = LOAD_WORDS(0, block), w1 = LOAD_WORDS(1, block);
    __m128i w2 = LOAD_WORDS(2, block), w3 = LOAD_WORDS(3, block);
    for (const uint32_t *k = sha256_k;; k += 16) {
        ROUNDS(abef, cdgh, w0, k);
        ROUNDS(abef, cdgh, w1, k + 4);
        ROUNDS(abef, cdgh, w2, k + 8);
        ROUNDS(abef, cdgh, w3, k + 12);
        if (k == sha256_k + 48) {
            break;
        }
        w0 = schedule(w0, w1, w2, w3);
        w1 = schedule(w1, w2, w3, w0);
        w2 = schedule(w2, w3, w0, w1);
        w3 = schedule(w3, w0, w1, w2);
    }
    s->abef = _mm_add_epi32(s->abef, abef);
    s->cdgh = _mm_add_epi32(s->cdgh, cdgh);
}

/* Four rounds of both streams, then their next four words in place of the used ones. */
#define ROUNDS_TWO(i, k)                                                                           \
    do {                                                                                           \
        ROUNDS(abef_a, cdgh_a, a##i, k);                                                           \
        ROUNDS(abef_b, cdgh_b, b##i, k);                                                           \
    } while (0)
#define SCHEDULE_TWO(w0, w1, w2, w3)                                                               \
    do {                                                                                           \
        a##w0 = schedule(a##w0, a##w1, a##w2, a##w3);                                              \
        b##w0 = schedule(b##w0, b##w1, b##w2, b##w3);                                              \
    } while (0)

static inline void compress_two(struct stream *a, const uint8_t *block_a, struct stream *b,
                                const uint8_t *block_b) {
    __m128i abef_a = a->abef, cdgh_a = a->cdgh, abef_b = b->abef, cdgh_b = b->cdgh;
    __m128i a0 = LOAD_WORDS(0, block_a), a1 = LOAD_WORDS(1, block_a);
    __m128i a2 = LOAD_WORDS(2, block_a), a3 = LOAD_WORDS(3, block_a);
    __m128i b0 = LOAD_WORDS(0, block_b), b1 = LOAD_WORDS(1, block_b);
    __m128i b2 = LOAD_WORDS(2, block_b), b3 = LOAD_WORDS(3, block_b);
    for (const uint32_t *k = sha256_k; k < sha256_k + 48; k += 16) {
        ROUNDS_TWO(0, k);
        SCHEDULE_TWO(0, 1, 2, 3);
        ROUNDS_TWO(1, k + 4);
        SCHEDULE_TWO(1, 2, 3, 0);
        ROUNDS_TWO(2, k + 8);
        SCHEDULE_TWO(2, 3, 0, 1);
        ROUNDS_TWO(3, k + 12);
        SCHEDULE_TWO(3, 0, 1, 2);
    }
    ROUNDS_TWO(0, sha256_k + 48);
    ROUNDS_TWO(1, sha256_k + 52);
    ROUNDS_TWO(2, sha256_k + 56);
    ROUNDS_TWO(3, sha256_k + 60);
    a->abef = _mm_add_epi32(a->abef, abef_a);
    a->cdgh = _mm_add_epi32(a->cdgh, cdgh_a);
    b->abef = _mm_add_epi32(b->abef, abef_b);
    b->cdgh = _mm_add_epi32(b->cdgh, cdgh_b);
}

static inline void stream_run(struct stream *stream, size_t from) {
    for (size_t idx = from; idx < stream->block_count; idx++) {
        compress_one(stream, stream_block(stream, idx));
    }
}

void sha256_shani_x2(const struct sha256_message *a, const struct sha256_message *b) {
    struct stream streams[2];
    stream_init(&streams[0], a);
    stream_init(&streams[1], b);
    size_t common = streams[0].block_count < streams[1].block_count ? streams[0].block_count
                                                                    : streams[1].block_count;
    for (size_t idx = 0; idx < common; idx++) {
        compress_two(&streams[0], stream_block(&streams[0], idx), &streams[1],
                     stream_block(&streams[1], idx));
    }
    stream_run(&streams[0], common);
    stream_run(&streams[1], common);
    stream_finish(&streams[0], a->out);
    stream_finish(&streams[1], b->out);
}

void sha256_shani_x1(const struct sha256_message *message) {
    struct stream stream;
    stream_init(&stream, message);
    stream_run(&stream, 0);
    stream_finish(&stream, message->out);
}
#else
typedef int sha256_shani_is_empty; /* ISO C wants a declaration */
#endif
