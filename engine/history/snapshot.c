#include "engine/history/snapshot.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/base/rng.h"
#include "engine/codec/cert.h"
#include "engine/codec/cert_sct.h"
#include "engine/codec/dname.h"
#include "engine/codec/text.h"

/* --- arrays and tables --- */

/* Room for one more element, or NULL with the snapshot marked failed. */
static void *grow(struct snapshot *snapshot, void *items, size_t item_len, uint32_t count,
                  uint32_t *capacity) {
    if (count < *capacity) {
        return items;
    }
    uint32_t wanted = *capacity < 64 ? 64 : *capacity + *capacity / 2;
    void *larger = wanted < SNAPSHOT_NONE / 2 ? realloc(items, (size_t)wanted * item_len) : NULL;
    if (larger == NULL) {
        snapshot->failed = true;
        return NULL;
    }
    *capacity = wanted;
    return larger;
}

/* Appends a zeroed element to the array `name` and yields its index, SNAPSHOT_NONE without memory.
 */
#define APPEND(snapshot, name, out_idx)                                                            \
    do {                                                                                           \
        void *grown_ = grow((snapshot), (snapshot)->name, sizeof *(snapshot)->name,                \
                            (snapshot)->name##_count, &(snapshot)->name##_capacity);               \
        (out_idx) = SNAPSHOT_NONE;                                                                 \
        if (grown_ != NULL) {                                                                      \
            (snapshot)->name = grown_;                                                             \
            (out_idx) = (snapshot)->name##_count++;                                                \
            memset(&(snapshot)->name[(out_idx)], 0, sizeof *(snapshot)->name);                     \
        }                                                                                          \
    } while (0)

static uint32_t hash_bytes(const struct snapshot *snapshot, const void *bytes, size_t len) {
    return (uint32_t)XXH3_64bits_withSeed(bytes, len, snapshot->seed);
}

/* The slot that holds an element of this hash which `same` says yes to, else the empty one where it
   belongs. */
static struct snapshot_slot *
table_find(const struct snapshot *snapshot, const struct snapshot_table *table, uint32_t hash,
           bool (*same)(const struct snapshot *snapshot, uint32_t idx, struct span key),
           struct span key) {
    uint32_t at = hash & table->mask;
    for (; table->slots[at].idx != 0; at = (at + 1) & table->mask) {
        if (table->slots[at].hash == hash && same(snapshot, table->slots[at].idx - 1, key)) {
            break;
        }
    }
    return &table->slots[at];
}

/* Doubles the table when it is half full. */
static bool table_reserve(struct snapshot *snapshot, struct snapshot_table *table) {
    uint32_t size = table->slots == NULL ? 0 : table->mask + 1;
    if (table->used + 1 <= size / 2) {
        return true;
    }
    uint32_t wanted = size < 1024 ? 1024 : size * 2;
    struct snapshot_slot *slots = wanted > size ? calloc(wanted, sizeof *slots) : NULL;
    if (slots == NULL) {
        snapshot->failed = true;
        return false;
    }
    for (uint32_t i = 0; i < size; i++) {
        if (table->slots[i].idx != 0) {
            uint32_t at = table->slots[i].hash & (wanted - 1);
            while (slots[at].idx != 0) {
                at = (at + 1) & (wanted - 1);
            }
            slots[at] = table->slots[i];
        }
    }
    free(table->slots);
    table->slots = slots;
    table->mask = wanted - 1;
    return true;
}

static bool text_same(const struct snapshot *snapshot, uint32_t idx, struct span key) {
    const char *have = snapshot->all_texts[idx];
    return strncmp(have, (const char *)key.data, key.len) == 0 && have[key.len] == '\0';
}

static bool cert_same(const struct snapshot *snapshot, uint32_t idx, struct span key) {
    return memcmp(snapshot->certs[idx].cert_sha256, key.data, SHA256_LEN) == 0;
}

static bool chain_same(const struct snapshot *snapshot, uint32_t idx, struct span key) {
    return memcmp(snapshot->chains[idx].id, key.data, SHA256_LEN) == 0;
}

void snapshot_init(struct snapshot *snapshot) {
    *snapshot = (struct snapshot){.seed = random_u64()};
    snapshot->meta.sweep = snapshot->meta.source = snapshot->meta.metadata = "";
}

void snapshot_fini(struct snapshot *snapshot) {
    free(snapshot->targets);
    free(snapshot->views);
    free(snapshot->sets);
    free(snapshot->chains);
    free(snapshot->certs);
    free(snapshot->paths);
    free(snapshot->pkix);
    free(snapshot->chain_certs);
    free(snapshot->path_certs);
    free(snapshot->all_texts);
    free(snapshot->text_table.slots);
    free(snapshot->cert_table.slots);
    free(snapshot->chain_table.slots);
    arena_fini(&snapshot->texts);
    *snapshot = (struct snapshot){0};
}

const char *snapshot_text(struct snapshot *snapshot, struct span text) {
    text.len = span_find(text, 0); /* records hold no NUL; a forged one ends there */
    if (text.len == 0 || !table_reserve(snapshot, &snapshot->text_table)) {
        return "";
    }
    uint32_t hash = hash_bytes(snapshot, text.data, text.len);
    struct snapshot_slot *slot = table_find(snapshot, &snapshot->text_table, hash, text_same, text);
    if (slot->idx != 0) {
        return snapshot->all_texts[slot->idx - 1];
    }
    uint32_t idx;
    APPEND(snapshot, all_texts, idx);
    if (idx == SNAPSHOT_NONE) {
        return "";
    }
    snapshot->all_texts[idx] = arena_copy_text(&snapshot->texts, text);
    *slot = (struct snapshot_slot){.hash = hash, .idx = idx + 1};
    snapshot->text_table.used++;
    return snapshot->all_texts[idx];
}

uint32_t snapshot_find_profile(const struct snapshot *snapshot, const char *name) {
    for (uint32_t i = 0; i < snapshot->profile_count; i++) {
        if (strcmp(snapshot->profiles[i], name) == 0) {
            return i;
        }
    }
    return SNAPSHOT_NONE;
}

uint32_t snapshot_profile(struct snapshot *snapshot, struct span name) {
    const char *text = snapshot_text(snapshot, name);
    uint32_t idx = snapshot_find_profile(snapshot, text);
    if (idx == SNAPSHOT_NONE && snapshot->profile_count < TRUST_PROFILES_MAX) {
        idx = snapshot->profile_count++;
        snapshot->profiles[idx] = text;
    }
    return idx;
}

/* --- certificates and chains --- */

uint32_t snapshot_find_cert(const struct snapshot *snapshot,
                            const uint8_t cert_sha256[SHA256_LEN]) {
    if (snapshot->cert_table.slots == NULL) {
        return SNAPSHOT_NONE;
    }
    struct span key = span_of(cert_sha256, SHA256_LEN);
    uint32_t hash = hash_bytes(snapshot, cert_sha256, SHA256_LEN);
    return table_find(snapshot, &snapshot->cert_table, hash, cert_same, key)->idx - 1;
}

uint32_t snapshot_cert(struct snapshot *snapshot, const uint8_t cert_sha256[SHA256_LEN]) {
    if (!table_reserve(snapshot, &snapshot->cert_table)) {
        return SNAPSHOT_NONE;
    }
    uint32_t hash = hash_bytes(snapshot, cert_sha256, SHA256_LEN);
    struct snapshot_slot *slot = table_find(snapshot, &snapshot->cert_table, hash, cert_same,
                                            span_of(cert_sha256, SHA256_LEN));
    uint32_t idx = slot->idx - 1;
    if (idx != SNAPSHOT_NONE) {
        return idx;
    }
    APPEND(snapshot, certs, idx);
    if (idx != SNAPSHOT_NONE) {
        struct snapshot_cert *cert = &snapshot->certs[idx];
        memcpy(cert->cert_sha256, cert_sha256, SHA256_LEN);
        cert->subject = cert->issuer = cert->serial = cert->key = "";
        cert->not_before = cert->not_after = cert->first_sct_s = DATETIME_NONE;
        cert->strict = true;
        *slot = (struct snapshot_slot){.hash = hash, .idx = idx + 1};
        snapshot->cert_table.used++;
    }
    return idx;
}

static const char *name_text(struct snapshot *snapshot, struct span name_der) {
    char text[DNAME_TEXT_MAX];
    size_t len = name_der.len > 0 ? dname_format(text, name_der) : 0;
    return snapshot_text(snapshot, span_of(text, len));
}

static const char *serial_text(struct snapshot *snapshot, struct span serial) {
    char text[2 * 64];
    serial = span_take(&serial, sizeof text / 2);
    return snapshot_text(snapshot, span_of(text, hex_encode(text, serial)));
}

bool snapshot_cert_fill(struct snapshot *snapshot, uint32_t cert_idx, struct span der,
                        bool keep_der) {
    struct cert_fields fields = {0};
    bool strict = cert_walk(der, &fields);
    struct span spki = fields.spki;
    bool has_spki = strict || cert_spki(der, &spki);
    struct snapshot_cert *cert = &snapshot->certs[cert_idx];
    cert->strict = strict;
    cert->has_spki = has_spki;
    if (has_spki) {
        sha256_once(spki, cert->spki_sha256);
    }
    if (keep_der && cert->der.len == 0) {
        cert->der = arena_copy(&snapshot->texts, der);
    }
    if (!strict) {
        return false;
    }
    char key[24];
    cert_key_text(key, fields.key, fields.key_bits);
    cert->known = true;
    cert->is_ca = fields.is_ca;
    cert->not_before = fields.not_before;
    cert->not_after = fields.not_after;
    cert->subject = name_text(snapshot, fields.subject);
    cert->issuer = name_text(snapshot, fields.issuer);
    cert->serial = serial_text(snapshot, fields.serial);
    cert->key = snapshot_text(snapshot, span_str(key));
    cert_sct_first(&fields, &cert->first_sct_s);
    return true;
}

uint32_t snapshot_find_chain(const struct snapshot *snapshot, const uint8_t id[SHA256_LEN]) {
    if (snapshot->chain_table.slots == NULL) {
        return SNAPSHOT_NONE;
    }
    struct span key = span_of(id, SHA256_LEN);
    uint32_t hash = hash_bytes(snapshot, id, SHA256_LEN);
    return table_find(snapshot, &snapshot->chain_table, hash, chain_same, key)->idx - 1;
}

uint32_t snapshot_chain(struct snapshot *snapshot, const uint8_t id[SHA256_LEN]) {
    if (!table_reserve(snapshot, &snapshot->chain_table)) {
        return SNAPSHOT_NONE;
    }
    uint32_t hash = hash_bytes(snapshot, id, SHA256_LEN);
    struct snapshot_slot *slot =
        table_find(snapshot, &snapshot->chain_table, hash, chain_same, span_of(id, SHA256_LEN));
    uint32_t idx = slot->idx - 1;
    if (idx != SNAPSHOT_NONE) {
        return idx;
    }
    APPEND(snapshot, chains, idx);
    if (idx != SNAPSHOT_NONE) {
        memcpy(snapshot->chains[idx].id, id, SHA256_LEN);
        *slot = (struct snapshot_slot){.hash = hash, .idx = idx + 1};
        snapshot->chain_table.used++;
    }
    return idx;
}

void snapshot_chain_set(struct snapshot *snapshot, uint32_t chain_idx, const uint32_t *certs,
                        uint32_t count) {
    if (snapshot->chains[chain_idx].cert_count > 0) {
        return;
    }
    snapshot->chains[chain_idx].first_cert = snapshot->chain_certs_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at;
        APPEND(snapshot, chain_certs, at);
        if (at == SNAPSHOT_NONE) {
            return;
        }
        snapshot->chain_certs[at] = certs[i];
        snapshot->chains[chain_idx].cert_count++;
    }
}

