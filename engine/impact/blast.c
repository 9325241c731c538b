#include "engine/impact/blast.h"

#include <inttypes.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/codec/json.h"
#include "engine/impact/blast_internal.h"
#include "engine/impact/impact_internal.h"

/* --- the table of keys --- */

static uint32_t hash_key(const struct blast *blast, const uint8_t spki_sha256[SHA256_LEN]) {
    return (uint32_t)XXH3_64bits_withSeed(spki_sha256, SHA256_LEN, blast->seed);
}

static bool reserve(struct blast *blast) {
    uint32_t size = blast->slots == NULL ? 0 : blast->mask + 1;
    if (blast->count == blast->capacity) {
        uint32_t capacity = blast->capacity == 0 ? 1024 : blast->capacity * 2;
        struct blast_key *larger = realloc(blast->keys, capacity * sizeof *larger);
        if (larger == NULL) {
            return false;
        }
        blast->keys = larger;
        blast->capacity = capacity;
    }
    if (blast->count < size / 2) {
        return true;
    }
    size = size == 0 ? 4096 : size * 2;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    free(blast->slots);
    blast->slots = slots;
    blast->mask = size - 1;
    for (uint32_t i = 0; i < blast->count; i++) {
        uint32_t at = hash_key(blast, blast->keys[i].spki_sha256) & blast->mask;
        while (slots[at] != 0) {
            at = (at + 1) & blast->mask;
        }
        slots[at] = i + 1;
    }
    return true;
}

/* NULL without memory. The pointer is valid until the next one is added. */
static struct blast_key *key_of(struct blast *blast, const uint8_t spki_sha256[SHA256_LEN],
                                const char *subject, enum blast_role role) {
    if (!reserve(blast)) {
        blast->failed = true;
        return NULL;
    }
    uint32_t at = hash_key(blast, spki_sha256) & blast->mask;
    for (; blast->slots[at] != 0; at = (at + 1) & blast->mask) {
        struct blast_key *have = &blast->keys[blast->slots[at] - 1];
        if (memcmp(have->spki_sha256, spki_sha256, SHA256_LEN) == 0) {
            have->subject = have->subject[0] != '\0' ? have->subject : subject;
            have->role = role > have->role ? role : have->role;
            return have;
        }
    }
    struct blast_key *key = &blast->keys[blast->count];
    *key = (struct blast_key){.subject = subject, .role = role};
    memcpy(key->spki_sha256, spki_sha256, SHA256_LEN);
    blast->slots[at] = ++blast->count;
    return key;
}

/* --- one target --- */

static void touch(struct blast *blast, const struct world_cert *cert, enum blast_role role) {
    if (!cert->record.has_spki || cert->unknown_key) {
        return;
    }
    struct blast_key *key = key_of(blast, cert->record.spki_sha256, cert->subject, role);
    if (key == NULL || key->last_target == blast->target + 1 ||
        blast->on_target_count == BLAST_KEYS_PER_TARGET_MAX) {
        return;
    }
    key->last_target = blast->target + 1;
    key->targets++;
    blast->on_target[blast->on_target_count++] = (uint32_t)(key - blast->keys);
}

static void touch_view(struct blast *blast, const struct impact_view *view) {
    const struct endpoint *endpoint = &view->after.endpoint;
    touch(blast, &endpoint->leaf, BLAST_LEAF);
    for (uint32_t i = 0; i < endpoint->sent_count; i++) {
        touch(blast, endpoint->sent[i], BLAST_CA);
    }
    for (uint32_t p = 0; p < view->after.paths->profile_count; p++) {
        const struct profile_paths *paths = &view->after.paths->profiles[p];
        for (uint32_t i = 0; i < paths->count; i++) {
            for (uint32_t d = 1; d < paths->paths[i].count; d++) {
                touch(blast, world_cert_of(paths->paths[i].certs[d]),
                      d + 1u == paths->paths[i].count ? BLAST_ANCHOR : BLAST_CA);
            }
        }
    }
}

/* --- is anything left? --- */

/* A unit that works today, as the rotation finds it: the path from the leaf up, and the depth of
   the dead key on it. */
struct loss {
    const struct blast *blast;
    const struct pin_set *self;
    const struct path *path;
    int dead;
};

