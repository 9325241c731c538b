#include "engine/impact/world.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <strings.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/base/rng.h"
#include "engine/codec/cert_sct.h"
#include "engine/codec/dname.h"
#include "engine/codec/text.h"
#include "engine/impact/world_internal.h"

/* --- growing arrays --- */

void *world_grow(void *items, size_t item_len, uint32_t count, uint32_t *capacity) {
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity < 64 ? 64 : *capacity * 2;
    items = realloc(items, (size_t)*capacity * item_len);
    CHECK(items != NULL);
    return items;
}

/* --- authorities --- */

/* Lower case, runs of blanks as one: near enough to how names are compared (RFC 5280 section
   7.1). */
static const char *canonical_name(struct world *world, const char *name) {
    size_t len = strlen(name);
    char *out = arena_alloc(&world->arena, len + 1);
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (c == ' ' && at > 0 && out[at - 1] == ' ') {
            continue;
        }
        out[at++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return out;
}

static uint32_t add_authority(struct world *world, const char *name, const char *canonical) {
    world->authorities = world_grow(world->authorities, sizeof *world->authorities,
                                    world->authority_count, &world->authority_capacity);
    struct world_authority *authority = &world->authorities[world->authority_count];
    *authority = (struct world_authority){.name = name,
                                          .canonical = canonical,
                                          .successor = WORLD_NONE,
                                          .first_cert = WORLD_NONE,
                                          .last_cert = WORLD_NONE,
                                          .first_anchor = WORLD_NONE,
                                          .last_anchor = WORLD_NONE};
    return world->authority_count++;
}

static uint64_t hash_authority(const struct world *world, const char *canonical,
                               const uint8_t spki_sha256[SHA256_LEN]) {
    return XXH3_64bits_withSeed(canonical, strlen(canonical), world->seed) ^
           XXH3_64bits_withSeed(spki_sha256, SHA256_LEN, world->seed);
}

static void reserve_slots(struct world *world) {
    uint32_t size = world->slots == NULL ? 0 : world->slot_mask + 1;
    if (world->authority_count < size / 2) {
        return;
    }
    size = size == 0 ? 1024 : size * 2;
    free(world->slots);
    world->slots = calloc(size, sizeof *world->slots);
    CHECK(world->slots != NULL);
    world->slot_mask = size - 1;
    for (uint32_t i = 0; i < world->authority_count; i++) {
        const struct world_authority *authority = &world->authorities[i];
        if (authority->unknown_key) {
            continue;
        }
        uint32_t at =
            (uint32_t)hash_authority(world, authority->canonical, authority->spki_sha256) &
            world->slot_mask;
        while (world->slots[at] != 0) {
            at = (at + 1) & world->slot_mask;
        }
        world->slots[at] = i + 1;
    }
}

uint32_t world_authority(struct world *world, const char *name,
                         const uint8_t spki_sha256[SHA256_LEN]) {
    reserve_slots(world);
    const char *canonical = canonical_name(world, name);
    uint32_t at = (uint32_t)hash_authority(world, canonical, spki_sha256) & world->slot_mask;
    for (; world->slots[at] != 0; at = (at + 1) & world->slot_mask) {
        const struct world_authority *have = &world->authorities[world->slots[at] - 1];
        if (memcmp(have->spki_sha256, spki_sha256, SHA256_LEN) == 0 &&
            strcmp(have->canonical, canonical) == 0) {
            return world->slots[at] - 1;
        }
    }
    uint32_t idx = add_authority(world, name, canonical);
    memcpy(world->authorities[idx].spki_sha256, spki_sha256, SHA256_LEN);
    world->slots[at] = idx + 1;
    return idx;
}

uint32_t world_unknown_authority(struct world *world, const char *name) {
    uint32_t idx = add_authority(world, name, canonical_name(world, name));
    world->authorities[idx].unknown_key = true;
    memcpy(world->authorities[idx].spki_sha256, world->unknown_sha256, SHA256_LEN);
    world->has_unknown = true;
    return idx;
}

/* --- certificates --- */

struct world_cert *world_new_cert(struct world *world, uint32_t authority) {
    world->certs =
        world_grow(world->certs, sizeof(*world->certs), world->cert_count, &world->cert_capacity);
    struct world_cert *cert = arena_alloc(&world->arena, sizeof *cert);
    struct world_authority *owner = &world->authorities[authority];
    cert->idx = world->cert_count++;
    world->certs[cert->idx] = cert;
    cert->authority = authority;
    cert->signer = cert->next = WORLD_NONE;
    cert->subject = owner->name;
    cert->issuer = "";
    cert->not_before = cert->not_after = cert->first_sct_s = DATETIME_NONE;
    cert->record.fields.path_len = -1;
    if (owner->last_cert == WORLD_NONE) {
        owner->first_cert = cert->idx;
    } else {
        world->certs[owner->last_cert]->next = cert->idx;
    }
    owner->last_cert = cert->idx;
    return cert;
}

/* What the engine needs of the bytes beyond the digests. */
static void take_der(struct world_cert *cert, struct span der) {
    cert->record.der = der;
    struct cert_fields fields = {0};
    cert->record.strict = cert_walk(der, &fields);
    if (cert->record.strict) {
        cert->record.fields = fields;
    } else if (cert_spki(der, &fields.spki)) {
        cert->record.fields.spki = fields.spki;
    }
}

/* Of the snapshot, as `key` of its records says; what they do not say is taken for an RSA key of
   2048 bits, which no client stumbles over. */
static void take_key(struct cert_record *record, const char *key) {
    const char *known = key[0] != '\0' ? key : "rsa-2048";
    record->fields.key = cert_key_from_text(known, &record->fields.key_bits);
}

/* A path-length and a name for records without bytes. */
static void take_names(struct world_cert *cert) {
    cert->record.fields.path_len = -1;
    cert->record.fields.subject = span_str(cert->subject);
    cert->record.fields.issuer = span_str(cert->issuer);
}

struct world_cert *world_make_cert(struct world *world, uint32_t authority, uint32_t signer,
                                   const struct world_cert *like) {
    struct world_cert *cert = world_new_cert(world, authority);
    const struct world_authority *owner = &world->authorities[authority];
    cert->symbolic = true;
    cert->signer = signer;
    cert->issuer = signer != WORLD_NONE ? world->authorities[signer].name : "";
    cert->unknown_key = owner->unknown_key;
    cert->record.has_spki = true;
    take_key(&cert->record, "");
    if (like != NULL) {
        cert->record.fields.key = like->record.fields.key;
        cert->record.fields.key_bits = like->record.fields.key_bits;
    }
    take_names(cert);
    memcpy(cert->record.spki_sha256, owner->spki_sha256, SHA256_LEN);
    /* Unlike any other's, and unlike any real one's: nobody can pin it. */
    sha256_once(span_of(&cert->idx, sizeof cert->idx), cert->record.cert_sha256);
    return cert;
}

static void take_snapshot(struct world_cert *cert, const struct snapshot_cert *from) {
    memcpy(cert->record.cert_sha256, from->cert_sha256, SHA256_LEN);
    memcpy(cert->record.spki_sha256, from->spki_sha256, SHA256_LEN);
    cert->record.has_spki = from->has_spki;
    cert->record.strict = from->strict;
    cert->subject = from->subject;
    cert->issuer = from->issuer;
    cert->not_before = from->not_before;
    cert->not_after = from->not_after;
    cert->first_sct_s = from->first_sct_s;
    take_key(&cert->record, from->key);
    take_names(cert);
}

/* The CA certificate here of one of the snapshot's. */
static struct world_cert *from_snapshot(struct world *world, uint32_t idx) {
    if (world->of_snapshot[idx] != WORLD_NONE) {
        return world->certs[world->of_snapshot[idx]];
    }
    const struct snapshot_cert *from = &world->snapshot->certs[idx];
    struct world_cert *cert =
        world_new_cert(world, world_authority(world, from->subject, from->spki_sha256));
    take_snapshot(cert, from);
    if (from->der.len > 0) {
        take_der(cert, from->der);
    }
    world->of_snapshot[idx] = cert->idx;
    return cert;
}

struct world_cert *world_add_record(struct world *world, const struct cert_record *record) {
    uint32_t known = snapshot_find_cert(world->snapshot, record->cert_sha256);
    char text[DNAME_TEXT_MAX];
    if (known != SNAPSHOT_NONE && world->of_snapshot[known] != WORLD_NONE) {
        struct world_cert *cert = world->certs[world->of_snapshot[known]];
        if (cert->record.der.len == 0) {
            take_der(cert, record->der);
        }
        return cert;
    }
    size_t len = dname_format(text, record->fields.subject);
    const char *subject = arena_copy_text(&world->arena, span_of(text, len));
    uint32_t authority = world_authority(world, subject, record->spki_sha256);
    for (uint32_t i = world->authorities[authority].first_cert; i != WORLD_NONE;
         i = world->certs[i]->next) {
        if (memcmp(world->certs[i]->record.cert_sha256, record->cert_sha256, SHA256_LEN) == 0) {
            return world->certs[i];
        }
    }
    struct world_cert *cert = world_new_cert(world, authority);
    cert->record = *record;
    cert->subject = subject;
    len = dname_format(text, record->fields.issuer);
    cert->issuer = arena_copy_text(&world->arena, span_of(text, len));
    cert->not_before = record->fields.not_before;
    cert->not_after = record->fields.not_after;
    (void)cert_sct_first(&record->fields, &cert->first_sct_s);
    if (known != SNAPSHOT_NONE) {
        world->of_snapshot[known] = cert->idx;
    }
    return cert;
}

void world_leaf(const struct world *world, const struct snapshot_chain *chain,
                struct world_cert *out) {
    const struct snapshot *snapshot = world->snapshot;
    uint32_t idx = snapshot->chain_certs[chain->first_cert];
    const struct snapshot_cert *leaf = &snapshot->certs[idx];
    memset(out, 0, sizeof *out);
    take_snapshot(out, leaf);
    out->idx = out->authority = out->signer = out->next = WORLD_NONE;
    if (world->of_snapshot[idx] != WORLD_NONE) {
        const struct world_cert *same = world->certs[world->of_snapshot[idx]];
        out->idx = same->idx;
        out->authority = same->authority;
        out->signer = same->signer;
    }
    for (uint32_t i = 0; i < chain->path_count && out->signer == WORLD_NONE; i++) {
        const struct snapshot_path *path = &snapshot->paths[chain->first_path + i];
        if (path->cert_count > 1 && snapshot->path_certs[path->first_cert] == idx) {
            out->signer =
                world->certs[world->of_snapshot[snapshot->path_certs[path->first_cert + 1]]]
                    ->authority;
        }
    }
    if (leaf->der.len > 0 && (world->wants_der || out->signer == WORLD_NONE)) {
        take_der(out, leaf->der);
    }
}

/* --- who signed what --- */

static X509 *parse(const struct cert_record *record) {
    const uint8_t *at = record->der.data;
    X509 *x509 = d2i_X509(NULL, &at, (long)record->der.len);
    ERR_clear_error();
    return x509;
}

static bool verifies(const struct world_cert *child, const struct world_cert *issuer) {
    X509 *below = parse(&child->record), *above = parse(&issuer->record);
    EVP_PKEY *key = above != NULL ? X509_get_pubkey(above) : NULL;
    bool ok = below != NULL && key != NULL && X509_verify(below, key) == 1;
    EVP_PKEY_free(key);
    X509_free(below);
    X509_free(above);
    ERR_clear_error();
    return ok;
}

/* May sign others: a CA, or of a version that cannot say so. */
static bool may_sign(const struct world_cert *cert) {
    return cert->record.der.len > 0 && cert->record.strict &&
           (cert->record.fields.is_ca || cert->record.fields.version < 3);
}

void world_find_signer(const struct world *world, struct world_cert *cert) {
    if (cert->signer != WORLD_NONE || cert->record.der.len == 0 || !cert->record.strict) {
        return;
    }
    if (cert->authority != WORLD_NONE && may_sign(cert) &&
        strcmp(cert->issuer, cert->subject) == 0 &&
        (cert->record.fields.signature == CERT_SIGNATURE_WEAK || verifies(cert, cert))) {
        cert->signer = cert->authority;
        return;
    }
    if (cert->record.fields.signature == CERT_SIGNATURE_WEAK) {
        return; /* no client takes it below an anchor */
    }
    for (uint32_t i = 0; i < world->authority_count; i++) {
        const struct world_authority *authority = &world->authorities[i];
        const struct world_cert *issuer = NULL;
        if (strcasecmp(authority->name, cert->issuer) != 0) {
            continue;
        }
        for (uint32_t c = authority->first_cert; c != WORLD_NONE && issuer == NULL;
             c = world->certs[c]->next) {
            issuer = may_sign(world->certs[c]) ? world->certs[c] : NULL;
        }
        if (issuer != NULL && verifies(cert, issuer)) {
            cert->signer = i;
            return;
        }
    }
}

/* --- anchors and dead keys --- */

void world_add_anchor(struct world *world, uint32_t cert, uint32_t profile, uint32_t from,
                      bool truncates) {
    struct world_authority *authority = &world->authorities[world->certs[cert]->authority];
    for (uint32_t i = authority->first_anchor; i != WORLD_NONE; i = world->anchors[i].next) {
        const struct world_anchor *have = &world->anchors[i];
        if (have->cert == cert && have->profile == profile && have->until == WORLD_FOREVER) {
            return;
        }
    }
    world->anchors = world_grow(world->anchors, sizeof *world->anchors, world->anchor_count,
                                &world->anchor_capacity);
    uint32_t idx = world->anchor_count++;
    world->anchors[idx] = (struct world_anchor){.cert = cert,
                                                .profile = profile,
                                                .from = from,
                                                .until = WORLD_FOREVER,
                                                .next = WORLD_NONE,
                                                .truncates = truncates};
    if (authority->last_anchor == WORLD_NONE) {
        authority->first_anchor = idx;
    } else {
        world->anchors[authority->last_anchor].next = idx;
    }
    authority->last_anchor = idx;
}

bool world_is_anchor(const struct world *world, const struct world_cert *cert, uint32_t profile,
                     uint32_t moment) {
    if (cert->authority == WORLD_NONE) {
        return false;
    }
    for (uint32_t i = world->authorities[cert->authority].first_anchor; i != WORLD_NONE;
         i = world->anchors[i].next) {
        const struct world_anchor *anchor = &world->anchors[i];
        if (anchor->cert == cert->idx && anchor->profile == profile && anchor->from <= moment &&
            moment < anchor->until) {
            return true;
        }
    }
    return false;
}

const struct world_dead_key *world_dead_key(const struct world *world,
                                            const struct cert_record *record, uint32_t moment) {
    for (uint32_t i = 0; i < world->dead_count; i++) {
        if (world->dead[i].from <= moment && record->has_spki &&
            memcmp(world->dead[i].spki_sha256, record->spki_sha256, SHA256_LEN) == 0) {
            return &world->dead[i];
        }
    }
    return NULL;
}

/* --- building --- */

static void take_chains(struct world *world) {
    const struct snapshot *snapshot = world->snapshot;
    for (uint32_t i = 0; i < snapshot->chains_count; i++) {
        const struct snapshot_chain *chain = &snapshot->chains[i];
        uint32_t leaf = chain->cert_count > 0 ? snapshot->chain_certs[chain->first_cert] : 0;
        for (uint32_t k = 1; k < chain->cert_count; k++) {
            uint32_t idx = snapshot->chain_certs[chain->first_cert + k];
            if (idx != leaf) {
                from_snapshot(world, idx);
            }
        }
    }
}

static void take_path(struct world *world, const struct snapshot_path *path) {
    const uint32_t *certs = &world->snapshot->path_certs[path->first_cert];
    struct world_cert *below = NULL;
    for (uint32_t k = path->cert_count > 1 ? 1 : 0; k < path->cert_count; k++) {
        struct world_cert *cert = from_snapshot(world, certs[k]);
        if (below != NULL) {
            below->signer = cert->authority;
        }
        below = cert;
    }
    int profile = world->profile_of[path->profile];
    if (below != NULL && below->signer == WORLD_NONE && below->record.der.len == 0 &&
        strcmp(below->issuer, below->subject) == 0) {
        below->signer = below->authority;
    }
    if (below != NULL && profile >= 0) {
        world_add_anchor(world, below->idx, (uint32_t)profile, 0, false);
    }
}

static void take_store(struct world *world) {
    for (uint32_t p = 0; p < world->store->count; p++) {
        const struct trust_profile *profile = &world->store->profiles[p];
        for (uint32_t i = 0; i < profile->count; i++) {
            world_add_anchor(world, world_add_record(world, &profile->anchors[i])->idx, p, 0,
                             false);
        }
    }
}

enum err world_init(struct world *world, const struct snapshot *snapshot,
                    const struct trust_store *store, struct err_note *note) {
    *world = (struct world){.snapshot = snapshot, .store = store, .seed = random_u64()};
    sha256_once(span_str("pinsweep: a key that is not known yet"), world->unknown_sha256);
    size_t len = (size_t)snapshot->certs_count * sizeof *world->of_snapshot;
    world->of_snapshot = malloc(len + 1);
    if (world->of_snapshot == NULL) {
        return err_note(note, ERR_RESOURCE, "no memory for modelling %u certificates",
                        snapshot->certs_count);
    }
    memset(world->of_snapshot, 0xff, len);
    for (uint32_t i = 0; i < snapshot->profile_count; i++) {
        world->profile_of[i] = (int16_t)trust_store_find(store, snapshot->profiles[i]);
    }
    take_store(world);
    take_chains(world);
    for (uint32_t i = 0; i < snapshot->paths_count; i++) {
        take_path(world, &snapshot->paths[i]);
    }
    for (uint32_t i = 0; i < world->cert_count; i++) {
        world_find_signer(world, world->certs[i]);
    }
    return ERR_NONE;
}

void world_fini(struct world *world) {
    world_files_free(world);
    free(world->certs);
    free(world->authorities);
    free(world->anchors);
    free(world->distrusts);
    free(world->dead);
    free(world->of_snapshot);
    free(world->slots);
    arena_fini(&world->arena);
    *world = (struct world){0};
}
