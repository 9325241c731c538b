#include "engine/trust/verdict.h"

#include "engine/codec/datetime.h"

static const char *const verdict_words[VERDICT_COUNT] = {
    [VERDICT_MISMATCH] = "mismatch",
    [VERDICT_OFF_PATH] = "off-path",
    [VERDICT_NO_PATH] = "no-path",
    [VERDICT_PATH_DEPENDENT] = "path-dependent",
    [VERDICT_EXPIRED_PINSET] = "expired-pinset",
    [VERDICT_UNKNOWN] = "unknown",
    [VERDICT_MATCH_BACKUP] = "match-backup",
    [VERDICT_REPORT_ONLY] = "report-only",
    [VERDICT_MATCH] = "match",
    [VERDICT_UNPINNED] = "unpinned",
};

const char *verdict_text(enum verdict verdict) {
    CHECK((unsigned)verdict < VERDICT_COUNT);
    return verdict_words[verdict];
}

bool verdict_from_text(struct span text, enum verdict *out) {
    for (int i = 0; i < VERDICT_COUNT; i++) {
        if (span_equal_str(text, verdict_words[i])) {
            *out = (enum verdict)i;
            return true;
        }
    }
    return false;
}

#define LIST_COUNT (PIN_LIST_CA + 1)

/* One pin set on the bench, with those whose pins count as its own. */
struct judge {
    const struct pin_set *self;
    const struct pin_set *const *sets;
    size_t set_count;
    int64_t now_unix_s;
    bool needs_path;
    bool path_free_only;    /* nothing but TLSA usages 2 and 3 */
    bool limited;           /* TrustKit and OkHttp do not look at every path: first_searched() */
    bool lists[LIST_COUNT]; /* lists that hold a pin that may match */
};

struct hit {
    const struct pin *pin; /* NULL: none */
    const struct cert_record *cert;
    int16_t depth;
};

/* What was found among the certificates of one path (or chain): the first hit of each kind. */
struct finding {
    struct hit active[LIST_COUNT], backup[LIST_COUNT];
    struct hit bad;
    const char *blocked; /* why the client looks no further; NULL */
};

static bool is_expired(const struct pin_set *set, int64_t now_unix_s) {
    return set->expires != DATETIME_NONE && set->on_expiry != PIN_EXPIRY_NONE &&
           now_unix_s > set->expires;
}

/* One that is not enforced has none to give. */
__attribute__((noinline)) bool verdict_joins(const struct pin_set *self,
                                             const struct pin_set *other, int64_t now_unix_s) {
    bool unions = self->host_rule == PIN_HOST_UNION || self->host_rule == PIN_HOST_ONE_LABEL;
    return self == other || (unions && other->host_rule == self->host_rule && !other->report_only &&
                             !is_expired(other, now_unix_s) && pin_same_application(self, other));
}

static inline bool counts_for(const struct judge *judge, const struct pin_set *other) {
    return LIKELY(judge->self == other) || verdict_joins(judge->self, other, judge->now_unix_s);
}

/* --- what stops a client before it has looked at every certificate --- */

/* TrustKit rebuilds SubjectPublicKeyInfo from the bare key and knows the header of these alone. */
static bool is_hashable(const struct cert_record *cert) {
    switch (cert->fields.key) {
    case CERT_KEY_RSA:
        return cert->fields.key_bits == 2048 || cert->fields.key_bits == 4096;
    case CERT_KEY_EC_P256:
    case CERT_KEY_EC_P384:
        return true;
    case CERT_KEY_RSA_PSS:
    case CERT_KEY_EC_P521:
    case CERT_KEY_EC_OTHER:
    case CERT_KEY_ED25519:
    case CERT_KEY_ED448:
    case CERT_KEY_OTHER:
        return false;
    }
    return false;
}

/* TrustKit goes from the anchor down to the leaf and gives up at the first key that it cannot hash:
   the depth of the last certificate that it gets to see, `count` if there is none. */
