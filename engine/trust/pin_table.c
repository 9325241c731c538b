#include "engine/trust/pin_table.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/mman.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* What a pin is compared with; the key in the table is 32 bytes of it in each case. */
enum pin_table_kind {
    KIND_SPKI_SHA256,
    KIND_CERT_SHA256,
    KIND_SPKI_SHA1,
    KIND_CERT_SHA1,
    KIND_SPKI_SHA512,
    KIND_CERT_SHA512,
    KIND_SPKI_EXACT,
    KIND_CERT_EXACT,
    KIND_COUNT
};

/* Of seven slots four are taken, or fewer: one digest in a hundred then has no place in its own
   bucket. Such look-ups wait for memory that nobody has asked for ahead, and cost ten others. */
#define SLOTS_FOR(digests) ((digests) / 4 * 7 + 7)

static enum pin_table_kind kind_of(const struct pin *pin) {
    bool cert = pin->of == PIN_OF_CERT;
    switch (pin->alg) {
    case PIN_SHA256:
        return cert ? KIND_CERT_SHA256 : KIND_SPKI_SHA256;
    case PIN_SHA1:
        return cert ? KIND_CERT_SHA1 : KIND_SPKI_SHA1;
    case PIN_SHA512:
        return cert ? KIND_CERT_SHA512 : KIND_SPKI_SHA512;
    case PIN_EXACT:
        return cert ? KIND_CERT_EXACT : KIND_SPKI_EXACT;
    }
    return KIND_COUNT;
}

/* SHA-256 as it is, SHA-1 with zeros behind, the front of SHA-512, the SHA-256 of exact bytes. */
static void key_of(enum pin_alg alg, struct span value, uint8_t out[SHA256_LEN]) {
    memset(out, 0, SHA256_LEN);
    if (alg == PIN_EXACT) {
        SHA256(value.data, value.len, out);
    } else if (value.len > 0) {
        memcpy(out, value.data, value.len < SHA256_LEN ? value.len : SHA256_LEN);
    }
}

_Static_assert(sizeof(struct pin_bucket) == CACHE_LINE, "a bucket is a cache line");

/* Digests are their own hash: where their first eight bytes, as a fraction, fall. A policy is
   trusted, so that nobody gains by crowding a bucket. */
static inline size_t bucket_of(const struct pin_table *table, const uint8_t digest[SHA256_LEN]) {
    uint64_t hash;
    memcpy(&hash, digest, sizeof hash);
    return (size_t)((unsigned __int128)hash * table->bucket_count >> 64);
}

/* Other bytes of the digest than those that choose the bucket. */
static inline uint16_t tag_of(const uint8_t key[SHA256_LEN]) {
    uint16_t tag;
    memcpy(&tag, key + 8, sizeof tag);
    return tag | 0x8000;
}

/* One bit for each slot of the bucket that has this tag. Looks at six more numbers behind the tags:
   they are the bucket's too. */
static inline unsigned slots_tagged(const struct pin_bucket *bucket, uint16_t tag) {
    unsigned bits = 0;
#if defined(__SSE2__)
    const __m128i *tags = (const __m128i *)(const void *)bucket,
                  wanted = _mm_set1_epi16((short)tag);
    bits = (unsigned)_mm_movemask_epi8(
        _mm_packs_epi16(_mm_cmpeq_epi16(_mm_load_si128(tags), wanted),
                        _mm_cmpeq_epi16(_mm_load_si128(tags + 1), wanted)));
#else
    for (unsigned i = 0; i < PIN_BUCKET_SLOTS; i++) {
        bits |= (bucket->tags[i] == tag ? 1u : 0u) << i;
    }
#endif
    return bits & ((1u << PIN_BUCKET_SLOTS) - 1);
}

static inline bool digests_equal(const uint8_t *a, const uint8_t *b) {
    uint64_t x[4], y[4];
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}

struct slot {
    struct pin_bucket *bucket;
    uint8_t *digest;
    unsigned idx;
};

static inline size_t next_bucket(const struct pin_table *table, size_t at) {
    return at + 1 < table->bucket_count ? at + 1 : 0;
}

