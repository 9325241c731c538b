/* impact against a brute-force oracle (impact_oracle.h): random small fleets, policies and
   scenarios of all operations. */
#include "tests/unit/impact_oracle.h"

#include <stdarg.h>
#include <stdio.h>

#include "bench/mint.h"
#include "engine/base/rng.h"
#include "engine/codec/text.h"
#include "engine/impact/blast.h"
#include "tests/support/suite.h"

#define CASES 12000
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

/* --- operations: what they do, and how they are written --- */

static void say_key(struct world_case *c, int key) {
    uint8_t digest[SHA256_LEN];
    char text[BASE64_SHA256_LEN + 1];
    digest_of("key", key, digest);
    text[base64_encode(text, span_of(digest, SHA256_LEN))] = '\0';
    say(c, "\"sha256/%s\"", text);
}

static void say_cert(struct world_case *c, int ca) {
    uint8_t digest[SHA256_LEN];
    char text[2 * SHA256_LEN + 1];
    digest_of("cert", c->state.cas[ca].id, digest);
    text[hex_encode(text, span_of(digest, SHA256_LEN))] = '\0';
    say(c, "{cert: \"%s\"}", text);
}

/* A certificate that has a digest. */
static int real_ca(struct world_case *c) {
    return below(c, c->start.ca_count);
}

static int say_hosts(struct world_case *c, int targets, const char *end) {
    int target = chance(c, 60) ? -1 : below(c, targets);
    if (target >= 0) {
        say(c, "hosts: [h%d.example]%s", target, end);
    }
    return target;
}

static bool concerns(const struct o_view *view, int target) {
    return target < 0 || view->target == target;
}

static void o_reissue(struct o_state *s, struct o_view *view, int signer_name, int signer_key,
                      int key) {
    view->leaf.symbolic = view->leaf.is_leaf = true;
    view->leaf.name = -1;
    view->leaf.signer_name = signer_name;
    view->leaf.signer_key = signer_key;
    view->leaf.not_before = view->leaf.sct = s->clock;
    view->leaf.not_after = NO_DATE;
    view->leaf.key = key;
}

static int o_new_ca(struct o_state *s, int name, int key, int signer_name, int signer_key) {
    CHECK(s->ca_count < CAS_MAX);
    s->cas[s->ca_count] = (struct o_cert){.name = name,
                                          .key = key,
                                          .signer_name = signer_name,
                                          .signer_key = signer_key,
                                          .not_before = NO_DATE,
                                          .not_after = NO_DATE,
                                          .sct = NO_DATE,
                                          .symbolic = true,
                                          .id = -1};
    return s->ca_count++;
}

static void o_send(struct o_view *view, int ca) {
    if (o_sent(view, ca) < 0 && view->sent_count < SENT_MAX) {
        view->sent[view->sent_count++] = ca;
    }
}

/* Reads "key:" of a leaf; returns the key, -1: the same. */
static int random_new_key(struct world_case *c) {
    int choice = below(c, 3);
    say(c, "key: ");
    if (choice == 0) {
        say(c, "same");
        return -1;
    }
    if (choice == 1) {
        say(c, "new");
        return UNKNOWN_KEY;
    }
    int key = chance(c, 50) ? FIRST_SPARE_KEY + below(c, KEYS - FIRST_SPARE_KEY)
                            : FIRST_LEAF_KEY + below(c, 8);
    say_key(c, key);
    return key;
}

static void op_reissue(struct world_case *c, int targets) {
    struct o_state *s = &c->state;
    say(c, "{");
    int target = say_hosts(c, targets, ", ");
    int key = random_new_key(c);
    say(c, "}");
    for (int v = 0; v < s->view_count; v++) {
        struct o_view *view = &s->views[v];
        if (concerns(view, target)) {
            o_reissue(s, view, view->leaf.signer_name, view->leaf.signer_key,
                      key == -1            ? view->leaf.key
                      : key == UNKNOWN_KEY ? s->next_unknown++
                                           : key);
        }
    }
}

/* `becomes[i]`: what stands for certificate i; what `from` signed is signed by `to`. */
struct o_change {
    int becomes[CAS_MAX];
    int from_name, from_key, to_name, to_key;
    int also[SENT_MAX], also_count; /* sent in addition */
    bool sends_new;                 /* where the old one was not sent */
};

static void o_resign(struct o_state *s, struct o_change *change, int count) {
    bool same = change->from_name == change->to_name && change->from_key == change->to_key;
    for (int i = 0; i < count && !same; i++) {
        const struct o_cert cert = s->cas[i];
        bool of_from = cert.name == change->from_name && cert.key == change->from_key;
        bool of_to = cert.name == change->to_name && cert.key == change->to_key;
        if (cert.signer_name == change->from_name && cert.signer_key == change->from_key &&
            !of_from && !of_to) {
            change->becomes[i] = o_new_ca(s, cert.name, cert.key, change->to_name, change->to_key);
        }
    }
}

