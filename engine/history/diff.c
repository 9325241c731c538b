#include "engine/history/diff_internal.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/base/rng.h"

/* --- which target is which --- */

/* How much two targets must have in common: all of it first. */
enum join_level { JOIN_ADDRESS, JOIN_TAG, JOIN_ENDPOINT, JOIN_LEVELS };

struct join {
    struct diff *diff;
    enum join_level level;
    uint64_t seed;
    uint32_t *pair_of_before, *pair_of_after; /* SNAPSHOT_NONE: not yet */
    uint64_t *hashes;                         /* of `before` */
    uint32_t *next;        /* the next target of the same key in `before`; SNAPSHOT_NONE */
    uint32_t *slots, mask; /* the first target of a key, plus 1; open addressing */
};

static const char *address_of(const struct snapshot *snapshot,
                              const struct snapshot_target *target) {
    for (uint32_t i = target->first_view; i < target->first_view + target->view_count; i++) {
        if (snapshot->views[i].address[0] != '\0') {
            return snapshot->views[i].address;
        }
    }
    return "";
}

static uint64_t mix(uint64_t hash, const char *text) {
    return XXH3_64bits_withSeed(text, strlen(text), hash);
}

static uint64_t key_hash(const struct join *join, const struct snapshot *snapshot,
                         const struct snapshot_target *target) {
    uint64_t hash = mix(mix(join->seed ^ target->port, target->host), target->sni);
    if (join->level < JOIN_ENDPOINT || join->diff->options.by_tag) {
        hash = mix(hash, target->tag);
    }
    if (join->level < JOIN_ENDPOINT) {
        hash = mix(hash, target->pin_host);
    }
    return join->level == JOIN_ADDRESS ? mix(hash, address_of(snapshot, target)) : hash;
}

static bool key_equal(const struct join *join, const struct snapshot *a_snapshot,
                      const struct snapshot_target *a, const struct snapshot *b_snapshot,
                      const struct snapshot_target *b) {
    bool tag = join->level < JOIN_ENDPOINT || join->diff->options.by_tag;
    return a->port == b->port && strcmp(a->host, b->host) == 0 && strcmp(a->sni, b->sni) == 0 &&
           (!tag || strcmp(a->tag, b->tag) == 0) &&
           (join->level == JOIN_ENDPOINT || strcmp(a->pin_host, b->pin_host) == 0) &&
           (join->level != JOIN_ADDRESS ||
            strcmp(address_of(a_snapshot, a), address_of(b_snapshot, b)) == 0);
}

/* The slot of a key: the one that holds a target with it, or the empty one where it belongs. */
static uint32_t *find_slot(struct join *join, uint64_t hash, const struct snapshot *snapshot,
                           const struct snapshot_target *target) {
    const struct snapshot *before = join->diff->before;
    uint32_t at = (uint32_t)hash & join->mask;
    for (; join->slots[at] != 0; at = (at + 1) & join->mask) {
        uint32_t idx = join->slots[at] - 1;
        if (join->hashes[idx] == hash &&
            key_equal(join, before, &before->targets[idx], snapshot, target)) {
            break;
        }
    }
    return &join->slots[at];
}

/* Those without a partner on both sides meet by their keys at this level. */
static void join_at(struct join *join, enum join_level level) {
    const struct snapshot *before = join->diff->before, *after = join->diff->after;
    join->level = level;
    memset(join->slots, 0, ((size_t)join->mask + 1) * sizeof *join->slots);
    for (uint32_t i = before->targets_count; i-- > 0;) { /* backwards: lists are in order */
        if (join->pair_of_before[i] == SNAPSHOT_NONE) {
            join->hashes[i] = key_hash(join, before, &before->targets[i]);
            uint32_t *slot = find_slot(join, join->hashes[i], before, &before->targets[i]);
            join->next[i] = *slot == 0 ? SNAPSHOT_NONE : *slot - 1;
            *slot = i + 1;
        }
    }
    for (uint32_t i = 0; i < after->targets_count; i++) {
        if (join->pair_of_after[i] != SNAPSHOT_NONE) {
            continue;
        }
        const struct snapshot_target *target = &after->targets[i];
        uint32_t *slot = find_slot(join, key_hash(join, after, target), after, target);
        if (*slot == 0) {
            continue;
        }
        uint32_t partner = *slot - 1;
        while (partner != SNAPSHOT_NONE && join->pair_of_before[partner] != SNAPSHOT_NONE) {
            partner = join->next[partner];
        }
        if (partner != SNAPSHOT_NONE) {
            join->pair_of_before[partner] = i;
            join->pair_of_after[i] = partner;
            /* the key stays in the table, also when its list has ended: others stand behind it */
            if (join->next[partner] != SNAPSHOT_NONE) {
                *slot = join->next[partner] + 1;
            }
        }
    }
}

