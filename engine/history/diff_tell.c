/* The changes for people. */
#include <inttypes.h>
#include <stdarg.h>

#include "engine/codec/base64.h"
#include "engine/history/diff.h"
#include "engine/sweep/progress.h"

struct text {
    char *at;
    size_t left; /* with the NUL */
};

PRINTF_LIKE(2, 3)
static void put(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text->at, text->left, format, arguments);
    va_end(arguments);
    size_t taken = len < 0 ? 0 : (size_t)len < text->left ? (size_t)len : text->left - 1;
    text->at += taken;
    text->left -= taken;
}

/* What comes from files and servers may hold anything: as for a terminal, in so many bytes. */
static void put_safe(struct text *text, const char *from, size_t max) {
    size_t len = strnlen(from, max), taken = len < text->left ? len : text->left - 1;
    for (size_t i = 0; i < taken; i++) {
        unsigned char byte = (unsigned char)from[i];
        text->at[i] = byte < 0x20 || byte == 0x7f ? '?' : from[i];
    }
    text->at += taken;
    text->left -= taken;
    *text->at = '\0';
    put(text, "%s", from[len] != '\0' ? "..." : "");
}

static void put_date(struct text *text, int64_t unix_s) {
    char date[DATETIME_LEN_MAX];
    size_t len = unix_s == DATETIME_NONE ? 0 : datetime_format_date(date, unix_s);
    put(text, "%.*s", (int)len, len > 0 ? date : "");
}

static void put_pin(struct text *text, const struct snapshot_cert *cert) {
    char pin[BASE64_SHA256_LEN];
    if (cert == NULL || !cert->has_spki) {
        put(text, "an unknown key");
        return;
    }
    base64_encode(pin, span_of(cert->spki_sha256, SHA256_LEN));
    put(text, "sha256/%.*s", BASE64_SHA256_LEN, pin);
}

static const struct snapshot_cert *cert_of(const struct snapshot *snapshot,
                                           const struct diff_side *side) {
    return side->cert == SNAPSHOT_NONE ? NULL : &snapshot->certs[side->cert];
}

static const struct snapshot_cert *anchor_of(const struct snapshot *snapshot,
                                             const struct diff_side *side, const char *trust) {
    if (side->view == SNAPSHOT_NONE || snapshot->views[side->view].chain == SNAPSHOT_NONE) {
        return NULL;
    }
    const struct snapshot_chain *chain = &snapshot->chains[snapshot->views[side->view].chain];
    uint32_t profile = snapshot_find_profile(snapshot, trust);
    uint32_t idx =
        profile == SNAPSHOT_NONE ? SNAPSHOT_NONE : snapshot_preferred(snapshot, chain, profile);
    if (idx == SNAPSHOT_NONE) {
        return NULL;
    }
    const struct snapshot_path *path = &snapshot->paths[idx];
    return &snapshot->certs[snapshot->path_certs[path->first_cert + path->cert_count - 1]];
}

static void put_names(struct text *text, const char *before, const char *after) {
    put_safe(text, before, 100);
    put(text, " -> ");
    put_safe(text, after, 100);
}

/* Of CAs, whose names are no identity. */
static void put_cas(struct text *text, const char *before, const char *after) {
    if (strcmp(before, after) != 0) {
        put_names(text, before, after);
    } else {
        put_safe(text, after, 100);
        put(text, ", now with another key");
    }
}

/* Of a set that failed: why; of a target: the worst set, and why. */
static void put_reason(struct text *text, const struct snapshot *snapshot, uint32_t target_idx,
                       uint32_t set_idx) {
    const struct snapshot_target *target = &snapshot->targets[target_idx];
    for (uint32_t i = 0; set_idx == SNAPSHOT_NONE && i < target->set_count; i++) {
        if (snapshot->sets[target->first_set + i].verdict == target->verdict) {
            set_idx = target->first_set + i;
        }
    }
    if (set_idx == SNAPSHOT_NONE) {
        return;
    }
    const struct snapshot_set *set = &snapshot->sets[set_idx];
    put(text, " (");
    put_safe(text, set->name, 60);
    if (set->reason[0] != '\0') {
        put(text, ": ");
        put_safe(text, set->reason, 100);
    }
    put(text, ")");
}

static void put_sets(struct text *text, const struct diff *diff, const struct diff_change *change) {
    const struct snapshot_set *was = &diff->before->sets[change->before.set],
                              *is = &diff->after->sets[change->after.set];
    if (was->verdict != is->verdict) {
        put(text, "%s -> %s", verdict_text(was->verdict), verdict_text(is->verdict));
    } else if (was->would_be != is->would_be) {
        put(text, "%s; would be %s -> %s", verdict_text(is->verdict), verdict_text(was->would_be),
            verdict_text(is->would_be));
    } else {
        put(text, "%s; %s", verdict_text(is->verdict),
            is->durable ? "every valid path matches again" : "another valid path would fail");
    }
    put_reason(text, diff->after, change->after.target, change->after.set);
}