static void o_replace(struct o_state *s, const struct o_change *change, int target) {
    bool same = change->from_name == change->to_name && change->from_key == change->to_key;
    for (int v = 0; v < s->view_count; v++) {
        struct o_view *view = &s->views[v], old = *view;
        bool swapped = false;
        if (!concerns(view, target)) {
            continue;
        }
        view->sent_count = 0;
        for (int i = 0; i < old.sent_count; i++) {
            int becomes = old.sent[i] < CAS_MAX ? change->becomes[old.sent[i]] : -1;
            swapped = swapped || becomes >= 0;
            o_send(view, becomes >= 0 ? becomes : old.sent[i]);
        }
        if (view->leaf.signer_name == change->from_name &&
            view->leaf.signer_key == change->from_key && !same) {
            o_reissue(s, view, change->to_name, change->to_key, view->leaf.key);
            swapped = true;
        }
        for (int i = 0; i < change->also_count && swapped; i++) {
            if (!o_self_signed(&s->cas[change->also[i]])) {
                o_send(view, change->also[i]);
            }
        }
        bool sends = false;
        for (int i = 0; i < view->sent_count; i++) {
            sends = sends || o_same_ca(&s->cas[view->sent[i]], change->to_name, change->to_key);
        }
        for (int i = 0; i < CAS_MAX && change->sends_new && !sends; i++) {
            if (change->becomes[i] >= 0 && view->leaf.signer_name == change->to_name &&
                view->leaf.signer_key == change->to_key &&
                o_same_ca(&s->cas[change->becomes[i]], change->to_name, change->to_key) &&
                !o_self_signed(&s->cas[change->becomes[i]])) {
                o_send(view, change->becomes[i]);
                sends = true;
            }
        }
    }
}

static void o_replace_anchor(struct o_state *s, int old_ca, int new_ca) {
    int count = s->anchor_count;
    for (int i = 0; i < count; i++) {
        if (s->anchors[i] == old_ca && old_ca != new_ca) {
            int profile = s->anchor_profiles[i];
            s->anchors[i] = -1; /* nobody's: the order of the others stays */
            if (o_anchor(s, new_ca, profile) < 0) {
                s->anchor_truncates[s->anchor_count] = s->anchor_truncates[i];
                s->anchors[s->anchor_count] = new_ca;
                s->anchor_profiles[s->anchor_count++] = profile;
            }
        }
    }
}

static void change_init(struct o_change *change, const struct o_cert *from) {
    memset(change, 0, sizeof *change);
    memset(change->becomes, 0xff, sizeof change->becomes);
    change->from_name = from->name;
    change->from_key = from->key;
}

static void op_replace(struct world_case *c, int targets, bool is_root) {
    static struct o_change change;
    struct o_state *s = &c->state;
    int from = real_ca(c), target = -1, count = s->ca_count;
    const struct o_cert old = s->cas[from];
    bool unknown = chance(c, 35);
    change_init(&change, &old);
    say(c, "{from: ");
    say_cert(c, from);
    say(c, ", ");
    if (!is_root) {
        target = say_hosts(c, targets, ", ");
        change.sends_new = true;
    }
    say(c, "to: ");
    if (unknown) {
        say(c, "unknown");
        change.to_name = 5000 + s->next_unknown;
        change.to_key = s->next_unknown++;
    } else {
        int files = 1 + below(c, 2);
        say(c, "[");
        for (int i = 0; i < files; i++) {
            change.also[change.also_count++] = real_ca(c);
            say(c, i > 0 ? ", " : "");
            say_cert(c, change.also[i]);
        }
        say(c, "]");
        change.to_name = s->cas[change.also[0]].name;
        change.to_key = s->cas[change.also[0]].key;
    }
    say(c, "}");
    for (int i = 0; i < count; i++) {
        const struct o_cert cert = s->cas[i];
        if (!o_same_ca(&cert, old.name, old.key)) {
            continue;
        }
        bool self = o_self_signed(&cert);
        int becomes = unknown ? o_new_ca(s, change.to_name, change.to_key,
                                         self ? change.to_name : cert.signer_name,
                                         self ? change.to_key : cert.signer_key)
                              : change.also[0];
        change.becomes[i] = becomes != i ? becomes : -1;
        if (is_root) {
            o_replace_anchor(s, i, becomes);
        }
    }
    o_resign(s, &change, s->ca_count);
    o_replace(s, &change, target);
}

static void op_rekey(struct world_case *c, bool renews) {
    static struct o_change change;
    struct o_state *s = &c->state;
    int from = real_ca(c), count = s->ca_count;
    const struct o_cert old = s->cas[from];
    change_init(&change, &old);
    change.to_name = old.name;
    change.to_key = old.key;
    say(c, "{ca: ");
    say_cert(c, from);
    if (!renews) {
        say(c, ", ");
        int key = random_new_key(c);
        change.to_key = key == -1 ? old.key : key == UNKNOWN_KEY ? s->next_unknown++ : key;
    }
    say(c, "}");
    for (int i = 0; i < count; i++) {
        const struct o_cert cert = s->cas[i];
        if (o_same_ca(&cert, old.name, old.key)) {
            bool self = o_self_signed(&cert);
            int becomes =
                o_new_ca(s, change.to_name, change.to_key, self ? change.to_name : cert.signer_name,
                         self ? change.to_key : cert.signer_key);
            change.becomes[i] = becomes;
            o_replace_anchor(s, i, becomes);
        }
    }
    o_resign(s, &change, s->ca_count);
    o_replace(s, &change, -1);
}

