#include "engine/history/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/history/store_internal.h"

#define BUSY_MS 2000     /* at opening; a sweep waits longer (store_write.c) */
#define PAGE_BYTES 4096  /* of a new store: measured, larger ones are no cheaper */
#define HEADER_BYTES 100 /* of an SQLite file ("The Database Header" of its format) */
#define LEFT "; the file is left as it is"

static uint32_t read_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* --- saying --- */

enum err store_error(const struct store *store, struct err_note *note) {
    int code = sqlite3_errcode(store->db) & 0xFF;
    const char *said = sqlite3_errmsg(store->db);
    switch (code) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* our statements are right: a table or column is not there */
        return err_note(note, ERR_CONFIG,
                        "%s: the store is damaged (%s); save what can be read with 'sqlite3 %s "
                        ".recover', and sweep into a new file",
                        store->file, said, store->file);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_note(note, ERR_USAGE,
                        "%s: the store is locked by another program (a transaction open in "
                        "sqlite3?); end that first",
                        store->file);
    case SQLITE_NOMEM:
        return err_note(note, ERR_RESOURCE, "%s: not enough memory for the store", store->file);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return err_note(note, ERR_IO,
                        "%s: cannot open the store: %s; the file and its folder must be writable "
                        "(SQLite keeps %s-wal beside it)",
                        store->file, said, store->file);
    default:
        return err_note(note, ERR_IO, "%s: the store failed: %s", store->file, said);
    }
}

enum err store_exec(struct store *store, const char *sql, struct err_note *note) {
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? ERR_NONE
                                                                       : store_error(store, note);
}

enum err store_prepare(struct store *store, const char *sql, sqlite3_stmt **out,
                       struct err_note *note) {
    *out = NULL;
    return sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK
               ? ERR_NONE
               : store_error(store, note);
}

enum err store_step(struct store *store, sqlite3_stmt *statement, bool *out_row,
                    struct err_note *note) {
    int result = sqlite3_step(statement);
    *out_row = result == SQLITE_ROW;
    return result == SQLITE_ROW || result == SQLITE_DONE ? ERR_NONE : store_error(store, note);
}

const char *store_file(const struct store *store) {
    return store->file;
}

sqlite3 *store_db(const struct store *store) {
    return store->db;
}

/* --- what the file is, before SQLite touches it --- */

/* SQLite keeps it beside the file itself, not beside a link to it. */
static bool has_wal(const struct store *store) {
    char place[PATH_MAX], name[PATH_MAX + 8];
    struct stat info;
    if (realpath(store->file, place) == NULL) {
        return false;
    }
    snprintf(name, sizeof name, "%s-wal", place);
    return stat(name, &info) == 0 && info.st_size > 0;
}

/* A file with something in it. While there is a -wal, the file itself may be shorter than it will
   be: a checkpoint was cut off, and is done again at opening. */
static enum err check_header(const struct store *store, struct err_note *note) {
    static const char magic[16] = "SQLite format 3";
    uint8_t header[HEADER_BYTES];
    ssize_t got = pread(store->fd, header, sizeof header, 0);
    if (got < 0) {
        return err_note(note, ERR_IO, "%s: cannot read the store: %s", store->file,
                        strerror(errno));
    }
    if ((size_t)got < sizeof header || memcmp(header, magic, sizeof magic) != 0) {
        return err_note(note, ERR_CONFIG,
                        "%s: this is no store of pinsweep (not even an SQLite file)" LEFT,
                        store->file);
    }
    if (read_u32(header + 68) != STORE_APPLICATION_ID) {
        return err_note(note, ERR_CONFIG, "%s: this SQLite database is no store of pinsweep" LEFT,
                        store->file);
    }
    if (read_u32(header + 60) != STORE_VERSION) {
        return err_note(note, ERR_CONFIG,
                        "%s: the store has version %u, this pinsweep knows version %d: use the "
                        "program that made it, or a new file" LEFT,
                        store->file, read_u32(header + 60), STORE_VERSION);
    }
    uint32_t page = (uint32_t)header[16] << 8 | header[17], pages = read_u32(header + 28);
    page = page == 1 ? 65536 : page;
    struct stat info; /* asked last: a sweep that ends meanwhile makes the file longer first */
    if (!has_wal(store) && fstat(store->fd, &info) == 0 &&
        (uint64_t)info.st_size < (uint64_t)pages * page) {
        return err_note(note, ERR_CONFIG,
                        "%s: the store is damaged (%lld bytes of %llu are there)" LEFT, store->file,
                        (long long)info.st_size, (unsigned long long)pages * page);
    }
    return ERR_NONE;
}

