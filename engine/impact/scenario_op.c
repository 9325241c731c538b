/* The operations: one table row each says which keys it takes and which it must have. */
#include <stdio.h>

#include "engine/codec/datetime.h"
#include "engine/codec/text.h"
#include "engine/impact/scenario_internal.h"
#include "engine/policy/policy_pinset.h"

const char *const scenario_kind_words[] = {
    [SCENARIO_REISSUE] = "reissue",
    [SCENARIO_REPLACE_INTERMEDIATE] = "replace-intermediate",
    [SCENARIO_REKEY_CA] = "rekey-ca",
    [SCENARIO_RENEW_CA] = "renew-ca",
    [SCENARIO_REPLACE_ROOT] = "replace-root",
    [SCENARIO_ADD_CROSS_SIGN] = "add-cross-sign",
    [SCENARIO_REMOVE_CROSS_SIGN] = "remove-cross-sign",
    [SCENARIO_DISTRUST] = "distrust",
    [SCENARIO_REMOVE_ANCHOR] = "remove-anchor",
    [SCENARIO_PROMOTE_ANCHOR] = "promote-anchor",
    [SCENARIO_REVOKE] = "revoke",
    [SCENARIO_COMPROMISE] = "compromise",
    [SCENARIO_MOVE_CA] = "move-ca",
    [SCENARIO_ADD_CHAIN] = "add-chain",
    [SCENARIO_ADVANCE_CLOCK] = "advance-clock",
    [SCENARIO_SEND_ROOT] = "send-root",
    [SCENARIO_STOP_SENDING_ROOT] = "stop-sending-root",
    [SCENARIO_CHANGE_PINSET] = "change-pinset",
    [SCENARIO_KIND_COUNT] = NULL,
};

static struct scenario_place place_of(const struct policy_reader *reader,
                                      const struct policy_node *node) {
    return (struct scenario_place){reader->file, node->line, node->column};
}

/* Relative to the folder of the scenario. */
static const char *resolve(struct policy_reader *reader, const char *file) {
    const char *slash = strrchr(reader->file, '/');
    if (file[0] == '/' || slash == NULL) {
        return file;
    }
    size_t folder_len = (size_t)(slash - reader->file) + 1, file_len = strlen(file);
    char *path = arena_alloc(reader->arena, folder_len + file_len + 1);
    memcpy(path, reader->file, folder_len);
    memcpy(path + folder_len, file, file_len);
    return path;
}

/* --- certificates and keys --- */

#define REF_EXAMPLE                                                                                \
    "write {subject: \"CN=...\"}, {spki: \"sha256/...\"}, {cert: hex} or {file: ca.pem}"

static enum err read_spki(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, const char *text,
                          uint8_t out[SHA256_LEN]) {
    struct pin pin;
    const char *why = "";
    if (!pin_parse(span_str(text), reader->scratch, &pin, &why)) {
        return policy_fail(reader, node, key, "\"%.100s\" is no key: %s", text, why);
    }
    if (pin.alg != PIN_SHA256) {
        return policy_fail(reader, node, key, "\"%.100s\" is no SHA-256: write sha256/ and base64",
                           text);
    }
    memcpy(out, pin.value.data, SHA256_LEN);
    return ERR_NONE;
}

static enum err read_ref(struct policy_reader *reader, const char *key,
                         const struct policy_node *node, struct scenario_ref *out) {
    static const char *const words[] = {"spki", "cert", "file", "subject", NULL};
    static const enum scenario_by kinds[] = {SCENARIO_BY_SPKI, SCENARIO_BY_CERT, SCENARIO_BY_FILE,
                                             SCENARIO_BY_SUBJECT};
    if (node->kind != POLICY_MAP || node->count != 2) {
        return policy_fail(reader, node, key, "names one certificate or key by one key: %s",
                           REF_EXAMPLE);
    }
    const struct policy_node *value = node->items[1];
    int word = 0;
    const char *text = "";
    enum err err = policy_read_word(reader, key, node->items[0], words, &word);
    if (err == ERR_NONE) {
        err = policy_read_text(reader, words[word], value, &text);
    }
    if (err != ERR_NONE) {
        return err;
    }
    *out = (struct scenario_ref){.by = kinds[word], .text = text, .place = place_of(reader, value)};
    size_t len;
    if (out->by == SCENARIO_BY_SPKI) {
        return read_spki(reader, words[word], value, text, out->digest);
    }
    if (out->by == SCENARIO_BY_CERT &&
        (strlen(text) != 2 * (size_t)SHA256_LEN ||
         !hex_decode(span_str(text), out->digest, SHA256_LEN, &len))) {
        return policy_fail(reader, value, "cert",
                           "\"%.100s\" is no SHA-256 of a certificate: write its 64 hex digits",
                           text);
    }
    if (out->by == SCENARIO_BY_FILE) {
        out->text = resolve(reader, text);
    }
    if (text[0] == '\0') {
        return policy_fail(reader, value, words[word], "is empty: %s", REF_EXAMPLE);
    }
    return ERR_NONE;
}