/* --- who stands above, for add-cross-sign and move-ca --- */

static bool o_above(const struct o_state *s, const struct o_view *view, const struct o_cert *cert,
                    int name, int key, int depth) {
    if (cert->signer_name == name && cert->signer_key == key) {
        return true;
    }
    for (int i = 0; i < s->ca_count && depth < 24; i++) {
        bool there = o_sent(view, i) >= 0;
        for (int p = 0; p < PROFILES; p++) {
            there = there || o_anchor(s, i, p) >= 0;
        }
        if (there && o_same_ca(&s->cas[i], cert->signer_name, cert->signer_key) &&
            !o_self_signed(&s->cas[i]) && o_above(s, view, &s->cas[i], name, key, depth + 1)) {
            return true;
        }
    }
    return false;
}

static void op_cross_sign(struct world_case *c, bool adds) {
    struct o_state *s = &c->state;
    int ca = real_ca(c);
    say_cert(c, ca);
    for (int v = 0; v < s->view_count; v++) {
        struct o_view *view = &s->views[v];
        if (adds && o_above(s, view, &view->leaf, s->cas[ca].name, s->cas[ca].key, 0)) {
            o_send(view, ca);
        }
        for (int i = 0; i < view->sent_count && !adds; i++) {
            if (view->sent[i] == ca) {
                memmove(&view->sent[i], &view->sent[i + 1],
                        (size_t)(view->sent_count - i - 1) * sizeof *view->sent);
                view->sent_count--;
            }
        }
    }
}

static unsigned say_trust(struct world_case *c) {
    int choice = below(c, 3);
    if (choice == 2) {
        return 3;
    }
    say(c, ", trust: [p%d]", choice);
    return 1u << choice;
}

static void say_date(struct world_case *c, int64_t at) {
    char text[DATETIME_LEN_MAX];
    datetime_format(text, at);
    say(c, "%s", text);
}

static void op_distrust(struct world_case *c) {
    struct o_state *s = &c->state;
    int ca = real_ca(c), at = s->distrust_count++;
    s->distrusts[at].name = s->cas[ca].name;
    s->distrusts[at].key = s->cas[ca].key;
    s->distrusts[at].after = NO_DATE;
    say(c, "{ca: ");
    say_cert(c, ca);
    s->distrusts[at].profiles = say_trust(c);
    if (chance(c, 60)) {
        s->distrusts[at].after = NOW + (below(c, 160) - 80) * DAY;
        say(c, ", after: ");
        say_date(c, s->distrusts[at].after);
        s->distrusts[at].by_sct = chance(c, 50);
        say(c, ", by: %s", s->distrusts[at].by_sct ? "sct" : "not-before");
    }
    say(c, "}");
}

/* False: nothing to remove, which the engine refuses. */
static bool op_anchor(struct world_case *c, bool promotes) {
    struct o_state *s = &c->state;
    int ca = real_ca(c), removed = 0;
    say(c, "{ca: ");
    say_cert(c, ca);
    unsigned profiles = say_trust(c);
    say(c, "}");
    for (int i = 0; i < s->anchor_count && !promotes; i++) {
        if (s->anchors[i] >= 0 && (profiles & 1u << s->anchor_profiles[i]) != 0 &&
            o_same_ca(&s->cas[s->anchors[i]], s->cas[ca].name, s->cas[ca].key)) {
            s->anchors[i] = -1;
            removed++;
        }
    }
    for (int p = 0; p < PROFILES && promotes; p++) {
        for (int i = 0; i < s->ca_count; i++) {
            if ((profiles & 1u << p) != 0 && o_anchor(s, i, p) < 0 &&
                o_same_ca(&s->cas[i], s->cas[ca].name, s->cas[ca].key)) {
                s->anchors[s->anchor_count] = i;
                s->anchor_truncates[s->anchor_count] = true;
                s->anchor_profiles[s->anchor_count++] = p;
            }
        }
    }
    return promotes || removed > 0;
}

static void op_kill(struct world_case *c) {
    struct o_state *s = &c->state;
    int key = chance(c, 60) ? s->cas[real_ca(c)].key : FIRST_LEAF_KEY + below(c, KEYS - 10);
    say(c, "{spki: ");
    say_key(c, key);
    say(c, "}");
    s->dead[s->dead_count++] = key;
}

