#include "tests/support/pin_compare.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "engine/codec/sha256.h"

#define APPLIED_MAX 64
#define LINES_MAX 512
#define LINE_MAX 256

/* --- field by field --- */

static bool same_hosts(const struct pin_set *a, const struct pin_set *b) {
    bool same = a->host_count == b->host_count && a->excluded_count == b->excluded_count;
    for (uint32_t i = 0; same && i < a->host_count; i++) {
        same = strcmp(a->hosts[i].name, b->hosts[i].name) == 0 &&
               a->hosts[i].pattern == b->hosts[i].pattern && a->hosts[i].port == b->hosts[i].port;
    }
    for (uint32_t i = 0; same && i < a->excluded_count; i++) {
        same = strcmp(a->excluded[i], b->excluded[i]) == 0;
    }
    return same;
}

static bool same_pins(const struct pin_set *a, const struct pin_set *b) {
    bool same = a->pin_count == b->pin_count;
    for (uint32_t i = 0; same && i < a->pin_count; i++) {
        const struct pin *p = &a->pins[i], *q = &b->pins[i];
        same = p->alg == q->alg && p->of == q->of && p->role == q->role && p->list == q->list &&
               p->tlsa_usage == q->tlsa_usage && span_equal(p->value, q->value) &&
               strcmp(p->note, q->note) == 0 && strcmp(p->text, q->text) == 0;
    }
    return same;
}

static bool same_trust(const struct pin_set *a, const struct pin_set *b) {
    bool same = a->trust_count == b->trust_count && a->trust_none == b->trust_none;
    for (uint32_t i = 0; same && i < a->trust_count; i++) {
        same = strcmp(a->trust[i], b->trust[i]) == 0;
    }
    return same;
}

static bool same_exceptions(const struct pin_set *a, const struct pin_set *b) {
    bool same = a->exception_count == b->exception_count;
    for (uint32_t i = 0; same && i < a->exception_count; i++) {
        const struct pin_exception *p = &a->exceptions[i], *q = &b->exceptions[i];
        same = strcmp(p->rule, q->rule) == 0 && strcmp(p->reason, q->reason) == 0 &&
               strcmp(p->approver, q->approver) == 0 && p->until == q->until;
    }
    return same;
}

static const char *compare_texts(const struct pin_set *a, const struct pin_set *b) {
    const struct {
        const char *field, *a, *b;
    } texts[] = {
        {"name", a->name, b->name},
        {"application", a->application, b->application},
        {"platform", a->platform, b->platform},
        {"owner", a->owner, b->owner},
        {"approver", a->approver, b->approver},
        {"rollover", a->rollover, b->rollover},
        {"update_channel", a->update_channel, b->update_channel},
        {"backup_custody", a->backup_custody, b->backup_custody},
        {"extra", a->extra, b->extra},
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (strcmp(texts[i].a, texts[i].b) != 0) {
            return texts[i].field;
        }
    }
    return NULL;
}

static const char *compare_sets(const struct pin_set *a, const struct pin_set *b) {
    const struct {
        const char *field;
        bool same;
    } fields[] = {
        {"hosts", same_hosts(a, b)},
        {"include_subdomains", a->include_subdomains == b->include_subdomains},
        {"host_rule", a->host_rule == b->host_rule},
        {"client", a->client == b->client},
        {"scope", a->scope == b->scope},
        {"key_types", a->key_types == b->key_types},
        {"trust", same_trust(a, b)},
        {"pins", same_pins(a, b)},
        {"expires", a->expires == b->expires},
        {"on_expiry", a->on_expiry == b->on_expiry},
        {"report_only", a->report_only == b->report_only},
        {"operated_by", a->operated_by_third_party == b->operated_by_third_party},
        {"update", a->lead_time_days == b->lead_time_days && a->adoption_days == b->adoption_days},
        {"last_rehearsal", a->last_rehearsal == b->last_rehearsal},
        {"exceptions", same_exceptions(a, b)},
    };
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        if (!fields[i].same) {
            return fields[i].field;
        }
    }
    return compare_texts(a, b);
}

const char *pin_compare(const struct pin_index *a, const struct pin_index *b) {
    static _Thread_local char text[400];
    for (uint32_t i = 0; i < a->set_count && i < b->set_count; i++) {
        const char *field = compare_sets(a->sets[i], b->sets[i]);
        if (field != NULL) {
            snprintf(text, sizeof text, "set %u (%.150s, %.150s): %s", i, a->sets[i]->name,
                     b->sets[i]->name, field);
            return text;
        }
    }
    snprintf(text, sizeof text, "%u sets and %u", a->set_count, b->set_count);
    return a->set_count == b->set_count ? NULL : text;
}

/* --- what clients do --- */

struct lines {
    char (*text)[LINE_MAX];
    uint32_t count;
};

static int compare_lines(const void *left, const void *right) {
    return strcmp(left, right);
}

static void add_line(struct lines *lines, const char *text) {
    CHECK(lines->count < LINES_MAX);
    snprintf(lines->text[lines->count++], LINE_MAX, "%s", text);
}

