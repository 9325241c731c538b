/* What the operations do to the world. */
#include "engine/impact/plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/codec/datetime.h"
#include "engine/impact/world_internal.h"
#include "engine/policy/policy_field.h"

struct compile {
    struct plan *plan;
    struct world *world;
    const struct scenario_op *op;
    struct plan_step *step;
    uint32_t moment; /* the number of the operation: what it changes is so from then on */
    struct err_note *note;
};

static enum err fail(const struct compile *compile, const char *why) {
    return scenario_fail(&compile->op->place, scenario_kind_words[compile->op->kind], compile->note,
                         "%s", why);
}

/* --- the pieces --- */

static void swap(struct compile *compile, uint32_t old_cert, uint32_t new_cert) {
    struct plan_step *step = compile->step;
    if (old_cert == new_cert) {
        return;
    }
    step->swaps =
        world_grow(step->swaps, sizeof *step->swaps, step->swap_count, &step->swap_capacity);
    step->swaps[step->swap_count++] = (struct plan_swap){old_cert, new_cert};
}

/* The profiles that the operation names, as bits. */
static enum err profiles_of(const struct compile *compile, uint32_t *out) {
    const struct scenario_op *op = compile->op;
    const struct trust_store *store = compile->world->store;
    *out = op->trust_count == 0 ? UINT32_MAX : 0;
    for (uint32_t i = 0; i < op->trust_count; i++) {
        int idx = trust_store_find(store, op->trust[i]);
        if (idx < 0) {
            char names[TRUST_PROFILES_MAX * (TRUST_NAME_MAX + 2)] = "";
            for (uint32_t p = 0; p < store->count; p++) {
                strcat(names, p > 0 ? ", " : "");
                strncat(names, store->profiles[p].name, TRUST_NAME_MAX);
            }
            return scenario_fail(&op->place, "trust", compile->note,
                                 "\"%.100s\" is no trust profile, there are: %s", op->trust[i],
                                 names);
        }
        *out |= 1u << (unsigned)idx;
    }
    return ERR_NONE;
}

/* The certificates of `to` or `files` into step->certs; `to` is the first one's authority. */
static enum err take_certs(struct compile *compile) {
    const struct scenario_op *op = compile->op;
    struct plan_step *step = compile->step;
    uint32_t capacity = 0;
    step->certs = NULL;
    for (uint32_t i = 0; i < op->to_count; i++) {
        struct world_cert **certs = NULL, *one;
        uint32_t count = 1, idx = 0;
        enum err err;
        if (op->to[i].by == SCENARIO_BY_FILE) {
            err = world_load_file(compile->world, &op->to[i], &certs, &count, compile->note);
        } else {
            err = world_find_cert(compile->world, &op->to[i], &idx, compile->note);
            if (err == ERR_NONE) {
                one = compile->world->certs[idx];
                certs = &one;
            }
        }
        if (err != ERR_NONE) {
            return err;
        }
        for (uint32_t k = 0; k < count; k++) {
            step->certs =
                world_grow(step->certs, sizeof(*step->certs), step->cert_count, &capacity);
            step->certs[step->cert_count++] = certs[k];
        }
    }
    /* Signed by a certificate that came after it. */
    for (uint32_t i = 0; i < step->cert_count; i++) {
        world_find_signer(compile->world, step->certs[i]);
    }
    if (step->cert_count > 0) {
        step->to = step->certs[0]->authority;
    }
    return ERR_NONE;
}

/* Where the old certificate is an anchor, the new one is from now on. */
static void replace_anchor(struct compile *compile, uint32_t old_cert, uint32_t new_cert) {
    struct world *world = compile->world;
    uint32_t count = world->anchor_count;
    for (uint32_t i = 0; i < count; i++) {
        if (world->anchors[i].cert == old_cert && world->anchors[i].until == WORLD_FOREVER) {
            struct world_anchor anchor = world->anchors[i];
            world->anchors[i].until = compile->moment;
            world_add_anchor(world, new_cert, anchor.profile, compile->moment, anchor.truncates);
        }
    }
}