static void op_move(struct world_case *c, int targets) {
    struct o_state *s = &c->state;
    bool unknown = chance(c, 30), leaves = chance(c, 70);
    int to[SENT_MAX], to_count = 0, from = real_ca(c), target = -1;
    static struct o_state then;
    then = *s; /* who is concerned is asked before anything changes */
    say(c, "{");
    if (leaves) {
        say(c, "from: ");
        say_cert(c, from);
        say(c, ", ");
        target = say_hosts(c, targets, ", ");
    } else {
        target = below(c, targets);
        say(c, "hosts: [h%d.example], ", target);
    }
    say(c, "to: ");
    if (unknown) {
        int root_key = s->next_unknown++, key = s->next_unknown++;
        say(c, "unknown");
        to[to_count++] = o_new_ca(s, 5000 + key, key, 5000 + root_key, root_key);
        int root = o_new_ca(s, 5000 + root_key, root_key, 5000 + root_key, root_key);
        for (int p = 0; p < PROFILES; p++) {
            s->anchors[s->anchor_count] = root;
            s->anchor_profiles[s->anchor_count++] = p;
        }
    } else {
        say(c, "[");
        for (int i = 0, count = 1 + below(c, 3); i < count; i++) {
            to[to_count++] = real_ca(c);
            say(c, i > 0 ? ", " : "");
            say_cert(c, to[i]);
        }
        say(c, "]");
    }
    say(c, ", ");
    int key = random_new_key(c);
    say(c, "}");
    for (int v = 0; v < s->view_count; v++) {
        struct o_view *view = &s->views[v];
        if (!concerns(view, target) ||
            (leaves && !o_above(&then, &then.views[v], &then.views[v].leaf, then.cas[from].name,
                                then.cas[from].key, 0))) {
            continue;
        }
        o_reissue(s, view, s->cas[to[0]].name, s->cas[to[0]].key,
                  key == -1            ? view->leaf.key
                  : key == UNKNOWN_KEY ? s->next_unknown++
                                       : key);
        view->sent_count = 0;
        for (int i = 0; i < to_count; i++) {
            if (!o_self_signed(&s->cas[to[i]])) {
                o_send(view, to[i]);
            }
        }
    }
}

/* The chain's leaf is a CA's certificate: others have no bytes here. */
static void op_add_chain(struct world_case *c, int targets) {
    struct o_state *s = &c->state;
    int files[4], count = 1 + below(c, 3), target = below(c, targets);
    say(c, "{hosts: [h%d.example], files: [", target);
    for (int i = 0; i < count; i++) {
        files[i] = real_ca(c);
        say(c, i > 0 ? ", " : "");
        say_cert(c, files[i]);
    }
    say(c, "]}");
    struct o_view *view = &s->views[s->view_count++];
    *view = (struct o_view){.target = target, .added = true, .leaf = s->cas[files[0]]};
    for (int i = 1; i < count; i++) {
        o_send(view, files[i]);
    }
}

static void op_clock(struct world_case *c) {
    c->state.clock += below(c, 200) * DAY;
    say(c, "{to: ");
    say_date(c, c->state.clock);
    say(c, "}");
}

static void op_root(struct world_case *c, int targets, bool sends) {
    static struct o_paths paths;
    struct o_state *s = &c->state;
    say(c, "{");
    int target = say_hosts(c, targets, "");
    say(c, "}");
    for (int v = 0; v < s->view_count; v++) {
        struct o_view *view = &s->views[v];
        if (!concerns(view, target)) {
            continue;
        }
        if (!sends) {
            int kept = 0;
            for (int i = 0; i < view->sent_count; i++) {
                if (!o_self_signed(&s->cas[view->sent[i]])) {
                    view->sent[kept++] = view->sent[i];
                }
            }
            view->sent_count = kept;
            continue;
        }
        for (int p = 0; p < PROFILES; p++) {
            o_find(s, view, p, &paths, true);
            if (paths.count > 0 && paths.paths[0].count > 1) {
                int rank = paths.paths[0].rank[paths.paths[0].count - 1];
                o_send(view, s->anchors[rank]);
                break;
            }
        }
    }
}

static void say_pin(struct world_case *c, const struct o_pin *pin) {
    static const char *const roles[] = {"active", "backup", "bad"};
    static const char *const lists[] = {"any", "leaf", "ca"};
    uint8_t digest[SHA256_LEN];
    char text[BASE64_SHA256_LEN + 1];
    digest_of(pin->of_cert ? "cert" : "key", pin->what, digest);
    text[base64_encode(text, span_of(digest, SHA256_LEN))] = '\0';
    say(c, "{pin: \"sha256/%s\", of: %s, role: %s, list: %s}", text, pin->of_cert ? "cert" : "spki",
        roles[pin->role], lists[pin->list]);
}

