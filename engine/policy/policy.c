#include "engine/policy/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/policy/policy_pinset.h"

#define HUGE_PAGE (2 << 20)

struct document {
    struct policy_reader *reader;
    struct pin_index *index;
    struct trust_store *store;
    bool streams; /* the pin sets come one by one */
};

static enum err read_version(struct policy_reader *reader, const char *key,
                             const struct policy_node *node, void *object) {
    (void)object;
    if (node->kind != POLICY_SCALAR || !node->plain || !span_equal_str(node->text, "1")) {
        return policy_fail(reader, node, key, "this program reads version 1: write version: 1");
    }
    return ERR_NONE;
}

/* --- trust profiles --- */

struct trust_entry {
    const char *name, *file;
};

/* Relative to the policy's folder. */
static const char *resolve(struct policy_reader *reader, const char *file) {
    const char *slash = strrchr(reader->file, '/');
    if (file[0] == '/' || slash == NULL) {
        return file;
    }
    size_t folder_len = (size_t)(slash - reader->file) + 1, file_len = strlen(file);
    char *path = arena_alloc(reader->arena, folder_len + file_len + 1);
    memcpy(path, reader->file, folder_len);
    memcpy(path + folder_len, file, file_len);
    return path;
}

static enum err check_trust_entry(struct policy_reader *reader, const struct policy_node *node,
                                  const struct trust_entry *entry) {
    if (entry->name[0] == '\0' || entry->file[0] == '\0') {
        return policy_fail(reader, node, entry->name[0] == '\0' ? "name" : "file",
                           "is missing: write {name: android-14, file: android-14.pem}");
    }
    if (strcmp(entry->name, "system") == 0 || strcmp(entry->name, "none") == 0) {
        return policy_fail(reader, policy_yaml_find(node, "name"), "name",
                           "\"%s\" is built in: choose another name (or replace the system's "
                           "anchors with --trust system=FILE)",
                           entry->name);
    }
    return ERR_NONE;
}

static enum err load_profile(struct policy_reader *reader, const struct policy_node *node,
                             const struct trust_entry *entry, struct trust_store *store) {
    struct err_note inner = {""};
    enum err err = trust_store_load(store, entry->name, resolve(reader, entry->file), &inner);
    if (err != ERR_NONE) {
        (void)policy_fail(reader, policy_yaml_find(node, "file"), "file", "%s", inner.text);
    }
    return err;
}

static enum err read_trust(struct policy_reader *reader, const char *key,
                           const struct policy_node *node, void *object) {
    static const struct policy_field fields[] = {
        {"name", POLICY_FIELD_TEXT, offsetof(struct trust_entry, name), NULL, NULL},
        {"file", POLICY_FIELD_TEXT, offsetof(struct trust_entry, file), NULL, NULL},
    };
    struct document *document = object;
    if (node->kind != POLICY_LIST) {
        return policy_fail(reader, node, key,
                           "wants a list: write - {name: android-14, file: android-14.pem}");
    }
    if (node->count > TRUST_PROFILES_MAX) {
        return policy_fail(reader, node, key, "more than %d trust profiles: drop some",
                           TRUST_PROFILES_MAX);
    }
    struct trust_entry entries[TRUST_PROFILES_MAX];
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < node->count && err == ERR_NONE; i++) {
        entries[i] = (struct trust_entry){.name = "", .file = ""};
        err = policy_read_map(reader, key, node->items[i], "a trust profile", fields,
                              ARRAY_COUNT(fields), &entries[i]);
        if (err == ERR_NONE) {
            err = check_trust_entry(reader, node->items[i], &entries[i]);
        }
        for (uint32_t j = 0; err == ERR_NONE && j < i; j++) {
            if (strcmp(entries[i].name, entries[j].name) == 0) {
                err = policy_fail(reader, policy_yaml_find(node->items[i], "name"), "name",
                                  "a trust profile \"%s\" is already at line %u: keep one of them",
                                  entries[i].name, node->items[j]->line);
            }
        }
    }
    for (uint32_t i = 0; i < node->count && err == ERR_NONE; i++) {
        err = load_profile(reader, node->items[i], &entries[i], document->store);
    }
    return err;
}

/* --- the document --- */

static enum err add_pin_set(struct document *document, const struct policy_node *node) {
    struct pin_set *set = NULL;
    enum err err = policy_read_pin_set(document->reader, node, &set);
    return err == ERR_NONE ? pin_index_add(document->index, set, document->reader->note) : err;
}

static enum err read_pin_sets(struct policy_reader *reader, const char *key,
                              const struct policy_node *node, void *object) {
    struct document *document = object;
    enum err err = policy_check_list(reader, key, node, "- {name: ..., hosts: [...], pins: [...]}");
    for (uint32_t i = 0; err == ERR_NONE && !document->streams && i < node->count; i++) {
        err = add_pin_set(document, node->items[i]);
    }
    return err;
}