static bool join_init(struct join *join, struct diff *diff) {
    uint32_t before = diff->before->targets_count, after = diff->after->targets_count, size = 64;
    while (size / 2 < before && size < UINT32_C(1) << 31) {
        size *= 2;
    }
    *join = (struct join){.diff = diff, .seed = random_u64(), .mask = size - 1};
    join->pair_of_before = malloc(((size_t)before + 1) * sizeof(uint32_t));
    join->pair_of_after = malloc(((size_t)after + 1) * sizeof(uint32_t));
    join->hashes = malloc(((size_t)before + 1) * sizeof(uint64_t));
    join->next = malloc(((size_t)before + 1) * sizeof(uint32_t));
    join->slots = malloc((size_t)size * sizeof(uint32_t));
    if (join->pair_of_before == NULL || join->pair_of_after == NULL || join->hashes == NULL ||
        join->next == NULL || join->slots == NULL) {
        return false;
    }
    memset(join->pair_of_before, 0xff, ((size_t)before + 1) * sizeof(uint32_t));
    memset(join->pair_of_after, 0xff, ((size_t)after + 1) * sizeof(uint32_t));
    return true;
}

static void join_fini(struct join *join) {
    free(join->pair_of_before);
    free(join->pair_of_after);
    free(join->hashes);
    free(join->next);
    free(join->slots);
}

/* --- changes --- */

struct diff_change *diff_add(struct diff *diff, enum diff_kind kind, uint32_t before,
                             uint32_t after) {
    if (diff->change_count == diff->change_capacity) {
        uint32_t wanted = diff->change_capacity + diff->change_capacity / 2 + 1024;
        struct diff_change *larger =
            wanted < SNAPSHOT_NONE / 2 ? realloc(diff->changes, wanted * sizeof *larger) : NULL;
        if (larger == NULL) {
            diff->failed = true;
            return NULL;
        }
        diff->changes = larger;
        diff->change_capacity = wanted;
    }
    struct diff_change *change = &diff->changes[diff->change_count++];
    const struct snapshot_target *target =
        after != SNAPSHOT_NONE ? &diff->after->targets[after] : &diff->before->targets[before];
    struct diff_side none = {SNAPSHOT_NONE, SNAPSHOT_NONE, SNAPSHOT_NONE, SNAPSHOT_NONE};
    *change = (struct diff_change){.before = none,
                                   .after = none,
                                   .order = target->line < UINT32_MAX ? (uint32_t)target->line
                                                                      : UINT32_MAX,
                                   .kind = (uint8_t)kind,
                                   .key_type = KEY_VIEW_COUNT,
                                   .trust = UINT8_MAX,
                                   .pkix_before = PKIX_NOT_CHECKED,
                                   .pkix_after = PKIX_NOT_CHECKED,
                                   .window_days = -1};
    change->before.target = before;
    change->after.target = after;
    return change;
}

