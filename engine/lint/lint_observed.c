/* The rules that look at chains: PIN002 to PIN009, PIN023, PIN036, PIN038, PIN040 (Apple), PIN041,
   PIN043. Each observed target is judged once for each of its pin sets; what is said about a pin
   set is gathered over all of its targets, so that one mistake is one finding. */
#include <stdlib.h>

#include "engine/lint/catalogue.h"
#include "engine/lint/evidence.h"
#include "engine/lint/lint_internal.h"

/* What was seen of one pin, over all targets of its set. */
struct pin_seen {
    bool leaf, issuer, anchor;           /* equals a key there, on a path or sent */
    bool as_certificate;                 /* equals the digest of the wrong object */
    bool missing_anchor;                 /* TLSA usage 2: on the path, not sent */
    const struct snapshot_cert *cert;    /* that it equals, the one that expires first */
    const struct snapshot_cert *decided; /* that let a path match, the one that expires first */
};

/* What was seen of one pin set. */
struct set_seen {
    struct pin_seen *pins;
    uint32_t judged, matched;
    bool same_path;                         /* on some path all of its pins were found */
    bool off_leaf;                          /* a pin matched above the leaf */
    const struct catalogue_entry *rotating; /* of every match so far */
    bool rotating_only;
    const char *same_path_host, *unsupported_host, *unsupported_key;
    struct lint_names broken, pathless, partly, off_path, providers, deep;
};

struct pass {
    struct lint *lint;
    struct evidence *evidence;
    struct set_seen *seen; /* by pin set index */
    struct lint_names unpinned;
    struct verdict_view views[VIEWS_MAX];
    struct verdict_unit units[VERDICT_UNITS_MAX];
    const struct pin_set *sets[PIN_SETS_PER_HOST_MAX];
};

/* --- one pin and one certificate --- */

static bool equals_wrong_object(const struct pin *pin, const struct cert_record *cert) {
    if (pin->alg != PIN_SHA256) {
        return false;
    }
    const uint8_t *other = pin->of == PIN_OF_SPKI ? cert->cert_sha256 : cert->spki_sha256;
    return (pin->of == PIN_OF_SPKI || cert->has_spki) &&
           span_equal(pin->value, span_of(other, SHA256_LEN));
}

static void note_cert(const struct pass *pass, const struct snapshot_cert **first,
                      const struct cert_record *record) {
    const struct snapshot_cert *cert = evidence_cert(pass->evidence, record);
    if (*first == NULL ||
        (cert->not_after != DATETIME_NONE &&
         ((*first)->not_after == DATETIME_NONE || cert->not_after < (*first)->not_after))) {
        *first = cert;
    }
}

/* A certificate at that depth; `is_anchor`: it ends a path. */
static bool note_pins(struct pass *pass, const struct pin_set *set, struct set_seen *seen,
                      const struct cert_record *record, size_t depth, bool is_anchor) {
    bool any = false;
    for (uint32_t i = 0; i < set->pin_count; i++) {
        struct pin_seen *pin = &seen->pins[i];
        pin->as_certificate |= equals_wrong_object(&set->pins[i], record);
        if (pin_equals(&set->pins[i], record)) {
            any = true;
            pin->leaf |= depth == 0;
            pin->issuer |= depth > 0 && !is_anchor;
            pin->anchor |= depth > 0 && is_anchor;
            note_cert(pass, &pin->cert, record);
        }
    }
    return any;
}

/* --- one path --- */

