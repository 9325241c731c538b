/* What a certificate says it is for: its subject alternative names. */
#include "engine/base/limits.h"
#include "engine/codec/cert.h"
#include "engine/codec/der.h"
#include "engine/codec/hostname.h"

#define SAN_DNS DER_CONTEXT(2)
#define SAN_IP DER_CONTEXT(7)

void cert_each_san(const struct cert_fields *cert,
                   bool (*each)(void *context, bool is_dns, struct span value), void *context) {
    struct span rest = cert->sans;
    struct der name;
    while (der_take_any(&rest, &name)) {
        uint8_t tag = name.element.data[0];
        if ((tag == SAN_DNS || tag == SAN_IP) && !each(context, tag == SAN_DNS, name.contents)) {
            return;
        }
    }
}

struct san_search {
    struct span wanted;
    bool is_dns, found;
    uint32_t looked_at_count;
};

/* True as long as the search goes on. */
static bool search_name(void *context, bool is_dns, struct span value) {
    struct san_search *search = context;
    if (is_dns == search->is_dns) {
        search->found =
            is_dns ? hostname_matches(value, search->wanted) : span_equal(value, search->wanted);
    }
    return !search->found && ++search->looked_at_count < CERT_SANS_MAX;
}

bool cert_covers_host(const struct cert_fields *cert, struct span host) {
    struct san_search search = {.wanted = host, .is_dns = true};
    cert_each_san(cert, search_name, &search);
    return search.found;
}

bool cert_covers_address(const struct cert_fields *cert, const struct netaddr *address) {
    struct san_search search = {.wanted = span_of(address->bytes, address->family == 4 ? 4 : 16)};
    if (address->family != 0) {
        cert_each_san(cert, search_name, &search);
    }
    return search.found;
}
