/* One view of one target as a scenario knows it: the leaf, the list sent, and the paths that follow
   from them in the world at a moment. By value, in the caller's memory; nothing is allocated. */
#ifndef PINSWEEP_IMPACT_ENDPOINT_H
#define PINSWEEP_IMPACT_ENDPOINT_H

#include "engine/impact/world.h"

#define ENDPOINT_SENT_MAX 48 /* CHAIN_CERTS_MAX and what operations add; more is not sent */

struct endpoint {
    struct world_cert leaf;
    const struct world_cert *sent[ENDPOINT_SENT_MAX]; /* above the leaf, in sent order */
    uint32_t sent_count;
    bool changed; /* an operation changed the leaf or the list */
};

/* As the sweep saw it. The chain has certificates. */
void endpoint_init(struct endpoint *endpoint, const struct world *world,
                   const struct snapshot_chain *chain);
bool endpoint_sends(const struct endpoint *endpoint, const struct world_cert *cert);
/* Adds the certificate at the end of the list, unless it is sent already. */
void endpoint_send(struct endpoint *endpoint, const struct world_cert *cert);

/* The authority stands above the leaf: it signed the leaf, or a certificate of those that did which
   is sent or is an anchor of any profile. */
bool endpoint_involves(const struct endpoint *endpoint, const struct world *world,
                       uint32_t authority, uint32_t moment);

/* Why paths were lost, though they lead to an anchor: the first that was met. */
enum endpoint_loss { LOSS_NONE, LOSS_DISTRUSTED, LOSS_REVOKED, LOSS_COMPROMISED };
struct endpoint_losses {
    enum endpoint_loss loss;
    const struct world_cert *cert;
};

/* All paths of the endpoint to anchors of the profile at that moment, in the order of preference of
   path.h: at each certificate first the anchors, then, above anchors that are no roots (and were
   not promoted by an operation), what stands above, then the list in sent order; no certificate and
   no authority twice; at most PATHS_MAX, of PATH_CERTS_MAX certificates, in PATH_STEPS_MAX steps.
   Paths that hold a dead key or a distrusted authority are left out. `out->paths` has room for
   PATHS_MAX; the windows are those of the certificates whose dates are known. About 100 ns. */
void endpoint_find_paths(const struct endpoint *endpoint, const struct world *world,
                         uint32_t profile, uint32_t moment, struct profile_paths *out,
                         struct endpoint_losses *out_losses);

#endif