static void put_window(struct text *text, const struct diff *diff,
                       const struct diff_change *change) {
    if (change->window_days == 0) {
        put(text, "expired: ");
    } else {
        put(text, "under %d day%s: ", change->window_days, change->window_days == 1 ? "" : "s");
    }
    const struct snapshot_cert *cert = cert_of(diff->after, &change->after);
    if (change->after.set != SNAPSHOT_NONE) {
        const struct snapshot_set *set = &diff->after->sets[change->after.set];
        put(text, "pin set ");
        put_safe(text, set->name, 60);
        put(text, ", ");
        put_date(text, set->expires);
    } else if (cert != NULL) {
        put_safe(text, cert->subject[0] != '\0' ? cert->subject : "a certificate", 100);
        put(text, ", ");
        put_date(text, cert->not_after);
    }
}

static void put_change(struct text *text, const struct diff *diff,
                       const struct diff_change *change) {
    const struct snapshot *before = diff->before, *after = diff->after;
    const struct snapshot_cert *was = cert_of(before, &change->before),
                               *is = cert_of(after, &change->after);
    const char *trust = change->trust == UINT8_MAX ? "" : after->profiles[change->trust];
    switch ((enum diff_kind)change->kind) {
    case DIFF_VERDICT_WORSE:
    case DIFF_VERDICT_CHANGED:
    case DIFF_VERDICT_BETTER:
        put(text, "%s -> %s", verdict_text(before->targets[change->before.target].verdict),
            verdict_text(after->targets[change->after.target].verdict));
        put_reason(text, after, change->after.target, SNAPSHOT_NONE);
        break;
    case DIFF_PIN_SET_WORSE:
    case DIFF_PIN_SET_CHANGED:
    case DIFF_PIN_SET_BETTER:
        put_sets(text, diff, change);
        break;
    case DIFF_PIN_SET_GONE:
        put(text, "was %s", verdict_text(before->sets[change->before.set].verdict));
        put_reason(text, before, change->before.target, change->before.set);
        break;
    case DIFF_PIN_SET_NEW:
        put(text, "%s", verdict_text(after->sets[change->after.set].verdict));
        put_reason(text, after, change->after.target, change->after.set);
        break;
    case DIFF_UNREACHABLE:
    case DIFF_REACHABLE:
        put(text, "%s -> %s", outcome_text(before->targets[change->before.target].status),
            outcome_text(after->targets[change->after.target].status));
        break;
    case DIFF_ADDRESS_UNREACHABLE:
        put_safe(text, after->views[change->after.view].address, 64);
        put(text, ": %s", outcome_text(after->views[change->after.view].status));
        break;
    case DIFF_PKIX_WORSE:
    case DIFF_PKIX_CHANGED:
    case DIFF_PKIX_BETTER:
        put_safe(text, trust, TRUST_NAME_MAX);
        put(text, ": %s -> %s", pkix_text((enum pkix)change->pkix_before),
            pkix_text((enum pkix)change->pkix_after));
        break;
    case DIFF_NAME_MISMATCH:
    case DIFF_NAME_MATCH:
        put_safe(text, is != NULL ? is->subject : "", 100);
        break;
    case DIFF_EXPIRY_WINDOW:
        put_window(text, diff, change);
        break;
    case DIFF_NEW:
        put(text, "%s, %s", outcome_text(after->targets[change->after.target].status),
            verdict_text(after->targets[change->after.target].verdict));
        break;
    case DIFF_GONE:
        put(text, "was %s, %s", outcome_text(before->targets[change->before.target].status),
            verdict_text(before->targets[change->before.target].verdict));
        break;
    case DIFF_ROOT_CHANGED: {
        const struct snapshot_cert *x = anchor_of(before, &change->before, trust),
                                   *y = anchor_of(after, &change->after, trust);
        put_safe(text, trust, TRUST_NAME_MAX);
        put(text, ": ");
        put_cas(text, x != NULL ? x->subject : "", y != NULL ? y->subject : "");
        break;
    }
    case DIFF_ISSUER_CHANGED:
        put_cas(text, was != NULL ? was->issuer : "", is != NULL ? is->issuer : "");
        break;
    case DIFF_KEY_ROTATED:
        put_pin(text, was);
        put(text, " -> ");
        put_pin(text, is);
        break;
    case DIFF_PATH_CHANGED:
        put_safe(text, trust, TRUST_NAME_MAX);
        put(text, ": other certificates between leaf and root");
        break;
    case DIFF_CHAIN_CHANGED:
        put(text, "%u -> %u certificates sent",
            before->chains[before->views[change->before.view].chain].cert_count,
            after->chains[after->views[change->after.view].chain].cert_count);
        break;
    case DIFF_RENEWED:
        put(text, "until ");
        put_date(text, was != NULL ? was->not_after : DATETIME_NONE);
        put(text, " -> ");
        put_date(text, is != NULL ? is->not_after : DATETIME_NONE);
        break;
    case DIFF_KEY_TYPE_LOST:
        put_pin(text, was);
        break;
    case DIFF_KEY_TYPE_NEW:
        put_pin(text, is);
        break;
    case DIFF_ADDRESS_CHANGED:
        put_names(text, before->views[change->before.view].address,
                  after->views[change->after.view].address);
        break;
    case DIFF_KIND_COUNT:
        break;
    }
    if (change->key_type < KEY_VIEW_COUNT && change->key_type != KEY_VIEW_ANY) {
        put(text, " [%s]", key_view_text((enum key_view)change->key_type));
    }
}

