/* The part of an impact analysis, from its NDJSON (data/impact.schema.json): what breaks, whose it
   is, by when it could be made safe. */
#include <stdlib.h>
#include <string.h>

#include "engine/codec/datetime.h"
#include "engine/page/html.h"
#include "engine/page/ndjson.h"
#include "engine/page/page.h"
#include "engine/page/plot.h"

/* The contract's outcomes, worst first. */
static const char *const outcome_names[] = {"breaks",
                                            "path-dependent",
                                            "unknown-future-key",
                                            "already-broken",
                                            "survives-on-last-pin",
                                            "unenforced-expired",
                                            "survives-on-backup",
                                            "survives-on-primary",
                                            "report-only",
                                            "ok",
                                            "unpinned"};
enum { OUTCOME_NAMES = sizeof outcome_names / sizeof *outcome_names };
#define WORST_OUTCOMES 5 /* those that somebody has to act on, up to survives-on-last-pin */

struct listed {
    char *endpoint, *pin_set, *owner, *reason, *earliest;
};

struct impact_page {
    struct page *page;
    char *scenario, *earliest; /* the latest of all earliest safe dates */
    uint64_t totals[OUTCOME_NAMES], records;
    struct tally owners, applications, platforms, authorities;
    struct listed worst[WORST_OUTCOMES][PAGE_WORST_MAX];
    uint32_t worst_count[WORST_OUTCOMES];
};

static char *copy(const char *text) {
    size_t len = strnlen(text, 1024);
    char *out = malloc(len + 1);
    CHECK(out != NULL);
    memcpy(out, text, len);
    out[len] = '\0';
    return out;
}

static uint32_t outcome_of(const char *text) {
    for (uint32_t i = 0; i < OUTCOME_NAMES; i++) {
        if (strcmp(outcome_names[i], text) == 0) {
            return i;
        }
    }
    return OUTCOME_NAMES;
}

static void list_record(struct impact_page *impact, const cJSON *record, uint32_t outcome) {
    if (outcome >= WORST_OUTCOMES || impact->worst_count[outcome] == PAGE_WORST_MAX) {
        return;
    }
    char endpoint[300];
    snprintf(endpoint, sizeof endpoint, "%.255s:%u", ndjson_text(record, "host"),
             ndjson_port(record));
    impact->worst[outcome][impact->worst_count[outcome]++] =
        (struct listed){.endpoint = copy(endpoint),
                        .pin_set = copy(ndjson_text(record, "pin_set")),
                        .owner = copy(ndjson_text(record, "owner")),
                        .reason = copy(ndjson_text(record, "reason")),
                        .earliest = copy(ndjson_text(record, "earliest_safe"))};
}

static bool take_record(struct impact_page *impact, const cJSON *record) {
    uint32_t outcome = outcome_of(ndjson_text(record, "outcome"));
    if (outcome == OUTCOME_NAMES) {
        return false;
    }
    const char *earliest = ndjson_text(record, "earliest_safe");
    if (impact->scenario == NULL) {
        impact->scenario = copy(ndjson_text(record, "scenario"));
    }
    /* RFC 3339 dates sort as text */
    if (earliest[0] != '\0' &&
        (impact->earliest == NULL || strcmp(earliest, impact->earliest) > 0)) {
        free(impact->earliest);
        impact->earliest = copy(earliest);
    }
    impact->records++;
    impact->totals[outcome]++;
    tally_add(&impact->owners, ndjson_text(record, "owner"), outcome, 1);
    tally_add(&impact->applications, ndjson_text(record, "application"), outcome, 1);
    tally_add(&impact->platforms, ndjson_text(record, "platform"), outcome, 1);
    list_record(impact, record, outcome);
    return true;
}

/* Only what records do not hold themselves is taken from the roll-ups: the CA. */
static void take_summary(struct impact_page *impact, const cJSON *record) {
    const cJSON *outcomes = cJSON_GetObjectItemCaseSensitive(record, "outcomes"), *count;
    if (strcmp(ndjson_text(record, "by"), "ca") != 0) {
        return;
    }
    cJSON_ArrayForEach(count, outcomes) {
        uint32_t outcome = count->string != NULL ? outcome_of(count->string) : OUTCOME_NAMES;
        uint64_t number = ndjson_count(count);
        if (outcome < OUTCOME_NAMES && number > 0) {
            tally_add(&impact->authorities, ndjson_text(record, "key"), outcome, number);
        }
    }
}