void snapshot_chain_judge(struct snapshot *snapshot, uint32_t chain_idx) {
    struct snapshot_chain *chain = &snapshot->chains[chain_idx];
    chain->first_path = snapshot->paths_count;
    chain->first_pkix = snapshot->pkix_count;
    chain->path_count = chain->pkix_count = 0;
    chain->judged = true;
}

void snapshot_path(struct snapshot *snapshot, uint32_t chain_idx, const struct snapshot_path *path,
                   const uint32_t *certs) {
    struct snapshot_chain *chain = &snapshot->chains[chain_idx];
    CHECK(chain->first_path + chain->path_count == snapshot->paths_count || snapshot->failed);
    uint32_t first = snapshot->path_certs_count, idx;
    for (uint32_t i = 0; i < path->cert_count; i++) {
        APPEND(snapshot, path_certs, idx);
        if (idx == SNAPSHOT_NONE) {
            return;
        }
        snapshot->path_certs[idx] = certs[i];
    }
    APPEND(snapshot, paths, idx);
    if (idx != SNAPSHOT_NONE) {
        snapshot->paths[idx] = *path;
        snapshot->paths[idx].first_cert = first;
        chain->path_count++;
    }
}

void snapshot_pkix(struct snapshot *snapshot, uint32_t chain_idx, uint32_t profile,
                   enum pkix result) {
    struct snapshot_chain *chain = &snapshot->chains[chain_idx];
    CHECK(chain->first_pkix + chain->pkix_count == snapshot->pkix_count || snapshot->failed);
    uint32_t idx;
    APPEND(snapshot, pkix, idx);
    if (idx != SNAPSHOT_NONE) {
        snapshot->pkix[idx] = (struct snapshot_pkix){.profile = profile, .result = result};
        chain->pkix_count++;
    }
}

