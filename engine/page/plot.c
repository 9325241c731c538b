#include "engine/page/plot.h"

#include "engine/base/attributes.h"
#include "engine/page/html.h"

#define BAR_WIDTH 1000
#define COLUMNS_WIDTH 1000
#define COLUMNS_HEIGHT 220
#define AXIS_HEIGHT 26
#define AXIS_WIDTH 56

static void write_class(FILE *out, const char *name) {
    fputs("class=\"c-", out);
    html_text(out, name);
    fputs("\"", out);
}

void plot_legend(FILE *out, const struct plot_legend *legend, const uint64_t totals[]) {
    html_raw(out, "<ul class=\"legend\">");
    for (uint32_t i = 0; i < legend->count; i++) {
        if (totals[i] > 0) {
            html_raw(out, "<li><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect "
                          "width=\"12\" height=\"12\" rx=\"2\" ");
            write_class(out, legend->names[i]);
            html_raw(out, "/></svg> ");
            html_text(out, legend->names[i]);
            html_raw(out, " <b>");
            html_count(out, totals[i]);
            html_raw(out, "</b></li>");
        }
    }
    html_raw(out, "</ul>\n");
}

/* The segments of one bar of `length` units. A category that is there is never drawn away: it gets
   a unit at least. */
static void write_segments(FILE *out, const struct plot_legend *legend, const uint64_t counts[],
                           uint64_t total, uint32_t length, uint32_t height) {
    uint64_t before = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < legend->count && total > 0; i++) {
        before += counts[i];
        uint32_t end = (uint32_t)((double)before / (double)total * length + 0.5);
        if (counts[i] == 0) {
            continue;
        }
        end = end <= at ? at + 1 : end;
        fprintf(out, "<rect x=\"%u\" width=\"%u\" height=\"%u\" ", at, end - at, height);
        write_class(out, legend->names[i]);
        html_raw(out, "><title>");
        html_text(out, legend->names[i]);
        html_raw(out, ": ");
        html_count(out, counts[i]);
        html_raw(out, "</title></rect>");
        at = end;
    }
}

void plot_bar(FILE *out, const char *title, const struct plot_legend *legend,
              const uint64_t counts[], uint64_t total) {
    fprintf(out,
            "<svg class=\"bar\" viewBox=\"0 0 %d 40\" preserveAspectRatio=\"none\" role=\"img\" "
            "aria-label=\"",
            BAR_WIDTH);
    html_text(out, title);
    html_raw(out, "\">");
    write_segments(out, legend, counts, total, BAR_WIDTH, 40);
    html_raw(out, "</svg>\n");
}

static void write_row(FILE *out, const struct plot_legend *legend, const struct tally_row *row,
                      const char *key, uint64_t longest, const bool shown[]) {
    html_raw(out, "<tr><th scope=\"row\">");
    html_text(out, key);
    fprintf(out,
            "</th><td class=\"bars\"><svg viewBox=\"0 0 %d 14\" preserveAspectRatio=\"none\" "
            "aria-hidden=\"true\">",
            BAR_WIDTH);
    uint32_t length =
        longest > 0 ? (uint32_t)((double)row->total / (double)longest * BAR_WIDTH) : 0;
    write_segments(out, legend, row->counts, row->total, length < 4 ? 4 : length, 14);
    html_raw(out, "</svg></td><td class=\"n\">");
    html_count(out, row->total);
    html_raw(out, "</td>");
    for (uint32_t i = 0; i < legend->count; i++) {
        if (shown[i]) {
            html_raw(out, row->counts[i] > 0 ? "<td class=\"n\">" : "<td class=\"n none\">");
            html_count(out, row->counts[i]);
            html_raw(out, "</td>");
        }
    }
    html_raw(out, "</tr>\n");
}

