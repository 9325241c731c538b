/* The name servers of a resolver: from --dns-servers, or from /etc/resolv.conf. Plain data. */
#ifndef PINSWEEP_NET_RESOLVER_SERVERS_H
#define PINSWEEP_NET_RESOLVER_SERVERS_H

#include "engine/base/err.h"
#include "engine/base/limits.h"
#include "engine/codec/netaddr.h"

#define DNS_PORT 53

struct resolver_server {
    struct netaddr address;
    uint16_t port;
};

/* "192.0.2.1,192.0.2.1:5353,[2001:db8::1]:53": ERR_USAGE with the bad entry named otherwise. */
enum err resolver_servers_parse(const char *text,
                                struct resolver_server out_servers[RESOLVER_SERVERS_MAX],
                                uint32_t *out_count, struct err_note *note) MUST_USE;
/* What /etc/resolv.conf names (127.0.0.1 if nothing), at most RESOLVER_SERVERS_MAX. */
enum err resolver_servers_system(struct resolver_server out_servers[RESOLVER_SERVERS_MAX],
                                 uint32_t *out_count, struct err_note *note) MUST_USE;

#endif
