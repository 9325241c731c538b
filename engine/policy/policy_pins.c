/* The `pins` of a pin set: bare strings or mappings {pin, role, note, of, alg, list, tlsa}. */
#include <stdlib.h>

#include "engine/policy/policy_pinset.h"

#define PINS_EXAMPLE "- {pin: \"sha256/C5+l...=\", role: active}"

/* RFC 6698 section 2.1: the three fields of a TLSA record as words, -1 where not written. */
struct tlsa_entry {
    int usage, selector, matching;
};

struct pin_entry {
    const char *pin;
    const char *note;
    int alg, of, role, list; /* -1: not written */
    struct tlsa_entry tlsa;
    const struct policy_node *pin_node, *tlsa_node, *of_node, *alg_node;
};

static const char *const usage_words[] = {"0", "1", "2", "3", NULL};
static const char *const selector_words[] = {"0", "1", NULL};
static const char *const matching_words[] = {"0", "1", "2", NULL};

static enum err read_tlsa(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, void *object) {
    static const struct policy_field fields[] = {
        {"usage", POLICY_FIELD_WORD, offsetof(struct tlsa_entry, usage), usage_words, NULL},
        {"selector", POLICY_FIELD_WORD, offsetof(struct tlsa_entry, selector), selector_words,
         NULL},
        {"matching", POLICY_FIELD_WORD, offsetof(struct tlsa_entry, matching), matching_words,
         NULL},
    };
    struct pin_entry *entry = object;
    struct tlsa_entry *tlsa = &entry->tlsa;
    enum err err =
        policy_read_map(reader, key, node, "a TLSA record", fields, ARRAY_COUNT(fields), tlsa);
    entry->tlsa_node = node;
    if (err == ERR_NONE && (tlsa->usage < 0 || tlsa->selector < 0 || tlsa->matching < 0)) {
        return policy_fail(
            reader, node, key,
            "usage, selector and matching are all needed: write {usage: 3, selector: "
            "1, matching: 1}");
    }
    return err;
}

static enum err read_pin_text(struct policy_reader *reader, const char *key,
                              const struct policy_node *node, void *object) {
    struct pin_entry *entry = object;
    struct policy_reader passing = *reader; /* the pin that is made of it has a text of its own */
    passing.arena = reader->scratch;
    entry->pin_node = node;
    return policy_read_text(&passing, key, node, &entry->pin);
}

static enum err read_alg(struct policy_reader *reader, const char *key,
                         const struct policy_node *node, void *object) {
    struct pin_entry *entry = object;
    entry->alg_node = node;
    return policy_read_word(reader, key, node, pin_alg_words, &entry->alg);
}

static enum err read_of(struct policy_reader *reader, const char *key,
                        const struct policy_node *node, void *object) {
    struct pin_entry *entry = object;
    entry->of_node = node;
    return policy_read_word(reader, key, node, pin_of_words, &entry->of);
}

/* Whether the pin itself says what it is: "sha256/...", "sha256:...", "pin-sha256=\"...". */
static bool names_alg(const char *text) {
    for (int alg = 0; pin_alg_words[alg] != NULL; alg++) {
        size_t len = strlen(pin_alg_words[alg]);
        if (strncmp(text, pin_alg_words[alg], len) == 0 && text[len] == '/') {
            return true;
        }
    }
    return strpbrk(text, ":\"") != NULL; /* not in base64 */
}

/* The text may leave its algorithm to the key `alg`. */
static enum err parse_entry(struct policy_reader *reader, const struct pin_entry *entry,
                            struct pin *out) {
    const char *why = NULL;
    struct span text = span_str(entry->pin);
    if (entry->alg >= 0 && !names_alg(entry->pin)) {
        size_t word_len = strlen(pin_alg_words[entry->alg]);
        char *whole = arena_alloc(reader->scratch, word_len + 1 + text.len + 1);
        memcpy(whole, pin_alg_words[entry->alg], word_len);
        whole[word_len] = '/';
        memcpy(whole + word_len + 1, text.data, text.len);
        text = span_str(whole);
    }
    if (!pin_parse(text, reader->arena, out, &why)) {
        return policy_fail(reader, entry->pin_node, "pin", "%s", why);
    }
    if (entry->alg >= 0 && entry->alg != (int)out->alg) {
        return policy_fail(reader, entry->alg_node, "alg",
                           "is %s, but the pin says %s: leave alg out, the pin names it",
                           pin_alg_words[entry->alg], pin_alg_words[out->alg]);
    }
    return ERR_NONE;
}

