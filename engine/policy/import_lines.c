/* What the formats made of lines share. */
#define XXH_INLINE_ALL
#include <sys/mman.h>
#include <xxhash.h>

#include "engine/policy/import_set.h"

bool import_next_line(struct span *rest, uint32_t *line, struct span *out) {
    while (rest->len > 0) {
        struct span raw = span_take(rest, span_find(*rest, '\n'));
        span_take(rest, 1);
        ++*line;
        *out = span_trim(raw);
        if (*line == 1 && out->len >= 3 && memcmp(out->data, "\xEF\xBB\xBF", 3) == 0) {
            span_take(out, 3);
        }
        if (out->len > 0 && out->data[0] != '#') {
            return true;
        }
    }
    return false;
}

#define PAGE_BYTES ((uintptr_t)65536) /* or a part of it, on every machine */
#define GIVE_BACK_BYTES ((size_t)16 << 20)

void import_give_back(struct import *import, struct span rest) {
    if (import->bytes.len < GIVE_BACK_BYTES ||
        (size_t)(rest.data - import->bytes.data) < import->given_back + 2 * GIVE_BACK_BYTES) {
        return;
    }
    /* Pages; the rows before the last ones may still be looked at, though not for what matters. */
    uintptr_t start = (uintptr_t)import->bytes.data + import->given_back;
    uintptr_t end = (uintptr_t)rest.data - GIVE_BACK_BYTES;
    uintptr_t first = (start + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    end = end / PAGE_BYTES * PAGE_BYTES;
    if (first < end) {
        CHECK(madvise((void *)first, end - first, MADV_DONTNEED) == 0);
    }
    import->given_back = end - (uintptr_t)import->bytes.data;
}

struct span import_next_word(struct span *rest) {
    *rest = span_trim(*rest);
    size_t len = 0;
    while (len < rest->len && rest->data[len] != ' ' && rest->data[len] != '\t') {
        len++;
    }
    return span_take(rest, len);
}

/* --- sets by name --- */

static uint32_t *slot_of(const struct import_sets *sets, const char *text, uint64_t seed) {
    uint32_t at = (uint32_t)XXH3_64bits_withSeed(text, strlen(text), seed) & sets->mask;
    for (;;) { /* ends: the table is never more than half full */
        uint32_t *slot = &sets->slots[at];
        if (*slot == 0 || strcmp(sets->texts[*slot - 1], text) == 0) {
            return slot;
        }
        at = (at + 1) & sets->mask;
    }
}

static void grow(struct import *import, struct import_sets *sets) {
    struct arena *scratch = &import->scratch;
    struct import_sets larger = {.count = sets->count,
                                 .capacity = sets->capacity > 0 ? 2 * sets->capacity : 64};
    larger.mask = 2 * larger.capacity - 1;
    larger.items = arena_alloc(scratch, larger.capacity * sizeof(*larger.items));
    larger.texts = arena_alloc(scratch, larger.capacity * sizeof(*larger.texts));
    larger.slots = arena_alloc(scratch, (larger.mask + 1) * sizeof(*larger.slots));
    for (uint32_t i = 0; i < sets->count; i++) {
        larger.items[i] = sets->items[i];
        larger.texts[i] = sets->texts[i];
        *slot_of(&larger, larger.texts[i], import->index->seed) = i + 1;
    }
    *sets = larger;
}

struct import_set *import_sets_get(struct import *import, struct import_sets *sets,
                                   const char *text, enum pin_client client, uint32_t line,
                                   bool *out_new) {
    if (sets->count == sets->capacity) {
        grow(import, sets);
    }
    uint32_t *slot = slot_of(sets, text, import->index->seed);
    *out_new = *slot == 0;
    if (*out_new) {
        struct import_set *set = arena_alloc(&import->scratch, sizeof *set);
        import_set_begin(import, set, client, line);
        sets->items[sets->count] = set;
        sets->texts[sets->count] = arena_copy_text(&import->scratch, span_str(text));
        *slot = ++sets->count;
    }
    return sets->items[*slot - 1];
}

enum err import_sets_end(struct import *import, struct import_sets *sets) {
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < sets->count && err == ERR_NONE; i++) {
        err = import_set_end(import, sets->items[i]);
    }
    return err;
}
