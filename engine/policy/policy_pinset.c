#include "engine/policy/policy_pinset.h"

#include "engine/codec/datetime.h"

static enum err read_key_types(struct policy_reader *reader, const char *key,
                               const struct policy_node *node, void *object) {
    static const char *const words[] = {"any", "rsa", "ecdsa", "ed25519", NULL};
    static const uint8_t bits[] = {PIN_KEYS_ANY, PIN_KEYS_RSA, PIN_KEYS_ECDSA, PIN_KEYS_ED25519};
    struct pin_set *set = object;
    enum err err = policy_check_list(reader, key, node, "[any] or [rsa, ecdsa]");
    uint8_t found = 0;
    for (uint32_t i = 0; err == ERR_NONE && i < node->count; i++) {
        int word = 0;
        err = policy_read_word(reader, key, node->items[i], words, &word);
        found |= bits[word];
    }
    if (err == ERR_NONE && (found & PIN_KEYS_ANY) != 0 && found != PIN_KEYS_ANY) {
        return policy_fail(reader, node, key,
                           "\"any\" stands alone: write [any], or name the types");
    }
    set->key_types = err == ERR_NONE ? found : set->key_types;
    return err;
}

static enum err read_trust(struct policy_reader *reader, const char *key,
                           const struct policy_node *node, void *object) {
    struct pin_set *set = object;
    enum err err = policy_check_list(reader, key, node, "[system] or [none]");
    if (err == ERR_NONE && node->count > TRUST_PROFILES_MAX) {
        return policy_fail(reader, node, key, "more than %d trust profiles: split the pin set",
                           TRUST_PROFILES_MAX);
    }
    if (err != ERR_NONE) {
        return err;
    }
    set->trust = arena_alloc(reader->arena, node->count * sizeof(*set->trust));
    for (uint32_t i = 0; i < node->count; i++) {
        err = policy_read_text(reader, key, node->items[i], &set->trust[i]);
        if (err != ERR_NONE) {
            return err;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(set->trust[i], set->trust[j]) == 0) {
                return policy_fail(reader, node->items[i], key, "\"%s\" is named twice: keep one",
                                   set->trust[i]);
            }
        }
        set->trust_none = set->trust_none || strcmp(set->trust[i], "none") == 0;
    }
    if (set->trust_none && node->count > 1) {
        return policy_fail(reader, node, key,
                           "\"none\" stands alone: write [none], or name profiles");
    }
    set->trust_count = node->count;
    return ERR_NONE;
}

static enum err read_update(struct policy_reader *reader, const char *key,
                            const struct policy_node *node, void *object) {
    static const struct policy_field fields[] = {
        {"channel", POLICY_FIELD_TEXT, offsetof(struct pin_set, update_channel), NULL, NULL},
        {"lead_time_days", POLICY_FIELD_DAYS, offsetof(struct pin_set, lead_time_days), NULL, NULL},
        {"adoption_days", POLICY_FIELD_DAYS, offsetof(struct pin_set, adoption_days), NULL, NULL},
    };
    return policy_read_map(reader, key, node, "update", fields, ARRAY_COUNT(fields), object);
}

static enum err read_operated_by(struct policy_reader *reader, const char *key,
                                 const struct policy_node *node, void *object) {
    static const char *const words[] = {"self", "third-party", NULL};
    int word = 0;
    enum err err = policy_read_word(reader, key, node, words, &word);
    ((struct pin_set *)object)->operated_by_third_party = word == 1;
    return err;
}

static enum err read_exceptions(struct policy_reader *reader, const char *key,
                                const struct policy_node *node, void *object) {
    static const struct policy_field fields[] = {
        {"rule", POLICY_FIELD_TEXT, offsetof(struct pin_exception, rule), NULL, NULL},
        {"reason", POLICY_FIELD_TEXT, offsetof(struct pin_exception, reason), NULL, NULL},
        {"approver", POLICY_FIELD_TEXT, offsetof(struct pin_exception, approver), NULL, NULL},
        {"until", POLICY_FIELD_DATE, offsetof(struct pin_exception, until), NULL, NULL},
    };
    struct pin_set *set = object;
    if (node->kind != POLICY_LIST) {
        return policy_fail(reader, node, key,
                           "wants a list: write - {rule: PIN022, reason: ..., "
                           "approver: ..., until: 2027-01-31}");
    }
    set->exceptions = arena_alloc(reader->arena, node->count * sizeof(*set->exceptions));
    for (uint32_t i = 0; i < node->count; i++) {
        struct pin_exception *exception = &set->exceptions[i];
        *exception = (struct pin_exception){
            .rule = "", .reason = "", .approver = "", .until = DATETIME_NONE};
        enum err err = policy_read_map(reader, key, node->items[i], "an exception", fields,
                                       ARRAY_COUNT(fields), exception);
        if (err == ERR_NONE && exception->rule[0] == '\0') {
            return policy_fail(reader, node->items[i], "rule",
                               "is missing: write the lint rule that is waived, as rule: PIN022");
        }
        if (err != ERR_NONE) {
            return err;
        }
    }
    set->exception_count = node->count;
    return ERR_NONE;
}

