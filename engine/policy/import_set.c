#define XXH_INLINE_ALL
#include "engine/policy/import_set.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "engine/codec/hostname.h"
#include "engine/codec/netaddr.h"

#define QUOTE_MAX 100
#define PLACE_SHOWN_MAX 300
#define PINS_COMPARED_MAX 16 /* a set of more finds a pin that it has already by a table */

/* --- the file --- */

static struct span file_stem(const char *file) {
    const char *slash = strrchr(file, '/');
    struct span stem = span_str(slash != NULL ? slash + 1 : file);
    for (size_t i = stem.len; i > 1; i--) {
        if (stem.data[i - 1] == '.') {
            stem.len = i - 1;
            break;
        }
    }
    return stem;
}

/* Two applications often have files of the same name: the later one then goes by its path. */
static bool prefix_is_taken(const struct import *import, const char *prefix) {
    for (uint32_t i = 0; i < import->index->set_count; i++) {
        const struct pin_set *set = import->index->sets[i];
        if (strcmp(set->application, prefix) == 0 && strcmp(set->file, import->file) != 0) {
            return true;
        }
    }
    return false;
}

void import_begin(struct import *import, const char *file, struct pin_index *index,
                  struct err_note *note) {
    *import = (struct import){.index = index, .note = note};
    import->file = arena_copy_text(&index->arena, span_str(file));
    import->prefix = arena_copy_text(&index->arena, file_stem(file));
    if (prefix_is_taken(import, import->prefix)) {
        import->prefix = import->file;
    }
}

enum err import_end(struct import *import, enum err err, const char *what) {
    if (err == ERR_NONE && import->added == 0) {
        err = err_note(import->note, ERR_CONFIG,
                       "%s:1: there is no %s in it, so that nothing would be pinned: add one, or "
                       "leave the file out",
                       import->file, what);
    }
    arena_fini(&import->scratch);
    return err;
}

