/* Sums of a scenario's results: by owner, application, platform and CA, each target once, by its
   worst result there. Memory: a few hundred bytes a distinct key. */
#ifndef PINSWEEP_IMPACT_ROLLUP_H
#define PINSWEEP_IMPACT_ROLLUP_H

#include "engine/impact/impact.h"

enum rollup_by { ROLLUP_OWNER, ROLLUP_APPLICATION, ROLLUP_PLATFORM, ROLLUP_CA, ROLLUP_BY_COUNT };
extern const char *const rollup_by_words[]; /* ends with NULL */

struct rollup_row {
    enum rollup_by by;
    const char *key; /* "": nobody is named */
    uint64_t targets, outcomes[IMPACT_OUTCOME_COUNT];
    int64_t earliest_safe; /* the latest of those that break; DATETIME_NONE */
    /* Private. */
    uint32_t last_target; /* plus 1 */
    enum impact_outcome worst;
};

struct rollup {
    struct rollup_row *rows;
    uint32_t count, capacity;
    uint32_t *slots; /* open addressing: row + 1 */
    uint32_t mask;
};

void rollup_init(struct rollup *rollup);
void rollup_fini(struct rollup *rollup);
/* Results of one target come one after another. Texts must outlive the rollup. */
void rollup_add(struct rollup *rollup, const struct impact *impact, uint32_t target_idx);
/* Sorts the rows: by what they sum by, then worst first. */
void rollup_end(struct rollup *rollup);

/* Who is told: of the pin set, else of the target. */
const char *rollup_owner(const struct impact *impact);
const char *rollup_application(const struct impact *impact);
const char *rollup_platform(const struct impact *impact);
/* The issuer of the leaf before, of the view that decides. */
const char *rollup_ca(const struct impact *impact);

#endif
