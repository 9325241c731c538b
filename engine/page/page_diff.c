/* The part of a diff, from its NDJSON (data/diff.schema.json): what got worse, what changed, where.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/page/html.h"
#include "engine/page/ndjson.h"
#include "engine/page/page.h"
#include "engine/page/plot.h"

#define KINDS_MAX 64 /* of changes, each with a line; there are about 30 */

enum { CHANGE_WORSE, CHANGE_CHANGED, CHANGE_BETTER, CHANGE_COUNT };
static const char *const change_names[] = {"worse", "changed", "better"};

struct listed {
    char *host, *change, *key_type, *pin_set, *detail, *owner;
    uint16_t port;
    bool regression;
};

struct diff_page {
    struct page *page;
    struct tally kinds, owners;
    uint64_t totals[CHANGE_COUNT], changes, matched, unchanged;
    struct listed worst[PAGE_WORST_MAX];
    uint32_t worst_count, regression_count;
    bool summed;
    char *before, *after;
};

static char *copy(const char *text) {
    char *out = strndup(text, 512);
    CHECK(out != NULL);
    return out;
}

static void listed_free(struct listed *listed) {
    free(listed->host);
    free(listed->change);
    free(listed->key_type);
    free(listed->pin_set);
    free(listed->detail);
    free(listed->owner);
}

static uint32_t category_of(const char *change, bool regression) {
    size_t len = strlen(change);
    return regression ? CHANGE_WORSE
           : (len > 7 && strcmp(change + len - 7, "-better") == 0) ||
                   strcmp(change, "reachable") == 0 || strcmp(change, "name-match") == 0
               ? CHANGE_BETTER
               : CHANGE_CHANGED;
}

/* The records come worst first, so that the first are the ones to list; regressions before what
   only changed, whatever --fail-on said. */
static void list_change(struct diff_page *diff, const cJSON *record, bool regression) {
    uint32_t at = diff->worst_count;
    if (regression && diff->regression_count < PAGE_WORST_MAX) {
        at = diff->regression_count++;
    } else if (at == PAGE_WORST_MAX) {
        return;
    }
    if (diff->worst_count < PAGE_WORST_MAX) {
        diff->worst_count++;
    } else {
        listed_free(&diff->worst[PAGE_WORST_MAX - 1]);
    }
    memmove(&diff->worst[at + 1], &diff->worst[at],
            (diff->worst_count - at - 1) * sizeof *diff->worst);
    diff->worst[at] = (struct listed){.host = copy(ndjson_text(record, "host")),
                                      .change = copy(ndjson_text(record, "change")),
                                      .key_type = copy(ndjson_text(record, "key_type")),
                                      .pin_set = copy(ndjson_text(record, "pin_set")),
                                      .detail = copy(ndjson_text(record, "detail")),
                                      .owner = copy(ndjson_text(record, "owner")),
                                      .port = ndjson_port(record),
                                      .regression = regression};
}

static void take_change(struct diff_page *diff, const cJSON *record) {
    bool regression = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(record, "regression")) != 0;
    const char *change = ndjson_text(record, "change");
    uint32_t category = category_of(change, regression);
    diff->changes++;
    diff->totals[category]++;
    tally_add(&diff->kinds, change, category, 1);
    tally_add(&diff->owners, ndjson_text(record, "owner"), category, 1);
    list_change(diff, record, regression);
}

static void take_summary(struct diff_page *diff, const cJSON *record) {
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(record, "before");
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(record, "after");
    free(diff->before);
    free(diff->after);
    diff->before = copy(ndjson_text(before, "sweep"));
    diff->after = copy(ndjson_text(after, "sweep"));
    diff->matched = ndjson_count_of(record, "matched");
    diff->unchanged = ndjson_count_of(record, "unchanged");
    diff->summed = true;
}

