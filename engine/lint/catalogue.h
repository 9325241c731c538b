/* What is publicly known about certification authorities, as far as the rules need it: which ones
   swap their intermediates without notice, and which roots lose their trust on a known date. Dates
   are of the sources named in catalogue.c; a CA is recognised by its subject. Constant. */
#ifndef PINSWEEP_LINT_CATALOGUE_H
#define PINSWEEP_LINT_CATALOGUE_H

#include <stdint.h>

#include "engine/trust/intern.h"

struct catalogue_entry {
    const char *organization; /* O= of the subject; matched as the beginning */
    const char *common_name;  /* CN= of the subject, whole; "" matches any */
    int64_t from_unix_s;      /* since when */
    const char *fact;
};

/* By the subject's text as the records write it ("CN=R11,O=Let's Encrypt,C=US"). NULL if nothing is
   known. */
const struct catalogue_entry *catalogue_rotating(const char *subject);
const struct catalogue_entry *catalogue_distrust_subject(const char *subject);
const struct catalogue_entry *catalogue_distrust(const struct cert_record *anchor);

#endif