static enum err read_ca(struct policy_reader *reader, const char *key,
                        const struct policy_node *node, void *object) {
    return read_ref(reader, key, node, &((struct scenario_op *)object)->ca);
}

/* One file, or a reference; or a list of them. */
static enum err read_files(struct policy_reader *reader, const char *key,
                           const struct policy_node *node, void *object) {
    struct scenario_op *op = object;
    struct policy_node *const *items = node->items;
    uint32_t count = node->count;
    if (node->kind != POLICY_LIST) {
        items = (struct policy_node *const *)&node;
        count = 1;
    }
    if (count == 0 || count > SCENARIO_FILES_MAX) {
        return policy_fail(reader, node, key, "wants 1 to %d certificates: write [ca.pem]",
                           SCENARIO_FILES_MAX);
    }
    op->to = arena_alloc(reader->arena, count * sizeof *op->to);
    op->to_count = count;
    for (uint32_t i = 0; i < count; i++) {
        enum err err = ERR_NONE;
        if (items[i]->kind == POLICY_SCALAR) {
            const char *text = "";
            err = policy_read_text(reader, key, items[i], &text);
            if (err == ERR_NONE && text[0] == '\0') {
                err = policy_fail(reader, items[i], key, "is empty: write a PEM file");
            }
            op->to[i] = (struct scenario_ref){.by = SCENARIO_BY_FILE,
                                              .text = resolve(reader, text),
                                              .place = place_of(reader, items[i])};
        } else {
            err = read_ref(reader, key, items[i], &op->to[i]);
        }
        if (err != ERR_NONE) {
            return err;
        }
    }
    return ERR_NONE;
}

static enum err read_to(struct policy_reader *reader, const char *key,
                        const struct policy_node *node, void *object) {
    struct scenario_op *op = object;
    const struct policy_node *only =
        node->kind == POLICY_LIST && node->count == 1 ? node->items[0] : node;
    if (only->kind == POLICY_SCALAR && only->plain && span_equal_str(only->text, "unknown")) {
        op->to_unknown = true;
        return ERR_NONE;
    }
    return read_files(reader, key, node, object);
}

static enum err read_key(struct policy_reader *reader, const char *key,
                         const struct policy_node *node, void *object) {
    struct scenario_op *op = object;
    const char *text = "";
    enum err err = policy_read_text(reader, key, node, &text);
    if (err != ERR_NONE) {
        return err;
    }
    if (strcmp(text, "same") == 0 || strcmp(text, "new") == 0) {
        op->key = text[0] == 's' ? SCENARIO_KEY_SAME : SCENARIO_KEY_NEW;
        return ERR_NONE;
    }
    if (strncmp(text, "sha256", 6) != 0) {
        return policy_fail(reader, node, key,
                           "\"%.100s\" is no key: write same, new (not known yet) or sha256/...",
                           text);
    }
    op->key = SCENARIO_KEY_GIVEN;
    return read_spki(reader, key, node, text, op->key_sha256);
}

/* --- the others --- */

static enum err read_hosts(struct policy_reader *reader, const char *key,
                           const struct policy_node *node, void *object) {
    struct scenario_op *op = object;
    struct pin_set set = {0};
    enum err err = policy_read_hosts(reader, key, node, &set);
    op->hosts = set.hosts;
    op->host_count = set.host_count;
    return err;
}

static enum err read_trust(struct policy_reader *reader, const char *key,
                           const struct policy_node *node, void *object) {
    struct scenario_op *op = object;
    struct policy_node *const *items = node->items;
    uint32_t count = node->count;
    if (node->kind != POLICY_LIST) {
        items = (struct policy_node *const *)&node;
        count = 1;
    }
    if (count == 0 || count > TRUST_PROFILES_MAX) {
        return policy_fail(reader, node, key, "wants 1 to %d trust profiles: write [system]",
                           TRUST_PROFILES_MAX);
    }
    op->trust = arena_alloc(reader->arena, count * sizeof *op->trust);
    op->trust_count = count;
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < count && err == ERR_NONE; i++) {
        err = policy_read_text(reader, key, items[i], &op->trust[i]);
    }
    return err;
}

static enum err read_gate(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, void *object) {
    static const char *const words[] = {"not-before", "sct", NULL};
    int word = 0;
    enum err err = policy_read_word(reader, key, node, words, &word);
    ((struct scenario_op *)object)->gate = word == 1 ? SCENARIO_BY_SCT : SCENARIO_BY_NOT_BEFORE;
    return err;
}