static size_t first_seen(const struct cert_record *const certs[], size_t count,
                         struct finding *finding) {
    size_t first = count;
    while (first > 0 && is_hashable(certs[first - 1])) {
        first--;
    }
    if (first > 0) {
        finding->blocked = "a key that TrustKit cannot hash comes before any pin";
    }
    return first;
}

#define OKHTTP_SIGNERS_MAX 9

/* OkHttp builds a path of at most nine signers, and takes a turn more to see that an anchor which
   did not sign itself has no issuer. */
static bool has_too_many_signers(const struct cert_record *const certs[], size_t count) {
    if (count <= OKHTTP_SIGNERS_MAX) {
        return false;
    }
    const struct cert_fields *anchor = &certs[count - 1]->fields;
    return count - 1 > OKHTTP_SIGNERS_MAX || !span_equal(anchor->issuer, anchor->subject);
}

/* --- one certificate list --- */

static void note_hit(struct finding *finding, const struct pin *pin, const struct cert_record *cert,
                     size_t depth) {
    struct hit *hit = pin->role == PIN_BAD      ? &finding->bad
                      : pin->role == PIN_BACKUP ? &finding->backup[pin->list]
                                                : &finding->active[pin->list];
    if (hit->pin == NULL) {
        *hit = (struct hit){.pin = pin, .cert = cert, .depth = (int16_t)depth};
    }
}

static bool is_path_free(const struct pin *pin) {
    return pin->tlsa_usage == PIN_TLSA_DANE_TA || pin->tlsa_usage == PIN_TLSA_DANE_EE;
}

/* Whether the client looks for this pin at that depth of the path. */
static bool is_searched(const struct pin_set *self, const struct pin *pin, size_t depth) {
    if (pin->tlsa_usage == PIN_TLSA_PKIX_TA) {
        return depth > 0;
    }
    if (pin->tlsa_usage == PIN_TLSA_PKIX_EE) {
        return depth == 0;
    }
    if ((pin->list == PIN_LIST_LEAF && depth > 0) || (pin->list == PIN_LIST_CA && depth == 0)) {
        return false;
    }
    switch (self->scope) {
    case PIN_SCOPE_LEAF:
        return depth == 0;
    case PIN_SCOPE_CA_ONLY:
        return depth > 0;
    case PIN_SCOPE_PATH:
    case PIN_SCOPE_PRESENTED:
    case PIN_SCOPE_LEAF_AND_CA:
        return true;
    }
    return false;
}

/* The depth from which on the client looks; `count` if it does not look at all. Out of the way of
   those that look at all certificates. */
static __attribute__((noinline)) size_t first_searched(const struct judge *judge,
                                                       const struct cert_record *const certs[],
                                                       size_t count, struct finding *finding) {
    if (judge->self->client == PIN_CLIENT_TRUSTKIT) {
        return first_seen(certs, count, finding);
    }
    if (!has_too_many_signers(certs, count)) {
        return 0;
    }
    finding->blocked = "more than nine signers, OkHttp refuses the path";
    return count;
}

static void search(const struct judge *judge, const struct cert_record *const certs[], size_t count,
                   struct finding *finding) {
    size_t first = UNLIKELY(judge->limited) ? first_searched(judge, certs, count, finding) : 0;
    for (size_t depth = first; depth < count; depth++) {
        for (size_t s = 0; s < judge->set_count; s++) {
            const struct pin_set *set = judge->sets[s];
            if (!counts_for(judge, set)) {
                continue;
            }
            for (uint32_t p = 0; p < set->pin_count; p++) {
                const struct pin *pin = &set->pins[p];
                if (!is_path_free(pin) && is_searched(judge->self, pin, depth) &&
                    pin_equals(pin, certs[depth])) {
                    note_hit(finding, pin, certs[depth], depth);
                }
            }
        }
    }
}

static bool is_same_cert(const struct cert_record *a, const struct cert_record *b) {
    return a == b || memcmp(a->cert_sha256, b->cert_sha256, SHA256_LEN) == 0;
}