static void op_pinset(struct world_case *c) {
    struct o_state *s = &c->state;
    int idx = below(c, s->set_count);
    struct o_set *set = &s->sets[idx];
    bool removes = chance(c, 50) && set->pin_count > 1, adds = chance(c, 50) || !removes;
    say(c, "{pin_set: set%d", idx);
    if (removes) {
        int gone = below(c, set->pin_count);
        say(c, ", remove: [");
        say_pin(c, &set->pins[gone]);
        say(c, "]");
        memmove(&set->pins[gone], &set->pins[gone + 1],
                (size_t)(set->pin_count - gone - 1) * sizeof *set->pins);
        set->pin_count--;
    }
    struct o_pin pin = random_pin(c, set->scope);
    for (int i = 0; i < set->pin_count; i++) {
        adds = adds && (set->pins[i].of_cert != pin.of_cert || set->pins[i].what != pin.what);
    }
    if (adds && set->pin_count < PINS_LIMIT - 1) {
        say(c, ", add: [");
        say_pin(c, &pin);
        say(c, "]");
        set->pins[set->pin_count++] = pin;
    }
    if (chance(c, 40) || !(removes || adds)) {
        set->expires = NOW + (below(c, 600) - 60) * DAY;
        say(c, ", expires: ");
        say_date(c, set->expires);
    }
    say(c, "}");
}

/* False if the scenario is one that the engine refuses. */
static bool random_op(struct world_case *c, int targets) {
    int kind = below(c, SCENARIO_KIND_COUNT);
    if (kind == SCENARIO_ADD_CHAIN && c->state.view_count == VIEWS_LIMIT) {
        kind = SCENARIO_REISSUE;
    }
    c->kinds |= 1u << kind;
    say(c, "  - %s: ", scenario_kind_words[kind]);
    bool ok = true;
    switch ((enum scenario_kind)kind) {
    case SCENARIO_REISSUE:
        op_reissue(c, targets);
        break;
    case SCENARIO_REPLACE_INTERMEDIATE:
        op_replace(c, targets, false);
        break;
    case SCENARIO_REPLACE_ROOT:
        op_replace(c, targets, true);
        break;
    case SCENARIO_REKEY_CA:
        op_rekey(c, false);
        break;
    case SCENARIO_RENEW_CA:
        op_rekey(c, true);
        break;
    case SCENARIO_ADD_CROSS_SIGN:
        op_cross_sign(c, true);
        break;
    case SCENARIO_REMOVE_CROSS_SIGN:
        op_cross_sign(c, false);
        break;
    case SCENARIO_DISTRUST:
        op_distrust(c);
        break;
    case SCENARIO_REMOVE_ANCHOR:
        ok = op_anchor(c, false);
        break;
    case SCENARIO_PROMOTE_ANCHOR:
        ok = op_anchor(c, true);
        break;
    case SCENARIO_REVOKE:
    case SCENARIO_COMPROMISE:
        op_kill(c);
        break;
    case SCENARIO_MOVE_CA:
        op_move(c, targets);
        break;
    case SCENARIO_ADD_CHAIN:
        op_add_chain(c, targets);
        break;
    case SCENARIO_ADVANCE_CLOCK:
        op_clock(c);
        break;
    case SCENARIO_SEND_ROOT:
        op_root(c, targets, true);
        break;
    case SCENARIO_STOP_SENDING_ROOT:
        op_root(c, targets, false);
        break;
    case SCENARIO_CHANGE_PINSET:
        op_pinset(c);
        break;
    case SCENARIO_KIND_COUNT:
        break;
    }
    say(c, "\n");
    return ok;
}

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

/* --- the comparison --- */

static struct trust_store profiles;
static uint64_t outcomes[IMPACT_OUTCOME_COUNT], compared, refused;
static unsigned kinds;

static void dump(const struct o_state *state) {
    for (int i = 0; i < state->ca_count; i++) {
        const struct o_cert *cert = &state->cas[i];
        printf("  ca %d: name %d key %d, signed by name %d key %d%s\n", i, cert->name, cert->key,
               cert->signer_name, cert->signer_key, cert->symbolic ? ", symbolic" : "");
    }
    for (int i = 0; i < state->anchor_count; i++) {
        printf("  anchor %d of p%d\n", state->anchors[i], state->anchor_profiles[i]);
    }
    for (int v = 0; v < state->view_count; v++) {
        const struct o_view *view = &state->views[v];
        printf("  view %d of h%d: leaf key %d, signed by name %d key %d, sends", v, view->target,
               view->leaf.key, view->leaf.signer_name, view->leaf.signer_key);
        for (int i = 0; i < view->sent_count; i++) {
            printf(" %d", view->sent[i]);
        }
        printf("\n");
    }
}

static bool compare(struct world_case *c, struct impact_run *run, int targets, uint64_t number) {
    for (int t = 0; t < targets; t++) {
        uint32_t count = impact_target(run, (uint32_t)t + 1); /* after the teacher's */
        for (uint32_t i = 0; i < count; i++) {
            struct impact impact;
            char reason[IMPACT_REASON_MAX];
            int spares = 0;
            impact_judge(run, i, &impact);
            impact_explain(run, &impact, reason);
            enum impact_outcome expected = IMPACT_UNPINNED;
            if (impact.set != NULL) {
                expected = o_result(&c->start, &c->state, c->leaf_keys, t,
                                    atoi(impact.set->name + 3), &spares);
            }
            outcomes[expected]++;
            compared++;
            if (impact.outcome != expected || impact.spare_pins != (uint32_t)spares ||
                reason[0] == '\0') {
                printf("case %llu, h%d, %s: %s with %u spare pins (%s), the oracle says %s with "
                       "%d\n%s",
                       (unsigned long long)number, t, impact.set != NULL ? impact.set->name : "-",
                       impact_outcome_words[impact.outcome], impact.spare_pins, reason,
                       impact_outcome_words[expected], spares, c->yaml);
                printf("before\n");
                dump(&c->start);
                printf("after\n");
                dump(&c->state);
                return false;
            }
        }
    }
    return true;
}

