/* Hashing of certificates in files: a corpus in, one line a certificate out, in the order of the
   input, on all cores, in constant memory.

   The input is cut into blocks at the borders of its records; workers decode them, walk to the keys
   and hash these in batches; whoever finishes the next block in order writes it. Large files are
   read by all workers side by side, pipes and small files by one at a time. Memory: for each worker
   about three blocks with what becomes of them, 2 MB; a longer record makes its block grow, up to
   CORPUS_RECORD_BYTES_MAX.

   What can be hashed is written. A certificate without a key to be found is broken: told with file
   and offset, counted, passed over. */
#ifndef PINSWEEP_CORPUS_CORPUS_H
#define PINSWEEP_CORPUS_CORPUS_H

#include <stdatomic.h>

#include "engine/base/err.h"
#include "engine/base/limits.h"
#include "engine/trust/pin_table.h"

enum corpus_format {
    CORPUS_AUTO, /* guessed from the bytes */
    CORPUS_PEM,  /* any number, any text between, PKCS#7 blocks too */
    CORPUS_DER,  /* one, or one behind the other; PKCS#7 too */
    CORPUS_DER4, /* each behind its length: 4, 3 or 2 bytes, big-endian */
    CORPUS_DER3,
    CORPUS_DER2,
    CORPUS_PKCS7,  /* DER or BER, one a file */
    CORPUS_NDJSON, /* PEM or base64 in the fields of corpus_ndjson.c */
    CORPUS_CSV,    /* PEM or base64 in one column */
    CORPUS_BASE64, /* one DER a line */
    CORPUS_FORMAT_COUNT
};

enum corpus_output { CORPUS_OUT_TEXT, CORPUS_OUT_NDJSON, CORPUS_OUT_CSV, CORPUS_OUT_CURL };

/* The words of the command line, by value; each list ends with NULL. */
extern const char *const corpus_format_words[];
extern const char *const corpus_output_words[];

struct corpus_stats {
    uint64_t files;        /* read */
    uint64_t files_failed; /* could not be read, or not to the end */
    uint64_t files_passed; /* of folders, not recognised */
    uint64_t bytes;
    uint64_t certificates; /* with a key that was hashed */
    uint64_t not_strict;   /* of these: malformed elsewhere (only counted for NDJSON and CSV) */
    uint64_t broken;       /* no key by the rules of DER; also what is no certificate at all */
    uint64_t salvaged;     /* of these: a key was there */
    uint64_t matched;      /* carry a pin of the policy */
    uint64_t duplicates;   /* left out for --unique */
    uint64_t empty;        /* records of NDJSON or CSV without a certificate */
};

struct corpus_config {
    const char *const *inputs; /* files, folders, "-" for standard input */
    size_t input_count;
    enum corpus_format format;
    const char *column; /* of CSV: its name or its number from 1; NULL: known names */
    enum corpus_output output;
    bool headless;    /* CSV without its header line: the output goes on behind one */
    bool fingerprint; /* the certificate's SHA-256 too */
    bool unique;      /* each pin once: the first certificate that has it */
    uint64_t unique_max;
    const struct pin_table *pins; /* what to match, or NULL */
    uint32_t threads;             /* 0: as many as this process may use */
    const atomic_bool *stop;      /* set: no more input is read; NULL: never */

    /* Called in the order of the input, never by two threads at once. False: stop everything. */
    bool (*write)(void *context, const char *bytes, size_t len);
    /* A complaint, "file: byte N: ...": no newline. The first COMPLAINTS_MAX. */
    void (*complain)(void *context, const char *text);
    /* A few times a second, from the caller's thread; may be NULL. */
    void (*progress)(void *context, const struct corpus_stats *so_far);
    void *context;
};

/* ERR_NONE: all that can be read was read; the counts tell how well that went. ERR_INTERRUPTED when
   stopped, ERR_IO if a write failed, ERR_RESOURCE. The counts are valid in any case. */
enum err corpus_run(const struct corpus_config *config, struct corpus_stats *out_stats,
                    struct err_note *note) MUST_USE;

#endif
