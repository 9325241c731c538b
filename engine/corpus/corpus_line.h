/* Private to the corpus: the line of one certificate in each output. */
#ifndef PINSWEEP_CORPUS_CORPUS_LINE_H
#define PINSWEEP_CORPUS_CORPUS_LINE_H

#include "engine/corpus/corpus_batch.h"

#define CORPUS_MATCHES_MAX PIN_SETS_PER_HOST_MAX /* pin sets named in one line */

/* What a line says besides digests. */
struct corpus_facts {
    bool looked_at; /* cert_walk() was asked: only NDJSON and CSV tell what it finds */
    bool strict;    /* it accepted; else only spki of `fields` is set */
    struct cert_fields fields;
    bool more_matches;    /* than have a place here */
    uint32_t match_count; /* pin sets, each once, in policy order of the first pin found */
    const struct pin_set *matches[CORPUS_MATCHES_MAX];
};

void corpus_facts_of(const struct corpus_config *config, const struct corpus_item *item,
                     struct corpus_facts *out);
void corpus_line_write(const struct corpus_config *config, const struct corpus_item *item,
                       const struct corpus_facts *facts, struct corpus_buffer *out);
/* What goes before the first line and after the last, or "". */
const char *corpus_output_head(enum corpus_output output);
const char *corpus_output_tail(enum corpus_output output);

#endif
