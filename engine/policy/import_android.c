/* Android's network_security_config.xml (developer.android.com, "Network security configuration";
   the platform's parser is android.security.net.config.XmlConfigSource). What is fatal there is an
   error here; tags that it skips are skipped. */
#include <stdio.h>
#include <strings.h>

#include "engine/codec/datetime.h"
#include "engine/policy/import_xml.h"

/* A domain-config. */
struct config {
    const struct config *parent;
    struct config *next; /* in document order */
    const struct xml_element *element, *pin_set, *anchors;
    const struct xml_element **domains;
    uint32_t domain_count;
    struct import_set *set; /* NULL: no pins apply */
};

struct document {
    struct import *import;
    const struct xml_element *base_anchors;
    struct config *first, *last;
    size_t domain_count;
};

static bool is(const struct xml_element *element, const char *name) {
    return strcmp(element->name, name) == 0;
}

/* Attributes compile to booleans or numbers; the platform reads everything else as false. */
static enum err read_bool(struct import *import, const struct xml_element *element,
                          const char *name, bool *out) {
    const char *text = import_xml_attribute(element, name);
    struct span value = text != NULL ? span_trim(span_str(text)) : span_of("false", 5);
    static const char *const words[] = {"false", "true", "False", "True",
                                        "FALSE", "TRUE", "0",     "1"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (span_equal_str(value, words[i])) {
            *out = i % 2 == 1;
            return ERR_NONE;
        }
    }
    return import_fail(import, element->line, NULL,
                       "%s=\"%s\" is read as false by Android: write true or false", name,
                       import_quote(import, value));
}

static enum err refuse_inside(struct import *import, const struct xml_element *child,
                              const struct xml_element *parent) {
    return import_fail(import, child->line, NULL,
                       "<%s> is not allowed in <%s>, Android refuses the file: move it into a "
                       "<domain-config>",
                       child->name, parent->name);
}

static enum err take_once(struct import *import, const struct xml_element *element,
                          const struct xml_element **slot) {
    if (*slot != NULL) {
        return import_fail(import, element->line, NULL,
                           "a second <%s> (the first is at line %u), Android refuses the file: "
                           "make them one",
                           element->name, (*slot)->line);
    }
    *slot = element;
    return ERR_NONE;
}

/* base-config and debug-overrides: nothing but anchors matters, and only the base's. */
static enum err check_general(struct import *import, const struct xml_element *general,
                              const struct xml_element **out_anchors) {
    for (const struct xml_element *child = general->first; child != NULL; child = child->next) {
        enum err err = ERR_NONE;
        if (is(child, "pin-set") || is(child, "domain") || is(child, "domain-config")) {
            err = refuse_inside(import, child, general);
        } else if (is(child, "trust-anchors")) {
            err = take_once(import, child, out_anchors);
        }
        if (err != ERR_NONE) {
            return err;
        }
    }
    return ERR_NONE;
}

/* --- the tree of domain-configs --- */

static enum err read_config(struct document *document, const struct xml_element *element,
                            const struct config *parent);

static enum err read_config_child(struct document *document, struct config *config,
                                  const struct xml_element *child) {
    if (is(child, "pin-set")) {
        return take_once(document->import, child, &config->pin_set);
    }
    if (is(child, "trust-anchors")) {
        return take_once(document->import, child, &config->anchors);
    }
    if (is(child, "domain-config")) {
        return read_config(document, child, config); /* no deeper than the XML may nest */
    }
    if (is(child, "domain")) {
        config->domains[config->domain_count++] = child;
        document->domain_count++;
    }
    return ERR_NONE;
}

static enum err read_config(struct document *document, const struct xml_element *element,
                            const struct config *parent) {
    struct arena *scratch = &document->import->scratch;
    struct config *config = arena_alloc(scratch, sizeof *config);
    *config = (struct config){.element = element, .parent = parent};
    if (document->last != NULL) {
        document->last->next = config;
    } else {
        document->first = config;
    }
    document->last = config;
    uint32_t domains = 0;
    for (const struct xml_element *child = element->first; child != NULL; child = child->next) {
        domains += is(child, "domain");
    }
    if (domains == 0) {
        return import_fail(document->import, element->line, NULL,
                           "a <domain-config> without <domain>, Android refuses the file: name its "
                           "domains");
    }
    config->domains = arena_alloc(scratch, domains * sizeof *config->domains);
    enum err err = ERR_NONE;
    for (const struct xml_element *child = element->first; child != NULL && err == ERR_NONE;
         child = child->next) {
        err = read_config_child(document, config, child);
    }
    return err;
}

/* --- one pin set --- */

