/* The part of a sweep: what is wrong, whose it is, what it rests on, what comes next. */
#include <stdlib.h>

#include "engine/codec/text.h"
#include "engine/page/html.h"
#include "engine/page/page.h"
#include "engine/page/plot.h"

#define WEEK_S INT64_C(604800)
#define WEEKS 53

/* How well the pins of a target would survive a change, by what is judged of them tonight. */
enum resilience {
    RESILIENCE_FAILING,
    RESILIENCE_NOT_DURABLE,
    RESILIENCE_ON_BACKUP,
    RESILIENCE_UNENFORCED,
    RESILIENCE_UNKNOWN,
    RESILIENCE_DURABLE,
    RESILIENCE_UNPINNED,
    RESILIENCE_COUNT
};
static const char *const resilience_names[] = {"failing", "not-durable", "on-backup", "unenforced",
                                               "unknown", "durable",     "unpinned"};
static const char *const series_names[] = {"leaf", "intermediate", "anchor", "pin-set"};
enum { SERIES_LEAF, SERIES_INTERMEDIATE, SERIES_ANCHOR, SERIES_PIN_SET };

struct sweep_page {
    struct page *page;
    const struct snapshot *snapshot;
    const char *verdict_names[VERDICT_COUNT];
    uint64_t verdicts[VERDICT_COUNT], resilience[RESILIENCE_COUNT];
    struct tally owners, authorities, applications, pin_sets;
    uint64_t weeks[WEEKS][PLOT_SERIES_MAX];
    uint64_t expired, expiring_30_days; /* leaves */
    /* By certificate: the first certificate with the same key; endpoints whose preferred paths hold
       that key; the target counted last; the role seen. */
    uint32_t *key_of, *dependents, *last_target;
    uint8_t *roles;
};

/* "CN=R11,O=Let's Encrypt,C=US": the common name, or the whole where there is none; in `out`. */
static const char *short_name(const char *subject, char out[256]) {
    const char *at = strstr(subject, "CN=");
    if (at == NULL || (at != subject && at[-1] != ',' && at[-1] != '+')) {
        return subject;
    }
    size_t len = 0;
    for (at += 3; *at != '\0' && *at != ',' && *at != '+' && len < 255; at++) {
        if (*at == '\\' && at[1] != '\0') {
            at++;
        }
        out[len++] = *at;
    }
    out[len] = '\0';
    return out;
}

/* --- one pass over the targets --- */

static const char *owner_of(const struct snapshot *snapshot, const struct snapshot_target *target) {
    const char *owner = target->owner;
    for (uint32_t i = 0; i < target->set_count && owner[0] == '\0'; i++) {
        owner = snapshot->sets[target->first_set + i].owner;
    }
    return owner;
}

static const char *application_of(const struct snapshot *snapshot,
                                  const struct snapshot_target *target) {
    const char *application = target->application;
    for (uint32_t i = 0; i < target->set_count && application[0] == '\0'; i++) {
        application = snapshot->sets[target->first_set + i].application;
    }
    return application;
}

static enum resilience resilience_of(const struct snapshot *snapshot,
                                     const struct snapshot_target *target) {
    switch (target->verdict) {
    case VERDICT_MISMATCH:
    case VERDICT_OFF_PATH:
    case VERDICT_NO_PATH:
        return RESILIENCE_FAILING;
    case VERDICT_PATH_DEPENDENT:
        return RESILIENCE_NOT_DURABLE;
    case VERDICT_EXPIRED_PINSET:
    case VERDICT_REPORT_ONLY:
        return RESILIENCE_UNENFORCED;
    case VERDICT_UNKNOWN:
        return RESILIENCE_UNKNOWN;
    case VERDICT_UNPINNED:
        return RESILIENCE_UNPINNED;
    case VERDICT_MATCH:
    case VERDICT_MATCH_BACKUP:
    case VERDICT_COUNT:
        break;
    }
    for (uint32_t i = 0; i < target->set_count; i++) {
        if (!snapshot->sets[target->first_set + i].durable) {
            return RESILIENCE_NOT_DURABLE;
        }
    }
    return target->verdict == VERDICT_MATCH_BACKUP ? RESILIENCE_ON_BACKUP : RESILIENCE_DURABLE;
}

