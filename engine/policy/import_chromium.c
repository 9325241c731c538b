/* Chromium's static pins (net/http/transport_security_state_static*.json): `pinsets` with
   static_spki_hashes and bad_static_spki_hashes, whose names stand in the .pins file beside it, and
   `entries`. A pin set for each pinset, with the hosts of all entries that name it. Of a host the
   most specific entry counts, even one that has no pins or does not reach down to it
   (PreloadResult in net/http/transport_security_state.cc). A list older than ten weeks is not
   enforced. */
#include "engine/policy/import_chromium.h"

#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "engine/policy/import_json.h"

#define WEEK_S INT64_C(604800)
#define LIST_AGE_MAX_S (10 * WEEK_S)

struct pinset {
    const char *name;
    uint32_t line;
    struct import_set *set;
};

struct list {
    struct import *import;
    struct chromium_pins pins;
    struct pinset *pinsets;   /* by name */
    struct import_set **sets; /* as they stand in the file */
    uint32_t pinset_count;
    struct import_domain *domains;
    size_t domain_count;
};

/* --- members --- */

static enum err read_text(struct list *list, const cJSON *object, const char *key,
                          const char **out) {
    const cJSON *member = NULL;
    enum err err = import_json_member(list->import, object, key, &member);
    if (err == ERR_NONE && member != NULL && !cJSON_IsString(member)) {
        return import_fail(list->import, import_json_line(member), NULL, "\"%s\" wants a string",
                           key);
    }
    *out = member != NULL ? member->valuestring : NULL;
    return err;
}

static enum err read_flag(struct list *list, const cJSON *object, const char *key, bool *out) {
    const cJSON *member = NULL;
    enum err err = import_json_member(list->import, object, key, &member);
    if (err == ERR_NONE && member != NULL && !cJSON_IsBool(member)) {
        return import_fail(list->import, import_json_line(member), NULL,
                           "\"%s\" wants true or false", key);
    }
    *out = member != NULL && cJSON_IsTrue(member);
    return err;
}

/* *out_count objects, or texts. */
static enum err read_list(struct list *list, const cJSON *object, const char *key, bool of_objects,
                          const cJSON **out_first, uint32_t *out_count) {
    const cJSON *member = NULL;
    enum err err = import_json_member(list->import, object, key, &member);
    if (err != ERR_NONE) {
        return err;
    }
    *out_first = member != NULL ? member->child : NULL;
    *out_count = 0;
    if (member != NULL && !cJSON_IsArray(member)) {
        return import_fail(list->import, import_json_line(member), NULL, "\"%s\" wants a list",
                           key);
    }
    for (const cJSON *item = *out_first; item != NULL; item = item->next, ++*out_count) {
        if (of_objects ? !cJSON_IsObject(item) : !cJSON_IsString(item)) {
            return import_fail(list->import, import_json_line(item), NULL,
                               "\"%s\" wants a list of %s", key,
                               of_objects ? "objects" : "names, each a string");
        }
    }
    return ERR_NONE;
}

/* --- pinsets --- */

static enum err add_pins(struct list *list, const cJSON *object, const char *key,
                         enum pin_role role, struct import_set *set) {
    const cJSON *first = NULL;
    uint32_t count = 0;
    enum err err = read_list(list, object, key, false, &first, &count);
    for (const cJSON *item = first; err == ERR_NONE && item != NULL; item = item->next) {
        const struct chromium_pin *named =
            chromium_pins_find(&list->pins, span_str(item->valuestring));
        if (named == NULL) {
            return import_fail(list->import, import_json_line(item), NULL,
                               "the key \"%s\" is not in %s: add it there, or correct the name",
                               import_quote(list->import, span_str(item->valuestring)),
                               list->pins.file);
        }
        struct pin pin = named->pin;
        pin.role = role;
        pin.line = import_json_line(item);
        pin.note = arena_copy_text(&list->import->index->arena, named->name);
        import_set_add_pin(list->import, set, &pin);
    }
    return err;
}

static enum err read_pinset(struct list *list, const cJSON *object, struct pinset *out) {
    struct import *import = list->import;
    uint32_t line = import_json_line(object);
    *out = (struct pinset){.line = line, .set = arena_alloc(&import->scratch, sizeof *out->set)};
    enum err err = read_text(list, object, "name", &out->name);
    if (err == ERR_NONE && (out->name == NULL || out->name[0] == '\0')) {
        return import_fail(import, line, NULL, "a pinset without a name: add \"name\"");
    }
    if (err != ERR_NONE) {
        return err;
    }
    import_set_begin(import, out->set, PIN_CLIENT_CHROMIUM, line);
    err = add_pins(list, object, "static_spki_hashes", PIN_ACTIVE, out->set);
    uint32_t good = out->set->pin_count;
    if (err == ERR_NONE) {
        err = add_pins(list, object, "bad_static_spki_hashes", PIN_BAD, out->set);
    }
    if (err == ERR_NONE && good == 0) {
        return import_fail(import, line, NULL,
                           "the pinset \"%s\" has no static_spki_hashes: add a key, or take the "
                           "pinset out",
                           import_quote(import, span_str(out->name)));
    }
    if (err == ERR_NONE && list->pins.time_unix_s != DATETIME_NONE) {
        /* Enforced for whole days under 70; our sets until their expiry is past. */
        out->set->set->expires = list->pins.time_unix_s + LIST_AGE_MAX_S - 1;
    }
    return err;
}

