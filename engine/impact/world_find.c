/* From how a scenario names a CA, certificate or key to what it is. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "engine/codec/text.h"
#include "engine/impact/world_internal.h"

#define CANDIDATES_SHOWN 5

/* --- files --- */

struct world_file {
    struct world_file *next;
    const char *file;
    struct trust_store store; /* one profile: the certificates in order */
};

void world_files_free(struct world *world) {
    while (world->files != NULL) {
        struct world_file *file = world->files;
        world->files = file->next;
        trust_store_fini(&file->store);
        free(file);
    }
}

static enum err open_file(struct world *world, const struct scenario_ref *ref,
                          struct world_file **out, struct err_note *note) {
    for (*out = world->files; *out != NULL; *out = (*out)->next) {
        if (strcmp((*out)->file, ref->text) == 0) {
            return ERR_NONE;
        }
    }
    struct err_note inner = {""};
    struct world_file *file = calloc(1, sizeof *file);
    CHECK(file != NULL);
    file->file = ref->text;
    trust_store_init(&file->store);
    enum err err = trust_store_load(&file->store, "scenario", ref->text, &inner);
    if (err == ERR_NONE && file->store.profiles[0].count == 0) {
        err = err_note(&inner, ERR_CONFIG, "%s: no certificate in it can be used", ref->text);
    }
    if (err != ERR_NONE) {
        trust_store_fini(&file->store);
        free(file);
        return err == ERR_RESOURCE ? err_note(note, err, "%s", inner.text)
                                   : scenario_fail(&ref->place, "file", note, "%s", inner.text);
    }
    file->next = world->files;
    world->files = file;
    *out = file;
    return ERR_NONE;
}

enum err world_load_file(struct world *world, const struct scenario_ref *ref,
                         struct world_cert ***out, uint32_t *out_count, struct err_note *note) {
    struct world_file *file = NULL;
    enum err err = open_file(world, ref, &file, note);
    if (err != ERR_NONE) {
        return err;
    }
    const struct trust_profile *profile = &file->store.profiles[0];
    *out = arena_alloc(&world->arena, profile->count * sizeof **out);
    *out_count = profile->count;
    for (uint32_t i = 0; i < profile->count; i++) {
        (*out)[i] = world_add_record(world, &profile->anchors[i]);
    }
    for (uint32_t i = 0; i < profile->count; i++) {
        world_find_signer(world, (*out)[i]);
    }
    return ERR_NONE;
}

/* --- candidates, for complaints --- */

static void pin_text(char out[64], const uint8_t spki_sha256[SHA256_LEN]) {
    memcpy(out, "sha256/", 7);
    out[7 + base64_encode(out + 7, span_of(spki_sha256, SHA256_LEN))] = '\0';
}

struct listing {
    char text[700];
    size_t len;
    uint32_t count;
};

static void list_one(struct listing *list, const char *what) {
    if (++list->count > CANDIDATES_SHOWN) {
        return;
    }
    int wrote = snprintf(list->text + list->len, sizeof list->text - list->len, "%s%.110s",
                         list->count > 1 ? "; " : "", what);
    list->len += (size_t)wrote < sizeof list->text - list->len ? (size_t)wrote : 0;
}

static const char *list_end(struct listing *list) {
    if (list->count > CANDIDATES_SHOWN) {
        snprintf(list->text + list->len, sizeof list->text - list->len, "; and %u more",
                 list->count - CANDIDATES_SHOWN);
    }
    return list->text;
}

static void list_authority(struct listing *list, const struct world *world, uint32_t idx) {
    const struct world_authority *authority = &world->authorities[idx];
    char pin[64], what[200];
    pin_text(pin, authority->spki_sha256);
    snprintf(what, sizeof what, "{spki: \"%s\"} %s", pin, authority->name);
    list_one(list, what);
}

static void list_cert(struct listing *list, const struct world_cert *cert) {
    char hex[2 * SHA256_LEN + 1], what[200];
    hex[hex_encode(hex, span_of(cert->record.cert_sha256, SHA256_LEN))] = '\0';
    snprintf(what, sizeof what, "{cert: %s} issued by %s", hex, cert->issuer);
    list_one(list, what);
}

