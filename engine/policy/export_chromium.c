/* Chromium's static pins: the list in JSON, and the .pins file that says which keys its names are
   (import_chromium.c). An exclusion is an entry without pins. A list holds for ten weeks from the
   date in the .pins file: one date for all. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/policy/export_set.h"

#define DAY_S INT64_C(86400)
#define LIST_AGE_MAX_S (70 * DAY_S)
#define NAME_HEX_BYTES 8

const struct export_traits export_chromium_traits = {
    .client = PIN_CLIENT_CHROMIUM,
    .name = "Chromium",
    .search = EXPORT_PATH,
    .reaches = EXPORT_BIT(EXPORT_NAME) | EXPORT_BIT(EXPORT_ANY_DEPTH),
    .excludes = EXPORT_BIT(EXPORT_ANY_DEPTH),
    .algs = EXPORT_BIT(PIN_SHA256),
    .bad = true,
    .expiry = true,
    .expiry_seconds = true,
    .cuts_below = true,
};

/* --- names of keys --- */

struct key {
    struct span value;
    const char *name;
};

struct keys {
    struct key *items; /* by value, each once */
    uint32_t count;
};

static int compare_values(const void *left, const void *right) {
    const struct key *a = left, *b = right;
    int order = memcmp(a->value.data, b->value.data, a->value.len); /* all are of SHA-256 */
    return order != 0 ? order : (a > b) - (a < b);
}

static int compare_names(const void *left, const void *right) {
    const struct key *a = *(const struct key *const *)left, *b = *(const struct key *const *)right;
    return strcmp(a->name, b->name);
}

static bool is_name(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    return text[0] >= 'A' && text[0] <= 'Z' && text[strspn(text, letters)] == '\0' &&
           strcmp(text, "PinsListTimestamp") != 0;
}

#define MADE "Key_"

/* The front of the digest, or all of it where that is another key's as well. */
static const char *made_name(struct export *export, struct span value, bool whole) {
    struct export_text text = {0};
    export_put(&text, MADE);
    export_put_hex(&text, span_of(value.data, whole ? value.len : NAME_HEX_BYTES));
    const char *name = arena_copy_text(&export->scratch, span_of(text.bytes, text.len));
    export_text_fini(&text);
    return name;
}

static bool has_same_front(const struct key *a, const struct key *b) {
    return memcmp(a->value.data, b->value.data, NAME_HEX_BYTES) == 0;
}

/* Notes that are names stay; a name that two keys claim is neither's. */
static void settle_names(struct export *export, struct keys *keys) {
    struct key **by_name = arena_alloc(&export->scratch, (keys->count + 1) * sizeof(*by_name));
    for (uint32_t i = 0; i < keys->count; i++) {
        by_name[i] = &keys->items[i];
    }
    if (keys->count > 0) {
        qsort(by_name, keys->count, sizeof(*by_name), compare_names);
    }
    for (uint32_t i = 0; i < keys->count;) {
        uint32_t next = i + 1;
        while (next < keys->count && strcmp(by_name[next]->name, by_name[i]->name) == 0) {
            next++;
        }
        for (uint32_t j = i; j < next && next - i > 1; j++) {
            by_name[j]->name = "";
        }
        i = next;
    }
    for (uint32_t i = 0; i < keys->count; i++) {
        struct key *key = &keys->items[i];
        bool whole = (i > 0 && has_same_front(&key[-1], key)) ||
                     (i + 1 < keys->count && has_same_front(key, &key[1]));
        /* A note that looks made may be what is made for another key. */
        if (!is_name(key->name) || strncmp(key->name, MADE, strlen(MADE)) == 0) {
            key->name = made_name(export, key->value, whole);
        }
    }
}

static struct keys gather_keys(struct export *export) {
    size_t total = 0;
    struct keys keys = {0};
    for (uint32_t i = 0; i < export->count; i++) {
        total += export->plans[i].pin_count;
    }
    CHECK(total < UINT32_MAX);
    keys.items = arena_alloc(&export->scratch, (total + 1) * sizeof *keys.items);
    for (uint32_t i = 0; i < export->count; i++) {
        for (uint32_t j = 0; j < export->plans[i].pin_count; j++) {
            const struct pin *pin = &export->plans[i].pins[j];
            keys.items[keys.count++] =
                (struct key){pin->value, is_name(pin->note) ? pin->note : ""};
        }
    }
    if (keys.count > 0) {
        qsort(keys.items, keys.count, sizeof *keys.items, compare_values);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < keys.count; i++) {
        if (kept > 0 && span_equal(keys.items[kept - 1].value, keys.items[i].value)) {
            struct key *same = &keys.items[kept - 1];
            same->name = same->name[0] == '\0' ? keys.items[i].name : same->name;
        } else {
            keys.items[kept++] = keys.items[i];
        }
    }
    keys.count = kept;
    settle_names(export, &keys);
    return keys;
}

static const char *name_of(const struct keys *keys, struct span value) {
    uint32_t low = 0, high = keys->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(keys->items[middle].value.data, value.data, value.len) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    CHECK(low < keys->count && span_equal(keys->items[low].value, value));
    return keys->items[low].name;
}

