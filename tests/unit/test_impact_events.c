/* What famous events did to pins (data/scenarios), on chains that real sites served: a pin set on
   the leaf, one on the intermediate, one on the root. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/codec/datetime.h"
#include "engine/history/load.h"
#include "engine/impact/impact.h"
#include "tests/support/pki.h"
#include "tests/support/real_certs.h"
#include "tests/support/suite.h"

#define DAY_S INT64_C(86400)

enum fate { HOLDS, BREAKS };

struct event {
    const char *scenario, *chain, *date;
    const char *renamed; /* the operations, where no chain of the event's own CA is there: as in the
                            file, with this chain's names */
    enum fate leaf, intermediate, root;
};

#define X1 "CN=ISRG Root X1"
#define EV "CN=DigiCert High Assurance EV Root CA"

static const struct event events[] = {
    {"lets-encrypt-2024", "docs.python.org/2024-05-09", "2024-05-20", NULL, HOLDS, BREAKS, HOLDS},
    {"lets-encrypt-gen-y-2026", "docs.python.org/2024-09-06", "2024-09-20", NULL, HOLDS, BREAKS,
     HOLDS},
    {"digicert-g1-g2-2023", "akamai.com/2023-04-25", "2023-05-01", NULL, HOLDS, BREAKS, BREAKS},
    {"digicert-revocation-2024", "akamai.com/2023-04-25", "2023-05-01", NULL, BREAKS, HOLDS, HOLDS},
    {"amazon-2022", "aws.amazon.com/2023-03-08", "2023-04-01", NULL, HOLDS, BREAKS, HOLDS},
    {"cloudflare-2026", "docs.python.org/2024-09-06", "2024-09-20", NULL, BREAKS, BREAKS, BREAKS},
    {"promoted-intermediates-2026", "docs.python.org/2024-09-06", "2024-09-20", NULL, HOLDS, HOLDS,
     BREAKS},
    {"certificate-life", "google.com/2025-12-29", "2026-01-05", NULL, HOLDS, HOLDS, HOLDS},
    {"symantec-2018", "facebook.com/2023-08-24", "2023-08-25",
     "  - distrust: {ca: {subject: \"" EV "\"}}\n"
     "  - move-ca: {from: {subject: \"" EV "\"}, to: unknown, key: same}\n",
     HOLDS, BREAKS, BREAKS},
    {"entrust-2024", "facebook.com/2023-08-24", "2023-08-25",
     "  - distrust: {ca: {subject: \"" EV "\"}, after: 2023-08-26, by: sct}\n", HOLDS, HOLDS,
     HOLDS},
    {"entrust-2024", "facebook.com/2023-08-24", "2023-08-27",
     "  - distrust: {ca: {subject: \"" EV "\"}, after: 2023-08-26, by: sct}\n"
     "  - reissue: {key: same}\n",
     BREAKS, BREAKS, BREAKS},
    {"entrust-2024", "facebook.com/2023-08-24", "2023-08-27",
     "  - distrust: {ca: {subject: \"" EV "\"}, after: 2023-08-26, by: sct}\n"
     "  - move-ca: {from: {subject: \"" EV "\"}, to: unknown, key: same}\n",
     HOLDS, BREAKS, BREAKS},
    {"sectigo-2025", "docs.python.org/2024-09-06", "2024-09-20",
     "  - move-ca: {from: {subject: \"" X1 "\"}, to: unknown, key: same}\n", HOLDS, BREAKS, BREAKS},
    {"addtrust-2020", "docs.python.org/2024-09-06", "2024-09-20",
     "  - remove-anchor: {ca: {subject: \"" X1 "\"}}\n", BREAKS, BREAKS, BREAKS},
};

static struct pki pki;
static char tags[1024];
static unsigned tagged;
static const char *prefix;

static void add_tagged(void *context, struct span der) {
    char tag[24];
    (void)context;
    snprintf(tag, sizeof tag, "%s-%u", prefix, tagged++);
    pki_add_der(&pki, tag, der);
    snprintf(tags + strlen(tags), sizeof tags - strlen(tags), "%s%s", tags[0] != '\0' ? " " : "",
             tag);
}

static void load(const char *path, const char *name) {
    tags[0] = '\0';
    tagged = 0;
    prefix = name;
    CU_ASSERT(real_certs_each(path, add_tagged, NULL) > 0);
}

static uint32_t take_cert(struct snapshot *snapshot, const struct cert_record *record) {
    uint32_t idx = snapshot_cert(snapshot, record->cert_sha256);
    CU_ASSERT(snapshot_cert_fill(snapshot, idx, record->der, true));
    return idx;
}

