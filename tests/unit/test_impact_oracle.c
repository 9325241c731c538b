/* impact against a brute-force oracle (impact_oracle.h): random small fleets (impact_world.h,
   impact_fleet.h), policies and scenarios of all operations (impact_operations.h). */
#include "engine/impact/blast.h"
#include "tests/support/suite.h"
#include "tests/unit/impact_fleet.h"
#include "tests/unit/impact_operations.h"

#define CASES 12000

/* --- the comparison --- */

static struct trust_store profiles;
static uint64_t outcomes[IMPACT_OUTCOME_COUNT], compared, refused;
static unsigned kinds;

static void dump(const struct o_state *state) {
    for (int i = 0; i < state->ca_count; i++) {
        const struct o_cert *cert = &state->cas[i];
        printf("  ca %d: name %d key %d, signed by name %d key %d%s\n", i, cert->name, cert->key,
               cert->signer_name, cert->signer_key, cert->symbolic ? ", symbolic" : "");
    }
    for (int i = 0; i < state->anchor_count; i++) {
        printf("  anchor %d of p%d\n", state->anchors[i], state->anchor_profiles[i]);
    }
    for (int v = 0; v < state->view_count; v++) {
        const struct o_view *view = &state->views[v];
        printf("  view %d of h%d: leaf key %d, signed by name %d key %d, sends", v, view->target,
               view->leaf.key, view->leaf.signer_name, view->leaf.signer_key);
        for (int i = 0; i < view->sent_count; i++) {
            printf(" %d", view->sent[i]);
        }
        printf("\n");
    }
}

static bool compare(struct world_case *c, struct impact_run *run, int targets, uint64_t number) {
    for (int t = 0; t < targets; t++) {
        uint32_t count = impact_target(run, (uint32_t)t + 1); /* after the teacher's */
        for (uint32_t i = 0; i < count; i++) {
            struct impact impact;
            char reason[IMPACT_REASON_MAX];
            int spares = 0;
            impact_judge(run, i, &impact);
            impact_explain(run, &impact, reason);
            enum impact_outcome expected = IMPACT_UNPINNED;
            if (impact.set != NULL) {
                expected = o_result(&c->start, &c->state, c->leaf_keys, t,
                                    atoi(impact.set->name + 3), &spares);
            }
            outcomes[expected]++;
            compared++;
            if (impact.outcome != expected || impact.spare_pins != (uint32_t)spares ||
                reason[0] == '\0') {
                printf("case %llu, h%d, %s: %s with %u spare pins (%s), the oracle says %s with "
                       "%d\n%s",
                       (unsigned long long)number, t, impact.set != NULL ? impact.set->name : "-",
                       impact_outcome_words[impact.outcome], impact.spare_pins, reason,
                       impact_outcome_words[expected], spares, c->yaml);
                printf("before\n");
                dump(&c->start);
                printf("after\n");
                dump(&c->state);
                return false;
            }
        }
    }
    return true;
}

/* At the end no view has more paths than either side keeps. */
static bool is_bounded(const struct o_state *state) {
    static struct o_paths paths;
    for (int v = 0; v < state->view_count; v++) {
        for (int p = 0; p < PROFILES; p++) {
            o_find(state, &state->views[v], p, &paths, false);
            if (paths.count > PATHS_LIMIT) {
                return false;
            }
        }
    }
    return true;
}

/* A fleet and its pin sets; how many targets. */
static int case_init(struct world_case *c, uint64_t seed, uint64_t number) {
    memset(c, 0, sizeof *c);
    rng_init(&c->rng, seed + number * UINT64_C(1000003));
    c->start.clock = NOW;
    c->start.next_unknown = UNKNOWN_KEY;
    c->leaf_keys[KEYS - 1] = true; /* of the dummy */
    int targets = 1 + below(c, 3);
    make_cas(c);
    make_views(c, targets);
    forget_signers(&c->start);
    make_sets(c, targets);
    c->state = c->start;
    return targets;
}