/* The verdict that a change of verdicts leads to; VERDICT_COUNT for any other change. */
static enum verdict verdict_after(const struct diff *diff, const struct diff_change *change) {
    switch ((enum diff_kind)change->kind) {
    case DIFF_VERDICT_WORSE:
    case DIFF_VERDICT_CHANGED:
    case DIFF_VERDICT_BETTER:
        return diff->after->targets[change->after.target].verdict;
    case DIFF_PIN_SET_WORSE:
    case DIFF_PIN_SET_CHANGED:
    case DIFF_PIN_SET_BETTER:
    case DIFF_PIN_SET_NEW:
        return diff->after->sets[change->after.set].verdict;
    case DIFF_UNREACHABLE:
    case DIFF_ADDRESS_UNREACHABLE:
    case DIFF_PKIX_WORSE:
    case DIFF_NAME_MISMATCH:
    case DIFF_EXPIRY_WINDOW:
    case DIFF_GONE:
    case DIFF_PIN_SET_GONE:
    case DIFF_KEY_TYPE_LOST:
    case DIFF_ROOT_CHANGED:
    case DIFF_ISSUER_CHANGED:
    case DIFF_KEY_ROTATED:
    case DIFF_PATH_CHANGED:
    case DIFF_CHAIN_CHANGED:
    case DIFF_PKIX_CHANGED:
    case DIFF_RENEWED:
    case DIFF_NEW:
    case DIFF_KEY_TYPE_NEW:
    case DIFF_REACHABLE:
    case DIFF_PKIX_BETTER:
    case DIFF_NAME_MATCH:
    case DIFF_ADDRESS_CHANGED:
    case DIFF_KIND_COUNT:
        break;
    }
    return VERDICT_COUNT;
}

static bool is_regression(const struct diff *diff, const struct diff_change *change) {
    const struct diff_options *options = &diff->options;
    enum verdict verdict = verdict_after(diff, change);
    return (options->fail_on_kinds >> change->kind & 1) != 0 ||
           (verdict < VERDICT_COUNT && (options->fail_on_verdicts >> verdict & 1) != 0) ||
           (change->pkix_after != PKIX_NOT_CHECKED &&
            (options->fail_on_pkix >> change->pkix_after & 1) != 0);
}

static int compare_changes(const void *a, const void *b) {
    const struct diff_change *x = a, *y = b;
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    if (x->order != y->order) {
        return x->order < y->order ? -1 : 1;
    }
    if (x->after.target != y->after.target) {
        return x->after.target < y->after.target ? -1 : 1;
    }
    if (x->before.target != y->before.target) {
        return x->before.target < y->before.target ? -1 : 1;
    }
    if (x->key_type != y->key_type) {
        return x->key_type < y->key_type ? -1 : 1;
    }
    if (x->trust != y->trust) {
        return x->trust < y->trust ? -1 : 1;
    }
    return (x->after.set > y->after.set) - (x->after.set < y->after.set);
}

static void finish(struct diff *diff) {
    for (uint32_t i = 0; i < diff->change_count; i++) {
        struct diff_change *change = &diff->changes[i];
        change->regression = is_regression(diff, change);
        diff->regressions += change->regression;
        diff->counts[change->kind]++;
    }
    if (diff->change_count > 0) {
        qsort(diff->changes, diff->change_count, sizeof *diff->changes, compare_changes);
    }
}

static void compare_all(struct diff *diff, const struct join *join) {
    for (uint32_t i = 0; i < diff->after->targets_count && !diff->failed; i++) {
        uint32_t partner = join->pair_of_after[i];
        if (partner == SNAPSHOT_NONE) {
            diff_add(diff, DIFF_NEW, SNAPSHOT_NONE, i);
        } else {
            diff->matched++;
            diff_compare(diff, partner, i);
        }
    }
    for (uint32_t i = 0; i < diff->before->targets_count && !diff->failed; i++) {
        if (join->pair_of_before[i] == SNAPSHOT_NONE) {
            diff_add(diff, DIFF_GONE, i, SNAPSHOT_NONE);
        }
    }
}

static int compare_windows(const void *a, const void *b) {
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

enum err diff_run(struct diff *diff, const struct snapshot *before, const struct snapshot *after,
                  const struct diff_options *options, struct err_note *note) {
    struct join join;
    *diff = (struct diff){.before = before, .after = after, .options = *options};
    /* the nearest first, as they are looked through */
    qsort(diff->options.windows_days, diff->options.window_count, sizeof(uint16_t),
          compare_windows);
    if (join_init(&join, diff)) {
        for (enum join_level level = JOIN_ADDRESS; level < JOIN_LEVELS; level++) {
            join_at(&join, level);
        }
        compare_all(diff, &join);
    } else {
        diff->failed = true;
    }
    join_fini(&join);
    if (diff->failed) {
        return err_note(note, ERR_RESOURCE, "not enough memory to compare %u with %u targets",
                        before->targets_count, after->targets_count);
    }
    finish(diff);
    return ERR_NONE;
}

void diff_fini(struct diff *diff) {
    free(diff->changes);
    *diff = (struct diff){0};
}