/* What `from` signed, `to` signs from now on: new certificates for the same names and keys. */
static void resign(struct compile *compile, uint32_t from, uint32_t to) {
    struct world *world = compile->world;
    uint32_t count = world->cert_count;
    for (uint32_t i = 0; i < count && from != to; i++) {
        const struct world_cert *cert = world->certs[i];
        if (cert->signer == from && cert->authority != from && cert->authority != to) {
            swap(compile, i, world_make_cert(world, cert->authority, to, cert)->idx);
        }
    }
}

static uint32_t new_authority(struct compile *compile, const char *format, const char *name) {
    size_t size = strlen(format) + strlen(name) + 1;
    char *text = arena_alloc(&compile->world->arena, size);
    snprintf(text, size, "%s%s", format, name);
    return world_unknown_authority(compile->world, text);
}

/* --- operations on CAs --- */

static enum err replace_intermediate(struct compile *compile, bool is_root) {
    struct world *world = compile->world;
    struct plan_step *step = compile->step;
    enum err err = world_find_ca(world, &compile->op->ca, &step->from, compile->note);
    if (err == ERR_NONE && !compile->op->to_unknown) {
        err = take_certs(compile);
    }
    if (err != ERR_NONE) {
        return err;
    }
    const char *name = world->authorities[step->from].name;
    if (compile->op->to_unknown) {
        step->to = new_authority(compile, "an unknown CA in place of ", name);
    }
    uint32_t last = world->authorities[step->from].last_cert;
    for (uint32_t i = world->authorities[step->from].first_cert; i != WORLD_NONE;
         i = i == last ? WORLD_NONE : world->certs[i]->next) {
        uint32_t new_cert;
        if (compile->op->to_unknown) {
            uint32_t signer = world->certs[i]->signer;
            signer = signer == step->from ? step->to : signer;
            new_cert = world_make_cert(world, step->to, signer, world->certs[i])->idx;
        } else {
            new_cert = step->certs[0]->idx;
        }
        swap(compile, i, new_cert);
        if (is_root) {
            replace_anchor(compile, i, new_cert);
        }
    }
    for (uint32_t i = 0; i < step->swap_count && !is_root && step->sends == NULL; i++) {
        const struct world_cert *cert = world->certs[step->swaps[i].new_cert];
        step->sends = world_is_self_signed(cert) ? NULL : cert;
    }
    resign(compile, step->from, step->to);
    return ERR_NONE;
}

static enum err rekey_ca(struct compile *compile) {
    struct world *world = compile->world;
    struct plan_step *step = compile->step;
    const struct scenario_op *op = compile->op;
    enum err err = world_find_ca(world, &op->ca, &step->from, compile->note);
    if (err != ERR_NONE) {
        return err;
    }
    bool renews = op->kind == SCENARIO_RENEW_CA || op->key == SCENARIO_KEY_SAME;
    const char *name = world->authorities[step->from].name;
    step->to = renews                          ? step->from
               : op->key == SCENARIO_KEY_GIVEN ? world_authority(world, name, op->key_sha256)
                                               : new_authority(compile, "", name);
    if (step->to != step->from) {
        world->authorities[step->from].successor = step->to;
        world->authorities[step->to].successor = WORLD_NONE; /* there and back again */
    }
    uint32_t last = world->authorities[step->from].last_cert;
    for (uint32_t i = world->authorities[step->from].first_cert; i != WORLD_NONE;
         i = i == last ? WORLD_NONE : world->certs[i]->next) {
        uint32_t signer = world->certs[i]->signer;
        signer = signer == step->from ? step->to : signer;
        uint32_t new_cert = world_make_cert(world, step->to, signer, world->certs[i])->idx;
        swap(compile, i, new_cert);
        replace_anchor(compile, i, new_cert);
    }
    resign(compile, step->from, step->to);
    return ERR_NONE;
}

static enum err cross_sign(struct compile *compile) {
    uint32_t cert = 0;
    enum err err = world_find_cert(compile->world, &compile->op->ca, &cert, compile->note);
    if (err == ERR_NONE) {
        compile->step->certs = malloc(sizeof(*compile->step->certs));
        CHECK(compile->step->certs != NULL);
        compile->step->certs[0] = compile->world->certs[cert];
        compile->step->cert_count = 1;
        compile->step->to = compile->world->certs[cert]->authority;
    }
    return err;
}

