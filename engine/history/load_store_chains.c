/* The chains, paths and certificates that the rows of a sweep refer to. A table is read in runs of
   needed keys: after a night on a known fleet these are nearly all of it. */
#include <stdlib.h>

#include "engine/codec/text.h"
#include "engine/history/load_store_internal.h"

#define RUN_GAP 64 /* rows that nobody asked for are cheaper passed over than jumped */

/* --- keys --- */

static enum err map_init(struct store_loader *load, struct key_map *map, const char *sql,
                         const char *what) {
    sqlite3_stmt *statement;
    bool row = false;
    enum err err = load_prepare(load, sql, &statement);
    map->what = what;
    if (err == ERR_NONE) {
        err = load_step(load, statement, &row);
    }
    int64_t max = err == ERR_NONE && row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    if (err != ERR_NONE) {
        return err;
    }
    if (max < 0 || max >= STORE_KEYS_MAX) {
        return store_damaged(load, what, max);
    }
    map->count = (uint32_t)max + 1;
    map->needed = calloc(map->count, sizeof *map->needed);
    map->indices = calloc(map->count, sizeof *map->indices);
    return map->needed == NULL || map->indices == NULL ? store_no_memory(load) : ERR_NONE;
}

static void map_fini(struct key_map *map) {
    free(map->needed);
    free(map->indices);
}

static enum err map_need(struct store_loader *load, struct key_map *map, int64_t key, uint8_t how) {
    if (key < 0 || key >= map->count) {
        return store_damaged(load, map->what, key);
    }
    map->needed[key] |= how;
    return ERR_NONE;
}

/* The next run of needed keys from `from` on, small gaps included; false if there is none. */
static bool map_run(const struct key_map *map, uint32_t from, uint32_t *out_first,
                    uint32_t *out_last) {
    while (from < map->count && map->needed[from] == 0) {
        from++;
    }
    if (from == map->count) {
        return false;
    }
    *out_first = *out_last = from;
    for (uint32_t at = from + 1; at < map->count && at - *out_last <= RUN_GAP; at++) {
        *out_last = map->needed[at] != 0 ? at : *out_last;
    }
    return true;
}

/* Calls `take` for the rows of all needed keys; column 0 is the key, ?1 and ?2 bound the run. */
static enum err each_needed(struct store_loader *load, const struct key_map *map, const char *sql,
                            enum err (*take)(struct store_loader *load, sqlite3_stmt *statement,
                                             uint32_t key)) {
    sqlite3_stmt *statement;
    uint32_t first = 0, last = 0;
    enum err err = load_prepare(load, sql, &statement);
    while (err == ERR_NONE && map_run(map, first, &first, &last)) {
        bool row = true;
        sqlite3_bind_int64(statement, 1, first);
        sqlite3_bind_int64(statement, 2, last);
        while (err == ERR_NONE && (err = load_step(load, statement, &row)) == ERR_NONE && row) {
            uint32_t key = (uint32_t)sqlite3_column_int64(statement, 0);
            if (map->needed[key] != 0) {
                err = take(load, statement, key);
            }
        }
        sqlite3_reset(statement);
        first = last + 1;
    }
    sqlite3_finalize(statement);
    return err;
}

/* Store keys in an array become indices of the snapshot. */
static enum err translate(struct store_loader *load, const struct key_map *map, uint32_t *keys,
                          uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = keys[i];
        if (map->indices[key] == 0) {
            return store_damaged(load, map->what, key);
        }
        keys[i] = map->indices[key] - 1;
    }
    return ERR_NONE;
}

enum err load_maps_init(struct store_loader *load) {
    enum err err = map_init(load, &load->chains, "SELECT coalesce(max(id), 0) FROM chain", "chain");
    return err != ERR_NONE
               ? err
               : map_init(load, &load->certs, "SELECT coalesce(max(id), 0) FROM certificate",
                          "certificate");
}

void load_maps_fini(struct store_loader *load) {
    map_fini(&load->chains);
    map_fini(&load->certs);
}

enum err load_need_chain(struct store_loader *load, int64_t key) {
    return map_need(load, &load->chains, key, NEEDED);
}

enum err load_need_cert(struct store_loader *load, int64_t key) {
    return map_need(load, &load->certs, key, NEEDED);
}

/* --- JSON arrays of keys, as the program writes them --- */

static bool take_byte(struct span *text, char byte) {
    if (text->len == 0 || text->data[0] != (uint8_t)byte) {
        return false;
    }
    span_take(text, 1);
    return true;
}

