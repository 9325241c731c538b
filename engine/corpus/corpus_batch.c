#include "engine/corpus/corpus_batch.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/codec/base64.h"
#include "engine/corpus/corpus_line.h"
#include "engine/corpus/corpus_readers.h"
#include "engine/corpus/corpus_salvage.h"

/* The DER of a full batch of usual certificates. */
#define DER_BYTES (512u << 10)

struct corpus_batch *corpus_batch_new(const struct corpus_config *config) {
    struct corpus_batch *batch = calloc(1, sizeof *batch);
    CHECK(batch != NULL);
    batch->config = config;
    batch->wants_cert_sha256 =
        config->fingerprint || (config->pins != NULL && pin_table_wants_cert_sha256(config->pins));
    sha256_batch_init(&batch->keys);
    sha256_batch_init(&batch->certs);
    corpus_buffer_room(&batch->der, DER_BYTES);
    return batch;
}

void corpus_batch_free(struct corpus_batch *batch) {
    if (batch != NULL) {
        free(batch->der.bytes);
        free(batch->text.bytes);
        free(batch);
    }
}

static void batch_write(struct corpus_batch *batch, const struct corpus_item *item) {
    struct corpus_block *block = batch->block;
    struct corpus_facts facts;
    corpus_facts_of(batch->config, item, &facts);
    block->stats.certificates++;
    block->stats.not_strict += facts.looked_at && !facts.strict;
    block->stats.matched += facts.match_count > 0;
    corpus_line_write(batch->config, item, &facts, &block->out);
    if (batch->config->unique) {
        struct corpus_line *line =
            (struct corpus_line *)(void *)corpus_buffer_room(&block->lines, sizeof *line);
        memcpy(line->digest, item->spki_sha256, SHA256_LEN);
        line->end = block->out.len;
        block->lines.len += sizeof *line;
    }
}

/* Digests of the batch, then its lines. */
static void batch_flush(struct corpus_batch *batch) {
    sha256_batch_flush(&batch->keys);
    sha256_batch_flush(&batch->certs);
    if (batch->config->pins != NULL) { /* brings near what each line will look up */
        pin_table_find_batch(batch->config->pins, batch->items[0].spki_sha256,
                             sizeof batch->items[0], batch->count, batch->refs);
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        batch_write(batch, &batch->items[i]);
    }
    batch->count = 0;
}

void corpus_batch_broken(struct corpus_batch *batch, struct span der, struct corpus_place place,
                         const char *why) {
    struct corpus_block *block = batch->block;
    struct span spki;
    block->stats.broken++;
    if (der.len > 0 && corpus_salvage_spki(der, &spki)) {
        uint8_t digest[SHA256_LEN];
        char pin[BASE64_SHA256_LEN];
        sha256_once(spki, digest);
        base64_encode(pin, span_of(digest, sizeof digest));
        block->stats.salvaged++;
        corpus_block_complain(block,
                              "%s: byte %" PRIu64 ": %s; its raw key could still be hashed: "
                              "sha256/%.*s",
                              place.piece->file->name, place.offset, why, BASE64_SHA256_LEN, pin);
    } else {
        corpus_block_complain(block, "%s: byte %" PRIu64 ": %s%s", place.piece->file->name,
                              place.offset, why,
                              der.len > 0 ? "; there is no key in it to hash" : "");
    }
}

void corpus_batch_add(struct corpus_batch *batch, struct span der, struct corpus_place place) {
    struct corpus_item *item = &batch->items[batch->count];
    if (UNLIKELY(!cert_spki(der, &item->spki))) {
        corpus_batch_broken(batch, der, place,
                            der.len > CERT_BYTES_MAX ? "longer than any certificate"
                                                     : "not a certificate in DER");
        return;
    }
    item->der = der;
    item->place = place;
    sha256_batch_add(&batch->keys, item->spki, item->spki_sha256);
    if (batch->wants_cert_sha256) {
        sha256_batch_add(&batch->certs, der, item->cert_sha256);
    }
    if (++batch->count == SHA256_BATCH_MAX) {
        batch_flush(batch);
    }
}

uint8_t *corpus_batch_room(struct corpus_batch *batch, size_t len) {
    struct corpus_buffer *room = &batch->der;
    if (room->capacity - room->len < len) {
        batch_flush(batch);
        room->len = 0;
        if (room->capacity > 2 * DER_BYTES && len <= DER_BYTES) {
            free(room->bytes); /* blown up by one long record */
            *room = (struct corpus_buffer){0};
            corpus_buffer_room(room, DER_BYTES);
        }
    }
    return (uint8_t *)corpus_buffer_room(room, len);
}

void corpus_batch_run(struct corpus_batch *batch, struct corpus_block *block) {
    batch->block = block;
    for (uint32_t i = 0; i < block->piece_count; i++) {
        const struct corpus_piece *piece = &block->pieces[i];
        corpus_read_piece(batch, piece, span_of(block->in.bytes + piece->start, piece->len));
    }
    batch_flush(batch);
    batch->der.len = 0;
    batch->block = NULL;
}
