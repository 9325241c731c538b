/* Private to test_impact_oracle.c: random operations of a scenario, what each does to the fleet by
   definition, and how it is written for the engine. */
#ifndef PINSWEEP_TESTS_IMPACT_OPERATIONS_H
#define PINSWEEP_TESTS_IMPACT_OPERATIONS_H

#include "engine/codec/text.h"
#include "tests/unit/impact_world.h"

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

#endif