/* "[1,2,3]" off the front. */
static bool take_keys(struct span *text, uint32_t *out, uint32_t max, uint32_t *out_count) {
    uint32_t count = 0;
    if (!take_byte(text, '[')) {
        return false;
    }
    while (!take_byte(text, ']')) {
        size_t digits = 0;
        uint64_t key;
        if (count > 0 && !take_byte(text, ',')) {
            return false;
        }
        while (digits < text->len && text->data[digits] >= '0' && text->data[digits] <= '9') {
            digits++;
        }
        if (count == max || !text_parse_u64(span_take(text, digits), STORE_KEYS_MAX, &key)) {
            return false;
        }
        out[count++] = (uint32_t)key;
    }
    *out_count = count;
    return true;
}

static enum err need_certs(struct store_loader *load, const uint32_t *keys, uint32_t count) {
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < count && err == ERR_NONE; i++) {
        err = map_need(load, &load->certs, keys[i], i == 0 ? NEEDED : NEEDED | NEEDED_AS_ISSUER);
    }
    return err;
}

/* --- chains and certificates --- */

static enum err load_chain_row(struct store_loader *load, sqlite3_stmt *row, uint32_t key) {
    struct span digest = column_span(row, 1), text = column_span(row, 2);
    uint32_t keys[CHAIN_CERTS_MAX], count;
    if (digest.len != SHA256_LEN || !take_keys(&text, keys, CHAIN_CERTS_MAX, &count)) {
        return store_damaged(load, "chain", key);
    }
    uint32_t idx = snapshot_chain(load->snapshot, digest.data);
    if (idx == SNAPSHOT_NONE) {
        return store_no_memory(load);
    }
    load->chains.indices[key] = idx + 1;
    snapshot_chain_set(load->snapshot, idx, keys, count);
    return need_certs(load, keys, count);
}

static enum err add_path(struct store_loader *load, uint32_t chain, uint32_t profile,
                         const uint32_t *keys, uint32_t count) {
    struct snapshot_path path = {.profile = profile,
                                 .cert_count = count,
                                 .not_before = DATETIME_NONE,
                                 .not_after = DATETIME_NONE};
    snapshot_path(load->snapshot, chain, &path, keys);
    return need_certs(load, keys, count);
}

static enum err load_paths_row(struct store_loader *load, sqlite3_stmt *row, uint32_t key) {
    struct snapshot *snapshot = load->snapshot;
    uint32_t profile = 0, keys[PATH_CERTS_MAX], count, paths = 0;
    int64_t profile_key = sqlite3_column_int64(row, 1);
    struct span text = column_span(row, 2);
    int failure;
    while (profile < load->profile_count && load->profile_keys[profile] != profile_key) {
        profile++;
    }
    if (profile == load->profile_count) {
        return ERR_NONE; /* another sweep's */
    }
    enum err err = column_word(load, row, 3, STORE_PKIX, &failure);
    if (err == ERR_NONE && (load->chains.indices[key] == 0 || !take_byte(&text, '['))) {
        err = store_damaged(load, "the paths of chain", key);
    }
    uint32_t chain = load->chains.indices[key] - 1;
    if (err == ERR_NONE && !snapshot->chains[chain].judged) {
        snapshot_chain_judge(snapshot, chain);
    }
    while (err == ERR_NONE && !take_byte(&text, ']')) {
        if ((paths > 0 && !take_byte(&text, ',')) || paths == PATHS_MAX ||
            !take_keys(&text, keys, PATH_CERTS_MAX, &count) || count == 0) {
            err = store_damaged(load, "a path of chain", key);
        } else {
            err = add_path(load, chain, profile, keys, count);
            paths++;
        }
    }
    if (err == ERR_NONE) {
        snapshot_pkix(snapshot, chain, profile, (enum pkix)failure);
    }
    return err;
}

static enum err load_cert_row(struct store_loader *load, sqlite3_stmt *row, uint32_t key) {
    struct snapshot *snapshot = load->snapshot;
    struct span digest = column_span(row, 1), spki = column_span(row, 2);
    if (digest.len != SHA256_LEN || (spki.len != 0 && spki.len != SHA256_LEN)) {
        return store_damaged(load, "certificate", key);
    }
    uint32_t idx = snapshot_cert(snapshot, digest.data);
    if (idx == SNAPSHOT_NONE) {
        return store_no_memory(load);
    }
    struct snapshot_cert *cert = &snapshot->certs[idx];
    load->certs.indices[key] = idx + 1;
    cert->has_spki = spki.len > 0;
    if (cert->has_spki) {
        memcpy(cert->spki_sha256, spki.data, SHA256_LEN);
    }
    cert->subject = column_text(load, row, 3);
    cert->issuer = column_text(load, row, 4);
    cert->serial = column_text(load, row, 5);
    cert->not_before = column_time(row, 6);
    cert->not_after = column_time(row, 7);
    cert->key = column_text(load, row, 8);
    cert->is_ca = sqlite3_column_int(row, 9) != 0;
    cert->strict = cert->known = sqlite3_column_int(row, 10) != 0;
    cert->first_sct_s = column_time(row, 11);
    if (load->loader->keep_der == KEEP_DER_NONE ||
        (load->loader->keep_der == KEEP_DER_ISSUERS && !cert->is_ca &&
         (load->certs.needed[key] & NEEDED_AS_ISSUER) == 0)) {
        load->certs.needed[key] = 0; /* load_der_row() is for the others */
    }
    return ERR_NONE;
}

