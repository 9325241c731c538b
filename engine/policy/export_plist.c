/* Property lists in XML (plist(5)) for Apple's NSPinnedDomains and for TrustKit. Each is the part
   of an app's Info.plist that holds pins, to be put into it. */
#include "engine/policy/export_set.h"

void export_plist_begin(struct export_text *text) {
    export_put(text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                     "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
                     "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
                     "<plist version=\"1.0\">\n<dict>\n");
}

void export_plist_end(struct export_text *text) {
    export_put(text, "</dict>\n</plist>\n");
}

void export_xml_comment(struct export_text *text, int indent, const char *words) {
    if (words[0] != '\0') {
        export_putf(text, "%*s<!-- ", indent, "");
        export_put_comment(text, words);
        export_put(text, " -->\n");
    }
}

static void put_key(struct export_text *out, int indent, const char *key) {
    export_putf(out, "%*s<key>", indent, "");
    export_put_xml(out, key);
    export_put(out, "</key>\n");
}

static void put_string(struct export_text *out, int indent, const char *words) {
    export_putf(out, "%*s<string>", indent, "");
    export_put_xml(out, words);
    export_put(out, "</string>\n");
}

static void put_pin(struct export_text *out, int indent, const struct pin *pin) {
    export_putf(out, "%*s<string>", indent, "");
    export_put_base64(out, pin->value);
    export_put(out, "</string>\n");
}

/* --- Apple (developer.apple.com, "Identity pinning") --- */

const struct export_traits export_apple_traits = {
    .client = PIN_CLIENT_APPLE,
    .name = "Apple",
    .search = EXPORT_LISTS,
    .reaches = EXPORT_BIT(EXPORT_NAME) | EXPORT_BIT(EXPORT_PLUS_ONE),
    .algs = EXPORT_BIT(PIN_SHA256),
};

static void put_identities(struct export *export, const struct export_plan *plan, const char *key,
                           enum pin_list list) {
    struct export_text *out = &export->out->file;
    bool begun = false;
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        const struct pin *pin = &plan->pins[i];
        if (pin->list != list) {
            continue;
        }
        if (!begun) {
            put_key(out, 16, key);
            export_put(out, "                <array>\n");
            begun = true;
        }
        export_put(out, "                    <dict>\n");
        export_xml_comment(out, 24, export_pin_comment(export, pin));
        put_key(out, 24, "SPKI-SHA256-BASE64");
        put_pin(out, 24, pin);
        export_put(out, "                    </dict>\n");
    }
    export_put(out, begun ? "                </array>\n" : "");
}

static void put_apple_host(struct export *export, const struct export_plan *plan,
                           const struct export_host *host) {
    struct export_text *out = &export->out->file;
    put_key(out, 12, host->name);
    export_put(out, "            <dict>\n");
    export_xml_comment(out, 16, export_set_comment(export, plan));
    if (host->reach == EXPORT_PLUS_ONE) {
        put_key(out, 16, "NSIncludesSubdomains");
        export_put(out, "                <true/>\n");
    }
    put_identities(export, plan, "NSPinnedCAIdentities", PIN_LIST_CA);
    put_identities(export, plan, "NSPinnedLeafIdentities", PIN_LIST_LEAF);
    export_put(out, "            </dict>\n");
}

enum err export_apple(struct export *export) {
    struct export_text *out = &export->out->file;
    export_plist_begin(out);
    put_key(out, 4, "NSAppTransportSecurity");
    export_put(out, "    <dict>\n");
    put_key(out, 8, "NSPinnedDomains");
    export_put(out, "        <dict>\n");
    for (uint32_t i = 0; i < export->count; i++) {
        for (uint32_t j = 0; j < export->plans[i].host_count; j++) {
            put_apple_host(export, &export->plans[i], &export->plans[i].hosts[j]);
        }
    }
    export_put(out, "        </dict>\n    </dict>\n");
    export_plist_end(out);
    return ERR_NONE;
}

/* --- TrustKit --- */

const struct export_traits export_trustkit_traits = {
    .client = PIN_CLIENT_TRUSTKIT,
    .name = "TrustKit",
    .search = EXPORT_PATH,
    .reaches = EXPORT_BIT(EXPORT_NAME) | EXPORT_BIT(EXPORT_ANY_DEPTH),
    .excludes = EXPORT_BIT(EXPORT_NAME),
    .algs = EXPORT_BIT(PIN_SHA256),
    .expiry = true,
    .report_only = true,
    .pins_min = 2,
    .few_if_unenforced = true,
    .few = "TrustKit throws at start",
};