static enum err read_extra(struct policy_reader *reader, const char *key,
                           const struct policy_node *node, void *object) {
    if (node->kind != POLICY_MAP) {
        return policy_fail(reader, node, key, "wants a mapping: write {} or {key: value}");
    }
    ((struct pin_set *)object)->extra = policy_yaml_write(node, reader->arena);
    return ERR_NONE;
}

/* The client is read before all other keys: it decides their defaults. */
static enum err read_client(struct policy_reader *reader, const char *key,
                            const struct policy_node *node, void *object) {
    (void)reader, (void)key, (void)node, (void)object;
    return ERR_NONE;
}

#define TEXT(name)                                                                                 \
    { #name, POLICY_FIELD_TEXT, offsetof(struct pin_set, name), NULL, NULL }
#define BOOL(name)                                                                                 \
    { #name, POLICY_FIELD_BOOL, offsetof(struct pin_set, name), NULL, NULL }
#define DATE(name)                                                                                 \
    { #name, POLICY_FIELD_DATE, offsetof(struct pin_set, name), NULL, NULL }
#define WORD(name, words)                                                                          \
    { #name, POLICY_FIELD_WORD, offsetof(struct pin_set, name), words, NULL }
#define CUSTOM(name, read)                                                                         \
    { #name, POLICY_FIELD_CUSTOM, 0, NULL, read }

static const struct policy_field pin_set_fields[] = {
    TEXT(name),
    CUSTOM(hosts, policy_read_hosts),
    BOOL(include_subdomains),
    CUSTOM(exclude_subdomains, policy_read_excluded),
    WORD(host_rule, pin_host_rule_words),
    CUSTOM(client, read_client),
    WORD(scope, pin_scope_words),
    CUSTOM(key_types, read_key_types),
    CUSTOM(trust, read_trust),
    CUSTOM(pins, policy_read_pins),
    DATE(expires),
    WORD(on_expiry, pin_on_expiry_words),
    BOOL(report_only),
    TEXT(application),
    TEXT(platform),
    TEXT(owner),
    TEXT(approver),
    TEXT(rollover),
    CUSTOM(update, read_update),
    DATE(last_rehearsal),
    TEXT(backup_custody),
    CUSTOM(operated_by, read_operated_by),
    CUSTOM(exceptions, read_exceptions),
    CUSTOM(extra, read_extra),
};

static enum err check_present(struct policy_reader *reader, const struct policy_node *node,
                              const char *key, const char *example) {
    if (policy_yaml_find(node, key) == NULL) {
        return policy_fail(reader, node, key, "is missing in this pin set: write %s", example);
    }
    return ERR_NONE;
}

static enum err check_set(struct policy_reader *reader, const struct policy_node *node,
                          const struct pin_set *set) {
    enum err err = check_present(reader, node, "name", "name: mobile-banking-android");
    if (err == ERR_NONE && set->name[0] == '\0') {
        return policy_fail(reader, policy_yaml_find(node, "name"), "name",
                           "is empty: write name: mobile-banking-android");
    }
    if (err == ERR_NONE) {
        err = check_present(reader, node, "hosts", "hosts: [api.bank.example]");
    }
    if (err == ERR_NONE) {
        err = check_present(reader, node, "pins", "pins: [\"sha256/<base64>\"]");
    }
    return err == ERR_NONE ? policy_check_pins(reader, policy_yaml_find(node, "pins"), set) : err;
}

enum err policy_read_pin_set(struct policy_reader *reader, const struct policy_node *node,
                             struct pin_set **out) {
    struct pin_set *set = arena_alloc(reader->arena, sizeof *set);
    const struct policy_node *client_node = policy_yaml_find(node, "client");
    int client = PIN_CLIENT_CUSTOM;
    if (client_node != NULL) {
        enum err err = policy_read_word(reader, "client", client_node, pin_client_words, &client);
        if (err != ERR_NONE) {
            return err;
        }
    }
    pin_set_init(set, (enum pin_client)client);
    set->file = reader->file;
    set->line = node->line;
    set->column = node->column;
    enum err err = policy_read_map(reader, "pin_sets", node, "a pin set", pin_set_fields,
                                   ARRAY_COUNT(pin_set_fields), set);
    if (err == ERR_NONE) {
        err = check_set(reader, node, set);
    }
    if (err == ERR_NONE) {
        *out = set;
    }
    return err;
}