static void write_worst(struct impact_page *impact) {
    static const struct page_worst worst = {
        .heading = "What has to be done first",
        .nothing = "Nothing: every pin set survives with a pin to spare.",
        .caption = "Worst outcomes",
        .word = "outcome",
        .end = "earliest safe"};
    uint64_t bad = 0;
    uint32_t written = 0;
    for (uint32_t outcome = 0; outcome < WORST_OUTCOMES; outcome++) {
        bad += impact->totals[outcome];
    }
    if (!page_worst_begin(impact->page, &worst, bad)) {
        return;
    }
    for (uint32_t outcome = 0; outcome < WORST_OUTCOMES; outcome++) {
        for (uint32_t i = 0; i < impact->worst_count[outcome] && written < PAGE_WORST_MAX; i++) {
            const struct listed *listed = &impact->worst[outcome][i];
            page_worst_row(impact->page, &(struct page_worst_row){.endpoint = listed->endpoint,
                                                                  .word = outcome_names[outcome],
                                                                  .pin_set = listed->pin_set,
                                                                  .why = listed->reason,
                                                                  .owner = listed->owner,
                                                                  .end = listed->earliest});
            written++;
        }
    }
    page_worst_end(impact->page);
}

static void write_table(struct impact_page *impact, struct tally *tally, const char *heading,
                        const char *key) {
    struct plot_legend legend = {outcome_names, OUTCOME_NAMES};
    bool named = tally->count > 1 || (tally->count == 1 && tally->rows[0].key[0] != '\0');
    if (!named) {
        return; /* nobody said */
    }
    page_section(impact->page, heading, "");
    tally_fold(tally, WORST_OUTCOMES, PAGE_GROUPS_MAX);
    plot_table(impact->page->out, heading, key, &legend, tally);
}

static void write_part(struct impact_page *impact) {
    struct page *page = impact->page;
    struct plot_legend legend = {outcome_names, OUTCOME_NAMES};
    const uint64_t *totals = impact->totals;
    char note[300];
    snprintf(note, sizeof note, "Scenario: %.150s%s%.40s", impact->scenario,
             impact->earliest != NULL ? ". All clients can be updated by " : "",
             impact->earliest != NULL ? impact->earliest : "");
    page_part(page, "Impact", note);
    page_tiles_begin(page);
    page_tile(page, "", impact->records, "endpoints and pin sets");
    page_tile(page, totals[0] > 0 ? "t-bad" : "t-good", totals[0], "break");
    page_tile(page, totals[1] + totals[2] > 0 ? "t-warn" : "t-good", totals[1] + totals[2],
              "depend on a path or an unknown key");
    page_tile(page, totals[4] > 0 ? "t-warn" : "t-good", totals[4], "survive on their last pin");
    page_tile(page, "t-good", totals[6] + totals[7] + totals[9], "survive or do not notice");
    page_tile(page, totals[3] > 0 ? "t-bad" : "", totals[3], "are broken already");
    page_tiles_end(page);
    plot_bar(page->out, "Outcomes", &legend, totals, impact->records);
    plot_legend(page->out, &legend, totals);
    write_worst(impact);
    write_table(impact, &impact->owners, "By owner", "owner");
    write_table(impact, &impact->applications, "By application", "application");
    write_table(impact, &impact->platforms, "By platform", "platform");
    write_table(impact, &impact->authorities, "By certification authority", "CA");
}

static void impact_free(struct impact_page *impact) {
    for (uint32_t outcome = 0; outcome < WORST_OUTCOMES; outcome++) {
        for (uint32_t i = 0; i < impact->worst_count[outcome]; i++) {
            struct listed *listed = &impact->worst[outcome][i];
            free(listed->endpoint);
            free(listed->pin_set);
            free(listed->owner);
            free(listed->reason);
            free(listed->earliest);
        }
    }
    tally_fini(&impact->owners);
    tally_fini(&impact->applications);
    tally_fini(&impact->platforms);
    tally_fini(&impact->authorities);
    free(impact->scenario);
    free(impact->earliest);
    free(impact);
}

enum err page_impact(struct page *page, FILE *in, const char *file, struct err_note *note) {
    struct impact_page *impact = calloc(1, sizeof *impact);
    struct ndjson ndjson;
    enum err err = ERR_NONE;
    const cJSON *record;
    CHECK(impact != NULL);
    impact->page = page;
    ndjson_begin(&ndjson, in, file);
    while ((record = ndjson_next(&ndjson, &err, note)) != NULL) {
        const char *type = ndjson_text(record, "type");
        if (strcmp(type, "impact-summary") == 0) {
            take_summary(impact, record);
        } else if (strcmp(type, "impact") != 0 || !take_record(impact, record)) {
            err = ndjson_fail(&ndjson, note, "not a record of pinsweep impact");
            break;
        }
    }
    if (err == ERR_NONE && impact->records == 0) {
        err = ndjson_fail(&ndjson, note, "no impact record: the file is empty");
    }
    if (err == ERR_NONE) {
        write_part(impact);
    }
    ndjson_end(&ndjson);
    impact_free(impact);
    return err;
}