/* Where the client looks for the pin: on the leaf, above it. */
static bool on_leaf(const struct pin_set *self, const struct pin *pin) {
    switch (pin->tlsa_usage) {
    case PIN_TLSA_PKIX_EE:
    case PIN_TLSA_DANE_EE:
        return true;
    case PIN_TLSA_PKIX_TA:
    case PIN_TLSA_DANE_TA:
        return false;
    case PIN_TLSA_NONE:
        break;
    }
    return pin->list != PIN_LIST_CA && self->scope != PIN_SCOPE_CA_ONLY;
}

static bool above_leaf(const struct pin_set *self, const struct pin *pin) {
    switch (pin->tlsa_usage) {
    case PIN_TLSA_PKIX_EE:
    case PIN_TLSA_DANE_EE:
        return false;
    case PIN_TLSA_PKIX_TA:
    case PIN_TLSA_DANE_TA:
        return true;
    case PIN_TLSA_NONE:
        break;
    }
    return pin->list != PIN_LIST_LEAF && self->scope != PIN_SCOPE_LEAF;
}

enum { SERVES_LEAF = 1, SERVES_ABOVE = 2 };

/* Where the pin can still serve: it is above the dead key, or the leaf's own under another CA, or a
   key in reserve. */
static unsigned serves(const struct loss *loss, const struct pin *pin) {
    const struct path *path = loss->path;
    unsigned looked_at = (on_leaf(loss->self, pin) ? SERVES_LEAF : 0u) |
                         (above_leaf(loss->self, pin) ? SERVES_ABOVE : 0u);
    unsigned out = 0;
    bool on_path = false;
    if (pin->role == PIN_BAD || pin_equals(pin, path->certs[loss->dead])) {
        return 0;
    }
    for (int d = 0; d < path->count; d++) {
        if (pin_equals(pin, path->certs[d])) {
            on_path = true;
            out |= d > loss->dead                     ? SERVES_ABOVE
                   : d == 0 && pin->of == PIN_OF_SPKI ? SERVES_LEAF
                                                      : 0u;
        }
    }
    return on_path ? out & looked_at : looked_at;
}

/* Lists, as bits, that have a pin which serves above the leaf, or names what `leaf` does. */
static unsigned lists_left(const struct loss *loss, const struct pin *leaf, unsigned *out_wanted) {
    const struct impact_run *run = loss->blast->run;
    unsigned left = 0;
    *out_wanted = 0;
    for (uint32_t s = 0; s < run->set_count; s++) {
        const struct pin_set *set = run->sets_after[s];
        if (!verdict_joins(loss->self, set, loss->blast->now_unix_s)) {
            continue;
        }
        for (uint32_t i = 0; i < set->pin_count; i++) {
            const struct pin *pin = &set->pins[i];
            unsigned where = serves(loss, pin);
            bool same = leaf != NULL && pin->alg == leaf->alg && pin->of == leaf->of &&
                        span_equal(pin->value, leaf->value);
            *out_wanted |= pin->role != PIN_BAD ? 1u << pin->list : 0u;
            left |= (where & SERVES_ABOVE) != 0 || ((where & SERVES_LEAF) != 0 && same)
                        ? 1u << pin->list
                        : 0u;
        }
    }
    return left;
}

static bool suffices(const struct loss *loss, const struct pin *leaf) {
    unsigned wanted, left = lists_left(loss, leaf, &wanted);
    return loss->self->scope == PIN_SCOPE_LEAF_AND_CA ? left != 0 && (wanted & ~left) == 0
                                                      : left != 0;
}

/* Whatever the next leaf is, no pin is left; or of one list none, where one of each is wanted. */
static bool is_locked(const struct loss *loss) {
    const struct impact_run *run = loss->blast->run;
    bool helps = suffices(loss, NULL);
    for (uint32_t s = 0; s < run->set_count && !helps; s++) {
        const struct pin_set *set = run->sets_after[s];
        for (uint32_t i = 0; i < set->pin_count && !helps; i++) {
            helps = verdict_joins(loss->self, set, loss->blast->now_unix_s) &&
                    (serves(loss, &set->pins[i]) & SERVES_LEAF) != 0 &&
                    suffices(loss, &set->pins[i]);
        }
    }
    return !helps;
}

