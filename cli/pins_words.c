#include "cli/pins_words.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/codec/datetime.h"
#include "engine/codec/netaddr.h"

static const char *in_arena(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

static const char *in_arena(struct arena *arena, const char *format, ...) {
    char text[2 * HOST_MAX + 200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return arena_copy_text(arena, span_str(text));
}

const char *pins_host_text(struct arena *arena, const struct pin_host *host) {
    static const char *const prefixes[] = {
        [PIN_PATTERN_NAME] = "", [PIN_PATTERN_ONE_LABEL] = "*.", [PIN_PATTERN_ANY_DEPTH] = "**."};
    bool brackets = host->port != 0 && strchr(host->name, ':') != NULL;
    char port[8] = "";
    if (host->port != 0) {
        snprintf(port, sizeof port, ":%u", host->port);
    }
    return in_arena(arena, "%s%s%s%s%s", prefixes[host->pattern], brackets ? "[" : "", host->name,
                    brackets ? "]" : "", port);
}

const char *pins_words_host(struct arena *arena, const struct pin_set *set,
                            const struct pin_host *host) {
    struct netaddr address;
    char port[32] = "";
    if (host->port != 0) {
        snprintf(port, sizeof port, ", on port %u alone", host->port);
    }
    if (netaddr_parse(span_str(host->name), &address)) {
        return in_arena(arena, "this address%s", port);
    }
    switch (host->pattern) {
    case PIN_PATTERN_ONE_LABEL:
        return in_arena(arena, "names one label below %s, not itself%s", host->name, port);
    case PIN_PATTERN_ANY_DEPTH:
        return in_arena(arena, "%s and everything below it%s", host->name, port);
    case PIN_PATTERN_NAME:
        break;
    }
    if (!set->include_subdomains) {
        return in_arena(arena, "this name alone%s", port);
    }
    return in_arena(arena,
                    set->host_rule == PIN_HOST_ONE_LABEL ? "this name and names one label below%s"
                                                         : "this name and everything below%s",
                    port);
}

const char *pins_words_rule(const struct pin_set *set) {
    switch (set->host_rule) {
    case PIN_HOST_EXACT:
        return "a host of several pin sets must match each of them";
    case PIN_HOST_LONGEST:
        return "of an application's patterns for a host the most specific counts alone";
    case PIN_HOST_ONE_LABEL:
    case PIN_HOST_UNION:
        return "the pins of all of an application's patterns for a host add up";
    }
    return "";
}

static bool has_list(const struct pin_set *set, enum pin_list list) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        if (set->pins[i].list == list) {
            return true;
        }
    }
    return false;
}

const char *pins_words_search(const struct pin_set *set) {
    bool leaf = has_list(set, PIN_LIST_LEAF), ca = has_list(set, PIN_LIST_CA);
    if (set->client == PIN_CLIENT_DANE) {
        return "TLSA: the usage says where: 0 a CA of a valid path, 1 the leaf of a valid path, 2 "
               "an issuer that was sent, 3 the leaf; one match is enough";
    }
    switch (set->scope) {
    case PIN_SCOPE_PATH:
        return "searches the built path: leaf, intermediates and the anchor, never extra "
               "certificates; one match is enough";
    case PIN_SCOPE_LEAF:
        return "compares the leaf alone: a CA's pin never matches";
    case PIN_SCOPE_CA_ONLY:
        return "searches the CAs of the built path, the anchor included, not the leaf; one match "
               "is enough";
    case PIN_SCOPE_PRESENTED:
        return "searches all that was sent, on a path or not; the anchor counts if it was sent";
    case PIN_SCOPE_LEAF_AND_CA:
        return leaf && ca ? "wants a match in both lists: a leaf pin at the leaf, a CA pin at a CA "
                            "of the built path, the anchor included"
               : leaf     ? "compares the leaf of a built path; one match is enough"
                      : "searches the CAs of the built path, the anchor included, not the leaf; "
                        "one match is enough";
    }
    return "";
}

const char *pins_words_expiry(const struct pin_set *set) {
    if (set->expires == DATETIME_NONE) {
        return NULL;
    }
    switch (set->on_expiry) {
    case PIN_FAIL_OPEN:
        return "from then on clients no longer pin, and say nothing";
    case PIN_FAIL_CLOSED:
        return "from then on clients refuse every connection";
    case PIN_EXPIRY_NONE:
        return "for people alone: clients go on pinning";
    }
    return NULL;
}

const char *pins_words_tlsa(struct arena *arena, const struct pin *pin) {
    if (pin->tlsa_usage == PIN_TLSA_NONE) {
        return "";
    }
    return in_arena(arena, "%d %d %d", pin->tlsa_usage, pin->of == PIN_OF_CERT ? 0 : 1,
                    pin->alg == PIN_EXACT    ? 0
                    : pin->alg == PIN_SHA512 ? 2
                                             : 1);
}