static enum err read_key_type(struct policy_reader *reader, const char *key,
                              const struct policy_node *node, void *object) {
    static const char *const words[] = {"any", "rsa", "ecdsa", "ed25519", NULL};
    int word = 0;
    enum err err = policy_read_word(reader, key, node, words, &word);
    ((struct scenario_op *)object)->key_type = (enum key_view)word;
    return err;
}

static enum err read_add(struct policy_reader *reader, const char *key,
                         const struct policy_node *node, void *object) {
    struct scenario_op *op = object;
    struct pin_set set = {0};
    enum err err = policy_read_pins(reader, key, node, &set);
    op->add = set.pins;
    op->add_count = set.pin_count;
    return err;
}

static enum err read_remove(struct policy_reader *reader, const char *key,
                            const struct policy_node *node, void *object) {
    struct scenario_op *op = object;
    struct pin_set set = {0};
    enum err err = policy_read_pins(reader, key, node, &set);
    op->remove = set.pins;
    op->remove_count = set.pin_count;
    return err;
}

static enum err read_expires(struct policy_reader *reader, const char *key,
                             const struct policy_node *node, void *object) {
    struct scenario_op *op = object;
    const char *text = "";
    enum err err = policy_read_text(reader, key, node, &text);
    op->has_expires = true;
    op->expires = DATETIME_NONE;
    if (err == ERR_NONE && strcmp(text, "never") != 0 &&
        !datetime_parse(span_str(text), &op->expires)) {
        return policy_fail(reader, node, key, "\"%.100s\" is no date: write 2027-06-01, or never",
                           text);
    }
    return err;
}

/* --- the table --- */

enum argument {
    TAKES_HOSTS = 1,
    TAKES_KEY = 2,
    TAKES_FROM = 4,
    TAKES_TO = 8,
    TAKES_CA = 16,
    TAKES_TRUST = 32,
    TAKES_AFTER = 64,
    TAKES_FILES = 128,
    TAKES_DATE = 256,
    TAKES_PINS = 512,
    TAKES_REF = 1024, /* the arguments are the reference itself */
};

static const struct {
    unsigned takes, needs;
} rules[SCENARIO_KIND_COUNT] = {
    [SCENARIO_REISSUE] = {TAKES_HOSTS | TAKES_KEY, 0},
    [SCENARIO_REPLACE_INTERMEDIATE] = {TAKES_FROM | TAKES_TO | TAKES_HOSTS, TAKES_FROM | TAKES_TO},
    [SCENARIO_REKEY_CA] = {TAKES_CA | TAKES_KEY, TAKES_CA},
    [SCENARIO_RENEW_CA] = {TAKES_CA, TAKES_CA},
    [SCENARIO_REPLACE_ROOT] = {TAKES_FROM | TAKES_TO, TAKES_FROM | TAKES_TO},
    [SCENARIO_ADD_CROSS_SIGN] = {TAKES_REF, TAKES_REF},
    [SCENARIO_REMOVE_CROSS_SIGN] = {TAKES_REF, TAKES_REF},
    [SCENARIO_DISTRUST] = {TAKES_CA | TAKES_TRUST | TAKES_AFTER, TAKES_CA},
    [SCENARIO_REMOVE_ANCHOR] = {TAKES_CA | TAKES_TRUST, TAKES_CA},
    [SCENARIO_PROMOTE_ANCHOR] = {TAKES_CA | TAKES_TRUST, TAKES_CA},
    [SCENARIO_REVOKE] = {TAKES_REF, TAKES_REF},
    [SCENARIO_COMPROMISE] = {TAKES_REF, TAKES_REF},
    [SCENARIO_MOVE_CA] = {TAKES_FROM | TAKES_HOSTS | TAKES_TO | TAKES_KEY, TAKES_TO},
    [SCENARIO_ADD_CHAIN] = {TAKES_HOSTS | TAKES_FILES, TAKES_FILES},
    [SCENARIO_ADVANCE_CLOCK] = {TAKES_DATE, TAKES_DATE},
    [SCENARIO_SEND_ROOT] = {TAKES_HOSTS, 0},
    [SCENARIO_STOP_SENDING_ROOT] = {TAKES_HOSTS, 0},
    [SCENARIO_CHANGE_PINSET] = {TAKES_PINS, TAKES_PINS},
};

#define AT(member) offsetof(struct scenario_op, member)

