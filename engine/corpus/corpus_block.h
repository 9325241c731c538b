/* Private to the corpus: a block of input on its way from the feeder through a worker to the
   output. One thread at a time owns it. */
#ifndef PINSWEEP_CORPUS_CORPUS_BLOCK_H
#define PINSWEEP_CORPUS_CORPUS_BLOCK_H

#include <sys/types.h>

#include "engine/corpus/corpus.h"

/* What all blocks of a file share. Counted by its holders, since the last block may be done long
   after the feeder left the file. */
struct corpus_file {
    _Atomic uint32_t refs;
    enum corpus_format format;
    bool from_folder;
    char separator;  /* CSV */
    uint32_t column; /* CSV: from 0 */
    char name[];     /* as it is shown */
};

struct corpus_piece {
    struct corpus_file *file;
    uint64_t offset;   /* of its first byte in the file */
    size_t start, len; /* in the block's bytes */
    bool has_header;   /* CSV: its first line is the header */
};

/* Part of a file, to be read into a block. */
struct corpus_range {
    int fd;
    off_t at;
    size_t len, got;
    int error; /* errno, or 0 */
};

/* Bytes that grow as they are appended. */
struct corpus_buffer {
    char *bytes;
    size_t len, capacity;
};

/* Room for `len` more bytes at the end; never NULL (aborts without memory: blocks are small). */
char *corpus_buffer_room(struct corpus_buffer *buffer, size_t len);
void corpus_buffer_append(struct corpus_buffer *buffer, const void *bytes, size_t len);

/* A line of the output, for --unique. */
struct corpus_line {
    uint8_t digest[SHA256_LEN];
    size_t end; /* in out.bytes */
};

struct corpus_block {
    struct corpus_block *next; /* in a list */
    uint64_t seq;              /* its place in the output */
    uint32_t worker;           /* that has filled it last */
    struct corpus_range range; /* what `in` was read from, where it was claimed */
    struct corpus_buffer in;
    uint32_t piece_count;
    struct corpus_piece pieces[CORPUS_PIECES_MAX];
    struct corpus_buffer out;
    struct corpus_buffer lines;      /* struct corpus_line, if --unique */
    struct corpus_buffer complaints; /* NUL-terminated, one behind the other */
    struct corpus_stats stats;       /* what this block adds */
};

struct corpus_block *corpus_block_new(void);
void corpus_block_free(struct corpus_block *block);
/* Empty, as new; gives its files back. */
void corpus_block_reset(struct corpus_block *block);
void corpus_block_complain(struct corpus_block *block, const char *format, ...) PRINTF_LIKE(2, 3);

struct corpus_file *corpus_file_new(const char *name, bool from_folder);
struct corpus_file *corpus_file_hold(struct corpus_file *file);
void corpus_file_release(struct corpus_file *file); /* NULL is allowed */

#endif
