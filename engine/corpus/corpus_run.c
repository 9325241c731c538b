/* The pipeline: workers take turns at the feeder, work each on a block of its own, and the one that
   finishes the next block in order writes it, and all that wait behind it. */
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
    atomic_bool stop; /* a write failed, or the caller said so */

    pthread_mutex_t feed_lock; /* the feeder */
    struct corpus_feeder feeder;

    pthread_mutex_t lock; /* all below */
    pthread_cond_t freed, ended;
    struct corpus_block *free_blocks;
    struct corpus_block **ready; /* by seq modulo block_count */
    uint32_t block_count, workers_left;
    uint64_t next_seq; /* to be written */
    bool is_writing;
    struct corpus_stats stats; /* of what is written */
    enum err err;
    struct err_note note;

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

/* Under the lock, which is let go while writing. */
static void write_ready(struct pipeline *pipeline) {
    struct corpus_block *block;
    pipeline->is_writing = true;
    while ((block = pipeline->ready[pipeline->next_seq % pipeline->block_count]) != NULL) {
        pipeline->ready[pipeline->next_seq % pipeline->block_count] = NULL;
        pthread_mutex_unlock(&pipeline->lock);
        write_block(pipeline, block);
        pthread_mutex_lock(&pipeline->lock);
        add_stats(&pipeline->stats, &block->stats);
        corpus_block_reset(block);
        block->next = pipeline->free_blocks;
        pipeline->free_blocks = block;
        pipeline->next_seq++;
        pthread_cond_signal(&pipeline->freed);
    }
    pipeline->is_writing = false;
}

/* --- workers --- */

static struct corpus_block *take_block(struct pipeline *pipeline) {
    pthread_mutex_lock(&pipeline->lock);
    while (pipeline->free_blocks == NULL) {
        pthread_cond_wait(&pipeline->freed, &pipeline->lock);
    }
    struct corpus_block *block = pipeline->free_blocks;
    pipeline->free_blocks = block->next;
    pthread_mutex_unlock(&pipeline->lock);
    return block;
}

static void give_back(struct pipeline *pipeline, struct corpus_block *block) {
    pthread_mutex_lock(&pipeline->lock);
    block->next = pipeline->free_blocks;
    pipeline->free_blocks = block;
    pthread_cond_signal(&pipeline->freed);
    pthread_mutex_unlock(&pipeline->lock);
}

static void deliver(struct pipeline *pipeline, struct corpus_block *block) {
    pthread_mutex_lock(&pipeline->lock);
    pipeline->ready[block->seq % pipeline->block_count] = block;
    if (!pipeline->is_writing) {
        write_ready(pipeline);
    }
    pthread_mutex_unlock(&pipeline->lock);
}

static bool feed(struct pipeline *pipeline, struct corpus_block *block) {
    pthread_mutex_lock(&pipeline->feed_lock);
    bool more = !atomic_load(&pipeline->stop) && corpus_feed(&pipeline->feeder, block);
    pthread_mutex_unlock(&pipeline->feed_lock);
    return more;
}

static void *worker_main(void *context) {
    struct pipeline *pipeline = context;
    struct corpus_batch *batch = corpus_batch_new(pipeline->config);
    for (;;) {
        struct corpus_block *block = take_block(pipeline);
        if (!feed(pipeline, block)) {
            give_back(pipeline, block);
            break;
        }
        corpus_batch_run(batch, block);
        deliver(pipeline, block);
    }
    corpus_batch_free(batch);
    pthread_mutex_lock(&pipeline->lock);
    pipeline->workers_left--;
    pthread_cond_signal(&pipeline->ended);
    pthread_mutex_unlock(&pipeline->lock);
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
    *pipeline = (struct pipeline){.config = config, .block_count = 2 * threads + 2};
    pthread_condattr_t monotonic;
    pthread_mutex_init(&pipeline->feed_lock, NULL);
    pthread_mutex_init(&pipeline->lock, NULL);
    pthread_cond_init(&pipeline->freed, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pipeline->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    corpus_feeder_init(&pipeline->feeder, config);
    pipeline->unique.count_max = config->unique_max;
    pipeline->ready = calloc(pipeline->block_count, sizeof(struct corpus_block *));
    CHECK(pipeline->ready != NULL);
    for (uint32_t i = 0; i < pipeline->block_count; i++) {
        struct corpus_block *block = corpus_block_new();
        block->next = pipeline->free_blocks;
        pipeline->free_blocks = block;
    }
}

static void pipeline_fini(struct pipeline *pipeline) {
    while (pipeline->free_blocks != NULL) {
        struct corpus_block *next = pipeline->free_blocks->next;
        corpus_block_free(pipeline->free_blocks);
        pipeline->free_blocks = next;
    }
    free(pipeline->ready);
    corpus_feeder_fini(&pipeline->feeder);
    corpus_unique_fini(&pipeline->unique);
    pthread_cond_destroy(&pipeline->ended);
    pthread_cond_destroy(&pipeline->freed);
    pthread_mutex_destroy(&pipeline->lock);
    pthread_mutex_destroy(&pipeline->feed_lock);
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
    const char *head = corpus_output_head(config->output);
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
