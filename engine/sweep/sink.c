#include "engine/sweep/sink.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/sweep/chainset.h"
#include "engine/sweep/sink_internal.h"

struct sink {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct sink_block *first, *last; /* to be written */
    struct sink_block *spare;        /* empty, of BLOCK_BYTES */
    uint32_t out_count, block_count; /* blocks out of the spare list; their bound */
    bool closing, failed;
    enum err err;
    struct err_note note;
    struct output outputs[SINK_STREAM_COUNT];
    struct chainset chains;
    uint64_t chains_written;
    /* The writer thread's own. */
    struct sink_keeper keeper;
    bool keeper_failed;
    bool uncommitted; /* rows were put since the last commit, */
    uint64_t uncommitted_since_ns;
    size_t uncommitted_bytes;
};

static void sink_fail(struct sink *sink, enum err err, const struct output *output,
                      int error_number) {
    pthread_mutex_lock(&sink->mutex);
    if (!sink->failed) {
        sink->failed = true;
        sink->err = err_note(&sink->note, err,
                             "%s: cannot write: %s; the output ends with the last whole line",
                             output->file, strerror(error_number));
    }
    pthread_mutex_unlock(&sink->mutex);
}

/* What the keeper says is the reason as it is. */
static void sink_fail_keeper(struct sink *sink, enum err err, const struct err_note *note) {
    sink->keeper_failed = true;
    pthread_mutex_lock(&sink->mutex);
    if (!sink->failed) {
        sink->failed = true;
        sink->err = err;
        sink->note = *note;
    }
    pthread_mutex_unlock(&sink->mutex);
}

/* A terminal or pipe that another process made non-blocking: full is no failure. */
static bool wait_writable(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int result;
    do {
        result = poll(&poll_fd, 1, -1);
    } while (result < 0 && errno == EINTR);
    return result > 0;
}

/* All of it, or cut back to the last whole line. */
static bool write_whole(struct sink *sink, struct output *output, const char *bytes, size_t len) {
    size_t done = 0;
    while (done < len) {
        ssize_t wrote = write(output->fd, bytes + done, len - done);
        if (wrote < 0 && (errno == EINTR || (errno == EAGAIN && wait_writable(output->fd)))) {
            continue;
        }
        if (wrote < 0) {
            int error_number = errno;
            if (output->regular) {
                size_t whole = done;
                while (whole > 0 && bytes[whole - 1] != '\n') {
                    whole--;
                }
                (void)!ftruncate(output->fd, output->whole_len + (off_t)whole);
            }
            sink_fail(sink, ERR_IO, output, error_number);
            return false;
        }
        done += (size_t)wrote;
    }
    output->whole_len += (off_t)len;
    pthread_mutex_lock(&sink->mutex);
    output->written += len;
    pthread_mutex_unlock(&sink->mutex);
    return true;
}

/* Only the chains that no earlier block held; runs of new ones are written in one piece. */
static void write_new_chains(struct sink *sink, struct output *output,
                             const struct sink_block *block) {
    uint64_t new_count = 0;
    size_t run_start = 0, run_end = 0;
    for (uint32_t i = 0; i < block->chain_count; i++) {
        size_t start = block->chain_offset[i];
        size_t end = i + 1 < block->chain_count ? block->chain_offset[i + 1] : block->len;
        if (!chainset_add(&sink->chains, block->chain_id[i])) {
            continue;
        }
        new_count++;
        if (start != run_end) {
            if (run_end > run_start &&
                !write_whole(sink, output, block->bytes + run_start, run_end - run_start)) {
                return;
            }
            run_start = start;
        }
        run_end = end;
    }
    if (run_end > run_start &&
        !write_whole(sink, output, block->bytes + run_start, run_end - run_start)) {
        return;
    }
    pthread_mutex_lock(&sink->mutex);
    sink->chains_written += new_count;
    pthread_mutex_unlock(&sink->mutex);
}

/* --- the keeper --- */

/* Files first: they must never hold less than is committed. */
static void keeper_commit(struct sink *sink) {
    struct sink_state state = {.chains_written = sink->chains_written};
    struct err_note note;
    for (int i = 0; i < SINK_STREAM_COUNT; i++) {
        struct output *output = &sink->outputs[i];
        if (output->fd >= 0 && output->regular) {
            if (fdatasync(output->fd) != 0) {
                sink->keeper_failed = true; /* what is on the disk is not known */
                sink_fail(sink, ERR_IO, output, errno);
                return;
            }
            state.lens[i] = (uint64_t)output->whole_len;
        }
    }
    enum err err = sink->keeper.commit(sink->keeper.context, &state, &note);
    if (err != ERR_NONE) {
        sink_fail_keeper(sink, err, &note);
    }
    sink->uncommitted = false;
    sink->uncommitted_bytes = 0;
}

