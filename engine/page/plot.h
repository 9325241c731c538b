/* Plots as inline SVG 1.1, drawn without scripts: bars that are divided by category, and columns
   over time. Colours are the page's CSS classes (c0, c1, ...), so that they follow light, dark and
   print; every plot has a title and a description for those who cannot see it, and stands beside a
   table with the same numbers. */
#ifndef PINSWEEP_PAGE_PLOT_H
#define PINSWEEP_PAGE_PLOT_H

#include <stdio.h>

#include "engine/page/tally.h"

/* What the categories of a plot are called, in order; classes are "c-<name>". */
struct plot_legend {
    const char *const *names;
    uint32_t count;
};

/* A row of coloured squares with names and totals; categories without any are left out. */
void plot_legend(FILE *out, const struct plot_legend *legend, const uint64_t totals[]);
/* One bar over the whole width. */
void plot_bar(FILE *out, const char *title, const struct plot_legend *legend,
              const uint64_t counts[], uint64_t total);
/* A table: a row for each key with its bar (as long as its share of the longest) and its numbers by
   category; then the others. `key_heading` heads the first column. */
void plot_table(FILE *out, const char *title, const char *key_heading,
                const struct plot_legend *legend, const struct tally *tally);

/* Columns over time: `columns[c][k]` of series k in column c, stacked. */
#define PLOT_SERIES_MAX 4
struct plot_columns {
    const char *title, *unit; /* "Certificates that expire", "week" */
    struct plot_legend legend;
    uint64_t (*columns)[PLOT_SERIES_MAX];
    uint32_t count;
    const char *(*label)(void *context, uint32_t column); /* under every `label_every`th column */
    uint32_t label_every;
    void *context;
};
void plot_columns(FILE *out, const struct plot_columns *plot);

#endif