/* SimpleDateFormat("yyyy-MM-dd"), not lenient: one digit will do for month and day. */
static enum err read_expiration(struct import *import, const struct xml_element *element,
                                int64_t *out) {
    const char *text = import_xml_attribute(element, "expiration");
    int year = 0, month = 0, day = 0, end = 0;
    if (text == NULL) {
        return ERR_NONE;
    }
    char date[40]; /* three ints, whatever they are */
    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &end) == 3 && text[end] == '\0' &&
        strspn(text, "0123456789-") == strlen(text) && year >= 0 && month >= 0 && day >= 0) {
        snprintf(date, sizeof date, "%04d-%02d-%02d", year, month, day);
        if (datetime_parse(span_str(date), out)) {
            return ERR_NONE;
        }
    }
    return import_fail(import, element->line, NULL,
                       "expiration=\"%s\" is no date, Android refuses the file: write yyyy-MM-dd",
                       import_quote(import, span_str(text)));
}

static enum err read_pin(struct import *import, const char *host, const struct xml_element *element,
                         struct import_set *set) {
    const char *digest = import_xml_attribute(element, "digest");
    if (digest == NULL || strcasecmp(digest, "SHA-256") != 0) {
        return import_fail(import, element->line, host,
                           "digest=\"%s\" is not known to Android, which refuses the file: write "
                           "digest=\"SHA-256\"",
                           digest != NULL ? import_quote(import, span_str(digest)) : "");
    }
    if (element->first != NULL) {
        return import_fail(import, element->first->line, host,
                           "<%s> inside a <pin>, Android refuses the file: take it out",
                           element->first->name);
    }
    struct pin pin;
    enum err err =
        import_read_pin(import, element->line, host, PIN_SHA256, span_trim(element->text), &pin);
    if (err == ERR_NONE) {
        import_set_add_pin(import, set, &pin);
    }
    return err;
}

static enum err read_domain(struct import *import, const struct xml_element *element,
                            struct pin_host *out) {
    struct span text = span_trim(element->text);
    bool subdomains = false;
    if (element->first != NULL || text.len == 0) {
        return import_fail(import, element->line, NULL,
                           "a <domain> holds a name and nothing else, Android refuses the file: "
                           "write <domain>api.bank.example</domain>");
    }
    if (text.data[0] == '*' || text.data[text.len - 1] == '.') {
        return import_fail(import, element->line, NULL,
                           "\"%s\" never matches on Android: write the name without \"*.\" or a "
                           "trailing dot (includeSubdomains=\"true\" reaches what is below)",
                           import_quote(import, text));
    }
    enum err err = import_read_host(import, element->line, text, false, out);
    if (err == ERR_NONE) {
        err = read_bool(import, element, "includeSubdomains", &subdomains);
    }
    if (err == ERR_NONE && subdomains) {
        out->pattern = PIN_PATTERN_ANY_DEPTH;
    }
    return err;
}

/* --- anchors --- */

static const struct xml_element *anchors_of(const struct document *document,
                                            const struct config *config) {
    for (; config != NULL; config = config->parent) {
        if (config->anchors != NULL) {
            return config->anchors;
        }
    }
    return document->base_anchors;
}

/* "@raw/my_ca" is the trust profile "my_ca"; "user" is the device's own affair. Pins are not
   enforced on a path to an anchor that overrides them. */
static enum err read_anchors(struct import *import, const struct xml_element *anchors,
                             struct import_set *under_way) {
    struct pin_set *set = under_way->set;
    const char *names[TRUST_PROFILES_MAX];
    uint32_t count = 0, overriding = 0;
    bool user = false;
    for (const struct xml_element *child = anchors->first; child != NULL; child = child->next) {
        const char *src = import_xml_attribute(child, "src");
        bool overrides = false;
        if (!is(child, "certificates")) {
            continue;
        }
        enum err err = read_bool(import, child, "overridePins", &overrides);
        if (err != ERR_NONE) {
            return err;
        }
        if (src == NULL || src[0] == '\0') {
            return import_fail(import, child->line, NULL,
                               "<certificates> without src, Android refuses the file: write "
                               "src=\"system\"");
        }
        const char *slash = strrchr(src, '/');
        const char *name = slash != NULL ? slash + 1 : src;
        if (strcmp(name, "user") == 0) {
            if (!user) {
                import_extra_text(import, under_way, "user_anchors",
                                  span_str(overrides ? "override" : "plain"));
            }
            user = true;
            continue;
        }
        if (count == TRUST_PROFILES_MAX) {
            return import_fail(import, child->line, NULL,
                               "more than %d sources of anchors: make them one bundle",
                               TRUST_PROFILES_MAX);
        }
        names[count++] = arena_copy_text(&import->index->arena, span_str(name));
        overriding += overrides;
    }
    if (count == 0) {
        return ERR_NONE; /* of users alone: the best guess stays the system's */
    }
    set->trust = arena_alloc(&import->index->arena, count * sizeof *set->trust);
    memcpy(set->trust, names, count * sizeof *names);
    set->trust_count = count;
    set->report_only = overriding == count;
    return ERR_NONE;
}

