#include "cli/pins_show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pins_words.h"
#include "engine/base/log.h"
#include "engine/codec/datetime.h"

#define DAY_S 86400
#define LABEL_WIDTH 10
#define TEXT_MAX 2048

/* Policies come from anywhere: nothing that steers a terminal may pass, nor a line break. */
static const char *clean(struct pins_show *show, const char *text) {
    char *copy = arena_copy_text(&show->scratch, span_str(text));
    log_make_harmless(copy);
    for (char *at = strchr(copy, '\n'); at != NULL; at = strchr(at, '\n')) {
        *at = ' ';
    }
    return copy;
}

static void label(const struct pins_show *show, const char *words) {
    fprintf(show->out, "  %-*s", LABEL_WIDTH, words);
}

static void put_bold(const struct pins_show *show, const char *text) {
    fprintf(show->out, show->colours ? "\033[1m%s\033[0m" : "%s", text);
}

static void put_dim(const struct pins_show *show, const char *text) {
    fprintf(show->out, show->colours ? "\033[2m%s\033[0m" : "%s", text);
}

/* --- hosts --- */

static void put_hosts(struct pins_show *show, const struct pin_set *set) {
    int width = 0;
    for (uint32_t i = 0; i < set->host_count; i++) {
        int len = (int)strlen(pins_host_text(&show->scratch, &set->hosts[i]));
        width = len > width && len <= 40 ? len : width;
    }
    for (uint32_t i = 0; i < set->host_count; i++) {
        label(show, i == 0 ? "hosts" : "");
        fprintf(show->out, "%-*s  ", width, pins_host_text(&show->scratch, &set->hosts[i]));
        put_dim(show, pins_words_host(&show->scratch, set, &set->hosts[i]));
        fputc('\n', show->out);
    }
    for (uint32_t i = 0; i < set->excluded_count; i++) {
        label(show, i == 0 ? "but not" : "");
        fprintf(show->out, "%s\n", clean(show, set->excluded[i]));
    }
}

/* --- pins --- */

static void put_pins(struct pins_show *show, const struct pin_set *set) {
    static const char *const lists[] = {
        [PIN_LIST_ANY] = "", [PIN_LIST_LEAF] = "leaf  ", [PIN_LIST_CA] = "CA    "};
    bool bad = false;
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *pin = &set->pins[i];
        const char *tlsa = pins_words_tlsa(&show->scratch, pin);
        label(show, i == 0 ? "pins" : "");
        fprintf(show->out, "%-6s  %s%s%s%.80s%s", pin_role_text(pin->role), lists[pin->list], tlsa,
                tlsa[0] != '\0' ? "  " : "", pin->text, strlen(pin->text) > 80 ? "..." : "");
        if (pin->of == PIN_OF_CERT) {
            fputs("  of a certificate", show->out);
        }
        if (pin->note[0] != '\0') {
            fprintf(show->out, "  %s", clean(show, pin->note));
        }
        fputc('\n', show->out);
        bad = bad || pin->role == PIN_BAD;
    }
    if (bad) {
        label(show, "");
        fputs("a path that holds a bad one is refused, whatever else matches\n", show->out);
    }
}

/* --- dates --- */

static void put_date(const struct pins_show *show, int64_t date) {
    char text[DATETIME_LEN_MAX];
    int64_t days = (date - show->now_s) / DAY_S;
    datetime_format_date(text, date);
    if (date <= show->now_s) {
        fprintf(show->out, "%s (%" PRId64 " day%s ago)", text, -days, days == -1 ? "" : "s");
    } else {
        fprintf(show->out, "%s (in %" PRId64 " day%s)", text, days, days == 1 ? "" : "s");
    }
}

static void put_expiry(const struct pins_show *show, const struct pin_set *set) {
    label(show, "expires");
    if (set->expires == DATETIME_NONE) {
        fputs("never\n", show->out);
        return;
    }
    put_date(show, set->expires);
    bool past = set->expires <= show->now_s && set->on_expiry != PIN_EXPIRY_NONE;
    fprintf(show->out, past ? ": EXPIRED, %s\n" : ": %s\n", pins_words_expiry(set));
}

/* --- for people --- */

/* "application banking, owner me": what is given of it. */
static void put_part(struct pins_show *show, bool *begun, const char *first, const char *name,
                     const char *value) {
    if (value[0] == '\0') {
        return;
    }
    if (*begun) {
        fputs(", ", show->out);
    } else {
        label(show, first);
    }
    fprintf(show->out, "%s%s%s", name, name[0] != '\0' ? " " : "", clean(show, value));
    *begun = true;
}

static const char *days_text(struct pins_show *show, int32_t days) {
    char text[32] = "";
    if (days >= 0) {
        snprintf(text, sizeof text, "%d days", days);
    }
    return arena_copy_text(&show->scratch, span_str(text));
}

static void end_parts(const struct pins_show *show, bool *begun) {
    fputs(*begun ? "\n" : "", show->out);
    *begun = false;
}