static int compare_pinsets(const void *left, const void *right) {
    const struct pinset *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static enum err read_pinsets(struct list *list, const cJSON *root) {
    struct import *import = list->import;
    const cJSON *first = NULL;
    enum err err = read_list(list, root, "pinsets", true, &first, &list->pinset_count);
    if (err != ERR_NONE) {
        return err;
    }
    uint32_t count = list->pinset_count;
    list->pinsets = arena_alloc(&import->scratch, (count + 1) * sizeof *list->pinsets);
    list->sets = arena_alloc(&import->scratch, (count + 1) * sizeof *list->sets);
    uint32_t i = 0;
    for (const cJSON *item = first; item != NULL && err == ERR_NONE; item = item->next, i++) {
        err = read_pinset(list, item, &list->pinsets[i]);
        list->sets[i] = list->pinsets[i].set;
    }
    if (err == ERR_NONE && count > 0) {
        qsort(list->pinsets, count, sizeof *list->pinsets, compare_pinsets);
    }
    for (i = 1; i < count && err == ERR_NONE; i++) {
        if (strcmp(list->pinsets[i - 1].name, list->pinsets[i].name) == 0) {
            return import_fail(import, list->pinsets[i].line, NULL,
                               "the pinset \"%s\" is already there, at line %u: keep one of them",
                               import_quote(import, span_str(list->pinsets[i].name)),
                               list->pinsets[i - 1].line);
        }
    }
    return err;
}

static const struct pinset *find_pinset(const struct list *list, const char *name) {
    struct pinset key = {.name = name};
    uint32_t low = 0, high = list->pinset_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(list->pinsets[middle].name, key.name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < list->pinset_count && strcmp(list->pinsets[low].name, name) == 0
               ? &list->pinsets[low]
               : NULL;
}

/* --- entries --- */

static enum err name_set(struct list *list, const struct pinset *pinset) {
    struct import *import = list->import;
    struct span parts[] = {span_str(import->prefix), span_str(":"), span_str(pinset->name)};
    size_t len = 0;
    char *name = arena_alloc(&import->index->arena, parts[0].len + 1 + parts[2].len + 1);
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        memcpy(name + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    pinset->set->set->name = name;
    return ERR_NONE;
}

static enum err add_host(struct list *list, const char *pins, struct pin_host host,
                         struct import_domain *domain) {
    const struct pinset *pinset = find_pinset(list, pins);
    if (pinset == NULL) {
        return import_fail(list->import, domain->line, host.name,
                           "there is no pinset \"%s\": add it, or correct the name",
                           import_quote(list->import, span_str(pins)));
    }
    domain->set = pinset->set;
    host.pattern = domain->subdomains ? PIN_PATTERN_ANY_DEPTH : PIN_PATTERN_NAME;
    import_set_add_host(list->import, pinset->set, host);
    return pinset->set->host_count == 1 ? name_set(list, pinset) : ERR_NONE;
}

static enum err read_entry(struct list *list, const cJSON *entry, struct import_domain *out) {
    struct import *import = list->import;
    const char *name = NULL, *pins = NULL;
    bool below = false, pins_below = false;
    struct pin_host host = {0};
    *out = (struct import_domain){.line = import_json_line(entry), .cuts_below = true};
    enum err err = read_text(list, entry, "name", &name);
    if (err == ERR_NONE && name == NULL) {
        return import_fail(import, out->line, NULL, "an entry without a name: add \"name\"");
    }
    if (err == ERR_NONE) {
        err = import_read_host(import, out->line, span_str(name), false, &host);
    }
    if (err == ERR_NONE) {
        err = read_flag(list, entry, "include_subdomains", &below);
    }
    if (err == ERR_NONE) {
        err = read_flag(list, entry, "include_subdomains_for_pinning", &pins_below);
    }
    if (err == ERR_NONE) {
        err = read_text(list, entry, "pins", &pins);
    }
    out->name = host.name;
    out->subdomains = below || pins_below;
    return err == ERR_NONE && pins != NULL && pins[0] != '\0' ? add_host(list, pins, host, out)
                                                              : err;
}

static enum err read_entries(struct list *list, const cJSON *root) {
    const cJSON *first = NULL;
    uint32_t count = 0;
    enum err err = read_list(list, root, "entries", true, &first, &count);
    if (err != ERR_NONE) {
        return err;
    }
    list->domains =
        arena_alloc(&list->import->scratch, ((size_t)count + 1) * sizeof *list->domains);
    for (const cJSON *item = first; item != NULL && err == ERR_NONE; item = item->next) {
        err = read_entry(list, item, &list->domains[list->domain_count++]);
    }
    return err == ERR_NONE ? import_domains_settle(list->import, list->domains, list->domain_count)
                           : err;
}

/* --- the whole --- */

static enum err read_root(struct list *list, const cJSON *root) {
    if (!cJSON_IsObject(root)) {
        return import_fail(list->import, import_json_line(root), NULL,
                           "a list of pins is an object with \"pinsets\" and \"entries\"");
    }
    enum err err = read_pinsets(list, root);
    if (err == ERR_NONE) {
        err = read_entries(list, root);
    }
    for (uint32_t i = 0; i < list->pinset_count && err == ERR_NONE; i++) {
        /* No entry names it: it pins nothing. */
        err =
            list->sets[i]->host_count > 0 ? import_set_end(list->import, list->sets[i]) : ERR_NONE;
    }
    return err;
}

enum err import_chromium(struct import *import, struct span json) {
    struct list list = {.import = import};
    cJSON *root = NULL;
    if (import->companion == NULL) {
        return import_fail(import, 1, NULL,
                           "the names in it stand for keys of a .pins file, and there is none: put "
                           "it beside this file under the same name with .pins at the end, or "
                           "give it too");
    }
    enum err err =
        chromium_pins_read(import, import->companion->file, import->companion->bytes, &list.pins);
    if (err == ERR_NONE) {
        err = import_json_read(import, json, &root);
    }
    if (err == ERR_NONE) {
        err = read_root(&list, root);
        cJSON_Delete(root);
    }
    return err;
}