/* The preferred path of the chain in the first profile that has one; SNAPSHOT_NONE. */
static uint32_t preferred_path(const struct snapshot *snapshot,
                               const struct snapshot_chain *chain) {
    for (uint32_t i = chain->first_path; i < chain->first_path + chain->path_count; i++) {
        if (snapshot->paths[i].preferred) {
            return i;
        }
    }
    return SNAPSHOT_NONE;
}

static void depend_on(struct sweep_page *sweep, uint32_t cert, uint32_t target_idx, uint8_t role) {
    uint32_t key = sweep->key_of[cert];
    sweep->roles[cert] = sweep->roles[cert] > role ? sweep->roles[cert] : role;
    sweep->roles[key] = sweep->roles[key] > role ? sweep->roles[key] : role;
    if (sweep->last_target[key] != target_idx + 1) {
        sweep->last_target[key] = target_idx + 1;
        sweep->dependents[key]++;
    }
}

static const char *look_at_chain(struct sweep_page *sweep, uint32_t chain_idx,
                                 uint32_t target_idx) {
    const struct snapshot *snapshot = sweep->snapshot;
    const struct snapshot_chain *chain = &snapshot->chains[chain_idx];
    uint32_t path_idx = preferred_path(snapshot, chain);
    if (path_idx == SNAPSHOT_NONE) {
        for (uint32_t i = 0; i < chain->cert_count; i++) {
            depend_on(sweep, snapshot->chain_certs[chain->first_cert + i], target_idx,
                      i == 0 ? SERIES_LEAF : SERIES_INTERMEDIATE);
        }
        return "(no path to an anchor)";
    }
    const struct snapshot_path *path = &snapshot->paths[path_idx];
    for (uint32_t i = 0; i < path->cert_count; i++) {
        depend_on(sweep, snapshot->path_certs[path->first_cert + i], target_idx,
                  i == 0                     ? SERIES_LEAF
                  : i + 1 < path->cert_count ? SERIES_INTERMEDIATE
                                             : SERIES_ANCHOR);
    }
    return snapshot->certs[snapshot->path_certs[path->first_cert + path->cert_count - 1]].subject;
}

static void look_at_target(struct sweep_page *sweep, uint32_t target_idx) {
    const struct snapshot *snapshot = sweep->snapshot;
    const struct snapshot_target *target = &snapshot->targets[target_idx];
    enum resilience resilience = resilience_of(snapshot, target);
    const char *authority = "(nothing was seen)";
    char name[256];
    sweep->verdicts[target->verdict]++;
    sweep->resilience[resilience]++;
    tally_add(&sweep->owners, owner_of(snapshot, target), target->verdict, 1);
    tally_add(&sweep->applications, application_of(snapshot, target), resilience, 1);
    for (uint32_t i = 0; i < target->view_count; i++) {
        const struct snapshot_view *view = &snapshot->views[target->first_view + i];
        if (view->chain != SNAPSHOT_NONE) {
            authority = look_at_chain(sweep, view->chain, target_idx);
        }
    }
    tally_add(&sweep->authorities, short_name(authority, name), target->verdict, 1);
}

static int compare_keys(const void *left, const void *right, void *context) {
    const struct snapshot *snapshot = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int keys = memcmp(snapshot->certs[a].spki_sha256, snapshot->certs[b].spki_sha256, SHA256_LEN);
    return keys != 0 ? keys : (a < b ? -1 : a > b);
}

