#include "cli/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/codec/dname.h"
#include "engine/codec/text.h"
#include "engine/sweep/report.h"

#define DAY_S 86400

struct show {
    FILE *out;
    const struct judgement *judgement;
    bool colours;
    uint32_t complaints;
};

bool show_has_colours(void) {
    const char *no_color = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) != 0 && (no_color == NULL || no_color[0] == '\0');
}

/* Names and errors come from the wire: nothing that steers a terminal may pass. */
static const char *clean(char *text) {
    log_make_harmless(text);
    for (char *at = strchr(text, '\n'); at != NULL; at = strchr(at, '\n')) {
        *at = '?';
    }
    return text;
}

static const char *verdict_colour(enum verdict verdict) {
    switch (verdict) {
    case VERDICT_MATCH:
        return "\033[32m";
    case VERDICT_MATCH_BACKUP:
    case VERDICT_EXPIRED_PINSET:
    case VERDICT_REPORT_ONLY:
    case VERDICT_PATH_DEPENDENT:
        return "\033[33m";
    case VERDICT_MISMATCH:
    case VERDICT_OFF_PATH:
    case VERDICT_NO_PATH:
        return "\033[31m";
    case VERDICT_UNKNOWN:
    case VERDICT_UNPINNED:
    case VERDICT_COUNT:
        break;
    }
    return "\033[2m";
}

static void print_verdict(const struct show *show, enum verdict verdict, int width) {
    if (show->colours) {
        fprintf(show->out, "%s%-*s\033[0m", verdict_colour(verdict), width, verdict_text(verdict));
    } else {
        fprintf(show->out, "%-*s", width, verdict_text(verdict));
    }
}

static void print_heading(const struct show *show, const char *text) {
    fprintf(show->out, show->colours ? "\n\033[1m%s\033[0m" : "\n%s", text);
}

static void print_pin(const struct show *show, const struct cert_record *cert) {
    char text[BASE64_SHA256_LEN + 1] = "";
    if (cert->has_spki) {
        text[base64_encode(text, span_of(cert->spki_sha256, SHA256_LEN))] = '\0';
        fprintf(show->out, "sha256/%s", text);
    } else {
        fputs("no key found", show->out);
    }
}

static const char *cert_name(const struct cert_record *cert, char text[DNAME_TEXT_MAX]) {
    if (cert->fields.subject.len == 0 || dname_short(text, cert->fields.subject) == 0) {
        snprintf(text, DNAME_TEXT_MAX, cert->strict ? "(no name)" : "(malformed)");
    }
    return clean(text);
}

static void print_validity(const struct show *show, const struct cert_record *cert) {
    char date[DATETIME_LEN_MAX];
    if (!cert->strict) {
        fputs("malformed", show->out);
        return;
    }
    int64_t now = show->judgement->judged_at_s;
    datetime_format_date(date, cert->fields.not_after);
    int64_t days = (cert->fields.not_after - now) / DAY_S;
    if (cert->fields.not_after < now) {
        fprintf(show->out, "expired %s", date);
    } else if (cert->fields.not_before > now) {
        datetime_format_date(date, cert->fields.not_before);
        fprintf(show->out, "not valid before %s", date);
    } else {
        fprintf(show->out, "until %s (%" PRId64 " day%s)", date, days, days == 1 ? "" : "s");
    }
}

/* --- one view --- */

static void print_chain(const struct show *show, const struct probe *probe) {
    const struct chain *chain = probe->chain;
    const struct path_set *paths = judge_view_counts(probe) ? chain->paths : NULL;
    fprintf(show->out, "  sent: %u certificate%s\n", chain->count, chain->count == 1 ? "" : "s");
    for (uint32_t i = 0; i < chain->count; i++) {
        const struct cert_record *cert = chain->certs[i];
        char name[DNAME_TEXT_MAX], key[24] = "?";
        if (cert->strict) {
            cert_key_text(key, cert->fields.key, cert->fields.key_bits);
        }
        fprintf(show->out, "    %u %-36s %-11s ", i, cert_name(cert, name), key);
        print_validity(show, cert);
        if (paths != NULL && !report_on_path(paths, cert)) {
            fputs("  on no path", show->out);
        }
        fputs("\n      ", show->out);
        print_pin(show, cert);
        fputc('\n', show->out);
    }
}

static bool was_sent(const struct chain *chain, const struct cert_record *cert) {
    for (uint32_t i = 0; i < chain->count; i++) {
        if (memcmp(chain->certs[i]->cert_sha256, cert->cert_sha256, SHA256_LEN) == 0) {
            return true;
        }
    }
    return false;
}

