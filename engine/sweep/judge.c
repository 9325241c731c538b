#include "engine/sweep/judge.h"

#include "engine/sweep/keeper.h"

#include <stdlib.h>

enum err judge_init(struct judge *judge, const struct sweep_config *config, struct err_note *note) {
    *judge = (struct judge){.config = config};
    judge->views = calloc(VIEWS_MAX, sizeof *judge->views);
    judge->applicable = calloc(PIN_SETS_PER_HOST_MAX, sizeof(const struct pin_set *));
    judge->sets = calloc(PIN_SETS_PER_HOST_MAX, sizeof *judge->sets);
    judge->units = calloc(JUDGE_UNITS_MAX, sizeof *judge->units);
    if (judge->views == NULL || judge->applicable == NULL || judge->sets == NULL ||
        judge->units == NULL) {
        judge_fini(judge);
        return err_note(note, ERR_RESOURCE, "not enough memory for judging");
    }
    enum err err = path_builder_new(config->trust, &judge->paths, note);
    if (err != ERR_NONE) {
        judge_fini(judge);
    } else if (config->keeper != NULL) {
        path_builder_remember(judge->paths, &config->keeper->memory);
    }
    return err;
}

void judge_fini(struct judge *judge) {
    if (judge->paths != NULL) {
        path_builder_free(judge->paths);
    }
    free(judge->views);
    free((void *)judge->applicable);
    free(judge->sets);
    free(judge->units);
    *judge = (struct judge){0};
}

const struct verdict_unit *judge_deciding(const struct judgement *judgement,
                                          const struct set_verdict *set) {
    for (uint32_t i = set->first_unit;
         i < set->first_unit + set->unit_count && i < judgement->unit_count; i++) {
        const struct verdict_unit *unit = &judgement->units[i];
        if (verdict_is_match(unit->verdict) == verdict_is_match(set->would_be)) {
            return unit;
        }
    }
    return NULL;
}

enum proof judge_proof(const struct judgement *judgement) {
    bool any = false, all = true;
    for (uint32_t i = 0; i < judgement->target->probe_count; i++) {
        const struct probe *probe = &judgement->target->probes[i];
        if (judge_view_counts(probe)) {
            any = true;
            all = all && probe->facts.proof == PROOF_POSSESSION;
        }
    }
    return any && all ? PROOF_POSSESSION : PROOF_NONE;
}

bool judge_is_unproven(const struct probe *probe) {
    return probe->depth == DEPTH_CAPTURE && probe->facts.proof == PROOF_NONE &&
           judge_view_counts(probe);
}

bool judge_wants_proof(const struct judgement *judgement) {
    if (judgement->verdict == VERDICT_MATCH || judgement->verdict == VERDICT_UNPINNED) {
        return false;
    }
    for (uint32_t i = 0; i < judgement->target->probe_count; i++) {
        if (judge_is_unproven(&judgement->target->probes[i])) {
            return true;
        }
    }
    return false;
}

bool judge_view_counts(const struct probe *probe) {
    return probe->outcome == OUTCOME_SUCCESS && probe->chain != NULL;
}

bool judge_host_match(const struct target *target, const struct probe *probe) {
    if (probe->chain == NULL || !probe->chain->certs[0]->strict) {
        return false;
    }
    const struct cert_fields *leaf = &probe->chain->certs[0]->fields;
    if (target->sni[0] != '\0') {
        return cert_covers_host(leaf, span_str(target->sni));
    }
    if (!target->host_is_address) {
        return cert_covers_host(leaf, span_str(target->host));
    }
    struct netaddr address;
    return netaddr_parse(span_str(target->host), &address) && cert_covers_address(leaf, &address);
}

/* Counts the views by outcome and collects those that can be judged. */
static size_t gather_views(struct judge *judge, struct target *target, struct judgement *out) {
    size_t count = 0;
    bool all_seen = target->probe_count > 0;
    for (uint32_t i = 0; i < target->probe_count; i++) {
        struct probe *probe = &target->probes[i];
        if (outcome_is_failure(probe->outcome)) {
            out->views_failed++;
        }
        if (probe->outcome != OUTCOME_SUCCESS && probe->outcome != OUTCOME_NOT_OFFERED) {
            all_seen = false;
        }
        if (judge_view_counts(probe)) {
            judge->views[count++] =
                (struct verdict_view){.view_idx = (uint16_t)i,
                                      .chain = probe->chain,
                                      .paths = path_set_of(judge->paths, probe->chain)};
        }
    }
    if (target->probe_count > 0 && outcome_is_failure(out->status)) {
        out->views_failed--; /* the best view is the target's status: the contract counts the others
                              */
    }
    out->complete = all_seen && !target->addresses_missing;
    return count;
}

void judge_target(struct judge *judge, struct target *target, int64_t now_ms,
                  struct judgement *out) {
    const struct sweep_config *config = judge->config;
    *out = (struct judgement){.target = target, .config = config, .time_ms = now_ms};
    out->judged_at_s = config->at_unix_s != DATETIME_NONE ? config->at_unix_s : now_ms / 1000;
    out->status = target_outcome(target);
    size_t view_count = gather_views(judge, target, out);
    size_t applying = pin_index_lookup(config->pins, span_str(target->pin_host), target->port,
                                       judge->applicable, PIN_SETS_PER_HOST_MAX);
    out->sets_truncated = applying > PIN_SETS_PER_HOST_MAX;
    out->set_count = out->sets_truncated ? PIN_SETS_PER_HOST_MAX : applying;
    out->verdict = VERDICT_UNPINNED;
    for (size_t i = 0; i < out->set_count; i++) {
        judge->sets[i] =
            verdict_judge_among(judge->applicable, out->set_count, i, judge->views, view_count,
                                out->judged_at_s, judge->units, JUDGE_UNITS_MAX, &out->unit_count);
        out->verdict = verdict_worse(out->verdict, judge->sets[i].verdict);
    }
    out->sets = judge->sets;
    out->units = judge->units;
}