/* At the end no view has more paths than either side keeps. */
static bool is_bounded(const struct o_state *state) {
    static struct o_paths paths;
    for (int v = 0; v < state->view_count; v++) {
        for (int p = 0; p < PROFILES; p++) {
            o_find(state, &state->views[v], p, &paths, false);
            if (paths.count > PATHS_LIMIT) {
                return false;
            }
        }
    }
    return true;
}

/* A fleet and its pin sets; how many targets. */
static int case_init(struct world_case *c, uint64_t seed, uint64_t number) {
    memset(c, 0, sizeof *c);
    rng_init(&c->rng, seed + number * UINT64_C(1000003));
    c->start.clock = NOW;
    c->start.next_unknown = UNKNOWN_KEY;
    c->leaf_keys[KEYS - 1] = true; /* of the dummy */
    int targets = 1 + below(c, 3);
    make_cas(c);
    make_views(c, targets);
    forget_signers(&c->start);
    make_sets(c, targets);
    c->state = c->start;
    return targets;
}

static bool run_case(uint64_t seed, uint64_t number) {
    static struct world_case c;
    int targets = case_init(&c, seed, number), ops = 1 + below(&c, 4);
    say(&c, "version: 1\nname: case\noperations:\n");
    bool accepted = true;
    for (int i = 0; i < ops && accepted; i++) {
        accepted = random_op(&c, targets);
    }
    struct snapshot snapshot;
    struct scenario scenario;
    struct world world;
    struct plan plan = {0};
    struct pin_index index;
    struct impact_run *run = NULL;
    struct err_note note = {""};
    bool bounded = fill_snapshot(&snapshot, &c.start, targets) && is_bounded(&c.state);
    fill_pins(&index, &c, &profiles);
    scenario_init(&scenario);
    CHECK(world_init(&world, &snapshot, &profiles, &note) == ERR_NONE);
    enum err err = scenario_parse(&scenario, span_of(c.yaml, c.yaml_len), "case.yaml", &note);
    bool ok = err == ERR_NONE;
    if (ok) {
        err = plan_init(&plan, &world, &scenario, &index, NOW, &note);
        /* A chain whose leaf nobody signed cannot be here; nothing to remove is refused. */
        ok = (err == ERR_NONE) == accepted;
        refused += err != ERR_NONE;
    }
    if (!ok) {
        printf("case %llu: %s\n%s", (unsigned long long)number, note.text, c.yaml);
    }
    if (ok && err == ERR_NONE && bounded) {
        CHECK(impact_run_new(&plan, &index, &run, &note) == ERR_NONE);
        ok = compare(&c, run, targets, number);
        kinds |= c.kinds;
    }
    impact_run_free(run);
    plan_fini(&plan);
    world_fini(&world);
    scenario_fini(&scenario);
    pin_index_fini(&index);
    snapshot_fini(&snapshot);
    return ok;
}

static void init_profiles(void) {
    trust_store_init(&profiles);
    EVP_PKEY *key = mint_key_new(MINT_P256, 1, "unused");
    struct mint_spec spec = {.subject_cn = "in no chain",
                             .key = key,
                             .serial = 1,
                             .not_before = NOW - DAY,
                             .not_after = NOW + DAY,
                             .is_ca = true,
                             .path_len = -1};
    size_t len;
    uint8_t *der = mint_certificate(&spec, &len);
    struct span cert = span_of(der, len);
    CHECK(trust_store_add(&profiles, "p0", &cert, 1, NULL) == ERR_NONE);
    CHECK(trust_store_add(&profiles, "p1", &cert, 1, NULL) == ERR_NONE);
    free(der);
    EVP_PKEY_free(key);
}

static void test_oracle(void) {
    uint64_t seed = suite_seed(), failed = 0;
    init_profiles();
    for (uint64_t i = 0; i < CASES && failed < 3; i++) {
        failed += !run_case(seed, i);
    }
    CU_ASSERT_EQUAL(failed, 0);
    printf("%llu results of %d cases, %llu scenarios refused;", (unsigned long long)compared, CASES,
           (unsigned long long)refused);
    for (int i = 0; i < IMPACT_OUTCOME_COUNT; i++) {
        printf(" %s %llu", impact_outcome_words[i], (unsigned long long)outcomes[i]);
        CU_ASSERT(failed > 0 || outcomes[i] > 0); /* every outcome is met */
    }
    printf("\n");
    CU_ASSERT(failed > 0 || kinds == (1u << SCENARIO_KIND_COUNT) - 1); /* every operation too */
    CU_ASSERT(failed > 0 || compared >= 10000);
    trust_store_fini(&profiles);
}

