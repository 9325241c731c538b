/* Anything but a regular file: a thread reads, cuts lines and publishes blocks of them; readers
   copy slices out, so that a slow one never holds up a block. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "engine/base/thread.h"
#include "engine/sweep/inventory_source.h"

/* The thread's own. */
struct filler {
    struct inventory *inventory;
    struct line_cutter cutter;
    struct sha256_stream digest;
    struct rng rng;
    struct pipe_block *block; /* being filled */
    uint64_t number;          /* lines seen */
};

/* Hands the block over and waits for a free one; false when the inventory is closing. */
static bool publish(struct filler *filler) {
    struct inventory *inventory = filler->inventory;
    struct inventory_pipe *pipe = &inventory->pipe;
    struct pipe_block *block = filler->block;
    if (inventory->config.shuffle) { /* Fisher and Yates */
        for (uint32_t i = block->count; i > 1; i--) {
            uint32_t other = rng_below(&filler->rng, i);
            struct pipe_line line = block->lines[i - 1];
            block->lines[i - 1] = block->lines[other];
            block->lines[other] = line;
        }
    }
    pthread_mutex_lock(&inventory->mutex);
    pipe->published += block->count > 0;
    while (pipe->published == pipe->block_count && !pipe->closing) {
        pthread_cond_wait(&pipe->freed, &inventory->mutex);
    }
    block = &pipe->blocks[(pipe->head + pipe->published) % pipe->block_count];
    bool closing = pipe->closing;
    pthread_mutex_unlock(&inventory->mutex);
    block->used = 0;
    block->count = block->taken = 0;
    filler->block = block;
    return !closing;
}

static bool append(struct filler *filler, struct span line) {
    struct inventory_pipe *pipe = &filler->inventory->pipe;
    if ((filler->block->count == pipe->block_lines ||
         pipe->block_bytes - filler->block->used < line.len) &&
        !publish(filler)) {
        return false;
    }
    struct pipe_block *block = filler->block;
    if (block->count == 0) {
        block->first_line = filler->number;
    }
    block->lines[block->count++] =
        (struct pipe_line){.offset = (uint32_t)block->used,
                           .len = (uint32_t)line.len,
                           .line_delta = (uint32_t)(filler->number - block->first_line)};
    if (line.len > 0) {
        memcpy(block->bytes + block->used, line.data, line.len);
        block->used += line.len;
    }
    return true;
}

/* The cutter's read. What was gathered goes out first: the next bytes may be a long time coming.
   (Not when shuffling: there a window is filled whatever the timing, so that a seed gives one
   order.) */
