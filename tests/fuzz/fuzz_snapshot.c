/* Whatever the lines: an error that names file and line, or a snapshot whose indices all point
   inside. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/history/load_ndjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_certs(const struct snapshot *snapshot, const uint32_t *certs, uint32_t first,
                        uint32_t count, uint32_t certs_count) {
    CHECK(first <= certs_count && count <= certs_count - first);
    for (uint32_t i = first; i < first + count; i++) {
        CHECK(certs[i] < snapshot->certs_count);
    }
}

static void check(const struct snapshot *snapshot) {
    for (uint32_t i = 0; i < snapshot->targets_count; i++) {
        const struct snapshot_target *target = &snapshot->targets[i];
        CHECK(target->first_view + target->view_count <= snapshot->views_count);
        CHECK(target->first_set + target->set_count <= snapshot->sets_count);
        CHECK(target->verdict < VERDICT_COUNT && target->status < OUTCOME_COUNT);
    }
    for (uint32_t i = 0; i < snapshot->views_count; i++) {
        CHECK(snapshot->views[i].chain == SNAPSHOT_NONE ||
              snapshot->views[i].chain < snapshot->chains_count);
    }
    for (uint32_t i = 0; i < snapshot->sets_count; i++) {
        CHECK(snapshot->sets[i].cert == SNAPSHOT_NONE ||
              snapshot->sets[i].cert < snapshot->certs_count);
    }
    for (uint32_t i = 0; i < snapshot->chains_count; i++) {
        const struct snapshot_chain *chain = &snapshot->chains[i];
        check_certs(snapshot, snapshot->chain_certs, chain->first_cert, chain->cert_count,
                    snapshot->chain_certs_count);
        CHECK(chain->first_path + chain->path_count <= snapshot->paths_count);
        CHECK(chain->first_pkix + chain->pkix_count <= snapshot->pkix_count);
    }
    for (uint32_t i = 0; i < snapshot->paths_count; i++) {
        const struct snapshot_path *path = &snapshot->paths[i];
        CHECK(path->profile < snapshot->profile_count && path->cert_count > 0);
        check_certs(snapshot, snapshot->path_certs, path->first_cert, path->cert_count,
                    snapshot->path_certs_count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct snapshot snapshot;
    struct err_note note = {""};
    snapshot_init(&snapshot);
    struct loader loader = {.snapshot = &snapshot,
                            .file = "f",
                            .sweep = "",
                            .seen = "",
                            .keep_der = (enum keep_der)(size % 3),
                            .note = &note};
    struct span rest = span_of(data, size);
    enum err err = ERR_NONE;
    while (rest.len > 0 && err == ERR_NONE) {
        loader.line++;
        err = load_line(&loader, span_take(&rest, span_find(rest, '\n')));
        span_take(&rest, 1);
    }
    CHECK((err == ERR_NONE) == (note.text[0] == '\0'));
    CHECK(err == ERR_NONE || strncmp(note.text, "f:", 2) == 0);
    load_derive(&snapshot);
    check(&snapshot);
    snapshot_fini(&snapshot);
    return 0;
}