static enum err distrust(struct compile *compile) {
    struct world *world = compile->world;
    struct world_distrust out = {
        .from = compile->moment, .after = compile->op->date, .gate = compile->op->gate};
    enum err err = world_find_ca(world, &compile->op->ca, &out.authority, compile->note);
    if (err == ERR_NONE) {
        err = profiles_of(compile, &out.profiles);
    }
    if (err == ERR_NONE) {
        world->distrusts = world_grow(world->distrusts, sizeof *world->distrusts,
                                      world->distrust_count, &world->distrust_capacity);
        world->distrusts[world->distrust_count++] = out;
    }
    return err;
}

static enum err remove_anchor(struct compile *compile) {
    struct world *world = compile->world;
    uint32_t authority = 0, profiles = 0, removed = 0;
    enum err err = world_find_ca(world, &compile->op->ca, &authority, compile->note);
    if (err == ERR_NONE) {
        err = profiles_of(compile, &profiles);
    }
    if (err != ERR_NONE) {
        return err;
    }
    for (uint32_t i = world->authorities[authority].first_anchor; i != WORLD_NONE;
         i = world->anchors[i].next) {
        struct world_anchor *anchor = &world->anchors[i];
        if ((profiles & 1u << anchor->profile) != 0 && anchor->until == WORLD_FOREVER) {
            anchor->until = compile->moment;
            removed++;
        }
    }
    return removed > 0 ? ERR_NONE
                       : fail(compile, "this CA is no anchor of these trust profiles: there is "
                                       "nothing to remove");
}

static enum err promote_anchor(struct compile *compile) {
    struct world *world = compile->world;
    uint32_t authority = 0, profiles = 0;
    enum err err = world_find_ca(world, &compile->op->ca, &authority, compile->note);
    if (err == ERR_NONE) {
        err = profiles_of(compile, &profiles);
    }
    for (uint32_t p = 0; err == ERR_NONE && p < world->store->count; p++) {
        if ((profiles & 1u << p) == 0) {
            continue;
        }
        for (uint32_t i = world->authorities[authority].first_cert; i != WORLD_NONE;
             i = world->certs[i]->next) {
            world_add_anchor(world, i, p, compile->moment, true);
        }
    }
    return err;
}

static enum err kill_key(struct compile *compile) {
    struct world *world = compile->world;
    struct world_dead_key dead = {.from = compile->moment,
                                  .compromised = compile->op->kind == SCENARIO_COMPROMISE};
    enum err err = world_find_key(world, &compile->op->ca, dead.spki_sha256, compile->note);
    if (err == ERR_NONE) {
        world->dead =
            world_grow(world->dead, sizeof *world->dead, world->dead_count, &world->dead_capacity);
        world->dead[world->dead_count++] = dead;
    }
    return err;
}

static enum err move_ca(struct compile *compile) {
    struct world *world = compile->world;
    struct plan_step *step = compile->step;
    const struct scenario_op *op = compile->op;
    enum err err = ERR_NONE;
    if (op->ca.by != SCENARIO_BY_NOTHING) {
        err = world_find_ca(world, &op->ca, &step->from, compile->note);
    }
    if (err == ERR_NONE && !op->to_unknown) {
        err = take_certs(compile);
    } else if (err == ERR_NONE) {
        /* Nobody moves to a CA that clients do not trust. */
        uint32_t root = new_authority(compile, "an unknown root", "");
        step->to = new_authority(compile, "an unknown intermediate", "");
        step->certs = malloc(sizeof(*step->certs));
        CHECK(step->certs != NULL);
        step->certs[0] = world_make_cert(world, step->to, root, NULL);
        step->cert_count = 1;
        uint32_t anchor = world_make_cert(world, root, root, NULL)->idx;
        for (uint32_t p = 0; p < world->store->count; p++) {
            world_add_anchor(world, anchor, p, compile->moment, false);
        }
    }
    return err;
}

/* The leaf is a copy of its own: it may be a CA's certificate as well. */
static enum err add_chain(struct compile *compile) {
    enum err err = take_certs(compile);
    if (err == ERR_NONE) {
        struct world_cert *leaf = compile->step->certs[0];
        if (leaf->signer == WORLD_NONE) {
            return fail(compile, "no certificate that is known has signed the first one: give the "
                                 "whole chain, leaf first");
        }
    }
    return err;
}

