/* The report: one HTML page that needs nothing else, no network, no scripts, and prints. A frame
   with the style and the contents, and parts: of a sweep (page_sweep.c), of a diff (page_diff.c),
   of an impact analysis (page_impact.c). At any size of the fleet it aggregates and lists the
   worst, PAGE_WORST_MAX of them. */
#ifndef PINSWEEP_PAGE_PAGE_H
#define PINSWEEP_PAGE_PAGE_H

#include <stdio.h>

#include "engine/history/snapshot.h"

#define PAGE_WORST_MAX 200 /* endpoints listed one by one; people read no more */
#define PAGE_GROUPS_MAX 25 /* owners, CAs, keys with a line of their own */

struct page {
    FILE *out;
    uint32_t part_count;
    int64_t now_unix_s;
};

/* The head and the style. `subtitle` may be "". */
void page_begin(struct page *page, FILE *out, const char *title, const char *subtitle,
                int64_t now_unix_s);
void page_end(struct page *page);

/* Parts. A heading with an anchor; `note` says what the part counts, "" if nothing. */
void page_part(struct page *page, const char *heading, const char *note);
void page_section(struct page *page, const char *heading, const char *note);
/* A row of tiles: a number, and what it counts. `class_name` colours it, "" for none. */
void page_tiles_begin(struct page *page);
void page_tile(struct page *page, const char *class_name, uint64_t count, const char *what);
void page_tiles_end(struct page *page);
/* "No mismatches." in the place of a table. */
void page_nothing(struct page *page, const char *what);

/* The table of what is worst, one row each: a section with its heading and what the list leaves out
   of `total`, or `nothing` in its place; then false, and neither rows nor an end. */
struct page_worst {
    const char *heading, *nothing;
    const char *caption, *word, *end; /* of the table, of its second and of its last column */
};
/* "" where there is nothing to say; `word` is a verdict or an outcome, its class gives the colour.
 */
struct page_worst_row {
    const char *endpoint, *word, *pin_set, *why, *owner, *end;
};
bool page_worst_begin(struct page *page, const struct page_worst *worst, uint64_t total);
void page_worst_row(struct page *page, const struct page_worst_row *row);
void page_worst_end(struct page *page);

/* One sweep: verdicts, owners, CAs, expiry, pin coverage and resilience, keys that many depend on,
   the worst endpoints. */
enum err page_sweep(struct page *page, const struct snapshot *snapshot,
                    struct err_note *note) MUST_USE;

/* The NDJSON of `pinsweep diff` and `pinsweep impact`, read from `in`; `file` is its name.
   ERR_INPUT with file and line for what is none of theirs. */
enum err page_diff(struct page *page, FILE *in, const char *file, struct err_note *note) MUST_USE;
enum err page_impact(struct page *page, FILE *in, const char *file, struct err_note *note) MUST_USE;

#endif