static bool is_on_path(const struct path *path, const struct cert_record *cert) {
    for (size_t i = 0; i < path->count; i++) {
        if (is_same_cert(path->certs[i], cert)) {
            return true;
        }
    }
    return false;
}

/* DANE-TA: a certificate sent above the leaf that equals the pin and stands on a verified path. */
static void search_sent_issuer(const struct pin *pin, const struct verdict_view *view,
                               struct finding *finding) {
    const struct path_set *set = view->paths;
    for (size_t i = 1; i < view->chain->count; i++) {
        const struct cert_record *sent = view->chain->certs[i];
        if (!pin_equals(pin, sent)) {
            continue;
        }
        for (uint32_t p = 0; set != NULL && p < set->profile_count; p++) {
            const struct profile_paths *paths = &set->profiles[p];
            for (size_t j = 0; j < paths->ok_count; j++) {
                const struct path *path = &paths->paths[j];
                for (size_t depth = 1; depth < path->count; depth++) {
                    if (is_same_cert(path->certs[depth], sent)) {
                        note_hit(finding, pin, sent, depth);
                        return;
                    }
                }
            }
        }
    }
}

/* TLSA usages 2 and 3, which look at no profile's path. */
static void search_path_free(const struct judge *judge, const struct verdict_view *view,
                             struct finding *finding) {
    for (size_t s = 0; s < judge->set_count; s++) {
        const struct pin_set *set = judge->sets[s];
        for (uint32_t p = 0; counts_for(judge, set) && p < set->pin_count; p++) {
            const struct pin *pin = &set->pins[p];
            if (pin->tlsa_usage == PIN_TLSA_DANE_EE && pin_equals(pin, view->chain->certs[0])) {
                note_hit(finding, pin, view->chain->certs[0], 0);
            } else if (pin->tlsa_usage == PIN_TLSA_DANE_TA) {
                search_sent_issuer(pin, view, finding);
            }
        }
    }
}

/* MATCH, MATCH_BACKUP or MISMATCH, and the hit that decides (none for a mismatch without a bad
   pin). */
static enum verdict conclude(const struct judge *judge, const struct finding *finding,
                             struct hit *out_hit, const char **out_reason) {
    *out_reason = "";
    if (finding->bad.pin != NULL) {
        *out_hit = finding->bad;
        *out_reason = "a bad pin matches";
        return VERDICT_MISMATCH;
    }
    static const char *const unmatched[LIST_COUNT] = {"no pin on the path", "no leaf pin matches",
                                                      "no CA pin matches"};
    bool all = judge->self->scope == PIN_SCOPE_LEAF_AND_CA;
    struct hit active = {0}, backup = {0};
    *out_hit = (struct hit){.depth = -1};
    for (int list = 0; list < LIST_COUNT; list++) {
        if (finding->active[list].pin != NULL) {
            active = active.pin == NULL ? finding->active[list] : active;
        } else if (finding->backup[list].pin != NULL) {
            backup = backup.pin == NULL ? finding->backup[list] : backup;
        } else if (all && judge->lists[list]) {
            *out_reason = unmatched[list];
            return VERDICT_MISMATCH;
        }
    }
    /* Where every list must match, one that only a backup pin serves decides. */
    if (active.pin != NULL && (!all || backup.pin == NULL)) {
        *out_hit = active;
        return VERDICT_MATCH;
    }
    if (backup.pin != NULL) {
        *out_hit = backup;
        return VERDICT_MATCH_BACKUP;
    }
    *out_reason = finding->blocked != NULL ? finding->blocked : unmatched[PIN_LIST_ANY];
    return VERDICT_MISMATCH;
}

static void take_hit(struct verdict_unit *unit, const struct hit *hit) {
    unit->pin = hit->pin;
    unit->cert = hit->cert;
    unit->path_depth = hit->pin != NULL ? hit->depth : -1;
}

/* --- units --- */

