/* A spreadsheet of pins, one a row, as import_csv.c reads it. Each row names the client, so that
   sets keep their own host patterns; what the columns do not have is lost. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/policy/export_set.h"

#define HEADER                                                                                     \
    "app,owner,approver,client,scope,host,include_subdomains,alg,pin,role,expires,rollover_url\n"

/* What the name of a set that came from a spreadsheet says of its empty cells. */
struct cells {
    const char *app, *client;
};

/* Quoted where it must be (RFC 4180). A cell is within one line and is trimmed. */
static void put_cell(struct export *export, const struct pin_set *set, const char *text) {
    struct export_text *out = &export->out->file;
    bool quote = strpbrk(text, ",\"#") != NULL || text[0] == ' ';
    if (strpbrk(text, "\r\n") != NULL) {
        export_loss(export, set, NULL,
                    "line breaks in \"%.40s...\" are lost, a cell is one line: they become spaces",
                    text);
        quote = true;
    }
    export_put(out, quote ? "\"" : "");
    for (; *text != '\0'; text++) {
        if (*text == '\r' || *text == '\n') {
            export_put(out, " ");
        } else {
            export_put(out, *text == '"' ? "\"" : "");
            export_put_span(out, span_of(text, 1));
        }
    }
    export_put(out, quote ? "\"," : ",");
}

static bool ends_with(const char *name, const char *a, const char *b, const char *c) {
    char end[2 * HOST_MAX + 300];
    int len = snprintf(end, sizeof end, ":%s%s%s%s%s", a, a[0] != '\0' ? ":" : "", b,
                       b[0] != '\0' ? ":" : "", c);
    size_t name_len = strlen(name);
    return len > 0 && (size_t)len < sizeof end && name_len >= (size_t)len &&
           strcmp(name + name_len - (size_t)len, end) == 0;
}

static bool begins_with(const char *name, const char *prefix) {
    size_t len = strlen(prefix);
    return strncmp(name, prefix, len) == 0 && name[len] == ':';
}

/* import_csv.c names a set "stem:app:client:host" without what is empty, and takes the stem for an
   application that is not given. */
static struct cells cells_of(const struct pin_set *set, const char *host) {
    const char *client = pin_client_text(set->client);
    bool custom = set->client == PIN_CLIENT_CUSTOM;
    if (set->application[0] != '\0' && begins_with(set->name, set->application)) {
        size_t stem_len = strlen(set->application);
        if (ends_with(set->name, "", client, host) &&
            strlen(set->name) == stem_len + strlen(client) + strlen(host) + 2) {
            return (struct cells){"", client};
        }
        if (custom && strlen(set->name) == stem_len + strlen(host) + 1 &&
            ends_with(set->name, "", "", host)) {
            return (struct cells){"", ""};
        }
    }
    if (custom && ends_with(set->name, set->application, "", host) &&
        !ends_with(set->name, set->application, client, host)) {
        return (struct cells){set->application, ""};
    }
    return (struct cells){set->application, client};
}

/* --- losses --- */

static void tell_set_losses(struct export *export, const struct pin_set *set) {
    const struct pin_client_rules *rules = pin_client_rules(set->client);
    const char *client = pin_client_text(set->client);
    if (set->host_rule != rules->host_rule) {
        export_loss(export, set, NULL, "host_rule %s is lost: client %s would match by %s",
                    pin_host_rule_words[set->host_rule], client,
                    pin_host_rule_words[rules->host_rule]);
    }
    if (set->expires != DATETIME_NONE && set->on_expiry != rules->on_expiry) {
        export_loss(export, set, NULL, "on_expiry %s is lost: client %s would do %s",
                    pin_on_expiry_words[set->on_expiry], client,
                    pin_on_expiry_words[rules->on_expiry]);
    }
    if (set->report_only) {
        export_loss(export, set, NULL,
                    "report-only is lost: the pins would count as enforced, and what matches none "
                    "as a mismatch");
    }
    for (uint32_t i = 0; i < set->excluded_count; i++) {
        export_loss(export, set, set->excluded[i],
                    "the exclusion is lost: what it takes out would be pinned");
    }
    if (set->trust_count != 1 || strcmp(set->trust[0], "system") != 0) {
        export_loss(export, set, NULL,
                    "trust %s%s is lost: paths would be built to the system's anchors",
                    set->trust[0], set->trust_count > 1 ? ", ..." : "");
    }
    if (set->key_types != PIN_KEYS_ANY) {
        export_loss(export, set, NULL,
                    "key_types is lost: the pins would be looked for whatever key the server "
                    "shows");
    }
    if (set->scope == PIN_SCOPE_LEAF_AND_CA && set->client != PIN_CLIENT_APPLE) {
        export_loss(export, set, NULL,
                    "scope leaf-and-ca is lost, it is client apple's: all of the path would be "
                    "searched, and one match be enough");
    }
    if (set->client == PIN_CLIENT_APPLE && set->scope != PIN_SCOPE_LEAF_AND_CA) {
        export_loss(export, set, NULL,
                    "scope %s is lost: client apple has a list for leaves and one for CAs",
                    pin_scope_text(set->scope));
    }
}

/* Whether the row can be written. */
static bool check_pin(struct export *export, const struct pin_set *set, const struct pin *pin) {
    if (pin->of == PIN_OF_CERT) {
        export_loss(export, set, NULL,
                    "pin %.100s is of a certificate and is left out, the columns have keys alone: "
                    "what only that pin accepts would be a mismatch",
                    pin->text);
        return false;
    }
    if (pin->list != PIN_LIST_ANY && set->client != PIN_CLIENT_APPLE) {
        export_loss(export, set, NULL,
                    "list %s of pin %.100s is lost: it would be looked for everywhere in the scope",
                    pin_list_words[pin->list], pin->text);
    }
    return true;
}