uint32_t snapshot_preferred(const struct snapshot *snapshot, const struct snapshot_chain *chain,
                            uint32_t profile) {
    for (uint32_t i = chain->first_path; i < chain->first_path + chain->path_count; i++) {
        if (snapshot->paths[i].profile == profile && snapshot->paths[i].preferred) {
            return i;
        }
    }
    return SNAPSHOT_NONE;
}

/* --- targets --- */

struct snapshot_target *snapshot_target(struct snapshot *snapshot) {
    uint32_t idx;
    APPEND(snapshot, targets, idx);
    if (idx == SNAPSHOT_NONE) {
        return NULL;
    }
    struct snapshot_target *target = &snapshot->targets[idx];
    target->host = target->sni = target->pin_host = target->tag = target->owner =
        target->application = "";
    target->first_view = snapshot->views_count;
    target->first_set = snapshot->sets_count;
    return target;
}

struct snapshot_view *snapshot_view(struct snapshot *snapshot) {
    CHECK(snapshot->targets_count > 0);
    uint32_t idx;
    APPEND(snapshot, views, idx);
    if (idx == SNAPSHOT_NONE) {
        return NULL;
    }
    snapshot->targets[snapshot->targets_count - 1].view_count++;
    struct snapshot_view *view = &snapshot->views[idx];
    view->address = view->tls_version = "";
    view->chain = SNAPSHOT_NONE;
    return view;
}