static inline bool find_slot(const struct pin_table *table, const uint8_t key[SHA256_LEN],
                             struct slot *out) {
    for (size_t at = bucket_of(table, key);; at = next_bucket(table, at)) {
        struct pin_bucket *bucket = &table->buckets[at];
        uint8_t *digests = table->digests + at * PIN_BUCKET_SLOTS * SHA256_LEN;
        for (unsigned hits = slots_tagged(bucket, tag_of(key)); hits != 0; hits &= hits - 1) {
            unsigned idx = (unsigned)__builtin_ctz(hits);
            if (LIKELY(digests_equal(digests + idx * SHA256_LEN, key))) {
                *out = (struct slot){bucket, digests + idx * SHA256_LEN, idx};
                return true;
            }
        }
        if (LIKELY(bucket->overflowed == 0)) {
            return false;
        }
    }
}

/* The free slot where the key belongs. There always is one. */
static void take_slot(struct pin_table *table, const uint8_t key[SHA256_LEN], struct slot *out) {
    size_t at = bucket_of(table, key);
    unsigned free_slots;
    while ((free_slots = slots_tagged(&table->buckets[at], 0)) == 0) {
        table->buckets[at].overflowed = 1;
        at = next_bucket(table, at);
    }
    unsigned idx = (unsigned)__builtin_ctz(free_slots);
    uint8_t *digest = table->digests + (at * PIN_BUCKET_SLOTS + idx) * SHA256_LEN;
    *out = (struct slot){&table->buckets[at], digest, idx};
    memcpy(digest, key, SHA256_LEN);
    out->bucket->tags[idx] = tag_of(key);
    table->digest_count++;
}

static enum err table_allocate(struct pin_table *table, struct err_note *note) {
    table->bucket_count = SLOTS_FOR(table->ref_count) / PIN_BUCKET_SLOTS + 1;
    size_t buckets_len = table->bucket_count * sizeof(struct pin_bucket);
    table->map_len = buckets_len + table->bucket_count * PIN_BUCKET_SLOTS * SHA256_LEN;
    table->refs = malloc((table->ref_count + 1) * sizeof *table->refs);
    void *map =
        mmap(NULL, table->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || table->refs == NULL) {
        if (map != MAP_FAILED) {
            munmap(map, table->map_len);
        }
        free(table->refs);
        *table = (struct pin_table){0};
        return err_note(note, ERR_RESOURCE, "not enough memory for the table of the pins");
    }
    madvise(map, table->map_len, MADV_HUGEPAGE); /* a wish: works without */
    table->buckets = map;
    table->digests = (uint8_t *)map + buckets_len;
    return ERR_NONE;
}

/* Sets and pins are added from the last to the first, so that each goes before the others. */
static void table_add(struct pin_table *table, uint32_t set_idx, uint32_t pin_idx, uint32_t place) {
    const struct pin *pin = &table->index->sets[set_idx]->pins[pin_idx];
    uint8_t key[SHA256_LEN];
    struct slot slot;
    key_of(pin->alg, pin->value, key);
    if (!find_slot(table, key, &slot)) {
        take_slot(table, key, &slot);
    }
    table->refs[place] = (struct pin_ref){set_idx, pin_idx, slot.bucket->firsts[slot.idx]};
    slot.bucket->firsts[slot.idx] = place + 1;
    table->kinds |= 1u << kind_of(pin);
}

enum err pin_table_init(struct pin_table *table, const struct pin_index *index,
                        struct err_note *note) {
    *table = (struct pin_table){.index = index};
    for (uint32_t i = 0; i < index->set_count; i++) {
        table->ref_count += index->sets[i]->pin_count;
    }
    CHECK(table->ref_count < UINT32_MAX);
    enum err err = table_allocate(table, note);
    if (err != ERR_NONE) {
        return err;
    }
    uint32_t place = 0;
    for (uint32_t set = index->set_count; set-- > 0;) {
        for (uint32_t pin = index->sets[set]->pin_count; pin-- > 0;) {
            table_add(table, set, pin, place++);
        }
    }
    return ERR_NONE;
}

void pin_table_fini(struct pin_table *table) {
    if (table->buckets != NULL) {
        munmap(table->buckets, table->map_len);
    }
    free(table->refs);
    *table = (struct pin_table){0};
}

const struct pin_ref *pin_table_find(const struct pin_table *table,
                                     const uint8_t digest[SHA256_LEN]) {
    struct slot slot;
    return find_slot(table, digest, &slot) ? &table->refs[slot.bucket->firsts[slot.idx] - 1] : NULL;
}

/* How far ahead of a look-up its bucket, and then its digest, are asked for: so many misses
   overlap, about as many as a core has line fill buffers. */
#define BUCKET_AHEAD 32
#define DIGEST_AHEAD 16

