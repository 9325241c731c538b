/* Property lists, in XML (plist(5)) or binary. Keys are looked up as their clients do; what is not
   looked for is not read, but a key that is there twice is refused wherever it is: readers differ
   in which of the two they take. */
#include "engine/policy/import_plist.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "engine/policy/import_xml.h"

static bool is(const struct xml_element *element, const char *name) {
    return strcmp(element->name, name) == 0;
}

/* --- the tree --- */

static enum err read_value(struct import *import, const struct xml_element *element,
                           struct plist_value **out);

static int compare_keys(const void *left, const void *right) {
    const struct plist_entry *a = *(const struct plist_entry *const *)left,
                             *b = *(const struct plist_entry *const *)right;
    int order = strcmp(a->key, b->key);
    return order != 0 ? order : (a > b) - (a < b);
}

enum err plist_check_keys(struct import *import, const struct plist_value *dict) {
    const struct plist_entry **sorted =
        arena_alloc(&import->scratch, (dict->count + 1) * sizeof(*sorted));
    for (uint32_t i = 0; i < dict->count; i++) {
        sorted[i] = &dict->entries[i];
    }
    qsort(sorted, dict->count, sizeof(*sorted), compare_keys);
    for (uint32_t i = 1; i < dict->count; i++) {
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0) {
            return import_fail(import, sorted[i]->value->line, NULL,
                               "the key \"%s\" is already there, at %s: keep one of them",
                               import_quote(import, span_str(sorted[i]->key)),
                               import_where(import, sorted[i - 1]->value->line));
        }
    }
    return ERR_NONE;
}

static enum err read_dict(struct import *import, const struct xml_element *element,
                          struct plist_value *dict) {
    const struct xml_element *key = NULL;
    enum err err = ERR_NONE;
    for (const struct xml_element *child = element->first; child != NULL && err == ERR_NONE;
         child = child->next) {
        if (is(child, "key") != (key == NULL)) {
            return import_fail(import, child->line, NULL,
                               "in a <dict> every <key> is followed by its value: put in the %s",
                               key == NULL ? "key" : "value");
        }
        if (key == NULL) {
            key = child;
            continue;
        }
        struct plist_entry *entry = &dict->entries[dict->count++];
        entry->key = arena_copy_text(&import->scratch, key->text);
        err = read_value(import, child, &entry->value);
        key = NULL;
    }
    if (err == ERR_NONE && key != NULL) {
        return import_fail(import, key->line, NULL,
                           "in a <dict> every <key> is followed by its value: put in the value");
    }
    return err == ERR_NONE ? plist_check_keys(import, dict) : err;
}

static enum err read_date(struct import *import, const struct xml_element *element,
                          struct plist_value *value) {
    if (!datetime_parse(span_trim(element->text), &value->date)) {
        return import_fail(import, element->line, NULL,
                           "\"%s\" is no <date>: write 2027-06-01T00:00:00Z",
                           import_quote(import, element->text));
    }
    return ERR_NONE;
}

/* No deeper than the XML may nest. */
static enum err read_value(struct import *import, const struct xml_element *element,
                           struct plist_value **out) {
    static const struct {
        const char *name;
        enum plist_kind kind;
    } kinds[] = {{"dict", PLIST_DICT},     {"array", PLIST_ARRAY}, {"string", PLIST_STRING},
                 {"true", PLIST_BOOL},     {"false", PLIST_BOOL},  {"date", PLIST_DATE},
                 {"integer", PLIST_OTHER}, {"real", PLIST_OTHER},  {"data", PLIST_OTHER}};
    size_t i = 0, children = 0;
    while (i < ARRAY_COUNT(kinds) && !is(element, kinds[i].name)) {
        i++;
    }
    if (i == ARRAY_COUNT(kinds)) {
        return import_fail(import, element->line, NULL, "<%s> is no value of a property list",
                           import_quote(import, span_str(element->name)));
    }
    struct plist_value *value = arena_alloc(&import->scratch, sizeof *value);
    *value = (struct plist_value){.kind = kinds[i].kind,
                                  .line = element->line,
                                  .text = element->text,
                                  .truth = is(element, "true")};
    *out = value;
    for (const struct xml_element *child = element->first; child != NULL; child = child->next) {
        children++;
    }
    value->entries = arena_alloc(&import->scratch, (children + 1) * sizeof *value->entries);
    if (value->kind == PLIST_DICT) {
        return read_dict(import, element, value);
    }
    if (value->kind == PLIST_DATE) {
        return read_date(import, element, value);
    }
    enum err err = ERR_NONE;
    for (const struct xml_element *child = element->first;
         value->kind == PLIST_ARRAY && child != NULL && err == ERR_NONE; child = child->next) {
        err = read_value(import, child, &value->entries[value->count++].value);
    }
    return err;
}