static bool is_on(const struct pin *pin, const struct path *path) {
    for (int d = 0; d < path->count; d++) {
        if (pin_equals(pin, path->certs[d])) {
            return true;
        }
    }
    return false;
}

/* Every good pin that counts for the set is on the path. */
static bool all_on_path(const struct blast *blast, const struct pin_set *self,
                        const struct path *path) {
    for (uint32_t s = 0; s < blast->run->set_count; s++) {
        const struct pin_set *set = blast->run->sets_after[s];
        for (uint32_t i = 0; i < set->pin_count; i++) {
            if (set->pins[i].role != PIN_BAD && !is_on(&set->pins[i], path) &&
                verdict_joins(self, set, blast->now_unix_s)) {
                return false;
            }
        }
    }
    return true;
}

/* What was sent stands for the path of clients that build none. */
static void take_sent(const struct impact_view *view, struct path *out) {
    const struct chain *chain = view->after.chain;
    *out = (struct path){.count = 0};
    for (uint32_t i = 0; i < chain->count && i < PATH_CERTS_MAX; i++) {
        out->certs[out->count++] = chain->certs[i];
    }
}

/* The paths that stand for a unit, by number; false when there is none of that number. */
static bool path_of(const struct blast *blast, const struct pin_set *set,
                    const struct verdict_unit *unit, uint32_t number, struct path *out) {
    const struct impact_view *view = impact_find_view(blast->run, unit->view_idx);
    bool valid;
    int profile = unit->profile_idx;
    if (profile < 0 && impact_asks_no_pkix(set)) {
        take_sent(view, out);
        return number == 0;
    }
    if (number >= (profile < 0 ? set->trust_count : 1)) {
        return false;
    }
    const struct profile_paths *paths =
        &view->after.paths->profiles[profile < 0 ? set->trust_profiles[number] : profile];
    int idx = path_preferred(paths, blast->now_unix_s, &valid);
    *out = idx >= 0 ? paths->paths[idx] : (struct path){.count = 0};
    return true;
}

/* Locked for that key on any unit; all good pins on one path. `count` units are in blast->units. */
static bool look_at_paths(const struct blast *blast, const struct pin_set *set, uint32_t count,
                          const uint8_t *spki_sha256, bool *out_dependent) {
    bool locked = false;
    struct path path;
    for (uint32_t u = 0; u < count; u++) {
        for (uint32_t n = 0; path_of(blast, set, &blast->units[u], n, &path); n++) {
            *out_dependent = *out_dependent || (path.count > 1 && set->scope != PIN_SCOPE_LEAF &&
                                                all_on_path(blast, set, &path));
            for (int d = 0; d < path.count && spki_sha256 != NULL && !locked; d++) {
                const struct cert_record *cert = path.certs[d];
                locked = cert->has_spki &&
                         memcmp(cert->spki_sha256, spki_sha256, SHA256_LEN) == 0 &&
                         is_locked(&(struct loss){blast, set, &path, d});
            }
        }
    }
    return locked;
}

static void judge_set(struct blast *blast, uint32_t idx) {
    const struct pin_set *set = impact_set_at(blast->run, idx);
    struct blast_set *sums = &blast->sets[set->idx];
    bool dependent = false, spare = true;
    uint32_t worst = 0;
    sums->targets++;
    if (!impact_is_enforced(set, blast->now_unix_s) ||
        !impact_works_without(blast->run, idx, NULL)) {
        return; /* nothing to lose */
    }
    uint32_t units = blast->run->without_count;
    memcpy(blast->units, blast->run->units_after, units * sizeof *blast->units);
    sums->working++;
    (void)look_at_paths(blast, set, units, NULL, &dependent);
    sums->dependent += dependent;
    for (uint32_t k = 0; k < blast->on_target_count; k++) {
        struct blast_key *key = &blast->keys[blast->on_target[k]];
        if (impact_works_without(blast->run, idx, key->spki_sha256)) {
            continue;
        }
        bool locked = look_at_paths(blast, set, units, key->spki_sha256, &dependent);
        key->breaks++;
        key->locked += locked;
        worst = locked && spare ? blast->on_target[k] : worst;
        spare = spare && !locked;
    }
    if (spare) {
        return;
    }
    sums->without_spare++;
    if (blast->endpoint_count == blast->endpoint_capacity) {
        uint64_t capacity = blast->endpoint_capacity == 0 ? 1024 : blast->endpoint_capacity * 2;
        struct blast_endpoint *larger =
            realloc(blast->endpoints, capacity * sizeof *blast->endpoints);
        if (larger == NULL) {
            blast->failed = true;
            return;
        }
        blast->endpoints = larger;
        blast->endpoint_capacity = capacity;
    }
    blast->endpoints[blast->endpoint_count++] =
        (struct blast_endpoint){.target = blast->target, .set = set, .key = worst};
}

