/* Host patterns: "api.bank.example", "*.x", "**.x", "mq.bank.example:8883", addresses. */
#include "engine/codec/hostname.h"
#include "engine/codec/netaddr.h"
#include "engine/policy/policy_pinset.h"

#define HOSTS_EXAMPLE "[api.bank.example, \"*.pay.bank.example\"]"

static void take_wildcard(struct span *text, struct pin_host *out) {
    out->pattern = PIN_PATTERN_NAME;
    if (text->len > 3 && memcmp(text->data, "**.", 3) == 0) {
        out->pattern = PIN_PATTERN_ANY_DEPTH;
        span_take(text, 3);
    } else if (text->len > 2 && memcmp(text->data, "*.", 2) == 0) {
        out->pattern = PIN_PATTERN_ONE_LABEL;
        span_take(text, 2);
    }
}

static enum err read_name(struct policy_reader *reader, const char *key,
                          const struct policy_node *node, struct span name, struct pin_host *out) {
    struct netaddr address;
    if (netaddr_parse(name, &address)) {
        char text[NETADDR_TEXT_MAX];
        if (out->pattern != PIN_PATTERN_NAME) {
            return policy_fail(reader, node, key, "a wildcard before an address: name the address");
        }
        out->name = arena_copy_text(reader->arena, span_of(text, netaddr_format(text, &address)));
        return ERR_NONE;
    }
    char ascii[HOST_MAX + 1];
    size_t len = 0;
    const char *why = NULL;
    if (!hostname_to_ascii(name, ascii, &len, &why)) {
        return policy_fail(reader, node, key, "\"%.100s\" is no host pattern: %s",
                           (const char *)node->text.data, why);
    }
    if (hostname_ends_in_number(span_of(ascii, len))) {
        return policy_fail(reader, node, key,
                           "\"%.100s\" is no host pattern: its last label is a number, and no "
                           "top-level domain is: write a name, or an address without wildcard",
                           (const char *)node->text.data);
    }
    out->name = arena_copy_text(reader->arena, span_of(ascii, len));
    return ERR_NONE;
}

static enum err read_pattern(struct policy_reader *reader, const char *key,
                             const struct policy_node *node, struct pin_host *out) {
    if (node->kind != POLICY_SCALAR || node->text.len == 0) {
        return policy_fail(reader, node, key, "wants host patterns: write %s", HOSTS_EXAMPLE);
    }
    struct span text = node->text;
    const char *written = (const char *)node->text.data;
    if (strstr(written, "://") != NULL || strchr(written, '/') != NULL) {
        return policy_fail(
            reader, node, key,
            "\"%.100s\" is no host pattern: write the bare host, without scheme, path "
            "or range",
            written);
    }
    take_wildcard(&text, out);
    if (span_find(text, '*') < text.len) {
        return policy_fail(reader, node, key,
                           "\"%.100s\" is no host pattern: a wildcard is the whole leftmost label, "
                           "\"*.\" (one label) or \"**.\" (any depth, itself included)",
                           written);
    }
    const char *why = NULL;
    struct span name;
    if (!hostport_split(text, &name, &out->port, &why)) {
        return policy_fail(reader, node, key, "\"%.100s\" is no host pattern: %s", written, why);
    }
    return read_name(reader, key, node, name, out);
}

enum err policy_read_hosts(struct policy_reader *reader, const char *key,
                           const struct policy_node *node, void *object) {
    struct pin_set *set = object;
    enum err err = policy_check_list(reader, key, node, HOSTS_EXAMPLE);
    if (err != ERR_NONE) {
        return err;
    }
    set->hosts = arena_alloc(reader->arena, node->count * sizeof(*set->hosts));
    for (uint32_t i = 0; i < node->count; i++) {
        err = read_pattern(reader, key, node->items[i], &set->hosts[i]);
        if (err != ERR_NONE) {
            return err;
        }
    }
    set->host_count = node->count;
    return ERR_NONE;
}

enum err policy_read_excluded(struct policy_reader *reader, const char *key,
                              const struct policy_node *node, void *object) {
    static const char *const prefixes[] = {
        [PIN_PATTERN_NAME] = "", [PIN_PATTERN_ONE_LABEL] = "*.", [PIN_PATTERN_ANY_DEPTH] = "**."};
    struct pin_set *set = object;
    if (node->kind != POLICY_LIST) {
        return policy_fail(reader, node, key, "wants a list: write [dev.bank.example]");
    }
    set->excluded = arena_alloc(reader->arena, node->count * sizeof(*set->excluded));
    for (uint32_t i = 0; i < node->count; i++) {
        struct pin_host host = {0};
        enum err err = read_pattern(reader, key, node->items[i], &host);
        if (err != ERR_NONE) {
            return err;
        }
        if (host.port != 0) {
            return policy_fail(
                reader, node->items[i], key,
                "a port has no place here: an excluded name is excluded on all ports");
        }
        size_t prefix_len = strlen(prefixes[host.pattern]), name_len = strlen(host.name);
        char *text = arena_alloc(reader->arena, prefix_len + name_len + 1);
        memcpy(text, prefixes[host.pattern], prefix_len);
        memcpy(text + prefix_len, host.name, name_len);
        set->excluded[i] = text;
    }
    set->excluded_count = node->count;
    return ERR_NONE;
}
