/* What one pin set says about itself: no other set, no chain is looked at. */
#include <ctype.h>
#include <strings.h>

#include "engine/base/attributes.h"
#include "engine/codec/dname.h"
#include "engine/codec/sha256.h"
#include "engine/lint/catalogue.h"
#include "engine/lint/lint_internal.h"

static bool is_one_of(const char *text, const char *const words[]) {
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* --- PIN001: what is left when the key in use is gone --- */

static void check_backup(struct lint *lint, const struct pin_set *set) {
    static const char *const names[] = {"", "leaf ", "CA "};
    if (set->client == PIN_CLIENT_DANE) {
        return; /* a record is published before its key is used: RFC 7671 section 8.1 */
    }
    if (set->scope != PIN_SCOPE_LEAF_AND_CA) {
        if (lint_distinct_pins(set, -1) < 2) {
            lint_find(lint, PIN001, set, NULL, NULL,
                      "holds one pin and no backup: when its key goes, its clients cannot connect");
        }
        return;
    }
    for (int list = PIN_LIST_ANY; list <= PIN_LIST_CA; list++) {
        if (lint_distinct_pins(set, list) == 1) {
            lint_find(lint, PIN001, set, NULL, NULL,
                      "holds one %spin and no backup of it: every list must match, so that its "
                      "clients cannot connect when that key goes",
                      names[list]);
        }
    }
}

/* --- PIN010 and PIN011: single pins --- */

static bool is_text(struct span value) {
    for (size_t i = 0; i < value.len; i++) {
        if (!isprint(value.data[i])) {
            return false;
        }
    }
    return value.len > 0;
}

/* Values that stand in documentation or come out of a mistake. What cannot be read at all never
   gets here: the importers refuse it. */
static const char *why_bad(const struct pin *pin) {
    static const char *const examples[] = {
        /* developer.android.com, "Network security configuration" */
        "sha256/7HIpactkIAq2Y49orFOOQKurWxmmSFZhBCoQYcRhJ3Y=",
        "sha256/fwza0LRMXouZHRC8Ei+4PyuldPDcf3UKgO/04cDM1oE=", NULL};
    uint8_t empty[SHA256_LEN];
    sha256_once(span_of("", 0), empty);
    if (pin->alg == PIN_SHA256 && span_equal(pin->value, span_of(empty, SHA256_LEN))) {
        return "is the hash of nothing: the command that made it was given no key";
    }
    if (pin->alg == PIN_SHA256 && is_one_of(pin->text, examples)) {
        return "is the example of a client's documentation";
    }
    if (pin->alg != PIN_EXACT && is_text(pin->value)) {
        return "is text in base64, not a hash";
    }
    return NULL;
}

static void check_pins(struct lint *lint, const struct pin_set *set) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *pin = &set->pins[i];
        const char *why = why_bad(pin);
        if (why != NULL) {
            lint_find(lint, PIN010, set, pin, NULL, "%s %s", pin->text, why);
        }
        if (pin->alg == PIN_SHA1 && pin->role != PIN_BAD) {
            lint_find(lint, PIN011, set, pin, NULL, "%s is a SHA-1 pin", pin->text);
        }
    }
}

/* --- PIN020 to PIN022: the pin set's own end --- */

/* People write "iOS" and "MDM". */
static bool is_one_of_any_case(const char *text, const char *const words[]) {
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_in_the_field(const struct pin_set *set) {
    static const char *const platforms[] = {"android", "ios",   "ipados",  "tvos",       "watchos",
                                            "mobile",  "kiosk", "iot",     "embedded",   "firmware",
                                            "device",  "pos",   "offline", "automotive", NULL};
    return set->client == PIN_CLIENT_ANDROID || set->client == PIN_CLIENT_APPLE ||
           set->client == PIN_CLIENT_TRUSTKIT || set->client == PIN_CLIENT_OKHTTP ||
           is_one_of_any_case(set->platform, platforms);
}

static bool is_remote(const char *channel) {
    static const char *const channels[] = {"remote", "remote-config", "ota",     "mdm",
                                           "server", "config",        "hot-fix", NULL};
    return is_one_of_any_case(channel, channels);
}

static void check_expiry(struct lint *lint, const struct pin_set *set) {
    int64_t now = lint->config->at_unix_s, lead_days = lint_lead_days(lint, set);
    bool honoured = set->on_expiry != PIN_EXPIRY_NONE;
    if (set->expires != DATETIME_NONE && now > set->expires) {
        lint_find(lint, PIN020, set, NULL, NULL, "expired on %s: %s", lint_date(lint, set->expires),
                  !honoured                           ? "its clients still enforce it"
                  : set->on_expiry == PIN_FAIL_CLOSED ? "its clients refuse every connection"
                                                      : "its clients no longer pin, in silence");
    } else if (set->expires != DATETIME_NONE && set->expires - now < lead_days * LINT_DAY_S) {
        lint_find(lint, PIN021, set, NULL, NULL,
                  "expires on %s, in %lld days: a release takes %lld to reach its clients",
                  lint_date(lint, set->expires), (long long)((set->expires - now) / LINT_DAY_S),
                  (long long)lead_days);
    }
    if (is_in_the_field(set) && (set->expires == DATETIME_NONE || !honoured) &&
        !is_remote(set->update_channel)) {
        lint_find(lint, PIN022, set, NULL, NULL, "%s",
                  set->expires == DATETIME_NONE
                      ? "neither expires nor can be changed remotely: an installation that is not "
                        "updated is locked out by the next key change"
                      : "has a date that its client does not look at, and cannot be changed "
                        "remotely");
    }
}

/* --- PIN024: what is known about the pinned CAs --- */

static void check_distrust(struct lint *lint, const struct pin_set *set) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *pin = &set->pins[i];
        for (uint32_t d = 0; d < lint->distrusted_count && pin->role != PIN_BAD; d++) {
            const struct catalogue_entry *entry = lint->distrusted[d].entry;
            if (pin_equals(pin, lint->distrusted[d].anchor) &&
                (set->expires == DATETIME_NONE || entry->from_unix_s < set->expires)) {
                char name[DNAME_TEXT_MAX];
                dname_short(name, lint->distrusted[d].anchor->fields.subject);
                lint_find(lint, PIN024, set, pin, NULL, "%s is %s: %s", pin->text, name,
                          entry->fact);
                return; /* one CA is enough to move */
            }
        }
    }
}