static bool commit_is_due(const struct sink *sink, uint64_t now_ns) {
    return now_ns - sink->uncommitted_since_ns >= STORE_COMMIT_NS ||
           sink->uncommitted_bytes >= STORE_COMMIT_BYTES;
}

/* The block's bytes are written. */
static void keeper_put(struct sink *sink, const struct sink_block *block) {
    struct err_note note;
    uint64_t now_ns = clock_mono_ns(&clock_system);
    enum err err = block->rows.failed
                       ? err_note(&note, ERR_RESOURCE, "not enough memory for the store's rows")
                       : sink->keeper.put(sink->keeper.context, block, &note);
    if (err != ERR_NONE) {
        sink_fail_keeper(sink, err, &note);
        return;
    }
    if (!sink->uncommitted) {
        sink->uncommitted = true;
        sink->uncommitted_since_ns = now_ns;
    }
    sink->uncommitted_bytes += block->rows.len;
    if (commit_is_due(sink, now_ns)) {
        keeper_commit(sink);
    }
}

/* --- the writer thread --- */

static void write_block(struct sink *sink, const struct sink_block *block) {
    struct output *output = &sink->outputs[block->stream];
    if (block->stream == SINK_CHAINS) {
        write_new_chains(sink, output, block);
    } else if ((output->fd < 0 || write_whole(sink, output, block->bytes, block->len)) &&
               sink->keeper.put != NULL) {
        keeper_put(sink, block);
    }
}

/* Waits for a block, not beyond the time that a commit is due; mutex held. */
static void wait_filled(struct sink *sink) {
    if (!sink->uncommitted || sink->keeper_failed) {
        pthread_cond_wait(&sink->filled, &sink->mutex);
        return;
    }
    struct timespec until;
    uint64_t due_ns = sink->uncommitted_since_ns + STORE_COMMIT_NS;
    until.tv_sec = (time_t)(due_ns / NS_PER_S);
    until.tv_nsec = (long)(due_ns % NS_PER_S);
    if (pthread_cond_timedwait(&sink->filled, &sink->mutex, &until) == ETIMEDOUT) {
        pthread_mutex_unlock(&sink->mutex);
        keeper_commit(sink);
        pthread_mutex_lock(&sink->mutex);
    }
}

static void block_free(struct sink_block *block) {
    keeper_rows_free(&block->rows);
    free(block->bytes);
    free(block);
}

/* Under the mutex. */
static void block_recycle(struct sink *sink, struct sink_block *block) {
    sink->out_count--;
    if (block->rows.capacity > 2 * BLOCK_BYTES) {
        keeper_rows_free(&block->rows); /* a few chains of the largest size: not kept */
    }
    if (block->capacity == BLOCK_BYTES) {
        block->next = sink->spare;
        sink->spare = block;
    } else {
        block_free(block);
    }
}

static void *writer_main(void *context) {
    struct sink *sink = context;
    pthread_mutex_lock(&sink->mutex);
    for (;;) {
        while (sink->first == NULL && !sink->closing) {
            wait_filled(sink);
        }
        struct sink_block *block = sink->first;
        if (block == NULL) {
            break;
        }
        sink->first = block->next;
        if (sink->first == NULL) {
            sink->last = NULL;
        }
        bool failed = sink->failed;
        pthread_mutex_unlock(&sink->mutex);
        if (!failed) { /* else nothing more: what follows a lost line would hide the loss */
            write_block(sink, block);
        }
        pthread_mutex_lock(&sink->mutex);
        block_recycle(sink, block);
    }
    pthread_mutex_unlock(&sink->mutex);
    if (sink->uncommitted && !sink->keeper_failed) {
        keeper_commit(sink); /* also what came before an output that failed */
    }
    return NULL;
}

static void sink_destroy(struct sink *sink) {
    for (int i = 0; i < SINK_STREAM_COUNT; i++) {
        if (sink->outputs[i].fd >= 0) {
            close(sink->outputs[i].fd);
        }
    }
    while (sink->spare != NULL) {
        struct sink_block *next = sink->spare->next;
        block_free(sink->spare);
        sink->spare = next;
    }
    chainset_fini(&sink->chains);
    pthread_mutex_destroy(&sink->mutex);
    pthread_cond_destroy(&sink->filled);
    free(sink);
}

