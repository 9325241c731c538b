/* The pipeline. A block is read, cut, hashed and written; reading and hashing go on in all workers
   side by side. Cutting and writing have an order: whoever comes by when the next block is there
   does that one, and all that are ready behind it, so that nobody waits for his turn. A worker
   sleeps only where nothing is to be done, or no block is free. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "engine/base/thread.h"
#include "engine/corpus/corpus_batch.h"
#include "engine/corpus/corpus_feed.h"
#include "engine/corpus/corpus_line.h"
#include "engine/corpus/corpus_unique.h"

#define PROGRESS_NS 100000000L

struct pipeline {
    const struct corpus_config *config;
    atomic_bool stop; /* a write failed */

    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed, ended;
    uint32_t worker_count, block_count, workers_begun, workers_left, waiting;
    /* Of each worker: what it has had before is still in its core's cache. */
    struct corpus_block *free_blocks[CORPUS_THREADS_MAX];
    uint64_t next_seq;                  /* to be claimed */
    struct corpus_block **claimed;      /* read, to be cut; by seq modulo block_count */
    uint64_t next_cut;                  /* seq */
    struct corpus_block *first, **last; /* to be hashed */
    struct corpus_block **hashed;       /* by seq modulo block_count */
    uint64_t next_write;                /* seq */
    bool is_feeding, is_cutting, is_writing, input_ended;
    struct corpus_stats stats; /* of what is written */
    enum err err;
    struct err_note note;

    struct corpus_feeder feeder; /* see corpus_feed.h for whose it is when */

    /* the writer's, whoever that is */
    struct corpus_unique unique;
    uint32_t complaints;
    bool has_written;
};

/* --- the writer --- */

static void fail(struct pipeline *pipeline, enum err err, const char *text) {
    pthread_mutex_lock(&pipeline->lock);
    if (pipeline->err == ERR_NONE) {
        pipeline->err = err_note(&pipeline->note, err, "%s", text);
    }
    pthread_mutex_unlock(&pipeline->lock);
    atomic_store(&pipeline->stop, true);
}

static void tell_complaints(struct pipeline *pipeline, const struct corpus_block *block) {
    for (size_t at = 0; at < block->complaints.len;) {
        const char *text = block->complaints.bytes + at;
        if (pipeline->complaints < COMPLAINTS_MAX) {
            pipeline->config->complain(pipeline->config->context, text);
        } else if (pipeline->complaints == COMPLAINTS_MAX) {
            pipeline->config->complain(pipeline->config->context,
                                       "further complaints are only counted");
        }
        pipeline->complaints += pipeline->complaints <= COMPLAINTS_MAX;
        at += strlen(text) + 1;
    }
}

/* Moves the lines that stay together; false if the set is full. */
static bool drop_duplicates(struct pipeline *pipeline, struct corpus_block *block) {
    const struct corpus_line *lines = (const struct corpus_line *)(const void *)block->lines.bytes;
    size_t count = block->lines.len / sizeof *lines, from = 0, to = 0;
    char *bytes = block->out.bytes;
    for (size_t i = 0; i < count; i++) {
        size_t len = lines[i].end - from;
        switch (corpus_unique_add(&pipeline->unique, lines[i].digest)) {
        case CORPUS_UNIQUE_NEW:
            memmove(bytes + to, bytes + from, len);
            to += len;
            break;
        case CORPUS_UNIQUE_KNOWN:
            block->stats.duplicates++;
            break;
        case CORPUS_UNIQUE_FULL:
            block->out.len = to;
            return false;
        }
        from = lines[i].end;
    }
    block->out.len = to;
    return true;
}

static void write_out(struct pipeline *pipeline, const char *bytes, size_t len) {
    if (len > 0 && !pipeline->config->write(pipeline->config->context, bytes, len)) {
        fail(pipeline, ERR_IO, "the output cannot be written");
    }
}

static void write_block(struct pipeline *pipeline, struct corpus_block *block) {
    tell_complaints(pipeline, block);
    bool full = pipeline->config->unique && !drop_duplicates(pipeline, block);
    const char *bytes = block->out.bytes;
    size_t len = block->out.len;
    if (len > 0 && !pipeline->has_written) {
        size_t skip = pipeline->config->output == CORPUS_OUT_CURL ? 1 : 0; /* its semicolon */
        bytes += skip;
        len -= skip;
        pipeline->has_written = true;
    }
    /* after a failure nothing more: what follows a lost line would hide the loss */
    if (!atomic_load(&pipeline->stop) || pipeline->err == ERR_NONE) {
        write_out(pipeline, bytes, len);
    }
    if (full) {
        fail(pipeline, ERR_RESOURCE,
             "--unique has no room for more pins: raise --unique-max (up to 80 bytes each)");
    }
}

static void add_stats(struct corpus_stats *sum, const struct corpus_stats *more) {
    sum->files += more->files;
    sum->files_failed += more->files_failed;
    sum->files_passed += more->files_passed;
    sum->bytes += more->bytes;
    sum->certificates += more->certificates;
    sum->not_strict += more->not_strict;
    sum->broken += more->broken;
    sum->salvaged += more->salvaged;
    sum->matched += more->matched;
    sum->duplicates += more->duplicates;
    sum->empty += more->empty;
}

