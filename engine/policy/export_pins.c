/* The pins of a set in the terms of another client: which keys it can name, and in which
   certificates it looks for them. */
#include <openssl/sha.h>

#include "engine/codec/cert.h"
#include "engine/codec/sha256.h"
#include "engine/policy/export_set.h"

/* Where a pin is looked for today. */
enum { WHERE_LEAF = 1, WHERE_CA = 2, WHERE_EXTRA = 4 /* sent, but on no path */ };

struct where {
    unsigned all;  /* of any pin */
    unsigned each; /* of every pin */
    bool lists;    /* both lists must match */
    bool no_path;  /* at least one pin needs no path to an anchor */
};

static unsigned where_of(const struct pin_set *set, const struct pin *pin) {
    unsigned found = 0;
    switch (pin->tlsa_usage) {
    case PIN_TLSA_PKIX_TA:
    case PIN_TLSA_DANE_TA:
        return WHERE_CA;
    case PIN_TLSA_PKIX_EE:
    case PIN_TLSA_DANE_EE:
        return WHERE_LEAF;
    default:
        break;
    }
    switch (set->scope) {
    case PIN_SCOPE_LEAF:
        found = WHERE_LEAF;
        break;
    case PIN_SCOPE_CA_ONLY:
        found = WHERE_CA;
        break;
    case PIN_SCOPE_PRESENTED:
        found = WHERE_LEAF | WHERE_CA | WHERE_EXTRA;
        break;
    case PIN_SCOPE_PATH:
    case PIN_SCOPE_LEAF_AND_CA:
        found = WHERE_LEAF | WHERE_CA;
        break;
    }
    return found & (pin->list == PIN_LIST_LEAF ? (unsigned)WHERE_LEAF
                    : pin->list == PIN_LIST_CA ? (unsigned)(WHERE_CA | WHERE_EXTRA)
                                               : ~0u);
}

static bool needs_no_path(const struct pin_set *set, const struct pin *pin) {
    return set->trust_none || pin->tlsa_usage == PIN_TLSA_DANE_TA ||
           pin->tlsa_usage == PIN_TLSA_DANE_EE;
}

static struct where survey(const struct export_plan *plan) {
    struct where where = {.each = ~0u};
    bool leaf = false, ca = false;
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        const struct pin *pin = &plan->pins[i];
        unsigned at = where_of(plan->set, pin);
        where.all |= at;
        where.each &= at;
        where.no_path = where.no_path || needs_no_path(plan->set, pin);
        leaf = leaf || pin->list == PIN_LIST_LEAF;
        ca = ca || pin->list == PIN_LIST_CA;
    }
    where.lists = plan->set->scope == PIN_SCOPE_LEAF_AND_CA && leaf && ca;
    return where;
}

/* --- which keys --- */

static void set_value(struct export *export, struct pin *pin, enum pin_alg alg, enum pin_of of,
                      struct span value) {
    struct export_text text = {0};
    pin->alg = alg;
    pin->of = of;
    pin->value = arena_copy(&export->scratch, value);
    export_putf(&text, "%s/", pin_alg_words[alg]);
    export_put_base64(&text, value);
    pin->text = arena_copy_text(&export->scratch, span_of(text.bytes, text.len));
    export_text_fini(&text);
}

static bool has_alg(const struct export *export, enum pin_alg alg) {
    return (export->traits->algs & EXPORT_BIT(alg)) != 0;
}

/* A whole key or certificate says all: its digest says the same. */
static bool digest_exact(struct export *export, const struct pin_set *set, struct pin *pin) {
    struct span object = pin->value;
    enum pin_of of = pin->of;
    uint8_t digest[SHA256_LEN];
    if (of == PIN_OF_CERT && !export->traits->certs) {
        if (!cert_spki(pin->value, &object)) {
            return false;
        }
        export_loss(export, set, NULL,
                    "pin %.60s... of a whole certificate becomes one of its key: %s clients would "
                    "accept any certificate with that key",
                    pin->text, export->traits->name);
        of = PIN_OF_SPKI;
    }
    if (!has_alg(export, PIN_SHA256)) {
        return false;
    }
    sha256_once(object, digest);
    set_value(export, pin, PIN_SHA256, of, span_of(digest, sizeof digest));
    return true;
}