struct snapshot_set *snapshot_set(struct snapshot *snapshot) {
    CHECK(snapshot->targets_count > 0);
    uint32_t idx;
    APPEND(snapshot, sets, idx);
    if (idx == SNAPSHOT_NONE) {
        return NULL;
    }
    snapshot->targets[snapshot->targets_count - 1].set_count++;
    struct snapshot_set *set = &snapshot->sets[idx];
    set->name = set->application = set->owner = "";
    set->pin = set->reason = "";
    set->cert = SNAPSHOT_NONE;
    set->expires = DATETIME_NONE;
    return set;
}

enum err snapshot_end(struct snapshot *snapshot, struct err_note *note) {
    if (snapshot->failed) {
        return err_note(note, ERR_RESOURCE, "%s: not enough memory for a sweep of %u targets",
                        snapshot->meta.source, snapshot->targets_count);
    }
    return ERR_NONE;
}

size_t snapshot_bytes(const struct snapshot *snapshot) {
    const struct snapshot_table *tables[] = {&snapshot->text_table, &snapshot->cert_table,
                                             &snapshot->chain_table};
    size_t bytes = snapshot->texts.used_bytes;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        bytes +=
            tables[i]->slots == NULL ? 0 : ((size_t)tables[i]->mask + 1) * sizeof *tables[i]->slots;
    }
#define ARRAY_BYTES(name) ((size_t)snapshot->name##_capacity * sizeof *snapshot->name)
    bytes += ARRAY_BYTES(targets) + ARRAY_BYTES(views) + ARRAY_BYTES(sets) + ARRAY_BYTES(chains) +
             ARRAY_BYTES(certs) + ARRAY_BYTES(paths) + ARRAY_BYTES(pkix) +
             ARRAY_BYTES(chain_certs) + ARRAY_BYTES(path_certs) + ARRAY_BYTES(all_texts);
#undef ARRAY_BYTES
    return bytes;
}
