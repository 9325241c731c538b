#include "engine/impact/impact_report.h"

#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "engine/codec/json.h"
#include "engine/impact/impact_write.h"

struct slot {
    uint32_t target, idx;
};

struct order {
    struct slot *slots; /* by outcome, then in order of the sweep */
    uint8_t *outcomes;
    uint64_t count, capacity;
};

static bool keep(struct order *order, enum impact_outcome outcome) {
    if (order->count == order->capacity) {
        order->capacity = order->capacity == 0 ? 1024 : order->capacity * 2;
        uint8_t *larger = realloc(order->outcomes, order->capacity);
        if (larger == NULL) {
            return false;
        }
        order->outcomes = larger;
    }
    order->outcomes[order->count++] = (uint8_t)outcome;
    return true;
}

static bool is_finding(const struct impact_report *report, const struct impact *impact) {
    if (impact->outcome == IMPACT_PATH_DEPENDENT && impact->before == VERDICT_PATH_DEPENDENT) {
        return false;
    }
    return (report->fail_on & 1u << impact->outcome) != 0;
}

static bool sum(struct impact_report *report, struct order *order) {
    report->targets = report->plan->world->snapshot->targets_count;
    for (uint32_t t = 0; t < report->targets; t++) {
        uint32_t count = impact_target(report->run, t);
        for (uint32_t i = 0; i < count; i++) {
            struct impact impact;
            impact_judge(report->run, i, &impact);
            rollup_add(&report->rollup, &impact, t);
            report->outcomes[impact.outcome]++;
            report->results++;
            report->findings += is_finding(report, &impact);
            if (!keep(order, impact.outcome)) {
                return false;
            }
        }
    }
    return true;
}

/* Counting sort by outcome: stable. */
static bool sort(const struct impact_report *report, struct order *order) {
    uint64_t at[IMPACT_OUTCOME_COUNT], sum_so_far = 0, result = 0;
    order->slots = malloc(order->count * sizeof *order->slots + 1);
    if (order->slots == NULL) {
        return false;
    }
    for (int i = 0; i < IMPACT_OUTCOME_COUNT; i++) {
        at[i] = sum_so_far;
        sum_so_far += report->outcomes[i];
    }
    for (uint32_t t = 0; t < report->targets; t++) {
        uint32_t count = impact_result_count(report->run, t);
        for (uint32_t i = 0; i < count; i++) {
            order->slots[at[order->outcomes[result++]]++] = (struct slot){t, i};
        }
    }
    return true;
}

static void write_results(struct impact_report *report, const struct order *order) {
    uint32_t target = UINT32_MAX;
    uint64_t told[IMPACT_OUTCOME_COUNT] = {0}, result = 0;
    for (int outcome = 0; outcome < IMPACT_OUTCOME_COUNT; outcome++) {
        uint64_t end = result + report->outcomes[outcome];
        for (; result < end; result++) {
            if (report->form == IMPACT_TEXT && told[outcome] == report->limit) {
                result = end;
                break;
            }
            const struct slot *slot = &order->slots[result];
            if (slot->target != target) {
                target = slot->target;
                (void)impact_target(report->run, target);
            }
            struct impact impact;
            impact_judge(report->run, slot->idx, &impact);
            impact_write_result(report, &impact, told[outcome]++ == 0);
        }
        if (report->form == IMPACT_TEXT && report->outcomes[outcome] > told[outcome] &&
            told[outcome] > 0) {
            fprintf(report->out, "  ... and %llu more (--limit, or --output ndjson)\n",
                    (unsigned long long)(report->outcomes[outcome] - told[outcome]));
        }
    }
}

enum err impact_report_write(struct impact_report *report, struct err_note *note) {
    struct order order = {0};
    rollup_init(&report->rollup);
    bool ok = sum(report, &order) && sort(report, &order);
    if (!ok) {
        free(order.outcomes);
        free(order.slots);
        return err_note(note, ERR_RESOURCE, "no memory for %llu results",
                        (unsigned long long)order.count);
    }
    rollup_end(&report->rollup);
    impact_write_head(report);
    write_results(report, &order);
    impact_write_sums(report);
    free(order.outcomes);
    free(order.slots);
    return ERR_NONE;
}
