/* A regular file. It is read with pread(2) rather than mapped: a mapped file that somebody cuts
   short kills the process with SIGBUS, a short read is an error like any other. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/sweep/inventory_source.h"

struct scan {
    int fd;
    uint64_t at;
    int error;
    struct sha256_stream digest;
};

static ssize_t pread_all(int fd, uint8_t *to, size_t capacity, uint64_t at) {
    ssize_t got;
    do {
        got = pread(fd, to, capacity, (off_t)at);
    } while (got < 0 && errno == EINTR);
    return got;
}

static ssize_t scan_read(void *self, uint8_t *to, size_t capacity) {
    struct scan *scan = self;
    ssize_t got = pread_all(scan->fd, to, capacity, scan->at);
    if (got > 0) {
        scan->at += (uint64_t)got;
        sha256_stream_add(&scan->digest, span_of(to, (size_t)got));
    } else if (got < 0) {
        scan->error = errno;
    }
    return got;
}

/* Remembers where every stride-th line begins; when the index is full every other entry goes. */
static bool index_line(struct inventory_file *file, uint64_t at) {
    if (file->line_count % file->stride == 0) {
        if (file->index_count == LINE_INDEX_ENTRIES) {
            for (size_t i = 0; i < LINE_INDEX_ENTRIES / 2; i++) {
                file->index[i] = file->index[2 * i];
            }
            file->index_count = LINE_INDEX_ENTRIES / 2;
            file->stride *= 2;
        }
        if (file->index_count == file->index_capacity) {
            size_t wider = file->index_capacity > 0 ? 2 * file->index_capacity : 1024;
            uint64_t *grown = reallocarray(file->index, wider, sizeof *grown);
            if (grown == NULL) {
                return false;
            }
            file->index = grown;
            file->index_capacity = wider;
        }
        file->index[file->index_count++] = at;
    }
    file->line_count++;
    return true;
}

/* Judges one line of the scan and counts it. */
static enum err scan_line(struct inventory *inventory, struct span line, bool too_long,
                          struct inventory_target *target, struct err_note *note) {
    struct inventory_counts *counts = &inventory->counts;
    uint64_t number = inventory->file.line_count;
    const char *why = inventory_too_long;
    enum inventory_line_kind kind = INVENTORY_LINE_BAD;
    struct inventory_extent extent;
    if (!too_long) {
        line = inventory_without_bom(line, number);
        if (!inventory->syntax.learned) {
            enum err err = inventory_learn(inventory, line, number, note);
            if (err != ERR_NONE) {
                return err;
            }
        }
        kind = inventory_line_parse(&inventory->syntax, line, number, target, &extent, &why);
    }
    counts->lines++;
    switch (kind) {
    case INVENTORY_LINE_GOOD:
        counts->accepted++;
        uint64_t first;
        counts->targets +=
            inventory_shard_count(&inventory->config, number, extent.range_count, &first);
        break;
    case INVENTORY_LINE_SKIPPED:
        counts->skipped++;
        break;
    case INVENTORY_LINE_BAD:
        counts->rejected++;
        if (inventory->config.strict) {
            return err_note(note, ERR_INPUT, "%s:%llu: %s", inventory->name,
                            (unsigned long long)number, why);
        }
        inventory_complain(inventory, number, why);
        break;
    }
    return ERR_NONE;
}

static enum err scan_lines(struct inventory *inventory, struct scan *scan,
                           struct line_cutter *cutter, struct err_note *note) {
    struct inventory_target target;
    for (;;) { /* bounded by the file */
        struct span line;
        enum line_cut cut = line_cutter_next(cutter, &line);
        if (cut == LINE_END) {
            return ERR_NONE;
        }
        if (cut == LINE_FAILED) {
            return err_note(note, ERR_INPUT, "%s: cannot read the inventory: %s", inventory->name,
                            strerror(scan->error));
        }
        if (!index_line(&inventory->file, cutter->line_at)) {
            return err_note(note, ERR_RESOURCE, "no memory for the line index");
        }
        enum err err = scan_line(inventory, line, cut == LINE_TOO_LONG, &target, note);
        if (err != ERR_NONE) {
            return err;
        }
    }
}