static const struct {
    unsigned argument;
    struct policy_field field;
} arguments[] = {
    {TAKES_HOSTS, {"hosts", POLICY_FIELD_CUSTOM, 0, NULL, read_hosts}},
    {TAKES_CA, {"ca", POLICY_FIELD_CUSTOM, 0, NULL, read_ca}},
    {TAKES_FROM, {"from", POLICY_FIELD_CUSTOM, 0, NULL, read_ca}},
    {TAKES_TO, {"to", POLICY_FIELD_CUSTOM, 0, NULL, read_to}},
    {TAKES_FILES, {"files", POLICY_FIELD_CUSTOM, 0, NULL, read_files}},
    {TAKES_FILES, {"key_type", POLICY_FIELD_CUSTOM, 0, NULL, read_key_type}},
    {TAKES_KEY, {"key", POLICY_FIELD_CUSTOM, 0, NULL, read_key}},
    {TAKES_TRUST, {"trust", POLICY_FIELD_CUSTOM, 0, NULL, read_trust}},
    {TAKES_AFTER, {"after", POLICY_FIELD_DATE, AT(date), NULL, NULL}},
    {TAKES_AFTER, {"by", POLICY_FIELD_CUSTOM, 0, NULL, read_gate}},
    {TAKES_DATE, {"to", POLICY_FIELD_DATE, AT(date), NULL, NULL}},
    {TAKES_PINS, {"pin_set", POLICY_FIELD_TEXT, AT(pin_set), NULL, NULL}},
    {TAKES_PINS, {"add", POLICY_FIELD_CUSTOM, 0, NULL, read_add}},
    {TAKES_PINS, {"remove", POLICY_FIELD_CUSTOM, 0, NULL, read_remove}},
    {TAKES_PINS, {"expires", POLICY_FIELD_CUSTOM, 0, NULL, read_expires}},
};

/* What must be there together, beyond single keys. */
static enum err check_whole(struct policy_reader *reader, const struct policy_node *node,
                            const char *word, const struct scenario_op *op) {
    if (op->kind == SCENARIO_MOVE_CA && op->ca.by == SCENARIO_BY_NOTHING && op->host_count == 0) {
        return policy_fail(reader, node, word,
                           "says neither from nor hosts: write the CA to leave, or who moves");
    }
    if (op->kind == SCENARIO_DISTRUST && op->gate == SCENARIO_BY_SCT && op->date == DATETIME_NONE) {
        return policy_fail(reader, node, word,
                           "by: sct without after: write the date that the SCT is held against");
    }
    if (op->kind == SCENARIO_CHANGE_PINSET && op->add_count == 0 && op->remove_count == 0 &&
        !op->has_expires) {
        return policy_fail(reader, node, word, "changes nothing: write add, remove or expires");
    }
    return ERR_NONE;
}

static enum err read_arguments(struct policy_reader *reader, const char *word,
                               const struct policy_node *node, struct scenario_op *op) {
    struct policy_field fields[ARRAY_COUNT(arguments)];
    size_t count = 0;
    unsigned takes = rules[op->kind].takes, needs = rules[op->kind].needs;
    for (size_t i = 0; i < ARRAY_COUNT(arguments); i++) {
        if ((takes & arguments[i].argument) != 0) {
            fields[count++] = arguments[i].field;
        }
    }
    char what[40];
    snprintf(what, sizeof what, "%s", word);
    enum err err = policy_read_map(reader, word, node, what, fields, count, op);
    /* The first key of an argument is the one that must be there. */
    for (size_t i = 0; err == ERR_NONE && i < ARRAY_COUNT(arguments); i++) {
        bool first = i == 0 || arguments[i - 1].argument != arguments[i].argument;
        const char *key = arguments[i].field.key;
        if (first && (needs & arguments[i].argument) != 0 && policy_yaml_find(node, key) == NULL) {
            return policy_fail(reader, node, word, "%s is missing: add it", key);
        }
    }
    return err == ERR_NONE ? check_whole(reader, node, word, op) : err;
}

static bool is_nothing(const struct policy_node *node) {
    return node->kind == POLICY_SCALAR && node->plain && node->text.len == 0;
}

enum err scenario_read_op(struct policy_reader *reader, const struct policy_node *node,
                          struct scenario_op *out) {
    static const struct policy_node nothing = {.kind = POLICY_MAP};
    if (node->kind != POLICY_MAP || node->count != 2) {
        return policy_fail(reader, node, "operations",
                           "an operation is a mapping of one key: write advance-clock: {to: "
                           "2027-03-15}");
    }
    int word = 0;
    enum err err =
        policy_read_word(reader, "operations", node->items[0], scenario_kind_words, &word);
    if (err != ERR_NONE) {
        return err;
    }
    const struct policy_node *value = node->items[1];
    struct policy_node empty = nothing;
    *out = (struct scenario_op){.kind = (enum scenario_kind)word,
                                .place = place_of(reader, node->items[0]),
                                .date = DATETIME_NONE,
                                .expires = DATETIME_NONE,
                                .pin_set = ""};
    if ((rules[word].takes & TAKES_REF) != 0) {
        return read_ref(reader, scenario_kind_words[word], value, &out->ca);
    }
    if (is_nothing(value)) {
        empty.line = value->line;
        empty.column = value->column;
        value = &empty;
    }
    return read_arguments(reader, scenario_kind_words[word], value, out);
}