/* "leaf", "ca", "leaf+ca", "sent" and whether a path is needed. */
static void describe_pin(const struct pin_set *set, const struct pin *pin,
                         const struct pin_view *view, struct lines *lines) {
    bool leaf = set->scope != PIN_SCOPE_CA_ONLY && pin->list != PIN_LIST_CA;
    bool ca = set->scope != PIN_SCOPE_LEAF && pin->list != PIN_LIST_LEAF;
    bool sent = set->scope == PIN_SCOPE_PRESENTED, no_path = set->trust_none;
    if (pin->tlsa_usage != PIN_TLSA_NONE) {
        leaf = pin->tlsa_usage == PIN_TLSA_PKIX_EE || pin->tlsa_usage == PIN_TLSA_DANE_EE;
        ca = !leaf;
        sent = false;
        no_path = no_path || pin->tlsa_usage >= PIN_TLSA_DANE_TA;
    }
    uint8_t digest[SHA256_LEN];
    struct span value = pin->value;
    enum pin_alg alg = pin->alg;
    if (alg == PIN_EXACT) {
        sha256_once(value, digest);
        value = span_of(digest, sizeof digest);
        alg = PIN_SHA256;
    }
    for (int at = 0; at < 2; at++) { /* leaf, then CAs */
        if (!(at == 0 ? leaf : ca)) {
            continue;
        }
        char line[LINE_MAX];
        snprintf(line, sizeof line, "%s %s %s%s%s %02x%02x%02x%02x", at == 0 ? "leaf" : "ca",
                 pin_alg_words[alg], pin_of_words[pin->of],
                 no_path && !view->leaf_only ? " no-path" : "", pin->role == PIN_BAD ? " bad" : "",
                 value.data[0], value.data[1], value.data[2], value.data[3]);
        add_line(lines, line);
        if (sent && at == 1 && !view->leaf_only) {
            add_line(lines, "sent");
        }
    }
}

static void describe_set(const struct pin_set *set, const struct pin_view *view,
                         struct lines *lines) {
    bool leaf = false, ca = false;
    char line[LINE_MAX], date[DATETIME_LEN_MAX];
    for (uint32_t i = 0; i < set->pin_count; i++) {
        describe_pin(set, &set->pins[i], view, lines);
        leaf = leaf || set->pins[i].list == PIN_LIST_LEAF;
        ca = ca || set->pins[i].list == PIN_LIST_CA;
    }
    if (set->scope == PIN_SCOPE_LEAF_AND_CA && leaf && ca) {
        add_line(lines, "both lists");
    }
    if (set->report_only) {
        add_line(lines, "report-only");
    }
    if (set->expires != DATETIME_NONE && set->on_expiry != PIN_EXPIRY_NONE) {
        datetime_format(date, set->expires);
        snprintf(line, sizeof line, "%s at %s", pin_on_expiry_words[set->on_expiry], date);
        add_line(lines, line);
    }
    for (uint32_t i = 0; view->trust && i < set->trust_count; i++) {
        snprintf(line, sizeof line, "trust %s", set->trust[i]);
        add_line(lines, line);
    }
}

static bool adds_up(const struct pin_set *a, const struct pin_set *b) {
    bool unions = a->host_rule == PIN_HOST_UNION || a->host_rule == PIN_HOST_ONE_LABEL;
    return unions && a->host_rule == b->host_rule && pin_same_application(a, b);
}

/* Sorted, each once, joined. */
static void join(struct lines *lines, const char *between, char *out, size_t capacity) {
    size_t len = 0;
    out[0] = '\0';
    qsort(lines->text, lines->count, LINE_MAX, compare_lines);
    for (uint32_t i = 0; i < lines->count; i++) {
        if (i > 0 && strcmp(lines->text[i - 1], lines->text[i]) == 0) {
            continue;
        }
        len += (size_t)snprintf(out + len, capacity - len, "%s%s", lines->text[i], between);
        CHECK(len < capacity);
    }
}

static int compare_groups(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

char *pin_describe(const struct pin_index *index, const char *host, uint16_t port,
                   const struct pin_view *view) {
    enum { GROUP_BYTES = LINES_MAX * 32 };
    const struct pin_set *sets[APPLIED_MAX];
    size_t count = pin_index_lookup(index, span_str(host), port, sets, APPLIED_MAX);
    CHECK(count <= APPLIED_MAX);
    char *groups[APPLIED_MAX];
    bool done[APPLIED_MAX] = {false};
    size_t group_count = 0;
    struct lines lines = {.text = malloc(LINES_MAX * sizeof *lines.text)};
    CHECK(lines.text != NULL);
    for (size_t i = 0; i < count; i++) {
        if (done[i]) {
            continue;
        }
        lines.count = 0;
        describe_set(sets[i], view, &lines);
        for (size_t j = i + 1; j < count; j++) {
            if (adds_up(sets[i], sets[j])) {
                describe_set(sets[j], view, &lines);
                done[j] = true;
            }
        }
        groups[group_count] = malloc(GROUP_BYTES);
        CHECK(groups[group_count] != NULL);
        join(&lines, "; ", groups[group_count++], GROUP_BYTES);
    }
    free(lines.text);
    if (group_count > 0) {
        qsort(groups, group_count, sizeof *groups, compare_groups);
    }
    char *out = calloc(1, group_count * (GROUP_BYTES + 1) + 1);
    CHECK(out != NULL);
    for (size_t i = 0; i < group_count; i++) {
        if (i == 0 || strcmp(groups[i - 1], groups[i]) != 0) {
            strcat(strcat(out, groups[i]), "\n");
        }
    }
    for (size_t i = 0; i < group_count; i++) {
        free(groups[i]);
    }
    return out;
}
