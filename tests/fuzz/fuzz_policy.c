/* Whatever the bytes: an error that names the file, or a policy whose every pin set has a name,
   hosts and pins and is found by each of its hosts. Inputs that could name trust files are left
   out: opening files is not what is tested. */
#include "engine/policy/policy.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    /* An exclusion or a more specific pattern of the same application may take it away. */
    CHECK(found || set->excluded_count > 0 || set->host_rule == PIN_HOST_LONGEST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (memmem(data, size, "file", 4) != NULL) {
        return 0;
    }
    struct pin_index index;
    struct err_note note = {""};
    struct trust_store *store = calloc(1, sizeof *store);
    CHECK(store != NULL);
    trust_store_init(store);
    pin_index_init(&index, 1);
    enum err err = policy_parse_native(span_of(data, size), "p.yaml", &index, store, &note);
    CHECK((err == ERR_NONE) == (note.text[0] == '\0'));
    CHECK(err == ERR_NONE || strncmp(note.text, "p.yaml:", 7) == 0);
    CHECK(err != ERR_NONE || index.set_count > 0);
    for (uint32_t i = 0; i < index.set_count && err == ERR_NONE; i++) {
        CHECK(index.sets[i]->name[0] != '\0' && index.sets[i]->pin_count > 0 &&
              index.sets[i]->host_count > 0);
        index.sets[i]->trust_none = true; /* no profiles are loaded here */
    }
    if (err == ERR_NONE && pin_index_bind(&index, store, &note) == ERR_NONE) {
        for (uint32_t i = 0; i < index.set_count; i++) {
            for (uint32_t j = 0; j < index.sets[i]->host_count; j++) {
                check_found(&index, index.sets[i], &index.sets[i]->hosts[j]);
            }
        }
    }
    pin_index_fini(&index);
    trust_store_fini(store);
    free(store);
    return 0;
}
