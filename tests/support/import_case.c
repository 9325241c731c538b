#include "tests/support/import_case.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "engine/codec/text.h"
#include "tests/support/suite.h"

#define CERTS 13

struct objects {
    uint8_t der[8], spki[8];
};

/* Both begin as DER sequences do. */
static struct objects objects_of(uint8_t number) {
    struct objects objects = {.der = {0x30, 6, 'c', 'e', 'r', 't', number, 0},
                              .spki = {0x30, 6, 'k', 'e', 'y', 0, number, 0}};
    return objects;
}

/* --- policies --- */

static size_t write_mark(char *out, char kind, uint8_t number) {
    struct objects objects = objects_of(number);
    bool of_cert = strchr("cXSF", kind) != NULL;
    struct span object = span_of(of_cert ? objects.der : objects.spki, 8);
    uint8_t digest[SHA512_DIGEST_LENGTH];
    size_t len = SHA256_DIGEST_LENGTH;
    SHA256(object.data, object.len, digest);
    if (kind == 'h') {
        SHA1(object.data, object.len, digest);
        len = SHA_DIGEST_LENGTH;
    } else if (kind == 's' || kind == 'S') {
        SHA512(object.data, object.len, digest);
        len = SHA512_DIGEST_LENGTH;
    } else if (kind == 'f' || kind == 'F') {
        return hex_encode(out, object);
    }
    return strchr("xXsS", kind) != NULL ? hex_encode(out, span_of(digest, len))
                                        : base64_encode(out, span_of(digest, len));
}

void import_sha256(bool of_cert, uint8_t number, uint8_t out[SHA256_LEN]) {
    struct objects objects = objects_of(number);
    SHA256(of_cert ? objects.der : objects.spki, 8, out);
}

/* The length of the mark at `text`, or 0. */
static size_t mark_len(const char *text, char *out_kind, uint8_t *out_number) {
    size_t at = 1;
    *out_kind = 'p';
    if (text[0] != '{' || text[1] == '\0') {
        return 0;
    }
    if (strchr("hcxXsSfF", text[1]) != NULL) {
        *out_kind = text[at++];
    }
    if (text[at] < '0' || text[at] > '9' || text[at + 1] != '}') {
        return 0;
    }
    *out_number = (uint8_t)(text[at] - '0');
    return at + 2;
}

char *import_expand(const char *policy) {
    size_t len = 0;
    char *out = malloc(64 * strlen(policy) + 1);
    CHECK(out != NULL);
    while (*policy != '\0') {
        char kind;
        uint8_t number = 0;
        size_t mark = mark_len(policy, &kind, &number);
        if (mark > 0) {
            len += write_mark(out + len, kind, number);
            policy += mark;
        } else {
            out[len++] = *policy++;
        }
    }
    out[len] = '\0';
    return out;
}

struct import_world *import_world_of(struct span bytes, enum import_format format,
                                     const char *name) {
    struct import_world *world = calloc(1, sizeof *world);
    CHECK(world != NULL);
    pin_index_init(&world->index, 1);
    trust_store_init(&world->store);
    bool binary = bytes.len >= 6 && memcmp(bytes.data, "bplist", 6) == 0;
    struct span text = span_take(&bytes, binary ? bytes.len : span_find(bytes, '\f'));
    struct policy_companion companion = {.file = "keys.pins", .bytes = bytes};
    bool has_companion = bytes.len > 0;
    span_take(&companion.bytes, 1);
    world->err = policy_parse_with(text, name, format, has_companion ? &companion : NULL,
                                   &world->index, &world->store, &world->note);
    if (world->err == ERR_NONE) {
        world->store.count = 1; /* a profile of that name is all that binding asks for */
        world->store.profiles[0].name = strdup("system");
        world->err = pin_index_bind(&world->index, &world->store, &world->note);
    }
    return world;
}

struct import_world *import_world_new(const char *policy, enum import_format format,
                                      const char *name) {
    char *text = import_expand(policy);
    struct import_world *world = import_world_of(span_str(text), format, name);
    free(text);
    return world;
}