enum err import_fail(struct import *import, uint32_t line, const char *host, const char *format,
                     ...) {
    char text[ERR_NOTE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bool named = host != NULL && host[0] != '\0';
    char number[16];
    snprintf(number, sizeof number, "%u", line);
    return err_note(import->note, ERR_CONFIG, "%s:%.*s: %.*s%s%s", import->file, PLACE_SHOWN_MAX,
                    import->places != NULL ? import->places[line] : number, named ? HOST_MAX : 0,
                    named ? host : "", named ? ": " : "", text);
}

const char *import_where(struct import *import, uint32_t line) {
    if (import->places != NULL) {
        return import->places[line];
    }
    char text[24];
    int len = snprintf(text, sizeof text, "line %u", line);
    return arena_copy_text(&import->scratch, span_of(text, (size_t)len));
}

const char *import_quote(struct import *import, struct span text) {
    bool cut = text.len > QUOTE_MAX;
    char *quoted = arena_alloc(&import->scratch, QUOTE_MAX + 4);
    size_t len = 0;
    for (; len < text.len && len < QUOTE_MAX; len++) {
        uint8_t byte = text.data[len];
        quoted[len] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
    }
    memcpy(quoted + len, cut ? "..." : "", cut ? 4 : 1);
    return quoted;
}

/* --- hosts --- */

static enum err read_name(struct import *import, uint32_t line, struct span written,
                          struct span name, struct pin_host *out) {
    struct netaddr address;
    if (out->pattern == PIN_PATTERN_NAME && netaddr_parse(name, &address)) {
        char text[NETADDR_TEXT_MAX];
        out->name =
            arena_copy_text(&import->index->arena, span_of(text, netaddr_format(text, &address)));
        return ERR_NONE;
    }
    char ascii[HOST_MAX + 1];
    size_t len = 0;
    const char *why = NULL;
    if (!hostname_to_ascii(name, ascii, &len, &why)) {
        return import_fail(import, line, NULL, "\"%s\" is no host: %s",
                           import_quote(import, written), why);
    }
    if (hostname_ends_in_number(span_of(ascii, len))) {
        return import_fail(import, line, NULL,
                           "\"%s\" is no host: its last label is a number, and no top-level "
                           "domain is: write a name, or an address without wildcard",
                           import_quote(import, written));
    }
    out->name = arena_copy_text(&import->index->arena, span_of(ascii, len));
    return ERR_NONE;
}

enum err import_read_host(struct import *import, uint32_t line, struct span text, bool wildcards,
                          struct pin_host *out) {
    struct span written = text;
    *out = (struct pin_host){.pattern = PIN_PATTERN_NAME};
    if (wildcards && text.len > 3 && memcmp(text.data, "**.", 3) == 0) {
        out->pattern = PIN_PATTERN_ANY_DEPTH;
        span_take(&text, 3);
    } else if (wildcards && text.len > 2 && memcmp(text.data, "*.", 2) == 0) {
        out->pattern = PIN_PATTERN_ONE_LABEL;
        span_take(&text, 2);
    }
    if (span_find(text, '*') < text.len) {
        return import_fail(import, line, NULL, "\"%s\" is no host: %s",
                           import_quote(import, written),
                           wildcards ? "a wildcard is \"*.\" (one label) or \"**.\" (any depth, "
                                       "itself included) in front"
                                     : "this client has no wildcards, name the host");
    }
    return read_name(import, line, written, text, out);
}

const char *import_host_text(struct import *import, const struct pin_host *host) {
    static const char *const prefixes[] = {
        [PIN_PATTERN_NAME] = "", [PIN_PATTERN_ONE_LABEL] = "*.", [PIN_PATTERN_ANY_DEPTH] = "**."};
    char text[HOST_MAX + 16], port[8] = "";
    bool brackets = host->port != 0 && strchr(host->name, ':') != NULL;
    if (host->port != 0) {
        snprintf(port, sizeof port, ":%u", host->port);
    }
    int len = snprintf(text, sizeof text, "%s%s%s%s%s", prefixes[host->pattern],
                       brackets ? "[" : "", host->name, brackets ? "]" : "", port);
    return arena_copy_text(&import->index->arena, span_of(text, (size_t)len));
}

/* --- pins --- */

enum err import_read_pin(struct import *import, uint32_t line, const char *host, enum pin_alg alg,
                         struct span text, struct pin *out) {
    const char *word = pin_alg_words[alg], *why = NULL;
    size_t word_len = strlen(word);
    char *whole = arena_alloc(&import->scratch, word_len + 1 + text.len);
    memcpy(whole, word, word_len);
    whole[word_len] = '/';
    if (text.len > 0) {
        memcpy(whole + word_len + 1, text.data, text.len);
    }
    if (!pin_parse(span_of(whole, word_len + 1 + text.len), &import->index->arena, out, &why)) {
        return import_fail(import, line, host, "the pin \"%s\": %s", import_quote(import, text),
                           why);
    }
    out->line = import->places != NULL ? 0 : line;
    return ERR_NONE;
}

/* --- pin sets --- */

void import_set_begin(struct import *import, struct import_set *out, enum pin_client client,
                      uint32_t line) {
    *out = (struct import_set){.set = arena_alloc(&import->index->arena, sizeof *out->set)};
    pin_set_init(out->set, client);
    out->set->file = import->file;
    out->set->line = import->places != NULL ? 0 : line;
    out->set->application = import->prefix;
}

static void *grown(struct arena *arena, const void *items, uint32_t count, uint32_t *capacity,
                   size_t item_len) {
    *capacity = *capacity > 0 ? 2 * *capacity : 1;
    void *more = arena_alloc(arena, *capacity * item_len);
    if (count > 0) {
        memcpy(more, items, count * item_len);
    }
    return more;
}

void import_set_add_host(struct import *import, struct import_set *set, struct pin_host host) {
    if (set->host_count == set->host_capacity) {
        set->hosts = grown(&import->index->arena, set->hosts, set->host_count, &set->host_capacity,
                           sizeof *set->hosts);
    }
    set->hosts[set->host_count++] = host;
}

void import_set_exclude(struct import *import, struct import_set *set, const char *pattern) {
    if (set->excluded_count == set->excluded_capacity) {
        set->excluded = grown(&import->index->arena, set->excluded, set->excluded_count,
                              &set->excluded_capacity, sizeof *set->excluded);
    }
    set->excluded[set->excluded_count++] = pattern;
}

static bool is_same_pin(const struct pin *a, const struct pin *b, bool any_role) {
    return a->alg == b->alg && a->of == b->of && a->list == b->list &&
           (any_role || a->role == b->role) && a->tlsa_usage == b->tlsa_usage &&
           span_equal(a->value, b->value);
}

/* The slot of an equal pin, or a free one. */
static uint32_t *pin_slot(const struct import *import, const struct import_set *set,
                          const struct pin *pin, bool any_role) {
    uint32_t at =
        (uint32_t)XXH3_64bits_withSeed(pin->value.data, pin->value.len, import->index->seed);
    for (;; at++) { /* ends: the table is never more than half full */
        uint32_t *slot = &set->slots[at & set->slot_mask];
        if (*slot == 0 || is_same_pin(&set->pins[*slot - 1], pin, any_role)) {
            return slot;
        }
    }
}

static bool has_pin(const struct import *import, const struct import_set *set,
                    const struct pin *pin, bool any_role) {
    if (set->slots != NULL) {
        return *pin_slot(import, set, pin, any_role) != 0;
    }
    for (uint32_t i = 0; i < set->pin_count; i++) {
        if (is_same_pin(&set->pins[i], pin, any_role)) {
            return true;
        }
    }
    return false;
}

bool import_set_has_pin(const struct import *import, const struct import_set *set,
                        const struct pin *pin) {
    return has_pin(import, set, pin, true);
}

/* A table with room for twice as many as there are. */
static void grow_slots(struct import *import, struct import_set *set) {
    set->slot_mask = 4 * PINS_COMPARED_MAX - 1;
    while (set->slot_mask < 4 * set->pin_count) {
        set->slot_mask = 2 * set->slot_mask + 1;
    }
    set->slots = arena_alloc(&import->scratch, ((size_t)set->slot_mask + 1) * sizeof *set->slots);
    for (uint32_t i = 0; i < set->pin_count; i++) {
        *pin_slot(import, set, &set->pins[i], false) = i + 1;
    }
}

bool import_set_add_pin(struct import *import, struct import_set *set, const struct pin *pin) {
    if (set->too_many || has_pin(import, set, pin, false)) {
        return false;
    }
    if (set->pin_count == IMPORT_PINS_MAX) {
        set->too_many = true;
        return false;
    }
    if (set->pin_count == set->pin_capacity) {
        size_t len = set->pin_count * sizeof *pin;
        if (len > 0 && arena_extend(&import->index->pin_lists, set->pins, len, len + sizeof *pin)) {
            set->pin_capacity++;
        } else {
            set->pins = grown(&import->index->pin_lists, set->pins, set->pin_count,
                              &set->pin_capacity, sizeof *pin);
        }
    }
    set->pins[set->pin_count++] = *pin;
    if (set->pin_count > PINS_COMPARED_MAX && 2 * set->pin_count > set->slot_mask) {
        grow_slots(import, set);
    } else if (set->slots != NULL) {
        *pin_slot(import, set, pin, false) = set->pin_count;
    }
    return true;
}

void import_set_share_pins(struct import_set *set, const struct import_set *of) {
    CHECK(set->pin_count == 0);
    set->pins = of->pins;
    set->pin_count = set->pin_capacity = of->pin_count;
    set->too_many = of->too_many;
}

enum err import_set_end(struct import *import, struct import_set *under_way) {
    struct pin_set *set = under_way->set;
    struct arena *arena = &import->index->arena;
    CHECK(under_way->host_count > 0 && under_way->pin_count > 0);
    if (under_way->too_many) {
        return import_fail(import, set->line, import_host_text(import, &under_way->hosts[0]),
                           "more than %d pins for one host: split the set", IMPORT_PINS_MAX);
    }
    set->hosts = under_way->hosts;
    set->host_count = under_way->host_count;
    set->pins = under_way->pins;
    set->pin_count = under_way->pin_count;
    set->excluded = under_way->excluded;
    set->excluded_count = under_way->excluded_count;
    import_extra_end(import, under_way);
    import->added++;
    if (set->name[0] != '\0') {
        return pin_index_add(import->index, set, import->note);
    }
    const char *host = import_host_text(import, &set->hosts[0]);
    size_t prefix_len = strlen(import->prefix), host_len = strlen(host);
    char *name = arena_alloc(arena, prefix_len + 1 + host_len + 1);
    memcpy(name, import->prefix, prefix_len);
    name[prefix_len] = ':';
    memcpy(name + prefix_len + 1, host, host_len);
    set->name = name;
    return pin_index_add(import->index, set, import->note);
}

/* --- entries without pins --- */

static int compare_domains(const void *left, const void *right) {
    const struct import_domain *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

/* The nearest parent domain whose pins reach `name`. */
static const struct import_domain *pinned_parent(const struct import_domain *domains, size_t count,
                                                 const char *name) {
    for (const char *dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        size_t low = 0, high = count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (strcmp(domains[middle].name, dot + 1) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if (low < count && strcmp(domains[low].name, dot + 1) == 0 && domains[low].subdomains &&
            domains[low].set != NULL) {
            return &domains[low];
        }
    }
    return NULL;
}

static void exclude(struct import *import, struct import_set *set,
                    const struct import_domain *domain) {
    bool any_depth = domain->subdomains || domain->cuts_below;
    struct pin_host pattern = {.name = domain->name,
                               .pattern = any_depth ? PIN_PATTERN_ANY_DEPTH : PIN_PATTERN_NAME};
    import_set_exclude(import, set, import_host_text(import, &pattern));
}

enum err import_domains_settle(struct import *import, struct import_domain *domains, size_t count) {
    if (count > 0) {
        qsort(domains, count, sizeof *domains, compare_domains);
    }
    for (size_t i = 1; i < count; i++) {
        if (strcmp(domains[i - 1].name, domains[i].name) == 0) {
            return import_fail(import, domains[i].line, domains[i].name,
                               "is already there, at %s, and the client takes a domain only once: "
                               "keep one of them",
                               import_where(import, domains[i - 1].line));
        }
    }
    for (size_t i = 0; i < count; i++) {
        bool excludes = domains[i].set == NULL || (domains[i].cuts_below && !domains[i].subdomains);
        const struct import_domain *parent =
            excludes ? pinned_parent(domains, count, domains[i].name) : NULL;
        if (parent != NULL) {
            exclude(import, parent->set, &domains[i]);
        }
    }
    return ERR_NONE;
}