static enum err apply_tlsa(struct policy_reader *reader, const struct pin_entry *entry,
                           struct pin *out) {
    static const enum pin_alg algs[] = {PIN_EXACT, PIN_SHA256, PIN_SHA512};
    const struct tlsa_entry *tlsa = &entry->tlsa;
    enum pin_of of = tlsa->selector == 0 ? PIN_OF_CERT : PIN_OF_SPKI;
    if (out->alg != algs[tlsa->matching]) {
        return policy_fail(reader, entry->tlsa_node, "tlsa",
                           "matching %d means %s, but the pin is %s: make them agree",
                           tlsa->matching, pin_alg_words[algs[tlsa->matching]],
                           pin_alg_words[out->alg]);
    }
    if (entry->of >= 0 && entry->of != (int)of) {
        return policy_fail(reader, entry->of_node, "of",
                           "is %s, but selector %d means %s: leave \"of\" out",
                           pin_of_words[entry->of], tlsa->selector, pin_of_words[of]);
    }
    out->of = of;
    out->tlsa_usage = (int8_t)tlsa->usage;
    return ERR_NONE;
}

static enum err read_entry(struct policy_reader *reader, const struct policy_node *node,
                           struct pin_entry *entry) {
    static const struct policy_field fields[] = {
        {"pin", POLICY_FIELD_CUSTOM, 0, NULL, read_pin_text},
        {"role", POLICY_FIELD_WORD, offsetof(struct pin_entry, role), pin_role_words, NULL},
        {"note", POLICY_FIELD_TEXT, offsetof(struct pin_entry, note), NULL, NULL},
        {"of", POLICY_FIELD_CUSTOM, 0, NULL, read_of},
        {"alg", POLICY_FIELD_CUSTOM, 0, NULL, read_alg},
        {"list", POLICY_FIELD_WORD, offsetof(struct pin_entry, list), pin_list_words, NULL},
        {"tlsa", POLICY_FIELD_CUSTOM, 0, NULL, read_tlsa},
    };
    *entry = (struct pin_entry){
        .note = "", .alg = -1, .of = -1, .role = -1, .list = -1, .tlsa = {-1, -1, -1}};
    if (node->kind == POLICY_SCALAR) {
        return read_pin_text(reader, "pin", node, entry);
    }
    enum err err =
        policy_read_map(reader, "pins", node, "a pin", fields, ARRAY_COUNT(fields), entry);
    if (err == ERR_NONE && entry->pin == NULL) {
        return policy_fail(reader, node, "pin", "is missing: write pin: \"sha256/<base64>\"");
    }
    return err;
}

static enum err read_pin(struct policy_reader *reader, const struct policy_node *node,
                         struct pin *out) {
    struct pin_entry entry;
    enum err err = read_entry(reader, node, &entry);
    if (err == ERR_NONE) {
        err = parse_entry(reader, &entry, out);
    }
    if (err != ERR_NONE) {
        return err;
    }
    out->line = entry.pin_node->line;
    out->note = entry.note;
    out->role = entry.role >= 0 ? (enum pin_role)entry.role : PIN_ACTIVE;
    out->list = entry.list >= 0 ? (enum pin_list)entry.list : PIN_LIST_ANY;
    out->of = entry.of >= 0 ? (enum pin_of)entry.of : PIN_OF_SPKI;
    return entry.tlsa_node != NULL ? apply_tlsa(reader, &entry, out) : ERR_NONE;
}