static void write_listed(FILE *out, const struct listed *listed) {
    html_raw(out, "<tr><th scope=\"row\">");
    html_format(out, "%s:%u", listed->host, listed->port);
    fprintf(out, "</th><td><span class=\"w%s\">", listed->regression ? " w-worse" : "");
    html_text(out, listed->change);
    html_raw(out, "</span></td><td>");
    html_text(out, listed->detail);
    html_raw(out, "</td><td>");
    html_text(out, listed->pin_set[0] != '\0' ? listed->pin_set : listed->key_type);
    html_raw(out, "</td><td>");
    html_text(out, listed->owner);
    html_raw(out, "</td></tr>\n");
}

static void write_part(struct diff_page *diff) {
    struct page *page = diff->page;
    struct plot_legend legend = {change_names, CHANGE_COUNT};
    char note[400];
    snprintf(note, sizeof note, "From %.150s to %.150s", diff->before, diff->after);
    page_part(page, "What changed", note);
    page_tiles_begin(page);
    page_tile(page, "", diff->matched, "endpoints in both sweeps");
    page_tile(page, "", diff->unchanged, "of them unchanged");
    page_tile(page, diff->totals[CHANGE_WORSE] > 0 ? "t-bad" : "t-good", diff->totals[CHANGE_WORSE],
              "regressions");
    page_tile(page, "", diff->totals[CHANGE_CHANGED], "other changes");
    page_tile(page, "t-good", diff->totals[CHANGE_BETTER], "improvements");
    page_tiles_end(page);
    if (diff->changes == 0) {
        page_nothing(page, "Nothing changed.");
        return;
    }
    page_section(page, "By kind", "");
    plot_bar(page->out, "Changes", &legend, diff->totals, diff->changes);
    plot_legend(page->out, &legend, diff->totals);
    tally_fold(&diff->kinds, CHANGE_CHANGED, KINDS_MAX);
    plot_table(page->out, "Changes by kind", "change", &legend, &diff->kinds);
    page_section(page, "By owner", "");
    tally_fold(&diff->owners, CHANGE_CHANGED, PAGE_GROUPS_MAX);
    plot_table(page->out, "Changes by owner", "owner", &legend, &diff->owners);
    snprintf(note, sizeof note, "Worst first: %u of %llu.", diff->worst_count,
             (unsigned long long)diff->changes);
    page_section(page, "Changes", note);
    html_raw(page->out,
             "<div class=\"wide\"><table class=\"e\"><caption>Changes, worst first</caption><thead>"
             "<tr><th scope=\"col\">endpoint</th><th scope=\"col\">change</th><th "
             "scope=\"col\">from, to</th><th scope=\"col\">pin set or key type</th><th "
             "scope=\"col\">owner</th></tr></thead><tbody>\n");
    for (uint32_t i = 0; i < diff->worst_count; i++) {
        write_listed(page->out, &diff->worst[i]);
    }
    html_raw(page->out, "</tbody></table></div>\n");
}

enum err page_diff(struct page *page, FILE *in, const char *file, struct err_note *note) {
    struct diff_page *diff = calloc(1, sizeof *diff);
    struct ndjson ndjson;
    enum err err = ERR_NONE;
    const cJSON *record;
    CHECK(diff != NULL);
    diff->page = page;
    ndjson_begin(&ndjson, in, file);
    while ((record = ndjson_next(&ndjson, &err, note)) != NULL) {
        const char *type = ndjson_text(record, "type");
        if (strcmp(type, "change") == 0) {
            take_change(diff, record);
        } else if (strcmp(type, "diff-summary") == 0) {
            take_summary(diff, record);
        } else {
            err = ndjson_fail(&ndjson, note, "not a record of pinsweep diff");
            break;
        }
    }
    if (err == ERR_NONE && !diff->summed) {
        err = ndjson_fail(&ndjson, note, "the summary is missing: the file is cut short");
    }
    if (err == ERR_NONE) {
        write_part(diff);
    }
    ndjson_end(&ndjson);
    for (uint32_t i = 0; i < diff->worst_count; i++) {
        listed_free(&diff->worst[i]);
    }
    tally_fini(&diff->kinds);
    tally_fini(&diff->owners);
    free(diff->before);
    free(diff->after);
    free(diff);
    return err;
}