static void put_people(struct pins_show *show, const struct pin_set *set) {
    bool begun = false;
    char date[DATETIME_LEN_MAX];
    put_part(show, &begun, "who", "application", set->application);
    put_part(show, &begun, "who", "platform", set->platform);
    put_part(show, &begun, "who", "owner", set->owner);
    put_part(show, &begun, "who", "approver", set->approver);
    if (set->operated_by_third_party) {
        put_part(show, &begun, "who", "", "the endpoint is run by a third party");
    }
    end_parts(show, &begun);
    datetime_format_date(date, set->last_rehearsal);
    put_part(show, &begun, "changes", "rollover", set->rollover);
    put_part(show, &begun, "changes", "by", set->update_channel);
    put_part(show, &begun, "changes", "lead time", days_text(show, set->lead_time_days));
    put_part(show, &begun, "changes", "adoption", days_text(show, set->adoption_days));
    put_part(show, &begun, "changes", "rehearsed",
             set->last_rehearsal != DATETIME_NONE ? date : "");
    put_part(show, &begun, "changes", "backup key at", set->backup_custody);
    end_parts(show, &begun);
    for (uint32_t i = 0; i < set->exception_count; i++) {
        const struct pin_exception *exception = &set->exceptions[i];
        put_part(show, &begun, "accepted", "", exception->rule);
        if (exception->until != DATETIME_NONE) {
            datetime_format_date(date, exception->until);
            put_part(show, &begun, "accepted", "until", date);
        }
        put_part(show, &begun, "accepted", "because", exception->reason);
        put_part(show, &begun, "accepted", "approved by", exception->approver);
        end_parts(show, &begun);
    }
    put_part(show, &begun, "extra", "", strcmp(set->extra, "{}") != 0 ? set->extra : "");
    end_parts(show, &begun);
}

static void put_client(struct pins_show *show, const struct pin_set *set) {
    static const char *const types[] = {"rsa", "ecdsa", "ed25519"};
    label(show, "client");
    fprintf(show->out, "%s: %s\n", pin_client_text(set->client), pins_words_search(set));
    label(show, "");
    fprintf(show->out, "%s\n", pins_words_rule(set));
    if (set->report_only) {
        label(show, "");
        fputs("report-only: clients connect all the same\n", show->out);
    }
    label(show, "trust");
    for (uint32_t i = 0; i < set->trust_count; i++) {
        fprintf(show->out, "%s%s", i > 0 ? ", " : "", clean(show, set->trust[i]));
    }
    fputs(set->trust_none ? ": no path is built" : "", show->out);
    for (size_t i = 0, begun = 0; i < ARRAY_COUNT(types); i++) {
        if ((set->key_types & PIN_KEYS_RSA << i) != 0) {
            fprintf(show->out, "%s%s", begun++ == 0 ? "; negotiates keys of " : ", ", types[i]);
        }
    }
    fputc('\n', show->out);
}

/* --- why --- */

const char *pins_show_reason(struct pins_show *show, const struct pin_explanation *why) {
    char text[TEXT_MAX];
    const char *pattern = pins_host_text(&show->scratch, why->pattern);
    const char *by = why->by != NULL ? clean(show, why->by->name) : "";
    switch (why->how) {
    case PIN_APPLIES:
        snprintf(text, sizeof text, "%s: %s", pattern,
                 pins_words_host(&show->scratch, why->set, why->pattern));
        break;
    case PIN_SHADOWED:
        snprintf(text, sizeof text, "%s matches, but \"%s\" is more specific and counts alone",
                 pattern, by);
        break;
    case PIN_EXCLUDED:
        snprintf(text, sizeof text, "%s matches, but %s is excluded%s%s%s", pattern,
                 clean(show, why->exclusion), by[0] != '\0' ? " by \"" : "", by,
                 by[0] != '\0' ? "\"" : "");
        break;
    case PIN_ELSEWHERE:
        snprintf(text, sizeof text, "%s is about port %u alone", pattern, why->pattern->port);
        break;
    }
    return arena_copy_text(&show->scratch, span_str(text));
}

static void put_why(struct pins_show *show, const struct pin_explanation *why) {
    label(show, why->how == PIN_APPLIES ? "applies" : "does NOT");
    fprintf(show->out, "%s%s\n",
            why->how == PIN_APPLIES ? "by " : "apply: ", pins_show_reason(show, why));
}

void pins_show_text(struct pins_show *show, const struct pin_set *set,
                    const struct pin_explanation *why) {
    char line[24] = "";
    arena_reset(&show->scratch);
    if (set->line > 0) {
        snprintf(line, sizeof line, ":%u", set->line);
    }
    put_bold(show, clean(show, set->name));
    fputs("  ", show->out);
    put_dim(show, clean(show, set->file));
    put_dim(show, line);
    fputc('\n', show->out);
    if (why != NULL) {
        put_why(show, why);
    }
    if (why != NULL && why->how != PIN_APPLIES) {
        fputc('\n', show->out);
        return; /* what it means does not matter here */
    }
    put_hosts(show, set);
    put_client(show, set);
    put_pins(show, set);
    put_expiry(show, set);
    put_people(show, set);
    fputc('\n', show->out);
}
