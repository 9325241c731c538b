#include "engine/sweep/worker_judge.h"

#include "engine/sweep/probe.h"
#include "engine/sweep/worker_report.h"

/* Blocked targets and servers without the asked key type are no gap in what is known, unless
   something failed beside them. */
static bool is_unknown(const struct judgement *judgement) {
    bool excused = judgement->status == OUTCOME_BLOCKLISTED, failed = false;
    for (uint32_t i = 0; i < judgement->target->probe_count; i++) {
        enum outcome outcome = judgement->target->probes[i].outcome;
        excused = excused || outcome == OUTCOME_BLOCKLISTED || outcome == OUTCOME_NOT_OFFERED;
        failed = failed || outcome_is_failure(outcome);
    }
    return judgement->verdict == VERDICT_UNKNOWN && (failed || !excused);
}

/* Of the preferred paths of a view, the end that comes first and is still ahead. */
static void count_expiry(struct worker_stats *stats, const struct path_set *paths, int64_t now_s) {
    uint64_t first_s = stats_get(&stats->first_expiry_s);
    for (uint32_t p = 0; p < paths->profile_count; p++) {
        bool valid;
        int preferred = path_preferred(&paths->profiles[p], now_s, &valid);
        if (preferred >= 0 && valid) {
            int64_t end_s = paths->profiles[p].paths[preferred].not_after;
            if (end_s > 0 && (first_s == 0 || (uint64_t)end_s < first_s)) {
                first_s = (uint64_t)end_s;
            }
        }
    }
    stats_set(&stats->first_expiry_s, first_s);
}

static void count_judgement(struct worker *worker, const struct judgement *judgement) {
    struct worker_stats *stats = &worker->stats;
    stats_add(&stats->targets, 1);
    stats_add(&stats->statuses[judgement->status], 1);
    stats_add(&stats->verdicts[judgement->verdict], 1);
    if (is_unknown(judgement)) {
        stats_add(&stats->unknown, 1);
    }
    bool seen[PKIX_COUNT] = {false};
    for (uint32_t i = 0; i < judgement->target->probe_count; i++) {
        const struct probe *probe = &judgement->target->probes[i];
        if (judge_view_counts(probe)) {
            count_expiry(stats, probe->chain->paths, judgement->judged_at_s);
        }
        for (uint32_t p = 0; judge_view_counts(probe) && p < probe->chain->paths->profile_count;
             p++) {
            seen[path_pkix(&probe->chain->paths->profiles[p], judgement->judged_at_s)] = true;
        }
    }
    for (int i = 0; i < PKIX_COUNT; i++) {
        if (seen[i]) {
            stats_add(&stats->pkix[i], 1);
        }
    }
}

/* Something of it was not done because the sweep is being stopped. */
static bool was_cancelled(const struct target *target) {
    bool cancelled = target->probe_count == 0 && target->outcome == OUTCOME_CANCELLED;
    for (uint32_t i = 0; i < target->probe_count; i++) {
        cancelled = cancelled || target->probes[i].outcome == OUTCOME_CANCELLED;
    }
    return cancelled;
}

/* Done with it; what is not written is left for a later run. */
static void drop_target(struct worker *worker, struct target *target) {
    list_remove(&target->node);
    probe_release_target(worker, target);
}

void worker_judge(struct worker *worker) {
    intern_flush(worker->intern);
    int64_t wall_ms = clock_wall_ms(worker->shared->clock);
    struct list_node *node;
    while ((node = list_first(&worker->judging)) != NULL) {
        struct target *target = CONTAINER_OF(node, struct target, node);
        struct judgement judgement;
        if (worker->aborting && worker->shared->resumable && was_cancelled(target)) {
            drop_target(worker, target);
            continue;
        }
        judge_target(&worker->judge, target, wall_ms, &judgement);
        bool unfinished = worker->config->escalate && judge_wants_proof(&judgement);
        if (unfinished && !worker->aborting) {
            probe_escalate(worker, target);
            continue;
        }
        if (unfinished && worker->shared->resumable) {
            drop_target(worker, target);
            continue;
        }
        bool writes = worker->shared->sink != NULL;
        if (writes && !worker_write(worker, &judgement)) {
            return; /* the writer is behind: the target stays first in line */
        }
        if (worker->config->listener != NULL) {
            worker->config->listener->on_target(worker->config->listener->context, &judgement);
        }
        count_judgement(worker, &judgement);
        drop_target(worker, target);
    }
}
