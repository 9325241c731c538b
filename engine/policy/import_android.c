/* Android's network_security_config.xml (developer.android.com, "Network security configuration";
   the platform's parser is android.security.net.config.XmlConfigSource). What is fatal there is an
   error here; tags that it skips are skipped. */
#include <stdio.h>
#include <strings.h>

#include "engine/codec/datetime.h"
#include "engine/policy/import_xml.h"

/* <trust-anchors>, read once whatever number of configs inherit them. */
struct anchors {
    const struct xml_element *element; /* NULL: there are none */
    bool is_read;
    const char **names; /* those whose paths pins are enforced on come first */
    uint32_t count, enforced_count;
    const char *user; /* "plain", "override", or NULL */
};

/* A domain-config. */
struct config {
    struct config *parent;
    struct config *next; /* in document order */
    const struct xml_element *element, *pin_set;
    struct anchors anchors;
    const struct xml_element **domains;
    uint32_t domain_count;
    struct import_set *set; /* NULL: no pins apply */
};

struct document {
    struct import *import;
    struct anchors base_anchors;
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
                            struct config *parent);

static enum err read_config_child(struct document *document, struct config *config,
                                  const struct xml_element *child) {
    if (is(child, "pin-set")) {
        return take_once(document->import, child, &config->pin_set);
    }
    if (is(child, "trust-anchors")) {
        return take_once(document->import, child, &config->anchors.element);
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
                            struct config *parent) {
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

static struct anchors *anchors_of(struct document *document, struct config *config) {
    for (; config != NULL; config = config->parent) {
        if (config->anchors.element != NULL) {
            return &config->anchors;
        }
    }
    return document->base_anchors.element != NULL ? &document->base_anchors : NULL;
}

static enum err add_anchor(struct import *import, struct anchors *anchors,
                           const struct xml_element *child) {
    const char *src = import_xml_attribute(child, "src");
    bool overrides = false;
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
        anchors->user = anchors->user != NULL ? anchors->user : overrides ? "override" : "plain";
        return ERR_NONE;
    }
    if (anchors->count == TRUST_PROFILES_MAX) {
        return import_fail(import, child->line, NULL,
                           "more than %d sources of anchors: make them one bundle",
                           TRUST_PROFILES_MAX);
    }
    const char **slot = &anchors->names[anchors->count++];
    if (!overrides) { /* in front of the first that overrides */
        *slot = anchors->names[anchors->enforced_count];
        slot = &anchors->names[anchors->enforced_count++];
    }
    *slot = arena_copy_text(&import->index->arena, span_str(name));
    return ERR_NONE;
}

static enum err read_anchors(struct import *import, struct anchors *anchors) {
    enum err err = ERR_NONE;
    if (!anchors->is_read) {
        anchors->names = arena_alloc(&import->scratch, TRUST_PROFILES_MAX * sizeof(char *));
    }
    for (const struct xml_element *child = anchors->element->first;
         child != NULL && !anchors->is_read && err == ERR_NONE; child = child->next) {
        err = is(child, "certificates") ? add_anchor(import, anchors, child) : ERR_NONE;
    }
    anchors->is_read = true;
    return err;
}

/* What no other key says of them: user anchors, and those whose paths are free of pins. */
static void keep_anchors(struct import *import, const struct anchors *anchors,
                         struct import_set *set) {
    struct span names[TRUST_PROFILES_MAX];
    uint32_t count = 0;
    if (anchors->user != NULL) {
        import_extra_text(import, set, "user_anchors", span_str(anchors->user));
    }
    for (uint32_t i = anchors->enforced_count; i < anchors->count && anchors->enforced_count > 0;
         i++) {
        names[count++] = span_str(anchors->names[i]);
    }
    if (count > 0) {
        import_extra_list(import, set, "override_anchors", names, count);
    }
}

/* "@raw/my_ca" is the trust profile "my_ca"; "user" is the device's own affair. Pins are not
   enforced on a path to an anchor that overrides them: only the others are judged, or none. */
static void apply_anchors(struct import *import, const struct anchors *anchors,
                          struct import_set *under_way) {
    struct pin_set *set = under_way->set;
    uint32_t enforced = anchors->enforced_count;
    keep_anchors(import, anchors, under_way);
    if (anchors->count == 0) {
        return; /* of users alone: the best guess stays the system's */
    }
    set->trust_count = enforced > 0 ? enforced : anchors->count;
    set->trust = arena_alloc(&import->index->arena, set->trust_count * sizeof *set->trust);
    memcpy(set->trust, anchors->names, set->trust_count * sizeof *set->trust);
    set->report_only = enforced == 0;
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

/* Of its own <pin-set>. */
static enum err read_own_pins(struct import *import, struct config *config, const char *host) {
    const struct xml_element *pin_set = config->pin_set;
    enum err err = read_expiration(import, pin_set, &config->set->set->expires);
    for (const struct xml_element *child = pin_set->first; child != NULL && err == ERR_NONE;
         child = child->next) {
        err = is(child, "pin") ? read_pin(import, host, child, config->set) : ERR_NONE;
    }
    return err;
}

/* Its own or those of the nearest config around it that has some, which was read before. */
static enum err read_pin_set(struct document *document, struct config *config, const char *host) {
    struct import *import = document->import;
    const struct config *from = config;
    while (from != NULL && from->pin_set == NULL) {
        from = from->parent;
    }
    if (from == NULL || (from != config && from->set == NULL)) {
        return ERR_NONE;
    }
    config->set = arena_alloc(&import->scratch, sizeof *config->set);
    import_set_begin(import, config->set, PIN_CLIENT_ANDROID, config->element->line);
    config->set->set->platform = "android";
    if (from == config) {
        enum err err = read_own_pins(import, config, host);
        if (err != ERR_NONE || !has_pins(config->pin_set)) {
            config->set = NULL; /* an empty pin-set switches pinning off */
            return err;
        }
    } else {
        import_set_share_pins(config->set, from->set);
        config->set->set->expires = from->set->set->expires;
    }
    keep_cleartext(import, config);
    struct anchors *anchors = anchors_of(document, config);
    enum err err = anchors != NULL ? read_anchors(import, anchors) : ERR_NONE;
    if (err == ERR_NONE && anchors != NULL) {
        apply_anchors(import, anchors, config->set);
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
            err = err == ERR_NONE ? check_general(import, child, &document.base_anchors.element)
                                  : err;
        } else if (is(child, "debug-overrides")) {
            err = take_once(import, child, &debug);
            err = err == ERR_NONE ? check_general(import, child, &debug_anchors) : err;
        }
    }
    return err == ERR_NONE ? add_sets(&document) : err;
}