static void judge_targets(struct blast *blast) {
    uint32_t targets = blast->plan->world->snapshot->targets_count;
    for (blast->target = 0; blast->target < targets && !blast->failed; blast->target++) {
        (void)impact_target(blast->run, blast->target);
        blast->on_target_count = 0;
        for (uint32_t v = 0; v < impact_view_count(blast->run); v++) {
            touch_view(blast, impact_view_at(blast->run, v));
        }
        for (uint32_t i = 0; i < impact_set_count(blast->run); i++) {
            judge_set(blast, i);
        }
    }
}

/* Keys that are in pins: those in no chain cost nothing today, but are what would be left. */
static void take_pins(struct blast *blast) {
    for (uint32_t s = 0; s < blast->plan->set_count; s++) {
        const struct pin_set *set = blast->plan->sets[s];
        for (uint32_t i = 0; i < set->pin_count; i++) {
            const struct pin *pin = &set->pins[i];
            if (pin->of == PIN_OF_SPKI && pin->alg == PIN_SHA256 && pin->role != PIN_BAD) {
                struct blast_key *key = key_of(blast, pin->value.data, "", BLAST_PIN);
                if (key != NULL) {
                    key->pin_sets++;
                }
            }
        }
    }
}

static int compare_keys(const void *left, const void *right) {
    const struct blast_key *a = *(const struct blast_key *const *)left;
    const struct blast_key *b = *(const struct blast_key *const *)right;
    const uint64_t a_values[] = {a->breaks, a->locked, a->targets, a->pin_sets};
    const uint64_t b_values[] = {b->breaks, b->locked, b->targets, b->pin_sets};
    for (size_t i = 0; i < ARRAY_COUNT(a_values); i++) {
        if (a_values[i] != b_values[i]) {
            return a_values[i] > b_values[i] ? -1 : 1;
        }
    }
    return memcmp(a->spki_sha256, b->spki_sha256, SHA256_LEN);
}

static enum err rank(struct blast *blast, struct err_note *note) {
    blast->ranked = malloc((size_t)blast->count * sizeof(*blast->ranked) + 1);
    if (blast->failed || blast->ranked == NULL) {
        return err_note(note, ERR_RESOURCE, "no memory for %" PRIu32 " keys", blast->count);
    }
    for (uint32_t i = 0; i < blast->count; i++) {
        blast->ranked[i] = &blast->keys[i];
    }
    if (blast->count > 0) {
        qsort(blast->ranked, blast->count, sizeof(*blast->ranked), compare_keys);
    }
    return ERR_NONE;
}

enum err blast_report_write(struct blast_report *report, struct err_note *note) {
    struct blast blast = {.run = report->run,
                          .plan = report->plan,
                          .seed = report->plan->world->seed,
                          .now_unix_s = report->plan->end};
    blast.sets = calloc(report->plan->set_count + 1u, sizeof *blast.sets);
    blast.units = calloc(report->run->unit_capacity, sizeof *blast.units);
    blast.failed = blast.sets == NULL || blast.units == NULL;
    if (!blast.failed) {
        judge_targets(&blast);
        take_pins(&blast);
    }
    enum err err = rank(&blast, note);
    if (err == ERR_NONE) {
        report->endpoints_without_spare = blast.endpoint_count;
        blast_write(&blast, report);
    }
    free(blast.keys);
    free(blast.slots);
    free(blast.ranked);
    free(blast.endpoints);
    free(blast.sets);
    free(blast.units);
    return err;
}
