/* Name servers for tests, on 127.0.0.1 only: dnsmasq as a child process, and a scripted one that
   misbehaves as the name it is asked for says. */
#ifndef PINSWEEP_TESTS_DNS_H
#define PINSWEEP_TESTS_DNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct dnsmasq {
    pid_t pid;
    uint16_t port; /* UDP and TCP */
};

/* Starts dnsmasq with `args` (NULL-terminated, at most 200) and waits until it answers. False with
   the reason when there is none or it does not come up. */
bool dnsmasq_start(struct dnsmasq *server, const char *const *args, const char **out_why);
void dnsmasq_stop(struct dnsmasq *server);

/* A UDP socket that answers only when scripted_dns_serve() runs. What it does is in the first
   label: ok        A 192.0.2.1, AAAA 2001:db8::1 v4servfail, v6servfail, v6nxdomain, v6silent that
   family goes wrong, the other is as in ok servfail, refused, notimp, formerr, nxdomain, nodata the
   response code loop      a CNAME to another name and back cut       a reply that ends within its
   question truncated TC set, no answer late      silent the first time that (name, type) is asked,
   then ok silent    nothing */
struct scripted_dns {
    int fd;
    uint16_t port;
    const char *always; /* a label whose behaviour every name gets; NULL: its own */
    uint32_t questions; /* seen so far */
    uint32_t late_seen[2];
};

bool scripted_dns_open(struct scripted_dns *server);
void scripted_dns_close(struct scripted_dns *server);
/* Answers what has come in; does not wait. */
void scripted_dns_serve(struct scripted_dns *server);

#endif
