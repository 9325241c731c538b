/* Binary property lists (Apple's CFBinaryPList.c, "bplist00") into the tree that XML ones give.
   Read here and not by libplist: objects may be shared, so that a kilobyte can stand for a tree
   without end, and this reader bounds depth and work. There are no lines: complaints name the key
   path. */
#include "engine/codec/datetime.h"
#include "engine/codec/text.h"
#include "engine/policy/import_plist.h"

#define HEADER_LEN 8
#define TRAILER_LEN 32
#define EPOCH_2001 INT64_C(978307200) /* dates count from 2001-01-01 */
#define SHARING_MAX                                                                                \
    16 /* a tree may have that many times the bytes of its file: sharing is common */

struct bplist {
    struct import *import;
    struct span bytes;
    uint64_t table, count, top;
    unsigned offset_len, ref_len;
    size_t budget;
    uint32_t place_count, place_capacity;
};

static enum err broken(struct bplist *list, size_t at, const char *why) {
    return err_note(list->import->note, ERR_CONFIG,
                    "%s:byte %zu: binary property list: %s: make the file anew", list->import->file,
                    at, why);
}

static uint64_t read_big(const uint8_t *at, unsigned len) {
    uint64_t value = 0;
    for (unsigned i = 0; i < len; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static enum err read_trailer(struct bplist *list) {
    if (list->bytes.len < HEADER_LEN + TRAILER_LEN ||
        memcmp(list->bytes.data, "bplist00", HEADER_LEN) != 0) {
        return broken(list, 0, "it is cut off, or of another version than 00");
    }
    size_t at = list->bytes.len - TRAILER_LEN;
    const uint8_t *trailer = list->bytes.data + at;
    list->offset_len = trailer[6];
    list->ref_len = trailer[7];
    list->count = read_big(trailer + 8, 8);
    list->top = read_big(trailer + 16, 8);
    list->table = read_big(trailer + 24, 8);
    if (list->offset_len < 1 || list->offset_len > 8 || list->ref_len < 1 || list->ref_len > 8 ||
        list->count == 0 || list->count > at || list->top >= list->count ||
        list->table < HEADER_LEN || list->table > at ||
        list->count > (at - list->table) / list->offset_len) {
        return broken(list, at, "the table of offsets is not where the end says");
    }
    return ERR_NONE;
}

/* --- objects --- */

/* A marker and what follows: its count, and the place of the contents. */
struct object {
    size_t at, contents;
    uint8_t kind, low;
    uint64_t count;
};

static enum err read_object(struct bplist *list, uint64_t ref, struct object *out) {
    if (ref >= list->count) {
        return broken(list, (size_t)list->table, "a reference to an object that is not there");
    }
    uint64_t at =
        read_big(list->bytes.data + list->table + ref * list->offset_len, list->offset_len);
    if (at < HEADER_LEN || at >= list->table) {
        return broken(list, (size_t)list->table, "an offset outside the objects");
    }
    uint8_t marker = list->bytes.data[at];
    *out = (struct object){.at = (size_t)at,
                           .contents = (size_t)at + 1,
                           .kind = marker >> 4,
                           .low = marker & 15,
                           .count = marker & 15};
    if (out->low != 15 || out->kind < 4) {
        return ERR_NONE;
    }
    if (out->contents >= list->table || list->bytes.data[out->contents] >> 4 != 1 ||
        (list->bytes.data[out->contents] & 15) > 3) {
        return broken(list, out->at, "a length that is no number");
    }
    unsigned len = 1u << (list->bytes.data[out->contents] & 15);
    if (list->table - out->contents - 1 < len) {
        return broken(list, out->at, "a length that is cut off");
    }
    out->count = read_big(list->bytes.data + out->contents + 1, len);
    out->contents += 1 + len;
    return ERR_NONE;
}

static enum err spend(struct bplist *list, size_t at, uint64_t cost) {
    if (cost > list->budget) {
        return broken(list, at, "objects that are shared over and over, more than any app's");
    }
    list->budget -= (size_t)cost;
    return ERR_NONE;
}

static enum err check_contents(struct bplist *list, const struct object *object, size_t item_len) {
    if (object->count > (list->table - object->contents) / item_len) {
        return broken(list, object->at, "an object that goes on past the objects' end");
    }
    return spend(list, object->at, 1 + object->count * item_len);
}

/* UTF-16 with surrogate pairs; what is no pair becomes U+FFFD. */
static struct span decode_utf16(struct bplist *list, const struct object *object) {
    const uint8_t *units = list->bytes.data + object->contents;
    char *text = arena_alloc(&list->import->scratch, (size_t)object->count * 3 + 1);
    size_t len = 0;
    for (uint64_t i = 0; i < object->count; i++) {
        uint32_t unit = (uint32_t)read_big(units + 2 * i, 2);
        if (unit >= 0xD800 && unit < 0xDC00 && i + 1 < object->count) {
            uint32_t low = (uint32_t)read_big(units + 2 * i + 2, 2);
            if (low >= 0xDC00 && low < 0xE000) {
                unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                i++;
            }
        }
        len += text_utf8_encode(text + len, unit);
    }
    return span_of(text, len);
}

static enum err read_text(struct bplist *list, const struct object *object, struct span *out) {
    enum err err = check_contents(list, object, object->kind == 6 ? 2 : 1);
    if (err == ERR_NONE) {
        *out = object->kind == 6
                   ? decode_utf16(list, object)
                   : arena_copy(&list->import->scratch, span_of(list->bytes.data + object->contents,
                                                                (size_t)object->count));
        if (span_find(*out, '\0') < out->len) {
            return broken(list, object->at, "a NUL in a text");
        }
    }
    return err;
}

static enum err read_date(struct bplist *list, const struct object *object,
                          struct plist_value *value) {
    double seconds = 0;
    if (object->low != 3 || list->table - object->contents < 8) {
        return broken(list, object->at, "a date that is cut off");
    }
    uint64_t bits = read_big(list->bytes.data + object->contents, 8);
    memcpy(&seconds, &bits, sizeof seconds);
    if (!(seconds > -1e11 && seconds < 1e11)) {
        return broken(list, object->at, "a date outside all calendars");
    }
    value->kind = PLIST_DATE;
    value->date = (int64_t)seconds + EPOCH_2001;
    return ERR_NONE;
}

/* --- the tree --- */

/* "line" is the number of the place. */
static enum err add_place(struct bplist *list, size_t at, const char *parent, struct span key,
                          struct plist_value *value) {
    size_t parent_len = strcmp(parent, "/") != 0 ? strlen(parent) : 0;
    enum err err = spend(list, at, parent_len + 1 + key.len);
    if (err != ERR_NONE) {
        return err;
    }
    if (list->place_count == IMPORT_XML_NODES_MAX) {
        return broken(list, at, "more objects than any app's");
    }
    if (list->place_count == list->place_capacity) {
        uint32_t capacity = list->place_capacity > 0 ? 2 * list->place_capacity : 64;
        const char **places = arena_alloc(&list->import->scratch, capacity * sizeof(*places));
        if (list->place_count > 0) {
            memcpy(places, list->import->places, list->place_count * sizeof(*places));
        }
        list->import->places = places;
        list->place_capacity = capacity;
    }
    char *place = arena_alloc(&list->import->scratch, parent_len + 1 + key.len + 1);
    memcpy(place, parent, parent_len);
    place[parent_len] = '/';
    for (size_t i = 0; i < key.len; i++) {
        bool plain = key.data[i] >= 0x20 && key.data[i] < 0x7F;
        place[parent_len + 1 + i] = plain ? (char)key.data[i] : '?';
    }
    value->line = list->place_count;
    list->import->places[list->place_count++] = place;
    return ERR_NONE;
}

static enum err read_value(struct bplist *list, uint64_t ref, const char *parent, struct span key,
                           unsigned depth, struct plist_value **out);

static enum err read_entry(struct bplist *list, const struct object *object, uint64_t i,
                           unsigned depth, struct plist_value *value) {
    const uint8_t *refs = list->bytes.data + object->contents;
    struct plist_entry *entry = &value->entries[i];
    const char *place = list->import->places[value->line];
    char number[TEXT_U64_LEN_MAX];
    struct span key = span_of(number, text_format_u64(number, i));
    uint64_t child = i;
    if (value->kind == PLIST_DICT) {
        struct object key_object;
        enum err err =
            read_object(list, read_big(refs + i * list->ref_len, list->ref_len), &key_object);
        if (err == ERR_NONE && key_object.kind != 5 && key_object.kind != 6) {
            return broken(list, key_object.at, "a key that is no text");
        }
        if (err == ERR_NONE) {
            err = read_text(list, &key_object, &key);
        }
        if (err != ERR_NONE) {
            return err;
        }
        entry->key = arena_copy_text(&list->import->scratch, key);
        child += object->count;
    }
    return read_value(list, read_big(refs + child * list->ref_len, list->ref_len), place, key,
                      depth + 1, &entry->value);
}

static enum err read_children(struct bplist *list, const struct object *object, unsigned depth,
                              struct plist_value *value) {
    value->kind = object->kind == 13 ? PLIST_DICT : PLIST_ARRAY;
    if (depth == POLICY_DEPTH_MAX) {
        return broken(list, object->at, "objects nested too deeply (or in themselves)");
    }
    enum err err =
        check_contents(list, object, (value->kind == PLIST_DICT ? 2 : 1) * list->ref_len);
    if (err != ERR_NONE) {
        return err;
    }
    value->entries =
        arena_alloc(&list->import->scratch, ((size_t)object->count + 1) * sizeof *value->entries);
    for (uint64_t i = 0; i < object->count && err == ERR_NONE; i++) {
        err = read_entry(list, object, i, depth, value);
        value->count++;
    }
    return err == ERR_NONE && value->kind == PLIST_DICT ? plist_check_keys(list->import, value)
                                                        : err;
}

static enum err read_value(struct bplist *list, uint64_t ref, const char *parent, struct span key,
                           unsigned depth, struct plist_value **out) {
    struct plist_value *value = arena_alloc(&list->import->scratch, sizeof *value);
    struct object object;
    *value = (struct plist_value){.kind = PLIST_OTHER};
    *out = value;
    enum err err = read_object(list, ref, &object);
    if (err == ERR_NONE) {
        err = add_place(list, object.at, parent, key, value);
    }
    if (err != ERR_NONE) {
        return err;
    }
    switch (object.kind) {
    case 0:
        value->truth = object.low == 9;
        value->kind = object.low == 8 || object.low == 9 ? PLIST_BOOL : PLIST_OTHER;
        return ERR_NONE;
    case 3:
        return read_date(list, &object, value);
    case 5:
    case 6:
        value->kind = PLIST_STRING;
        return read_text(list, &object, &value->text);
    case 10:
    case 13:
        return read_children(list, &object, depth, value);
    default: /* numbers, data, UIDs: nobody here asks for one */
        return ERR_NONE;
    }
}

enum err plist_read_binary(struct import *import, struct span bytes, struct plist_value **out) {
    struct bplist list = {.import = import, .bytes = bytes, .budget = SHARING_MAX * bytes.len};
    enum err err = read_trailer(&list);
    if (err == ERR_NONE) {
        err = read_value(&list, list.top, "", span_of("", 0), 0, out);
    }
    return err;
}