static enum err advance_clock(struct compile *compile) {
    if (compile->op->date < compile->plan->end) {
        char now[DATETIME_LEN_MAX], why[160];
        datetime_format_date(now, compile->plan->end);
        snprintf(why, sizeof why,
                 "time does not run back: it is %s by then; write a later date, or begin earlier "
                 "(--at)",
                 now);
        return fail(compile, why);
    }
    compile->plan->end = compile->op->date;
    return ERR_NONE;
}

/* --- pin sets --- */

static bool is_same_pin(const struct pin *a, const struct pin *b) {
    return a->alg == b->alg && a->of == b->of && span_equal(a->value, b->value);
}

static enum err fail_no_pin(const struct compile *compile, const struct pin_set *set,
                            const struct pin *pin) {
    char have[500] = "";
    for (uint32_t i = 0; i < set->pin_count && i < 8; i++) {
        size_t len = strlen(have);
        snprintf(have + len, sizeof have - len, "%s%.60s", i > 0 ? ", " : "", set->pins[i].text);
    }
    return scenario_fail(&compile->op->place, "remove", compile->note,
                         "%.100s is not in pin set \"%.100s\", which has: %s", pin->text, set->name,
                         have);
}

static bool has_other_digests(const struct pin *pins, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (pins[i].alg != PIN_SHA256) {
            return true;
        }
    }
    return false;
}

static enum err change_pins(struct compile *compile, struct pin_set *set) {
    const struct scenario_op *op = compile->op;
    struct pin *pins =
        arena_alloc(&compile->plan->arena, (set->pin_count + op->add_count + 1) * sizeof *pins);
    uint32_t count = 0;
    for (uint32_t r = 0; r < op->remove_count; r++) {
        bool found = false;
        for (uint32_t i = 0; i < set->pin_count; i++) {
            found = found || is_same_pin(&set->pins[i], &op->remove[r]);
        }
        if (!found) {
            return fail_no_pin(compile, set, &op->remove[r]);
        }
    }
    for (uint32_t i = 0; i < set->pin_count; i++) {
        bool gone = false;
        for (uint32_t r = 0; r < op->remove_count; r++) {
            gone = gone || is_same_pin(&set->pins[i], &op->remove[r]);
        }
        if (!gone) {
            pins[count++] = set->pins[i];
        }
    }
    for (uint32_t i = 0; i < op->add_count; i++) {
        for (uint32_t k = 0; k < count; k++) {
            if (is_same_pin(&pins[k], &op->add[i])) {
                return scenario_fail(&op->place, "add", compile->note,
                                     "%.100s is in pin set \"%.100s\" already: take it out, or "
                                     "remove it in the same operation to change its role",
                                     op->add[i].text, set->name);
            }
        }
        pins[count++] = op->add[i];
    }
    if (count == 0) {
        return fail(compile, "this leaves the pin set without pins: add one, or leave one");
    }
    set->pins = pins;
    set->pin_count = count;
    compile->world->wants_der |= has_other_digests(pins, count);
    return ERR_NONE;
}

static enum err change_pinset(struct compile *compile) {
    struct plan *plan = compile->plan;
    const char *name = compile->op->pin_set;
    const char **names = arena_alloc(&plan->arena, (plan->set_count + 1) * sizeof *names);
    for (uint32_t i = 0; i < plan->set_count; i++) {
        names[i] = plan->sets[i]->name;
        if (strcmp(names[i], name) != 0) {
            continue;
        }
        struct pin_set *copy = arena_alloc(&plan->arena, sizeof *copy);
        *copy = *plan->sets[i];
        copy->expires = compile->op->has_expires ? compile->op->expires : copy->expires;
        plan->sets[i] = copy;
        return change_pins(compile, copy);
    }
    char suggestion[80];
    policy_suggest(suggestion, name, names);
    return scenario_fail(&compile->op->place, "pin_set", compile->note,
                         "there is no pin set \"%.100s\" in the policy%s%s", name,
                         suggestion[0] != '\0' ? "," : ": write the name of one", suggestion);
}

