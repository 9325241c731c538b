/* The native policy, by libyaml's emitter: everything that a pin set holds, without what is default
   anyway. What it writes, policy.c reads back as the same sets. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <yaml.h>

#include "engine/policy/export_set.h"

struct emitter {
    struct export *export;
    yaml_emitter_t yaml;
    bool good;
};

static int write_bytes(void *context, unsigned char *bytes, size_t len) {
    export_put_span(context, span_of(bytes, len));
    return 1;
}

static void emit(struct emitter *emitter, yaml_event_t *event, int made) {
    /* The emitter takes the event over, also when it fails. */
    emitter->good = made && emitter->good && yaml_emitter_emit(&emitter->yaml, event);
}

/* --- values --- */

static void put_scalar(struct emitter *emitter, const char *text, yaml_scalar_style_t style) {
    yaml_event_t event;
    /* Both ways implied: where plain will not do, libyaml quotes, without a tag. */
    int made = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                            (int)strlen(text), 1, 1, style);
    emit(emitter, &event, made);
}

/* Words of ours: keys, dates, numbers. */
static void put_word(struct emitter *emitter, const char *word) {
    put_scalar(emitter, word, YAML_PLAIN_SCALAR_STYLE);
}

/* Words that YAML readers take for something else (YAML 1.1 ones among them). */
static bool is_special(const char *text) {
    static const char *const words[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "y",     "n"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcasecmp(words[i], text) == 0) {
            return true;
        }
    }
    return text[0] == '\0' || (text[0] >= '0' && text[0] <= '9');
}

