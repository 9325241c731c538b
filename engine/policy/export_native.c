/* The native policy, by libyaml's emitter: everything that a pin set holds, without what is default
   anyway. What it writes, policy.c reads back as the same sets. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/policy/export_yaml.h"

static void put_key_date(struct export_yaml *emitter, const char *key, int64_t date) {
    char text[DATETIME_LEN_MAX];
    int64_t again = 0;
    if (date == DATETIME_NONE) {
        return;
    }
    size_t len = datetime_format_date(text, date);
    if (!datetime_parse(span_of(text, len), &again) || again != date) {
        datetime_format(text, date);
    }
    export_yaml_key_word(emitter, key, text);
}

static void put_key_days(struct export_yaml *emitter, const char *key, int32_t days) {
    char text[16];
    if (days >= 0) {
        snprintf(text, sizeof text, "%d", days);
        export_yaml_key_word(emitter, key, text);
    }
}

/* A tree as it was read. */
static void put_node(struct export_yaml *emitter, const struct policy_node *node) {
    if (node->kind == POLICY_SCALAR) {
        const char *text = (const char *)node->text.data;
        export_yaml_scalar(emitter, node->plain && node->text.len == 0 ? "null" : text,
                           node->plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
        return;
    }
    bool map = node->kind == POLICY_MAP;
    map ? export_yaml_begin_map(emitter, true) : export_yaml_begin_list(emitter, true);
    for (uint32_t i = 0; i < node->count; i++) {
        put_node(emitter, node->items[i]);
    }
    map ? export_yaml_end_map(emitter) : export_yaml_end_list(emitter);
}

/* --- one pin set --- */

static void put_hosts(struct export_yaml *emitter, const struct pin_set *set) {
    export_yaml_word(emitter, "hosts");
    export_yaml_begin_list(emitter, true);
    for (uint32_t i = 0; i < set->host_count; i++) {
        export_yaml_text(emitter, export_host_text(emitter->export, &set->hosts[i]));
    }
    export_yaml_end_list(emitter);
    if (set->include_subdomains) {
        export_yaml_key_word(emitter, "include_subdomains", "true");
    }
    if (set->excluded_count > 0) {
        export_yaml_word(emitter, "exclude_subdomains");
        export_yaml_begin_list(emitter, true);
        for (uint32_t i = 0; i < set->excluded_count; i++) {
            export_yaml_text(emitter, set->excluded[i]);
        }
        export_yaml_end_list(emitter);
    }
}

static void put_rules(struct export_yaml *emitter, const struct pin_set *set) {
    const struct pin_client_rules *rules = pin_client_rules(set->client);
    if (set->host_rule != rules->host_rule) {
        export_yaml_key_word(emitter, "host_rule", pin_host_rule_words[set->host_rule]);
    }
    if (set->scope != rules->scope) {
        export_yaml_key_word(emitter, "scope", pin_scope_text(set->scope));
    }
}

static void put_key_types(struct export_yaml *emitter, const struct pin_set *set) {
    static const struct {
        uint8_t bit;
        const char *word;
    } types[] = {{PIN_KEYS_RSA, "rsa"}, {PIN_KEYS_ECDSA, "ecdsa"}, {PIN_KEYS_ED25519, "ed25519"}};
    if (set->key_types == PIN_KEYS_ANY) {
        return;
    }
    export_yaml_word(emitter, "key_types");
    export_yaml_begin_list(emitter, true);
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if ((set->key_types & types[i].bit) != 0) {
            export_yaml_word(emitter, types[i].word);
        }
    }
    export_yaml_end_list(emitter);
}

static void put_trust(struct export_yaml *emitter, const struct pin_set *set) {
    if (set->trust_count == 1 && strcmp(set->trust[0], "system") == 0) {
        return;
    }
    export_yaml_word(emitter, "trust");
    export_yaml_begin_list(emitter, true);
    for (uint32_t i = 0; i < set->trust_count; i++) {
        export_yaml_text(emitter, set->trust[i]);
    }
    export_yaml_end_list(emitter);
}

