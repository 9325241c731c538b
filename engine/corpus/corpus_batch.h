/* Private to the corpus: what a worker makes of a block. Readers add certificates; these are hashed
   and written 256 at a time. */
#ifndef PINSWEEP_CORPUS_CORPUS_BATCH_H
#define PINSWEEP_CORPUS_CORPUS_BATCH_H

#include "engine/codec/cert.h"
#include "engine/codec/sha256.h"
#include "engine/corpus/corpus_block.h"

/* Where something stands, for people. */
struct corpus_place {
    const struct corpus_piece *piece;
    uint64_t offset;
    bool fixed; /* inside a record that is named by its own offset, whatever the place in it */
};

static inline struct corpus_place corpus_place_at(struct corpus_place place, size_t bytes_on) {
    place.offset += place.fixed ? 0 : bytes_on;
    return place;
}

struct corpus_item {
    struct span der, spki;
    struct corpus_place place;
    uint8_t spki_sha256[SHA256_LEN], cert_sha256[SHA256_LEN];
};

struct corpus_batch {
    const struct corpus_config *config;
    struct corpus_block *block; /* being worked on */
    bool wants_cert_sha256;
    uint32_t count;
    struct corpus_item items[SHA256_BATCH_MAX];
    const struct pin_ref *refs[SHA256_BATCH_MAX];
    struct sha256_batch keys, certs;
    struct corpus_buffer der;  /* decoded certificates, until their batch is written */
    struct corpus_buffer text; /* one field, unescaped */
};

struct corpus_batch *corpus_batch_new(const struct corpus_config *config);
void corpus_batch_free(struct corpus_batch *batch);

/* Reads all pieces of the block and fills its output, complaints and counts. */
void corpus_batch_run(struct corpus_batch *batch, struct corpus_block *block);

/* For readers: a certificate. `der` stays valid until the block is done, or lies in the room. */
void corpus_batch_add(struct corpus_batch *batch, struct span der, struct corpus_place place);
/* Something that should be one and is not; `der` is empty if there is not even that much. */
void corpus_batch_broken(struct corpus_batch *batch, struct span der, struct corpus_place place,
                         const char *why);
/* Room for `len` bytes of DER. Certificates already in it are written first if it is full. */
uint8_t *corpus_batch_room(struct corpus_batch *batch, size_t len);
/* The first `len` bytes of the room just given are taken. */
static inline struct span corpus_batch_take(struct corpus_batch *batch, size_t len) {
    struct span taken = span_of(batch->der.bytes + batch->der.len, len);
    batch->der.len += len;
    return taken;
}

#endif
