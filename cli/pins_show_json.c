/* `pins show --output ndjson`: data/pins.schema.json. */
#include <stdlib.h>

#include "cli/pins_show.h"
#include "cli/pins_words.h"
#include "engine/codec/datetime.h"
#include "engine/codec/json.h"

#define RECORD_BYTES_MIN ((size_t)64 * 1024)

static void put_date(struct json *json, const char *key, int64_t date) {
    char text[DATETIME_LEN_MAX];
    json_key(json, key);
    if (date == DATETIME_NONE) {
        json_null(json);
    } else {
        datetime_format_date(text, date);
        json_text(json, text);
    }
}

static void put_texts(struct json *json, const char *key, const char *const *texts,
                      uint32_t count) {
    json_key(json, key);
    json_array_begin(json);
    for (uint32_t i = 0; i < count; i++) {
        json_text(json, texts[i]);
    }
    json_array_end(json);
}

static void put_hosts(struct pins_show *show, struct json *json, const struct pin_set *set) {
    json_key(json, "hosts");
    json_array_begin(json);
    for (uint32_t i = 0; i < set->host_count; i++) {
        json_text(json, pins_host_text(&show->scratch, &set->hosts[i]));
    }
    json_array_end(json);
    json_key_bool(json, "include_subdomains", set->include_subdomains);
    put_texts(json, "exclude_subdomains", set->excluded, set->excluded_count);
    json_key_text(json, "host_rule", pin_host_rule_words[set->host_rule]);
}

static void put_key_types(struct json *json, const struct pin_set *set) {
    static const char *const words[] = {"any", "rsa", "ecdsa", "ed25519"};
    json_key(json, "key_types");
    json_array_begin(json);
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if ((set->key_types & PIN_KEYS_ANY << i) != 0) {
            json_text(json, words[i]);
        }
    }
    json_array_end(json);
}

static void put_pins(struct pins_show *show, struct json *json, const struct pin_set *set) {
    json_key(json, "pins");
    json_array_begin(json);
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *pin = &set->pins[i];
        json_object_begin(json);
        json_key_text(json, "pin", pin->text);
        json_key_text(json, "role", pin_role_text(pin->role));
        json_key_text(json, "of", pin_of_words[pin->of]);
        json_key_text(json, "list", pin_list_words[pin->list]);
        json_key_text(json, "tlsa", pins_words_tlsa(&show->scratch, pin));
        json_key_text(json, "note", pin->note);
        json_key_i64(json, "line", pin->line > 0 ? (int64_t)pin->line : -1);
        json_object_end(json);
    }
    json_array_end(json);
}

static void put_people(struct json *json, const struct pin_set *set) {
    json_key_text(json, "application", set->application);
    json_key_text(json, "platform", set->platform);
    json_key_text(json, "owner", set->owner);
    json_key_text(json, "approver", set->approver);
    json_key_text(json, "rollover", set->rollover);
    json_key(json, "update");
    json_object_begin(json);
    json_key_text(json, "channel", set->update_channel);
    json_key_i64(json, "lead_time_days", set->lead_time_days);
    json_key_i64(json, "adoption_days", set->adoption_days);
    json_object_end(json);
    put_date(json, "last_rehearsal", set->last_rehearsal);
    json_key_text(json, "backup_custody", set->backup_custody);
    json_key_text(json, "operated_by", set->operated_by_third_party ? "third-party" : "self");
    json_key(json, "exceptions");
    json_array_begin(json);
    for (uint32_t i = 0; i < set->exception_count; i++) {
        const struct pin_exception *exception = &set->exceptions[i];
        json_object_begin(json);
        json_key_text(json, "rule", exception->rule);
        json_key_text(json, "reason", exception->reason);
        json_key_text(json, "approver", exception->approver);
        put_date(json, "until", exception->until);
        json_object_end(json);
    }
    json_array_end(json);
    json_key_text(json, "extra", set->extra);
}

/* With --host: why the set is, or is not, among that host's. */
static void put_lookup(struct pins_show *show, struct json *json,
                       const struct pin_explanation *why) {
    static const char *const words[] = {[PIN_APPLIES] = "applies",
                                        [PIN_SHADOWED] = "shadowed",
                                        [PIN_EXCLUDED] = "excluded",
                                        [PIN_ELSEWHERE] = "other-port"};
    json_key(json, "lookup");
    json_object_begin(json);
    json_key_text(json, "host", why != NULL ? show->host : "");
    json_key_i64(json, "port", why != NULL ? show->port : -1);
    json_key_text(json, "result", why != NULL ? words[why->how] : "");
    json_key_text(json, "pattern", why != NULL ? pins_host_text(&show->scratch, why->pattern) : "");
    json_key_text(json, "by", why != NULL && why->by != NULL ? why->by->name : "");
    json_key_text(json, "exclusion", why != NULL && why->exclusion != NULL ? why->exclusion : "");
    json_object_end(json);
}

static void put_record(struct pins_show *show, struct json *json, const struct pin_set *set,
                       const struct pin_explanation *why) {
    const char *expiry = pins_words_expiry(set);
    json_object_begin(json);
    json_key_i64(json, "schema", 1);
    json_key_text(json, "type", "pin-set");
    json_key_text(json, "name", set->name);
    json_key_text(json, "file", set->file);
    json_key_i64(json, "line", set->line > 0 ? (int64_t)set->line : -1);
    json_key_text(json, "client", pin_client_text(set->client));
    put_hosts(show, json, set);
    json_key_text(json, "scope", pin_scope_text(set->scope));
    put_key_types(json, set);
    put_texts(json, "trust", set->trust, set->trust_count);
    put_pins(show, json, set);
    put_date(json, "expires", set->expires);
    json_key_text(json, "on_expiry", pin_on_expiry_words[set->on_expiry]);
    json_key_bool(json, "report_only", set->report_only);
    put_people(json, set);
    json_key(json, "means");
    json_object_begin(json);
    json_key_text(json, "search", pins_words_search(set));
    json_key_text(json, "hosts", pins_words_rule(set));
    json_key_text(json, "expiry", expiry != NULL ? expiry : "");
    json_object_end(json);
    put_lookup(show, json, why);
    json_object_end(json);
}

void pins_show_ndjson(struct pins_show *show, const struct pin_set *set,
                      const struct pin_explanation *why) {
    size_t len = 0;
    for (size_t capacity = RECORD_BYTES_MIN; len == 0; capacity *= 2) { /* a set is finite */
        struct json json;
        char *buffer = malloc(capacity);
        CHECK(buffer != NULL);
        arena_reset(&show->scratch);
        json_init(&json, buffer, capacity);
        put_record(show, &json, set, why);
        len = json_finish_line(&json);
        fwrite(buffer, 1, len, show->out);
        free(buffer);
    }
}
