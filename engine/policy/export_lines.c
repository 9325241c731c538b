/* The formats made of lines: OkHttp, HPKP, curl and TLSA, as import_okhttp.c, import_hpkp.c,
   import_curl.c and import_tlsa.c read them. */
#include "engine/policy/export_set.h"

void export_line_comment(struct export_text *text, const char *mark, const char *words) {
    if (words[0] != '\0') {
        export_putf(text, "%s ", mark);
        export_put_comment(text, words);
        export_put(text, "\n");
    }
}

/* The set's remarks, and those of its pins. */
static void put_comments(struct export *export, const struct export_plan *plan, const char *mark) {
    struct export_text *out = &export->out->file;
    export_line_comment(out, mark, export_set_comment(export, plan));
    for (uint32_t i = 0; i < plan->pin_count; i++) {
        const char *remark = export_pin_comment(export, &plan->pins[i]);
        bool again = i > 0 && strcmp(plan->pins[i - 1].text, plan->pins[i].text) == 0;
        if (remark[0] != '\0' && !again) {
            export_putf(out, "%s   %.60s%s ", mark, plan->pins[i].text,
                        strlen(plan->pins[i].text) > 60 ? "..." : "");
            export_put_comment(out, remark);
            export_put(out, "\n");
        }
    }
}

/* --- OkHttp --- */

const struct export_traits export_okhttp_traits = {
    .client = PIN_CLIENT_OKHTTP,
    .name = "OkHttp",
    .search = EXPORT_PATH,
    .reaches =
        EXPORT_BIT(EXPORT_NAME) | EXPORT_BIT(EXPORT_ONE_LABEL) | EXPORT_BIT(EXPORT_ANY_DEPTH),
    .algs = EXPORT_BIT(PIN_SHA256) | EXPORT_BIT(PIN_SHA1),
    .repeats = true,
};

enum err export_okhttp(struct export *export) {
    static const char *const prefixes[] = {
        [EXPORT_NAME] = "", [EXPORT_ONE_LABEL] = "*.", [EXPORT_ANY_DEPTH] = "**."};
    struct export_text *out = &export->out->file;
    export_put(out, "# OkHttp CertificatePinner: pattern, then pins; each line is "
                    "CertificatePinner.Builder().add(pattern, pins).\n");
    for (uint32_t i = 0; i < export->count; i++) {
        const struct export_plan *plan = &export->plans[i];
        put_comments(export, plan, "#");
        for (uint32_t j = 0; j < plan->host_count; j++) {
            export_putf(out, "%s%s", prefixes[plan->hosts[j].reach], plan->hosts[j].name);
            for (uint32_t k = 0; k < plan->pin_count; k++) {
                export_putf(out, " %s", plan->pins[k].text);
            }
            export_put(out, "\n");
        }
    }
    return ERR_NONE;
}

/* --- HPKP (RFC 7469) --- */

#define MAX_AGE "5184000" /* 60 days, as the RFC's examples and its section 4.1 have it */

const struct export_traits export_hpkp_traits = {
    .client = PIN_CLIENT_HPKP,
    .name = "HPKP",
    .search = EXPORT_PATH,
    .reaches = EXPORT_BIT(EXPORT_NAME) | EXPORT_BIT(EXPORT_ANY_DEPTH),
    .algs = EXPORT_BIT(PIN_SHA256),
    .report_only = true,
    .pins_min = 2,
    .few = "user agents ignore the header (RFC 7469 section 4.3)",
};

/* RFC 3986: what would end the quoted string is percent-encoded. */
static void put_uri(struct export_text *out, const char *uri) {
    for (; *uri != '\0'; uri++) {
        if (*uri == '"' || *uri == '\\') {
            export_putf(out, "%%%02X", (unsigned)(unsigned char)*uri);
        } else {
            export_put_span(out, span_of(uri, 1));
        }
    }
}