/* --- the whole --- */

static bool has_pins(const struct xml_element *pin_set) {
    for (const struct xml_element *child = pin_set->first; child != NULL; child = child->next) {
        if (is(child, "pin")) {
            return true;
        }
    }
    return false;
}

/* Nothing about pins, but the file would not be the same without. */
static void keep_cleartext(struct import *import, const struct config *config) {
    for (const struct config *at = config; at != NULL; at = at->parent) {
        const char *text = import_xml_attribute(at->element, "cleartextTrafficPermitted");
        if (text != NULL) {
            if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
                import_extra_text(import, config->set, "cleartext", span_str(text));
            }
            return;
        }
    }
}

static enum err read_pin_set(struct document *document, struct config *config, const char *host) {
    struct import *import = document->import;
    const struct config *from = config;
    while (from != NULL && from->pin_set == NULL) {
        from = from->parent;
    }
    if (from == NULL) {
        return ERR_NONE;
    }
    const struct xml_element *pin_set = from->pin_set;
    int64_t expires = DATETIME_NONE;
    enum err err = read_expiration(import, pin_set, &expires);
    if (err != ERR_NONE || !has_pins(pin_set)) {
        return err; /* an empty pin-set switches pinning off */
    }
    config->set = arena_alloc(&import->scratch, sizeof *config->set);
    import_set_begin(import, config->set, PIN_CLIENT_ANDROID, config->element->line);
    config->set->set->platform = "android";
    keep_cleartext(import, config);
    config->set->set->expires = expires;
    for (const struct xml_element *child = pin_set->first; child != NULL && err == ERR_NONE;
         child = child->next) {
        err = is(child, "pin") ? read_pin(import, host, child, config->set) : ERR_NONE;
    }
    const struct xml_element *anchors = anchors_of(document, config);
    if (err == ERR_NONE && anchors != NULL) {
        err = read_anchors(import, anchors, config->set);
    }
    return err;
}

static enum err read_domains(struct document *document, struct config *config,
                             struct import_domain *domains, size_t *count) {
    struct import *import = document->import;
    size_t first = *count;
    for (uint32_t i = 0; i < config->domain_count; i++) {
        struct pin_host host;
        enum err err = read_domain(import, config->domains[i], &host);
        if (err != ERR_NONE) {
            return err;
        }
        domains[(*count)++] = (struct import_domain){.name = host.name,
                                                     .subdomains = host.pattern != PIN_PATTERN_NAME,
                                                     .line = config->domains[i]->line};
    }
    enum err err = read_pin_set(document, config, domains[first].name);
    for (size_t i = first; i < *count && err == ERR_NONE && config->set != NULL; i++) {
        domains[i].set = config->set;
        import_set_add_host(import, config->set,
                            (struct pin_host){.name = domains[i].name,
                                              .pattern = domains[i].subdomains
                                                             ? PIN_PATTERN_ANY_DEPTH
                                                             : PIN_PATTERN_NAME});
    }
    return err;
}

static enum err add_sets(struct document *document) {
    struct import_domain *domains =
        arena_alloc(&document->import->scratch, (document->domain_count + 1) * sizeof *domains);
    size_t count = 0;
    enum err err = ERR_NONE;
    for (struct config *config = document->first; config != NULL && err == ERR_NONE;
         config = config->next) {
        err = read_domains(document, config, domains, &count);
    }
    if (err == ERR_NONE) {
        err = import_domains_settle(document->import, domains, count);
    }
    for (struct config *config = document->first; config != NULL && err == ERR_NONE;
         config = config->next) {
        err = config->set != NULL ? import_set_end(document->import, config->set) : ERR_NONE;
    }
    return err;
}

enum err import_android(struct import *import, struct span xml) {
    struct document document = {.import = import};
    const struct xml_element *root = NULL, *base = NULL, *debug = NULL, *debug_anchors = NULL;
    enum err err = import_xml_read(import, xml, &root);
    if (err == ERR_NONE && !is(root, "network-security-config")) {
        return import_fail(import, root->line, NULL,
                           "<%s> is not <network-security-config>: give Android's network "
                           "security configuration",
                           import_quote(import, span_str(root->name)));
    }
    for (const struct xml_element *child = err == ERR_NONE ? root->first : NULL;
         child != NULL && err == ERR_NONE; child = child->next) {
        if (is(child, "domain-config")) {
            err = read_config(&document, child, NULL);
        } else if (is(child, "base-config")) {
            err = take_once(import, child, &base);
            err = err == ERR_NONE ? check_general(import, child, &document.base_anchors) : err;
        } else if (is(child, "debug-overrides")) {
            err = take_once(import, child, &debug);
            err = err == ERR_NONE ? check_general(import, child, &debug_anchors) : err;
        }
    }
    return err == ERR_NONE ? add_sets(&document) : err;
}