/* Keeps other sweeps out. Who was just made new by another one (make_new) is not this file any
   more. */
static bool lock_file(const struct store *store) {
    struct stat own, there;
    return flock(store->fd, LOCK_EX | LOCK_NB) == 0 && fstat(store->fd, &own) == 0 &&
           stat(store->file, &there) == 0 && own.st_dev == there.st_dev &&
           own.st_ino == there.st_ino;
}

/* Opens and locks the file itself; *out_empty: there is nothing in it yet. */
static enum err take_file(struct store *store, bool *out_empty, bool *out_created,
                          struct err_note *note) {
    int flags = store->mode == STORE_WRITE ? O_RDWR | O_CLOEXEC : O_RDONLY | O_CLOEXEC;
    struct stat info;
    store->fd = open(store->file, flags | O_NOCTTY);
    if (store->fd < 0 && errno == ENOENT && store->mode == STORE_WRITE) {
        store->fd = open(store->file, flags | O_CREAT | O_EXCL, 0666);
        *out_created = store->fd >= 0;
    }
    if (store->fd < 0 || fstat(store->fd, &info) != 0) {
        return err_note(note, ERR_CONFIG, "%s: cannot open the store%s: %s", store->file,
                        store->mode == STORE_WRITE ? " for writing" : "", strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return err_note(note, ERR_CONFIG, "%s: a store is a file; this is none", store->file);
    }
    if (store->mode == STORE_WRITE && !lock_file(store)) {
        return err_note(note, ERR_USAGE,
                        "%s: another sweep is writing into this store; wait for its end, or give a "
                        "store of its own",
                        store->file);
    }
    *out_empty = fstat(store->fd, &info) == 0 && info.st_size == 0;
    if (*out_empty && has_wal(store)) {
        return err_note(note, ERR_CONFIG,
                        "%s: the store is gone or empty, but its %s-wal is there, with what was "
                        "written last; put the store back beside it, or remove it to begin anew",
                        store->file, store->file);
    }
    if (store->mode == STORE_READ && *out_empty) {
        return err_note(note, ERR_CONFIG, "%s: this is no store of pinsweep: the file is empty",
                        store->file);
    }
    if (!*out_empty) {
        enum err err = check_header(store, note);
        if (err != ERR_NONE) {
            return err;
        }
    }
    return ERR_NONE;
}

/* --- opening --- */

/* In a folder that cannot be written to there can be no -shm: a store that was closed in order is
   complete without. */
static bool open_immutable(struct store *store) {
    char uri[3 * 4096 + 32] = "file:";
    size_t len = 5;
    for (const char *at = store->file; *at != '\0' && len < sizeof uri - 16; at++) {
        bool plain = strchr("%?#", *at) == NULL;
        len += (size_t)snprintf(uri + len, sizeof uri - len, plain ? "%c" : "%%%02X",
                                (unsigned char)*at);
    }
    snprintf(uri + len, sizeof uri - len, "?immutable=1");
    sqlite3_close(store->db);
    store->db = NULL;
    return sqlite3_open_v2(uri, &store->db,
                           SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI,
                           NULL) == SQLITE_OK;
}

static enum err open_database(struct store *store, struct err_note *note) {
    int flags = SQLITE_OPEN_NOMUTEX |
                (store->mode == STORE_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    int result = sqlite3_open_v2(store->file, &store->db, flags, NULL);
    if (store->db == NULL) {
        return err_note(note, ERR_RESOURCE, "%s: not enough memory for the store", store->file);
    }
    if (result != SQLITE_OK) {
        return store_error(store, note);
    }
    sqlite3_busy_timeout(store->db, BUSY_MS);
    if (store->mode == STORE_READ) {
        result = sqlite3_exec(store->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
        if ((result == SQLITE_CANTOPEN || result == SQLITE_READONLY) && !has_wal(store) &&
            !open_immutable(store)) {
            return store_error(store, note);
        }
    }
    return ERR_NONE;
}

/* The schema into an empty database. */
static enum err fill_new(struct store *store, struct err_note *note) {
    char pages[64];
    snprintf(pages, sizeof pages, "PRAGMA page_size = %d", PAGE_BYTES);
    enum err err = store_exec(store, pages, note);
    if (err == ERR_NONE) {
        err = store_exec(store, "BEGIN IMMEDIATE", note);
    }
    if (err == ERR_NONE) {
        err = store_exec(store, store_schema, note);
    }
    return err == ERR_NONE ? store_exec(store, "COMMIT", note) : err;
}

/* A new store takes the empty file's place whole: who is killed meanwhile leaves an empty file,
   which is a new store the next time. */
static enum err make_new(struct store *store, struct err_note *note) {
    char place[PATH_MAX], name[PATH_MAX + 8];
    if (realpath(store->file, place) == NULL) {
        return err_note(note, ERR_IO, "%s: cannot make the store: %s", store->file,
                        strerror(errno));
    }
    snprintf(name, sizeof name, "%s.new", place);
    unlink(name);
    int result = sqlite3_open_v2(
        name, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    enum err err = result == SQLITE_OK ? fill_new(store, note)
                                       : err_note(note, ERR_IO, "%s: cannot make the store: %s",
                                                  name, sqlite3_errstr(result));
    sqlite3_close(store->db);
    store->db = NULL;
    int fd = -1;
    if (err == ERR_NONE) {
        fd = open(name, O_RDWR | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || rename(name, place) != 0) {
            err = err_note(note, ERR_IO, "%s: cannot make the store: %s", store->file,
                           strerror(errno));
        }
    }
    if (err != ERR_NONE) {
        unlink(name);
        if (fd >= 0) {
            close(fd);
        }
        return err;
    }
    close(store->fd); /* of the empty file; nobody else can have locked the new one */
    store->fd = fd;
    return ERR_NONE;
}

/* Whether the file that we made is there, with nothing in it, and nobody else's by now. */
static bool is_still_empty(const struct store *store) {
    struct stat info;
    return store->fd >= 0 && lock_file(store) && fstat(store->fd, &info) == 0 && info.st_size == 0;
}

enum err store_open(const char *file, enum store_mode mode, struct store **out,
                    struct err_note *note) {
    struct store *store = calloc(1, sizeof *store);
    if (store != NULL) {
        store->file = strdup(file);
    }
    if (store == NULL || store->file == NULL) {
        free(store);
        return err_note(note, ERR_RESOURCE, "%s: not enough memory to open the store", file);
    }
    store->fd = -1;
    store->mode = mode;
    bool empty = false, created = false;
    enum err err = take_file(store, &empty, &created, note);
    if (err == ERR_NONE && empty) {
        err = make_new(store, note);
    }
    if (err == ERR_NONE) {
        err = open_database(store, note);
    }
    /* After a power cut the last transactions may be gone, but the store is whole: a resume cuts
       the output file back to what is left. */
    if (err == ERR_NONE && mode == STORE_WRITE) {
        err = store_exec(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", note);
    }
    if (err == ERR_NONE) {
        err = store_words_load(store, note);
    }
    if (err != ERR_NONE) {
        if (created && is_still_empty(store)) {
            unlink(file);
        }
        store_close(store);
        return err;
    }
    *out = store;
    return ERR_NONE;
}

void store_close(struct store *store) {
    if (store == NULL) {
        return;
    }
    sqlite3_close(store->db);
    if (store->fd >= 0) {
        close(store->fd);
    }
    free(store->file);
    free(store);
}