/* How many words of `text` (3 letters and more) are in `name`, whatever the case. */
static uint32_t count_words(const char *text, const char *name) {
    static const char *const common[] = {"CA", "Root", "Inc", "Ltd", "The", "and", NULL};
    uint32_t found = 0;
    while (*text != '\0') {
        size_t len = 0;
        while (isalnum((unsigned char)text[len])) {
            len++;
        }
        bool counts = len >= 2;
        for (size_t i = 0; common[i] != NULL; i++) {
            counts =
                counts && !(strlen(common[i]) == len && strncasecmp(text, common[i], len) == 0);
        }
        for (const char *at = name; counts && *at != '\0'; at++) {
            if (strncasecmp(at, text, len) == 0 &&
                (at == name || !isalnum((unsigned char)at[-1]))) {
                found += at[len] != '=';
                break;
            }
        }
        text += len > 0 ? len : 1;
    }
    return found;
}

/* The CAs whose names have most in common with the text. */
static const char *list_near(struct listing *list, const struct world *world, const char *text) {
    uint32_t best = 1;
    for (uint32_t i = 0; i < world->authority_count; i++) {
        uint32_t words = count_words(text, world->authorities[i].name);
        best = words > best ? words : best;
    }
    for (uint32_t i = 0; i < world->authority_count; i++) {
        if (count_words(text, world->authorities[i].name) == best) {
            list_one(list, world->authorities[i].name);
        }
    }
    return list_end(list);
}

static enum err fail_unknown(const struct world *world, const struct scenario_ref *ref,
                             const char *key, struct err_note *note) {
    struct listing list = {.text = ""};
    list_near(&list, world, ref->text);
    if (list.count == 0) {
        return scenario_fail(
            &ref->place, key, note,
            "\"%.150s\" is no CA of this sweep or of its trust profiles: 'pinsweep "
            "impact --list-cas' names them; one that is new is given as a file",
            ref->text);
    }
    return scenario_fail(&ref->place, key, note,
                         "\"%.150s\" is no CA of this sweep or of its trust profiles; near: %s",
                         ref->text, list.text);
}

/* --- looking --- */

/* The whole name, or its first parts. */
static bool subject_matches(const char *name, const char *text) {
    size_t len = strlen(text);
    return strncmp(name, text, len) == 0 && (name[len] == '\0' || name[len] == ',');
}

static bool authority_matches(const struct world_authority *authority,
                              const struct scenario_ref *ref) {
    if (authority->first_cert == WORLD_NONE || authority->unknown_key) {
        return false;
    }
    return ref->by == SCENARIO_BY_SPKI
               ? memcmp(authority->spki_sha256, ref->digest, SHA256_LEN) == 0
               : subject_matches(authority->name, ref->text);
}

static struct world_cert *find_digest(const struct world *world, const uint8_t digest[SHA256_LEN]) {
    for (uint32_t i = 0; i < world->cert_count; i++) {
        if (!world->certs[i]->symbolic &&
            memcmp(world->certs[i]->record.cert_sha256, digest, SHA256_LEN) == 0) {
            return world->certs[i];
        }
    }
    return NULL;
}

/* By file or digest. */
static enum err find_named_cert(struct world *world, const struct scenario_ref *ref,
                                uint32_t *out_cert, struct err_note *note) {
    if (ref->by == SCENARIO_BY_FILE) {
        struct world_cert **certs;
        uint32_t count;
        enum err err = world_load_file(world, ref, &certs, &count, note);
        if (err == ERR_NONE) {
            *out_cert = certs[0]->idx;
        }
        return err;
    }
    const struct world_cert *cert = find_digest(world, ref->digest);
    if (cert == NULL) {
        return scenario_fail(&ref->place, "cert", note,
                             "%s is no CA certificate of this sweep or of its trust profiles: "
                             "name it by file",
                             ref->text);
    }
    *out_cert = cert->idx;
    return ERR_NONE;
}