static bool run_case(uint64_t seed, uint64_t number) {
    static struct world_case c;
    int targets = case_init(&c, seed, number), ops = 1 + below(&c, 4);
    say(&c, "version: 1\nname: case\noperations:\n");
    bool accepted = true;
    for (int i = 0; i < ops && accepted; i++) {
        accepted = random_op(&c, targets);
    }
    struct snapshot snapshot;
    struct scenario scenario;
    struct world world;
    struct plan plan = {0};
    struct pin_index index;
    struct impact_run *run = NULL;
    struct err_note note = {""};
    bool bounded = fill_snapshot(&snapshot, &c.start, targets) && is_bounded(&c.state);
    fill_pins(&index, &c, &profiles);
    scenario_init(&scenario);
    CHECK(world_init(&world, &snapshot, &profiles, &note) == ERR_NONE);
    enum err err = scenario_parse(&scenario, span_of(c.yaml, c.yaml_len), "case.yaml", &note);
    bool ok = err == ERR_NONE;
    if (ok) {
        err = plan_init(&plan, &world, &scenario, &index, NOW, &note);
        /* A chain whose leaf nobody signed cannot be here; nothing to remove is refused. */
        ok = (err == ERR_NONE) == accepted;
        refused += err != ERR_NONE;
    }
    if (!ok) {
        printf("case %llu: %s\n%s", (unsigned long long)number, note.text, c.yaml);
    }
    if (ok && err == ERR_NONE && bounded) {
        CHECK(impact_run_new(&plan, &index, &run, &note) == ERR_NONE);
        ok = compare(&c, run, targets, number);
        kinds |= c.kinds;
    }
    impact_run_free(run);
    plan_fini(&plan);
    world_fini(&world);
    scenario_fini(&scenario);
    pin_index_fini(&index);
    snapshot_fini(&snapshot);
    return ok;
}

static void init_profiles(void) {
    trust_store_init(&profiles);
    EVP_PKEY *key = mint_key_new(MINT_P256, 1, "unused");
    struct mint_spec spec = {.subject_cn = "in no chain",
                             .key = key,
                             .serial = 1,
                             .not_before = NOW - DAY,
                             .not_after = NOW + DAY,
                             .is_ca = true,
                             .path_len = -1};
    size_t len;
    uint8_t *der = mint_certificate(&spec, &len);
    struct span cert = span_of(der, len);
    CHECK(trust_store_add(&profiles, "p0", &cert, 1, NULL) == ERR_NONE);
    CHECK(trust_store_add(&profiles, "p1", &cert, 1, NULL) == ERR_NONE);
    free(der);
    EVP_PKEY_free(key);
}

static void test_oracle(void) {
    uint64_t seed = suite_seed(), failed = 0;
    init_profiles();
    for (uint64_t i = 0; i < CASES && failed < 3; i++) {
        failed += !run_case(seed, i);
    }
    CU_ASSERT_EQUAL(failed, 0);
    printf("%llu results of %d cases, %llu scenarios refused;", (unsigned long long)compared, CASES,
           (unsigned long long)refused);
    for (int i = 0; i < IMPACT_OUTCOME_COUNT; i++) {
        printf(" %s %llu", impact_outcome_words[i], (unsigned long long)outcomes[i]);
        CU_ASSERT(failed > 0 || outcomes[i] > 0); /* every outcome is met */
    }
    printf("\n");
    CU_ASSERT(failed > 0 || kinds == (1u << SCENARIO_KIND_COUNT) - 1); /* every operation too */
    CU_ASSERT(failed > 0 || compared >= 10000);
    trust_store_fini(&profiles);
}

/* --- --single-failure --- */

#define BLAST_CASES 3000

/* The pins of the set that are none of the bad. */
static struct o_set good_pins(const struct o_set *set) {
    struct o_set out = *set;
    out.pin_count = 0;
    for (int p = 0; p < set->pin_count; p++) {
        if (set->pins[p].role != PIN_BAD) {
            out.pins[out.pin_count++] = set->pins[p];
        }
    }
    return out;
}

static bool works_with_dead(const struct o_state *now, const bool *leaf_keys, int set_idx, int t,
                            int key) {
    static struct o_state dead;
    const struct o_set *set = &now->sets[set_idx];
    dead = *now;
    dead.dead_count = 0;
    if (key >= 0) {
        dead.dead[dead.dead_count++] = key;
    }
    for (int v = 0; v < now->view_count; v++) {
        for (int i = 0; i < (o_needs_path(set) ? set->trust_count : 1); i++) {
            int profile = o_needs_path(set) ? set->trust[i] : -1;
            struct o_unit before, after;
            if (now->views[v].target != t) {
                continue;
            }
            o_unit(now, leaf_keys, set, &now->views[v], profile, false, &before);
            o_unit(&dead, leaf_keys, set, &now->views[v], profile, false, &after);
            bool pkix = profile >= 0 ? after.pkix : (before.pkix_of & ~after.pkix_of) == 0;
            if (now->views[v].leaf.key == key || !pkix ||
                o_pin_level(set, &after, now->clock) != O_WORKS) {
                return false;
            }
        }
    }
    return true;
}