static void put_header(struct export_text *out, const struct export_plan *plan,
                       const struct export_host *host) {
    const char *max_age = export_extra(plan, "max_age"), *uri = export_extra(plan, "report_uri");
    bool given = max_age[0] != '\0' && max_age[strspn(max_age, "0123456789")] == '\0';
    export_putf(out, "%s Public-Key-Pins%s:", host->name, plan->report_only ? "-Report-Only" : "");
    for (uint32_t k = 0; k < plan->pin_count; k++) {
        export_put(out, " pin-sha256=\"");
        export_put_base64(out, plan->pins[k].value);
        export_put(out, "\";");
    }
    if (given || !plan->report_only) {
        export_putf(out, " max-age=%s;", given ? max_age : MAX_AGE);
    }
    if (host->reach == EXPORT_ANY_DEPTH) {
        export_put(out, " includeSubDomains;");
    }
    if (uri[0] != '\0') {
        export_put(out, " report-uri=\"");
        put_uri(out, uri);
        export_put(out, "\";");
    }
    out->bytes[--out->len] = '\0'; /* the last semicolon */
    export_put(out, "\n");
}

enum err export_hpkp(struct export *export) {
    struct export_text *out = &export->out->file;
    export_put(out, "# RFC 7469 headers, the host in front.\n");
    for (uint32_t i = 0; i < export->count; i++) {
        put_comments(export, &export->plans[i], "#");
        for (uint32_t j = 0; j < export->plans[i].host_count; j++) {
            put_header(out, &export->plans[i], &export->plans[i].hosts[j]);
        }
    }
    return ERR_NONE;
}

/* --- curl --- */

const struct export_traits export_curl_traits = {
    .client = PIN_CLIENT_CURL,
    .name = "curl",
    .search = EXPORT_LEAF,
    .reaches = EXPORT_BIT(EXPORT_NAME),
    .algs = EXPORT_BIT(PIN_SHA256),
    .ports = true,
};

enum err export_curl(struct export *export) {
    struct export_text *out = &export->out->file;
    export_put(out, "# curl --pinnedpubkey: the host, then the string.\n");
    for (uint32_t i = 0; i < export->count; i++) {
        const struct export_plan *plan = &export->plans[i];
        put_comments(export, plan, "#");
        for (uint32_t j = 0; j < plan->host_count; j++) {
            struct pin_host host = {.name = plan->hosts[j].name, .port = plan->hosts[j].port};
            export_putf(out, "%s ", export_host_text(export, &host));
            for (uint32_t k = 0; k < plan->pin_count; k++) {
                export_put(out, k > 0 ? ";sha256//" : "sha256//");
                export_put_base64(out, plan->pins[k].value);
            }
            export_put(out, "\n");
        }
    }
    return ERR_NONE;
}

/* --- TLSA (RFC 6698) --- */

const struct export_traits export_tlsa_traits = {
    .client = PIN_CLIENT_DANE,
    .name = "TLSA",
    .search = EXPORT_DANE,
    .reaches = EXPORT_BIT(EXPORT_NAME),
    .algs = EXPORT_BIT(PIN_SHA256) | EXPORT_BIT(PIN_SHA512) | EXPORT_BIT(PIN_EXACT),
    .certs = true,
    .ports = true,
    .repeats = true,
};

static unsigned matching_of(enum pin_alg alg) {
    return alg == PIN_EXACT ? 0 : alg == PIN_SHA512 ? 2 : 1;
}

static void put_record(struct export_text *out, const struct export_host *host,
                       const struct pin *pin, const char *ttl) {
    if (host->port != 0) {
        export_putf(out, "_%u._tcp.%s.", host->port, host->name);
    } else {
        export_putf(out, "*._tcp.%s.", host->name);
    }
    export_putf(out, "%s%s IN TLSA %d %d %u ", ttl[0] != '\0' ? " " : "", ttl, pin->tlsa_usage,
                pin->of == PIN_OF_CERT ? 0 : 1, matching_of(pin->alg));
    export_put_hex(out, pin->value);
    export_put(out, "\n");
}

enum err export_tlsa(struct export *export) {
    struct export_text *out = &export->out->file;
    for (uint32_t i = 0; i < export->count; i++) {
        const struct export_plan *plan = &export->plans[i];
        const char *ttl = export_extra(plan, "ttl");
        bool good = ttl[0] != '\0' && strspn(ttl, "0123456789smhdwSMHDW") == strlen(ttl) &&
                    ttl[0] >= '0' && ttl[0] <= '9';
        put_comments(export, plan, ";");
        for (uint32_t j = 0; j < plan->host_count; j++) {
            for (uint32_t k = 0; k < plan->pin_count; k++) {
                put_record(out, &plan->hosts[j], &plan->pins[k], good ? ttl : "");
            }
        }
    }
    return ERR_NONE;
}