static void put_tlsa(struct export_yaml *emitter, const struct pin *pin) {
    static const char *const digits[] = {"0", "1", "2", "3"};
    export_yaml_word(emitter, "tlsa");
    export_yaml_begin_map(emitter, true);
    export_yaml_key_word(emitter, "usage", digits[pin->tlsa_usage]);
    export_yaml_key_word(emitter, "selector", digits[pin->of == PIN_OF_CERT ? 0 : 1]);
    export_yaml_key_word(emitter, "matching",
                         digits[pin->alg == PIN_EXACT    ? 0
                                : pin->alg == PIN_SHA512 ? 2
                                                         : 1]);
    export_yaml_end_map(emitter);
}

static void put_pin(struct export_yaml *emitter, const struct pin *pin) {
    bool tlsa = pin->tlsa_usage != PIN_TLSA_NONE;
    export_yaml_begin_map(emitter, true);
    export_yaml_word(emitter, "pin");
    export_yaml_text(emitter, pin->text);
    if (pin->role != PIN_ACTIVE) {
        export_yaml_key_word(emitter, "role", pin_role_text(pin->role));
    }
    if (pin->of == PIN_OF_CERT && !tlsa) {
        export_yaml_key_word(emitter, "of", pin_of_words[pin->of]);
    }
    if (pin->list != PIN_LIST_ANY) {
        export_yaml_key_word(emitter, "list", pin_list_words[pin->list]);
    }
    if (tlsa) {
        put_tlsa(emitter, pin);
    }
    export_yaml_key_text(emitter, "note", pin->note);
    export_yaml_end_map(emitter);
}

static void put_pins(struct export_yaml *emitter, const struct pin_set *set) {
    export_yaml_word(emitter, "pins");
    export_yaml_begin_list(emitter, false);
    for (uint32_t i = 0; i < set->pin_count; i++) {
        put_pin(emitter, &set->pins[i]);
    }
    export_yaml_end_list(emitter);
    put_key_date(emitter, "expires", set->expires);
    if (set->on_expiry != pin_client_rules(set->client)->on_expiry) {
        export_yaml_key_word(emitter, "on_expiry", pin_on_expiry_words[set->on_expiry]);
    }
    if (set->report_only) {
        export_yaml_key_word(emitter, "report_only", "true");
    }
}

static void put_exceptions(struct export_yaml *emitter, const struct pin_set *set) {
    if (set->exception_count == 0) {
        return;
    }
    export_yaml_word(emitter, "exceptions");
    export_yaml_begin_list(emitter, false);
    for (uint32_t i = 0; i < set->exception_count; i++) {
        const struct pin_exception *exception = &set->exceptions[i];
        export_yaml_begin_map(emitter, true);
        export_yaml_key_text(emitter, "rule", exception->rule);
        export_yaml_key_text(emitter, "reason", exception->reason);
        export_yaml_key_text(emitter, "approver", exception->approver);
        put_key_date(emitter, "until", exception->until);
        export_yaml_end_map(emitter);
    }
    export_yaml_end_list(emitter);
}

static void put_governance(struct export_yaml *emitter, const struct pin_set *set) {
    export_yaml_key_text(emitter, "application", set->application);
    export_yaml_key_text(emitter, "platform", set->platform);
    export_yaml_key_text(emitter, "owner", set->owner);
    export_yaml_key_text(emitter, "approver", set->approver);
    export_yaml_key_text(emitter, "rollover", set->rollover);
    if (set->update_channel[0] != '\0' || set->lead_time_days >= 0 || set->adoption_days >= 0) {
        export_yaml_word(emitter, "update");
        export_yaml_begin_map(emitter, true);
        export_yaml_key_text(emitter, "channel", set->update_channel);
        put_key_days(emitter, "lead_time_days", set->lead_time_days);
        put_key_days(emitter, "adoption_days", set->adoption_days);
        export_yaml_end_map(emitter);
    }
    put_key_date(emitter, "last_rehearsal", set->last_rehearsal);
    export_yaml_key_text(emitter, "backup_custody", set->backup_custody);
    if (set->operated_by_third_party) {
        export_yaml_key_word(emitter, "operated_by", "third-party");
    }
    put_exceptions(emitter, set);
}