/* Once the version is known: another one may have other keys. */
static enum err begin_pin_sets(void *context, const struct policy_node *root, bool *out_stream) {
    struct document *document = context;
    const struct policy_node *version = policy_yaml_find(root, "version");
    document->streams = *out_stream = version != NULL && !document->streams;
    return version != NULL ? read_version(document->reader, "version", version, NULL) : ERR_NONE;
}

static enum err take_pin_set(void *context, const struct policy_node *item) {
    return add_pin_set(context, item);
}

static enum err read_root(struct policy_reader *reader, const struct policy_node *root,
                          struct document *document) {
    static const struct policy_field fields[] = {
        {"version", POLICY_FIELD_CUSTOM, 0, NULL, read_version},
        {"trust", POLICY_FIELD_CUSTOM, 0, NULL, read_trust},
        {"pin_sets", POLICY_FIELD_CUSTOM, 0, NULL, read_pin_sets},
    };
    /* The version before all else: another one may have other keys. */
    const struct policy_node *version = policy_yaml_find(root, "version");
    if (root->kind == POLICY_MAP && version == NULL) {
        return policy_fail(reader, root, "version", "is missing: write version: 1");
    }
    enum err err = version != NULL ? read_version(reader, "version", version, NULL) : ERR_NONE;
    if (err == ERR_NONE) {
        err = policy_read_map(reader, "yaml", root, "a policy", fields, ARRAY_COUNT(fields),
                              document);
    }
    if (err == ERR_NONE && policy_yaml_find(root, "pin_sets") == NULL) {
        return policy_fail(reader, root, "pin_sets",
                           "is missing: write pin_sets: with at least one pin set");
    }
    return err;
}

enum err policy_parse_native(struct span yaml, const char *name, struct pin_index *index,
                             struct trust_store *store, struct err_note *note) {
    struct arena scratch = {0};
    struct policy_reader reader = {.file = arena_copy_text(&index->arena, span_str(name)),
                                   .arena = &index->arena,
                                   .note = note};
    struct document document = {.reader = &reader, .index = index, .store = store};
    struct policy_yaml_stream stream = {
        .key = "pin_sets", .begin = begin_pin_sets, .each = take_pin_set, .context = &document};
    reader.scratch = &stream.items;
    struct policy_node *root = NULL;
    enum err err = policy_yaml_read_stream(yaml, name, &scratch, &stream, &root, note);
    if (err == ERR_NONE) {
        err = read_root(&reader, root, &document);
    }
    arena_fini(&stream.items);
    arena_fini(&scratch);
    return err;
}

/* --- files --- */

static enum err fail_file(const char *file, struct err_note *note) {
    return err_note(note, ERR_CONFIG, "%s: cannot be read: %s", file, strerror(errno));
}

/* Whole huge pages for a large file, which the kernel then fills far faster. */
static uint8_t *buffer_for(int fd, size_t *out_capacity) {
    struct stat about;
    size_t capacity = (size_t)64 * 1024;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > HUGE_PAGE) {
        size_t len = about.st_size < (off_t)POLICY_BYTES_MAX ? (size_t)about.st_size + 1
                                                             : POLICY_BYTES_MAX + 1;
        capacity = (len + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        uint8_t *bytes = aligned_alloc(HUGE_PAGE, capacity);
        CHECK(bytes != NULL);
        (void)madvise(bytes, capacity, MADV_HUGEPAGE); /* only ever faster */
        *out_capacity = capacity;
        return bytes;
    }
    uint8_t *bytes = malloc(capacity);
    CHECK(bytes != NULL);
    *out_capacity = capacity;
    return bytes;
}

/* All of a file or pipe, at most one byte above POLICY_BYTES_MAX; to be freed. */
static enum err read_all(int fd, const char *file, uint8_t **out, size_t *out_len,
                         struct err_note *note) {
    size_t capacity = 0, len = 0;
    uint8_t *bytes = buffer_for(fd, &capacity);
    while (len <= POLICY_BYTES_MAX) {
        if (len == capacity) {
            capacity *= 2;
            bytes = realloc(bytes, capacity);
            CHECK(bytes != NULL);
        }
        size_t room = POLICY_BYTES_MAX + 1 - len;
        ssize_t got = read(fd, bytes + len, capacity - len < room ? capacity - len : room);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            free(bytes);
            return fail_file(file, note);
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
    }
    *out = bytes;
    *out_len = len;
    return ERR_NONE;
}

enum err policy_read_file(const char *file, uint8_t **out, size_t *out_len, struct err_note *note) {
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_file(file, note);
    }
    enum err err = read_all(fd, file, out, out_len, note);
    close(fd);
    return err;
}

enum err policy_load_native(const char *file, struct pin_index *index, struct trust_store *store,
                            struct err_note *note) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    enum err err = policy_read_file(file, &bytes, &len, note);
    if (err == ERR_NONE) {
        err = policy_parse_native(span_of(bytes, len), file, index, store, note);
        free(bytes);
    }
    return err;
}
