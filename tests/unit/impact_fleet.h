/* Private to test_impact_oracle.c: the random fleet as the engine gets it, a snapshot and pin sets.
 */
#ifndef PINSWEEP_TESTS_IMPACT_FLEET_H
#define PINSWEEP_TESTS_IMPACT_FLEET_H

#include "bench/mint.h"
#include "tests/unit/impact_world.h"

/* --- the same for the engine --- */

static void name_of(char out[24], const struct o_cert *cert, int name) {
    snprintf(out, 24, cert != NULL && cert->is_leaf ? "CN=leaf" : "CN=CA %d", name);
}

static uint32_t fill_cert(struct snapshot *snapshot, const struct o_cert *cert) {
    uint8_t digest[SHA256_LEN];
    char text[24];
    digest_of("cert", cert->id, digest);
    uint32_t idx = snapshot_cert(snapshot, digest);
    struct snapshot_cert *out = &snapshot->certs[idx];
    digest_of("key", cert->key, out->spki_sha256);
    out->has_spki = out->known = true;
    name_of(text, cert, cert->name);
    out->subject = snapshot_text(snapshot, span_str(text));
    name_of(text, NULL, cert->signer_name);
    out = &snapshot->certs[idx];
    out->issuer = snapshot_text(snapshot, span_str(text));
    out->not_before = cert->not_before;
    out->not_after = cert->not_after;
    out->first_sct_s = cert->sct;
    return idx;
}

static void add_chain(struct snapshot *snapshot, const uint32_t *certs, uint32_t count,
                      int number) {
    uint8_t id[SHA256_LEN];
    digest_of("chain", number, id);
    uint32_t chain = snapshot_chain(snapshot, id);
    snapshot_chain_set(snapshot, chain, certs, count);
    struct snapshot_view *view = snapshot_view(snapshot);
    view->chain = chain;
    view->status = OUTCOME_SUCCESS;
    snapshot_chain_judge(snapshot, chain);
}

static void add_path(struct snapshot *snapshot, uint32_t profile, const uint32_t *certs,
                     uint32_t count) {
    struct snapshot_path path = {.profile = profile,
                                 .cert_count = count,
                                 .not_before = DATETIME_NONE,
                                 .not_after = DATETIME_NONE,
                                 .valid = true};
    snapshot_path(snapshot, snapshot->chains_count - 1, &path, certs);
}

/* A target of its own, the first, from which the engine learns who signed what and which anchors
   there are, in the oracle's order; no pin set names it. */
static void teach(struct snapshot *snapshot, const struct o_state *state, const uint32_t *cas) {
    const struct o_cert dummy = {.id = DUMMY_ID,
                                 .is_leaf = true,
                                 .name = -1,
                                 .key = KEYS - 1,
                                 .not_before = NO_DATE,
                                 .not_after = NO_DATE,
                                 .sct = NO_DATE};
    uint32_t certs[CAS_MAX + 1];
    uint32_t other = snapshot_profile(snapshot, span_str("teacher"));
    struct snapshot_target *target = snapshot_target(snapshot);
    target->host = target->pin_host = "teacher.test";
    certs[0] = fill_cert(snapshot, &dummy);
    memcpy(certs + 1, cas, (size_t)state->ca_count * sizeof *cas);
    add_chain(snapshot, certs, (uint32_t)state->ca_count + 1, 999);
    for (int i = 0; i < state->ca_count; i++) {
        const uint32_t self[] = {certs[0], cas[i]};
        add_path(snapshot, other, self, 2);
        for (int k = 0; k < state->ca_count; k++) {
            const uint32_t edge[] = {certs[0], cas[i], cas[k]};
            if (o_same_ca(&state->cas[k], state->cas[i].signer_name, state->cas[i].signer_key)) {
                add_path(snapshot, other, edge, 3);
            }
        }
    }
    for (int i = 0; i < state->anchor_count; i++) {
        const uint32_t anchor[] = {certs[0], cas[state->anchors[i]]};
        add_path(snapshot, (uint32_t)state->anchor_profiles[i], anchor, 2);
    }
}