static ssize_t filler_read(void *self, uint8_t *to, size_t capacity) {
    struct filler *filler = self;
    struct inventory *inventory = filler->inventory;
    if (!inventory->config.shuffle && filler->block->count > 0 && !publish(filler)) {
        return -1;
    }
    for (;;) { /* ends with data, the end, an error or inventory_close() */
        struct pollfd fds[2] = {{.fd = inventory->fd, .events = POLLIN},
                                {.fd = inventory->pipe.wake_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (fds[1].revents != 0) {
            return -1;
        }
        if (fds[0].revents == 0) {
            continue;
        }
        ssize_t got = read(inventory->fd, to, capacity);
        if (got >= 0) {
            sha256_stream_add(&filler->digest, span_of(to, (size_t)got));
            return got;
        }
        if (errno != EINTR && errno != EAGAIN) {
            break;
        }
    }
    inventory_fail(inventory, ERR_INPUT, "%s: cannot read the inventory: %s", inventory->name,
                   strerror(errno));
    return -1;
}

/* A line that no reader will see: counted here. */
static void count_here(struct inventory *inventory, bool rejected) {
    struct inventory_counts counts = {.lines = 1, .rejected = rejected, .skipped = !rejected};
    pthread_mutex_lock(&inventory->mutex);
    inventory_add_counts(&inventory->counts, &counts);
    pthread_mutex_unlock(&inventory->mutex);
}

static bool take_line(struct filler *filler, struct span line) {
    struct inventory *inventory = filler->inventory;
    line = inventory_without_bom(line, filler->number);
    if (!inventory->syntax.learned) { /* written by this thread only */
        struct err_note note = {""};
        pthread_mutex_lock(&inventory->mutex);
        enum err err = inventory_learn(inventory, line, filler->number, &note);
        pthread_mutex_unlock(&inventory->mutex);
        if (err != ERR_NONE) {
            inventory_fail(inventory, err, "%s", note.text);
            return false;
        }
        if (!inventory->syntax.learned || inventory->syntax.header_line == filler->number) {
            count_here(inventory, false);
            return true;
        }
    }
    return append(filler, line);
}

static bool take_long_line(struct filler *filler) {
    struct inventory *inventory = filler->inventory;
    count_here(inventory, true);
    if (inventory->config.strict) {
        inventory_fail(inventory, ERR_INPUT, "%s:%llu: %s", inventory->name,
                       (unsigned long long)filler->number, inventory_too_long);
        return false;
    }
    inventory_complain(inventory, filler->number, inventory_too_long);
    return true;
}

static void finish(struct filler *filler) {
    struct inventory *inventory = filler->inventory;
    if (!publish(filler)) {
        return;
    }
    pthread_mutex_lock(&inventory->mutex);
    sha256_stream_finish(&filler->digest, inventory->digest);
    inventory->digest_known = true;
    inventory_learn_nothing(inventory);
    inventory->pipe.ended = true;
    pthread_mutex_unlock(&inventory->mutex);
}

static void *run(void *argument) {
    struct filler filler = {.inventory = argument};
    uint8_t *buffer = malloc(CUTTER_BYTES);
    if (buffer == NULL) {
        inventory_fail(filler.inventory, ERR_RESOURCE, "no memory to read the inventory");
        return NULL;
    }
    filler.block = &filler.inventory->pipe.blocks[0];
    rng_init(&filler.rng, filler.inventory->config.seed);
    sha256_stream_init(&filler.digest);
    line_cutter_init(&filler.cutter, buffer, 0, filler_read, &filler);
    bool going = true;
    while (going) { /* bounded by the input */
        struct span line;
        switch (line_cutter_next(&filler.cutter, &line)) {
        case LINE_CUT:
            filler.number++;
            going = take_line(&filler, line);
            break;
        case LINE_TOO_LONG:
            filler.number++;
            going = take_long_line(&filler);
            break;
        case LINE_END:
            finish(&filler);
            going = false;
            break;
        case LINE_FAILED:
            going = false;
            break;
        }
    }
    free(buffer);
    return NULL;
}

static enum err start_thread(struct inventory *inventory, struct err_note *note) {
    struct inventory_pipe *pipe = &inventory->pipe;
    for (uint32_t i = 0; i < pipe->block_count; i++) {
        pipe->blocks[i].bytes = malloc(pipe->block_bytes);
        pipe->blocks[i].lines = calloc(pipe->block_lines, sizeof *pipe->blocks[i].lines);
        if (pipe->blocks[i].bytes == NULL || pipe->blocks[i].lines == NULL) {
            return err_note(note, ERR_RESOURCE, "no memory to read the inventory");
        }
    }
    pipe->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pipe->wake_fd < 0) {
        return err_note(note, ERR_RESOURCE, "cannot make an eventfd: %s", strerror(errno));
    }
    int error = thread_start(&pipe->thread, run, inventory);
    if (error != 0) {
        return err_note(note, ERR_RESOURCE, "cannot start the inventory's thread: %s",
                        strerror(error));
    }
    pipe->started = true;
    return ERR_NONE;
}

enum err inventory_pipe_start(struct inventory *inventory, struct err_note *note) {
    struct inventory_pipe *pipe = &inventory->pipe;
    bool shuffle = inventory->config.shuffle;
    pipe->wake_fd = -1;
    pipe->block_count = shuffle ? 2 : PIPE_BLOCKS;
    pipe->block_bytes = shuffle ? PIPE_SHUFFLE_BYTES : PIPE_BLOCK_BYTES;
    pipe->block_lines = shuffle ? PIPE_SHUFFLE_LINES : PIPE_BLOCK_LINES;
    pthread_cond_init(&pipe->freed, NULL);
    pipe->blocks = calloc(pipe->block_count, sizeof *pipe->blocks);
    if (pipe->blocks == NULL) {
        pipe->block_count = 0;
        return err_note(note, ERR_RESOURCE, "no memory to read the inventory");
    }
    return start_thread(inventory, note);
}

void inventory_pipe_fini(struct inventory *inventory) {
    struct inventory_pipe *pipe = &inventory->pipe;
    if (pipe->started) {
        pthread_mutex_lock(&inventory->mutex);
        pipe->closing = true;
        pthread_cond_signal(&pipe->freed);
        pthread_mutex_unlock(&inventory->mutex);
        (void)!write(pipe->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
        pthread_join(pipe->thread, NULL);
    }
    if (pipe->wake_fd >= 0) {
        close(pipe->wake_fd);
    }
    for (uint32_t i = 0; i < pipe->block_count; i++) {
        free(pipe->blocks[i].bytes);
        free(pipe->blocks[i].lines);
    }
    free(pipe->blocks);
    pthread_cond_destroy(&pipe->freed);
}

/* Copies lines of the first block; mutex held. */
static void copy_slice(struct inventory_pipe *pipe, struct inventory_cursor *cursor) {
    struct pipe_block *block = &pipe->blocks[pipe->head];
    size_t used = 0;
    cursor->slice_count = 0;
    cursor->slice_first_line = block->first_line;
    while (block->taken < block->count && cursor->slice_count < SLICE_LINES) {
        struct pipe_line line = block->lines[block->taken];
        if (used + line.len > CUTTER_BYTES) {
            break;
        }
        memcpy(cursor->buffer + used, block->bytes + line.offset, line.len);
        line.offset = (uint32_t)used;
        used += line.len;
        cursor->slice[cursor->slice_count++] = line;
        block->taken++;
    }
    cursor->left = cursor->slice_count;
    if (block->taken == block->count) {
        pipe->head = (pipe->head + 1) % pipe->block_count;
        pipe->published--;
        pthread_cond_signal(&pipe->freed);
    }
}

enum inventory_fetch inventory_pipe_next(struct inventory *inventory,
                                         struct inventory_cursor *cursor,
                                         struct inventory_counts *counts, struct span *out_line,
                                         uint64_t *out_number) {
    struct inventory_pipe *pipe = &inventory->pipe;
    if (cursor->left == 0) {
        pthread_mutex_lock(&inventory->mutex);
        inventory_add_counts(&inventory->counts, counts);
        bool ended = pipe->ended;
        if (pipe->published > 0) {
            copy_slice(pipe, cursor);
        }
        pthread_mutex_unlock(&inventory->mutex);
        if (cursor->left == 0) {
            return ended ? FETCH_END : FETCH_WAIT;
        }
    }
    const struct pipe_line *line = &cursor->slice[cursor->slice_count - cursor->left];
    *out_line = span_of(cursor->buffer + line->offset, line->len);
    *out_number = cursor->slice_first_line + line->line_delta;
    cursor->left--;
    return FETCH_LINE;
}
