/* Android's network_security_config.xml (developer.android.com, "Network security configuration").
   An exclusion is a domain-config of its own, without pins. Trust profiles are raw resources, but
   for "system"; report-only is anchors that override pins, which is what Android has. */
#include "engine/policy/export_set.h"

const struct export_traits export_android_traits = {
    .client = PIN_CLIENT_ANDROID,
    .name = "Android",
    .search = EXPORT_PATH,
    .reaches = EXPORT_BIT(EXPORT_NAME) | EXPORT_BIT(EXPORT_ANY_DEPTH),
    .excludes = EXPORT_BIT(EXPORT_NAME) | EXPORT_BIT(EXPORT_ANY_DEPTH),
    .algs = EXPORT_BIT(PIN_SHA256),
    .expiry = true,
    .report_only = true,
};

static bool is_resource_name(const char *name) {
    return (name[0] == '_' || (name[0] >= 'a' && name[0] <= 'z')) &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void put_domain(struct export_text *out, const struct export_host *host) {
    export_put(out, "        <domain includeSubdomains=");
    export_put(out, host->reach == EXPORT_ANY_DEPTH ? "\"true\">" : "\"false\">");
    export_put_xml(out, host->name);
    export_put(out, "</domain>\n");
}

static void put_pin_set(struct export *export, const struct export_plan *plan) {
    struct export_text *out = &export->out->file;
    char date[DATETIME_LEN_MAX];
    export_put(out, "        <pin-set");
    if (plan->expires != DATETIME_NONE) {
        datetime_format_date(date, plan->expires);
        export_putf(out, " expiration=\"%s\"", date);
    }
    export_put(out, ">\n");
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        export_xml_comment(out, 12, export_pin_comment(export, &plan->pins[i]));
        export_put(out, "            <pin digest=\"SHA-256\">");
        export_put_base64(out, plan->pins[i].value);
        export_put(out, "</pin>\n");
    }
    export_put(out, "        </pin-set>\n");
}

static void put_anchor(struct export_text *out, const char *folder, const char *name,
                       bool overrides) {
    export_putf(out, "            <certificates src=\"%s", folder);
    export_put_xml(out, name);
    export_putf(out, "\"%s/>\n", overrides ? " overridePins=\"true\"" : "");
}

/* Those that `extra` names: they override pins, and so are no trust profiles of the set. */
static void put_override_anchors(struct export_text *out, const struct policy_node *names) {
    for (uint32_t i = 0; i < names->count && names->kind == POLICY_LIST; i++) {
        const struct policy_node *name = names->items[i];
        const char *text = name->kind == POLICY_SCALAR ? (const char *)name->text.data : "";
        if (is_resource_name(text)) {
            put_anchor(out, strcmp(text, "system") == 0 ? "" : "@raw/", text, true);
        }
    }
}

/* What `extra` says of the user's anchors: "plain", or "override" if they override pins. */
static void put_anchors(struct export *export, const struct export_plan *plan) {
    const struct pin_set *set = plan->set;
    struct export_text *out = &export->out->file;
    const char *user = export_extra(plan, "user_anchors");
    const struct policy_node *overriding =
        plan->extra != NULL ? policy_yaml_find(plan->extra, "override_anchors") : NULL;
    bool named = set->trust_none;
    for (uint32_t i = 0; i < set->trust_count && !set->trust_none; i++) {
        bool system = strcmp(set->trust[i], "system") == 0;
        if (!system && !is_resource_name(set->trust[i])) {
            export_loss(export, set, NULL,
                        "trust profile %.64s is lost, a raw resource is named by a to z, _ and "
                        "0 to 9, no digit first: clients would trust what they trust without it",
                        set->trust[i]);
        } else {
            named = true;
        }
    }
    bool plain = named && !set->trust_none && set->trust_count == 1 &&
                 strcmp(set->trust[0], "system") == 0 && !plan->report_only && user[0] == '\0' &&
                 overriding == NULL;
    if (plain || ((!named || set->trust_none) && !plan->report_only)) {
        return; /* what Android does by itself */
    }
    export_put(out, "        <trust-anchors>\n");
    if (!named || set->trust_none) {
        put_anchor(out, "", "system", plan->report_only);
    }
    for (uint32_t i = 0; i < set->trust_count && !set->trust_none; i++) {
        bool system = strcmp(set->trust[i], "system") == 0;
        if (system || is_resource_name(set->trust[i])) {
            put_anchor(out, system ? "" : "@raw/", set->trust[i], plan->report_only);
        }
    }
    if (overriding != NULL && !plan->report_only) {
        put_override_anchors(out, overriding);
    }
    if (user[0] != '\0') {
        put_anchor(out, "", "user", strcmp(user, "override") == 0);
    }
    export_put(out, "        </trust-anchors>\n");
}

static void put_plan(struct export *export, const struct export_plan *plan) {
    struct export_text *out = &export->out->file;
    const char *cleartext = export_extra(plan, "cleartext");
    export_put(out, "    <domain-config");
    if (strcmp(cleartext, "true") == 0 || strcmp(cleartext, "false") == 0) {
        export_putf(out, " cleartextTrafficPermitted=\"%s\"", cleartext);
    }
    export_put(out, ">\n");
    export_xml_comment(out, 8, export_set_comment(export, plan));
    for (uint32_t i = 0; i < plan->host_count; i++) {
        put_domain(out, &plan->hosts[i]);
    }
    put_pin_set(export, plan);
    put_anchors(export, plan);
    export_put(out, "    </domain-config>\n");
}

enum err export_android(struct export *export) {
    struct export_text *out = &export->out->file;
    uint32_t excluded_count = 0;
    const struct export_host *excluded = export_exclusions(export, &excluded_count);
    export_put(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<network-security-config>\n");
    for (uint32_t i = 0; i < export->count; i++) {
        put_plan(export, &export->plans[i]);
    }
    for (uint32_t i = 0; i < excluded_count; i++) {
        export_put(out, "    <domain-config>\n");
        export_xml_comment(out, 8, "Without pins: taken out of what pins the names above it.");
        put_domain(out, &excluded[i]);
        export_put(out, "    </domain-config>\n");
    }
    export_put(out, "</network-security-config>\n");
    return ERR_NONE;
}
