/* Counts by a key and a category: verdicts by owner, outcomes by application. Keys are texts; the
   tally keeps copies. Memory is bounded: beyond TALLY_KEYS_MAX different keys all others are
   counted as one. Single-threaded. */
#ifndef PINSWEEP_PAGE_TALLY_H
#define PINSWEEP_PAGE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#define TALLY_CATEGORIES_MAX 16
#define TALLY_KEYS_MAX (1u << 20)

struct tally_row {
    char *key;
    uint64_t counts[TALLY_CATEGORIES_MAX], total;
};

struct tally {
    struct tally_row *rows;
    uint32_t count, capacity;
    uint32_t *slots; /* open addressing, power of two: row + 1 */
    uint32_t mask;
    struct tally_row others; /* beyond the bound, and of tally_fold() */
    uint32_t others_count;   /* how many rows were folded */
};

void tally_init(struct tally *tally);
void tally_fini(struct tally *tally);
/* Adds to a key's category. Where memory is short the key counts among the others. */
void tally_add(struct tally *tally, const char *key, uint32_t category, uint64_t count);
/* Sorts: the most in the worst category first (categories count from the worst, 0), up to `worst`
   of them compared, then by total and name; keeps `keep` rows and folds the rest into `others`. */
void tally_fold(struct tally *tally, uint32_t worst, uint32_t keep);

#endif