static bool find_keys(struct sweep_page *sweep) {
    const struct snapshot *snapshot = sweep->snapshot;
    uint32_t count = snapshot->certs_count;
    uint32_t *order = malloc(((size_t)count + 1) * sizeof *order);
    sweep->key_of = malloc(((size_t)count + 1) * sizeof *sweep->key_of);
    sweep->dependents = calloc((size_t)count + 1, sizeof *sweep->dependents);
    sweep->last_target = calloc((size_t)count + 1, sizeof *sweep->last_target);
    sweep->roles = calloc((size_t)count + 1, sizeof *sweep->roles);
    bool good = order != NULL && sweep->key_of != NULL && sweep->dependents != NULL &&
                sweep->last_target != NULL && sweep->roles != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        order[i] = i;
    }
    if (good && count > 0) {
        qsort_r(order, count, sizeof *order, compare_keys, (void *)(uintptr_t)snapshot);
    }
    for (uint32_t i = 0; good && i < count; i++) {
        bool same = i > 0 && snapshot->certs[order[i]].has_spki &&
                    memcmp(snapshot->certs[order[i]].spki_sha256,
                           snapshot->certs[order[i - 1]].spki_sha256, SHA256_LEN) == 0;
        sweep->key_of[order[i]] = same ? sweep->key_of[order[i - 1]] : order[i];
    }
    free(order);
    return good;
}

/* --- expiry --- */

static void count_expiry(struct sweep_page *sweep, int64_t when, uint32_t series) {
    if (when == DATETIME_NONE) {
        return;
    }
    int64_t left = when - sweep->page->now_unix_s;
    if (series == SERIES_LEAF) {
        sweep->expired += left < 0;
        sweep->expiring_30_days += left >= 0 && left < 30 * INT64_C(86400);
    }
    if (left >= 0 && left / WEEK_S < WEEKS) {
        sweep->weeks[left / WEEK_S][series]++;
    }
}

static const char *week_label(void *context, uint32_t column) {
    static _Thread_local char text[DATETIME_LEN_MAX];
    const struct sweep_page *sweep = context;
    size_t len = datetime_format_date(text, sweep->page->now_unix_s + column * WEEK_S);
    text[len] = '\0';
    return text;
}

static void look_at_expiry(struct sweep_page *sweep) {
    const struct snapshot *snapshot = sweep->snapshot;
    for (uint32_t i = 0; i < snapshot->certs_count; i++) {
        if (sweep->last_target[sweep->key_of[i]] != 0) {
            count_expiry(sweep, snapshot->certs[i].not_after, sweep->roles[i]);
        }
    }
    for (uint32_t i = 0; i < snapshot->sets_count; i++) {
        uint32_t known = sweep->pin_sets.count;
        tally_add(&sweep->pin_sets, snapshot->sets[i].name, 0, 1);
        if (sweep->pin_sets.count > known) {
            count_expiry(sweep, snapshot->sets[i].expires, SERIES_PIN_SET);
        }
    }
}

/* --- writing --- */

static void write_tiles(struct sweep_page *sweep) {
    struct page *page = sweep->page;
    const uint64_t *verdicts = sweep->verdicts;
    uint64_t broken = verdicts[VERDICT_MISMATCH] + verdicts[VERDICT_OFF_PATH] +
                      verdicts[VERDICT_NO_PATH] + verdicts[VERDICT_PATH_DEPENDENT];
    page_tiles_begin(page);
    page_tile(page, "", sweep->snapshot->targets_count, "endpoints");
    page_tile(page, broken > 0 ? "t-bad" : "t-good", broken, "broken for some client");
    page_tile(page, verdicts[VERDICT_UNKNOWN] > 0 ? "t-warn" : "t-good", verdicts[VERDICT_UNKNOWN],
              "not known: nothing was seen");
    page_tile(page, verdicts[VERDICT_EXPIRED_PINSET] > 0 ? "t-warn" : "t-good",
              verdicts[VERDICT_EXPIRED_PINSET], "with an expired pin set");
    page_tile(page, sweep->expiring_30_days > 0 ? "t-warn" : "t-good", sweep->expiring_30_days,
              "leaf certificates end within 30 days");
    page_tile(page, sweep->expired > 0 ? "t-bad" : "t-good", sweep->expired,
              "leaf certificates have ended");
    page_tiles_end(page);
}