/* Every chain that may come after: what is above the dead key stays, below it anything that a pin
   may name may stand, and a leaf with the old key or any of these. Whether clients take none. */
static bool none_helps(const struct o_state *now, const bool *leaf_keys, const struct o_set *set,
                       const struct o_cert *path, int count, int dead) {
    const struct o_set good = good_pins(set);
    struct o_cert reserve[PINS_LIMIT], chain[PINS_LIMIT + SENT_MAX + 1];
    int reserves = 0, ignored;
    for (int p = 0; p < good.pin_count; p++) {
        bool on_path = false;
        for (int d = 0; d < count; d++) {
            on_path = on_path || o_equals(now, leaf_keys, &good.pins[p], &path[d], false);
        }
        if (!on_path) {
            /* What it names, and nothing else. */
            reserve[reserves] = (struct o_cert){.key = -1, .id = -1};
            *(good.pins[p].of_cert ? &reserve[reserves].id : &reserve[reserves].key) =
                good.pins[p].what;
            reserves++;
        }
    }
    for (int leaf = -1; leaf < reserves; leaf++) {
        int len = 0;
        chain[len++] = leaf >= 0 ? reserve[leaf]
                       : dead > 0 && path[0].key != path[dead].key
                           ? (struct o_cert){.key = path[0].key, .id = -1}
                           : (struct o_cert){.key = -1, .id = -1};
        for (int i = 0; i < reserves; i++) {
            chain[len++] = reserve[i];
        }
        for (int d = dead + 1; d < count; d++) {
            if (path[d].key != path[dead].key) {
                chain[len++] = path[d];
            }
        }
        if (o_judge(now, leaf_keys, &good, chain, len, false, &ignored) != O_FAILS) {
            return false;
        }
    }
    return true;
}

