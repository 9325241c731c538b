/* One endpoint in two sweeps: whether it answers, its verdicts, ends and addresses. */
#include "engine/history/diff_internal.h"

#define DAY_S INT64_C(86400)

/* --- verdicts --- */

/* Worse by the order of the contract, but what is not pinned is neither better nor worse than what
   is and matches. */
static enum diff_kind verdict_kind(enum verdict was, enum verdict is, enum diff_kind worse,
                                   enum diff_kind changed, enum diff_kind better) {
    bool matches = (was == VERDICT_UNPINNED && is > VERDICT_UNKNOWN) ||
                   (is == VERDICT_UNPINNED && was > VERDICT_UNKNOWN);
    return matches ? changed : is < was ? worse : better;
}

static void compare_verdict(const struct pair *pair, bool was_silent) {
    enum verdict was = pair->before->verdict, is = pair->after->verdict;
    if (was == is) {
        return;
    }
    enum diff_kind kind =
        verdict_kind(was, is, DIFF_VERDICT_WORSE, DIFF_VERDICT_CHANGED, DIFF_VERDICT_BETTER);
    if (was_silent && kind != DIFF_VERDICT_WORSE) {
        return; /* that it answers again says it */
    }
    struct diff_change *change = diff_add_pair(pair, kind);
    if (change != NULL) {
        change->rank = (uint16_t)is;
    }
}

static struct diff_change *add_set(const struct pair *pair, enum diff_kind kind, uint32_t before,
                                   uint32_t after) {
    struct diff_change *change = diff_add_pair(pair, kind);
    if (change != NULL) {
        change->before.set = before;
        change->after.set = after;
        change->before.cert =
            before == SNAPSHOT_NONE ? SNAPSHOT_NONE : pair->diff->before->sets[before].cert;
        change->after.cert =
            after == SNAPSHOT_NONE ? SNAPSHOT_NONE : pair->diff->after->sets[after].cert;
        change->rank =
            after == SNAPSHOT_NONE ? 0 : (uint16_t)pair->diff->after->sets[after].verdict;
    }
    return change;
}

/* The pin set of that name among those of a target; `hint` is the place where it probably stands.
 */
static uint32_t find_set(const struct snapshot *snapshot, const struct snapshot_target *target,
                         const char *name, uint32_t hint) {
    uint32_t first = target->first_set, end = first + target->set_count;
    if (hint < target->set_count && strcmp(snapshot->sets[first + hint].name, name) == 0) {
        return first + hint;
    }
    while (first < end && strcmp(snapshot->sets[first].name, name) != 0) {
        first++;
    }
    return first < end ? first : SNAPSHOT_NONE;
}

static void compare_set(const struct pair *pair, uint32_t b, uint32_t a, bool was_silent) {
    const struct snapshot_set *before = &pair->diff->before->sets[b],
                              *after = &pair->diff->after->sets[a];
    if (before->verdict != after->verdict) {
        enum diff_kind kind = verdict_kind(before->verdict, after->verdict, DIFF_PIN_SET_WORSE,
                                           DIFF_PIN_SET_CHANGED, DIFF_PIN_SET_BETTER);
        if (!was_silent || kind == DIFF_PIN_SET_WORSE) {
            add_set(pair, kind, b, a);
        }
    } else if (!was_silent &&
               (before->would_be != after->would_be || before->durable != after->durable)) {
        add_set(pair, DIFF_PIN_SET_CHANGED, b, a);
    }
}

static void compare_sets(const struct pair *pair, bool was_silent) {
    const struct snapshot *before = pair->diff->before, *after = pair->diff->after;
    for (uint32_t i = 0; i < pair->after->set_count; i++) {
        uint32_t a = pair->after->first_set + i;
        uint32_t b = find_set(before, pair->before, after->sets[a].name, i);
        if (b == SNAPSHOT_NONE) {
            add_set(pair, DIFF_PIN_SET_NEW, SNAPSHOT_NONE, a);
        } else {
            compare_set(pair, b, a, was_silent);
        }
    }
    for (uint32_t i = 0; i < pair->before->set_count; i++) {
        uint32_t b = pair->before->first_set + i;
        if (find_set(after, pair->after, before->sets[b].name, i) == SNAPSHOT_NONE) {
            add_set(pair, DIFF_PIN_SET_GONE, b, SNAPSHOT_NONE);
        }
    }
}

