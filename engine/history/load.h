/* A sweep read back from a file into a snapshot: from the NDJSON that `sweep -o` wrote, or from a
   store (`sweep --store`). Which it is, is told from the first bytes.

     FILE              records: the one sweep in them; store: the latest sweep that ended by itself
     FILE#ID           that sweep; of a store also FILE#latest and FILE#previous (the one before it)
     FILE#all          of records: all sweeps in them as one (the shards of one inventory)
     -                 records from standard input

   Records that were written with less detail (--chain-detail ids, or too long for one line) load as
   far as they go. Fields that are not known here are passed over; another schema version, a broken
   line or a torn last line is ERR_INPUT with file and line. About 10 us a record for each KB of
   NDJSON, 3 us of CPU a target from a store; memory as snapshot.h says, and one line. */
#ifndef PINSWEEP_HISTORY_LOAD_H
#define PINSWEEP_HISTORY_LOAD_H

#include "engine/history/snapshot.h"

/* Of which certificates the bytes stay: what the engine judges again needs all, or the issuers. */
enum keep_der { KEEP_DER_NONE, KEEP_DER_ISSUERS, KEEP_DER_ALL };

struct snapshot_load_options {
    enum keep_der keep_der;
    const char *metadata_file; /* --metadata-file of that sweep; NULL: none */
};

/* Fills a snapshot that snapshot_init() made; on error it holds a part and is to be given up.
   `chains_file` (NULL: none) are the --chains-out lines of that sweep: they give certificates what
   the records leave out, and their bytes if --chains-pem was said. ERR_INPUT for what the file
   holds, ERR_IO if it cannot be read, ERR_RESOURCE if memory ran out. */
enum err snapshot_load(const char *file, const char *chains_file,
                       const struct snapshot_load_options *options, struct snapshot *snapshot,
                       struct err_note *note) MUST_USE;

#endif