enum err sink_open(const struct sink_config *config, struct sink **out, struct err_note *note) {
    struct sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL) {
        return err_note(note, ERR_RESOURCE, "not enough memory for the writer");
    }
    pthread_mutex_init(&sink->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sink->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    sink->block_count = config->block_count;
    sink->keeper = config->keeper;
    enum err err = ERR_NONE;
    for (int i = 0; i < SINK_STREAM_COUNT; i++) {
        sink->outputs[i].fd = -1;
    }
    if (config->resume) {
        err = output_resume_all(sink->outputs, config, &sink->chains, note);
        sink->chains_written = sink->chains.count;
    }
    for (int i = 0; i < SINK_STREAM_COUNT && err == ERR_NONE && !config->resume; i++) {
        err = output_open(&sink->outputs[i], config->files[i], config, note);
    }
    if (err == ERR_NONE && config->keeper.commit != NULL) {
        keeper_commit(sink); /* the sweep is known from now on, however it ends */
        err = sink->err;
        if (err != ERR_NONE) {
            *note = sink->note;
        }
    }
    if (err == ERR_NONE && thread_start(&sink->thread, writer_main, sink) != 0) {
        err = err_note(note, ERR_RESOURCE, "cannot start the writer thread");
    }
    if (err != ERR_NONE) {
        sink_destroy(sink);
        return err;
    }
    *out = sink;
    return ERR_NONE;
}

enum err sink_close(struct sink *sink, struct err_note *note) {
    pthread_mutex_lock(&sink->mutex);
    sink->closing = true;
    pthread_cond_signal(&sink->filled);
    pthread_mutex_unlock(&sink->mutex);
    pthread_join(sink->thread, NULL);
    CHECK(sink->out_count == 0);
    for (int i = 0; i < SINK_STREAM_COUNT; i++) {
        struct output *output = &sink->outputs[i];
        /* close reports what a network file system could not store */
        if (output->fd >= 0 && close(output->fd) != 0 && errno != EINTR) {
            sink_fail(sink, ERR_IO, output, errno);
        }
        output->fd = -1;
    }
    enum err err = sink->err;
    if (err != ERR_NONE && note != NULL) {
        *note = sink->note;
    }
    sink_destroy(sink);
    return err;
}

struct sink_block *sink_take(struct sink *sink, enum sink_stream stream, size_t capacity) {
    struct sink_block *block = NULL;
    pthread_mutex_lock(&sink->mutex);
    bool allowed = sink->out_count < sink->block_count;
    if (allowed) {
        sink->out_count++;
        if (capacity <= BLOCK_BYTES && sink->spare != NULL) {
            block = sink->spare;
            sink->spare = block->next;
        }
    }
    pthread_mutex_unlock(&sink->mutex);
    if (!allowed) {
        return NULL;
    }
    if (block == NULL) {
        capacity = capacity < BLOCK_BYTES ? BLOCK_BYTES : capacity;
        block = calloc(1, sizeof *block);
        char *bytes = malloc(capacity);
        if (block == NULL || bytes == NULL) {
            free(block);
            free(bytes);
            pthread_mutex_lock(&sink->mutex);
            sink->out_count--;
            pthread_mutex_unlock(&sink->mutex);
            return NULL;
        }
        block->bytes = bytes;
        block->capacity = capacity;
    }
    block->next = NULL;
    block->stream = stream;
    block->len = 0;
    block->rows.len = 0;
    block->rows.failed = false;
    block->chain_count = 0;
    return block;
}

void sink_give(struct sink *sink, struct sink_block *block) {
    pthread_mutex_lock(&sink->mutex);
    if (block->len == 0 && block->rows.len == 0) {
        block_recycle(sink, block);
    } else {
        if (sink->last != NULL) {
            sink->last->next = block;
        } else {
            sink->first = block;
        }
        sink->last = block;
        pthread_cond_signal(&sink->filled);
    }
    pthread_mutex_unlock(&sink->mutex);
}

bool sink_is_drained(struct sink *sink) {
    pthread_mutex_lock(&sink->mutex);
    bool drained = sink->out_count == 0;
    pthread_mutex_unlock(&sink->mutex);
    return drained;
}

bool sink_is_resumable(const struct sink *sink) {
    for (int i = 0; i < SINK_STREAM_COUNT; i++) {
        if (sink->outputs[i].fd >= 0 && !sink->outputs[i].regular) {
            return false;
        }
    }
    return true;
}

bool sink_failed(struct sink *sink) {
    pthread_mutex_lock(&sink->mutex);
    bool failed = sink->failed;
    pthread_mutex_unlock(&sink->mutex);
    return failed;
}

uint64_t sink_bytes(struct sink *sink, enum sink_stream stream) {
    pthread_mutex_lock(&sink->mutex);
    uint64_t written = sink->outputs[stream].written;
    pthread_mutex_unlock(&sink->mutex);
    return written;
}

uint64_t sink_chains(struct sink *sink) {
    pthread_mutex_lock(&sink->mutex);
    uint64_t written = sink->chains_written;
    pthread_mutex_unlock(&sink->mutex);
    return written;
}
