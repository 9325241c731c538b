#include "engine/policy/export.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/policy/export_set.h"

const char *const export_format_words[] = {"native", "android", "apple",    "trustkit",
                                           "okhttp", "hpkp",    "curl",     "tlsa",
                                           "csv",    "envoy",   "chromium", NULL};

struct format {
    const struct export_traits *traits; /* NULL: sets are written as they are */
    enum err (*run)(struct export *export);
    enum import_format importer;
};

static const struct format formats[EXPORT_FORMAT_COUNT] = {
    [EXPORT_NATIVE] = {NULL, export_native, IMPORT_NATIVE},
    [EXPORT_ANDROID] = {&export_android_traits, export_android, IMPORT_ANDROID},
    [EXPORT_APPLE] = {&export_apple_traits, export_apple, IMPORT_PLIST},
    [EXPORT_TRUSTKIT] = {&export_trustkit_traits, export_trustkit, IMPORT_PLIST},
    [EXPORT_OKHTTP] = {&export_okhttp_traits, export_okhttp, IMPORT_OKHTTP},
    [EXPORT_HPKP] = {&export_hpkp_traits, export_hpkp, IMPORT_HPKP},
    [EXPORT_CURL] = {&export_curl_traits, export_curl, IMPORT_CURL},
    [EXPORT_TLSA] = {&export_tlsa_traits, export_tlsa, IMPORT_TLSA},
    [EXPORT_CSV] = {NULL, export_csv, IMPORT_CSV},
    [EXPORT_ENVOY] = {&export_envoy_traits, export_envoy, IMPORT_ENVOY},
    [EXPORT_CHROMIUM] = {&export_chromium_traits, export_chromium, IMPORT_CHROMIUM},
};

bool export_format_find(const char *word, enum export_format *out) {
    static const struct {
        const char *word;
        enum export_format format;
    } others[] = {{"ios", EXPORT_APPLE}, {"dane", EXPORT_TLSA}, {"yaml", EXPORT_NATIVE}};
    for (int i = 0; export_format_words[i] != NULL; i++) {
        if (strcmp(export_format_words[i], word) == 0) {
            *out = (enum export_format)i;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        if (strcmp(others[i].word, word) == 0) {
            *out = others[i].format;
            return true;
        }
    }
    return false;
}

enum import_format export_importer(enum export_format format) {
    CHECK((unsigned)format < EXPORT_FORMAT_COUNT);
    return formats[format].importer;
}

enum pin_client export_client(enum export_format format) {
    CHECK((unsigned)format < EXPORT_FORMAT_COUNT);
    const struct export_traits *traits = formats[format].traits;
    return traits != NULL ? traits->client : PIN_CLIENT_CUSTOM;
}

/* --- messages --- */

const char *export_host_text(struct export *export, const struct pin_host *host) {
    static const char *const prefixes[] = {
        [PIN_PATTERN_NAME] = "", [PIN_PATTERN_ONE_LABEL] = "*.", [PIN_PATTERN_ANY_DEPTH] = "**."};
    char text[HOST_MAX + 16], port[8] = "";
    bool brackets = host->port != 0 && strchr(host->name, ':') != NULL;
    if (host->port != 0) {
        snprintf(port, sizeof port, ":%u", host->port);
    }
    int len = snprintf(text, sizeof text, "%s%s%s%s%s", prefixes[host->pattern],
                       brackets ? "[" : "", host->name, brackets ? "]" : "", port);
    CHECK(len > 0 && (size_t)len < sizeof text);
    return arena_copy_text(&export->scratch, span_of(text, (size_t)len));
}

/* "file:line: set: host: ..." */
static void complain(struct export *export, char text[ERR_NOTE_MAX], const struct pin_set *set,
                     const char *host, const char *what) {
    char place[64] = "";
    if (set->line > 0) {
        snprintf(place, sizeof place, ":%u", set->line);
    }
    if (host == NULL) {
        host = set->host_count > 0 ? export_host_text(export, &set->hosts[0]) : "";
    }
    if (strcmp(host, set->name) == 0) {
        host = "";
    }
    snprintf(text, ERR_NOTE_MAX, "%.250s%s%s%.200s: %s%s%s", set->file, place,
             set->file[0] != '\0' ? ": " : "", set->name, host, host[0] != '\0' ? ": " : "", what);
}

void export_loss(struct export *export, const struct pin_set *set, const char *host,
                 const char *format, ...) {
    char what[ERR_NOTE_MAX], text[ERR_NOTE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    export->out->losses++;
    if (export->config->loss != NULL) {
        complain(export, text, set, host, what);
        export->config->loss(export->config->context, text);
    }
}

enum err export_refuse(struct export *export, const struct pin_set *set, const char *host,
                       const char *format, ...) {
    char what[ERR_NOTE_MAX], text[ERR_NOTE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    complain(export, text, set, host, what);
    return err_note(export->note, ERR_CONFIG, "%s", text);
}

/* --- what only people read --- */

static bool is_for_people(const struct pin_set *set) {
    const char *const texts[] = {set->owner, set->approver, set->rollover, set->update_channel,
                                 set->backup_custody};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (texts[i][0] != '\0') {
            return true;
        }
    }
    return set->exception_count > 0 || set->lead_time_days >= 0 || set->adoption_days >= 0 ||
           set->last_rehearsal != DATETIME_NONE || set->key_types != PIN_KEYS_ANY;
}

/* A role or a note, or a date that is not enforced. */
static bool has_remarks(const struct export *export, const struct pin_set *set) {
    bool notes_stay = export->config->format == EXPORT_CHROMIUM; /* as names of keys */
    for (uint32_t i = 0; i < set->pin_count; i++) {
        if (set->pins[i].role == PIN_BACKUP || (set->pins[i].note[0] != '\0' && !notes_stay)) {
            return true;
        }
    }
    return set->expires != DATETIME_NONE && set->on_expiry == PIN_EXPIRY_NONE;
}

static void tell_people(struct export *export) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < export->count; i++) {
        count += is_for_people(export->sets[i]) || has_remarks(export, export->sets[i]);
    }
    if (count > 0 && export->config->news != NULL) {
        char text[ERR_NOTE_MAX];
        snprintf(text, sizeof text,
                 "%u of %u pin sets: roles and notes of pins, owner, approver, rollover, "
                 "exceptions and the like have no place in %s but comments: keep the policy they "
                 "came from",
                 count, export->count, export_format_words[export->config->format]);
        export->config->news(export->config->context, text);
    }
}

