#include "engine/corpus/corpus_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/corpus/corpus_readers.h"

#define ROOM_MIN CORPUS_GUESS_BYTES /* another file is begun in a block with so much room */
#define HEAD_BYTES 4096             /* of a pipe, before its format is guessed */
#define POLL_MS 100                 /* how soon a silent pipe notices that it is to stop */

void corpus_feeder_init(struct corpus_feeder *feeder, const struct corpus_config *config) {
    *feeder = (struct corpus_feeder){.config = config, .fd = -1};
    corpus_walk_init(&feeder->walk, config->inputs, config->input_count);
}

static void close_file(struct corpus_feeder *feeder) {
    if (feeder->fd > STDIN_FILENO) {
        close(feeder->fd);
    }
    feeder->fd = -1;
    corpus_file_release(feeder->file);
    feeder->file = NULL;
    feeder->carry.len = 0;
}

void corpus_feeder_fini(struct corpus_feeder *feeder) {
    close_file(feeder);
    corpus_walk_fini(&feeder->walk);
    free(feeder->carry.bytes);
}

static bool must_stop(const struct corpus_feeder *feeder) {
    return feeder->config->stop != NULL &&
           atomic_load_explicit(feeder->config->stop, memory_order_relaxed);
}

static void fail_file(struct corpus_block *block, const char *text) {
    block->stats.files_failed++;
    corpus_block_complain(block, "%s", text);
}

static void open_file(struct corpus_feeder *feeder, struct corpus_block *block, const char *path,
                      bool from_folder) {
    bool is_input = strcmp(path, "-") == 0;
    int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        block->stats.files_failed++;
        corpus_block_complain(block, "%s: cannot open: %s", path, strerror(errno));
        return;
    }
    feeder->fd = fd;
    feeder->file = corpus_file_new(is_input ? "standard input" : path, from_folder);
    feeder->is_stream = !S_ISREG(info.st_mode);
    feeder->is_fresh = true;
    feeder->is_lost = false;
    feeder->offset = 0;
    if (!feeder->is_stream && info.st_size > (off_t)CORPUS_BLOCK_BYTES) {
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
}

/* Opens the next file there is; false at the end of all. */
static bool next_file(struct corpus_feeder *feeder, struct corpus_block *block) {
    while (feeder->file == NULL) {
        const char *path;
        bool from_folder;
        struct err_note note;
        switch (corpus_walk_next(&feeder->walk, &path, &from_folder, &note)) {
        case CORPUS_STEP_FILE:
            open_file(feeder, block, path, from_folder);
            break;
        case CORPUS_STEP_FAILED:
            fail_file(block, note.text);
            break;
        case CORPUS_STEP_END:
            return false;
        }
    }
    return true;
}

/* Whether a read would not wait; a pipe waits here, so that it can be stopped. */
static bool wait_for_input(const struct corpus_feeder *feeder, bool patient) {
    struct pollfd poll_fd = {.fd = feeder->fd, .events = POLLIN};
    while (feeder->is_stream && !must_stop(feeder)) {
        int ready = poll(&poll_fd, 1, patient ? POLL_MS : 0);
        if (ready != 0 && !(ready < 0 && errno == EINTR)) {
            return true;
        }
        if (!patient) {
            return false;
        }
    }
    return !feeder->is_stream;
}

/* Reads until the block holds `target` bytes; a pipe only as long as it has some, beyond `least`.
   False at the end of the file (or its failure, or when told to stop). */
static bool fill(struct corpus_feeder *feeder, struct corpus_block *block, size_t target,
                 size_t least) {
    struct corpus_buffer *in = &block->in;
    while (in->len < target) {
        size_t want = target - in->len;
        if (!wait_for_input(feeder, in->len < least)) {
            return !must_stop(feeder);
        }
        ssize_t got = read(feeder->fd, corpus_buffer_room(in, want), want);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            block->stats.files_failed++;
            corpus_block_complain(block, "%s: cannot read: %s", feeder->file->name,
                                  strerror(errno));
        }
        if (got <= 0) {
            return false;
        }
        in->len += (size_t)got;
        block->stats.bytes += (uint64_t)got;
    }
    return true;
}

/* Whether the start of a pipe is too short to tell what it is. */
static bool needs_more(const struct corpus_feeder *feeder, struct span head) {
    const char *why;
    return head.len < CORPUS_GUESS_BYTES &&
           !corpus_recognise(head, feeder->config->format, feeder->config->column, feeder->file,
                             &why);
}