/* --- PIN034: exceptions --- */

static void check_exceptions(struct lint *lint, const struct pin_set *set) {
    for (uint32_t i = 0; i < set->exception_count; i++) {
        const struct pin_exception *exception = &set->exceptions[i];
        const char *missing = exception->reason[0] == '\0'        ? "reason"
                              : exception->approver[0] == '\0'    ? "approver"
                              : exception->until == DATETIME_NONE ? "end date (until:)"
                                                                  : NULL;
        if (lint_rule_find(span_str(exception->rule)) == LINT_RULE_COUNT) {
            lint_find(lint, PIN034, set, NULL, NULL, "the exception from %s: there is no such rule",
                      exception->rule);
        } else if (!lint_exception_holds(lint, exception)) {
            struct lint_finding *finding =
                lint_find(lint, PIN034, set, NULL, NULL, "the exception from %s ended on %s",
                          exception->rule, lint_date(lint, exception->until));
            if (finding != NULL) {
                finding->severity = LINT_ERROR;
            }
        } else if (missing != NULL) {
            lint_find(lint, PIN034, set, NULL, NULL, "the exception from %s has no %s",
                      exception->rule, missing);
        }
    }
}

/* --- PIN042: anchors that switch pins off --- */

static void check_overrides(struct lint *lint, const struct pin_set *set) {
    if (set->client != PIN_CLIENT_ANDROID) {
        return;
    }
    const struct policy_node *extra = lint_extra(lint, set);
    const struct policy_node *android = extra != NULL ? policy_yaml_find(extra, "android") : NULL;
    bool is_map = android != NULL && android->kind == POLICY_MAP;
    const struct policy_node *user = is_map ? policy_yaml_find(android, "user_anchors") : NULL;
    bool user_overrides =
        user != NULL && user->kind == POLICY_SCALAR && span_equal_str(user->text, "override");
    bool some_override = is_map && policy_yaml_find(android, "override_anchors") != NULL;
    if (set->report_only || user_overrides || some_override) {
        lint_find(lint, PIN042, set, NULL, NULL, "overridePins: %s",
                  set->report_only ? "pins are not enforced on any path"
                  : user_overrides ? "who installs a CA on the device is not held up by the pins"
                                   : "pins are not enforced on paths to some of its anchors");
    }
}

/* --- PIN040: entries that match nothing whatever is asked --- */

static void check_hosts(struct lint *lint, const struct pin_set *set) {
    for (uint32_t i = 0; i < set->host_count; i++) {
        const struct pin_host *host = &set->hosts[i];
        bool reaches = host->pattern != PIN_PATTERN_NAME || set->include_subdomains;
        if (set->client == PIN_CLIENT_TRUSTKIT && strchr(host->name, '.') == NULL && reaches) {
            lint_find(lint, PIN040, set, NULL, host->name,
                      "%s is a public suffix: TrustKit does not reach below it", host->name);
        }
    }
}

void lint_set(struct lint *lint, const struct pin_set *set) {
    check_backup(lint, set);
    check_pins(lint, set);
    check_expiry(lint, set);
    check_distrust(lint, set);
    check_exceptions(lint, set);
    check_hosts(lint, set);
    check_overrides(lint, set);
    if (set->operated_by_third_party) {
        lint_find(lint, PIN035, set, NULL, NULL,
                  "is operated by a third party, who renews its keys without asking");
    }
}
