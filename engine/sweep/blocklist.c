#include "engine/sweep/blocklist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/arena.h"
#include "engine/base/limits.h"
#include "engine/codec/hostname.h"

/* An address as a sort key: the family, then its bytes. */
struct key {
    uint8_t bytes[17];
};

struct interval {
    struct key first, last;
};

struct name {
    struct span text;
    bool below; /* "*." stood before it: every name below it, at any depth, but not itself */
};

struct blocklist {
    struct interval *intervals; /* sorted, none overlaps another */
    struct name *names;         /* sorted */
    size_t interval_count, name_count, interval_capacity, name_capacity;
    uint64_t ranges_given, names_given;
    struct arena texts;
};

static struct key key_of(const struct netaddr *address) {
    struct key key = {{address->family}};
    memcpy(key.bytes + 1, address->bytes, 16);
    return key;
}

static int compare_keys(const struct key *a, const struct key *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static int compare_intervals(const void *a, const void *b) {
    return compare_keys(&((const struct interval *)a)->first, &((const struct interval *)b)->first);
}

static int compare_texts(struct span a, struct span b) {
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_names(const void *a, const void *b) {
    const struct name *x = a, *y = b;
    int order = compare_texts(x->text, y->text);
    return order != 0 ? order : x->below - y->below;
}

static struct netaddr last_address(const struct netrange *range) {
    struct netaddr last = range->base;
    unsigned bits = last.family == 4 ? 32 : 128;
    for (unsigned bit = range->prefix; bit < bits; bit++) {
        last.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
    }
    return last;
}

/* A range of IPv4-mapped addresses is meant for the IPv4 ones. A wider one is about IPv6. */
static void unmap_range(struct netrange *range) {
    if (range->base.family == 6 && range->prefix >= 96) {
        netaddr_unmap(&range->base);
        if (range->base.family == 4) {
            range->prefix = (uint8_t)(range->prefix - 96);
        }
    }
}

static bool grow(void **items, size_t item_len, size_t count, size_t *capacity) {
    if (count < *capacity) {
        return true;
    }
    size_t wider = *capacity > 0 ? 2 * *capacity : 64;
    void *grown = reallocarray(*items, wider, item_len);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *capacity = wider;
    return true;
}

static enum err add_range(struct blocklist *list, struct netrange range, struct err_note *note) {
    unmap_range(&range);
    void *items = list->intervals;
    if (!grow(&items, sizeof *list->intervals, list->interval_count, &list->interval_capacity)) {
        return err_note(note, ERR_RESOURCE, "no memory for the block list");
    }
    list->intervals = items;
    struct netaddr last = last_address(&range);
    list->intervals[list->interval_count++] =
        (struct interval){.first = key_of(&range.base), .last = key_of(&last)};
    list->ranges_given++;
    return ERR_NONE;
}

static enum err add_name(struct blocklist *list, struct span text, bool below,
                         struct err_note *note) {
    void *items = list->names;
    if (!grow(&items, sizeof *list->names, list->name_count, &list->name_capacity)) {
        return err_note(note, ERR_RESOURCE, "no memory for the block list");
    }
    list->names = items;
    list->names[list->name_count++] =
        (struct name){.text = arena_copy(&list->texts, text), .below = below};
    list->names_given++;
    return ERR_NONE;
}

static enum err add_entry(struct blocklist *list, struct span text, const char *file, uint64_t line,
                          struct err_note *note) {
    struct netrange range = {0};
    const char *why = NULL;
    if (span_find(text, '/') < text.len) {
        if (!netrange_parse(text, &range, &why)) {
            return err_note(note, ERR_CONFIG, "%s:%llu: %s", file, (unsigned long long)line, why);
        }
        return add_range(list, range, note);
    }
    bool below = text.len > 2 && text.data[0] == '*' && text.data[1] == '.';
    struct span rest = below ? span_of(text.data + 2, text.len - 2) : text;
    char name[HOST_MAX + 1];
    size_t name_len;
    if (netaddr_parse(rest, &range.base) || (hostname_to_ascii(rest, name, &name_len, &why) &&
                                             netaddr_parse(span_of(name, name_len), &range.base))) {
        if (below) {
            return err_note(note, ERR_CONFIG,
                            "%s:%llu: \"*.\" before an address; write a range as ADDRESS/BITS",
                            file, (unsigned long long)line);
        }
        range.prefix = range.base.family == 4 ? 32 : 128;
        return add_range(list, range, note);
    }
    if (why != NULL) {
        return err_note(note, ERR_CONFIG,
                        "%s:%llu: %s; an entry is an address, ADDRESS/BITS, a "
                        "name or *.NAME",
                        file, (unsigned long long)line, why);
    }
    return add_name(list, span_of(name, name_len), below, note);
}

static enum err add_lines(struct blocklist *list, FILE *stream, const char *file,
                          struct err_note *note) {
    char *text = NULL;
    size_t capacity = 0;
    enum err err = ERR_NONE;
    uint64_t line = 0;
    errno = 0;
    for (ssize_t len; err == ERR_NONE && (len = getline(&text, &capacity, stream)) >= 0;) {
        struct span entry = span_of(text, (size_t)len);
        if (++line == 1 && len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
            entry = span_of(text + 3, (size_t)len - 3);
        }
        entry.len = span_find(entry, '#');
        entry = span_trim(entry);
        if (entry.len > 0) {
            err = add_entry(list, entry, file, line, note);
        }
    }
    free(text);
    if (err == ERR_NONE && ferror(stream)) {
        return err_note(note, ERR_CONFIG, "%s: cannot read the block list: %s", file,
                        strerror(errno));
    }
    return err;
}

static void sort_and_merge(struct blocklist *list) {
    if (list->interval_count > 0) {
        qsort(list->intervals, list->interval_count, sizeof *list->intervals, compare_intervals);
        size_t kept = 0;
        for (size_t i = 1; i < list->interval_count; i++) {
            struct interval *last = &list->intervals[kept], *next = &list->intervals[i];
            if (compare_keys(&next->first, &last->last) > 0) {
                list->intervals[++kept] = *next;
            } else if (compare_keys(&next->last, &last->last) > 0) {
                last->last = next->last;
            }
        }
        list->interval_count = kept + 1;
    }
    if (list->name_count > 0) {
        qsort(list->names, list->name_count, sizeof *list->names, compare_names);
    }
}

enum err blocklist_load(const char *file, struct blocklist **out, struct err_note *note) {
    FILE *stream = fopen(file, "re");
    if (stream == NULL) {
        return err_note(note, ERR_CONFIG, "%s: cannot open the block list: %s", file,
                        strerror(errno));
    }
    struct blocklist *list = calloc(1, sizeof *list);
    enum err err = list != NULL ? add_lines(list, stream, file, note)
                                : err_note(note, ERR_RESOURCE, "no memory for the block list");
    fclose(stream);
    if (err != ERR_NONE) {
        blocklist_free(list);
        return err;
    }
    sort_and_merge(list);
    *out = list;
    return ERR_NONE;
}

void blocklist_free(struct blocklist *list) {
    if (list != NULL) {
        free(list->intervals);
        free(list->names);
        arena_fini(&list->texts);
        free(list);
    }
}

bool blocklist_has_address(const struct blocklist *list, const struct netaddr *address) {
    if (list == NULL) {
        return false;
    }
    struct netaddr plain = *address;
    netaddr_unmap(&plain);
    struct key key = key_of(&plain);
    size_t low = 0,
           high = list->interval_count; /* the last interval that begins at or before key */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_keys(&list->intervals[middle].first, &key) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && compare_keys(&key, &list->intervals[low - 1].last) <= 0;
}

static bool has_name(const struct blocklist *list, struct span text, bool below) {
    struct name wanted = {.text = text, .below = below};
    return bsearch(&wanted, list->names, list->name_count, sizeof *list->names, compare_names) !=
           NULL;
}

bool blocklist_has_host(const struct blocklist *list, struct span host) {
    struct netaddr address;
    if (list == NULL || host.len == 0) {
        return false;
    }
    if (netaddr_parse(host, &address)) {
        return blocklist_has_address(list, &address);
    }
    if (list->name_count == 0) {
        return false;
    }
    if (has_name(list, host, false)) {
        return true;
    }
    struct span rest = host;
    for (size_t dot = span_find(rest, '.'); dot < rest.len; dot = span_find(rest, '.')) {
        rest = span_of(rest.data + dot + 1, rest.len - dot - 1);
        if (rest.len > 0 && has_name(list, rest, true)) {
            return true;
        }
    }
    return false;
}

void blocklist_counts(const struct blocklist *list, uint64_t *out_ranges, uint64_t *out_names) {
    *out_ranges = list != NULL ? list->ranges_given : 0;
    *out_names = list != NULL ? list->names_given : 0;
}
