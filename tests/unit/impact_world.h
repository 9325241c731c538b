/* Private to test_impact_oracle.c: a random small fleet with its CAs, views and pin sets, in the
   numbers of impact_oracle.h. */
#ifndef PINSWEEP_TESTS_IMPACT_WORLD_H
#define PINSWEEP_TESTS_IMPACT_WORLD_H

#include <stdarg.h>
#include <stdio.h>

#include "engine/base/rng.h"
#include "tests/unit/impact_oracle.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)
#define KEYS 24 /* 0..9 of CAs, 10..17 of leaves, the others in reserve */
#define FIRST_LEAF_KEY 10
#define FIRST_SPARE_KEY 18
#define LEAF_ID 100
#define DUMMY_ID 99

struct world_case {
    struct rng rng;
    struct o_state start, state;
    bool leaf_keys[KEYS];
    char yaml[16384];
    size_t yaml_len;
    unsigned kinds; /* bits of the operations in it */
};

static void say(struct world_case *c, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(struct world_case *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(c->yaml + c->yaml_len, sizeof c->yaml - c->yaml_len, format, args);
    va_end(args);
    c->yaml_len += (size_t)wrote;
    CHECK(c->yaml_len < sizeof c->yaml);
}

static void digest_of(const char *what, int number, uint8_t out[SHA256_LEN]) {
    char text[40];
    snprintf(text, sizeof text, "%s %d", what, number);
    sha256_once(span_str(text), out);
}

static int below(struct world_case *c, int bound) {
    return (int)rng_below(&c->rng, (uint32_t)bound);
}

static bool chance(struct world_case *c, int percent) {
    return below(c, 100) < percent;
}

/* --- a random world --- */

static void add_ca(struct world_case *c, int name, int key, int signer_name, int signer_key) {
    struct o_state *s = &c->start;
    s->cas[s->ca_count] =
        (struct o_cert){.name = name,
                        .key = key,
                        .signer_name = signer_name,
                        .signer_key = signer_key,
                        .not_before = NOW - 1000 * DAY,
                        .not_after = chance(c, 15) ? NOW + below(c, 400) * DAY : NOW + 4000 * DAY,
                        .sct = NO_DATE,
                        .id = s->ca_count};
    s->ca_count++;
}

static void make_cas(struct world_case *c) {
    int roots = 2 + below(c, 2), intermediates = 2 + below(c, 3), crosses = below(c, 3);
    for (int i = 0; i < roots; i++) {
        add_ca(c, i, i, i, i);
    }
    for (int i = 0; i < intermediates; i++) {
        int signer = below(c, i == 0 ? roots : roots + i);
        int key = chance(c, 10) ? below(c, roots) : roots + i; /* the same key, another name */
        int name = chance(c, 10) ? below(c, roots) : roots + i;
        if (name < roots && key < roots) {
            name = roots + i;
        }
        add_ca(c, name, key, c->start.cas[signer].name, c->start.cas[signer].key);
    }
    for (int i = 0; i < crosses; i++) {
        const struct o_cert *old = &c->start.cas[below(c, roots + intermediates)];
        const struct o_cert *signer = &c->start.cas[below(c, roots + intermediates)];
        if (signer->name != old->name || signer->key != old->key) {
            add_ca(c, old->name, old->key, signer->name, signer->key);
        }
    }
    for (int p = 0; p < PROFILES; p++) {
        for (int i = 0; i < c->start.ca_count; i++) {
            if (chance(c, i < roots ? 70 : 8)) {
                c->start.anchors[c->start.anchor_count] = i;
                c->start.anchor_profiles[c->start.anchor_count++] = p;
            }
        }
    }
}

static void make_views(struct world_case *c, int targets) {
    for (int t = 0; t < targets; t++) {
        int count = 1 + below(c, 2);
        for (int v = 0; v < count; v++) {
            struct o_view *view = &c->start.views[c->start.view_count++];
            const struct o_cert *issuer = &c->start.cas[below(c, c->start.ca_count)];
            view->target = t;
            view->leaf =
                (struct o_cert){.is_leaf = true,
                                .name = -1,
                                .key = FIRST_LEAF_KEY + below(c, 8),
                                .signer_name = issuer->name,
                                .signer_key = issuer->key,
                                .not_before = NOW - (1 + below(c, 60)) * DAY,
                                .not_after = NOW + (below(c, 300) - 20) * DAY,
                                .sct = chance(c, 50) ? NOW - (1 + below(c, 60)) * DAY : NO_DATE,
                                .id = LEAF_ID + c->start.view_count};
            c->leaf_keys[view->leaf.key] = true;
            /* Mostly what it should be, mostly with extras. */
            const struct o_cert *at = &view->leaf;
            for (int i = 0; i < 5 && chance(c, 85); i++) {
                for (int k = 0; k < c->start.ca_count; k++) {
                    if (o_same_ca(&c->start.cas[k], at->signer_name, at->signer_key) &&
                        o_sent(view, k) < 0) {
                        view->sent[view->sent_count++] = k;
                        at = &c->start.cas[k];
                        break;
                    }
                }
            }
            for (int i = below(c, 6); i < 4; i++) {
                int ca = below(c, c->start.ca_count);
                if (o_sent(view, ca) < 0 && chance(c, 75)) {
                    view->sent[view->sent_count++] = ca;
                }
            }
        }
    }
}

/* Who signed a leaf is told by its paths alone: that of a leaf without any is known to nobody. */
static void forget_signers(struct o_state *s) {
    static struct o_paths paths;
    for (int v = 0; v < s->view_count; v++) {
        int count = 0;
        for (int p = 0; p < PROFILES; p++) {
            o_find(s, &s->views[v], p, &paths, true);
            count += paths.count;
        }
        if (count == 0) {
            s->views[v].leaf.signer_name = s->views[v].leaf.signer_key = -7;
        }
    }
}

static struct o_pin random_pin(struct world_case *c, enum pin_scope scope) {
    struct o_pin pin = {.of_cert = chance(c, 12), .role = PIN_ACTIVE, .list = PIN_LIST_ANY};
    pin.what = pin.of_cert     ? (chance(c, 50) ? LEAF_ID + 1 + below(c, c->start.view_count)
                                                : below(c, c->start.ca_count))
               : chance(c, 55) ? c->start.cas[below(c, c->start.ca_count)].key
               : chance(c, 60) ? c->start.views[below(c, c->start.view_count)].leaf.key
                               : FIRST_SPARE_KEY + below(c, KEYS - FIRST_SPARE_KEY);
    pin.role = chance(c, 30) ? PIN_BACKUP : chance(c, 6) ? PIN_BAD : PIN_ACTIVE;
    if (scope == PIN_SCOPE_LEAF_AND_CA) {
        pin.list = (enum pin_list)below(c, 3);
    }
    return pin;
}

static void make_sets(struct world_case *c, int targets) {
    static const enum pin_scope scopes[] = {
        PIN_SCOPE_PATH,    PIN_SCOPE_PATH,      PIN_SCOPE_PATH,       PIN_SCOPE_LEAF,
        PIN_SCOPE_CA_ONLY, PIN_SCOPE_PRESENTED, PIN_SCOPE_LEAF_AND_CA};
    c->start.set_count = 1 + below(c, 3);
    for (int i = 0; i < c->start.set_count; i++) {
        struct o_set *set = &c->start.sets[i];
        *set = (struct o_set){.scope = scopes[below(c, ARRAY_COUNT(scopes))],
                              .trust_none = chance(c, 8),
                              .report_only = chance(c, 7),
                              .expires = chance(c, 25) ? NOW + (below(c, 600) - 60) * DAY : NO_DATE,
                              .on_expiry = (enum pin_on_expiry)below(c, 3),
                              .host = chance(c, 50) ? -1 : below(c, targets)};
        for (int p = 0; p < PROFILES; p++) {
            if (chance(c, 70) || (p == PROFILES - 1 && set->trust_count == 0)) {
                set->trust[set->trust_count++] = p;
            }
        }
        int pins = 1 + below(c, 4);
        for (int p = 0; p < pins; p++) {
            struct o_pin pin = random_pin(c, set->scope);
            bool again = false;
            for (int k = 0; k < set->pin_count; k++) {
                again =
                    again || (set->pins[k].of_cert == pin.of_cert && set->pins[k].what == pin.what);
            }
            if (!again) {
                set->pins[set->pin_count++] = pin;
            }
        }
    }
}

#endif