void import_world_free(struct import_world *world) {
    pin_index_fini(&world->index);
    trust_store_fini(&world->store);
    free(world);
}

/* --- chains --- */

struct chain_world {
    struct cert_record certs[CERTS];
    struct objects objects[CERTS];
    struct path path;
    struct chain *chain;
    struct path_set *paths;
};

static void set_key(struct cert_record *cert, char letter) {
    static const struct {
        char letter;
        enum cert_key key;
        uint16_t bits;
    } keys[] = {{'r', CERT_KEY_RSA, 2048},    {'m', CERT_KEY_RSA, 3072},
                {'R', CERT_KEY_RSA, 4096},    {'p', CERT_KEY_EC_P384, 384},
                {'q', CERT_KEY_EC_P521, 521}, {'e', CERT_KEY_ED25519, 256}};
    size_t i = 0;
    while (keys[i].letter != letter) {
        CHECK(++i < sizeof keys / sizeof keys[0]);
    }
    cert->fields.key = keys[i].key;
    cert->fields.key_bits = keys[i].bits;
}

/* The certificates that the text names; returns how many. */
static size_t read_certs(struct chain_world *world, const char *text,
                         const struct cert_record *certs[PATH_CERTS_MAX]) {
    size_t count = 0;
    for (; *text != '\0'; text++) {
        if (*text >= 'A') {
            CHECK(count > 0);
            set_key(&world->certs[certs[count - 1] - world->certs], *text);
            continue;
        }
        CHECK(count < PATH_CERTS_MAX && *text >= '0' && *text < '0' + CERTS);
        certs[count++] = &world->certs[*text - '0'];
    }
    return count;
}

static struct chain_world *chain_new(const char *path, const char *sent) {
    struct chain_world *world = calloc(1, sizeof *world);
    CHECK(world != NULL);
    for (uint8_t i = 0; i < CERTS; i++) {
        struct cert_record *cert = &world->certs[i];
        world->objects[i] = objects_of(i);
        cert->der = span_of(world->objects[i].der, 8);
        cert->fields.spki = span_of(world->objects[i].spki, 8);
        cert->fields.key = CERT_KEY_EC_P256;
        cert->has_spki = cert->strict = true;
        SHA256(cert->der.data, 8, cert->cert_sha256);
        SHA256(cert->fields.spki.data, 8, cert->spki_sha256);
    }
    const struct cert_record *certs[PATH_CERTS_MAX];
    size_t path_len = read_certs(world, path, certs);
    memcpy(world->path.certs, certs, path_len * sizeof(*certs));
    size_t sent_len = sent != NULL ? read_certs(world, sent, certs) : path_len - (path_len > 0);
    world->chain = calloc(1, sizeof(struct chain) + sent_len * sizeof(struct cert_record *));
    CHECK(world->chain != NULL);
    world->chain->count = (uint32_t)sent_len;
    for (size_t i = 0; i < sent_len; i++) {
        world->chain->certs[i] = &world->certs[certs[i] - world->certs];
    }
    world->paths = calloc(1, sizeof(struct path_set) + sizeof(struct profile_paths));
    CHECK(world->paths != NULL);
    world->paths->profile_count = 1;
    world->paths->profiles[0].paths = &world->path;
    if (path_len > 0) {
        world->paths->profiles[0].count = world->paths->profiles[0].ok_count = 1;
        world->path.count = (uint8_t)path_len;
        world->path.structural = PKIX_OK;
        world->path.not_after = INT64_C(4000000000);
    }
    return world;
}

static void chain_free(struct chain_world *world) {
    free(world->chain);
    free(world->paths);
    free(world);
}