static bool holds_all_pins(const struct pin_set *set, const struct path *path) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        bool found = set->pins[i].role == PIN_BAD;
        for (uint8_t depth = 0; depth < path->count && !found; depth++) {
            found = pin_equals(&set->pins[i], path->certs[depth]);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* TrustKit knows the ASN.1 headers of four kinds of keys; it walks from the anchor down and stops
   at the first match, but blocks at a key that it cannot hash. */
static const char *unsupported_key(const struct pass *pass, const struct pin_set *set,
                                   const struct path *path) {
    static const char *const supported[] = {"rsa-2048", "rsa-4096", "ecdsa-p256", "ecdsa-p384"};
    for (int depth = path->count - 1; depth >= 0; depth--) { /* TrustKit comes from the anchor */
        const char *key = evidence_cert(pass->evidence, path->certs[depth])->key;
        bool known = key[0] == '\0';
        for (size_t i = 0; i < ARRAY_COUNT(supported) && !known; i++) {
            known = strcmp(key, supported[i]) == 0;
        }
        if (!known) {
            return key;
        }
        for (uint32_t i = 0; i < set->pin_count; i++) {
            if (pin_equals(&set->pins[i], path->certs[depth])) {
                return NULL;
            }
        }
    }
    return NULL;
}

static bool was_sent(const struct chain *chain, const struct cert_record *cert) {
    for (uint32_t i = 0; i < chain->count; i++) {
        if (memcmp(chain->certs[i]->cert_sha256, cert->cert_sha256, SHA256_LEN) == 0) {
            return true;
        }
    }
    return false;
}

static void note_missing_anchors(const struct pin_set *set, struct set_seen *seen,
                                 const struct chain *chain, const struct path *path) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *pin = &set->pins[i];
        for (uint8_t depth = 1;
             depth < path->count && pin->tlsa_usage == PIN_TLSA_DANE_TA && pin->alg != PIN_EXACT;
             depth++) {
            seen->pins[i].missing_anchor |=
                pin_equals(pin, path->certs[depth]) && !was_sent(chain, path->certs[depth]);
        }
    }
}

static void note_path(struct pass *pass, const struct pin_set *set, struct set_seen *seen,
                      const struct chain *chain, const struct path *path, const char *host) {
    for (uint8_t depth = 0; depth < path->count; depth++) {
        bool hit = note_pins(pass, set, seen, path->certs[depth], depth, depth + 1 == path->count);
        seen->off_leaf |= hit && depth > 0;
    }
    /* "3 1 1" and "2 1 1" of one chain are how DANE is run: records change before keys do */
    if (!seen->same_path && set->client != PIN_CLIENT_DANE && lint_distinct_pins(set, -1) > 1 &&
        holds_all_pins(set, path)) {
        seen->same_path = true;
        seen->same_path_host = host;
    }
    const char *key = set->client == PIN_CLIENT_TRUSTKIT && seen->unsupported_host == NULL
                          ? unsupported_key(pass, set, path)
                          : NULL;
    if (key != NULL) {
        seen->unsupported_host = host;
        seen->unsupported_key = key;
    }
    note_missing_anchors(set, seen, chain, path);
}

/* --- one target and one of its pin sets --- */

static bool is_match(enum verdict verdict) {
    return verdict == VERDICT_MATCH || verdict == VERDICT_MATCH_BACKUP;
}

/* Leaves of one issuer, or, where records do not name it, chains that go on alike. */
static bool have_one_issuer(const struct pass *pass, const struct chain *a, const struct chain *b) {
    const char *left = evidence_cert(pass->evidence, a->certs[0])->issuer;
    const char *right = evidence_cert(pass->evidence, b->certs[0])->issuer;
    if (left[0] != '\0' && right[0] != '\0') {
        return strcmp(left, right) == 0;
    }
    return (a->count > 1) == (b->count > 1) && (a->count < 2 || a->certs[1] == b->certs[1]);
}

static const struct chain *chain_of(const struct pass *pass, size_t view_count, uint16_t view_idx) {
    size_t at = 0;
    while (at + 1 < view_count && pass->views[at].view_idx != view_idx) {
        at++;
    }
    return pass->views[at].chain;
}

/* Views of different addresses whose units disagree: two providers, and one of them not pinned. Of
   one issuer they are a renewal that has not come everywhere, which is PIN004's. */
static bool addresses_disagree(const struct pass *pass, const struct snapshot_target *target,
                               size_t view_count, uint32_t unit_count) {
    const struct snapshot_view *views = &pass->evidence->snapshot->views[target->first_view];
    for (uint32_t i = 0; i < unit_count; i++) {
        for (uint32_t j = i + 1; j < unit_count; j++) {
            const struct verdict_unit *a = &pass->units[i], *b = &pass->units[j];
            if (is_match(a->verdict) != is_match(b->verdict) && a->profile_idx == b->profile_idx &&
                strcmp(views[a->view_idx].address, views[b->view_idx].address) != 0 &&
                views[a->view_idx].key_type == views[b->view_idx].key_type &&
                !have_one_issuer(pass, chain_of(pass, view_count, a->view_idx),
                                 chain_of(pass, view_count, b->view_idx))) {
                return true;
            }
        }
    }
    return false;
}