enum err policy_read_pins(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, void *object) {
    struct pin_set *set = object;
    enum err err = policy_check_list(reader, key, node, PINS_EXAMPLE);
    if (err != ERR_NONE) {
        return err;
    }
    set->pins = arena_alloc(reader->arena, node->count * sizeof(*set->pins));
    for (uint32_t i = 0; i < node->count; i++) {
        err = read_pin(reader, node->items[i], &set->pins[i]);
        if (err != ERR_NONE) {
            return err;
        }
    }
    set->pin_count = node->count;
    return ERR_NONE;
}

/* --- checks of the whole --- */

static int compare_pins(const void *left, const void *right) {
    const struct pin *a = *(const struct pin *const *)left, *b = *(const struct pin *const *)right;
    const int a_key[] = {(int)a->alg, (int)a->of, (int)a->list, a->tlsa_usage, (int)a->value.len};
    const int b_key[] = {(int)b->alg, (int)b->of, (int)b->list, b->tlsa_usage, (int)b->value.len};
    for (size_t i = 0; i < ARRAY_COUNT(a_key); i++) {
        if (a_key[i] != b_key[i]) {
            return a_key[i] < b_key[i] ? -1 : 1;
        }
    }
    return memcmp(a->value.data, b->value.data, a->value.len);
}

static enum err check_duplicates(struct policy_reader *reader, const struct policy_node *pins,
                                 const struct pin_set *set) {
    const struct pin **sorted = arena_alloc(reader->scratch, set->pin_count * sizeof(*sorted));
    for (uint32_t i = 0; i < set->pin_count; i++) {
        sorted[i] = &set->pins[i];
    }
    qsort(sorted, set->pin_count, sizeof(*sorted), compare_pins);
    for (uint32_t i = 1; i < set->pin_count; i++) {
        if (compare_pins(&sorted[i - 1], &sorted[i]) == 0) {
            const struct pin *first = sorted[i - 1], *again = sorted[i];
            if (first > again) {
                again = sorted[i - 1];
                first = sorted[i];
            }
            return policy_fail(reader, pins->items[again - set->pins], "pin",
                               "%s is already in this set, at line %u: keep one of them",
                               again->text, first->line);
        }
    }
    return ERR_NONE;
}

static enum err check_pin(struct policy_reader *reader, const struct policy_node *node,
                          const struct pin_set *set, const struct pin *pin) {
    bool is_tlsa = pin->tlsa_usage != PIN_TLSA_NONE;
    if (set->client == PIN_CLIENT_DANE && !is_tlsa) {
        return policy_fail(reader, node, "tlsa",
                           "is missing, and client dane needs it: write tlsa: {usage: 3, selector: "
                           "1, matching: 1}");
    }
    if (is_tlsa && set->scope != PIN_SCOPE_PATH) {
        return policy_fail(
            reader, node, "tlsa",
            "needs scope path (the usage says where to look), not %s: leave scope out",
            pin_scope_text(set->scope));
    }
    if (set->trust_none &&
        (pin->tlsa_usage == PIN_TLSA_PKIX_TA || pin->tlsa_usage == PIN_TLSA_PKIX_EE)) {
        return policy_fail(
            reader, node, "tlsa",
            "usage %d needs a path to an anchor, but trust is [none]: name a profile",
            pin->tlsa_usage);
    }
    if (set->scope == PIN_SCOPE_LEAF_AND_CA && pin->list == PIN_LIST_ANY) {
        return policy_fail(
            reader, node, "list",
            "is missing, and scope leaf-and-ca needs it: write list: leaf or list: ca");
    }
    return ERR_NONE;
}

enum err policy_check_pins(struct policy_reader *reader, const struct policy_node *pins,
                           const struct pin_set *set) {
    uint32_t good = 0;
    for (uint32_t i = 0; i < set->pin_count; i++) {
        enum err err = check_pin(reader, pins->items[i], set, &set->pins[i]);
        if (err != ERR_NONE) {
            return err;
        }
        good += set->pins[i].role != PIN_BAD;
    }
    if (good == 0) {
        return policy_fail(reader, pins, "pins",
                           "every pin is bad, so that no chain could match: add an active one");
    }
    return check_duplicates(reader, pins, set);
}