static void write_verdicts(struct sweep_page *sweep) {
    FILE *out = sweep->page->out;
    struct plot_legend legend = {sweep->verdict_names, VERDICT_COUNT};
    page_section(sweep->page, "Verdicts", "The worst of each endpoint's pin sets.");
    plot_bar(out, "Endpoints by verdict", &legend, sweep->verdicts, sweep->snapshot->targets_count);
    plot_legend(out, &legend, sweep->verdicts);
    page_section(sweep->page, "By owner", "");
    tally_fold(&sweep->owners, VERDICT_UNKNOWN, PAGE_GROUPS_MAX);
    plot_table(out, "Verdicts by owner", "owner", &legend, &sweep->owners);
    page_section(sweep->page, "By certification authority",
                 "The anchor of the path that clients prefer.");
    tally_fold(&sweep->authorities, VERDICT_UNKNOWN, PAGE_GROUPS_MAX);
    plot_table(out, "Verdicts by certification authority", "anchor", &legend, &sweep->authorities);
}

static void write_expiry(struct sweep_page *sweep) {
    struct plot_columns plot = {.title = "Ends of certificates and pin sets",
                                .unit = "week",
                                .legend = {series_names, ARRAY_COUNT(series_names)},
                                .columns = sweep->weeks,
                                .count = WEEKS,
                                .label = week_label,
                                .label_every = 9,
                                .context = sweep};
    uint64_t totals[PLOT_SERIES_MAX] = {0};
    for (uint32_t week = 0; week < WEEKS; week++) {
        for (uint32_t s = 0; s < PLOT_SERIES_MAX; s++) {
            totals[s] += sweep->weeks[week][s];
        }
    }
    page_section(sweep->page, "What ends in the next year",
                 "By week; each certificate and pin set once.");
    plot_legend(sweep->page->out, &plot.legend, totals);
    plot_columns(sweep->page->out, &plot);
}

static void write_resilience(struct sweep_page *sweep) {
    struct plot_legend legend = {resilience_names, RESILIENCE_COUNT};
    uint64_t pinned = sweep->snapshot->targets_count - sweep->resilience[RESILIENCE_UNPINNED];
    char note[200];
    snprintf(note, sizeof note,
             "%llu of %u endpoints have a pin set. Durable: an active pin matches on every valid "
             "path.",
             (unsigned long long)pinned, sweep->snapshot->targets_count);
    page_section(sweep->page, "Pin coverage and resilience", note);
    plot_bar(sweep->page->out, "Endpoints by resilience", &legend, sweep->resilience,
             sweep->snapshot->targets_count);
    plot_legend(sweep->page->out, &legend, sweep->resilience);
    tally_fold(&sweep->applications, RESILIENCE_UNKNOWN, PAGE_GROUPS_MAX);
    plot_table(sweep->page->out, "Resilience by application", "application", &legend,
               &sweep->applications);
}

static int compare_dependents(const void *left, const void *right, void *context) {
    const uint32_t *dependents = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return dependents[a] != dependents[b] ? (dependents[a] > dependents[b] ? -1 : 1)
                                          : (a < b ? -1 : a > b);
}