static void put_truth(struct export_text *out, const char *key, bool truth) {
    put_key(out, 16, key);
    export_put(out, truth ? "                <true/>\n" : "                <false/>\n");
}

/* `extra` keeps where failures are reported to. */
static void put_reports(struct export_text *out, const struct export_plan *plan) {
    const char *disabled = export_extra(plan, "disable_default_report_uri");
    const struct policy_node *uris =
        plan->extra != NULL ? policy_yaml_find(plan->extra, "report_uris") : NULL;
    if (strcmp(disabled, "true") == 0 || strcmp(disabled, "false") == 0) {
        put_truth(out, "TSKDisableDefaultReportUri", strcmp(disabled, "true") == 0);
    }
    if (uris == NULL || uris->kind != POLICY_LIST || uris->count == 0) {
        return;
    }
    put_key(out, 16, "TSKReportUris");
    export_put(out, "                <array>\n");
    for (uint32_t i = 0; i < uris->count; i++) {
        if (uris->items[i]->kind == POLICY_SCALAR) {
            put_string(out, 20, (const char *)uris->items[i]->text.data);
        }
    }
    export_put(out, "                </array>\n");
}

static void put_trustkit_host(struct export *export, const struct export_plan *plan,
                              const struct export_host *host) {
    struct export_text *out = &export->out->file;
    char date[DATETIME_LEN_MAX];
    put_key(out, 12, host->name);
    export_put(out, "            <dict>\n");
    export_xml_comment(out, 16, export_set_comment(export, plan));
    if (host->reach == EXPORT_ANY_DEPTH) {
        put_truth(out, "TSKIncludeSubdomains", true);
    }
    if (plan->report_only) {
        put_truth(out, "TSKEnforcePinning", false);
    }
    if (plan->expires != DATETIME_NONE) {
        datetime_format_date(date, plan->expires);
        put_key(out, 16, "TSKExpirationDate");
        put_string(out, 16, date);
    }
    put_reports(out, plan);
    put_key(out, 16, "TSKPublicKeyHashes");
    export_put(out, "                <array>\n");
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        export_xml_comment(out, 20, export_pin_comment(export, &plan->pins[i]));
        put_pin(out, 20, &plan->pins[i]);
    }
    export_put(out, "                </array>\n            </dict>\n");
}

/* A public suffix with subdomains makes TrustKit throw. */
static enum err check_suffixes(struct export *export, const struct export_plan *plan) {
    for (uint32_t i = 0; i < plan->host_count; i++) {
        const struct export_host *host = &plan->hosts[i];
        if (host->reach == EXPORT_ANY_DEPTH && strchr(host->name, '.') == NULL) {
            return export_refuse(export, plan->set, host->name,
                                 "TrustKit throws at start for what is below a public suffix: name "
                                 "a domain below it");
        }
    }
    return ERR_NONE;
}

enum err export_trustkit(struct export *export) {
    struct export_text *out = &export->out->file;
    uint32_t excluded_count = 0;
    const struct export_host *excluded = export_exclusions(export, &excluded_count);
    export_plist_begin(out);
    put_key(out, 4, "TSKConfiguration");
    export_put(out, "    <dict>\n");
    put_key(out, 8, "TSKPinnedDomains");
    export_put(out, "        <dict>\n");
    for (uint32_t i = 0; i < export->count; i++) {
        enum err err = check_suffixes(export, &export->plans[i]);
        if (err != ERR_NONE) {
            return err;
        }
        for (uint32_t j = 0; j < export->plans[i].host_count; j++) {
            put_trustkit_host(export, &export->plans[i], &export->plans[i].hosts[j]);
        }
    }
    for (uint32_t i = 0; i < excluded_count; i++) {
        put_key(out, 12, excluded[i].name);
        export_put(out, "            <dict>\n");
        put_truth(out, "TSKExcludeSubdomainFromParentPolicy", true);
        export_put(out, "            </dict>\n");
    }
    export_put(out, "        </dict>\n    </dict>\n");
    export_plist_end(out);
    return ERR_NONE;
}