/* --- ends --- */

struct end {
    int64_t at_s; /* INT64_MAX: not known */
    uint32_t view, cert;
};

static void end_take(struct end *end, int64_t at_s, uint32_t view, uint32_t cert) {
    if (at_s != DATETIME_NONE && at_s < end->at_s) {
        *end = (struct end){.at_s = at_s, .view = view, .cert = cert};
    }
}

/* What ends first of what a client needs: the leaf, and all of a preferred path. */
static struct end first_end(const struct snapshot *snapshot, const struct snapshot_target *target) {
    struct end end = {.at_s = INT64_MAX};
    for (uint32_t i = target->first_view; i < target->first_view + target->view_count; i++) {
        const struct snapshot_view *view = &snapshot->views[i];
        if (view->status != OUTCOME_SUCCESS || view->chain == SNAPSHOT_NONE ||
            snapshot->chains[view->chain].cert_count == 0) {
            continue;
        }
        const struct snapshot_chain *chain = &snapshot->chains[view->chain];
        uint32_t leaf = snapshot->chain_certs[chain->first_cert];
        end_take(&end, snapshot->certs[leaf].not_after, i, leaf);
        for (uint32_t p = chain->first_path; p < chain->first_path + chain->path_count; p++) {
            const struct snapshot_path *path = &snapshot->paths[p];
            for (uint32_t c = 0; path->preferred && c < path->cert_count; c++) {
                uint32_t cert = snapshot->path_certs[path->first_cert + c];
                end_take(&end, snapshot->certs[cert].not_after, i, cert);
            }
        }
    }
    return end;
}

/* The nearest window that was entered between the two; -1 if none was. */
static int32_t window_entered(const struct diff_options *options, int64_t left_before_s,
                              int64_t left_after_s) {
    if (left_after_s < 0 && left_before_s >= 0) {
        return 0;
    }
    for (uint32_t i = 0; i < options->window_count; i++) {
        int64_t edge = options->windows_days[i] * DAY_S;
        if (left_after_s < edge && left_before_s >= edge) {
            return options->windows_days[i];
        }
    }
    return -1;
}

static void compare_ends(const struct pair *pair) {
    const struct snapshot *before = pair->diff->before, *after = pair->diff->after;
    struct end was = first_end(before, pair->before), is = first_end(after, pair->after);
    int64_t was_at_s = pair->before->time_ms / 1000, is_at_s = pair->after->time_ms / 1000;
    if (was.at_s == INT64_MAX || is.at_s == INT64_MAX) {
        return;
    }
    int32_t days = window_entered(&pair->diff->options, was.at_s - was_at_s, is.at_s - is_at_s);
    struct diff_change *change = days < 0 ? NULL : diff_add_pair(pair, DIFF_EXPIRY_WINDOW);
    if (change != NULL) {
        change->window_days = days;
        change->rank = (uint16_t)days;
        change->before.view = was.view;
        change->before.cert = was.cert;
        change->after.view = is.view;
        change->after.cert = is.cert;
    }
}

static void compare_set_ends(const struct pair *pair) {
    const struct snapshot *before = pair->diff->before, *after = pair->diff->after;
    for (uint32_t i = 0; i < pair->after->set_count; i++) {
        uint32_t a = pair->after->first_set + i;
        uint32_t b = after->sets[a].expires == DATETIME_NONE
                         ? SNAPSHOT_NONE
                         : find_set(before, pair->before, after->sets[a].name, i);
        if (b == SNAPSHOT_NONE || before->sets[b].expires == DATETIME_NONE) {
            continue;
        }
        int32_t days = window_entered(&pair->diff->options,
                                      before->sets[b].expires - pair->before->time_ms / 1000,
                                      after->sets[a].expires - pair->after->time_ms / 1000);
        struct diff_change *change = days < 0 ? NULL : add_set(pair, DIFF_EXPIRY_WINDOW, b, a);
        if (change != NULL) {
            change->window_days = days;
            change->rank = (uint16_t)days;
        }
    }
}