static struct verdict_unit judge_presented(const struct judge *judge,
                                           const struct verdict_view *view) {
    struct verdict_unit unit = {.view_idx = view->view_idx, .profile_idx = -1, .path_idx = -1};
    struct finding finding = {0};
    struct hit hit;
    search(judge, (const struct cert_record *const *)view->chain->certs, view->chain->count,
           &finding);
    search_path_free(judge, view, &finding);
    unit.verdict = conclude(judge, &finding, &hit, &unit.reason);
    unit.durable = verdict_is_match(unit.verdict);
    take_hit(&unit, &hit);
    if (hit.pin == NULL && !verdict_is_match(unit.verdict) && finding.blocked == NULL &&
        judge->self->scope != PIN_SCOPE_LEAF_AND_CA) {
        unit.reason = judge->path_free_only                  ? "no TLSA record matches"
                      : judge->self->scope == PIN_SCOPE_LEAF ? "no pin equals the leaf"
                                                             : "no pin among the certificates sent";
    }
    return unit;
}

static bool has_good_hit(const struct finding *finding) {
    for (int list = 0; list < LIST_COUNT; list++) {
        if (finding->active[list].pin != NULL || finding->backup[list].pin != NULL) {
            return true;
        }
    }
    return false;
}

/* A certificate sent that lies neither on the preferred nor on any valid path and that a pin
   equals. */
static bool find_off_path(const struct judge *judge, const struct verdict_view *view,
                          const struct profile_paths *paths, int preferred, struct hit *out) {
    for (size_t i = 1; i < view->chain->count; i++) {
        const struct cert_record *cert = view->chain->certs[i];
        bool on_path = is_on_path(&paths->paths[preferred], cert);
        for (size_t j = 0; j < paths->ok_count && !on_path; j++) {
            on_path = path_valid_at(&paths->paths[j], judge->now_unix_s) &&
                      is_on_path(&paths->paths[j], cert);
        }
        for (size_t s = 0; s < judge->set_count && !on_path; s++) {
            const struct pin_set *set = judge->sets[s];
            for (uint32_t p = 0; counts_for(judge, set) && p < set->pin_count; p++) {
                if (set->pins[p].role != PIN_BAD && pin_equals(&set->pins[p], cert)) {
                    *out = (struct hit){.pin = &set->pins[p], .cert = cert, .depth = -1};
                    return true;
                }
            }
        }
    }
    return false;
}

/* What the other valid paths of the profile say beside the preferred one. */
struct others {
    bool any_matches, any_fails, any_holds_pin;
};

static struct others judge_others(const struct judge *judge, const struct profile_paths *paths,
                                  int preferred, const struct finding *path_free) {
    struct others others = {0};
    for (int j = 0; j < paths->ok_count; j++) {
        if (j == preferred || !path_valid_at(&paths->paths[j], judge->now_unix_s)) {
            continue;
        }
        struct finding finding = *path_free;
        struct hit hit;
        const char *reason;
        search(judge, paths->paths[j].certs, paths->paths[j].count, &finding);
        bool matches = verdict_is_match(conclude(judge, &finding, &hit, &reason));
        others.any_matches |= matches;
        others.any_fails |= !matches;
        others.any_holds_pin |= has_good_hit(&finding);
    }
    return others;
}