size_t diff_describe(const struct diff *diff, const struct diff_change *change, char *out,
                     size_t size) {
    struct text text = {.at = out, .left = size};
    *out = '\0';
    put_change(&text, diff, change);
    return (size_t)(text.at - out);
}

/* --- all of it --- */

static void tell_sweep(FILE *out, const char *which, const struct snapshot *snapshot) {
    char number[COUNT_TEXT_MAX], line[1024], time[DATETIME_LEN_MAX];
    struct text text = {.at = line, .left = sizeof line};
    put(&text, "%-8s", which);
    put_safe(&text, snapshot->meta.source, 200);
    put(&text, ": sweep ");
    put_safe(&text, snapshot->meta.sweep, 100);
    if (snapshot->meta.started_ms != 0) {
        size_t len = datetime_format(time, snapshot->meta.started_ms / 1000);
        put(&text, ", %.*s", (int)len, time);
    }
    fprintf(out, "%s, %s targets%s\n", line, count_text(number, snapshot->targets_count),
            snapshot->meta.whole ? "" : " (the sweep did not end by itself: some may be missing)");
}

static void tell_counts(const struct diff *diff, FILE *out) {
    char a[COUNT_TEXT_MAX], b[COUNT_TEXT_MAX], c[COUNT_TEXT_MAX], d[COUNT_TEXT_MAX];
    fprintf(out, "endpoints  %s in both, %s of them unchanged; %s new, %s gone\n",
            count_text(a, diff->matched), count_text(b, diff->unchanged),
            count_text(c, diff->counts[DIFF_NEW]), count_text(d, diff->counts[DIFF_GONE]));
    if (diff->not_compared > 0) {
        fprintf(out, "           %s not compared: one of the sweeps did not ask them\n",
                count_text(a, diff->not_compared));
    }
    fprintf(out, "regressions  %s\n", count_text(a, diff->regressions));
    for (int i = 0; i < DIFF_KIND_COUNT; i++) {
        if (diff->counts[i] > 0) {
            fprintf(out, "%12s  %-20s %s\n", count_text(a, diff->counts[i]), diff_kinds[i].name,
                    diff_kinds[i].meaning);
        }
    }
}

static void tell_change(const struct diff *diff, const struct diff_change *change, FILE *out) {
    char detail[512], name[512];
    struct text text = {.at = name, .left = sizeof name};
    const struct snapshot_target *target = change->after.target != SNAPSHOT_NONE
                                               ? &diff->after->targets[change->after.target]
                                               : &diff->before->targets[change->before.target];
    bool v6 = strchr(target->host, ':') != NULL;
    put(&text, "%s", v6 ? "[" : "");
    put_safe(&text, target->host, 300);
    put(&text, "%s:%u", v6 ? "]" : "", target->port);
    if (target->sni[0] != '\0' && strcmp(target->sni, target->host) != 0) {
        put(&text, " sni=");
        put_safe(&text, target->sni, 100);
    }
    diff_describe(diff, change, detail, sizeof detail);
    fprintf(out, "%c %-40s  %s\n", change->regression ? '!' : ' ', name, detail);
}

bool diff_tell(const struct diff *diff, FILE *out, uint64_t limit) {
    char number[COUNT_TEXT_MAX];
    tell_sweep(out, "before", diff->before);
    tell_sweep(out, "after", diff->after);
    tell_counts(diff, out);
    uint32_t at = 0;
    for (int kind = 0; kind < DIFF_KIND_COUNT; kind++) {
        uint64_t told = 0;
        if (at < diff->change_count && diff->changes[at].kind == kind && limit > 0) {
            fprintf(out, "\n%s\n", diff_kinds[kind].name);
        }
        for (; at < diff->change_count && diff->changes[at].kind == kind; at++) {
            if (told < limit) {
                tell_change(diff, &diff->changes[at], out);
                told++;
            }
        }
        if (limit > 0 && diff->counts[kind] > told) {
            fprintf(out, "  %s more (--limit)\n", count_text(number, diff->counts[kind] - told));
        }
    }
    return fflush(out) == 0 && ferror(out) == 0;
}
