/* Property: whatever policy can be read (a form feed divides a Chromium list from its keys) can be
   written in every format, with a complaint that says why not, or as a file that its own importer
   reads: no host, name or note breaks out of its place. */
#include "engine/policy/export.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_loss(void *context, const char *text) {
    (void)context;
    CHECK(strstr(text, "lost") != NULL || strstr(text, "left out") != NULL ||
          strstr(text, "would") != NULL);
}

static void check_readable(const struct export_result *result, enum export_format format) {
    struct pin_index index;
    struct err_note note = {""};
    struct trust_store *store = calloc(1, sizeof *store);
    CHECK(store != NULL);
    trust_store_init(store);
    pin_index_init(&index, 1);
    struct policy_companion keys = {.file = "q.pins",
                                    .bytes = span_of(result->keys.bytes, result->keys.len)};
    enum err err = policy_parse_with(span_of(result->file.bytes, result->file.len), "q.txt",
                                     export_importer(format), keys.bytes.len > 0 ? &keys : NULL,
                                     &index, store, &note);
    if (err != ERR_NONE) {
        fprintf(stderr, "%s, which the exporter for %s wrote:\n%s\n", note.text,
                export_format_words[format], result->file.bytes);
        abort();
    }
    pin_index_fini(&index);
    trust_store_fini(store);
    free(store);
}

static void write_all(const struct pin_index *index) {
    for (int format = 0; format < EXPORT_FORMAT_COUNT; format++) {
        struct export_config config = {.format = (enum export_format)format, .loss = check_loss};
        struct export_result result;
        struct err_note note = {""};
        enum err err = export_sets(&config, (const struct pin_set *const *)index->sets,
                                   index->set_count, &result, &note);
        CHECK((err == ERR_NONE) == (note.text[0] == '\0'));
        if (err == ERR_NONE) {
            check_readable(&result, (enum export_format)format);
        } else {
            CHECK(result.file.bytes == NULL && result.keys.bytes == NULL);
        }
        export_result_fini(&result);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pin_index index;
    struct err_note note = {""};
    struct trust_store *store = calloc(1, sizeof *store);
    CHECK(store != NULL);
    trust_store_init(store);
    pin_index_init(&index, 1);
    struct span rest = span_of(data, size), text = rest;
    if (size < 6 || memcmp(data, "bplist", 6) != 0) {
        text = span_take(&rest, span_find(rest, '\f'));
        span_take(&rest, 1);
    } else {
        rest = span_of(NULL, 0);
    }
    struct policy_companion companion = {.file = "p.pins", .bytes = rest};
    enum err err = policy_parse_with(text, "p.txt", IMPORT_AUTO, rest.len > 0 ? &companion : NULL,
                                     &index, store, &note);
    if (err == ERR_NONE) {
        write_all(&index);
    }
    pin_index_fini(&index);
    trust_store_fini(store);
    free(store);
    return 0;
}