/* One target that serves the chain, as the engine's own path builder sees it. */
static void take_chain(struct snapshot *snapshot, const struct chain *chain,
                       const struct profile_paths *paths) {
    uint32_t certs[CHAIN_CERTS_MAX], path_certs[PATH_CERTS_MAX];
    struct snapshot_target *target = snapshot_target(snapshot);
    target->host = target->pin_host = "real.example";
    target->port = 443;
    uint32_t idx = snapshot_chain(snapshot, chain->id);
    for (uint32_t i = 0; i < chain->count; i++) {
        certs[i] = take_cert(snapshot, chain->certs[i]);
    }
    snapshot_chain_set(snapshot, idx, certs, chain->count);
    snapshot_chain_judge(snapshot, idx);
    uint32_t profile = snapshot_profile(snapshot, span_str("system"));
    for (uint32_t i = 0; i < paths->ok_count; i++) {
        const struct path *path = &paths->paths[i];
        for (uint32_t k = 0; k < path->count; k++) {
            path_certs[k] = take_cert(snapshot, path->certs[k]);
        }
        struct snapshot_path out = {.profile = profile,
                                    .cert_count = path->count,
                                    .not_before = path->not_before,
                                    .not_after = path->not_after,
                                    .preferred = i == 0,
                                    .valid = true};
        snapshot_path(snapshot, idx, &out, path_certs);
    }
    struct snapshot_view *view = snapshot_view(snapshot);
    view->chain = idx;
    view->status = OUTCOME_SUCCESS;
}

static void add_set(struct pin_index *index, const char *name, const struct cert_record *cert) {
    struct pin_set *set = arena_alloc(&index->arena, sizeof *set);
    pin_set_init(set, PIN_CLIENT_CUSTOM);
    set->name = name;
    set->hosts = arena_alloc(&index->arena, sizeof *set->hosts);
    set->hosts[0].name = "real.example";
    set->host_count = 1;
    set->pins = arena_alloc(&index->arena, sizeof *set->pins);
    set->pins[0] = (struct pin){.tlsa_usage = PIN_TLSA_NONE, .note = "", .text = name};
    set->pins[0].value = arena_copy(&index->arena, span_of(cert->spki_sha256, SHA256_LEN));
    set->pin_count = 1;
    CU_ASSERT_EQUAL_FATAL(pin_index_add(index, set, NULL), ERR_NONE);
}

static bool holds(enum impact_outcome outcome) {
    return outcome == IMPACT_OK || outcome == IMPACT_SURVIVES_ON_LAST_PIN ||
           outcome == IMPACT_SURVIVES_ON_PRIMARY || outcome == IMPACT_SURVIVES_ON_BACKUP;
}

static enum err read_scenario(struct scenario *scenario, const struct event *event,
                              struct err_note *note) {
    char text[1200];
    if (event->renamed != NULL) {
        snprintf(text, sizeof text, "version: 1\noperations:\n%s", event->renamed);
        return scenario_parse(scenario, span_str(text), event->scenario, note);
    }
    snprintf(text, sizeof text, "%s/data/scenarios/%s.yaml", PINSWEEP_SOURCE_DIR, event->scenario);
    return scenario_load(scenario, text, note);
}

static void judge(const struct event *event, const struct snapshot *snapshot,
                  const struct pin_index *index) {
    struct scenario scenario;
    struct world world;
    struct plan plan = {0};
    struct impact_run *run = NULL;
    struct err_note note = {""};
    int64_t today = 0;
    CU_ASSERT_FATAL(datetime_parse(span_str(event->date), &today));
    scenario_init(&scenario);
    enum err err = read_scenario(&scenario, event, &note);
    CU_ASSERT_EQUAL(world_init(&world, snapshot, &pki.store, &note), ERR_NONE);
    if (err == ERR_NONE) {
        err = plan_init(&plan, &world, &scenario, index, today, &note);
    }
    if (err == ERR_NONE) {
        err = impact_run_new(&plan, index, &run, &note);
    }
    if (err != ERR_NONE) {
        printf("%s: %s\n", event->scenario, note.text);
        CU_FAIL("the scenario cannot be run");
    } else {
        const enum fate fates[] = {event->leaf, event->intermediate, event->root};
        CU_ASSERT_EQUAL_FATAL(impact_target(run, 0), 3);
        for (uint32_t i = 0; i < 3; i++) {
            struct impact impact;
            char reason[IMPACT_REASON_MAX];
            impact_judge(run, i, &impact);
            impact_explain(run, &impact, reason);
            bool as_told =
                fates[i] == HOLDS ? holds(impact.outcome) : impact.outcome == IMPACT_BREAKS;
            if (!as_told || impact.before != VERDICT_MATCH) {
                printf("%s, %s pin: %s, before %s: %s\n", event->scenario, impact.set->name,
                       impact_outcome_words[impact.outcome], verdict_text(impact.before), reason);
            }
            CU_ASSERT(as_told);
            CU_ASSERT_EQUAL(impact.before, VERDICT_MATCH);
        }
    }
    impact_run_free(run);
    plan_fini(&plan);
    world_fini(&world);
    scenario_fini(&scenario);
}

