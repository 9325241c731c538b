#include "engine/sweep/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/thread.h"
#include "engine/sweep/chainset.h"

struct output {
    const char *file;
    int fd;           /* -1: stream not wanted */
    bool regular;     /* a file that can be cut back */
    off_t whole_len;  /* bytes up to the last whole line, when regular */
    uint64_t written; /* under the mutex */
};

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

static void block_free(struct sink_block *block) {
    free(block->bytes);
    free(block);
}

/* Under the mutex. */
static void block_recycle(struct sink *sink, struct sink_block *block) {
    sink->out_count--;
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
            pthread_cond_wait(&sink->filled, &sink->mutex);
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
        struct output *output = &sink->outputs[block->stream];
        if (failed) {
            /* nothing more is written: what follows a lost line would hide the loss */
        } else if (block->stream == SINK_CHAINS) {
            write_new_chains(sink, output, block);
        } else {
            write_whole(sink, output, block->bytes, block->len);
        }
        pthread_mutex_lock(&sink->mutex);
        block_recycle(sink, block);
    }
    pthread_mutex_unlock(&sink->mutex);
    return NULL;
}

/* The last byte of a file that is appended to must end a line, or two records would share one. */
static enum err check_last_line(const struct output *output, off_t size, struct err_note *note) {
    char last = '\n';
    int fd = open(output->file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (size > 0 && pread(fd, &last, 1, size - 1) != 1) {
            last = '\n';
        }
        close(fd);
    }
    if (last != '\n') {
        return err_note(note, ERR_USAGE,
                        "%s: the last line is not whole (a torn file?); mend it before --append",
                        output->file);
    }
    return ERR_NONE;
}

static enum err output_open(struct output *output, const char *file,
                            const struct sink_config *config, struct err_note *note) {
    output->file = file;
    output->fd = -1;
    if (file == NULL) {
        return ERR_NONE;
    }
    struct stat info;
    if (strcmp(file, "-") == 0) {
        output->file = "standard output";
        output->fd = dup(STDOUT_FILENO);
        if (output->fd < 0 || fstat(output->fd, &info) != 0) {
            return err_note(note, ERR_IO, "standard output is not open: %s", strerror(errno));
        }
        output->regular = S_ISREG(info.st_mode);
        /* ">>" writes at the end wherever the offset is; what stood there is never cut off. */
        bool at_end = (fcntl(output->fd, F_GETFL) & O_APPEND) != 0;
        output->whole_len = !output->regular ? 0
                            : at_end         ? info.st_size
                                             : lseek(output->fd, 0, SEEK_CUR);
        return ERR_NONE;
    }
    if (stat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
        if (!config->overwrite && !config->append) {
            return err_note(note, ERR_USAGE,
                            "%s: the file exists and is not empty; say --overwrite or --append",
                            file);
        }
        if (config->append) {
            enum err err = check_last_line(output, info.st_size, note);
            if (err != ERR_NONE) {
                return err;
            }
        }
    }
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (config->append ? O_APPEND : O_TRUNC);
    output->fd = open(file, flags, 0666);
    if (output->fd < 0 || fstat(output->fd, &info) != 0) {
        return err_note(note, ERR_IO, "%s: cannot open for writing: %s", file, strerror(errno));
    }
    output->regular = S_ISREG(info.st_mode);
    output->whole_len = output->regular ? info.st_size : 0;
    return ERR_NONE;
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
    pthread_cond_init(&sink->filled, NULL);
    sink->block_count = config->block_count;
    enum err err = ERR_NONE;
    for (int i = 0; i < SINK_STREAM_COUNT; i++) {
        sink->outputs[i].fd = -1;
    }
    for (int i = 0; i < SINK_STREAM_COUNT && err == ERR_NONE; i++) {
        err = output_open(&sink->outputs[i], config->files[i], config, note);
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
        block = malloc(sizeof *block);
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
    block->chain_count = 0;
    return block;
}

void sink_give(struct sink *sink, struct sink_block *block) {
    pthread_mutex_lock(&sink->mutex);
    if (block->len == 0) {
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
