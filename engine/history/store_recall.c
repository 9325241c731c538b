/* What earlier sweeps verified: the paths of known chains, as references into the chain and into
   the anchors of the profile. Whatever in the store does not resolve is not remembered, and
   therefore verified anew. */
#include <stdlib.h>

#include "engine/history/store_writer_internal.h"

#define REFS_MAX (PATHS_MAX * (1 + PATH_CERTS_MAX))

#define DETAIL_MAX (sizeof((struct profile_paths *)NULL)->detail - 1)

struct store_path_set {
    uint16_t ref_count;
    uint8_t path_count, failure;
    bool truncated;
    uint16_t refs[]; /* then the detail, NUL-terminated */
};

void store_recall_fini(struct store_recall *recall) {
    store_digests_fini(&recall->chains);
    for (size_t i = 0; i < ARRAY_COUNT(recall->sets); i++) {
        free((void *)recall->sets[i]);
    }
    arena_fini(&recall->arena);
    *recall = (struct store_recall){0};
}

bool store_recall_find(void *context, const uint8_t chain_id[SHA256_LEN], uint32_t profile_idx,
                       struct path_recall *out) {
    const struct store_recall *recall = &((const struct store_writer *)context)->recall;
    const struct store_digest *chain = store_digests_find(&recall->chains, chain_id);
    const struct store_path_set *set = chain != NULL && recall->sets[profile_idx] != NULL
                                           ? recall->sets[profile_idx][chain->row]
                                           : NULL;
    if (set == NULL) {
        return false;
    }
    *out = (struct path_recall){.path_count = set->path_count,
                                .refs = set->refs,
                                .ref_count = set->ref_count,
                                .failure = (enum pkix)set->failure,
                                .truncated = set->truncated,
                                .detail = (const char *)(set->refs + set->ref_count)};
    return true;
}

/* --- reading one row --- */

/* The next number of a JSON array of numbers, or of arrays of them: steps over "[" "," "]". Sets
 *out_depth to the brackets open there; false at the end. */
static bool next_number(const char **at, uint32_t *depth, uint32_t *out) {
    uint64_t value = 0;
    while (**at == '[' || **at == ',' || **at == ']') {
        *depth += **at == '[';
        *depth -= **at == ']';
        (*at)++;
    }
    if (**at < '0' || **at > '9') {
        return false;
    }
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * 10 + (uint64_t)(**at - '0');
        if (value > UINT32_MAX) {
            return false;
        }
    }
    *out = (uint32_t)value;
    return true;
}

/* The certificates of a chain; 0 if they are no such list. */
static uint32_t read_certificates(const char *text, uint32_t out[CHAIN_CERTS_MAX]) {
    uint32_t count = 0, depth = 0, row;
    while (next_number(&text, &depth, &row)) {
        if (count == CHAIN_CERTS_MAX) {
            return 0;
        }
        out[count++] = row;
    }
    return *text == '\0' && depth == 0 ? count : 0;
}

struct anchor_place {
    uint32_t row, place;
};

struct loader {
    struct store_writer *writer;
    struct anchor_place *anchors[TRUST_PROFILES_MAX]; /* sorted by row */
    uint32_t anchor_counts[TRUST_PROFILES_MAX];
    uint32_t certs[CHAIN_CERTS_MAX], cert_count; /* of the chain at hand */
    uint16_t refs[REFS_MAX];
    uint32_t ref_count, path_count;
};