/* What a look-up will need once its bucket is there: the digest in the slot that most probably
   holds it, or the next bucket. (An address, asked for by the caller: GCC 12 drops the call of a
   function that does nothing but prefetch.) */
static inline const void *needed_next(const struct pin_table *table,
                                      const uint8_t digest[SHA256_LEN]) {
    size_t at = bucket_of(table, digest);
    const struct pin_bucket *bucket = &table->buckets[at];
    unsigned hits = slots_tagged(bucket, tag_of(digest));
    if (hits == 0) {
        return &table->buckets[bucket->overflowed != 0 ? next_bucket(table, at) : at];
    }
    unsigned idx = (unsigned)__builtin_ctz(hits);
    return table->digests + (at * PIN_BUCKET_SLOTS + idx) * SHA256_LEN;
}

void pin_table_find_batch(const struct pin_table *table, const uint8_t *digests, size_t stride,
                          size_t count, const struct pin_ref *out_refs[]) {
    for (size_t i = 0; i < count && i < BUCKET_AHEAD; i++) {
        __builtin_prefetch(&table->buckets[bucket_of(table, digests + i * stride)]);
    }
    for (size_t i = 0; i < count && i < DIGEST_AHEAD; i++) {
        __builtin_prefetch(needed_next(table, digests + i * stride));
    }
    for (size_t i = 0; i < count; i++) {
        if (LIKELY(i + BUCKET_AHEAD < count)) {
            const uint8_t *ahead = digests + (i + BUCKET_AHEAD) * stride;
            __builtin_prefetch(&table->buckets[bucket_of(table, ahead)]);
        }
        if (LIKELY(i + DIGEST_AHEAD < count)) {
            __builtin_prefetch(needed_next(table, digests + (i + DIGEST_AHEAD) * stride));
        }
        out_refs[i] = pin_table_find(table, digests + i * stride);
    }
}

const struct pin_ref *pin_table_next(const struct pin_table *table, const struct pin_ref *ref) {
    return ref->next != 0 ? &table->refs[ref->next - 1] : NULL;
}

bool pin_table_wants_cert_sha256(const struct pin_table *table) {
    return (table->kinds & (1u << KIND_CERT_SHA256 | 1u << KIND_CERT_EXACT)) != 0;
}

/* The certificate's key into the table for this kind; false if it has no such object. */
static bool key_of_cert(enum pin_table_kind kind, const struct cert_record *cert,
                        uint8_t out[SHA256_LEN]) {
    bool of_cert = (kind & 1) != 0;
    struct span object = of_cert ? cert->der : cert->fields.spki;
    uint8_t digest[SHA512_DIGEST_LENGTH];
    if (!of_cert && !cert->has_spki) {
        return false;
    }
    switch (kind) {
    case KIND_SPKI_SHA256:
    case KIND_SPKI_EXACT:
        memcpy(out, cert->spki_sha256, SHA256_LEN);
        return true;
    case KIND_CERT_SHA256:
    case KIND_CERT_EXACT:
        memcpy(out, cert->cert_sha256, SHA256_LEN);
        return true;
    case KIND_SPKI_SHA1:
    case KIND_CERT_SHA1:
        SHA1(object.data, object.len, digest);
        key_of(PIN_SHA1, span_of(digest, SHA_DIGEST_LENGTH), out);
        return true;
    case KIND_SPKI_SHA512:
    case KIND_CERT_SHA512:
        SHA512(object.data, object.len, digest);
        key_of(PIN_SHA512, span_of(digest, SHA512_DIGEST_LENGTH), out);
        return true;
    case KIND_COUNT:
        break;
    }
    return false;
}

void pin_table_match(const struct pin_table *table, const struct cert_record *cert,
                     void (*each)(void *context, const struct pin_set *set, const struct pin *pin),
                     void *context) {
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        uint8_t key[SHA256_LEN];
        if ((table->kinds & 1u << kind) == 0 ||
            !key_of_cert((enum pin_table_kind)kind, cert, key)) {
            continue;
        }
        const struct pin_ref *ref = pin_table_find(table, key);
        for (; ref != NULL; ref = pin_table_next(table, ref)) {
            const struct pin_set *set = table->index->sets[ref->set_idx];
            const struct pin *pin = &set->pins[ref->pin_idx];
            if (kind_of(pin) == (enum pin_table_kind)kind && pin_equals(pin, cert)) {
                each(context, set, pin);
            }
        }
    }
}
