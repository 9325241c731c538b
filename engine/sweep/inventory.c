#include "engine/sweep/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/sweep/inventory_source.h"

const char inventory_too_long[] = "line longer than 64 KB";
_Static_assert(LINE_BYTES_MAX == 64 * 1024, "inventory_too_long names the bound");

struct inventory_reader {
    struct inventory *inventory;
    struct inventory_cursor cursor;
    struct inventory_counts counts; /* of a pipe, not yet added to the inventory's; a file's lines
                                       were counted by the scan */
    /* The range being expanded. */
    struct inventory_target range_target;
    struct inventory_extent extent;
    uint64_t range_first, range_count, range_next; /* of this shard */
    struct permutation range_order;
};

bool inventory_format_from_text(const char *text, enum inventory_format *out) {
    static const char *const names[] = {[INVENTORY_AUTO] = "auto",
                                        [INVENTORY_PLAIN] = "plain",
                                        [INVENTORY_CSV] = "csv",
                                        [INVENTORY_ZGRAB2] = "zgrab2",
                                        [INVENTORY_NDJSON] = "ndjson"};
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* --- shared by the sources --- */

void inventory_fail(struct inventory *inventory, enum err err, const char *format, ...) {
    pthread_mutex_lock(&inventory->mutex);
    if (inventory->failure == ERR_NONE) {
        va_list args;
        va_start(args, format);
        vsnprintf(inventory->failure_note.text, sizeof inventory->failure_note.text, format, args);
        va_end(args);
        inventory->failure = err;
    }
    pthread_mutex_unlock(&inventory->mutex);
    atomic_store_explicit(&inventory->failed, true, memory_order_release);
}

void inventory_complain(struct inventory *inventory, uint64_t number, const char *why) {
    pthread_mutex_lock(&inventory->mutex);
    uint64_t count = ++inventory->complaint_count;
    pthread_mutex_unlock(&inventory->mutex);
    if (count <= COMPLAINTS_MAX) {
        log_complaint("%s:%llu: %s", inventory->name, (unsigned long long)number, why);
    } else if (count == COMPLAINTS_MAX + 1) {
        log_complaint("%s: further bad lines are only counted", inventory->name);
    }
}

void inventory_add_counts(struct inventory_counts *to, struct inventory_counts *from) {
    to->lines += from->lines;
    to->accepted += from->accepted;
    to->rejected += from->rejected;
    to->skipped += from->skipped;
    to->targets += from->targets;
    *from = (struct inventory_counts){0};
}

enum err inventory_learn(struct inventory *inventory, struct span line, uint64_t number,
                         struct err_note *note) {
    char unknown[256];
    const char *why = NULL;
    if (!inventory_syntax_learn(&inventory->syntax, line, number, unknown, &why)) {
        return err_note(note, ERR_INPUT, "%s:%llu: %s", inventory->name, (unsigned long long)number,
                        why);
    }
    if (unknown[0] != '\0') {
        log_info("%s:%llu: ignoring the columns %s; known are %s", inventory->name,
                 (unsigned long long)number, unknown, INVENTORY_FIELDS_TEXT);
    }
    return ERR_NONE;
}

/* Independent of the seed, so that shards run with different seeds still part the inventory. */
uint64_t inventory_shard_count(const struct inventory_config *config, uint64_t line,
                               uint64_t range_count, uint64_t *out_first) {
    if (config->shards <= 1) {
        *out_first = 0;
        return range_count;
    }
    uint64_t at = permutation_mix(line) % config->shards; /* the shard of the first address */
    uint64_t first = (config->shard + config->shards - at) % config->shards;
    *out_first = first;
    return range_count > first ? (range_count - first - 1) / config->shards + 1 : 0;
}

/* --- opening --- */

static void init_config(struct inventory *inventory, const struct inventory_config *config) {
    struct inventory_config *own = &inventory->config;
    *own = *config;
    own->default_port = config->default_port != 0 ? config->default_port : 443;
    own->range_max = config->range_max != 0 ? config->range_max : CIDR_HOSTS_DEFAULT;
    own->shards = config->shards != 0 ? config->shards : 1;
    if (!config->ipv4 && !config->ipv6) {
        own->ipv4 = own->ipv6 = true;
    }
    inventory->syntax = (struct inventory_syntax){.format = own->format,
                                                  .default_port = own->default_port,
                                                  .ipv4 = own->ipv4,
                                                  .ipv6 = own->ipv6,
                                                  .range_max = own->range_max};
}

static enum err check_config(const struct inventory_config *config, struct err_note *note) {
    if (config->shards > 0 && config->shard >= config->shards) {
        return err_note(note, ERR_USAGE, "--shard %u: with --shards %u it is from 0 to %u",
                        config->shard, config->shards, config->shards - 1);
    }
    if (config->range_max > UINT64_C(1) << 62) {
        return err_note(note, ERR_USAGE, "--max-range is larger than 2^62");
    }
    return ERR_NONE;
}

static enum err open_input(struct inventory *inventory, struct err_note *note) {
    const char *file = inventory->config.file;
    struct stat info;
    if (file == NULL || strcmp(file, "-") == 0) {
        inventory->fd = STDIN_FILENO;
        inventory->name = strdup("standard input");
    } else {
        inventory->fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        inventory->name = strdup(file);
    }
    inventory->config.file = NULL; /* the caller's memory */
    if (inventory->name == NULL) {
        return err_note(note, ERR_RESOURCE, "no memory to open the inventory");
    }
    if (inventory->fd < 0 || fstat(inventory->fd, &info) != 0) {
        return err_note(note, ERR_INPUT, "%s: cannot open the inventory: %s", inventory->name,
                        strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) {
        return err_note(note, ERR_INPUT, "%s: this is a folder; name an inventory file",
                        inventory->name);
    }
    inventory->is_file = S_ISREG(info.st_mode);
    if (inventory->is_file) { /* a redirected file may have been read in part by others */
        off_t at = lseek(inventory->fd, 0, SEEK_CUR);
        inventory->file.start = at > 0 ? (uint64_t)at : 0;
    }
    return ERR_NONE;
}

enum err inventory_open(const struct inventory_config *config, struct inventory **out,
                        struct err_note *note) {
    enum err err = check_config(config, note);
    if (err != ERR_NONE) {
        return err;
    }
    struct inventory *inventory = aligned_alloc(CACHE_LINE, sizeof *inventory);
    if (inventory == NULL) {
        return err_note(note, ERR_RESOURCE, "no memory to open the inventory");
    }
    memset(inventory, 0, sizeof *inventory);
    pthread_mutex_init(&inventory->mutex, NULL);
    init_config(inventory, config);
    err = open_input(inventory, note);
    if (err == ERR_NONE) {
        err = inventory->is_file ? inventory_file_scan(inventory, note)
                                 : inventory_pipe_start(inventory, note);
    }
    if (err != ERR_NONE) {
        inventory_close(inventory);
        return err;
    }
    *out = inventory;
    return ERR_NONE;
}

void inventory_close(struct inventory *inventory) {
    if (inventory == NULL) {
        return;
    }
    if (inventory->pipe.blocks != NULL) {
        inventory_pipe_fini(inventory);
    }
    inventory_file_fini(&inventory->file);
    if (inventory->fd > STDIN_FILENO) {
        close(inventory->fd);
    }
    pthread_mutex_destroy(&inventory->mutex);
    free(inventory->name);
    free(inventory);
}

/* --- reading --- */

void inventory_set_skip(struct inventory *inventory, struct inventory_skip skip) {
    inventory->skip = skip;
}

static bool is_wanted(const struct inventory_reader *reader,
                      const struct inventory_target *target) {
    const struct inventory_skip *skip = &reader->inventory->skip;
    return skip->is_done == NULL || !skip->is_done(skip->context, target->line, target->place);
}

struct inventory_reader *inventory_reader_open(struct inventory *inventory) {
    struct inventory_reader *reader = calloc(1, sizeof *reader);
    CHECK(reader != NULL);
    reader->inventory = inventory;
    reader->cursor.buffer = malloc(CUTTER_BYTES);
    CHECK(reader->cursor.buffer != NULL);
    return reader;
}

void inventory_reader_close(struct inventory_reader *reader) {
    if (reader != NULL) {
        if (!reader->inventory->is_file) {
            pthread_mutex_lock(&reader->inventory->mutex);
            inventory_add_counts(&reader->inventory->counts, &reader->counts);
            pthread_mutex_unlock(&reader->inventory->mutex);
        }
        free(reader->cursor.buffer);
        free(reader);
    }
}

static void next_of_range(struct inventory_reader *reader, struct inventory_target *out) {
    const struct inventory_config *config = &reader->inventory->config;
    uint64_t idx = reader->range_next++;
    if (config->shuffle) {
        idx = permutation_at(&reader->range_order, idx);
    }
    inventory_target_copy(out, &reader->range_target);
    out->place = reader->range_first + idx * config->shards;
    inventory_line_move(out, &reader->extent, out->place);
}

/* Starts giving out what a good line stands for; true if `out` is the first target of it. */
static bool begin_line(struct inventory_reader *reader, const struct inventory_extent *extent,
                       struct inventory_target *out) {
    const struct inventory_config *config = &reader->inventory->config;
    uint64_t first;
    uint64_t count = inventory_shard_count(config, out->line, extent->range_count, &first);
    out->place = 0;
    reader->counts.targets += count;
    if (count == 0) {
        return false;
    }
    if (extent->range_count > 1) {
        inventory_target_copy(&reader->range_target, out);
        reader->extent = *extent;
        reader->range_first = first;
        reader->range_count = count;
        reader->range_next = 0;
        if (config->shuffle) {
            permutation_init(&reader->range_order, count,
                             config->seed ^ permutation_mix(out->line));
        }
        next_of_range(reader, out);
    }
    return true;
}

/* A file's bad lines were told by the scan. */
static void reject_line(struct inventory_reader *reader, uint64_t number, const char *why) {
    struct inventory *inventory = reader->inventory;
    if (inventory->is_file) {
        return;
    }
    if (inventory->config.strict) {
        inventory_fail(inventory, ERR_INPUT, "%s:%llu: %s", inventory->name,
                       (unsigned long long)number, why);
    } else {
        inventory_complain(inventory, number, why);
    }
}

static enum inventory_fetch next_line(struct inventory_reader *reader, struct span *out_line,
                                      uint64_t *out_number) {
    struct inventory *inventory = reader->inventory;
    if (inventory->is_file) {
        return inventory_file_next(inventory, &reader->cursor, out_line, out_number);
    }
    return inventory_pipe_next(inventory, &reader->cursor, &reader->counts, out_line, out_number);
}

enum inventory_result inventory_reader_next(struct inventory_reader *reader,
                                            struct inventory_target *out) {
    struct inventory *inventory = reader->inventory;
    for (;;) { /* bounded by the lines at hand and the targets to skip */
        struct span line;
        uint64_t number;
        struct inventory_extent extent;
        const char *why;
        if (atomic_load_explicit(&inventory->failed, memory_order_acquire)) {
            return INVENTORY_FAILED;
        }
        if (reader->range_next < reader->range_count) {
            next_of_range(reader, out);
            if (is_wanted(reader, out)) {
                return INVENTORY_TARGET;
            }
            continue;
        }
        switch (next_line(reader, &line, &number)) {
        case FETCH_LINE:
            break;
        case FETCH_WAIT:
            return INVENTORY_WAIT;
        case FETCH_END:
            return INVENTORY_END;
        case FETCH_FAILED:
            return INVENTORY_FAILED;
        }
        reader->counts.lines++;
        switch (inventory_line_parse(&inventory->syntax, line, number, out, &extent, &why)) {
        case INVENTORY_LINE_GOOD:
            reader->counts.accepted++;
            if (begin_line(reader, &extent, out) && is_wanted(reader, out)) {
                return INVENTORY_TARGET;
            }
            break;
        case INVENTORY_LINE_SKIPPED:
            reader->counts.skipped++;
            break;
        case INVENTORY_LINE_BAD:
            reader->counts.rejected++;
            reject_line(reader, number, why);
            break;
        }
    }
}

/* --- asking --- */

enum err inventory_failure(struct inventory *inventory, struct err_note *note) {
    pthread_mutex_lock(&inventory->mutex);
    enum err err = inventory->failure;
    if (err != ERR_NONE) {
        err_note(note, err, "%s", inventory->failure_note.text);
    }
    pthread_mutex_unlock(&inventory->mutex);
    return err;
}

bool inventory_is_counted(const struct inventory *inventory) {
    return inventory->is_file;
}

void inventory_get_counts(struct inventory *inventory, struct inventory_counts *out) {
    pthread_mutex_lock(&inventory->mutex);
    *out = inventory->counts;
    pthread_mutex_unlock(&inventory->mutex);
}

bool inventory_digest(struct inventory *inventory, uint8_t out[SHA256_LEN]) {
    pthread_mutex_lock(&inventory->mutex);
    bool known = inventory->digest_known;
    if (known) {
        memcpy(out, inventory->digest, SHA256_LEN);
    }
    pthread_mutex_unlock(&inventory->mutex);
    return known;
}

const char *inventory_name(const struct inventory *inventory) {
    return inventory->name;
}

enum inventory_format inventory_format(const struct inventory *inventory) {
    struct inventory *shared = (struct inventory *)inventory; /* for its mutex only */
    pthread_mutex_lock(&shared->mutex);
    enum inventory_format format = inventory->syntax.format;
    pthread_mutex_unlock(&shared->mutex);
    return format;
}
