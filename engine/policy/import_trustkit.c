/* TrustKit's TSKPinnedDomains (github.com/datatheorem/TrustKit, "Getting started"): what makes it
   throw at start is an error. */
#include "engine/codec/datetime.h"
#include "engine/policy/import_plist.h"

#define EXCLUDE "TSKExcludeSubdomainFromParentPolicy"
#define PINS_MIN 2

static enum err read_pins(struct import *import, const char *host, const struct plist_value *domain,
                          struct import_set *set) {
    const struct plist_value *hashes = NULL;
    enum err err = plist_expect(import, domain, "TSKPublicKeyHashes", host, PLIST_ARRAY, &hashes);
    if (err == ERR_NONE && (hashes == NULL || hashes->count == 0)) {
        return import_fail(import, domain->line, host,
                           "has no TSKPublicKeyHashes: TrustKit throws, add two pins");
    }
    for (uint32_t i = 0; err == ERR_NONE && i < hashes->count; i++) {
        const struct plist_value *hash = hashes->entries[i].value;
        struct pin pin;
        if (hash->kind != PLIST_STRING) {
            return import_fail(import, hash->line, host,
                               "TSKPublicKeyHashes wants each a <string>");
        }
        err = import_read_pin(import, hash->line, host, PIN_SHA256, hash->text, &pin);
        if (err == ERR_NONE) {
            import_set_add_pin(import, set, &pin);
        }
    }
    if (err == ERR_NONE && !set->set->report_only && set->pin_count < PINS_MIN) {
        return import_fail(import, hashes->line, host,
                           "fewer than two different pins are enforced: TrustKit throws, add a "
                           "backup pin");
    }
    return err;
}

static enum err read_expiration(struct import *import, const char *host,
                                const struct plist_value *domain, struct pin_set *set) {
    const struct plist_value *date = plist_get(domain, "TSKExpirationDate");
    if (date == NULL) {
        return ERR_NONE;
    }
    if (date->kind == PLIST_DATE) {
        set->expires = date->date;
        return ERR_NONE;
    }
    if (date->kind != PLIST_STRING || date->text.len != strlen("yyyy-MM-dd") ||
        !datetime_parse(date->text, &set->expires)) {
        return import_fail(import, date->line, host,
                           "TSKExpirationDate \"%s\" is no date: write yyyy-MM-dd",
                           import_quote(import, date->text));
    }
    return ERR_NONE;
}

/* Where failures are reported to: kept for the way back. */
static enum err read_reports(struct import *import, const char *host,
                             const struct plist_value *domain, struct import_set *set) {
    const struct plist_value *uris = NULL, *disabled = NULL;
    enum err err =
        plist_expect(import, domain, "TSKDisableDefaultReportUri", host, PLIST_BOOL, &disabled);
    if (err == ERR_NONE && disabled != NULL) {
        import_extra_text(import, set, "disable_default_report_uri",
                          span_str(disabled->truth ? "true" : "false"));
    }
    if (err == ERR_NONE) {
        err = plist_expect(import, domain, "TSKReportUris", host, PLIST_ARRAY, &uris);
    }
    if (err != ERR_NONE || uris == NULL || uris->count == 0) {
        return err;
    }
    struct span *texts = arena_alloc(&import->scratch, uris->count * sizeof *texts);
    for (uint32_t i = 0; i < uris->count; i++) {
        const struct plist_value *uri = uris->entries[i].value;
        if (uri->kind != PLIST_STRING) {
            return import_fail(import, uri->line, host, "TSKReportUris wants each a <string>");
        }
        texts[i] = uri->text;
    }
    import_extra_list(import, set, "report_uris", texts, uris->count);
    return ERR_NONE;
}

static enum err read_pinned(struct import *import, struct pin_host host,
                            const struct plist_value *domain, struct import_domain *out) {
    struct import_set *set = arena_alloc(&import->scratch, sizeof *set);
    bool enforce = true;
    import_set_begin(import, set, PIN_CLIENT_TRUSTKIT, domain->line);
    import_set_add_host(import, set, host);
    set->set->name = plist_set_name(import, PIN_CLIENT_TRUSTKIT, host.name);
    enum err err = plist_read_bool(import, domain, "TSKIncludeSubdomains", host.name,
                                   &set->set->include_subdomains);
    if (err == ERR_NONE && set->set->include_subdomains && strchr(host.name, '.') == NULL) {
        return import_fail(import, domain->line, host.name,
                           "TSKIncludeSubdomains of a public suffix: TrustKit throws, name a "
                           "domain below it");
    }
    if (err == ERR_NONE) {
        err = plist_read_bool(import, domain, "TSKEnforcePinning", host.name, &enforce);
    }
    set->set->report_only = !enforce;
    if (err == ERR_NONE) {
        err = read_expiration(import, host.name, domain, set->set);
    }
    if (err == ERR_NONE) {
        err = read_reports(import, host.name, domain, set);
    }
    if (err == ERR_NONE) {
        err = read_pins(import, host.name, domain, set);
    }
    out->set = set;
    out->subdomains = set->set->include_subdomains;
    return err;
}

static enum err read_domain(struct import *import, const struct plist_entry *entry,
                            struct import_domain *out) {
    const struct plist_value *domain = entry->value;
    struct pin_host host;
    bool excluded = false;
    enum err err = import_read_host(import, domain->line, span_str(entry->key), false, &host);
    if (err != ERR_NONE) {
        return err;
    }
    if (domain->kind != PLIST_DICT) {
        return import_fail(import, domain->line, host.name,
                           "wants a <dict> with TSKPublicKeyHashes");
    }
    *out = (struct import_domain){.name = host.name, .line = domain->line};
    err = plist_read_bool(import, domain, EXCLUDE, host.name, &excluded);
    if (err == ERR_NONE && excluded && domain->count > 1) {
        return import_fail(import, domain->line, host.name,
                           EXCLUDE " stands alone: TrustKit throws, take the other keys out");
    }
    return err == ERR_NONE && !excluded ? read_pinned(import, host, domain, out) : err;
}

enum err import_trustkit(struct import *import, const struct plist_value *domains) {
    struct import_domain *read = arena_alloc(&import->scratch, (domains->count + 1) * sizeof *read);
    struct import_set **sets = arena_alloc(&import->scratch, (domains->count + 1) * sizeof(*sets));
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < domains->count && err == ERR_NONE; i++) {
        err = read_domain(import, &domains->entries[i], &read[i]);
        sets[i] = read[i].set;
    }
    if (err == ERR_NONE) {
        err = import_domains_settle(import, read, domains->count);
    }
    for (uint32_t i = 0; i < domains->count && err == ERR_NONE; i++) {
        err = sets[i] != NULL ? import_set_end(import, sets[i]) : ERR_NONE;
    }
    return err;
}