/* --- addresses --- */

static bool has_address(const struct snapshot *snapshot, const struct snapshot_target *target,
                        const char *address) {
    for (uint32_t i = target->first_view; i < target->first_view + target->view_count; i++) {
        if (strcmp(snapshot->views[i].address, address) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_all_addresses(const struct snapshot *of, const struct snapshot_target *target,
                              const struct snapshot *in, const struct snapshot_target *among) {
    for (uint32_t i = target->first_view; i < target->first_view + target->view_count; i++) {
        if (!has_address(in, among, of->views[i].address)) {
            return false;
        }
    }
    return true;
}

static void compare_addresses(const struct pair *pair) {
    const struct snapshot *before = pair->diff->before, *after = pair->diff->after;
    if (pair->before->view_count > 0 && pair->after->view_count > 0 &&
        !(has_all_addresses(before, pair->before, after, pair->after) &&
          has_all_addresses(after, pair->after, before, pair->before))) {
        struct diff_change *change = diff_add_pair(pair, DIFF_ADDRESS_CHANGED);
        if (change != NULL) {
            change->before.view = pair->before->first_view;
            change->after.view = pair->after->first_view;
        }
    }
}

static bool is_asked(enum outcome status) {
    return status != OUTCOME_BLOCKLISTED && status != OUTCOME_CANCELLED &&
           status != OUTCOME_RESOURCE_ERROR;
}

/* An address that answered and does not, though the endpoint as a whole does. */
static void compare_addresses_silent(const struct pair *pair) {
    const struct snapshot *before = pair->diff->before, *after = pair->diff->after;
    for (uint32_t a = pair->after->first_view;
         a < pair->after->first_view + pair->after->view_count; a++) {
        const struct snapshot_view *is = &after->views[a];
        if (!outcome_is_failure(is->status) || !is_asked(is->status) || is->address[0] == '\0') {
            continue;
        }
        for (uint32_t b = pair->before->first_view;
             b < pair->before->first_view + pair->before->view_count; b++) {
            const struct snapshot_view *was = &before->views[b];
            if (was->key_type == is->key_type && was->status == OUTCOME_SUCCESS &&
                strcmp(was->address, is->address) == 0) {
                struct diff_change *change = diff_add_pair(pair, DIFF_ADDRESS_UNREACHABLE);
                if (change != NULL) {
                    change->key_type = (uint8_t)is->key_type;
                    change->before.view = b;
                    change->after.view = a;
                }
                break;
            }
        }
    }
}

/* --- an endpoint --- */

void diff_compare(struct diff *diff, uint32_t before, uint32_t after) {
    struct pair pair = {.diff = diff,
                        .before_idx = before,
                        .after_idx = after,
                        .before = &diff->before->targets[before],
                        .after = &diff->after->targets[after],
                        .change_count = diff->change_count};
    if (!is_asked(pair.before->status) || !is_asked(pair.after->status)) {
        diff->not_compared++;
        return;
    }
    bool was_silent = outcome_is_failure(pair.before->status),
         is_silent = outcome_is_failure(pair.after->status);
    if (!was_silent && is_silent) {
        diff_add_pair(&pair, DIFF_UNREACHABLE);
    } else if (!is_silent) {
        if (was_silent) {
            diff_add_pair(&pair, DIFF_REACHABLE);
        } else {
            for (enum key_view key_type = KEY_VIEW_ANY; key_type < KEY_VIEW_COUNT; key_type++) {
                diff_compare_certs(&pair, key_type);
            }
            compare_ends(&pair);
            compare_addresses(&pair);
            compare_addresses_silent(&pair);
        }
        compare_verdict(&pair, was_silent);
        compare_sets(&pair, was_silent);
    }
    compare_set_ends(&pair);
    diff->unchanged += diff->change_count == pair.change_count;
}