static struct verdict_unit judge_path(const struct judge *judge, const struct verdict_view *view,
                                      int16_t profile_idx) {
    struct verdict_unit unit = {.view_idx = view->view_idx, .profile_idx = profile_idx};
    CHECK(view->paths != NULL && (uint32_t)profile_idx < view->paths->profile_count);
    const struct profile_paths *paths = &view->paths->profiles[profile_idx];
    struct finding path_free = {0};
    struct hit hit;
    search_path_free(judge, view, &path_free);
    bool valid = false;
    int preferred = path_preferred(paths, judge->now_unix_s, &valid);
    unit.path_idx = (int16_t)preferred;
    struct finding finding = path_free;
    if (preferred >= 0) {
        search(judge, paths->paths[preferred].certs, paths->paths[preferred].count, &finding);
    }
    unit.verdict = conclude(judge, &finding, &hit, &unit.reason);
    take_hit(&unit, &hit);
    if (preferred < 0) {
        if (unit.verdict == VERDICT_MISMATCH && hit.pin == NULL) {
            unit.verdict = VERDICT_NO_PATH;
            unit.reason = "no path to an anchor";
        }
        unit.durable = verdict_is_match(unit.verdict);
        return unit;
    }
    struct others others = judge_others(judge, paths, preferred, &path_free);
    if (verdict_is_match(unit.verdict)) {
        unit.durable = !others.any_fails;
    } else if (others.any_matches) {
        unit.verdict = VERDICT_PATH_DEPENDENT;
        unit.reason = finding.bad.pin != NULL
                          ? "a bad pin on the preferred path, not on another valid one"
                      : finding.blocked != NULL
                          ? "the client refuses the preferred path, another valid one holds a pin"
                          : "no pin on the preferred path, but on another valid one";
    } else if (finding.bad.pin == NULL && !has_good_hit(&finding) && !others.any_holds_pin &&
               find_off_path(judge, view, paths, preferred, &hit)) {
        unit.verdict = VERDICT_OFF_PATH;
        unit.reason = "a pin equals only an extra certificate, which is on no valid path";
        take_hit(&unit, &hit);
    }
    return unit;
}

/* --- the set --- */

/* RSA keys of either OID sign with RSA; a key that cannot be read is of no type. */
static uint8_t key_type_of(const struct cert_record *leaf) {
    switch (leaf->fields.key) {
    case CERT_KEY_RSA:
    case CERT_KEY_RSA_PSS:
        return PIN_KEYS_RSA;
    case CERT_KEY_EC_P256:
    case CERT_KEY_EC_P384:
    case CERT_KEY_EC_P521:
    case CERT_KEY_EC_OTHER:
        return PIN_KEYS_ECDSA;
    case CERT_KEY_ED25519:
        return PIN_KEYS_ED25519;
    case CERT_KEY_ED448:
    case CERT_KEY_OTHER:
        return 0;
    }
    return 0;
}

static bool is_negotiated(const struct pin_set *set, const struct verdict_view *view) {
    CHECK(view->chain->count > 0);
    return (set->key_types & PIN_KEYS_ANY) != 0 ||
           (set->key_types & key_type_of(view->chain->certs[0])) != 0;
}

struct tally {
    uint32_t count, matches, backups, no_paths;
    enum verdict worst; /* of the units that have a path */
    bool durable;
};

static enum verdict fold(const struct tally *tally) {
    uint32_t with_path = tally->count - tally->no_paths;
    if (tally->count == 0) {
        return VERDICT_UNKNOWN;
    }
    if (with_path == 0) {
        return VERDICT_NO_PATH;
    }
    enum verdict verdict = tally->worst;
    if (tally->matches == with_path) {
        verdict = tally->backups > 0 ? VERDICT_MATCH_BACKUP : VERDICT_MATCH;
    } else if (tally->matches > 0) {
        verdict = VERDICT_PATH_DEPENDENT;
    }
    return tally->no_paths > 0 ? verdict_worse(VERDICT_NO_PATH, verdict) : verdict;
}

static void count_unit(struct tally *tally, const struct verdict_unit *unit) {
    tally->count++;
    tally->matches += verdict_is_match(unit->verdict);
    tally->backups += unit->verdict == VERDICT_MATCH_BACKUP;
    tally->durable = tally->durable && unit->durable;
    if (unit->verdict == VERDICT_NO_PATH) {
        tally->no_paths++;
    } else {
        tally->worst = verdict_worse(tally->worst, unit->verdict);
    }
}