/* Plain where a reader cannot take it for anything but text. */
static void put_text(struct emitter *emitter, const char *text) {
    bool safe = !is_special(text);
    for (const char *at = text; *at != '\0' && safe; at++) {
        bool alnum =
            (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        safe = alnum || (at > text && strchr("._-/+@=", *at) != NULL);
    }
    put_scalar(emitter, text, safe ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static void begin_map(struct emitter *emitter, bool flow) {
    yaml_event_t event;
    emit(emitter, &event,
         yaml_mapping_start_event_initialize(
             &event, NULL, NULL, 1, flow ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE));
}

static void end_map(struct emitter *emitter) {
    yaml_event_t event;
    emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static void begin_list(struct emitter *emitter, bool flow) {
    yaml_event_t event;
    emit(emitter, &event,
         yaml_sequence_start_event_initialize(
             &event, NULL, NULL, 1, flow ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE));
}

static void end_list(struct emitter *emitter) {
    yaml_event_t event;
    emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static void put_key_text(struct emitter *emitter, const char *key, const char *text) {
    if (text[0] != '\0') {
        put_word(emitter, key);
        put_text(emitter, text);
    }
}

static void put_key_word(struct emitter *emitter, const char *key, const char *word) {
    put_word(emitter, key);
    put_word(emitter, word);
}

static void put_key_date(struct emitter *emitter, const char *key, int64_t date) {
    char text[DATETIME_LEN_MAX];
    int64_t again = 0;
    if (date == DATETIME_NONE) {
        return;
    }
    size_t len = datetime_format_date(text, date);
    if (!datetime_parse(span_of(text, len), &again) || again != date) {
        datetime_format(text, date);
    }
    put_key_word(emitter, key, text);
}

static void put_key_days(struct emitter *emitter, const char *key, int32_t days) {
    char text[16];
    if (days >= 0) {
        snprintf(text, sizeof text, "%d", days);
        put_key_word(emitter, key, text);
    }
}

/* A tree as it was read. */
static void put_node(struct emitter *emitter, const struct policy_node *node) {
    if (node->kind == POLICY_SCALAR) {
        const char *text = (const char *)node->text.data;
        put_scalar(emitter, node->plain && node->text.len == 0 ? "null" : text,
                   node->plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
        return;
    }
    bool map = node->kind == POLICY_MAP;
    map ? begin_map(emitter, true) : begin_list(emitter, true);
    for (uint32_t i = 0; i < node->count; i++) {
        put_node(emitter, node->items[i]);
    }
    map ? end_map(emitter) : end_list(emitter);
}

/* --- one pin set --- */

static void put_hosts(struct emitter *emitter, const struct pin_set *set) {
    put_word(emitter, "hosts");
    begin_list(emitter, true);
    for (uint32_t i = 0; i < set->host_count; i++) {
        put_text(emitter, export_host_text(emitter->export, &set->hosts[i]));
    }
    end_list(emitter);
    if (set->include_subdomains) {
        put_key_word(emitter, "include_subdomains", "true");
    }
    if (set->excluded_count > 0) {
        put_word(emitter, "exclude_subdomains");
        begin_list(emitter, true);
        for (uint32_t i = 0; i < set->excluded_count; i++) {
            put_text(emitter, set->excluded[i]);
        }
        end_list(emitter);
    }
}

static void put_rules(struct emitter *emitter, const struct pin_set *set) {
    const struct pin_client_rules *rules = pin_client_rules(set->client);
    if (set->host_rule != rules->host_rule) {
        put_key_word(emitter, "host_rule", pin_host_rule_words[set->host_rule]);
    }
    if (set->scope != rules->scope) {
        put_key_word(emitter, "scope", pin_scope_text(set->scope));
    }
}

static void put_key_types(struct emitter *emitter, const struct pin_set *set) {
    static const struct {
        uint8_t bit;
        const char *word;
    } types[] = {{PIN_KEYS_RSA, "rsa"}, {PIN_KEYS_ECDSA, "ecdsa"}, {PIN_KEYS_ED25519, "ed25519"}};
    if (set->key_types == PIN_KEYS_ANY) {
        return;
    }
    put_word(emitter, "key_types");
    begin_list(emitter, true);
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if ((set->key_types & types[i].bit) != 0) {
            put_word(emitter, types[i].word);
        }
    }
    end_list(emitter);
}

static void put_trust(struct emitter *emitter, const struct pin_set *set) {
    if (set->trust_count == 1 && strcmp(set->trust[0], "system") == 0) {
        return;
    }
    put_word(emitter, "trust");
    begin_list(emitter, true);
    for (uint32_t i = 0; i < set->trust_count; i++) {
        put_text(emitter, set->trust[i]);
    }
    end_list(emitter);
}

static void put_tlsa(struct emitter *emitter, const struct pin *pin) {
    static const char *const digits[] = {"0", "1", "2", "3"};
    put_word(emitter, "tlsa");
    begin_map(emitter, true);
    put_key_word(emitter, "usage", digits[pin->tlsa_usage]);
    put_key_word(emitter, "selector", digits[pin->of == PIN_OF_CERT ? 0 : 1]);
    put_key_word(emitter, "matching",
                 digits[pin->alg == PIN_EXACT    ? 0
                        : pin->alg == PIN_SHA512 ? 2
                                                 : 1]);
    end_map(emitter);
}

static void put_pin(struct emitter *emitter, const struct pin *pin) {
    bool tlsa = pin->tlsa_usage != PIN_TLSA_NONE;
    begin_map(emitter, true);
    put_word(emitter, "pin");
    put_text(emitter, pin->text);
    if (pin->role != PIN_ACTIVE) {
        put_key_word(emitter, "role", pin_role_text(pin->role));
    }
    if (pin->of == PIN_OF_CERT && !tlsa) {
        put_key_word(emitter, "of", pin_of_words[pin->of]);
    }
    if (pin->list != PIN_LIST_ANY) {
        put_key_word(emitter, "list", pin_list_words[pin->list]);
    }
    if (tlsa) {
        put_tlsa(emitter, pin);
    }
    put_key_text(emitter, "note", pin->note);
    end_map(emitter);
}

static void put_pins(struct emitter *emitter, const struct pin_set *set) {
    put_word(emitter, "pins");
    begin_list(emitter, false);
    for (uint32_t i = 0; i < set->pin_count; i++) {
        put_pin(emitter, &set->pins[i]);
    }
    end_list(emitter);
    put_key_date(emitter, "expires", set->expires);
    if (set->on_expiry != pin_client_rules(set->client)->on_expiry) {
        put_key_word(emitter, "on_expiry", pin_on_expiry_words[set->on_expiry]);
    }
    if (set->report_only) {
        put_key_word(emitter, "report_only", "true");
    }
}

static void put_exceptions(struct emitter *emitter, const struct pin_set *set) {
    if (set->exception_count == 0) {
        return;
    }
    put_word(emitter, "exceptions");
    begin_list(emitter, false);
    for (uint32_t i = 0; i < set->exception_count; i++) {
        const struct pin_exception *exception = &set->exceptions[i];
        begin_map(emitter, true);
        put_key_text(emitter, "rule", exception->rule);
        put_key_text(emitter, "reason", exception->reason);
        put_key_text(emitter, "approver", exception->approver);
        put_key_date(emitter, "until", exception->until);
        end_map(emitter);
    }
    end_list(emitter);
}

static void put_governance(struct emitter *emitter, const struct pin_set *set) {
    put_key_text(emitter, "application", set->application);
    put_key_text(emitter, "platform", set->platform);
    put_key_text(emitter, "owner", set->owner);
    put_key_text(emitter, "approver", set->approver);
    put_key_text(emitter, "rollover", set->rollover);
    if (set->update_channel[0] != '\0' || set->lead_time_days >= 0 || set->adoption_days >= 0) {
        put_word(emitter, "update");
        begin_map(emitter, true);
        put_key_text(emitter, "channel", set->update_channel);
        put_key_days(emitter, "lead_time_days", set->lead_time_days);
        put_key_days(emitter, "adoption_days", set->adoption_days);
        end_map(emitter);
    }
    put_key_date(emitter, "last_rehearsal", set->last_rehearsal);
    put_key_text(emitter, "backup_custody", set->backup_custody);
    if (set->operated_by_third_party) {
        put_key_word(emitter, "operated_by", "third-party");
    }
    put_exceptions(emitter, set);
}

static void put_extra(struct emitter *emitter, const struct pin_set *set) {
    struct policy_node *node = NULL;
    if (set->extra[0] != '\0' &&
        policy_yaml_read(span_str(set->extra), "extra", &emitter->export->scratch, &node, NULL) ==
            ERR_NONE) {
        put_word(emitter, "extra");
        put_node(emitter, node);
    }
}

static void put_set(struct emitter *emitter, const struct pin_set *set) {
    begin_map(emitter, false);
    put_word(emitter, "name");
    put_text(emitter, set->name);
    put_key_word(emitter, "client", pin_client_text(set->client));
    put_hosts(emitter, set);
    put_rules(emitter, set);
    put_key_types(emitter, set);
    put_trust(emitter, set);
    put_pins(emitter, set);
    put_governance(emitter, set);
    put_extra(emitter, set);
    end_map(emitter);
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

static void put_profiles(struct emitter *emitter) {
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
            put_word(emitter, "trust");
            begin_list(emitter, false);
            begun = true;
        }
        begin_map(emitter, true);
        put_key_text(emitter, "name", profile->name);
        put_key_text(emitter, "file", moved(export, profile->file));
        end_map(emitter);
    }
    if (begun) {
        end_list(emitter);
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

static void put_document(struct emitter *emitter) {
    struct export *export = emitter->export;
    yaml_event_t event;
    emit(emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    begin_map(emitter, false);
    put_key_word(emitter, "version", "1");
    put_profiles(emitter);
    put_word(emitter, "pin_sets");
    begin_list(emitter, false);
    for (uint32_t i = 0; i < export->count; i++) {
        put_set(emitter, export->sets[i]);
    }
    end_list(emitter);
    end_map(emitter);
    emit(emitter, &event, yaml_document_end_event_initialize(&event, 1));
    emit(emitter, &event, yaml_stream_end_event_initialize(&event));
}

enum err export_native(struct export *export) {
    struct emitter emitter = {.export = export, .good = true};
    if (!yaml_emitter_initialize(&emitter.yaml)) {
        return err_note(export->note, ERR_RESOURCE, "out of memory");
    }
    yaml_emitter_set_output(&emitter.yaml, write_bytes, &export->out->file);
    yaml_emitter_set_unicode(&emitter.yaml, 1);
    yaml_emitter_set_indent(&emitter.yaml, 2);
    yaml_emitter_set_width(&emitter.yaml, -1);
    tell_applications(export);
    put_document(&emitter);
    enum err err = ERR_NONE;
    if (!emitter.good) {
        err = err_note(export->note, ERR_CONFIG,
                       "YAML cannot be written: %s: a name or note that is not UTF-8?",
                       emitter.yaml.problem != NULL ? emitter.yaml.problem : "out of memory");
    }
    yaml_emitter_delete(&emitter.yaml);
    return err;
}