/* Whether all that matches is an intermediate that its public CA rotates. */
static void note_rotating(struct pass *pass, struct set_seen *seen, const struct chain *chain,
                          const struct verdict_unit *unit) {
    const struct catalogue_entry *entry = NULL;
    if (unit->profile_idx >= 0 && unit->path_idx >= 0 && unit->path_depth > 0) {
        const struct path *path = &chain->paths->profiles[unit->profile_idx].paths[unit->path_idx];
        bool is_system =
            strcmp(pass->evidence->trust->profiles[unit->profile_idx].name, "system") == 0;
        if (is_system && unit->path_depth + 1 < path->count) {
            entry = catalogue_rotating(evidence_cert(pass->evidence, unit->cert)->subject);
        }
    }
    seen->rotating_only = entry != NULL && (seen->rotating_only || seen->matched == 0);
    seen->rotating = entry;
}

static void note_judged(struct pass *pass, const struct snapshot_target *target,
                        const struct pin_set *set, struct set_seen *seen,
                        const struct set_verdict *verdict, size_t view_count) {
    bool any = false;
    for (uint32_t i = 0; i < verdict->unit_count; i++) {
        const struct verdict_unit *unit = &pass->units[i];
        if (!is_match(unit->verdict)) {
            continue;
        }
        any = true;
        for (size_t v = 0; v < view_count; v++) {
            if (pass->views[v].view_idx == unit->view_idx) {
                note_rotating(pass, seen, pass->views[v].chain, unit);
            }
        }
        if (unit->pin >= set->pins && unit->pin < set->pins + set->pin_count &&
            unit->cert != NULL) {
            note_cert(pass, &seen->pins[unit->pin - set->pins].decided, unit->cert);
        }
        seen->matched++;
    }
    seen->judged++;
    if (verdict->would_be == VERDICT_OFF_PATH) {
        lint_names_add(&seen->off_path, target->pin_host);
    } else if (addresses_disagree(pass, target, view_count, verdict->unit_count)) {
        lint_names_add(&seen->providers, target->pin_host);
    } else if (verdict->would_be == VERDICT_PATH_DEPENDENT ||
               (is_match(verdict->would_be) && !verdict->durable)) {
        lint_names_add(&seen->partly, target->pin_host);
    } else if (verdict->would_be == VERDICT_NO_PATH) {
        lint_names_add(&seen->pathless, target->pin_host);
    } else if (!any && verdict->would_be != VERDICT_UNKNOWN) {
        lint_names_add(&seen->broken, target->pin_host);
    }
}

static bool needs_paths(const struct pin_set *set) {
    return set->scope != PIN_SCOPE_LEAF && set->scope != PIN_SCOPE_PRESENTED && !set->trust_none;
}

static void look_at_views(struct pass *pass, const struct snapshot_target *target,
                          const struct pin_set *set, struct set_seen *seen, size_t view_count) {
    for (size_t v = 0; v < view_count; v++) {
        const struct chain *chain = pass->views[v].chain;
        for (uint32_t i = 0; i < chain->count; i++) {
            note_pins(pass, set, seen, chain->certs[i], i, false);
        }
        for (uint32_t p = 0; p < set->trust_count; p++) {
            const struct profile_paths *paths =
                set->trust_none ? NULL : &chain->paths->profiles[set->trust_profiles[p]];
            bool valid;
            int preferred =
                paths != NULL ? path_preferred(paths, pass->lint->config->at_unix_s, &valid) : -1;
            if (preferred >= 0) {
                note_path(pass, set, seen, chain, &paths->paths[preferred], target->pin_host);
            }
        }
    }
}

/* An Envoy listener's pins are of its clients' certificates (import_envoy.c): no sweep sees them.
 */
static bool is_of_clients(const struct pin_set *set) {
    return set->client == PIN_CLIENT_ENVOY && set->report_only;
}

static bool prepare(struct pass *pass, const struct pin_set *set, struct set_seen *seen) {
    if (seen->pins == NULL) {
        seen->pins = arena_alloc(&pass->lint->arena, (set->pin_count + 1) * sizeof *seen->pins);
    }
    return evidence_covers(pass->evidence, set) && !is_of_clients(set);
}

/* Apple strips exactly one label: what lies deeper is not pinned, whatever the entry says. */
static void look_below_apple(struct pass *pass, const struct snapshot_target *target) {
    const char *label = strchr(target->pin_host, '.');
    const char *parent = label != NULL ? strchr(label + 1, '.') : NULL;
    for (int depth = 0; parent != NULL && depth < 8; depth++, parent = strchr(parent + 1, '.')) {
        size_t count = pin_index_lookup(pass->lint->config->pins, span_str(parent + 1),
                                        target->port, pass->sets, PIN_SETS_PER_HOST_MAX);
        for (size_t i = 0; i < count && i < PIN_SETS_PER_HOST_MAX; i++) {
            const struct pin_set *set = pass->sets[i];
            if (set->client == PIN_CLIENT_APPLE && set->include_subdomains) {
                struct set_seen *seen = &pass->seen[set->idx];
                lint_names_add(&seen->deep, target->pin_host);
            }
        }
    }
}