enum err world_find_ca(struct world *world, const struct scenario_ref *ref, uint32_t *out_authority,
                       struct err_note *note) {
    const char *key = ref->by == SCENARIO_BY_SPKI ? "spki" : "subject";
    if (ref->by == SCENARIO_BY_FILE || ref->by == SCENARIO_BY_CERT) {
        uint32_t cert = 0;
        enum err err = find_named_cert(world, ref, &cert, note);
        if (err == ERR_NONE) {
            *out_authority = world->certs[cert]->authority;
        }
        return err;
    }
    struct listing list = {.text = ""};
    uint32_t exact = 0;
    for (uint32_t i = 0; i < world->authority_count; i++) {
        uint32_t at = i;
        if (!authority_matches(&world->authorities[i], ref)) {
            continue;
        }
        while (ref->by == SCENARIO_BY_SUBJECT && world->authorities[at].successor != WORLD_NONE) {
            at = world->authorities[at].successor;
        }
        if (exact == 0 || at != *out_authority) {
            *out_authority = at;
            exact++;
            list_authority(&list, world, i);
        }
    }
    if (exact == 0) {
        return fail_unknown(world, ref, key, note);
    }
    if (exact > 1) {
        return scenario_fail(&ref->place, key, note,
                             "\"%.100s\" is ambiguous, the same name is not the same CA; write one "
                             "of: %s",
                             ref->text, list_end(&list));
    }
    return ERR_NONE;
}

enum err world_find_cert(struct world *world, const struct scenario_ref *ref, uint32_t *out_cert,
                         struct err_note *note) {
    uint32_t authority = 0;
    if (ref->by == SCENARIO_BY_FILE || ref->by == SCENARIO_BY_CERT) {
        return find_named_cert(world, ref, out_cert, note);
    }
    enum err err = world_find_ca(world, ref, &authority, note);
    if (err != ERR_NONE) {
        return err;
    }
    struct listing list = {.text = ""};
    for (uint32_t i = world->authorities[authority].first_cert; i != WORLD_NONE;
         i = world->certs[i]->next) {
        if (!world->certs[i]->symbolic) {
            list_cert(&list, world->certs[i]);
        }
    }
    if (list.count > 1) {
        return scenario_fail(&ref->place, "subject", note,
                             "\"%.100s\" has several certificates; write one of: %s", ref->text,
                             list_end(&list));
    }
    *out_cert = world->authorities[authority].last_cert;
    return ERR_NONE;
}

/* Leaves too. */
enum err world_find_key(struct world *world, const struct scenario_ref *ref,
                        uint8_t out_spki_sha256[SHA256_LEN], struct err_note *note) {
    const struct snapshot *snapshot = world->snapshot;
    if (ref->by == SCENARIO_BY_SPKI) {
        memcpy(out_spki_sha256, ref->digest, SHA256_LEN);
        return ERR_NONE;
    }
    const struct snapshot_cert *leaf = NULL;
    struct listing list = {.text = ""};
    for (uint32_t i = 0; i < snapshot->certs_count && ref->by != SCENARIO_BY_FILE; i++) {
        const struct snapshot_cert *cert = &snapshot->certs[i];
        bool matches =
            ref->by == SCENARIO_BY_CERT
                ? memcmp(cert->cert_sha256, ref->digest, SHA256_LEN) == 0
                : world->of_snapshot[i] == WORLD_NONE && subject_matches(cert->subject, ref->text);
        if (matches &&
            (leaf == NULL || memcmp(leaf->spki_sha256, cert->spki_sha256, SHA256_LEN) != 0)) {
            char pin[64], what[200];
            leaf = cert;
            pin_text(pin, cert->spki_sha256);
            snprintf(what, sizeof what, "{spki: \"%s\"} %s", pin, cert->subject);
            list_one(&list, what);
        }
    }
    if (list.count > 1) {
        return scenario_fail(&ref->place, "subject", note,
                             "\"%.100s\" is ambiguous; write one of: %s", ref->text,
                             list_end(&list));
    }
    if (leaf != NULL) {
        memcpy(out_spki_sha256, leaf->spki_sha256, SHA256_LEN);
        return ERR_NONE;
    }
    uint32_t authority = 0;
    enum err err = world_find_ca(world, ref, &authority, note);
    if (err == ERR_NONE && world->authorities[authority].unknown_key) {
        return scenario_fail(&ref->place, "subject", note,
                             "\"%.100s\" was re-keyed by an operation before this one, and its new "
                             "key is not known: name the old one by spki",
                             ref->text);
    }
    if (err == ERR_NONE) {
        memcpy(out_spki_sha256, world->authorities[authority].spki_sha256, SHA256_LEN);
    }
    return err;
}
