#include "engine/corpus/corpus_block.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

char *corpus_buffer_room(struct corpus_buffer *buffer, size_t len) {
    if (buffer->capacity - buffer->len < len) {
        size_t capacity = buffer->capacity < 4096 ? 4096 : buffer->capacity;
        while (capacity - buffer->len < len) {
            capacity *= 2;
        }
        char *bytes = realloc(buffer->bytes, capacity);
        CHECK(bytes != NULL);
        buffer->bytes = bytes;
        buffer->capacity = capacity;
    }
    return buffer->bytes + buffer->len;
}

void corpus_buffer_append(struct corpus_buffer *buffer, const void *bytes, size_t len) {
    if (len > 0) {
        memcpy(corpus_buffer_room(buffer, len), bytes, len);
        buffer->len += len;
    }
}

struct corpus_block *corpus_block_new(void) {
    struct corpus_block *block = calloc(1, sizeof *block);
    CHECK(block != NULL);
    corpus_buffer_room(&block->in, CORPUS_BLOCK_BYTES);
    return block;
}

/* A block that one long record has blown up shrinks again: memory stays what corpus.h says. */
static void buffer_empty(struct corpus_buffer *buffer) {
    buffer->len = 0;
    if (buffer->capacity > 4 * CORPUS_BLOCK_BYTES) {
        free(buffer->bytes);
        *buffer = (struct corpus_buffer){0};
    }
}

void corpus_block_reset(struct corpus_block *block) {
    for (uint32_t i = 0; i < block->piece_count; i++) {
        corpus_file_release(block->pieces[i].file);
    }
    block->piece_count = 0;
    buffer_empty(&block->in);
    buffer_empty(&block->out);
    buffer_empty(&block->lines);
    buffer_empty(&block->complaints);
    block->range = (struct corpus_range){0};
    block->stats = (struct corpus_stats){0};
}

void corpus_block_free(struct corpus_block *block) {
    if (block != NULL) {
        corpus_block_reset(block);
        free(block->in.bytes);
        free(block->out.bytes);
        free(block->lines.bytes);
        free(block->complaints.bytes);
        free(block);
    }
}

void corpus_block_complain(struct corpus_block *block, const char *format, ...) {
    char text[ERR_NOTE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    corpus_buffer_append(&block->complaints, text, strlen(text) + 1);
}

struct corpus_file *corpus_file_new(const char *name, bool from_folder) {
    size_t len = strlen(name);
    struct corpus_file *file = calloc(1, sizeof *file + len + 1);
    CHECK(file != NULL);
    atomic_init(&file->refs, 1);
    file->from_folder = from_folder;
    memcpy(file->name, name, len);
    return file;
}

struct corpus_file *corpus_file_hold(struct corpus_file *file) {
    atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
    return file;
}

void corpus_file_release(struct corpus_file *file) {
    if (file != NULL && atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) == 1) {
        free(file);
    }
}