static enum err load_der_row(struct store_loader *load, sqlite3_stmt *row, uint32_t key) {
    if (load->certs.indices[key] == 0) {
        return store_damaged(load, load->certs.what, key);
    }
    struct snapshot_cert *cert = &load->snapshot->certs[load->certs.indices[key] - 1];
    if (cert->der.len == 0) {
        cert->der = arena_copy(&load->snapshot->texts, column_span(row, 1));
    }
    return ERR_NONE;
}

static enum err translate_all(struct store_loader *load) {
    struct snapshot *snapshot = load->snapshot;
    enum err err =
        translate(load, &load->certs, snapshot->chain_certs, snapshot->chain_certs_count);
    if (err == ERR_NONE) {
        err = translate(load, &load->certs, snapshot->path_certs, snapshot->path_certs_count);
    }
    for (uint32_t i = 0; i < snapshot->views_count && err == ERR_NONE; i++) {
        if (snapshot->views[i].chain != SNAPSHOT_NONE) {
            err = translate(load, &load->chains, &snapshot->views[i].chain, 1);
        }
    }
    for (uint32_t i = 0; i < snapshot->sets_count && err == ERR_NONE; i++) {
        if (snapshot->sets[i].cert != SNAPSHOT_NONE) {
            err = translate(load, &load->certs, &snapshot->sets[i].cert, 1);
        }
    }
    return err;
}

enum err load_chains(struct store_loader *load) {
    enum err err = each_needed(load, &load->chains,
                               "SELECT id, chain_sha256, certificates FROM chain "
                               "WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
                               load_chain_row);
    if (err == ERR_NONE) {
        err = each_needed(load, &load->chains,
                          "SELECT chain, profile, paths, failure FROM chain_paths "
                          "WHERE chain BETWEEN ?1 AND ?2 ORDER BY chain, profile",
                          load_paths_row);
    }
    if (err == ERR_NONE) {
        err = each_needed(load, &load->certs,
                          "SELECT id, cert_sha256, spki_sha256, subject, issuer, serial, "
                          "not_before, not_after, key, is_ca, strict, first_sct "
                          "FROM certificate WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
                          load_cert_row);
    }
    if (err == ERR_NONE) {
        err = each_needed(load, &load->certs,
                          "SELECT certificate, der FROM certificate_der "
                          "WHERE certificate BETWEEN ?1 AND ?2 ORDER BY certificate",
                          load_der_row);
    }
    return err == ERR_NONE ? translate_all(load) : err;
}

/* --- what time says --- */

/* The preferred path of a profile: the first that is valid, else the first (trust/path.h). */
static void judge_profile(struct snapshot *snapshot, const struct snapshot_chain *chain,
                          struct snapshot_pkix *result, int64_t at_s) {
    struct snapshot_path *preferred = NULL;
    for (uint32_t i = chain->first_path; i < chain->first_path + chain->path_count; i++) {
        struct snapshot_path *path = &snapshot->paths[i];
        path->valid = path->not_before != DATETIME_NONE && path->not_before <= at_s &&
                      at_s <= path->not_after;
        if (path->profile == result->profile &&
            (preferred == NULL || (path->valid && !preferred->valid))) {
            preferred = path;
        }
    }
    if (preferred != NULL) {
        preferred->preferred = true;
        result->result = preferred->valid              ? PKIX_OK
                         : at_s > preferred->not_after ? PKIX_EXPIRED
                                                       : PKIX_NOT_YET_VALID;
    }
}

void load_judge_at(struct snapshot *snapshot, int64_t at_s) {
    for (uint32_t i = 0; i < snapshot->chains_count; i++) {
        const struct snapshot_chain *chain = &snapshot->chains[i];
        for (uint32_t j = chain->first_pkix; j < chain->first_pkix + chain->pkix_count; j++) {
            judge_profile(snapshot, chain, &snapshot->pkix[j], at_s);
        }
    }
}