static void write_key(struct sweep_page *sweep, uint32_t cert_idx) {
    FILE *out = sweep->page->out;
    const struct snapshot_cert *cert = &sweep->snapshot->certs[cert_idx];
    char name[256], pin[BASE64_LEN(SHA256_LEN) + 1];
    size_t len = base64_encode(pin, span_of(cert->spki_sha256, SHA256_LEN));
    pin[len] = '\0';
    html_raw(out, "<tr><th scope=\"row\">");
    html_text(out, cert->subject[0] != '\0' ? short_name(cert->subject, name) : "(name not known)");
    fprintf(out, "</th><td>%s</td><td class=\"n\">", series_names[sweep->roles[cert_idx]]);
    html_count(out, sweep->dependents[cert_idx]);
    html_raw(out, "</td><td><code>sha256/");
    html_text(out, cert->has_spki ? pin : "");
    html_raw(out, "</code></td><td class=\"n\">");
    html_date(out, cert->not_after);
    html_raw(out, "</td></tr>\n");
}

/* A key on which one endpoint alone depends is that endpoint's own. */
static enum err write_keys(struct sweep_page *sweep, struct err_note *note) {
    uint32_t count = 0, total = sweep->snapshot->certs_count;
    uint32_t *order = malloc(((size_t)total + 1) * sizeof *order);
    if (order == NULL) {
        return err_note(note, ERR_RESOURCE, "not enough memory to rank %u keys", total);
    }
    for (uint32_t i = 0; i < total; i++) {
        if (sweep->key_of[i] == i && sweep->dependents[i] > 1) {
            order[count++] = i;
        }
    }
    if (count > 0) {
        qsort_r(order, count, sizeof *order, compare_dependents, sweep->dependents);
    }
    page_section(sweep->page, "Blast radius",
                 "The keys that most endpoints depend on: on the path that their clients prefer.");
    if (count == 0) {
        page_nothing(sweep->page, "No key is shared by two endpoints.");
    } else {
        html_raw(sweep->page->out,
                 "<div class=\"wide\"><table><caption>Keys by dependents</caption><thead><tr>"
                 "<th scope=\"col\">key of</th><th scope=\"col\">role</th><th scope=\"col\" "
                 "class=\"n\">endpoints</th><th scope=\"col\">pin</th><th scope=\"col\" "
                 "class=\"n\">certificate ends</th></tr></thead><tbody>\n");
        for (uint32_t i = 0; i < count && i < PAGE_GROUPS_MAX; i++) {
            write_key(sweep, order[i]);
        }
        html_raw(sweep->page->out, "</tbody></table></div>\n");
    }
    free(order);
    return ERR_NONE;
}

/* The first end of a leaf that it showed. */
static int64_t first_end(const struct snapshot *snapshot, const struct snapshot_target *target) {
    int64_t ends = DATETIME_NONE;
    for (uint32_t i = 0; i < target->view_count; i++) {
        const struct snapshot_view *view = &snapshot->views[target->first_view + i];
        const struct snapshot_cert *leaf =
            view->chain != SNAPSHOT_NONE
                ? snapshot_chain_leaf(snapshot, &snapshot->chains[view->chain])
                : NULL;
        if (leaf != NULL && leaf->not_after != DATETIME_NONE &&
            (ends == DATETIME_NONE || leaf->not_after < ends)) {
            ends = leaf->not_after;
        }
    }
    return ends;
}

/* "2027-03-15"; "" if there is none. */
static void format_date(char text[DATETIME_LEN_MAX], int64_t unix_s) {
    size_t len = unix_s != DATETIME_NONE ? datetime_format_date(text, unix_s) : 0;
    text[len] = '\0';
}

static void write_endpoint(struct sweep_page *sweep, const struct snapshot_target *target) {
    const struct snapshot *snapshot = sweep->snapshot;
    const struct snapshot_set *worst = NULL;
    char endpoint[2048], why[160], date[DATETIME_LEN_MAX];
    for (uint32_t i = 0; i < target->set_count; i++) {
        const struct snapshot_set *set = &snapshot->sets[target->first_set + i];
        worst = worst == NULL || set->verdict < worst->verdict ? set : worst;
    }
    struct page_worst_row row = {.endpoint = endpoint,
                                 .word = verdict_text(target->verdict),
                                 .pin_set = worst != NULL ? worst->name : "",
                                 .why = worst != NULL ? worst->reason : "",
                                 .owner = owner_of(snapshot, target),
                                 .end = date};
    snprintf(endpoint, sizeof endpoint, "%s:%u", target->host, target->port);
    if (target->status != OUTCOME_SUCCESS) {
        row.why = outcome_text(target->status);
    } else if (worst != NULL && worst->verdict == VERDICT_EXPIRED_PINSET) {
        format_date(date, worst->expires);
        snprintf(why, sizeof why, "expired on %s; would be %s", date,
                 verdict_text(worst->would_be));
        row.why = why;
    }
    format_date(date, first_end(snapshot, target));
    page_worst_row(sweep->page, &row);
}