/* --- --single-failure --- */

#define BLAST_CASES 3000

/* The pins of the set that are none of the bad. */
static struct o_set good_pins(const struct o_set *set) {
    struct o_set out = *set;
    out.pin_count = 0;
    for (int p = 0; p < set->pin_count; p++) {
        if (set->pins[p].role != PIN_BAD) {
            out.pins[out.pin_count++] = set->pins[p];
        }
    }
    return out;
}

static bool works_with_dead(const struct o_state *now, const bool *leaf_keys, int set_idx, int t,
                            int key) {
    static struct o_state dead;
    const struct o_set *set = &now->sets[set_idx];
    dead = *now;
    dead.dead_count = 0;
    if (key >= 0) {
        dead.dead[dead.dead_count++] = key;
    }
    for (int v = 0; v < now->view_count; v++) {
        for (int i = 0; i < (o_needs_path(set) ? set->trust_count : 1); i++) {
            int profile = o_needs_path(set) ? set->trust[i] : -1;
            struct o_unit before, after;
            if (now->views[v].target != t) {
                continue;
            }
            o_unit(now, leaf_keys, set, &now->views[v], profile, false, &before);
            o_unit(&dead, leaf_keys, set, &now->views[v], profile, false, &after);
            bool pkix = profile >= 0 ? after.pkix : (before.pkix_of & ~after.pkix_of) == 0;
            if (now->views[v].leaf.key == key || !pkix ||
                o_pin_level(set, &after, now->clock) != O_WORKS) {
                return false;
            }
        }
    }
    return true;
}

/* Every chain that may come after: what is above the dead key stays, below it anything that a pin
   may name may stand, and a leaf with the old key or any of these. Whether clients take none. */
static bool none_helps(const struct o_state *now, const bool *leaf_keys, const struct o_set *set,
                       const struct o_cert *path, int count, int dead) {
    const struct o_set good = good_pins(set);
    struct o_cert reserve[PINS_LIMIT], chain[PINS_LIMIT + SENT_MAX + 1];
    int reserves = 0, ignored;
    for (int p = 0; p < good.pin_count; p++) {
        bool on_path = false;
        for (int d = 0; d < count; d++) {
            on_path = on_path || o_equals(now, leaf_keys, &good.pins[p], &path[d], false);
        }
        if (!on_path) {
            /* What it names, and nothing else. */
            reserve[reserves] = (struct o_cert){.key = -1, .id = -1};
            *(good.pins[p].of_cert ? &reserve[reserves].id : &reserve[reserves].key) =
                good.pins[p].what;
            reserves++;
        }
    }
    for (int leaf = -1; leaf < reserves; leaf++) {
        int len = 0;
        chain[len++] = leaf >= 0 ? reserve[leaf]
                       : dead > 0 && path[0].key != path[dead].key
                           ? (struct o_cert){.key = path[0].key, .id = -1}
                           : (struct o_cert){.key = -1, .id = -1};
        for (int i = 0; i < reserves; i++) {
            chain[len++] = reserve[i];
        }
        for (int d = dead + 1; d < count; d++) {
            if (path[d].key != path[dead].key) {
                chain[len++] = path[d];
            }
        }
        if (o_judge(now, leaf_keys, &good, chain, len, false, &ignored) != O_FAILS) {
            return false;
        }
    }
    return true;
}

