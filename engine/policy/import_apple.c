/* NSPinnedDomains (developer.apple.com, "Identity pinning"): host > NSIncludesSubdomains,
   NSPinnedCAIdentities and NSPinnedLeafIdentities, each a list of SPKI-SHA256-BASE64. Both lists
   must match if both are there. Apple drops what it cannot read in silence: here that is an
   error. */
#include "engine/policy/import_plist.h"

#define DIGEST "SPKI-SHA256-BASE64"

static enum err read_identity(struct import *import, const char *host, const char *key,
                              const struct plist_value *identity, enum pin_list list,
                              struct import_set *set) {
    const struct plist_value *digest = plist_get(identity, DIGEST);
    if (digest == NULL || digest->kind != PLIST_STRING) {
        return import_fail(import, identity->line, host,
                           "%s holds something else than a <dict> with " DIGEST
                           " and a <string>, Apple drops it: correct it",
                           key);
    }
    struct pin pin;
    enum err err = import_read_pin(import, digest->line, host, PIN_SHA256, digest->text, &pin);
    if (err == ERR_NONE) {
        pin.list = list;
        import_set_add_pin(import, set, &pin);
    }
    return err;
}

static enum err read_list(struct import *import, const char *host, const struct plist_value *domain,
                          const char *key, enum pin_list list, struct import_set *set) {
    const struct plist_value *identities = NULL;
    enum err err = plist_expect(import, domain, key, host, PLIST_ARRAY, &identities);
    if (err == ERR_NONE && identities != NULL && identities->count == 0) {
        return import_fail(import, identities->line, host,
                           "%s is empty: add an identity, or take the key out", key);
    }
    for (uint32_t i = 0; err == ERR_NONE && identities != NULL && i < identities->count; i++) {
        err = read_identity(import, host, key, identities->entries[i].value, list, set);
    }
    return err;
}

static enum err read_domain(struct import *import, const struct plist_entry *entry,
                            struct import_domain *out) {
    const struct plist_value *domain = entry->value;
    struct import_set *set = arena_alloc(&import->scratch, sizeof *set);
    struct pin_host host;
    enum err err = import_read_host(import, domain->line, span_str(entry->key), false, &host);
    if (err != ERR_NONE) {
        return err;
    }
    if (domain->kind != PLIST_DICT) {
        return import_fail(import, domain->line, host.name,
                           "wants a <dict> with NSPinnedCAIdentities or NSPinnedLeafIdentities");
    }
    import_set_begin(import, set, PIN_CLIENT_APPLE, domain->line);
    import_set_add_host(import, set, host);
    set->set->name = plist_set_name(import, PIN_CLIENT_APPLE, host.name);
    err = plist_read_bool(import, domain, "NSIncludesSubdomains", host.name,
                          &set->set->include_subdomains);
    if (err == ERR_NONE) {
        err = read_list(import, host.name, domain, "NSPinnedCAIdentities", PIN_LIST_CA, set);
    }
    if (err == ERR_NONE) {
        err = read_list(import, host.name, domain, "NSPinnedLeafIdentities", PIN_LIST_LEAF, set);
    }
    if (err == ERR_NONE && set->pin_count == 0) {
        return import_fail(import, domain->line, host.name,
                           "has neither NSPinnedCAIdentities nor NSPinnedLeafIdentities: add one");
    }
    *out = (struct import_domain){.name = host.name, .line = domain->line, .set = set};
    return err;
}

enum err import_apple(struct import *import, const struct plist_value *domains) {
    struct import_domain *read = arena_alloc(&import->scratch, (domains->count + 1) * sizeof *read);
    struct import_set **sets = arena_alloc(&import->scratch, (domains->count + 1) * sizeof(*sets));
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < domains->count && err == ERR_NONE; i++) {
        err = read_domain(import, &domains->entries[i], &read[i]);
        sets[i] = read[i].set;
    }
    if (err == ERR_NONE) { /* names that differ in case alone */
        err = import_domains_settle(import, read, domains->count);
    }
    for (uint32_t i = 0; i < domains->count && err == ERR_NONE; i++) {
        err = import_set_end(import, sets[i]);
    }
    return err;
}