/* False: the file is left. */
static bool recognise(struct corpus_feeder *feeder, struct corpus_block *block, struct span head) {
    const struct corpus_config *config = feeder->config;
    const char *why = "";
    feeder->is_fresh = false;
    if (head.len == 0) {
        return false;
    }
    if (corpus_recognise(head, config->format, config->column, feeder->file, &why)) {
        return true;
    }
    if (feeder->file->from_folder && config->format == CORPUS_AUTO) {
        block->stats.files_passed++;
    } else {
        block->stats.files_failed++;
        corpus_block_complain(block, "%s: %s", feeder->file->name, why);
    }
    feeder->is_lost = true;
    return false;
}

static void add_piece(struct corpus_feeder *feeder, struct corpus_block *block, size_t start,
                      size_t len, bool has_header) {
    if (len > 0) {
        block->pieces[block->piece_count++] = (struct corpus_piece){
            .file = corpus_file_hold(feeder->file),
            .offset = feeder->offset,
            .start = start,
            .len = len,
            .has_header = has_header,
        };
        feeder->offset += len;
    }
}

/* A record without an end in sight: the file goes on behind what was read. */
static size_t drop_record(struct corpus_feeder *feeder, struct corpus_block *block, size_t start) {
    block->stats.broken++;
    corpus_block_complain(block, "%s: byte %" PRIu64 ": no record ends within %u MB: passed over",
                          feeder->file->name, feeder->offset, CORPUS_RECORD_BYTES_MAX >> 20);
    feeder->offset += block->in.len - start;
    block->in.len = start;
    return 0;
}

/* The next part of the open file, up to the end of a record. True if the file ended with it. */
static bool take_piece(struct corpus_feeder *feeder, struct corpus_block *block) {
    struct corpus_buffer *in = &block->in;
    size_t start = in->len, cut = 0, target = CORPUS_BLOCK_BYTES, head_len = HEAD_BYTES;
    bool was_fresh = feeder->is_fresh, more = true;
    corpus_buffer_append(in, feeder->carry.bytes, feeder->carry.len);
    feeder->carry.len = 0;
    while (more && cut == 0 && !feeder->is_lost) {
        target = in->len < target ? target : 2 * target;
        /* at least a byte more than what was not enough */
        size_t least = feeder->is_fresh ? start + head_len : in->len + 1;
        more = fill(feeder, block, target, least);
        struct span text = span_of(in->bytes + start, in->len - start);
        if (feeder->is_fresh && more && needs_more(feeder, text)) {
            head_len = CORPUS_GUESS_BYTES; /* room for it there is: see ROOM_MIN */
            continue;
        }
        if (feeder->is_fresh && !recognise(feeder, block, text)) {
            break;
        }
        cut = more ? corpus_cut(feeder->file->format, text, &feeder->is_lost) : text.len;
        if (cut == 0 && text.len >= CORPUS_RECORD_BYTES_MAX) {
            drop_record(feeder, block, start);
            break;
        }
    }
    if (feeder->is_lost || !more) {
        add_piece(feeder, block, start, feeder->file->format == CORPUS_AUTO ? 0 : cut,
                  was_fresh && feeder->file->format == CORPUS_CSV);
        return true;
    }
    corpus_buffer_append(&feeder->carry, in->bytes + start + cut, in->len - start - cut);
    in->len = start + cut;
    add_piece(feeder, block, start, cut, was_fresh && feeder->file->format == CORPUS_CSV);
    return false;
}

bool corpus_feed(struct corpus_feeder *feeder, struct corpus_block *block) {
    while (block->piece_count < CORPUS_PIECES_MAX && !must_stop(feeder) &&
           next_file(feeder, block)) {
        uint64_t failed = block->stats.files_failed, passed = block->stats.files_passed;
        bool ended = take_piece(feeder, block);
        if (ended) {
            block->stats.files +=
                block->stats.files_failed == failed && block->stats.files_passed == passed;
            close_file(feeder);
        }
        if (!ended || block->in.len + ROOM_MIN > CORPUS_BLOCK_BYTES) {
            break;
        }
    }
    if (block->piece_count == 0 && block->complaints.len == 0 && block->stats.files == 0 &&
        block->stats.files_failed == 0 && block->stats.files_passed == 0 &&
        block->stats.broken == 0 && feeder->file == NULL) {
        return false;
    }
    block->seq = feeder->next_seq++;
    return true;
}