/* --- what all do, under the lock --- */

static void wake_one(struct pipeline *pipeline) {
    if (pipeline->waiting > 0) {
        pthread_cond_signal(&pipeline->changed);
    }
}

/* A free block, the worker's own if there is one; NULL if there is none. */
static struct corpus_block *take_block(struct pipeline *pipeline, uint32_t worker) {
    for (uint32_t i = 0; i < pipeline->worker_count; i++) {
        struct corpus_block **list = &pipeline->free_blocks[(worker + i) % pipeline->worker_count];
        struct corpus_block *block = *list;
        if (block != NULL) {
            *list = block->next;
            block->worker = worker;
            return block;
        }
    }
    return NULL;
}

static void put_block(struct pipeline *pipeline, struct corpus_block *block) {
    block->next = pipeline->free_blocks[block->worker];
    pipeline->free_blocks[block->worker] = block;
}

static struct corpus_block *take_slot(struct pipeline *pipeline, struct corpus_block **slots,
                                      uint64_t seq) {
    struct corpus_block **slot = &slots[seq % pipeline->block_count], *block = *slot;
    *slot = NULL;
    return block;
}

/* Lets the lock go while writing. */
static void write_ready(struct pipeline *pipeline) {
    struct corpus_block *block;
    if (pipeline->is_writing) {
        return;
    }
    pipeline->is_writing = true;
    while ((block = take_slot(pipeline, pipeline->hashed, pipeline->next_write)) != NULL) {
        pthread_mutex_unlock(&pipeline->lock);
        write_block(pipeline, block);
        pthread_mutex_lock(&pipeline->lock);
        add_stats(&pipeline->stats, &block->stats);
        corpus_block_reset(block);
        pipeline->next_write++;
        put_block(pipeline, block);
        wake_one(pipeline);
    }
    pipeline->is_writing = false;
}

/* Lets the lock go while cutting. */
static void cut_ready(struct pipeline *pipeline) {
    struct corpus_block *block;
    if (pipeline->is_cutting) {
        return;
    }
    pipeline->is_cutting = true;
    while ((block = take_slot(pipeline, pipeline->claimed, pipeline->next_cut)) != NULL) {
        pthread_mutex_unlock(&pipeline->lock);
        corpus_feed_cut(&pipeline->feeder, block);
        pthread_mutex_lock(&pipeline->lock);
        pipeline->next_cut++;
        block->next = NULL;
        *pipeline->last = block;
        pipeline->last = &block->next;
        wake_one(pipeline);
    }
    pipeline->is_cutting = false;
}

/* --- workers --- */

/* Reads the next range of the file that is open into the block; false if there is none. */
static bool read_range(struct pipeline *pipeline, struct corpus_block *block) {
    if (pipeline->is_feeding || atomic_load(&pipeline->stop) ||
        !corpus_feed_claim(&pipeline->feeder, block)) {
        return false;
    }
    block->seq = pipeline->next_seq++;
    pthread_mutex_unlock(&pipeline->lock);
    corpus_feed_read(block);
    pthread_mutex_lock(&pipeline->lock);
    pipeline->claimed[block->seq % pipeline->block_count] = block;
    cut_ready(pipeline);
    return true;
}

/* Reads a block all at once, to be hashed; false at the end, or because it is not the time. */
static bool feed(struct pipeline *pipeline, struct corpus_block *block) {
    if (pipeline->is_feeding || pipeline->is_cutting || pipeline->input_ended ||
        pipeline->next_cut != pipeline->next_seq) {
        return false;
    }
    pipeline->is_feeding = true;
    pthread_mutex_unlock(&pipeline->lock);
    bool more = !atomic_load(&pipeline->stop) && corpus_feed(&pipeline->feeder, block);
    pthread_mutex_lock(&pipeline->lock);
    pipeline->is_feeding = false;
    if (!more) {
        pipeline->input_ended = true;
        pthread_cond_broadcast(&pipeline->changed);
        return false;
    }
    block->seq = pipeline->next_seq++;
    pipeline->next_cut++;
    wake_one(pipeline);
    return true;
}

/* A block to be hashed; NULL when there will be none any more. */
static struct corpus_block *next_block(struct pipeline *pipeline, uint32_t worker) {
    for (;;) {
        struct corpus_block *block = pipeline->first;
        if (block != NULL) {
            pipeline->first = block->next;
            pipeline->last = pipeline->first == NULL ? &pipeline->first : pipeline->last;
            return block;
        }
        if ((block = take_block(pipeline, worker)) != NULL) {
            if (read_range(pipeline, block)) {
                continue;
            }
            if (feed(pipeline, block)) {
                return block;
            }
            put_block(pipeline, block);
        }
        if (pipeline->input_ended && pipeline->next_cut == pipeline->next_seq &&
            pipeline->first == NULL) {
            return NULL;
        }
        pipeline->waiting++;
        pthread_cond_wait(&pipeline->changed, &pipeline->lock);
        pipeline->waiting--;
    }
}

