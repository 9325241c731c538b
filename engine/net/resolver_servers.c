#include "engine/net/resolver_servers.h"

#include <ares.h>
#include <sys/socket.h>

static bool server_parse(struct span text, struct resolver_server *out, const char **out_why) {
    struct span host;
    uint16_t port;
    if (text.len == 0) {
        *out_why = "an entry is empty";
        return false;
    }
    if (span_find(text, '/') < text.len) {
        *out_why = "a name server is not a URL or a range";
        return false;
    }
    if (!hostport_split(text, &host, &port, out_why)) {
        return false;
    }
    struct netaddr address;
    if (!netaddr_parse(host, &address)) {
        *out_why = "it is not an IP address";
        return false;
    }
    *out = (struct resolver_server){.address = address, .port = port != 0 ? port : DNS_PORT};
    return true;
}

enum err resolver_servers_parse(const char *text,
                                struct resolver_server out_servers[RESOLVER_SERVERS_MAX],
                                uint32_t *out_count, struct err_note *note) {
    struct resolver_server servers[RESOLVER_SERVERS_MAX];
    struct span rest = span_str(text);
    uint32_t count = 0;
    for (bool more = true; more;) {
        struct span item = span_take(&rest, span_find(rest, ','));
        more = span_take(&rest, 1).len == 1;
        item = span_trim(item);
        const char *why = "";
        if (count == RESOLVER_SERVERS_MAX) {
            return err_note(note, ERR_USAGE, "--dns-servers %s: more than %d name servers", text,
                            RESOLVER_SERVERS_MAX);
        }
        if (!server_parse(item, &servers[count], &why)) {
            return err_note(note, ERR_USAGE,
                            "--dns-servers: bad name server \"%.*s\": %s; write 192.0.2.1, "
                            "192.0.2.1:5353 or [2001:db8::1]:53, separated by commas",
                            (int)item.len, (const char *)item.data, why);
        }
        count++;
    }
    memcpy(out_servers, servers, count * sizeof servers[0]);
    *out_count = count;
    return ERR_NONE;
}

enum err resolver_servers_system(struct resolver_server out_servers[RESOLVER_SERVERS_MAX],
                                 uint32_t *out_count, struct err_note *note) {
    ares_channel channel;
    int status = ares_init(&channel);
    if (status != ARES_SUCCESS) {
        return err_note(note, ERR_RESOURCE, "cannot read the name servers of this machine: %s",
                        ares_strerror(status));
    }
    struct ares_addr_port_node *nodes = NULL;
    status = ares_get_servers_ports(channel, &nodes);
    uint32_t count = 0;
    for (const struct ares_addr_port_node *at = nodes; at != NULL && count < RESOLVER_SERVERS_MAX;
         at = at->next) {
        struct resolver_server *server = &out_servers[count++];
        *server = (struct resolver_server){
            .address = {.family = at->family == AF_INET ? 4 : 6},
            .port = at->udp_port != 0 ? (uint16_t)at->udp_port : DNS_PORT,
        };
        memcpy(server->address.bytes, &at->addr, at->family == AF_INET ? 4 : 16);
    }
    ares_free_data(nodes);
    ares_destroy(channel);
    if (status != ARES_SUCCESS || count == 0) {
        return err_note(note, ERR_CONFIG,
                        "/etc/resolv.conf names no usable name server; give one with "
                        "--dns-servers");
    }
    *out_count = count;
    return ERR_NONE;
}
