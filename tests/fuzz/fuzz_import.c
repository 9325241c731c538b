/* Pins in the clients' formats; the first byte selects the format. Whatever follows: an error that
   names the file, or pin sets with names, hosts and pins, each found by its hosts. A form feed
   divides a Chromium list from its keys. Native policies have fuzz_policy. */
#include "engine/policy/import.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum import_format choose(uint8_t byte) {
    int count = 0;
    while (import_format_words[count] != NULL) {
        count++;
    }
    return (enum import_format)(IMPORT_NATIVE + 1 + byte % (count - IMPORT_NATIVE - 1));
}

/* A host that the pattern must match. */
static void check_found(const struct pin_index *index, const struct pin_set *set,
                        const struct pin_host *pattern) {
    char host[HOST_MAX + 3];
    snprintf(host, sizeof host, "%s%s", pattern->pattern == PIN_PATTERN_ONE_LABEL ? "x." : "",
             pattern->name);
    if (strlen(host) > HOST_MAX) {
        return;
    }
    const struct pin_set *sets[64];
    size_t count =
        pin_index_lookup(index, span_str(host), pattern->port != 0 ? pattern->port : 1, sets, 64);
    bool found = count > 64;
    for (size_t i = 0; i < count && i < 64; i++) {
        found = found || sets[i] == set;
    }
    /* A more specific pattern of the same application may take it away. */
    CHECK(found || set->excluded_count > 0 || set->host_rule == PIN_HOST_LONGEST);
}

static void check_sets(struct pin_index *index, struct trust_store *store) {
    struct err_note note = {""};
    CHECK(index->set_count > 0);
    for (uint32_t i = 0; i < index->set_count; i++) {
        struct pin_set *set = index->sets[i];
        CHECK(set->name[0] != '\0' && set->pin_count > 0 && set->host_count > 0);
        CHECK(set->file[0] != '\0' && set->application[0] != '\0');
        set->trust_none = true; /* no profiles are loaded here */
    }
    if (pin_index_bind(index, store, &note) != ERR_NONE) {
        CHECK(note.text[0] != '\0');
        return;
    }
    for (uint32_t i = 0; i < index->set_count; i++) {
        for (uint32_t j = 0; j < index->sets[i]->host_count; j++) {
            check_found(index, index->sets[i], &index->sets[i]->hosts[j]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    struct pin_index index;
    struct err_note note = {""};
    struct trust_store *store = calloc(1, sizeof *store);
    CHECK(store != NULL);
    trust_store_init(store);
    pin_index_init(&index, 1);
    struct span rest = span_of(data + 1, size - 1), text = span_take(&rest, span_find(rest, '\f'));
    span_take(&rest, 1);
    struct policy_companion companion = {.file = "p.txt", .bytes = rest};
    enum err err = policy_parse_with(text, "p.txt", choose(data[0]),
                                     rest.len > 0 ? &companion : NULL, &index, store, &note);
    CHECK((err == ERR_NONE) == (note.text[0] == '\0'));
    if (err == ERR_NONE) {
        check_sets(&index, store);
    } else {
        /* Two hosts of one name end in pin_index_add(), which names the set. */
        CHECK(strstr(note.text, "p.txt:") != NULL);
    }
    pin_index_fini(&index);
    trust_store_fini(store);
    free(store);
    return 0;
}