static void run_event(const char *folder, const struct event *event) {
    char path[512];
    struct snapshot snapshot;
    struct pin_index index;
    pki_init(&pki);
    snprintf(path, sizeof path, "%s/anchors", folder);
    load(path, "anchor");
    pki_profile(&pki, "system", tags);
    snprintf(path, sizeof path, "%s/%s.pem", folder, event->chain);
    load(path, "chain");
    struct chain *chain = pki_chain(&pki, tags);
    const struct profile_paths *paths = &path_set_of(pki.builder, chain)->profiles[0];
    CU_ASSERT_FATAL(paths->ok_count > 0 && paths->paths[0].count >= 3);
    snapshot_init(&snapshot);
    take_chain(&snapshot, chain, paths);
    pin_index_init(&index, 1);
    add_set(&index, "leaf", paths->paths[0].certs[0]);
    add_set(&index, "intermediate", paths->paths[0].certs[1]);
    add_set(&index, "root", paths->paths[0].certs[paths->paths[0].count - 1]);
    CU_ASSERT_EQUAL_FATAL(pin_index_bind(&index, &pki.store, NULL), ERR_NONE);
    judge(event, &snapshot, &index);
    intern_release(pki.intern, chain);
    pin_index_fini(&index);
    snapshot_fini(&snapshot);
    pki_fini(&pki);
}

static void test_events(void) {
    const char *folder = real_chains_path();
    if (folder == NULL) {
        suite_skip("no real chains beside the source tree");
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(events); i++) {
        run_event(folder, &events[i]);
    }
}

/* The scenario can be done on what a sweep of the demo fleet recorded. */
static void check_demo(const struct scenario *scenario, const char *file) {
    struct snapshot snapshot;
    struct pin_index index;
    struct world world;
    struct plan plan = {0};
    struct err_note note = {""};
    const struct snapshot_load_options options = {.keep_der = KEEP_DER_NONE};
    pki_init(&pki);
    pki_mint(&pki, (struct pki_spec){.subject = "unused", .ca = true});
    pki_profile(&pki, "system", "unused");
    pin_index_init(&index, 1);
    snapshot_init(&snapshot);
    CU_ASSERT_EQUAL(snapshot_load(PINSWEEP_SOURCE_DIR "/tests/cli/impact.ndjson", NULL, &options,
                                  &snapshot, &note),
                    ERR_NONE);
    CU_ASSERT_EQUAL(world_init(&world, &snapshot, &pki.store, &note), ERR_NONE);
    CU_ASSERT_EQUAL(plan_init(&plan, &world, scenario, &index, INT64_C(1795600000), &note),
                    ERR_NONE);
    if (note.text[0] != '\0') {
        printf("%s: %s\n", file, note.text);
    }
    plan_fini(&plan);
    world_fini(&world);
    snapshot_fini(&snapshot);
    pin_index_fini(&index);
    pki_fini(&pki);
}

/* Every file of data/scenarios is a scenario, and has a twin for the demo fleet. */
static void test_files(void) {
    static const char *const folders[] = {"data/scenarios", "data/scenarios/demo"};
    unsigned count[2] = {0, 0};
    for (int f = 0; f < 2; f++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", PINSWEEP_SOURCE_DIR, folders[f]);
        DIR *folder = opendir(path);
        CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            char file[1024];
            struct scenario scenario;
            struct err_note note = {""};
            if (strstr(entry->d_name, ".yaml") == NULL) {
                continue;
            }
            snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
            scenario_init(&scenario);
            CU_ASSERT_EQUAL(scenario_load(&scenario, file, &note), ERR_NONE);
            CU_ASSERT_STRING_EQUAL(note.text, "");
            CU_ASSERT(scenario.count > 0);
            if (f == 1) {
                check_demo(&scenario, entry->d_name);
            }
            snprintf(file, sizeof file, "%s/data/scenarios/%s%s", PINSWEEP_SOURCE_DIR,
                     f == 0 ? "demo/" : "", entry->d_name);
            CU_ASSERT_EQUAL(access(file, R_OK), 0);
            scenario_fini(&scenario);
            count[f]++;
        }
        closedir(folder);
    }
    CU_ASSERT(count[0] >= 13 && count[0] == count[1]);
}

SUITE_MAIN("impact_events", {"famous events on real chains", test_events},
           {"ready-made scenarios", test_files})