enum verdict import_judge(const struct import_world *world, const struct import_case *one) {
    const struct pin_set *sets[64];
    struct span host = span_str(one->host);
    struct span name = span_take(&host, span_find(host, ':'));
    uint64_t port = 443;
    int64_t now = 0;
    CHECK(host.len == 0 || text_parse_u64(span_of(host.data + 1, host.len - 1), 65535, &port));
    CHECK(datetime_parse(span_str(one->at != NULL ? one->at : "2027-01-01"), &now));
    size_t count = pin_index_lookup(&world->index, name, (uint16_t)port, sets, 64);
    struct chain_world *chain = chain_new(one->path, one->sent);
    struct verdict_view view = {.chain = chain->chain, .paths = chain->paths};
    enum verdict worst = VERDICT_UNPINNED;
    for (size_t i = 0; i < count; i++) {
        struct verdict_unit units[8];
        uint32_t unit_count = 0;
        worst = verdict_worse(
            worst,
            verdict_judge_among(sets, count, i, &view, 1, now, units, 8, &unit_count).verdict);
    }
    chain_free(chain);
    return worst;
}

/* --- expectations --- */

void import_expect(const struct import_case *cases, size_t count, enum import_format format) {
    for (size_t i = 0; i < count; i++) {
        struct import_world *world = import_world_new(cases[i].policy, format, "pins");
        const char *verdict = "error";
        if (world->err == ERR_NONE) {
            verdict = verdict_text(import_judge(world, &cases[i]));
        }
        if (strcmp(verdict, cases[i].verdict) != 0) {
            fprintf(stderr, "  case %zu: %s, path %s, is %s, expected %s %s\n", i, cases[i].host,
                    cases[i].path, verdict, cases[i].verdict, world->note.text);
        }
        CU_ASSERT_STRING_EQUAL(verdict, cases[i].verdict);
        import_world_free(world);
    }
}

void import_expect_errors(const struct import_bad *bad, size_t count, enum import_format format,
                          const char *name) {
    for (size_t i = 0; i < count; i++) {
        struct import_world *world = import_world_new(bad[i].policy, format, name);
        char *error = import_expand(bad[i].error);
        if (world->err == ERR_NONE || strcmp(world->note.text, error) != 0) {
            fprintf(stderr, "  policy %zu says\n    %s\n", i, world->note.text);
        }
        CU_ASSERT_EQUAL(world->err, ERR_CONFIG);
        CU_ASSERT_STRING_EQUAL(world->note.text, error);
        free(error);
        import_world_free(world);
    }
}

uint32_t import_cut_everywhere(struct span bytes, enum import_format format, const char *name) {
    uint32_t whole = 0;
    for (size_t cut = 0; cut < bytes.len; cut++) {
        uint8_t *exact = malloc(cut + (cut == 0)); /* so that the sanitizer sees a read past it */
        memcpy(exact, bytes.data, cut);
        struct import_world *world = import_world_of(span_of(exact, cut), format, name);
        if (world->err == ERR_NONE) {
            CU_ASSERT_TRUE(world->index.set_count > 0);
            whole++;
        } else {
            const char *at_fault =
                strncmp(world->note.text, "keys.pins", 9) == 0 ? "keys.pins" : name;
            size_t name_len = strlen(at_fault);
            CU_ASSERT_TRUE(strncmp(world->note.text, at_fault, name_len) == 0 &&
                           world->note.text[name_len] == ':' &&
                           world->note.text[name_len + 1] != ' ');
        }
        for (uint32_t i = 0; world->err == ERR_NONE && i < world->index.set_count; i++) {
            CU_ASSERT_TRUE(world->index.sets[i]->pin_count > 0 &&
                           world->index.sets[i]->host_count > 0);
        }
        import_world_free(world);
        free(exact);
    }
    return whole;
}

char *import_example(const char *name, size_t *out_len) {
    char path[4096];
    snprintf(path, sizeof path, PINSWEEP_SOURCE_DIR "/data/pins/%s", name);
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char *bytes = calloc(1, 1 << 20);
    *out_len = fread(bytes, 1, (1 << 20) - 1, file);
    fclose(file);
    return bytes;
}
