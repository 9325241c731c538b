/* Why, for a change board. */
#include <stdarg.h>
#include <stdio.h>

#include "engine/codec/datetime.h"
#include "engine/impact/impact_internal.h"

struct text {
    char *out;
    size_t len;
};

static void PRINTF_LIKE(2, 3) say(struct text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(text->out + text->len, IMPACT_REASON_MAX - text->len, format, args);
    va_end(args);
    size_t room = IMPACT_REASON_MAX - 1 - text->len;
    text->len += wrote < 0 ? 0 : (size_t)wrote < room ? (size_t)wrote : room;
}

/* The first part of a name: "CN=R11". */
static int short_len(const char *name) {
    size_t len = 0;
    while (name[len] != '\0' && (name[len] != ',' || (len > 0 && name[len - 1] == '\\'))) {
        len++;
    }
    return (int)(len < 80 ? len : 80);
}

static void say_name(struct text *text, const char *name) {
    say(text, "%.*s", short_len(name), name[0] != '\0' ? name : "a certificate");
}

static const char *profile_name(const struct impact_run *run, int profile) {
    return run->world->store->profiles[profile].name;
}

static void say_cert(struct text *text, const struct cert_record *record) {
    const struct world_cert *cert = world_cert_of(record);
    if (cert->authority == WORLD_NONE) {
        say(text, "the leaf");
    } else {
        say_name(text, cert->subject);
    }
}

/* --- PKIX --- */

static void say_loss(struct text *text, const struct endpoint_losses *losses) {
    static const char *const words[] = {[LOSS_NONE] = "",
                                        [LOSS_DISTRUSTED] = " is distrusted",
                                        [LOSS_REVOKED] = ": its key is revoked",
                                        [LOSS_COMPROMISED] = ": its key is compromised"};
    say_cert(text, &losses->cert->record);
    say(text, "%s", words[losses->loss]);
}

static void say_pkix(struct text *text, const struct impact_run *run, const struct impact *impact) {
    int profile = impact->profile;
    for (uint32_t t = 0; profile < 0 && impact->set != NULL && t < impact->set->trust_count; t++) {
        int candidate = impact->set->trust_profiles[t];
        bool asked =
            !impact->has_before || path_pkix(&impact->view->before.paths->profiles[candidate],
                                             run->plan->today) == PKIX_OK;
        if (asked &&
            path_pkix(&impact->view->after.paths->profiles[candidate], run->plan->end) != PKIX_OK) {
            profile = candidate;
        }
    }
    say(text, "PKIX fails (%s", pkix_text(impact->pkix_after));
    if (profile < 0) {
        say(text, ")");
        return;
    }
    say(text, ", trust profile %s)", profile_name(run, profile));
    const struct endpoint_losses *losses = &impact->view->after.losses[profile];
    bool by_time = impact->pkix_after == PKIX_EXPIRED || impact->pkix_after == PKIX_NOT_YET_VALID;
    if (by_time && impact->path_after != NULL) {
        for (uint32_t i = 0; i < impact->path_after->count; i++) {
            const struct world_cert *cert = world_cert_of(impact->path_after->certs[i]);
            if (cert->not_after != DATETIME_NONE && run->plan->end > cert->not_after) {
                char date[DATETIME_LEN_MAX];
                datetime_format_date(date, cert->not_after);
                say(text, ": ");
                say_cert(text, &cert->record);
                say(text, " expires on %s", date);
                return;
            }
        }
    } else if (losses->loss != LOSS_NONE) {
        say(text, ": ");
        say_loss(text, losses);
    } else {
        say(text, ": no path leads to an anchor");
    }
}

/* --- pins --- */

static void say_pin(struct text *text, const struct pin *pin) {
    say(text, "%s pin %.60s", pin_role_text(pin->role), pin->text);
    if (pin->note[0] != '\0') {
        say(text, " (%.60s)", pin->note);
    }
}

/* What matched before, and where it went. */
static void say_lost_pin(struct text *text, const struct impact *impact) {
    const struct verdict_unit *before = &impact->unit_before;
    if (!impact->has_before || before->pin == NULL || before->cert == NULL ||
        (before->verdict != VERDICT_MATCH && before->verdict != VERDICT_MATCH_BACKUP)) {
        return;
    }
    say(text, "; it matched by ");
    say_pin(text, before->pin);
    say(text, " on ");
    say_cert(text, before->cert);
}