static void *worker_main(void *context) {
    struct pipeline *pipeline = context;
    struct corpus_batch *batch = corpus_batch_new(pipeline->config);
    struct corpus_block *block;
    pthread_mutex_lock(&pipeline->lock);
    uint32_t worker = pipeline->workers_begun++;
    while ((block = next_block(pipeline, worker)) != NULL) {
        pthread_mutex_unlock(&pipeline->lock);
        corpus_batch_run(batch, block);
        pthread_mutex_lock(&pipeline->lock);
        pipeline->hashed[block->seq % pipeline->block_count] = block;
        write_ready(pipeline);
    }
    pipeline->workers_left--;
    pthread_cond_signal(&pipeline->ended);
    pthread_mutex_unlock(&pipeline->lock);
    corpus_batch_free(batch);
    return NULL;
}

/* --- start and end --- */

static uint32_t threads_of_process(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < 1 ? 1 : count > CORPUS_THREADS_MAX ? CORPUS_THREADS_MAX : (uint32_t)count;
}

static void pipeline_init(struct pipeline *pipeline, const struct corpus_config *config,
                          uint32_t threads) {
    *pipeline = (struct pipeline){
        .config = config, .worker_count = threads, .block_count = 2 * threads + 2};
    pthread_condattr_t monotonic;
    pthread_mutex_init(&pipeline->lock, NULL);
    pthread_cond_init(&pipeline->changed, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pipeline->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    corpus_feeder_init(&pipeline->feeder, config);
    pipeline->unique.count_max = config->unique_max;
    pipeline->last = &pipeline->first;
    pipeline->claimed = calloc(pipeline->block_count, sizeof(struct corpus_block *));
    pipeline->hashed = calloc(pipeline->block_count, sizeof(struct corpus_block *));
    CHECK(pipeline->claimed != NULL && pipeline->hashed != NULL);
    for (uint32_t i = 0; i < pipeline->block_count; i++) {
        struct corpus_block *block = corpus_block_new();
        block->worker = i % threads;
        put_block(pipeline, block);
    }
}

static void pipeline_fini(struct pipeline *pipeline) {
    struct corpus_block *block;
    while ((block = take_block(pipeline, 0)) != NULL) {
        corpus_block_free(block);
    }
    free(pipeline->claimed);
    free(pipeline->hashed);
    corpus_feeder_fini(&pipeline->feeder);
    corpus_unique_fini(&pipeline->unique);
    pthread_cond_destroy(&pipeline->ended);
    pthread_cond_destroy(&pipeline->changed);
    pthread_mutex_destroy(&pipeline->lock);
}

static void watch(struct pipeline *pipeline) {
    const struct corpus_config *config = pipeline->config;
    pthread_mutex_lock(&pipeline->lock);
    while (pipeline->workers_left > 0) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += PROGRESS_NS;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&pipeline->ended, &pipeline->lock, &until);
        struct corpus_stats stats = pipeline->stats;
        if (config->progress != NULL) {
            pthread_mutex_unlock(&pipeline->lock);
            config->progress(config->context, &stats);
            pthread_mutex_lock(&pipeline->lock);
        }
    }
    pthread_mutex_unlock(&pipeline->lock);
}

/* As many as can be started; one is enough. */
static uint32_t start_workers(struct pipeline *pipeline, pthread_t *threads, uint32_t count) {
    uint32_t started = 0;
    pipeline->workers_left = count;
    while (started < count && thread_start(&threads[started], worker_main, pipeline) == 0) {
        started++;
    }
    pthread_mutex_lock(&pipeline->lock);
    pipeline->workers_left -= count - started;
    pthread_mutex_unlock(&pipeline->lock);
    return started;
}

enum err corpus_run(const struct corpus_config *config, struct corpus_stats *out_stats,
                    struct err_note *note) {
    static const struct corpus_stats none;
    uint32_t count = config->threads > 0 ? config->threads : threads_of_process();
    count = count > CORPUS_THREADS_MAX ? CORPUS_THREADS_MAX : count;
    pthread_t threads[CORPUS_THREADS_MAX];
    struct pipeline pipeline;
    *out_stats = none;
    pipeline_init(&pipeline, config, count);
    const char *head = config->headless ? "" : corpus_output_head(config->output);
    const char *tail = corpus_output_tail(config->output);
    write_out(&pipeline, head, strlen(head));
    uint32_t started = start_workers(&pipeline, threads, count);
    if (started == 0) {
        fail(&pipeline, ERR_RESOURCE, "cannot start a thread");
    }
    watch(&pipeline);
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    if (pipeline.has_written) {
        write_out(&pipeline, tail, strlen(tail));
    }
    *out_stats = pipeline.stats;
    enum err err = pipeline.err;
    if (err != ERR_NONE && note != NULL) {
        *note = pipeline.note;
    }
    if (err == ERR_NONE && config->stop != NULL && atomic_load(config->stop)) {
        err = err_note(note, ERR_INTERRUPTED, "interrupted: what was read before is written");
    }
    pipeline_fini(&pipeline);
    return err;
}
