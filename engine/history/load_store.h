/* Private to load*.c: a sweep of a store, by scans of the sweep's rows and of what they refer to.
 */
#ifndef PINSWEEP_HISTORY_LOAD_STORE_H
#define PINSWEEP_HISTORY_LOAD_STORE_H

#include "engine/history/load_ndjson.h"

/* loader->file is the store, loader->sweep which of its sweeps: "" and "latest" the last that ended
   by itself, "previous" the one before it, "latest~N" the Nth before it, else a name (or its
   beginning), whatever its state. */
enum err load_store(struct loader *loader) MUST_USE;

#endif