/* --- for the two readers --- */

const struct plist_value *plist_get(const struct plist_value *dict, const char *key) {
    for (uint32_t i = 0; dict != NULL && dict->kind == PLIST_DICT && i < dict->count; i++) {
        if (strcmp(dict->entries[i].key, key) == 0) {
            return dict->entries[i].value;
        }
    }
    return NULL;
}

enum err plist_expect(struct import *import, const struct plist_value *dict, const char *key,
                      const char *host, enum plist_kind kind, const struct plist_value **out) {
    static const char *const words[] = {
        [PLIST_DICT] = "<dict>",     [PLIST_ARRAY] = "<array>",
        [PLIST_STRING] = "<string>", [PLIST_BOOL] = "<true/> or <false/>",
        [PLIST_DATE] = "<date>",     [PLIST_OTHER] = "value"};
    *out = plist_get(dict, key);
    if (*out != NULL && (*out)->kind != kind) {
        return import_fail(import, (*out)->line, host, "%s wants a %s", key, words[kind]);
    }
    return ERR_NONE;
}

enum err plist_read_bool(struct import *import, const struct plist_value *dict, const char *key,
                         const char *host, bool *out) {
    const struct plist_value *value = NULL;
    enum err err = plist_expect(import, dict, key, host, PLIST_BOOL, &value);
    if (err == ERR_NONE && value != NULL) {
        *out = value->truth;
    }
    return err;
}

const char *plist_set_name(struct import *import, enum pin_client client, const char *host) {
    const char *parts[] = {import->prefix, ":", pin_client_text(client), ":", host};
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        len += strlen(parts[i]);
    }
    char *name = arena_alloc(&import->index->arena, len + 1);
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        strcat(name, parts[i]);
    }
    return name;
}

/* --- the whole --- */

static enum err read_root(struct import *import, const struct plist_value *root) {
    const struct plist_value *transport = NULL, *apple = NULL, *config = NULL, *trustkit = NULL;
    enum err err =
        plist_expect(import, root, "NSAppTransportSecurity", NULL, PLIST_DICT, &transport);
    if (err == ERR_NONE) {
        err = plist_expect(import, transport, "NSPinnedDomains", NULL, PLIST_DICT, &apple);
    }
    if (err == ERR_NONE) {
        err = plist_expect(import, root, "TSKConfiguration", NULL, PLIST_DICT, &config);
    }
    if (err == ERR_NONE) {
        err = plist_expect(import, config != NULL ? config : root, "TSKPinnedDomains", NULL,
                           PLIST_DICT, &trustkit);
    }
    if (err == ERR_NONE && apple != NULL) {
        err = import_apple(import, apple);
    }
    if (err == ERR_NONE && trustkit != NULL) {
        err = import_trustkit(import, trustkit);
    }
    return err;
}

enum err import_plist(struct import *import, struct span bytes) {
    const struct xml_element *root = NULL;
    struct plist_value *value = NULL;
    if (bytes.len >= 6 && memcmp(bytes.data, "bplist", 6) == 0) {
        enum err binary = plist_read_binary(import, bytes, &value);
        if (binary == ERR_NONE && value->kind != PLIST_DICT) {
            return import_fail(import, value->line, NULL,
                               "a property list with pins is a dictionary: give the app's "
                               "Info.plist");
        }
        return binary == ERR_NONE ? read_root(import, value) : binary;
    }
    enum err err = import_xml_read(import, bytes, &root);
    if (err == ERR_NONE && (!is(root, "plist") || root->first == NULL || !is(root->first, "dict") ||
                            root->first->next != NULL)) {
        return import_fail(import, root->line, NULL,
                           "a property list with pins is a <plist> with one <dict>: give the "
                           "app's Info.plist");
    }
    if (err == ERR_NONE) {
        err = read_value(import, root->first, &value);
    }
    return err == ERR_NONE ? read_root(import, value) : err;
}