static void say_path(struct text *text, const struct path *path) {
    if (path == NULL) {
        return;
    }
    say(text, "; the path is ");
    for (uint32_t i = 0; i < path->count; i++) {
        say(text, "%s", i > 0 ? " > " : "");
        const struct world_cert *cert = world_cert_of(path->certs[i]);
        if (i == 0 && cert->authority == WORLD_NONE) {
            say(text, "%s",
                cert->unknown_key ? "a leaf with a new key"
                : cert->symbolic  ? "a new certificate of the leaf"
                                  : "the leaf");
        } else {
            say_name(text, cert->subject);
        }
    }
}

static void say_pins_fail(struct text *text, const struct impact_run *run,
                          const struct impact *impact) {
    const struct pin_set *set = impact->set;
    if (set->expires != DATETIME_NONE && run->plan->end > set->expires &&
        set->on_expiry == PIN_FAIL_CLOSED) {
        say(text, "the pin set has expired and fails closed");
        return;
    }
    const char *reason = impact->unit_after.reason;
    say(text, "pins fail: %s", reason[0] != '\0' ? reason : "no pin matches");
    say_lost_pin(text, impact);
    say_path(text, impact->path_after);
}

/* A pin of a compromised key lets in whoever has it. */
static void say_compromised(struct text *text, const struct impact_run *run,
                            const struct impact *impact) {
    const struct world *world = run->world;
    for (uint32_t d = 0; d < world->dead_count; d++) {
        for (uint32_t i = 0; world->dead[d].compromised && i < impact->set->pin_count; i++) {
            const struct pin *pin = &impact->set->pins[i];
            if (pin->of == PIN_OF_SPKI && pin->alg == PIN_SHA256 && pin->role != PIN_BAD &&
                memcmp(pin->value.data, world->dead[d].spki_sha256, SHA256_LEN) == 0) {
                say(text, "; %.60s pins a compromised key and no longer protects: take it out",
                    pin->text);
            }
        }
    }
}

static void say_works(struct text *text, const struct impact *impact) {
    const struct verdict_unit *after = &impact->unit_after;
    say(text, "%s", impact->outcome == IMPACT_OK ? "holds as before" : "holds");
    if (after->pin != NULL) {
        say(text, " by ");
        say_pin(text, after->pin);
        if (after->cert != NULL) {
            say(text, " on ");
            say_cert(text, after->cert);
        }
    }
    if (impact->outcome == IMPACT_SURVIVES_ON_LAST_PIN) {
        say(text, "; no other pin is in reserve");
    }
    if (!after->durable) {
        say(text, "; another valid path would fail");
    }
}

static void say_broken(struct text *text, const struct impact_run *run,
                       const struct impact *impact) {
    if (!impact->pkix_holds) {
        say_pkix(text, run, impact);
        if (!impact->pins_hold && impact->unit_after.verdict != VERDICT_NO_PATH) {
            say(text, "; ");
            say_pins_fail(text, run, impact);
        } else if (impact->pins_hold) {
            say(text, "; the pins would hold");
        }
    } else {
        say_pins_fail(text, run, impact);
    }
}

void impact_explain(const struct impact_run *run, const struct impact *impact,
                    char out[IMPACT_REASON_MAX]) {
    struct text text = {.out = out};
    out[0] = '\0';
    if (impact->view == NULL) {
        if (impact->set == NULL) {
            say(&text, "no pin set names this host");
        } else {
            say(&text, "no view to judge: the sweep saw none that its clients would negotiate (%s)",
                outcome_text(impact->target->status));
        }
        return;
    }
    switch (impact->outcome) {
    case IMPACT_BREAKS:
    case IMPACT_PATH_DEPENDENT:
    case IMPACT_ALREADY_BROKEN:
        say_broken(&text, run, impact);
        break;
    case IMPACT_UNKNOWN_FUTURE_KEY:
        say(&text, "holds only if the new key is one of the pinned keys");
        say_lost_pin(&text, impact);
        say_path(&text, impact->path_after);
        break;
    case IMPACT_UNENFORCED_EXPIRED: {
        char date[DATETIME_LEN_MAX];
        datetime_format_date(date, impact->set->expires);
        say(&text, "the pin set expires on %s and fails open: nothing is enforced", date);
        break;
    }
    case IMPACT_REPORT_ONLY:
        say(&text, "not enforced; it would be %s", verdict_text(impact->unit_after.verdict));
        break;
    case IMPACT_SURVIVES_ON_LAST_PIN:
    case IMPACT_SURVIVES_ON_BACKUP:
    case IMPACT_SURVIVES_ON_PRIMARY:
    case IMPACT_OK:
        say_works(&text, impact);
        break;
    case IMPACT_UNPINNED:
        say(&text, "no pin set names this host");
        if (!impact->pkix_holds) {
            say(&text, "; ");
            say_pkix(&text, run, impact);
        }
        return;
    case IMPACT_OUTCOME_COUNT:
        break;
    }
    say_compromised(&text, run, impact);
}
