#include <stdlib.h>

#include "engine/trust/path_internal.h"

_Static_assert((PATH_EDGES_MAX & (PATH_EDGES_MAX - 1)) == 0, "a set is chosen by masking");

void path_edges_init(struct path_edges *memo) {
    memo->edges = calloc(PATH_EDGES_MAX, sizeof *memo->edges);
    CHECK(memo->edges != NULL);
    memo->turn = 0;
}

void path_edges_fini(struct path_edges *memo) {
    free(memo->edges);
    memo->edges = NULL;
}

void path_edges_key(const struct cert_record *const upper[], uint32_t count,
                    uint8_t out_key[SHA256_LEN]) {
    uint8_t digests[PATH_CERTS_MAX * SHA256_LEN];
    CHECK(count <= PATH_CERTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(digests + (size_t)i * SHA256_LEN, upper[i]->cert_sha256, SHA256_LEN);
    }
    sha256_once(span_of(digests, (size_t)count * SHA256_LEN), out_key);
}

static struct path_edge *set_of(const struct path_edges *memo, const uint8_t key[SHA256_LEN]) {
    uint32_t hash;
    memcpy(&hash, key, sizeof hash);
    return &memo->edges[(hash & (PATH_EDGES_MAX / PATH_EDGE_WAYS - 1)) * PATH_EDGE_WAYS];
}

const struct path_check *path_edges_find(const struct path_edges *memo,
                                         const uint8_t key[SHA256_LEN]) {
    const struct path_edge *set = set_of(memo, key);
    for (uint32_t way = 0; way < PATH_EDGE_WAYS; way++) {
        if (set[way].used && memcmp(set[way].key, key, SHA256_LEN) == 0) {
            return &set[way].check;
        }
    }
    return NULL;
}

void path_edges_put(struct path_edges *memo, const uint8_t key[SHA256_LEN],
                    struct path_check check) {
    struct path_edge *set = set_of(memo, key), *place = &set[memo->turn++ % PATH_EDGE_WAYS];
    for (uint32_t way = 0; way < PATH_EDGE_WAYS; way++) {
        if (!set[way].used) {
            place = &set[way];
            break;
        }
    }
    memcpy(place->key, key, SHA256_LEN);
    place->check = check;
    place->used = true;
}