/* Expiry and report-only, over what enforcement would give. */
static void apply_terms(const struct pin_set *set, int64_t now_unix_s, struct set_verdict *out) {
    bool expired = is_expired(set, now_unix_s);
    if (expired && set->on_expiry == PIN_FAIL_CLOSED) {
        out->would_be = VERDICT_MISMATCH;
    }
    out->verdict = out->would_be;
    if (expired && set->on_expiry == PIN_FAIL_OPEN) {
        out->verdict = VERDICT_EXPIRED_PINSET;
    } else if (set->report_only) {
        out->verdict = VERDICT_REPORT_ONLY;
    }
}

static void judge_init(struct judge *judge, const struct pin_set *const sets[], size_t set_count,
                       size_t set_idx, int64_t now_unix_s) {
    const struct pin_set *self = sets[set_idx];
    *judge = (struct judge){
        .self = self, .sets = sets, .set_count = set_count, .now_unix_s = now_unix_s};
    bool path_scope = self->scope != PIN_SCOPE_LEAF && self->scope != PIN_SCOPE_PRESENTED;
    bool path_pins = false, plain_pins = false;
    for (size_t s = 0; s < set_count; s++) {
        for (uint32_t p = 0; counts_for(judge, sets[s]) && p < sets[s]->pin_count; p++) {
            const struct pin *pin = &sets[s]->pins[p];
            judge->lists[pin->list] |= pin->role != PIN_BAD;
            plain_pins |= !is_path_free(pin);
            path_pins |= pin->tlsa_usage == PIN_TLSA_PKIX_TA ||
                         pin->tlsa_usage == PIN_TLSA_PKIX_EE ||
                         (pin->tlsa_usage == PIN_TLSA_NONE && path_scope);
        }
    }
    judge->needs_path = path_pins && !self->trust_none;
    judge->path_free_only = !plain_pins;
    judge->limited = (self->client == PIN_CLIENT_TRUSTKIT && self->scope == PIN_SCOPE_PATH) ||
                     (self->client == PIN_CLIENT_OKHTTP && judge->needs_path);
}

struct set_verdict verdict_judge_among(const struct pin_set *const sets[], size_t set_count,
                                       size_t set_idx, const struct verdict_view *views,
                                       size_t view_count, int64_t now_unix_s,
                                       struct verdict_unit *units, size_t unit_capacity,
                                       uint32_t *unit_count) {
    CHECK(set_idx < set_count && *unit_count <= unit_capacity);
    const struct pin_set *set = sets[set_idx];
    struct judge judge;
    judge_init(&judge, sets, set_count, set_idx, now_unix_s);
    struct set_verdict out = {.set = set, .first_unit = *unit_count};
    struct tally tally = {.worst = VERDICT_UNPINNED, .durable = true};
    for (size_t v = 0; v < view_count; v++) {
        if (!is_negotiated(set, &views[v])) {
            continue;
        }
        uint32_t profiles = judge.needs_path ? set->trust_count : 1;
        for (uint32_t t = 0; t < profiles; t++) {
            struct verdict_unit unit = judge.needs_path
                                           ? judge_path(&judge, &views[v], set->trust_profiles[t])
                                           : judge_presented(&judge, &views[v]);
            count_unit(&tally, &unit);
            if (*unit_count < unit_capacity) {
                units[(*unit_count)++] = unit;
            }
        }
    }
    out.judged_count = tally.count;
    out.unit_count = *unit_count - out.first_unit;
    out.would_be = fold(&tally);
    out.verdict = out.would_be;
    if (tally.count == 0) {
        return out;
    }
    apply_terms(set, now_unix_s, &out);
    out.durable = verdict_is_match(out.would_be) && tally.durable;
    return out;
}

struct set_verdict verdict_judge(const struct pin_set *set, const struct verdict_view *views,
                                 size_t view_count, int64_t now_unix_s, struct verdict_unit *units,
                                 size_t unit_capacity, uint32_t *unit_count) {
    return verdict_judge_among(&set, 1, 0, views, view_count, now_unix_s, units, unit_capacity,
                               unit_count);
}