/* The path as a tree, the anchor at its root. */
static void print_path(const struct show *show, const struct chain *chain,
                       const struct path *path) {
    for (int depth = path->count - 1; depth >= 0; depth--) {
        const struct cert_record *cert = path->certs[depth];
        int indent = path->count - 1 - depth;
        char name[DNAME_TEXT_MAX];
        fprintf(show->out, "    %*s%s%s", indent > 0 ? 3 * (indent - 1) : 0, "",
                indent > 0 ? "└─ " : "", cert_name(cert, name));
        if (depth == path->count - 1) {
            fprintf(show->out, "  (anchor%s)  ", was_sent(chain, cert) ? "" : ", not sent");
            print_pin(show, cert);
        }
        fputc('\n', show->out);
    }
}

static void print_paths(struct show *show, const struct probe *probe) {
    const struct trust_store *trust = show->judgement->config->trust;
    const struct path_set *paths = probe->chain->paths;
    for (uint32_t p = 0; p < paths->profile_count; p++) {
        const struct profile_paths *profile = &paths->profiles[p];
        bool valid;
        int preferred = path_preferred(profile, show->judgement->judged_at_s, &valid);
        enum pkix result = path_pkix(profile, show->judgement->judged_at_s);
        char detail[sizeof profile->detail];
        memcpy(detail, profile->detail, sizeof detail);
        fprintf(show->out, "  trust %s: %s%s%s\n", trust->profiles[p].name, pkix_text(result),
                result != PKIX_OK && detail[0] != '\0' ? ", " : "",
                result != PKIX_OK ? clean(detail) : "");
        for (uint16_t i = 0; i < profile->ok_count; i++) {
            if (profile->ok_count > 1) {
                fprintf(show->out, "   path %u%s%s\n", i, i == preferred ? ", preferred" : "",
                        path_valid_at(&profile->paths[i], show->judgement->judged_at_s)
                            ? ""
                            : ", not valid at this date");
            }
            print_path(show, probe->chain, &profile->paths[i]);
        }
    }
}

/* The first earlier view that showed the same chain with as much to say about it; -1 if none did.
 */
static int earlier_twin(const struct target *target, uint32_t view_idx) {
    const struct probe *probe = &target->probes[view_idx];
    for (uint32_t i = 0; probe->chain != NULL && i < view_idx; i++) {
        const struct probe *other = &target->probes[i];
        if (other->chain == probe->chain &&
            (judge_view_counts(other) || !judge_view_counts(probe))) {
            return (int)i;
        }
    }
    return -1;
}

static void print_view(struct show *show, uint32_t view_idx) {
    const struct target *target = show->judgement->target;
    const struct probe *probe = &target->probes[view_idx];
    const struct tls_facts *facts = &probe->facts;
    char address[NETADDR_TEXT_MAX], error[sizeof facts->error], heading[128];
    netaddr_format(address, &target->addresses[probe->address_idx]);
    snprintf(heading, sizeof heading, "view %u  %s  key type %s", view_idx, address,
             key_view_text(probe->key_view));
    print_heading(show, heading);
    snprintf(error, sizeof error, "%s", report_view_error(probe));
    fprintf(show->out, "  %s%s%s\n", outcome_text(probe->outcome), error[0] != '\0' ? ": " : "",
            clean(error));
    if (facts->version != 0) {
        fprintf(show->out, "  %s %s %s, possession of the key %s%s\n",
                tls_version_text(facts->version), tls_cipher_text(facts->cipher),
                tls_group_text(facts->group),
                facts->proof == PROOF_POSSESSION ? "proven" : "not proven",
                facts->client_cert_requested ? ", asks for a client certificate" : "");
    }
    int twin = earlier_twin(target, view_idx);
    if (twin >= 0) {
        fprintf(show->out, "  the same chain as view %d\n", twin);
        return;
    }
    if (probe->chain != NULL) {
        print_chain(show, probe);
    }
    if (judge_view_counts(probe)) {
        fprintf(show->out, "  name %s\n",
                judge_host_match(target, probe) ? "covered by the certificate"
                                                : "NOT covered by the certificate");
        print_paths(show, probe);
    }
}

/* --- pin sets --- */

static void print_unit(const struct show *show, const struct verdict_unit *unit) {
    char name[DNAME_TEXT_MAX];
    fprintf(show->out, "    view %u", unit->view_idx);
    if (unit->profile_idx >= 0) {
        fprintf(show->out, ", trust %s",
                show->judgement->config->trust->profiles[unit->profile_idx].name);
    }
    fprintf(show->out, ": %s", verdict_text(unit->verdict));
    if (unit->reason != NULL && unit->reason[0] != '\0') {
        fprintf(show->out, " (%s)", unit->reason);
    }
    if (unit->pin != NULL && unit->cert != NULL) {
        fprintf(show->out, "\n      %s pin %s\n      is %s", pin_role_text(unit->pin->role),
                unit->pin->text, cert_name(unit->cert, name));
        if (unit->path_depth >= 0) {
            fprintf(show->out, ", at depth %d", unit->path_depth);
        }
    }
    fputc('\n', show->out);
}

