#include <errno.h>

#include "engine/net/conn_internal.h"

enum outcome conn_connect_outcome(int error) {
    switch (error) {
    case ECONNREFUSED:
        return OUTCOME_CONNECTION_REFUSED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return OUTCOME_CONNECTION_RESET;
    case ETIMEDOUT:
        return OUTCOME_CONNECTION_TIMEOUT;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENONET:
    case EPROTO: /* ICMP: protocol unreachable */
    case ENOPROTOOPT:
    case EACCES: /* a broadcast address; a firewall's prohibition */
    case EPERM:  /* the local firewall */
    case EINVAL: /* an address that no connection can have, as a link-local one without zone */
    case EAFNOSUPPORT: /* no IPv6 on this machine */
        return OUTCOME_NETWORK_UNREACHABLE;
    default: /* EADDRNOTAVAIL (ports), EMFILE, ENFILE, ENOBUFS, ENOMEM */
        return OUTCOME_RESOURCE_ERROR;
    }
}

enum outcome conn_exchange_outcome(int error) {
    switch (error) {
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case EPIPE:
    case ENOTCONN:
        return OUTCOME_CONNECTION_RESET;
    case ETIMEDOUT: /* retransmissions went unanswered */
        return OUTCOME_IO_TIMEOUT;
    default:
        return conn_connect_outcome(error);
    }
}