static void put_extra(struct export_yaml *emitter, const struct pin_set *set) {
    struct policy_node *node = NULL;
    if (set->extra[0] != '\0' &&
        policy_yaml_read(span_str(set->extra), "extra", &emitter->export->scratch, &node, NULL) ==
            ERR_NONE) {
        export_yaml_word(emitter, "extra");
        put_node(emitter, node);
    }
}

static void put_set(struct export_yaml *emitter, const struct pin_set *set) {
    export_yaml_begin_map(emitter, false);
    export_yaml_word(emitter, "name");
    export_yaml_text(emitter, set->name);
    export_yaml_key_word(emitter, "client", pin_client_text(set->client));
    put_hosts(emitter, set);
    put_rules(emitter, set);
    put_key_types(emitter, set);
    put_trust(emitter, set);
    put_pins(emitter, set);
    put_governance(emitter, set);
    put_extra(emitter, set);
    export_yaml_end_map(emitter);
}

/* --- trust profiles --- */

static bool is_used(const struct export *export, const char *profile) {
    for (uint32_t i = 0; i < export->count; i++) {
        for (uint32_t j = 0; j < export->sets[i]->trust_count; j++) {
            if (strcmp(export->sets[i]->trust[j], profile) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Files are relative to the policy's folder: another folder makes them absolute. */
static const char *moved(struct export *export, const char *file) {
    const char *folder = export->config->folder;
    size_t folder_len = folder != NULL ? strlen(folder) : 0;
    if (file[0] == '/') {
        return file;
    }
    if (folder_len == 0) {
        return file;
    }
    if (strncmp(file, folder, folder_len) == 0 && file[folder_len] == '/') {
        return file + folder_len + 1;
    }
    char *absolute = realpath(file, NULL);
    const char *copy =
        absolute != NULL ? arena_copy_text(&export->scratch, span_str(absolute)) : file;
    free(absolute);
    return copy;
}

static void put_profiles(struct export_yaml *emitter) {
    struct export *export = emitter->export;
    const struct trust_store *store = export->config->store;
    bool begun = false;
    for (uint32_t i = 0; store != NULL && i < store->count; i++) {
        const struct trust_profile *profile = &store->profiles[i];
        if (strcmp(profile->name, "system") == 0 || profile->file == NULL ||
            !is_used(export, profile->name)) {
            continue;
        }
        if (!begun) {
            export_yaml_word(emitter, "trust");
            export_yaml_begin_list(emitter, false);
            begun = true;
        }
        export_yaml_begin_map(emitter, true);
        export_yaml_key_text(emitter, "name", profile->name);
        export_yaml_key_text(emitter, "file", moved(export, profile->file));
        export_yaml_end_map(emitter);
    }
    if (begun) {
        export_yaml_end_list(emitter);
    }
}

/* Without an application, what comes from one file is one; in a new file all of it would be. */
static void tell_applications(struct export *export) {
    const struct pin_set *first = NULL;
    for (uint32_t i = 0; i < export->count; i++) {
        const struct pin_set *set = export->sets[i];
        if (set->application[0] != '\0' || set->host_rule == PIN_HOST_EXACT) {
            continue;
        }
        if (first != NULL && strcmp(first->file, set->file) != 0) {
            export_loss(export, set, NULL,
                        "that it is of another application than \"%.100s\" is lost, neither "
                        "names one: their host patterns would count together",
                        first->name);
            return;
        }
        first = set;
    }
}

/* --- the whole --- */

static void put_document(struct export_yaml *emitter) {
    struct export *export = emitter->export;
    export_yaml_begin_map(emitter, false);
    export_yaml_key_word(emitter, "version", "1");
    put_profiles(emitter);
    export_yaml_word(emitter, "pin_sets");
    export_yaml_begin_list(emitter, false);
    for (uint32_t i = 0; i < export->count; i++) {
        put_set(emitter, export->sets[i]);
    }
    export_yaml_end_list(emitter);
    export_yaml_end_map(emitter);
}

enum err export_native(struct export *export) {
    struct export_yaml emitter;
    tell_applications(export);
    enum err err = export_yaml_begin(&emitter, export);
    if (err == ERR_NONE) {
        put_document(&emitter);
        err = export_yaml_end(&emitter);
    }
    return err;
}