static void print_set(const struct show *show, const struct set_verdict *verdict) {
    const struct pin_set *set = verdict->set;
    char expires[DATETIME_LEN_MAX] = "never";
    if (set->expires != DATETIME_NONE) {
        datetime_format_date(expires, set->expires);
    }
    fputs("  ", show->out);
    print_verdict(show, verdict->verdict, 0);
    fprintf(show->out, "  %s", set->name);
    if (verdict->would_be != verdict->verdict) {
        fprintf(show->out, ", would be %s", verdict_text(verdict->would_be));
    }
    if (verdict->verdict == VERDICT_MATCH || verdict->verdict == VERDICT_MATCH_BACKUP) {
        fprintf(show->out, ", %s",
                verdict->durable ? "durable" : "not durable: another valid path would fail");
    }
    fprintf(show->out, "\n    client %s, scope %s, expires %s, application %s, owner %s\n",
            pin_client_text(set->client), pin_scope_text(set->scope), expires,
            set->application[0] != '\0' ? set->application : "not said",
            set->owner[0] != '\0' ? set->owner : "not said");
    for (uint32_t i = verdict->first_unit;
         i < verdict->first_unit + verdict->unit_count && i < show->judgement->unit_count; i++) {
        print_unit(show, &show->judgement->units[i]);
    }
}

/* --- the endpoint --- */

static void print_target(const struct show *show) {
    const struct target *target = show->judgement->target;
    char text[512], error[sizeof target->error];
    snprintf(text, sizeof text, "%s:%u", target->host, target->port);
    fprintf(show->out, show->colours ? "\033[1m%s\033[0m  " : "%s  ", text);
    print_verdict(show, show->judgement->verdict, 0);
    fprintf(show->out, "  (%s)\n", outcome_text(show->judgement->status));
    snprintf(error, sizeof error, "%s", target->error);
    if (error[0] != '\0') {
        fprintf(show->out, "  %s\n", clean(error));
    }
    if (target->sni[0] != '\0' && strcmp(target->sni, target->host) != 0) {
        fprintf(show->out, "  SNI %s\n", target->sni);
    }
    if (strcmp(target->pin_host, target->host) != 0) {
        fprintf(show->out, "  pins looked up for %s\n", target->pin_host);
    }
}

void show_judgement(FILE *out, const struct judgement *judgement, bool colours) {
    struct show show = {.out = out, .judgement = judgement, .colours = colours};
    print_target(&show);
    for (uint32_t i = 0; i < judgement->target->probe_count; i++) {
        print_view(&show, i);
    }
    print_heading(&show, "pin sets");
    fputs(judgement->set_count == 0 ? "  none for this host\n" : "\n", out);
    for (size_t i = 0; i < judgement->set_count; i++) {
        print_set(&show, &judgement->sets[i]);
    }
    fflush(out);
}

/* The one thing worth saying about a target: the first failing unit of its worst pin set, or the
 * network's words. */
static void worst_reason(const struct judgement *judgement, char *out, size_t capacity) {
    char name[DNAME_TEXT_MAX];
    for (size_t i = 0; i < judgement->set_count; i++) {
        const struct set_verdict *set = &judgement->sets[i];
        if (set->verdict != judgement->verdict) {
            continue;
        }
        for (uint32_t u = set->first_unit;
             u < set->first_unit + set->unit_count && u < judgement->unit_count; u++) {
            const struct verdict_unit *unit = &judgement->units[u];
            if (unit->reason != NULL && unit->reason[0] != '\0') {
                snprintf(out, capacity, "%s: %s", set->set->name, unit->reason);
                return;
            }
        }
        if (set->unit_count > 0 && judgement->units[set->first_unit].cert != NULL) {
            const struct verdict_unit *unit = &judgement->units[set->first_unit];
            snprintf(out, capacity, "%s: %s pin on %s%s", set->set->name,
                     pin_role_text(unit->pin->role), cert_name(unit->cert, name),
                     set->durable ? "" : ", not durable");
            return;
        }
    }
    const char *error = judgement->target->probe_count == 0
                            ? judgement->target->error
                            : report_view_error(&judgement->target->probes[0]);
    snprintf(out, capacity, "%s%s%s",
             judgement->status == OUTCOME_SUCCESS ? "" : outcome_text(judgement->status),
             judgement->status != OUTCOME_SUCCESS && error[0] != '\0' ? ": " : "",
             judgement->status != OUTCOME_SUCCESS ? error : "no pin set names this host");
}

void show_line(FILE *out, const struct judgement *judgement, bool colours) {
    struct show show = {.out = out, .judgement = judgement, .colours = colours};
    char endpoint[HOST_MAX + 8], reason[512];
    snprintf(endpoint, sizeof endpoint, "%s:%u", judgement->target->host, judgement->target->port);
    worst_reason(judgement, reason, sizeof reason);
    print_verdict(&show, judgement->verdict, 15);
    fprintf(out, " %-34s %s\n", endpoint, clean(reason));
    fflush(out);
}