static bool fill_snapshot(struct snapshot *snapshot, const struct o_state *state, int targets) {
    static struct o_paths paths;
    uint32_t cas[CAS_MAX];
    bool bounded = true;
    snapshot_init(snapshot);
    for (int p = 0; p < PROFILES; p++) {
        char name[4];
        snprintf(name, sizeof name, "p%d", p);
        snapshot_profile(snapshot, span_str(name));
    }
    for (int i = 0; i < state->ca_count; i++) {
        cas[i] = fill_cert(snapshot, &state->cas[i]);
    }
    teach(snapshot, state, cas);
    for (int t = 0; t < targets; t++) {
        char host[24];
        snprintf(host, sizeof host, "h%d.example", t);
        const char *name = snapshot_text(snapshot, span_str(host));
        struct snapshot_target *target = snapshot_target(snapshot);
        target->host = target->pin_host = name;
        target->port = 443;
        for (int v = 0; v < state->view_count; v++) {
            const struct o_view *view = &state->views[v];
            uint32_t certs[SENT_MAX + 1];
            if (view->target != t) {
                continue;
            }
            certs[0] = fill_cert(snapshot, &view->leaf);
            for (int i = 0; i < view->sent_count; i++) {
                certs[1 + i] = cas[view->sent[i]];
            }
            add_chain(snapshot, certs, (uint32_t)view->sent_count + 1, v);
            for (int p = 0; p < PROFILES; p++) {
                o_find(state, view, p, &paths, true);
                bounded = bounded && paths.count <= PATHS_LIMIT;
                for (int i = 0; i < paths.count && i < PATHS_LIMIT; i++) {
                    uint32_t path[LONGEST] = {certs[0]};
                    for (int k = 1; k < paths.paths[i].count; k++) {
                        path[k] = cas[paths.paths[i].certs[k].id];
                    }
                    add_path(snapshot, (uint32_t)p, path, (uint32_t)paths.paths[i].count);
                }
                snapshot_pkix(snapshot, snapshot->chains_count - 1, (uint32_t)p,
                              paths.count > 0 ? PKIX_OK : PKIX_INCOMPLETE_CHAIN);
            }
        }
    }
    return bounded;
}

static void fill_pins(struct pin_index *index, const struct world_case *c,
                      const struct trust_store *store) {
    static const char *const trust[] = {"p0", "p1"}, *none[] = {"none"};
    pin_index_init(index, 1);
    for (int i = 0; i < c->start.set_count; i++) {
        const struct o_set *from = &c->start.sets[i];
        struct pin_set *set = arena_alloc(&index->arena, sizeof *set);
        char name[24];
        pin_set_init(set, PIN_CLIENT_CUSTOM);
        snprintf(name, sizeof name, "set%d", i);
        set->name = arena_copy_text(&index->arena, span_str(name));
        set->scope = from->scope;
        set->on_expiry = from->on_expiry;
        set->expires = from->expires;
        set->report_only = from->report_only;
        set->trust = arena_alloc(&index->arena, PROFILES * sizeof *set->trust);
        set->trust_count = (uint32_t)from->trust_count;
        for (int t = 0; t < from->trust_count; t++) {
            set->trust[t] = trust[from->trust[t]];
        }
        if (from->trust_none) {
            set->trust = none;
            set->trust_count = 1;
            set->trust_none = true;
        }
        set->hosts = arena_alloc(&index->arena, sizeof *set->hosts);
        set->host_count = 1;
        set->hosts[0].name = "example";
        set->hosts[0].pattern = PIN_PATTERN_ANY_DEPTH;
        if (from->host >= 0) {
            snprintf(name, sizeof name, "h%d.example", from->host);
            set->hosts[0].name = arena_copy_text(&index->arena, span_str(name));
            set->hosts[0].pattern = PIN_PATTERN_NAME;
        }
        set->pins = arena_alloc(&index->arena, PINS_LIMIT * sizeof *set->pins);
        set->pin_count = (uint32_t)from->pin_count;
        for (int p = 0; p < from->pin_count; p++) {
            uint8_t digest[SHA256_LEN];
            const struct o_pin *pin = &from->pins[p];
            digest_of(pin->of_cert ? "cert" : "key", pin->what, digest);
            set->pins[p] = (struct pin){.alg = PIN_SHA256,
                                        .of = pin->of_cert ? PIN_OF_CERT : PIN_OF_SPKI,
                                        .role = pin->role,
                                        .list = pin->list,
                                        .tlsa_usage = PIN_TLSA_NONE,
                                        .note = "",
                                        .text = ""};
            set->pins[p].value = arena_copy(&index->arena, span_of(digest, SHA256_LEN));
        }
        CHECK(pin_index_add(index, set, NULL) == ERR_NONE);
    }
    CHECK(pin_index_bind(index, store, NULL) == ERR_NONE);
}

#endif