/* Keeps `len` within the room that is left. */
static void append(char *text, size_t capacity, size_t *len, const char *before,
                   const char *words) {
    if (words[0] != '\0' && *len < capacity) {
        int more =
            snprintf(text + *len, capacity - *len, "%s%s%s", *len > 0 ? ", " : "", before, words);
        *len += more > 0 ? (size_t)more : 0;
    }
}

const char *export_set_comment(struct export *export, const struct export_plan *plan) {
    const struct pin_set *set = plan->set;
    char text[512] = "", date[DATETIME_LEN_MAX] = "";
    size_t len = 0;
    append(text, sizeof text, &len, "pin set ", set->name);
    append(text, sizeof text, &len, "owner ", set->owner);
    append(text, sizeof text, &len, "approver ", set->approver);
    append(text, sizeof text, &len, "rollover ", set->rollover);
    if (set->expires != DATETIME_NONE && plan->expires == DATETIME_NONE) {
        datetime_format_date(date, set->expires);
        append(text, sizeof text, &len, "not enforced here: expires ", date);
    }
    return arena_copy_text(&export->scratch, span_str(text));
}

const char *export_pin_comment(struct export *export, const struct pin *pin) {
    char text[300] = "";
    size_t len = 0;
    append(text, sizeof text, &len, "", pin->note);
    append(text, sizeof text, &len, "", pin->role == PIN_BACKUP ? "backup" : "");
    return arena_copy_text(&export->scratch, span_str(text));
}

const char *export_extra(const struct export_plan *plan, const char *key) {
    const struct policy_node *node =
        plan->extra != NULL ? policy_yaml_find(plan->extra, key) : NULL;
    if (node == NULL || node->kind != POLICY_SCALAR) {
        return "";
    }
    for (size_t i = 0; i < node->text.len; i++) {
        if (node->text.data[i] < 0x20 || node->text.data[i] == 0x7f) {
            return "";
        }
    }
    return (const char *)node->text.data;
}

