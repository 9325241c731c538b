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
#define CARRY_ROOM (32u << 10)      /* before a range, for the start of its first record */
#define RECUT_BYTES (64u << 10)     /* of a longer record the end is looked for in steps of 1/8 */

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
    feeder->cut_from = 0;
    feeder->range_next = feeder->range_end = 0;
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
    feeder->is_done = feeder->has_failed = false;
    feeder->offset = 0;
    feeder->read_at = feeder->is_stream ? 0 : lseek(fd, 0, SEEK_CUR);
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
            block->stats.files_failed++;
            corpus_block_complain(block, "%s", note.text);
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

static void fail_read(struct corpus_feeder *feeder, struct corpus_block *block, int error) {
    feeder->has_failed = true;
    block->stats.files_failed++;
    corpus_block_complain(block, "%s: cannot read: %s", feeder->file->name, strerror(error));
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
        char *room = corpus_buffer_room(in, want);
        ssize_t got = feeder->is_stream ? read(feeder->fd, room, want)
                                        : pread(feeder->fd, room, want, feeder->read_at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            fail_read(feeder, block, errno);
        }
        if (got <= 0) {
            return false;
        }
        in->len += (size_t)got;
        feeder->read_at += got;
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
    feeder->has_failed = feeder->is_done = true;
    return false;
}

/* A record without an end in sight: the file goes on behind what was read. */
static void drop_record(struct corpus_feeder *feeder, struct corpus_block *block, size_t len) {
    block->stats.broken++;
    corpus_block_complain(block, "%s: byte %" PRIu64 ": no record ends within %u MB: passed over",
                          feeder->file->name, feeder->offset, CORPUS_RECORD_BYTES_MAX >> 20);
    feeder->offset += len;
}

/* Where to cut the text, of which the file has more; 0: not here. A long record is not looked
   through again at every read: that would take time in the square of its length. */
static size_t find_cut(struct corpus_feeder *feeder, struct span text) {
    if (text.len < feeder->cut_from) {
        return 0;
    }
    size_t cut = corpus_cut(feeder->file, text, &feeder->is_done);
    feeder->cut_from = cut > 0                  ? 0
                       : text.len < RECUT_BYTES ? text.len + 1
                                                : text.len + text.len / 8;
    return cut;
}

/* --- ranges --- */

/* The rest of the file, if it is worth while. */
static void offer_ranges(struct corpus_feeder *feeder) {
    struct stat info;
    if (!feeder->is_stream && fstat(feeder->fd, &info) == 0 &&
        info.st_size - feeder->read_at >= (off_t)CORPUS_BLOCK_BYTES) {
        feeder->range_next = feeder->read_at;
        feeder->range_end = info.st_size;
        atomic_store_explicit(&feeder->ranges_void, false, memory_order_relaxed);
    }
}

bool corpus_feed_claim(struct corpus_feeder *feeder, struct corpus_block *block) {
    off_t left = feeder->range_end - feeder->range_next;
    if (left <= 0 || must_stop(feeder) ||
        atomic_load_explicit(&feeder->ranges_void, memory_order_relaxed)) {
        return false;
    }
    block->range = (struct corpus_range){
        .fd = feeder->fd,
        .at = feeder->range_next,
        .len = left < (off_t)CORPUS_BLOCK_BYTES ? (size_t)left : CORPUS_BLOCK_BYTES,
    };
    feeder->range_next += (off_t)block->range.len;
    return true;
}

void corpus_feed_read(struct corpus_block *block) {
    struct corpus_range *range = &block->range;
    char *room = corpus_buffer_room(&block->in, CARRY_ROOM + range->len) + CARRY_ROOM;
    while (range->got < range->len && range->error == 0) {
        ssize_t got = pread(range->fd, room + range->got, range->len - range->got,
                            range->at + (off_t)range->got);
        if (got == 0) {
            break; /* shorter than it was */
        }
        if (got > 0) {
            range->got += (size_t)got;
        } else if (errno != EINTR) {
            range->error = errno;
        }
    }
    block->in.len = CARRY_ROOM + range->got;
}

/* What the ranges before have left goes before what this one has read: into the room there, or,
   where it is a long record, both are one behind the other in the carry's buffer, which the block
   gets in exchange. Returns where the text begins in the block. */
static size_t join_carry(struct corpus_feeder *feeder, struct corpus_block *block) {
    struct corpus_buffer *carry = &feeder->carry;
    if (carry->len <= CARRY_ROOM) {
        size_t start = CARRY_ROOM - carry->len;
        if (carry->len > 0) {
            memcpy(block->in.bytes + start, carry->bytes, carry->len);
        }
        carry->len = 0;
        return start;
    }
    corpus_buffer_append(carry, block->in.bytes + CARRY_ROOM, block->in.len - CARRY_ROOM);
    struct corpus_buffer joined = *carry;
    *carry = block->in;
    carry->len = 0;
    block->in = joined;
    return 0;
}