static bool is_locked_by(const struct o_state *now, const bool *leaf_keys, int set_idx, int t,
                         int key) {
    static struct o_paths paths;
    const struct o_set *set = &now->sets[set_idx];
    for (int v = 0; v < now->view_count; v++) {
        const struct o_view *view = &now->views[v];
        for (int i = 0; i < (set->trust_none ? 1 : set->trust_count); i++) {
            struct o_cert certs[SENT_MAX + 1];
            int count = 0;
            if (view->target != t) {
                continue;
            }
            if (set->trust_none) {
                certs[count++] = view->leaf;
                for (int k = 0; k < view->sent_count && count < LONGEST; k++) {
                    certs[count++] = now->cas[view->sent[k]];
                }
            } else {
                o_find(now, view, set->trust[i], &paths, true);
                int idx = o_preferred(&paths, now->clock);
                for (int d = 0; idx >= 0 && d < paths.paths[idx].count; d++) {
                    certs[count++] = paths.paths[idx].certs[d];
                }
            }
            for (int d = 0; d < count; d++) {
                if (certs[d].key == key && none_helps(now, leaf_keys, set, certs, count, d)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static uint64_t number_after(const char *line, const char *key) {
    const char *at = line != NULL ? strstr(line, key) : NULL;
    return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static uint64_t broken_keys, locked_keys;

static bool compare_blast(const struct world_case *c, const char *report, int targets,
                          uint64_t number) {
    const struct o_state *now = &c->start;
    uint64_t without_spare = 0, expected_without = 0;
    for (const char *at = report; (at = strstr(at, "\"blast-endpoint\"")) != NULL; at++) {
        without_spare++;
    }
    static bool locked_at[4][4];
    memset(locked_at, 0, sizeof locked_at);
    for (int key = 0; key < KEYS - 1; key++) {
        uint8_t digest[SHA256_LEN];
        char text[BASE64_SHA256_LEN + 20] = "\"key\":\"sha256/";
        uint64_t breaks = 0, locked = 0;
        digest_of("key", key, digest);
        text[14 + base64_encode(text + 14, span_of(digest, SHA256_LEN))] = '\0';
        for (int t = 0; t < targets; t++) {
            for (int s = 0; s < now->set_count; s++) {
                const struct o_set *set = &now->sets[s];
                bool enforced = o_enforced(set, now->clock) && (set->host < 0 || set->host == t);
                if (!enforced || !works_with_dead(now, c->leaf_keys, s, t, -1) ||
                    works_with_dead(now, c->leaf_keys, s, t, key)) {
                    continue;
                }
                bool is_locked = is_locked_by(now, c->leaf_keys, s, t, key);
                breaks++;
                locked += is_locked;
                expected_without += is_locked && !locked_at[t][s];
                locked_at[t][s] = locked_at[t][s] || is_locked;
            }
        }
        const char *line = report;
        while ((line = strstr(line, text)) != NULL) {
            const char *start = line;
            while (start > report && start[-1] != '\n') {
                start--;
            }
            if (strstr(start, "\"blast-key\"") != NULL && strstr(start, "\"blast-key\"") < line) {
                break;
            }
            line++;
        }
        uint64_t got_breaks = number_after(line, "\"breaks\":");
        uint64_t got_locked = number_after(line, "\"locked\":");
        broken_keys += breaks > 0;
        locked_keys += locked > 0;
        if (got_breaks != breaks || got_locked != locked) {
            printf("case %llu, key %d: %llu break, %llu locked, the oracle says %llu and %llu\n",
                   (unsigned long long)number, key, (unsigned long long)got_breaks,
                   (unsigned long long)got_locked, (unsigned long long)breaks,
                   (unsigned long long)locked);
            for (int s = 0; s < now->set_count; s++) {
                const struct o_set *set = &now->sets[s];
                printf("  set%d of h%d: scope %d, trust %d%s,", s, set->host, (int)set->scope,
                       set->trust_count, set->trust_none ? " none" : "");
                for (int p = 0; p < set->pin_count; p++) {
                    printf(" %s %d role %d list %d,", set->pins[p].of_cert ? "cert" : "key",
                           set->pins[p].what, (int)set->pins[p].role, (int)set->pins[p].list);
                }
                printf("\n");
            }
            dump(now);
            return false;
        }
    }
    if (without_spare != expected_without) {
        printf("case %llu: %llu endpoints without spare, the oracle says %llu\n",
               (unsigned long long)number, (unsigned long long)without_spare,
               (unsigned long long)expected_without);
    }
    return without_spare == expected_without;
}

static bool run_blast(uint64_t seed, uint64_t number) {
    static struct world_case c;
    struct snapshot snapshot;
    struct scenario scenario;
    struct world world;
    struct plan plan = {0};
    struct pin_index index;
    struct impact_run *run = NULL;
    struct err_note note = {""};
    int targets = case_init(&c, seed ^ UINT64_C(0x5eed), number);
    bool bounded = fill_snapshot(&snapshot, &c.start, targets), ok = true;
    fill_pins(&index, &c, &profiles);
    scenario_init(&scenario);
    CHECK(world_init(&world, &snapshot, &profiles, &note) == ERR_NONE);
    CHECK(plan_init(&plan, &world, &scenario, &index, NOW, &note) == ERR_NONE);
    CHECK(impact_run_new(&plan, &index, &run, &note) == ERR_NONE);
    if (bounded) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        CHECK(out != NULL);
        struct blast_report report = {.run = run, .plan = &plan, .form = IMPACT_NDJSON, .out = out};
        CHECK(blast_report_write(&report, &note) == ERR_NONE);
        fclose(out);
        ok = compare_blast(&c, text, targets, number);
        free(text);
    }
    impact_run_free(run);
    plan_fini(&plan);
    world_fini(&world);
    scenario_fini(&scenario);
    pin_index_fini(&index);
    snapshot_fini(&snapshot);
    return ok;
}

static void test_single_failure(void) {
    uint64_t seed = suite_seed(), failed = 0;
    init_profiles();
    for (uint64_t i = 0; i < BLAST_CASES && failed < 3; i++) {
        failed += !run_blast(seed, i);
    }
    CU_ASSERT_EQUAL(failed, 0);
    CU_ASSERT(failed > 0 || (broken_keys > 1000 && locked_keys > 200));
    printf("%d fleets: %llu keys break something, %llu lock somebody out\n", BLAST_CASES,
           (unsigned long long)broken_keys, (unsigned long long)locked_keys);
    trust_store_fini(&profiles);
}

SUITE_MAIN("impact_oracle", {"random fleets, policies, scenarios", test_oracle},
           {"every key dead", test_single_failure})