/* --- names and hosts --- */

static bool is_prefixed(const struct export *export) {
    const char *application = export->sets[0]->application;
    size_t len = strlen(application);
    for (uint32_t i = 0; i < export->count; i++) {
        const struct pin_set *set = export->sets[i];
        if (len == 0 || strcmp(set->application, application) != 0 ||
            strncmp(set->name, application, len) != 0 || set->name[len] != ':' ||
            set->name[len + 1] == '\0') {
            return false;
        }
    }
    return true;
}

const char *export_short_name(const struct export *export, const struct pin_set *set) {
    return export->prefixed ? set->name + strlen(set->application) + 1 : set->name;
}

static int compare_hosts(const void *left, const void *right) {
    const struct pin_host *a = *(const struct pin_host *const *)left,
                          *b = *(const struct pin_host *const *)right;
    int order = strcmp(a->name, b->name);
    if (order == 0) {
        order = (a->port > b->port) - (a->port < b->port);
    }
    if (order == 0) {
        order = (a->pattern > b->pattern) - (a->pattern < b->pattern);
    }
    return order != 0 ? order : (a > b) - (a < b);
}

bool *export_repeated_hosts(struct export *export, const struct pin_set *set) {
    size_t count = set->host_count;
    const struct pin_host **sorted = arena_alloc(&export->scratch, (count + 1) * sizeof(*sorted));
    bool *repeated = arena_alloc(&export->scratch, count + 1);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &set->hosts[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_hosts);
    for (size_t i = 1; i < count; i++) {
        repeated[sorted[i] - set->hosts] = strcmp(sorted[i - 1]->name, sorted[i]->name) == 0 &&
                                           sorted[i - 1]->port == sorted[i]->port &&
                                           sorted[i - 1]->pattern == sorted[i]->pattern;
    }
    return repeated;
}

/* --- the whole --- */

/* No cluster of Envoy's looks for a listener's pins. */
static enum err drop_listeners(struct export *export) {
    const struct pin_set **kept =
        arena_alloc(&export->scratch, (size_t) export->count * sizeof(*kept));
    uint32_t count = 0;
    for (uint32_t i = 0; i < export->count; i++) {
        const struct pin_set *set = export->sets[i];
        if (!export_is_of_listener(set)) {
            kept[count++] = set;
        } else {
            export_loss(export, set, NULL,
                        "is left out, its pins are of a listener's clients: clusters do not ask "
                        "for them");
        }
    }
    if (count == 0) {
        return export_refuse(export, export->sets[0], NULL,
                             "all pins are of listeners' clients, and only clusters are written: "
                             "keep the listeners' file");
    }
    export->sets = kept;
    export->count = count;
    return ERR_NONE;
}

void export_result_fini(struct export_result *result) {
    export_text_fini(&result->file);
    export_text_fini(&result->keys);
}

enum err export_sets(const struct export_config *config, const struct pin_set *const *sets,
                     uint32_t count, struct export_result *out, struct err_note *note) {
    CHECK((unsigned)config->format < EXPORT_FORMAT_COUNT);
    *out = (struct export_result){0};
    const struct format *format = &formats[config->format];
    struct export export = {.config = config,
                            .traits = format->traits,
                            .sets = sets,
                            .count = count,
                            .out = out,
                            .note = note};
    if (count == 0) {
        return err_note(note, ERR_CONFIG, "there is no pin set to write");
    }
    enum err err = config->format == EXPORT_ENVOY ? drop_listeners(&export) : ERR_NONE;
    export.prefixed = is_prefixed(&export);
    if (err == ERR_NONE && format->traits != NULL) {
        err = export_plan_all(&export);
    }
    if (err == ERR_NONE) {
        err = format->run(&export);
    }
    if (err == ERR_NONE && format->traits != NULL) {
        tell_people(&export);
    }
    if (err != ERR_NONE) {
        export_result_fini(out);
    }
    arena_fini(&export.scratch);
    return err;
}