static bool is_locked_by(const struct o_state *now, const bool *leaf_keys, int set_idx, int t,
                         int key) {
    static struct o_paths paths;
    const struct o_set *set = &now->sets[set_idx];
    for (int v = 0; v < now->view_count; v++) {
        const struct o_view *view = &now->views[v];
        for (int i = 0; i < (set->trust_none ? 1 : set->trust_count); i++) {
            struct o_cert certs[SENT_MAX + 1];
            int count = 0;
            if (view->target != t) {
                continue;
            }
            if (set->trust_none) {
                certs[count++] = view->leaf;
                for (int k = 0; k < view->sent_count && count < LONGEST; k++) {
                    certs[count++] = now->cas[view->sent[k]];
                }
            } else {
                o_find(now, view, set->trust[i], &paths, true);
                int idx = o_preferred(&paths, now->clock);
                for (int d = 0; idx >= 0 && d < paths.paths[idx].count; d++) {
                    certs[count++] = paths.paths[idx].certs[d];
                }
            }
            for (int d = 0; d < count; d++) {
                if (certs[d].key == key && none_helps(now, leaf_keys, set, certs, count, d)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static uint64_t number_after(const char *line, const char *key) {
    const char *at = line != NULL ? strstr(line, key) : NULL;
    return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static uint64_t broken_keys, locked_keys;

static bool compare_blast(const struct world_case *c, const char *report, int targets,
                          uint64_t number) {
    const struct o_state *now = &c->start;
    uint64_t without_spare = 0, expected_without = 0;
    for (const char *at = report; (at = strstr(at, "\"blast-endpoint\"")) != NULL; at++) {
        without_spare++;
    }
    static bool locked_at[4][4];
    memset(locked_at, 0, sizeof locked_at);
    for (int key = 0; key < KEYS - 1; key++) {
        uint8_t digest[SHA256_LEN];
        char text[BASE64_SHA256_LEN + 20] = "\"key\":\"sha256/";
        uint64_t breaks = 0, locked = 0;
        digest_of("key", key, digest);
        text[14 + base64_encode(text + 14, span_of(digest, SHA256_LEN))] = '\0';
        for (int t = 0; t < targets; t++) {
            for (int s = 0; s < now->set_count; s++) {
                const struct o_set *set = &now->sets[s];
                bool enforced = o_enforced(set, now->clock) && (set->host < 0 || set->host == t);
                if (!enforced || !works_with_dead(now, c->leaf_keys, s, t, -1) ||
                    works_with_dead(now, c->leaf_keys, s, t, key)) {
                    continue;
                }
                bool is_locked = is_locked_by(now, c->leaf_keys, s, t, key);
                breaks++;
                locked += is_locked;
                expected_without += is_locked && !locked_at[t][s];
                locked_at[t][s] = locked_at[t][s] || is_locked;
            }
        }
        const char *line = report;
        while ((line = strstr(line, text)) != NULL) {
            const char *start = line;
            while (start > report && start[-1] != '\n') {
                start--;
            }
            if (strstr(start, "\"blast-key\"") != NULL && strstr(start, "\"blast-key\"") < line) {
                break;
            }
            line++;
        }
        uint64_t got_breaks = number_after(line, "\"breaks\":");
        uint64_t got_locked = number_after(line, "\"locked\":");
        broken_keys += breaks > 0;
        locked_keys += locked > 0;
        if (got_breaks != breaks || got_locked != locked) {
            printf("case %llu, key %d: %llu break, %llu locked, the oracle says %llu and %llu\n",
                   (unsigned long long)number, key, (unsigned long long)got_breaks,
                   (unsigned long long)got_locked, (unsigned long long)breaks,
                   (unsigned long long)locked);
            for (int s = 0; s < now->set_count; s++) {
                const struct o_set *set = &now->sets[s];
                printf("  set%d of h%d: scope %d, trust %d%s,", s, set->host, (int)set->scope,
                       set->trust_count, set->trust_none ? " none" : "");
                for (int p = 0; p < set->pin_count; p++) {
                    printf(" %s %d role %d list %d,", set->pins[p].of_cert ? "cert" : "key",
                           set->pins[p].what, (int)set->pins[p].role, (int)set->pins[p].list);
                }
                printf("\n");
            }
            dump(now);
            return false;
        }
    }
    if (without_spare != expected_without) {
        printf("case %llu: %llu endpoints without spare, the oracle says %llu\n",
               (unsigned long long)number, (unsigned long long)without_spare,
               (unsigned long long)expected_without);
    }
    return without_spare == expected_without;
}

static bool run_blast(uint64_t seed, uint64_t number) {
    static struct world_case c;
    struct snapshot snapshot;
    struct scenario scenario;
    struct world world;
    struct plan plan = {0};
    struct pin_index index;
    struct impact_run *run = NULL;
    struct err_note note = {""};
    int targets = case_init(&c, seed ^ UINT64_C(0x5eed), number);
    bool bounded = fill_snapshot(&snapshot, &c.start, targets), ok = true;
    fill_pins(&index, &c, &profiles);
    scenario_init(&scenario);
    CHECK(world_init(&world, &snapshot, &profiles, &note) == ERR_NONE);
    CHECK(plan_init(&plan, &world, &scenario, &index, NOW, &note) == ERR_NONE);
    CHECK(impact_run_new(&plan, &index, &run, &note) == ERR_NONE);
    if (bounded) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        CHECK(out != NULL);
        struct blast_report report = {.run = run, .plan = &plan, .form = IMPACT_NDJSON, .out = out};
        CHECK(blast_report_write(&report, &note) == ERR_NONE);
        fclose(out);
        ok = compare_blast(&c, text, targets, number);
        free(text);
    }
    impact_run_free(run);
    plan_fini(&plan);
    world_fini(&world);
    scenario_fini(&scenario);
    pin_index_fini(&index);
    snapshot_fini(&snapshot);
    return ok;
}

static void test_single_failure(void) {
    uint64_t seed = suite_seed(), failed = 0;
    init_profiles();
    for (uint64_t i = 0; i < BLAST_CASES && failed < 3; i++) {
        failed += !run_blast(seed, i);
    }
    CU_ASSERT_EQUAL(failed, 0);
    CU_ASSERT(failed > 0 || (broken_keys > 1000 && locked_keys > 200));
    printf("%d fleets: %llu keys break something, %llu lock somebody out\n", BLAST_CASES,
           (unsigned long long)broken_keys, (unsigned long long)locked_keys);
    trust_store_fini(&profiles);
}

SUITE_MAIN("impact_oracle", {"random fleets, policies, scenarios", test_oracle},
           {"every key dead", test_single_failure})