static bool plan_pin(struct export *export, const struct pin_set *set, struct pin *pin) {
    const struct export_traits *traits = export->traits;
    if (pin->role == PIN_BAD && !traits->bad) {
        export_loss(export, set, NULL,
                    "bad pin %.100s is lost, %s has none: its clients would no longer refuse a "
                    "path with that key",
                    pin->text, traits->name);
        return false;
    }
    bool can_be_exact = pin->alg == PIN_EXACT && !has_alg(export, PIN_EXACT);
    if (can_be_exact && digest_exact(export, set, pin)) {
        return true;
    }
    if (pin->of == PIN_OF_CERT && !traits->certs) {
        export_loss(export, set, NULL,
                    "pin %.100s is of a certificate and is left out, %s pins keys: its clients "
                    "would refuse what only that pin accepts",
                    pin->text, traits->name);
        return false;
    }
    if (!has_alg(export, pin->alg)) {
        export_loss(export, set, NULL,
                    "pin %.100s is left out, %s does not know %s: its clients would refuse what "
                    "only that pin accepts",
                    pin->text, traits->name, pin_alg_words[pin->alg]);
        return false;
    }
    return true;
}

/* --- in which certificates --- */

/* The pins that may be in one of the places, in one list. */
static void flatten(struct export_plan *plan, unsigned places) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        if ((where_of(plan->set, &plan->pins[i]) & places) != 0) {
            plan->pins[count] = plan->pins[i];
            plan->pins[count].list = PIN_LIST_ANY;
            plan->pins[count++].tlsa_usage = PIN_TLSA_NONE;
        }
    }
    plan->pin_count = count;
}

static enum err search_path(struct export *export, struct export_plan *plan, struct where where) {
    const char *name = export->traits->name;
    if (where.all == WHERE_LEAF) {
        return export_refuse(export, plan->set, NULL,
                             "its pins are looked for in the leaf alone, %s searches the whole "
                             "path: convert to curl, apple or tlsa, or make the set one of scope "
                             "path first (--to native, then edit its scope)",
                             name);
    }
    if (where.lists) {
        export_loss(export, plan->set, NULL,
                    "that both lists must match is lost: %s clients would accept a path that "
                    "holds a pin of either",
                    name);
    } else if ((where.all & WHERE_EXTRA) != 0) {
        export_loss(export, plan->set, NULL,
                    "scope presented is lost: %s clients would refuse what only a certificate off "
                    "the path matches",
                    name);
    } else if (where.each != (WHERE_LEAF | WHERE_CA)) {
        export_loss(export, plan->set, NULL,
                    "that %s is lost: %s clients would look for every pin in all of the path",
                    where.all == WHERE_CA ? "pins are looked for in CAs alone"
                                          : "each pin has its place, leaf or CA,",
                    name);
    }
    if (where.no_path) {
        export_loss(export, plan->set, NULL,
                    "that no path to an anchor is needed is lost: %s clients would refuse servers "
                    "that their anchors do not vouch for",
                    name);
    }
    return ERR_NONE;
}

static enum err search_leaf(struct export *export, struct export_plan *plan, struct where where) {
    const char *name = export->traits->name;
    if ((where.all & WHERE_LEAF) == 0) {
        return export_refuse(export, plan->set, NULL,
                             "its pins are of CAs, %s compares the leaf alone, so that nothing "
                             "would ever match: pin the leaf's key (pinsweep pins make)",
                             name);
    }
    if (where.lists) {
        export_loss(export, plan->set, NULL,
                    "that both lists must match is lost: %s clients would look at the leaf alone",
                    name);
    } else if ((where.all & WHERE_CA) != 0) {
        export_loss(export, plan->set, NULL,
                    "scope %s is lost: %s clients would look for the pins in the leaf alone and "
                    "refuse what a CA's pin accepts",
                    plan->set->client == PIN_CLIENT_DANE ? "of CAs"
                                                         : pin_scope_text(plan->set->scope),
                    name);
    }
    return ERR_NONE;
}

/* Apple's two lists: pins of the leaf, pins of CAs; both must match if both are there. */
static enum err search_lists(struct export *export, struct export_plan *plan, struct where where) {
    const char *name = export->traits->name;
    uint32_t leaves = 0, anywhere = 0;
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        struct pin *pin = &plan->pins[i];
        unsigned at = where_of(plan->set, pin);
        pin->list = at == WHERE_LEAF ? PIN_LIST_LEAF : PIN_LIST_CA;
        leaves += at == WHERE_LEAF;
        anywhere += at != WHERE_LEAF && at != WHERE_CA;
    }
    if (anywhere > 0) {
        export_loss(export, plan->set, NULL,
                    "scope %s is lost, its pins become NSPinnedCAIdentities: %s clients would "
                    "refuse what only a leaf's pin%s accepts",
                    pin_scope_text(plan->set->scope), name,
                    (where.all & WHERE_EXTRA) != 0 ? " or a certificate off the path" : "");
    }
    if (!where.lists && leaves > 0 && leaves < plan->pin_count) {
        export_loss(export, plan->set, NULL,
                    "that any one pin is enough is lost: %s has a list for leaves and one for CAs, "
                    "its clients would want a match in both",
                    name);
    }
    if (where.no_path) {
        export_loss(export, plan->set, NULL,
                    "that no path to an anchor is needed is lost: %s clients would refuse servers "
                    "that their anchors do not vouch for",
                    name);
    }
    return ERR_NONE;
}