/* Back into the carry: what stands from `start` on in the block. */
static void leave_carry(struct corpus_feeder *feeder, struct corpus_block *block, size_t start) {
    if (start == 0) { /* all of it: no copy */
        struct corpus_buffer in = block->in;
        block->in = feeder->carry;
        feeder->carry = in;
    } else {
        corpus_buffer_append(&feeder->carry, block->in.bytes + start, block->in.len - start);
    }
    block->in.len = start;
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

void corpus_feed_cut(struct corpus_feeder *feeder, struct corpus_block *block) {
    const struct corpus_range *range = &block->range;
    if (atomic_load_explicit(&feeder->ranges_void, memory_order_relaxed)) {
        return;
    }
    feeder->read_at = range->at + (off_t)range->got;
    block->stats.bytes += range->got;
    size_t start = join_carry(feeder, block), cut;
    struct span text = span_of(block->in.bytes + start, block->in.len - start);
    if (range->error != 0) {
        fail_read(feeder, block, range->error);
        feeder->is_done = true;
        cut = text.len;
    } else {
        cut = find_cut(feeder, text);
    }
    if (feeder->is_done || range->got < range->len) {
        atomic_store_explicit(&feeder->ranges_void, true, memory_order_relaxed);
    }
    if (cut == 0 && text.len >= CORPUS_RECORD_BYTES_MAX) {
        drop_record(feeder, block, text.len);
        feeder->cut_from = 0;
        return;
    }
    add_piece(feeder, block, start, cut, false);
    leave_carry(feeder, block, start + cut);
}

/* --- all at once --- */

/* The next part of the open file, up to the end of a record. True if the file ended with it. */
static bool take_piece(struct corpus_feeder *feeder, struct corpus_block *block) {
    struct corpus_buffer *in = &block->in;
    size_t start = in->len, cut = 0, target = CORPUS_BLOCK_BYTES, head_len = HEAD_BYTES;
    bool was_fresh = feeder->is_fresh, more = true;
    corpus_buffer_append(in, feeder->carry.bytes, feeder->carry.len);
    feeder->carry.len = 0;
    while (more && cut == 0 && !feeder->is_done) {
        target = in->len < target ? target : 2 * target;
        /* at least a byte more than what was not enough */
        size_t least = feeder->is_fresh                     ? start + head_len
                       : in->len < start + feeder->cut_from ? start + feeder->cut_from
                                                            : in->len + 1;
        more = fill(feeder, block, target, least);
        struct span text = span_of(in->bytes + start, in->len - start);
        if (feeder->is_fresh && more && needs_more(feeder, text)) {
            head_len = CORPUS_GUESS_BYTES; /* room for it there is: see ROOM_MIN */
            continue;
        }
        if (feeder->is_fresh && !recognise(feeder, block, text)) {
            break;
        }
        cut = more || must_stop(feeder) ? find_cut(feeder, text) : text.len;
        if (cut == 0 && text.len >= CORPUS_RECORD_BYTES_MAX) {
            drop_record(feeder, block, text.len);
            in->len = start;
            feeder->cut_from = 0;
            break;
        }
    }
    add_piece(feeder, block, start, feeder->file->format == CORPUS_AUTO ? 0 : cut,
              was_fresh && feeder->file->format == CORPUS_CSV);
    if (feeder->is_done || !more) {
        return true;
    }
    corpus_buffer_append(&feeder->carry, in->bytes + start + cut, in->len - start - cut);
    in->len = start + cut;
    offer_ranges(feeder);
    return false;
}

bool corpus_feed(struct corpus_feeder *feeder, struct corpus_block *block) {
    while (block->piece_count < CORPUS_PIECES_MAX && !must_stop(feeder) &&
           next_file(feeder, block)) {
        bool ended = take_piece(feeder, block);
        if (ended) {
            block->stats.files += !feeder->has_failed;
            close_file(feeder);
        }
        if (!ended || block->in.len + ROOM_MIN > CORPUS_BLOCK_BYTES) {
            break;
        }
    }
    return block->piece_count > 0 || block->complaints.len > 0 || block->stats.files > 0 ||
           block->stats.files_failed > 0 || block->stats.files_passed > 0 ||
           block->stats.broken > 0 || (feeder->file != NULL && !must_stop(feeder));
}