static void write_worst(struct sweep_page *sweep) {
    static const struct page_worst worst = {.heading = "Endpoints that need somebody",
                                            .nothing = "None.",
                                            .caption = "Worst endpoints",
                                            .word = "verdict",
                                            .end = "leaf ends"};
    const struct snapshot *snapshot = sweep->snapshot;
    uint64_t bad = 0;
    for (int verdict = 0; verdict <= VERDICT_UNKNOWN; verdict++) {
        bad += sweep->verdicts[verdict];
    }
    if (!page_worst_begin(sweep->page, &worst, bad)) {
        return;
    }
    uint32_t written = 0;
    for (int verdict = 0; verdict <= VERDICT_UNKNOWN && written < PAGE_WORST_MAX; verdict++) {
        uint64_t left = sweep->verdicts[verdict];
        for (uint32_t i = 0; left > 0 && i < snapshot->targets_count && written < PAGE_WORST_MAX;
             i++) {
            if (snapshot->targets[i].verdict == (enum verdict)verdict) {
                write_endpoint(sweep, &snapshot->targets[i]);
                written++;
                left--;
            }
        }
    }
    page_worst_end(sweep->page);
}

static void write_part(struct sweep_page *sweep) {
    const struct snapshot_meta *meta = &sweep->snapshot->meta;
    char note[400] = "";
    if (meta->started_ms != 0) {
        char started[DATETIME_LEN_MAX];
        size_t len = datetime_format(started, meta->started_ms / 1000);
        snprintf(note, sizeof note, "%.200s, begun %.*s%s", meta->sweep, (int)len, started,
                 meta->ended_ms != 0 && !meta->whole ? ", interrupted" : "");
    } else {
        snprintf(note, sizeof note, "%.200s", meta->sweep);
    }
    page_part(sweep->page, "Sweep", note);
}

enum err page_sweep(struct page *page, const struct snapshot *snapshot, struct err_note *note) {
    struct sweep_page *sweep = calloc(1, sizeof *sweep);
    enum err err = ERR_NONE;
    if (sweep == NULL) {
        return err_note(note, ERR_RESOURCE, "not enough memory for the report");
    }
    sweep->page = page;
    sweep->snapshot = snapshot;
    for (int i = 0; i < VERDICT_COUNT; i++) {
        sweep->verdict_names[i] = verdict_text((enum verdict)i);
    }
    if (!find_keys(sweep)) {
        err = err_note(note, ERR_RESOURCE, "not enough memory to report on %u certificates",
                       snapshot->certs_count);
    } else {
        for (uint32_t i = 0; i < snapshot->targets_count; i++) {
            look_at_target(sweep, i);
        }
        look_at_expiry(sweep);
        write_part(sweep);
        write_tiles(sweep);
        write_verdicts(sweep);
        write_expiry(sweep);
        write_resilience(sweep);
        err = write_keys(sweep, note);
        write_worst(sweep);
    }
    tally_fini(&sweep->owners);
    tally_fini(&sweep->authorities);
    tally_fini(&sweep->applications);
    tally_fini(&sweep->pin_sets);
    free(sweep->key_of);
    free(sweep->dependents);
    free(sweep->last_target);
    free(sweep->roles);
    free(sweep);
    return err;
}