/* Records are alternatives: a pin that is looked for in leaf and CAs becomes two. */
static enum err search_dane(struct export *export, struct export_plan *plan, struct where where) {
    struct pin *records = arena_alloc(&export->scratch, 2 * plan->pin_count * sizeof *records);
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        const struct pin *pin = &plan->pins[i];
        unsigned at = where_of(plan->set, pin);
        bool no_path = plan->set->trust_none || (at & WHERE_EXTRA) != 0;
        if (pin->tlsa_usage != PIN_TLSA_NONE) {
            records[count++] = *pin;
            continue;
        }
        if ((at & WHERE_CA) != 0) {
            records[count] = *pin;
            records[count++].tlsa_usage = no_path ? PIN_TLSA_DANE_TA : PIN_TLSA_PKIX_TA;
        }
        if ((at & WHERE_LEAF) != 0) {
            records[count] = *pin;
            records[count++].tlsa_usage = no_path ? PIN_TLSA_DANE_EE : PIN_TLSA_PKIX_EE;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        records[i].list = PIN_LIST_ANY;
    }
    plan->pins = records;
    plan->pin_count = count;
    if (where.lists) {
        export_loss(export, plan->set, NULL,
                    "that both lists must match is lost: TLSA records are alternatives, clients "
                    "would accept either");
    } else if ((where.all & WHERE_EXTRA) != 0) {
        export_loss(export, plan->set, NULL,
                    "scope presented is lost: clients would refuse what only a certificate that "
                    "did not issue the leaf matches");
    }
    return ERR_NONE;
}

static bool is_same_key(const struct pin *a, const struct pin *b) {
    return a->alg == b->alg && a->of == b->of && a->list == b->list &&
           a->tlsa_usage == b->tlsa_usage && span_equal(a->value, b->value);
}

/* What was told apart by more than the format has: a key given whole and as digest, two roles. One
   that is bad as well accepts nothing. Returns how many accept something. */
static uint32_t drop_repeats(struct export_plan *plan) {
    uint32_t count = 0, good = 0;
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        const struct pin pin = plan->pins[i];
        bool bad = pin.role == PIN_BAD, again = false;
        for (uint32_t j = 0; j < count && !again; j++) {
            again = is_same_key(&plan->pins[j], &pin) && (plan->pins[j].role == PIN_BAD) == bad;
        }
        for (uint32_t j = i + 1; j < plan->pin_count && !again && !bad; j++) {
            again = is_same_key(&plan->pins[j], &pin) && plan->pins[j].role == PIN_BAD;
        }
        for (uint32_t j = 0; j < count && !again && !bad; j++) {
            again = is_same_key(&plan->pins[j], &pin) && plan->pins[j].role == PIN_BAD;
        }
        if (!again) {
            plan->pins[count++] = pin;
            good += !bad;
        }
    }
    plan->pin_count = count;
    return good;
}

static enum err search(struct export *export, struct export_plan *plan) {
    struct where where = survey(plan);
    enum err err = ERR_NONE;
    switch (export->traits->search) {
    case EXPORT_PATH:
        err = search_path(export, plan, where);
        flatten(plan, WHERE_LEAF | WHERE_CA | WHERE_EXTRA);
        return err;
    case EXPORT_LEAF:
        err = search_leaf(export, plan, where);
        flatten(plan, WHERE_LEAF);
        return err;
    case EXPORT_LISTS:
        return search_lists(export, plan, where);
    case EXPORT_DANE:
        return search_dane(export, plan, where);
    }
    return ERR_NONE;
}

enum err export_plan_pins(struct export *export, struct export_plan *plan) {
    const struct pin_set *set = plan->set;
    const struct export_traits *traits = export->traits;
    plan->pins = arena_alloc(&export->scratch, (size_t)set->pin_count * sizeof *plan->pins);
    for (uint32_t i = 0; i < set->pin_count; i++) {
        struct pin pin = set->pins[i];
        bool can_match = where_of(set, &pin) != 0; /* list and scope may exclude each other */
        if (can_match && plan_pin(export, set, &pin)) {
            plan->pins[plan->pin_count++] = pin;
        }
    }
    enum err err = plan->pin_count > 0 ? search(export, plan) : ERR_NONE;
    uint32_t good = drop_repeats(plan);
    if (err == ERR_NONE && good == 0) {
        return export_refuse(export, set, NULL,
                             "none of its pins can be written for %s, its hosts would not be "
                             "pinned: add a SHA-256 pin of a key (pinsweep pins make)",
                             traits->name);
    }
    if (err == ERR_NONE && good < traits->pins_min &&
        !(set->report_only && traits->few_if_unenforced)) {
        return export_refuse(export, set, NULL,
                             "fewer than two different pins: %s: add a backup pin", traits->few);
    }
    return err;
}