static int compare_anchors(const void *a, const void *b) {
    const struct anchor_place *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* The last of a path is an anchor; others are looked for in the chain first. */
static bool resolve(const struct loader *loader, uint32_t profile_idx, uint32_t row, bool is_last,
                    uint16_t *out) {
    for (uint32_t i = 0; !is_last && i < loader->cert_count; i++) {
        if (loader->certs[i] == row) {
            *out = (uint16_t)i;
            return true;
        }
    }
    struct anchor_place key = {.row = row};
    const struct anchor_place *anchor =
        bsearch(&key, loader->anchors[profile_idx], loader->anchor_counts[profile_idx], sizeof key,
                compare_anchors);
    if (anchor != NULL) {
        *out = (uint16_t)(PATH_REF_ANCHOR + anchor->place);
    }
    return anchor != NULL;
}

/* "[[12,13,77],[12,78]]" to references. */
static bool read_paths(struct loader *loader, uint32_t profile_idx, const char *text) {
    loader->ref_count = loader->path_count = 0;
    uint32_t depth = 0, row;
    if (*text++ != '[') {
        return false;
    }
    while (*text == '[' || *text == ',') { /* a path at a time */
        uint32_t rows[PATH_CERTS_MAX], count = 0;
        text += *text == ',';
        if (*text != '[' || loader->path_count == PATHS_MAX) {
            return false;
        }
        do {
            if (count == PATH_CERTS_MAX || !next_number(&text, &depth, &row) || depth != 1) {
                return false;
            }
            rows[count++] = row;
        } while (*text == ',');
        if (*text++ != ']') {
            return false;
        }
        depth = 0;
        loader->refs[loader->ref_count++] = (uint16_t)count;
        for (uint32_t i = 0; i < count; i++) {
            if (!resolve(loader, profile_idx, rows[i], i + 1 == count,
                         &loader->refs[loader->ref_count++])) {
                return false;
            }
        }
        loader->path_count++;
    }
    return strcmp(text, "]") == 0;
}

static bool grow_sets(struct store_recall *recall, uint32_t profile_count) {
    if (recall->chains.count <= recall->set_capacity) {
        return true;
    }
    uint32_t capacity = recall->set_capacity < 1024 ? 1024 : recall->set_capacity * 2;
    for (uint32_t i = 0; i < profile_count; i++) {
        const struct store_path_set **sets =
            realloc((void *)recall->sets[i], capacity * sizeof(const struct store_path_set *));
        if (sets == NULL) {
            return false;
        }
        memset((void *)(sets + recall->set_capacity), 0,
               (capacity - recall->set_capacity) * sizeof(const struct store_path_set *));
        recall->sets[i] = sets;
    }
    recall->set_capacity = capacity;
    return true;
}

/* False without memory. */
static bool keep_set(struct loader *loader, const uint8_t chain_id[SHA256_LEN],
                     uint32_t profile_idx, int failure, bool truncated, const char *detail) {
    struct store_recall *recall = &loader->writer->recall;
    struct store_digest *chain = store_digests_find(&recall->chains, chain_id);
    if (chain == NULL) {
        chain = store_digests_add(&recall->chains, chain_id, recall->chains.count);
        if (chain == NULL || !grow_sets(recall, loader->writer->config->trust->count)) {
            return false;
        }
    }
    size_t refs_len = loader->ref_count * sizeof loader->refs[0],
           detail_len = strnlen(detail, DETAIL_MAX);
    struct store_path_set *set =
        arena_alloc(&recall->arena, sizeof *set + refs_len + detail_len + 1);
    set->ref_count = (uint16_t)loader->ref_count;
    set->path_count = (uint8_t)loader->path_count;
    set->failure = (uint8_t)failure;
    set->truncated = truncated;
    memcpy(set->refs, loader->refs, refs_len);
    char *set_detail = (char *)(set->refs + loader->ref_count);
    memcpy(set_detail, detail, detail_len);
    set_detail[detail_len] = '\0';
    recall->sets[profile_idx][chain->row] = set;
    return true;
}

/* --- all rows --- */

static int find_profile(const struct store_writer *writer, int64_t row) {
    for (uint32_t i = 0; i < writer->config->trust->count; i++) {
        if (writer->profiles[i] == row) {
            return (int)i;
        }
    }
    return -1;
}

static const char *text_of(sqlite3_stmt *statement, int column) {
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text != NULL ? text : "";
}

/* chain, digest, certificates, profile, paths, failure, detail, truncated */
static bool take_row(struct loader *loader, sqlite3_stmt *statement) {
    struct store_writer *writer = loader->writer;
    int profile_idx = find_profile(writer, sqlite3_column_int64(statement, 3));
    if (profile_idx < 0 || sqlite3_column_bytes(statement, 1) != SHA256_LEN) {
        return true;
    }
    const uint8_t *id = sqlite3_column_blob(statement, 1);
    struct store_digest *known = store_digests_find(&writer->chains, id);
    int failure = store_value(writer->store, STORE_PKIX, sqlite3_column_int64(statement, 5));
    if (known == NULL || failure < 0) {
        return true;
    }
    loader->cert_count = read_certificates(text_of(statement, 2), loader->certs);
    if (loader->cert_count == 0 ||
        !read_paths(loader, (uint32_t)profile_idx, text_of(statement, 4))) {
        return true; /* verified anew, and then written over */
    }
    known->profiles |= 1u << profile_idx;
    return writer->recall.chains.count >= STORE_RECALL_MAX ||
           keep_set(loader, id, (uint32_t)profile_idx, failure,
                    sqlite3_column_int(statement, 7) != 0, text_of(statement, 6));
}

static enum err read_rows(struct loader *loader, struct err_note *note) {
    struct store *store = loader->writer->store;
    sqlite3_stmt *statement;
    enum err err = store_prepare(store,
                                 "SELECT chain.id, chain_sha256, certificates, profile, paths, "
                                 "failure, detail, truncated FROM chain_paths "
                                 "JOIN chain ON chain.id = chain_paths.chain "
                                 "ORDER BY chain_paths.chain DESC",
                                 &statement, note);
    bool row = err == ERR_NONE;
    while (row) { /* bounded by the table */
        err = store_step(store, statement, &row, note);
        if (err != ERR_NONE || !row) {
            break;
        }
        if (!take_row(loader, statement)) {
            err = err_note(note, ERR_RESOURCE, "not enough memory for the store's known paths");
            break;
        }
    }
    sqlite3_finalize(statement);
    return err;
}

enum err store_recall_load(struct store_writer *writer, struct err_note *note) {
    struct loader *loader = calloc(1, sizeof *loader);
    const struct trust_store *trust = writer->config->trust;
    bool good = loader != NULL;
    for (uint32_t p = 0; good && p < trust->count; p++) {
        uint32_t count = trust->profiles[p].count;
        loader->anchors[p] = calloc(count + 1, sizeof *loader->anchors[p]);
        good = loader->anchors[p] != NULL;
        for (uint32_t i = 0; good && i < count; i++) {
            loader->anchors[p][i] =
                (struct anchor_place){.row = writer->anchor_rows[p][i], .place = i};
        }
        if (good) {
            loader->anchor_counts[p] = count;
            qsort(loader->anchors[p], count, sizeof *loader->anchors[p], compare_anchors);
        }
    }
    enum err err = ERR_NONE;
    if (good) {
        loader->writer = writer;
        err = read_rows(loader, note);
    } else {
        err = err_note(note, ERR_RESOURCE, "not enough memory for the store's known paths");
    }
    for (uint32_t p = 0; loader != NULL && p < trust->count; p++) {
        free(loader->anchors[p]);
    }
    free(loader);
    return err;
}