/* --- all of them --- */

static int compare_swaps(const void *left, const void *right) {
    uint32_t a = ((const struct plan_swap *)left)->old_cert;
    uint32_t b = ((const struct plan_swap *)right)->old_cert;
    return a < b ? -1 : a > b;
}

static enum err compile_step(struct compile *compile) {
    switch (compile->op->kind) {
    case SCENARIO_REPLACE_INTERMEDIATE:
        return replace_intermediate(compile, false);
    case SCENARIO_REPLACE_ROOT:
        return replace_intermediate(compile, true);
    case SCENARIO_REKEY_CA:
    case SCENARIO_RENEW_CA:
        return rekey_ca(compile);
    case SCENARIO_ADD_CROSS_SIGN:
    case SCENARIO_REMOVE_CROSS_SIGN:
        return cross_sign(compile);
    case SCENARIO_DISTRUST:
        return distrust(compile);
    case SCENARIO_REMOVE_ANCHOR:
        return remove_anchor(compile);
    case SCENARIO_PROMOTE_ANCHOR:
        return promote_anchor(compile);
    case SCENARIO_REVOKE:
    case SCENARIO_COMPROMISE:
        return kill_key(compile);
    case SCENARIO_MOVE_CA:
        return move_ca(compile);
    case SCENARIO_ADD_CHAIN:
        return add_chain(compile);
    case SCENARIO_ADVANCE_CLOCK:
        return advance_clock(compile);
    case SCENARIO_CHANGE_PINSET:
        return change_pinset(compile);
    case SCENARIO_REISSUE:
        compile->world->has_unknown |= compile->op->key == SCENARIO_KEY_NEW;
        return ERR_NONE;
    case SCENARIO_SEND_ROOT:
    case SCENARIO_STOP_SENDING_ROOT:
    case SCENARIO_KIND_COUNT:
        return ERR_NONE;
    }
    return ERR_NONE;
}

enum err plan_init(struct plan *plan, struct world *world, const struct scenario *scenario,
                   const struct pin_index *index, int64_t today_unix_s, struct err_note *note) {
    *plan = (struct plan){.world = world,
                          .count = scenario->count,
                          .today = today_unix_s,
                          .end = today_unix_s,
                          .set_count = index->set_count};
    plan->steps = arena_alloc(&plan->arena, (scenario->count + 1) * sizeof *plan->steps);
    plan->sets = arena_alloc(&plan->arena, (index->set_count + 1) * sizeof(*plan->sets));
    for (uint32_t i = 0; i < index->set_count; i++) {
        plan->sets[i] = index->sets[i];
        world->wants_der =
            world->wants_der || has_other_digests(index->sets[i]->pins, index->sets[i]->pin_count);
    }
    enum err err = ERR_NONE;
    uint32_t first_made = world->cert_count;
    for (uint32_t i = 0; i < scenario->count && err == ERR_NONE; i++) {
        struct compile compile = {.plan = plan,
                                  .world = world,
                                  .op = &scenario->ops[i],
                                  .step = &plan->steps[i],
                                  .moment = i + 1,
                                  .note = note};
        plan->steps[i] =
            (struct plan_step){.op = &scenario->ops[i], .from = WORLD_NONE, .to = WORLD_NONE};
        err = compile_step(&compile);
        if (plan->steps[i].swap_count > 0) {
            qsort(plan->steps[i].swaps, plan->steps[i].swap_count, sizeof *plan->steps[i].swaps,
                  compare_swaps);
        }
        if (err == ERR_NONE && world->cert_count - first_made > PLAN_CERTS_MAX) {
            err = fail(&compile, "the operations so far make too many certificates: split the "
                                 "scenario");
        }
        plan->steps[i].clock = plan->end;
        world->has_unknown |=
            scenario->ops[i].kind == SCENARIO_MOVE_CA && scenario->ops[i].key == SCENARIO_KEY_NEW;
    }
    return err;
}

void plan_fini(struct plan *plan) {
    for (uint32_t i = 0; i < plan->count; i++) {
        free(plan->steps[i].certs);
        free(plan->steps[i].swaps);
    }
    arena_fini(&plan->arena);
    *plan = (struct plan){0};
}
