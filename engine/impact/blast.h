/* The rehearsal of an emergency rotation (--single-failure): for every key in any chain, path or
   pin, what breaks if it dies tonight.

   When a key dies, every path with it is gone, and so is every leaf that has it.
     breaks     pin sets on targets that work today and work no more: the outage of the first hour,
                until other certificates are served (sets that are not enforced have no part)
     locked     of these, those that no rotation helps while their clients are in the field: no pin
                is left that is neither the dead key's nor one of a CA below it. Of the pins on the
                path those above the dead key are left, and the leaf's own (another CA can certify
                the same key, but no certificate twice); pins on no path are keys in reserve. Only
                what the clients look for counts: of scope leaf-and-ca every list must have one
                left, and unions share theirs. Clients that build no path of their own are taken by
                their profiles' paths, those without trust by the list sent.
   A target's pin set has *no spare* if it is locked for some key on its paths. A pin set's backup
   is *not independent* if, on a target, every good pin is on its paths: one CA's death takes all.
   Memory: 100 bytes a key. One pass over the targets, one judgement a key on their paths. */
#ifndef PINSWEEP_IMPACT_BLAST_H
#define PINSWEEP_IMPACT_BLAST_H

#include "engine/impact/impact_report.h"

struct blast_report {
    struct impact_run *run; /* of a plan without operations */
    const struct plan *plan;
    enum impact_form form;
    uint64_t limit; /* of text: rows of each table */
    FILE *out;
    /* What came out. */
    uint64_t endpoints_without_spare;
};

enum err blast_report_write(struct blast_report *report, struct err_note *note) MUST_USE;

#endif
