/* Whatever the bytes: an error that names the file, or operations that a small world takes or
   refuses with their place; what it takes is judged and explained. Scenarios that name files are
   parsed only: opening files is not what is tested. */
#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "engine/impact/impact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW INT64_C(1800000000)

static uint32_t add_cert(struct snapshot *snapshot, const char *subject, const char *issuer) {
    uint8_t digest[SHA256_LEN];
    sha256_once(span_str(subject), digest);
    uint32_t idx = snapshot_cert(snapshot, digest);
    struct snapshot_cert *cert = &snapshot->certs[idx];
    memset(cert->spki_sha256, subject[3], SHA256_LEN);
    cert->has_spki = cert->known = true;
    cert->subject = snapshot_text(snapshot, span_str(subject));
    cert->issuer = snapshot_text(snapshot, span_str(issuer));
    cert->not_after = NOW + 86400;
    return idx;
}

/* a.example: a leaf under I under R, of profile p. */
static void fill_snapshot(struct snapshot *snapshot) {
    const uint8_t id[SHA256_LEN] = {1};
    snapshot_init(snapshot);
    const uint32_t certs[] = {add_cert(snapshot, "CN=a.example", "CN=I"),
                              add_cert(snapshot, "CN=I", "CN=R"),
                              add_cert(snapshot, "CN=R", "CN=R")};
    struct snapshot_target *target = snapshot_target(snapshot);
    target->host = target->pin_host = "a.example";
    target->port = 443;
    struct snapshot_view *view = snapshot_view(snapshot);
    view->status = OUTCOME_SUCCESS;
    view->chain = snapshot_chain(snapshot, id);
    snapshot_chain_set(snapshot, view->chain, certs, 2);
    snapshot_chain_judge(snapshot, view->chain);
    const struct snapshot_path path = {.profile = snapshot_profile(snapshot, span_str("p")),
                                       .cert_count = 3,
                                       .not_before = DATETIME_NONE,
                                       .not_after = DATETIME_NONE,
                                       .preferred = true,
                                       .valid = true};
    snapshot_path(snapshot, view->chain, &path, certs);
}

static void fill_pins(struct pin_index *index, const struct trust_store *store) {
    static uint8_t key[SHA256_LEN];
    static struct pin pin = {.tlsa_usage = PIN_TLSA_NONE, .note = "", .text = "sha256/I"};
    static struct pin_host host = {.name = "a.example"};
    static const char *trust[] = {"p"};
    memset(key, 'I', sizeof key);
    pin.value = span_of(key, sizeof key);
    pin_index_init(index, 1);
    struct pin_set *set = arena_alloc(&index->arena, sizeof *set);
    pin_set_init(set, PIN_CLIENT_CUSTOM);
    set->name = "s";
    set->hosts = &host;
    set->pins = &pin;
    set->trust = trust;
    set->host_count = set->pin_count = set->trust_count = 1;
    CHECK(pin_index_add(index, set, NULL) == ERR_NONE &&
          pin_index_bind(index, store, NULL) == ERR_NONE);
}

static void run(const struct scenario *scenario, const struct trust_store *store) {
    struct snapshot snapshot;
    struct pin_index index;
    struct world world;
    struct plan plan = {0};
    struct impact_run *impacts = NULL;
    struct err_note note = {""};
    fill_snapshot(&snapshot);
    fill_pins(&index, store);
    CHECK(world_init(&world, &snapshot, store, &note) == ERR_NONE);
    enum err err = plan_init(&plan, &world, scenario, &index, NOW, &note);
    CHECK(err == ERR_NONE || strncmp(note.text, "s.yaml:", 7) == 0);
    if (err == ERR_NONE) {
        CHECK(impact_run_new(&plan, &index, &impacts, &note) == ERR_NONE);
        CHECK(impact_target(impacts, 0) == 1);
        struct impact impact;
        char reason[IMPACT_REASON_MAX];
        impact_judge(impacts, 0, &impact);
        impact_explain(impacts, &impact, reason);
        CHECK(reason[0] != '\0' && impact.outcome != IMPACT_UNPINNED &&
              impact.before == VERDICT_MATCH);
    }
    impact_run_free(impacts);
    plan_fini(&plan);
    world_fini(&world);
    pin_index_fini(&index);
    snapshot_fini(&snapshot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* A profile without anchors of its own: the sweep's is one. */
    static struct trust_store store = {.profiles = {{.name = "p", .file = "p.pem"}}, .count = 1};
    struct scenario scenario;
    struct err_note note = {""};
    scenario_init(&scenario);
    enum err err = scenario_parse(&scenario, span_of(data, size), "s.yaml", &note);
    CHECK((err == ERR_NONE) == (note.text[0] == '\0'));
    CHECK(err == ERR_NONE || strncmp(note.text, "s.yaml", 6) == 0);
    bool opens = false;
    for (uint32_t i = 0; i < scenario.count; i++) {
        const struct scenario_op *op = &scenario.ops[i];
        opens = opens || op->ca.by == SCENARIO_BY_FILE;
        for (uint32_t k = 0; k < op->to_count; k++) {
            opens = opens || op->to[k].by == SCENARIO_BY_FILE;
        }
    }
    if (err == ERR_NONE && !opens) {
        CHECK(scenario.count > 0);
        run(&scenario, &store);
    }
    scenario_fini(&scenario);
    return 0;
}