void plot_table(FILE *out, const char *title, const char *key_heading,
                const struct plot_legend *legend, const struct tally *tally) {
    bool shown[TALLY_CATEGORIES_MAX] = {false};
    uint64_t longest = 0;
    CHECK(legend->count <= TALLY_CATEGORIES_MAX);
    for (uint32_t r = 0; r < tally->count; r++) {
        longest = tally->rows[r].total > longest ? tally->rows[r].total : longest;
        for (uint32_t i = 0; i < legend->count; i++) {
            shown[i] = shown[i] || tally->rows[r].counts[i] > 0 || tally->others.counts[i] > 0;
        }
    }
    html_raw(out, "<div class=\"wide\"><table><caption>");
    html_text(out, title);
    html_raw(out, "</caption><thead><tr><th scope=\"col\">");
    html_text(out, key_heading);
    html_raw(out,
             "</th><th scope=\"col\" class=\"bars\"></th><th scope=\"col\" class=\"n\">all</th>");
    for (uint32_t i = 0; i < legend->count; i++) {
        if (shown[i]) {
            html_raw(out, "<th scope=\"col\" class=\"n\">");
            html_text(out, legend->names[i]);
            html_raw(out, "</th>");
        }
    }
    html_raw(out, "</tr></thead><tbody>\n");
    for (uint32_t r = 0; r < tally->count; r++) {
        const struct tally_row *row = &tally->rows[r];
        write_row(out, legend, row, row->key[0] != '\0' ? row->key : "(none named)", longest,
                  shown);
    }
    if (tally->others.total > 0) {
        char key[64];
        snprintf(key, sizeof key, "%u others", tally->others_count);
        write_row(out, legend, &tally->others, tally->others_count > 0 ? key : "others",
                  tally->others.total > longest ? tally->others.total : longest, shown);
    }
    html_raw(out, "</tbody></table></div>\n");
}

/* --- columns --- */

static uint64_t column_total(const struct plot_columns *plot, uint32_t column) {
    uint64_t total = 0;
    for (uint32_t s = 0; s < plot->legend.count; s++) {
        total += plot->columns[column][s];
    }
    return total;
}

/* The next of 1, 2, 5, 10, 20, ... */
static uint64_t round_up(uint64_t value) {
    uint64_t step = 1;
    while (step < value && step < UINT64_MAX / 10) {
        uint64_t candidates[] = {step * 2, step * 5, step * 10};
        for (size_t i = 0; i < ARRAY_COUNT(candidates); i++) {
            step = step < value ? candidates[i] : step;
        }
    }
    return step;
}

static void write_column(FILE *out, const struct plot_columns *plot, uint32_t column,
                         uint64_t highest, double width) {
    double x = AXIS_WIDTH + column * width, y = COLUMNS_HEIGHT;
    for (uint32_t s = 0; s < plot->legend.count; s++) {
        uint64_t count = plot->columns[column][s];
        if (count == 0) {
            continue;
        }
        double height = (double)count / (double)highest * (COLUMNS_HEIGHT - 10);
        height = height < 1.5 ? 1.5 : height;
        y -= height;
        fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" ", x, y,
                width * 0.86, height);
        write_class(out, plot->legend.names[s]);
        html_raw(out, "><title>");
        html_text(out, plot->label(plot->context, column));
        html_raw(out, ": ");
        html_count(out, count);
        html_raw(out, " ");
        html_text(out, plot->legend.names[s]);
        html_raw(out, "</title></rect>");
    }
    if (column % plot->label_every == 0) {
        fprintf(out, "<text x=\"%.1f\" y=\"%d\">", x, COLUMNS_HEIGHT + 18);
        html_text(out, plot->label(plot->context, column));
        html_raw(out, "</text>");
    }
}

void plot_columns(FILE *out, const struct plot_columns *plot) {
    uint64_t highest = 1, total = 0;
    CHECK(plot->legend.count <= PLOT_SERIES_MAX && plot->count > 0);
    for (uint32_t c = 0; c < plot->count; c++) {
        uint64_t sum = column_total(plot, c);
        highest = sum > highest ? sum : highest;
        total += sum;
    }
    highest = round_up(highest);
    fprintf(out, "<svg class=\"columns\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
            COLUMNS_WIDTH, COLUMNS_HEIGHT + AXIS_HEIGHT);
    html_format(out, "%s, %llu in all, by %s", plot->title, (unsigned long long)total, plot->unit);
    html_raw(out, "\">");
    for (int line = 0; line <= 2; line++) {
        int y = COLUMNS_HEIGHT - line * (COLUMNS_HEIGHT - 10) / 2;
        fprintf(out, "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", AXIS_WIDTH, COLUMNS_WIDTH,
                y, y);
        if (line != 1 || highest > 1) {
            fprintf(out, "<text class=\"end\" x=\"%d\" y=\"%d\">", AXIS_WIDTH - 8, y + 4);
            if (highest % 2 == 1 && line == 1) {
                fprintf(out, "%.1f", (double)highest / 2);
            } else {
                html_count(out, highest * (uint64_t)line / 2);
            }
            html_raw(out, "</text>");
        }
    }
    double width = (double)(COLUMNS_WIDTH - AXIS_WIDTH) / plot->count;
    for (uint32_t c = 0; c < plot->count; c++) {
        write_column(out, plot, c, highest, width);
    }
    html_raw(out, "</svg>\n");
}
