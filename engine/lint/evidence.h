/* What a snapshot saw, in the form that engine/trust/verdict.h judges: certificates, chains and
   paths made on first use and kept, so that a policy is judged against a sweep of yesterday with
   the very code that judged it last night. Borrowed from the snapshot and the trust store. Costs a
   record of about 400 bytes for each certificate that a pin set looks at. */
#ifndef PINSWEEP_LINT_EVIDENCE_H
#define PINSWEEP_LINT_EVIDENCE_H

#include "engine/history/snapshot.h"

struct evidence {
    const struct snapshot *snapshot;
    const struct trust_store *trust;
    struct arena arena;
    struct cert_record **records;            /* by certificate index; NULL: not made yet */
    struct chain **chains;                   /* by chain index */
    uint32_t profile_of[TRUST_PROFILES_MAX]; /* the snapshot's, by the store's; SNAPSHOT_NONE */
};

enum err evidence_init(struct evidence *evidence, const struct snapshot *snapshot,
                       const struct trust_store *trust, struct err_note *note) MUST_USE;
void evidence_fini(struct evidence *evidence);

/* The chain with its path set (chain->paths); NULL if its certificates or paths are not known. */
const struct chain *evidence_chain(struct evidence *evidence, uint32_t chain_idx);
/* The views of a target that can be judged; returns how many (at most VIEWS_MAX). `out_views` of
   VIEWS_MAX; view_idx counts from the target's first view. */
size_t evidence_views(struct evidence *evidence, const struct snapshot_target *target,
                      struct verdict_view out_views[VIEWS_MAX]);
/* The snapshot's certificate that a record was made from. */
const struct snapshot_cert *evidence_cert(const struct evidence *evidence,
                                          const struct cert_record *record);
/* Whether every profile of the pin set was swept. */
bool evidence_covers(const struct evidence *evidence, const struct pin_set *set);

#endif
