/* The inventory: lines in, targets out. A regular file ("mapped": its size is known and it is read
   at any place, with pread(2), since a real mapping dies of SIGBUS when the file is cut short) is
   scanned once and then read by each worker; anything else (a pipe, a terminal) is read by a thread
   of its own that fills blocks. Standard input is treated by what it is. Both stream any number of
   lines in constant memory. The format is recognised from the first lines (or forced):
   plain, CSV with a header, zgrab2's headerless "IP,DOMAIN,TAG,PORT", NDJSON. README.md,
   "Inventory", and data/ describe them.

   The first line that is neither blank nor a comment decides the format: "{" is NDJSON, a field
   called host or connect makes it a CSV header, another comma zgrab2.

   Sharing: the cursor is one of the few shared mutable things; workers take SLICE_LINES lines at a
   time from it (an atomic for a file, under a mutex for a pipe), then parse on their own. */
#ifndef PINSWEEP_SWEEP_INVENTORY_H
#define PINSWEEP_SWEEP_INVENTORY_H

#include "engine/base/err.h"
#include "engine/base/limits.h"
#include "engine/codec/netaddr.h"
#include "engine/codec/sha256.h"

enum inventory_format {
    INVENTORY_AUTO,
    INVENTORY_PLAIN,
    INVENTORY_CSV,
    INVENTORY_ZGRAB2,
    INVENTORY_NDJSON
};
bool inventory_format_from_text(const char *text, enum inventory_format *out);

/* Zero is a usable default of every member (ipv4 and ipv6 both false: both wanted). */
struct inventory_config {
    const char *file; /* NULL or "-": standard input */
    enum inventory_format format;
    uint16_t default_port; /* 443 */
    bool strict;           /* the first bad line is an error */
    bool shuffle;          /* whole file when mapped, PIPE_SHUFFLE_LINES at a time on a pipe */
    uint64_t seed;
    uint32_t shards, shard; /* 1, 0: everything; else targets whose ordinal within (line, address)
                               hashes to `shard`, whatever the seed */
    uint64_t range_max;     /* addresses of one CIDR line; a larger range is a bad line; 0 means
                               CIDR_HOSTS_DEFAULT */
    bool ipv4, ipv6; /* families wanted: literal addresses of the other are skipped, not rejected */
};

/* One target as read. Texts are NUL-terminated, inside the struct's buffer, and live until the next
 * call. */
struct inventory_target {
    uint64_t line;    /* 1-based */
    uint64_t place;   /* of the address within the line's range, whatever the shard; else 0 */
    const char *host; /* A-label or address text, canonical */
    const char *sni;  /* A-label, "" for none (addresses) ; defaults to host when it is a name */
    const char *pin_host;                  /* A-label; defaults to sni, else host */
    const char *tag, *owner, *application; /* "" if absent */
    bool host_is_address;
    bool has_connect; /* dial `connect` instead of resolving host (zgrab2's IP, CSV's connect, a
                         literal host) */
    struct netaddr connect;
    uint16_t port;
    char text[4 * (HOST_MAX + 1) + 3 * 256];
};

struct inventory_counts { /* input_lines = accepted + rejected + skipped */
    uint64_t lines, accepted, rejected, skipped, targets;
};

struct inventory;
struct inventory_reader; /* one per worker */

/* Opens the input and recognises its format. A mapped file is scanned once: lines and targets are
   counted, bad lines are told on standard error as "file:line: what is wrong" (each once, here),
   its digest is taken; with `strict` the first bad line is ERR_INPUT. A pipe starts at once: bad
   lines are told as they come. */
enum err inventory_open(const struct inventory_config *config, struct inventory **out,
                        struct err_note *note) MUST_USE;
/* Ends the reader thread too. All readers must be closed before. */
void inventory_close(struct inventory *inventory);

/* Targets that are to be passed over: a resumed sweep has them. */
struct inventory_skip {
    void *context;
    bool (*is_done)(void *context, uint64_t line, uint64_t place); /* thread-safe */
};
/* Before the first reader is opened. Counts stay those of the whole input. */
void inventory_set_skip(struct inventory *inventory, struct inventory_skip skip);

struct inventory_reader *inventory_reader_open(struct inventory *inventory);
void inventory_reader_close(struct inventory_reader *reader);

enum inventory_result {
    INVENTORY_TARGET, /* *out is filled */
    INVENTORY_WAIT,   /* a pipe has nothing yet: ask again later */
    INVENTORY_END,
    INVENTORY_FAILED, /* reading failed, or a bad line under strict: inventory_failure() says */
};
/* Never blocks. Ranges are expanded here, one address a call (permuted when shuffling). */
enum inventory_result inventory_reader_next(struct inventory_reader *reader,
                                            struct inventory_target *out);

/* Parses one line as a reader would (for inspect, tests and fuzzing): the first target of it. False
 * with a reason. */
bool inventory_parse_plain(struct span line, uint16_t default_port, struct inventory_target *out,
                           uint64_t *out_range_count, const char **out_why);

enum err inventory_failure(struct inventory *inventory, struct err_note *note);
/* Whether the whole input was counted before it started (mapped files). */
bool inventory_is_counted(const struct inventory *inventory);
/* So far (pipes) or in all (mapped files); thread-safe. */
void inventory_get_counts(struct inventory *inventory, struct inventory_counts *out);
/* SHA-256 of all bytes of the input; false before the end of a pipe. */
bool inventory_digest(struct inventory *inventory, uint8_t out[SHA256_LEN]);
const char *inventory_name(const struct inventory *inventory);
enum inventory_format inventory_format(const struct inventory *inventory);

#endif