static void look_at_target(struct pass *pass, const struct snapshot_target *target) {
    size_t set_count = pin_index_lookup(pass->lint->config->pins, span_str(target->pin_host),
                                        target->port, pass->sets, PIN_SETS_PER_HOST_MAX);
    set_count = set_count < PIN_SETS_PER_HOST_MAX ? set_count : PIN_SETS_PER_HOST_MAX;
    if (set_count == 0) {
        lint_names_add(&pass->unpinned, target->pin_host);
        look_below_apple(pass, target);
        return;
    }
    size_t view_count = evidence_views(pass->evidence, target, pass->views);
    pass->lint->judged_targets += view_count > 0;
    for (size_t i = 0; i < set_count && view_count > 0; i++) {
        const struct pin_set *set = pass->sets[i];
        struct set_seen *seen = &pass->seen[set->idx];
        if (!prepare(pass, set, seen)) {
            continue;
        }
        uint32_t unit_count = 0;
        struct set_verdict verdict = verdict_judge_among(
            pass->sets, set_count, i, pass->views, view_count, pass->lint->config->at_unix_s,
            pass->units, VERDICT_UNITS_MAX, &unit_count);
        note_judged(pass, target, set, seen, &verdict, view_count);
        look_at_views(pass, target, set, seen, view_count);
    }
}

/* --- what is told --- */

static void tell_pins(struct pass *pass, const struct pin_set *set, const struct set_seen *seen) {
    struct lint *lint = pass->lint;
    for (uint32_t i = 0; i < set->pin_count && seen->pins != NULL; i++) {
        const struct pin_seen *pin = &seen->pins[i];
        if (pin->as_certificate && !pin->leaf && !pin->issuer && !pin->anchor) {
            lint_find(
                lint, PIN009, set, &set->pins[i], NULL,
                set->pins[i].of == PIN_OF_SPKI
                    ? "%s is the hash of a whole certificate that was observed, not of its key"
                    : "%s is the hash of a key that was observed, not of a certificate",
                set->pins[i].text);
        }
        if (set->scope == PIN_SCOPE_LEAF && (pin->issuer || pin->anchor) && !pin->leaf) {
            lint_find(lint, PIN008, set, &set->pins[i], NULL,
                      "%s is %s %s, a CA: this client compares the leaf alone", set->pins[i].text,
                      set->pins[i].of == PIN_OF_SPKI ? "the key of" : "the certificate of",
                      pin->cert->subject);
        }
        if (pin->missing_anchor) {
            lint_find(lint, PIN043, set, &set->pins[i], NULL,
                      "%s is %s, which the server does not send: DANE-TA clients find no match",
                      set->pins[i].text, pin->cert->subject);
        }
        int64_t until = lint->config->at_unix_s + lint_lead_days(lint, set) * LINT_DAY_S;
        const struct snapshot_cert *decided = pin->decided;
        if (decided != NULL && decided->not_after != DATETIME_NONE && decided->not_after < until) {
            lint_find(lint, PIN023, set, &set->pins[i], NULL,
                      "%s matches %s, which expires on %s: a release takes %lld days",
                      set->pins[i].text, decided->subject, lint_date(lint, decided->not_after),
                      (long long)lint_lead_days(lint, set));
        }
    }
}

static void tell_hosts(struct pass *pass, const struct pin_set *set, const struct set_seen *seen) {
    static const struct {
        enum lint_rule_id rule;
        size_t names;
        const char *format;
    } lines[] = {
        {PIN003, offsetof(struct set_seen, broken), "no pin matches what %s serves"},
        {PIN003, offsetof(struct set_seen, pathless),
         "what %s serves has no path to an anchor: its clients fail before any pin is looked at"},
        {PIN004, offsetof(struct set_seen, partly),
         "matches only on some paths, addresses or key types of %s"},
        {PIN005, offsetof(struct set_seen, off_path),
         "the only match at %s is an extra certificate that is on no valid path"},
        {PIN036, offsetof(struct set_seen, providers),
         "the addresses of %s have chains of several CAs, and the pins match only some"},
        {PIN040, offsetof(struct set_seen, deep),
         "NSIncludesSubdomains reaches one label deep: %s is not pinned"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        const struct lint_names *names =
            (const struct lint_names *)(const void *)((const char *)seen + lines[i].names);
        if (names->count > 0) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            struct lint_finding *finding =
                lint_find(pass->lint, lines[i].rule, set, NULL, names->names[0], lines[i].format,
                          lint_names_text(pass->lint, names));
#pragma GCC diagnostic pop
            if (finding != NULL && set->report_only && finding->severity > LINT_WARN) {
                finding->severity = LINT_WARN; /* nobody is locked out */
            }
        }
    }
}

