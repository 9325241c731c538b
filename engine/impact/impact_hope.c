/* What a key that is not known yet may turn out to be. */
#include <stdlib.h>

#include "engine/impact/impact_internal.h"

/* Pins of keys by SHA-256, sorted by digest, and whether the key is in use. */
struct seen_pin {
    const uint8_t *sha256;
    bool seen;
};
struct seen_pins {
    struct seen_pin *items;
    size_t count;
};

static int compare_seen(const void *left, const void *right) {
    return memcmp(((const struct seen_pin *)left)->sha256, ((const struct seen_pin *)right)->sha256,
                  SHA256_LEN);
}

static bool is_key_pin(const struct pin *pin) {
    return pin->of == PIN_OF_SPKI && pin->alg == PIN_SHA256;
}

static struct seen_pin *find_seen(const struct seen_pins *pins, const uint8_t sha256[SHA256_LEN]) {
    struct seen_pin wanted = {.sha256 = sha256};
    return pins->count == 0
               ? NULL
               : bsearch(&wanted, pins->items, pins->count, sizeof *pins->items, compare_seen);
}

/* Duplicates are told apart by nobody: the first of a run is marked, and asked. */
static void mark_seen(const struct seen_pins *pins, const uint8_t sha256[SHA256_LEN]) {
    struct seen_pin *pin = find_seen(pins, sha256);
    if (pin != NULL) {
        pin->seen = true;
    }
}

static bool take_seen(const struct plan *plan, struct seen_pins *out) {
    const struct world *world = plan->world;
    size_t count = 0, kept = 0;
    for (uint32_t i = 0; i < plan->set_count; i++) {
        count += plan->sets[i]->pin_count;
    }
    out->items = malloc(count * sizeof *out->items + 1);
    if (out->items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < plan->set_count; i++) {
        for (uint32_t p = 0; p < plan->sets[i]->pin_count; p++) {
            if (is_key_pin(&plan->sets[i]->pins[p])) {
                out->items[out->count++] =
                    (struct seen_pin){.sha256 = plan->sets[i]->pins[p].value.data};
            }
        }
    }
    if (out->count > 0) {
        qsort(out->items, out->count, sizeof *out->items, compare_seen);
    }
    for (size_t i = 0; i < out->count; i++) {
        if (kept == 0 || compare_seen(&out->items[kept - 1], &out->items[i]) != 0) {
            out->items[kept++] = out->items[i];
        }
    }
    out->count = kept;
    for (uint32_t i = 0; i < world->snapshot->certs_count; i++) {
        mark_seen(out, world->snapshot->certs[i].spki_sha256);
    }
    for (uint32_t i = 0; i < world->authority_count; i++) {
        mark_seen(out, world->authorities[i].spki_sha256);
    }
    /* Nobody begins to use a key that is dead. */
    for (uint32_t i = 0; i < world->dead_count; i++) {
        mark_seen(out, world->dead[i].spki_sha256);
    }
    return true;
}

/* Good pins of keys that are in use nowhere, once more for the digest that stands for all unknown
   keys: one is enough for each list, role and TLSA usage. */
static const struct pin_set *hopeful_set(struct impact_run *run, const struct seen_pins *seen,
                                         const struct pin_set *set) {
    struct pin_set *out = arena_alloc(&run->arena, sizeof *out);
    *out = *set;
    out->pins = arena_alloc(&run->arena, 2 * (size_t)set->pin_count * sizeof *out->pins + 1);
    memcpy(out->pins, set->pins, set->pin_count * sizeof *out->pins);
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *pin = &set->pins[i];
        bool have = pin->role == PIN_BAD || pin->of != PIN_OF_SPKI ||
                    (is_key_pin(pin) && find_seen(seen, pin->value.data)->seen);
        for (uint32_t k = set->pin_count; k < out->pin_count && !have; k++) {
            have = out->pins[k].role == pin->role && out->pins[k].list == pin->list &&
                   out->pins[k].tlsa_usage == pin->tlsa_usage;
        }
        if (!have) {
            struct pin *added = &out->pins[out->pin_count++];
            *added = *pin;
            added->alg = PIN_SHA256;
            added->value = span_of(run->world->unknown_sha256, SHA256_LEN);
        }
    }
    return out;
}

bool impact_take_hopes(struct impact_run *run) {
    const struct plan *plan = run->plan;
    struct seen_pins seen = {NULL, 0};
    run->hopeful = arena_alloc(&run->arena, (plan->set_count + 1) * sizeof(*run->hopeful));
    if (plan->world->has_unknown && !take_seen(plan, &seen)) {
        return false;
    }
    for (uint32_t i = 0; i < plan->set_count; i++) {
        run->hopeful[i] =
            plan->world->has_unknown ? hopeful_set(run, &seen, plan->sets[i]) : plan->sets[i];
    }
    free(seen.items);
    return true;
}
