/* Inventory lines, as hostile as a file can be. The first byte, a digit, forces a format ("0" lets
   the first line decide), the rest is lines. What is accepted must be canonical: names that
   map to themselves, an SNI that is no address, texts inside the target. */
#include <stdlib.h>

#include "engine/codec/hostname.h"
#include "engine/sweep/inventory_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct inventory_target *target, const char *text, size_t max) {
    CHECK(text >= target->text && text < target->text + sizeof target->text);
    CHECK(memchr(text, 0, (size_t)(target->text + sizeof target->text - text)) != NULL);
    CHECK(strlen(text) <= max);
}

static void check_host(const char *host) {
    struct netaddr address;
    char again[NETADDR_TEXT_MAX > HOST_MAX ? NETADDR_TEXT_MAX : HOST_MAX + 1];
    size_t len;
    const char *why;
    if (netaddr_parse(span_str(host), &address)) {
        netaddr_format(again, &address);
    } else {
        CHECK(hostname_to_ascii(span_str(host), again, &len, &why));
    }
    CHECK(strcmp(host, again) == 0);
}

static void check_target(const struct inventory_target *target) {
    struct netaddr address;
    const char *host = target->host;
    check_text(target, host, HOST_MAX);
    check_text(target, target->sni, HOST_MAX);
    check_text(target, target->pin_host, HOST_MAX);
    check_text(target, target->tag, 255);
    check_text(target, target->owner, 255);
    check_text(target, target->application, 255);
    check_host(host);
    check_host(target->pin_host);
    CHECK(netaddr_parse(span_str(host), &address) == target->host_is_address);
    CHECK(!target->host_is_address || target->has_connect);
    CHECK(target->has_connect == (target->connect.family != 0));
    CHECK(target->port != 0);
    if (target->sni[0] != '\0') {
        check_host(target->sni);
        CHECK(!netaddr_parse(span_str(target->sni), &address));
    }
}

static void check_line(const struct inventory_syntax *syntax, struct span line, uint64_t number) {
    struct inventory_target target, copy;
    struct inventory_extent extent;
    const char *why = NULL;
    switch (inventory_line_parse(syntax, line, number, &target, &extent, &why)) {
    case INVENTORY_LINE_GOOD:
        CHECK(extent.range_count >= 1 && extent.range_count <= syntax->range_max);
        check_target(&target);
        if (extent.range_count > 1) {
            inventory_target_copy(&copy, &target);
            inventory_line_move(&copy, &extent, extent.range_count - 1);
            check_target(&copy);
            CHECK(!netaddr_equal(&copy.connect, &target.connect));
            CHECK(extent.is_host == (strcmp(copy.host, target.host) != 0));
        }
        break;
    case INVENTORY_LINE_SKIPPED:
        break;
    case INVENTORY_LINE_BAD:
        CHECK(why != NULL);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    struct inventory_syntax syntax = {.format = (uint8_t)(data[0] - '0') % 5,
                                      .default_port = 443,
                                      .ipv4 = true,
                                      .ipv6 = true,
                                      .range_max = 65536};
    struct span rest = span_of(data + 1, size - 1);
    char unknown[256];
    const char *why = NULL;
    for (uint64_t number = 1; rest.len > 0; number++) {
        struct span line = span_take(&rest, span_find(rest, '\n'));
        span_take(&rest, 1);
        uint8_t *exact = malloc(line.len > 0 ? line.len : 1); /* a read past the end is seen */
        memcpy(exact, line.data, line.len);
        line.data = exact;
        if (inventory_syntax_learn(&syntax, line, number, unknown, &why)) {
            CHECK(strlen(unknown) < sizeof unknown);
            check_line(&syntax, line, number);
        } else {
            CHECK(why != NULL);
            rest.len = 0;
        }
        free(exact);
    }
    return 0;
}