/* --- the date of the list --- */

/* The earliest expiry, DATETIME_NONE without any; the others lose theirs. */
static int64_t settle_expiry(struct export *export) {
    int64_t earliest = DATETIME_NONE;
    char date[DATETIME_LEN_MAX];
    for (uint32_t i = 0; i < export->count; i++) {
        int64_t expires = export->plans[i].expires;
        bool earlier = earliest == DATETIME_NONE || expires < earliest;
        earliest = expires != DATETIME_NONE && earlier ? expires : earliest;
    }
    datetime_format_date(date, earliest != DATETIME_NONE ? earliest : 0);
    for (uint32_t i = 0; i < export->count; i++) {
        if (export->plans[i].expires != earliest) {
            export_loss(export, export->sets[i], NULL,
                        "%s is lost, a list of Chromium's has one date for all: its clients would "
                        "stop pinning from %s on",
                        export->plans[i].expires != DATETIME_NONE ? "its own expiry"
                                                                  : "that it never expires",
                        date);
        }
    }
    return earliest;
}

/* --- the list --- */

static void put_hashes(struct export *export, const struct export_plan *plan,
                       const struct keys *keys, bool bad) {
    struct export_text *out = &export->out->file;
    bool begun = false;
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        const struct pin *pin = &plan->pins[i];
        if ((pin->role == PIN_BAD) != bad) {
            continue;
        }
        if (begun) {
            export_put(out, ",\n        ");
        } else {
            export_putf(out, ",\n      \"%sstatic_spki_hashes\": [\n        ", bad ? "bad_" : "");
        }
        export_put_json(out, name_of(keys, pin->value));
        begun = true;
    }
    export_put(out, begun ? "\n      ]" : "");
}

static void put_pinset(struct export *export, const struct export_plan *plan,
                       const struct keys *keys) {
    struct export_text *out = &export->out->file;
    export_put(out, "    {\n      // ");
    export_put_comment(out, export_set_comment(export, plan));
    export_put(out, "\n      \"name\": ");
    export_put_json(out, export_short_name(export, plan->set));
    put_hashes(export, plan, keys, false);
    put_hashes(export, plan, keys, true);
    export_put(out, "\n    }");
}

static void put_entry(struct export_text *out, const struct export_host *host, const char *pinset,
                      bool *begun) {
    export_put(out, *begun ? ",\n    { \"name\": " : "    { \"name\": ");
    *begun = true;
    export_put_json(out, host->name);
    export_put(out, ", \"policy\": \"custom\"");
    if (host->reach == EXPORT_ANY_DEPTH) {
        export_put(out, ", \"include_subdomains\": true");
    }
    if (pinset != NULL) {
        export_put(out, ", \"pins\": ");
        export_put_json(out, pinset);
    }
    export_put(out, " }");
}

static void put_list(struct export *export, const struct keys *keys) {
    struct export_text *out = &export->out->file;
    uint32_t excluded_count = 0;
    const struct export_host *excluded = export_exclusions(export, &excluded_count);
    bool begun = false;
    export_put(out, "// Chromium's static pins. The names of the keys stand in the .pins file "
                    "beside this one.\n{\n  \"pinsets\": [\n");
    for (uint32_t i = 0; i < export->count; i++) {
        export_put(out, i > 0 ? ",\n" : "");
        put_pinset(export, &export->plans[i], keys);
    }
    export_put(out, "\n  ],\n  \"entries\": [\n");
    for (uint32_t i = 0; i < export->count; i++) {
        const struct export_plan *plan = &export->plans[i];
        for (uint32_t j = 0; j < plan->host_count; j++) {
            put_entry(out, &plan->hosts[j], export_short_name(export, plan->set), &begun);
        }
    }
    for (uint32_t i = 0; i < excluded_count; i++) {
        put_entry(out, &excluded[i], NULL, &begun);
    }
    export_put(out, "\n  ]\n}\n");
}

static void put_keys(struct export *export, const struct keys *keys, int64_t expires) {
    struct export_text *out = &export->out->keys;
    export_put(out, "# The keys of the list in JSON beside this file.\n");
    if (expires != DATETIME_NONE) {
        export_putf(out, "\nPinsListTimestamp\n%lld\n", (long long)(expires + 1 - LIST_AGE_MAX_S));
    }
    for (uint32_t i = 0; i < keys->count; i++) {
        export_putf(out, "\n%s\nsha256/", keys->items[i].name);
        export_put_base64(out, keys->items[i].value);
        export_put(out, "\n");
    }
}

enum err export_chromium(struct export *export) {
    struct keys keys = gather_keys(export);
    int64_t expires = settle_expiry(export);
    if (expires != DATETIME_NONE &&
        (expires + 1 < LIST_AGE_MAX_S || expires + 1 - LIST_AGE_MAX_S > UINT32_MAX)) {
        return export_refuse(export, export->sets[0], NULL,
                             "its expiry is no date that a list of Chromium's can have: correct "
                             "it");
    }
    put_list(export, &keys);
    put_keys(export, &keys, expires);
    return ERR_NONE;
}