/* Whether a pin of the set is a leaf's or an anchor's that was observed. */
static bool is_elsewhere(const struct pin_set *set, const struct set_seen *seen) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        if (seen->pins[i].leaf || seen->pins[i].anchor) {
            return true;
        }
    }
    return false;
}

static void tell_set(struct pass *pass, const struct pin_set *set) {
    const struct set_seen *seen = &pass->seen[set->idx];
    struct lint *lint = pass->lint;
    tell_pins(pass, set, seen);
    tell_hosts(pass, set, seen);
    if (seen->judged == 0) {
        return;
    }
    if (seen->same_path) {
        lint_find(lint, PIN002, set, NULL, seen->same_path_host,
                  "all of its pins are in the one chain that %s serves: no backup is independent",
                  seen->same_path_host);
    }
    if (seen->matched > 0 && !seen->off_leaf && needs_paths(set) && set->scope == PIN_SCOPE_PATH &&
        set->client != PIN_CLIENT_DANE) {
        lint_find(lint, PIN006, set, NULL, NULL,
                  "matches the leaf's key alone, though its client looks at the whole path");
    }
    if (seen->rotating_only && !is_elsewhere(set, seen)) {
        lint_find(lint, PIN007, set, NULL, NULL, "the sole match is a public intermediate: %s",
                  seen->rotating->fact);
    }
    if (seen->unsupported_host != NULL) {
        lint_find(lint, PIN041, set, NULL, seen->unsupported_host,
                  "the path of %s holds a key of type %s before any match: TrustKit blocks it",
                  seen->unsupported_host, seen->unsupported_key);
    }
}

static enum err look_at_snapshot(struct pass *pass, const struct snapshot *snapshot,
                                 struct err_note *note) {
    struct evidence evidence;
    enum err err = evidence_init(&evidence, snapshot, pass->lint->config->trust, note);
    if (err != ERR_NONE) {
        return err;
    }
    const struct pin_index *pins = pass->lint->config->pins;
    pass->evidence = &evidence;
    memset(pass->seen, 0, pins->set_count * sizeof *pass->seen);
    pass->unpinned = (struct lint_names){0};
    for (uint32_t i = 0; i < snapshot->targets_count; i++) {
        look_at_target(pass, &snapshot->targets[i]);
    }
    for (uint32_t i = 0; i < pins->set_count; i++) {
        tell_set(pass, pins->sets[i]);
    }
    if (pass->unpinned.count > 0) {
        struct lint_finding *finding =
            lint_find(pass->lint, PIN038, NULL, NULL, pass->unpinned.names[0],
                      pass->unpinned.count == 1 ? "%u endpoint has no pin record: %s"
                                                : "%u endpoints have no pin record: %s",
                      pass->unpinned.count, lint_names_text(pass->lint, &pass->unpinned));
        if (finding != NULL) {
            finding->file = snapshot->meta.source;
        }
    }
    evidence_fini(&evidence);
    return ERR_NONE;
}

enum err lint_observed(struct lint *lint, struct err_note *note) {
    struct pass *pass = calloc(1, sizeof *pass);
    struct set_seen *seen = calloc((size_t)lint->config->pins->set_count + 1, sizeof *seen);
    enum err err = ERR_NONE;
    if (pass == NULL || seen == NULL) {
        err = err_note(note, ERR_RESOURCE, "not enough memory to judge %u pin sets",
                       lint->config->pins->set_count);
    } else {
        *pass = (struct pass){.lint = lint, .seen = seen};
    }
    for (uint32_t i = 0; i < lint->config->observed_count && err == ERR_NONE; i++) {
        err = look_at_snapshot(pass, lint->config->observed[i], note);
    }
    free(pass);
    free(seen);
    return err;
}