enum err inventory_file_scan(struct inventory *inventory, struct err_note *note) {
    struct inventory_file *file = &inventory->file;
    uint8_t *buffer = malloc(CUTTER_BYTES);
    if (buffer == NULL) {
        return err_note(note, ERR_RESOURCE, "no memory to read the inventory");
    }
    struct scan scan = {.fd = inventory->fd, .at = file->start};
    struct line_cutter cutter;
    file->stride = 1;
    sha256_stream_init(&scan.digest);
    line_cutter_init(&cutter, buffer, file->start, scan_read, &scan);
    (void)posix_fadvise(inventory->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    enum err err = scan_lines(inventory, &scan, &cutter, note);
    free(buffer);
    sha256_stream_finish(&scan.digest, inventory->digest);
    if (err != ERR_NONE) {
        return err;
    }
    inventory->digest_known = true;
    inventory_learn_nothing(inventory);
    file->end = scan.at;
    if (inventory->config.shuffle) {
        permutation_init(&file->order, file->line_count, inventory->config.seed);
        (void)posix_fadvise(inventory->fd, 0, 0, POSIX_FADV_RANDOM);
    }
    return ERR_NONE;
}

void inventory_file_fini(struct inventory_file *file) {
    free(file->index);
    file->index = NULL;
}

static ssize_t cursor_read(void *self, uint8_t *to, size_t capacity) {
    struct inventory_cursor *cursor = self;
    uint64_t left = cursor->read_end - cursor->read_at;
    ssize_t got = left > 0 ? pread_all(cursor->fd, to, left < capacity ? (size_t)left : capacity,
                                       cursor->read_at)
                           : 0;
    cursor->read_at += got > 0 ? (uint64_t)got : 0;
    return got;
}

/* Places the cursor before the lines of `count` index entries. */
static void cursor_seek(struct inventory *inventory, struct inventory_cursor *cursor,
                        uint64_t entry, uint64_t count) {
    struct inventory_file *file = &inventory->file;
    uint64_t behind = entry + count;
    cursor->fd = inventory->fd;
    cursor->read_at = file->index[entry];
    cursor->read_end = behind < file->index_count ? file->index[behind] : file->end;
    cursor->line = entry * file->stride + 1;
    line_cutter_init(&cursor->cutter, cursor->buffer, cursor->read_at, cursor_read, cursor);
}

/* Takes the next run of lines, in file order; false at the end. */
static bool take_run(struct inventory *inventory, struct inventory_cursor *cursor) {
    struct inventory_file *file = &inventory->file;
    uint64_t count = file->stride < SLICE_LINES ? SLICE_LINES / file->stride : 1;
    uint64_t entry = atomic_fetch_add_explicit(&file->next, count, memory_order_relaxed);
    if (entry >= file->index_count) {
        return false;
    }
    cursor_seek(inventory, cursor, entry, count);
    uint64_t behind = (entry + count) * file->stride;
    cursor->left = (behind < file->line_count ? behind : file->line_count) - entry * file->stride;
    return true;
}

/* Places the cursor before the next line of the shuffled order; false at the end. */
static bool take_shuffled(struct inventory *inventory, struct inventory_cursor *cursor,
                          uint64_t *out_skip) {
    struct inventory_file *file = &inventory->file;
    if (cursor->left == 0) {
        uint64_t ordinal =
            atomic_fetch_add_explicit(&file->next, SLICE_LINES, memory_order_relaxed);
        if (ordinal >= file->line_count) {
            return false;
        }
        cursor->ordinal = ordinal;
        cursor->left = file->line_count - ordinal;
        cursor->left = cursor->left < SLICE_LINES ? cursor->left : SLICE_LINES;
    }
    uint64_t line = permutation_at(&file->order, cursor->ordinal++);
    cursor_seek(inventory, cursor, line / file->stride, 1);
    *out_skip = line % file->stride;
    return true;
}

static enum inventory_fetch fail_gone(struct inventory *inventory, uint64_t number) {
    inventory_fail(inventory, ERR_INPUT,
                   "%s:%llu: the line is gone: the file was cut short or cannot be read any more; "
                   "sweep a copy",
                   inventory->name, (unsigned long long)number);
    return FETCH_FAILED;
}

/* Over-long lines were told and counted by the scan: they are passed over in silence. */
enum inventory_fetch inventory_file_next(struct inventory *inventory,
                                         struct inventory_cursor *cursor, struct span *out_line,
                                         uint64_t *out_number) {
    for (;;) { /* bounded by the line count */
        uint64_t skip = 0;
        if (inventory->config.shuffle ? !take_shuffled(inventory, cursor, &skip)
                                      : cursor->left == 0 && !take_run(inventory, cursor)) {
            return FETCH_END;
        }
        enum line_cut cut = LINE_CUT;
        for (uint64_t i = 0; i <= skip; i++) {
            cut = line_cutter_next(&cursor->cutter, out_line);
            if (cut == LINE_END || cut == LINE_FAILED) {
                return fail_gone(inventory, cursor->line);
            }
            *out_number = cursor->line++;
        }
        cursor->left--;
        if (cut == LINE_CUT) {
            *out_line = inventory_without_bom(*out_line, *out_number);
            return FETCH_LINE;
        }
    }
}