/* --- rows --- */

/* Apple has two lists in one set: there the scope is the list's. */
static const char *scope_of(const struct pin_set *set, const struct pin *pin) {
    if (set->client == PIN_CLIENT_APPLE) {
        bool leaf = pin->list == PIN_LIST_LEAF ||
                    (pin->list == PIN_LIST_ANY && set->scope == PIN_SCOPE_LEAF);
        return leaf ? "leaf" : "ca-only";
    }
    bool plain =
        set->scope == pin_client_rules(set->client)->scope || set->scope == PIN_SCOPE_LEAF_AND_CA;
    return plain ? "" : pin_scope_text(set->scope);
}

static void put_row(struct export *export, const struct pin_set *set, const char *host,
                    const struct pin *pin) {
    struct export_text *out = &export->out->file;
    struct cells cells = cells_of(set, host);
    char expires[DATETIME_LEN_MAX] = "";
    int64_t again = 0;
    if (set->expires != DATETIME_NONE) {
        size_t len = datetime_format_date(expires, set->expires);
        if (!datetime_parse(span_of(expires, len), &again) || again != set->expires) {
            datetime_format(expires, set->expires);
        }
    }
    put_cell(export, set, cells.app);
    put_cell(export, set, set->owner);
    put_cell(export, set, set->approver);
    put_cell(export, set, cells.client);
    put_cell(export, set, scope_of(set, pin));
    put_cell(export, set, host);
    put_cell(export, set, set->include_subdomains ? "true" : "");
    put_cell(export, set, pin_alg_words[pin->alg]);
    put_cell(export, set, pin->text); /* with its prefix: a bare "+..." is a formula to some */
    put_cell(export, set, pin->role == PIN_ACTIVE ? "" : pin_role_text(pin->role));
    put_cell(export, set, expires);
    put_cell(export, set, set->rollover);
    out->bytes[out->len - 1] = '\n'; /* the last comma */
}

/* What differs by more than the columns have was told. */
static bool is_repeated(const struct pin_set *set, uint32_t pin_idx) {
    const struct pin *pin = &set->pins[pin_idx];
    for (uint32_t i = 0; i < pin_idx; i++) {
        const struct pin *other = &set->pins[i];
        if (other->of == pin->of && other->alg == pin->alg &&
            span_equal(other->value, pin->value) &&
            strcmp(scope_of(set, other), scope_of(set, pin)) == 0) {
            return true;
        }
    }
    return false;
}

static enum err put_set(struct export *export, const struct pin_set *set) {
    if (set->client == PIN_CLIENT_DANE) {
        return export_refuse(export, set, NULL,
                             "TLSA records do not fit in the columns: leave the set out "
                             "(--client), or convert to tlsa");
    }
    const bool *repeated = export_repeated_hosts(export, set);
    tell_set_losses(export, set);
    uint32_t good = 0;
    for (uint32_t j = 0; j < set->pin_count; j++) {
        if (!check_pin(export, set, &set->pins[j]) || is_repeated(set, j)) {
            continue;
        }
        good += set->pins[j].role != PIN_BAD;
        for (uint32_t i = 0; i < set->host_count; i++) {
            if (!repeated[i]) {
                put_row(export, set, export_host_text(export, &set->hosts[i]), &set->pins[j]);
            }
        }
    }
    if (good == 0) {
        return export_refuse(export, set, NULL,
                             "none of its pins fits in the columns, its hosts would not be "
                             "pinned: leave the set out (--pin-set, --client)");
    }
    return ERR_NONE;
}

/* --- rows that would be one set --- */

struct key {
    const struct pin_set *set;
    const char *host;
};

static int compare_keys(const void *left, const void *right) {
    const struct key *a = left, *b = right;
    int order = strcmp(a->host, b->host);
    if (order == 0) {
        order = (a->set->client > b->set->client) - (a->set->client < b->set->client);
    }
    return order != 0 ? order : strcmp(a->set->application, b->set->application);
}

/* A reader takes rows of the same app, client and host for one set. */
static enum err check_keys(struct export *export) {
    size_t total = 0, count = 0;
    for (uint32_t i = 0; i < export->count; i++) {
        total += export->sets[i]->host_count;
    }
    struct key *keys = arena_alloc(&export->scratch, (total + 1) * sizeof *keys);
    for (uint32_t i = 0; i < export->count; i++) {
        const struct pin_set *set = export->sets[i];
        for (uint32_t j = 0; j < set->host_count; j++) {
            keys[count++] = (struct key){set, export_host_text(export, &set->hosts[j])};
        }
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (keys[i].set != keys[i - 1].set && compare_keys(&keys[i - 1], &keys[i]) == 0) {
            return export_refuse(export, keys[i].set, keys[i].host,
                                 "the pin set \"%.100s\" is of the same application, client and "
                                 "host, and rows of these are one set: give each an application "
                                 "of its own, or choose with --pin-set",
                                 keys[i - 1].set->name);
        }
    }
    return ERR_NONE;
}

enum err export_csv(struct export *export) {
    enum err err = check_keys(export);
    export_put(&export->out->file, HEADER);
    for (uint32_t i = 0; i < export->count && err == ERR_NONE; i++) {
        err = put_set(export, export->sets[i]);
    }
    return err;
}
