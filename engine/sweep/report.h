/* A judgement as one NDJSON line, field by field as in the contract (README.md, "Output";
   data/verdict.schema.json), and a chain as one line of --chains-out (data/chain.schema.json).
   Pure: no I/O. */
#ifndef PINSWEEP_SWEEP_REPORT_H
#define PINSWEEP_SWEEP_REPORT_H

#include "engine/sweep/judge.h"

/* How much of the evidence a record holds: lowered step by step for a record that would exceed
   RECORD_BYTES_MAX (hundreds of views with long chains, hundreds of pin sets). The record says
   which in "detail". NONE leaves out chains and paths, VERDICTS also what each view gave for each
   pin set. */
enum report_detail {
    REPORT_FULL,
    REPORT_IDS,
    REPORT_PREFERRED,
    REPORT_NONE,
    REPORT_VERDICTS,
    REPORT_DETAIL_COUNT
};

/* Writes the record into buffer; its length with the newline, or 0 if it does not fit. */
size_t report_write(const struct judgement *judgement, enum report_detail detail, char *buffer,
                    size_t capacity);
/* The same with the most detail that fits, `most` at best. Where not even REPORT_VERDICTS does (a
   policy with texts of kilobytes), the pin sets with the best verdicts are left out and counted in
   "pin_sets_omitted". 0 if the target without any does not fit. */
size_t report_write_fitting(const struct judgement *judgement, enum report_detail most,
                            char *buffer, size_t capacity);
/* One chain; `pem` adds the certificates. Digests must be ready. */
size_t report_write_chain(const struct chain *chain, bool pem, char *buffer, size_t capacity);

/* Whether the certificate is on a valid or time-failed path of any profile. */
bool report_on_path(const struct path_set *paths, const struct cert_record *cert);
/* Words about the target as a whole: its first failed view's, else the name's. */
const char *report_target_error(const struct judgement *judgement);
/* A failed handshake has no depth, unless it was the chain that failed. */
bool report_has_depth(const struct probe *probe);
/* Words for people about a view's outcome: the handshake's, else what was odd about the chain; ""
 * if nothing. */
const char *report_view_error(const struct probe *probe);

#endif
